//! A manager of two nodes.
//!
//! ```text
//!  events ----> peer: alive? dead? --+
//!  messages --> its declaration -----+--> decide, for each group: --> actions
//!  results ---> groups here ---------+    start, stop, or nothing     own declaration
//!  orders ----> willingness ---------+                                events
//! ```
//!
//! Whatever comes in changes what is known; then every group is decided upon anew from all that is
//! known, and this node declares what it is. [`declaration`](crate::declaration) says why two such
//! nodes never own a group both.
//!
//! **A living peer**: a group that neither holds goes to the more willing node, then to the
//! preferred one. The holder hands it over to a more willing node, and with failback to the
//! preferred one. **A dead peer**: everything is taken, unless something [holds](shared::group::Hold) the takeover
//! back. **A peer that returns** with what this node took over meanwhile: one of both gives it up at
//! once, and both decide which by the same rule.

mod connectivity;
mod fencing;
mod group;
mod peer;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::time::Duration;

use shared::event::{Cause, Event, EventSource, Kind, NodeStatus, Role, StatusReason};
use shared::group::{GroupName, GroupReason, GroupState, Hold, Operation, Outcome, Willingness};
use shared::names::NodeName;
use shared::order::{Change, Choice, GroupVerb};
use shared::time::{Moment, Now};
use shared::view::ClusterView;

use crate::ClusterManager;
use crate::declaration::{Candidate, Claim, Declaration, Passed, Stand, candidate, keeps};
use crate::io::{
    Action, ActionId, Frozen, Kept, ORDERS_MAX, Order, Output, RETRY_GROWTH_MAX, Refusal, Settings,
    Wanted,
};
use crate::mutant::planted;
use connectivity::Connectivity;
use fencing::Fencer;
use group::{Local, Next, Phase, STOP_PAUSE, StopStep};
use peer::{Peer, Standing};

/// Time after which a declaration that was not answered is said again.
pub(crate) const REPEAT: Duration = Duration::from_secs(1);
/// The moment that does not come.
const NEVER: Moment = Moment(u64::MAX);
/// Groups of which a declaration says what went wrong.
const FAILURES_MAX: usize = 8;
/// Most characters of that, which share a message with all that is declared.
const FAILURE_MAX: usize = 160;
/// Most bytes of the reasons that it gives, with the names of the groups: as much as the failures. As
/// many of the reasons of the orders that hold.
const REASONS_MAX: usize = FAILURES_MAX * FAILURE_MAX;
/// For so long what a freeze held back follows from its end: both nodes have told each other by then
/// that they are willing again, also where a declaration was lost.
const THAW_LASTS: Duration = Duration::from_secs(3);
/// Two orders that end within so long of each other are one.
const ALIKE: Duration = Duration::from_secs(5);

/// The manager of one of two nodes.
#[derive(Clone, Debug)]
pub struct TwoNode {
    settings: Settings,
    groups: Vec<Local>,
    peer: Peer,
    fencer: Fencer,
    connectivity: Connectivity,
    own: Own,
    communication_up: bool,
    sick: bool,
    leaving: bool,
    released: bool,
    frozen: Option<Frozen>,
    /// The event that said that a freeze is over, and when.
    thawed: Option<(Cause, Moment)>,
    kept: Kept,
    events: EventSource,
    outputs: VecDeque<Output>,
    actions: u64,
    #[cfg(feature = "mutants")]
    planted: Option<crate::Mutant>,
}

/// What this node declared.
#[derive(Clone, Debug, Default)]
struct Own {
    number: u64,
    claims: BTreeMap<GroupName, Claim>,
    failures: BTreeMap<GroupName, String>,
    reasons: BTreeMap<GroupName, String>,
    /// What the other node is not known to have read.
    orders: Vec<Passed>,
    wanted: BTreeMap<GroupName, NodeName>,
    /// By group, the declaration from which on its claim is what it is, as far as it decides.
    since: BTreeMap<GroupName, u64>,
    /// What was said and answered so far does not count.
    anew: bool,
    /// How many ping nodes this node reaches, and the declaration from which on it says so.
    pings: Option<u32>,
    pings_since: u64,
    /// The first declaration since then: only what answers it, or a later one, counts.
    fresh_from: u64,
    /// The declaration of the other node that was last answered, and when.
    answered: Option<(Stand, Moment)>,
    /// The other node asks for an answer.
    asked: bool,
    /// When it is said again.
    repeat_at: Option<Moment>,
}

/// What is to become of a group.
enum Decision {
    Start(GroupReason),
    Stop(GroupReason),
    /// Both hold it, and this node keeps it.
    Keep,
}

impl TwoNode {
    /// A manager that begins, where the one before it kept `kept` and this node sees `view`.
    #[must_use]
    pub fn new(settings: Settings, kept: Kept, view: &ClusterView, now: Now) -> Self {
        Self::build(settings, kept, view).begun(view, now)
    }

    /// A manager with a bug in it.
    #[cfg(feature = "mutants")]
    #[must_use]
    pub fn with_mutant(
        settings: Settings,
        kept: Kept,
        view: &ClusterView,
        mutant: Option<crate::Mutant>,
        now: Now,
    ) -> Self {
        let mut manager = Self::build(settings, kept, view);
        manager.planted = mutant;
        manager.begun(view, now)
    }

    fn build(settings: Settings, mut kept: Kept, view: &ClusterView) -> Self {
        let node = view.nodes.get(&settings.peer);
        let mut peer = Peer::new(node, kept.freed);
        let in_doubt = node.is_some_and(|node| node.unauthenticated.is_some());
        peer.unauthenticated = in_doubt.then_some(NEVER);
        peer.states = states_on(view, &settings.peer);
        let groups = settings.groups.iter().map(|group| {
            let kept = kept.groups.entry(group.name.clone()).or_default().clone();
            Local::new(group.clone(), group.preferred == settings.node, kept)
        });
        let groups = groups.collect();
        let events = EventSource::resumed(
            settings.node.clone(),
            Role::Manager,
            settings.life.generation,
            settings.events,
        );
        Self {
            groups,
            peer,
            fencer: Fencer::new(settings.fencing.devices.len()),
            connectivity: Connectivity::new(&settings.ping_nodes, view),
            own: Own {
                anew: true,
                ..Own::default()
            },
            communication_up: view.communication_up,
            sick: view.sick.is_some(),
            leaving: false,
            released: false,
            frozen: kept.frozen.clone(),
            thawed: None,
            kept,
            events,
            outputs: VecDeque::new(),
            actions: 0,
            #[cfg(feature = "mutants")]
            planted: None,
            settings,
        }
    }

    /// Takes up what the manager before this one held. All of it, before anything is kept again.
    fn begun(mut self, view: &ClusterView, now: Now) -> Self {
        if self.kept.inherited {
            self.inherit(now);
        }
        let told = states_on(view, &self.settings.node);
        for place in 0..self.groups.len() {
            let local = &self.groups[place];
            let kept = self.kept.groups.get(&local.group.name).cloned();
            let Some(kept) = kept.filter(|kept| kept.held) else {
                continue;
            };
            if planted!(self, ForgetsHeld) {
                continue;
            }
            let reason = GroupReason::Interrupted;
            let from = told.get(&self.groups[place].group.name);
            let from = from.copied().unwrap_or(GroupState::Stopped);
            if kept.blocked {
                self.turn(place, Phase::Blocked, from, reason, now);
            } else if kept.started {
                let action = self.act(place, Operation::Status, 0);
                let checking = Phase::Checking {
                    resource: 0,
                    action,
                };
                self.turn(place, checking, from, reason, now);
            } else {
                let last = self.groups[place].last();
                let action = self.turn_to_stop(place, last, from, reason, now);
                self.push_action(action, place, Operation::Stop, last);
            }
        }
        self.settle(now);
        self
    }

