//! Toggles the own lines of a port and sends a few bytes: what follows, and what comes back.
//!
//! The caller makes sure that nobody else has the port. However it ends, settings and lines are then what they were;
//! what is not sent is dropped, so that closing the port waits for nobody.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{FlushArg, tcflush};

use super::Lines;
use crate::sys;

/// How long lines are left as they were set before they are read: an adapter for USB asks its chip every 16 ms.
const SETTLE: Duration = Duration::from_millis(40);
/// Each setting is tried so many times: what differs between two rounds follows somebody else.
const ROUNDS: usize = 2;
/// DTR and RTS.
pub const SETTINGS: [(bool, bool); 4] =
    [(false, false), (false, true), (true, false), (true, true)];
/// What an answer takes besides the time of its bytes: a login greets anew.
const ANSWER: Duration = Duration::from_millis(500);
/// Most bytes of an answer that are kept.
const ANSWER_MAX: usize = 512;
/// A byte on the line.
const BITS_PER_BYTE: u64 = 10;
/// What a person would press first. It ends a line and names nobody, so a login asks again.
const RETURN: &[u8] = b"\r";

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It was not finished.
    NotYet,
    /// It was not begun: somebody else uses the port.
    Used,
    /// There was not enough time left to do it and to put everything back.
    NoTime,
    /// The port has no lines to set, or failed.
    Failed(String),
    /// It was done.
    Done(Tried),
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// The lines at each setting, in the order of the settings, round after round.
    pub steps: Vec<Lines>,
    /// What came after a carriage return.
    pub greeting: Vec<u8>,
    /// What was sent then; empty where the greeting was enough.
    pub sent: Vec<u8>,
    /// What came after that.
    pub answer: Vec<u8>,
}

/// Tries the port.
#[must_use]
pub fn run(port: &OwnedFd, deadline: Instant) -> Trial {
    let ended = Restored::prepare(port).and_then(|state| {
        let needed = state.time();
        let left = deadline.saturating_duration_since(Instant::now());
        match left > needed {
            true => tried(port, state.byte).map(Trial::Done),
            false => Ok(Trial::NoTime),
        }
    });
    ended.unwrap_or_else(|error| Trial::Failed(error.to_string()))
}

fn tried(port: &OwnedFd, byte: Duration) -> io::Result<Tried> {
    let mut tried = Tried::default();
    for (dtr, rts) in SETTINGS.repeat(ROUNDS) {
        sys::set_outputs(port, dtr, rts)?;
        sleep(SETTLE);
        tried.steps.push(sys::modem_lines(port)?);
    }
    tcflush(port, FlushArg::TCIFLUSH)?;
    tried.greeting = exchange(port, RETURN, byte)?;
    if tried.greeting.iter().all(u8::is_ascii_whitespace) {
        tried.sent = nonce();
        tried.answer = exchange(port, &tried.sent, byte)?;
    }
    Ok(tried)
}

/// Nobody else sends the same.
fn nonce() -> Vec<u8> {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!(
        "hadiag-{:08x}-{:08x}",
        std::process::id(),
        now.subsec_nanos()
    )
    .into_bytes()
}

/// Sends, and takes what comes until nothing comes for a while.
fn exchange(port: &OwnedFd, bytes: &[u8], byte: Duration) -> io::Result<Vec<u8>> {
    match nix::unistd::write(port, bytes) {
        Ok(_) | Err(Errno::EAGAIN) => {}
        Err(error) => return Err(error.into()),
    }
    let until = Instant::now() + answer_time(bytes.len(), byte);
    let mut answer = Vec::new();
    while answer.len() < ANSWER_MAX && is_readable(port, until)? {
        let mut piece = [0; ANSWER_MAX];
        match nix::unistd::read(port, &mut piece) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    answer.truncate(ANSWER_MAX);
    Ok(answer)
}

/// What was sent goes there and comes back.
fn answer_time(count: usize, byte: Duration) -> Duration {
    ANSWER + byte * u32::try_from(2 * count).unwrap_or(u32::MAX)
}

/// False when it is time.
fn is_readable(port: &OwnedFd, until: Instant) -> io::Result<bool> {
    let left = until.saturating_duration_since(Instant::now());
    let wait = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    let mut look = [PollFd::new(port.as_fd(), PollFlags::POLLIN)];
    match poll(&mut look, wait) {
        Ok(count) => Ok(count > 0),
        Err(Errno::EINTR) => Ok(!left.is_zero()),
        Err(error) => Err(error.into()),
    }
}

/// A port that is set for the trial. Dropped, it is as it was.
struct Restored<'a> {
    port: &'a OwnedFd,
    settings: libc::termios2,
    lines: Lines,
    /// What one byte takes.
    byte: Duration,
}

impl<'a> Restored<'a> {
    /// Raw, without flow control, and whatever the carrier.
    fn prepare(port: &'a OwnedFd) -> io::Result<Self> {
        let settings = sys::settings(port)?;
        let lines = sys::modem_lines(port)?;
        let baud = u64::from(settings.c_ospeed.max(1));
        let restored = Self {
            port,
            settings,
            lines,
            byte: Duration::from_micros(BITS_PER_BYTE * 1_000_000 / baud),
        };
        let mut raw = settings;
        raw.c_iflag = libc::IGNBRK;
        raw.c_oflag = 0;
        raw.c_lflag = 0;
        raw.c_cflag &= !libc::CRTSCTS;
        raw.c_cflag |= libc::CLOCAL | libc::CREAD;
        sys::set_exclusive(port, true)?;
        sys::set_settings(port, &raw)?;
        Ok(restored)
    }

    /// The most that the trial takes.
    fn time(&self) -> Duration {
        let steps = u32::try_from(SETTINGS.len() * ROUNDS).unwrap_or(u32::MAX);
        SETTLE * steps
            + answer_time(RETURN.len(), self.byte)
            + answer_time(nonce().len(), self.byte)
    }
}

impl Drop for Restored<'_> {
    /// Whatever fails here fails because the port is gone.
    fn drop(&mut self) {
        let _ = tcflush(self.port, FlushArg::TCIOFLUSH);
        let _ = sys::set_outputs(self.port, self.lines.dtr, self.lines.rts);
        let _ = sys::set_settings(self.port, &self.settings);
        let _ = sys::set_exclusive(self.port, false);
    }
}
