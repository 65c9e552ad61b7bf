//! A machine that runs Heartbeat at one time and hbd at another: identity and generation go on, so
//! that its peers see neither a stranger nor a replay.
//!
//! ```text
//! hb_uuid        Heartbeat -> hbd    at the first start
//! hb_generation  Heartbeat -> hbd    at each start, where it is higher
//!                hbd -> Heartbeat    whenever hbd reserves some, where it is lower and the file is there
//! ```
//!
//! So each of them begins above what the other one used, in whatever order they take turns.

use std::path::Path;

use shared::names::Generation;

use super::{On, StateError, file, generation, uuid};
use crate::cli::STATE;

/// Where Heartbeat 3.0.6 keeps its state.
pub(crate) const HEARTBEAT_STATE: &str = "/var/lib/heartbeat";

/// The directory of Heartbeat whose turn it may be after that of hbd. Who names a state directory
/// of his own has another node in mind.
pub(crate) fn heartbeat_beside(own: &Path) -> Option<&'static Path> {
    (own == Path::new(STATE)).then_some(Path::new(HEARTBEAT_STATE))
}

/// Copies what Heartbeat keeps in `from` and hbd does not have in `to`, or has a lower one of.
/// Returns the names of the files taken. Refused while `heartbeat` runs, which would use the same
/// numbers again.
pub(crate) fn take_over(
    from: &Path,
    to: &Path,
    heartbeat: Option<i32>,
) -> Result<Vec<&'static str>, StateError> {
    let mut wanted = Vec::new();
    for name in [uuid::NAME, generation::NAME] {
        let own = file::read(to, name).on("read", &to.join(name))?;
        if own.is_some() && name == uuid::NAME {
            continue;
        }
        let path = from.join(name);
        let theirs = file::read(from, name).on("read", &path)?;
        let theirs = theirs.filter(|theirs| own.is_none_or(|own| is_higher(theirs, &own)));
        if let Some(content) = theirs {
            wanted.push((name, path, content));
        }
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(pid) = heartbeat {
        return Err(StateError::HeartbeatRuns { pid });
    }
    let mut taken = Vec::new();
    for (name, path, content) in wanted {
        let readable = match name {
            uuid::NAME => uuid::parse(&content).is_some(),
            _ => generation::parse(&content).is_some(),
        };
        if !readable {
            return Err(StateError::Corrupt {
                path,
                reason: "cannot be taken over".into(),
                remedy: "restore it, or remove it to start with a new one",
            });
        }
        file::replace(to, name, &content).on("write", &to.join(name))?;
        taken.push(name);
    }
    Ok(taken)
}

/// What cannot be read is not higher, and nothing is higher than what cannot be read: that is told
/// elsewhere.
fn is_higher(theirs: &[u8], own: &[u8]) -> bool {
    let numbers = (generation::parse(theirs), generation::parse(own));
    matches!(numbers, (Some(theirs), Some(own)) if theirs > own)
}

/// Lets a Heartbeat that is started next begin above `generation`. One that was never here gets no
/// file.
pub(super) fn give_back(heartbeat: &Path, generation: Generation) -> Result<(), StateError> {
    let path = heartbeat.join(generation::NAME);
    match file::read(heartbeat, generation::NAME).on("read", &path)? {
        Some(_) => generation::save(heartbeat, generation),
        None => Ok(()),
    }
}
