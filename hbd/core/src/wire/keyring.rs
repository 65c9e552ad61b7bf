//! The keys of a node, by index, and which of them signs.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use shared::names::KeyIndex;

use super::digest::{Digest, Key, Method, keyed};
use super::limits::{AUTH_BYTES_MAX, KEYS_MAX};
use super::number::{Digits, parse_decimal};
use super::refused::Refused;

/// Hexadecimal digits of a [`Fingerprint`].
const FINGERPRINT_DIGITS: usize = 8;

/// Keys by index, one of them active. Its `Debug` text shows indices, methods and nothing secret; nor
/// is anything secret saved: a restored ring has empty keys under the names of the real ones.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Outline", into = "Outline")]
pub struct KeyRing {
    active: KeyIndex,
    keys: BTreeMap<KeyIndex, Entry>,
}

/// What a key is made of.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Secret {
    /// The text that nodes share; empty for `crc`.
    Known(Vec<u8>),
    /// It was left out of a record. The key signs nothing that anybody else believes, but it has the
    /// same name.
    LeftOut(Fingerprint),
}

impl Secret {
    /// What a record may hold of a key of this method.
    #[must_use]
    pub fn left_out(&self, method: Method) -> Self {
        Self::LeftOut(match self {
            Self::Known(text) => fingerprint(method, text),
            Self::LeftOut(name) => *name,
        })
    }
}

impl From<Vec<u8>> for Secret {
    fn from(text: Vec<u8>) -> Self {
        Self::Known(text)
    }
}

impl From<&[u8]> for Secret {
    fn from(text: &[u8]) -> Self {
        Self::Known(text.to_vec())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

#[derive(Clone)]
struct Entry {
    key: Key,
    fingerprint: Fingerprint,
}

/// What is saved of a ring.
#[derive(Serialize, Deserialize)]
struct Outline {
    active: KeyIndex,
    keys: Vec<(KeyIndex, Method, Fingerprint)>,
}

impl From<KeyRing> for Outline {
    fn from(ring: KeyRing) -> Self {
        Self {
            active: ring.active,
            keys: ring.entries().collect(),
        }
    }
}

impl TryFrom<Outline> for KeyRing {
    type Error = KeyRingError;
    fn try_from(outline: Outline) -> Result<Self, KeyRingError> {
        let key = |(index, method, name)| (index, method, Secret::LeftOut(name));
        Self::new(outline.active, outline.keys.into_iter().map(key))
    }
}

/// Names a key without giving it away: 32 bits of HMAC-SHA256 over a fixed text and the method,
/// made with the key. Two nodes that show the same one hold the same key.
///
/// Whoever sees it can try guessed keys against it without talking to a node. A signed packet gives
/// the same chance, so this costs nothing for a key in use; a key that is only listed is exposed to
/// guessing before its first use. Keys have to be random either way (hbd.keys(5)).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fingerprint([u8; FINGERPRINT_DIGITS]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(core::str::from_utf8(&self.0).unwrap_or("?"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// A ring that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRingError {
    /// The active index names no key.
    NoActiveKey(KeyIndex),
    /// An index beyond 15.
    IndexTooHigh(KeyIndex),
    /// Two keys with one index.
    TwoKeys(KeyIndex),
}

impl fmt::Display for KeyRingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoActiveKey(index) => write!(f, "key {index} is to sign, but is not defined"),
            Self::IndexTooHigh(index) => {
                write!(f, "key {index}: an index is at most {}", KEYS_MAX - 1)
            }
            Self::TwoKeys(index) => write!(f, "key {index} is defined twice"),
        }
    }
}

impl core::error::Error for KeyRingError {}

