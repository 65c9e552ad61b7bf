//! The shim with real processes: whatever a script does, the shim ends, and the report is there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use hbd_agents::actions::{Actions, Found, Id};
use hbd_agents::class::{self, Places};
use hbd_agents::command::{self, INPUT_MAX, Setting};
use hbd_agents::report::{Ended, Report, Text};
use hbd_agents::shim::Job;
use hbd_agents::verdict::judge;
use hbd_tests::scratch::Scratch;
use hbd_tests::wait;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shared::config::machine::Program;
use shared::config::{Logging, Resource, Secret};
use shared::group::{Operation, Outcome};
use shared::names::NodeName;

const HBD: &str = env!("CARGO_BIN_EXE_hbd");
/// Far more than any of these jobs needs.
const AMPLE: Duration = Duration::from_secs(60);
/// Enough to begin, for jobs that never end by themselves.
const SHORT: Duration = Duration::from_millis(500);

/// Signals 32 and 33 (`nptl(7)`), which no program can change through it.
const OF_THE_C_LIBRARY: u64 = 3 << 31;

#[test]
fn what_a_job_says_and_how_it_ends_is_reported() {
    let place = Place::new();
    let report = place.report(script("echo out; echo err >&2; exit 3"));
    assert_eq!(report.ended, Ended::Exited { status: 3 });
    assert_eq!(
        (&*report.stdout.head, &*report.stderr.head),
        ("out\n", "err\n")
    );
}

#[test]
fn a_job_has_the_environment_that_it_was_given_and_no_other() {
    let place = Place::new();
    let mut job = script("");
    job.command.program = "/usr/bin/env".into();
    job.command.arguments.clear();
    job.command.environment = BTreeMap::from([("HA_CURHOST".into(), "alice".into())]);
    assert_eq!(place.report(job).stdout.head, "HA_CURHOST=alice\n");
}

#[test]
fn a_job_reads_what_it_is_told_and_then_an_end() {
    let place = Place::new();
    // As one process: a shell has a pipe of its own to whatever it pipes something into.
    let mut job = script("cat; cat /dev/stdin; exec ls -l /proc/self/fd");
    job.command.input = Some(Secret::new(b"action=off\n".to_vec()));
    let text = place.report(job).stdout.head;
    let (told, descriptors) = text.split_once('\n').unwrap();
    assert_eq!(told, "action=off");
    assert_eq!(descriptors.matches("pipe:").count(), 3, "{text}");
}

#[test]
fn more_than_a_pipe_takes_is_told_to_nobody() {
    let mut job = script("wc -c");
    job.command.input = Some(Secret::new(vec![b'x'; INPUT_MAX]));
    assert_eq!(Place::new().report(job.clone()).stdout.head.trim(), "65536");
    job.command.input = Some(Secret::new(vec![b'x'; INPUT_MAX + 1]));
    let errno = Errno::E2BIG as i32;
    assert_eq!(Place::new().report(job).ended, Ended::NotStarted { errno });
}

#[test]
fn a_job_inherits_nothing_that_is_peculiar_to_hbd() {
    let place = Place::new();
    let look = "cut -d' ' -f5,6 /proc/$$/stat; echo $$; readlink /proc/$$/fd/0; ls /proc/$$/fd; \
                pwd; umask; grep -E '^Sig(Blk|Ign)' /proc/self/status; ulimit -r";
    let peculiar = "umask 077; trap '' USR1 TERM CHLD; exec 7</dev/null; exec \"$@\"";
    let shim = place.start_by(peculiar, "0", &script(look));
    assert_eq!(finish(shim).status.code(), Some(0));
    let text = place.ended("0").stdout.head;
    let lines: Vec<&str> = text.lines().collect();
    let [ids, pid, rest @ ..] = &lines[..] else {
        panic!("{text}");
    };
    assert_eq!(*ids, format!("{pid} {pid}"), "its own group and session");
    let [rest @ .., blocked, ignored, priority] = rest else {
        panic!("{text}");
    };
    assert_eq!(rest, ["/dev/null", "0", "1", "2", "/", "0022"], "{text}");
    assert_eq!(*priority, "0", "{text}");
    for line in [blocked, ignored] {
        let (_, mask) = line.split_once('\t').unwrap();
        let mask = u64::from_str_radix(mask, 16).unwrap();
        assert_eq!(mask & !OF_THE_C_LIBRARY, 0, "{text}");
    }
}

