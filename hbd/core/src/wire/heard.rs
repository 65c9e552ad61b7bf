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
//! A peer not heard in this life is not listed. A list of more than [`LIST_BYTES_MAX`] would make a beat
//! longer than a frame of Ethernet, and reading it would be most of what a beat costs in a large
//! cluster. Then each beat lists some, in the order of their names, round and round; each list begins
//! with the last of the one before and ends with [`MORE`]. So a reader that such a list leaves out
//! knows whether it is not heard, or whether it is not its turn: see [`Told`].
//!
//! ```text
//! hbdheard=n031:1:1c3:1c3:1b9,n032:1:9:0:0,n034:1:7:7:7,+    n033 is not heard, n035 has to wait
//! ```

use alloc::string::String;
use core::fmt::Write as _;

use shared::names::{Generation, NODE_NAME_MAX, Sequence};

use super::limits::NODES_MAX;
use super::number::parse_hex;

/// Longest list that is sent: with the rest of a status it fits a frame of Ethernet.
pub const LIST_BYTES_MAX: usize = 1000;

/// Longest list that is read: every node with the longest name and the largest numbers.
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

/// Ends a list that leaves out peers that are heard.
pub const MORE: &str = "+";

/// What a list says about one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// It is heard.
    Heard(Heard<'a>),
    /// It is not.
    Unheard,
    /// Nothing: it is not its turn.
    Nothing,
}

/// Bytes of an entry at most, for a peer whose highest number is `last`.
#[must_use]
pub fn entry_bytes_max(peer: &str, generation: Generation, last: Sequence) -> usize {
    let digits = |number: u64| number.checked_ilog(16).unwrap_or(0) as usize + 1;
    peer.len() + digits(generation.0) + 3 * digits(last.0) + 5
}

/// Writes a list that leaves out peers: the next in turn.
pub fn format_some<'a>(peers: impl IntoIterator<Item = Heard<'a>>) -> String {
    let mut text = format(peers);
    text.push(',');
    text.push_str(MORE);
    text
}

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
    let (text, _) = without_more(text);
    let mut rest = Some(if sound { text } else { "" }).filter(|text| *text != NOBODY);
    let mut left = NODES_MAX;
    core::iter::from_fn(move || {
        let current = rest.take()?;
        if left == 0 {
            return Some(Err(BadHeard));
        }
        left -= 1;
        // Entries are short: looking at each byte is quicker than searching for the next comma.
        let comma = current.bytes().position(|byte| byte == b',');
        let (entry, after) = match comma {
            Some(comma) => (&current[..comma], Some(&current[comma + 1..])),
            None => (current, None),
        };
        let heard = parse_entry(entry);
        if heard.is_some() {
            rest = after;
        }
        Some(heard.ok_or(BadHeard))
    })
}

/// What the list says about `peer`. An unsound list says nothing of whom it names further on.
#[must_use]
pub fn told<'a>(text: &'a str, peer: &str) -> Told<'a> {
    let (mut first, mut last) = (None, "");
    for entry in parse(text).map_while(Result::ok) {
        if entry.peer == peer {
            return Told::Heard(entry);
        }
        first.get_or_insert(entry.peer);
        last = entry.peer;
    }
    match (without_more(text), first) {
        ((_, true), Some(first)) if !lies_between(peer, first, last) => Told::Nothing,
        _ => Told::Unheard,
    }
}

fn without_more(text: &str) -> (&str, bool) {
    let less = text.strip_suffix(MORE).and_then(|t| t.strip_suffix(','));
    less.map_or((text, false), |text| (text, true))
}

/// Whether going on by name from the first to the last, round where the names end, passes `name`.
fn lies_between(name: &str, first: &str, last: &str) -> bool {
    match first <= last {
        true => first < name && name < last,
        false => first < name || name < last,
    }
}

fn parse_entry(entry: &str) -> Option<Heard<'_>> {
    let mut parts = entry.as_bytes().split(|byte| *byte == b':');
    let peer = &entry[..parts.next()?.len()];
    if !(1..=NODE_NAME_MAX).contains(&peer.len()) {
        return None;
    }
    let mut number = || parse_hex(parts.next()?);
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
        assert_eq!(told(&text, "carol"), Told::Heard(list[1]));
        assert_eq!(told(&text, "bob"), Told::Unheard);
    }

    #[test]
    fn a_list_that_names_nobody_is_sound_and_empty() {
        assert_eq!(format([]), NOBODY);
        assert_eq!(parse(NOBODY).next(), None);
        assert_eq!(told(NOBODY, "alice"), Told::Unheard);
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
            told("alice:1:2:1:2,,bob:1:2:1:2", "alice"),
            Told::Heard(heard("alice", 1, 2))
        );
        assert_eq!(told("alice:1:2:1:2,,bob:1:2:1:2", "bob"), Told::Unheard);
    }

    #[test]
    fn no_list_is_longer_than_its_bound() {
        let names: Vec<String> = (0..NODES_MAX + 1).map(|n| text!("{n:099}")).collect();
        let text = format(names.iter().map(|n| heard(n, u64::MAX, u64::MAX)));
        assert!(text.len() <= HEARD_BYTES_MAX);
        assert_eq!(parse(&text).filter(Result::is_ok).count(), NODES_MAX);
        let longer = text!("{text},x:1:1:1:1");
        assert!(parse(&longer).any(|entry| entry.is_err()));
        let twice = text!("{longer},{longer}");
        assert_eq!(told(&twice, &names[0]), Told::Unheard);
    }

    #[test]
    fn a_list_in_turn_says_who_is_not_heard_and_whose_turn_it_is_not() {
        let list = format_some(["carol", "erin", "heidi"].map(|name| heard(name, 1, 5)));
        assert!(list.ends_with(",heidi:1:5:4:5,+"));
        assert_eq!(told(&list, "erin"), Told::Heard(heard("erin", 1, 5)));
        assert_eq!(told(&list, "dave"), Told::Unheard);
        for name in ["alice", "bob", "ivan"] {
            assert_eq!(told(&list, name), Told::Nothing, "{name}");
        }
        let round = format_some(["heidi", "ivan", "bob"].map(|name| heard(name, 1, 5)));
        for name in ["alice", "judy"] {
            assert_eq!(told(&round, name), Told::Unheard, "{name}");
        }
        assert_eq!(told(&round, "dave"), Told::Nothing);
    }

    #[test]
    fn no_entry_is_longer_than_foreseen() {
        for last in [1, 15, 16, 0xffff, 0x10000, u64::MAX] {
            let entry = Heard {
                here: Sequence(last),
                ..heard("alice", last, last)
            };
            let text = format([entry]);
            let bound = entry_bytes_max("alice", entry.generation, entry.last);
            assert_eq!(text.len() + 1, bound, "{text}");
        }
    }
}
