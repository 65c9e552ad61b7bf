//! Events: the one vocabulary of everything that happens.
//!
//! Whatever happens is one [`Event`]. The log, `hactl events`, the console and the tests show the
//! same value with the same text, and every state is a fold of events ([`crate::view`]). An event
//! says what changed, not what was done about it; where nothing changed there is no event. Each
//! carries what caused it, so that "why?" is answered by following identities.
//!
//! The envelope is stable for ever. A kind that the reader does not know is [`Kind::Unknown`] and
//! still has its text. Counters of packets are not events; a [`Sample`](crate::sample::Sample)
//! carries them once a second.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::group::{GroupName, GroupReason, GroupState, Hold, Operation};
use crate::health::{CheckName, HealthState};
use crate::names::{Generation, LinkName, MediumName, NodeName, Sequence, Uuid};
use crate::time::{Moment, Wall};

mod text;

pub(crate) use text::{checked, ping_nodes, ping_nodes_counted};

pub use text::Span;

/// What a core lacks that runs as another user than its own, in [`Kind::Degraded`]: it works as
/// well, and is less well separated.
pub const OWN_USER: &str = "a user of the core's own";

/// Which process of hbd speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Beats, links, members.
    Core,
    /// Configuration, descriptors, control socket.
    Supervisor,
    /// Who holds what.
    Manager,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Core => "core",
            Self::Supervisor => "supervisor",
            Self::Manager => "manager",
        })
    }
}

/// One life of one process of hbd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation {
    /// Which process.
    pub role: Role,
    /// The generation it was started under.
    pub generation: Generation,
}

/// Names an event for ever: `alice:1795.17` is the 17th event of the core that ran on alice under
/// generation 1795; `alice:s1795.3` came from the supervisor, `alice:m1795.3` from the manager.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId {
    /// Where it happened.
    pub node: NodeName,
    /// In which life of which process.
    pub incarnation: Incarnation,
    /// Counts from 1 without a gap.
    pub counter: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.incarnation.role {
            Role::Core => "",
            Role::Supervisor => "s",
            Role::Manager => "m",
        };
        let generation = self.incarnation.generation;
        write!(f, "{}:{mark}{generation}.{}", self.node, self.counter)
    }
}

impl std::str::FromStr for EventId {
    type Err = BadEventId;
    fn from_str(text: &str) -> Result<Self, BadEventId> {
        let (node, rest) = text.rsplit_once(':').ok_or(BadEventId)?;
        let (role, rest) = match rest.split_at_checked(1) {
            Some(("s", rest)) => (Role::Supervisor, rest),
            Some(("m", rest)) => (Role::Manager, rest),
            _ => (Role::Core, rest),
        };
        let (generation, counter) = rest.split_once('.').ok_or(BadEventId)?;
        Ok(Self {
            node: node.parse().map_err(|_| BadEventId)?,
            incarnation: Incarnation {
                role,
                generation: Generation(generation.parse().map_err(|_| BadEventId)?),
            },
            counter: counter.parse().map_err(|_| BadEventId)?,
        })
    }
}

/// A text is not of the form `NODE:GENERATION.COUNTER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadEventId;

impl fmt::Display for BadEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event is named NODE:GENERATION.COUNTER, for example alice:1795.17")
    }
}

impl std::error::Error for BadEventId {}

impl TryFrom<String> for EventId {
    type Error = BadEventId;
    fn try_from(text: String) -> Result<Self, BadEventId> {
        text.parse()
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> String {
        id.to_string()
    }
}

/// What brought an event about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Another event.
    Event(EventId),
    /// An order of a person or program, named by whoever took it.
    Order(String),
}

/// How much an operator should care. Ordered: later is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Part of an ordinary day.
    Info,
    /// Worth a look when you read it, as a node that joined or left.
    Notice,
    /// Something is weaker than it was configured to be.
    Warning,
    /// Something failed.
    Error,
    /// A promise of hbd may not hold; act.
    Critical,
}

impl Severity {
    /// All, in order.
    pub const ALL: [Self; 5] = [
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
    ];

    /// Its word, as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// hbd on this node.
    Daemon,
    /// A node, this one included.
    Node(NodeName),
    /// One path to a peer.
    Link(LinkName),
    /// What links run over.
    Medium(MediumName),
    /// A group of resources.
    Group(GroupName),
}

impl Object {
    /// Whether that is what it is called: `link bob/eth0`, or without its sort, `bob/eth0`.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        let text = self.to_string();
        text == name || text.split_once(' ').is_some_and(|(_, rest)| rest == name)
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon => f.write_str("hbd"),
            Self::Node(node) => write!(f, "node {node}"),
            Self::Link(link) => write!(f, "link {link}"),
            Self::Medium(medium) => write!(f, "medium {medium}"),
            Self::Group(group) => write!(f, "group {group}"),
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Envelope", into = "Envelope")]
pub struct Event {
    /// Its name.
    pub id: EventId,
    /// When, on the clock that decides.
    pub boot: Moment,
    /// When, for people.
    pub wall: Wall,
    /// How much to care.
    pub severity: Severity,
    /// What it is about.
    pub object: Object,
    /// What happened, for programs.
    pub kind: Kind,
    /// What brought it about.
    pub cause: Option<Cause>,
    /// What happened, for people: the text of `kind`, kept so that a reader who does not know the
    /// kind can show it all the same.
    pub text: String,
}

impl Event {
    /// The node that it concerns: itself, or the peer of its link; of what is about the daemon, the
    /// node where it happened.
    #[must_use]
    pub fn concerns(&self) -> Option<&NodeName> {
        match &self.object {
            Object::Daemon => Some(&self.id.node),
            Object::Node(name) => Some(name),
            Object::Link(link) => Some(&link.peer),
            Object::Medium(_) | Object::Group(_) => None,
        }
    }

