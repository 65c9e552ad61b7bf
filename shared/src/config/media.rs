//! Media as the lines name them, and how they are grouped and named.
//!
//! Each kind of medium has one UDP port of its own: what `udpport` said above the first line of
//! that kind, as Heartbeat 3.0.6's media modules do it. All `ucast` lines of a device become one
//! medium, because one receive socket serves them all; so do all `ucast6` lines.

mod lines;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use pnet_base::MacAddr;

use super::diagnostic::Code;
use super::draft::Given;
use super::model::{Medium, MediumKind};
use super::report::Report;
use super::source::Span;
use crate::names::{MediumName, NodeName};

pub(super) use lines::{
    baud, bcast, ether, is_host_name, listen, mcast, mcast6, ping, ping_group, ping6, serial,
    ucast, ucast6, udpport,
};

/// The UDP port that is registered for `ha-cluster`.
pub(super) const UDPPORT_DEFAULT: u16 = 694;

/// The type of frames where none is given: free for experiments on a local network (IEEE 802, 9.2.4).
pub(super) const ETHERTYPE_DEFAULT: u16 = 0x88b5;

/// Where frames go where nothing else is said: a group of nobody else's (locally administered), `hbd` in
/// ASCII.
pub(super) const ETHER_GROUP_DEFAULT: MacAddr = MacAddr(0x03, 0x00, b'h', b'b', b'd', 0x01);

/// The speed of a serial line where nothing else is said, in bits a second, as in Heartbeat 3.0.6.
pub(super) const BAUD_DEFAULT: u32 = 19_200;

/// A beat on a serial line takes about so many bytes, in a cluster of two nodes.
const BEAT_BYTES: u32 = 300;
/// Bits that a byte takes there: itself, its start and its end.
const BITS_PER_BYTE: u32 = 10;

/// Where the kernel's devices are.
const DEVICES: &str = "/dev/";

/// Largest time to live of a multicast medium, as in Heartbeat 3.0.6.
pub(super) const MCAST_TTL_MAX: u8 = 4;

/// Most media and unicast destinations together: two paths to each node of the largest cluster,
/// and some more.
pub const MEDIA_LINES_MAX: usize = 256;

/// What the media lines said so far.
#[derive(Default)]
pub(super) struct MediaDraft {
    udpport: Given<u16>,
    baud: Given<u32>,
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
    /// Whether no medium was named.
    pub(super) fn is_empty(&self) -> bool {
        !self.broken && self.lines.is_empty()
    }

    /// Whether a medium that leads to members was named, or one wrongly.
    pub(super) fn leads_to_members(&self) -> bool {
        let mut kinds = self.lines.iter().map(|(_, kind, _)| kind);
        self.broken || kinds.any(|kind| kind.pings().is_none())
    }

    /// Whether a ping node was named, or a medium wrongly.
    pub(super) fn pings(&self) -> bool {
        let mut kinds = self.lines.iter().map(|(_, kind, _)| kind);
        self.broken || kinds.any(|kind| kind.pings().is_some())
    }

    /// Reports ping nodes that have the name of another node: no two may.
    pub(super) fn check_pings(&self, nodes: &[(NodeName, Span)], report: &mut Report<'_>) {
        let pings = self.lines.iter();
        let pings = pings.filter_map(|(_, kind, span)| Some((kind.pings()?, *span)));
        let mut known: Vec<(&NodeName, Span)> = nodes.iter().map(|(n, span)| (n, *span)).collect();
        for (name, span) in pings {
            if let Some((_, earlier)) = known.iter().find(|(other, _)| *other == name) {
                let text = format!("`{name}` is the name of another node");
                report
                    .at(Code::PingNameTaken, span, text)
                    .label("cannot be a ping node too")
                    .related(*earlier, "named here")
                    .remedy(
                        "name another host, or the host by its address; a group may have any name",
                    );
            }
            known.push((name, span));
        }
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

    /// Reports serial lines that beats alone would fill.
    pub(super) fn check_speed(&self, keepalive: Duration, report: &mut Report<'_>) {
        for (_, kind, span) in &self.lines {
            let MediumKind::Serial { baud } = kind else {
                continue;
            };
            let takes = Duration::from_secs((BEAT_BYTES * BITS_PER_BYTE).into()) / *baud;
            if takes * 2 > keepalive {
                report
                    .at(
                        Code::SerialSlow,
                        *span,
                        "beats take more than half of this line",
                    )
                    .label(format!(
                        "a beat takes {} ms at {baud} baud, every {} ms",
                        takes.as_millis(),
                        keepalive.as_millis()
                    ))
                    .remedy(
                        "a higher `baud` above the line, or a longer `keepalive`, on all nodes",
                    );
            }
        }
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
/// medium shares; of frames it is KIND:DEVICE:ETHERTYPE and KIND:DEVICE:ETHERTYPE:GROUP.
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
    // A link is PEER/MEDIUM, so a medium does not begin with a slash.
    let short = device.strip_prefix(DEVICES).unwrap_or(device);
    let short = short.trim_start_matches('/');
    let mut all = vec![short.to_owned(), format!("{word}:{device}")];
    let (more, most) = match kind {
        MediumKind::Mcast { group, port, .. } => (group.to_string(), port.to_string()),
        MediumKind::Mcast6 { group, port, .. } => (group.to_string(), port.to_string()),
        MediumKind::Ether { ethertype, group } => (format!("{ethertype:#06x}"), group.to_string()),
        _ => return all,
    };
    all.push(format!("{word}:{device}:{more}"));
    all.push(format!("{word}:{device}:{more}:{most}"));
    all
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
        let serial = MediumKind::Serial { baud: 19_200 };
        assert_eq!(names(&[("/dev/ttyS0", serial.clone())]), ["ttyS0"]);
        assert_eq!(names(&[("/tmp/x", serial)]), ["tmp/x"]);
    }

    #[test]
    fn a_medium_that_pings_is_named_by_its_node() {
        let ping = |name: &str| MediumKind::Ping {
            node: NodeName::new(name).unwrap(),
            host: crate::config::Host::Name(name.to_owned()),
        };
        assert_eq!(
            names(&[("eth0", BCAST), ("gate", ping("gate"))]),
            ["eth0", "gate"]
        );
        assert_eq!(
            names(&[("eth0", BCAST), ("eth0", ping("eth0"))]),
            ["bcast:eth0", "ping:eth0"]
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
