//! A node of such a pair: a real Heartbeat, or hbd.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hbd_tests::daemon::Daemon;
use hbd_tests::error::{Error, unexpected};
use hbd_tests::heartbeat::HeartbeatNode;
use hbd_tests::namespaces::Namespace;
use nix::sys::signal::Signal;
use shared::group::GroupState;

use super::company::{ADDRESSES, GROUPS, NAMES, Seat};
use crate::company::hactl;
use crate::peer::Kind;

/// How long an order to hbd counts: as one to a Heartbeat.
const ORDER: &str = "together";
/// A Heartbeat's line for what changes nothing of its configuration.
const COMMENT: &str = "# read again\n";

/// What a tour does with a node.
pub(crate) trait Node: Send {
    /// Starts it, for the first time or after it ended in whatever way.
    fn start(&mut self) -> Result<(), Error>;
    /// Ends it in good order.
    fn stop(&mut self, limit: Duration) -> Result<(), Error>;
    /// Its machine loses power.
    fn crash(&mut self) -> Result<(), Error>;
    /// The quick restart: another generation, and no service stops.
    fn restart(&mut self) -> Result<(), Error>;
    /// Stops everything of it until [`Self::thaw`].
    fn freeze(&self) -> Result<(), Error>;
    /// Lets it go on.
    fn thaw(&self) -> Result<(), Error>;
    /// `hb_standby`, or what is there of hbd.
    fn standby(&self, which: &str) -> Result<(), Error>;
    /// `hb_takeover`, or what is there of hbd.
    fn takeover(&self, which: &str) -> Result<(), Error>;
    /// What failed there may be tried again.
    fn clean_up(&self) -> Result<(), Error>;
    /// Another manager takes the place of that of an hbd.
    fn replace_manager(&self) -> Result<(), Error>;
    /// From now on the manager of an hbd reads nothing.
    fn deafen_manager(&self) -> Result<(), Error>;
    /// What `hactl` is given there.
    fn tell(&self, words: &[&str]) -> Result<(), Error>;
    /// What it says that each node holds, in the words of `cl_status rscstatus`; nothing for a node that it does not
    /// speak of. It says `transition` while something is under way.
    fn says(&self) -> Result<[Option<String>; 2], Error>;
    /// The status that it gives to a node, in the words of `cl_status nodestatus`.
    fn status(&self, node: &str) -> Result<String, Error>;
    /// Its `/var/log`.
    fn var_log(&self) -> Result<PathBuf, Error>;
    /// What it has logged so far.
    fn log(&self) -> Result<String, Error>;
}

/// Makes the node of that seat.
pub(crate) fn node(
    kind: Kind,
    seat: Seat,
    network: &Arc<Namespace>,
    config: &Path,
) -> Result<Box<dyn Node>, Error> {
    Ok(match kind {
        Kind::Heartbeat => Box::new(Real {
            node: HeartbeatNode::new(NAMES[seat], network, config)?,
            seat,
        }),
        Kind::Hbd => Box::new(Ours {
            daemon: Daemon::new(NAMES[seat], network, config)?,
            network: Arc::clone(network),
            seat,
        }),
    })
}

struct Real {
    node: HeartbeatNode,
    seat: Seat,
}

impl Real {
    fn order(&self, program: &str, which: &str) -> Result<(), Error> {
        let path = format!("/usr/share/heartbeat/{program}");
        self.node.ask(&[&path, which]).map(drop)
    }
}

impl Node for Real {
    fn start(&mut self) -> Result<(), Error> {
        self.node.start()
    }

    fn stop(&mut self, limit: Duration) -> Result<(), Error> {
        self.node.stop(limit)
    }

    fn crash(&mut self) -> Result<(), Error> {
        self.node.crash()
    }

    fn restart(&mut self) -> Result<(), Error> {
        let add = format!("printf '{COMMENT}' >>/etc/ha.d/ha.cf");
        self.node.ask(&["sh", "-c", &add])?;
        self.node
            .ask(&["/usr/libexec/heartbeat/heartbeat", "-r"])
            .map(drop)
    }

    fn freeze(&self) -> Result<(), Error> {
        self.node.pause()
    }

    fn thaw(&self) -> Result<(), Error> {
        self.node.resume()
    }

    fn standby(&self, which: &str) -> Result<(), Error> {
        self.order("hb_standby", which)
    }

    fn takeover(&self, which: &str) -> Result<(), Error> {
        self.order("hb_takeover", which)
    }

