//! What the nodes told: every event once, in the order of arrival.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::event::{Event, EventId, Kind, NodeStatus, StatusReason};
use shared::group::GroupState;
use shared::time::Moment;

use super::cast::Node;

/// All events so far.
#[derive(Default)]
pub(super) struct Heard {
    events: Vec<Event>,
    known: BTreeSet<EventId>,
}

impl Heard {
    /// Keeps an event, unless it came before, as after a new connection.
    pub(super) fn keep(&mut self, event: Event) {
        if self.known.insert(event.id.clone()) {
            self.events.push(event);
        }
    }

    /// The first event of that sort that a node told and that happened at `since` or later.
    pub(super) fn first(
        &self,
        by: Node,
        since: Moment,
        sort: impl Fn(&Kind) -> bool,
    ) -> Option<&Event> {
        self.events
            .iter()
            .filter(|event| event.boot >= since && by.is(&event.id.node))
            .find(|event| sort(&event.kind))
    }

    /// Everything that happened at `since` or later, in the order in which it happened.
    pub(super) fn since(&self, since: Moment) -> Vec<&Event> {
        let mut events: Vec<_> = self.events.iter().filter(|e| e.boot >= since).collect();
        events.sort_by_key(|event| event.boot);
        events
    }

    /// Every declaration of death at `since` or later.
    pub(super) fn deaths(&self, since: Moment) -> impl Iterator<Item = &Event> {
        self.events
            .iter()
            .filter(move |event| event.boot >= since && is_death(&event.kind))
    }
}

fn is_death(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::NodeStatus {
            to: NodeStatus::Dead,
            ..
        }
    )
}

/// Whether an event says that `node` is a member.
pub(super) fn is_active(kind: &Kind, node: Node) -> bool {
    matches!(kind, Kind::NodeStatus { node: name, to: NodeStatus::Active, .. } if node.is(name))
}

/// Whether an event says that `node` is dead.
pub(super) fn is_dead(kind: &Kind, node: Node) -> bool {
    is_death(kind) && matches!(kind, Kind::NodeStatus { node: name, .. } if node.is(name))
}

/// Whether an event says that `node` restarted without having been dead.
pub(super) fn is_restart(kind: &Kind, node: Node) -> bool {
    matches!(kind, Kind::NodeRestarted { node: name, .. } if node.is(name))
}

/// Whether an event says that `node` is left with one link.
pub(super) fn is_jeopardy(kind: &Kind, node: Node) -> bool {
    matches!(kind, Kind::Jeopardy { node: name, .. } if node.is(name))
}

/// Whether an event says that `node` has more than one link again.
pub(super) fn is_jeopardy_over(kind: &Kind, node: Node) -> bool {
    matches!(kind, Kind::JeopardyOver { node: name, .. } if node.is(name))
}

/// Whether an event says that `node` is alive but not authenticated.
pub(super) fn is_unauthenticated(kind: &Kind, node: Node) -> bool {
    matches!(kind, Kind::Unauthenticated { node: name, .. } if node.is(name))
}

/// Whether an event says that all of a group runs on `node`.
pub(super) fn is_started(kind: &Kind, node: Node) -> bool {
    matches!(kind, Kind::GroupState { node: name, to: GroupState::Started, .. } if node.is(name))
}

/// Whether an event, told by `node` itself, says that its manager died.
pub(super) fn is_manager_death(kind: &Kind, _: Node) -> bool {
    matches!(kind, Kind::ManagerDied { .. })
}

/// Whether an event says that `node` left in order.
pub(super) fn is_left(kind: &Kind, node: Node) -> bool {
    matches!(kind, Kind::NodeStatus { node: name, reason: StatusReason::Left, .. } if node.is(name))
}

/// The silence after which `node` was declared dead, if an event says that it was.
pub(super) fn silence(kind: &Kind, node: Node) -> Option<Duration> {
    match kind {
        Kind::NodeStatus {
            node: name,
            reason: StatusReason::Silent { silent, .. },
            ..
        } if node.is(name) => Some(*silent),
        _ => None,
    }
}
