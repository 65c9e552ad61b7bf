//! A node: its manager, its stand-in for a core, what runs and what is being done to it.

use std::collections::BTreeSet;
use std::time::Duration;

use hbd_manager::{Action, ClusterManager, Kept, Life, Mutant, Settings, Startup, TwoNode};
use shared::event::{Event, Kind, NodeStatus, StatusReason};
use shared::group::{GroupName, GroupState, Hold, Operation, Outcome};
use shared::names::{Generation, NodeName};
use shared::time::{Moment, Now};
use shared::view::ClusterView;

use super::dice::{Broken, Dice};
use super::membership::Membership;
use super::{DEADTIME, names};

use crate::sim::Chance;
use crate::sim::random::Random;

/// What runs, by group and place of the resource.
type Running = BTreeSet<(GroupName, usize)>;

/// An action under way.
pub struct Work {
    /// Which.
    pub action: Action,
    /// How it will end.
    pub outcome: Outcome,
    /// When.
    pub ends: Moment,
}

impl Work {
    pub(super) fn new(
        action: Action,
        broken: Broken,
        dice: &Dice,
        random: &mut Random,
        now: Moment,
    ) -> Self {
        let fails = match action.operation {
            Operation::Start => broken.start,
            Operation::Stop => broken.stop,
            Operation::Status | Operation::Monitor | Operation::Announce => false,
        };
        let took = random.span(Duration::from_micros(100), dice.action);
        let why = "broken".to_owned();
        let missing = action.operation == Operation::Start && random.happens(Chance::percent(30));
        let outcome = match (fails, missing) {
            (true, true) => Outcome::NotBegun { why },
            (true, false) => Outcome::Failed { why },
            (false, _) => Outcome::Done,
        };
        Self {
            action,
            outcome,
            ends: now + took,
        }
    }

    fn is_on(&self, (group, resource): &(GroupName, usize)) -> bool {
        self.action.group == *group && self.action.resource == *resource
    }
}

/// One of the two.
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// Which of the two.
    place: usize,
    /// It runs.
    pub up: bool,
    /// Its manager.
    pub manager: Option<TwoNode>,
    /// What its manager keeps.
    pub kept: Kept,
    /// What runs on it.
    running: Running,
    /// Its life.
    pub generation: Generation,
    /// When its manager began.
    pub since: Moment,
    works: Vec<Work>,
    view: ClusterView,
    membership: Option<Membership>,
    sick: bool,
    /// Which of the ping nodes answer it.
    answers: Vec<bool>,
    /// It was told to leave.
    pub leaves: bool,
    killed: bool,
    settings: Settings,
    mutant: Option<Mutant>,
}

impl Node {
    pub(super) fn new(place: usize, dice: &Dice, mutant: Option<Mutant>) -> Self {
        let names = names();
        let life = Life {
            generation: Generation(0),
            began: Moment(0),
        };
        Self {
            name: names[place].clone(),
            place,
            up: false,
            manager: None,
            kept: Kept::default(),
            running: Running::new(),
            generation: Generation(0),
            since: Moment(0),
            works: Vec::new(),
            view: ClusterView::default(),
            membership: None,
            sick: false,
            answers: vec![true; dice.ping_nodes],
            leaves: false,
            killed: false,
            settings: Settings {
                node: names[place].clone(),
                peer: names[1 - place].clone(),
                groups: dice.groups.clone(),
                failback: dice.failback,
                legacy: false,
                ping_nodes: (0..dice.ping_nodes).map(ping_node).collect(),
                startup: dice.startup,
                unfenced_takeover: true,
                fencing: dice.fencing(place),
                fence_blocked: dice.fence_blocked,
                doubt: DEADTIME,
                stop_retries: 2,
                retry_after: Duration::from_secs(5),
                life,
                events: 0,
            },
            mutant,
        }
    }

    /// Which of the two it is.
    #[must_use]
    pub fn place(&self) -> usize {
        self.place
    }

