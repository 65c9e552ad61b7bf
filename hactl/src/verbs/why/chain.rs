//! What led to the state of a group, as far as the events about the group tell.
//!
//! An event names its cause where that is another event or an order. Where it does not, its reason
//! does: what is done follows from what was begun, a start on one node from the stop on the other, a
//! move from the order, a stop for a failure from the failure.

use shared::event::{Event, Kind};
use shared::group::{GroupReason, GroupState};
use shared::names::NodeName;

/// The last change of state in `history`, which is in order, and what led to it, the latest first.
pub(super) fn of(history: &[Event]) -> Vec<Event> {
    let is_state = |event: &Event| matches!(event.kind, Kind::GroupState { .. });
    let mut place = history.iter().rposition(is_state);
    let mut chain = Vec::new();
    while let Some(at) = place {
        chain.push(history[at].clone());
        place = before(&history[..at], &history[at]);
    }
    chain
}

/// The other node, where `event` is what that one said of itself, and nothing here led to it.
pub(super) fn known_elsewhere(event: &Event) -> Option<&NodeName> {
    match &event.kind {
        Kind::GroupState {
            node,
            reason: GroupReason::Announced { .. },
            ..
        } if event.cause.is_none() && *node != event.id.node => Some(node),
        _ => None,
    }
}

/// Where in `history` that is which led to `event`.
fn before(history: &[Event], event: &Event) -> Option<usize> {
    let (node, from, to, reason) = match &event.kind {
        Kind::ActionFailed { .. } => return last(history, is_on_its_way),
        Kind::GroupState {
            node,
            from,
            to,
            reason,
            ..
        } => (node, from, *to, reason),
        _ => return None,
    };
    match reason {
        // What a former manager held is held for the reason that it had.
        _ if to == GroupState::Checking => last(history, |kind| is_of(kind, node)),
        GroupReason::Interrupted => last(history, |kind| is_of(kind, node)),
        GroupReason::Done => last(history, |kind| becomes(kind, node, *from)),
        // What came last of the two: the order, or that the other gave it back.
        GroupReason::PeerFree { .. } => {
            since_rest(history, is_order).max(since_rest(history, |kind| frees(kind, node)))
        }
        GroupReason::PeerMoreWilling { .. } => since_rest(history, is_order),
        GroupReason::Announced { .. } => match from {
            GroupState::Stopped => since_rest(history, |kind| hands_over(kind, node)),
            _ => last(history, |kind| is_of(kind, node)).filter(|at| {
                // Who is at rest was not on its way to this.
                !matches!(history[*at].kind, Kind::GroupState { to, .. } if rests(to))
            }),
        }
        .or_else(|| since_rest(history, is_order)),
        GroupReason::StartFailed
        | GroupReason::StopFailed
        | GroupReason::NotRunning
        | GroupReason::Restart
        | GroupReason::RestartsExhausted => {
            last(history, |kind| matches!(kind, Kind::ActionFailed { .. }))
        }
        GroupReason::Cleanup => last(history, |kind| matches!(kind, Kind::GroupCleaned { .. })),
        _ => None,
    }
}

fn last(history: &[Event], is: impl Fn(&Kind) -> bool) -> Option<usize> {
    history.iter().rposition(|event| is(&event.kind))
}

/// The same, since the group was last at rest somewhere.
fn since_rest(history: &[Event], is: impl Fn(&Kind) -> bool) -> Option<usize> {
    let found = last(history, is)?;
    let rest = last(history, |kind| {
        matches!(
            kind,
            Kind::GroupState {
                to: GroupState::Started,
                ..
            }
        )
    });
    rest.is_none_or(|rest| rest < found).then_some(found)
}

/// True for a change after which actions follow.
fn is_on_its_way(kind: &Kind) -> bool {
    matches!(kind, Kind::GroupState { to, .. } if !rests(*to) && *to != GroupState::Blocked)
}

fn is_order(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::GroupWanted { .. } | Kind::GroupWantedOver { .. } | Kind::GroupCleaned { .. }
    )
}

fn is_of(kind: &Kind, wanted: &NodeName) -> bool {
    matches!(kind, Kind::GroupState { node, .. } if node == wanted)
}

/// True for the change that made it `state` on `wanted`.
fn becomes(kind: &Kind, wanted: &NodeName, state: GroupState) -> bool {
    matches!(kind, Kind::GroupState { node, to, .. } if node == wanted && *to == state)
}

/// True where another node than `taker` does not hold it any more.
fn frees(kind: &Kind, taker: &NodeName) -> bool {
    matches!(kind, Kind::GroupState { node, to: GroupState::Stopped, .. } if node != taker)
}

/// True where it does not, and did so for the taker to have it. What was cleared away only, or yielded
/// to who held it already, made room for nobody.
fn hands_over(kind: &Kind, taker: &NodeName) -> bool {
    let made_room = |reason: &GroupReason| {
        !matches!(
            reason,
            GroupReason::LeftBehind
                | GroupReason::Interrupted
                | GroupReason::Contested { .. }
                | GroupReason::DeclaredDead { .. }
        )
    };
    frees(kind, taker) && matches!(kind, Kind::GroupState { reason, .. } if made_room(reason))
}

fn rests(state: GroupState) -> bool {
    matches!(state, GroupState::Started | GroupState::Stopped)
}
