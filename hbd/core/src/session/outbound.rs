//! The sending end of a session: what the other core does not have yet, and when to send it.
//!
//! A fragment is sent again when three that were sent after it have arrived, or when no answer came
//! within some round trips; from the fifth time on it waits twice as long each time. Where nothing of it is under way and an
//! answer is still due, the receiver is asked.

use alloc::collections::VecDeque;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shared::names::ClientName;
use shared::session::{Class, Ending};
use shared::time::Moment;

use super::{Fragment, SessionId, StreamId, WINDOW};
use crate::deadline::PeerIndex;
use crate::wire::session::Frame;

/// An answer takes so long before one was measured.
const WAIT_FIRST: Duration = Duration::from_millis(200);
/// Bounds of the wait for an answer.
const WAIT_MIN: Duration = Duration::from_millis(30);
const WAIT_MAX: Duration = Duration::from_secs(2);
/// An answer is overdue after so many round trips.
const WAIT_ROUND_TRIPS: u32 = 3;
/// A longer round trip counts for so much less: where acks are lost too, most samples are too long.
const ROUND_TRIP_GAIN: u32 = 64;
/// A fragment is sent so often before each wait doubles.
const TRIES_AT_ONCE: u32 = 4;
/// A fragment is lost when one that is so much later has arrived.
const LATER_ARRIVED: u64 = 3;
/// Longest time between two questions while an answer is due.
const ASK_MAX: Duration = Duration::from_secs(1);
/// Time between two questions while nothing is due.
const ASK_IDLE: Duration = Duration::from_secs(10);

/// The sending end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Outbound {
    pub(super) peer: PeerIndex,
    pub(super) from: ClientName,
    pub(super) to: ClientName,
    /// The receiver's name for it, once it has one.
    pub(super) session: Option<SessionId>,
    /// What the receiver does not have, as far as is known. The first has number `first`.
    items: VecDeque<Item>,
    first: u64,
    /// The receiver takes numbers below this.
    taken_below: u64,
    /// The last message that was offered, and the last that the client acknowledged.
    offered: u64,
    acknowledged: u64,
    closing: bool,
    round_trip: Option<Duration>,
    /// On a slow path an answer takes at least this.
    pub(super) path_wait: Duration,
    ask_at: Moment,
    ask_after: Duration,
    /// Counts what was sent again: another link is tried with each.
    pub(super) again: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Item {
    /// Nothing: the stream ends here.
    fragment: Option<Fragment>,
    sent: Option<Moment>,
    tries: u32,
    arrived: bool,
    lost: bool,
}

/// What an ack changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// So many fragments left this end.
    pub(super) room: u32,
    /// The client acknowledged up to this message.
    pub(super) acknowledged: Option<u64>,
    /// The end of the stream has arrived.
    pub(super) finished: bool,
}

impl Outbound {
    pub(super) fn new(peer: PeerIndex, from: ClientName, to: ClientName, now: Moment) -> Self {
        Self {
            peer,
            from,
            to,
            session: None,
            items: VecDeque::new(),
            first: 1,
            taken_below: 1,
            offered: 0,
            acknowledged: 0,
            closing: false,
            round_trip: None,
            path_wait: Duration::ZERO,
            ask_at: now,
            ask_after: WAIT_FIRST,
            again: 0,
        }
    }

    /// Takes a fragment. False if there is no room for it.
    pub(super) fn offer(&mut self, fragment: Fragment) -> bool {
        if self.closing || self.items.len() as u64 >= WINDOW {
            return false;
        }
        self.offered = self.offered.max(fragment.message);
        self.items.push_back(Item::new(Some(fragment)));
        true
    }

    /// Nothing follows.
    pub(super) fn close(&mut self) {
        if !core::mem::replace(&mut self.closing, true) {
            self.items.push_back(Item::new(None));
        }
    }

    /// The receiver has a session. True if that is news.
    pub(super) fn opened(&mut self, session: SessionId, now: Moment) -> bool {
        if self.session.is_some() {
            return false;
        }
        self.session = Some(session);
        self.taken_below = self.first + WINDOW;
        self.answered(now);
        true
    }

