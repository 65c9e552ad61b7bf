//! The files a configuration is made of, as bytes with positions.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::NodeName;

/// Largest file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// Longest line in bytes. Heartbeat 3.0.6 takes the rest of a longer one as another line.
pub const LINE_BYTES_MAX: usize = 5119;

/// A file of the configuration directory, in the order in which they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FileName {
    /// Directives, shared with Heartbeat 3.0.6.
    #[serde(rename = "ha.cf")]
    HaCf,
    /// More directives, ours among them; Heartbeat does not read it.
    #[serde(rename = "hbd.cf")]
    HbdCf,
    /// Keys, shared with Heartbeat 3.0.6.
    #[serde(rename = "authkeys")]
    Authkeys,
    /// More keys, with methods that Heartbeat does not know.
    #[serde(rename = "hbd.keys")]
    HbdKeys,
    /// Resource groups, shared with Heartbeat 3.0.6.
    #[serde(rename = "haresources")]
    Haresources,
}

impl FileName {
    /// All files, in the order in which they are read.
    pub const ALL: [Self; 5] = [
        Self::HaCf,
        Self::HbdCf,
        Self::Authkeys,
        Self::HbdKeys,
        Self::Haresources,
    ];

    /// The name inside the configuration directory.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HaCf => "ha.cf",
            Self::HbdCf => "hbd.cf",
            Self::Authkeys => "authkeys",
            Self::HbdKeys => "hbd.keys",
            Self::Haresources => "haresources",
        }
    }

    /// Whether the file holds keys.
    #[must_use]
    pub fn is_secret(self) -> bool {
        matches!(self, Self::Authkeys | Self::HbdKeys)
    }

    /// The file with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|file| file.as_str() == name)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What was found under a file's name.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// No such file.
    Missing,
    /// A directory, a socket or another thing that is no file.
    NotAFile,
    /// More than [`FILE_BYTES_MAX`].
    TooLarge,
    /// Reading failed; the text is the system's reason.
    Unreadable(String),
    /// The file.
    Bytes {
        /// What it holds.
        bytes: Vec<u8>,
        /// Permission bits as in `chmod`, where they are known.
        mode: Option<u32>,
    },
}

/// Everything a check of the text needs, as data.
#[derive(Clone, Default)]
pub struct Files {
    /// What was found. A file that is not in the map is missing.
    pub contents: BTreeMap<FileName, Content>,
    /// Whether not even their directory exists.
    pub no_directory: bool,
    /// The name of the node that will use the configuration, where that is known: it must be
    /// among the `node` lines.
    pub node: Option<NodeName>,
}

impl fmt::Debug for Files {
    /// Never shows what a file holds: it may be a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.contents.keys()).finish()
    }
}

impl Files {
    /// Adds or replaces a file without known permissions.
    #[must_use]
    pub fn with(mut self, file: FileName, text: &str) -> Self {
        let bytes = text.as_bytes().to_vec();
        self.contents
            .insert(file, Content::Bytes { bytes, mode: None });
        self
    }
}

/// A range of bytes in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) file: FileName,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// One file's text, where every byte that is no printable UTF-8 is replaced by one `?`, so that
/// positions stay right and nothing in it can drive a terminal.
pub(super) struct Source {
    pub(super) file: FileName,
    pub(super) raw: Vec<u8>,
    pub(super) text: String,
    line_starts: Vec<usize>,
    bad: Vec<usize>,
}

impl Source {
    pub(super) fn new(file: FileName, raw: Vec<u8>) -> Self {
        let (text, bad) = printable(&raw);
        let newlines = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        let line_starts = std::iter::once(0)
            .chain(newlines.map(|(at, _)| at + 1))
            .collect();
        Self {
            file,
            raw,
            text,
            line_starts,
            bad,
        }
    }

    /// The first byte from `start` to `end` that is no printable UTF-8.
    pub(super) fn bad_in(&self, start: usize, end: usize) -> Option<usize> {
        let first = self.bad.partition_point(|at| *at < start);
        self.bad.get(first).copied().filter(|at| *at < end)
    }

    /// Number (from 1), start and text (without line end) of the line that `at` lies in.
    pub(super) fn line_at(&self, at: usize) -> (usize, usize, &str) {
        let number = self.line_starts.partition_point(|start| *start <= at);
        let start = self.line_starts[number - 1];
        let rest = &self.text[start..];
        let line = rest.split('\n').next().unwrap_or(rest);
        (number, start, line.trim_end_matches('\r'))
    }
}

fn printable(raw: &[u8]) -> (String, Vec<usize>) {
    let mut text = String::with_capacity(raw.len());
    let mut bad = Vec::new();
    for chunk in raw.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() && !matches!(c, '\n' | '\r' | '\t') {
                bad.extend(text.len()..text.len() + c.len_utf8());
                text.extend(std::iter::repeat_n('?', c.len_utf8()));
            } else {
                text.push(c);
            }
        }
        bad.extend(text.len()..text.len() + chunk.invalid().len());
        text.extend(std::iter::repeat_n('?', chunk.invalid().len()));
    }
    (text, bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_become_question_marks_of_the_same_length() {
        let source = Source::new(FileName::HaCf, b"a\xff\x1bb\nc\xc2\x85".to_vec());
        assert_eq!(source.text, "a??b\nc??");
        assert_eq!(source.bad_in(0, 4), Some(1));
        assert_eq!(source.bad_in(3, 6), None);
        assert_eq!(source.bad_in(3, 8), Some(6));
    }

    #[test]
    fn a_position_is_found_in_its_line() {
        let source = Source::new(FileName::HaCf, b"one\r\ntwo\n".to_vec());
        assert_eq!(source.line_at(0), (1, 0, "one"));
        assert_eq!(source.line_at(6), (2, 5, "two"));
        assert_eq!(source.line_at(9), (3, 9, ""));
    }
}
