//! Turns random bytes into a packet that is almost right.
//!
//! Bytes drawn at random never begin like a packet, so they test one comparison. Here the first byte
//! picks a sound packet and the rest are edits: change, insert, delete, repeat, cut.

/// Most edits of one input. Few, because most edits break a packet and hide what follows.
const EDITS_MAX: usize = 4;

/// Bytes with a meaning in one of the forms; half of all edits write one of them.
const MEANINGFUL: &[u8] = b"0123456789abcdef:(),=+/\n#%<>- \0\x0f\x12\x13\x14\x15\x1f";

/// A sound packet chosen and edited by `input`: one byte for the packet, one for the number of edits,
/// four for each edit.
pub(crate) fn edited(sound: &[Vec<u8>], input: &[u8]) -> Vec<u8> {
    let [choice, count, edits @ ..] = input else {
        return sound[0].clone();
    };
    let mut bytes = sound[usize::from(*choice) % sound.len()].clone();
    let count = usize::from(*count) % (EDITS_MAX + 1);
    for edit in edits.chunks_exact(4).take(count) {
        apply(edit, &mut bytes);
    }
    bytes
}

fn apply(edit: &[u8], bytes: &mut Vec<u8>) {
    let place = usize::from(u16::from_le_bytes([edit[0], edit[1]]));
    let (verb, value) = (edit[2], edit[3]);
    let value = match value.checked_sub(128) {
        Some(choice) => MEANINGFUL[usize::from(choice) % MEANINGFUL.len()],
        None => value.wrapping_mul(2) | verb >> 7,
    };
    if bytes.is_empty() {
        bytes.push(value);
    }
    let at = place % bytes.len();
    match verb % 6 {
        0 => bytes[at] = value,
        1 => bytes[at] ^= 1 << (value % 8),
        2 => bytes.insert(at, value),
        3 => {
            bytes.remove(at);
        }
        4 => {
            let end = bytes.len().min(at + usize::from(value));
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        _ => bytes.truncate(at),
    }
}
