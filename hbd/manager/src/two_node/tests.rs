//! One input, then all outputs. What follows from long chains of inputs is explored in the suite
//! `managers`.

use alloc::string::{String, ToString};
use alloc::vec;

use super::*;
use crate::declaration::Life;
use crate::io::{FenceOperation, Fencing, Group, KeptGroup, Monitor, Startup};
use shared::event::EventId;
use shared::names::Generation;

mod connectivity;

const GROUP: &str = "IPaddr::10.0.0.5";

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn group() -> GroupName {
    GroupName::new(GROUP).unwrap()
}

fn at(millis: u64) -> Now {
    Now {
        boot: Moment(millis * 1_000_000),
        ..Now::default()
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        node: name("alice"),
        peer: name("bob"),
        groups: vec![Group {
            name: group(),
            preferred: name("alice"),
            resources: vec![GROUP.into(), "Dummy::web".into()],
            monitor: Some(Monitor {
                interval: Duration::from_secs(10),
                failures: 2,
                restarts: 1,
            }),
        }],
        failback: true,
        legacy: false,
        ping_nodes: Vec::new(),
        startup: Startup::Alone,
        unfenced_takeover: true,
        fencing: Fencing::default(),
        fence_blocked: false,
        doubt: Duration::from_secs(1),
        stop_retries: 1,
        retry_after: Duration::from_secs(5),
        life: life(7),
        events: 0,
    }
}

fn life(generation: u64) -> Life {
    Life {
        generation: Generation(generation),
        began: Moment(0),
    }
}

/// A manager, and what it says, one text an output.
struct Stage {
    manager: TwoNode,
    core: EventSource,
    /// The fencing under way.
    fence: Option<ActionId>,
}

impl Stage {
    fn new(settings: Settings, kept: Kept) -> Self {
        Self {
            manager: TwoNode::new(settings, kept, &ClusterView::default(), at(0)),
            core: EventSource::new(name("alice"), Role::Core, Generation(7)),
            fence: None,
        }
    }

    fn outputs(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(output) = self.manager.poll_output() {
            texts.push(match output {
                Output::Keep(kept) => {
                    let held = kept.groups.values().any(|group| group.held);
                    if held { "keep held" } else { "keep free" }.to_string()
                }
                Output::Act(action) => format!("{} {}", action.operation, action.resource),
                // What is said to a dead node.
                Output::Send(declaration) if declaration.alone => continue,
                Output::Send(declaration) => {
                    let claim = declaration.claims[&group()];
                    format!("say {} {}", claim.state, claim.willing)
                }
                Output::Fence(fence) => {
                    if fence.operation == FenceOperation::Off {
                        self.fence = Some(fence.id);
                    }
                    format!("{:?} with device {}", fence.operation, fence.device)
                }
                Output::Speak(word) => unreachable!("{word:?} is for a Heartbeat"),
                Output::Event(event) => event.text,
                Output::Released => "released".to_string(),
            });
        }
        texts
    }

    fn event(&mut self, kind: Kind, millis: u64) -> Vec<String> {
        let event = self.core.event(kind, None, at(millis));
        self.manager.handle_event(&event, at(millis));
        self.outputs()
    }

    fn bob(&mut self, to: NodeStatus, millis: u64) -> Vec<String> {
        let kind = Kind::NodeStatus {
            node: name("bob"),
            from: NodeStatus::Init,
            to,
            reason: StatusReason::Announced,
        };
        self.event(kind, millis)
    }

    fn bob_leaves(&mut self, millis: u64) -> Vec<String> {
        let kind = Kind::NodeStatus {
            node: name("bob"),
            from: NodeStatus::Active,
            to: NodeStatus::Dead,
            reason: StatusReason::Left,
        };
        self.event(kind, millis)
    }

    /// The awaited action ends.
    fn end(&mut self, outcome: Outcome, millis: u64) -> Vec<String> {
        let action = self.manager.groups[0].awaited().unwrap();
        self.manager.handle_result(action, outcome, at(millis));
        self.outputs()
    }

    /// Bob says what he is, and answers the last declaration.
    fn hear(&mut self, state: GroupState, willing: Willingness, number: u64) -> Vec<String> {
        let claim = Claim {
            state,
            willing,
            epoch: 1,
        };
        self.read(self.of_bob(claim, number), number)
    }

    /// What bob declares, having read the last declaration.
    fn of_bob(&self, claim: Claim, number: u64) -> Declaration {
        Declaration {
            stand: Stand {
                life: life(3),
                number,
            },
            heard: Some(Stand {
                life: life(7),
                number: self.manager.own.number,
            }),
            answer: false,
            alone: false,
            waits: false,
            pings: None,
            claims: BTreeMap::from([(group(), claim)]),
            failures: BTreeMap::new(),
            reasons: BTreeMap::new(),
            orders: Vec::new(),
            wanted: BTreeMap::new(),
        }
    }

    fn read(&mut self, declaration: Declaration, number: u64) -> Vec<String> {
        self.manager
            .handle_message(&name("bob"), declaration, at(number));
        self.outputs()
    }

    /// The last declaration, as far as it is waiting to be sent.
    fn declared(&mut self) -> Option<Declaration> {
        let outputs = std::iter::from_fn(|| self.manager.poll_output());
        let declarations = outputs.filter_map(|output| match output {
            Output::Send(declaration) => Some(declaration),
            _ => None,
        });
        declarations.last()
    }

    /// What this manager told, as far as it was not taken yet.
    fn told(&mut self) -> Vec<Event> {
        let outputs = std::iter::from_fn(|| self.manager.poll_output());
        let events = outputs.filter_map(|output| match output {
            Output::Event(event) => Some(*event),
            _ => None,
        });
        events.collect()
    }

    /// Bob was heard, and has said nothing yet.
    fn met(settings: Settings) -> Self {
        let mut stage = Self::new(settings, Kept::default());
        stage.bob(NodeStatus::Active, 1);
        stage.event(Kind::CommunicationUp, 1);
        stage
    }

    fn alone() -> Self {
        let mut stage = Self::new(settings(), Kept::default());
        stage.bob_leaves(1);
        stage.event(Kind::CommunicationUp, 1);
        stage
    }

    fn started() -> Self {
        let mut stage = Self::alone();
        stage.end(Outcome::Done, 2);
        stage.end(Outcome::Done, 3);
        stage
    }
}

fn failed() -> Outcome {
    Outcome::Failed {
        why: "no such device".into(),
    }
}

fn not_begun() -> Outcome {
    Outcome::NotBegun {
        why: "no agent Dummy".into(),
    }
}

#[test]
fn nothing_is_started_before_it_is_known_whether_the_peer_lives() {
    let mut stage = Stage::new(settings(), Kept::default());
    assert!(stage.outputs().is_empty());
    assert!(stage.bob(NodeStatus::Dead, 1).is_empty());
}

