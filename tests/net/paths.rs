//! Three media that share nothing: datagrams, frames and a serial line.

use std::time::{Duration, Instant};

use hbd_tests::error::Error;
use hbd_tests::namespaces::Fault;
use hbd_tests::null_modem::{Line, NullModem};
use hbd_tests::scratch::Scratch;
use hbd_tests::wait;
use shared::event::{LinkStatus, NodeStatus};

use crate::cluster::{Cluster, DEADTIME, SOON, demand, link_is, medium_of};
use crate::membership::no_death;

/// The media, as a test cuts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    Datagrams,
    Frames,
    Serial,
}

const ALL: [Path; 3] = [Path::Datagrams, Path::Frames, Path::Serial];

/// Two nodes, and what is between them.
struct Pair {
    cluster: Cluster,
    modem: NullModem,
    ports: Scratch,
}

impl Pair {
    /// All three links are up.
    fn running() -> Result<Self, Error> {
        let ports = Scratch::new()?;
        let modem = NullModem::new(ports.path())?;
        let cluster = Cluster::running(2, 2, |node| {
            let port = modem.port(node - 1).display();
            format!("bcast eth0\nether eth1\nbaud 460800\nserial {port}\n")
        })?;
        let pair = Self {
            cluster,
            modem,
            ports,
        };
        for path in ALL {
            pair.link_becomes(path, LinkStatus::Up)?;
        }
        Ok(pair)
    }

    fn cut(&self, path: Path) -> Result<(), Error> {
        self.lose(path, 100, Line::Cut)
    }

    fn mend(&self, path: Path) -> Result<(), Error> {
        self.lose(path, 0, Line::Whole)
    }

    /// So many packets of a hundred are lost, or that is what becomes of bytes.
    fn lose(&self, path: Path, percent: u8, line: Line) -> Result<(), Error> {
        let switch = match path {
            Path::Datagrams => 0,
            Path::Frames => 1,
            Path::Serial => {
                self.modem.set(line);
                return Ok(());
            }
        };
        let (alice, bob) = (
            &self.cluster.cables[switch][0],
            &self.cluster.cables[switch][1],
        );
        let both = [
            Fault::loss(alice, bob, percent),
            Fault::loss(bob, alice, percent),
        ];
        let faults = if percent == 0 { &[][..] } else { &both };
        self.cluster.switches[switch].set_faults(faults)
    }

    fn link_becomes(&self, path: Path, status: LinkStatus) -> Result<(), Error> {
        let line = medium_of(&self.ports.path().join("line0"));
        let medium = match path {
            Path::Datagrams => "eth0",
            Path::Frames => "eth1",
            Path::Serial => &line,
        };
        self.cluster
            .wait_view(0, &format!("link bob/{medium} {status:?}"), |view| {
                link_is(view, "bob", medium, status)
            })
    }

    fn nobody_dies(&self, during: Duration, what: &str) -> Result<(), Error> {
        wait::stays_true(during, what, || {
            let is = |node: usize, peer| {
                let status = self.cluster.daemons[node].status_of(peer)?;
                Ok(status == Some(NodeStatus::Active))
            };
            Ok(is(0, "bob")? && is(1, "alice")?)
        })
    }
}

/// And all live again when the first is back, whichever that is.
pub(crate) fn one_after_the_other() -> Result<(), Error> {
    let pair = Pair::running()?;
    let orders = [
        [Path::Datagrams, Path::Frames, Path::Serial],
        [Path::Serial, Path::Datagrams, Path::Frames],
    ];
    for (round, order) in orders.into_iter().enumerate() {
        let [first, second, last] = order;
        for path in [first, second] {
            pair.cut(path)?;
            pair.link_becomes(path, LinkStatus::Dead)?;
            pair.nobody_dies(DEADTIME, &format!("nobody dies without {path:?}"))?;
        }
        if round == 0 {
            no_death(&pair.cluster)?;
        }
        pair.cut(last)?;
        let cut = Instant::now();
        for (node, peer) in [(0, "bob"), (1, "alice")] {
            pair.cluster.daemons[node].wait_status(peer, NodeStatus::Dead, SOON)?;
        }
        // The last beat came a keepalive before the cut at most.
        let least = DEADTIME - Duration::from_millis(200 + 100);
        let took = cut.elapsed();
        demand(
            (least..5 * DEADTIME).contains(&took),
            &format!("they die within deadtime of the last cut, {last:?}: {took:?}"),
        )?;
        for path in [second, last, first] {
            pair.mend(path)?;
            pair.cluster.wait_agreed()?;
        }
        for path in ALL {
            pair.link_becomes(path, LinkStatus::Up)?;
        }
    }
    Ok(())
}

/// Both interfaces of a node at once, and then its serial port: what is left keeps everybody alive, and what is made
/// anew is used again.
pub(crate) fn made_again() -> Result<(), Error> {
    let pair = Pair::running()?;
    let bob = &pair.cluster.machines[1];
    let core = pair.cluster.daemons[1].core()?;
    for switch in [0, 1] {
        bob.remove_interface(&format!("eth{switch}"))?;
    }
    for path in [Path::Datagrams, Path::Frames] {
        pair.link_becomes(path, LinkStatus::Dead)?;
    }
    pair.nobody_dies(DEADTIME, "nobody dies without interfaces")?;
    let _cables = [pair.cluster.plug(1, 0)?, pair.cluster.plug(1, 1)?];
    for path in ALL {
        pair.link_becomes(path, LinkStatus::Up)?;
    }
    pair.modem.unplug(1)?;
    pair.link_becomes(Path::Serial, LinkStatus::Dead)?;
    pair.nobody_dies(DEADTIME, "nobody dies without a serial port")?;
    pair.modem.plug(1)?;
    pair.link_becomes(Path::Serial, LinkStatus::Up)?;
    demand(
        pair.cluster.daemons[1].core()? == core,
        "it is the same core",
    )?;
    no_death(&pair.cluster)
}

/// Half a second without, and as long with each.
pub(crate) fn flap() -> Result<(), Error> {
    let pair = Pair::running()?;
    let while_it_flaps = Duration::from_millis(500);
    for round in 0..3 {
        for path in ALL {
            pair.cut(path)?;
            pair.nobody_dies(while_it_flaps, &format!("{round}: {path:?} is cut"))?;
            pair.mend(path)?;
            pair.nobody_dies(while_it_flaps, &format!("{round}: {path:?} is back"))?;
        }
        for path in ALL {
            pair.cut(path)?;
        }
        pair.nobody_dies(while_it_flaps, &format!("{round}: all are cut"))?;
        for path in ALL {
            pair.mend(path)?;
        }
        pair.nobody_dies(while_it_flaps, &format!("{round}: all are back"))?;
    }
    no_death(&pair.cluster)
}

/// A tenth of all packets, and a byte of two thousand, which a seventh of the beats has.
pub(crate) fn lossy() -> Result<(), Error> {
    let pair = Pair::running()?;
    for path in ALL {
        pair.lose(path, 10, Line::Noisy(2_000))?;
    }
    pair.nobody_dies(5 * DEADTIME, "each holds the other for a member")?;
    no_death(&pair.cluster)
}
