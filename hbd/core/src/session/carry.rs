//! All sessions of a node, and how fast they may send.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shared::names::ClientName;
use shared::session::Class;
use shared::time::Moment;

use super::inbound::Inbound;
use super::outbound::Outbound;
use super::{BURST, INBOUND_MAX, INBOUND_OF_PEER_MAX, PACE, SessionId, StreamId};
use crate::deadline::PeerIndex;
use crate::random::Random;
use crate::settings::MediumIndex;
use crate::wire::serial::BITS_PER_BYTE;

/// The part of the rate of a slow medium that sessions may use.
const SLOW_PART: u64 = 2;

/// The sessions of a node.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sessions {
    pub(super) outbound: BTreeMap<StreamId, Outbound>,
    pub(super) inbound: BTreeMap<SessionId, Inbound>,
    pub(super) listeners: BTreeMap<ClientName, u64>,
    last_session: u64,
    /// The stream that was served last: the next one comes first.
    turn: StreamId,
    sent: u32,
    pace_ends: Moment,
    /// When a slow medium may carry the next frame.
    slow: BTreeMap<MediumIndex, Moment>,
}

impl Sessions {
    /// Sessions of one life of a core: their names begin anywhere, so that a frame for a former life
    /// is for nobody.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            last_session: Random::new(!seed).below(1 << 62),
            ..Self::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.outbound.is_empty() && self.inbound.is_empty()
    }

    /// The session that carries a peer's stream.
    pub(super) fn find(&self, peer: PeerIndex, stream: StreamId) -> Option<SessionId> {
        self.inbound
            .iter()
            .find(|(_, inbound)| inbound.peer == peer && inbound.stream == stream && !inbound.ended)
            .map(|(session, _)| *session)
    }

    /// Whether another session of that peer fits.
    pub(super) fn has_room_for(&self, peer: PeerIndex) -> bool {
        let of_peer = self.inbound.values().filter(|other| other.peer == peer);
        self.inbound.len() < INBOUND_MAX && of_peer.count() < INBOUND_OF_PEER_MAX
    }

    pub(super) fn name_session(&mut self) -> SessionId {
        self.last_session += 1;
        SessionId(self.last_session)
    }

    /// All streams that leave, the one that waited longest first.
    pub(super) fn in_turn(&self) -> Vec<StreamId> {
        let after = self.outbound.keys().filter(|stream| **stream > self.turn);
        let before = self.outbound.keys().filter(|stream| **stream <= self.turn);
        after.chain(before).copied().collect()
    }

    pub(super) fn served(&mut self, stream: StreamId) {
        self.turn = stream;
    }

    /// Whether a fragment of this class may be sent at `now`, as far as the pace goes.
    pub(super) fn may_send(&mut self, class: Class, now: Moment) -> bool {
        if self.pace_ends <= now {
            self.pace_ends = now + PACE;
            self.sent = 0;
        }
        self.sent
            < match class {
                Class::Control => BURST,
                Class::Bulk => BURST / 2,
            }
    }

    pub(super) fn count_sent(&mut self) {
        self.sent += 1;
    }

    /// When more may be sent.
    pub(super) fn pace_ends(&self) -> Moment {
        self.pace_ends
    }

    /// When that slow medium may carry the next fragment.
    pub(super) fn slow_free_at(&self, medium: MediumIndex) -> Moment {
        self.slow.get(&medium).copied().unwrap_or_default()
    }

    /// So many bytes went over a slow medium. How long it is kept free for others after that.
    pub(super) fn burden(
        &mut self,
        medium: MediumIndex,
        bytes: usize,
        rate: u64,
        now: Moment,
    ) -> Duration {
        let bits = bytes as u64 * BITS_PER_BYTE * SLOW_PART;
        let pause = Duration::from_nanos(bits.saturating_mul(1_000_000_000) / rate.max(1));
        let free = self.slow_free_at(medium).max(now) + pause;
        self.slow.insert(medium, free);
        free.since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bulk_leaves_room_for_control() {
        let mut sessions = Sessions::default();
        let now = Moment(1);
        while sessions.may_send(Class::Bulk, now) {
            sessions.count_sent();
        }
        assert_eq!(sessions.sent, BURST / 2);
        assert!(sessions.may_send(Class::Control, now));
        assert!(sessions.may_send(Class::Bulk, now + PACE));
    }

    #[test]
    fn half_of_a_slow_medium_stays_free() {
        let mut sessions = Sessions::default();
        let medium = MediumIndex(0);
        let pause = sessions.burden(medium, 960, 9600, Moment(0));
        assert_eq!(pause, Duration::from_secs(2));
        assert_eq!(sessions.slow_free_at(medium), Moment(0) + pause);
    }
}
