//! The directives that name media, each line into the draft.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pnet_base::MacAddr;

use super::{
    BAUD_DEFAULT, ETHER_GROUP_DEFAULT, ETHERTYPE_DEFAULT, MCAST_TTL_MAX, MEDIA_LINES_MAX,
    MediaDraft,
};
use crate::config::diagnostic::Code;
use crate::config::draft::Given;
use crate::config::lex::{BLANKS, Word};
use crate::config::machine::{Need, Subject};
use crate::config::model::{Host, MediumKind, Peer6};
use crate::config::reader::Reader;
use crate::config::source::Span;
use crate::names::NodeName;

pub(in crate::config) fn udpport(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
    let port = reader.port(word);
    if let (Given::Set(..), Some(first)) = (port, reader.draft.media.first) {
        reader
            .report
            .at(
                Code::UdpportLate,
                reader.at,
                "`udpport` stands below a medium",
            )
            .label("does not change the port of the kinds of media above it")
            .related(first, "first medium here")
            .remedy("move it above all media");
    }
    if let Given::Set(port, span) = port {
        reader.mention(span, Subject::Port(port));
    }
    reader.draft.media.udpport = port;
}

pub(in crate::config) fn bcast(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
    let Some(device) = device(reader, word, Need::Broadcast) else {
        return;
    };
    let media = &mut reader.draft.media;
    let port = MediaDraft::default_port(media.udpport, &mut media.bcast_port);
    add(reader, device, MediumKind::Bcast { port }, word.span);
}

pub(in crate::config) fn mcast(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
    let Some([dev, group, port, ttl, loopback]) = reader.exactly::<5>(rest) else {
        reader.draft.media.broken = true;
        return;
    };
    let device = device(reader, &dev, Need::Address4);
    let group = match group.text.parse::<Ipv4Addr>() {
        Ok(address) if address.is_multicast() => Some(address),
        _ => {
            reader.bad_address(&group, "must be 224.0.0.0 to 239.255.255.255");
            None
        }
    };
    let port = reader.port(&port).set();
    let ttl = reader.byte(&ttl, 0, MCAST_TTL_MAX).set();
    let loopback = reader.byte(&loopback, 0, 1).set();
    let kind = (|| {
        Some(MediumKind::Mcast {
            group: group?,
            port: port?,
            ttl: ttl?,
            loopback: loopback? == 1,
        })
    })();
    add_if(reader, device, kind, span_of(rest));
}

pub(in crate::config) fn mcast6(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
    let Some([dev, group, port, ttl, loopback]) = reader.exactly::<5>(rest) else {
        reader.draft.media.broken = true;
        return;
    };
    let device = device(reader, &dev, Need::Address6);
    let group = match group.text.parse::<Ipv6Addr>() {
        Ok(address) if address.is_multicast() => Some(address),
        _ => {
            reader.bad_address(&group, "must be an IPv6 multicast address, in ff00::/8");
            None
        }
    };
    let port = reader.port(&port).set();
    let ttl = reader.byte(&ttl, 0, u8::MAX).set();
    let loopback = reader.byte(&loopback, 0, 1).set();
    let kind = (|| {
        Some(MediumKind::Mcast6 {
            group: group?,
            port: port?,
            ttl: ttl?,
            loopback: loopback? == 1,
        })
    })();
    add_if(reader, device, kind, span_of(rest));
}

pub(in crate::config) fn ucast(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
    let Some([dev, host]) = reader.exactly::<2>(rest) else {
        reader.draft.media.broken = true;
        return;
    };
    let device = device(reader, &dev, Need::Exists);
    let host = ucast_host(reader, &host, dev.text);
    let media = &mut reader.draft.media;
    let port = MediaDraft::default_port(media.udpport, &mut media.ucast_port);
    let kind = host.map(|host| MediumKind::Ucast {
        port,
        peers: vec![host],
        listen: None,
    });
    add_if(reader, device, kind, span_of(rest));
}

/// The speeds that a Heartbeat takes.
const BAUDS: [(&str, u32); 7] = [
    ("9600", 9_600),
    ("19200", 19_200),
    ("38400", 38_400),
    ("57600", 57_600),
    ("115200", 115_200),
    ("230400", 230_400),
    ("460800", 460_800),
];

