//! Lines on a stream: standard error.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;

use super::outlet::Target;
use super::record::Record;

/// A stream that somebody reads.
pub(super) struct Stream<W> {
    writer: W,
    journal: bool,
}

impl<W: Write + Send> Stream<W> {
    /// With `journal` lines carry a priority and no time (`sd-daemon(3)`).
    pub(super) fn new(writer: W, journal: bool) -> Self {
        Self { writer, journal }
    }
}

impl<W: Write + Send> Target for Stream<W> {
    fn name(&self) -> &str {
        "standard error"
    }

    fn write(&mut self, record: &Record) -> io::Result<()> {
        let text = &record.text;
        let line = if self.journal {
            format!("<{}>{text}\n", record.priority())
        } else {
            format!("{} {:<8} {text}\n", record.wall, record.severity)
        };
        self.writer.write_all(line.as_bytes())
    }
}

/// True where standard error is the journal's stream (`JOURNAL_STREAM`, `systemd.exec(5)`).
pub(crate) fn stderr_is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(stderr) = std::fs::metadata("/dev/stderr") else {
        return false;
    };
    stream == format!("{}:{}", stderr.dev(), stderr.ino())
}
