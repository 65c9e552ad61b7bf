//! The slate: memory (`memfd_create(2)`) on which a core keeps what must be known when it is gone.
//!
//! ```text
//! slate:   own entry | entry of a peer | ...      entry:  slot | slot
//! slot:    number, 4 bytes little endian | length, 4 bytes | JSON
//! ```
//!
//! Each write goes to the older of an entry's two slots, the next number last. A core that dies in
//! the middle of it leaves the other one whole. Whoever writes has it mapped, since that costs no
//! call of the kernel at each beat; whoever reads uses read(2). Nothing here waits for a disk.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{Ordering, fence};

use hbd_core::PeerMemory;
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::names::NodeName;
use shared::time::Moment;

use crate::sys::{self, Mapping};

const SLOT: usize = 1024;
const HEADER: usize = 8;
const BODY_MAX: usize = SLOT - HEADER;
/// Entries read at most: a core writes one a peer and its own.
const ENTRIES_MAX: usize = 1024;
/// Where mapping was refused, so many writes go by calls of the kernel before it is tried again.
const UNMAPPED_WRITES: u32 = 1000;
/// Bytes of the memory at first: enough for 31 peers.
const LENGTH_MIN: usize = 2 * SLOT * 32;

/// Memory for a slate.
pub(crate) fn memory() -> io::Result<OwnedFd> {
    Ok(memfd_create(c"hbd-slate", MFdFlags::MFD_CLOEXEC)?)
}

/// A slate, as whoever writes on it and whoever reads it sees it.
#[derive(Debug)]
pub(crate) struct Slate {
    memory: File,
    /// Of whoever writes, with its length.
    mapped: Option<(Mapping, usize)>,
    /// So many writes more do not try to map what is not.
    patience: u32,
    /// Where each peer's entry is, and the number of its last writing.
    places: BTreeMap<NodeName, (usize, u32)>,
    own: u32,
}

impl Slate {
    /// In this memory, with whatever is written there.
    pub(crate) fn new(memory: OwnedFd) -> Self {
        let memory = File::from(memory);
        let own = read::<Moment>(&memory, 0).map_or(0, |(number, _)| number);
        let places = entries(&memory)
            .map(|(place, number, peer)| (peer.node, (place, number)))
            .collect();
        Self {
            memory,
            mapped: None,
            patience: 0,
            places,
            own,
        }
    }

    /// For somebody else.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.memory.as_fd().try_clone_to_owned()
    }

    /// A packet went out.
    pub(crate) fn note_sent(&mut self, at: Moment) {
        let number = self.own.wrapping_add(1);
        if self.write(0, number, &at) {
            self.own = number;
        }
    }

    /// Notes what the next core must know of a peer. False where that is too much for its entry.
    pub(crate) fn remember(&mut self, memory: &PeerMemory) -> bool {
        let Some(&(place, number)) = self.places.get(&memory.node) else {
            let last = self.places.values().map(|(place, _)| *place).max();
            let place = last.unwrap_or(0) + 1;
            let written = self.write(place, 1, memory);
            if written {
                self.places.insert(memory.node.clone(), (place, 1));
            }
            return written;
        };
        let number = number.wrapping_add(1);
        let written = self.write(place, number, memory);
        if written && let Some((_, last)) = self.places.get_mut(&memory.node) {
            *last = number;
        }
        written
    }

    /// Whoever locks its memory maps the slate before: there may be a limit to what can be mapped
    /// then (`RLIMIT_MEMLOCK`).
    pub(crate) fn prepare(&mut self) {
        // What cannot be mapped is written by calls of the kernel.
        let _ = self.map(LENGTH_MIN);
    }

    /// Writes under that number. False where it does not fit; then the entry is as before.
    fn write(&mut self, place: usize, number: u32, value: &impl Serialize) -> bool {
        let mut slot = [0; SLOT];
        let mut room = &mut slot[HEADER..];
        if place >= ENTRIES_MAX || serde_json::to_writer(&mut room, value).is_err() {
            return false;
        }
        let end = SLOT - room.len();
        let length = u32::try_from(end - HEADER).unwrap_or(0);
        slot[..4].copy_from_slice(&number.to_le_bytes());
        slot[4..HEADER].copy_from_slice(&length.to_le_bytes());
        let start = offset(place, usize::from(number % 2 == 1));
        let Some(bytes) = self.map(start + SLOT) else {
            let written = self.memory.write_all_at(&slot[..end], start as u64);
            return written.is_ok();
        };
        bytes[start + 4..start + end].copy_from_slice(&slot[4..end]);
        fence(Ordering::Release);
        bytes[start..start + 4].copy_from_slice(&slot[..4]);
        true
    }

    /// The memory, at least so long; nothing where that was refused lately.
    fn map(&mut self, length: usize) -> Option<&mut [u8]> {
        if self.mapped.as_ref().is_none_or(|(_, has)| *has < length) {
            if self.patience > 0 {
                self.patience -= 1;
                return None;
            }
            let Ok(mapped) = mapped(&self.memory, length) else {
                self.patience = UNMAPPED_WRITES;
                return None;
            };
            self.mapped = Some(mapped);
        }
        self.mapped.as_mut().map(|(mapping, _)| mapping.as_mut())
    }

    /// When a packet last went out.
    pub(crate) fn sent(&self) -> Option<Moment> {
        read(&self.memory, 0).map(|(_, at)| at)
    }

    /// What was last known of each peer.
    pub(crate) fn memories(&self) -> impl Iterator<Item = PeerMemory> {
        entries(&self.memory).map(|(_, _, peer)| peer)
    }
}

