//! The process around the pure core: beats, and nothing that could delay them.
//!
//! ```text
//!            timerfd --+
//!    media, read  -----+--> Reactor --> Core --> outputs --+--> media, send
//!    supervisor  ------+                                   +--> Outbox --> supervisor
//! ```
//!
//! It never forks, opens, resolves, logs or touches a disk: descriptors and decisions come from
//! the supervisor, events go to it, and what the supervisor does not take in time is counted and
//! dropped. It runs without any right but those for its schedule and its memory. When the
//! supervisor is gone it leaves the cluster in order and ends.

mod line;
mod outbox;
mod reactor;
mod rest;
pub(crate) mod rights;
mod timer;

use std::io::Write;
use std::os::fd::RawFd;

use hbd_core::Core;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use shared::exit::Exit;

use crate::channel::{Channel, FromCore, ToCore};
use crate::{clock, sys};

/// The supervisor's end of the pair, as the reactor sees it.
type Supervisor = Channel<FromCore, ToCore>;

/// Runs a core whose supervisor is at the other end of the inherited descriptor.
pub(crate) fn run(descriptor: RawFd) -> Exit {
    withstand_signals();
    let _ = prctl::set_name(c"hbd-core");
    sys::keep_secrets();
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
    else {
        return Exit::Failed;
    };
    let socket = match sys::inherited(descriptor) {
        Ok(socket) => socket,
        Err(error) => {
            let _ = writeln!(
                std::io::stderr(),
                "hbd core: descriptor {descriptor}: {error}; only hbd itself starts a core"
            );
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

/// The supervisor alone says when to end: a signal to the whole process group or control group
/// must not tear the core away before it has left in order.
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

/// Most messages before the orders: each medium and its fault.
const EARLY_MAX: usize = 2 * shared::config::MEDIA_LINES_MAX;

/// Waits for the orders, and follows them.
async fn begin(mut supervisor: Supervisor) -> Exit {
    let mut early = Vec::new();
    let (orders, lock) = loop {
        match supervisor.next().await {
            Ok(Some((ToCore::Start(orders), lock))) => break (orders, lock),
            Ok(Some(message)) if early.len() < EARLY_MAX => early.push(message),
            _ => return Exit::Failed,
        }
    };
    let keepalive = orders.settings.keepalive;
    let media = orders.settings.media.len();
    let seed = orders.start.seed;
    let core = match Core::new(orders.settings, orders.start, clock::now()) {
        Ok(core) => core,
        Err(error) => {
            if supervisor
                .queue(&FromCore::Unfit(error.to_string()), Vec::new())
                .is_ok()
            {
                let _ = supervisor.flush().await;
            }
            return Exit::ConfigInvalid;
        }
    };
    let reactor = reactor::Reactor::new(
        core,
        supervisor,
        reactor::Frame {
            keepalive,
            media,
            seed,
            allow_faults: orders.allow_faults,
        },
    );
    let mut reactor = match reactor {
        Ok(reactor) => reactor,
        Err(_) => return Exit::Failed,
    };
    for (message, descriptors) in early {
        reactor.obey(message, descriptors);
    }
    for lack in rights::restrict(orders.rights) {
        reactor.report(lack);
    }
    let exit = reactor.run().await;
    drop(lock);
    exit
}
