//! A message: an ordered list of named, typed fields.
//!
//! All names and values lie in one buffer; a field is a pair of spans into it. Decoding a packet is
//! therefore one copy of its bytes and one list, whatever the number of fields.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use shared::names::{Generation, Sequence, Uuid};

use super::fields::{self, FieldKind};
use super::number::{Digits, parse_decimal, parse_hex};
use super::refused::{Flaw, FlawKind};
use super::{netstring, number};

/// Room for the fields and bytes of an ordinary message, so that building one allocates twice.
const FIELDS_USUAL: usize = 16;
const BYTES_USUAL: usize = 256;

/// An ordered list of fields, as hbd-protocol(7) describes it.
///
/// Names are unique in what hbd builds; in what it receives, the first field of a name counts. The
/// field `auth` is never part of it: it belongs to the packet.
#[derive(Clone, Default)]
pub struct Message {
    buffer: Vec<u8>,
    fields: Vec<Field>,
}

/// Where a field lies in the buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) kind: FieldKind,
    pub(super) name: Span,
    pub(super) value: Span,
}

/// A range of the buffer. 32 bits are enough: a packet is smaller than 256 KiB.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(super) fn new(range: Range<usize>) -> Self {
        Self {
            start: u32::try_from(range.start).expect("a message is far smaller than 4 GiB"),
            end: u32::try_from(range.end).expect("a message is far smaller than 4 GiB"),
        }
    }

    pub(super) fn of(self, buffer: &[u8]) -> &[u8] {
        &buffer[self.start as usize..self.end as usize]
    }
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text, usually ASCII.
    Text(&'a [u8]),
    /// Any bytes.
    Binary(&'a [u8]),
    /// A message in netstring form; [`Message::nested`] reads it.
    Struct(&'a [u8]),
    /// `LENGTH:TEXT,` repeated; [`Value::items`] reads it.
    List(&'a [u8]),
    /// A compressed message. hbd carries it and does not look into it.
    Compressed(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(super) fn new(kind: FieldKind, bytes: &'a [u8]) -> Self {
        match kind {
            FieldKind::Text => Self::Text(bytes),
            FieldKind::Binary => Self::Binary(bytes),
            FieldKind::Struct => Self::Struct(bytes),
            FieldKind::List => Self::List(bytes),
            FieldKind::Compressed => Self::Compressed(bytes),
        }
    }

    /// What kind of value it is.
    pub fn kind(&self) -> FieldKind {
        match self {
            Self::Text(_) => FieldKind::Text,
            Self::Binary(_) => FieldKind::Binary,
            Self::Struct(_) => FieldKind::Struct,
            Self::List(_) => FieldKind::List,
            Self::Compressed(_) => FieldKind::Compressed,
        }
    }

    /// The bytes of the netstring form.
    pub fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Text(bytes)
            | Self::Binary(bytes)
            | Self::Struct(bytes)
            | Self::List(bytes)
            | Self::Compressed(bytes) => bytes,
        }
    }

    /// The items of a list; of any other value none.
    pub fn items(&self) -> impl Iterator<Item = &'a [u8]> {
        let list = match self {
            Self::List(bytes) => bytes,
            _ => &[][..],
        };
        netstring::Items::new(list).map_while(Result::ok)
    }
}

impl Message {
    /// A message of this type (`t`), such as [`super::types::STATUS`].
    pub fn new(message_type: &str) -> Self {
        let mut message = Self {
            buffer: Vec::with_capacity(BYTES_USUAL),
            fields: Vec::with_capacity(FIELDS_USUAL),
        };
        message.append(FieldKind::Text, fields::TYPE, message_type.as_bytes());
        message
    }

    /// The message that `bytes` in netstring form hold, of which `fields` are the parsed fields.
    pub(super) fn from_parts(bytes: &[u8], fields: Vec<Field>) -> Self {
        Self {
            buffer: bytes.to_vec(),
            fields,
        }
    }

    /// Reads the value of a [`Value::Struct`].
    pub fn nested(bytes: &[u8]) -> Result<Self, Flaw> {
        let (fields, end) = netstring::parse(bytes)?;
        if end != bytes.len() {
            return Err(Flaw::new(end, FlawKind::TrailingBytes));
        }
        Ok(Self::from_parts(bytes, fields))
    }

    /// Name and value of each field, in order. A name is ASCII.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        self.raw_fields()
            .map(|(name, value)| (core::str::from_utf8(name).unwrap_or_default(), value))
    }

    pub(super) fn raw_fields(&self) -> impl Iterator<Item = (&[u8], Value<'_>)> {
        self.fields.iter().map(|field| {
            let value = Value::new(field.kind, field.value.of(&self.buffer));
            (field.name.of(&self.buffer), value)
        })
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The value of the first field of this name.
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        self.position(name).map(|at| {
            let field = self.fields[at];
            Value::new(field.kind, field.value.of(&self.buffer))
        })
    }

    /// Whether there is a field of this name.
    pub fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.fields
            .iter()
            .position(|field| field.name.of(&self.buffer) == name.as_bytes())
    }

    /// The text of a field. None if it is absent, of another kind, or not UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(bytes) => core::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The hexadecimal number of a text field. None if it is absent or anything else.
    pub fn hex(&self, name: &str) -> Option<u64> {
        self.text(name).and_then(|text| parse_hex(text.as_bytes()))
    }

    /// The decimal number of a text field. None if it is absent or anything else.
    pub fn decimal(&self, name: &str) -> Option<u64> {
        self.text(name)
            .and_then(|text| parse_decimal(text.as_bytes()))
    }

    /// The bytes of a binary field. None if it is absent or of another kind.
    pub fn binary(&self, name: &str) -> Option<&[u8]> {
        match self.get(name)? {
            Value::Binary(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The UUID of a binary field. None if it is absent, of another kind, or not of 16 bytes.
    pub fn uuid(&self, name: &str) -> Option<Uuid> {
        self.binary(name)?.try_into().ok().map(Uuid)
    }

    /// `t`: what the message is about. Empty if it has none.
    pub fn message_type(&self) -> &str {
        self.text(fields::TYPE).unwrap_or_default()
    }

    /// `src`: who says it is the sender, as written.
    pub fn src(&self) -> Option<&str> {
        self.text(fields::SRC)
    }

    /// `srcuuid`: the sender's lasting identity.
    pub fn src_uuid(&self) -> Option<Uuid> {
        self.uuid(fields::SRC_UUID)
    }

    /// `seq`.
    pub fn sequence(&self) -> Option<Sequence> {
        self.hex(fields::SEQUENCE).map(Sequence)
    }

    /// `hg`.
    pub fn generation(&self) -> Option<Generation> {
        self.hex(fields::GENERATION).map(Generation)
    }

    /// `ts`: the sender's clock in seconds since 1970.
    pub fn wall_seconds(&self) -> Option<u64> {
        self.hex(fields::WALL)
    }

    /// Sets a text: replaces the first field of this name where it stands, else appends one. Text
    /// that the protocol cannot carry (control bytes other than a line end) shows when the message
    /// is encoded.
    pub fn set_text(&mut self, name: &str, text: &str) -> &mut Self {
        self.set(FieldKind::Text, name, text.as_bytes())
    }

    /// Sets a number in lower-case hexadecimal.
    pub fn set_hex(&mut self, name: &str, number: u64) -> &mut Self {
        self.set(FieldKind::Text, name, Digits::hex(number).as_bytes())
    }

    /// Sets a number in decimal.
    pub fn set_decimal(&mut self, name: &str, number: u64) -> &mut Self {
        self.set(FieldKind::Text, name, Digits::decimal(number).as_bytes())
    }

    /// Sets binary bytes.
    pub fn set_binary(&mut self, name: &str, bytes: &[u8]) -> &mut Self {
        self.set(FieldKind::Binary, name, bytes)
    }

    /// Sets a UUID, as 16 binary bytes.
    pub fn set_uuid(&mut self, name: &str, uuid: Uuid) -> &mut Self {
        self.set(FieldKind::Binary, name, &uuid.0)
    }

    /// Sets a nested message.
    pub fn set_struct(&mut self, name: &str, message: &Self) -> &mut Self {
        let mut bytes = Vec::new();
        netstring::write(message, None, &mut bytes);
        self.set(FieldKind::Struct, name, &bytes)
    }

    /// Sets a list of texts.
    pub fn set_list<'a>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = &'a str>,
    ) -> &mut Self {
        let mut bytes = Vec::new();
        for item in items {
            bytes.extend_from_slice(number::Digits::decimal(item.len() as u64).as_bytes());
            bytes.push(b':');
            bytes.extend_from_slice(item.as_bytes());
            bytes.push(b',');
        }
        self.set(FieldKind::List, name, &bytes)
    }

    /// Sets a compressed value, as it is.
    pub fn set_compressed(&mut self, name: &str, bytes: &[u8]) -> &mut Self {
        self.set(FieldKind::Compressed, name, bytes)
    }

    fn set(&mut self, kind: FieldKind, name: &str, value: &[u8]) -> &mut Self {
        match self.position(name) {
            Some(at) => {
                self.fields[at].kind = kind;
                self.fields[at].value = self.store(value);
            }
            None => self.append(kind, name, value),
        }
        self
    }

    /// Removes every field of this name.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        let Self { buffer, fields } = self;
        fields.retain(|field| field.name.of(buffer) != name.as_bytes());
        self
    }

    /// Adds a field without looking for one of the same name.
    pub(super) fn append(&mut self, kind: FieldKind, name: &str, value: &[u8]) {
        let field = Field {
            kind,
            name: self.store(name.as_bytes()),
            value: self.store(value),
        };
        self.fields.push(field);
    }

    /// Adds a text of any bytes, as a peer may send it.
    #[cfg(test)]
    pub(crate) fn append_text(&mut self, name: &str, value: &[u8]) {
        self.append(FieldKind::Text, name, value);
    }

    fn store(&mut self, bytes: &[u8]) -> Span {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        Span::new(start..self.buffer.len())
    }
}

