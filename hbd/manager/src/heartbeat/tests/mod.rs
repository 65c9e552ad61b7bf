//! The words as they were seen between real nodes of Heartbeat 3.0.6; this node is bob.

mod ipfail;
mod request;

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use shared::event::{EventSource, Kind, NodeStatus, Role, StatusReason};
use shared::group::{GroupName, GroupReason, GroupState, Willingness};
use shared::names::{Generation, NodeName, Sequence, Uuid};
use shared::order::{Choice, GroupVerb};
use shared::time::Now;

use super::*;
use crate::declaration::Passed;
use crate::declaration::{Claim, Life, Stand};
use crate::io::{Group, Order};

const OWN: &str = "web";
const OTHER: &str = "mail";

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn group(text: &str) -> GroupName {
    GroupName::new(text).unwrap()
}

fn settings(failback: bool) -> Settings {
    let group = |text, node| Group {
        name: group(text),
        preferred: name(node),
        resources: vec![String::from(text)],
        monitor: None,
    };
    Settings {
        node: name("bob"),
        peer: name("alice"),
        groups: vec![group(OWN, "bob"), group(OTHER, "alice")],
        failback,
        ..crate::two_node::tests::settings()
    }
}

fn life() -> Life {
    Life {
        generation: Generation(7),
        began: Moment(0),
    }
}

fn at(seconds: u64) -> Moment {
    Moment(seconds * 1_000_000_000)
}

struct Stage {
    interpreter: Tongue,
    declared: u64,
    heard: u64,
    orders: Vec<Passed>,
    wanted: BTreeMap<GroupName, NodeName>,
    /// How many ping nodes bob reaches, if he counts them.
    pings: Option<u32>,
}

/// What a group is here, and how willing bob is.
type Here = (GroupState, Willingness);

const FREE: Here = (GroupState::Stopped, Willingness::Able);
const AWAY: Here = (GroupState::Stopped, Willingness::Reluctant);
const HELD: Here = (GroupState::Started, Willingness::Able);
const STARTING: Here = (GroupState::Starting, Willingness::Able);
const STOPPING: Here = (GroupState::Stopping, Willingness::Able);

impl Stage {
    fn new(failback: bool) -> Self {
        Self::with(&settings(failback))
    }

    /// Alice is a member of the cluster, and so is bob.
    fn with(settings: &Settings) -> Self {
        Self::seeing(settings, &ClusterView::default())
    }

    /// Another manager begins on bob, with auto_failback off: the one before it told this of the groups.
    fn replaced(told: &[(&str, &str, GroupState)]) -> Self {
        let mut source = EventSource::new(name("bob"), Role::Manager, Generation(7));
        let mut view = ClusterView::default();
        for kind in [core_started(), becomes(NodeStatus::Active)] {
            view.apply(&source.event(kind, None, Now::default()));
        }
        for (of, node, state) in told {
            let kind = Kind::GroupState {
                group: group(of),
                node: name(node),
                from: GroupState::Stopped,
                to: *state,
                reason: GroupReason::Done,
            };
            view.apply(&source.event(kind, None, Now::default()));
        }
        Self::seeing(&settings(false), &view)
    }

    fn seeing(settings: &Settings, view: &ClusterView) -> Self {
        let mut stage = Self {
            interpreter: Tongue::new(settings, view, at(0)),
            declared: 0,
            heard: 0,
            orders: Vec::new(),
            wanted: BTreeMap::new(),
            pings: None,
        };
        stage.tell(Kind::CommunicationUp);
        stage.becomes(NodeStatus::Active);
        stage
    }

    /// Bob's core tells this.
    fn tell(&mut self, kind: Kind) {
        let mut source = EventSource::new(name("bob"), Role::Core, Generation(7));
        let event = source.event(kind, None, Now::default());
        self.interpreter.get_mut().handle_event(&event);
    }

    /// Alice is that now.
    fn becomes(&mut self, to: NodeStatus) {
        self.tell(becomes(to));
    }

    /// Bob declares this of his group and of alice's.
    fn declare(&mut self, own: Here, other: Here, seconds: u64) -> Vec<String> {
        self.declared += 1;
        let declaration = self.declaration(own, other);
        let interpreter = self.interpreter.get_mut();
        interpreter.declare(declaration, at(seconds));
        self.outputs(seconds)
    }

    /// Somebody ordered this, and bob declares it next.
    fn order(&mut self, verb: GroupVerb) {
        self.obey(&verb);
        self.orders.push(Passed {
            number: self.declared + 1,
            standing: false,
            order: Order {
                verb,
                who: "eve".into(),
                reason: None,
            },
        });
    }

    /// Bob's manager has read this order.
    fn obey(&mut self, verb: &GroupVerb) -> String {
        let named = |names: &[GroupName]| names.iter().map(ToString::to_string).collect::<String>();
        match verb {
            GroupVerb::Move {
                groups: Choice::Named(names),
                to: Some(to),
                lasts,
                ..
            } => {
                let wanted = names.iter().map(|name| (name.clone(), to.clone()));
                self.wanted.extend(wanted);
                let lasts = lasts.map(|lasts| alloc::format!(" for {lasts:?}"));
                alloc::format!("{} to {to}{}", named(names), lasts.unwrap_or_default())
            }
            GroupVerb::Unmove {
                groups: Choice::Named(names),
            } => {
                self.wanted.retain(|name, _| !names.contains(name));
                alloc::format!("{} nowhere", named(names))
            }
            other => panic!("{other:?}"),
        }
    }

