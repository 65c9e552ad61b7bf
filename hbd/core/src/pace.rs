//! How often this node beats, and which dead time it announces: times that change while peers
//! judge by them.
//!
//! A peer judges this node by the dead time it last heard from it. So at no moment may the beats be
//! slower than the shortest dead time that any peer may still hold allows:
//!
//! - What grows is announced first. Beats keep the old, faster pace until every living peer is known
//!   to have heard a beat that says so.
//! - What shrinks is beaten first. The shorter dead time is announced once a few beats went out at
//!   the new pace.
//!
//! A peer is known to have heard a beat when it acknowledges it, or says in `hbdheard` that a later
//! beat was the last message it heard. One that does neither gets [`MUTE_BEATS`] beats. A peer that
//! stays deaf holds the change up for ever: then beats stay fast and the dead time long, which is
//! wrong for nobody.

use serde::{Deserialize, Serialize};
use shared::event::{Kind, NodeKind};
use shared::names::Sequence;
use shared::time::Now;

use crate::deadline::Timer;
use crate::machine::{Core, Stage};
use crate::peer::Peer;
use crate::settings::{Pace, Times};
use crate::wire::types;

/// So many beats go out at a new pace before a shorter dead time is announced.
const BEATS_FIRST: u32 = 2;
/// So many beats must do for a peer that acknowledges nothing.
const MUTE_BEATS: u32 = 20;

/// The pace at this moment, on its way to that of the settings.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OwnPace {
    /// What peers may rely on.
    pub(crate) pace: Pace,
    /// Nothing where the settings are reached.
    on_the_way: Option<Change>,
}

/// A change that is not complete.
#[derive(Debug, Serialize, Deserialize)]
struct Change {
    /// The first message that announced a longer dead time, if one has to be heard of.
    announced: Option<Sequence>,
    /// Own beats since then.
    beats: u32,
}

impl OwnPace {
    /// A core that begins with `settings`. Where peers know another pace of a former core, they
    /// learn the new one as after any change.
    pub(crate) fn begin(settings: Pace, former: Option<Pace>) -> Self {
        let mut own = Self {
            pace: former.unwrap_or(settings),
            on_the_way: None,
        };
        own.turn_to(settings, Sequence(1));
        own
    }

    /// Takes as much of `wanted` as is safe at once. `next` is the number of the next message.
    fn turn_to(&mut self, wanted: Pace, next: Sequence) {
        let grows = wanted.deadtime > self.pace.deadtime;
        let waiting = self.on_the_way.take().and_then(|change| change.announced);
        self.pace.keepalive = self.pace.keepalive.min(wanted.keepalive);
        self.pace.deadtime = self.pace.deadtime.max(wanted.deadtime);
        if self.pace != wanted {
            self.on_the_way = Some(Change {
                announced: if grows { Some(next) } else { waiting },
                beats: 0,
            });
        }
    }
}

impl Core {
    /// Takes other times over, in an order that is safe for whoever watches this node.
    pub(crate) fn change_times(&mut self, times: Times, now: Now) {
        let unfit = times.keepalive.is_zero() || times.deadtime <= times.keepalive;
        if unfit || times == self.settings.times() {
            return;
        }
        self.settings.set_times(times);
        for peer in &mut self.peers {
            if peer.kind == NodeKind::Ping {
                peer.deadtime = times.deadping;
            }
        }
        if self.deadlines.get(Timer::InitDead).is_some() {
            let due = self.own.listening_since + times.initdead;
            self.deadlines.arm(Timer::InitDead, due.max(now.boot));
        }
        let next = self.own.sequence.next();
        self.pace.turn_to(times.pace(), next);
        match self.pace.on_the_way {
            None => self.report_times(now),
            Some(_) => {
                let kind = Kind::TimersChanging {
                    keepalive: self.pace.pace.keepalive,
                    deadtime: self.pace.pace.deadtime,
                };
                self.event(kind, None, now);
            }
        }
        if !matches!(self.own.stage, Stage::Leaving | Stage::Left) {
            self.deadlines
                .arm(Timer::Beat, now.boot + self.pace.pace.keepalive);
            self.beat(now);
        }
    }

