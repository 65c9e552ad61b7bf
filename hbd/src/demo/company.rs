//! The nodes as the teller has them: orders for them, and a stream of events from each.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use shared::api::{Fault, Request};
use shared::client::{Client, ClientError, Subscription, Update};
use shared::event::{LinkStatus, NodeStatus};
use shared::group::GroupName;
use shared::names::{MediumName, NodeName};
use shared::order::{Choice, GroupOrder, GroupVerb};
use shared::time::Moment;
use shared::view::ClusterView;

use super::Stop;
use super::cast::{Cast, Files, NODES, Node};
use super::client::{self, Question, Reply, Seen};
use super::dice::Dice;
use super::ground::Ground;
use super::heard::Heard;
use super::hired::{Hired, Refusal, nonsense};
use super::order::{Answer, Order, Worker};
use crate::clock;

/// Random bytes in a key.
const KEY_BYTES: usize = 16;
/// How long a node that listens may take to greet and to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// So many of a node's former events are asked for with the stream.
const RECENT: usize = 1000;
/// Pause between two looks while a node's socket is not there yet.
const LOOK: Duration = Duration::from_millis(20);
/// For how long a move counts, as `hactl move` has it.
const MOVE_LASTS: Duration = Duration::from_secs(3600);
/// Last lines of a log that are shown.
const LOG_LINES: usize = 8;

/// The nodes.
pub(super) struct Company {
    cast: Cast,
    keeper: Hired,
    /// Why the nodes are not in namespaces, where that is not by choice.
    excuse: Option<String>,
    dice: Dice,
    key: String,
    lines: [Line; NODES.len()],
    heard: Heard,
    listens: bool,
    signals: SignalFd,
}

/// A node's hbd and the connection to it.
#[derive(Default)]
struct Line {
    life: Life,
    stream: Option<Subscription>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Life {
    /// It does not run.
    #[default]
    Off,
    /// It runs, and is to be listened to.
    Runs,
    /// It was told to end, or killed.
    Ends,
}

impl Company {
    /// Makes ground and keeper and writes the nodes' files; no node runs yet.
    pub(super) fn assemble(cast: Cast, loopback: bool) -> Result<Self, Stop> {
        let signals = signals().map_err(|error| broken("preparing for signals", error))?;
        nix::sys::prctl::set_child_subreaper(true)
            .map_err(|error| broken("becoming a subreaper", error))?;
        let mut dice = Dice::new().map_err(|error| broken("opening /dev/urandom", error))?;
        let key = dice
            .word(KEY_BYTES)
            .map_err(|e| broken("making a key", e))?;
        let (keeper, excuse) = hire(&mut dice, cast, loopback)?;
        let company = Self {
            cast,
            keeper,
            excuse,
            dice,
            key,
            lines: Default::default(),
            heard: Heard::default(),
            listens: true,
            signals,
        };
        for node in cast.nodes() {
            company
                .files(*node)
                .write(
                    cast,
                    company.ground(),
                    company.keeper.serial(*node),
                    &company.key,
                )
                .map_err(|error| broken("writing the files of a node", error))?;
        }
        Ok(company)
    }

    /// Who plays.
    pub(super) fn cast(&self) -> Cast {
        self.cast
    }

    /// Where the nodes live.
    pub(super) fn ground(&self) -> Ground {
        self.keeper.ground()
    }

    /// Why the nodes are not in namespaces, where that is not by choice.
    pub(super) fn excuse(&self) -> Option<&str> {
        self.excuse.as_deref()
    }

    /// The files of a node.
    pub(super) fn files(&self, node: Node) -> Files {
        Files::of(self.keeper.directory(), node)
    }

    /// What the nodes told so far.
    pub(super) fn heard(&self) -> &Heard {
        &self.heard
    }

    /// Starts hbd on a node; when that began.
    pub(super) fn start(&mut self, node: Node) -> Result<Moment, Stop> {
        let began = self.order(Order::Start(node))?;
        self.lines[node as usize].life = Life::Runs;
        Ok(began)
    }