    fn declaration(&mut self, own: Here, other: Here) -> Declaration {
        let claim = |(state, willing)| Claim {
            state,
            willing,
            epoch: 1,
        };
        Declaration {
            stand: Stand {
                life: life(),
                number: self.declared,
            },
            heard: None,
            answer: true,
            alone: false,
            waits: false,
            pings: self.pings,
            claims: BTreeMap::from([(group(OWN), claim(own)), (group(OTHER), claim(other))]),
            failures: BTreeMap::new(),
            reasons: BTreeMap::new(),
            orders: core::mem::take(&mut self.orders),
            wanted: self.wanted.clone(),
        }
    }

    /// Alice says this.
    fn hear(&mut self, message_type: &str, fields: &[(&str, &str)], seconds: u64) -> Vec<String> {
        self.hear_only(message_type, fields, seconds);
        self.outputs(seconds)
    }

    /// The same, and nothing follows yet.
    fn hear_only(&mut self, message_type: &str, fields: &[(&str, &str)], seconds: u64) {
        self.heard += 1;
        let word = Word::read(message_type, &self::fields(fields)).unwrap();
        self.interpreter
            .get_mut()
            .hear(Sequence(self.heard), word, at(seconds));
    }

    fn holds(&mut self, holds: &str, stable: &str, seconds: u64) -> Vec<String> {
        let fields = [("rsc_hold", holds), ("rtype", "full"), ("isstable", stable)];
        self.hear("resource", &fields, seconds)
    }

    /// Alice keeps her own, and stops the rest.
    fn gives_up(&mut self, seconds: u64) -> Vec<String> {
        let fields = [
            ("rsc_hold", "local"),
            ("isstable", "0"),
            ("info", "standby"),
        ];
        self.hear("resource", &fields, seconds)
    }

    fn standby(&mut self, gives: &str, info: &str, seconds: u64) -> Vec<String> {
        let fields = [("rsc_hold", gives), ("info", info)];
        self.hear("ask_resources", &fields, seconds)
    }

    /// Bob has another core, which has heard alice in the same life.
    fn replaces_core(&mut self, seconds: u64) {
        let mut source = EventSource::new(name("bob"), Role::Core, Generation(7));
        let mut view = ClusterView::default();
        view.apply(&source.event(core_started(), None, Now::default()));
        self.interpreter.get_mut().handle_view(&view, at(seconds));
        self.tell(heard());
        self.becomes(NodeStatus::Active);
        self.tell(Kind::CommunicationUp);
    }

    /// What is said to alice; and the last that is declared of her, if that is new.
    fn outputs(&mut self, seconds: u64) -> Vec<String> {
        self.interpreter.get_mut().settle(at(seconds));
        let mut texts = Vec::new();
        let (mut alice, mut orders) = (None, Vec::new());
        while let Some(spoken) = self.interpreter.get_mut().poll() {
            match spoken {
                Spoken::Say(word) => {
                    let (message_type, fields) = word.write();
                    let values = ["rsc_hold", "isstable", "info", "ipaddr", "num_ping"];
                    let values = values.iter().filter_map(|name| fields.get(*name));
                    let values =
                        values.fold(message_type.to_string(), |text, value| text + " " + value);
                    texts.push(values);
                }
                Spoken::Declare(declaration) => {
                    for passed in &declaration.orders {
                        let what = self.obey(&passed.order.verb);
                        orders.push(alloc::format!("{} orders: {what}", passed.order.who));
                    }
                    alice = Some(declaration);
                }
                Spoken::Tell(kind) => texts.push(kind.to_string()),
            }
        }
        if let Some(declaration) = alice {
            let claim = |text| {
                let claim = declaration.claims[&group(text)];
                alloc::format!("{text} {} {}", claim.state, claim.willing)
            };
            texts.push(alloc::format!("alice: {}, {}", claim(OWN), claim(OTHER)));
        }
        texts.extend(orders);
        texts
    }

    /// Alice holds everything, and bob has said that he holds nothing.
    fn joined(failback: bool) -> Self {
        let mut stage = Self::new(failback);
        stage.declare(FREE, FREE, 1);
        stage.holds("all", "1", 1);
        stage
    }

    /// Each holds its own.
    fn settled(failback: bool) -> Self {
        let mut stage = Self::new(failback);
        stage.declare(HELD, FREE, 1);
        stage.holds("local", "1", 1);
        stage
    }
}

#[test]
fn a_node_that_begins_asks_and_declares_nothing_before_the_answer() {
    let mut stage = Stage::new(true);
    assert_eq!(stage.declare(FREE, FREE, 1), ["starting"]);
    assert_eq!(stage.declare(FREE, FREE, 1), [] as [&str; 0]);
    assert_eq!(stage.declare(FREE, FREE, 2), ["starting"]);
    assert_eq!(
        stage.holds("all", "1", 3),
        [
            "resource none 1",
            "alice: web started able, mail started able"
        ]
    );
}

