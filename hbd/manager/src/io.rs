//! What goes into a manager, and what comes out.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shared::event::Event;
use shared::group::{GroupName, Operation};
use shared::names::NodeName;
use shared::order::GroupVerb;
use shared::time::Moment;

use crate::declaration::{Declaration, Life};
use crate::heartbeat::Word;

/// What a manager of two nodes starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// This node.
    pub node: NodeName,
    /// The other one.
    pub peer: NodeName,
    /// The groups, in the order of `haresources`; no name twice.
    pub groups: Vec<Group>,
    /// Groups go back to their preferred node when it returns.
    pub failback: bool,
    /// Where the other node runs a Heartbeat, it is one of `auto_failback legacy`, which hands groups
    /// over one by one.
    pub legacy: bool,
    /// The ping nodes whose number is compared with that of the other node; none where nobody asked
    /// for that.
    pub ping_nodes: Vec<NodeName>,
    /// What is done where the other node was never heard.
    pub startup: Startup,
    /// Whether a node that may hold something is succeeded though nobody confirmed that it is off.
    pub unfenced_takeover: bool,
    /// How it is made sure that the other node is off.
    pub fencing: Fencing,
    /// The other node is fenced when a group does not stop there.
    pub fence_blocked: bool,
    /// For how long a doubt whether the other node lives counts that a replaced core had: by then
    /// the new one tells it too. Its `deadtime` is right.
    pub doubt: Duration,
    /// How often a failed stop is tried again.
    pub stop_retries: u32,
    /// How long a group whose start failed is not tried again on the same node. Grows with each
    /// failure in a row, up to [`RETRY_GROWTH_MAX`] times.
    pub retry_after: Duration,
    /// The life of this manager.
    pub life: Life,
    /// The number of the last event that a former manager of this generation told.
    pub events: u64,
}

/// How it is made sure that the other node is off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fencing {
    /// The devices that switch it off, as events call them, in the order in which they are tried;
    /// none if empty.
    pub devices: Vec<String>,
    /// An operator can confirm that it is off, and a takeover waits for that though there is no
    /// device.
    pub manual: bool,
    /// How long this node waits before it fences the other.
    pub delay: Duration,
    /// A node that was never heard is fenced too.
    pub startup: bool,
}

/// How many times as long as [`Settings::retry_after`] a group waits at most.
pub const RETRY_GROWTH_MAX: u32 = 20;

/// Most orders that wait to be read by the other node.
pub const ORDERS_MAX: usize = 32;

/// A group of resources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: GroupName,
    /// The node that should hold it.
    pub preferred: NodeName,
    /// Its resources in the order in which they are started, as `haresources` spells them.
    pub resources: Vec<String>,
    /// How it is watched while it is started, if it is.
    pub monitor: Option<Monitor>,
}

/// How a started group is watched: resource after resource, then a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    /// Time from the end of one look to the next.
    pub interval: Duration,
    /// After so many looks in a row that found something broken the group is started anew; at
    /// least 1.
    pub failures: u32,
    /// After so many starts anew it goes to the other node. Forgotten when it worked for as long as
    /// [`Settings::retry_after`] can grow.
    pub restarts: u32,
}

/// What is done at start where the other node is never heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Startup {
    /// Take everything after `initdead`.
    Alone,
    /// Take nothing before the other node was heard.
    WaitForPeer,
}

/// Names an action, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActionId {
    /// The manager's life.
    pub life: Life,
    /// Counts its actions.
    pub number: u64,
}

/// Something to be done to one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Its name.
    pub id: ActionId,
    /// The group.
    pub group: GroupName,
    /// Which of its resources, from 0.
    pub resource: usize,
    /// What.
    pub operation: Operation,
}

/// Something to be done with a device that switches the other node off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// Its name. What it did is told as the outcome of an action.
    pub id: ActionId,
    /// Which of [`Fencing::devices`], from 0.
    pub device: usize,
    /// What.
    pub operation: FenceOperation,
}

/// What a device is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FenceOperation {
    /// Switch the node off; done when the device says that it is off.
    Off,
    /// Say whether it works.
    Check,
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What.
    pub verb: GroupVerb,
    /// Who.
    pub who: String,
    /// Why, in their words.
    pub reason: Option<String>,
}

