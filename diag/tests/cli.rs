//! `hadiag` as a person runs it, on what every machine has.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::pty::openpty;
use nix::unistd::ttyname;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hadiag");
const MISSING: &str = "/dev/no-such-port";

#[test]
fn a_port_that_is_not_there_is_critical() {
    let output = hadiag(&["serial", MISSING]);
    let expected = "\
/dev/no-such-port: critical: there is no such port
    its adapter is not plugged in, or its driver is not loaded
    -> plug it in; dmesg tells which ports there are
";
    assert_eq!((code(&output), text(&output)), (2, expected.to_owned()));
}

#[test]
fn what_is_no_port_is_critical() {
    let file = scratch("file").join("data");
    fs::write(&file, "beats\n").unwrap();
    for path in ["/dev/null", file.to_str().unwrap()] {
        let output = hadiag(&["serial", path]);
        let expected = format!("{path}: critical: this is no serial port");
        assert_eq!((code(&output), first(&output)), (2, expected));
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "beats\n");
}

/// This test has it open, as somebody else. Only root sees that of each user.
#[test]
fn a_pseudo_terminal_has_no_lines_to_judge() {
    let pair = openpty(None, None).unwrap();
    let path = ttyname(&pair.slave).unwrap();
    let json = json(&hadiag(&["serial", "--json", path.to_str().unwrap()]));
    let findings = json["reports"][0]["findings"].as_array().unwrap();
    let told = |what: &str| findings.iter().any(|finding| finding["what"] == what);
    let unseen = told("who has it open cannot be seen") || told("the port may not be read");
    assert!(unseen || told("the port has no modem lines"), "{json}");
}

/// Whatever it is called, a name is compared and nothing else.
#[test]
fn an_interface_that_is_not_there_is_critical() {
    let long = "x".repeat(1000);
    for name in ["no-such-card", "../../etc/passwd", "", &long] {
        let output = hadiag(&["ether", name]);
        let expected = format!("{name}: critical: there is no such interface");
        assert_eq!((code(&output), first(&output)), (2, expected));
    }
}

#[test]
fn the_loopback_interface_leads_nowhere() {
    let output = hadiag(&["ether", "--active", "lo"]);
    let expected = "lo: warning: it leads to this machine alone";
    assert_eq!((code(&output), &*first(&output)), (1, expected));
}

#[test]
fn this_machine_has_the_address_of_its_loopback_interface() {
    for options in [&["arp"][..], &["arp", "--active"]] {
        let output = hadiag(&[options, &["127.0.0.1"]].concat());
        let expected = "127.0.0.1: ok: this machine has it, on lo";
        assert_eq!((code(&output), &*first(&output)), (0, expected));
    }
}

#[test]
fn who_has_an_address_is_not_asked_on_an_interface_that_is_not_there() {
    let output = hadiag(&["arp", "--interface", "no-such-card", "127.0.0.2"]);
    let expected = "127.0.0.2: critical: there is no such interface to ask on";
    assert_eq!((code(&output), &*first(&output)), (2, expected));
}

#[test]
fn an_address_that_is_none_is_unknown() {
    let output = hadiag(&["arp", "bob"]);
    let expected = "bob: unknown: bob is no address of IPv4 or IPv6";
    assert_eq!((code(&output), &*first(&output)), (3, expected));
    let output = hadiag(&["ether", "--to", "bob", "lo"]);
    let expected = "lo: unknown: bob is no address of IPv4 or IPv6";
    assert_eq!((code(&output), &*first(&output)), (3, expected));
}

#[test]
fn verdict_and_exit_code_are_the_same_in_text_and_json() {
    let output = hadiag(&["serial", "--json", MISSING, "/dev/null"]);
    assert_eq!(code(&output), 2);
    let json = json(&output);
    assert_eq!(
        (&json["check"], &json["verdict"]),
        (&"serial".into(), &"critical".into())
    );
    let report = &json["reports"][0];
    assert_eq!(
        (&report["object"], &report["verdict"]),
        (&MISSING.into(), &"critical".into())
    );
    assert_eq!(report["findings"][0]["severity"], "critical");
    assert_eq!(report["findings"][0]["object"], MISSING);
    assert_eq!(json["reports"].as_array().unwrap().len(), 2);
    let output = hadiag(&["serial", MISSING, "/dev/null"]);
    assert_eq!(first(&output), "critical: 2 critical");
}

