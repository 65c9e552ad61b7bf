//! What the kernel says of its interfaces, their addresses and the routes over them, and what is
//! asked of it. Facts are plain values, so that what follows from them needs no network.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use shared::builtin::HardwareAddress;

use crate::netlink::{ADDRESS, LINK, Message, Netlink, ROUTE, Request, attributes, number};

// linux/if_link.h; the places in the lists are those of linux/ip.h and linux/ipv6.h.
const IFLA_INET_CONF: u16 = 1;
const IFLA_INET6_CONF: u16 = 2;
const IPV4_DEVCONF_PROMOTE_SECONDARIES: u16 = 20;
const DEVCONF_FORWARDING: usize = 0;
// linux/if_addr.h
const IFA_PROTO: u16 = 11;
/// A lifetime that does not end.
pub(crate) const FOREVER: u32 = u32::MAX;

const AF_INET: u16 = libc::AF_INET as u16;
const AF_INET6: u16 = libc::AF_INET6 as u16;

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `IFF_*`.
    pub flags: u32,
    /// Whether it carries Ethernet frames.
    pub ethernet: bool,
    /// Its own.
    pub hardware: Option<HardwareAddress>,
    /// Whether the second IPv4 address of a network outlives the first.
    pub promotes: bool,
    /// Whether this machine is an IPv6 router there.
    pub routes: bool,
}

impl Link {
    /// What `RTM_NEWLINK` says.
    #[must_use]
    pub fn parse(message: &Message) -> Option<Self> {
        let mut link = Self {
            index: message.number(4)?,
            name: String::new(),
            flags: message.number(8)?,
            ethernet: message.body.get(2..4)? == libc::ARPHRD_ETHER.to_ne_bytes(),
            hardware: None,
            promotes: false,
            routes: false,
        };
        for (kind, value) in message.attributes(LINK) {
            match kind {
                libc::IFLA_IFNAME => link.name = text(value),
                libc::IFLA_ADDRESS => link.hardware = value.try_into().ok().map(HardwareAddress),
                libc::IFLA_AF_SPEC => link.read_settings(value),
                _ => {}
            }
        }
        Some(link)
    }

    fn read_settings(&mut self, families: &[u8]) {
        for (family, settings) in attributes(families) {
            for (kind, list) in attributes(settings) {
                let is_on = |at: usize| number(list, at * 4).is_some_and(|value| value != 0);
                match (family, kind) {
                    (AF_INET, IFLA_INET_CONF) => {
                        self.promotes = is_on(usize::from(IPV4_DEVCONF_PROMOTE_SECONDARIES) - 1);
                    }
                    (AF_INET6, IFLA_INET6_CONF) => self.routes = is_on(DEVCONF_FORWARDING),
                    _ => {}
                }
            }
        }
    }

    /// Whether it is switched on.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.has(libc::IFF_UP)
    }

    /// Whether something is at the other end of its cable.
    #[must_use]
    pub fn has_carrier(&self) -> bool {
        self.has(libc::IFF_LOWER_UP)
    }

    /// Whether it leads to this machine alone.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.has(libc::IFF_LOOPBACK)
    }

    /// The hardware address by which neighbours reach it, if they ask for one.
    #[must_use]
    pub fn neighbour_address(&self) -> Option<HardwareAddress> {
        let asked_for = self.ethernet && !self.is_loopback() && !self.has(libc::IFF_NOARP);
        self.hardware.filter(|_| asked_for)
    }

    fn has(&self, flag: libc::c_int) -> bool {
        self.flags & flag.cast_unsigned() != 0
    }
}

/// An address that an interface has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The number of the interface.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// The bits of its network.
    pub prefix: u8,
    /// The broadcast address of that network, where it has one.
    pub broadcast: Option<Ipv4Addr>,
    /// `IFA_F_*`.
    pub flags: u32,
    /// Who put it there (`IFA_PROTO`), if the kernel says it.
    pub protocol: Option<u8>,
    /// Seconds until the kernel takes it away.
    pub valid: u32,
}

