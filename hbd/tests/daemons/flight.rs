//! The flight recorder: what went into a core is kept, and replays to the same events.

use std::fs;

use hbd_tests::sim::replay::{Difference, replay};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shared::api::{Fault, Request, Success};
use shared::event::{Event, Kind, LinkStatus, Role};

use crate::cluster::{Cluster, until};
use crate::{TWO, bcast_and_mcast, medium};

#[test]
fn what_a_core_went_through_replays_to_the_same_events() {
    let cluster = Cluster::start_with(&TWO, bcast_and_mcast(), &["--allow-faults"]);
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    let mut client = alice.client();
    for (loss_percent, cut_in, hoped) in [(20, true, LinkStatus::Dead), (20, false, LinkStatus::Up)]
    {
        let fault = Fault {
            medium: medium("bcast:lo"),
            cut_in,
            cut_out: false,
            loss_percent,
        };
        client.request(Request::Fault(fault)).unwrap();
        alice.wait_for("the link to follow", |view| {
            view.nodes[&bob.name].links[&medium("bcast:lo")].status == hoped
        });
    }
    kill(Pid::from_raw(bob.core()), Signal::SIGKILL).unwrap();
    alice.wait_for("bob to be back", |view| view.nodes[&bob.name].restarts == 1);
    let Success::Recorded { file } = client.request(Request::Record).unwrap() else {
        panic!("no record");
    };
    let record = fs::read(&file).unwrap();
    let replayed = replay(&record).unwrap_or_else(|difference| panic!("{difference}"));
    assert!(replayed.inputs > 50, "{}", replayed.inputs);
    let of_core = |event: &&Event| event.id.incarnation.role == Role::Core;
    let events = alice.events();
    let last = events.iter().rfind(of_core).unwrap();
    assert!(
        replayed.events as u64 >= last.id.counter - 1,
        "{}",
        replayed.events
    );
    let secret = b"daemons";
    assert!(
        !record.windows(secret.len()).any(|bytes| bytes == secret),
        "the key is in the record"
    );
    a_planted_difference_is_found(record);
}

/// Says in the record that a node left which came.
fn a_planted_difference_is_found(mut record: Vec<u8>) {
    let text = b"\"text\":\"node bob active";
    let found = record.windows(text.len()).position(|bytes| bytes == text);
    let place = found.expect("bob came") + text.len() - 1;
    record[place] = b'x';
    let Err(difference) = replay(&record) else {
        panic!("not found");
    };
    let Difference::Event { recorded, came, .. } = *difference else {
        panic!("{difference}");
    };
    assert!(recorded.unwrap().text.starts_with("node bob activx"));
    assert!(came.unwrap().text.starts_with("node bob active"));
}

#[test]
fn a_core_that_is_killed_leaves_its_record() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let alice = &cluster.nodes[0];
    kill(Pid::from_raw(alice.core()), Signal::SIGKILL).unwrap();
    let (file, death) = until("the record", || {
        alice
            .events()
            .into_iter()
            .find_map(|event| match &event.kind {
                Kind::FlightRecorded { file, .. } => {
                    Some((file.clone(), event.caused_by().cloned()))
                }
                _ => None,
            })
    });
    let events = alice.events();
    let cause = events
        .iter()
        .find(|event| Some(&event.id) == death.as_ref())
        .unwrap();
    assert!(matches!(cause.kind, Kind::CoreDied { .. }));
    let record = fs::read(&file).unwrap();
    let replayed = replay(&record).unwrap_or_else(|difference| panic!("{difference}"));
    assert!(replayed.inputs > 10, "{}", replayed.inputs);
    assert!(replayed.events > 3, "{}", replayed.events);
}

#[test]
fn a_record_that_cannot_be_written_is_kept_until_it_can_be_and_then_nothing_lacks() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let alice = &cluster.nodes[0];
    let records = alice.home.join("state/records");
    fs::write(&records, b"in the way").unwrap();
    kill(Pid::from_raw(alice.core()), Signal::SIGKILL).unwrap();
    let lacks = |what: &str| what == "a flight record";
    alice.wait_for("word of the record", |view| {
        view.lacks.iter().any(|lack| lacks(&lack.what))
    });
    fs::remove_file(&records).unwrap();
    alice.wait_for("the record to be written", |view| {
        view.lacks.iter().all(|lack| !lacks(&lack.what))
    });
    let events = alice.events();
    let over = |event: &Event| matches!(&event.kind, Kind::DegradedOver { what } if lacks(what));
    assert!(events.iter().any(over));
    let written = events.iter().find_map(|event| match &event.kind {
        Kind::FlightRecorded { file, reason } => Some((file, reason, event.caused_by()?)),
        _ => None,
    });
    let (file, reason, death) = written.unwrap();
    assert_eq!(reason, "the core died");
    let death = events.iter().find(|event| event.id == *death).unwrap();
    assert!(matches!(death.kind, Kind::CoreDied { .. }));
    replay(&fs::read(file).unwrap()).unwrap_or_else(|difference| panic!("{difference}"));
}
