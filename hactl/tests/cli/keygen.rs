//! `hactl keygen`: a key nobody else has, in a file nobody else reads.

use std::os::unix::fs::PermissionsExt;

use crate::{Directory, bare, ends, text};

fn keygen(args: &[&str]) -> std::process::Output {
    bare(&["keygen"]).args(args).output().unwrap()
}

#[test]
fn a_line_has_number_method_and_a_key_that_is_another_each_time() {
    let output = keygen(&["--index", "3", "--method", "md5"]);
    ends(&output, 0);
    let line = text(&output.stdout);
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[..2], ["3", "md5"], "{line}");
    assert_eq!(words[2].len(), 64, "{line}");
    assert!(words[2].bytes().all(|b| b.is_ascii_hexdigit()), "{line}");
    assert_ne!(
        line,
        text(&keygen(&["--index", "3", "--method", "md5"]).stdout)
    );
    let said = text(&output.stderr);
    assert!(said.contains("2. write auth 3"), "{said}");
    assert!(!said.contains(words[2]), "{said}");
}

#[test]
fn a_file_is_for_its_owner_alone_and_passes_the_check() {
    let directory = Directory::new("node alice\nbcast eth0\n");
    let file = directory.path().join("authkeys");
    std::fs::remove_file(&file).unwrap();
    let path = file.to_str().unwrap();
    let output = keygen(&["--into", path]);
    ends(&output, 0);
    assert_eq!(text(&output.stdout), "");
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.starts_with("auth 1\n1 sha1 "), "{written}");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    ends(&directory.check(&["--strict"]), 0);
}

#[test]
fn a_file_that_exists_is_left_alone_unless_it_is_told_otherwise() {
    let directory = Directory::new("node alice\nbcast eth0\n");
    let file = directory.path().join("authkeys");
    let path = file.to_str().unwrap();
    let before = std::fs::read_to_string(&file).unwrap();
    let output = keygen(&["--into", path]);
    ends(&output, 7);
    assert!(text(&output.stderr).contains("exists; add a line to it"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    ends(&keygen(&["--into", path, "--force"]), 0);
    assert_ne!(std::fs::read_to_string(&file).unwrap(), before);
    ends(&directory.check(&["--strict"]), 0);
    let left = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left, 2, "ha.cf and authkeys");
}

#[test]
fn a_method_that_heartbeat_does_not_know_goes_into_hbd_keys_only() {
    let directory = Directory::new("node alice\nbcast eth0\n");
    let keys = directory.path().join("hbd.keys");
    let output = keygen(&["--into", keys.to_str().unwrap(), "--index", "7"]);
    ends(&output, 0);
    let written = std::fs::read_to_string(&keys).unwrap();
    assert!(written.starts_with("auth 7\n7 sha256 "), "{written}");
    let old = directory.path().join("authkeys");
    let output = keygen(&[
        "--into",
        old.to_str().unwrap(),
        "--method",
        "sha256",
        "--force",
    ]);
    ends(&output, 2);
    assert!(text(&output.stderr).contains("write it into hbd.keys"));
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let output = keygen(&["--into", "/nonexistent/authkeys"]);
    ends(&output, 1);
    assert!(text(&output.stderr).contains("cannot write /nonexistent/authkeys"));
}
