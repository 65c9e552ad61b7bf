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
//! | slow media | list what was heard, shortly, every 2 s at most; a beat waits for one packet at most |
//! | rest | every deadline lies ahead once a core has taken its inputs |
//! | letters | messages arrive in order, once and as sent; delivered is what was acknowledged |
//! | managers | what one says is heard once, from the living; all of it where nothing is in its way |
//! | bounds | packets, events, waiting messages and requests per time are limited |
//! | agreement | what nodes believe is true once nothing has changed for long enough |
//! | configuration | at the end each node knows whose files differ from its own |

mod belief;
mod events;
mod ledger;
mod letters;
mod lines;
mod managers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use shared::event::{NodeKind, NodeStatus};
use shared::names::{Generation, NodeName, Sequence};
use shared::time::Moment;
use shared::view::ClusterView;

use super::cluster::{Cluster, KEEPALIVE};
use crate::sim::machine::Life;
use crate::sim::{NodeIndex, Notice, SegmentIndex, World};

/// How much later than its dead time a silent node may be declared dead: the timers' lateness.
const DEATH_SLACK: Duration = Duration::from_millis(1500);
/// Most packets of one node to one other over one segment in one second: a whole gap, and more.
const PACKETS_A_SECOND_MAX: usize = 300;
/// So many of the highest numbers are remembered with their times: more than a dead time holds.
const PASSED_MAX: usize = 600;
/// Most events of one node about one second. What waited in a socket while the node stood still is
/// told at once, and is news of the time in which it came.
const EVENTS_A_SECOND_MAX: u32 = 60;
/// Most messages that may wait for an acknowledgement, and so be kept.
const WINDOW_MAX: u64 = 1000;
/// Most that wait in a cluster at rest: each node acknowledges every fiftieth message, and one or
/// two of its acknowledgements were lost before.
const WINDOW_SETTLED_MAX: u64 = 170;
/// For so long before its end a settled cluster asks for nothing.
const ASKED_WITHIN: Duration = KEEPALIVE.saturating_mul(10);
/// But over a slow line alone, for what was overtaken: no more than a question each time when it could
/// have carried so much, as hbd-protocol(7) has it.
const BITS_A_QUESTION: u64 = 24_000;
/// A node tells what its configuration amounts to at least so often.
const TOLD_EVERY: Duration = Duration::from_secs(60);
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
    /// Events by the second that they are about: in which their packet arrived, or they were told.
    events_of: BTreeMap<u64, u32>,
    /// When it asked for something within the last [`ASKED_WITHIN`].
    asked: VecDeque<Moment>,
    /// When it last listed over a slow medium what it heard.
    told_slowly: BTreeMap<SegmentIndex, Moment>,
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
    /// The last beat came while nothing read it, and when a core began that found it.
    waits: bool,
    found: Moment,
    /// The last beat is none above what a former core told of: the next one cannot know that it is new.
    passed_over: bool,
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

