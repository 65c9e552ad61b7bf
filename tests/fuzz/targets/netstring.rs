//! Signed netstring packets with arbitrary fields: what decodes is encoded to the same bytes.

use std::sync::LazyLock;

use hbd_core::wire::{Form, decode_packet};

use super::{RING, again, digest, packet, sound_messages};
use crate::edits::edited;

/// Bytes of the trailer of a SHA-1 key: `42:1 HEX,`.
const TRAILER_BYTES: usize = 46;

static UNSIGNED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let unsigned = |message| {
        let mut bytes = packet(message, Form::NetstringBare);
        bytes.truncate(bytes.len() - TRAILER_BYTES);
        bytes
    };
    sound_messages().iter().map(unsigned).collect()
});

pub(crate) fn property(input: &[u8]) {
    let mut bytes = edited(&UNSIGNED, input);
    let trailer = format!("42:1 {},", digest(&bytes));
    bytes.extend_from_slice(trailer.as_bytes());
    let Ok(decoded) = decode_packet(&bytes, &RING) else {
        return;
    };
    let same = again(&decoded.message, Form::NetstringBare);
    if decoded.form == Form::NetstringBare {
        assert_eq!(same, bytes);
    }
}
