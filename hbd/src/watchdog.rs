//! The device that resets this machine unless somebody writes to it again and again
//! (`Documentation/watchdog/watchdog-api.rst` of Linux).
//!
//! ```text
//! opened, stopped --> armed --> fed, fed, fed --> disarmed: 'V', then closed
//!                       |  \                          by the supervisor, once nothing is held
//!                       |   at each own beat, by the core alone
//!                       at the first own packet that leaves
//! ```
//!
//! Linux starts such a device when it is opened; so it is stopped again at once, where it lets itself
//! be stopped: a node that never comes to beat is not reset again and again. Whoever closes the last
//! descriptor without the 'V' leaves it running, which is the point.
//!
//! Anything else that can be written to is taken for a stand-in, with a warning.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::event::Span;

use crate::channel::Lack;
use crate::sys::{self, Watchdog};

/// Least time between two writes: each may cost a way over a slow bus.
pub(crate) const PAUSE: Duration = Duration::from_millis(250);
/// What is missing where it is none, or another than wanted.
pub(crate) const LACK: &str = "the watchdog";
/// Written for a sign of life; anything but the 'V' will do.
const ALIVE: &[u8] = b"\0";
/// The device is to stop when it is closed.
const LAST: &[u8] = b"V";
/// Added to deadtime, as Heartbeat 3.0.6 does.
const MARGIN: Duration = Duration::from_millis(10);

/// What is known of the device, from process to process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Card {
    /// Its file.
    pub(crate) path: PathBuf,
    /// It is a watchdog; otherwise it stands in for one.
    pub(crate) real: bool,
    /// What it waits before it resets the machine.
    pub(crate) timeout: Duration,
    /// It waits.
    pub(crate) armed: bool,
}

/// The device.
#[derive(Debug)]
pub(crate) struct Device {
    file: File,
    pub(crate) card: Card,
}

impl Device {
    /// Opens it. `stop`: it is to wait for [`Device::arm`]; otherwise it runs, as after somebody who
    /// died.
    pub(crate) fn open(
        path: &Path,
        deadtime: Duration,
        keepalive: Duration,
        stop: bool,
    ) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)?;
        let real = sys::watchdog(file.as_fd(), Watchdog::Ask).is_ok();
        let stopped = stop && (!real || sys::watchdog(file.as_fd(), Watchdog::Stop).is_ok());
        let mut device = Self {
            file,
            card: Card {
                path: path.to_owned(),
                real,
                timeout: timeout(deadtime),
                armed: !stopped,
            },
        };
        device.adapt(deadtime);
        let (timeout, slowest) = (device.card.timeout, slowest(keepalive));
        if timeout <= slowest {
            device.disarm();
            return Err(io::Error::other(format!(
                "it resets the machine after {}, and may be written to every {} only, with this keepalive",
                Span(timeout),
                Span(slowest)
            )));
        }
        Ok(device)
    }

    /// One that another process opened.
    pub(crate) fn adopt(descriptor: OwnedFd, card: Card) -> Self {
        let file = descriptor.into();
        Self { file, card }
    }

    /// For another process.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.file.as_fd().try_clone_to_owned()
    }

    /// Waits as long as fits that dead time, if it can. One that runs takes that for a sign of life.
    pub(crate) fn adapt(&mut self, deadtime: Duration) {
        let wanted = timeout(deadtime);
        self.card.timeout = wanted;
        if self.card.real {
            let seconds = i32::try_from(wanted.as_secs()).unwrap_or(i32::MAX);
            let set = sys::watchdog(self.file.as_fd(), Watchdog::SetTimeout(seconds))
                .or_else(|_| sys::watchdog(self.file.as_fd(), Watchdog::Timeout));
            if let Ok(seconds) = set {
                self.card.timeout = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
            }
        }
    }

    /// From here on it resets the machine unless it is fed.
    pub(crate) fn arm(&mut self) -> io::Result<()> {
        if self.card.real {
            // One that could not be stopped runs anyway.
            let _ = sys::watchdog(self.file.as_fd(), Watchdog::Start);
        }
        self.card.armed = true;
        self.feed()
    }

    /// A sign of life. Does not wait.
    pub(crate) fn feed(&mut self) -> io::Result<()> {
        self.file.write_all(ALIVE)
    }

    /// It is needed no more.
    pub(crate) fn disarm(mut self) {
        // Who is to read it may have gone.
        let _ = self.file.write_all(LAST);
    }

    /// What is not as it should be.
    pub(crate) fn lack(&self, deadtime: Duration) -> Option<Lack> {
        let Card {
            path,
            real,
            timeout: is,
            ..
        } = &self.card;
        let wanted = timeout(deadtime);
        let (why, remedy) = match real {
            false => (
                format!(
                    "{} takes no orders of a watchdog: it will not reset this machine",
                    path.display()
                ),
                "name the device of a watchdog, such as /dev/watchdog, in ha.cf, and start hbd again",
            ),
            true if *is != wanted => (
                format!(
                    "{} resets this machine after {}, and should after {}, a little more than deadtime",
                    path.display(),
                    Span(*is),
                    Span(wanted)
                ),
                "choose a deadtime that the device can wait",
            ),
            true => return None,
        };
        Some(Lack {
            what: LACK.into(),
            why,
            remedy: remedy.into(),
        })
    }
}

/// What a device is to wait: 3.0.6's rule, in whole seconds.
pub(crate) fn timeout(deadtime: Duration) -> Duration {
    let wanted = deadtime + MARGIN;
    let more = u64::from(wanted.subsec_nanos() > 0);
    Duration::from_secs(wanted.as_secs() + more)
}

/// Longest time between two writes of a core that is well.
fn slowest(keepalive: Duration) -> Duration {
    keepalive + PAUSE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_waits_a_little_more_than_deadtime_in_whole_seconds() {
        let seconds = |ms| timeout(Duration::from_millis(ms)).as_secs();
        assert_eq!([500, 990, 991, 3000, 29_990].map(seconds), [1, 1, 2, 4, 30]);
    }

    #[test]
    fn what_takes_no_orders_stands_in_for_a_watchdog_and_says_so() {
        let path = std::env::temp_dir().join(format!("hbd-watchdog-{}", std::process::id()));
        std::fs::write(&path, "").unwrap();
        let second = Duration::from_secs(1);
        let mut device = Device::open(&path, 3 * second, second, true).unwrap();
        assert!(!device.card.armed && !device.card.real);
        assert_eq!(device.card.timeout, 4 * second);
        assert!(
            device
                .lack(3 * second)
                .unwrap()
                .why
                .contains("takes no orders")
        );
        device.arm().unwrap();
        let other = Device::adopt(device.descriptor().unwrap(), device.card.clone());
        assert!(other.card.armed);
        device.feed().unwrap();
        other.disarm();
        assert_eq!(std::fs::read(&path).unwrap(), b"\0\0V");
        let slow = Device::open(&path, 2 * second, 3 * second, true).unwrap_err();
        assert!(slow.to_string().contains("keepalive"), "{slow}");
        std::fs::remove_file(&path).unwrap();
        assert!(Device::open(&path, 3 * second, second, true).is_err());
    }
}