/// Its server outlives the shim.
#[test]
fn a_built_in_agent_is_run_as_any_other() {
    let place = Place::new();
    let steps = [
        (Operation::Status, Outcome::NotRunning),
        (Operation::Start, Outcome::Done),
        (Operation::Monitor, Outcome::Done),
        (Operation::Stop, Outcome::Done),
        (Operation::Monitor, Outcome::NotRunning),
    ];
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let word = format!("Http::{}", free.local_addr().unwrap());
    drop(free);
    for (number, (operation, expected)) in steps.into_iter().enumerate() {
        let outcome = place.operate(number, &word, operation);
        assert_eq!(outcome, expected, "step {number}");
    }
}

#[test]
fn a_job_that_hangs_is_ended() {
    let report = Place::new().report(short("exec sleep 1000"));
    assert_eq!(report.ended, timed_out(false));
    assert!(report.took >= SHORT);
}

#[test]
fn a_job_that_does_not_listen_is_killed_with_all_it_started() {
    let place = Place::new();
    let report = place.report(short(
        "trap '' TERM; sleep 1000 & echo $!; setsid sleep 1000 & echo $!; \
         setsid sh -c 'sleep 1000 & echo $!'; while :; do sleep 1000; done",
    ));
    assert_eq!(report.ended, timed_out(true));
    let pids: Vec<&str> = report.stdout.head.lines().collect();
    assert_eq!(pids.len(), 3, "{report:?}");
    for pid in pids {
        assert!(!lives(pid), "{pid} of {report:?}");
    }
}

#[test]
fn whoever_left_the_group_is_asked_too() {
    let report = Place::new().report(short(
        "setsid sh -c 'trap \"echo asked; exit\" TERM; while :; do sleep 0.01; done' & wait",
    ));
    assert_eq!(report.ended, timed_out(false));
    assert_eq!(report.stdout.head, "asked\n");
}

#[test]
fn a_job_that_stopped_itself_is_killed() {
    let report = Place::new().report(short("kill -STOP $$"));
    assert!(
        matches!(report.ended, Ended::TimedOut { left: 0, .. }),
        "{report:?}"
    );
}

#[test]
fn of_a_flood_the_ends_are_kept_and_the_rest_is_counted() {
    let place = Place::new();
    let report = place.report(script("echo begin; head -c 30000000 /dev/zero; echo end"));
    assert_eq!(report.ended, Ended::Exited { status: 0 });
    let Text {
        head,
        tail,
        left_out,
    } = report.stdout;
    assert!(head.starts_with("begin\n") && tail.ends_with("end\n"));
    assert_eq!(head.len() as u64 + tail.len() as u64 + left_out, 30_000_010);
    assert!(head.len() + tail.len() <= 32 * 1024);
}

#[test]
fn an_endless_flood_ends_with_its_time() {
    let report = Place::new().report(short("yes & yes >&2"));
    assert!(
        matches!(report.ended, Ended::TimedOut { left: 0, .. }),
        "{report:?}"
    );
    assert!(report.stdout.left_out > 0 && report.stderr.left_out > 0);
}

#[test]
fn a_daemon_that_keeps_its_output_open_lives_and_may_go_on_writing() {
    let place = Place::new();
    let go = place.fifo("go");
    let wrote = place.path("wrote");
    // The shell writes itself: more than a pipe holds.
    let line = "x".repeat(1000);
    let report = place.report(script(&format!(
        "(read x <{go}; i=0; while [ $i -lt 200 ]; do echo {line}; echo {line} >&2; i=$((i + 1)); \
         done; echo x >{wrote}; read x <{go}) & echo $!"
    )));
    assert_eq!(report.ended, Ended::Exited { status: 0 });
    let daemon = report.stdout.head.trim_end();
    assert!(lives(daemon));
    fs::write(&go, "x\n").unwrap();
    until("the daemon to have written", || Path::new(&wrote).exists());
    assert!(lives(daemon));
    fs::write(&go, "x\n").unwrap();
}

