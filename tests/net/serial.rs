//! Beats on a serial line.

use std::path::Path;

use hbd_tests::error::Error;
use hbd_tests::null_modem::{Line, NullModem};
use hbd_tests::scratch::Scratch;
use hbd_tests::wait;
use shared::event::{Kind, LinkStatus, MediumStatus, NodeStatus};

use crate::cluster::{Cluster, DEADTIME, SOON, demand, link, link_is, medium, medium_of};
use crate::membership::no_death;
use crate::messages;

const ALICE: usize = 0;
const BOB: usize = 1;
/// The medium of each node, after its port.
const LINES: [&str; 2] = ["line0", "line1"];

fn line(port: &Path) -> String {
    format!("baud 460800\nserial {}\n", port.display())
}

/// A cable, and two nodes at its ends with so many networks besides.
fn at_its_ends(networks: usize) -> Result<(Cluster, NullModem, Scratch), Error> {
    let ports = Scratch::new()?;
    let modem = NullModem::new(ports.path())?;
    let cluster = Cluster::running(2, networks, |node| {
        let besides: String = (0..networks).map(|k| format!("bcast eth{k}\n")).collect();
        line(modem.port(node - 1)) + &besides
    })?;
    Ok((cluster, modem, ports))
}

fn name(ports: &Scratch, node: usize) -> String {
    medium_of(&ports.path().join(LINES[node]))
}

fn link_becomes(cluster: &Cluster, ports: &Scratch, status: LinkStatus) -> Result<(), Error> {
    for (node, peer) in [(ALICE, "bob"), (BOB, "alice")] {
        let medium = name(ports, node);
        cluster.wait_view(node, &format!("link {peer}/{medium} {status:?}"), |view| {
            link_is(view, peer, &medium, status)
        })?;
    }
    Ok(())
}

/// Nothing else leads from one to the other.
pub(crate) fn alone() -> Result<(), Error> {
    let (cluster, modem, _ports) = at_its_ends(0)?;
    messages::bytes_over(&cluster, 60_000)?;
    modem.set(Line::Cut);
    for (node, peer) in [(ALICE, "bob"), (BOB, "alice")] {
        cluster.daemons[node].wait_status(peer, NodeStatus::Dead, SOON)?;
    }
    modem.set(Line::Whole);
    cluster.wait_agreed()
}

/// Who is heard over the other one lives on.
pub(crate) fn beside_a_network() -> Result<(), Error> {
    let (cluster, modem, ports) = at_its_ends(1)?;
    link_becomes(&cluster, &ports, LinkStatus::Up)?;
    let all_live = |what: &str| {
        wait::stays_true(DEADTIME * 2, what, || {
            let view = cluster.view(ALICE)?;
            Ok(view
                .nodes
                .values()
                .all(|node| node.status == NodeStatus::Active))
        })
    };
    modem.set(Line::Cut);
    link_becomes(&cluster, &ports, LinkStatus::Dead)?;
    all_live("nobody dies without the line")?;
    modem.set(Line::Whole);
    link_becomes(&cluster, &ports, LinkStatus::Up)?;
    for machine in &cluster.machines {
        machine.ip(&["link", "set", "eth0", "down"])?;
    }
    all_live("nobody dies with the line alone")
}

/// One wire is broken: who hears learns that the other does not, beside a network and without.
pub(crate) fn one_way() -> Result<(), Error> {
    let (cluster, modem, ports) = at_its_ends(1)?;
    link_becomes(&cluster, &ports, LinkStatus::Up)?;
    let [line, other_end] = [ALICE, BOB].map(|node| name(&ports, node));
    let carries_one_way = |one_way: bool| {
        let what = format!("link bob/{line} one way: {one_way}");
        cluster.wait_view(ALICE, &what, |view| {
            link(view, "bob", &line).is_some_and(|link| link.one_way == one_way)
        })
    };
    modem.set(Line::Mute(ALICE));
    cluster.wait_view(BOB, &format!("link alice/{other_end} dead"), |view| {
        link_is(view, "alice", &other_end, LinkStatus::Dead)
    })?;
    carries_one_way(true)?;
    modem.set(Line::Whole);
    link_becomes(&cluster, &ports, LinkStatus::Up)?;
    carries_one_way(false)?;
    no_death(&cluster)?;

    let deaf = |deaf: bool| {
        cluster.wait_view(ALICE, &format!("bob does not hear: {deaf}"), |view| {
            view.nodes.values().any(|node| node.not_heard) == deaf
        })
    };
    for machine in &cluster.machines {
        machine.ip(&["link", "set", "eth0", "down"])?;
    }
    modem.set(Line::Mute(ALICE));
    cluster.daemons[BOB].wait_status("alice", NodeStatus::Dead, SOON)?;
    deaf(true)?;
    modem.set(Line::Whole);
    cluster.wait_agreed()?;
    deaf(false)
}

/// A byte of a thousand is another: some beats are lost, and what follows them is not.
pub(crate) fn noisy() -> Result<(), Error> {
    let (cluster, modem, _ports) = at_its_ends(0)?;
    modem.set(Line::Noisy(1_000));
    wait::stays_true(DEADTIME * 3, "nobody dies of noise", || {
        let view = cluster.view(ALICE)?;
        Ok(view
            .nodes
            .values()
            .all(|node| node.status == NodeStatus::Active))
    })?;
    let refused = cluster.events(ALICE, |event| {
        matches!(event.kind, Kind::PacketRefused { .. }).then_some(())
    })?;
    demand(!refused.is_empty(), "some packets were mangled")
}

/// Then it does not fail for ever, and nobody else waits for it.
pub(crate) fn blocked() -> Result<(), Error> {
    let (cluster, modem, ports) = at_its_ends(1)?;
    link_becomes(&cluster, &ports, LinkStatus::Up)?;
    modem.set(Line::Blocked);
    let line = name(&ports, ALICE);
    cluster.wait_view(ALICE, "the line takes nothing", |view| {
        matches!(medium(view, &line), Some(MediumStatus::Failed { reason }) if reason.contains("nothing leaves"))
    })?;
    cluster.daemons[ALICE].wait_status("bob", NodeStatus::Active, SOON)?;
    modem.set(Line::Whole);
    cluster.wait_view(ALICE, "the line works", |view| {
        matches!(medium(view, &line), Some(MediumStatus::Open))
    })?;
    link_becomes(&cluster, &ports, LinkStatus::Up)
}

/// The port is a state, as an interface is.
pub(crate) fn unplugged() -> Result<(), Error> {
    let (cluster, modem, ports) = at_its_ends(1)?;
    link_becomes(&cluster, &ports, LinkStatus::Up)?;
    let core = cluster.daemons[ALICE].core()?;
    modem.unplug(ALICE)?;
    let line = name(&ports, ALICE);
    cluster.wait_view(ALICE, "there is no port", |view| {
        matches!(medium(view, &line), Some(MediumStatus::Missing { reason }) if reason.contains("plug"))
    })?;
    modem.plug(ALICE)?;
    link_becomes(&cluster, &ports, LinkStatus::Up)?;
    demand(
        cluster.daemons[ALICE].core()? == core,
        "it is the same core",
    )
}
