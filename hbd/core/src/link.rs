//! One path to a peer: whether packets come over it, how well, and what the peer says of ours.

use core::time::Duration;

use serde::{Deserialize, Serialize};
use shared::event::LinkStatus;
use shared::names::Sequence;
use shared::sample::{Incoming, Outgoing};
use shared::time::Moment;

/// How many numbers below the highest can still be told apart as new or duplicate.
const WINDOW: u64 = 64;
/// RFC 3550, 6.4.1: each new deviation counts for a sixteenth.
const JITTER_GAIN: u32 = 16;

/// A path to a peer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) status: LinkStatus,
    /// When the last packet came; for a link that was never heard, since when one could have come.
    pub(crate) heard: Option<Moment>,
    /// When packets began to flow again over a dead link.
    flowing: Option<Moment>,
    /// Numbers seen over this link in the peer's generation.
    seen: Seen,
    /// Of former generations.
    past: Incoming,
    beat: Option<Moment>,
    rhythm: Rhythm,
    late: u64,
    pub(crate) sent: u64,
    pub(crate) theirs: Theirs,
}

/// What the peer says about our packets over this link.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Theirs {
    /// The highest of our numbers that it heard, or that we had sent when we began to watch.
    pub(crate) confirmed: Sequence,
    pub(crate) confirmed_at: Option<Moment>,
    pub(crate) received: Option<u64>,
    /// How many of `Link::sent` went out up to the last message that `received` can count.
    pub(crate) confirmed_count: Option<u64>,
    pub(crate) one_way: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Rhythm {
    jitter: Duration,
    last: Option<Duration>,
    best: Option<Duration>,
    worst: Option<Duration>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen {
    first: u64,
    highest: u64,
    /// Bit n: `highest` - n has come.
    recent: u64,
    distinct: u64,
    duplicate: u64,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            status: LinkStatus::Init,
            heard: None,
            flowing: None,
            seen: Seen::default(),
            past: Incoming::default(),
            beat: None,
            rhythm: Rhythm::default(),
            late: 0,
            sent: 0,
            theirs: Theirs::default(),
        }
    }

    /// A packet came. True if the link counts as up from here on and did not before.
    pub(crate) fn hear(&mut self, up_delay: Duration, now: Moment) -> bool {
        self.heard = Some(now);
        match self.status {
            LinkStatus::Up => false,
            LinkStatus::Init => {
                self.status = LinkStatus::Up;
                true
            }
            LinkStatus::Dead => {
                let since = *self.flowing.get_or_insert(now);
                let up = now.since(since) >= up_delay;
                if up {
                    self.flowing = None;
                    self.status = LinkStatus::Up;
                }
                up
            }
        }
    }

    /// Silence: packets that begin to flow again must flow for the up delay anew.
    pub(crate) fn silence(&mut self) {
        self.flowing = None;
        self.status = LinkStatus::Dead;
        self.beat = None;
        self.theirs.one_way = false;
    }

    /// While packets flow over a dead link again, it is watched as if it were up.
    pub(crate) fn is_watched(&self) -> bool {
        self.status != LinkStatus::Dead || self.flowing.is_some()
    }

    /// Counts a numbered message. True if it had come over this link already, or may have: a number
    /// below the first that came here is new only where it came over no link at all.
    pub(crate) fn count(&mut self, sequence: Sequence, missing: bool) -> bool {
        self.seen.note(sequence.0, missing)
    }

    /// Measures the time since the beat before. A beat later than `warntime` is counted as late.
    pub(crate) fn beat(&mut self, keepalive: Duration, warntime: Duration, now: Moment) {
        let Some(before) = self.beat.replace(now) else {
            return;
        };
        let interval = now.since(before);
        if interval > warntime {
            self.late += 1;
        }
        self.rhythm.note(interval, keepalive);
    }

    /// The peer began a new generation, and numbers its messages from 1 again.
    pub(crate) fn new_generation(&mut self, own: Sequence) {
        self.past.received += self.seen.distinct;
        self.past.lost += self.seen.lost();
        self.past.duplicate += self.seen.duplicate;
        self.seen = Seen::default();
        self.beat = None;
        self.sent = 0;
        self.watch_ours(own);
        self.theirs.received = None;
        self.theirs.confirmed_count = None;
    }

    /// What we send from here on should be confirmed.
    pub(crate) fn watch_ours(&mut self, own: Sequence) {
        self.theirs.confirmed = own;
    }

    /// The peer says that it received `count` of our messages over this link, the last of them with
    /// number `last`, when we are at `own`.
    pub(crate) fn received(&mut self, count: u64, last: Sequence, own: Sequence) {
        let on_their_way = own.0.saturating_sub(last.0);
        self.theirs.received = Some(count);
        self.theirs.confirmed_count = Some(self.sent.saturating_sub(on_their_way));
    }

    /// The highest number heard over this link, for the peer to read; and how many.
    pub(crate) fn heard_numbers(&self) -> Option<(Sequence, u64)> {
        let recent = self.status == LinkStatus::Up && self.seen.distinct > 0;
        recent.then_some((Sequence(self.seen.highest), self.seen.distinct))
    }

    /// After a stall of this node: silence counts from later on.
    pub(crate) fn forgive(&mut self, stall: Duration, now: Moment) {
        self.heard = self.heard.map(|heard| (heard + stall).min(now));
    }

    pub(crate) fn incoming(&self) -> Incoming {
        Incoming {
            received: self.past.received + self.seen.distinct,
            lost: self.past.lost + self.seen.lost(),
            duplicate: self.past.duplicate + self.seen.duplicate,
            late: self.late,
            jitter: self.rhythm.jitter,
            last: self.rhythm.last,
            best: self.rhythm.best,
            worst: self.rhythm.worst,
        }
    }

    pub(crate) fn outgoing(&self) -> Outgoing {
        Outgoing {
            sent: self.sent,
            received: self.theirs.received,
            confirmed_count: self.theirs.confirmed_count,
            confirmed: self.theirs.confirmed_at,
        }
    }
}