    /// True where it says that this node became active.
    #[must_use]
    pub fn is_active(&self, own: &NodeName) -> bool {
        matches!(&self.kind, Kind::NodeStatus { node, to: NodeStatus::Active, .. } if node == own)
    }

    /// The event that brought it about, if one did.
    #[must_use]
    pub fn caused_by(&self) -> Option<&EventId> {
        match &self.cause {
            Some(Cause::Event(id)) => Some(id),
            Some(Cause::Order(_)) | None => None,
        }
    }
}

/// An event as it is written in JSON.
#[derive(Clone, Serialize, Deserialize)]
struct Envelope {
    id: EventId,
    boot_ns: Moment,
    wall_ns: Wall,
    time: Option<String>,
    severity: Severity,
    object: Object,
    kind: String,
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    data: serde_json::Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    text: String,
}

impl From<Event> for Envelope {
    fn from(event: Event) -> Self {
        let (kind, data) = event.kind.into_parts();
        Self {
            id: event.id,
            boot_ns: event.boot,
            wall_ns: event.wall,
            time: Some(event.wall.to_string()),
            severity: event.severity,
            object: event.object,
            kind,
            data,
            cause: event.cause,
            text: event.text,
        }
    }
}

impl From<Envelope> for Event {
    fn from(envelope: Envelope) -> Self {
        Self {
            id: envelope.id,
            boot: envelope.boot_ns,
            wall: envelope.wall_ns,
            severity: envelope.severity,
            object: envelope.object,
            kind: Kind::from_parts(envelope.kind, envelope.data),
            cause: envelope.cause,
            text: envelope.text,
        }
    }
}

/// What a node is to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// Runs a daemon and may hold resources.
    Normal,
    /// Answers pings; counts only as evidence of connectivity.
    Ping,
    /// Runs a daemon, votes, and never holds a resource.
    Witness,
}

/// The state of a node as this node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeStatus {
    /// Configured and not heard since this daemon started.
    Init,
    /// Its daemon runs and learns who else lives.
    Up,
    /// A member.
    Active,
    /// A ping node that answers.
    Ping,
    /// Silent for longer than its dead time, or left in order.
    Dead,
}

impl NodeStatus {
    /// All, in the order in which a node passes through them.
    pub const ALL: [Self; 5] = [Self::Init, Self::Up, Self::Active, Self::Ping, Self::Dead];

    /// Its word, as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Up => "up",
            Self::Active => "active",
            Self::Ping => "ping",
            Self::Dead => "dead",
        }
    }

    /// True while the node is heard.
    #[must_use]
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Up | Self::Active | Self::Ping)
    }
}

impl fmt::Display for NodeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Why a node's status changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusReason {
    /// The node said so itself.
    Announced,
    /// The ping node answers.
    Answers,
    /// No beat for longer than its dead time.
    Silent {
        /// How long nothing was heard.
        silent: Duration,
        /// The dead time that applied to it.
        deadtime: Duration,
    },
    /// Not one beat in the time allowed at start.
    NeverHeard {
        /// How long was waited.
        initdead: Duration,
    },
    /// It announced that it leaves.
    Left,
    /// Known from before the core was replaced.
    Remembered,
    /// This node: every other node is heard or counts as dead, and nobody is left to ask.
    Alone,
    /// This node: a member told which nodes the cluster has.
    Admitted {
        /// Who told.
        by: NodeName,
    },
}

/// The state of a link, as far as packets towards this node go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkStatus {
    /// Nothing heard over it since this daemon started.
    Init,
    /// Packets arrive.
    Up,
    /// Nothing arrives for longer than the peer's dead time.
    Dead,
}

impl fmt::Display for LinkStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Init => "init",
            Self::Up => "up",
            Self::Dead => "dead",
        })
    }
}

/// The state of a medium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum MediumStatus {
    /// Packets can go out and come in.
    Open,
    /// What it runs over is not there; it is opened when it appears.
    Missing {
        /// What is missing.
        reason: String,
    },
    /// It is there and cannot be used; it is tried again when it changes.
    Failed {
        /// What failed, and what to do.
        reason: String,
    },
}

/// The modem lines that the other end of a serial line raises, as they arrive here (RS-232; `ioctl_tty(2)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModemLines {
    /// Clear to send: mostly its RTS.
    pub cts: bool,
    /// Data set ready: mostly its DTR.
    pub dsr: bool,
    /// Data carrier detect: mostly its DTR.
    pub dcd: bool,
}

impl ModemLines {
    /// Those that are raised here and not in `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self {
            cts: self.cts && !other.cts,
            dsr: self.dsr && !other.dsr,
            dcd: self.dcd && !other.dcd,
        }
    }

    /// The other end has its port open, as most cables are wired.
    #[must_use]
    pub fn carrier(self) -> bool {
        self.dsr || self.dcd
    }
}

/// A node as `ha.cf` configures it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfiguredNode {
    /// Its name.
    pub name: NodeName,
    /// What it is.
    pub kind: NodeKind,
}

