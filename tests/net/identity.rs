//! Nodes that are not who they should be, as the operator sees it.

use std::fs;

use hbd_tests::error::{self, Error};
use shared::event::NodeStatus;

use crate::cluster::{Cluster, SOON, demand};

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

fn one_medium(_node: usize) -> String {
    "bcast eth0\n".to_owned()
}

/// Carol's disk is a copy of bob's.
pub(crate) fn clone() -> Result<(), Error> {
    let mut cluster = Cluster::new(3, 1, one_medium)?;
    cluster.daemons[ALICE].start()?;
    cluster.daemons[BOB].start()?;
    cluster.daemons[ALICE].wait_status("bob", NodeStatus::Active, SOON)?;
    let (from, to) = (cluster.daemons[BOB].state(), cluster.daemons[CAROL].state());
    error::file(
        "copy hb_uuid",
        fs::copy(from.join("hb_uuid"), to.join("hb_uuid")),
    )?;
    cluster.daemons[CAROL].start()?;
    cluster.wait_view(ALICE, "a cloned identity", |view| {
        view.clones.keys().any(|name| name.as_str() == "carol")
    })?;
    let status = cluster.hactl_status(ALICE)?;
    demand(
        status.contains("nodes bob and carol both use UUID"),
        &format!("hactl status says so:\n{status}"),
    )?;
    demand(
        cluster.daemons[ALICE].status_of("bob")? == Some(NodeStatus::Active),
        "bob remains a member",
    )
}

/// Bob, known to alice, comes back with another key text: alive, and no member.
pub(crate) fn wrong_key() -> Result<(), Error> {
    let mut cluster = Cluster::running(2, 1, one_medium)?;
    cluster.daemons[BOB].crash()?;
    cluster.rekey(BOB, "auth 1\n1 sha1 another-key\n")?;
    cluster.daemons[BOB].start()?;
    wrong_key_is_shown(&cluster)
}

/// Bob was never known: nothing contradicts the name, and the operator is not told to look for a dead machine.
pub(crate) fn wrong_key_from_the_start() -> Result<(), Error> {
    let mut cluster = Cluster::new(2, 1, one_medium)?;
    cluster.rekey(BOB, "auth 1\n1 sha1 another-key\n")?;
    cluster.start()?;
    wrong_key_is_shown(&cluster)
}

fn wrong_key_is_shown(cluster: &Cluster) -> Result<(), Error> {
    cluster.wait_view(ALICE, "bob not authenticated", |view| {
        view.nodes
            .iter()
            .any(|(name, node)| name.as_str() == "bob" && node.unauthenticated.is_some())
    })?;
    cluster.daemons[ALICE].wait_status("bob", NodeStatus::Dead, SOON)?;
    let status = cluster.hactl_status(ALICE)?;
    demand(
        status.contains("not authenticated")
            && status.contains("do not verify")
            && status.contains("key 1"),
        &format!("hactl status says so, and which key:\n{status}"),
    )
}
