//! What the kernel offers and no safe interface covers. The only file with `unsafe`.
#![expect(unsafe_code, reason = "system calls that nix does not wrap safely")]

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};

/// The highest signal of Linux.
const SIGNALS: libc::c_int = 64;

/// Closes whatever this process was started with besides standard input, output and error. Only
/// for its very beginning, when it has opened nothing itself.
pub(crate) fn close_inherited() {
    const FIRST: libc::c_uint = 3;
    // SAFETY: the call takes numbers. The process has made no descriptor yet, so none is closed
    // that something here owns. Glibc before 2.34 has no wrapper.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, 0) };
    if closed == 0 {
        return;
    }
    // Linux before 5.9. The list is complete before anything is closed, its own descriptor too.
    let numbers: Vec<libc::c_int> = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > libc::STDERR_FILENO)
        .collect();
    for number in numbers {
        // SAFETY: as above; one that is closed already is refused.
        unsafe { libc::close(number) };
    }
}

/// Every signal does what it does by default, also those that whoever started this process ignored.
pub(crate) fn default_signals() {
    for signal in 1..=SIGNALS {
        // SAFETY: no handler is set. The call is one of those that are allowed after a fork; two
        // signals cannot be changed, which it refuses.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// The child begins a session of its own, blocks no signal and ignores none.
pub fn stand_alone(command: &mut Command) {
    let begin = || {
        default_signals();
        // SAFETY: `sigset_t` is numbers, and empty if zero; the calls read it and keep nothing.
        // All of them are allowed between fork and exec (`signal-safety(7)`).
        unsafe {
            let none: libc::sigset_t = std::mem::zeroed();
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
            libc::setsid();
        }
        Ok(())
    };
    // SAFETY: the closure allocates nothing, takes no lock and calls only what is allowed there.
    unsafe { command.pre_exec(begin) };
}

/// A child that ended, if one has; an error where there are no children (`waitpid(2)`). By number:
/// nix knows no realtime signals.
pub(crate) fn reap() -> io::Result<Option<(i32, ExitStatus)>> {
    let mut status = 0;
    // SAFETY: the call writes one number.
    match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
        0 => Ok(None),
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Some((pid, ExitStatus::from_raw(status)))),
    }
}

/// Schedules this process as any other (`sched(7)`).
pub(crate) fn schedule_normally() {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the call reads the structure and keeps no pointer to it.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const parameters) };
    // SAFETY: the call takes numbers.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 0) };
}

/// Programs that are started get no capabilities but those of their user (`capabilities(7)`).
pub(crate) fn no_ambient_capabilities() {
    // SAFETY: the call takes numbers.
    unsafe {
        libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL,
            0,
            0,
            0,
        )
    };
}

/// A descriptor of a process, readable once it has ended (`pidfd_open(2)`, since Linux 5.3).
pub fn process_descriptor(pid: i32) -> io::Result<OwnedFd> {
    const NON_BLOCKING: libc::c_int = libc::O_NONBLOCK;
    // SAFETY: the call takes two numbers and returns a number. Glibc before 2.36 has no wrapper.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, NON_BLOCKING) };
    let descriptor = RawFd::try_from(descriptor).unwrap_or(-1);
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel made the descriptor for this process by this very call.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Sends a signal to the very process the descriptor is of (`pidfd_send_signal(2)`).
pub fn signal_process(process: BorrowedFd<'_>, signal: libc::c_int) -> io::Result<()> {
    // SAFETY: without a siginfo the call takes numbers only. Glibc before 2.36 has no wrapper.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    check(if result < 0 { -1 } else { 0 })
}

/// Binds a packet socket to an interface and a kind of frames.
pub(crate) fn bind_packets(socket: BorrowedFd<'_>, index: u32, kind: u16) -> io::Result<()> {
    // SAFETY: `sockaddr_ll` is numbers, all of which may be zero.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = kind.to_be();
    address.sll_ifindex = index.cast_signed();
    let length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the call reads as many bytes as the structure has and keeps no pointer to it.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    check(result)
}

/// Lets a socket receive only what a program of classic BPF accepts, given as code, jump if true,
/// jump if false, value. The kernel refuses one that is not valid.
pub(crate) fn filter_packets(
    socket: BorrowedFd<'_>,
    steps: &[(u16, u8, u8, u32)],
) -> io::Result<()> {
    let step = |&(code, jt, jf, k): &(u16, u8, u8, u32)| libc::sock_filter { code, jt, jf, k };
    let mut steps: Vec<libc::sock_filter> = steps.iter().map(step).collect();
    let program = libc::sock_fprog {
        len: u16::try_from(steps.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        filter: steps.as_mut_ptr(),
    };
    let length = size_of_val(&program) as libc::socklen_t;
    // SAFETY: the call copies the steps, which are as many as the structure says, and keeps no
    // pointer.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            length,
        )
    };
    check(result)
}

fn check(result: libc::c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
