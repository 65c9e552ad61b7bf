//! Two nodes on one switch, once for each program that is compared.

use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hbd_tests::daemon::{Daemon, HARMLESS};
use hbd_tests::error::{self, Error};
use hbd_tests::heartbeat::HeartbeatNode;
use hbd_tests::namespaces::{Namespace, Switch};
use hbd_tests::scratch::{self, Scratch};
use hbd_tests::wait;
use shared::event::NodeStatus;

/// The nodes. The first is the one that is measured.
pub(crate) const NODES: [&str; 2] = ["alice", "bob"];

/// Longest time until a pair is one.
const BOOT: Duration = Duration::from_secs(60);

/// A switch with as many machines, `eth0` of each with address 10.9.0.N, N from 1.
pub(crate) struct Network {
    pub(crate) machines: Vec<Arc<Namespace>>,
    _switch: Switch,
}

impl Network {
    pub(crate) fn new(machines: usize) -> Result<Self, Error> {
        let switch = Switch::new()?;
        let machines = (0..machines)
            .map(|_| Namespace::new().map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        for (place, machine) in machines.iter().enumerate() {
            let address = format!("10.9.0.{}/24", place + 1);
            switch.plug(machine, "eth0", &[&address])?;
        }
        Ok(Self {
            machines,
            _switch: switch,
        })
    }
}

/// The media where nothing else is said.
pub(crate) const DATAGRAMS: &str = "bcast eth0";

/// Writes `ha.cf` with these times, media and nodes, and `authkeys`; legacy, sha1.
pub(crate) fn configure(
    directory: &Path,
    times: &str,
    media: &str,
    nodes: &[&str],
) -> Result<(), Error> {
    let ha_cf = format!(
        "{times}\nlogfacility none\nauto_failback legacy\n{media}\nnode {}\n",
        nodes.join(" ")
    );
    scratch::write(&directory.join("ha.cf"), &ha_cf)?;
    scratch::write(&directory.join("hbd.cf"), HARMLESS)?;
    scratch::write(&directory.join("haresources"), "")?;
    scratch::write_secret(&directory.join("authkeys"), "auth 1\n1 sha1 lab-secret\n")
}

/// Two nodes of one program. Fields of the implementors are dropped in order: nodes before their networks.
pub(crate) trait Pair {
    /// The processes of the first node.
    fn pids(&self) -> Result<Vec<i32>, Error>;
    /// The second node loses power.
    fn lose_second(&mut self) -> Result<(), Error>;
}

/// Two nodes of hbd.
pub(crate) struct HbdPair {
    pub(crate) nodes: Vec<Daemon>,
    pub(crate) network: Network,
    _config: Scratch,
}

impl HbdPair {
    /// Starts them, and waits until each holds the other for active. There are `more` machines beside them.
    pub(crate) fn start(times: &str, more: usize) -> Result<Self, Error> {
        Self::start_over(|_| DATAGRAMS.to_owned(), times, more)
    }

    /// As [`Self::start`], over the media of each node, the first being 0.
    pub(crate) fn start_over(
        media: impl Fn(usize) -> String,
        times: &str,
        more: usize,
    ) -> Result<Self, Error> {
        let config = Scratch::new()?;
        let network = Network::new(NODES.len() + more)?;
        let mut nodes = Vec::new();
        for (place, (name, machine)) in NODES.into_iter().zip(&network.machines).enumerate() {
            let directory = config.directory(name)?;
            configure(&directory, times, &media(place), &NODES)?;
            let mut node = Daemon::new(name, machine, &directory)?;
            node.start()?;
            nodes.push(node);
        }
        for node in &nodes {
            for name in NODES {
                node.wait_status(name, NodeStatus::Active, BOOT)?;
            }
        }
        Ok(Self {
            nodes,
            network,
            _config: config,
        })
    }
}

impl Pair for HbdPair {
    fn pids(&self) -> Result<Vec<i32>, Error> {
        self.network.machines[0].pids()
    }

