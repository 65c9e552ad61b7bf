//! The targets, one file each, and what they share.

pub(crate) mod api;
pub(crate) mod config;
pub(crate) mod core;
pub(crate) mod ether;
pub(crate) mod icmp;
pub(crate) mod message;
pub(crate) mod netstring;
pub(crate) mod packet;
pub(crate) mod serial;
pub(crate) mod session;
pub(crate) mod string_form;
pub(crate) mod typed_fields;

use std::sync::LazyLock;

use hbd_core::wire::{Form, KeyRing, Message, Method, decode_packet, encode_packet};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use shared::names::{KeyIndex, Uuid};

/// One key of each kind; the first signs.
static RING: LazyLock<KeyRing> = LazyLock::new(|| {
    let keys: [(KeyIndex, Method, &[u8]); 4] = [
        (KeyIndex(1), Method::Sha1, b"fuzz"),
        (KeyIndex(2), Method::Md5, b"fuzz"),
        (KeyIndex(3), Method::Sha256, b"fuzz"),
        (KeyIndex(4), Method::Crc, b""),
    ];
    KeyRing::new(KeyIndex(1), keys).expect("four distinct keys")
});

const FORMS: [Form; 4] = [
    Form::Netstring,
    Form::NetstringBare,
    Form::String,
    Form::StringNul,
];

/// A status, a message with every kind of value, and a deep one.
fn sound_messages() -> Vec<Message> {
    let mut status = Message::new("status");
    status
        .set_text("st", "active")
        .set_hex("dt", 6000)
        .set_decimal("protocol", 1)
        .set_text("src", "alice")
        .set_uuid("srcuuid", Uuid([0xd9; 16]))
        .set_hex("seq", 17)
        .set_hex("hg", 0x6b02_9977)
        .set_hex("ts", 0x6b02_9976);
    let mut mixed = Message::new("mixed");
    mixed
        .set_text("info", "two\nlines")
        .set_list("names", ["alice", "bob"])
        .set_compressed("zip", b"BZh9\0\n,%%%\n")
        .set_struct("child", &status);
    let mut deep = Message::new("deep");
    for _ in 0..15 {
        let mut outer = Message::new("shell");
        outer.set_struct("child", &deep);
        deep = outer;
    }
    vec![status, mixed, deep]
}

/// Every sound message in every form.
fn sound_packets() -> Vec<Vec<u8>> {
    let messages = sound_messages();
    FORMS
        .iter()
        .flat_map(|form| messages.iter().map(|message| packet(message, *form)))
        .collect()
}

fn packet(message: &Message, form: Form) -> Vec<u8> {
    encode_packet(message, &RING, form).expect("a sound message")
}

/// Encodes a message that was decoded, in every form, and asserts that each brings it back.
fn again(message: &Message, form: Form) -> Vec<u8> {
    for form in FORMS {
        let decoded = decode_packet(&packet(message, form), &RING).expect("it was encoded");
        assert_eq!(&decoded.message, message);
        assert_eq!(decoded.form, form);
    }
    packet(message, form)
}

/// HMAC-SHA1 with the first key, made without the code under test.
fn digest(bytes: &[u8]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(b"fuzz").expect("any length");
    mac.update(bytes);
    let digest = mac.finalize().into_bytes();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
