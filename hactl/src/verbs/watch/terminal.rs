//! The screen of `hactl status`, drawn in place on a terminal.
//!
//! The other screen of the terminal is used, so that what stood there before is there again
//! afterwards. Signals come through a descriptor (`signalfd(2)`), so that nothing ends without
//! putting the terminal back.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use shared::api::Snapshot;
use shared::exit::Exit;
use shared::verdict::Verdict;
use terminal_size::{Height, terminal_size};

use super::feed::Feed;
use super::lines::timeout;
use crate::cli::Call;
use crate::error::Error;
use crate::print::clock::age;
use crate::print::{Mood, clean};
use crate::verbs::status::{Part, Screen};

/// Shortest time between two drawings.
const REDRAW_MIN: Duration = Duration::from_millis(250);
/// Longest, so that ages grow.
const REDRAW_MAX: Duration = Duration::from_secs(1);
/// Lines where the terminal does not say.
const HEIGHT: usize = 24;

/// The other screen, no cursor, long lines cut off; and all of it undone.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// To the top; clear to the end of the line, of the screen.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_REST: &str = "\x1b[J";

/// Draws until it is told to end.
pub(super) fn show(call: &Call, mut feed: Feed) -> Result<Exit, Error> {
    let signals = signals().map_err(|error| Error::Output(error.into()))?;
    let mut terminal = Terminal::enter()?;
    let mut news = true;
    loop {
        let wait = if news { REDRAW_MIN } else { REDRAW_MAX };
        let left = wait.saturating_sub(terminal.drawn.elapsed());
        if left.is_zero() {
            terminal.draw(call, &feed)?;
            news = false;
            continue;
        }
        let left = feed.due().map_or(left, |due| due.min(left));
        match wait_for_something(&feed, &signals, left)? {
            Some(Signal::SIGWINCH) => news = true,
            Some(Signal::SIGTSTP) => {
                drop(terminal);
                // Goes on at the next line when the shell lets it.
                let _ = raise(Signal::SIGSTOP);
                terminal = Terminal::enter()?;
            }
            Some(_) => return Ok(Exit::Done),
            None => {}
        }
        news |= feed.take();
    }
}

/// The signals that must not end this process by themselves.
fn signals() -> nix::Result<SignalFd> {
    let mut mask = SigSet::empty();
    for signal in [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGTSTP,
        Signal::SIGWINCH,
    ] {
        mask.add(signal);
    }
    mask.thread_block()?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}

fn wait_for_something(
    feed: &Feed,
    signals: &SignalFd,
    limit: Duration,
) -> Result<Option<Signal>, Error> {
    let mut waited = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    waited.extend(feed.fd().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    match poll(&mut waited, timeout(limit)) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(Error::Output(error.into())),
    }
    let signal = signals.read_signal().ok().flatten();
    let number = signal.and_then(|info| i32::try_from(info.ssi_signo).ok());
    Ok(number.and_then(|number| Signal::try_from(number).ok()))
}

/// The terminal while the screen is on it.
struct Terminal {
    drawn: Instant,
}

impl Terminal {
    fn enter() -> io::Result<Self> {
        let mut out = io::stdout();
        out.write_all(ENTER.as_bytes())?;
        out.flush()?;
        let long_ago = Instant::now().checked_sub(REDRAW_MAX);
        Ok(Self {
            drawn: long_ago.unwrap_or_else(Instant::now),
        })
    }

    fn draw(&mut self, call: &Call, feed: &Feed) -> io::Result<()> {
        self.drawn = Instant::now();
        let height = terminal_size().map_or(HEIGHT, |(_, Height(rows))| rows.into());
        let Some(snapshot) = feed.snapshot() else {
            return Ok(());
        };
        let lines = text(call, feed, &snapshot, height)?;
        let mut out = crate::verbs::output();
        out.write_all(frame(&lines).as_bytes())?;
        out.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut out = io::stdout();
        // Nothing else can be done where the terminal is gone.
        let _ = out.write_all(LEAVE.as_bytes()).and_then(|()| out.flush());
    }
}

