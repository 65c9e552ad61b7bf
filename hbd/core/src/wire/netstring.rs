//! The netstring form.
//!
//! ```text
//! ###\n  LENGTH:(T)NAME=VALUE,  ...  %%%\n
//! ```
//!
//! LENGTH counts `(T)NAME=VALUE`. Values are raw bytes; a struct is a whole nested `###` to `%%%`. The
//! trailer after the outermost message is the packet's, not the form's.

use alloc::vec::Vec;

use super::fields::FieldKind;
use super::limits::{FIELD_NAME_BYTES_MAX, FIELDS_MAX, LENGTH_DIGITS_MAX, NESTING_MAX};
use super::message::{Field, Message, Span, Value};
use super::number::{Digits, parse_decimal};
use super::refused::{Flaw, FlawKind};

/// The first line.
pub(super) const START: &[u8] = b"###\n";
/// The last line.
pub(super) const END: &[u8] = b"%%%\n";

/// Room for the fields of an ordinary message.
const FIELDS_USUAL: usize = 16;

/// Parses a message that begins at the first byte. Returns its fields and the offset behind its
/// last line.
pub(super) fn parse(bytes: &[u8]) -> Result<(Vec<Field>, usize), Flaw> {
    let mut fields = Vec::with_capacity(FIELDS_USUAL);
    let end = walk(bytes, 0, &mut |field| fields.push(field))?;
    Ok((fields, end))
}

/// Whether a well-formed message begins at the first byte: the offset behind its last line.
pub(super) fn check_message(bytes: &[u8]) -> Result<usize, Flaw> {
    walk(bytes, 0, &mut |_| {})
}

/// Whether `bytes` are one well-formed message, nested `depth` deep.
fn check_struct(bytes: &[u8], depth: usize) -> Result<(), Flaw> {
    if depth > NESTING_MAX {
        return Err(Flaw::new(0, FlawKind::TooDeep));
    }
    let end = walk(bytes, depth, &mut |_| {})?;
    if end != bytes.len() {
        return Err(Flaw::new(end, FlawKind::TrailingBytes));
    }
    Ok(())
}

fn walk(bytes: &[u8], depth: usize, found: &mut dyn FnMut(Field)) -> Result<usize, Flaw> {
    if !bytes.starts_with(START) {
        return Err(Flaw::new(0, FlawKind::NoEnd));
    }
    let mut at = START.len();
    let mut count = 0;
    while !bytes[at..].starts_with(END) {
        if at == bytes.len() || END.starts_with(&bytes[at..]) {
            return Err(Flaw::new(at, FlawKind::NoEnd));
        }
        let (start, end) = split(bytes, at)?;
        found(parse_field(bytes, start, end, depth)?);
        at = end + 1;
        count += 1;
        if count > FIELDS_MAX {
            return Err(Flaw::new(at, FlawKind::TooManyFields));
        }
    }
    if count == 0 {
        return Err(Flaw::new(at, FlawKind::NoField));
    }
    Ok(at + END.len())
}

/// Finds the text of the netstring at `at`: its first byte and its comma.
fn split(bytes: &[u8], at: usize) -> Result<(usize, usize), Flaw> {
    let window = &bytes[at..bytes.len().min(at + LENGTH_DIGITS_MAX + 1)];
    let colon = window
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .filter(|colon| window[*colon] == b':');
    let Some(digits) = colon.map(|colon| &window[..colon]) else {
        return Err(Flaw::new(at, FlawKind::BadLength));
    };
    let length = parse_decimal(digits).filter(|_| digits.len() == 1 || digits[0] != b'0');
    let Some(length) = length.and_then(|length| usize::try_from(length).ok()) else {
        return Err(Flaw::new(at, FlawKind::BadLength));
    };
    let start = at + digits.len() + 1;
    let end = start + length;
    match bytes.get(end) {
        None => Err(Flaw::new(at, FlawKind::Truncated)),
        Some(b',') => Ok((start, end)),
        Some(_) => Err(Flaw::new(end, FlawKind::NoComma)),
    }
}