pub(in crate::config) fn baud(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
    let lines = &reader.draft.media.lines;
    let first = lines
        .iter()
        .find(|(_, kind, _)| matches!(kind, MediumKind::Serial { .. }));
    if let Some((_, _, first)) = first {
        let first = *first;
        reader
            .report
            .at(
                Code::BaudLate,
                reader.at,
                "`baud` stands below a serial line",
            )
            .label("does not change the speed of the lines above it")
            .related(first, "first serial line here")
            .remedy("move it above all `serial` lines");
    }
    reader.draft.media.baud = reader.choice(word, &BAUDS);
}

pub(in crate::config) fn serial(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
    if reader.path(word).set().is_none() {
        reader.draft.media.broken = true;
        return;
    }
    let baud = reader.draft.media.baud.set().unwrap_or(BAUD_DEFAULT);
    reader.mention(word.span, Subject::SerialPort(word.text.to_owned()));
    add(
        reader,
        word.text.to_owned(),
        MediumKind::Serial { baud },
        word.span,
    );
}

/// The loopback device, the only one that loopback addresses can be reached through.
const LOOPBACK_DEVICE: &str = "lo";

fn ucast_host(reader: &mut Reader<'_, '_>, word: &Word<'_>, device: &str) -> Option<Host> {
    let reason = match word.text.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => {
            reader
                .bad_address(word, "an IPv6 address")
                .remedy("use `ucast6` for IPv6");
            return None;
        }
        Ok(IpAddr::V4(address)) => match address {
            a if a.is_unspecified() => "names no host",
            a if a.is_multicast() => "a multicast address; use `mcast`",
            a if a.is_broadcast() => "a broadcast address; use `bcast`",
            a if a.is_loopback() && device != LOOPBACK_DEVICE => "leads back to this machine",
            a => {
                let address = a.into();
                let device = device.to_owned();
                reader.mention(word.span, Subject::Destination { address, device });
                return Some(Host::Address(a));
            }
        },
        Err(_) => return host_name(reader, word, Some(device)),
    };
    reader.bad_address(word, reason);
    None
}

/// What is no IPv4 address.
fn host_name(reader: &mut Reader<'_, '_>, word: &Word<'_>, device: Option<&str>) -> Option<Host> {
    let reason = match word.text {
        text if looks_like_address(text) => "not an IPv4 address",
        text if !is_host_name(text) => "neither an address nor a host name",
        text => {
            let (name, device) = (text.to_owned(), device.map(str::to_owned));
            reader.mention(word.span, Subject::Host { name, device });
            return Some(Host::Name(text.to_owned()));
        }
    };
    reader.bad_address(word, reason);
    None
}

pub(in crate::config) fn ping(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
    let host = pinged_host(reader, word);
    let node = pinged_node(reader, word);
    let kind = node
        .clone()
        .zip(host)
        .map(|(node, host)| MediumKind::Ping { node, host });
    add_if(reader, node.map(|node| node.to_string()), kind, word.span);
}

pub(in crate::config) fn ping6(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
    let host = pinged_host6(reader, word);
    let node = host.as_ref().and_then(|_| pinged_node(reader, word));
    let kind = node
        .clone()
        .zip(host)
        .map(|(node, host)| MediumKind::Ping6 { node, host });
    add_if(reader, node.map(|node| node.to_string()), kind, word.span);
}

