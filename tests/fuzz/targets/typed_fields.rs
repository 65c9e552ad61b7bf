//! Values with a grammar of their own, from a message that verified: read within bounds, and what is
//! sound is written as it was read.

use hbd_core::wire::heard::Told;
use hbd_core::wire::level::Level;
use hbd_core::wire::status::Status;
use hbd_core::wire::{Message, heard, limits, membership, retransmission};

pub(crate) fn property(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    read_heard(&text);
    // Random bytes hold few colons and digits: the same once more in the alphabet of the list.
    let alphabet = b"0123456789abcdef:::,,";
    let likely: String = input
        .iter()
        .map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()]))
        .collect();
    read_heard(&likely);
    if let Some(level) = Level::parse(&likely.replace(':', ".")) {
        assert_eq!(Level::parse(&level.to_field()), Some(level));
    }
    read_message(&text, &likely);
}

fn read_heard(text: &str) {
    let entries: Vec<_> = heard::parse(text).collect();
    assert!(entries.len() <= limits::NODES_MAX + 1);
    let sound: Vec<_> = entries.iter().flatten().copied().collect();
    let written = heard::format(sound.iter().copied());
    let read: Vec<_> = heard::parse(&written).flatten().collect();
    assert_eq!(read, sound);
    for entry in sound {
        assert!(matches!(heard::told(text, entry.peer), Told::Heard(_)));
    }
}

fn read_message(text: &str, likely: &str) {
    let mut message = Message::new("fuzz");
    let numbers: Vec<&str> = likely.split([':', ',']).collect();
    for (name, value) in ["dt", "protocol", "firstseq", "lastseq", "ackseq"]
        .into_iter()
        .zip(numbers)
    {
        message.set_text(name, value);
    }
    message.set_text("nodelist", text).set_text("st", "up");
    assert!(membership::read_nodes(&message).count() <= limits::NODES_MAX);
    assert!(Status::read(&message).is_some());
    if let Some(numbers) = retransmission::read_request(&message) {
        assert!(numbers.start().0 >= 1 && numbers.start() <= numbers.end());
    }
    _ = retransmission::read_ack(&message);
    _ = retransmission::read_refusal(&message);
}
