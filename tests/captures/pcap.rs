//! Reads what a capture file holds for us: UDP payloads and ICMP echo payloads.
//!
//! Link types: 1 Ethernet, 101 raw IP, 113 Linux cooked, 276 Linux cooked v2. IPv4 without
//! fragments and IPv6 without extension headers: what the captures hold.

use std::path::Path;

/// What one captured packet carried.
pub(crate) enum Carried {
    /// A UDP payload, or the data of an ICMP echo request or reply that is in one of our forms.
    Payload(Vec<u8>),
    /// Any other ICMP packet.
    Icmp,
}

/// The payloads of a file, in order. Panics with the reason if the file is not what it should be.
pub(crate) fn read(path: &Path) -> Vec<Carried> {
    let file = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    assert!(
        matches!(word(0), 0xa1b2_c3d4 | 0xa1b2_3c4d),
        "{}: not a little-endian pcap file",
        path.display()
    );
    let link = word(20) & 0xffff;
    let mut carried = Vec::new();
    let mut at = 24;
    while at + 16 <= file.len() {
        let length = word(at + 8) as usize;
        let frame = &file[at + 16..at + 16 + length];
        carried.extend(network_layer(link, frame).and_then(|(ether, ip)| transport(ether, ip)));
        at += 16 + length;
    }
    carried
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

fn network_layer(link: u32, frame: &[u8]) -> Option<(u16, &[u8])> {
    let ether = |at: usize| Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?));
    match link {
        1 => Some((ether(12)?, &frame[14..])),
        113 => Some((ether(14)?, &frame[16..])),
        276 => Some((ether(0)?, &frame[20..])),
        101 if frame.first()? >> 4 == 4 => Some((IPV4, frame)),
        101 => Some((IPV6, frame)),
        other => panic!("link type {other} is not known"),
    }
}

fn transport(ether: u16, ip: &[u8]) -> Option<Carried> {
    let length = |at: usize| usize::from(u16::from_be_bytes([ip[at], ip[at + 1]]));
    match ether {
        IPV4 => payload(ip[9], &ip[usize::from(ip[0] & 15) * 4..length(2)]),
        IPV6 => payload(ip[6], &ip[40..40 + length(4)]),
        _ => None,
    }
}

fn payload(protocol: u8, packet: &[u8]) -> Option<Carried> {
    match protocol {
        17 => Some(Carried::Payload(packet[8..].to_vec())),
        1 | 58 if is_echo(packet[0]) && is_ours(&packet[8..]) => {
            Some(Carried::Payload(packet[8..].to_vec()))
        }
        1 | 58 => Some(Carried::Icmp),
        _ => None,
    }
}

fn is_echo(icmp_type: u8) -> bool {
    matches!(icmp_type, 0 | 8 | 128 | 129)
}

fn is_ours(data: &[u8]) -> bool {
    data.starts_with(b"###\n") || data.starts_with(b">>>\n")
}

#[test]
fn all_link_types_and_both_ip_versions_are_read() {
    let udp = [0, 1, 0, 2, 0, 10, 0, 0, b'h', b'i'];
    let mut ipv4 = vec![0x45, 0, 0, 30, 0, 0, 0, 0, 64, 17, 0, 0];
    ipv4.extend([0; 8]);
    ipv4.extend(udp);
    let mut ipv6 = vec![0x60, 0, 0, 0, 0, 10, 17, 64];
    ipv6.extend([0; 32]);
    ipv6.extend(udp);
    for (ether, ip) in [(IPV4, ipv4), (IPV6, ipv6)] {
        let [high, low] = ether.to_be_bytes();
        let framed = |before: usize, after: usize| {
            [vec![0; before], vec![high, low], vec![0; after], ip.clone()].concat()
        };
        let frames = [
            (1, framed(12, 0)),
            (113, framed(14, 0)),
            (276, framed(0, 18)),
            (101, ip.clone()),
        ];
        for (link, frame) in frames {
            let (ether, ip) = network_layer(link, &frame).unwrap();
            let Some(Carried::Payload(payload)) = transport(ether, ip) else {
                panic!("link type {link}, {ether:#x}");
            };
            assert_eq!(payload, b"hi");
        }
    }
}
