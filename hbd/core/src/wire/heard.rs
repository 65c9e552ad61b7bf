//! The field `hbdheard`: proof of being heard.
//!
//! A status of hbd lists, for each peer, what was heard from it: `NAME:GENERATION:LAST:HERE:COUNT` in
//! hexadecimal, with a comma between peers. `LAST` is the highest number heard over any medium,
//! `HERE` the highest heard over the medium that carries this copy of the status, `COUNT` how many
//! different ones came over it. Whoever finds itself there knows which of its own messages, and so
//! of what time, was the last to arrive, over all paths and over this one; and the loss on it.
//!
//! ```text
//! hbdheard=alice:6b029977:1c3:1c3:1b9,carol:6b029a01:9:0:0
//! ```
//!
//! A peer not heard in this life is not listed. [`HEARD_BYTES_MAX`] bounds the field; 100 nodes with
//! names of ten bytes need 4 KiB, so media under 1 Mbit/s go without it.

use alloc::string::String;
use core::fmt::Write as _;

use shared::names::{Generation, NODE_NAME_MAX, Sequence};

use super::limits::NODES_MAX;
use super::number::parse_hex;

/// Longest list: every node with the longest name and the largest numbers.
pub const HEARD_BYTES_MAX: usize = NODES_MAX * (NODE_NAME_MAX + 4 * (1 + 16) + 1);

/// What was heard from one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard<'a> {
    /// The peer's name in lower case.
    pub peer: &'a str,
    /// The generation it was in.
    pub generation: Generation,
    /// The highest number heard over any medium.
    pub last: Sequence,
    /// The highest number heard over this medium; 0 for none.
    pub here: Sequence,
    /// How many different numbers came over this medium.
    pub count: u64,
}

/// An entry, or a list, that breaks the rules. What stands behind it is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHeard;

/// The list that names nobody. It is sent, unlike no list: whoever still hears a node that hears
/// nobody learns from it that the path works in one direction only.
pub const NOBODY: &str = "-";

/// Writes the list; peers beyond [`NODES_MAX`] are left out. [`NOBODY`] for no peers.
pub fn format<'a>(peers: impl IntoIterator<Item = Heard<'a>>) -> String {
    let mut text = String::new();
    for heard in peers.into_iter().take(NODES_MAX) {
        let comma = if text.is_empty() { "" } else { "," };
        let Heard {
            peer,
            generation,
            last,
            here,
            count,
        } = heard;
        let _ = write!(
            text,
            "{comma}{peer}:{:x}:{:x}:{:x}:{count:x}",
            generation.0, last.0, here.0
        );
    }
    match text.is_empty() {
        true => NOBODY.into(),
        false => text,
    }
}

/// Reads the list, one peer at a time and without storing it. After an error the rest is not read.
pub fn parse(text: &str) -> impl Iterator<Item = Result<Heard<'_>, BadHeard>> {
    let sound = text.len() <= HEARD_BYTES_MAX;
    let mut rest = Some(if sound { text } else { "" }).filter(|text| *text != NOBODY);
    let mut left = NODES_MAX;
    core::iter::from_fn(move || {
        let current = rest.take()?;
        if left == 0 {
            return Some(Err(BadHeard));
        }
        left -= 1;
        let (entry, after) = match current.split_once(',') {
            Some((entry, after)) => (entry, Some(after)),
            None => (current, None),
        };
        let heard = parse_entry(entry);
        if heard.is_some() {
            rest = after;
        }
        Some(heard.ok_or(BadHeard))
    })
}

/// What the list says about `peer`. None if it is not there or the list is unsound up to there.
pub fn find<'a>(text: &'a str, peer: &str) -> Option<Heard<'a>> {
    parse(text)
        .map_while(Result::ok)
        .find(|heard| heard.peer == peer)
}

fn parse_entry(entry: &str) -> Option<Heard<'_>> {
    let mut parts = entry.split(':');
    let peer = parts
        .next()
        .filter(|peer| (1..=NODE_NAME_MAX).contains(&peer.len()))?;
    let mut number = || parse_hex(parts.next()?.as_bytes());
    let heard = Heard {
        peer,
        generation: Generation(number()?),
        last: Sequence(number()?),
        here: Sequence(number()?),
        count: number()?,
    };
    parts.next().is_none().then_some(heard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format as text;
    use alloc::vec::Vec;

    fn heard(peer: &str, generation: u64, last: u64) -> Heard<'_> {
        Heard {
            peer,
            generation: Generation(generation),
            last: Sequence(last),
            here: Sequence(last - 1),
            count: last,
        }
    }

    #[test]
    fn a_list_survives_its_text() {
        let list = [
            heard("alice", 0x6b02_9977, 0x1c3),
            heard("carol", 1, u64::MAX),
        ];
        let text = format(list);
        assert_eq!(
            text,
            "alice:6b029977:1c3:1c2:1c3,carol:1:ffffffffffffffff:fffffffffffffffe:ffffffffffffffff"
        );
        assert_eq!(parse(&text).collect::<Result<Vec<_>, _>>().unwrap(), list);
        assert_eq!(find(&text, "carol"), Some(list[1]));
        assert_eq!(find(&text, "bob"), None);
    }

    #[test]
    fn a_list_that_names_nobody_is_sound_and_empty() {
        assert_eq!(format([]), NOBODY);
        assert_eq!(parse(NOBODY).next(), None);
        assert_eq!(find(NOBODY, "alice"), None);
    }

    #[test]
    fn an_unsound_entry_ends_the_list() {
        for bad in [
            "",
            "alice",
            "alice:1",
            "alice:1:2:3",
            "alice:1:2:3:4:5",
            ":1:2:1:2",
            "alice:x:2:1:2",
            "a:1:2:1:2,",
        ] {
            assert_eq!(parse(bad).last(), Some(Err(BadHeard)), "{bad:?}");
        }
        assert_eq!(
            find("alice:1:2:1:2,,bob:1:2:1:2", "alice"),
            Some(heard("alice", 1, 2))
        );
        assert_eq!(find("alice:1:2:1:2,,bob:1:2:1:2", "bob"), None);
    }

    #[test]
    fn no_list_is_longer_than_its_bound() {
        let names: Vec<String> = (0..NODES_MAX + 1).map(|n| text!("{n:099}")).collect();
        let text = format(names.iter().map(|n| heard(n, u64::MAX, u64::MAX)));
        assert!(text.len() <= HEARD_BYTES_MAX);
        assert_eq!(parse(&text).filter(Result::is_ok).count(), NODES_MAX);
        let longer = text!("{text},x:1:1:1:1");
        assert!(parse(&longer).any(|entry| entry.is_err()));
        assert_eq!(find(&text!("{longer},{longer}"), &names[0]), None);
    }
}
