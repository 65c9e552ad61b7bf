//! What a node is fenced for, and what waits for it.
//!
//! The device is a switch for power: an agent that ends all processes of a machine, takes its cable out and its
//! addresses away, and says that the machine is off when no process is left on it.

use std::path::PathBuf;
use std::time::Duration;

use hbd_tests::daemon::HARMLESS;
use hbd_tests::error::{Error, file};
use hbd_tests::{scratch, wait};
use shared::event::Kind;
use shared::group::Hold;
use shared::order::GroupVerb;

use crate::stage::{
    ALICE, BASE, BOB, DEADTIME, INITDEAD, KEEPALIVE, NO_GAP, NODES, SECOND, SERVICES, SOON, Stage,
    WEB, WEB6, demand, demand_between, limit, node_name, play,
};
use crate::startup::{confirm, held, stays};

const POWER: &str = r#"#!/bin/sh
while read -r line; do
    case $line in
    action=*) action=${line#*=} ;;
    plug=*) plug=${line#*=} ;;
    esac
done
if [ -e "${0%/*}/broken" ] || [ -z "$plug" ]; then
    echo "the switch is broken" >&2
    exit 1
fi
case $action in
off)
    while pids=$(ip netns pids "$plug"); [ -n "$pids" ]; do kill -9 $pids; done 2>/dev/null
    ip -n "$plug" address flush dev eth0 scope global
    ip -n "$plug" link set eth0 down
    echo "$plug" >>"${0%/*}/off"
    ;;
status) if [ -z "$(ip netns pids "$plug")" ]; then exit 2; fi ;;
monitor) ;;
*) exit 1 ;;
esac
"#;
/// Each of its calls.
const DEVICE: Duration = Duration::from_secs(1);
/// Time between two tries, as hbd-manager(7) promises.
const AGAIN: Duration = Duration::from_secs(5);
const DELAY: Duration = Duration::from_secs(4);

/// Nobody hears the other, and the client hears both: the one with the delay is the only one that goes on.
pub(crate) fn partition() -> Result<(), Error> {
    fenced("auto_failback off", "fencedelay alice 4\n", |stage| {
        stage.start_both()?;
        let parted = stage.now();
        stage.part(true)?;
        let taken = stage.answered(BASE, ALICE, parted, SOON)?;
        demand_between(
            "what bob held is served by alice",
            taken.saturating_sub(parted),
            DEADTIME / 2,
            DEADTIME + limit(2 * DEVICE + SECOND),
        )?;
        demand(is_off(stage, BOB)?, "no process is left on bob")?;
        stays(stage, DEADTIME + DELAY)?;
        demand(!is_off(stage, ALICE)?, "alice lives")?;
        demand(
            was_switched_off(stage)? == [BOB],
            "bob alone was switched off",
        )?;
        stage.demand_overlaps(&SERVICES, Duration::ZERO, Duration::ZERO)?;
        stage.demand_gaps(&[WEB, WEB6], parted, NO_GAP)?;
        demand(
            fenced_by(stage, ALICE)? == ["fence_power"],
            "alice says so once",
        )?;
        stage.part(false)?;
        boots(stage, BOB)?;
        stage.settled([ALICE, ALICE])?;
        stage.demand_overlaps(&SERVICES, Duration::ZERO, Duration::ZERO)?;
        Ok(())
    })
}

/// Nothing is taken over while the device fails, and everything when it works.
pub(crate) fn device_fails() -> Result<(), Error> {
    fenced("auto_failback off", "", |stage| {
        stage.start_both()?;
        let broken = stage.path("broken");
        scratch::write(&broken, "")?;
        let dead = stage.now();
        stage.daemons[BOB].crash()?;
        stage.plug(BOB, false)?;
        held(stage, ALICE, BOB, Hold::Fencing)?;
        failed(stage, 2)?;
        let taken = stage.seen(|record| record.changed(BASE, ALICE, true, dead))?;
        demand(
            taken.is_none(),
            "nothing was taken from a node that may serve",
        )?;
        let repaired = stage.now();
        file(
            "repair the device".to_owned(),
            std::fs::remove_file(&broken),
        )?;
        let served = stage.answered(BASE, ALICE, repaired, SOON)?;
        demand_between(
            "what bob held is served when the device works",
            served.saturating_sub(repaired),
            Duration::ZERO,
            AGAIN + limit(2 * DEVICE + SECOND),
        )?;
        stage.demand_overlaps(&SERVICES, Duration::ZERO, Duration::ZERO)?;
        stage.demand_gaps(&[WEB, WEB6], dead, NO_GAP)?;
        Ok(())
    })
}

