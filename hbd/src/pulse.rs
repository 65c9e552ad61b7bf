//! How a core shows that it lives, and what it knows, without waking anybody.
//!
//! A message to the supervisor at each beat would wake it as often as the core itself, for news that
//! it has no use for until the core is gone. So the two share three descriptors:
//!
//! - the **deadman**, a timer (`timerfd_create(2)`) that the core sets anew at each tick. It expires
//!   only if the core does not come round in time, and only then the supervisor wakes.
//! - the **slate**, memory (`memfd_create(2)`) on which the core keeps when it last sent, and what
//!   the next core must know of each peer. The supervisor reads it when it wants to know.
//! - the memory of the **flight recorder** ([`crate::flight`]).
//!
//! ```text
//! slate:   own entry | entry of a peer | ...      entry:  slot | slot
//! slot:    number, 4 bytes little endian | length, 4 bytes | JSON
//! ```
//!
//! Each write goes to the older of an entry's two slots, under the next number. A core that dies
//! in the middle of it leaves the other one whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use hbd_core::PeerMemory;
use hbd_core::flight::Ring;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::names::NodeName;
use shared::time::Moment;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

use crate::flight;
use crate::sys::{self, Mapping};

const SLOT: usize = 1024;
const HEADER: usize = 8;
const BODY_MAX: usize = SLOT - HEADER;
/// Entries read at most: a core writes one a peer and its own.
const ENTRIES_MAX: usize = 1024;
/// Whoever did not run may not have seen the timer set anew: a silence is looked at twice.
const SECOND_LOOK: Duration = Duration::from_millis(100);

/// Two looks at one timer differ by less than this; ticks of a core differ by more.
const CLOCKS_DIFFER: Duration = Duration::from_millis(1);

/// The core's end.
pub(crate) struct Pulse {
    deadman: TimerFd,
    slate: File,
    flight: File,
    /// Where each peer's entry is, and the number of its last writing.
    places: BTreeMap<NodeName, (usize, u32)>,
    own: u32,
}

/// The supervisor's end.
pub(crate) struct PulseWatch {
    deadman: TimerFd,
    expired: AsyncFd<OwnedFd>,
    suspected: Option<Instant>,
    /// When the timer was to expire at the last look.
    due: Option<Instant>,
    slate: File,
    flight: File,
}

/// What both hold.
pub(crate) type Shared = [OwnedFd; 3];

fn shared() -> io::Result<Shared> {
    let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
    // Stands still while the machine sleeps, as the core does.
    let deadman = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
    let slate = memfd_create(c"hbd-slate", MFdFlags::MFD_CLOEXEC)?;
    Ok([deadman.into(), slate, flight::memory()?])
}

impl Pulse {
    /// Takes the descriptors over.
    pub(crate) fn new([deadman, slate, flight]: Shared) -> Self {
        Self {
            deadman: sys::timer(deadman),
            slate: slate.into(),
            flight: flight.into(),
            places: BTreeMap::new(),
            own: 0,
        }
    }

    /// For the next supervisor.
    pub(crate) fn descriptors(&self) -> io::Result<Shared> {
        Ok([
            self.deadman.as_fd().try_clone_to_owned()?,
            self.slate.as_fd().try_clone_to_owned()?,
            self.flight.as_fd().try_clone_to_owned()?,
        ])
    }

    /// A ring in the memory of the flight recorder. Nothing where it cannot be mapped.
    pub(crate) fn ring(&self) -> Option<Ring<Mapping>> {
        let mapping = sys::map(self.flight.as_fd(), flight::RING).ok()?;
        Ring::new(mapping)
    }

    /// The core ran, and will again within so long.
    pub(crate) fn beat(&self, within: Duration) {
        set(&self.deadman, within);
    }

    /// A packet went out. What cannot be written is missed by nobody but a supervisor that looks.
    pub(crate) fn sent(&mut self, at: Moment) {
        self.own = self.own.wrapping_add(1);
        write(&self.slate, 0, self.own, &at);
    }

