//! Networks that exist only for one test.
//!
//! ```text
//!   Namespace (a machine)          Switch (a namespace with a bridge)         Namespace
//!     eth0 ------- Cable ------- p0 --+-- br0 --+-- p1 ------- Cable ------- eth0
//! ```
//!
//! A [`Namespace`] is the network of one machine, a [`Switch`] joins machines, a [`Cable`] is one machine's place on
//! one switch. Every interface lives in a namespace of the test, so the machine's own network sees nothing of it and
//! names such as `eth0` are free. Loss and one-way cuts are packet-filter rules on the switch, between two cables;
//! both machines keep their carrier. The rules concern UDP only: with ARP lost one way, unicast would fail both ways. Duplicate address detection is off: addresses are usable at once.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socket2::{Domain, Socket, Type};

use crate::error::{self, Error};
use crate::program::run;
use crate::wait;
use crate::{scratch, sweeper};

/// `ip netns add` sets up `/run/netns` when it is the first; two firsts at once fail.
static ADDING: Mutex<()> = Mutex::new(());

/// How long killed processes may take to leave a namespace.
const EMPTYING: Duration = Duration::from_secs(5);

/// The network of one machine. Dropping it kills what still runs in it and removes it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace whose only interface is `lo`, up.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn new() -> Result<Self, Error> {
        sweeper::hire();
        let name = scratch::fresh_name();
        {
            let _first = ADDING
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            run("ip", &["netns", "add", &name])?;
        }
        let namespace = Self { name };
        namespace.run(
            "sh",
            &[
                "-c",
                "for d in all default; do echo 0 >/proc/sys/net/ipv6/conf/$d/accept_dad; done",
            ],
        )?;
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Its name for `ip netns`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run in this network. `nsenter` becomes the program, so the child's pid is the program's.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.file().display()))
            .arg("--")
            .arg(program);
        command
    }

    /// Runs a program in this network to its end.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String, Error> {
        let net = format!("--net={}", self.file().display());
        run("nsenter", &[&[&net, "--", program], arguments].concat())
    }

    /// A UDP socket in this network that hears what comes to `port` beside whoever else listens there; it does not
    /// block.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be opened.
    pub fn udp_socket(&self, port: u16) -> Result<UdpSocket, Error> {
        let opened = self.inside(|| open(port)).and_then(|opened| opened);
        error::file(format!("open UDP port {port} in {}", self.name), opened)
    }

    /// Calls `work` in this network. What it opens stays in it.
    ///
    /// # Errors
    /// That of the system call.
    ///
    /// # Panics
    /// Where `work` does.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        let network = File::open(self.file())?;
        // The thread ends, so nothing else moves there.
        let in_thread = || {
            setns(network, CloneFlags::CLONE_NEWNET)?;
            Ok(work())
        };
        thread::scope(|scope| match scope.spawn(in_thread).join() {
            Ok(done) => done,
            Err(panicked) => std::panic::resume_unwind(panicked),
        })
    }

    /// Runs `ip` on this network.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn ip(&self, arguments: &[&str]) -> Result<String, Error> {
        run("ip", &[&["-n", &self.name], arguments].concat())
    }

    /// Whether an interface of that name exists.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn has_interface(&self, interface: &str) -> Result<bool, Error> {
        let list = self.ip(&["-o", "link"])?;
        Ok(list
            .lines()
            .filter_map(|line| line.split([':', '@']).nth(1))
            .any(|name| name.trim() == interface))
    }

    /// Removes an interface, and with it the other end of its cable.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn remove_interface(&self, interface: &str) -> Result<(), Error> {
        self.ip(&["link", "del", interface]).map(drop)
    }

    /// Gives an interface another name. Its addresses of IPv4 stay.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn rename_interface(&self, from: &str, to: &str) -> Result<(), Error> {
        self.ip(&["link", "set", from, "down"])?;
        self.ip(&["link", "set", from, "name", to])?;
        self.ip(&["link", "set", to, "up"]).map(drop)
    }

    fn file(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// The processes in this network.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn pids(&self) -> Result<Vec<i32>, Error> {
        Ok(run("ip", &["netns", "pids", &self.name])?
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect())
    }

    /// Ends every process in this network as a loss of power does: all are stopped before the first is killed, so
    /// none lives to see another's end.
    ///
    /// # Errors
    /// [`Error::NotWithin`], [`Error::Command`].
    pub fn kill_all(&self) -> Result<(), Error> {
        wait::until_true(EMPTYING, "no process in the namespace", || {
            let pids = self.pids()?;
            for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
                for &pid in &pids {
                    let _ = kill(Pid::from_raw(pid), signal);
                }
            }
            Ok(pids.is_empty())
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        for result in [
            self.kill_all(),
            run("ip", &["netns", "del", &self.name]).map(drop),
        ] {
            if let Err(error) = result {
                eprintln!("removing namespace {}: {error}", self.name);
            }
        }
    }
}