/// So much of it or more, which it is made long enough for.
fn mapped(memory: &File, length: usize) -> io::Result<(Mapping, usize)> {
    let present = usize::try_from(memory.metadata()?.len()).unwrap_or(0);
    let length = length.next_power_of_two().max(LENGTH_MIN).max(present);
    memory.set_len(length as u64)?;
    Ok((sys::map(memory.as_fd(), length)?, length))
}

/// One that cannot be read hides none that follows.
fn entries(memory: &File) -> impl Iterator<Item = (usize, u32, PeerMemory)> {
    let bytes = memory.metadata().map_or(0, |data| data.len());
    let written = usize::try_from(bytes).unwrap_or(0).div_ceil(2 * SLOT);
    (1..written.min(ENTRIES_MAX)).filter_map(|place| {
        let (number, peer) = read(memory, place)?;
        Some((place, number, peer))
    })
}

fn offset(place: usize, slot: usize) -> usize {
    (2 * place + slot) * SLOT
}

/// The newer of the two slots that can be read.
fn read<T: DeserializeOwned>(slate: &File, place: usize) -> Option<(u32, T)> {
    let slots = [0, 1].map(|slot| read_slot(slate, place, slot));
    match slots {
        [Some(even), Some(odd)] => {
            let odd_is_newer = odd.0.wrapping_sub(even.0) < u32::MAX / 2;
            Some(if odd_is_newer { odd } else { even })
        }
        [first, second] => first.or(second),
    }
}

