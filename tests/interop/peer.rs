//! The node that is observed: a real Heartbeat when `allowed.txt` is made, else hbd.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hbd_tests::daemon::Daemon;
use hbd_tests::error::Error;
use hbd_tests::heartbeat::HeartbeatNode;
use hbd_tests::namespaces::Namespace;
use shared::event::{Kind as EventKind, NodeStatus, StatusReason};

use crate::scenario::{OBSERVER, PEER};

/// What the peer is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Heartbeat,
    Hbd,
}

impl Kind {
    pub(crate) fn peer(
        self,
        network: &Arc<Namespace>,
        config: &Path,
    ) -> Result<Box<dyn Peer>, Error> {
        Ok(match self {
            Self::Heartbeat => Box::new(HeartbeatNode::new(PEER, network, config)?),
            Self::Hbd => Box::new(Daemon::new(PEER, network, config)?),
        })
    }
}

/// What a scenario does with the peer.
pub(crate) trait Peer: Send + Sync {
    /// Starts it, for the first time or after it ended in whatever way.
    fn start(&mut self) -> Result<(), Error>;
    /// Ends it in good order.
    fn stop(&mut self, limit: Duration) -> Result<(), Error>;
    /// Ends all of it at once; its disk stays.
    fn crash(&mut self) -> Result<(), Error>;
    /// Kills its protocol process; it comes back.
    fn kill_core(&mut self) -> Result<(), Error>;
    /// Stops everything of it until [`Self::thaw`].
    fn freeze(&self) -> Result<(), Error>;
    /// Lets it go on.
    fn thaw(&self) -> Result<(), Error>;
    /// A real one does not know that it stood still, and restarts itself after a partition.
    fn is_heartbeat(&self) -> bool;
    /// Waits until it gives the observer that status.
    fn wait_sees(&self, status: &str, limit: Duration) -> Result<(), Error>;
    /// How many times it has seen the observer die, goodbyes apart where it tells them apart.
    fn deaths_seen(&self) -> Result<usize, Error>;
    /// What it has logged, for a failure's report.
    fn log(&self) -> String;
}

impl Peer for HeartbeatNode {
    fn start(&mut self) -> Result<(), Error> {
        HeartbeatNode::start(self)
    }

    fn stop(&mut self, limit: Duration) -> Result<(), Error> {
        HeartbeatNode::stop(self, limit)
    }

    fn crash(&mut self) -> Result<(), Error> {
        HeartbeatNode::crash(self)
    }

    /// Without its protocol process nothing of Heartbeat stays up, so the machine starts it again.
    fn kill_core(&mut self) -> Result<(), Error> {
        HeartbeatNode::crash(self)?;
        HeartbeatNode::start(self)
    }

    fn freeze(&self) -> Result<(), Error> {
        self.pause()
    }

    fn thaw(&self) -> Result<(), Error> {
        self.resume()
    }

    fn is_heartbeat(&self) -> bool {
        true
    }

    fn wait_sees(&self, status: &str, limit: Duration) -> Result<(), Error> {
        self.wait_status(OBSERVER, status, limit)
    }

    fn deaths_seen(&self) -> Result<usize, Error> {
        Ok(HeartbeatNode::log(self)?
            .matches(&format!("node {OBSERVER}: is dead"))
            .count())
    }

    fn log(&self) -> String {
        HeartbeatNode::log(self).unwrap_or_default()
    }
}

impl Peer for Daemon {
    fn start(&mut self) -> Result<(), Error> {
        Daemon::start(self)
    }

    fn stop(&mut self, limit: Duration) -> Result<(), Error> {
        self.terminate(limit)
    }

    fn crash(&mut self) -> Result<(), Error> {
        Daemon::crash(self)
    }

    fn kill_core(&mut self) -> Result<(), Error> {
        Daemon::kill_core(self).map(drop)
    }

    fn freeze(&self) -> Result<(), Error> {
        self.pause()
    }

    fn thaw(&self) -> Result<(), Error> {
        self.resume()
    }

    fn is_heartbeat(&self) -> bool {
        false
    }

    fn wait_sees(&self, status: &str, limit: Duration) -> Result<(), Error> {
        let status = match status {
            "active" => NodeStatus::Active,
            "dead" => NodeStatus::Dead,
            other => return Err(Error::Unexpected(format!("{other} is no status"))),
        };
        self.wait_status(OBSERVER, status, limit)
    }

    fn deaths_seen(&self) -> Result<usize, Error> {
        let events = self.events()?;
        let deaths = events.iter().filter(|event| {
            matches!(&event.kind, EventKind::NodeStatus { node, to: NodeStatus::Dead, reason, .. }
                if node.as_str() == OBSERVER && *reason != StatusReason::Left)
        });
        Ok(deaths.count())
    }

    fn log(&self) -> String {
        Daemon::log(self)
    }
}