    pub(super) fn boot(&mut self, now: Now) {
        let names = names();
        self.up = true;
        self.sick = false;
        self.leaves = false;
        self.generation = self.generation.next();
        if !std::mem::take(&mut self.killed) {
            self.kept = Kept::default();
        }
        // What went on meanwhile is in doubt.
        for kept in self.kept.groups.values_mut() {
            (kept.started, kept.blocked) = (false, false);
        }
        self.kept.inherited = true;
        self.view = ClusterView::default();
        let mut membership = Membership::new(
            names[self.place].clone(),
            names[1 - self.place].clone(),
            self.generation,
            now.boot,
        );
        let started = membership.started(false, now);
        self.view.apply(&started);
        self.membership = Some(membership);
        self.new_manager(now);
    }

    fn new_manager(&mut self, now: Now) {
        self.since = now.boot;
        self.settings.life = Life {
            generation: self.generation,
            began: now.boot,
        };
        self.manager = Some(TwoNode::with_mutant(
            self.settings.clone(),
            self.kept.clone(),
            &self.view,
            self.mutant,
            now,
        ));
    }

    pub(super) fn replace_manager(&mut self, now: Now) {
        // What was under way ends as it would have, and nobody is told.
        self.new_manager(now);
    }

    pub(super) fn replace_core(&mut self, now: Now) {
        let Some(membership) = &mut self.membership else {
            return;
        };
        self.generation = self.generation.next();
        let events = membership.replace(self.generation, now);
        self.noted(events);
        if let Some(manager) = &mut self.manager {
            manager.handle_view(&self.view, now);
        }
    }

    /// Its machine stops, and all that ran on it.
    pub(super) fn crash(&mut self) {
        self.leave();
        self.killed = false;
        self.running.clear();
        self.works.clear();
    }

    /// All of hbd on it dies, and what it holds goes on.
    pub(super) fn die(&mut self) {
        self.leave();
        self.killed = true;
    }

