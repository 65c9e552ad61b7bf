//! `hactl` as a person runs it, against a socket that answers from a script.
//!
//! What it writes is compared with `tests/expected/NAME.txt`; `UPDATE=1` rewrites these files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cli {
    mod completion;
    pub(crate) mod expected;
    mod explain;
    mod follow;
    mod groups;
    mod health;
    mod is_member;
    mod keygen;
    mod message;
    mod order;
    mod record;
    mod report;
    pub(crate) mod server;
    pub(crate) mod stories;
    mod timers;
    mod upgrade;
    mod wait_for;
    mod watch;
}

use std::io::Read;
use std::process::{Command, Output, Stdio};

use cli::expected::matches_file;
use cli::server::{Answer, Server};
use cli::stories;
use shared::api::{ErrorCode, Snapshot};

#[test]
fn status_of_a_cluster_in_order() {
    shows("status-in-order", &["status"], stories::in_order());
}

#[test]
fn status_says_first_what_is_wrong_and_then_what_to_do() {
    shows("status-in-trouble", &["status"], stories::in_trouble());
}

#[test]
fn status_with_dates_in_place_of_ages() {
    let args = ["status", "--absolute"];
    shows("status-absolute", &args, stories::in_trouble());
}

#[test]
fn status_for_scripts() {
    let args = ["status", "--plain"];
    shows("status-plain", &args, stories::in_trouble());
}

#[test]
fn status_as_json_is_verdict_view_and_counters() {
    let args = ["status", "--json"];
    shows("status-json", &args, stories::in_trouble());
}

#[test]
fn status_in_colour_when_it_is_forced() {
    let server = Server::start(Answer::Snapshot(stories::in_trouble()));
    let output = hactl(&server, &["status"])
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap();
    matches_file(
        "status-colour",
        &text(&output.stdout).replace('\x1b', "ESC"),
    );
}

#[test]
fn status_before_the_core_runs() {
    shows("status-no-core", &["status"], Snapshot::default());
}

#[test]
fn status_admits_that_its_counters_are_old() {
    shows("status-stale", &["status"], stories::stale());
}

#[test]
fn nodes_as_a_table() {
    shows("nodes", &["nodes"], stories::in_trouble());
}

#[test]
fn nodes_with_all_columns_of_one_node() {
    let args = ["nodes", "carol", "-o", "all", "--plain"];
    shows("nodes-all", &args, stories::in_trouble());
}

#[test]
fn nodes_as_json() {
    shows("nodes-json", &["nodes", "--json"], stories::in_trouble());
}

#[test]
fn a_node_that_does_not_exist_is_exit_4_and_names_those_that_do() {
    let server = Server::start(Answer::Snapshot(stories::in_order()));
    let output = hactl(&server, &["nodes", "dave"]).output().unwrap();
    ends(&output, 4);
    assert_eq!(
        text(&output.stderr),
        "hactl: dave is no node of this cluster; its nodes are alice, bob, carol\n"
    );
}

#[test]
fn links_as_a_table() {
    shows("links", &["links"], stories::in_trouble());
}

#[test]
fn links_with_chosen_columns_and_no_headings() {
    let args = [
        "links",
        "bob",
        "-o",
        "link,status,lost_percent",
        "--no-headers",
    ];
    shows("links-chosen", &args, stories::in_trouble());
}

#[test]
fn links_one_json_object_a_line() {
    shows("links-jsonl", &["links", "--jsonl"], stories::in_trouble());
}

#[test]
fn events_as_a_table() {
    let server = Server::start(Answer::Events(stories::events()));
    let output = run(&server, &["events"]);
    matches_file("events", &text(&output.stdout));
}

#[test]
fn events_of_a_severity_and_kind() {
    let server = Server::start(Answer::Events(stories::events()));
    let output = run(
        &server,
        &["events", "--severity", "warning", "--kind", "link-status"],
    );
    matches_file("events-filtered", &text(&output.stdout));
}

