//! A group on this node: what it is, and the one action under way.

use alloc::string::String;
use core::time::Duration;

use shared::group::{GroupReason, GroupState, Operation, Outcome, Willingness};
use shared::names::NodeName;
use shared::time::Moment;

use crate::io::{ActionId, Group, KeptGroup, Monitor, RETRY_GROWTH_MAX, Wanted};

/// Time between two tries to stop a resource.
pub(super) const STOP_PAUSE: Duration = Duration::from_secs(1);

/// Starts anew of a group that nobody told to watch.
const RESTARTS_UNWATCHED: u32 = 1;

/// A group and what becomes of it.
#[derive(Clone, Debug)]
pub(super) struct Local {
    pub(super) group: Group,
    /// This node is its preferred one.
    pub(super) preferred: bool,
    pub(super) phase: Phase,
    pub(super) epoch: u64,
    /// Starts that failed in a row.
    pub(super) failures: u32,
    /// Starts anew because a resource did not work, and the last of them.
    pub(super) restarts: u32,
    pub(super) restarted_at: Option<Moment>,
    /// What went wrong last, until it is started or cleaned up.
    pub(super) failure: Option<String>,
    /// Why it was last begun to make it what it is, if that is known.
    pub(super) reason: Option<GroupReason>,
    pub(super) retry_at: Option<Moment>,
    pub(super) wanted: Option<Wanted>,
    /// The other node holds it too, and that was told.
    pub(super) contested: bool,
}

/// What the group is, with what is under way.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    Stopped,
    Starting {
        resource: usize,
        action: ActionId,
        /// It is to be stopped when the action has ended.
        abandoned: Option<GroupReason>,
    },
    Started(Watch),
    Stopping {
        resource: usize,
        tries: u32,
        step: StopStep,
        /// After a [restart](GroupReason::Restart) it stays held, and is started again.
        reason: GroupReason,
    },
    Checking {
        resource: usize,
        action: ActionId,
    },
    Blocked,
}

/// How a started group is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    /// What comes next, if it is watched.
    pub(super) step: Option<WatchStep>,
    /// Looks in a row that found something broken.
    pub(super) failures: u32,
}

/// A look at a resource, or the pause between two rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WatchStep {
    Pausing(Moment),
    Acting { resource: usize, action: ActionId },
}

/// A stop that runs, or waits to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopStep {
    Acting(ActionId),
    Pausing(Moment),
}

/// What follows the end of an action.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next action.
    Act(Operation, usize),
    /// Every resource was seen to run.
    Started,
    /// Stop from this resource on.
    Stop(usize, GroupReason),
    /// Every resource was stopped.
    Stopped(GroupReason),
    /// Every resource was stopped, and the group is to be started again.
    Again,
    /// Every resource works.
    Works,
    /// One does not, and that may be chance.
    Doubt,
    /// It does not work.
    Broken,
    /// Try again after a pause.
    Pause,
    /// It does not stop.
    Blocked,
}

/// What a start is followed by that is given up: everything it may have started is stopped.
fn unwind(resource: usize, outcome: &Outcome, reason: GroupReason) -> Next {
    let begun = match outcome {
        Outcome::NotBegun { .. } => resource.checked_sub(1),
        _ => Some(resource),
    };
    begun.map_or(Next::Stopped(reason.clone()), |last| {
        Next::Stop(last, reason)
    })
}

impl Phase {
    /// The start of the first resource runs.
    pub(super) fn starting(action: ActionId) -> Self {
        Self::Starting {
            resource: 0,
            action,
            abandoned: None,
        }
    }

    /// The next action of a start, a check or a stop runs.
    pub(super) fn go_on(&mut self, next: usize, id: ActionId) {
        match self {
            Self::Starting {
                resource, action, ..
            }
            | Self::Checking { resource, action } => (*resource, *action) = (next, id),
            Self::Stopping {
                resource,
                tries,
                step,
                ..
            } => (*resource, *tries, *step) = (next, 0, StopStep::Acting(id)),
            Self::Started(watch) => {
                watch.step = Some(WatchStep::Acting {
                    resource: next,
                    action: id,
                });
            }
            Self::Stopped | Self::Blocked => {}
        }
    }

    /// A stop waits to be tried again.
    pub(super) fn pause(&mut self, until: Moment) {
        if let Self::Stopping { step, .. } = self {
            *step = StopStep::Pausing(until);
        }
    }

