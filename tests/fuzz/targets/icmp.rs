//! Echo replies: whatever comes, at most a payload that was asked for comes of it, and each once.

use hbd_core::wire::icmp::{Echo, Shape};

use crate::edits::edited;

const ID: u16 = 7;
/// A head of IPv4 without options.
const IP_HEAD: usize = 20;
/// The longest payload: the length of an IPv4 packet has 16 bits.
const PAYLOAD_MAX: usize = 60_000;

pub(crate) fn property(input: &[u8]) {
    let [shape, input @ ..] = input else {
        return;
    };
    let shape = [Shape::V4WithHead, Shape::V4, Shape::V6][usize::from(*shape) % 3];
    let payload = &input[..input.len().min(PAYLOAD_MAX)];
    let mut echo = Echo::new(shape, ID);
    let replies: Vec<_> = (0..3)
        .map(|_| answered(shape, echo.request(payload)))
        .collect();
    for edit in input.chunks(16) {
        // The ends of a payload may be edited too; it is never more than came.
        let bytes = edited(&replies, edit);
        assert!(
            echo.reply(&bytes)
                .is_none_or(|payload| payload.len() < bytes.len())
        );
        assert!(echo.reply(&bytes).is_none(), "one reply counts once");
        // No reply at all.
        let _ = echo.reply(edit);
    }
    let last = answered(shape, echo.request(payload));
    assert_eq!(echo.reply(&last), Some(payload));
    for old in &replies {
        assert_eq!(echo.reply(old), None);
    }
}

fn answered(shape: Shape, request: &[u8]) -> Vec<u8> {
    let mut reply = Vec::new();
    if shape == Shape::V4WithHead {
        let length = u16::try_from(IP_HEAD + request.len()).expect("the payload is bounded");
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
