//! What a node believes about the cluster: a fold of its events.
//!
//! The daemon, `hactl`, the console and the tests hold a [`ClusterView`] and apply events to it, so
//! that all of them see the same. Nothing else changes it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::{
    Cause, ConfigDifference, Event, EventId, Kind, LinkStatus, MediumStatus, ModemLines, NodeKind,
    NodeStatus, Role, Started, Unverified,
};
use crate::group::{GroupName, GroupReason, GroupState, Hold};
use crate::health::{CheckName, HealthState};
use crate::names::{Generation, LinkName, MediumName, NodeName, Uuid};
use crate::time::{Moment, Wall};

/// Most warnings a view keeps of one sort; the rest is counted nowhere, since the log has them.
pub const NOTES_MAX: usize = 64;

/// Who was reported to be no node, which is done once a minute, counts as gone after this.
pub const STRANGER_SHOWN: Duration = Duration::from_secs(150);

/// The cluster as one node sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterView {
    /// What the core started from; nothing before its first event.
    pub started: Option<Started>,
    /// When the core started.
    pub since: Option<Stamp>,
    /// The nodes, this one included.
    pub nodes: BTreeMap<NodeName, NodeView>,
    /// The media.
    pub media: BTreeMap<MediumName, MediumView>,
    /// True when every configured node was heard or counts as dead.
    pub communication_up: bool,
    /// True from the order to leave on.
    pub leaving: bool,
    /// Somebody else's use of this node's name, while it lasts.
    pub impostor: Option<String>,
    /// Identities that two nodes share.
    pub clones: BTreeMap<NodeName, String>,
    /// Who sends here lately and is no node of the configuration, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub strangers: BTreeMap<String, Stranger>,
    /// What works less well than it could, and why.
    pub degraded: Vec<String>,
    /// The same in its parts.
    #[serde(default)]
    pub lacks: Vec<Lack>,
    /// What the configuration holds to no effect.
    pub config_warnings: Vec<String>,
    /// What applies while the times of this node change and peers have to learn of it first.
    #[serde(default)]
    pub times_changing: Option<String>,
    /// Why the configuration on disk is not the one in use, since it was last read.
    #[serde(default)]
    pub config_refused: Vec<String>,
    /// Faults injected on media.
    pub faults: BTreeMap<MediumName, String>,
    /// How the life before this one ended, where it did not end in order.
    #[serde(default)]
    pub ended_unasked: Option<EndedUnasked>,
    /// How often the core died since hbd started.
    pub core_deaths: u64,
    /// How often the manager died since hbd started.
    #[serde(default)]
    pub manager_deaths: u64,
    /// How often the supervisor died since hbd started, and another one went on.
    #[serde(default)]
    pub supervisor_deaths: u64,
    /// The last death of each process that died.
    #[serde(default)]
    pub last_deaths: BTreeMap<Role, Death>,
    /// Why this node cannot do what a member must, while it cannot.
    #[serde(default)]
    pub sick: Option<String>,
    /// This node takes itself away, while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_fence: Option<SelfFence>,
    /// The groups of resources that a manager told of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<GroupName, GroupView>,
    /// What health checks of this node say, while they are made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub health: BTreeMap<CheckName, HealthView>,
    /// How many ping nodes this node and the other one reach, while both count them (`ipfail`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping_nodes: Option<PingNodes>,
    /// The freeze that lasts, and whether it is a maintenance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<(bool, Ordered)>,
    /// The dead node that may not be succeeded yet, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takeover_held: Option<(NodeName, Hold)>,
    /// Nodes that were fenced, until they are heard again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fenced: BTreeMap<NodeName, Fenced>,
    /// Why it was not fenced when that was last tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence_failed: Option<String>,
    /// Fencing devices that do not answer, and what was told of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fence_devices_failed: BTreeMap<String, String>,
    /// Stalls of this node since its core started.
    pub stalls: u64,
    /// The longest of them.
    pub worst_stall: Duration,
    /// Stalls of the supervisor since hbd started, as reported.
    #[serde(default)]
    pub supervisor_stalls: u64,
    /// The longest of them.
    #[serde(default)]
    pub worst_supervisor_stall: Duration,
    /// The last event applied.
    pub last_event: Option<EventId>,
}

/// How many ping nodes two nodes reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PingNodes {
    /// The other node.
    pub node: NodeName,
    /// How many this node reaches.
    pub here: u32,
    /// How many the other one does.
    pub there: u32,
    /// The better connected one, to which groups go, or will.
    pub better: Option<NodeName>,
    /// When that begins to count, if it lasts; nothing where it counts.
    pub counts_at: Option<Moment>,
    /// Since when this is so.
    pub since: Stamp,
}

/// What a health check says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthView {
    /// The node that makes it.
    pub node: NodeName,
    /// The group that it is about, if it is not about the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupName>,
    /// What it says.
    pub state: HealthState,
    /// The same in its words.
    pub summary: String,
    /// Since when.
    pub since: Stamp,
}

/// A node that was made sure to be off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fenced {
    /// Since when.
    pub since: Stamp,
    /// The device that switched it off; nothing where an operator said that it is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

impl Fenced {
    /// Who made sure of it, as the end of a sentence.
    #[must_use]
    pub fn by(&self) -> String {
        match &self.device {
            Some(device) => format!("{device} confirmed it"),
            None => "somebody made sure of it".into(),
        }
    }
}

