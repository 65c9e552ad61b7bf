//! Both nodes have an `ipfail`. What alice says is what one of Heartbeat 3.0.6 was seen to say.

use super::*;

const NOTHING: [&str; 0] = [];
/// Bob gives away what he has.
const RELUCTANT: Here = (GroupState::Started, Willingness::Reluctant);
const JOINS: &str = "hbapi-clstat signon";

/// Each holds its own, and each reaches so many ping nodes, for long.
fn settled(failback: bool, here: u32, there: &str) -> Stage {
    let mut stage = Stage::new(failback);
    stage.tell(heard());
    stage.pings = Some(here);
    stage.declare(HELD, FREE, 1);
    let outputs = stage.holds("local", "1", 1);
    assert!(outputs.contains(&JOINS.into()), "{outputs:?}");
    reaches(&mut stage, there, 1);
    stage.outputs(11);
    stage
}

/// The ipfail of alice says this.
fn says(stage: &mut Stage, message_type: &str, more: &[(&str, &str)], seconds: u64) -> Vec<String> {
    let who = [("from_id", "ipfail"), ("dest", "bob")];
    let mut outputs = stage.hear(message_type, &[&who, more].concat(), seconds);
    outputs.retain(|text| !text.starts_with("alice: "));
    news(outputs)
}

/// What follows later.
fn later(stage: &mut Stage, seconds: u64) -> Vec<String> {
    let outputs = stage.outputs(seconds);
    news(outputs)
}

/// What is held is said again and again.
fn news(mut outputs: Vec<String>) -> Vec<String> {
    outputs.retain(|text| !text.starts_with("resource "));
    outputs
}

fn reaches(stage: &mut Stage, count: &str, seconds: u64) -> Vec<String> {
    says(stage, "num_ping_nodes", &[("num_ping", count)], seconds)
}

/// It begins to give all up.
fn gives_all(stage: &mut Stage, seconds: u64) -> Vec<String> {
    let fields = [("rsc_hold", "all"), ("info", "me"), ("from_id", "ipfail")];
    stage.hear("ask_resources", &fields, seconds)
}

/// Alice has handed all over, and bob holds it.
fn has_given_all(stage: &mut Stage, seconds: u64) {
    let accepted = gives_all(stage, seconds);
    assert_eq!(accepted[0], "ask_resources all other", "{accepted:?}");
    let fields = [("rsc_hold", "none"), ("isstable", "0"), ("info", "standby")];
    stage.hear("resource", &fields, seconds);
    let done = [("rsc_hold", "all"), ("info", "done")];
    stage.hear_only("ask_resources", &done, seconds);
    stage.declare(HELD, STARTING, seconds);
    let outputs = stage.declare(HELD, HELD, seconds);
    assert_eq!(outputs[..2], ["resource all 1", "ask_resources all done"]);
    stage.holds("none", "1", seconds);
}

#[test]
fn who_says_the_same_number_is_answered_at_once() {
    let mut stage = settled(false, 2, "1");
    assert_eq!(reaches(&mut stage, "2", 12), ["abort_giveup"]);
    assert_eq!(reaches(&mut stage, "3", 13), ["abort_giveup"]);
}

#[test]
fn who_has_reached_fewer_for_ten_seconds_is_told_and_what_it_gives_up_is_taken_without_an_order() {
    let mut stage = settled(false, 2, "2");
    assert_eq!(reaches(&mut stage, "1", 20), NOTHING);
    assert_eq!(stage.interpreter.get().deadline(), Some(at(30)));
    assert_eq!(later(&mut stage, 29), NOTHING);
    assert_eq!(later(&mut stage, 30), ["you_are_dead"]);
    let alice = "alice: web stopped reluctant, mail stopping able";
    assert_eq!(
        gives_all(&mut stage, 31),
        ["ask_resources all other", alice]
    );
}

