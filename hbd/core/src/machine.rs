//! The state of one node's core, and the branches: which input is handled by which chapter.
//!
//! ```text
//!  packets --> receive --> identity --> sequence --> message --+
//!  commands -----------------------------------------+         v
//!  deadlines --> beat, judge, join, retransmit  <----+---- peers, links
//!                       |
//!                       v
//!                 outputs: packets, events, samples
//! ```
//!
//! Nobody is judged by a timer alone: what has arrived and was not handed in yet is asked for with
//! [`Output::Drain`] first, so that neither this node's own lateness nor the order in which its
//! driver looks at sockets and timers can make a living peer look dead.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shared::event::{Cause, EventId, EventSource, Kind, NodeKind, NodeStatus, Role, StatusReason};
use shared::names::{Generation, LinkName, MediumName, NodeName, Sequence, Uuid};
use shared::session::Ending;
use shared::time::{Moment, Now};

use crate::agreement::Announcement;
use crate::deadline::{Deadline, Deadlines, PeerIndex, Timer};
use crate::history::History;
use crate::io::{Command, Output, Said};
use crate::limiter::Limiter;
use crate::memory::media_hash;
use crate::mutant::planted;
use crate::pace::OwnPace;
use crate::peer::Peer;
use crate::random::Random;
use crate::sequence::ack_every;
use crate::session::Sessions;
use crate::settings::{KeySpec, MediumForm, MediumIndex, Settings, Start, without_secrets};
use crate::wire::digest::UnknownMethod;
use crate::wire::{KeyRing, KeyRingError, Method};

/// The pure core of one node. All of its state can be saved and restored ([`Core::save`]): what is
/// added to it is `Serialize` too, and a secret is left out.
#[derive(Serialize, Deserialize)]
pub struct Core {
    #[serde(serialize_with = "without_secrets")]
    pub(crate) settings: Settings,
    /// Of the names of the media, which no reload changes.
    pub(crate) media_hash: u32,
    pub(crate) keys: KeyRing,
    pub(crate) own: Own,
    pub(crate) pace: OwnPace,
    pub(crate) announcement: Announcement,
    pub(crate) peers: Vec<Peer>,
    pub(crate) by_name: BTreeMap<NodeName, PeerIndex>,
    pub(crate) by_uuid: BTreeMap<Uuid, PeerIndex>,
    pub(crate) history: History,
    pub(crate) deadlines: Deadlines,
    /// Timers that are due and wait until everything that arrived was handed in.
    pub(crate) judgements: Vec<Timer>,
    pub(crate) random: Random,
    pub(crate) limiter: Limiter<Sort>,
    pub(crate) sessions: Sessions,
    /// What the manager said before this node was a member, of each type the last.
    pub(crate) unsaid: BTreeMap<String, Said>,
    /// When somebody else last used our name.
    pub(crate) impostor: Option<Moment>,
    pub(crate) window_filling: bool,
    pub(crate) refused: u64,
    /// Media that take nothing.
    pub(crate) shut: BTreeSet<MediumIndex>,
    /// Whether the last packet was refused for its digest.
    #[serde(skip)]
    pub(crate) digest_was_wrong: bool,
    #[cfg(feature = "mutants")]
    #[serde(skip)]
    pub(crate) planted: Option<crate::Mutant>,
    events: EventSource,
    #[serde(skip)]
    outputs: VecDeque<Output>,
}

/// This node.
#[derive(Serialize, Deserialize)]
pub(crate) struct Own {
    pub(crate) index: PeerIndex,
    pub(crate) generation: Generation,
    pub(crate) sequence: Sequence,
    pub(crate) stage: Stage,
    /// Every other node was heard or counts as dead.
    pub(crate) communication_up: bool,
    /// Silence counts against nobody before this moment.
    pub(crate) listening_since: Moment,
    /// How many members were asked which nodes the cluster has.
    pub(crate) asked: u32,
    pub(crate) load: String,
    /// Which of a peer's numbers are acknowledged: those that divided by [`ack_every`] leave what this
    /// one leaves.
    pub(crate) ack_trigger: u64,
    /// The last peer that a beat listed as heard, while not all fit.
    pub(crate) listed: Option<PeerIndex>,
    /// When slow media last carried what was heard.
    pub(crate) told_slowly: Moment,
    pub(crate) beats: u64,
    pub(crate) worst_lateness: Duration,
    pub(crate) stalls: u64,
    pub(crate) worst_stall: Duration,
}

/// How far this node is on its way into the cluster, and out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// Some node was neither heard nor declared dead. Ends with communication up.
    Listening,
    /// A member was asked which nodes the cluster has. Ends with its answer, or when nobody is left
    /// to ask.
    Asking,
    /// Part of the cluster.
    Member,
    /// The others were told that this node leaves. Ends after a moment.
    Leaving,
    /// Nothing happens any more.
    Left,
}

