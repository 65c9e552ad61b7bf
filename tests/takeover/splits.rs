//! The nodes do not hear each other, or one of them stands still.

use std::net::IpAddr;
use std::time::Duration;

use hbd_tests::error::Error;
use hbd_tests::wait;
use shared::event::Kind;

use crate::stage::{
    ALICE, BASE, BASE_GROUP, BOB, DEADTIME, LEASE, MOVE_GAP, NO_GAP, NODES, SECOND, SERVICES, SOON,
    Stage, WEB, WEB_GROUP, WEB6, demand, demand_between, limit, play_running,
};

/// Longer than deadtime, shorter than what is left of a lease.
const FREEZE: Duration = Duration::from_secs(3);

pub(crate) fn partition() -> Result<(), Error> {
    play_running("auto_failback off", |stage| {
        let parted = stage.now();
        stage.part(true)?;
        for (ip, taker) in [(WEB, BOB), (WEB6, BOB), (BASE, ALICE)] {
            let taken = stage.changed(ip, (taker, true), parted, SOON)?;
            let longest = DEADTIME + limit(SECOND);
            let took = taken.saturating_sub(parted);
            demand_between(&format!("both have {ip}"), took, DEADTIME / 2, longest)?;
        }
        for node in [ALICE, BOB] {
            wait::until_true(SOON, "whoever took over knows of the other", || {
                let contested = stage.events(node, |event| {
                    matches!(event.kind, Kind::AddressContested { .. }).then_some(())
                });
                Ok(!contested?.is_empty())
            })?;
        }
        heals(
            stage,
            &[(WEB, BOB, ALICE), (WEB6, BOB, ALICE), (BASE, ALICE, BOB)],
        )?;
        for (node, group, keeper) in [
            (ALICE, WEB_GROUP, ALICE),
            (BOB, WEB_GROUP, ALICE),
            (ALICE, BASE_GROUP, BOB),
            (BOB, BASE_GROUP, BOB),
        ] {
            said_who_keeps(stage, node, group, keeper)?;
        }
        Ok(())
    })
}

/// Bob does not hear alice, who hears him: she gives up what he holds too, and he keeps it when
/// packets pass again.
pub(crate) fn one_way() -> Result<(), Error> {
    play_running("auto_failback off", |stage| {
        let muted = stage.now();
        stage.mute_alice()?;
        for ip in [WEB, WEB6] {
            let taken = stage.changed(ip, (BOB, true), muted, SOON)?;
            let took = taken.saturating_sub(muted);
            let longest = DEADTIME + limit(SECOND);
            demand_between(&format!("both have {ip}"), took, DEADTIME / 2, longest)?;
            let yielded = stage.changed(ip, (ALICE, false), taken, SOON)?;
            let overlap = yielded.saturating_sub(taken);
            println!("{ip} was on both for {overlap:?}");
            let longest = limit(2 * SECOND);
            demand_between(
                &format!("alice gives {ip} up"),
                overlap,
                Duration::ZERO,
                longest,
            )?;
        }
        wait::until_true(SOON, "alice knows that she was declared dead", || {
            let told = stage.events(ALICE, |event| {
                matches!(event.kind, Kind::DeclaredDead { .. }).then_some(())
            });
            Ok(!told?.is_empty())
        })?;
        let healed = stage.now();
        stage.part(false)?;
        stage.settled([BOB, BOB])?;
        for ip in [WEB, WEB6] {
            let untouched = stage.seen(|record| record.changed(ip, BOB, false, muted).is_none())?;
            demand(untouched, &format!("bob keeps {ip}"))?;
        }
        stage.demand_neighbour(&[WEB, WEB6, BASE], BOB)?;
        stage.demand_gaps(&SERVICES, healed, NO_GAP)?;
        let untouched = stage.seen(|record| record.changed(BASE, ALICE, true, muted).is_none())?;
        demand(untouched, "alice never took bob's group")?;
        stage.demand_gaps(&[BASE], muted, NO_GAP)?;
        Ok(())
    })
}

/// Packets pass again. Of each address: who gives it up, and who keeps it.
fn heals(stage: &Stage, contested: &[(IpAddr, usize, usize)]) -> Result<(), Error> {
    let healed = stage.now();
    stage.part(false)?;
    for (ip, taker, keeper) in contested {
        let lost = stage.changed(*ip, (*taker, false), healed, SOON)?;
        demand_between(
            &format!("{} gives {ip} up", NODES[*taker]),
            lost.saturating_sub(healed),
            Duration::ZERO,
            limit(SECOND),
        )?;
        stage.answered(*ip, *keeper, lost, SOON)?;
    }
    stage.settled([ALICE, BOB])?;
    keepers_never_lost(stage)?;
    stage.demand_neighbour(&[WEB, WEB6], ALICE)?;
    stage.demand_neighbour(&[BASE], BOB)?;
    let gap = stage.demand_gaps(&SERVICES, healed, limit(MOVE_GAP))?;
    println!("longest gap after the heal: {gap:?}");
    Ok(())
}

/// What was held before the silence was held all the time.
fn keepers_never_lost(stage: &Stage) -> Result<(), Error> {
    for (ip, keeper) in [(WEB, ALICE), (WEB6, ALICE), (BASE, BOB)] {
        let lost = stage.seen(|record| record.changed(ip, keeper, false, Duration::ZERO))?;
        demand(
            lost.is_none(),
            &format!("{} never lost {ip}", NODES[keeper]),
        )?;
    }
    Ok(())
}

fn said_who_keeps(stage: &Stage, node: usize, group: &str, keeper: usize) -> Result<(), Error> {
    let said = stage.events(node, |event| match &event.kind {
        Kind::GroupContested {
            group: name,
            keeper,
            ..
        } if name.as_str() == group => Some(keeper.as_str().to_owned()),
        _ => None,
    })?;
    demand(
        said == [NODES[keeper]],
        &format!(
            "{} says once that {} keeps {group}: {said:?}",
            NODES[node], NODES[keeper]
        ),
    )
}

pub(crate) fn freeze() -> Result<(), Error> {
    play_running("auto_failback on", |stage| {
        let frozen = stage.now();
        stage.daemons[ALICE].pause()?;
        for ip in [WEB, WEB6] {
            let served = stage.answered(ip, BOB, frozen, SOON)?;
            demand_between(
                &format!("{ip} is served by bob"),
                served.saturating_sub(frozen),
                DEADTIME / 2,
                DEADTIME + limit(SECOND),
            )?;
        }
        wait::until_true(SOON, "she stood still for long enough", || {
            Ok(stage.now() >= frozen + FREEZE)
        })?;
        let thawed = stage.now();
        stage.daemons[ALICE].resume()?;
        stage.both_active()?;
        stage.settled([ALICE, BOB])?;
        for ip in [WEB, WEB6] {
            let overlap = stage.demand_overlaps(&[ip], frozen, LEASE - DEADTIME + limit(SECOND))?;
            println!("both had {ip} for {overlap:?}");
            let after = stage.demand_overlaps(&[ip], thawed, limit(SECOND))?;
            println!("of it after the thaw: {after:?}");
            stage.answered(ip, ALICE, thawed, SOON)?;
        }
        stage.demand_neighbour(&[WEB, WEB6], ALICE)?;
        // Who slept accuses nobody.
        let taken = stage.seen(|record| record.changed(BASE, ALICE, true, Duration::ZERO))?;
        demand(taken.is_none(), "alice never took bob's group")?;
        stage.demand_overlaps(&[BASE], Duration::ZERO, Duration::ZERO)?;
        Ok(())
    })
}
