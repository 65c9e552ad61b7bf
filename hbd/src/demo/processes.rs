//! The processes below this one (`proc(5)`), whoever started them.
//!
//! Keeper and teller are subreapers (`PR_SET_CHILD_SUBREAPER`, `prctl(2)`): a process whose parent
//! dies becomes their child. So whatever the demo ever started stays below them, and "no child is
//! left" means that nothing is.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

/// Everything that descends from `ancestor`, parents before children.
pub(super) fn below(ancestor: Pid) -> io::Result<Vec<Pid>> {
    let parents = parents()?;
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        let children = parents.iter().filter(|(_, of)| *of == parent);
        found.extend(children.map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    Ok(found)
}

/// Kills everything below this process and returns when it is gone.
pub(super) fn end_all() -> io::Result<()> {
    loop {
        for pid in below(Pid::this())? {
            // It may have ended meanwhile.
            let _ = kill(pid, Signal::SIGKILL);
        }
        match waitpid(None, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The process's arguments; none for one that has ended.
pub(super) fn arguments(pid: Pid) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// Every process and its parent.
fn parents() -> io::Result<Vec<(Pid, Pid)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process that ends while we look is nobody's child any more.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        if let Some(parent) = parent(&stat) {
            found.push((Pid::from_raw(pid), parent));
        }
    }
    Ok(found)
}

/// The fourth field. The second is the program's name in parentheses and may hold anything.
fn parent(stat: &str) -> Option<Pid> {
    let (_, rest) = stat.rsplit_once(')')?;
    let parent = rest.split_ascii_whitespace().nth(1)?;
    parent.parse().ok().map(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_hide_the_parent() {
        let stat = "17 (a) R 5 (b)) S 4 17 17 0 -1";
        assert_eq!(parent(stat), Some(Pid::from_raw(4)));
    }

    #[test]
    fn a_child_is_below_its_parent() {
        let mut child = std::process::Command::new("/proc/self/exe")
            .arg("--help")
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("the test program runs");
        let pid = i32::try_from(child.id()).expect("a process id");
        let found = below(Pid::this()).expect("proc is there");
        child.wait().expect("it ends");
        assert!(found.contains(&Pid::from_raw(pid)));
    }
}
