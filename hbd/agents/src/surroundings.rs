//! What a process of hbd has that a resource must not: it is taken from the shim, whose children
//! inherit the rest.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, setsid};

use crate::sys;

/// Usual for what is locked in memory (Linux since 5.16).
const LOCKED_MEMORY: u64 = 8 << 20;
const OOM_SCORE: &str = "/proc/self/oom_score_adj";

/// Becomes another program, which has none of it, and which the kernel kills with whoever started this
/// process. Returns only where that is not possible.
pub fn become_program(program: &OsStr, arguments: &[OsString]) -> io::Error {
    make_normal();
    // Fails for an invalid signal only. Who died before this is missed at the other end of the socket.
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    let mut command = Command::new(program);
    command.args(arguments);
    sys::stand_alone(&mut command);
    command.exec()
}

/// Takes it. Each step that the kernel refuses is one that changes nothing for the better.
pub(crate) fn make_normal() {
    sys::close_inherited();
    sys::default_signals();
    withstand_signals();
    let _ = setsid();
    sys::schedule_normally();
    sys::no_ambient_capabilities();
    limits();
    oom_score();
    umask(Mode::from_bits_truncate(0o022));
    let _ = chdir("/");
    let _ = prctl::set_name(c"hbd-act");
}

/// A signal to everything of hbd must not keep the report from being written: the limit ends this
/// process soon enough. SIGCHLD is read elsewhere.
fn withstand_signals() {
    let mut signals = SigSet::empty();
    for signal in [
        Signal::SIGCHLD,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGHUP,
        Signal::SIGPIPE,
        Signal::SIGTSTP,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        // A limit on files that was set for all of hbd: the write fails, which is told.
        Signal::SIGXFSZ,
    ] {
        signals.add(signal);
    }
    // Fails for an invalid argument only.
    let _ = signals.thread_block();
}

/// The soft ones: whoever needs more may ask for it as before.
fn limits() {
    for (resource, most) in [
        (Resource::RLIMIT_MEMLOCK, LOCKED_MEMORY),
        (Resource::RLIMIT_RTPRIO, 0),
        (Resource::RLIMIT_RTTIME, RLIM_INFINITY),
    ] {
        if let Ok((_, hard)) = getrlimit(resource) {
            let _ = setrlimit(resource, most.min(hard), hard);
        }
    }
}

/// What is protected passes that on to its children.
fn oom_score() {
    let protected = fs::read_to_string(OOM_SCORE).is_ok_and(|text| text.starts_with('-'));
    if protected {
        let _ = fs::write(OOM_SCORE, "0");
    }
}
