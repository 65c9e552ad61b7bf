//! Events: each is numbered, new and true.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::event::{Event, Kind, LinkStatus, NodeStatus, StatusReason};
use shared::names::{Generation, LinkName, NodeName};
use shared::time::Moment;
use shared::view::{ClusterView, NodeView};

use super::super::cluster::KEEPALIVE;
use super::{Broken, EVENTS_A_SECOND_MAX, Rules, second};
use crate::sim::{NodeIndex, SegmentIndex, World};

/// A core looks at the clock so long at most before the world sees that it started.
const LOOKS_EARLIER: Duration = Duration::from_millis(100);

impl Rules {
    pub(super) fn count_event(&mut self, index: NodeIndex, arrived: Moment) -> Result<(), Broken> {
        let told = &mut self.nodes[index.0].events_of;
        let count = told.entry(second(arrived)).or_default();
        *count += 1;
        let count = *count;
        match count > EVENTS_A_SECOND_MAX {
            true => Err(self.of(index, &format!("{count} events about one second"))),
            false => Ok(()),
        }
    }

    pub(super) fn event(
        &mut self,
        world: &World,
        index: NodeIndex,
        event: &Event,
    ) -> Result<(), Broken> {
        let node = &mut self.nodes[index.0];
        node.events += 1;
        if event.id.counter != node.events {
            let text = format!("event {} is the {}th", event.id, node.events);
            return Err(self.of(index, &text));
        }
        let no_change = no_change(&node.view, event);
        if let Some(text) = no_change {
            return Err(self.of(
                index,
                &format!("event without change: {} ({text})", event.text),
            ));
        }
        self.is_true(world, index, event)?;
        let view = &mut self.nodes[index.0].view;
        view.apply(event);
        match two_with_one_identity(view) {
            Some(text) => Err(self.of(index, &text)),
            None => Ok(()),
        }
    }

    /// Compares an event with what really happened.
    fn is_true(&mut self, world: &World, index: NodeIndex, event: &Event) -> Result<(), Broken> {
        let now = world.now();
        let lie = match &event.kind {
            Kind::NodeStatus {
                node, to, reason, ..
            } if *to == NodeStatus::Dead && !is_told_again(event) => match reason {
                StatusReason::Silent { .. } => self.death(world, index, node),
                StatusReason::NeverHeard { .. } => self.absence(world, index),
                _ => None,
            },
            Kind::NodeStatus {
                node,
                from: NodeStatus::Dead,
                ..
            } => self.return_of(index, node, now),
            Kind::PartitionHealed { node, .. } => {
                if let Some(peer) = self.index(node) {
                    self.seen.entry((index, peer)).or_default().healed = Some(now);
                }
                None
            }
            Kind::NodeRestarted { from, to, .. } => {
                (to <= from).then(|| "a generation cannot fall".into())
            }
            Kind::NodeHeard {
                node, generation, ..
            } => self.first_word(index, node, *generation),
            Kind::DeclaredDead { node } => self.denial(index, node),
            Kind::UnauthenticatedGone { node } => self.end_of_doubt(index, node, now),
            Kind::LinkStatus {
                link,
                to: LinkStatus::Dead,
                silent: Some(_),
                ..
            } => self.death_of_link(world, index, link),
            _ => None,
        };
        match lie {
            Some(text) => Err(self.of(index, &format!("`{}`, but {text}", event.text))),
            None => Ok(()),
        }
    }

    /// Declared dead for its silence: was it silent?
    fn death(&mut self, world: &World, index: NodeIndex, node: &NodeName) -> Option<String> {
        let now = world.now();
        let peer = self.index(node)?;
        if let Some(memory) = world.machine(index).memory.get(node) {
            self.declared.insert((index, peer, memory.generation));
        }
        // Whoever is dead is followed anew when it returns.
        self.passed.remove(&(index, peer));
        let seen = self.seen.entry((index, peer)).or_default();
        seen.died = Some(seen.generation);
        let counts = self.identities_sound && !seen.passed_over;
        let beat = seen.beat.filter(|_| counts)?;
        let silent = now.since(beat.at);
        (silent < beat.deadtime).then(|| format!("a beat came {silent:?} ago"))
    }

    /// Declared dead because it was never heard: was there time enough?
    fn absence(&self, world: &World, index: NodeIndex) -> Option<String> {
        let waited = world.now().since(self.nodes[index.0].started);
        let initdead = world.machine(index).settings.initdead;
        (waited + LOOKS_EARLIER < initdead).then(|| format!("it runs since {waited:?} only"))
    }

    /// A dead node lives: under the same generation that is a partition that has healed.
    fn return_of(&mut self, index: NodeIndex, node: &NodeName, now: Moment) -> Option<String> {
        let peer = self.index(node)?;
        let seen = self.seen.entry((index, peer)).or_default();
        let same_life = seen.died.take() == Some(seen.generation);
        let unreported = same_life && seen.healed != Some(now);
        let lie = unreported && self.identities_sound;
        lie.then(|| "the heal of the partition was not reported".into())
    }