#[test]
fn why_the_ipfail_of_a_heartbeat_gives_groups_up_is_declared() {
    let mut stage = settled(false, 2, "1");
    let all = [("rsc_hold", "all"), ("info", "me"), ("from_id", "ipfail")];
    stage.hear_only("ask_resources", &all, 12);
    let mut reasons = BTreeMap::new();
    while let Some(spoken) = stage.interpreter.get_mut().poll() {
        if let Spoken::Declare(declaration) = spoken {
            assert_eq!(declaration.pings, Some(1));
            reasons = declaration.reasons;
        }
    }
    let because = "bob reaches 2 ping nodes, alice 1";
    assert_eq!(reasons[&group(OTHER)], because);
}

#[test]
fn who_reaches_as_many_again_before_that_is_told_so_and_nothing_else() {
    let mut stage = settled(false, 2, "2");
    reaches(&mut stage, "1", 20);
    assert_eq!(reaches(&mut stage, "2", 25), ["abort_giveup"]);
    assert_eq!(later(&mut stage, 30), NOTHING);
    assert_eq!(stage.interpreter.get().deadline(), None);
}

#[test]
fn a_node_that_reaches_fewer_itself_takes_that_back() {
    let mut stage = settled(false, 2, "1");
    stage.pings = Some(1);
    assert_eq!(stage.declare(HELD, FREE, 20)[0], "abort_giveup");
}

#[test]
fn a_node_that_reaches_fewer_says_so_when_it_counts_and_offers_what_it_is_reluctant_to_hold() {
    let mut stage = settled(false, 2, "2");
    stage.pings = Some(1);
    let alice = "alice: web stopped reluctant, mail started able";
    assert_eq!(stage.declare(HELD, FREE, 20), [alice]);
    assert_eq!(later(&mut stage, 30), ["num_ping_nodes 1"]);
    let outputs = stage.declare(RELUCTANT, FREE, 30);
    assert_eq!(outputs[0], "ask_resources local me");
    assert_eq!(says(&mut stage, "you_are_dead", &[], 30), NOTHING);
}

#[test]
fn with_auto_failback_nothing_goes_back_to_the_node_that_reaches_fewer_or_did_just_now() {
    let mut stage = settled(true, 2, "1");
    has_given_all(&mut stage, 12);
    assert_eq!(later(&mut stage, 60), NOTHING);
    assert_eq!(reaches(&mut stage, "2", 61), ["abort_giveup"]);
    assert_eq!(later(&mut stage, 70), NOTHING);
    assert_eq!(later(&mut stage, 71)[0], "ask_resources foreign me");
}

#[test]
fn with_auto_failback_nothing_is_asked_for_here_while_this_node_reaches_fewer() {
    let mut stage = Stage::new(true);
    stage.pings = Some(1);
    stage.declare(FREE, FREE, 1);
    stage.holds("all", "1", 1);
    reaches(&mut stage, "2", 1);
    assert_eq!(later(&mut stage, 5), NOTHING);
    stage.pings = Some(2);
    stage.declare(FREE, FREE, 6);
    assert_eq!(later(&mut stage, 7), ["hb_takeover local"]);
}

#[test]
fn a_standby_that_an_operator_orders_on_the_better_connected_node_is_an_order() {
    let mut stage = settled(false, 1, "2");
    let outputs = stage.standby("local", "me", 12);
    assert_eq!(outputs[0], "ask_resources local other");
    assert_eq!(outputs.last().unwrap(), "alice orders: mail to bob");
}

#[test]
fn an_ipfail_that_begins_is_asked_and_one_that_ends_says_nothing_more() {
    let mut stage = settled(false, 2, "1");
    assert_eq!(
        says(&mut stage, "hbapi-clstat", &[("st", "join")], 12),
        [JOINS]
    );
    assert_eq!(reaches(&mut stage, "1", 12), ["you_are_dead"]);
    assert_eq!(
        says(&mut stage, "hbapi-clstat", &[("st", "leave")], 13),
        NOTHING
    );
    assert_eq!(later(&mut stage, 40), NOTHING);
    assert_eq!(stage.interpreter.get().deadline(), None);
}

