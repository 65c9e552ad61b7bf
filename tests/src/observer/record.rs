//! What an observer has seen, and what can be said of it. No clock and no socket: so its own judgement can be put to
//! the proof.

use std::net::IpAddr;
use std::time::Duration;

use crate::error::{Error, unexpected};

/// Time since the observer began.
pub type At = Duration;

/// An answer of a machine to a question for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// When it came.
    pub at: At,
    /// Which machine it was.
    pub by: usize,
}

/// An address came to a machine, or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Not before.
    pub after: At,
    /// Not later.
    pub before: At,
    /// Which machine it is.
    pub node: usize,
    /// The address.
    pub ip: IpAddr,
    /// It came.
    pub there: bool,
}

/// A time in which the observer did not look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// Since when.
    pub from: At,
    /// Until when.
    pub to: At,
}

/// The time between two answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gap {
    /// Since when.
    pub from: At,
    /// Until when.
    pub to: At,
    /// What of it the observer's own stalls do not explain.
    pub length: Duration,
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// By address, in the order of time.
    pub answers: Vec<(IpAddr, Vec<Answer>)>,
    /// In the order of time.
    pub changes: Vec<Change>,
    /// When it could not look.
    pub stalls: Vec<Stall>,
    /// When the observer last looked: what came after that nobody has seen yet.
    pub looked: At,
}

impl Record {
    /// The longest gap in the answers for an address from one moment to another.
    pub fn gap(&self, ip: IpAddr, from: At, to: At) -> Gap {
        let answers = self.answers_of(ip).iter().map(|answer| answer.at);
        let within = answers.filter(|at| (from..=to).contains(at));
        let mut longest = Gap::default();
        let mut last = from;
        for at in within.chain([to]) {
            // Each answer is looked at, and each stall only where it may matter.
            let length = match at - last {
                span if span <= longest.length => Duration::ZERO,
                span => span.saturating_sub(self.stalled(last, at)),
            };
            if length > longest.length {
                longest = Gap {
                    from: last,
                    to: at,
                    length,
                };
            }
            last = at;
        }
        longest
    }

    /// The first answer of a machine from that moment on.
    pub fn answered(&self, ip: IpAddr, by: usize, since: At) -> Option<At> {
        let mut answers = self.answers_of(ip).iter();
        let answer = answers.find(|answer| answer.by == by && answer.at >= since);
        answer.map(|answer| answer.at)
    }

    /// How long two machines certainly had an address both, from one moment to another: the longest such time.
    pub fn overlap(&self, ip: IpAddr, from: At, to: At) -> Duration {
        let mut holders = [None; 2];
        let mut longest = Duration::ZERO;
        let mut both = |holders: &[Option<At>; 2], until: At| {
            if let [Some(one), Some(other)] = holders {
                let begin = *one.max(other).max(&from);
                longest = longest.max(until.min(to).saturating_sub(begin));
            }
        };
        for change in self.changes.iter().filter(|change| change.ip == ip) {
            if change.there {
                holders[change.node].get_or_insert(change.before);
            } else {
                both(&holders, change.after);
                holders[change.node] = None;
            }
        }
        both(&holders, to);
        longest
    }

    /// Whether a machine has an address, by all that was seen.
    pub fn is_there(&self, ip: IpAddr, node: usize) -> bool {
        self.last_change(ip, node) == Some(true)
    }

    /// Whether an address came to a machine or went, the last time that it did.
    pub fn last_change(&self, ip: IpAddr, node: usize) -> Option<bool> {
        let mut changes = self.changes.iter().rev();
        let last = changes.find(|change| change.ip == ip && change.node == node);
        last.map(|change| change.there)
    }

    /// When a machine got or lost an address, from that moment on.
    pub fn changed(&self, ip: IpAddr, node: usize, there: bool, since: At) -> Option<At> {
        let mut changes = self.changes.iter();
        let change = changes.find(|change| {
            change.ip == ip
                && change.node == node
                && change.there == there
                && change.before >= since
        });
        change.map(|change| change.before)
    }

    /// Demands that no gap is longer than that.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when it is not so.
    pub fn demand_gap(
        &self,
        ip: IpAddr,
        from: At,
        to: At,
        limit: Duration,
    ) -> Result<Duration, Error> {
        let gap = self.gap(ip, from, to);
        if gap.length <= limit {
            return Ok(gap.length);
        }
        unexpected(format!(
            "{ip} did not answer for {:?} from {:?} to {:?}, {:?} of which the observer's own stalls do not explain; \
             allowed are {limit:?}",
            gap.to - gap.from,
            gap.from,
            gap.to,
            gap.length
        ))
    }

    /// Demands that two machines never had an address both for longer than that.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when it is not so.
    pub fn demand_overlap(
        &self,
        ip: IpAddr,
        from: At,
        to: At,
        limit: Duration,
    ) -> Result<Duration, Error> {
        let overlap = self.overlap(ip, from, to);
        if overlap <= limit {
            return Ok(overlap);
        }
        unexpected(format!(
            "two machines had {ip} for {overlap:?}; allowed are {limit:?}\n{}",
            self.story(from)
        ))
    }

    /// Demands that an address moved from one machine to another in one step, and left before it came.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when it is not so.
    pub fn demand_handed_over(
        &self,
        ip: IpAddr,
        (from, to): (usize, usize),
        since: At,
    ) -> Result<(), Error> {
        let changes = self.changes.iter();
        let seen: Vec<_> = changes
            .filter(|change| change.ip == ip && change.before >= since)
            .collect();
        let [left, came] = seen[..] else {
            return unexpected(format!(
                "{ip} was to leave and to come once\n{}",
                self.story(since)
            ));
        };
        let in_order = (left.node, left.there, came.node, came.there) == (from, false, to, true)
            || (left.before == came.before
                && (came.node, came.there, left.node, left.there) == (from, false, to, true));
        if in_order {
            return Ok(());
        }
        unexpected(format!(
            "{ip} was to leave before it came\n{}",
            self.story(since)
        ))
    }

    /// Demands that no machine got or lost any address.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when it is not so.
    pub fn demand_unchanged(&self, since: At) -> Result<(), Error> {
        if self.changes.iter().all(|change| change.before < since) {
            return Ok(());
        }
        unexpected(format!(
            "no address was to come or go\n{}",
            self.story(since)
        ))
    }

    /// What came and went since then.
    pub fn story(&self, since: At) -> String {
        let changes = self.changes.iter().filter(|change| change.before >= since);
        let lines = changes.map(|change| {
            let (at, node, ip) = (change.before, change.node, change.ip);
            let word = if change.there { "gets" } else { "loses" };
            format!("{at:10.3?}  machine {node} {word} {ip}\n")
        });
        lines.collect()
    }

    fn answers_of(&self, ip: IpAddr) -> &[Answer] {
        let found = self.answers.iter().find(|(address, _)| *address == ip);
        found.map_or(&[], |(_, answers)| answers)
    }

    /// How much of that time the observer did not look.
    fn stalled(&self, from: At, to: At) -> Duration {
        let stalls = self.stalls.iter();
        stalls
            .map(|stall| stall.to.min(to).saturating_sub(stall.from.max(from)))
            .sum()
    }
}
