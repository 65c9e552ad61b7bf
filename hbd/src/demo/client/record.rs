//! What the client has seen, and what can be said of it. No clock and no socket.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::time::Moment;

use crate::demo::cast::Node;

/// So much is kept: two minutes of answers.
const KEPT: usize = 120_000;
/// Changes of who answers that are told at most.
const CHANGES_MAX: usize = 16;

/// All that was seen.
#[derive(Debug, Default)]
pub(super) struct Record {
    answers: VecDeque<(Moment, Node)>,
    /// Times in which the client did not look.
    stalls: VecDeque<(Moment, Moment)>,
}

/// What was seen from one moment to another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::demo) struct Seen {
    /// The longest time without an answer that the client's own stalls do not explain.
    pub(in crate::demo) gap: Duration,
    /// Who answered, in turn.
    pub(in crate::demo) by: Vec<Node>,
}

impl Record {
    /// An answer of that node came.
    pub(super) fn answered(&mut self, at: Moment, by: Node) {
        keep(&mut self.answers, (at, by));
    }

    /// The client did not look from one moment to another.
    pub(super) fn stalled(&mut self, from: Moment, to: Moment) {
        keep(&mut self.stalls, (from, to));
    }

    /// What was seen from one moment to another.
    pub(super) fn seen(&self, from: Moment, to: Moment) -> Seen {
        let within = self
            .answers
            .iter()
            .filter(|(at, _)| (from..=to).contains(at));
        let mut seen = Seen::default();
        let mut last = from;
        for (at, by) in within {
            seen.gap = seen.gap.max(self.gap(last, *at));
            if seen.by.last() != Some(by) && seen.by.len() < CHANGES_MAX {
                seen.by.push(*by);
            }
            last = *at;
        }
        seen.gap = seen.gap.max(self.gap(last, to));
        seen
    }

    fn gap(&self, from: Moment, to: Moment) -> Duration {
        let span = to.since(from);
        // Most are shorter than any stall.
        if span < super::look::STALL {
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

    fn record(answers: &[(u64, Node)]) -> Record {
        let mut record = Record::default();
        for (after, by) in answers {
            record.answered(at(*after), *by);
        }
        record
    }

    const TAKEN_OVER: [(u64, Node); 4] = [
        (10, Node::Alice),
        (11, Node::Alice),
        (1011, Node::Bob),
        (1012, Node::Bob),
    ];

    #[test]
    fn the_longest_time_without_an_answer_is_the_gap() {
        let seen = record(&TAKEN_OVER).seen(at(10), at(1013));
        assert_eq!(seen.gap, millis(1000));
        assert_eq!(seen.by, [Node::Alice, Node::Bob]);
    }

    #[test]
    fn a_gap_begins_with_the_question_and_ends_with_it() {
        let record = record(&TAKEN_OVER);
        assert_eq!(record.seen(at(100), at(1013)).gap, millis(911));
        assert_eq!(record.seen(at(1012), at(1212)).gap, millis(200));
        assert_eq!(record.seen(at(2000), at(2300)).gap, millis(300));
        assert_eq!(record.seen(at(2000), at(2300)).by, []);
    }

    #[test]
    fn what_the_client_overslept_is_no_gap() {
        let mut record = record(&TAKEN_OVER);
        record.stalled(at(0), at(9));
        record.stalled(at(500), at(700));
        record.stalled(at(1001), at(1021));
        assert_eq!(record.seen(at(10), at(1013)).gap, millis(790));
    }
}
