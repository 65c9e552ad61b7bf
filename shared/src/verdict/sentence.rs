//! The sentence: how many are active, which links are up, and what spoils it.
//!
//! ```text
//! alice: 3 of 3 nodes active, all 4 links up
//! alice: 2 of 3 nodes active (carol dead), 1 of 4 links up; bob in jeopardy (only eth0 left); 1 other warning
//! ```

use crate::event::{LinkStatus, NodeStatus, Severity};
use crate::names::NodeName;
use crate::view::{ClusterView, NodeView};

use super::{Finding, has_left, is_normal};

/// `others` are the findings that the sentence cannot tell from the nodes and links.
pub(super) fn of(node: &NodeName, view: &ClusterView, others: &[Finding]) -> String {
    if view.started.is_none() {
        return format!("{node}: the core has not started yet");
    }
    let mut clauses = vec![format!("{}, {}", members(view), links(view))];
    clauses.extend(troubles(view));
    let serious = others
        .iter()
        .filter(|finding| finding.severity >= Severity::Warning)
        .count();
    match serious {
        0 => {}
        1 => clauses.push("1 other warning".into()),
        n => clauses.push(format!("{n} other warnings")),
    }
    format!("{node}: {}", clauses.join("; "))
}

/// "3 of 3 nodes active", with the others by status.
fn members(view: &ClusterView) -> String {
    let normal: Vec<_> = view.nodes.iter().filter(|(_, n)| is_normal(n)).collect();
    let active = normal
        .iter()
        .filter(|(_, n)| n.status == NodeStatus::Active)
        .count();
    let others: Vec<String> = normal
        .iter()
        .filter(|(_, n)| n.status != NodeStatus::Active)
        .map(|(name, n)| match (view.own() == Some(name), n.status) {
            (true, NodeStatus::Init) => format!("{name} starting"),
            _ => format!("{name} {}", word(n)),
        })
        .collect();
    let count = format!("{active} of {} nodes active", normal.len());
    match others.is_empty() {
        true => count,
        false => format!("{count} ({})", others.join(", ")),
    }
}

/// A node's status as part of a sentence.
fn word(node: &NodeView) -> &'static str {
    if node.unauthenticated.is_some() {
        return "alive but not authenticated";
    }
    match node.status {
        NodeStatus::Init => "not heard yet",
        NodeStatus::Up => "joining",
        NodeStatus::Active => "active",
        NodeStatus::Ping => "answers",
        NodeStatus::Dead if has_left(node) => "left",
        NodeStatus::Dead => "dead",
    }
}

/// "all 4 links up", counting links to other nodes.
fn links(view: &ClusterView) -> String {
    let all: Vec<_> = view
        .nodes
        .iter()
        .filter(|(name, _)| view.own() != Some(name))
        .flat_map(|(_, node)| node.links.values())
        .collect();
    let up = all.iter().filter(|l| l.status == LinkStatus::Up).count();
    let fresh = all.iter().filter(|l| l.status == LinkStatus::Init).count();
    match (up, all.len()) {
        (_, 0) => "no links to others".into(),
        (1, 1) => "its only link up".into(),
        (0, 1) if fresh == 1 => "its only link not up yet".into(),
        (0, 1) => "its only link down".into(),
        (up, all) if up == all => format!("all {all} links up"),
        (0, all) if fresh == all => format!("none of {all} links up yet"),
        (0, all) => format!("all {all} links down"),
        (up, all) => format!("{up} of {all} links up"),
    }
}

/// What nobody should overlook, in one clause each.
fn troubles(view: &ClusterView) -> Vec<String> {
    let mut clauses = Vec::new();
    if view.leaving {
        clauses.push("leaving".into());
    }
    if view.impostor.is_some() {
        clauses.push("someone else uses this node's name".into());
    }
    for node in view.clones.keys() {
        clauses.push(format!("{node} uses another node's identity"));
    }
    for (name, node) in &view.nodes {
        if node.unauthenticated.is_some() && node.status == NodeStatus::Active {
            clauses.push(format!("{name} alive but not authenticated"));
        }
        if node.not_heard {
            clauses.push(format!("{name} does not hear this node"));
        }
        if let Some(medium) = &node.jeopardy {
            clauses.push(format!("{name} in jeopardy (only {medium} left)"));
        }
        if !is_normal(node) && node.status == NodeStatus::Dead {
            clauses.push(format!("ping node {name} dead"));
        }
        for (medium, link) in &node.links {
            if link.one_way {
                clauses.push(format!("link {name}/{medium} one-way"));
            }
        }
    }
    clauses
}
