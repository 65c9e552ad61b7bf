//! What the end of an action means for the resource.
//!
//! A wrong "it does not run" may make two owners, a wrong "nobody knows" costs a stop: so
//! [`Outcome::NotRunning`] needs a clear word of the agent.

use nix::errno::Errno;
use nix::sys::signal::Signal;
use shared::exit::Service;
use shared::group::{Operation, Outcome};

use crate::class::Class;
use crate::command::asked;
use crate::report::{Ended, Report};

/// Judges a report.
#[must_use]
pub fn judge(class: &Class, operation: Operation, report: &Report) -> Outcome {
    if let Ended::NotStarted { errno } = report.ended {
        let why = not_started(errno);
        return Outcome::NotBegun { why };
    }
    let verdict = exit_status(report)
        .and_then(|status| of_status(class, asked(class, operation), status, report));
    verdict.unwrap_or_else(|why| failed(why, report))
}

/// How it ended, if by itself; else why there is no exit status.
pub(crate) fn exit_status(report: &Report) -> Result<i32, String> {
    Err(match report.ended {
        Ended::Exited { status } => return Ok(status),
        Ended::Signalled { signal } => format!("ended by {}", named_signal(signal)),
        Ended::TimedOut {
            limit,
            killed,
            left,
        } => {
            let how = if killed { "was killed" } else { "was ended" };
            let left = match left {
                0 => String::new(),
                _ => format!("; {left} of its processes cannot be killed"),
            };
            format!("not done after {} s and {how}{left}", limit.as_secs_f64())
        }
        Ended::NotStarted { errno } => not_started(errno),
    })
}

fn not_started(errno: i32) -> String {
    format!("it cannot be run: {}", Errno::from_raw(errno).desc())
}

fn failed(why: String, report: &Report) -> Outcome {
    Outcome::Failed {
        why: with_last_line(why, report),
    }
}

/// `why`, and the last that was said.
pub(crate) fn with_last_line(why: String, report: &Report) -> String {
    let said = report.stderr.last_line().or(report.stdout.last_line());
    match said {
        Some(line) => format!("{why}: {}", shortened(line)),
        None => why,
    }
}

/// Most characters of a line that is quoted.
const LINE_MAX: usize = 200;

pub(crate) fn shortened(line: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let mut text: String = line.chars().map(printable).take(LINE_MAX).collect();
    if line.chars().nth(LINE_MAX).is_some() {
        text.push('…');
    }
    text
}

/// "signal 9 (SIGKILL)".
fn named_signal(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => format!("signal {number} ({signal})"),
        Err(_) => format!("signal {number}"),
    }
}

fn of_status(
    class: &Class,
    operation: Operation,
    status: i32,
    report: &Report,
) -> Result<Outcome, String> {
    match (class, operation) {
        (Class::BuiltIn { .. }, Operation::Status | Operation::Monitor) => of_built_in(status),
        (Class::Heartbeat { .. }, Operation::Status) => of_text(report),
        (Class::Systemd { .. }, Operation::Status) => of_unit(status, report),
        (Class::Lsb { .. }, Operation::Status) => of_lsb_status(status),
        (Class::Ocf { .. }, _) => of_ocf(operation, status),
        (Class::Lsb { .. }, _) => of_lsb(operation, status),
        (Class::BuiltIn { .. } | Class::Heartbeat { .. } | Class::Systemd { .. }, _) => {
            match status {
                0 => Ok(Outcome::Done),
                _ => Err(exited(status, None)),
            }
        }
    }
}

/// Exit codes of `hbd agent`, [`Service`].
fn of_built_in(status: i32) -> Result<Outcome, String> {
    const RUNS: i32 = Service::Runs as i32;
    const STOPPED: i32 = Service::Stopped as i32;
    match status {
        RUNS => Ok(Outcome::Done),
        STOPPED => Ok(Outcome::NotRunning),
        _ => Err(exited(status, None)),
    }
}

