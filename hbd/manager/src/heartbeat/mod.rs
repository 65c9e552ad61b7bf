//! Beside a Heartbeat: what it says becomes declarations, and declarations become what it understands.
//!
//! A Heartbeat 3.0.6 declares nothing. It says which of the two heaps of groups it holds, and hands a
//! heap over in the four steps of a [standby](Step). The [`Interpreter`] stands between the manager of
//! this node and such a peer:
//!
//! ```text
//! manager --declaration--> interpreter --words--> Heartbeat
//! manager <--declaration-- interpreter <--words--
//! ```
//!
//! To the manager the peer looks like any other:
//!
//! | the Heartbeat | its declaration |
//! |---|---|
//! | holds a heap | it holds each group of it |
//! | was offered or handed a free heap, or stops one that it gives up | the same: nobody else may start it |
//! | gave a heap up in a standby | free, and it is reluctant until it holds it again |
//! | did not say yet that it takes what this node holds | reluctant |
//! | ends in order | unable; it holds what it held until it says that it is gone |
//! | else | able |
//!
//! and it has always heard what was said to it, for it takes nothing by itself but what is its own
//! when it begins, and what a dead node held. Heaps move as a whole: if one group of a heap is to go,
//! all do.

mod word;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use shared::event::{Event, Kind, NodeStatus};
use shared::group::{GroupName, GroupState, Willingness};
use shared::names::{Generation, NodeName};
use shared::order::{Choice, GroupVerb};
use shared::time::Moment;
use shared::view::ClusterView;

use crate::declaration::{Candidate, Claim, Declaration, Life, Passed, Stand, candidate};
use crate::io::{Order, Settings};
pub use word::{Heaps, Info, Step, WORD_TYPES, Word};

/// How long a standby that was offered, or asked for, waits for an answer, as in Heartbeat 3.0.6.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a heap stays wanted on the node that asked for it: until it is there.
const WANTED: Duration = Duration::from_secs(60);
/// Time between two questions to a Heartbeat that has not said anything.
const ASK: Duration = Duration::from_secs(1);

/// Stands between a manager and a Heartbeat.
#[derive(Clone, Debug)]
pub(crate) struct Interpreter {
    node: NodeName,
    peer: NodeName,
    /// The groups, and whether they should be on this node.
    groups: Vec<(GroupName, bool)>,
    generation: Generation,
    /// Declarations that were made for the peer.
    number: u64,
    own: Option<Declaration>,
    /// What the peer said since it lives; nothing before it said anything.
    theirs: Option<Theirs>,
    standby: Standby,
    /// No standby is offered before.
    not_before: Moment,
    /// What the peer was asked to give, and until when it is waited for.
    wish: Option<(Heaps, Moment)>,
    /// What was last said of what is held.
    said: Option<(Heaps, bool)>,
    asked_at: Option<Moment>,
    /// The last order of this node's that was read.
    read: u64,
    /// Heaps that the peer asked for.
    demanded: Heaps,
    /// What the manager is to do for the peer, with its next declaration.
    orders: Vec<Order>,
    /// Groups go back to their preferred node when it returns.
    failback: bool,
    /// The peer is a member: before, it does not understand words.
    active: bool,
    leaving: bool,
    outputs: VecDeque<Spoken>,
}

/// What the peer is.
#[derive(Clone, Copy, Debug, Default)]
struct Theirs {
    /// In this node's words, as all heaps here.
    holds: Heaps,
    stable: bool,
    leaving: bool,
    /// What it gave up by itself.
    gave: Heaps,
}

/// A standby under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standby {
    None,
    /// This node wants to give these up.
    Offered {
        heaps: Heaps,
        until: Moment,
        /// Nobody answered the first time.
        pressed: bool,
    },
    /// The peer waits for them, and this node stops them.
    Giving(Heaps),
    /// The peer starts them.
    Handed(Heaps),
    /// The peer stops them.
    Promised(Heaps),
    /// They are this node's, which starts them.
    Taking(Heaps),
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Spoken {
    /// To the Heartbeat.
    Say(Word),
    /// To the manager, as from the peer.
    Declare(Declaration),
}