    /// All of hbd on it died, and it was not started again.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        self.killed
    }

    /// It ends in order.
    pub(super) fn leave(&mut self) {
        self.up = false;
        self.manager = None;
        self.membership = None;
    }

    /// It is sick.
    #[must_use]
    pub fn is_sick(&self) -> bool {
        self.sick
    }

    pub(super) fn beat(
        &mut self,
        heard: bool,
        declared: bool,
        generation: Generation,
        now: Now,
    ) -> Vec<Event> {
        let events = match &mut self.membership {
            Some(membership) => membership.beat(heard, declared, generation, now),
            None => Vec::new(),
        };
        self.noted(events)
    }

    pub(super) fn peer_left(&mut self, life: Generation, now: Now) -> Vec<Event> {
        let events = self.membership.as_mut().map(|m| m.left(life, now));
        self.noted(events.unwrap_or_default())
    }

    fn noted(&mut self, events: Vec<Event>) -> Vec<Event> {
        for event in &events {
            self.view.apply(event);
        }
        events
    }

    pub(super) fn toggle_sick(&mut self, now: Now) -> Vec<Event> {
        self.sick = !self.sick;
        let kind = match self.sick {
            true => Kind::Sick {
                reason: "the world wants it".into(),
            },
            false => Kind::SickOver,
        };
        let event = self.membership.as_mut().map(|m| m.event(kind, now));
        self.noted(event.into_iter().collect())
    }

    pub(super) fn toggle_unauthenticated(&mut self, now: Now) -> Vec<Event> {
        let event = self.membership.as_mut();
        let event = event.map(|membership| membership.toggle_unauthenticated(now));
        self.noted(event.into_iter().collect())
    }

    /// What its core tells of the ping nodes, when it or the manager is a new one.
    pub(super) fn pings(&mut self, now: Now) -> Vec<Event> {
        let pings: Vec<usize> = (0..self.answers.len()).collect();
        let events = pings.iter().filter_map(|ping| self.ping(*ping, now));
        events.collect()
    }

    fn ping(&mut self, ping: usize, now: Now) -> Option<Event> {
        let kind = Kind::NodeStatus {
            node: ping_node(ping),
            from: NodeStatus::Init,
            to: match self.answers[ping] {
                true => NodeStatus::Ping,
                false => NodeStatus::Dead,
            },
            reason: StatusReason::Announced,
        };
        self.membership.as_mut().map(|m| m.event(kind, now))
    }

    /// A ping node answers it, or not.
    pub(super) fn toggle_ping(&mut self, ping: usize, now: Now) -> Vec<Event> {
        self.answers[ping] = !self.answers[ping];
        self.ping(ping, now).into_iter().collect()
    }

    /// How many ping nodes it reaches.
    #[must_use]
    pub fn reached(&self) -> usize {
        self.answers.iter().filter(|answers| **answers).count()
    }

    /// The other node is back, and still signs with another key.
    pub(super) fn doubt_again(&mut self, now: Now) -> Vec<Event> {
        let event = self.membership.as_mut().and_then(|m| m.doubt_again(now));
        self.noted(event.into_iter().collect())
    }

    /// What was wrong with it is not any more.
    pub(super) fn recover(&mut self, now: Now) -> Vec<Event> {
        let mut events = Vec::new();
        if self.sick {
            events.extend(self.toggle_sick(now));
        }
        if self.is_unauthenticated() {
            events.extend(self.toggle_unauthenticated(now));
        }
        events
    }

    fn is_unauthenticated(&self) -> bool {
        let membership = self.membership.as_ref();
        membership.is_some_and(Membership::is_unauthenticated)
    }

    /// It counts the other node as dead, and that one may live and sign with another key.
    #[must_use]
    pub fn doubts_peer(&self) -> bool {
        let membership = self.membership.as_ref();
        membership.is_some_and(Membership::is_in_doubt)
    }

    /// It was told whether the other node lives.
    #[must_use]
    pub fn knows_peer(&self) -> bool {
        let membership = self.membership.as_ref();
        membership.is_some_and(|membership| membership.status != NodeStatus::Init)
    }

    /// A resource of the group runs on it.
    #[must_use]
    pub fn runs(&self, group: &GroupName) -> bool {
        self.running.iter().any(|(name, _)| name == group)
    }

    /// So many resources of the group run on it.
    #[must_use]
    pub fn runs_whole(&self, group: &GroupName, resources: usize) -> bool {
        let running = self.running.iter().filter(|(name, _)| name == group);
        running.count() == resources
    }

    /// It hears the other node, does not hold the group, and nothing keeps it from starting it.
    pub(super) fn would_take(&self, group: &GroupName) -> bool {
        let kept = self.kept.groups.get(group).cloned().unwrap_or_default();
        let hindered = self.sick || self.leaves || self.kept.frozen.is_some();
        self.up && self.hears_peer() && !hindered && !kept.held && kept.failures == 0
    }

    /// The other node is dead for this one, it does not hold the group, and nothing but a fencing
    /// keeps it from starting it.
    pub(super) fn would_take_alone(&self, group: &GroupName) -> bool {
        let Some(membership) = &self.membership else {
            return false;
        };
        let kept = self.kept.groups.get(group).cloned().unwrap_or_default();
        let hindered = self.sick || self.leaves || self.kept.frozen.is_some();
        let may_be_succeeded = match membership.heard {
            true => true,
            false => {
                let fencing = &self.settings.fencing;
                self.settings.startup == Startup::Alone
                    && (fencing.startup || fencing.devices.is_empty())
            }
        };
        self.counts_peer_as_dead()
            && may_be_succeeded
            && !membership.is_unauthenticated()
            && !hindered
            && !kept.held
            && kept.failures == 0
    }

    /// It counts the other node as dead, which left in order.
    #[must_use]
    pub fn peer_has_left(&self) -> bool {
        self.membership.as_ref().is_some_and(Membership::has_left)
    }

    /// That event says that a group does not stop on it.
    #[must_use]
    pub fn is_stuck(&self, event: &Event) -> bool {
        matches!(&event.kind, Kind::GroupState { node, to: GroupState::Blocked, .. } if *node == self.name)
    }

    /// It takes nothing before a device confirms that the other node is off.
    #[must_use]
    pub fn waits_for_fence(&self) -> bool {
        let held = self.view.takeover_held.as_ref();
        held.is_some_and(|(_, hold)| *hold == Hold::Fencing)
    }

    /// It was told that a group does not stop on the other node.
    #[must_use]
    pub fn knows_stuck(&self, other: &NodeName) -> bool {
        let groups = self.view.groups.values();
        let mut there = groups.filter_map(|group| group.nodes.get(other));
        there.any(|on| on.state == GroupState::Blocked)
    }

    /// The group did not stop on it.
    #[must_use]
    pub fn is_blocked(&self, group: &GroupName) -> bool {
        self.kept.groups.get(group).is_some_and(|kept| kept.blocked)
    }

    /// What it says of a group is what is: nothing runs of a group that it does not hold.
    pub(super) fn judge_own(&self, group: &GroupName) -> Result<(), String> {
        let held = self.kept.groups.get(group).is_some_and(|kept| kept.held);
        let said = (self.view.groups.get(group)).is_some_and(|g| g.nodes.contains_key(&self.name));
        if self.runs(group) && !(held && said) {
            return Err(format!(
                "{group} runs on {} and is not held there",
                self.name
            ));
        }
        Ok(())
    }

    /// It told this event.
    pub(super) fn note(&mut self, event: &Event) {
        self.view.apply(event);
    }

    /// It believes that the other node lives.
    #[must_use]
    pub fn hears_peer(&self) -> bool {
        let membership = self.membership.as_ref();
        membership.is_some_and(|membership| membership.status.is_alive())
    }

    /// It believes that the other node is dead.
    #[must_use]
    pub fn counts_peer_as_dead(&self) -> bool {
        let membership = self.membership.as_ref();
        membership.is_some_and(|m| m.status == NodeStatus::Dead)
    }

    /// A resource of the group ends by itself.
    pub(super) fn lose(&mut self, group: &GroupName) {
        let lost = self.running.iter().find(|(name, _)| name == group);
        if let Some(lost) = lost.cloned() {
            self.running.remove(&lost);
        }
    }

    pub(super) fn begin(&mut self, mut work: Work) {
        let key = (work.action.group.clone(), work.action.resource);
        // What a former manager began with this resource is waited for.
        let before = self.works.iter().filter(|before| before.is_on(&key));
        if let Some(last) = before.map(|before| before.ends).max() {
            work.ends = work.ends.max(last + Duration::from_nanos(1));
        }
        let begun = !matches!(work.outcome, Outcome::NotBegun { .. });
        if work.action.operation == Operation::Start && begun {
            // What fails may run all the same, until it is stopped.
            self.running.insert(key);
        }
        self.works.push(work);
    }

    pub(super) fn take_finished(&mut self, now: Moment) -> Option<Work> {
        let due = self.works.iter().enumerate();
        let due = due.filter(|(_, work)| work.ends <= now);
        let (place, _) = due.min_by_key(|(_, work)| work.ends)?;
        let mut work = self.works.swap_remove(place);
        let key = (work.action.group.clone(), work.action.resource);
        match work.action.operation {
            Operation::Stop if work.outcome == Outcome::Done => drop(self.running.remove(&key)),
            Operation::Status | Operation::Monitor if !self.running.contains(&key) => {
                work.outcome = Outcome::NotRunning;
            }
            _ => {}
        }
        Some(work)
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = Moment> {
        let works = self.works.iter().map(|work| work.ends);
        works.chain(
            self.manager
                .as_ref()
                .and_then(ClusterManager::poll_deadline),
        )
    }
}

fn ping_node(ping: usize) -> NodeName {
    let name = format!("router-{ping}");
    NodeName::new(&name).unwrap_or_else(|error| unreachable!("{error}"))
}
