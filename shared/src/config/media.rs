//! Media as the lines name them, and how they are grouped and named.
//!
//! Each kind of medium has one UDP port of its own: what `udpport` said above the first line of
//! that kind, as Heartbeat 3.0.6's media modules do it. All `ucast` lines of a device become one
//! medium, because one receive socket serves them all; so do all `ucast6` lines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::diagnostic::Code;
use super::draft::Given;
use super::lex::Word;
use super::machine::{Need, Subject};
use super::model::{Host, Medium, MediumKind, Peer6};
use super::reader::Reader;
use super::report::Report;
use super::source::Span;
use crate::names::MediumName;

/// The UDP port that is registered for `ha-cluster`.
pub(super) const UDPPORT_DEFAULT: u16 = 694;

/// Largest time to live of a multicast medium, as in Heartbeat 3.0.6.
pub(super) const MCAST_TTL_MAX: u8 = 4;

/// What the media lines said so far.
#[derive(Default)]
pub(super) struct MediaDraft {
    udpport: Given<u16>,
    bcast_port: Option<u16>,
    ucast_port: Option<u16>,
    ucast6_port: Option<u16>,
    first: Option<Span>,
    lines: Vec<(String, MediumKind, Span)>,
    listen4: Option<(Ipv4Addr, Span)>,
    listen6: Option<(Ipv6Addr, Span)>,
    /// Whether a line could not be used, which has been reported.
    pub(super) broken: bool,
}

impl MediaDraft {
    /// Whether a medium was named, be it wrongly.
    pub(super) fn any(&self) -> bool {
        self.broken || !self.lines.is_empty()
    }

    /// A unicast line's share in the default port: fixed by the first line of the kind.
    fn default_port(udpport: Given<u16>, fixed: &mut Option<u16>) -> u16 {
        *fixed.get_or_insert(udpport.set().unwrap_or(UDPPORT_DEFAULT))
    }

    /// All media, each under its own name.
    pub(super) fn finish(self) -> Vec<Medium> {
        let (listen4, listen6) = (self.listen4, self.listen6);
        let mut media: Vec<(String, MediumKind)> = Vec::new();
        for (device, kind, _) in self.lines {
            match media
                .iter_mut()
                .find(|(d, k)| *d == device && joins(k, &kind))
            {
                Some((_, first)) => join(first, kind),
                None => media.push((device, kind)),
            }
        }
        for (_, kind) in &mut media {
            match kind {
                MediumKind::Ucast { listen, .. } => *listen = listen4.map(|(address, _)| address),
                MediumKind::Ucast6 { listen, .. } => *listen = listen6.map(|(address, _)| address),
                _ => {}
            }
        }
        named(media)
    }

    /// Reports `listen` lines that nothing uses.
    pub(super) fn check_listen(&self, report: &mut Report<'_>) {
        let has = |word| self.lines.iter().any(|(_, kind, _)| kind.word() == word);
        let v4 = self.listen4.map(|(_, span)| (span, "ucast"));
        let v6 = self.listen6.map(|(_, span)| (span, "ucast6"));
        for (span, word) in [v4, v6].into_iter().flatten() {
            if !has(word) && !self.broken {
                report
                    .at(
                        Code::ListenUnused,
                        span,
                        format!("`listen` without any `{word}` line does nothing"),
                    )
                    .remedy(format!("name a peer with `{word}`, or remove the line"));
            }
        }
    }
}

fn joins(a: &MediumKind, b: &MediumKind) -> bool {
    matches!(
        (a, b),
        (MediumKind::Ucast { .. }, MediumKind::Ucast { .. })
            | (MediumKind::Ucast6 { .. }, MediumKind::Ucast6 { .. })
    )
}

fn join(first: &mut MediumKind, second: MediumKind) {
    match (first, second) {
        (MediumKind::Ucast { peers, .. }, MediumKind::Ucast { peers: more, .. }) => {
            peers.extend(more)
        }
        (MediumKind::Ucast6 { peers, .. }, MediumKind::Ucast6 { peers: more, .. }) => {
            peers.extend(more)
        }
        _ => {}
    }
}