    /// What the next core must know of a peer. False where that is too much for its entry.
    pub(crate) fn remember(&mut self, memory: &PeerMemory) -> bool {
        if !self.places.contains_key(&memory.node) {
            let place = self.places.len() + 1;
            self.places.insert(memory.node.clone(), (place, 0));
        }
        let Some((place, number)) = self.places.get_mut(&memory.node) else {
            return false;
        };
        *number = number.wrapping_add(1);
        write(&self.slate, *place, *number, memory)
    }
}

impl PulseWatch {
    /// Of a core that is to be started with the other end, and to set the timer within `first`.
    /// Needs a runtime.
    pub(crate) fn of_new_core(first: Duration) -> io::Result<(Self, Shared)> {
        let [deadman, slate, flight] = shared()?;
        let theirs = [
            deadman.try_clone()?,
            slate.try_clone()?,
            flight.try_clone()?,
        ];
        Ok((Self::new([deadman, slate, flight], first)?, theirs))
    }

    /// Of a core that runs and is to set the timer within `first`. Needs a runtime.
    pub(crate) fn new([deadman, slate, flight]: Shared, first: Duration) -> io::Result<Self> {
        let expired = deadman.try_clone()?;
        let deadman = sys::timer(deadman);
        set(&deadman, first);
        Ok(Self {
            deadman,
            expired: sys::watch(expired, Interest::READABLE)?,
            suspected: None,
            due: None,
            slate: slate.into(),
            flight: flight.into(),
        })
    }

    /// Ends when the core did not come round in time. May be given up and called again.
    pub(crate) async fn silent(&mut self) -> io::Result<()> {
        loop {
            if let Some(again) = self.suspected {
                sleep_until(again).await;
                self.suspected = None;
                if self.deadman.get()?.is_none() {
                    return Ok(());
                }
            }
            let mut ready = self.expired.readable().await?;
            let mut count = [0; 8];
            // Nothing to read means that it was set anew meanwhile.
            if nix::unistd::read(ready.get_inner(), &mut count).is_ok() {
                self.suspected = Some(Instant::now() + SECOND_LOOK);
            }
            ready.clear_ready();
        }
    }

    /// True if the core came round since this was asked last.
    pub(crate) fn came_round(&mut self) -> bool {
        let Ok(Some(Expiration::OneShot(left))) = self.deadman.get() else {
            return false;
        };
        let due = Instant::now() + Duration::from(left);
        let former = self.due.replace(due);
        former.is_none_or(|former| due > former + CLOCKS_DIFFER)
    }

    /// What the core's flight recorder holds.
    pub(crate) fn flight(&self) -> io::Result<Vec<u8>> {
        flight::copy(&self.flight)
    }

    /// When a packet last went out.
    pub(crate) fn sent(&self) -> Option<Moment> {
        read(&self.slate, 0)
    }

    /// What the core last knew of each peer.
    pub(crate) fn memories(&self) -> impl Iterator<Item = PeerMemory> {
        (1..ENTRIES_MAX).map_while(|place| read(&self.slate, place))
    }
}

fn set(timer: &TimerFd, after: Duration) {
    // Zero would switch it off.
    let after = TimeSpec::from_duration(after.max(Duration::from_nanos(1)));
    // Fails for an invalid time only.
    let _ = timer.set(Expiration::OneShot(after), TimerSetTimeFlags::empty());
}

fn offset(place: usize, slot: usize) -> u64 {
    ((2 * place + slot) * SLOT) as u64
}

fn write(slate: &File, place: usize, number: u32, value: &impl Serialize) -> bool {
    let mut bytes = vec![0; HEADER];
    if serde_json::to_writer(&mut bytes, value).is_err() || bytes.len() > SLOT {
        return false;
    }
    let length = u32::try_from(bytes.len() - HEADER).unwrap_or(0);
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[4..HEADER].copy_from_slice(&length.to_le_bytes());
    let slot = usize::from(number % 2 == 1);
    slate.write_all_at(&bytes, offset(place, slot)).is_ok()
}

