//! `hactl record`: the copy, and what is in its way.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::cli::server::{Answer, RECORD, Server};
use crate::cli::stories;
use crate::{ends, hactl, text};

#[test]
fn a_file_that_exists_is_left_alone_unless_it_is_to_be_replaced() {
    let server = Server::start(Answer::Everything {
        events: stories::events(),
        snapshot: stories::in_order(),
    });
    let copy = Copy(server.path().with_extension("flight"));
    let record = |words: &[&str]| {
        let mut command = hactl(&server, &["record"]);
        command.arg(&copy.0).args(words).output().unwrap()
    };
    let wanted = fs::read_to_string(RECORD).unwrap();
    let made = record(&[]);
    ends(&made, 0);
    assert_eq!(text(&made.stdout), format!("{}\n", copy.0.display()));
    assert_eq!(fs::read_to_string(&copy.0).unwrap(), wanted);
    assert_eq!(mode(&copy.0), 0o600);

    fs::set_permissions(&copy.0, PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&copy.0, "mine, and longer than a record\n".repeat(100)).unwrap();
    let before = fs::read_to_string(&copy.0).unwrap();
    let refused = record(&[]);
    ends(&refused, 7);
    let said = text(&refused.stderr);
    assert!(said.contains("exists; name another file, or replace it with --force"));
    assert_eq!(fs::read_to_string(&copy.0).unwrap(), before);

    // Whoever had the file open before may not read the record by it.
    let mut opened = fs::File::open(&copy.0).unwrap();
    ends(&record(&["--force"]), 0);
    assert_eq!(fs::read_to_string(&copy.0).unwrap(), wanted);
    assert_eq!(mode(&copy.0), 0o600);
    assert_eq!(std::io::read_to_string(&mut opened).unwrap(), before);
}

#[test]
fn what_a_link_names_is_left_alone_and_a_device_is_written_into() {
    let server = Server::start(Answer::Everything {
        events: stories::events(),
        snapshot: stories::in_order(),
    });
    let copy = Copy(server.path().with_extension("link"));
    let other = Copy(server.path().with_extension("other"));
    let record = || {
        let mut command = hactl(&server, &["record", "--force"]);
        command.arg(&copy.0).output().unwrap()
    };
    fs::write(&other.0, "of somebody else").unwrap();
    symlink(&other.0, &copy.0).unwrap();
    ends(&record(), 0);
    assert_eq!(fs::read_to_string(&other.0).unwrap(), "of somebody else");
    assert_eq!(mode(&copy.0), 0o600);

    fs::remove_file(&copy.0).unwrap();
    symlink("/dev/null", &copy.0).unwrap();
    ends(&record(), 0);
    let there = fs::metadata(&copy.0).unwrap();
    assert!(there.file_type().is_char_device());
}

fn mode(path: &Path) -> u32 {
    let there = fs::symlink_metadata(path).unwrap();
    there.permissions().mode() & 0o7777
}

struct Copy(PathBuf);

impl Drop for Copy {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}
