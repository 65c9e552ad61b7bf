//! `serial DEVICE`: to the other end of a line, in string form.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use hbd_core::wire::serial::{Collector, Pacer, Unsent};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::termios::{FlushArg, tcflush};
use serialport::{
    ClearBuffer, DataBits, ErrorKind, FlowControl, Parity, SerialPort, StopBits, TTYPort,
};
use shared::config::machine::Port;
use shared::config::{self, MediumKind};
use shared::event::MediumStatus;
use shared::time::Moment;

use super::interface::Interfaces;
use super::socket::{During, OpenError};
use super::{Binding, Kind, Medium, Received, SendError};
use crate::{clock, sys};

pub(super) const KIND: Kind = Kind {
    word: "serial",
    describe,
    bind,
    open,
    attach,
};

/// What needs a right.
pub(super) const OPEN: &str = "open serial port";
/// The other end sees a break, and what it had of a packet of a former life is noise.
const BREAK: Duration = Duration::from_millis(250);
/// Bytes that are read at once.
const READ_MAX: usize = 1024;

fn describe(medium: &config::Medium) -> String {
    match medium.kind {
        MediumKind::Serial { baud } => format!("serial {} at {baud} baud", medium.device),
        ref other => other.word().to_owned(),
    }
}

fn bind(medium: &config::Medium, _: &Interfaces) -> Result<Binding, MediumStatus> {
    let MediumKind::Serial { baud } = medium.kind else {
        return Err(super::not_of_this_kind(medium));
    };
    let device = &medium.device;
    let file = fs::metadata(device).map_err(|error| MediumStatus::Missing {
        reason: match error.kind() {
            io::ErrorKind::NotFound => {
                format!("there is no {device}: plug its adapter in, or load its driver")
            }
            _ => format!("{device}: {error}"),
        },
    })?;
    if diag::facts::ports::at(Path::new(device)) == Port::Another {
        return Err(MediumStatus::Failed {
            reason: format!(
                "{device} is no serial port: name one in ha.cf; `dmesg | grep tty` lists them"
            ),
        });
    }
    Ok(Binding {
        line: Some((device.clone(), baud, file.ino())),
        ..Binding::default()
    })
}

fn open(medium: &config::Medium, _: &Binding) -> Result<Vec<OwnedFd>, OpenError> {
    let MediumKind::Serial { baud } = medium.kind else {
        return Err(super::not_opened(medium));
    };
    let device = &medium.device;
    let mut port = port(device, baud).map_err(plain).during(OPEN, device)?;
    // What the kernel kept of before is of another life. A pty has no such lines and keeps nothing.
    let _ = port.clear(ClearBuffer::All);
    let _ = port.write_data_terminal_ready(true);
    let _ = port.write_request_to_send(true);
    let port = sys::descriptor(port);
    fcntl(&port, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).during("set O_NONBLOCK on", device)?;
    Ok(vec![port])
}

fn port(device: &str, baud: u32) -> serialport::Result<TTYPort> {
    serialport::new(device, baud)
        .data_bits(DataBits::Eight)
        .parity(Parity::None)
        .stop_bits(StopBits::One)
        .flow_control(FlowControl::Hardware)
        .open_native()
}

fn plain(error: serialport::Error) -> io::Error {
    match error.kind {
        ErrorKind::NoDevice => io::Error::from_raw_os_error(libc::EBUSY),
        ErrorKind::Io(kind) => kind.into(),
        _ => io::Error::other(error.description),
    }
}

fn attach(descriptors: Vec<OwnedFd>, binding: &Binding) -> io::Result<Box<dyn Medium>> {
    let [port] = <[OwnedFd; 1]>::try_from(descriptors)
        .map_err(|_| io::Error::other("a serial medium has one descriptor"))?;
    let (device, baud, _) = binding
        .line
        .clone()
        .ok_or_else(|| io::Error::other("a serial medium has a port and a speed"))?;
    let now = clock::boot();
    let breaks_until = begin_break(&port).then_some(now + BREAK);
    Ok(Box::new(Serial {
        port,
        device,
        collector: Collector::default(),
        pacer: Pacer::new(baud, breaks_until.unwrap_or(now)),
        breaks_until,
    }))
}

