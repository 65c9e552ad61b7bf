//! Real traffic of Heartbeat 3.0.6, and of a foreign peer that it accepted.
//!
//! Every captured message decodes, verifies, and re-encodes byte for byte, in whichever form it was
//! sent. `counts.txt` holds, for each file, what an independent decoder counted; this suite must
//! arrive at the same line.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod managers;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use diag::facts::capture::Way;
use diag::facts::capture::file::Source;
use hbd_core::wire::{
    Flaw, FlawKind, Form, KeyRing, Method, Refused, decode_packet, decode_unverified, encode_packet,
};
use shared::names::KeyIndex;

#[test]
fn every_captured_message_verifies_and_encodes_to_the_same_bytes() {
    let counts = std::fs::read_to_string(folder().join("counts.txt")).unwrap();
    let found: String = captures()
        .iter()
        .map(|path| judge(path).line(path))
        .collect();
    assert_eq!(found, counts);
    assert_eq!(found.lines().count(), 26);
}

#[test]
fn the_injected_bad_packets_are_refused_for_the_right_reason() {
    let judged = judge(&folder().join("foreign-peer-injections.pcap"));
    assert_eq!(
        judged.refused,
        [
            Refused::WrongDigest(KeyIndex(1)),
            Refused::NoForm,
            Refused::Malformed(Flaw {
                at: 4,
                kind: FlawKind::Truncated
            }),
        ]
    );
}

#[test]
fn only_the_injected_packets_are_refused() {
    for path in captures() {
        let expected = if path.ends_with("foreign-peer-injections.pcap") {
            3
        } else {
            0
        };
        assert_eq!(judge(&path).refused.len(), expected, "{}", path.display());
    }
}

#[test]
fn the_foreign_peer_was_accepted_in_every_form() {
    let judged = judge(&folder().join("foreign-peer-accepted.pcap"));
    for form in [
        Form::Netstring,
        Form::NetstringBare,
        Form::String,
        Form::StringNul,
    ] {
        assert!(judged.forms.contains(&form), "{form:?}");
    }
}

#[test]
fn heartbeat_itself_sends_one_form_on_each_kind_of_medium() {
    for path in captures() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("foreign-peer") {
            continue;
        }
        let form = if name.ends_with(".raw") {
            Form::String
        } else {
            Form::Netstring
        };
        assert!(
            judge(&path).forms.iter().all(|seen| *seen == form),
            "{name}"
        );
    }
}

#[test]
fn after_a_key_switch_listed_keys_verify_but_crc_does_not() {
    let path = folder().join("keyswitch.pcap");
    let ring = ring(&path, KeyIndex(1));
    let mut seen = BTreeMap::new();
    for packet in packets(&path).0 {
        let claimed = decode_unverified(&packet).unwrap().claimed_key().unwrap();
        let decoded = decode_packet(&packet, &ring);
        match claimed {
            KeyIndex(4) => assert_eq!(decoded, Err(Refused::InactiveCrc(claimed))),
            _ => assert_eq!(decoded.map(|decoded| decoded.key), Ok(claimed)),
        }
        *seen.entry(claimed.0).or_insert(0) += 1;
    }
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn a_flipped_bit_in_any_captured_status_is_refused() {
    let path = folder().join("on-boot-alone.pcap");
    let ring = ring(&path, KeyIndex(1));
    let packet = packets(&path).0.remove(0);
    for bit in 0..packet.len() * 8 {
        let mut bad = packet.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(decode_packet(&bad, &ring).is_err(), "bit {bit}");
    }
}

/// What became of the packets of one file.
#[derive(Default)]
struct Judged {
    types: BTreeMap<String, usize>,
    forms: Vec<Form>,
    refused: Vec<Refused>,
    digests: usize,
    icmp: usize,
}

impl Judged {
    /// The summary that the independent decoder writes. It counts a message with a wrong digest
    /// as a message, and a packet that does not parse as undecodable.
    fn line(&self, path: &Path) -> String {
        let wrong = |refused: &&Refused| matches!(refused, Refused::WrongDigest(_));
        let wrong = self.refused.iter().filter(wrong).count();
        let undecodable = self.refused.len() - wrong;
        let mut line = format!(
            "{}: {} messages, digests: {} good, {wrong} bad, 0 not checkable; {undecodable} undecodable; {} ICMP;",
            path.file_name().unwrap().to_string_lossy(),
            self.forms.len() + wrong,
            self.digests,
            self.icmp,
        );
        for (message_type, count) in &self.types {
            write!(line, " {message_type}={count}").unwrap();
        }
        line + "\n"
    }
}

fn judge(path: &Path) -> Judged {
    let (packets, icmp) = packets(path);
    let mut judged = Judged {
        icmp,
        ..Judged::default()
    };
    for packet in packets {
        let claim = decode_unverified(&packet).ok();
        if let Some(claim) = &claim {
            let count = judged.types.entry(claim.claimed_type().into()).or_default();
            *count += 1;
        }
        let claimed_key = claim.and_then(|claim| claim.claimed_key());
        let ring = ring(path, claimed_key.unwrap_or(KeyIndex(1)));
        match decode_packet(&packet, &ring) {
            Ok(decoded) => {
                let again = encode_packet(&decoded.message, &ring, decoded.form).unwrap();
                assert_eq!(
                    String::from_utf8_lossy(&again),
                    String::from_utf8_lossy(&packet),
                    "{}",
                    path.display()
                );
                assert_eq!(again, packet);
                judged.digests += if decoded.form == Form::Netstring {
                    2
                } else {
                    1
                };
                judged.forms.push(decoded.form);
            }
            Err(refused) => judged.refused.push(refused),
        }
    }
    judged
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")
}

/// The captures in the order of `counts.txt`: datagrams, then serial lines.
fn captures() -> Vec<PathBuf> {
    let files = |extension: &str| {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|found| found == extension))
            .collect();
        files.sort();
        files
    };
    [files("pcap"), files("raw")].concat()
}

/// The packets of a capture, and how many ICMP packets were not ours.
fn packets(path: &Path) -> (Vec<Vec<u8>>, usize) {
    let mut source = Source::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (mut packets, mut icmp) = (Vec::new(), 0);
    while let Some(passed) = source.passed().unwrap() {
        let is_ours = decode_unverified(&passed.bytes) != Err(Refused::NoForm);
        match passed.way {
            Way::Icmp { .. } if !is_ours => icmp += 1,
            _ => packets.push(passed.bytes),
        }
    }
    (packets, icmp)
}

/// The keys of the lab, with this one active.
fn ring(path: &Path, active: KeyIndex) -> KeyRing {
    let name = if path.ends_with("keyswitch.pcap") {
        "authkeys-keyswitch"
    } else {
        "authkeys"
    };
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    let keys = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let index = KeyIndex(words.next()?.parse().ok()?);
        let method: Method = words.next()?.parse().unwrap();
        Some((index, method, words.next().unwrap_or_default().as_bytes()))
    });
    KeyRing::new(active, keys).unwrap()
}
