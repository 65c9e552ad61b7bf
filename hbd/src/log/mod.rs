//! The log: where each event goes for people who read files.
//!
//! ```text
//! supervisor --record--> queue --+--> debugfile
//!                                +--> Limiter --> syslog, file, journal, standard error
//!            <--News--- which of them fails, which works again
//! ```
//!
//! It is written by a thread of its own: a log that blocks delays nobody. The queue has a bound;
//! what does not fit is counted. What fails is told as an event, tried again from time to time,
//! and its lost lines are counted. Where no target takes a line, standard error gets it.

mod date;
mod file;
mod journal;
mod limit;
mod outlet;
mod prospect;
mod record;
mod stream;
mod syslog;

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use shared::config::Logging;
use shared::event::{Event, Severity};
use shared::names::NodeName;
use shared::time::{Moment, Wall};
use tokio::sync::mpsc;

use crate::{clock, thread};
use limit::Limiter;
pub(crate) use outlet::{News, RETRY};
use outlet::{Outlet, Target};
pub(crate) use prospect::predict;
use record::Record;
pub(crate) use stream::stderr_is_journal;

/// Records that wait at most; more are counted and dropped.
const RECORDS_MAX: usize = 1024;
/// How long the end waits for whoever reads the log.
const END_LIMIT: Duration = Duration::from_secs(1);
/// Where the system's loggers listen.
pub(crate) const SYSLOG: &str = "/dev/log";
pub(crate) const JOURNAL: &str = "/run/systemd/journal/socket";

/// Where the log goes.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What `ha.cf` says.
    pub(crate) logging: Logging,
    /// Whether packets that do not verify are worth a line.
    pub(crate) bad_packets: bool,
    /// This node, for the lines of files.
    pub(crate) node: NodeName,
    /// Whether standard error is the journal's stream.
    pub(crate) in_journal: bool,
    /// The socket of syslog.
    pub(crate) syslog: PathBuf,
    /// The socket of the journal.
    pub(crate) journal: PathBuf,
}

/// What the thread is told.
enum Message {
    Record(Record),
    Plan(Box<Plan>),
}

/// The way to the thread that writes.
pub(crate) struct Log {
    plan: Option<Plan>,
    /// Another plan, until the thread has it.
    changed: bool,
    messages: SyncSender<Message>,
    ended: Receiver<()>,
    dropped: u64,
}

impl Log {
    /// Starts the thread. It tells `news` of targets that fail.
    pub(crate) fn start(plan: &Plan, news: mpsc::Sender<News>) -> io::Result<Self> {
        let log = Self::run(Outlets::new(plan), news)?;
        Ok(Self {
            plan: Some(plan.clone()),
            ..log
        })
    }

    fn run(mut outlets: Outlets, news: mpsc::Sender<News>) -> io::Result<Self> {
        let (messages, inbox) = sync_channel(RECORDS_MAX);
        let (end, ended) = sync_channel(1);
        thread::start("log", move || {
            outlets.serve(&inbox, &news);
            let _ = end.send(());
        })?;
        Ok(Self {
            plan: None,
            changed: false,
            messages,
            ended,
            dropped: 0,
        })
    }

    /// A log that nobody reads.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        let (news, _) = mpsc::channel(1);
        Self::run(
            Outlets::only(Box::new(stream::Stream::new(std::io::sink(), false))),
            news,
        )
        .expect("a thread is to be had")
    }

    /// An event.
    pub(crate) fn event(&mut self, event: &Event) {
        self.put(Record::of(event));
    }

    /// A line that is no event.
    pub(crate) fn line(&mut self, wall: Wall, severity: Severity, text: &str) {
        self.put(Record::line(wall, severity, text));
    }

    /// From here on the log goes where another configuration says.
    pub(crate) fn change(&mut self, logging: &Logging, bad_packets: bool) {
        if let Some(plan) = &mut self.plan {
            plan.logging = logging.clone();
            plan.bad_packets = bad_packets;
            self.changed = true;
            self.tell_plan();
        }
    }

    fn tell_plan(&mut self) {
        if self.changed
            && let Some(plan) = &self.plan
        {
            let message = Message::Plan(Box::new(plan.clone()));
            self.changed = self.messages.try_send(message).is_err();
        }
    }

    fn put(&mut self, record: Record) {
        self.tell_plan();
        if self.dropped > 0 {
            let text = format!("{} log lines were dropped", self.dropped);
            let note = Record::line(record.wall, Severity::Warning, &text);
            if self.messages.try_send(Message::Record(note)).is_err() {
                self.dropped += 1;
                return;
            }
            self.dropped = 0;
        }
        if self.messages.try_send(Message::Record(record)).is_err() {
            self.dropped += 1;
        }
    }

    /// Waits until everything is written, up to a limit.
    pub(crate) fn finish(self) {
        drop(self.messages);
        let _ = self.ended.recv_timeout(END_LIMIT);
    }
}

