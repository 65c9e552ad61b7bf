//! How a worker begins: what it withstands, and what it says to whoever starts one by hand.

use std::ffi::CString;
use std::io::{self, Write};
use std::os::fd::RawFd;

use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::exit::Exit;
use tokio::runtime::Builder;

use crate::channel::Channel;
use crate::sys;

/// Runs a worker whose supervisor is at the other end of the inherited descriptor.
pub(crate) fn run<S: Serialize, R: DeserializeOwned>(
    role: &str,
    descriptor: RawFd,
    runtime: &mut Builder,
    begin: impl AsyncFnOnce(Channel<S, R>) -> Exit,
) -> Exit {
    withstand_signals();
    if let Ok(name) = CString::new(format!("hbd-{role}")) {
        let _ = prctl::set_name(&name);
    }
    sys::keep_secrets();
    let Ok(runtime) = runtime.build() else {
        return Exit::Failed;
    };
    let socket = match sys::inherited(descriptor) {
        Ok(socket) => socket,
        Err(error) => {
            not_by_hand(role, descriptor, &error);
            return Exit::Usage;
        }
    };
    runtime.block_on(async {
        match Channel::new(socket) {
            Ok(supervisor) => begin(supervisor).await,
            Err(_) => Exit::Failed,
        }
    })
}

/// The supervisor alone says when a worker ends: a signal to the whole process group or control
/// group must not tear the core away before it has left in order.
fn withstand_signals() {
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
fn not_by_hand(role: &str, descriptor: RawFd, error: &io::Error) {
    let _ = writeln!(
        io::stderr(),
        "hbd {role}: descriptor {descriptor}: {error}; only hbd itself starts a {role}"
    );
}
