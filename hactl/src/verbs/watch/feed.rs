//! The state as it is, from a subscription that is made again when it breaks.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use shared::api::{Hello, Snapshot};
use shared::client::{Client, Subscription};

use crate::cli::Call;
use crate::error::Error;
use crate::live::{self, Live};
use crate::verbs::again::RETRY;

/// So long may an attempt take; a key that is pressed meanwhile waits.
const ATTEMPT: Duration = Duration::from_secs(1);

/// What is known, and from whom.
pub(super) struct Feed {
    socket: PathBuf,
    hello: Hello,
    stream: Option<Subscription>,
    live: Live,
    /// When the last update came.
    heard: Instant,
    /// Why there is no stream.
    problem: String,
    /// When to connect again.
    again: Instant,
}

impl Feed {
    /// Connects. An hbd that does not answer here is an error, and later on is not.
    pub(super) fn start(call: &Call) -> Result<Self, Error> {
        let client = call.client()?;
        let hello = client.hello().clone();
        let mut stream = client.subscribe(0)?;
        let mut live = Live::default();
        // The reply to the subscription is the state.
        if let Some(update) = stream.wait(Some(Duration::ZERO))? {
            live.take(update);
        }
        let now = Instant::now();
        Ok(Self {
            socket: call.socket.clone(),
            hello,
            stream: Some(stream),
            live,
            heard: now,
            problem: String::new(),
            again: now,
        })
    }

    /// Takes in what has come, and connects again where it is time. True if something is different.
    pub(super) fn take(&mut self) -> bool {
        if self.stream.is_none() && Instant::now() >= self.again {
            self.connect();
        }
        let mut news = false;
        while let Some(stream) = &mut self.stream {
            match stream.wait(Some(Duration::ZERO)) {
                Ok(Some(update)) => {
                    self.live.take(update);
                    self.heard = Instant::now();
                    news = true;
                }
                Ok(None) => break,
                Err(error) => {
                    self.lose(error.to_string());
                    news = true;
                }
            }
        }
        news
    }

    fn connect(&mut self) {
        let subscribed = Client::connect(&self.socket, ATTEMPT).and_then(|client| {
            let hello = client.hello().clone();
            Ok((hello, client.subscribe(0)?))
        });
        match subscribed {
            Ok((hello, stream)) => {
                self.hello = hello;
                self.stream = Some(stream);
            }
            Err(error) => self.lose(error.to_string()),
        }
    }

    fn lose(&mut self, problem: String) {
        self.stream = None;
        self.problem = problem;
        self.again = Instant::now() + RETRY;
    }

    pub(super) fn hello(&self) -> &Hello {
        &self.hello
    }

    /// The state at this moment; while nobody answers, as it was when something was heard last.
    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        let mut snapshot = self.live.snapshot()?.clone();
        if self.stream.is_some() {
            snapshot.at = live::later(snapshot.at, self.heard.elapsed());
        }
        Some(snapshot)
    }

    /// How old the state is and why, while nobody answers.
    pub(super) fn stale(&self) -> Option<(Duration, &str)> {
        match self.stream {
            Some(_) => None,
            None => Some((self.heard.elapsed(), &self.problem)),
        }
    }

    /// When to call [`Feed::take`] even if nothing comes.
    pub(super) fn due(&self) -> Option<Duration> {
        match self.stream {
            Some(_) => None,
            None => Some(self.again.saturating_duration_since(Instant::now())),
        }
    }

    /// Readable when something comes; nothing while nobody answers.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.stream.as_ref().map(AsFd::as_fd)
    }
}
