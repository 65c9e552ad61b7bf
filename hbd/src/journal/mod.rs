//! The journal: every event on the disk, in a ring of bounded size that outlives the daemon.
//!
//! ```text
//! STATE/journal/00000016.jsonl   full
//! STATE/journal/00000017.jsonl   {"crc":"9ad8e3f1","number":8121,"checkpoint":{...}}
//!                                {"crc":"05bc61d2","number":8121,"event":{...}}
//!                                ...
//! ```
//!
//! A segment begins with a checkpoint: the view, and the last event of each life of a process. So
//! the newest segment alone restores the state, and the oldest one can go. Records are numbered
//! through all segments; a number that is missing was lost.
//!
//! Every line proves itself by its checksum. A line that does not, as after a crash or on a bad
//! disk, is skipped, named and counted; it never keeps the daemon from starting.
//!
//! A thread writes what a bounded queue holds, so that no disk delays anything. What finds no room
//! in the queue, or on the disk, is counted, and a checkpoint follows as soon as there is room
//! again. Each event is handed to the kernel at once, so that the death of the daemon loses
//! nothing. It is on the disk, also for a loss of power, when it is an error or worse, or its
//! segment is full; what is milder reaches the disk when the kernel writes it, usually within half
//! a minute. A sync for each would wear the disk out for events that matter little.

mod ending;
mod history;
mod record;
mod restore;
mod segment;
mod writer;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use shared::event::{Event, EventId, Incarnation, Kind, Role};
use shared::names::Generation;
use shared::time::Moment;
use shared::view::ClusterView;

use crate::thread;

pub(crate) use history::History;
pub(crate) use record::Record;
pub(crate) use segment::Damage;
pub(crate) use writer::Report;

use record::State;

/// Segments kept.
pub(crate) const SEGMENTS_MAX: usize = 8;
/// Bytes of a segment; together with [`SEGMENTS_MAX`] the size of the journal on the disk.
pub(crate) const SEGMENT_MAX: usize = 2 * 1024 * 1024;
/// Bytes of a line. A checkpoint that would be longer goes without its view, an event is dropped.
const LINE_MAX: usize = SEGMENT_MAX / 2;
/// Events that wait for the disk; more are counted and dropped.
const QUEUE_MAX: usize = 4096;
/// After a failure the disk is tried again so often.
pub(crate) const RETRY: Duration = Duration::from_secs(5);
/// How long the end waits for the disk.
const END_LIMIT: Duration = Duration::from_secs(2);
/// The directory under the state directory.
const DIRECTORY: &str = "journal";

/// The way into the journal.
pub(crate) struct Journal {
    directory: PathBuf,
    jobs: SyncSender<Job>,
    ended: Receiver<()>,
    /// The number of the next record.
    next: u64,
    lives: Lives,
    dropped: u64,
}

/// What the journal holds of the time before this daemon.
#[derive(Debug)]
pub(crate) struct Restored {
    /// The state after the last event. It is stale unless the core of then still runs.
    pub(crate) view: ClusterView,
    /// The last event of each life, so that a new supervisor knows where it goes on.
    pub(crate) lives: Lives,
    /// The last events, oldest first.
    pub(crate) recent: VecDeque<Record>,
    /// What could not be read.
    pub(crate) damages: Vec<Damage>,
    /// The number of the next record.
    next: u64,
}

impl Restored {
    /// Word of the last life, where no end of it in order is known. To be asked where nothing of hbd
    /// lives; `now` is this moment on the clock since boot.
    pub(crate) fn unfinished(&self, now: Moment) -> Option<Kind> {
        ending::unfinished(&self.recent, now)
    }
}

/// What the thread does.
enum Job {
    Event(Record),
    /// The state, where the thread cannot know it: at the start, and after a gap.
    Checkpoint(Box<State>),
}

impl Journal {
    /// Reads what is there, with the last `recent` events, and starts the thread that writes. It
    /// tells `report`, which must not block, when the disk fails and when it works again.
    pub(crate) fn open(
        state: &Path,
        recent: usize,
        report: impl Fn(Report) + Send + 'static,
    ) -> io::Result<(Self, Restored)> {
        Self::start(state, recent, RETRY, report)
    }

