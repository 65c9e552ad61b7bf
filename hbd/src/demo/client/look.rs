//! The loop that asks the service each millisecond.
//!
//! Each question has a connection of its own and a short life: one that goes to a dead machine is
//! not waited for, since the next may already be answered by another. So a gap is known to the
//! millisecond, however slowly TCP tries again.
//!
//! It ends when the connection is accepted, which the kernel does for whoever listens: so no delay
//! of a busy machine's processes looks like a gap. Who it is the answer says.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use shared::time::Moment;
use socket2::{Domain, Socket, Type};

use super::record::Record;
use super::{ANSWER_MAX, REQUEST, body};
use crate::clock;
use crate::demo::cast::Node;

/// Time between two questions.
const PERIOD: Duration = Duration::from_millis(1);
/// How long an answer is waited for; far more than a living machine takes.
const LIFE: Duration = Duration::from_millis(300);
/// Questions without an answer at the same time; more than are asked in a [`LIFE`].
const OPEN_MAX: usize = 400;

/// Looks until it is to rest.
pub(super) fn look(service: SocketAddr, record: &Mutex<Record>, rests: &AtomicBool) {
    let mut open: VecDeque<Asked> = VecDeque::new();
    let mut next = clock::boot();
    while !rests.load(Ordering::Relaxed) {
        if clock::boot() >= next {
            // What cannot be asked is not answered.
            open.extend(Asked::new(service));
            // Questions that were missed are not made up for.
            next = (next + PERIOD).max(clock::boot());
        }
        wait(&mut open, next);
        let now = clock::boot();
        let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
        record.looked(now);
        open.retain_mut(|asked| match asked.go_on() {
            Progress::Waits => now.since(asked.at) < LIFE,
            Progress::Accepted => {
                record.accepted(now);
                true
            }
            Progress::Answered(by) => {
                record.answered(now, by);
                false
            }
            Progress::Over => false,
        });
        let excess = open.len().saturating_sub(OPEN_MAX);
        open.drain(..excess);
    }
}

/// Until one of them goes on, or the next is to be asked.
fn wait(open: &mut VecDeque<Asked>, next: Moment) {
    let mut all: Vec<_> = open
        .iter()
        .map(|asked| PollFd::new(asked.socket.as_fd(), asked.awaits()))
        .collect();
    let left = next.since(clock::boot());
    let timeout = PollTimeout::from(u8::from(!left.is_zero()));
    // An interruption is one more look.
    let _ = poll(&mut all, timeout);
    let ready: Vec<_> = all.iter().map(|one| one.any() != Some(false)).collect();
    for (asked, ready) in open.iter_mut().zip(ready) {
        asked.ready = ready;
    }
}

/// A question to the service.
struct Asked {
    at: Moment,
    socket: Socket,
    /// Whether something happened to it.
    ready: bool,
    /// Whether the request is on its way.
    sent: bool,
    answer: Vec<u8>,
}

enum Progress {
    /// Nothing came of it yet.
    Waits,
    /// Somebody listens.
    Accepted,
    /// That node answered.
    Answered(Node),
    /// It will never be answered, or not well.
    Over,
}

impl Asked {
    fn new(service: SocketAddr) -> io::Result<Self> {
        let at = clock::boot();
        let socket = Socket::new(Domain::for_address(service), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        // Closing forgets the connection on both sides, or a thousand a second would be kept.
        socket.set_linger(Some(Duration::ZERO))?;
        match socket.connect(&service.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
            _ => Ok(Self {
                at,
                socket,
                ready: false,
                sent: false,
                answer: Vec::new(),
            }),
        }
    }

    fn awaits(&self) -> PollFlags {
        if self.sent {
            PollFlags::POLLIN
        } else {
            PollFlags::POLLOUT
        }
    }

    fn go_on(&mut self) -> Progress {
        if !self.ready {
            return Progress::Waits;
        }
        let gone_on = match self.sent {
            false => self.send(),
            true => self.receive(),
        };
        match gone_on {
            Ok(progress) => progress,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Progress::Waits,
            Err(_) => Progress::Over,
        }
    }

    fn send(&mut self) -> io::Result<Progress> {
        (&self.socket).write_all(REQUEST)?;
        self.sent = true;
        Ok(Progress::Accepted)
    }

    fn receive(&mut self) -> io::Result<Progress> {
        let mut piece = [0; 1024];
        loop {
            match (&self.socket).read(&mut piece)? {
                0 => return Ok(self.judge()),
                length => self.answer.extend(&piece[..length]),
            }
            if self.answer.len() as u64 > ANSWER_MAX {
                return Ok(Progress::Over);
            }
        }
    }

    fn judge(&self) -> Progress {
        let by = body(&self.answer).and_then(Node::named);
        by.map_or(Progress::Over, Progress::Answered)
    }
}