impl KeyRing {
    /// A ring of `keys`, given as index, method and secret, that signs with `active`.
    pub fn new<S: Into<Secret>>(
        active: KeyIndex,
        keys: impl IntoIterator<Item = (KeyIndex, Method, S)>,
    ) -> Result<Self, KeyRingError> {
        let mut ring = BTreeMap::new();
        for (index, method, secret) in keys {
            if usize::from(index.0) >= KEYS_MAX {
                return Err(KeyRingError::IndexTooHigh(index));
            }
            let entry = match secret.into() {
                Secret::Known(secret) => Entry {
                    key: Key::new(method, &secret),
                    fingerprint: fingerprint(method, &secret),
                },
                Secret::LeftOut(fingerprint) => Entry {
                    key: Key::new(method, b""),
                    fingerprint,
                },
            };
            if ring.insert(index, entry).is_some() {
                return Err(KeyRingError::TwoKeys(index));
            }
        }
        if !ring.contains_key(&active) {
            return Err(KeyRingError::NoActiveKey(active));
        }
        Ok(Self { active, keys: ring })
    }

    /// The index that signs.
    pub fn active(&self) -> KeyIndex {
        self.active
    }

    /// Index, method and fingerprint of each key, by index.
    pub fn entries(&self) -> impl Iterator<Item = (KeyIndex, Method, Fingerprint)> {
        self.keys
            .iter()
            .map(|(index, entry)| (*index, entry.key.method(), entry.fingerprint))
    }

    /// The fingerprint of the key at `index`.
    pub fn fingerprint(&self, index: KeyIndex) -> Option<Fingerprint> {
        self.keys.get(&index).map(|entry| entry.fingerprint)
    }

    /// `INDEX HEX` over the data, made with the active key.
    pub(super) fn sign(&self, data: &[u8]) -> Auth {
        let entry = &self.keys[&self.active];
        let digest = entry.key.digest([data, b""]);
        let mut auth = Auth {
            text: [0; AUTH_BYTES_MAX],
            len: 0,
        };
        auth.push(Digits::decimal(u64::from(self.active.0)).as_bytes());
        auth.push(b" ");
        auth.push(digest.as_bytes());
        auth
    }

    /// The digest that `auth` should hold beside the index it names; nothing for an unknown key.
    pub(super) fn digest_for(&self, auth: &[u8], parts: [&[u8]; 2]) -> Option<Digest> {
        let (index, _) = split_auth(auth)?;
        Some(self.keys.get(&index)?.key.digest(parts))
    }

