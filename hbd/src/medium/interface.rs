//! The network interfaces of this machine at one moment.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    /// Its name.
    pub(crate) name: String,
    /// Its number; a new one each time an interface is made.
    pub(crate) index: u32,
    /// True while it is administratively up.
    pub(crate) up: bool,
    /// Its IPv4 addresses.
    pub(crate) v4: Vec<Address4>,
    /// Its IPv6 addresses, those not yet proven to be free of duplicates left out: nothing can be
    /// sent from them (RFC 4862, 5.4).
    pub(crate) v6: Vec<Ipv6Addr>,
}

/// An IPv4 address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address4 {
    /// The address.
    pub(crate) address: Ipv4Addr,
    /// Its network mask.
    pub(crate) mask: Ipv4Addr,
    /// The broadcast address the interface was given, if any.
    pub(crate) broadcast: Option<Ipv4Addr>,
}

impl Address4 {
    /// The broadcast address given, else the last one of the network. Networks of one or two
    /// addresses have none (RFC 3021).
    pub(crate) fn broadcast(&self) -> Option<Ipv4Addr> {
        let mask = u32::from(self.mask);
        self.broadcast.or_else(|| {
            (mask.leading_ones() < 31).then(|| Ipv4Addr::from(u32::from(self.address) | !mask))
        })
    }
}

/// Where the kernel shows the state of IPv6 addresses, which `getifaddrs(3)` leaves out.
const TABLE_6: &str = "/proc/net/if_inet6";
/// `IFA_F_TENTATIVE` and `IFA_F_DADFAILED` of `linux/if_addr.h`.
const UNUSABLE: u32 = 0x40 | 0x08;

/// Interface number and address of a line about an address that cannot be used:
/// `fe80...01 02 40 20 40     eth0`, all numbers hexadecimal.
fn unusable(line: &str) -> Option<(u32, Ipv6Addr)> {
    let mut words = line.split_whitespace();
    let address = u128::from_str_radix(words.next()?, 16).ok()?;
    let mut numbers = words.map_while(|word| u32::from_str_radix(word, 16).ok());
    let index = numbers.next()?;
    let flags = numbers.nth(2)?;
    (flags & UNUSABLE != 0).then(|| (index, Ipv6Addr::from(address)))
}

/// All interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interfaces(pub(crate) Vec<Interface>);

impl Interfaces {
    /// Reads them from the kernel.
    pub(crate) fn read() -> io::Result<Self> {
        let mut all = Self::default();
        for entry in getifaddrs()? {
            all.add(&entry);
        }
        if let Ok(table) = fs::read_to_string(TABLE_6) {
            let unusable: Vec<_> = table.lines().filter_map(unusable).collect();
            for interface in &mut all.0 {
                let index = interface.index;
                interface.v6.retain(|a| !unusable.contains(&(index, *a)));
            }
        }
        Ok(all)
    }

    /// The one of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&Interface> {
        self.0.iter().find(|interface| interface.name == name)
    }

    /// The one of that number.
    pub(crate) fn numbered(&self, index: u32) -> Option<&Interface> {
        self.0.iter().find(|interface| interface.index == index)
    }

    /// Adds what one entry says. An address with a label (`eth0:1`) belongs to the interface
    /// before the colon.
    fn add(&mut self, entry: &InterfaceAddress) {
        let name = entry
            .interface_name
            .split_once(':')
            .map_or(entry.interface_name.as_str(), |(device, _)| device);
        if self.get(name).is_none() {
            // Gone since the list was made: the next change notice brings another list.
            let Ok(index) = if_nametoindex(name) else {
                return;
            };
            self.0.push(Interface {
                name: name.to_owned(),
                index,
                up: entry.flags.contains(InterfaceFlags::IFF_UP),
                v4: Vec::new(),
                v6: Vec::new(),
            });
        }
        let Some(interface) = self.0.iter_mut().find(|known| known.name == name) else {
            return;
        };
        let Some(address) = &entry.address else {
            return;
        };
        let v4 = |address: Option<&nix::sys::socket::SockaddrStorage>| {
            address.and_then(|a| a.as_sockaddr_in()).map(|a| a.ip())
        };
        if let Some(address) = address.as_sockaddr_in() {
            let own = address.ip();
            interface.v4.push(Address4 {
                address: own,
                mask: v4(entry.netmask.as_ref()).unwrap_or(Ipv4Addr::BROADCAST),
                // Glibc repeats the address itself where there is none.
                broadcast: v4(entry.broadcast.as_ref())
                    .filter(|b| !b.is_unspecified() && *b != own),
            });
        } else if let Some(address) = address.as_sockaddr_in6() {
            interface.v6.push(address.ip());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str, mask: &str, broadcast: Option<&str>) -> Address4 {
        Address4 {
            address: text.parse().unwrap(),
            mask: mask.parse().unwrap(),
            broadcast: broadcast.map(|b| b.parse().unwrap()),
        }
    }

    #[test]
    fn the_given_broadcast_address_wins() {
        let given = address("10.1.2.3", "255.255.255.0", Some("10.1.255.255"));
        assert_eq!(given.broadcast(), Some("10.1.255.255".parse().unwrap()));
    }

    #[test]
    fn without_one_it_is_the_last_of_the_network() {
        let plain = address("10.1.2.3", "255.255.252.0", None);
        assert_eq!(plain.broadcast(), Some("10.1.3.255".parse().unwrap()));
    }

    #[test]
    fn a_network_of_one_or_two_addresses_has_none() {
        assert_eq!(
            address("10.0.0.1", "255.255.255.255", None).broadcast(),
            None
        );
        assert_eq!(
            address("10.0.0.1", "255.255.255.254", None).broadcast(),
            None
        );
    }

    #[test]
    fn a_tentative_ipv6_address_cannot_be_used_yet() {
        let line = |flags| format!("fe800000000000000000000000000001 02 40 20 {flags}     eth0");
        let address = "fe80::1".parse().unwrap();
        assert_eq!(unusable(&line("40")), Some((2, address)));
        assert_eq!(unusable(&line("c8")), Some((2, address)));
        assert_eq!(unusable(&line("80")), None);
        assert_eq!(unusable("nonsense"), None);
    }

    #[test]
    fn this_machine_has_a_loopback_interface() {
        let all = Interfaces::read().unwrap();
        let lo = all.get("lo").expect("every Linux machine has lo");
        assert_eq!(all.numbered(lo.index), Some(lo));
    }
}
