//! The agent `Http`: answers each request with the name of the node, so that one sees who serves.
//!
//! ```text
//!   start --listens, locks RUN/agents/Http+...--> hbd serve-http (in a session of its own)
//!                                                   has the lock, and its number is in the file
//! ```
//!
//! The server has the lock as long as it lives, and nobody else can have it: so no other process
//! is ever taken for it, whatever number stands in the file. It listens on an address that the
//! machine need not have yet.

use std::ffi::OsString;
use std::fs::TryLockError;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{IpFreebind, ReuseAddr};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
};
use shared::exit::Exit;
use shared::group::Operation;

use super::Error;
use super::memory::Memory;
use crate::sys;

/// Longest request.
const REQUEST_MAX: usize = 4096;
/// How long a client may take, and a server to answer [`Operation::Monitor`].
const CLIENT: Duration = Duration::from_secs(2);
/// How long a server may take to end.
const ENDING: Duration = Duration::from_secs(2);
/// Between two looks at a lock that somebody has for a moment.
const LOOK: Duration = Duration::from_millis(10);
const LOOKS: usize = 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Http {
    pub(super) address: SocketAddr,
}

impl Http {
    pub(super) fn carry_out(
        &self,
        operation: Operation,
        memory: &Memory,
        node: &str,
    ) -> Result<bool, Error> {
        match operation {
            Operation::Start => self.start(memory, node).map(|()| true),
            Operation::Stop => stop(memory).map(|()| false),
            Operation::Status | Operation::Announce => runs(memory),
            Operation::Monitor if runs(memory)? => self.answers().map(|()| true),
            Operation::Monitor => Ok(false),
        }
    }

    fn start(&self, memory: &Memory, node: &str) -> Result<(), Error> {
        let file = memory.open()?;
        for _ in 0..LOOKS {
            match file.try_lock() {
                Ok(()) => {
                    let begun = file.set_len(0).and_then(|()| self.begin(file.into(), node));
                    let doing = || format!("listen on {}", self.address);
                    return begun.map_err(|error| Error::refused(doing(), error));
                }
                Err(TryLockError::WouldBlock) if server(memory)?.is_some() => return Ok(()),
                // A question whether it runs holds it for an instant.
                Err(TryLockError::WouldBlock) => thread::sleep(LOOK),
                Err(TryLockError::Error(error)) => return Err(memory.failed("lock", error)),
            }
        }
        Err(trouble("somebody keeps its file locked"))
    }

    /// The lock belongs to what the server is given, and so to the server.
    fn begin(&self, lock: OwnedFd, node: &str) -> io::Result<()> {
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("hbd")
            .args(server_arguments(&self.address.to_string(), node))
            .current_dir("/")
            .env_clear()
            .stdin(self.listen()?)
            .stdout(lock)
            .stderr(Stdio::null());
        sys::stand_alone(&mut command);
        command.spawn().map(drop)
    }

    fn listen(&self) -> io::Result<OwnedFd> {
        let family = match self.address {
            SocketAddr::V4(_) => AddressFamily::Inet,
            SocketAddr::V6(_) => AddressFamily::Inet6,
        };
        let listener = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&listener, ReuseAddr, &true)?;
        setsockopt(&listener, IpFreebind, &true)?;
        bind(listener.as_raw_fd(), &SockaddrStorage::from(self.address))?;
        listen(&listener, Backlog::MAXCONN)?;
        Ok(listener)
    }

    fn answers(&self) -> Result<(), Error> {
        let failed = |error| Error::refused(format!("ask {}", self.address), error);
        match ask(reachable(self.address)).map_err(failed)? {
            answer if answer.starts_with("HTTP/1.0 200 ") => Ok(()),
            _ => Err(trouble("it answers something else")),
        }
    }
}

/// What begins the server: `hbd serve-http ADDRESS NODE`, with the socket as standard input and its
/// file as standard output.
fn server_arguments(address: &str, node: &str) -> [OsString; 3] {
    ["serve-http", address, node].map(Into::into)
}

/// An address that means all of them is asked on one of them.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let end = Instant::now() + CLIENT;
    let mut stream = TcpStream::connect_timeout(&address, CLIENT)?;
    stream.set_write_timeout(Some(CLIENT))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let answer = read_until(&mut stream, end, |_| false)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Whether somebody has the lock.
fn runs(memory: &Memory) -> Result<bool, Error> {
    let Some(file) = memory.open_existing()? else {
        return Ok(false);
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(memory.failed("lock", error)),
    }
}

