//! What the processes ask of the machine, and whether they say what it refuses.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use crate::bcast_and_mcast;
use crate::cluster::{Cluster, until};

#[test]
fn what_check_predicts_is_what_the_daemon_lacks() {
    let cluster = Cluster::start(&["alice"], bcast_and_mcast());
    let alice = &cluster.nodes[0];
    let output = alice.command().arg("--check").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, lacks) = text.split_once("would do without:\n").unwrap_or_default();
    let mut predicted: Vec<_> = lacks
        .lines()
        .filter(|line| !line.starts_with("    -> "))
        .map(|line| line.trim_start().to_owned())
        .collect();
    predicted.sort();
    // The core tells of its lacks before it tells its first counters.
    let snapshot = until("the core's first counters", || {
        let snapshot = alice.client().snapshot().unwrap();
        snapshot.sample.is_some().then_some(snapshot)
    });
    let lacks = snapshot.view.lacks.iter();
    let mut told: Vec<_> = lacks
        .map(|lack| format!("{}: {}", lack.what, lack.why))
        .collect();
    told.sort();
    assert_eq!(told, predicted);
}

/// Of one that may be dumped the kernel gives these files to its user (`proc(5)`).
#[test]
fn what_holds_keys_is_closed_to_others_of_its_user_also_after_a_change_of_user() {
    let mut cluster = Cluster::start(&["alice"], bcast_and_mcast());
    let alice = &mut cluster.nodes[0];
    alice.wait_for("a core", |view| view.started.is_some());
    if geteuid().is_root() {
        assert_ne!(user(alice.core()), 0, "the core changed its user");
    }
    assert_eq!(owner(alice.core()), 0);
    alice.signal(Signal::SIGTERM);
    alice.ended();

    give_away(&alice.home);
    let mut open = Command::new("sleep");
    let mut open = unprivileged(open.arg("60")).spawn().unwrap();
    let pid = i32::try_from(open.id()).unwrap();
    until("a process that is open", || (owner(pid) != 0).then_some(()));
    open.kill().unwrap();
    open.wait().unwrap();

    let mut daemon = unprivileged(&alice.command());
    daemon.stdin(Stdio::null());
    alice.start_by(daemon);
    alice.wait_for("a core", |view| view.started.is_some());
    for pid in [alice.pid(), alice.core()] {
        assert_ne!(user(pid), 0);
        assert_eq!(owner(pid), 0);
    }
}

const NO_RIGHTS: u32 = 61_234;

/// The same, as a user without rights.
fn unprivileged(command: &Command) -> Command {
    let mut few = Command::new("setpriv");
    if geteuid().is_root() {
        let id = NO_RIGHTS.to_string();
        few.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
    } else {
        few.arg("--no-new-privs");
    }
    few.arg(command.get_program()).args(command.get_args());
    few
}

fn give_away(path: &Path) {
    if !geteuid().is_root() {
        return;
    }
    chown(path, Some(NO_RIGHTS), Some(NO_RIGHTS)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path());
        }
    }
}

/// Who may look into a process.
fn owner(pid: i32) -> u32 {
    fs::metadata(format!("/proc/{pid}/environ")).unwrap().uid()
}

/// As whom it runs.
fn user(pid: i32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

/// What hbd itself uses of root's rights; agents may need any (`capabilities(7)`).
const OWN_RIGHTS: [&str; 9] = [
    "net_bind_service",
    "net_raw",
    "setuid",
    "setgid",
    "kill",
    "ipc_lock",
    "sys_nice",
    "sys_resource",
    "dac_override",
];

/// What `hbd --check` says, and a core that is killed and one that hangs: with these rights as with all.
#[test]
fn without_resources_hbd_needs_few_rights() {
    let mut cluster = Cluster::start(&["alice"], bcast_and_mcast());
    let alice = &mut cluster.nodes[0];
    alice.wait_for("a core", |view| view.started.is_some());
    alice.signal(Signal::SIGTERM);
    alice.ended();
    let mut check = alice.command();
    check.arg("--check");
    let with_all = check.output().unwrap();
    let with_few = few_rights(&check).output().unwrap();
    assert_eq!(with_few, with_all);
    let mut daemon = few_rights(&alice.command());
    daemon.stdin(Stdio::null());
    alice.start_by(daemon);
    for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
        let core = alice.core();
        kill(Pid::from_raw(core), signal).unwrap();
        until("another core", || (alice.core() != core).then_some(()));
    }
    alice.signal(Signal::SIGTERM);
    assert!(alice.ended().success());
}

/// The same, started with these rights. Only root has any to give up.
fn few_rights(command: &Command) -> Command {
    let set = OWN_RIGHTS.map(|right| format!(",+{right}")).concat();
    let mut few = Command::new("setpriv");
    match geteuid().is_root() {
        true => few.arg("--bounding-set").arg(format!("-all{set}")),
        false => few.arg("--no-new-privs"),
    };
    few.arg(command.get_program()).args(command.get_args());
    few
}

#[test]
fn a_core_that_runs_wild_meets_a_limit_of_the_kernel() {
    let cluster = Cluster::start(&["alice"], bcast_and_mcast());
    let alice = &cluster.nodes[0];
    alice.wait_for("a core", |view| view.started.is_some());
    let limits = fs::read_to_string(format!("/proc/{}/limits", alice.core())).unwrap();
    let limit = limits
        .lines()
        .find(|line| line.starts_with("Max realtime timeout"));
    let words: Vec<_> = limit.unwrap().split_whitespace().collect();
    // Half of the deadtime of 3 s is below the least; then another second.
    assert_eq!(words[3..], ["5000000", "6000000", "us"]);
}