#[test]
fn events_since_a_time_about_an_object() {
    let server = Server::start(Answer::Events(stories::events()));
    let rows = |arguments: &[&str]| {
        let words = [&["events", "-o", "id", "--no-headers"], arguments].concat();
        text(&run(&server, &words).stdout).lines().count()
    };
    let all = rows(&[]);
    assert_eq!(rows(&["--since", "1970-01-01"]), all);
    assert_eq!(rows(&["--until", "1970-01-01"]), 0);
    assert_eq!(rows(&["--since", "1s"]), 0, "the story is old");
    assert_eq!(rows(&["--since", "90000d"]), all);
    let bob = rows(&["--object", "bob"]);
    assert!(0 < bob && bob < all, "{bob}");
    assert_eq!(rows(&["--object", "node bob"]), bob);
}

#[test]
fn what_is_no_time_and_no_event_is_answered_with_an_example() {
    let server = Server::start(Answer::Silence);
    for (option, word, example) in [
        ("--since", "yesterday", "2026-11-22T11:00 (UTC)"),
        ("--cause", "17", "NODE:GENERATION.COUNTER"),
    ] {
        let output = hactl(&server, &["events", option, word]).output().unwrap();
        let told = text(&output.stderr);
        assert!(told.contains(word) && told.contains(example), "{told}");
    }
}

#[test]
fn an_event_of_an_unknown_kind_is_shown_with_its_text() {
    let server = Server::start(Answer::Raw(vec![
        r#"{"id":1,"ok":{"events":[{"id":"alice:9.1","boot_ns":5,"wall_ns":0,"time":null,
"severity":"notice","object":"daemon","kind":"teleported","data":{"to":"mars"},
"text":"alice was moved to mars"}]}}"#
            .replace('\n', ""),
    ]));
    let output = run(&server, &["events", "-o", "kind,text"]);
    assert_eq!(
        text(&output.stdout),
        "KIND        EVENT\nteleported  alice was moved to mars\n"
    );
}

#[test]
fn what_a_packet_claims_cannot_steer_the_terminal() {
    let server = Server::start(Answer::Events(vec![stories::hostile_event()]));
    let output = run(&server, &["events", "-o", "text", "--no-headers"]);
    let shown = text(&output.stdout);
    assert!(!shown.contains('\x1b'), "{shown:?}");
    assert!(shown.contains("\\u{1b}[2J"), "{shown:?}");
}

#[test]
fn events_between_two_bounds_the_wrong_way_round_are_refused() {
    let server = Server::start(Answer::Events(stories::events()));
    for words in [
        ["--since", "1h", "--until", "2h"],
        ["--since", "2026-11-22", "--until", "2026-11-21"],
        ["--since", "alice:7.9", "--until", "alice:7.8"],
    ] {
        let output = hactl(&server, &["events"]).args(words).output().unwrap();
        ends(&output, 2);
        let said = text(&output.stderr);
        assert!(said.contains("later than --until"), "{said}");
    }
}

#[test]
fn an_object_that_nobody_knows_is_told() {
    let server = Server::start(Answer::Events(stories::events()));
    let output = hactl(&server, &["events", "--object", "nix"])
        .output()
        .unwrap();
    ends(&output, 0);
    let said = text(&output.stderr);
    let expected =
        "hactl: no event is about \"nix\"; there are hbd, node alice, node bob, node carol, ";
    assert!(said.starts_with(expected), "{said}");
    assert!(said.contains("and links such as link bob/eth0"), "{said}");
    for known in ["bob", "link carol/eth1", "hbd", "medium eth0"] {
        let output = run(&server, &["events", "--object", known]);
        assert_eq!(text(&output.stderr), "", "{known}");
    }
}

#[test]
fn check_of_a_valid_directory_needs_no_daemon_and_ends_with_0() {
    let directory = Directory::new("node alice bob\nbcast eth0\n");
    let output = directory.check(&["--strict"]);
    ends(&output, 0);
    assert_eq!(text(&output.stdout), ".: valid\n");
}

#[test]
fn check_shows_everything_that_is_wrong_at_once_and_ends_with_8() {
    let directory = Directory::new("nodes alice\nkeepalive soon\nbcast eth0\n");
    let output = directory.check(&[]);
    ends(&output, 8);
    let shown = text(&output.stdout);
    for part in [
        "error[unknown-directive]",
        "did you mean `node`?",
        "error[bad-time]",
        ".: invalid, 2 errors\n",
    ] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
}

