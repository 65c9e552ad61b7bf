//! Two cores and nothing between them: one input, its outputs, the next deadline.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use hbd_core::wire::decode_packet;
use hbd_core::{
    Command, Core, KeySpec, MediumForm, MediumIndex, MediumSettings, Output, PeerMemory, Settings,
    Start,
};
use shared::event::{ConfiguredNode, Event, NodeKind};
use shared::names::{Generation, KeyIndex, MediumName, NodeName, Uuid};
use shared::time::{Moment, Now, Wall};

const ETH: MediumIndex = MediumIndex(0);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn two_nodes_that_start_together_are_active_within_a_keepalive() {
    let mut pair = Pair::new();
    pair.run(SECOND);
    let texts = pair.texts(0);
    assert!(texts.contains(&"link bob/eth up".into()), "{texts:#?}");
    assert!(texts.contains(&"node bob active (it says so)".into()));
    assert!(texts.contains(&"node alice active (bob told who the members are)".into()));
    assert!(!texts.iter().any(died), "{texts:#?}");
}

#[test]
fn a_silent_peer_is_dead_after_its_dead_time_and_not_before() {
    let mut pair = Pair::new();
    pair.run(10 * SECOND);
    let last_beat = pair.cut();
    pair.run(5 * SECOND);
    assert!(!pair.texts(0).iter().any(died));
    pair.run(2 * SECOND);
    let death = pair.events[0]
        .iter()
        .find(|event| event.text == "node bob dead (silent for 6 s, dead time 6 s)")
        .unwrap_or_else(|| panic!("{:#?}", pair.texts(0)));
    assert_eq!(death.boot, last_beat + 6 * SECOND);
    assert!(death.cause.is_some());
}

#[test]
fn a_ping_node_lives_by_its_own_payload_alone_and_no_member_gets_it() {
    let name = |text: &str| NodeName::new(text).unwrap();
    let (router, group) = (name("10.0.0.254"), name("routers"));
    let forms = [
        MediumForm::Ping(router.clone()),
        MediumForm::PingGroup(group.clone()),
    ];
    let mut alone = settings(0);
    alone
        .nodes
        .extend([&router, &group].map(|name| ConfiguredNode {
            name: name.clone(),
            kind: NodeKind::Ping,
        }));
    alone
        .media
        .extend(forms.into_iter().map(|form| MediumSettings {
            name: MediumName::new(form.pings().unwrap().as_str()).unwrap(),
            description: "test".into(),
            form,
            rate: None,
        }));
    let now = |seconds: u32| Now {
        boot: Moment(0) + seconds * SECOND,
        wall: Wall(1_700_000_000_000_000_000),
    };
    let mut core = Core::new(alone, start(1, Vec::new()), now(0)).unwrap();
    core.handle_timeout(now(1));
    let mut sent = vec![Vec::new(); 3];
    while let Some(output) = core.poll_output() {
        if let Output::Transmit { medium, packet, .. } = output {
            sent[usize::from(medium.0)] = packet;
        }
    }
    let mut told = |medium: u16, packet: &[u8]| {
        core.handle_packet(MediumIndex(medium), packet, now(1));
        let mut texts = Vec::new();
        while let Some(output) = core.poll_output() {
            if let Output::Event(event) = output {
                texts.push(event.text);
            }
        }
        texts
    };
    for (medium, other) in [(1, 2), (2, 1), (0, 1), (1, 0)] {
        assert_eq!(told(medium, &sent[other]), [""; 0]);
    }
    assert_eq!(told(1, &sent[1]), ["node 10.0.0.254 ping (it answers)"]);
    assert_eq!(told(2, &sent[2]), ["node routers ping (it answers)"]);
    for (packet, info) in [(&sent[1], "ping"), (&sent[2], "ping_group")] {
        let message = decode_packet(packet, core.keys()).unwrap().message;
        assert_eq!(message.text("info"), Some(info));
        assert_eq!(message.message_type(), "NS_st");
    }
}

#[test]
fn a_replaced_core_is_a_restart_and_no_death() {
    let mut pair = Pair::new();
    pair.run(10 * SECOND);
    pair.replace_core_of_bob();
    pair.run(10 * SECOND);
    let alice = pair.texts(0);
    assert!(
        alice.contains(&"node bob restarted (generation 7, then 8)".into()),
        "{alice:#?}"
    );
    let bob = pair.texts(1);
    assert!(!alice.iter().chain(&bob).any(died), "{alice:#?} {bob:#?}");
}

#[test]
fn what_a_medium_does_not_take_is_not_counted_as_sent() {
    let mut pair = Pair::new();
    pair.run(10 * SECOND);
    let sends = |pair: &mut Pair, sends| {
        let medium = ETH;
        let now = pair.now();
        pair.cores[0].handle_command(Command::Sends { medium, sends }, now);
        pair.connected = sends;
        let before = pair.sent;
        pair.run(4 * SECOND);
        pair.sent - before
    };
    assert_eq!(sends(&mut pair, false), 0);
    assert!(sends(&mut pair, true) >= 4);
}

