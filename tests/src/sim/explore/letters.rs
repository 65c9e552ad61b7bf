//! Clients on the nodes of a cluster, which write to each other while everything goes wrong.
//!
//! Each node has one that listens, and one that sends to any other node. They have dice of their
//! own, so that what goes wrong in a seed does not depend on them.

use std::collections::BTreeMap;
use std::time::Duration;

use hbd_core::session::StreamId;
use hbd_core::session::office::{Delivery, Notice as ClientNotice, Office};
use shared::names::ClientName;
use shared::session::Class;
use shared::time::Moment;

use super::cluster::Cluster;
use super::rules::Rules;
use crate::sim::random::Random;
use crate::sim::{NodeIndex, Notice};

/// Longest message but for a few.
const BYTES_USUAL: u64 = 3000;
/// Longest of all.
const BYTES_MAX: u64 = 60_000;
/// So many times less is written where all goes over a slow line.
const SLOWLY: u64 = 20;
/// A listener may keep a message for so long before it acknowledges it.
const THINKS_MAX: Duration = Duration::from_secs(3);

/// Something a client does later.
#[derive(Clone, Copy, Debug)]
enum Later {
    Listen(NodeIndex),
    Acknowledge(NodeIndex, u32, Delivery),
}

/// The clients of a run.
pub struct Letters {
    random: Random,
    gap: Duration,
    slowly: bool,
    next: Moment,
    agenda: Vec<(Moment, Later)>,
    streams: BTreeMap<(NodeIndex, NodeIndex), StreamId>,
    /// Which life of each node's listener it is, and whether it listens.
    listeners: Vec<(u32, bool)>,
    /// What was done, for a trace.
    pub log: Vec<String>,
}

impl Letters {
    /// Clients for a cluster.
    #[must_use]
    pub fn new(seed: u64, cluster: &Cluster) -> Self {
        let nodes = cluster.world.nodes().count();
        let mut random = Random::new(seed ^ 0x1E77_E125);
        Self {
            gap: Duration::from_secs(*random.pick(&[2, 5, 20])),
            slowly: cluster.slow_rate().is_some(),
            next: Moment(0) + Duration::from_secs(20),
            random,
            agenda: Vec::new(),
            streams: BTreeMap::new(),
            listeners: vec![(0, false); nodes],
            log: Vec::new(),
        }
    }

    /// When something is to be done.
    #[must_use]
    pub fn next(&self) -> Moment {
        let agenda = self.agenda.iter().map(|(at, _)| *at);
        agenda.chain([self.next]).min().unwrap_or(self.next)
    }

    /// Nobody writes from here on; those who listen go on.
    pub fn rest(&mut self) {
        self.next = Moment(u64::MAX);
    }

    /// Does everything that is due.
    pub fn due(&mut self, cluster: &mut Cluster, rules: &mut Rules) {
        let now = cluster.world.now();
        while let Some(place) = self.agenda.iter().position(|(at, _)| *at <= now) {
            let (at, later) = self.agenda.swap_remove(place);
            assert_eq!(at, now, "clients do what they planned when it is due");
            match later {
                Later::Listen(node) => self.listen(node, cluster, rules),
                Later::Acknowledge(node, life, delivery) => {
                    self.acknowledge(node, life, delivery, cluster, rules);
                }
            }
        }
        if self.next <= now {
            self.next = now + self.random.span(Duration::from_millis(50), self.gap);
            self.act(cluster, rules);
        }
    }

