//! The process of a program that decides, and the lines to and from it.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep_until};

use super::line::LINE_MAX;
use crate::process::{OWN_PROGRAM, Process};

/// So many bytes may wait for the program, behind what it begins with.
const WAITING_MAX: usize = 1 << 20;
/// Bytes that are read at once.
const PIECE: usize = 16 * 1024;
/// A program that has closed its end is gone after this, or is killed.
const END_LIMIT: Duration = Duration::from_millis(500);

/// A program that runs. Dropped, it is killed.
pub(super) struct Program {
    process: Process,
    socket: UnixStream,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    waiting_max: usize,
    /// Its end is closed; until then it may say how it ended.
    closed: Option<Instant>,
    ended: bool,
}

/// What comes of a program.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::manager_process) enum Word {
    /// A line, without its end.
    Line(String),
    /// It says nothing more, and how it ended.
    Ended(String),
    /// It says what is no line.
    Nonsense(String),
}

impl Program {
    /// Starts it. Needs a runtime.
    pub(super) fn start(command: &[String]) -> io::Result<Self> {
        let (ours, theirs) = Pair::pair()?;
        ours.set_nonblocking(true)?;
        let theirs = OwnedFd::from(theirs);
        let child = Command::new(OWN_PROGRAM)
            .args(["decide", "--"].map(OsString::from))
            .args(command)
            .stdin(Stdio::from(theirs.try_clone()?))
            .stdout(Stdio::from(theirs))
            .spawn()?;
        Ok(Self {
            process: Process::started(&child)?,
            socket: UnixStream::from_std(ours)?,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            waiting_max: WAITING_MAX,
            closed: None,
            ended: false,
        })
    }

    /// Puts a line behind those that wait; false where it does not take them.
    pub(super) fn tell(&mut self, line: &str) -> bool {
        // What it begins with is as long as the configuration makes it.
        if self.waiting_max == WAITING_MAX && self.outgoing.is_empty() {
            self.waiting_max += line.len();
        }
        self.outgoing.extend(line.as_bytes());
        self.outgoing.len() <= self.waiting_max
    }

    /// What comes next, sending what waits meanwhile. May be given up and called again.
    pub(super) async fn next(&mut self) -> Word {
        loop {
            match self.take() {
                Ok(Some(line)) => return Word::Line(line),
                Ok(None) => {}
                Err(why) => return Word::Nonsense(why),
            }
            if let Some(until) = self.closed {
                return self.end(until).await;
            }
            let interest = match self.outgoing.is_empty() {
                true => Interest::READABLE,
                false => Interest::READABLE | Interest::WRITABLE,
            };
            tokio::select! {
                biased;
                ready = self.socket.ready(interest) => {
                    let exchanged = ready.and_then(|_| self.exchange());
                    if !matches!(exchanged, Ok(true)) {
                        self.closed = Some(Instant::now() + END_LIMIT);
                    }
                }
                // Something that it started may keep its end open.
                () = self.process.gone() => self.closed = Some(Instant::now() + END_LIMIT),
            }
        }
    }

    /// Kills it, with all that it started and that is still of its group.
    pub(super) fn kill(&mut self) {
        if let (false, Ok(pid)) = (self.ended, i32::try_from(self.process.pid())) {
            // Nobody waited for it, so the number is its own. It leads its group once it runs.
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
            self.process.kill();
        }
    }

    /// Writes and reads what is possible; false at the end.
    fn exchange(&mut self) -> io::Result<bool> {
        if !self.outgoing.is_empty() {
            match self.socket.try_write(&self.outgoing) {
                Ok(length) => drop(self.outgoing.drain(..length)),
                Err(error) if is_for_later(&error) => {}
                // What it said before its end is read all the same.
                Err(_) => self.outgoing.clear(),
            }
        }
        let mut piece = [0; PIECE];
        match self.socket.try_read(&mut piece) {
            Ok(0) => Ok(false),
            Ok(length) => {
                self.incoming.extend(&piece[..length]);
                Ok(true)
            }
            Err(error) if is_for_later(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The first line of what has arrived.
    fn take(&mut self) -> Result<Option<String>, String> {
        let end = self.incoming.iter().position(|byte| *byte == b'\n');
        if end.unwrap_or(self.incoming.len()) > LINE_MAX {
            return Err(format!("a line has at most {LINE_MAX} bytes"));
        }
        let Some(end) = end else { return Ok(None) };
        let line: Vec<u8> = self.incoming.drain(..=end).take(end).collect();
        let line = String::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
        Ok(Some(line))
    }

    async fn end(&mut self, until: Instant) -> Word {
        tokio::select! {
            biased;
            how = self.process.ended() => {
                self.ended = true;
                Word::Ended(how)
            }
            () = sleep_until(until) => Word::Ended("it closed its standard output".into()),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
