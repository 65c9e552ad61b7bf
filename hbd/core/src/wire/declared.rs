//! The field `hbddead`: living nodes that the sender declared dead.
//!
//! `NAME:GENERATION` in hexadecimal, with a comma between nodes: the life that was declared dead for
//! its silence. Whoever finds itself there in its present life lived all the time.
//!
//! ```text
//! hbddead=alice:6b029977,carol:6b029a01
//! ```

use alloc::string::String;
use core::fmt::Write as _;

use shared::names::{Generation, NODE_NAME_MAX};

use super::limits::NODES_MAX;
use super::number::parse_hex;

/// Longest list that is read: every node with the longest name and the largest number.
pub const DECLARED_BYTES_MAX: usize = NODES_MAX * (NODE_NAME_MAX + 1 + 16 + 1);

/// Writes the list; nothing for no nodes. Those beyond [`NODES_MAX`] are left out.
pub fn format<'a>(nodes: impl IntoIterator<Item = (&'a str, Generation)>) -> Option<String> {
    let mut text = String::new();
    for (node, generation) in nodes.into_iter().take(NODES_MAX) {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{node}:{:x}", generation.0);
    }
    Some(text).filter(|text| !text.is_empty())
}

/// The life of `node` that the list names. What stands behind an entry that does not parse is not
/// read.
pub fn find(text: &str, node: &str) -> Option<Generation> {
    if text.len() > DECLARED_BYTES_MAX {
        return None;
    }
    let mut entries = text.split(',').take(NODES_MAX).map_while(parse_entry);
    let found = entries.find(|(name, _)| *name == node);
    found.map(|(_, generation)| generation)
}

fn parse_entry(entry: &str) -> Option<(&str, Generation)> {
    let (name, generation) = entry.split_once(':')?;
    let sound = (1..=NODE_NAME_MAX).contains(&name.len());
    let generation = parse_hex(generation.as_bytes())?;
    sound.then_some((name, Generation(generation)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_survives_its_text() {
        let list = [("alice", Generation(0x6b02_9977)), ("carol", Generation(1))];
        let text = format(list).unwrap();
        assert_eq!(text, "alice:6b029977,carol:1");
        for (node, generation) in list {
            assert_eq!(find(&text, node), Some(generation));
        }
        assert_eq!(find(&text, "bob"), None);
        assert_eq!(format([]), None);
    }

    #[test]
    fn an_unsound_entry_ends_the_list() {
        for bad in [
            "",
            "alice",
            "alice:",
            "alice:x",
            ":1",
            "alice:1:2",
            "b:1,,alice:1",
        ] {
            assert_eq!(find(bad, "alice"), None, "{bad:?}");
        }
        assert_eq!(find("alice:1,x", "alice"), Some(Generation(1)));
    }

    #[test]
    fn no_list_that_is_written_is_too_long_to_be_read() {
        let names: alloc::vec::Vec<String> = (0..NODES_MAX + 1)
            .map(|n| alloc::format!("{n:099}"))
            .collect();
        let text = format(names.iter().map(|n| (n.as_str(), Generation(u64::MAX)))).unwrap();
        assert_eq!(
            find(&text, &names[NODES_MAX - 1]),
            Some(Generation(u64::MAX))
        );
        assert_eq!(find(&text, &names[NODES_MAX]), None);
        let longer = alloc::format!("{text},x:1");
        assert_eq!(find(&alloc::format!("{longer}{longer}"), &names[0]), None);
    }
}
