//! The journal's native protocol: a datagram of fields, each `NAME=value` and a line end.
//!
//! A datagram that is too long for the socket goes into a sealed memory file whose descriptor is
//! sent alone.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use super::outlet::Target;
use super::record::Record;
use super::syslog::connect;

/// The journal of systemd.
pub(super) struct Journal {
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

impl Journal {
    /// Connects when there is something to write.
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            socket: None,
        }
    }
}

impl Target for Journal {
    fn name(&self) -> &str {
        "systemd's journal"
    }

    fn write(&mut self, record: &Record) -> io::Result<()> {
        let fields = fields(record);
        if let Some(socket) = &self.socket
            && send(socket, fields.as_bytes()).is_ok()
        {
            return Ok(());
        }
        self.socket = None;
        let socket = connect(&self.path)?;
        send(&socket, fields.as_bytes())?;
        self.socket = Some(socket);
        Ok(())
    }
}

/// No value holds a line end: a record has none in its text, and names have none.
fn fields(record: &Record) -> String {
    let mut text = format!(
        "MESSAGE={}\nPRIORITY={}\nSYSLOG_IDENTIFIER=hbd\n",
        record.text,
        record.priority()
    );
    for (name, value) in record.fields() {
        let _ = writeln!(text, "{name}={}", value.replace('\n', " "));
    }
    text
}

fn send(socket: &UnixDatagram, fields: &[u8]) -> io::Result<()> {
    match socket.send(fields) {
        Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => send_as_file(socket, fields),
        sent => sent.map(drop),
    }
}

fn send_as_file(socket: &UnixDatagram, fields: &[u8]) -> io::Result<()> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create("hbd-log", flags)?);
    file.write_all(fields)?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::all()))?;
    let numbers = [file.as_raw_fd()];
    sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(&[])],
        &[ControlMessage::ScmRights(&numbers)],
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    Ok(())
}
