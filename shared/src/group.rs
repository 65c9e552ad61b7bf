//! Groups of resources: their names, and the words for what becomes of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::{NameError, NodeName};

/// The name of a group: its first resource, as `haresources` spells it.
///
/// 1 to 255 bytes, no blank and no control character.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(std::sync::Arc<str>);

/// Longest name of a group in bytes.
pub const GROUP_NAME_MAX: usize = 255;

impl GroupName {
    /// Checks `text`.
    pub fn new(text: &str) -> Result<Self, NameError> {
        crate::names::check(text, GROUP_NAME_MAX, &[])?;
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

crate::names::text_type!(GroupName);

/// A group as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfiguredGroup {
    /// Its name.
    pub name: GroupName,
    /// The node that should hold it.
    pub node: NodeName,
    /// Started in this order, stopped in reverse; as `haresources` spells them.
    pub resources: Vec<String>,
}

/// What a group is on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupState {
    /// None of its resources runs here, and none is started.
    Stopped,
    /// Its resources are started, one after the other.
    Starting,
    /// All its resources run here.
    Started,
    /// Its resources are stopped, in reverse.
    Stopping,
    /// A former manager held it; what runs is found out.
    Checking,
    /// A resource did not stop: it may run here, and nobody else may start the group.
    Blocked,
}

impl GroupState {
    /// All, in the order in which a group passes through them.
    pub const ALL: [Self; 6] = [
        Self::Stopped,
        Self::Starting,
        Self::Started,
        Self::Stopping,
        Self::Checking,
        Self::Blocked,
    ];

    /// Its word, as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Started => "started",
            Self::Stopping => "stopping",
            Self::Checking => "checking",
            Self::Blocked => "blocked",
        }
    }

    /// True while a resource of the group may run: nobody else may start the group.
    #[must_use]
    pub fn is_held(self) -> bool {
        self != Self::Stopped
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// How willing a node is to hold a group. Ordered: later is more willing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Willingness {
    /// It will not start it.
    Unable,
    /// Only if no other node is more willing: it failed here before, an operator moved it away, or the
    /// other node reaches more ping nodes.
    Reluctant,
    /// It will.
    Able,
}

impl Willingness {
    /// Its word, as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unable => "unable",
            Self::Reluctant => "reluctant",
            Self::Able => "able",
        }
    }
}

impl fmt::Display for Willingness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Make it run; success where it runs.
    Start,
    /// Make it not run; success where it does not.
    Stop,
    /// Does it run?
    Status,
    /// Does it work, looked at closely?
    Monitor,
    /// Tell the network again where it is.
    Announce,
}

impl Operation {
    /// Its word, as an agent is given it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Status => "status",
            Self::Monitor => "monitor",
            Self::Announce => "announce",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// How an action ended. Each action ends, within its time limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It did what it should; for a question: the resource runs.
    Done,
    /// For a question: the resource does not run.
    NotRunning,
    /// It did not, or nobody knows.
    Failed {
        /// What went wrong: a sentence without its end, with the last line that was said.
        why: String,
    },
    /// Nothing was done at all: there is no agent that could.
    NotBegun {
        /// What is missing.
        why: String,
    },
}

impl Outcome {
    /// What went wrong, if something did.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Done | Self::NotRunning => None,
            Self::Failed { why } | Self::NotBegun { why } => Some(why),
        }
    }
}

/// Why a group's state changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupReason {
    /// The last action on its resources ended.
    Done,
    /// The cluster starts, and this node is its preferred one or alone.
    StartUp,
    /// The node that held it, or might have, is dead.
    PeerDead {
        /// The other node.
        node: NodeName,
    },
    /// The node that held it does not any more, and this one is the more willing.
    PeerFree {
        /// The other node.
        node: NodeName,
    },
    /// It goes to the other node, which is the more willing.
    PeerMoreWilling {
        /// The other node.
        node: NodeName,
    },
    /// It goes to the other node, which reaches more ping nodes.
    PeerBetterConnected {
        /// The other node.
        node: NodeName,
        /// How many this node reaches.
        here: u32,
        /// How many the other one does.
        there: u32,
        /// Those that do not answer this node, as far as it knows them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        silent: Vec<NodeName>,
    },
    /// It goes back to its preferred node.
    Failback {
        /// The other node.
        node: NodeName,
    },
    /// Both nodes held it, and the other one keeps it.
    Contested {
        /// The other node.
        node: NodeName,
    },
    /// The other node does not hear this one, counts it as dead, and holds it.
    DeclaredDead {
        /// The other node.
        node: NodeName,
    },
    /// A resource did not start.
    StartFailed,
    /// A resource did not stop.
    StopFailed,
    /// An action was interrupted when the manager was replaced: what it did is not known.
    Interrupted,
    /// Something that ended without stopping it had started it, or it is started otherwise now.
    LeftBehind,
    /// A resource does not run although the group was started.
    NotRunning,
    /// A resource does not work; the group is started anew on the same node.
    Restart,
    /// A resource does not work, and starting it anew did not help.
    RestartsExhausted,
    /// This node leaves the cluster.
    Leaving,
    /// This node cannot do what a member must.
    Sick,
    /// An operator asked to try again.
    Cleanup,
    /// Its node says so.
    Announced {
        /// What went wrong there and led to this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<String>,
        /// Its reason, in words that are right on any node.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<String>,
    },
    /// The program that is the manager decided so.
    Decided {
        /// Why, in its words.
        why: String,
    },
}

