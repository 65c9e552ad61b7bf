//! The classic format of capture files, as tcpdump writes it.
//!
//! ```text
//! file    magic 4 | version 4 | zone 4 | accuracy 4 | longest frame 4 | link type 4 | records
//! record  seconds 4 | fraction 4 | bytes kept 4 | bytes there were 4 | frame
//! ```
//!
//! The magic tells the order of bytes and whether fractions are micro- or nanoseconds. Lengths are not believed before
//! that many bytes are there.

use std::fmt;
use std::io::{self, Read};

use shared::time::Wall;

/// Longest frame that is read: what tcpdump keeps at most.
const FRAME_BYTES_MAX: u32 = 256 * 1024;
/// Bytes before the frame of a record.
const RECORD_HEAD: usize = 16;
const MAGIC_MICRO: u32 = 0xa1b2_c3d4;
const MAGIC_NANO: u32 = 0xa1b2_3c4d;
/// The first four bytes of the format that came after this one.
const NEXT_GENERATION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// What the first bytes of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// This format.
    Classic,
    /// The format pcapng.
    NextGeneration,
    /// Something else.
    Another,
}

impl Kind {
    /// Of a file that begins so.
    #[must_use]
    pub fn of(first: &[u8]) -> Self {
        match first.first_chunk::<4>() {
            Some(&NEXT_GENERATION) => Self::NextGeneration,
            Some(magic) if Order::of(*magic).is_some() => Self::Classic,
            _ => Self::Another,
        }
    }
}

/// Why a file is not read, or not any further.
#[derive(Debug)]
pub enum Flaw {
    /// Its first bytes are no capture's.
    NoCapture,
    /// It ends within a record: its writer is still at it, or was interrupted.
    Ends,
    /// The length of a record cannot be.
    Length {
        /// Where the record begins.
        at: u64,
        /// The length.
        length: u32,
    },
    /// Reading failed.
    Unread(io::Error),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCapture => f.write_str("it is no capture file"),
            Self::Ends => f.write_str("it ends in the middle of a packet"),
            Self::Length { at, length } => {
                write!(f, "it is damaged at byte {at}: a frame of {length} bytes")
            }
            Self::Unread(error) => error.fmt(f),
        }
    }
}

/// How numbers are written.
#[derive(Clone, Copy)]
struct Order {
    is_big: bool,
    nanoseconds_of_a_fraction: u64,
}

impl Order {
    fn of(magic: [u8; 4]) -> Option<Self> {
        [false, true].into_iter().find_map(|is_big| {
            let nanoseconds_of_a_fraction = match number(is_big, magic) {
                MAGIC_MICRO => 1000,
                MAGIC_NANO => 1,
                _ => return None,
            };
            Some(Self {
                is_big,
                nanoseconds_of_a_fraction,
            })
        })
    }
}

fn number(is_big: bool, bytes: [u8; 4]) -> u32 {
    match is_big {
        true => u32::from_be_bytes(bytes),
        false => u32::from_le_bytes(bytes),
    }
}

/// Takes one frame after the other out of a file.
pub struct Reader<R> {
    file: R,
    order: Order,
    link: u32,
    /// Bytes read.
    at: u64,
    frame: Vec<u8>,
}

/// A frame and what the file says of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it passed.
    pub at: Wall,
    /// Not all of it was kept.
    pub is_cut: bool,
    /// Its bytes.
    pub frame: &'a [u8],
}

impl<R: Read> Reader<R> {
    /// Reads the head of a file.
    ///
    /// # Errors
    /// Where it has none.
    pub fn new(mut file: R) -> Result<Self, Flaw> {
        let mut head = [0; 24];
        file.read_exact(&mut head)
            .map_err(|error| ended(error, Flaw::NoCapture))?;
        let [magic, _, _, _, _, link] = words(head);
        let order = Order::of(magic).ok_or(Flaw::NoCapture)?;
        Ok(Self {
            file,
            order,
            // The upper half says how long a checksum behind each frame is, which nobody uses.
            link: number(order.is_big, link) & 0xffff,
            at: 24,
            frame: Vec::new(),
        })
    }

    /// The number of the kind of link that frames were taken from.
    #[must_use]
    pub fn link(&self) -> u32 {
        self.link
    }

