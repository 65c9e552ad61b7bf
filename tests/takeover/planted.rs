//! The observer, put to the proof on real machines on which nothing of hbd runs: what the tests do by hand there, it
//! must see.

use std::time::Duration;

use hbd_tests::error::{Error, unexpected};
use hbd_tests::wait;

use crate::stage::{ALICE, BOB, NO_GAP, SOON, Stage, WEB, WEB6, demand, play};

const SPELLED: [&str; 2] = ["10.9.0.50/24", "fd09::50/64"];
/// Of each fault.
const LENGTH: Duration = Duration::from_millis(200);

pub(crate) fn faults() -> Result<(), Error> {
    play("", |stage| {
        for (ip, text) in [WEB, WEB6].into_iter().zip(SPELLED) {
            let begin = stage.now();
            put(stage, ALICE, "add", text)?;
            stage.answered(ip, ALICE, begin, SOON)?;
            let there = stage.now();
            for_a_while(stage)?;
            stage.demand_gaps(&[ip], there, NO_GAP)?;
            stage.demand_overlaps(&[ip], begin, Duration::ZERO)?;

            put(stage, BOB, "add", text)?;
            for_a_while(stage)?;
            put(stage, BOB, "del", text)?;
            stage.changed(ip, (BOB, false), begin, SOON)?;
            let overlap = stage.seen(|record| record.overlap(ip, begin, stage.now()))?;
            demand(
                overlap >= LENGTH,
                &format!("an overlap was seen: {overlap:?}"),
            )?;
            complains(stage.demand_overlaps(&[ip], begin, NO_GAP))?;

            put(stage, ALICE, "del", text)?;
            for_a_while(stage)?;
            complains(stage.demand_gaps(&[ip], there, NO_GAP))?;
            complains(stage.seen(|record| record.demand_unchanged(there))?)?;
        }
        Ok(())
    })
}

fn put(stage: &Stage, node: usize, verb: &str, address: &str) -> Result<(), Error> {
    let words = ["addr", verb, address, "dev", "eth0"];
    stage.machines[node].ip(&words).map(drop)
}

fn for_a_while(stage: &Stage) -> Result<(), Error> {
    let end = stage.now() + LENGTH;
    wait::until_true(SOON, "a while is over", || Ok(stage.now() >= end))
}

fn complains<T>(result: Result<T, Error>) -> Result<(), Error> {
    match result {
        Ok(_) => unexpected("nothing was complained of"),
        Err(_) => Ok(()),
    }
}
