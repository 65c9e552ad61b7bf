//! The flight recorder: what went into a core, in a ring of bytes that outlives it.
//!
//! ```text
//! +--------+---------------------------+---------------------------+
//! | header | half 0                    | half 1                    |
//! +--------+---------------------------+---------------------------+
//!          | START input event input - - > | STATE input input event - - >
//! ```
//!
//! Each half begins with what a core can be made of: what it started from, or its state. Then come
//! its inputs in their order, and the events it made of them. When one half is full the other one
//! begins, so between half and all of the ring can be replayed. What was written counts as soon as
//! the header says how long it is, so a reader finds whole entries whenever the writer dies.
//!
//! Keys are no part of it. Of a packet it is kept whether its digest was right, and
//! [`resign`](crate::wire::resign) makes that true again for a core without the keys.

use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{Ordering, compiler_fence};

use shared::time::{Moment, Now, Wall};

use crate::machine::Core;
use crate::settings::MediumIndex;

/// Begins every ring; the number is that of the format.
const MAGIC: [u8; 16] = *b"hbd flight 1\n\0\0\0";
const HALVES: usize = 2;
/// Turn and length of each half stand behind the magic.
const HEADER: usize = 64;
/// Kind, mark, medium, length, both clocks.
const ENTRY: usize = 24;
/// A half must hold a few of the longest packets.
pub const HALF_MIN: usize = 256 * 1024;
/// Room kept for the events of an input.
const EVENTS_ROOM: usize = 32 * 1024;

/// Of an entry that is no packet.
pub const NO_MEDIUM: MediumIndex = MediumIndex(0);

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EntryKind {
    /// Settings and start, as JSON.
    Start = 1,
    /// The state of a core before the next input ([`Core::save`](crate::Core::save)).
    State = 2,
    /// The state was too long; what follows cannot be replayed.
    NoState = 3,
    /// An input: a packet.
    Packet = 4,
    /// An input: a command, as JSON.
    Command = 5,
    /// An input: time.
    Timeout = 6,
    /// An output: an event, as JSON.
    Event = 7,
    /// There was no room for an event.
    NoEvent = 8,
}

impl EntryKind {
    const ALL: [Self; 8] = [
        Self::Start,
        Self::State,
        Self::NoState,
        Self::Packet,
        Self::Command,
        Self::Timeout,
        Self::Event,
        Self::NoEvent,
    ];
}

/// What became of a packet's digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Digest {
    /// The core did not come to an end with it.
    #[default]
    Unknown = 0,
    /// It was right, or was not looked at.
    Right = 1,
    /// It was wrong, or made with a key that does not count.
    Wrong = 2,
}

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What it is.
    pub kind: EntryKind,
    /// Of a packet.
    pub digest: Digest,
    /// Of a packet.
    pub medium: MediumIndex,
    /// When.
    pub now: Now,
    /// What it holds.
    pub payload: &'a [u8],
}

/// A ring that is written.
#[derive(Debug)]
pub struct Ring<M> {
    memory: M,
    half: usize,
    turn: u64,
    length: usize,
    /// Where the last packet's mark is.
    packet: Option<usize>,
}

impl<M: AsMut<[u8]>> Ring<M> {
    /// Takes memory over, whose first half begins. Nothing where it is too small.
    pub fn new(mut memory: M) -> Option<Self> {
        let bytes = memory.as_mut();
        if half_size(bytes.len()) < HALF_MIN {
            return None;
        }
        bytes[..HEADER].fill(0);
        bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
        let mut ring = Self {
            memory,
            half: 1,
            turn: 0,
            length: 0,
            packet: None,
        };
        ring.turn_over();
        Some(ring)
    }

    /// The bytes of the whole ring.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Appends an input, which `core` is to handle next. Where it does not fit with the events it may
    /// bring, the other half begins with the state of the core.
    pub fn put_input(&mut self, input: &Entry<'_>, core: &Core) {
        let Entry { kind, now, .. } = *input;
        if !self.has_room(input.payload.len()) {
            self.turn_over();
            let save = |room: &mut [u8]| core.save(room);
            if !self.put_with(EntryKind::State, NO_MEDIUM, now, save) {
                self.put(EntryKind::NoState, NO_MEDIUM, now, b"");
            }
        }
        if !self.put(kind, input.medium, now, input.payload) {
            self.put(EntryKind::NoState, NO_MEDIUM, now, b"");
        }
    }

