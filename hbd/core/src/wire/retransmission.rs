//! Acknowledging messages, asking for lost ones, refusing to send them again.
//!
//! The numbers of a request are decimal and all others hexadecimal, as Heartbeat 3.0.6 writes them.

use core::ops::RangeInclusive;

use shared::names::{NodeName, Sequence};

use super::message::Message;
use super::{fields, types};

/// What a refusal says; Heartbeat 3.0.6 logs it.
const TOO_LOW: &str = "seqno too low";

/// `NS_ackmsg`: everything of `to` up to this number arrived here.
pub fn ack(to: &NodeName, up_to: Sequence) -> Message {
    let mut message = Message::new(types::ACK);
    message
        .set_text(fields::DEST, to.as_str())
        .set_hex(fields::ACK, up_to.0);
    message
}

/// Reads the number of an `NS_ackmsg`.
pub fn read_ack(message: &Message) -> Option<Sequence> {
    message.hex(fields::ACK).map(Sequence)
}

/// `NS_rexmit`: `to` is asked to send these again. Heartbeat 3.0.6 asks for one number at a time.
pub fn request(to: &NodeName, numbers: RangeInclusive<Sequence>) -> Message {
    let mut message = Message::new(types::REQUEST);
    message
        .set_text(fields::DEST, to.as_str())
        .set_decimal(fields::FIRST, numbers.start().0)
        .set_decimal(fields::LAST, numbers.end().0);
    message
}

/// Reads the numbers of an `NS_rexmit`. None if one is missing or 0, or the last precedes the
/// first. The range may be as long as its sender likes.
pub fn read_request(message: &Message) -> Option<RangeInclusive<Sequence>> {
    let first = message.decimal(fields::FIRST)?;
    let last = message.decimal(fields::LAST)?;
    (1..=last)
        .contains(&first)
        .then_some(Sequence(first)..=Sequence(last))
}

/// `NS_nak_rexmit`: this number is not kept any more and will never come.
pub fn refusal(to: &NodeName, number: Sequence) -> Message {
    let mut message = Message::new(types::REFUSAL);
    message
        .set_text(fields::DEST, to.as_str())
        .set_hex(fields::FIRST, number.0)
        .set_text(fields::INFO, TOO_LOW);
    message
}

/// Reads the number of an `NS_nak_rexmit`.
pub fn read_refusal(message: &Message) -> Option<Sequence> {
    message.hex(fields::FIRST).map(Sequence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn bob() -> NodeName {
        NodeName::new("bob").unwrap()
    }

    #[test]
    fn a_request_is_decimal() {
        let message = request(&bob(), Sequence(18)..=Sequence(19));
        assert_eq!(
            format!("{message:?}"),
            r#"t="NS_rexmit" dest="bob" firstseq="18" lastseq="19""#
        );
        assert_eq!(read_request(&message), Some(Sequence(18)..=Sequence(19)));
    }

    #[test]
    fn a_refusal_and_an_ack_are_hexadecimal() {
        let message = refusal(&bob(), Sequence(18));
        assert_eq!(message.text("firstseq"), Some("12"));
        assert_eq!(read_refusal(&message), Some(Sequence(18)));
        let message = ack(&bob(), Sequence(45));
        assert_eq!(message.text("ackseq"), Some("2d"));
        assert_eq!(read_ack(&message), Some(Sequence(45)));
    }

    #[test]
    fn a_request_that_runs_backwards_or_from_zero_is_none() {
        for (first, last) in [(2, 1), (0, 1), (0, 0)] {
            let message = request(&bob(), Sequence(first)..=Sequence(last));
            assert_eq!(read_request(&message), None);
        }
        assert_eq!(read_request(&Message::new(types::REQUEST)), None);
    }
}
