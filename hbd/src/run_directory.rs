//! The directory that names an instance: its control socket, the locks that prove that there is one
//! supervisor, one core and one manager of it, and the doors through which a supervisor comes to
//! workers that it did not start.
//!
//! ```text
//! hbd.sock                                    clients
//! core.sock manager.sock                      doors, mode 0600
//! supervisor.lock core.lock manager.lock      held; each holds the process number
//! accepted/                                   the configuration that runs
//! ```

use std::fmt;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use shared::event::Role;

use crate::accepted;
use crate::directory;
use crate::lock::{self, LockError};

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
        let supervisor_path = path.join(format!("{}.lock", Role::Supervisor));
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

    /// The lock that proves that there is one worker of that role.
    pub(crate) fn lock(&self, role: Role) -> Result<OwnedFd, RunError> {
        let who = match role {
            Role::Core => "the core of a former hbd",
            Role::Manager => "the manager of a former hbd",
            Role::Supervisor => "another hbd",
        };
        claim(&self.file(role, "lock"), who).map(Into::into)
    }

    /// True if a worker of a former supervisor lives.
    pub(crate) fn has_workers(&self) -> bool {
        self.lives(Role::Core) || self.lives(Role::Manager)
    }

    fn lives(&self, role: Role) -> bool {
        matches!(self.lock(role), Err(RunError::Held { .. }))
    }

    /// Writes into a worker's lock whose it is, for whoever finds it held.
    pub(crate) fn name(&self, role: Role, pid: u32) {
        // Only a message would lack the number.
        let _ = fs::write(self.file(role, "lock"), format!("{pid}\n"));
    }

    /// The process that holds a worker's lock, as far as is known.
    pub(crate) fn pid(&self, role: Role) -> Option<u32> {
        let text = fs::read_to_string(self.file(role, "lock")).ok()?;
        text.trim().parse().ok()
    }

    /// Makes the [door](crate::bond) of a worker that is about to start. Whoever calls this holds
    /// its lock: one that is there was left behind.
    pub(crate) fn make_door(&self, role: Role) -> io::Result<OwnedFd> {
        let path = self.door(role);
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(listener.into())
    }

    /// Knocks at the door of a worker.
    pub(crate) fn knock(&self, role: Role) -> io::Result<OwnedFd> {
        connect_at_once(&self.door(role))
    }

    fn door(&self, role: Role) -> PathBuf {
        self.file(role, "sock")
    }

    fn file(&self, role: Role, ending: &str) -> PathBuf {
        self.path.join(format!("{role}.{ending}"))
    }
}

impl Drop for RunDirectory {
    /// Takes the files away. The supervisor's lock goes last and while it is held; what belongs to
    /// a worker that lives stays.
    fn drop(&mut self) {
        let _ = fs::remove_file(self.socket());
        let mut all_gone = true;
        for role in [Role::Core, Role::Manager] {
            let Ok(_lock) = self.lock(role) else {
                all_gone = false;
                continue;
            };
            let _ = fs::remove_file(self.door(role));
            let _ = fs::remove_file(self.file(role, "lock"));
        }
        if all_gone {
            accepted::remove(&self.path);
        }
        let _ = fs::remove_file(&self.supervisor_path);
    }
}

/// Connects to whoever listens at `path`, and never waits: where too many wait there already it
/// fails with `WouldBlock`.
pub(crate) fn connect_at_once(path: &Path) -> io::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(socket)
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
        let core = first.lock(Role::Core).unwrap();
        first.name(Role::Core, 4711);
        let held = first.lock(Role::Core).unwrap_err().to_string();
        assert!(held.contains("core of a former hbd (pid 4711)"), "{held}");
        assert!(first.lives(Role::Core) && !first.lives(Role::Manager));
        assert_eq!(first.pid(Role::Core), Some(4711));
        drop(core);
        first.lock(Role::Core).unwrap();
        drop(first);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        drop(RunDirectory::claim(&path).unwrap());
        fs::remove_dir(&path).unwrap();
    }

    #[test]
    fn what_belongs_to_a_worker_that_lives_stays() {
        let path = std::env::temp_dir().join(format!("hbd-run-stays-{}", std::process::id()));
        let run = RunDirectory::claim(&path).unwrap();
        assert!(run.knock(Role::Core).is_err());
        let lock = run.lock(Role::Core).unwrap();
        let _listener = run.make_door(Role::Core).unwrap();
        drop(run);
        let run = RunDirectory::claim(&path).unwrap();
        run.knock(Role::Core).unwrap();
        drop(lock);
        drop(run);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        fs::remove_dir(&path).unwrap();
    }
}
