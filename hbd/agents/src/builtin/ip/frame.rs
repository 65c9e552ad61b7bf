//! Ethernet frames that tell and ask who has an address.
//!
//! ```text
//! Ethernet   to (6), from (6), what follows (2)
//! ARP        1 (2), 0x0800 (2), 6, 4, operation (2), sender's hardware address and address,
//!            target's hardware address and address           RFC 826, RFC 5227
//! IPv6       0x60 (4), length (2), 58, 255, source (16), destination (16)
//! ICMPv6     type, 0, checksum (2), flags (4), target (16), option: 2 or 1, 1, hardware address
//!                                                            RFC 4861, 4.3 and 4.4
//! ```

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::network::HardwareAddress;
use crate::packets::Packets;

/// What follows the head of an Ethernet frame.
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;

/// Sizes of the heads of Ethernet and IPv6.
const ETHERNET: usize = 14;
const IPV6_HEAD: usize = 40;
/// Where ICMPv6 begins, if nothing stands between: neighbour discovery allows no fragments, and
/// nobody sends it with other options (RFC 6980).
const ICMPV6: usize = ETHERNET + IPV6_HEAD;
const NEXT_HEADER: usize = ETHERNET + 6;

/// Numbers of protocols and of their messages.
const OF_ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const TARGET_HARDWARE: u8 = 2;

const NOBODY: HardwareAddress = HardwareAddress([0; 6]);
const EVERYONE: HardwareAddress = HardwareAddress([0xff; 6]);

/// Flags of an advertisement: its sender is a router, and what was known is replaced.
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;

/// What is said of an address in ARP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Request = 1,
    Reply = 2,
}

/// What tells everyone that an address is reached by that hardware address. In both forms for
/// IPv4: there are systems that believe one of them only.
pub(super) fn announcements(ip: IpAddr, own: HardwareAddress, routes: bool) -> Vec<Vec<u8>> {
    match ip {
        IpAddr::V4(ip) => vec![
            arp(Operation::Request, (own, ip), (NOBODY, ip)),
            // Linux believes a reply only if the target is the sender.
            arp(Operation::Reply, (own, ip), (own, ip)),
        ],
        IpAddr::V6(ip) => vec![advertisement(ip, own, routes)],
    }
}

/// What asks who has an address, and says of the asker only his hardware address.
pub(super) fn question(ip: IpAddr, own: HardwareAddress) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => arp(
            Operation::Request,
            (own, Ipv4Addr::UNSPECIFIED),
            (NOBODY, ip),
        ),
        IpAddr::V6(ip) => solicitation(ip, own),
    }
}

/// For frames about that address, on the interface of that number.
pub(super) fn listen(index: u32, ip: IpAddr) -> io::Result<Packets> {
    match ip {
        IpAddr::V4(_) => Packets::open(index, ARP, &[]),
        IpAddr::V6(_) => Packets::open(index, IPV6, &ADVERTISEMENTS_ONLY),
    }
}

/// The hardware address that a received frame says has the address.
pub(super) fn claimant(frame: &[u8], ip: IpAddr) -> Option<HardwareAddress> {
    match ip {
        IpAddr::V4(ip) => {
            let arp = frame.get(ETHERNET..ETHERNET + 28)?;
            let usual = arp[..6] == [0, 1, 8, 0, 6, 4];
            (usual && arp[14..18] == ip.octets()).then(|| hardware(&arp[8..]))?
        }
        IpAddr::V6(ip) => {
            let icmp = frame.get(ICMPV6..ICMPV6 + 24)?;
            let advertises = frame[NEXT_HEADER] == OF_ICMPV6 && icmp[0] == ADVERTISEMENT;
            if !advertises || icmp[8..24] != ip.octets() {
                return None;
            }
            match frame.get(ICMPV6 + 24..)? {
                [TARGET_HARDWARE, 1, address @ ..] => hardware(address),
                _ => hardware(&frame[6..]),
            }
        }
    }
}

/// Takes ICMPv6 advertisements only (`bpf(4)`, classic): what it is, how many steps are left out if
/// it is not so or if it is, and what with.
const ADVERTISEMENTS_ONLY: [(u16, u8, u8, u32); 6] = [
    (0x30, 0, 0, NEXT_HEADER as u32),
    (0x15, 0, 3, OF_ICMPV6 as u32),
    (0x30, 0, 0, ICMPV6 as u32),
    (0x15, 0, 1, ADVERTISEMENT as u32),
    (0x06, 0, 0, u32::MAX),
    (0x06, 0, 0, 0),
];

fn hardware(bytes: &[u8]) -> Option<HardwareAddress> {
    Some(HardwareAddress(bytes.get(..6)?.try_into().ok()?))
}

fn ethernet(to: HardwareAddress, from: HardwareAddress, kind: u16) -> Vec<u8> {
    [&to.0[..], &from.0, &kind.to_be_bytes()].concat()
}

fn arp(
    operation: Operation,
    (own, sender): (HardwareAddress, Ipv4Addr),
    (target_hardware, target): (HardwareAddress, Ipv4Addr),
) -> Vec<u8> {
    let mut frame = ethernet(EVERYONE, own, ARP);
    frame.extend([0, 1, 8, 0, 6, 4, 0, operation as u8]);
    frame.extend(own.0);
    frame.extend(sender.octets());
    frame.extend(target_hardware.0);
    frame.extend(target.octets());
    frame
}

