//! What a core is told before it runs: the configuration, and what a former core knew.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use shared::event::{Cause, ConfiguredNode, NodeStatus, StatusReason};
use shared::names::{Generation, KeyIndex, MediumName, NodeName, Sequence, Uuid};
use shared::time::Moment;

use crate::wire::{Method, Secret};

/// Names a medium in inputs and outputs: its place in [`Settings::media`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediumIndex(pub u16);

/// A medium as the core sees it: something that carries packets to every peer, or to one pinged
/// host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediumSettings {
    /// Its name.
    pub name: MediumName,
    /// What it is, as a person writes it.
    pub description: String,
    /// Which packets go over it.
    pub form: MediumForm,
    /// Bits per second where that is a limit worth knowing. Below [`SLOW_BITS`] beats leave out
    /// what is not essential.
    pub rate: Option<u64>,
}

/// Bits per second below which a medium is slow.
pub const SLOW_BITS: u64 = 1_000_000;

/// Which packets go over a medium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediumForm {
    /// Messages in netstring form, one a datagram.
    Datagram,
    /// Messages in string form, in a stream.
    Stream,
    /// One beat's worth of an echo request to this ping node.
    Ping(NodeName),
    /// The same to each host of this ping node.
    PingGroup(NodeName),
}

impl MediumForm {
    /// The ping node that is asked over it.
    #[must_use]
    pub fn pings(&self) -> Option<&NodeName> {
        match self {
            Self::Ping(node) | Self::PingGroup(node) => Some(node),
            Self::Datagram | Self::Stream => None,
        }
    }

    /// The `info` of an echo request; the reply must carry it again.
    pub(crate) fn ping_info(&self) -> Option<&'static str> {
        match self {
            Self::Ping(_) => Some("ping"),
            Self::PingGroup(_) => Some("ping_group"),
            Self::Datagram | Self::Stream => None,
        }
    }
}

/// The configuration, as far as the core is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Version of hbd, for the first event.
    pub version: String,
    /// This node.
    pub node: NodeName,
    /// This node's lasting identity.
    pub uuid: Uuid,
    /// All configured nodes, this one included, in the order of `ha.cf`.
    pub nodes: Vec<ConfiguredNode>,
    /// All media.
    pub media: Vec<MediumSettings>,
    /// Time between two beats. Smaller than half of `deadtime`.
    pub keepalive: Duration,
    /// A beat later than this after the one before is worth an event.
    pub warntime: Duration,
    /// Peers are told to declare this node dead after such a silence.
    pub deadtime: Duration,
    /// What applies in place of every dead time until communication is up.
    pub initdead: Duration,
    /// The dead time of ping nodes.
    pub deadping: Duration,
    /// Packets must flow for so long over a dead link before it counts as up: damps flapping.
    pub link_up_delay: Duration,
    /// A link may be silent for so long beyond the peer's dead time.
    pub link_down_delay: Duration,
    /// Longest time between two requests for the same missing message.
    pub max_rexmit_delay: Duration,
    /// How long a peer that is alive but not authenticated may hold a takeover back.
    pub unauth_hold: Duration,
    /// Added to the number of nodes in the `ttl` field, which nobody uses.
    pub hopfudge: u8,
    /// The index of the key that signs.
    pub active_key: KeyIndex,
    /// All keys.
    pub keys: Vec<KeySpec>,
    /// Digests of what must be the same on all nodes, by file
    /// ([`file_digest`](crate::wire::config_digest::file_digest)); and under
    /// [`IPFAIL`](crate::wire::config_digest::IPFAIL) how many ping nodes are counted.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

/// The times that may change while a core runs, as in [`Settings`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is told in Settings")]
pub struct Times {
    pub keepalive: Duration,
    pub warntime: Duration,
    pub deadtime: Duration,
    pub initdead: Duration,
    pub deadping: Duration,
    pub link_up_delay: Duration,
    pub link_down_delay: Duration,
    pub max_rexmit_delay: Duration,
    pub unauth_hold: Duration,
}

/// What peers judge a node by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Time between two beats.
    pub keepalive: Duration,
    /// The dead time they announce.
    pub deadtime: Duration,
}

impl Times {
    /// What of it peers judge by.
    #[must_use]
    pub fn pace(&self) -> Pace {
        Pace {
            keepalive: self.keepalive,
            deadtime: self.deadtime,
        }
    }
}

