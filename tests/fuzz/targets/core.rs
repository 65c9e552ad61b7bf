//! A core among hostile peers that know the key: any field may hold anything, and the core neither
//! panics, nor piles up outputs, nor sets a deadline in the past.

use std::time::Duration;

use hbd_core::wire::{Form, KeyRing, Message, Method, encode_packet};
use hbd_core::{
    Command, Core, KeySpec, MediumForm, MediumIndex, MediumSettings, Output, Said, Settings, Start,
};
use shared::event::{ConfiguredNode, NodeKind};
use shared::names::{Generation, KeyIndex, MediumName, NodeName, Uuid};
use shared::time::{Moment, Now, Wall};

const KEY: &[u8] = b"fuzz";
/// A message brings about at most this many outputs: 50 retransmissions over each medium, and a few
/// events.
const OUTPUTS_MAX: usize = 300;
const NAMES: [&str; 5] = ["alice", "bob", "carol", "router", "mallory"];
const TYPES: [&str; 9] = [
    "status",
    "NS_ackmsg",
    "NS_rexmit",
    "NS_nak_rexmit",
    "reqnodes",
    "repnodes",
    "shutdone",
    "NS_st",
    "resource",
];
const FIELDS: [&str; 8] = [
    "info",
    "rsc_hold",
    "hbdclaims",
    "hbd",
    "dest",
    "auth",
    "",
    "a=b",
];
const STATES: [&str; 7] = ["init", "up", "active", "dead", "ping", "", "sleeping"];

pub(crate) fn property(input: &[u8]) {
    let ring = KeyRing::new(KeyIndex(1), [(KeyIndex(1), Method::Sha1, KEY)])
        .expect("the ring has its active key");
    let mut at = Moment(1_000_000_000);
    let mut core =
        Core::new(settings(), start(), now(at)).expect("the settings of this target are sound");
    drain(&mut core, at);
    for step in input.chunks(8) {
        let mut bytes = [0; 8];
        bytes[..step.len()].copy_from_slice(step);
        at = at + Duration::from_millis(u64::from(bytes[0]) * 10);
        core.handle_timeout(now(at));
        drain(&mut core, at);
        if bytes[7] & 1 == 1 {
            core.handle_command(Command::Say(words(&bytes)), now(at));
            drain(&mut core, at);
        }
        let message = message(&bytes);
        if let Ok(mut packet) = encode_packet(&message, &ring, form(bytes[1])) {
            if bytes[1] & 0x40 != 0 {
                let place = usize::from(bytes[7]) % packet.len();
                packet[place] ^= 1;
            }
            let medium = MediumIndex(u16::from(bytes[1]) % 4);
            core.handle_packet(medium, &packet, now(at));
        }
        drain(&mut core, at);
        let deadline = core.poll_deadline().expect("beats go on");
        assert!(deadline.at > at, "{deadline:?} at {at:?}");
    }
}

fn drain(core: &mut Core, at: Moment) {
    let mut outputs = 0;
    while let Some(output) = core.poll_output() {
        outputs += 1;
        assert!(outputs < OUTPUTS_MAX, "the outputs do not end");
        if let Output::Drain = output {
            core.handle_command(Command::Drained, now(at));
        }
    }
}

fn form(byte: u8) -> Form {
    match byte & 0x80 {
        0 => Form::Netstring,
        _ => Form::String,
    }
}

/// Fields whose values the bytes choose from the edges of what is sound.
fn message(bytes: &[u8; 8]) -> Message {
    let [_, _, kind, who, number, more, state, _] = *bytes;
    let mut message = Message::new(TYPES[usize::from(kind) % TYPES.len()]);
    message.set_text("st", STATES[usize::from(state) % STATES.len()]);
    message.set_hex("dt", edge(more));
    if state & 0x80 == 0 {
        message.set_decimal("protocol", 1);
    }
    if state & 0x40 == 0 {
        message.set_text("hbd", "1.3");
        let last = edge(number);
        message.set_text(
            "hbdheard",
            &format!("alice:7:{last:x}:{last:x}:1,carol:1:1:1:1"),
        );
    }
    if kind & 0x80 != 0 {
        message.set_text("dest", NAMES[usize::from(more) % NAMES.len()]);
    }
    message.set_hex("ackseq", edge(more));
    message.set_decimal("firstseq", edge(number));
    message.set_decimal("lastseq", edge(more));
    message.set_text("info", "ping");
    let name = NAMES[usize::from(who) % NAMES.len()];
    message.set_text("src", name);
    if who & 0x40 == 0 {
        message.set_uuid("srcuuid", Uuid([who % 8; 16]));
    }
    message.set_hex("seq", edge(number));
    message.set_hex("hg", edge(who >> 3 & 7));
    message.set_hex("ts", u64::from(number));
    message
}

/// What this node's own manager says: fields that it may set and others, of any length.
fn words(bytes: &[u8; 8]) -> Said {
    let [_, _, kind, who, number, more, ..] = *bytes;
    let text = String::from_utf8_lossy(bytes).repeat(usize::from(more) * 16);
    let name = FIELDS[usize::from(number) % FIELDS.len()];
    Said {
        message_type: TYPES[TYPES.len() - 1 - usize::from(kind >> 6)].into(),
        fields: [(name.into(), text), ("isstable".into(), who.to_string())].into(),
    }
}

/// Small numbers as they are, and the edges of what fits.
fn edge(byte: u8) -> u64 {
    match byte {
        0..=199 => u64::from(byte),
        200..=219 => u64::from(byte - 199) * 50,
        220..=239 => 1 << (byte - 216),
        _ => u64::MAX - u64::from(255 - byte),
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
    let name = |name: &str| NodeName::new(name).expect("a sound name");
    let medium = |medium: &str, form| MediumSettings {
        name: MediumName::new(medium).expect("a sound name"),
        description: medium.into(),
        form,
        rate: None,
    };
    let second = Duration::from_secs(1);
    Settings {
        version: "0.0.0".into(),
        node: name("alice"),
        uuid: Uuid([9; 16]),
        nodes: NAMES[..4]
            .iter()
            .map(|node| ConfiguredNode {
                name: name(node),
                kind: match *node {
                    "router" => NodeKind::Ping,
                    _ => NodeKind::Normal,
                },
            })
            .collect(),
        media: vec![
            medium("eth", MediumForm::Datagram),
            medium("tty", MediumForm::Stream),
            medium("router", MediumForm::Ping(name("router"))),
        ],
        keepalive: second,
        warntime: 3 * second,
        deadtime: 6 * second,
        initdead: 12 * second,
        deadping: 6 * second,
        link_up_delay: 2 * second,
        link_down_delay: Duration::ZERO,
        max_rexmit_delay: Duration::from_millis(250),
        unauth_hold: 60 * second,
        hopfudge: 1,
        files: Default::default(),
        active_key: KeyIndex(1),
        keys: vec![KeySpec {
            index: KeyIndex(1),
            method: "sha1".into(),
            secret: KEY.into(),
        }],
    }
}
