//! What only the whole shows, and the defaults: from draft to [`Config`].
//!
//! Every check whose own values are sound runs, whatever the others found. One that needs a value
//! which was given wrongly, or by a line that was perhaps meant to give it, stays silent: that line
//! has its own report.

mod resources;

use std::time::Duration;

use super::diagnostic::Code;
use super::draft::{Draft, Given};
use super::fencing;
use super::haresources::Groups;
use super::keys::KeyRing;
use super::model::{Config, GenerationSource, Logging, NODES_MAX, Realtime, Timing, UuidSource};
use super::report::Report;
use super::source::FileName;
use super::value::show;
use crate::names::NodeName;

const KEEPALIVE_DEFAULT: Duration = Duration::from_secs(1);
const DEADTIME_DEFAULT: Duration = Duration::from_secs(30);
const REXMIT_DELAY_DEFAULT: Duration = Duration::from_millis(250);
const HOPFUDGE_DEFAULT: u8 = 1;

/// Below this an `initdead` is probably too short for a boot.
const INITDEAD_SHORT: Duration = Duration::from_secs(10);

/// What the other files contributed.
pub(super) struct Parts<'p> {
    pub(super) keys: Option<KeyRing>,
    pub(super) groups: Groups,
    /// Whether there is a `haresources`, be it empty.
    pub(super) has_haresources: bool,
    /// The node that will use the configuration.
    pub(super) node: Option<&'p NodeName>,
}

/// Checks the whole. The result is absent if a value that cannot be defaulted is.
pub(super) fn finish(
    draft: Draft,
    mut parts: Parts<'_>,
    report: &mut Report<'_>,
) -> Option<Config> {
    check_nodes(&draft, parts.node, report);
    check_media(&draft, report);
    check_autojoin(&draft, parts.has_haresources, report);
    resources::check(&draft, &mut parts.groups, report);
    fencing::check(&draft, parts.node, report);
    check_logging(&draft, report);
    check_deadtime(&draft, report);
    check_initdead(&draft, report);
    check_deadping(&draft, report);
    check_warntime(&draft, report);
    let timing = timing(&draft)?;
    let resources = resources::finish(&draft, parts.groups.groups, &timing, parts.node)?;
    Some(Config {
        timing,
        nodes: draft.nodes.into_iter().map(|(name, _)| name).collect(),
        media: draft.media.finish(),
        keys: parts.keys?,
        api: draft.api,
        log_badpack: draft.log_badpack.or(true)?,
        logging: Logging {
            facility: draft.log_facility,
            file: draft.log_file,
            debug_file: draft.debug_file,
            syslog_format: draft.syslog_format.or(true)?,
        },
        realtime: Realtime {
            enabled: draft.realtime.or(true)?,
            priority: draft.rtprio.set(),
        },
        watchdog: draft.watchdog,
        self_fence: draft.self_fence,
        hopfudge: draft.hopfudge.or(HOPFUDGE_DEFAULT)?,
        generation: draft.generation.or(GenerationSource::File)?,
        uuid: draft.uuid.or(UuidSource::File)?,
        resources,
        ineffective: draft.ineffective,
    })
}

fn check_nodes(draft: &Draft, own: Option<&NodeName>, report: &mut Report<'_>) {
    if let Some((_, span)) = draft.nodes.get(NODES_MAX) {
        let text = format!("more than {NODES_MAX} nodes are named");
        report
            .at(Code::TooManyNodes, *span, text)
            .label("one too many");
    }
    if draft.nodes.is_empty() {
        if !draft.node_bad {
            report
                .about(Code::NoNode, FileName::HaCf, "no node is named")
                .remedy("add a line `node` with the names that `uname -n` prints on each node");
        }
        return;
    }
    let Some(own) = own else {
        return;
    };
    if draft.node_bad || draft.nodes.iter().any(|(name, _)| name == own) {
        return;
    }
    let text = format!("this node is `{own}`, which is not among the nodes");
    report
        .at(Code::OwnNodeMissing, draft.nodes[0].1, text)
        .label("the nodes are named here")
        .remedy(format!(
            "add `node {own}`, or give this machine the name that is meant"
        ));
}

fn check_media(draft: &Draft, report: &mut Report<'_>) {
    draft.media.check_pings(&draft.nodes, report);
    if !draft.media.leads_to_members() {
        let text = match draft.media.is_empty() {
            true => "no medium is named, so no beat could be sent",
            false => "nothing but hosts to ping is named, so no beat could be sent",
        };
        report
            .about(Code::NoMedium, FileName::HaCf, text)
            .remedy("add a medium, for example `bcast eth0`");
    }
    draft.media.check_listen(report);
    if let Some(keepalive) = keepalive(draft) {
        draft.media.check_speed(keepalive, report);
    }
}