    fn has_room(&mut self, bytes: usize) -> bool {
        let size = half_size(self.memory.as_mut().len());
        self.length + ENTRY + bytes + EVENTS_ROOM <= size
    }

    /// Begins the other half, over what it held.
    fn turn_over(&mut self) {
        self.half = (self.half + 1) % HALVES;
        self.turn += 1;
        self.length = 0;
        self.packet = None;
        // First empty, then newer: a reader never takes old entries for new ones.
        self.commit();
        let place = turn_place(self.half);
        self.memory.as_mut()[place].copy_from_slice(&self.turn.to_le_bytes());
    }

    /// Appends an entry. False where it does not fit.
    pub fn put(&mut self, kind: EntryKind, medium: MediumIndex, now: Now, payload: &[u8]) -> bool {
        self.put_with(kind, medium, now, |room| {
            room.get_mut(..payload.len())?.copy_from_slice(payload);
            Some(payload.len())
        })
    }

    /// Appends an entry that `fill` writes; it tells how many bytes it used. False where they do
    /// not fit.
    pub fn put_with(
        &mut self,
        kind: EntryKind,
        medium: MediumIndex,
        now: Now,
        fill: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> bool {
        let bytes = self.memory.as_mut();
        let size = half_size(bytes.len());
        let start = HEADER + self.half * size;
        let half = &mut bytes[start..start + size];
        let Some(room) = half.get_mut(self.length + ENTRY..) else {
            return false;
        };
        let Some(used) = fill(room).filter(|used| *used <= room.len()) else {
            return false;
        };
        let header = &mut half[self.length..self.length + ENTRY];
        header[0] = kind as u8;
        header[1] = Digest::Unknown as u8;
        header[2..4].copy_from_slice(&medium.0.to_le_bytes());
        header[4..8].copy_from_slice(&u32::try_from(used).unwrap_or(0).to_le_bytes());
        header[8..16].copy_from_slice(&now.boot.0.to_le_bytes());
        header[16..24].copy_from_slice(&now.wall.0.to_le_bytes());
        if kind == EntryKind::Packet {
            self.packet = Some(start + self.length + 1);
        }
        self.length += ENTRY + used;
        self.commit();
        true
    }

    /// Notes what became of the last packet's digest.
    pub fn judge(&mut self, digest: Digest) {
        if let Some(place) = self.packet.take() {
            self.memory.as_mut()[place] = digest as u8;
        }
    }

    fn commit(&mut self) {
        // The processor keeps the order of stores for its own later reader; the compiler must too.
        compiler_fence(Ordering::Release);
        let place = length_place(self.half);
        let length = self.length as u64;
        self.memory.as_mut()[place].copy_from_slice(&length.to_le_bytes());
    }
}

fn half_size(memory: usize) -> usize {
    memory.saturating_sub(HEADER) / HALVES
}

fn turn_place(half: usize) -> Range<usize> {
    let start = MAGIC.len() + half * 16;
    start..start + 8
}

fn length_place(half: usize) -> Range<usize> {
    let start = MAGIC.len() + half * 16 + 8;
    start..start + 8
}

/// Bytes are no ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRing;

impl core::fmt::Display for NoRing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("this is no flight record of this version of hbd")
    }
}

impl core::error::Error for NoRing {}

/// Which turn each half is in: a copy that was made while a turn began is none.
pub fn turns(image: &[u8]) -> Result<[u64; HALVES], NoRing> {
    if image.len() < HEADER || image[..MAGIC.len()] != MAGIC {
        return Err(NoRing);
    }
    Ok([0, 1].map(|half| number(&image[turn_place(half)])))
}

/// The entries of each half that holds some, the older half first.
pub fn read(image: &[u8]) -> Result<Vec<Vec<Entry<'_>>>, NoRing> {
    let turns = turns(image)?;
    let size = half_size(image.len());
    let mut halves = [0, 1];
    halves.sort_by_key(|half| turns[*half]);
    let entries = |half: usize| {
        let length = usize::try_from(number(&image[length_place(half)])).unwrap_or(0);
        let start = HEADER + half * size;
        entries(&image[start..start + length.min(size)])
    };
    let written = halves.into_iter().filter(|half| turns[*half] > 0);
    Ok(written
        .map(entries)
        .filter(|half| !half.is_empty())
        .collect())
}