/// A node that takes itself away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfFence {
    /// Why.
    pub why: String,
    /// Why it is still there, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// A moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Decides.
    pub boot: Moment,
    /// Annotates.
    pub wall: Wall,
}

/// Something that works less well than it could.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lack {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do about it.
    pub remedy: String,
}

/// The end of a life of hbd that was not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedUnasked {
    /// When it was noticed, at the start of the next one.
    pub at: Stamp,
    /// When its last event was.
    pub alive: Wall,
    /// The machine was started again since. False where that is not certain.
    pub rebooted: bool,
}

/// The death of a process of hbd in whose place another one went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// When it was noticed.
    pub at: Stamp,
    /// How: the signal or exit status, in words; nothing where nobody saw it.
    pub how: Option<String>,
}

/// The end of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healed {
    /// When.
    pub at: Stamp,
    /// How long the node was not heard.
    pub silent: Duration,
    /// It stood still meanwhile, and sent nothing.
    #[serde(default)]
    pub stood_still: bool,
}

/// A declaration of this node's death by another, while it lived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredDead {
    /// When it was learnt.
    pub at: Stamp,
    /// When the other counted this node as alive again.
    pub over: Option<Stamp>,
}

/// One who sends here and is no node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stranger {
    /// The medium over which it was reported last.
    pub medium: MediumName,
    /// When it was reported first.
    pub since: Stamp,
    /// When it was reported last: once a minute while it sends.
    pub last: Stamp,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    /// What it is.
    pub kind: NodeKind,
    /// Its state.
    pub status: NodeStatus,
    /// Since when.
    pub since: Stamp,
    /// Why, in words.
    pub reason: String,
    /// Its lasting identity.
    pub uuid: Option<Uuid>,
    /// Its life.
    pub generation: Option<Generation>,
    /// What it runs.
    pub program: Option<String>,
    /// Lives that this node noticed to have ended and begun without a death in between.
    pub restarts: u64,
    /// When it last returned in the same life after it was declared dead.
    #[serde(default)]
    pub healed: Option<Healed>,
    /// When it last declared this node dead while it lived.
    #[serde(default)]
    pub declared_dead: Option<DeclaredDead>,
    /// The last medium left, while only one of several carries its packets.
    pub jeopardy: Option<MediumName>,
    /// True while it says that it does not hear this node.
    pub not_heard: bool,
    /// Why its packets do not count, while they arrive and do not verify.
    pub unauthenticated: Option<Unverified>,
    /// The life it sends in and the one known, while all it says counts as old.
    #[serde(default)]
    pub behind: Option<(Generation, Generation)>,
    /// How its configuration differs where all nodes must be alike.
    #[serde(default)]
    pub config_differs: Vec<ConfigDifference>,
    /// Links to it, by medium.
    pub links: BTreeMap<MediumName, LinkView>,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkView {
    /// Its state.
    pub status: LinkStatus,
    /// Since when.
    pub since: Stamp,
    /// True while the peer says that nothing of ours arrives over it.
    pub one_way: bool,
}

/// A group of resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupView {
    /// What it is, by node; a node that is not there does not hold it, or is dead.
    pub nodes: BTreeMap<NodeName, GroupOn>,
    /// Who keeps it, while two nodes hold it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contested: Option<NodeName>,
    /// Where an operator wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<(NodeName, Ordered)>,
    /// The last thing that went wrong with it on each node, until it is started there again or
    /// cleaned up.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<NodeName, String>,
}

/// An order that lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// When it was given.
    pub since: Stamp,
    /// For how long; for ever if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Duration>,
    /// Only until a node dies or leaves.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub together: bool,
    /// Who gave it.
    pub who: String,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Ordered {
    fn of(event: &Event, lasts: Option<Duration>, reason: Option<&str>) -> Self {
        Self {
            since: Stamp {
                boot: event.boot,
                wall: event.wall,
            },
            lasts,
            together: false,
            who: match &event.cause {
                Some(Cause::Order(who)) => who.clone(),
                _ => "nobody that is known".into(),
            },
            reason: reason.map(str::to_owned),
        }
    }
}

/// A group on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupOn {
    /// What it is.
    pub state: GroupState,
    /// Since when; of a group that is found to run on, since it was started first.
    pub since: Stamp,
    /// Why, in words.
    pub reason: String,
    /// Since when it was started, while it is found out whether it still is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Stamp>,
    /// What failed there is that another machine answers for an address of it: over once it is stopped.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub address_contested: bool,
}

/// Why a node counts as holder that was not heard to say so, but does not hear this one.
const HOLDS_UNHEARING: &str = "it does not hear this node, and holds it";

impl GroupView {
    /// What follows from a change of this node's own state: who does not hear this node, and for whom
    /// it gave the group up, holds it until more is known.
    fn follow_own(&mut self, to: GroupState, reason: &GroupReason, since: Stamp) {
        match (to, reason) {
            (GroupState::Stopped, GroupReason::DeclaredDead { node }) => {
                let on = GroupOn {
                    state: GroupState::Started,
                    since,
                    reason: HOLDS_UNHEARING.into(),
                    started: None,
                    address_contested: false,
                };
                self.nodes.entry(node.clone()).or_insert(on);
            }
            // It starts what it found free.
            (GroupState::Starting, _) => self.nodes.retain(|_, on| on.reason != HOLDS_UNHEARING),
            _ => {}
        }
    }

