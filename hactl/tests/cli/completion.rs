//! Completion: what each shell is offered, with a daemon, without one, and with one that hangs.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::cli::server::{Answer, Server};
use crate::cli::stories;
use crate::{bare, ends, text};

/// What `shell` is offered for the last of `words`.
fn offered(server: &Server, shell: &str, words: &str) -> Vec<String> {
    let words: Vec<&str> = words.split(' ').collect();
    let output = bare(&["--"])
        .args(&words)
        .env("HACTL_COMPLETE", shell)
        .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
        .env("_CLAP_IFS", "\n")
        .env("HBD_SOCKET", server.path())
        .output()
        .unwrap();
    ends(&output, 0);
    assert_eq!(text(&output.stderr), "");
    // What follows a tab or a colon explains.
    let word = |line: &str| line.split(['\t', ':']).next().unwrap().trim().to_owned();
    text(&output.stdout).lines().map(word).collect()
}

#[test]
fn each_shell_is_offered_verbs_columns_and_the_names_of_the_running_daemon() {
    let server = Server::start(Answer::Snapshot(stories::with_groups()));
    for shell in ["bash", "zsh", "fish"] {
        let offered = |words| offered(&server, shell, words);
        assert_eq!(offered("hactl even"), ["events"], "{shell}");
        assert_eq!(offered("hactl nodes b"), ["bob"], "{shell}");
        assert_eq!(offered("hactl events --node c"), ["carol"], "{shell}");
        assert_eq!(offered("hactl is-member a"), ["alice"], "{shell}");
        assert_eq!(offered("hactl is-owner ma"), ["mail"], "{shell}");
        assert_eq!(offered("hactl explain hbg"), ["hbgenmethod"], "{shell}");
        assert_eq!(offered("hactl keygen --method m"), ["md5"], "{shell}");
    }
}

#[test]
fn a_list_is_completed_behind_its_last_comma() {
    let server = Server::start(Answer::Snapshot(stories::in_order()));
    for shell in ["bash", "zsh", "fish"] {
        let offered = |words| offered(&server, shell, words);
        assert_eq!(
            offered("hactl links -o link,stat"),
            ["link,status"],
            "{shell}"
        );
        let kinds = offered("hactl events --kind node-status,link-o");
        assert_eq!(kinds, ["node-status,link-one-way"], "{shell}");
    }
}

#[test]
fn a_socket_is_completed_on_its_way_and_no_other_file_is() {
    let server = Server::start(Answer::Snapshot(stories::in_order()));
    let path = server.path();
    let other = path.with_extension("sock-of-nobody");
    std::fs::write(&other, "").unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let line = format!("hactl --socket {}", path.with_extension("so").display());
        assert_eq!(offered(&server, shell, &line), [path.to_str().unwrap()]);
    }
    std::fs::remove_file(other).unwrap();
}

#[test]
fn a_condition_is_completed_word_for_word() {
    let server = Server::start(Answer::Snapshot(stories::in_order()));
    let offered = |words| offered(&server, "fish", words);
    assert_eq!(offered("hactl wait-for com"), ["communication-up"]);
    assert_eq!(offered("hactl wait-for node b"), ["bob"]);
    assert_eq!(offered("hactl wait-for node bob d"), ["dead"]);
    let links = offered("hactl wait-for link bob/");
    assert_eq!(links, ["bob/eth0", "bob/eth1"]);
    assert_eq!(offered("hactl wait-for link bob/eth0 on"), ["one-way"]);
    assert_eq!(
        offered("hactl wait-for event jeop"),
        ["jeopardy", "jeopardy-over"]
    );
}

#[test]
fn a_daemon_that_does_not_answer_offers_nothing_says_nothing_and_holds_nobody_up() {
    for answer in [Answer::Silence, Answer::HangUp] {
        let server = Server::start(answer);
        let begin = Instant::now();
        assert_eq!(
            offered(&server, "bash", "hactl is-member a"),
            [] as [&str; 0]
        );
        // Five times what it may take.
        assert!(begin.elapsed() < Duration::from_millis(1500));
    }
}

#[test]
fn the_socket_that_the_line_names_is_asked() {
    let silent = Server::start(Answer::HangUp);
    let server = Server::start(Answer::Snapshot(stories::in_order()));
    let path = server.path().to_str().unwrap();
    for line in [
        format!("hactl --socket {path} is-member a"),
        format!("hactl is-member --socket={path} a"),
    ] {
        assert_eq!(offered(&silent, "fish", &line), ["alice"], "{line}");
    }
}

#[test]
fn bash_accepts_its_script_and_completes_with_it() {
    let server = Server::start(Answer::Snapshot(stories::in_order()));
    let script = "PATH=\"$(dirname \"$0\"):$PATH\"; source <(hactl completion bash); \
                  COMP_WORDS=(hactl nodes b); COMP_CWORD=2; COMP_TYPE=9; \
                  _clap_complete_hactl hactl b nodes; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_hactl")])
        .env("HBD_SOCKET", server.path())
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "bob\n", "{}", text(&output.stderr));
}

#[test]
fn the_scripts_of_all_shells_ask_the_hactl_of_the_path() {
    for shell in ["bash", "zsh", "fish"] {
        let output = bare(&["completion", shell]).output().unwrap();
        ends(&output, 0);
        let script = text(&output.stdout);
        assert!(script.contains("HACTL_COMPLETE"), "{script}");
        assert!(!script.contains("/target/"), "{script}");
    }
}
