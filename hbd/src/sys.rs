//! What the kernel offers and no safe interface covers. The only file with `unsafe`.
#![expect(
    unsafe_code,
    reason = "system calls and descriptors that nix and tokio do not wrap safely"
)]

use std::ffi::{CStr, c_void};
use std::io::{self, IoSliceMut};
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::sys::timerfd::TimerFd;
use shared::time::Wall;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Most descriptors that come with one piece of a stream.
pub(crate) const DESCRIPTORS_MAX: usize = 8;

/// Registers a descriptor with the runtime. It is to be non-blocking.
pub(crate) fn watch(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and the same descriptor until it is dropped, and `AsyncFd`
    // owns it from here on.
    let registered = unsafe { AsyncFd::register_with_interest(descriptor, interest) };
    registered.map_err(|error| error.into_parts().1)
}

/// Memory that others see who hold its descriptor.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<c_void>,
    length: usize,
}

/// Maps the first `length` bytes of a file that has as many, to be written by this process alone.
pub(crate) fn map(memory: BorrowedFd<'_>, length: usize) -> io::Result<Mapping> {
    let bytes = NonZeroUsize::new(length).ok_or(io::ErrorKind::InvalidInput)?;
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: no address is asked for, so nothing that is mapped is replaced.
    let start = unsafe { mmap(None, bytes, access, MapFlags::MAP_SHARED, memory, 0)? };
    Ok(Mapping { start, length })
}

impl AsMut<[u8]> for Mapping {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: mapped for reading and writing until it is dropped, and borrowed from `self`.
        // Whoever else holds the descriptor reads with read(2), and the file keeps its length.
        unsafe { std::slice::from_raw_parts_mut(self.start.cast().as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `map`, and nothing borrows it any more.
        let _ = unsafe { munmap(self.start, self.length) };
    }
}

/// Takes over a descriptor that this process was started with, or that the kernel just made for it.
pub(crate) fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD reads a flag of the descriptor table and fails on a closed descriptor.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open, and the caller names it because it was inherited or just
    // made: nothing else in this process owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// A timer that another process made.
pub(crate) fn timer(descriptor: OwnedFd) -> TimerFd {
    // SAFETY: the descriptor is open, and the timer owns it from here on. One that is no timer
    // makes each call on it fail and nothing else.
    unsafe { TimerFd::from_raw_fd(descriptor.into_raw_fd()) }
}

/// Receives a piece of a stream and the descriptors that came with it.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = nix::cmsg_space!([RawFd; DESCRIPTORS_MAX]);
    let mut pieces = [IoSliceMut::new(buffer)];
    let message = recvmsg::<()>(
        socket.as_raw_fd(),
        &mut pieces,
        Some(&mut space),
        MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT,
    )?;
    let mut descriptors = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = control {
            for number in numbers {
                // SAFETY: the kernel made these descriptors for this process by this very call
                // (unix(7), SCM_RIGHTS), so nothing else owns them.
                descriptors.push(unsafe { OwnedFd::from_raw_fd(number) });
            }
        }
    }
    Ok((message.bytes, descriptors))
}

/// Schedules this process round-robin at `priority`, and none of its children
/// (`SCHED_RESET_ON_FORK`, `sched(7)`).
pub(crate) fn schedule_realtime(priority: i32) -> io::Result<()> {
    let parameters = libc::sched_param {
        sched_priority: priority,
    };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the call reads the structure and keeps no pointer to it.
    check(unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) })
}

/// Locks what is in memory, and whatever is mapped later as soon as it is touched (`mlock(2)`).
pub(crate) fn lock_memory() -> io::Result<()> {
    // SAFETY: locking changes where pages may be, never what they hold.
    check(unsafe { libc::mlockall(libc::MCL_CURRENT) })?;
    // SAFETY: as above.
    check(unsafe { libc::mlockall(libc::MCL_FUTURE | libc::MCL_ONFAULT) })
}

/// What this machine's time zone makes of a wall time (`localtime(3)`).
pub(crate) fn local_time(wall: Wall) -> libc::tm {
    let seconds = libc::time_t::try_from(wall.0 / 1_000_000_000).unwrap_or(libc::time_t::MAX);
    // SAFETY: all of `tm` may be zero: numbers, and a pointer that nobody here follows.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: the call reads one and writes the other, and keeps neither.
    unsafe { libc::localtime_r(&raw const seconds, &raw mut parts) };
    parts
}

/// No core dump of this process, nor a look into it by others of its user: it holds keys
/// (`PR_SET_DUMPABLE`, `prctl(2)`).
pub(crate) fn keep_secrets() {
    // Fails for an invalid argument only.
    let _ = nix::sys::prctl::set_dumpable(false);
}

