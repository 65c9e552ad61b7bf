//! The fields that the daemon itself adds to every message.

use shared::names::{Generation, NodeName, Sequence, Uuid};

use super::fields;
use super::message::Message;

/// Who sends a message, when, and as which of its messages. Written in the order of Heartbeat
/// 3.0.6: `destuuid src srcuuid seq hg ts ld ttl`.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// Identity of the only receiver, where it is known.
    pub dest_uuid: Option<Uuid>,
    /// Our name.
    pub src: &'a NodeName,
    /// Our identity.
    pub src_uuid: Uuid,
    /// Number of the message and the machine's load; none for types that begin with `NS_`.
    pub numbered: Option<Numbered<'a>>,
    /// Our generation.
    pub generation: Generation,
    /// Our clock, seconds since 1970.
    pub wall_seconds: u64,
    /// `hopfudge` plus the number of configured nodes, ping nodes included.
    pub ttl: u32,
}

/// What only messages with a sequence number carry.
#[derive(Clone, Copy, Debug)]
pub struct Numbered<'a> {
    /// The number.
    pub sequence: Sequence,
    /// First line of `/proc/loadavg`; empty where it is not known.
    pub load: &'a str,
}

/// Stands for an unknown load.
const LOAD_UNKNOWN: &str = "n/a";

impl Stamp<'_> {
    /// Adds the fields. One that stands in the message already is overwritten in its place.
    pub fn apply(&self, message: &mut Message) {
        if let Some(uuid) = self.dest_uuid {
            message.set_uuid(fields::DEST_UUID, uuid);
        }
        message.set_text(fields::SRC, self.src.as_str());
        message.set_uuid(fields::SRC_UUID, self.src_uuid);
        if let Some(numbered) = self.numbered {
            message.set_hex(fields::SEQUENCE, numbered.sequence.0);
        }
        message.set_hex(fields::GENERATION, self.generation.0);
        message.set_hex(fields::WALL, self.wall_seconds);
        if let Some(Numbered { load, .. }) = self.numbered {
            let load = if load.is_empty() { LOAD_UNKNOWN } else { load };
            message.set_text(fields::LOAD, load);
        }
        message.set_decimal(fields::TTL, u64::from(self.ttl));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn names(message: &Message) -> Vec<&str> {
        message.fields().map(|(name, _)| name).collect()
    }

    #[test]
    fn the_fields_stand_in_the_order_of_heartbeat_3_0_6() {
        let src = NodeName::new("alice").unwrap();
        let mut stamp = Stamp {
            dest_uuid: Some(Uuid([1; 16])),
            src: &src,
            src_uuid: Uuid([2; 16]),
            numbered: Some(Numbered {
                sequence: Sequence(17),
                load: "",
            }),
            generation: Generation(0x6b02_9977),
            wall_seconds: 0x6b02_9976,
            ttl: 3,
        };
        let mut message = Message::new("x");
        stamp.apply(&mut message);
        assert_eq!(
            names(&message),
            [
                "t", "destuuid", "src", "srcuuid", "seq", "hg", "ts", "ld", "ttl"
            ]
        );
        assert_eq!(message.text("seq"), Some("11"));
        assert_eq!(message.text("ld"), Some("n/a"));
        assert_eq!(message.text("ttl"), Some("3"));

        stamp.numbered = None;
        stamp.dest_uuid = None;
        let mut message = Message::new("NS_x");
        stamp.apply(&mut message);
        assert_eq!(names(&message), ["t", "src", "srcuuid", "hg", "ts", "ttl"]);
    }
}