fn parse_field(bytes: &[u8], start: usize, end: usize, depth: usize) -> Result<Field, Flaw> {
    let text = &bytes[start..end];
    let [b'(', digit, b')', ..] = text else {
        return Err(Flaw::new(start, FlawKind::BadType));
    };
    let Some(kind) = FieldKind::from_digit(*digit) else {
        return Err(Flaw::new(start, FlawKind::BadType));
    };
    let name = start + 3;
    let Some(length) = text[3..].iter().position(|byte| *byte == b'=') else {
        return Err(Flaw::new(name, FlawKind::NoEquals));
    };
    let value = name + length + 1;
    check_name(&bytes[name..name + length]).map_err(|kind| Flaw::new(name, kind))?;
    check_value(Value::new(kind, &bytes[value..end]), depth)
        .map_err(|flaw| Flaw::new(value + flaw.at, flaw.kind))?;
    Ok(Field {
        kind,
        name: Span::new(name..name + length),
        value: Span::new(value..end),
    })
}

/// Whether a field may be called this.
pub(super) fn check_name(name: &[u8]) -> Result<(), FlawKind> {
    let graphic = |byte: &u8| byte.is_ascii_graphic() && *byte != b'=';
    let fits = (1..=FIELD_NAME_BYTES_MAX).contains(&name.len());
    if fits && name[0] != b'(' && name.iter().all(graphic) {
        Ok(())
    } else {
        Err(FlawKind::BadName)
    }
}

/// Whether both forms can carry the value of a field of a message that is nested `depth` deep.
pub(super) fn check_value(value: Value<'_>, depth: usize) -> Result<(), Flaw> {
    match value {
        Value::Text(text) if is_text(text) => Ok(()),
        Value::Text(_) => Err(Flaw::new(0, FlawKind::BadText)),
        Value::Binary(_) | Value::Compressed(_) => Ok(()),
        Value::Struct(bytes) => check_struct(bytes, depth + 1),
        Value::List(bytes) => Items::new(bytes).try_for_each(|item| {
            let item = item?;
            if is_text(item) && !item.contains(&b'\n') {
                Ok(())
            } else {
                Err(Flaw::new(0, FlawKind::BadList))
            }
        }),
    }
}

/// No NUL, and none of the bytes that stand for line ends in the string form.
fn is_text(bytes: &[u8]) -> bool {
    let bad = |byte: u8| byte == 0 || (15..=31).contains(&byte);
    !bytes.iter().fold(false, |found, byte| found | bad(*byte))
}

/// The items of a list.
pub(super) struct Items<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Items<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<&'a [u8], Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        match split(self.bytes, self.at) {
            Ok((start, end)) => {
                self.at = end + 1;
                Some(Ok(&self.bytes[start..end]))
            }
            Err(_) => {
                let at = core::mem::replace(&mut self.at, self.bytes.len());
                Some(Err(Flaw::new(at, FlawKind::BadList)))
            }
        }
    }
}

/// Appends a message; `auth`, if given, becomes its last field.
pub(super) fn write(message: &Message, auth: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(START);
    for (name, value) in message.raw_fields() {
        write_field(name, value, out);
    }
    if let Some(auth) = auth {
        write_field(super::fields::AUTH.as_bytes(), Value::Text(auth), out);
    }
    out.extend_from_slice(END);
}