impl Interpreter {
    /// For a manager with these settings.
    #[must_use]
    pub(crate) fn new(settings: &Settings) -> Self {
        let groups = settings.groups.iter();
        let groups = groups.map(|group| (group.name.clone(), group.preferred == settings.node));
        Self {
            node: settings.node.clone(),
            peer: settings.peer.clone(),
            groups: groups.collect(),
            generation: Generation(0),
            number: 0,
            own: None,
            theirs: None,
            standby: Standby::None,
            not_before: Moment(0),
            wish: None,
            said: None,
            asked_at: None,
            read: 0,
            demanded: Heaps::NONE,
            orders: Vec::new(),
            failback: settings.failback,
            active: false,
            leaving: false,
            outputs: VecDeque::new(),
        }
    }

    /// What this node's core tells of the peer.
    pub(crate) fn handle_event(&mut self, event: &Event) {
        match &event.kind {
            Kind::NodeStatus { node, to, .. } if *node == self.peer => {
                self.active = *to == NodeStatus::Active;
                if !to.is_alive() {
                    self.forget();
                }
            }
            Kind::NodeHeard {
                node, generation, ..
            } if *node == self.peer => self.generation = *generation,
            Kind::NodeRestarted { node, to, .. } if *node == self.peer => {
                self.generation = *to;
                self.forget();
            }
            _ => {}
        }
    }

    /// This node has another core, and that is what it knows: what was said meanwhile is lost.
    pub(crate) fn handle_view(&mut self, view: &ClusterView) {
        self.forget();
        let peer = view.nodes.get(&self.peer);
        self.active = peer.is_some_and(|peer| peer.status == NodeStatus::Active);
        if let Some(generation) = peer.and_then(|peer| peer.generation) {
            self.generation = generation;
        }
    }

    /// The peer is another, or gone: nothing that it said counts.
    pub(crate) fn forget(&mut self) {
        self.theirs = None;
        self.standby = Standby::None;
        self.not_before = Moment(0);
        self.wish = None;
        self.said = None;
        self.asked_at = None;
        self.demanded = Heaps::NONE;
        self.orders.clear();
    }

    /// This node leaves.
    pub(crate) fn leave(&mut self) {
        if !core::mem::replace(&mut self.leaving, true) {
            self.say_resource(Heaps::NONE, false, Some(Info::Shutdown));
        }
    }

    /// What this node's manager declares.
    pub(crate) fn declare(&mut self, own: Declaration, now: Moment) {
        self.note_orders(&own, now);
        self.own = Some(own);
        if self.theirs.is_some() {
            self.speak_for_peer();
        } else if self.active && self.asked_at.is_none_or(|at| now.since(at) >= ASK) {
            self.asked_at = Some(now);
            self.say(Word::Starting);
        }
    }

    /// The peer said this.
    pub(crate) fn hear(&mut self, word: Word) {
        match word {
            Word::Starting => {
                self.forget();
                self.theirs = Some(Theirs::default());
                self.say_holds();
            }
            Word::Resource {
                holds,
                full,
                stable,
                info,
            } => self.hear_holds(holds.mirrored(), full, stable, info),
            Word::Standby { gives, step } => self.hear_standby(gives, step),
            Word::Takeover { takes } => self.demanded = takes.mirrored(),
        }
        self.speak_for_peer();
    }

