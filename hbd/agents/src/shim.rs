//! The shim: `hbd act`, one process for each action.
//!
//! It reads a [`Job`] from standard input, does it, and leaves a [`Report`] in
//! [`actions`](crate::actions), whoever still waits for it. Its rules:
//!
//! - It ends. The job has a limit; after it everything that the job has started is asked to end
//!   ([`Job::grace`]), then killed, and after [`KILLING_MAX`] what the kernel does not let go is
//!   counted and left.
//! - What a job leaves running when it ends by itself is meant to run: a daemon. The shim waits
//!   [`AFTERWARDS`] for more output and then leaves it alone.
//! - Such a daemon may keep on writing. What it writes to has itself as its reader, so that no
//!   write ends it, and does not block once the shim is gone, so that none stops it; what does not
//!   fit into the pipe is refused.
//! - It needs little memory: the rest of a long output is counted, not kept.
//!
//! How it exits: [`Exit::Done`], the report is kept; [`Exit::Failed`], it is not, and a short one
//! is on standard output; [`Exit::Refused`] and [`Exit::Usage`], nothing was done.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{self, Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, pipe2};
use serde::{Deserialize, Serialize};
use shared::exit::Exit;
use shared::group::Operation;

use crate::actions::{Actions, Begun, Id};
use crate::capture::Capture;
use crate::command::{Command, INPUT_MAX};
use crate::family::descendants;
use crate::report::{Ended, Report};
use crate::{surroundings, sys};

/// Something to be done, as the manager writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What it is.
    pub operation: Operation,
    /// What is run.
    pub command: Command,
    /// How long it may take, at most [`LIMIT_MAX`].
    pub limit: Duration,
    /// How long it may take to end when it is asked to, at most [`LIMIT_MAX`].
    pub grace: Duration,
}

/// Longest time that a job can be given.
pub const LIMIT_MAX: Duration = Duration::from_secs(24 * 3600);
/// How long more output is awaited from what a job leaves running.
pub const AFTERWARDS: Duration = Duration::from_millis(200);
/// How long killed processes are awaited.
pub const KILLING_MAX: Duration = Duration::from_secs(5);
/// How often processes are killed that others start meanwhile.
const KILLING_EACH: Duration = Duration::from_millis(10);
/// How long the job itself is awaited.
const JOB_WAIT: Duration = Duration::from_secs(10);
/// Longest job in bytes.
const JOB_MAX: usize = 1 << 20;
/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;
/// Pieces that are read of a pipe that others may be filling all the time.
const LAST_PIECES: usize = 16;

/// Does the job that standard input tells, under the name `id`.
pub fn run(run_directory: &Path, id: &Id) -> Exit {
    // Relative to where this process was started.
    let run_directory = std::path::absolute(run_directory);
    surroundings::make_normal();
    let job = match read_job() {
        Ok(job) => job,
        Err(error) => return refuse(Exit::Usage, &format!("no job: {error}")),
    };
    let actions = Actions::of(&run_directory.unwrap_or_default());
    let begun = match begin(&actions, id, job.operation) {
        Ok(begun) => begun,
        Err(error) => return refuse(Exit::Refused, &format!("{id} does not begin: {error}")),
    };
    let report = carry_out(&job);
    match begun.map(|begun| begun.end(&report)) {
        Some(Ok(())) => Exit::Done,
        _ => tell(&report),
    }
}

fn refuse(exit: Exit, why: &str) -> Exit {
    let _ = writeln!(io::stderr(), "hbd act: {why}");
    exit
}

/// The report did not find its place, so whoever waits is told. It fits into an empty pipe, so that
/// nobody has to read it.
fn tell(report: &Report) -> Exit {
    if let Ok(text) = serde_json::to_string(&report.shortened()) {
        let _ = writeln!(io::stdout(), "{text}");
    }
    Exit::Failed
}

/// Whoever starts a shim writes the job at once and closes the pipe, or has died.
fn read_job() -> io::Result<Job> {
    let end = Instant::now() + JOB_WAIT;
    let stdin = io::stdin();
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let readable = PollFd::new(stdin.as_fd(), PollFlags::POLLIN);
        if poll_until(&mut [readable], end) == 0 {
            return Err(ErrorKind::TimedOut.into());
        }
        match nix::unistd::read(&stdin, &mut piece) {
            Ok(0) => return Ok(serde_json::from_slice(&bytes)?),
            Ok(length) => bytes.extend(&piece[..length]),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        if bytes.len() > JOB_MAX {
            return Err(ErrorKind::FileTooLarge.into());
        }
    }
}