/// The process that has the lock, by its number in the file; none as long as that is not written.
fn server(memory: &Memory) -> Result<Option<OwnedFd>, Error> {
    let written = memory.read()?.unwrap_or_default();
    let Ok(pid) = written.trim().parse() else {
        return Ok(None);
    };
    let descriptor = sys::process_descriptor(pid).ok();
    // Had it ended before, and another process its number, the lock would be free.
    Ok(descriptor.filter(|_| runs(memory).unwrap_or(false)))
}

fn stop(memory: &Memory) -> Result<(), Error> {
    let end = Instant::now() + ENDING;
    while runs(memory)? {
        if Instant::now() > end {
            return Err(trouble("it does not end"));
        }
        let Some(server) = server(memory)? else {
            thread::sleep(LOOK);
            continue;
        };
        for signal in [libc::SIGTERM, libc::SIGKILL] {
            let sent = sys::signal_process(server.as_fd(), signal);
            let mut ended = [PollFd::new(server.as_fd(), PollFlags::POLLIN)];
            let limit = PollTimeout::try_from(ENDING / 2).unwrap_or(PollTimeout::ZERO);
            if sent.is_err() || poll(&mut ended, limit).is_ok_and(|ready| ready > 0) {
                break;
            }
        }
    }
    memory.forget()
}

fn trouble(what: &str) -> Error {
    Error::Process {
        trouble: format!("the server is in disorder: {what}"),
    }
}

/// What `hbd serve-http` does, until it is ended by a signal.
#[must_use]
pub fn serve(node: &str) -> Exit {
    let (stdin, stdout) = (io::stdin(), io::stdout());
    let listener = stdin.as_fd().try_clone_to_owned().map(TcpListener::from);
    let number = format!("{}\n", std::process::id());
    let written = stdout.lock().write_all(number.as_bytes());
    let (Ok(listener), Ok(())) = (listener, written.and_then(|()| stdout.lock().flush())) else {
        return Exit::Failed;
    };
    loop {
        match listener.accept() {
            // What becomes of one client concerns no other.
            Ok((client, _)) => drop(attend(client, node)),
            // No memory or no descriptor: soon there may be.
            Err(_) => thread::sleep(LOOK),
        }
    }
}

fn attend(mut client: TcpStream, node: &str) -> io::Result<()> {
    client.set_write_timeout(Some(CLIENT))?;
    let request = read_until(&mut client, Instant::now() + CLIENT, is_whole)?;
    client.write_all(answer(&request, node).as_bytes())
}

/// Until it is all there, is too long, or took too long.
fn read_until(
    stream: &mut TcpStream,
    end: Instant,
    enough: fn(&[u8]) -> bool,
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = [0; REQUEST_MAX];
    while !enough(&bytes) && bytes.len() <= REQUEST_MAX {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece)? {
            0 => break,
            length => bytes.extend(&piece[..length]),
        }
    }
    Ok(bytes)
}

/// The request and its fields end with an empty line.
fn is_whole(request: &[u8]) -> bool {
    let ends = [&b"\r\n\r\n"[..], b"\n\n"];
    ends.iter()
        .any(|end| request.windows(end.len()).any(|window| window == *end))
}

/// HTTP/1.0 (RFC 1945): the connection ends with the answer.
fn answer(request: &[u8], node: &str) -> String {
    let method = request.split(|byte| *byte == b' ').next().unwrap_or(&[]);
    let (status, body) = match method {
        _ if !is_whole(request) => ("400 Bad Request", "not a request\n".to_owned()),
        b"GET" | b"HEAD" => ("200 OK", format!("{node}\n")),
        _ => ("501 Not Implemented", "GET and HEAD only\n".to_owned()),
    };
    let length = body.len();
    let shown = if method == b"HEAD" { "" } else { &body };
    format!(
        "HTTP/1.0 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\nCache-Control: no-store\r\n\r\n{shown}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_with_the_node() {
        let all = answer(b"GET /any HTTP/1.1\r\nHost: x\r\n\r\n", "alice");
        assert!(all.starts_with("HTTP/1.0 200 OK\r\n"), "{all}");
        assert!(all.ends_with("\r\nContent-Length: 6\r\nCache-Control: no-store\r\n\r\nalice\n"));
        let head = answer(b"HEAD / HTTP/1.0\n\n", "alice");
        assert!(head.ends_with("Content-Length: 6\r\nCache-Control: no-store\r\n\r\n"));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for (request, status) in [
            (&b"POST / HTTP/1.0\r\n\r\n"[..], "501"),
            (b"GET / HTTP/1.0\r\n", "400"),
            (b"", "400"),
            (&[0xff; REQUEST_MAX + 1], "400"),
        ] {
            let answer = answer(request, "alice");
            assert!(
                answer.starts_with(&format!("HTTP/1.0 {status} ")),
                "{answer}"
            );
        }
    }
}