    /// Decides on every group by all that is known, and declares the outcome.
    fn settle(&mut self, now: Now) {
        self.expire(now);
        self.compare_connectivity(now.boot);
        self.tell_connectivity(now);
        self.tell_hold(now);
        self.fence(now);
        for place in 0..self.groups.len() {
            match self.decide(place, now.boot) {
                Some(Decision::Start(reason)) => self.start(place, reason, now),
                Some(Decision::Stop(reason)) => self.stop(place, reason, now),
                Some(Decision::Keep) => self.note_contest(place, true, now),
                None => {}
            }
        }
        self.keep();
        self.declare(now.boot);
        self.release();
    }

    /// Tells which orders are over.
    fn expire(&mut self, now: Now) {
        for place in 0..self.groups.len() {
            self.groups[place].expire(now.boot);
            let dead = self.peer.status == NodeStatus::Dead;
            let is_over = |w: &Wanted| w.until <= now.boot || (w.together && dead);
            self.unwant(place, is_over, None, now);
        }
        self.unfreeze(|frozen| frozen.until <= now.boot, None, now);
        let doubt = &mut self.peer.unauthenticated;
        doubt.take_if(|until| *until <= now.boot);
        self.connectivity.expire(now.boot);
    }

    /// Which node reaches more ping nodes, by what both say.
    fn compare_connectivity(&mut self, now: Moment) {
        let quiet = self.is_quiet();
        match &self.peer.declaration {
            _ if self.peer.status == NodeStatus::Dead => self.connectivity.forget(),
            Some(said) => self.connectivity.compare(said.pings, quiet, now),
            None => {}
        }
    }

    /// Tells who reaches how many, where that is news.
    fn tell_connectivity(&mut self, now: Now) {
        let alive = self.peer.status != NodeStatus::Dead;
        let theirs = self.peer_pings().filter(|_| alive);
        let Some(compared) = self.connectivity.news(theirs) else {
            return;
        };
        let better = match compared.is {
            Ordering::Less => Some(self.settings.peer.clone()),
            Ordering::Greater => Some(self.settings.node.clone()),
            Ordering::Equal => None,
        };
        let left = (self.connectivity.deadline()).map_or(Duration::ZERO, |at| at.since(now.boot));
        let kind = Kind::PingNodesCompared {
            node: self.settings.peer.clone(),
            here: compared.here,
            there: compared.there,
            better,
            lasts: (!compared.counts).then_some(left),
        };
        let cause = self.connectivity.because.clone();
        self.tell(kind, cause.filter(|_| compared.is == Ordering::Less), now);
    }

    /// No group is on its way from one state to another, here or there.
    fn is_quiet(&self) -> bool {
        let here = self.groups.iter().map(Local::state);
        let there = self.peer.declaration.iter().flat_map(|d| d.claims.values());
        here.chain(there.map(|claim| claim.state)).all(is_settled)
    }

    /// Where a group is wanted no longer counts, if that `is_over`.
    fn unwant(
        &mut self,
        place: usize,
        is_over: impl Fn(&Wanted) -> bool,
        order: Option<&Order>,
        now: Now,
    ) {
        let local = &mut self.groups[place];
        if local.wanted.take_if(|wanted| is_over(wanted)).is_some() {
            let group = local.group.name.clone();
            let reason = order.and_then(|order| order.reason.clone());
            let kind = Kind::GroupWantedOver { group, reason };
            self.tell(kind, order.and_then(ordered), now);
        }
    }

    /// The freeze ends, if it `is_over`, and everything is looked at.
    fn unfreeze(&mut self, is_over: impl Fn(&Frozen) -> bool, order: Option<&Order>, now: Now) {
        if self.frozen.take_if(|frozen| is_over(frozen)).is_some() {
            let reason = order.and_then(|order| order.reason.clone());
            let cause = self.tell(Kind::Unfrozen { reason }, order.and_then(ordered), now);
            self.thawed = Some((cause, now.boot));
            for local in &mut self.groups {
                local.look_at(now.boot);
            }
        }
    }

    fn decide(&self, place: usize, now: Moment) -> Option<Decision> {
        match &self.groups[place].phase {
            Phase::Stopped => self.decide_free(place, now).map(Decision::Start),
            Phase::Started(_)
            | Phase::Checking { .. }
            | Phase::Starting {
                abandoned: None, ..
            } => self.decide_held(place, now),
            Phase::Starting { .. } | Phase::Stopping { .. } | Phase::Blocked => None,
        }
    }

    /// Whether a group that is not held here is to be started here.
    fn decide_free(&self, place: usize, now: Moment) -> Option<GroupReason> {
        let local = &self.groups[place];
        let own = self.willing(place, now);
        if own == Willingness::Unable {
            return None;
        }
        let node = self.settings.peer.clone();
        match self.standing() {
            Standing::Unknown | Standing::Held(_) => None,
            Standing::Gone if self.peer.heard => Some(GroupReason::PeerDead { node }),
            Standing::Gone => Some(GroupReason::StartUp),
            Standing::Alive => {
                let (held, willing) = self.claimed(place)?;
                let answered = planted!(self, TakesUnanswered) || self.is_answered(place, now);
                let ours = candidate(own, willing, local.preferred) == Candidate::Own;
                (!held && answered && ours).then_some(GroupReason::PeerFree { node })
            }
        }
    }

    /// Whether a group that is held here is to be given up.
    fn decide_held(&self, place: usize, now: Moment) -> Option<Decision> {
        let local = &self.groups[place];
        if self.sick && !planted!(self, SickKeeps) {
            return Some(Decision::Stop(GroupReason::Sick));
        }
        if self.leaving {
            return Some(Decision::Stop(GroupReason::Leaving));
        }
        if self.standing() != Standing::Alive {
            return None;
        }
        let node = self.settings.peer.clone();
        let superseded = self.peer.supersedes(&local.group.name);
        if superseded && !planted!(self, KeepsThoughDeclaredDead) {
            return Some(Decision::Stop(GroupReason::DeclaredDead { node }));
        }
        let (held, willing) = self.claimed(place)?;
        if held {
            return Some(match self.keeps(place, now)? {
                true => Decision::Keep,
                false => Decision::Stop(GroupReason::Contested { node }),
            });
        }
        let settled = matches!(local.phase, Phase::Started(_));
        if !settled || self.is_frozen() {
            return None;
        }
        let own = self.willing(place, now);
        if candidate(own, willing, local.preferred) != Candidate::Peer {
            None
        } else if willing > own {
            Some(Decision::Stop(self.why_less_willing(place, now)))
        } else if self.settings.failback && !self.peer.waits() && !self.is_better_connected() {
            Some(Decision::Stop(GroupReason::Failback { node }))
        } else {
            None
        }
    }

    /// Whether this node keeps a group that both hold; nothing while that is not known.
    fn keeps(&self, place: usize, now: Moment) -> Option<bool> {
        if planted!(self, NeverYields) {
            return Some(true);
        }
        if planted!(self, AlwaysYields) {
            return Some(false);
        }
        let local = &self.groups[place];
        let Some(peer) = self.peer_claim(place) else {
            return Some(true);
        };
        let connected = match self.connectivity.against(self.peer_pings()) {
            // Both decide by the same two numbers: each knows that the other has read its own, and
            // has not decided by another one yet.
            Some(_) if !self.are_pings_read() && !planted!(self, DecidesByUnread) => return None,
            Some(_) if peer.state == GroupState::Stopping && !planted!(self, DecidesByUnread) => {
                return None;
            }
            connected => connected.unwrap_or(Ordering::Equal),
        };
        let own = self.claim(place, now);
        Some(keeps(connected, own, peer, local.preferred))
    }

    /// How many ping nodes the peer reaches, by its own words.
    fn peer_pings(&self) -> Option<u32> {
        self.peer.declaration.as_ref()?.pings
    }

