//! The socket between two processes of hbd: frames and descriptors, never blocking.
//!
//! ```text
//! +-------------------+--------------+------------------ - -
//! | length, 4 bytes   | descriptors  | JSON, length bytes
//! | little endian     | 1 byte       |
//! +-------------------+--------------+------------------ - -
//! ```
//!
//! The descriptors of a frame travel with its first byte (`unix(7)`), so they are there when the
//! frame is. What is queued stays queued until the other end takes it; whoever queues watches
//! [`Channel::waiting`] and stops in time.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hbd_core::{Command, MediumIndex, PeerMemory, SessionNews, Settings, Start};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::api::Fault;
use shared::event::Event;
use shared::sample::Sample;
use shared::view::ClusterView;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::medium::Binding;
use crate::process::Process;
use crate::sys::{self, DESCRIPTORS_MAX};
use crate::watchdog::Card;

/// Longest frame in bytes.
const FRAME_MAX: usize = 16 * 1024 * 1024;
/// Bytes read at once.
const PIECE: usize = 64 * 1024;
const HEADER: usize = 5;

/// What the supervisor tells a core.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToCore {
    /// The core begins. What it is told before is what it finds: open media, injected faults. With
    /// it come the lock that proves that there is one core, its [door](crate::bond), and its
    /// [pulse](crate::pulse).
    Start(Box<Orders>),
    /// A supervisor that did not start this core goes on with it, and has its events up to this
    /// one. Everything else that a supervisor knows of a core is told again.
    Adopt {
        /// The counter of the last event of this life that is on record.
        after: u64,
    },
    /// The manager is at the other end of the socket that comes along.
    Manager,
    /// A medium is open; its descriptors come along. Replaces an open one.
    Open {
        /// Which.
        medium: MediumIndex,
        /// Its directive.
        word: String,
        /// What it is bound to.
        binding: Binding,
    },
    /// A medium cannot be used.
    Close {
        /// Which.
        medium: MediumIndex,
    },
    /// Inject a fault.
    Fault {
        /// On which medium.
        medium: MediumIndex,
        /// Which.
        fault: Fault,
    },
    /// The watchdog that is to be fed comes along.
    Watchdog {
        /// What is known of it.
        card: Card,
        /// A group may be held on this node.
        holds: bool,
    },
    /// The watchdog is not to be fed any more: this node is to go.
    Starve,
    /// There is no manager, and the supervisor stops what is held.
    Releasing,
    /// For the core proper.
    Command(Command),
    /// Another core takes over: hand over what waits for the supervisor, and end. Peers are told
    /// nothing.
    Retire,
}

/// What a core needs to run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    /// The configuration.
    pub(crate) settings: Settings,
    /// Which life this is.
    pub(crate) start: Start,
    /// Rights and limits of the process.
    pub(crate) rights: Rights,
    /// Whether faults may be injected.
    pub(crate) allow_faults: bool,
}

/// What a core runs with.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Runs {
    /// The configuration.
    pub(crate) settings: Settings,
    /// Rights and limits of the process.
    pub(crate) rights: Rights,
    /// Whether faults may be injected.
    pub(crate) allow_faults: bool,
    /// The faults injected on media.
    pub(crate) faults: Vec<Fault>,
}

/// Rights and limits of the core's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rights {
    /// What keeps beats punctual; nothing of it is asked for where this is absent.
    pub(crate) realtime: Option<RealtimeRights>,
    /// User and group to run as; without one it stays who it is.
    pub(crate) user: Option<(u32, u32)>,
}

impl Rights {
    /// Whether a core with these will do where others are `wanted`. Its limit is that of the times it
    /// was started with: an emergency brake, which no change of times makes wrong.
    pub(crate) fn suit(&self, wanted: &Self) -> bool {
        let priority = |rights: &Self| rights.realtime.map(|realtime| realtime.priority);
        self.user == wanted.user && priority(self) == priority(wanted)
    }
}

/// Realtime scheduling; locked memory and protection from the OOM killer go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RealtimeRights {
    /// Priority, 1 to 99 (`sched(7)`).
    pub(crate) priority: u8,
    /// A core that computes for so long without a pause is ended by the kernel.
    pub(crate) cpu_limit: Duration,
}

