//! hbd is stopped, and started again.

use std::time::Duration;

use hbd_tests::error::Error;

use crate::stage::{
    ALICE, BASE, BOB, DEADTIME, MOVE_GAP, NO_GAP, SECOND, SERVICES, SOON, Stage, WEB, WEB6, demand,
    demand_between, limit, play_running,
};
use hbd_tests::observer::record::At;

pub(crate) fn of_one() -> Result<(), Error> {
    play_running("auto_failback on", |stage| {
        let ordered = stage.now();
        stage.daemons[ALICE].terminate(SOON)?;
        for ip in [WEB, WEB6] {
            let served = stage.answered(ip, BOB, ordered, SOON)?;
            demand_between(
                &format!("{ip} is served by bob"),
                served.saturating_sub(ordered),
                Duration::ZERO,
                DEADTIME / 2,
            )?;
            stage.seen(|record| record.demand_handed_over(ip, (ALICE, BOB), ordered))??;
        }
        let gap = stage.demand_gaps(&[WEB, WEB6], ordered, limit(MOVE_GAP))?;
        println!("longest gap: {gap:?}");
        stage.demand_gaps(&[BASE], ordered, NO_GAP)?;
        stage.demand_overlaps(&SERVICES, Duration::ZERO, Duration::ZERO)?;
        let ordered = stage.now();
        stage.daemons[BOB].terminate(SOON)?;
        for ip in SERVICES {
            stage.changed(ip, (BOB, false), ordered, SOON)?;
        }
        Ok(())
    })
}

pub(crate) fn of_both() -> Result<(), Error> {
    play_running("auto_failback on", |stage| {
        let ordered = stage.now();
        let [alice, bob] = &mut stage.daemons;
        std::thread::scope(|scope| {
            let other = scope.spawn(|| bob.terminate(SOON));
            alice.terminate(SOON)?;
            other
                .join()
                .unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
        })?;
        for ip in SERVICES {
            for node in [ALICE, BOB] {
                let gone = stage.seen(|record| !record.is_there(ip, node))?;
                demand(gone, &format!("machine {node} has no {ip}"))?;
            }
        }
        stage.demand_overlaps(&SERVICES, ordered, Duration::ZERO)?;
        Ok(())
    })
}

/// Ended in order, then killed whole, and each time started before deadtime is over.
pub(crate) fn restart() -> Result<(), Error> {
    play_running("auto_failback on", |stage| {
        let begin = stage.now();
        stage.daemons[ALICE].terminate(SOON)?;
        stage.daemons[ALICE].start_beside()?;
        one_owner(stage, begin)?;
        let gap = stage.demand_gaps(&[WEB, WEB6], begin, limit(MOVE_GAP))?;
        println!("longest gap of an orderly restart: {gap:?}");
        let begin = stage.now();
        stage.daemons[ALICE].crash()?;
        stage.daemons[ALICE].start_beside()?;
        one_owner(stage, begin)?;
        let gap = stage.demand_gaps(&[WEB, WEB6], begin, DEADTIME + limit(SECOND))?;
        println!("longest gap of a restart after kill -9: {gap:?}");
        stage.demand_gaps(&[BASE], begin, NO_GAP)?;
        Ok(())
    })
}

/// In the end alice has her group, and nobody had it beside her.
fn one_owner(stage: &Stage, since: At) -> Result<(), Error> {
    stage.both_active()?;
    stage.settled([ALICE, BOB])?;
    stage.demand_overlaps(&SERVICES, since, Duration::ZERO)?;
    stage.demand_neighbour(&[WEB, WEB6], ALICE)
}
