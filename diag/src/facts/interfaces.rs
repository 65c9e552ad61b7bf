//! Network interfaces, as far as a configuration needs them.

use std::io;
use std::net::IpAddr;

use hbd_agents::netlink::Netlink;
use shared::config::machine;

use super::links;

/// All interfaces with their addresses, or nothing if the system does not list them.
pub(super) fn all() -> Option<Vec<machine::Interface>> {
    read().ok()
}

fn read() -> io::Result<Vec<machine::Interface>> {
    let mut netlink = Netlink::open()?;
    let all = links::all(&mut netlink)?;
    let held = links::addresses(&mut netlink)?;
    let interfaces = all.into_iter().map(|interface| {
        let link = interface.link;
        let own = held.iter().filter(|held| held.index == link.index);
        let broadcast = own.clone().filter_map(|held| held.broadcast).collect();
        let addresses: Vec<IpAddr> = own.map(|held| held.address).collect();
        machine::Interface {
            up: link.is_up(),
            no_carrier: !link.has_carrier(),
            name: link.name,
            addresses,
            broadcast,
        }
    });
    Ok(interfaces.collect())
}