    /// A resource of it did not stop on that node.
    #[must_use]
    pub fn is_blocked_on(&self, node: &NodeName) -> bool {
        let on = self.nodes.get(node);
        on.is_some_and(|on| on.state == GroupState::Blocked)
    }

    /// What went wrong with it on that node, which the text names.
    #[must_use]
    pub fn failure_on(&self, node: &NodeName) -> Option<String> {
        let text = self.failures.get(node)?;
        Some(format!("on {node}: {text}"))
    }

    /// What went wrong with it on nodes where it is not blocked.
    pub fn failures_elsewhere(&self) -> impl Iterator<Item = String> {
        let nodes = self.failures.keys();
        let nodes = nodes.filter(|node| !self.is_blocked_on(node));
        nodes.filter_map(|node| self.failure_on(node))
    }

    fn turn(&mut self, node: &NodeName, mut on: GroupOn) {
        if let Some(before) = self.nodes.get(node) {
            on.address_contested = before.address_contested;
            match (before.state, on.state) {
                (GroupState::Started, GroupState::Checking) => on.started = Some(before.since),
                (GroupState::Checking, GroupState::Started) => {
                    on.since = before.started.unwrap_or(on.since);
                }
                (GroupState::Checking, GroupState::Checking) => on.started = before.started,
                _ => {}
            }
        }
        match on.state {
            GroupState::Stopped => {
                if on.address_contested {
                    self.failures.remove(node);
                }
                self.nodes.remove(node);
            }
            GroupState::Started => {
                self.failures.remove(node);
                on.address_contested = false;
                self.nodes.insert(node.clone(), on);
            }
            _ => drop(self.nodes.insert(node.clone(), on)),
        }
        if self.nodes.len() < 2 {
            self.contested = None;
        }
    }
}

/// A medium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediumView {
    /// What it is, as a person writes it.
    pub description: String,
    /// Its state; nothing before it was tried.
    pub status: Option<MediumStatus>,
    /// Since when.
    pub since: Stamp,
    /// What the other end of a serial line raises, where the port has modem lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<ModemLines>,
}

