//! Some nodes on some switches.
//!
//! Every node has interface `ethK` on switch K, with addresses 10.9.K.N/24 and fd09:K::N/64 and the link-local
//! fe80::N, the same on all its interfaces; N counts nodes from 1, K switches from 0.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hbd_tests::daemon::{Daemon, HARMLESS};
use hbd_tests::error::{Error, unexpected};
use hbd_tests::namespaces::{Cable, Namespace, Switch};
use hbd_tests::program;
use hbd_tests::scratch::{self, Scratch};
use hbd_tests::wait;
use shared::event::{Event, LinkStatus, MediumStatus, NodeStatus};
use shared::view::{ClusterView, LinkView};

/// `deadtime` of every node.
pub(crate) const DEADTIME: Duration = Duration::from_secs(2);
/// Long enough for anything that the times below let happen, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(15);
const TIMES: &str = "keepalive 200ms\nwarntime 1\ndeadtime 2\ninitdead 5\n";
const KEY: &str = "auth 1\n1 sha1 net-key\n";

/// The names of the nodes, as many as a test wants.
pub(crate) const NODES: [&str; 8] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi",
];

/// Nodes with hbd installed, not started. Fields are dropped in this order: daemons before their networks.
pub(crate) struct Cluster {
    pub(crate) daemons: Vec<Daemon>,
    pub(crate) machines: Vec<Arc<Namespace>>,
    pub(crate) switches: Vec<Switch>,
    /// By switch, then by node.
    pub(crate) cables: Vec<Vec<Cable>>,
    config: Scratch,
}

impl Cluster {
    /// `media` gives the lines of `ha.cf` that name the media of a node, by its number from 1.
    pub(crate) fn new(
        nodes: usize,
        switches: usize,
        media: impl Fn(usize) -> String,
    ) -> Result<Self, Error> {
        let mut cluster = Self {
            daemons: Vec::new(),
            machines: (0..nodes)
                .map(|_| Namespace::new().map(Arc::new))
                .collect::<Result<_, _>>()?,
            switches: (0..switches)
                .map(|_| Switch::new())
                .collect::<Result<_, _>>()?,
            cables: Vec::new(),
            config: Scratch::new()?,
        };
        for switch in 0..switches {
            let cables = (0..nodes)
                .map(|node| cluster.plug(node, switch))
                .collect::<Result<_, _>>()?;
            cluster.cables.push(cables);
        }
        let names = &NODES[..nodes];
        for (node, name) in names.iter().enumerate() {
            let directory = cluster.config.directory(name)?;
            scratch::write(&directory.join("ha.cf"), &ha_cf(&media(node + 1), names))?;
            scratch::write(&directory.join("hbd.cf"), HARMLESS)?;
            scratch::write_secret(&directory.join("authkeys"), KEY)?;
            cluster
                .daemons
                .push(Daemon::new(name, &cluster.machines[node], &directory)?);
        }
        Ok(cluster)
    }

    /// As [`Self::new`], all started, and all see each other.
    pub(crate) fn running(
        nodes: usize,
        switches: usize,
        media: impl Fn(usize) -> String,
    ) -> Result<Self, Error> {
        let mut cluster = Self::new(nodes, switches, media)?;
        cluster.start()?;
        cluster.wait_agreed()?;
        Ok(cluster)
    }

    /// Gives a node its interface on a switch.
    pub(crate) fn plug(&self, node: usize, switch: usize) -> Result<Cable, Error> {
        let (n, k) = (node + 1, switch);
        let interface = format!("eth{k}");
        let v4 = format!("10.9.{k}.{n}/24");
        let v6 = format!("fd09:{k}::{n}/64");
        let local = format!("fe80::{n}/64");
        self.switches[switch].plug(&self.machines[node], &interface, &[&v4, &v6, &local])
    }