fn advertisement(ip: Ipv6Addr, own: HardwareAddress, routes: bool) -> Vec<u8> {
    let everyone = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let flags = OVERRIDE | if routes { ROUTER } else { 0 };
    let mut icmp = vec![ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
    icmp.extend(ip.octets());
    icmp.extend([TARGET_HARDWARE, 1]);
    icmp.extend(own.0);
    icmpv6(own, ip, everyone, icmp)
}

/// As in duplicate address detection (RFC 4862, 5.4.2), so that the owner answers everyone.
fn solicitation(ip: Ipv6Addr, own: HardwareAddress) -> Vec<u8> {
    let mut to = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0).octets();
    to[13..].copy_from_slice(&ip.octets()[13..]);
    let mut icmp = vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    icmp.extend(ip.octets());
    icmpv6(own, Ipv6Addr::UNSPECIFIED, to.into(), icmp)
}

fn icmpv6(own: HardwareAddress, from: Ipv6Addr, to: Ipv6Addr, mut icmp: Vec<u8>) -> Vec<u8> {
    let [.., a, b, c, d] = to.octets();
    let length = u16::try_from(icmp.len()).expect("our messages are short");
    let checksum = checksum(from, to, &icmp);
    icmp[2..4].copy_from_slice(&checksum.to_be_bytes());
    let mut frame = ethernet(HardwareAddress([0x33, 0x33, a, b, c, d]), own, IPV6);
    frame.extend([0x60, 0, 0, 0]);
    frame.extend(length.to_be_bytes());
    frame.extend([OF_ICMPV6, 255]);
    frame.extend(from.octets());
    frame.extend(to.octets());
    frame.extend(icmp);
    frame
}

/// RFC 4443, 2.3, with the pseudo-header of RFC 8200, 8.1.
fn checksum(from: Ipv6Addr, to: Ipv6Addr, icmp: &[u8]) -> u16 {
    let words = |bytes: &[u8]| -> u32 {
        let pairs = bytes.chunks(2);
        pairs
            .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
            .sum()
    };
    let length = u32::try_from(icmp.len()).expect("our messages are short");
    let mut sum = words(&from.octets()) + words(&to.octets()) + words(icmp);
    sum += length + u32::from(OF_ICMPV6);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: HardwareAddress = HardwareAddress([2, 0, 0x5e, 0, 0, 1]);

    #[test]
    fn an_ipv4_address_is_announced_as_request_and_as_reply() {
        let [request, reply] = &announcements(ip("10.0.0.5"), OWN, false)[..] else {
            panic!("two frames");
        };
        assert_eq!(
            hex(request),
            "ffffffffffff 02005e000001 0806 0001 0800 06 04 0001 02005e000001 0a000005 \
             000000000000 0a000005"
                .replace(' ', "")
        );
        assert_eq!(
            hex(reply),
            "ffffffffffff 02005e000001 0806 0001 0800 06 04 0002 02005e000001 0a000005 \
             02005e000001 0a000005"
                .replace(' ', "")
        );
    }

    #[test]
    fn the_question_for_an_ipv4_address_spoils_no_cache() {
        assert_eq!(
            hex(&question(ip("10.0.0.5"), OWN)),
            "ffffffffffff 02005e000001 0806 0001 0800 06 04 0001 02005e000001 00000000 \
             000000000000 0a000005"
                .replace(' ', "")
        );
    }

    #[test]
    fn an_ipv6_address_is_announced_with_override_to_all_nodes() {
        let [frame] = &announcements(ip("fd00::5"), OWN, false)[..] else {
            panic!("one frame");
        };
        assert_eq!(
            hex(frame),
            "333300000001 02005e000001 86dd 60000000 0020 3a ff \
             fd000000000000000000000000000005 ff020000000000000000000000000001 \
             88 00 fc92 20000000 fd000000000000000000000000000005 02 01 02005e000001"
                .replace(' ', "")
        );
        let router = &announcements(ip("fd00::5"), OWN, true)[0];
        assert_eq!(router[ICMPV6 + 4], 0xa0);
    }

    #[test]
    fn the_question_for_an_ipv6_address_goes_to_its_group() {
        let frame = question(ip("fd00::12:3456"), OWN);
        assert_eq!(
            hex(&frame[..ICMPV6 + 2]),
            "3333ff123456 02005e000001 86dd 60000000 0018 3a ff \
             00000000000000000000000000000000 ff0200000000000000000001ff123456 8700"
                .replace(' ', "")
        );
    }

    /// The receiver's test: the sum over everything is all ones.
    #[test]
    fn checksums_verify() {
        for last in 0..=u8::MAX {
            let ip = Ipv6Addr::from([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, last]);
            for frame in [
                announcements(ip.into(), OWN, true).remove(0),
                question(ip.into(), OWN),
            ] {
                let at = |from: usize| -> Ipv6Addr {
                    let bytes: [u8; 16] = frame[from..from + 16].try_into().unwrap();
                    bytes.into()
                };
                let icmp = &frame[ICMPV6..];
                assert_eq!(checksum(at(ETHERNET + 8), at(ETHERNET + 24), icmp), 0);
            }
        }
    }

    #[test]
    fn whoever_answers_or_announces_claims_the_address() {
        for address in ["10.0.0.5", "fd00::5"] {
            let address = ip(address);
            for frame in announcements(address, OWN, false) {
                assert_eq!(claimant(&frame, address), Some(OWN), "{address}");
                assert_eq!(claimant(&frame, ip("10.0.0.6")), None);
                assert_eq!(claimant(&frame, ip("fd00::6")), None);
                for end in 0..frame.len() {
                    let torn = claimant(&frame[..end], address);
                    assert!(torn.is_none_or(|found| found == OWN), "{end}");
                }
            }
            assert_eq!(claimant(&question(address, OWN), address), None);
        }
    }

    #[test]
    fn an_advertisement_without_its_option_is_its_senders() {
        let address = ip("fd00::5");
        let mut frame = announcements(address, OWN, false).remove(0);
        frame.truncate(ICMPV6 + 24);
        assert_eq!(claimant(&frame, address), Some(OWN));
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