    /// The number and class of what should be sent at `now`, if anything should.
    pub(super) fn due(&self, now: Moment) -> Option<(u64, Class)> {
        self.session?;
        let wait = self.wait();
        (self.first..self.taken_below)
            .zip(&self.items)
            .find(|(_, item)| item.due_at(wait).is_some_and(|at| at <= now))
            .map(|(number, item)| (number, item.class()))
    }

    /// The frame with that number, which is sent at `now`.
    pub(super) fn send(&mut self, stream: StreamId, number: u64, now: Moment) -> Option<Frame<'_>> {
        let session = self.session?;
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let item = self.items.get_mut(place)?;
        if item.sent.is_some() {
            self.again = self.again.wrapping_add(1);
        }
        item.sent = Some(now);
        item.tries += 1;
        item.lost = false;
        Some(match &item.fragment {
            Some(fragment) => Frame::Data {
                session,
                stream,
                number,
                message: fragment.message,
                class: fragment.class,
                last: fragment.last,
                bytes: &fragment.bytes.0,
            },
            None => Frame::Fin {
                session,
                stream,
                number,
            },
        })
    }

    /// The receiver says what has arrived. One that claims what was never sent says nothing.
    pub(super) fn ack(
        &mut self,
        next: u64,
        seen: u64,
        window: u64,
        acknowledged: u64,
        now: Moment,
    ) -> Progress {
        let end = self.first + self.items.len() as u64;
        if next > end || acknowledged > self.offered {
            return Progress::default();
        }
        let mut progress = Progress::default();
        while self.first < next {
            let Some(item) = self.items.pop_front() else {
                break;
            };
            self.first += 1;
            match item.fragment {
                Some(_) => progress.room += 1,
                None => progress.finished = true,
            }
            self.measure(&item, now);
        }
        self.note_seen(next, seen, now);
        self.taken_below = self
            .taken_below
            .max(next.saturating_add(window.min(WINDOW)));
        if acknowledged > self.acknowledged {
            self.acknowledged = acknowledged;
            progress.acknowledged = Some(acknowledged);
        }
        if progress != Progress::default() {
            self.answered(now);
        }
        progress
    }

    fn note_seen(&mut self, next: u64, seen: u64, now: Moment) {
        let mut highest = 0;
        let mut fresh = None;
        for (number, item) in (self.first..).zip(&mut self.items) {
            let bit = number.checked_sub(next + 1).filter(|bit| *bit < 64);
            if bit.is_some_and(|bit| seen & 1 << bit != 0) {
                highest = number;
                if !core::mem::replace(&mut item.arrived, true) && item.tries == 1 {
                    fresh = item.sent;
                }
            }
        }
        for (number, item) in (self.first..).zip(&mut self.items) {
            if item.tries == 1 && number + LATER_ARRIVED <= highest {
                item.lost = true;
            }
        }
        if let Some(sent) = fresh {
            self.sample(now.since(sent));
        }
    }

    /// A round trip counts only where it is clear which copy was answered (RFC 6298, 3).
    fn measure(&mut self, item: &Item, now: Moment) {
        if let Some(sent) = item.sent.filter(|_| item.tries == 1 && !item.arrived) {
            self.sample(now.since(sent));
        }
    }

    fn sample(&mut self, sample: Duration) {
        self.round_trip = Some(match self.round_trip {
            Some(known) if sample > known => known + (sample - known).min(known) / ROUND_TRIP_GAIN,
            _ => sample,
        });
    }

    fn wait(&self) -> Duration {
        let measured = self.round_trip.map(|trip| trip * WAIT_ROUND_TRIPS);
        let wait = measured.unwrap_or(WAIT_FIRST).clamp(WAIT_MIN, WAIT_MAX);
        wait.max(self.path_wait)
    }

    /// An answer came: questions are not urgent.
    fn answered(&mut self, now: Moment) {
        self.ask_after = self.wait();
        self.ask_at = now + self.next_ask();
    }

    fn next_ask(&self) -> Duration {
        match self.awaits_answer() {
            true => self.ask_after.max(self.path_wait),
            false => ASK_IDLE,
        }
    }

    /// Whether the receiver still has something to say.
    fn awaits_answer(&self) -> bool {
        self.session.is_none() || self.acknowledged < self.offered || !self.items.is_empty()
    }

    /// The question that is due at `now`, if one is. While something waits to be sent, there is none:
    /// that is answered, too, and on a slow path questions would keep it from being sent.
    pub(super) fn ask(&mut self, stream: StreamId, now: Moment) -> Option<Frame<'static>> {
        if self.ask_at > now {
            return None;
        }
        self.ask_at = now + self.next_ask();
        if self.due(now).is_some() {
            return None;
        }
        self.ask_after = (self.ask_after * 2).min(ASK_MAX);
        Some(match self.session {
            None => Frame::Open {
                stream,
                from: self.from.clone(),
                to: self.to.clone(),
            },
            Some(session) => Frame::Ask { session, stream },
        })
    }

    /// What was idle is not: an answer will be due.
    pub(super) fn expect_answer(&mut self, now: Moment) {
        self.ask_at = self.ask_at.min(now + self.ask_after);
    }

    /// When something is due next.
    pub(super) fn deadline(&self) -> Moment {
        let wait = self.wait();
        let items = (self.first..self.taken_below)
            .zip(&self.items)
            .filter_map(|(_, item)| item.due_at(wait));
        let items = items.filter(|_| self.session.is_some()).min();
        items.map_or(self.ask_at, |at| at.min(self.ask_at))
    }

    /// Everything but the end of the stream has arrived and was acknowledged.
    pub(super) fn only_fin_is_left(&self) -> bool {
        self.closing && self.items.len() <= 1 && self.acknowledged == self.offered
    }

    /// The last message of which everything has arrived.
    pub(super) fn received(&self) -> Option<u64> {
        let waiting = self.items.iter().find_map(|item| item.fragment.as_ref());
        let all = waiting.map_or(self.offered, |fragment| fragment.message - 1);
        Some(all).filter(|message| *message > self.acknowledged)
    }

    /// What tells the receiver that the session is over.
    pub(super) fn reset(&self, stream: StreamId, reason: Ending) -> Frame<'static> {
        Frame::Reset {
            stream,
            session: self.session.unwrap_or_default(),
            reason,
            by_sender: true,
        }
    }
}

