//! Who has a device open, as `/proc` shows it.

use std::fs;
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::{major, minor};

/// A process that has a device open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its name, as `ps` shows it.
    pub name: String,
    /// Its descriptor of the device.
    pub descriptor: RawFd,
}

/// Who has a device open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    /// Those that were found, by number.
    pub processes: Vec<Process>,
    /// There are processes that may not be looked at: those of others, without root's rights.
    pub some_unseen: bool,
}

/// Everybody but this process who has the device at `path` open.
#[must_use]
pub fn of_device(path: &Path) -> Users {
    let mut users = Users::default();
    let (Ok(device), Ok(all)) = (fs::metadata(path), fs::read_dir("/proc")) else {
        return users;
    };
    let number = |name: std::ffi::OsString| name.to_str()?.parse().ok();
    for pid in all.filter_map(|entry| number(entry.ok()?.file_name())) {
        if u32::try_from(pid) == Ok(std::process::id()) {
            continue;
        }
        match descriptor_of(pid, device.rdev()) {
            Ok(Some(descriptor)) => users.processes.push(Process {
                pid,
                name: name_of(pid),
                descriptor,
            }),
            Ok(None) => {}
            Err(error) => {
                users.some_unseen |= error.kind() == std::io::ErrorKind::PermissionDenied;
            }
        }
    }
    users.processes.sort_by_key(|process| process.pid);
    users
}

/// Only what lies in a `/dev` is looked at closer: to look at a file on a dead server would wait for it.
fn descriptor_of(pid: i32, device: u64) -> std::io::Result<Option<RawFd>> {
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let path = entry?.path();
        let leads_to = fs::read_link(&path).unwrap_or_default();
        if !leads_to.to_string_lossy().contains("/dev/") {
            continue;
        }
        if fs::metadata(&path).is_ok_and(|file| file.rdev() == device) {
            let number = path
                .file_name()
                .and_then(|name| name.to_str()?.parse().ok());
            return Ok(number);
        }
    }
    Ok(None)
}

fn name_of(pid: i32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end().to_owned()
}

/// Whether the kernel writes its messages to the device at `path` (`/proc/consoles`).
#[must_use]
pub fn is_console(path: &Path) -> bool {
    let Ok(device) = fs::metadata(path) else {
        return false;
    };
    let consoles = fs::read_to_string("/proc/consoles").unwrap_or_default();
    names(&consoles, major(device.rdev()), minor(device.rdev()))
}

/// `ttyS0                -W- (EC p a)    4:64`
fn names(consoles: &str, major: u64, minor: u64) -> bool {
    let number = format!("{major}:{minor}");
    consoles
        .lines()
        .any(|line| line.split_whitespace().next_back() == Some(&number))
}

#[cfg(test)]
mod tests {
    use nix::pty::openpty;
    use nix::unistd::ttyname;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_console_is_known_by_its_device_number() {
        let consoles = "tty0                 -WU (E     )    4:1\nttyS0                -W- (EC  p a)    4:64\n";
        assert!(names(consoles, 4, 64));
        assert!(!names(consoles, 4, 65));
        assert!(!names(consoles, 4, 6));
    }

    #[test]
    fn another_process_that_has_it_open_is_found_and_this_one_is_not() {
        let pair = openpty(None, None).unwrap();
        let path = ttyname(&pair.slave).unwrap();
        assert_eq!(of_device(&path).processes, []);
        let mut child = Command::new("cat")
            .stdin(pair.slave.try_clone().unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let users = of_device(&path);
        let _ = child.kill();
        let _ = child.wait();
        // Between fork and exec another test's child has copies of everything.
        let pid = i32::try_from(child.id()).unwrap();
        let found = users.processes.iter().find(|process| process.pid == pid);
        assert_eq!(found.unwrap().descriptor, 0);
    }
}
