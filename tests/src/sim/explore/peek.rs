//! The few fields of a packet that the rules look at, read without the codec under test.

use std::fmt;

use shared::names::{Generation, Sequence};

/// What the rules want to know of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// It is a `status`.
    pub beat: bool,
    /// It asks for missing messages.
    pub asks: bool,
    /// It says `st=dead`, as the last word of a node that leaves.
    pub leaves: bool,
    /// It tells what was heard (`hbdheard`).
    pub tells_heard: bool,
    /// It tells whom its sender declared dead (`hbddead`).
    pub declares: bool,
    /// How long both are.
    pub told_bytes: usize,
    /// `hg`.
    pub generation: Generation,
    /// `seq`; 0 where there is none.
    pub sequence: Sequence,
    /// `dt` in milliseconds; 0 where there is none.
    pub deadtime_ms: u64,
    /// `ttl` was there: the packet was read to its end.
    pub whole: bool,
}

impl fmt::Display for Peek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.beat, self.asks, self.leaves) {
            (true, ..) => "beat",
            (_, true, _) => "question for missing messages",
            (.., true) => "leave",
            _ => "message",
        };
        let (generation, sequence) = (self.generation, self.sequence);
        write!(f, "{what} {sequence} of generation {generation}")
    }
}

/// Reads a packet in either form.
#[must_use]
pub fn peek(bytes: &[u8]) -> Peek {
    let mut peek = Peek::default();
    if let Some(fields) = bytes.strip_prefix(b"###\n") {
        netstrings(fields, &mut peek);
    } else if let Some(lines) = bytes.strip_prefix(b">>>\n") {
        for line in lines.split(|byte| *byte == b'\n') {
            peek.field(line);
        }
    }
    peek
}

fn netstrings(mut rest: &[u8], peek: &mut Peek) {
    while let Some(colon) = rest.iter().take(7).position(|byte| *byte == b':') {
        let length = rest[..colon].iter().fold(0, |length, digit| {
            length * 10 + usize::from(digit.wrapping_sub(b'0'))
        });
        let Some(field) = rest.get(colon + 1..colon + 1 + length) else {
            return;
        };
        if let Some(text) = field.strip_prefix(b"(0)") {
            peek.field(text);
        }
        rest = rest.get(colon + 2 + length..).unwrap_or_default();
    }
}

impl Peek {
    fn field(&mut self, field: &[u8]) {
        let Some(equals) = field.iter().position(|byte| *byte == b'=') else {
            return;
        };
        let (name, value) = (&field[..equals], &field[equals + 1..]);
        match name {
            b"t" => {
                self.beat = value == b"status";
                self.asks = value == b"NS_rexmit";
            }
            b"st" => self.leaves = value == b"dead",
            b"hg" => self.generation = Generation(hex(value)),
            b"seq" => self.sequence = Sequence(hex(value)),
            b"dt" => self.deadtime_ms = hex(value),
            b"hbdheard" | b"hbddead" => {
                self.tells_heard |= name == b"hbdheard";
                self.declares |= name == b"hbddead";
                self.told_bytes += value.len();
            }
            b"ttl" => self.whole = true,
            _ => {}
        }
    }
}

fn hex(text: &[u8]) -> u64 {
    text.iter().fold(0, |number, digit| {
        let digit = char::from(*digit).to_digit(16).unwrap_or(0);
        number.wrapping_mul(16).wrapping_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let expected = Peek {
            beat: true,
            asks: false,
            leaves: false,
            tells_heard: true,
            declares: false,
            told_bytes: 1,
            generation: Generation(0x1f),
            sequence: Sequence(10),
            deadtime_ms: 8000,
            whole: true,
        };
        let netstring = b"###\n11:(0)t=status,10:(0)dt=1f40,8:(0)seq=a,27:(1)srcuuid=0123456789abcdef,8:(0)hg=1f,13:(0)hbdheard=-,8:(0)ttl=3,%%%\n";
        assert_eq!(peek(netstring), expected);
        let string = b">>>\nt=status\ndt=1f40\nseq=a\nhg=1f\nhbdheard=-\nttl=3\n<<<\n";
        assert_eq!(peek(string), expected);
    }

    #[test]
    fn garbage_is_read_to_nothing() {
        assert_eq!(peek(b"###\n999999:(0)t=status,"), Peek::default());
        assert_eq!(peek(b"\xff\xff"), Peek::default());
    }
}