fn pinged_host6(reader: &mut Reader<'_, '_>, word: &Word<'_>) -> Option<Peer6> {
    let (text, scope) = scoped(word);
    let Ok(address) = text.parse::<Ipv6Addr>() else {
        match text.parse::<Ipv4Addr>() {
            Ok(_) => reader.bad_address(word, "an IPv4 address; use `ping`"),
            Err(_) => reader
                .bad_address(word, "not an IPv6 address")
                .remedy("write the address: `ping6` looks up no name"),
        };
        return None;
    };
    let reason = match (address, &scope) {
        (a, _) if a.is_unspecified() => "names no host",
        (a, _) if a.is_multicast() => "a multicast address: nobody would know who answers",
        (_, Some(scope)) if scope.is_empty() => "no interface stands behind `%`",
        (a, None) if a.is_unicast_link_local() => {
            "link-local: write its interface behind it, as in fe80::1%eth0"
        }
        (a, Some(_)) if !a.is_unicast_link_local() => {
            "only link-local addresses have an interface behind `%`"
        }
        (address, _) => {
            reader.mention(word.span, Subject::Pinged(address.into()));
            if let Some(name) = scope.clone().filter(|scope| !is_index(scope)) {
                let need = Need::Address6;
                reader.mention(word.span, Subject::Interface { name, need });
            }
            return Some(Peer6 { address, scope });
        }
    };
    reader.bad_address(word, reason);
    None
}

/// Most hosts of a group: each is asked at every beat.
const GROUP_HOSTS_MAX: usize = 32;

pub(in crate::config) fn ping_group(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
    let words = rest.split(&BLANKS);
    let [name, hosts @ ..] = &words[..] else {
        reader.missing(0);
        reader.draft.media.broken = true;
        return;
    };
    if hosts.is_empty() {
        reader.missing(1);
    }
    if let Some(extra) = hosts.get(GROUP_HOSTS_MAX) {
        let text = format!("a group has at most {GROUP_HOSTS_MAX} hosts");
        reader
            .report
            .at(Code::TooManyMedia, extra.span, text)
            .label("one too many");
    }
    let node = pinged_node(reader, name);
    let hosts: Vec<_> = hosts.iter().map(|word| pinged_host(reader, word)).collect();
    let hosts: Option<Vec<Host>> = hosts.into_iter().collect();
    let kind = node
        .clone()
        .zip(hosts.filter(|hosts| !hosts.is_empty()))
        .map(|(node, hosts)| MediumKind::PingGroup { node, hosts });
    add_if(
        reader,
        node.map(|node| node.to_string()),
        kind,
        span_of(rest),
    );
}

fn pinged_node(reader: &mut Reader<'_, '_>, word: &Word<'_>) -> Option<NodeName> {
    match NodeName::new(word.text) {
        Ok(node) => Some(node),
        // Reported as no host.
        Err(_) if word.text.parse::<IpAddr>().is_ok() => None,
        Err(reason) => {
            let text = format!("`{}` cannot be the name of a ping node", word.text);
            reader
                .report
                .at(Code::BadName, word.span, text)
                .label(reason.to_string());
            None
        }
    }
}

fn pinged_host(reader: &mut Reader<'_, '_>, word: &Word<'_>) -> Option<Host> {
    let reason = match word.text.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => {
            reader
                .bad_address(word, "an IPv6 address")
                .remedy("use `ping6`; `ping` and `ping_group` take hosts of IPv4");
            return None;
        }
        Ok(IpAddr::V4(address)) => match address {
            a if a.is_unspecified() => "names no host",
            a if a.is_multicast() => "a multicast address: nobody would know who answers",
            a if a.is_broadcast() => "a broadcast address: nobody would know who answers",
            a => {
                reader.mention(word.span, Subject::Pinged(a.into()));
                return Some(Host::Address(a));
            }
        },
        Err(_) => return host_name(reader, word, None),
    };
    reader.bad_address(word, reason);
    None
}

/// Digits and dots only: a host name never is.
fn looks_like_address(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// Longest host name in bytes (RFC 1035, section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

pub(in crate::config) fn is_host_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    !text.is_empty()
        && text.len() <= HOST_BYTES_MAX
        && text.bytes().all(plain)
        && !text.starts_with(['-', '.'])
}

pub(in crate::config) fn ucast6(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
    let Some([dev, host]) = reader.exactly::<2>(rest) else {
        reader.draft.media.broken = true;
        return;
    };
    let device = device(reader, &dev, Need::Address6);
    let peer = peer6(reader, &host, dev.text);
    let media = &mut reader.draft.media;
    let port = MediaDraft::default_port(media.udpport, &mut media.ucast6_port);
    let kind = peer.map(|peer| MediumKind::Ucast6 {
        port,
        peers: vec![peer],
        listen: None,
    });
    add_if(reader, device, kind, span_of(rest));
}

