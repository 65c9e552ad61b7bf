//! Chance: names, ports, keys. From the kernel, since a key is among them.

use std::fs::File;
use std::io::{self, Read};

/// The kernel's random numbers (`urandom(4)`).
pub(super) struct Dice {
    source: File,
}

impl Dice {
    /// Opens the source.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            source: File::open("/dev/urandom")?,
        })
    }

    /// `bytes` random bytes in hexadecimal.
    pub(super) fn word(&mut self, bytes: usize) -> io::Result<String> {
        let mut buffer = vec![0; bytes];
        self.source.read_exact(&mut buffer)?;
        Ok(buffer.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// A number below `limit`, nearly evenly.
    pub(super) fn below(&mut self, limit: u16) -> io::Result<u16> {
        let mut buffer = [0; 4];
        self.source.read_exact(&mut buffer)?;
        let number = u32::from_ne_bytes(buffer) % u32::from(limit.max(1));
        Ok(u16::try_from(number).unwrap_or(0))
    }
}
