//! Facts about this machine, and what lies in the directories of hbd.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::utsname::uname;
use serde_json::json;
use shared::config::check;
use shared::config::load::load;
use shared::config::machine::Subject;

use super::collection::Collection;

/// Most lines of one listing, and how deep it goes.
const LISTED_MAX: usize = 2000;
const DEPTH_MAX: usize = 4;
/// Small files of the system that say how the machine is.
const SYSTEM: &[(&str, &str)] = &[
    ("/etc/os-release", "which system"),
    ("/proc/loadavg", "load"),
    ("/proc/meminfo", "memory"),
    (
        "/proc/pressure/cpu",
        "how long processes waited for a processor",
    ),
    ("/proc/net/dev", "counters of interfaces"),
    ("/proc/net/snmp", "counters of protocols"),
];

pub(super) fn collect(config: &Path, all: &mut Collection) {
    versions(all);
    let mut mentions = check::text(&load(config, None)).mentions;
    // A name server that does not answer would hold the report up.
    mentions.retain(|mention| !matches!(mention.subject, Subject::Host { .. }));
    let facts = diag::facts::collect(&mentions, config);
    let meaning = "what this machine has of what the configuration mentions";
    all.json("machine/facts.json", meaning, &facts);
    for (path, meaning) in SYSTEM {
        match super::read(Path::new(path)) {
            Ok(bytes) => {
                let name = path.trim_start_matches('/').replace('/', "-");
                all.add(&format!("machine/{name}"), meaning, bytes);
            }
            Err(error) => all.miss(path, &error),
        }
    }
}

fn versions(all: &mut Collection) {
    let Ok(system) = uname() else {
        return;
    };
    let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
    let versions = json!({
        "hactl": env!("CARGO_PKG_VERSION"),
        "node": text(system.nodename()),
        "kernel": text(system.release()),
        "build": text(system.version()),
        "machine": text(system.machine()),
    });
    all.json("versions.json", "of hactl and the kernel", &versions);
}

/// What lies in these directories.
pub(super) fn listings(directories: &[(&str, &Path)], all: &mut Collection) {
    for (name, path) in directories {
        let mut lines = Vec::new();
        match list(path, 0, &mut lines) {
            Ok(()) => {
                let text = format!("{}\n{}\n", path.display(), lines.join("\n"));
                let meaning = "mode, owner, group, bytes, seconds since 1970, name";
                all.add(&format!("listings/{name}"), meaning, text.into_bytes());
            }
            Err(error) => all.miss(&path.display().to_string(), &error),
        }
    }
}

fn list(directory: &Path, depth: usize, lines: &mut Vec<String>) -> std::io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(directory)?.filter_map(Result::ok).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if lines.len() >= LISTED_MAX {
            return Ok(());
        }
        let Ok(found) = entry.path().symlink_metadata() else {
            continue;
        };
        let mut line = String::new();
        let _ = write!(
            line,
            "{:indent$}{:o} {} {} {} {} {:?}",
            "",
            found.mode(),
            found.uid(),
            found.gid(),
            found.size(),
            found.mtime(),
            entry.file_name(),
            indent = 2 * depth
        );
        lines.push(line);
        if found.is_dir() && depth < DEPTH_MAX {
            // One that may not be read is listed all the same.
            let _ = list(&entry.path(), depth + 1, lines);
        }
    }
    Ok(())
}