/// Sorts of events that others can bring about at will.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Sort {
    Refused(MediumIndex, Cow<'static, str>),
    Unknown(MediumIndex),
    Clone(NodeName),
    Replay(PeerIndex),
    Late(PeerIndex),
    Lost(PeerIndex),
    Gap(PeerIndex),
    Stall,
    NotSaid(Cow<'static, str>),
}

/// Settings that no core can run with. The configuration's checks prevent them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadSettings {
    /// This node is not among the configured ones.
    NotConfigured(NodeName),
    /// A node is configured twice.
    TwiceConfigured(NodeName),
    /// The keys make no ring.
    Keys(KeyRingError),
    /// A key has a method that does not exist.
    Method(String),
    /// `keepalive` is zero, or `deadtime` is not larger than it.
    Times,
}

impl fmt::Display for BadSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConfigured(node) => write!(f, "node {node} is not among the configured nodes"),
            Self::TwiceConfigured(node) => write!(f, "node {node} is configured twice"),
            Self::Keys(error) => error.fmt(f),
            Self::Method(method) => write!(f, "{method} is no method of authentication"),
            Self::Times => f.write_str("keepalive must be above zero and below deadtime"),
        }
    }
}

impl core::error::Error for BadSettings {}

impl Core {
    /// A core at the beginning of a life. Its first beats wait in [`Core::poll_output`].
    pub fn new(settings: Settings, start: Start, now: Now) -> Result<Self, BadSettings> {
        let core = Self::build(settings, &start, now)?;
        Ok(core.begun(start, now))
    }

    /// A core with a bug in it.
    #[cfg(feature = "mutants")]
    pub fn with_mutant(
        settings: Settings,
        start: Start,
        mutant: Option<crate::Mutant>,
        now: Now,
    ) -> Result<Self, BadSettings> {
        let mut core = Self::build(settings, &start, now)?;
        core.planted = mutant;
        Ok(core.begun(start, now))
    }

    fn build(settings: Settings, start: &Start, now: Now) -> Result<Self, BadSettings> {
        if settings.keepalive.is_zero() || settings.deadtime <= settings.keepalive {
            return Err(BadSettings::Times);
        }
        let mut by_name = BTreeMap::new();
        for (place, node) in (0..).zip(&settings.nodes) {
            if by_name
                .insert(node.name.clone(), PeerIndex(place))
                .is_some()
            {
                return Err(BadSettings::TwiceConfigured(node.name.clone()));
            }
        }
        let index = *by_name
            .get(&settings.node)
            .ok_or_else(|| BadSettings::NotConfigured(settings.node.clone()))?;
        let mut random = Random::new(start.seed);
        Ok(Self {
            media_hash: media_hash(&settings),
            keys: ring(settings.active_key, &settings.keys)?,
            own: Own {
                index,
                generation: start.generation,
                sequence: Sequence(0),
                stage: Stage::Listening,
                communication_up: false,
                listening_since: now.boot,
                asked: 0,
                load: String::new(),
                ack_trigger: random.below(ack_every(true, settings.nodes.len())),
                listed: None,
                told_slowly: Moment::default(),
                beats: 0,
                worst_lateness: Duration::ZERO,
                stalls: 0,
                worst_stall: Duration::ZERO,
            },
            announcement: Announcement::default(),
            pace: OwnPace::begin(settings.times().pace(), start.former_pace),
            peers: peers(&settings),
            by_name,
            by_uuid: BTreeMap::new(),
            history: History::default(),
            deadlines: Deadlines::default(),
            judgements: Vec::new(),
            sessions: Sessions::new(start.seed),
            unsaid: BTreeMap::new(),
            random,
            limiter: Limiter::new(),
            impostor: None,
            window_filling: false,
            refused: 0,
            shut: BTreeSet::new(),
            digest_was_wrong: false,
            #[cfg(feature = "mutants")]
            planted: None,
            events: EventSource::new(settings.node.clone(), Role::Core, start.generation),
            outputs: VecDeque::new(),
            settings,
        })
    }

    fn begun(mut self, start: Start, now: Now) -> Self {
        self.begin(start, now);
        self
    }

