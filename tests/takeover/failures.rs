//! A resource does not start, or does not stop.
//!
//! The last resource of alice's group is a script, `flaky`, with a directory of its own on each node. It fails or hangs
//! where the test wants it to, and counts how often it is asked.

use std::fs;
use std::time::Duration;

use hbd_tests::error::{self, Error};
use hbd_tests::scratch;
use hbd_tests::wait;
use shared::event::Kind;
use shared::group::{GroupReason, GroupState, Operation};
use shared::order::{Choice, GroupVerb};

use crate::stage::{
    ALICE, BASE, BOB, DEADTIME, NO_GAP, NODES, SERVICES, SOON, Stage, WEB, WEB_GROUP, WEB6, demand,
    named, node_name, play,
};

const HARESOURCES: &str = "alice 10.9.0.50/24/eth0 IPv6addr::fd09::50/64/eth0 flaky\n\
     bob 10.9.0.51/24/eth0 Dummy::base\n";
const FLAKY: &str = "#!/bin/sh\n\
     cd \"${0%/*}\" || exit 1\n\
     echo $1 >>asked\n\
     [ ! -e hang-$1 ] || sleep 12345\n\
     case $1 in\n\
     start) [ ! -e no-start ] || exit 1; : >runs ;;\n\
     stop) [ ! -e no-stop ] || exit 1; rm -f runs ;;\n\
     status) if [ -e runs ]; then echo running; else echo stopped; fi ;;\n\
     esac\n";
/// A start that failed is tried again after half a minute.
pub(crate) const RETRIED: Duration = Duration::from_secs(60);

pub(crate) fn start_on_one() -> Result<(), Error> {
    play("auto_failback on", |stage| {
        prepare(stage)?;
        fail(stage, ALICE, "no-start", true)?;
        start(stage)?;
        stage.settled([BOB, BOB])?;
        stays(stage)?;
        demand_starts(stage, [1, 1])?;
        let told = stage.events(ALICE, |event| match &event.kind {
            Kind::ActionFailed {
                resource,
                operation: Operation::Start,
                ..
            } => Some(resource.clone()),
            _ => None,
        })?;
        demand(told == ["flaky"], &format!("alice told it once: {told:?}"))?;
        stage.demand_neighbour(&[WEB, WEB6], BOB)?;

        fail(stage, ALICE, "no-start", false)?;
        cleanup(stage, BOB)?;
        stage.settled([ALICE, BOB])?;
        stays(stage)?;
        demand_starts(stage, [2, 1])?;
        stage.demand_overlaps(&SERVICES, Duration::ZERO, Duration::ZERO)?;
        base_untouched(stage)
    })
}

/// What cannot be run on alice can neither be started nor stopped there: that does not block the group.
pub(crate) fn cannot_run() -> Result<(), Error> {
    play("auto_failback on", |stage| {
        prepare(stage)?;
        let script = stage.config(ALICE, "resource.d/flaky");
        scratch::write_script(&script, "#!/no/such/shell\n")?;
        start(stage)?;
        stage.settled([BOB, BOB])?;
        stays(stage)?;
        demand_starts(stage, [0, 1])?;
        let failed = Kind::ActionFailed {
            group: named(WEB_GROUP)?,
            resource: "flaky".into(),
            operation: Operation::Start,
            why: "it cannot be run: No such file or directory".into(),
            failures: 1,
        };
        let told = stage.events(ALICE, |event| {
            matches!(event.kind, Kind::ActionFailed { .. }).then(|| event.kind.clone())
        })?;
        demand(told == [failed], &format!("alice told it once: {told:?}"))?;
        let heard = stage.events(BOB, |event| match &event.kind {
            Kind::GroupState {
                reason:
                    GroupReason::Announced {
                        failure: Some(failure),
                        ..
                    },
                ..
            } => Some(failure.clone()),
            _ => None,
        })?;
        let failure = "start of flaky failed: it cannot be run: No such file or directory";
        demand(
            heard.first().is_some_and(|first| first == failure),
            &format!("bob heard of it: {heard:?}"),
        )?;

        scratch::write_script(&script, FLAKY)?;
        cleanup(stage, BOB)?;
        stage.settled([ALICE, BOB])?;
        demand_starts(stage, [1, 1])?;
        stage.demand_overlaps(&SERVICES, Duration::ZERO, Duration::ZERO)?;
        base_untouched(stage)
    })
}