impl Held {
    fn parse(message: &Message) -> Option<Self> {
        let [family, prefix, flags, _scope, ..] = message.body[..] else {
            return None;
        };
        let (mut own, mut peer) = (None, None);
        let mut held = Self {
            index: message.number(4)?,
            address: Ipv4Addr::UNSPECIFIED.into(),
            prefix,
            broadcast: None,
            flags: flags.into(),
            protocol: None,
            valid: FOREVER,
        };
        for (kind, value) in message.attributes(ADDRESS) {
            match kind {
                libc::IFA_LOCAL => own = address(family, value),
                libc::IFA_ADDRESS => peer = address(family, value),
                libc::IFA_BROADCAST => {
                    held.broadcast = <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from)
                }
                libc::IFA_FLAGS => held.flags = number(value, 0)?,
                libc::IFA_CACHEINFO => held.valid = number(value, 4)?,
                IFA_PROTO => held.protocol = value.first().copied(),
                _ => {}
            }
        }
        held.address = own.or(peer)?;
        Some(held)
    }

    /// Whether that flag of its is set.
    #[must_use]
    pub fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Whether a machine with that address is reached without a gateway.
    #[must_use]
    pub fn reaches(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && network_of(self.address, self.prefix) == network_of(address, self.prefix)
    }
}

/// A network that is reached over an interface without a gateway, by the main table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connected {
    pub(crate) network: IpAddr,
    pub(crate) prefix: u8,
    /// The number of the interface.
    pub(crate) index: u32,
    /// Of two that are the same, the lower one counts.
    pub(crate) metric: u32,
}

impl Connected {
    fn parse(message: &Message) -> Option<Self> {
        let [family, prefix, _, _, table, _, _, kind, ..] = message.body[..] else {
            return None;
        };
        let (mut network, mut index, mut metric) = (None, None, 0);
        let mut table = u32::from(table);
        for (kind, value) in message.attributes(ROUTE) {
            match kind {
                libc::RTA_DST => network = address(family, value),
                libc::RTA_OIF => index = number(value, 0),
                libc::RTA_PRIORITY => metric = number(value, 0)?,
                libc::RTA_TABLE => table = number(value, 0)?,
                libc::RTA_GATEWAY | libc::RTA_VIA | libc::RTA_MULTIPATH => return None,
                _ => {}
            }
        }
        let main = table == u32::from(libc::RT_TABLE_MAIN) && kind == libc::RTN_UNICAST;
        Some(Self {
            network: network.filter(|_| main)?,
            prefix,
            index: index?,
            metric,
        })
    }
}

/// What else an address is put there with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) broadcast: Option<Ipv4Addr>,
    /// `IFA_F_*`.
    pub(crate) flags: u32,
    /// Who puts it there.
    pub(crate) protocol: u8,
    /// Seconds until the kernel takes it away.
    pub(crate) valid: u32,
}

/// All interfaces.
pub(crate) fn links(netlink: &mut Netlink) -> io::Result<Vec<Link>> {
    let all = netlink.list(&Request::link(libc::RTM_GETLINK, 0, 0))?;
    Ok(all.iter().filter_map(Link::parse).collect())
}

/// All addresses of the family of that one.
///
/// # Errors
/// Those of `rtnetlink(7)`.
pub fn addresses(netlink: &mut Netlink, like: IpAddr) -> io::Result<Vec<Held>> {
    let mut request = Request::new(libc::RTM_GETADDR, 0);
    request.raw(&[family(like), 0, 0, 0, 0, 0, 0, 0]);
    let all = netlink.list(&request)?;
    Ok(all.iter().filter_map(Held::parse).collect())
}

