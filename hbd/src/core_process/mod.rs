//! The process around the pure core: beats, and nothing that could delay them.
//!
//! ```text
//!            timerfd --+
//!    media, read  -----+--> Reactor --> Core --> outputs --+--> media, send
//!    supervisor  ------+       |                           +--> Outbox --> supervisor
//!                              |                           +--> Pulse, which wakes nobody
//!                              +--> Manager: asks whether it lives, carries what managers say
//! ```
//!
//! It never forks, opens, resolves, logs or touches a disk: descriptors and decisions come from
//! the supervisor, events go to it, and what the supervisor does not take in time is counted and
//! dropped. It runs without any right but those for its schedule and its memory. When the
//! supervisor is gone it goes on, and waits for another one ([`crate::bond`]).

mod line;
pub(crate) mod manager;
mod outbox;
mod reactor;
mod recorded;
mod rest;
pub(crate) mod rights;
mod watchdog;

use std::os::fd::{OwnedFd, RawFd};

use hbd_core::session::{LISTENERS_MAX, OUTBOUND_MAX};
use nix::unistd::getuid;
use shared::exit::Exit;
use tokio::runtime::Builder;

use recorded::Recorded;

use crate::bond::{Bond, Greeting};
use crate::channel::{Channel, FromCore, ToCore};
use crate::pulse::Pulse;
use crate::{clock, worker};

/// The supervisor's end of the pair, as the reactor sees it.
type Supervisor = Channel<FromCore, ToCore>;

/// Runs a core whose supervisor is at the other end of the inherited descriptor.
pub(crate) fn run(descriptor: RawFd) -> Exit {
    // Without tokio's timers, which are always late.
    let mut runtime = Builder::new_current_thread();
    worker::run("core", descriptor, runtime.enable_io(), begin)
}

/// Most messages before the orders: each medium and its fault, each client that listens or sends,
/// three about the watchdog.
const EARLY_MAX: usize = 3 + 2 * shared::config::MEDIA_LINES_MAX + LISTENERS_MAX + OUTBOUND_MAX;

/// Waits for the orders, and follows them.
async fn begin(mut supervisor: Supervisor) -> Exit {
    let mut early = Vec::new();
    let (orders, descriptors) = loop {
        match supervisor.next().await {
            Ok(Some((ToCore::Start(orders), descriptors))) => break (orders, descriptors),
            Ok(Some(message)) if early.len() < EARLY_MAX => early.push(message),
            _ => return Exit::Failed,
        }
    };
    let Ok([lock, listener, deadman, slate, flight]) = <[OwnedFd; 5]>::try_from(descriptors) else {
        return Exit::Failed;
    };
    let pulse = Pulse::new([deadman, slate, flight]);
    let frame = reactor::Frame {
        media: orders.settings.media.len(),
        seed: orders.start.seed,
        rights: orders.rights,
        allow_faults: orders.allow_faults,
    };
    let greeting = Greeting::own(orders.start.generation);
    let core = Recorded::new(orders.settings, orders.start, pulse.ring(), clock::now());
    let core = match core {
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
    let mut bond = Bond::new(supervisor, getuid().as_raw());
    let reactor = bond
        .set_door(listener, greeting)
        .and_then(|()| reactor::Reactor::new(core, bond, pulse, frame));
    let Ok(mut reactor) = reactor else {
        return Exit::Failed;
    };
    for (message, descriptors) in early {
        reactor.obey(message, descriptors);
    }
    reactor.tell_who_sends();
    for lack in rights::restrict(orders.rights) {
        reactor.report(lack);
    }
    let exit = reactor.run().await;
    drop(lock);
    exit
}
