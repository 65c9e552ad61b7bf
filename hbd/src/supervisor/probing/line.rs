//! Looks at a serial port, sets its outputs and sends a few bytes. In a thread of its own: a driver may answer late.

use std::io;
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use shared::api::{ErrorCode, Failure};
use shared::probe::{Answer, LineOrder, Outputs, Reading, SENT};

/// Lines that were set are given so long: an adapter for USB asks its chip every 16 ms.
const SETTLE: Duration = Duration::from_millis(40);
/// What was sent has left the port by then, at 300 baud too.
const SEND_LIMIT: Duration = Duration::from_millis(1500);
/// Time between two looks at what is not sent yet.
const DRAIN: Duration = Duration::from_millis(5);

/// Carries the order out, and looks.
pub(super) fn look(port: &OwnedFd, order: &LineOrder) -> Result<Answer, Failure> {
    carried_out(port, order)
        .map(Answer::Line)
        .map_err(|error| Failure {
            code: ErrorCode::NotFound,
            text: format!("{} does not answer: {error}", order.medium),
        })
}

fn carried_out(port: &OwnedFd, order: &LineOrder) -> io::Result<Reading> {
    let Outputs { dtr, rts } = order.outputs.unwrap_or(Outputs::RAISED);
    let before = diag::sys::modem_lines(port).ok();
    if before.is_some_and(|lines| (lines.dtr, lines.rts) != (dtr, rts)) {
        diag::sys::set_outputs(port, dtr, rts)?;
        sleep(SETTLE);
    }
    if order.send {
        send(port)?;
    }
    diag::facts::serial::look(port)
}

/// Without flow control: whether the wire carries bytes is what is asked.
fn send(port: &OwnedFd) -> io::Result<()> {
    let settings = diag::sys::settings(port)?;
    let mut free = settings;
    free.c_cflag &= !libc::CRTSCTS;
    diag::sys::set_settings(port, &free)?;
    let sent = match nix::unistd::write(port, SENT) {
        Ok(_) | Err(Errno::EAGAIN) => drained(port),
        Err(error) => Err(error.into()),
    };
    diag::sys::set_settings(port, &settings)?;
    sent
}

/// Waits until it has left.
fn drained(port: &OwnedFd) -> io::Result<()> {
    let until = Instant::now() + SEND_LIMIT;
    while diag::sys::unsent(port)? > 0 && Instant::now() < until {
        sleep(DRAIN);
    }
    // The last of it is in the chip, and then in that of the other end.
    sleep(SETTLE);
    Ok(())
}
