//! A configured node, as this core knows it.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shared::event::{ConfigDifference, EventId, LinkStatus, NodeKind, NodeStatus, StatusReason};
use shared::names::{Generation, KeyIndex, NodeName, Sequence, Uuid};
use shared::time::Moment;

use crate::declared::{Declared, Denial};
use crate::link::Link;
use crate::sequence::Tracker;
use crate::wire::config_digest::ConfigDigest;
use crate::wire::level::Level;

/// One configured node, this one included.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Peer {
    pub(crate) name: NodeName,
    pub(crate) kind: NodeKind,
    pub(crate) status: NodeStatus,
    pub(crate) uuid: Option<Uuid>,
    /// The highest generation ever heard, in this life or a former one.
    pub(crate) generation: Option<Generation>,
    /// What belongs to that generation, once it was heard in this life.
    pub(crate) life: Option<Life>,
    /// When the last beat came.
    pub(crate) heard: Option<Moment>,
    /// The dead time that applies once communication is up.
    pub(crate) deadtime: Duration,
    /// The last announcement that was out of bounds, so that each is reported once.
    pub(crate) clamped: Option<Duration>,
    pub(crate) links: Vec<Link>,
    /// The last event of a link's death, which causes what follows from it.
    pub(crate) last_link_death: Option<EventId>,
    pub(crate) jeopardy: bool,
    pub(crate) unverified: Option<Unverifying>,
    /// The last status that counted as old, while no other is heard.
    pub(crate) behind: Option<Behind>,
    pub(crate) load: Option<String>,
    /// What it tells of its configuration, and how that differs from ours.
    pub(crate) config: Option<ConfigDigest>,
    pub(crate) config_differs: Vec<ConfigDifference>,
    /// This node declared it dead for its silence, and tells it so.
    pub(crate) declared: Option<Declared>,
    /// The key that its last packet was signed with.
    pub(crate) signs_with: Option<KeyIndex>,
    /// Why it is dead, while it is.
    pub(crate) died_of: Option<StatusReason>,
    /// What it was last reported to run, and in which generation.
    pub(crate) reported: Option<(Generation, String)>,
}

/// One generation of a peer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Life {
    pub(crate) since: Moment,
    pub(crate) tracker: Tracker,
    /// The number of the last status that counted.
    pub(crate) status_sequence: Sequence,
    /// It announced that it leaves; nothing it says counts any more.
    pub(crate) left: bool,
    /// It speaks the flow control of protocol 1.
    pub(crate) acknowledges: bool,
    /// What it announces in `hbd=`.
    pub(crate) level: Option<Level>,
    /// The highest of our numbers when it began: it cannot have heard those.
    pub(crate) ours_before: Sequence,
    /// The highest of our numbers that it acknowledged, or that we had sent before we heard it.
    pub(crate) acknowledged: Sequence,
    /// The highest of our numbers that it says it heard over any medium.
    pub(crate) confirmed: Sequence,
    pub(crate) confirmed_at: Option<Moment>,
    pub(crate) not_heard: bool,
    /// Whether it declared this node dead.
    pub(crate) denial: Denial,
}

/// A life of the peer that counts as former and seems to go on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Behind {
    pub(crate) generation: Generation,
    pub(crate) sequence: Sequence,
    /// It was reported: the numbers moved.
    pub(crate) reported: bool,
}

/// Packets that seem to be the peer's and do not verify.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Unverifying {
    pub(crate) since: Moment,
    pub(crate) last: Moment,
    pub(crate) generation: Generation,
    pub(crate) sequence: Sequence,
    /// It was reported: the numbers moved.
    pub(crate) reported: bool,
    /// The time it may hold a takeover back is over.
    pub(crate) over: bool,
}

impl Life {
    pub(crate) fn new(tracker: Tracker, own: Sequence, now: Moment) -> Self {
        Self {
            since: now,
            status_sequence: tracker.last().unwrap_or_default(),
            tracker,
            left: false,
            acknowledges: true,
            level: None,
            ours_before: own,
            acknowledged: own,
            confirmed: own,
            confirmed_at: None,
            not_heard: false,
            denial: Denial::default(),
        }
    }
}

impl Peer {
    pub(crate) fn new(name: NodeName, kind: NodeKind, deadtime: Duration, media: usize) -> Self {
        Self {
            name,
            kind,
            status: NodeStatus::Init,
            uuid: None,
            generation: None,
            life: None,
            heard: None,
            deadtime,
            clamped: None,
            links: core::iter::repeat_with(Link::new).take(media).collect(),
            last_link_death: None,
            jeopardy: false,
            unverified: None,
            behind: None,
            load: None,
            config: None,
            config_differs: Vec::new(),
            declared: None,
            signs_with: None,
            died_of: None,
            reported: None,
        }
    }

    pub(crate) fn level(&self) -> Option<Level> {
        self.life.as_ref().and_then(|life| life.level)
    }

    pub(crate) fn left(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.left)
    }

    pub(crate) fn links_up(&self) -> usize {
        self.links
            .iter()
            .filter(|link| link.status == LinkStatus::Up)
            .count()
    }
}