    /// The peer has read how many this node reaches.
    fn are_pings_read(&self) -> bool {
        let heard = self.peer.declaration.as_ref().and_then(|d| d.heard);
        self.own.pings == self.connectivity.reached()
            && heard.is_some_and(|heard| {
                heard.life == self.settings.life && heard.number >= self.own.pings_since
            })
    }

    /// The peer reaches fewer ping nodes, or did until a moment ago.
    fn is_better_connected(&self) -> bool {
        self.connectivity.is_ahead(self.peer_pings())
    }

    /// This node reaches fewer ping nodes, no order wants the group here, and the peer is able, or is
    /// one that says so when it is asked.
    fn gives_way(&self, place: usize, now: Moment) -> bool {
        let wanted = self.groups[place].wanted.as_ref();
        let stays = wanted.is_some_and(|w| now < w.until && w.on == self.settings.node);
        let peer = self.claimed(place).map(|(_, willing)| willing);
        let is_asked = self.peer.waits() && self.groups[place].state().is_held();
        let least = match is_asked {
            true => Willingness::Reluctant,
            false => Willingness::Able,
        };
        self.connectivity.is_behind()
            && !planted!(self, IgnoresPings)
            && !stays
            && peer.is_none_or(|willing| willing >= least)
    }

    /// Why the peer is more willing to hold a group than this node.
    fn why_less_willing(&self, place: usize, now: Moment) -> GroupReason {
        let node = self.settings.peer.clone();
        let own = self.groups[place].willing(&self.settings.node, now);
        match (self.connectivity.reached(), self.peer_pings()) {
            (Some(here), Some(there)) if own == Willingness::Able => {
                GroupReason::PeerBetterConnected {
                    node,
                    here,
                    there,
                    silent: self.connectivity.silent(),
                }
            }
            _ => GroupReason::PeerMoreWilling { node },
        }
    }

    fn standing(&self) -> Standing {
        if planted!(self, TakesBeforeCommunication) && self.peer.status == NodeStatus::Init {
            return Standing::Gone;
        }
        if !self.communication_up {
            return Standing::Unknown;
        }
        match self.peer.standing(&self.settings) {
            Standing::Held(Hold::Fencing) if planted!(self, TakesUnfenced) => Standing::Gone,
            standing => standing,
        }
    }

    fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    fn in_maintenance(&self) -> bool {
        (self.frozen.as_ref()).is_some_and(|frozen| frozen.maintenance)
    }

    fn willing(&self, place: usize, now: Moment) -> Willingness {
        let leaving = self.leaving && !planted!(self, TakesWhileLeaving);
        if self.sick || leaving || self.is_frozen() {
            return Willingness::Unable;
        }
        match self.groups[place].willing(&self.settings.node, now) {
            Willingness::Able if self.gives_way(place, now) => Willingness::Reluctant,
            willing => willing,
        }
    }

    fn claim(&self, place: usize, now: Moment) -> Claim {
        let local = &self.groups[place];
        let free_already = planted!(self, FreeTooEarly) && local.state() == GroupState::Stopping;
        Claim {
            state: match free_already {
                true => GroupState::Stopped,
                false => local.state(),
            },
            willing: self.willing(place, now),
            epoch: local.epoch,
        }
    }

    /// What the peer says of the group.
    fn peer_claim(&self, place: usize) -> Option<Claim> {
        let declaration = self.peer.declaration.as_ref()?;
        declaration
            .claims
            .get(&self.groups[place].group.name)
            .copied()
    }

    /// Whether the peer holds the group and how willing it is; nothing before it said so. A group
    /// that it does not know it neither holds nor takes.
    fn claimed(&self, place: usize) -> Option<(bool, Willingness)> {
        self.peer.declaration.as_ref()?;
        Some(
            self.peer_claim(place)
                .map_or((false, Willingness::Unable), |claim| claim.decisive()),
        )
    }

    /// Whether the peer has read what this node is to this group.
    fn is_answered(&self, place: usize, now: Moment) -> bool {
        let name = &self.groups[place].group.name;
        let current = self.own.claims.get(name).map(Claim::decisive)
            == Some(self.claim(place, now).decisive());
        let heard = self.peer.declaration.as_ref().and_then(|d| d.heard);
        current
            && heard.is_some_and(|heard| {
                heard.life == self.settings.life
                    && self
                        .own
                        .since
                        .get(name)
                        .is_some_and(|since| heard.number >= *since)
            })
    }

    fn start(&mut self, place: usize, reason: GroupReason, now: Now) {
        let seen = self.peer_claim(place).map_or(0, |claim| claim.epoch);
        let local = &mut self.groups[place];
        local.epoch = local.epoch.max(seen) + 1;
        let action = self.next_action();
        self.turn(
            place,
            Phase::starting(action),
            GroupState::Stopped,
            reason,
            now,
        );
        self.keep();
        self.declare(now.boot);
        self.push_action(action, place, Operation::Start, 0);
    }

    fn stop(&mut self, place: usize, reason: GroupReason, now: Now) {
        if let GroupReason::Contested { .. } = reason {
            self.note_contest(place, false, now);
        }
        match &mut self.groups[place].phase {
            Phase::Starting { abandoned, .. } => *abandoned = Some(reason),
            _ => {
                let last = self.groups[place].last();
                self.stop_from(place, last, reason, now);
            }
        }
    }

    fn stop_from(&mut self, place: usize, resource: usize, reason: GroupReason, now: Now) {
        let from = self.groups[place].state();
        let action = self.turn_to_stop(place, resource, from, reason, now);
        self.keep();
        self.push_action(action, place, Operation::Stop, resource);
    }

    fn turn_to_stop(
        &mut self,
        place: usize,
        resource: usize,
        from: GroupState,
        reason: GroupReason,
        now: Now,
    ) -> ActionId {
        let action = self.next_action();
        let stopping = Phase::Stopping {
            resource,
            tries: 0,
            step: StopStep::Acting(action),
            reason: reason.clone(),
        };
        self.turn(place, stopping, from, reason, now);
        action
    }

    /// Both hold a group.
    fn note_contest(&mut self, place: usize, keep: bool, now: Now) {
        let local = &mut self.groups[place];
        if core::mem::replace(&mut local.contested, true) {
            return;
        }
        let kind = Kind::GroupContested {
            group: local.group.name.clone(),
            node: self.settings.peer.clone(),
            keeper: match keep {
                true => self.settings.node.clone(),
                false => self.settings.peer.clone(),
            },
        };
        self.tell(kind, self.peer.because.clone(), now);
    }

    /// The network is told again where the group is.
    fn announce(&mut self, place: usize) {
        if matches!(self.groups[place].phase, Phase::Started(_)) {
            for resource in 0..=self.groups[place].last() {
                self.act(place, Operation::Announce, resource);
            }
        }
    }

    /// The group is something else from here on. `from` is what it was.
    fn turn(
        &mut self,
        place: usize,
        phase: Phase,
        from: GroupState,
        reason: GroupReason,
        now: Now,
    ) {
        let local = &mut self.groups[place];
        local.phase = phase;
        let to = local.state();
        if from == to {
            return;
        }
        local.note_reason(from, &reason);
        let thawed = self.thawed.as_ref();
        let thawed = thawed.filter(|(_, at)| now.boot.since(*at) < THAW_LASTS);
        let thawed = thawed.map(|(cause, _)| cause.clone());
        let cause = match reason {
            GroupReason::StartUp
            | GroupReason::PeerDead { .. }
            | GroupReason::PeerFree { .. }
            | GroupReason::Failback { .. } => thawed.or_else(|| self.peer.because.clone()),
            GroupReason::DeclaredDead { .. } | GroupReason::Contested { .. } => {
                self.peer.because.clone()
            }
            GroupReason::PeerMoreWilling { .. } => thawed,
            GroupReason::PeerBetterConnected { .. } => {
                thawed.or_else(|| self.connectivity.because.clone())
            }
            _ => None,
        };
        let kind = Kind::GroupState {
            group: local.group.name.clone(),
            node: self.settings.node.clone(),
            from,
            to,
            reason,
        };
        self.tell(kind, cause, now);
    }

