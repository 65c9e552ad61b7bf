//! Programs of others that say how a node or a group is: monitors of Mon and plugins of Nagios.
//!
//! Both are called with the arguments of their line alone, and speak by exit status and standard
//! output. The first line is the summary: of a plugin without what stands behind the bar, which are
//! figures for graphs and change with each run.

use shared::config::{HealthCheck, HealthKind};
use shared::health::{Found, HealthState, History};
use shared::time::Wall;

use crate::command::{Command, Setting, Variables, common, variables};
use crate::report::{Ended, Report};
use crate::verdict::{exit_status, shortened};

/// Most characters that are kept of what follows the summary.
pub const DETAIL_MAX: usize = 1000;

/// Exit statuses of Nagios plugins.
const WELL: i32 = 0;
const WARNING: i32 = 1;
const CRITICAL: i32 = 2;

/// What is run.
#[must_use]
pub fn command(check: &HealthCheck, history: &History, setting: &Setting<'_>) -> Command {
    let mut environment = common(setting);
    if let Some(group) = &check.group {
        environment.insert("HBD_GROUP".into(), group.to_string());
    }
    if check.kind == HealthKind::Mon {
        environment.extend(of_mon(check, history, setting));
    }
    Command {
        program: check.program.clone().into(),
        arguments: check.arguments.clone(),
        environment,
        input: None,
    }
}

/// What Mon tells its monitors, where it means something here.
fn of_mon(check: &HealthCheck, history: &History, setting: &Setting<'_>) -> Variables {
    let seconds = |wall: Option<Wall>| wall.map_or(0, |wall| wall.0 / 1_000_000_000).to_string();
    let run = setting.run.display().to_string();
    variables([
        ("MON_DESCRIPTION", check.name.to_string()),
        ("MON_LAST_SUMMARY", history.summary.clone()),
        ("MON_LAST_OUTPUT", history.detail.clone()),
        ("MON_LAST_FAILURE", seconds(history.last_failure)),
        ("MON_FIRST_FAILURE", seconds(history.first_failure)),
        ("MON_LAST_SUCCESS", seconds(history.last_success)),
        ("MON_STATEDIR", run.clone()),
        ("MON_LOGDIR", run),
        ("MON_CFBASEDIR", setting.configuration.display().to_string()),
    ])
}

/// What a run found.
#[must_use]
pub fn judge(check: &HealthCheck, report: &Report) -> Found {
    let found = exit_status(report);
    let state = match (&found, check.kind) {
        // What cannot be run says nothing about anything.
        _ if matches!(report.ended, Ended::NotStarted { .. }) => HealthState::Unknown,
        (Ok(WELL), _) => HealthState::Ok,
        (Ok(WARNING), HealthKind::Nagios) if !check.warning_fails => HealthState::Warning,
        (Ok(WARNING | CRITICAL), HealthKind::Nagios) => HealthState::Failed,
        (_, HealthKind::Nagios) => HealthState::Unknown,
        (_, HealthKind::Mon) => HealthState::Failed,
    };
    let text = &report.stdout.head;
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let first = match check.kind {
        HealthKind::Nagios => first.split('|').next().unwrap_or_default(),
        HealthKind::Mon => first,
    };
    let said = shortened(first.trim());
    let summary = match found {
        Ok(_) if !said.is_empty() || state == HealthState::Ok => said,
        Ok(status) => format!("it said nothing and ended with {status}"),
        Err(why) if said.is_empty() => why,
        Err(why) => format!("{why}; it said {said}"),
    };
    Found {
        state,
        summary,
        detail: detail(rest),
    }
}

