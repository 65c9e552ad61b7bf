//! What the client has seen, and what can be said of it. No clock and no socket.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::time::Moment;

use crate::demo::cast::Node;

/// Two looks further apart than this are a stall: more than a glance at all that is open takes.
const STALL: Duration = Duration::from_millis(20);
/// So much is kept of each: two minutes.
const KEPT: usize = 120_000;
/// Changes of who answers that are told at most.
const CHANGES_MAX: usize = 16;

/// All that was seen.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// When a connection was accepted.
    accepted: VecDeque<Moment>,
    answers: VecDeque<(Moment, Node)>,
    /// The last look. Whether somebody listens since then is not known.
    looked: Moment,
    /// Times in which the client did not look.
    stalls: VecDeque<(Moment, Moment)>,
}

/// What was seen from one moment to the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::demo) struct Seen {
    /// The longest time in which nobody listened that the client's own stalls do not explain.
    pub(in crate::demo) gap: Duration,
    /// Who answered, in turn.
    pub(in crate::demo) by: Vec<Node>,
}

impl Record {
    /// A connection was accepted.
    pub(super) fn accepted(&mut self, at: Moment) {
        keep(&mut self.accepted, at);
    }

    /// An answer of that node came.
    pub(super) fn answered(&mut self, at: Moment, by: Node) {
        keep(&mut self.answers, (at, by));
    }

    /// The client looks.
    pub(super) fn looked(&mut self, at: Moment) {
        if at.since(self.looked) > STALL {
            keep(&mut self.stalls, (self.looked, at));
        }
        self.looked = at;
    }

    /// What was seen from that moment on.
    pub(super) fn seen(&self, from: Moment) -> Seen {
        let to = self.looked;
        Seen {
            gap: self.longest(from, to),
            by: self.answerers(from, to),
        }
    }

    fn longest(&self, from: Moment, to: Moment) -> Duration {
        let mut longest = Duration::ZERO;
        let mut last = from;
        let within = self.accepted.iter().filter(|at| (from..=to).contains(at));
        for at in within.chain([&to]) {
            longest = longest.max(self.gap(last, *at));
            last = *at;
        }
        longest
    }

    fn answerers(&self, from: Moment, to: Moment) -> Vec<Node> {
        let within = self
            .answers
            .iter()
            .filter(|(at, _)| (from..=to).contains(at));
        let mut by: Vec<_> = within.map(|(_, by)| *by).collect();
        by.dedup();
        by.truncate(CHANGES_MAX);
        by
    }

    fn gap(&self, from: Moment, to: Moment) -> Duration {
        let span = to.since(from);
        // Most are shorter than any stall.
        if span < STALL {
            return span;
        }
        let stalls = self.stalls.iter().rev();
        let stalled: Duration = stalls
            .take_while(|(_, end)| *end > from)
            .map(|(begin, end)| (*end).min(to).since((*begin).max(from)))
            .sum();
        span.saturating_sub(stalled)
    }
}

fn keep<T>(all: &mut VecDeque<T>, one: T) {
    if all.len() == KEPT {
        all.pop_front();
    }
    all.push_back(one);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment(millis * 1_000_000)
    }

    fn millis(span: u64) -> Duration {
        Duration::from_millis(span)
    }

    /// One that looked all the time, from the first millisecond to the last.
    fn record(answers: &[(u64, Node)], last: u64) -> Record {
        let mut record = Record::default();
        for now in 0..=last {
            look(&mut record, answers, now);
        }
        record
    }

    fn look(record: &mut Record, answers: &[(u64, Node)], now: u64) {
        record.looked(at(now));
        for (_, by) in answers.iter().filter(|(after, _)| *after == now) {
            record.accepted(at(now));
            record.answered(at(now), *by);
        }
    }

    const TAKEN_OVER: [(u64, Node); 4] = [
        (10, Node::Alice),
        (11, Node::Alice),
        (1011, Node::Bob),
        (1012, Node::Bob),
    ];

    #[test]
    fn the_longest_time_without_an_answer_is_the_gap() {
        let seen = record(&TAKEN_OVER, 1013).seen(at(10));
        assert_eq!(seen.gap, millis(1000));
        assert_eq!(seen.by, [Node::Alice, Node::Bob]);
    }

    #[test]
    fn a_gap_begins_with_the_question_and_ends_with_the_last_look() {
        let record = record(&TAKEN_OVER, 1212);
        assert_eq!(record.seen(at(100)).gap, millis(911));
        assert_eq!(record.seen(at(1012)).gap, millis(200));
        assert_eq!(record.seen(at(1100)).gap, millis(112));
        assert_eq!(record.seen(at(1100)).by, []);
    }

    #[test]
    fn who_listens_and_does_not_answer_leaves_no_gap_and_has_no_name() {
        let mut record = record(&[], 100);
        record.accepted(at(100));
        for now in 101..=200 {
            record.looked(at(now));
        }
        let seen = record.seen(at(0));
        assert_eq!((seen.gap, &*seen.by), (millis(100), &[][..]));
    }

    #[test]
    fn what_the_client_overslept_is_no_gap() {
        let mut record = Record::default();
        for now in (0..=500).chain(700..=1000).chain(1021..=1030) {
            look(&mut record, &[(10, Node::Alice), (1021, Node::Bob)], now);
        }
        assert_eq!(record.seen(at(10)).gap, millis(1011 - 200 - 21));
    }

    #[test]
    fn while_it_sleeps_nothing_is_known() {
        let mut record = record(&TAKEN_OVER, 1013);
        assert_eq!(record.seen(at(1011)).gap, millis(1));
        record.looked(at(2013));
        assert_eq!(record.seen(at(1011)).gap, millis(1));
    }
}
