//! The receiving end of a session: fragments in order and once, and what to tell the sender.
//!
//! Only numbers of the window are kept, so that nothing the sender claims costs memory. What the
//! office has not taken yet narrows the window, down to nothing.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shared::names::ClientName;
use shared::session::Ending;
use shared::time::Moment;

use super::{Fragment, SessionId, StreamId, WINDOW};
use crate::deadline::PeerIndex;
use crate::wire::session::Frame;

/// Fragments that come in order are acknowledged together, at most so many.
const ACK_EVERY: u32 = 8;
/// And at most so much later.
const ACK_DELAY: Duration = Duration::from_millis(10);
/// Silence of the sender after which it is told what has arrived, which it answers if it does not
/// know the session.
const IDLE: Duration = Duration::from_secs(30);

/// The receiving end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Inbound {
    pub(super) peer: PeerIndex,
    pub(super) stream: StreamId,
    pub(super) to: ClientName,
    pub(super) listener: u64,
    /// The number that is waited for.
    next: u64,
    early: BTreeMap<u64, Option<Fragment>>,
    untaken: u64,
    acknowledged: u64,
    /// The last message of which something was passed on.
    passed: u64,
    unanswered: u32,
    ack_at: Option<Moment>,
    idle_at: Moment,
    /// It is over, and the office was told.
    pub(super) ended: bool,
}

/// What a frame brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Harvest {
    /// Fragments for the office, in order.
    pub(super) fragments: Vec<Fragment>,
    /// The stream ended after them.
    pub(super) finished: bool,
}

impl Inbound {
    pub(super) fn new(
        peer: PeerIndex,
        stream: StreamId,
        to: ClientName,
        listener: u64,
        now: Moment,
    ) -> Self {
        Self {
            peer,
            stream,
            to,
            listener,
            next: 1,
            early: BTreeMap::new(),
            untaken: 0,
            acknowledged: 0,
            passed: 0,
            unanswered: 0,
            ack_at: None,
            idle_at: now + IDLE,
            ended: false,
        }
    }

    /// A fragment, or the end of the stream, has come.
    pub(super) fn receive(
        &mut self,
        number: u64,
        fragment: Option<Fragment>,
        now: Moment,
    ) -> Harvest {
        self.heard(now);
        let expected = number == self.next;
        let last = fragment.as_ref().is_none_or(|fragment| fragment.last);
        if (self.next..self.next + self.window()).contains(&number) {
            self.early.entry(number).or_insert(fragment);
        }
        let harvest = self.harvest();
        self.unanswered += 1;
        if !expected || last || self.unanswered >= ACK_EVERY {
            self.answer_soon(now);
        } else {
            self.ack_at.get_or_insert(now + ACK_DELAY);
        }
        harvest
    }

    fn harvest(&mut self) -> Harvest {
        let mut harvest = Harvest::default();
        while let Some(item) = self.early.remove(&self.next) {
            self.next += 1;
            match item {
                Some(fragment) => {
                    self.passed = self.passed.max(fragment.message);
                    self.untaken += 1;
                    harvest.fragments.push(fragment);
                }
                None => harvest.finished = true,
            }
        }
        harvest
    }

    /// How many numbers from `next` on are taken.
    fn window(&self) -> u64 {
        WINDOW.saturating_sub(self.untaken)
    }

    /// The office took fragments. A window that was closed is told open.
    pub(super) fn taken(&mut self, fragments: u32, now: Moment) {
        let narrow = self.window() < WINDOW / 2;
        self.untaken = self.untaken.saturating_sub(u64::from(fragments));
        if narrow && self.window() >= WINDOW / 2 {
            self.answer_soon(now);
        }
    }

    /// The client acknowledged a message and all before it.
    pub(super) fn acknowledge(&mut self, message: u64, now: Moment) {
        let message = message.min(self.passed);
        if message > self.acknowledged {
            self.acknowledged = message;
            self.answer_soon(now);
        }
    }

    /// The sender lives.
    pub(super) fn heard(&mut self, now: Moment) {
        self.idle_at = now + IDLE;
    }

    pub(super) fn answer_soon(&mut self, now: Moment) {
        self.ack_at = Some(now);
    }

