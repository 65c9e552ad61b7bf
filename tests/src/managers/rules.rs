//! What two managers must keep, whatever goes wrong.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hbd_manager::Group;
use shared::event::{Event, Kind};
use shared::group::{GroupName, GroupReason, GroupState};
use shared::names::NodeName;
use shared::time::Moment;

use super::dice::Dice;
use super::node::Node;

/// Most messages, and most events, in a second.
const RATE_MAX: usize = 300;

/// Longest that nobody starts a group that both would.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// Longest that a living node does not take what a dead one may have held, fencing tried anew
/// included.
const ALONE_MAX: Duration = Duration::from_secs(100);

/// Longest pause before a fencing that failed is tried again.
const FENCE_AGAIN_MAX: Duration = Duration::from_secs(10);

/// Watches a world.
pub struct Rules {
    groups: Vec<Group>,
    failback: bool,
    /// After the last moment at which a node counted the other as dead, whose resources went on, this
    /// long both may own a group.
    bound: Duration,
    split: Moment,
    /// When a group last was blocked on a node: nobody can keep it from running there.
    blocked: BTreeMap<GroupName, Moment>,
    /// Who keeps a group that both hold, as each said last, and when.
    keepers: BTreeMap<(GroupName, usize), (NodeName, Moment)>,
    /// Since when a node is sick and holds something.
    sick: [Option<Moment>; 2],
    /// Since when nobody holds a group although both nodes hear each other and would.
    idle: BTreeMap<GroupName, Moment>,
    /// Since when nobody holds it although one node, by place, would.
    alone: BTreeMap<(GroupName, usize), Moment>,
    /// When a node's fencing failed that was not tried again.
    fence_failed: [Option<Moment>; 2],
    /// Which nodes count the other as dead.
    counts: [bool; 2],
    /// Groups that run on both nodes.
    doubly: BTreeSet<GroupName>,
    /// Two owners never are.
    fenced: bool,
    messages: Rate,
    events: Rate,
}

#[derive(Default)]
struct Rate {
    second: u64,
    count: usize,
    worst: usize,
}

impl Rate {
    fn count(&mut self, now: Moment) {
        let second = now.0 / 1_000_000_000;
        if second != self.second {
            (self.second, self.count) = (second, 0);
        }
        self.count += 1;
        self.worst = self.worst.max(self.count);
    }
}

impl Rules {
    pub(super) fn new(dice: &Dice) -> Self {
        // A start under way, then up to three resources, each stopped three times with pauses.
        let stop = (dice.action + Duration::from_secs(1)) * 9 + dice.action;
        Self {
            groups: dice.groups.clone(),
            failback: dice.failback,
            bound: Duration::from_secs(3) + stop,
            split: Moment(0),
            blocked: BTreeMap::new(),
            keepers: BTreeMap::new(),
            sick: [None; 2],
            idle: BTreeMap::new(),
            alone: BTreeMap::new(),
            fence_failed: [None; 2],
            counts: [false; 2],
            doubly: BTreeSet::new(),
            fenced: !dice.fencing(0).devices.is_empty(),
            messages: Rate::default(),
            events: Rate::default(),
        }
    }

    pub(super) fn count_message(&mut self, now: Moment) {
        self.messages.count(now);
    }

    /// An event of the manager of `node`.
    pub(super) fn note(
        &mut self,
        event: &Event,
        nodes: &[Node; 2],
        place: usize,
        now: Moment,
    ) -> Result<(), String> {
        let (node, other) = (&nodes[place], &nodes[1 - place]);
        self.events.count(now);
        match &event.kind {
            Kind::FenceFailed { .. } => self.fence_failed[place] = Some(now),
            Kind::FenceBegun { .. } => self.fence_failed[place] = None,
            _ => {}
        }
        if let Kind::GroupContested { group, keeper, .. } = &event.kind {
            return self.judge_keepers(group, node.place(), keeper, now);
        }
        let Kind::GroupState {
            node: starter,
            to: GroupState::Starting,
            reason,
            ..
        } = &event.kind
        else {
            return Ok(());
        };
        if *starter != node.name {
            return Ok(());
        }
        if !node.knows_peer() {
            return Err(format!(
                "{} starts a group before it knows whether the other node lives",
                node.name
            ));
        }
        if node.is_sick() {
            return Err(format!("{} starts a group while it is sick", node.name));
        }
        // Unless it was made sure that it is off.
        let doubtful = node.doubts_peer() && (other.up || other.is_killed());
        match reason {
            GroupReason::PeerDead { node: peer } if doubtful => Err(format!(
                "{} takes over from {peer}, which may live",
                node.name
            )),
            _ => Ok(()),
        }
    }

