//! The rules a cluster must keep after each step, whatever goes wrong.
//!
//! The rules know what really happened: which beats reached which socket, who runs, which paths are
//! whole. They read packets with [`super::peek`] and nodes through their events only, so that a
//! mistake of the core cannot hide itself.
//!
//! | rule | in words |
//! |---|---|
//! | numbers | generations grow with each life; messages are numbered from 1 without a gap |
//! | events | counted without a gap; each changes what it says it changes, from what was true |
//! | no false death | nobody is declared dead while its beats arrived within its dead time |
//! | no late death | who was silent for longer than its dead time and a moment is not alive |
//! | memory | a quick restart forgets nobody |
//! | no old life | what was sent before counts for nothing; a node's generation never falls |
//! | identity | no two nodes of a view have one identity |
//! | rest | every deadline lies ahead once a core has taken its inputs |
//! | bounds | packets, events, waiting messages and requests per time are limited |
//! | agreement | what nodes believe is true once nothing has changed for long enough |

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hbd_core::MediumForm;
use shared::event::{Event, Kind, LinkStatus, NodeKind, NodeStatus, StatusReason};
use shared::names::{Generation, NodeName, Sequence};
use shared::time::Moment;
use shared::view::{ClusterView, NodeView};

use super::cluster::{Cluster, KEEPALIVE};
use super::faults::CORE_PAUSE_MAX;
use super::peek::{Peek, peek};
use crate::sim::machine::Life;
use crate::sim::{NodeIndex, Notice, SegmentIndex, World};

/// How much later than its dead time a silent node may be declared dead: the timers' lateness.
const DEATH_SLACK: Duration = Duration::from_millis(1500);
/// The least and most of a peer's announced dead time that may apply, as hbd-protocol(7) has it.
const DEADTIME_KEEPALIVES_MIN: u32 = 2;
const DEADTIME_FACTOR_MAX: u32 = 10;
/// Most packets of one node to one other over one segment in one second: a whole gap, and more.
const PACKETS_A_SECOND_MAX: usize = 300;
/// Most events of one node in one second.
const EVENTS_A_SECOND_MAX: u32 = 60;
/// Most messages that may wait for an acknowledgement, and so be kept.
const WINDOW_MAX: u64 = 1000;
/// Most that wait in a cluster at rest: each node acknowledges every tenth message.
const WINDOW_SETTLED_MAX: u64 = 30;
/// A deadline further away than this is none.
const DEADLINE_MAX: Duration = Duration::from_secs(3600);

/// A broken rule, in words.
pub type Broken = String;

/// What is known of one node.
struct Node {
    name: NodeName,
    view: ClusterView,
    /// Its core was started.
    started: Moment,
    /// It ran without interruption since.
    runs_since: Moment,
    /// It restarted quickly: what the former core knew still holds.
    inherits: bool,
    /// Whom the former core knew then.
    knew: Vec<NodeName>,
    /// Messages that waited for an acknowledgement at the last sample.
    window: u64,
    events: u64,
    generation: Generation,
    sequence: Sequence,
    packets_now: usize,
    events_now: u32,
    asks_last: Option<Moment>,
    right_keys: bool,
    runs: bool,
}

/// What one node knows of another, if it listens well.
#[derive(Clone, Copy, Default)]
struct Seen {
    beat: Option<Beat>,
    /// The highest generation that reached it.
    generation: Generation,
    /// The highest number of a beat in that generation.
    sequence: Sequence,
    /// The highest number that a quick restart left in memory, and when a beat came again that is
    /// above it and not new: the core cannot know it.
    remembered: Sequence,
    replayed: Moment,
    /// The highest generation that it reported.
    reported: Generation,
    /// It was declared dead for its silence in this generation.
    died: Option<Generation>,
    /// `PartitionHealed` was reported at this moment.
    healed: Option<Moment>,
}