#[test]
fn alone_a_node_starts_resource_after_resource_and_keeps_that_first() {
    let mut stage = Stage::new(settings(), Kept::default());
    stage.bob(NodeStatus::Dead, 1);
    let outputs = stage.event(Kind::CommunicationUp, 1);
    let event = "group IPaddr::10.0.0.5 starting on alice (the cluster starts)";
    assert_eq!(outputs, [event, "keep held", "start 0"]);
    assert_eq!(stage.end(Outcome::Done, 2), ["start 1"]);
    let event = "group IPaddr::10.0.0.5 started on alice (done)";
    assert_eq!(stage.end(Outcome::Done, 3), [event, "keep held"]);
}

#[test]
fn with_a_living_peer_a_free_group_is_started_when_the_peer_has_answered() {
    let mut stage = Stage::new(settings(), Kept::default());
    stage.bob(NodeStatus::Active, 1);
    stage.event(Kind::CommunicationUp, 1);
    let outputs = stage.hear(GroupState::Stopped, Willingness::Able, 1);
    let event = "group IPaddr::10.0.0.5 starting on alice (bob does not hold it)";
    assert_eq!(
        outputs,
        [event, "keep held", "say starting able", "start 0"]
    );
}

#[test]
fn what_the_peer_holds_is_left_alone() {
    let mut stage = Stage::new(settings(), Kept::default());
    stage.bob(NodeStatus::Active, 1);
    stage.event(Kind::CommunicationUp, 1);
    let outputs = stage.hear(GroupState::Started, Willingness::Able, 1);
    assert_eq!(
        outputs,
        ["group IPaddr::10.0.0.5 started on bob (it says so)"]
    );
}

#[test]
fn a_start_that_fails_is_undone_and_the_peer_learns_that_this_node_cannot() {
    let mut stage = Stage::alone();
    stage.bob(NodeStatus::Active, 1);
    stage.hear(GroupState::Stopped, Willingness::Able, 2);
    stage.end(Outcome::Done, 2);
    let outputs = stage.end(failed(), 3);
    assert_eq!(
        outputs,
        [
            "start of Dummy::web failed: no such device (group IPaddr::10.0.0.5)",
            "group IPaddr::10.0.0.5 stopping on alice (a resource did not start)",
            "keep held",
            "stop 1",
            "say stopping unable",
        ]
    );
    assert_eq!(stage.end(Outcome::Done, 4), ["stop 0"]);
    let event = "group IPaddr::10.0.0.5 stopped on alice (a resource did not start)";
    assert_eq!(
        stage.end(Outcome::Done, 5),
        [event, "keep free", "say stopped unable"]
    );
}

#[test]
fn what_could_not_even_be_begun_is_not_stopped() {
    let mut stage = Stage::alone();
    stage.end(Outcome::Done, 2);
    let outputs = stage.end(not_begun(), 3);
    assert_eq!(outputs.last().unwrap(), "stop 0");
    let mut stage = Stage::alone();
    let outputs = stage.end(not_begun(), 2);
    assert_eq!(
        outputs,
        [
            "start of IPaddr::10.0.0.5 failed: no agent Dummy (group IPaddr::10.0.0.5)",
            "group IPaddr::10.0.0.5 stopped on alice (a resource did not start)",
            "keep free",
        ]
    );
    assert_eq!(stage.manager.groups[0].failures, 1);
}

#[test]
fn what_went_wrong_is_said_to_the_other_node() {
    let mut stage = Stage::alone();
    stage.bob(NodeStatus::Active, 1);
    stage.hear(GroupState::Stopped, Willingness::Able, 2);
    let action = stage.manager.groups[0].awaited().unwrap();
    stage.manager.handle_result(action, failed(), at(3));
    let declared = stage.declared().unwrap();
    let failure = "start of IPaddr::10.0.0.5 failed: no such device";
    assert_eq!(declared.failures[&group()], failure);

    let mut other = Stage::met(settings());
    let claim = Claim {
        state: GroupState::Stopping,
        ..declared.claims[&group()]
    };
    let declaration = Declaration {
        failures: declared.failures,
        ..other.of_bob(claim, 2)
    };
    let event = "group IPaddr::10.0.0.5 stopping on bob (it says: start of IPaddr::10.0.0.5 \
                 failed: no such device)";
    assert_eq!(other.read(declaration, 2)[0], event);
}

/// What bob says of the group, and what alice tells of it.
fn announced(
    stage: &mut Stage,
    state: GroupState,
    (failure, reason): (Option<&str>, Option<&str>),
    number: u64,
) -> String {
    let claim = Claim {
        state,
        willing: Willingness::Unable,
        epoch: 1,
    };
    let said = |text: Option<&str>| text.map(|text| (group(), text.to_string()));
    let declaration = Declaration {
        failures: said(failure).into_iter().collect(),
        reasons: said(reason).into_iter().collect(),
        ..stage.of_bob(claim, number)
    };
    stage.read(declaration, number)[0].clone()
}

#[test]
fn the_other_node_tells_the_reason_and_an_old_failure_is_none() {
    use GroupState::{Started, Starting, Stopped, Stopping};
    let failed = Some("start of web failed: no");
    let dead = Some("alice is dead");
    let mut stage = Stage::met(settings());
    for (number, (state, said, text)) in [
        (
            Started,
            (None, dead),
            "started on bob (it says: alice is dead)",
        ),
        (
            Stopping,
            (failed, Some("bob is sick")),
            "stopping on bob (it says: bob is sick)",
        ),
        (
            Stopped,
            (failed, None),
            "stopped on bob (it says: start of web failed: no)",
        ),
        (Starting, (failed, None), "starting on bob (it says so)"),
        (Started, (None, dead), "started on bob (it says so)"),
    ]
    .into_iter()
    .enumerate()
    {
        let told = announced(&mut stage, state, said, number as u64 + 1);
        assert_eq!(told, format!("group IPaddr::10.0.0.5 {text}"));
    }
}

#[test]
fn a_node_says_why_its_groups_are_what_they_are() {
    let mut stage = Stage::started();
    let said = |stage: &Stage| stage.manager.reasons().remove(&group());
    assert_eq!(said(&stage).unwrap(), "the cluster starts");
    stage.bob(NodeStatus::Active, 10);
    stage.manager.leave(at(11));
    let declared = stage.declared().unwrap();
    assert_eq!(declared.reasons[&group()], "alice leaves the cluster");
    stage.end(Outcome::Done, 12);
    stage.end(Outcome::Done, 13);
    assert_eq!(said(&stage).unwrap(), "alice leaves the cluster");
}

#[test]
fn of_what_failed_the_failure_is_said_and_of_a_new_attempt_its_reason() {
    let mut stage = Stage::alone();
    stage.bob(NodeStatus::Active, 1);
    stage.hear(GroupState::Stopped, Willingness::Able, 2);
    let action = stage.manager.groups[0].awaited().unwrap();
    stage.manager.handle_result(action, failed(), at(3));
    let declared = stage.declared().unwrap();
    assert!(declared.reasons.is_empty() && !declared.failures.is_empty());
    stage.end(Outcome::Done, 4);
    stage.bob_leaves(5);
    stage.manager.handle_timeout(at(9000));
    let declared = stage.declared().unwrap();
    assert_eq!(declared.claims[&group()].state, GroupState::Starting);
    assert_eq!(declared.reasons[&group()], "bob is dead");
}

