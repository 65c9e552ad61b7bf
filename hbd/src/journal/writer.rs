//! The thread that writes.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use shared::event::Severity;

use super::record::{Record, State, checkpoint_line, event_line};
use super::segment::{Open, numbers, path};
use super::{Job, LINE_MAX, SEGMENTS_MAX};

/// How the disk does.
#[derive(Debug)]
pub(crate) enum Report {
    /// Nothing can be written, and why.
    Fails {
        /// The directory.
        directory: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
    /// It can again.
    Works,
    /// So many events were lost: the disk failed, or they were too long.
    Lost(u64),
}

/// Writes until nobody hands anything in any more. `next` is the number of the first record.
pub(super) fn run(
    directory: PathBuf,
    state: State,
    next: u64,
    inbox: &Receiver<Job>,
    retry: Duration,
    report: impl Fn(Report),
) {
    let mut writer = Writer {
        directory,
        state,
        next,
        segment: None,
        failed: None,
        lost: 0,
        retry,
        report,
    };
    loop {
        let job = match writer.failed {
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => inbox.recv_timeout(retry.saturating_sub(at.elapsed())),
        };
        writer.try_again();
        match job {
            Ok(Job::Event(record)) => writer.event(&record),
            Ok(Job::Checkpoint(state)) => writer.checkpoint(*state),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

struct Writer<R> {
    directory: PathBuf,
    /// After the last event that came, written or not.
    state: State,
    next: u64,
    segment: Option<Open>,
    /// When the disk last refused something, while it does.
    failed: Option<Instant>,
    lost: u64,
    retry: Duration,
    report: R,
}

impl<R: Fn(Report)> Writer<R> {
    fn event(&mut self, record: &Record) {
        self.next = record.number;
        let line = event_line(record);
        if line.len() > LINE_MAX {
            (self.report)(Report::Lost(1));
        } else if self.failed.is_some() {
            self.lost += 1;
        } else if let Err(error) = self.write(&line, record.event.severity >= Severity::Error) {
            self.lost += 1;
            self.fail(error);
        }
        self.next = record.number + 1;
        self.state.apply(&record.event);
    }

    fn checkpoint(&mut self, state: State) {
        self.state = state;
        if self.failed.is_none() {
            let line = self.checkpoint_line();
            if let Err(error) = self.write(&line, false) {
                self.fail(error);
            }
        }
    }

    /// After a failure: a checkpoint shows whether the disk works, and bridges what was lost.
    fn try_again(&mut self) {
        let Some(at) = self.failed else {
            return;
        };
        if at.elapsed() < self.retry {
            return;
        }
        let line = self.checkpoint_line();
        match self.write(&line, true) {
            Ok(()) => {
                self.failed = None;
                (self.report)(Report::Works);
                (self.report)(Report::Lost(std::mem::take(&mut self.lost)));
            }
            Err(_) => self.failed = Some(Instant::now()),
        }
    }

    fn fail(&mut self, error: io::Error) {
        self.failed = Some(Instant::now());
        let directory = self.directory.clone();
        (self.report)(Report::Fails { directory, error });
    }

    fn write(&mut self, line: &[u8], durable: bool) -> io::Result<()> {
        let segment = match self.segment.take().filter(|segment| !segment.is_gone()) {
            Some(segment) => segment,
            None => self.reopen()?,
        };
        let segment = if segment.has_room(line) {
            self.segment.insert(segment)
        } else {
            segment.sync()?;
            let next = self.begin(segment.number + 1)?;
            self.segment.insert(next)
        };
        segment.append(line)?;
        if durable {
            segment.sync()?;
        }
        Ok(())
    }

    /// The newest segment, or the first.
    fn reopen(&self) -> io::Result<Open> {
        let newest = match numbers(&self.directory) {
            Ok(numbers) => numbers.last().copied(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match newest {
            Some(number) => Open::last(&self.directory, number),
            None => self.begin(1),
        }
    }

    /// Begins a segment, after room was made for it.
    fn begin(&self, number: u64) -> io::Result<Open> {
        let there = numbers(&self.directory).unwrap_or_default();
        let surplus = (there.len() + 1).saturating_sub(SEGMENTS_MAX);
        for old in &there[..surplus] {
            fs::remove_file(path(&self.directory, *old))?;
        }
        Open::new(&self.directory, number, &self.checkpoint_line())
    }

    fn checkpoint_line(&self) -> Vec<u8> {
        let line = checkpoint_line(self.next, &self.state, true);
        if line.len() <= LINE_MAX {
            return line;
        }
        checkpoint_line(self.next, &self.state, false)
    }
}