/// A device that was written wrongly is written rightly while a takeover waits for it.
pub(crate) fn reloaded() -> Result<(), Error> {
    fenced("auto_failback off", "", |stage| {
        stage.start_both()?;
        let right = stage.config(ALICE, "hbd.cf");
        let text = file("read hbd.cf".to_owned(), std::fs::read_to_string(&right))?;
        scratch::write(&right, &text.replace("plug=", "plugg="))?;
        stage.reload(ALICE)?;
        let dead = stage.now();
        stage.daemons[BOB].crash()?;
        stage.plug(BOB, false)?;
        failed(stage, 1)?;
        scratch::write(&right, &text)?;
        stage.reload(ALICE)?;
        stage.answered(BASE, ALICE, dead, SOON)?;
        demand(
            was_switched_off(stage)? == [BOB],
            "bob was switched off once",
        )?;
        stage.demand_gaps(&[WEB, WEB6], dead, NO_GAP)?;
        Ok(())
    })
}

/// A node that leaves says what it stopped: nobody switches it off.
pub(crate) fn orderly() -> Result<(), Error> {
    fenced("auto_failback off", "", |stage| {
        stage.start_both()?;
        let stopped = stage.now();
        stage.daemons[BOB].terminate(SOON)?;
        stage.answered(BASE, ALICE, stopped, SOON)?;
        stays(stage, DEADTIME)?;
        demand(
            was_switched_off(stage)?.is_empty(),
            "nobody was switched off",
        )?;
        demand(fenced_by(stage, ALICE)?.is_empty(), "nor said to be")
    })
}

/// A node that starts alone makes sure that the other one is off.
pub(crate) fn alone() -> Result<(), Error> {
    fenced("auto_failback off", "", |stage| {
        let begin = stage.now();
        stage.daemons[ALICE].start()?;
        let greeted = stage.now();
        for ip in SERVICES {
            let served = stage.answered(ip, ALICE, begin, SOON)?;
            demand_between(
                &format!("alice alone serves {ip}"),
                served.saturating_sub(begin),
                INITDEAD.saturating_sub(KEEPALIVE),
                greeted.saturating_sub(begin) + INITDEAD + limit(2 * DEVICE + SECOND),
            )?;
        }
        demand(was_switched_off(stage)? == [BOB], "bob was switched off")
    })
}

/// Where a node that was never heard is not fenced, it is when somebody orders it.
pub(crate) fn alone_by_order() -> Result<(), Error> {
    fenced("auto_failback off", "startup_fence no\n", |stage| {
        stage.daemons[ALICE].start()?;
        held(stage, ALICE, BOB, Hold::StartupFence)?;
        stays(stage, DEADTIME)?;
        demand(
            was_switched_off(stage)?.is_empty(),
            "nobody was switched off",
        )?;
        let ordered = stage.now();
        let node = node_name(BOB)?;
        stage.order(ALICE, GroupVerb::Fence { node })?;
        for ip in SERVICES {
            stage.answered(ip, ALICE, ordered, limit(2 * DEVICE + SECOND))?;
        }
        demand(was_switched_off(stage)? == [BOB], "bob was switched off")
    })
}

/// Without a device somebody has to say that the node is off.
pub(crate) fn manual() -> Result<(), Error> {
    let lines = "fence alice manual\nfence bob manual\n";
    with("auto_failback off", lines, |stage| {
        stage.start_both()?;
        let dead = stage.now();
        stage.daemons[ALICE].crash()?;
        stage.plug(ALICE, false)?;
        held(stage, BOB, ALICE, Hold::Manual)?;
        for ip in [WEB, WEB6] {
            stage.changed(ip, (ALICE, false), dead, SOON)?;
        }
        stays(stage, DEADTIME)?;
        confirm(stage, BOB, ALICE)?;
        stage.demand_gaps(&[BASE], dead, NO_GAP)?;
        Ok(())
    })
}

