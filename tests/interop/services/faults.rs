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
//! | an order counts on hbd when the Heartbeat returns | - | it stays, and goes back when the order ends |
//! | the manager of hbd dies in a standby | - | another one goes on with it |
//! | the manager of hbd dies before it has read that its offer is taken | - | the Heartbeat gets it |
//! | a freeze of hbd | - | nothing moves, and the Heartbeat waits for nothing |

use std::time::Duration;

use hbd_tests::error::Error;

use super::company::{ALICE, BOB, BRITTLE, Holders, Pair, QUIET};
use super::tour::Act::{
    self, Crash, Cut, Freeze, Join, LosesAnswer, Mend, Reboots, ReplaceManager, Restart, Spoil,
    Standby, Start, StartBoth, Stop, Takeover, Tell,
};
use crate::peer::Kind;

pub(super) const EACH_ITS_OWN: Holders = [Some(ALICE), Some(BOB)];
pub(super) const ALL_ON_ALICE: Holders = [Some(ALICE), Some(ALICE)];
pub(super) const ALL_ON_BOB: Holders = [Some(BOB), Some(BOB)];
/// Each holds both.
pub(super) const ALL_ON_BOTH: Holders = [None, None];

/// Shorter than deadtime, and longer.
const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(7);

/// How long a service may be on both nodes in a step.
type Two = Duration;
const NEVER: Two = Duration::ZERO;
/// The address lease of hbd, twice deadtime, and a second; the other node takes over after deadtime.
const LEASE: Two = Duration::from_secs(4 + 1);
/// A Heartbeat starts anew so long after contact.
pub(super) const CONTACT: Two = Duration::from_secs(3);

/// What is done, how it is to end, and how long two nodes may have a service meanwhile.
pub(super) struct Step {
    what: &'static str,
    acts: &'static [Act],
    holders: Holders,
    /// What bob says of alice then.
    alice: &'static str,
    two: Two,
}

pub(super) const fn step(what: &'static str, acts: &'static [Act], holders: Holders) -> Step {
    Step {
        what,
        acts,
        holders,
        alice: ALIVE,
        two: NEVER,
    }
}

impl Step {
    pub(super) const fn with_two(self, two: Two) -> Self {
        Self { two, ..self }
    }

    pub(super) const fn with_alice(self, alice: &'static str) -> Self {
        Self { alice, ..self }
    }
}

const ALIVE: &str = "active";
pub(super) const DEAD: &str = "dead";

const UNMOVE: &[&str] = &["unmove", "all", "--yes"];
const TAKE_FOR_EVER: &[&str] = &["takeover", "all", "--for", "ever", "--yes"];
const GIVE_FOR_EVER: &[&str] = &["standby", "all", "--for", "ever", "--yes"];
const FREEZE: &[&str] = &["freeze", "--for", "ever"];
const UNFREEZE: &[&str] = &["unfreeze"];

