//! What is done about resources.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fencing::Fencing;
use super::health::HealthCheck;
use crate::group::GroupName;
use crate::names::NodeName;

/// Silence after which the manager is replaced: it answers every second.
pub const MANAGER_TIME: Duration = Duration::from_secs(3);

/// Longest time that an action can be given.
pub(in crate::config) const LIMIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// Shortest lease of an address in seconds: a manager that hangs is found, and its successor
/// refreshes what is held.
pub(in crate::config) const LEASE_SECONDS_MIN: u32 = 5;
/// Longest lease of an address in seconds.
pub(in crate::config) const LEASE_SECONDS_MAX: u32 = 24 * 3600;

/// What is done about resources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Who decides.
    pub manager: ManagerKind,
    /// The program that does and its arguments; empty unless that is a [program](ManagerKind::Program).
    pub program: Vec<String>,
    /// The groups of `haresources`, in its order; no name twice.
    pub groups: Vec<Group>,
    /// Whether groups return to their preferred node.
    pub failback: AutoFailback,
    /// What the line says, without its first word, that wants `ipfail`: the manager compares how many
    /// ping nodes each node reaches.
    pub ipfail: Option<String>,
    /// What is done at start where the other node is never heard.
    pub startup: StartupRule,
    /// Whether a dead node is succeeded though nothing made sure that it is off.
    pub unfenced_takeover: bool,
    /// What is done about a group that does not stop.
    pub stop_failure: StopFailureRule,
    /// After this time the kernel takes a service address away that nobody refreshes. Whole
    /// seconds.
    pub address_lease: Duration,
    /// Silence after which the manager is replaced.
    pub manager_time: Duration,
    /// How it is made sure that a node is off.
    pub fencing: Fencing,
    /// How long actions may take.
    pub action_limits: ActionLimits,
    /// What else says how nodes and groups are.
    pub health: Vec<HealthCheck>,
    /// What scripts are told besides, by name; they see `HA_` before it.
    pub environment: BTreeMap<String, String>,
}

impl Resources {
    /// Whether a node that dies is succeeded only when a device or an operator says that it is off. A
    /// program that decides does not know `unfenced_takeover`.
    #[must_use]
    pub fn succeed_only_who_is_off(&self, own: &NodeName, nodes: &[NodeName]) -> bool {
        let waits = self.manager == ManagerKind::TwoNode && !self.unfenced_takeover;
        waits || self.fencing.is_against_all_but(own, nodes)
    }
}

/// Who decides what runs where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManagerKind {
    /// Nobody: there are no resources.
    None,
    /// The manager of two nodes.
    TwoNode,
    /// A program of somebody else (hbd-manager(7)).
    Program,
}

impl ManagerKind {
    /// The word of the directive; of a program its line has the path.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::TwoNode => "two_node",
            Self::Program => "program",
        }
    }
}

/// Whether groups return to their preferred node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutoFailback {
    /// They do, when it comes back.
    On,
    /// They stay where they are.
    Off,
    /// The node that comes back asks for them. Between two nodes of hbd the same as [`Self::On`].
    Legacy,
}

impl AutoFailback {
    /// The word of the directive.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Legacy => "legacy",
        }
    }

    /// Whether a node of hbd gives groups back.
    #[must_use]
    pub fn returns(self) -> bool {
        self != Self::Off
    }
}

/// What is done at start where the other node is never heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartupRule {
    /// Everything is started after `initdead`.
    Alone,
    /// Nothing is started before the other node was heard.
    WaitForPeer,
}

impl StartupRule {
    /// The word of the directive.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::WaitForPeer => "wait_for_peer",
        }
    }
}

/// What is done about a group that does not stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopFailureRule {
    /// It stays blocked until somebody repairs it.
    Block,
    /// The other node fences the one that holds it.
    Fence,
    /// The node that holds it fences itself.
    SelfFence,
}

impl StopFailureRule {
    /// The word of the directive.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Fence => "fence",
            Self::SelfFence => "self-fence",
        }
    }
}