impl ClusterView {
    /// Changes the view as `event` says. Events of other nodes and unknown kinds change nothing.
    pub fn apply(&mut self, event: &Event) {
        let stamp = Stamp {
            boot: event.boot,
            wall: event.wall,
        };
        self.last_event = Some(event.id.clone());
        match &event.kind {
            Kind::Started(started) => self.start(started, stamp),
            Kind::Leaving => self.leaving = true,
            Kind::CommunicationUp => self.communication_up = true,
            Kind::NodeStatus {
                node,
                from,
                to,
                reason,
            } => {
                let began = self.since.unwrap_or(stamp).boot;
                self.node(node, |n| {
                    // A new core tells of a death that it knows from the former one.
                    let told_again = (*from, *to) == (NodeStatus::Init, NodeStatus::Dead)
                        && n.since.boot < began;
                    if !told_again {
                        n.since = stamp;
                    }
                    n.status = *to;
                    n.reason = reason.to_string();
                    n.tell_ping_link(stamp);
                    if to.is_alive() {
                        n.behind = None;
                    } else {
                        n.jeopardy = None;
                        n.not_heard = false;
                    }
                });
                match to.is_alive() {
                    true => drop(self.fenced.remove(node)),
                    false => self.forget_holder(node),
                }
            }
            Kind::NodeRestarted { node, to, .. } => {
                self.node(node, |n| {
                    n.generation = Some(*to);
                    n.restarts += 1;
                    n.not_heard = false;
                    n.healed = None;
                    n.declared_dead = None;
                });
                self.fenced.remove(node);
                self.forget_failures(node);
            }
            Kind::NodeHeard {
                node,
                uuid,
                generation,
                program,
            } => {
                let known = self.nodes.get(node).and_then(|node| node.generation);
                // Where none was known, this node's core is new and what came before it is of this life.
                let is_another_life = known.is_some_and(|known| known != *generation);
                if is_another_life {
                    self.forget_failures(node);
                }
                self.node(node, |n| {
                    if is_another_life {
                        n.healed = None;
                        n.declared_dead = None;
                    }
                    n.uuid = *uuid;
                    n.generation = Some(*generation);
                    n.program = Some(program.clone());
                    n.behind = None;
                });
            }
            Kind::GenerationBehind {
                node,
                generation,
                known,
            } => self.node(node, |n| n.behind = Some((*generation, *known))),
            Kind::PartitionHealed {
                node,
                silent,
                stood_still,
            } => self.node(node, |n| {
                n.healed = Some(Healed {
                    at: stamp,
                    silent: *silent,
                    stood_still: *stood_still,
                });
            }),
            Kind::DeclaredDead { node } => self.node(node, |n| {
                n.declared_dead = Some(DeclaredDead {
                    at: stamp,
                    over: None,
                });
            }),
            Kind::DeclaredDeadOver { node } => self.node(node, |n| {
                if let Some(declared) = &mut n.declared_dead {
                    declared.over = Some(stamp);
                }
            }),
            Kind::IdentityChanged { node, to, .. } => self.node(node, |n| n.uuid = Some(*to)),
            Kind::Jeopardy { node, medium } => {
                self.node(node, |n| n.jeopardy = Some(medium.clone()));
            }
            Kind::JeopardyOver { node, .. } => self.node(node, |n| n.jeopardy = None),
            Kind::NotHeard { node, .. } => self.node(node, |n| n.not_heard = true),
            Kind::HeardAgain { node } => self.node(node, |n| n.not_heard = false),
            Kind::Unauthenticated { node, reason } => {
                self.node(node, |n| n.unauthenticated = Some(reason.clone()));
            }
            Kind::AuthenticatedAgain { node } | Kind::UnauthenticatedGone { node } => {
                self.node(node, |n| n.unauthenticated = None);
            }
            Kind::LinkStatus { link, to, .. } => self.link(link, |l| {
                l.status = *to;
                l.since = stamp;
                if *to != LinkStatus::Up {
                    l.one_way = false;
                }
            }),
            Kind::LinkOneWay { link } => self.link(link, |l| l.one_way = true),
            Kind::LinkBothWays { link } => self.link(link, |l| l.one_way = false),
            Kind::MediumStatus { medium, to } => {
                let view = self.medium(medium);
                view.status = Some(to.clone());
                view.since = stamp;
                if matches!(to, MediumStatus::Missing { .. }) {
                    view.lines = None;
                }
            }
            Kind::ModemLines { medium, to, .. } => self.medium(medium).lines = Some(*to),
            Kind::UnknownNode { name, medium, .. } => self.stranger(name, medium, stamp),
            Kind::Impostor { .. } => self.impostor = Some(event.text.clone()),
            Kind::ImpostorGone => self.impostor = None,
            Kind::ClonedIdentity { claimed_by, .. } => {
                self.clones.insert(claimed_by.clone(), event.text.clone());
            }
            Kind::OwnStall { late } => {
                self.stalls += 1;
                self.worst_stall = self.worst_stall.max(*late);
            }
            Kind::SupervisorStall { late } => {
                self.supervisor_stalls += 1;
                self.worst_supervisor_stall = self.worst_supervisor_stall.max(*late);
            }
            Kind::CoreDied { how } => {
                self.core_deaths += 1;
                self.died(Role::Core, stamp, Some(how));
            }
            Kind::ManagerDied { how } => {
                self.manager_deaths += 1;
                self.died(Role::Manager, stamp, Some(how));
            }
            Kind::Adopted { upgrade: false, .. } => {
                self.supervisor_deaths += 1;
                self.died(Role::Supervisor, stamp, None);
            }
            Kind::EndedUnasked {
                alive, rebooted, ..
            } => {
                self.ended_unasked = Some(EndedUnasked {
                    at: stamp,
                    alive: *alive,
                    rebooted: *rebooted,
                });
            }
            Kind::Sick { reason } => self.sick = Some(reason.clone()),
            Kind::SickOver => self.sick = None,
            Kind::SelfFence { why } => {
                self.self_fence = Some(SelfFence {
                    why: why.clone(),
                    failed: None,
                });
            }
            Kind::SelfFenceFailed { why } => {
                if let Some(fence) = &mut self.self_fence {
                    fence.failed = Some(why.clone());
                }
            }
            Kind::SelfFenceOver => self.self_fence = None,
            Kind::Degraded { what, why, remedy } => {
                // The last word about it counts.
                self.works_again(what);
                note(&mut self.degraded, &event.text);
                if self.lacks.len() < NOTES_MAX {
                    self.lacks.push(Lack {
                        what: what.clone(),
                        why: why.clone(),
                        remedy: remedy.clone(),
                    });
                }
            }
            Kind::DegradedOver { what } => self.works_again(what),
            Kind::ConfigWarning { .. } => note(&mut self.config_warnings, &event.text),
            Kind::ConfigDiffers { node, differences } => {
                self.node(node, |n| n.config_differs.clone_from(differences));
            }
            Kind::ConfigAgrees { node } => self.node(node, |n| n.config_differs.clear()),
            Kind::TimersChanging { .. } => self.times_changing = Some(event.text.clone()),
            Kind::TimersChanged {
                keepalive,
                warntime,
                deadtime,
                initdead,
            } => {
                self.times_changing = None;
                if let Some(started) = &mut self.started {
                    started.keepalive = *keepalive;
                    started.warntime = *warntime;
                    started.deadtime = *deadtime;
                    started.initdead = *initdead;
                }
            }
            Kind::ConfigReloaded { .. } => {
                self.config_refused.clear();
                self.config_warnings.clear();
                // A manager that still counts them tells it anew.
                self.ping_nodes = None;
            }
            Kind::ConfigRefused { reasons } => self.config_refused.clone_from(reasons),
            Kind::Fault {
                medium,
                description,
            } => {
                if description.is_empty() {
                    self.faults.remove(medium);
                } else {
                    self.faults.insert(medium.clone(), description.clone());
                }
            }
            Kind::GroupState {
                group,
                node,
                to,
                reason,
                ..
            } => {
                let on = GroupOn {
                    state: *to,
                    since: stamp,
                    reason: reason.to_string(),
                    started: None,
                    address_contested: false,
                };
                let view = self.group(group);
                if let GroupReason::Announced {
                    failure: Some(failure),
                    ..
                } = reason
                {
                    let text = format!("{failure} (group {group})");
                    view.failures.insert(node.clone(), text);
                }
                view.turn(node, on);
                if *node == event.id.node {
                    view.follow_own(*to, reason, stamp);
                    if *to == GroupState::Stopped {
                        // It is checked where it is started.
                        self.health.retain(|_, h| h.group.as_ref() != Some(group));
                    }
                }
            }
            Kind::ActionFailed { group, .. } | Kind::AddressContested { group, .. } => {
                let view = self.group(group);
                let node = &event.id.node;
                view.failures.insert(node.clone(), event.text.clone());
                if let Some(on) = view.nodes.get_mut(node) {
                    on.address_contested = matches!(event.kind, Kind::AddressContested { .. });
                }
            }
            Kind::PingNodesCompared {
                node,
                here,
                there,
                better,
                lasts,
            } => {
                self.ping_nodes = there.map(|there| PingNodes {
                    node: node.clone(),
                    here: *here,
                    there,
                    better: better.clone(),
                    counts_at: lasts.map(|lasts| stamp.boot + lasts),
                    since: stamp,
                });
            }
            Kind::Health {
                check,
                node,
                group,
                to,
                summary,
                ..
            } => {
                let before = self.health.get(check).filter(|known| known.state == *to);
                let health = HealthView {
                    node: node.clone(),
                    group: group.clone(),
                    state: *to,
                    summary: summary.clone(),
                    since: before.map_or(stamp, |before| before.since),
                };
                self.health.insert(check.clone(), health);
            }
            Kind::HealthOver { check, .. } => drop(self.health.remove(check)),
            Kind::GroupContested { group, keeper, .. } => {
                self.group(group).contested = Some(keeper.clone());
            }
            Kind::TakeoverHeld { node, reason } => {
                self.takeover_held = Some((node.clone(), *reason));
            }
            Kind::TakeoverFree { .. } => {
                self.takeover_held = None;
                self.fence_failed = None;
            }
            Kind::FenceFailed { .. } => self.fence_failed = Some(event.text.clone()),
            Kind::Fenced { node, device } => {
                self.fence_failed = None;
                let fenced = Fenced {
                    since: stamp,
                    device: Some(device.clone()),
                };
                self.fenced.insert(node.clone(), fenced);
            }
            Kind::FenceConfirmed { node, .. } => {
                let fenced = Fenced {
                    since: stamp,
                    device: None,
                };
                self.fenced.insert(node.clone(), fenced);
            }
            Kind::FenceDeviceFailed { device, .. } => {
                (self.fence_devices_failed).insert(device.clone(), event.text.clone());
            }
            Kind::FenceDeviceWorks { device, .. } => drop(self.fence_devices_failed.remove(device)),
            Kind::GroupWanted {
                group,
                node,
                lasts,
                together,
                reason,
            } => {
                let mut order = Ordered::of(event, *lasts, reason.as_deref());
                order.together = *together;
                self.group(group).wanted = Some((node.clone(), order));
            }
            Kind::GroupWantedOver { group, .. } => self.group(group).wanted = None,
            Kind::GroupCleaned { group, .. } => self.group(group).failures.clear(),
            Kind::Frozen {
                lasts,
                maintenance,
                reason,
            } => {
                let order = Ordered::of(event, *lasts, reason.as_deref());
                self.frozen = Some((*maintenance, order));
            }
            Kind::Unfrozen { .. } => self.frozen = None,
            Kind::Left
            | Kind::LateBeat { .. }
            | Kind::UnauthHoldOver { .. }
            | Kind::PacketRefused { .. }
            | Kind::Replay { .. }
            | Kind::GapTooBig { .. }
            | Kind::MessageLost { .. }
            | Kind::NotSaid { .. }
            | Kind::WindowFilling { .. }
            | Kind::DeadtimeClamped { .. }
            | Kind::KeysChanged { .. }
            | Kind::EventsDropped { .. }
            | Kind::NotificationFailed { .. }
            | Kind::JournalDamaged { .. }
            | Kind::FlightRecorded { .. }
            | Kind::Adopted { upgrade: true, .. }
            | Kind::Replaced { .. }
            | Kind::FenceBegun { .. }
            | Kind::HandoverStalled { .. }
            | Kind::Unknown { .. } => {}
        }
    }

