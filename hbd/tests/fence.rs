//! Fencing devices with real programs: small scripts that obey the Fence Agent API, and the program
//! `stonith` where it is installed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use hbd_agents::actions::{Actions, Found, Id};
use hbd_agents::fence::{Errand, Step, Task};
use hbd_agents::report::Report;
use hbd_agents::shim::Job;
use hbd_tests::precondition::Precondition::{self, Stonith};
use hbd_tests::precondition::trial;
use hbd_tests::scratch::Scratch;
use libtest_mimic::{Arguments, Trial};
use shared::config::{FenceMethod, Secret, StonithParameters};
use shared::group::{Operation, Outcome};
use shared::names::NodeName;

const HBD: &str = env!("CARGO_BIN_EXE_hbd");
const SECRET: &str = "a-secret-that-nobody-sees";

/// Keeps whether the node is on in a file, as the plug of a power switch would, and everything that it
/// was told and that could be seen of it.
const PLUG: &str = r#"
cd "${0%/*}"
tr '\0' ' ' </proc/$$/cmdline >>seen
while read -r line; do
    echo "$line" >>told
    case $line in action=*) action=${line#action=};; esac
done
case $action in
off) [ ! -e stuck ] || exit 0; echo off >power;;
status) [ "$(cat power)" = off ] && exit 2; exit 0;;
monitor) exit 0;;
*) exit 1;;
esac
"#;

fn main() -> ExitCode {
    let scripts: [(&str, fn()); 5] = [
        (
            "a_power_switch_confirms_what_it_did",
            a_power_switch_confirms_what_it_did,
        ),
        (
            "a_check_of_a_power_switch_leaves_the_node_on",
            a_check_of_a_power_switch_leaves_the_node_on,
        ),
        (
            "a_power_switch_that_is_stuck_confirms_nothing",
            a_power_switch_that_is_stuck_confirms_nothing,
        ),
        (
            "an_agent_that_hangs_has_failed",
            an_agent_that_hangs_has_failed,
        ),
        (
            "an_agent_that_breaks_says_why_and_not_what_it_was_told",
            an_agent_that_breaks_says_why_and_not_what_it_was_told,
        ),
    ];
    let of_stonith: [(&str, fn()); 2] = [
        ("a_device_of_the_real_stonith", a_device_of_the_real_stonith),
        (
            "what_the_real_stonith_cannot_do_is_told",
            what_the_real_stonith_cannot_do_is_told,
        ),
    ];
    let mut trials: Vec<Trial> = scripts.map(|test| fence(test, &[])).into();
    trials.extend(of_stonith.map(|test| fence(test, &[Stonith])));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn fence((name, test): (&str, fn()), needs: &[Precondition]) -> Trial {
    trial("fence", name, needs, move || {
        test();
        Ok(())
    })
}

fn a_power_switch_confirms_what_it_did() {
    let bench = Bench::new();
    let plug = bench.agent("plug", PLUG);
    assert_eq!(bench.run(&plug, Task::Off), Outcome::Done);
    let expected = format!(
        "action=off\nnodename=bob\nplug=7\npassword={SECRET}\n\
         action=status\nnodename=bob\nplug=7\npassword={SECRET}\n"
    );
    assert_eq!(bench.read("told"), expected);
    let seen = bench.read("seen");
    assert!(seen.contains("plug") && !seen.contains(SECRET), "{seen}");
}

fn a_check_of_a_power_switch_leaves_the_node_on() {
    let bench = Bench::new();
    let plug = bench.agent("plug", PLUG);
    bench.write("power", "on\n");
    assert_eq!(bench.run(&plug, Task::Check), Outcome::Done);
    assert_eq!(bench.read("power"), "on\n");
}

fn a_power_switch_that_is_stuck_confirms_nothing() {
    let bench = Bench::new();
    let plug = bench.agent("plug", PLUG);
    bench.write("power", "on\n");
    bench.write("stuck", "");
    let why = why(bench.run(&plug, Task::Off));
    assert_eq!(why, "status: it is still on");
}

fn an_agent_that_hangs_has_failed() {
    let bench = Bench::new();
    let why = why(bench.run(&bench.agent("hangs", "exec sleep 1000"), Task::Off));
    assert_eq!(why, "off: not done after 5 s and was ended");
}

fn an_agent_that_breaks_says_why_and_not_what_it_was_told() {
    let bench = Bench::new();
    let breaks = bench.agent("breaks", "cat >&2; exit 1");
    assert_eq!(
        why(bench.run(&breaks, Task::Off)),
        "off: exit status 1: password=***"
    );
    let missing = FenceMethod::Agent {
        program: bench.path("none").into(),
        settings: Vec::new(),
    };
    let why = why(bench.run(&missing, Task::Check));
    assert_eq!(why, "check: it cannot be run: No such file or directory");
}

/// The device that is there for tests, and says that everything went well.
fn a_device_of_the_real_stonith() {
    let bench = Bench::new();
    let null = stonith("null", "alice bob");
    assert_eq!(bench.run(&null, Task::Off), Outcome::Done);
    assert_eq!(bench.run(&null, Task::Check), Outcome::Done);
    bench.write("parameters", "# hosts\nalice bob\n");
    let of_file = FenceMethod::Stonith {
        kind: "null".into(),
        parameters: StonithParameters::File(bench.path("parameters").into()),
    };
    assert_eq!(bench.run(&of_file, Task::Off), Outcome::Done);
}

fn what_the_real_stonith_cannot_do_is_told() {
    let bench = Bench::new();
    for (kind, parameters) in [("no-such-type", "bob"), ("null", "")] {
        for task in [Task::Off, Task::Check] {
            let why = why(bench.run(&stonith(kind, parameters), task));
            assert!(why.contains("exit status"), "{kind}: {why}");
        }
    }
}

fn stonith(kind: &str, parameters: &str) -> FenceMethod {
    FenceMethod::Stonith {
        kind: kind.into(),
        parameters: StonithParameters::Words(Secret::new(parameters.into())),
    }
}

fn why(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failed { why } => why,
        other => panic!("{other:?}"),
    }
}