#[test]
fn a_daemon_that_floods_does_not_keep_the_shim() {
    let place = Place::new();
    let report = place.report(script("yes & echo $! >&2"));
    assert_eq!(report.ended, Ended::Exited { status: 0 });
    let daemon = report.stderr.head.trim_end();
    assert!(lives(daemon));
    kill(pid(daemon), Signal::SIGKILL).unwrap();
}

#[test]
fn orphans_that_end_leave_no_zombies() {
    let place = Place::new();
    let report = place.report(script(
        "i=0; while [ $i -lt 50 ]; do (: &); i=$((i + 1)); done; \
         while grep -lE \"\\) Z $PPID \" /proc/[0-9]*/stat; do :; done 2>/dev/null >&2; echo none",
    ));
    assert_eq!(report.ended, Ended::Exited { status: 0 });
    assert_eq!(report.stdout.head, "none\n");
}

#[test]
fn an_end_by_a_signal_is_told_by_number() {
    let place = Place::new();
    for signal in [9, 64] {
        let report = place.report(script(&format!("echo before; kill -{signal} $$")));
        assert_eq!(report.ended, Ended::Signalled { signal });
        assert_eq!(report.stdout.head, "before\n");
    }
}

#[test]
fn what_cannot_be_run_is_told_with_the_reason() {
    let place = Place::new();
    let mut job = script("");
    job.command.program = place.path("vanished").into();
    let errno = Errno::ENOENT as i32;
    assert_eq!(place.report(job.clone()).ended, Ended::NotStarted { errno });
    fs::write(place.path("plain"), "echo x\n").unwrap();
    job.command.program = place.path("plain").into();
    let errno = Errno::EACCES as i32;
    assert_eq!(place.report(job).ended, Ended::NotStarted { errno });
}

#[test]
fn a_script_without_an_interpreter_line_is_run_by_the_shell() {
    let place = Place::new();
    let mut job = script("");
    job.command.program = place.program("old", "echo \"$1\"\n").into();
    job.command.arguments = vec!["start".into()];
    assert_eq!(place.report(job).stdout.head, "start\n");
}

#[test]
fn a_manager_that_comes_later_finds_the_report() {
    let place = Place::new();
    let go = place.fifo("go");
    // Whoever started the shim is gone at once.
    let job = script(&format!("read x <{go}; echo done"));
    let begun = place.start_by("exec 3<&0; \"$@\" <&3 >/dev/null 2>&1 &", "0", &job);
    assert!(finish(begun).status.success());
    until("the shim to be running", || place.begun("0"));
    assert_eq!(place.settle("0"), Found::Running);
    fs::write(&go, "x\n").unwrap();
    until("the report", || {
        matches!(place.settle("0"), Found::Ended(_))
    });
    assert_eq!(place.ended("0").stdout.head, "done\n");
}

#[test]
fn a_shim_does_not_listen_to_signals_for_all_of_hbd() {
    let place = Place::new();
    let go = place.fifo("go");
    let shim = place.start("0", &script(&format!("read x <{go}")));
    until("the shim to be running", || place.begun("0"));
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        kill(pid(&shim.id().to_string()), signal).unwrap();
    }
    fs::write(&go, "x\n").unwrap();
    assert_eq!(finish(shim).status.code(), Some(0));
    assert_eq!(place.ended("0").ended, Ended::Exited { status: 0 });
}

