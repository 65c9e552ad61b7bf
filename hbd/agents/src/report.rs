//! How an action ended, as the shim writes it and the manager reads it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How an action ended, and what it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How it ended.
    pub ended: Ended,
    /// How long it took.
    pub took: Duration,
    /// What it wrote to standard output.
    pub stdout: Text,
    /// What it wrote to standard error.
    pub stderr: Text,
}

impl Report {
    /// The same with the last line of each text only.
    #[must_use]
    pub(crate) fn shortened(&self) -> Self {
        Self {
            stdout: self.stdout.shortened(),
            stderr: self.stderr.shortened(),
            ..*self
        }
    }
}

/// How an action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// By itself.
    Exited {
        /// Its exit status.
        status: i32,
    },
    /// By a signal that was not the shim's.
    Signalled {
        /// Its number.
        signal: i32,
    },
    /// It was ended with all it had started, since its time was over.
    TimedOut {
        /// Its time.
        limit: Duration,
        /// Whether asking was not enough.
        killed: bool,
        /// Processes that even SIGKILL did not end: they wait in the kernel, for a disk for one.
        left: usize,
    },
    /// It did not begin.
    NotStarted {
        /// The error of the system call (`errno(3)`).
        errno: i32,
    },
}

/// What was written: where it was too much, its beginning and its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// The beginning; everything, if nothing was left out.
    pub head: String,
    /// The end, after what was left out.
    pub tail: String,
    /// How many bytes between them were left out.
    pub left_out: u64,
}

/// Most characters of a line in a short text: two of them fit into a page of JSON.
const LINE_MAX: usize = 200;

impl Text {
    fn shortened(&self) -> Self {
        let line = self.last_line().unwrap_or_default();
        let tail: String = line.chars().take(LINE_MAX).collect();
        let whole = (self.head.len() + self.tail.len()) as u64 + self.left_out;
        Self {
            head: String::new(),
            left_out: whole - tail.len() as u64,
            tail,
        }
    }

    /// The last line that is not blank.
    #[must_use]
    pub fn last_line(&self) -> Option<&str> {
        let mut lines = self.head.lines().chain(self.tail.lines()).rev();
        lines.find_map(|line| Some(line.trim()).filter(|line| !line.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_last_that_says_something() {
        let text = |head: &str, tail: &str| Text {
            head: head.into(),
            tail: tail.into(),
            left_out: 0,
        };
        assert_eq!(text("a\nb \n\n", "").last_line(), Some("b"));
        assert_eq!(text("a\n", "b\nc").last_line(), Some("c"));
        assert_eq!(text("a\n", " \n").last_line(), Some("a"));
        assert_eq!(text("", "\n").last_line(), None);
    }
}
