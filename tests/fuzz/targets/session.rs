//! Frames of sessions, from a message that verified: what is sound is within bounds, and comes back as it
//! was; what is not is no frame.

use hbd_core::session::FRAGMENT_BYTES_MAX;
use hbd_core::wire::session::{Frame, read, to_message};
use hbd_core::wire::{Message, fields, types};
use shared::names::NodeName;

const FRAMES: [&str; 9] = [
    "open", "opened", "data", "fin", "ack", "ask", "reset", "abort", "",
];
const NUMBERS: [&str; 9] = [
    fields::STREAM,
    fields::SESSION,
    fields::LISTENER,
    fields::NUMBER,
    fields::MESSAGE,
    fields::SEEN,
    fields::WINDOW,
    fields::ACKNOWLEDGED,
    fields::LAST_FRAGMENT,
];

pub(crate) fn property(input: &[u8]) {
    let message = message(input);
    let Some(frame) = read(&message) else {
        return;
    };
    if let Frame::Data { bytes, .. } = &frame {
        assert!(bytes.len() <= FRAGMENT_BYTES_MAX);
    }
    let node = NodeName::new("bob").expect("a sound name");
    let again = to_message(&frame, &node);
    assert_eq!(read(&again), Some(frame));
}

/// Two bytes say which frame it is and which fields are there; one for each number; the rest is text
/// and bytes.
fn message(input: &[u8]) -> Message {
    let mut input = input.iter().copied();
    let mut next = || input.next().unwrap_or_default();
    let (kind, present) = (next(), next());
    let mut message = Message::new(types::SESSION);
    message.set_text(fields::FRAME, FRAMES[usize::from(kind) % FRAMES.len()]);
    for (place, field) in NUMBERS.into_iter().enumerate() {
        let number = next();
        if present >> (place % 8) & 1 == 0 {
            message.set_text(field, &edge(number));
        }
    }
    let words = [next(), next(), next(), next()];
    let rest: Vec<u8> = input.collect();
    for (field, word) in [
        fields::FROM_CLIENT,
        fields::TO_CLIENT,
        fields::CLASS,
        fields::REASON,
    ]
    .into_iter()
    .zip(words)
    {
        message.set_text(field, &text(word, &rest));
    }
    // Longer than a fragment may be, every now and then.
    let times = 1 + usize::from(kind >> 4) * 100;
    message.set_binary(fields::BYTES, &rest.repeat(times));
    message
}

/// Small numbers, the edges of what fits, and what is no number.
fn edge(byte: u8) -> String {
    match byte {
        0..=199 => format!("{byte:x}"),
        200..=239 => format!("{:x}", u64::MAX - u64::from(239 - byte)),
        240..=247 => format!("{:x}0", u64::MAX),
        _ => "-1".into(),
    }
}

/// A word that is sound somewhere, or whatever the input says.
fn text(word: u8, rest: &[u8]) -> String {
    const WORDS: [&str; 9] = [
        "cron",
        "backup",
        "control",
        "bulk",
        "closed",
        "restarted",
        "not-announced",
        "busy",
        "",
    ];
    match WORDS.get(usize::from(word) % 12) {
        Some(known) => (*known).to_owned(),
        None => String::from_utf8_lossy(rest).into_owned(),
    }
}
