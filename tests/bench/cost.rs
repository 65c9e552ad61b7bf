//! What processes cost, as `/proc` has it (`proc(5)`).

use std::fs;
use std::ops::Sub;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hbd_tests::error::{self, Error, unexpected};

/// What some processes have used since they were started.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Time on a processor, as the scheduler counts it.
    pub(crate) processor: Duration,
    /// How often they went to sleep, and so were woken.
    pub(crate) wakeups: u64,
    /// How often they waited for a disk because a page was not in memory.
    pub(crate) major_faults: u64,
}

impl Usage {
    /// Of all threads of these processes.
    pub(crate) fn of(pids: &[i32]) -> Result<Self, Error> {
        let mut usage = Self::default();
        for thread in threads(pids)? {
            let ran = number(&read(&thread.join("schedstat"))?, 0)?;
            usage.processor += Duration::from_nanos(ran);
            usage.wakeups += field(&thread.join("status"), "voluntary_ctxt_switches:")?;
        }
        for pid in pids {
            let stat = read(&directory(*pid).join("stat"))?;
            // What stands before the last parenthesis is the name and may hold anything.
            let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
            usage.major_faults += number(fields, 9)?;
        }
        Ok(usage)
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            processor: self.processor.saturating_sub(before.processor),
            wakeups: self.wakeups.saturating_sub(before.wakeups),
            major_faults: self.major_faults.saturating_sub(before.major_faults),
        }
    }
}

/// Memory of these processes in KiB: their own pages, and of each shared one their part of it.
pub(crate) fn pss(pids: &[i32]) -> Result<u64, Error> {
    pids.iter()
        .map(|pid| field(&directory(*pid).join("smaps_rollup"), "Pss:"))
        .sum()
}

fn directory(pid: i32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

fn threads(pids: &[i32]) -> Result<Vec<PathBuf>, Error> {
    let mut threads = Vec::new();
    for pid in pids {
        let tasks = directory(*pid).join("task");
        let entries = error::file(format!("read {}", tasks.display()), fs::read_dir(&tasks))?;
        threads.extend(entries.flatten().map(|entry| entry.path()));
    }
    Ok(threads)
}

/// The number behind a word at the beginning of a line.
fn field(path: &Path, word: &str) -> Result<u64, Error> {
    let text = read(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(word));
    match line {
        Some(line) => number(line, 0),
        None => unexpected(format!("{} has no {word}", path.display())),
    }
}

fn number(text: &str, place: usize) -> Result<u64, Error> {
    let word = text.split_whitespace().nth(place);
    match word.and_then(|word| word.parse().ok()) {
        Some(number) => Ok(number),
        None => unexpected(format!("no number at place {place} of {text:?}")),
    }
}

fn read(path: &Path) -> Result<String, Error> {
    error::file(format!("read {}", path.display()), fs::read_to_string(path))
}