    /// Takes over what a core believes of the cluster, where events of it are missing. What the
    /// supervisor knows of media, faults and lacks stays.
    pub fn take_over(&mut self, core: Self) {
        let mut media = std::mem::take(&mut self.media);
        self.media = core
            .media
            .into_iter()
            .map(|(name, fresh)| {
                let known = media.remove(&name).map(|known| MediumView {
                    description: fresh.description.clone(),
                    ..known
                });
                (name, known.unwrap_or(fresh))
            })
            .collect();
        self.started = core.started;
        self.since = core.since;
        self.nodes = core.nodes;
        self.communication_up = core.communication_up;
        self.leaving = core.leaving;
        self.impostor = core.impostor;
        self.clones = core.clones;
        self.strangers = core.strangers;
        self.stalls = core.stalls;
        self.worst_stall = core.worst_stall;
    }

    /// The same under another supervisor, whose configuration has these warnings: where they are others
    /// it tells all of them anew.
    #[must_use]
    pub fn under_another_supervisor(mut self, warnings: &[String]) -> Self {
        if self.config_warnings != warnings {
            self.config_warnings.clear();
        }
        self
    }

    /// What is left of it where the core is gone, and hbd is not.
    #[must_use]
    pub fn without_its_core(self) -> Self {
        Self {
            ended_unasked: self.ended_unasked,
            core_deaths: self.core_deaths,
            manager_deaths: self.manager_deaths,
            supervisor_deaths: self.supervisor_deaths,
            last_deaths: self.last_deaths,
            self_fence: self.self_fence,
            // The manager goes on, and tells what changes.
            groups: self.groups,
            frozen: self.frozen,
            takeover_held: self.takeover_held,
            fenced: self.fenced,
            fence_failed: self.fence_failed,
            fence_devices_failed: self.fence_devices_failed,
            health: self.health,
            supervisor_stalls: self.supervisor_stalls,
            worst_supervisor_stall: self.worst_supervisor_stall,
            ..Self::default()
        }
    }