#[test]
fn a_heartbeat_that_begins_is_told_what_is_held_and_has_yet_to_say_what_it_holds() {
    let mut stage = Stage::new(true);
    stage.declare(HELD, HELD, 1);
    assert_eq!(stage.hear("starting", &[], 2), ["resource all 1"]);
    let outputs = stage.holds("none", "0", 2);
    let alice = "alice: web stopped reluctant, mail stopped reluctant";
    assert_eq!(outputs, ["resource all 1", alice]);
}

#[test]
fn what_comes_late_because_it_was_lost_at_first_counts_nothing() {
    let mut stage = Stage::settled(false);
    stage.heard = 7;
    let alice = stage.holds("foreign", "1", 2);
    stage.heard = 4;
    assert!(stage.holds("none", "0", 3).is_empty());
    assert!(stage.hear("starting", &[], 3).is_empty());
    stage.heard = 8;
    assert_eq!(stage.holds("foreign", "1", 4).last(), alice.last());
}

#[test]
fn after_a_quick_restart_a_heartbeat_holds_what_it_held() {
    let mut stage = Stage::joined(false);
    assert_eq!(stage.hear("starting", &[], 2), ["resource none 1"]);
    assert_eq!(
        stage.holds("all", "1", 3),
        [
            "resource none 1",
            "alice: web started able, mail started able"
        ]
    );
}

#[test]
fn what_a_heartbeat_gives_up_is_started_when_it_is_done_and_not_before() {
    let mut stage = Stage::joined(true);
    let alice = "alice: web stopping able, mail started able";
    assert_eq!(
        stage.standby("foreign", "me", 2),
        [
            "ask_resources foreign other",
            alice,
            "alice orders: web nowhere"
        ]
    );
    assert_eq!(stage.gives_up(2), [alice]);
    stage.hear_only(
        "ask_resources",
        &[("rsc_hold", "foreign"), ("info", "done")],
        3,
    );
    // The manager takes it before anything more is said.
    while stage.interpreter.get_mut().poll().is_some() {}
    let outputs = stage.declare(STARTING, FREE, 3);
    let alice = "alice: web stopped reluctant, mail started able";
    assert_eq!(outputs, [alice]);
    assert_eq!(
        stage.declare(HELD, FREE, 4)[..2],
        ["resource local 1", "ask_resources local done"]
            .map(|text| text.replace("resources local", "resources foreign"))
    );
}

fn fields(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
    let fields = fields.iter();
    let fields = fields.map(|(name, value)| (name.to_string(), value.to_string()));
    fields.collect()
}

#[test]
fn a_heap_goes_back_in_a_standby_in_which_it_is_stopped_when_the_other_waits_for_it() {
    let mut stage = Stage::new(true);
    stage.declare(HELD, HELD, 1);
    stage.hear("starting", &[], 2);
    let outputs = stage.holds("none", "1", 3);
    assert_eq!(outputs[0], "resource all 1");
    assert_eq!(outputs[1], "ask_resources foreign me");
    let outputs = stage.standby("foreign", "other", 4);
    let alice = "alice: web stopped reluctant, mail stopped able";
    assert_eq!(outputs, ["resource local 0 standby", alice]);
    assert_eq!(stage.declare(HELD, STOPPING, 5).len(), 1, "nothing is said");
    assert_eq!(
        stage.declare(HELD, FREE, 6),
        [
            "ask_resources foreign done",
            "alice: web stopped reluctant, mail starting able"
        ]
    );
    stage.holds("local", "1", 7);
    let outputs = stage.standby("foreign", "done", 7);
    let alice = "alice: web stopped reluctant, mail started able";
    assert_eq!(outputs, ["resource local 1", alice]);
}

#[test]
fn without_failback_nothing_goes_back_by_itself() {
    let mut stage = Stage::new(false);
    stage.declare(HELD, HELD, 1);
    stage.hear("starting", &[], 2);
    let outputs = stage.holds("none", "1", 3);
    assert!(
        !outputs.iter().any(|text| text.contains("ask_resources")),
        "{outputs:?}"
    );
}

#[test]
fn what_a_heartbeat_wants_is_given_up_for_it() {
    let mut stage = Stage::settled(true);
    let outputs = stage.hear("hb_takeover", &[("rsc_hold", "all")], 2);
    assert_eq!(outputs[0], "ask_resources local me");
    let outputs = stage.standby("local", "other", 3);
    assert_eq!(outputs.last().unwrap(), "alice orders: web to alice");
    stage.declare(AWAY, FREE, 4);
    stage.standby("local", "done", 5);
    assert!(!asks(&stage.outputs(60)), "it stays there");
    stage.order(here(OWN));
    assert!(asks(&stage.declare(FREE, FREE, 61)));
    let mut stage = Stage::settled(false);
    stage.hear("hb_takeover", &[("rsc_hold", "all")], 2);
    let outputs = stage.standby("local", "other", 3);
    let moved = "alice orders: web to alice for 60s";
    assert_eq!(outputs.last().unwrap(), moved);
    stage.declare(AWAY, FREE, 4);
    let outputs = stage.standby("local", "done", 5);
    assert_eq!(outputs.last().unwrap(), "alice orders: web nowhere");
}