impl Item {
    fn new(fragment: Option<Fragment>) -> Self {
        Self {
            fragment,
            sent: None,
            tries: 0,
            arrived: false,
            lost: false,
        }
    }

    /// The end of a stream is as urgent as what is short.
    fn class(&self) -> Class {
        self.fragment
            .as_ref()
            .map_or(Class::Control, |fragment| fragment.class)
    }

    fn due_at(&self, wait: Duration) -> Option<Moment> {
        if self.arrived {
            return None;
        }
        let Some(sent) = self.sent.filter(|_| !self.lost) else {
            return Some(Moment(0));
        };
        let doublings = self.tries.saturating_sub(TRIES_AT_ONCE).min(6);
        let pause = (wait * 2_u32.pow(doublings)).min(WAIT_MAX.max(wait));
        Some(sent + pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use shared::session::Payload;

    const STREAM: StreamId = StreamId(1);

    fn at(millis: u64) -> Moment {
        Moment(millis * 1_000_000)
    }

    fn fragment(message: u64) -> Fragment {
        Fragment {
            message,
            class: Class::Bulk,
            last: true,
            bytes: Payload(vec![1]),
        }
    }

    fn open(fragments: u64) -> Outbound {
        let client = |name| ClientName::new(name).unwrap();
        let mut outbound = Outbound::new(PeerIndex(1), client("a"), client("b"), at(0));
        for message in 1..=fragments {
            assert!(outbound.offer(fragment(message)));
        }
        outbound.opened(SessionId(9), at(0));
        outbound
    }

    fn send_all(outbound: &mut Outbound, now: Moment) -> Vec<u64> {
        let mut sent = Vec::new();
        while let Some((number, _)) = outbound.due(now) {
            outbound.send(STREAM, number, now);
            sent.push(number);
        }
        sent
    }

    #[test]
    fn what_is_not_answered_is_sent_again_and_later_each_time_after_four() {
        let mut outbound = open(1);
        assert_eq!(send_all(&mut outbound, at(0)), [1]);
        assert_eq!(outbound.deadline(), at(200));
        assert!(send_all(&mut outbound, at(199)).is_empty());
        for again in [200, 400, 600] {
            assert_eq!(send_all(&mut outbound, at(again)), [1]);
        }
        assert_eq!(send_all(&mut outbound, at(800)), [1]);
        assert!(send_all(&mut outbound, at(1199)).is_empty());
        assert_eq!(send_all(&mut outbound, at(1200)), [1]);
    }

    #[test]
    fn nothing_is_asked_while_something_waits_to_be_sent() {
        let mut outbound = open(1);
        assert_eq!(outbound.ask(STREAM, at(5_000)), None);
        send_all(&mut outbound, at(5_000));
        outbound.ack(2, 0, WINDOW, 0, at(5_001));
        assert!(outbound.ask(STREAM, outbound.ask_at).is_some());
    }

    #[test]
    fn on_a_slow_path_questions_are_rarer() {
        let mut outbound = open(1);
        outbound.path_wait = Duration::from_secs(7);
        send_all(&mut outbound, at(0));
        outbound.ack(2, 0, WINDOW, 0, at(100));
        for seconds in [7, 14, 21] {
            assert_eq!(outbound.ask(STREAM, at(seconds * 1_000 + 99)), None);
            assert!(outbound.ask(STREAM, at(seconds * 1_000 + 100)).is_some());
        }
    }

    #[test]
    fn what_three_later_ones_overtook_is_sent_again_at_once() {
        let mut outbound = open(5);
        assert_eq!(send_all(&mut outbound, at(0)), [1, 2, 3, 4, 5]);
        // 1 is here, 2 is missing, 3 and 4 are here.
        outbound.ack(2, 0b011, WINDOW, 0, at(1));
        assert!(send_all(&mut outbound, at(1)).is_empty());
        outbound.ack(2, 0b111, WINDOW, 0, at(2));
        assert_eq!(send_all(&mut outbound, at(2)), [2]);
    }

    #[test]
    fn no_more_is_sent_than_the_receiver_takes() {
        let mut outbound = open(10);
        send_all(&mut outbound, at(0));
        for message in 11..=15 {
            outbound.offer(fragment(message));
        }
        outbound.taken_below = 12;
        assert_eq!(send_all(&mut outbound, at(1)), [11]);
    }

    #[test]
    fn at_most_a_window_is_kept_and_room_is_told() {
        let mut outbound = open(WINDOW);
        assert!(!outbound.offer(fragment(WINDOW + 1)));
        send_all(&mut outbound, at(0));
        let progress = outbound.ack(11, 0, WINDOW, 3, at(1));
        assert_eq!(progress.room, 10);
        assert_eq!(progress.acknowledged, Some(3));
        assert!(outbound.offer(fragment(WINDOW + 1)));
    }

    #[test]
    fn an_ack_for_what_was_never_sent_changes_nothing() {
        let mut outbound = open(2);
        send_all(&mut outbound, at(0));
        assert_eq!(outbound.ack(9, 0, 1, 0, at(1)), Progress::default());
        assert_eq!(outbound.ack(2, 0, 1, 9, at(1)), Progress::default());
        assert_eq!(outbound.ack(2, 0, 1, 1, at(1)).room, 1);
    }

    #[test]
    fn the_receiver_is_asked_while_its_client_has_not_acknowledged() {
        let mut outbound = open(1);
        send_all(&mut outbound, at(0));
        outbound.ack(2, 0, WINDOW, 0, at(10));
        let asked = (11..2000)
            .filter(|now| outbound.ask(STREAM, at(*now)).is_some())
            .count();
        assert!((2..10).contains(&asked), "{asked}");
        outbound.ack(2, 0, WINDOW, 1, at(2000));
        assert_eq!(outbound.deadline(), at(2000) + ASK_IDLE);
    }

    #[test]
    fn the_end_of_the_stream_follows_everything_older() {
        let mut outbound = open(1);
        outbound.close();
        assert!(!outbound.offer(fragment(2)));
        assert_eq!(send_all(&mut outbound, at(0)), [1, 2]);
        assert!(!outbound.ack(2, 0, WINDOW, 1, at(1)).finished);
        assert!(outbound.ack(3, 0, WINDOW, 1, at(1)).finished);
    }
}