/// Begins a break; false where there is none. On a pty it means nothing.
///
/// The kernel waits before a break until all is sent (`tty_ioctl` of Linux), which nothing is while CTS is low: for ever.
/// Nobody is there to see it then.
fn begin_break(port: &OwnedFd) -> bool {
    let _ = tcflush(port, FlushArg::TCOFLUSH);
    let is_held_back = diag::sys::modem_lines(port).is_ok_and(|lines| !lines.cts);
    !is_held_back && sys::set_break(port, true).is_ok()
}

struct Serial {
    port: OwnedFd,
    device: String,
    collector: Collector,
    pacer: Pacer,
    /// The line is held in a break.
    breaks_until: Option<Moment>,
}

impl Serial {
    /// A packet waits for its turn, or not.
    fn pushed(&mut self, pushed: Result<(), Unsent>, now: Moment) -> Result<(), SendError> {
        pushed.map_err(|unsent| {
            self.failed(match unsent {
                Unsent::Full => io::Error::other("the line is too slow for what is to be sent"),
                Unsent::Stuck => {
                    // The rest of it is dropped: the other end would take it for a part of the next packet.
                    let _ = tcflush(&self.port, FlushArg::TCOFLUSH);
                    io::Error::other(
                        "nothing leaves: the other end does not raise CTS, or nothing is plugged in",
                    )
                }
            })
        })?;
        self.work(now)
    }

    fn failed(&self, error: io::Error) -> SendError {
        let to = self.device.clone();
        SendError { to, error }
    }
}

impl Medium for Serial {
    fn receiver(&self) -> BorrowedFd<'_> {
        self.port.as_fd()
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), SendError> {
        let now = clock::boot();
        let pushed = self.pacer.push(packet, now);
        self.pushed(pushed, now)
    }

    fn send_beat(&mut self, packet: &[u8]) -> Result<(), SendError> {
        let now = clock::boot();
        let pushed = self.pacer.push_beat(packet, now);
        self.pushed(pushed, now)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        loop {
            if let Some(length) = self.collector.next(buffer) {
                return Ok(Received {
                    length: Some(length),
                    last: false,
                });
            }
            let mut bytes = [0; READ_MAX];
            match nix::unistd::read(&self.port, &mut bytes)? {
                0 => return Err(io::ErrorKind::WouldBlock.into()),
                count => self.collector.take(&bytes[..count]),
            }
        }
    }

    fn due(&self) -> Option<Moment> {
        self.breaks_until.or_else(|| self.pacer.due())
    }

    fn work(&mut self, now: Moment) -> Result<(), SendError> {
        if let Some(until) = self.breaks_until {
            if now < until {
                return Ok(());
            }
            self.breaks_until = None;
            let _ = sys::set_break(&self.port, false);
        }
        loop {
            let piece = self.pacer.piece(now);
            if piece.is_empty() {
                return Ok(());
            }
            // What flow control holds back would be old when it leaves.
            if diag::sys::unsent(&self.port).is_ok_and(|bytes| bytes > self.pacer.ahead()) {
                self.pacer.handed(0, now);
                return Ok(());
            }
            match nix::unistd::write(&self.port, piece) {
                Ok(count) => self.pacer.handed(count, now),
                Err(nix::Error::EAGAIN | nix::Error::EINTR) => self.pacer.handed(0, now),
                Err(error) => {
                    self.pacer.handed(0, now);
                    return Err(self.failed(error.into()));
                }
            }
        }
    }
}

impl Drop for Serial {
    /// Closing would wait for the other end to take what is not sent yet.
    fn drop(&mut self) {
        let _ = sys::set_break(&self.port, false);
        let _ = tcflush(&self.port, FlushArg::TCOFLUSH);
    }
}
