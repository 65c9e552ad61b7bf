//! A resource neither starts nor stops, nor says so: its script hangs.

use std::fs;
use std::time::Duration;

use hbd_tests::error::Error;
use hbd_tests::wait;
use shared::event::Kind;
use shared::group::{GroupReason, GroupState, Operation};

use crate::failures::{
    RETRIED, base_untouched, cleanup, demand_starts, fail, prepare, start, stays,
};
use crate::stage::{
    ALICE, BOB, LEASE, NO_GAP, NODES, SECOND, SERVICES, SOON, Stage, WEB, WEB_GROUP, WEB6, demand,
    demand_between, limit, play,
};
use hbd_tests::observer::record::At;

const SETTINGS: &str = "auto_failback on\nactiontime start=3 stop=1";
/// What is told of an action that took longer.
const START_LIMIT: &str = "not done after 3 s";
const STOP_LIMIT: &str = "not done after 1 s";
/// A stop that failed is tried ten times more, a second apart.
const STOPS: usize = 11;
/// Each of them takes a second, and one passes before the next.
const STOPPED: Duration = Duration::from_secs(22);
/// Until a start that failed is tried again.
const PAUSE: Duration = Duration::from_secs(30);
/// What the script waits for.
const SLEEPER: &str = "sleep\x0012345\0";

/// Alice is dead, and on bob her group hangs: he ends that, and tries again later.
pub(crate) fn start_after_death() -> Result<(), Error> {
    play(SETTINGS, |stage| {
        running(stage)?;
        fail(stage, BOB, "hang-start", true)?;
        let dead = stage.now();
        stage.daemons[ALICE].crash()?;
        stage.plug(ALICE, false)?;
        for ip in [WEB, WEB6] {
            stage.changed(ip, (BOB, true), dead, SOON)?;
        }
        let gone = start_ended(stage, dead)?;
        fail(stage, BOB, "hang-start", false)?;
        for ip in [WEB, WEB6] {
            stage.changed(ip, (ALICE, false), dead, LEASE + limit(SECOND))?;
        }
        stays(stage)?;
        let served = stage.changed(WEB, (BOB, true), gone, RETRIED)?;
        demand_between(
            "it is tried again",
            served.saturating_sub(gone),
            PAUSE - SECOND,
            PAUSE + limit(SECOND),
        )?;
        stage.group_is(BOB, WEB_GROUP, "runs", |view| {
            let mut nodes = view.nodes.values();
            nodes.any(|on| on.state == GroupState::Started)
        })?;
        demand_starts(stage, [1, 2])?;
        stage.demand_neighbour(&[WEB, WEB6], BOB)?;
        base_untouched(stage)
    })
}

/// Where a move is to go the group hangs: it returns to where it was.
pub(crate) fn start_in_move() -> Result<(), Error> {
    play(SETTINGS, |stage| {
        running(stage)?;
        fail(stage, BOB, "hang-start", true)?;
        let ordered = stage.now();
        stage.order_move(ALICE, WEB_GROUP, BOB)?;
        for ip in [WEB, WEB6] {
            stage.changed(ip, (BOB, true), ordered, SOON)?;
        }
        let gone = start_ended(stage, ordered)?;
        for ip in [WEB, WEB6] {
            stage.answered(ip, ALICE, gone, limit(SECOND))?;
        }
        stage.settled([ALICE, BOB])?;
        stays(stage)?;
        demand_starts(stage, [2, 1])?;
        stage.demand_overlaps(&SERVICES, Duration::ZERO, Duration::ZERO)?;
        stage.demand_neighbour(&[WEB, WEB6], ALICE)?;
        base_untouched(stage)
    })
}

/// A group that is to move hangs where it is: it stays there, and nobody else gets it.
pub(crate) fn stop_in_move() -> Result<(), Error> {
    play(SETTINGS, |stage| {
        running(stage)?;
        fail(stage, ALICE, "hang-stop", true)?;
        let ordered = stage.now();
        stage.order_move(ALICE, WEB_GROUP, BOB)?;
        wait::until_true(limit(STOPPED), "alice gives up", || {
            let told = stage.events(ALICE, |event| match &event.kind {
                Kind::GroupState { to, reason, .. } if *to == GroupState::Blocked => {
                    Some(reason.clone())
                }
                _ => None,
            })?;
            demand(
                told.iter().all(|why| *why == GroupReason::StopFailed),
                &format!("that is why: {told:?}"),
            )?;
            Ok(!told.is_empty())
        })?;
        for node in [ALICE, BOB] {
            stage.group_is(node, WEB_GROUP, "is blocked on alice", |view| {
                let nodes: Vec<_> = view.nodes.iter().collect();
                matches!(nodes[..], [(name, on)]
                    if name.as_str() == NODES[ALICE] && on.state == GroupState::Blocked)
            })?;
        }
        demand_told(stage, ALICE, Operation::Stop, STOP_LIMIT, STOPS)?;
        demand_no_sleeper(stage, ALICE)?;
        stays(stage)?;
        stage.seen(|record| record.demand_unchanged(ordered))??;
        stage.demand_gaps(&SERVICES, ordered, NO_GAP)?;
        demand_starts(stage, [1, 0])?;

        fail(stage, ALICE, "hang-stop", false)?;
        cleanup(stage, ALICE)?;
        stage.settled([BOB, BOB])?;
        demand_starts(stage, [1, 1])?;
        stage.demand_overlaps(&SERVICES, Duration::ZERO, Duration::ZERO)?;
        base_untouched(stage)
    })
}

fn running(stage: &mut Stage) -> Result<(), Error> {
    prepare(stage)?;
    start(stage)?;
    stage.settled([ALICE, BOB])
}

/// Waits until bob has given up a start that hangs and all of the group, and returns when the first address was gone.
fn start_ended(stage: &Stage, since: At) -> Result<At, Error> {
    let mut gone = [Duration::ZERO; 2];
    for (ip, gone) in [WEB, WEB6].into_iter().zip(&mut gone) {
        *gone = stage.changed(ip, (BOB, false), since, SOON)?;
    }
    stage.group_is(BOB, WEB_GROUP, "has failed", |view| {
        !view.failures.is_empty()
    })?;
    demand_told(stage, BOB, Operation::Start, START_LIMIT, 1)?;
    demand_no_sleeper(stage, BOB)?;
    Ok(gone[0].min(gone[1]))
}

/// Demands that a node told so often that this was not done in time.
fn demand_told(
    stage: &Stage,
    node: usize,
    what: Operation,
    limit: &str,
    times: usize,
) -> Result<(), Error> {
    let told = stage.events(node, |event| match &event.kind {
        Kind::ActionFailed {
            resource,
            operation,
            why,
            ..
        } => Some((resource.clone(), *operation, why.clone())),
        _ => None,
    })?;
    let right = told.iter().filter(|(resource, operation, why)| {
        resource == "flaky" && *operation == what && why.contains(limit)
    });
    demand(
        right.count() == times && told.len() == times,
        &format!("{} told {times} times of {limit:?}: {told:?}", NODES[node]),
    )
}

/// What a script began ends with it.
fn demand_no_sleeper(stage: &Stage, node: usize) -> Result<(), Error> {
    let sleepers = stage.machines[node].pids()?.into_iter().filter(|pid| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline"));
        line.is_ok_and(|line| line == SLEEPER)
    });
    let sleepers: Vec<_> = sleepers.collect();
    demand(
        sleepers.is_empty(),
        &format!("no script hangs: {sleepers:?}"),
    )
}