    /// It is tried again.
    pub(super) fn try_again(&mut self, id: ActionId) {
        if let Self::Stopping { tries, step, .. } = self {
            *tries += 1;
            *step = StopStep::Acting(id);
        }
    }
}

impl Local {
    /// A group of which the manager before this one kept `kept`.
    pub(super) fn new(group: Group, preferred: bool, kept: KeptGroup) -> Self {
        Self {
            group,
            preferred,
            phase: Phase::Stopped,
            epoch: kept.epoch,
            failures: kept.failures,
            restarts: kept.restarts,
            restarted_at: kept.restarted_at,
            failure: None,
            reason: None,
            retry_at: kept.retry_at,
            wanted: kept.wanted,
            contested: false,
        }
    }

    pub(super) fn state(&self) -> GroupState {
        match self.phase {
            Phase::Stopped => GroupState::Stopped,
            Phase::Starting { .. } => GroupState::Starting,
            Phase::Started(_) => GroupState::Started,
            Phase::Stopping { .. } => GroupState::Stopping,
            Phase::Checking { .. } => GroupState::Checking,
            Phase::Blocked => GroupState::Blocked,
        }
    }

    /// It was `from`, and is something else for that reason. What was begun is done for the reason for
    /// which it was begun; what a former manager held is held for one that is not known.
    pub(super) fn note_reason(&mut self, from: GroupState, reason: &GroupReason) {
        match (from, reason) {
            (GroupState::Checking, GroupReason::Done) => self.reason = None,
            (_, GroupReason::Done) => {}
            _ => self.reason = Some(reason.clone()),
        }
    }

    /// How willing `node`, which is this one, is by what happened to this group.
    pub(super) fn willing(&self, node: &NodeName, now: Moment) -> Willingness {
        if self.failures > 0 {
            return match self.retry_at {
                Some(at) if now < at => Willingness::Unable,
                _ => Willingness::Reluctant,
            };
        }
        match &self.wanted {
            Some(wanted) if now < wanted.until && wanted.on != *node => Willingness::Reluctant,
            _ => Willingness::Able,
        }
    }

    pub(super) fn kept(&self) -> KeptGroup {
        KeptGroup {
            held: self.state().is_held(),
            started: matches!(self.phase, Phase::Started(_) | Phase::Checking { .. }),
            blocked: matches!(self.phase, Phase::Blocked),
            epoch: self.epoch,
            failures: self.failures,
            restarts: self.restarts,
            restarted_at: self.restarted_at,
            retry_at: self.retry_at,
            wanted: self.wanted.clone(),
        }
    }

