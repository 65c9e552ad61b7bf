//! What an operator wants of the groups, in the words of the API.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::group::GroupName;
use crate::names::NodeName;

/// Longest reason in bytes.
pub const REASON_MAX: usize = 200;

/// An order about groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupOrder {
    /// What.
    pub verb: GroupVerb,
    /// Why, in the operator's words: at most [`REASON_MAX`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// What can be wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupVerb {
    /// These groups are to be on that node, for so long; afterwards it is as if nothing had been
    /// said.
    Move {
        /// Which.
        groups: Choice,
        /// Where; else on the node that is not the one which is asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<NodeName>,
        /// For ever, if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lasts: Option<Duration>,
        /// Only until a node dies or leaves.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        together: bool,
    },
    /// Nobody wants these groups anywhere: as if what was said of them had ended.
    Unmove {
        /// Which.
        groups: Choice,
    },
    /// Forget what failed with these groups, and try again.
    Cleanup {
        /// Which.
        groups: Choice,
    },
    /// Start, stop and move nothing, for so long.
    Freeze {
        /// For ever, if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lasts: Option<Duration>,
        /// Look at nothing either: somebody works on the services.
        #[serde(default)]
        maintenance: bool,
    },
    /// End a freeze.
    Unfreeze,
    /// Somebody made sure that the node, which is dead, is off.
    ConfirmFence {
        /// Which.
        node: NodeName,
    },
    /// Have its device switch the node off, dead or alive.
    Fence {
        /// Which.
        node: NodeName,
    },
}

/// Some of the groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// These.
    Named(Vec<GroupName>),
    /// All.
    All,
    /// Those that prefer the node which is asked.
    Local,
    /// The others.
    Foreign,
}

/// What an order does to one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which.
    pub group: GroupName,
    /// Where it is.
    pub from: Option<NodeName>,
    /// Where it goes, or stays.
    pub to: Option<NodeName>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = &self.group;
        match (&self.from, &self.to) {
            (None, None) => write!(f, "group {group} stays stopped"),
            (Some(from), None) => write!(f, "group {group} will be stopped on {from}"),
            (None, Some(to)) => write!(f, "group {group} will be started on {to}"),
            (Some(from), Some(to)) if from == to => write!(f, "group {group} stays on {to}"),
            (Some(from), Some(to)) => write!(f, "group {group} will move from {from} to {to}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_order_does_is_a_sentence() {
        let node = |text| Some(NodeName::new(text).unwrap());
        let change = |from, to| {
            let group = GroupName::new("web").unwrap();
            Change { group, from, to }.to_string()
        };
        assert_eq!(change(None, None), "group web stays stopped");
        assert_eq!(change(node("a"), node("a")), "group web stays on a");
        assert_eq!(
            change(node("a"), node("b")),
            "group web will move from a to b"
        );
        assert_eq!(change(None, node("b")), "group web will be started on b");
        assert_eq!(change(node("a"), None), "group web will be stopped on a");
    }

    #[test]
    fn an_order_is_short_json() {
        let order = GroupOrder {
            verb: GroupVerb::Move {
                groups: Choice::Local,
                to: None,
                lasts: None,
                together: false,
            },
            reason: None,
            dry_run: false,
        };
        let text = serde_json::to_string(&order).unwrap();
        assert_eq!(
            text,
            r#"{"verb":{"move":{"groups":"local"}},"dry_run":false}"#
        );
    }
}