    pub(crate) fn tell(&mut self, kind: Kind, cause: Option<Cause>, now: Now) -> Cause {
        let event = self.events.event(kind, cause, now);
        let id = event.id.clone();
        self.outputs.push_back(Output::Event(Box::new(event)));
        Cause::Event(id)
    }

    fn next_action(&mut self) -> ActionId {
        self.actions += 1;
        ActionId {
            life: self.settings.life,
            number: self.actions,
        }
    }

    fn act(&mut self, place: usize, operation: Operation, resource: usize) -> ActionId {
        let id = self.next_action();
        self.push_action(id, place, operation, resource);
        id
    }

    fn push_action(&mut self, id: ActionId, place: usize, operation: Operation, resource: usize) {
        self.outputs.push_back(Output::Act(Action {
            id,
            group: self.groups[place].group.name.clone(),
            resource,
            operation,
        }));
    }

    /// Keeps what changed for the manager that follows.
    fn keep(&mut self) {
        let groups = self.groups.iter();
        let kept = Kept {
            groups: groups
                .map(|local| (local.group.name.clone(), local.kept()))
                .collect(),
            frozen: self.frozen.clone(),
            freed: self.peer.freed(),
            inherited: false,
            memory: None,
        };
        if self.kept != kept {
            self.kept = kept.clone();
            self.outputs.push_back(Output::Keep(kept));
        }
    }

    /// Says what this node is, where that changed, was asked for or was not answered.
    fn declare(&mut self, now: Moment) {
        let alone = self.peer.may_live();
        if !(self.peer.status.is_alive() || alone) || self.released {
            self.own.repeat_at = None;
            return;
        }
        let changed = self.renew(now);
        let stand = Stand {
            life: self.settings.life,
            number: self.own.number,
        };
        let declaration = self.peer.latest.as_ref();
        let heard = declaration.map(|declaration| declaration.stand);
        let unread = declaration.and_then(|declaration| declaration.heard) != Some(stand);
        let due = self.own.repeat_at.is_some_and(|at| at <= now);
        let asked = core::mem::take(&mut self.own.asked);
        if changed || asked || (unread && due) {
            self.own.answered = heard.map(|stand| (stand, now));
            self.outputs.push_back(Output::Send(Declaration {
                stand,
                heard,
                answer: unread,
                alone,
                waits: false,
                pings: self.own.pings,
                claims: self.own.claims.clone(),
                failures: self.own.failures.clone(),
                reasons: self.own.reasons.clone(),
                orders: self.own.orders.clone(),
                wanted: self.own.wanted.clone(),
            }));
            self.own.repeat_at = Some(now + REPEAT);
        }
        if !unread || planted!(self, NeverRepeats) {
            self.own.repeat_at = None;
        }
    }

    /// Makes the next declaration if there is something new to say.
    fn renew(&mut self, now: Moment) -> bool {
        let claims: BTreeMap<GroupName, Claim> = (0..self.groups.len())
            .map(|place| {
                (
                    self.groups[place].group.name.clone(),
                    self.claim(place, now),
                )
            })
            .collect();
        let wanted: BTreeMap<GroupName, NodeName> = (self.groups.iter())
            .filter_map(|local| {
                let wanted = local.wanted.as_ref().filter(|wanted| now < wanted.until)?;
                Some((local.group.name.clone(), wanted.on.clone()))
            })
            .collect();
        let pings = self.connectivity.reached();
        let anew = core::mem::take(&mut self.own.anew);
        let next = self.own.number + 1;
        let ordered = (self.own.orders.last()).is_some_and(|passed| passed.number == next);
        let same =
            claims == self.own.claims && wanted == self.own.wanted && pings == self.own.pings;
        if !anew && !ordered && same {
            return false;
        }
        if core::mem::replace(&mut self.own.pings, pings) != pings {
            self.own.pings_since = next;
        }
        self.own.wanted = wanted;
        self.own.number = next;
        if anew {
            self.own.fresh_from = self.own.number;
        }
        for (name, claim) in &claims {
            let before = self.own.claims.get(name).map(Claim::decisive);
            if before != Some(claim.decisive()) {
                self.own.since.insert(name.clone(), self.own.number);
            }
        }
        self.own.claims = claims;
        let failures = self.groups.iter().filter_map(|local| {
            let failure = local.failure.clone()?;
            Some((local.group.name.clone(), failure))
        });
        self.own.failures = failures.take(FAILURES_MAX).collect();
        self.own.reasons = self.reasons();
        true
    }

    /// Why the groups are what they are: first of those with which something is done.
    fn reasons(&self) -> BTreeMap<GroupName, String> {
        let mut groups: Vec<&Local> = self.groups.iter().collect();
        groups.sort_by_key(|local| match local.state() {
            GroupState::Starting | GroupState::Stopping | GroupState::Checking => 0,
            GroupState::Stopped | GroupState::Blocked => 1,
            GroupState::Started => 2,
        });
        let mut left = REASONS_MAX;
        let reasons = groups.into_iter().filter_map(|local| {
            let name = &local.group.name;
            let reason = local.reason.as_ref()?;
            let said = self.own.failures.contains_key(name);
            if said && reason.is_failure() && is_given_up(local.state()) {
                return None;
            }
            let text = reason.told_by(&self.settings.node)?;
            let text: String = text.chars().take(FAILURE_MAX).collect();
            left = left.checked_sub(name.as_str().len() + text.len())?;
            Some((name.clone(), text))
        });
        reasons.collect()
    }

    /// Tells what is ordered still, which counts until the other node says otherwise.
    fn inherit(&mut self, now: Now) {
        self.set_inherited(false);
        for local in &mut self.groups {
            local.wanted.take_if(|wanted| wanted.together);
        }
        for order in self.standing_orders(now.boot) {
            self.obey(&order.order, now);
        }
        self.set_inherited(true);
    }

    fn set_inherited(&mut self, inherited: bool) {
        for local in &mut self.groups {
            if let Some(wanted) = &mut local.wanted {
                wanted.inherited = inherited;
            }
        }
        if let Some(frozen) = &mut self.frozen {
            frozen.inherited = inherited;
        }
    }

    /// What was ordered before counts no more where the other node, which went on, says what is.
    fn disown(&mut self, now: Now) {
        for place in 0..self.groups.len() {
            self.unwant(place, |wanted| wanted.inherited, None, now);
        }
        self.unfreeze(|frozen| frozen.inherited, None, now);
    }

    /// The orders that hold and were not given before all of hbd ended here, for a node that begins
    /// anew.
    fn standing_orders(&self, now: Moment) -> Vec<Passed> {
        let left = |until: Moment| (until != NEVER).then(|| until.since(now));
        let frozen = self.frozen.iter().filter(|frozen| !frozen.inherited);
        let freeze = frozen.map(|frozen| {
            let verb = GroupVerb::Freeze {
                lasts: left(frozen.until),
                maintenance: frozen.maintenance,
            };
            (verb, &frozen.who, &frozen.reason)
        });
        let moves = self.groups.iter().filter_map(|local| {
            let wanted = local.wanted.as_ref().filter(|wanted| !wanted.inherited)?;
            let verb = GroupVerb::Move {
                groups: Choice::Named([local.group.name.clone()].into()),
                to: Some(wanted.on.clone()),
                lasts: left(wanted.until),
                together: wanted.together,
            };
            Some((verb, &wanted.who, &wanted.reason))
        });
        let mut left = REASONS_MAX;
        let mut fitting = |reason: String| {
            left = left.checked_sub(reason.len())?;
            Some(reason)
        };
        let passed = |(verb, who, reason): (GroupVerb, &String, &Option<String>)| Passed {
            number: self.own.number + 1,
            standing: true,
            order: Order {
                verb,
                // What a manager without this kept is nobody's.
                who: match who.is_empty() {
                    true => self.settings.node.as_str().into(),
                    false => who.clone(),
                },
                reason: reason.clone().and_then(&mut fitting),
            },
        };
        // A move is refused while the groups are frozen.
        moves.chain(freeze).map(passed).take(ORDERS_MAX).collect()
    }

