use alloc::vec;
use alloc::vec::Vec;

use shared::session::Payload;

use super::*;
use crate::session::{FRAGMENT_BYTES_MAX, Fragment};

const SESSION: SessionId = SessionId(40);
const STREAM: StreamId = StreamId(7);

fn client(name: &str) -> ClientName {
    ClientName::new(name).unwrap()
}

fn bob() -> NodeName {
    NodeName::new("bob").unwrap()
}

fn office() -> Office {
    let mut office = Office::new(3);
    office.core_began();
    office
}

fn orders(office: &mut Office) -> Vec<SessionOrder> {
    core::iter::from_fn(|| office.poll_order()).collect()
}

fn notices(office: &mut Office) -> Vec<Notice> {
    core::iter::from_fn(|| office.poll_notice()).collect()
}

fn offered(office: &mut Office) -> Vec<(u64, usize, bool)> {
    orders(office)
        .into_iter()
        .filter_map(|order| match order {
            SessionOrder::Offer { fragment, .. } => {
                Some((fragment.message, fragment.bytes.0.len(), fragment.last))
            }
            _ => None,
        })
        .collect()
}

fn sender(office: &mut Office) -> StreamId {
    let stream = office
        .open(client("cron"), bob(), client("backup"))
        .unwrap();
    office.handle_news(SessionNews::Opened {
        stream,
        listener: 1,
    });
    stream
}

fn listener() -> Office {
    let mut office = office();
    office.listen(client("backup")).unwrap();
    arrive(&mut office, SESSION);
    office
}

fn arrive(office: &mut Office, session: SessionId) {
    let listener = office.last_listener;
    arrive_for(office, session, listener);
}

fn arrive_for(office: &mut Office, session: SessionId, listener: u64) {
    office.handle_news(SessionNews::Arrived {
        session,
        stream: STREAM,
        node: bob(),
        from: client("cron"),
        to: client("backup"),
        listener,
    });
}

fn receive(office: &mut Office, session: SessionId, message: u64, text: &str, last: bool) {
    let fragment = Fragment {
        message,
        class: Class::Bulk,
        last,
        bytes: Payload(text.as_bytes().to_vec()),
    };
    office.handle_news(SessionNews::Fragment { session, fragment });
}

