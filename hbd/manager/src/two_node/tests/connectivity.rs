//! Two ping nodes, and two nodes of which one reaches fewer.

use super::*;

const ROUTER: &str = "router";
const SWITCH: &str = "switch";
const TO_BOB: &str = "group IPaddr::10.0.0.5 stopping on alice (bob reaches 2 ping nodes, this node 1 (router does not answer))";

fn counting() -> Settings {
    let mut settings = settings();
    settings.ping_nodes = vec![name(ROUTER), name(SWITCH)];
    // The one deadline is then that of the comparison.
    settings.groups[0].monitor = None;
    settings
}

/// What both nodes are, from the second on in which alice met bob.
struct Pair {
    stage: Stage,
    /// What bob says of the group, and how many he reaches.
    claim: Claim,
    pings: Option<u32>,
    said: u64,
}

impl Pair {
    /// Alice holds the group, and reaches both; bob, who does not hold it, too.
    fn met(settings: Settings) -> Self {
        let mut pair = Self::of(settings);
        pair.bob(GroupState::Stopped, Willingness::Able, Some(2), 1);
        pair
    }

    /// The same before bob says anything.
    fn of(settings: Settings) -> Self {
        let mut stage = Stage::new(settings, Kept::default());
        stage.bob_leaves(1);
        stage.event(Kind::CommunicationUp, 1);
        stage.end(Outcome::Done, 2);
        stage.end(Outcome::Done, 3);
        let mut pair = Self {
            stage,
            claim: Claim {
                state: GroupState::Stopped,
                willing: Willingness::Able,
                epoch: 1,
            },
            pings: None,
            said: 0,
        };
        for node in [ROUTER, SWITCH] {
            pair.reaches(node, NodeStatus::Ping, 1);
        }
        pair.stage.bob(NodeStatus::Active, 1000);
        pair
    }

    /// A ping node is something else to alice.
    fn reaches(&mut self, node: &str, to: NodeStatus, seconds: u64) -> Vec<String> {
        let kind = Kind::NodeStatus {
            node: name(node),
            from: NodeStatus::Init,
            to,
            reason: StatusReason::Announced,
        };
        let mut outputs = self.stage.event(kind, seconds * 1000);
        outputs.extend(self.read(seconds));
        outputs
    }

    /// Bob is something else.
    fn bob(
        &mut self,
        state: GroupState,
        willing: Willingness,
        pings: Option<u32>,
        seconds: u64,
    ) -> Vec<String> {
        (self.claim.state, self.claim.willing, self.pings) = (state, willing, pings);
        self.read(seconds)
    }

    /// Bob has read what alice says, and says what he is.
    fn read(&mut self, seconds: u64) -> Vec<String> {
        self.said += 1;
        let declaration = Declaration {
            pings: self.pings,
            ..self.stage.of_bob(self.claim, self.said)
        };
        let (bob, now) = (name("bob"), at(seconds * 1000));
        self.stage.manager.handle_message(&bob, declaration, now);
        self.stage.outputs()
    }

    fn wait(&mut self, seconds: u64) -> Vec<String> {
        self.stage.manager.handle_timeout(at(seconds * 1000));
        self.stage.outputs()
    }

    fn order(&mut self, verb: GroupVerb, seconds: u64) -> Vec<String> {
        let now = at(seconds * 1000);
        self.stage.manager.handle_order(order(verb), now).unwrap();
        self.stage.outputs()
    }

    fn willing(&self, seconds: u64) -> Willingness {
        self.stage.manager.willing(0, at(seconds * 1000).boot)
    }
}

fn moves(outputs: &[String]) -> bool {
    outputs.iter().any(|output| output.contains(" on alice ("))
}