    fn start(
        state: &Path,
        recent: usize,
        retry: Duration,
        report: impl Fn(Report) + Send + 'static,
    ) -> io::Result<(Self, Restored)> {
        let directory = directory(state);
        let restored = restore::restore(&directory, recent);
        let (jobs, inbox) = sync_channel(QUEUE_MAX);
        let (end, ended) = sync_channel(1);
        let known = State {
            view: restored.view.clone(),
            lives: restored.lives.clone(),
        };
        let next = restored.next;
        let written = directory.clone();
        thread::start("journal", move || {
            writer::run(written, known, next, &inbox, retry, report);
            let _ = end.send(());
        })?;
        let journal = Self {
            directory,
            jobs,
            ended,
            next,
            lives: restored.lives.clone(),
            dropped: 0,
        };
        Ok((journal, restored))
    }

    /// Begins anew from `view`: what the journal holds was the state of another life.
    pub(crate) fn begin(&mut self, view: &ClusterView) {
        let _ = self.checkpoint(view);
    }

    /// Writes an event that follows on `before`. Returns its record, and how many earlier ones were
    /// dropped, once that is over.
    pub(crate) fn write(&mut self, event: Event, before: &ClusterView) -> (Record, u64) {
        let record = Record {
            number: self.next,
            event: Arc::new(event),
        };
        self.next += 1;
        let mut dropped = 0;
        if self.dropped > 0 && self.checkpoint(before) {
            dropped = std::mem::take(&mut self.dropped);
        }
        if self.dropped > 0 || self.jobs.try_send(Job::Event(record.clone())).is_err() {
            self.dropped += 1;
        }
        self.lives.note(&record.event.id);
        (record, dropped)
    }

    /// The past up to here, of which memory holds the last events.
    pub(crate) fn history(&self, memory: Vec<Record>) -> History {
        History {
            directory: self.directory.clone(),
            memory,
        }
    }

    /// Waits until everything is written, up to a limit: a dead disk must not keep hbd from ending.
    pub(crate) fn finish(self) {
        drop(self.jobs);
        let _ = self.ended.recv_timeout(END_LIMIT);
    }

    fn checkpoint(&self, view: &ClusterView) -> bool {
        let state = Box::new(State {
            view: view.clone(),
            lives: self.lives.clone(),
        });
        self.jobs.try_send(Job::Checkpoint(state)).is_ok()
    }
}

/// Where the journal of a daemon with this state directory is.
pub(crate) fn directory(state: &Path) -> PathBuf {
    state.join(DIRECTORY)
}

/// Lives that a checkpoint names, the latest.
const LIVES_MAX: usize = 64;

/// The last event of each of the last lives of processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lives(Vec<EventId>);

impl Lives {
    /// The counter of the last event of `incarnation`; 0 without one.
    pub(crate) fn last(&self, incarnation: Incarnation) -> u64 {
        let same = |id: &&EventId| id.incarnation == incarnation;
        self.0.iter().find(same).map_or(0, |id| id.counter)
    }

    /// The highest generation of any; 0 without one.
    pub(crate) fn newest(&self) -> Generation {
        let generations = self.0.iter().map(|id| id.incarnation.generation);
        generations.max().unwrap_or(Generation(0))
    }

    /// The highest generation of a core; 0 without one.
    pub(crate) fn newest_core(&self) -> Generation {
        let cores = self.0.iter().map(|id| id.incarnation);
        let cores = cores.filter(|life| life.role == Role::Core);
        cores.map(|life| life.generation).max().unwrap_or_default()
    }

    /// The last event of the latest life of that role.
    pub(crate) fn last_of(&self, role: Role) -> Option<&EventId> {
        let events = self.0.iter().filter(|id| id.incarnation.role == role);
        events.max_by_key(|id| id.incarnation.generation)
    }

    fn note(&mut self, id: &EventId) {
        let same = |known: &EventId| (known.incarnation, &known.node) == (id.incarnation, &id.node);
        match self.0.iter_mut().find(|known| same(known)) {
            Some(known) => known.counter = known.counter.max(id.counter),
            None => {
                if self.0.len() == LIVES_MAX {
                    self.0.remove(0);
                }
                self.0.push(id.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