#[test]
fn check_ends_with_1_for_warnings_only_if_strict() {
    let directory = Directory::new("node alice\nbcast eth0\ndebug 1\n");
    ends(&directory.check(&[]), 0);
    ends(&directory.check(&["--strict"]), 1);
}

#[test]
fn check_as_json_holds_no_key() {
    let directory = Directory::new("node alice\nbcast eth0\ndebug 1\n");
    let output = directory.check(&["--json"]);
    let shown = text(&output.stdout);
    let report: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(report["valid"], true);
    assert_eq!(report["warnings"], 1);
    assert!(!shown.contains(KEY), "{shown}");
}

#[test]
fn check_of_a_directory_that_is_not_there_is_no_verdict_on_a_configuration() {
    let output = bare(&["check", "/nonexistent"]).output().unwrap();
    ends(&output, 4);
    assert!(text(&output.stderr).contains("/nonexistent does not exist"));
}

#[test]
fn whoever_wants_to_check_for_another_node_is_told_of_nodeinfo() {
    let output = bare(&["check", "--node", "bob"]).output().unwrap();
    ends(&output, 2);
    let said =
        "the first line of nodeinfo beside ha.cf says whose files these are; write bob there";
    assert!(text(&output.stderr).contains(said), "{output:?}");
}

/// A pair as people have them, with all that hbd does otherwise.
const OLD_PAIR: &str = "\
# mail
use_logd yes
logfacility local0
keepalive 1
deadtime 10
udpport 694
bcast eth0
serial /dev/ttyS0
auto_failback legacy
node alice bob
ping 10.0.0.1
respawn root /usr/lib/heartbeat/ipfail
respawn root /usr/lib/heartbeat/hbagent
apiauth ipfail uid=root
stonith_host * external/ipmi bob 10.0.0.12 admin very-secret lan
";

fn old_pair() -> Directory {
    let directory = Directory::new(OLD_PAIR);
    directory.put("authkeys", "auth 1\n1 crc\n2 md5 an-older-key\n");
    let groups = "alice 10.0.0.50/24/eth0 Filesystem::/dev/sdb1::/srv::ext4 \\\n    postfix\n";
    directory.put("haresources", groups);
    directory
}

#[test]
fn migrate_shows_each_line_with_what_becomes_of_it_and_ends_with_7_if_something_must_change() {
    let output = old_pair().run("migrate", &[]);
    ends(&output, 7);
    assert_eq!(text(&output.stderr), "");
    matches_file("migrate", &text(&output.stdout));
}

#[test]
fn migrate_as_json() {
    let output = old_pair().run("migrate", &["--json"]);
    ends(&output, 7);
    matches_file("migrate-json", &text(&output.stdout));
}

