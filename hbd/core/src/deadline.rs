//! Every timer of the core, in one table with its reason.
//!
//! A timer is armed, moved or disarmed by its owner and fires once. The table always knows the next
//! one and why it is set, so that "why did it wake up?" is answered by the program.

use alloc::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shared::time::Moment;

use crate::settings::MediumIndex;

/// Names a peer inside the core: its place in [`Settings::nodes`](crate::Settings::nodes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PeerIndex(pub(crate) u16);

/// What the core waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Timer {
    /// The next own beat, every `keepalive`.
    Beat,
    /// A link was silent for the peer's dead time and its own down delay.
    LinkDead(PeerIndex, MediumIndex),
    /// A peer was silent for its dead time.
    PeerDead(PeerIndex),
    /// A node was not heard within `initdead` after the start.
    InitDead,
    /// No member has answered the question which nodes the cluster has; ask the next one.
    AskNodes,
    /// Messages of a peer are missing; ask for them.
    Missing(PeerIndex),
    /// A peer was alive but not authenticated for as long as that may count.
    UnauthHold(PeerIndex),
    /// Nobody has used this node's name for a dead time.
    ImpostorGone,
    /// Fragments, questions or answers of sessions are due.
    Sessions,
    /// The counters of a second are due.
    Sample,
    /// Everybody had time to hear that this node leaves.
    Leave,
}

/// The next moment at which the core wants [`handle_timeout`](crate::Core::handle_timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// When.
    pub at: Moment,
    /// Why.
    pub timer: Timer,
}

/// The armed timers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Deadlines {
    at: BTreeMap<Timer, Moment>,
    order: BTreeSet<(Moment, Timer)>,
}

impl Deadlines {
    /// Arms `timer`, or moves it.
    pub(crate) fn arm(&mut self, timer: Timer, at: Moment) {
        self.disarm(timer);
        self.at.insert(timer, at);
        self.order.insert((at, timer));
    }

    pub(crate) fn disarm(&mut self, timer: Timer) {
        if let Some(at) = self.at.remove(&timer) {
            self.order.remove(&(at, timer));
        }
    }

    pub(crate) fn get(&self, timer: Timer) -> Option<Moment> {
        self.at.get(&timer).copied()
    }

    pub(crate) fn next(&self) -> Option<Deadline> {
        self.order
            .first()
            .map(|&(at, timer)| Deadline { at, timer })
    }

    /// Takes the first timer that is due, if one is.
    pub(crate) fn take_due(&mut self, now: Moment) -> Option<Deadline> {
        let due = self.next().filter(|deadline| deadline.at <= now)?;
        self.disarm(due.timer);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_timer_fires_once_at_its_new_moment() {
        let mut deadlines = Deadlines::default();
        deadlines.arm(Timer::Beat, Moment(5));
        deadlines.arm(Timer::Beat, Moment(9));
        assert_eq!(deadlines.take_due(Moment(8)), None);
        let due = deadlines.take_due(Moment(9)).unwrap();
        assert_eq!((due.at, due.timer), (Moment(9), Timer::Beat));
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn timers_fire_in_order_of_time() {
        let mut deadlines = Deadlines::default();
        deadlines.arm(Timer::Sample, Moment(3));
        deadlines.arm(Timer::InitDead, Moment(1));
        deadlines.arm(Timer::Leave, Moment(2));
        let order: Vec<Timer> = core::iter::from_fn(|| deadlines.take_due(Moment(3)))
            .map(|deadline| deadline.timer)
            .collect();
        assert_eq!(order, [Timer::InitDead, Timer::Leave, Timer::Sample]);
    }
}