#[test]
fn what_both_hold_after_a_split_a_heartbeat_is_asked_for_and_then_it_goes_home() {
    let mut stage = Stage::new(true);
    stage.declare(HELD, HELD, 1);
    let outputs = stage.holds("local", "1", 2);
    assert_eq!(outputs[..2], ["resource all 1", "hb_takeover foreign"]);
    assert_eq!(stage.outputs(5), ["resource all 1"], "once more");
    assert_eq!(stage.interpreter.get().deadline(), Some(at(12)));
    assert_eq!(stage.outputs(12), ["hb_takeover foreign"], "and that, too");
    stage.standby("local", "me", 13);
    let outputs = stage.standby("local", "done", 13);
    assert_eq!(
        outputs[..2],
        ["resource all 1", "ask_resources local done"],
        "and it has gone on serving"
    );
    let outputs = stage.outputs(22);
    assert!(
        outputs.contains(&"ask_resources foreign me".into()),
        "{outputs:?}"
    );
}

#[test]
fn an_order_stands_when_the_heartbeat_does_what_it_was_asked() {
    let mut stage = Stage::settled(true);
    stage.holds("all", "1", 2);
    stage.order(here(OWN));
    let outputs = stage.declare(FREE, FREE, 3);
    assert!(outputs.contains(&"hb_takeover local".into()), "{outputs:?}");
    let outputs = stage.standby("foreign", "me", 4);
    assert!(
        !outputs.iter().any(|text| text.contains("orders")),
        "{outputs:?}"
    );
}

#[test]
fn what_is_this_nodes_is_asked_for_until_it_comes_when_nothing_keeps_it_away_any_more() {
    let mut stage = Stage::settled(true);
    stage.holds("all", "1", 2);
    stage.declare(AWAY, FREE, 3);
    assert!(!asks(&stage.outputs(30)), "it was ordered away");
    assert!(!asks(&stage.declare(FREE, FREE, 31)), "it may be offered");
    assert_eq!(stage.interpreter.get().deadline(), Some(at(32)));
    assert_eq!(stage.outputs(32), ["hb_takeover local"]);
    assert_eq!(stage.outputs(42), ["hb_takeover local"], "once more");
    stage.declare(AWAY, FREE, 43);
    assert!(!asks(&stage.outputs(60)));
    let mut stage = Stage::settled(false);
    stage.holds("all", "1", 2);
    stage.declare(FREE, FREE, 3);
    assert!(!asks(&stage.outputs(30)), "nothing comes back by itself");
}

#[test]
fn what_is_ordered_here_is_asked_for_again_when_it_can_be_had() {
    let mut stage = Stage::settled(false);
    stage.holds("all", "1", 2);
    stage.order(here(OTHER));
    assert!(asks(&stage.declare(FREE, FREE, 3)));
    let failed = (GroupState::Stopped, Willingness::Unable);
    stage.declare(FREE, failed, 4);
    assert!(!asks(&stage.outputs(100)));
    stage.declare(FREE, FREE, 101);
    assert_eq!(stage.outputs(102), ["hb_takeover foreign"]);
    stage.wanted.clear();
    stage.declare(FREE, FREE, 103);
    assert!(!asks(&stage.outputs(610)), "the order has run out");
}

#[test]
fn what_a_heartbeat_gives_by_order_stays_here() {
    let mut stage = Stage::settled(true);
    stage.standby("local", "me", 2);
    assert_eq!(stage.wanted[&group(OTHER)], name("bob"));
    stage.hear_only(
        "ask_resources",
        &[("rsc_hold", "local"), ("info", "done")],
        4,
    );
    stage.declare(HELD, STARTING, 3);
    let outputs = stage.declare(HELD, HELD, 4);
    assert!(
        !outputs.iter().any(|text| text.contains("me")),
        "{outputs:?}"
    );
}

#[test]
fn what_a_heartbeat_offers_a_node_that_comes_stays_there_if_it_is_ordered_there() {
    let mut stage = Stage::joined(true);
    stage.wanted.insert(group(OWN), name("alice"));
    stage.declare(AWAY, FREE, 2);
    let outputs = stage.standby("foreign", "me", 3);
    assert_eq!(outputs, ["alice: web started able, mail started able"]);
    stage.outputs(11);
    assert_eq!(
        stage.standby("foreign", "me", 20)[0],
        "ask_resources foreign other"
    );
}

#[test]
fn what_is_frozen_is_not_offered() {
    let frozen = (GroupState::Started, Willingness::Unable);
    let mut stage = Stage::settled(true);
    for outputs in [stage.declare(frozen, FREE, 2), stage.outputs(30)] {
        assert!(
            !outputs.iter().any(|text| text.contains("ask_resources")),
            "{outputs:?}"
        );
    }
    let mut stage = Stage::new(true);
    stage.declare(HELD, frozen, 1);
    stage.hear("starting", &[], 2);
    let outputs = stage.holds("none", "1", 3);
    assert!(
        !outputs.iter().any(|text| text.contains("ask_resources")),
        "{outputs:?}"
    );
    let outputs = stage.declare(HELD, HELD, 4);
    assert_eq!(
        outputs[0], "ask_resources foreign me",
        "it goes back when that is over"
    );
}

