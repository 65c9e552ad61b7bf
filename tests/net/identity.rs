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

/// Bob's key text differs.
pub(crate) fn wrong_key() -> Result<(), Error> {
    let mut cluster = Cluster::new(2, 1, one_medium)?;
    cluster.rekey(BOB, "auth 1\n1 sha1 another-key\n")?;
    cluster.start()?;
    cluster.wait_view(ALICE, "a node not authenticated", |view| {
        view.nodes
            .values()
            .any(|node| node.unauthenticated.is_some())
    })?;
    let status = cluster.hactl_status(ALICE)?;
    demand(
        status.contains("not authenticated"),
        &format!("hactl status says so:\n{status}"),
    )?;
    demand(
        cluster.daemons[ALICE].status_of("bob")? != Some(NodeStatus::Active),
        "bob is no member",
    )
}