    /// Completes a change of times as soon as it harms nobody. Asked before each beat.
    pub(crate) fn settle_pace(&mut self, now: Now) {
        let Some(change) = &mut self.pace.on_the_way else {
            return;
        };
        change.beats = change.beats.saturating_add(1);
        let (announced, beats) = (change.announced, change.beats);
        let told = announced.is_none_or(|number| {
            self.live_others()
                .all(|(_, peer)| self.has_heard(peer, number, beats))
        });
        if told && beats > BEATS_FIRST {
            self.pace.on_the_way = None;
            self.pace.pace = self.settings.times().pace();
            self.report_times(now);
        }
    }

    fn report_times(&mut self, now: Now) {
        let times = self.settings.times();
        let kind = Kind::TimersChanged {
            keepalive: times.keepalive,
            warntime: times.warntime,
            deadtime: times.deadtime,
            initdead: times.initdead,
        };
        self.event(kind, None, now);
    }

    /// Whether the peer has heard a beat from our message `number` on, in its present life.
    fn has_heard(&self, peer: &Peer, number: Sequence, beats: u32) -> bool {
        let Some(life) = &peer.life else {
            return false;
        };
        let number = number.max(life.ours_before.next());
        let confirmed_beat = self.history.is_of_type(life.confirmed, types::STATUS);
        life.acknowledged >= number
            || life.confirmed >= number && confirmed_beat
            || !life.acknowledges && life.level.is_none() && beats > MUTE_BEATS
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn pace(keepalive_ms: u64, deadtime_ms: u64) -> Pace {
        Pace {
            keepalive: Duration::from_millis(keepalive_ms),
            deadtime: Duration::from_millis(deadtime_ms),
        }
    }

    fn turned(from: Pace, to: Pace) -> OwnPace {
        let mut own = OwnPace::begin(from, None);
        own.turn_to(to, Sequence(7));
        own
    }

    #[test]
    fn what_grows_is_announced_at_once_and_beats_stay_fast_until_it_is_heard() {
        let own = turned(pace(100, 1000), pace(500, 5000));
        assert_eq!(own.pace, pace(100, 5000));
        assert_eq!(own.on_the_way.unwrap().announced, Some(Sequence(7)));
    }

    #[test]
    fn what_shrinks_is_beaten_at_once_and_announced_later() {
        let own = turned(pace(500, 5000), pace(100, 1000));
        assert_eq!(own.pace, pace(100, 5000));
        assert_eq!(own.on_the_way.unwrap().announced, None);
    }

    #[test]
    fn a_longer_dead_time_alone_is_complete_with_its_announcement() {
        let own = turned(pace(100, 1000), pace(100, 5000));
        assert_eq!(own.pace, pace(100, 5000));
        assert!(own.on_the_way.is_none());
    }

    #[test]
    fn a_second_change_does_not_forget_what_the_first_waits_for() {
        let mut own = turned(pace(100, 1000), pace(500, 5000));
        own.turn_to(pace(400, 4000), Sequence(9));
        assert_eq!(own.pace, pace(100, 5000));
        assert_eq!(own.on_the_way.unwrap().announced, Some(Sequence(7)));
    }

    #[test]
    fn a_core_that_replaces_another_begins_at_a_pace_that_peers_know() {
        let own = OwnPace::begin(pace(500, 5000), Some(pace(100, 1000)));
        assert_eq!(own.pace, pace(100, 5000));
        assert_eq!(own.on_the_way.unwrap().announced, Some(Sequence(1)));
        let same = OwnPace::begin(pace(100, 1000), Some(pace(100, 1000)));
        assert!(same.on_the_way.is_none());
    }
}
