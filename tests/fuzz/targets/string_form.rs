//! Signed packets in string form with arbitrary lines: what decodes is encoded to the same bytes.

use std::sync::LazyLock;

use hbd_core::wire::{Form, decode_packet};

use super::{RING, again, digest, packet, sound_messages};
use crate::edits::edited;

/// Bytes before the lines: `>>>` and a line end.
const START_BYTES: usize = 4;
/// Bytes behind the lines: `auth=1 HEX`, `<<<`, and their line ends.
const END_BYTES: usize = 48 + 4;

static LINES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let lines = |message| {
        let bytes = packet(message, Form::String);
        bytes[START_BYTES..bytes.len() - END_BYTES].to_vec()
    };
    sound_messages().iter().map(lines).collect()
});

pub(crate) fn property(input: &[u8]) {
    let lines = edited(&LINES, input);
    let auth = format!("auth=1 {}\n<<<\n", digest(&lines));
    let bytes = [b">>>\n", lines.as_slice(), auth.as_bytes()].concat();
    if let Ok(decoded) = decode_packet(&bytes, &RING) {
        assert_eq!(again(&decoded.message, Form::String), bytes);
    }
}
