//! `hactl record`: the copy, and what is in its way.

use std::fs;
use std::path::PathBuf;

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

    fs::write(&copy.0, "mine, and longer than a record\n".repeat(100)).unwrap();
    let before = fs::read_to_string(&copy.0).unwrap();
    let refused = record(&[]);
    ends(&refused, 7);
    let said = text(&refused.stderr);
    assert!(said.contains("exists; name another file, or replace it with --force"));
    assert_eq!(fs::read_to_string(&copy.0).unwrap(), before);

    ends(&record(&["--force"]), 0);
    assert_eq!(fs::read_to_string(&copy.0).unwrap(), wanted);
}

struct Copy(PathBuf);

impl Drop for Copy {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}
