use shared::names::{KeyIndex, NodeName, Uuid};

use super::*;

const DEADTIME: Duration = Duration::from_secs(6);
const INITDEAD: Duration = Duration::from_secs(60);

#[test]
fn a_node_that_sends_nothing_for_deadtime_is_sick_until_it_beats_and_hears_somebody() {
    let mut health = Health::new(at(0));
    health.sent(at(10));
    assert_eq!(look(&mut health, 16, None), None);
    let Some(Change::Sick(reason)) = look(&mut health, 17, None) else {
        panic!("sick");
    };
    assert_eq!(reason, "it sent no beat for 7 s, and its deadtime is 6 s");
    assert_eq!(look(&mut health, 18, Some(18)), None);
    health.sent(at(19));
    assert_eq!(look(&mut health, 19, Some(16)), None);
    assert_eq!(look(&mut health, 19, Some(19)), Some(Change::Over));
}

#[test]
fn a_node_that_stood_still_for_deadtime_is_sick_until_it_beats_and_hears_somebody() {
    let mut health = Health::new(at(0));
    let keepalive = settings().keepalive;
    let mut stood_still = |late, second| health.stood_still(late, at(second), &settings());
    assert_eq!(stood_still(DEADTIME - keepalive, 10), None);
    let Some(Change::Sick(reason)) = stood_still(2 * DEADTIME, 30) else {
        panic!("sick");
    };
    assert_eq!(
        reason,
        "it stood still and sent no beat for 13 s, and its deadtime is 6 s"
    );
    assert_eq!(stood_still(2 * DEADTIME, 30), None, "once");
    health.sent(at(31));
    assert_eq!(look(&mut health, 31, None), None);
    assert_eq!(look(&mut health, 31, Some(31)), Some(Change::Over));
}

#[test]
fn a_node_that_is_alone_recovers_after_initdead() {
    let mut health = Health::new(at(0));
    assert!(matches!(look(&mut health, 7, None), Some(Change::Sick(_))));
    for second in 8..67 {
        health.sent(at(second));
        assert_eq!(look(&mut health, second, None), None);
    }
    health.sent(at(67));
    assert_eq!(look(&mut health, 67, None), Some(Change::Over));
}

#[test]
fn the_third_manager_that_fails_within_a_minute_makes_the_node_sick() {
    let mut health = Health::new(at(0));
    for (failed, sick) in [(0, false), (50, false), (61, false), (70, true)] {
        health.sent(at(failed));
        health.manager_failed(at(failed));
        assert_eq!(look(&mut health, failed, None).is_some(), sick, "{failed}");
    }
}

fn look(health: &mut Health, second: u64, contact: Option<u64>) -> Option<Change> {
    let signs = Signs {
        contact: contact.map(at),
        manager_answers: true,
    };
    health.look(at(second), signs, &settings())
}

fn at(seconds: u64) -> Moment {
    Moment(seconds * 1_000_000_000)
}

fn settings() -> Settings {
    Settings {
        version: "1".into(),
        node: NodeName::new("alice").unwrap(),
        uuid: Uuid([1; 16]),
        nodes: Vec::new(),
        media: Vec::new(),
        keepalive: Duration::from_secs(1),
        warntime: Duration::from_secs(2),
        deadtime: DEADTIME,
        initdead: INITDEAD,
        deadping: DEADTIME,
        link_up_delay: Duration::ZERO,
        link_down_delay: Duration::ZERO,
        max_rexmit_delay: Duration::ZERO,
        unauth_hold: Duration::ZERO,
        hopfudge: 1,
        files: Default::default(),
        active_key: KeyIndex(1),
        keys: Vec::new(),
    }
}