    /// Has other media from its next start or reload on.
    pub(crate) fn configure(&self, node: usize, media: &str) -> Result<(), Error> {
        let names = &NODES[..self.daemons.len()];
        let path = self.config.path().join(NODES[node]).join("ha.cf");
        scratch::write(&path, &ha_cf(media, names))
    }

    /// Signs with another key from its next start on.
    pub(crate) fn rekey(&self, node: usize, authkeys: &str) -> Result<(), Error> {
        scratch::write_secret(
            &self.config.path().join(NODES[node]).join("authkeys"),
            authkeys,
        )
    }

    /// Starts every daemon.
    pub(crate) fn start(&mut self) -> Result<(), Error> {
        self.daemons.iter_mut().try_for_each(Daemon::start)
    }

    /// Waits until every daemon holds every node for a member.
    pub(crate) fn wait_agreed(&self) -> Result<(), Error> {
        for daemon in &self.daemons {
            for node in &NODES[..self.daemons.len()] {
                daemon.wait_status(node, NodeStatus::Active, SOON)?;
            }
        }
        Ok(())
    }

    /// What a node believes.
    pub(crate) fn view(&self, node: usize) -> Result<ClusterView, Error> {
        self.daemons[node].view()
    }

    /// Waits until something holds of what a node believes.
    pub(crate) fn wait_view(
        &self,
        node: usize,
        condition: &str,
        holds: impl Fn(&ClusterView) -> bool,
    ) -> Result<(), Error> {
        let condition = format!("{}: {condition}", NODES[node]);
        let waited = wait::until_true(SOON, &condition, || Ok(holds(&self.view(node)?)));
        waited.or_else(|error| unexpected(format!("{error}\n{}", self.daemons[node].log())))
    }

    /// What `hactl status` prints on a node.
    pub(crate) fn hactl_status(&self, node: usize) -> Result<String, Error> {
        self.hactl(node, &["status"])
    }

    /// What `hactl` prints on a node.
    pub(crate) fn hactl(&self, node: usize, words: &[&str]) -> Result<String, Error> {
        let hactl = program::of_workspace("hactl")?;
        let socket = self.daemons[node].socket();
        program::run(
            &hactl.to_string_lossy(),
            &[&["--socket", &socket.to_string_lossy()], words].concat(),
        )
    }

    /// The events of a node for which `pick` gives something, oldest first.
    pub(crate) fn events<T>(
        &self,
        node: usize,
        pick: impl Fn(&Event) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        Ok(self.daemons[node]
            .events()?
            .iter()
            .filter_map(pick)
            .collect())
    }
}

fn ha_cf(media: &str, names: &[&str]) -> String {
    format!(
        "{TIMES}auto_failback legacy\n{media}node {}\n",
        names.join(" ")
    )
}

/// A link in a view.
pub(crate) fn link<'a>(view: &'a ClusterView, peer: &str, medium: &str) -> Option<&'a LinkView> {
    let (_, node) = view.nodes.iter().find(|(name, _)| name.as_str() == peer)?;
    node.links
        .iter()
        .find(|(name, _)| name.as_str() == medium)
        .map(|(_, link)| link)
}

/// Whether packets of the peer arrive over the medium.
pub(crate) fn link_is(view: &ClusterView, peer: &str, medium: &str, status: LinkStatus) -> bool {
    link(view, peer, medium).is_some_and(|link| link.status == status)
}

/// The state of a medium in a view.
pub(crate) fn medium<'a>(view: &'a ClusterView, name: &str) -> Option<&'a MediumStatus> {
    let (_, medium) = view
        .media
        .iter()
        .find(|(medium, _)| medium.as_str() == name)?;
    medium.status.as_ref()
}

/// For what a test finds otherwise than promised.
pub(crate) fn demand(holds: bool, statement: &str) -> Result<(), Error> {
    if holds {
        Ok(())
    } else {
        unexpected(format!("not so: {statement}"))
    }
}

/// What the medium of a serial port is called.
pub(crate) fn medium_of(port: &Path) -> String {
    let name = port.display().to_string();
    name.trim_start_matches('/').to_owned()
}