#[test]
fn what_both_hold_is_asked_for_in_no_freeze_and_never_where_it_is_blocked() {
    let frozen = (GroupState::Started, Willingness::Unable);
    let blocked = (GroupState::Blocked, Willingness::Reluctant);
    for there in [frozen, blocked] {
        let mut stage = Stage::new(true);
        stage.declare(HELD, there, 1);
        let outputs = stage.holds("local", "1", 2);
        assert!(!asks(&outputs), "{outputs:?}");
        stage.holds("none", "1", 3);
        let outputs = stage.outputs(30);
        let offers = |text: &String| text.contains("ask_resources");
        assert!(!outputs.iter().any(offers), "{outputs:?}");
    }
}

#[test]
fn nothing_is_due_before_a_heartbeat_has_said_anything_and_none_when_this_node_leaves() {
    let mut stage = Stage::new(true);
    stage.order(here(OTHER));
    stage.declare(FREE, FREE, 1);
    assert_eq!(stage.interpreter.get().deadline(), None);
    stage.holds("all", "1", 2);
    assert!(stage.interpreter.get().deadline().is_some());
    stage.interpreter.get_mut().leave();
    assert_eq!(stage.interpreter.get().deadline(), None);
}

#[test]
fn a_standby_is_asked_for_once_and_later_ones_are_orders() {
    let mut stage = Stage::settled(true);
    stage.order(here(OTHER));
    assert!(asks(&stage.declare(HELD, FREE, 2)));
    stage.wanted.clear();
    stage.declare(HELD, FREE, 3);
    stage.outputs(60);
    stage.standby("local", "me", 61);
    assert_eq!(stage.wanted.get(&group(OTHER)), Some(&name("bob")));
}

#[test]
fn what_is_stopped_in_a_standby_is_not_free_while_another_group_of_its_node_stops() {
    const MORE: &str = "blog";
    let mut settings = settings(false);
    settings.groups.push(Group {
        name: group(MORE),
        ..settings.groups[0].clone()
    });
    let mut stage = Stage::with(&settings);
    let declare = |stage: &mut Stage, own: Here, (state, willing): Here, seconds| {
        stage.declared += 1;
        let mut declaration = stage.declaration(own, FREE);
        let claim = Claim {
            state,
            willing,
            epoch: 1,
        };
        declaration.claims.insert(group(MORE), claim);
        let interpreter = stage.interpreter.get_mut();
        interpreter.declare(declaration, at(seconds));
        stage.outputs(seconds)
    };
    let ordered = (GroupState::Started, Willingness::Reluctant);
    declare(&mut stage, HELD, HELD, 1);
    stage.holds("local", "1", 1);
    let outputs = declare(&mut stage, ordered, ordered, 2);
    assert_eq!(outputs[0], "ask_resources local me");
    stage.standby("local", "other", 3);
    let outputs = declare(&mut stage, FREE, STOPPING, 4);
    assert!(outputs[0].contains("web starting able"), "{outputs:?}");
    let outputs = declare(&mut stage, FREE, FREE, 5);
    assert_eq!(outputs[0], "ask_resources local done");
}

#[test]
fn what_a_heartbeat_stops_is_not_started_by_a_manager_with_another_core() {
    let mut stage = Stage::joined(false);
    stage.tell(heard());
    stage.holds("all", "1", 1);
    stage.standby("foreign", "me", 2);
    stage.gives_up(2);
    stage.replaces_core(3);
    assert_eq!(stage.declare(FREE, FREE, 3), ["starting"]);
    let outputs = stage.holds("local", "1", 3);
    assert!(outputs[0].contains("web stopping"), "{outputs:?}");
    stage.hear_only(
        "ask_resources",
        &[("rsc_hold", "foreign"), ("info", "done")],
        3,
    );
    assert!(stage.declare(STARTING, FREE, 4)[0].contains("web stopped"));
}

#[test]
fn what_a_heartbeat_stops_is_not_started_by_another_manager_before_it_is_done() {
    let mut stage = Stage::replaced(&[(OWN, "alice", GroupState::Stopping)]);
    stage.declare(FREE, FREE, 1);
    let outputs = stage.holds("local", "1", 1);
    assert!(outputs[0].contains("web stopping"), "{outputs:?}");
    let mut unheard = Stage {
        interpreter: stage.interpreter.clone(),
        ..Stage::replaced(&[])
    };
    let done = [("rsc_hold", "foreign"), ("info", "done")];
    stage.hear_only("ask_resources", &done, 30);
    assert!(stage.declare(STARTING, FREE, 31)[0].contains("web stopped reluctant"));
    assert_eq!(
        stage.declare(HELD, FREE, 32)[1],
        "ask_resources foreign done"
    );
    assert!(!unheard.outputs(59).concat().contains("web stopped"));
    assert!(
        unheard
            .outputs(60)
            .concat()
            .contains("web stopped reluctant")
    );
}

#[test]
fn what_is_held_here_is_not_waited_for_after_the_core_was_replaced() {
    let mut stage = Stage::settled(false);
    stage.tell(heard());
    stage.standby("foreign", "me", 2);
    stage.replaces_core(3);
    stage.declare(HELD, FREE, 3);
    let outputs = stage.holds("local", "1", 4);
    assert_eq!(outputs[0], "resource local 1", "in no standby: {outputs:?}");
}

