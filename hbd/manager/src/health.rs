//! Health checks of this node: when each is due, and what its runs amount to.
//!
//! ```text
//!   due --> run --> found --> so many in a row? --> what changed
//!    ^                |
//!    +--- interval <--+
//! ```
//!
//! A check of the node is made all the time, one of a group while the group is started here. What
//! fails counts after so many failures in a row, and what could not find out after as many such runs;
//! one run that is well ends both. A run that is under way when its group stops is waited for and
//! does not count, so there are never two at once.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use shared::config::{HealthCheck, HealthKind};
use shared::event::Kind;
use shared::group::{GroupName, GroupState};
use shared::health::{CheckName, Found, HealthState, History};
use shared::names::NodeName;
use shared::time::{Moment, Now};
use shared::view::HealthView;

/// The checks of a node.
#[derive(Clone, Debug)]
pub struct HealthChecks {
    node: NodeName,
    checks: Vec<Watched>,
}

/// A check and what came of it.
#[derive(Clone, Debug)]
struct Watched {
    check: HealthCheck,
    run: Run,
    /// What was told, and the summary with it.
    told: Option<(HealthState, String)>,
    /// Runs in a row that failed, those that could not find out left out.
    failures: u32,
    /// Runs in a row that could not find out.
    unknowns: u32,
    history: History,
}

/// When it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    /// Not: its group is not started here.
    Off,
    /// At that moment.
    Due(Moment),
    /// A run is under way.
    UnderWay,
    /// A run is under way and does not count: since it began its group was not started here. It is
    /// made again if the group is started meanwhile.
    Void { again: bool },
}

impl HealthChecks {
    /// Those of `node`, of which a former manager told that; with it what is to be told of checks that
    /// are not made any more.
    #[must_use]
    pub fn new(
        node: NodeName,
        checks: &[HealthCheck],
        told: &BTreeMap<CheckName, HealthView>,
        now: Moment,
    ) -> (Self, Vec<Kind>) {
        let is_made = |name: &CheckName| checks.iter().any(|check| check.name == *name);
        let over = told.iter().filter(|(name, _)| !is_made(name));
        let over = over.map(|(name, view)| Kind::HealthOver {
            check: name.clone(),
            node: view.node.clone(),
            group: view.group.clone(),
        });
        let over = over.collect();
        let watched = |check: &HealthCheck| Watched {
            check: check.clone(),
            run: match check.group {
                Some(_) => Run::Off,
                None => Run::Due(now),
            },
            told: (told
                .get(&check.name)
                .filter(|view| view.group == check.group))
            .map(|view| (view.state, view.summary.clone())),
            failures: 0,
            unknowns: 0,
            history: History::default(),
        };
        let checks = checks.iter().map(watched).collect();
        (Self { node, checks }, over)
    }

    /// Something happened: groups are checked while they are started here.
    pub fn follow(&mut self, kind: &Kind, now: Moment) {
        let Kind::GroupState {
            group, node, to, ..
        } = kind
        else {
            return;
        };
        if *node != self.node {
            return;
        }
        for watched in &mut self.checks {
            if watched.check.group.as_ref() == Some(group) {
                watched.follow(*to, now);
            }
        }
    }

    /// A check that is due. Its run is under way from here on.
    pub fn next_due(&mut self, now: Moment) -> Option<usize> {
        let is_due = |watched: &Watched| matches!(watched.run, Run::Due(at) if at <= now);
        let place = self.checks.iter().position(is_due)?;
        self.checks[place].run = Run::UnderWay;
        Some(place)
    }

    /// The check in that place, and what its former runs found.
    #[must_use]
    pub fn at(&self, place: usize) -> (&HealthCheck, &History) {
        let watched = &self.checks[place];
        (&watched.check, &watched.history)
    }

    /// The run of that check has ended. What is to be told of it.
    pub fn ended(&mut self, place: usize, found: Found, now: Now) -> Option<Kind> {
        self.checks[place].ended(&self.node, found, now)
    }

    /// When the next check is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        let due = self.checks.iter().filter_map(|watched| match watched.run {
            Run::Due(at) => Some(at),
            Run::Off | Run::UnderWay | Run::Void { .. } => None,
        });
        due.min()
    }
}

impl Watched {
    /// Its group is something else here.
    fn follow(&mut self, to: GroupState, now: Moment) {
        let is_started = to == GroupState::Started;
        self.run = match (self.run, is_started) {
            (Run::Off, true) => Run::Due(now + self.check.interval),
            (Run::UnderWay, false) | (Run::Void { .. }, false) => Run::Void { again: false },
            (Run::Void { .. }, true) => Run::Void { again: true },
            (Run::Due(_), false) => Run::Off,
            (run, _) => run,
        };
        if !is_started {
            (self.failures, self.unknowns) = (0, 0);
        }
        if to == GroupState::Stopped {
            self.told = None;
        }
    }

