//! When a node is sick, and when it is over: it cannot send, or its managers fail.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use hbd_tests::error::{Error, file};
use hbd_tests::{program, wait};
use nix::sys::signal::Signal::{SIGKILL, SIGSTOP};
use shared::event::Kind;

use crate::pair::{BOOT, Pair, Watcher, demand};

/// Managers that failed count for a minute.
const MINUTE: Duration = Duration::from_secs(60);

/// Bob's cable is pulled on his side: no beat leaves.
pub(crate) fn mute(watcher: Watcher) -> Result<(), Error> {
    let pair = Pair::running(watcher)?;
    let played = be_mute(&pair);
    played.map_err(|error| pair.with_logs(&error))
}

fn be_mute(pair: &Pair) -> Result<(), Error> {
    let core = pair.bob.core()?;
    pair.plug(false)?;
    becomes_sick(pair, "it sent no beat for", BOOT)?;
    demand(pair.bob.core()? == core, "its core is the same")?;
    pair.plug(true)?;
    is_over(pair, BOOT)?;
    pair.both_active()
}

/// One manager hangs, and those that follow die before they answer.
pub(crate) fn managers(watcher: Watcher) -> Result<(), Error> {
    let pair = Pair::running(watcher)?;
    let deaths = pair.deaths()?;
    let played = lose_managers(&pair);
    played.map_err(|error| pair.with_logs(&error))?;
    demand(pair.deaths()? == deaths, "alice saw no death")
}

fn lose_managers(pair: &Pair) -> Result<(), Error> {
    let mut met = BTreeSet::from([pair.bob.signal("manager", SIGSTOP)?]);
    wait::until_true(BOOT, "three managers failed", || {
        // Between two of them there is none.
        if let Ok(manager) = pair.bob.manager()
            && met.insert(manager.pid)
        {
            pair.bob.signal("manager", SIGKILL)?;
        }
        Ok(pair.bob.view()?.sick.is_some())
    })?;
    becomes_sick(pair, "3 managers in", BOOT)?;
    is_over(pair, MINUTE + BOOT)
}

/// The view, the record and hactl say so.
fn becomes_sick(pair: &Pair, why: &str, limit: Duration) -> Result<(), Error> {
    wait::until_true(limit, "bob is sick", || Ok(pair.bob.view()?.sick.is_some()))?;
    let events = pair.bob.events()?;
    let told = events.iter().any(|event| match &event.kind {
        Kind::Sick { reason } => reason.contains(why),
        _ => false,
    });
    demand(told, &format!("an event says: {why}"))?;
    let status = status(pair)?;
    let said = status.contains("this node is sick") && status.contains(why);
    demand(said, &format!("hactl status says so: {status}"))
}

fn is_over(pair: &Pair, limit: Duration) -> Result<(), Error> {
    wait::until_true(limit, "bob is well", || Ok(pair.bob.view()?.sick.is_none()))?;
    let events = pair.bob.events()?;
    let told = events
        .iter()
        .any(|event| matches!(event.kind, Kind::SickOver));
    demand(told, "an event says that it is over")?;
    let status = status(pair)?;
    demand(
        !status.contains("this node is sick"),
        &format!("hactl status says no more: {status}"),
    )
}

/// Its exit code says the same as its text.
fn status(pair: &Pair) -> Result<String, Error> {
    let hactl = program::of_workspace("hactl")?;
    let mut command = Command::new(hactl);
    command.arg("--socket").arg(pair.bob.socket()).arg("status");
    let output = file("run hactl", command.output())?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