/// What a core tells the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromCore {
    /// Something happened.
    Event(Box<Event>),
    /// Something had happened, and was told to a former supervisor.
    Again(Box<Event>),
    /// What it believed after the events that were dropped, just before the next one.
    View(Box<ClusterView>),
    /// To a supervisor that adopts it, first: what it runs with. Its [pulse](crate::pulse) comes
    /// along.
    Runs(Box<Runs>),
    /// To a supervisor that adopts it: a medium is open; its descriptors come along.
    Opened {
        /// Which.
        medium: MediumIndex,
        /// What it is bound to.
        binding: Binding,
    },
    /// To a supervisor that adopts it: the watchdog comes along.
    Guarded {
        /// What is known of it.
        card: Card,
        /// It is not fed any more.
        starved: bool,
    },
    /// Something about the watchdog.
    Watchdog(WatchdogNews),
    /// To a supervisor that adopts it, last: everything was told again.
    Told,
    /// The manager has not answered for so long.
    ManagerSilent(Duration),
    /// The counters of a second.
    Sample(Box<Sample>),
    /// For the next core.
    Remember(Box<PeerMemory>),
    /// For the office.
    Session(SessionNews),
    /// So many events were dropped because the supervisor did not take them.
    Dropped(u64),
    /// It cannot do everything it should.
    Lacks(Lack),
    /// Packets do not leave over a medium, and why; or they do again.
    Sending {
        /// Which.
        medium: MediumIndex,
        /// Why not.
        trouble: Option<String>,
    },
    /// The settings are not fit to run with, and why. Its last message.
    Unfit(String),
    /// It left the cluster in order and ends.
    Left,
}

/// What a core tells of the watchdog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum WatchdogNews {
    /// It runs, or waits longer or shorter than before.
    Armed {
        /// What it waits.
        timeout: Duration,
        /// Why the first write failed, if it did.
        trouble: Option<String>,
    },
    /// It takes no writes.
    Fails {
        /// Why.
        why: String,
    },
    /// It does again.
    Works {
        /// So many failed.
        failures: u64,
    },
}

/// Something the core cannot do, as in [`shared::event::Kind::Degraded`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lack {
    /// What.
    pub(crate) what: String,
    /// Why.
    pub(crate) why: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

/// A message and the descriptors that came with it.
pub(crate) type Delivery<R> = (R, Vec<OwnedFd>);

/// One end of the pair, which sends `S` and receives `R`.
pub(crate) struct Channel<S, R> {
    socket: AsyncFd<OwnedFd>,
    /// The socket once more, while it takes nothing. Watched all the time for room, it would wake
    /// this process whenever the other has read something.
    full: Option<AsyncFd<OwnedFd>>,
    outgoing: VecDeque<Frame>,
    waiting: usize,
    incoming: Vec<u8>,
    /// Longest frame that is taken.
    frame_max: usize,
    descriptors: VecDeque<OwnedFd>,
    piece: Box<[u8]>,
    kinds: PhantomData<(S, R)>,
}

struct Frame {
    bytes: Vec<u8>,
    sent: usize,
    descriptors: Vec<OwnedFd>,
}

impl<S: Serialize, R: DeserializeOwned> Channel<S, R> {
    /// Takes an end of a stream socket pair over. Needs a runtime.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        let flags = OFlag::from_bits_truncate(fcntl(&socket, FcntlArg::F_GETFL)?);
        fcntl(&socket, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(Self {
            socket: sys::watch(socket, Interest::READABLE)?,
            full: None,
            outgoing: VecDeque::new(),
            waiting: 0,
            incoming: Vec::new(),
            frame_max: FRAME_MAX,
            descriptors: VecDeque::new(),
            piece: vec![0; PIECE].into(),
            kinds: PhantomData,
        })
    }

    /// The same channel, on which the other end sends no longer frames.
    pub(crate) fn taking_at_most(self, frame_max: usize) -> Self {
        Self { frame_max, ..self }
    }

    /// The same channel for other words, with all that waits in it.
    pub(crate) fn speaking<T, U>(self) -> Channel<T, U> {
        Channel {
            socket: self.socket,
            full: self.full,
            outgoing: self.outgoing,
            waiting: self.waiting,
            incoming: self.incoming,
            frame_max: self.frame_max,
            descriptors: self.descriptors,
            piece: self.piece,
            kinds: PhantomData,
        }
    }

    /// Puts a message behind those that wait. It leaves during [`Channel::next`] or
    /// [`Channel::flush`].
    pub(crate) fn queue(&mut self, message: &S, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        assert!(
            descriptors.len() <= DESCRIPTORS_MAX,
            "a medium has few descriptors"
        );
        let mut bytes = vec![0; HEADER];
        serde_json::to_writer(&mut bytes, message)?;
        let length = bytes.len() - HEADER;
        if length > FRAME_MAX {
            return Err(io::Error::other("a frame is too long"));
        }
        bytes[..4].copy_from_slice(&u32::try_from(length).unwrap_or(0).to_le_bytes());
        bytes[4] = u8::try_from(descriptors.len()).unwrap_or(0);
        self.waiting += bytes.len();
        self.outgoing.push_back(Frame {
            bytes,
            sent: 0,
            descriptors,
        });
        Ok(())
    }

    /// The process that made the pair or connected to this one, while it lives.
    pub(crate) fn peer(&self) -> Option<Process> {
        Process::behind(self.socket.get_ref())
    }

