//! The messages this node sent: to send them again, and to know when each went out.

use alloc::collections::VecDeque;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shared::names::Sequence;
use shared::time::Moment;

use crate::wire::Message;

/// How many messages are kept, as Heartbeat 3.0.6 does.
pub(crate) const HISTORY_MAX: usize = 500;
/// More unacknowledged messages than this are worth an event.
pub(crate) const WINDOW_WARNING: u64 = 375;
/// Below this a window that was filling counts as empty enough again. Clients are held back above.
pub(crate) const WINDOW_MAX: u64 = 250;

#[derive(Serialize, Deserialize)]
struct Sent {
    at: Moment,
    again_at: Option<Moment>,
    /// Left out of a saved state: it can only be sent again, which decides nothing here.
    #[serde(skip)]
    message: Message,
}

/// What a request for a message meets.
pub(crate) enum Found<'a> {
    /// Send this again.
    Message(&'a Message),
    /// It went out again a moment ago.
    JustSent,
    /// It is no longer kept.
    Gone,
    /// It was never sent.
    Unsent,
}

/// The last messages of this generation.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct History {
    /// The number of the front of `sent`.
    oldest: u64,
    sent: VecDeque<Sent>,
}

impl History {
    /// Keeps the message with the next number.
    pub(crate) fn push(&mut self, sequence: Sequence, message: Message, now: Moment) {
        if self.sent.is_empty() {
            self.oldest = sequence.0;
        }
        if self.sent.len() >= HISTORY_MAX {
            self.sent.pop_front();
            self.oldest += 1;
        }
        self.sent.push_back(Sent {
            at: now,
            again_at: None,
            message,
        });
    }

    /// Looks up a message to send again; not more often than every `pause`.
    pub(crate) fn again(&mut self, sequence: Sequence, pause: Duration, now: Moment) -> Found<'_> {
        let Some(place) = sequence.0.checked_sub(self.oldest) else {
            return Found::Gone;
        };
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let Some(sent) = self.sent.get_mut(place) else {
            return Found::Unsent;
        };
        if sent.again_at.is_some_and(|at| now.since(at) < pause) {
            return Found::JustSent;
        }
        sent.again_at = Some(now);
        Found::Message(&sent.message)
    }

    /// Whether the message with this number is of this type. False for one that is no longer kept.
    pub(crate) fn is_of_type(&self, sequence: Sequence, message_type: &str) -> bool {
        let place = sequence.0.checked_sub(self.oldest);
        let place = place.and_then(|place| usize::try_from(place).ok());
        place
            .and_then(|place| self.sent.get(place))
            .is_some_and(|sent| sent.message.message_type() == message_type)
    }

    /// When a message first went out; for one that is no longer kept, a moment at or after that.
    /// Nothing for one that was never sent.
    pub(crate) fn sent_at(&self, sequence: Sequence) -> Option<Moment> {
        let place = sequence.0.saturating_sub(self.oldest);
        self.sent
            .get(usize::try_from(place).ok()?)
            .map(|sent| sent.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_500_messages_can_be_sent_again() {
        let mut history = History::default();
        for number in 1..=501 {
            history.push(Sequence(number), Message::new("status"), Moment(number));
        }
        let pause = Duration::from_nanos(10);
        let mut found = |number, at| match history.again(Sequence(number), pause, Moment(at)) {
            Found::Message(_) => "message",
            Found::JustSent => "just sent",
            Found::Gone => "gone",
            Found::Unsent => "unsent",
        };
        assert_eq!(found(1, 1000), "gone");
        assert_eq!(found(2, 1000), "message");
        assert_eq!(found(2, 1009), "just sent");
        assert_eq!(found(2, 1010), "message");
        assert_eq!(found(501, 1010), "message");
        assert_eq!(found(502, 1010), "unsent");
        assert_eq!(history.sent_at(Sequence(501)), Some(Moment(501)));
        assert_eq!(history.sent_at(Sequence(502)), None);
    }
}
