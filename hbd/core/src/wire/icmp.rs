//! Echo requests, and the replies to them.
//!
//! ```text
//! type 1 | code 1 | checksum 2 | id 2 | sequence 2 | payload          (RFC 792, RFC 4443)
//! ```
//!
//! Numbers are big-endian. ICMP and ICMPv6 differ in the numbers of the types only. A reply brings the
//! payload back; it counts where its id is that of the socket and it answers one of the last requests,
//! later than any that was answered already. So each request has at most one reply that counts, whoever
//! sends how many.

use alloc::vec::Vec;

use pnet_packet::icmp::echo_reply::EchoReplyPacket;
use pnet_packet::icmp::echo_request::MutableEchoRequestPacket;
use pnet_packet::icmp::{IcmpPacket, IcmpType, checksum};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv4::Ipv4Packet;

/// Bytes before the payload.
const HEAD: usize = EchoReplyPacket::minimum_packet_size();
/// Requests that may still be answered; a reply to an earlier one is too late to tell anything.
const OUTSTANDING_MAX: u16 = 64;
/// The unit of the length of an IPv4 head in bytes (RFC 791, 3.1).
const WORD: usize = 4;

/// What a socket takes and brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// ICMP; what comes begins with the head of IPv4, as from a raw socket.
    V4WithHead,
    /// ICMP.
    V4,
    /// ICMPv6.
    V6,
}

impl Shape {
    /// The type of requests.
    #[must_use]
    pub fn request_type(self) -> u8 {
        match self {
            Self::V4WithHead | Self::V4 => 8,
            Self::V6 => 128,
        }
    }

    /// The type of replies.
    #[must_use]
    pub fn reply_type(self) -> u8 {
        match self {
            Self::V4WithHead | Self::V4 => 0,
            Self::V6 => 129,
        }
    }
}

/// The requests of one socket, and which of them may still be answered.
#[derive(Debug)]
pub struct Echo {
    shape: Shape,
    id: u16,
    next: u16,
    /// Requests since the last one that was answered.
    outstanding: u16,
    request: Vec<u8>,
}

impl Echo {
    /// `id` tells the replies to this socket from those to others.
    #[must_use]
    pub fn new(shape: Shape, id: u16) -> Self {
        Self {
            shape,
            id,
            next: 0,
            outstanding: 0,
            request: Vec::new(),
        }
    }

    /// The next request. The kernel fills in the checksum of ICMPv6.
    pub fn request(&mut self, payload: &[u8]) -> &[u8] {
        self.request.clear();
        self.request.resize(HEAD, 0);
        self.request.extend(payload);
        if let Some(mut request) = MutableEchoRequestPacket::new(&mut self.request) {
            request.set_icmp_type(IcmpType(self.shape.request_type()));
            request.set_identifier(self.id);
            request.set_sequence_number(self.next);
        }
        let sum = match self.shape {
            Shape::V6 => None,
            Shape::V4WithHead | Shape::V4 => IcmpPacket::new(&self.request).map(|p| checksum(&p)),
        };
        if let Some((sum, mut request)) = sum.zip(MutableEchoRequestPacket::new(&mut self.request))
        {
            request.set_checksum(sum);
        }
        self.next = self.next.wrapping_add(1);
        self.outstanding = OUTSTANDING_MAX.min(self.outstanding + 1);
        &self.request
    }

    /// The payload of a reply that counts; nothing for whatever else came.
    pub fn reply<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (sequence, payload) = self.reply_to_any(bytes)?;
        let age = self.next.wrapping_sub(sequence);
        if age == 0 || age > self.outstanding {
            return None;
        }
        self.outstanding = age - 1;
        Some(payload)
    }

    /// Which request a reply to this socket answers, and its payload, in whatever order and how often replies come.
    #[must_use]
    pub fn reply_to_any<'a>(&self, bytes: &'a [u8]) -> Option<(u16, &'a [u8])> {
        let bytes = match self.shape {
            Shape::V4WithHead => behind_head(bytes)?,
            Shape::V4 | Shape::V6 => bytes,
        };
        let reply = EchoReplyPacket::new(bytes)?;
        let is_ours = reply.get_icmp_type() == IcmpType(self.shape.reply_type())
            && reply.get_icmp_code().0 == 0
            && reply.get_identifier() == self.id;
        is_ours.then_some((reply.get_sequence_number(), bytes.get(HEAD..)?))
    }
}

