//! Addresses of host names, from the system's resolver.

use std::net::{IpAddr, ToSocketAddrs};

/// All addresses; none if the name cannot be resolved.
pub(super) fn addresses(name: &str) -> Vec<IpAddr> {
    let found = (name, 0).to_socket_addrs();
    let mut addresses: Vec<IpAddr> =
        found.map_or_else(|_| Vec::new(), |found| found.map(|a| a.ip()).collect());
    addresses.sort();
    addresses.dedup();
    addresses
}
