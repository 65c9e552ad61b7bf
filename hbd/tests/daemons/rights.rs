//! What the processes ask of the machine, and whether they say what it refuses.

use std::fs;

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
