//! The process that keeps the nodes: it makes their ground and their directory, starts, stops and
//! kills them on order of the teller, and outlives the teller just long enough to remove
//! everything.
//!
//! ```text
//! hbd demo             teller: tells the story, owns the terminal
//!  +- hbd demo-keeper  its own process group, so that Ctrl-C reaches the teller alone
//!      +- hbd          alice: supervisor
//!      |   +- hbd      core
//!      |   +- hbd      manager
//!      +- hbd          alice: the server of the agent Http
//!      +- ...          bob, carol
//!      +- hbd          the client of a pair
//! ```
//!
//! A node's manager starts its supervisor again, which then is below the manager; so the processes
//! of a node are found by their command line, not by who their parent is: the run directory stands
//! there, or after a server its node.
//!
//! When the other end of its socket is gone, for whatever reason, `kill -9` of the teller included,
//! the keeper kills whatever is below it, waits until nothing is, removes the directory, and ends.
//! Should the keeper itself be killed, the teller, also a subreaper, does the same.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufReader};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use shared::exit::Exit;

use super::cable::Cable;
use super::cast::{Cast, Files, NODES, Node};
use super::client;
use super::dice::Dice;
use super::ground::{self, Held};
use super::order::{Answer, Order, Worker, hear, say};
use super::processes;
use crate::clock;

/// The word that makes an hbd the server of the agent `Http`.
const SERVER: &str = "serve-http";
/// The words that make an hbd something else than a supervisor.
const OTHERS: [&str; 5] = ["core", "manager", "act", "agent", SERVER];

/// The role's arguments.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Directory to make, and to remove at the end.
    #[arg(long)]
    directory: PathBuf,
    /// Use the loopback interface.
    #[arg(long)]
    loopback: bool,
    /// How many.
    #[arg(long)]
    nodes: u8,
}

/// The process. Its standard input is the socket to the teller.
pub(crate) fn run(options: &Options) -> Exit {
    let Ok(socket) = io::stdin().as_fd().try_clone_to_owned() else {
        return Exit::Failed;
    };
    let socket = UnixStream::from(socket);
    let ended = prepare(options).and_then(|keeper| keeper.keep(&socket));
    if let Err(reason) = &ended {
        // Without a teller there is nobody to tell.
        let _ = say(&mut &socket, &Answer::Failed(reason.clone()));
    }
    let swept = sweep(&options.directory);
    if ended.is_ok() && swept.is_ok() {
        Exit::Done
    } else {
        Exit::Failed
    }
}

/// Ends everything below this process and removes the directory.
pub(super) fn sweep(directory: &Path) -> io::Result<()> {
    let ended = processes::end_all();
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => ended,
    }
}

fn prepare(options: &Options) -> Result<Keeper, String> {
    let blocked = watched_signals();
    let signals = signals(&blocked).map_err(|e| format!("preparing for signals failed: {e}"))?;
    set_child_subreaper(true).map_err(|error| format!("becoming a subreaper failed: {error}"))?;
    let directory = &options.directory;
    DirBuilder::new()
        .mode(0o700)
        .create(directory)
        .map_err(|error| format!("making {} failed: {error}", directory.display()))?;
    let cast = Cast::of(options.nodes);
    let held = if options.loopback {
        Dice::new()
            .and_then(|mut dice| ground::loopback(&mut dice))
            .map_err(|error| format!("no free UDP port on the loopback interface: {error}"))?
    } else {
        ground::namespaces(cast)?
    };
    if cast == Cast::Pair {
        start_client(directory, &held)
            .map_err(|error| format!("starting the client failed: {error}"))?;
    }
    // After the namespaces: only a process of one thread may enter those of another user.
    let cable = match cast {
        Cast::Pair => Some(Cable::new().map_err(|e| format!("making a serial line failed: {e}"))?),
        Cast::Three => None,
    };
    Ok(Keeper {
        directory: directory.clone(),
        cast,
        held,
        cable,
        signals,
        lives: [const { None }; NODES.len()],
        crashed: [false; NODES.len()],
    })
}

/// It can be asked at once: its socket is made here.
fn start_client(directory: &Path, held: &Held) -> io::Result<()> {
    let listener = UnixListener::bind(client::socket(directory))?;
    held.enter_client()?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("hbd")
        .args(["demo-client", &held.ground().service().to_string()])
        .current_dir("/")
        .stdin(OwnedFd::from(listener))
        .stdout(Stdio::null());
    with_signals(|| command.spawn()).map(drop)
}