    fn ended(&mut self, node: &NodeName, found: Found, now: Now) -> Option<Kind> {
        let next = Run::Due(now.boot + self.check.interval);
        match core::mem::replace(&mut self.run, next) {
            Run::UnderWay => {}
            Run::Void { again: true } => return None,
            _ => {
                self.run = Run::Off;
                return None;
            }
        }
        let counts = self.count(found.state);
        self.remember(&found, now);
        if !(counts && self.is_news(&found)) {
            return None;
        }
        let told = (found.state, found.summary.clone());
        let from = self.told.replace(told).map(|(state, _)| state);
        Some(Kind::Health {
            check: self.check.name.clone(),
            node: node.clone(),
            group: self.group(),
            from,
            to: found.state,
            summary: found.summary,
            detail: found.detail,
        })
    }

    fn group(&self) -> Option<GroupName> {
        self.check.group.clone()
    }

    /// Whether there were enough of these in a row.
    fn count(&mut self, state: HealthState) -> bool {
        let enough = self.check.failures;
        match state {
            HealthState::Ok | HealthState::Warning => {
                (self.failures, self.unknowns) = (0, 0);
                true
            }
            HealthState::Failed => {
                self.unknowns = 0;
                self.failures = self.failures.saturating_add(1);
                self.failures >= enough
            }
            HealthState::Unknown => {
                self.unknowns = self.unknowns.saturating_add(1);
                self.unknowns >= enough
            }
        }
    }

    /// Another state; and of a monitor of Mon that goes on failing another summary, which names what
    /// fails. The line of a plugin holds what it measured, and is another one each time.
    fn is_news(&self, found: &Found) -> bool {
        match &self.told {
            Some((state, summary)) if *state == found.state => {
                let names_what_fails =
                    self.check.kind == HealthKind::Mon && *state == HealthState::Failed;
                names_what_fails && *summary != found.summary
            }
            _ => true,
        }
    }