#[test]
fn what_a_heartbeat_had_not_begun_to_stop_it_keeps_beside_another_manager() {
    let mut stage = Stage::replaced(&[(OWN, "alice", GroupState::Stopping)]);
    stage.declare(FREE, FREE, 1);
    stage.holds("all", "1", 1);
    assert!(stage.outputs(60).concat().contains("web started"));
}

#[test]
fn what_a_heartbeat_starts_is_not_started_by_another_manager() {
    let mut stage = Stage::replaced(&[(OWN, "alice", GroupState::Starting)]);
    stage.declare(FREE, FREE, 1);
    let outputs = stage.holds("local", "1", 1);
    assert!(outputs.concat().contains("web starting"), "{outputs:?}");
    let outputs = stage.standby("local", "done", 5);
    assert!(outputs.concat().contains("web started"), "{outputs:?}");
}

#[test]
fn what_another_manager_finds_being_started_a_heartbeat_waits_for() {
    let mut stage = Stage::replaced(&[(OWN, "bob", GroupState::Starting)]);
    stage.declare(STARTING, FREE, 1);
    stage.holds("local", "1", 1);
    let outputs = stage.declare(HELD, FREE, 2);
    assert_eq!(outputs[1], "ask_resources foreign done");
}

#[test]
fn what_is_ordered_in_the_middle_of_a_standby_does_not_end_with_it() {
    for ordered in [false, true] {
        let mut stage = Stage::settled(false);
        stage.hear("hb_takeover", &[("rsc_hold", "foreign")], 2);
        let outputs = stage.standby("local", "other", 2);
        assert_eq!(
            outputs.last().unwrap(),
            "alice orders: web to alice for 60s"
        );
        if ordered {
            stage.order(here(OWN));
        }
        stage.declare(STOPPING, FREE, 3);
        stage.declare(FREE, FREE, 4);
        let outputs = stage.standby("local", "done", 5);
        let outputs = [outputs, stage.declare(FREE, FREE, 5)].concat();
        let over = outputs.contains(&"alice orders: web nowhere".into());
        assert_eq!(over, !ordered, "{outputs:?}");
    }
}

#[test]
fn what_a_heartbeat_asks_for_while_nothing_may_be_offered_is_offered_then() {
    let mut stage = Stage::settled(false);
    stage.declare(AWAY, FREE, 2);
    stage.outputs(12);
    stage.outputs(22);
    stage.declare(HELD, FREE, 23);
    let outputs = stage.hear("hb_takeover", &[("rsc_hold", "foreign")], 24);
    assert!(!outputs.concat().contains("ask_resources"), "{outputs:?}");
    assert!(stage.outputs(32).contains(&"ask_resources local me".into()));
}

#[test]
fn a_promise_that_was_not_heard_is_repeated_and_then_forgotten() {
    let mut stage = Stage::joined(false);
    for second in [2, 3] {
        let outputs = stage.standby("foreign", "me", second);
        assert_eq!(outputs[0], "ask_resources foreign other");
    }
    assert!(stage.outputs(12).is_empty());
    assert!(stage.outputs(13).last().unwrap().contains("web started"));
    stage.standby("foreign", "me", 14);
    stage.gives_up(15);
    assert!(stage.outputs(600).is_empty(), "it is being stopped");
}

#[test]
fn what_is_ordered_here_stays_when_the_heartbeat_returns_and_goes_when_it_asks_for_it() {
    let mut stage = Stage::new(true);
    stage.order(here(OTHER));
    stage.declare(HELD, HELD, 1);
    let outputs = stage.holds("none", "1", 2);
    assert!(!outputs.iter().any(|text| text.contains("ask_resources")));
    let outputs = stage.hear("hb_takeover", &[("rsc_hold", "local")], 3);
    assert_eq!(outputs[0], "ask_resources foreign me");
    stage.standby("foreign", "other", 3);
    stage.declare(HELD, AWAY, 4);
    stage.holds("local", "1", 5);
    let outputs = stage.standby("foreign", "done", 5);
    assert_eq!(outputs.last().unwrap(), "alice orders: mail nowhere");
    stage.declare(HELD, FREE, 6);
    assert!(!asks(&stage.outputs(60)));
}

/// Bob's core has heard alice, who runs a Heartbeat.
fn core_started() -> Kind {
    let mut started = crate::two_node::tests::quick_restart();
    if let Kind::Started(started) = &mut started {
        started.node = name("bob");
    }
    started
}

fn becomes(to: NodeStatus) -> Kind {
    Kind::NodeStatus {
        node: name("alice"),
        from: NodeStatus::Init,
        to,
        reason: StatusReason::Announced,
    }
}

fn heard() -> Kind {
    Kind::NodeHeard {
        node: name("alice"),
        uuid: Some(Uuid([1; 16])),
        generation: Generation(4),
        program: "heartbeat".into(),
    }
}

/// Moves a group to bob.
fn here(text: &str) -> GroupVerb {
    GroupVerb::Move {
        groups: Choice::Named(vec![group(text)]),
        to: Some(name("bob")),
        lasts: None,
        together: false,
    }
}

