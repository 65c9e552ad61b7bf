//! Sessions between clients: the frames that travel in messages of type `NS_hbdsess`.
//!
//! ```text
//! sender                                                receiver
//!   | open    stream from to ------------------------------> |  names the session
//!   | <----------------------- opened  stream session listener |
//!   | data    session number message class last bytes -----> |  number: 1, 2, 3, ...
//!   | <- ack  stream session next seen window acknowledged - |
//!   | ask     stream session ------------------------------> |  answered with ack
//!   | fin     session number ------------------------------> |
//!   | <- reset or -> reset  stream session reason            |
//! ```
//!
//! `seen` is a bitmap: bit n says that number `next` + 1 + n has come. A frame that is not complete
//! and in bounds is none.

use shared::names::{ClientName, NodeName};
use shared::session::{Class, Ending};

use super::message::Message;
use super::{fields, types};
use crate::session::{FRAGMENT_BYTES_MAX, SessionId, StreamId};

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A client wants to send to another.
    Open {
        /// The stream, as its sender names it.
        stream: StreamId,
        /// Who sends.
        from: ClientName,
        /// Who is to receive.
        to: ClientName,
    },
    /// The receiver has a session for it.
    Opened {
        /// The sender's name for the stream.
        stream: StreamId,
        /// The receiver's name for the session.
        session: SessionId,
        /// Which life of the listening client it is.
        listener: u64,
    },
    /// A fragment of a message.
    Data {
        /// The session.
        session: SessionId,
        /// The sender's name for the stream, for the answer to an unknown session.
        stream: StreamId,
        /// Counts the fragments of the session from 1.
        number: u64,
        /// Counts the messages of the stream from 1.
        message: u64,
        /// Its class.
        class: Class,
        /// Whether the message ends here.
        last: bool,
        /// At most [`FRAGMENT_BYTES_MAX`].
        bytes: &'a [u8],
    },
    /// The stream ends after everything older.
    Fin {
        /// The session.
        session: SessionId,
        /// The sender's name for the stream.
        stream: StreamId,
        /// Follows that of the last fragment.
        number: u64,
    },
    /// What has arrived.
    Ack {
        /// The sender's name for the stream.
        stream: StreamId,
        /// The session.
        session: SessionId,
        /// The number that is waited for.
        next: u64,
        /// Which of the 64 after it have come.
        seen: u64,
        /// So many numbers from `next` on are taken.
        window: u64,
        /// The last message that the client acknowledged.
        acknowledged: u64,
    },
    /// What has arrived?
    Ask {
        /// The session.
        session: SessionId,
        /// The sender's name for the stream.
        stream: StreamId,
    },
    /// There is no such session (any more).
    Reset {
        /// The sender's name for the stream.
        stream: StreamId,
        /// The session; 0 where there was none yet.
        session: SessionId,
        /// Why.
        reason: Ending,
        /// True if it comes from the end that sends data.
        by_sender: bool,
    },
}

const OPEN: &str = "open";
const OPENED: &str = "opened";
const DATA: &str = "data";
const FIN: &str = "fin";
const ACK: &str = "ack";
const ASK: &str = "ask";
const RESET: &str = "reset";
const ABORT: &str = "abort";

/// The message that carries `frame` to a node.
pub fn to_message(frame: &Frame<'_>, to: &NodeName) -> Message {
    let mut message = Message::new(types::SESSION);
    message.set_text(fields::DEST, to.as_str());
    let mut begin = |word: &str, stream: &StreamId, session: Option<&SessionId>| {
        message.set_text(fields::FRAME, word);
        message.set_hex(fields::STREAM, stream.0);
        if let Some(session) = session {
            message.set_hex(fields::SESSION, session.0);
        }
    };
    match frame {
        Frame::Open { stream, from, to } => {
            begin(OPEN, stream, None);
            message.set_text(fields::FROM_CLIENT, from.as_str());
            message.set_text(fields::TO_CLIENT, to.as_str());
        }
        Frame::Opened {
            stream,
            session,
            listener,
        } => {
            begin(OPENED, stream, Some(session));
            message.set_hex(fields::LISTENER, *listener);
        }
        Frame::Data {
            session,
            stream,
            number,
            message: of,
            class,
            last,
            bytes,
        } => {
            begin(DATA, stream, Some(session));
            message
                .set_hex(fields::NUMBER, *number)
                .set_hex(fields::MESSAGE, *of)
                .set_text(fields::CLASS, class.word())
                .set_decimal(fields::LAST_FRAGMENT, u64::from(*last));
            if !bytes.is_empty() {
                message.set_binary(fields::BYTES, bytes);
            }
        }
        Frame::Fin {
            session,
            stream,
            number,
        } => {
            begin(FIN, stream, Some(session));
            message.set_hex(fields::NUMBER, *number);
        }
        Frame::Ack {
            stream,
            session,
            next,
            seen,
            window,
            acknowledged,
        } => {
            begin(ACK, stream, Some(session));
            message
                .set_hex(fields::NUMBER, *next)
                .set_hex(fields::SEEN, *seen)
                .set_hex(fields::WINDOW, *window)
                .set_hex(fields::ACKNOWLEDGED, *acknowledged);
        }
        Frame::Ask { session, stream } => begin(ASK, stream, Some(session)),
        Frame::Reset {
            stream,
            session,
            reason,
            by_sender,
        } => {
            let word = if *by_sender { ABORT } else { RESET };
            begin(word, stream, Some(session));
            message.set_text(fields::REASON, reason.word());
        }
    }
    message
}