    /// The other node begins anew, or was not there when they were given.
    fn pass_standing_orders(&mut self, now: Moment) {
        let standing = self.standing_orders(now);
        self.own.orders.extend(standing);
        let excess = self.own.orders.len().saturating_sub(2 * ORDERS_MAX);
        self.own.orders.drain(..excess);
    }

    /// Whether something else was ordered here, which the other node does not know yet.
    fn is_outdated(&self, order: &Order) -> bool {
        let unread = self.own.orders.iter().any(|passed| !passed.standing);
        match &order.verb {
            GroupVerb::Move { groups, .. } => {
                let wanted = |place: &usize| self.groups[*place].wanted.is_some();
                unread || self.chosen(groups).iter().any(wanted)
            }
            _ => unread,
        }
    }

    /// Whether that is ordered already.
    fn is_standing(&self, order: &Order, now: Moment) -> bool {
        let until = |lasts: Option<Duration>| lasts.map_or(NEVER, |lasts| now + lasts);
        let alike = |known: Moment, lasts| {
            let until = until(lasts);
            known.max(until).since(known.min(until)) < ALIKE
        };
        match &order.verb {
            GroupVerb::Freeze { lasts, maintenance } => self
                .frozen
                .as_ref()
                .is_some_and(|f| f.maintenance == *maintenance && alike(f.until, *lasts)),
            GroupVerb::Move {
                groups,
                to,
                lasts,
                together,
            } => self.chosen(groups).iter().all(|place| {
                let wanted = self.groups[*place].wanted.as_ref();
                wanted.is_some_and(|w| {
                    Some(&w.on) == to.as_ref() && w.together == *together && alike(w.until, *lasts)
                })
            }),
            _ => false,
        }
    }

    /// A node that was switched off while it lived, and was not heard since, is off.
    fn carry_fence_over(&mut self, reason: &StatusReason, now: Moment) {
        let StatusReason::Silent { silent, .. } = reason else {
            return;
        };
        let struck = self.peer.struck.take();
        if struck.is_some_and(|struck| now.since(struck) <= *silent) {
            self.peer.fenced = Some(self.peer.turn);
        }
    }

    /// What both said so far does not count.
    fn forget(&mut self) {
        self.peer.latest = None;
        self.peer.declaration = None;
        self.own.orders.clear();
        self.own.anew = true;
    }

    /// Whether the peer may hold anything, or take it alone: not what this node holds, nor what both
    /// know to be this one's.
    fn peer_may_hold(&self, now: Moment) -> bool {
        (0..self.groups.len()).any(|place| {
            let Some((held, willing)) = self.claimed(place) else {
                return true;
            };
            let local = &self.groups[place];
            let own = self.willing(place, now);
            let ours = self.is_answered(place, now)
                && candidate(own, willing, local.preferred) == Candidate::Own;
            held || !(local.state().is_held() || ours)
        })
    }

    /// Tells what holds a takeover back, when it begins and when it is over.
    fn tell_hold(&mut self, now: Now) {
        let hold = match self.standing() {
            Standing::Held(hold) => Some(hold),
            Standing::Unknown | Standing::Alive | Standing::Gone => None,
        };
        if hold == self.peer.told {
            return;
        }
        let node = self.settings.peer.clone();
        let because = self.peer.because.clone();
        let kind = match hold {
            Some(reason) => Kind::TakeoverHeld { node, reason },
            None => Kind::TakeoverFree { node },
        };
        self.peer.told = hold;
        self.tell(kind, because, now);
    }

    /// Ends an orderly leave when nothing is held.
    fn release(&mut self) {
        let free = self.groups.iter().all(|local| !local.state().is_held());
        if self.leaving && free && !core::mem::replace(&mut self.released, true) {
            self.outputs.push_back(Output::Released);
        }
    }

    /// The status of the other node changed.
    fn peer_status(
        &mut self,
        to: NodeStatus,
        reason: &StatusReason,
        cause: Option<Cause>,
        now: Moment,
    ) {
        let was_alive = self.peer.status.is_alive();
        let may_hold = self.peer_may_hold(now);
        self.peer.begin(to, cause);
        self.thawed = None;
        self.peer.dead_since = (to == NodeStatus::Dead).then_some(now);
        if was_alive == to.is_alive() && to != NodeStatus::Dead {
            return;
        }
        if to == NodeStatus::Dead {
            self.peer.states.clear();
        }
        let fenced_all_the_same = planted!(self, FencesTheLeft);
        self.peer.may_hold = may_hold || fenced_all_the_same;
        self.peer.left = *reason == StatusReason::Left && !fenced_all_the_same;
        self.carry_fence_over(reason, now);
        self.forget();
        if to.is_alive() {
            self.pass_standing_orders(now);
        }
    }

    /// The peer said something else of itself.
    fn follow(&mut self, declaration: Declaration, now: Now) {
        self.peer.declaration = Some(declaration);
        for place in 0..self.groups.len() {
            let name = self.groups[place].group.name.clone();
            let to = self
                .peer_claim(place)
                .map_or(GroupState::Stopped, |claim| claim.state);
            let from = self.peer.states.insert(name.clone(), to);
            let from = from.unwrap_or(GroupState::Stopped);
            if from != to {
                let reason = self.announced(&name, from, to);
                let kind = Kind::GroupState {
                    group: name,
                    node: self.settings.peer.clone(),
                    from,
                    to,
                    reason,
                };
                self.tell(kind, None, now);
            }
            if from.is_held() && self.claimed(place) == Some((false, Willingness::Reluctant)) {
                let peer = self.settings.peer.clone();
                // It gave up what it had; where the group fails there it would be unable.
                self.unwant(place, |w| w.together && w.on == peer, None, now);
            }
            if !to.is_held() && core::mem::take(&mut self.groups[place].contested) {
                self.announce(place);
            }
        }
    }

    /// Why the peer says that a group is something else there.
    fn announced(&self, name: &GroupName, from: GroupState, to: GroupState) -> GroupReason {
        let said = self.peer.declaration.as_ref();
        let because = said.and_then(|said| said.reasons.get(name).cloned());
        let failure = said.and_then(|said| said.failures.get(name).cloned());
        GroupReason::Announced {
            // What failed may be long ago where there is another reason.
            failure: failure.filter(|_| because.is_none() && is_given_up(to)),
            // What was begun is done, and its reason was told.
            because: because.filter(|_| (from, to) != (GroupState::Starting, GroupState::Started)),
        }
    }

    /// Whether that declaration is to be answered: what was repeated while nothing passed arrives at
    /// once, and is answered once.
    fn owes_answer(&self, stand: Stand, now: Moment) -> bool {
        self.own
            .answered
            .is_none_or(|(answered, at)| stand > answered || now.since(at) >= REPEAT / 2)
    }