pub(crate) fn start_on_both() -> Result<(), Error> {
    play("auto_failback on", |stage| {
        prepare(stage)?;
        for node in [ALICE, BOB] {
            fail(stage, node, "no-start", true)?;
        }
        start(stage)?;
        wait::until_true(SOON, "both have tried", || {
            Ok(starts(stage, ALICE) + starts(stage, BOB) == 2)
        })?;
        for node in [ALICE, BOB] {
            stage.group_is(node, WEB_GROUP, "is stopped and has failed", |view| {
                view.nodes.is_empty() && !view.failures.is_empty()
            })?;
        }
        stays(stage)?;
        demand_starts(stage, [1, 1])?;
        fail(stage, BOB, "no-start", false)?;
        wait::until_true(RETRIED, "it is tried again and runs on bob", || {
            stage.seen(|record| record.is_there(WEB, BOB))
        })?;
        stage.settled([BOB, BOB])?;
        stays(stage)?;
        let tried = [starts(stage, ALICE), starts(stage, BOB)];
        demand(
            tried[0] <= 2 && tried[1] == 2,
            &format!("no more than once each: {tried:?}"),
        )?;
        stage.demand_overlaps(&SERVICES, Duration::ZERO, Duration::ZERO)?;
        base_untouched(stage)
    })
}

pub(crate) fn stop() -> Result<(), Error> {
    play("auto_failback on", |stage| {
        prepare(stage)?;
        start(stage)?;
        stage.settled([ALICE, BOB])?;
        fail(stage, ALICE, "no-stop", true)?;
        let ordered = stage.now();
        stage.order_move(ALICE, WEB_GROUP, BOB)?;
        for node in [ALICE, BOB] {
            stage.group_is(node, WEB_GROUP, "is blocked on alice", |view| {
                let mut nodes = view.nodes.iter();
                nodes.any(|(name, on)| {
                    name.as_str() == NODES[ALICE] && on.state == GroupState::Blocked
                })
            })?;
        }
        stays(stage)?;
        stage.seen(|record| record.demand_unchanged(ordered))??;
        demand_starts(stage, [1, 0])?;
        stage.demand_gaps(&SERVICES, ordered, NO_GAP)?;

        fail(stage, ALICE, "no-stop", false)?;
        cleanup(stage, ALICE)?;
        stage.settled([BOB, BOB])?;
        demand_starts(stage, [1, 1])?;
        stage.demand_overlaps(&SERVICES, Duration::ZERO, Duration::ZERO)?;
        base_untouched(stage)
    })
}

pub(crate) fn prepare(stage: &Stage) -> Result<(), Error> {
    stage.write_haresources(HARESOURCES)?;
    let mut nodes = [ALICE, BOB].into_iter();
    nodes.try_for_each(|node| scratch::write_script(&stage.config(node, "resource.d/flaky"), FLAKY))
}

pub(crate) fn start(stage: &mut Stage) -> Result<(), Error> {
    for daemon in &mut stage.daemons {
        daemon.start()?;
    }
    stage.both_active()
}

/// What fails, and where.
pub(crate) fn fail(stage: &Stage, node: usize, what: &str, fails: bool) -> Result<(), Error> {
    let file = stage.config(node, &format!("resource.d/{what}"));
    match fails {
        true => scratch::write(&file, ""),
        false => error::file(format!("remove {}", file.display()), fs::remove_file(&file)),
    }
}

/// How often a node was asked to start it.
pub(crate) fn starts(stage: &Stage, node: usize) -> usize {
    let asked = fs::read_to_string(stage.config(node, "resource.d/asked"));
    let asked = asked.unwrap_or_default();
    asked.lines().filter(|word| *word == "start").count()
}

pub(crate) fn demand_starts(stage: &Stage, expected: [usize; 2]) -> Result<(), Error> {
    let found = [starts(stage, ALICE), starts(stage, BOB)];
    demand(
        found == expected,
        &format!("so often it was started: {expected:?}, not {found:?}"),
    )
}

pub(crate) fn cleanup(stage: &Stage, node: usize) -> Result<(), Error> {
    let groups = Choice::Named(vec![named(WEB_GROUP)?]);
    stage.order(node, GroupVerb::Cleanup { groups })
}

/// For a while nothing comes, goes, or is tried.
pub(crate) fn stays(stage: &Stage) -> Result<(), Error> {
    let since = stage.now();
    let tried = [starts(stage, ALICE), starts(stage, BOB)];
    wait::stays_true(2 * DEADTIME, "nothing is tried", || {
        let unchanged = stage.seen(|record| record.demand_unchanged(since).is_ok())?;
        Ok(unchanged && [starts(stage, ALICE), starts(stage, BOB)] == tried)
    })
}

/// Bob's group came once, and never went.
pub(crate) fn base_untouched(stage: &Stage) -> Result<(), Error> {
    let bob = node_name(BOB)?;
    let changes = stage.seen(|record| {
        let changes = record.changes.iter();
        changes.filter(|change| change.ip == BASE).count()
    })?;
    demand(
        changes == 1,
        &format!("the group of {bob} came once: {changes}"),
    )
}
