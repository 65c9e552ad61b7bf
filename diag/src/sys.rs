//! What the kernel tells of a serial port and does to it, as `ioctl_tty(2)` has it, and what it tells of a network card.
//! The only file with `unsafe`.
#![expect(
    unsafe_code,
    reason = "terminal, process and network calls that nix does not wrap safely"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::facts::ether::Speed;
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

/// `ETHTOOL_GLINKSETTINGS` of `linux/ethtool.h`.
const LINK_SETTINGS: u32 = 0x4c;
/// `SPEED_UNKNOWN`, and the values of its `duplex`.
const SPEED_UNKNOWN: u32 = u32::MAX;
const HALF: u8 = 0;
const FULL: u8 = 1;

/// `struct ethtool_link_settings`, with room for the lists that follow it.
#[repr(C)]
#[derive(Clone, Copy)]
struct LinkSettings {
    command: u32,
    speed: u32,
    duplex: u8,
    others: [u8; 6],
    words: i8,
    more: [u8; 32],
    lists: [u32; 3 * i8::MAX as usize],
}

/// Speed and duplex of the card of that interface; `socket` is any socket of its network.
///
/// # Errors
/// `EOPNOTSUPP` where the driver does not tell; `ENODEV` where there is no such interface.
pub fn speed(socket: impl AsFd, interface: &str) -> io::Result<Speed> {
    let mut settings = LinkSettings {
        command: LINK_SETTINGS,
        speed: 0,
        duplex: 0,
        others: [0; 6],
        words: 0,
        more: [0; 32],
        lists: [0; 3 * i8::MAX as usize],
    };
    ask_card(&socket, interface, &mut settings)?;
    // The first answer is how long the lists are, as a negative number.
    settings.words = settings
        .words
        .checked_neg()
        .filter(|words| *words > 0)
        .ok_or(io::ErrorKind::InvalidData)?;
    settings.command = LINK_SETTINGS;
    ask_card(&socket, interface, &mut settings)?;
    let speed = settings.speed;
    Ok(Speed {
        megabits: (speed != SPEED_UNKNOWN && speed != 0).then_some(speed),
        full: match settings.duplex {
            HALF => Some(false),
            FULL => Some(true),
            _ => None,
        },
    })
}

fn ask_card(socket: &impl AsFd, interface: &str, settings: &mut LinkSettings) -> io::Result<()> {
    // SAFETY: all zeroes is a valid value of this plain structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // One byte is left for the zero at the end.
    let places = request.ifr_name.len() - 1;
    if interface.len() > places {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *place = byte.cast_signed();
    }
    request.ifr_ifru.ifru_data = (&raw mut *settings).cast();
    // SAFETY: the kernel reads and writes both structures, the second as far as its `words` say, for which it has room.
    done(unsafe { libc::ioctl(number(socket), libc::SIOCETHTOOL, &raw mut request) })
}

/// Packets of this socket may not be cut into pieces, and go out whatever is known of the way (`ip(7)`, `ipv6(7)`).
///
/// # Errors
/// Where it is no socket of that family.
pub fn set_unfragmented(socket: impl AsFd, is_v4: bool) -> io::Result<()> {
    let (level, name, value) = match is_v4 {
        true => (
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            libc::IP_PMTUDISC_PROBE,
        ),
        false => (
            libc::IPPROTO_IPV6,
            libc::IPV6_MTU_DISCOVER,
            libc::IPV6_PMTUDISC_PROBE,
        ),
    };
    let length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the kernel reads a number there.
    done(unsafe {
        libc::setsockopt(
            number(&socket),
            level,
            name,
            (&raw const value).cast(),
            length,
        )
    })
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
