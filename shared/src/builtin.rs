//! Agents that are part of hbd: their names, and what the arguments of a resource say to them.
//!
//! The agents themselves are not here. They carry out what is read here, and `hactl check` reports
//! what cannot be read: so nothing is accepted that an agent would refuse.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

/// Agents that are part of hbd, so that they mean the same on each node: no script of such a name
/// is looked for.
pub const BUILT_IN_AGENTS: [&str; 7] = ["IPaddr", "IPaddr2", "IPv6addr", MAC, DUMMY, DELAY, HTTP];

/// Names of an address; it is spelled in the same way for all of them.
const ADDRESSES: [&str; 3] = ["IPaddr", "IPaddr2", "IPv6addr"];
const MAC: &str = "MACaddr";
const HTTP: &str = "Http";
const DELAY: &str = "Delay";
const DUMMY: &str = "Dummy";

/// What separates the arguments of a resource.
pub const SEPARATOR: &str = "::";

/// What a resource of a built-in agent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuiltIn {
    /// An address that moves from node to node.
    Address(ServiceAddress),
    /// A hardware address that does.
    Mac {
        /// The address.
        hardware: HardwareAddress,
        /// The interface that gets it.
        interface: String,
    },
    /// A server that listens there.
    Http(SocketAddr),
    /// Takes its time.
    Delay {
        /// To start.
        start: Duration,
        /// To stop.
        stop: Duration,
    },
    /// Does nothing.
    Dummy,
}

/// `ADDRESS[/BITS[/INTERFACE[/BROADCAST]]]` or `ADDRESS/BITS/BROADCAST`, as Heartbeat's `IPaddr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAddress {
    /// The address itself.
    pub ip: IpAddr,
    /// The bits of its network; without them those of the connected network are taken.
    pub prefix: Option<u8>,
    /// Its interface; without it the one of the connected network is taken.
    pub interface: Option<String>,
    /// If another than the last one of its network.
    pub broadcast: Option<Ipv4Addr>,
}

/// Why something is no resource of its agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misspelled {
    /// Whether it should be a service address.
    pub of_address: bool,
    /// What is wrong with it.
    pub why: &'static str,
    /// How it is spelled.
    pub expected: &'static str,
    /// Where that is, in bytes of the arguments with `::` between. Empty: in all of it.
    pub place: Range<usize>,
}

impl BuiltIn {
    /// What it says, if there is an agent of that name.
    pub fn parse(name: &str, arguments: &[String]) -> Result<Option<Self>, Misspelled> {
        match name {
            _ if ADDRESSES.contains(&name) || is_address(name) => {
                ServiceAddress::parse(name, arguments).map(Self::Address)
            }
            MAC => mac(arguments),
            HTTP => http(arguments),
            DELAY => delay(arguments),
            DUMMY => dummy(arguments),
            _ => return Ok(None),
        }
        .map(Some)
    }
}

/// As Heartbeat has it, for IPv4 only: many a word with an argument could be an address of IPv6.
fn is_address(name: &str) -> bool {
    let first = name.split('/').next();
    first.is_some_and(|text| text.parse::<Ipv4Addr>().is_ok())
}

fn mac(arguments: &[String]) -> Result<BuiltIn, Misspelled> {
    let wrong = |why, place| misspelled(why, "MACaddr::HARDWARE-ADDRESS::INTERFACE", place);
    let [address, interface] = arguments else {
        return Err(wrong("it takes an address and an interface", 0..0));
    };
    let hardware: HardwareAddress = address.parse().map_err(|_| {
        wrong(
            "an address is six pairs of digits, as 02:00:5e:00:00:01",
            argument(arguments, 0),
        )
    })?;
    if hardware.is_group() {
        return Err(wrong(
            "it is the address of a group",
            argument(arguments, 0),
        ));
    }
    Ok(BuiltIn::Mac {
        hardware,
        interface: interface.clone(),
    })
}

fn http(arguments: &[String]) -> Result<BuiltIn, Misspelled> {
    // As with addresses: what was taken for several arguments is one of IPv6.
    let text = arguments.join(SEPARATOR);
    let address = text.parse().map_err(|_| {
        let why = "it takes an address and a port, as 10.0.0.5:80 or [fd00::5]:80";
        misspelled(why, "Http::ADDRESS:PORT", 0..text.len())
    })?;
    Ok(BuiltIn::Http(address))
}

