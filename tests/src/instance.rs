//! The processes of one instance of hbd, whoever is their parent: each names its run directory on its command line.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{self, flock};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::Error;
use crate::wait;

/// How long killing may take.
const ENDING: Duration = Duration::from_secs(10);

/// The process that holds a lock of the instance: `supervisor`, `core` or `manager`. Whether it lives is not asked.
#[must_use]
pub fn pid(run: &Path, role: &str) -> Option<i32> {
    let text = fs::read_to_string(run.join(format!("{role}.lock"))).ok()?;
    text.trim().parse().ok()
}

/// Whether a process holds that lock: one that was killed does until its last thread has ended.
#[must_use]
pub fn is_held(run: &Path, role: &str) -> bool {
    let Ok(file) = File::open(run.join(format!("{role}.lock"))) else {
        return false;
    };
    let mut lock = flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    let asked = fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock));
    asked.is_ok() && lock.l_type != libc::F_UNLCK as i16
}

/// Every process of the instance that lives.
#[must_use]
pub fn pids(run: &Path) -> Vec<i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            names(&entry.path(), run).then_some(pid)
        })
        .collect()
}

/// Kills every process of the instance: all are stopped first, so that none starts another.
///
/// # Errors
/// [`Error::NotWithin`].
pub fn kill_all(run: &Path) -> Result<(), Error> {
    let condition = format!("no process of {}", run.display());
    wait::until_true(ENDING, &condition, || {
        let pids = pids(run);
        for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
            for &pid in &pids {
                let _ = kill(Pid::from_raw(pid), signal);
            }
        }
        Ok(pids.is_empty())
    })
}

/// Whether the words `--run DIR` are on the command line. One that has ended has none.
fn names(process: &Path, run: &Path) -> bool {
    let line = fs::read(process.join("cmdline")).unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let run = run.as_os_str().as_encoded_bytes();
    words.windows(2).any(|pair| pair == [b"--run", run])
}
