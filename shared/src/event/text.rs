//! The sentence each kind of event is shown as, everywhere.

use std::fmt;
use std::time::Duration;

use super::{
    Adopted, ConfigDifference, Kind, LinkStatus, MediumStatus, ModemLines, StatusReason, Unverified,
};
use crate::group::GroupName;
use crate::health::{CheckName, HealthState};
use crate::names::{MediumName, NodeName};

/// A span as people read it: `350 ms`, `6 s`, `6.02 s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis < 1000 {
            return write!(f, "{millis} ms");
        }
        let hundredths = millis / 10 % 100;
        match hundredths {
            0 => write!(f, "{} s", millis / 1000),
            h if h % 10 == 0 => write!(f, "{}.{} s", millis / 1000, h / 10),
            h => write!(f, "{}.{h:02} s", millis / 1000),
        }
    }
}

/// "(n more since the last report)", or nothing.
struct Unreported(u64);

impl fmt::Display for Unreported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            n => write!(f, " ({n} more since the last report)"),
        }
    }
}

impl fmt::Display for StatusReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Announced => f.write_str("it says so"),
            Self::Answers => f.write_str("it answers"),
            Self::Silent { silent, deadtime } => write!(
                f,
                "silent for {}, dead time {}",
                Span(*silent),
                Span(*deadtime)
            ),
            Self::NeverHeard { initdead } => {
                write!(f, "not heard within initdead {}", Span(*initdead))
            }
            Self::Left => f.write_str("it left in order"),
            Self::Remembered => f.write_str("known from before the restart"),
            Self::Alone => f.write_str("nobody else lives"),
            Self::Admitted { by } => write!(f, "{by} told who the members are"),
        }
    }
}

impl fmt::Display for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch { key } => write!(
                f,
                "its digest is not the one our key {key} gives; compare key {key} in authkeys on both nodes"
            ),
            Self::UnknownKey { key } => {
                write!(f, "it signs with key {key}, which our authkeys lacks")
            }
            Self::InactiveCrc { key } => write!(
                f,
                "it signs with key {key}, method crc, which proves nothing unless it is our active key"
            ),
        }
    }
}

impl fmt::Display for MediumStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Missing { reason } => write!(f, "unavailable: {reason}"),
            Self::Failed { reason } => write!(f, "failed: {reason}"),
        }
    }
}

impl fmt::Display for ModemLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [(self.cts, "CTS"), (self.dsr, "DSR"), (self.dcd, "DCD")];
        let raised: Vec<_> = lines
            .into_iter()
            .filter_map(|(is_raised, name)| is_raised.then_some(name))
            .collect();
        match raised[..] {
            [] => f.write_str("none"),
            _ => f.write_str(&raised.join(", ")),
        }
    }
}

/// What a serial line tells by its modem lines.
struct Told<'a>(&'a MediumName, Option<ModemLines>, ModemLines);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(medium, from, to) = *self;
        let Some(from) = from else {
            return match to == ModemLines::default() {
                true => write!(
                    f,
                    "{medium}: no modem line is raised: the port at the other end is closed, or the cable is unplugged or \
                     has three wires only"
                ),
                false => write!(f, "{medium}: raised are {to}"),
            };
        };
        let (dropped, raised) = (from.without(to), to.without(from));
        if from == to {
            write!(f, "{medium}: a modem line changed for less than 100 ms")
        } else if from.carrier() && !to.carrier() {
            write!(
                f,
                "carrier lost on {medium} ({dropped} dropped): cable pulled, or the peer closed the port"
            )
        } else if dropped == ModemLines::default() {
            write!(f, "{medium}: {raised} raised")
        } else if dropped.carrier() {
            write!(
                f,
                "{medium}: {dropped} dropped, not {to}: a wire of the cable is broken"
            )
        } else {
            write!(f, "{medium}: CTS dropped: the other end takes nothing")
        }
    }
}

/// So many of them.
pub(crate) fn ping_nodes(count: u32) -> String {
    match count {
        0 => "no ping node".to_owned(),
        1 => "1 ping node".to_owned(),
        _ => format!("{count} ping nodes"),
    }
}

