//! Groups and resources: what is shown, and the questions that the exit code answers.

use shared::api::Snapshot;
use shared::event::NodeKind;

use crate::cli::expected::matches_file;
use crate::cli::server::{Answer, Server};
use crate::cli::stories;
use crate::{bare, ends, hactl, shows, text};

#[test]
fn groups_as_a_table_with_what_was_ordered() {
    shows("groups", &["groups"], stories::with_groups());
}

#[test]
fn groups_in_trouble_say_what_failed() {
    shows(
        "groups-in-trouble",
        &["groups"],
        stories::groups_in_trouble(),
    );
}

#[test]
fn a_start_that_failed_elsewhere_is_shown_with_what_to_do() {
    let failed = stories::web_failed_on_bob;
    let said = "on bob: start of web failed: no such device (group web); repair it, then run hactl cleanup \
                web\n";
    let server = Server::start(Answer::Everything {
        events: stories::group_events(),
        snapshot: failed(),
    });
    for verb in [&["groups"][..], &["why", "web"]] {
        let output = crate::run(&server, verb);
        assert!(text(&output.stdout).contains(said), "{verb:?}");
    }
    let server = Server::start(Answer::Snapshot(failed()));
    let status = text(&crate::run(&server, &["status"]).stdout);
    assert!(
        status.contains("warning   on bob: start of web failed"),
        "{status}"
    );
    let output = hactl(&server, &["health", "--verbose"]).output().unwrap();
    ends(&output, 1);
    let health = text(&output.stdout);
    assert!(
        health.contains("warning: on bob: start of web failed"),
        "{health}"
    );
}

#[test]
fn one_group_as_json() {
    let args = ["groups", "mail", "--json"];
    shows("groups-json", &args, stories::with_groups());
}

#[test]
fn groups_for_scripts_have_no_remarks() {
    let args = ["groups", "--plain", "-o", "group,node"];
    let server = Server::start(Answer::Snapshot(stories::with_groups()));
    let output = crate::run(&server, &args);
    assert_eq!(text(&output.stdout), "web\talice\nmail\talice\n");
}

#[test]
fn resources_as_a_table() {
    shows("resources", &["resources"], stories::groups_in_trouble());
}

#[test]
fn a_group_that_does_not_exist_is_exit_4_and_names_those_that_do() {
    for (snapshot, said) in [
        (stories::with_groups(), "there are web, mail"),
        (stories::in_order(), "haresources names none"),
    ] {
        let server = Server::start(Answer::Snapshot(snapshot));
        for verb in ["groups", "resources", "is-owner"] {
            let output = hactl(&server, &[verb, "wbe"]).output().unwrap();
            ends(&output, 4);
            assert!(text(&output.stderr).contains(said), "{verb}");
        }
    }
}

#[test]
fn whether_something_is_started_here_is_told_without_a_word() {
    let cases: [(&[&str], Snapshot, i32); 4] = [
        (&["is-active"], stories::with_groups(), 0),
        (&["is-owner", "mail"], stories::with_groups(), 0),
        (&["is-active"], stories::in_order(), 1),
        (&["is-owner", "mail"], stories::groups_in_trouble(), 1),
    ];
    for (args, snapshot, code) in cases {
        let server = Server::start(Answer::Snapshot(snapshot));
        let output = hactl(&server, args).output().unwrap();
        ends(&output, code);
        assert_eq!(text(&output.stdout) + &text(&output.stderr), "", "{args:?}");
    }
}

#[test]
fn where_nobody_can_tell_what_runs_here_the_answer_is_neither_yes_nor_no() {
    for args in [&["is-active"][..], &["is-owner", "web"]] {
        let server = Server::start(Answer::Snapshot(stories::groups_in_trouble()));
        let output = hactl(&server, args).output().unwrap();
        ends(&output, 3);
        assert_eq!(
            text(&output.stderr),
            "hactl: group web is blocked here and may run\n"
        );
        let nobody = [args, &["--socket", "/nonexistent/hbd.sock"]].concat();
        ends(&bare(&nobody).output().unwrap(), 3);
    }
}

#[test]
fn status_shows_groups_and_says_first_what_is_wrong_with_them() {
    shows("status-groups", &["status"], stories::with_groups());
    let troubles = stories::groups_in_trouble;
    shows("status-groups-in-trouble", &["status"], troubles());
    shows("status-groups-plain", &["status", "--plain"], troubles());
}

#[test]
fn health_follows_the_groups() {
    let server = Server::start(Answer::Snapshot(stories::groups_in_trouble()));
    let output = hactl(&server, &["health", "--nagios"]).output().unwrap();
    ends(&output, 2);
    assert!(text(&output.stdout).contains("group web blocked on alice"));
}