/// With `auto_failback on`; alice is a real Heartbeat, bob hbd.
const ON: &[Step] = &[
    step("both begin", &[StartBoth], EACH_ITS_OWN),
    step("bob stands still", &[Freeze(BOB, SHORT)], EACH_ITS_OWN),
    step("alice stands still", &[Freeze(ALICE, SHORT)], EACH_ITS_OWN),
    step(
        "bob stands still for long",
        &[Freeze(BOB, LONG)],
        EACH_ITS_OWN,
    )
    .with_two(LEASE),
    // Her machine answers for what she had as long as she stands still.
    step(
        "alice stands still for long",
        &[Freeze(ALICE, LONG)],
        EACH_ITS_OWN,
    )
    .with_two(LONG),
    step("they do not hear each other", &[Cut], ALL_ON_BOTH)
        .with_two(Duration::MAX)
        .with_alice(DEAD),
    step("they do again", &[Join], EACH_ITS_OWN).with_two(CONTACT),
    step(
        "a start fails on bob",
        &[Spoil(BOB, "start"), Crash(BOB), Start(BOB)],
        ALL_ON_ALICE,
    ),
    step("bob is mended", &[Mend(BOB)], EACH_ITS_OWN),
    step(
        "a stop fails on bob",
        &[Spoil(BOB, "stop"), Standby(BOB, "local")],
        EACH_ITS_OWN,
    ),
    step(
        "bob is mended, and the standby goes on",
        &[Mend(BOB)],
        ALL_ON_ALICE,
    ),
    step(
        "the standby is withdrawn",
        &[Tell(BOB, UNMOVE)],
        EACH_ITS_OWN,
    ),
    step("bob takes all", &[Takeover(BOB, "all")], ALL_ON_BOB),
    step(
        "alice begins again",
        &[Stop(ALICE), Start(ALICE)],
        EACH_ITS_OWN,
    ),
    step(
        "bob is to have all",
        &[Tell(BOB, TAKE_FOR_EVER)],
        ALL_ON_BOB,
    ),
    step(
        "alice begins again, and bob keeps it",
        &[Stop(ALICE), Start(ALICE)],
        ALL_ON_BOB,
    ),
    step("that is withdrawn", &[Tell(BOB, UNMOVE)], EACH_ITS_OWN),
    step(
        "alice is to have all",
        &[Tell(BOB, GIVE_FOR_EVER)],
        ALL_ON_ALICE,
    ),
    step(
        "bob begins again, and alice keeps it",
        &[Restart(BOB)],
        ALL_ON_ALICE,
    ),
    step("that is withdrawn, too", &[Tell(BOB, UNMOVE)], EACH_ITS_OWN),
    step(
        "bob's groups stay as they are",
        &[Tell(BOB, FREEZE)],
        EACH_ITS_OWN,
    ),
    step(
        "alice asks for all meanwhile",
        &[Takeover(ALICE, "all")],
        EACH_ITS_OWN,
    ),
    step("they move again", &[Tell(BOB, UNFREEZE)], EACH_ITS_OWN),
    step("alice takes all", &[Takeover(ALICE, "all")], ALL_ON_ALICE),
    step(
        "bob has another manager while alice stops what he takes",
        &[
            Spoil(ALICE, "slow"),
            Takeover(BOB, "local"),
            ReplaceManager(BOB),
        ],
        EACH_ITS_OWN,
    ),
];

/// With `auto_failback off`.
const OFF: &[Step] = &[
    step("both begin", &[StartBoth], EACH_ITS_OWN),
    step("they do not hear each other", &[Cut], ALL_ON_BOTH)
        .with_two(Duration::MAX)
        .with_alice(DEAD),
    step("they do again", &[Join], ALL_ON_BOB).with_two(CONTACT),
    step("alice takes all", &[Takeover(ALICE, "all")], ALL_ON_ALICE),
    step(
        "a stop fails on alice",
        &[Spoil(ALICE, "stop"), Standby(ALICE, "all"), Reboots(ALICE)],
        ALL_ON_BOB,
    )
    .with_alice(DEAD),
    step("alice is mended", &[Mend(ALICE), Start(ALICE)], ALL_ON_BOB),
    step(
        "a start fails on alice",
        &[Spoil(ALICE, "start"), Standby(BOB, "foreign")],
        [None, Some(BOB)],
    ),
    step("bob takes it back", &[Takeover(BOB, "foreign")], ALL_ON_BOB),
    step(
        "bob's manager dies before it has read that alice takes what it offers",
        &[Mend(ALICE), LosesAnswer(BOB, "all")],
        ALL_ON_ALICE,
    ),
    step("bob takes all", &[Takeover(BOB, "all")], ALL_ON_BOB),
];

pub(crate) fn failback_on() -> Result<(), Error> {
    play("auto_failback on\n", ON)
}

pub(crate) fn failback_off() -> Result<(), Error> {
    play("auto_failback off\n", OFF)
}

fn play(settings: &str, steps: &[Step]) -> Result<(), Error> {
    let mut pair = Pair::new(settings, BRITTLE, [Kind::Heartbeat, Kind::Hbd])?;
    follow(&mut pair, steps)
}

/// Each step ends as it is to end.
pub(super) fn follow(pair: &mut Pair, steps: &[Step]) -> Result<(), Error> {
    for step in steps {
        let (what, holders) = (step.what, step.holders);
        let from = pair.now();
        for act in step.acts {
            pair.act(*act)?;
        }
        pair.quiet(what, QUIET, |sight| {
            let alice = sight.other[BOB].as_deref();
            let is_all = |says: &Option<String>| says.as_deref() == Some("all");
            Ok(sight.holders == holders
                && alice.is_none_or(|status| status == step.alice)
                && (holders != ALL_ON_BOTH || sight.says.iter().all(is_all)))
        })
        .map_err(|error| Error::Unexpected(format!("{error}\nwanted: {holders:?}")))?;
        let limited = pair.two_for(step.two, from, pair.now());
        limited.map_err(|error| Error::Unexpected(format!("{what}: {error}")))?;
    }
    Ok(())
}
