//! What outlives the daemon: identity, generation, and what is known of peers.
//!
//! ```text
//! hb_uuid        16 bytes                    as Heartbeat 3.0.6 keeps it
//! hb_generation  a number in 15 columns      as Heartbeat 3.0.6 keeps it
//! peers.json     highest generation and UUID of every peer
//! lock           held by the only supervisor that writes here
//! ```
//!
//! A peer drops what it takes for a replay, so a generation must never be used twice. The file
//! holds one that is reserved ahead: a core that is replaced takes the next number without
//! waiting for a disk, and a crash skips what was left. Every file is written beside, synced and
//! renamed.

mod file;
mod generation;
mod namesake;
mod nodename;
mod peers;
mod takeover;
mod uuid;
mod writer;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use generation::Generations;
pub(crate) use namesake::refuse_namesake;
pub(crate) use nodename::uuid_of;
pub(crate) use peers::Peers;
pub(crate) use takeover::{HEARTBEAT_STATE, heartbeat_beside, take_over};
pub(crate) use uuid::own_uuid;
pub(crate) use writer::{Job, Writer};

use shared::names::NodeName;

use crate::directory;
use crate::lock::{Held, LockError};

/// Held by the supervisor that writes here.
const LOCK: &str = "lock";

/// State could not be read or kept.
#[derive(Debug)]
pub(crate) enum StateError {
    /// A file or directory could not be used.
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
    /// A file does not hold what it should.
    Corrupt {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The directory could not be made.
    Make {
        /// Which.
        directory: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
    /// Another instance uses the directory.
    Held {
        /// Which directory.
        directory: PathBuf,
        /// Its process, as it wrote itself.
        pid: String,
    },
    /// Heartbeat runs here, whose state would be taken over.
    HeartbeatRuns {
        /// Its process.
        pid: i32,
    },
    /// Heartbeat runs here, and hbd would be the same node.
    Namesake {
        /// Its process.
        pid: i32,
        /// Both.
        node: NodeName,
    },
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io {
                operation,
                path,
                error,
            } => {
                write!(f, "cannot {operation} {}: {error}", path.display())?;
                match error.kind() {
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => f
                        .write_str(
                            "; start hbd as a user who may write there, or name another \
                             directory with --state",
                        ),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                        f.write_str("; make room on that file system")
                    }
                    _ => Ok(()),
                }
            }
            Self::Corrupt {
                path,
                reason,
                remedy,
            } => write!(f, "{} {reason}; {remedy}", path.display()),
            Self::Make { directory, error } => write!(
                f,
                "cannot make the state directory {}: {error}; {}",
                directory.display(),
                directory::remedy(directory, error, "--state")
            ),
            Self::Held { directory, pid } => write!(
                f,
                "another hbd (pid {pid}) keeps its state in {}; stop it, or name another directory \
                 with --state",
                directory.display()
            ),
            Self::HeartbeatRuns { pid } => write!(
                f,
                "Heartbeat runs here (pid {pid}), and hbd would be the same node: it takes identity \
                 and generation over from {HEARTBEAT_STATE}; stop Heartbeat first"
            ),
            Self::Namesake { pid, node } => write!(
                f,
                "Heartbeat runs here (pid {pid}), and hbd would be the same node: both are {node}, \
                 with the same UDP ports; stop Heartbeat first"
            ),
        }
    }
}

impl std::error::Error for StateError {}

/// Adds to an error what was tried on which path.
trait On<T> {
    /// `operation` was tried on `path`.
    fn on(self, operation: &'static str, path: &Path) -> Result<T, StateError>;
}

impl<T> On<T> for io::Result<T> {
    fn on(self, operation: &'static str, path: &Path) -> Result<T, StateError> {
        self.map_err(|error| StateError::Io {
            operation,
            path: path.to_owned(),
            error,
        })
    }
}

/// Makes the state directory if it is not there, and claims it: two instances on one directory
/// would use each other's generations again.
pub(crate) fn claim(directory: &Path) -> Result<Held, StateError> {
    directory::make(directory).map_err(|error| StateError::Make {
        directory: directory.to_owned(),
        error,
    })?;
    let path = directory.join(LOCK);
    Held::claim(path.clone()).map_err(|error| match error {
        LockError::Io { operation, error } => StateError::Io {
            operation,
            path,
            error,
        },
        LockError::Held { pid } => StateError::Held {
            directory: directory.to_owned(),
            pid,
        },
    })
}

#[cfg(test)]
mod tests;
