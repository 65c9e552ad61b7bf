//! Where a group is and why it is not elsewhere, in sentences.

use shared::api::Snapshot;
use shared::event::{NodeKind, NodeStatus, StatusReason};
use shared::group::{GroupName, GroupState};
use shared::names::NodeName;
use shared::view::GroupView;

use crate::print::clock::Clock;
use crate::verbs::groups;

/// The sentences. `failback`: groups return to their preferred node by themselves.
pub(super) fn sentences(
    snapshot: &Snapshot,
    group: &GroupName,
    failback: bool,
    clock: &Clock,
) -> Vec<String> {
    let view = &snapshot.view;
    let nothing = GroupView::default();
    let on = view.groups.get(group).unwrap_or(&nothing);
    let mut sentences = vec![whereabouts(group, on, clock)];
    if let (true, Some((node, _))) = (on.nodes.is_empty(), &view.takeover_held) {
        sentences[0] = format!("no living node holds group {group}; {node}, which is dead, may");
    }
    let remarks = groups::rows(snapshot)
        .into_iter()
        .filter(|row| row.name == *group);
    sentences.extend(remarks.flat_map(|row| row.remarks(clock)));
    sentences.extend(groups::of_all(snapshot, clock));
    let dead = view
        .nodes
        .iter()
        .filter(|(_, node)| node.kind == NodeKind::Normal && node.status == NodeStatus::Dead);
    sentences.extend(dead.map(|(name, node)| {
        let off = view
            .fenced
            .get(name)
            .map(|fenced| format!(" and off: {}", fenced.by()));
        if off.is_none() && node.reason == StatusReason::Left.to_string() {
            return format!("{name} left in order, so nothing goes there");
        }
        let off = off.unwrap_or_default();
        format!(
            "{name} is dead ({}){off}, so nothing goes there",
            node.reason
        )
    }));
    if let Some(sentence) = preference(snapshot, group, on, failback) {
        sentences.push(sentence);
    }
    sentences
}

fn whereabouts(group: &GroupName, on: &GroupView, clock: &Clock) -> String {
    let nodes = on.nodes.iter().map(|(node, on)| {
        let since = clock.stamp(on.since);
        match on.state {
            GroupState::Blocked => format!(
                "blocked on {node} since {since} ({}), so nobody else may start it",
                on.reason
            ),
            state => format!("{state} on {node} since {since}"),
        }
    });
    let nodes: Vec<String> = nodes.collect();
    match nodes.is_empty() {
        true => format!("nobody holds group {group}"),
        false => format!("group {group} is {}", nodes.join(" and ")),
    }
}

/// What its preferred node has to do with it.
fn preference(
    snapshot: &Snapshot,
    group: &GroupName,
    on: &GroupView,
    failback: bool,
) -> Option<String> {
    let configured = snapshot.groups.iter().find(|g| g.name == *group)?;
    let preferred = &configured.node;
    let holder: &NodeName = on.nodes.keys().next()?;
    let is_explained = on.wanted.is_some() || !snapshot.view.is_active(preferred);
    match (holder == preferred, is_explained, failback) {
        (true, _, _) => Some(format!("{preferred} is its preferred node")),
        (false, true, _) => None,
        (false, false, true) => Some(format!(
            "{preferred} is its preferred node, to which it goes as soon as that is able (auto_failback on)"
        )),
        (false, false, false) => Some(format!(
            "{preferred} is its preferred node, to which it goes by order only (auto_failback off)"
        )),
    }
}
