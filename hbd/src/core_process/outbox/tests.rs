use std::os::unix::net::UnixStream;

use shared::event::{EventSource, Kind, Role};
use shared::names::Generation;
use shared::time::Now;

use super::*;
use crate::channel::{Channel, ToCore};

const MANY: u64 = 3 * EVENTS_MAX as u64;

#[test]
fn a_supervisor_that_does_not_read_costs_events_that_are_counted_and_made_good_by_a_view() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut channel = Channel::new(ours.into()).unwrap();
        let mut reader = Channel::<ToCore, FromCore>::new(theirs.into()).unwrap();
        let mut outbox = Outbox::default();
        let mut source = source();
        for _ in 0..MANY {
            outbox.event(event(&mut source));
            outbox.post(&mut channel).unwrap();
        }
        assert!(channel.waiting() < 2 * CHANNEL_MAX, "{}", channel.waiting());
        let mut told = Vec::new();
        let mut last = 0;
        while last < MANY {
            outbox.post(&mut channel).unwrap();
            let message = tokio::select! {
                biased;
                message = reader.next() => message.unwrap().unwrap().0,
                sent = channel.flush(), if channel.waiting() > 0 => {
                    sent.unwrap();
                    continue;
                }
            };
            last = number(&message, last);
            told.push(message);
        }
        assert!(outbox.is_empty());
        let gap = told.iter().position(|m| matches!(m, FromCore::Dropped(_)));
        let gap = gap.expect("something was dropped");
        assert!(matches!(told[gap + 1], FromCore::View(_)));
    });
}

#[test]
fn the_next_supervisor_is_told_what_the_last_one_may_not_have_recorded() {
    let mut outbox = Outbox::default();
    let mut source = source();
    for _ in 0..5 {
        outbox.event(event(&mut source));
    }
    assert_eq!(
        told(&mut outbox),
        ["event 1", "event 2", "event 3", "event 4", "event 5"]
    );
    outbox.event(event(&mut source));
    outbox.lack(Lack {
        what: "rights".into(),
        why: "none".into(),
        remedy: "root".into(),
    });
    outbox.sending(MediumIndex(1), Some("down".into()));
    outbox.tell_again(3);
    assert_eq!(
        told(&mut outbox),
        ["again 4", "again 5", "event 6", "lacks", "sending", "told"]
    );
    assert!(outbox.is_empty());
}

#[test]
fn a_gap_that_cannot_be_filled_is_told_and_a_view_stands_for_it() {
    let mut outbox = Outbox::default();
    let mut source = source();
    for _ in 0..EVENTS_MAX + 10 {
        outbox.event(event(&mut source));
        told(&mut outbox);
    }
    outbox.tell_again(4);
    let again = told(&mut outbox);
    assert_eq!(again[..3], ["dropped 6", "view", "again 11"]);
    assert_eq!(again.len(), 2 + EVENTS_MAX + 1);
}

#[test]
fn the_view_of_a_manager_holds_all_events_also_those_that_are_not_kept() {
    let mut outbox = Outbox::default();
    let mut source = source();
    outbox.event(event(&mut source));
    for _ in 0..EVENTS_MAX + 10 {
        outbox.event(Box::new(source.event(Kind::Leaving, None, Now::default())));
    }
    let view = outbox.view();
    assert!(view.communication_up && view.leaving);
    let last = view.last_event.map(|last| last.counter);
    assert_eq!(last, Some(EVENTS_MAX as u64 + 11));
}

fn source() -> EventSource {
    let alice = NodeName::new("alice").unwrap();
    EventSource::new(alice, Role::Core, Generation(1))
}

fn event(source: &mut EventSource) -> Box<Event> {
    Box::new(source.event(Kind::CommunicationUp, None, Now::default()))
}

/// Everything that waits, in words.
fn told(outbox: &mut Outbox) -> Vec<String> {
    std::iter::from_fn(|| outbox.next()).map(words).collect()
}

fn words(message: FromCore) -> String {
    match message {
        FromCore::Event(event) => format!("event {}", event.id.counter),
        FromCore::Again(event) => format!("again {}", event.id.counter),
        FromCore::Dropped(count) => format!("dropped {count}"),
        FromCore::View(_) => "view".into(),
        FromCore::Lacks(_) => "lacks".into(),
        FromCore::Sending { .. } => "sending".into(),
        FromCore::Told => "told".into(),
        other => format!("{other:?}"),
    }
}

/// The number of the last event told with the message: none is skipped in silence.
fn number(message: &FromCore, last: u64) -> u64 {
    match message {
        FromCore::Event(event) => {
            assert_eq!(event.id.counter, last + 1);
            last + 1
        }
        FromCore::Dropped(count) => last + count,
        FromCore::View(_) => last,
        other => panic!("{other:?}"),
    }
}