#[test]
fn who_has_reached_fewer_for_ten_seconds_hands_over() {
    let mut pair = Pair::met(counting());
    let lost = pair.reaches(ROUTER, NodeStatus::Dead, 20);
    let counts = "this node reaches 1 ping node, bob 2; groups go to bob";
    let waits = format!("{counts} if that lasts 10 s");
    assert_eq!(lost, [waits.as_str(), "say started able"]);
    assert_eq!(pair.stage.manager.poll_deadline(), Some(at(30_000).boot));
    assert!(!moves(&pair.wait(29)));
    let outputs = pair.wait(30);
    assert_eq!(
        outputs,
        [
            counts,
            TO_BOB,
            "keep held",
            "stop 1",
            "say stopping reluctant"
        ]
    );
    let said = &pair.stage.manager.own.reasons[&group()];
    assert_eq!(
        said,
        "bob reaches 2 ping nodes, alice 1 (router does not answer)"
    );
}

#[test]
fn the_move_follows_from_the_ping_node_that_died() {
    let mut pair = Pair::met(counting());
    let kind = Kind::NodeStatus {
        node: name(ROUTER),
        from: NodeStatus::Ping,
        to: NodeStatus::Dead,
        reason: StatusReason::Announced,
    };
    let lost = pair.stage.core.event(kind, None, at(20_000));
    pair.stage.manager.handle_event(&lost, at(20_000));
    pair.read(20);
    pair.stage.manager.handle_timeout(at(30_000));
    let told = pair.stage.told();
    let stops = told.iter().find(|event| event.text == TO_BOB).unwrap();
    assert_eq!(stops.cause, Some(Cause::Event(lost.id)));
}

#[test]
fn nothing_moves_where_both_lose_it_or_only_one_counts() {
    for pings in [Some(1), None] {
        let mut pair = Pair::met(counting());
        pair.reaches(ROUTER, NodeStatus::Dead, 20);
        pair.bob(GroupState::Stopped, Willingness::Able, pings, 25);
        assert!(!moves(&pair.wait(60)), "{pings:?}");
        assert_eq!(pair.willing(60), Willingness::Able);
    }
    let mut pair = Pair::met(settings());
    pair.reaches(ROUTER, NodeStatus::Dead, 20);
    assert!(!moves(&pair.wait(60)));
    assert_eq!(pair.stage.manager.own.pings, None);
}

#[test]
fn what_is_being_started_is_started_before_it_is_handed_over() {
    let mut pair = Pair::met(counting());
    let (group, why) = (group(), "it is gone".to_string());
    (pair.stage.manager).handle_loss(&group, 0, why, at(19_000));
    pair.stage.outputs();
    pair.reaches(ROUTER, NodeStatus::Dead, 20);
    assert!(!moves(&pair.wait(30)));
    assert_eq!(pair.willing(30), Willingness::Able);
    while !matches!(pair.stage.manager.groups[0].phase, Phase::Started(_)) {
        let outputs = pair.stage.end(Outcome::Done, 31_000);
        if outputs.contains(&TO_BOB.to_string()) {
            return;
        }
    }
    panic!("it is handed over as soon as it is started");
}

#[test]
fn in_a_freeze_nothing_moves_and_afterwards_it_does() {
    let mut pair = Pair::met(counting());
    pair.order(
        GroupVerb::Freeze {
            lasts: None,
            maintenance: false,
        },
        19,
    );
    pair.reaches(ROUTER, NodeStatus::Dead, 20);
    assert!(!moves(&pair.wait(60)));
    let outputs = pair.order(GroupVerb::Unfreeze, 61);
    assert!(outputs.contains(&TO_BOB.to_string()), "{outputs:?}");
}

#[test]
fn an_order_of_an_operator_comes_before_ping_nodes() {
    let mut pair = Pair::met(counting());
    let stay = GroupVerb::Move {
        groups: Choice::All,
        to: Some(name("alice")),
        lasts: None,
        together: false,
    };
    pair.order(stay, 19);
    pair.reaches(ROUTER, NodeStatus::Dead, 20);
    assert!(!moves(&pair.wait(60)));
    assert_eq!(pair.willing(60), Willingness::Able);
    let outputs = pair.order(
        GroupVerb::Unmove {
            groups: Choice::All,
        },
        61,
    );
    assert!(outputs.contains(&TO_BOB.to_string()), "{outputs:?}");
}

