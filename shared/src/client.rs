//! A blocking client of the control socket ([`crate::api`]).
//!
//! One request, one reply; or a subscription, which takes the connection over and yields what
//! happens. Every wait has a limit. Errors name the socket and, where there is one, the remedy.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::api::{
    API_NEWEST, API_OLDEST, ClientFrame, ErrorCode, FRAME_MAX, Failure, Hello, LONG_REQUEST_MAX,
    ReceivedMessage, Request, SendMessage, ServerFrame, SessionChange, Snapshot, Success,
};
use crate::config::Running;
use crate::event::{Event, Span};
use crate::names::{ClientName, NodeName};
use crate::probe::{Answer, Probe, Question};
use crate::query::{EventQuery, PAGE_BYTES, PAGE_EVENTS};
use crate::sample::Sample;

/// How long a reply may take unless the caller says otherwise.
pub const REPLY_LIMIT: Duration = Duration::from_secs(5);

/// Why the daemon did not answer as hoped.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody listens there.
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// What is there is no socket.
    NoSocket {
        /// What was to be the socket.
        socket: PathBuf,
    },
    /// The connection broke while reading or writing.
    Io {
        /// The socket.
        socket: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The daemon ended the connection.
    Closed {
        /// The socket.
        socket: PathBuf,
    },
    /// Nothing came in time.
    TimedOut {
        /// The socket.
        socket: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// Whoever listens there does not greet as hbd does.
    NoHbd {
        /// The socket.
        socket: PathBuf,
    },
    /// The daemon speaks only versions of the interface that this program does not.
    Version {
        /// The socket.
        socket: PathBuf,
        /// Oldest and newest version of the daemon's.
        daemon: (u32, u32),
    },
    /// A frame is not one of this interface.
    Unreadable {
        /// The socket.
        socket: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The request is longer than the daemon reads.
    RequestTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The daemon refused.
    Refused {
        /// The socket.
        socket: PathBuf,
        /// Its reason.
        failure: Failure,
    },
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { socket, error } => {
                write!(f, "cannot connect to {}: {error}", socket.display())?;
                match error.kind() {
                    io::ErrorKind::NotFound => f.write_str(
                        "; hbd does not run there, or runs with another --run directory",
                    ),
                    io::ErrorKind::ConnectionRefused => f.write_str(
                        "; the socket was left behind by an hbd that died: start hbd again",
                    ),
                    _ => Ok(()),
                }
            }
            Self::NoSocket { socket } => write!(
                f,
                "{} is no socket; hbd listens on hbd.sock in its --run directory",
                socket.display()
            ),
            Self::Io { socket, error } => {
                write!(f, "connection to {} broke: {error}", socket.display())
            }
            Self::Closed { socket } => write!(
                f,
                "hbd ended the connection to {}: it ended itself, has too many clients, or this \
                 one read too slowly",
                socket.display()
            ),
            Self::TimedOut { socket, waited } => write!(
                f,
                "hbd did not answer on {} within {}; is it stopped or starved, or the socket not \
                 that for clients?",
                socket.display(),
                Span(*waited)
            ),
            Self::NoHbd { socket } => write!(
                f,
                "whoever listens on {} does not greet as hbd does; is it hbd's socket?",
                socket.display()
            ),
            Self::Version {
                socket,
                daemon: (oldest, newest),
            } => write!(
                f,
                "hbd on {} speaks interface versions {oldest} to {newest}, this program \
                 {API_OLDEST} to {API_NEWEST}; install programs of one release",
                socket.display()
            ),
            Self::Unreadable { socket, reason } => {
                write!(f, "unreadable answer on {}: {reason}", socket.display())
            }
            Self::RequestTooLong { length } => write!(
                f,
                "the request has {length} bytes and hbd reads at most {LONG_REQUEST_MAX}"
            ),
            Self::Refused { failure, .. } => f.write_str(&failure.text),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect { error, .. } | Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// One element of a stream of updates.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// Something happened.
    Event(Box<Event>),
    /// The counters of a second.
    Sample(Box<Sample>),
    /// The state as it is here: once after the recent events, and again after each gap.
    Snapshot(Box<Snapshot>),
}

/// A connection that asks.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
    hello: Hello,
    last_id: u64,
    limit: Duration,
}

impl Client {
    /// Connects to `socket` and reads the greeting, both together within `limit`, which also bounds
    /// the wait for every later reply.
    pub fn connect(socket: &Path, limit: Duration) -> Result<Self, ClientError> {
        let deadline = Instant::now() + limit;
        let stream = open(socket, limit).map_err(|error| unconnected(socket, limit, error))?;
        let mut wire = Wire {
            socket: socket.to_owned(),
            reader: BufReader::new(stream),
            partial: Vec::new(),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let hello = match wire.frame(Some(left)) {
            Ok(Some(ServerFrame::Hello { hbd })) => hbd,
            Ok(None) => return Err(wire.timed_out(limit)),
            Ok(Some(_)) | Err(ClientError::Unreadable { .. }) => {
                return Err(ClientError::NoHbd {
                    socket: wire.socket,
                });
            }
            Err(error) => return Err(error),
        };
        if hello.api.0 > API_NEWEST || hello.api.1 < API_OLDEST {
            return Err(ClientError::Version {
                socket: wire.socket,
                daemon: hello.api,
            });
        }
        Ok(Self {
            wire,
            hello,
            last_id: 0,
            limit,
        })
    }

    /// Who answers, and what this program may do.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// From here on a reply may take so long.
    pub fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Asks, and waits for the reply.
    pub fn request(&mut self, request: Request) -> Result<Success, ClientError> {
        self.ask(request, None, |_| {})
    }

    /// Gives an order that is carried out once however often it is sent under the same `key`
    /// within ten minutes.
    pub fn order(&mut self, request: Request, key: &str) -> Result<Success, ClientError> {
        self.ask(request, Some(key.to_owned()), |_| {})
    }

    /// View and counters.
    pub fn snapshot(&mut self) -> Result<Snapshot, ClientError> {
        match self.request(Request::Snapshot)? {
            Success::Snapshot(snapshot) => Ok(*snapshot),
            other => Err(self.wire.unexpected(&other)),
        }
    }

    /// What hbd runs with.
    pub fn config(&mut self) -> Result<Running, ClientError> {
        match self.request(Request::Config)? {
            Success::Config(running) => Ok(*running),
            other => Err(self.wire.unexpected(&other)),
        }
    }

    /// What a node sees at its end of a path.
    pub fn probe(&mut self, node: NodeName, question: Question) -> Result<Answer, ClientError> {
        match self.request(Request::Probe(Box::new(Probe { node, question })))? {
            Success::Probed(answer) => Ok(*answer),
            other => Err(self.wire.unexpected(&other)),
        }
    }

    /// The last events, oldest first, at most `limit`.
    pub fn events(&mut self, limit: usize) -> Result<Vec<Event>, ClientError> {
        self.find_events(EventQuery::last(limit))
    }

    /// The events that `query` asks for, oldest first, from as many replies as they fill.
    pub fn find_events(&mut self, mut query: EventQuery) -> Result<Vec<Event>, ClientError> {
        let mut pages = Vec::new();
        loop {
            let page = match self.request(Request::Events(Box::new(query.clone())))? {
                Success::Events(page) => page,
                other => return Err(self.wire.unexpected(&other)),
            };
            let next = page.first().map(|first| first.id.clone());
            let is_last = !is_full(&page) || page.len() >= query.limit;
            query.limit -= page.len().min(query.limit);
            query.before = next;
            pages.push(page);
            if is_last {
                break;
            }
        }
        Ok(pages.into_iter().rev().flatten().collect())
    }

    /// Turns the connection into a stream: the `recent` last events, a snapshot, and then what
    /// happens.
    pub fn subscribe(mut self, recent: usize) -> Result<Subscription, ClientError> {
        let mut ready = VecDeque::new();
        let reply = self.ask(Request::Subscribe { recent }, None, |frame| {
            ready.extend(update(frame));
        })?;
        let Success::Snapshot(snapshot) = reply else {
            return Err(self.wire.unexpected(&reply));
        };
        ready.push_back(Update::Snapshot(snapshot));
        Ok(Subscription {
            wire: self.wire,
            hello: self.hello,
            ready,
        })
    }

    fn ask(
        &mut self,
        request: Request,
        key: Option<String>,
        mut meanwhile: impl FnMut(ServerFrame),
    ) -> Result<Success, ClientError> {
        self.last_id += 1;
        let id = self.last_id;
        self.wire
            .send(&ClientFrame { id, request, key }, self.limit)?;
        let deadline = Instant::now() + self.limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(frame) = self.wire.frame(Some(left))? else {
                return Err(self.wire.timed_out(self.limit));
            };
            match frame {
                ServerFrame::Ok { id: reply, ok } if reply == id => return Ok(ok),
                ServerFrame::Error { id: reply, error } if reply == id || reply == 0 => {
                    return Err(ClientError::Refused {
                        socket: self.wire.socket.clone(),
                        failure: error,
                    });
                }
                other => meanwhile(other),
            }
        }
    }

    /// Sends a message, and waits for as long as this client's limit says until the receiving client
    /// has acknowledged it. Under a `key` it is sent once however often it is asked for within ten
    /// minutes.
    pub fn send(&mut self, message: SendMessage, key: Option<&str>) -> Result<(), ClientError> {
        let request = Request::Send(Box::new(message));
        match self.ask(request, key.map(str::to_owned), |_| {})? {
            Success::Delivered => Ok(()),
            other => Err(self.wire.unexpected(&other)),
        }
    }

    /// Turns the connection into one that is handed the messages for `name`.
    pub fn listen(mut self, name: ClientName) -> Result<Listener, ClientError> {
        let mut ready = VecDeque::new();
        self.ask(Request::Listen { name }, None, |frame| {
            ready.extend(incoming(frame));
        })?;
        Ok(Listener {
            client: self,
            ready,
        })
    }
}

/// What a listener is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// A message. [`Listener::acknowledge`] it once it is safe.
    Message(Box<ReceivedMessage>),
    /// A session began or is over.
    Session(SessionChange),
}