#[test]
fn an_orderly_leave_is_known_at_once() {
    let mut pair = Pair::new();
    pair.run(10 * SECOND);
    let now = pair.now();
    pair.cores[1].handle_command(Command::Leave { cause: None }, now);
    pair.run(SECOND);
    let texts = pair.texts(0);
    assert!(
        texts.contains(&"node bob dead (it left in order)".into()),
        "{texts:#?}"
    );
    assert!(pair.left[1]);
}

#[test]
fn the_next_deadline_lies_ahead_and_has_a_reason() {
    let mut pair = Pair::new();
    for _ in 0..1000 {
        pair.run(Duration::from_millis(7));
        for core in &pair.cores {
            let deadline = core.poll_deadline().unwrap();
            assert!(deadline.at > pair.at, "{deadline:?}");
        }
    }
}

fn died(text: impl AsRef<str>) -> bool {
    text.as_ref().contains(" dead (")
}

struct Pair {
    cores: Vec<Core>,
    events: Vec<Vec<Event>>,
    memory: Vec<Option<PeerMemory>>,
    left: Vec<bool>,
    at: Moment,
    connected: bool,
    sent_by_bob: Moment,
    /// What alice counts.
    sent: u64,
}

impl Pair {
    fn new() -> Self {
        let mut pair = Self {
            cores: Vec::new(),
            events: vec![Vec::new(), Vec::new()],
            memory: vec![None, None],
            left: vec![false, false],
            at: Moment(1),
            connected: true,
            sent_by_bob: Moment(0),
            sent: 0,
        };
        let now = pair.now();
        for place in 0..2 {
            let start = start(7, Vec::new());
            pair.cores
                .push(Core::new(settings(place), start, now).unwrap());
        }
        pair
    }

    fn now(&self) -> Now {
        Now {
            boot: self.at,
            wall: Wall(1_800_000_000_000_000_000 + self.at.0),
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.at + span;
        loop {
            self.carry();
            let next = self
                .cores
                .iter()
                .filter_map(|core| core.poll_deadline())
                .map(|deadline| deadline.at)
                .min();
            match next {
                Some(at) if at <= end => self.at = self.at.max(at),
                _ => break,
            }
            let now = self.now();
            for core in &mut self.cores {
                core.handle_timeout(now);
            }
        }
        self.at = end;
    }

    fn carry(&mut self) {
        let now = self.now();
        let mut busy = true;
        while busy {
            busy = false;
            for from in 0..2 {
                while let Some(output) = self.cores[from].poll_output() {
                    busy = true;
                    match output {
                        Output::Transmit { packet, .. } if self.connected => {
                            if from == 1 {
                                self.sent_by_bob = self.at;
                            }
                            self.cores[1 - from].handle_packet(ETH, &packet, now);
                        }
                        Output::Sample(sample) if from == 0 => {
                            self.sent = sample.links[0].outgoing.sent;
                        }
                        Output::Transmit { .. }
                        | Output::Sample(_)
                        | Output::Session(_)
                        | Output::Heard { .. } => {}
                        Output::Event(event) => self.events[from].push(*event),
                        Output::Remember(memory) => self.memory[from] = Some(*memory),
                        Output::Drain => self.cores[from].handle_command(Command::Drained, now),
                        Output::Left => self.left[from] = true,
                    }
                }
            }
        }
    }

    /// Cuts both directions; when bob was last heard.
    fn cut(&mut self) -> Moment {
        self.connected = false;
        self.sent_by_bob
    }

    fn replace_core_of_bob(&mut self) {
        let memory = self.memory[1].clone().into_iter().collect();
        let start = Start {
            quick_restart: true,
            ..start(8, memory)
        };
        self.cores[1] = Core::new(settings(1), start, self.now()).unwrap();
    }

    fn texts(&self, place: usize) -> Vec<String> {
        self.events[place].iter().map(|e| e.text.clone()).collect()
    }
}

fn start(generation: u64, memory: Vec<PeerMemory>) -> Start {
    Start {
        generation: Generation(generation),
        seed: 1,
        quick_restart: false,
        cause: None,
        memory,
        former_pace: None,
        active: false,
    }
}

fn settings(place: u8) -> Settings {
    let names = ["alice", "bob"].map(|name| NodeName::new(name).unwrap());
    Settings {
        version: "0.0.0".into(),
        node: names[usize::from(place)].clone(),
        uuid: Uuid([place + 1; 16]),
        nodes: names
            .map(|name| ConfiguredNode {
                name,
                kind: NodeKind::Normal,
            })
            .to_vec(),
        media: vec![MediumSettings {
            name: MediumName::new("eth").unwrap(),
            description: "test".into(),
            form: MediumForm::Datagram,
            rate: None,
        }],
        keepalive: SECOND,
        warntime: 3 * SECOND,
        deadtime: 6 * SECOND,
        initdead: 12 * SECOND,
        deadping: 6 * SECOND,
        link_up_delay: 2 * SECOND,
        link_down_delay: Duration::ZERO,
        max_rexmit_delay: Duration::from_millis(250),
        unauth_hold: 60 * SECOND,
        hopfudge: 1,
        files: Default::default(),
        active_key: KeyIndex(1),
        keys: vec![KeySpec {
            index: KeyIndex(1),
            method: "sha1".into(),
            secret: "secret".into(),
        }],
    }
}
