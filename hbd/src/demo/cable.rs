//! The serial line of a pair: two pseudo-terminals, and a thread that carries bytes between them.
//!
//! What one end does not take is lost, as with a cable. There are no modem lines and there is no speed:
//! hbd itself sends no faster than its `baud`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::ttyname;

use crate::sys;

/// Most bytes that are carried at once.
const PIECE: usize = 4096;

/// The ends that the nodes open, kept open here.
pub(super) struct Cable {
    ports: [OwnedFd; 2],
}

impl Cable {
    /// Makes one, which carries until this process ends.
    pub(super) fn new() -> io::Result<Self> {
        let ((left, one), (right, other)) = (end()?, end()?);
        thread::spawn(move || carry(&left, &right));
        Ok(Self {
            ports: [one, other],
        })
    }

    /// The paths of its ends.
    pub(super) fn paths(&self) -> io::Result<[String; 2]> {
        let [one, other] = &self.ports;
        let path = |port| Ok::<_, io::Error>(ttyname(port)?.to_string_lossy().into_owned());
        Ok([path(one)?, path(other)?])
    }

    /// Whoever had the port for itself is gone, which the kernel only sees when all have closed it.
    pub(super) fn release(&self, place: usize) -> io::Result<()> {
        self.ports.get(place).map_or(Ok(()), sys::share_terminal)
    }
}

/// What a thread carries from and to, and what a node opens.
fn end() -> io::Result<(File, OwnedFd)> {
    let pair = openpty(None, None)?;
    for descriptor in [&pair.master, &pair.slave] {
        fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    }
    fcntl(&pair.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let mut settings = tcgetattr(&pair.slave)?;
    cfmakeraw(&mut settings);
    tcsetattr(&pair.slave, SetArg::TCSANOW, &settings)?;
    Ok((File::from(pair.master), pair.slave))
}

/// Never ends but with this process: the other ends stay open.
fn carry(left: &File, right: &File) {
    loop {
        let mut ready = [
            PollFd::new(left.as_fd(), PollFlags::POLLIN),
            PollFd::new(right.as_fd(), PollFlags::POLLIN),
        ];
        if poll(&mut ready, PollTimeout::NONE).is_ok() {
            pass(left, right);
            pass(right, left);
        }
    }
}

fn pass(mut from: &File, mut to: &File) {
    let mut bytes = [0; PIECE];
    if let Ok(count) = from.read(&mut bytes) {
        let _ = to.write(&bytes[..count]);
    }
}