/// The Heartbeat is asked for something.
fn asks(outputs: &[String]) -> bool {
    outputs.iter().any(|text| text.starts_with("hb_takeover"))
}

#[test]
fn a_heartbeat_that_gives_what_it_does_not_have_disputes_nothing() {
    let mut stage = Stage::settled(true);
    let outputs = stage.standby("foreign", "me", 2);
    let alice = "alice: web stopped reluctant, mail started able";
    assert_eq!(
        outputs,
        [
            "ask_resources foreign other",
            alice,
            "alice orders: web nowhere"
        ]
    );
    let outputs = stage.standby("foreign", "done", 3);
    assert_eq!(
        outputs[..2],
        ["resource local 1", "ask_resources foreign done"]
    );
}

#[test]
fn an_offer_that_nobody_answers_is_made_again_until_somebody_does() {
    let mut stage = Stage::settled(true);
    let outputs = stage.declare(AWAY, FREE, 2);
    assert_eq!(outputs[1], "ask_resources local me");
    assert!(
        outputs[2].contains("web starting"),
        "nobody else starts it: {outputs:?}"
    );
    stage.outputs(11);
    assert_eq!(stage.interpreter.get().deadline(), Some(at(12)));
    // Alice may wait for what a former manager offered.
    let outputs = stage.outputs(12);
    assert!(outputs[0].contains("has not answered"), "{outputs:?}");
    assert_eq!(outputs[1], "ask_resources local done");
    assert!(outputs[2].contains("web starting"), "{outputs:?}");
    for seconds in [22, 32] {
        let again = ["resource none 1", "ask_resources local me"];
        assert_eq!(stage.outputs(seconds), again, "alice may not, either");
    }
    stage.standby("local", "other", 33);
    let outputs = stage.standby("local", "done", 34);
    assert!(outputs.concat().contains("web started"), "{outputs:?}");
}

#[test]
fn what_a_former_manager_offered_is_given_up_when_the_next_offer_is_not_answered() {
    let mut stage = Stage::replaced(&[(OWN, "bob", GroupState::Started)]);
    stage.declare(HELD, FREE, 1);
    stage.holds("local", "1", 1);
    let to_alice = [(group(OWN), name("alice"))];
    stage.wanted.extend(to_alice);
    let outputs = stage.declare((GroupState::Started, Willingness::Reluctant), FREE, 2);
    assert!(
        outputs.contains(&"ask_resources local me".into()),
        "{outputs:?}"
    );
    let outputs = stage.outputs(12);
    assert_eq!(outputs[1], "resource none 0 standby", "{outputs:?}");
    assert!(outputs.concat().contains("web stopped able"), "{outputs:?}");
    stage.declare(STOPPING, FREE, 13);
    let outputs = stage.declare(FREE, FREE, 14);
    assert_eq!(outputs[0], "ask_resources local done");
    // Alice starts it, and hears no offer meanwhile.
    assert!(stage.outputs(24).concat().contains("local me"));
    let outputs = stage.standby("local", "done", 25);
    assert!(outputs.concat().contains("web started"), "{outputs:?}");
}

#[test]
fn what_a_former_manager_has_stopped_is_handed_over_soon() {
    let mut stage = Stage::replaced(&[(OWN, "bob", GroupState::Stopping)]);
    stage.declare(STOPPING, FREE, 1);
    stage.holds("local", "1", 1);
    let outputs = stage.declare(AWAY, FREE, 2);
    assert!(
        outputs.contains(&"ask_resources local me".into()),
        "{outputs:?}"
    );
    assert_eq!(stage.interpreter.get().deadline(), Some(at(3)));
    let outputs = stage.outputs(3);
    assert_eq!(outputs[1], "ask_resources local done", "{outputs:?}");
    // Alice did not wait for it, and answers: it is offered once more.
    let outputs = stage.standby("local", "other", 3);
    assert!(
        outputs.contains(&"ask_resources local done".into()),
        "{outputs:?}"
    );
    let outputs = stage.standby("local", "done", 4);
    assert!(outputs.concat().contains("web started"), "{outputs:?}");
}

#[test]
fn what_a_core_offered_before_it_was_replaced_is_given_up_too() {
    let mut stage = Stage::settled(false);
    stage.tell(heard());
    stage.holds("local", "1", 1);
    stage.declare((GroupState::Started, Willingness::Reluctant), FREE, 2);
    stage.replaces_core(3);
    stage.declare((GroupState::Started, Willingness::Reluctant), FREE, 3);
    let outputs = stage.holds("local", "1", 4);
    assert!(
        outputs.contains(&"ask_resources local me".into()),
        "{outputs:?}"
    );
    let outputs = stage.outputs(14);
    assert_eq!(outputs[1], "resource none 0 standby", "{outputs:?}");
}

#[test]
fn a_running_group_is_given_up_without_an_answer_for_no_other_reason() {
    let mut stage = Stage::settled(false);
    stage.declare((GroupState::Started, Willingness::Reluctant), FREE, 2);
    let outputs = stage.outputs(12);
    assert!(outputs[0].contains("has not answered"), "{outputs:?}");
    assert!(!outputs.concat().contains("standby"), "{outputs:?}");
    let outputs = stage.outputs(22);
    assert_eq!(outputs[0], "ask_resources local me", "once more");
    let outputs = stage.outputs(32).concat();
    assert!(
        !outputs.contains("has not answered"),
        "told once: {outputs:?}"
    );
}

