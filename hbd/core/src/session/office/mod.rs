//! The supervisor's part of sessions: clients, and their messages until they are acknowledged.
//!
//! It is pure as the core is: take one input, then [`Office::poll_order`] for the core and
//! [`Office::poll_notice`] for clients until there is nothing. It outlives cores: a message that was
//! accepted from a sender is offered again in every session of its stream, until the receiving client
//! has acknowledged it, the stream ends, or the sender gives up. On the other side stream and number
//! tell what was handed over before. What is promised:
//!
//! - a message is handed to one life of a listening client at most once, in the order of its stream;
//! - it counts as delivered when that client has acknowledged it, and never before;
//! - a stream that ends says how many messages are not acknowledged: each of them was handed over or
//!   not, nobody here knows;
//! - a listener that ends and begins anew under its name is another one: what was offered to the
//!   first is not offered to it.

mod incoming;
mod outgoing;

use alloc::collections::{BTreeMap, VecDeque};

use shared::names::{ClientName, NodeName};
use shared::session::{CONTROL_BYTES_MAX, Class, Ending, MESSAGE_BYTES_MAX};

use super::{LISTENERS_MAX, OUTBOUND_MAX, SessionId, SessionNews, SessionOrder, StreamId};
use incoming::{Incoming, Listener};
use outgoing::Outgoing;

pub use incoming::{Delivery, HANDED_MAX};

/// A node that leaves in order gives its streams so long to end.
pub const LEAVE_LIMIT: core::time::Duration = core::time::Duration::from_millis(1500);
/// Messages that wait in one stream at most.
pub const WAITING_MAX: usize = 64;
/// Bytes that wait in all streams at most.
pub const WAITING_BYTES_MAX: usize = 16 * MESSAGE_BYTES_MAX;
/// Streams that a listener remembers although their session is over.
pub const REMEMBERED_MAX: usize = 128;

/// What clients are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A session of the stream began: the receiver is there.
    Opened {
        /// The stream.
        stream: StreamId,
    },
    /// A session of the stream is over, and another is tried.
    Interrupted {
        /// The stream.
        stream: StreamId,
        /// So many messages are not acknowledged.
        unacknowledged: usize,
    },
    /// The receiving client acknowledged this message.
    Delivered {
        /// The stream.
        stream: StreamId,
        /// The message.
        message: u64,
    },
    /// The stream is over.
    Closed {
        /// The stream.
        stream: StreamId,
        /// Why.
        ending: Ending,
        /// So many messages are not acknowledged.
        unacknowledged: usize,
    },
    /// A session with a listener begins.
    Arrived {
        /// The listener.
        to: ClientName,
        /// The sender.
        sender: Sender,
    },
    /// A message for a listener.
    Message {
        /// The listener.
        to: ClientName,
        /// The sender.
        sender: Sender,
        /// What to acknowledge.
        delivery: Delivery,
        /// The message's number in its stream.
        message: u64,
        /// The message.
        bytes: alloc::vec::Vec<u8>,
    },
    /// A session with a listener is over.
    Ended {
        /// The listener.
        to: ClientName,
        /// The sender.
        sender: Sender,
        /// Why.
        ending: Ending,
    },
}

/// Who sends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sender {
    /// The node.
    pub node: NodeName,
    /// The client there.
    pub client: ClientName,
    /// The stream, as the node names it.
    pub stream: StreamId,
}

/// Why a client cannot have what it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another client sends or listens under that name.
    NameTaken,
    /// Too many clients do the same.
    TooMany,
    /// The message is longer than its class allows; so many bytes.
    TooLong(usize),
    /// Too much waits already. Wait for what was sent before.
    Full,
    /// There is no such stream (any more).
    NoStream,
    /// This node is leaving the cluster.
    Leaving,
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NameTaken => f.write_str("another client of this node uses that name"),
            Self::TooMany => f.write_str("too many clients of this node have sessions"),
            Self::TooLong(max) => write!(f, "the message is longer than {max} bytes"),
            Self::Full => f.write_str("too many messages wait to be acknowledged"),
            Self::NoStream => f.write_str("there is no such stream"),
            Self::Leaving => f.write_str("this node is leaving the cluster"),
        }
    }
}

