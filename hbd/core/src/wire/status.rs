//! The beat itself: `status`.

use core::fmt;
use core::time::Duration;

use super::level::Level;
use super::message::Message;
use super::{fields, types};

/// What a node says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Its daemon starts; the first message of a generation says so.
    Init,
    /// It hears and is heard, and waits until it knows about all nodes.
    Up,
    /// It takes part.
    Active,
    /// It has released everything; only in `shutdone`.
    Dead,
    /// A ping node answered; only in `NS_st`.
    Ping,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Init, Self::Up, Self::Active, Self::Dead, Self::Ping];

    /// The word in the field `st`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Up => "up",
            Self::Active => "active",
            Self::Dead => "dead",
            Self::Ping => "ping",
        }
    }

    /// The state that the field `st` of a message names.
    pub fn of(message: &Message) -> Option<Self> {
        let word = message.text(fields::STATE)?;
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The fields of a `status` that its sender fills in itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status<'a> {
    /// What it says about itself.
    pub state: State,
    /// After which silence others must declare it dead. Missing in foreign messages at most.
    pub dead_time: Option<Duration>,
    /// Whether it wants its messages acknowledged (`protocol=1`).
    pub acknowledges: bool,
    /// What hbd can do there; none for a Heartbeat.
    pub level: Option<Level>,
    /// What it heard from others ([`super::heard`]); now and then on slow media.
    pub heard: Option<&'a str>,
}

impl<'a> Status<'a> {
    /// Reads a `status`. None if it names no known state.
    pub fn read(message: &'a Message) -> Option<Self> {
        Some(Self {
            state: State::of(message)?,
            dead_time: message.hex(fields::DEAD_TIME).map(Duration::from_millis),
            acknowledges: message.decimal(fields::PROTOCOL) == Some(1),
            level: message.text(fields::HBD).and_then(Level::parse),
            heard: message.text(fields::HEARD),
        })
    }

    /// The message, still to be stamped.
    pub fn to_message(&self) -> Message {
        let mut message = Message::new(types::STATUS);
        message.set_text(fields::STATE, self.state.as_str());
        if let Some(dead_time) = self.dead_time {
            let millis = u64::try_from(dead_time.as_millis()).unwrap_or(u64::MAX);
            message.set_hex(fields::DEAD_TIME, millis);
        }
        if self.acknowledges {
            message.set_decimal(fields::PROTOCOL, 1);
        }
        if let Some(level) = self.level {
            message.set_text(fields::HBD, &level.to_field());
        }
        if let Some(heard) = self.heard.filter(|heard| !heard.is_empty()) {
            message.set_text(fields::HEARD, heard);
        }
        message
    }
}

/// `shutdone`: everything is released.
pub fn shutdown_done() -> Message {
    let mut message = Message::new(types::SHUTDOWN_DONE);
    message.set_text(fields::STATE, State::Dead.as_str());
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_status_survives_its_message() {
        let status = Status {
            state: State::Active,
            dead_time: Some(Duration::from_secs(6)),
            acknowledges: true,
            level: Some(Level::OURS),
            heard: Some("bob:1:2:2:2"),
        };
        let message = status.to_message();
        assert_eq!(
            format!("{message:?}"),
            r#"t="status" st="active" dt="1770" protocol="1" hbd="1.f" hbdheard="bob:1:2:2:2""#
        );
        assert_eq!(Status::read(&message), Some(status));
    }

    #[test]
    fn a_status_of_heartbeat_has_no_level() {
        let mut message = Message::new(types::STATUS);
        message.set_text("st", "up");
        let status = Status::read(&message).unwrap();
        assert_eq!(status.level, None);
        assert_eq!(status.dead_time, None);
        assert!(!status.acknowledges);
    }

    #[test]
    fn an_unknown_state_is_no_status() {
        let mut message = Message::new(types::STATUS);
        assert_eq!(Status::read(&message), None);
        message.set_text("st", "sleeping");
        assert_eq!(Status::read(&message), None);
    }

    #[test]
    fn each_state_is_found_by_its_word() {
        for state in State::ALL {
            let mut message = Message::new(types::STATUS);
            message.set_text("st", state.as_str());
            assert_eq!(State::of(&message), Some(state));
        }
    }
}
