//! `hactl report`: everything is in it but secrets, also while hbd does not answer.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use shared::api::Snapshot;
use shared::event::Kind;

use crate::cli::server::{Answer, Server};
use crate::cli::stories;
use crate::{Directory, bare, ends, hactl, text};

const MARKER: &str = "MARKER-of-a-secret-7f3a";

/// A machine on which secrets stand wherever somebody may have put one.
fn machine() -> Directory {
    let directory = Directory::new(&format!(
        "node alice bob\nbcast eth0\n# the password is {MARKER}\nenv PASSWORD={MARKER}\n\
         stonith_host alice baytech 10.0.0.3 admin {MARKER}\n1 sha1 {MARKER}\n\
         respawn root /usr/bin/x -p {MARKER}\nfrobnicate {MARKER}\napiauth hbd-observe uid=nagios\n"
    ));
    let write = |name: &str, text: String| {
        std::fs::write(directory.path().join(name), text).unwrap();
    };
    write(
        "authkeys",
        format!("auth 1\n1 sha1 {MARKER}\n# was {MARKER}\n2 md5 {MARKER} extra\n"),
    );
    write("hbd.keys", format!("7 sha256 {MARKER}\n{MARKER}\n"));
    write(
        "haresources",
        format!("alice IPaddr::10.0.0.9/24 db::user::{MARKER}\n"),
    );
    write("authkeys~", MARKER.into());
    std::fs::create_dir(directory.path().join("journal")).unwrap();
    write(
        "journal/00000001.jsonl",
        format!("{{\"event\":\"key {MARKER}\"}}\n"),
    );
    std::fs::create_dir(directory.path().join("records")).unwrap();
    write("records/2026-11-22T122212.128Z.flight", MARKER.into());
    directory
}

fn report(server: Option<&Server>, machine: &Directory, file: &Path) -> Output {
    command(server, machine, file).output().unwrap()
}

fn command(server: Option<&Server>, machine: &Directory, file: &Path) -> Command {
    let mut command = match server {
        Some(server) => hactl(server, &["report"]),
        None => bare(&["report", "--socket", "/nonexistent/hbd.sock"]),
    };
    command
        .arg(file)
        .arg("--config")
        .arg(machine.path())
        .arg("--state")
        .arg(machine.path())
        .env("PASSWORD", MARKER);
    command
}

/// The files of an archive, without the directory they are in.
fn unpacked(file: &Path) -> BTreeMap<String, Vec<u8>> {
    let zipped = std::fs::File::open(file).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(zipped));
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let (top, name) = path.split_once('/').unwrap();
        assert!(top.starts_with("hbd-report-2"), "{top}");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(name.to_owned(), bytes);
    }
    files
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|window| window == word.as_bytes())
}

#[test]
fn everything_is_in_it_and_no_secret_is() {
    let mut events = stories::events();
    let mut leak = stories::hostile_event();
    leak.text = format!("somebody logged {MARKER}");
    let Kind::PacketRefused { reason, .. } = &mut leak.kind else {
        panic!("another story");
    };
    *reason = MARKER.into();
    events.push(leak);
    let snapshot = stories::in_trouble();
    let server = Server::start(Answer::Everything { events, snapshot });
    let machine = machine();
    let file = machine.path().join("report.tar.gz");
    let output = report(Some(&server), &machine, &file);
    ends(&output, 0);
    assert_eq!(text(&output.stdout), "");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);

    let files = unpacked(&file);
    for (name, bytes) in &files {
        assert!(
            !holds(bytes, MARKER),
            "{name}: {}",
            String::from_utf8_lossy(bytes)
        );
    }
    for name in [
        "README",
        "versions.json",
        "hello.json",
        "status.txt",
        "verdict.json",
        "snapshot.json",
        "running.json",
        "events.jsonl",
        "samples.jsonl",
        "check.jsonl",
        "config/ha.cf",
        "config/authkeys",
        "config/hbd.keys",
        "config/haresources",
        "journal/00000001.jsonl",
        "records/2026-11-22T122212.128Z.flight",
        "machine/facts.json",
        "listings/config",
    ] {
        assert!(files.contains_key(name), "no {name} in {:?}", files.keys());
        let readme = &files["README"];
        assert!(holds(readme, name), "{}", String::from_utf8_lossy(readme));
    }
    assert!(holds(&files["status.txt"], "alice: 2 of 3 nodes active"));
    assert!(holds(&files["events.jsonl"], "somebody logged ***"));
    assert!(holds(
        &files["config/authkeys"],
        "1 sha1 (a key of 23 bytes)"
    ));
    assert!(holds(
        &files["config/ha.cf"],
        "apiauth hbd-observe uid=nagios"
    ));
    assert_eq!(
        String::from_utf8_lossy(&files["samples.jsonl"])
            .lines()
            .count(),
        3
    );
}

#[test]
fn configuration_and_state_are_taken_from_where_hbd_says_they_are() {
    let machine = machine();
    let snapshot = Snapshot {
        config: Some(machine.path().display().to_string()),
        ..stories::in_order()
    };
    let events = stories::events();
    let server = Server::start(Answer::Everything { events, snapshot });
    let file = machine.path().join("report.tar.gz");
    let mut command = hactl(&server, &["report"]);
    ends(&command.arg(&file).output().unwrap(), 0);
    let files = unpacked(&file);
    assert!(files.contains_key("config/ha.cf"));
    assert!(files.contains_key("journal/00000001.jsonl"));
}

#[test]
fn a_state_that_is_not_there_is_named_with_the_option_that_names_another() {
    let machine = machine();
    let file = machine.path().join("report.tar.gz");
    let mut command = bare(&["report", "--socket", "/nonexistent/hbd.sock"]);
    command.arg(&file).args(["--state", "/nonexistent"]);
    ends(&command.output().unwrap(), 0);
    let files = unpacked(&file);
    let readme = String::from_utf8_lossy(&files["README"]);
    for directory in ["journal", "records"] {
        let wanted = format!(
            ": /nonexistent/{directory}: No such file or directory (os error 2); give --state DIR"
        );
        assert!(readme.contains(&wanted), "{readme}");
    }
}

#[test]
fn without_an_answer_it_says_what_is_missing_and_why() {
    let machine = machine();
    let file = machine.path().join("report.tar.gz");
    ends(&report(None, &machine, &file), 0);
    let files = unpacked(&file);
    assert!(files.contains_key("config/ha.cf"));
    assert!(files.contains_key("journal/00000001.jsonl"));
    let readme = String::from_utf8_lossy(&files["README"]).into_owned();
    let missing = readme.split("Missing:\n").nth(1).unwrap();
    assert!(
        missing.contains("status, events, samples: what hbd says: cannot connect"),
        "{readme}"
    );
    assert!(files.values().all(|bytes| !holds(bytes, MARKER)));
}

#[test]
fn a_file_that_exists_is_left_alone() {
    let machine = machine();
    let file = machine.path().join("ha.cf");
    let before = std::fs::read(&file).unwrap();
    let output = report(None, &machine, &file);
    ends(&output, 7);
    assert!(text(&output.stderr).contains("exists; name another file"));
    assert_eq!(std::fs::read(&file).unwrap(), before);

    let other = machine.path().join("of-mine");
    std::fs::write(&other, "mine").unwrap();
    let replaced = command(None, &machine, &other)
        .arg("--force")
        .output()
        .unwrap();
    ends(&replaced, 0);
    assert!(!unpacked(&other).is_empty());
    let mode = std::fs::metadata(&other).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