#[test]
fn an_answer_that_does_not_fit_what_is_known_is_asked_about_once() {
    let mut stage = settled(false, 2, "2");
    assert_eq!(says(&mut stage, "you_are_dead", &[], 12), [JOINS]);
    assert_eq!(reaches(&mut stage, "3", 12), ["abort_giveup"]);
    assert_eq!(says(&mut stage, "you_are_dead", &[], 13), NOTHING);
    assert_eq!(says(&mut stage, "abort_giveup", &[], 14), [JOINS]);
    assert_eq!(later(&mut stage, 20), NOTHING);
}

#[test]
fn another_core_here_asks_again_and_what_counted_counts_on() {
    let mut stage = settled(true, 2, "1");
    has_given_all(&mut stage, 12);
    stage.replaces_core(20);
    stage.declare(HELD, HELD, 20);
    let outputs = stage.holds("none", "1", 20);
    assert!(outputs.contains(&JOINS.into()), "{outputs:?}");
    assert!(!outputs.contains(&"ask_resources foreign me".into()));
    assert_eq!(reaches(&mut stage, "1", 21), ["you_are_dead"]);
}

#[test]
fn nobody_is_told_to_give_up_what_this_node_does_not_take() {
    let mut stage = settled(false, 2, "2");
    let unable = (GroupState::Stopped, Willingness::Unable);
    stage.declare(HELD, unable, 12);
    reaches(&mut stage, "1", 20);
    assert_eq!(later(&mut stage, 30), NOTHING);
    assert_eq!(stage.declare(HELD, FREE, 31)[0], "you_are_dead");
}

#[test]
fn nobody_is_told_to_give_up_what_an_order_wants_there() {
    let mut stage = settled(false, 2, "2");
    stage.wanted.insert(group(OTHER), name("alice"));
    stage.declare(HELD, FREE, 12);
    reaches(&mut stage, "1", 20);
    assert_eq!(later(&mut stage, 30), NOTHING);
}

#[test]
fn a_node_that_does_not_count_is_no_ipfail() {
    let mut stage = Stage::settled(false);
    assert_eq!(reaches(&mut stage, "1", 2), NOTHING);
    assert_eq!(
        says(&mut stage, "hbapi-clstat", &[("st", "join")], 3),
        NOTHING
    );
    assert_eq!(later(&mut stage, 30), NOTHING);
}

#[test]
fn what_is_said_to_another_node_is_not_heard() {
    let mut stage = settled(false, 2, "2");
    let fields = [("from_id", "ipfail"), ("dest", "carol"), ("num_ping", "1")];
    assert_eq!(stage.hear("num_ping_nodes", &fields, 12), NOTHING);
    assert_eq!(stage.interpreter.get().deadline(), None);
}

#[test]
fn what_both_hold_after_a_split_is_not_compared() {
    let mut stage = settled(false, 2, "1");
    let fields = [("rsc_hold", "all"), ("rtype", "full"), ("isstable", "1")];
    stage.hear_only("resource", &fields, 12);
    let mut pings = None;
    while let Some(spoken) = stage.interpreter.get_mut().poll() {
        if let Spoken::Declare(declaration) = spoken {
            pings = Some(declaration.pings);
        }
    }
    assert_eq!(pings, Some(None));
}

#[test]
fn another_life_of_a_heartbeat_finds_nothing_yet() {
    let mut stage = settled(true, 2, "1");
    stage.becomes(NodeStatus::Dead);
    stage.becomes(NodeStatus::Active);
    stage.declare(HELD, HELD, 20);
    let outputs = stage.holds("none", "1", 20);
    assert!(outputs.contains(&JOINS.into()), "{outputs:?}");
    assert!(
        outputs.contains(&"ask_resources foreign me".into()),
        "{outputs:?}"
    );
}
