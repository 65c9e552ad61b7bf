//! `hactl message send`: what is said where hbd does not say what came of the message.

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
