//! A node that lives, and that those it serves cannot reach.

use std::time::Duration;

use hbd_tests::error::Error;
use hbd_tests::program;
use shared::event::{Kind, NodeStatus};
use shared::group::{GroupReason, GroupState};

use crate::stage::{
    ALICE, BASE, BOB, MOVE_GAP, NO_GAP, SERVICES, SOON, Stage, WEB, WEB_GROUP, WEB6, demand, limit,
    play,
};

const SETTINGS: &str = "auto_failback on\ndeadping 1\nping 10.9.0.100 10.9.0.101\n\
     respawn hacluster /usr/lib/heartbeat/ipfail";
const HOSTS: [&str; 2] = ["10.9.0.100", "10.9.0.101"];

/// Both hosts stop answering alice, and answer bob all along: her group goes to him, in order, and is back when they
/// answer again.
pub(crate) fn fewer_ping_nodes() -> Result<(), Error> {
    play(SETTINGS, |stage| {
        let addresses = HOSTS.map(|host| format!("{host}/24"));
        let host = stage.host(&[&addresses[0], &addresses[1]])?;
        stage.start_both()?;
        for daemon in &stage.daemons {
            for host in HOSTS {
                daemon.wait_status(host, NodeStatus::Ping, SOON)?;
            }
        }
        let begin = stage.now();
        for (answers, from, to) in [(false, ALICE, BOB), (true, BOB, ALICE)] {
            let changed = stage.now();
            let verb = if answers { "del" } else { "add" };
            host.ip(&["route", verb, "blackhole", "10.9.0.1/32"])?;
            for ip in [WEB, WEB6] {
                stage.answered(ip, to, changed, SOON)?;
            }
            stage.settled([to, BOB])?;
            for ip in [WEB, WEB6] {
                stage.seen(|record| record.demand_handed_over(ip, (from, to), changed))??;
            }
            stage.demand_gaps(&[WEB, WEB6], changed, limit(MOVE_GAP))?;
            if !answers {
                explained(stage)?;
            }
        }
        let reasons = stage.events(ALICE, |event| match &event.kind {
            Kind::GroupState {
                group,
                to: GroupState::Stopping,
                reason,
                ..
            } if group.as_str() == WEB_GROUP => Some((reason.clone(), event.text.clone())),
            _ => None,
        })?;
        let expected = |(reason, _): &(GroupReason, String)| {
            matches!(
                reason,
                GroupReason::PeerBetterConnected {
                    here: 0 | 1,
                    there: 2,
                    ..
                }
            )
        };
        demand(
            reasons.iter().any(expected),
            &format!("the reason is told: {reasons:?}"),
        )?;
        stage.demand_gaps(&[BASE], begin, NO_GAP)?;
        stage.demand_overlaps(&SERVICES, Duration::ZERO, Duration::ZERO)?;
        Ok(())
    })
}

/// Both nodes can say why it went to bob; alice knows which ping node died.
fn explained(stage: &Stage) -> Result<(), Error> {
    let hactl = program::of_workspace("hactl")?;
    let why = |node: usize| {
        let socket = stage.daemons[node].socket();
        let socket = socket.to_string_lossy();
        let words = ["--socket", &*socket, "why", WEB_GROUP];
        program::run(&hactl.to_string_lossy(), &words)
    };
    let (here, there) = (why(ALICE)?, why(BOB)?);
    demand(
        here.contains("bob reaches 2 ping nodes, this node ")
            && HOSTS
                .iter()
                .any(|host| here.contains(&format!("node {host}"))),
        &format!("alice says why:\n{here}"),
    )?;
    let told = [
        "it says: bob reaches 2 ping nodes, alice ",
        " not answer)",
        "on alice: hactl why ",
    ];
    demand(
        told.iter().all(|words| there.contains(words))
            && HOSTS.iter().any(|host| there.contains(host)),
        &format!("bob says why:\n{there}"),
    )
}
