//! The sentence: how many are active, which links are up, and what spoils it.
//!
//! ```text
//! alice: 3 of 3 nodes active, all 4 links up
//! alice: 2 of 3 nodes active (carol dead), 1 of 4 links up; bob in jeopardy (only eth0 left); 1 other warning
//! ```

use std::cmp::Reverse;

use crate::api::Snapshot;
use crate::event::{MediumStatus, NodeStatus, Severity};
use crate::names::NodeName;
use crate::view::{ClusterView, NodeView};

use super::{Finding, Path, declared_lately, has_left, healed_lately, is_normal, silence};

/// `told` are the findings that the sentence tells in its own words, `others` those it counts.
pub(super) fn of(
    node: &NodeName,
    snapshot: &Snapshot,
    told: &[Finding],
    others: &[Finding],
) -> String {
    let view = &snapshot.view;
    if view.started.is_none() {
        return format!("{node}: the core has not started yet");
    }
    let mut clauses = vec![format!("{}, {}", members(view), links(snapshot))];
    clauses.extend(troubles(snapshot));
    let count = |findings: &[Finding], least| {
        let severities = findings.iter().map(|finding| finding.severity);
        severities.filter(|severity| *severity >= least).count()
    };
    let other = match count(told, Severity::Warning) {
        0 => "",
        _ => "other ",
    };
    let what = match count(others, Severity::Error) {
        0 => "warning",
        _ => "problem",
    };
    match count(others, Severity::Warning) {
        0 => {}
        1 => clauses.push(format!("1 {other}{what}")),
        n => clauses.push(format!("{n} {other}{what}s")),
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
    match (&node.unauthenticated, node.status) {
        (Some(_), NodeStatus::Dead) => return "dead: not authenticated",
        (Some(_), _) => return "alive but not authenticated",
        (None, _) => {}
    }
    match node.status {
        NodeStatus::Init => "not heard yet",
        NodeStatus::Up => "joining",
        NodeStatus::Active => "active",
        NodeStatus::Ping => "answers",
        NodeStatus::Dead if node.behind.is_some() => "alive with an old generation",
        NodeStatus::Dead if has_left(node) => "left",
        NodeStatus::Dead => "dead",
    }
}

/// "all 4 links up", counting links to other nodes.
fn links(snapshot: &Snapshot) -> String {
    let view = &snapshot.view;
    let others = view
        .nodes
        .iter()
        .filter(|(name, node)| view.own() != Some(name) && is_normal(node));
    let all: Vec<Path> = others
        .flat_map(|(peer, node)| node.links.iter().map(move |link| (peer, link)))
        .map(|(peer, (medium, link))| Path::of(snapshot, peer, medium, link))
        .collect();
    let count = |path: Path| all.iter().filter(|p| **p == path).count();
    let text = match (count(Path::Up), all.len()) {
        (_, 0) => "no links to others".into(),
        (1, 1) => "its only link up".into(),
        (0, 1) => match all[0] {
            Path::Init => "its only link not up yet".into(),
            Path::OneWay => "its only link one-way".into(),
            Path::Returning => return "its only link returning".into(),
            _ => "its only link down".into(),
        },
        (up, all) if up == all => format!("all {all} links up"),
        (0, all) if count(Path::Init) == all => format!("none of {all} links up yet"),
        (0, all) if count(Path::Dead) + count(Path::NoMedium) == all => {
            format!("all {all} links down")
        }
        (0, all) => format!("none of {all} links up"),
        (up, all) => format!("{up} of {all} links up"),
    };
    match count(Path::Returning) {
        0 => text,
        n => format!("{text}, {n} returning"),
    }
}

/// What nobody should overlook, in one clause each, the worst first.
fn troubles(snapshot: &Snapshot) -> impl Iterator<Item = String> {
    use Severity::{Critical, Error, Notice, Warning};
    let view = &snapshot.view;
    let mut clauses = Vec::new();
    if view.leaving {
        clauses.push((Notice, "leaving".into()));
    }
    if view.impostor.is_some() {
        clauses.push((Critical, "someone else uses this node's name".into()));
    }
    for node in view.clones.keys() {
        clauses.push((Critical, format!("{node} uses another node's identity")));
    }
    for (name, medium) in &view.media {
        match medium.status {
            Some(MediumStatus::Missing { .. }) => {
                clauses.push((Warning, format!("medium {name} unavailable")));
            }
            Some(MediumStatus::Failed { .. }) => {
                clauses.push((Error, format!("medium {name} failed")));
            }
            Some(MediumStatus::Open) | None => {}
        }
    }
    for (name, node) in &view.nodes {
        clauses.extend(of_node(snapshot, name, node));
    }
    clauses.extend(super::groups::clauses(snapshot));
    clauses.sort_by_key(|(severity, _)| Reverse(*severity));
    clauses.into_iter().map(|(_, clause)| clause)
}

/// What nobody should overlook of one node.
fn of_node(snapshot: &Snapshot, name: &NodeName, node: &NodeView) -> Vec<(Severity, String)> {
    use Severity::{Critical, Error, Warning};
    let mut clauses = Vec::new();
    match healed_lately(snapshot, node).map(|healed| healed.stood_still) {
        Some(true) => clauses.push((Critical, format!("{name} stood still and returned"))),
        Some(false) => clauses.push((Critical, format!("{name} returned after a partition"))),
        None => {}
    }
    match declared_lately(snapshot, node).map(|declared| declared.over) {
        Some(None) => clauses.push((Critical, format!("{name} counts this node as dead"))),
        // A partition has two sides, and one of them is told.
        Some(Some(_)) if node.healed.is_none() => {
            clauses.push((Critical, format!("{name} had declared this node dead")));
        }
        _ => {}
    }
    if silence(snapshot, name, node).is_some() {
        let clause = format!("{name} silent for longer than warntime");
        clauses.push((Warning, clause));
    }
    if node.unauthenticated.is_some() && node.status == NodeStatus::Active {
        clauses.push((Error, format!("{name} alive but not authenticated")));
    }
    if node.not_heard {
        clauses.push((Error, format!("{name} does not hear this node")));
    }
    if let Some(medium) = &node.jeopardy {
        let clause = format!("{name} in jeopardy (only {medium} left)");
        clauses.push((Warning, clause));
    }
    if !is_normal(node) && node.status == NodeStatus::Dead {
        clauses.push((Warning, format!("ping node {name} dead")));
    }
    for (medium, link) in &node.links {
        if Path::of(snapshot, name, medium, link) == Path::OneWay {
            clauses.push((Warning, format!("link {name}/{medium} one-way")));
        }
    }
    clauses
}