/// A connection that is handed messages.
#[derive(Debug)]
pub struct Listener {
    client: Client,
    ready: VecDeque<Incoming>,
}

impl Listener {
    /// The next message or change; nothing if none comes within `limit`. Without a limit it waits as
    /// long as it takes.
    pub fn wait(&mut self, limit: Option<Duration>) -> Result<Option<Incoming>, ClientError> {
        let deadline = limit.map(|limit| Instant::now() + limit);
        loop {
            if let Some(next) = self.ready.pop_front() {
                return Ok(Some(next));
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let Some(frame) = self.client.wire.frame(left)? else {
                return Ok(None);
            };
            self.ready.extend(incoming(frame));
        }
    }

    /// Tells the sender that this message, and those before it, were taken. False if it does not wait
    /// for that any more.
    pub fn acknowledge(&mut self, delivery: u64) -> Result<bool, ClientError> {
        let Self { client, ready } = self;
        let request = Request::Acknowledge { delivery };
        let reply = client.ask(request, None, |frame| ready.extend(incoming(frame)));
        match reply {
            Ok(_) => Ok(true),
            Err(ClientError::Refused { failure, .. }) if failure.code == ErrorCode::NotFound => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Listener {
    /// For waiting together with something else, as [`Subscription`]'s.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.client.wire.reader.get_ref().as_fd()
    }
}

/// What a listener makes of a frame, unless it is not for it.
fn incoming(frame: ServerFrame) -> Option<Incoming> {
    match frame {
        ServerFrame::Message { message } => Some(Incoming::Message(message)),
        ServerFrame::Session { session } => Some(Incoming::Session(session)),
        _ => None,
    }
}

/// A daemon that is stopped takes no connection when its queue is full; the limit for sending
/// bounds the wait for a place in it (`unix(7)` sockets, as `socket(7)` says of `connect`).
fn open(path: &Path, limit: Duration) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_write_timeout(Some(limit.max(SHORTEST_WAIT)))?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(UnixStream::from(OwnedFd::from(socket)))
}

/// Whether a reply holds as much as one can, so that there may be more.
fn is_full(page: &[Event]) -> bool {
    let bytes = || serde_json::to_vec(page).map_or(0, |json| json.len());
    page.len() >= PAGE_EVENTS || bytes() >= PAGE_BYTES
}

/// The system refuses what is no socket in the same words as a socket nobody listens on.
fn unconnected(socket: &Path, limit: Duration, error: io::Error) -> ClientError {
    let is_else = |found: std::fs::Metadata| !found.file_type().is_socket();
    match error.kind() {
        _ if is_timeout(&error) => ClientError::TimedOut {
            socket: socket.to_owned(),
            waited: limit,
        },
        io::ErrorKind::ConnectionRefused if std::fs::metadata(socket).is_ok_and(is_else) => {
            ClientError::NoSocket {
                socket: socket.to_owned(),
            }
        }
        _ => ClientError::Connect {
            socket: socket.to_owned(),
            error,
        },
    }
}

/// A connection that listens.
#[derive(Debug)]
pub struct Subscription {
    wire: Wire,
    hello: Hello,
    ready: VecDeque<Update>,
}

impl Subscription {
    /// Who speaks.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// The next update; nothing if none comes within `limit`. Without a limit it waits as long as
    /// it takes.
    pub fn wait(&mut self, limit: Option<Duration>) -> Result<Option<Update>, ClientError> {
        if let Some(update) = self.ready.pop_front() {
            return Ok(Some(update));
        }
        let deadline = limit.map(|limit| Instant::now() + limit);
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let Some(frame) = self.wire.frame(left)? else {
                return Ok(None);
            };
            if let Some(update) = update(frame) {
                return Ok(Some(update));
            }
        }
    }
}

impl AsFd for Subscription {
    /// For waiting together with something else. Readable does not mean that a whole update is
    /// there, and one may be there without it: call [`Subscription::wait`] with a limit of zero
    /// until it yields nothing.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wire.reader.get_ref().as_fd()
    }
}

