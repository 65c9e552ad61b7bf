//! What passed, from a file: a capture, or the bytes that one direction of a serial line carried.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use hbd_core::wire::limits::DATAGRAM_BYTES_MAX;
use hbd_core::wire::serial::Collector;

use super::frames::{Frames, Link};
use super::pcap::{self, Flaw, Kind};
use super::{Passed, Way};

/// How much of a file is read at once, and looked at to find out what it is.
const BUFFER: usize = 64 * 1024;
/// How a packet on a serial line begins.
const SERIAL_START: &[u8] = b">>>\n";

/// Why a file cannot be read at all.
#[derive(Debug)]
pub enum Unreadable {
    /// It cannot be opened.
    Unopened(io::Error),
    /// It is a capture of the format pcapng.
    NextGeneration,
    /// It was captured on a link that is not known here.
    Link(u32),
    /// Something else is the matter.
    Flaw(Flaw),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unopened(error) => error.fmt(f),
            Self::NextGeneration => {
                f.write_str("it is a capture in the format pcapng, which is not read")
            }
            Self::Link(number) => write!(f, "it is a capture of link type {number}, not read"),
            Self::Flaw(flaw) => flaw.fmt(f),
        }
    }
}

/// Takes out of a file what passed.
pub enum Source {
    /// A capture.
    Capture(Box<Capture>),
    /// A serial line.
    Serial(Box<Serial>),
}

/// A capture file.
pub struct Capture {
    reader: pcap::Reader<BufReader<File>>,
    link: Link,
    frames: Frames,
}

/// The bytes of a serial line.
pub struct Serial {
    file: BufReader<File>,
    collector: Collector,
    packet: Vec<u8>,
}

impl Source {
    /// Opens a file and finds out what it is.
    ///
    /// # Errors
    /// Why nothing can be read of it.
    pub fn open(path: &Path) -> Result<Self, Unreadable> {
        let file = File::open(path).map_err(Unreadable::Unopened)?;
        let mut file = BufReader::with_capacity(BUFFER, file);
        let first = file.fill_buf().map_err(Unreadable::Unopened)?;
        let is_serial = || {
            let mut windows = first.windows(SERIAL_START.len());
            windows.any(|window| window == SERIAL_START)
        };
        match Kind::of(first) {
            Kind::NextGeneration => Err(Unreadable::NextGeneration),
            Kind::Another if is_serial() => Ok(Self::Serial(Box::new(Serial {
                file,
                collector: Collector::default(),
                packet: vec![0; DATAGRAM_BYTES_MAX],
            }))),
            Kind::Another => Err(Unreadable::Flaw(Flaw::NoCapture)),
            Kind::Classic => {
                let reader = pcap::Reader::new(file).map_err(Unreadable::Flaw)?;
                let link = Link::of(reader.link()).ok_or(Unreadable::Link(reader.link()))?;
                Ok(Self::Capture(Box::new(Capture {
                    reader,
                    link,
                    frames: Frames::default(),
                })))
            }
        }
    }

    /// What passed next; nothing at the end.
    ///
    /// # Errors
    /// After one there is nothing more to read.
    pub fn passed(&mut self) -> Result<Option<Passed>, Flaw> {
        match self {
            Self::Capture(capture) => capture.passed(),
            Self::Serial(serial) => serial.passed(),
        }
    }

    /// Parts of packets that were not put together.
    #[must_use]
    pub fn fragments(&self) -> u64 {
        match self {
            Self::Capture(capture) => capture.frames.fragments,
            Self::Serial(_) => 0,
        }
    }
}

impl Capture {
    fn passed(&mut self) -> Result<Option<Passed>, Flaw> {
        while let Some(record) = self.reader.record()? {
            let Some(opened) = self.link.open(record.frame) else {
                continue;
            };
            if let Some((way, bytes)) = self.frames.take(&opened) {
                return Ok(Some(Passed {
                    at: Some(record.at),
                    way,
                    vlan: opened.vlan,
                    is_own: opened.is_own,
                    is_cut: record.is_cut,
                    bytes,
                }));
            }
        }
        Ok(None)
    }
}

impl Serial {
    fn passed(&mut self) -> Result<Option<Passed>, Flaw> {
        loop {
            if let Some(length) = self.collector.next(&mut self.packet) {
                return Ok(Some(Passed {
                    at: None,
                    way: Way::Serial,
                    vlan: None,
                    is_own: false,
                    is_cut: false,
                    bytes: self.packet[..length].to_vec(),
                }));
            }
            let read = self.file.fill_buf().map_err(Flaw::Unread)?;
            if read.is_empty() {
                return Ok(None);
            }
            let length = read.len();
            self.collector.take(read);
            self.file.consume(length);
        }
    }
}
