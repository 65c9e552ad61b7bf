//! How long no service answers, where hbd takes the place of one of two Heartbeats, and where none does.
//!
//! Three pairs play a [`Tour`] at the same time on the same machine: two Heartbeats, and hbd in either seat beside one.
//! They do so again and again, and each time a step begins at another part of a beat: a Heartbeat does much only
//! when it beats. What differs between two runs by chance (the part of a beat that had passed when a node
//! died, the scripts of Heartbeat on a busy machine) is in all of them.

use std::thread;
use std::time::Duration;

use hbd_tests::error::{Error, unexpected};
use hbd_tests::race::{Promise, Step, judge};

use super::company::{ALICE, BOB, KEEPALIVE, NAMES};
use super::expected::Expected;
use super::tour::{Gaps, NOISE, Tour};
use crate::peer::Kind;

/// How often each pair plays. That all of so many gaps are longer than all of so many others happens once in 3432 times
/// by chance.
const ROUNDS: u32 = 7;
/// Rounds that two Heartbeats may spoil by themselves: what a script of theirs writes is lost now and then.
const SPOILT_MAX: u32 = 3;

/// All gaps of a round: of two Heartbeats, and with hbd in each seat.
struct Round {
    real: Vec<Gaps>,
    mixed: [Vec<Gaps>; 2],
}

impl Round {
    /// Nothing where the two Heartbeats did not end as they had, and why.
    fn play(
        tour: &Tour,
        expected: &Expected,
        pause: Duration,
    ) -> Result<Result<Self, Error>, Error> {
        const HEARTBEATS: [Kind; 2] = [Kind::Heartbeat; 2];
        thread::scope(|scope| {
            let kinds = [
                HEARTBEATS,
                [Kind::Hbd, Kind::Heartbeat],
                [Kind::Heartbeat, Kind::Hbd],
            ];
            let pairs = kinds.map(|kinds| scope.spawn(move || tour.gaps(expected, kinds, pause)));
            let [real, alice, bob] = pairs.map(|pair| {
                pair.join()
                    .unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
            });
            let mixed = [alice?, bob?];
            Ok(real.map(|real| Self { real, mixed }))
        })
    }
}

/// Races, and judges.
pub(crate) fn race(tour: &Tour) -> Result<(), Error> {
    let expected = Expected::read(tour.name)?;
    let (mut rounds, mut spoilt) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        let pause = KEEPALIVE * round / ROUNDS;
        rounds.push(loop {
            match Round::play(tour, &expected, pause)? {
                Ok(round) => break round,
                Err(reason) if spoilt == SPOILT_MAX => return Err(reason),
                Err(_) => spoilt += 1,
            }
        });
    }
    println!(
        "{}: {spoilt} rounds were spoilt by two Heartbeats and played again",
        tour.name
    );
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for seat in [ALICE, BOB] {
        let mut before = [None; 2];
        for (place, outcome) in expected.steps.iter().enumerate() {
            for service in [ALICE, BOB] {
                let real = rounds.iter().filter_map(|round| round.real[place][service]);
                let mixed = rounds
                    .iter()
                    .filter_map(|round| round.mixed[seat][place][service]);
                let step = Step {
                    name: format!("hbd is {}, {}", NAMES[seat], outcome.step),
                    judged: mixed.collect(),
                    other: real.collect(),
                };
                let gaps = step.judged.iter().chain(&step.other);
                if gaps.max() <= Some(&NOISE) {
                    continue;
                }
                let after = outcome.holders[service];
                match after == Some(seat) && before[service] != after {
                    true => ours.push(step),
                    false => theirs.push(step),
                }
            }
            before = outcome.holders;
        }
    }
    let ours = told(&format!("{}, hbd takes", tour.name), &ours, Promise::Faster);
    let theirs = told(
        &format!("{}, the Heartbeat takes", tour.name),
        &theirs,
        Promise::NoSlower,
    );
    match ours + &theirs {
        wrong if wrong.is_empty() => Ok(()),
        wrong => unexpected(wrong),
    }
}

/// Tells what was measured, and returns what is wrong with it.
fn told(what: &str, steps: &[Step], promise: Promise) -> String {
    println!(
        "{what}; ms, minimum / median / maximum: with hbd; of two Heartbeats; part of the matches it is longer in"
    );
    for step in steps {
        println!("{}", step.line());
    }
    let verdict = judge(steps, promise);
    let (count, slower, limit) = (steps.len(), verdict.slower, verdict.limit);
    let summary =
        format!("{what}: longer in {slower:.3} of the matches of {count} steps, limit {limit:.3}");
    println!("{summary}");
    match verdict.held {
        true => String::new(),
        false => format!("\n{summary}; always longer: {:?}", verdict.always),
    }
}
