//! What outlives a daemon: its events.

use std::fs;

use hbd_tests::instance;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shared::event::{Event, Kind, StatusReason};
use shared::query::{EventQuery, Related};

use crate::cluster::{Cluster, until};
use crate::{TWO, bcast_and_mcast};

#[test]
fn events_of_a_daemon_that_was_killed_are_known_to_the_next_one() {
    let mut cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let alice = &mut cluster.nodes[0];
    let before = alice.events();
    let last = before.last().unwrap().id.to_string();
    let segment = alice.home.join("state/journal/00000001.jsonl");
    until("the writer to have written", || {
        fs::read_to_string(&segment)
            .ok()?
            .contains(&last)
            .then_some(())
    });
    instance::kill_all(&alice.home.join("run")).unwrap();
    alice.ended();
    alice.start();
    let after = alice.events();
    assert_eq!(after[..before.len()], before);
    let ended = after.iter().find_map(|event| match &event.kind {
        Kind::EndedUnasked { alive, .. } => Some(*alive),
        _ => None,
    });
    assert!(ended.unwrap() >= before.last().unwrap().wall);
    let view = alice.wait_for("a core", |view| view.started.is_some());
    assert_eq!(view.core_deaths, 0, "the view is that of the new daemon");
    cluster.settle();
}

#[test]
fn a_journal_that_cannot_be_written_degrades_until_it_can() {
    let mut cluster = Cluster::start(&["alice"], bcast_and_mcast());
    let alice = &mut cluster.nodes[0];
    alice.wait_for("a core", |view| view.started.is_some());
    alice.signal(Signal::SIGTERM);
    alice.ended();
    let journal = alice.home.join("state/journal");
    fs::remove_dir_all(&journal).unwrap();
    fs::write(&journal, b"in the way").unwrap();
    alice.start();
    let lacks = |what: &str| what.contains("the journal of events");
    let view = alice.wait_for("a word about the journal", |view| {
        view.lacks.iter().any(|lack| lacks(&lack.what))
    });
    let lack = view.lacks.iter().find(|lack| lacks(&lack.what)).unwrap();
    assert!(lack.why.contains("state/journal"), "{}", lack.why);
    assert!(
        lack.remedy.contains("tries again every 5 s"),
        "{}",
        lack.remedy
    );
    fs::remove_file(&journal).unwrap();
    alice.wait_for("the journal to work", |view| {
        !view.lacks.iter().any(|lack| lacks(&lack.what))
    });
    let over = |kind: &Kind| matches!(kind, Kind::DegradedOver { what } if lacks(what));
    assert!(alice.events().iter().any(|event| over(&event.kind)));
    assert!(journal.join("00000001.jsonl").exists());
}

#[test]
fn why_a_peer_is_remembered_is_told_by_the_chain_of_causes() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let alice = &cluster.nodes[0];
    kill(Pid::from_raw(alice.core()), Signal::SIGKILL).unwrap();
    alice.wait_for("a new core", |view| {
        view.core_deaths == 1 && view.started.as_ref().is_some_and(|s| s.quick_restart)
    });
    cluster.settle();
    let remembered = |event: &Event| {
        let reason = &StatusReason::Remembered;
        matches!(&event.kind, Kind::NodeStatus { reason: why, .. } if why == reason)
    };
    let events = alice.events();
    let last = events.iter().find(|event| remembered(event)).unwrap();
    let ask = |related| {
        let query = EventQuery {
            related: Some(related),
            ..EventQuery::last(100)
        };
        let events = alice.client().find_events(query).unwrap();
        events
            .iter()
            .map(|event| event.kind.word())
            .collect::<Vec<_>>()
    };
    let causes = ask(Related::CausesOf(last.id.clone()));
    assert_eq!(causes, ["core-died", "started", "node-status"]);
    let death = events
        .iter()
        .find(|event| matches!(event.kind, Kind::CoreDied { .. }))
        .unwrap();
    let mut effects = ask(Related::EffectsOf(death.id.clone()));
    // A thread keeps the record; when it is done is its own affair.
    effects.retain(|word| *word != "flight-recorded");
    assert_eq!(effects[..3], ["core-died", "started", "node-status"]);
}
