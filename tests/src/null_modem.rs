//! A null modem cable between two serial ports that are pseudo-terminals: bytes, and what happens to them. They have no
//! modem lines and no speed, and programs need nothing in their environment: [`crate::modem_cable`] has all that.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::openpty;
use nix::sys::termios::{FlowArg, SetArg, cfmakeraw, tcflow, tcgetattr, tcsetattr};
use nix::unistd::ttyname;

use crate::error::{Error, file};

/// What a cable does to what it carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Line {
    /// It arrives.
    #[default]
    Whole,
    /// Nothing arrives.
    Cut,
    /// Nothing arrives of what this end sends.
    Mute(usize),
    /// Every so many bytes one is another.
    Noisy(usize),
    /// Nothing is taken: flow control says stop.
    Blocked,
}

/// The cable. Dropped, both ports hang up.
pub struct NullModem {
    paths: [PathBuf; 2],
    shared: Arc<Mutex<Shared>>,
    pump: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    ports: [Option<Port>; 2],
    line: Line,
    carried: usize,
    over: bool,
}

/// An end of the cable.
struct Port {
    /// What a program reads and writes at the port comes out and goes in here.
    inner: File,
    /// Keeps the port open, and as it is set.
    outer: OwnedFd,
}

/// How long the pump rests at most where nothing moves, in milliseconds.
const REST: u8 = 20;

impl NullModem {
    /// Makes one, with the ports `line0` and `line1` in that directory.
    ///
    /// # Errors
    /// [`Error`] where the system has no pseudo-terminals left.
    pub fn new(directory: &Path) -> Result<Self, Error> {
        let shared = Arc::default();
        let carried = Arc::clone(&shared);
        let modem = Self {
            paths: [directory.join("line0"), directory.join("line1")],
            shared,
            pump: Some(thread::spawn(move || carry(&carried))),
        };
        modem.plug(0)?;
        modem.plug(1)?;
        Ok(modem)
    }

    /// The path of a port, end 0 or 1.
    #[must_use]
    pub fn port(&self, end: usize) -> &Path {
        &self.paths[end]
    }

    /// From now on it carries like that.
    pub fn set(&self, line: Line) {
        let mut shared = lock(&self.shared);
        shared.line = line;
        let flow = match line {
            Line::Blocked => FlowArg::TCOOFF,
            _ => FlowArg::TCOON,
        };
        for port in shared.ports.iter().flatten() {
            let _ = tcflow(&port.outer, flow);
        }
    }

    /// The adapter of that end vanishes, with its port.
    ///
    /// # Errors
    /// [`Error`] where its path cannot be removed.
    pub fn unplug(&self, end: usize) -> Result<(), Error> {
        lock(&self.shared).ports[end] = None;
        let path = &self.paths[end];
        file(
            format!("remove {}", path.display()),
            std::fs::remove_file(path),
        )
    }

    /// It is there again.
    ///
    /// # Errors
    /// [`Error`] as for [`Self::new`].
    pub fn plug(&self, end: usize) -> Result<(), Error> {
        let path = &self.paths[end];
        let (port, name) = file("open a pseudo-terminal", make_port())?;
        lock(&self.shared).ports[end] = Some(port);
        file(format!("link {}", path.display()), symlink(&name, path))
    }
}

impl Drop for NullModem {
    fn drop(&mut self) {
        lock(&self.shared).over = true;
        if let Some(pump) = self.pump.take() {
            let _ = pump.join();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make_port() -> std::io::Result<(Port, PathBuf)> {
    let pair = openpty(None, None)?;
    let mut raw = tcgetattr(&pair.slave)?;
    cfmakeraw(&mut raw);
    tcsetattr(&pair.slave, SetArg::TCSANOW, &raw)?;
    fcntl(&pair.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let name = ttyname(&pair.slave)?;
    let port = Port {
        inner: pair.master.into(),
        outer: pair.slave,
    };
    Ok((port, name))
}

fn carry(shared: &Mutex<Shared>) {
    loop {
        let mut now = lock(shared);
        if now.over {
            return;
        }
        let moved = (0..2).filter(|from| now.carry_from(*from)).count() > 0;
        if moved {
            continue;
        }
        let inner: Vec<OwnedFd> = now
            .ports
            .iter()
            .flatten()
            .filter_map(|port| port.inner.as_fd().try_clone_to_owned().ok())
            .collect();
        drop(now);
        let mut polled: Vec<PollFd> = inner
            .iter()
            .map(|port| PollFd::new(port.as_fd(), PollFlags::POLLIN))
            .collect();
        let _ = poll(&mut polled, REST);
    }
}

impl Shared {
    /// True if anything came out at that end.
    fn carry_from(&mut self, from: usize) -> bool {
        let mut bytes = [0; 512];
        let Some(count) = self.ports[from]
            .as_mut()
            .and_then(|port| port.inner.read(&mut bytes).ok())
        else {
            return false;
        };
        let carried = &mut bytes[..count];
        if let Line::Noisy(every) = self.line {
            for byte in &mut *carried {
                self.carried += 1;
                if self.carried.is_multiple_of(every) {
                    *byte = byte.wrapping_add(1);
                }
            }
        }
        if ![Line::Cut, Line::Mute(from)].contains(&self.line)
            && let Some(to) = self.ports[1 - from].as_mut()
        {
            // Nobody reads there: what does not fit is lost, as on a wire.
            match to.inner.write(carried) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => return false,
                _ => {}
            }
        }
        count > 0
    }
}
