//! A configuration that has no error, as plain data.

mod fencing;
mod health;
mod resources;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use pnet_base::MacAddr;

use serde::{Deserialize, Serialize};

use super::keys::KeyRing;
use super::source::FileName;
use crate::names::{MediumName, NodeName};

pub use fencing::{
    FENCE_AGENTS, FenceDevice, FenceMethod, Fencing, STONITH_PROGRAM, StonithParameters,
    is_open_setting,
};
pub(super) use fencing::{FENCE_CALL_LIMIT, FENCE_CALL_LIMIT_MAX, FENCE_DELAY_MAX};
pub use health::{HealthCheck, HealthKind};
pub use resources::{
    ActionLimits, AutoFailback, Group, MANAGER_TIME, ManagerKind, Monitor, Resource, Resources,
    StartupRule, StopFailureRule,
};
pub(super) use resources::{LEASE_SECONDS_MAX, LEASE_SECONDS_MIN, LIMIT_MAX};

/// Most nodes of a cluster, as in Heartbeat 3.0.6.
pub const NODES_MAX: usize = 100;

/// What the files say, with defaults filled in.
///
/// Serialisable because the supervisor hands it to the core. It holds keys: nothing that shows or
/// stores it may do so without taking `keys` out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The nodes of the cluster in the order of the files, none twice.
    pub nodes: Vec<NodeName>,
    /// All times.
    pub timing: Timing,
    /// What beats go out on, at least one, each with a name of its own.
    pub media: Vec<Medium>,
    /// Keys that sign and verify.
    pub keys: KeyRing,
    /// Who may use the control socket beyond the built-in rules.
    pub api: ApiAccess,
    /// Whether bad packets are logged.
    pub log_badpack: bool,
    /// Where the log goes.
    pub logging: Logging,
    /// How the core is scheduled.
    pub realtime: Realtime,
    /// The device that resets this machine unless hbd gives signs of life.
    pub watchdog: Option<PathBuf>,
    /// The program that takes this node away, and its arguments; empty: hbd does it itself.
    pub self_fence: Vec<String>,
    /// What is added to the number of nodes for the `ttl` field of a message.
    pub hopfudge: u8,
    /// Where the generation of a start comes from.
    pub generation: GenerationSource,
    /// Where the UUID of this node comes from.
    pub uuid: UuidSource,
    /// What is done about resources.
    pub resources: Resources,
    /// Directives that were accepted and do nothing, for the status.
    pub ineffective: Vec<Ineffective>,
}

impl Config {
    /// The ping nodes, in the order of their lines.
    pub fn ping_nodes(&self) -> impl Iterator<Item = &NodeName> {
        self.media.iter().filter_map(|medium| medium.kind.pings())
    }
}

/// All times, rounded to milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Time between two beats; larger than zero.
    pub keepalive: Duration,
    /// Silence after which a peer is dead; larger than two keepalives.
    pub deadtime: Duration,
    /// Silence after which a beat is late; larger than zero.
    pub warntime: Duration,
    /// Silence after start until a peer that was never heard is dead; not smaller than deadtime.
    pub initdead: Duration,
    /// Silence after which a ping node is dead; larger than two keepalives.
    pub deadping: Duration,
    /// Longest random delay before a retransmission is asked for.
    pub max_rexmit_delay: Duration,
}

/// What a link runs over: one way to receive and one or more destinations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Medium {
    /// Names the medium and all links over it.
    pub name: MediumName,
    /// The network interface, or the path of a serial port; of a medium that pings the name of its node.
    pub device: String,
    /// Kind and addresses.
    pub kind: MediumKind,
}

/// Kind of a medium, with what its sockets need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum MediumKind {
    /// IPv4 broadcast to the interface's broadcast address.
    Bcast {
        /// UDP port, sent to and received on.
        port: u16,
    },
    /// IPv4 multicast.
    Mcast {
        /// The group, 224.0.0.0 to 239.255.255.255.
        group: Ipv4Addr,
        /// UDP port, sent to and received on.
        port: u16,
        /// Routers that may be passed, 0 to 4.
        ttl: u8,
        /// Whether this machine receives its own packets.
        loopback: bool,
    },
    /// IPv6 multicast.
    Mcast6 {
        /// The group, in ff00::/8.
        group: Ipv6Addr,
        /// UDP port, sent to and received on.
        port: u16,
        /// Routers that may be passed.
        ttl: u8,
        /// Whether this machine receives its own packets.
        loopback: bool,
    },
    /// IPv4 unicast. All lines of a device form one medium.
    Ucast {
        /// UDP port, sent to and received on.
        port: u16,
        /// Destinations in the order of the file, none twice.
        peers: Vec<Host>,
        /// The address to receive on; all if absent.
        listen: Option<Ipv4Addr>,
    },
    /// IPv6 unicast. All lines of a device form one medium.
    Ucast6 {
        /// UDP port, sent to and received on.
        port: u16,
        /// Destinations in the order of the file, none twice.
        peers: Vec<Peer6>,
        /// The address to receive on; all if absent.
        listen: Option<Ipv6Addr>,
    },
    /// Frames of their own on an Ethernet, without any IP.
    Ether {
        /// Their type, from 0x0600 on (IEEE 802.3, 3.2.6).
        ethertype: u16,
        /// The group or broadcast address that they are sent to.
        group: MacAddr,
    },
    /// A serial line to one other node.
    Serial {
        /// Its speed in bits a second, the same at both ends.
        baud: u32,
    },
    /// Echo requests to one host, which is a ping node.
    Ping {
        /// The node: the host as the line names it.
        node: NodeName,
        /// The host.
        host: Host,
    },
    /// Echo requests to one host over IPv6, which is a ping node.
    Ping6 {
        /// The node: the host as the line names it.
        node: NodeName,
        /// The host.
        host: Peer6,
    },
    /// Echo requests to hosts that together are one ping node.
    #[serde(rename = "ping_group")]
    PingGroup {
        /// The node.
        node: NodeName,
        /// The hosts in the order of the line, at least one.
        hosts: Vec<Host>,
    },
}