impl Seen {
    fn note(&mut self, number: u64, missing: bool) -> bool {
        if self.distinct == 0 {
            *self = Self {
                first: number,
                highest: number,
                recent: 1,
                distinct: 1,
                duplicate: 0,
            };
            return false;
        }
        if number > self.highest {
            let step = number - self.highest;
            self.recent = if step < WINDOW {
                self.recent << step | 1
            } else {
                1
            };
            self.highest = number;
            self.distinct += 1;
            return false;
        }
        let back = self.highest - number;
        let bit = 1u64.checked_shl(u32::try_from(back).unwrap_or(u32::MAX));
        let bit = bit.unwrap_or_default();
        let unseen = bit != 0 && self.recent & bit == 0 && number >= self.first;
        if !missing && !unseen {
            self.duplicate += 1;
            return true;
        }
        self.first = self.first.min(number);
        self.recent |= bit;
        self.distinct += 1;
        false
    }

    fn lost(&self) -> u64 {
        match self.distinct {
            0 => 0,
            distinct => (self.highest - self.first + 1).saturating_sub(distinct),
        }
    }
}

impl Rhythm {
    fn note(&mut self, interval: Duration, keepalive: Duration) {
        let deviation = interval.abs_diff(keepalive);
        self.jitter = if deviation > self.jitter {
            self.jitter + (deviation - self.jitter) / JITTER_GAIN
        } else {
            self.jitter - (self.jitter - deviation) / JITTER_GAIN
        };
        self.last = Some(interval);
        self.best = Some(self.best.map_or(interval, |best| best.min(interval)));
        self.worst = Some(self.worst.map_or(interval, |worst| worst.max(interval)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn received_lost_and_duplicate_numbers_are_told_apart() {
        let mut link = Link::new();
        let duplicates = [5, 6, 9, 9, 7, 6, 4].map(|n| link.count(Sequence(n), false));
        assert_eq!(duplicates, [false, false, false, true, false, true, true]);
        let incoming = link.incoming();
        assert_eq!((incoming.received, incoming.lost), (4, 1));
        assert_eq!(incoming.duplicate, 3);
    }

    #[test]
    fn a_number_below_the_first_is_new_where_it_is_missing() {
        let mut link = Link::new();
        assert!(!link.count(Sequence(85), false));
        assert!(!link.count(Sequence(84), true));
        assert!(link.count(Sequence(84), false));
        assert!(link.count(Sequence(83), false));
        assert_eq!(link.incoming().received, 2);
    }

    #[test]
    fn counts_go_on_over_a_restart_of_the_peer() {
        let mut link = Link::new();
        link.count(Sequence(1), false);
        link.count(Sequence(3), false);
        link.new_generation(Sequence(0));
        link.count(Sequence(1), false);
        let incoming = link.incoming();
        assert_eq!((incoming.received, incoming.lost), (3, 1));
    }

    #[test]
    fn a_dead_link_is_up_again_after_the_up_delay_and_not_before() {
        let second = Duration::from_secs(1);
        let mut link = Link::new();
        assert!(link.hear(2 * second, Moment(0)));
        link.silence();
        assert!(!link.hear(2 * second, Moment(0) + 9 * second));
        assert!(!link.hear(2 * second, Moment(0) + 10 * second));
        assert!(link.hear(2 * second, Moment(0) + 11 * second));
    }

    #[test]
    fn what_is_still_on_its_way_is_not_counted_as_confirmed() {
        let mut link = Link::new();
        link.new_generation(Sequence(100));
        link.sent = 10;
        link.received(8, Sequence(108), Sequence(110));
        let outgoing = link.outgoing();
        assert_eq!(outgoing.received, Some(8));
        assert_eq!(outgoing.confirmed_count, Some(8));
    }

    #[test]
    fn a_late_beat_is_counted_and_moves_the_worst_interval() {
        let second = Duration::from_secs(1);
        let mut link = Link::new();
        for at in [0, 1, 2, 7] {
            link.beat(second, 3 * second, Moment(0) + at * second);
        }
        let incoming = link.incoming();
        assert_eq!(incoming.late, 1);
        assert_eq!(incoming.best, Some(second));
        assert_eq!(incoming.worst, Some(5 * second));
        assert_eq!(incoming.jitter, second / 4);
    }
}