#[test]
fn mon_gets_the_failing_ports_sorted_on_a_line_and_the_rest_below() {
    let output = hadiag(&["serial", "--mon", "/dev/null", MISSING]);
    assert_eq!(
        (code(&output), first(&output)),
        (1, format!("{MISSING} /dev/null"))
    );
    assert!(text(&output).contains("there is no such port"));
    let nothing = hadiag(&["serial", "--mon"]);
    assert_eq!((code(&nothing), first(&nothing)), (0, String::new()));
}

#[test]
fn the_name_of_the_program_chooses_form_and_check() {
    let folder = scratch("names");
    let named = |name: &str, words: &[&str]| {
        let path = folder.join(name);
        symlink(PROGRAM, &path).unwrap();
        run(&path, words)
    };
    let output = named("serial.monitor", &[MISSING]);
    assert_eq!((code(&output), first(&output)), (1, MISSING.to_owned()));
    let output = named("check_serial", &[MISSING]);
    let expected = format!("SERIAL CRITICAL - {MISSING}: there is no such port");
    assert_eq!((code(&output), first(&output)), (2, expected.clone()));
    let output = named("check_hadiag", &["serial", MISSING]);
    assert_eq!((code(&output), first(&output)), (2, expected));
}

/// A port that is not there stands in it.
#[test]
fn all_looks_at_what_the_configuration_names() {
    let folder = scratch("all");
    let directory = folder.to_str().unwrap();
    fs::write(
        folder.join("ha.cf"),
        format!("node a b\nserial {MISSING}\n"),
    )
    .unwrap();
    let keys = folder.join("authkeys");
    fs::write(&keys, "auth 1\n1 sha1 a-long-enough-key\n").unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    let output = hadiag(&["all", "--config", directory, "--json"]);
    assert_eq!(code(&output), 2);
    let json = json(&output);
    let reports = json["reports"].as_array().unwrap();
    assert_eq!(
        (&reports[0]["object"], &reports[0]["verdict"]),
        (&directory.into(), &"ok".into())
    );
    let port = reports.iter().find(|report| report["check"] == "serial");
    assert_eq!(port.unwrap()["object"], MISSING);
    let output = hadiag(&["all", "--config", "/no/such/directory"]);
    assert!(text(&output).contains("/no/such/directory: unknown: there is no configuration"));
}

#[test]
fn wrong_usage_ends_with_3_where_each_form_looks_for_it() {
    for words in [
        &[][..],
        &["serial"],
        &["cable"],
        &["serial", "--strict", MISSING],
        &["serial", "-t", "0", MISSING],
    ] {
        let output = hadiag(words);
        assert_eq!(
            (code(&output), text(&output)),
            (3, String::new()),
            "{words:?}"
        );
        assert!(!output.stderr.is_empty());
    }
    let output = hadiag(&["serial", "--nagios", "-w", "x", MISSING]);
    assert_eq!(code(&output), 3);
    assert!(
        first(&output).starts_with("HADIAG UNKNOWN - "),
        "{}",
        first(&output)
    );
    assert_eq!(code(&hadiag(&["serial", "--mon", "--wrong"])), 3);
}

#[test]
fn help_version_and_explanation_look_at_nothing() {
    for words in [
        &["--help"][..],
        &["-h"],
        &["--version"],
        &["serial", "-h"],
        &["serial", "-V"],
        &["serial", "--explain"],
    ] {
        let output = hadiag(words);
        assert_eq!(code(&output), 0, "{words:?}");
        assert!(!output.stdout.is_empty(), "{words:?}");
    }
    let widest = |words: &[&str]| {
        text(&hadiag(words))
            .lines()
            .map(|line| line.chars().count())
            .max()
    };
    assert!(widest(&["serial", "--explain"]) <= Some(120));
}

fn hadiag(words: &[&str]) -> Output {
    run(Path::new(PROGRAM), words)
}

fn run(program: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null());
    command.output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn first(output: &Output) -> String {
    text(output).lines().next().unwrap_or_default().to_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// An empty folder of this test.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hadiag-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}
