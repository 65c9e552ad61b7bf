//! Copies of the configuration that was accepted last, under the run directory.
//!
//! ```text
//! RUN/accepted/ha.cf ...         mode 0600 in a directory of mode 0700: keys are among them
//! RUN/accepted/addresses.json    what the names of hosts in them meant
//! ```
//!
//! They are what runs, whatever somebody is editing in the configuration directory meanwhile. All
//! files change at once: a new directory is written beside and exchanged with the old one
//! (`renameat2(2)`). Nothing is synced: they count only while workers live, so not after a crash of the
//! machine. A run directory that was wiped has no copies.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use shared::config::Files;
use shared::config::source::Content;

/// The copies, and where they are written before they count.
const DIRECTORY: &str = "accepted";
const BESIDE: &str = ".accepted.new";
const ADDRESSES: &str = "addresses.json";

/// What names of hosts mean.
pub(crate) type Addresses = BTreeMap<String, Ipv4Addr>;

/// The copies could not be made. Those that were there are still there.
#[derive(Debug)]
pub(crate) struct SaveError {
    operation: &'static str,
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "cannot {} {path}: {}", self.operation, self.error)
    }
}

impl std::error::Error for SaveError {}

/// Replaces the copies by those of `files`, which passed the checks.
pub(crate) fn save(run: &Path, files: &Files, addresses: &Addresses) -> Result<(), SaveError> {
    let beside = run.join(BESIDE);
    let saved =
        write(&beside, files, addresses).and_then(|()| put_in_place(&beside, &run.join(DIRECTORY)));
    // The former copies, or what is left of new ones that came to nothing.
    let _ = fs::remove_dir_all(&beside);
    saved
}

/// The directory of the copies, to be read like any configuration directory; nothing if there are
/// none.
pub(crate) fn directory(run: &Path) -> Option<PathBuf> {
    Some(run.join(DIRECTORY)).filter(|directory| directory.is_dir())
}

/// What the names in the copies meant; none where that is not known.
pub(crate) fn addresses(copies: &Path) -> Addresses {
    let content = fs::read(copies.join(ADDRESSES)).ok();
    let known = content.and_then(|content| serde_json::from_slice(&content).ok());
    known.unwrap_or_default()
}

/// Takes the copies away: nothing runs any more.
pub(crate) fn remove(run: &Path) {
    // What cannot be removed does no harm: it counts only while workers live.
    let _ = fs::remove_dir_all(run.join(DIRECTORY));
    let _ = fs::remove_dir_all(run.join(BESIDE));
}

fn write(directory: &Path, files: &Files, addresses: &Addresses) -> Result<(), SaveError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", directory, error));
        }
        _ => {}
    }
    DirBuilder::new()
        .mode(0o700)
        .create(directory)
        .map_err(|error| failed("make", directory, error))?;
    for (name, content) in &files.contents {
        if let Content::Bytes { bytes, .. } = content {
            let path = directory.join(name.as_str());
            write_file(&path, bytes).map_err(|error| failed("write", &path, error))?;
        }
    }
    let path = directory.join(ADDRESSES);
    serde_json::to_vec(addresses)
        .map_err(io::Error::from)
        .and_then(|bytes| write_file(&path, &bytes))
        .map_err(|error| failed("write", &path, error))
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)
}

fn put_in_place(beside: &Path, directory: &Path) -> Result<(), SaveError> {
    let flags = match directory.exists() {
        true => RenameFlags::RENAME_EXCHANGE,
        false => RenameFlags::RENAME_NOREPLACE,
    };
    renameat2(AT_FDCWD, beside, AT_FDCWD, directory, flags)
        .map_err(|error| failed("replace", directory, error.into()))
}

fn failed(operation: &'static str, path: &Path, error: io::Error) -> SaveError {
    SaveError {
        operation,
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use shared::config::FileName;
    use shared::config::load::load;

    use super::*;

    struct Run(PathBuf);

    impl Run {
        fn new(name: &str) -> Self {
            let name = format!("hbd-accepted-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn entries(&self) -> usize {
            fs::read_dir(&self.0).unwrap().count()
        }
    }

    impl Drop for Run {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn files(ha_cf: &str) -> Files {
        Files::default()
            .with(FileName::HaCf, ha_cf)
            .with(FileName::Authkeys, "auth 1\n1 sha1 secret\n")
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn copies_come_back_as_they_were_and_nobody_else_can_read_them() {
        let run = Run::new("come-back");
        assert_eq!(directory(&run.0), None);
        let saved = files("node a\n");
        let meant = Addresses::from([("bob".to_owned(), Ipv4Addr::new(10, 0, 0, 2))]);
        save(&run.0, &saved, &meant).unwrap();
        let copies = directory(&run.0).unwrap();
        assert_eq!(addresses(&copies), meant);
        assert_eq!(mode(&copies.join(ADDRESSES)), 0o600);
        assert_eq!(mode(&copies), 0o700);
        assert_eq!(mode(&copies.join("authkeys")), 0o600);
        let loaded = load(&copies, None);
        for (name, content) in &saved.contents {
            let Content::Bytes { bytes, .. } = content else {
                panic!("{name} has content");
            };
            assert!(
                matches!(loaded.contents.get(name), Some(Content::Bytes { bytes: b, .. }) if b == bytes),
                "{name}"
            );
        }
    }

    #[test]
    fn new_copies_replace_all_old_ones_and_leave_nothing_beside() {
        let run = Run::new("replace");
        let none = Addresses::new();
        save(&run.0, &files("node a\n").with(FileName::HbdCf, ""), &none).unwrap();
        save(&run.0, &files("node a b\n"), &none).unwrap();
        let copies = directory(&run.0).unwrap();
        let ha_cf = fs::read_to_string(copies.join("ha.cf")).unwrap();
        assert_eq!(ha_cf, "node a b\n");
        assert!(!copies.join("hbd.cf").exists());
        assert_eq!(run.entries(), 1);
    }

    #[test]
    fn what_a_crash_left_half_written_is_no_hindrance_and_never_counts() {
        let run = Run::new("crash");
        fs::create_dir(run.0.join(BESIDE)).unwrap();
        fs::write(run.0.join(BESIDE).join("ha.cf"), "no").unwrap();
        assert_eq!(directory(&run.0), None);
        assert_eq!(addresses(&run.0.join(BESIDE)), Addresses::new());
        save(&run.0, &files("node a\n"), &Addresses::new()).unwrap();
        assert_eq!(run.entries(), 1);
        remove(&run.0);
        assert_eq!(run.entries(), 0);
    }

    #[test]
    fn copies_that_cannot_be_made_name_the_path_and_leave_the_old_ones() {
        let run = Run::new("fails");
        let error = save(&run.0.join("gone"), &files("node a\n"), &Addresses::new()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("cannot make"), "{text}");
        assert!(text.contains("gone/.accepted.new"), "{text}");
    }
}