/// Without a second time it is the first.
fn delay(arguments: &[String]) -> Result<BuiltIn, Misspelled> {
    let wrong = |why, place| misspelled(why, "Delay::SECONDS::SECONDS", place);
    let times: Vec<Option<Duration>> = arguments.iter().map(|text| seconds(text)).collect();
    if let Some(at) = times.iter().position(Option::is_none) {
        return Err(wrong("it takes seconds", argument(arguments, at)));
    }
    match times[..] {
        [Some(both)] => Ok(BuiltIn::Delay {
            start: both,
            stop: both,
        }),
        [Some(start), Some(stop)] => Ok(BuiltIn::Delay { start, stop }),
        _ => Err(wrong("it takes one time or two", 0..0)),
    }
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

fn dummy(arguments: &[String]) -> Result<BuiltIn, Misspelled> {
    match arguments.len() {
        0 | 1 => Ok(BuiltIn::Dummy),
        _ => Err(misspelled(
            "it takes one word at most",
            "Dummy::WORD",
            argument(arguments, 1),
        )),
    }
}

fn misspelled(why: &'static str, expected: &'static str, place: Range<usize>) -> Misspelled {
    Misspelled {
        of_address: false,
        why,
        expected,
        place,
    }
}

/// Where an argument stands.
fn argument(arguments: &[String], at: usize) -> Range<usize> {
    let before = arguments[..at]
        .iter()
        .map(|text| text.len() + SEPARATOR.len());
    let start = before.sum();
    start..start + arguments[at].len()
}

impl ServiceAddress {
    /// Reads what a resource says: the agent's name, and what follows it. A resource that is
    /// written as an address only has that as its agent's name. `::` separates arguments, and one
    /// is all there is: where there are more, they are the parts of an IPv6 address.
    pub fn parse(agent: &str, arguments: &[String]) -> Result<Self, Misspelled> {
        let text = match arguments {
            [] => agent.to_owned(),
            parts => parts.join(SEPARATOR),
        };
        read_address(&text).map_err(|(why, part)| Misspelled {
            of_address: true,
            why,
            expected: "ADDRESS/BITS/INTERFACE/BROADCAST",
            place: match arguments {
                [] => 0..0,
                _ => part_of(&text, part),
            },
        })
    }
}

/// Where one of the parts between slashes stands.
fn part_of(text: &str, at: usize) -> Range<usize> {
    let mut start = 0;
    for (index, part) in text.split('/').enumerate() {
        if index == at {
            return start..start + part.len();
        }
        start += part.len() + 1;
    }
    0..0
}

/// What is wrong comes with the number of its part.
fn read_address(text: &str) -> Result<ServiceAddress, (&'static str, usize)> {
    let parts: Vec<&str> = text.split('/').collect();
    let ip: IpAddr = parts[0]
        .parse()
        .map_err(|_| ("it begins with no address", 0))?;
    check_single(ip).map_err(|why| (why, 0))?;
    let prefix = parts.get(1).map(|bits| prefix(ip, bits)).transpose();
    let third = parts.get(2).copied();
    let third_is_broadcast =
        third.is_some_and(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    let (interface, broadcast, used) = match ip.is_ipv4() && third_is_broadcast {
        true => (None, third, 3),
        false => (third, parts.get(3).copied(), 4),
    };
    if parts.len() > used {
        return Err(("there is one part too many", used));
    }
    if interface == Some("") {
        return Err(("the interface is empty", 2));
    }
    Ok(ServiceAddress {
        ip,
        prefix: prefix.map_err(|why| (why, 1))?,
        interface: interface.map(str::to_owned),
        broadcast: broadcast
            .map(|text| broadcast_of(ip, text))
            .transpose()
            .map_err(|why| (why, used - 1))?,
    })
}

fn check_single(ip: IpAddr) -> Result<(), &'static str> {
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

fn broadcast_of(ip: IpAddr, text: &str) -> Result<Ipv4Addr, &'static str> {
    if ip.is_ipv6() {
        return Err("IPv6 has no broadcast addresses");
    }
    text.parse()
        .map_err(|_| "the last part is no broadcast address")
}

/// The most bits that a network of such addresses can have.
#[must_use]
pub fn bits_max(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The hardware address of an interface that speaks Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HardwareAddress(pub [u8; 6]);

impl HardwareAddress {
    /// Whether it is that of several machines.
    #[must_use]
    pub fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for HardwareAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for HardwareAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "six pairs of hexadecimal digits with `:` between, as 02:00:5e:00:00:01";
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or(wrong)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong)?;
        }
        match parts.next() {
            None => Ok(Self(bytes)),
            Some(_) => Err(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_but_the_address_may_be_left_out() {
        let ip = "10.0.0.5".parse().unwrap();
        let address = |prefix, interface: Option<&str>, broadcast: Option<&str>| ServiceAddress {
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
            let found = ServiceAddress::parse("IPaddr2", &[text.to_owned()]).unwrap();
            assert_eq!(found, expected, "{text}");
            assert_eq!(
                ServiceAddress::parse(text, &[]).unwrap(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn an_interface_of_ipv6_may_begin_with_a_digit() {
        let found = ServiceAddress::parse("IPv6addr", &["fd00::5/64/6in4".to_owned()]).unwrap();
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
            let error = ServiceAddress::parse("IPaddr", &[text.to_owned()]).unwrap_err();
            assert_eq!(error.why, why, "{text}");
        }
    }

    #[test]
    fn an_ipv6_address_is_whole_again_after_it_was_taken_for_arguments() {
        let parts = ["fd00".to_owned(), "5/64/eth0".to_owned()];
        let found = ServiceAddress::parse("IPv6addr", &parts).unwrap();
        let spelled = ServiceAddress::parse("IPv6addr", &["fd00::5/64/eth0".to_owned()]);
        assert_eq!(found, spelled.unwrap());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (words, wrong) in [
            ("IPaddr::10.0.0", "10.0.0"),
            ("IPaddr::10.0.0.5/33/eth0", "33"),
            ("IPaddr::10.0.0.5/24/eth0/x", "x"),
            ("IPaddr::10.0.0.5/24/10.0.0.255/y", "y"),
            ("IPv6addr::fd00::5/129", "129"),
            ("IPaddr", ""),
            ("MACaddr::02:00:5e:00:00:01", ""),
            ("MACaddr::02:00::eth0", "02:00"),
            ("Http::10.0.0.5", "10.0.0.5"),
            ("Delay::1::soon", "soon"),
            ("Delay::1::2::3", ""),
            ("Dummy::a::b::c", "b"),
        ] {
            let (name, rest) = words.split_once("::").unwrap_or((words, ""));
            let arguments: Vec<String> = match rest {
                "" => Vec::new(),
                rest => rest.split("::").map(str::to_owned).collect(),
            };
            let error = BuiltIn::parse(name, &arguments).unwrap_err();
            assert_eq!(&rest[error.place], wrong, "{words}");
        }
    }

    #[test]
    fn what_http_listens_on_may_be_ipv6() {
        let parts = ["[fd00".to_owned(), "5]:80".to_owned()];
        let address = "[fd00::5]:80".parse().unwrap();
        let found = BuiltIn::parse(HTTP, &parts).unwrap();
        assert_eq!(found, Some(BuiltIn::Http(address)));
    }

    #[test]
    fn one_time_is_for_both() {
        let parse = |words: &[&str]| {
            let words: Vec<String> = words.iter().copied().map(str::to_owned).collect();
            BuiltIn::parse(DELAY, &words).unwrap().unwrap()
        };
        let millis = Duration::from_millis;
        let (start, stop) = (millis(1500), millis(1500));
        assert_eq!(parse(&["1.5"]), BuiltIn::Delay { start, stop });
        let stop = millis(0);
        assert_eq!(parse(&["1.5", "0"]), BuiltIn::Delay { start, stop });
    }

    #[test]
    fn a_hardware_address_is_written_as_it_is_read() {
        let text = "02:00:5e:00:0a:ff";
        let address: HardwareAddress = text.parse().unwrap();
        assert_eq!(address.0, [2, 0, 0x5e, 0, 0x0a, 0xff]);
        assert_eq!(address.to_string(), text);
        for wrong in [
            "",
            "02:00:5e:00:0a",
            "02:00:5e:00:0a:ff:1",
            "2:0:5e:0:a:f",
            "zz:00:5e:00:0a:ff",
        ] {
            assert!(wrong.parse::<HardwareAddress>().is_err(), "{wrong}");
        }
    }
}
