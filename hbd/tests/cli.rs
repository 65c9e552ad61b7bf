//! `hbd` as a person starts it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const HA_CF: &str = "node alice bob\nudpport 17694\nbcast lo\n";
const KEYS: &str = "auth 1\n1 sha1 a-key-for-this-test\n";

#[test]
fn help_shows_examples_and_hides_what_only_hbd_itself_calls() {
    let output = hbd(&["--help"]);
    assert!(output.status.success());
    let text = stdout(&output);
    for part in [
        "--config <DIR>",
        "--state",
        "--run",
        "--node",
        "--check",
        "Examples:",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    for hidden in ["core", "  act "] {
        assert!(!text.contains(hidden), "{text}");
    }
}

#[test]
fn version_is_the_packages() {
    let output = hbd(&["--version"]);
    assert_eq!(
        stdout(&output),
        concat!("hbd ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn unknown_words_are_usage_errors() {
    for words in [&["--confg", "x"][..], &["explode"], &["--node", "a b"]] {
        assert_eq!(hbd(words).status.code(), Some(2), "{words:?}");
    }
}

#[test]
fn check_accepts_a_valid_configuration() {
    let place = Place::new(HA_CF);
    let output = place.hbd(&["--node", "alice", "--check"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout(&output).contains("valid"));
}

#[test]
fn check_tells_everything_that_is_wrong_and_ends_with_8() {
    let place = Place::new("node alice bob\nkeepalive 0\nbcats lo\n");
    let output = place.hbd(&["--node", "alice", "--check"]);
    assert_eq!(output.status.code(), Some(8));
    let text = stdout(&output);
    assert!(text.contains("keepalive"), "{text}");
    assert!(text.contains("bcast"), "a suggestion:\n{text}");
}

#[test]
fn a_reader_that_hangs_up_changes_no_exit_code() {
    let place = Place::new("node alice bob\nkeepalive 0\nbcats lo\n");
    for words in [&["--node", "alice", "--check"][..], &["--node", "alice"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = place
            .command(words)
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(8), "{words:?}");
    }
}

#[test]
fn a_configuration_with_errors_is_not_started() {
    let place = Place::new("node alice bob\nkeepalive 0\nbcats lo\n");
    let output = place.hbd(&["--node", "alice"]);
    assert_eq!(output.status.code(), Some(8));
    let text = stderr(&output);
    assert!(
        text.contains("keepalive") && text.contains("bcast"),
        "{text}"
    );
    assert!(!place.0.join("run").exists(), "nothing was made");
}

#[test]
fn a_node_that_is_not_configured_is_not_started() {
    let place = Place::new(HA_CF);
    let output = place.hbd(&["--node", "carol"]);
    assert_eq!(output.status.code(), Some(8));
    assert!(stderr(&output).contains("carol"));
}

#[test]
fn the_name_in_nodeinfo_is_the_nodes() {
    let place = Place::new(HA_CF);
    fs::write(place.0.join("conf/nodeinfo"), "Carol\n").unwrap();
    let output = place.hbd(&["--check"]);
    assert_eq!(output.status.code(), Some(8));
    assert!(stdout(&output).contains("carol"), "{}", stdout(&output));
}

#[test]
fn a_state_directory_that_cannot_be_made_is_named_with_a_remedy() {
    let place = Place::new(HA_CF);
    fs::write(place.0.join("state"), "a file").unwrap();
    let output = place.hbd(&["--node", "alice"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("state"), "{text}");
    assert_eq!(fs::read_dir(place.0.join("run")).unwrap().count(), 0);
}

#[test]
fn a_corrupt_identity_stops_the_start_and_leaves_nothing_behind() {
    let place = Place::new(HA_CF);
    fs::create_dir(place.0.join("state")).unwrap();
    fs::write(place.0.join("state/hb_uuid"), "short").unwrap();
    let output = place.hbd(&["--node", "alice"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("hb_uuid holds no identity"), "{text}");
    assert_eq!(fs::read_dir(place.0.join("run")).unwrap().count(), 0);
}

#[test]
fn the_example_of_the_manual_is_valid_as_typed() {
    let place = Place::new(HA_CF);
    let page = include_str!("../../man/hbd.8");
    let examples = page.split(".Sh EXAMPLES").nth(1).unwrap();
    let examples = examples.split(".Sh ").next().unwrap();
    let lines: Vec<_> = examples
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .map(|line| line.replace(" &", " --check"))
        .collect();
    let starts = lines.iter().filter(|line| line.starts_with("hbd ")).count();
    assert_eq!(starts, 2, "{lines:#?}");
    let program = Path::new(env!("CARGO_BIN_EXE_hbd")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-e", "-c", &lines.join("\n")])
        .env("PATH", path)
        .current_dir(&place.0)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = stdout(&output);
    for line in ["./a: valid", "./b: valid"] {
        assert!(said.lines().any(|said| said == line), "{said}");
    }
}

#[test]
fn check_of_a_configuration_with_errors_predicts_nothing() {
    let place = Place::new("node alice bob\nkeepalive 0\nbcast lo\n");
    let output = place.hbd(&["--node", "alice", "--check"]);
    assert!(!stdout(&output).contains("would do without"));
}

#[test]
fn realtime_that_is_off_lacks_nothing_but_a_user() {
    let place = Place::new(&format!("{HA_CF}realtime off\n"));
    let text = stdout(&place.hbd(&["--node", "alice", "--check"]));
    let lacks: Vec<_> = text.lines().filter(|line| line.starts_with("  ")).collect();
    let about_the_user = |line: &&str| line.contains("user") || line.contains("    -> ");
    assert!(lacks.iter().all(about_the_user), "{text}");
}

#[test]
fn check_warns_of_logs_that_cannot_be_written_with_a_remedy_and_makes_none() {
    let directory = Place::new(HA_CF);
    let missing = directory.0.join("none/hbd.log");
    let fine = directory.0.join("hbd.debug");
    let place = Place::new(&format!(
        "{HA_CF}logfile {}\ndebugfile {}\nlogfacility daemon\n",
        missing.display(),
        fine.display()
    ));
    let syslog = directory.0.join("no-logger");
    let words = ["--node", "alice", "--check", "--syslog"];
    let text = stdout(&place.command(&words).arg(&syslog).output().unwrap());
    for part in [
        format!("  the log in {}: ", missing.display()),
        format!("-> mkdir -p {}", missing.parent().unwrap().display()),
        format!("  the log in syslog: {}: ", syslog.display()),
        "-> start a syslog daemon".to_owned(),
    ] {
        assert!(text.contains(&part), "{part} is missing:\n{text}");
    }
    assert!(
        !text.contains(&format!("the log in {}", fine.display())),
        "{text}"
    );
    assert!(!fine.exists(), "nothing was made");

    let occupied = directory.0.join("conf");
    let place = Place::new(&format!("{HA_CF}logfile {}\n", occupied.display()));
    let text = stdout(&place.hbd(&["--node", "alice", "--check"]));
    let expected = format!("the log in {}: it is a directory", occupied.display());
    assert!(text.contains(&expected), "{text}");
}

#[test]
fn a_core_that_a_person_starts_says_who_may_start_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_hbd"))
        .args(["core", "--fd", "77", "--run", "run"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("only hbd itself starts a core"));
}

#[test]
fn a_start_that_gets_no_thread_ends_with_what_to_raise() {
    let place = Place::new(HA_CF);
    let program = place.0.join("hbd");
    fs::copy(env!("CARGO_BIN_EXE_hbd"), &program).unwrap();
    // Root has no limit; a user of its own has no other processes.
    let mut command = Command::new("prlimit");
    command.arg("--nproc=1");
    if nix::unistd::geteuid().is_root() {
        give(&place.0, 61_235);
        command.args([
            "setpriv",
            "--reuid=61235",
            "--regid=61235",
            "--clear-groups",
        ]);
    }
    let words = place.command(&["--node", "alice"]);
    let output = command
        .arg(&program)
        .args(words.get_args())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stderr(&output);
    assert!(text.contains("start a thread for"), "{text}");
    assert!(text.contains("raise the limit of processes"), "{text}");
}

fn give(path: &Path, user: u32) {
    std::os::unix::fs::chown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
}

/// A configuration and directories of its own.
struct Place(PathBuf);

impl Place {
    fn new(ha_cf: &str) -> Self {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hbd-cli-{}-{count}", std::process::id()));
        let conf = path.join("conf");
        fs::create_dir_all(&conf).unwrap();
        fs::write(conf.join("ha.cf"), ha_cf).unwrap();
        fs::write(conf.join("authkeys"), KEYS).unwrap();
        fs::set_permissions(conf.join("authkeys"), Permissions::from_mode(0o600)).unwrap();
        Self(path)
    }

    fn hbd(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    fn command(&self, more: &[&str]) -> Command {
        let directory = |name: &str| -> PathBuf { Path::new(&self.0).join(name) };
        let mut command = Command::new(env!("CARGO_BIN_EXE_hbd"));
        command.arg("--config").arg(directory("conf"));
        command.arg("--state").arg(directory("state"));
        command.arg("--run").arg(directory("run"));
        command.args(more);
        command
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn hbd(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hbd"))
        .args(words)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
