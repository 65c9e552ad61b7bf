//! What is not as it should be with groups of resources.

use crate::api::Snapshot;
use crate::event::{NodeStatus, Object, Severity};
use crate::group::{ConfiguredGroup, GroupName, GroupState, Hold};
use crate::names::NodeName;
use crate::view::{ClusterView, GroupView, Ordered, Stamp};

use super::Finding;

/// All of it.
pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let view = &snapshot.view;
    let mut findings = Vec::new();
    for (name, group) in &view.groups {
        findings.extend(held(name, group));
        findings.extend(group.failures_elsewhere().map(|what| failed(name, what)));
        findings.extend(
            group
                .wanted
                .iter()
                .map(|(node, order)| wanted(name, node, order)),
        );
    }
    let unheld = unheld(snapshot);
    let held = view.takeover_held.as_ref().map(|(node, _)| node);
    findings.extend(unheld.map(|group| nobody_holds(&group.name, held)));
    findings.extend(
        view.takeover_held
            .iter()
            .map(|(node, hold)| takeover(view, node, *hold)),
    );
    let devices = view.fence_devices_failed.values();
    findings.extend(devices.map(|failed| fence_device(failed)));
    findings.extend(
        view.frozen
            .iter()
            .map(|(maintenance, order)| frozen(*maintenance, order)),
    );
    findings
}

/// Clauses of the sentence: what nobody should overlook, and how bad it is.
pub(super) fn clauses(snapshot: &Snapshot) -> Vec<(Severity, String)> {
    use Severity::{Critical, Error, Warning};
    let view = &snapshot.view;
    let mut clauses = Vec::new();
    for (name, group) in &view.groups {
        let blocked = group.nodes.keys().filter(|node| group.is_blocked_on(node));
        clauses.extend(blocked.map(|node| (Critical, format!("group {name} blocked on {node}"))));
        clauses.extend(ailing(group).map(|what| (Warning, format!("group {name}: {what}"))));
        if let Some(keeper) = two_hold(group) {
            clauses.push((Critical, format!("two nodes hold group {name}{keeper}")));
        }
    }
    let unheld: Vec<&str> = unheld(snapshot).map(|group| group.name.as_str()).collect();
    match unheld[..] {
        [] => {}
        [group] => clauses.push((Error, format!("nobody holds group {group}"))),
        _ => clauses.push((
            Error,
            format!("nobody holds the groups {}", unheld.join(", ")),
        )),
    }
    let held = view.takeover_held.iter();
    clauses.extend(held.map(|(node, _)| (Error, format!("takeover from {node} held back"))));
    clauses.extend(
        view.frozen
            .iter()
            .map(|(maintenance, _)| (Warning, freeze(*maintenance).to_owned())),
    );
    clauses
}

/// What does not work of a group, where it is held and not blocked.
fn ailing(group: &GroupView) -> impl Iterator<Item = String> {
    let held = group.nodes.keys();
    let held = held.filter(|node| !group.is_blocked_on(node));
    held.filter_map(|node| {
        let text = group.failures.get(node)?;
        // What follows is why.
        let what = text.split_once(": ").map_or(&**text, |(what, _)| what);
        Some(format!("{what} on {node}"))
    })
}

/// What to do about a group that is blocked on a node.
#[must_use]
pub fn blocked_remedy(group: &GroupName, node: &NodeName) -> String {
    format!("stop its resources on {node} by hand, then run hactl cleanup {group}")
}

/// What to do about what failed with a group.
#[must_use]
pub fn failed_remedy(group: &GroupName) -> String {
    format!("repair it, then run hactl cleanup {group}")
}

/// What ends a freeze.
#[must_use]
pub fn thaw(maintenance: bool) -> &'static str {
    match maintenance {
        true => "hactl maintenance off",
        false => "hactl unfreeze",
    }
}

/// Groups that nobody holds although nodes are there that could.
fn unheld(snapshot: &Snapshot) -> impl Iterator<Item = &ConfiguredGroup> {
    let view = &snapshot.view;
    let own = view.own().and_then(|own| view.nodes.get(own));
    let is_member = own.is_some_and(|own| own.status == NodeStatus::Active);
    let could = is_member && view.communication_up && !view.leaving;
    let held = |group: &ConfiguredGroup| {
        let view = view.groups.get(&group.name);
        view.is_some_and(|view| !view.nodes.is_empty())
    };
    let groups = snapshot.groups.iter();
    groups.filter(move |group| could && !held(group))
}

/// Who keeps a group that two nodes hold.
fn two_hold(group: &GroupView) -> Option<String> {
    let keeper = |keeper: &NodeName| format!(" ({keeper} keeps it)");
    let keeper = group.contested.as_ref().map(keeper);
    keeper.or_else(|| (group.nodes.len() > 1).then(String::new))
}