impl MediumKind {
    /// The directive that makes such a medium.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Bcast { .. } => "bcast",
            Self::Mcast { .. } => "mcast",
            Self::Mcast6 { .. } => "mcast6",
            Self::Ucast { .. } => "ucast",
            Self::Ucast6 { .. } => "ucast6",
            Self::Ether { .. } => "ether",
            Self::Serial { .. } => "serial",
            Self::Ping { .. } => "ping",
            Self::Ping6 { .. } => "ping6",
            Self::PingGroup { .. } => "ping_group",
        }
    }

    /// The UDP port, of those that have one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Bcast { port }
            | Self::Mcast { port, .. }
            | Self::Mcast6 { port, .. }
            | Self::Ucast { port, .. }
            | Self::Ucast6 { port, .. } => Some(*port),
            Self::Ether { .. }
            | Self::Serial { .. }
            | Self::Ping { .. }
            | Self::Ping6 { .. }
            | Self::PingGroup { .. } => None,
        }
    }

    /// The ping node that it asks, of those that do.
    #[must_use]
    pub fn pings(&self) -> Option<&NodeName> {
        match self {
            Self::Ping { node, .. } | Self::Ping6 { node, .. } | Self::PingGroup { node, .. } => {
                Some(node)
            }
            _ => None,
        }
    }

    /// The hosts that it asks, of those that ping over IPv4.
    pub fn pinged_hosts(&mut self) -> &mut [Host] {
        match self {
            Self::Ping { host, .. } => std::slice::from_mut(host),
            Self::PingGroup { hosts, .. } => hosts,
            _ => &mut [],
        }
    }
}

/// The destination of a `ucast` line, or a host to ping. A name is resolved once, at start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Host {
    /// An address.
    #[serde(rename = "address")]
    Address(Ipv4Addr),
    /// A name that has to be resolved.
    #[serde(rename = "name")]
    Name(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// The destination of a `ucast6` line, or a host to ping over IPv6.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer6 {
    /// The address.
    pub address: Ipv6Addr,
    /// The interface a link-local address belongs to, by name or index: as written behind `%`,
    /// else the device of the line, if it has one. Absent for addresses that are not link-local and have none
    /// written.
    pub scope: Option<String>,
}

impl fmt::Display for Peer6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Some(scope) => write!(f, "{}%{scope}", self.address),
            None => self.address.fmt(f),
        }
    }
}

/// Where the log goes. To standard error where nothing is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// To syslog, under this facility: its number in `syslog(3)`, unshifted.
    pub facility: Option<u8>,
    /// To a file.
    pub file: Option<PathBuf>,
    /// To a file that gets everything, with the data of each event.
    pub debug_file: Option<PathBuf>,
    /// Whether lines of files look like those of syslog.
    pub syslog_format: bool,
}

/// How the core is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Realtime {
    /// Whether to ask for realtime scheduling and locked memory.
    pub enabled: bool,
    /// Priority 1 to 99 (`sched(7)`); the lowest if absent.
    pub priority: Option<u8>,
}

/// Where the generation of a start comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GenerationSource {
    /// A file in the state directory, counted up.
    File,
    /// The wall clock, in seconds; nothing is stored.
    Time,
}

/// Where the UUID of this node comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UuidSource {
    /// A file in the state directory, made once at random.
    File,
    /// Derived from the name of the node, as Heartbeat 3.0.6 does.
    Nodename,
}

/// What a user of the control socket may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApiRole {
    /// Read.
    Observe,
    /// Read, and give the orders of daily operation.
    Operate,
    /// Everything.
    Admin,
}

impl ApiRole {
    /// All roles, the weakest first.
    pub const ALL: [Self; 3] = [Self::Observe, Self::Operate, Self::Admin];

    /// The client name that grants the role in an `apiauth` line.
    #[must_use]
    pub fn client(self) -> &'static str {
        match self {
            Self::Observe => "hbd-observe",
            Self::Operate => "hbd-operate",
            Self::Admin => "hbd-admin",
        }
    }
}

/// A user or group of the system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Account {
    /// By name.
    #[serde(rename = "name")]
    Name(String),
    /// By number.
    #[serde(rename = "id")]
    Id(u32),
}

/// Who has which role: the `apiauth` lines for hbd's own clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiAccess {
    /// Roles granted to users.
    pub users: Vec<(ApiRole, Account)>,
    /// Roles granted to groups.
    pub groups: Vec<(ApiRole, Account)>,
}

/// A directive that was accepted and does nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ineffective {
    /// The directive.
    pub directive: String,
    /// Where it stands.
    pub file: FileName,
    /// Its line, from 1.
    pub line: usize,
    /// Why it does nothing.
    pub reason: String,
}
