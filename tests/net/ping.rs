//! Hosts that are pinged: who answers, who does not, who asks and who floods.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hbd_core::wire::icmp::{Echo, Shape};
use hbd_tests::error::{Error, file};
use hbd_tests::namespaces::{Cable, Namespace};
use hbd_tests::wait;
use shared::event::{LinkStatus, MediumStatus, NodeStatus};
use socket2::{Domain, Protocol, Socket, Type};

use crate::cluster::{Cluster, SOON, demand, link_is, medium};
use crate::ether::processor_time;

const ALICE: usize = 0;
const BOB: usize = 1;
/// A host that answers, and an address that nobody has.
const GATEWAY: &str = "10.9.0.100";
const NOBODY: &str = "10.9.0.101";
/// Where the same host answers over IPv6, and its link-local address on the interface that leads to it.
const GATEWAY6: &str = "fd09:0::100";
const LOCAL6: &str = "fe80::100%eth0";
const PINGED: [&str; 4] = [GATEWAY, "routers", GATEWAY6, LOCAL6];

fn media(_node: usize) -> String {
    format!(
        "bcast eth0\ndeadping 1\nping {GATEWAY}\nping_group routers {NOBODY} {GATEWAY}\n\
         ping6 {GATEWAY6} {LOCAL6}\n"
    )
}

/// A host on the first switch that runs no hbd. Dropping the first part takes it away.
fn host(cluster: &Cluster) -> Result<(Arc<Namespace>, Cable), Error> {
    let host = Arc::new(Namespace::new()?);
    let (v4, v6) = (format!("{GATEWAY}/24"), format!("{GATEWAY6}/64"));
    let cable = cluster.switches[0].plug(&host, "eth0", &[&v4, &v6, "fe80::100/64"])?;
    Ok((host, cable))
}

fn wait_pings(cluster: &Cluster, status: NodeStatus) -> Result<(), Error> {
    for daemon in &cluster.daemons {
        for node in PINGED {
            daemon.wait_status(node, status, SOON)?;
        }
    }
    Ok(())
}

/// A group lives by one of its hosts. Members are members all along, whoever else answers; a
/// configuration without the hosts leaves them out.
pub(crate) fn answers() -> Result<(), Error> {
    let mut cluster = Cluster::new(2, 1, media)?;
    let (_host, cable) = host(&cluster)?;
    cluster.start()?;
    cluster.wait_agreed()?;
    wait_pings(&cluster, NodeStatus::Ping)?;
    let status = cluster.hactl(ALICE, &["nodes", "-o", "node,kind,status,links"])?;
    demand(
        status.contains("10.9.0.100      ping    ping")
            && status.contains("fe80::100%eth0  ping    ping"),
        &format!("hactl nodes shows it:\n{status}"),
    )?;
    let links = cluster.hactl(ALICE, &["links", "-o", "link,status"])?;
    demand(
        links.contains("routers/routers                up") && !links.contains("bob/routers"),
        &format!("hactl links shows what leads there, and to nobody else:\n{links}"),
    )?;
    let core = cluster.daemons[BOB].core()?;
    cable.pull()?;
    wait_pings(&cluster, NodeStatus::Dead)?;
    for (node, peer) in [(ALICE, "bob"), (BOB, "alice")] {
        let view = cluster.view(node)?;
        demand(
            PINGED
                .iter()
                .all(|host| link_is(&view, host, host, LinkStatus::Dead))
                && link_is(&view, peer, "eth0", LinkStatus::Up),
            "only what leads to the host is dead",
        )?;
    }
    cable.insert()?;
    wait_pings(&cluster, NodeStatus::Ping)?;
    cluster.wait_agreed()?;
    demand(cluster.daemons[BOB].core()? == core, "it is the same core")?;
    cluster.configure(BOB, "bcast eth0\n")?;
    cluster.hactl(BOB, &["reload"])?;
    cluster.wait_view(BOB, "no ping node", |view| view.nodes.len() == 2)?;
    cluster.wait_agreed()
}

/// Without the right to open raw sockets the kernel lends one for echoes, where it may; where it may not, that
/// is a state with a remedy, and nothing else suffers.
pub(crate) fn no_right() -> Result<(), Error> {
    let mut cluster = Cluster::new(2, 1, media)?;
    let (_host, _cable) = host(&cluster)?;
    let range = "net.ipv4.ping_group_range=0 0";
    cluster.machines[ALICE].run("sysctl", &["-q", "-w", range])?;
    for daemon in &mut cluster.daemons {
        daemon.take_right("net_raw");
    }
    cluster.start()?;
    cluster.wait_agreed()?;
    for node in PINGED {
        cluster.daemons[ALICE].wait_status(node, NodeStatus::Ping, SOON)?;
        cluster.daemons[BOB].wait_status(node, NodeStatus::Dead, SOON)?;
        let view = cluster.view(BOB)?;
        let Some(MediumStatus::Failed { reason }) = medium(&view, node) else {
            return demand(false, &format!("it failed: {:?}", medium(&view, node)));
        };
        demand(
            reason.contains("net.ipv4.ping_group_range") && reason.contains("CAP_NET_RAW"),
            &format!("the remedy is named: {reason}"),
        )?;
    }
    Ok(())
}

/// How long the flood lasts.
const FLOOD: Duration = Duration::from_secs(3);

/// Replies to nobody's requests, with every id: beats go on, and the core hardly notices.
pub(crate) fn flood() -> Result<(), Error> {
    let mut cluster = Cluster::new(2, 1, media)?;
    let (host, _cable) = host(&cluster)?;
    cluster.start()?;
    cluster.wait_agreed()?;
    wait_pings(&cluster, NodeStatus::Ping)?;
    let core = cluster.daemons[ALICE].core()?;
    let before = processor_time(core.pid)?;
    let flooding = std::thread::spawn(move || host.inside(replies_to_alice));
    wait::stays_true(FLOOD, "everybody lives", || {
        let alice = &cluster.daemons[ALICE];
        let is = |node, status| Ok::<_, Error>(alice.status_of(node)? == Some(status));
        Ok(is("bob", NodeStatus::Active)?
            && is(GATEWAY, NodeStatus::Ping)?
            && cluster.daemons[BOB].status_of("alice")? == Some(NodeStatus::Active))
    })?;
    let sent = flooding.join().expect("nothing panics in it");
    let sent = file("flood", sent.and_then(|sent| sent))?;
    let spent = processor_time(core.pid)? - before;
    demand(sent > 10_000, &format!("it was a flood: {sent}"))?;
    demand(
        spent < FLOOD / 10,
        &format!("{sent} replies to nobody cost the core {spent:?} of {FLOOD:?}"),
    )
}

/// Sends replies with one id after the other. How many.
fn replies_to_alice() -> io::Result<u32> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    let alice = SocketAddr::from((Ipv4Addr::new(10, 9, 0, 1), 0)).into();
    let began = Instant::now();
    let mut sent: u32 = 0;
    while began.elapsed() < FLOOD {
        let [.., high, low] = sent.to_be_bytes();
        let mut echo = Echo::new(Shape::V4, u16::from_be_bytes([high, low]));
        let mut reply = echo.request(b"nobody asked").to_vec();
        reply[0] = Shape::V4.reply_type();
        socket.send_to(&reply, &alice)?;
        sent += 1;
    }
    Ok(sent)
}