/// As Heartbeat 3.0.6 does, even if the file is empty.
fn check_autojoin(draft: &Draft, has_haresources: bool, report: &mut Report<'_>) {
    if let (Some(span), true) = (draft.autojoin, has_haresources) {
        report
            .at(
                Code::AutojoinWithGroups,
                span,
                "nodes may join by themselves, but there is a haresources file",
            )
            .label("conflicts with haresources")
            .remedy("write `autojoin none`, or remove haresources");
    }
}

fn check_logging(draft: &Draft, report: &mut Report<'_>) {
    let Given::Set(false, span) = draft.use_logd else {
        return;
    };
    if !draft.log_targets {
        report
            .at(
                Code::LoggingOff,
                span,
                "all logging of Heartbeat is switched off",
            )
            .label("Heartbeat 3.0.6 would refuse to start")
            .remedy("remove the line, or add `logfacility daemon`");
    }
}

fn timing(draft: &Draft) -> Option<Timing> {
    let keepalive = keepalive(draft)?;
    let deadtime = deadtime(draft)?;
    Some(Timing {
        keepalive,
        deadtime,
        warntime: draft.warntime.or(deadtime / 2)?,
        initdead: draft.initdead.or(initdead_default(deadtime))?,
        deadping: draft.deadping.or(deadtime)?,
        max_rexmit_delay: draft.max_rexmit_delay.or(REXMIT_DELAY_DEFAULT)?,
    })
}

/// As Heartbeat 3.0.6 does: never below 12 s.
fn initdead_default(deadtime: Duration) -> Duration {
    if deadtime > Duration::from_secs(10) {
        deadtime
    } else if deadtime < Duration::from_secs(6) {
        Duration::from_secs(12)
    } else {
        deadtime * 2
    }
}

fn keepalive(draft: &Draft) -> Option<Duration> {
    draft.keepalive.or(KEEPALIVE_DEFAULT)
}

fn deadtime(draft: &Draft) -> Option<Duration> {
    draft.deadtime.or(DEADTIME_DEFAULT)
}

fn check_deadping(draft: &Draft, report: &mut Report<'_>) {
    let (Given::Set(deadping, span), Some(keepalive)) = (draft.deadping, keepalive(draft)) else {
        return;
    };
    if deadping <= keepalive * 2 {
        report
            .at(
                Code::DeadpingTooSmall,
                span,
                format!(
                    "deadping {} is too small for keepalive {}",
                    show(deadping),
                    show(keepalive)
                ),
            )
            .label(format!("must be larger than {}", show(keepalive * 2)));
    }
}

fn check_warntime(draft: &Draft, report: &mut Report<'_>) {
    let (Given::Set(warntime, span), Some(deadtime)) = (draft.warntime, deadtime(draft)) else {
        return;
    };
    if warntime >= deadtime {
        report
            .at(
                Code::WarntimeLate,
                span,
                format!(
                    "warntime {} is not smaller than deadtime {}",
                    show(warntime),
                    show(deadtime)
                ),
            )
            .label("no beat will ever be reported as late")
            .remedy(format!("leave the line out for {}", show(deadtime / 2)));
    }
}

fn check_deadtime(draft: &Draft, report: &mut Report<'_>) {
    let (Some(keepalive), Some(deadtime)) = (keepalive(draft), deadtime(draft)) else {
        return;
    };
    let (Some(span), related) = (match draft.deadtime.span() {
        Some(span) => (Some(span), draft.keepalive.span()),
        None => (draft.keepalive.span(), None),
    }) else {
        return;
    };
    let text = |what| {
        format!(
            "deadtime {} is {what} for keepalive {}",
            show(deadtime),
            show(keepalive)
        )
    };
    let note = if deadtime <= keepalive * 2 {
        report
            .at(Code::DeadtimeTooSmall, span, text("too small"))
            .label(format!(
                "deadtime must be larger than {}",
                show(keepalive * 2)
            ))
            .remedy("raise deadtime, or lower keepalive")
    } else if deadtime < keepalive * 3 {
        report
            .at(Code::DeadtimeShort, span, text("short"))
            .label("one lost beat and a little delay is a death")
            .remedy(format!("take at least {}", show(keepalive * 3)))
    } else {
        return;
    };
    if let Some(related) = related {
        note.related(related, "keepalive is set here");
    }
}

fn check_initdead(draft: &Draft, report: &mut Report<'_>) {
    let Given::Set(initdead, span) = draft.initdead else {
        return;
    };
    if let Some(deadtime) = deadtime(draft)
        && initdead < deadtime
    {
        report
            .at(
                Code::InitdeadTooSmall,
                span,
                format!(
                    "initdead {} is smaller than deadtime {}",
                    show(initdead),
                    show(deadtime)
                ),
            )
            .label(format!("must be at least {}", show(deadtime)))
            .remedy("leave the line out for a sane default");
    } else if initdead < INITDEAD_SHORT {
        report
            .at(
                Code::InitdeadShort,
                span,
                format!("initdead {} is short for a boot", show(initdead)),
            )
            .label("machines and switches rarely boot equally fast")
            .remedy(format!("take at least {}", show(INITDEAD_SHORT)));
    }
}
