//! What hbd tells of the modem lines of its serial ports.

use std::time::{Duration, Instant};

use hbd_tests::error::Error;
use hbd_tests::modem_cable::{Input, Kind as Wires, ModemCable};
use hbd_tests::scratch::Scratch;
use hbd_tests::wait;
use nix::sys::signal::Signal;
use shared::event::{Kind, ModemLines, NodeStatus};
use shared::names::MediumName;

use crate::cluster::{Cluster, DEADTIME, SOON, demand, medium_of};

const ALICE: usize = 0;
const BOB: usize = 1;
/// A change is told within 200 ms; a busy machine may take five times as long.
const AT_ONCE: Duration = Duration::from_millis(5 * 200);

const NONE: ModemLines = ModemLines {
    cts: false,
    dsr: false,
    dcd: false,
};
const ALL: ModemLines = ModemLines {
    cts: true,
    dsr: true,
    dcd: true,
};

/// Two nodes with a network and a cable of full handshake between them; none runs.
struct Pair {
    cluster: Cluster,
    cable: ModemCable,
    _ports: Scratch,
}

impl Pair {
    fn new() -> Result<Self, Error> {
        let ports = Scratch::new()?;
        let cable = ModemCable::new(ports.path(), Wires::FullHandshake)?;
        let mut cluster = Cluster::new(2, 1, |node| {
            let port = cable.port(node - 1).display();
            format!("bcast eth0\nbaud 115200\nserial {port}\n")
        })?;
        let daemons = cluster.daemons.drain(..);
        cluster.daemons = daemons
            .map(|daemon| daemon.with_environment(&cable.environment()))
            .collect();
        Ok(Self {
            cluster,
            cable,
            _ports: ports,
        })
    }

    /// Alice shows that these are raised, soon enough after that was done.
    fn raised(&self, lines: ModemLines, what: &str) -> Result<(), Error> {
        let done = Instant::now();
        self.cluster
            .wait_view(ALICE, &format!("{what}: raised are {lines}"), |view| {
                view.media
                    .values()
                    .any(|medium| medium.lines == Some(lines))
            })?;
        let took = done.elapsed();
        println!("{what}: {took:?}");
        demand(took < AT_ONCE, &format!("{what} is told at once: {took:?}"))
    }

    /// What alice has told of the lines.
    fn told(&self) -> Result<Vec<String>, Error> {
        let port = medium_of(self.cable.port(ALICE));
        self.cluster.events(ALICE, |event| {
            matches!(event.kind, Kind::ModemLines { .. })
                .then(|| event.text.replace(&port, "line0"))
        })
    }
}

/// The cable is cut and mended, a wire of it, and the other end dies. Nobody dies of that: there is a network.
pub(crate) fn told() -> Result<(), Error> {
    let mut pair = Pair::new()?;
    pair.cluster.daemons[ALICE].start()?;
    pair.raised(NONE, "nobody has the other port open")?;
    pair.cluster.daemons[BOB].start()?;
    pair.cluster.wait_agreed()?;
    pair.raised(ALL, "bob has his port open")?;
    demand(
        pair.cluster
            .hactl_status(ALICE)?
            .contains("raised: CTS, DSR, DCD"),
        "hactl status shows what is raised",
    )?;
    pair.cable.replace(Wires::Unplugged)?;
    pair.raised(NONE, "the plug is pulled")?;
    wait::stays_true(DEADTIME, "nobody dies of a cable", || {
        let bob = pair.cluster.daemons[ALICE].status_of("bob")?;
        Ok(bob == Some(NodeStatus::Active))
    })?;
    pair.cable.replace(Wires::FullHandshake)?;
    pair.raised(ALL, "it is plugged in")?;
    pair.cable.cut_to(ALICE, Input::Cts)?;
    pair.raised(ModemLines { cts: false, ..ALL }, "a wire is cut")?;
    pair.cable.replace(Wires::FullHandshake)?;
    pair.raised(ALL, "it is whole")?;
    pair.cluster.daemons[BOB].crash()?;
    pair.raised(NONE, "all of bob is dead")?;
    pair.cluster.daemons[ALICE].wait_status("bob", NodeStatus::Dead, SOON)?;
    let told = pair.told()?;
    let lost =
        "carrier lost on line0 (CTS, DSR, DCD dropped): cable pulled, or the peer closed the port";
    let count = told.iter().filter(|text| *text == lost).count();
    demand(count == 2, &format!("carrier was lost twice: {told:?}"))
}

/// Neither a new core nor a new supervisor tells what was told.
pub(crate) fn replaced() -> Result<(), Error> {
    let mut pair = Pair::new()?;
    pair.cluster.start()?;
    pair.cluster.wait_agreed()?;
    pair.raised(ALL, "both have their ports open")?;
    let before = pair.told()?;
    let alice = &pair.cluster.daemons[ALICE];
    alice.kill_core()?;
    pair.cluster
        .wait_view(ALICE, "the death of the core was noticed", |view| {
            view.core_deaths == 1
        })?;
    pair.cluster.wait_agreed()?;
    let killed = alice.signal("supervisor", Signal::SIGKILL)?;
    wait::until_true(SOON, "there is another supervisor", || {
        Ok(alice.supervisor_pid().is_ok_and(|pid| pid != killed) && alice.view().is_ok())
    })?;
    let medium = MediumName::new(&medium_of(pair.cable.port(ALICE)));
    demand(
        medium.is_ok_and(|name| {
            pair.cluster.view(ALICE).is_ok_and(|view| {
                view.media
                    .get(&name)
                    .is_some_and(|medium| medium.lines == Some(ALL))
            })
        }),
        "what is raised is still known",
    )?;
    let after = pair.told()?;
    demand(
        after == before,
        &format!("{before:?} is told once: {after:?}"),
    )?;
    pair.cable.replace(Wires::Unplugged)?;
    pair.raised(NONE, "the plug is pulled")
}