#[test]
fn a_heartbeat_that_answers_a_former_manager_gets_what_it_waits_for() {
    let mut stage = Stage::replaced(&[(OWN, "bob", GroupState::Started)]);
    stage.declare(HELD, FREE, 1);
    stage.holds("local", "1", 1);
    let outputs = stage.standby("local", "other", 2);
    assert_eq!(outputs[0], "resource none 0 standby", "{outputs:?}");
    let outputs = Stage::settled(false).standby("local", "other", 2);
    assert!(!outputs.concat().contains("standby"), "nobody offered it");
}

#[test]
fn that_a_heartbeat_starts_something_for_too_long_is_told_once() {
    let mut stage = Stage::settled(true);
    stage.declare(AWAY, FREE, 2);
    stage.standby("local", "other", 2);
    stage.outputs(20);
    assert_eq!(stage.interpreter.get().deadline(), Some(at(62)));
    let outputs = stage.outputs(62);
    assert!(
        outputs[0].contains("has not said that it runs"),
        "{outputs:?}"
    );
    assert_eq!(stage.interpreter.get().deadline(), None);
}

#[test]
fn a_standby_that_a_former_manager_left_unfinished_is_ended() {
    let mut stage = Stage::settled(true);
    stage.holds("none", "1", 2);
    assert!(
        stage.interpreter.get().deadline().is_some(),
        "mail is offered"
    );
    assert_eq!(stage.outputs(12)[1], "ask_resources foreign done");
    // Alice was busy with something else.
    stage.holds("none", "0", 13);
    let outputs = stage.holds("none", "1", 14);
    assert_eq!(
        outputs[..2],
        ["resource local 1", "ask_resources foreign me"]
    );
    assert_eq!(
        stage.standby("foreign", "other", 14)[1],
        "ask_resources foreign done"
    );
}

#[test]
fn a_heartbeat_that_ends_holds_what_it_has_until_it_is_gone() {
    let mut stage = Stage::joined(true);
    let fields = [
        ("rsc_hold", "none"),
        ("isstable", "0"),
        ("info", "shutdown"),
    ];
    let outputs = stage.hear("resource", &fields, 2);
    assert_eq!(outputs, ["alice: web started unable, mail started unable"]);
}

#[test]
fn another_life_of_a_heartbeat_has_said_nothing() {
    let mut stage = Stage::joined(true);
    let restarted = Kind::NodeRestarted {
        node: name("alice"),
        from: Generation(4),
        to: Generation(5),
    };
    for kind in [heard(), restarted] {
        stage.tell(kind);
    }
    assert_eq!(stage.declare(FREE, FREE, 5), ["starting"]);
}

#[test]
fn what_is_said_is_read_as_it_was_meant() {
    let mut words = vec![
        Word::Starting,
        Word::Request { key: group(OWN) },
        Word::Answer {
            key: group(OWN),
            to: name("alice"),
        },
    ];
    for heaps in Heaps::ALL {
        words.push(Word::Takeover { takes: heaps });
        for step in Step::ALL {
            for by_ipfail in [false, true] {
                words.push(Word::Standby {
                    gives: heaps,
                    step,
                    by_ipfail,
                });
            }
        }
        for info in [
            None,
            Some(Info::Standby),
            Some(Info::Shutdown),
            Some(Info::TakenOver),
        ] {
            words.push(Word::Resource {
                holds: heaps,
                full: true,
                stable: Some(true),
                info,
            });
        }
        assert_eq!(heaps.mirrored().mirrored(), heaps);
    }
    for begins in [true, false] {
        words.push(Word::Counting { begins });
    }
    for says in [Count::This(2), Count::More, Count::NoMore] {
        words.push(Word::Count {
            to: name("alice"),
            says,
        });
    }
    for word in words {
        let (message_type, mut fields) = word.write();
        let is_ipfails = matches!(
            word,
            Word::Counting { .. }
                | Word::Count { .. }
                | Word::Standby {
                    by_ipfail: true,
                    ..
                }
        );
        if is_ipfails {
            // The core says so.
            fields.insert("from_id".into(), "ipfail".into());
        }
        assert!(WORD_TYPES.contains(&message_type));
        assert_eq!(Word::read(message_type, &fields), Some(word));
    }
    let unknown = self::fields(&[("rsc_hold", "everything"), ("info", "me")]);
    assert_eq!(Word::read("ask_resources", &unknown), None);
    let failback = Word::Takeover {
        takes: Heaps::LOCAL,
    };
    let said = self::fields(&[("rsc_hold", "failback")]);
    assert_eq!(Word::read("hb_takeover", &said), Some(failback));
    let refused = [("ipaddr", OWN), ("dest", "alice"), ("ok", "no")];
    let refused = self::fields(&refused);
    assert_eq!(Word::read("ip-request-resp", &refused), None);
    assert_eq!(Word::read("status", &BTreeMap::new()), None);
    let of_another = self::fields(&[("st", "join"), ("from_id", "ccm")]);
    assert_eq!(Word::read("hbapi-clstat", &of_another), None);
}
