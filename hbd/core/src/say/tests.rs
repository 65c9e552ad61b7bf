use std::time::Duration;

use shared::event::{ConfiguredNode, Event};
use shared::names::{Generation, KeyIndex, MediumName, NodeName, Uuid};
use shared::time::{Moment, Wall};

use super::*;
use crate::wire::limits::FIELD_NAME_BYTES_MAX;
use crate::wire::{Form, decode_packet, encode_packet};
use crate::{Command, KeySpec, MediumForm, MediumSettings, Settings, Start};

const SECOND: Duration = Duration::from_secs(1);
const ETH: MediumIndex = MediumIndex(0);
const RESOURCE: &str = types::RESOURCE;

#[test]
fn what_a_manager_says_goes_out_with_what_every_message_has() {
    let mut alice = Node::active();
    let sent = alice.say([("rsc_hold", "all"), ("isstable", "1")]);
    let [message] = &sent[..] else {
        panic!("{sent:?}");
    };
    let text = |name| message.text(name).unwrap_or_default();
    assert_eq!((text("t"), text("rsc_hold")), (RESOURCE, "all"));
    assert_eq!((text("src"), text("hg")), ("alice", "7"));
    assert!(message.has(fields::SEQUENCE) && message.has(fields::TTL));
    assert_eq!(alice.unsaid(), Vec::<String>::new());
}

#[test]
fn what_is_said_too_early_waits_and_the_last_of_it_is_sent() {
    let mut alice = Node::new();
    for text in ["one", "two"] {
        assert_eq!(alice.say([("info", text)]), []);
    }
    let sent = alice.become_active();
    let said = sent
        .iter()
        .filter(|message| message.message_type() == RESOURCE);
    let texts: Vec<_> = said.map(|message| message.text("info")).collect();
    assert_eq!(texts, [Some("two")]);
    assert_eq!(alice.unsaid(), Vec::<String>::new());
}

#[test]
fn a_manager_sets_no_field_that_is_the_cores() {
    for name in [
        "t", "src", "srcuuid", "dest", "destuuid", "seq", "hg", "ts", "ld", "ttl", "auth", "hbd",
        "from_id", "to_id",
    ] {
        let mut alice = Node::active();
        assert_eq!(alice.say([(name, "x")]), []);
        assert_eq!(
            alice.unsaid(),
            ["it sets a field that is not a manager's"],
            "{name}"
        );
    }
}

#[test]
fn what_the_wire_cannot_carry_is_not_sent() {
    let long = "x".repeat(FIELD_NAME_BYTES_MAX + 1);
    for (name, value) in [
        ("", "x"),
        ("a b", "x"),
        ("a=b", "x"),
        (long.as_str(), "x"),
        ("info", "\0"),
    ] {
        let mut alice = Node::active();
        assert_eq!(alice.say([(name, value)]), [], "{name:?}");
        assert_eq!(alice.unsaid().len(), 1, "{name:?}");
    }
    let mut alice = Node::active();
    let said = Said {
        message_type: "status".into(),
        fields: BTreeMap::new(),
    };
    assert_eq!(alice.tell(said), []);
    assert_eq!(alice.unsaid(), ["its type is none of the managers'"]);
}

#[test]
fn what_is_for_one_node_names_it_and_goes_to_it() {
    let said = |to: &str| Said {
        message_type: types::GROUP_REPLY.into(),
        fields: [("dest".into(), to.into()), ("ipaddr".into(), "web".into())].into(),
    };
    let mut alice = Node::active();
    alice.meet_bob();
    let sent = alice.tell(said("bob"));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].text(fields::DEST), Some("bob"));
    assert_eq!(sent[0].uuid(fields::DEST_UUID), Some(Uuid([2; 16])));
    for nobody in ["alice", "carol", ""] {
        assert_eq!(alice.tell(said(nobody)), [], "{nobody}");
        assert_eq!(alice.unsaid().pop().unwrap(), "it is for no other node");
    }
    let answer = |to: &str| {
        let mut answer = Message::new(types::GROUP_REPLY);
        answer.set_text("ipaddr", "web").set_text(fields::DEST, to);
        answer
    };
    let heard = alice.hear(answer("alice"), 2);
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].fields["dest"], "alice");
    assert_eq!(alice.hear(answer("bob"), 3), [], "it is not for alice");
}

