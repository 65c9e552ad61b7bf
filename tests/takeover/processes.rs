//! Processes die or stand still, and nobody who is served notices.

use std::collections::BTreeMap;
use std::time::Duration;

use hbd_tests::error::Error;
use hbd_tests::sim::{Random, seed};
use hbd_tests::tier::Tier;
use hbd_tests::wait;
use nix::sys::signal::Signal::{SIGKILL, SIGSTOP};

use crate::stage::{
    ALICE, BASE, BOB, DEADTIME, LEASE, NO_GAP, NODES, SECOND, SERVICES, SOON, Stage, WEB, WEB6,
    demand, demand_between, limit, play_running,
};

/// Kills, by tier.
const KILLS_CI: usize = 20;
const KILLS_LONG: usize = 100;
/// Time between two kills.
const APART: [Duration; 2] = [Duration::from_millis(1000), Duration::from_millis(1500)];
/// Of a hundred packets between the nodes, where some are lost. That eight beats in a row are, all of a `deadtime` but
/// those that a core which is replaced does not send, happens in less than one of a thousand runs.
const LOST_PERCENT: u8 = 20;
const ROLES: [&str; 3] = ["supervisor", "core", "manager"];

/// Any of them, on any node, again and again.
pub(crate) fn killed() -> Result<(), Error> {
    killed_again_and_again(0)
}

/// The same while beats and declarations are lost.
pub(crate) fn killed_over_losses() -> Result<(), Error> {
    killed_again_and_again(LOST_PERCENT)
}

fn killed_again_and_again(lost_percent: u8) -> Result<(), Error> {
    let seed = seed();
    let kills = match Tier::of_this_run() {
        Tier::Long => KILLS_LONG,
        _ => KILLS_CI,
    };
    let mut random = Random::new(seed);
    let played = play_running("auto_failback on", |stage| {
        let begin = stage.now();
        stage.lose(lost_percent)?;
        let mut killed = BTreeMap::new();
        for _ in 0..kills {
            let pause = random.span(APART[0], APART[1]);
            stays_served(stage, pause)?;
            let (node, role) = (*random.pick(&[ALICE, BOB]), *random.pick(&ROLES));
            kill(stage, node, role)?;
            *killed.entry((NODES[node], role)).or_insert(0) += 1;
        }
        stays_served(stage, DEADTIME + SECOND)?;
        stage.both_active()?;
        stage.settled([ALICE, BOB])?;
        stage.seen(|record| record.demand_unchanged(begin))??;
        for node in [ALICE, BOB] {
            let takeovers = stage.takeovers(node)?;
            demand(
                takeovers == 0,
                &format!("{} took nothing over", NODES[node]),
            )?;
        }
        println!("{kills} kills: {killed:?}");
        for ip in SERVICES {
            let gap = stage.demand_gaps(&[ip], begin, NO_GAP)?;
            println!("longest gap of {ip}: {gap:?}");
        }
        Ok(())
    });
    played.map_err(|error| Error::Unexpected(format!("HBD_SEED={seed}: {error}")))
}

fn stays_served(stage: &Stage, span: Duration) -> Result<(), Error> {
    wait::stays_true(span, "no address comes or goes", || {
        stage.seen(|record| {
            let there = [(WEB, ALICE), (WEB6, ALICE), (BASE, BOB)];
            there.iter().all(|(ip, node)| record.is_there(*ip, *node))
        })
    })
}

fn kill(stage: &Stage, node: usize, role: &str) -> Result<(), Error> {
    let condition = format!("{} has a {role}", NODES[node]);
    wait::until_true(SOON, &condition, || {
        Ok(stage.daemons[node].signal(role, SIGKILL).is_ok())
    })
}

/// Nobody is left on alice to remove what she held.
pub(crate) fn all_killed() -> Result<(), Error> {
    play_running("auto_failback off", |stage| {
        let before = stage.now();
        stage.daemons[ALICE].crash()?;
        let killed = stage.now();
        for ip in [WEB, WEB6] {
            let served = stage.answered(ip, BOB, before, SOON)?;
            let took = served.saturating_sub(before);
            let longest = killed.saturating_sub(before) + DEADTIME + limit(SECOND);
            demand_between(
                &format!("{ip} is served by bob"),
                took,
                DEADTIME / 2,
                longest,
            )?;
        }
        for ip in [WEB, WEB6] {
            let gone = stage.changed(ip, (ALICE, false), before, LEASE + limit(SECOND))?;
            let took = gone.saturating_sub(before);
            let longest = killed.saturating_sub(before) + LEASE + limit(SECOND);
            let what = format!("the kernel took {ip} from alice");
            demand_between(&what, took, DEADTIME, longest)?;
            let bound = LEASE - DEADTIME + limit(SECOND);
            let overlap = stage.demand_overlaps(&[ip], before, bound)?;
            println!("both had {ip} for {overlap:?}");
        }
        stage.demand_neighbour(&[WEB, WEB6], BOB)?;
        stage.demand_gaps(&[BASE], before, NO_GAP)?;
        Ok(())
    })
}

/// A manager that hangs, here and there, is replaced.
pub(crate) fn manager_hangs() -> Result<(), Error> {
    play_running("auto_failback on", |stage| {
        let begin = stage.now();
        for node in [ALICE, BOB] {
            let former = stage.daemons[node].signal("manager", SIGSTOP)?;
            let condition = format!("{} has another manager", NODES[node]);
            wait::until_true(SOON, &condition, || {
                let manager = stage.daemons[node].manager();
                Ok(manager.is_ok_and(|manager| manager.pid != former))
            })?;
        }
        stays_served(stage, LEASE + SECOND)?;
        stage.settled([ALICE, BOB])?;
        stage.seen(|record| record.demand_unchanged(begin))??;
        let gap = stage.demand_gaps(&SERVICES, begin, NO_GAP)?;
        println!("longest gap while managers hung: {gap:?}");
        Ok(())
    })
}