    fn remember(&mut self, found: &Found, now: Now) {
        let history = &mut self.history;
        history.summary.clone_from(&found.summary);
        history.detail.clone_from(&found.detail);
        match found.state {
            HealthState::Ok | HealthState::Warning => {
                history.last_success = Some(now.wall);
                history.first_failure = None;
            }
            HealthState::Failed => {
                history.last_failure = Some(now.wall);
                history.first_failure.get_or_insert(now.wall);
            }
            HealthState::Unknown => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use HealthState::{Failed, Unknown, Warning};
    use shared::group::GroupReason;
    use shared::time::Wall;

    const OK: HealthState = HealthState::Ok;

    fn alice() -> NodeName {
        NodeName::new("alice").unwrap()
    }

    fn web() -> GroupName {
        GroupName::new("web").unwrap()
    }

    fn check(kind: HealthKind, group: Option<GroupName>) -> HealthCheck {
        HealthCheck {
            name: CheckName::new("disk").unwrap(),
            kind,
            group,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            failures: 2,
            warning_fails: false,
            program: "/bin/check".into(),
            arguments: Vec::new(),
        }
    }

    fn checks(kind: HealthKind, group: Option<GroupName>) -> HealthChecks {
        let checks = [check(kind, group)];
        HealthChecks::new(alice(), &checks, &BTreeMap::new(), at(0)).0
    }

    fn at(seconds: u64) -> Moment {
        Moment(seconds * 1_000_000_000)
    }

    fn now(seconds: u64) -> Now {
        Now {
            boot: at(seconds),
            wall: Wall(seconds * 1_000_000_000),
        }
    }

    /// A run that is due then ends so, at once.
    fn run(checks: &mut HealthChecks, seconds: u64, state: HealthState, summary: &str) -> String {
        assert_eq!(checks.next_due(at(seconds)), Some(0));
        ended(checks, seconds, state, summary)
    }

    fn ended(checks: &mut HealthChecks, seconds: u64, state: HealthState, summary: &str) -> String {
        let found = Found {
            state,
            summary: summary.into(),
            detail: String::new(),
        };
        let told = checks.ended(0, found, now(seconds));
        told.map_or_else(String::new, |kind| kind.to_string())
    }

    fn becomes(checks: &mut HealthChecks, to: GroupState, seconds: u64) {
        let kind = Kind::GroupState {
            group: web(),
            node: alice(),
            from: GroupState::Stopped,
            to,
            reason: GroupReason::Done,
        };
        checks.follow(&kind, at(seconds));
    }

    #[test]
    fn of_a_plugin_only_another_state_is_told_and_failures_in_a_row() {
        let mut checks = checks(HealthKind::Nagios, None);
        let disk = "health check disk of node alice";
        for (seconds, state, summary, told) in [
            (0, OK, "3 GB", format!("{disk} is ok: 3 GB")),
            (10, OK, "2 GB", String::new()),
            (20, Failed, "0 GB", String::new()),
            (30, OK, "2 GB", String::new()),
            (40, Failed, "0 GB", String::new()),
            (50, Failed, "1 GB", format!("{disk} failed: 1 GB")),
            (60, Failed, "2 GB", String::new()),
            (70, Warning, "4 GB", format!("{disk} warns: 4 GB")),
            (80, Unknown, "?", String::new()),
            (90, Unknown, "??", format!("{disk} could not find out: ??")),
            (100, OK, "5 GB", format!("{disk} is ok again: 5 GB")),
        ] {
            assert_eq!(run(&mut checks, seconds, state, summary), told, "{seconds}");
            assert_eq!(checks.next_due(at(seconds + 9)), None);
            assert_eq!(checks.deadline(), Some(at(seconds + 10)));
        }
    }

    #[test]
    fn of_a_monitor_that_goes_on_failing_another_summary_is_told_too() {
        let mut checks = checks(HealthKind::Mon, None);
        let disk = "health check disk of node alice";
        for (seconds, state, summary, told) in [
            (0, Failed, "bob", String::new()),
            (10, Failed, "bob", format!("{disk} failed: bob")),
            (20, Failed, "bob", String::new()),
            (
                30,
                Failed,
                "bob eve",
                format!("{disk} goes on failing: bob eve"),
            ),
            (40, OK, "", format!("{disk} is ok again")),
            (50, OK, "all", String::new()),
        ] {
            assert_eq!(run(&mut checks, seconds, state, summary), told, "{seconds}");
        }
    }

    #[test]
    fn what_could_not_find_out_neither_counts_as_a_failure_nor_ends_a_row_of_them() {
        let mut checks = checks(HealthKind::Nagios, None);
        let told = [Failed, Unknown, Failed].map(|state| {
            let due = checks.deadline().unwrap().0 / 1_000_000_000;
            run(&mut checks, due, state, "x")
        });
        let failed = "health check disk of node alice failed: x".to_owned();
        assert_eq!(told, [String::new(), String::new(), failed]);
    }

    #[test]
    fn a_group_is_checked_while_it_is_started_here_and_first_after_an_interval() {
        let mut checks = checks(HealthKind::Nagios, Some(web()));
        assert_eq!(checks.deadline(), None);
        becomes(&mut checks, GroupState::Starting, 1);
        assert_eq!(checks.deadline(), None);
        becomes(&mut checks, GroupState::Started, 2);
        assert_eq!(checks.deadline(), Some(at(12)));
        let told = run(&mut checks, 12, OK, "yes");
        assert_eq!(told, "health check disk of group web is ok: yes");
        becomes(&mut checks, GroupState::Stopping, 13);
        assert_eq!(checks.deadline(), None);
    }

    #[test]
    fn a_run_of_a_group_that_is_given_up_does_not_count_and_is_waited_for() {
        let mut checks = checks(HealthKind::Mon, Some(web()));
        becomes(&mut checks, GroupState::Started, 0);
        run(&mut checks, 10, Failed, "x");
        assert_eq!(checks.next_due(at(20)), Some(0));
        becomes(&mut checks, GroupState::Stopping, 21);
        becomes(&mut checks, GroupState::Stopped, 22);
        becomes(&mut checks, GroupState::Started, 23);
        assert_eq!((checks.next_due(at(99)), checks.deadline()), (None, None));
        assert_eq!(ended(&mut checks, 24, Failed, "x"), "");
        assert_eq!(checks.deadline(), Some(at(34)));
        // What failed before it was stopped does not count either.
        assert_eq!(run(&mut checks, 34, Failed, "x"), "");
        becomes(&mut checks, GroupState::Stopping, 35);
        assert_eq!(checks.deadline(), None);
    }

    #[test]
    fn a_manager_that_follows_tells_what_changed_since_and_what_is_over() {
        let view = |group| HealthView {
            node: alice(),
            group,
            state: Failed,
            summary: "bob".into(),
            since: Default::default(),
        };
        let name = |text: &str| CheckName::new(text).unwrap();
        let told = BTreeMap::from([
            (name("disk"), view(None)),
            (name("gone"), view(Some(web()))),
        ]);
        let (mut checks, over) =
            HealthChecks::new(alice(), &[check(HealthKind::Mon, None)], &told, at(0));
        let over: Vec<String> = over.iter().map(Kind::to_string).collect();
        assert_eq!(
            over,
            ["health check gone of group web is not configured any more"]
        );
        assert_eq!(run(&mut checks, 0, Failed, "bob"), "");
        let again = "health check disk of node alice is ok again: all";
        assert_eq!(run(&mut checks, 10, OK, "all"), again);
    }

    #[test]
    fn a_monitor_is_told_when_it_failed_first_and_last_and_was_well() {
        let mut checks = checks(HealthKind::Mon, None);
        for (seconds, state) in [(0, OK), (10, Failed), (20, Failed)] {
            run(&mut checks, seconds, state, "x");
        }
        let (_, history) = checks.at(0);
        let seconds = |wall: Option<Wall>| wall.unwrap().0 / 1_000_000_000;
        assert_eq!(seconds(history.last_success), 0);
        assert_eq!(seconds(history.first_failure), 10);
        assert_eq!(seconds(history.last_failure), 20);
        run(&mut checks, 30, OK, "x");
        assert_eq!(checks.at(0).1.first_failure, None);
    }
}
