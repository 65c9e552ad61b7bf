//! `hactl watch`: on a terminal, elsewhere, and when the daemon comes and goes.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines, Read};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cli::server::{Answer, Server};
use crate::cli::stories;
use crate::{bare, ends, hactl, text};

fn stream(snapshot: shared::api::Snapshot) -> Answer {
    Answer::Stream {
        recent: Vec::new(),
        snapshot,
        then: vec![stories::later_event()],
    }
}

fn hold(snapshot: shared::api::Snapshot) -> Answer {
    Answer::StreamAndHold {
        snapshot,
        then: Box::new(stories::later_event()),
    }
}

fn spawn(server: &Server, args: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = hactl(server, args).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn elsewhere_than_on_a_terminal_each_change_is_a_line() {
    let server = Server::start(Answer::InTurn(vec![
        stream(stories::in_order()),
        hold(stories::in_trouble()),
    ]));
    let (child, mut lines) = spawn(&server, &["watch"]);
    let mut next = || lines.next().unwrap().unwrap();
    let first = next();
    assert!(
        first.ends_with(" ok       alice: 3 of 3 nodes active, all 4 links up"),
        "{first}"
    );
    assert!(first.starts_with("2026-11-22T"), "{first}");
    let lost = next();
    assert!(
        lost.contains(" unreachable hbd ended the connection"),
        "{lost}"
    );
    let back = next();
    assert!(
        back.contains(" error    alice: 2 of 3 nodes active"),
        "{back}"
    );
    end(child);
}

#[test]
fn changes_as_lines_of_json() {
    let server = Server::start(Answer::InTurn(vec![
        stream(stories::in_trouble()),
        Answer::HangUp,
    ]));
    let (child, mut lines) = spawn(&server, &["watch", "--jsonl"]);
    let mut next =
        || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let first = next();
    assert_eq!(first["level"], "error");
    assert!(first["findings"].as_array().unwrap().len() > 3);
    let mut lost = next();
    // What the later event changes may come first.
    if lost["level"] != "unreachable" {
        lost = next();
    }
    assert_eq!(lost["level"], "unreachable");
    assert_eq!(lost["findings"], serde_json::Value::Null);
    end(child);
}

#[test]
fn an_hbd_that_does_not_answer_at_the_start_is_an_error() {
    let output = bare(&["watch", "--socket", "/nonexistent/hbd.sock"])
        .output()
        .unwrap();
    ends(&output, 3);
    assert!(text(&output.stderr).contains("hbd does not run there"));
}

#[test]
fn on_a_terminal_the_screen_is_drawn_again_and_ctrl_c_leaves_nothing_behind() {
    let server = Server::start(Answer::InTurn(vec![
        stream(stories::in_order()),
        Answer::HangUp,
        hold(stories::in_trouble()),
    ]));
    let pty = openpty(None, None).unwrap();
    let mut child = hactl(&server, &["watch"])
        .env("NO_COLOR", "1")
        .stdout(pty.slave)
        .spawn()
        .unwrap();
    let mut screen = Screen::new(File::from(pty.master));
    screen.wait_for("\x1b[?1049h");
    screen.wait_for("alice: 3 of 3 nodes active, all 4 links up");
    screen.wait_for("As it was ");
    screen.wait_for("alice: 2 of 3 nodes active");
    kill(
        Pid::from_raw(child.id().try_into().unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
    screen.wait_for("\x1b[?7h\x1b[?25h\x1b[?1049l");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_terminal_that_is_too_low_shows_what_is_wrong_and_says_what_is_left_out() {
    let server = Server::start(hold(stories::in_trouble()));
    let size = Winsize {
        ws_row: 9,
        ws_col: 120,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(Some(&size), None).unwrap();
    let child = hactl(&server, &["watch"])
        .env("NO_COLOR", "1")
        .stdout(pty.slave)
        .spawn()
        .unwrap();
    let mut screen = Screen::new(File::from(pty.master));
    screen.wait_for("alice: 2 of 3 nodes active");
    let shown = screen.wait_for(" more lines: ");
    assert!(shown.contains("To look at:"), "{shown:?}");
    assert!(!shown.contains("MEDIUM"), "{shown:?}");
    screen.wait_for("findings, nodes, media, times)");
    end(child);
}

/// What comes to a terminal.
struct Screen {
    master: File,
    text: String,
}

impl Screen {
    fn new(master: File) -> Self {
        Self {
            master,
            text: String::new(),
        }
    }

    /// Reads until `wanted` has come, and forgets everything up to its end: what that was.
    fn wait_for(&mut self, wanted: &str) -> String {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(at) = self.text.find(wanted) {
                return self.text.drain(..at + wanted.len()).collect();
            }
            assert!(Instant::now() < end, "no {wanted:?} in {:?}", self.text);
            let mut bytes = [0; 4096];
            let read = self.master.read(&mut bytes).unwrap();
            self.text += &String::from_utf8_lossy(&bytes[..read]);
        }
    }
}