/// A medium as `ha.cf` configures it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfiguredMedium {
    /// Its name.
    pub name: MediumName,
    /// What it is, as a person writes it: `bcast eth0 port 694`.
    pub description: String,
    /// The ping node that is asked over it; it leads to nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pings: Option<NodeName>,
}

/// What a core starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Version of hbd.
    pub version: String,
    /// This node.
    pub node: NodeName,
    /// This node's lasting identity.
    pub uuid: Uuid,
    /// This life.
    pub generation: Generation,
    /// True where the core of a running daemon was replaced: peers see a restart and no death.
    pub quick_restart: bool,
    /// Every configured node, this one included.
    pub nodes: Vec<ConfiguredNode>,
    /// Every configured medium.
    pub media: Vec<ConfiguredMedium>,
    /// Time between two beats.
    pub keepalive: Duration,
    /// Silence after which a beat counts as late.
    pub warntime: Duration,
    /// Silence after which this node is to be declared dead.
    pub deadtime: Duration,
    /// Silence allowed while nodes boot.
    pub initdead: Duration,
}

/// A process that lives on under another supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// Which.
    pub role: Role,
    /// Its process id.
    pub pid: u32,
    /// The generation it was started under.
    pub generation: Generation,
    /// The build of hbd it is.
    pub build: String,
}

/// Why a packet of a configured peer does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unverified {
    /// Its digest is not the one our key of that index gives.
    Mismatch {
        /// The index the packet names.
        key: u8,
    },
    /// It names a key this node does not have.
    UnknownKey {
        /// The index the packet names.
        key: u8,
    },
    /// It is signed with `crc`, which proves nothing and is not our active method.
    InactiveCrc {
        /// The index the packet names.
        key: u8,
    },
}

/// How the configuration of another node differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigDifference {
    /// A file says something else of what must be the same on all nodes.
    File {
        /// Which.
        file: String,
    },
    /// It counts another number of ping nodes to find out who is the better connected node.
    PingNodes {
        /// How many this node counts; 0 where it does nothing for them.
        here: u64,
        /// How many the other one does.
        there: u64,
    },
    /// Another key has the same number.
    Key {
        /// The number.
        key: u8,
    },
    /// The other node lacks a key.
    KeyOnlyHere {
        /// Its number.
        key: u8,
    },
    /// This node lacks a key.
    KeyOnlyThere {
        /// Its number.
        key: u8,
    },
}

