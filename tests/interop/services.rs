//! A real Heartbeat and hbd hold services together: each has an address of its own line in `haresources`.
//!
//! Whoever holds an address has it on its interface: that alone is looked at. At no moment both may have one, but where
//! they do not hear each other.

use std::sync::Arc;
use std::time::Duration;

use hbd_tests::daemon::Daemon;
use hbd_tests::error::{Error, unexpected};
use hbd_tests::heartbeat::HeartbeatNode;
use hbd_tests::namespaces::{Namespace, Switch};
use hbd_tests::scratch::{self, Scratch};
use hbd_tests::wait;
use nix::sys::signal::Signal;

use crate::company::{ALICE, hactl};

const BOB: &str = "bob";
/// The address of each node's line.
const SERVICES: [&str; 2] = ["10.9.0.50", "10.9.0.51"];
const HARESOURCES: &str = "alice 10.9.0.50/24/eth0\nbob 10.9.0.51/24/eth0\n";
/// Longest wait: a Heartbeat that begins alone takes initdead and its pause of 10 s.
const LIMIT: Duration = Duration::from_secs(40);
/// A Heartbeat rests so long between what it begins.
const REST: Duration = Duration::from_secs(3);

/// Who holds alice's service, and who holds bob's.
type Holders = [Option<&'static str>; 2];

const EACH_ITS_OWN: Holders = [Some(ALICE), Some(BOB)];
const ALL_ON_ALICE: Holders = [Some(ALICE), Some(ALICE)];
const ALL_ON_BOB: Holders = [Some(BOB), Some(BOB)];

/// Fields are dropped in this order: nodes before the networks they live in.
struct Pair {
    alice: HeartbeatNode,
    bob: Daemon,
    networks: [Arc<Namespace>; 2],
    _switch: Switch,
    _config: Scratch,
}

impl Pair {
    fn new(failback: &str) -> Result<Self, Error> {
        let (switch, config) = (Switch::new()?, Scratch::new()?);
        let networks = [Arc::new(Namespace::new()?), Arc::new(Namespace::new()?)];
        switch.plug(&networks[0], "eth0", &["10.9.0.1/24"])?;
        switch.plug(&networks[1], "eth0", &["10.9.0.2/24"])?;
        let ha_cf = format!(
            "logfile /var/log/ha-log\nlogfacility none\nrealtime off\nkeepalive 200ms\nwarntime 1\ndeadtime 2\n\
             initdead 6\nauto_failback {failback}\nbcast eth0\nnode alice bob\n"
        );
        let directories = [config.directory(ALICE)?, config.directory(BOB)?];
        for directory in &directories {
            scratch::write(&directory.join("ha.cf"), &ha_cf)?;
            scratch::write(&directory.join("haresources"), HARESOURCES)?;
            scratch::write_secret(
                &directory.join("authkeys"),
                "auth 1\n1 sha1 shared-secret-of-two\n",
            )?;
        }
        Ok(Self {
            alice: HeartbeatNode::new(ALICE, &networks[0], &directories[0])?,
            bob: Daemon::new(BOB, &networks[1], &directories[1])?,
            networks,
            _switch: switch,
            _config: config,
        })
    }

    /// Who holds what now. Two holders of one service are an error.
    fn holders(&self) -> Result<Holders, Error> {
        let mut holders = [None; 2];
        for (network, node) in self.networks.iter().zip([ALICE, BOB]) {
            let addresses = network.ip(&["-o", "-4", "addr", "show", "dev", "eth0"])?;
            for (holder, service) in holders.iter_mut().zip(SERVICES) {
                if addresses.contains(&format!(" {service}/"))
                    && let Some(other) = holder.replace(node)
                {
                    return unexpected(format!("{service} is on {other} and {node}"));
                }
            }
        }
        Ok(holders)
    }

    /// Waits until it is so, and stays so for a while.
    fn settles(&self, what: &str, expected: Holders) -> Result<(), Error> {
        wait::until_true(LIMIT, &format!("{what}: {expected:?}"), || {
            Ok(self.holders()? == expected)
        })
        .and_then(|()| {
            wait::stays_true(REST, &format!("{what}: {expected:?}"), || {
                Ok(self.holders()? == expected)
            })
        })
        .map_err(|error| self.with_logs(&error))
    }

    /// Bob's machine loses power: what it held is gone with it.
    fn bob_dies(&mut self) -> Result<(), Error> {
        self.bob.crash()?;
        self.networks[1].ip(&["addr", "flush", "dev", "eth0"])?;
        self.networks[1]
            .ip(&["addr", "add", "10.9.0.2/24", "brd", "+", "dev", "eth0"])
            .map(drop)
    }

    fn with_logs(&self, error: &Error) -> Error {
        let alice = self.alice.log().unwrap_or_default();
        Error::Unexpected(format!(
            "{error}\nholders: {:?}\n--- alice\n{alice}\n--- bob\n{}",
            self.holders(),
            self.bob.log()
        ))
    }

    /// An order to bob.
    fn order(&self, words: &[&str]) -> Result<(), Error> {
        let output = hactl(&self.bob, words)?;
        match output.status.success() {
            true => Ok(()),
            false => unexpected(format!(
                "hactl {}: {}",
                words.join(" "),
                String::from_utf8_lossy(&output.stderr)
            )),
        }
    }

    /// An order to alice.
    fn heartbeat(&self, program: &str, what: &str) -> Result<(), Error> {
        let path = format!("/usr/share/heartbeat/{program}");
        self.alice.ask(&[&path, what]).map(drop)
    }
}

/// All that can be asked of such a pair with `auto_failback on`, in one life of it.
pub(crate) fn failback_on() -> Result<(), Error> {
    let mut pair = Pair::new("on")?;
    pair.alice.start()?;
    pair.settles("alice alone", ALL_ON_ALICE)?;
    pair.bob.start()?;
    pair.settles("bob joins", EACH_ITS_OWN)?;
    pair.heartbeat("hb_standby", "all")?;
    pair.settles("hb_standby all on alice", ALL_ON_BOB)?;
    pair.heartbeat("hb_takeover", "local")?;
    pair.settles("hb_takeover local on alice", EACH_ITS_OWN)?;
    pair.order(&["move", "10.9.0.51/24/eth0", "alice"])?;
    pair.settles("hactl move to alice", ALL_ON_ALICE)?;
    pair.order(&["move", "10.9.0.51/24/eth0", "bob"])?;
    pair.settles("hactl move to bob", EACH_ITS_OWN)?;
    pair.bob_dies()?;
    pair.settles("bob dies", ALL_ON_ALICE)?;
    pair.bob.start()?;
    pair.settles("bob returns", EACH_ITS_OWN)?;
    pair.bob.signal("manager", Signal::SIGKILL)?;
    pair.settles("bob's manager dies", EACH_ITS_OWN)?;
    pair.heartbeat("hb_standby", "local")?;
    pair.settles("hb_standby local on alice", ALL_ON_BOB)?;
    pair.alice.crash()?;
    pair.settles("alice dies", ALL_ON_BOB)?;
    pair.alice.start()?;
    pair.settles("alice returns", EACH_ITS_OWN)?;
    pair.bob.terminate(LIMIT)?;
    pair.settles("bob leaves", ALL_ON_ALICE)?;
    pair.bob.start()?;
    pair.settles("bob is back", EACH_ITS_OWN)?;
    pair.alice.stop(LIMIT)?;
    pair.settles("alice leaves", ALL_ON_BOB)?;
    pair.alice.start()?;
    pair.settles("alice is back", EACH_ITS_OWN)
}

/// The same with `auto_failback off`: what was taken over stays until somebody moves it.
pub(crate) fn failback_off() -> Result<(), Error> {
    let mut pair = Pair::new("off")?;
    pair.bob.start()?;
    pair.settles("bob alone", ALL_ON_BOB)?;
    pair.alice.start()?;
    pair.settles("alice joins", ALL_ON_BOB)?;
    pair.order(&["move", "10.9.0.50/24/eth0", "alice", "--for", "2s"])?;
    pair.settles("hactl move to alice", EACH_ITS_OWN)?;
    pair.alice.crash()?;
    pair.settles("alice dies", ALL_ON_BOB)?;
    pair.alice.start()?;
    pair.settles("alice returns", ALL_ON_BOB)?;
    pair.heartbeat("hb_takeover", "all")?;
    pair.settles("hb_takeover all on alice", ALL_ON_ALICE)?;
    pair.bob.terminate(LIMIT)?;
    pair.settles("bob leaves", ALL_ON_ALICE)?;
    pair.bob.start()?;
    pair.settles("bob is back", ALL_ON_ALICE)?;
    pair.heartbeat("hb_standby", "foreign")?;
    pair.settles("hb_standby foreign on alice", EACH_ITS_OWN)?;
    pair.bob_dies()?;
    pair.alice.stop(LIMIT)?;
    pair.bob.start()?;
    pair.alice.start()?;
    pair.settles("both begin", EACH_ITS_OWN)
}
