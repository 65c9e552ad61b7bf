//! Log lines on standard error, written by a thread of their own: whoever reads them may stop.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use shared::event::{Event, Severity};
use shared::time::Wall;

/// Lines that wait at most; more are counted and dropped.
const LINES_MAX: usize = 1024;
/// How long the end waits for the reader.
const END_LIMIT: Duration = Duration::from_secs(1);

/// The way to standard error.
pub(super) struct Log {
    lines: SyncSender<String>,
    ended: Receiver<()>,
    journal: bool,
    dropped: u64,
}

impl Log {
    /// Starts the thread.
    pub(super) fn start() -> Self {
        Self::to(io::stderr(), stderr_is_journal())
    }

    /// With `journal` lines carry a priority and no time.
    pub(super) fn to(mut writer: impl Write + Send + 'static, journal: bool) -> Self {
        let (lines, inbox) = sync_channel::<String>(LINES_MAX);
        let (end, ended) = sync_channel(1);
        std::thread::spawn(move || {
            while let Ok(line) = inbox.recv() {
                // Nobody is left to tell that there is nobody to tell.
                let _ = writer.write_all(line.as_bytes());
            }
            let _ = end.send(());
        });
        Self {
            lines,
            ended,
            journal,
            dropped: 0,
        }
    }

    /// An event as a line.
    pub(super) fn event(&mut self, event: &Event) {
        self.line(event.wall, event.severity, &event.text);
    }

    /// A line that is no event.
    pub(super) fn line(&mut self, wall: Wall, severity: Severity, text: &str) {
        if self.dropped > 0 {
            let note = format!("{} log lines were dropped", self.dropped);
            if !self.put(wall, Severity::Warning, &note) {
                self.dropped += 1;
                return;
            }
            self.dropped = 0;
        }
        if !self.put(wall, severity, text) {
            self.dropped += 1;
        }
    }

    fn put(&mut self, wall: Wall, severity: Severity, text: &str) -> bool {
        let text = text.replace('\n', " ");
        let line = if self.journal {
            format!("<{}>{text}\n", priority(severity))
        } else {
            format!("{wall} {severity:<8} {text}\n")
        };
        self.lines.try_send(line).is_ok()
    }

    /// Waits until everything is written, up to a limit.
    pub(super) fn finish(self) {
        drop(self.lines);
        let _ = self.ended.recv_timeout(END_LIMIT);
    }
}

/// The priority of `syslog(3)`.
fn priority(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 6,
        Severity::Notice => 5,
        Severity::Warning => 4,
        Severity::Error => 3,
        Severity::Critical => 2,
    }
}

/// True where standard error is the journal's stream, which reads priorities (`sd-daemon(3)`).
fn stderr_is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(stderr) = std::fs::metadata("/dev/stderr") else {
        return false;
    };
    stream == format!("{}:{}", stderr.dev(), stderr.ino())
}