#[test]
fn reasons_leave_room_for_the_rest_of_a_message() {
    let mut settings = settings();
    let named = |number| GroupName::new(&format!("Dummy::{number:0>99}")).unwrap();
    let long = "x".repeat(200);
    settings.groups = (0..40)
        .map(|number| Group {
            name: named(number),
            ..settings.groups[0].clone()
        })
        .collect();
    let mut stage = Stage::new(settings, Kept::default());
    stage.bob_leaves(1);
    stage
        .manager
        .handle_event(&stage.core.event(Kind::CommunicationUp, None, at(1)), at(1));
    let reasons = stage.manager.reasons();
    assert_eq!(
        reasons.len(),
        REASONS_MAX / (named(0).as_str().len() + "the cluster starts".len())
    );

    let groups = Choice::All;
    let verb = GroupVerb::Move {
        groups,
        to: Some(name("alice")),
        lasts: None,
        together: false,
    };
    let reason = Some(long);
    let order = Order {
        reason,
        ..order(verb)
    };
    stage.manager.handle_order(order, at(2)).unwrap();
    let orders = stage.manager.standing_orders(at(3).boot);
    assert_eq!(orders.len(), ORDERS_MAX);
    let given = orders.iter().filter(|passed| passed.order.reason.is_some());
    assert_eq!(given.count(), REASONS_MAX / 200);
}

#[test]
fn a_stop_that_fails_is_tried_again_and_then_blocks_the_group() {
    let mut stage = Stage::started();
    stage.event(
        Kind::Sick {
            reason: "no beat".into(),
        },
        10,
    );
    stage.end(failed(), 20);
    let pause = stage.manager.groups[0].deadlines().min();
    assert_eq!(pause, Some(at(1020).boot));
    stage.manager.handle_timeout(at(1020));
    assert_eq!(stage.outputs(), ["stop 1"]);
    let outputs = stage.end(failed(), 1030);
    let event = "group IPaddr::10.0.0.5 blocked on alice (a resource did not stop)";
    assert!(outputs.contains(&event.to_string()), "{outputs:?}");
    assert!(stage.manager.groups[0].state().is_held());
}

/// A look that finds every resource but the second at work.
fn broken_look(stage: &mut Stage, millis: u64) -> Vec<String> {
    stage.manager.handle_timeout(at(millis));
    assert_eq!(stage.outputs(), ["monitor 0"]);
    assert_eq!(stage.end(Outcome::Done, millis + 1), ["monitor 1"]);
    stage.end(Outcome::NotRunning, millis + 2)
}

#[test]
fn what_does_not_work_twice_is_started_anew_without_being_free_meanwhile() {
    let mut stage = Stage::started();
    let look = stage.manager.groups[0].next_look();
    assert_eq!(look, Some(at(10_003).boot));
    let event = "monitor of Dummy::web failed: it does not run (group IPaddr::10.0.0.5)";
    assert_eq!(broken_look(&mut stage, 10_003), [event]);
    let outputs = broken_look(&mut stage, 20_005);
    let event =
        "group IPaddr::10.0.0.5 stopping on alice (a resource does not work; it is started anew)";
    assert_eq!(outputs[1..], [event, "keep held", "stop 1"]);
    assert_eq!(stage.end(Outcome::Done, 20_010), ["stop 0"]);
    let event =
        "group IPaddr::10.0.0.5 starting on alice (a resource does not work; it is started anew)";
    assert_eq!(stage.end(Outcome::Done, 20_011), [event, "start 0"]);
}

#[test]
fn what_does_not_work_though_it_was_started_anew_goes_to_the_other_node() {
    let mut stage = Stage::started();
    for round in 0..2 {
        broken_look(&mut stage, 10_003 + round * 50_000);
        broken_look(&mut stage, 20_005 + round * 50_000);
        if round == 0 {
            for millis in 20_010..20_014 {
                stage.end(Outcome::Done, millis);
            }
            stage.manager.handle_timeout(at(30_013));
            stage.outputs();
            stage.end(Outcome::Done, 30_014);
            stage.end(Outcome::Done, 30_015);
        }
    }
    assert_eq!(
        stage.manager.willing(0, at(70_010).boot),
        Willingness::Unable
    );
}

#[test]
fn of_two_owners_the_one_from_before_the_split_keeps_the_group() {
    let mut stage = Stage::started();
    stage.bob(NodeStatus::Active, 10);
    let claimed = stage.manager.claim(0, at(10).boot);
    assert_eq!(claimed.epoch, 1);
    let outputs = stage.hear(GroupState::Started, Willingness::Able, 11);
    let event = "group IPaddr::10.0.0.5 is held here and on bob; alice keeps it";
    assert!(outputs.contains(&event.to_string()), "{outputs:?}");
    let outputs = stage.hear(GroupState::Stopped, Willingness::Able, 12);
    assert!(
        outputs.contains(&"announce 0".to_string()),
        "the keeper tells the network again: {outputs:?}"
    );
}

#[test]
fn a_manager_that_follows_another_looks_before_it_does_anything() {
    let kept = KeptGroup {
        held: true,
        started: true,
        ..KeptGroup::default()
    };
    let kept = Kept {
        groups: BTreeMap::from([(group(), kept)]),
        ..Kept::default()
    };
    let mut stage = Stage::new(settings(), kept);
    assert_eq!(stage.outputs()[0], "status 0");
    assert_eq!(stage.end(Outcome::Done, 2), ["status 1"]);
    let outputs = stage.end(Outcome::Done, 3);
    assert_eq!(outputs, ["group IPaddr::10.0.0.5 started on alice (done)"]);
}

#[test]
fn what_was_interrupted_is_stopped_first() {
    let kept = KeptGroup {
        held: true,
        ..KeptGroup::default()
    };
    let kept = Kept {
        groups: BTreeMap::from([(group(), kept)]),
        ..Kept::default()
    };
    let mut stage = Stage::new(settings(), kept);
    assert!(stage.outputs().contains(&"stop 1".to_string()));
}

#[test]
fn a_node_leaves_when_everything_is_stopped_and_said() {
    let mut stage = Stage::started();
    stage.bob(NodeStatus::Active, 10);
    stage.hear(GroupState::Stopped, Willingness::Able, 11);
    stage.manager.leave(at(12));
    assert_eq!(stage.outputs()[2], "stop 1");
    stage.end(Outcome::Done, 13);
    let outputs = stage.end(Outcome::Done, 14);
    assert_eq!(
        outputs[1..],
        ["keep free", "say stopped unable", "released"]
    );
}

#[test]
fn a_move_to_a_dead_node_is_refused() {
    let mut stage = Stage::started();
    let order = move_to("bob");
    assert_eq!(
        stage.manager.handle_order(order, at(5)),
        Err(Refusal::NotAlive(name("bob")))
    );
}

