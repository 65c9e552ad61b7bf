//! Keys that sign packets.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::suggest;
use crate::names::KeyIndex;

/// Highest number of a key.
pub const KEY_INDEX_MAX: u8 = 15;

/// How a packet is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DigestMethod {
    /// A checksum without a key: finds damage, stops nobody.
    Crc,
    /// HMAC-MD5 (RFC 2104).
    Md5,
    /// HMAC-SHA1 (RFC 2104).
    Sha1,
    /// HMAC-SHA256 (RFC 2104, RFC 6234), in `hbd.keys` only.
    Sha256,
}

impl DigestMethod {
    /// All methods, the weakest first.
    pub const ALL: [Self; 4] = [Self::Crc, Self::Md5, Self::Sha1, Self::Sha256];

    /// The word in a key file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crc => "crc",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// The method with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == word)
    }

    /// Whether `word` is a method or a misspelled one, and therefore no secret.
    pub(super) fn is_nearly(word: &str) -> bool {
        Self::suggestion(word).is_some()
    }

    pub(super) fn suggestion(word: &str) -> Option<&'static str> {
        suggest::nearest(word, Self::ALL.map(Self::as_str))
    }
}

impl fmt::Display for DigestMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text of a key. `Debug` does not show it. Serialisation does, because the supervisor hands
/// the keys to the core: a value that holds a `Secret` must go nowhere else.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps the bytes of a key.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for the digest and nothing else.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// How it signs.
    pub method: DigestMethod,
    /// Its text; empty for [`DigestMethod::Crc`].
    pub secret: Secret,
}

/// All keys of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRing {
    /// The key that signs. It is in `keys`.
    pub active: KeyIndex,
    /// Every key that verifies, by its number.
    pub keys: BTreeMap<KeyIndex, Key>,
}

impl KeyRing {
    /// The key with this number.
    #[must_use]
    pub fn get(&self, index: KeyIndex) -> Option<&Key> {
        self.keys.get(&index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_holds_no_key() {
        let key = Key {
            method: DigestMethod::Sha1,
            secret: Secret::new(b"geheim".to_vec()),
        };
        assert_eq!(
            format!("{key:?}"),
            "Key { method: Sha1, secret: Secret(..) }"
        );
    }
}