    /// Both say the same of who keeps what both hold.
    fn judge_keepers(
        &mut self,
        group: &GroupName,
        place: usize,
        keeper: &NodeName,
        now: Moment,
    ) -> Result<(), String> {
        self.keepers
            .insert((group.clone(), place), (keeper.clone(), now));
        match self.keepers.get(&(group.clone(), 1 - place)) {
            Some((other, at)) if other != keeper && now.since(*at) < Duration::from_secs(1) => {
                Err(format!("{group} is to be kept by {other} and by {keeper}"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn judge(
        &mut self,
        nodes: &[Node; 2],
        packets_pass: bool,
        dice: &Dice,
        now: Moment,
    ) -> Result<(), String> {
        let both_up = nodes.iter().all(|node| node.up);
        // One that hears the other learns that it is counted as dead, and yields.
        let counts = [0, 1].map(|place| both_up && nodes[place].counts_peer_as_dead());
        let changed = std::mem::replace(&mut self.counts, counts) != counts;
        // Nobody is there to stop what goes on.
        if changed || counts == [true; 2] || nodes.iter().any(Node::is_killed) {
            self.split = now;
        }
        for (what, rate) in [("messages", &self.messages), ("events", &self.events)] {
            if rate.worst > RATE_MAX {
                return Err(format!("{} {what} in a second", rate.worst));
            }
        }
        for group in &self.groups {
            if nodes.iter().any(|node| node.is_blocked(&group.name)) {
                self.blocked.insert(group.name.clone(), now);
            }
            let idle = packets_pass && nodes.iter().all(|node| node.would_take(&group.name));
            let since = match idle {
                true => *self.idle.entry(group.name.clone()).or_insert(now),
                false => self.idle.remove(&group.name).map_or(now, |_| now),
            };
            if now.since(since) > IDLE_MAX {
                return Err(format!("nobody starts {}", group.name));
            }
            for node in nodes.iter().filter(|node| node.up) {
                node.judge_own(&group.name)?;
            }
        }
        for place in 0..self.groups.len() {
            let group = self.groups[place].name.clone();
            self.judge_alone(&group, nodes, dice, now)?;
            self.judge_owners(&group, nodes, now)?;
        }
        for node in nodes {
            self.judge_sick(node, now)?;
        }
        Ok(())
    }

    /// Never two owners, but for a bounded time after a split.
    fn judge_owners(
        &mut self,
        group: &GroupName,
        nodes: &[Node; 2],
        now: Moment,
    ) -> Result<(), String> {
        let owners = nodes.iter().filter(|node| node.runs(group)).count();
        let begins = (owners == 2) != self.doubly.contains(group);
        match owners {
            2 => self.doubly.insert(group.clone()),
            _ => self.doubly.remove(group),
        };
        if begins && self.counts != [false; 2] {
            // Who does not hear the other takes what it holds, and that one yields.
            self.split = now;
        }
        let blocked = self.blocked.get(group).copied().unwrap_or_default();
        let excuse = self.split.max(blocked);
        let excused = !self.fenced && now.since(excuse) <= self.bound && excuse != Moment(0);
        if owners == 2 && !excused {
            return Err(format!(
                "{group} runs on both nodes, {:?} after the last split, allowed {:?}",
                now.since(self.split),
                self.bound
            ));
        }
        Ok(())
    }

    /// Never without an owner for long where one node is there that could be it.
    fn judge_alone(
        &mut self,
        group: &GroupName,
        nodes: &[Node; 2],
        dice: &Dice,
        now: Moment,
    ) -> Result<(), String> {
        for (place, node) in nodes.iter().enumerate() {
            let key = (group.clone(), place);
            if !(node.up && node.would_take_alone(group) && dice.can_fence(place)) {
                self.alone.remove(&key);
                continue;
            }
            let since = *self
                .alone
                .entry(key)
                .or_insert(now)
                .max(&mut node.since.clone());
            if now.since(since) > ALONE_MAX {
                return Err(format!("{} does not take {group}", node.name));
            }
            let failed = self.fence_failed[place].filter(|_| node.waits_for_fence());
            if failed.is_some_and(|failed| now.since(since.max(failed)) > FENCE_AGAIN_MAX) {
                return Err(format!("{} does not fence again", node.name));
            }
        }
        Ok(())
    }

    /// A node is fenced only if the one that does it has reason to.
    pub(super) fn judge_fence(
        &self,
        nodes: &[Node; 2],
        by: usize,
        fence_blocked: bool,
        ordered: bool,
    ) -> Result<(), String> {
        let (node, other) = (&nodes[by], &nodes[1 - by]);
        let stuck = fence_blocked && node.knows_stuck(&other.name);
        let dead = node.counts_peer_as_dead() && !node.peer_has_left();
        match ordered || stuck || dead {
            true => Ok(()),
            false => Err(format!(
                "{} fences {} without reason",
                node.name, other.name
            )),
        }
    }

    fn judge_sick(&mut self, node: &Node, now: Moment) -> Result<(), String> {
        let place = node.place();
        let holds = self
            .groups
            .iter()
            .any(|group| node.runs(&group.name) && !node.is_blocked(&group.name));
        if !node.up || !node.is_sick() || !holds {
            self.sick[place] = None;
            return Ok(());
        }
        // A manager that is replaced begins to stop anew.
        let since = self.sick[place]
            .get_or_insert(now)
            .max(&mut node.since.clone())
            .to_owned();
        match now.since(since) > self.bound {
            true => Err(format!(
                "{} is sick and holds something for long",
                node.name
            )),
            false => Ok(()),
        }
    }

    /// When all was healed for long: each group runs on one node, the right one.
    pub(super) fn judge_end(&self, nodes: &[Node; 2]) -> Result<(), String> {
        let mut wrong = BTreeMap::new();
        for group in &self.groups {
            let owners: Vec<&Node> = nodes.iter().filter(|n| n.runs(&group.name)).collect();
            let [owner] = owners.as_slice() else {
                wrong.insert(&group.name, format!("{} owners", owners.len()));
                continue;
            };
            if !owner.runs_whole(&group.name, group.resources.len()) {
                wrong.insert(&group.name, "only half started".into());
            } else if let Some(better) = better_connected(nodes)
                && owner.name != better.name
                && !has_failed(group, better)
            {
                let why = format!("held by {}, which reaches fewer ping nodes", owner.name);
                wrong.insert(&group.name, why);
            } else if better_connected(nodes).is_none()
                && self.failback
                && owner.name != group.preferred
                && nodes
                    .iter()
                    .all(|node| node.name != group.preferred || !has_failed(group, node))
            {
                wrong.insert(&group.name, format!("held by {}", owner.name));
            }
        }
        match wrong.first_key_value() {
            Some((group, what)) => Err(format!("in the end {group}: {what}")),
            None => Ok(()),
        }
    }
}

/// The node that reaches more ping nodes, if one does.
fn better_connected([one, other]: &[Node; 2]) -> Option<&Node> {
    match one.reached().cmp(&other.reached()) {
        Ordering::Greater => Some(one),
        Ordering::Less => Some(other),
        Ordering::Equal => None,
    }
}

/// Whether a start of the group failed on that node, which is therefore the last choice.
fn has_failed(group: &Group, node: &Node) -> bool {
    let kept = node.kept.groups.get(&group.name);
    kept.is_some_and(|kept| kept.failures > 0)
}
