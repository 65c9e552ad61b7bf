use shared::names::Generation;
use shared::order::GroupVerb;
use shared::time::Wall;

use super::*;

fn at(seconds: u64) -> Now {
    Now {
        boot: Moment(seconds * 1_000_000_000),
        wall: Wall(0),
    }
}

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn group(text: &str) -> GroupName {
    GroupName::new(text).unwrap()
}

fn life() -> Life {
    Life {
        generation: Generation(7),
        began: Moment(1),
    }
}

/// On alice, which has the group web of two resources.
struct Stage(Mind);

impl Stage {
    fn new() -> Self {
        let mut stage = Self::after(Kept::default());
        stage.steps();
        stage
    }

    fn after(kept: Kept) -> Self {
        let errand = Errand {
            command: vec!["/own/manager".into()],
            nodes: vec![name("alice"), name("bob"), name("carol")],
            groups: vec![Group {
                name: group("web"),
                preferred: name("alice"),
                resources: vec!["web".into(), "app".into()],
                monitor: None,
            }],
        };
        let beginning = Beginning {
            node: &name("alice"),
            life: life(),
            events: 0,
            kept: &kept,
            view: &ClusterView::default(),
        };
        Self(Mind::new(&errand, beginning, at(1)))
    }

    /// As a former manager left it.
    fn holding() -> Self {
        let held = hbd_manager::KeptGroup {
            held: true,
            started: true,
            ..hbd_manager::KeptGroup::default()
        };
        Self::after(Kept {
            groups: [(group("web"), held)].into(),
            memory: Some(r#"{"epoch":3}"#.into()),
            ..Kept::default()
        })
    }

    fn hear(&mut self, line: &str, seconds: u64) -> Vec<String> {
        self.0.take(Word::Line(line.into()), at(seconds));
        self.steps()
    }

    fn act(&mut self, operation: &str, resource: usize, seconds: u64) -> Vec<String> {
        let line = format!(
            r#"{{"act":{{"id":5,"group":"web","resource":{resource},"operation":"{operation}","why":"so"}}}}"#
        );
        self.hear(&line, seconds)
    }

    /// The last action ends.
    fn end(&mut self, outcome: &Outcome, seconds: u64) -> Vec<String> {
        let number = self.0.last_action;
        let id = ActionId {
            life: life(),
            number,
        };
        self.0.end(id, outcome, at(seconds));
        self.steps()
    }

    fn wake(&mut self, seconds: u64) -> Vec<String> {
        self.0.wake(at(seconds));
        self.steps()
    }

    fn steps(&mut self) -> Vec<String> {
        let steps = std::mem::take(&mut self.0.steps);
        steps.into_iter().map(|step| written(&step)).collect()
    }

    /// What the program is told.
    fn told(&mut self) -> String {
        std::mem::take(&mut self.0.lines).concat()
    }

    fn failure(&self) -> (&str, bool) {
        let failure = self.0.failure().expect("it is of no use");
        (&failure.why, failure.counts)
    }

    fn fall_sick(&mut self, seconds: u64) {
        let mut source = EventSource::new(name("alice"), Role::Supervisor, Generation(7));
        let reason = "it is".into();
        let event = source.event(Kind::Sick { reason }, None, at(seconds));
        self.0.note(&event, at(seconds));
    }
}

fn written(step: &Step) -> String {
    match step {
        Step::Do(Output::Keep(kept)) => {
            let web = &kept.groups[&group("web")];
            let memory = kept.memory.as_deref().unwrap_or("nothing");
            format!("keep {} {} {memory}", web.held, web.started)
        }
        Step::Do(Output::Act(action)) => format!("{} {}", action.operation, action.resource),
        Step::Do(Output::Event(event)) => event.text.clone(),
        Step::Do(Output::Released) => "released".into(),
        Step::Do(other) => panic!("{other:?}"),
        Step::Say(said) => said.fields["hbdmanager"].clone(),
        Step::Ordered { id, outcome } => match outcome {
            Ok(changes) => format!("order {id}: {} changes", changes.len()),
            Err(refusal) => format!("order {id}: {refusal}"),
        },
    }
}

#[test]
fn what_is_held_is_in_the_record_before_the_first_action() {
    let mut stage = Stage::new();
    assert_eq!(
        stage.act("start", 0, 2),
        [
            "keep true false nothing",
            "group web starting on alice (so)",
            "start 0"
        ]
    );
    assert_eq!(stage.end(&Outcome::Done, 3), [] as [&str; 0]);
    assert!(
        stage
            .told()
            .contains(r#"{"result":{"id":5,"outcome":"done"}}"#)
    );
    assert_eq!(stage.act("start", 1, 3), ["start 1"]);
    assert_eq!(
        stage.end(&Outcome::Done, 4),
        [
            "keep true true nothing",
            "group web started on alice (done)"
        ]
    );
    assert_eq!(
        stage.act("stop", 1, 5)[..2],
        [
            "keep true false nothing",
            "group web stopping on alice (so)"
        ]
    );
    stage.end(&Outcome::Done, 6);
    stage.act("stop", 0, 6);
    assert_eq!(
        stage.end(&Outcome::Done, 7),
        [
            "keep false false nothing",
            "group web stopped on alice (done)"
        ]
    );
}

#[test]
fn what_it_keeps_comes_before_what_it_does_next_and_back_to_the_next_one() {
    let mut stage = Stage::new();
    let kept = stage.hear(r#"{"keep":{"epoch":3}}"#, 2);
    assert_eq!(kept, [r#"keep false false {"epoch":3}"#]);
    let mut stage = Stage::holding();
    let begin = stage.told();
    assert!(
        begin.contains(r#""memory":{"epoch":3},"held":{"web":"checking"}"#),
        "{begin}"
    );
    let steps = stage.steps();
    assert!(
        steps.iter().any(|step| step.contains("checking on alice")),
        "{steps:?}"
    );
    stage.act("status", 0, 2);
    stage.end(&Outcome::Done, 2);
    stage.act("status", 1, 2);
    let steps = stage.end(&Outcome::Done, 2);
    assert_eq!(steps.last().unwrap(), "group web started on alice (done)");
}

#[test]
fn what_was_in_doubt_when_a_manager_ended_is_stopped_by_hbd_first() {
    let held = hbd_manager::KeptGroup {
        held: true,
        ..hbd_manager::KeptGroup::default()
    };
    let mut stage = Stage::after(Kept {
        groups: [(group("web"), held)].into(),
        ..Kept::default()
    });
    assert!(stage.told().contains(r#""held":{"web":"stopping"}"#));
    assert_eq!(stage.steps().last().unwrap(), "stop 1");
    assert_eq!(stage.act("start", 0, 2), [] as [&str; 0]);
    assert!(stage.told().contains("hbd stops the group itself"));
    assert_eq!(stage.end(&Outcome::Done, 2), ["stop 0"]);
    let steps = stage.end(&Outcome::Done, 3);
    assert_eq!(steps.last().unwrap(), "group web stopped on alice (done)");
    assert_eq!(stage.act("start", 0, 4).last().unwrap(), "start 0");
}

#[test]
fn nonsense_is_the_end_of_it() {
    for (line, why) in [
        ("hello", "expected value"),
        (r#"{"pong":1}"#, "nobody asked"),
        (
            r#"{"act":{"id":1,"group":"mail","resource":0,"operation":"start"}}"#,
            "haresources names no group mail",
        ),
        (
            r#"{"act":{"id":1,"group":"web","resource":2,"operation":"start"}}"#,
            "web has no resource 2",
        ),
        (
            r#"{"ordered":{"id":4}}"#,
            "order 4 does not wait for an answer",
        ),
        (r#"{"released":{}}"#, "this node does not leave"),
        (
            r#"{"blocked":{"group":"web","why":"so"}}"#,
            "web is not held",
        ),
    ] {
        let mut stage = Stage::new();
        assert_eq!(stage.hear(line, 2), [] as [&str; 0]);
        let (text, counts) = stage.failure();
        assert!(
            text.starts_with("/own/manager: it makes no sense: "),
            "{text}"
        );
        assert!(text.contains(why) && counts, "{text}");
        assert_eq!(stage.0.deadline(), None);
    }
}

#[test]
fn two_actions_on_one_group_and_a_flood_make_no_sense() {
    let mut stage = Stage::new();
    stage.act("start", 0, 2);
    stage.act("start", 1, 2);
    assert!(stage.failure().0.contains("an action on web is under way"));
    let mut stage = Stage::new();
    for _ in 0..=LINES_MAX {
        stage.hear(r#"{"say":1}"#, 2);
    }
    assert!(
        stage
            .failure()
            .0
            .contains("more than 1000 lines in a second")
    );
}

#[test]
fn one_that_does_not_answer_hangs_and_one_that_loads_has_more_time() {
    let mut stage = Stage::new();
    stage.wake(1);
    assert!(stage.told().ends_with("{\"ping\":1}\n"));
    for second in 2..11 {
        stage.wake(second);
    }
    assert!(!stage.0.answers() && stage.0.failure().is_none());
    stage.hear(r#"{"pong":1}"#, 11);
    assert!(stage.0.answers());
    // The machine stood still.
    for second in [12, 100, 101] {
        stage.wake(second);
    }
    assert!(stage.0.failure().is_none());
    stage.wake(102);
    assert_eq!(
        stage.failure(),
        ("/own/manager: it did not answer for 3 s", true)
    );
}

#[test]
fn its_death_counts_as_that_of_a_manager() {
    let mut stage = Stage::new();
    stage.0.take(Word::Ended("exit status 7".into()), at(2));
    assert_eq!(stage.failure(), ("/own/manager: exit status 7", false));
}

#[test]
fn an_order_is_answered_by_the_program() {
    let mut stage = Stage::new();
    let order = Order {
        verb: GroupVerb::Unfreeze,
        who: "root".into(),
        reason: None,
    };
    stage.0.obey(4, &order, true);
    assert!(
        stage
            .told()
            .contains(r#""verb":"unfreeze","who":"root","reason":null,"dry_run":true"#)
    );
    let answer = r#"{"ordered":{"id":4,"refused":"never"}}"#;
    assert_eq!(stage.hear(answer, 2), ["order 4: never"]);
}

#[test]
fn on_a_sick_node_nothing_is_started_and_hbd_stops_what_the_program_does_not() {
    let mut stage = Stage::holding();
    stage.steps();
    stage.fall_sick(10);
    stage.told();
    assert_eq!(stage.act("start", 0, 11), [] as [&str; 0]);
    assert!(
        stage
            .told()
            .contains("nothing is started on a node that is sick")
    );
    assert_eq!(stage.wake(12), [] as [&str; 0]);
    let steps = stage.wake(13);
    assert_eq!(steps.last().unwrap(), "stop 1");
    assert!(steps.contains(&"group web stopping on alice (this node is sick)".into()));
    assert_eq!(stage.end(&Outcome::Done, 14), ["stop 0"]);
    let steps = stage.end(&Outcome::Done, 14);
    assert_eq!(steps.last().unwrap(), "group web stopped on alice (done)");
    assert!(
        stage
            .told()
            .contains(r#"{"group":{"group":"web","state":"stopped"}}"#)
    );
}

#[test]
fn a_program_that_stops_in_time_is_left_to_it_and_no_stop_is_tried_for_ever() {
    let mut stage = Stage::holding();
    stage.steps();
    stage.fall_sick(10);
    let mut second = 11;
    for _ in 0..=STOP_RETRIES {
        let steps = stage.act("stop", 1, second);
        assert_eq!(steps.last().unwrap(), "stop 1");
        stage.wake(second + 1);
        let why = "no".into();
        let last = stage.end(&Outcome::Failed { why }, second + 1);
        second += 2;
        if stage.0.hands[0].blocked {
            assert!(
                last.last().unwrap().contains("blocked on alice"),
                "{last:?}"
            );
        }
    }
    assert!(stage.0.hands[0].blocked);
    assert_eq!(stage.wake(second + 60), [] as [&str; 0]);
}

#[test]
fn a_node_leaves_when_nothing_is_held_and_the_program_says_so_or_had_time_to() {
    let mut stage = Stage::new();
    stage.0.leave(at(2));
    assert!(stage.told().contains(r#"{"leave":{}}"#));
    assert_eq!(stage.wake(4), [] as [&str; 0]);
    assert_eq!(stage.hear(r#"{"released":{}}"#, 4), ["released"]);
    let mut stage = Stage::new();
    stage.0.leave(at(2));
    assert_eq!(stage.wake(5), ["released"]);
    let mut stage = Stage::holding();
    stage.0.leave(at(2));
    stage.hear(r#"{"released":{}}"#, 3);
    assert!(stage.failure().0.contains("web is held"));
}

#[test]
fn what_it_says_to_others_arrives_as_it_was_said() {
    let mut stage = Stage::new();
    assert_eq!(stage.hear(r#"{"say":{"a":1}}"#, 2), [r#"{"a":1}"#]);
    let body = serde_json::json!({"a": 1});
    let web = Group {
        name: group("web"),
        preferred: name("bob"),
        resources: vec!["web".into()],
        monitor: None,
    };
    let said = said::say_body(
        &body,
        [(&web, GroupState::Stopped)].into_iter(),
        &name("bob"),
    );
    stage.told();
    stage.0.hear(&name("bob"), &said);
    let message = "{\"message\":{\"from\":\"bob\",\"body\":{\"a\":1}}}\n";
    assert_eq!(stage.told(), message);
}