/// How long actions may take. A look at a started resource has its own limit, [`Monitor::timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionLimits {
    /// Until a resource runs.
    pub start: Duration,
    /// Until it does not.
    pub stop: Duration,
    /// Until it has said whether it runs.
    pub status: Duration,
}

/// Longer than systemd waits for a unit (90 s), and than OCF agents advise.
impl Default for ActionLimits {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(100),
            stop: Duration::from_secs(100),
            status: Duration::from_secs(20),
        }
    }
}

/// A line of `haresources`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name: the word of its first resource.
    pub name: GroupName,
    /// The node that should hold it.
    pub node: NodeName,
    /// Started in this order, stopped in reverse; not empty.
    pub resources: Vec<Resource>,
    /// How it is watched while it is started, if it is.
    pub monitor: Option<Monitor>,
}

/// How a started group is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    /// Time from the end of one look to the next.
    pub interval: Duration,
    /// How long a look at one resource may take.
    pub timeout: Duration,
    /// After so many looks in a row that found something broken the group is started anew; at
    /// least 1.
    pub failures: u32,
    /// After so many starts anew it goes to the other node.
    pub restarts: u32,
}

/// A resource of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// As `haresources` spells it.
    pub word: String,
    /// The script or built-in agent.
    pub agent: String,
    /// Its arguments before the action.
    pub arguments: Vec<String>,
}

/// The agent of a resource that is written as an address only.
const ADDRESS_AGENT: &str = "IPaddr";

impl Resource {
    /// What a word of `haresources` means; whether it means anything is checked elsewhere.
    #[must_use]
    pub fn new(word: &str) -> Self {
        let mut parts = word.split("::");
        let agent = if begins_like_address(word) {
            ADDRESS_AGENT
        } else {
            parts.next().unwrap_or_default()
        };
        Self {
            word: word.to_owned(),
            agent: agent.to_owned(),
            arguments: parts.map(str::to_owned).collect(),
        }
    }
}

/// Digits, dot, digits, dot, digits, dot, and a digit.
fn begins_like_address(text: &str) -> bool {
    let mut parts = text.splitn(4, '.');
    let numbers = parts
        .by_ref()
        .take(3)
        .filter(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
        .count();
    numbers == 3
        && parts
            .next()
            .is_some_and(|part| part.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check;
    use crate::config::source::{FileName, Files};

    #[test]
    fn a_word_is_an_agent_with_arguments_or_an_address() {
        let parts = |word| {
            let Resource {
                word: kept,
                agent,
                arguments,
            } = Resource::new(word);
            assert_eq!(kept, word);
            [vec![agent], arguments].concat()
        };
        assert_eq!(
            parts("Filesystem::/dev/a::/b"),
            ["Filesystem", "/dev/a", "/b"]
        );
        assert_eq!(parts("10.0.0.1/24/eth0"), ["IPaddr", "10.0.0.1/24/eth0"]);
        assert_eq!(parts("10.0.0.sh::x"), ["10.0.0.sh", "x"]);
        assert_eq!(parts("ocf:heartbeat:Dummy"), ["ocf:heartbeat:Dummy"]);
    }

    #[test]
    fn who_dies_is_succeeded_when_it_is_off_where_that_is_configured() {
        for (hbd_cf, only_who_is_off) in [
            ("", false),
            ("unfenced_takeover no\n", true),
            ("fence alice manual\nfence bob manual\n", true),
        ] {
            let files = Files::default()
                .with(FileName::HaCf, "node alice bob\nbcast eth0\n")
                .with(FileName::Authkeys, "auth 1\n1 sha1 secret\n")
                .with(FileName::Haresources, "alice web\n")
                .with(FileName::HbdCf, hbd_cf);
            let config = check::text(&files).config.expect("a configuration");
            let own = NodeName::new("alice").unwrap();
            let resources = &config.resources;
            let is = resources.succeed_only_who_is_off(&own, &config.nodes);
            assert_eq!(is, only_who_is_off, "{hbd_cf}");
        }
    }
}
