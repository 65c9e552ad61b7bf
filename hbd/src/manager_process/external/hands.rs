//! What this node holds, as its hands know it, whatever a program says.
//!
//! A resource is down only where its last action was a stop that was done: everything else may run.
//! A group is held while one of its resources is not down.

use hbd_manager::{Group, KeptGroup};
use shared::group::{GroupState, Operation, Outcome};
use shared::time::Moment;

/// What a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Down,
    /// It may run.
    Unknown,
    Up,
}

/// An action that did not end yet.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    operation: Operation,
    /// What its resource was before.
    before: Presence,
}

/// A group, and what was done to it.
#[derive(Debug)]
pub(super) struct Hand {
    pub(super) group: Group,
    resources: Vec<Presence>,
    /// What a group is that is neither up nor down: what was last begun with it.
    direction: GroupState,
    /// Nobody tries to stop it any more.
    pub(super) blocked: bool,
    /// It was started when a former manager ended, and nothing was done to it since.
    settled: bool,
    /// What it was told to be.
    pub(super) told: GroupState,
    under_way: Option<UnderWay>,
    /// Nobody knows what became of it: it is stopped before anything else is done with it.
    pub(super) interrupted: bool,
    /// hbd stops it, and not the program.
    pub(super) insisted: bool,
    /// Tries to stop a resource that failed in a row, where this node must not hold anything.
    pub(super) tries: u32,
    /// When hbd tries again.
    pub(super) next_at: Moment,
    /// Since when nobody stops it who should.
    pub(super) idle_since: Moment,
}

impl Hand {
    pub(super) fn new(group: Group, kept: &KeptGroup, told: GroupState, now: Moment) -> Self {
        let presence = match kept.held {
            true => Presence::Unknown,
            false => Presence::Down,
        };
        let interrupted = kept.held && !kept.started && !kept.blocked;
        Self {
            resources: vec![presence; group.resources.len()],
            group,
            direction: match interrupted {
                true => GroupState::Stopping,
                false => GroupState::Checking,
            },
            blocked: kept.held && kept.blocked,
            settled: kept.held && kept.started,
            told,
            under_way: None,
            interrupted,
            insisted: interrupted,
            tries: 0,
            next_at: now,
            idle_since: now,
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.resources.iter().any(|r| *r != Presence::Down)
    }

    pub(super) fn state(&self) -> GroupState {
        let all = |presence| self.resources.iter().all(|r| *r == presence);
        match (self.blocked, self.direction) {
            (true, _) => GroupState::Blocked,
            _ if all(Presence::Down) => GroupState::Stopped,
            _ if all(Presence::Up) => GroupState::Started,
            (false, direction) => direction,
        }
    }

    /// For whoever follows: what is held, and whether its addresses are to be kept alive.
    pub(super) fn kept(&self) -> KeptGroup {
        KeptGroup {
            held: self.is_held(),
            started: self.settled || self.state() == GroupState::Started,
            blocked: self.blocked,
            ..KeptGroup::default()
        }
    }

    /// An action begins: from here on its resource may be anything.
    pub(super) fn begin(&mut self, resource: usize, operation: Operation) {
        let presence = &mut self.resources[resource];
        self.under_way = Some(UnderWay {
            operation,
            before: *presence,
        });
        let direction = match operation {
            Operation::Start => GroupState::Starting,
            Operation::Stop => GroupState::Stopping,
            Operation::Status | Operation::Monitor | Operation::Announce => return,
        };
        // A start of what runs, as a stop of what does not, is no doubt.
        let sure = match operation {
            Operation::Start => Presence::Up,
            _ => Presence::Down,
        };
        if *presence != sure {
            *presence = Presence::Unknown;
        }
        (self.direction, self.settled, self.blocked) = (direction, false, false);
    }

    /// What is done to it.
    pub(super) fn operation(&self) -> Option<Operation> {
        self.under_way.map(|under_way| under_way.operation)
    }

    /// The action that was under way ended.
    pub(super) fn end(&mut self, resource: usize, outcome: &Outcome, now: Moment) {
        self.idle_since = now;
        let Some(UnderWay { operation, before }) = self.under_way.take() else {
            return;
        };
        let presence = &mut self.resources[resource];
        *presence = match (operation, outcome) {
            (Operation::Stop, Outcome::Done) => Presence::Down,
            (Operation::Start | Operation::Status, Outcome::Done) => Presence::Up,
            (Operation::Start, Outcome::NotBegun { .. }) => before,
            (Operation::Start | Operation::Stop, _) => Presence::Unknown,
            // What was stopped, and is said not to run, does not.
            (Operation::Status, _) if *presence == Presence::Up => return self.doubt(resource),
            _ => return,
        };
    }

    /// A resource was found not to run.
    pub(super) fn doubt(&mut self, resource: usize) {
        if let Some(presence) = self.resources.get_mut(resource)
            && *presence != Presence::Down
        {
            *presence = Presence::Unknown;
            (self.direction, self.settled) = (GroupState::Checking, false);
        }
    }

    /// The next resource to be stopped.
    pub(super) fn last_held(&self) -> Option<usize> {
        self.resources.iter().rposition(|r| *r != Presence::Down)
    }
}

#[cfg(test)]
mod tests {
    use shared::group::GroupName;
    use shared::names::NodeName;

