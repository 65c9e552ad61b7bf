//! Another build in place.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use hbd_tests::program;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shared::api::{Process, Request, Success, Upgrade, UpgradeOutcome, Upgraded};
use shared::client::ClientError;
use shared::event::{Kind, NodeStatus, Role, StatusReason};

use crate::cluster::{Cluster, Daemon, until};
use crate::{TWO, bcast_and_mcast};

const OWN: &str = env!("CARGO_BIN_EXE_hbd");

/// Two nodes, and bob runs a copy of hbd, which can be replaced by another build.
pub(crate) fn with_a_copy() -> Cluster {
    let mut cluster = Cluster::start(&TWO, bcast_and_mcast());
    // Alice has heard bob, and hears that he leaves: what she misses of that would be a restart.
    cluster.settle();
    let [alice, bob] = &mut cluster.nodes[..] else {
        panic!("two nodes");
    };
    bob.signal(Signal::SIGTERM);
    bob.ended();
    alice.wait_for("bob to be gone", |view| {
        view.nodes[&bob.name].status == NodeStatus::Dead
    });
    bob.program = bob.home.join("hbd");
    program::copy(OWN.as_ref(), &bob.program, 0).unwrap();
    bob.start();
    cluster.settle();
    cluster
}

/// Puts another build there that does the same, as a package manager does: written beside, and renamed.
fn install_other_build(daemon: &Daemon) {
    let beside = daemon.home.join("hbd.new");
    program::copy(OWN.as_ref(), &beside, 1).unwrap();
    fs::rename(&beside, &daemon.program).unwrap();
}

/// Puts a file there that is no other build.
fn install(daemon: &Daemon, content: &str) {
    let (text, beside) = (daemon.home.join("text"), daemon.home.join("hbd.new"));
    fs::write(&text, content).unwrap();
    program::copy(&text, &beside, 0).unwrap();
    fs::rename(&beside, &daemon.program).unwrap();
}

fn upgrade(daemon: &Daemon, dry_run: bool) -> Upgraded {
    let request = Request::Upgrade(Upgrade { dry_run });
    match daemon.client().request(request).unwrap() {
        Success::Upgraded(upgraded) => *upgraded,
        other => panic!("{other:?}"),
    }
}

/// Waits until every process is the build in the file.
fn upgraded(daemon: &Daemon) -> Vec<Process> {
    until("every process to be the new build", || {
        let request = Request::Upgrade(Upgrade { dry_run: true });
        let now = match daemon.client().request(request) {
            Ok(Success::Upgraded(now)) => now,
            // Some supervisor was on its way.
            Err(ClientError::Closed { .. } | ClientError::Io { .. }) => return None,
            other => panic!("{other:?}"),
        };
        let done = now.outcome == UpgradeOutcome::Unchanged && now.processes.len() == 3;
        done.then_some(now.processes)
    })
}

#[test]
fn another_build_takes_over_in_order_and_peers_see_a_restart_only() {
    let cluster = with_a_copy();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    assert_eq!(upgrade(bob, false).outcome, UpgradeOutcome::Unchanged);
    install_other_build(bob);
    let would = upgrade(bob, true);
    assert_eq!(would.outcome, UpgradeOutcome::WouldUpgrade);
    let (supervisor, deaths) = (bob.pid(), alice.deaths());
    let before = upgrade(bob, false);
    assert_eq!(before.outcome, UpgradeOutcome::Upgrading);
    let after = upgraded(bob);
    assert_eq!(bob.pid(), supervisor, "the same process");
    for (old, new) in before.processes.iter().zip(&after) {
        assert_eq!(old.role, new.role);
        assert_ne!(old.build, new.build);
        assert_eq!(new.build, would.build);
        assert_eq!(old.pid == new.pid, old.role == Role::Supervisor);
    }
    alice.wait_for("bob to be back", |view| {
        let bob = &view.nodes[&bob.name];
        bob.restarts == 1 && bob.status == NodeStatus::Active
    });
    assert_eq!(alice.deaths(), deaths);
    let steps: Vec<_> = bob
        .events()
        .into_iter()
        .filter_map(|event| match event.kind {
            Kind::Adopted { upgrade, .. } => Some(format!("adopted {upgrade}")),
            Kind::Replaced { role, .. } => Some(format!("replaced {role}")),
            Kind::Started(started) if started.quick_restart => Some("core".into()),
            _ => None,
        })
        .collect();
    let expected = ["adopted true", "replaced manager", "replaced core", "core"];
    assert_eq!(steps, expected);
}

#[test]
fn a_program_that_does_not_accept_the_configuration_is_refused_and_nothing_changes() {
    let cluster = with_a_copy();
    let bob = &cluster.nodes[1];
    let before = (bob.pid(), bob.manager(), bob.core());
    let deaths = cluster.nodes[0].deaths();
    install(bob, "#!/bin/sh\necho this one wants other words\nexit 8\n");
    let refused = upgrade(bob, false);
    assert_eq!(refused.outcome, UpgradeOutcome::Refused);
    assert!(refused.reason.contains("wants other words"), "{refused:?}");
    install(bob, "no program at all");
    let refused = upgrade(bob, false);
    assert_eq!(refused.outcome, UpgradeOutcome::Refused);
    assert!(refused.reason.contains("cannot be executed"), "{refused:?}");
    fs::remove_file(&bob.program).unwrap();
    let refused = upgrade(bob, false);
    assert_eq!(refused.outcome, UpgradeOutcome::Refused);
    let name = bob.program.display();
    let reason = format!("{name} is not there; install hbd there, then try again");
    assert_eq!((refused.reason, refused.build), (reason, String::new()));
    assert_eq!((bob.pid(), bob.manager(), bob.core()), before);
    assert_eq!(cluster.nodes[0].deaths(), deaths);
}

