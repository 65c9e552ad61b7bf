//! How a core shows that it lives, and what it knows, without waking anybody.
//!
//! A message to the supervisor at each beat would wake it as often as the core itself, for news that
//! it has no use for until the core is gone. So the two share three descriptors:
//!
//! - the **deadman**, a timer (`timerfd_create(2)`) that the core sets anew at each tick. It expires
//!   only if the core does not come round in time, and only then the supervisor wakes.
//! - the [slate](crate::slate), memory on which the core keeps when it last sent, and what the next
//!   core must know of each peer. The supervisor reads it when it wants to know.
//! - the memory of the **flight recorder** ([`crate::flight`]).
//!
//! Slate and flight recorder are what [remains](Remains) of a core. The manager holds them too, and
//! does nothing with them but hand them to the next supervisor: so they outlive a core and a
//! supervisor that go together.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use hbd_core::PeerMemory;
use hbd_core::flight::Ring;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use shared::time::Moment;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

use crate::flight;
use crate::slate::{self, Slate};
use crate::sys::{self, Mapping};

/// Whoever did not run may not have seen the timer set anew: a silence is looked at twice.
const SECOND_LOOK: Duration = Duration::from_millis(100);

/// Two looks at one timer differ by less than this; ticks of a core differ by more.
const CLOCKS_DIFFER: Duration = Duration::from_millis(1);

/// The core's end.
pub(crate) struct Pulse {
    deadman: TimerFd,
    slate: Slate,
    flight: File,
}

/// The supervisor's end.
pub(crate) struct PulseWatch {
    deadman: TimerFd,
    expired: AsyncFd<OwnedFd>,
    suspected: Option<Instant>,
    /// When the timer was to expire at the last look.
    due: Option<Instant>,
    remains: Remains,
}

/// What outlives a core.
#[derive(Debug)]
pub(crate) struct Remains {
    slate: Slate,
    flight: File,
}

/// What both hold.
pub(crate) type Shared = [OwnedFd; 3];
/// What a manager keeps.
pub(crate) type Kept = [OwnedFd; 2];

fn shared() -> io::Result<Shared> {
    let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
    // Stands still while the machine sleeps, as the core does.
    let deadman = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
    Ok([deadman.into(), slate::memory()?, flight::memory()?])
}

impl Pulse {
    /// Takes the descriptors over.
    pub(crate) fn new([deadman, slate, flight]: Shared) -> Self {
        let mut slate = Slate::new(slate);
        slate.prepare();
        Self {
            deadman: sys::timer(deadman),
            slate,
            flight: flight.into(),
        }
    }

    /// For the next supervisor.
    pub(crate) fn descriptors(&self) -> io::Result<Shared> {
        Ok([
            self.deadman.as_fd().try_clone_to_owned()?,
            self.slate.descriptor()?,
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
        self.slate.note_sent(at);
    }

    /// What the next core must know of a peer. False where that is too much for its entry.
    pub(crate) fn remember(&mut self, memory: &PeerMemory) -> bool {
        self.slate.remember(memory)
    }
}

impl Remains {
    /// Takes the descriptors over.
    pub(crate) fn new([slate, flight]: Kept) -> Self {
        Self {
            slate: Slate::new(slate),
            flight: flight.into(),
        }
    }

    /// For a manager to keep.
    pub(crate) fn descriptors(&self) -> io::Result<Kept> {
        let flight = self.flight.as_fd().try_clone_to_owned()?;
        Ok([self.slate.descriptor()?, flight])
    }

    /// What the core's flight recorder holds.
    pub(crate) fn flight(&self) -> io::Result<Vec<u8>> {
        flight::copy(&self.flight)
    }

    /// When a packet last went out.
    pub(crate) fn sent(&self) -> Option<Moment> {
        self.slate.sent()
    }

    /// What the core last knew of each peer.
    pub(crate) fn memories(&self) -> impl Iterator<Item = PeerMemory> {
        self.slate.memories()
    }
}

impl PulseWatch {
    /// Of a core that is to be started with the other end, and to set the timer within `first`.
    /// `memory` is on the slate from the first moment. Needs a runtime.
    pub(crate) fn of_new_core(
        first: Duration,
        memory: &[PeerMemory],
    ) -> io::Result<(Self, Shared)> {
        let [deadman, slate, flight] = shared()?;
        let theirs = [
            deadman.try_clone()?,
            slate.try_clone()?,
            flight.try_clone()?,
        ];
        let mut watch = Self::new([deadman, slate, flight], first)?;
        for peer in memory {
            // One that does not fit is lost only if core and supervisor die together.
            watch.remains.slate.remember(peer);
        }
        Ok((watch, theirs))
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
            remains: Remains::new([slate, flight]),
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

    /// What outlives the core.
    pub(crate) fn remains(&self) -> &Remains {
        &self.remains
    }

    /// When a packet last went out.
    pub(crate) fn sent(&self) -> Option<Moment> {
        self.remains.sent()
    }

    /// What the core last knew of each peer.
    pub(crate) fn memories(&self) -> impl Iterator<Item = PeerMemory> {
        self.remains.memories()
    }
}

fn set(timer: &TimerFd, after: Duration) {
    // Zero would switch it off.
    let after = TimeSpec::from_duration(after.max(Duration::from_nanos(1)));
    // Fails for an invalid time only.
    let _ = timer.set(Expiration::OneShot(after), TimerSetTimeFlags::empty());
}

#[cfg(test)]
mod tests {
    use shared::names::{Generation, NodeName};

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
    fn what_remains_of_a_core_is_there_for_whoever_kept_it() {
        run(async |mut core, watch| {
            let kept = watch.remains().descriptors().unwrap();
            core.sent(Moment(7));
            assert!(core.remember(&memory("bob", 3)));
            assert!(core.ring().is_some());
            drop((core, watch));
            let remains = Remains::new(kept);
            assert_eq!(remains.sent(), Some(Moment(7)));
            assert_eq!(remains.memories().collect::<Vec<_>>(), [memory("bob", 3)]);
            assert_eq!(remains.flight().unwrap().len(), flight::RING);
        });
    }

    #[test]
    fn what_a_new_core_is_started_with_remains_of_it_even_if_it_never_ran() {
        run(async |_, _| {
            let known = [memory("bob", 3), memory("carol", 4)];
            let (watch, theirs) = PulseWatch::of_new_core(LONG, &known).unwrap();
            assert_eq!(watch.memories().collect::<Vec<_>>(), known);
            let mut core = Pulse::new(theirs);
            assert!(core.remember(&memory("carol", 5)));
            assert!(core.remember(&memory("dave", 6)));
            let expected = [memory("bob", 3), memory("carol", 5), memory("dave", 6)];
            assert_eq!(watch.memories().collect::<Vec<_>>(), expected);
        });
    }
}
