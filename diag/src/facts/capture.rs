//! Packets that passed, from a file or as they pass.
//!
//! ```text
//! pcap    bytes of a capture file -> frames
//! frames  frames -> what they carried: datagrams, echoes, Ethernet frames of hbd put together
//! file    a capture file, or the bytes of a serial line -> what passed
//! ```
//!
//! Nothing here knows a digest or a node, and nothing is sent.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use pnet_base::MacAddr;
use shared::time::Wall;

pub mod file;
pub mod frames;
pub mod pcap;

/// What passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// When, if that is known.
    pub at: Option<Wall>,
    /// From where to where.
    pub way: Way,
    /// The VLAN that a frame names.
    pub vlan: Option<u16>,
    /// This machine sent it, as far as that is known.
    pub is_own: bool,
    /// The capture did not keep all of it.
    pub is_cut: bool,
    /// The payload.
    pub bytes: Vec<u8>,
}

/// From where to where something went, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A datagram.
    Udp {
        /// The sender.
        from: SocketAddr,
        /// The receivers.
        to: SocketAddr,
        /// To whom the frame around it went.
        cast: Cast,
    },
    /// ICMP or ICMPv6; what an echo carries is its payload, and others have none.
    Icmp {
        /// The sender.
        from: IpAddr,
        /// The receiver.
        to: IpAddr,
    },
    /// Frames of hbd's medium `ether`.
    Ether {
        /// The sender.
        from: MacAddr,
    },
    /// A serial line.
    Serial,
}

/// To whom a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// One.
    Unicast,
    /// Those who joined a group.
    Multicast,
    /// All.
    Broadcast,
    /// It does not say.
    Unknown,
}

impl Way {
    /// Who sent it: an address without the port, which may be another one each time. Nothing on a serial line.
    #[must_use]
    pub fn sender(&self) -> Option<String> {
        match self {
            Self::Udp { from, .. } => Some(from.ip().to_string()),
            Self::Icmp { from, .. } => Some(from.to_string()),
            Self::Ether { from } => Some(from.to_string()),
            Self::Serial => None,
        }
    }

    /// From where, in full.
    #[must_use]
    pub fn from(&self) -> Option<String> {
        match self {
            Self::Udp { from, .. } => Some(from.to_string()),
            other => other.sender(),
        }
    }

    /// To where; nothing where that is not said.
    #[must_use]
    pub fn to(&self) -> Option<String> {
        match self {
            Self::Udp { to, .. } => Some(to.to_string()),
            Self::Icmp { to, .. } => Some(to.to_string()),
            Self::Ether { .. } | Self::Serial => None,
        }
    }
}

impl fmt::Display for Way {
    /// The directive of the medium, as far as a packet tells it. A directed broadcast looks like any other address where
    /// the frame around it is not known: such a one is `udp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Udp { to, cast, .. } => match (to.ip(), cast) {
                (IpAddr::V4(ip), _) if ip.is_multicast() => "mcast",
                (IpAddr::V6(ip), _) if ip.is_multicast() => "mcast6",
                (IpAddr::V6(_), _) => "ucast6",
                (IpAddr::V4(ip), Cast::Broadcast) if !ip.is_loopback() => "bcast",
                (IpAddr::V4(ip), _) if ip.is_broadcast() => "bcast",
                (IpAddr::V4(_), Cast::Unknown) => "udp",
                (IpAddr::V4(_), _) => "ucast",
            },
            Self::Icmp { to, .. } if to.is_ipv6() => "ping6",
            Self::Icmp { .. } => "ping",
            Self::Ether { .. } => "ether",
            Self::Serial => "serial",
        };
        f.pad(word)
    }
}
