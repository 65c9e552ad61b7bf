//! What every interpreter has: it knows both sides, and a queue of what is to be said to each.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use shared::event::{Event, Kind, NodeStatus};
use shared::group::{GroupName, GroupState, Willingness};
use shared::names::{Generation, NodeName};
use shared::order::GroupVerb;
use shared::time::Moment;
use shared::view::ClusterView;

use super::Spoken;
use super::word::Word;
use crate::declaration::{Claim, Declaration, Life, Passed, Stand};
use crate::io::{Order, Settings};

/// Where an interpreter sits.
#[derive(Clone, Debug)]
pub(crate) struct Booth {
    pub(super) node: NodeName,
    pub(super) peer: NodeName,
    /// The groups, and whether they should be on this node.
    pub(super) groups: Vec<(GroupName, bool)>,
    /// What this node's manager last declared.
    pub(super) own: Option<Declaration>,
    /// The peer is a member: before, it does not understand words.
    pub(super) active: bool,
    /// This node may speak.
    communication_up: bool,
    generation: Generation,
    /// Declarations that were made for the peer.
    number: u64,
    /// How many ping nodes the peer reaches, where that is compared.
    pub(super) pings: Option<u32>,
    /// Why groups are there what they are.
    pub(super) reasons: BTreeMap<GroupName, String>,
    /// What the manager is to do for the peer, with its next declaration.
    orders: Vec<Order>,
    outputs: VecDeque<Spoken>,
}

impl Booth {
    pub(super) fn new(settings: &Settings) -> Self {
        let groups = settings.groups.iter();
        let groups = groups.map(|group| (group.name.clone(), group.preferred == settings.node));
        Self {
            node: settings.node.clone(),
            peer: settings.peer.clone(),
            groups: groups.collect(),
            own: None,
            active: false,
            communication_up: false,
            generation: Generation(0),
            number: 0,
            pings: None,
            reasons: BTreeMap::new(),
            orders: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// What this node's core tells of the peer. Returns true if the peer is another, or gone: nothing that it said
    /// counts.
    pub(super) fn follow(&mut self, event: &Event) -> bool {
        match &event.kind {
            Kind::NodeStatus { node, to, .. } if *node == self.peer => {
                self.active = *to == NodeStatus::Active;
                !to.is_alive()
            }
            Kind::NodeHeard {
                node, generation, ..
            } if *node == self.peer => {
                core::mem::replace(&mut self.generation, *generation) != *generation
            }
            Kind::NodeRestarted { node, to, .. } if *node == self.peer => {
                self.generation = *to;
                true
            }
            Kind::CommunicationUp => {
                self.communication_up = true;
                false
            }
            _ => false,
        }
    }

    /// What this node declares of a group.
    pub(super) fn claim(&self, group: &GroupName) -> Option<&Claim> {
        self.own.as_ref()?.claims.get(group)
    }

    /// This node holds that group.
    pub(super) fn is_held(&self, group: &GroupName) -> bool {
        self.claim(group).is_some_and(|claim| claim.state.is_held())
    }

    /// An order wants this group there.
    pub(super) fn is_wanted(&self, group: &GroupName, there: &NodeName) -> bool {
        let wanted = self.own.as_ref().and_then(|own| own.wanted.get(group));
        wanted == Some(there)
    }

    /// What is said now is understood now.
    pub(super) fn is_open(&self) -> bool {
        self.active && self.communication_up
    }

    /// The life of the peer in that view is the one that is known here, or is told next.
    pub(super) fn knows(&self, view: &ClusterView) -> bool {
        let peer = view.nodes.get(&self.peer);
        let peer = peer.filter(|peer| peer.status != NodeStatus::Dead);
        peer.is_some_and(|peer| peer.generation.is_none_or(|life| life == self.generation))
    }

    /// This node has another core, and that is what it knows.
    pub(super) fn look(&mut self, view: &ClusterView) {
        self.communication_up = view.communication_up;
        let peer = view.nodes.get(&self.peer);
        self.active = peer.is_some_and(|peer| peer.status == NodeStatus::Active);
        if let Some(generation) = peer.and_then(|peer| peer.generation) {
            self.generation = generation;
        }
    }

    /// What was ordered for the peer and not told yet is not told any more.
    pub(super) fn forget(&mut self) {
        self.orders.clear();
    }

    pub(super) fn say(&mut self, word: Word) {
        self.outputs.push_back(Spoken::Say(word));
    }

    pub(super) fn tell(&mut self, kind: Kind) {
        self.outputs.push_back(Spoken::Tell(kind));
    }

    /// The manager is to do this for the peer, as soon as that declares something.
    pub(super) fn order(&mut self, verb: GroupVerb, reason: &str) {
        self.orders.push(Order {
            verb,
            who: self.peer.as_str().into(),
            reason: Some(reason.into()),
        });
    }

    /// Declares what the peer is of each group, in their order; and whether it [waits](Declaration::waits).
    pub(super) fn declare(&mut self, waits: bool, states: Vec<(GroupState, Willingness)>) {
        let Some(own) = &self.own else {
            return;
        };
        self.number += 1;
        let number = self.number;
        let claims = self.groups.iter().zip(states);
        let claims = claims.map(|((name, _), (state, willing))| {
            let epoch = own.claims.get(name).map_or(0, |claim| claim.epoch);
            let claim = Claim {
                state,
                willing,
                // A Heartbeat that meets another owner starts anew: this node keeps what both hold.
                epoch: epoch + 1,
            };
            (name.clone(), claim)
        });
        let orders = core::mem::take(&mut self.orders).into_iter();
        let orders = orders.map(|order| Passed {
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
            waits,
            pings: self.pings,
            claims: claims.collect(),
            failures: BTreeMap::new(),
            reasons: self.reasons.clone(),
            orders: orders.collect(),
            wanted: BTreeMap::new(),
        };
        self.outputs.push_back(Spoken::Declare(declaration));
    }

    /// What is to be said next.
    pub(super) fn poll(&mut self) -> Option<Spoken> {
        self.outputs.pop_front()
    }
}
