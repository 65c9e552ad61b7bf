//! Two nodes on a switch: bob, whose processes die, and alice, who watches.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hbd_tests::daemon::{Daemon, HARMLESS};
use hbd_tests::error::{Error, unexpected};
use hbd_tests::heartbeat::HeartbeatNode;
use hbd_tests::namespaces::{Cable, Fault, Namespace, Switch};
use hbd_tests::scratch::{self, Scratch};
use hbd_tests::wait;
use shared::event::{Kind, NodeStatus, StatusReason};

pub(crate) const ALICE: &str = "alice";
pub(crate) const BOB: &str = "bob";
/// Longest boot: `initdead` alone, plus start-up on a busy machine.
pub(crate) const BOOT: Duration = Duration::from_secs(40);
/// Longest wait for anything else.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// As in [`TIMES`].
pub(crate) const DEADTIME: Duration = Duration::from_secs(5);
const TIMES: &str = "keepalive 500ms\nwarntime 3\ndeadtime 5\ninitdead 10\n";
const KEY: &str = "auth 1\n1 sha1 deaths-key\n";
/// Lines of each log shown with a failure.
const TAIL: usize = 40;

/// What alice runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Watcher {
    Hbd,
    Heartbeat,
}

/// Alice.
enum Alice {
    Hbd(Box<Daemon>),
    Heartbeat(HeartbeatNode),
}

/// Fields are dropped in this order: nodes before the networks they live in.
pub(crate) struct Pair {
    pub(crate) bob: Daemon,
    alice: Alice,
    cables: [Cable; 2],
    networks: [Arc<Namespace>; 2],
    switch: Switch,
    _config: Scratch,
}

impl Pair {
    /// Both run and hold each other for members.
    pub(crate) fn running(watcher: Watcher) -> Result<Self, Error> {
        let switch = Switch::new()?;
        let networks = [Arc::new(Namespace::new()?), Arc::new(Namespace::new()?)];
        let cables = [
            switch.plug(&networks[0], "eth0", &["10.9.0.1/24"])?,
            switch.plug(&networks[1], "eth0", &["10.9.0.2/24"])?,
        ];
        let config = Scratch::new()?;
        let (to_alice, to_bob) = (config.directory(ALICE)?, config.directory(BOB)?);
        configure(&to_alice)?;
        configure(&to_bob)?;
        let mut bob = Daemon::new(BOB, &networks[1], &to_bob)?;
        bob.install(0)?;
        let alice = match watcher {
            Watcher::Hbd => Alice::Hbd(Box::new(Daemon::new(ALICE, &networks[0], &to_alice)?)),
            Watcher::Heartbeat => {
                Alice::Heartbeat(HeartbeatNode::new(ALICE, &networks[0], &to_alice)?)
            }
        };
        let mut pair = Self {
            bob,
            alice,
            cables,
            networks,
            switch,
            _config: config,
        };
        pair.start_alice()?;
        pair.bob.start()?;
        pair.both_active()?;
        Ok(pair)
    }

    pub(crate) fn start_alice(&mut self) -> Result<(), Error> {
        match &mut self.alice {
            Alice::Hbd(alice) => alice.start(),
            Alice::Heartbeat(alice) => alice.start(),
        }
    }

    pub(crate) fn crash_alice(&mut self) -> Result<(), Error> {
        match &mut self.alice {
            Alice::Hbd(alice) => alice.crash(),
            Alice::Heartbeat(alice) => alice.crash(),
        }
    }

    /// Waits until each holds the other for active.
    pub(crate) fn both_active(&self) -> Result<(), Error> {
        self.alice_sees("active")?;
        wait::until_true(BOOT, "bob says that everyone is active", || {
            // A supervisor may be on its way.
            let Ok(view) = self.bob.view() else {
                return Ok(false);
            };
            let active = |node: &shared::view::NodeView| node.status == NodeStatus::Active;
            Ok(view.nodes.len() == 2 && view.nodes.values().all(active))
        })
    }

    /// Waits until alice gives bob that status.
    pub(crate) fn alice_sees(&self, status: &str) -> Result<(), Error> {
        match &self.alice {
            Alice::Heartbeat(alice) => alice.wait_status(BOB, status, BOOT),
            Alice::Hbd(alice) => {
                let status = match status {
                    "active" => NodeStatus::Active,
                    _ => NodeStatus::Dead,
                };
                alice.wait_status(BOB, status, BOOT)
            }
        }
    }

    /// How often alice has taken bob for dead, goodbyes apart where she tells them apart.
    pub(crate) fn deaths(&self) -> Result<usize, Error> {
        match &self.alice {
            Alice::Heartbeat(alice) => Ok(alice.log()?.matches("node bob: is dead").count()),
            Alice::Hbd(alice) => count(alice, |kind| match kind {
                Kind::NodeStatus {
                    node, to, reason, ..
                } => {
                    node.as_str() == BOB && *to == NodeStatus::Dead && *reason != StatusReason::Left
                }
                _ => false,
            }),
        }
    }

    /// How often alice has seen bob restart.
    pub(crate) fn restarts(&self) -> Result<usize, Error> {
        match &self.alice {
            Alice::Heartbeat(alice) => Ok(alice
                .log()?
                .matches("Heartbeat restart on node bob")
                .count()),
            Alice::Hbd(alice) => count(alice, |kind| match kind {
                Kind::NodeRestarted { node, .. } => node.as_str() == BOB,
                _ => false,
            }),
        }
    }

    /// Of 100 packets between the two so many are lost; 0 heals that.
    pub(crate) fn lose(&self, percent: u8) -> Result<(), Error> {
        let [alice, bob] = &self.cables;
        let faults = [
            Fault::loss(alice, bob, percent),
            Fault::loss(bob, alice, percent),
        ];
        match percent {
            0 => self.switch.set_faults(&[]),
            _ => self.switch.set_faults(&faults),
        }
    }

    /// Bob's end of his cable is in, or out.
    pub(crate) fn plug(&self, plugged: bool) -> Result<(), Error> {
        let state = if plugged { "up" } else { "down" };
        let [_, bob] = &self.networks;
        bob.ip(&["link", "set", "eth0", state]).map(drop)
    }

    /// A failure with what both said.
    pub(crate) fn with_logs(&self, error: &Error) -> Error {
        let alice = match &self.alice {
            Alice::Hbd(alice) => alice.log(),
            Alice::Heartbeat(alice) => alice.log().unwrap_or_default(),
        };
        Error::Unexpected(format!(
            "{error}\n--- alice\n{}\n--- bob\n{}",
            tail(&alice),
            tail(&self.bob.log())
        ))
    }
}

fn configure(directory: &Path) -> Result<(), Error> {
    let ha_cf = format!(
        "logfile /var/log/ha-log\nlogfacility none\nrealtime off\n{TIMES}auto_failback legacy\n\
         bcast eth0\nnode {ALICE} {BOB}\n"
    );
    scratch::write(&directory.join("ha.cf"), &ha_cf)?;
    scratch::write(&directory.join("hbd.cf"), HARMLESS)?;
    scratch::write(&directory.join("haresources"), "")?;
    scratch::write_secret(&directory.join("authkeys"), KEY)
}

fn count(daemon: &Daemon, is: impl Fn(&Kind) -> bool) -> Result<usize, Error> {
    let events = daemon.events()?;
    Ok(events.iter().filter(|event| is(&event.kind)).count())
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

/// For what a test finds otherwise than promised.
pub(crate) fn demand(holds: bool, statement: &str) -> Result<(), Error> {
    if holds {
        Ok(())
    } else {
        unexpected(format!("not so: {statement}"))
    }
}
