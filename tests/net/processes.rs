//! The processes of a daemon: their rights, their deaths, their end.

use std::fs;
use std::time::Instant;

use hbd_core::wire::decode_unverified;
use hbd_tests::error::{Error, unexpected};
use hbd_tests::wait;
use nix::unistd::User;
use shared::event::{Kind, NodeStatus, StatusReason};

use crate::cluster::{Cluster, DEADTIME, SOON, demand};

const ALICE: usize = 0;
const BOB: usize = 1;
const ROOM: usize = 65_536;
/// Bits of `CapEff` (`capabilities(7)`): CAP_IPC_LOCK and CAP_SYS_NICE.
const ALLOWED_RIGHTS: u64 = 1 << 14 | 1 << 23;

fn one_medium(_node: usize) -> String {
    "bcast eth0\n".to_owned()
}

/// Also in a core that was started anew.
pub(crate) fn rights() -> Result<(), Error> {
    let cluster = Cluster::running(2, 1, one_medium)?;
    core_is_humble(&cluster)?;
    let former = cluster.daemons[ALICE].kill_core()?;
    wait::until_true(SOON, "another core runs", || {
        Ok(cluster.daemons[ALICE]
            .core()
            .is_ok_and(|core| core != former))
    })?;
    cluster.wait_agreed()?;
    core_is_humble(&cluster)
}

fn core_is_humble(cluster: &Cluster) -> Result<(), Error> {
    let core = cluster.daemons[ALICE].core()?;
    let user = ["hbd-core", "nobody"]
        .iter()
        .find_map(|name| User::from_name(name).ok().flatten());
    demand(
        user.is_some_and(|user| user.uid.as_raw() == core.uid),
        &format!("the core runs as user {}", core.uid),
    )?;
    let status = fs::read_to_string(format!("/proc/{}/status", core.pid)).unwrap_or_default();
    for set in ["CapInh:", "CapPrm:", "CapEff:"] {
        let bits = status.lines().find_map(|line| line.strip_prefix(set));
        let Some(bits) = bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()) else {
            return unexpected(format!("no {set} of process {}", core.pid));
        };
        demand(
            bits & !ALLOWED_RIGHTS == 0,
            &format!("{set} {bits:x} has no other right"),
        )?;
    }
    Ok(())
}

/// Twice: the state that a core takes over from the one before it must itself be fit to be handed on.
pub(crate) fn core_killed() -> Result<(), Error> {
    let cluster = Cluster::running(2, 1, one_medium)?;
    let supervisor = cluster.daemons[ALICE].supervisor_pid()?;
    for times in 1..=2 {
        let former = cluster.daemons[ALICE].kill_core()?;
        cluster.wait_view(BOB, "alice restarted", |view| {
            view.nodes
                .iter()
                .any(|(name, node)| name.as_str() == "alice" && node.restarts == times)
        })?;
        wait::until_true(SOON, "another core runs", || {
            Ok(cluster.daemons[ALICE]
                .core()
                .is_ok_and(|core| core != former))
        })?;
        cluster.wait_agreed()?;
    }
    demand(
        cluster.daemons[ALICE].supervisor_pid()? == supervisor,
        "the supervisor is the same",
    )?;
    let died = cluster.events(ALICE, |event| {
        matches!(event.kind, Kind::CoreDied { .. }).then_some(())
    })?;
    demand(
        died.len() == 2,
        &format!("alice tells of two deaths of a core, not {}", died.len()),
    )?;
    for node in [ALICE, BOB] {
        let deaths = cluster.events(node, |event| match event.kind {
            Kind::NodeStatus {
                to: NodeStatus::Dead,
                ..
            } => Some(event.text.clone()),
            _ => None,
        })?;
        demand(
            deaths.is_empty(),
            &format!("nobody saw a node die: {deaths:?}"),
        )?;
    }
    Ok(())
}

/// Nobody waits for a node that said goodbye.
pub(crate) fn orderly_stop() -> Result<(), Error> {
    let mut cluster = Cluster::running(2, 1, one_medium)?;
    let ear = cluster.machines[ALICE].udp_socket(694)?;
    let begin = Instant::now();
    cluster.daemons[BOB].terminate(SOON)?;
    let mut heard = Vec::new();
    wait::until_true(SOON, "`shutdone` on the wire", || {
        let mut packet = [0; ROOM];
        while let Ok(length) = ear.recv(&mut packet) {
            heard.extend(decode_unverified(&packet[..length]).ok());
        }
        Ok(heard.iter().any(|message| {
            message.claimed_type() == "shutdone" && message.claimed_src() == Some("bob")
        }))
    })?;
    cluster.daemons[ALICE].wait_status("bob", NodeStatus::Dead, SOON)?;
    let goodbyes = cluster.events(ALICE, |event| match &event.kind {
        Kind::NodeStatus {
            node,
            to: NodeStatus::Dead,
            reason: StatusReason::Left,
            ..
        } => Some(node.to_string()),
        _ => None,
    })?;
    demand(
        goodbyes == ["bob"],
        &format!("alice knows that bob left: {goodbyes:?}"),
    )?;
    let took = begin.elapsed();
    demand(
        took < DEADTIME + SOON / 2,
        &format!("the goodbye took {took:?}"),
    )
}