    use super::*;

    const NOW: Moment = Moment(7);

    fn hand(held: bool) -> Hand {
        let group = Group {
            name: GroupName::new("web").unwrap(),
            preferred: NodeName::new("alice").unwrap(),
            resources: vec!["web".into(), "app".into()],
            monitor: None,
        };
        let kept = KeptGroup {
            held,
            started: held,
            ..KeptGroup::default()
        };
        Hand::new(group, &kept, GroupState::Stopped, NOW)
    }

    fn act(hand: &mut Hand, resource: usize, operation: Operation, outcome: &Outcome) {
        hand.begin(resource, operation);
        hand.end(resource, outcome, NOW);
    }

    fn failed() -> Outcome {
        Outcome::Failed { why: "no".into() }
    }

    #[test]
    fn a_group_is_held_from_before_its_first_start_until_its_last_stop_was_done() {
        let mut hand = hand(false);
        assert_eq!((hand.state(), hand.is_held()), (GroupState::Stopped, false));
        hand.begin(0, Operation::Start);
        assert_eq!((hand.state(), hand.is_held()), (GroupState::Starting, true));
        hand.end(0, &Outcome::Done, NOW);
        assert_eq!(hand.state(), GroupState::Starting);
        act(&mut hand, 1, Operation::Start, &Outcome::Done);
        assert_eq!(
            (hand.state(), hand.kept().started),
            (GroupState::Started, true)
        );
        act(&mut hand, 1, Operation::Stop, &failed());
        assert_eq!(
            (hand.state(), hand.kept().started),
            (GroupState::Stopping, false)
        );
        act(&mut hand, 1, Operation::Stop, &Outcome::Done);
        assert_eq!(hand.last_held(), Some(0));
        act(&mut hand, 0, Operation::Stop, &Outcome::Done);
        assert_eq!((hand.state(), hand.is_held()), (GroupState::Stopped, false));
    }

    #[test]
    fn what_failed_to_start_or_is_said_not_to_run_may_run() {
        let mut hand = hand(false);
        act(&mut hand, 0, Operation::Start, &failed());
        assert!(hand.is_held());
        act(&mut hand, 0, Operation::Status, &Outcome::NotRunning);
        assert!(hand.is_held());
        act(&mut hand, 0, Operation::Stop, &Outcome::Done);
        assert!(!hand.is_held());
    }

    #[test]
    fn a_start_that_was_not_begun_leaves_nothing_behind() {
        let mut hand = hand(false);
        let missing = || Outcome::NotBegun { why: "no".into() };
        act(&mut hand, 0, Operation::Start, &missing());
        assert!(!hand.is_held());
        act(&mut hand, 0, Operation::Start, &Outcome::Done);
        act(&mut hand, 1, Operation::Start, &missing());
        assert_eq!(hand.last_held(), Some(0));
        act(&mut hand, 0, Operation::Stop, &missing());
        assert!(hand.is_held());
    }

    #[test]
    fn what_a_former_manager_held_is_looked_at_and_kept_alive_meanwhile() {
        let mut hand = hand(true);
        assert_eq!(
            (hand.state(), hand.kept().started),
            (GroupState::Checking, true)
        );
        act(&mut hand, 0, Operation::Status, &Outcome::Done);
        act(&mut hand, 1, Operation::Status, &Outcome::Done);
        assert_eq!(hand.state(), GroupState::Started);
        hand.doubt(1);
        assert_eq!(
            (hand.state(), hand.kept().started),
            (GroupState::Checking, false)
        );
    }
}