#[test]
fn of_a_shim_that_was_killed_it_is_known_that_nothing_is_known() {
    let place = Place::new();
    let go = place.fifo("go");
    let shim = place.start("0", &script(&format!("read x <{go}")));
    until("the shim to be running", || place.begun("0"));
    kill(pid(&shim.id().to_string()), Signal::SIGKILL).unwrap();
    assert_eq!(finish(shim).status.signal(), Some(9));
    assert_eq!(place.settle("0"), Found::Lost);
    fs::write(&go, "x\n").unwrap();
}

#[test]
fn an_action_that_a_manager_gave_up_is_not_done() {
    let place = Place::new();
    assert_eq!(place.settle("0"), Found::NotBegun);
    let done = place.path("done");
    let output = finish(place.start("0", &script(&format!("echo x >{done}"))));
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(!Path::new(&done).exists());
}

#[test]
fn half_a_job_is_none() {
    let place = Place::new();
    let mut shim = place.spawn("exec \"$@\"", "0");
    shim.stdin
        .take()
        .unwrap()
        .write_all(b"{\"operation\":")
        .unwrap();
    let output = finish(shim);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(place.settle("0"), Found::NotBegun);
}

#[test]
fn without_a_place_for_the_report_nothing_is_started_but_it_is_stopped() {
    let place = Place::new();
    let done = place.path("done");
    let mut job = script(&format!("echo x >{done}; echo not running"));
    // No file may grow, as on a disk that is full.
    for limit in [
        "ulimit -f 0; exec \"$@\"",
        "set -- \"$1\" act --run /nonexistent --id 0; exec \"$@\"",
    ] {
        let output = finish(place.start_by(limit, "0", &job));
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        assert!(!Path::new(&done).exists());
    }
    assert_eq!(place.settle("0"), Found::NotBegun);
    job.operation = Operation::Stop;
    job.command.arguments[1] = "echo stopped; exit 5".into();
    let run = "set -- \"$1\" act --run /nonexistent --id 0; exec \"$@\"";
    for (id, limit) in [("1", "ulimit -f 0; exec \"$@\""), ("2", run)] {
        let output = finish(place.start_by(limit, id, &job));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let told: Report = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told.ended, Ended::Exited { status: 5 });
        assert_eq!(told.stdout.last_line(), Some("stopped"));
    }
}

#[test]
fn a_disk_that_fills_up_meanwhile_has_room_for_a_short_report() {
    let place = Place::new();
    let job = script("head -c 20000 /dev/zero; echo; echo last");
    // 4 KiB in the units of a POSIX shell.
    let output = finish(place.start_by("ulimit -f 8; exec \"$@\"", "0", &job));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = place.ended("0");
    assert_eq!(report.ended, Ended::Exited { status: 0 });
    let Text {
        head,
        tail,
        left_out,
    } = report.stdout;
    assert_eq!((&*head, &*tail, left_out), ("", "last", 20_002));
}

#[test]
fn a_resource_is_found_run_and_judged() {
    let place = Place::new();
    fs::create_dir(place.path("resource.d")).unwrap();
    let state = place.path("state");
    place.program(
        "resource.d/thing",
        &format!(
            "#!/bin/sh\ncase $1-$2 in\n\
             x-start) echo $HA_CURHOST >{state};;\n\
             x-stop) rm -f {state};;\n\
             x-status) test -e {state} && echo running || echo is not running;;\n\
             *) exit 1;;\nesac\n"
        ),
    );
    let steps = [
        (Operation::Status, Outcome::NotRunning),
        (Operation::Start, Outcome::Done),
        (Operation::Status, Outcome::Done),
        (Operation::Stop, Outcome::Done),
        (Operation::Status, Outcome::NotRunning),
    ];
    for (number, (operation, expected)) in steps.into_iter().enumerate() {
        assert_eq!(
            place.operate(number, "thing::x", operation),
            expected,
            "step {number}"
        );
    }
}

/// A run directory, and what scripts need.
struct Place {
    scratch: Scratch,
}

impl Place {
    fn new() -> Self {
        let scratch = Scratch::new().unwrap();
        Self { scratch }
    }

    fn path(&self, name: &str) -> String {
        self.scratch.path().join(name).display().to_string()
    }

