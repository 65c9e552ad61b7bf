//! What two Heartbeats make a mess of, or what nothing can be compared with: how it is to end beside hbd is written
//! down.
//!
//! | fault | a real pair | beside hbd |
//! |---|---|---|
//! | a split that heals | both start anew, and nothing runs for half a minute | the Heartbeat starts anew, hbd keeps what it serves |
//! | a node stands still for longer than deadtime | the other one starts anew | a Heartbeat starts anew; hbd asks for what both have |
//! | a start fails on the Heartbeat | the group is nowhere | the same, until somebody orders it to hbd |
//! | a start fails on hbd | - | the Heartbeat is given the group |
//! | a stop fails on the Heartbeat | its machine boots, the other takes all | the same |
//! | a stop fails on hbd | - | it keeps the group, until it is mended |

use std::time::Duration;

use hbd_tests::error::Error;

use super::company::{ALICE, BOB, BRITTLE, Holders, Pair, QUIET};
use super::tour::Act::{
    self, Crash, Cut, Freeze, Join, Mend, Spoil, Standby, Start, StartBoth, Takeover,
};
use crate::peer::Kind;

const EACH_ITS_OWN: Holders = [Some(ALICE), Some(BOB)];
const ALL_ON_ALICE: Holders = [Some(ALICE), Some(ALICE)];
const ALL_ON_BOB: Holders = [Some(BOB), Some(BOB)];

/// Shorter than deadtime, and longer.
const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(7);

/// How long a service may be on both nodes in a step.
type Two = Duration;
const NEVER: Two = Duration::ZERO;
/// The address lease of hbd, twice deadtime, and a second; the other node takes over after deadtime.
const LEASE: Two = Duration::from_secs(4 + 1);
/// A Heartbeat starts anew so long after contact.
const CONTACT: Two = Duration::from_secs(3);

/// What is done, how it is to end, and how long two nodes may have a service meanwhile.
type Step = (&'static str, &'static [Act], Holders, Two);

/// With `auto_failback on`; alice is a real Heartbeat, bob hbd.
const ON: &[Step] = &[
    ("both begin", &[StartBoth], EACH_ITS_OWN, NEVER),
    (
        "bob stands still",
        &[Freeze(BOB, SHORT)],
        EACH_ITS_OWN,
        NEVER,
    ),
    (
        "alice stands still",
        &[Freeze(ALICE, SHORT)],
        EACH_ITS_OWN,
        NEVER,
    ),
    (
        "bob stands still for long",
        &[Freeze(BOB, LONG)],
        EACH_ITS_OWN,
        LEASE,
    ),
    // Her machine answers for what she had as long as she stands still.
    (
        "alice stands still for long",
        &[Freeze(ALICE, LONG)],
        EACH_ITS_OWN,
        LONG,
    ),
    (
        "a start fails on bob",
        &[Spoil(BOB, "start"), Crash(BOB), Start(BOB)],
        ALL_ON_ALICE,
        NEVER,
    ),
    (
        "bob is mended",
        &[Mend(BOB), Takeover(BOB, "local")],
        EACH_ITS_OWN,
        NEVER,
    ),
    (
        "a stop fails on bob",
        &[Spoil(BOB, "stop"), Standby(BOB, "local")],
        EACH_ITS_OWN,
        NEVER,
    ),
    (
        "bob is mended again, and the standby goes on",
        &[Mend(BOB)],
        ALL_ON_ALICE,
        NEVER,
    ),
];

/// The cut, with `auto_failback off`.
const OFF: &[Step] = &[
    ("both begin", &[StartBoth], EACH_ITS_OWN, NEVER),
    (
        "they do not hear each other",
        &[Cut],
        [None, None],
        Duration::MAX,
    ),
    ("they do again", &[Join], ALL_ON_BOB, CONTACT),
    (
        "a stop fails on alice",
        &[
            Takeover(ALICE, "all"),
            Spoil(ALICE, "stop"),
            Standby(ALICE, "all"),
        ],
        ALL_ON_BOB,
        NEVER,
    ),
];

pub(crate) fn failback_on() -> Result<(), Error> {
    play("auto_failback on\n", ON)
}

pub(crate) fn failback_off() -> Result<(), Error> {
    play("auto_failback off\n", OFF)
}

fn play(settings: &str, steps: &[Step]) -> Result<(), Error> {
    let mut pair = Pair::new(settings, BRITTLE, [Kind::Heartbeat, Kind::Hbd])?;
    for (what, acts, holders, two) in steps {
        let from = pair.now();
        for act in *acts {
            pair.act(*act)?;
        }
        pair.quiet(what, QUIET, |sight| Ok(sight.holders == *holders))
            .map_err(|error| Error::Unexpected(format!("{error}\nwanted: {holders:?}")))?;
        pair.two_for(*two, from, pair.now())?;
    }
    Ok(())
}
