//! `hactl message send`: what is said where hbd does not say what came of the message.

use std::fs::File;

use shared::api::ErrorCode;

use crate::cli::server::{Answer, Server};
use crate::{ends, hactl, text};

const SEND: [&str; 5] = ["message", "send", "bob", "backup", "begin"];

#[test]
fn a_connection_that_ends_before_the_reply_leaves_it_open_whether_the_message_was_delivered() {
    let server = Server::start(Answer::HangUpWhenAsked);
    let output = hactl(&server, &SEND).output().unwrap();
    ends(&output, 3);
    let said = text(&output.stderr);
    let end = "; whether it was delivered is not known\n";
    assert!(said.ends_with(end), "{said}");
}

#[test]
fn an_answer_that_makes_no_sense_leaves_it_open_too() {
    let server = Server::start(Answer::Raw(vec!["what?".into()]));
    let output = hactl(&server, &SEND).output().unwrap();
    ends(&output, 1);
    let said = text(&output.stderr);
    let end = "; whether it was delivered is not known\n";
    assert!(said.ends_with(end), "{said}");
}

#[test]
fn a_message_that_never_left_is_not_in_doubt() {
    let server = Server::start(Answer::HangUp);
    let output = hactl(&server, &SEND).output().unwrap();
    ends(&output, 3);
    let said = text(&output.stderr);
    assert!(!said.contains("not known"), "{said}");
}

#[test]
fn a_refusal_after_which_nothing_was_delivered_is_told_from_a_session_that_ended() {
    for (code, exit) in [
        (ErrorCode::BadRequest, 7),
        (ErrorCode::Refused, 7),
        (ErrorCode::NotFound, 4),
        (ErrorCode::NotPermitted, 5),
        (ErrorCode::Unavailable, 1),
    ] {
        let server = Server::start(Answer::Refusal(code, "so it is"));
        let output = hactl(&server, &SEND).output().unwrap();
        ends(&output, exit);
        assert_eq!(text(&output.stderr), "hactl: so it is\n");
    }
}

#[test]
fn a_message_that_cannot_be_read_was_not_delivered() {
    let server = Server::start(Answer::Raw(Vec::new()));
    let output = hactl(&server, &["message", "send", "bob", "backup", "-"])
        .stdin(File::open("/").unwrap())
        .output()
        .unwrap();
    ends(&output, 7);
    let said = text(&output.stderr);
    assert!(said.ends_with("; nothing was delivered\n"), "{said}");
}
