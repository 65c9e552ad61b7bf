//! The generations of this node: each start of a core uses the next one, none is used twice.

use std::path::Path;

use shared::config::GenerationSource;
use shared::names::Generation;
use shared::time::Wall;

use super::takeover::give_back;
use super::{On, StateError, file};

/// The file.
pub(super) const NAME: &str = "hb_generation";
/// So many are reserved ahead on the disk.
const RESERVE: u64 = 16;
/// With so few left more are reserved.
const RESERVE_LOW: u64 = 8;

/// Hands generations out.
#[derive(Debug)]
pub(crate) struct Generations {
    used: u64,
    reserved: u64,
}

impl Generations {
    /// Reads the file. Without one they start after the current time, as in Heartbeat 3.0.6: a node
    /// that lost its disk is then above what it used before. None is reserved.
    pub(crate) fn read(
        directory: &Path,
        source: GenerationSource,
        wall: Wall,
    ) -> Result<Self, StateError> {
        if source == GenerationSource::Time {
            return Ok(Self {
                used: wall.seconds().saturating_sub(1),
                reserved: u64::MAX,
            });
        }
        let path = directory.join(NAME);
        let content = file::read(directory, NAME).on("read", &path)?;
        let used = match content {
            Some(content) => parse(&content).ok_or_else(|| StateError::Corrupt {
                path: path.clone(),
                reason: "holds no generation".into(),
                remedy: "remove it: hbd then counts from the current time, which peers accept as \
                         long as this clock is right",
            })?,
            None => wall.seconds(),
        };
        Ok(Self {
            used,
            reserved: used,
        })
    }

    /// Reserves the next ones. Where that fails they can be taken all the same, and
    /// [`short_of`](Self::short_of) asks for it again. A Heartbeat that uses the numbers, too, is
    /// told afterwards: an error of that leaves them reserved.
    pub(crate) fn reserve(
        &mut self,
        directory: &Path,
        heartbeat: Option<&Path>,
    ) -> Result<(), StateError> {
        let Some(Generation(to)) = self.short_of() else {
            return Ok(());
        };
        let path = directory.join(NAME);
        file::replace(directory, NAME, &text(to)).on("write", &path)?;
        self.reserved = to;
        heartbeat.map_or(Ok(()), |heartbeat| give_back(heartbeat, Generation(to)))
    }

    /// The next one. Never waits for a disk.
    pub(crate) fn take(&mut self) -> Generation {
        self.used = self.used.saturating_add(1);
        Generation(self.used)
    }

    /// A process runs under this one: those that follow are above it.
    pub(crate) fn skip_to(&mut self, generation: Generation) {
        self.used = self.used.max(generation.0);
    }

    /// Up to where more should be reserved, if it is time.
    pub(crate) fn short_of(&self) -> Option<Generation> {
        let left = self.reserved.saturating_sub(self.used);
        (left < RESERVE_LOW).then(|| Generation(self.used.saturating_add(RESERVE)))
    }

    /// More are reserved on the disk.
    pub(crate) fn reserved_to(&mut self, generation: Generation) {
        self.reserved = self.reserved.max(generation.0);
    }
}

/// Writes the file, unless it holds a higher one: whoever wrote that may have used it.
pub(super) fn save(directory: &Path, generation: Generation) -> Result<(), StateError> {
    let path = directory.join(NAME);
    let there = file::read(directory, NAME).on("read", &path)?;
    if there.and_then(|content| parse(&content)) >= Some(generation.0) {
        return Ok(());
    }
    file::replace(directory, NAME, &text(generation.0)).on("write", &path)
}

/// The last generation used according to the file's content.
pub(super) fn parse(content: &[u8]) -> Option<u64> {
    std::str::from_utf8(content).ok()?.trim().parse().ok()
}

fn text(generation: u64) -> Vec<u8> {
    format!("{generation:15}\n").into_bytes()
}