#[test]
fn why_goes_from_the_last_change_back_to_the_order() {
    for (name, group) in [("why-ordered", "mail"), ("why-started", "web")] {
        let server = Server::start(Answer::Everything {
            events: stories::group_events(),
            snapshot: stories::with_groups(),
        });
        let output = crate::run(&server, &["why", group]);
        matches_file(name, &text(&output.stdout));
    }
}

#[test]
fn why_goes_on_behind_a_manager_that_was_replaced() {
    let mut events = stories::group_events();
    events.extend(stories::web_outlives_a_manager());
    let server = Server::start(Answer::Everything {
        events,
        snapshot: stories::with_groups(),
    });
    let output = crate::run(&server, &["why", "web"]);
    matches_file("why-replaced", &text(&output.stdout));
}

#[test]
fn why_does_not_take_what_was_left_behind_for_the_reason_of_a_takeover() {
    let mut events = stories::group_events();
    events.extend(stories::web_was_taken_over());
    let server = Server::start(Answer::Everything {
        events,
        snapshot: stories::with_groups(),
    });
    let output = crate::run(&server, &["why", "web"]);
    let output = text(&output.stdout);
    let first: Vec<&str> = output.lines().take(3).collect();
    let taken = "group web started on bob (it says: alice is dead)";
    assert!(first[0].ends_with(taken), "{output}");
    let there = "because of what bob knows; on bob: hactl why web";
    assert_eq!(first[1].trim_start(), there, "{output}");
    assert_eq!(first[2], "", "{output}");
}

#[test]
fn why_a_better_connected_node_took_a_group_names_the_ping_node_and_where_to_ask() {
    let mut events = stories::group_events();
    events.extend(stories::web_comes_from_a_worse_connected_node());
    let server = Server::start(Answer::Everything {
        events,
        snapshot: stories::with_groups(),
    });
    let output = crate::run(&server, &["why", "web"]);
    matches_file("why-better-connected", &text(&output.stdout));
}

#[test]
fn why_of_a_part_of_a_nodes_name_says_which_node_that_is() {
    let server = Server::start(Answer::Everything {
        events: stories::group_events(),
        snapshot: stories::with_groups(),
    });
    let output = hactl(&server, &["why", "bo"]).output().unwrap();
    ends(&output, 4);
    let said = "bo is no group; of node bob tells hactl nodes bob";
    assert!(text(&output.stderr).contains(said), "{output:?}");
}

#[test]
fn nobody_is_sent_to_ask_a_heartbeat() {
    let mut events = stories::group_events();
    events.extend(stories::web_was_taken_over());
    let mut snapshot = stories::with_groups();
    let bob = snapshot.view.nodes.get_mut(&"bob".parse().unwrap());
    bob.expect("bob is there").program = Some("heartbeat".into());
    let server = Server::start(Answer::Everything { events, snapshot });
    let output = text(&crate::run(&server, &["why", "web"]).stdout);
    assert!(!output.contains("on bob: hactl"), "{output}");
}

#[test]
fn why_says_nothing_of_groups_on_a_dead_ping_node() {
    let mut snapshot = stories::fencing_fails();
    let bob = snapshot
        .view
        .nodes
        .iter_mut()
        .find(|(name, _)| name.as_str() == "bob");
    bob.expect("bob is there").1.kind = NodeKind::Ping;
    let server = Server::start(Answer::Everything {
        events: stories::fence_events(),
        snapshot,
    });
    let output = text(&crate::run(&server, &["why", "mail"]).stdout);
    assert!(!output.contains("nothing goes there"), "{output}");
}

#[test]
fn why_a_group_is_nowhere_is_told() {
    let mut events = stories::group_events();
    events.extend(stories::group_troubles());
    for (name, group) in [("why-blocked", "web"), ("why-nowhere", "mail")] {
        let server = Server::start(Answer::Everything {
            events: events.clone(),
            snapshot: stories::groups_in_trouble(),
        });
        let output = crate::run(&server, &["why", group]);
        matches_file(name, &text(&output.stdout));
    }
}

#[test]
fn history_is_what_happened_to_groups_and_who_ordered_it() {
    let server = Server::start(Answer::Everything {
        events: stories::group_events(),
        snapshot: stories::with_groups(),
    });
    let output = crate::run(&server, &["history", "mail"]);
    matches_file("history", &text(&output.stdout));
}

#[test]
fn that_a_dead_node_is_off_is_told() {
    shows("status-fenced", &["status"], stories::bob_is_off());
}

#[test]
fn a_takeover_that_waits_for_a_device_is_told_with_the_reason() {
    shows("status-fencing", &["status"], stories::fencing_fails());
    for (name, args) in [
        ("why-fencing", &["why", "mail"][..]),
        ("fence-history", &["fence", "history", "bob"]),
    ] {
        let server = Server::start(Answer::Everything {
            events: stories::fence_events(),
            snapshot: stories::fencing_fails(),
        });
        let output = crate::run(&server, args);
        matches_file(name, &text(&output.stdout));
    }
}