fn handed(office: &mut Office) -> Vec<(u64, Vec<u8>)> {
    notices(office)
        .into_iter()
        .filter_map(|notice| match notice {
            Notice::Message {
                delivery, bytes, ..
            } => Some((delivery.0, bytes)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_session_for_a_listener_that_went_is_none_for_the_next_of_its_name() {
    let mut office = office();
    office.listen(client("backup")).unwrap();
    let former = office.last_listener;
    office.unlisten(&client("backup"));
    office.listen(client("backup")).unwrap();
    arrive_for(&mut office, SESSION, former);
    receive(&mut office, SESSION, 1, "begin", true);
    assert_eq!(notices(&mut office), []);
    arrive(&mut office, SESSION);
    receive(&mut office, SESSION, 1, "begin", true);
    assert_eq!(handed(&mut office), [(1, b"begin".to_vec())]);
}

#[test]
fn a_message_is_offered_in_fragments_as_far_as_there_is_room() {
    let mut office = office();
    let stream = sender(&mut office);
    orders(&mut office);
    let bytes = vec![0; 70 * FRAGMENT_BYTES_MAX + 1];
    assert_eq!(office.send(stream, Class::Bulk, bytes), Ok(1));
    assert_eq!(offered(&mut office).len(), 65);
    office.handle_news(SessionNews::Room {
        stream,
        fragments: 20,
    });
    let rest = offered(&mut office);
    assert_eq!(rest.len(), 6);
    assert_eq!(rest.last(), Some(&(1, 1, true)));
}

#[test]
fn a_message_without_bytes_is_one_fragment() {
    let mut office = office();
    let stream = sender(&mut office);
    office.send(stream, Class::Control, vec![]).unwrap();
    assert_eq!(offered(&mut office), [(1, 0, true)]);
}

#[test]
fn what_was_not_acknowledged_is_offered_again_to_the_next_core() {
    let mut office = office();
    let stream = sender(&mut office);
    for text in ["one", "two"] {
        office.send(stream, Class::Control, text.into()).unwrap();
    }
    office.handle_news(SessionNews::Acknowledged { stream, message: 1 });
    notices(&mut office);
    office.core_died();
    assert_eq!(
        notices(&mut office),
        [Notice::Interrupted {
            stream,
            unacknowledged: 1
        }]
    );
    assert!(orders(&mut office).is_empty());
    office.core_began();
    assert!(offered(&mut office).is_empty());
    office.handle_news(SessionNews::Opened {
        stream,
        listener: 1,
    });
    assert_eq!(offered(&mut office), [(2, 3, true)]);
}

#[test]
fn what_one_listener_was_offered_is_not_offered_to_its_successor() {
    let mut office = office();
    let stream = sender(&mut office);
    office.send(stream, Class::Control, b"x".to_vec()).unwrap();
    notices(&mut office);
    office.handle_news(SessionNews::Closed {
        stream,
        ending: Ending::Restarted,
    });
    office.handle_news(SessionNews::Opened {
        stream,
        listener: 2,
    });
    let last = notices(&mut office).pop();
    assert_eq!(
        last,
        Some(Notice::Closed {
            stream,
            ending: Ending::ClientGone,
            unacknowledged: 1
        })
    );
    let last = orders(&mut office).pop();
    assert_eq!(last, Some(SessionOrder::GiveUp { stream }));
}

#[test]
fn a_message_that_is_too_long_or_one_too_many_is_refused() {
    let mut office = office();
    let stream = sender(&mut office);
    let long = vec![0; MESSAGE_BYTES_MAX + 1];
    let refused = office.send(stream, Class::Bulk, long);
    assert_eq!(refused, Err(Refusal::TooLong(MESSAGE_BYTES_MAX)));
    for _ in 0..WAITING_MAX {
        office.send(stream, Class::Control, vec![]).unwrap();
    }
    let refused = office.send(stream, Class::Control, vec![]);
    assert_eq!(refused, Err(Refusal::Full));
    office.handle_news(SessionNews::Acknowledged { stream, message: 1 });
    assert!(office.send(stream, Class::Control, vec![]).is_ok());
}

#[test]
fn the_bytes_that_wait_in_all_streams_are_bounded() {
    let mut office = office();
    let stream = sender(&mut office);
    let whole = WAITING_BYTES_MAX / MESSAGE_BYTES_MAX;
    for _ in 0..whole {
        let bytes = vec![0; MESSAGE_BYTES_MAX];
        office.send(stream, Class::Bulk, bytes).unwrap();
    }
    let refused = office.send(stream, Class::Control, vec![0]);
    assert_eq!(refused, Err(Refusal::Full));
    office.give_up(stream);
    let stream = sender(&mut office);
    assert!(office.send(stream, Class::Control, vec![0]).is_ok());
}

#[test]
fn a_stream_is_closed_after_everything_older() {
    let mut office = office();
    let stream = sender(&mut office);
    office.send(stream, Class::Control, vec![]).unwrap();
    orders(&mut office);
    office.leave();
    assert!(orders(&mut office).is_empty());
    let refused = office.open(client("other"), bob(), client("backup"));
    assert_eq!(refused, Err(Refusal::Leaving));
    office.handle_news(SessionNews::Acknowledged { stream, message: 1 });
    assert_eq!(orders(&mut office), [SessionOrder::Close { stream }]);
    assert!(!office.is_idle());
    office.handle_news(SessionNews::Closed {
        stream,
        ending: Ending::Closed,
    });
    assert!(office.is_idle());
}

#[test]
fn fragments_become_messages_and_the_client_acknowledges_them() {
    let mut office = listener();
    receive(&mut office, SESSION, 1, "hello ", false);
    assert!(handed(&mut office).is_empty());
    receive(&mut office, SESSION, 1, "world", true);
    assert_eq!(handed(&mut office), [(1, b"hello world".to_vec())]);
    orders(&mut office);
    assert!(office.acknowledge(&client("backup"), Delivery(1)));
    assert_eq!(
        orders(&mut office),
        [SessionOrder::Acknowledge {
            session: SESSION,
            message: 1
        }]
    );
    assert!(!office.acknowledge(&client("backup"), Delivery(1)));
}

#[test]
fn what_comes_again_in_another_session_is_not_handed_over_again() {
    let mut office = listener();
    receive(&mut office, SESSION, 1, "one", true);
    receive(&mut office, SESSION, 2, "two", true);
    assert_eq!(handed(&mut office).len(), 2);
    office.acknowledge(&client("backup"), Delivery(1));
    let ending = Ending::Restarted;
    let session = SESSION;
    office.handle_news(SessionNews::Ended { session, ending });
    let next = SessionId(41);
    arrive(&mut office, next);
    orders(&mut office);
    receive(&mut office, next, 1, "one", true);
    receive(&mut office, next, 2, "two", true);
    receive(&mut office, next, 3, "three", true);
    assert_eq!(handed(&mut office), [(3, b"three".to_vec())]);
    let again = SessionOrder::Acknowledge {
        session: next,
        message: 1,
    };
    assert!(orders(&mut office).contains(&again));
}

#[test]
fn a_listener_that_acknowledges_nothing_stops_its_senders() {
    let mut office = listener();
    let big = "x".repeat(FRAGMENT_BYTES_MAX);
    let mut taken = 0;
    for message in 1..=3000 {
        receive(&mut office, SESSION, message, &big, true);
        taken += orders(&mut office).len();
    }
    assert_eq!(handed(&mut office).len(), incoming::HANDED_MAX);
    assert!(taken < 600, "{taken}");
}

#[test]
fn the_end_is_told_after_everything_older() {
    let mut office = listener();
    for message in 1..=incoming::HANDED_MAX as u64 + 1 {
        receive(&mut office, SESSION, message, "x", true);
    }
    let session = SESSION;
    let ending = Ending::Closed;
    office.handle_news(SessionNews::Ended { session, ending });
    assert_eq!(handed(&mut office).len(), incoming::HANDED_MAX);
    orders(&mut office);
    office.acknowledge(&client("backup"), Delivery(5));
    let told = notices(&mut office);
    assert!(matches!(
        told[..],
        [Notice::Message { .. }, Notice::Ended { .. }]
    ));
    assert!(orders(&mut office).contains(&SessionOrder::Release { session }));
}

#[test]
fn a_message_that_grows_beyond_the_limit_ends_its_session() {
    let mut office = listener();
    let big = "x".repeat(FRAGMENT_BYTES_MAX);
    for _ in 0..=MESSAGE_BYTES_MAX / FRAGMENT_BYTES_MAX {
        receive(&mut office, SESSION, 1, &big, false);
    }
    let ended = notices(&mut office).pop();
    assert!(
        matches!(
            ended,
            Some(Notice::Ended {
                ending: Ending::Broken,
                ..
            })
        ),
        "{ended:?}"
    );
}

#[test]
fn a_stream_that_is_about_to_end_does_not_keep_its_name() {
    let mut office = office();
    let stream = sender(&mut office);
    let again = office.open(client("cron"), bob(), client("backup"));
    assert_eq!(again, Err(Refusal::NameTaken));
    office.close(stream);
    let next = office.open(client("cron"), bob(), client("backup"));
    assert!(next.is_ok_and(|next| next != stream));
}
