//! A node dies, and comes back.

use std::net::IpAddr;
use std::time::Duration;

use hbd_tests::error::Error;
use hbd_tests::wait;

use crate::stage::{
    ALICE, BASE, BOB, DEADTIME, KEEPALIVE, LEASE, MOVE_GAP, NO_GAP, SECOND, SERVICES, SOON, Stage,
    WEB, WEB6, demand_between, limit, play_running,
};
use hbd_tests::observer::record::At;

const HERS: [IpAddr; 2] = [WEB, WEB6];

pub(crate) fn with_failback() -> Result<(), Error> {
    play_running("auto_failback on", |stage| {
        dies(stage)?;
        let returned = returns(stage)?;
        for ip in HERS {
            stage.answered(ip, ALICE, returned, SOON)?;
        }
        stage.settled([ALICE, BOB])?;
        let gap = stage.demand_gaps(&HERS, returned, limit(MOVE_GAP))?;
        println!("longest gap while it went back: {gap:?}");
        stage.demand_gaps(&[BASE], returned, NO_GAP)?;
        stage.demand_overlaps(&SERVICES, returned, Duration::ZERO)?;
        stage.demand_neighbour(&HERS, ALICE)
    })
}

pub(crate) fn without_failback() -> Result<(), Error> {
    play_running("auto_failback off", |stage| {
        dies(stage)?;
        let returned = returns(stage)?;
        stage.both_active()?;
        wait::stays_true(DEADTIME, "bob keeps what he took over", || {
            stage.seen(|record| record.demand_unchanged(returned).is_ok())
        })?;
        stage.settled([BOB, BOB])?;
        stage.demand_gaps(&SERVICES, returned, NO_GAP)?;
        stage.demand_neighbour(&HERS, BOB)
    })
}

/// Alice loses power, and her cable with it; bob serves.
fn dies(stage: &mut Stage) -> Result<(), Error> {
    let before = stage.now();
    stage.daemons[ALICE].crash()?;
    stage.plug(ALICE, false)?;
    let dead = stage.now();
    for ip in HERS {
        let served = stage.answered(ip, BOB, before, SOON)?;
        let earliest = DEADTIME.saturating_sub(2 * KEEPALIVE);
        demand_between(
            &format!("{ip} is served again"),
            served.saturating_sub(before),
            earliest,
            dead.saturating_sub(before) + DEADTIME + limit(SECOND),
        )?;
    }
    stage.demand_gaps(&[BASE], before, NO_GAP)?;
    stage.demand_neighbour(&HERS, BOB)
}

/// The kernel took away what was left on alice, as a machine that boots would have lost it; her cable is in again, and
/// she starts.
fn returns(stage: &mut Stage) -> Result<At, Error> {
    for ip in HERS {
        stage.changed(ip, (ALICE, false), Duration::ZERO, LEASE + limit(SECOND))?;
    }
    stage.plug(ALICE, true)?;
    let returned = stage.now();
    stage.daemons[ALICE].start()?;
    Ok(returned)
}
