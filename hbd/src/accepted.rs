//! Copies of the configuration that was accepted last, under the run directory.
//!
//! ```text
//! RUN/accepted/ha.cf ...     mode 0600 in a directory of mode 0700: keys are among them
//! ```
//!
//! They are what runs, whatever somebody is editing in the configuration directory meanwhile. All
//! files change at once: a new directory is written beside and exchanged with the old one
//! (`renameat2(2)`). Nothing is synced: they count only while workers live, so not after a crash of the
//! machine. A run directory that was wiped has no copies.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use shared::config::Files;
use shared::config::source::Content;

/// The copies, and where they are written before they count.
const DIRECTORY: &str = "accepted";
const BESIDE: &str = ".accepted.new";

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
pub(crate) fn save(run: &Path, files: &Files) -> Result<(), SaveError> {
    let beside = run.join(BESIDE);
    let saved = write(&beside, files).and_then(|()| put_in_place(&beside, &run.join(DIRECTORY)));
    // The former copies, or what is left of new ones that came to nothing.
    let _ = fs::remove_dir_all(&beside);
    saved
}

/// The directory of the copies, to be read like any configuration directory; nothing if there are
/// none.
pub(crate) fn directory(run: &Path) -> Option<PathBuf> {
    Some(run.join(DIRECTORY)).filter(|directory| directory.is_dir())
}

/// Takes the copies away: nothing runs any more.
pub(crate) fn remove(run: &Path) {
    // What cannot be removed does no harm: it counts only while workers live.
    let _ = fs::remove_dir_all(run.join(DIRECTORY));
    let _ = fs::remove_dir_all(run.join(BESIDE));
}

fn write(directory: &Path, files: &Files) -> Result<(), SaveError> {
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
    Ok(())
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
        save(&run.0, &saved).unwrap();
        let copies = directory(&run.0).unwrap();
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
        save(&run.0, &files("node a\n").with(FileName::HbdCf, "")).unwrap();
        save(&run.0, &files("node a b\n")).unwrap();
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
        save(&run.0, &files("node a\n")).unwrap();
        assert_eq!(run.entries(), 1);
        remove(&run.0);
        assert_eq!(run.entries(), 0);
    }

    #[test]
    fn copies_that_cannot_be_made_name_the_path_and_leave_the_old_ones() {
        let run = Run::new("fails");
        let error = save(&run.0.join("gone"), &files("node a\n")).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("cannot make"), "{text}");
        assert!(text.contains("gone/.accepted.new"), "{text}");
    }
}
