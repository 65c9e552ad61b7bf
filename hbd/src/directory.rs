//! Directories the daemon makes, of which only the last component may be missing: a misspelt path
//! is told and not made.

use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Makes a directory of mode 0755 unless it is there.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }
}

/// What to do about a directory that could not be made, which `option` names.
pub(crate) fn remedy(path: &Path, error: &io::Error, option: &str) -> String {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let parent_shown = parent.display();
    match error.kind() {
        ErrorKind::NotFound if !parent.exists() => format!(
            "only its last component is made: make {parent_shown} first, or name another \
             directory with {option}"
        ),
        ErrorKind::AlreadyExists => {
            format!("that is no directory: remove it, or name another with {option}")
        }
        ErrorKind::NotADirectory => {
            format!("{parent_shown} is no directory: name another with {option}")
        }
        ErrorKind::NotFound => {
            format!("{parent_shown} takes no directories: name one elsewhere with {option}")
        }
        _ => format!(
            "start hbd as a user who may write in {parent_shown}, or name another directory with \
             {option}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &str) -> String {
        let path = Path::new(path);
        remedy(path, &make(path).unwrap_err(), "--run")
    }

    #[test]
    fn only_the_last_component_is_made_and_the_refusal_says_so() {
        assert_eq!(
            refused("/nonexistent/a/run"),
            "only its last component is made: make /nonexistent/a first, or name another \
             directory with --run"
        );
        assert!(!Path::new("/nonexistent").exists());
    }

    #[test]
    fn a_parent_that_exists_is_not_to_be_made() {
        assert_eq!(
            refused("/proc/hbd-test"),
            "/proc takes no directories: name one elsewhere with --run"
        );
    }

    #[test]
    fn a_file_in_place_of_the_directory_is_named_so() {
        assert!(refused("/proc/version").starts_with("that is no directory"));
        assert!(refused("/proc/version/x").starts_with("/proc/version is no directory"));
    }
}
