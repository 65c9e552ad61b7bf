//! When the core feeds the [watchdog](crate::watchdog): a node that does not beat, or holds what nobody
//! looks after, is reset.
//!
//! ```text
//! own packet left -> armed; then at each tick, at most four times a second:
//!
//! starved for good?  ----------------------------> no
//! nothing held?  --------------------------------> feed
//! stopped by the supervisor at this moment?  ----> feed
//! manager answered within PATIENCE?  ------------> feed
//! else  -----------------------------------------> no
//! ```
//!
//! A manager that dies is replaced in less than a second, one that hangs within five. Three of them
//! that hang in turn make the node sick after fifteen, and then the supervisor stops what is held.
//! [`PATIENCE`] is twice that: it is over only where nobody replaces the manager, because the
//! supervisor is gone or hangs too.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use shared::time::Moment;

use crate::channel::WatchdogNews;
use crate::watchdog::{Card, Device, PAUSE, timeout};

/// A manager whose answer is older looks after nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// The device, and what decides whether it is fed.
pub(super) struct Watchdog {
    device: Option<Device>,
    duty: Duty,
    fed: Moment,
    /// What it was told to wait.
    adapted: Option<Duration>,
    /// A packet left.
    left: bool,
    /// So many writes failed in a row.
    failures: u64,
}

/// Who looks after what is held.
struct Duty {
    /// Never again.
    starved: bool,
    /// Something may be held.
    holds: bool,
    /// The supervisor stops it.
    releasing: bool,
    /// When the manager was last heard; the start of the core before.
    answered: Moment,
}

impl Watchdog {
    /// None yet.
    pub(super) fn new(now: Moment) -> Self {
        Self {
            device: None,
            duty: Duty {
                starved: false,
                holds: true,
                releasing: false,
                answered: now,
            },
            fed: Moment::default(),
            adapted: None,
            left: false,
            failures: 0,
        }
    }

    /// The device came. `holds`: a group may be held on this node.
    pub(super) fn equip(&mut self, card: Card, holds: bool, descriptors: Vec<OwnedFd>) {
        let descriptor = descriptors.into_iter().next();
        self.device = descriptor.map(|descriptor| Device::adopt(descriptor, card));
        self.duty.holds = holds;
        self.adapted = None;
    }

    /// For the next supervisor.
    pub(super) fn shown(&self) -> Option<(Card, bool, OwnedFd)> {
        let device = self.device.as_ref()?;
        let descriptor = device.descriptor().ok()?;
        Some((device.card.clone(), self.duty.starved, descriptor))
    }

    /// It is not fed any more, whatever comes.
    pub(super) fn starve(&mut self) {
        self.duty.starved = true;
    }

    /// The supervisor stops what is held, or is not there to do so.
    pub(super) fn release(&mut self, releasing: bool) {
        self.duty.releasing = releasing;
    }

    /// The manager answered.
    pub(super) fn answered(&mut self, holds: bool, now: Moment) {
        self.duty.holds = holds;
        self.duty.answered = now;
    }

    /// A packet left.
    pub(super) fn packet_left(&mut self) {
        self.left = true;
    }

    /// The core has beaten. Returns what the supervisor is to know.
    pub(super) fn beat(&mut self, deadtime: Duration, now: Moment) -> Option<WatchdogNews> {
        let device = self.device.as_mut()?;
        let due = device.card.armed || self.left;
        if !due || now.since(self.fed) < PAUSE || !self.duty.allows(now) {
            return None;
        }
        self.fed = now;
        let wanted = Some(timeout(deadtime));
        let former = device.card.timeout;
        if std::mem::replace(&mut self.adapted, wanted) != wanted {
            device.adapt(deadtime);
        }
        let timeout = device.card.timeout;
        if device.card.armed && timeout == former {
            let fed = device.feed();
            return self.told(fed);
        }
        let armed = device.arm();
        self.failures = u64::from(armed.is_err());
        let trouble = armed.err().map(|error| error.to_string());
        Some(WatchdogNews::Armed { timeout, trouble })
    }

    /// A failure is told once, and its end.
    fn told(&mut self, fed: io::Result<()>) -> Option<WatchdogNews> {
        match fed {
            Ok(()) if self.failures == 0 => None,
            Ok(()) => {
                let failures = std::mem::take(&mut self.failures);
                Some(WatchdogNews::Works { failures })
            }
            Err(error) => {
                self.failures += 1;
                let why = error.to_string();
                (self.failures == 1).then_some(WatchdogNews::Fails { why })
            }
        }
    }
}

impl Duty {
    /// Whether the machine may live on.
    fn allows(&self, now: Moment) -> bool {
        let answers = now.since(self.answered) <= PATIENCE;
        !self.starved && (!self.holds || self.releasing || answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(seconds * 1_000_000_000)
    }

    fn duty(change: impl FnOnce(&mut Duty)) -> Duty {
        let mut duty = Watchdog::new(at(100)).duty;
        change(&mut duty);
        duty
    }

    #[test]
    fn what_is_held_is_looked_after_by_a_manager_that_answers_now_and_then() {
        let duty = duty(|_| {});
        assert!(duty.allows(at(130)));
        assert!(!duty.allows(at(131)));
    }

    #[test]
    fn a_node_that_holds_nothing_or_is_being_released_needs_no_manager() {
        assert!(duty(|duty| duty.holds = false).allows(at(1000)));
        assert!(duty(|duty| duty.releasing = true).allows(at(1000)));
    }

    #[test]
    fn a_node_that_is_to_go_is_never_fed_again() {
        let starved = duty(|duty| {
            (duty.starved, duty.holds, duty.releasing) = (true, false, true);
        });
        assert!(!starved.allows(at(100)));
    }

    #[test]
    fn it_is_armed_once_a_packet_left_and_fed_at_most_four_times_a_second() {
        let path = std::env::temp_dir().join(format!("hbd-core-watchdog-{}", std::process::id()));
        std::fs::write(&path, "").unwrap();
        let (keepalive, deadtime) = (Duration::from_secs(1), Duration::from_secs(3));
        let device = Device::open(&path, deadtime, keepalive, true).unwrap();
        let mut watchdog = Watchdog::new(at(1));
        let descriptor = device.descriptor().unwrap();
        watchdog.equip(device.card, false, vec![descriptor]);
        assert_eq!(watchdog.beat(deadtime, at(1)), None);
        watchdog.packet_left();
        let armed = watchdog.beat(deadtime, at(2));
        let timeout = Duration::from_secs(4);
        let trouble = None;
        assert_eq!(armed, Some(WatchdogNews::Armed { timeout, trouble }));
        for ms in (0..1000).step_by(10) {
            watchdog.beat(deadtime, at(2) + Duration::from_millis(ms));
        }
        assert_eq!(std::fs::read(&path).unwrap(), [0; 4]);
        watchdog.starve();
        watchdog.beat(deadtime, at(9));
        assert_eq!(std::fs::read(&path).unwrap(), [0; 4]);
        std::fs::remove_file(&path).unwrap();
    }
}