/// As Heartbeat 3.0.6 does: standard output decides whatever the exit status, and what says
/// nothing that is known does not run.
fn of_text(report: &Report) -> Result<Outcome, String> {
    let said = |found: fn(&str) -> bool| {
        [&report.stdout.head, &report.stdout.tail]
            .iter()
            .any(|text| found(text))
    };
    if said(says_not_running) {
        Ok(Outcome::NotRunning)
    } else if said(says_running) {
        Ok(Outcome::Done)
    } else if report.stdout.left_out > 0 {
        let left_out = report.stdout.left_out;
        Err(format!(
            "whether it runs is not in what was read; {left_out} bytes were not read"
        ))
    } else {
        Ok(Outcome::NotRunning)
    }
}

/// `*[Nn][Oo][Tt] *[Rr]unning*` as a pattern of the shell: anything may stand between.
fn says_not_running(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let Some(at) = lower.find("not ") else {
        return false;
    };
    let rest = &text[at + "not ".len()..];
    rest.contains("running") || rest.contains("Running")
}

/// `*[Rr]unning*` or `*OK*`.
fn says_running(text: &str) -> bool {
    ["running", "Running", "OK"]
        .iter()
        .any(|word| text.contains(word))
}

/// `systemctl is-active` says one word for one unit.
fn of_unit(status: i32, report: &Report) -> Result<Outcome, String> {
    match report.stdout.last_line() {
        Some("active" | "reloading" | "refreshing") => Ok(Outcome::Done),
        Some("inactive" | "failed") => Ok(Outcome::NotRunning),
        Some(_) => Err("neither started nor stopped".into()),
        None => Err(exited(status, None)),
    }
}

/// Exit codes of the OCF resource agent API, and two that Pacemaker added.
fn of_ocf(operation: Operation, status: i32) -> Result<Outcome, String> {
    let meaning = match (status, operation) {
        (0, _) => return Ok(Outcome::Done),
        (7, Operation::Status) => return Ok(Outcome::NotRunning),
        (7, Operation::Stop) => return Ok(Outcome::Done),
        // Running, if promoted or degraded.
        (8 | 190 | 191, Operation::Status | Operation::Start) => return Ok(Outcome::Done),
        (1, _) => Some("an error"),
        (2, _) => Some("wrong arguments"),
        (3, _) => Some("the agent does not know this operation"),
        (4, _) => Some("not permitted"),
        (5, _) => Some("something it needs is not installed"),
        (6, _) => Some("not configured"),
        (7, _) => Some("not running"),
        (8, _) => Some("running, and promoted"),
        (9, _) => Some("failed, and promoted"),
        (190, _) => Some("running, and degraded"),
        (191, _) => Some("running, promoted and degraded"),
        _ => None,
    };
    Err(exited(status, meaning))
}

/// Linux Standard Base, Init Script Actions: for `status`. With 1 and 2 something is wrong beyond
/// that it does not run, and scripts that know nothing of this list end so for any other reason.
fn of_lsb_status(status: i32) -> Result<Outcome, String> {
    let meaning = match status {
        0 => return Ok(Outcome::Done),
        3 => return Ok(Outcome::NotRunning),
        1 => Some("dead, and its pid file is there"),
        2 => Some("dead, and its lock file is there"),
        4 => Some("it does not know"),
        _ => None,
    };
    Err(exited(status, meaning))
}

/// As above, for all other actions.
fn of_lsb(operation: Operation, status: i32) -> Result<Outcome, String> {
    let meaning = match (status, operation) {
        (0, _) | (7, Operation::Stop) => return Ok(Outcome::Done),
        (1, _) => Some("an error"),
        (2, _) => Some("wrong arguments"),
        (3, _) => Some("the script does not know this operation"),
        (4, _) => Some("not permitted"),
        (5, _) => Some("not installed"),
        (6, _) => Some("not configured"),
        (7, _) => Some("not running"),
        _ => None,
    };
    Err(exited(status, meaning))
}