/// Nothing is started whose outcome could not be kept: were the manager replaced meanwhile, nobody
/// would know of it. A stop is done all the same: it makes nobody an owner, and what cannot be
/// stopped cannot be had by another node.
fn begin(actions: &Actions, id: &Id, operation: Operation) -> io::Result<Option<Begun>> {
    let must_be_kept = operation == Operation::Start;
    match actions.begin(id, must_be_kept) {
        Err(error) if must_be_kept || error.kind() == ErrorKind::AlreadyExists => Err(error),
        begun => Ok(begun.ok()),
    }
}

fn carry_out(job: &Job) -> Report {
    let began = Instant::now();
    let mut watch = match Watch::new() {
        Ok(watch) => watch,
        Err(error) => return not_started(began, &error),
    };
    let ended = match watch.start(job, began) {
        Ok(()) => watch.attend(job, began),
        Err(error) => return not_started(began, &error),
    };
    watch.report(ended, began)
}

fn not_started(began: Instant, error: &io::Error) -> Report {
    Report {
        ended: Ended::NotStarted {
            errno: error.raw_os_error().unwrap_or(libc::EIO),
        },
        took: began.elapsed(),
        stdout: Default::default(),
        stderr: Default::default(),
    }
}

/// Looks after a job and all that it starts.
struct Watch {
    children: SignalFd,
    streams: [Stream; 2],
    /// The process of the job, if it is known.
    main: Option<i32>,
    /// How it ended.
    status: Option<ExitStatus>,
    /// Whether nothing of the job is left.
    alone: bool,
}

impl Watch {
    fn new() -> io::Result<Self> {
        prctl::set_child_subreaper(true)?;
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGCHLD);
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self {
            children: SignalFd::with_flags(&signals, flags)?,
            streams: [Stream::new()?, Stream::new()?],
            main: None,
            status: None,
            alone: false,
        })
    }

    /// Starts the job. A program on a disk that does not answer keeps whoever starts it waiting:
    /// so a thread does, and is left behind if it must be.
    fn start(&mut self, job: &Job, began: Instant) -> io::Result<()> {
        let mut command = process::Command::new(&job.command.program);
        command
            .args(&job.command.arguments)
            .env_clear()
            .envs(&job.command.environment)
            .stdin(input_of(job)?)
            .stdout(self.streams[0].child_end()?)
            .stderr(self.streams[1].child_end()?);
        sys::stand_alone(&mut command);
        let (sender, receiver) = mpsc::channel();
        thread::Builder::new().spawn(move || sender.send(command.spawn()))?;
        let left = limit_of(job).saturating_sub(began.elapsed());
        let started = receiver.recv_timeout(left);
        // Later it counts as one that was started and did not end in time.
        let child: Option<io::Result<Child>> = started.ok();
        self.main = child
            .transpose()?
            .and_then(|child| child.id().try_into().ok());
        Ok(())
    }

    fn attend(&mut self, job: &Job, began: Instant) -> Ended {
        let end = began + limit_of(job);
        while self.status.is_none() && Instant::now() < end {
            self.wait(end);
        }
        match self.status {
            Some(status) => {
                self.let_go();
                ended(status)
            }
            None => self.end_all(job),
        }
    }

    /// The job is done; what it left may go on.
    fn let_go(&mut self) {
        let end = Instant::now() + AFTERWARDS;
        self.reap();
        while !self.alone && Instant::now() < end {
            self.wait(end);
        }
    }

    /// Ends whatever the job has started.
    fn end_all(&mut self, job: &Job) -> Ended {
        let limit = limit_of(job);
        let asked = Instant::now() + job.grace.min(LIMIT_MAX);
        self.signal_all(Signal::SIGTERM);
        self.reap();
        while !self.alone && Instant::now() < asked {
            self.wait(asked);
        }
        let killed = !self.alone;
        let last = Instant::now() + KILLING_MAX;
        while !self.alone && Instant::now() < last {
            self.signal_all(Signal::SIGKILL);
            self.wait(Instant::now() + KILLING_EACH);
        }
        let left = match self.alone {
            true => 0,
            false => descendants(own()).len().max(1),
        };
        Ended::TimedOut {
            limit,
            killed,
            left,
        }
    }

    /// To the group, and to those that left it.
    fn signal_all(&self, signal: Signal) {
        let running = self.main.filter(|_| self.status.is_none());
        if let Some(main) = running {
            let _ = killpg(Pid::from_raw(main), signal);
        }
        for pid in descendants(own()) {
            let in_group = running.is_some_and(|main| is_in_group(pid, main));
            if !in_group || signal == Signal::SIGKILL {
                let _ = kill(Pid::from_raw(pid), signal);
            }
        }
    }

    /// Waits until something is written, something ends or that moment.
    fn wait(&mut self, end: Instant) {
        let [stdout, stderr] = &self.streams;
        let mut sources = [
            PollFd::new(self.children.as_fd(), PollFlags::POLLIN),
            PollFd::new(stdout.source.as_fd(), PollFlags::POLLIN),
            PollFd::new(stderr.source.as_fd(), PollFlags::POLLIN),
        ];
        poll_until(&mut sources, end);
        for stream in &mut self.streams {
            stream.read();
        }
        self.reap();
    }

    fn reap(&mut self) {
        // One signal may stand for many children.
        while let Ok(Some(_)) = self.children.read_signal() {}
        loop {
            match sys::reap() {
                Ok(Some((pid, status))) if Some(pid) == self.main => self.status = Some(status),
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(_) => {
                    self.alone = true;
                    return;
                }
            }
        }
    }

    fn report(self, ended: Ended, began: Instant) -> Report {
        let [stdout, stderr] = self.streams.map(Stream::close);
        Report {
            ended,
            took: began.elapsed(),
            stdout: stdout.text(),
            stderr: stderr.text(),
        }
    }
}