    fn fifo(&self, name: &str) -> String {
        let path = self.path(name);
        nix::unistd::mkfifo(path.as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        path
    }

    /// Written by a process of its own: one that forks meanwhile in another thread of this process
    /// would keep the file open for writing, and nobody could execute it.
    fn program(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        let write = "printf %s \"$1\" >\"$2\" && chmod 755 \"$2\"";
        let status = Command::new("sh")
            .args(["-c", write, "sh", text, &path])
            .status();
        assert!(status.unwrap().success());
        path
    }

    /// Does the job and returns what is found of it.
    fn report(&self, job: Job) -> Report {
        let id = fs::read_dir(self.path("actions"))
            .map_or(0, Iterator::count)
            .to_string();
        let output = finish(self.start(&id, &job));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        self.ended(&id)
    }

    fn start(&self, id: &str, job: &Job) -> Child {
        self.start_by("exec \"$@\"", id, job)
    }

    /// The shim as a shell starts it.
    fn start_by(&self, shell: &str, id: &str, job: &Job) -> Child {
        let mut child = self.spawn(shell, id);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&serde_json::to_vec(job).unwrap()).unwrap();
        child
    }

    fn spawn(&self, shell: &str, id: &str) -> Child {
        Command::new("sh")
            .args(["-c", shell, "sh", HBD, "act", "--id", id, "--run"])
            .arg(self.scratch.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn settle(&self, id: &str) -> Found {
        let id: Id = id.parse().unwrap();
        Actions::of(self.scratch.path()).settle(&id).unwrap()
    }

    /// Without settling.
    fn begun(&self, id: &str) -> bool {
        Path::new(&self.path(&format!("actions/{id}.running"))).exists()
    }

    fn ended(&self, id: &str) -> Report {
        match self.settle(id) {
            Found::Ended(report) => *report,
            other => panic!("{other:?}"),
        }
    }

    fn operate(&self, number: usize, word: &str, operation: Operation) -> Outcome {
        let directory = self.scratch.path();
        let resource = Resource::new(word);
        let places = Places::of(directory);
        let class = class::find(&resource, &places, Program::at).unwrap();
        let setting = Setting {
            program: Path::new(HBD),
            run: directory,
            node: &NodeName::new("alice").unwrap(),
            configuration: directory,
            ocf_root: &places.ocf_root,
            logging: &Logging {
                facility: None,
                file: None,
                debug_file: None,
                syslog_format: false,
            },
            environment: &std::collections::BTreeMap::new(),
            limit: AMPLE,
        };
        let job = Job {
            operation,
            command: command::command(&class, operation, &setting).unwrap(),
            limit: AMPLE,
            grace: AMPLE,
        };
        let id = number.to_string();
        assert_eq!(finish(self.start(&id, &job)).status.code(), Some(0));
        judge(&class, operation, &self.ended(&id))
    }
}

/// The shim's end, which must come.
fn finish(mut shim: Child) -> Output {
    until("the shim to end", || shim.try_wait().unwrap().is_some());
    shim.wait_with_output().unwrap()
}

fn until(condition: &str, mut look: impl FnMut() -> bool) {
    wait::until_true(2 * AMPLE, condition, || Ok(look())).unwrap();
}

fn script(text: &str) -> Job {
    Job {
        operation: Operation::Start,
        command: command::Command {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), text.into()],
            environment: BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]),
            input: None,
        },
        limit: AMPLE,
        grace: AMPLE,
    }
}

/// A script that never ends, or does not when asked.
fn short(text: &str) -> Job {
    let grace = match text.contains("trap ''") || text.contains("-STOP") {
        true => SHORT,
        false => AMPLE,
    };
    Job {
        limit: SHORT,
        grace,
        ..script(text)
    }
}

fn timed_out(killed: bool) -> Ended {
    Ended::TimedOut {
        limit: SHORT,
        killed,
        left: 0,
    }
}

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.parse().unwrap())
}

fn lives(text: &str) -> bool {
    kill(pid(text), None).is_ok()
}