fn entries(mut bytes: &[u8]) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    while let Some((entry, rest)) = entry(bytes) {
        entries.push(entry);
        bytes = rest;
    }
    entries
}

fn entry(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (header, rest) = bytes.split_at_checked(ENTRY)?;
    let length = u32::from_le_bytes(header[4..8].try_into().ok()?);
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let kind = EntryKind::ALL
        .into_iter()
        .find(|kind| *kind as u8 == header[0])?;
    let digests = [Digest::Unknown, Digest::Right, Digest::Wrong];
    let entry = Entry {
        kind,
        digest: digests
            .into_iter()
            .find(|digest| *digest as u8 == header[1])?,
        medium: MediumIndex(u16::from_le_bytes(header[2..4].try_into().ok()?)),
        now: Now {
            boot: Moment(number(&header[8..16])),
            wall: Wall(number(&header[16..24])),
        },
        payload,
    };
    Some((entry, rest))
}

fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const NOW: Now = Now {
        boot: Moment(7),
        wall: Wall(9),
    };
    const ETH1: MediumIndex = MediumIndex(1);

    fn ring() -> Ring<Vec<u8>> {
        Ring::new(vec![0xaa; HEADER + HALVES * HALF_MIN]).unwrap()
    }

    #[test]
    fn what_was_put_in_comes_out_in_order() {
        let mut ring = ring();
        assert!(ring.put(EntryKind::Start, MediumIndex(0), NOW, b"{}"));
        assert!(ring.put(EntryKind::Packet, ETH1, NOW, b"beat"));
        ring.judge(Digest::Wrong);
        assert!(ring.put(EntryKind::Timeout, MediumIndex(0), NOW, b""));
        let halves = read(&ring.memory).unwrap();
        let kinds: Vec<_> = halves[0].iter().map(|entry| entry.kind).collect();
        assert_eq!(halves.len(), 1);
        assert_eq!(
            kinds,
            [EntryKind::Start, EntryKind::Packet, EntryKind::Timeout]
        );
        let packet = halves[0][1];
        assert_eq!(
            (packet.digest, packet.medium, packet.now),
            (Digest::Wrong, ETH1, NOW)
        );
        assert_eq!(packet.payload, b"beat");
    }

    #[test]
    fn the_older_half_comes_first_and_goes_first() {
        let mut ring = ring();
        for byte in 1..=3 {
            ring.put(EntryKind::State, MediumIndex(0), NOW, &[byte]);
            let halves = read(&ring.memory).unwrap();
            let bytes: Vec<_> = halves.iter().map(|half| half[0].payload[0]).collect();
            let expected: Vec<_> = (1..=byte).rev().take(2).rev().collect();
            assert_eq!(bytes, expected);
            ring.turn_over();
        }
    }

    #[test]
    fn a_full_half_takes_nothing_more_and_keeps_what_it_has() {
        let mut ring = ring();
        let long = vec![1; 60_000];
        let mut taken = 0;
        while ring.has_room(long.len()) {
            assert!(ring.put(EntryKind::Packet, ETH1, NOW, &long));
            taken += 1;
        }
        assert!(ring.put(
            EntryKind::Event,
            ETH1,
            NOW,
            &long[..EVENTS_ROOM - 2 * ENTRY]
        ));
        assert!(!ring.put(EntryKind::Event, ETH1, NOW, &long));
        assert_eq!(read(&ring.memory).unwrap()[0].len(), taken + 1);
    }

    #[test]
    fn bytes_of_any_kind_are_read_without_harm() {
        let mut ring = ring();
        ring.put(EntryKind::Packet, ETH1, NOW, b"beat");
        let whole = ring.memory;
        assert_eq!(read(b"hbd"), Err(NoRing));
        for place in 0..HEADER + ENTRY {
            for value in [0, 0xff] {
                let mut image = whole.clone();
                image[place] = value;
                let _ = read(&image);
                let _ = read(&image[..HEADER + 20]);
            }
        }
    }
}
