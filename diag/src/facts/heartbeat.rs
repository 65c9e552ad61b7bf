//! A Heartbeat 3.0.6 that runs on this machine.

use std::fs;

/// Its pid file.
const PID: &str = "/run/heartbeat.pid";
/// The name of its processes.
const NAME: &str = "heartbeat";

/// The process of a Heartbeat that runs here and uses the same files: the one its pid file names,
/// else any of that name.
#[must_use]
pub fn process() -> Option<i32> {
    let named = fs::read_to_string(PID)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .filter(|pid| is_one(*pid));
    named.or_else(|| {
        fs::read_dir("/proc")
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .find(|pid| is_one(*pid))
    })
}

/// One in another mount namespace, as in a container, has files of its own.
fn is_one(pid: i32) -> bool {
    let mounts = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let same = match (mounts(&pid.to_string()), mounts("self")) {
        (Some(theirs), Some(ours)) => theirs == ours,
        _ => true,
    };
    same && fs::read_to_string(format!("/proc/{pid}/comm"))
        .is_ok_and(|name| name.trim_end() == NAME)
}
