//! What managers say: nothing that was not said, nothing twice, nothing of the dead, and between two
//! nodes that live and are connected everything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hbd_core::wire::fields;
use hbd_core::{MediumForm, Said};
use shared::event::{Event, Kind, NodeStatus};
use shared::names::NodeName;
use shared::time::Moment;

use super::super::cluster::Cluster;
use super::{Broken, Rules};
use crate::sim::{NodeIndex, World};

/// A message is missed with the next beat, asked for and sent again within so long, once nothing is
/// in its way.
const ARRIVES_WITHIN: Duration = Duration::from_secs(3);
/// What was said so long before everything was out of its way is not given up before.
const NOT_GIVEN_UP: Duration = Duration::from_secs(2);

/// What is known of all that managers said.
#[derive(Default)]
pub(super) struct Managers {
    said: BTreeMap<String, (NodeIndex, Said)>,
    /// What each node heard since its daemon began.
    heard: BTreeSet<(NodeIndex, String)>,
    awaited: Vec<Awaited>,
}

struct Awaited {
    from: NodeIndex,
    to: NodeIndex,
    text: String,
    since: Moment,
}

impl Managers {
    pub(super) fn core_began(&mut self, node: NodeIndex, quick_restart: bool) {
        self.awaited.retain(|it| it.from != node && it.to != node);
        if !quick_restart {
            self.heard.retain(|(listener, _)| *listener != node);
        }
    }

    /// Identities can be told apart again.
    pub(super) fn healed(&mut self) {
        self.awaited.clear();
    }
}

impl Rules {
    /// A manager says something.
    pub fn manager_says(&mut self, world: &World, from: NodeIndex, said: &Said) {
        let text = text(said).to_owned();
        let listens = |to: &NodeIndex| *to != from && self.listens(world, from, *to);
        let listeners: Vec<NodeIndex> = world.nodes().filter(listens).collect();
        let awaited = listeners.into_iter().map(|to| Awaited {
            from,
            to,
            text: text.clone(),
            since: world.now(),
        });
        self.managers.awaited.extend(awaited);
        self.managers.said.insert(text, (from, said.clone()));
    }

    /// Whether one node is a member and another would hear what it says.
    fn listens(&self, world: &World, from: NodeIndex, to: NodeIndex) -> bool {
        let alive = |observer: NodeIndex, node: NodeIndex| {
            let view = &self.nodes[observer.0].view;
            let seen = view.nodes.get(&self.nodes[node.0].name);
            seen.is_some_and(|seen| seen.status.is_alive())
        };
        let speaker = &self.nodes[from.0];
        let own = speaker.view.nodes.get(&speaker.name);
        let member = own.is_some_and(|own| own.status == NodeStatus::Active);
        let known = self.nodes[to.0].view.nodes.get(&speaker.name);
        member
            && !speaker.view.leaving
            && world.machine(from).runs()
            && world.machine(to).runs()
            && alive(to, from)
            && alive(from, to)
            && known.and_then(|known| known.generation) == Some(speaker.generation)
            && self.keys_agree(from, to)
            && self.identities_sound
    }

    fn keys_agree(&self, one: NodeIndex, other: NodeIndex) -> bool {
        self.trusts(one, other) && self.trusts(other, one)
    }

    /// A core passes on what the manager of another node says.
    pub(super) fn manager_hears(
        &mut self,
        node: NodeIndex,
        from: &NodeName,
        heard: &Said,
    ) -> Result<(), Broken> {
        let text = text(heard).to_owned();
        let broken = |what: &str| Err(self.of(node, &format!("hears {text} of {from}: {what}")));
        let Some((speaker, said)) = self.managers.said.get(&text) else {
            return broken("nobody said it");
        };
        if self.index(from) != Some(*speaker) {
            return broken("another one said it");
        }
        if heard != said && *heard != without_own(said) {
            return broken("it was said otherwise");
        }
        if self.managers.heard.contains(&(node, text.clone())) {
            return broken("it was heard before");
        }
        let known = self.nodes[node.0].view.nodes.get(from);
        if known.is_none_or(|known| !known.status.is_alive()) {
            return broken("it counts as dead");
        }
        let arrived = |it: &Awaited| it.to == node && it.text == text;
        self.managers.awaited.retain(|it| !arrived(it));
        self.managers.heard.insert((node, text));
        Ok(())
    }

    /// Who is dead, or begins another life, is not waited for.
    pub(super) fn manager_lost(&mut self, node: NodeIndex, event: &Event) {
        let lost = match &event.kind {
            Kind::NodeStatus {
                node: peer,
                to: NodeStatus::Dead,
                ..
            } => peer,
            Kind::NodeRestarted { node: peer, .. } | Kind::PartitionHealed { node: peer, .. } => {
                peer
            }
            _ => return,
        };
        let peer = self.index(lost);
        let hears = |it: &Awaited| (it.to, Some(it.from)) == (node, peer);
        let answers = |it: &Awaited| (it.from, Some(it.to)) == (node, peer);
        self.managers
            .awaited
            .retain(|it| !hears(it) && !answers(it));
    }

    /// What was said while nothing was in its way, or shortly before, has arrived.
    pub(super) fn managers_heard_everything(&mut self, cluster: &Cluster) -> Result<(), Broken> {
        let now = cluster.world.now();
        let spoiled = !self.lossy.is_empty();
        let mut awaited = std::mem::take(&mut self.managers.awaited);
        awaited.retain(|it| it.since + NOT_GIVEN_UP >= self.changed);
        let clear = match spoiled {
            true => now,
            false => self.changed,
        };
        let (due, rest) = awaited
            .into_iter()
            .partition(|it| now.since(it.since.max(clear)) > ARRIVES_WITHIN);
        self.managers.awaited = rest;
        let due: Vec<Awaited> = due;
        let late = due.iter().find(|it| self.are_connected(&cluster.world, it));
        match late {
            Some(it) => {
                let from = &self.nodes[it.from.0].name;
                Err(self.of(it.to, &format!("has not heard {} of {from}", it.text)))
            }
            None => Ok(()),
        }
    }

    /// Whether both nodes run, and packets pass between them in both directions over one segment.
    fn are_connected(&self, world: &World, it: &Awaited) -> bool {
        let whole = |from, to| {
            move |segment: &crate::sim::Segment| {
                segment.path(from, to).is_some_and(|path| !path.cut)
            }
        };
        let there = whole(it.from, it.to);
        let back = whole(it.to, it.from);
        let mut segments = world.segments().iter();
        world.machine(it.from).runs()
            && world.machine(it.to).runs()
            && self.keys_agree(it.from, it.to)
            && self.identities_sound
            && segments.any(|segment| {
                segment.form == MediumForm::Datagram && there(segment) && back(segment)
            })
    }
}

fn text(said: &Said) -> &str {
    said.fields.get(fields::INFO).map_or("", String::as_str)
}

fn without_own(said: &Said) -> Said {
    let mut said = said.clone();
    said.fields.remove(fields::CLAIMS);
    said
}