#[test]
fn what_is_ipfails_goes_from_one_ipfail_to_the_other_and_of_all_others_the_client_is_told() {
    let said = |message_type: &str, fields: &[(&str, &str)]| Said {
        message_type: message_type.into(),
        fields: fields
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
    };
    let mut alice = Node::active();
    alice.meet_bob();
    let count = said("num_ping_nodes", &[("dest", "bob"), ("num_ping", "2")]);
    let joins = said("hbapi-clstat", &[("st", "join")]);
    for (said, to) in [(count, Some("bob")), (joins, None)] {
        let sent = alice.tell(said);
        let [message] = &sent[..] else {
            panic!("{sent:?}");
        };
        let text = |name| message.text(name);
        assert_eq!(
            [text("from_id"), text("to_id"), text("client_gen")],
            [Some("ipfail"), Some("ipfail"), Some("0")]
        );
        assert_eq!(text(fields::DEST), to);
    }
    let mut standby = Message::new(types::STANDBY);
    standby.set_text("info", "me").set_text("from_id", "ipfail");
    let heard = alice.hear(standby, 2);
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].fields["from_id"], "ipfail");
}

#[test]
fn a_message_may_be_as_long_as_the_limit_and_no_longer() {
    let most = "x".repeat(SAID_BYTES_MAX - "info".len());
    let mut alice = Node::active();
    assert_eq!(alice.say([("info", most.as_str())]).len(), 1);
    let more = most + "x";
    assert_eq!(alice.say([("info", more.as_str())]), []);
    assert_eq!(alice.unsaid(), ["it is too long"]);
    let names: Vec<String> = (0..=SAID_FIELDS_MAX).map(|n| format!("f{n}")).collect();
    let many = names.iter().map(|name| (name.as_str(), ""));
    assert_eq!(alice.say(many.clone()), []);
    assert_eq!(alice.say(many.skip(1)).len(), 1);
}

#[test]
fn all_text_but_the_cores_is_passed_on_and_the_first_of_two_fields_counts() {
    let mut alice = Node::active();
    alice.meet_bob();
    let mut message = Message::new(RESOURCE);
    message
        .set_text("rsc_hold", "no such word\n=,%%%")
        .set_text("hbdclaims", "{\"a\":1}")
        .set_text("to_id", "ccm")
        .set_binary("raw", b"\xff\0")
        .append_text("rsc_hold", b"all");
    let heard = alice.hear(message, 2);
    let fields = [
        ("hbdclaims", "{\"a\":1}"),
        ("rsc_hold", "no such word\n=,%%%"),
    ];
    assert_eq!(heard, [said(fields)]);
}

#[test]
fn what_is_no_text_or_too_long_is_counted_and_dropped() {
    let long = "x".repeat(SAID_BYTES_MAX);
    let not_utf8 = |message: &mut Message| message.append_text("info", b"\xff");
    let too_long = |message: &mut Message| message.append_text("info", long.as_bytes());
    let too_many = |message: &mut Message| {
        for number in 0..=SAID_FIELDS_MAX {
            message.append_text(&format!("f{number}"), b"");
        }
    };
    let flaws: [&dyn Fn(&mut Message); 3] = [&not_utf8, &too_long, &too_many];
    for spoil in flaws {
        let mut alice = Node::active();
        alice.meet_bob();
        let refused = alice.core.refused;
        let mut message = Message::new(RESOURCE);
        spoil(&mut message);
        assert_eq!(alice.hear(message, 2), []);
        assert_eq!(alice.core.refused, refused + 1);
        let next = alice.hear(Message::new(RESOURCE), 3);
        assert_eq!(next.len(), 1, "what follows counts");
    }
}

#[test]
fn a_node_that_begins_is_sent_a_beat_before_anything_else() {
    let mut alice = Node::active();
    let mut sent = Vec::new();
    for number in 1..=10 {
        let mut status = Message::new(types::STATUS);
        status.set_text("st", "up").set_decimal("protocol", 1);
        sent.extend(alice.receive(status, number).0);
    }
    let sent: Vec<_> = sent.iter().map(Message::message_type).collect();
    assert_eq!(sent.first(), Some(&types::STATUS), "{sent:?}");
    assert!(sent.contains(&types::ACK), "{sent:?}");
}

#[test]
fn the_next_core_knows_what_was_passed_on() {
    let mut alice = Node::active();
    alice.meet_bob();
    let heard = alice.hear(Message::new(RESOURCE), 2);
    assert_eq!(heard.len(), 1);
    let known = alice.remembered.take();
    assert_eq!(known.map(|known| known.0), Some(2));
}

