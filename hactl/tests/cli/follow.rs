//! `hactl events --follow`, also when the daemon ends and comes back.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

use shared::api::ErrorCode;
use shared::event::Event;

use crate::cli::expected::matches_file;
use crate::cli::server::{Answer, Server};
use crate::cli::stories;
use crate::{ends, hactl, text};

#[test]
fn follow_shows_the_last_events_and_then_what_comes() {
    let server = Server::start(once(Answer::Stream {
        recent: stories::events(),
        snapshot: stories::in_trouble(),
        then: vec![stories::later_event()],
    }));
    let output = hactl(&server, &["events", "--follow", "-n", "2"])
        .output()
        .unwrap();
    matches_file("events-follow", &text(&output.stdout));
    ends(&output, 5);
    assert!(text(&output.stderr).contains("hbd ended the connection"));
}

/// The daemon answers like this once, and then to nobody.
fn once(answer: Answer) -> Answer {
    let refusal = Answer::Refusal(ErrorCode::NotPermitted, "nobody may ask any more");
    Answer::InTurn(vec![answer, refusal])
}

#[test]
fn follow_goes_on_after_the_last_event_when_the_daemon_is_back() {
    let all = stories::events();
    let (before, meanwhile) = all.split_at(all.len() - 2);
    let stream = |recent: &[Event], then: Vec<Event>| Answer::Stream {
        recent: recent.to_vec(),
        snapshot: stories::in_trouble(),
        then,
    };
    let server = Server::start(Answer::InTurn(vec![
        stream(&before[..2], before[2..].to_vec()),
        Answer::HangUp,
        stream(&all, vec![meanwhile[0].clone(), stories::later_event()]),
        Answer::Refusal(ErrorCode::NotPermitted, "nobody may ask any more"),
    ]));
    let output = hactl(&server, &["events", "-f", "--jsonl"])
        .output()
        .unwrap();
    let shown: Vec<Event> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut expected = all.clone();
    expected.push(stories::later_event());
    assert_eq!(shown, expected);
    let said = text(&output.stderr);
    let lost = said.matches("waiting until it answers again").count();
    let found = said.matches("hbd answers again; what happened meanwhile follows");
    assert_eq!((lost, found.count()), (2, 1), "{said}");
    ends(&output, 5);
}

#[test]
fn follow_shows_what_is_missing_through_its_filter_only() {
    let all = stories::events();
    let bob = |events: &[Event]| {
        let about = |event: &&Event| event.object.to_string() == "link bob/eth0";
        events.iter().filter(about).count()
    };
    let (before, _) = all.split_at(2);
    assert!(bob(&all) > bob(before), "the story goes on");
    let stream = |recent: &[Event]| Answer::Stream {
        recent: recent.to_vec(),
        snapshot: stories::in_trouble(),
        then: Vec::new(),
    };
    let words = [
        "events",
        "-f",
        "-n",
        "0",
        "--jsonl",
        "--kind",
        "link-one-way",
    ];
    let server = Server::start(Answer::InTurn(vec![
        stream(before),
        stream(&all),
        Answer::Refusal(ErrorCode::NotPermitted, "nobody may ask any more"),
    ]));
    let output = hactl(&server, &words).output().unwrap();
    let shown = text(&output.stdout);
    let of_kind = |event: &&Event| event.kind.word() == "link-one-way";
    let expected = all[2..].iter().filter(of_kind).count();
    assert!(expected > 0, "the story has one");
    assert_eq!(shown.lines().count(), expected, "{shown}");
}

#[test]
fn follow_says_where_the_daemon_does_not_know_what_was_shown() {
    let all = stories::events();
    let stream = |recent: &[Event]| Answer::Stream {
        recent: recent.to_vec(),
        snapshot: stories::in_trouble(),
        then: Vec::new(),
    };
    let server = Server::start(Answer::InTurn(vec![
        stream(&all[..2]),
        stream(&all[2..]),
        Answer::Refusal(ErrorCode::NotPermitted, "nobody may ask any more"),
    ]));
    let output = hactl(&server, &["events", "-f", "--jsonl"])
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout).lines().count(), all.len());
    let said = text(&output.stderr);
    assert!(said.contains("some may be missing here"), "{said}");
}

#[test]
fn follow_as_lines_of_json_is_what_the_daemon_sent() {
    let later = stories::later_event();
    let server = Server::start(once(Answer::Stream {
        recent: Vec::new(),
        snapshot: stories::in_trouble(),
        then: vec![later.clone()],
    }));
    let output = hactl(&server, &["events", "-f", "--jsonl"])
        .output()
        .unwrap();
    assert_eq!(
        text(&output.stdout),
        serde_json::to_string(&later).unwrap() + "\n"
    );
}

#[test]
fn follow_writes_each_event_at_once() {
    let server = Server::start(Answer::StreamAndHold {
        snapshot: stories::in_trouble(),
        then: Box::new(stories::later_event()),
    });
    let mut child = hactl(&server, &["events", "-f", "--no-headers"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.contains(&stories::later_event().text), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn follow_ends_when_nobody_reads_it_any_more() {
    let server = Server::start(Answer::StreamAndHold {
        snapshot: stories::in_trouble(),
        then: Box::new(stories::later_event()),
    });
    let mut child = hactl(&server, &["events", "-f"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 4];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                child.kill().unwrap();
                panic!("it still waits");
            }
            None => std::thread::yield_now(),
        }
    };
    assert_eq!(status.code(), Some(0));
}