/// That two nodes count ping nodes otherwise.
pub(crate) fn ping_nodes_counted(node: &NodeName, there: u64, here: u64) -> String {
    let number = |count| match count {
        0 => "no ping nodes".to_owned(),
        1 => "1 ping node".to_owned(),
        _ => format!("{count} ping nodes"),
    };
    let here = match here {
        0 => "none".to_owned(),
        _ => here.to_string(),
    };
    format!(
        "{node} counts {} for ipfail, this node {here}",
        number(there)
    )
}

/// A difference in the words of the node that noticed it.
struct Otherwise<'a>(&'a NodeName, &'a ConfigDifference);

impl fmt::Display for Otherwise<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(node, difference) = self;
        match difference {
            ConfigDifference::File { file } => write!(f, "{file} differs"),
            ConfigDifference::PingNodes { here, there } => {
                f.write_str(&ping_nodes_counted(node, *there, *here))
            }
            ConfigDifference::Key { key } => write!(f, "key {key} is another one"),
            ConfigDifference::KeyOnlyHere { key } => write!(
                f,
                "{node} lacks key {key} of this node (authkeys or hbd.keys)"
            ),
            ConfigDifference::KeyOnlyThere { key } => write!(
                f,
                "this node lacks key {key} of {node} (authkeys or hbd.keys)"
            ),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started(started) => {
                let how = if started.quick_restart {
                    "core restarted"
                } else {
                    "started"
                };
                write!(
                    f,
                    "{how}: node {}, generation {}",
                    started.node, started.generation
                )
            }
            Self::Leaving => f.write_str("leaving the cluster"),
            Self::Left => f.write_str("left the cluster"),
            Self::CommunicationUp => {
                f.write_str("communication up: every node was heard or counts as dead")
            }
            Self::NodeStatus {
                node, to, reason, ..
            } => write!(f, "node {node} {to} ({reason})"),
            Self::NodeRestarted { node, from, to } => {
                write!(f, "node {node} restarted (generation {from}, then {to})")
            }
            Self::NodeHeard {
                node,
                generation,
                program,
                ..
            } => write!(
                f,
                "node {node} heard (generation {generation}, runs {program})"
            ),
            Self::PartitionHealed {
                node,
                silent,
                stood_still,
            } => match stood_still {
                true => write!(
                    f,
                    "node {node} returns after it stood still for {}: it sent nothing meanwhile",
                    Span(*silent)
                ),
                false => write!(
                    f,
                    "node {node} returns after a partition: it lived on, unheard for {}",
                    Span(*silent)
                ),
            },
            Self::Jeopardy { node, medium } => {
                write!(f, "node {node} in jeopardy (only {medium} left)")
            }
            Self::JeopardyOver { node, links } => {
                write!(f, "node {node} out of jeopardy ({links} links up)")
            }
            Self::NotHeard { node, silent } => write!(
                f,
                "node {node} does not hear us (last confirmed beat was sent {} ago)",
                Span(*silent)
            ),
            Self::HeardAgain { node } => write!(f, "node {node} hears us again"),
            Self::DeclaredDead { node } => write!(
                f,
                "node {node} declared this node dead while it lived, and may take over what it holds"
            ),
            Self::DeclaredDeadOver { node } => {
                write!(f, "node {node} counts this node as alive again")
            }
            Self::LinkStatus {
                link, to, silent, ..
            } => match (to, silent) {
                (LinkStatus::Dead, Some(silent)) => {
                    write!(f, "link {link} dead (silent for {})", Span(*silent))
                }
                _ => write!(f, "link {link} {to}"),
            },
            Self::LinkOneWay { link } => write!(
                f,
                "link {link} is one-way: {} is heard over it and does not hear us",
                link.peer
            ),
            Self::LinkBothWays { link } => write!(f, "link {link} works both ways again"),
            Self::LateBeat {
                node,
                interval,
                unreported,
            } => write!(
                f,
                "late beat of {node}: {} after the one before{}",
                Span(*interval),
                Unreported(*unreported)
            ),
            Self::OwnStall { late } => write!(
                f,
                "this node did not run for {}; it judges nobody by that time",
                Span(*late)
            ),
            Self::SupervisorStall { late } => write!(
                f,
                "the supervisor did not come round for {}; no client was answered meanwhile",
                Span(*late)
            ),
            Self::Unauthenticated { node, reason } => {
                write!(f, "node {node} alive but not authenticated: {reason}")
            }
            Self::AuthenticatedAgain { node } => write!(f, "node {node} authenticated again"),
            Self::UnauthenticatedGone { node } => {
                write!(
                    f,
                    "nothing that claims to be from node {node} arrives any more"
                )
            }
            Self::UnauthHoldOver { node, hold } => write!(
                f,
                "node {node} was alive but not authenticated for {}; it counts as dead from here on",
                Span(*hold)
            ),
            Self::PacketRefused {
                medium,
                reason,
                claims,
                unreported,
            } => {
                write!(f, "packet over {medium} refused: {reason}")?;
                if let Some(claims) = claims {
                    write!(f, "; it claims to be from {claims}")?;
                }
                write!(f, "{}", Unreported(*unreported))
            }
            Self::UnknownNode {
                name,
                medium,
                unreported,
            } => write!(
                f,
                "message over {medium} from {name}, which is no node of ha.cf{}",
                Unreported(*unreported)
            ),
            Self::ClonedIdentity {
                uuid,
                owner,
                claimed_by,
            } => write!(
                f,
                "nodes {owner} and {claimed_by} both use UUID {uuid} (a cloned disk?): stop hbd on one, remove its hb_uuid, start it again"
            ),
            Self::Impostor {
                medium,
                uuid,
                generation,
            } => {
                write!(f, "someone else uses our name over {medium} (")?;
                if let Some(uuid) = uuid {
                    write!(f, "UUID {uuid}, ")?;
                }
                write!(f, "generation {generation}): rename or stop one of the two")
            }
            Self::ImpostorGone => f.write_str("nobody else uses our name any more"),
            Self::IdentityChanged { node, from, to } => {
                write!(f, "node {node} has another UUID ({from}, then {to})")
            }
            Self::Replay {
                node,
                generation,
                known,
                unreported,
            } => write!(
                f,
                "old message of {node} dropped (generation {generation}, known {known}){}",
                Unreported(*unreported)
            ),
            Self::GenerationBehind {
                node,
                generation,
                known,
            } => write!(
                f,
                "node {node} lives, but all it says counts as old: it sends in generation {generation}, and {known} was heard (a disk restored from a backup?); on {node} stop hbd or heartbeat, write {known} into its hb_generation, start it"
            ),
            Self::GapTooBig { node, missing } => write!(
                f,
                "{missing} messages of {node} are missing, too many to ask for"
            ),
            Self::MessageLost {
                node,
                sequence,
                reason,
            } => write!(f, "message {sequence} of {node} is lost: {reason}"),
            Self::NotSaid { reason, unreported } => write!(
                f,
                "the manager says something to those of other nodes that is not sent: {reason}{}",
                Unreported(*unreported)
            ),
            Self::WindowFilling { node, waiting } => {
                write!(f, "{waiting} messages wait for {node} to acknowledge them")
            }
            Self::DeadtimeClamped {
                node,
                announced,
                used,
            } => write!(
                f,
                "node {node} announces dead time {}, out of bounds; {} applies",
                Span(*announced),
                Span(*used)
            ),
            Self::KeysChanged { active } => {
                write!(f, "keys changed; this node signs with key {active}")
            }
            Self::TimersChanging {
                keepalive,
                deadtime,
            } => write!(
                f,
                "times change: a beat every {}, dead time {}, until every peer can follow",
                Span(*keepalive),
                Span(*deadtime)
            ),
            Self::TimersChanged {
                keepalive,
                warntime,
                deadtime,
                initdead,
            } => write!(
                f,
                "times changed: keepalive {}, warntime {}, deadtime {}, initdead {}",
                Span(*keepalive),
                Span(*warntime),
                Span(*deadtime),
                Span(*initdead)
            ),
            Self::ConfigDiffers { node, differences } => {
                write!(f, "node {node} is configured otherwise:")?;
                for (place, difference) in differences.iter().enumerate() {
                    let comma = if place == 0 { " " } else { ", " };
                    write!(f, "{comma}{}", Otherwise(node, difference))?;
                }
                Ok(())
            }
            Self::ConfigAgrees { node } => write!(f, "node {node} is configured as this node"),
            Self::MediumStatus { medium, to } => write!(f, "medium {medium} {to}"),
            Self::ModemLines { medium, from, to } => Told(medium, *from, *to).fmt(f),
            Self::CoreDied { how } => write!(f, "the core died ({how})"),
            Self::ManagerDied { how } => write!(f, "the manager died ({how})"),
            Self::Adopted { processes, upgrade } => {
                f.write_str(match upgrade {
                    true => "the supervisor was upgraded",
                    false => "the supervisor died",
                })?;
                f.write_str("; another goes on with")?;
                for (place, process) in processes.iter().enumerate() {
                    let Adopted { role, pid, .. } = process;
                    let and = if place > 0 { " and" } else { "" };
                    write!(f, "{and} the {role} (pid {pid})")?;
                }
                Ok(())
            }
            Self::EndedUnasked {
                alive, rebooted, ..
            } => {
                write!(
                    f,
                    "the last life of hbd did not end in order; it lived until {alive} at least"
                )?;
                match rebooted {
                    true => f.write_str(", and the machine was started again since"),
                    false => Ok(()),
                }
            }
            Self::Replaced { role, why } => write!(f, "the {role} is replaced: {why}"),
            Self::Sick { reason } => write!(f, "this node is sick: {reason}"),
            Self::SickOver => f.write_str("this node is not sick any more"),
            Self::SelfFence { why } => write!(f, "this node fences itself: {why}"),
            Self::SelfFenceFailed { why } => write!(f, "this node could not fence itself: {why}"),
            Self::SelfFenceOver => f.write_str("this node need not fence itself any more"),
            Self::Degraded { what, why, remedy } => write!(f, "{what}: {why}; {remedy}"),
            Self::DegradedOver { what } => write!(f, "{what}: it works again"),
            Self::ConfigWarning { place, warning } => write!(f, "{place}: {warning}"),
            Self::ConfigReloaded { changes } if changes.is_empty() => {
                f.write_str("the configuration on disk is the one in use again")
            }
            Self::ConfigReloaded { changes } => {
                write!(f, "configuration reloaded: {}", changes.join("; "))
            }
            Self::ConfigRefused { reasons } => write!(
                f,
                "configuration refused, what ran before goes on: {}",
                reasons.join("; ")
            ),
            Self::Fault {
                medium,
                description,
            } if description.is_empty() => write!(f, "fault on {medium} removed"),
            Self::Fault {
                medium,
                description,
            } => write!(f, "fault on {medium}: {description}"),
            Self::EventsDropped { count } => write!(f, "{count} events dropped"),
            Self::JournalDamaged { file, damage } => {
                write!(f, "journal {file}: {damage}; that part is left out")
            }
            Self::FlightRecorded { file, reason } => {
                write!(f, "what went into the core is kept in {file} ({reason})")
            }
            Self::GroupState {
                group,
                node,
                to,
                reason,
                ..
            } => write!(f, "group {group} {to} on {node} ({reason})"),
            Self::ActionFailed {
                group,
                resource,
                operation,
                why,
                failures,
            } => {
                write!(f, "{operation} of {resource} failed: {why} (group {group}")?;
                write!(f, "{})", InARow(*failures))
            }
            Self::GroupContested {
                group,
                node,
                keeper,
            } => write!(
                f,
                "group {group} is held here and on {node}; {keeper} keeps it"
            ),
            Self::PingNodesCompared {
                node,
                here,
                there: None,
                ..
            } => write!(
                f,
                "this node reaches {}; what {node} reaches is not known",
                ping_nodes(*here)
            ),
            Self::PingNodesCompared {
                node,
                here,
                there: Some(there),
                better,
                lasts,
            } => {
                write!(f, "this node reaches {}, {node} {there}", ping_nodes(*here))?;
                match (better, lasts) {
                    (Some(to), Some(lasts)) => {
                        write!(f, "; groups go to {to} if that lasts {}", Span(*lasts))
                    }
                    (Some(to), None) => write!(f, "; groups go to {to}"),
                    (None, Some(lasts)) => write!(
                        f,
                        "; neither is the better one if that lasts {}",
                        Span(*lasts)
                    ),
                    (None, None) => Ok(()),
                }
            }
            Self::NotificationFailed { node, status, why } => write!(
                f,
                "rc.d/status did not tell that node {node} is {status}: {why}"
            ),
            Self::AddressContested {
                group,
                address,
                hardware,
            } => write!(
                f,
                "{address} (group {group}) is here, and the machine with {hardware} answers for \
                 it too: take it away there"
            ),
            Self::TakeoverHeld { node, reason } => {
                write!(
                    f,
                    "node {node} is dead, and nothing is taken over from it: {reason}"
                )
            }
            Self::TakeoverFree { node } => {
                write!(f, "node {node} holds no takeover back any more")
            }
            Self::HandoverStalled {
                group,
                node,
                waited,
                given: false,
            } => write!(
                f,
                "node {node} has not answered for {} that it takes group {group}",
                Span(*waited)
            ),
            Self::HandoverStalled {
                group,
                node,
                waited,
                given: true,
            } => write!(
                f,
                "node {node} may start group {group} since {}, and has not said that it runs: if it \
                 hangs, kill Heartbeat there",
                Span(*waited)
            ),
            Self::GroupWanted {
                group,
                node,
                lasts,
                together,
                reason,
            } => {
                write!(f, "group {group} is wanted on {node}{}", For(*lasts))?;
                if *together {
                    f.write_str(" while both nodes live")?;
                }
                because(f, reason.as_deref())
            }
            Self::GroupWantedOver { group, reason } => {
                write!(f, "group {group} is wanted nowhere in particular any more")?;
                because(f, reason.as_deref())
            }
            Self::GroupCleaned { group, reason } => {
                write!(
                    f,
                    "what failed with group {group} is forgotten, and tried again"
                )?;
                because(f, reason.as_deref())
            }
            Self::Frozen {
                lasts,
                maintenance,
                reason,
            } => {
                let what = match maintenance {
                    true => "maintenance: no group is started, stopped, moved or looked at",
                    false => "frozen: no group is started, stopped or moved",
                };
                write!(f, "{what}{}", For(*lasts))?;
                because(f, reason.as_deref())
            }
            Self::Unfrozen { reason } => {
                f.write_str("not frozen any more")?;
                because(f, reason.as_deref())
            }
            Self::FenceConfirmed { node, reason } => {
                write!(f, "node {node} is off: somebody made sure of it")?;
                because(f, reason.as_deref())
            }
            Self::FenceBegun {
                node,
                device,
                reason,
            } => {
                write!(f, "node {node} is being switched off with {device}")?;
                because(f, reason.as_deref())
            }
            Self::Fenced { node, device } => {
                write!(f, "node {node} is off: {device} confirmed it")
            }
            Self::FenceFailed {
                node,
                device,
                why,
                failures,
            } => write!(
                f,
                "{device} did not switch off node {node}{}: {why}",
                InARow(*failures)
            ),
            Self::FenceDeviceFailed { node, device, why } => write!(
                f,
                "{device}, which is to switch off node {node} if need be, does not work: {why}"
            ),
            Self::FenceDeviceWorks { node, device } => write!(
                f,
                "{device}, which is to switch off node {node} if need be, works again"
            ),
            Self::Health {
                check,
                node,
                group,
                from,
                to,
                summary,
                ..
            } => {
                let what = match (from, to) {
                    (None | Some(HealthState::Ok), HealthState::Ok) => "is ok",
                    (Some(_), HealthState::Ok) => "is ok again",
                    (_, HealthState::Warning) => "warns",
                    (Some(HealthState::Failed), HealthState::Failed) => "goes on failing",
                    (_, HealthState::Failed) => "failed",
                    (_, HealthState::Unknown) => "could not find out",
                };
                write!(f, "{} {what}", checked(check, node, group.as_ref()))?;
                match summary.is_empty() {
                    true => Ok(()),
                    false => write!(f, ": {summary}"),
                }
            }
            Self::HealthOver { check, node, group } => {
                let check = checked(check, node, group.as_ref());
                write!(f, "{check} is not configured any more")
            }
            Self::Unknown { kind, .. } => write!(f, "{kind}"),
        }
    }
}

/// A health check, and what it is about.
pub(crate) fn checked(check: &CheckName, node: &NodeName, group: Option<&GroupName>) -> String {
    match group {
        Some(group) => format!("health check {check} of group {group}"),
        None => format!("health check {check} of node {node}"),
    }
}

/// How often something failed, if more than once.
struct InARow(u32);

impl fmt::Display for InARow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 | 1 => Ok(()),
            times => write!(f, ", {times} times in a row"),
        }
    }
}

/// For how long an order lasts.
struct For(Option<Duration>);

impl fmt::Display for For {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(lasts) => write!(f, " for {}", Span(lasts)),
            None => Ok(()),
        }
    }
}

/// Why somebody ordered it.
fn because(f: &mut fmt::Formatter<'_>, reason: Option<&str>) -> fmt::Result {
    match reason {
        Some(reason) => write!(f, " ({reason})"),
        None => Ok(()),
    }
}