#[test]
fn a_node_that_reaches_more_and_failed_gets_nothing() {
    for willing in [Willingness::Unable, Willingness::Reluctant] {
        let mut pair = Pair::met(counting());
        pair.bob(GroupState::Stopped, willing, Some(2), 19);
        pair.reaches(ROUTER, NodeStatus::Dead, 20);
        assert!(!moves(&pair.wait(60)));
        assert_eq!(pair.willing(60), Willingness::Able);
    }
}

#[test]
fn a_group_goes_back_only_to_a_node_that_reaches_as_many() {
    let mut settings = counting();
    settings.groups[0].preferred = name("bob");
    let mut pair = Pair::of(settings);
    for (pings, seconds) in [(0, 1), (1, 2)] {
        let outputs = pair.bob(GroupState::Stopped, Willingness::Able, Some(pings), seconds);
        assert!(!moves(&outputs), "{outputs:?}");
    }
    let plan = pair
        .stage
        .manager
        .plan(order(GroupVerb::Unfreeze), at(2_000));
    assert_eq!(plan.unwrap()[0].to, Some(name("alice")));
    let outputs = pair.bob(GroupState::Stopped, Willingness::Able, Some(2), 3);
    let back = "group IPaddr::10.0.0.5 stopping on alice (it goes back to bob, its preferred node)";
    assert_eq!(outputs[0], "this node reaches 2 ping nodes, bob 2");
    assert_eq!(outputs[1], back);
}

#[test]
fn a_node_that_is_behind_takes_what_the_dead_one_held() {
    let mut pair = Pair::met(counting());
    pair.reaches(ROUTER, NodeStatus::Dead, 20);
    let outputs = pair.wait(30);
    assert!(outputs.contains(&TO_BOB.to_string()), "{outputs:?}");
    pair.stage.end(Outcome::Done, 31_000);
    pair.stage.end(Outcome::Done, 32_000);
    pair.bob(GroupState::Started, Willingness::Able, Some(2), 33);
    assert_eq!(pair.willing(33), Willingness::Reluctant);
    let outputs = pair.stage.bob(NodeStatus::Dead, 40_000);
    assert_eq!(outputs.last().unwrap(), "start 0");
    assert_eq!(pair.willing(40), Willingness::Able);
}

#[test]
fn of_two_owners_the_one_that_reaches_more_keeps_the_group() {
    let yields = "group IPaddr::10.0.0.5 stopping on alice (both nodes held it, and bob keeps it)";
    for (pings, epoch, keeper) in [(3, 9, "bob"), (1, 0, "alice"), (2, 0, "bob")] {
        let mut pair = Pair::of(counting());
        pair.claim.epoch = epoch;
        let outputs = pair.bob(GroupState::Started, Willingness::Able, Some(pings), 2);
        let yielded = outputs.contains(&yields.to_string());
        assert_eq!(yielded, keeper == "bob", "{pings} {epoch}: {outputs:?}");
        let contested = outputs.iter().any(|output| output.contains("keeps it"));
        assert!(contested, "{outputs:?}");
    }
}

#[test]
fn who_keeps_what_both_hold_is_decided_when_the_other_has_read_how_many_this_one_reaches() {
    let mut pair = Pair::of(counting());
    pair.bob(GroupState::Stopped, Willingness::Able, Some(2), 1);
    let kind = Kind::NodeStatus {
        node: name(ROUTER),
        from: NodeStatus::Ping,
        to: NodeStatus::Dead,
        reason: StatusReason::Announced,
    };
    pair.claim.state = GroupState::Started;
    let mut unread = pair.stage.of_bob(pair.claim, 7);
    unread.pings = Some(2);
    pair.stage.event(kind, 2_000);
    let outputs = pair.stage.read(unread, 7);
    assert!(!moves(&outputs), "{outputs:?}");
    pair.said = 7;
    let outputs = pair.read(3);
    assert!(moves(&outputs), "{outputs:?}");
}

#[test]
fn what_the_other_owner_is_giving_up_is_not_given_up_here() {
    let mut pair = Pair::of(counting());
    pair.bob(GroupState::Stopping, Willingness::Able, Some(2), 1);
    pair.claim.epoch = 0;
    let outputs = pair.bob(GroupState::Stopping, Willingness::Able, Some(9), 2);
    assert!(!moves(&outputs), "{outputs:?}");
}
