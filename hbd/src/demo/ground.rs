//! Where the nodes of the demo live.
//!
//! Where user namespaces are allowed each node has a network namespace with two interfaces, each
//! plugged into a bridge of its own; the bridges stand in a namespace that belongs to nobody else:
//!
//! ```text
//!   alice           bob            carol
//!   eth0 eth1       eth0 eth1      eth0 eth1
//!    |    |          |    |         |    |
//!    |    +----------|----+---------|----+---  switch1   198.51.100.0/24
//!    +---------------+--------------+--------  switch0   192.0.2.0/24
//! ```
//!
//! Two nodes leave room for a client, which is plugged into the first bridge only and asks for what
//! the nodes serve. All of it goes with the last process in it. Else all share the loopback
//! interface, where one link is broadcast and the other multicast, and no address can move.
//!
//! A user that is not root is mapped to itself, so that the nodes' sockets know who asks; root
//! needs no user namespace.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{getegid, geteuid};
use serde::{Deserialize, Serialize};

use super::cast::{Cast, Node};
use super::dice::Dice;
use super::netlink::{Address, Network};
use crate::sys;

/// Ports of the loopback ground: above the privileged ones and below those that the kernel gives
/// to whoever does not care (`ip_local_port_range`).
const PORTS: std::ops::Range<u16> = 10_000..32_000;
/// Ports of one demo; two demos overlap in all of them or in none.
const PORTS_EACH: u16 = 4;
/// So many times ports are tried.
const PORT_TRIES: u32 = 100;
/// Ports inside the namespaces, where nobody else is.
const PORTS_OF_OUR_OWN: Ports = Ports {
    bcast: 6940,
    mcast: 6941,
    service: 8080,
};

/// The address of the service: one that moves, and one of this machine.
const SERVICE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);
const SERVICE_ON_LOOPBACK: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 80);

/// The interfaces of a node in a namespace; the first beats by broadcast, the second by multicast.
const INTERFACES: [&str; 2] = ["eth0", "eth1"];
const SWITCHES: [&str; 2] = ["switch0", "switch1"];
/// The client's name, and the last part of its address.
const CLIENT: (&str, u8) = ("client", 100);

/// Where the nodes live, as the teller of the story needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ground {
    /// Each in a network namespace of its own.
    Namespaces,
    /// All on the loopback interface.
    Loopback(Ports),
}

/// UDP ports of the links, and the TCP port of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ports {
    pub(super) bcast: u16,
    pub(super) mcast: u16,
    pub(super) service: u16,
}

impl Ground {
    /// The ports in use.
    pub(super) fn ports(self) -> Ports {
        match self {
            Self::Namespaces => PORTS_OF_OUR_OWN,
            Self::Loopback(ports) => ports,
        }
    }

    /// The device of the broadcast and of the multicast link.
    pub(super) fn devices(self) -> [&'static str; 2] {
        match self {
            Self::Namespaces => INTERFACES,
            Self::Loopback(_) => ["lo", "lo"],
        }
    }

    /// Where the service of a pair answers.
    pub(super) fn service(self) -> SocketAddrV4 {
        let address = match self {
            Self::Namespaces => SERVICE,
            Self::Loopback(_) => SERVICE_ON_LOOPBACK,
        };
        SocketAddrV4::new(address, self.ports().service)
    }

    /// The first resource of a pair's group, and so the name of the group.
    pub(super) fn group(self) -> String {
        match self {
            Self::Namespaces => SERVICE.to_string(),
            Self::Loopback(_) => "Dummy::web".to_owned(),
        }
    }

    /// The names that hbd gives to all links of a pair but the serial line.
    pub(super) fn networks(self) -> &'static [&'static str] {
        match self {
            Self::Namespaces => &["eth0", "mcast:eth1", "ether:eth1"],
            Self::Loopback(_) => &["bcast:lo", "mcast:lo"],
        }
    }

    /// The name that hbd gives to the second link of three nodes.
    pub(super) fn second_link(self) -> &'static str {
        match self {
            Self::Namespaces => INTERFACES[1],
            Self::Loopback(_) => "mcast:lo",
        }
    }
}

/// A ground as its keeper holds it; whatever it holds is free again when it is dropped.
pub(super) enum Held {
    /// The namespaces.
    Namespaces {
        /// Of the nodes, in their order.
        homes: Vec<File>,
        /// Of the client, if there is one.
        client: Option<File>,
        /// Of the bridges. Without it they would go, and with them both ends of every pair.
        middle: File,
    },
    /// The ports, and the reservation that keeps other demos off them.
    Loopback(
        Ports,
        #[expect(dead_code, reason = "held, not used")] UnixListener,
    ),
}

impl Held {
    /// What to tell the teller.
    pub(super) fn ground(&self) -> Ground {
        match self {
            Self::Namespaces { .. } => Ground::Namespaces,
            Self::Loopback(ports, _) => Ground::Loopback(*ports),
        }
    }

    /// Moves this process to where the node lives; children it starts live there too.
    pub(super) fn enter(&self, node: Node) -> io::Result<()> {
        match self {
            Self::Namespaces { homes, .. } => {
                Ok(setns(&homes[node as usize], CloneFlags::CLONE_NEWNET)?)
            }
            Self::Loopback(..) => Ok(()),
        }
    }

    /// Moves this process to where the client lives.
    pub(super) fn enter_client(&self) -> io::Result<()> {
        match self {
            Self::Namespaces {
                client: Some(home), ..
            } => Ok(setns(home, CloneFlags::CLONE_NEWNET)?),
            _ => Ok(()),
        }
    }

