//! What travels between nodes: messages, their two forms, and the digests that vouch for them.
//!
//! The protocol is that of Heartbeat 3.0.6, described in hbd-protocol(7). A [`Message`] is an ordered
//! list of named fields and remembers nothing else: not the form it came in, not its digest. A
//! packet is a message in one of the [`Form`]s:
//!
//! ```text
//! netstring   ###\n 11:(0)t=status, 12:(0)src=alice, ... %%%\n 42:1 ffef83...,
//!             |<------------- the trailer's digest covers this ------------>|<- trailer ->|
//! string      >>>\n t=status\n src=alice\n ... auth=1 025e92...\n <<<\n
//!                   |<-- what the field `auth` covers -->|
//! ```
//!
//! Rules:
//! - Bytes from a network are judged in this order: limits, digest, fields. Every limit is a
//!   constant of [`limits`]. No claimed length is believed before that many bytes are there.
//! - What does not decode is [`Refused`], which says why and where. That is a normal result.
//! - Only the canonical spelling of a packet decodes (no leading zeros in lengths, no stray bytes),
//!   so encoding what was decoded gives the same bytes.
//! - In the netstring form the trailer alone decides, as in Heartbeat 3.0.6; the inner `auth` field
//!   is for peers that look at it. In the string form the field `auth` decides.
//!
//! Not here: decompression (a compressed message is [`Refused::Compressed`]), sequence and
//! generation rules, and what any message makes a node do.

pub mod config_digest;
pub mod declared;
pub mod digest;
pub mod ether;
pub mod fields;
pub mod heard;
pub mod icmp;
pub mod keyring;
pub mod level;
pub mod limits;
pub mod membership;
pub mod message;
mod netstring;
mod number;
pub mod packet;
pub mod refused;
pub mod retransmission;
pub mod serial;
pub mod session;
pub mod stamp;
pub mod status;
mod string_form;
pub mod types;

pub use digest::{Key, Method};
pub use fields::FieldKind;
pub use keyring::{Fingerprint, KeyRing, KeyRingError, Secret};
pub use message::{Message, Value};
pub use packet::{
    Decoded, Form, Unverified, decode_packet, decode_unverified, encode_packet, resign,
};
pub use refused::{Flaw, FlawKind, Refused, Unsendable};
pub use stamp::Stamp;
