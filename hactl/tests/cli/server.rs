//! A control socket that answers from a script.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shared::api::{
    API_NEWEST, API_OLDEST, ClientFrame, ClientRole, ErrorCode, Failure, Hello, Request,
    ServerFrame, Snapshot, Success, Upgraded,
};
use shared::event::{Cause, Event, EventId};
use shared::names::NodeName;
use shared::order::Change;
use shared::query::{Bound, EventQuery, Related};

use crate::cli::stories;

/// What it says the record is: some file.
pub(crate) const RECORD: &str = "/proc/version";

/// What the server has to say.
pub(crate) enum Answer {
    /// To `snapshot`.
    Snapshot(Snapshot),
    /// To `events`; to `snapshot` the story that they tell.
    Events(Vec<Event>),
    /// To every question; to `subscribe` also some counters.
    Everything {
        /// What happened before.
        events: Vec<Event>,
        /// The state.
        snapshot: Snapshot,
    },
    /// To `events` and `subscribe`; then it hangs up.
    Stream {
        /// What happened before.
        recent: Vec<Event>,
        /// The state then.
        snapshot: Snapshot,
        /// What happens.
        then: Vec<Event>,
    },
    /// To `events`, of which there are none, and `subscribe`; then it says nothing and hangs up when the client does.
    StreamAndHold {
        /// The state.
        snapshot: Snapshot,
        /// What happens.
        then: Box<Event>,
    },
    /// To `upgrade`; to `snapshot` that of a cluster in order.
    Upgraded(Upgraded),
    /// To `order`; to `snapshot` and `subscribe` the state before it.
    Ordered {
        /// The state.
        snapshot: Snapshot,
        /// What it does.
        changes: Vec<Change>,
        /// What happens then.
        then: Vec<Event>,
    },
    /// To everything.
    Refusal(ErrorCode, &'static str),
    /// These lines, to anything.
    Raw(Vec<String>),
    /// Nothing, after the greeting.
    Silence,
    /// It hangs up once it is asked.
    HangUpWhenAsked,
    /// It hangs up without a greeting.
    HangUp,
    /// The first to the first client, and so on; the last to all who come later.
    InTurn(Vec<Answer>),
}

/// A server, which ends when the test does.
pub(crate) struct Server {
    path: PathBuf,
}

impl Server {
    /// Listens and serves any number of clients.
    pub(crate) fn start(answer: Answer) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hactl-{}-{count}.sock", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let answer = answer.clone();
                std::thread::spawn(move || {
                    let answer = match &*answer {
                        Answer::InTurn(answers) => &answers[number.min(answers.len() - 1)],
                        answer => answer,
                    };
                    // A client that was killed or has had enough is part of some tests.
                    let _ = serve(stream.unwrap(), answer);
                });
            }
        });
        Self { path }
    }

    /// Where it listens.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).unwrap();
    }
}