/// "exit status 5 (not installed)"; shells have two of their own.
pub(crate) fn exited(status: i32, meaning: Option<&str>) -> String {
    let of_shells = match status {
        126 => Some("a command in it may not be executed"),
        127 => Some("a command in it was not found"),
        _ => None,
    };
    match meaning.or(of_shells) {
        Some(meaning) => format!("exit status {status} ({meaning})"),
        None => format!("exit status {status}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::Text;

    #[test]
    fn the_text_of_a_heartbeat_script_decides_and_its_exit_status_does_not() {
        let status = |text: &str, status| {
            let report = report(Ended::Exited { status }, text, "");
            judge(&heartbeat(), Operation::Status, &report)
        };
        for running in [
            "running",
            "it is Running.",
            "OK",
            "INFO:  Running OK",
            "not OK",
        ] {
            assert_eq!(status(running, 1), Outcome::Done, "{running}");
        }
        for stopped in [
            "not running",
            "NOT running",
            "nOt Running",
            "OK, but not running",
            "stopped",
            "",
            "RUNNING",
            "ok",
            "running, then not yet running",
            "is not\u{20}  a Running one",
        ] {
            assert_eq!(status(stopped, 0), Outcome::NotRunning, "{stopped}");
        }
        assert_eq!(
            status("not\trunning", 0),
            Outcome::Done,
            "a tab is no blank there"
        );
    }

    #[test]
    fn a_heartbeat_script_is_not_heard_on_standard_error() {
        let report = report(Ended::Exited { status: 0 }, "", "running");
        let verdict = judge(&heartbeat(), Operation::Status, &report);
        assert_eq!(verdict, Outcome::NotRunning);
    }

    #[test]
    fn what_was_not_read_proves_nothing() {
        let mut report = report(Ended::Exited { status: 0 }, "noise", "");
        report.stdout.left_out = 5;
        let verdict = judge(&heartbeat(), Operation::Status, &report);
        let why = "whether it runs is not in what was read; 5 bytes were not read: noise";
        assert_eq!(verdict, failed(why));
        report.stdout.tail = "not running".into();
        let verdict = judge(&heartbeat(), Operation::Status, &report);
        assert_eq!(verdict, Outcome::NotRunning);
    }

    #[test]
    fn a_start_or_stop_of_a_heartbeat_script_ends_with_0() {
        assert_eq!(ends(&heartbeat(), Operation::Start, 0), Outcome::Done);
        let why = "exit status 127 (a command in it was not found): says why";
        assert_eq!(ends(&heartbeat(), Operation::Stop, 127), failed(why));
    }

    #[test]
    fn codes_of_ocf_are_named() {
        let class = Class::Ocf {
            script: "/x".into(),
            provider: "heartbeat".into(),
            agent: "x".into(),
            parameters: [].into(),
        };
        for (operation, status, verdict) in [
            (Operation::Start, 0, Outcome::Done),
            (Operation::Status, 0, Outcome::Done),
            (Operation::Status, 7, Outcome::NotRunning),
            (Operation::Monitor, 7, Outcome::NotRunning),
            (Operation::Status, 8, Outcome::Done),
            (Operation::Status, 190, Outcome::Done),
            (Operation::Stop, 7, Outcome::Done),
            (
                Operation::Stop,
                8,
                failed("exit status 8 (running, and promoted): says why"),
            ),
            (
                Operation::Start,
                7,
                failed("exit status 7 (not running): says why"),
            ),
            (
                Operation::Status,
                5,
                failed("exit status 5 (something it needs is not installed): says why"),
            ),
            (Operation::Stop, 77, failed("exit status 77: says why")),
        ] {
            assert_eq!(
                ends(&class, operation, status),
                verdict,
                "{operation} {status}"
            );
        }
    }

    #[test]
    fn an_init_script_that_does_not_know_is_not_one_that_does_not_run() {
        let class = Class::Lsb {
            script: "/x".into(),
        };
        for (operation, status, verdict) in [
            (Operation::Status, 0, Outcome::Done),
            (Operation::Status, 3, Outcome::NotRunning),
            (
                Operation::Status,
                1,
                failed("exit status 1 (dead, and its pid file is there): says why"),
            ),
            (
                Operation::Status,
                4,
                failed("exit status 4 (it does not know): says why"),
            ),
            (
                Operation::Start,
                3,
                failed("exit status 3 (the script does not know this operation): says why"),
            ),
            (Operation::Stop, 7, Outcome::Done),
        ] {
            assert_eq!(
                ends(&class, operation, status),
                verdict,
                "{operation} {status}"
            );
        }
    }

    #[test]
    fn the_state_of_a_unit_decides() {
        let class = Class::Systemd {
            systemctl: "/x".into(),
            unit: "x".into(),
        };
        let status = |text: &str| {
            let report = report(Ended::Exited { status: 3 }, text, "");
            judge(&class, Operation::Status, &report)
        };
        assert_eq!(status("active\n"), Outcome::Done);
        assert_eq!(status("inactive\n"), Outcome::NotRunning);
        assert_eq!(status("failed\n"), Outcome::NotRunning);
        let why = "neither started nor stopped: deactivating";
        assert_eq!(status("deactivating\n"), failed(why));
        assert_eq!(status(""), failed("exit status 3"));
        assert_eq!(ends(&class, Operation::Start, 0), Outcome::Done);
    }

    #[test]
    fn an_end_from_outside_is_no_answer_whatever_was_said() {
        let limit = Duration::from_millis(1500);
        let timed_out = |killed, left| Ended::TimedOut {
            limit,
            killed,
            left,
        };
        for (ended, why) in [
            (
                Ended::Signalled { signal: 9 },
                "ended by signal 9 (SIGKILL): not running",
            ),
            (
                Ended::Signalled { signal: 64 },
                "ended by signal 64: not running",
            ),
            (
                timed_out(false, 0),
                "not done after 1.5 s and was ended: not running",
            ),
            (
                timed_out(true, 2),
                "not done after 1.5 s and was killed; 2 of its processes cannot be killed: not running",
            ),
        ] {
            let report = report(ended, "not running", "");
            assert_eq!(judge(&heartbeat(), Operation::Status, &report), failed(why));
        }
        let report = report(Ended::NotStarted { errno: 2 }, "not running", "");
        let why = "it cannot be run: No such file or directory".into();
        assert_eq!(
            judge(&heartbeat(), Operation::Status, &report),
            Outcome::NotBegun { why }
        );
    }

    #[test]
    fn a_line_that_is_quoted_is_short_and_of_letters() {
        let report = report(Ended::Exited { status: 1 }, "", &"\u{7}x".repeat(LINE_MAX));
        let Outcome::Failed { why } = judge(&heartbeat(), Operation::Stop, &report) else {
            panic!("a status of 1");
        };
        assert!(
            why.starts_with("exit status 1:  x x") && why.ends_with('…'),
            "{why}"
        );
    }

    fn ends(class: &Class, operation: Operation, status: i32) -> Outcome {
        let report = report(Ended::Exited { status }, "", "says why");
        judge(class, operation, &report)
    }

    fn failed(why: &str) -> Outcome {
        Outcome::Failed { why: why.into() }
    }

    fn heartbeat() -> Class {
        Class::Heartbeat {
            script: "/x".into(),
            arguments: Vec::new(),
        }
    }

    fn report(ended: Ended, stdout: &str, stderr: &str) -> Report {
        let text = |text: &str| Text {
            head: text.into(),
            ..Text::default()
        };
        Report {
            ended,
            took: Duration::ZERO,
            stdout: text(stdout),
            stderr: text(stderr),
        }
    }
}