impl GroupReason {
    /// The reason of something that `node` did, in words that are right on any node. None where it
    /// tells nothing that the state does not.
    #[must_use]
    pub fn told_by(&self, node: &NodeName) -> Option<String> {
        match self {
            Self::Done | Self::Announced { .. } => None,
            Self::Leaving => Some(format!("{node} leaves the cluster")),
            Self::Sick => Some(format!("{node} is sick")),
            Self::PeerBetterConnected {
                node: other,
                here,
                there,
                silent,
            } => Some(better_connected(
                (other, *there),
                (node.as_str(), *here),
                silent,
            )),
            Self::DeclaredDead { node: other } => Some(format!(
                "{other} does not hear {node}, counts it as dead, and holds it"
            )),
            reason => Some(reason.to_string()),
        }
    }

    /// True where an action on a resource failed before.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            Self::StartFailed
                | Self::StopFailed
                | Self::NotRunning
                | Self::Restart
                | Self::RestartsExhausted
        )
    }
}

/// So many ping nodes are named that do not answer; of more the number is told.
const SILENT_NAMED: usize = 2;

fn better_connected(
    (node, there): (&NodeName, u32),
    (this, here): (&str, u32),
    silent: &[NodeName],
) -> String {
    let nodes = if there == 1 { "node" } else { "nodes" };
    let counts = format!("{node} reaches {there} ping {nodes}, {this} {here}");
    let named = silent.iter().take(SILENT_NAMED).map(NodeName::as_str);
    let named: Vec<&str> = named.collect();
    let (named, rest) = (named.join(", "), silent.len().saturating_sub(SILENT_NAMED));
    match (silent.len(), rest) {
        (0, _) => counts,
        (1, _) => format!("{counts} ({named} does not answer)"),
        (_, 0) => format!("{counts} ({named} do not answer)"),
        _ => format!("{counts} ({named} and {rest} more do not answer)"),
    }
}

impl fmt::Display for GroupReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::StartUp => f.write_str("the cluster starts"),
            Self::PeerDead { node } => write!(f, "{node} is dead"),
            Self::PeerFree { node } => write!(f, "{node} does not hold it"),
            Self::PeerMoreWilling { node } => write!(f, "it goes to {node}"),
            Self::PeerBetterConnected {
                node,
                here,
                there,
                silent,
            } => f.write_str(&better_connected(
                (node, *there),
                ("this node", *here),
                silent,
            )),
            Self::Failback { node } => write!(f, "it goes back to {node}, its preferred node"),
            Self::Contested { node } => write!(f, "both nodes held it, and {node} keeps it"),
            Self::DeclaredDead { node } => write!(
                f,
                "{node} does not hear this node, counts it as dead, and holds it"
            ),
            Self::StartFailed => f.write_str("a resource did not start"),
            Self::StopFailed => f.write_str("a resource did not stop"),
            Self::Interrupted => f.write_str("the manager was replaced meanwhile"),
            Self::LeftBehind => f.write_str("it was left behind"),
            Self::NotRunning => f.write_str("a resource of it does not run"),
            Self::Restart => f.write_str("a resource does not work; it is started anew"),
            Self::RestartsExhausted => {
                f.write_str("a resource does not work, and starting it anew did not help")
            }
            Self::Leaving => f.write_str("this node leaves the cluster"),
            Self::Sick => f.write_str("this node is sick"),
            Self::Cleanup => f.write_str("an operator asked to try again"),
            Self::Announced { failure, because } => match failure.as_ref().or(because.as_ref()) {
                Some(said) => write!(f, "it says: {said}"),
                None => f.write_str("it says so"),
            },
            Self::Decided { why } => f.write_str(why),
        }
    }
}

/// What holds a takeover back although the other node is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// It was never heard since this node started, and `startup wait_for_peer` is set.
    NeverHeard,
    /// It is alive and not authenticated, for a bounded time.
    Unauthenticated,
    /// It may hold something, nobody can fence it, and `unfenced_takeover no` is set.
    Unfenced,
    /// It may hold something, and the device that switches it off has not confirmed that it is off.
    Fencing,
    /// It was never heard since this node started, and `startup_fence no` is set.
    StartupFence,
    /// It may hold something, and only an operator can confirm that it is off.
    Manual,
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeverHeard => "it was not heard since this node started (startup wait_for_peer)",
            Self::Unauthenticated => "it may live: packets that do not verify claim to be its",
            Self::Unfenced => {
                "it may still hold them, and nothing confirmed that it is off (unfenced_takeover no)"
            }
            Self::Fencing => "it is fenced first, and no device has confirmed yet that it is off",
            Self::StartupFence => {
                "it was not heard since this node started, and such a node is not fenced \
                 (startup_fence no)"
            }
            Self::Manual => "it may still hold them, and only an operator can confirm that it is off",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_better_connected_node_is_told_with_the_ping_nodes_that_do_not_answer() {
        let name = |text: &str| NodeName::new(text).unwrap();
        let told = |silent: &[&str]| {
            let reason = GroupReason::PeerBetterConnected {
                node: name("bob"),
                here: 1,
                there: 4,
                silent: silent.iter().map(|text| name(text)).collect(),
            };
            reason.told_by(&name("alice")).unwrap()
        };
        let counts = "bob reaches 4 ping nodes, alice 1";
        assert_eq!(told(&[]), counts);
        for (silent, words) in [
            (&["a"][..], "a does not answer"),
            (&["a", "b"][..], "a, b do not answer"),
            (&["a", "b", "c"][..], "a, b and 1 more do not answer"),
        ] {
            assert_eq!(told(silent), format!("{counts} ({words})"));
        }
    }
}
