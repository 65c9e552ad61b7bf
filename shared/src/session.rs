//! Words of sessions: messages from a client on one node to a client on another (`hbd-api(7)`).

use std::fmt;

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};

use crate::names::NodeName;

/// Longest message in bytes.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Longest control message in bytes: one fragment.
pub const CONTROL_BYTES_MAX: usize = 1200;

/// How urgent a message is. Beats come before either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Short, and before all bulk of other streams.
    Control,
    /// Anything, with what room there is; over a slow medium only where there is no other.
    Bulk,
}

impl Class {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Control, Self::Bulk];

    /// The class of a message of so many bytes whose sender names none.
    #[must_use]
    pub fn of(bytes: usize) -> Self {
        match bytes {
            0..=CONTROL_BYTES_MAX => Self::Control,
            _ => Self::Bulk,
        }
    }

    /// Its word, as in JSON and on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Bulk => "bulk",
        }
    }
}

/// The bytes of a message: base64 in JSON.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Payload(pub Vec<u8>);

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

impl From<Payload> for String {
    fn from(payload: Payload) -> Self {
        Base64::encode_string(&payload.0)
    }
}

impl TryFrom<String> for Payload {
    type Error = BadPayload;
    fn try_from(text: String) -> Result<Self, BadPayload> {
        Base64::decode_vec(&text).map(Self).map_err(|_| BadPayload)
    }
}

/// A text is not base64 with padding (RFC 4648, 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPayload;

impl fmt::Display for BadPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a message are base64 with padding")
    }
}

impl std::error::Error for BadPayload {}

/// Why a session is over, or could not begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The sender closed it. Everything older was received before.
    Closed,
    /// The sender gave up on a message.
    GaveUp,
    /// A core at either end began anew. The stream goes on in another session.
    Restarted,
    /// The node at the other end left the cluster in order.
    Left,
    /// The node at the other end is dead, or was not heard yet.
    NotAlive,
    /// Nobody listens under that name.
    NobodyListens,
    /// Whoever listened does not any more.
    ClientGone,
    /// The other end has no room for another session.
    Busy,
    /// A living node has not announced sessions. While it lives nothing of them goes on the wire.
    NotAnnounced {
        /// That node.
        node: NodeName,
    },
    /// There is no such node in `ha.cf`, or it cannot have clients.
    NoSuchNode,
    /// The other end knows nothing of the session, or its fragments make no sense.
    Broken,
}

impl Ending {
    /// Its word, as in JSON and on the wire.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::GaveUp => "gave-up",
            Self::Restarted => "restarted",
            Self::Left => "left",
            Self::NotAlive => "not-alive",
            Self::NobodyListens => "nobody-listens",
            Self::ClientGone => "client-gone",
            Self::Busy => "busy",
            Self::NotAnnounced { .. } => "not-announced",
            Self::NoSuchNode => "no-such-node",
            Self::Broken => "broken",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the sender closed it"),
            Self::GaveUp => f.write_str("the sender gave up"),
            Self::Restarted => f.write_str("a core began anew"),
            Self::Left => f.write_str("the node left the cluster"),
            Self::NotAlive => f.write_str("the node is dead or was not heard yet"),
            Self::NobodyListens => f.write_str("nobody listens there under that name"),
            Self::ClientGone => f.write_str("whoever listened there is gone"),
            Self::Busy => f.write_str("the node has no room for another session"),
            Self::NotAnnounced { node } => write!(
                f,
                "node {node} lives and does not know sessions: it runs Heartbeat or an older hbd, \
                 and gets nothing it could misread"
            ),
            Self::NoSuchNode => f.write_str("ha.cf has no such node that runs a daemon"),
            Self::Broken => f.write_str("the other end knows nothing of it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_base64_in_json() {
        let payload = Payload(vec![0, 255, 10]);
        let json = serde_json::to_string(&payload).unwrap();
        assert_eq!(json, r#""AP8K""#);
        assert_eq!(serde_json::from_str::<Payload>(&json).unwrap(), payload);
        let refused = serde_json::from_str::<Payload>(r#""AP8""#).unwrap_err();
        assert!(refused.to_string().contains("base64"), "{refused}");
    }

    #[test]
    fn a_message_of_one_fragment_is_control_unless_its_sender_says_otherwise() {
        assert_eq!(Class::of(CONTROL_BYTES_MAX), Class::Control);
        assert_eq!(Class::of(CONTROL_BYTES_MAX + 1), Class::Bulk);
    }

    #[test]
    fn the_word_of_an_ending_is_that_of_its_json() {
        for ending in [Ending::Closed, Ending::NobodyListens, Ending::NoSuchNode] {
            let json = serde_json::to_value(&ending).unwrap();
            assert_eq!(json, ending.word());
        }
    }
}