    /// When an answer is due.
    pub(super) fn deadline(&self) -> Moment {
        self.ack_at.map_or(self.idle_at, |at| at.min(self.idle_at))
    }

    /// The answer that is due at `now`, if one is.
    pub(super) fn answer(&mut self, session: SessionId, now: Moment) -> Option<Frame<'static>> {
        if self.deadline() > now {
            return None;
        }
        self.ack_at = None;
        self.idle_at = now + IDLE;
        self.unanswered = 0;
        let seen = self
            .early
            .keys()
            .filter_map(|number| number.checked_sub(self.next + 1))
            .filter(|bit| *bit < 64)
            .fold(0, |seen, bit| seen | 1 << bit);
        Some(Frame::Ack {
            stream: self.stream,
            session,
            next: self.next,
            seen,
            window: self.window(),
            acknowledged: self.acknowledged,
        })
    }

    /// What tells the sender that the session is over.
    pub(super) fn reset(&self, session: SessionId, reason: Ending) -> Frame<'static> {
        Frame::Reset {
            stream: self.stream,
            session,
            reason,
            by_sender: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use shared::session::{Class, Payload};

    const SESSION: SessionId = SessionId(5);

    fn inbound() -> Inbound {
        let to = ClientName::new("backup").unwrap();
        Inbound::new(PeerIndex(1), StreamId(2), to, 77, Moment(0))
    }

    fn fragment(message: u64) -> Option<Fragment> {
        Some(Fragment {
            message,
            class: Class::Bulk,
            last: false,
            bytes: Payload(vec![]),
        })
    }

    fn messages(harvest: &Harvest) -> Vec<u64> {
        harvest.fragments.iter().map(|f| f.message).collect()
    }

    #[test]
    fn fragments_leave_in_order_and_once() {
        let mut inbound = inbound();
        assert!(messages(&inbound.receive(2, fragment(2), Moment(0))).is_empty());
        assert!(messages(&inbound.receive(2, fragment(9), Moment(0))).is_empty());
        assert_eq!(
            messages(&inbound.receive(1, fragment(1), Moment(0))),
            [1, 2]
        );
        assert!(messages(&inbound.receive(1, fragment(1), Moment(0))).is_empty());
    }

    #[test]
    fn the_answer_names_what_is_missing() {
        let mut inbound = inbound();
        for number in [1, 3, 5] {
            inbound.receive(number, fragment(number), Moment(0));
        }
        let Some(Frame::Ack { next, seen, .. }) = inbound.answer(SESSION, Moment(0)) else {
            panic!("no answer");
        };
        assert_eq!((next, seen), (2, 0b101));
    }

    #[test]
    fn what_is_beyond_the_window_costs_nothing() {
        let mut inbound = inbound();
        for number in [WINDOW + 1, u64::MAX, 1 << 40] {
            inbound.receive(number, fragment(1), Moment(0));
        }
        assert!(inbound.early.is_empty());
    }

    #[test]
    fn what_is_not_taken_closes_the_window_and_taking_it_opens_it() {
        let mut inbound = inbound();
        for number in 1..=WINDOW {
            inbound.receive(number, fragment(number), Moment(0));
        }
        assert_eq!(inbound.window(), 0);
        let beyond = inbound.receive(WINDOW + 1, fragment(WINDOW + 1), Moment(0));
        assert_eq!(beyond, Harvest::default());
        inbound.answer(SESSION, Moment(0));
        inbound.taken(40, Moment(9));
        assert_eq!(inbound.window(), 40);
        assert_eq!(inbound.deadline(), Moment(9));
    }

    #[test]
    fn no_client_acknowledges_what_was_not_passed_on() {
        let mut inbound = inbound();
        inbound.receive(1, fragment(1), Moment(0));
        inbound.acknowledge(7, Moment(0));
        assert_eq!(inbound.acknowledged, 1);
    }

    #[test]
    fn fragments_in_order_are_answered_together() {
        let mut inbound = inbound();
        let answers = (1..=16)
            .filter(|number| {
                inbound.receive(*number, fragment(*number), Moment(0));
                inbound.answer(SESSION, Moment(0)).is_some()
            })
            .count();
        assert_eq!(answers, 2);
    }
}