/// What happened, with its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "data")]
pub enum Kind {
    /// A core runs. The first event of every core.
    Started(Box<Started>),
    /// The daemon was told to leave the cluster.
    Leaving,
    /// Every other node was told; the daemon ends.
    Left,
    /// Every configured node was heard or counts as dead: the view is complete.
    CommunicationUp,
    /// A node's status changed.
    NodeStatus {
        /// The node.
        node: NodeName,
        /// What it was.
        from: NodeStatus,
        /// What it is.
        to: NodeStatus,
        /// Why.
        reason: StatusReason,
    },
    /// A node came back under a higher generation without having been declared dead. Whether the new
    /// life hears this node is open.
    NodeRestarted {
        /// The node.
        node: NodeName,
        /// Its former life.
        from: Generation,
        /// Its life as of this event.
        to: Generation,
    },
    /// A node was heard for the first time since this core started.
    NodeHeard {
        /// The node.
        node: NodeName,
        /// Its lasting identity, where it sends one.
        uuid: Option<Uuid>,
        /// Its life.
        generation: Generation,
        /// What it runs: `hbd, level 1.h`, or `heartbeat` where it announces nothing.
        program: String,
    },
    /// A node that was declared dead speaks again under the same generation: it lived on unheard, or
    /// it stood still.
    PartitionHealed {
        /// The node.
        node: NodeName,
        /// How long it was not heard.
        silent: Duration,
        /// Its first beat follows the last one heard: it sent none meanwhile, as after a freeze. False
        /// where that is not certain.
        #[serde(default)]
        stood_still: bool,
    },
    /// A living node is heard over one link only although more are configured.
    Jeopardy {
        /// The node.
        node: NodeName,
        /// The last link.
        medium: MediumName,
    },
    /// A node is heard over more than one link again.
    JeopardyOver {
        /// The node.
        node: NodeName,
        /// How many links carry its packets.
        links: usize,
    },
    /// A node says in its beats that it does not hear this one.
    NotHeard {
        /// The node.
        node: NodeName,
        /// How old the last of our beats is that it confirmed.
        silent: Duration,
    },
    /// A node hears this one again.
    HeardAgain {
        /// The node.
        node: NodeName,
    },
    /// A node declared this one dead while it lived, and may take over what this one holds.
    DeclaredDead {
        /// The node that says so.
        node: NodeName,
    },
    /// A node that declared this one dead counts it as alive again.
    DeclaredDeadOver {
        /// The node.
        node: NodeName,
    },
    /// A link's status changed.
    LinkStatus {
        /// The link.
        link: LinkName,
        /// What it was.
        from: LinkStatus,
        /// What it is.
        to: LinkStatus,
        /// How long nothing had come over it, where it died of that.
        silent: Option<Duration>,
    },
    /// Packets come in over a link and none of ours arrive at its other end.
    LinkOneWay {
        /// The link.
        link: LinkName,
    },
    /// Packets flow both ways over a link again.
    LinkBothWays {
        /// The link.
        link: LinkName,
    },
    /// A beat came later than `warntime` after the one before.
    LateBeat {
        /// The node.
        node: NodeName,
        /// The time between the two.
        interval: Duration,
        /// How many late beats were not reported since the last report.
        unreported: u64,
    },
    /// This node itself did not run when it should have.
    OwnStall {
        /// How late the timer was.
        late: Duration,
    },
    /// The supervisor did not come round when it should have. Beats are not its affair: whether they
    /// stopped too is told by `own-stall`. Told once a minute, and at once if it is twice as long.
    SupervisorStall {
        /// How late it was.
        late: Duration,
    },
    /// Packets of a configured peer arrive and do not verify.
    Unauthenticated {
        /// The node.
        node: NodeName,
        /// What is wrong.
        reason: Unverified,
    },
    /// A node's packets verify again.
    AuthenticatedAgain {
        /// The node.
        node: NodeName,
    },
    /// Nothing that seems to be the node's arrives any more, verified or not.
    UnauthenticatedGone {
        /// The node.
        node: NodeName,
    },
    /// A node was alive but not authenticated for as long as that may hold a takeover back.
    UnauthHoldOver {
        /// The node.
        node: NodeName,
        /// How long it lasted.
        hold: Duration,
    },
    /// A packet was dropped because it does not verify or cannot be read.
    PacketRefused {
        /// Over which medium it came.
        medium: MediumName,
        /// What is wrong with it.
        reason: String,
        /// Who it claims to be from, where that can be read.
        claims: Option<String>,
        /// How many of the same sort were not reported since the last report.
        unreported: u64,
    },
    /// A message came from a node that is not configured.
    UnknownNode {
        /// Its name, as it claims.
        name: String,
        /// Over which medium it came.
        medium: MediumName,
        /// How many were not reported since the last report.
        unreported: u64,
    },
    /// Two nodes have the same lasting identity, as after cloning a disk.
    ClonedIdentity {
        /// The identity.
        uuid: Uuid,
        /// Whose it is.
        owner: NodeName,
        /// Who else uses it.
        claimed_by: NodeName,
    },
    /// Someone else uses this node's name.
    Impostor {
        /// Over which medium it was heard.
        medium: MediumName,
        /// Its lasting identity, where it sends one.
        uuid: Option<Uuid>,
        /// Its life, as it claims.
        generation: Generation,
    },
    /// Nobody has used this node's name for a dead time.
    ImpostorGone,
    /// A node came back with another lasting identity, as after reinstallation.
    IdentityChanged {
        /// The node.
        node: NodeName,
        /// What it was.
        from: Uuid,
        /// What it is.
        to: Uuid,
    },
    /// A message of a former life of a node was dropped.
    Replay {
        /// The node.
        node: NodeName,
        /// The life it was sent in.
        generation: Generation,
        /// The life we know.
        known: Generation,
        /// How many were not reported since the last report.
        unreported: u64,
    },
    /// A node lives whose messages all count as old, because its generation is below the one known.
    GenerationBehind {
        /// The node.
        node: NodeName,
        /// The life it sends in.
        generation: Generation,
        /// The life we know.
        known: Generation,
    },
    /// So many messages in a row are missing that they are not asked for.
    GapTooBig {
        /// The node.
        node: NodeName,
        /// How many.
        missing: u64,
    },
    /// A missing message will not come any more.
    MessageLost {
        /// The node.
        node: NodeName,
        /// Its number.
        sequence: Sequence,
        /// Why.
        reason: String,
    },
    /// Something that the manager says to those of other nodes does not go out.
    NotSaid {
        /// Why.
        reason: String,
        /// How many were not reported since the last report.
        unreported: u64,
    },
    /// More messages wait to be acknowledged than should.
    WindowFilling {
        /// The node that is furthest behind.
        node: NodeName,
        /// How many wait.
        waiting: u64,
    },
    /// The dead time a node announces is out of bounds, and the bound applies.
    DeadtimeClamped {
        /// The node.
        node: NodeName,
        /// What it announces.
        announced: Duration,
        /// What applies.
        used: Duration,
    },
    /// Other keys are in use.
    KeysChanged {
        /// The index of the key that signs.
        active: u8,
    },
    /// The times of this node change, and peers have to learn of it first: until then it beats as
    /// often, and announces as long a dead time, as is safe with either.
    TimersChanging {
        /// Time between two beats until then.
        keepalive: Duration,
        /// The dead time that is announced until then.
        deadtime: Duration,
    },
    /// Other times of this node are in use.
    TimersChanged {
        /// Time between two beats.
        keepalive: Duration,
        /// Silence after which a beat counts as late.
        warntime: Duration,
        /// Silence after which this node is to be declared dead.
        deadtime: Duration,
        /// Silence allowed while nodes boot.
        initdead: Duration,
    },
    /// A node is configured otherwise than this one where all must be alike.
    ConfigDiffers {
        /// The node.
        node: NodeName,
        /// Everything that differs.
        differences: Vec<ConfigDifference>,
    },
    /// A node is configured as this one again, or runs what does not tell.
    ConfigAgrees {
        /// The node.
        node: NodeName,
    },
    /// A medium's status changed.
    MediumStatus {
        /// The medium.
        medium: MediumName,
        /// What it is.
        to: MediumStatus,
    },
    /// The modem lines of a serial port changed, or were looked at for the first time. The same before and after: some
    /// changed and returned between two looks, 100 ms apart. Many changes are told as one.
    ModemLines {
        /// The medium.
        medium: MediumName,
        /// What was raised before; nothing if that was not known.
        from: Option<ModemLines>,
        /// What is raised.
        to: ModemLines,
    },
    /// The core ended unasked.
    CoreDied {
        /// How: the signal or exit status, in words.
        how: String,
    },
    /// The manager ended unasked.
    ManagerDied {
        /// How: the signal or exit status, in words.
        how: String,
    },
    /// A new supervisor goes on with the processes of one that is gone.
    Adopted {
        /// Which lived.
        processes: Vec<Adopted>,
        /// True where the former supervisor made room for this one.
        upgrade: bool,
    },
    /// As far as the journal knows, the last life of hbd here did not end in order: the machine went
    /// down, or all of hbd was killed.
    EndedUnasked {
        /// Its last event.
        last: EventId,
        /// When that was: then it lived.
        alive: Wall,
        /// The machine was started again since. False where that is not certain.
        rebooted: bool,
    },
    /// A process that lives is replaced by another.
    Replaced {
        /// Which.
        role: Role,
        /// Why.
        why: String,
    },
    /// This node cannot do what a member must: whatever it holds it gives up.
    Sick {
        /// Why.
        reason: String,
    },
    /// This node can do what a member must again.
    SickOver,
    /// This node cannot give up what it holds, and takes itself away so that others can serve it.
    SelfFence {
        /// Why.
        why: String,
    },
    /// It is still there.
    SelfFenceFailed {
        /// Why.
        why: String,
    },
    /// There is no reason for it any more.
    SelfFenceOver,
    /// Something works less well than it could, because a right or a resource is missing.
    Degraded {
        /// What.
        what: String,
        /// Why.
        why: String,
        /// What to do about it.
        remedy: String,
    },
    /// What worked less well than it could works again as it should.
    DegradedOver {
        /// What.
        what: String,
    },
    /// The configuration holds something that has no effect, or not the one its author may expect.
    ConfigWarning {
        /// Where: file and line.
        place: String,
        /// What.
        warning: String,
    },
    /// The configuration was read anew and is in use, or begins to be.
    ConfigReloaded {
        /// What is different, one text a change; empty where only what was refused is put right.
        changes: Vec<String>,
    },
    /// The configuration was read anew, by a reload or by a supervisor in place of one that died,
    /// and is not used; what ran before goes on.
    ConfigRefused {
        /// Why not.
        reasons: Vec<String>,
    },
    /// A fault was injected or removed, which only a daemon under `--allow-faults` does.
    Fault {
        /// The medium it is on.
        medium: MediumName,
        /// What it does, in words.
        description: String,
    },
    /// Events were dropped because a reader or a queue was too slow.
    EventsDropped {
        /// How many.
        count: u64,
    },
    /// Part of the journal cannot be read, and is left out.
    JournalDamaged {
        /// Which file.
        file: String,
        /// What of it.
        damage: String,
    },
    /// What went into the core is kept in a file, to be replayed.
    FlightRecorded {
        /// The file.
        file: String,
        /// Why: the core died, or by order.
        reason: String,
    },
    /// The state of a group on a node changed.
    GroupState {
        /// The group.
        group: GroupName,
        /// The node.
        node: NodeName,
        /// What it was.
        from: GroupState,
        /// What it is.
        to: GroupState,
        /// Why.
        reason: GroupReason,
    },
    /// An action on a resource failed.
    ActionFailed {
        /// Its group.
        group: GroupName,
        /// The resource, as `haresources` spells it.
        resource: String,
        /// What was to be done.
        operation: Operation,
        /// What went wrong.
        why: String,
        /// How many times in a row it failed.
        failures: u32,
    },
    /// Two nodes hold a group: the one that does not keep it stops it at once.
    GroupContested {
        /// The group.
        group: GroupName,
        /// The other node.
        node: NodeName,
        /// Who keeps it.
        keeper: NodeName,
    },
    /// How many ping nodes the two nodes reach changed, or what follows from it (`ipfail`).
    PingNodesCompared {
        /// The other node.
        node: NodeName,
        /// How many this node reaches.
        here: u32,
        /// How many the other one does; nothing where it is dead or does not say.
        there: Option<u32>,
        /// The better connected one, to which groups go, or will.
        better: Option<NodeName>,
        /// How long that has to last still before it counts; nothing where it counts.
        lasts: Option<Duration>,
    },
    /// A script of the operator was not run, or failed, which is run when the status of another node
    /// changes.
    NotificationFailed {
        /// The other node.
        node: NodeName,
        /// Its status.
        status: NodeStatus,
        /// Why.
        why: String,
    },
    /// Another machine answers for an address that this node has.
    AddressContested {
        /// Its group.
        group: GroupName,
        /// The address.
        address: IpAddr,
        /// The hardware address of the other machine.
        hardware: String,
    },
    /// Another node is dead, and this one may not take over yet.
    TakeoverHeld {
        /// The dead node.
        node: NodeName,
        /// What this node waits for.
        reason: Hold,
    },
    /// What held a takeover back is over.
    TakeoverFree {
        /// The node that was waited for.
        node: NodeName,
    },
    /// A Heartbeat does not take a group that it was offered, or does not say that it runs. It may wait for something
    /// that nobody here knows of; then it takes no order and does not end.
    HandoverStalled {
        /// The group.
        group: GroupName,
        /// Where the Heartbeat runs.
        node: NodeName,
        /// How long.
        waited: Duration,
        /// The group was given up for it: it may start it.
        given: bool,
    },
    /// An operator wants a group on a node.
    GroupWanted {
        /// The group.
        group: GroupName,
        /// Where.
        node: NodeName,
        /// For how long; for ever if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lasts: Option<Duration>,
        /// Only until a node dies or leaves.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        together: bool,
        /// Why, in the operator's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// That is over: the group is where it would be without it.
    GroupWantedOver {
        /// The group.
        group: GroupName,
        /// Why, in the operator's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// What failed with a group is forgotten, and tried again.
    GroupCleaned {
        /// The group.
        group: GroupName,
        /// Why, in the operator's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// No group is started, stopped or moved.
    Frozen {
        /// For how long; for ever if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lasts: Option<Duration>,
        /// Nothing is looked at either.
        #[serde(default)]
        maintenance: bool,
        /// Why, in the operator's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// That is over.
    Unfrozen {
        /// Why, in the operator's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Somebody made sure that a dead node is off.
    FenceConfirmed {
        /// The node.
        node: NodeName,
        /// Why, in the operator's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A device is told to switch a node off.
    FenceBegun {
        /// The node.
        node: NodeName,
        /// The device.
        device: String,
        /// Why, in the operator's words, if one ordered it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The device says that the node is off.
    Fenced {
        /// The node.
        node: NodeName,
        /// The device.
        device: String,
    },
    /// The device did not switch the node off, or does not say so.
    FenceFailed {
        /// The node.
        node: NodeName,
        /// The device.
        device: String,
        /// Why.
        why: String,
        /// How often in a row, this one included.
        failures: u32,
    },
    /// A device that is to switch a node off, should that be needed, does not answer.
    FenceDeviceFailed {
        /// The node.
        node: NodeName,
        /// The device.
        device: String,
        /// Why.
        why: String,
    },
    /// It answers again.
    FenceDeviceWorks {
        /// The node.
        node: NodeName,
        /// The device.
        device: String,
    },
    /// A health check found something else than before; of a Mon monitor that goes on failing, also
    /// another summary.
    Health {
        /// The name of its line.
        check: CheckName,
        /// The node that made it.
        node: NodeName,
        /// The group that it is about, if it is not about the node.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<GroupName>,
        /// What it said before, if it was made before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<HealthState>,
        /// What it says.
        to: HealthState,
        /// The first line of its output, of a Nagios plugin without the figures behind the bar.
        summary: String,
        /// The other lines, the first 1000 characters of them.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
    /// A health check is not configured any more.
    HealthOver {
        /// The name that its line had.
        check: CheckName,
        /// The node that made it.
        node: NodeName,
        /// The group that it was about, if it was not about the node.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<GroupName>,
    },
    /// A kind that this program does not know.
    #[serde(skip)]
    Unknown {
        /// Its word.
        kind: String,
        /// Its data.
        data: serde_json::Value,
    },
}

impl Kind {
    /// The word and the data, as in JSON.
    fn into_parts(self) -> (String, serde_json::Value) {
        use serde_json::Value;
        if let Self::Unknown { kind, data } = self {
            return (kind, data);
        }
        match serde_json::to_value(&self) {
            Ok(Value::Object(mut parts)) => {
                let data = parts.remove("data").unwrap_or(Value::Null);
                // A kind all of whose data are absent is written as one that has none.
                let data = match data {
                    Value::Object(fields) if fields.is_empty() => Value::Null,
                    data => data,
                };
                match parts.remove("kind") {
                    Some(Value::String(kind)) => (kind, data),
                    _ => (String::new(), data),
                }
            }
            _ => (String::new(), Value::Null),
        }
    }

    fn from_parts(kind: String, data: serde_json::Value) -> Self {
        let mut parts = serde_json::Map::new();
        parts.insert("kind".into(), kind.clone().into());
        let known = |data: Option<serde_json::Value>| {
            let mut parts = parts.clone();
            parts.extend(data.map(|data| ("data".into(), data)));
            serde_json::from_value(parts.into()).ok()
        };
        let without = || known(Some(serde_json::Map::new().into()));
        let read = match data.is_null() {
            true => known(None).or_else(without),
            false => known(Some(data.clone())),
        };
        read.unwrap_or(Self::Unknown { kind, data })
    }

    /// The word that names this kind in JSON and in filters, for example `node-status`.
    #[must_use]
    pub fn word(&self) -> String {
        self.clone().into_parts().0
    }

    /// The words of all kinds that this program knows, in the order of the variants.
    pub const WORDS: [&str; 85] = [
        "started",
        "leaving",
        "left",
        "communication-up",
        "node-status",
        "node-restarted",
        "node-heard",
        "partition-healed",
        "jeopardy",
        "jeopardy-over",
        "not-heard",
        "heard-again",
        "declared-dead",
        "declared-dead-over",
        "link-status",
        "link-one-way",
        "link-both-ways",
        "late-beat",
        "own-stall",
        "supervisor-stall",
        "unauthenticated",
        "authenticated-again",
        "unauthenticated-gone",
        "unauth-hold-over",
        "packet-refused",
        "unknown-node",
        "cloned-identity",
        "impostor",
        "impostor-gone",
        "identity-changed",
        "replay",
        "generation-behind",
        "gap-too-big",
        "message-lost",
        "not-said",
        "window-filling",
        "deadtime-clamped",
        "keys-changed",
        "timers-changing",
        "timers-changed",
        "config-differs",
        "config-agrees",
        "medium-status",
        "modem-lines",
        "core-died",
        "manager-died",
        "adopted",
        "ended-unasked",
        "replaced",
        "sick",
        "sick-over",
        "self-fence",
        "self-fence-failed",
        "self-fence-over",
        "degraded",
        "degraded-over",
        "config-warning",
        "config-reloaded",
        "config-refused",
        "fault",
        "events-dropped",
        "journal-damaged",
        "flight-recorded",
        "group-state",
        "action-failed",
        "group-contested",
        "ping-nodes-compared",
        "notification-failed",
        "address-contested",
        "takeover-held",
        "takeover-free",
        "handover-stalled",
        "group-wanted",
        "group-wanted-over",
        "group-cleaned",
        "frozen",
        "unfrozen",
        "fence-confirmed",
        "fence-begun",
        "fenced",
        "fence-failed",
        "fence-device-failed",
        "fence-device-works",
        "health",
        "health-over",
    ];

    /// How much an operator should care.
    #[must_use]
    pub fn severity(&self) -> Severity {
        use NodeStatus::Dead;
        match self {
            Self::NodeStatus {
                to: Dead,
                reason: StatusReason::Left,
                ..
            } => Severity::Notice,
            Self::NodeStatus { to: Dead, .. } => Severity::Warning,
            Self::LinkStatus {
                to: LinkStatus::Dead,
                silent: Some(_),
                ..
            } => Severity::Warning,
            Self::GroupState { to, .. } => match to {
                GroupState::Blocked => Severity::Critical,
                GroupState::Started | GroupState::Stopped => Severity::Notice,
                GroupState::Starting | GroupState::Stopping | GroupState::Checking => {
                    Severity::Info
                }
            },
            Self::Health { from, to, .. } => match (from, to) {
                (_, HealthState::Failed) => Severity::Error,
                (_, HealthState::Warning | HealthState::Unknown) => Severity::Warning,
                (None | Some(HealthState::Ok), HealthState::Ok) => Severity::Info,
                (Some(_), HealthState::Ok) => Severity::Notice,
            },
            Self::NodeStatus { .. }
            | Self::HealthOver { .. }
            | Self::NodeRestarted { .. }
            | Self::TakeoverFree { .. }
            | Self::GroupWanted { .. }
            | Self::GroupWantedOver { .. }
            | Self::GroupCleaned { .. }
            | Self::FenceConfirmed { .. }
            | Self::Fenced { .. }
            | Self::FenceDeviceWorks { .. }
            | Self::Unfrozen { .. }
            | Self::Started(_)
            | Self::Left
            | Self::JeopardyOver { .. }
            | Self::HeardAgain { .. }
            | Self::DeclaredDeadOver { .. }
            | Self::AuthenticatedAgain { .. }
            | Self::UnauthenticatedGone { .. }
            | Self::ImpostorGone
            | Self::KeysChanged { .. }
            | Self::Adopted { upgrade: true, .. }
            | Self::Replaced { .. }
            | Self::PingNodesCompared { .. }
            | Self::SickOver
            | Self::SelfFenceOver
            | Self::TimersChanging { .. }
            | Self::TimersChanged { .. }
            | Self::ConfigAgrees { .. }
            | Self::DegradedOver { .. }
            | Self::FlightRecorded { .. }
            | Self::ConfigReloaded { .. }
            | Self::Fault { .. } => Severity::Notice,
            Self::Leaving
            | Self::CommunicationUp
            | Self::NodeHeard { .. }
            | Self::LinkStatus { .. }
            | Self::LinkBothWays { .. }
            | Self::Unknown { .. } => Severity::Info,
            Self::MediumStatus { to, .. } => match to {
                MediumStatus::Open => Severity::Info,
                MediumStatus::Missing { .. } => Severity::Warning,
                MediumStatus::Failed { .. } => Severity::Error,
            },
            Self::ModemLines { from, to, .. } => match from {
                Some(from) if from.without(*to) != ModemLines::default() => Severity::Warning,
                Some(from) if from == to => Severity::Notice,
                _ => Severity::Info,
            },
            Self::LateBeat { .. }
            | Self::OwnStall { .. }
            | Self::SupervisorStall { .. }
            | Self::Jeopardy { .. }
            | Self::LinkOneWay { .. }
            | Self::PacketRefused { .. }
            | Self::UnknownNode { .. }
            | Self::IdentityChanged { .. }
            | Self::Replay { .. }
            | Self::GapTooBig { .. }
            | Self::WindowFilling { .. }
            | Self::DeadtimeClamped { .. }
            | Self::Degraded { .. }
            | Self::ConfigWarning { .. }
            | Self::ConfigDiffers { .. }
            | Self::Frozen { .. }
            | Self::FenceBegun { .. }
            | Self::NotificationFailed { .. }
            | Self::HandoverStalled { .. }
            | Self::Adopted { upgrade: false, .. }
            | Self::EndedUnasked { .. }
            | Self::EventsDropped { .. }
            | Self::JournalDamaged { .. } => Severity::Warning,
            Self::NotHeard { .. }
            | Self::ActionFailed { .. }
            | Self::TakeoverHeld { .. }
            | Self::FenceFailed { .. }
            | Self::FenceDeviceFailed { .. }
            | Self::GenerationBehind { .. }
            | Self::Unauthenticated { .. }
            | Self::MessageLost { .. }
            | Self::NotSaid { .. }
            | Self::ManagerDied { .. }
            | Self::CoreDied { .. }
            | Self::ConfigRefused { .. } => Severity::Error,
            Self::PartitionHealed { .. }
            | Self::DeclaredDead { .. }
            | Self::GroupContested { .. }
            | Self::AddressContested { .. }
            | Self::UnauthHoldOver { .. }
            | Self::ClonedIdentity { .. }
            | Self::Sick { .. }
            | Self::SelfFence { .. }
            | Self::SelfFenceFailed { .. }
            | Self::Impostor { .. } => Severity::Critical,
        }
    }

    /// What it is about.
    #[must_use]
    pub fn object(&self) -> Object {
        match self {
            Self::Health {
                group: Some(group), ..
            }
            | Self::HealthOver {
                group: Some(group), ..
            } => Object::Group(group.clone()),
            Self::NodeStatus { node, .. }
            | Self::NodeRestarted { node, .. }
            | Self::NodeHeard { node, .. }
            | Self::PartitionHealed { node, .. }
            | Self::Jeopardy { node, .. }
            | Self::JeopardyOver { node, .. }
            | Self::NotHeard { node, .. }
            | Self::HeardAgain { node }
            | Self::DeclaredDead { node }
            | Self::DeclaredDeadOver { node }
            | Self::LateBeat { node, .. }
            | Self::Unauthenticated { node, .. }
            | Self::AuthenticatedAgain { node }
            | Self::UnauthenticatedGone { node }
            | Self::UnauthHoldOver { node, .. }
            | Self::ClonedIdentity {
                claimed_by: node, ..
            }
            | Self::IdentityChanged { node, .. }
            | Self::Replay { node, .. }
            | Self::GenerationBehind { node, .. }
            | Self::GapTooBig { node, .. }
            | Self::MessageLost { node, .. }
            | Self::WindowFilling { node, .. }
            | Self::ConfigDiffers { node, .. }
            | Self::ConfigAgrees { node }
            | Self::TakeoverHeld { node, .. }
            | Self::TakeoverFree { node }
            | Self::FenceConfirmed { node, .. }
            | Self::FenceBegun { node, .. }
            | Self::NotificationFailed { node, .. }
            | Self::PingNodesCompared { node, .. }
            | Self::Fenced { node, .. }
            | Self::FenceFailed { node, .. }
            | Self::FenceDeviceFailed { node, .. }
            | Self::FenceDeviceWorks { node, .. }
            | Self::Health { node, .. }
            | Self::HealthOver { node, .. }
            | Self::DeadtimeClamped { node, .. } => Object::Node(node.clone()),
            Self::GroupState { group, .. }
            | Self::ActionFailed { group, .. }
            | Self::GroupContested { group, .. }
            | Self::AddressContested { group, .. }
            | Self::HandoverStalled { group, .. }
            | Self::GroupWanted { group, .. }
            | Self::GroupWantedOver { group, .. }
            | Self::GroupCleaned { group, .. } => Object::Group(group.clone()),
            Self::LinkStatus { link, .. }
            | Self::LinkOneWay { link }
            | Self::LinkBothWays { link } => Object::Link(link.clone()),
            Self::PacketRefused { medium, .. }
            | Self::UnknownNode { medium, .. }
            | Self::MediumStatus { medium, .. }
            | Self::ModemLines { medium, .. }
            | Self::Fault { medium, .. } => Object::Medium(medium.clone()),
            Self::Started(_)
            | Self::Leaving
            | Self::Left
            | Self::CommunicationUp
            | Self::NotSaid { .. }
            | Self::OwnStall { .. }
            | Self::SupervisorStall { .. }
            | Self::Impostor { .. }
            | Self::ImpostorGone
            | Self::KeysChanged { .. }
            | Self::TimersChanging { .. }
            | Self::TimersChanged { .. }
            | Self::CoreDied { .. }
            | Self::ManagerDied { .. }
            | Self::Adopted { .. }
            | Self::EndedUnasked { .. }
            | Self::Replaced { .. }
            | Self::Sick { .. }
            | Self::SickOver
            | Self::SelfFence { .. }
            | Self::SelfFenceFailed { .. }
            | Self::SelfFenceOver
            | Self::Degraded { .. }
            | Self::DegradedOver { .. }
            | Self::ConfigWarning { .. }
            | Self::ConfigReloaded { .. }
            | Self::ConfigRefused { .. }
            | Self::EventsDropped { .. }
            | Self::JournalDamaged { .. }
            | Self::FlightRecorded { .. }
            | Self::Frozen { .. }
            | Self::Unfrozen { .. }
            | Self::Unknown { .. } => Object::Daemon,
        }
    }
}

/// Numbers the events of one incarnation, without a gap.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventSource {
    node: NodeName,
    incarnation: Incarnation,
    counter: u64,
}

impl EventSource {
    /// A source whose first event has counter 1.
    #[must_use]
    pub fn new(node: NodeName, role: Role, generation: Generation) -> Self {
        Self {
            node,
            incarnation: Incarnation { role, generation },
            counter: 0,
        }
    }

    /// A source whose last event had this counter.
    #[must_use]
    pub fn resumed(node: NodeName, role: Role, generation: Generation, counter: u64) -> Self {
        Self {
            counter,
            ..Self::new(node, role, generation)
        }
    }

    /// Makes the next event.
    pub fn event(&mut self, kind: Kind, cause: Option<Cause>, now: crate::time::Now) -> Event {
        self.counter += 1;
        Event {
            id: EventId {
                node: self.node.clone(),
                incarnation: self.incarnation,
                counter: self.counter,
            },
            boot: now.boot,
            wall: now.wall,
            severity: kind.severity(),
            object: kind.object(),
            text: kind.to_string(),
            kind,
            cause,
        }
    }
}

#[cfg(test)]
mod tests;