fn held(name: &GroupName, group: &GroupView) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(keeper) = two_hold(group) {
        let nodes: Vec<&str> = group.nodes.keys().map(NodeName::as_str).collect();
        let what = format!("group {name} is held on {}{keeper}", nodes.join(" and "));
        let remedy = format!("the other one stops it; if this lasts, hactl why {name}");
        findings.push(about(Severity::Critical, name, what).remedy(remedy));
    }
    for (node, on) in &group.nodes {
        if on.state == GroupState::Blocked {
            let failed = group.failures.get(node);
            let failed: String = failed
                .map(|failed| format!("; {failed}"))
                .into_iter()
                .collect();
            let what = format!(
                "group {name} is blocked on {node} ({}): nobody else may start it{failed}",
                on.reason
            );
            let remedy = blocked_remedy(name, node);
            let finding = about(Severity::Critical, name, what).remedy(remedy);
            findings.push(finding.since(on.since));
        }
    }
    findings
}

fn failed(name: &GroupName, what: String) -> Finding {
    let remedy = format!("{}; hactl why {name} tells more", failed_remedy(name));
    about(Severity::Warning, name, what).remedy(remedy)
}

fn wanted(name: &GroupName, node: &NodeName, order: &Ordered) -> Finding {
    let what = format!("group {name} is wanted on {node} by {}", ordered(order));
    about(Severity::Notice, name, what).since(order.since)
}

/// `dead` may hold it, as far as anybody knows.
fn nobody_holds(name: &GroupName, dead: Option<&NodeName>) -> Finding {
    let remedy = format!("hactl why {name} tells what it waits for");
    let what = match dead {
        Some(dead) => format!("no living node holds group {name}; {dead}, which is dead, may"),
        None => format!("nobody holds group {name}"),
    };
    about(Severity::Error, name, what).remedy(remedy)
}

fn takeover(view: &ClusterView, node: &NodeName, hold: Hold) -> Finding {
    let failed = view.fence_failed.iter();
    let failed: String = failed.map(|failed| format!("; {failed}")).collect();
    let what = format!("node {node} is dead, and nothing is taken over from it: {hold}{failed}");
    let remedy = match hold {
        Hold::Unauthenticated => format!("this ends by itself; see that {node} has the right key"),
        Hold::Fencing if let Some((maintenance, _)) = view.frozen => format!(
            "nothing is fenced while groups are frozen, {} ends that; else make sure that {node} is \
             off, then run hactl fence confirm {node}",
            thaw(maintenance)
        ),
        Hold::Fencing => format!(
            "it is tried until it succeeds; else make sure that {node} is off, then run \
             hactl fence confirm {node}"
        ),
        Hold::NeverHeard | Hold::Unfenced | Hold::StartupFence | Hold::Manual => {
            format!(
                "start {node}; or make sure that it is off, then run hactl fence confirm {node}"
            )
        }
    };
    Finding::new(Severity::Error, Object::Node(node.clone()), what).remedy(remedy)
}

fn fence_device(failed: &str) -> Finding {
    let remedy = "repair it, or its line in the configuration; until then a node that dies may \
                  not be succeeded";
    Finding::new(Severity::Error, Object::Daemon, failed.to_owned()).remedy(remedy.to_owned())
}

fn frozen(maintenance: bool, order: &Ordered) -> Finding {
    let what = format!(
        "{} by {}: nobody takes over, and nothing is started anew",
        freeze(maintenance),
        ordered(order)
    );
    let finding = Finding::new(Severity::Warning, Object::Daemon, what);
    let remedy = format!("{} ends it", thaw(maintenance));
    finding.remedy(remedy).since(order.since)
}

fn freeze(maintenance: bool) -> &'static str {
    match maintenance {
        true => "groups under maintenance",
        false => "groups frozen",
    }
}

/// Who ordered it, why, and until when.
fn ordered(order: &Ordered) -> String {
    let Ordered { who, since, .. } = order;
    let reason = order.reason.iter().map(|reason| format!(" ({reason})"));
    let until = order.lasts.map(|lasts| until(*since, lasts));
    format!(
        "order of {who}{}{}",
        reason.collect::<String>(),
        match until {
            None if order.together => " while both nodes live".into(),
            until => until.unwrap_or_default(),
        }
    )
}

fn until(since: Stamp, lasts: std::time::Duration) -> String {
    let nanos = u64::try_from(lasts.as_nanos()).unwrap_or(u64::MAX);
    let end = crate::time::Wall(since.wall.0.saturating_add(nanos));
    format!(" until {end}")
}

fn about(severity: Severity, name: &GroupName, what: String) -> Finding {
    Finding::new(severity, Object::Group(name.clone()), what)
}