fn serve(mut stream: UnixStream, answer: &Answer) -> std::io::Result<()> {
    if matches!(answer, Answer::HangUp) {
        return Ok(());
    }
    let hello = Hello {
        api: (API_OLDEST, API_NEWEST),
        version: "0.1.0".into(),
        node: NodeName::new("alice").unwrap(),
        role: ClientRole::Observe,
    };
    send(&mut stream, &ServerFrame::Hello { hbd: hello })?;
    let mut requests = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if requests.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let ClientFrame { id, request, .. } = serde_json::from_str(&line)?;
        match (answer, request) {
            (
                Answer::Snapshot(snapshot) | Answer::Everything { snapshot, .. },
                Request::Snapshot,
            ) => ok(&mut stream, id, full(snapshot))?,
            (Answer::Events(_), Request::Snapshot) => {
                ok(&mut stream, id, full(&stories::in_trouble()))?;
            }
            (Answer::Everything { snapshot, .. }, Request::Subscribe { .. }) => {
                ok(&mut stream, id, full(snapshot))?;
                for _ in 0..3 {
                    let sample = Box::new(snapshot.sample.clone().unwrap_or_default());
                    send(&mut stream, &ServerFrame::Sample { sample })?;
                }
            }
            (Answer::Snapshot(_) | Answer::Everything { .. }, Request::Config) => {
                ok(
                    &mut stream,
                    id,
                    Success::Config(Box::new(stories::running())),
                )?;
            }
            (
                Answer::Events(past)
                | Answer::Stream { recent: past, .. }
                | Answer::Everything { events: past, .. },
                Request::Events(query),
            ) => match found(past, &query) {
                Some(events) => ok(&mut stream, id, Success::Events(events))?,
                None => {
                    let error = Failure {
                        code: ErrorCode::NotFound,
                        text: "no such event is kept".into(),
                    };
                    send(&mut stream, &ServerFrame::Error { id, error })?;
                }
            },
            (Answer::StreamAndHold { .. }, Request::Events(_)) => {
                ok(&mut stream, id, Success::Events(Vec::new()))?;
            }
            (
                Answer::Stream {
                    recent,
                    snapshot,
                    then,
                },
                Request::Subscribe { recent: limit },
            ) => {
                let last = recent.len().saturating_sub(limit);
                events(&mut stream, &recent[last..])?;
                ok(&mut stream, id, full(snapshot))?;
                return events(&mut stream, then);
            }
            (Answer::StreamAndHold { snapshot, then }, Request::Subscribe { .. }) => {
                ok(&mut stream, id, full(snapshot))?;
                events(&mut stream, std::slice::from_ref(&**then))?;
                requests.read_to_string(&mut line)?;
            }
            (Answer::Upgraded(_), Request::Snapshot) => {
                ok(&mut stream, id, full(&stories::in_order()))?;
            }
            (Answer::Upgraded(upgraded), Request::Upgrade(_)) => {
                let upgraded = Box::new(upgraded.clone());
                ok(&mut stream, id, Success::Upgraded(upgraded))?;
            }
            (Answer::Ordered { changes, .. }, Request::Order(_)) => {
                ok(&mut stream, id, Success::Ordered(changes.clone()))?;
            }
            (Answer::Ordered { snapshot, .. }, Request::Snapshot) => {
                ok(&mut stream, id, full(snapshot))?;
            }
            (Answer::Ordered { snapshot, then, .. }, Request::Subscribe { .. }) => {
                ok(&mut stream, id, full(snapshot))?;
                events(&mut stream, then)?;
            }
            (Answer::Refusal(code, text), _) => {
                let error = Failure {
                    code: *code,
                    text: (*text).into(),
                };
                send(&mut stream, &ServerFrame::Error { id, error })?;
            }
            (Answer::Raw(lines), _) => {
                for line in lines {
                    writeln!(stream, "{line}")?;
                }
            }
            (Answer::HangUpWhenAsked, _) => return Ok(()),
            (Answer::Silence, _) => {
                requests.read_to_string(&mut line)?;
            }
            (Answer::Everything { snapshot, .. }, Request::Record) => {
                // One directory is as good as two.
                let file = match &snapshot.config {
                    Some(directory) => format!("{directory}/records/new.flight"),
                    None => RECORD.into(),
                };
                ok(&mut stream, id, Success::Recorded { file })?;
            }
            (_, request) => panic!("not in the script: {request:?}"),
        }
    }
}

/// The last events that the query lets through; nothing where it begins with one that is not kept.
fn found(past: &[Event], query: &EventQuery) -> Option<Vec<Event>> {
    if let Some(Related::CausesOf(id)) = &query.related {
        return causes(past, id);
    }
    let first = match &query.since {
        Some(Bound::Event(id)) => past.iter().position(|event| event.id == *id)?,
        _ => 0,
    };
    let fits = past[first..]
        .iter()
        .filter(|event| query.lets_through(event));
    let mut found: Vec<_> = fits.cloned().collect();
    found.drain(..found.len().saturating_sub(query.limit));
    Some(found)
}

/// An event, its cause and so on, the first first.
fn causes(past: &[Event], id: &EventId) -> Option<Vec<Event>> {
    let event = past.iter().find(|event| event.id == *id)?;
    let mut chain = match &event.cause {
        Some(Cause::Event(id)) => causes(past, id).unwrap_or_default(),
        _ => Vec::new(),
    };
    chain.push(event.clone());
    Some(chain)
}

fn full(snapshot: &Snapshot) -> Success {
    Success::Snapshot(Box::new(snapshot.clone()))
}

fn ok(stream: &mut UnixStream, id: u64, ok: Success) -> std::io::Result<()> {
    send(stream, &ServerFrame::Ok { id, ok })
}

fn events(stream: &mut UnixStream, events: &[Event]) -> std::io::Result<()> {
    events.iter().try_for_each(|event| {
        let event = Box::new(event.clone());
        send(stream, &ServerFrame::Event { event })
    })
}

fn send(stream: &mut UnixStream, frame: &ServerFrame) -> std::io::Result<()> {
    writeln!(stream, "{}", serde_json::to_string(frame)?)
}