impl Settings {
    /// All its times.
    #[must_use]
    pub fn times(&self) -> Times {
        Times {
            keepalive: self.keepalive,
            warntime: self.warntime,
            deadtime: self.deadtime,
            initdead: self.initdead,
            deadping: self.deadping,
            link_up_delay: self.link_up_delay,
            link_down_delay: self.link_down_delay,
            max_rexmit_delay: self.max_rexmit_delay,
            unauth_hold: self.unauth_hold,
        }
    }

    /// Replaces all its times.
    pub fn set_times(&mut self, times: Times) {
        let Times {
            keepalive,
            warntime,
            deadtime,
            initdead,
            deadping,
            link_up_delay,
            link_down_delay,
            max_rexmit_delay,
            unauth_hold,
        } = times;
        self.keepalive = keepalive;
        self.warntime = warntime;
        self.deadtime = deadtime;
        self.initdead = initdead;
        self.deadping = deadping;
        self.link_up_delay = link_up_delay;
        self.link_down_delay = link_down_delay;
        self.max_rexmit_delay = max_rexmit_delay;
        self.unauth_hold = unauth_hold;
    }
}

/// A key as the key files give it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySpec {
    /// Its index, 0 to 15.
    pub index: KeyIndex,
    /// `crc`, `md5`, `sha1` or `sha256`.
    pub method: String,
    /// What it is made of.
    pub secret: Secret,
}

impl KeySpec {
    /// The same for a record.
    #[must_use]
    pub fn without_secret(&self) -> Self {
        let method = self.method.parse().unwrap_or(Method::Crc);
        Self {
            secret: self.secret.left_out(method),
            ..self.clone()
        }
    }
}

impl fmt::Debug for KeySpec {
    /// Never shows the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySpec({} {})", self.index, self.method)
    }
}

impl Settings {
    /// The same with every secret left out.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        Self {
            keys: self.keys.iter().map(KeySpec::without_secret).collect(),
            ..self.clone()
        }
    }
}

/// For what is saved.
pub(crate) fn without_secrets<S: Serializer>(
    settings: &Settings,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    settings.without_secrets().serialize(serializer)
}

/// Which life this is, and what the former one knew.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// The generation to run under; above every one used before.
    pub generation: Generation,
    /// Seeds the delays of requests for missing messages, and which messages are acknowledged.
    pub seed: u64,
    /// True where this core replaces one that died while the daemon went on.
    pub quick_restart: bool,
    /// What brought this start about.
    pub cause: Option<Cause>,
    /// What is known of peers: after a quick restart all of it, after a start of the daemon the
    /// identities and generations only.
    pub memory: Vec<PeerMemory>,
    /// The pace of the core before this one, which peers still go by; nothing where there was none.
    pub former_pace: Option<Pace>,
    /// True where this node was active already when the core before this one ended.
    #[serde(default)]
    pub active: bool,
}

/// What outlives a core about one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerMemory {
    /// The peer.
    pub node: NodeName,
    /// Its lasting identity.
    pub uuid: Option<Uuid>,
    /// The highest generation heard, 0 for none; packets of lower ones are replays. Kept on disk.
    pub generation: Generation,
    /// What follows is known to a quick restart only.
    pub live: Option<LiveMemory>,
}

/// What a quick restart knows about one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveMemory {
    /// Its status.
    pub status: NodeStatus,
    /// The highest number heard in its generation.
    pub sequence: Sequence,
    /// The dead time that applies to it.
    pub deadtime: Duration,
    /// When its last beat came in.
    pub heard: Option<Moment>,
    /// It announced that it leaves, and nothing it says counts any more.
    pub left: bool,
    /// What it announces in `hbd=`, if anything.
    pub features: Option<String>,
    /// What it tells of its configuration, as in `hbdconf`.
    #[serde(default)]
    pub config: Option<String>,
    /// The key that its last packet was signed with.
    #[serde(default)]
    pub key: Option<KeyIndex>,
    /// Why it is dead, where it is.
    #[serde(default)]
    pub reason: Option<StatusReason>,
    /// The state of its links.
    #[serde(default)]
    pub links: Option<LinkMemory>,
}

/// What a quick restart knows about the links to one peer: a bit for each of the first 64 media.
/// Small, since it is written at each beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkMemory {
    /// Hash of the names of the media, so that bits are not taken for those of others.
    pub media: u32,
    /// Something was heard over these.
    pub heard: u64,
    /// These are dead.
    pub dead: u64,
}
