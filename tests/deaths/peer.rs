//! Core and supervisor die together, and right after them the peer: what the core knew of it is not lost with them.

use std::time::Duration;

use hbd_tests::error::{Error, unexpected};
use hbd_tests::wait;
use nix::sys::signal::Signal::SIGKILL;
use shared::event::{Event, Kind, NodeStatus, StatusReason};

use crate::pair::{ALICE, BOOT, DEADTIME, Pair, Watcher, demand};

/// A judgement may come so much later than it is due, on a busy machine; with DEADTIME still far from initdead.
const LATE: Duration = Duration::from_secs(1);

pub(crate) fn play(watcher: Watcher) -> Result<(), Error> {
    let mut pair = Pair::running(watcher)?;
    let played = noticed(&mut pair);
    played.map_err(|error| pair.with_logs(&error))
}

fn noticed(pair: &mut Pair) -> Result<(), Error> {
    pair.bob.signal("supervisor", SIGKILL)?;
    pair.bob.signal("core", SIGKILL)?;
    pair.crash_alice()?;
    let events = wait::until(BOOT, "bob says that alice is dead", || {
        // A supervisor may be on its way.
        let events = pair.bob.events().unwrap_or_default();
        Ok(events.iter().any(is_her_death).then_some(events))
    })?;
    let restart = events.iter().rfind(|event| match &event.kind {
        Kind::Started(started) => started.quick_restart,
        _ => false,
    });
    let (Some(restart), Some(death)) = (restart, events.iter().find(|event| is_her_death(event)))
    else {
        return unexpected("bob did not restart");
    };
    let Kind::NodeStatus { reason, .. } = &death.kind else {
        return unexpected("that is no death");
    };
    let after = death.boot.since(restart.boot);
    let silent = matches!(reason, StatusReason::Silent { deadtime, .. } if *deadtime == DEADTIME);
    demand(
        silent,
        &format!("alice died of silence for deadtime: {}", death.text),
    )?;
    demand(
        after <= DEADTIME + LATE,
        &format!("alice is dead in deadtime after the restart: {after:?}"),
    )
}

fn is_her_death(event: &Event) -> bool {
    match &event.kind {
        Kind::NodeStatus { node, to, .. } => node.as_str() == ALICE && *to == NodeStatus::Dead,
        _ => false,
    }
}