/// A part of the screen as it is drawn. The first has no name: it is never left out whole.
struct Lines {
    part: Option<Part>,
    lines: Vec<String>,
}

/// A line about the watching itself, and the screen of `hactl status`: as it is where it fits, else
/// with what is wrong first.
fn text(call: &Call, feed: &Feed, snapshot: &Snapshot, height: usize) -> io::Result<Vec<String>> {
    let first = match feed.stale() {
        None => {
            let line = format!("{}, Ctrl-C ends", snapshot.at.wall);
            call.colour.paint(&line, Mood::Faint)
        }
        Some((old, problem)) => {
            let line = format!("As it was {} ago: {}", age(old), clean(problem));
            call.colour.paint(&line, Mood::Bad)
        }
    };
    let verdict = Verdict::of(&feed.hello().node, snapshot);
    let screen = Screen {
        hello: feed.hello(),
        verdict: &verdict,
        snapshot,
        clock: call.clock(snapshot.at),
        colour: call.colour,
    };
    let drawn = |part: Part| {
        let mut out = Vec::new();
        screen.part(part, &mut out)?;
        let text = String::from_utf8_lossy(&out).into_owned();
        Ok(Lines {
            part: Some(part),
            lines: text.lines().map(str::to_owned).collect(),
        })
    };
    let with_heading = |parts: [Part; 6]| {
        let heading = Lines {
            part: None,
            lines: vec![first.clone(), String::new()],
        };
        let parts = parts.into_iter().map(drawn);
        let parts: io::Result<Vec<Lines>> = std::iter::once(Ok(heading)).chain(parts).collect();
        parts
    };
    let whole = with_heading(Part::ALL)?;
    match whole.iter().map(|part| part.lines.len()).sum::<usize>() <= height {
        true => Ok(whole.into_iter().flat_map(|part| part.lines).collect()),
        false => Ok(fitting(with_heading(Part::URGENT_FIRST)?, height)),
    }
}

/// The first lines, and a last one that says how many are left out and which parts they belong to.
fn fitting(parts: Vec<Lines>, height: usize) -> Vec<String> {
    let room = height.max(2) - 1;
    let mut shown = Vec::new();
    let mut left_out = 0;
    let mut of = Vec::new();
    for Lines { part, lines } in parts {
        let fits = lines.len().min(room - shown.len());
        if fits < lines.len() {
            left_out += lines.len() - fits;
            of.extend(part.map(Part::word));
        }
        shown.extend(lines.into_iter().take(fits));
    }
    if left_out > 0 {
        shown.push(format!("({left_out} more lines: {})", of.join(", ")));
    }
    shown
}

/// `lines` as they are drawn over what stood there.
fn frame(lines: &[String]) -> String {
    let text = lines.join(&format!("{CLEAR_LINE}\r\n"));
    format!("{HOME}{text}{CLEAR_LINE}{CLEAR_REST}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(part: Option<Part>, lines: &[&str]) -> Lines {
        Lines {
            part,
            lines: lines.iter().map(|line| (*line).into()).collect(),
        }
    }

    #[test]
    fn each_line_is_cleared_and_the_last_has_no_line_end_that_would_scroll() {
        let drawn = frame(&["a".into(), "b".into()]);
        assert_eq!(drawn, "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J");
    }

    #[test]
    fn what_does_not_fit_is_counted_and_named() {
        let parts = || {
            vec![
                lines(None, &["time"]),
                lines(Some(Part::Findings), &["a", "b", "c"]),
                lines(Some(Part::Nodes), &["d", "e"]),
            ]
        };
        assert_eq!(
            fitting(parts(), 4),
            ["time", "a", "b", "(3 more lines: findings, nodes)"]
        );
        assert_eq!(
            fitting(parts(), 5),
            ["time", "a", "b", "c", "(2 more lines: nodes)"]
        );
        assert_eq!(
            fitting(parts(), 0),
            ["time", "(5 more lines: findings, nodes)"]
        );
    }
}