/// The newer of the two slots that can be read.
fn read<T: DeserializeOwned>(slate: &File, place: usize) -> Option<T> {
    let slots = [0, 1].map(|slot| read_slot(slate, place, slot));
    match slots {
        [Some((even, first)), Some((odd, second))] => {
            let second_is_newer = odd.wrapping_sub(even) < u32::MAX / 2;
            Some(if second_is_newer { second } else { first })
        }
        [first, second] => first.or(second).map(|(_, value)| value),
    }
}

fn read_slot<T: DeserializeOwned>(slate: &File, place: usize, slot: usize) -> Option<(u32, T)> {
    let mut bytes = [0; SLOT];
    let length = slate.read_at(&mut bytes, offset(place, slot)).ok()?;
    let (number, rest) = bytes[..length].split_first_chunk::<4>()?;
    let (size, body) = rest.split_first_chunk::<4>()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
    let body = body.get(..size.min(BODY_MAX))?;
    let value = serde_json::from_slice(body).ok()?;
    Some((u32::from_le_bytes(*number), value))
}

#[cfg(test)]
mod tests {
    use shared::names::Generation;

    use super::*;

    fn run(test: impl AsyncFnOnce(Pulse, PulseWatch)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let core = Pulse::new(shared().unwrap());
            let watch = PulseWatch::new(core.descriptors().unwrap(), LONG).unwrap();
            test(core, watch).await;
        });
    }

    /// Longer than any test.
    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(1);

    fn memory(node: &str, generation: u64) -> PeerMemory {
        PeerMemory {
            node: NodeName::new(node).unwrap(),
            uuid: None,
            generation: Generation(generation),
            live: None,
        }
    }

    #[test]
    fn a_core_that_does_not_come_round_is_silent() {
        run(async |core, mut watch| {
            core.beat(SHORT);
            watch.silent().await.unwrap();
        });
    }

    #[test]
    fn a_core_that_came_round_is_seen_to_have_once() {
        run(async |core, mut watch| {
            for times in 1..4 {
                core.beat(times * LONG);
                assert!(watch.came_round());
                assert!(!watch.came_round());
            }
        });
    }

    #[test]
    fn a_core_that_came_round_late_is_not_silent() {
        run(async |core, mut watch| {
            core.beat(SHORT);
            while watch.suspected.is_none() {
                // Given up again and again, as a select does.
                let _ = tokio::time::timeout(SHORT, watch.silent()).await;
            }
            core.beat(LONG);
            let look = tokio::time::timeout(4 * SECOND_LOOK, watch.silent()).await;
            assert!(look.is_err());
        });
    }

    #[test]
    fn the_slate_holds_the_last_that_was_written() {
        run(async |mut core, watch| {
            assert_eq!(watch.sent(), None);
            assert_eq!(watch.memories().count(), 0);
            for number in 1..10 {
                core.sent(Moment(number));
                assert!(core.remember(&memory("bob", number)));
                assert!(core.remember(&memory("carol", 10 * number)));
                assert_eq!(watch.sent(), Some(Moment(number)));
            }
            let found: Vec<_> = watch.memories().collect();
            assert_eq!(found, [memory("bob", 9), memory("carol", 90)]);
        });
    }

    #[test]
    fn a_write_that_was_cut_short_leaves_what_was_there() {
        run(async |mut core, watch| {
            core.sent(Moment(1));
            core.sent(Moment(22));
            let third = [3, 0, 0, 0, 2, 0, 0, 0];
            core.slate.write_all_at(&third, offset(0, 1)).unwrap();
            core.slate.write_all_at(b"\xff", offset(0, 1) + 8).unwrap();
            assert_eq!(watch.sent(), Some(Moment(22)));
        });
    }

    #[test]
    fn what_does_not_fit_into_its_entry_is_said() {
        run(async |mut core, watch| {
            let mut long = memory("bob", 1);
            long.live = Some(hbd_core::LiveMemory {
                status: shared::event::NodeStatus::Active,
                sequence: shared::names::Sequence(1),
                deadtime: SHORT,
                heard: None,
                left: false,
                features: Some("x".repeat(SLOT)),
                config: None,
                key: None,
            });
            assert!(!core.remember(&long));
            assert_eq!(watch.memories().count(), 0);
        });
    }
}