#[test]
fn nobody_can_have_made_sure_that_a_living_node_is_off() {
    let mut stage = Stage::started();
    stage.bob(NodeStatus::Active, 4);
    let order = order(GroupVerb::ConfirmFence { node: name("bob") });
    assert_eq!(
        stage.manager.handle_order(order, at(5)),
        Err(Refusal::Alive(name("bob")))
    );
}

#[test]
fn without_unfenced_takeover_a_dead_holder_is_succeeded_when_somebody_made_sure_that_it_is_off() {
    let settings = Settings {
        unfenced_takeover: false,
        ..settings()
    };
    let mut stage = Stage::met(settings);
    stage.hear(GroupState::Started, Willingness::Able, 2);
    let outputs = stage.bob(NodeStatus::Dead, 3);
    assert_eq!(outputs.len(), 1);
    assert!(outputs[0].contains("unfenced_takeover no"), "{outputs:?}");
    let order = order(GroupVerb::ConfirmFence { node: name("bob") });
    assert!(stage.manager.handle_order(order, at(5)).is_ok());
    assert!(stage.outputs().contains(&"start 0".to_string()));
}

#[test]
fn the_words_of_an_operator_stand_in_the_events_of_the_order() {
    let because = |verb| Order {
        reason: Some("I looked".into()),
        ..order(verb)
    };
    let told = |stage: &mut Stage, verb| {
        stage.manager.handle_order(because(verb), at(9)).unwrap();
        stage.outputs()[0].clone()
    };
    let groups = || Choice::All;
    let mut stage = Stage::started();
    let text = told(&mut stage, GroupVerb::Cleanup { groups: groups() });
    assert!(text.ends_with("and tried again (I looked)"), "{text}");
    let verb = GroupVerb::Move {
        groups: groups(),
        to: Some(name("alice")),
        lasts: None,
        together: false,
    };
    stage.manager.handle_order(order(verb), at(8)).unwrap();
    stage.outputs();
    let text = told(&mut stage, GroupVerb::Unmove { groups: groups() });
    assert!(text.ends_with("any more (I looked)"), "{text}");
    stage.manager.handle_order(freeze(), at(8)).unwrap();
    stage.outputs();
    let text = told(&mut stage, GroupVerb::Unfreeze);
    assert_eq!(text, "not frozen any more (I looked)");
    let text = told(&mut stage, GroupVerb::ConfirmFence { node: name("bob") });
    assert_eq!(text, "node bob is off: somebody made sure of it (I looked)");
    let mut stage = Stage::met(fenced_by(&["ipmi"]));
    let text = told(&mut stage, GroupVerb::Fence { node: name("bob") });
    assert_eq!(text, "node bob is being switched off with ipmi (I looked)");
}

/// The cause of the change of state among these events, and what it names.
fn cause_in(events: &[Event], cause: &Event) -> (Option<EventId>, EventId) {
    let change = |event: &&Event| matches!(event.kind, Kind::GroupState { .. });
    let change = events.iter().find(change).unwrap();
    (change.caused_by().cloned(), cause.id.clone())
}

#[test]
fn what_is_taken_after_a_confirmation_follows_from_it() {
    let settings = Settings {
        unfenced_takeover: false,
        ..settings()
    };
    let mut stage = Stage::met(settings);
    stage.hear(GroupState::Started, Willingness::Able, 2);
    stage.bob(NodeStatus::Dead, 3);
    let confirm = order(GroupVerb::ConfirmFence { node: name("bob") });
    stage.manager.handle_order(confirm, at(5)).unwrap();
    let told = stage.told();
    assert!(matches!(told[0].kind, Kind::FenceConfirmed { .. }));
    let (caused_by, confirmation) = cause_in(&told, &told[0]);
    assert_eq!(caused_by, Some(confirmation));
}

#[test]
fn what_a_freeze_held_back_follows_from_its_end() {
    let unfreeze = || order(GroupVerb::Unfreeze);
    let mut stage = Stage::met(settings());
    stage.manager.handle_order(freeze(), at(2)).unwrap();
    stage.bob(NodeStatus::Dead, 3);
    stage.manager.handle_order(unfreeze(), at(4)).unwrap();
    let told = stage.told();
    let (caused_by, end) = cause_in(&told, &told[0]);
    assert_eq!(caused_by, Some(end), "what is done at once");

    let declares = |stage: &mut Stage, number| {
        let claim = Claim {
            state: GroupState::Stopped,
            willing: Willingness::Able,
            epoch: 1,
        };
        let declaration = stage.of_bob(claim, number);
        (stage.manager).handle_message(&name("bob"), declaration, at(number));
        stage.told()
    };
    for (answers, follows) in [(20, true), (20_000, false)] {
        let mut stage = Stage::met(settings());
        stage.manager.handle_order(freeze(), at(2)).unwrap();
        declares(&mut stage, 3);
        stage.manager.handle_order(unfreeze(), at(4)).unwrap();
        let thawed = stage.told().remove(0);
        let (caused_by, end) = cause_in(&declares(&mut stage, answers), &thawed);
        assert_eq!(caused_by == Some(end), follows, "answered at {answers}");
    }
}

#[test]
fn a_resource_that_is_lost_is_started_anew_here_and_then_there() {
    let mut stage = Stage::started();
    let lose = |stage: &mut Stage, millis| {
        let lost = "the address is gone".to_string();
        (stage.manager).handle_loss(&group(), 0, lost, at(millis));
        stage.outputs()
    };
    let outputs = lose(&mut stage, 10);
    assert!(outputs[0].contains("the address is gone"), "{outputs:?}");
    assert!(outputs[1].contains("started anew"), "{outputs:?}");
    for millis in 11..15 {
        stage.end(Outcome::Done, millis);
    }
    assert!(matches!(stage.manager.groups[0].phase, Phase::Started(_)));
    let outputs = lose(&mut stage, 20);
    assert!(outputs[1].contains("did not help"), "{outputs:?}");
    assert_eq!(lose(&mut stage, 21), [] as [&str; 0]);
}

fn order(verb: GroupVerb) -> Order {
    Order {
        verb,
        who: "uid 0".into(),
        reason: None,
    }
}

fn freeze() -> Order {
    order(GroupVerb::Freeze {
        lasts: None,
        maintenance: false,
    })
}

fn move_to(node: &str) -> Order {
    order(GroupVerb::Move {
        groups: Choice::All,
        to: Some(name(node)),
        lasts: Some(Duration::from_secs(60)),
        together: false,
    })
}

fn change(from: &str, to: &str) -> Change {
    Change {
        group: group(),
        from: Some(name(from)),
        to: Some(name(to)),
    }
}

#[test]
fn an_order_says_what_it_does_and_a_plan_does_not_do_it() {
    let mut stage = Stage::started();
    stage.bob(NodeStatus::Active, 10);
    stage.hear(GroupState::Stopped, Willingness::Able, 11);
    let moved = Ok(vec![change("alice", "bob")]);
    assert_eq!(stage.manager.plan(move_to("bob"), at(12)), moved);
    assert_eq!(stage.outputs(), [] as [&str; 0]);
    assert_eq!(stage.manager.handle_order(move_to("bob"), at(12)), moved);
    let outputs = stage.outputs();
    assert!(
        outputs[0].contains("is wanted on bob for 60 s"),
        "{outputs:?}"
    );
    assert!(outputs.contains(&"stop 1".to_string()), "{outputs:?}");
}