fn peer6(reader: &mut Reader<'_, '_>, word: &Word<'_>, device: &str) -> Option<Peer6> {
    let (text, scope) = scoped(word);
    let reason = match text.parse::<Ipv6Addr>() {
        Err(_) if text.parse::<Ipv4Addr>().is_ok() => "an IPv4 address; use `ucast`",
        Err(_) => "not an IPv6 address",
        Ok(_) if scope.as_deref().is_some_and(|scope| !fits(scope, device)) => {
            "what stands behind `%` is not the device of the line"
        }
        Ok(address) => match address {
            a if a.is_unspecified() => "names no host",
            a if a.is_multicast() => "a multicast address; use `mcast6`",
            a if a.is_loopback() && device != LOOPBACK_DEVICE => "leads back to this machine",
            address => {
                let destination = Subject::Destination {
                    address: address.into(),
                    device: device.to_owned(),
                };
                reader.mention(word.span, destination);
                let own = address.is_unicast_link_local().then(|| device.to_owned());
                return Some(Peer6 {
                    address,
                    scope: scope.or(own),
                });
            }
        },
    };
    reader.bad_address(word, reason);
    None
}

/// An address, and what stands behind its `%` (RFC 4007, 11).
fn scoped<'a>(word: &Word<'a>) -> (&'a str, Option<String>) {
    match word.text.split_once('%') {
        Some((text, scope)) => (text, Some(scope.to_owned())),
        None => (word.text, None),
    }
}

/// A scope is the device itself, or its index, which only the kernel knows.
fn fits(scope: &str, device: &str) -> bool {
    scope == device || is_index(scope)
}

fn is_index(scope: &str) -> bool {
    !scope.is_empty() && scope.bytes().all(|b| b.is_ascii_digit())
}

/// Types that belong to others, which would be read as ours, or ours as theirs (IANA, IEEE 802 Numbers).
const TAKEN: [(u16, &str); 5] = [
    (0x0800, "IPv4"),
    (0x0806, "ARP"),
    (0x86dd, "IPv6"),
    (0x8100, "VLAN tags"),
    (0x88a8, "VLAN tags"),
];
/// Smaller numbers in this place of a frame are its length (IEEE 802.3, 3.2.6).
const ETHERTYPE_MIN: u16 = 0x0600;
/// The bit of a group address (IEEE 802, 8.2.2).
const GROUP_BIT: u8 = 1;

pub(in crate::config) fn ether(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
    let words = rest.split(&BLANKS);
    let Some(dev) = words.first() else {
        reader.missing(0);
        reader.draft.media.broken = true;
        return;
    };
    if words.len() > 3 {
        // Reports what is too much.
        reader.exactly::<3>(rest);
    }
    let device = device(reader, dev, Need::Frames);
    let ethertype = match words.get(1) {
        Some(word) => ethertype(reader, word),
        None => Some(ETHERTYPE_DEFAULT),
    };
    let group = match words.get(2) {
        Some(word) => ether_group(reader, word),
        None => Some(ETHER_GROUP_DEFAULT),
    };
    let kind = ethertype
        .zip(group)
        .map(|(ethertype, group)| MediumKind::Ether { ethertype, group });
    add_if(reader, device, kind, span_of(rest));
}

fn ethertype(reader: &mut Reader<'_, '_>, word: &Word<'_>) -> Option<u16> {
    let digits = word.text.strip_prefix("0x");
    let number = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let taken = |number| TAKEN.iter().find(|(taken, _)| *taken == number);
    let reason = match number {
        None => "is no hexadecimal number up to 0xffff, such as 0x88b5".into(),
        Some(number) if number < ETHERTYPE_MIN => "is a length: types begin at 0x0600".into(),
        Some(number) => match taken(number) {
            Some((_, owner)) => format!("is the type of {owner}"),
            None => return Some(number),
        },
    };
    let text = format!("`{}` is no Ethernet type for beats", word.text);
    reader
        .report
        .at(Code::BadNumber, word.span, text)
        .label(reason)
        .remedy("0x88b5 and 0x88b6 are free for such use");
    None
}

