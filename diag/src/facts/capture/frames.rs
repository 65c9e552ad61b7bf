//! From frames to what they carried.
//!
//! ```text
//! Ethernet       destination 6 | source 6 | [0x8100 2 | VLAN 2] ... | type 2 | payload      (IEEE 802.3, 802.1Q)
//! Linux, cooked  kind 2 | hardware 2 | length 2 | source 8 | type 2 | payload
//! Linux, second  type 2 | 0 2 | interface 4 | hardware 2 | kind 1 | length 1 | source 8 | payload
//! IP             payload
//! ```
//!
//! Fragments are counted and not put together: a beat fits into a frame of any link that carries IP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hbd_core::wire::ether::{Channel, Joiner};
use hbd_core::wire::limits::DATAGRAM_BYTES_MAX;
use pnet_base::MacAddr;

use super::{Cast, Way};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// A tag of a VLAN, and one of a provider around it.
const TAGS: [u16; 2] = [0x8100, 0x88a8];
/// Most tags of one frame.
const TAGS_MAX: usize = 2;
/// The number of a VLAN in its tag; 0 is none, and the tag has a priority only.
const VLAN_MASK: u16 = 0x0fff;
/// Most heads between that of IPv6 and the payload.
const EXTENSIONS_MAX: usize = 8;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// Those of IPv6 that are stepped over: options for each hop, routing, options for the receiver.
const EXTENSIONS: [u8; 3] = [0, 43, 60];
const FRAGMENT: u8 = 44;
/// Under which frames of hbd are put together, whatever their type and group are.
const CHANNEL: Channel = Channel {
    own: MacAddr(0, 0, 0, 0, 0, 0),
    group: MacAddr(3, 0, 0, 0, 0, 0),
    ethertype: 0x88b5,
};
/// How frames of hbd's medium `ether` begin behind their type.
const ETHER_MAGIC: &[u8] = b"hbd1";

/// A kind of link, as capture files number them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Ethernet.
    Ethernet,
    /// IP without anything before it.
    Ip,
    /// Linux, of all interfaces.
    Cooked,
    /// The same, with the interface.
    CookedSecond,
}

impl Link {
    /// The kind with this number.
    #[must_use]
    pub fn of(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Ethernet),
            12 | 14 | 101 | 228 | 229 => Some(Self::Ip),
            113 => Some(Self::Cooked),
            276 => Some(Self::CookedSecond),
            _ => None,
        }
    }

    /// What is in a frame; nothing where it is too short.
    #[must_use]
    pub fn open(self, frame: &[u8]) -> Option<Opened<'_>> {
        match self {
            Self::Ethernet => ethernet(frame),
            Self::Ip => {
                let ethertype = match frame.first()? >> 4 {
                    4 => IPV4,
                    _ => IPV6,
                };
                Some(Opened::plain(ethertype, frame))
            }
            Self::Cooked => {
                let (head, payload) = frame.split_first_chunk::<16>()?;
                let kind = u16::from_be_bytes([head[0], head[1]]);
                let opened = Opened::plain(u16::from_be_bytes([head[14], head[15]]), payload);
                Some(opened.cooked(kind, &head[6..12]))
            }
            Self::CookedSecond => {
                let (head, payload) = frame.split_first_chunk::<20>()?;
                let opened = Opened::plain(u16::from_be_bytes([head[0], head[1]]), payload);
                Some(opened.cooked(head[10].into(), &head[12..18]))
            }
        }
        .map(Opened::without_tags)
    }
}

/// What is in a frame.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    /// The type of the payload.
    pub ethertype: u16,
    /// The VLAN that it names.
    pub vlan: Option<u16>,
    /// To whom it goes.
    pub cast: Cast,
    /// Its sender, where it tells.
    pub source: MacAddr,
    /// The machine that captured it sent it.
    pub is_own: bool,
    /// The payload.
    pub payload: &'a [u8],
}

impl<'a> Opened<'a> {
    /// Of which nothing else is known.
    #[must_use]
    pub fn plain(ethertype: u16, payload: &'a [u8]) -> Self {
        Self {
            ethertype,
            vlan: None,
            cast: Cast::Unknown,
            source: MacAddr::zero(),
            is_own: false,
            payload,
        }
    }

    /// With what Linux says of a frame: `kind` is that of `packet(7)`.
    #[must_use]
    pub fn cooked(mut self, kind: u16, source: &[u8]) -> Self {
        (self.cast, self.is_own) = match kind {
            0 | 3 => (Cast::Unicast, false),
            1 => (Cast::Broadcast, false),
            2 => (Cast::Multicast, false),
            4 => (Cast::Unknown, true),
            _ => (Cast::Unknown, false),
        };
        self.source = mac(source);
        self
    }

    fn without_tags(mut self) -> Self {
        for _ in 0..TAGS_MAX {
            let Some((tag, payload)) = self.payload.split_first_chunk::<4>() else {
                break;
            };
            if !TAGS.contains(&self.ethertype) {
                break;
            }
            let vlan = u16::from_be_bytes([tag[0], tag[1]]) & VLAN_MASK;
            self.vlan = self.vlan.or(Some(vlan).filter(|vlan| *vlan > 0));
            self.ethertype = u16::from_be_bytes([tag[2], tag[3]]);
            self.payload = payload;
        }
        self
    }
}

