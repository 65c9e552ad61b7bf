//! Writes state in a thread of its own, so that a slow or full disk delays nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use shared::names::Generation;

use super::takeover::give_back;
use super::{Peers, StateError, generation};
use crate::thread;

/// Jobs that wait at most. Each replaces what earlier ones of its sort would have written.
const JOBS_MAX: usize = 64;
/// How long the end waits for the disk.
const END_LIMIT: Duration = Duration::from_secs(2);

/// Something to keep.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    /// Generations are reserved up to this one.
    Generation(Generation),
    /// What is known of peers.
    Peers(Peers),
}

/// How a job ended.
pub(crate) type Done = Result<Job, StateError>;

/// The thread.
pub(crate) struct Writer {
    jobs: Option<SyncSender<Job>>,
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. It reports each job to `done`, which must not block. A Heartbeat that uses
    /// the generations, too, keeps its own in the directory `heartbeat`.
    pub(crate) fn start(
        directory: PathBuf,
        heartbeat: Option<&'static Path>,
        done: impl Fn(Done) + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, inbox) = sync_channel::<Job>(JOBS_MAX);
        let (end, ended) = sync_channel(1);
        let thread = thread::start("state", move || {
            while let Ok(first) = inbox.recv() {
                for job in latest(first, &inbox) {
                    let result = match &job {
                        Job::Generation(to) => generation::save(&directory, *to).and_then(|()| {
                            heartbeat.map_or(Ok(()), |heartbeat| give_back(heartbeat, *to))
                        }),
                        Job::Peers(peers) => peers.save(&directory),
                    };
                    done(result.map(|()| job));
                }
            }
            let _ = end.send(());
        })?;
        Ok(Self {
            jobs: Some(jobs),
            ended,
            thread: Some(thread),
        })
    }

    /// Hands a job in. False: too many wait, try again later.
    pub(crate) fn submit(&self, job: Job) -> bool {
        match &self.jobs {
            Some(jobs) => !matches!(jobs.try_send(job), Err(TrySendError::Full(_))),
            None => false,
        }
    }

    /// Waits for what was handed in, up to a limit: a dead disk must not keep hbd from ending.
    pub(crate) fn finish(mut self) {
        self.jobs = None;
        if self.ended.recv_timeout(END_LIMIT) != Err(RecvTimeoutError::Timeout)
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

/// The last job of each sort among those that wait.
fn latest(first: Job, inbox: &Receiver<Job>) -> Vec<Job> {
    let (mut generation, mut peers) = (None, None);
    for job in std::iter::once(first).chain(inbox.try_iter()) {
        match job {
            Job::Generation(_) => generation = Some(job),
            Job::Peers(_) => peers = Some(job),
        }
    }
    generation.into_iter().chain(peers).collect()
}