/// `_LINUX_CAPABILITY_VERSION_3` of `linux/capability.h`.
const CAPABILITY_VERSION: u32 = 0x2008_0522;
/// The network may be configured (`capabilities(7)`).
pub(crate) const CAP_NET_ADMIN: u32 = 12;
/// Packets of any kind may be sent.
pub(crate) const CAP_NET_RAW: u32 = 13;

/// What can be asked of a watchdog.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Watchdog {
    /// Whether it is one.
    Ask,
    /// To stop until it is started.
    Stop,
    /// To run.
    Start,
    /// To wait so many seconds; answered by what it waits.
    SetTimeout(libc::c_int),
    /// How many seconds it waits.
    Timeout,
}

/// Asks something of a watchdog (`linux/watchdog.h`). What is none refuses all of it.
pub(crate) fn watchdog(device: BorrowedFd<'_>, ask: Watchdog) -> io::Result<libc::c_int> {
    /// `struct watchdog_info`.
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        options: u32,
        firmware: u32,
        identity: [u8; 32],
    }
    const KIND: u8 = b'W';
    const NUMBER: usize = size_of::<libc::c_int>();
    /// `WDIOS_DISABLECARD`, `WDIOS_ENABLECARD`.
    const STOP: libc::c_int = 1;
    const START: libc::c_int = 2;
    let (request, mut number) = match ask {
        Watchdog::Ask => {
            let mut info = Info::default();
            // SAFETY: the kernel writes one structure of that layout, and keeps no pointer to it.
            let result = unsafe {
                libc::ioctl(
                    device.as_raw_fd(),
                    nix::request_code_read!(KIND, 0, size_of::<Info>()),
                    &raw mut info,
                )
            };
            return check(result).map(|()| 0);
        }
        Watchdog::Stop => (nix::request_code_read!(KIND, 4, NUMBER), STOP),
        Watchdog::Start => (nix::request_code_read!(KIND, 4, NUMBER), START),
        Watchdog::SetTimeout(seconds) => (nix::request_code_readwrite!(KIND, 6, NUMBER), seconds),
        Watchdog::Timeout => (nix::request_code_read!(KIND, 7, NUMBER), 0),
    };
    // SAFETY: each of these takes one number, which the kernel reads or writes, and keeps no pointer to
    // it.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), request, &raw mut number) };
    check(result).map(|()| number)
}

/// Gives up every capability (`capabilities(7)`).
pub(crate) fn drop_capabilities() -> io::Result<()> {
    let header: [u32; 2] = [CAPABILITY_VERSION, 0];
    // Twice effective, permitted, inheritable.
    let none = [0_u32; 6];
    // SAFETY: header and data have the layout of version 3 (`capset(2)`); the call reads both and
    // keeps no pointer. Glibc has no wrapper.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) };
    check(if result < 0 { -1 } else { 0 })
}

/// Programs that are started get these capabilities, each below 32, which this process must have,
/// although their user is not root (ambient set, `capabilities(7)`).
pub(crate) fn bequeath_capabilities(capabilities: &[u32]) -> io::Result<()> {
    let header: [u32; 2] = [CAPABILITY_VERSION, 0];
    let mut sets = [0_u32; 6];
    // SAFETY: header and data have the layout of version 3 (`capget(2)`); the call reads the one,
    // writes the other and keeps no pointer. Glibc has no wrapper.
    let result = unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) };
    check(if result < 0 { -1 } else { 0 })?;
    sets[2] |= capabilities.iter().fold(0, |all, one| all | 1 << one);
    // SAFETY: as above, and the call reads both.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) };
    check(if result < 0 { -1 } else { 0 })?;
    for capability in capabilities {
        let capability = libc::c_ulong::from(*capability);
        // SAFETY: the call takes numbers.
        check(unsafe {
            libc::prctl(
                libc::PR_CAP_AMBIENT,
                libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong,
                capability,
                0_u64,
                0_u64,
            )
        })?;
    }
    Ok(())
}

/// The supplementary groups of the process at the other end, as they were when it connected
/// (`SO_PEERGROUPS`, since Linux 4.13), so that nothing it does afterwards changes the answer.
pub(crate) fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    // NGROUPS_MAX of Linux.
    let mut groups = vec![0_u32; 65_536];
    let mut length = libc::socklen_t::try_from(size_of_val(&groups[..])).unwrap_or(0);
    // SAFETY: the kernel writes at most `length` bytes into the vector, which has as many, and
    // stores how many it wrote.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    check(result)?;
    groups.truncate(length as usize / size_of::<u32>());
    Ok(groups)
}

