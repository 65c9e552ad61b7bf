//! Names and numbers with a meaning.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a node, always in lower case, as `uname -n` or `nodeinfo` gives it.
///
/// 1 to 99 bytes, no blank, no control character, no `/` and no `,`, so that a name can stand in a
/// link or event identity, and a `:` only in an IPv6 address, which is a ping node. Names from `ha.cf`, `haresources` and the wire are lowered before they
/// are compared, as Heartbeat 3.0.6 does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(std::sync::Arc<str>);

/// Longest name of a node in bytes.
pub const NODE_NAME_MAX: usize = 99;

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// The text has no byte.
    Empty,
    /// The text has more bytes than are allowed.
    TooLong {
        /// How many are allowed.
        max: usize,
    },
    /// The text holds a character that may not stand in a name.
    BadCharacter(char),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a name needs at least one character"),
            Self::TooLong { max } => write!(f, "a name has at most {max} bytes"),
            Self::BadCharacter(c) => write!(f, "a name cannot contain {c:?}"),
        }
    }
}

impl std::error::Error for NameError {}

impl NodeName {
    /// Lowers and checks `text`.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let forbidden: &[char] = match is_address6(text) {
            true => &['/', ','],
            false => &['/', ':', ','],
        };
        check(text, NODE_NAME_MAX, forbidden)?;
        Ok(Self(text.to_lowercase().into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a medium, which is also the name of every link over it: a device (`eth0`) where
/// only one kind of medium uses that device, else kind and device (`mcast:eth0`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MediumName(std::sync::Arc<str>);

/// Longest name of a medium in bytes.
pub const MEDIUM_NAME_MAX: usize = 255;

impl MediumName {
    /// Checks `text`.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check(text, MEDIUM_NAME_MAX, &[])?;
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a client of sessions: whoever sends or listens under it. Unique on its node among
/// those who listen, and among those who send.
///
/// 1 to 64 bytes, no blank, no control character, no `/`, `:` and `,`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientName(std::sync::Arc<str>);

/// Longest name of a client in bytes.
pub const CLIENT_NAME_MAX: usize = 64;

impl ClientName {
    /// Checks `text`.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check(text, CLIENT_NAME_MAX, &['/', ':', ','])?;
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An IPv6 address, with or without its zone (RFC 4007, 11).
fn is_address6(text: &str) -> bool {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse::<std::net::Ipv6Addr>().is_ok()
}

pub(crate) fn check(text: &str, max: usize, forbidden: &[char]) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > max {
        return Err(NameError::TooLong { max });
    }
    match text
        .chars()
        .find(|c| c.is_whitespace() || c.is_control() || forbidden.contains(c))
    {
        Some(c) => Err(NameError::BadCharacter(c)),
        None => Ok(()),
    }
}

macro_rules! text_type {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(&text)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }
    };
}
pub(crate) use text_type;

text_type!(NodeName);
text_type!(MediumName);
text_type!(ClientName);

/// One path to a peer: the peer and the medium it runs over. Written `bob/eth0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkName {
    /// The node at the other end.
    pub peer: NodeName,
    /// What the link runs over.
    pub medium: MediumName,
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.peer, self.medium)
    }
}

macro_rules! number_type {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_type! {
    /// Counts the lives of a node's daemon. Grows at each start and each quick restart; a peer
    /// drops messages of a lower one as replays. `hg` on the wire, in hexadecimal.
    Generation(u64)
}
number_type! {
    /// Counts the messages of one generation, from 1. `seq` on the wire, in hexadecimal.
    Sequence(u64)
}
number_type! {
    /// Names a key of `authkeys` or `hbd.keys`, 0 to 15.
    KeyIndex(u8)
}

impl Generation {
    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Sequence {
    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A node's lasting identity: the 16 bytes of `hb_uuid`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uuid(pub [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uuid({self})")
    }
}

impl FromStr for Uuid {
    type Err = UuidError;
    fn from_str(text: &str) -> Result<Self, UuidError> {
        let digits: Vec<u8> = text
            .bytes()
            .filter(|b| *b != b'-')
            .map(|b| char::from(b).to_digit(16).map(|d| d as u8).ok_or(UuidError))
            .collect::<Result<_, _>>()?;
        let mut bytes = [0; 16];
        if digits.len() != 32 {
            return Err(UuidError);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        Ok(Self(bytes))
    }
}

/// A text is not 32 hexadecimal digits, with or without hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UuidError;

impl fmt::Display for UuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a UUID is 32 hexadecimal digits, with or without hyphens")
    }
}

impl std::error::Error for UuidError {}

impl TryFrom<String> for Uuid {
    type Error = UuidError;
    fn try_from(text: String) -> Result<Self, UuidError> {
        text.parse()
    }
}

impl From<Uuid> for String {
    fn from(uuid: Uuid) -> String {
        uuid.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_name_is_lowered() {
        assert_eq!(NodeName::new("Alice").unwrap().as_str(), "alice");
    }

    #[test]
    fn a_node_name_with_a_blank_or_slash_or_no_byte_is_refused() {
        assert_eq!(NodeName::new("a b"), Err(NameError::BadCharacter(' ')));
        assert_eq!(NodeName::new("a/b"), Err(NameError::BadCharacter('/')));
        assert_eq!(NodeName::new("a:1"), Err(NameError::BadCharacter(':')));
        assert_eq!(
            NodeName::new("FE80::1%eth0").unwrap().as_str(),
            "fe80::1%eth0"
        );
        assert_eq!(
            NodeName::new("fe80::1%a/b"),
            Err(NameError::BadCharacter('/'))
        );
        assert_eq!(NodeName::new(""), Err(NameError::Empty));
        assert_eq!(
            NodeName::new(&"x".repeat(100)),
            Err(NameError::TooLong { max: 99 })
        );
    }

    #[test]
    fn a_uuid_survives_its_text() {
        let uuid = Uuid(core::array::from_fn(|i| i as u8 * 17));
        let text = uuid.to_string();
        assert_eq!(text, "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(text.parse(), Ok(uuid));
        assert_eq!("0011".parse::<Uuid>(), Err(UuidError));
    }
}
