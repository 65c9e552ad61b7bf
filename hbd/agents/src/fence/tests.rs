use std::time::Duration;

use shared::config::{FENCE_AGENTS, StonithParameters};

use super::*;
use crate::report::{Ended, Text};

const OFF_ONLY: &str =
    "<?xml?>\n<actions>\n\t<action name=\"on\" />\n\t<action name=\"off\"/>\n</actions>\n";
const WITH_STATUS: &str =
    "<actions>\n<action name=\"off\"/>\n<action name=\"status\"/>\n</actions>\n";

#[test]
fn a_node_is_off_when_its_agent_says_so_after_it_was_switched_off() {
    let mut errand = Errand::new(&agent(), &bob(), Task::Off);
    let first = run(errand.begin());
    assert_eq!(first.program.parent().unwrap().to_str(), Some(FENCE_AGENTS));
    assert_eq!(first.arguments, [""; 0]);
    assert_eq!(
        input(&first),
        "action=off\nnodename=bob\nip=10.0.0.3\npassword=geheim\n"
    );
    let second = run(errand.after(&exit(0)));
    assert!(input(&second).starts_with("action=status\nnodename=bob\nip="));
    assert_eq!(errand.after(&exit(2)), Step::Ended(Outcome::Done));
}

#[test]
fn a_node_that_is_still_on_is_not_off() {
    let mut errand = Errand::new(&agent(), &bob(), Task::Off);
    let _ = errand.after(&exit(0));
    assert_eq!(why(errand.after(&exit(0))), "status: it is still on");
}

#[test]
fn an_agent_that_fails_is_not_asked_whether_the_node_is_off() {
    for status in [1, 2, 127] {
        let mut errand = Errand::new(&agent(), &bob(), Task::Off);
        let why = why(errand.after(&exit(status)));
        assert!(
            why.starts_with(&format!("off: exit status {status}")),
            "{why}"
        );
    }
}

#[test]
fn only_an_agent_that_knows_no_status_is_believed_without() {
    for (metadata, left_out, believed) in [
        (OFF_ONLY, 0, true),
        (OFF_ONLY, 1, false),
        (WITH_STATUS, 0, false),
        ("", 0, false),
        ("<actions>\n<action name=\"on\"/>\n</actions>", 0, false),
    ] {
        let mut errand = Errand::new(&agent(), &bob(), Task::Off);
        let _ = errand.after(&exit(0));
        let third = run(errand.after(&exit(1)));
        assert!(input(&third).starts_with("action=metadata\n"));
        let mut report = exit(0);
        report.stdout.head = metadata.into();
        report.stdout.left_out = left_out;
        let done = errand.after(&report) == Step::Ended(Outcome::Done);
        assert_eq!(done, believed, "{metadata} {left_out}");
    }
}

#[test]
fn a_check_asks_the_device_and_not_the_node() {
    let mut errand = Errand::new(&agent(), &bob(), Task::Check);
    assert!(input(&run(errand.begin())).starts_with("action=monitor\n"));
    assert_eq!(errand.after(&exit(0)), Step::Ended(Outcome::Done));
    assert_eq!(why(errand.after(&exit(2))), "check: exit status 2");
}

#[test]
fn an_end_from_outside_confirms_nothing() {
    let mut errand = Errand::new(&agent(), &bob(), Task::Off);
    let limit = Duration::from_secs(60);
    let report = Report {
        ended: Ended::TimedOut {
            limit,
            killed: false,
            left: 0,
        },
        ..exit(0)
    };
    assert_eq!(
        why(errand.after(&report)),
        "off: not done after 60 s and was ended"
    );
}

#[test]
fn what_a_device_says_is_told_without_what_it_was_told() {
    let mut errand = Errand::new(&agent(), &bob(), Task::Off);
    let mut report = exit(1);
    report.stderr.head = "bad password 'geheim' for 10.0.0.3\n".into();
    let said = why(errand.after(&report));
    assert_eq!(said, "off: exit status 1: bad password '***' for 10.0.0.3");
    let mut errand = Errand::new(&stonith_host(), &bob(), Task::Check);
    report.stderr.head = "10.0.0.3 me geheim bob\n".into();
    let said = why(errand.after(&report));
    assert_eq!(
        said,
        "check: exit status 1 (bad parameters): *** me *** bob"
    );
}

#[test]
fn parameters_of_stonith_are_read_and_not_seen() {
    let errand = Errand::new(&stonith_host(), &bob(), Task::Off);
    let command = run(errand.begin());
    assert_eq!(
        command.arguments,
        ["-t", "baytech", "-F", "/dev/stdin", "-T", "off", "bob"]
    );
    assert_eq!(input(&command), "10.0.0.3 me geheim bob\n");
    let in_file = FenceMethod::Stonith {
        kind: "baytech".into(),
        parameters: StonithParameters::File("/etc/ha.d/baytech".into()),
    };
    let command = run(Errand::new(&in_file, &bob(), Task::Check).begin());
    assert_eq!(
        command.arguments,
        ["-t", "baytech", "-F", "/etc/ha.d/baytech", "-S"]
    );
}

#[test]
fn a_device_of_stonith_that_cannot_switch_off_resets() {
    for status in [3, 5] {
        let mut errand = Errand::new(&stonith_host(), &bob(), Task::Off);
        let second = run(errand.after(&exit(status)));
        assert_eq!(second.arguments[4..], ["-T", "reset", "bob"]);
        assert_eq!(errand.after(&exit(0)), Step::Ended(Outcome::Done));
    }
    let mut errand = Errand::new(&stonith_host(), &bob(), Task::Off);
    let said = why(errand.after(&exit(4)));
    assert_eq!(
        said,
        "off: exit status 4 (the device does not know the node)"
    );
}

#[test]
fn nobody_is_run_for_an_operator() {
    let errand = Errand::new(&FenceMethod::Manual, &bob(), Task::Off);
    assert_eq!(
        why(errand.begin()),
        "only an operator can say that it is off"
    );
}

fn agent() -> FenceMethod {
    let secret = |text: &str| Secret::new(text.into());
    FenceMethod::Agent {
        program: format!("{FENCE_AGENTS}/fence_x").into(),
        settings: vec![
            ("ip".into(), secret("10.0.0.3")),
            ("password".into(), secret("geheim")),
        ],
    }
}

fn stonith_host() -> FenceMethod {
    FenceMethod::Stonith {
        kind: "baytech".into(),
        parameters: StonithParameters::Words(Secret::new("10.0.0.3 me geheim bob".into())),
    }
}

fn bob() -> NodeName {
    NodeName::new("bob").unwrap()
}

fn exit(status: i32) -> Report {
    Report {
        ended: Ended::Exited { status },
        took: Duration::ZERO,
        stdout: Text::default(),
        stderr: Text::default(),
    }
}

fn run(step: Step) -> Command {
    match step {
        Step::Run(command) => command,
        Step::Ended(outcome) => panic!("{outcome:?}"),
    }
}

fn why(step: Step) -> String {
    match step {
        Step::Ended(Outcome::Failed { why }) => why,
        other => panic!("{other:?}"),
    }
}

fn input(command: &Command) -> String {
    String::from_utf8(command.input.as_ref().unwrap().bytes().to_vec()).unwrap()
}