#[test]
fn a_plan_knows_what_holds_a_takeover_back() {
    let mut stage = Stage::met(Settings {
        unfenced_takeover: false,
        ..settings()
    });
    stage.hear(GroupState::Started, Willingness::Able, 2);
    stage.bob(NodeStatus::Dead, 3);
    let changes = stage.manager.plan(move_to("alice"), at(4)).unwrap();
    assert_eq!((&changes[0].from, &changes[0].to), (&None, &None));
    let confirm = order(GroupVerb::ConfirmFence { node: name("bob") });
    let changes = stage.manager.plan(confirm, at(5)).unwrap();
    assert_eq!(changes[0].to, Some(name("alice")));
}

#[test]
fn a_plan_to_clean_up_counts_on_the_node_where_it_failed() {
    let mut settings = settings();
    settings.groups[0].preferred = name("bob");
    let mut stage = Stage::met(settings);
    let claim = Claim {
        state: GroupState::Stopped,
        willing: Willingness::Unable,
        epoch: 1,
    };
    let declaration = Declaration {
        failures: BTreeMap::from([(group(), "start of web failed: no".to_string())]),
        ..stage.of_bob(claim, 1)
    };
    stage.read(declaration, 2);
    for millis in [3, 4] {
        stage.end(Outcome::Done, millis);
    }
    let groups = Choice::All;
    let cleanup = order(GroupVerb::Cleanup { groups });
    let changes = stage.manager.plan(cleanup, at(5)).unwrap();
    assert_eq!(changes, [change("alice", "bob")]);
}

#[test]
fn nothing_is_ordered_before_it_is_known_whether_the_other_node_lives() {
    let mut stage = Stage::new(settings(), Kept::default());
    let early = Err(Refusal::TooEarly);
    assert_eq!(stage.manager.handle_order(move_to("alice"), at(1)), early);
    stage.bob(NodeStatus::Active, 2);
    assert!(stage.manager.handle_order(move_to("alice"), at(3)).is_ok());
}

#[test]
fn a_wish_ends_by_itself() {
    let mut stage = Stage::started();
    stage.bob(NodeStatus::Active, 10);
    stage.hear(GroupState::Stopped, Willingness::Able, 11);
    stage
        .manager
        .handle_order(move_to("alice"), at(12))
        .unwrap();
    stage.outputs();
    stage.manager.handle_timeout(at(60_013));
    let outputs = stage.outputs();
    assert!(outputs[1].contains("nowhere in particular"), "{outputs:?}");
}

#[test]
fn in_maintenance_nothing_is_looked_at() {
    let mut stage = Stage::started();
    let verb = GroupVerb::Freeze {
        lasts: None,
        maintenance: true,
    };
    assert!(stage.manager.handle_order(order(verb), at(5)).is_ok());
    stage.outputs();
    stage.manager.handle_timeout(at(11_000));
    assert_eq!(stage.outputs(), [] as [&str; 0]);
    assert!(stage.manager.poll_deadline() > Some(at(11_000).boot));
    assert!(
        stage
            .manager
            .handle_order(order(GroupVerb::Unfreeze), at(11_001))
            .is_ok()
    );
    stage.outputs();
    stage.manager.handle_timeout(at(11_002));
    assert_eq!(stage.outputs(), ["monitor 0"]);
}

#[test]
fn in_a_freeze_what_is_broken_is_told_and_repaired_when_it_ends() {
    let mut stage = Stage::started();
    stage.manager.handle_order(freeze(), at(5)).unwrap();
    stage.outputs();
    for millis in [10_003, 20_005, 30_007] {
        let outputs = broken_look(&mut stage, millis);
        assert!(outputs[0].contains("it does not run"), "{outputs:?}");
        assert_eq!(outputs.len(), 1, "{outputs:?}");
    }
    let unfreeze = order(GroupVerb::Unfreeze);
    stage.manager.handle_order(unfreeze, at(30_100)).unwrap();
    stage.outputs();
    assert_eq!(stage.manager.poll_deadline(), Some(at(30_100).boot));
    let outputs = broken_look(&mut stage, 30_100);
    assert_eq!(outputs.last().unwrap(), "stop 1");
}

#[test]
fn the_end_of_a_freeze_looks_at_what_nobody_watches_too() {
    let mut settings = settings();
    settings.groups[0].monitor = None;
    let mut stage = Stage::new(settings, Kept::default());
    stage.bob_leaves(1);
    stage.event(Kind::CommunicationUp, 1);
    for millis in [2, 3] {
        stage.end(Outcome::Done, millis);
    }
    stage.manager.handle_order(freeze(), at(5)).unwrap();
    let lost = "the address is gone".to_string();
    stage.manager.handle_loss(&group(), 0, lost, at(6));
    let outputs = stage.outputs();
    assert!(
        outputs.last().unwrap().contains("the address is gone"),
        "{outputs:?}"
    );
    stage
        .manager
        .handle_order(order(GroupVerb::Unfreeze), at(7))
        .unwrap();
    stage.outputs();
    let outputs = broken_look(&mut stage, 8);
    assert_eq!(outputs.last().unwrap(), "stop 1");
}

#[test]
fn an_order_is_passed_on_until_the_other_node_has_read_it() {
    let mut stage = Stage::started();
    stage.bob(NodeStatus::Active, 10);
    stage.hear(GroupState::Stopped, Willingness::Able, 11);
    assert!(stage.manager.handle_order(freeze(), at(12)).is_ok());
    let said = stage.declared().unwrap();
    assert_eq!(said.orders.len(), 1);
    assert_eq!(said.orders[0].number, said.stand.number);
    stage.manager.handle_timeout(at(1_100));
    assert_eq!(stage.declared().unwrap().orders.len(), 1);
    stage.hear(GroupState::Stopped, Willingness::Unable, 1_200);
    assert_eq!(stage.manager.own.orders, []);
}

#[test]
fn an_order_that_was_passed_on_is_obeyed_once() {
    let mut stage = Stage::started();
    stage.bob(NodeStatus::Active, 10);
    let mut declaration = Declaration {
        stand: Stand {
            life: life(3),
            number: 4,
        },
        heard: None,
        answer: true,
        alone: false,
        waits: false,
        pings: None,
        claims: BTreeMap::new(),
        failures: BTreeMap::new(),
        reasons: BTreeMap::new(),
        wanted: BTreeMap::new(),
        orders: vec![Passed {
            number: 4,
            standing: false,
            order: freeze(),
        }],
    };
    stage.read(declaration.clone(), 11);
    assert!(stage.manager.is_frozen());
    let unfreeze = order(GroupVerb::Unfreeze);
    assert!(stage.manager.handle_order(unfreeze, at(12)).is_ok());
    declaration.stand.number = 5;
    stage.read(declaration, 13);
    assert!(!stage.manager.is_frozen());
}

