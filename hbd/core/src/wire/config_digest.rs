//! The field `hbdconf`: what the configuration of a node amounts to, without giving it away.
//!
//! ```text
//! hbdconf=form:1,ha.cf:5f0c91d2a6b3e847,haresources:e3b0c44298fc1c14,hbd.cf:e3b0c44298fc1c14,key1:5d1a0f7e
//! ```
//!
//! Entries `NAME:HEX` with commas between them. A file's is the beginning of the SHA-256 of those of
//! its lines that must be the same on all nodes; `form` counts how such lines are written, and
//! nodes of different forms do not compare files. `ipfail` has how many ping nodes the node counts. A key's is its [`Fingerprint`](super::Fingerprint).

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::KeyRing;
use super::limits::KEYS_MAX;

/// Most entries: `form`, every key, and as many files again.
const ENTRIES_MAX: usize = 2 * KEYS_MAX;
/// Longest name of an entry, and longest value.
const NAME_BYTES_MAX: usize = 31;
const VALUE_BYTES_MAX: usize = 16;
/// Longest field.
pub const CONFIG_BYTES_MAX: usize = ENTRIES_MAX * (NAME_BYTES_MAX + VALUE_BYTES_MAX + 2);
/// The name under which the form is told.
const FORM: &str = "form";
/// The form that this program writes.
const FORM_OURS: &str = "1";
/// What the name of a key begins with.
const KEY: &str = "key";
/// The name under which is told how many ping nodes the node counts: none where it does nothing for
/// them. Heartbeat's word for it.
pub const IPFAIL: &str = "ipfail";

/// Entries by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigDigest(BTreeMap<String, String>);

/// How an entry of two nodes differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A file says something else.
    File(&'a str),
    /// It counts so many ping nodes.
    PingNodes {
        /// This side.
        here: u64,
        /// The other one.
        there: u64,
    },
    /// A key is another one.
    Key(u8),
    /// Only this side has the key.
    KeyOnlyHere(u8),
    /// Only the other side has the key.
    KeyOnlyThere(u8),
}

/// The value of a file whose lines are `canonical`.
#[must_use]
pub fn file_digest(canonical: &str) -> String {
    let digest = Sha256::digest(canonical.as_bytes());
    let mut text = String::new();
    for byte in digest.iter().take(VALUE_BYTES_MAX / 2) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

impl ConfigDigest {
    /// That of a node with these files, by name, and these keys.
    pub(crate) fn new(files: &BTreeMap<String, String>, keys: &KeyRing) -> Self {
        let mut entries = files.clone();
        entries.insert(FORM.into(), FORM_OURS.into());
        for (index, _, fingerprint) in keys.entries() {
            entries.insert(format!("{KEY}{index}"), fingerprint.to_string());
        }
        Self(entries)
    }

    /// Reads the field. None for what is not of its form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > CONFIG_BYTES_MAX {
            return None;
        }
        let mut entries = BTreeMap::new();
        for entry in text.split(',').take(ENTRIES_MAX + 1) {
            let (name, value) = entry.split_once(':')?;
            let named = (1..=NAME_BYTES_MAX).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_graphic());
            let hex = (1..=VALUE_BYTES_MAX).contains(&value.len())
                && value.bytes().all(|b| b.is_ascii_hexdigit());
            if !named || !hex || entries.len() == ENTRIES_MAX {
                return None;
            }
            entries.insert(name.into(), value.into());
        }
        Some(Self(entries))
    }

    /// The text of the field.
    #[must_use]
    pub fn to_field(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.0 {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(name);
            text.push(':');
            text.push_str(value);
        }
        text
    }

    /// The fingerprint under a key's index.
    #[must_use]
    pub fn key(&self, index: u8) -> Option<&str> {
        self.0.get(&format!("{KEY}{index}")).map(String::as_str)
    }

    /// Where it differs from that of another node. A file that only one of them tells is not
    /// compared: the other is of another version.
    pub fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Entry<'a>> {
        let same_form = self.0.get(FORM) == other.0.get(FORM);
        let here = self.0.iter().filter_map(move |(name, value)| {
            let theirs = other.0.get(name);
            if name == IPFAIL {
                return ping_nodes(value, theirs?);
            }
            match (key_index(name), theirs) {
                (Some(index), None) => Some(Entry::KeyOnlyHere(index)),
                (Some(index), Some(theirs)) if theirs != value => Some(Entry::Key(index)),
                (None, Some(theirs)) if same_form && theirs != value => Some(Entry::File(name)),
                _ => None,
            }
        });
        let there = other.0.keys().filter_map(|name| {
            let index = key_index(name)?;
            (!self.0.contains_key(name)).then_some(Entry::KeyOnlyThere(index))
        });
        here.chain(there)
    }
}

