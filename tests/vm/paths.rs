//! Datagrams, frames and a serial line, each by a driver of its own.

use std::time::Duration;

use hbd_tests::error::Error;
use shared::event::{Kind, LinkStatus, NodeStatus};
use shared::group::GroupState;
use shared::view::ClusterView;

use crate::lab::number;
use crate::pair::{DEADTIME, GROUPS, NODES, Pair, dead_in_time, demand, dies, is, play};

const THREE: &str = "bcast eth0\nether eth1\nbaud 19200\nserial /dev/ttyS1\n";
/// How long losses last.
const LOSSY: Duration = Duration::from_secs(45);

/// Each node holds its group, and the other's too once it is dead for it.
pub(crate) fn jeopardy() -> Result<(), Error> {
    play(&[], |pair| {
        pair.begin(THREE)?;
        for medium in ["eth0", "eth1", "ttyS1"] {
            pair.link(medium, LinkStatus::Up)?;
        }
        owners(pair, [&["alice"], &["bob"]])?;
        pair.lab.order(&["cut", "lan"])?;
        pair.link("eth0", LinkStatus::Dead)?;
        pair.lab.order(&["cut", "beat"])?;
        pair.link("eth1", LinkStatus::Dead)?;
        for node in NODES {
            pair.wait_view(node, "one link is left", |view| {
                let mut others = view.nodes.values();
                others.any(|other| {
                    other
                        .jeopardy
                        .as_ref()
                        .is_some_and(|left| left.as_str() == "ttyS1")
                })
            })?;
        }
        let status = pair.status("alice")?;
        demand(
            status.contains("node bob is in jeopardy (only ttyS1 left)"),
            &format!("hactl status shows it: {status}"),
        )?;
        pair.nobody_dies(DEADTIME * 3, "nobody dies while a cable is left")?;
        let cut = pair.lab.order(&["cut", "alice:bob"])?;
        for (node, peer) in [("alice", "bob"), ("bob", "alice")] {
            let told = pair.told(
                node,
                cut,
                "the last link is cut: the other is dead",
                |kind| dies(kind, peer),
            )?;
            dead_in_time(told)?;
        }
        owners(pair, [&NODES, &NODES])?;
        for link in ["alice:bob", "lan", "beat"] {
            pair.lab.order(&["heal", link])?;
        }
        pair.both_active()?;
        owners(pair, [&["alice"], &["bob"]])
    })
}

/// Waits until each group is started on these nodes alone, as each of them sees itself.
fn owners(pair: &Pair, expected: [&[&str]; 2]) -> Result<(), Error> {
    NODES.iter().try_for_each(|node| {
        pair.wait_view(
            node,
            &format!("groups are started on {expected:?}"),
            |view| {
                let as_expected =
                    |(group, on): (&&str, &&[&str])| holds(view, group, node) == on.contains(node);
                GROUPS.iter().zip(&expected).all(as_expected)
            },
        )
    })
}

/// Whether a node has started a group; nothing of it is otherwise there.
fn holds(view: &ClusterView, group: &str, node: &str) -> bool {
    let mut groups = view
        .groups
        .iter()
        .filter(|(name, _)| name.as_str() == group);
    groups.any(|(_, view)| {
        let mut nodes = view.nodes.iter().filter(|(name, _)| name.as_str() == node);
        nodes.any(|(_, on)| on.state == GroupState::Started)
    })
}

/// The kernel loses every tenth packet that leaves either node, and hbd has no other way.
pub(crate) fn lossy() -> Result<(), Error> {
    play(&[], |pair| {
        pair.begin("bcast eth0\n")?;
        for node in NODES {
            pair.lab.run(
                node,
                "modprobe sch_netem && tc qdisc add dev eth0 root netem loss 10%",
            )?;
        }
        pair.nobody_dies(LOSSY, "nobody dies of losses")?;
        for node in NODES {
            let dropped = "tc -s qdisc show dev eth0 | sed -n 's/.*dropped \\([0-9]*\\).*/\\1/p'";
            let dropped = number(&pair.lab.run(node, dropped)?)?;
            demand(dropped > 0, &format!("{node} has lost packets"))?;
            println!("{node} lost {dropped} packets");
            pair.lab.run(node, "tc qdisc del dev eth0 root")?;
        }
        let missed = pair
            .events("alice")?
            .into_iter()
            .filter(|event| matches!(event.kind, Kind::LateBeat { .. }));
        println!("alice told of {} late beats", missed.count());
        let both = pair.view("alice")?;
        demand(
            NODES.iter().all(|node| is(&both, node, NodeStatus::Active)),
            "both are active",
        )
    })
}
