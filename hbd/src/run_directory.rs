//! The directory that names an instance: its control socket, and the locks that prove that there
//! is one supervisor and one core of it.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::accepted;
use crate::clock;
use crate::directory;
use crate::lock::{self, LockError};

/// How long a start waits for the core of a former supervisor, which leaves the cluster in order.
const CORE_WAIT: Duration = Duration::from_secs(15);
const CORE_LOOK: Duration = Duration::from_millis(20);

/// Another instance, or a directory that cannot be used.
#[derive(Debug)]
pub(crate) enum RunError {
    /// A file or directory could not be used.
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
    /// The directory could not be made.
    Make {
        /// Which.
        path: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
    /// Another process holds the lock.
    Held {
        /// Which process of hbd it is.
        who: &'static str,
        /// The lock.
        path: PathBuf,
        /// Its process, as it wrote itself.
        pid: String,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io {
                operation,
                path,
                error,
            } => write!(
                f,
                "cannot {operation} {}: {error}; name a directory that can be written with --run",
                path.display()
            ),
            Self::Make { path, error } => write!(
                f,
                "cannot make the run directory {}: {error}; {}",
                path.display(),
                directory::remedy(path, error, "--run")
            ),
            Self::Held { who, path, pid } => write!(
                f,
                "{who} (pid {pid}) holds {}; stop it, or name another directory with --run",
                path.display()
            ),
        }
    }
}

impl std::error::Error for RunError {}

/// The directory of this instance while its supervisor runs.
#[derive(Debug)]
pub(crate) struct RunDirectory {
    path: PathBuf,
    /// Held as long as this exists.
    _supervisor: File,
    supervisor_path: PathBuf,
}

impl RunDirectory {
    /// Makes the directory and proves that this is its only supervisor.
    pub(crate) fn claim(path: &Path) -> Result<Self, RunError> {
        directory::make(path).map_err(|error| RunError::Make {
            path: path.to_owned(),
            error,
        })?;
        let supervisor_path = path.join("supervisor.lock");
        let supervisor = claim(&supervisor_path, "another hbd")?;
        Ok(Self {
            path: path.to_owned(),
            _supervisor: supervisor,
            supervisor_path,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The control socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path.join("hbd.sock")
    }

    /// The lock for a core. If the core of a former supervisor still leaves the cluster, `patient`
    /// waits for its end.
    pub(crate) fn core_lock(&self, patient: bool) -> Result<OwnedFd, RunError> {
        let path = self.path.join("core.lock");
        let until = clock::boot() + if patient { CORE_WAIT } else { Duration::ZERO };
        loop {
            match claim(&path, "the core of a former hbd") {
                Ok(lock) => return Ok(lock.into()),
                Err(RunError::Held { .. }) if clock::boot() < until => {
                    std::thread::sleep(CORE_LOOK);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes into the core's lock whose it is, for whoever finds it held.
    pub(crate) fn name_core(&self, pid: u32) {
        // Only a message would lack the number.
        let _ = fs::write(self.path.join("core.lock"), format!("{pid}\n"));
    }
}

impl Drop for RunDirectory {
    /// Takes the files away. The supervisor's lock goes last and while it is held; the core's
    /// stays while a core holds it.
    fn drop(&mut self) {
        let _ = fs::remove_file(self.socket());
        accepted::remove(&self.path);
        if self.core_lock(false).is_ok() {
            let _ = fs::remove_file(self.path.join("core.lock"));
        }
        let _ = fs::remove_file(&self.supervisor_path);
    }
}

fn claim(path: &Path, who: &'static str) -> Result<File, RunError> {
    lock::claim(path).map_err(|error| match error {
        LockError::Io { operation, error } => RunError::Io {
            operation,
            path: path.to_owned(),
            error,
        },
        LockError::Held { pid } => RunError::Held {
            who,
            path: path.to_owned(),
            pid,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_supervisor_and_the_second_is_told_its_pid() {
        let path = std::env::temp_dir().join(format!("hbd-run-{}", std::process::id()));
        let first = RunDirectory::claim(&path).unwrap();
        let second = RunDirectory::claim(&path).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(
            second.starts_with(&format!("another hbd (pid {pid}) holds")),
            "{second}"
        );
        let core = first.core_lock(false).unwrap();
        first.name_core(4711);
        let held = first.core_lock(false).unwrap_err().to_string();
        assert!(held.contains("core of a former hbd (pid 4711)"), "{held}");
        drop(core);
        first.core_lock(false).unwrap();
        drop(first);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        drop(RunDirectory::claim(&path).unwrap());
        fs::remove_dir(&path).unwrap();
    }
}
