//! `hactl explain`: directives and errors, without a daemon.

use crate::cli::expected::matches_file;
use crate::cli::server::{Answer, Server};
use crate::cli::stories;
use crate::{bare, ends, run, text};

fn explain(args: &[&str]) -> std::process::Output {
    bare(&["explain", "--socket", "/nonexistent/hbd.sock"])
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn a_directive_with_all_there_is_to_know() {
    let output = explain(&["deadtime"]);
    ends(&output, 0);
    matches_file("explain-deadtime", &text(&output.stdout));
}

#[test]
fn a_daemon_that_answers_adds_what_it_runs_with() {
    let server = Server::start(Answer::Snapshot(stories::in_order()));
    for (word, value) in [
        ("deadtime", "runs with  6s\n"),
        ("bcast", "runs with  eth0; eth1\n"),
        ("baud", "runs with  nothing\n"),
    ] {
        let shown = text(&run(&server, &["explain", word]).stdout);
        assert!(shown.contains(value), "{shown}");
    }
    let server = Server::start(Answer::Silence);
    let shown = text(&run(&server, &["explain", "deadtime"]).stdout);
    assert!(!shown.contains("runs with"), "{shown}");
}

#[test]
fn a_directive_that_is_refused_says_why() {
    let output = explain(&["serial"]);
    ends(&output, 0);
    matches_file("explain-serial", &text(&output.stdout));
}

#[test]
fn a_directive_as_json() {
    let output = explain(&["listen", "--json"]);
    ends(&output, 0);
    matches_file("explain-json", &text(&output.stdout));
}

#[test]
fn an_error_of_the_check_is_explained_by_its_name() {
    let output = explain(&["unknown-directive"]);
    ends(&output, 0);
    matches_file("explain-code", &text(&output.stdout));
}

#[test]
fn without_a_word_the_directives_by_chapter() {
    let output = explain(&[]);
    ends(&output, 0);
    let shown = text(&output.stdout);
    for part in ["Times\n", "  keepalive ", "time between two beats\n"] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
}

#[test]
fn a_misspelt_word_is_answered_with_the_right_one() {
    let output = explain(&["deadtme"]);
    ends(&output, 4);
    assert_eq!(
        text(&output.stderr),
        "hactl: deadtme is no directive and no error of the configuration; did you mean deadtime?\n"
    );
    let output = explain(&["frobnicate"]);
    ends(&output, 4);
    assert!(text(&output.stderr).contains("hactl explain lists the directives"));
}
