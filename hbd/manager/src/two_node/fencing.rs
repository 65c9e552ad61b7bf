//! Makes sure that the other node is off, with the devices that can.
//!
//! ```text
//! Idle --wanted--> Waiting (delay) --> Running --the device confirms--> Idle
//!                     ^                   |
//!                     +--- 5 s, or next --+ it does not
//!                          device
//! ```
//!
//! What is confirmed counts for what the other node was when the device was told to act: dead since
//! that moment. If it was heard meanwhile, the next death is another one.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use shared::event::{Cause, Kind};
use shared::group::{GroupState, Hold, Outcome, Willingness};
use shared::time::{Moment, Now};

use super::TwoNode;
use super::peer::Standing;
use crate::io::{ActionId, Fence, FenceOperation, Order, Output};
use crate::mutant::planted;

/// Time until the devices are tried again, when none could.
pub(crate) const RETRY: Duration = Duration::from_secs(5);
/// Time between two checks of a device.
pub(crate) const CHECK: Duration = Duration::from_secs(3600);

/// What is done to fence the other node.
#[derive(Clone, Debug)]
pub(super) struct Fencer {
    step: Step,
    failures: u32,
    /// An operator wants it.
    ordered: Option<Order>,
    /// By device.
    checks: Vec<Check>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Idle,
    Waiting {
        until: Moment,
        device: usize,
    },
    Running {
        device: usize,
        action: ActionId,
        /// Which [turn](super::peer::Peer::turn) of the other node it is for.
        turn: u64,
    },
}

/// Whether a device answers.
#[derive(Clone, Copy, Debug)]
struct Check {
    /// When it is asked next, or the question under way.
    next: Result<Moment, ActionId>,
    failed: bool,
}

impl Fencer {
    /// With so many devices, each of which is asked at once whether it works.
    pub(super) fn new(devices: usize) -> Self {
        let check = Check {
            next: Ok(Moment(0)),
            failed: false,
        };
        Self {
            step: Step::Idle,
            failures: 0,
            ordered: None,
            checks: alloc::vec![check; devices],
        }
    }

    /// Who ordered it, if somebody did.
    fn cause(&self) -> Option<Cause> {
        self.ordered.as_ref().and_then(super::ordered)
    }

    /// When something is to be done by time alone.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Moment> {
        let step = match self.step {
            Step::Waiting { until, .. } => Some(until),
            Step::Idle | Step::Running { .. } => None,
        };
        let checks = self.checks.iter().filter_map(|check| check.next.ok());
        checks.chain(step)
    }
}

impl TwoNode {
    /// An operator has the other node switched off: each device is tried once.
    pub(super) fn order_fence(&mut self, order: Order, now: Moment) {
        self.fencer.ordered = Some(order);
        if let Step::Waiting { device, .. } = self.fencer.step {
            self.fencer.step = Step::Waiting { until: now, device };
        }
    }

    /// Fences the other node if that is wanted, and looks after the devices.
    pub(super) fn fence(&mut self, now: Now) {
        self.check_devices(now.boot);
        let wanted = self.is_fence_wanted(now.boot);
        match self.fencer.step {
            Step::Idle if wanted => {
                let delay = match self.fencer.ordered {
                    Some(_) => Duration::ZERO,
                    None => self.settings.fencing.delay,
                };
                self.fencer.step = Step::Waiting {
                    until: now.boot + delay,
                    device: 0,
                };
            }
            Step::Waiting { .. } if !wanted => {
                self.fencer.step = Step::Idle;
                self.fencer.failures = 0;
            }
            _ => {}
        }
        if let Step::Waiting { until, device } = self.fencer.step
            && until <= now.boot
        {
            self.begin_fence(device, now);
        }
    }

    fn begin_fence(&mut self, device: usize, now: Now) {
        let action = self.next_action();
        let kind = Kind::FenceBegun {
            node: self.settings.peer.clone(),
            device: self.settings.fencing.devices[device].clone(),
            reason: (self.fencer.ordered.as_ref()).and_then(|order| order.reason.clone()),
        };
        let cause = self.fencer.cause();
        self.tell(kind, cause.or(self.peer.because.clone()), now);
        self.fencer.step = Step::Running {
            device,
            action,
            turn: self.peer.turn,
        };
        self.outputs.push_back(Output::Fence(Fence {
            id: action,
            device,
            operation: FenceOperation::Off,
        }));
    }