    /// Checks `auth`, the text `INDEX HEX`, against the data, and tells the index.
    ///
    /// A `crc` key counts only while it is the active one: anyone can make a `crc`, so listing
    /// one beside a real key must not open the door.
    pub(super) fn verify(&self, auth: &[u8], parts: [&[u8]; 2]) -> Result<KeyIndex, Refused> {
        let (index, claimed) = split_auth(auth).ok_or(Refused::BadAuth)?;
        let entry = self.keys.get(&index).ok_or(Refused::UnknownKey(index))?;
        if entry.key.method() == Method::Crc && index != self.active {
            return Err(Refused::InactiveCrc(index));
        }
        let digest: Digest = entry.key.digest(parts);
        if digest.matches(claimed) {
            Ok(index)
        } else {
            Err(Refused::WrongDigest(index))
        }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing(active {}", self.active)?;
        for (index, method, _) in self.entries() {
            write!(f, ", {index} {method}")?;
        }
        f.write_str(")")
    }
}

fn fingerprint(method: Method, secret: &[u8]) -> Fingerprint {
    let mut mac: Hmac<Sha256> = keyed(secret);
    mac.update(b"hbd key fingerprint ");
    mac.update(method.as_str().as_bytes());
    let digest = Digest::of_bytes(&mac.finalize().into_bytes());
    let mut digits = [0; FINGERPRINT_DIGITS];
    digits.copy_from_slice(&digest.as_bytes()[..FINGERPRINT_DIGITS]);
    Fingerprint(digits)
}

/// Splits `INDEX HEX`. The index has no leading zero.
pub(super) fn split_auth(auth: &[u8]) -> Option<(KeyIndex, &[u8])> {
    let blank = auth.iter().position(|byte| *byte == b' ')?;
    let (index, hex) = (&auth[..blank], &auth[blank + 1..]);
    if index.len() > 1 && index[0] == b'0' || hex.is_empty() {
        return None;
    }
    let index = u8::try_from(parse_decimal(index)?).ok()?;
    hex.iter()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        .then_some((KeyIndex(index), hex))
}

/// `INDEX HEX` on the stack.
pub(super) struct Auth {
    text: [u8; AUTH_BYTES_MAX],
    len: usize,
}

impl Auth {
    fn push(&mut self, part: &[u8]) {
        let end = self.len + part.len();
        self.text[self.len..end].copy_from_slice(part);
        self.len = end;
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn ring(active: u8) -> KeyRing {
        let keys: [(KeyIndex, Method, &[u8]); 3] = [
            (KeyIndex(1), Method::Sha1, b"lab-secret-key"),
            (KeyIndex(2), Method::Md5, b"md5-secret"),
            (KeyIndex(3), Method::Crc, b""),
        ];
        KeyRing::new(KeyIndex(active), keys).unwrap()
    }

    #[test]
    fn what_one_key_signs_a_ring_with_that_key_verifies() {
        for active in 1..=3 {
            let auth = ring(active).sign(b"data");
            let parts: [&[u8]; 2] = [b"da", b"ta"];
            assert_eq!(
                ring(active).verify(auth.as_bytes(), parts),
                Ok(KeyIndex(active))
            );
        }
    }

    #[test]
    fn a_listed_key_verifies_while_another_is_active() {
        let auth = ring(2).sign(b"data");
        assert_eq!(
            ring(1).verify(auth.as_bytes(), [b"data", b""]),
            Ok(KeyIndex(2))
        );
    }

    #[test]
    fn a_crc_counts_only_while_it_is_the_active_key() {
        let auth = ring(3).sign(b"data");
        assert_eq!(
            ring(1).verify(auth.as_bytes(), [b"data", b""]),
            Err(Refused::InactiveCrc(KeyIndex(3)))
        );
    }

    #[test]
    fn an_unknown_index_and_a_malformed_digest_are_told_apart() {
        let verify = |auth: &str| ring(1).verify(auth.as_bytes(), [b"data", b""]);
        assert_eq!(verify("9 abcd"), Err(Refused::UnknownKey(KeyIndex(9))));
        assert_eq!(verify("1 abcd"), Err(Refused::WrongDigest(KeyIndex(1))));
        for bad in [
            "", "1", "1 ", " abcd", "01 abcd", "300 abcd", "1 ABCD", "1 abcd ",
        ] {
            assert_eq!(verify(bad), Err(Refused::BadAuth), "{bad:?}");
        }
    }

    #[test]
    fn a_ring_needs_its_active_key_and_distinct_small_indices() {
        let new = |active: u8, indices: &[u8]| {
            let keys = indices
                .iter()
                .map(|i| (KeyIndex(*i), Method::Sha1, b"k".as_slice()));
            KeyRing::new(KeyIndex(active), keys).map(|ring| ring.active())
        };
        assert_eq!(new(1, &[1, 15]), Ok(KeyIndex(1)));
        assert_eq!(new(2, &[1]), Err(KeyRingError::NoActiveKey(KeyIndex(2))));
        assert_eq!(new(1, &[1, 1]), Err(KeyRingError::TwoKeys(KeyIndex(1))));
        assert_eq!(
            new(16, &[16]),
            Err(KeyRingError::IndexTooHigh(KeyIndex(16)))
        );
    }

    #[test]
    fn the_debug_text_of_a_ring_holds_no_secret() {
        let text = format!("{:?}", ring(1));
        assert_eq!(text, "KeyRing(active 1, 1 sha1, 2 md5, 3 crc)");
    }

    #[test]
    fn a_fingerprint_tells_keys_and_methods_apart() {
        let print = |method, secret: &str| format!("{}", fingerprint(method, secret.as_bytes()));
        assert_eq!(print(Method::Sha1, "a"), print(Method::Sha1, "a"));
        assert_ne!(print(Method::Sha1, "a"), print(Method::Sha1, "b"));
        assert_ne!(print(Method::Sha1, "a"), print(Method::Md5, "a"));
        assert_eq!(print(Method::Sha1, "a").len(), 8);
    }
}
