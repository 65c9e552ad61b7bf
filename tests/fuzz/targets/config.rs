//! Configuration files out of words that mean something and bytes that do not: the check ends, its
//! places lie inside the files, and what is valid has no error.

use shared::config::source::Content;
use shared::config::{FileName, Files, check, directives, render};
use shared::names::NodeName;

/// What makes a line interesting besides the words of the directives.
const PIECES: &[&str] = &[
    " ",
    " ",
    "\n",
    "\n",
    "\n",
    "\t",
    ",",
    "#",
    "\\\n",
    "\r\n",
    "::",
    "/",
    "=",
    "auth ",
    "1 ",
    "2 ",
    "sha1 ",
    "crc",
    "md5 ",
    "sha256 ",
    "secret",
    "alice",
    "bob",
    "eth0",
    "lo",
    "10.0.0.1",
    "225.0.0.1",
    "ff02::1%eth0",
    "694",
    "0",
    "1",
    "-1",
    "99999999999999999999",
    "500ms",
    "6",
    "30",
    "uid=",
    "gid=",
    "root",
    "on",
    "off",
    "legacy",
    "IPaddr::10.0.0.5/24",
    "é",
    "\0",
    "\u{7f}",
];

pub(crate) fn property(input: &[u8]) {
    let mut files = Files {
        node: NodeName::new("alice").ok(),
        ..Files::default()
    };
    for (place, part) in input.split(|byte| *byte == 0xff).enumerate() {
        let file = FileName::ALL[place % FileName::ALL.len()];
        let mode = part.first().map(|byte| 0o600 | u32::from(*byte % 0o100));
        let bytes = text(part);
        files.contents.insert(file, Content::Bytes { bytes, mode });
    }
    let checked = check::text(&files);
    let errors = checked.diagnostics.iter().filter(|d| d.is_error()).count();
    assert_eq!(
        checked.config.is_none(),
        errors > 0,
        "{:#?}",
        checked.diagnostics
    );
    let style = render::Style::default();
    let rendered = render::render_all(&checked.diagnostics, style);
    assert_eq!(rendered.is_empty(), checked.diagnostics.is_empty());
}

/// Each byte stands for a directive, a piece or itself.
fn text(part: &[u8]) -> Vec<u8> {
    let words: Vec<&str> = directives::words().collect();
    let mut out = Vec::new();
    for byte in part {
        let place = usize::from(*byte);
        if let Some(word) = words.get(place) {
            out.extend_from_slice(word.as_bytes());
            out.push(b' ');
        } else if let Some(piece) = PIECES.get(place - words.len()) {
            out.extend_from_slice(piece.as_bytes());
        } else {
            out.push(*byte);
        }
    }
    out
}
