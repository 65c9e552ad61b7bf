//! Every network interface, as the kernel lists them (`rtnetlink(7)`), which anyone may ask.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hbd_agents::netlink::{LINK, Message, Netlink, Request, attributes, number};
use hbd_agents::network::{self, Held, Link};
use libc::{
    IFLA_CARRIER_DOWN_COUNT, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_INFO_SLAVE_DATA,
    IFLA_INFO_SLAVE_KIND, IFLA_LINK, IFLA_LINK_NETNSID, IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU,
    IFLA_OPERSTATE, IFLA_STATS64,
};

// linux/if_link.h and linux/if_vlan.h: what stands inside of others.
const IFLA_VLAN_ID: u16 = 1;
const IFLA_BRPORT_STATE: u16 = 1;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const IFLA_BOND_SLAVE_STATE: u16 = 1;
const IFLA_BOND_SLAVE_MII_STATUS: u16 = 2;
/// `BOND_STATE_BACKUP` and `BOND_LINK_DOWN` of `linux/if_bonding.h`.
const BACKUP: u8 = 1;
const MII_DOWN: u8 = 2;
/// Interfaces that stand upon another one of this machine.
const UPON_ANOTHER: [&str; 5] = ["vlan", "macvlan", "macvtap", "ipvlan", "macsec"];

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// What the agents read of it, too.
    pub link: Link,
    /// `veth`, `bridge`, `vlan`, …; empty for a card.
    pub kind: String,
    /// What the kernel made of all it knows.
    pub operational: Operational,
    /// The longest packet in bytes.
    pub mtu: u32,
    /// How often the carrier was lost since the interface was made; absent before Linux 4.16.
    pub carrier_lost: Option<u32>,
    /// What its driver counted.
    pub counters: Counters,
    /// The number of the interface that it stands upon.
    pub below: Option<u32>,
    /// Its VLAN.
    pub vlan: Option<u16>,
    /// The number of the bridge or bond that it is a part of.
    pub master: Option<u32>,
    /// What it is there.
    pub part: Option<Part>,
}

/// What the kernel made of all it knows of an interface (RFC 2863, `ifOperStatus`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operational {
    /// The driver does not tell.
    #[default]
    Unknown,
    /// The card is not there.
    NotPresent,
    /// It carries nothing.
    Down,
    /// What it stands upon carries nothing.
    LowerLayerDown,
    /// It is tested, and carries nothing else.
    Testing,
    /// It waits until somebody lets it in (802.1X).
    Dormant,
    /// It carries frames.
    Up,
}

impl Operational {
    fn of(number: u8) -> Self {
        match number {
            1 => Self::NotPresent,
            2 => Self::Down,
            3 => Self::LowerLayerDown,
            4 => Self::Testing,
            5 => Self::Dormant,
            6 => Self::Up,
            _ => Self::Unknown,
        }
    }
}

/// What an interface is of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A port of a bridge.
    Port {
        /// Whether frames pass.
        state: PortState,
        /// Nothing passes between it and other isolated ones.
        isolated: bool,
    },
    /// A line of a bond.
    Line {
        /// It takes over when another one fails.
        backup: bool,
        /// The bond found it dead.
        dead: bool,
    },
}

/// The state of a port (802.1D).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortState {
    /// The bridge or the port is switched off.
    Disabled,
    /// It waits whether there is a loop.
    Listening,
    /// It learns who is where.
    Learning,
    /// Frames pass.
    Forwarding,
    /// It would close a loop.
    Blocking,
}

impl PortState {
    fn of(number: u8) -> Self {
        match number {
            0 => Self::Disabled,
            1 => Self::Listening,
            2 => Self::Learning,
            3 => Self::Forwarding,
            _ => Self::Blocking,
        }
    }
}

/// What a driver counted (`struct rtnl_link_stats64`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames that came.
    pub rx: u64,
    /// Frames that went.
    pub tx: u64,
    /// Frames that came broken, of whatever kind.
    pub rx_errors: u64,
    /// Frames that could not be sent.
    pub tx_errors: u64,
    /// Frames that came and were not taken.
    pub rx_dropped: u64,
    /// Frames that were to go and did not.
    pub tx_dropped: u64,
    /// Frames whose sum is wrong.
    pub crc: u64,
    /// Frames of a broken form.
    pub frame: u64,
    /// Frames that came when the card had no room.
    pub overrun: u64,
    /// Frames that came when the machine was too slow.
    pub missed: u64,
    /// Frames that met another one on the wire.
    pub collisions: u64,
    /// Frames that met another one when it was too late.
    pub late_collisions: u64,
    /// Frames that lost the carrier while they went.
    pub carrier: u64,
}

impl Counters {
    fn parse(bytes: &[u8]) -> Self {
        let at = |place: usize| {
            let bytes = bytes.get(place * 8..).and_then(|rest| rest.first_chunk());
            bytes.copied().map_or(0, u64::from_ne_bytes)
        };
        Self {
            rx: at(0),
            tx: at(1),
            rx_errors: at(4),
            tx_errors: at(5),
            rx_dropped: at(6),
            tx_dropped: at(7),
            collisions: at(9),
            crc: at(12),
            frame: at(13),
            overrun: at(14),
            missed: at(15),
            carrier: at(17),
            late_collisions: at(20),
        }
    }
}

