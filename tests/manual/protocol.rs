//! hbd-protocol(7): fields, message types, digests, limits.

use std::fmt::Write as _;

use hbd_core::wire::types::{Between, TYPES};
use hbd_core::wire::{Method, fields::FIELDS, limits, status::State};
use hbd_tests::manual::{compare, escape};

const PAGE: &str = "hbd-protocol.7";

#[test]
fn the_fields_are_those_of_the_code() {
    let table = FIELDS.iter().fold(String::new(), |mut table, field| {
        let encoding = field.encoding.as_str();
        writeln!(table, ".It Cm {} Pq {encoding}", escape(field.name)).expect("a string");
        writeln!(table, "{}.", escape(field.meaning)).expect("a string");
        writeln!(table, "On: {}.", field.on).expect("a string");
        table
    });
    compare(PAGE, "fields", &table);
}

#[test]
fn the_message_types_are_those_of_the_code() {
    let table = TYPES.iter().fold(String::new(), |mut table, entry| {
        writeln!(table, ".It Cm {} Pq to {}", entry.name, entry.to).expect("a string");
        writeln!(table, "Sent {}.", entry.when).expect("a string");
        if !entry.fields.is_empty() {
            writeln!(table, "Own fields: {}.", entry.fields).expect("a string");
        }
        let who = match entry.between {
            Between::Cores => None,
            Between::Managers => Some("managers say"),
            Between::Ipfail => Some("ipfail says"),
        };
        if let Some(who) = who {
            writeln!(table, "What {who}; the core carries it.").expect("a string");
        }
        writeln!(table, "Effect: {}.", entry.effect).expect("a string");
        table
    });
    compare(PAGE, "types", &table);
}

#[test]
fn the_digest_methods_are_those_of_the_code() {
    let table = Method::ALL.iter().fold(String::new(), |mut table, method| {
        let meaning = match method {
            Method::Crc => {
                "CRC-32 with polynomial 0x04C11DB7, most significant bit first, start value 0, over the bytes \
                 and not their number, complemented at the end; no key; printed without leading zeros"
            }
            Method::Md5 => "HMAC-MD5, 32 digits",
            Method::Sha1 => "HMAC-SHA1, 40 digits",
            Method::Sha256 => "HMAC-SHA256, 64 digits; hbd only",
        };
        writeln!(table, ".It Cm {method}\n{meaning}.").expect("a string");
        table
    });
    compare(PAGE, "digests", &table);
}

#[test]
fn the_states_are_those_of_the_code() {
    let words: Vec<&str> = State::ALL.iter().map(|state| state.as_str()).collect();
    compare(PAGE, "states", &format!("{}.\n", words.join(", ")));
}

#[test]
fn the_limits_are_those_of_the_code() {
    let rows = [
        ("bytes of a packet", limits::PACKET_BYTES_MAX),
        ("bytes of a datagram", limits::DATAGRAM_BYTES_MAX),
        ("fields of a message", limits::FIELDS_MAX),
        ("bytes of a field's name", limits::FIELD_NAME_BYTES_MAX),
        ("depth of nested messages", limits::NESTING_MAX),
        ("bytes of what a manager says", limits::SAID_BYTES_MAX),
        ("fields of what a manager says", limits::SAID_FIELDS_MAX),
        ("keys", limits::KEYS_MAX),
        ("nodes", limits::NODES_MAX),
        ("bytes of a node's name", shared::names::NODE_NAME_MAX),
    ];
    let table = rows.iter().fold(String::new(), |mut table, (what, most)| {
        writeln!(table, ".It {what} Ta {most}").expect("a string");
        table
    });
    compare(PAGE, "limits", &table);
}