fn ethernet(frame: &[u8]) -> Option<Opened<'_>> {
    let (head, payload) = frame.split_first_chunk::<14>()?;
    let cast = match (head[0], &head[..6]) {
        (_, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]) => Cast::Broadcast,
        (first, _) if first & 1 == 1 => Cast::Multicast,
        // Loopback has no addresses.
        (_, [0, 0, 0, 0, 0, 0]) => Cast::Unknown,
        _ => Cast::Unicast,
    };
    Some(Opened {
        cast,
        source: mac(&head[6..12]),
        ..Opened::plain(u16::from_be_bytes([head[12], head[13]]), payload)
    })
}

fn mac(bytes: &[u8]) -> MacAddr {
    let octets: [u8; 6] = bytes.try_into().unwrap_or_default();
    octets.into()
}

/// Takes out of frames what they carried.
#[derive(Debug)]
pub struct Frames {
    joiner: Joiner,
    frame: Vec<u8>,
    packet: Vec<u8>,
    /// Parts of packets of IP that came.
    pub fragments: u64,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            joiner: Joiner::new(CHANNEL),
            frame: Vec::new(),
            packet: vec![0; DATAGRAM_BYTES_MAX],
            fragments: 0,
        }
    }
}

impl Frames {
    /// What a frame carried, or made whole; nothing of what can be no beat.
    pub fn take(&mut self, opened: &Opened<'_>) -> Option<(Way, Vec<u8>)> {
        match opened.ethertype {
            IPV4 => self.ipv4(opened),
            IPV6 => self.ipv6(opened),
            _ => self.ether(opened),
        }
    }

    fn ipv4(&mut self, opened: &Opened<'_>) -> Option<(Way, Vec<u8>)> {
        let (head, _) = opened.payload.split_first_chunk::<20>()?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let start = usize::from(head[0] & 0x0f) * 4;
        // A card that cuts packets itself gives the kernel one without a length.
        let end = match length {
            0 => opened.payload.len(),
            length => length.min(opened.payload.len()),
        };
        let payload = opened.payload.get(start.max(head.len())..end)?;
        let [from, to] = [12, 16].map(|at| {
            let octets: [u8; 4] = std::array::from_fn(|octet| head[at + octet]);
            IpAddr::from(Ipv4Addr::from(octets))
        });
        let fragment = u16::from_be_bytes([head[6], head[7]]) & 0x3fff;
        if fragment != 0 {
            self.fragments += 1;
            return None;
        }
        transport(head[9], [from, to], opened.cast, payload)
    }

    fn ipv6(&mut self, opened: &Opened<'_>) -> Option<(Way, Vec<u8>)> {
        let (head, payload) = opened.payload.split_first_chunk::<40>()?;
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let mut payload = match length {
            0 => payload,
            length => &payload[..length.min(payload.len())],
        };
        let mut next = head[6];
        for _ in 0..EXTENSIONS_MAX {
            if !EXTENSIONS.contains(&next) {
                break;
            }
            let length = usize::from(*payload.get(1)?) * 8 + 8;
            next = *payload.first()?;
            payload = payload.get(length..)?;
        }
        if next == FRAGMENT {
            self.fragments += 1;
            return None;
        }
        let [from, to] = [8, 24].map(|at| {
            let octets: [u8; 16] = std::array::from_fn(|octet| head[at + octet]);
            IpAddr::from(Ipv6Addr::from(octets))
        });
        transport(next, [from, to], opened.cast, payload)
    }

    fn ether(&mut self, opened: &Opened<'_>) -> Option<(Way, Vec<u8>)> {
        if !opened.payload.starts_with(ETHER_MAGIC) {
            return None;
        }
        self.frame.clear();
        self.frame.extend(CHANNEL.group.octets());
        self.frame.extend(opened.source.octets());
        self.frame.extend(CHANNEL.ethertype.to_be_bytes());
        self.frame.extend(opened.payload);
        let length = self.joiner.take(&self.frame, &mut self.packet)?;
        let from = opened.source;
        Some((Way::Ether { from }, self.packet[..length].to_vec()))
    }
}

fn transport(
    protocol: u8,
    [from, to]: [IpAddr; 2],
    cast: Cast,
    bytes: &[u8],
) -> Option<(Way, Vec<u8>)> {
    let (head, data) = bytes.split_first_chunk::<8>()?;
    let short = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    match protocol {
        UDP => {
            let length = usize::from(short(4)).saturating_sub(head.len());
            let data = match short(4) {
                0 => data,
                _ => &data[..length.min(data.len())],
            };
            let from = SocketAddr::new(from, short(0));
            let to = SocketAddr::new(to, short(2));
            Some((Way::Udp { from, to, cast }, data.to_vec()))
        }
        ICMP | ICMPV6 => {
            let is_echo = matches!((protocol, head[0]), (ICMP, 0 | 8) | (ICMPV6, 128 | 129));
            let data = if is_echo { data } else { &[] };
            Some((Way::Icmp { from, to }, data.to_vec()))
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "frames/tests.rs"]
mod tests;