    /// When something changes by time alone, but the next look.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Moment> {
        let pause = match self.phase {
            Phase::Stopping {
                step: StopStep::Pausing(until),
                ..
            } => Some(until),
            _ => None,
        };
        let wanted = self.wanted.as_ref().map(|wanted| wanted.until);
        [pause, self.retry_at, wanted].into_iter().flatten()
    }

    /// When it is looked at next.
    pub(super) fn next_look(&self) -> Option<Moment> {
        match self.phase {
            Phase::Started(Watch {
                step: Some(WatchStep::Pausing(until)),
                ..
            }) => Some(until),
            _ => None,
        }
    }

    /// It is looked at now, watched or not.
    pub(super) fn look_at(&mut self, now: Moment) {
        if let Phase::Started(watch) = &mut self.phase
            && !matches!(watch.step, Some(WatchStep::Acting { .. }))
        {
            watch.step = Some(WatchStep::Pausing(now));
        }
    }

    /// The action whose end is awaited.
    pub(super) fn awaited(&self) -> Option<ActionId> {
        match self.phase {
            Phase::Starting { action, .. }
            | Phase::Checking { action, .. }
            | Phase::Stopping {
                step: StopStep::Acting(action),
                ..
            }
            | Phase::Started(Watch {
                step: Some(WatchStep::Acting { action, .. }),
                ..
            }) => Some(action),
            _ => None,
        }
    }

    /// The resource that is acted upon, and what is done to it.
    pub(super) fn under_way(&self) -> Option<(Operation, usize)> {
        match self.phase {
            Phase::Starting { resource, .. } => Some((Operation::Start, resource)),
            Phase::Checking { resource, .. } => Some((Operation::Status, resource)),
            Phase::Stopping { resource, .. } => Some((Operation::Stop, resource)),
            Phase::Started(Watch {
                step: Some(WatchStep::Acting { resource, .. }),
                ..
            }) => Some((Operation::Monitor, resource)),
            _ => None,
        }
    }

    /// What follows from the end of the awaited action.
    pub(super) fn after(&self, outcome: &Outcome, stop_retries: u32) -> Next {
        let last = self.last();
        let done = matches!(outcome, Outcome::Done);
        match &self.phase {
            Phase::Starting {
                resource,
                abandoned: Some(reason),
                ..
            } => unwind(*resource, outcome, reason.clone()),
            Phase::Starting { resource, .. } if !done => {
                unwind(*resource, outcome, GroupReason::StartFailed)
            }
            Phase::Starting { resource, .. } if *resource < last => {
                Next::Act(Operation::Start, resource + 1)
            }
            Phase::Checking { .. } if !done => Next::Stop(last, GroupReason::NotRunning),
            Phase::Checking { resource, .. } if *resource < last => {
                Next::Act(Operation::Status, resource + 1)
            }
            Phase::Starting { .. } | Phase::Checking { .. } => Next::Started,
            Phase::Stopping { tries, .. } if !done && *tries < stop_retries => Next::Pause,
            Phase::Stopping { .. } if !done => Next::Blocked,
            Phase::Stopping {
                resource: 0,
                reason: GroupReason::Restart,
                ..
            } => Next::Again,
            Phase::Stopping {
                resource: 0,
                reason,
                ..
            } => Next::Stopped(reason.clone()),
            Phase::Stopping { resource, .. } => Next::Act(Operation::Stop, resource - 1),
            Phase::Started(Watch {
                step: Some(WatchStep::Acting { resource, .. }),
                failures,
            }) => match self.group.monitor {
                _ if done && *resource < last => Next::Act(Operation::Monitor, resource + 1),
                _ if done => Next::Works,
                Some(monitor) if failures + 1 < monitor.failures => Next::Doubt,
                _ => Next::Broken,
            },
            Phase::Stopped | Phase::Started(_) | Phase::Blocked => {
                unreachable!("no action is awaited")
            }
        }
    }

    /// A start failed: it is not tried here again at once.
    pub(super) fn count_failure(&mut self, pause: Duration, now: Moment) {
        self.failures = self.failures.saturating_add(1);
        let growth = 1 << (self.failures - 1).min(RETRY_GROWTH_MAX.ilog2() + 1);
        self.retry_at = Some(now + pause * growth.min(RETRY_GROWTH_MAX));
    }

    /// What failed is forgotten.
    pub(super) fn forgive(&mut self) {
        self.failures = 0;
        self.retry_at = None;
        self.failure = None;
    }

    /// So is how often it was started anew.
    pub(super) fn forgive_restarts(&mut self) {
        self.restarts = 0;
        self.restarted_at = None;
    }

    /// Whether it may be started anew here once more; counts it if so.
    pub(super) fn count_restart(&mut self, memory: Duration, now: Moment) -> bool {
        let forgotten = self
            .restarted_at
            .is_some_and(|last| now.since(last) > memory);
        if forgotten {
            self.forgive_restarts();
        }
        let monitor = self.group.monitor;
        let allowed = monitor.map_or(RESTARTS_UNWATCHED, |monitor| monitor.restarts);
        if self.restarts >= allowed {
            return false;
        }
        self.restarts += 1;
        self.restarted_at = Some(now);
        true
    }

    /// Looks in a row that found something broken.
    pub(super) fn doubts(&self) -> u32 {
        match self.phase {
            Phase::Started(watch) => watch.failures,
            _ => 0,
        }
    }

    /// The group is started, or was looked at: the next look.
    pub(super) fn watched(&self, failures: u32, now: Moment) -> Phase {
        let next = |monitor: Monitor| WatchStep::Pausing(now + monitor.interval);
        Phase::Started(Watch {
            step: self.group.monitor.map(next),
            failures,
        })
    }

    /// The pause after a failure has passed.
    pub(super) fn expire(&mut self, now: Moment) {
        self.retry_at.take_if(|moment| *moment <= now);
    }

    /// The place of its last resource.
    pub(super) fn last(&self) -> usize {
        self.group.resources.len() - 1
    }
}