fn write_field(name: &[u8], value: Value<'_>, out: &mut Vec<u8>) {
    let bytes = value.as_bytes();
    let length = 3 + name.len() + 1 + bytes.len();
    out.extend_from_slice(Digits::decimal(length as u64).as_bytes());
    out.extend_from_slice(&[b':', b'(', value.kind().digit(), b')']);
    out.extend_from_slice(name);
    out.push(b'=');
    out.extend_from_slice(bytes);
    out.push(b',');
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn flaw(text: &str) -> (usize, FlawKind) {
        let flaw = parse(text.as_bytes()).map(|_| ()).unwrap_err();
        (flaw.at, flaw.kind)
    }

    #[test]
    fn a_message_is_written_and_parsed() {
        let mut message = Message::new("x");
        message
            .set_text("info", "a,b=c")
            .set_binary("raw", b"%%%\n");
        let mut bytes = Vec::new();
        write(&message, None, &mut bytes);
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            "###\n6:(0)t=x,13:(0)info=a,b=c,11:(1)raw=%%%\n,%%%\n"
        );
        let (fields, end) = parse(&bytes).unwrap();
        assert_eq!(end, bytes.len());
        assert_eq!(Message::from_parts(&bytes, fields), message);
    }

    #[test]
    fn each_flaw_has_its_name_and_place() {
        use FlawKind::*;
        assert_eq!(flaw("###\n"), (4, NoEnd));
        assert_eq!(flaw("###\n%%"), (4, NoEnd));
        assert_eq!(flaw("###\n%%%\n"), (4, NoField));
        assert_eq!(flaw("###\n3:abc"), (4, Truncated));
        assert_eq!(flaw("###\n99999:(0)t=x,%%%\n"), (4, Truncated));
        assert_eq!(flaw("###\n9999999:(0)t=x,%%%\n"), (4, BadLength));
        assert_eq!(flaw("###\n06:(0)t=x,%%%\n"), (4, BadLength));
        assert_eq!(flaw("###\n-6:(0)t=x,%%%\n"), (4, BadLength));
        assert_eq!(flaw("###\n:(0)t=x,%%%\n"), (4, BadLength));
        assert_eq!(flaw("###\n5:(0)t=x,%%%\n"), (11, NoComma));
        assert_eq!(flaw("###\n3:t=x,%%%\n"), (6, BadType));
        assert_eq!(flaw("###\n6:(5)t=x,%%%\n"), (6, BadType));
        assert_eq!(flaw("###\n0:,%%%\n"), (6, BadType));
        assert_eq!(flaw("###\n4:(0)t,%%%\n"), (9, NoEquals));
        assert_eq!(flaw("###\n5:(0)=x,%%%\n"), (9, BadName));
        assert_eq!(flaw("###\n7:(0)t =x,%%%\n"), (9, BadName));
        assert_eq!(flaw("###\n6:(0)t=\0,%%%\n"), (11, BadText));
        assert_eq!(flaw("###\n9:(3)t=2:a,,%%%\n"), (11, BadList));
        assert_eq!(flaw("###\n6:(2)t=x,%%%\n"), (11, NoEnd));
        assert_eq!(
            flaw("###\n23:(2)c=###\n6:(0)t=x,%%%\nz,%%%\n"),
            (29, TrailingBytes)
        );
    }

    #[test]
    fn structs_nest_sixteen_deep_and_no_deeper() {
        let mut message = Message::new("core");
        for depth in 0..=NESTING_MAX {
            let mut bytes = Vec::new();
            write(&message, None, &mut bytes);
            assert!(parse(&bytes).is_ok(), "{depth}");
            let mut outer = Message::new("shell");
            outer.set_struct("child", &message);
            message = outer;
        }
        let mut bytes = Vec::new();
        write(&message, None, &mut bytes);
        assert_eq!(
            parse(&bytes).map(|_| ()).unwrap_err().kind,
            FlawKind::TooDeep
        );
    }

    #[test]
    fn more_fields_than_allowed_are_refused() {
        let mut message = Message::new("x");
        for n in 0..FIELDS_MAX {
            message.set_decimal(&alloc::format!("f{n}"), 1);
        }
        let mut bytes = Vec::new();
        write(&message, None, &mut bytes);
        assert_eq!(
            parse(&bytes).map(|_| ()).unwrap_err().kind,
            FlawKind::TooManyFields
        );
    }
}
