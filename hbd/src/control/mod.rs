//! The control socket: who may connect, and what each connection does (`hbd-api(7)`).
//!
//! ```text
//! client --line--> connection task --Ask--> supervisor's loop
//!        <--lines-- (replies, stream) <--Answer--
//! ```
//!
//! A long request is read only while few others are. A connection has one request under way at a time, and a stream if it subscribed. It shares
//! nothing with the loop but two bounded queues, so that no client can hold it up.

pub(crate) mod access;
mod connection;
mod malformed;
mod orders;

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use shared::api::{ClientFrame, ClientRole, Hello};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

pub(crate) use orders::{Orders, Repeated, other_order};

use crate::run_directory::connect_at_once;
use crate::supervisor::Line;
use access::{Access, Peer};

/// Connections of administrators at a time.
const ADMINS_MAX: usize = 32;
/// Connections of those who observe or operate.
const USERS_MAX: usize = 32;
/// Connections of those without a role. Apart from the others, so that they keep nobody out.
const STRANGERS_MAX: usize = 8;
/// Requests longer than [`REQUEST_MAX`] that are read at a time.
const LONG_REQUESTS_MAX: usize = 8;
/// Requests that wait for the supervisor's loop.
const ASKS_MAX: usize = ADMINS_MAX + USERS_MAX;

/// A request on its way to the supervisor's loop.
#[derive(Debug)]
pub(crate) struct Ask {
    /// What.
    pub(crate) frame: ClientFrame,
    /// Who asks, for the record.
    pub(crate) who: Peer,
    /// Ends with the connection it came over, and tells one connection from another.
    pub(crate) presence: Weak<()>,
    /// Where the answer goes.
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// What the loop answers.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Frames, the reply last.
    pub(crate) lines: Vec<Line>,
    /// What comes afterwards.
    pub(crate) stream: Option<mpsc::Receiver<Line>>,
}

/// The listening socket.
pub(crate) struct Control {
    listener: UnixListener,
    access: Arc<Access>,
    hello: Arc<Hello>,
    asks: mpsc::Sender<Ask>,
    room: Room,
}

/// Places for connections.
struct Room {
    admins: Arc<Semaphore>,
    users: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    long_requests: Arc<Semaphore>,
}

impl Room {
    fn new() -> Self {
        Self {
            admins: Arc::new(Semaphore::new(ADMINS_MAX)),
            users: Arc::new(Semaphore::new(USERS_MAX)),
            strangers: Arc::new(Semaphore::new(STRANGERS_MAX)),
            long_requests: Arc::new(Semaphore::new(LONG_REQUESTS_MAX)),
        }
    }

    fn place(&self, role: ClientRole) -> Option<OwnedSemaphorePermit> {
        let places = match role {
            ClientRole::None => &self.strangers,
            ClientRole::Observe | ClientRole::Operate => &self.users,
            ClientRole::Admin => &self.admins,
        };
        places.clone().try_acquire_owned().ok()
    }
}

/// The socket could not be made.
#[derive(Debug)]
pub(crate) struct ListenError {
    path: PathBuf,
    error: io::Error,
}

impl std::fmt::Display for ListenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "listen on {}: {}", self.path.display(), self.error)?;
        match self.error.kind() {
            io::ErrorKind::InvalidInput => {
                f.write_str("; a socket's path has at most 107 bytes: name a shorter --run")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for ListenError {}

impl Control {
    /// Listens on `path`. Whoever calls this holds the supervisor's lock: a socket that is there
    /// was left behind by a daemon that is gone. `kept` is the listening socket of that daemon, if
    /// somebody kept it for us. `hello` is what clients are greeted with, apart from their role.
    pub(crate) fn listen(
        path: &Path,
        kept: Option<OwnedFd>,
        access: Access,
        hello: Hello,
    ) -> Result<(Self, mpsc::Receiver<Ask>), ListenError> {
        let kept = kept.and_then(|kept| take_back(kept, path));
        let listener = kept.map_or_else(|| bind(path), Ok);
        let listener = listener.map_err(|error| ListenError {
            path: path.to_owned(),
            error,
        })?;
        let (asks, inbox) = mpsc::channel(ASKS_MAX);
        let control = Self {
            listener,
            access: Arc::new(access),
            hello: Arc::new(hello),
            asks,
            room: Room::new(),
        };
        Ok((control, inbox))
    }

    /// Decides by `access` who may do what, for those who connect from here on.
    pub(crate) fn admit(&mut self, access: Access) {
        self.access = Arc::new(access);
    }

    /// The listening socket, for whoever keeps it.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Takes the next connection. May be given up and called again.
    pub(crate) async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }

    /// Serves a connection in a task of its own; drops it if there are too many.
    pub(crate) fn serve(&self, stream: UnixStream) {
        let (role, who) = self.access.role_of(&stream);
        let Some(place) = self.room.place(role) else {
            return;
        };
        let hello = Hello {
            role,
            ..Hello::clone(&self.hello)
        };
        let asks = self.asks.clone();
        let long_requests = self.room.long_requests.clone();
        tokio::spawn(async move {
            // How a connection ends is the client's business.
            let _ = connection::serve(stream, hello, who, asks, long_requests).await;
            drop(place);
        });
    }
}

/// A listening socket that is still the one at `path`. Who connects there reaches it: while we hold
/// the supervisor's lock nobody else listens.
fn take_back(kept: OwnedFd, path: &Path) -> Option<UnixListener> {
    let listener = net::UnixListener::from(kept);
    let address = listener.local_addr().ok()?;
    if address.as_pathname() != Some(path) {
        return None;
    }
    match connect_at_once(path) {
        // More wait for us than the kernel keeps: it listens.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => return None,
        _ => {}
    }
    listener.set_nonblocking(true).ok()?;
    UnixListener::from_std(listener).ok()
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // Credentials decide, not the mode.
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
    Ok(listener)
}

#[cfg(test)]
mod tests;
