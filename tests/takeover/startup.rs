//! What is served when the cluster begins, and when somebody has to say first that the other node is off.

use std::time::Duration;

use hbd_tests::error::Error;
use hbd_tests::wait;
use shared::group::Hold;
use shared::order::GroupVerb;

use crate::stage::{
    ALICE, BASE, BOB, DEADTIME, INITDEAD, KEEPALIVE, LEASE, MOVE_GAP, NO_GAP, NODES, SECOND,
    SERVICES, SOON, Stage, WEB, WEB6, demand, demand_between, limit, node_name, play, play_running,
};

pub(crate) fn together() -> Result<(), Error> {
    play("auto_failback on", |stage| {
        let begin = stage.now();
        stage.start_both()?;
        for (ip, node) in [(WEB, ALICE), (WEB6, ALICE), (BASE, BOB)] {
            let served = stage.answered(ip, node, begin, SOON)?;
            let took = served.saturating_sub(begin);
            demand_between(&format!("{ip} is served"), took, Duration::ZERO, INITDEAD)?;
        }
        stays(stage, DEADTIME)?;
        let story = stage.seen(|record| record.story(begin))?;
        demand(
            story.lines().count() == SERVICES.len(),
            &format!("each address came once:\n{story}"),
        )
    })
}

pub(crate) fn second_gets_its_group() -> Result<(), Error> {
    play("auto_failback on", |stage| {
        alone(stage)?;
        let joined = stage.now();
        stage.daemons[BOB].start()?;
        stage.answered(BASE, BOB, joined, SOON)?;
        stage.settled([ALICE, BOB])?;
        stage.seen(|record| record.demand_handed_over(BASE, (ALICE, BOB), joined))??;
        let gap = stage.demand_gaps(&[BASE], joined, limit(MOVE_GAP))?;
        println!("longest gap while bob joined: {gap:?}");
        stage.demand_gaps(&[WEB, WEB6], joined, NO_GAP)?;
        stage.demand_neighbour(&[BASE], BOB)
    })
}

pub(crate) fn second_gets_nothing() -> Result<(), Error> {
    play("auto_failback off", |stage| {
        alone(stage)?;
        let joined = stage.now();
        stage.daemons[BOB].start()?;
        stage.both_active()?;
        stage.settled([ALICE, ALICE])?;
        stays(stage, DEADTIME)?;
        stage.seen(|record| record.demand_unchanged(joined))??;
        stage.demand_gaps(&SERVICES, joined, NO_GAP)?;
        Ok(())
    })
}

/// Alice starts, hears nobody, and serves everything after initdead.
fn alone(stage: &mut Stage) -> Result<(), Error> {
    let begin = stage.now();
    stage.daemons[ALICE].start()?;
    let greeted = stage.now();
    for ip in SERVICES {
        let served = stage.answered(ip, ALICE, begin, SOON)?;
        demand_between(
            &format!("alice alone serves {ip}"),
            served.saturating_sub(begin),
            INITDEAD.saturating_sub(KEEPALIVE),
            greeted.saturating_sub(begin) + INITDEAD + limit(SECOND),
        )?;
    }
    Ok(())
}

pub(crate) fn wait_for_peer() -> Result<(), Error> {
    play("auto_failback on\nstartup wait_for_peer", |stage| {
        stage.daemons[ALICE].start()?;
        held(stage, ALICE, BOB, Hold::NeverHeard)?;
        stays(stage, DEADTIME)?;
        let none = stage.seen(|record| record.changes.is_empty())?;
        demand(
            none,
            "nothing was taken before somebody said that bob is off",
        )?;
        confirm(stage, ALICE, BOB)?;
        let joined = stage.now();
        stage.daemons[BOB].start()?;
        stage.answered(BASE, BOB, joined, SOON)?;
        stage.settled([ALICE, BOB])?;
        stage.demand_overlaps(&SERVICES, Duration::ZERO, Duration::ZERO)?;
        Ok(())
    })
}

pub(crate) fn unfenced() -> Result<(), Error> {
    play_running("auto_failback on\nunfenced_takeover no", |stage| {
        let dead = stage.now();
        stage.daemons[ALICE].crash()?;
        stage.plug(ALICE, false)?;
        held(stage, BOB, ALICE, Hold::Unfenced)?;
        for ip in [WEB, WEB6] {
            stage.changed(ip, (ALICE, false), dead, LEASE + limit(SECOND))?;
        }
        stays(stage, DEADTIME)?;
        for ip in [WEB, WEB6] {
            let taken = stage.seen(|record| record.changed(ip, BOB, true, dead))?;
            demand(
                taken.is_none(),
                "nothing was taken before somebody said that alice is off",
            )?;
        }
        confirm(stage, BOB, ALICE)?;
        stage.demand_gaps(&[BASE], dead, NO_GAP)?;
        Ok(())
    })
}

/// Waits until a node says that it may not succeed the other one, and why.
pub(crate) fn held(stage: &Stage, node: usize, dead: usize, hold: Hold) -> Result<(), Error> {
    let condition = format!("{} waits: {hold}", NODES[node]);
    wait::until_true(SOON, &condition, || {
        let held = stage.daemons[node].view()?.takeover_held;
        Ok(held.is_some_and(|(name, why)| name.as_str() == NODES[dead] && why == hold))
    })
}

/// Says that a node is off; the other one serves its group then.
pub(crate) fn confirm(stage: &Stage, node: usize, dead: usize) -> Result<(), Error> {
    let ordered = stage.now();
    let verb = GroupVerb::ConfirmFence {
        node: node_name(dead)?,
    };
    stage.order(node, verb)?;
    for ip in [WEB, WEB6] {
        let served = stage.answered(ip, node, ordered, SOON)?;
        demand_between(
            &format!("{ip} is served when {} is off for certain", NODES[dead]),
            served.saturating_sub(ordered),
            Duration::ZERO,
            limit(SECOND),
        )?;
    }
    Ok(())
}

/// For that long no address comes to a node or leaves it.
pub(crate) fn stays(stage: &Stage, span: Duration) -> Result<(), Error> {
    let since = stage.now();
    wait::stays_true(span, "no address comes or goes", || {
        stage.seen(|record| record.demand_unchanged(since).is_ok())
    })
}
