//! The client of a pair: a process on a machine of its own that asks the service each millisecond,
//! and tells whoever asks it how long it went without an answer and who answered.
//!
//! ```text
//!  hbd demo-client                                  alice, bob
//!    look      asks all the time   --- HTTP --->    whoever has the service
//!    record    what came of it
//!    socket    hbd demo, hbd demo curl ask here
//! ```
//!
//! A time in which it did not look itself is no gap of the service and is left out.

mod look;
mod record;

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use shared::exit::Exit;
use shared::time::Moment;

use record::Record;
pub(super) use record::Seen;

use super::hired;
use super::order::{hear, say};

/// How long one of its askers may take, and the service to answer one of them.
const LIMIT: Duration = Duration::from_secs(2);
/// More than the client takes for any question.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer of the service that is read.
const ANSWER_MAX: u64 = 4096;
/// What the service is asked.
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// The role's arguments.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Where the service answers.
    service: SocketAddrV4,
}

/// What it is asked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Question {
    /// What it saw of the service since then.
    Seen(Moment),
    /// To ask the service once, and for the answer.
    Ask,
    /// To look no more.
    Rest,
}

/// What it answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reply {
    Seen(Seen),
    /// The body of the service's answer, or why there is none.
    Told(Result<String, String>),
    Rests,
}

/// The socket of the client in the directory of a demo.
pub(super) fn socket(directory: &Path) -> PathBuf {
    directory.join("client.sock")
}

/// Asks the client of the demo in that directory.
pub(super) fn ask(directory: &Path, question: Question) -> io::Result<Reply> {
    let stream = UnixStream::connect(socket(directory))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    say(&mut &stream, &question)?;
    let gone = || io::Error::new(io::ErrorKind::UnexpectedEof, "the client is gone");
    hear(&mut BufReader::new(&stream))?.ok_or_else(gone)
}

/// `hbd demo curl`: what the service of a running demo answers its client.
pub(super) fn curl() -> Result<String, String> {
    for directory in running() {
        // One that was killed a moment ago may still be there.
        if let Ok(reply) = ask(&directory, Question::Ask) {
            return match reply {
                Reply::Told(answer) => answer,
                other => Err(format!("the client gave the wrong answer: {other:?}")),
            };
        }
    }
    Err("no demo of a pair runs here; start one in another terminal: hbd demo".to_owned())
}

/// The directories of demos that have a client, the youngest first.
fn running() -> Vec<PathBuf> {
    let entries = hired::place().read_dir().into_iter();
    let mut found: Vec<(SystemTime, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let is_ours = path.file_name()?.to_str()?.starts_with(hired::PREFIX);
            let made = is_ours.then(|| socket(&path).metadata().ok())??;
            Some((made.modified().ok()?, path))
        })
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

/// The process. Its standard input is the socket on which it is asked.
pub(crate) fn run(options: &Options) -> Exit {
    let Ok(listener) = io::stdin().as_fd().try_clone_to_owned() else {
        return Exit::Failed;
    };
    let service = SocketAddr::V4(options.service);
    let record = Arc::new(Mutex::new(Record::default()));
    let rests = Arc::new(AtomicBool::new(false));
    thread::spawn({
        let (record, rests) = (Arc::clone(&record), Arc::clone(&rests));
        move || look::look(service, &record, &rests)
    });
    for asker in UnixListener::from(listener).incoming() {
        // What becomes of one concerns no other.
        let _ =
            asker.and_then(|asker| {
                attend(&asker, |question| match question {
                    Question::Seen(since) => {
                        let record = record.lock().unwrap_or_else(PoisonError::into_inner);
                        Reply::Seen(record.seen(since))
                    }
                    Question::Ask => Reply::Told(once(service).map_err(|error| {
                        format!("the service at {service} does not answer: {error}")
                    })),
                    Question::Rest => {
                        rests.store(true, Ordering::Relaxed);
                        Reply::Rests
                    }
                })
            });
    }
    Exit::Failed
}

fn attend(asker: &UnixStream, answer: impl FnOnce(Question) -> Reply) -> io::Result<()> {
    asker.set_read_timeout(Some(LIMIT))?;
    asker.set_write_timeout(Some(LIMIT))?;
    match hear(&mut BufReader::new(asker))? {
        Some(question) => say(&mut &*asker, &answer(question)),
        None => Ok(()),
    }
}

fn once(service: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&service, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(REQUEST)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    let body = body(&answer).map(str::to_owned);
    body.ok_or_else(|| io::Error::other("the service answers something else"))
}

/// The body of a good answer.
fn body(answer: &[u8]) -> Option<&str> {
    let text = str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.0 200 ").then_some(body.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_answer_has_a_body() {
        assert_eq!(
            body(b"HTTP/1.0 200 OK\r\nA: b\r\n\r\nalice\n"),
            Some("alice")
        );
        assert_eq!(body(b"HTTP/1.0 501 No\r\n\r\nalice\n"), None);
        assert_eq!(body(b"HTTP/1.0 200 OK\r\nA: b\r\n"), None);
    }
}