    /// Tells hbd on a node to leave the cluster; when.
    pub(super) fn leave(&mut self, node: Node) -> Result<Moment, Stop> {
        self.lines[node as usize].life = Life::Ends;
        self.order(Order::Leave(node))
    }

    /// Kills all processes of a node; when.
    pub(super) fn kill(&mut self, node: Node) -> Result<Moment, Stop> {
        self.lines[node as usize].life = Life::Ends;
        self.order(Order::Kill(node))
    }

    /// Takes the power from a node's machine; when.
    pub(super) fn crash(&mut self, node: Node) -> Result<Moment, Stop> {
        self.lines[node as usize].life = Life::Ends;
        self.order(Order::Crash(node))
    }

    /// Kills the core or the manager of a node; when.
    pub(super) fn kill_worker(&mut self, node: Node, worker: Worker) -> Result<Moment, Stop> {
        self.order(Order::KillWorker(node, worker))
    }

    /// Stops all processes of a node; when.
    pub(super) fn freeze(&mut self, node: Node) -> Result<Moment, Stop> {
        self.order(Order::Freeze(node))
    }

    /// Lets all processes of a node go on; when.
    pub(super) fn thaw(&mut self, node: Node) -> Result<Moment, Stop> {
        self.order(Order::Thaw(node))
    }

    /// The process id of a node's core or manager.
    pub(super) fn worker(&mut self, node: Node, worker: Worker) -> Result<i32, Stop> {
        match self.ask(Order::Find(node, worker))? {
            Answer::Found(pid) => Ok(pid),
            other => Err(broken("asking the keeper", nonsense(&other))),
        }
    }

    /// Gives a node the key of the others, or another one. It reads it when it starts.
    pub(super) fn set_key(&mut self, node: Node, right: bool) -> Result<(), Stop> {
        let key = if right {
            self.key.clone()
        } else {
            let word = self.dice.word(KEY_BYTES);
            word.map_err(|error| broken("making a key", error))?
        };
        let written = self.files(node).write_key(&key);
        written.map_err(|error| broken("writing authkeys", error))
    }

    /// Cuts links of a node in both directions, or heals them; when.
    pub(super) fn cut(&mut self, node: Node, links: &[&str], cut: bool) -> Result<Moment, Stop> {
        let began = clock::boot();
        let socket = self.files(node).socket();
        let mut client = Client::connect(&socket, ANSWER_LIMIT)
            .map_err(|error| broken("asking for a fault", error))?;
        for link in links {
            let medium = MediumName::new(link).map_err(|error| broken("naming a medium", error))?;
            let fault = Fault {
                medium,
                cut_in: cut,
                cut_out: cut,
                loss_percent: 0,
            };
            client
                .request(Request::Fault(fault))
                .map_err(|error| broken("asking for a fault", error))?;
        }
        Ok(began)
    }

    /// Orders the pair's group onto a node, as `hactl move` does; when.
    pub(super) fn move_group(&self, to: Node) -> Result<Moment, Stop> {
        let refused = |error: &dyn std::fmt::Display| broken("moving the group", error);
        let group = GroupName::new(&self.ground().group()).map_err(|error| refused(&error))?;
        let node = NodeName::new(to.name()).map_err(|error| refused(&error))?;
        let order = GroupOrder {
            verb: GroupVerb::Move {
                groups: Choice::Named(vec![group]),
                to: Some(node),
                lasts: Some(MOVE_LASTS),
                together: false,
            },
            reason: None,
            dry_run: false,
        };
        let began = clock::boot();
        Client::connect(&self.files(to).socket(), ANSWER_LIMIT)
            .and_then(|mut client| client.request(Request::Order(Box::new(order))))
            .map_err(|error| refused(&error))?;
        Ok(began)
    }