/// Lines stay lines.
fn detail(text: &str) -> String {
    let printable = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() => ' ',
        c => c,
    };
    let text = text.trim_end().chars();
    text.map(printable).take(DETAIL_MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::report::Text;
    use shared::config::Logging;
    use shared::group::GroupName;
    use shared::health::CheckName;
    use shared::names::NodeName;

    fn check(kind: HealthKind) -> HealthCheck {
        HealthCheck {
            name: CheckName::new("disk").unwrap(),
            kind,
            group: GroupName::new("web").ok(),
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
            failures: 2,
            warning_fails: false,
            program: "/bin/check".into(),
            arguments: vec!["-w".into(), "10%".into()],
        }
    }

    fn report(ended: Ended, stdout: &str) -> Report {
        Report {
            ended,
            took: Duration::from_millis(3),
            stdout: Text {
                head: stdout.into(),
                ..Text::default()
            },
            stderr: Text::default(),
        }
    }

    fn found(kind: HealthKind, status: i32, stdout: &str) -> (HealthState, String) {
        let found = judge(&check(kind), &report(Ended::Exited { status }, stdout));
        (found.state, found.summary)
    }

    #[test]
    fn the_exit_status_of_a_plugin_says_one_of_four_things() {
        use HealthState::{Failed, Ok, Unknown, Warning};
        for (status, state) in [
            (0, Ok),
            (1, Warning),
            (2, Failed),
            (3, Unknown),
            (4, Unknown),
            (127, Unknown),
            (-1, Unknown),
        ] {
            let said = found(HealthKind::Nagios, status, "DISK - 3 GB | /=3GB\nmore");
            assert_eq!(said, (state, "DISK - 3 GB".to_owned()), "{status}");
        }
        let strict = HealthCheck {
            warning_fails: true,
            ..check(HealthKind::Nagios)
        };
        let warned = judge(&strict, &report(Ended::Exited { status: 1 }, "x"));
        assert_eq!(warned.state, Failed);
    }

    #[test]
    fn of_a_monitor_all_but_0_is_a_failure_and_the_bar_is_a_letter() {
        use HealthState::{Failed, Ok};
        for (status, state) in [(0, Ok), (1, Failed), (3, Failed), (77, Failed)] {
            let said = found(HealthKind::Mon, status, "alice | bob\n");
            assert_eq!(said, (state, "alice | bob".to_owned()), "{status}");
        }
    }

    #[test]
    fn what_does_not_end_in_time_fails_as_a_monitor_and_says_nothing_as_a_plugin() {
        let limit = Duration::from_secs(10);
        let late = Ended::TimedOut {
            limit,
            killed: true,
            left: 0,
        };
        for (kind, state) in [
            (HealthKind::Mon, HealthState::Failed),
            (HealthKind::Nagios, HealthState::Unknown),
        ] {
            let found = judge(&check(kind), &report(late, ""));
            assert_eq!(found.state, state);
            assert_eq!(found.summary, "not done after 10 s and was killed");
        }
    }

    #[test]
    fn what_cannot_be_run_says_nothing() {
        for kind in [HealthKind::Mon, HealthKind::Nagios] {
            let none = Ended::NotStarted {
                errno: libc::ENOENT,
            };
            let found = judge(&check(kind), &report(none, ""));
            assert_eq!(found.state, HealthState::Unknown);
            let why = "it cannot be run: No such file or directory";
            assert_eq!(found.summary, why);
        }
    }

    #[test]
    fn what_is_said_is_bounded_and_printable() {
        let stdout = format!(
            "{}\x1b[31m\nrest\x07 of\n{}",
            "x".repeat(199),
            "y".repeat(5000)
        );
        let found = judge(
            &check(HealthKind::Mon),
            &report(Ended::Exited { status: 1 }, &stdout),
        );
        assert!(!found.summary.contains('\x1b'), "{}", found.summary);
        assert_eq!(found.summary.chars().count(), 201);
        assert!(found.detail.starts_with("rest  of\ny"), "{}", found.detail);
        assert_eq!(found.detail.chars().count(), DETAIL_MAX);
        let silent = judge(
            &check(HealthKind::Mon),
            &report(Ended::Exited { status: 2 }, "\n"),
        );
        assert_eq!(silent.summary, "it said nothing and ended with 2");
    }

    #[test]
    fn a_monitor_is_told_what_the_run_before_it_found_and_a_plugin_is_not() {
        let history = History {
            summary: "bob".into(),
            last_failure: Some(Wall(7_900_000_000)),
            ..History::default()
        };
        let node = NodeName::new("alice").unwrap();
        let setting = Setting {
            program: Path::new("/hbd"),
            run: Path::new("/run/hbd"),
            node: &node,
            configuration: Path::new("/etc/ha.d"),
            ocf_root: Path::new("/ocf"),
            logging: &Logging {
                facility: None,
                file: None,
                debug_file: None,
                syslog_format: false,
            },
            environment: &Variables::new(),
            limit: Duration::from_secs(1),
        };
        let of = |kind| command(&check(kind), &history, &setting);
        let mon = of(HealthKind::Mon);
        assert_eq!(mon.arguments, ["-w", "10%"]);
        let told = |name: &str| mon.environment[name].as_str();
        assert_eq!(told("MON_LAST_SUMMARY"), "bob");
        assert_eq!(told("MON_LAST_FAILURE"), "7");
        assert_eq!(told("MON_LAST_SUCCESS"), "0");
        assert_eq!(told("MON_CFBASEDIR"), "/etc/ha.d");
        assert_eq!(told("HBD_GROUP"), "web");
        let nagios = of(HealthKind::Nagios);
        assert!(!nagios.environment.keys().any(|key| key.starts_with("MON_")));
    }
}
