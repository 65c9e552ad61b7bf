//! Packets: a message in one of its forms, with its digest.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use shared::names::{Generation, KeyIndex, Sequence, Uuid};

use super::fields;
use super::keyring::{KeyRing, split_auth};
use super::limits::{
    FIELDS_MAX, LENGTH_DIGITS_MAX, PACKET_BYTES_MAX, STATUS_BYTES_MAX, TRAILER_BYTES_MAX,
};
use super::message::Message;
use super::number::{Digits, parse_decimal};
use super::refused::{Flaw, FlawKind, Refused, Unsendable};
use super::{netstring, string_form};

/// How a message is put into bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Netstring form with a field `auth` and a trailer: what hbd sends in datagrams.
    Netstring,
    /// Netstring form with a trailer only: what Heartbeat 3.0.6 sends under `msgfmt netstring`.
    NetstringBare,
    /// String form with a field `auth`: what travels on serial lines.
    String,
    /// The string form with a NUL after its end.
    StringNul,
}

/// A packet whose digest is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// What it says.
    pub message: Message,
    /// The form it came in.
    pub form: Form,
    /// The key it was signed with.
    pub key: KeyIndex,
}

/// What a packet says whose digest was not looked at. It proves nothing about its sender; it may
/// only feed diagnostics and the state "alive but not authenticated".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified {
    message: Message,
    key: Option<KeyIndex>,
}

impl Unverified {
    /// The key index it names.
    pub fn claimed_key(&self) -> Option<KeyIndex> {
        self.key
    }

    /// The name it claims.
    pub fn claimed_src(&self) -> Option<&str> {
        self.message.src()
    }

    /// The identity it claims.
    pub fn claimed_uuid(&self) -> Option<Uuid> {
        self.message.src_uuid()
    }

    /// The generation it claims.
    pub fn claimed_generation(&self) -> Option<Generation> {
        self.message.generation()
    }

    /// The sequence number it claims.
    pub fn claimed_sequence(&self) -> Option<Sequence> {
        self.message.sequence()
    }

    /// The message type it claims.
    pub fn claimed_type(&self) -> &str {
        self.message.message_type()
    }

    /// All that it claims.
    pub fn claimed_message(&self) -> &Message {
        &self.message
    }
}

impl fmt::Display for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unverified {:?}", self.message)
    }
}

/// Verifies and reads a packet: a datagram, the payload of an echo reply, or one `>>>` to `<<<` of a
/// serial line.
pub fn decode_packet(bytes: &[u8], ring: &KeyRing) -> Result<Decoded, Refused> {
    let frame = Frame::find(bytes)?;
    let key = match frame {
        Frame::Netstring { signed, auth } => ring.verify(auth, [signed, b""])?,
        Frame::String { auth, signed, .. } => ring.verify(auth, signed)?,
    };
    let (message, form) = frame.parse()?;
    Ok(Decoded { message, form, key })
}

/// Reads a packet without looking at its digest; for packets refused with
/// [`Refused::WrongDigest`] or [`Refused::UnknownKey`].
pub fn decode_unverified(bytes: &[u8]) -> Result<Unverified, Refused> {
    let frame = Frame::find(bytes)?;
    let (Frame::Netstring { auth, .. } | Frame::String { auth, .. }) = frame;
    Ok(Unverified {
        message: frame.parse()?.0,
        key: split_auth(auth).map(|(index, _)| index),
    })
}

/// The packet with the digest that `ring` gives for the key it names, or with a wrong one: a record
/// of packets says which it was, and does not hold the keys. Nothing where the packet has no digest
/// of that key's length.
pub fn resign(bytes: &[u8], ring: &KeyRing, wrong: bool) -> Option<Vec<u8>> {
    let (auth, digest) = match Frame::find(bytes).ok()? {
        Frame::Netstring { signed, auth } => (auth, ring.digest_for(auth, [signed, b""])?),
        Frame::String { auth, signed, .. } => (auth, ring.digest_for(auth, signed)?),
    };
    let (_, hex) = split_auth(auth)?;
    if hex.len() != digest.as_bytes().len() {
        return None;
    }
    // `hex` is a part of `bytes`.
    let start = hex.as_ptr() as usize - bytes.as_ptr() as usize;
    let mut packet = bytes.to_owned();
    let place = &mut packet[start..start + hex.len()];
    place.copy_from_slice(digest.as_bytes());
    if wrong {
        place[0] = if place[0] == b'0' { b'1' } else { b'0' };
    }
    Some(packet)
}

