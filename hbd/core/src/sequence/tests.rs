use super::*;

const MAX_DELAY: Duration = Duration::from_millis(250);

#[test]
fn the_first_number_is_accepted_whatever_it_is() {
    let mut tracker = Tracker::default();
    assert_eq!(note(&mut tracker, 41), Arrival::InOrder);
    assert_eq!(note(&mut tracker, 42), Arrival::InOrder);
}

#[test]
fn a_number_that_came_already_is_known() {
    let mut tracker = tracked(&[1, 2, 3]);
    assert_eq!(note(&mut tracker, 3), Arrival::Known);
    assert_eq!(note(&mut tracker, 1), Arrival::Known);
}

#[test]
fn an_overtaken_message_closes_its_gap_once() {
    let mut tracker = tracked(&[1, 2, 5]);
    assert_eq!(note(&mut tracker, 3), Arrival::ClosesGap);
    assert_eq!(note(&mut tracker, 3), Arrival::Known);
    assert!(!tracker.is_complete());
    assert_eq!(note(&mut tracker, 4), Arrival::ClosesGap);
    assert!(tracker.is_complete());
}

#[test]
fn a_gap_of_251_is_not_asked_for_and_one_of_250_is() {
    let mut tracker = tracked(&[1]);
    assert_eq!(note(&mut tracker, 252), Arrival::AfterGap);
    assert_eq!(note(&mut tracker, 504), Arrival::GapTooBig { missing: 251 });
    assert!(tracker.is_complete());
}

#[test]
fn missing_messages_are_asked_for_between_50_and_250_ms_later() {
    let mut tracker = tracked(&[1, 100]);
    let earliest = tracker.ask_at().unwrap();
    assert!(earliest >= Moment(0) + Duration::from_millis(50));
    assert_eq!(tracker.ask(MAX_DELAY, Moment(0)), []);
    let runs = tracker.ask(MAX_DELAY, Moment(0) + MAX_DELAY);
    let expected = [(2, 51), (52, 99)].map(|(a, b)| (Sequence(a), Sequence(b)));
    assert_eq!(runs, expected);
    assert_eq!(tracker.ask_at(), Some(Moment(0) + 2 * MAX_DELAY));
}

#[test]
fn a_gap_is_asked_for_in_as_few_requests_as_can_name_it() {
    let mut tracker = tracked(&[1, 252]);
    let requests = (0..=250).flat_map(|millis| {
        let now = Moment(0) + Duration::from_millis(millis);
        tracker.ask(MAX_DELAY, now)
    });
    assert_eq!(requests.count(), 5);
}

#[test]
fn over_a_slow_path_one_short_run_is_asked_for_at_a_time_and_each_in_its_turn() {
    let mut tracker = tracked(&[1, 9, 11, 13]);
    let mut at = Moment(0) + MAX_DELAY;
    let mut asked = || {
        let run = tracker.ask_slowly(5, 2 * MAX_DELAY, at);
        assert_eq!(tracker.ask_slowly(5, 2 * MAX_DELAY, at), None);
        at = tracker.ask_at().unwrap();
        run.map(|(first, last)| (first.0, last.0))
    };
    let turns: Vec<_> = core::iter::from_fn(|| Some(asked())).take(5).collect();
    let expected = [(2, 6), (7, 8), (10, 10), (12, 12), (2, 6)];
    assert_eq!(turns, expected.map(Some));
    assert_eq!(at, Moment(0) + 11 * MAX_DELAY);
}

#[test]
fn of_hbd_one_in_as_many_messages_is_acknowledged_as_there_are_nodes() {
    for (nodes, every) in [(2, 50), (50, 50), (51, 51), (100, 100)] {
        assert_eq!(ack_every(true, nodes), every);
        assert_eq!(ack_every(false, nodes), 10);
    }
}

#[test]
fn what_does_not_come_is_given_up() {
    let mut tracker = tracked(&[1, 3]);
    let patience = Duration::from_secs(6);
    assert_eq!(tracker.give_up(patience, Moment(0) + patience), []);
    let late = Moment(1) + patience;
    assert_eq!(tracker.give_up(patience, late), [Sequence(2)]);
    assert!(tracker.is_complete());
}

#[test]
fn an_acknowledgement_waits_until_nothing_older_is_missing() {
    let mut tracker = tracked(&[1]);
    note(&mut tracker, 10);
    assert_eq!(tracker.acknowledge(Sequence(10), ACK_EVERY, 30), None);
    for number in 2..10 {
        note(&mut tracker, number);
    }
    assert_eq!(
        tracker.acknowledge(Sequence(9), ACK_EVERY, 30),
        Some(Sequence(10))
    );
    assert_eq!(tracker.acknowledge(Sequence(9), ACK_EVERY, 30), None);
}

fn tracked(numbers: &[u64]) -> Tracker {
    let mut tracker = Tracker::default();
    for number in numbers {
        note(&mut tracker, *number);
    }
    tracker
}

fn note(tracker: &mut Tracker, number: u64) -> Arrival {
    let delay = (Duration::from_millis(50), MAX_DELAY);
    tracker.note(Sequence(number), delay, &mut Random::new(1), Moment(0))
}
