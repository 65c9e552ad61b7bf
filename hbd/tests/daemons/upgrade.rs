//! Another build in place.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;
use shared::api::{ErrorCode, Process, Request, Success, Upgrade, UpgradeOutcome, Upgraded};
use shared::client::ClientError;
use shared::event::{Kind, NodeStatus, Role};

use crate::cluster::{Cluster, Daemon, until};
use crate::{TWO, bcast_and_mcast};

/// Two nodes, and bob runs a copy of hbd, which can be replaced by another build.
fn with_a_copy() -> Cluster {
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
    fs::copy(env!("CARGO_BIN_EXE_hbd"), &bob.program).unwrap();
    bob.start();
    cluster.settle();
    cluster
}

/// Puts another build there, as a package manager does: written beside, and renamed.
fn install(daemon: &Daemon, content: &[u8]) {
    let beside = daemon.home.join("hbd.new");
    fs::write(&beside, content).unwrap();
    fs::set_permissions(&beside, Permissions::from_mode(0o755)).unwrap();
    fs::rename(&beside, &daemon.program).unwrap();
}

/// The program with a byte more: another build that does the same.
fn other_build() -> Vec<u8> {
    let mut content = fs::read(env!("CARGO_BIN_EXE_hbd")).unwrap();
    content.push(0);
    content
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
    install(bob, &other_build());
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
    install(bob, b"#!/bin/sh\necho this one wants other words\nexit 8\n");
    let refused = upgrade(bob, false);
    assert_eq!(refused.outcome, UpgradeOutcome::Refused);
    assert!(refused.reason.contains("wants other words"), "{refused:?}");
    install(bob, b"no program at all");
    let refused = upgrade(bob, false);
    assert_eq!(refused.outcome, UpgradeOutcome::Refused);
    assert!(refused.reason.contains("cannot be executed"), "{refused:?}");
    fs::remove_file(&bob.program).unwrap();
    let request = Request::Upgrade(Upgrade { dry_run: false });
    match bob.client().request(request) {
        Err(ClientError::Refused { failure, .. }) => {
            assert_eq!(failure.code, ErrorCode::Unavailable);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((bob.pid(), bob.manager(), bob.core()), before);
    assert_eq!(cluster.nodes[0].deaths(), deaths);
}

#[test]
fn another_build_that_is_started_after_a_death_replaces_the_workers_too() {
    let cluster = with_a_copy();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    let (manager, core, deaths) = (bob.manager(), bob.core(), alice.deaths());
    install(bob, &other_build());
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
