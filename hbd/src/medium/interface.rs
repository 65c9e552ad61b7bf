//! The network interfaces of this machine at one moment.

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
    /// Its IPv6 addresses.
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
            interface.v4.push(Address4 {
                address: address.ip(),
                mask: v4(entry.netmask.as_ref()).unwrap_or(Ipv4Addr::BROADCAST),
                broadcast: v4(entry.broadcast.as_ref()).filter(|b| !b.is_unspecified()),
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
    fn this_machine_has_a_loopback_interface() {
        let all = Interfaces::read().unwrap();
        let lo = all.get("lo").expect("every Linux machine has lo");
        assert_eq!(all.numbered(lo.index), Some(lo));
    }
}
