//! A log file: appended to, and opened anew when it was renamed or removed.
//!
//! ```text
//! syslogmsgfmt on:   Nov 22 14:26:31 alice hbd: [1234]: WARN: text
//! syslogmsgfmt off:  hbd[1234]: 2026/11/22_14:26:31 WARN: text
//! ```
//!
//! Both are the forms of Heartbeat 3.0.6, under our name.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use shared::event::Severity;
use shared::names::NodeName;

use super::date;
use super::outlet::Target;
use super::record::Record;

/// The owner writes, its group reads.
const MODE: u32 = 0o640;

/// How lines look.
#[derive(Clone, Debug)]
pub(super) struct Style {
    /// This node.
    pub(super) node: NodeName,
    /// As syslog writes them.
    pub(super) as_syslog: bool,
}

/// A log file.
pub(super) struct LogFile {
    path: PathBuf,
    name: String,
    style: Style,
    with_data: bool,
    file: Option<File>,
    /// The last line is there in part only.
    torn: bool,
}

impl LogFile {
    /// Opens when there is something to write.
    pub(super) fn new(path: &Path, style: Style) -> Self {
        Self {
            path: path.to_owned(),
            name: path.display().to_string(),
            style,
            with_data: false,
            file: None,
            torn: false,
        }
    }

    /// Each event also with everything a program may want to know of it, as JSON.
    pub(super) fn with_data(self) -> Self {
        Self {
            with_data: true,
            ..self
        }
    }

    fn line(&self, record: &Record) -> String {
        let Style { node, as_syslog } = &self.style;
        let (pid, word) = (std::process::id(), word(record.severity));
        let head = match as_syslog {
            true => format!(
                "{} {node} hbd: [{pid}]: {word}:",
                date::of_syslog(record.wall)
            ),
            false => format!("hbd[{pid}]: {} {word}:", date::of_heartbeat(record.wall)),
        };
        let data = record.event.as_ref().filter(|_| self.with_data);
        let data = data.and_then(|event| serde_json::to_string(event).ok());
        match data {
            Some(data) => format!("{head} {} {data}\n", record.text),
            None => format!("{head} {}\n", record.text),
        }
    }

    /// The file under the name, which whoever rotates logs may have changed. It may be anything; a
    /// pipe that nobody reads must not hold us.
    fn current(&mut self) -> io::Result<&mut File> {
        let there = fs::metadata(&self.path);
        let same = |file: &File| match (&there, file.metadata()) {
            (Ok(there), Ok(ours)) => (there.dev(), there.ino()) == (ours.dev(), ours.ino()),
            _ => false,
        };
        match self.file.take().filter(same) {
            Some(file) => Ok(self.file.insert(file)),
            None => {
                self.torn = false;
                let file = File::options()
                    .append(true)
                    .create(true)
                    .mode(MODE)
                    .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
                    .open(&self.path)?;
                Ok(self.file.insert(file))
            }
        }
    }
}

impl Target for LogFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn write(&mut self, record: &Record) -> io::Result<()> {
        let mut line = self.line(record);
        if self.torn {
            line.insert(0, '\n');
        }
        let mut rest = line.as_bytes();
        let file = self.current()?;
        while !rest.is_empty() {
            match file.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.torn |= rest.len() < line.len();
                    return Err(error);
                }
            }
        }
        self.torn = false;
        Ok(())
    }
}

/// The words of Heartbeat's log, which scripts look for.
fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Notice => "notice",
        Severity::Warning => "WARN",
        Severity::Error => "ERROR",
        Severity::Critical => "CRIT",
    }
}