fn ping_nodes<'a>(here: &str, there: &str) -> Option<Entry<'a>> {
    let number = |text| u64::from_str_radix(text, 16).ok();
    let (here, there) = (number(here)?, number(there)?);
    (here != there).then_some(Entry::PingNodes { here, there })
}

/// The value of a node that counts so many ping nodes.
#[must_use]
pub fn ping_nodes_counted(count: usize) -> String {
    format!("{count:x}")
}

fn key_index(name: &str) -> Option<u8> {
    name.strip_prefix(KEY)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use shared::names::KeyIndex;

    use super::*;
    use crate::wire::Method;

    fn digest(ha_cf: &str, keys: &[(u8, &str)]) -> ConfigDigest {
        let files = [("ha.cf".to_string(), file_digest(ha_cf))].into();
        let keys = keys
            .iter()
            .map(|(index, secret)| (KeyIndex(*index), Method::Sha1, secret.as_bytes()));
        ConfigDigest::new(&files, &KeyRing::new(KeyIndex(1), keys).unwrap())
    }

    #[test]
    fn a_digest_survives_its_text_and_gives_no_key_away() {
        let digest = digest("node a b\n", &[(1, "secret"), (2, "other")]);
        let text = digest.to_field();
        assert_eq!(ConfigDigest::parse(&text), Some(digest));
        assert!(text.starts_with("form:1,ha.cf:"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn what_differs_is_told_by_name() {
        let one = digest("node a b\n", &[(1, "secret"), (2, "two"), (3, "three")]);
        let other = digest("node a c\n", &[(1, "secret"), (2, "zwei"), (4, "four")]);
        let found: Vec<_> = one.differences(&other).collect();
        assert_eq!(
            found,
            vec![
                Entry::File("ha.cf"),
                Entry::Key(2),
                Entry::KeyOnlyHere(3),
                Entry::KeyOnlyThere(4)
            ]
        );
        assert_eq!(one.differences(&one).next(), None);
    }

    #[test]
    fn how_many_ping_nodes_are_counted_is_compared_where_both_tell_it() {
        let counting = |count: &str| ConfigDigest::parse(&format!("form:1,{count}")).unwrap();
        let two = counting(&format!("{IPFAIL}:{}", ping_nodes_counted(2)));
        let none = counting(&format!("{IPFAIL}:{}", ping_nodes_counted(0)));
        let older = counting("ha.cf:12");
        let found: Vec<_> = two.differences(&none).collect();
        assert_eq!(found, vec![Entry::PingNodes { here: 2, there: 0 }]);
        for (one, other) in [(&two, &two), (&two, &older), (&older, &two)] {
            assert_eq!(one.differences(other).next(), None);
        }
    }

    #[test]
    fn files_of_another_form_are_not_compared_and_keys_are() {
        let one = digest("a", &[(1, "secret")]);
        let text = digest("b", &[(1, "other")]).to_field();
        let other = ConfigDigest::parse(&text.replace("form:1", "form:2")).unwrap();
        let found: Vec<_> = one.differences(&other).collect();
        assert_eq!(found, vec![Entry::Key(1)]);
    }

    #[test]
    fn anything_else_is_no_digest() {
        let many = vec!["key1:ab"; ENTRIES_MAX + 1];
        let distinct: Vec<_> = (0..ENTRIES_MAX + 1).map(|n| format!("f{n}:ab")).collect();
        for text in [
            "",
            "ha.cf",
            "ha.cf:",
            ":ab",
            "ha.cf:xyz",
            "ha.cf:00112233445566778",
            "a b:12",
            "key1:ab,",
            &"x".repeat(CONFIG_BYTES_MAX + 1),
            &distinct.join(","),
        ] {
            assert_eq!(ConfigDigest::parse(text), None, "{text:?}");
        }
        assert!(ConfigDigest::parse(&many.join(",")).is_some());
    }
}
