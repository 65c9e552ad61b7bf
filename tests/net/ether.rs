//! Beats in Ethernet frames of their own.

use std::fs;
use std::time::Duration;

use hbd_tests::error::{Error, file, unexpected};
use hbd_tests::wait;
use shared::event::{LinkStatus, MediumStatus, NodeStatus};

use crate::cluster::{Cluster, DEADTIME, NODES, SOON, demand, link_is, medium};
use crate::membership::no_death;
use crate::messages;

const ALICE: usize = 0;
const BOB: usize = 1;

fn frames(_node: usize) -> String {
    "ether eth0\n".to_owned()
}

/// Also where a message does not fit into a frame.
pub(crate) fn no_address() -> Result<(), Error> {
    let mut cluster = Cluster::new(2, 1, frames)?;
    for machine in &cluster.machines {
        machine.ip(&["addr", "flush", "dev", "eth0"])?;
        machine.ip(&["link", "set", "eth0", "mtu", "300"])?;
    }
    cluster.start()?;
    cluster.wait_agreed()?;
    messages::million_bytes_over(&cluster)
}

/// Each hears each other, until one has no power.
pub(crate) fn eight() -> Result<(), Error> {
    let cluster = Cluster::running(NODES.len(), 1, frames)?;
    let last = NODES.len() - 1;
    no_death(&cluster)?;
    cluster.machines[last].kill_all()?;
    cluster.daemons[..last]
        .iter()
        .try_for_each(|daemon| daemon.wait_status(NODES[last], NodeStatus::Dead, SOON))
}

/// On one wire, as of two clusters.
pub(crate) fn strangers() -> Result<(), Error> {
    let cluster = Cluster::running(2, 3, |node| match node {
        1 => "ether eth0\nether eth1\nether eth2\n".to_owned(),
        _ => "ether eth0\nether eth1 0x88b6\nether eth2 0x88b5 03:00:68:62:64:02\n".to_owned(),
    })?;
    for (node, peer) in [(ALICE, "bob"), (BOB, "alice")] {
        cluster.wait_view(node, &format!("link {peer}/eth0 up"), |view| {
            link_is(view, peer, "eth0", LinkStatus::Up)
        })?;
    }
    wait::stays_true(DEADTIME, "only eth0 is heard", || {
        let alice = cluster.view(ALICE)?;
        let silent = |name| !link_is(&alice, "bob", name, LinkStatus::Up);
        Ok(silent("eth1") && silent("eth2"))
    })
}

/// While it is down nothing is tried in vain, and nobody dies, for there is another path.
pub(crate) fn down_and_made_again() -> Result<(), Error> {
    let cluster = Cluster::running(2, 2, |_| "ether eth0\nether eth1\n".to_owned())?;
    let is_open = |name: &'static str, is: bool| {
        cluster.wait_view(BOB, &format!("medium {name} open: {is}"), move |view| {
            matches!(medium(view, name), Some(MediumStatus::Open)) == is
        })
    };
    let links_up = || {
        ["eth0", "eth1"].iter().try_for_each(|name| {
            cluster.wait_view(ALICE, &format!("link bob/{name} up"), |view| {
                link_is(view, "bob", name, LinkStatus::Up)
            })
        })
    };
    links_up()?;
    let core = cluster.daemons[BOB].core()?;
    cluster.machines[BOB].ip(&["link", "set", "eth0", "down"])?;
    is_open("eth0", false)?;
    let before = processor_time(core.pid)?;
    let silence = Duration::from_secs(2);
    wait::stays_true(silence, "the core lives", || {
        Ok(cluster.daemons[BOB].core()? == core)
    })?;
    let spent = processor_time(core.pid)? - before;
    demand(
        spent < silence / 10,
        &format!("a core whose interface is down rests: {spent:?} of {silence:?}"),
    )?;
    cluster.machines[BOB].ip(&["link", "set", "eth0", "up"])?;
    is_open("eth0", true)?;
    links_up()?;
    cluster.machines[BOB].remove_interface("eth0")?;
    is_open("eth0", false)?;
    cluster.plug(BOB, 0)?;
    is_open("eth0", true)?;
    links_up()?;
    demand(cluster.daemons[BOB].core()? == core, "it is the same core")
}

/// What a process has used of the processors (`proc_pid_stat(5)`).
pub(crate) fn processor_time(pid: i32) -> Result<Duration, Error> {
    let path = format!("/proc/{pid}/stat");
    let text = file(format!("read {path}"), fs::read_to_string(&path))?;
    let fields = text
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace());
    let ticks: Option<u64> = fields.and_then(|fields| {
        let times = fields.skip(11).take(2).map(|time| time.parse::<u64>().ok());
        times.sum()
    });
    // A tick is 10 ms on every Linux.
    match ticks {
        Some(ticks) => Ok(Duration::from_millis(ticks * 10)),
        None => unexpected(format!("{path} has no times")),
    }
}
