//! An open medium in the reactor, and whether packets leave over it.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use shared::time::Moment;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::medium::{Binding, Medium, SendError};
use crate::sys;

/// Sending must have worked for so long after a failure before that counts as over.
const RECOVERY: Duration = Duration::from_secs(3);

/// An open medium.
pub(super) struct Line {
    /// The medium.
    pub(super) medium: Box<dyn Medium>,
    /// Readable when a packet may be there.
    pub(super) ready: AsyncFd<OwnedFd>,
    /// What it was made of, for the next supervisor.
    pub(super) held: Held,
    /// When sending failed last, while it counts as failing.
    failed: Option<Moment>,
    /// Whether the last packet left.
    sends: bool,
    /// The last packet that left.
    last: Vec<u8>,
    /// The medium brings back what goes out.
    returns: bool,
    /// A copy of the last packet is there, unless it was read already.
    returning: bool,
}

/// What a medium was made of.
pub(super) struct Held {
    /// What it is bound to.
    pub(super) binding: Binding,
    /// Its descriptors.
    pub(super) descriptors: Vec<OwnedFd>,
}

/// How sending over a medium changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It fails.
    Fails(String),
    /// It works.
    Works,
}

impl Line {
    /// Watches the medium.
    pub(super) fn new(medium: Box<dyn Medium>, held: Held) -> io::Result<Self> {
        let receiver = medium.receiver().try_clone_to_owned()?;
        Ok(Self {
            ready: sys::watch(receiver, Interest::READABLE)?,
            medium,
            held,
            failed: None,
            sends: false,
            last: Vec::new(),
            returns: false,
            returning: false,
        })
    }

    /// Whether the last packet left.
    pub(super) fn sends(&self) -> bool {
        self.sends
    }

    /// True for a copy of the last packet that left, which tells a core nothing. Of a medium that pings
    /// nothing is one: what comes back is what it is for.
    pub(super) fn is_own(&mut self, packet: &[u8]) -> bool {
        let own = !self.medium.pings() && packet == self.last;
        self.returns |= own;
        own
    }

    /// True once after a packet left whose copy is to be taken: it came back while it was sent.
    pub(super) fn takes_back(&mut self) -> bool {
        std::mem::take(&mut self.returning)
    }

    /// Sends, and says what that changed. One failure is enough to be failing, one success is not
    /// enough to be working: a medium that fails now and then is one that fails.
    pub(super) fn send(&mut self, packet: &[u8], beat: bool, now: Moment) -> Option<Change> {
        let sent = match beat {
            true => self.medium.send_beat(packet),
            false => self.medium.send(packet),
        };
        if sent.is_ok() {
            self.last.clear();
            self.last.extend_from_slice(packet);
            self.returning = self.returns;
        }
        self.note(sent, now)
    }

    /// Sends what is due, and says what that changed.
    pub(super) fn work(&mut self, now: Moment) -> Option<Change> {
        match self.medium.work(now) {
            Ok(()) => None,
            failed => self.note(failed, now),
        }
    }

    fn note(&mut self, sent: Result<(), SendError>, now: Moment) -> Option<Change> {
        self.sends = sent.is_ok();
        match sent {
            Ok(()) => {
                let failed = self.failed?;
                if now.since(failed) < RECOVERY {
                    return None;
                }
                self.failed = None;
                Some(Change::Works)
            }
            Err(error) => {
                let news = self.failed.is_none();
                self.failed = Some(now);
                news.then(|| Change::Fails(explain(&error)))
            }
        }
    }
}

/// The error with a remedy where there is one.
fn explain(SendError { to, error }: &SendError) -> String {
    let remedy = match error.raw_os_error() {
        Some(libc::ENETDOWN) => "; the interface is down",
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => {
            "; the interface has no address or no route to it"
        }
        Some(libc::EPERM) => "; a packet filter rejects it: allow hbd's port",
        Some(libc::ENOBUFS | libc::EAGAIN) => "; the interface does not take packets fast enough",
        Some(libc::ENODEV | libc::ENXIO) => "; the interface went",
        Some(libc::EMSGSIZE) => "; the packet is too long for it",
        _ => "",
    };
    format!("send to {to}: {error}{remedy}")
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::{AsFd, BorrowedFd};

    use super::*;
    use crate::medium::Received;

    struct Broken {
        socket: UdpSocket,
        outcomes: Vec<Result<(), i32>>,
    }

    impl Medium for Broken {
        fn receiver(&self) -> BorrowedFd<'_> {
            self.socket.as_fd()
        }
        fn send(&mut self, _: &[u8]) -> Result<(), SendError> {
            self.outcomes.remove(0).map_err(|number| SendError {
                to: "10.0.0.255".into(),
                error: io::Error::from_raw_os_error(number),
            })
        }
        fn receive(&mut self, _: &mut [u8]) -> io::Result<Received> {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    fn line(outcomes: Vec<Result<(), i32>>) -> Line {
        let medium = Box::new(Broken {
            socket: UdpSocket::bind("127.0.0.1:0").unwrap(),
            outcomes,
        });
        let held = Held {
            binding: Binding {
                index: 1,
                ..Binding::default()
            },
            descriptors: Vec::new(),
        };
        Line::new(medium, held).unwrap()
    }

    #[test]
    fn a_copy_is_waited_for_on_media_that_brought_one() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let _inside = runtime.enter();
        let mut line = line(vec![Ok(()), Ok(()), Err(libc::ENETDOWN)]);
        line.send(b"first", true, Moment(0));
        assert!(!line.takes_back());
        assert!(!line.is_own(b"other"));
        assert!(line.is_own(b"first"));
        line.send(b"second", true, Moment(1));
        assert!(line.takes_back());
        assert!(!line.takes_back());
        assert!(!line.is_own(b"first"));
        line.send(b"third", true, Moment(2));
        assert!(!line.takes_back());
        assert!(!line.is_own(b"third"));
    }

    #[test]
    fn a_failure_is_told_once_and_its_end_after_a_while() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let _inside = runtime.enter();
        let down = Err(libc::ENETDOWN);
        let mut line = line(vec![
            Ok(()),
            down,
            down,
            Ok(()),
            down,
            Ok(()),
            Ok(()),
            Ok(()),
        ]);
        let mut at = |seconds: u64| line.send(b"beat", true, Moment(seconds * 1_000_000_000));
        assert_eq!(at(0), None);
        let Some(Change::Fails(reason)) = at(1) else {
            panic!("a failure is a change");
        };
        assert_eq!(
            reason,
            "send to 10.0.0.255: Network is down (os error 100); the interface is down"
        );
        assert_eq!(at(2), None);
        assert_eq!(at(3), None);
        assert_eq!(at(4), None);
        assert_eq!(at(6), None);
        assert_eq!(at(7), Some(Change::Works));
        assert_eq!(at(8), None);
    }
}