fn ether_group(reader: &mut Reader<'_, '_>, word: &Word<'_>) -> Option<MacAddr> {
    let reason = match word.text.parse::<MacAddr>() {
        Ok(address) if address.0 & GROUP_BIT == GROUP_BIT => return Some(address),
        Ok(_) => "the address of one interface; a group has an odd first byte",
        Err(_) => "not of the form 03:00:68:62:64:01",
    };
    reader.bad_address(word, reason);
    None
}

pub(in crate::config) fn listen(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
    let reason = match word.text.parse::<IpAddr>() {
        Err(_) => "not an address",
        Ok(address) if address.is_multicast() => "a multicast address",
        Ok(address) if address.is_unspecified() => {
            "names no address; leave the line out to listen on all"
        }
        Ok(address) => {
            let earlier = match address {
                IpAddr::V4(a) => reader
                    .draft
                    .media
                    .listen4
                    .replace((a, word.span))
                    .map(|(_, span)| span),
                IpAddr::V6(a) => reader
                    .draft
                    .media
                    .listen6
                    .replace((a, word.span))
                    .map(|(_, span)| span),
            };
            if let Some(earlier) = earlier {
                let text = "`listen` takes one address of each family";
                reader
                    .report
                    .at(Code::Repeated, word.span, text)
                    .label("this one counts")
                    .related(earlier, "this one does not");
            }
            reader.mention(word.span, Subject::OwnAddress(address));
            return;
        }
    };
    reader.bad_address(word, reason);
}

fn device(reader: &mut Reader<'_, '_>, word: &Word<'_>, need: Need) -> Option<String> {
    let device = reader.device(word);
    match &device {
        Some(name) => reader.mention(
            word.span,
            Subject::Interface {
                name: name.clone(),
                need,
            },
        ),
        None => reader.draft.media.broken = true,
    }
    device
}

fn span_of(rest: &Word<'_>) -> Span {
    let words = rest.split(&BLANKS);
    match (words.first(), words.last()) {
        (Some(first), Some(last)) => Span {
            end: last.span.end,
            ..first.span
        },
        _ => rest.span,
    }
}

fn add_if(
    reader: &mut Reader<'_, '_>,
    device: Option<String>,
    kind: Option<MediumKind>,
    span: Span,
) {
    match (device, kind) {
        (Some(device), Some(kind)) => add(reader, device, kind, span),
        _ => reader.draft.media.broken = true,
    }
}

fn add(reader: &mut Reader<'_, '_>, device: String, kind: MediumKind, span: Span) {
    let media = &mut reader.draft.media;
    if kind.pings().is_none() {
        media.first.get_or_insert(reader.at);
    }
    let earlier = media
        .lines
        .iter()
        .find(|(d, k, _)| *d == device && same(k, &kind));
    if let Some((_, _, earlier)) = earlier {
        let text = format!("this `{}` medium is named twice", kind.word());
        let earlier = *earlier;
        reader
            .report
            .at(Code::MediumTwice, span, text)
            .label("ignored")
            .related(earlier, "first here");
        return;
    }
    if media.lines.len() < MEDIA_LINES_MAX {
        media.lines.push((device, kind, span));
    } else if !media.broken {
        media.broken = true;
        let text = format!("more than {MEDIA_LINES_MAX} media are named");
        reader
            .report
            .at(Code::TooManyMedia, span, text)
            .label("one too many");
    }
}

/// Whether two media of one device are one: same group and port, or same destination.
fn same(a: &MediumKind, b: &MediumKind) -> bool {
    match (a, b) {
        (
            MediumKind::Mcast {
                group: x, port: p, ..
            },
            MediumKind::Mcast {
                group: y, port: q, ..
            },
        ) => (x, p) == (y, q),
        (
            MediumKind::Mcast6 {
                group: x, port: p, ..
            },
            MediumKind::Mcast6 {
                group: y, port: q, ..
            },
        ) => (x, p) == (y, q),
        (a, b) => a == b,
    }
}