fn read_slot<T: DeserializeOwned>(slate: &File, place: usize, slot: usize) -> Option<(u32, T)> {
    let mut bytes = [0; SLOT];
    let length = slate.read_at(&mut bytes, offset(place, slot) as u64).ok()?;
    let (number, rest) = bytes[..length].split_first_chunk::<4>()?;
    let (size, body) = rest.split_first_chunk::<4>()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
    let body = body.get(..size.min(BODY_MAX))?;
    let value = serde_json::from_slice(body).ok()?;
    Some((u32::from_le_bytes(*number), value))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nix::fcntl::{FcntlArg, SealFlag, fcntl};
    use shared::event::NodeStatus;
    use shared::names::{Generation, Sequence};

    use super::*;

    /// A slate, and what another process sees of it.
    fn slate() -> (Slate, Slate) {
        let slate = Slate::new(memory().unwrap());
        let seen = Slate::new(slate.descriptor().unwrap());
        (slate, seen)
    }

    fn peer(node: &str, generation: u64) -> PeerMemory {
        PeerMemory {
            node: NodeName::new(node).unwrap(),
            uuid: None,
            generation: Generation(generation),
            live: None,
        }
    }

    #[test]
    fn a_slate_holds_the_last_that_was_written() {
        let (mut core, seen) = slate();
        assert_eq!(seen.sent(), None);
        assert_eq!(seen.memories().count(), 0);
        for number in 1..10 {
            core.note_sent(Moment(number));
            assert!(core.remember(&peer("bob", number)));
            assert!(core.remember(&peer("carol", 10 * number)));
            assert_eq!(seen.sent(), Some(Moment(number)));
        }
        let found: Vec<_> = seen.memories().collect();
        assert_eq!(found, [peer("bob", 9), peer("carol", 90)]);
    }

    #[test]
    fn a_write_that_was_cut_short_leaves_what_was_there() {
        let (mut core, seen) = slate();
        core.note_sent(Moment(1));
        core.note_sent(Moment(22));
        let third = [3, 0, 0, 0, 2, 0, 0, 0];
        core.memory
            .write_all_at(&third, offset(0, 1) as u64)
            .unwrap();
        core.memory
            .write_all_at(b"\xff", offset(0, 1) as u64 + 8)
            .unwrap();
        assert_eq!(seen.sent(), Some(Moment(22)));
    }

    #[test]
    fn whoever_takes_a_slate_over_goes_on_where_the_other_stopped() {
        let (mut first, mut second) = slate();
        for number in 1..4 {
            first.note_sent(Moment(number));
            first.remember(&peer("bob", number));
            second = Slate::new(first.descriptor().unwrap());
        }
        second.note_sent(Moment(9));
        second.remember(&peer("bob", 9));
        second.remember(&peer("carol", 9));
        assert_eq!(first.sent(), Some(Moment(9)));
        let found: Vec<_> = first.memories().collect();
        assert_eq!(found, [peer("bob", 9), peer("carol", 9)]);
    }

    #[test]
    fn more_peers_make_it_longer_and_too_many_are_said() {
        let (mut core, seen) = slate();
        let peers: Vec<_> = (1..ENTRIES_MAX as u64)
            .map(|number| peer(&format!("n{number:04}"), number))
            .collect();
        for peer in &peers {
            assert!(core.remember(peer));
            core.note_sent(Moment(peer.generation.0));
        }
        assert!(!core.remember(&peer("one-more", 1)));
        assert_eq!(seen.memories().collect::<Vec<_>>(), peers);
        assert_eq!(seen.sent(), Some(Moment(ENTRIES_MAX as u64 - 1)));
    }

    /// Memory of that length that refuses to grow.
    fn sealed(length: usize) -> OwnedFd {
        let memory = memfd_create(c"short", MFdFlags::MFD_ALLOW_SEALING).unwrap();
        let file = File::from(memory.try_clone().unwrap());
        file.set_len(length as u64).unwrap();
        fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_GROW)).unwrap();
        memory
    }

    #[test]
    fn what_cannot_be_mapped_is_written_all_the_same_and_rarely_tried_again() {
        let mut core = Slate::new(sealed(offset(1, 0)));
        core.prepare();
        for number in 1..=UNMAPPED_WRITES {
            assert_eq!(core.patience, UNMAPPED_WRITES + 1 - number);
            core.note_sent(Moment(number.into()));
            assert_eq!(core.sent(), Some(Moment(number.into())));
        }
        assert_eq!(core.patience, 0);
        assert!(!core.remember(&peer("bob", 1)), "there is no memory for it");
        assert_eq!(core.patience, UNMAPPED_WRITES, "it was tried");
    }

    #[test]
    fn where_growth_is_refused_what_is_mapped_is_written_on() {
        let mut core = Slate::new(sealed(LENGTH_MIN));
        core.prepare();
        let peers: Vec<_> = (1..LENGTH_MIN / (2 * SLOT))
            .map(|number| peer(&format!("n{number:04}"), 1))
            .collect();
        assert!(peers.iter().all(|peer| core.remember(peer)));
        for number in 1..5 {
            assert!(!core.remember(&peer("one-more", 1)));
            core.note_sent(Moment(number));
            assert!(core.remember(&peers[0]));
            assert_eq!(core.sent(), Some(Moment(number)));
        }
        assert_eq!(core.patience, UNMAPPED_WRITES - 3, "tried once");
        assert_eq!(core.memories().collect::<Vec<_>>(), peers);
    }

    #[test]
    fn what_does_not_fit_into_its_entry_is_said_and_hides_nothing_else() {
        let (mut core, seen) = slate();
        let mut long = peer("bob", 1);
        long.live = Some(hbd_core::LiveMemory {
            status: NodeStatus::Active,
            sequence: Sequence(1),
            deadtime: Duration::from_millis(1),
            heard: None,
            left: false,
            features: Some("x".repeat(SLOT)),
            config: None,
            key: None,
            reason: None,
            links: None,
        });
        assert!(!core.remember(&long));
        assert!(core.remember(&peer("carol", 1)));
        assert_eq!(seen.memories().collect::<Vec<_>>(), [peer("carol", 1)]);
    }
}
