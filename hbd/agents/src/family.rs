//! Everything that a process has started and that still runs, in whichever group or session.

use std::collections::BTreeMap;
use std::fs;

/// The processes below `ancestor` that have not ended. Complete where `ancestor` is a subreaper
/// (`PR_SET_CHILD_SUBREAPER`, `prctl(2)`), but for those that are started meanwhile.
pub(crate) fn descendants(ancestor: i32) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    for process in all() {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut below = children.remove(&ancestor).unwrap_or_default();
    while let Some(process) = below.pop() {
        below.extend(children.remove(&process.pid).unwrap_or_default());
        if process.runs {
            found.push(process.pid);
        }
    }
    found
}

struct Process {
    pid: i32,
    parent: i32,
    runs: bool,
}

fn all() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read(entry.path().join("stat")).ok()?;
        parse(pid, &String::from_utf8_lossy(&stat))
    })
}

/// "PID (NAME) STATE PARENT …" (`proc(5)`), where the name may hold anything.
fn parse(pid: i32, stat: &str) -> Option<Process> {
    let mut words = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let runs = !matches!(words.next()?, "Z" | "X" | "x");
    let parent = words.next()?.parse().ok()?;
    Some(Process { pid, parent, runs })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let process = parse(7, "7 (a) Z 9) S 5 7 7 0").unwrap();
        assert_eq!((process.parent, process.runs), (5, true));
        assert!(!parse(7, "7 (a) Z 5").unwrap().runs);
        assert!(parse(7, "").is_none());
    }

    #[test]
    fn a_child_is_a_descendant_until_it_has_ended() {
        let own = i32::try_from(std::process::id()).unwrap();
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(descendants(own).contains(&pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!descendants(own).contains(&pid));
    }
}
