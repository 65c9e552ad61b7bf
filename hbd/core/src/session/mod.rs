//! Sessions: messages from a client on one node to a client on another.
//!
//! ```text
//! client --message--> office                              office --message--> client
//!                       | orders                    news ^   |                   |
//!                       v                                |   v                   |
//!                     core ====== fragments ========> core  (taken)              |
//!        delivered <-- news <===== acks ============= order: acknowledge <-------+
//! ```
//!
//! - A **stream** goes from one client to another in one direction. Its messages are numbered from 1
//!   and arrive in that order, each at most once.
//! - A **session** is the stretch of a stream between two cores. It begins with `open` and `opened`
//!   and ends with either core, either client, or the peer's death. What follows a core's restart is
//!   another session of the same stream.
//! - The **core** carries fragments: numbered in their session, kept until the other core has them,
//!   sent again where they are lost, in order and once on the far side. It keeps no whole message,
//!   and nothing of a former life.
//! - The [`office`] is the supervisor's part: it keeps each message until the receiving *client*
//!   has acknowledged it, offers it again in the next session of its stream, puts fragments together
//!   and knows by stream and number what it handed over before.
//!
//! Urgency: a beat is sent when it is due, whatever waits. Of what waits, control goes before bulk,
//! and not more than [`BURST`] fragments in [`PACE`]; bulk over one good link, control over all.
//! Media under [`SLOW_BITS`](crate::SLOW_BITS) carry fragments only where nothing else reaches the
//! peer, and then half of what they can.
//!
//! All memory is bounded by the constants below: no length that a packet claims is believed.

mod carry;
mod exchange;
mod inbound;
pub mod office;
mod outbound;
mod transmit;

use core::time::Duration;

use serde::{Deserialize, Serialize};
use shared::names::{ClientName, NodeName};
use shared::session::{Class, Ending, Payload};

pub(crate) use carry::Sessions;

/// Longest fragment in bytes: with its fields and digest it fits an Ethernet frame.
pub const FRAGMENT_BYTES_MAX: usize = 1200;
/// Fragments that one session holds at either end. 64, the width of the bitmap in an ack, and one.
pub const WINDOW: u64 = 65;
/// Streams that leave a node at once, all clients together.
pub const OUTBOUND_MAX: usize = 32;
/// Sessions that arrive at a node at once; further ones are refused as busy.
pub const INBOUND_MAX: usize = 32;
/// Sessions that arrive from one peer at once.
pub const INBOUND_OF_PEER_MAX: usize = 8;
/// Clients of a node that listen at once.
pub const LISTENERS_MAX: usize = 32;
/// Fragments sent in [`PACE`] at most, bulk half as many: about 50 Mbit/s.
pub const BURST: u32 = 32;
/// See [`BURST`].
pub const PACE: Duration = Duration::from_millis(5);

/// Names a stream on the node that sends in it, for as long as its supervisor lives.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct StreamId(pub u64);

/// Names a session at the core that receives in it, for the life of that core.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct SessionId(pub u64);

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragment {
    /// The message's number in its stream, from 1.
    pub message: u64,
    /// The message's class.
    pub class: Class,
    /// Whether the message ends here.
    pub last: bool,
    /// At most [`FRAGMENT_BYTES_MAX`].
    pub bytes: Payload,
}

/// What the office tells the core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionOrder {
    /// A client listens from here on. At most [`LISTENERS_MAX`].
    Listen {
        /// Its name.
        name: ClientName,
        /// Which life of it: another number each time a client begins to listen.
        listener: u64,
    },
    /// It does not any more; its sessions are over.
    Unlisten {
        /// Its name.
        name: ClientName,
    },
    /// Begin a session of this stream. Ends in [`SessionNews::Opened`] or [`SessionNews::Closed`].
    Open {
        /// The stream.
        stream: StreamId,
        /// Who sends.
        from: ClientName,
        /// To which node.
        node: NodeName,
        /// To whom there.
        to: ClientName,
    },
    /// Carry this. At most [`WINDOW`] are with the core at a time; [`SessionNews::Room`] says how many
    /// left it.
    Offer {
        /// The stream.
        stream: StreamId,
        /// What.
        fragment: Fragment,
    },
    /// End the session after everything older.
    Close {
        /// The stream.
        stream: StreamId,
    },
    /// End the session at once; what is under way is dropped.
    GiveUp {
        /// The stream.
        stream: StreamId,
    },
    /// So many fragments were taken, and others may come for them.
    Taken {
        /// The session.
        session: SessionId,
        /// How many.
        fragments: u32,
    },
    /// The receiving client has this message and all before it.
    Acknowledge {
        /// The session.
        session: SessionId,
        /// The message.
        message: u64,
    },
    /// Noted that this session is over, or end it: what it sends makes no sense.
    Release {
        /// The session.
        session: SessionId,
    },
    /// All clients of this node are gone.
    Forget,
}

/// What the core tells the office. What waits for it is bounded: a session is not forgotten before it
/// was released, and nothing is offered without room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionNews {
    /// The receiver has a session for the stream.
    Opened {
        /// The stream.
        stream: StreamId,
        /// Which life of the receiving client it is.
        listener: u64,
    },
    /// So many more fragments may be offered.
    Room {
        /// The stream.
        stream: StreamId,
        /// How many.
        fragments: u32,
    },
    /// The receiving client acknowledged this message and all before it.
    Acknowledged {
        /// The stream.
        stream: StreamId,
        /// The message.
        message: u64,
    },
    /// The session that this node sends in is over, or did not begin.
    Closed {
        /// The stream.
        stream: StreamId,
        /// Why.
        ending: Ending,
    },
    /// A session begins in which this node receives.
    Arrived {
        /// The session.
        session: SessionId,
        /// The stream, as the sending node names it.
        stream: StreamId,
        /// The sending node.
        node: NodeName,
        /// The client there.
        from: ClientName,
        /// The client here.
        to: ClientName,
        /// Which life of that client it is for.
        listener: u64,
    },
    /// The next fragment of a session.
    Fragment {
        /// The session.
        session: SessionId,
        /// What.
        fragment: Fragment,
    },
    /// A session that this node receives in is over. Nothing of it follows.
    Ended {
        /// The session.
        session: SessionId,
        /// Why.
        ending: Ending,
    },
}
