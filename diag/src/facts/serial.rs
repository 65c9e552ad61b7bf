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
pub use shared::probe::{Counters, Lines, Reading, Settings};

use super::ports;
use super::users::{self, Users};
use crate::sys;
pub use pair::{Pair, Unpaired};
pub use trial::Trial;

pub mod pair;
pub mod trial;

/// Time between the two looks: what changes by itself shows, and nobody waits.
const BETWEEN: Duration = Duration::from_millis(200);
/// How a port is opened: it becomes nobody's terminal, and no carrier is waited for.
const HOW: OFlag = OFlag::O_RDWR
    .union(OFlag::O_NOCTTY)
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_CLOEXEC);

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
    /// What both ends saw, where that was asked for.
    pub pair: Option<Result<Pair, Unpaired>>,
}

/// Looks at both ends of the line at `path`, through hbd; if that is not possible, at the one end.
pub fn collect_pair(
    path: &str,
    run: &Path,
    peer: &str,
    deadline: Instant,
    tell: &mut dyn FnMut(&Serial),
) {
    match pair::collect(run, path, peer, deadline) {
        Ok(pair) => tell(&Serial {
            path: path.to_owned(),
            port: Port::Terminal,
            is_console: users::is_console(Path::new(path)),
            users: Users::default(),
            readings: pair.looks().ok_or(Unread::NotYet),
            trial: None,
            pair: Some(Ok(pair)),
        }),
        Err(unpaired) => collect(path, false, deadline, &mut |serial| {
            tell(&Serial {
                pair: Some(Err(unpaired.clone())),
                ..serial.clone()
            });
        }),
    }
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
        pair: None,
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

/// Looks at an open port.
///
/// # Errors
/// `EIO` where its adapter is gone.
pub fn look(port: &OwnedFd) -> io::Result<Reading> {
    Ok(Reading {
        settings: settings(&sys::settings(port)?),
        lines: sys::modem_lines(port).ok(),
        counters: sys::counters(port).ok(),
        unsent: sys::unsent(port).ok(),
    })
}

/// As people write them.
fn settings(found: &libc::termios2) -> Settings {
    let control = |bits| found.c_cflag & bits == bits;
    Settings {
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

fn refused(error: io::Error) -> Unread {
    Unread::Refused(
        error
            .raw_os_error()
            .map_or(Errno::UnknownErrno, Errno::from_raw),
    )
}
