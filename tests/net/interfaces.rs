//! Interfaces that are absent, come, go, and change their names.

use hbd_tests::error::Error;
use hbd_tests::namespaces::Fault;
use shared::event::{LinkStatus, MediumStatus};
use shared::view::ClusterView;

use crate::cluster::{Cluster, demand, link_is, medium};

const ALICE: usize = 0;
const BOB: usize = 1;

fn two_media(_node: usize) -> String {
    "bcast eth0 eth1\n".to_owned()
}

fn is_missing(view: &ClusterView, name: &str) -> bool {
    matches!(medium(view, name), Some(MediumStatus::Missing { .. }))
}

fn is_open(view: &ClusterView, name: &str) -> bool {
    matches!(medium(view, name), Some(MediumStatus::Open))
}

/// fe80::1 and fe80::2 exist on both switches; only the scope tells the links apart.
pub(crate) fn link_local() -> Result<(), Error> {
    let cluster = Cluster::running(2, 2, |node| {
        let other = 3 - node;
        format!("ucast6 eth0 fe80::{other}%eth0\nucast6 eth1 fe80::{other}%eth1\n")
    })?;
    for (node, peer) in [(ALICE, "bob"), (BOB, "alice")] {
        for name in ["eth0", "eth1"] {
            cluster.wait_view(node, &format!("link {peer}/{name} up"), |view| {
                link_is(view, peer, name, LinkStatus::Up)
            })?;
        }
    }
    let [alice, bob] = &cluster.cables[0][..] else {
        unreachable!("two nodes")
    };
    cluster.switches[0].set_faults(&[Fault::cut(alice, bob), Fault::cut(bob, alice)])?;
    cluster.wait_view(ALICE, "only link bob/eth0 dead", |view| {
        link_is(view, "bob", "eth0", LinkStatus::Dead)
            && link_is(view, "bob", "eth1", LinkStatus::Up)
    })
}

/// The interface is deleted and made again: another interface under the same name.
pub(crate) fn vanish_and_return() -> Result<(), Error> {
    let mut cluster = Cluster::running(2, 2, two_media)?;
    let supervisor = cluster.daemons[BOB].supervisor_pid()?;
    let core = cluster.daemons[BOB].core()?;
    cluster.machines[BOB].remove_interface("eth0")?;
    cluster.wait_view(BOB, "medium eth0 missing", |view| {
        is_missing(view, "eth0") && is_open(view, "eth1")
    })?;
    cluster.wait_view(ALICE, "link bob/eth0 dead", |view| {
        link_is(view, "bob", "eth0", LinkStatus::Dead)
    })?;
    cluster.plug(BOB, 0)?;
    cluster.wait_view(BOB, "medium eth0 open", |view| is_open(view, "eth0"))?;
    both_links_up(&cluster)?;
    demand(cluster.daemons[BOB].ended()?.is_none(), "hbd has not ended")?;
    demand(
        cluster.daemons[BOB].supervisor_pid()? == supervisor,
        "it is the same supervisor",
    )?;
    demand(cluster.daemons[BOB].core()? == core, "it is the same core")
}

/// The same interface under another name is not the one that is configured.
pub(crate) fn rename() -> Result<(), Error> {
    let cluster = Cluster::running(2, 2, two_media)?;
    cluster.machines[BOB].rename_interface("eth0", "eth7")?;
    cluster.wait_view(BOB, "medium eth0 missing", |view| is_missing(view, "eth0"))?;
    cluster.wait_view(ALICE, "link bob/eth0 dead", |view| {
        link_is(view, "bob", "eth0", LinkStatus::Dead)
    })?;
    cluster.machines[BOB].rename_interface("eth7", "eth0")?;
    cluster.wait_view(BOB, "medium eth0 open", |view| is_open(view, "eth0"))?;
    both_links_up(&cluster)
}

/// The interface is made when hbd has been running for a while.
pub(crate) fn late() -> Result<(), Error> {
    let mut cluster = Cluster::new(2, 2, two_media)?;
    cluster.machines[BOB].remove_interface("eth1")?;
    cluster.start()?;
    cluster.wait_agreed()?;
    cluster.wait_view(BOB, "medium eth1 missing", |view| is_missing(view, "eth1"))?;
    cluster.plug(BOB, 1)?;
    cluster.wait_view(BOB, "medium eth1 open", |view| is_open(view, "eth1"))?;
    both_links_up(&cluster)
}

fn both_links_up(cluster: &Cluster) -> Result<(), Error> {
    for (node, peer) in [(ALICE, "bob"), (BOB, "alice")] {
        cluster.wait_view(node, &format!("both links to {peer} up"), |view| {
            ["eth0", "eth1"]
                .iter()
                .all(|name| link_is(view, peer, name, LinkStatus::Up))
        })?;
    }
    Ok(())
}