/// When each number of a generation came that was above all before, to a core and those after it.
#[derive(Default)]
struct Passed {
    generation: Generation,
    numbers: VecDeque<(Sequence, Moment)>,
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
    /// Who declared whom dead for its silence, and in which life. What a node said in a former life
    /// of its own may wait in a socket for as long as a machine stands still.
    declared: BTreeSet<(NodeIndex, NodeIndex, Generation)>,
    passed: BTreeMap<(NodeIndex, NodeIndex), Passed>,
    /// The highest message that came over a segment.
    arrived: BTreeMap<(NodeIndex, NodeIndex, SegmentIndex), Arrived>,
    lossy: Vec<SegmentIndex>,
    /// The ends of packets, with their digests, signed with a key that most nodes do not have.
    wrongly_signed: BTreeSet<u64>,
    identities_sound: bool,
    changed: Moment,
    settles: Duration,
    second: u64,
    /// What clients wrote to each other.
    pub letters: letters::Letters,
    managers: managers::Managers,
    lines: lines::Lines,
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
            events_of: BTreeMap::new(),
            asked: VecDeque::new(),
            told_slowly: BTreeMap::new(),
            right_keys: true,
            runs: false,
        };
        Self {
            nodes: world.nodes().map(node).collect(),
            seen: BTreeMap::new(),
            declared: BTreeSet::new(),
            passed: BTreeMap::new(),
            arrived: BTreeMap::new(),
            lossy: Vec::new(),
            wrongly_signed: BTreeSet::new(),
            identities_sound: true,
            changed: Moment(0),
            settles: settles_within(cluster),
            second: 0,
            letters: letters::Letters::default(),
            managers: managers::Managers::default(),
            lines: lines::Lines::default(),
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

    /// Everything was healed, and nobody shares an identity. What the cores remember of each other
    /// is taken for true where it could not be followed.
    pub fn healed(&mut self, world: &World) {
        let now = world.now();
        self.disturb(now);
        if std::mem::replace(&mut self.identities_sound, true) {
            return;
        }
        self.managers.healed();
        self.seen.clear();
        self.passed.clear();
        self.arrived.clear();
        for observer in world.nodes() {
            for memory in world.machine(observer).memory.values() {
                let Some(peer) = self.index(&memory.node) else {
                    continue;
                };
                let seen = self.seen.entry((observer, peer)).or_default();
                seen.generation = memory.generation;
                seen.sequence = memory.live.as_ref().map_or(Sequence(0), |l| l.sequence);
            }
        }
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
                if !*quick_restart {
                    self.letters.daemon_began(*node);
                }
                self.managers.core_began(*node, *quick_restart);
                self.core_started(world, *node, *quick_restart);
                Ok(())
            }
            Notice::Transmitted {
                node,
                segment,
                bytes,
            } => self.transmitted(world, *node, *segment, bytes),
            Notice::Arrived { node, packet, kept } => {
                if packet.from != *node {
                    self.beats_go_first(world, *node, packet)?;
                }
                if *kept && packet.intact && packet.from != *node {
                    self.packet_arrived(world, *node, packet);
                }
                Ok(())
            }
            Notice::Event {
                node,
                event,
                arrived,
            } => {
                self.count_event(*node, *arrived)?;
                self.manager_lost(*node, event);
                self.event(world, *node, event)
            }
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
            Notice::Client { node, notice } => self.client(world, *node, notice),
            Notice::Heard { node, from, said } => self.manager_hears(*node, from, said),
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
        let second = second(now);
        if second == self.second {
            return Ok(());
        }
        self.second = second;
        for index in cluster.world.nodes() {
            let machine = cluster.world.machine(index);
            let packets_max = PACKETS_A_SECOND_MAX * machine.media.len() * self.nodes.len();
            let node = &mut self.nodes[index.0];
            if node.packets_now > packets_max {
                let text = format!("{} packets in a second", node.packets_now);
                return Err(self.of(index, &text));
            }
            node.packets_now = 0;
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
        self.managers_heard_everything(cluster)?;
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
        self.letters_arrived(cluster)?;
        if now.since(self.changed) > TOLD_EVERY + self.settles {
            self.differences(cluster)?;
        }
        let questions_max = cluster.slow_rate().map_or(0, |rate| {
            let bits = rate * ASKED_WITHIN.as_secs();
            bits / BITS_A_QUESTION + 2
        });
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
            let recent = node.asked.iter();
            let recent = recent.filter(|at| now.since(**at) < ASKED_WITHIN);
            if recent.count() as u64 > questions_max {
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
            let heard = heard.max(seen.replayed).max(seen.found);
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
}

fn second(at: Moment) -> u64 {
    at.0 / 1_000_000_000
}

/// After a change at most so much time passes until every node believes what is.
fn settles_within(cluster: &Cluster) -> Duration {
    let silence = cluster.initdead.max(cluster.deadtime * 2);
    silence + cluster.deadtime + cluster.link_delay * 2 + KEEPALIVE * 12
}