/// Reads the frame of an `NS_hbdsess`. None if a field is missing or out of bounds.
pub fn read(message: &Message) -> Option<Frame<'_>> {
    let hex = |name| message.hex(name);
    let stream = StreamId(hex(fields::STREAM)?);
    let session = || hex(fields::SESSION).map(SessionId);
    let client = |name| ClientName::new(message.text(name)?).ok();
    let numbered = |name| hex(name).filter(|number| *number > 0);
    Some(match message.text(fields::FRAME)? {
        OPEN => Frame::Open {
            stream,
            from: client(fields::FROM_CLIENT)?,
            to: client(fields::TO_CLIENT)?,
        },
        OPENED => Frame::Opened {
            stream,
            session: session()?,
            listener: hex(fields::LISTENER)?,
        },
        DATA => Frame::Data {
            session: session()?,
            stream,
            number: numbered(fields::NUMBER)?,
            message: numbered(fields::MESSAGE)?,
            class: class(message.text(fields::CLASS)?)?,
            last: message.decimal(fields::LAST_FRAGMENT)? != 0,
            bytes: bytes(message)?,
        },
        FIN => Frame::Fin {
            session: session()?,
            stream,
            number: numbered(fields::NUMBER)?,
        },
        ACK => Frame::Ack {
            stream,
            session: session()?,
            next: numbered(fields::NUMBER)?,
            seen: hex(fields::SEEN)?,
            window: hex(fields::WINDOW)?,
            acknowledged: hex(fields::ACKNOWLEDGED)?,
        },
        ASK => Frame::Ask {
            session: session()?,
            stream,
        },
        word @ (RESET | ABORT) => Frame::Reset {
            stream,
            session: session()?,
            reason: ending(message.text(fields::REASON)?),
            by_sender: word == ABORT,
        },
        _ => return None,
    })
}

fn class(word: &str) -> Option<Class> {
    Class::ALL.into_iter().find(|class| class.word() == word)
}

fn bytes(message: &Message) -> Option<&[u8]> {
    if !message.has(fields::BYTES) {
        return Some(&[]);
    }
    message
        .binary(fields::BYTES)
        .filter(|bytes| bytes.len() <= FRAGMENT_BYTES_MAX)
}

/// The reasons a reset can have. Any other word is a reset all the same.
fn ending(word: &str) -> Ending {
    [
        Ending::GaveUp,
        Ending::Left,
        Ending::NobodyListens,
        Ending::ClientGone,
        Ending::Busy,
    ]
    .into_iter()
    .find(|ending| ending.word() == word)
    .unwrap_or(Ending::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec;

    const STREAM: StreamId = StreamId(0x2a);
    const SESSION: SessionId = SessionId(7);

    fn client(name: &str) -> ClientName {
        ClientName::new(name).unwrap()
    }

    fn data(bytes: &[u8]) -> Frame<'_> {
        Frame::Data {
            session: SESSION,
            stream: STREAM,
            number: 3,
            message: 2,
            class: Class::Bulk,
            last: true,
            bytes,
        }
    }

    fn written(frame: &Frame<'_>) -> Message {
        to_message(frame, &NodeName::new("bob").unwrap())
    }

    #[test]
    fn every_frame_survives_its_message() {
        let longest = vec![7; FRAGMENT_BYTES_MAX];
        for frame in [
            Frame::Open {
                stream: STREAM,
                from: client("cron"),
                to: client("backup"),
            },
            Frame::Opened {
                stream: STREAM,
                session: SESSION,
                listener: u64::MAX,
            },
            data(b""),
            data(&longest),
            Frame::Fin {
                session: SESSION,
                stream: STREAM,
                number: 4,
            },
            Frame::Ack {
                stream: STREAM,
                session: SESSION,
                next: 4,
                seen: 5,
                window: 64,
                acknowledged: 1,
            },
            Frame::Ask {
                session: SESSION,
                stream: STREAM,
            },
            Frame::Reset {
                stream: STREAM,
                session: SESSION,
                reason: Ending::NobodyListens,
                by_sender: false,
            },
        ] {
            assert_eq!(read(&written(&frame)), Some(frame));
        }
    }

    #[test]
    fn the_fields_of_a_fragment_are_those_of_the_manual() {
        assert_eq!(
            format!("{:?}", written(&data(b"hi"))),
            r#"t="NS_hbdsess" dest="bob" frame="data" stream="2a" session="7" number="3" message="2" class="bulk" last="1" bytes=0x6869"#
        );
    }

    #[test]
    fn a_fragment_that_is_too_long_or_numbered_0_is_none() {
        let long = vec![0; FRAGMENT_BYTES_MAX + 1];
        assert_eq!(read(&written(&data(&long))), None);
        let mut message = written(&data(b"x"));
        message.set_hex("number", 0);
        assert_eq!(read(&message), None);
    }

    #[test]
    fn a_frame_without_one_of_its_fields_is_none() {
        for field in ["frame", "stream", "session", "message", "class", "last"] {
            let mut message = written(&data(b"x"));
            message.remove(field);
            assert_eq!(read(&message), None, "{field}");
        }
    }
}