struct Bench(Scratch);

impl Bench {
    fn new() -> Self {
        Self(Scratch::new().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn agent(&self, name: &str, text: &str) -> FenceMethod {
        let path = self.path(name);
        // By a process of its own: one that is forked meanwhile would keep it open for writing.
        let write = "printf '#!/bin/sh\\n%s' \"$1\" >\"$2\" && chmod 755 \"$2\"";
        let written = Command::new("sh")
            .args(["-c", write, "sh", text, &path])
            .status();
        assert!(written.unwrap().success());
        let setting = |key: &str, value: &str| (key.to_owned(), Secret::new(value.into()));
        FenceMethod::Agent {
            program: path.into(),
            settings: vec![setting("plug", "7"), setting("password", SECRET)],
        }
    }

    /// As the manager does it.
    fn run(&self, method: &FenceMethod, task: Task) -> Outcome {
        let mut errand = Errand::new(method, &NodeName::new("bob").unwrap(), task);
        let mut step = errand.begin();
        let mut number = 0;
        loop {
            match step {
                Step::Ended(outcome) => return outcome,
                Step::Run(command) => {
                    let report = self.shim(
                        number,
                        Job {
                            operation: Operation::Stop,
                            command,
                            limit: Duration::from_secs(5),
                            grace: Duration::from_secs(5),
                        },
                    );
                    step = errand.after(&report);
                    number += 1;
                }
            }
        }
    }

    fn shim(&self, number: u32, job: Job) -> Report {
        let run = self.0.path();
        let id: Id = number.to_string().parse().unwrap();
        let mut shim = Command::new(HBD)
            .args(["act", "--run"])
            .arg(run)
            .args(["--id", &number.to_string()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = shim.stdin.take().unwrap();
        stdin.write_all(&serde_json::to_vec(&job).unwrap()).unwrap();
        drop(stdin);
        assert_eq!(shim.wait().unwrap().code(), Some(0));
        let actions = Actions::of(run);
        let Found::Ended(report) = actions.settle(&id).unwrap() else {
            panic!("no report");
        };
        actions.forget(&id).unwrap();
        *report
    }
}