/// What an IPv4 packet of ICMP carries.
fn behind_head(bytes: &[u8]) -> Option<&[u8]> {
    let packet = Ipv4Packet::new(bytes)?;
    let head = usize::from(packet.get_header_length()) * WORD;
    let end = bytes.len().min(packet.get_total_length().into());
    let is_icmp = packet.get_next_level_protocol() == IpNextHeaderProtocols::Icmp;
    let is_sound = is_icmp && head >= Ipv4Packet::minimum_packet_size();
    bytes.get(head..end).filter(|_| is_sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: [Shape; 3] = [Shape::V4WithHead, Shape::V4, Shape::V6];
    /// No option, ICMP, the rest of no interest here.
    const IP_HEAD: usize = 20;

    #[test]
    fn a_reply_brings_back_what_was_sent() {
        for shape in SHAPES {
            let mut echo = Echo::new(shape, 7);
            let reply = answered(shape, echo.request(b"beat"));
            assert_eq!(echo.reply(&reply), Some(&b"beat"[..]), "{shape:?}");
        }
    }

    #[test]
    fn a_request_has_the_checksum_of_rfc_792() {
        let mut echo = Echo::new(Shape::V4, 0x1234);
        let request = echo.request(b"ab").to_vec();
        // 0x0800 + 0x1234 + 0x0000 + 0x6162, and the complement of it.
        assert_eq!(request, b"\x08\0\x84\x69\x12\x34\0\0ab");
    }

    #[test]
    fn each_request_has_one_reply_that_counts_and_no_older_one_behind_it() {
        for shape in SHAPES {
            let mut echo = Echo::new(shape, 7);
            let mut ask = || answered(shape, echo.request(b"beat"));
            let (first, second, third) = (ask(), ask(), ask());
            assert!(echo.reply(&second).is_some());
            assert_eq!(echo.reply(&second), None);
            assert_eq!(echo.reply(&first), None);
            assert!(echo.reply(&third).is_some());
        }
    }

    #[test]
    fn a_reply_tells_which_request_it_answers_in_whatever_order_they_come() {
        for shape in SHAPES {
            let mut echo = Echo::new(shape, 7);
            let first = answered(shape, echo.request(b"a"));
            let second = answered(shape, echo.request(b"bc"));
            assert_eq!(echo.reply_to_any(&second), Some((1, &b"bc"[..])));
            assert_eq!(echo.reply_to_any(&first), Some((0, &b"a"[..])));
            let foreign = Echo::new(shape, 8).reply_to_any(&first).is_some();
            assert!(!foreign, "{shape:?}");
        }
    }

    #[test]
    fn a_reply_to_what_was_not_asked_lately_does_not_count() {
        let mut echo = Echo::new(Shape::V6, 7);
        let mut early = Echo::new(Shape::V6, 7);
        let first = answered(Shape::V6, early.request(b"beat"));
        assert_eq!(echo.reply(&first), None);
        for _ in 0..=OUTSTANDING_MAX {
            echo.request(b"beat");
        }
        assert_eq!(echo.reply(&first), None);
        // Numbers begin anew, and those of the first round are the past.
        for _ in 0..=u16::MAX - OUTSTANDING_MAX {
            echo.request(b"beat");
        }
        let last = answered(Shape::V6, echo.request(b"beat"));
        assert!(echo.reply(&last).is_some());
        assert_eq!(echo.reply(&first), None);
    }

    #[test]
    fn what_others_asked_and_what_is_no_reply_does_not_count() {
        for shape in SHAPES {
            let mut echo = Echo::new(shape, 7);
            let request = echo.request(b"beat").to_vec();
            let reply = answered(shape, &request);
            let foreign = answered(shape, Echo::new(shape, 8).request(b"beat"));
            assert_eq!(echo.reply(&foreign), None);
            assert_eq!(echo.reply(&request), None);
            for end in 0..reply.len() - b"beat".len() {
                assert_eq!(echo.reply(&reply[..end]), None, "{shape:?} {end}");
            }
            assert!(echo.reply(&reply).is_some());
        }
    }

    #[test]
    fn what_is_padding_of_a_short_frame_is_no_payload() {
        let mut echo = Echo::new(Shape::V4WithHead, 7);
        let mut reply = answered(Shape::V4WithHead, echo.request(b"beat"));
        reply.extend([0; 14]);
        assert_eq!(echo.reply(&reply), Some(&b"beat"[..]));
    }

    /// As the kernel of a host answers, and another hands it over.
    fn answered(shape: Shape, request: &[u8]) -> Vec<u8> {
        let mut reply = Vec::new();
        if shape == Shape::V4WithHead {
            let length = u16::try_from(IP_HEAD + request.len()).unwrap();
            reply.resize(IP_HEAD, 0);
            reply[0] = 0x45;
            reply[2..4].copy_from_slice(&length.to_be_bytes());
            reply[9] = 1;
        }
        let at = reply.len();
        reply.extend(request);
        reply[at] = shape.reply_type();
        reply
    }
}
