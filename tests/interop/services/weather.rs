//! Bad weather: a fifth of all packets is lost in each direction, and orders, ends and deaths come at random.
//!
//! After each, the pair comes to rest: each service is on exactly one node, both nodes say so, and nothing is under
//! way. At no moment both have one.

use std::time::{Duration, Instant};

use hbd_tests::error::Error;
use hbd_tests::sim::{Random, seed};

use super::company::{ALICE, BOB, PLAIN, Pair, QUIET, Seat};
use super::tour::Act::{self, Crash, Restart, Standby, Start, Stop, Takeover, Weather};
use crate::peer::Kind;

const TIME: Duration = Duration::from_secs(30 * 60);
const LOST_PERCENT: u8 = 20;
const WORDS: [&str; 4] = ["all", "local", "foreign", "failback"];

/// With `auto_failback on`; alice is a real Heartbeat, bob hbd.
pub(crate) fn bad() -> Result<(), Error> {
    let seed = seed();
    let mut random = Random::new(seed);
    let mut pair = Pair::new("auto_failback on\n", PLAIN, [Kind::Heartbeat, Kind::Hbd])?;
    let mut rounds = 0;
    pair.act(Act::StartBoth)?;
    rests(&pair, "both begin")?;
    pair.act(Weather(LOST_PERCENT))?;
    let end = Instant::now() + TIME;
    while Instant::now() < end {
        rounds += 1;
        for act in happenings(&mut random) {
            let what = format!("HBD_SEED={seed}, round {rounds}: {act:?}");
            let from = pair.now();
            pair.act(act)?;
            rests(&pair, &what)?;
            pair.two_for(Duration::ZERO, from, pair.now())
                .map_err(|error| Error::Unexpected(format!("{what}: {error}")))?;
        }
    }
    println!("{rounds} rounds");
    Ok(())
}

/// What happens next; who ends begins again.
fn happenings(random: &mut Random) -> Vec<Act> {
    let seat: Seat = *random.pick(&[ALICE, BOB]);
    let word = random.pick(&WORDS);
    match random.below(8) {
        0 => vec![Crash(seat), Start(seat)],
        1 => vec![Stop(seat), Start(seat)],
        2 => vec![Restart(seat)],
        3..=5 => vec![Standby(seat, word)],
        _ => vec![Takeover(seat, word)],
    }
}

/// Waits until each service is on one node that says so.
fn rests(pair: &Pair, what: &str) -> Result<(), Error> {
    let rest = pair.quiet(what, QUIET, |sight| {
        let owned = sight.holders.iter().all(Option::is_some);
        Ok(owned && sight.is_said() && pair.agrees(sight.holders)?)
    });
    rest.map(drop)
}