    fn hear_holds(&mut self, holds: Heaps, full: bool, stable: Option<bool>, info: Option<Info>) {
        let known = self.theirs.is_some();
        let theirs = self.theirs.get_or_insert_default();
        match info {
            // It says none, and stops it only now.
            Some(Info::Shutdown) => theirs.leaving = true,
            // What it gives up it has until it says that it is done.
            Some(Info::Standby) => {}
            _ if full || holds == Heaps::NONE => theirs.holds = holds,
            _ => theirs.holds = theirs.holds.and(holds),
        }
        theirs.gave = theirs.gave.without(theirs.holds);
        if let Standby::Offered { pressed: true, .. } = self.standby {
            self.standby = Standby::None;
        }
        let was_stable = theirs.stable;
        theirs.stable = stable.unwrap_or(was_stable);
        if !known || (theirs.stable && !was_stable) {
            self.said = None;
        }
    }

    fn hear_standby(&mut self, gives: Heaps, step: Step) {
        let idle = !self.is_moving() && !self.leaving;
        let Some(theirs) = &mut self.theirs else {
            return;
        };
        match (step, self.standby) {
            (Step::Me, Standby::None) if idle && theirs.stable => {
                let heaps = gives.mirrored();
                if self.wants(heaps) {
                    self.wish = None;
                    self.standby = Standby::Promised(heaps);
                    self.say_step(gives, Step::Other);
                }
            }
            (Step::Other, Standby::Offered { heaps, .. }) if heaps == gives => {
                self.standby = Standby::Giving(heaps);
                self.say_resource(self.held().without(heaps), false, Some(Info::Standby));
                self.evict(heaps);
            }
            (Step::Done, Standby::Promised(heaps)) if heaps == gives.mirrored() => {
                theirs.holds = theirs.holds.without(heaps);
                theirs.gave = theirs.gave.and(heaps);
                self.standby = Standby::Taking(heaps);
            }
            (Step::Done, Standby::Handed(heaps)) if heaps == gives => {
                theirs.holds = theirs.holds.and(heaps);
                theirs.gave = theirs.gave.without(heaps);
                self.standby = Standby::None;
                self.said = None;
            }
            // As in Heartbeat 3.0.6: whoever asked gives up after a while.
            _ => {}
        }
    }

    /// The manager has nothing more to do for now: what follows for the peer.
    pub(crate) fn settle(&mut self, now: Moment) {
        if self.leaving || self.own.is_none() || self.theirs.is_none() {
            return;
        }
        self.wish.take_if(|(_, until)| *until <= now);
        match self.standby {
            Standby::Taking(heaps) if !self.is_moving() => {
                self.standby = Standby::None;
                // A Heartbeat that hears first that it is done misses an owner.
                self.say_holds();
                self.say_step(heaps.mirrored(), Step::Done);
                self.speak_for_peer();
            }
            Standby::Giving(heaps) if self.held().common(heaps) == Heaps::NONE => {
                self.standby = Standby::Handed(heaps);
                self.say_step(heaps, Step::Done);
                self.speak_for_peer();
            }
            // What a former manager here began, or the peer with it, has no end: it is said to be done.
            Standby::Offered {
                heaps,
                until,
                pressed: false,
            } if until <= now && self.held().common(heaps) == Heaps::NONE => {
                self.standby = Standby::Offered {
                    heaps,
                    until: now + ANSWER,
                    pressed: true,
                };
                self.say_step(heaps, Step::Done);
            }
            Standby::Offered { until, .. } if until <= now => {
                self.standby = Standby::None;
                self.not_before = now + ANSWER;
                self.speak_for_peer();
            }
            _ => {}
        }
        // In a standby a Heartbeat says what it holds at its steps alone.
        if self.standby != Standby::None {
            return;
        }
        let moving = self.is_moving();
        if self.said != Some((self.held(), !moving)) {
            self.say_holds();
        }
        if !moving {
            self.offer(now);
        }
    }

