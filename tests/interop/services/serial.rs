//! Services of a pair with nothing but a serial line between its nodes.

use std::fmt::Write as _;
use std::time::Duration;

use hbd_tests::error::{Error, unexpected};

use super::company::{ALICE, BOB, PLAIN, Pair};
use super::faults::{
    ALL_ON_ALICE, ALL_ON_BOB, ALL_ON_BOTH, CONTACT, DEAD, EACH_ITS_OWN, Step, follow, step,
};
use super::tour::Act::{Crash, Cut, Join, Standby, Start, StartBoth};
use super::tour::complaints;
use crate::allowed::Allowed;
use crate::peer::Kind;

/// With `auto_failback on`; alice is a real Heartbeat, bob hbd.
const MOVES: &[Step] = &[
    step("both begin", &[StartBoth], EACH_ITS_OWN),
    step("bob dies", &[Crash(BOB)], ALL_ON_ALICE),
    step("bob returns", &[Start(BOB)], EACH_ITS_OWN),
    step("alice dies", &[Crash(ALICE)], ALL_ON_BOB).with_alice(DEAD),
    step("alice returns", &[Start(ALICE)], EACH_ITS_OWN),
    step("alice gives all", &[Standby(ALICE, "all")], ALL_ON_BOB),
    step(
        "bob gives her own back",
        &[Standby(BOB, "foreign")],
        EACH_ITS_OWN,
    ),
    step("bob gives all", &[Standby(BOB, "all")], ALL_ON_ALICE),
    step(
        "alice gives his own back",
        &[Standby(ALICE, "foreign")],
        EACH_ITS_OWN,
    ),
];

/// After them.
const SPLIT: &[Step] = &[
    step("the line is cut", &[Cut], ALL_ON_BOTH)
        .with_two(Duration::MAX)
        .with_alice(DEAD),
    step("it is whole again", &[Join], EACH_ITS_OWN).with_two(CONTACT),
];

/// After a split hbd keeps what both hold and says so, where a Heartbeat says nothing and starts anew.
const AFTER_A_SPLIT: [&str; 2] = [
    "ERROR: Both machines own foreign resources!",
    "ERROR: Both machines own our resources!",
];

/// Deaths, moves, and a line that was cut; the Heartbeat logs no error that it does not log beside another one.
pub(crate) fn beside_a_heartbeat() -> Result<(), Error> {
    let kinds = [Kind::Heartbeat, Kind::Hbd];
    let mut pair = Pair::on_a_serial_line("auto_failback on\n", PLAIN, kinds)?;
    follow(&mut pair, MOVES)?;
    no_other_errors(&pair, &[])?;
    follow(&mut pair, SPLIT)?;
    no_other_errors(&pair, &AFTER_A_SPLIT)
}

/// The Heartbeat logged no error but those that a real pair logs, and these.
fn no_other_errors(pair: &Pair, these: &[&str]) -> Result<(), Error> {
    let (allowed, mut wrong) = (Allowed::read(), String::new());
    for (line, excerpt) in complaints(pair, ALICE)? {
        if !allowed.has(&line) && !these.contains(&line.as_str()) {
            let _ = write!(wrong, "\na real pair does not complain: {line}\n{excerpt}");
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => unexpected(wrong),
    }
}
