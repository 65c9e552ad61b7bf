//! A worker, core or manager, as its supervisor sees it, whether it started or adopted it.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::event::{Cause, Role};
use shared::names::Generation;
use shared::time::Moment;

use crate::bond::Greeting;
use crate::channel::{Channel, FromCore, ToCore};
use crate::manager_process::{FromManager, ToManager};
use crate::process::{OWN_PROGRAM, Process, WORKER_NAME};
use crate::{clock, program, service_manager};

/// A worker that was killed is gone after this; nothing else is done meanwhile. Until it is gone
/// its lock keeps the next one away.
const END_LIMIT: Duration = Duration::from_secs(2);

/// A core.
pub(super) type Core = Worker<ToCore, FromCore>;
/// A manager.
pub(super) type Manager = Worker<ToManager, FromManager>;

/// A worker that hears `S` and says `R`.
pub(super) struct Worker<S, R> {
    process: Process,
    channel: Channel<S, R>,
    /// The generation it was started under.
    pub(super) generation: Generation,
    /// The build it is.
    pub(super) build: String,
    /// When it was started or adopted.
    pub(super) since: Moment,
}

/// A worker, or what is between two of them.
pub(super) enum Post<S, R> {
    /// It lives, or its death was not noticed.
    Held(Box<Worker<S, R>>),
    /// A new one is started then.
    Vacant(Moment, Option<Cause>),
    /// There will be none.
    Closed,
}

impl<S: Serialize, R: DeserializeOwned> Worker<S, R> {
    /// Starts a worker of the instance in `run`. Needs a runtime.
    pub(super) fn spawn(role: Role, run: &Path, generation: Generation) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(OWN_PROGRAM)
            .arg0(format!("{WORKER_NAME}{role}"))
            .args([&role.to_string(), "--fd", "0", "--run"].map(OsStr::new))
            .arg(run)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .env_remove(service_manager::SOCKET)
            .spawn()?;
        Ok(Self {
            process: Process::started(&child)?,
            channel: Channel::new(ours.into())?,
            generation,
            build: program::own(),
            since: clock::boot(),
        })
    }

    /// The worker at the other end of `channel`.
    pub(super) fn found(process: Process, channel: Channel<S, R>, greeting: &Greeting) -> Self {
        Self {
            process,
            channel,
            generation: greeting.generation,
            build: greeting.build.clone(),
            since: clock::boot(),
        }
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Queues a message.
    pub(super) fn tell(&mut self, message: &S, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        self.channel.queue(message, descriptors)
    }

    /// The next message with its descriptors; nothing when the process is gone or does not speak
    /// sense. May be given up and called again.
    pub(super) async fn next(&mut self) -> Option<(R, Vec<OwnedFd>)> {
        self.channel.next().await.ok()?
    }

    /// Sends what waits, for so long.
    pub(super) async fn flush(&mut self, limit: Duration) {
        let _ = tokio::time::timeout(limit, self.channel.flush()).await;
    }

    /// Ends it, if it has not ended, and says how it did; nothing if it is not gone after
    /// [`END_LIMIT`], as where the kernel does not come back from a disk.
    pub(super) async fn end(self) -> Option<String> {
        self.process.kill();
        self.process.ended_within(END_LIMIT).await
    }

    /// Waits for its end, for so long.
    pub(super) async fn ended(&self, limit: Duration) {
        let _ = tokio::time::timeout(limit, self.process.ended()).await;
    }
}

impl<S: Serialize, R: DeserializeOwned> Post<S, R> {
    /// Whoever holds it, to be looked at.
    pub(super) fn worker(&self) -> Option<&Worker<S, R>> {
        match self {
            Self::Held(worker) => Some(worker),
            Self::Vacant(..) | Self::Closed => None,
        }
    }

    /// Whoever holds it.
    pub(super) fn holder(&mut self) -> Option<&mut Worker<S, R>> {
        match self {
            Self::Held(worker) => Some(worker),
            Self::Vacant(..) | Self::Closed => None,
        }
    }

    /// Takes the holder away and leaves the post closed.
    pub(super) fn take(&mut self) -> Option<Box<Worker<S, R>>> {
        match std::mem::replace(self, Self::Closed) {
            Self::Held(worker) => Some(worker),
            other => {
                *self = other;
                None
            }
        }
    }

    /// True between two holders.
    pub(super) fn is_vacant(&self) -> bool {
        matches!(self, Self::Vacant(..))
    }

    /// The cause of the next start, if it is time for it.
    pub(super) fn due(&self, now: Moment) -> Option<Option<Cause>> {
        match self {
            Self::Vacant(at, cause) if *at <= now => Some(cause.clone()),
            _ => None,
        }
    }

    /// The holder's next message; never while there is none.
    pub(super) async fn next(&mut self) -> Option<(R, Vec<OwnedFd>)> {
        match self {
            Self::Held(worker) => worker.next().await,
            Self::Vacant(..) | Self::Closed => std::future::pending().await,
        }
    }
}
