//! A manager that is a program of somebody else, as hbd/examples/stay.rs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shared::api::{ErrorCode, Request};
use shared::client::ClientError;
use shared::event::Kind;
use shared::group::{GroupName, GroupState};
use shared::order::{Choice, GroupOrder, GroupVerb};

use crate::cluster::{Cluster, Daemon, until};
use crate::holding::{holds, running};
use crate::{THREE, TWO, bcast_and_mcast};

const GROUPS: &str = "alice Dummy::web Dummy::app\nbob Dummy::mail\n";
const WEB: &str = "Dummy::web";

/// The example, which cargo builds with all tests of this package, but not with one suite alone.
fn stay() -> PathBuf {
    let programs = Path::new(env!("CARGO_BIN_EXE_hbd")).parent().unwrap();
    let stay = programs.join("examples/stay");
    assert!(stay.exists(), "build it: cargo build -p hbd --examples");
    stay
}

fn cluster(names: &[&str]) -> Cluster {
    let media = bcast_and_mcast();
    let lines = move |name: &str| media(name) + "\nauto_failback on";
    let cluster = Cluster::holding_prepared(names, lines, GROUPS, |home| {
        let text = format!("manager {}\n", manager(home).display());
        fs::write(home.join("conf/hbd.cf"), text).unwrap();
        become_program(home, &format!("exec {}", stay().display()));
    });
    cluster.nodes[0].wait_for("its group", |view| holds(view, WEB, "alice"));
    cluster.nodes[1].wait_for("its group", |view| holds(view, "Dummy::mail", "bob"));
    cluster
}

/// What stands in hbd.cf.
fn manager(home: &Path) -> PathBuf {
    home.join("manager")
}

/// The next one does that.
fn become_program(home: &Path, script: &str) {
    let new = home.join("manager.new");
    fs::write(&new, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&new, Permissions::from_mode(0o755)).unwrap();
    fs::rename(new, manager(home)).unwrap();
}

/// The program that is the manager, once it is one.
fn program(daemon: &Daemon) -> i32 {
    let manager = daemon.manager();
    until("the program", || {
        let children = fs::read_to_string(format!("/proc/{manager}/task/{manager}/children"));
        let children = children.ok()?;
        let mut pids = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        pids.find(|pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.strip_suffix(b"\0")
                .is_some_and(|line| line.ends_with(b"/stay"))
        })
    })
}

fn deaths(daemon: &Daemon) -> Vec<String> {
    let events = daemon.events().into_iter();
    let deaths = events.filter_map(|event| match event.kind {
        Kind::ManagerDied { how } => Some(how),
        _ => None,
    });
    deaths.collect()
}

fn changes(daemon: &Daemon, group: &str) -> Vec<GroupState> {
    let group = GroupName::new(group).unwrap();
    let events = daemon.events().into_iter();
    let states = events.filter_map(|event| match event.kind {
        Kind::GroupState { group: of, to, .. } if of == group => Some(to),
        _ => None,
    });
    states.collect()
}

#[test]
fn groups_are_where_the_program_wants_them_and_an_order_is_its_business() {
    let cluster = cluster(&THREE);
    let verb = GroupVerb::Move {
        groups: Choice::All,
        to: None,
        lasts: None,
        together: false,
    };
    let order = GroupOrder {
        verb,
        reason: None,
        dry_run: true,
    };
    let refused = until("an answer", || {
        let order = Request::Order(Box::new(order.clone()));
        match cluster.nodes[0].client().request(order) {
            Err(ClientError::Refused { failure, .. }) if failure.code == ErrorCode::Refused => {
                Some(failure.text)
            }
            _ => None,
        }
    });
    assert_eq!(refused, "each group stays on its node in haresources");
}

#[test]
fn a_program_that_dies_is_started_again_and_looks_before_it_acts() {
    let cluster = cluster(&TWO);
    let alice = &cluster.nodes[0];
    let (before, manager) = (program(alice), alice.manager());
    kill(Pid::from_raw(before), Signal::SIGKILL).unwrap();
    looked(alice);
    assert_ne!(alice.manager(), manager);
    assert_ne!(program(alice), before);
    let [how] = &deaths(alice)[..] else {
        panic!("one death");
    };
    assert!(how.ends_with("manager: signal 9 (SIGKILL)"), "{how}");
}

#[test]
fn a_program_that_hangs_is_replaced() {
    let cluster = cluster(&TWO);
    let alice = &cluster.nodes[0];
    let before = program(alice);
    kill(Pid::from_raw(before), Signal::SIGSTOP).unwrap();
    looked(alice);
    let [how] = &deaths(alice)[..] else {
        panic!("one death");
    };
    assert!(how.ends_with("manager: it did not answer for 3 s"), "{how}");
    gone(before);
}

/// Waits for its end, whoever is to bury it.
fn gone(program: i32) {
    until("the program to be gone", || {
        let line = fs::read(format!("/proc/{program}/cmdline"));
        line.unwrap_or_default().is_empty().then_some(())
    });
}

/// The next one has looked at what the one before held, and nothing was stopped.
fn looked(alice: &Daemon) {
    until("the next one to look", || {
        let looks = changes(alice, WEB).contains(&GroupState::Checking);
        looks.then_some(())
    });
    alice.wait_for("its group", |view| holds(view, WEB, "alice"));
    let states = changes(alice, WEB);
    assert!(!states.contains(&GroupState::Stopping), "{states:?}");
    assert_eq!(running(alice), 2);
}

#[test]
fn one_that_says_nonsense_again_and_again_is_none_and_the_node_leaves() {
    let mut cluster = cluster(&TWO);
    let alice = &mut cluster.nodes[0];
    let before = program(alice);
    become_program(&alice.home, "echo nonsense; exec cat > /dev/null");
    kill(Pid::from_raw(before), Signal::SIGKILL).unwrap();
    assert_eq!(alice.ended().code(), Some(1));
    assert_eq!(running(alice), 0);
    let log = alice.log();
    let why = "manager: it makes no sense: expected value at line 1 column 1: nonsense)";
    assert!(log.contains(why), "{log}");
    assert!(log.contains("no manager can be had: what is held is stopped"));
}

#[test]
fn a_node_that_is_told_to_end_is_released_by_the_program() {
    let mut cluster = cluster(&TWO);
    let alice = &mut cluster.nodes[0];
    let before = program(alice);
    alice.signal(Signal::SIGTERM);
    assert!(alice.ended().success());
    assert_eq!(running(alice), 0);
    gone(before);
    cluster.nodes[1].wait_for("alice to be gone", |view| {
        !view.groups.contains_key(&GroupName::new(WEB).unwrap()) || !holds(view, WEB, "alice")
    });
}