/// All connected networks of the family of that address.
pub(crate) fn connected(netlink: &mut Netlink, like: IpAddr) -> io::Result<Vec<Connected>> {
    let mut request = Request::new(libc::RTM_GETROUTE, 0);
    request.raw(&[family(like), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let all = netlink.list(&request)?;
    Ok(all.iter().filter_map(Connected::parse).collect())
}

/// Puts an address on an interface.
pub(crate) fn add(
    netlink: &mut Netlink,
    (index, address, prefix): (u32, IpAddr, u8),
    manner: Manner,
    how: u16,
) -> io::Result<()> {
    let scope = match address.is_loopback() {
        true => libc::RT_SCOPE_HOST,
        false => libc::RT_SCOPE_UNIVERSE,
    };
    let mut request = about(libc::RTM_NEWADDR, how, (index, address, prefix), scope);
    if let Some(broadcast) = manner.broadcast {
        request.attribute(libc::IFA_BROADCAST, &broadcast.octets());
    }
    request.attribute(libc::IFA_FLAGS, &manner.flags.to_ne_bytes());
    request.attribute(IFA_PROTO, &[manner.protocol]);
    // Preferred and valid, then two times that the kernel fills in.
    request.nest(libc::IFA_CACHEINFO, |lifetimes| {
        for seconds in [manner.valid, manner.valid, 0, 0] {
            lifetimes.raw(&seconds.to_ne_bytes());
        }
    });
    netlink.order(request)
}

/// Takes an address away from its interface.
pub(crate) fn remove(netlink: &mut Netlink, held: &Held) -> io::Result<()> {
    let what = (held.index, held.address, held.prefix);
    netlink.order(about(libc::RTM_DELADDR, 0, what, 0))
}

fn about(kind: u16, how: u16, (index, address, prefix): (u32, IpAddr, u8), scope: u8) -> Request {
    let mut request = Request::new(kind, how);
    request.raw(&[family(address), prefix, 0, scope]);
    request.raw(&index.to_ne_bytes());
    for kind in [libc::IFA_LOCAL, libc::IFA_ADDRESS] {
        match address {
            IpAddr::V4(address) => request.attribute(kind, &address.octets()),
            IpAddr::V6(address) => request.attribute(kind, &address.octets()),
        }
    }
    request
}

/// Lets the second IPv4 address of a network on that interface outlive the first.
pub(crate) fn promote(netlink: &mut Netlink, link: &Link) -> io::Result<()> {
    let mut request = Request::link(libc::RTM_SETLINK, 0, link.index);
    request.nest(libc::IFLA_AF_SPEC, |families| {
        families.nest(AF_INET, |settings| {
            settings.nest(IFLA_INET_CONF, |list| {
                list.attribute(IPV4_DEVCONF_PROMOTE_SECONDARIES, &1_u32.to_ne_bytes());
            });
        });
    });
    netlink.order(request)
}

/// Switches an interface on.
pub(crate) fn raise(netlink: &mut Netlink, link: &Link) -> io::Result<()> {
    let mut request = Request::link(libc::RTM_NEWLINK, 0, link.index);
    request.set_up(true);
    netlink.order(request)
}

/// Gives an interface another hardware address.
pub(crate) fn set_hardware(
    netlink: &mut Netlink,
    link: &Link,
    hardware: HardwareAddress,
) -> io::Result<()> {
    let mut request = Request::link(libc::RTM_NEWLINK, 0, link.index);
    request.attribute(libc::IFLA_ADDRESS, &hardware.0);
    netlink.order(request)
}

/// The first bits of an address.
pub(crate) fn network_of(address: IpAddr, prefix: u8) -> IpAddr {
    let left_out = |bits: u32| bits.saturating_sub(prefix.into());
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(left_out(32)).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(left_out(128)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

fn family(address: IpAddr) -> u8 {
    let family = if address.is_ipv4() { AF_INET } else { AF_INET6 };
    family.to_le_bytes()[0]
}

fn address(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match u16::from(family) {
        AF_INET => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        AF_INET6 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_the_first_bits_of_its_addresses() {
        for (address, prefix, network) in [
            ("10.1.2.3", 24, "10.1.2.0"),
            ("10.1.2.3", 32, "10.1.2.3"),
            ("10.1.2.3", 0, "0.0.0.0"),
            ("fd00::1:2", 64, "fd00::"),
            ("fd00::1:2", 128, "fd00::1:2"),
            ("fd00::1:2", 0, "::"),
        ] {
            let network: IpAddr = network.parse().unwrap();
            assert_eq!(network_of(address.parse().unwrap(), prefix), network);
        }
    }

    #[test]
    fn every_machine_has_itself() {
        let mut netlink = Netlink::open().unwrap();
        let links = links(&mut netlink).unwrap();
        let own = links.iter().find(|link| link.name == "lo").unwrap();
        assert!(own.is_loopback() && own.neighbour_address().is_none());
        // Whatever is there can be read.
        addresses(&mut netlink, Ipv4Addr::LOCALHOST.into()).unwrap();
        connected(&mut netlink, Ipv6Addr::LOCALHOST.into()).unwrap();
    }
}
