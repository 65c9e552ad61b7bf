//! Reads the files of a configuration directory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::source::{Content, FILE_BYTES_MAX, FileName, Files};
use crate::names::NodeName;

/// The directory that Heartbeat and hbd read if no other is named.
pub const DIRECTORY: &str = "/etc/ha.d";

/// `O_NONBLOCK`: opening a named pipe must not wait for a writer.
const OPEN_WITHOUT_WAITING: i32 = 0o4000;

/// Reads all files of `directory`. What goes wrong with a file becomes its [`Content`], and so a
/// diagnostic of the check. `node` is the node that will use the configuration, if that is known.
#[must_use]
pub fn load(directory: &Path, node: Option<NodeName>) -> Files {
    let contents = FileName::ALL
        .into_iter()
        .map(|name| (name, file(&directory.join(name.as_str()))))
        .collect();
    let exists = fs::metadata(directory);
    Files {
        contents,
        no_directory: exists.is_err_and(|error| error.kind() == io::ErrorKind::NotFound),
        node,
    }
}

/// Reads one file, wherever it lies.
#[must_use]
pub fn file(path: &Path) -> Content {
    match try_read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Content::Missing,
        Err(error) => Content::Unreadable(error.to_string()),
    }
}

fn try_read(path: &Path) -> io::Result<Content> {
    if !fs::metadata(path)?.is_file() {
        return Ok(Content::NotAFile);
    }
    let file = File::options()
        .read(true)
        .custom_flags(OPEN_WITHOUT_WAITING)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Content::NotAFile);
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Ok(Content::TooLarge);
    }
    let mode = Some(metadata.permissions().mode() & 0o7777);
    Ok(Content::Bytes { bytes, mode })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Directory(std::path::PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("hbd-load-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn each_kind_of_thing_under_a_files_name_is_told_apart() {
        let directory = Directory::new("kinds");
        let path = |name: &str| directory.0.join(name);
        fs::write(path("ha.cf"), "node a\n").unwrap();
        fs::set_permissions(path("ha.cf"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::create_dir(path("haresources")).unwrap();
        fs::write(path("authkeys"), vec![b'#'; FILE_BYTES_MAX as usize + 1]).unwrap();
        let files = load(&directory.0, None);
        let content = |name| files.contents.get(&name).unwrap();
        assert!(
            matches!(content(FileName::HaCf), Content::Bytes { bytes, mode: Some(0o640) } if bytes == b"node a\n")
        );
        assert!(matches!(content(FileName::Haresources), Content::NotAFile));
        assert!(matches!(content(FileName::Authkeys), Content::TooLarge));
        assert!(matches!(content(FileName::HbdCf), Content::Missing));
    }

    #[test]
    fn a_directory_that_does_not_exist_is_told_from_an_empty_one() {
        let directory = Directory::new("empty");
        assert!(!load(&directory.0, None).no_directory);
        assert!(load(&directory.0.join("none"), None).no_directory);
    }

    #[test]
    fn a_directory_that_is_a_file_makes_every_file_unreadable() {
        let directory = Directory::new("notdir");
        let file = directory.0.join("file");
        fs::write(&file, "").unwrap();
        let files = load(&file, None);
        assert!(
            files
                .contents
                .values()
                .all(|content| matches!(content, Content::Unreadable(_)))
        );
    }
}