    /// It remembers no failure.
    fn clean_up(&self) -> Result<(), Error> {
        Ok(())
    }

    fn replace_manager(&self) -> Result<(), Error> {
        unexpected(String::from("a Heartbeat has no manager"))
    }

    fn deafen_manager(&self) -> Result<(), Error> {
        self.replace_manager()
    }

    fn tell(&self, words: &[&str]) -> Result<(), Error> {
        unexpected(format!("hactl {} to a Heartbeat", words.join(" ")))
    }

    fn says(&self) -> Result<[Option<String>; 2], Error> {
        let mut says = [None, None];
        says[self.seat] = Some(self.node.ask(&["cl_status", "rscstatus"])?);
        Ok(says)
    }

    fn status(&self, node: &str) -> Result<String, Error> {
        self.node.ask(&["cl_status", "nodestatus", node])
    }

    fn var_log(&self) -> Result<PathBuf, Error> {
        self.node.directory("log")
    }

    fn log(&self) -> Result<String, Error> {
        self.node.log()
    }
}

struct Ours {
    daemon: Daemon,
    network: Arc<Namespace>,
    seat: Seat,
}

impl Node for Ours {
    fn start(&mut self) -> Result<(), Error> {
        self.daemon.start()
    }

    fn stop(&mut self, limit: Duration) -> Result<(), Error> {
        self.daemon.terminate(limit)
    }

    /// What it held is gone with the machine.
    fn crash(&mut self) -> Result<(), Error> {
        self.daemon.crash()?;
        self.network.ip(&["addr", "flush", "dev", "eth0"])?;
        let own = format!("{}/24", ADDRESSES[self.seat]);
        let add = ["addr", "add", &own, "brd", "+", "dev", "eth0"];
        self.network.ip(&add).map(drop)
    }

    fn restart(&mut self) -> Result<(), Error> {
        self.daemon.kill_core().map(drop)
    }

    fn freeze(&self) -> Result<(), Error> {
        self.daemon.pause()
    }

    fn thaw(&self) -> Result<(), Error> {
        self.daemon.resume()
    }

    fn standby(&self, which: &str) -> Result<(), Error> {
        self.tell(&["standby", which, "--for", ORDER, "--yes"])
    }

    fn takeover(&self, which: &str) -> Result<(), Error> {
        self.tell(&["takeover", which, "--for", ORDER, "--yes"])
    }

    fn clean_up(&self) -> Result<(), Error> {
        self.tell(&[&["cleanup"], &GROUPS[..]].concat())
    }

    fn replace_manager(&self) -> Result<(), Error> {
        self.daemon.kill_manager().map(drop)
    }

    fn deafen_manager(&self) -> Result<(), Error> {
        self.daemon.signal("manager", Signal::SIGSTOP).map(drop)
    }

    fn tell(&self, words: &[&str]) -> Result<(), Error> {
        let output = hactl(&self.daemon, words)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        unexpected(format!("hactl {}: {said}", words.join(" ")))
    }

    fn says(&self) -> Result<[Option<String>; 2], Error> {
        let view = self.daemon.view()?;
        let word = |seat: Seat| {
            let states = GROUPS.map(|group| {
                let mut groups = view.groups.iter();
                let view = groups.find(|(name, _)| name.as_str() == group);
                let on = view.and_then(|(_, view)| {
                    let mut nodes = view.nodes.iter();
                    nodes.find(|(node, _)| node.as_str() == NAMES[seat])
                });
                on.map_or(GroupState::Stopped, |(_, on)| on.state)
            });
            let under_way = states
                .iter()
                .any(|state| !matches!(state, GroupState::Started | GroupState::Stopped));
            let held = |group: Seat| states[group] == GroupState::Started;
            let word = match (held(seat), held(1 - seat)) {
                _ if under_way => "transition",
                (true, true) => "all",
                (true, false) => "local",
                (false, true) => "foreign",
                (false, false) => "none",
            };
            Some(word.to_owned())
        };
        Ok([word(0), word(1)])
    }

    fn status(&self, node: &str) -> Result<String, Error> {
        let status = self.daemon.status_of(node)?;
        Ok(status.map_or_else(String::new, |status| status.to_string()))
    }

    fn var_log(&self) -> Result<PathBuf, Error> {
        Ok(self.daemon.state().with_file_name("var-log"))
    }

    fn log(&self) -> Result<String, Error> {
        let log = self.var_log()?.join("ha-log");
        Ok(fs::read_to_string(log).unwrap_or_default() + &self.daemon.log())
    }
}
