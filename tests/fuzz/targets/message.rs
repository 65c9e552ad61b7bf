//! Messages made of arbitrary names and values: either they cannot be sent, or every form brings them
//! back as they were.

use hbd_core::wire::{Message, encode_packet};

use super::{FORMS, RING, again};

pub(crate) fn property(input: &[u8]) {
    let message = build(input);
    for form in FORMS {
        if encode_packet(&message, &RING, form).is_ok() {
            again(&message, form);
        }
    }
}

/// Reads pieces of `VERB LENGTH BYTES`: a field each, or the end of a nested message.
fn build(input: &[u8]) -> Message {
    let mut message = Message::new("fuzz");
    let mut rest = input;
    let mut name = String::from("a");
    while let [verb, length, bytes @ ..] = rest {
        let (value, after) = bytes.split_at(bytes.len().min(usize::from(*length)));
        rest = after;
        let text = String::from_utf8_lossy(value);
        match verb % 8 {
            0 => name = text.into_owned(),
            1 => name = format!("f{}", message.len()),
            2 => _ = message.set_text(&name, &text),
            3 => _ = message.set_binary(&name, value),
            4 => _ = message.set_list(&name, text.split(' ')),
            5 => _ = message.set_compressed(&name, value),
            6 => _ = message.set_hex(&name, value.len() as u64),
            _ => {
                let mut outer = Message::new("shell");
                outer.set_struct(&name, &message);
                message = outer;
            }
        }
    }
    message
}