/// The office of a node.
#[derive(Debug)]
pub struct Office {
    last_stream: u64,
    last_listener: u64,
    core_runs: bool,
    leaving: bool,
    waiting_bytes: usize,
    outgoing: BTreeMap<StreamId, Outgoing>,
    listeners: BTreeMap<ClientName, Listener>,
    incoming: BTreeMap<SessionId, Incoming>,
    orders: VecDeque<SessionOrder>,
    notices: VecDeque<Notice>,
}

impl Office {
    /// An office without clients. Streams and listeners get names that no other seed gives.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Room for 2^24 names; the rest of the bits tells this life of the supervisor from others.
        let begin = seed << 24;
        Self {
            last_stream: begin,
            last_listener: begin,
            core_runs: false,
            leaving: false,
            waiting_bytes: 0,
            outgoing: BTreeMap::new(),
            listeners: BTreeMap::new(),
            incoming: BTreeMap::new(),
            orders: VecDeque::new(),
            notices: VecDeque::new(),
        }
    }

    /// The next order for the core. There is none while no core runs.
    pub fn poll_order(&mut self) -> Option<SessionOrder> {
        self.orders.pop_front()
    }

    /// The next notice for a client.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// A core runs, and knows nothing.
    pub fn core_began(&mut self) {
        if self.core_runs {
            self.core_died();
        }
        self.core_runs = true;
        for (name, listener) in &self.listeners {
            self.orders.push_back(SessionOrder::Listen {
                name: name.clone(),
                listener: listener.id,
            });
        }
        for (stream, outgoing) in &mut self.outgoing {
            self.orders.push_back(outgoing.open(*stream));
        }
    }

    /// The core is gone, and every session with it.
    pub fn core_died(&mut self) {
        self.core_runs = false;
        self.orders.clear();
        let streams: alloc::vec::Vec<StreamId> = self.outgoing.keys().copied().collect();
        for stream in streams {
            self.interrupt(stream);
        }
        for incoming in core::mem::take(&mut self.incoming).into_values() {
            self.forget(incoming, Ending::Restarted);
        }
    }

    /// Begins a stream.
    ///
    /// # Errors
    /// Too many, or another stream of that name goes there.
    pub fn open(
        &mut self,
        from: ClientName,
        node: NodeName,
        to: ClientName,
    ) -> Result<StreamId, Refusal> {
        if self.leaving {
            return Err(Refusal::Leaving);
        }
        if self.outgoing.len() >= OUTBOUND_MAX {
            return Err(Refusal::TooMany);
        }
        let same = |other: &Outgoing| {
            let over = other.closing && other.waiting() == 0;
            !over && other.from == from && other.node == node && other.to == to
        };
        if self.outgoing.values().any(same) {
            return Err(Refusal::NameTaken);
        }
        self.last_stream += 1;
        let stream = StreamId(self.last_stream);
        let mut outgoing = Outgoing::new(from, node, to);
        if self.core_runs {
            self.orders.push_back(outgoing.open(stream));
        }
        self.outgoing.insert(stream, outgoing);
        Ok(stream)
    }

    /// Takes a message to be sent. Its number; [`Notice::Delivered`] or [`Notice::Closed`] follows.
    ///
    /// # Errors
    /// Too long, or too much waits: back-pressure.
    pub fn send(
        &mut self,
        stream: StreamId,
        class: Class,
        bytes: alloc::vec::Vec<u8>,
    ) -> Result<u64, Refusal> {
        let max = match class {
            Class::Control => CONTROL_BYTES_MAX,
            Class::Bulk => MESSAGE_BYTES_MAX,
        };
        if bytes.len() > max {
            return Err(Refusal::TooLong(max));
        }
        let outgoing = self.outgoing.get_mut(&stream).ok_or(Refusal::NoStream)?;
        if outgoing.closing {
            return Err(Refusal::Leaving);
        }
        let full = self.waiting_bytes + bytes.len() > WAITING_BYTES_MAX;
        if full || outgoing.waiting() >= WAITING_MAX {
            return Err(Refusal::Full);
        }
        self.waiting_bytes += bytes.len();
        let number = outgoing.take(class, bytes);
        outgoing.offer(stream, &mut self.orders);
        Ok(number)
    }

    /// Ends a stream once everything older is acknowledged.
    pub fn close(&mut self, stream: StreamId) {
        let Some(outgoing) = self.outgoing.get_mut(&stream) else {
            return;
        };
        outgoing.closing = true;
        if outgoing.waiting() > 0 {
            return;
        }
        if !self.core_runs {
            return self.finish(stream, Ending::Closed);
        }
        self.orders.push_back(SessionOrder::Close { stream });
    }

    /// Ends a stream at once. Nothing is told about it any more.
    pub fn give_up(&mut self, stream: StreamId) {
        if let Some(outgoing) = self.outgoing.remove(&stream) {
            self.waiting_bytes -= outgoing.bytes();
            if self.core_runs {
                self.orders.push_back(SessionOrder::GiveUp { stream });
            }
        }
    }

    /// This node is about to leave: no new streams, and those there are end after what they hold.
    /// [`is_idle`](Self::is_idle) tells when they have.
    pub fn leave(&mut self) {
        self.leaving = true;
        let streams: alloc::vec::Vec<StreamId> = self.outgoing.keys().copied().collect();
        for stream in streams {
            self.close(stream);
        }
    }

    /// Whether no stream leaves this node.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// A client listens.
    ///
    /// # Errors
    /// The name is taken, or too many listen.
    pub fn listen(&mut self, name: ClientName) -> Result<(), Refusal> {
        if self.listeners.contains_key(&name) {
            return Err(Refusal::NameTaken);
        }
        if self.listeners.len() >= LISTENERS_MAX {
            return Err(Refusal::TooMany);
        }
        self.last_listener += 1;
        let listener = self.last_listener;
        self.listeners.insert(name.clone(), Listener::new(listener));
        if self.core_runs {
            self.orders
                .push_back(SessionOrder::Listen { name, listener });
        }
        Ok(())
    }

    /// A client does not listen any more.
    pub fn unlisten(&mut self, name: &ClientName) {
        if self.listeners.remove(name).is_none() {
            return;
        }
        self.incoming.retain(|_, incoming| incoming.to != *name);
        if self.core_runs {
            let name = name.clone();
            self.orders.push_back(SessionOrder::Unlisten { name });
        }
    }

    /// A listener has a message, and those before it from the same sender.
    pub fn acknowledge(&mut self, name: &ClientName, delivery: Delivery) -> bool {
        let Some(listener) = self.listeners.get_mut(name) else {
            return false;
        };
        let Some(acknowledged) = listener.acknowledge(delivery) else {
            return false;
        };
        if let Some(session) = acknowledged.session {
            self.orders.push_back(SessionOrder::Acknowledge {
                session,
                message: acknowledged.message,
            });
        }
        self.hand_over(name);
        true
    }

    /// Takes note of what the core says.
    pub fn handle_news(&mut self, news: SessionNews) {
        match news {
            SessionNews::Opened { stream, listener } => self.opened(stream, listener),
            SessionNews::Room { stream, fragments } => {
                if let Some(outgoing) = self.outgoing.get_mut(&stream) {
                    outgoing.room += u64::from(fragments);
                    outgoing.offer(stream, &mut self.orders);
                }
            }
            SessionNews::Acknowledged { stream, message } => self.acknowledged(stream, message),
            SessionNews::Closed { stream, ending } => self.closed(stream, ending),
            SessionNews::Arrived {
                session,
                stream,
                node,
                from,
                to,
                listener,
            } => {
                let client = from;
                let sender = Sender {
                    node,
                    client,
                    stream,
                };
                self.arrived(session, sender, to, listener);
            }
            SessionNews::Fragment { session, fragment } => self.fragment(session, fragment),
            SessionNews::Ended { session, ending } => self.ended(session, ending),
        }
    }
}

#[cfg(test)]
mod tests;