    fn died(&mut self, role: Role, at: Stamp, how: Option<&String>) {
        let how = how.cloned();
        self.last_deaths.insert(role, Death { at, how });
    }

    /// The node that looks.
    #[must_use]
    pub fn own(&self) -> Option<&NodeName> {
        self.started.as_ref().map(|started| &started.node)
    }

    /// True where `node` is active.
    #[must_use]
    pub fn is_active(&self, node: &NodeName) -> bool {
        let node = self.nodes.get(node);
        node.is_some_and(|node| node.status == NodeStatus::Active)
    }

    fn group(&mut self, group: &GroupName) -> &mut GroupView {
        self.groups.entry(group.clone()).or_default()
    }

    /// Another life of a node has forgotten what failed there.
    fn forget_failures(&mut self, node: &NodeName) {
        for group in self.groups.values_mut() {
            group.failures.remove(node);
        }
    }

    /// A dead node holds nothing that is known.
    fn forget_holder(&mut self, node: &NodeName) {
        for group in self.groups.values_mut() {
            group.nodes.remove(node);
            group.contested = None;
        }
    }

    /// A core starts: what the former core knew of nodes and links is forgotten but when who is dead
    /// died, what the supervisor knows of media, faults and its own lacks stays.
    fn start(&mut self, started: &Started, stamp: Stamp) {
        let former = std::mem::take(&mut self.nodes);
        self.nodes = started
            .nodes
            .iter()
            .map(|node| {
                let former = former.get(&node.name);
                let died = former
                    .filter(|former| started.quick_restart && former.status == NodeStatus::Dead)
                    .map(|former| former.since);
                let mut view = NodeView::new(node.kind, died.unwrap_or(stamp));
                view.restarts = former.map_or(0, |former| former.restarts);
                if node.name == started.node {
                    view.uuid = Some(started.uuid);
                    view.generation = Some(started.generation);
                    view.program = Some(format!("hbd {}", started.version));
                }
                (node.name.clone(), view)
            })
            .collect();
        for medium in &started.media {
            self.medium(&medium.name)
                .description
                .clone_from(&medium.description);
        }
        self.media
            .retain(|name, _| started.media.iter().any(|m| m.name == *name));
        for (name, view) in &mut self.nodes {
            if *name == started.node {
                continue;
            }
            let pinged = Some(name).filter(|_| view.kind == NodeKind::Ping);
            let media = started.media.iter();
            view.links = media
                .filter(|medium| medium.pings.as_ref() == pinged)
                .map(|medium| (medium.name.clone(), LinkView::new(stamp)))
                .collect();
        }
        self.started = Some(started.clone());
        self.times_changing = None;
        self.since = Some(stamp);
        self.communication_up = false;
        self.leaving = false;
        self.impostor = None;
        self.clones.clear();
        let is_node = |name: &str| started.nodes.iter().any(|node| node.name.as_str() == name);
        self.strangers.retain(|name, _| !is_node(name));
        self.stalls = 0;
        self.worst_stall = Duration::ZERO;
    }

    fn stranger(&mut self, name: &str, medium: &MediumName, stamp: Stamp) {
        self.strangers
            .retain(|_, stranger| stamp.boot.since(stranger.last.boot) < STRANGER_SHOWN);
        let known = self.strangers.get(name).map(|stranger| stranger.since);
        if known.is_some() || self.strangers.len() < NOTES_MAX {
            let stranger = Stranger {
                medium: medium.clone(),
                since: known.unwrap_or(stamp),
                last: stamp,
            };
            self.strangers.insert(name.to_owned(), stranger);
        }
    }

    fn works_again(&mut self, what: &str) {
        let text = |lack: &Lack| {
            let Lack { what, why, remedy } = lack.clone();
            Kind::Degraded { what, why, remedy }.to_string()
        };
        let over: Vec<_> = self
            .lacks
            .iter()
            .filter(|lack| lack.what == what)
            .map(text)
            .collect();
        self.lacks.retain(|lack| lack.what != what);
        self.degraded.retain(|text| !over.contains(text));
    }

    fn node(&mut self, name: &NodeName, change: impl FnOnce(&mut NodeView)) {
        if let Some(node) = self.nodes.get_mut(name) {
            change(node);
        }
    }