    /// Bytes that wait for the other end.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// The next message, sending what waits meanwhile. Nothing: the other end is gone. May be
    /// given up and called again at any time.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Delivery<R>>> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Ends when nothing waits any more.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_flush(context)).await
    }

    /// [`Channel::next`] for hand-written selection.
    pub(crate) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Delivery<R>>>> {
        // A failure to send shows as the end of the stream once everything was read.
        let _ = self.poll_flush(context);
        loop {
            if let Some(message) = self.take()? {
                return Poll::Ready(Ok(Some(message)));
            }
            let mut ready = ready!(self.socket.poll_read_ready(context))?;
            match sys::receive(self.socket.get_ref().as_fd(), &mut self.piece) {
                Ok((0, _)) => return Poll::Ready(Ok(None)),
                Ok((length, descriptors)) => {
                    self.incoming.extend_from_slice(&self.piece[..length]);
                    self.descriptors.extend(descriptors);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Poll::Ready(Ok(None));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// [`Channel::flush`] for hand-written selection.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(frame) = self.outgoing.front_mut() {
            let room = match &self.full {
                Some(full) => Some(ready!(full.poll_write_ready(context))?),
                None => None,
            };
            match send(self.socket.get_ref(), frame) {
                Ok(length) => {
                    frame.sent += length;
                    frame.descriptors.clear();
                    self.waiting -= length;
                    if frame.sent == frame.bytes.len() {
                        self.outgoing.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => match room {
                    Some(mut room) => room.clear_ready(),
                    None => {
                        let socket = self.socket.get_ref().try_clone()?;
                        self.full = Some(sys::watch(socket, Interest::WRITABLE)?);
                    }
                },
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.outgoing.clear();
                    self.waiting = 0;
                    return Poll::Ready(Err(error));
                }
            }
        }
        self.full = None;
        Poll::Ready(Ok(()))
    }

    /// The first complete message of what has arrived.
    fn take(&mut self) -> io::Result<Option<Delivery<R>>> {
        let Some((header, rest)) = self.incoming.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if length > self.frame_max {
            return Err(io::Error::other("a frame of the other process is too long"));
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let message = serde_json::from_slice(body)?;
        let count = usize::from(header[4]).min(self.descriptors.len());
        let descriptors = self.descriptors.drain(..count).collect();
        self.incoming.drain(..HEADER + length);
        Ok(Some((message, descriptors)))
    }
}

fn send(socket: &OwnedFd, frame: &Frame) -> io::Result<usize> {
    let numbers: Vec<RawFd> = frame.descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control = if numbers.is_empty() { &[] } else { &rights[..] };
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    let piece = [IoSlice::new(&frame.bytes[frame.sent..])];
    Ok(sendmsg::<()>(
        socket.as_raw_fd(),
        &piece,
        control,
        flags,
        None,
    )?)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    type Text = Channel<String, String>;

    #[test]
    fn messages_arrive_in_order_with_their_descriptors() {
        run(async |mut left: Text, mut right: Text| {
            let mut file = temporary("first");
            left.queue(&"one".into(), vec![]).unwrap();
            left.queue(&"two".into(), vec![file.try_clone().unwrap().into()])
                .unwrap();
            left.queue(&"three".into(), vec![temporary("second").into()])
                .unwrap();
            left.flush().await.unwrap();
            let (text, descriptors) = right.next().await.unwrap().unwrap();
            assert_eq!((text.as_str(), descriptors.len()), ("one", 0));
            let (text, descriptors) = right.next().await.unwrap().unwrap();
            assert_eq!((text.as_str(), descriptors.len()), ("two", 1));
            let passed: File = descriptors.into_iter().next().unwrap().into();
            file.rewind().unwrap();
            assert_eq!(contents(passed), "first");
            let (text, descriptors) = right.next().await.unwrap().unwrap();
            assert_eq!((text.as_str(), descriptors.len()), ("three", 1));
        });
    }

    #[test]
    fn a_message_longer_than_the_socket_buffer_arrives_whole() {
        run(async |mut left: Text, mut right: Text| {
            let long = "x".repeat(5_000_000);
            left.queue(&long, vec![]).unwrap();
            let (sent, received) = tokio::join!(left.flush(), right.next());
            sent.unwrap();
            assert!(received.unwrap().unwrap().0 == long);
            assert_eq!(left.waiting(), 0);
        });
    }

    #[test]
    fn what_was_sent_before_the_end_is_still_read() {
        run(async |mut left: Text, mut right: Text| {
            left.queue(&"last words".into(), vec![]).unwrap();
            left.flush().await.unwrap();
            drop(left);
            right.queue(&"too late".into(), vec![]).unwrap();
            assert_eq!(right.next().await.unwrap().unwrap().0, "last words");
            assert!(right.next().await.unwrap().is_none());
        });
    }

    fn run(test: impl AsyncFnOnce(Text, Text)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (left, right) = UnixStream::pair().unwrap();
            test(
                Channel::new(left.into()).unwrap(),
                Channel::new(right.into()).unwrap(),
            )
            .await;
        });
    }

    fn temporary(text: &str) -> File {
        let path = std::env::temp_dir().join(format!("hbd-channel-{}-{text}", std::process::id()));
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        std::fs::remove_file(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.rewind().unwrap();
        file
    }

    fn contents(mut file: File) -> String {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }
}