/// A pipe that holds all of it and has no writer any more.
fn input_of(job: &Job) -> io::Result<Stdio> {
    let Some(input) = &job.command.input else {
        return Ok(Stdio::null());
    };
    if input.bytes().len() > INPUT_MAX {
        return Err(Errno::E2BIG.into());
    }
    let (source, sink) = pipe2(OFlag::O_CLOEXEC)?;
    // No reader is there yet: were the pipe smaller than usual, this would wait for ever.
    set_non_blocking(sink.as_fd())?;
    File::from(sink).write_all(input.bytes())?;
    Ok(source.into())
}

fn limit_of(job: &Job) -> Duration {
    job.limit.min(LIMIT_MAX)
}

fn own() -> i32 {
    Pid::this().as_raw()
}

fn is_in_group(pid: i32, group: i32) -> bool {
    nix::unistd::getpgid(Some(Pid::from_raw(pid))) == Ok(Pid::from_raw(group))
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(status), _) => Ended::Exited { status },
        (None, signal) => Ended::Signalled {
            signal: signal.unwrap_or(0),
        },
    }
}

/// How many of them are ready at that moment or before.
fn poll_until(sources: &mut [PollFd<'_>], end: Instant) -> i32 {
    let left = end.saturating_duration_since(Instant::now());
    // Rounded up: a moment too early would be waited for again and again.
    let millis = left.as_millis().saturating_add(1);
    let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
    match poll(sources, timeout) {
        Ok(ready) => ready,
        // Looked at again by whoever waits.
        Err(_) => i32::from(Instant::now() < end),
    }
}

/// What one stream of the job goes through.
struct Stream {
    source: File,
    /// What the job has, to tell it that nobody reads any more.
    sink: OwnedFd,
    captured: Capture,
}

impl Stream {
    fn new() -> io::Result<Self> {
        let (source, sink) = pipe2(OFlag::O_CLOEXEC)?;
        set_non_blocking(source.as_fd())?;
        let own_reader = OpenOptions::new()
            .read(true)
            .write(true)
            .open(format!("/proc/self/fd/{}", sink.as_raw_fd()));
        Ok(Self {
            source: source.into(),
            // Without `/proc` a daemon that writes later is ended by that, as under others.
            sink: own_reader.map_or(sink, OwnedFd::from),
            captured: Capture::default(),
        })
    }

    fn child_end(&self) -> io::Result<OwnedFd> {
        self.sink.try_clone()
    }

    /// Whether there was something.
    fn read(&mut self) -> bool {
        let mut piece = [0; PIECE];
        match self.source.read(&mut piece) {
            Ok(length) => {
                self.captured.push(&piece[..length]);
                length > 0
            }
            Err(_) => false,
        }
    }

    fn close(mut self) -> Capture {
        for _ in 0..LAST_PIECES {
            if !self.read() {
                break;
            }
        }
        // It holds for all who have the descriptor.
        let _ = set_non_blocking(self.sink.as_fd());
        self.captured
    }
}

fn set_non_blocking(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(descriptor, FcntlArg::F_GETFL)?);
    fcntl(descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}
