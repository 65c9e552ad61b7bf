//! What one side of a serial line can see.
//!
//! A port that nobody has open is opened, which raises its DTR and RTS until it is closed again: a driver does that, and
//! to read the lines there is no other way. One that somebody has open is not opened, since that would raise lines that
//! the owner lowered: its lines are read through a copy of the owner's descriptor. Nothing is written and nothing set;
//! that is what [`trial`] does.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use shared::config::machine::Port;
use shared::event::ModemLines;

use super::users::{self, Users};
use super::{ports, serial::trial::Trial};
use crate::sys;

pub mod trial;

/// Time between the two looks: what changes by itself shows, and nobody waits.
const BETWEEN: Duration = Duration::from_millis(200);
/// How a port is opened: it becomes nobody's terminal, and no carrier is waited for.
const HOW: OFlag = OFlag::O_RDWR
    .union(OFlag::O_NOCTTY)
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_CLOEXEC);

/// The modem lines of a port: two that it raises, four that arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Data terminal ready, pin 4, own.
    pub dtr: bool,
    /// Request to send, pin 7, own.
    pub rts: bool,
    /// Clear to send, pin 8.
    pub cts: bool,
    /// Data set ready, pin 6.
    pub dsr: bool,
    /// Data carrier detect, pin 1.
    pub dcd: bool,
    /// Ring indicator, pin 9.
    pub ri: bool,
}

impl From<Lines> for ModemLines {
    fn from(lines: Lines) -> Self {
        Self {
            cts: lines.cts,
            dsr: lines.dsr,
            dcd: lines.dcd,
        }
    }
}

/// What a driver counted since it knows the port. They wrap around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Changes of CTS.
    pub cts: u32,
    /// Changes of DSR.
    pub dsr: u32,
    /// Changes of DCD.
    pub dcd: u32,
    /// Changes of RI.
    pub ri: u32,
    /// Bytes that came.
    pub rx: u32,
    /// Bytes that went.
    pub tx: u32,
    /// Bytes without a stop bit.
    pub frame: u32,
    /// Bytes whose parity is wrong.
    pub parity: u32,
    /// Bytes that came when there was no room.
    pub overrun: u32,
    /// Breaks that came.
    pub breaks: u32,
}

/// How bytes are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Bits a second.
    pub baud: u32,
    /// Bits of a byte.
    pub bits: u8,
    /// `N`, `E` or `O`.
    pub parity: char,
    /// Stop bits.
    pub stop: u8,
    /// Sends only while CTS is raised.
    pub hardware_flow: bool,
    /// Stops where it reads a certain byte.
    pub software_flow: bool,
}

impl From<&libc::termios2> for Settings {
    fn from(found: &libc::termios2) -> Self {
        let control = |bits| found.c_cflag & bits == bits;
        Self {
            baud: found.c_ospeed,
            bits: match found.c_cflag & libc::CSIZE {
                libc::CS5 => 5,
                libc::CS6 => 6,
                libc::CS7 => 7,
                _ => 8,
            },
            parity: match (control(libc::PARENB), control(libc::PARODD)) {
                (false, _) => 'N',
                (true, false) => 'E',
                (true, true) => 'O',
            },
            stop: if control(libc::CSTOPB) { 2 } else { 1 },
            hardware_flow: control(libc::CRTSCTS),
            software_flow: found.c_iflag & (libc::IXON | libc::IXOFF) != 0,
        }
    }
}

/// One look at an open port. What is `None` this driver does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// How it is set.
    pub settings: Settings,
    /// Its lines.
    pub lines: Option<Lines>,
    /// What was counted.
    pub counters: Option<Counters>,
    /// Bytes that are not sent yet.
    pub unsent: Option<usize>,
}

/// Why a port was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It was not its turn yet.
    NotYet,
    /// Perhaps somebody has it open whom only root can see.
    PerhapsUsed,
    /// The owner's descriptor is not for us, or the port does not open or does not answer.
    Refused(Errno),
}

/// What was found at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serial {
    /// The path, as it was given.
    pub path: String,
    /// What lies there.
    pub port: Port,
    /// The kernel writes its messages there.
    pub is_console: bool,
    /// Who else has it open.
    pub users: Users,
    /// Two looks, a moment apart.
    pub readings: Result<[Reading; 2], Unread>,
    /// What became of toggling and sending, where that was asked for.
    pub trial: Option<Trial>,
}

/// Looks at the port at `path`, and tries its lines where that is asked for. What is known is told after each step; a
/// step may hang in a driver.
pub fn collect(path: &str, active: bool, deadline: Instant, tell: &mut dyn FnMut(&Serial)) {
    let device = Path::new(path);
    let mut found = Serial {
        path: path.to_owned(),
        port: ports::at(device),
        is_console: users::is_console(device),
        users: Users::default(),
        readings: Err(Unread::NotYet),
        trial: None,
    };
    if found.port != Port::Terminal {
        return tell(&found);
    }
    found.users = users::of_device(device);
    tell(&found);
    let port = match opened(device, &found.users) {
        Ok(port) => port,
        Err(unread) => {
            found.readings = Err(unread);
            return tell(&found);
        }
    };
    found.readings = looks(&port).map_err(refused);
    if active {
        found.trial = Some(Trial::NotYet);
        tell(&found);
        let is_used = found.is_console || !users::of_device(device).processes.is_empty();
        found.trial = Some(match is_used {
            true => Trial::Used,
            false => trial::run(&port, deadline),
        });
    }
    tell(&found);
}

/// Opens it, or copies the descriptor of who has it open.
fn opened(device: &Path, users: &Users) -> Result<OwnedFd, Unread> {
    if let Some(owner) = users.processes.first() {
        return sys::copy_of(owner.pid, owner.descriptor).map_err(refused);
    }
    if users.some_unseen {
        return Err(Unread::PerhapsUsed);
    }
    open(device, HOW, Mode::empty()).map_err(|error| refused(error.into()))
}

fn looks(port: &OwnedFd) -> io::Result<[Reading; 2]> {
    let first = look(port)?;
    sleep(BETWEEN);
    Ok([first, look(port)?])
}

fn look(port: &OwnedFd) -> io::Result<Reading> {
    Ok(Reading {
        settings: Settings::from(&sys::settings(port)?),
        lines: sys::modem_lines(port).ok(),
        counters: sys::counters(port).ok(),
        unsent: sys::unsent(port).ok(),
    })
}

fn refused(error: io::Error) -> Unread {
    Unread::Refused(
        error
            .raw_os_error()
            .map_or(Errno::UnknownErrno, Errno::from_raw),
    )
}