    fn link(&mut self, link: &LinkName, change: impl FnOnce(&mut LinkView)) {
        if let Some(node) = self.nodes.get_mut(&link.peer) {
            let fresh = LinkView::new(Stamp::default());
            change(node.links.entry(link.medium.clone()).or_insert(fresh));
        }
    }

    fn medium(&mut self, name: &MediumName) -> &mut MediumView {
        self.media
            .entry(name.clone())
            .or_insert_with(|| MediumView {
                description: String::new(),
                status: None,
                since: Stamp::default(),
                lines: None,
            })
    }
}

fn note(notes: &mut Vec<String>, text: &str) {
    if notes.len() < NOTES_MAX && !notes.iter().any(|n| n == text) {
        notes.push(text.to_owned());
    }
}

impl NodeView {
    /// What leads to a ping node is as alive as the node: nothing but its answers comes over it.
    fn tell_ping_link(&mut self, stamp: Stamp) {
        let status = match self.status {
            _ if self.kind != NodeKind::Ping => return,
            NodeStatus::Init => LinkStatus::Init,
            NodeStatus::Dead => LinkStatus::Dead,
            NodeStatus::Up | NodeStatus::Active | NodeStatus::Ping => LinkStatus::Up,
        };
        for link in self.links.values_mut() {
            link.status = status;
            link.since = stamp;
        }
    }

    fn new(kind: NodeKind, since: Stamp) -> Self {
        Self {
            kind,
            status: NodeStatus::Init,
            since,
            reason: "not heard yet".into(),
            uuid: None,
            generation: None,
            program: None,
            restarts: 0,
            healed: None,
            declared_dead: None,
            jeopardy: None,
            not_heard: false,
            unauthenticated: None,
            behind: None,
            config_differs: Vec::new(),
            links: BTreeMap::new(),
        }
    }
}