/// What the thread writes to.
struct Outlets {
    bad_packets: bool,
    limiter: Limiter,
    /// Get what the limiter admits.
    ordinary: Vec<Outlet>,
    /// Gets everything.
    debug: Option<Outlet>,
    /// Gets what no ordinary one takes.
    last: Outlet,
}

impl Outlets {
    fn new(plan: &Plan) -> Self {
        let Plan { logging, node, .. } = plan;
        let style = file::Style {
            node: node.clone(),
            as_syslog: logging.syslog_format,
        };
        let mut ordinary: Vec<Box<dyn Target>> = Vec::new();
        if let Some(facility) = logging.facility {
            ordinary.push(Box::new(syslog::Syslog::new(&plan.syslog, facility)));
        }
        if let Some(path) = &logging.file {
            ordinary.push(Box::new(file::LogFile::new(path, style.clone())));
        }
        if ordinary.is_empty() && plan.in_journal {
            ordinary.push(Box::new(journal::Journal::new(&plan.journal)));
        }
        let debug = logging.debug_file.as_ref().map(|path| {
            let target = file::LogFile::new(path, style).with_data();
            Outlet::new(Box::new(target))
        });
        Self {
            bad_packets: plan.bad_packets,
            limiter: Limiter::default(),
            ordinary: ordinary.into_iter().map(Outlet::new).collect(),
            debug,
            last: Outlet::new(Box::new(stream::Stream::new(
                std::io::stderr(),
                plan.in_journal,
            ))),
        }
    }

    #[cfg(test)]
    fn only(target: Box<dyn Target>) -> Self {
        Self {
            bad_packets: true,
            limiter: Limiter::default(),
            ordinary: Vec::new(),
            debug: None,
            last: Outlet::new(target),
        }
    }

    /// Writes until there is nobody left who could say anything.
    fn serve(&mut self, inbox: &Receiver<Message>, news: &mpsc::Sender<News>) {
        loop {
            let message = match self.deadline() {
                Some(end) => inbox.recv_timeout(end.since(clock::boot())),
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let now = clock::now();
            match message {
                Ok(Message::Plan(plan)) => self.change(&plan, news),
                Ok(Message::Record(record)) if record.is_bad_packet() && !self.bad_packets => {}
                Ok(Message::Record(record)) => {
                    if let Some(debug) = &mut self.debug {
                        report(news, debug.write(&record, now.boot));
                    }
                    if self.limiter.admits(&record, now.boot) {
                        self.write(&record, news);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    for outlet in self.ordinary.iter_mut().chain(&mut self.debug) {
                        report(news, outlet.retry(now.boot));
                    }
                    for summary in self.limiter.ended(now) {
                        self.write(&summary, news);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    for summary in self.limiter.all(now) {
                        self.write(&summary, news);
                    }
                    return;
                }
            }
        }
    }

    /// When something is to be done though nothing is said.
    fn deadline(&self) -> Option<Moment> {
        let outlets = self.ordinary.iter().chain(&self.debug);
        let retries = outlets.filter_map(Outlet::due);
        retries.chain(self.limiter.next_end()).min()
    }

    /// What was said of targets that are left is over.
    fn change(&mut self, plan: &Plan, news: &mpsc::Sender<News>) {
        let former = std::mem::replace(self, Self::new(plan));
        self.limiter = former.limiter;
        for outlet in former.ordinary.into_iter().chain(former.debug) {
            report(news, outlet.given_up());
        }
    }

    fn write(&mut self, record: &Record, news: &mpsc::Sender<News>) {
        let now = clock::boot();
        for outlet in &mut self.ordinary {
            report(news, outlet.write(record, now));
        }
        if !self.ordinary.iter().any(Outlet::works) {
            // Nobody is left to tell that there is nobody to tell.
            let _ = self.last.write(record, now);
        }
    }
}

/// News that nobody takes are as good as told: the next state of the target is told again.
fn report(news: &mpsc::Sender<News>, what: Option<News>) {
    if let Some(what) = what {
        let _ = news.try_send(what);
    }
}

#[cfg(test)]
mod tests;
