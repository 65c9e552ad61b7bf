//! `hactl timers`: sums with their numbers, and what the measured silence advises.

use crate::cli::expected::matches_file;
use crate::cli::server::{Answer, Server};
use crate::cli::stories;
use crate::{ends, hactl, run, text};

#[test]
fn each_sum_has_its_formula_and_its_number() {
    let server = Server::start(Answer::Snapshot(stories::in_trouble()));
    let output = run(&server, &["timers"]);
    matches_file("timers", &text(&output.stdout));
}

#[test]
fn sums_and_advice_as_json() {
    let server = Server::start(Answer::Snapshot(stories::in_trouble()));
    let output = run(&server, &["timers", "--json"]);
    matches_file("timers-json", &text(&output.stdout));
}

#[test]
fn the_advice_is_twice_what_this_node_itself_stalled_where_that_is_worse_than_any_silence() {
    let mut snapshot = stories::in_trouble();
    let sample = snapshot.sample.as_mut().unwrap();
    assert_eq!(sample.worst_stall.as_millis(), 3400);
    sample
        .links
        .retain(|link| link.link.to_string() == "bob/eth0");
    let server = Server::start(Answer::Snapshot(snapshot));
    let shown = text(&run(&server, &["timers"]).stdout);
    let advice = "deadtime 6 s is too near to what was measured; take at least 6.8 s";
    assert!(shown.contains(advice), "{shown}");
}

#[test]
fn nothing_measured_is_no_advice() {
    let server = Server::start(Answer::Snapshot(stories::in_order()));
    let shown = text(&run(&server, &["timers"]).stdout);
    assert!(
        shown.contains("no two beats came over any link yet"),
        "{shown}"
    );
    assert!(!shown.contains("at least 3 s"), "{shown}");
}

#[test]
fn a_daemon_that_does_not_know_the_question_is_too_old() {
    let server = Server::start(Answer::Refusal(
        shared::api::ErrorCode::BadRequest,
        "unknown request",
    ));
    let output = hactl(&server, &["timers"]).output().unwrap();
    ends(&output, 1);
    assert!(text(&output.stderr).contains("hbd 0.1.0 is older than this hactl"));
}
