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
//! They go with the last process in them. Else all nodes share the loopback interface, where one
//! link is broadcast and the other multicast.
//!
//! A user that is not root is mapped to itself, so that the nodes' sockets know who asks; root
//! needs no user namespace.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{getegid, geteuid};
use serde::{Deserialize, Serialize};

use super::cast::{NODES, Node};
use super::dice::Dice;
use super::netlink::{Address, Network};

/// Ports of the loopback ground: above the privileged ones and below those that the kernel gives
/// to whoever does not care (`ip_local_port_range`).
const PORTS: std::ops::Range<u16> = 10_000..32_000;
/// So many pairs of ports are tried.
const PORT_TRIES: u32 = 100;
/// Ports inside the namespaces, where nobody else is.
const PORTS_OF_OUR_OWN: Ports = Ports {
    bcast: 6940,
    mcast: 6941,
};

/// The interfaces of a node in a namespace; the first beats by broadcast, the second by multicast.
const INTERFACES: [&str; 2] = ["eth0", "eth1"];

/// Where the nodes live, as the teller of the story needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ground {
    /// Each in a network namespace of its own.
    Namespaces,
    /// All on the loopback interface.
    Loopback(Ports),
}

/// UDP ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ports {
    pub(super) bcast: u16,
    pub(super) mcast: u16,
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

    /// The name that hbd gives to the second link.
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
        /// Of the nodes, in the order of [`NODES`].
        homes: Vec<File>,
        /// Of the bridges. Without it they would go, and with them both ends of every pair.
        #[expect(dead_code, reason = "held, not used")]
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
}

/// Makes the namespaces. After a failure this process may be in a namespace without a network and
/// is of no further use. The error is for people.
pub(super) fn namespaces() -> Result<Held, String> {
    leave_home()?;
    build().map_err(|error| format!("building a network in a namespace failed: {error}"))
}

/// Finds two ports on the loopback interface that nobody uses.
pub(super) fn loopback(dice: &mut Dice) -> io::Result<Held> {
    let mut last = io::Error::other("no port was tried");
    for _ in 0..PORT_TRIES {
        // Even, so that no two pairs overlap by one.
        let bcast = PORTS.start + dice.below((PORTS.end - PORTS.start) / 2)? * 2;
        let ports = Ports {
            bcast,
            mcast: bcast + 1,
        };
        match reserve(ports) {
            Ok(reservation) => return Ok(Held::Loopback(ports, reservation)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Other programs are seen by their UDP sockets; other demos, whose nodes may be about to start,
/// by a name in the abstract socket namespace (`unix(7)`), which the kernel frees with its owner.
fn reserve(ports: Ports) -> io::Result<UnixListener> {
    let name = format!("hbd-demo-{}", ports.bcast);
    let reservation = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    for port in [ports.bcast, ports.mcast] {
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
    }
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

fn build() -> io::Result<Held> {
    let middle = here()?;
    let mut network = Network::open()?;
    let switches = ["switch0", "switch1"];
    for switch in switches {
        network.add_bridge(switch)?;
        network.raise(switch)?;
    }
    let mut homes = Vec::new();
    for node in NODES {
        unshare(CloneFlags::CLONE_NEWNET)?;
        let home = here()?;
        let mut inside = Network::open()?;
        setns(&middle, CloneFlags::CLONE_NEWNET)?;
        inside.raise("lo")?;
        for (place, (interface, switch)) in INTERFACES.into_iter().zip(switches).enumerate() {
            let plug = format!("{}{place}", node.name());
            network.add_pair(&plug, interface, home.as_fd())?;
            network.plug(&plug, switch)?;
            network.raise(&plug)?;
            inside.add_address(interface, address(place, node))?;
            inside.raise(interface)?;
        }
        homes.push(home);
    }
    Ok(Held::Namespaces { homes, middle })
}

/// Networks for documentation (RFC 5737), which nobody needs to reach.
fn address(place: usize, node: Node) -> Address {
    let host = node as u8 + 1;
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
