//! The core's process as its supervisor sees it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use shared::time::Moment;
use tokio::process::{Child, Command};

use crate::channel::{Channel, FromCore, ToCore};
use crate::clock;

/// This very program, even if its file was replaced meanwhile.
const PROGRAM: &str = "/proc/self/exe";

/// A core.
pub(super) struct CoreChild {
    child: Child,
    channel: Channel<ToCore, FromCore>,
    /// When it was started.
    pub(super) since: Moment,
    /// When it last said anything.
    heard: Option<Moment>,
}

/// Until a new core has said something it may be silent for so long.
const FIRST_WORD_LIMIT: Duration = Duration::from_secs(5);

impl CoreChild {
    /// Starts a core.
    pub(super) fn spawn() -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(PROGRAM)
            .arg0("hbd: core")
            .args(["core", "--fd", "0"])
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self {
            child,
            channel: Channel::new(ours.into())?,
            since: clock::boot(),
            heard: None,
        })
    }

    /// Its process, while it has not ended.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Queues a message.
    pub(super) fn tell(&mut self, message: &ToCore, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        self.channel.queue(message, descriptors)
    }

    /// The next message; nothing when the process is gone or does not speak sense. May be given
    /// up and called again.
    pub(super) async fn next(&mut self) -> Option<FromCore> {
        let (message, _) = self.channel.next().await.ok()??;
        self.heard = Some(clock::boot());
        Some(message)
    }

    /// How long it has been silent, if that is longer than `limit`.
    pub(super) fn silent_beyond(&self, limit: Duration) -> Option<Duration> {
        let now = clock::boot();
        let (since, limit) = match self.heard {
            Some(heard) => (heard, limit),
            None => (self.since, limit.max(FIRST_WORD_LIMIT)),
        };
        let silent = now.since(since);
        (silent > limit).then_some(silent)
    }

    /// Ends it, if it has not ended, and says how it did.
    pub(super) async fn end(mut self) -> String {
        let _ = self.child.start_kill();
        self.ended().await
    }

    /// Waits for its end and says how it was.
    pub(super) async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => describe(status),
            Err(error) => error.to_string(),
        }
    }
}

/// "signal 9 (SIGKILL)", "exit status 1".
fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(number), _) => match Signal::try_from(number) {
            Ok(Signal::SIGXCPU) => {
                format!("signal {number} (SIGXCPU): it computed for too long without a pause")
            }
            Ok(signal) => format!("signal {number} ({signal})"),
            Err(_) => format!("signal {number}"),
        },
        (None, Some(code)) => format!("exit status {code}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_is_told_by_signal_or_status() {
        assert_eq!(describe(ExitStatus::from_raw(9)), "signal 9 (SIGKILL)");
        assert_eq!(describe(ExitStatus::from_raw(101 << 8)), "exit status 101");
        let wild = describe(ExitStatus::from_raw(24));
        assert!(wild.contains("computed for too long"), "{wild}");
    }
}
