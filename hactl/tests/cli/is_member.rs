//! `hactl is-member`: yes, no, and nobody can tell.

use crate::cli::server::{Answer, Server};
use crate::cli::stories;
use crate::{bare, ends, hactl, text};

#[test]
fn yes_is_0_and_no_is_1_and_neither_says_a_word() {
    let server = Server::start(Answer::Snapshot(stories::in_trouble()));
    for (args, code) in [
        (&["is-member"][..], 0),
        (&["is-member", "alice"], 0),
        (&["is-member", "bob"], 0),
        (&["is-member", "carol"], 1),
    ] {
        let output = hactl(&server, args).output().unwrap();
        ends(&output, code);
        assert_eq!(text(&output.stdout) + &text(&output.stderr), "", "{args:?}");
    }
}

#[test]
fn a_node_that_does_not_exist_is_no_member_that_is_out() {
    let server = Server::start(Answer::Snapshot(stories::in_order()));
    let output = hactl(&server, &["is-member", "dave"]).output().unwrap();
    ends(&output, 4);
    assert!(text(&output.stderr).contains("its nodes are alice, bob, carol"));
}

#[test]
fn where_nobody_can_tell_the_answer_is_neither_yes_nor_no() {
    for answer in [
        Answer::Snapshot(stories::stale()),
        Answer::Snapshot(shared::api::Snapshot::default()),
        Answer::Silence,
        Answer::HangUp,
    ] {
        let server = Server::start(answer);
        let output = hactl(&server, &["is-member", "--timeout", "100ms"])
            .output()
            .unwrap();
        ends(&output, 3);
        assert_eq!(text(&output.stdout), "");
        assert!(!text(&output.stderr).is_empty());
    }
    let output = bare(&["is-member", "--socket", "/nonexistent/hbd.sock"])
        .output()
        .unwrap();
    ends(&output, 3);
}