/// Puts a message into bytes and signs it with the ring's active key.
pub fn encode_packet(message: &Message, ring: &KeyRing, form: Form) -> Result<Vec<u8>, Unsendable> {
    let room = check(message)?;
    let mut out = Vec::with_capacity(room);
    match form {
        Form::Netstring => {
            string_form::write_body(message, &mut out);
            let auth = ring.sign(&out);
            out.clear();
            netstring::write(message, Some(auth.as_bytes()), &mut out);
            write_trailer(ring, &mut out);
        }
        Form::NetstringBare => {
            netstring::write(message, None, &mut out);
            write_trailer(ring, &mut out);
        }
        Form::String | Form::StringNul => {
            out.extend_from_slice(string_form::START);
            string_form::write_body(message, &mut out);
            let auth = ring.sign(&out[string_form::START.len()..]);
            out.extend_from_slice(fields::AUTH.as_bytes());
            out.push(b'=');
            out.extend_from_slice(auth.as_bytes());
            out.push(b'\n');
            out.extend_from_slice(string_form::END);
            if form == Form::StringNul {
                out.push(0);
            }
        }
    }
    if out.len() > PACKET_BYTES_MAX {
        return Err(Unsendable::TooLong { bytes: out.len() });
    }
    Ok(out)
}

/// Where the parts of a packet lie, before anything in it is believed.
#[derive(Clone, Copy)]
enum Frame<'a> {
    Netstring {
        /// From `###` to the line end of `%%%`.
        signed: &'a [u8],
        auth: &'a [u8],
    },
    String {
        body: &'a [u8],
        /// The lines before and after that of `auth`.
        signed: [&'a [u8]; 2],
        auth: &'a [u8],
        nul: bool,
    },
}

impl<'a> Frame<'a> {
    fn find(bytes: &'a [u8]) -> Result<Self, Refused> {
        if bytes.len() > PACKET_BYTES_MAX {
            return Err(Refused::TooLong { bytes: bytes.len() });
        }
        if bytes.starts_with(netstring::START) {
            Self::find_netstring(bytes)
        } else if bytes.starts_with(string_form::START) {
            Self::find_string(bytes)
        } else {
            Err(Refused::NoForm)
        }
    }

    fn find_netstring(bytes: &'a [u8]) -> Result<Self, Refused> {
        let tail = bytes
            .len()
            .saturating_sub(TRAILER_BYTES_MAX + netstring::END.len());
        let end = bytes[tail..]
            .windows(netstring::END.len())
            .rposition(|window| window == netstring::END)
            .map(|at| tail + at + netstring::END.len());
        let Some(end) = end else {
            return Err(why_no_trailer(bytes));
        };
        match trailer(&bytes[end..]) {
            Some(auth) => Ok(Self::Netstring {
                signed: &bytes[..end],
                auth,
            }),
            None => Err(why_no_trailer(bytes)),
        }
    }

    fn find_string(bytes: &'a [u8]) -> Result<Self, Refused> {
        let text = bytes.strip_suffix(b"\0").unwrap_or(bytes);
        let body = string_form::body(text).map_err(Refused::Malformed)?;
        let (before, auth, after) = string_form::split_auth(body).ok_or(Refused::NoAuth)?;
        Ok(Self::String {
            body,
            signed: [before, after],
            auth,
            nul: text.len() < bytes.len(),
        })
    }

