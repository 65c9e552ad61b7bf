//! Which messages of a peer's generation have come, and which are missing.
//!
//! Messages are numbered from 1 without a gap, and go out over every link, so most arrive more
//! than once and some in another order than they were sent: a daemon may put a message on the wire
//! after one that it numbered later (Heartbeat 3.0.6 does). A message after a gap counts at once;
//! the missing ones are asked for a moment later, by when most have come unasked.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shared::names::Sequence;
use shared::time::Moment;

use crate::random::Random;

/// Most messages that may be missing in one gap. A bigger gap is not asked for.
pub(crate) const GAP_MAX: u64 = 250;
/// Most messages that may be missing at once; beyond it the oldest are given up.
pub(crate) const MISSING_MAX: usize = 500;
/// Most messages one request names.
pub(crate) const REQUEST_MAX: u64 = 50;
/// Of the messages of a Heartbeat each tenth is acknowledged: without that it holds its clients back
/// after 250.
pub(crate) const ACK_EVERY: u64 = 10;
/// Of those of hbd each fiftieth, or one in as many as there are nodes where they are more: an
/// acknowledgement reaches every node, and so all nodes together send no more of them than beats. Of
/// a hundred nodes, the most there are, two in a row may be lost before a window counts as filling.
pub(crate) const ACK_EVERY_OF_HBD: u64 = 5 * ACK_EVERY;

/// Of how many messages of a peer one is acknowledged, in a cluster of so many nodes.
pub(crate) fn ack_every(runs_hbd: bool, nodes: usize) -> u64 {
    match runs_hbd {
        true => ACK_EVERY_OF_HBD.max(u64::try_from(nodes).unwrap_or(u64::MAX)),
        false => ACK_EVERY,
    }
}

/// What an arriving number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The first of this generation, or the next in order.
    InOrder,
    /// Later than the next in order; those in between are missing.
    AfterGap,
    /// Later than the next in order by so many that they are not asked for.
    GapTooBig {
        /// How many.
        missing: u64,
    },
    /// One of the missing.
    ClosesGap,
    /// Known already, or too old to tell.
    Known,
}

#[derive(Debug, Serialize, Deserialize)]
struct Missing {
    noticed: Moment,
    ask_at: Moment,
}

/// Tracks one peer in one generation.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tracker {
    last: Option<Sequence>,
    missing: BTreeMap<Sequence, Missing>,
    /// The highest number that ends in the trigger digit.
    trigger: Option<Sequence>,
    acknowledged: Option<Sequence>,
    /// The last number of the one run that was asked for last.
    #[serde(default)]
    asked: Sequence,
}

impl Tracker {
    /// Continues after `last`; what was missed before is not asked for.
    pub(crate) fn after(last: Sequence) -> Self {
        Self {
            last: Some(last),
            ..Self::default()
        }
    }

    pub(crate) fn last(&self) -> Option<Sequence> {
        self.last
    }

