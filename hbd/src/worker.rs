//! How a worker begins: what it withstands, and what it says to whoever starts one by hand.

use std::io::{self, Write};
use std::os::fd::RawFd;

use nix::sys::signal::{SigSet, Signal};

/// The supervisor alone says when a worker ends: a signal to the whole process group or control
/// group must not tear the core away before it has left in order.
pub(crate) fn withstand_signals() {
    let mut signals = SigSet::empty();
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGPIPE,
        Signal::SIGTSTP,
    ] {
        signals.add(signal);
    }
    // Fails for an invalid argument only.
    let _ = signals.thread_block();
}

/// The descriptor that a worker is to inherit is not there.
pub(crate) fn not_by_hand(role: &str, descriptor: RawFd, error: &io::Error) {
    let _ = writeln!(
        io::stderr(),
        "hbd {role}: descriptor {descriptor}: {error}; only hbd itself starts a {role}"
    );
}
