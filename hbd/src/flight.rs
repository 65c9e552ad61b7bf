//! The flight recorder outside the core: memory that core and supervisor share, and the files that
//! are made of it.
//!
//! The core writes its inputs into a ring ([`hbd_core::flight`]) in memory of its own
//! (`memfd_create(2)`), of which the supervisor holds the other descriptor: however the core ends,
//! the ring stays. It becomes a file after a death and by order, and replays in the simulator.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hbd_core::flight::turns;
use nix::sys::memfd::{MFdFlags, memfd_create};
use shared::time::Wall;

/// Bytes of the ring: at a keepalive of 100 ms and one peer two to four minutes.
pub(crate) const RING: usize = 1024 * 1024;
/// Files kept of each reason, the latest.
pub(crate) const FILES_MAX: usize = 8;
/// The directory under the state directory.
const DIRECTORY: &str = "records";

/// Why a record is made. Each has files of its own, so that orders and stalls push out no death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The core died.
    Death,
    /// It stalled.
    Stall,
    /// By order.
    Order,
}

impl Reason {
    /// For people.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Death => "the core died",
            Self::Stall => "the core stalled",
            Self::Order => "by order",
        }
    }

    /// How its files end.
    fn suffix(self) -> &'static str {
        match self {
            Self::Death => ".death.flight",
            Self::Stall => ".stall.flight",
            Self::Order => ".order.flight",
        }
    }
}
/// A copy that the ring turned over meanwhile is made again.
const COPIES_MAX: usize = 3;

/// Memory for a ring.
pub(crate) fn memory() -> io::Result<OwnedFd> {
    let memory = File::from(memfd_create(c"hbd-flight", MFdFlags::MFD_CLOEXEC)?);
    memory.set_len(RING as u64)?;
    Ok(memory.into())
}

/// What the ring holds.
pub(crate) fn copy(memory: &File) -> io::Result<Vec<u8>> {
    let mut image = vec![0; RING];
    for _ in 0..COPIES_MAX {
        memory.read_exact_at(&mut image, 0)?;
        let mut head = [0; 64];
        memory.read_exact_at(&mut head, 0)?;
        if turns(&head) == turns(&image) {
            break;
        }
    }
    Ok(image)
}

/// Writes a record into the state directory, and removes the oldest of its reason beyond
/// [`FILES_MAX`]. Only the owner may read it: it holds what went over the wire.
pub(crate) fn keep(state: &Path, now: Wall, reason: Reason, image: &[u8]) -> io::Result<PathBuf> {
    let directory = state.join(DIRECTORY);
    match DirBuilder::new().mode(0o700).create(&directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    make_room(&directory, reason.suffix())?;
    let name = now.to_string().replace(':', "");
    let path = directory.join(format!("{name}{}", reason.suffix()));
    let written = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(image));
    if written.is_err() {
        let _ = fs::remove_file(&path);
    }
    written.map(|()| path)
}

fn make_room(directory: &Path, suffix: &str) -> io::Result<()> {
    let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(suffix) {
            files.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    files.sort();
    let surplus = (files.len() + 1).saturating_sub(FILES_MAX);
    files[..surplus]
        .iter()
        .try_for_each(|(_, path)| fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_records_are_kept_for_the_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let state = std::env::temp_dir().join(format!("hbd-flight-{}", std::process::id()));
        fs::create_dir(&state).unwrap();
        let keep = |second, reason| {
            let now = Wall(second * 1_000_000_000);
            keep(&state, now, reason, b"ring").unwrap()
        };
        let death = keep(0, Reason::Death);
        let kept: Vec<_> = (0..FILES_MAX as u64 + 2)
            .map(|second| keep(second, Reason::Order))
            .collect();
        assert!(death.exists(), "orders push out no death");
        let there = kept.iter().filter(|path| path.exists()).count();
        assert_eq!(there, FILES_MAX);
        assert!(kept.last().unwrap().exists());
        let mode = fs::metadata(kept.last().unwrap())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_dir_all(&state).unwrap();
    }
}