    /// Takes a node's interfaces away, and all that was put on them.
    pub(super) fn unplug(&self, node: Node) -> io::Result<()> {
        let Self::Namespaces { middle, .. } = self else {
            return Ok(());
        };
        setns(middle, CloneFlags::CLONE_NEWNET)?;
        let mut network = Network::open()?;
        (0..INTERFACES.len()).try_for_each(|place| network.remove(&plug(node.name(), place)))
    }

    /// Gives it new ones.
    pub(super) fn plug(&self, node: Node) -> io::Result<()> {
        let Self::Namespaces { homes, middle, .. } = self else {
            return Ok(());
        };
        let home = &homes[node as usize];
        setns(home, CloneFlags::CLONE_NEWNET)?;
        let inside = Network::open()?;
        setns(middle, CloneFlags::CLONE_NEWNET)?;
        let mut machine = Machine { home, inside };
        machine.wire(node.name(), host(node), &INTERFACES)
    }
}

/// Makes the namespaces. After a failure this process may be in a namespace without a network and
/// is of no further use. The error is for people.
pub(super) fn namespaces(cast: Cast) -> Result<Held, String> {
    leave_home()?;
    if cast == Cast::Pair && !geteuid().is_root() {
        // In our own user namespace all of them are ours; the nodes need those for addresses.
        sys::bequeath_capabilities(&[sys::CAP_NET_ADMIN, sys::CAP_NET_RAW])
            .map_err(|error| format!("handing on rights to a network failed: {error}"))?;
    }
    build(cast).map_err(|error| format!("building a network in a namespace failed: {error}"))
}

/// Finds ports on the loopback interface that nobody uses.
pub(super) fn loopback(dice: &mut Dice) -> io::Result<Held> {
    let mut last = io::Error::other("no port was tried");
    for _ in 0..PORT_TRIES {
        let bcast = PORTS.start + dice.below((PORTS.end - PORTS.start) / PORTS_EACH)? * PORTS_EACH;
        let ports = Ports {
            bcast,
            mcast: bcast + 1,
            service: bcast + 2,
        };
        match reserve(ports) {
            Ok(reservation) => return Ok(Held::Loopback(ports, reservation)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Other programs are seen by their sockets; other demos, whose nodes may be about to start,
/// by a name in the abstract socket namespace (`unix(7)`), which the kernel frees with its owner.
fn reserve(ports: Ports) -> io::Result<UnixListener> {
    let name = format!("hbd-demo-{}", ports.bcast);
    let reservation = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    for port in [ports.bcast, ports.mcast] {
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
    }
    TcpListener::bind((SERVICE_ON_LOOPBACK, ports.service))?;
    Ok(reservation)
}

fn leave_home() -> Result<(), String> {
    let (user, group) = (geteuid(), getegid());
    if user.is_root() {
        return unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|error| format!("network namespaces are not allowed here ({error})"));
    }
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
        .map_err(|error| format!("user namespaces are not allowed here ({error})"))?;
    let write = |file: &str, text: String| {
        fs::write(file, text).map_err(|error| format!("writing {file} failed: {error}"))
    };
    // user_namespaces(7): without privilege the group map needs setgroups(2) to be denied.
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    write("/proc/self/gid_map", format!("{group} {group} 1"))
}

fn build(cast: Cast) -> io::Result<Held> {
    let middle = here()?;
    let mut network = Network::open()?;
    for switch in SWITCHES {
        network.add_bridge(switch)?;
        network.raise(switch)?;
    }
    let mut homes = Vec::new();
    for node in cast.nodes() {
        let home = settle(&middle, node.name(), host(*node), &INTERFACES)?;
        homes.push(home);
    }
    let client = match cast {
        Cast::Pair => Some(settle(&middle, CLIENT.0, CLIENT.1, &INTERFACES[..1])?),
        Cast::Three => None,
    };
    Ok(Held::Namespaces {
        homes,
        client,
        middle,
    })
}

/// A new namespace with those interfaces. This process is in the middle afterwards.
fn settle(middle: &File, name: &str, host: u8, interfaces: &[&str]) -> io::Result<File> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let home = here()?;
    let mut inside = Network::open()?;
    setns(middle, CloneFlags::CLONE_NEWNET)?;
    inside.raise("lo")?;
    let mut machine = Machine {
        home: &home,
        inside,
    };
    machine.wire(name, host, interfaces)?;
    Ok(home)
}

/// A namespace and its network, as seen from the middle.
struct Machine<'a> {
    home: &'a File,
    inside: Network,
}

impl Machine<'_> {
    /// Plugs new interfaces of it into the bridges.
    fn wire(&mut self, name: &str, host: u8, interfaces: &[&str]) -> io::Result<()> {
        let mut network = Network::open()?;
        for (place, (interface, switch)) in interfaces.iter().zip(SWITCHES).enumerate() {
            let plug = plug(name, place);
            network.add_pair(&plug, interface, self.home.as_fd())?;
            network.plug(&plug, switch)?;
            network.raise(&plug)?;
            self.inside.add_address(interface, address(place, host))?;
            self.inside.raise(interface)?;
        }
        Ok(())
    }
}

/// The end of a pair that is in the bridge.
fn plug(name: &str, place: usize) -> String {
    format!("{name}{place}")
}

/// The last part of a node's addresses.
fn host(node: Node) -> u8 {
    node as u8 + 1
}

/// Networks for documentation (RFC 5737), which nobody needs to reach.
fn address(place: usize, host: u8) -> Address {
    let [a, b, c] = [[192, 0, 2], [198, 51, 100]][place];
    Address {
        own: Ipv4Addr::new(a, b, c, host),
        broadcast: Ipv4Addr::new(a, b, c, 255),
        prefix: 24,
    }
}

/// The network namespace this process is in.
fn here() -> io::Result<File> {
    File::open("/proc/self/ns/net")
}
