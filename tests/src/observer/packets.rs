//! The few packets that the observer sends and reads.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A hardware address.
pub type Hardware = [u8; 6];

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;
const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;
/// Bytes of an Ethernet header, its kind the last two.
const ETHERNET: usize = 14;
/// Of an IPv6 header.
const IPV6: usize = 40;

const NEW_ADDRESS: u16 = 20;
const DELETED_ADDRESS: u16 = 21;
/// Bytes of a netlink message's header, and of `struct ifaddrmsg` behind it.
const NETLINK: usize = 16;
const ADDRESS: usize = 8;
const ATTRIBUTE: usize = 4;
/// The attribute that is the machine's own address; of IPv6 there is only the other one.
const LOCAL: u16 = 2;
const PEER: u16 = 1;

/// An echo request. Its checksum is right as it stands; that of IPv6 is the kernel's business.
pub fn question(ip: IpAddr) -> [u8; 8] {
    match ip {
        IpAddr::V4(_) => [ECHO_REQUEST, 0, !ECHO_REQUEST, 0xff, 0, 0, 0, 0],
        IpAddr::V6(_) => [ECHO_REQUEST_V6, 0, 0, 0, 0, 0, 0, 0],
    }
}

/// If the frame is an echo reply: who sent it, and from which address.
pub fn answer(frame: &[u8]) -> Option<(Hardware, IpAddr)> {
    let sender = array(frame, 6)?;
    let packet = frame.get(ETHERNET..)?;
    match array(frame, 12)? {
        [0x08, 0x00] => {
            let header = usize::from(packet.first()? & 0xf) * 4;
            let is_reply = packet.get(9) == Some(&ICMP) && packet.get(header) == Some(&ECHO_REPLY);
            let ip: [u8; 4] = array(packet, 12)?;
            is_reply.then_some((sender, Ipv4Addr::from(ip).into()))
        }
        [0x86, 0xdd] => {
            let is_reply =
                packet.get(6) == Some(&ICMP_V6) && packet.get(IPV6) == Some(&ECHO_REPLY_V6);
            let ip: [u8; 16] = array(packet, 8)?;
            is_reply.then_some((sender, Ipv6Addr::from(ip).into()))
        }
        _ => None,
    }
}

/// The addresses that came (true) or went, by what the kernel tells.
pub fn address_changes(mut messages: &[u8]) -> Vec<(IpAddr, bool)> {
    let mut changes = Vec::new();
    while let Some(length) = array(messages, 0).map(u32::from_ne_bytes) {
        let length = length as usize;
        let Some(message) = messages.get(..length).filter(|_| length >= NETLINK) else {
            break;
        };
        let kind = array(message, 4).map(u16::from_ne_bytes);
        if let (Some(NEW_ADDRESS | DELETED_ADDRESS), Some(attributes)) =
            (kind, message.get(NETLINK + ADDRESS..))
            && let Some(ip) = own_address(attributes)
        {
            changes.push((ip, kind == Some(NEW_ADDRESS)));
        }
        messages = messages.get(aligned(length)..).unwrap_or_default();
    }
    changes
}

fn own_address(mut attributes: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    while let Some(length) = array(attributes, 0).map(u16::from_ne_bytes) {
        let length = usize::from(length);
        let value = attributes.get(ATTRIBUTE..length)?;
        let ip = match value.len() {
            4 => array(value, 0).map(|bytes: [u8; 4]| IpAddr::from(bytes)),
            16 => array(value, 0).map(|bytes: [u8; 16]| IpAddr::from(bytes)),
            _ => None,
        };
        match array(attributes, 2).map(u16::from_ne_bytes)? {
            LOCAL => return ip,
            PEER => found = ip,
            _ => {}
        }
        attributes = attributes.get(aligned(length)..).unwrap_or_default();
    }
    found
}

fn array<const N: usize>(bytes: &[u8], from: usize) -> Option<[u8; N]> {
    bytes.get(from..from + N)?.try_into().ok()
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}
