//! What is done about resources, as a whole.

use std::time::Duration;

use crate::config::diagnostic::Code;
use crate::config::draft::{Draft, Given};
use crate::config::fencing;
use crate::config::haresources::Groups;
use crate::config::health;
use crate::config::model::{
    AutoFailback, Group, LEASE_SECONDS_MAX, MANAGER_TIME, ManagerKind, Resources, StartupRule,
    StopFailureRule, Timing,
};
use crate::config::monitor;
use crate::config::report::Report;
use crate::config::source::{FileName, Span};
use crate::names::NodeName;

/// What a lease is longer than the time in which a manager is found to hang: its successor has to
/// start, read what is held, and refresh.
const LEASE_RESERVE: Duration = Duration::from_secs(3);

pub(super) fn check(draft: &Draft, groups: &mut Groups, report: &mut Report<'_>) {
    check_auto_failback(draft, groups, report);
    check_manager(draft, groups, report);
    check_ipfail(draft, groups, report);
    monitor::assign(groups, draft, report);
    health::check(draft, groups, report);
}

pub(super) fn finish(
    draft: &Draft,
    groups: Vec<Group>,
    timing: &Timing,
    own: Option<&NodeName>,
) -> Option<Resources> {
    let lease = draft.lease_seconds.or(lease_default(timing.deadtime))?;
    Some(Resources {
        manager: draft.manager.or(manager_default(!groups.is_empty()))?,
        program: draft.manager_program.clone(),
        groups,
        failback: draft.auto_failback.or(AutoFailback::Legacy)?,
        ipfail: draft.ipfail.as_ref().map(|(line, _)| line.clone()),
        startup: draft.startup.or(StartupRule::Alone)?,
        unfenced_takeover: draft.unfenced_takeover.or(true)?,
        stop_failure: draft.stop_failure.or(StopFailureRule::SelfFence)?,
        address_lease: Duration::from_secs(lease.into()),
        manager_time: MANAGER_TIME,
        fencing: fencing::finish(draft, own)?,
        health: health::finish(draft),
        environment: draft.environment.clone(),
        action_limits: (!draft.action_time_bad).then_some(draft.action_limits)?,
    })
}

fn manager_default(has_groups: bool) -> ManagerKind {
    match has_groups {
        true => ManagerKind::TwoNode,
        false => ManagerKind::None,
    }
}

/// In whole seconds: a manager that is replaced keeps its addresses, and so does a machine that
/// stalls for as long as others would believe it dead.
fn lease_default(deadtime: Duration) -> u32 {
    let least = (MANAGER_TIME + LEASE_RESERVE).max(deadtime * 2);
    let seconds = least.as_secs() + u64::from(least.subsec_nanos() > 0);
    u32::try_from(seconds).map_or(LEASE_SECONDS_MAX, |seconds| seconds.min(LEASE_SECONDS_MAX))
}

fn check_auto_failback(draft: &Draft, groups: &Groups, report: &mut Report<'_>) {
    if groups.first.is_some() && draft.auto_failback == Given::Absent {
        report
            .about(
                Code::AutoFailbackMissing,
                FileName::HaCf,
                "haresources names groups, but auto_failback is not set",
            )
            .remedy(
                "add `auto_failback on` or `auto_failback off`; without it the deprecated `legacy` counts",
            );
    }
}

/// How many nodes the manager `two_node` is there for.
const PAIR: usize = 2;

fn check_manager(draft: &Draft, groups: &Groups, report: &mut Report<'_>) {
    let Some(manager) = draft.manager.or(manager_default(groups.first.is_some())) else {
        return;
    };
    match (manager, draft.manager.span(), groups.first) {
        (ManagerKind::None, Some(span), Some(group)) => {
            report
                .at(
                    Code::ManagerNone,
                    span,
                    "haresources names a group, but nobody would look after it",
                )
                .related(group, "the first group")
                .remedy("write `manager two_node`, or leave haresources empty on each node");
        }
        (ManagerKind::TwoNode, Some(span), _) | (ManagerKind::TwoNode, None, Some(span)) => {
            check_pair(draft, span, report);
        }
        _ => {}
    }
}

fn check_ipfail(draft: &Draft, groups: &Groups, report: &mut Report<'_>) {
    let manager = draft.manager.or(manager_default(groups.first.is_some()));
    let (Some((_, span)), Some(manager)) = (&draft.ipfail, manager) else {
        return;
    };
    let why = match manager {
        ManagerKind::TwoNode if draft.media.pings() => return,
        ManagerKind::TwoNode => "there is no ping node whose answers could be compared",
        ManagerKind::None => "there is no group that could move to the better connected node",
        ManagerKind::Program => "the program that is the manager decides where groups are",
    };
    report
        .at(Code::NoEffect, *span, "`ipfail` has no effect here")
        .label(why);
}

fn check_pair(draft: &Draft, span: Span, report: &mut Report<'_>) {
    let nodes = draft.nodes.len();
    let Some((_, node)) = draft.nodes.get(PAIR).or(draft.nodes.last()) else {
        return;
    };
    if nodes == PAIR || draft.node_bad {
        return;
    }
    let (label, known) = match nodes {
        1 => ("the only one", "one node is named".to_owned()),
        _ => ("the third one", format!("{nodes} nodes are named")),
    };
    report
        .at(
            Code::TwoNodeCount,
            span,
            format!("the manager two_node needs two nodes, and {known}"),
        )
        .label(match span.file {
            FileName::Haresources => "groups need a manager, and two_node is the one there is",
            _ => "",
        })
        .related(*node, label)
        .remedy("name two nodes, or leave haresources empty and write no `manager two_node`");
}