    fn read(&mut self, declaration: Declaration, now: Now) {
        if !self.peer.status.is_alive() {
            return;
        }
        if self.is_fresh(&declaration) {
            self.disown(now);
        }
        self.own.asked |= declaration.answer && self.owes_answer(declaration.stand, now.boot);
        self.note_read(declaration.heard);
        self.obey_passed(&declaration, now);
        let latest = self.peer.latest.as_ref();
        if latest.is_some_and(|latest| declaration.stand.life > latest.stand.life) {
            // Another manager: what was fenced was the one before it.
            self.peer.turn += 1;
            self.peer.struck = None;
            self.pass_standing_orders(now.boot);
        }
        match &mut self.peer.latest {
            Some(known) if declaration.stand < known.stand => return,
            Some(known) if declaration.stand == known.stand => {
                known.heard = known.heard.max(declaration.heard);
            }
            latest => *latest = Some(declaration),
        }
        let alone = self.peer.latest.as_ref().is_some_and(|d| d.alone);
        self.peer.note_alone(alone, now.boot);
        let latest = self.peer.latest.clone();
        if let Some(declaration) = latest.filter(|latest| self.is_fresh(latest)) {
            self.follow(declaration, now);
        }
    }

    /// The other node has read so far: what was passed on until then it has obeyed.
    fn note_read(&mut self, heard: Option<Stand>) {
        if let Some(heard) = heard.filter(|heard| heard.life == self.settings.life) {
            self.own
                .orders
                .retain(|passed| passed.number > heard.number);
        }
    }

    /// Obeys what was ordered there and concerns this node, once.
    fn obey_passed(&mut self, declaration: &Declaration, now: Now) {
        let stand = declaration.stand;
        let before = self.peer.obeyed.max(Some(stand));
        let before = core::mem::replace(&mut self.peer.obeyed, before);
        for passed in &declaration.orders {
            let first = Stand {
                number: passed.number,
                ..stand
            };
            let unread = before.is_none_or(|before| before < first);
            if unread {
                self.disown(now);
            }
            let known = self.is_standing(&passed.order, now.boot)
                || (passed.standing && self.is_outdated(&passed.order));
            if unread && !known && self.check(&passed.order.verb).is_ok() {
                self.obey(&passed.order, now);
            }
        }
    }

    /// Whether it was made since both hear each other. What had been under way before that is old.
    fn is_fresh(&self, declaration: &Declaration) -> bool {
        planted!(self, OldAnswersCount)
            || declaration.heard.is_some_and(|heard| {
                heard.life == self.settings.life
                    && heard.number >= self.own.fresh_from
                    && !self.own.anew
            })
    }

    /// Follows an order that says all: which groups, and where.
    fn obey(&mut self, order: &Order, now: Now) {
        let until = |lasts: Option<Duration>| lasts.map_or(NEVER, |lasts| now.boot + lasts);
        let reason = order.reason.clone();
        match &order.verb {
            GroupVerb::Move {
                groups,
                to,
                lasts,
                together,
            } => {
                let on = to.clone().unwrap_or_else(|| self.settings.peer.clone());
                for place in self.chosen(groups) {
                    let wanted = Wanted {
                        on: on.clone(),
                        until: until(*lasts),
                        together: *together,
                        who: order.who.clone(),
                        reason: reason.clone(),
                        inherited: false,
                    };
                    self.groups[place].wanted = Some(wanted);
                    let kind = Kind::GroupWanted {
                        group: self.groups[place].group.name.clone(),
                        node: on.clone(),
                        lasts: *lasts,
                        together: *together,
                        reason: reason.clone(),
                    };
                    self.tell_ordered(kind, order, now);
                }
            }
            GroupVerb::Unmove { groups } => {
                for place in self.chosen(groups) {
                    self.unwant(place, |_| true, Some(order), now);
                }
            }
            GroupVerb::Cleanup { groups } => {
                for place in self.chosen(groups) {
                    let group = self.groups[place].group.name.clone();
                    let reason = reason.clone();
                    self.tell_ordered(Kind::GroupCleaned { group, reason }, order, now);
                    self.clean(place, now);
                }
            }
            GroupVerb::Freeze { lasts, maintenance } => {
                self.frozen = Some(Frozen {
                    until: until(*lasts),
                    maintenance: *maintenance,
                    who: order.who.clone(),
                    reason: reason.clone(),
                    inherited: false,
                });
                let kind = Kind::Frozen {
                    lasts: *lasts,
                    maintenance: *maintenance,
                    reason,
                };
                self.tell_ordered(kind, order, now);
            }
            GroupVerb::Unfreeze => self.unfreeze(|_| true, Some(order), now),
            GroupVerb::ConfirmFence { node } => {
                self.peer.fenced = Some(self.peer.turn);
                let kind = Kind::FenceConfirmed {
                    node: node.clone(),
                    reason,
                };
                self.peer.because = Some(self.tell(kind, ordered(order), now));
                self.thawed = None;
            }
            GroupVerb::Fence { .. } => self.order_fence(order.clone(), now.boot),
        }
    }

    fn tell_ordered(&mut self, kind: Kind, order: &Order, now: Now) {
        self.tell(kind, ordered(order), now);
    }

    fn check(&self, verb: &GroupVerb) -> Result<(), Refusal> {
        if let GroupVerb::Move { groups, .. }
        | GroupVerb::Unmove { groups }
        | GroupVerb::Cleanup { groups } = verb
            && let Choice::Named(names) = groups
        {
            let known = |name: &GroupName| self.groups.iter().any(|g| g.group.name == *name);
            if let Some(unknown) = names.iter().find(|name| !known(name)) {
                return Err(Refusal::NoGroup(unknown.clone()));
            }
        }
        let peer = &self.settings.peer;
        match verb {
            GroupVerb::Move { .. } if self.is_frozen() => Err(Refusal::Frozen),
            GroupVerb::Move { together: true, .. } if !self.peer.status.is_alive() => {
                Err(Refusal::NotAlive(peer.clone()))
            }
            GroupVerb::Move { to: Some(to), .. } if *to == self.settings.node => Ok(()),
            GroupVerb::Move { to: Some(to), .. } if to != peer => Err(Refusal::NoNode(to.clone())),
            GroupVerb::Move { .. } if !self.peer.status.is_alive() => {
                Err(Refusal::NotAlive(peer.clone()))
            }
            GroupVerb::ConfirmFence { node } | GroupVerb::Fence { node } if node != peer => {
                Err(Refusal::NoNode(node.clone()))
            }
            GroupVerb::Fence { node } if self.settings.fencing.devices.is_empty() => {
                Err(match self.settings.fencing.manual {
                    true => Refusal::ByOperator(node.clone()),
                    false => Refusal::NoDevice(node.clone()),
                })
            }
            GroupVerb::ConfirmFence { node } if self.peer.status != NodeStatus::Dead => {
                Err(Refusal::Alive(node.clone()))
            }
            _ => Ok(()),
        }
    }

    /// The same order in words that mean the same on the other node.
    fn spelled_out(&self, order: Order) -> Order {
        let named = |groups: &Choice| {
            let places = self.chosen(groups).into_iter();
            Choice::Named(
                places
                    .map(|place| self.groups[place].group.name.clone())
                    .collect(),
            )
        };
        let verb = match &order.verb {
            GroupVerb::Move {
                groups,
                to,
                lasts,
                together,
            } => GroupVerb::Move {
                groups: named(groups),
                to: Some(to.clone().unwrap_or_else(|| self.settings.peer.clone())),
                lasts: *lasts,
                together: *together,
            },
            GroupVerb::Unmove { groups } => GroupVerb::Unmove {
                groups: named(groups),
            },
            GroupVerb::Cleanup { groups } => GroupVerb::Cleanup {
                groups: named(groups),
            },
            other => other.clone(),
        };
        Order { verb, ..order }
    }

    /// The places of these groups.
    fn chosen(&self, choice: &Choice) -> Vec<usize> {
        let is_meant = |local: &Local| match choice {
            Choice::Named(names) => names.contains(&local.group.name),
            Choice::All => true,
            Choice::Local => local.preferred,
            Choice::Foreign => !local.preferred,
        };
        let places = self.groups.iter().enumerate();
        let meant = places.filter(|(_, local)| is_meant(local));
        meant.map(|(place, _)| place).collect()
    }