/// The shortest of DEVICE, KIND:DEVICE, KIND:DEVICE:GROUP and KIND:DEVICE:GROUP:PORT that no other
/// medium shares.
fn named(media: Vec<(String, MediumKind)>) -> Vec<Medium> {
    let spellings: Vec<Vec<String>> = media
        .iter()
        .map(|(device, kind)| spellings(device, kind))
        .collect();
    let unique = |level: usize, name: &str| {
        let same = spellings
            .iter()
            .filter(|s| s.get(level).is_some_and(|other| other == name));
        same.count() == 1
    };
    let names: Vec<String> = spellings
        .iter()
        .map(|s| {
            let shortest = s
                .iter()
                .enumerate()
                .find(|(level, name)| unique(*level, name));
            shortest
                .or(s.iter().enumerate().next_back())
                .map_or_else(String::new, |(_, name)| name.clone())
        })
        .collect();
    let pairs = media.into_iter().zip(names);
    pairs
        .filter_map(|((device, kind), name)| {
            let name = MediumName::new(&name).ok()?;
            Some(Medium { name, device, kind })
        })
        .collect()
}

fn spellings(device: &str, kind: &MediumKind) -> Vec<String> {
    let word = kind.word();
    let mut all = vec![device.to_owned(), format!("{word}:{device}")];
    let group: Option<IpAddr> = match kind {
        MediumKind::Mcast { group, .. } => Some((*group).into()),
        MediumKind::Mcast6 { group, .. } => Some((*group).into()),
        _ => None,
    };
    if let Some(group) = group {
        all.push(format!("{word}:{device}:{group}"));
        all.push(format!("{word}:{device}:{group}:{}", kind.port()));
    }
    all
}

pub(super) fn udpport(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
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

pub(super) fn bcast(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
    let Some(device) = device(reader, word, Need::Broadcast) else {
        return;
    };
    let media = &mut reader.draft.media;
    let port = MediaDraft::default_port(media.udpport, &mut media.bcast_port);
    add(reader, device, MediumKind::Bcast { port }, word.span);
}

pub(super) fn mcast(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
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

pub(super) fn mcast6(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
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

pub(super) fn ucast(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
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
            a => return Some(Host::Address(a)),
        },
        Err(_) if looks_like_address(word.text) => "not an IPv4 address",
        Err(_) if !is_host_name(word.text) => "neither an address nor a host name",
        Err(_) => {
            let name = word.text.to_owned();
            let device = device.to_owned();
            reader.mention(
                word.span,
                Subject::Host {
                    name: name.clone(),
                    device,
                },
            );
            return Some(Host::Name(name));
        }
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

pub(super) fn is_host_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    !text.is_empty()
        && text.len() <= HOST_BYTES_MAX
        && text.bytes().all(plain)
        && !text.starts_with(['-', '.'])
}

pub(super) fn ucast6(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
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
    let (text, scope) = match word.text.split_once('%') {
        Some((text, scope)) => (text, Some(scope.to_owned())),
        None => (word.text, None),
    };
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

/// A scope is the device itself, or its index, which only the kernel knows.
fn fits(scope: &str, device: &str) -> bool {
    scope == device || (!scope.is_empty() && scope.bytes().all(|b| b.is_ascii_digit()))
}

pub(super) fn listen(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
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
    let words = rest.split(&super::lex::BLANKS);
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
    media.first.get_or_insert(reader.at);
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
    media.lines.push((device, kind, span));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(media: &[(&str, MediumKind)]) -> Vec<String> {
        let media = media
            .iter()
            .map(|(device, kind)| ((*device).to_owned(), kind.clone()));
        named(media.collect())
            .iter()
            .map(|m| m.name.to_string())
            .collect()
    }

    fn mcast(group: [u8; 4], port: u16) -> MediumKind {
        MediumKind::Mcast {
            group: group.into(),
            port,
            ttl: 1,
            loopback: false,
        }
    }

    const BCAST: MediumKind = MediumKind::Bcast { port: 694 };

    #[test]
    fn a_medium_that_has_its_device_alone_is_named_by_it() {
        assert_eq!(
            names(&[("eth0", BCAST), ("eth1", mcast([239, 0, 0, 1], 694))]),
            ["eth0", "eth1"]
        );
    }

    #[test]
    fn media_that_share_a_device_are_named_by_kind_then_group_then_port() {
        assert_eq!(
            names(&[("eth0", BCAST), ("eth0", mcast([239, 0, 0, 1], 694))]),
            ["bcast:eth0", "mcast:eth0"]
        );
        assert_eq!(
            names(&[
                ("eth0", mcast([239, 0, 0, 1], 694)),
                ("eth0", mcast([239, 0, 0, 2], 694)),
                ("eth0", mcast([239, 0, 0, 2], 695)),
            ]),
            [
                "mcast:eth0:239.0.0.1",
                "mcast:eth0:239.0.0.2:694",
                "mcast:eth0:239.0.0.2:695"
            ]
        );
    }
}