#[test]
fn migrate_shows_no_key_and_no_password() {
    for format in ["--color=never", "--json"] {
        let shown = text(&old_pair().run("migrate", &[format]).stdout);
        for secret in ["an-older-key", "very-secret"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn migrate_of_a_pair_that_can_go_over_as_it_is_ends_with_0() {
    let directory = Directory::new("node alice bob\nbcast lo\nauto_failback off\n");
    directory.put("haresources", "alice 10.0.0.50/24/eth0 storage\n");
    let output = directory.run("migrate", &[]);
    ends(&output, 0);
    let shown = text(&output.stdout);
    let last = "\n.: nothing must change. hbd-migration(7) has the steps.\n";
    assert!(shown.ends_with(last), "{shown}");
}

#[test]
fn migrate_finds_scripts_that_are_not_there_if_it_may_look() {
    let directory = Directory::new("node alice bob\nbcast lo\nauto_failback off\n");
    directory.put("nodeinfo", "alice\n");
    directory.put("haresources", "alice no-such-script\n");
    ends(&directory.run("migrate", &[]), 0);
    let output = directory.run("migrate", &["--machine"]);
    ends(&output, 7);
    let shown = text(&output.stdout);
    assert!(
        shown.contains("haresources:1  alice no-such-script"),
        "{shown}"
    );
}

#[test]
fn migrate_of_a_directory_that_is_not_there_ends_with_4() {
    let output = bare(&["migrate", "/nonexistent"]).output().unwrap();
    ends(&output, 4);
    assert!(text(&output.stderr).contains("/nonexistent does not exist"));
}

#[test]
fn nobody_at_the_socket_is_exit_3_and_names_socket_and_remedy() {
    let output = bare(&["--socket", "/nonexistent/hbd.sock", "status"])
        .output()
        .unwrap();
    ends(&output, 3);
    assert_eq!(text(&output.stdout), "");
    matches_file("unreachable", &text(&output.stderr));
}

#[test]
fn the_environment_names_the_socket_and_the_command_line_goes_before_it() {
    let server = Server::start(Answer::Snapshot(stories::in_order()));
    let output = bare(&["nodes", "-o", "node"])
        .env("HBD_SOCKET", server.path())
        .output()
        .unwrap();
    ends(&output, 0);
    let output = bare(&["nodes", "--socket", "/nonexistent/other.sock"])
        .env("HBD_SOCKET", server.path())
        .output()
        .unwrap();
    ends(&output, 3);
    assert!(text(&output.stderr).contains("/nonexistent/other.sock"));
}

#[test]
fn a_refusal_is_exit_5_and_shows_the_daemons_words() {
    let server = Server::start(Answer::Refusal(
        ErrorCode::NotPermitted,
        "uid 65534 may not observe; add to ha.cf: apiauth hbd-observe uid=nobody",
    ));
    let output = hactl(&server, &["status"]).output().unwrap();
    ends(&output, 5);
    assert!(text(&output.stderr).contains("apiauth hbd-observe uid=nobody"));
}

#[test]
fn a_daemon_that_says_nothing_is_given_up_in_time() {
    let server = Server::start(Answer::Silence);
    let output = hactl(&server, &["status", "--timeout", "50ms"])
        .output()
        .unwrap();
    ends(&output, 6);
    assert!(text(&output.stderr).contains("within 50 ms"));
}

#[test]
fn a_reader_who_has_had_enough_is_no_failure() {
    let server = Server::start(Answer::Events(stories::many_events()));
    let mut child = hactl(&server, &["events", "-n", "100000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 16];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    ends(&output, 0);
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_full_disk_is_a_failure() {
    let server = Server::start(Answer::Snapshot(stories::in_order()));
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = hactl(&server, &["status"]).stdout(full).output().unwrap();
    ends(&output, 1);
    assert!(text(&output.stderr).contains("cannot write to standard output"));
}

#[test]
fn closed_outputs_are_no_reason_to_panic() {
    let server = Server::start(Answer::Snapshot(stories::in_order()));
    let line = "exec \"$0\" \"$@\" >&- 2>&-";
    let status = Command::new("sh")
        .args(["-c", line, env!("CARGO_BIN_EXE_hactl")])
        .args(["status", "--socket"])
        .arg(server.path())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn without_a_verb_the_help_with_its_examples_comes_on_standard_error() {
    let output = bare(&[]).output().unwrap();
    ends(&output, 2);
    matches_file("help", &text(&output.stderr));
}

#[test]
fn every_verb_has_help_with_examples_before_the_options() {
    let help = text(&bare(&["--help"]).output().unwrap().stdout);
    let verbs = help.split("Verbs:\n").nth(1).unwrap().lines();
    let verbs = verbs.take_while(|line| !line.is_empty());
    let verbs = verbs.filter(|line| !line.starts_with("   "));
    let names = verbs.map(|line| line.split_whitespace().next().unwrap());
    for verb in names.filter(|name| *name != "help") {
        for wish in ["-h", "--help"] {
            let output = bare(&[verb, wish]).output().unwrap();
            ends(&output, 0);
            let help = text(&output.stdout);
            let examples = help.find("Examples:\n  ");
            let options = help.find("Options:").or(help.find("Options of"));
            assert!(
                examples.is_some() && examples < options,
                "{verb} {wish}: {help}"
            );
        }
    }
    let output = bare(&["links", "--help"]).output().unwrap();
    matches_file("help-links", &text(&output.stdout));
}

#[test]
fn a_misspelt_word_is_answered_with_the_right_one() {
    for (args, wanted) in [
        (&["staus"][..], "'status'"),
        (&["nodes", "--jsno"], "'--json'"),
        (&["links", "-o", "statsu"], "'status'"),
        (&["events", "--kind", "node-staus"], "'node-status'"),
        (&["events", "--severity", "warnin"], "'warning'"),
        (&["record", "--forse", "x"], "'--force'"),
        (&["completion", "bsh"], "'bash'"),
    ] {
        let output = bare(args).output().unwrap();
        ends(&output, 2);
        let said = text(&output.stderr);
        assert!(
            said.contains("similar") && said.contains(wanted),
            "{args:?}: {said}"
        );
    }
}

#[test]
fn a_moment_or_an_event_that_is_none_is_answered_with_what_may_be_written() {
    for (args, wanted) in [
        (
            &["events", "--since", "yesterday"],
            "2026-11-22T11:00 (UTC)",
        ),
        (&["events", "--cause", "17"], "NODE:GENERATION.COUNTER"),
    ] {
        let output = bare(args).output().unwrap();
        ends(&output, 2);
        let said = text(&output.stderr);
        assert!(said.contains(wanted), "{args:?}: {said}");
    }
}

#[test]
fn orders_that_are_not_built_are_unknown() {
    for verb in ["quorum", "elect", "update", "remove"] {
        let output = bare(&[verb]).output().unwrap();
        ends(&output, 2);
        assert!(
            text(&output.stderr).contains("unrecognized subcommand"),
            "{verb}"
        );
    }
}

#[test]
fn formats_that_contradict_each_other_are_usage_errors() {
    for args in [
        &["nodes", "--json", "--plain"][..],
        &["links", "--jsonl", "-o", "link"],
        &["events", "--follow", "--json"],
        &["status", "--timeout", "0"],
        &["status", "--timeout", "soon"],
    ] {
        let output = bare(args).output().unwrap();
        ends(&output, 2);
    }
}

const KEY: &str = "a-long-enough-key";

/// A configuration directory for as long as a test runs.
struct Directory(std::path::PathBuf);

impl Directory {
    fn new(ha_cf: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hactl-check-{}-{count}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("ha.cf"), ha_cf).unwrap();
        let keys = path.join("authkeys");
        std::fs::write(&keys, format!("auth 1\n1 sha1 {KEY}\n")).unwrap();
        std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o600)).unwrap();
        Self(path)
    }

    fn path(&self) -> &std::path::Path {
        &self.0
    }

    /// Writes a file that only its owner may read.
    fn put(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn check(&self, args: &[&str]) -> Output {
        self.run("check", args)
    }

    /// Looks at it from inside, so that no path of this run is shown.
    fn run(&self, verb: &str, args: &[&str]) -> Output {
        let mut command = bare(&[verb, "."]);
        command.args(args).current_dir(&self.0).output().unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Compares what a verb shows of a snapshot with a file.
fn shows(file: &str, args: &[&str], snapshot: Snapshot) {
    let server = Server::start(Answer::Snapshot(snapshot));
    let output = run(&server, args);
    matches_file(file, &text(&output.stdout));
}

/// Runs a verb that succeeds and says nothing besides.
fn run(server: &Server, args: &[&str]) -> Output {
    let output = hactl(server, args).output().unwrap();
    assert_eq!(text(&output.stderr), "");
    ends(&output, 0);
    output
}

fn hactl(server: &Server, args: &[&str]) -> Command {
    let mut command = bare(args);
    command.arg("--socket").arg(server.path());
    command
}

/// `hactl` in an environment that says nothing.
fn bare(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hactl"));
    command
        .args(args)
        .env_clear()
        .env("TERM", "xterm")
        .env("COLUMNS", "100")
        .stdin(Stdio::null());
    command
}

fn ends(output: &Output, code: i32) {
    assert_eq!(
        output.status.code(),
        Some(code),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