    /// Where the group is, as far as this node knows.
    fn whereabouts(&self, place: usize) -> Option<NodeName> {
        if self.groups[place].state().is_held() {
            return Some(self.settings.node.clone());
        }
        let there = self
            .peer_claim(place)
            .is_some_and(|claim| claim.state.is_held());
        there.then(|| self.settings.peer.clone())
    }

    /// Where the group will be, if all goes well.
    fn destination(&self, place: usize, verb: &GroupVerb, now: Moment) -> Option<NodeName> {
        let whereabouts = self.whereabouts(place);
        let fences = matches!(verb, GroupVerb::Fence { .. });
        let is_kept_from_it = matches!(self.standing(), Standing::Held(_)) && !fences;
        if self.is_frozen() || (is_kept_from_it && whereabouts.is_none()) {
            return whereabouts;
        }
        let own = self.willing(place, now);
        let peer = match verb {
            _ if fences || !self.peer.status.is_alive() => Willingness::Unable,
            verb => self.peer_will_be(place, verb),
        };
        let is_here = whereabouts.as_ref() == Some(&self.settings.node);
        let stays = !self.settings.failback || (is_here && self.is_better_connected());
        if own == peer && stays && whereabouts.is_some() {
            return whereabouts;
        }
        match candidate(own, peer, self.groups[place].preferred) {
            Candidate::Nobody => None,
            Candidate::Own => Some(self.settings.node.clone()),
            Candidate::Peer => Some(self.settings.peer.clone()),
        }
    }

    /// How willing the other node will be once it knows the order. What is thawed was unable for that
    /// alone, as far as is known, reluctant for the order that is withdrawn, and what failed was for
    /// that.
    fn peer_will_be(&self, place: usize, verb: &GroupVerb) -> Willingness {
        let (_, said) = self.claimed(place).unwrap_or((false, Willingness::Unable));
        let declaration = self.peer.declaration.as_ref();
        let failures = declaration.map(|declaration| &declaration.failures);
        let name = &self.groups[place].group.name;
        let failed = failures.is_some_and(|failures| failures.contains_key(name));
        let said = match (verb, said) {
            (GroupVerb::Cleanup { .. }, _) if failed => Willingness::Able,
            (GroupVerb::Unfreeze, _) | (GroupVerb::Unmove { .. }, Willingness::Reluctant) => {
                Willingness::Able
            }
            _ => said,
        };
        let wanted = self.groups[place].wanted.as_ref();
        let said = match said {
            // It reaches fewer ping nodes.
            Willingness::Able if self.connectivity.is_ahead(None) && wanted.is_none() => {
                Willingness::Reluctant
            }
            said => said,
        };
        match wanted.map(|wanted| wanted.on == self.settings.node) {
            Some(true) => said.min(Willingness::Reluctant),
            Some(false) if said == Willingness::Reluctant => Willingness::Able,
            _ => said,
        }
    }

    /// What an order does that was just followed, to groups that were there before.
    fn changes(&self, order: &Order, before: &[Option<NodeName>], now: Moment) -> Vec<Change> {
        let places = match &order.verb {
            GroupVerb::Move { groups, .. }
            | GroupVerb::Unmove { groups }
            | GroupVerb::Cleanup { groups } => self.chosen(groups),
            _ => self.chosen(&Choice::All),
        };
        let change = |place: usize| Change {
            group: self.groups[place].group.name.clone(),
            from: before[place].clone(),
            to: self.destination(place, &order.verb, now),
        };
        places.into_iter().map(change).collect()
    }

    /// Forgets what failed; what did not stop is stopped once more.
    fn clean(&mut self, place: usize, now: Now) {
        self.groups[place].forgive();
        self.groups[place].forgive_restarts();
        if matches!(self.groups[place].phase, Phase::Blocked) {
            let last = self.groups[place].last();
            self.stop_from(place, last, GroupReason::Cleanup, now);
        }
    }

    /// Goes on after the awaited action of a group.
    fn advance(&mut self, place: usize, outcome: &Outcome, now: Now) {
        self.tell_failure(place, outcome, now);
        let from = self.groups[place].state();
        let mut next = self.groups[place].after(outcome, self.settings.stop_retries);
        if let Next::Stop(_, GroupReason::StartFailed) | Next::Stopped(GroupReason::StartFailed) =
            next
            && from == GroupState::Starting
            && !planted!(self, NoPauseAfterFailure)
        {
            let pause = self.settings.retry_after;
            self.groups[place].count_failure(pause, now.boot);
        }
        if next == Next::Pause && planted!(self, StopFailureIgnored) {
            next = Next::Stopped(GroupReason::Done);
        }
        if next == Next::Broken && self.is_frozen() {
            next = Next::Doubt;
        }
        match next {
            Next::Act(operation, resource) => {
                let action = self.act(place, operation, resource);
                self.groups[place].phase.go_on(resource, action);
            }
            Next::Started => {
                self.groups[place].forgive();
                let watched = self.groups[place].watched(0, now.boot);
                self.turn(place, watched, from, GroupReason::Done, now);
            }
            Next::Works => self.groups[place].phase = self.groups[place].watched(0, now.boot),
            Next::Doubt => {
                let failures = self.groups[place].doubts() + 1;
                self.groups[place].phase = self.groups[place].watched(failures, now.boot);
            }
            Next::Broken if planted!(self, NeverRepairs) => {
                self.groups[place].phase = self.groups[place].watched(0, now.boot);
            }
            Next::Broken => self.repair(place, now),
            Next::Again => self.start_again(place, now),
            Next::Stop(_, GroupReason::StartFailed) if planted!(self, LeavesHalfStarted) => {
                self.turn(place, Phase::Stopped, from, GroupReason::StartFailed, now);
            }
            Next::Stop(resource, reason) => self.stop_from(place, resource, reason, now),
            Next::Stopped(reason) => self.turn(place, Phase::Stopped, from, reason, now),
            Next::Pause => self.groups[place].phase.pause(now.boot + STOP_PAUSE),
            Next::Blocked => {
                let reason = GroupReason::StopFailed;
                self.turn(place, Phase::Blocked, from, reason, now);
            }
        }
    }

    /// A resource does not work: the group is started anew here, and where that did not help before,
    /// by the other node.
    fn repair(&mut self, place: usize, now: Now) {
        let memory = self.settings.retry_after * RETRY_GROWTH_MAX;
        let last = self.groups[place].last();
        if self.groups[place].count_restart(memory, now.boot) {
            self.stop_from(place, last, GroupReason::Restart, now);
            return;
        }
        let pause = self.settings.retry_after;
        self.groups[place].count_failure(pause, now.boot);
        self.groups[place].forgive_restarts();
        self.stop_from(place, last, GroupReason::RestartsExhausted, now);
    }

    /// All of a group was stopped to be started anew. It is held all the time, so nobody is asked;
    /// but it is given up if it would be by now.
    fn start_again(&mut self, place: usize, now: Now) {
        let from = GroupState::Stopping;
        if let Some(Decision::Stop(reason)) = self.decide_held(place, now.boot)
            && !planted!(self, RestartsRegardless)
        {
            self.turn(place, Phase::Stopped, from, reason, now);
            return;
        }
        let action = self.next_action();
        self.turn(
            place,
            Phase::starting(action),
            from,
            GroupReason::Restart,
            now,
        );
        self.push_action(action, place, Operation::Start, 0);
    }

    /// The next look at groups for which it is time.
    fn look(&mut self, now: Moment) {
        for place in 0..self.groups.len() {
            let due = self.groups[place].next_look();
            if due.is_some_and(|at| at <= now) && !self.in_maintenance() {
                let action = self.act(place, Operation::Monitor, 0);
                self.groups[place].phase.go_on(0, action);
            }
        }
    }

