//! The tours, and how they are played.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use hbd_tests::error::{Error, unexpected};
use hbd_tests::heartbeat_log::normal_line;
use hbd_tests::tier::Tier;

use super::company::{
    ALICE, BOB, GARBLED, Holders, LONG_QUIET, NAMES, PLAIN, Pair, QUIET, Seat, Sight,
};
use super::expected::{Expected, Outcome};
use crate::peer::Kind;

/// Something that is done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Start(Seat),
    Stop(Seat),
    Crash(Seat),
    Restart(Seat),
    Standby(Seat, &'static str),
    Takeover(Seat, &'static str),
    StartBoth,
    StopBoth,
    /// Stands still for so long.
    Freeze(Seat, Duration),
    /// Neither hears the other, though both answer others.
    Cut,
    Join,
    /// Waits until a Heartbeat has its machine booted, and lets that lose what it had.
    Reboots(Seat),
    /// Of 100 packets so many are lost, in each direction.
    Weather(u8),
    /// From now on that does not work with the second resource of a group there; `slow`: it is slow to stop.
    Spoil(Seat, &'static str),
    Mend(Seat),
    /// Once something moves on the other node, another manager takes the place of that of an hbd.
    ReplaceManager(Seat),
    /// A standby is ordered of an hbd, and its manager dies with the answer of the other node unread.
    LosesAnswer(Seat, &'static str),
    /// What `hactl` is given there.
    Tell(Seat, &'static [&'static str]),
    /// The first host that is pinged does not answer that node, though everything else does.
    Unanswered(Seat),
    Answered(Seat),
    /// Nobody is answered by it.
    HostDies,
    HostReturns,
}

use Act::{
    Answered, Crash, HostDies, HostReturns, Restart, Standby, Start, StartBoth, Stop, StopBoth,
    Takeover, Unanswered,
};

/// A step of a tour: what is done at once, before the next quiet point.
type Step = (&'static str, &'static [Act]);

/// Steps in one life of a pair.
#[derive(Debug)]
pub(crate) struct Tour {
    pub(crate) name: &'static str,
    /// Lines for `ha.cf`.
    pub(crate) settings: &'static str,
    /// Where hbd plays it in tier ci; in tier long it plays it in both.
    seats: &'static [Seat],
    /// How long nothing must change after a step.
    quiet: Duration,
    steps: &'static [Step],
}

/// Longer than hbd waits before it follows from ping nodes.
const DAMPED: Duration = Duration::from_secs(16);

/// The longest first.
pub(crate) const TOURS: [Tour; 6] = [
    Tour {
        name: "ipfail_on",
        settings: "auto_failback on\n\
                   deadping 2\nping 10.9.0.100\nping_group hosts 10.9.0.101\n\
                   respawn hacluster /usr/libexec/heartbeat/ipfail\napiauth ipfail uid=hacluster\n",
        seats: &[ALICE],
        quiet: DAMPED,
        steps: &[
            ("both begin", &[StartBoth]),
            ("alice is answered by one of two", &[Unanswered(ALICE)]),
            ("alice is answered by both", &[Answered(ALICE)]),
            ("bob is answered by one of two", &[Unanswered(BOB)]),
            ("bob is answered by both", &[Answered(BOB)]),
            ("the host dies", &[HostDies]),
            ("it returns", &[HostReturns]),
            ("alice loses it once more", &[Unanswered(ALICE)]),
            ("hb_takeover all on alice", &[Takeover(ALICE, "all")]),
            ("alice finds it once more", &[Answered(ALICE)]),
            ("bob loses it once more", &[Unanswered(BOB)]),
            ("alice dies", &[Crash(ALICE)]),
            ("alice returns", &[Start(ALICE)]),
        ],
    },
    Tour {
        name: "ipfail_off",
        settings: "auto_failback off\n\
                   deadping 2\nping 10.9.0.100\nping_group hosts 10.9.0.101\n\
                   respawn hacluster /usr/libexec/heartbeat/ipfail\napiauth ipfail uid=hacluster\n",
        seats: &[BOB],
        quiet: DAMPED,
        steps: &[
            ("both begin", &[StartBoth]),
            ("alice is answered by one of two", &[Unanswered(ALICE)]),
            ("alice is answered by both", &[Answered(ALICE)]),
            ("bob is answered by one of two", &[Unanswered(BOB)]),
            ("so is alice", &[Unanswered(ALICE)]),
            ("bob is answered by both", &[Answered(BOB)]),
            ("so is alice, again", &[Answered(ALICE)]),
            ("the host dies", &[HostDies]),
            ("it returns", &[HostReturns]),
            ("alice loses it once more", &[Unanswered(ALICE)]),
            ("hb_takeover all on alice", &[Takeover(ALICE, "all")]),
            ("alice finds it once more", &[Answered(ALICE)]),
            ("bob loses it once more", &[Unanswered(BOB)]),
            ("alice dies", &[Crash(ALICE)]),
            ("alice returns", &[Start(ALICE)]),
        ],
    },
    Tour {
        name: "on",
        settings: "auto_failback on\n",
        seats: &[ALICE, BOB],
        quiet: QUIET,
        steps: &[
            ("alice begins alone", &[Start(ALICE)]),
            ("bob joins", &[Start(BOB)]),
            ("hb_standby local on alice", &[Standby(ALICE, "local")]),
            ("hb_takeover local on alice", &[Takeover(ALICE, "local")]),
            ("hb_standby local on bob", &[Standby(BOB, "local")]),
            ("hb_standby foreign on alice", &[Standby(ALICE, "foreign")]),
            (
                "hb_takeover foreign on alice",
                &[Takeover(ALICE, "foreign")],
            ),
            ("hb_takeover local on bob", &[Takeover(BOB, "local")]),
            ("hb_standby all on alice", &[Standby(ALICE, "all")]),
            ("hb_standby failback on bob", &[Standby(BOB, "failback")]),
            ("hb_takeover all on bob", &[Takeover(BOB, "all")]),
            ("hb_takeover all on alice", &[Takeover(ALICE, "all")]),
            (
                "hb_standby failback on alice",
                &[Standby(ALICE, "failback")],
            ),
            ("bob dies", &[Crash(BOB)]),
            ("bob returns", &[Start(BOB)]),
            ("alice dies", &[Crash(ALICE)]),
            ("alice returns", &[Start(ALICE)]),
            ("bob leaves", &[Stop(BOB)]),
            ("bob is back", &[Start(BOB)]),
            ("alice leaves", &[Stop(ALICE)]),
            ("alice is back", &[Start(ALICE)]),
            (
                "alice restarts within deadtime",
                &[Crash(ALICE), Start(ALICE)],
            ),
            ("bob restarts within deadtime", &[Crash(BOB), Start(BOB)]),
            ("quick restart of alice", &[Restart(ALICE)]),
            ("quick restart of bob", &[Restart(BOB)]),
            ("hb_standby all on bob", &[Standby(BOB, "all")]),
            ("bob, who gave all, dies", &[Crash(BOB)]),
            ("bob returns once more", &[Start(BOB)]),
            ("both leave", &[StopBoth]),
            ("both begin", &[StartBoth]),
            ("both leave again", &[StopBoth]),
            ("bob begins alone", &[Start(BOB)]),
            ("alice joins", &[Start(ALICE)]),
        ],
    },
    Tour {
        name: "off",
        settings: "auto_failback off\n",
        seats: &[BOB],
        quiet: QUIET,
        steps: &[
            ("bob begins alone", &[Start(BOB)]),
            ("alice joins", &[Start(ALICE)]),
            ("hb_takeover local on alice", &[Takeover(ALICE, "local")]),
            ("alice dies", &[Crash(ALICE)]),
            ("alice returns", &[Start(ALICE)]),
            ("hb_standby all on bob", &[Standby(BOB, "all")]),
            ("quick restart of alice", &[Restart(ALICE)]),
            ("quick restart of bob", &[Restart(BOB)]),
            ("alice leaves", &[Stop(ALICE)]),
            ("alice is back", &[Start(ALICE)]),
            ("hb_standby foreign on bob", &[Standby(BOB, "foreign")]),
            ("bob dies", &[Crash(BOB)]),
            ("bob returns", &[Start(BOB)]),
            ("hb_takeover all on bob", &[Takeover(BOB, "all")]),
            ("bob leaves", &[Stop(BOB)]),
            ("bob is back", &[Start(BOB)]),
            ("hb_standby foreign on alice", &[Standby(ALICE, "foreign")]),
            (
                "alice restarts within deadtime",
                &[Crash(ALICE), Start(ALICE)],
            ),
            ("bob restarts within deadtime", &[Crash(BOB), Start(BOB)]),
            ("both leave", &[StopBoth]),
            ("both begin", &[StartBoth]),
        ],
    },
    Tour {
        name: "legacy",
        settings: "auto_failback legacy\n",
        seats: &[ALICE],
        quiet: QUIET,
        steps: &[
            ("alice begins alone", &[Start(ALICE)]),
            ("bob joins", &[Start(BOB)]),
            ("bob dies", &[Crash(BOB)]),
            ("bob returns", &[Start(BOB)]),
            ("alice dies", &[Crash(ALICE)]),
            ("alice returns", &[Start(ALICE)]),
            ("bob leaves", &[Stop(BOB)]),
            ("bob is back", &[Start(BOB)]),
            ("alice leaves", &[Stop(ALICE)]),
            ("alice is back", &[Start(ALICE)]),
            (
                "alice restarts within deadtime",
                &[Crash(ALICE), Start(ALICE)],
            ),
            ("bob restarts within deadtime", &[Crash(BOB), Start(BOB)]),
            ("quick restart of alice", &[Restart(ALICE)]),
            ("quick restart of bob", &[Restart(BOB)]),
            ("both leave", &[StopBoth]),
            ("both begin", &[StartBoth]),
            ("both leave again", &[StopBoth]),
            ("bob begins alone", &[Start(BOB)]),
            ("alice joins", &[Start(ALICE)]),
        ],
    },
    Tour {
        name: "stonith",
        settings: "auto_failback on\nstonith_host * null alice bob\n",
        seats: &[BOB],
        quiet: QUIET,
        steps: &[
            ("both begin", &[StartBoth]),
            ("bob dies", &[Crash(BOB)]),
            ("bob returns", &[Start(BOB)]),
            ("alice dies", &[Crash(ALICE)]),
            ("alice returns", &[Start(ALICE)]),
            ("both leave", &[StopBoth]),
            ("alice begins alone", &[Start(ALICE)]),
            ("bob joins", &[Start(BOB)]),
            ("alice leaves", &[Stop(ALICE)]),
            ("alice is back", &[Start(ALICE)]),
        ],
    },
];

/// Lines in which Heartbeat speaks of its own scheduling on a busy machine, not of any peer.
const OF_ITSELF: [&str; 4] = ["Gmain_", "G_main_", "G_SIG_", "G_CH_"];

impl Tour {
    /// The seats in which hbd plays it.
    pub(crate) fn seats(&self, tier: Tier) -> &'static [Seat] {
        match tier {
            Tier::Long => &[ALICE, BOB],
            _ => self.seats,
        }
    }

    /// Two real Heartbeats play it.
    pub(crate) fn record(&self) -> Result<Expected, Error> {
        let mut pair = Pair::new(self.settings, PLAIN, [Kind::Heartbeat; 2])?;
        let mut expected = Expected::default();
        let mut before = [None; 2];
        for (step, acts) in self.steps {
            let from = pair.now();
            for act in *acts {
                pair.act(*act)?;
            }
            let sight = pair.quiet(step, LONG_QUIET.max(self.quiet), |sight| {
                let mut says = sight.says.iter().flatten();
                Ok(says.all(|word| word != "transition" && !word.is_empty()))
            })?;
            let gaps = gaps(&pair, (before, sight.holders), from)?;
            before = sight.holders;
            expected.steps.push(Outcome {
                step: (*step).to_owned(),
                holders: sight.holders,
                says: sight.says,
                other: sight.other,
                pinged: sight.pinged,
                gaps,
            });
        }
        for seat in [ALICE, BOB] {
            let complaints = complaints(&pair, seat)?;
            expected.complaints.extend(complaints.into_keys());
        }
        Ok(expected)
    }

    /// Plays it with hbd in that seat, beside a real Heartbeat, and compares.
    pub(crate) fn play(&self, seat: Seat) -> Result<(), Error> {
        let expected = Expected::read(self.name)?;
        let mut kinds = [Kind::Heartbeat; 2];
        kinds[seat] = Kind::Hbd;
        let (pair, gaps) = self.follow(&expected, kinds, Duration::ZERO)?;
        let mut wrong = String::new();
        for (outcome, gaps) in expected.steps.iter().zip(gaps) {
            for service in [ALICE, BOB] {
                wrong += &judged(&outcome.step, service, gaps[service], outcome.gaps[service]);
            }
        }
        for (line, excerpt) in complaints(&pair, 1 - seat)? {
            // Nothing but its own scripts writes streams to it here.
            if !expected.complaints.contains(&line) && !line.contains(GARBLED) {
                wrong += &format!("\na real pair does not complain: {line}\n{excerpt}");
            }
        }
        match wrong.is_empty() {
            true => Ok(()),
            false => unexpected(wrong),
        }
    }

    /// How long no service answered at most in each step, where these play it, and each step ends as it did when two
    /// Heartbeats played it. There is a `pause` before each.
    pub(crate) fn gaps(
        &self,
        expected: &Expected,
        kinds: [Kind; 2],
        pause: Duration,
    ) -> Result<Vec<Gaps>, Error> {
        Ok(self.follow(expected, kinds, pause)?.1)
    }

    fn follow(
        &self,
        expected: &Expected,
        kinds: [Kind; 2],
        pause: Duration,
    ) -> Result<(Pair, Vec<Gaps>), Error> {
        let mut pair = Pair::new(self.settings, PLAIN, kinds)?;
        let mut all = Vec::new();
        let mut before = [None; 2];
        for ((step, acts), outcome) in self.steps.iter().zip(&expected.steps) {
            if *step != outcome.step {
                return unexpected(format!("expected/{}.json is of another tour", self.name));
            }
            thread::sleep(pause);
            let from = pair.now();
            let garbled = pair.garbled()?;
            for act in *acts {
                pair.act(*act)?;
            }
            let wanted = outcome.sight();
            let is_wanted = |pair: &Pair, sight: &Sight| {
                let mut wanted = wanted.clone();
                for seat in [ALICE, BOB] {
                    // That is compared with who holds what.
                    if matches!(kinds[seat], Kind::Hbd) {
                        wanted.says[seat].clone_from(&sight.says[seat]);
                    }
                }
                Ok(*sight == wanted && pair.agrees(sight.holders)?)
            };
            let settle = |pair: &Pair| {
                let in_vain = || pair.begins_in_vain(garbled);
                pair.quiet(step, self.quiet, |sight| {
                    Ok(in_vain()?.is_some() || is_wanted(pair, sight)?)
                })
            };
            let mut settled = settle(&pair);
            if let Some(seat) = pair.begins_in_vain(garbled)? {
                pair.act(Crash(seat))?;
                pair.act(Start(seat))?;
                settled = pair.quiet(step, self.quiet, |sight| is_wanted(&pair, sight));
            }
            settled.map_err(|error| Error::Unexpected(format!("{error}\nwanted: {wanted:?}")))?;
            pair.two_for(Duration::ZERO, from, pair.now())?;
            all.push(gaps(&pair, (before, wanted.holders), from)?);
            before = wanted.holders;
        }
        Ok((pair, all))
    }
}

/// What is wrong with a gap.
fn judged(step: &str, service: Seat, gap: Option<u64>, real: Option<u64>) -> String {
    match (gap, real) {
        (Some(gap), Some(real)) if gap > NOISE.max(real * FACTOR) => format!(
            "\n{step}: the service of {} did not answer for {gap} ms; that of a real pair {real} ms",
            NAMES[service]
        ),
        _ => String::new(),
    }
}

/// A gap that means nothing, in milliseconds.
pub(crate) const NOISE: u64 = 50;
/// One run on any machine, held against the longest of some on another, tells no more; what does is a
/// [race](super::race).
const FACTOR: u64 = 5;

/// How long each service did not answer in a step, in milliseconds; nothing where nobody had it before or after.
pub(crate) type Gaps = [Option<u64>; 2];

fn gaps(pair: &Pair, (before, after): (Holders, Holders), from: Duration) -> Result<Gaps, Error> {
    let mut gaps = [None; 2];
    for service in [ALICE, BOB] {
        if before[service].is_some() && after[service].is_some() {
            let gap = pair.gap(service, from, pair.now())?;
            gaps[service] = Some(u64::try_from(gap.as_millis()).unwrap_or(u64::MAX));
        }
    }
    Ok(gaps)
}

/// The errors that a real node logged, freed of what differs between two runs, each with what it logged before.
pub(super) fn complaints(pair: &Pair, seat: Seat) -> Result<BTreeMap<String, String>, Error> {
    if matches!(pair.kind(seat), Kind::Hbd) {
        return Ok(BTreeMap::new());
    }
    let roles = [(NAMES[seat], "SELF"), (NAMES[1 - seat], "PEER")];
    let log = pair.log(seat)?;
    // The lines of the daemon, not of its scripts.
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains(" heartbeat: "))
        .collect();
    let mut complaints = BTreeMap::new();
    for (place, line) in lines.iter().enumerate() {
        let normal = normal_line(line, &roles);
        let marked = ["ERROR", "CRIT"]
            .iter()
            .any(|mark| normal.starts_with(mark));
        if marked && !OF_ITSELF.iter().any(|word| normal.contains(word)) {
            let before = &lines[place.saturating_sub(EXCERPT)..=place];
            complaints
                .entry(normal)
                .or_insert_with(|| before.join("\n"));
        }
    }
    Ok(complaints)
}

/// Lines shown with a complaint.
const EXCERPT: usize = 12;
