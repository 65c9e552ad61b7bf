//! Orders about groups: who is asked before, what is shown, and how the waiting ends.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};

use nix::pty::openpty;
use shared::api::{ErrorCode, Snapshot};
use shared::event::Event;
use shared::group::GroupName;
use shared::names::NodeName;
use shared::order::Change;
use shared::view::{PingNodes, Stamp};

use crate::cli::expected::matches_file;
use crate::cli::server::{Answer, Server};
use crate::cli::stories;
use crate::{ends, hactl, run, text};

fn change(group: &str, from: Option<&str>, to: Option<&str>) -> Change {
    let node = |name| NodeName::new(name).unwrap();
    Change {
        group: GroupName::new(group).unwrap(),
        from: from.map(node),
        to: to.map(node),
    }
}

/// A server that does this with web, which is on alice.
fn server(to: Option<&str>, then: Vec<Event>) -> Server {
    Server::start(Answer::Ordered {
        snapshot: stories::with_groups(),
        changes: vec![change("web", Some("alice"), to)],
        then,
    })
}

fn called(server: &Server, args: &[&str]) -> Output {
    hactl(server, args).output().unwrap()
}

#[test]
fn a_move_says_what_changes_and_for_how_long() {
    let output = run(&server(Some("bob"), Vec::new()), &["move", "web", "bob"]);
    matches_file("move", &text(&output.stdout));
    let args = ["move", "web", "bob", "--for", "ever", "--dry-run"];
    let output = run(&server(Some("bob"), Vec::new()), &args);
    matches_file("move-dry-run", &text(&output.stdout));
}

#[test]
fn a_move_to_a_node_that_reaches_no_ping_node_says_so() {
    for (there, warns) in [(0, true), (1, false)] {
        let mut snapshot = stories::with_groups();
        snapshot.view.ping_nodes = Some(PingNodes {
            node: NodeName::new("bob").unwrap(),
            here: 2,
            there,
            better: None,
            counts_at: None,
            since: Stamp::default(),
        });
        let server = Server::start(Answer::Ordered {
            snapshot,
            changes: vec![change("web", Some("alice"), Some("bob"))],
            then: Vec::new(),
        });
        let output = text(&run(&server, &["move", "web", "bob", "--dry-run"]).stdout);
        let said = "group web will move from alice to bob: bob reaches no ping node";
        assert_eq!(output.contains(said), warns, "{output}");
    }
}

#[test]
fn called_by_the_name_of_heartbeats_command_it_is_that_command() {
    let server = server(Some("bob"), Vec::new());
    let link = server.path().with_extension("hb_standby");
    std::fs::create_dir(&link).unwrap();
    let command = link.join("hb_standby");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hactl"), &command).unwrap();
    let call = |words: &[&str]| {
        let mut call = Command::new(&command);
        call.args(words).env("HBD_SOCKET", server.path());
        call.output().unwrap()
    };
    let (all, wrong, help) = (call(&[]), call(&["--for"]), call(&["--help"]));
    std::fs::remove_dir_all(&link).unwrap();
    ends(&all, 0);
    matches_file("hb-standby", &text(&all.stdout));
    ends(&wrong, 2);
    let usage = "usage: hb_standby [all|foreign|local|failback]\n";
    assert!(text(&wrong.stderr).ends_with(usage));
    ends(&help, 0);
    assert!(text(&help.stdout).starts_with(usage));
}

#[test]
fn a_move_as_json_names_changes_and_end() {
    let args = ["move", "web", "--json", "--for", "2h"];
    let output = run(&server(Some("bob"), Vec::new()), &args);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["outcome"], "ordered");
    assert_eq!(report["changes"][0]["to"], "bob");
    assert!(report["until"].as_str().unwrap().ends_with('Z'));
    assert_eq!(report["took_ms"], serde_json::Value::Null);
}

#[test]
fn a_word_that_is_no_group_and_no_node_is_exit_4() {
    let server = server(Some("bob"), Vec::new());
    for args in [
        &["move", "web", "bbo"][..],
        &["move", "wbe"],
        &["cleanup", "wbe"],
    ] {
        let output = called(&server, args);
        ends(&output, 4);
        assert!(text(&output.stderr).contains("web, mail"), "{args:?}");
    }
}

#[test]
fn what_stops_a_group_everywhere_or_moves_all_wants_yes_where_nobody_can_be_asked() {
    for (to, args, code) in [
        (None, &["move", "web", "bob"][..], 7),
        (None, &["move", "web", "bob", "--yes"], 0),
        (None, &["move", "web", "bob", "--dry-run"], 0),
        (Some("bob"), &["standby"], 7),
        (Some("bob"), &["standby", "all", "-y"], 0),
        (Some("bob"), &["standby", "local"], 0),
        (Some("bob"), &["takeover"], 7),
        (Some("bob"), &["takeover", "failback"], 0),
        // Nothing moves.
        (Some("alice"), &["takeover"], 0),
        (Some("alice"), &["fence", "confirm", "bob"], 7),
        (Some("alice"), &["fence", "confirm", "bob", "--yes"], 0),
        (None, &["fence", "off", "bob"], 7),
        (None, &["fence", "off", "bob", "--yes"], 0),
        (None, &["fence", "off", "bob", "--dry-run"], 0),
    ] {
        let output = called(&server(to, Vec::new()), args);
        ends(&output, code);
        let said = text(&output.stderr);
        assert_eq!(said.contains("say --yes"), code == 7, "{args:?}: {said}");
    }
}