    /// What the client of the pair saw of the service since then.
    pub(super) fn seen(&self, since: Moment) -> Result<Seen, Stop> {
        match client::ask(self.keeper.directory(), Question::Seen(since)) {
            Ok(Reply::Seen(seen)) => Ok(seen),
            Ok(other) => Err(broken("asking the client", format!("it said {other:?}"))),
            Err(error) => Err(broken("asking the client", error)),
        }
    }

    /// True if every node counts every node as a member and hears it over every link.
    pub(super) fn is_settled(&self) -> bool {
        let nodes = self.cast.nodes();
        nodes.iter().all(|node| {
            let client = Client::connect(&self.files(*node).socket(), ANSWER_LIMIT);
            let snapshot = client.and_then(|mut client| client.snapshot());
            snapshot.is_ok_and(|snapshot| is_in_order(&snapshot.view, nodes.len()))
        })
    }

    /// True once hbd on that node has ended, as it was told to.
    pub(super) fn has_ended(&self, node: Node) -> bool {
        self.lines[node as usize].life == Life::Off
    }

    /// Takes no more events, which would pile up; only ends and signals are of interest.
    pub(super) fn hang_up(&mut self) -> Result<(), Stop> {
        self.listens = false;
        for line in &mut self.lines {
            line.stream = None;
        }
        if self.cast == Cast::Pair {
            client::ask(self.keeper.directory(), Question::Rest)
                .map_err(|error| broken("asking the client", error))?;
        }
        Ok(())
    }

    /// Waits until something may have happened, and takes it in; at most until `limit`. A node
    /// that ended without having been told to is an error.
    pub(super) fn listen(&mut self, limit: Moment) -> Result<(), Stop> {
        self.wait(limit)?;
        self.signalled()?;
        self.take_news()?;
        for node in self.cast.nodes() {
            self.take_events(*node)?;
        }
        Ok(())
    }

    fn wait(&self, limit: Moment) -> Result<(), Stop> {
        if self.keeper.is_heard() {
            return Ok(());
        }
        let mut span = limit.since(clock::boot());
        if self.listens && self.lines.iter().any(Line::is_wanted) {
            span = span.min(LOOK);
        }
        let mut watched = vec![self.signals.as_fd()];
        watched.extend(self.keeper.as_fd());
        let streams = self.lines.iter().filter_map(|line| line.stream.as_ref());
        watched.extend(streams.map(Subscription::as_fd));
        let mut watched: Vec<_> = watched
            .into_iter()
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        let millis = i32::try_from(span.as_millis() + 1).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        match poll(&mut watched, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(broken("waiting", error)),
        }
    }

    fn signalled(&self) -> Result<(), Stop> {
        match self.signals.read_signal() {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(Stop::Asked),
            Err(error) => Err(broken("reading signals", error)),
        }
    }

    /// What the keeper says unasked.
    fn take_news(&mut self) -> Result<(), Stop> {
        loop {
            let Some(fd) = self.keeper.as_fd() else {
                return Ok(());
            };
            let mut one = [PollFd::new(fd, PollFlags::POLLIN)];
            let waiting = poll(&mut one, PollTimeout::ZERO).is_ok_and(|ready| ready > 0);
            if !waiting && !self.keeper.is_heard() {
                return Ok(());
            }
            let news = self.keeper.hear();
            match news.map_err(|error| broken("listening to the keeper", error))? {
                Answer::Ended { node, how } => self.note_end(node, &how)?,
                other => return Err(broken("listening to the keeper", nonsense(&other))),
            }
        }
    }

    fn note_end(&mut self, node: Node, how: &str) -> Result<(), Stop> {
        // What it said before it ended.
        self.take_events(node)?;
        let line = &mut self.lines[node as usize];
        line.stream = None;
        let former = std::mem::take(&mut line.life);
        if former == Life::Ends {
            return Ok(());
        }
        Err(Stop::NodeEnded(format!(
            "hbd on {} ended unasked ({how}); its last words:\n{}",
            node.name(),
            self.last_words(node)
        )))
    }