impl PartialEq for Message {
    /// Same fields in the same order.
    fn eq(&self, other: &Self) -> bool {
        self.raw_fields().eq(other.raw_fields())
    }
}

impl Eq for Message {}

impl fmt::Debug for Message {
    /// `t=status st=up srcuuid=0xd9b3...`: binary values in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.fields().enumerate() {
            let blank = if at == 0 { "" } else { " " };
            write!(f, "{blank}{name}=")?;
            match value {
                Value::Text(text) => write!(f, "{:?}", String::from_utf8_lossy(text))?,
                Value::Binary(bytes) | Value::Compressed(bytes) => {
                    f.write_str("0x")?;
                    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                }
                Value::Struct(bytes) => match Self::nested(bytes) {
                    Ok(nested) => write!(f, "{{{nested:?}}}")?,
                    Err(flaw) => write!(f, "{{{flaw}}}")?,
                },
                Value::List(_) => f
                    .debug_list()
                    .entries(value.items().map(String::from_utf8_lossy))
                    .finish()?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn fields_keep_their_order_and_kind() {
        let mut message = Message::new("status");
        message
            .set_hex("dt", 8000)
            .set_decimal("protocol", 1)
            .set_uuid("srcuuid", Uuid([7; 16]))
            .set_list("names", ["alice", "bob"]);
        let names: Vec<&str> = message.fields().map(|(name, _)| name).collect();
        assert_eq!(names, ["t", "dt", "protocol", "srcuuid", "names"]);
        assert_eq!(message.message_type(), "status");
        assert_eq!(message.text("dt"), Some("1f40"));
        assert_eq!(message.hex("dt"), Some(8000));
        assert_eq!(message.decimal("protocol"), Some(1));
        assert_eq!(message.uuid("srcuuid"), Some(Uuid([7; 16])));
        let names: Vec<&[u8]> = message.get("names").unwrap().items().collect();
        assert_eq!(names, [b"alice".as_slice(), b"bob"]);
    }

    #[test]
    fn setting_a_field_again_replaces_it_in_place() {
        let mut message = Message::new("status");
        message.set_text("st", "up").set_text("info", "x");
        message.set_text("st", "active");
        assert_eq!(format!("{message:?}"), r#"t="status" st="active" info="x""#);
        assert_eq!(message.len(), 3);
        message.remove("st");
        assert!(!message.has("st"));
    }

    #[test]
    fn an_accessor_of_another_kind_gives_nothing() {
        let mut message = Message::new("x");
        message.set_text("srcuuid", "text").set_binary("seq", b"1");
        assert_eq!(message.uuid("srcuuid"), None);
        assert_eq!(message.sequence(), None);
        assert_eq!(message.hex("t"), None);
        message.set_binary("srcuuid", &[1; 15]);
        assert_eq!(message.src_uuid(), None);
    }

    #[test]
    fn two_messages_are_equal_when_their_fields_are() {
        let mut one = Message::new("x");
        one.set_text("a", "1").set_text("b", "2");
        let mut other = Message::new("x");
        other.set_text("a", "long before").set_text("b", "2");
        assert_ne!(one, other);
        other.set_text("a", "1");
        assert_eq!(one, other);
    }

    #[test]
    fn a_nested_message_comes_back() {
        let mut inner = Message::new("inner");
        inner.set_binary("raw", b"\n%%%\n,\0");
        let mut outer = Message::new("outer");
        outer.set_struct("child", &inner);
        let Some(Value::Struct(bytes)) = outer.get("child") else {
            panic!("{outer:?}");
        };
        assert_eq!(Message::nested(bytes), Ok(inner));
    }
}
