//! A Heartbeat 3.0.6 that runs on this machine.

use std::fs;

/// Its pid file.
const PID: &str = "/run/heartbeat.pid";
/// The name of its processes.
const NAME: &str = "heartbeat";
/// Kinds of namespaces.
const MOUNTS: &str = "mnt";
const NETWORK: &str = "net";

/// The process of a Heartbeat that runs here and uses the same files: the one its pid file names,
/// else any of that name. One in another mount namespace, as in a container, has files of its own.
#[must_use]
pub fn process() -> Option<i32> {
    find(&[MOUNTS])
}

/// The same, where it is in the same network as well.
#[must_use]
pub fn process_of_this_network() -> Option<i32> {
    find(&[MOUNTS, NETWORK])
}

/// One that shares these namespaces.
fn find(shared: &[&str]) -> Option<i32> {
    let is_one = |pid: &i32| is_heartbeat(*pid) && shared.iter().all(|kind| shares(*pid, kind));
    let named = fs::read_to_string(PID)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .filter(is_one);
    named.or_else(|| {
        fs::read_dir("/proc")
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .find(is_one)
    })
}

/// What nobody may look at is taken for the same.
fn shares(pid: i32, kind: &str) -> bool {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    match (namespace(&pid.to_string()), namespace("self")) {
        (Some(theirs), Some(ours)) => theirs == ours,
        _ => true,
    }
}

fn is_heartbeat(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == NAME)
}
