//! Syslog, as `syslog(3)` writes to it:
//!
//! ```text
//! <facility * 8 + priority>Nov 22 14:26:31 hbd[1234]: text
//! ```

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::date;
use super::outlet::Target;
use super::record::Record;

/// How long a logger that does not read may hold a line up.
pub(super) const PATIENCE: Duration = Duration::from_millis(200);
/// Longest text; loggers take 8 KiB and less.
const TEXT_MAX: usize = 4096;

/// The system's logger.
pub(super) struct Syslog {
    path: PathBuf,
    facility: u8,
    socket: Option<UnixDatagram>,
}

impl Syslog {
    /// Connects when there is something to write. `facility` is a number of `syslog(3)`, unshifted.
    pub(super) fn new(path: &Path, facility: u8) -> Self {
        Self {
            path: path.to_owned(),
            facility,
            socket: None,
        }
    }

    fn line(&self, record: &Record) -> String {
        let priority = u16::from(self.facility) * 8 + u16::from(record.priority());
        let time = date::of_syslog(record.wall);
        let text = clip(&record.text);
        format!("<{priority}>{time} hbd[{}]: {text}", std::process::id())
    }
}

impl Target for Syslog {
    fn name(&self) -> &str {
        "syslog"
    }

    /// A logger that was restarted has another socket under the same name.
    fn write(&mut self, record: &Record) -> io::Result<()> {
        let line = self.line(record);
        if let Some(socket) = &self.socket
            && socket.send(line.as_bytes()).is_ok()
        {
            return Ok(());
        }
        self.socket = None;
        let socket = connect(&self.path)?;
        socket.send(line.as_bytes())?;
        self.socket = Some(socket);
        Ok(())
    }
}

/// A socket to a logger, which names it where it is not there.
pub(super) fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let explain =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let socket = UnixDatagram::unbound()?;
    socket.connect(path).map_err(explain)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_MAX)]
}
