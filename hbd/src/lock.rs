//! Files that prove that a process is the only one.
//!
//! The locks are open file description locks (`fcntl(2)`): they end with the process whatever
//! ends it, and travel with the descriptor.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

/// A lock that was not taken.
#[derive(Debug)]
pub(crate) enum LockError {
    /// The file could not be used.
    Io {
        /// What was tried.
        operation: &'static str,
        /// What the kernel says.
        error: io::Error,
    },
    /// Another process holds it.
    Held {
        /// That process, as it wrote itself; "unknown" where the disk did not take it.
        pid: String,
    },
}

/// Opens and locks a file and writes this process into it. Whoever ends in order removes the file
/// while holding its lock: a lock on a removed file proves nothing, and it is tried again.
pub(crate) fn claim(path: &Path) -> Result<File, LockError> {
    let fail = |operation, error| LockError::Io { operation, error };
    loop {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(path)
            .map_err(|error| fail("open", error))?;
        match lock(&file) {
            Ok(()) => {}
            Err(Errno::EAGAIN | Errno::EACCES) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                let pid = match pid.trim() {
                    "" => "unknown",
                    pid => pid,
                };
                return Err(LockError::Held {
                    pid: pid.to_owned(),
                });
            }
            Err(error) => return Err(fail("lock", error.into())),
        }
        let same = |a: &fs::Metadata, b: &fs::Metadata| a.ino() == b.ino() && a.dev() == b.dev();
        match (file.metadata(), fs::metadata(path)) {
            (Ok(ours), Ok(there)) if same(&ours, &there) => {}
            _ => continue,
        }
        // The lock proves what it proves on a full disk too: only a message would lack the number.
        let _ = name(&file);
        return Ok(file);
    }
}

/// Writes this process into a lock. Shortened last, so that a full disk need not give room anew.
fn name(file: &File) -> io::Result<()> {
    let text = format!("{}\n", std::process::id());
    file.write_all_at(text.as_bytes(), 0)?;
    file.set_len(text.len() as u64)
}

fn lock(file: &File) -> nix::Result<()> {
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&whole)).map(drop)
}

/// A lock whose file goes when it does.
#[derive(Debug)]
pub(crate) struct Held {
    path: PathBuf,
    /// Held as long as this exists.
    _file: File,
}

impl Held {
    /// As [`claim`].
    pub(crate) fn claim(path: PathBuf) -> Result<Self, LockError> {
        let file = claim(&path)?;
        Ok(Self { path, _file: file })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
