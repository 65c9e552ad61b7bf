//! `hactl wait-for`: what is so, what comes about, what does not, and what makes no sense.

use shared::api::{ErrorCode, Snapshot};
use shared::event::Event;
use shared::time::Moment;

use crate::cli::server::{Answer, Server};
use crate::cli::stories;
use crate::{bare, ends, hactl, run, text};

fn stream(snapshot: Snapshot, then: Vec<Event>) -> Answer {
    Answer::Stream {
        recent: stories::events(),
        snapshot,
        then,
    }
}

/// As if it happened after every call of a test.
fn in_future(mut event: Event) -> Event {
    event.boot = Moment(u64::MAX / 2);
    event
}

fn refused(server: &Server, condition: &[&str], code: i32) -> String {
    let output = hactl(server, &["wait-for"])
        .args(condition)
        .args(["--timeout", "300ms"])
        .output()
        .unwrap();
    ends(&output, code);
    text(&output.stderr)
}

#[test]
fn what_is_so_already_is_not_waited_for() {
    let server = Server::start(stream(stories::in_trouble(), Vec::new()));
    for condition in [
        "up",
        "communication-up",
        "settled",
        "node bob active",
        "node carol dead",
        "link bob/eth0 one-way",
        "link bob/eth1 no-medium",
    ] {
        let mut args = vec!["wait-for"];
        args.extend(condition.split(' '));
        assert_eq!(text(&run(&server, &args).stdout), "", "{condition}");
    }
}

#[test]
fn an_event_counts_only_from_the_call_on_and_is_shown() {
    let news = in_future(stories::later_event());
    let server = Server::start(stream(stories::in_trouble(), vec![news.clone()]));
    for condition in [
        &["wait-for", "event", "jeopardy-over"][..],
        &["wait-for", "event", "jeopardy-over", "bob"],
    ] {
        let shown = text(&run(&server, condition).stdout);
        assert_eq!(shown, format!("{} {}\n", news.wall, news.text));
    }
    // It happened before.
    let said = refused(&server, &["event", "jeopardy"], 6);
    assert!(
        said.starts_with("hactl: not event jeopardy within 300 ms"),
        "{said}"
    );
    let said = refused(&server, &["event", "jeopardy-over", "carol"], 6);
    assert!(said.contains("within 300 ms"), "{said}");
}

#[test]
fn a_daemon_that_starts_again_is_waited_for() {
    let server = Server::start(Answer::InTurn(vec![
        Answer::HangUp,
        stream(stories::in_trouble(), Vec::new()),
        stream(stories::in_order(), Vec::new()),
    ]));
    run(&server, &["wait-for", "node", "carol", "active"]);
}

#[test]
fn what_does_not_come_about_is_exit_6_and_says_how_it_is() {
    let server = Server::start(stream(stories::in_order(), Vec::new()));
    let said = refused(&server, &["node", "bob", "dead"], 6);
    assert!(
        said.starts_with("hactl: not node bob dead within 300 ms: "),
        "{said}"
    );
    let hold = Answer::StreamAndHold {
        snapshot: stories::in_order(),
        then: Box::new(stories::later_event()),
    };
    let said = refused(&Server::start(hold), &["link", "bob/eth0", "dead"], 6);
    assert_eq!(
        said,
        "hactl: not link bob/eth0 dead within 300 ms: bob/eth0 is up\n"
    );
    let said = refused(&Server::start(Answer::Silence), &["settled"], 6);
    assert!(said.contains("did not answer"), "{said}");
}

#[test]
fn nobody_at_the_socket_is_waited_for_too() {
    let output = bare(&["wait-for", "up", "--timeout", "250ms"])
        .args(["--socket", "/nonexistent/hbd.sock"])
        .output()
        .unwrap();
    ends(&output, 6);
    assert!(text(&output.stderr).contains("within 250 ms: cannot connect"));
}

#[test]
fn what_does_not_exist_is_not_waited_for() {
    let server = Server::start(stream(stories::in_order(), Vec::new()));
    let said = refused(&server, &["node", "dave", "active"], 4);
    assert!(said.contains("its nodes are alice, bob, carol"), "{said}");
    let said = refused(&server, &["link", "bob/eth7", "up"], 4);
    assert!(
        said.contains("to bob there are bob/eth0, bob/eth1"),
        "{said}"
    );
    let said = refused(&server, &["setled"], 2);
    assert!(said.contains("did you mean settled?"), "{said}");
}

#[test]
fn whoever_may_not_ask_need_not_wait() {
    let server = Server::start(Answer::Refusal(ErrorCode::NotPermitted, "ask root"));
    assert_eq!(refused(&server, &["settled"], 5), "hactl: ask root\n");
}