/// Why an order is not followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// There is no such group.
    NoGroup(GroupName),
    /// There is no such node.
    NoNode(NodeName),
    /// The node is not there.
    NotAlive(NodeName),
    /// The node lives: nothing is to be confirmed.
    Alive(NodeName),
    /// Nothing is there that could switch the node off.
    NoDevice(NodeName),
    /// Nothing is there that could, and an operator confirms that the node is off.
    ByOperator(NodeName),
    /// Nothing is moved while the cluster is frozen.
    Frozen,
    /// The manager has only just begun, and does not know yet who lives.
    TooEarly,
    /// The node has not read the last [`ORDERS_MAX`] orders that concern it.
    Unread(NodeName),
    /// The program that is the manager does not follow it.
    Declined {
        /// Why, in its words.
        why: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGroup(group) => write!(f, "haresources names no group {group}"),
            Self::NoNode(node) => write!(f, "{node} is no other node of the cluster"),
            Self::NotAlive(node) => write!(f, "{node} is not alive"),
            Self::Alive(node) => {
                write!(
                    f,
                    "{node} lives, so nobody can have made sure that it is off"
                )
            }
            Self::NoDevice(node) => write!(
                f,
                "no device is configured that could switch off {node}; see fence in hbd.cf"
            ),
            Self::ByOperator(node) => write!(
                f,
                "no device can switch {node} off: `fence {node} manual` leaves it to an operator, who \
                 confirms a dead node with `hactl fence confirm {node}`"
            ),
            Self::Frozen => f.write_str("the groups are frozen; unfreeze them first"),
            Self::TooEarly => f.write_str("the manager has only just begun; try again in a moment"),
            Self::Declined { why } => f.write_str(why),
            Self::Unread(node) => write!(
                f,
                "{node} has not read the last {ORDERS_MAX} orders; see what its manager does"
            ),
        }
    }
}

/// What a manager wants done or known.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Keep this for the manager that follows, before anything that comes after it is done.
    Keep(Kept),
    /// Do this, and tell the outcome.
    Act(Action),
    /// Have a device do this, and tell the outcome.
    Fence(Fence),
    /// Say this to the other node.
    Send(Declaration),
    /// Say this to the other node, which runs a Heartbeat.
    Speak(Word),
    /// Something happened.
    Event(Box<Event>),
    /// Nothing is held any more, and nothing will be: the node may leave.
    Released,
}

/// What the manager that follows has to know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// By group, those that were never touched left out.
    pub groups: BTreeMap<GroupName, KeptGroup>,
    /// The freeze that lasts.
    pub frozen: Option<Frozen>,
    /// Since when the other node is dead, if it is known to hold nothing since then.
    #[serde(default)]
    pub freed: Option<Moment>,
    /// All of hbd ended here since this was written.
    #[serde(default)]
    pub inherited: bool,
    /// What a manager that is a program of somebody else remembers, as it wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
}

/// Nothing is started, stopped or moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Until when; the end of time if for ever.
    pub until: Moment,
    /// Nothing is looked at either.
    pub maintenance: bool,
    /// Who ordered it.
    #[serde(default)]
    pub who: String,
    /// Why, in their words.
    #[serde(default)]
    pub reason: Option<String>,
    /// It was ordered before all of hbd ended here: the other node may know better.
    #[serde(default)]
    pub inherited: bool,
}

/// An operator wants the group somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Where.
    pub on: NodeName,
    /// Until when; the end of time if for ever.
    pub until: Moment,
    /// Only until a node dies or leaves.
    #[serde(default)]
    pub together: bool,
    /// Who ordered it.
    #[serde(default)]
    pub who: String,
    /// Why, in their words.
    #[serde(default)]
    pub reason: Option<String>,
    /// As in [`Frozen::inherited`].
    #[serde(default)]
    pub inherited: bool,
}

/// What is kept of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptGroup {
    /// A resource of it may run here.
    pub held: bool,
    /// All of them were started, and none was being stopped.
    pub started: bool,
    /// A resource did not stop.
    pub blocked: bool,
    /// As in [`Claim::epoch`](crate::Claim::epoch).
    pub epoch: u64,
    /// Starts that failed in a row.
    pub failures: u32,
    /// How often it was started anew because a resource did not work.
    pub restarts: u32,
    /// When it last was.
    pub restarted_at: Option<Moment>,
    /// When it may be tried again after such a failure.
    pub retry_at: Option<Moment>,
    /// Where an operator wants it.
    pub wanted: Option<Wanted>,
}
