//! `hb_standby` and `hb_takeover` on a node of hbd, beside a real Heartbeat and beside another hbd: where the groups are
//! afterwards is the same.

use std::os::unix::fs::symlink;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use hbd_tests::daemon::Daemon;
use hbd_tests::error::{Error, file, unexpected};
use hbd_tests::heartbeat::HeartbeatNode;
use hbd_tests::namespaces::{Namespace, Switch};
use hbd_tests::scratch::{self, Scratch};
use hbd_tests::{program, wait};

use crate::company::ALICE;

pub(crate) const BOB: &str = "bob";
/// The address of each node's line.
const SERVICES: [&str; 2] = ["10.9.0.50", "10.9.0.51"];
const HARESOURCES: &str = "alice 10.9.0.50/24/eth0\nbob 10.9.0.51/24/eth0\n";
/// Longest wait: a Heartbeat that begins alone takes initdead and its pause of 10 s.
pub(crate) const LIMIT: Duration = Duration::from_secs(40);
/// A Heartbeat rests so long between what it begins.
const REST: Duration = Duration::from_secs(3);

/// Who holds alice's service, and who holds bob's.
pub(crate) type Holders = [Option<&'static str>; 2];

pub(crate) const EACH_ITS_OWN: Holders = [Some(ALICE), Some(BOB)];
pub(crate) const ALL_ON_ALICE: Holders = [Some(ALICE), Some(ALICE)];
pub(crate) const ALL_ON_BOB: Holders = [Some(BOB), Some(BOB)];

/// What alice runs.
pub(crate) enum Partner {
    Heartbeat(HeartbeatNode),
    Hbd(Daemon),
}

impl Partner {
    pub(crate) fn start(&mut self) -> Result<(), Error> {
        match self {
            Self::Heartbeat(node) => node.start(),
            Self::Hbd(daemon) => daemon.start(),
        }
    }

    pub(crate) fn stop(&mut self) -> Result<(), Error> {
        match self {
            Self::Heartbeat(node) => node.stop(LIMIT),
            Self::Hbd(daemon) => daemon.terminate(LIMIT),
        }
    }

    fn crash(&mut self) -> Result<(), Error> {
        match self {
            Self::Heartbeat(node) => node.crash(),
            Self::Hbd(daemon) => daemon.crash(),
        }
    }

    fn log(&self) -> String {
        match self {
            Self::Heartbeat(node) => node.log().unwrap_or_default(),
            Self::Hbd(daemon) => daemon.log(),
        }
    }
}

/// Fields are dropped in this order: nodes before the networks they live in.
pub(crate) struct Pair {
    pub(crate) alice: Partner,
    pub(crate) bob: Daemon,
    networks: [Arc<Namespace>; 2],
    _switch: Switch,
    pub(crate) config: Scratch,
}

impl Pair {
    /// Nothing runs yet.
    pub(crate) fn new(heartbeat: bool) -> Result<Self, Error> {
        let (switch, config) = (Switch::new()?, Scratch::new()?);
        let networks = [Arc::new(Namespace::new()?), Arc::new(Namespace::new()?)];
        switch.plug(&networks[0], "eth0", &["10.9.0.1/24"])?;
        switch.plug(&networks[1], "eth0", &["10.9.0.2/24"])?;
        let ha_cf = "logfile /var/log/ha-log\nlogfacility none\nrealtime off\nkeepalive 200ms\nwarntime 1\ndeadtime 2\n\
                     initdead 6\nauto_failback on\nbcast eth0\nnode alice bob\n";
        let directories = [config.directory(ALICE)?, config.directory(BOB)?];
        for directory in &directories {
            scratch::write(&directory.join("ha.cf"), ha_cf)?;
            scratch::write(&directory.join("haresources"), HARESOURCES)?;
            let keys = "auth 1\n1 sha1 shared-secret-of-two\n";
            scratch::write_secret(&directory.join("authkeys"), keys)?;
        }
        let links = config.directory("commands")?;
        for command in ["hb_standby", "hb_takeover"] {
            let hactl = program::of_workspace("hactl")?;
            file("link hactl", symlink(hactl, links.join(command)))?;
        }
        Ok(Self {
            alice: match heartbeat {
                true => {
                    Partner::Heartbeat(HeartbeatNode::new(ALICE, &networks[0], &directories[0])?)
                }
                false => Partner::Hbd(Daemon::new(ALICE, &networks[0], &directories[0])?),
            },
            bob: Daemon::new(BOB, &networks[1], &directories[1])?,
            networks,
            _switch: switch,
            config,
        })
    }

    /// Both begin, and have what is theirs.
    pub(crate) fn start(&mut self) -> Result<(), Error> {
        self.alice.start()?;
        self.bob.start()?;
        self.settles("both begin", EACH_ITS_OWN)
    }

    fn holders(&self) -> Result<Holders, Error> {
        let mut holders = [None; 2];
        for (network, node) in self.networks.iter().zip([ALICE, BOB]) {
            let addresses = network.ip(&["-o", "-4", "addr", "show", "dev", "eth0"])?;
            for (holder, service) in holders.iter_mut().zip(SERVICES) {
                if addresses.contains(&format!(" {service}/")) {
                    holder.get_or_insert(node);
                }
            }
        }
        Ok(holders)
    }

    /// Waits until it is so, and stays so for a while.
    pub(crate) fn settles(&self, what: &str, expected: Holders) -> Result<(), Error> {
        let what = format!("{what}: {expected:?}");
        wait::until_true(LIMIT, &what, || Ok(self.holders()? == expected))
            .and_then(|()| wait::stays_true(REST, &what, || Ok(self.holders()? == expected)))
            .map_err(|error| self.with_logs(&error))
    }

    pub(crate) fn with_logs(&self, error: &Error) -> Error {
        Error::Unexpected(format!(
            "{error}\nholders: {:?}\n--- alice\n{}\n--- bob\n{}",
            self.holders(),
            self.alice.log(),
            self.bob.log()
        ))
    }

    /// Alice loses power: what she held is gone with her.
    pub(crate) fn alice_dies(&mut self) -> Result<(), Error> {
        self.alice.crash()?;
        self.loses_power(0, "10.9.0.1/24")
    }

    /// Bob does.
    pub(crate) fn bob_dies(&mut self) -> Result<(), Error> {
        self.bob.crash()?;
        self.loses_power(1, "10.9.0.2/24")
    }

    fn loses_power(&self, node: usize, address: &str) -> Result<(), Error> {
        let network = &self.networks[node];
        network.ip(&["addr", "flush", "dev", "eth0"])?;
        network
            .ip(&["addr", "add", address, "brd", "+", "dev", "eth0"])
            .map(drop)
    }

    /// Calls one of the commands for bob.
    fn command(&self, line: &str) -> Result<Output, Error> {
        let (name, words) = line.split_once(' ').unwrap_or((line, ""));
        let mut command =
            std::process::Command::new(self.config.path().join("commands").join(name));
        command.args(words.split_whitespace());
        file(line, command.env("HBD_SOCKET", self.bob.socket()).output())
    }

    /// Bob is told this, and it becomes so.
    fn told(&self, line: &str, expected: Holders) -> Result<(), Error> {
        let output = self.command(line)?;
        match output.status.success() {
            true => self.settles(line, expected),
            false => refused_as(&output, "nothing"),
        }
    }
}

/// The command said that, on standard error.
fn refused_as(output: &Output, said: &str) -> Result<(), Error> {
    match String::from_utf8_lossy(&output.stderr) {
        all if all.trim_end() == said => Ok(()),
        all => unexpected(format!("{}, and it said {all:?}", output.status)),
    }
}

pub(crate) fn beside_a_heartbeat() -> Result<(), Error> {
    let pair = tour(true)?;
    let Partner::Heartbeat(alice) = &pair.alice else {
        return unexpected("alice runs hbd");
    };
    // What was said last counts, whoever said it.
    pair.told("hb_standby", ALL_ON_ALICE)?;
    alice.ask(&["/usr/share/heartbeat/hb_standby", "all"])?;
    pair.settles("hb_standby on alice", ALL_ON_BOB)?;
    alice.ask(&["/usr/share/heartbeat/hb_takeover", "local"])?;
    pair.settles("hb_takeover local on alice", EACH_ITS_OWN)
}

pub(crate) fn beside_hbd() -> Result<(), Error> {
    tour(false).map(drop)
}

fn tour(heartbeat: bool) -> Result<Pair, Error> {
    let mut pair = Pair::new(heartbeat)?;
    pair.start()?;
    pair.told("hb_standby", ALL_ON_ALICE)?;
    pair.told("hb_takeover failback", EACH_ITS_OWN)?;
    pair.told("hb_takeover", ALL_ON_BOB)?;
    pair.told("hb_standby failback", EACH_ITS_OWN)?;
    pair.told("hb_takeover foreign", ALL_ON_BOB)?;
    pair.told("hb_standby foreign", EACH_ITS_OWN)?;
    pair.told("hb_standby local", ALL_ON_ALICE)?;
    pair.told("hb_takeover local", EACH_ITS_OWN)?;
    pair.told("hb_standby all", ALL_ON_ALICE)?;
    pair.alice_dies()?;
    pair.settles("alice dies", ALL_ON_BOB)?;
    let refused = "hb_takeover: alice is not alive";
    refused_as(&pair.command("hb_takeover")?, refused)?;
    let usage =
        "hb_standby: `web` is no choice of groups; usage: hb_standby [all|foreign|local|failback]";
    refused_as(&pair.command("hb_standby web")?, usage)?;
    pair.alice.start()?;
    // Nobody wants anything anywhere any more.
    pair.settles("alice returns", EACH_ITS_OWN)?;
    Ok(pair)
}