    /// Looks at what happened, and plans what a client does about it.
    pub fn see(&mut self, now: Moment, notice: &Notice) {
        match notice {
            Notice::CoreStarted {
                node,
                quick_restart: false,
            } => {
                self.streams.retain(|(from, _), _| from != node);
                self.listeners[node.0].1 = false;
                let soon = self.random.span(Duration::ZERO, THINKS_MAX);
                self.agenda.push((now + soon, Later::Listen(*node)));
            }
            Notice::Client { node, notice } => match notice {
                ClientNotice::Closed { stream, .. } => {
                    self.streams.retain(|_, other| other != stream);
                }
                ClientNotice::Message { delivery, .. } => {
                    let soon = self.random.span(Duration::ZERO, THINKS_MAX);
                    let life = self.listeners[node.0].0;
                    let later = Later::Acknowledge(*node, life, *delivery);
                    self.agenda.push((now + soon, later));
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn listen(&mut self, node: NodeIndex, cluster: &mut Cluster, rules: &mut Rules) {
        if self.listeners[node.0].1 {
            return;
        }
        let listens = cluster
            .world
            .clients(node, |office| office.listen(inbox()).is_ok());
        match listens {
            Some(true) => {
                self.listeners[node.0].0 += 1;
                self.listeners[node.0].1 = true;
                rules.letters.listens_anew(node, self.listeners[node.0].0);
                self.log.push(format!("{node:?} listens"));
            }
            Some(false) => {}
            None => {
                let again = cluster.world.now() + THINKS_MAX;
                self.agenda.push((again, Later::Listen(node)));
            }
        }
    }

    fn acknowledge(
        &mut self,
        node: NodeIndex,
        life: u32,
        delivery: Delivery,
        cluster: &mut Cluster,
        rules: &mut Rules,
    ) {
        if self.listeners[node.0] != (life, true) {
            return;
        }
        rules.letters.acknowledge(node, life, delivery);
        let done = cluster
            .world
            .clients(node, |office| office.acknowledge(&inbox(), delivery));
        if done.is_none() {
            let again = cluster.world.now() + THINKS_MAX;
            let later = Later::Acknowledge(node, life, delivery);
            self.agenda.push((again, later));
        }
    }

    fn act(&mut self, cluster: &mut Cluster, rules: &mut Rules) {
        let nodes: Vec<NodeIndex> = cluster.world.nodes().collect();
        let node = *self.random.pick(&nodes);
        match self.random.below(20) {
            0 => self.restart_listener(node, cluster),
            1 => self.end_stream(node, cluster, rules),
            _ => {
                let to = *self.random.pick(&nodes);
                if to != node {
                    self.write(node, to, cluster, rules);
                }
            }
        }
    }

    fn restart_listener(&mut self, node: NodeIndex, cluster: &mut Cluster) {
        let gone = cluster
            .world
            .clients(node, |office| office.unlisten(&inbox()));
        if gone.is_some() && std::mem::replace(&mut self.listeners[node.0].1, false) {
            self.log.push(format!("{node:?} does not listen any more"));
            let soon = self.random.span(Duration::ZERO, THINKS_MAX);
            let at = cluster.world.now() + soon;
            self.agenda.push((at, Later::Listen(node)));
        }
    }

    fn end_stream(&mut self, node: NodeIndex, cluster: &mut Cluster, rules: &mut Rules) {
        let mut streams = self.streams.iter().filter(|((from, _), _)| *from == node);
        let Some((&ends, &stream)) = streams.next() else {
            return;
        };
        let gives_up = self.random.below(2) == 0;
        let act = |office: &mut Office| match gives_up {
            true => office.give_up(stream),
            false => office.close(stream),
        };
        if cluster.world.clients(node, act).is_some() {
            self.log
                .push(format!("{stream:?} ends, gives up: {gives_up}"));
            self.streams.remove(&ends);
            if gives_up {
                rules.letters.given_up(node, stream);
            }
        }
    }

    fn write(&mut self, node: NodeIndex, to: NodeIndex, cluster: &mut Cluster, rules: &mut Rules) {
        let peer = cluster.world.machine(to).name().clone();
        let known = self.streams.get(&(node, to)).copied();
        let length = match self.random.below(20) {
            0 => self.random.below(BYTES_MAX),
            _ => self.random.below(BYTES_USUAL),
        };
        let length = match self.slowly {
            true => length / SLOWLY,
            false => length,
        };
        let pattern = self.random.number().to_le_bytes();
        let length = usize::try_from(length).unwrap_or(0);
        let bytes: Vec<u8> = pattern.iter().copied().cycle().take(length).collect();
        let class = match self.random.below(2) {
            0 => Class::Bulk,
            _ => Class::of(bytes.len()),
        };
        let written = bytes.clone();
        let write = |office: &mut Office| {
            let stream = known.or_else(|| office.open(outbox(), peer, inbox()).ok())?;
            let number = office.send(stream, class, bytes).ok()?;
            Some((stream, number))
        };
        // What the office told meanwhile is seen afterwards, and by then the letter is known.
        if let Some(Some((stream, number))) = cluster.world.clients(node, write) {
            self.streams.insert((node, to), stream);
            rules.letters.sent(node, stream, number, written);
        }
    }
}

fn inbox() -> ClientName {
    ClientName::new("inbox").expect("a name")
}

fn outbox() -> ClientName {
    ClientName::new("outbox").expect("a name")
}
