//! `hactl health`: four words, four exit codes, one line.

use shared::api::ErrorCode;

use crate::cli::expected::matches_file;
use crate::cli::server::{Answer, Server};
use crate::cli::stories;
use crate::{bare, ends, hactl, text};

#[test]
fn a_plugin_says_it_in_one_line_with_figures() {
    let server = Server::start(Answer::Snapshot(stories::in_order()));
    let output = hactl(&server, &["health", "--nagios"]).output().unwrap();
    ends(&output, 0);
    matches_file("health-nagios-ok", &text(&output.stdout));
    let server = Server::start(Answer::Snapshot(stories::in_trouble()));
    let output = hactl(&server, &["health", "--nagios"]).output().unwrap();
    ends(&output, 2);
    let line = text(&output.stdout);
    assert_eq!(line.lines().count(), 1);
    assert_eq!(line.matches('|').count(), 1, "{line}");
    matches_file("health-nagios-critical", &line);
}

#[test]
fn people_and_programs_get_the_same_word_and_code() {
    let server = Server::start(Answer::Snapshot(stories::in_trouble()));
    let output = hactl(&server, &["health", "-v"]).output().unwrap();
    ends(&output, 2);
    matches_file("health-verbose", &text(&output.stdout));
    let output = hactl(&server, &["health", "--json"]).output().unwrap();
    ends(&output, 2);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["health"], "CRITICAL");
    assert_eq!(report["figures"]["nodes_active"], 2.0);
    assert_eq!(report["verdict"]["level"], "error");
}

#[test]
fn an_hbd_that_does_not_run_or_hangs_is_critical() {
    let output = bare(&["health", "--nagios", "--socket", "/nonexistent/hbd.sock"])
        .output()
        .unwrap();
    ends(&output, 2);
    assert_eq!(
        text(&output.stdout),
        "HBD CRITICAL - cannot connect to /nonexistent/hbd.sock: No such file or directory (os error \
         2); hbd does not run there, or runs with another --run directory\n"
    );
    for answer in [Answer::Silence, Answer::HangUp] {
        let server = Server::start(answer);
        let output = hactl(&server, &["health", "--nagios", "--timeout", "100ms"])
            .output()
            .unwrap();
        ends(&output, 2);
        assert!(text(&output.stdout).starts_with("HBD CRITICAL - hbd "));
        assert_eq!(text(&output.stderr), "");
    }
}

#[test]
fn whoever_may_not_ask_does_not_know() {
    let server = Server::start(Answer::Refusal(
        ErrorCode::NotPermitted,
        "uid 65534 may not observe | add to ha.cf: apiauth hbd-observe uid=nobody",
    ));
    let output = hactl(&server, &["health", "--nagios"]).output().unwrap();
    ends(&output, 3);
    let line = text(&output.stdout);
    assert!(line.starts_with("HBD UNKNOWN - uid 65534"), "{line}");
    assert!(!line.contains('|'), "{line}");
}

#[test]
fn wrong_usage_is_unknown_and_never_looks_like_critical() {
    for args in [
        &["health", "--nagois"][..],
        &["health", "--timeout", "soon"],
        &["--socket", "/nonexistent", "health", "bob"],
    ] {
        let output = bare(args).output().unwrap();
        ends(&output, 3);
        assert!(text(&output.stdout).starts_with("HBD UNKNOWN - "));
    }
    ends(&bare(&["nodes", "--helth"]).output().unwrap(), 2);
}

#[test]
fn a_full_disk_is_unknown() {
    let server = Server::start(Answer::Snapshot(stories::in_order()));
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = hactl(&server, &["health"]).stdout(full).output().unwrap();
    ends(&output, 3);
}