impl Interface {
    fn parse(message: &Message) -> Option<Self> {
        let mut interface = Self::of(Link::parse(message)?);
        let (mut stands_on, mut is_elsewhere) = (None, false);
        for (kind, value) in message.attributes(LINK) {
            match kind {
                IFLA_LINKINFO => interface.read_kind(value),
                IFLA_OPERSTATE => {
                    let state = value.first().copied().unwrap_or_default();
                    interface.operational = Operational::of(state);
                }
                IFLA_MTU => interface.mtu = number(value, 0)?,
                IFLA_CARRIER_DOWN_COUNT => interface.carrier_lost = number(value, 0),
                IFLA_STATS64 => interface.counters = Counters::parse(value),
                IFLA_MASTER => interface.master = number(value, 0),
                IFLA_LINK => stands_on = number(value, 0),
                IFLA_LINK_NETNSID => is_elsewhere = true,
                _ => {}
            }
        }
        let upon_another = UPON_ANOTHER.contains(&&*interface.kind) && !is_elsewhere;
        interface.below = stands_on.filter(|_| upon_another);
        Some(interface)
    }

    /// One of which nothing else is known.
    #[must_use]
    pub fn of(link: Link) -> Self {
        Self {
            link,
            kind: String::new(),
            operational: Operational::default(),
            mtu: 0,
            carrier_lost: None,
            counters: Counters::default(),
            below: None,
            vlan: None,
            master: None,
            part: None,
        }
    }

    fn read_kind(&mut self, info: &[u8]) {
        let mut of_part = "";
        for (kind, value) in attributes(info) {
            match kind {
                IFLA_INFO_KIND => self.kind = text(value).to_owned(),
                IFLA_INFO_DATA if self.kind == "vlan" => {
                    let id = attributes(value).find(|(kind, _)| *kind == IFLA_VLAN_ID);
                    let id = id.and_then(|(_, value)| value.first_chunk());
                    self.vlan = id.copied().map(u16::from_ne_bytes);
                }
                IFLA_INFO_SLAVE_KIND => of_part = text(value),
                IFLA_INFO_SLAVE_DATA => self.part = part(of_part, value),
                _ => {}
            }
        }
    }
}

fn part(kind: &str, data: &[u8]) -> Option<Part> {
    let byte = |wanted| {
        let found = attributes(data).find(|(kind, _)| *kind == wanted);
        found.and_then(|(_, value)| value.first().copied())
    };
    match kind {
        "bridge" => Some(Part::Port {
            state: PortState::of(byte(IFLA_BRPORT_STATE)?),
            isolated: byte(IFLA_BRPORT_ISOLATED).is_some_and(|set| set != 0),
        }),
        "bond" => Some(Part::Line {
            backup: byte(IFLA_BOND_SLAVE_STATE)? == BACKUP,
            dead: byte(IFLA_BOND_SLAVE_MII_STATUS)? == MII_DOWN,
        }),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> &str {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// All of them.
///
/// # Errors
/// Those of `rtnetlink(7)`.
pub fn all(netlink: &mut Netlink) -> io::Result<Vec<Interface>> {
    let all = netlink.list(&Request::link(libc::RTM_GETLINK, 0, 0))?;
    Ok(all.iter().filter_map(Interface::parse).collect())
}

/// The addresses of all of them, of both families.
///
/// # Errors
/// As [`all`].
pub fn addresses(netlink: &mut Netlink) -> io::Result<Vec<Held>> {
    let mut held = network::addresses(netlink, IpAddr::V4(Ipv4Addr::UNSPECIFIED))?;
    // A kernel without IPv6 has none of these.
    held.extend(network::addresses(netlink, IpAddr::V6(Ipv6Addr::UNSPECIFIED)).unwrap_or_default());
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_stand_where_the_kernel_puts_them() {
        let bytes: Vec<u8> = (0..25_u64).flat_map(u64::to_ne_bytes).collect();
        let counters = Counters::parse(&bytes);
        assert_eq!((counters.rx, counters.tx, counters.crc), (0, 1, 12));
        assert_eq!((counters.collisions, counters.late_collisions), (9, 20));
        // An older kernel counts less.
        assert_eq!(Counters::parse(&bytes[..16]).crc, 0);
    }

    #[test]
    fn what_a_port_of_a_bridge_and_a_line_of_a_bond_are_is_read() {
        let attribute = |kind: u16, value: u8| {
            let mut bytes = 5_u16.to_ne_bytes().to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.extend([value, 0, 0, 0]);
            bytes
        };
        let port = [attribute(1, 4), attribute(33, 1)].concat();
        let expected = Part::Port {
            state: PortState::Blocking,
            isolated: true,
        };
        assert_eq!(part("bridge", &port), Some(expected));
        let line = [attribute(1, 1), attribute(2, 0)].concat();
        let expected = Part::Line {
            backup: true,
            dead: false,
        };
        assert_eq!(part("bond", &line), Some(expected));
        assert_eq!(part("team", &line), None);
        assert_eq!(part("bond", &line[..7]), None);
    }

    #[test]
    fn this_machine_reaches_itself() {
        let mut netlink = Netlink::open().unwrap();
        let all = all(&mut netlink).unwrap();
        let own = all.iter().find(|interface| interface.link.is_loopback());
        let own = own.unwrap();
        assert!(own.link.is_up() && own.link.has_carrier() && own.mtu > 0);
        let held = addresses(&mut netlink).unwrap();
        assert!(
            held.iter()
                .any(|held| held.index == own.link.index && held.address.is_loopback())
        );
    }
}
