//! Counters, sent once a second and never journalled.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::names::{LinkName, NodeName};
use crate::time::Moment;

/// How well packets travel in one direction of a link, since this core started. Lost, duplicate
/// and late are counted where the packets arrive, so those of the outgoing direction are the
/// peer's figures and known only where the peer is hbd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incoming {
    /// Messages that arrived, each number once.
    pub received: u64,
    /// Numbers below the highest that never arrived over this link.
    pub lost: u64,
    /// Messages that arrived over this link more than once.
    pub duplicate: u64,
    /// Beats that came later than warntime after the one before.
    pub late: u64,
    /// Mean deviation of the time between two beats from keepalive (RFC 3550, 6.4.1).
    pub jitter: Duration,
    /// Time between the last two beats.
    pub last: Option<Duration>,
    /// Shortest time between two beats.
    pub best: Option<Duration>,
    /// Longest time between two beats.
    pub worst: Option<Duration>,
}

/// What is known of our packets at the other end of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Messages sent over the medium since the peer's life began, without those that came up while it
    /// was not open.
    pub sent: u64,
    /// How many of them the peer says it received; nothing where it does not say.
    pub received: Option<u64>,
    /// How many of `sent` went out up to the last message that `received` can count: those above
    /// may still be on their way, so that loss is this number less `received`.
    #[serde(default)]
    pub confirmed_count: Option<u64>,
    /// When the last message was sent that the peer confirms.
    pub confirmed: Option<Moment>,
}

/// One link at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSample {
    /// Which.
    pub link: LinkName,
    /// When the last packet came in.
    pub heard: Option<Moment>,
    /// From the peer to us.
    pub incoming: Incoming,
    /// From us to the peer.
    pub outgoing: Outgoing,
}

/// One peer at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSample {
    /// Which.
    pub node: NodeName,
    /// When its last beat came in.
    pub heard: Option<Moment>,
    /// When it is declared dead unless a beat comes.
    pub dead_at: Option<Moment>,
    /// The dead time that applies to it.
    pub deadtime: Duration,
    /// When the last of our messages was sent that it confirms.
    pub confirmed: Option<Moment>,
    /// Its load average, as it reports it.
    pub load: Option<String>,
}

/// All counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// When.
    pub at: Moment,
    /// Beats this node has sent.
    pub beats: u64,
    /// How late the latest of them was.
    pub worst_lateness: Duration,
    /// Stalls of this node.
    pub stalls: u64,
    /// The longest of them.
    pub worst_stall: Duration,
    /// Messages not yet acknowledged by everyone.
    pub window: u64,
    /// Packets dropped because they did not verify or could not be read.
    pub refused: u64,
    /// The peers, in the order of `ha.cf`.
    pub nodes: Vec<NodeSample>,
    /// The links, by peer and medium in the order of `ha.cf`.
    pub links: Vec<LinkSample>,
}
