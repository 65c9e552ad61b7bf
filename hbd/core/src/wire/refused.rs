//! Why bytes are not a message for us, and why a message cannot be sent.

use alloc::string::String;
use core::fmt;

use shared::names::KeyIndex;

use super::limits::{FIELDS_MAX, NESTING_MAX, PACKET_BYTES_MAX};

/// Why a packet is not accepted. A normal result: it moves a counter and perhaps an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Longer than [`PACKET_BYTES_MAX`].
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Begins with neither `###` nor `>>>` and a line end.
    NoForm,
    /// Netstring form that ends after `%%%` without a digest.
    NoTrailer,
    /// String form without a field `auth`.
    NoAuth,
    /// The digest is not an index, a blank and hexadecimal digits.
    BadAuth,
    /// Signed with a key that is not in our ring.
    UnknownKey(KeyIndex),
    /// Signed with `crc`, which anyone can make, while another key is the active one.
    InactiveCrc(KeyIndex),
    /// The digest is not the one our key gives. [`super::decode_unverified`] tells who it claims
    /// to be from.
    WrongDigest(KeyIndex),
    /// The whole message is compressed: the peer has `traditional_compression on`.
    Compressed {
        /// `bz2` or `zlib`; what the peer wrote, cut to 31 bytes.
        algorithm: String,
    },
    /// The fields do not parse.
    Malformed(Flaw),
}

/// What does not parse, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Offset in bytes from the start of the packet, or of the nested message it is in.
    pub at: usize,
    /// What is wrong there.
    pub kind: FlawKind,
}

impl Flaw {
    pub(super) fn new(at: usize, kind: FlawKind) -> Self {
        Self { at, kind }
    }
}

/// What is wrong with a field or a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlawKind {
    /// A field is longer than what is left of the packet.
    Truncated,
    /// A length is not a canonical decimal number followed by a colon.
    BadLength,
    /// A field does not end in a comma.
    NoComma,
    /// A field has no type in parentheses, or one that is not 0 to 4.
    BadType,
    /// A field has no `=`.
    NoEquals,
    /// A field's name is empty, too long or holds something other than graphic ASCII.
    BadName,
    /// A text holds a NUL or one of the bytes 15 to 31, which the string form uses for line ends.
    BadText,
    /// A list is not a row of `LENGTH:TEXT,`.
    BadList,
    /// A binary value in the string form is not base64.
    BadBase64,
    /// More than [`FIELDS_MAX`] fields.
    TooManyFields,
    /// Structs nested deeper than [`NESTING_MAX`].
    TooDeep,
    /// No field at all.
    NoField,
    /// The closing `%%%` or `<<<` line is missing.
    NoEnd,
    /// Bytes follow the end of the message.
    TrailingBytes,
}

/// Why a message cannot be put on the wire. Says that the caller built a message that the
/// protocol cannot carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsendable {
    /// The packet would be longer than [`PACKET_BYTES_MAX`].
    TooLong {
        /// How long it would be, in bytes.
        bytes: usize,
    },
    /// A field that no receiver could decode.
    Field {
        /// Its name.
        name: String,
        /// What is wrong with it.
        kind: FlawKind,
    },
    /// The message as a whole breaks a limit.
    Message(FlawKind),
}

impl Refused {
    /// Whether the digest is wrong, or its key does not count.
    pub fn is_for_digest(&self) -> bool {
        matches!(
            self,
            Self::WrongDigest(_) | Self::UnknownKey(_) | Self::InactiveCrc(_)
        )
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => {
                write!(f, "{bytes} bytes, more than the {PACKET_BYTES_MAX} allowed")
            }
            Self::NoForm => f.write_str("neither the netstring nor the string form"),
            Self::NoTrailer => f.write_str("no digest after the message"),
            Self::NoAuth => f.write_str("no field `auth`"),
            Self::BadAuth => f.write_str("the digest is not `INDEX HEX`"),
            Self::UnknownKey(index) => {
                write!(f, "signed with key {index}, which is not known here")
            }
            Self::InactiveCrc(index) => write!(
                f,
                "signed with key {index}, a crc, which is only accepted while it is the active key"
            ),
            Self::WrongDigest(index) => write!(f, "the digest is not that of our key {index}"),
            Self::Compressed { algorithm } => write!(
                f,
                "compressed with {algorithm}; set `traditional_compression off` on the peer"
            ),
            Self::Malformed(flaw) => flaw.fmt(f),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.kind, self.at)
    }
}

impl fmt::Display for FlawKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("a field is longer than the rest of the packet"),
            Self::BadLength => f.write_str("a field's length is not a plain decimal number"),
            Self::NoComma => f.write_str("a field does not end in a comma"),
            Self::BadType => f.write_str("a field has no type from 0 to 4"),
            Self::NoEquals => f.write_str("a field has no `=`"),
            Self::BadName => f.write_str("a field's name is not allowed"),
            Self::BadText => f.write_str("a text holds a control byte that is not allowed"),
            Self::BadList => f.write_str("a list is not a row of `LENGTH:TEXT,`"),
            Self::BadBase64 => f.write_str("a binary value is not base64"),
            Self::TooManyFields => write!(f, "more than {FIELDS_MAX} fields"),
            Self::TooDeep => write!(f, "structs nested deeper than {NESTING_MAX}"),
            Self::NoField => f.write_str("a message without fields"),
            Self::NoEnd => f.write_str("the end of the message is missing"),
            Self::TrailingBytes => f.write_str("bytes follow the end of the message"),
        }
    }
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => {
                write!(
                    f,
                    "message of {bytes} bytes, more than the {PACKET_BYTES_MAX} allowed"
                )
            }
            Self::Field { name, kind } => write!(f, "field `{name}`: {kind}"),
            Self::Message(kind) => kind.fmt(f),
        }
    }
}

impl core::error::Error for Refused {}
impl core::error::Error for Unsendable {}
