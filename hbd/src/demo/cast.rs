//! The nodes, and the files that each of them runs with.
//!
//! ```text
//! /tmp/hbd-demo-3f9a2c/alice/ha.d/   ha.cf, hbd.cf, authkeys, haresources
//!                            lib/    state of hbd
//!                            run/    control socket
//!                            log     what hbd prints
//! ```

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::names::NodeName;

use super::ground::Ground;

/// Time between two beats.
pub(super) const KEEPALIVE: Duration = Duration::from_millis(200);
/// A beat is late after so long.
pub(super) const WARNTIME: Duration = Duration::from_millis(600);
/// Silence that makes a node dead. Shorter ones are possible; a busy laptop may not keep them.
pub(super) const DEADTIME: Duration = Duration::from_millis(1000);

const GROUP: &str = "239.192.77.1";
/// Whatever goes wrong in a demo, the machine it runs on stays as it is.
const HBD_CF: &str = "# A node that ought to fence itself does nothing.\nselffence /bin/sh -c :\n";

/// Frames need no IP address, and a network of their own to be sent over.
const FRAMES: &str = "ether eth1\n";
/// A beat every [`KEEPALIVE`] takes less than half of such a line.
const BAUD: u32 = 115_200;

/// A node of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Node {
    Alice,
    Bob,
    Carol,
}

/// All that there can be.
pub(super) const NODES: [Node; 3] = [Node::Alice, Node::Bob, Node::Carol];

/// Who plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cast {
    /// Two nodes that hold a service, and a client.
    Pair,
    /// Three nodes that hold nothing.
    Three,
}

impl Cast {
    /// The one with so many nodes, 2 or 3.
    pub(super) fn of(nodes: u8) -> Self {
        if nodes == 2 { Self::Pair } else { Self::Three }
    }

    /// Its nodes.
    pub(super) fn nodes(self) -> &'static [Node] {
        match self {
            Self::Pair => &NODES[..2],
            Self::Three => &NODES,
        }
    }
}

impl Node {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Carol => "carol",
        }
    }

    /// The one of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        NODES.into_iter().find(|node| node.name() == name)
    }

    /// Whether an event or a view means this node.
    pub(super) fn is(self, name: &NodeName) -> bool {
        name.as_str() == self.name()
    }

    /// The other two of three.
    pub(super) fn others(self) -> [Self; 2] {
        match self {
            Self::Alice => [Self::Bob, Self::Carol],
            Self::Bob => [Self::Alice, Self::Carol],
            Self::Carol => [Self::Alice, Self::Bob],
        }
    }
}

/// The files of one node.
pub(super) struct Files {
    home: PathBuf,
}

impl Files {
    /// Those of `node` in the directory of the demo.
    pub(super) fn of(directory: &Path, node: Node) -> Self {
        Self {
            home: directory.join(node.name()),
        }
    }

    /// For `--config`.
    pub(super) fn config(&self) -> PathBuf {
        self.home.join("ha.d")
    }

    /// For `--state`.
    pub(super) fn state(&self) -> PathBuf {
        self.home.join("lib")
    }

    /// For `--run`.
    pub(super) fn run(&self) -> PathBuf {
        self.home.join("run")
    }

    /// The control socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.run().join("hbd.sock")
    }

    /// What hbd prints.
    pub(super) fn log(&self) -> PathBuf {
        self.home.join("log")
    }

    /// Writes everything hbd needs.
    pub(super) fn write(
        &self,
        cast: Cast,
        ground: Ground,
        serial: Option<&str>,
        key: &str,
    ) -> io::Result<()> {
        for directory in [self.config(), self.state(), self.run()] {
            fs::create_dir_all(directory)?;
        }
        fs::write(self.config().join("ha.cf"), ha_cf(cast, ground, serial))?;
        let frames = match (cast, ground) {
            (Cast::Pair, Ground::Namespaces) => FRAMES,
            _ => "",
        };
        fs::write(self.config().join("hbd.cf"), format!("{HBD_CF}{frames}"))?;
        fs::write(self.config().join("haresources"), haresources(cast, ground))?;
        self.write_key(key)
    }

    /// Empties what a machine that boots has empty.
    pub(super) fn reset_run(&self) -> io::Result<()> {
        fs::remove_dir_all(self.run())?;
        fs::create_dir(self.run())
    }

    /// Writes `authkeys`, which only its owner may read.
    pub(super) fn write_key(&self, key: &str) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.config().join("authkeys"))?;
        write!(file, "auth 1\n1 sha1 {key}\n")
    }
}

fn ha_cf(cast: Cast, ground: Ground, serial: Option<&str>) -> String {
    let ports = ground.ports();
    let [first, second] = ground.devices();
    let names: Vec<_> = cast.nodes().iter().map(|node| node.name()).collect();
    let failback = match cast {
        Cast::Pair => {
            "# What was taken over stays where it is until somebody moves it.\nauto_failback off\n"
        }
        Cast::Three => "",
    };
    let serial = match serial {
        Some(port) => format!(
            "# A null modem cable; the port may be another one on each node.\n\
             baud {BAUD}\n\
             serial {port}\n"
        ),
        None => String::new(),
    };
    format!(
        "# Written by hbd demo. All nodes have the same.\n\
         keepalive {}ms\n\
         warntime {}ms\n\
         deadtime {}ms\n\
         # Real nodes ask for realtime scheduling; a demo leaves the machine to its owner.\n\
         realtime off\n\
         {failback}\
         udpport {}\n\
         bcast {first}\n\
         mcast {second} {GROUP} {} 1 1\n\
         {serial}\
         node {}\n",
        KEEPALIVE.as_millis(),
        WARNTIME.as_millis(),
        DEADTIME.as_millis(),
        ports.bcast,
        ports.mcast,
        names.join(" "),
    )
}

fn haresources(cast: Cast, ground: Ground) -> String {
    match cast {
        Cast::Pair => format!(
            "{} {} Http::{}\n",
            Node::Alice.name(),
            ground.group(),
            ground.service()
        ),
        Cast::Three => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_such_that_hbd_takes_them() {
        assert!(DEADTIME > 2 * KEEPALIVE);
        assert!(WARNTIME < DEADTIME);
    }

    #[test]
    fn each_node_is_found_by_its_name() {
        for node in NODES {
            assert_eq!(Node::named(node.name()), Some(node));
        }
        assert_eq!(Node::named("dave"), None);
    }
}
