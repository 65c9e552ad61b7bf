//! One real Heartbeat, `alice`, and some nodes that run hbd, on one switch.

use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use hbd_tests::daemon::Daemon;
use hbd_tests::error::{Error, unexpected};
use hbd_tests::heartbeat::HeartbeatNode;
use hbd_tests::namespaces::{Namespace, Switch};
use hbd_tests::scratch::Scratch;
use hbd_tests::{program, wait};
use shared::event::{Event, NodeStatus};

use crate::lane::{Digest, Link, Medium};

/// The Heartbeat.
pub(crate) const ALICE: &str = "alice";
pub(crate) const LINK: Link = Link::of(Medium::Bcast, Digest::Sha1);
pub(crate) const DEADTIME: Duration = Duration::from_secs(5);
/// Longest boot, and longest wait for anything else.
pub(crate) const BOOT: Duration = Duration::from_secs(40);

/// Fields are dropped in this order: nodes before the networks they live in.
pub(crate) struct Company {
    pub(crate) alice: HeartbeatNode,
    /// The others, in the order in which they were named.
    pub(crate) daemons: Vec<Daemon>,
    /// The configuration of each of them.
    pub(crate) configs: Vec<PathBuf>,
    _networks: Vec<Arc<Namespace>>,
    pub(crate) switch: Switch,
    _config: Scratch,
}

impl Company {
    /// All run, and hold each other for members.
    pub(crate) fn running(daemons: &[&str]) -> Result<Self, Error> {
        let nodes = [&[ALICE], daemons].concat();
        let (switch, config) = (Switch::new()?, Scratch::new()?);
        let (mut networks, mut configs) = (Vec::new(), Vec::new());
        for (n, node) in (1..).zip(&nodes) {
            let network = Arc::new(Namespace::new()?);
            switch.plug(&network, "eth0", &[&format!("10.9.0.{n}/24")])?;
            let directory = config.directory(node)?;
            LINK.configure(&directory, "", DEADTIME, &nodes)?;
            networks.push(network);
            configs.push(directory);
        }
        let alice = HeartbeatNode::new(ALICE, &networks[0], &configs.remove(0))?;
        let mut company = Self {
            alice,
            daemons: Vec::new(),
            configs,
            _networks: networks,
            switch,
            _config: config,
        };
        company.alice.start()?;
        for (n, node) in daemons.iter().enumerate() {
            let network = &company._networks[n + 1];
            let mut daemon = Daemon::new(node, network, &company.configs[n])?;
            daemon.start()?;
            company.daemons.push(daemon);
        }
        company.all_active(daemons)?;
        Ok(company)
    }

    /// Waits until everyone holds everyone for active.
    pub(crate) fn all_active(&self, daemons: &[&str]) -> Result<(), Error> {
        for node in daemons {
            self.alice.wait_status(node, "active", BOOT)?;
        }
        for daemon in &self.daemons {
            for node in daemons.iter().chain([&ALICE]) {
                daemon.wait_status(node, NodeStatus::Active, BOOT)?;
            }
        }
        Ok(())
    }

    /// Lets alice read what changed of her configuration.
    pub(crate) fn alice_rereads(&self) -> Result<(), Error> {
        let hangup = "kill -HUP $(cat /run/heartbeat.pid)";
        self.alice.ask(&["sh", "-c", hangup]).map(drop)
    }
}

/// Runs `hactl` against a node.
pub(crate) fn hactl(daemon: &Daemon, words: &[&str]) -> Result<Output, Error> {
    let (hactl, socket) = (program::of_workspace("hactl")?, daemon.socket());
    let (hactl, socket) = (hactl.to_string_lossy(), socket.to_string_lossy());
    let words = [&["--socket", &*socket], words].concat();
    program::output(&hactl, &words)
}

/// The text of the first event that is so, if there is one.
pub(crate) fn happened(
    daemon: &Daemon,
    is: impl Fn(&Event) -> bool,
) -> Result<Option<String>, Error> {
    let events = daemon.events()?;
    Ok(events.into_iter().find(is).map(|event| event.text))
}

/// Waits for a line of a log, from a place in it on.
pub(crate) fn logged(node: &HeartbeatNode, mark: usize, line: &str) -> Result<(), Error> {
    wait::until_true(BOOT, &format!("{} logs {line:?}", node.name()), || {
        Ok(node
            .log()?
            .get(mark..)
            .is_some_and(|log| log.contains(line)))
    })
}

/// No line from there on may hold any of these words.
pub(crate) fn nothing_of(node: &HeartbeatNode, mark: usize, words: &[&str]) -> Result<(), Error> {
    let log = node.log()?.split_off(mark);
    let lines: Vec<&str> = log.lines().collect();
    // A refused beat leaves a gap, of which may be told late; it matters only where it is not closed.
    let closed = lines.iter().rposition(|line| line.contains(CLOSED));
    let is_mended = |place: usize| {
        let is_told = lines[place].contains(CLOSED) || lines[place].contains(LOST);
        is_told && closed >= Some(place)
    };
    let bad = |place: &usize| {
        let line = lines[*place];
        let named = words.iter().any(|word| line.contains(word));
        named && !is_of_itself(line) && !is_mended(*place)
    };
    match (0..lines.len()).find(bad) {
        Some(place) => unexpected(format!("{} logs: {}\n{log}", node.name(), lines[place])),
        None => Ok(()),
    }
}

/// What a Heartbeat says when something was lost.
const LOST: &str = "lost packet(s) for";
/// What a Heartbeat says when it has all that was lost.
const CLOSED: &str = "No pkts missing from";

/// What a Heartbeat says of its own machine.
fn is_of_itself(line: &str) -> bool {
    const OF_ITSELF: [&str; 4] = ["Gmain_", "G_main_", "G_SIG_", "G_CH_"];
    OF_ITSELF.iter().any(|word| line.contains(word))
}
