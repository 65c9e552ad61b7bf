//! Waits until the groups of an order are where it wants them, or until it is certain that they
//! will not be.
//!
//! It listens from before the order was given, so that it sees each group leave: a group that was
//! stopped on one node, failed on the other and was started where it came from is no success.

use std::time::{Duration, Instant};

use shared::client::{Client, ClientError, Subscription, Update};
use shared::group::{GroupName, GroupState};
use shared::names::NodeName;
use shared::order::Change;
use shared::view::{ClusterView, GroupOn, GroupView};

use crate::cli::Call;
use crate::error::Error;
use crate::live::Live;
use crate::verbs::again;
use crate::verbs::order::{Told, Word};

/// Time between two attempts to reach a daemon that does not answer.
const RETRY: Duration = Duration::from_millis(100);

/// After a failure, what is tried next begins within this time.
const NEXT: Duration = Duration::from_secs(1);

/// How the waiting ended.
pub(super) enum End {
    /// Every group is where it was to be.
    Done,
    /// One is not and will not be, in a sentence.
    Failed(String),
    /// One is not yet.
    NotReached {
        /// After so long.
        limit: Duration,
        /// How it is, as far as that is known.
        missing: Option<String>,
    },
}

/// Waits for `changes`, which were ordered after `stream` began and at `begin`.
pub(super) fn settle(
    call: &Call,
    stream: Subscription,
    changes: &[Change],
    begin: Instant,
    limit: Duration,
) -> Result<End, Error> {
    let mut wait = Wait {
        goals: changes.iter().map(Goal::of).collect(),
        end: begin + limit,
        missing: None,
    };
    let mut stream = Some(stream);
    loop {
        let followed = match stream.take() {
            Some(stream) => wait.follow(stream),
            None => Client::connect(&call.socket, call.limit)
                .and_then(|client| client.subscribe(0))
                .and_then(|stream| wait.follow(stream)),
        };
        match followed {
            Ok(Some(end)) => return Ok(end),
            Ok(None) => {}
            Err(error) if again::passes(&error) => wait.missing = Some(error.to_string()),
            Err(error) => return Err(error.into()),
        }
        let left = wait.left();
        if left.is_zero() {
            let missing = wait.missing;
            return Ok(End::NotReached { limit, missing });
        }
        std::thread::sleep(left.min(RETRY));
    }
}

/// Waits for an event that says how an order ended, which was given after `stream` began. A failure
/// is none if something else is tried at once.
pub(super) fn hear(
    mut stream: Subscription,
    told: &Told,
    begin: Instant,
    limit: Duration,
) -> Result<End, Error> {
    let end = begin + limit;
    let mut failed: Option<(String, Instant)> = None;
    loop {
        let until = failed.as_ref().map_or(end, |(_, until)| end.min(*until));
        let left = until.saturating_duration_since(Instant::now());
        match (stream.wait(Some(left))?, failed.take()) {
            (Some(Update::Event(event)), former) => {
                failed = match told(&event.kind) {
                    Some(Word::Done) => return Ok(End::Done),
                    Some(Word::Failed(why)) => Some((why, Instant::now() + NEXT)),
                    Some(Word::GoesOn) => None,
                    None => former,
                };
            }
            (Some(_), former) => failed = former,
            (None, Some((why, _))) => return Ok(End::Failed(why)),
            (None, None) => {
                let missing = None;
                return Ok(End::NotReached { limit, missing });
            }
        }
    }
}

struct Wait {
    goals: Vec<Goal>,
    end: Instant,
    missing: Option<String>,
}

