//! On which interface an address belongs, and in which network, as the OCF agents find it: what a
//! resource does not spell is that of the connected network that contains the address.

use shared::builtin::bits_max;

use super::{Address, Error};
use crate::network::{Connected, Held, Link, network_of};

/// An interface, and the bits of the address's network there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) link: Link,
    pub(super) prefix: u8,
}

impl Place {
    /// Where an address is.
    pub(super) fn of((link, held): &(Link, Held)) -> Self {
        Self {
            link: link.clone(),
            prefix: held.prefix,
        }
    }

    /// Whether that is the address, there.
    pub(super) fn has(&self, address: &Address, held: &Held) -> bool {
        held.address == address.ip && held.index == self.link.index
    }
}

/// The place, if the resource spells all of it or the address leaves no choice.
pub(super) fn spelled(address: &Address, links: &[Link]) -> Result<Option<Place>, Error> {
    let link = match &address.interface {
        Some(name) => {
            let found = links.iter().find(|link| link.name == *name);
            Some(found.ok_or_else(|| Error::NoInterface {
                what: address.ip.to_string(),
                interface: name.clone(),
            })?)
        }
        None if address.ip.is_loopback() => links.iter().find(|link| link.is_loopback()),
        None => None,
    };
    let of_loopback = address
        .ip
        .is_loopback()
        .then_some(match address.ip.is_ipv4() {
            true => 8,
            false => 128,
        });
    let place = link.zip(address.prefix.or(of_loopback));
    Ok(place.map(|(link, prefix)| Place {
        link: link.clone(),
        prefix,
    }))
}

/// The place by the smallest connected network that contains the address: one that is not smaller
/// than the spelled bits, if there is one.
pub(super) fn by_routes(
    address: &Address,
    links: &[Link],
    connected: &[Connected],
) -> Result<Place, Error> {
    let link_of = |route: &Connected| {
        let mut links = links.iter();
        let link = links.find(|link| link.index == route.index)?;
        let spelled = address.interface.as_ref();
        spelled
            .is_none_or(|name| *name == link.name)
            .then_some(link)
    };
    let contains = |route: &Connected| {
        let bits = 1..bits_max(address.ip);
        bits.contains(&route.prefix) && network_of(address.ip, route.prefix) == route.network
    };
    let fits = |route: &Connected| address.prefix.is_none_or(|bits| route.prefix <= bits);
    let candidates = connected
        .iter()
        .filter(|route| contains(route))
        .filter_map(|route| Some((route, link_of(route)?)));
    let ambiguous = is_link_local(address) && address.interface.is_none();
    let best = candidates
        .min_by_key(|(route, _)| (!fits(route), u8::MAX - route.prefix, route.metric))
        .filter(|_| !ambiguous);
    let (route, link) = best.ok_or_else(|| Error::NoRoute {
        ip: address.ip,
        interface: address.interface.clone(),
    })?;
    Ok(Place {
        link: link.clone(),
        prefix: address.prefix.unwrap_or(route.prefix),
    })
}

/// Each interface has that network.
fn is_link_local(address: &Address) -> bool {
    match address.ip {
        std::net::IpAddr::V4(_) => false,
        std::net::IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_connected_network_gives_what_is_left_out() {
        assert_eq!(found("10.0.0.5"), "eth0/24");
        assert_eq!(found("10.9.0.5"), "eth0/8");
        assert_eq!(found("10.0.0.5/24"), "eth0/24");
        assert_eq!(found("fd00::5"), "eth1/64");
    }

    #[test]
    fn spelled_parts_are_taken_as_they_are() {
        assert_eq!(found("10.0.0.5/32"), "eth0/32");
        assert_eq!(found("10.0.0.5/24/eth1"), "eth1/24");
        assert_eq!(found("192.0.2.1/30/eth1"), "eth1/30");
        // The network of eth1 is too small.
        assert_eq!(found("10.1.0.5/16"), "eth0/16");
        assert_eq!(found("10.1.0.5"), "eth1/24");
        // Where only smaller ones are connected, they say the interface.
        assert_eq!(found("10.1.0.5/7"), "eth1/7");
    }

    #[test]
    fn an_interface_narrows_the_choice() {
        assert_eq!(found("fe80::5/64/eth1"), "eth1/64");
        let error = fails("10.0.0.5/24/eth7");
        assert_eq!(
            error,
            "there is no interface eth7 for 10.0.0.5; see `ip link`"
        );
        let mut address = address("192.0.2.1/24/eth1");
        address.prefix = None;
        let error = by_routes(&address, &links(), &routes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no connected network of eth1 contains 192.0.2.1: write the bits, as \
             192.0.2.1/24/eth1, or see `ip route`"
        );
    }

    #[test]
    fn of_equal_networks_the_one_with_the_lower_metric_is_taken() {
        assert_eq!(found("172.16.0.1"), "eth1/16");
    }

    #[test]
    fn default_and_host_routes_say_nothing() {
        assert_eq!(
            fails("192.0.2.1"),
            "no connected network contains 192.0.2.1: write 192.0.2.1/BITS/INTERFACE, or see \
             `ip route`"
        );
        assert_eq!(found("10.2.2.2"), "eth0/8");
    }

    #[test]
    fn link_local_addresses_need_an_interface() {
        assert!(fails("fe80::5").contains("write fe80::5/BITS/INTERFACE"));
    }

    #[test]
    fn the_loopback_interface_has_no_routes_and_needs_none() {
        assert_eq!(found("127.0.0.5"), "lo/8");
        assert_eq!(found("127.0.0.5/32"), "lo/32");
    }

    fn found(text: &str) -> String {
        let place = of(text).unwrap();
        format!("{}/{}", place.link.name, place.prefix)
    }

    fn fails(text: &str) -> String {
        of(text).unwrap_err().to_string()
    }

    fn of(text: &str) -> Result<Place, Error> {
        let address = address(text);
        match spelled(&address, &links())? {
            Some(place) => Ok(place),
            None => by_routes(&address, &links(), &routes()),
        }
    }

    fn address(text: &str) -> Address {
        Address::parse("IPaddr", &[text.to_owned()]).unwrap()
    }

    fn links() -> Vec<Link> {
        let link = |index, name: &str, flags: libc::c_int| Link {
            index,
            name: name.into(),
            flags: flags.cast_unsigned(),
            ethernet: true,
            hardware: None,
            promotes: false,
            routes: false,
        };
        vec![
            link(1, "lo", libc::IFF_UP | libc::IFF_LOOPBACK),
            link(2, "eth0", libc::IFF_UP),
            link(3, "eth1", libc::IFF_UP),
        ]
    }

    fn routes() -> Vec<Connected> {
        let route = |network: &str, prefix, index, metric| Connected {
            network: network.parse().unwrap(),
            prefix,
            index,
            metric,
        };
        vec![
            route("0.0.0.0", 0, 2, 0),
            route("10.0.0.0", 8, 2, 0),
            route("10.0.0.0", 24, 2, 0),
            route("10.1.0.0", 24, 3, 0),
            route("10.2.2.2", 32, 3, 0),
            route("172.16.0.0", 16, 2, 200),
            route("172.16.0.0", 16, 3, 100),
            route("fd00::", 64, 3, 256),
            route("fe80::", 64, 2, 256),
            route("fe80::", 64, 3, 256),
        ]
    }
}