fn open(port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    Ok(socket.into())
}

/// A switch that machines are plugged into.
#[derive(Debug)]
pub struct Switch {
    namespace: Namespace,
    ports: AtomicU32,
}

/// One machine's place on one switch.
#[derive(Debug, Clone)]
pub struct Cable {
    switch: String,
    port: String,
}

/// What happens to the UDP packets and the frames of `ether` media from one cable to another, in that direction only.
#[derive(Debug, Clone)]
pub struct Fault<'a> {
    from: &'a Cable,
    to: &'a Cable,
    lost_percent: u8,
}

impl<'a> Fault<'a> {
    /// Nothing arrives.
    #[must_use]
    pub fn cut(from: &'a Cable, to: &'a Cable) -> Self {
        Self {
            from,
            to,
            lost_percent: 100,
        }
    }

    /// Each packet is lost with this probability.
    #[must_use]
    pub fn loss(from: &'a Cable, to: &'a Cable, percent: u8) -> Self {
        Self {
            from,
            to,
            lost_percent: percent,
        }
    }
}

impl Switch {
    /// Makes a switch that forwards at once and floods multicast, as a dumb one does.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn new() -> Result<Self, Error> {
        let namespace = Namespace::new()?;
        namespace.ip(&[
            "link",
            "add",
            "br0",
            "type",
            "bridge",
            "stp_state",
            "0",
            "mcast_snooping",
            "0",
        ])?;
        namespace.ip(&["link", "set", "br0", "up"])?;
        Ok(Self {
            namespace,
            ports: AtomicU32::new(0),
        })
    }

    /// Gives `machine` an interface on this switch, up, with these addresses (`ADDRESS/LENGTH`).
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn plug(
        &self,
        machine: &Namespace,
        interface: &str,
        addresses: &[&str],
    ) -> Result<Cable, Error> {
        let port = format!("p{}", self.ports.fetch_add(1, Ordering::Relaxed));
        let switch = self.namespace.name();
        machine.ip(&[
            "link", "add", interface, "type", "veth", "peer", "name", &port, "netns", switch,
        ])?;
        self.namespace
            .ip(&["link", "set", &port, "master", "br0", "up"])?;
        for &address in addresses {
            let mut words = vec!["addr", "add", address, "dev", interface];
            if !address.contains(':') {
                words.extend(["brd", "+"]);
            }
            machine.ip(&words)?;
        }
        machine.ip(&["link", "set", interface, "up"])?;
        Ok(Cable {
            switch: switch.to_owned(),
            port,
        })
    }

    /// Sets exactly these faults; none heals all.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn set_faults(&self, faults: &[Fault<'_>]) -> Result<(), Error> {
        self.namespace.run("nft", &[&rules(faults)]).map(drop)
    }
}

fn rules(faults: &[Fault<'_>]) -> String {
    let mut text = String::from("add table bridge faults; delete table bridge faults; ");
    if faults.is_empty() {
        return text;
    }
    text.push_str("add table bridge faults; add chain bridge faults path { type filter hook forward priority 0; }; ");
    for fault in faults {
        let (from, to, percent) = (&fault.from.port, &fault.to.port, fault.lost_percent);
        for which in ["meta l4proto udp", "ether type 0x88b5"] {
            let _ = write!(
                text,
                "add rule bridge faults path iifname {from} oifname {to} {which} "
            );
            if percent < 100 {
                let _ = write!(text, "numgen random mod 100 < {percent} ");
            }
            text.push_str("drop; ");
        }
    }
    text
}

impl Cable {
    /// Takes the cable out of the switch: the machine's interface loses its carrier.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn pull(&self) -> Result<(), Error> {
        run(
            "ip",
            &["-n", &self.switch, "link", "set", &self.port, "down"],
        )
        .map(drop)
    }

    /// Puts it back.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn insert(&self) -> Result<(), Error> {
        run("ip", &["-n", &self.switch, "link", "set", &self.port, "up"]).map(drop)
    }

    /// From now on nothing passes between this cable and any other one that is kept apart.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn keep_apart(&self) -> Result<(), Error> {
        run(
            "bridge",
            &[
                "-n",
                &self.switch,
                "link",
                "set",
                "dev",
                &self.port,
                "isolated",
                "on",
            ],
        )
        .map(drop)
    }
}