#[test]
fn another_core_brings_what_it_knows_and_nothing_is_stopped() {
    let mut stage = Stage::started();
    let mut view = ClusterView::default();
    stage.manager.handle_view(&view, at(10));
    assert_eq!(stage.outputs(), ["keep held"]);
    let mut core = EventSource::new(name("alice"), Role::Core, Generation(8));
    let kind = Kind::NodeStatus {
        node: name("bob"),
        from: NodeStatus::Init,
        to: NodeStatus::Active,
        reason: StatusReason::Announced,
    };
    for kind in [quick_restart(), Kind::CommunicationUp, kind] {
        view.apply(&core.event(kind, None, at(11)));
    }
    stage.manager.handle_view(&view, at(11));
    assert_eq!(stage.outputs(), ["say started able"]);
}

pub(crate) fn quick_restart() -> Kind {
    let nodes = ["alice", "bob"].map(|node| shared::event::ConfiguredNode {
        name: name(node),
        kind: shared::event::NodeKind::Normal,
    });
    Kind::Started(Box::new(shared::event::Started {
        version: "0".into(),
        node: name("alice"),
        uuid: shared::names::Uuid([0; 16]),
        generation: Generation(8),
        quick_restart: true,
        nodes: nodes.into(),
        media: Vec::new(),
        keepalive: Duration::from_millis(100),
        warntime: Duration::from_secs(1),
        deadtime: Duration::from_secs(1),
        initdead: Duration::from_secs(1),
    }))
}

fn fenced_by(devices: &[&str]) -> Settings {
    Settings {
        fencing: Fencing {
            devices: devices.iter().map(|&device| device.into()).collect(),
            delay: Duration::from_secs(2),
            startup: true,
            manual: false,
        },
        ..settings()
    }
}

/// Bob held the group and dies; two devices could switch it off.
fn bob_dies(settings: Settings) -> Stage {
    let mut stage = Stage::met(settings);
    stage.hear(GroupState::Started, Willingness::Able, 2);
    let outputs = stage.bob(NodeStatus::Dead, 3);
    assert!(
        outputs[0].contains("nothing is taken over from it"),
        "{outputs:?}"
    );
    stage
}

impl Stage {
    /// What is done by time alone.
    fn timeout(&mut self, millis: u64) -> Vec<String> {
        self.manager.handle_timeout(at(millis));
        self.outputs()
    }

    fn struck(&mut self, outcome: Outcome, millis: u64) -> Vec<String> {
        let action = self.fence.take().unwrap();
        self.manager.handle_result(action, outcome, at(millis));
        self.outputs()
    }

    fn broken(&mut self, millis: u64) -> Vec<String> {
        let why = "no answer".to_string();
        self.struck(Outcome::Failed { why }, millis)
    }
}

#[test]
fn a_node_that_was_fenced_and_is_heard_again_is_not_fenced_again() {
    let mut stage = bob_dies(fenced_by(&["ipmi"]));
    stage.timeout(2003);
    stage.struck(Outcome::Done, 2100);
    for generation in [3, 4] {
        let heard = Kind::NodeHeard {
            node: name("bob"),
            uuid: None,
            generation: Generation(generation),
            program: "hbd".into(),
        };
        assert_eq!(stage.event(heard, 5000), [] as [&str; 0]);
    }
}

#[test]
fn a_fencing_does_not_count_for_a_node_that_restarted_while_it_ran() {
    let dies = |restarts: bool| {
        let mut stage = Stage::met(fenced_by(&["ipmi"]));
        let heard = Kind::NodeHeard {
            node: name("bob"),
            uuid: None,
            generation: Generation(3),
            program: "hbd".into(),
        };
        stage.event(heard, 2);
        let fence = order(GroupVerb::Fence { node: name("bob") });
        stage.manager.handle_order(fence, at(3)).unwrap();
        stage.outputs();
        if restarts {
            let restarted = Kind::NodeRestarted {
                node: name("bob"),
                from: Generation(3),
                to: Generation(4),
            };
            stage.event(restarted, 50);
        }
        stage.struck(Outcome::Done, 100);
        let kind = Kind::NodeStatus {
            node: name("bob"),
            from: NodeStatus::Active,
            to: NodeStatus::Dead,
            reason: StatusReason::Silent {
                silent: Duration::from_millis(1050),
                deadtime: Duration::from_secs(1),
            },
        };
        stage.event(kind, 1100).contains(&"start 0".to_string())
    };
    assert!(dies(false));
    assert!(!dies(true), "what was silent is the life after it");
}

#[test]
fn a_dead_holder_is_succeeded_when_a_device_says_that_it_is_off() {
    let mut stage = bob_dies(fenced_by(&["ipmi"]));
    assert_eq!(stage.timeout(2002), [""; 0], "the delay is not over");
    let begun = [
        "node bob is being switched off with ipmi",
        "Off with device 0",
    ];
    assert_eq!(stage.timeout(2003), begun);
    let outputs = stage.struck(Outcome::Done, 2500);
    assert_eq!(outputs[0], "node bob is off: ipmi confirmed it");
    assert!(outputs.contains(&"start 0".to_string()), "{outputs:?}");
}

#[test]
fn a_device_that_fails_is_followed_by_the_next_and_all_are_tried_for_ever() {
    let mut stage = bob_dies(fenced_by(&["ipmi", "pdu"]));
    stage.timeout(2003);
    let outputs = stage.broken(3000);
    assert_eq!(
        outputs,
        [
            "ipmi did not switch off node bob: no answer",
            "node bob is being switched off with pdu",
            "Off with device 1"
        ]
    );
    let outputs = stage.broken(4000);
    assert_eq!(
        outputs,
        ["pdu did not switch off node bob, 2 times in a row: no answer"]
    );
    assert_eq!(stage.timeout(8999), [""; 0]);
    assert!(
        stage
            .timeout(9000)
            .contains(&"Off with device 0".to_string())
    );
}

#[test]
fn a_fencing_counts_for_the_death_that_it_was_meant_for() {
    let mut stage = bob_dies(fenced_by(&["ipmi"]));
    stage.timeout(2003);
    let meant = stage.fence.take().unwrap();
    stage.bob(NodeStatus::Active, 2100);
    stage.bob(NodeStatus::Dead, 2200);
    stage.manager.handle_result(meant, Outcome::Done, at(2300));
    let outputs = stage.outputs();
    assert!(!outputs.contains(&"start 0".to_string()), "{outputs:?}");
    let outputs = stage.timeout(5000);
    assert!(
        outputs.contains(&"Off with device 0".to_string()),
        "{outputs:?}"
    );
}

#[test]
fn a_node_that_left_or_held_nothing_is_not_fenced() {
    let mut stage = Stage::met(fenced_by(&["ipmi"]));
    stage.hear(GroupState::Stopped, Willingness::Unable, 2);
    let outputs = stage.bob_leaves(3);
    assert!(
        !outputs.iter().any(|text| text.contains("taken over")),
        "{outputs:?}"
    );
    assert!(
        stage
            .timeout(9000)
            .iter()
            .all(|text| !text.starts_with("Off"))
    );
}

