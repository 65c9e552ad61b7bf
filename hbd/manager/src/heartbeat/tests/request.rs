//! With `auto_failback legacy`. Bob prefers web, alice mail.

use super::*;

const REQUEST: &str = "ip-request";

fn stage() -> Stage {
    Stage::with(&Settings {
        legacy: true,
        ..settings(true)
    })
}

/// Alice wants it.
fn requests(stage: &mut Stage, key: &str, seconds: u64) -> Vec<String> {
    stage.hear(REQUEST, &[("ipaddr", key)], seconds)
}

/// Alice does not have it, or not any more.
fn answers(stage: &mut Stage, key: &str, seconds: u64) -> Vec<String> {
    let fields = [("ipaddr", key), ("dest", "bob"), ("ok", "OK")];
    stage.hear("ip-request-resp", &fields, seconds)
}

#[test]
fn a_node_that_begins_asks_for_its_groups_and_leaves_the_others() {
    let mut stage = stage();
    let alice = "alice: web started able, mail started able";
    assert_eq!(stage.declare(FREE, FREE, 1), ["ip-request web", alice]);
    assert_eq!(
        answers(&mut stage, OWN, 2),
        ["alice: web stopped reluctant, mail started able"]
    );
}

#[test]
fn who_does_not_answer_is_asked_again() {
    let mut stage = stage();
    stage.declare(FREE, FREE, 1);
    assert_eq!(stage.interpreter.get().deadline(), Some(at(11)));
    assert_eq!(stage.outputs(10), [] as [&str; 0]);
    assert_eq!(stage.outputs(11)[0], "ip-request web");
}

#[test]
fn an_answer_for_another_node_or_of_another_kind_counts_nothing() {
    let mut stage = stage();
    stage.declare(FREE, FREE, 1);
    let elsewhere = [("ipaddr", OWN), ("dest", "alice"), ("ok", "OK")];
    assert_eq!(
        stage.hear("ip-request-resp", &elsewhere, 2),
        [] as [&str; 0]
    );
    assert_eq!(stage.holds("none", "1", 2), [] as [&str; 0]);
    assert_eq!(requests(&mut stage, "unknown", 2), [] as [&str; 0]);
}

#[test]
fn what_a_heartbeat_asks_for_is_stopped_and_then_answered() {
    let mut stage = stage();
    stage.declare(HELD, HELD, 1);
    let alice = "alice: web stopped reluctant, mail stopped able";
    assert_eq!(requests(&mut stage, OTHER, 2), [alice]);
    assert_eq!(stage.declare(HELD, STOPPING, 3), [alice]);
    let alice = "alice: web stopped reluctant, mail started able";
    assert_eq!(
        stage.declare(HELD, FREE, 4),
        ["ip-request-resp mail", alice]
    );
}

#[test]
fn what_is_held_by_nobody_is_answered_at_once() {
    let mut stage = stage();
    stage.declare(HELD, FREE, 1);
    assert_eq!(requests(&mut stage, OTHER, 2)[0], "ip-request-resp mail");
}

#[test]
fn a_group_that_this_node_cannot_have_is_handed_over_though_nobody_asked() {
    let mut stage = stage();
    stage.declare(HELD, FREE, 1);
    let failed = (GroupState::Stopped, Willingness::Unable);
    let alice = "alice: web started able, mail started able";
    assert_eq!(
        stage.declare(failed, FREE, 2),
        ["ip-request-resp web", alice]
    );
}

#[test]
fn a_group_that_is_wanted_here_is_asked_for_and_one_that_cannot_be_had_goes_back() {
    let mut stage = stage();
    stage.declare(HELD, FREE, 1);
    stage.order(GroupVerb::Move {
        groups: Choice::Named(vec![group(OTHER)]),
        to: Some(name("bob")),
        lasts: None,
        together: false,
    });
    assert_eq!(stage.declare(HELD, FREE, 2)[0], "ip-request mail");
    let free = [("ipaddr", OTHER), ("dest", "bob"), ("ok", "OK")];
    stage.hear_only("ip-request-resp", &free, 2);
    while stage.interpreter.get_mut().poll().is_some() {}
    stage.declare(HELD, STARTING, 3);
    let failed = (GroupState::Stopped, Willingness::Unable);
    assert_eq!(stage.declare(HELD, failed, 4)[0], "ip-request-resp mail");
}

#[test]
fn what_is_this_nodes_is_asked_for_when_nothing_keeps_it_away_any_more() {
    let mut stage = stage();
    stage.declare(HELD, FREE, 1);
    stage.declare((GroupState::Started, Willingness::Reluctant), FREE, 2);
    assert_eq!(stage.declare(AWAY, FREE, 3)[0], "ip-request-resp web");
    assert!(stage.outputs(60).is_empty());
    assert_eq!(stage.declare(FREE, FREE, 61)[0], "ip-request web");
}

#[test]
fn of_a_heartbeat_that_died_nothing_counts() {
    let mut stage = stage();
    stage.declare(HELD, FREE, 1);
    stage.becomes(NodeStatus::Dead);
    assert_eq!(stage.declare(HELD, HELD, 2), [] as [&str; 0]);
    stage.becomes(NodeStatus::Active);
    assert_eq!(
        stage.declare(HELD, HELD, 3),
        ["alice: web stopped reluctant, mail stopped reluctant"]
    );
}

#[test]
fn a_node_that_leaves_asks_for_nothing() {
    let mut stage = stage();
    stage.interpreter.get_mut().leave();
    let alice = "alice: web started able, mail started able";
    assert_eq!(stage.declare(FREE, FREE, 1), [alice]);
}