/// Everything that asks for an end, and the death of children.
fn watched_signals() -> SigSet {
    let mut set = super::ending_signals();
    set.add(Signal::SIGCHLD);
    set
}

fn signals(set: &SigSet) -> nix::Result<SignalFd> {
    set.thread_block()?;
    SignalFd::with_flags(set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

struct Keeper {
    directory: PathBuf,
    cast: Cast,
    held: Held,
    cable: Option<Cable>,
    signals: SignalFd,
    lives: [Option<Life>; NODES.len()],
    /// Whose machines have no power.
    crashed: [bool; NODES.len()],
}

/// A node that runs.
struct Life {
    /// The supervisor that the keeper started.
    supervisor: Pid,
    /// How that one ended.
    end: Option<String>,
}

impl Keeper {
    /// Until the teller is gone, or somebody asks for an end.
    fn keep(mut self, socket: &UnixStream) -> Result<(), String> {
        let broken = |error: io::Error| format!("talking to the teller failed: {error}");
        let mut orders = BufReader::new(socket);
        let ready = Answer::Ready {
            ground: self.held.ground(),
            serial: self
                .cable
                .as_ref()
                .map(Cable::paths)
                .transpose()
                .map_err(broken)?,
        };
        say(&mut &*socket, &ready).map_err(broken)?;
        loop {
            for ended in self.bury() {
                say(&mut &*socket, &ended).map_err(broken)?;
            }
            if self.wait(socket.as_fd()).map_err(|e| broken(e.into()))? {
                return Ok(());
            }
            if !readable(socket.as_fd()).map_err(|e| broken(e.into()))? {
                continue;
            }
            let Some(order) = hear(&mut orders).map_err(broken)? else {
                return Ok(());
            };
            let answer = self.obey(order);
            say(&mut &*socket, &answer).map_err(broken)?;
        }
    }

    /// Waits for an order or a death; true if somebody asks for an end.
    fn wait(&self, socket: BorrowedFd<'_>) -> nix::Result<bool> {
        let mut both = [
            PollFd::new(socket, PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut both, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
        let mut asked = false;
        while let Some(signal) = self.signals.read_signal()? {
            asked |= i32::try_from(signal.ssi_signo) != Ok(libc::SIGCHLD);
        }
        Ok(asked)
    }

    /// Collects the dead. A node has ended when nothing of it runs.
    fn bury(&mut self) -> Vec<Answer> {
        loop {
            let (pid, how) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, format!("exit code {code}")),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, format!("{signal}")),
                Ok(WaitStatus::StillAlive) | Err(_) => break,
                Ok(_) => continue,
            };
            for life in self.lives.iter_mut().flatten() {
                if life.supervisor == pid {
                    life.end = Some(how.clone());
                }
            }
        }
        let nodes = self.cast.nodes().iter();
        nodes.filter_map(|node| self.ended(*node)).collect()
    }

    fn ended(&mut self, node: Node) -> Option<Answer> {
        let end = self.lives[node as usize].as_ref()?.end.clone()?;
        if self.processes(node).is_ok_and(|left| left.is_empty()) {
            self.lives[node as usize] = None;
            return Some(Answer::Ended { node, how: end });
        }
        None
    }

    fn obey(&mut self, order: Order) -> Answer {
        let begin = clock::boot();
        let result = match order {
            Order::Start(node) => self.start(node),
            Order::Leave(node) => self.leave(node),
            Order::KillWorker(node, worker) => self
                .worker(node, worker)
                .and_then(|pid| signal(pid, Signal::SIGKILL)),
            Order::Kill(node) => self.kill(node),
            Order::Crash(node) => self.crash(node),
            Order::Freeze(node) => self.freeze(node),
            Order::Thaw(node) => self.thaw(node),
            Order::Find(node, worker) => match self.worker(node, worker) {
                Ok(pid) => return Answer::Found(pid.as_raw()),
                Err(error) => Err(error),
            },
        };
        match result {
            Ok(()) => Answer::Done(begin),
            Err(error) => Answer::Failed(format!("{order} failed: {error}")),
        }
    }

    fn start(&mut self, node: Node) -> io::Result<()> {
        if self.lives[node as usize].is_some() {
            return Err(io::Error::other("it runs already"));
        }
        let files = Files::of(&self.directory, node);
        if std::mem::take(&mut self.crashed[node as usize]) {
            files.reset_run()?;
            self.held.plug(node)?;
        }
        if let Some(cable) = &self.cable {
            cable.release(node as usize)?;
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(files.log())?;
        self.held.enter(node)?;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("hbd")
            .arg("--config")
            .arg(files.config())
            .arg("--state")
            .arg(files.state())
            .arg("--run")
            .arg(files.run())
            .args(["--node", node.name(), "--allow-faults"])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = with_signals(|| command.spawn())?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        self.lives[node as usize] = Some(Life {
            supervisor: Pid::from_raw(pid),
            end: None,
        });
        Ok(())
    }

    fn leave(&self, node: Node) -> io::Result<()> {
        signal(self.supervisor(node)?, Signal::SIGTERM)
    }

    /// All are stopped first, so that none replaces what dies before it.
    fn kill(&self, node: Node) -> io::Result<()> {
        self.freeze(node)?;
        self.signal_all(node, Signal::SIGKILL)
    }

    /// Nothing of it says farewell: neither its programs nor, for them, its kernel.
    fn crash(&mut self, node: Node) -> io::Result<()> {
        self.crashed[node as usize] = true;
        self.freeze(node)?;
        self.held.unplug(node)?;
        self.signal_all(node, Signal::SIGKILL)
    }

    /// Until there is none that was not stopped: a process may have been starting another.
    fn freeze(&self, node: Node) -> io::Result<()> {
        let mut stopped = Vec::new();
        loop {
            let mut found = self.processes(node)?;
            found.retain(|pid| !stopped.contains(pid));
            if found.is_empty() {
                return Ok(());
            }
            for pid in found {
                signal(pid, Signal::SIGSTOP)?;
                stopped.push(pid);
            }
        }
    }

    fn thaw(&self, node: Node) -> io::Result<()> {
        self.signal_all(node, Signal::SIGCONT)
    }

    fn signal_all(&self, node: Node, which: Signal) -> io::Result<()> {
        self.processes(node)?
            .into_iter()
            .try_for_each(|pid| signal(pid, which))
    }

    fn supervisor(&self, node: Node) -> io::Result<Pid> {
        let is_other = |word: &String| OTHERS.contains(&&**word);
        self.find(node, |words| !words.iter().any(is_other))?
            .ok_or_else(|| io::Error::other("it does not run"))
    }

    fn worker(&self, node: Node, worker: Worker) -> io::Result<Pid> {
        let word = worker.word();
        self.find(node, |words| words.iter().any(|is| is == word))?
            .ok_or_else(|| io::Error::other(format!("it has no {word} at the moment")))
    }

    fn find(&self, node: Node, is: impl Fn(&[String]) -> bool) -> io::Result<Option<Pid>> {
        let processes = self.processes(node)?.into_iter();
        Ok(processes
            .map(|pid| (pid, processes::arguments(pid)))
            .find(|(_, words)| is(words))
            .map(|(pid, _)| pid))
    }

    /// Everything of a node that runs.
    fn processes(&self, node: Node) -> io::Result<Vec<Pid>> {
        let run = Files::of(&self.directory, node).run();
        let run = run.to_string_lossy();
        let mut found = processes::below(Pid::this())?;
        found.retain(|pid| {
            let words = processes::arguments(*pid);
            let serves = || words.iter().any(|word| word == SERVER);
            words.iter().any(|word| *word == run)
                || (words.iter().any(|word| word == node.name()) && serves())
        });
        Ok(found)
    }
}

/// Starts a process that does not inherit our blocked signals. One that arrives here in between
/// takes its usual effect: those that ask for an end end the keeper, and the teller sweeps; the
/// dead are collected before the next wait, noticed or not.
fn with_signals<T>(start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let set = watched_signals();
    set.thread_unblock()?;
    let started = start();
    set.thread_block()?;
    started
}

/// A process that has ended meanwhile needs no signal.
fn signal(pid: Pid, signal: Signal) -> io::Result<()> {
    match kill(pid, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn readable(socket: BorrowedFd<'_>) -> nix::Result<bool> {
    let mut one = [PollFd::new(socket, PollFlags::POLLIN)];
    Ok(poll(&mut one, PollTimeout::ZERO)? > 0)
}