    fn first_word(
        &mut self,
        index: NodeIndex,
        node: &NodeName,
        generation: Generation,
    ) -> Option<String> {
        let peer = self.index(node)?;
        let seen = self.seen.entry((index, peer)).or_default();
        let known = std::mem::replace(&mut seen.reported, generation);
        let fell = generation < known && self.identities_sound;
        fell.then(|| format!("generation {known} was heard before"))
    }

    /// Somebody is said to have declared this node dead, in this life: did it?
    fn denial(&self, index: NodeIndex, node: &NodeName) -> Option<String> {
        let own = self.nodes[index.0].generation;
        let declared = self.declared.contains(&(self.index(node)?, index, own));
        let lie = !declared && self.identities_sound;
        lie.then(|| format!("it never declared {own} dead"))
    }

    /// In doubt, and then nothing came any more: or did beats come that verify?
    fn end_of_doubt(&self, index: NodeIndex, node: &NodeName, now: Moment) -> Option<String> {
        let beat = self.seen.get(&(index, self.index(node)?))?.beat?;
        let silent = now.since(beat.at);
        let lie = self.identities_sound && silent < KEEPALIVE * 2;
        lie.then(|| format!("a beat that verifies came {silent:?} ago"))
    }

    fn death_of_link(&self, world: &World, index: NodeIndex, link: &LinkName) -> Option<String> {
        let segments = world.segments();
        let segment = segments.iter().position(|s| s.name == link.medium)?;
        let peer = self.index(&link.peer)?;
        let came = self
            .arrived
            .get(&(index, peer, SegmentIndex(segment)))?
            .beat?;
        let deadtime = self.seen.get(&(index, peer))?.beat?.deadtime;
        let seen = self.nodes[index.0].view.nodes.get(&link.peer)?;
        let silent = world.now().since(came);
        // What comes from a node that counts as dead is no sign of its link.
        let since = world.machine(index).world_time(seen.since.boot);
        let counted = seen.status.is_alive() && since <= came;
        let lie = self.identities_sound && counted && silent < deadtime;
        lie.then(|| format!("a packet came over it {silent:?} ago"))
    }
}

/// A core that was started tells what the former one knew: its first event is the cause.
fn is_told_again(event: &Event) -> bool {
    let own = event.id.incarnation;
    event
        .caused_by()
        .is_some_and(|cause| cause.incarnation == own && cause.counter == 1)
}

/// Why an event says nothing new, if so.
fn no_change(view: &ClusterView, event: &Event) -> Option<String> {
    let node = |name: &NodeName| view.nodes.get(name);
    let same = |text: &str| Some(text.to_owned());
    match &event.kind {
        Kind::NodeStatus {
            node: name,
            from,
            to,
            ..
        } => {
            let known = node(name)?.status;
            match known != *from || from == to {
                true => Some(format!("it was {known}")),
                false => None,
            }
        }
        Kind::LinkStatus { link, from, to, .. } => {
            let known = node(&link.peer)?.links.get(&link.medium)?.status;
            match known != *from || from == to {
                true => Some(format!("it was {known}")),
                false => None,
            }
        }
        Kind::LinkOneWay { link } | Kind::LinkBothWays { link } => {
            let one_way = node(&link.peer)?.links.get(&link.medium)?.one_way;
            let becomes = matches!(event.kind, Kind::LinkOneWay { .. });
            (one_way == becomes).then(|| format!("one-way: {one_way}"))
        }
        Kind::Jeopardy { node: name, medium } => {
            let seen = node(name)?;
            let up = seen
                .links
                .values()
                .filter(|l| l.status == LinkStatus::Up)
                .count();
            match (&seen.jeopardy, up) {
                (Some(_), _) => same("in jeopardy already"),
                (None, 1) if seen.links.get(medium)?.status == LinkStatus::Up => None,
                (None, up) => Some(format!("{up} links are up")),
            }
        }
        Kind::JeopardyOver { node: name, .. } => match node(name)?.jeopardy {
            None => same("not in jeopardy"),
            Some(_) => None,
        },
        Kind::NotHeard { node: name, .. } if node(name)?.not_heard => same("known already"),
        Kind::HeardAgain { node: name } if !node(name)?.not_heard => same("was heard"),
        Kind::DeclaredDead { node: name } if counts_us_dead(node(name)?) => same("known already"),
        Kind::DeclaredDeadOver { node: name } if !counts_us_dead(node(name)?) => {
            same("it was not declared dead")
        }
        Kind::AuthenticatedAgain { node: name } if node(name)?.unauthenticated.is_none() => {
            same("was authenticated")
        }
        Kind::CommunicationUp if view.communication_up => same("was up"),
        Kind::Impostor { .. } if view.impostor.is_some() => same("known already"),
        Kind::ImpostorGone if view.impostor.is_none() => same("there was none"),
        _ => None,
    }
}

fn counts_us_dead(node: &NodeView) -> bool {
    let declared = node.declared_dead;
    declared.is_some_and(|declared| declared.over.is_none())
}

fn two_with_one_identity(view: &ClusterView) -> Option<String> {
    let mut known = BTreeMap::new();
    view.nodes.iter().find_map(|(name, node)| {
        let other = known.insert(node.uuid?, name)?;
        Some(format!("{other} and {name} have one identity in its view"))
    })
}
