//! Segments: the files of the journal.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::record::{Entry, parse};
use super::{LINE_MAX, SEGMENT_MAX};

/// Digits of a segment's number in its name.
const DIGITS: usize = 8;
const SUFFIX: &str = ".jsonl";

/// Part of a segment that does not prove itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The file.
    pub(crate) file: PathBuf,
    /// How much, and where.
    pub(crate) what: String,
}

/// What a segment holds.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) entries: Vec<Entry>,
    pub(super) damage: Option<String>,
}

/// The numbers of the segments, oldest first.
pub(super) fn numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers: Vec<u64> = fs::read_dir(directory)?
        .filter_map(|entry| number(entry.ok()?.file_name().to_str()?))
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let plain = digits.len() >= DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// The file of a segment.
pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:0DIGITS$}{SUFFIX}"))
}

/// Reads a segment. What is longer than a segment can be was not written by hbd and is left out.
pub(super) fn read(path: &Path) -> io::Result<Content> {
    let mut bytes = Vec::new();
    let limit = (SEGMENT_MAX + LINE_MAX) as u64;
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(sort_out(&bytes))
}

fn sort_out(bytes: &[u8]) -> Content {
    let mut content = Content::default();
    let (mut bad, mut first_bad) = (0, 0);
    for (line, number) in bytes.split_inclusive(|byte| *byte == b'\n').zip(1..) {
        let whole = line.last() == Some(&b'\n');
        match parse(line.strip_suffix(b"\n").unwrap_or(line)) {
            Some(entry) => content.entries.push(entry),
            // What follows the last newline was being written when the writer died.
            None if !whole => {
                let torn = line.len();
                content.damage = Some(format!("its last {torn} bytes are the beginning of a line"));
                break;
            }
            None => {
                bad += 1;
                if bad == 1 {
                    first_bad = number;
                }
            }
        }
    }
    if bad > 0 {
        let torn = content.damage.take();
        let lines = if bad == 1 { "line" } else { "lines" };
        content.damage = Some(format!(
            "{bad} damaged {lines}, the first is line {first_bad}{}",
            torn.map(|torn| format!("; {torn}")).unwrap_or_default()
        ));
    }
    content
}

/// A segment that is written.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) number: u64,
    file: File,
    /// Bytes in it.
    length: usize,
}

impl Open {
    /// Opens the newest segment to go on with it. What is torn at its end is cut off.
    pub(super) fn last(directory: &Path, number: u64) -> io::Result<Self> {
        let path = path(directory, number);
        let bytes = fs::read(&path)?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let tail = &bytes[whole..];
        let only_newline_lacks = parse(tail).is_some();
        let length = if only_newline_lacks {
            bytes.len()
        } else {
            whole
        };
        let file = File::options().append(true).open(&path)?;
        file.set_len(length as u64)?;
        let mut open = Self {
            number,
            file,
            length,
        };
        if only_newline_lacks {
            open.append(b"\n")?;
        }
        Ok(open)
    }

    /// Makes a segment that begins with `checkpoint`. It is there wholly or not at all.
    pub(super) fn new(directory: &Path, number: u64, checkpoint: &[u8]) -> io::Result<Self> {
        make(directory)?;
        let path = path(directory, number);
        let file = File::options()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let mut open = Self {
            number,
            file,
            length: 0,
        };
        match open.append(checkpoint).and_then(|()| open.sync()) {
            Ok(()) => Ok(open),
            Err(error) => {
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// True where somebody removed the file: what is written goes nowhere.
    pub(super) fn is_gone(&self) -> bool {
        self.file.metadata().is_ok_and(|file| file.nlink() == 0)
    }

    /// True where `line` fits.
    pub(super) fn has_room(&self, line: &[u8]) -> bool {
        self.length + line.len() <= SEGMENT_MAX
    }

    /// Appends a line wholly or, where the disk fails, not at all.
    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(line);
        match written {
            Ok(()) => self.length += line.len(),
            Err(_) => self.file.set_len(self.length as u64)?,
        }
        written
    }

    /// Waits until the disk holds it.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Makes the journal's directory, which only its owner reads: the control socket decides who may
/// see events.
fn make(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}