fn check(result: libc::c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Binds a packet socket to the frames of one type that an interface brings (`packet(7)`).
pub(crate) fn bind_to_frames(socket: &OwnedFd, index: u32, ethertype: u16) -> io::Result<()> {
    // SAFETY: all zeroes is a valid value of this plain structure.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or_default();
    address.sll_protocol = ethertype.to_be();
    address.sll_ifindex = i32::try_from(index).map_err(io::Error::other)?;
    // SAFETY: the address is of the type that packet sockets take, and lives until the call returns.
    let bound = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            length_of(&address),
        )
    };
    done(bound)
}

/// The type (`ARPHRD_...`) and the hardware address of the interface that a packet socket is bound to.
/// The kernel tells as many bytes of it as there are, which nix takes for an error.
pub(crate) fn interface_of(socket: &OwnedFd) -> io::Result<(u16, [u8; 6])> {
    // SAFETY: all zeroes is a valid value of this plain structure.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    let mut length = length_of(&address);
    let start = (&raw mut address).cast();
    // SAFETY: the kernel writes at most as many bytes as the structure has.
    done(unsafe { libc::getsockname(socket.as_raw_fd(), start, &raw mut length) })?;
    let [a, b, c, d, e, f, ..] = address.sll_addr;
    Ok((address.sll_hatype, [a, b, c, d, e, f]))
}

/// Has an interface take frames to a group for this packet socket (`packet(7)`).
pub(crate) fn join_link_group(socket: &OwnedFd, index: u32, group: [u8; 6]) -> io::Result<()> {
    let mut address = [0; 8];
    address[..group.len()].copy_from_slice(&group);
    let request = libc::packet_mreq {
        mr_ifindex: i32::try_from(index).map_err(io::Error::other)?,
        mr_type: u16::try_from(libc::PACKET_MR_MULTICAST).unwrap_or_default(),
        mr_alen: 6,
        mr_address: address,
    };
    set_packet_option(socket, libc::PACKET_ADD_MEMBERSHIP, &request)
}

/// Has a packet socket not bring what this machine sends (`packet(7)`, since Linux 4.20).
pub(crate) fn ignore_outgoing(socket: &OwnedFd) -> io::Result<()> {
    set_packet_option(socket, libc::PACKET_IGNORE_OUTGOING, &1_i32)
}

fn set_packet_option<T>(socket: &OwnedFd, option: i32, value: &T) -> io::Result<()> {
    let start = (&raw const *value).cast();
    // SAFETY: the kernel reads as many bytes as the value has, before the call returns.
    done(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            option,
            start,
            length_of(value),
        )
    })
}

/// The longest payload of a frame of that interface in bytes (`netdevice(7)`).
pub(crate) fn mtu(socket: &OwnedFd, device: &CStr) -> io::Result<usize> {
    // SAFETY: all zeroes is a valid value of this plain structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let name = device.to_bytes_with_nul();
    let fits = request
        .ifr_name
        .get_mut(..name.len())
        .ok_or(io::ErrorKind::InvalidInput)?;
    for (place, byte) in fits.iter_mut().zip(name) {
        *place = byte.cast_signed();
    }
    // SAFETY: the kernel reads the name and writes the MTU, both in the structure.
    done(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFMTU, &raw mut request) })?;
    // SAFETY: that is what this call writes.
    usize::try_from(unsafe { request.ifr_ifru.ifru_mtu }).map_err(io::Error::other)
}

/// The descriptor of a port, which is that one's no more.
pub(crate) fn descriptor(port: impl IntoRawFd) -> OwnedFd {
    // SAFETY: whoever gives its descriptor away does not close it.
    unsafe { OwnedFd::from_raw_fd(port.into_raw_fd()) }
}

/// Holds a serial line in a break, or ends that (`ioctl_tty(2)`).
pub(crate) fn set_break(port: &OwnedFd, on: bool) -> io::Result<()> {
    let request = match on {
        true => libc::TIOCSBRK,
        false => libc::TIOCCBRK,
    };
    // SAFETY: neither takes an argument.
    done(unsafe { libc::ioctl(port.as_raw_fd(), request) })
}

/// Lets others open a terminal again that somebody had for itself (`TIOCNXCL`, `ioctl_tty(2)`).
pub(crate) fn share_terminal(terminal: &OwnedFd) -> io::Result<()> {
    // SAFETY: it takes no argument.
    done(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCNXCL) })
}

fn length_of<T>(value: &T) -> libc::socklen_t {
    libc::socklen_t::try_from(std::mem::size_of_val(value)).unwrap_or_default()
}

fn done(result: i32) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_keeps_secrets_is_not_dumped() {
        keep_secrets();
        assert_eq!(nix::sys::prctl::get_dumpable(), Ok(false));
    }
}
