//! Service addresses that this node holds: put there, refreshed, announced.
//!
//! The lease of all is renewed every second, but only while the core lives: where nobody sends
//! beats, the other node takes the addresses over, and the kernel is to take them away here.

use std::collections::BTreeMap;
use std::time::Duration;

use hbd_agents::builtin::ip::{ANNOUNCEMENTS, Address, Error, Lease};
use shared::group::{GroupName, Operation, Outcome};
use shared::time::Moment;

use super::works::failed;

/// Time between two refreshes.
const REFRESH: Duration = Duration::from_secs(1);
/// A core that has said nothing for so long does not live: it speaks every second.
const CORE_SILENCE_MAX: Duration = Duration::from_secs(3);

/// A resource: its group, and its place there.
pub(super) type Place = (GroupName, usize);

/// The addresses.
pub(super) struct Addresses {
    lease: Lease,
    held: BTreeMap<Place, Held>,
    refresh_at: Option<Moment>,
    /// When the core last said something.
    core_heard: Moment,
}

struct Held {
    address: Address,
    /// Since when it is held.
    begun: Moment,
    /// When it was put there, or announced anew.
    since: Moment,
    /// How often it was announced since then.
    announced: usize,
}

impl Held {
    fn announcement(&self) -> Option<Moment> {
        ANNOUNCEMENTS
            .get(self.announced)
            .map(|after| self.since + *after)
    }
}

impl Addresses {
    /// None yet, under such a lease.
    pub(super) fn new(lease: Duration, now: Moment) -> Self {
        Self {
            lease: Lease::of(lease),
            held: BTreeMap::new(),
            refresh_at: None,
            core_heard: now,
        }
    }

    /// Goes on with one that a former manager put there.
    pub(super) fn adopt(&mut self, place: Place, address: Address, now: Moment) {
        self.hold(place, address, ANNOUNCEMENTS.len(), now);
        self.refresh_at = Some(now);
    }

    /// Since when the address is held, if it is.
    pub(super) fn held_since(&self, place: &Place) -> Option<Moment> {
        self.held.get(place).map(|held| held.begun)
    }

    /// The core said something.
    pub(super) fn core_lives(&mut self, now: Moment) {
        self.core_heard = now;
    }

    /// Does it, at once.
    pub(super) fn act(
        &mut self,
        operation: Operation,
        place: Place,
        address: Address,
        now: Moment,
    ) -> Outcome {
        let there = match operation {
            Operation::Start => address.start(self.lease).map(|()| {
                self.hold(place, address, 0, now);
                true
            }),
            Operation::Stop => address.stop().map(|()| {
                self.held.remove(&place);
                true
            }),
            Operation::Status => address.status().inspect(|there| {
                if *there && !self.held.contains_key(&place) {
                    self.adopt(place, address, now);
                }
            }),
            Operation::Monitor => address.monitor(),
            Operation::Announce => {
                self.hold(place, address, 0, now);
                Ok(true)
            }
        };
        match there {
            Ok(true) => Outcome::Done,
            Ok(false) => Outcome::NotRunning,
            Err(error) => failed(error),
        }
    }

    /// When [`Addresses::wake`] is to be called.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let announcements = self.held.values().filter_map(Held::announcement);
        announcements.chain(self.refresh_at).min()
    }

    /// Announces and refreshes what is due; the addresses that are not there any more.
    pub(super) fn wake(&mut self, now: Moment) -> Vec<(Place, Error)> {
        for held in self.held.values_mut() {
            if held.announcement().is_some_and(|at| at <= now) {
                held.announced += 1;
                // The next one may get through; that nobody hears it shows elsewhere.
                let _ = held.address.announce();
            }
        }
        if self.refresh_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.refresh_at = (!self.held.is_empty()).then(|| now + REFRESH);
        if now.since(self.core_heard) > CORE_SILENCE_MAX {
            return Vec::new();
        }
        let mut lost = Vec::new();
        for (place, held) in &self.held {
            // What cannot be refreshed for another reason is gone when the lease ends.
            if let Err(error @ Error::Gone { .. }) = held.address.refresh(self.lease) {
                lost.push((place.clone(), error));
            }
        }
        for (place, _) in &lost {
            self.held.remove(place);
        }
        lost
    }

    fn hold(&mut self, place: Place, address: Address, announced: usize, now: Moment) {
        let held = Held {
            address,
            begun: self.held_since(&place).unwrap_or(now),
            since: now,
            announced,
        };
        self.held.insert(place, held);
        self.refresh_at.get_or_insert(now + REFRESH);
    }
}