    fn begin(&mut self, start: Start, now: Now) {
        let started = self.started(start.quick_restart);
        let cause = self.event(Kind::Started(Box::new(started)), start.cause, now);
        self.by_uuid.insert(self.settings.uuid, self.own.index);
        if planted!(self, InitdeadIgnored) {
            self.settings.initdead = self.settings.deadtime;
        }
        for memory in start.memory {
            if !planted!(self, RestartForgets) {
                self.remember(memory, &cause, now);
            }
        }
        self.deadlines
            .arm(Timer::InitDead, now.boot + self.settings.initdead);
        self.deadlines
            .arm(Timer::Beat, now.boot + self.pace.pace.keepalive);
        self.deadlines.arm(Timer::Sample, now.boot + SAMPLE_EVERY);
        self.compare_configs(now);
        // As Heartbeat 3.0.6 does: the first message of a generation says init, then up twice.
        self.beat(now);
        self.set_own_status(NodeStatus::Up, StatusReason::Announced, now);
        self.beat(now);
        self.check_communication(now);
        if start.quick_restart && start.active {
            self.end_listening(now);
        }
    }

    fn started(&self, quick_restart: bool) -> shared::event::Started {
        let settings = &self.settings;
        shared::event::Started {
            version: settings.version.clone(),
            node: settings.node.clone(),
            uuid: settings.uuid,
            generation: self.own.generation,
            quick_restart,
            nodes: settings.nodes.clone(),
            media: settings
                .media
                .iter()
                .map(|medium| shared::event::ConfiguredMedium {
                    name: medium.name.clone(),
                    description: medium.description.clone(),
                    pings: medium.form.pings().cloned(),
                })
                .collect(),
            keepalive: settings.keepalive,
            warntime: settings.warntime,
            deadtime: settings.deadtime,
            initdead: settings.initdead,
        }
    }

    /// Handles a packet that came over `medium`. Bytes that are no valid packet move a counter and
    /// perhaps make an event.
    pub fn handle_packet(&mut self, medium: MediumIndex, packet: &[u8], now: Now) {
        if self.own.stage != Stage::Left && usize::from(medium.0) < self.settings.media.len() {
            self.receive(medium, packet, now);
        }
    }

    /// Carries out an order, or takes note of an answer.
    pub fn handle_command(&mut self, command: Command, now: Now) {
        match command {
            Command::Leave { cause } => self.leave(cause, now),
            Command::Drained => self.judge_all(now),
            Command::Session(order) => self.handle_session(order, now),
            Command::Say(said) => self.say(said, now),
            Command::LoadAverage(load) => self.own.load = tidy_load(load),
            Command::Keys { active, keys } => self.change_keys(active, &keys, now),
            Command::Times(times) => self.change_times(times, now),
            Command::Files(files) => self.change_files(files, now),
            Command::Sends {
                medium,
                sends: true,
            } => {
                self.shut.remove(&medium);
            }
            Command::Sends { medium, .. } => {
                self.shut.insert(medium);
            }
        }
    }