impl Wait {
    fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Listens until it is certain how it ends; nothing where the time is over first.
    fn follow(&mut self, mut stream: Subscription) -> Result<Option<End>, ClientError> {
        let mut live = Live::default();
        while let Some(update) = stream.wait(Some(self.left()))? {
            live.take(update);
            let Some(snapshot) = live.snapshot() else {
                continue;
            };
            if let Some(end) = self.judge(&snapshot.view) {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn judge(&mut self, view: &ClusterView) -> Option<End> {
        let mut lacking = None;
        for goal in &mut self.goals {
            match goal.judge(view.groups.get(&goal.group)) {
                Progress::Reached => {}
                Progress::Lacks(what) => {
                    let group = view.groups.get(&goal.group);
                    let held_back = held_back(view, group);
                    lacking.get_or_insert(what + &held_back);
                }
                Progress::Fails(why) => return Some(End::Failed(why)),
            }
        }
        self.missing = lacking;
        self.missing.is_none().then_some(End::Done)
    }
}

/// Where a group is to be.
#[derive(Debug)]
struct Goal {
    group: GroupName,
    from: Option<NodeName>,
    to: Option<NodeName>,
    /// It was seen not to be where it came from.
    left: bool,
    /// It was seen where it goes.
    tried: bool,
    /// It was seen not blocked: it is blocked from the beginning where it is to be cleaned up.
    free: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Reached,
    Lacks(String),
    Fails(String),
}

impl Goal {
    fn of(change: &Change) -> Self {
        Self {
            group: change.group.clone(),
            from: change.from.clone(),
            to: change.to.clone(),
            left: false,
            tried: false,
            free: false,
        }
    }

    fn judge(&mut self, view: Option<&GroupView>) -> Progress {
        let nothing = GroupView::default();
        let view = view.unwrap_or(&nothing);
        let state = |node: &NodeName| view.nodes.get(node).map(|on| on.state);
        self.left |= self.from.as_ref().is_none_or(|from| state(from).is_none());
        let there = self.to.as_ref().and_then(state);
        self.tried |= self.from != self.to && there.is_some();
        let blocked = |on: &GroupOn| on.state == GroupState::Blocked;
        let is_blocked = view.nodes.values().any(blocked);
        self.free |= !is_blocked;
        let is_alone = view.nodes.len() == usize::from(self.to.is_some());
        if is_alone && (self.to.is_none() || there == Some(GroupState::Started)) {
            return Progress::Reached;
        }
        match self.failure(view, is_blocked) {
            Some(why) => Progress::Fails(why),
            None => {
                let failed = self.failed(view).map(|failed| format!(": {failed}"));
                Progress::Lacks(whereabouts(&self.group, view) + &failed.unwrap_or_default())
            }
        }
    }

    /// What failed with it where it goes.
    fn failed(&self, view: &GroupView) -> Option<String> {
        view.failure_on(self.to.as_ref()?)
    }

    /// Why it will not be where it is to be, where that is certain.
    fn failure(&self, view: &GroupView, is_blocked: bool) -> Option<String> {
        let is = whereabouts(&self.group, view);
        let failed = self.failed(view);
        let failed = failed.or_else(|| view.failure_on(view.failures.keys().next()?));
        let because = failed.map(|failed| format!(": {failed}"));
        let text = is + &because.unwrap_or_default();
        if is_blocked && self.free {
            return Some(text);
        }
        let gave_up = self.tried && view.nodes.is_empty() && self.failed(view).is_some();
        let elsewhere = |(node, on): (&NodeName, &GroupOn)| {
            Some(node) != self.to.as_ref() && on.state == GroupState::Started
        };
        let returned = self.left && view.nodes.iter().any(elsewhere);
        (gave_up || returned).then_some(text)
    }
}

/// What keeps a group stopped that nobody holds, as the end of a sentence.
fn held_back(view: &ClusterView, group: Option<&GroupView>) -> String {
    let is_held = group.is_some_and(|group| !group.nodes.is_empty());
    match &view.takeover_held {
        Some((dead, hold)) if !is_held => format!("; nothing is taken over from {dead}: {hold}"),
        _ => String::new(),
    }
}

/// Where a group is, in a sentence without its full stop.
fn whereabouts(group: &GroupName, view: &GroupView) -> String {
    let on = view.nodes.iter();
    let on: Vec<String> = on
        .map(|(node, on)| format!("{} on {node}", on.state))
        .collect();
    match on.is_empty() {
        true => format!("group {group} is stopped everywhere"),
        false => format!("group {group} is {}", on.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    use shared::view::Stamp;

    use super::*;

    fn node(text: &str) -> NodeName {
        NodeName::new(text).unwrap()
    }

    fn goal() -> Goal {
        Goal::of(&Change {
            group: GroupName::new("web").unwrap(),
            from: Some(node("alice")),
            to: Some(node("bob")),
        })
    }

    fn view(on: &[(&str, GroupState)], failed: Option<&str>) -> GroupView {
        let on = on.iter().map(|(name, state)| {
            let on = GroupOn {
                state: *state,
                since: Stamp::default(),
                reason: String::new(),
                started: None,
                address_contested: false,
            };
            (node(name), on)
        });
        GroupView {
            nodes: on.collect(),
            failures: failed
                .map(|text| (node("bob"), text.into()))
                .into_iter()
                .collect(),
            ..GroupView::default()
        }
    }

    fn judge(goal: &mut Goal, on: &[(&str, GroupState)]) -> Progress {
        goal.judge(Some(&view(on, None)))
    }

    #[test]
    fn a_group_is_there_when_it_is_started_there_and_nowhere_else() {
        use GroupState::{Started, Starting, Stopping};
        let mut goal = goal();
        let lacks = |progress| matches!(progress, Progress::Lacks(_));
        assert!(lacks(judge(&mut goal, &[("alice", Started)])));
        assert!(lacks(judge(&mut goal, &[("alice", Stopping)])));
        assert!(lacks(judge(&mut goal, &[])));
        assert!(lacks(judge(&mut goal, &[("bob", Starting)])));
        let both = [("alice", Stopping), ("bob", Started)];
        assert!(lacks(judge(&mut goal, &both)));
        assert_eq!(judge(&mut goal, &[("bob", Started)]), Progress::Reached);
    }

    #[test]
    fn a_group_that_came_back_or_stays_blocked_has_failed() {
        use GroupState::{Blocked, Started, Starting};
        let mut came_back = goal();
        judge(&mut came_back, &[]);
        judge(&mut came_back, &[("bob", Starting)]);
        assert_eq!(
            judge(&mut came_back, &[("alice", Started)]),
            Progress::Fails("group web is started on alice".into())
        );
        let mut blocked = goal();
        let from_the_beginning = judge(&mut blocked, &[("alice", Blocked)]);
        assert!(matches!(from_the_beginning, Progress::Lacks(_)));
        judge(&mut blocked, &[("alice", GroupState::Stopping)]);
        assert_eq!(
            judge(&mut blocked, &[("alice", Blocked)]),
            Progress::Fails("group web is blocked on alice".into())
        );
    }

    #[test]
    fn a_start_that_failed_is_told_with_its_reason() {
        let mut goal = goal();
        judge(&mut goal, &[("bob", GroupState::Starting)]);
        let given_up = view(&[], Some("start of web failed"));
        assert_eq!(
            goal.judge(Some(&given_up)),
            Progress::Fails("group web is stopped everywhere: on bob: start of web failed".into())
        );
    }

    #[test]
    fn a_group_that_stays_because_it_failed_there_is_not_where_it_was_ordered() {
        let mut goal = goal();
        let stays = view(&[("alice", GroupState::Started)], Some("no device"));
        let lacks = Progress::Lacks("group web is started on alice: on bob: no device".into());
        assert_eq!(goal.judge(Some(&stays)), lacks);
    }

    #[test]
    fn a_group_that_nobody_should_hold_is_awaited_until_nobody_does() {
        let mut goal = goal();
        goal.to = None;
        let stopping = judge(&mut goal, &[("alice", GroupState::Stopping)]);
        assert!(matches!(stopping, Progress::Lacks(_)));
        assert_eq!(goal.judge(None), Progress::Reached);
    }
}