    /// Offers the peer what should be its, and asks for what should be this node's.
    fn offer(&mut self, now: Moment) {
        let Some(theirs) = self
            .theirs
            .filter(|theirs| theirs.stable && !theirs.leaving)
        else {
            return;
        };
        let demanded = core::mem::take(&mut self.demanded);
        let is_due = |local| {
            let held = self.held().has(local);
            let free = !held && !theirs.holds.has(local);
            let returns = self.failback && !local && !theirs.gave.has(local);
            (free || held) && self.is_peers(local) || held && (returns || demanded.has(local))
        };
        let heaps = Heaps::that(is_due);
        if heaps != Heaps::NONE && self.not_before <= now {
            self.standby = Standby::Offered {
                heaps,
                until: now + ANSWER,
                pressed: false,
            };
            self.say_step(heaps, Step::Me);
            self.speak_for_peer();
        } else if let Some((takes, _)) = self
            .wish
            .take_if(|(takes, _)| theirs.holds.common(*takes) != Heaps::NONE)
        {
            self.say(Word::Takeover { takes });
        }
    }

    /// A group of the heap should be the peer's: it is free and not this node's, or this node is not
    /// willing to keep it.
    fn is_peers(&self, local: bool) -> bool {
        let claims = self.claims(local);
        let mut claims = claims.map(|claim| match claim.state.is_held() {
            true => claim.willing < Willingness::Able,
            false => {
                let gave = self.theirs.is_some_and(|theirs| theirs.gave.has(local));
                let peer = match gave {
                    true => Willingness::Reluctant,
                    false => Willingness::Able,
                };
                candidate(claim.willing, peer, local) == Candidate::Peer
            }
        });
        claims.any(|is_peers| is_peers)
    }

    /// What this node declares of the groups of a heap.
    fn claims(&self, local: bool) -> impl Iterator<Item = &Claim> {
        let groups = self.groups.iter().filter(move |group| group.1 == local);
        let own = self.own.iter();
        own.flat_map(move |own| groups.clone().filter_map(|(name, _)| own.claims.get(name)))
    }

    /// This node gives up all of these heaps for the peer: what it would keep it is told to.
    fn evict(&mut self, heaps: Heaps) {
        let claims = self.own.as_ref().map(|own| &own.claims);
        let stays = |(name, local): &&(GroupName, bool)| {
            let returns = self.failback && !local;
            let claim = claims.and_then(|claims| claims.get(name));
            let able = claim.is_some_and(|claim| claim.willing == Willingness::Able);
            heaps.has(*local) && able && !returns
        };
        let stay: Vec<_> = self.groups.iter().filter(stays).collect();
        if stay.is_empty() {
            return;
        }
        self.orders.push(Order {
            verb: GroupVerb::Move {
                groups: Choice::Named(stay.iter().map(|group| group.0.clone()).collect()),
                to: Some(self.peer.clone()),
                lasts: Some(WANTED),
                together: false,
            },
            who: self.peer.as_str().into(),
            reason: Some("in a standby all groups of a node move together".into()),
        });
    }

    /// What was ordered here and concerns the peer: where groups are wanted here that it holds it is
    /// asked for them.
    fn note_orders(&mut self, own: &Declaration, now: Moment) {
        for passed in own.orders.iter().filter(|passed| passed.number > self.read) {
            if let GroupVerb::Move {
                groups: Choice::Named(names),
                to: Some(to),
                ..
            } = &passed.order.verb
                && *to == self.node
            {
                let wanted = Heaps::that(|heap| {
                    let mut groups = self.groups.iter();
                    groups.any(|(name, local)| *local == heap && names.contains(name))
                });
                self.wish = Some((wanted, now + ANSWER));
            }
        }
        let last = own.orders.iter().map(|passed| passed.number).max();
        self.read = self.read.max(last.unwrap_or(0));
    }

    /// This node would start all of it.
    fn wants(&self, heaps: Heaps) -> bool {
        let Some(own) = &self.own else {
            return false;
        };
        let mut groups = self.groups.iter().filter(|(_, local)| heaps.has(*local));
        groups.all(|(name, _)| {
            let claim = own.claims.get(name);
            claim.is_some_and(|claim| claim.willing > Willingness::Unable)
        })
    }

    /// What this node holds, in part or whole.
    fn held(&self) -> Heaps {
        Heaps::that(|local| self.claims(local).any(|claim| claim.state.is_held()))
    }