#[test]
fn that_a_dead_node_holds_nothing_outlives_the_manager() {
    let mut stage = bob_dies(fenced_by(&["ipmi"]));
    stage.timeout(2003);
    let mut kept = Kept::default();
    let action = stage.fence.take().unwrap();
    stage.manager.handle_result(action, Outcome::Done, at(2500));
    while let Some(output) = stage.manager.poll_output() {
        if let Output::Keep(next) = output {
            kept = next;
        }
    }
    let mut view = ClusterView::default();
    view.apply(&stage.core.event(quick_restart(), None, at(1)));
    view.apply(&stage.core.event(Kind::CommunicationUp, None, at(1)));
    let kind = Kind::NodeStatus {
        node: name("bob"),
        from: NodeStatus::Active,
        to: NodeStatus::Dead,
        reason: StatusReason::Announced,
    };
    view.apply(&stage.core.event(kind.clone(), None, at(3)));
    let begin = |view: &ClusterView| {
        let settings = fenced_by(&["ipmi"]);
        let kept = kept.clone();
        let mut manager = TwoNode::new(settings, kept, view, at(3000));
        std::iter::from_fn(|| manager.poll_output())
            .any(|output| matches!(output, Output::Event(event) if event.text.contains("nothing is taken over")))
    };
    assert!(!begin(&view));
    view.apply(&stage.core.event(kind, None, at(2700)));
    assert!(begin(&view), "that was another death");
}

#[test]
fn a_node_that_cannot_stop_what_it_holds_is_fenced_by_the_other() {
    let settings = Settings {
        fence_blocked: true,
        ..fenced_by(&["ipmi"])
    };
    let mut stage = Stage::met(settings);
    stage.hear(GroupState::Blocked, Willingness::Able, 2);
    let outputs = stage.timeout(2002);
    assert!(
        outputs.contains(&"Off with device 0".to_string()),
        "{outputs:?}"
    );
    let outputs = stage.struck(Outcome::Done, 2500);
    assert!(
        !outputs.contains(&"start 0".to_string()),
        "its claim stands"
    );
    assert!(
        stage
            .timeout(9000)
            .iter()
            .all(|text| !text.starts_with("Off"))
    );
}

#[test]
fn an_operator_has_a_living_node_switched_off_and_each_device_is_tried_once() {
    let mut stage = Stage::met(fenced_by(&["ipmi"]));
    stage.hear(GroupState::Started, Willingness::Able, 2);
    let fence = order(GroupVerb::Fence { node: name("bob") });
    assert!(stage.manager.handle_order(fence, at(3)).is_ok());
    assert!(stage.outputs().contains(&"Off with device 0".to_string()));
    stage.broken(4);
    assert!(
        stage
            .timeout(9000)
            .iter()
            .all(|text| !text.starts_with("Off"))
    );
}

#[test]
fn what_no_device_can_do_is_left_to_an_operator_where_that_is_configured() {
    let refusal = |manual| {
        let mut settings = fenced_by(&[]);
        settings.fencing.manual = manual;
        let mut stage = Stage::met(settings);
        let fence = order(GroupVerb::Fence { node: name("bob") });
        stage.manager.handle_order(fence, at(3)).unwrap_err()
    };
    assert_eq!(refusal(false), Refusal::NoDevice(name("bob")));
    let told = refusal(true);
    assert_eq!(told, Refusal::ByOperator(name("bob")));
    assert!(told.to_string().contains("hactl fence confirm bob"));
}

#[test]
fn a_device_that_does_not_answer_is_told_once_and_when_it_answers() {
    let mut stage = Stage::new(fenced_by(&["ipmi"]), Kept::default());
    let check = |stage: &mut Stage, outcome: Outcome, millis| {
        stage.manager.handle_timeout(at(millis));
        let id =
            std::iter::from_fn(|| stage.manager.poll_output()).find_map(|output| match output {
                Output::Fence(fence) => Some(fence.id),
                _ => None,
            });
        stage
            .manager
            .handle_result(id.unwrap(), outcome, at(millis));
        stage.outputs()
    };
    let failed = || Outcome::Failed {
        why: "no answer".into(),
    };
    let text = "ipmi, which is to switch off node bob if need be, does not work: no answer";
    assert_eq!(check(&mut stage, failed(), 1), [text]);
    assert_eq!(check(&mut stage, failed(), 3_600_001), [""; 0]);
    let text = "ipmi, which is to switch off node bob if need be, works again";
    assert_eq!(check(&mut stage, Outcome::Done, 7_200_001), [text]);
}

#[test]
fn a_holder_yields_to_a_node_that_does_not_hear_it_and_holds_the_group_too() {
    let mut stage = Stage::started();
    stage.bob(NodeStatus::Active, 10);
    stage.event(Kind::DeclaredDead { node: name("bob") }, 20);
    let mut declaration = Declaration {
        stand: Stand {
            life: life(3),
            number: 1,
        },
        heard: None,
        answer: true,
        alone: true,
        waits: false,
        pings: None,
        claims: BTreeMap::from([(
            group(),
            Claim {
                state: GroupState::Started,
                willing: Willingness::Able,
                epoch: 2,
            },
        )]),
        failures: BTreeMap::new(),
        reasons: BTreeMap::new(),
        orders: Vec::new(),
        wanted: BTreeMap::new(),
    };
    let stops = "stop 1".to_string();
    assert!(
        !stage.read(declaration.clone(), 30).contains(&stops),
        "it may be a heal"
    );
    assert!(stage.read(declaration.clone(), 1030).contains(&stops));

    let mut stage = Stage::started();
    stage.bob(NodeStatus::Active, 10);
    stage.read(declaration.clone(), 30);
    stage.event(Kind::DeclaredDeadOver { node: name("bob") }, 40);
    let outputs = stage.read(declaration.clone(), 1030);
    assert!(!outputs.contains(&stops), "it hears this node again");

    let mut stage = Stage::started();
    stage.bob(NodeStatus::Active, 10);
    declaration.claims.get_mut(&group()).unwrap().state = GroupState::Stopped;
    stage.read(declaration.clone(), 30);
    let outputs = stage.read(declaration, 1030);
    assert!(!outputs.contains(&stops), "it does not hold it");
}

#[test]
fn what_is_ordered_is_told_to_a_node_that_returns() {
    let mut stage = Stage::met(settings());
    stage.hear(GroupState::Stopped, Willingness::Able, 2);
    stage.bob(NodeStatus::Dead, 3);
    let freeze = Order {
        reason: Some("new switch".into()),
        ..freeze()
    };
    stage.manager.handle_order(freeze.clone(), at(4)).unwrap();
    stage.outputs();
    let kind = Kind::NodeStatus {
        node: name("bob"),
        from: NodeStatus::Dead,
        to: NodeStatus::Active,
        reason: StatusReason::Announced,
    };
    let event = stage.core.event(kind, None, at(5));
    stage.manager.handle_event(&event, at(5));
    let declaration = stage.declared().unwrap();
    assert_eq!(declaration.orders[0].order, freeze);
}

