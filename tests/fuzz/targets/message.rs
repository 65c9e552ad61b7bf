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

/// From this verb on, text is what the input says. Below, control bytes are replaced: one of them makes
/// a whole message unsendable, and nearly every random text has one.
const RAW_FROM: u8 = 248;

fn text(value: &[u8], verb: u8) -> String {
    let text = String::from_utf8_lossy(value);
    if verb >= RAW_FROM {
        return text.into_owned();
    }
    let harmless = |c: char| match c {
        '\u{0}'..='\u{1f}' => ['\n', ',', ':', '=', '(', '#', '%', '<'][c as usize % 8],
        c => c,
    };
    text.chars().map(harmless).collect()
}

fn sound_name(text: &str) -> String {
    let sound = |c: &char| c.is_ascii_graphic() && !matches!(c, '=' | '(');
    std::iter::once('n')
        .chain(text.chars().filter(sound))
        .take(127)
        .collect()
}

/// Longest value. Short ones, so that an input makes many fields.
const VALUE_BYTES_MAX: u8 = 32;

/// Reads pieces of `VERB LENGTH BYTES`: the name of the next field, a field, or the end of a nested
/// message.
fn build(input: &[u8]) -> Message {
    let mut message = Message::new("fuzz");
    let mut rest = input;
    let mut named = None;
    while let [verb, length, bytes @ ..] = rest {
        let length = usize::from(length % (VALUE_BYTES_MAX + 1));
        let (value, after) = bytes.split_at(bytes.len().min(length));
        rest = after;
        let text = text(value, *verb);
        let name = named
            .take()
            .unwrap_or_else(|| format!("f{}", message.len()));
        match verb % 8 {
            0 if *verb >= RAW_FROM => named = Some(text),
            0 => named = Some(sound_name(&text)),
            1 | 2 => _ = message.set_text(&name, &text),
            3 => _ = message.set_binary(&name, value),
            4 => _ = message.set_list(&name, text.split([' ', '\n'])),
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
