//! `ADDRESS[/BITS[/INTERFACE[/BROADCAST]]]` or `ADDRESS/BITS/BROADCAST`, as Heartbeat's `IPaddr`.

use std::net::{IpAddr, Ipv4Addr};

use super::{Address, Error};
use crate::network::bits_max;

impl Address {
    /// Reads what a resource says: the agent's name, and what follows it. A resource that is
    /// written as an address only has that as its agent's name. `::` separates arguments, and one
    /// is all there is: where there are more, they are the parts of an IPv6 address.
    pub fn parse(agent: &str, arguments: &[String]) -> Result<Self, Error> {
        let text = match arguments {
            [] => agent.to_owned(),
            parts => parts.join("::"),
        };
        let whole = || [&[agent.to_owned()], arguments].concat().join("::");
        read(&text).map_err(|why| Error::Spelling {
            text: whole(),
            what: "service address",
            why,
            expected: "ADDRESS/BITS/INTERFACE/BROADCAST",
        })
    }
}

fn read(text: &str) -> Result<Address, &'static str> {
    let parts: Vec<&str> = text.split('/').collect();
    let ip: IpAddr = parts[0].parse().map_err(|_| "it begins with no address")?;
    check(ip)?;
    let third = parts.get(2).copied();
    let third_is_broadcast =
        third.is_some_and(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    let (interface, broadcast, used) = match ip.is_ipv4() && third_is_broadcast {
        true => (None, third, 3),
        false => (third, parts.get(3).copied(), 4),
    };
    if parts.len() > used {
        return Err("there is one part too many");
    }
    if interface == Some("") {
        return Err("the interface is empty");
    }
    Ok(Address {
        ip,
        prefix: parts.get(1).map(|bits| prefix(ip, bits)).transpose()?,
        interface: interface.map(str::to_owned),
        broadcast: broadcast.map(|text| of_broadcast(ip, text)).transpose()?,
    })
}

fn check(ip: IpAddr) -> Result<(), &'static str> {
    let everyone = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    match ip.is_unspecified() || ip.is_multicast() || everyone {
        true => Err("no single machine can have this address"),
        false => Ok(()),
    }
}

fn prefix(ip: IpAddr, text: &str) -> Result<u8, &'static str> {
    let bits = text.parse().ok();
    let allowed = bits.filter(|bits| (1..=bits_max(ip)).contains(bits));
    allowed.ok_or(match ip {
        IpAddr::V4(_) => "the bits must be 1 to 32",
        IpAddr::V6(_) => "the bits must be 1 to 128",
    })
}

fn of_broadcast(ip: IpAddr, text: &str) -> Result<Ipv4Addr, &'static str> {
    if ip.is_ipv6() {
        return Err("IPv6 has no broadcast addresses");
    }
    text.parse()
        .map_err(|_| "the last part is no broadcast address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_but_the_address_may_be_left_out() {
        let ip = "10.0.0.5".parse().unwrap();
        let address = |prefix, interface: Option<&str>, broadcast: Option<&str>| Address {
            ip,
            prefix,
            interface: interface.map(str::to_owned),
            broadcast: broadcast.map(|text| text.parse().unwrap()),
        };
        for (text, expected) in [
            ("10.0.0.5", address(None, None, None)),
            ("10.0.0.5/24", address(Some(24), None, None)),
            ("10.0.0.5/24/eth0", address(Some(24), Some("eth0"), None)),
            (
                "10.0.0.5/24/eth0/10.0.0.255",
                address(Some(24), Some("eth0"), Some("10.0.0.255")),
            ),
            (
                "10.0.0.5/24/10.0.0.255",
                address(Some(24), None, Some("10.0.0.255")),
            ),
        ] {
            let found = Address::parse("IPaddr2", &[text.to_owned()]).unwrap();
            assert_eq!(found, expected, "{text}");
            assert_eq!(Address::parse(text, &[]).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn an_interface_of_ipv6_may_begin_with_a_digit() {
        let found = Address::parse("IPv6addr", &["fd00::5/64/6in4".to_owned()]).unwrap();
        assert_eq!(found.ip, "fd00::5".parse::<IpAddr>().unwrap());
        assert_eq!(found.prefix, Some(64));
        assert_eq!(found.interface.as_deref(), Some("6in4"));
    }

    #[test]
    fn what_is_no_address_says_why() {
        for (text, why) in [
            ("", "it begins with no address"),
            ("eth0", "it begins with no address"),
            ("10.0.0/24", "it begins with no address"),
            ("0.0.0.0", "no single machine can have this address"),
            ("224.0.0.1", "no single machine can have this address"),
            ("255.255.255.255", "no single machine can have this address"),
            ("ff02::1", "no single machine can have this address"),
            ("10.0.0.5/0", "the bits must be 1 to 32"),
            ("10.0.0.5/33", "the bits must be 1 to 32"),
            ("10.0.0.5/255.255.255.0", "the bits must be 1 to 32"),
            ("fd00::5/129", "the bits must be 1 to 128"),
            ("10.0.0.5/24/", "the interface is empty"),
            (
                "10.0.0.5/24/eth0/x",
                "the last part is no broadcast address",
            ),
            (
                "10.0.0.5/24/10.0.0",
                "the last part is no broadcast address",
            ),
            (
                "fd00::5/64/eth0/10.0.0.255",
                "IPv6 has no broadcast addresses",
            ),
            (
                "10.0.0.5/24/eth0/10.0.0.255/x",
                "there is one part too many",
            ),
            ("10.0.0.5/24/10.0.0.255/x", "there is one part too many"),
        ] {
            let error = Address::parse("IPaddr", &[text.to_owned()]).unwrap_err();
            let expected = format!(
                "`IPaddr::{text}` is no service address: {why}; write \
                 ADDRESS/BITS/INTERFACE/BROADCAST"
            );
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn an_ipv6_address_is_whole_again_after_it_was_taken_for_arguments() {
        let parts = ["fd00".to_owned(), "5/64/eth0".to_owned()];
        let found = Address::parse("IPv6addr", &parts).unwrap();
        let spelled = Address::parse("IPv6addr", &["fd00::5/64/eth0".to_owned()]);
        assert_eq!(found, spelled.unwrap());
    }
}