#[test]
fn what_was_ordered_before_all_of_hbd_ended_here_counts_until_the_other_node_speaks() {
    let kept = Kept {
        frozen: Some(Frozen {
            until: NEVER,
            maintenance: false,
            who: "uid 0".into(),
            reason: Some("new switch".into()),
            inherited: false,
        }),
        inherited: true,
        ..Kept::default()
    };
    let mut stage = Stage::new(settings(), kept);
    let told = stage.told().remove(0);
    let text = "frozen: no group is started, stopped or moved (new switch)";
    assert_eq!(told.text, text);
    assert_eq!(told.cause, Some(Cause::Order("uid 0".into())));
    stage.bob(NodeStatus::Active, 1);
    stage.event(Kind::CommunicationUp, 1);
    let outputs = stage.hear(GroupState::Stopped, Willingness::Able, 2);
    assert_eq!(outputs[0], "not frozen any more");
}

#[test]
fn an_order_that_counts_while_both_live_ends_with_the_other_node() {
    let verb = || GroupVerb::Move {
        groups: Choice::All,
        to: Some(name("bob")),
        lasts: None,
        together: true,
    };
    let mut stage = Stage::met(settings());
    stage.manager.handle_order(order(verb()), at(5)).unwrap();
    let wanted = "group IPaddr::10.0.0.5 is wanted on bob while both nodes live";
    assert_eq!(stage.outputs()[0], wanted);
    assert_eq!(stage.manager.standing_orders(at(6).boot).len(), 1);
    let over = "group IPaddr::10.0.0.5 is wanted nowhere in particular any more";
    let outputs = stage.bob_leaves(7);
    assert!(outputs.iter().any(|output| output == over), "{outputs:?}");
    assert_eq!(stage.manager.standing_orders(at(8).boot), []);
    let refused = stage.manager.handle_order(order(verb()), at(9));
    assert_eq!(refused, Err(Refusal::NotAlive(name("bob"))));
}

#[test]
fn an_order_that_counts_while_both_live_ends_where_the_other_node_gave_the_group_up() {
    let move_to_bob = |together| {
        let mut stage = Stage::met(settings());
        let verb = GroupVerb::Move {
            groups: Choice::All,
            to: Some(name("bob")),
            lasts: None,
            together,
        };
        stage.manager.handle_order(order(verb), at(5)).unwrap();
        stage.hear(GroupState::Started, Willingness::Able, 6);
        stage.hear(GroupState::Stopped, Willingness::Reluctant, 7)
    };
    let over = "group IPaddr::10.0.0.5 is wanted nowhere in particular any more";
    let is_over = |outputs: Vec<String>| outputs.iter().any(|output| output == over);
    assert!(is_over(move_to_bob(true)));
    assert!(!is_over(move_to_bob(false)));
}

#[test]
fn what_is_ordered_on_return_comes_before_what_the_other_node_still_has_standing() {
    let bob = name("bob");
    let wanted = Wanted {
        on: bob.clone(),
        until: NEVER,
        together: false,
        who: "uid 0".into(),
        reason: None,
        inherited: false,
    };
    let web = KeptGroup {
        wanted: Some(wanted),
        ..KeptGroup::default()
    };
    let kept = Kept {
        groups: BTreeMap::from([(group(), web)]),
        inherited: true,
        ..Kept::default()
    };
    let mut stage = Stage::new(settings(), kept);
    stage.bob(NodeStatus::Active, 1);
    stage.event(Kind::CommunicationUp, 1);
    let moved = |to: &str| {
        order(GroupVerb::Move {
            groups: Choice::Named(vec![group()]),
            to: Some(name(to)),
            lasts: None,
            together: false,
        })
    };
    stage.manager.handle_order(moved("alice"), at(2)).unwrap();
    stage.outputs();
    let standing = Passed {
        number: 1,
        standing: true,
        order: moved("bob"),
    };
    let declaration = Declaration {
        stand: Stand {
            life: life(3),
            number: 3,
        },
        heard: None,
        answer: true,
        alone: false,
        waits: false,
        pings: None,
        claims: BTreeMap::new(),
        failures: BTreeMap::new(),
        reasons: BTreeMap::new(),
        orders: vec![standing],
        wanted: BTreeMap::new(),
    };
    let outputs = stage.read(declaration, 3);
    assert!(
        !outputs.iter().any(|output| output.contains("wanted")),
        "{outputs:?}"
    );
}

#[test]
fn an_order_that_is_withdrawn_counts_no_more() {
    let mut stage = Stage::met(settings());
    stage.hear(GroupState::Started, Willingness::Able, 2);
    let to_bob = order(GroupVerb::Move {
        groups: Choice::All,
        to: Some(name("bob")),
        lasts: None,
        together: false,
    });
    stage.manager.handle_order(to_bob, at(3)).unwrap();
    stage.outputs();
    let groups = Choice::All;
    let unmove = order(GroupVerb::Unmove { groups });
    let changes = stage.manager.handle_order(unmove.clone(), at(4)).unwrap();
    assert_eq!(changes[0].to, Some(name("alice")));
    let told = "group IPaddr::10.0.0.5 is wanted nowhere in particular any more";
    assert!(stage.outputs().contains(&told.to_string()));
    stage.manager.handle_order(unmove, at(5)).unwrap();
    assert!(!stage.outputs().contains(&told.to_string()));
}

#[test]
fn a_node_that_was_switched_off_and_not_heard_since_is_off() {
    let dies = |silent| {
        let mut stage = Stage::met(fenced_by(&["ipmi"]));
        stage.hear(GroupState::Started, Willingness::Able, 2);
        let fence = order(GroupVerb::Fence { node: name("bob") });
        stage.manager.handle_order(fence, at(3)).unwrap();
        stage.outputs();
        stage.struck(Outcome::Done, 100);
        let kind = Kind::NodeStatus {
            node: name("bob"),
            from: NodeStatus::Active,
            to: NodeStatus::Dead,
            reason: StatusReason::Silent {
                silent: Duration::from_millis(silent),
                deadtime: Duration::from_secs(1),
            },
        };
        stage.event(kind, 1100).contains(&"start 0".to_string())
    };
    assert!(dies(1050), "it was last heard before");
    assert!(!dies(950), "it was heard after that");
}

#[test]
fn the_end_of_a_freeze_moves_nothing_that_stays_where_it_is() {
    let mut stage = Stage::met(Settings {
        failback: false,
        ..settings()
    });
    stage.hear(GroupState::Started, Willingness::Able, 2);
    stage.manager.handle_order(freeze(), at(3)).unwrap();
    stage.hear(GroupState::Started, Willingness::Unable, 4);
    let unfreeze = order(GroupVerb::Unfreeze);
    let changes = stage.manager.plan(unfreeze, at(5)).unwrap();
    assert_eq!(changes[0].from, Some(name("bob")));
    assert_eq!(changes[0].to, Some(name("bob")));
}