/// The program of Heartbeat's time, with the device that says yes to everything.
pub(crate) fn stonith() -> Result<(), Error> {
    let settings = "auto_failback off\nstonith_host * null alice bob";
    with(settings, "", |stage| {
        stage.start_both()?;
        let dead = stage.now();
        stage.daemons[BOB].crash()?;
        stage.plug(BOB, false)?;
        stage.answered(BASE, ALICE, dead, SOON)?;
        demand(
            fenced_by(stage, ALICE)? == ["stonith null"],
            "alice says so once",
        )
    })
}

/// With a switch for the power of both.
fn fenced(
    settings: &str,
    more: &str,
    story: impl FnOnce(&mut Stage) -> Result<(), Error>,
) -> Result<(), Error> {
    play(settings, |stage| {
        let agent = stage.path("fence_power");
        scratch::write_script(&agent, POWER)?;
        let mut lines = more.to_owned();
        for (node, machine) in NODES.iter().zip(&stage.machines) {
            let plug = machine.name();
            lines += &format!("fence {node} {} plug={plug}\n", agent.display());
        }
        write(stage, &lines)?;
        story(stage)
    })
}

fn with(
    settings: &str,
    lines: &str,
    story: impl FnOnce(&mut Stage) -> Result<(), Error>,
) -> Result<(), Error> {
    play(settings, |stage| {
        write(stage, lines)?;
        story(stage)
    })
}

fn write(stage: &Stage, lines: &str) -> Result<(), Error> {
    let lines = format!("{HARMLESS}{lines}");
    let mut nodes = [ALICE, BOB].into_iter();
    nodes.try_for_each(|node| scratch::write(&stage.config(node, "hbd.cf"), &lines))
}

/// Waits until the device failed so often in a row, and the reason is told.
fn failed(stage: &Stage, times: u32) -> Result<(), Error> {
    wait::until_true(SOON, &format!("the device failed {times} times"), || {
        let failures = stage.events(ALICE, |event| match &event.kind {
            Kind::FenceFailed { failures, why, .. } => Some((*failures, !why.is_empty())),
            _ => None,
        })?;
        Ok(failures
            .iter()
            .any(|(number, told)| *number >= times && *told))
    })
}

/// With which devices a node says that it switched the other one off.
fn fenced_by(stage: &Stage, node: usize) -> Result<Vec<String>, Error> {
    stage.events(node, |event| match &event.kind {
        Kind::Fenced { device, .. } => Some(device.clone()),
        _ => None,
    })
}

/// Which nodes the device switched off, the first one first.
fn was_switched_off(stage: &Stage) -> Result<Vec<usize>, Error> {
    let path: PathBuf = stage.path("off");
    let text = match path.exists() {
        true => file(
            "read what is off".to_owned(),
            std::fs::read_to_string(&path),
        )?,
        false => String::new(),
    };
    let node = |plug: &str| {
        let names = stage
            .machines
            .iter()
            .map(|machine| machine.name().to_owned());
        names.into_iter().position(|name| name == plug)
    };
    Ok(text.lines().filter_map(node).collect())
}

fn is_off(stage: &Stage, node: usize) -> Result<bool, Error> {
    Ok(stage.machines[node].pids()?.is_empty())
}

/// A machine that was switched off is switched on.
fn boots(stage: &mut Stage, node: usize) -> Result<(), Error> {
    let machine = &stage.machines[node];
    machine.ip(&["link", "set", "eth0", "up"])?;
    for address in [
        format!("10.9.0.{}/24", node + 1),
        format!("fd09::{}/64", node + 1),
    ] {
        machine.ip(&["address", "add", &address, "dev", "eth0"])?;
    }
    stage.daemons[node].crash()?;
    stage.daemons[node].start()?;
    stage.both_active()
}