impl LinkView {
    fn new(since: Stamp) -> Self {
        Self {
            status: LinkStatus::Init,
            since,
            one_way: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ConfiguredNode, EventSource, StatusReason};
    use crate::group::Operation;
    use crate::time::Now;

    #[test]
    fn a_node_that_was_dead_before_the_core_restarted_is_dead_since_then() {
        let node = |name: &str| NodeName::new(name).unwrap();
        let mut source = EventSource::new(node("alice"), Role::Core, Generation(1));
        let mut view = ClusterView::default();
        let mut happen = |kind, at| {
            let now = Now {
                boot: Moment(0) + Duration::from_secs(at),
                ..Now::default()
            };
            view.apply(&source.event(kind, None, now));
            view.nodes[&node("bob")].since.boot
        };
        let configured = |name| ConfiguredNode {
            name: node(name),
            kind: NodeKind::Normal,
        };
        let started = |quick_restart| {
            Kind::Started(Box::new(Started {
                version: String::new(),
                node: node("alice"),
                uuid: Uuid([1; 16]),
                generation: Generation(1),
                quick_restart,
                nodes: vec![configured("alice"), configured("bob")],
                media: Vec::new(),
                keepalive: Duration::from_secs(1),
                warntime: Duration::from_secs(2),
                deadtime: Duration::from_secs(6),
                initdead: Duration::from_secs(60),
            }))
        };
        let status = |from, to, reason| Kind::NodeStatus {
            node: node("bob"),
            from,
            to,
            reason,
        };
        let (init, up, dead) = (NodeStatus::Init, NodeStatus::Up, NodeStatus::Dead);
        let after = |seconds| Moment(0) + Duration::from_secs(seconds);
        happen(started(false), 1);
        happen(status(init, dead, StatusReason::Left), 9);
        happen(started(true), 20);
        let told_again = happen(status(init, dead, StatusReason::Left), 20);
        assert_eq!(told_again, after(9));
        happen(status(dead, up, StatusReason::Announced), 30);
        happen(started(true), 40);
        let died_meanwhile = happen(status(init, dead, StatusReason::Left), 40);
        assert_eq!(died_meanwhile, after(40));
        happen(started(false), 50);
        let forgotten = happen(status(init, dead, StatusReason::Left), 60);
        assert_eq!(forgotten, after(60));
    }

    #[test]
    fn what_works_again_is_no_lack_any_more() {
        let alice = NodeName::new("alice").unwrap();
        let mut source = EventSource::new(alice, Role::Supervisor, Generation(1));
        let mut view = ClusterView::default();
        let mut happen = |kind| view.apply(&source.event(kind, None, Now::default()));
        for what in ["a journal", "a clock"] {
            happen(Kind::Degraded {
                what: what.into(),
                why: "the disk is full".into(),
                remedy: "make room".into(),
            });
        }
        happen(Kind::DegradedOver {
            what: "a journal".into(),
        });
        assert_eq!(view.lacks.len(), 1);
        assert_eq!(view.lacks[0].what, "a clock");
        assert_eq!(view.degraded, ["a clock: the disk is full; make room"]);
    }

    fn name(text: &str) -> NodeName {
        NodeName::new(text).unwrap()
    }

    /// What alice believes of web after her manager told these, one a second.
    fn web(told: Vec<Kind>) -> GroupView {
        let mut source = EventSource::new(name("alice"), Role::Manager, Generation(1));
        let mut view = ClusterView::default();
        for (second, kind) in (1..).zip(told) {
            let boot = Moment(0) + Duration::from_secs(second);
            let wall = Wall::default();
            view.apply(&source.event(kind, None, Now { boot, wall }));
        }
        view.groups[&GroupName::new("web").unwrap()].clone()
    }

    fn becomes(node: &str, from: GroupState, to: GroupState, reason: GroupReason) -> Kind {
        Kind::GroupState {
            group: GroupName::new("web").unwrap(),
            node: name(node),
            from,
            to,
            reason,
        }
    }

    fn says(failure: Option<&str>) -> GroupReason {
        let failure = failure.map(str::to_owned);
        GroupReason::Announced {
            failure,
            because: None,
        }
    }

    #[test]
    fn an_address_that_is_elsewhere_too_is_told_while_it_is_here() {
        let (starting, started) = (GroupState::Starting, GroupState::Started);
        let (stopping, stopped) = (GroupState::Stopping, GroupState::Stopped);
        let done = || GroupReason::Done;
        let mut told = vec![
            becomes("alice", starting, started, done()),
            Kind::AddressContested {
                group: GroupName::new("web").unwrap(),
                address: "10.0.0.1".parse().unwrap(),
                hardware: "02:00:00:00:00:02".into(),
            },
            becomes("alice", started, stopping, done()),
        ];
        assert_eq!(web(told.clone()).failures.len(), 1);
        told.push(becomes("alice", stopping, stopped, done()));
        assert!(web(told).failures.is_empty());
    }

    #[test]
    fn what_failed_on_a_node_stands_until_it_is_started_there_or_cleaned_up() {
        let (stopped, starting) = (GroupState::Stopped, GroupState::Starting);
        let started = GroupState::Started;
        let done = || GroupReason::Done;
        let failed = |operation| Kind::ActionFailed {
            group: GroupName::new("web").unwrap(),
            resource: "web".into(),
            operation,
            why: "no such device".into(),
            failures: 1,
        };
        let on_bob = becomes("bob", starting, stopped, says(Some("start of web failed")));
        let mut told = vec![
            failed(Operation::Start),
            on_bob,
            becomes("alice", starting, started, done()),
        ];
        let texts = |told: &Vec<Kind>| {
            let failures = web(told.clone()).failures.into_iter();
            let texts = failures.map(|(node, text)| format!("{node}: {text}"));
            texts.collect::<Vec<_>>()
        };
        let bob = "bob: start of web failed (group web)";
        let alice = "alice: monitor of web failed: no such device (group web)";
        assert_eq!(texts(&told), [bob]);
        told.push(failed(Operation::Monitor));
        assert_eq!(texts(&told), [alice, bob]);
        let mut again = told.clone();
        again.push(becomes("bob", stopped, starting, says(None)));
        assert_eq!(texts(&again), [alice, bob]);
        again.push(becomes("bob", starting, started, says(None)));
        assert_eq!(texts(&again), [alice]);
        let group = GroupName::new("web").unwrap();
        told.push(Kind::GroupCleaned {
            group,
            reason: None,
        });
        assert_eq!(texts(&told), [""; 0]);
    }

    #[test]
    fn a_group_that_outlives_its_manager_is_started_since_it_was() {
        let (started, checking) = (GroupState::Started, GroupState::Checking);
        for (node, reason) in [("alice", GroupReason::Interrupted), ("bob", says(None))] {
            let view = web(vec![
                becomes(node, GroupState::Starting, started, reason.clone()),
                becomes(node, started, checking, reason.clone()),
                becomes(node, checking, started, reason),
            ]);
            let since = view.nodes[&name(node)].since.boot;
            assert_eq!(since, Moment(0) + Duration::from_secs(1), "{node}");
        }
        let left_behind = web(vec![
            becomes(
                "alice",
                GroupState::Stopped,
                checking,
                GroupReason::LeftBehind,
            ),
            becomes("alice", checking, started, GroupReason::Done),
        ]);
        let since = left_behind.nodes[&name("alice")].since.boot;
        assert_eq!(since, Moment(0) + Duration::from_secs(2));
    }

    #[test]
    fn who_does_not_hear_a_node_holds_what_that_gave_up() {
        let (started, stopping) = (GroupState::Started, GroupState::Stopping);
        let stopped = GroupState::Stopped;
        let superseded = || GroupReason::DeclaredDead { node: name("bob") };
        let mut told = vec![
            becomes("alice", started, stopping, superseded()),
            becomes("alice", stopping, stopped, superseded()),
        ];
        let holders = |told: &Vec<Kind>| web(told.clone()).nodes.into_keys().collect::<Vec<_>>();
        assert_eq!(web(told.clone()).nodes[&name("bob")].state, started);
        assert_eq!(holders(&told), [name("bob")]);
        let mut gone = told.clone();
        gone.push(becomes("bob", started, stopped, says(None)));
        assert_eq!(holders(&gone), []);
        let free = GroupReason::PeerFree { node: name("bob") };
        told.push(becomes("alice", stopped, GroupState::Starting, free));
        assert_eq!(holders(&told), [name("alice")]);

        let dead = Kind::NodeStatus {
            node: name("bob"),
            from: NodeStatus::Active,
            to: NodeStatus::Dead,
            reason: StatusReason::Left,
        };
        told.truncate(2);
        told.push(dead);
        assert_eq!(holders(&told), []);
    }
}
