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

use std::fs;
use std::path::Path;

use shared::names::Generation;

use super::{On, StateError, file, generation, uuid};
use crate::cli::STATE;

/// Where Heartbeat 3.0.6 keeps its state.
pub(crate) const HEARTBEAT_STATE: &str = "/var/lib/heartbeat";
/// The pid file of Heartbeat 3.0.6.
const HEARTBEAT_PID: &str = "/run/heartbeat.pid";
/// The name of its processes.
const HEARTBEAT_NAME: &str = "heartbeat";

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

/// The process of a Heartbeat that runs here and uses the same files: the one its pid file names,
/// else any of that name.
pub(crate) fn heartbeat() -> Option<i32> {
    let named = fs::read_to_string(HEARTBEAT_PID)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .filter(|pid| is_heartbeat(*pid));
    named.or_else(|| {
        fs::read_dir("/proc")
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .find(|pid| is_heartbeat(*pid))
    })
}

/// One in another mount namespace, as in a container, has files of its own.
fn is_heartbeat(pid: i32) -> bool {
    let mounts = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let same = match (mounts(&pid.to_string()), mounts("self")) {
        (Some(theirs), Some(ours)) => theirs == ours,
        _ => true,
    };
    same && fs::read_to_string(format!("/proc/{pid}/comm"))
        .is_ok_and(|name| name.trim_end() == HEARTBEAT_NAME)
}