    /// The end of what a node's hbd printed.
    pub(super) fn last_words(&self, node: Node) -> String {
        let text = std::fs::read_to_string(self.files(node).log()).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let from = lines.len().saturating_sub(LOG_LINES);
        lines[from..]
            .iter()
            .map(|line| format!("  {line}\n"))
            .collect()
    }

    fn take_events(&mut self, node: Node) -> Result<(), Stop> {
        if self.listens && self.lines[node as usize].is_wanted() {
            self.lines[node as usize].stream = self.call(node)?;
        }
        while let Some(stream) = &mut self.lines[node as usize].stream {
            match stream.wait(Some(Duration::ZERO)) {
                Ok(Some(Update::Event(event))) => self.heard.keep(*event),
                Ok(Some(Update::Sample(_) | Update::Snapshot(_))) => {}
                Ok(None) => break,
                Err(ClientError::Closed { .. } | ClientError::Io { .. }) => {
                    self.lines[node as usize].stream = None;
                }
                Err(error) => return Err(broken("listening to a node", error)),
            }
        }
        Ok(())
    }

    /// A stream of a node's events, unless its socket is not there yet.
    fn call(&self, node: Node) -> Result<Option<Subscription>, Stop> {
        let client = Client::connect(&self.files(node).socket(), ANSWER_LIMIT);
        match client.and_then(|client| client.subscribe(RECENT)) {
            Ok(stream) => Ok(Some(stream)),
            Err(
                ClientError::Connect { .. }
                | ClientError::Closed { .. }
                | ClientError::Io { .. }
                | ClientError::TimedOut { .. },
            ) => Ok(None),
            Err(error) => Err(broken("listening to a node", error)),
        }
    }

    /// Gives an order; when it began to be carried out.
    fn order(&mut self, order: Order) -> Result<Moment, Stop> {
        match self.ask(order)? {
            Answer::Done(began) => Ok(began),
            other => Err(broken("asking the keeper", nonsense(&other))),
        }
    }

    fn ask(&mut self, order: Order) -> Result<Answer, Stop> {
        let trouble = |error| broken("asking the keeper", error);
        self.keeper.order(order).map_err(trouble)?;
        loop {
            match self.keeper.hear().map_err(trouble)? {
                Answer::Ended { node, how } => self.note_end(node, &how)?,
                Answer::Failed(reason) => return Err(Stop::Broken(reason)),
                answer => return Ok(answer),
            }
        }
    }
}

impl Line {
    fn is_wanted(&self) -> bool {
        self.life == Life::Runs && self.stream.is_none()
    }
}

fn is_in_order(view: &ClusterView, nodes: usize) -> bool {
    let mut links = view.nodes.values().flat_map(|node| node.links.values());
    view.nodes.len() == nodes
        && view
            .nodes
            .values()
            .all(|node| node.status == NodeStatus::Active)
        && links.all(|link| link.status == LinkStatus::Up)
}

/// A keeper, and why the nodes are not in namespaces, where that is not by choice.
fn hire(dice: &mut Dice, cast: Cast, loopback: bool) -> Result<(Hired, Option<String>), Stop> {
    let refused = |refusal: Refusal| Stop::Broken(refusal.to_string());
    if loopback {
        return Ok((Hired::new(dice, cast, true).map_err(refused)?, None));
    }
    match Hired::new(dice, cast, false) {
        Ok(hired) => Ok((hired, None)),
        Err(Refusal::Ground(reason)) => {
            Ok((Hired::new(dice, cast, true).map_err(refused)?, Some(reason)))
        }
        Err(refusal) => Err(refused(refusal)),
    }
}

/// The signals that ask for an end, to be read instead of being obeyed.
fn signals() -> nix::Result<SignalFd> {
    let set = super::ending_signals();
    set.thread_block()?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

fn broken(what: &str, error: impl std::fmt::Display) -> Stop {
    Stop::Broken(format!("{what} failed: {error}"))
}