    /// A group is started or stopped here.
    fn is_moving(&self) -> bool {
        let mut claims = self.own.iter().flat_map(|own| own.claims.values());
        claims.any(|claim| {
            matches!(
                claim.state,
                GroupState::Starting | GroupState::Stopping | GroupState::Checking
            )
        })
    }

    fn say(&mut self, word: Word) {
        self.outputs.push_back(Spoken::Say(word));
    }

    fn say_step(&mut self, gives: Heaps, step: Step) {
        self.say(Word::Standby { gives, step });
    }

    fn say_resource(&mut self, holds: Heaps, stable: bool, info: Option<Info>) {
        self.say(Word::Resource {
            holds,
            full: true,
            stable: Some(stable),
            info,
        });
    }

    /// Says what is held, outside of a standby.
    fn say_holds(&mut self) {
        if self.leaving {
            return;
        }
        let (holds, stable) = (self.held(), !self.is_moving());
        self.said = Some((holds, stable));
        self.say_resource(holds, stable, None);
    }

    fn peer_willing(&self, theirs: Theirs, local: bool) -> Willingness {
        let takes = matches!(self.standby, Standby::Giving(heaps) if heaps.has(local));
        let keeps = self.held().has(local) && !takes;
        match theirs {
            Theirs { leaving: true, .. } => Willingness::Unable,
            _ if takes => Willingness::Able,
            theirs if keeps || theirs.gave.has(local) => Willingness::Reluctant,
            _ => Willingness::Able,
        }
    }

    fn peer_state(&self, theirs: Theirs, local: bool) -> GroupState {
        let held = self.held().has(local);
        match self.standby {
            Standby::Offered { heaps, .. } if heaps.has(local) && !held => GroupState::Starting,
            Standby::Handed(heaps) if heaps.has(local) => GroupState::Starting,
            Standby::Promised(heaps) if heaps.has(local) => GroupState::Stopping,
            _ if theirs.holds.has(local) => GroupState::Started,
            _ => GroupState::Stopped,
        }
    }

    /// Declares what the peer is, and has the manager do this for it.
    fn speak_for_peer(&mut self) {
        let (Some(theirs), Some(own)) = (self.theirs, &self.own) else {
            return;
        };
        let orders = core::mem::take(&mut self.orders);
        self.number += 1;
        let number = self.number;
        let claim = |(name, local): &(GroupName, bool)| {
            let epoch = own.claims.get(name).map_or(0, |claim| claim.epoch);
            let claim = Claim {
                state: self.peer_state(theirs, *local),
                willing: self.peer_willing(theirs, *local),
                // A Heartbeat that meets another owner starts anew: this node keeps what both hold.
                epoch: epoch + 1,
            };
            (name.clone(), claim)
        };
        let orders = orders.into_iter().map(|order| Passed {
            number,
            standing: false,
            order,
        });
        let declaration = Declaration {
            stand: Stand {
                life: Life {
                    generation: self.generation,
                    began: Moment(0),
                },
                number,
            },
            heard: Some(own.stand),
            answer: false,
            alone: false,
            claims: self.groups.iter().map(claim).collect::<BTreeMap<_, _>>(),
            failures: BTreeMap::new(),
            reasons: BTreeMap::new(),
            orders: orders.collect(),
        };
        self.outputs.push_back(Spoken::Declare(declaration));
    }

    /// What is to be said next.
    pub(crate) fn poll(&mut self) -> Option<Spoken> {
        self.outputs.pop_front()
    }

    /// When [`Interpreter::settle`] is to be called.
    #[must_use]
    pub(crate) fn deadline(&self) -> Option<Moment> {
        let standby = match self.standby {
            Standby::Offered { until, .. } => Some(until),
            _ => None,
        };
        let wish = self.wish.map(|(_, until)| until);
        standby.into_iter().chain(wish).min()
    }
}

#[cfg(test)]
mod tests;