fn said<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Said {
    let fields = fields.into_iter();
    Said {
        message_type: RESOURCE.into(),
        fields: fields
            .map(|(name, text)| (name.into(), text.into()))
            .collect(),
    }
}

/// Alice, and what came of her.
struct Node {
    core: Core,
    at: Moment,
    events: Vec<Event>,
    remembered: Option<shared::names::Sequence>,
}

impl Node {
    fn new() -> Self {
        let mut node = Self {
            core: Core::new(settings(), start(), now(Moment(1))).unwrap(),
            at: Moment(1),
            events: Vec::new(),
            remembered: None,
        };
        node.take();
        node
    }

    fn active() -> Self {
        let mut node = Self::new();
        node.become_active();
        node
    }

    /// Alone after initdead. What was sent meanwhile.
    fn become_active(&mut self) -> Vec<Message> {
        let mut sent = Vec::new();
        while self.core.own.stage != Stage::Member {
            self.at = self.core.poll_deadline().unwrap().at;
            self.core.handle_timeout(now(self.at));
            sent.extend(self.take().0);
        }
        sent
    }

    fn meet_bob(&mut self) {
        let mut status = Message::new(types::STATUS);
        status.set_text("st", "up").set_decimal("protocol", 1);
        assert_eq!(self.hear(status, 1), []);
    }

    fn say<'a>(&mut self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Message> {
        self.tell(said(fields))
    }

    fn tell(&mut self, said: Said) -> Vec<Message> {
        self.core.handle_command(Command::Say(said), now(self.at));
        self.take().0
    }

    /// A message of bob.
    fn hear(&mut self, message: Message, sequence: u64) -> Vec<Said> {
        self.receive(message, sequence).1
    }

    /// What is sent and passed on when a message of bob comes.
    fn receive(&mut self, mut message: Message, sequence: u64) -> (Vec<Message>, Vec<Said>) {
        message
            .set_text(fields::SRC, "bob")
            .set_uuid(fields::SRC_UUID, Uuid([2; 16]))
            .set_hex(fields::SEQUENCE, sequence)
            .set_hex(fields::GENERATION, 3)
            .set_hex(fields::WALL, 1);
        let packet = encode_packet(&message, self.core.keys(), Form::Netstring).unwrap();
        self.core.handle_packet(ETH, &packet, now(self.at));
        self.take()
    }

    /// What was sent and what was passed on.
    fn take(&mut self) -> (Vec<Message>, Vec<Said>) {
        let (mut sent, mut heard) = (Vec::new(), Vec::new());
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Transmit { packet, .. } => {
                    sent.push(decode_packet(&packet, self.core.keys()).unwrap().message);
                }
                Output::Heard { said, .. } => heard.push(said),
                Output::Event(event) => self.events.push(*event),
                Output::Drain => self.core.handle_command(Command::Drained, now(self.at)),
                Output::Remember(memory) => {
                    self.remembered = memory.live.map(|live| live.sequence);
                }
                _ => {}
            }
        }
        (sent, heard)
    }

    fn unsaid(&self) -> Vec<String> {
        let reason = |event: &Event| match &event.kind {
            Kind::NotSaid { reason, .. } => Some(reason.clone()),
            _ => None,
        };
        self.events.iter().filter_map(reason).collect()
    }
}

fn now(at: Moment) -> Now {
    Now {
        boot: at,
        wall: Wall(1_800_000_000_000_000_000 + at.0),
    }
}

fn start() -> Start {
    Start {
        generation: Generation(7),
        seed: 1,
        quick_restart: false,
        cause: None,
        memory: Vec::new(),
        former_pace: None,
        active: false,
    }
}

fn settings() -> Settings {
    let names = ["alice", "bob"].map(|name| NodeName::new(name).unwrap());
    Settings {
        version: "0".into(),
        node: names[0].clone(),
        uuid: Uuid([1; 16]),
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
        link_up_delay: Duration::ZERO,
        link_down_delay: Duration::ZERO,
        max_rexmit_delay: Duration::from_millis(250),
        unauth_hold: 60 * SECOND,
        hopfudge: 1,
        files: BTreeMap::new(),
        active_key: KeyIndex(1),
        keys: vec![KeySpec {
            index: KeyIndex(1),
            method: "sha1".into(),
            secret: "secret".into(),
        }],
    }
}
