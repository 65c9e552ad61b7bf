//! Serial ports. They are not opened, which would raise their lines.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::stat::{major, minor};
use shared::config::machine::Port;

/// The first major number of pseudo-terminals, and the one behind the last (`devices.txt` of Linux).
const PSEUDO_TERMINALS: std::ops::Range<u64> = 136..144;

/// What lies at a path. A device counts as a terminal where the kernel does not say what it is.
#[must_use]
pub fn at(path: &Path) -> Port {
    let Ok(file) = fs::metadata(path) else {
        return Port::Missing;
    };
    let device = (major(file.rdev()), minor(file.rdev()));
    match file.file_type().is_char_device() {
        true if PSEUDO_TERMINALS.contains(&device.0) => Port::Terminal,
        true if subsystem(device).is_none_or(|name| name == "tty") => Port::Terminal,
        _ => Port::Another,
    }
}

/// What a character device belongs to: `tty`, `mem`.
fn subsystem((major, minor): (u64, u64)) -> Option<String> {
    let link = fs::read_link(format!("/sys/dev/char/{major}:{minor}/subsystem")).ok()?;
    Some(link.file_name()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use nix::pty::openpty;
    use nix::unistd::ttyname;

    use super::*;

    #[test]
    fn a_terminal_is_told_from_other_things() {
        let pair = openpty(None, None).unwrap();
        assert_eq!(at(&ttyname(&pair.slave).unwrap()), Port::Terminal);
        assert_eq!(at(Path::new("/dev/null")), Port::Another);
        assert_eq!(at(Path::new("/proc/self")), Port::Another);
        assert_eq!(at(Path::new("/proc/self/stat")), Port::Another);
        assert_eq!(at(Path::new("/dev/no-such-port")), Port::Missing);
    }
}
