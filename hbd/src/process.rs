//! A process of hbd as another one sees it, whether that one started it or found it.
//!
//! A descriptor stands for it, so that a signal never hits another process which the kernel gave
//! the same number (`pidfd_open(2)`).

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::socket::{getsockopt, sockopt};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

use crate::sys;

/// This very program, even if its file was replaced meanwhile.
pub(crate) const OWN_PROGRAM: &str = "/proc/self/exe";
/// How the workers call themselves begins so.
pub(crate) const WORKER_NAME: &str = "hbd: ";

/// A process.
#[derive(Debug)]
pub(crate) struct Process {
    pid: i32,
    descriptor: AsyncFd<OwnedFd>,
}

impl Process {
    /// A child that was just started. Needs a runtime.
    pub(crate) fn started(child: &Child) -> io::Result<Self> {
        Self::open(i32::try_from(child.id()).map_err(io::Error::other)?)
    }

    /// Whoever made or connected the socket at whose other end this process is, while it lives.
    /// Needs a runtime.
    pub(crate) fn behind(socket: &impl AsFd) -> Option<Self> {
        let peer = getsockopt(socket, sockopt::PeerCredentials).ok()?;
        // 0 is a process that cannot be seen from here.
        Self::open(Some(peer.pid()).filter(|pid| *pid > 0)?).ok()
    }

    /// The worker of that number, if it is one. Needs a runtime.
    pub(crate) fn worker(pid: u32) -> io::Result<Self> {
        let process = Self::open(i32::try_from(pid).map_err(io::Error::other)?)?;
        // Looked at after the descriptor was opened: from here on the number is its own.
        let line = fs::read(format!("/proc/{pid}/cmdline"))?;
        if line.starts_with(WORKER_NAME.as_bytes()) {
            Ok(process)
        } else {
            Err(io::Error::other(format!("process {pid} is none of hbd")))
        }
    }

    fn open(pid: i32) -> io::Result<Self> {
        let descriptor = hbd_agents::process_descriptor(pid)?;
        let descriptor = sys::watch(descriptor, Interest::READABLE)?;
        Ok(Self { pid, descriptor })
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Kills it, if it has not ended.
    pub(crate) fn kill(&self) {
        // It may have ended, which is as good.
        let _ = hbd_agents::signal_process(self.descriptor.get_ref().as_fd(), libc::SIGKILL);
    }

    /// Waits for its end, and leaves how it was to whoever started it. May be given up and called
    /// again.
    pub(crate) async fn gone(&self) {
        // One that cannot be watched is not waited for.
        let _ = self.descriptor.readable().await;
    }

    /// Waits for its end, for so long, and says how it was; nothing if it did not end. It is reaped
    /// whenever it does. Needs a runtime.
    pub(crate) async fn ended_within(self, limit: Duration) -> Option<String> {
        let ended = timeout(limit, self.ended()).await;
        if ended.is_err() {
            tokio::spawn(async move { self.ended().await });
        }
        ended.ok()
    }

    /// Waits for its end and says how it was. May be given up and called again.
    pub(crate) async fn ended(&self) -> String {
        if let Err(error) = self.descriptor.readable().await {
            return error.to_string();
        }
        let pid = Pid::from_raw(self.pid);
        loop {
            match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
                Err(Errno::EINTR) => {}
                Ok(status) => return describe(status),
                Err(_) => return "how is not known: another process had started it".into(),
            }
        }
    }
}

/// "signal 9 (SIGKILL)", "exit status 1".
fn describe(status: WaitStatus) -> String {
    match status {
        WaitStatus::Signaled(_, signal, _) => described(signal),
        WaitStatus::Exited(_, code) => format!("exit status {code}"),
        other => format!("{other:?}"),
    }
}

fn described(signal: Signal) -> String {
    let number = signal as i32;
    match signal {
        Signal::SIGXCPU => {
            format!("signal {number} ({signal}): it computed for too long without a pause")
        }
        _ => format!("signal {number} ({signal})"),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn run<T>(test: impl AsyncFnOnce() -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test())
    }

    #[test]
    #[expect(clippy::zombie_processes, reason = "`ended` waits for it")]
    fn a_death_is_told_by_signal_or_status() {
        run(async || {
            let child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
            let process = Process::started(&child).unwrap();
            assert_eq!(process.ended().await, "exit status 7");
            let child = Command::new("cat")
                .stdin(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let process = Process::started(&child).unwrap();
            process.kill();
            assert_eq!(process.ended().await, "signal 9 (SIGKILL)");
            assert!(described(Signal::SIGXCPU).contains("computed for too long"));
        });
    }

    #[test]
    #[expect(clippy::zombie_processes, reason = "the runtime waits for it")]
    fn a_process_that_does_not_end_is_waited_for_so_long_and_reaped_later() {
        run(async || {
            let child = Command::new("cat")
                .stdin(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let process = Process::started(&child).unwrap();
            let other = Process::started(&child).unwrap();
            let limit = Duration::from_millis(20);
            assert_eq!(process.ended_within(limit).await, None);
            other.kill();
            let entry = format!("/proc/{}", child.id());
            let reaped = async {
                while fs::exists(&entry).unwrap() {
                    tokio::task::yield_now().await;
                }
            };
            timeout(Duration::from_secs(30), reaped).await.unwrap();
        });
    }

    #[test]
    fn a_process_that_is_no_worker_is_not_taken_for_one() {
        run(async || {
            let error = Process::worker(std::process::id()).unwrap_err();
            assert!(error.to_string().ends_with("is none of hbd"), "{error}");
        });
    }
}
