//! Unsigned bytes: nothing that was changed verifies, and nothing panics.

use std::sync::LazyLock;

use hbd_core::wire::{decode_packet, decode_unverified};

use super::{RING, sound_packets};
use crate::edits::edited;

static SOUND: LazyLock<Vec<Vec<u8>>> = LazyLock::new(sound_packets);

pub(crate) fn property(input: &[u8]) {
    for bytes in [input.to_vec(), edited(&SOUND, input)] {
        let decoded = decode_packet(&bytes, &RING);
        assert_eq!(decoded.is_ok(), SOUND.contains(&bytes), "{decoded:?}");
        if let Ok(claim) = decode_unverified(&bytes) {
            let _ = claim.to_string();
        }
    }
}
