//! The string form, which Heartbeat calls classic.
//!
//! ```text
//! >>>\n  NAME=VALUE\n  (T)NAME=VALUE\n  ...  <<<\n
//! ```
//!
//! `(T)` stands before every field that is not text. Values are one line: a line end inside a text
//! is byte 19, binary values are base64 (RFC 4648, with padding), and a struct is its own string form
//! whose line ends are replaced by one control byte per depth ([`STRUCT_LINE_ENDS`]).

use alloc::vec;
use alloc::vec::Vec;

use base64ct::{Base64, Encoding};

use super::fields::{self, FieldKind};
use super::limits::{FIELDS_MAX, NESTING_MAX};
use super::message::{Message, Value};
use super::netstring::{check_name, check_value};
use super::refused::{Flaw, FlawKind};

/// The first line.
pub(super) const START: &[u8] = b">>>\n";
/// The last line.
pub(super) const END: &[u8] = b"<<<\n";

/// Stands for a line end in a text.
const TEXT_LINE_END: u8 = 19;

/// Stands for a line end in a struct, by the depth of the message that holds the struct.
const STRUCT_LINE_ENDS: [u8; NESTING_MAX] = [
    20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 15, 16, 17, 18,
];

/// The lines between the first and the last one of `bytes`.
pub(super) fn body(bytes: &[u8]) -> Result<&[u8], Flaw> {
    let no_end = Flaw::new(bytes.len(), FlawKind::NoEnd);
    let inner = bytes.strip_prefix(START).ok_or(no_end)?;
    let body = inner.strip_suffix(END).ok_or(no_end)?;
    if body.is_empty() {
        return Err(Flaw::new(START.len(), FlawKind::NoField));
    }
    if body.ends_with(b"\n") {
        Ok(body)
    } else {
        Err(no_end)
    }
}

/// Finds the line `auth=...`: the lines before it, its value, the lines after it.
pub(super) fn split_auth(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut at = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let value = line
            .strip_prefix(fields::AUTH.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="));
        if let Some(value) = value {
            let value = value.strip_suffix(b"\n").unwrap_or(value);
            return Some((&body[..at], value, &body[at + line.len()..]));
        }
        at += line.len();
    }
    None
}

/// Parses the lines of a message.
pub(super) fn parse(body: &[u8]) -> Result<Message, Flaw> {
    parse_nested(body, 0)
}

fn parse_nested(body: &[u8], depth: usize) -> Result<Message, Flaw> {
    let mut message = Message::default();
    let mut at = START.len();
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        if message.len() == FIELDS_MAX {
            return Err(Flaw::new(at, FlawKind::TooManyFields));
        }
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        parse_line(text, depth, &mut message).map_err(|kind| Flaw::new(at, kind))?;
        at += line.len();
    }
    Ok(message)
}

fn parse_line(line: &[u8], depth: usize, message: &mut Message) -> Result<(), FlawKind> {
    let (kind, line) = match line {
        [b'(', digit, b')', rest @ ..] => {
            let kind = FieldKind::from_digit(*digit).filter(|kind| *kind != FieldKind::Text);
            (kind.ok_or(FlawKind::BadType)?, rest)
        }
        _ => (FieldKind::Text, line),
    };
    let equals = line.iter().position(|byte| *byte == b'=');
    let equals = equals.ok_or(FlawKind::NoEquals)?;
    let (name, value) = (&line[..equals], &line[equals + 1..]);
    check_name(name)?;
    let name = core::str::from_utf8(name).map_err(|_| FlawKind::BadName)?;
    match kind {
        FieldKind::Text => {
            let mut text = value.to_vec();
            replace(&mut text, TEXT_LINE_END, b'\n');
            check_value(Value::Text(&text), depth).map_err(|flaw| flaw.kind)?;
            message.append(kind, name, &text);
        }
        FieldKind::Binary | FieldKind::Compressed => {
            message.append(kind, name, &decode_base64(value)?);
        }
        FieldKind::List => {
            check_value(Value::List(value), depth).map_err(|flaw| flaw.kind)?;
            message.append(kind, name, value);
        }
        FieldKind::Struct => {
            let nested = parse_struct(value, depth)?;
            let mut bytes = Vec::new();
            super::netstring::write(&nested, None, &mut bytes);
            message.append(kind, name, &bytes);
        }
    }
    Ok(())
}

fn parse_struct(value: &[u8], depth: usize) -> Result<Message, FlawKind> {
    let line_end = *STRUCT_LINE_ENDS.get(depth).ok_or(FlawKind::TooDeep)?;
    let mut text = value.to_vec();
    replace(&mut text, line_end, b'\n');
    body(&text)
        .and_then(|body| parse_nested(body, depth + 1))
        .map_err(|flaw| flaw.kind)
}

fn decode_base64(text: &[u8]) -> Result<Vec<u8>, FlawKind> {
    let mut bytes = vec![0; text.len() / 4 * 3];
    let length = Base64::decode(text, &mut bytes)
        .map_err(|_| FlawKind::BadBase64)?
        .len();
    bytes.truncate(length);
    Ok(bytes)
}

/// Appends the lines of a message, without the first and the last one.
pub(super) fn write_body(message: &Message, out: &mut Vec<u8>) {
    write_nested(message, 0, out);
}