    /// The next frame; nothing at the end.
    ///
    /// # Errors
    /// After one there is nothing more to read.
    pub fn record(&mut self) -> Result<Option<Record<'_>>, Flaw> {
        let mut head = [0; RECORD_HEAD];
        match self.file.read(&mut head).map_err(Flaw::Unread)? {
            0 => return Ok(None),
            some => self
                .file
                .read_exact(&mut head[some..])
                .map_err(|error| ended(error, Flaw::Ends))?,
        }
        let [seconds, fraction, kept, whole] =
            words(head).map(|word| number(self.order.is_big, word));
        if kept > FRAME_BYTES_MAX {
            return Err(Flaw::Length {
                at: self.at,
                length: kept,
            });
        }
        self.frame.clear();
        let read = (&mut self.file)
            .take(kept.into())
            .read_to_end(&mut self.frame)
            .map_err(Flaw::Unread)?;
        if read < kept as usize {
            return Err(Flaw::Ends);
        }
        self.at += RECORD_HEAD as u64 + u64::from(kept);
        let nanoseconds = u64::from(fraction) * self.order.nanoseconds_of_a_fraction;
        Ok(Some(Record {
            at: Wall(u64::from(seconds) * 1_000_000_000 + nanoseconds),
            is_cut: kept < whole,
            frame: &self.frame,
        }))
    }
}

fn ended(error: io::Error, meaning: Flaw) -> Flaw {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => meaning,
        _ => Flaw::Unread(error),
    }
}

/// Four bytes each; those that are left over are none.
fn words<const N: usize, const W: usize>(bytes: [u8; N]) -> [[u8; 4]; W] {
    std::array::from_fn(|word| std::array::from_fn(|byte| bytes[word * 4 + byte]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(is_big: bool, magic: u32) -> Vec<u8> {
        let word = |number: u32| match is_big {
            true => number.to_be_bytes(),
            false => number.to_le_bytes(),
        };
        let head = [magic, 0x0004_0002, 0, 0, 262_144, 0x1000_0001].map(word);
        let record = [1_800_000_000, 500, 4, 6].map(word);
        [head.concat(), record.concat(), b"beat".to_vec()].concat()
    }

    #[test]
    fn both_orders_and_both_fractions_are_read() {
        for is_big in [false, true] {
            for (magic, nanoseconds) in [(MAGIC_MICRO, 500_000), (MAGIC_NANO, 500)] {
                let file = file(is_big, magic);
                assert_eq!(Kind::of(&file), Kind::Classic);
                let mut reader = Reader::new(&*file).unwrap();
                assert_eq!(reader.link(), 1);
                let expected = Record {
                    at: Wall(1_800_000_000_000_000_000 + nanoseconds),
                    is_cut: true,
                    frame: b"beat",
                };
                assert_eq!(reader.record().unwrap(), Some(expected));
                assert_eq!(reader.record().unwrap(), None);
            }
        }
    }

    #[test]
    fn a_file_cut_anywhere_ends_in_the_middle_of_a_packet() {
        let file = file(false, MAGIC_MICRO);
        for end in 0..24 {
            assert!(
                matches!(Reader::new(&file[..end]), Err(Flaw::NoCapture)),
                "{end}"
            );
        }
        for end in 25..file.len() {
            let mut reader = Reader::new(&file[..end]).unwrap();
            assert!(matches!(reader.record(), Err(Flaw::Ends)), "{end}");
        }
    }

    #[test]
    fn a_length_that_cannot_be_is_not_believed() {
        let mut file = file(false, MAGIC_MICRO);
        file[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
        let mut reader = Reader::new(&*file).unwrap();
        let flaw = reader.record().unwrap_err();
        assert_eq!(
            flaw.to_string(),
            "it is damaged at byte 24: a frame of 4294967295 bytes"
        );
    }

    #[test]
    fn other_files_are_told_apart() {
        assert_eq!(Kind::of(b"\n\r\r\n\0\0"), Kind::NextGeneration);
        for other in [&b""[..], b">>>\n", b"\xd4\xc3"] {
            assert_eq!(Kind::of(other), Kind::Another);
        }
    }
}