#[test]
fn a_program_that_hangs_is_killed_and_refused_and_the_next_upgrade_is_free() {
    let cluster = with_a_copy();
    let bob = &cluster.nodes[1];
    let trace = bob.home.join("sleeper");
    let script = format!(
        "#!/bin/sh\nsleep 100 &\necho $! > {}\nwait\n",
        trace.display()
    );
    install(bob, &script);
    let mut client = bob.client();
    client.set_limit(Duration::from_secs(30));
    let reply = client.request(Request::Upgrade(Upgrade { dry_run: false }));
    let Ok(Success::Upgraded(refused)) = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(refused.outcome, UpgradeOutcome::Refused);
    let reason = format!("{} --check did not end within 10 s", bob.program.display());
    assert_eq!(refused.reason, reason);
    let sleeper = fs::read_to_string(&trace).unwrap();
    until("the end of what the program started", || {
        // A process that has ended and waits for its parent has no words.
        let words = fs::read(format!("/proc/{}/cmdline", sleeper.trim()));
        words.unwrap_or_default().is_empty().then_some(())
    });
    install_other_build(bob);
    assert_eq!(upgrade(bob, true).outcome, UpgradeOutcome::WouldUpgrade);
}

#[test]
fn a_program_that_nobody_may_execute_is_refused_by_name_even_if_it_is_the_one_that_runs() {
    let cluster = with_a_copy();
    let bob = &cluster.nodes[1];
    fs::set_permissions(&bob.program, Permissions::from_mode(0o644)).unwrap();
    let refused = upgrade(bob, false);
    assert_eq!(refused.outcome, UpgradeOutcome::Refused);
    let name = bob.program.display();
    let reason = format!("{name} is not executable; chmod 755 {name}, then try again");
    assert_eq!(refused.reason, reason);
    let own = &refused.processes[0].build;
    assert!(own.ends_with(&format!("-{}", refused.build)), "{refused:?}");
    assert!(!refused.build.is_empty());
}

#[test]
fn a_stop_during_an_upgrade_is_not_lost_and_leaves_in_order() {
    let mut cluster = with_a_copy();
    let mut bob = cluster.nodes.pop().unwrap();
    install_other_build(&bob);
    let supervisor = bob.pid();
    assert_eq!(upgrade(&bob, false).outcome, UpgradeOutcome::Upgrading);
    // One supervisor listens to nobody any more, and the next one replaces manager and core.
    kill(Pid::from_raw(supervisor), Signal::SIGTERM).unwrap();
    assert!(bob.ended().success(), "{}", bob.log());
    let alice = &cluster.nodes[0];
    alice.wait_for("bob to be gone", |view| {
        view.nodes[&bob.name].status == NodeStatus::Dead
    });
    let events = alice.events().into_iter().rev();
    let reason = events.into_iter().find_map(|event| match event.kind {
        Kind::NodeStatus {
            to: NodeStatus::Dead,
            reason,
            ..
        } => Some(reason),
        _ => None,
    });
    assert_eq!(reason, Some(StatusReason::Left));
}

#[test]
fn another_build_that_is_started_after_a_death_replaces_the_workers_too() {
    let cluster = with_a_copy();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    let (manager, core, deaths) = (bob.manager(), bob.core(), alice.deaths());
    install_other_build(bob);
    let supervisor = bob.pid();
    bob.signal(Signal::SIGKILL);
    until("another supervisor", || {
        (bob.pid() != supervisor).then_some(())
    });
    upgraded(bob);
    assert!(bob.manager() != manager && bob.core() != core);
    alice.wait_for("bob to be back", |view| {
        let bob = &view.nodes[&bob.name];
        bob.restarts == 1 && bob.status == NodeStatus::Active
    });
    assert_eq!(alice.deaths(), deaths);
}

#[test]
fn a_supervisor_whose_program_was_moved_away_is_upgraded_to_what_is_installed_in_its_place() {
    let cluster = with_a_copy();
    let bob = &cluster.nodes[1];
    fs::rename(&bob.program, bob.home.join("away")).unwrap();
    let supervisor = bob.pid();
    bob.signal(Signal::SIGKILL);
    until("another supervisor", || {
        (bob.pid() != supervisor).then_some(())
    });
    install_other_build(bob);
    let request = Request::Upgrade(Upgrade { dry_run: true });
    let would = until("an answer", || {
        match bob.client().request(request.clone()) {
            Ok(Success::Upgraded(would)) => Some(would),
            _ => None,
        }
    });
    assert_eq!(would.program, bob.program.display().to_string());
    assert_eq!(would.outcome, UpgradeOutcome::WouldUpgrade, "{would:?}");
    assert_eq!(upgrade(bob, false).outcome, UpgradeOutcome::Upgrading);
    upgraded(bob);
}