    /// Does everything that is due at `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        self.measure_lateness(now);
        while let Some(due) = self.deadlines.take_due(now.boot) {
            match due.timer {
                Timer::Beat => self.beat_due(due.at, now),
                Timer::AskNodes => self.ask_nodes(now),
                Timer::Missing(peer) => self.ask_missing(peer, now),
                Timer::Sample => self.sample_due(due.at, now),
                Timer::Sessions => self.carry_sessions(now),
                Timer::ImpostorGone => self.check_impostor(now),
                Timer::Leave => self.left(now),
                judgement @ (Timer::LinkDead(..)
                | Timer::PeerDead(_)
                | Timer::InitDead
                | Timer::UnauthHold(_)) => self.suspect(judgement, now),
            }
        }
    }

    /// What it runs with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Writes the state into `room`, between two inputs, and tells its length; nothing where it is
    /// longer. Keys are left out, and so are messages that were sent and may be sent again.
    pub fn save(&self, room: &mut [u8]) -> Option<usize> {
        let saved = postcard::to_slice(self, room).ok()?;
        Some(saved.len())
    }

    /// A core of that state, saved by the same version of hbd. Its keys are empty: packets verify
    /// once they were signed anew ([`resign`](crate::wire::resign)) with [`Core::keys`].
    pub fn restore(saved: &[u8]) -> Option<Self> {
        postcard::from_bytes(saved).ok()
    }

    /// The keys in use.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// Whether the last packet was refused because of its digest, or of the key it names.
    #[must_use]
    pub fn digest_was_wrong(&self) -> bool {
        self.digest_was_wrong
    }

    /// The next output. Call until there is none, after every input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When and why [`Core::handle_timeout`] is wanted next.
    #[must_use]
    pub fn poll_deadline(&self) -> Option<Deadline> {
        self.deadlines.next()
    }

    fn change_keys(&mut self, active: shared::names::KeyIndex, keys: &[KeySpec], now: Now) {
        if planted!(self, KeysLate) {
            return;
        }
        if let Ok(ring) = ring(active, keys) {
            self.keys = ring;
            self.settings.active_key = active;
            self.settings.keys = keys.to_vec();
            self.event(Kind::KeysChanged { active: active.0 }, None, now);
            self.compare_configs(now);
        }
    }

    /// Makes an event; its name, to be the cause of others.
    pub(crate) fn event(&mut self, kind: Kind, cause: Option<Cause>, now: Now) -> EventId {
        let event = self.events.event(kind, cause, now);
        let id = event.id.clone();
        self.output(Output::Event(Box::new(event)));
        id
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn peer(&self, index: PeerIndex) -> &Peer {
        &self.peers[usize::from(index.0)]
    }

    pub(crate) fn peer_mut(&mut self, index: PeerIndex) -> &mut Peer {
        &mut self.peers[usize::from(index.0)]
    }

    /// All nodes but this one.
    pub(crate) fn others(&self) -> impl Iterator<Item = (PeerIndex, &Peer)> {
        let own = self.own.index;
        (0..)
            .map(PeerIndex)
            .zip(&self.peers)
            .filter(move |(index, _)| *index != own)
    }

    /// All living nodes but this one that run a daemon.
    pub(crate) fn live_others(&self) -> impl Iterator<Item = (PeerIndex, &Peer)> {
        self.others()
            .filter(|(_, peer)| peer.kind != NodeKind::Ping && peer.status.is_alive())
    }

    pub(crate) fn media(&self) -> impl Iterator<Item = MediumIndex> + use<> {
        (0..self.settings.media.len())
            .filter_map(|place| u16::try_from(place).ok())
            .map(MediumIndex)
    }

    pub(crate) fn medium_name(&self, medium: MediumIndex) -> MediumName {
        self.settings.media[usize::from(medium.0)].name.clone()
    }

    pub(crate) fn medium_form(&self, medium: MediumIndex) -> &MediumForm {
        &self.settings.media[usize::from(medium.0)].form
    }

    pub(crate) fn link_name(&self, peer: PeerIndex, medium: MediumIndex) -> LinkName {
        LinkName {
            peer: self.peer(peer).name.clone(),
            medium: self.medium_name(medium),
        }
    }

    /// Changes a node's status, if it is another one, and tells why. The event's name.
    pub(crate) fn set_status(
        &mut self,
        index: PeerIndex,
        to: NodeStatus,
        reason: StatusReason,
        cause: Option<Cause>,
        now: Now,
    ) -> Option<EventId> {
        let peer = self.peer_mut(index);
        let from = core::mem::replace(&mut peer.status, to);
        if to == NodeStatus::Dead && from != to && index != self.own.index {
            let ending = match reason {
                StatusReason::Left => Ending::Left,
                _ => Ending::NotAlive,
            };
            self.end_sessions_with(index, &ending);
        }
        if from != to {
            let dead = to == NodeStatus::Dead;
            self.peer_mut(index).died_of = dead.then(|| reason.clone());
        }
        let silent = planted!(self, DeathUnreported) && to == NodeStatus::Dead;
        if silent || (from == to && !planted!(self, StatusRepeated)) {
            return None;
        }
        let peer = self.peer(index);
        let kind = Kind::NodeStatus {
            node: peer.name.clone(),
            from,
            to,
            reason,
        };
        Some(self.event(kind, cause, now))
    }

    pub(crate) fn set_own_status(&mut self, to: NodeStatus, reason: StatusReason, now: Now) {
        if self
            .set_status(self.own.index, to, reason, None, now)
            .is_some()
        {
            self.beat(now);
        }
    }
}

/// Time between two samples.
pub(crate) const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// Longest load average that is passed on, in bytes.
const LOAD_MAX: usize = 63;

fn peers(settings: &Settings) -> Vec<Peer> {
    settings
        .nodes
        .iter()
        .map(|node| {
            let deadtime = match node.kind {
                NodeKind::Ping => settings.deadping,
                NodeKind::Normal | NodeKind::Witness => settings.deadtime,
            };
            Peer::new(node.name.clone(), node.kind, deadtime, settings.media.len())
        })
        .collect()
}

fn ring(active: shared::names::KeyIndex, keys: &[KeySpec]) -> Result<KeyRing, BadSettings> {
    let mut parsed = Vec::with_capacity(keys.len());
    for key in keys {
        let method: Method = key
            .method
            .parse()
            .map_err(|_: UnknownMethod| BadSettings::Method(key.method.to_string()))?;
        parsed.push((key.index, method, key.secret.clone()));
    }
    KeyRing::new(active, parsed).map_err(BadSettings::Keys)
}

/// Whatever the machine says, a beat carries one short line of it.
fn tidy_load(load: String) -> String {
    load.chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .take(LOAD_MAX)
        .collect()
}