    pub(crate) fn is_missing(&self, sequence: Sequence) -> bool {
        self.missing.contains_key(&sequence)
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Notes that `sequence` has come. What is missing is asked for after a delay that lies between those two.
    pub(crate) fn note(
        &mut self,
        sequence: Sequence,
        delay: (Duration, Duration),
        random: &mut Random,
        now: Moment,
    ) -> Arrival {
        let Some(last) = self.last else {
            self.last = Some(sequence);
            return Arrival::InOrder;
        };
        if sequence <= last {
            return match self.missing.remove(&sequence) {
                Some(_) => Arrival::ClosesGap,
                None => Arrival::Known,
            };
        }
        self.last = Some(sequence);
        let missing = sequence.0 - last.0 - 1;
        if missing == 0 {
            return Arrival::InOrder;
        }
        if missing > GAP_MAX {
            self.missing.clear();
            return Arrival::GapTooBig { missing };
        }
        // One moment for as many as a request may name: a moment for each would be a request for each.
        let mut ask_at = now;
        for (place, number) in (0..).zip(last.0 + 1..sequence.0) {
            if place % REQUEST_MAX == 0 {
                ask_at = now + ask_delay(delay, random);
            }
            let entry = Missing {
                noticed: now,
                ask_at,
            };
            self.missing.insert(Sequence(number), entry);
        }
        while self.missing.len() > MISSING_MAX {
            self.missing.pop_first();
        }
        Arrival::AfterGap
    }

    /// Notes that `sequence`, which was accepted, may have to be acknowledged. Returns the number
    /// to acknowledge, if one is due: of those that divided by `every` leave what `trigger` leaves
    /// the highest, once no older message is missing.
    pub(crate) fn acknowledge(
        &mut self,
        sequence: Sequence,
        every: u64,
        trigger: u64,
    ) -> Option<Sequence> {
        if sequence.0 % every == trigger % every {
            self.trigger = self.trigger.max(Some(sequence));
        }
        if !self.is_complete() || self.trigger <= self.acknowledged {
            return None;
        }
        self.acknowledged = self.trigger;
        self.trigger
    }

    /// When the next request is due.
    pub(crate) fn ask_at(&self) -> Option<Moment> {
        self.missing.values().map(|missing| missing.ask_at).min()
    }

    /// The runs of numbers to ask for at `now`, each at most [`REQUEST_MAX`] long. They are due
    /// again after `again`.
    pub(crate) fn ask(&mut self, again: Duration, now: Moment) -> Vec<(Sequence, Sequence)> {
        let mut runs = Vec::new();
        let mut from = Sequence(0);
        while let Some(run) = self.ask_for_one(from, REQUEST_MAX, again, now) {
            from = run.1.next();
            runs.push(run);
        }
        runs
    }

    /// One of them alone, in turn, and at most so long. All are due again after `again`.
    pub(crate) fn ask_slowly(
        &mut self,
        most: u64,
        again: Duration,
        now: Moment,
    ) -> Option<(Sequence, Sequence)> {
        let mut run = self.ask_for_one(self.asked.next(), most, again, now);
        if run.is_none() {
            run = self.ask_for_one(Sequence(0), most, again, now);
        }
        self.asked = run.map_or(self.asked, |(_, last)| last);
        for missing in self.missing.values_mut() {
            missing.ask_at = missing.ask_at.max(now + again);
        }
        run
    }

    /// The first run from `from` on.
    fn ask_for_one(
        &mut self,
        from: Sequence,
        most: u64,
        again: Duration,
        now: Moment,
    ) -> Option<(Sequence, Sequence)> {
        let due = self.missing.range_mut(from..);
        let mut due = due.filter(|(_, missing)| missing.ask_at <= now);
        let (&first, missing) = due.next()?;
        missing.ask_at = now + again;
        let mut last = first;
        for (&sequence, missing) in due {
            if last.next() != sequence || sequence.0 - first.0 >= most {
                break;
            }
            missing.ask_at = now + again;
            last = sequence;
        }
        Some((first, last))
    }

    /// Gives up what was missing for longer than `patience`; the numbers given up.
    pub(crate) fn give_up(&mut self, patience: Duration, now: Moment) -> Vec<Sequence> {
        let lost: Vec<Sequence> = self
            .missing
            .iter()
            .filter(|(_, missing)| now.since(missing.noticed) > patience)
            .map(|(&sequence, _)| sequence)
            .collect();
        for sequence in &lost {
            self.missing.remove(sequence);
        }
        lost
    }

    /// The peer cannot send `sequence` again. True if it was missing.
    pub(crate) fn strike(&mut self, sequence: Sequence) -> bool {
        self.missing.remove(&sequence).is_some()
    }
}

/// Spread so that several receivers do not ask at once.
fn ask_delay((least, most): (Duration, Duration), random: &mut Random) -> Duration {
    let spread = most.saturating_sub(least);
    let spread = u64::try_from(spread.as_micros()).unwrap_or(u64::MAX);
    least + Duration::from_micros(random.below(spread.saturating_add(1)))
}

#[cfg(test)]
mod tests;
