//! A worker's way to its supervisor, and how it finds another one when that is gone.
//!
//! ```text
//! inherited pair ---> bound ---- end of stream ---> alone: goes on, door open
//!                       ^                              |
//!                       |  Adopt                       | a connection of root, or of the user
//!                       +---------- greeted <----------+ who started it: Greeting is sent
//! ```
//!
//! The door is a listening socket in the run directory, which the supervisor made and handed over
//! at the start: the worker itself opens nothing. Nobody is let in while there is a supervisor.
//! What is said to nobody is dropped: whoever wants to keep something keeps it until it is bound.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::task::{Context, Poll, ready};

use nix::errno::Errno;
use nix::sys::socket::{SockFlag, accept4, getsockopt, sockopt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::names::Generation;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::channel::{Channel, Delivery};
use crate::{program, sys};

/// Version of what is said on the channels. Processes that speak different ones replace each
/// other; only [`Greeting`] stays as it is for ever.
pub(crate) const CHANNEL_VERSION: u32 = 6;

/// A worker's first words to a supervisor that did not start it. Fields are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Greeting {
    /// Its process.
    pub(crate) pid: u32,
    /// The generation it was started under.
    pub(crate) generation: Generation,
    /// The build it is.
    pub(crate) build: String,
    /// What it speaks.
    pub(crate) channel: u32,
    /// The generation of the last core that this manager knew, whose [remains](crate::pulse) come
    /// along.
    #[serde(default)]
    pub(crate) core: Option<Generation>,
}

impl Greeting {
    /// This process, which was started under `generation`.
    pub(crate) fn own(generation: Generation) -> Self {
        Self {
            pid: std::process::id(),
            generation,
            build: program::own(),
            channel: CHANNEL_VERSION,
            core: None,
        }
    }
}

/// What a bond brings.
pub(crate) enum Word<R> {
    /// The supervisor says something.
    Said(Delivery<R>),
    /// The supervisor is gone.
    Alone,
}

/// The way to the supervisor.
pub(crate) struct Bond<S, R> {
    state: State<S, R>,
    door: Option<Door>,
    /// Who may come in besides root.
    user: u32,
}

enum State<S, R> {
    Bound(Channel<S, R>),
    /// The greeting was sent; the supervisor has not adopted this process.
    Greeted(Channel<S, R>),
    Alone,
}

struct Door {
    socket: AsyncFd<OwnedFd>,
    greeting: Greeting,
    /// What comes along with the greeting.
    kept: Vec<OwnedFd>,
}

impl<S: Serialize, R: DeserializeOwned> Bond<S, R> {
    /// To the supervisor that started this process as `user`.
    pub(crate) fn new(channel: Channel<S, R>, user: u32) -> Self {
        Self {
            state: State::Bound(channel),
            door: None,
            user,
        }
    }

    /// Others come in through this listening socket.
    pub(crate) fn set_door(&mut self, listener: OwnedFd, greeting: Greeting) -> io::Result<()> {
        let socket = sys::watch(listener, Interest::READABLE)?;
        self.door = Some(Door {
            socket,
            greeting,
            kept: Vec::new(),
        });
        Ok(())
    }

    /// The next supervisor is handed what remains of the core of that generation.
    pub(crate) fn keep(&mut self, core: Generation, remains: Vec<OwnedFd>) {
        if let Some(door) = &mut self.door {
            door.greeting.core = Some(core);
            door.kept = remains;
        }
    }

    /// The supervisor at the other end has adopted this process.
    pub(crate) fn adopted(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Alone) {
            State::Greeted(channel) => State::Bound(channel),
            other => other,
        };
    }

    /// True while nobody listens.
    pub(crate) fn is_alone(&self) -> bool {
        !matches!(self.state, State::Bound(_))
    }

    /// The way to the supervisor, while there is one.
    pub(crate) fn channel(&mut self) -> Option<&mut Channel<S, R>> {
        match &mut self.state {
            State::Bound(channel) => Some(channel),
            State::Greeted(_) | State::Alone => None,
        }
    }

    /// What happens next. Without a supervisor it lets the next one in.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Word<R>> {
        loop {
            let (State::Bound(channel) | State::Greeted(channel)) = &mut self.state else {
                self.state = State::Greeted(ready!(self.poll_door(context)));
                continue;
            };
            let message = match ready!(channel.poll_next(context)) {
                Ok(Some(message)) => message,
                Ok(None) | Err(_) => {
                    let bound = matches!(self.state, State::Bound(_));
                    self.state = State::Alone;
                    if bound {
                        return Poll::Ready(Word::Alone);
                    }
                    continue;
                }
            };
            return Poll::Ready(Word::Said(message));
        }
    }

    fn poll_door(&mut self, context: &mut Context<'_>) -> Poll<Channel<S, R>> {
        let Some(door) = &mut self.door else {
            return Poll::Pending;
        };
        loop {
            let Ok(mut ready) = ready!(door.socket.poll_read_ready(context)) else {
                return Poll::Pending;
            };
            match accept(door.socket.get_ref()) {
                Ok(stream) if may_enter(&stream, self.user) => {
                    if let Ok(channel) = greet(stream, door) {
                        return Poll::Ready(channel);
                    }
                }
                Ok(_) | Err(Errno::EINTR | Errno::ECONNABORTED) => {}
                // No descriptors left, or nobody there: the next one who comes wakes us.
                Err(_) => ready.clear_ready(),
            }
        }
    }
}

fn accept(listener: &OwnedFd) -> nix::Result<OwnedFd> {
    let number = accept4(
        listener.as_raw_fd(),
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
    )?;
    sys::inherited(number).map_err(|_| Errno::EBADF)
}

fn may_enter(stream: &OwnedFd, user: u32) -> bool {
    getsockopt(stream, sockopt::PeerCredentials)
        .is_ok_and(|peer| peer.uid() == 0 || peer.uid() == user)
}

fn greet<S: Serialize, R: DeserializeOwned>(
    stream: OwnedFd,
    door: &Door,
) -> io::Result<Channel<S, R>> {
    let mut channel = Channel::<Greeting, R>::new(stream)?;
    let kept = door.kept.iter().map(OwnedFd::try_clone);
    channel.queue(&door.greeting, kept.collect::<io::Result<_>>()?)?;
    Ok(channel.speaking())
}
