//! What the kernel tells of a serial port and does to it, as `ioctl_tty(2)` has it. The only file with `unsafe`.
#![expect(
    unsafe_code,
    reason = "terminal and process calls that nix does not wrap safely"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::facts::serial::{Counters, Lines};

/// The same on all machines but MIPS, PowerPC and SPARC, where it is refused (`asm-generic/ioctls.h`).
const TIOCGICOUNT: libc::Ioctl = 0x545d;

/// The modem lines of a port, own and arriving (`TIOCMGET`).
///
/// # Errors
/// `ENOTTY` where it has none, as a pseudo-terminal; `EIO` where its adapter is gone.
pub fn modem_lines(port: impl AsFd) -> io::Result<Lines> {
    let mut bits: libc::c_int = 0;
    // SAFETY: the kernel writes a number there.
    done(unsafe { libc::ioctl(number(&port), libc::TIOCMGET, &raw mut bits) })?;
    let raised = |bit| bits & bit != 0;
    Ok(Lines {
        dtr: raised(libc::TIOCM_DTR),
        rts: raised(libc::TIOCM_RTS),
        cts: raised(libc::TIOCM_CTS),
        dsr: raised(libc::TIOCM_DSR),
        dcd: raised(libc::TIOCM_CAR),
        ri: raised(libc::TIOCM_RNG),
    })
}

/// Sets the own modem lines and leaves what else a driver counts among them.
///
/// # Errors
/// As [`modem_lines`].
pub fn set_outputs(port: impl AsFd, dtr: bool, rts: bool) -> io::Result<()> {
    for (raised, bit) in [(dtr, libc::TIOCM_DTR), (rts, libc::TIOCM_RTS)] {
        let request = match raised {
            true => libc::TIOCMBIS,
            false => libc::TIOCMBIC,
        };
        // SAFETY: the kernel reads a number there.
        done(unsafe { libc::ioctl(number(&port), request, &raw const bit) })?;
    }
    Ok(())
}

/// What the driver counted since it knows the port (`TIOCGICOUNT`).
///
/// # Errors
/// Where the driver does not count.
pub fn counters(port: impl AsFd) -> io::Result<Counters> {
    // `struct serial_icounter_struct`: these eleven, and room for more.
    let mut counts: [libc::c_int; 20] = [0; 20];
    // SAFETY: the kernel writes that structure there.
    done(unsafe { libc::ioctl(number(&port), TIOCGICOUNT, &raw mut counts) })?;
    let [
        cts,
        dsr,
        ri,
        dcd,
        rx,
        tx,
        frame,
        overrun,
        parity,
        breaks,
        full,
        ..,
    ] = counts.map(libc::c_int::cast_unsigned);
    Ok(Counters {
        cts,
        dsr,
        dcd,
        ri,
        rx,
        tx,
        frame,
        parity,
        overrun: overrun.wrapping_add(full),
        breaks,
    })
}

/// Bytes that the driver has and has not sent (`TIOCOUTQ`).
///
/// # Errors
/// Where it is no terminal.
pub fn unsent(port: impl AsFd) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the kernel writes a number there.
    done(unsafe { libc::ioctl(number(&port), libc::TIOCOUTQ, &raw mut bytes) })?;
    Ok(usize::try_from(bytes).unwrap_or_default())
}

/// Refuses a port to whoever opens it later and is not root, or no more (`TIOCEXCL`, `TIOCNXCL`).
///
/// # Errors
/// Where it is no terminal.
pub fn set_exclusive(port: impl AsFd, exclusive: bool) -> io::Result<()> {
    let request = match exclusive {
        true => libc::TIOCEXCL,
        false => libc::TIOCNXCL,
    };
    // SAFETY: neither takes an argument.
    done(unsafe { libc::ioctl(number(&port), request) })
}

/// The settings of a terminal, any speed included (`TCGETS2`).
///
/// # Errors
/// Where it is no terminal, or hung up.
pub fn settings(port: impl AsFd) -> io::Result<libc::termios2> {
    // SAFETY: all zeroes is a valid value of this plain structure.
    let mut settings: libc::termios2 = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes that structure there.
    done(unsafe { libc::ioctl(number(&port), libc::TCGETS2, &raw mut settings) })?;
    Ok(settings)
}

/// Sets all of them at once (`TCSETS2`).
///
/// # Errors
/// As [`settings`].
pub fn set_settings(port: impl AsFd, settings: &libc::termios2) -> io::Result<()> {
    // SAFETY: the kernel reads that structure.
    done(unsafe { libc::ioctl(number(&port), libc::TCSETS2, &raw const *settings) })
}

/// A copy of a descriptor of another process: the same open port, and nothing is opened for it
/// (`pidfd_getfd(2)`, since Linux 5.6).
///
/// # Errors
/// `EPERM` without the right to trace that process; where either is gone.
pub fn copy_of(process: i32, descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the call takes numbers.
    let handle = owned(unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) })?;
    // SAFETY: the call takes numbers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, handle.as_raw_fd(), descriptor, 0) })
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    match RawFd::try_from(result) {
        // SAFETY: the kernel made this descriptor by the very call, so nothing else owns it.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn number(port: &impl AsFd) -> RawFd {
    port.as_fd().as_raw_fd()
}

fn done(result: libc::c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
