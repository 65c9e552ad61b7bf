//! Whether the machine itself stood still: one watcher a processor, at a realtime priority above the daemon's, that
//! sleeps a little again and again and notes when it was not let run. A machine whose processors all stood still at
//! once did so for every node on it; that says nothing about hbd.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hbd_tests::error::{Error, unexpected};
use hbd_tests::program;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, gettid};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(2);
/// A watcher that was late by more than this noted a stall.
const STALL_MIN: Duration = Duration::from_millis(5);
/// Above every priority that a daemon here has.
const PRIORITY: &str = "90";

/// From when to when a processor stood still, on `CLOCK_BOOTTIME`.
type Stall = (Duration, Duration);

/// The watchers.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<Vec<Stall>, Error>>>,
}

impl Watch {
    /// Begins to watch.
    pub(crate) fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let processors = thread::available_parallelism().map_or(1, |count| count.get());
        let threads = (0..processors).map(|processor| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || watch(processor, &stop))
        });
        Self {
            threads: threads.collect(),
            stop,
        }
    }

    /// The spans in which all processors stood still.
    pub(crate) fn finish(self) -> Result<Vec<Stall>, Error> {
        self.stop.store(true, Ordering::Relaxed);
        let mut common: Option<Vec<Stall>> = None;
        for thread in self.threads {
            let Ok(stalls) = thread.join() else {
                return unexpected("a watcher ended early");
            };
            let stalls = stalls?;
            common = Some(match common {
                None => stalls,
                Some(common) => overlaps(&common, &stalls),
            });
        }
        Ok(common.unwrap_or_default())
    }
}

/// Now, on the clock of events.
pub(crate) fn boot_time() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

fn watch(processor: usize, stop: &AtomicBool) -> Result<Vec<Stall>, Error> {
    let mut set = CpuSet::new();
    let placed = set
        .set(processor)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
    placed.map_err(|errno| Error::Unexpected(format!("watch processor {processor}: {errno}")))?;
    let thread = gettid().to_string();
    program::run("chrt", &["--fifo", "--pid", PRIORITY, &thread])?;
    let mut stalls = Vec::new();
    let mut last = boot_time();
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(LOOK);
        let now = boot_time();
        if now.saturating_sub(last) > LOOK + STALL_MIN {
            stalls.push((last, now));
        }
        last = now;
    }
    Ok(stalls)
}

fn overlaps(left: &[Stall], right: &[Stall]) -> Vec<Stall> {
    let pairs = left
        .iter()
        .flat_map(|one| right.iter().map(move |other| (one, other)));
    pairs
        .map(|(one, other)| (one.0.max(other.0), one.1.min(other.1)))
        .filter(|(begin, end)| begin < end)
        .collect()
}
