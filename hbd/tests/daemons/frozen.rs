//! A node that stood still (a stopped process, a paused machine) and goes on.

use std::fs;
use std::time::{Duration, Instant};

use hbd_tests::sim::replay::replay;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shared::event::{Event, Kind, LinkStatus, NodeStatus};

use crate::bcast_and_mcast;
use crate::cluster::{Cluster, Daemon, until};

/// Longer than the dead time of 3 s, and much longer.
const STANDSTILLS: [u64; 2] = [4, 9];

#[test]
fn a_node_that_stood_still_accuses_nobody_and_joins_again() {
    let cluster = Cluster::start(&["alice", "bob"], bcast_and_mcast());
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    for (times, seconds) in (1..).zip(STANDSTILLS) {
        let since = Instant::now();
        all(bob, Signal::SIGSTOP);
        alice.wait_for("bob to be dead", |view| {
            view.nodes[&bob.name].status == NodeStatus::Dead
        });
        until("the end of the standstill", || {
            (since.elapsed() >= Duration::from_secs(seconds)).then_some(())
        });
        all(bob, Signal::SIGCONT);
        alice.wait_for("bob to be back", |view| {
            let bob = &view.nodes[&bob.name];
            let up = |link: &shared::view::LinkView| link.status == LinkStatus::Up;
            bob.status == NodeStatus::Active && bob.links.values().all(up)
        });
        let stalls = own_stalls(bob);
        assert!(
            stalls.iter().any(|late| late.as_secs() + 1 >= seconds),
            "bob knows that it stood still for {seconds} s: {stalls:?}"
        );
        assert_eq!(bob.deaths(), 0, "bob accuses nobody");
        assert_eq!(alice.deaths(), times, "alice was right each time");
    }
    bob.wait_for("no trouble", |view| {
        view.nodes
            .values()
            .all(|node| node.status == NodeStatus::Active)
    });
    let sick = |event: &Event| matches!(event.kind, Kind::Sick { .. } | Kind::SickOver);
    let words = until("the end of the sickness", || {
        let events = bob.events().into_iter().filter(sick);
        let words: Vec<_> = events.map(|event| event.kind.word().to_owned()).collect();
        (words.last()? == "sick-over").then_some(words)
    });
    assert_eq!(words[0], "sick", "{words:?}");
    let stalled = |event: Event| match event.kind {
        Kind::FlightRecorded { file, reason } => (reason == "the core stalled").then_some(file),
        _ => None,
    };
    let records = until("the records of the stalls", || {
        let records: Vec<_> = bob.events().into_iter().filter_map(stalled).collect();
        (records.len() >= STANDSTILLS.len()).then_some(records)
    });
    for file in records {
        replay(&fs::read(file).unwrap()).unwrap_or_else(|difference| panic!("{difference}"));
    }
    let view = bob.client().snapshot().unwrap().view;
    assert_eq!(view.core_deaths, 0, "its core was not ended for it");
    assert!(view.worst_stall.as_secs() + 1 >= STANDSTILLS[1]);
}

#[test]
fn a_supervisor_that_stood_still_alone_says_so_and_no_peer_notices() {
    let cluster = Cluster::start(&["alice", "bob"], bcast_and_mcast());
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    let since = Instant::now();
    let supervisor = Pid::from_raw(bob.pid());
    kill(supervisor, Signal::SIGSTOP).unwrap();
    until("the end of the standstill", || {
        (since.elapsed() >= Duration::from_secs(STANDSTILLS[0])).then_some(())
    });
    kill(supervisor, Signal::SIGCONT).unwrap();
    let least = Duration::from_secs(STANDSTILLS[0] - 1);
    bob.wait_for("word of the standstill", |view| {
        view.supervisor_stalls > 0 && view.worst_supervisor_stall >= least
    });
    let late = bob.events().into_iter().find_map(|event| match event.kind {
        Kind::SupervisorStall { late } => Some(late),
        _ => None,
    });
    assert!(late.unwrap() >= least, "{late:?}");
    assert_eq!(alice.deaths() + bob.deaths(), 0);
    assert_eq!(bob.pid(), supervisor.as_raw(), "it goes on");
}

#[test]
fn two_nodes_that_stood_still_together_believe_each_other() {
    let cluster = Cluster::start(&["alice", "bob"], bcast_and_mcast());
    cluster.settle();
    let since = Instant::now();
    for node in &cluster.nodes {
        all(node, Signal::SIGSTOP);
    }
    until("the end of the standstill", || {
        (since.elapsed() >= Duration::from_secs(STANDSTILLS[0])).then_some(())
    });
    for node in &cluster.nodes {
        all(node, Signal::SIGCONT);
    }
    for node in &cluster.nodes {
        until("word of the standstill", || {
            (!own_stalls(node).is_empty()).then_some(())
        });
    }
    cluster.settle();
    for node in &cluster.nodes {
        assert_eq!(node.deaths(), 0, "{} accuses nobody", node.name);
    }
}

/// Signals every process of a node, the supervisor first when they stop and last when they go on,
/// so that it never sees the others stand still alone.
pub(crate) fn all(node: &Daemon, signal: Signal) {
    let mut processes = [node.pid(), node.core(), node.manager()];
    if signal == Signal::SIGCONT {
        processes.reverse();
    }
    for process in processes {
        kill(Pid::from_raw(process), signal).unwrap();
    }
}

fn own_stalls(node: &Daemon) -> Vec<Duration> {
    let late = |kind| match kind {
        Kind::OwnStall { late } => Some(late),
        _ => None,
    };
    let events = node.events().into_iter();
    events.filter_map(|event| late(event.kind)).collect()
}