    fn parse(self) -> Result<(Message, Form), Refused> {
        let (mut message, mut form) = match self {
            Self::Netstring { signed, .. } => (
                Message::nested(signed).map_err(Refused::Malformed)?,
                Form::Netstring,
            ),
            Self::String { body, nul, .. } => {
                let form = if nul { Form::StringNul } else { Form::String };
                (string_form::parse(body).map_err(Refused::Malformed)?, form)
            }
        };
        if message.has(fields::AUTH) {
            message.remove(fields::AUTH);
        } else {
            form = Form::NetstringBare;
        }
        if message.is_empty() {
            return Err(Refused::Malformed(Flaw::new(0, FlawKind::NoField)));
        }
        if message.len() >= FIELDS_MAX {
            return Err(Refused::Malformed(Flaw::new(0, FlawKind::TooManyFields)));
        }
        if message.has(fields::COMPRESSED_PAYLOAD) {
            return Err(Refused::Compressed {
                algorithm: algorithm(&message),
            });
        }
        Ok((message, form))
    }
}

/// What stands in `LENGTH:AUTH,`, if that is all there is.
fn trailer(bytes: &[u8]) -> Option<&[u8]> {
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let auth = bytes[colon + 1..].strip_suffix(b",")?;
    let canonical = Digits::decimal(auth.len() as u64);
    (canonical.as_bytes() == &bytes[..colon]).then_some(auth)
}

/// Finds the reason for a netstring packet that does not end in a trailer.
fn why_no_trailer(bytes: &[u8]) -> Refused {
    let end = match netstring::check_message(bytes) {
        Ok(end) => end,
        Err(flaw) => return Refused::Malformed(flaw),
    };
    let rest = &bytes[end..];
    let colon = rest.iter().position(|byte| *byte == b':');
    let claimed = colon.and_then(|colon| Some((colon, parse_decimal(&rest[..colon])?)));
    match claimed {
        None => Refused::NoTrailer,
        Some((colon, length)) => {
            let left = (rest.len() - colon - 1) as u64;
            let kind = if length >= left {
                FlawKind::Truncated
            } else {
                FlawKind::TrailingBytes
            };
            Refused::Malformed(Flaw::new(end, kind))
        }
    }
}

fn algorithm(message: &Message) -> String {
    let name = message
        .text(fields::COMPRESSION_ALGORITHM)
        .unwrap_or("an unnamed algorithm");
    let end = name.floor_char_boundary(STATUS_BYTES_MAX);
    name[..end].to_owned()
}

fn write_trailer(ring: &KeyRing, out: &mut Vec<u8>) {
    let auth = ring.sign(out);
    out.extend_from_slice(Digits::decimal(auth.as_bytes().len() as u64).as_bytes());
    out.push(b':');
    out.extend_from_slice(auth.as_bytes());
    out.push(b',');
}

/// Whether a receiver could decode the message, and how much room its packet needs at most, but
/// for base64 and structs, which may need more.
pub(crate) fn check(message: &Message) -> Result<usize, Unsendable> {
    let mut room = netstring::START.len() + netstring::END.len() + 2 * TRAILER_BYTES_MAX;
    if message.is_empty() {
        return Err(Unsendable::Message(FlawKind::NoField));
    }
    if message.len() >= FIELDS_MAX {
        return Err(Unsendable::Message(FlawKind::TooManyFields));
    }
    for (name, value) in message.raw_fields() {
        let kind = if [fields::AUTH, fields::COMPRESSED_PAYLOAD]
            .iter()
            .any(|own| own.as_bytes() == name)
        {
            Err(FlawKind::BadName)
        } else {
            netstring::check_name(name)
                .and_then(|()| netstring::check_value(value, 0).map_err(|flaw| flaw.kind))
        };
        kind.map_err(|kind| Unsendable::Field {
            name: String::from_utf8_lossy(name).into_owned(),
            kind,
        })?;
        room += LENGTH_DIGITS_MAX + name.len() + value.as_bytes().len() + 6;
    }
    if room > 2 * PACKET_BYTES_MAX {
        return Err(Unsendable::TooLong { bytes: room });
    }
    Ok(room)
}

#[cfg(test)]
#[path = "packet/tests.rs"]
mod tests;