#[derive(Clone, Copy, Default)]
struct Arrived {
    generation: Generation,
    sequence: Sequence,
    /// When the last beat came that was above all before.
    beat: Option<Moment>,
}

#[derive(Clone, Copy)]
struct Beat {
    at: Moment,
    deadtime: Duration,
}

/// Watches a cluster.
pub struct Rules {
    nodes: Vec<Node>,
    seen: BTreeMap<(NodeIndex, NodeIndex), Seen>,
    /// The highest message that came over a segment.
    arrived: BTreeMap<(NodeIndex, NodeIndex, SegmentIndex), Arrived>,
    lossy: Vec<SegmentIndex>,
    /// The ends of packets, with their digests, signed with a key that most nodes do not have.
    wrongly_signed: BTreeSet<u64>,
    identities_sound: bool,
    changed: Moment,
    settles: Duration,
    second: u64,
}

impl Rules {
    /// Rules for a cluster in which nothing runs yet.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        let world = &cluster.world;
        let node = |index| Node {
            name: world.machine(index).name().clone(),
            view: ClusterView::default(),
            started: Moment(0),
            runs_since: Moment(0),
            inherits: false,
            knew: Vec::new(),
            window: 0,
            events: 0,
            generation: Generation(0),
            sequence: Sequence(0),
            packets_now: 0,
            events_now: 0,
            asks_last: None,
            right_keys: true,
            runs: false,
        };
        Self {
            nodes: world.nodes().map(node).collect(),
            seen: BTreeMap::new(),
            arrived: BTreeMap::new(),
            lossy: Vec::new(),
            wrongly_signed: BTreeSet::new(),
            identities_sound: true,
            changed: Moment(0),
            settles: settles_within(cluster),
            second: 0,
        }
    }

    /// Something in the world was changed from outside.
    pub fn disturb(&mut self, now: Moment) {
        self.changed = now;
    }

    /// The disk of a node was lost: it may begin with another generation, and knows nobody.
    pub fn disk_lost(&mut self, node: NodeIndex) {
        self.nodes[node.0].generation = Generation(0);
        for ((observer, _), seen) in &mut self.seen {
            if *observer == node {
                *seen = Seen::default();
            }
        }
    }

    /// The keys of a node changed.
    pub fn keys_changed(&mut self, node: NodeIndex, right: bool) {
        self.nodes[node.0].right_keys = right;
    }

    /// A node runs from a copy of another's disk. Which of the two counts depends on who was heard
    /// first, for as long as anybody remembers: whose silence is whose cannot be told from here on.
    pub fn cloned(&mut self) {
        self.identities_sound = false;
    }

    /// Everything was healed, and nobody shares an identity.
    pub fn healed(&mut self, now: Moment) {
        self.disturb(now);
        if std::mem::replace(&mut self.identities_sound, true) {
            return;
        }
        self.seen.clear();
        self.arrived.clear();
        for node in &mut self.nodes {
            node.inherits = false;
            node.runs_since = now;
        }
    }

    /// A segment loses packets, or not.
    pub fn lossy(&mut self, segment: SegmentIndex, lossy: bool) {
        self.lossy.retain(|other| *other != segment);
        if lossy {
            self.lossy.push(segment);
        }
    }

    /// Looks at one thing that happened.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn see(&mut self, world: &World, notice: &Notice) -> Result<(), Broken> {
        match notice {
            Notice::CoreStarted {
                node,
                quick_restart,
            } => {
                self.core_started(world, *node, *quick_restart);
                Ok(())
            }
            Notice::Transmitted {
                node,
                segment,
                bytes,
            } => self.transmitted(world, *node, *segment, bytes),
            Notice::Arrived { node, packet, kept } => {
                if *kept && packet.intact && packet.from != *node {
                    self.packet_arrived(world, *node, packet);
                }
                Ok(())
            }
            Notice::Event { node, event } => self.event(world, *node, event),
            Notice::Sampled { node, sample } => {
                self.nodes[node.0].window = sample.window;
                match sample.window > WINDOW_MAX {
                    true => Err(self.of(*node, &format!("{} messages wait", sample.window))),
                    false => Ok(()),
                }
            }
            Notice::Rests {
                node,
                now,
                deadline,
            } => match deadline {
                Some(ahead) if ahead.at > *now && ahead.at.since(*now) < DEADLINE_MAX => Ok(()),
                _ => Err(self.of(*node, &format!("waits at {now:?} for {deadline:?}"))),
            },
            Notice::Spins { node, deadline } => {
                Err(self.of(*node, &format!("does not come to rest: {deadline:?}")))
            }
            Notice::Left { node } => {
                self.nodes[node.0].runs = false;
                self.disturb(world.now());
                Ok(())
            }
        }
    }

    /// What holds at every second.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn each_second(&mut self, cluster: &Cluster) -> Result<(), Broken> {
        let now = cluster.world.now();
        let second = now.0 / 1_000_000_000;
        if second == self.second {
            return Ok(());
        }
        self.second = second;
        for index in cluster.world.nodes() {
            let machine = cluster.world.machine(index);
            let packets_max = PACKETS_A_SECOND_MAX * machine.media.len() * self.nodes.len();
            let node = &mut self.nodes[index.0];
            if node.packets_now > packets_max || node.events_now > EVENTS_A_SECOND_MAX {
                let (packets, events) = (node.packets_now, node.events_now);
                let text = format!("{packets} packets and {events} events in a second");
                return Err(self.of(index, &text));
            }
            node.packets_now = 0;
            node.events_now = 0;
            let runs = machine.runs();
            if runs && !node.runs {
                node.runs_since = now;
                self.changed = now;
            }
            if !runs && node.runs {
                self.changed = now;
            }
            self.nodes[index.0].runs = runs;
            if machine.life == Life::Off {
                self.nodes[index.0].view = ClusterView::default();
            } else if runs {
                self.nobody_is_late(&cluster.world, index)?;
                self.nobody_is_forgotten(index)?;
            }
        }
        if now.since(self.changed) > self.settles && self.lossy.is_empty() {
            self.agreement(cluster)?;
        }
        Ok(())
    }

    /// What holds at the end, when everything was healed long ago.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn settled(&self, cluster: &Cluster) -> Result<(), Broken> {
        let now = cluster.world.now();
        self.agreement(cluster)?;
        for (place, node) in self.nodes.iter().enumerate() {
            let of = |text: &str| Err(self.of(NodeIndex(place), text));
            if !node.view.communication_up {
                return of("communication is not up");
            }
            if node.window > WINDOW_SETTLED_MAX {
                return of(&format!("{} messages wait", node.window));
            }
            if node.view.impostor.is_some() {
                return of("sees an impostor");
            }
            if node
                .asks_last
                .is_some_and(|last| now.since(last) < KEEPALIVE * 10)
            {
                return of("still asks for missing messages");
            }
            for (name, peer) in &node.view.nodes {
                let expected = match peer.kind {
                    NodeKind::Ping => NodeStatus::Ping,
                    NodeKind::Normal | NodeKind::Witness => NodeStatus::Active,
                };
                if peer.status != expected {
                    return of(&format!("sees {name} {}", peer.status));
                }
                if peer.unauthenticated.is_some() {
                    return of(&format!("sees {name} not authenticated"));
                }
            }
        }
        Ok(())
    }

    /// How long after everything was healed [`settled`](Self::settled) must hold.
    #[must_use]
    pub fn settles(&self) -> Duration {
        self.settles
    }

    fn of(&self, node: NodeIndex, text: &str) -> Broken {
        format!("{}: {text}", self.nodes[node.0].name)
    }

    fn index(&self, name: &NodeName) -> Option<NodeIndex> {
        let place = self.nodes.iter().position(|node| node.name == *name);
        place.map(NodeIndex)
    }

    // What happened.

    fn core_started(&mut self, world: &World, index: NodeIndex, quick_restart: bool) {
        let node = &mut self.nodes[index.0];
        node.knew.clear();
        if quick_restart {
            let known = node.view.nodes.iter().filter(|(name, seen)| {
                seen.kind != NodeKind::Ping
                    && **name != node.name
                    && seen.status != NodeStatus::Init
            });
            node.knew.extend(known.map(|(name, _)| name.clone()));
        } else {
            node.view = ClusterView::default();
        }
        node.inherits = quick_restart;
        node.started = world.now();
        node.runs_since = world.now();
        node.events = 0;
        node.sequence = Sequence(0);
        node.asks_last = None;
        node.runs = true;
        self.changed = world.now();
        for ((observer, peer), seen) in &mut self.seen {
            if *observer != index {
                continue;
            }
            let memory = world.machine(index).memory.get(&self.nodes[peer.0].name);
            let live = memory.and_then(|memory| memory.live.as_ref());
            seen.remembered = live.map(|live| live.sequence).unwrap_or_default();
            if !quick_restart {
                let known = memory.map(|memory| memory.generation);
                seen.generation = known.unwrap_or_default();
                seen.sequence = Sequence(0);
                seen.died = None;
                seen.beat = None;
            }
        }
    }

    fn transmitted(
        &mut self,
        world: &World,
        index: NodeIndex,
        segment: SegmentIndex,
        bytes: &[u8],
    ) -> Result<(), Broken> {
        let node = &mut self.nodes[index.0];
        node.packets_now += 1;
        if matches!(world.segments()[segment.0].form, MediumForm::Ping(_)) {
            return Ok(());
        }
        let packet = peek(bytes);
        if packet.asks {
            node.asks_last = Some(world.now());
        }
        if !packet.whole {
            return Err(self.of(index, "sends what nobody can read"));
        }
        if packet.generation < node.generation {
            let text = format!("sends as generation {}", packet.generation);
            return Err(self.of(index, &text));
        }
        node.generation = packet.generation;
        if packet.sequence > node.sequence.next() {
            let text = format!("sends {} after {}", packet.sequence, node.sequence);
            return Err(self.of(index, &text));
        }
        node.sequence = node.sequence.max(packet.sequence);
        if !node.right_keys {
            self.wrongly_signed.insert(digest(bytes));
        }
        Ok(())
    }

    fn packet_arrived(
        &mut self,
        world: &World,
        to: NodeIndex,
        packet: &crate::sim::machine::Packet,
    ) {
        let from = packet.from;
        let read = peek(&packet.bytes);
        let signed_wrongly = self.wrongly_signed.contains(&digest(&packet.bytes));
        if self.nodes[to.0].right_keys == signed_wrongly {
            return;
        }
        let seen = self.seen.entry((to, from)).or_default();
        if read.generation < seen.generation {
            return;
        }
        let machine = world.machine(to);
        let segment = machine.media[usize::from(packet.medium.0)];
        if read.sequence == Sequence(0) {
            return;
        }
        let over = self.arrived.entry((to, from, segment)).or_default();
        if (over.generation, over.sequence) < (read.generation, read.sequence) {
            over.generation = read.generation;
            over.sequence = read.sequence;
            over.beat = read.beat.then(|| world.now()).or(over.beat);
        }
        if !read.beat {
            return;
        }
        if read.generation > seen.generation {
            seen.generation = read.generation;
            seen.sequence = Sequence(0);
            seen.remembered = Sequence(u64::MAX);
        }
        if read.sequence > seen.sequence {
            seen.sequence = read.sequence;
            let beat = beat(&read, world, to);
            seen.beat = Some(beat);
        } else if read.sequence > seen.remembered {
            seen.replayed = world.now();
        }
    }

    /// Whether one node can verify what another signs, and knows whose it is.
    fn trusts(&self, to: NodeIndex, from: NodeIndex) -> bool {
        self.nodes[to.0].right_keys == self.nodes[from.0].right_keys
    }

    fn event(&mut self, world: &World, index: NodeIndex, event: &Event) -> Result<(), Broken> {
        let node = &mut self.nodes[index.0];
        node.events += 1;
        node.events_now += 1;
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
        let wrong = |rules: &Self, text: &str| {
            Err(rules.of(index, &format!("`{}`, but {text}", event.text)))
        };
        match &event.kind {
            Kind::NodeStatus {
                node,
                to: NodeStatus::Dead,
                reason: StatusReason::Silent { .. },
                ..
            } => {
                let Some(peer) = self.index(node) else {
                    return Ok(());
                };
                if self.identities_sound
                    && let Some(beat) = self.seen.get(&(index, peer)).and_then(|seen| seen.beat)
                    && now.since(beat.at) < beat.deadtime
                {
                    let silent = now.since(beat.at);
                    return wrong(self, &format!("a beat came {silent:?} ago"));
                }
                let seen = self.seen.entry((index, peer)).or_default();
                seen.died = Some(seen.generation);
                Ok(())
            }
            Kind::NodeStatus {
                reason: StatusReason::NeverHeard { .. },
                ..
            } => {
                let since = self.nodes[index.0].started;
                let initdead = world.machine(index).settings.initdead;
                match now.since(since) < initdead {
                    true => wrong(self, &format!("it runs since {:?} only", now.since(since))),
                    false => Ok(()),
                }
            }
            Kind::NodeStatus {
                node,
                from: NodeStatus::Dead,
                to,
                ..
            } if to.is_alive() => {
                let Some(peer) = self.index(node) else {
                    return Ok(());
                };
                let seen = self.seen.entry((index, peer)).or_default();
                let same_life = seen.died.take() == Some(seen.generation);
                let reported = seen.healed == Some(now);
                match same_life && !reported && self.identities_sound {
                    true => wrong(self, "the heal of the partition was not reported"),
                    false => Ok(()),
                }
            }
            Kind::PartitionHealed { node, .. } => {
                if let Some(peer) = self.index(node) {
                    self.seen.entry((index, peer)).or_default().healed = Some(now);
                }
                Ok(())
            }
            Kind::NodeRestarted { from, to, .. } if to <= from => {
                wrong(self, "a generation cannot fall")
            }
            Kind::NodeHeard {
                node, generation, ..
            } => {
                let Some(peer) = self.index(node) else {
                    return Ok(());
                };
                let seen = self.seen.entry((index, peer)).or_default();
                let known = std::mem::replace(&mut seen.reported, *generation);
                match *generation < known && self.identities_sound {
                    true => wrong(self, &format!("generation {known} was heard before")),
                    false => Ok(()),
                }
            }
            Kind::LinkStatus {
                link,
                to: LinkStatus::Dead,
                silent: Some(_),
                ..
            } => {
                let segments = world.segments();
                let segment = segments.iter().position(|s| s.name == link.medium);
                let (Some(peer), Some(segment)) = (self.index(&link.peer), segment) else {
                    return Ok(());
                };
                let arrived = self.arrived.get(&(index, peer, SegmentIndex(segment)));
                let arrived = arrived.and_then(|arrived| arrived.beat);
                let alive = self.nodes[index.0].view.nodes.get(&link.peer);
                let alive = alive.is_some_and(|node| node.status.is_alive());
                let deadtime = self.seen.get(&(index, peer)).and_then(|seen| seen.beat);
                if let (Some(at), Some(beat)) = (arrived, deadtime)
                    && self.identities_sound
                    && alive
                    && now.since(at) < beat.deadtime
                {
                    let silent = now.since(at);
                    return wrong(self, &format!("a packet came over it {silent:?} ago"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A quick restart forgets nobody.
    fn nobody_is_forgotten(&self, index: NodeIndex) -> Result<(), Broken> {
        let node = &self.nodes[index.0];
        let forgotten = node.knew.iter().find(|name| {
            let seen = node.view.nodes.get(*name);
            seen.is_some_and(|seen| seen.status == NodeStatus::Init)
        });
        match forgotten {
            Some(name) => Err(self.of(index, &format!("has forgotten {name}"))),
            None => Ok(()),
        }
    }

    /// Everybody who counts as alive was heard within its dead time and a moment.
    fn nobody_is_late(&self, world: &World, index: NodeIndex) -> Result<(), Broken> {
        let node = &self.nodes[index.0];
        let now = world.now();
        if !self.identities_sound {
            return Ok(());
        }
        for (name, peer) in &node.view.nodes {
            let Some(other) = self.index(name).filter(|other| *other != index) else {
                continue;
            };
            if !peer.status.is_alive() {
                continue;
            }
            let settings = &world.machine(index).settings;
            let seen = self.seen.get(&(index, other)).copied().unwrap_or_default();
            let announced = seen.beat.map_or(settings.deadtime, |beat| beat.deadtime);
            let deadtime = match node.view.communication_up {
                true => announced,
                false => announced.max(settings.initdead),
            };
            let heard = seen.beat.map_or(Moment(0), |beat| beat.at);
            let heard = heard.max(seen.replayed);
            // What came while there was no core was heard when the next one began.
            let heard = match node.started.since(heard) <= CORE_PAUSE_MAX {
                true => heard.max(node.started),
                false => heard,
            };
            let listens = match node.inherits {
                true => Moment(0),
                false => node.runs_since,
            };
            let silent = now.since(heard.max(listens).max(world.machine(index).thawed));
            if silent > deadtime + DEATH_SLACK {
                let text = format!("{name} is {} and silent for {silent:?}", peer.status);
                return Err(self.of(index, &text));
            }
        }
        Ok(())
    }

    /// What nodes believe is true, nothing having changed for long enough.
    fn agreement(&self, cluster: &Cluster) -> Result<(), Broken> {
        if !self.identities_sound {
            return Ok(());
        }
        for observer in cluster.world.nodes() {
            if !cluster.world.machine(observer).runs() {
                continue;
            }
            for peer in cluster.world.nodes() {
                if peer != observer {
                    self.believes_what_is(cluster, observer, peer)?;
                }
            }
        }
        Ok(())
    }

    fn believes_what_is(
        &self,
        cluster: &Cluster,
        observer: NodeIndex,
        peer: NodeIndex,
    ) -> Result<(), Broken> {
        let (view, name) = (&self.nodes[observer.0].view, &self.nodes[peer.0].name);
        let Some(seen) = view.nodes.get(name) else {
            return Err(self.of(observer, &format!("does not know {name}")));
        };
        let truth = Truth::of(self, cluster, observer, peer);
        let believed = Truth::believed(seen, cluster);
        match truth.differs(&believed, cluster) {
            Some(text) => Err(self.of(observer, &format!("about {name}: {text}"))),
            None => Ok(()),
        }
    }

    fn whole(&self, world: &World, segment: SegmentIndex, from: NodeIndex, to: NodeIndex) -> bool {
        let path = world.segments()[segment.0].path(from, to);
        path.is_some_and(|path| !path.cut) && world.machine(from).runs() && self.trusts(to, from)
    }
}

/// What holds between one node and another, in truth or in a belief.
struct Truth {
    alive: bool,
    /// By segment: packets come, and ours do not arrive.
    links: Vec<(bool, bool)>,
    /// It hears nothing of us.
    deaf: bool,
    jeopardy: bool,
}

impl Truth {
    fn of(rules: &Rules, cluster: &Cluster, observer: NodeIndex, peer: NodeIndex) -> Self {
        let links: Vec<(bool, bool)> = datagram_segments(cluster)
            .map(|segment| {
                let comes = rules.whole(&cluster.world, segment, peer, observer);
                let goes = rules.whole(&cluster.world, segment, observer, peer);
                (comes, comes && !goes)
            })
            .collect();
        let up = links.iter().filter(|(comes, _)| *comes).count();
        let goes = datagram_segments(cluster)
            .any(|segment| rules.whole(&cluster.world, segment, observer, peer));
        Self {
            alive: up > 0,
            jeopardy: up == 1 && links.len() > 1,
            deaf: up > 0 && !goes,
            links,
        }
    }

    fn believed(seen: &NodeView, cluster: &Cluster) -> Self {
        let links = datagram_segments(cluster)
            .map(|segment| {
                let name = &cluster.world.segments()[segment.0].name;
                let link = seen.links.get(name);
                link.map_or((false, false), |link| {
                    (link.status == LinkStatus::Up, link.one_way)
                })
            })
            .collect();
        Self {
            alive: seen.status.is_alive(),
            links,
            deaf: seen.not_heard,
            jeopardy: seen.jeopardy.is_some(),
        }
    }

    fn differs(&self, believed: &Self, cluster: &Cluster) -> Option<String> {
        let pair = |what: &str, truth: bool, belief: bool| {
            (truth != belief).then(|| format!("{what}: {truth} in truth, {belief} in its view"))
        };
        let slow = cluster.world.segments().iter().any(|s| s.baud.is_some());
        pair("alive", self.alive, believed.alive)
            .or_else(|| pair("jeopardy", self.jeopardy, believed.jeopardy))
            .or_else(|| {
                let both = self.links.iter().zip(&believed.links).enumerate();
                both.map(|(place, (truth, belief))| {
                    let name = &cluster.world.segments()[place].name;
                    pair(&format!("link {name} up"), truth.0, belief.0).or_else(|| {
                        let one_way = pair(&format!("link {name} one-way"), truth.1, belief.1);
                        one_way.filter(|_| !slow)
                    })
                })
                .find_map(|difference| difference)
            })
            .or_else(|| pair("does not hear us", self.deaf, believed.deaf).filter(|_| !slow))
    }
}

/// The segments between nodes, which come before the ping segment.
fn datagram_segments(cluster: &Cluster) -> impl Iterator<Item = SegmentIndex> {
    let pings = usize::from(cluster.ping.is_some());
    (0..cluster.world.segments().len() - pings).map(SegmentIndex)
}

/// Tells packets apart by their ends, where their digests stand.
fn digest(bytes: &[u8]) -> u64 {
    const END: usize = 60;
    let end = &bytes[bytes.len().saturating_sub(END)..];
    end.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

fn beat(read: &Peek, world: &World, to: NodeIndex) -> Beat {
    let own = &world.machine(to).settings;
    let least = own.keepalive * DEADTIME_KEEPALIVES_MIN;
    let most = own.deadtime * DEADTIME_FACTOR_MAX;
    let announced = Duration::from_millis(read.deadtime_ms);
    Beat {
        at: world.now(),
        deadtime: announced.clamp(least, most),
    }
}

/// After a change at most so much time passes until every node believes what is.
fn settles_within(cluster: &Cluster) -> Duration {
    let silence = cluster.initdead.max(cluster.deadtime * 2);
    silence + cluster.deadtime + cluster.link_delay * 2 + KEEPALIVE * 12
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
        Kind::AuthenticatedAgain { node: name } if node(name)?.unauthenticated.is_none() => {
            same("was authenticated")
        }
        Kind::CommunicationUp if view.communication_up => same("was up"),
        Kind::Impostor { .. } if view.impostor.is_some() => same("known already"),
        Kind::ImpostorGone if view.impostor.is_none() => same("there was none"),
        _ => None,
    }
}

fn two_with_one_identity(view: &ClusterView) -> Option<String> {
    let mut known = BTreeMap::new();
    view.nodes.iter().find_map(|(name, node)| {
        let other = known.insert(node.uuid?, name)?;
        Some(format!("{other} and {name} have one identity in its view"))
    })
}
