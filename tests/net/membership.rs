//! Who is a member, over which paths.

use std::time::Duration;

use hbd_tests::error::Error;
use hbd_tests::namespaces::Fault;
use hbd_tests::wait;
use shared::event::{Kind, LinkStatus, NodeStatus};

use crate::cluster::{Cluster, DEADTIME, NODES, demand, link, link_is};

/// Lines `ucast`/`ucast6` to the two others of three nodes.
fn others(node: usize, line: impl Fn(usize) -> String) -> String {
    (1..=3).filter(|&other| other != node).map(line).collect()
}

/// Each of three nodes by its number, with the name of each other.
fn pairs() -> impl Iterator<Item = (usize, &'static str)> {
    let three = &NODES[..3];
    three.iter().enumerate().flat_map(move |(node, own)| {
        let peers = three.iter().copied().filter(move |peer| peer != own);
        peers.map(move |peer| (node, peer))
    })
}

/// Each kind of medium on an interface of its own.
pub(crate) fn every_medium() -> Result<(), Error> {
    let cluster = Cluster::running(3, 6, |node| {
        let ucast = others(node, |other| format!("ucast eth2 10.9.2.{other}\n"));
        let ucast6 = others(node, |other| format!("ucast6 eth4 fd09:4::{other}\n"));
        format!(
            "bcast eth0\nmcast eth1 239.192.0.42 694 1 0\n{ucast}mcast6 eth3 ff12::42 694 1 0\n{ucast6}ether eth5\n"
        )
    })?;
    for (node, peer) in pairs() {
        for medium in ["eth0", "eth1", "eth2", "eth3", "eth4", "eth5"] {
            cluster.wait_view(node, &format!("link {peer}/{medium} up"), |view| {
                link_is(view, peer, medium, LinkStatus::Up)
            })?;
        }
    }
    no_death(&cluster)
}

/// All kinds of medium on one interface.
pub(crate) fn one_interface() -> Result<(), Error> {
    let cluster = Cluster::running(3, 1, |node| {
        let ucast = others(node, |other| format!("ucast eth0 10.9.0.{other}\n"));
        let ucast6 = others(node, |other| format!("ucast6 eth0 fd09:0::{other}\n"));
        format!(
            "bcast eth0\nmcast eth0 239.192.0.42 695 1 0\n{ucast}mcast6 eth0 ff12::42 696 1 0\n{ucast6}ether eth0\n"
        )
    })?;
    for (node, peer) in pairs() {
        cluster.wait_view(node, &format!("every link to {peer} up"), |view| {
            let found = view.nodes.iter().find(|(name, _)| name.as_str() == peer);
            let links = found.map(|(_, node)| &node.links);
            links.is_some_and(|links| {
                links.len() == 6 && links.values().all(|link| link.status == LinkStatus::Up)
            })
        })?;
    }
    no_death(&cluster)
}

/// A quarter of all packets is lost both ways: ten beats in a row are lost once in a million times.
pub(crate) fn lossy_path() -> Result<(), Error> {
    let cluster = Cluster::new(2, 1, |_| "bcast eth0\n".to_owned())?;
    let [alice, bob] = &cluster.cables[0][..] else {
        unreachable!("two nodes")
    };
    cluster.switches[0].set_faults(&[Fault::loss(alice, bob, 25), Fault::loss(bob, alice, 25)])?;
    let mut cluster = cluster;
    cluster.start()?;
    cluster.wait_agreed()?;
    wait::stays_true(3 * DEADTIME, "each holds the other for a member", || {
        Ok(
            cluster.daemons[0].status_of("bob")? == Some(NodeStatus::Active)
                && cluster.daemons[1].status_of("alice")? == Some(NodeStatus::Active),
        )
    })?;
    no_death(&cluster)
}

/// One of two links carries nothing from alice to bob.
pub(crate) fn one_way() -> Result<(), Error> {
    let cluster = Cluster::running(2, 2, |_| "bcast eth0 eth1\n".to_owned())?;
    let [alice, bob] = &cluster.cables[0][..] else {
        unreachable!("two nodes")
    };
    cluster.switches[0].set_faults(&[Fault::cut(alice, bob)])?;
    cluster.wait_view(1, "link alice/eth0 dead", |view| {
        link_is(view, "alice", "eth0", LinkStatus::Dead)
    })?;
    cluster.wait_view(0, "link bob/eth0 one way", |view| {
        link(view, "bob", "eth0").is_some_and(|link| link.one_way)
    })?;
    let told = cluster.events(0, |event| match &event.kind {
        Kind::LinkOneWay { link } => Some(link.to_string()),
        _ => None,
    })?;
    demand(
        told == ["bob/eth0"],
        &format!("one event for the one-way link: {told:?}"),
    )?;
    cluster.switches[0].set_faults(&[])?;
    cluster.wait_view(1, "link alice/eth0 up", |view| {
        link_is(view, "alice", "eth0", LinkStatus::Up)
    })?;
    cluster.wait_view(0, "link bob/eth0 both ways", |view| {
        link(view, "bob", "eth0").is_some_and(|link| !link.one_way)
    })?;
    no_death(&cluster)
}

/// The only link carries nothing from alice to bob: alice, who hears bob, learns that she is not heard.
pub(crate) fn not_heard() -> Result<(), Error> {
    let cluster = Cluster::running(2, 1, |_| "bcast eth0\n".to_owned())?;
    let [alice, bob] = &cluster.cables[0][..] else {
        unreachable!("two nodes")
    };
    cluster.switches[0].set_faults(&[Fault::cut(alice, bob)])?;
    cluster.daemons[1].wait_status("alice", NodeStatus::Dead, Duration::from_secs(10))?;
    cluster.wait_view(0, "bob does not hear this node", |view| {
        view.nodes.values().any(|node| node.not_heard)
    })?;
    cluster.switches[0].set_faults(&[])?;
    cluster.wait_agreed()?;
    cluster.wait_view(0, "bob hears this node again", |view| {
        view.nodes.values().all(|node| !node.not_heard)
    })
}

/// No daemon has seen any node die.
pub(crate) fn no_death(cluster: &Cluster) -> Result<(), Error> {
    for (node, name) in NODES.iter().enumerate().take(cluster.daemons.len()) {
        let deaths = cluster.events(node, |event| match event.kind {
            Kind::NodeStatus {
                to: NodeStatus::Dead,
                ..
            } => Some(event.text.clone()),
            _ => None,
        })?;
        demand(
            deaths.is_empty(),
            &format!("{name} saw nobody die: {deaths:?}"),
        )?;
    }
    Ok(())
}