    fn is_fence_wanted(&self, now: Moment) -> bool {
        if self.settings.fencing.devices.is_empty() || self.peer.is_fenced() {
            return false;
        }
        if self.fencer.ordered.is_some() {
            return true;
        }
        if self.sick || self.leaving || self.is_frozen() {
            return false;
        }
        match self.standing() {
            Standing::Held(hold) => hold == Hold::Fencing,
            Standing::Alive => self.peer_cannot_stop(now),
            Standing::Unknown | Standing::Gone => false,
        }
    }

    /// The other node holds a group that it cannot stop, this one would hold it, and is to make it
    /// free. Not if it is no better itself: both would switch each other off.
    fn peer_cannot_stop(&self, now: Moment) -> bool {
        let blocked_here = (self.groups.iter()).any(|local| local.state() == GroupState::Blocked);
        self.settings.fence_blocked
            && !blocked_here
            && self.peer.is_present()
            && (0..self.groups.len()).any(|place| {
                let claim = self.peer_claim(place);
                claim.is_some_and(|claim| claim.state == GroupState::Blocked)
                    && self.willing(place, now) > Willingness::Unable
            })
    }

    /// An action of a device ended, if it was one.
    pub(super) fn fence_ended(&mut self, action: ActionId, outcome: &Outcome, now: Now) {
        let checked = (self.fencer.checks.iter()).position(|check| check.next == Err(action));
        if let Some(device) = checked {
            return self.checked(device, outcome, now);
        }
        let Step::Running {
            device,
            action: awaited,
            turn,
        } = self.fencer.step
        else {
            return;
        };
        if awaited != action {
            return;
        }
        match outcome {
            Outcome::Done => self.fenced(device, turn, now),
            _ if planted!(self, FenceFailureCounts) => self.fenced(device, turn, now),
            _ => self.fence_failed(device, failure(outcome), now),
        }
    }

    fn fenced(&mut self, device: usize, turn: u64, now: Now) {
        self.fencer.step = Step::Idle;
        self.fencer.failures = 0;
        let cause = self.fencer.cause();
        self.fencer.ordered = None;
        let kind = Kind::Fenced {
            node: self.settings.peer.clone(),
            device: self.settings.fencing.devices[device].clone(),
        };
        let cause = self.tell(kind, cause, now);
        if turn == self.peer.turn || planted!(self, OldFenceCounts) {
            self.peer.fenced = Some(self.peer.turn);
            self.peer.struck = self.peer.status.is_alive().then_some(now.boot);
            self.peer.because = Some(cause);
            self.thawed = None;
        }
    }

    fn fence_failed(&mut self, device: usize, why: String, now: Now) {
        self.fencer.failures = self.fencer.failures.saturating_add(1);
        let kind = Kind::FenceFailed {
            node: self.settings.peer.clone(),
            device: self.settings.fencing.devices[device].clone(),
            why,
            failures: self.fencer.failures,
        };
        self.tell(kind, self.fencer.cause(), now);
        let next = device + 1;
        self.fencer.step = if next < self.settings.fencing.devices.len() {
            Step::Waiting {
                until: now.boot,
                device: next,
            }
        } else {
            self.fencer.ordered = None;
            Step::Waiting {
                until: match planted!(self, NeverFencesAgain) {
                    true => super::NEVER,
                    false => now.boot + RETRY,
                },
                device: 0,
            }
        };
    }

    /// Asks each device, now and then, whether it works.
    fn check_devices(&mut self, now: Moment) {
        for device in 0..self.fencer.checks.len() {
            if self.fencer.checks[device].next.is_ok_and(|at| at <= now) {
                let id = self.next_action();
                self.fencer.checks[device].next = Err(id);
                self.outputs.push_back(Output::Fence(Fence {
                    id,
                    device,
                    operation: FenceOperation::Check,
                }));
            }
        }
    }

    fn checked(&mut self, device: usize, outcome: &Outcome, now: Now) {
        let name = self.settings.fencing.devices[device].clone();
        let node = self.settings.peer.clone();
        let check = &mut self.fencer.checks[device];
        check.next = Ok(now.boot + CHECK);
        let failed = *outcome != Outcome::Done;
        let before = core::mem::replace(&mut check.failed, failed);
        match outcome {
            Outcome::Done if before => {
                self.tell(Kind::FenceDeviceWorks { node, device: name }, None, now);
            }
            Outcome::Done => {}
            _ if before => {}
            _ => {
                let kind = Kind::FenceDeviceFailed {
                    node,
                    device: name,
                    why: failure(outcome),
                };
                self.tell(kind, None, now);
            }
        }
    }
}

/// Why a device did not do it.
fn failure(outcome: &Outcome) -> String {
    outcome.failure().unwrap_or("it is not there").into()
}