fn write_nested(message: &Message, depth: usize, out: &mut Vec<u8>) {
    for (name, value) in message.raw_fields() {
        if value.kind() != FieldKind::Text {
            out.extend_from_slice(&[b'(', value.kind().digit(), b')']);
        }
        out.extend_from_slice(name);
        out.push(b'=');
        let start = out.len();
        match value {
            Value::Text(text) => {
                out.extend_from_slice(text);
                replace(&mut out[start..], b'\n', TEXT_LINE_END);
            }
            Value::List(list) => out.extend_from_slice(list),
            Value::Binary(bytes) | Value::Compressed(bytes) => write_base64(bytes, out),
            Value::Struct(bytes) => write_struct(bytes, depth, out),
        }
        out.push(b'\n');
    }
}

/// Appends a struct. The depth and the nested fields were checked before anything was written.
fn write_struct(bytes: &[u8], depth: usize, out: &mut Vec<u8>) {
    let nested = Message::nested(bytes).expect("checked before encoding");
    let start = out.len();
    out.extend_from_slice(START);
    write_nested(&nested, depth + 1, out);
    out.extend_from_slice(END);
    replace(&mut out[start..], b'\n', STRUCT_LINE_ENDS[depth]);
}

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + Base64::encoded_len(bytes), 0);
    Base64::encode(bytes, &mut out[start..]).expect("the room is what it asked for");
}

fn replace(bytes: &mut [u8], from: u8, to: u8) {
    for byte in bytes.iter_mut().filter(|byte| **byte == from) {
        *byte = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};

    fn written(message: &Message) -> String {
        let mut out = Vec::new();
        write_body(message, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn line_ends_binary_values_and_lists_become_one_line_each() {
        let mut message = Message::new("x");
        message
            .set_text("info", "a\nb")
            .set_binary("raw", b"\0\xff")
            .set_list("names", ["alice", "b,b"]);
        let text = written(&message);
        assert_eq!(
            text,
            "t=x\ninfo=a\u{13}b\n(1)raw=AP8=\n(3)names=5:alice,3:b,b,\n"
        );
        assert_eq!(parse(text.as_bytes()), Ok(message));
    }

    #[test]
    fn a_struct_takes_another_line_end_per_depth() {
        let mut inner = Message::new("inner");
        inner.set_text("two", "lines\nhere");
        let mut middle = Message::new("middle");
        middle.set_struct("c", &inner);
        let mut outer = Message::new("outer");
        outer.set_struct("c", &middle);
        let text = written(&outer);
        assert_eq!(
            text,
            "t=outer\n(2)c=>>>\u{14}t=middle\u{14}(2)c=>>>\u{15}t=inner\u{15}two=lines\u{13}here\u{15}<<<\u{15}\u{14}<<<\u{14}\n"
        );
        assert_eq!(parse(text.as_bytes()), Ok(outer));
    }

    #[test]
    fn structs_nest_sixteen_deep_and_no_deeper() {
        let mut message = Message::new("core");
        for _ in 0..NESTING_MAX {
            let mut outer = Message::new("shell");
            outer.set_struct("child", &message);
            message = outer;
        }
        let text = written(&message);
        assert_eq!(parse(text.as_bytes()), Ok(message));

        let mut text = String::from("t=core\n(2)child=x\n");
        for line_end in STRUCT_LINE_ENDS.iter().rev() {
            let child = alloc::format!(">>>\n{text}<<<\n");
            let child = child.replace('\n', &char::from(*line_end).to_string());
            text = alloc::format!("t=shell\n(2)child={child}\n");
        }
        let flaw = parse(text.as_bytes()).unwrap_err();
        assert_eq!(flaw.kind, FlawKind::TooDeep);
    }

    #[test]
    fn each_flaw_has_its_name_and_place() {
        use FlawKind::*;
        let flaw = |text: &str| {
            let flaw = body(text.as_bytes()).and_then(parse).unwrap_err();
            (flaw.at, flaw.kind)
        };
        assert_eq!(flaw(">>>\nt=x\n"), (8, NoEnd));
        assert_eq!(flaw(">>>\nt=x<<<\n"), (11, NoEnd));
        assert_eq!(flaw(">>>\n<<<\n"), (4, NoField));
        assert_eq!(flaw(">>>\nt=x\nabc\n<<<\n"), (8, NoEquals));
        assert_eq!(flaw(">>>\n=x\n<<<\n"), (4, BadName));
        assert_eq!(flaw(">>>\n(0)t=x\n<<<\n"), (4, BadType));
        assert_eq!(flaw(">>>\n(7)t=x\n<<<\n"), (4, BadType));
        assert_eq!(flaw(">>>\n(1)t=x\n<<<\n"), (4, BadBase64));
        assert_eq!(flaw(">>>\n(1)t=AP9=\n<<<\n"), (4, BadBase64));
        assert_eq!(flaw(">>>\n(3)t=2:a,\n<<<\n"), (4, BadList));
        assert_eq!(flaw(">>>\n(2)t=abc\n<<<\n"), (4, NoEnd));
        assert_eq!(flaw(">>>\nt=\u{1}\u{1f}\n<<<\n"), (4, BadText));
    }

    #[test]
    fn the_auth_line_is_found_wherever_it_stands() {
        let split = split_auth(b"t=x\nauth=1 ab\nz=y\n").unwrap();
        assert_eq!(split, (&b"t=x\n"[..], &b"1 ab"[..], &b"z=y\n"[..]));
        assert_eq!(split_auth(b"t=x\nauthor=me\n"), None);
    }
}