impl Iterator for Subscription {
    type Item = Result<Update, ClientError>;
    /// Waits as long as it takes; ends when the daemon ends the connection.
    fn next(&mut self) -> Option<Self::Item> {
        match self.wait(None) {
            Ok(update) => update.map(Ok),
            Err(ClientError::Closed { .. }) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// The update that a frame is, unless it is none.
fn update(frame: ServerFrame) -> Option<Update> {
    match frame {
        ServerFrame::Event { event } => Some(Update::Event(event)),
        ServerFrame::Sample { sample } => Some(Update::Sample(sample)),
        ServerFrame::Snapshot { snapshot } => Some(Update::Snapshot(snapshot)),
        ServerFrame::Hello { .. }
        | ServerFrame::Ok { .. }
        | ServerFrame::Error { .. }
        | ServerFrame::Message { .. }
        | ServerFrame::Session { .. } => None,
    }
}

/// Frames over a stream.
#[derive(Debug)]
struct Wire {
    socket: PathBuf,
    reader: BufReader<UnixStream>,
    /// What has arrived of a frame whose newline has not.
    partial: Vec<u8>,
}

impl Wire {
    fn send(&mut self, frame: &ClientFrame, limit: Duration) -> Result<(), ClientError> {
        let mut line = serde_json::to_vec(frame).map_err(|error| self.unreadable(error))?;
        line.push(b'\n');
        if line.len() > LONG_REQUEST_MAX {
            return Err(ClientError::RequestTooLong { length: line.len() });
        }
        let mut stream = self.reader.get_ref();
        stream
            .set_write_timeout(Some(limit.max(SHORTEST_WAIT)))
            .and_then(|()| stream.write_all(&line))
            .map_err(|error| self.broken(error, limit))
    }

    /// The next frame; nothing if it is not complete within `limit`. What has arrived of it is
    /// kept for the next call.
    fn frame(&mut self, limit: Option<Duration>) -> Result<Option<ServerFrame>, ClientError> {
        let deadline = limit.map(|limit| Instant::now() + limit);
        loop {
            let left = deadline.map(|at| {
                at.saturating_duration_since(Instant::now())
                    .max(SHORTEST_WAIT)
            });
            self.reader
                .get_ref()
                .set_read_timeout(left)
                .map_err(|error| self.io(error))?;
            let room = (FRAME_MAX - self.partial.len()) as u64;
            let read = (&mut self.reader)
                .take(room)
                .read_until(b'\n', &mut self.partial);
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_timeout(&error) => {
                    if deadline.is_some_and(|at| Instant::now() >= at) {
                        return Ok(None);
                    }
                    continue;
                }
                Err(error) => return Err(self.io(error)),
                Ok(_) => {}
            }
            if self.partial.last() == Some(&b'\n') {
                let frame = serde_json::from_slice(&self.partial);
                self.partial.clear();
                return frame.map(Some).map_err(|error| self.unreadable(error));
            }
            if self.partial.len() >= FRAME_MAX {
                return Err(self.unreadable(format!("a frame is longer than {FRAME_MAX} bytes")));
            }
            return Err(ClientError::Closed {
                socket: self.socket.clone(),
            });
        }
    }

    fn broken(&self, error: io::Error, limit: Duration) -> ClientError {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => ClientError::Closed {
                socket: self.socket.clone(),
            },
            _ if is_timeout(&error) => self.timed_out(limit),
            _ => self.io(error),
        }
    }

    fn io(&self, error: io::Error) -> ClientError {
        let socket = self.socket.clone();
        match error.kind() {
            io::ErrorKind::ConnectionReset => ClientError::Closed { socket },
            _ => ClientError::Io { socket, error },
        }
    }

    fn timed_out(&self, waited: Duration) -> ClientError {
        ClientError::TimedOut {
            socket: self.socket.clone(),
            waited,
        }
    }

    fn unreadable(&self, reason: impl fmt::Display) -> ClientError {
        ClientError::Unreadable {
            socket: self.socket.clone(),
            reason: reason.to_string(),
        }
    }

    fn unexpected(&self, reply: &Success) -> ClientError {
        self.unreadable(format!("a reply to another request: {reply:?}"))
    }
}

/// `SO_RCVTIMEO` takes zero as "for ever" (`socket(7)`).
const SHORTEST_WAIT: Duration = Duration::from_micros(100);

/// A socket with a time limit reports `EAGAIN` when it has passed (`socket(7)`).
fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

#[cfg(test)]
mod tests;
