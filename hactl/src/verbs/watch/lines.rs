//! One line for each change of the verdict, for files, pipes and programs.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::json;
use shared::api::Snapshot;
use shared::exit::Exit;
use shared::verdict::{Level, SAMPLE_AGE_MAX, Verdict};

use super::feed::Feed;
use crate::cli::Call;
use crate::error::Error;
use crate::print::{clean, json as write_json};

/// Stands in place of a level while hbd does not answer.
const UNREACHABLE: &str = "unreachable";

/// Shows changes until nobody reads any more.
pub(super) fn show(call: &Call, mut feed: Feed) -> Result<Exit, Error> {
    let mut shown = None;
    loop {
        if let Some(snapshot) = feed.snapshot() {
            let line = Line::of(&feed, &snapshot);
            let key = (line.level, line.sentence.clone());
            if shown.as_ref() != Some(&key) {
                line.write(call)?;
                shown = Some(key);
            }
        }
        if !wait(&feed)? {
            return Ok(Exit::Done);
        }
        feed.take();
    }
}

struct Line {
    time: String,
    /// Nothing while hbd does not answer.
    level: Option<Level>,
    sentence: String,
    verdict: Option<Verdict>,
}

impl Line {
    fn of(feed: &Feed, snapshot: &Snapshot) -> Self {
        match feed.stale() {
            Some((age, problem)) => Self {
                time: crate::live::later(snapshot.at, age).wall.to_string(),
                level: None,
                sentence: problem.to_owned(),
                verdict: None,
            },
            None => {
                let verdict = Verdict::of(&feed.hello().node, snapshot);
                Self {
                    time: snapshot.at.wall.to_string(),
                    level: Some(verdict.level),
                    sentence: verdict.sentence.clone(),
                    verdict: Some(verdict),
                }
            }
        }
    }

    fn write(&self, call: &Call) -> Result<(), Error> {
        let mut out = crate::verbs::output();
        let level = self.level.map_or(UNREACHABLE, Level::word);
        if call.flag("jsonl") {
            let findings = self.verdict.as_ref().map(|verdict| &verdict.findings);
            let value = json!({
                "time": self.time,
                "level": level,
                "sentence": self.sentence,
                "findings": findings,
            });
            write_json(&mut out, &value, false)?;
        } else {
            writeln!(out, "{} {level:8} {}", self.time, clean(&self.sentence))?;
        }
        Ok(out.flush()?)
    }
}

/// Waits for something to come, or for the moment at which silence itself says something. False if
/// nobody reads our output any more.
fn wait(feed: &Feed) -> Result<bool, Error> {
    let stdout = std::io::stdout();
    let mut waited = vec![PollFd::new(stdout.as_fd(), PollFlags::empty())];
    waited.extend(feed.fd().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    let limit = feed.due().unwrap_or(SAMPLE_AGE_MAX);
    match poll(&mut waited, timeout(limit)) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(Error::Output(error.into())),
    }
    let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
    let reader = waited[0].revents().unwrap_or(PollFlags::empty());
    Ok(!reader.intersects(gone))
}

/// Rounded up, so that the moment has come afterwards.
pub(super) fn timeout(limit: Duration) -> PollTimeout {
    let millis = limit.as_millis() + 1;
    PollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
}