    fn lose_second(&mut self) -> Result<(), Error> {
        self.nodes[1].crash()
    }
}

/// Two nodes of the real Heartbeat.
pub(crate) struct HeartbeatPair {
    nodes: Vec<HeartbeatNode>,
    network: Network,
    _config: Scratch,
}

impl HeartbeatPair {
    pub(crate) fn start(times: &str) -> Result<Self, Error> {
        let config = Scratch::new()?;
        configure(config.path(), times, DATAGRAMS, &NODES)?;
        let network = Network::new(NODES.len())?;
        let mut nodes = Vec::new();
        for (name, machine) in NODES.into_iter().zip(&network.machines) {
            let node = HeartbeatNode::new(name, machine, config.path())?;
            node.start()?;
            nodes.push(node);
        }
        for node in &nodes {
            for name in NODES {
                node.wait_status(name, "active", BOOT)?;
            }
        }
        Ok(Self {
            nodes,
            network,
            _config: config,
        })
    }
}

impl Pair for HeartbeatPair {
    /// Without the first process of the node's namespace, which is none of Heartbeat's.
    fn pids(&self) -> Result<Vec<i32>, Error> {
        let mut pids = self.network.machines[0].pids()?;
        pids.retain(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| name.trim() == "heartbeat")
        });
        Ok(pids)
    }

    fn lose_second(&mut self) -> Result<(), Error> {
        self.nodes[1].crash()
    }
}

/// Two nodes of keepalived with one VRRP instance, which says every 100 ms who is master and signs nothing. So one
/// node only sends, and the other only listens; the first is the one that sends.
pub(crate) struct KeepalivedPair {
    nodes: Vec<Child>,
    network: Network,
    directory: Scratch,
}

impl KeepalivedPair {
    pub(crate) fn start() -> Result<Self, Error> {
        let mut pair = Self {
            nodes: Vec::new(),
            network: Network::new(NODES.len())?,
            directory: Scratch::new()?,
        };
        for (place, priority) in [150, 100].into_iter().enumerate() {
            pair.launch(place, priority)?;
        }
        for (name, state) in NODES.into_iter().zip(["MASTER", "BACKUP"]) {
            let log = pair.directory.path().join(format!("{name}.log"));
            wait::until_true(BOOT, &format!("keepalived {name} is {state}"), || {
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                Ok(text.contains(&format!("Entering {state} STATE")))
            })?;
        }
        Ok(pair)
    }

    fn launch(&mut self, place: usize, priority: u32) -> Result<(), Error> {
        let path = |what: &str| {
            self.directory
                .path()
                .join(format!("{}.{what}", NODES[place]))
        };
        let configuration = format!(
            "global_defs {{\n router_id {}\n vrrp_version 3\n}}\nvrrp_instance ONE {{\n state BACKUP\n interface eth0\n \
             virtual_router_id 51\n priority {priority}\n advert_int 0.1\n virtual_ipaddress {{\n  10.9.0.100/24\n }}\n}}\n",
            NODES[place]
        );
        scratch::write(&path("conf"), &configuration)?;
        let log = error::file("open a log", std::fs::File::create(path("log")))?;
        let copy = error::file("open a log", log.try_clone())?;
        let mut command = self.network.machines[place].command("keepalived");
        command.args(["--dont-fork", "--vrrp", "--log-console", "--log-detail"]);
        command.arg("--use-file").arg(path("conf"));
        command.arg("--pid").arg(path("pid"));
        command.arg("--vrrp_pid").arg(path("vrrp-pid"));
        command.stdin(Stdio::null()).stdout(log).stderr(copy);
        self.nodes
            .push(error::file("start keepalived", command.spawn())?);
        Ok(())
    }
}

impl Pair for KeepalivedPair {
    fn pids(&self) -> Result<Vec<i32>, Error> {
        self.network.machines[0].pids()
    }

    fn lose_second(&mut self) -> Result<(), Error> {
        self.network.machines[1].kill_all()
    }
}

impl Drop for KeepalivedPair {
    fn drop(&mut self) {
        for machine in &self.network.machines {
            if let Err(error) = machine.kill_all() {
                eprintln!("ending keepalived: {error}");
            }
        }
        for node in &mut self.nodes {
            let _ = node.wait();
        }
    }
}