    fn tell_failure(&mut self, place: usize, outcome: &Outcome, now: Now) {
        let local = &self.groups[place];
        let why = match outcome {
            Outcome::NotRunning => Some("it does not run"),
            outcome => outcome.failure(),
        };
        let (Some(why), Some(what)) = (why, local.under_way()) else {
            return;
        };
        let failures = match &local.phase {
            Phase::Stopping { tries, .. } => tries + 1,
            Phase::Starting { .. } => local.failures + 1,
            Phase::Started(watch) => watch.failures + 1,
            _ => 1,
        };
        self.tell_failed(place, what, why, failures, now);
    }

    fn tell_failed(
        &mut self,
        place: usize,
        (operation, resource): (Operation, usize),
        why: &str,
        failures: u32,
        now: Now,
    ) {
        let local = &mut self.groups[place];
        let resource = local.group.resources[resource].clone();
        let failure = format!("{operation} of {resource} failed: {why}");
        local.failure = Some(failure.chars().take(FAILURE_MAX).collect());
        let kind = Kind::ActionFailed {
            group: local.group.name.clone(),
            resource,
            operation,
            why: why.into(),
            failures,
        };
        self.tell(kind, None, now);
    }

    /// Stops that waited are tried again.
    fn retry_stops(&mut self, now: Moment) {
        for place in 0..self.groups.len() {
            let due = match &self.groups[place].phase {
                Phase::Stopping {
                    resource,
                    step: StopStep::Pausing(until),
                    ..
                } if *until <= now => *resource,
                _ => continue,
            };
            let action = self.act(place, Operation::Stop, due);
            self.groups[place].phase.try_again(action);
        }
    }
}

fn ordered(order: &Order) -> Option<Cause> {
    Some(Cause::Order(order.who.clone()))
}

/// True for what a failure may have led to.
fn is_given_up(state: GroupState) -> bool {
    matches!(
        state,
        GroupState::Stopping | GroupState::Stopped | GroupState::Blocked
    )
}

/// Nothing is done to a group in this state.
fn is_settled(state: GroupState) -> bool {
    matches!(
        state,
        GroupState::Started | GroupState::Stopped | GroupState::Blocked
    )
}

/// What a former manager told of the groups on that node.
fn states_on(view: &ClusterView, node: &NodeName) -> BTreeMap<GroupName, GroupState> {
    let groups = view.groups.iter();
    let on = groups.filter_map(|(name, group)| Some((name.clone(), group.nodes.get(node)?.state)));
    on.collect()
}

impl ClusterManager for TwoNode {
    fn handle_view(&mut self, view: &ClusterView, now: Now) {
        self.communication_up = view.communication_up;
        let node = view.nodes.get(&self.settings.peer);
        // The other core tells it again, if it is so.
        let until = now.boot + self.settings.doubt;
        match node.is_some_and(|node| node.unauthenticated.is_some()) {
            true => self.peer.doubt(),
            false => self.peer.unauthenticated = self.peer.unauthenticated.map(|_| until),
        }
        match node.map_or(NodeStatus::Init, |node| node.status) {
            NodeStatus::Init => self.peer.status = NodeStatus::Init,
            status if status == self.peer.status => {}
            status => {
                let because = self.peer.because.clone();
                self.peer_status(status, &StatusReason::Remembered, because, now.boot);
            }
        }
        self.peer.see(node);
        self.connectivity.see(view);
        // What was said and answered in between is not known.
        self.forget();
        self.settle(now);
    }

    fn handle_event(&mut self, event: &Event, now: Now) {
        let cause = Cause::Event(event.id.clone());
        let peer = &self.settings.peer;
        match &event.kind {
            Kind::CommunicationUp => self.communication_up = true,
            Kind::NodeStatus {
                node, to, reason, ..
            } if node == peer => self.peer_status(*to, reason, Some(cause), event.boot),
            Kind::NodeHeard {
                node, generation, ..
            }
            | Kind::NodeRestarted {
                node,
                to: generation,
                ..
            } if node == peer => self.peer.lives(*generation),
            Kind::DeclaredDead { node } if node == peer => {
                self.peer.because = Some(cause);
                self.forget();
            }
            Kind::DeclaredDeadOver { node } | Kind::HeardAgain { node } if node == peer => {
                self.peer.denial = None;
            }
            Kind::Unauthenticated { node, .. }
                if node == peer && !planted!(self, IgnoresUnauthenticated) =>
            {
                self.peer.doubt();
            }
            Kind::AuthenticatedAgain { node }
            | Kind::UnauthenticatedGone { node }
            | Kind::UnauthHoldOver { node, .. }
                if node == peer =>
            {
                self.peer.unauthenticated = None;
            }
            Kind::NodeStatus { node, to, .. } if self.connectivity.follow(node, *to, &cause) => {}
            Kind::Sick { .. } => self.sick = true,
            Kind::SickOver => self.sick = false,
            _ => return,
        }
        self.settle(now);
    }

    fn handle_message(&mut self, from: &NodeName, declaration: Declaration, now: Now) {
        if *from == self.settings.peer {
            self.read(declaration, now);
            self.settle(now);
        }
    }

    fn handle_result(&mut self, action: ActionId, outcome: Outcome, now: Now) {
        let place = (self.groups.iter()).position(|local| local.awaited() == Some(action));
        if let Some(place) = place {
            self.advance(place, &outcome, now);
        } else {
            self.fence_ended(action, &outcome, now);
        }
        self.settle(now);
    }

    fn handle_loss(&mut self, group: &GroupName, resource: usize, why: String, now: Now) {
        let place = (self.groups.iter()).position(|local| local.group.name == *group);
        let Some(place) = place.filter(|_| !self.in_maintenance()) else {
            return;
        };
        let local = &self.groups[place];
        if !matches!(local.phase, Phase::Started(_)) || resource > local.last() {
            return;
        }
        self.tell_failed(place, (Operation::Monitor, resource), &why, 1, now);
        // Else it is looked at when the freeze ends.
        if !self.is_frozen() {
            self.repair(place, now);
        }
        self.settle(now);
    }

    fn handle_order(&mut self, order: Order, now: Now) -> Result<Vec<Change>, Refusal> {
        self.check(&order.verb)?;
        let order = self.spelled_out(order);
        let concerns_both = !matches!(
            order.verb,
            GroupVerb::ConfirmFence { .. } | GroupVerb::Fence { .. }
        );
        if concerns_both && self.peer.status == NodeStatus::Init {
            // It may live, and would never be told.
            return Err(Refusal::TooEarly);
        }
        let passes = concerns_both && self.peer.status.is_alive();
        if passes && self.own.orders.len() >= ORDERS_MAX {
            return Err(Refusal::Unread(self.settings.peer.clone()));
        }
        let before: Vec<_> = (0..self.groups.len())
            .map(|place| self.whereabouts(place))
            .collect();
        self.obey(&order, now);
        let changes = self.changes(&order, &before, now.boot);
        if passes {
            let number = self.own.number + 1;
            self.own.orders.push(Passed {
                number,
                standing: false,
                order,
            });
        }
        self.settle(now);
        Ok(changes)
    }

    fn plan(&self, order: Order, now: Now) -> Result<Vec<Change>, Refusal> {
        self.clone().handle_order(order, now)
    }

    fn leave(&mut self, now: Now) {
        self.leaving = true;
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Now) {
        self.retry_stops(now.boot);
        self.look(now.boot);
        self.settle(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_deadline(&self) -> Option<Moment> {
        let groups = self.groups.iter().flat_map(Local::deadlines);
        let looks = self.groups.iter().filter_map(Local::next_look);
        groups
            .chain(looks.filter(|_| !self.in_maintenance()))
            .chain(self.own.repeat_at)
            .chain(self.frozen.as_ref().map(|frozen| frozen.until))
            .chain(self.peer.unauthenticated)
            .chain(self.fencer.deadlines())
            .chain(self.connectivity.deadline())
            .filter(|at| *at != NEVER)
            .min()
    }
}

#[cfg(test)]
pub(crate) mod tests;