#[test]
fn on_a_terminal_a_person_is_asked() {
    for (args, answer, code) in [
        (&["standby"][..], "y\n", 0),
        (&["standby"], "\n", 7),
        (&["fence", "confirm", "bob"], "bob\n", 0),
        (&["fence", "confirm", "bob"], "yes\n", 7),
        (&["fence", "off", "bob"], "bob\n", 0),
        (&["fence", "off", "bob"], "y\n", 7),
    ] {
        let server = server(Some("bob"), Vec::new());
        let pty = openpty(None, None).unwrap();
        let mut child = hactl(&server, args)
            .stdin(pty.slave.try_clone().unwrap())
            .stderr(pty.slave)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut person = File::from(pty.master);
        person.write_all(answer.as_bytes()).unwrap();
        let mut said = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(code), "{args:?}: {said}");
        assert_eq!(said.contains("group web will move"), code == 0, "{said}");
    }
}

#[test]
fn waiting_ends_when_it_is_so_and_when_it_will_not_be() {
    let output = called(
        &server(Some("bob"), stories::web_moves_to_bob()),
        &["move", "web", "--wait"],
    );
    ends(&output, 0);
    assert!(text(&output.stdout).contains("\ndone after "));
    let output = called(
        &server(Some("bob"), stories::web_returns_from_bob()),
        &["move", "web", "--wait", "--json"],
    );
    ends(&output, 1);
    assert_eq!(
        text(&output.stderr),
        "hactl: group web is started on alice\n"
    );
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["outcome"], "failed");
    let args = ["move", "web", "--wait=300ms"];
    let output = called(&server(Some("bob"), Vec::new()), &args);
    ends(&output, 6);
    assert!(text(&output.stderr).starts_with("hactl: not done within 300 ms"));
}

#[test]
fn a_group_that_does_not_go_where_it_was_ordered_is_not_done() {
    let failed = "on bob: start of web failed: no such device (group web)";
    let held = "nothing is taken over from bob: it is fenced first";
    for (snapshot, change, args, said, missing) in [
        (
            stories::web_failed_on_bob(),
            change("web", Some("alice"), Some("alice")),
            &["move", "web", "bob", "--wait=300ms"],
            format!("group web stays on alice: {failed}; repair it, then run hactl cleanup web\n"),
            format!("group web is started on alice: {failed}"),
        ),
        (
            stories::fencing_fails(),
            change("mail", None, None),
            &["move", "mail", "alice", "--wait=300ms"],
            format!("group mail stays stopped: {held}"),
            format!("group mail is stopped everywhere; {held}"),
        ),
    ] {
        let server = Server::start(Answer::Ordered {
            snapshot,
            changes: vec![change],
            then: Vec::new(),
        });
        let output = called(&server, args);
        ends(&output, 6);
        let shown = text(&output.stdout);
        assert!(shown.contains(&said) && !shown.contains("done"), "{shown}");
        let end = text(&output.stderr);
        assert!(end.contains(&missing), "{end}");
    }
}

#[test]
fn a_node_is_off_when_its_device_says_so() {
    let args = &["fence", "off", "bob", "--yes", "--wait=20s"];
    let output = called(&server(None, stories::bob_is_fenced()), args);
    ends(&output, 0);
    assert!(text(&output.stdout).contains("\ndone after "));
    let output = called(&server(None, stories::bob_is_not_fenced()), args);
    ends(&output, 1);
    assert_eq!(
        text(&output.stderr),
        "hactl: fence_ipmilan did not switch off bob: no answer\n"
    );
    let args = &["fence", "off", "bob", "--yes", "--wait=300ms"];
    ends(&called(&server(None, Vec::new()), args), 6);
}

#[test]
fn a_freeze_says_what_it_keeps_and_what_ends_it() {
    for (name, args) in [
        ("freeze", &["freeze", "--for", "20m"][..]),
        ("unfreeze", &["unfreeze"]),
        ("unmove", &["unmove", "all", "--yes"]),
        ("maintenance", &["maintenance", "on", "--for", "ever"]),
        ("cleanup", &["cleanup", "all"]),
        ("fence-confirm", &["fence", "confirm", "bob", "--yes"]),
        ("fence-off", &["fence", "off", "bob", "--yes"]),
    ] {
        let output = run(&server(Some("alice"), Vec::new()), args);
        matches_file(name, &text(&output.stdout));
    }
}

#[test]
fn a_maintenance_that_is_a_freeze_is_not_ended_by_its_word() {
    let frozen = |snapshot: Snapshot| Answer::Ordered {
        snapshot,
        changes: Vec::new(),
        then: Vec::new(),
    };
    let server = Server::start(frozen(stories::groups_in_trouble()));
    let output = called(&server, &["maintenance", "off"]);
    ends(&output, 7);
    assert!(text(&output.stderr).contains("hactl unfreeze ends it"));
    let server = Server::start(frozen(stories::with_groups()));
    ends(&called(&server, &["maintenance", "off"]), 0);
}

#[test]
fn a_refusal_is_exit_7_and_an_end_without_a_reply_is_not_known() {
    let refusal = Answer::Refusal(
        ErrorCode::Refused,
        "the groups are frozen; unfreeze them first",
    );
    let output = called(&Server::start(refusal), &["freeze"]);
    ends(&output, 7);
    assert_eq!(
        text(&output.stderr),
        "hactl: the groups are frozen; unfreeze them first\n"
    );
    let output = called(&Server::start(Answer::HangUpWhenAsked), &["freeze"]);
    ends(&output, 3);
    assert!(text(&output.stderr).contains("not known whether the order was given"));
}
