//! Network interfaces, from `getifaddrs(3)`.

use std::net::IpAddr;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;
use shared::config::machine::Interface;

/// All interfaces with their addresses, or nothing if the system does not list them.
pub(super) fn all() -> Option<Vec<Interface>> {
    let mut interfaces: Vec<Interface> = Vec::new();
    for entry in getifaddrs().ok()? {
        let at = match interfaces
            .iter()
            .position(|i| i.name == entry.interface_name)
        {
            Some(at) => at,
            None => {
                interfaces.push(Interface {
                    name: entry.interface_name.clone(),
                    up: entry.flags.contains(InterfaceFlags::IFF_UP),
                    no_carrier: !entry.flags.contains(InterfaceFlags::IFF_RUNNING),
                    ..Interface::default()
                });
                interfaces.len() - 1
            }
        };
        add_address(&mut interfaces[at], &entry);
    }
    Some(interfaces)
}

fn add_address(interface: &mut Interface, entry: &InterfaceAddress) {
    interface
        .addresses
        .extend(entry.address.as_ref().and_then(ip));
    if entry.flags.contains(InterfaceFlags::IFF_BROADCAST)
        && let Some(IpAddr::V4(broadcast)) = entry.broadcast.as_ref().and_then(ip)
    {
        interface.broadcast.push(broadcast);
    }
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
}
