//! What the managers of real Heartbeats said, as a core that listens passes it on.

use std::collections::BTreeSet;
use std::time::Duration;

use hbd_core::wire::{decode_packet, decode_unverified, types};
use hbd_core::{
    Core, KeySpec, MediumForm, MediumIndex, MediumSettings, Output, Said, Settings, Start,
};
use shared::event::{ConfiguredNode, NodeKind};
use shared::names::{Generation, KeyIndex, MediumName, NodeName, Uuid};
use shared::time::{Moment, Now, Wall};

use super::{folder, packets, ring};

const NODES: [&str; 2] = ["alice", "bob"];

#[test]
fn what_the_manager_of_a_heartbeat_says_is_passed_on_once_and_in_its_order() {
    let captures = [
        ("on-second-node-joins.pcap", "alice"),
        ("on-second-node-joins.pcap", "bob"),
        ("on-standby-and-takeover-all-kinds.pcap", "alice"),
        ("off-mcast-md5-graceful-stop.pcap", "bob"),
        ("loss25-boot-and-rexmit.pcap", "alice"),
        ("legacy-ucast-crc-boot.pcap", "bob"),
        ("serial-alice-to-bob.raw", "alice"),
    ];
    for (capture, speaker) in captures {
        let (said, heard) = listen(capture, speaker);
        assert!(!said.is_empty(), "{capture}, {speaker}");
        assert_eq!(heard, said, "{capture}, {speaker}");
    }
}

/// What one node of a capture says to the other, each message once, and what the core of the other passes on.
fn listen(capture: &str, speaker: &str) -> (Vec<String>, Vec<String>) {
    let path = folder().join(capture);
    let (packets, _) = packets(&path);
    let active = packets.iter().find_map(|packet| {
        let claims = decode_unverified(packet).ok()?;
        claims.claimed_key()
    });
    let active = active.unwrap();
    let ring = ring(&path, active);
    let listener = NODES.iter().find(|node| **node != speaker).unwrap();
    let mut at = Moment(1_000_000_000);
    let mut core = Core::new(settings(listener, active), start(), now(at)).unwrap();
    let (mut said, mut heard) = (Vec::new(), Vec::new());
    let mut known = BTreeSet::new();
    for packet in &packets {
        let message = decode_packet(packet, &ring).unwrap().message;
        if message.src() != Some(speaker) {
            continue;
        }
        let first = known.insert((message.generation(), message.sequence()));
        let is_for_listener = message.text("dest").is_none_or(|node| node == *listener);
        if first && is_for_listener && types::is_of_managers(message.message_type()) {
            said.push(words(message.message_type(), |name| message.text(name)));
        }
        at = at + Duration::from_millis(1);
        core.handle_packet(MediumIndex(0), packet, now(at));
        while let Some(output) = core.poll_output() {
            if let Output::Heard { from, said, .. } = output {
                assert_eq!(from.as_str(), speaker);
                heard.push(words_of(&said));
            }
        }
    }
    (said, heard)
}

fn words_of(said: &Said) -> String {
    words(&said.message_type, |name| {
        said.fields.get(name).map(String::as_str)
    })
}

fn words<'a>(message_type: &str, field: impl Fn(&str) -> Option<&'a str>) -> String {
    let fields = ["rsc_hold", "isstable", "info"].map(|name| field(name).unwrap_or_default());
    format!("{message_type} {}", fields.join(" "))
}

fn now(at: Moment) -> Now {
    Now {
        boot: at,
        wall: Wall(1_800_000_000_000_000_000 + at.0),
    }
}

fn start() -> Start {
    Start {
        generation: Generation(1),
        seed: 1,
        quick_restart: false,
        cause: None,
        memory: Vec::new(),
        former_pace: None,
        active: false,
    }
}

fn settings(node: &str, active_key: KeyIndex) -> Settings {
    let second = Duration::from_secs(1);
    let keys = std::fs::read_to_string(folder().join("authkeys")).unwrap();
    let key = |line: &str| {
        let mut words = line.split_whitespace();
        Some(KeySpec {
            index: KeyIndex(words.next()?.parse().ok()?),
            method: words.next()?.into(),
            secret: words.next().unwrap_or_default().into(),
        })
    };
    Settings {
        version: "0".into(),
        node: NodeName::new(node).unwrap(),
        uuid: Uuid([7; 16]),
        nodes: NODES
            .map(|node| ConfiguredNode {
                name: NodeName::new(node).unwrap(),
                kind: NodeKind::Normal,
            })
            .to_vec(),
        media: vec![MediumSettings {
            name: MediumName::new("eth0").unwrap(),
            description: "test".into(),
            form: MediumForm::Datagram,
            rate: None,
        }],
        keepalive: second,
        warntime: 3 * second,
        deadtime: 6 * second,
        initdead: 12 * second,
        deadping: 6 * second,
        link_up_delay: Duration::ZERO,
        link_down_delay: Duration::ZERO,
        max_rexmit_delay: Duration::from_millis(250),
        unauth_hold: 60 * second,
        hopfudge: 1,
        files: Default::default(),
        active_key,
        keys: keys.lines().filter_map(key).collect(),
    }
}
