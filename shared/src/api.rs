//! The frames of the control socket: one JSON object a line, in both directions.
//!
//! ```text
//! server  {"hbd":{"api":[1,1],"version":"0.1.0","node":"alice","role":"admin"}}
//! client  {"id":1,"request":"snapshot"}
//! server  {"id":1,"ok":{"snapshot":{...}}}
//! client  {"id":2,"request":{"subscribe":{"recent":10}}}
//! server  {"id":2,"ok":{"snapshot":{...}}}
//! server  {"event":{...}}
//! server  {"sample":{...}}
//! ```
//!
//! One request has one reply; what happens afterwards is a stream. After a gap (the reader was too
//! slow for an instant) the stream holds a snapshot again. Fields and requests are only ever
//! added. A frame that is longer than [`FRAME_MAX`] ends the connection.

use serde::{Deserialize, Serialize};

use crate::config::Running;
use crate::config::diff::Change;
use crate::event::{Event, Role};
use crate::group::ConfiguredGroup;
use crate::names::{ClientName, Generation, MediumName, NodeName};
use crate::order::{self, GroupOrder, GroupVerb};
use crate::probe::{Answer, Probe};
use crate::query::EventQuery;
use crate::sample::Sample;
use crate::session::{Class, Ending, Payload};
use crate::view::ClusterView;

/// Oldest version of this interface that is spoken.
pub const API_OLDEST: u32 = 1;
/// Newest version of this interface that is spoken.
pub const API_NEWEST: u32 = 1;
/// Longest request in bytes, its newline included.
pub const REQUEST_MAX: usize = 64 * 1024;
/// Longest request in bytes of a client that may send messages: the longest message in base64, and
/// what else a line holds.
pub const LONG_REQUEST_MAX: usize = 1536 * 1024;

/// Longest key of an order in bytes: keys are remembered.
pub const KEY_BYTES_MAX: usize = 128;
/// Longest frame of a server in bytes, its newline included.
pub const FRAME_MAX: usize = 16 * 1024 * 1024;

/// What a client may do. Ordered: a later role includes the earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientRole {
    /// Nothing but read the greeting.
    None,
    /// Read.
    Observe,
    /// Give everyday orders.
    Operate,
    /// Everything.
    Admin,
}

/// The first frame of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Oldest and newest version of the interface.
    pub api: (u32, u32),
    /// Version of hbd.
    pub version: String,
    /// The node.
    pub node: NodeName,
    /// What this client may do.
    pub role: ClientRole,
}

/// What a client asks or orders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// View and counters, once.
    Snapshot,
    /// What hbd runs with, without anything secret.
    Config,
    /// Events of the journal, oldest first, a page at a time.
    Events(Box<EventQuery>),
    /// A snapshot, then every event and sample.
    Subscribe {
        /// So many of the last events come before the snapshot.
        recent: usize,
    },
    /// Keep what the core's flight recorder holds in a file.
    Record,
    /// Send a message to a client of another node. The reply comes when that client has acknowledged
    /// it, or when it is certain that this will not happen.
    Send(Box<SendMessage>),
    /// Be handed the messages for this name, and told when sessions begin and end.
    Listen {
        /// The name, which nobody else listens under.
        name: ClientName,
    },
    /// This message was taken, and those before it from the same sender.
    Acknowledge {
        /// The message's.
        delivery: u64,
    },
    /// Ask a node what it sees at its end of a path. Questions that touch nothing need the role observe.
    Probe(Box<Probe>),
    /// Something about groups: carried out by the manager, or told what it would do.
    Order(Box<GroupOrder>),
    /// Put faults on a medium, or take them off; refused unless hbd runs under `--allow-faults`.
    Fault(Fault),
    /// Read the configuration anew, and take it over if it has no error.
    Reload(Reload),
    /// Replace every process that is another build than the program file hbd was started by. The
    /// connection ends when the supervisor does.
    Upgrade(Upgrade),
}

impl Request {
    /// The least role that may ask this.
    #[must_use]
    pub fn needs(&self) -> ClientRole {
        match self {
            Self::Snapshot | Self::Config | Self::Events(_) | Self::Subscribe { .. } => {
                ClientRole::Observe
            }
            Self::Probe(probe) if !probe.question.touches() => ClientRole::Observe,
            Self::Probe(_) => ClientRole::Operate,
            Self::Send(_) | Self::Listen { .. } | Self::Acknowledge { .. } => ClientRole::Operate,
            Self::Order(order) => match order.verb {
                // It lets a node take over without anybody having asked the other.
                GroupVerb::ConfirmFence { .. } | GroupVerb::Fence { .. } => ClientRole::Admin,
                _ => ClientRole::Operate,
            },
            Self::Record | Self::Fault(_) | Self::Reload(_) | Self::Upgrade(_) => ClientRole::Admin,
        }
    }
}

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SendMessage {
    /// To which node.
    pub node: NodeName,
    /// To whom there.
    pub to: ClientName,
    /// The sender's name; else one that tells its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ClientName>,
    /// How urgent; else control where it is short enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// The message, at most 1 MiB.
    pub data: Payload,
}

/// A message that came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReceivedMessage {
    /// What to acknowledge.
    pub delivery: u64,
    /// From which node.
    pub node: NodeName,
    /// From whom there.
    pub from: ClientName,
    /// Which of this sender's messages it is, from 1.
    pub number: u64,
    /// The message.
    pub data: Payload,
}

/// A session with a listener began or is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionChange {
    /// The sender's node.
    pub node: NodeName,
    /// The sender there.
    pub from: ClientName,
    /// Why it is over; nothing where it began.
    pub ended: Option<Ending>,
    /// What happened, for people.
    pub text: String,
}

/// What a fault medium does to packets. All zero: nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// The medium.
    pub medium: MediumName,
    /// Drop everything that comes in.
    #[serde(default)]
    pub cut_in: bool,
    /// Drop everything that goes out.
    #[serde(default)]
    pub cut_out: bool,
    /// Drop so many of 100 packets in either direction.
    #[serde(default)]
    pub loss_percent: u8,
}

/// How to reload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// Only say what would change.
    #[serde(default)]
    pub dry_run: bool,
    /// Also where hbd would refuse because it endangers the cluster. Errors are refused all the same.
    #[serde(default)]
    pub force: bool,
}

/// What became of a reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// How it ended.
    pub outcome: ReloadOutcome,
    /// What is different in the files, line by line.
    pub changes: Vec<Change>,
    /// Why it was refused, or would be; empty otherwise.
    pub reasons: Vec<String>,
    /// What to know or to do besides.
    pub notes: Vec<String>,
    /// Every error and warning of the check, as `hactl check` shows them; empty if there is none.
    pub diagnostics: String,
}

/// How a reload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReloadOutcome {
    /// The files say what runs.
    Unchanged,
    /// The new configuration runs, or begins to.
    Applied,
    /// It would be applied; this was a dry run.
    WouldApply,
    /// It has no error and would endanger the cluster. Nothing is changed.
    Refused,
    /// It has errors. Nothing is changed.
    Invalid,
}

/// How to upgrade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrade {
    /// Only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// What becomes of an upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgraded {
    /// How it goes on.
    pub outcome: UpgradeOutcome,
    /// The program file hbd was started by.
    pub program: String,
    /// The build in that file: version and a hash.
    pub build: String,
    /// The processes that run, the supervisor first.
    pub processes: Vec<Process>,
    /// Why it is refused; empty otherwise.
    pub reason: String,
}

/// How an upgrade goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpgradeOutcome {
    /// Every process is that build: nothing needs to be done.
    Unchanged,
    /// It would be done; this was a dry run.
    WouldUpgrade,
    /// It begins: the supervisor becomes the new program, which replaces the manager, then the core.
    Upgrading,
    /// The program in the file does not accept the configuration, or does not run. Nothing is changed.
    Refused,
}

/// A process of hbd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Which.
    pub role: Role,
    /// Its process id.
    pub pid: u32,
    /// The generation it was started under.
    pub generation: Generation,
    /// The build it is.
    pub build: String,
}

/// A frame of a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientFrame {
    /// Comes back in the reply.
    pub id: u64,
    /// What is asked.
    pub request: Request,
    /// For orders: the same key within ten minutes is the same order and is carried out once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// View and counters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was taken.
    pub at: crate::time::Now,
    /// The view.
    pub view: ClusterView,
    /// The counters of the last second; nothing before the core's first.
    pub sample: Option<Sample>,
    /// The directory of the configuration files; nothing where hbd is older than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// The groups that the configuration names, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<ConfiguredGroup>,
    /// A node that dies is succeeded only when a device or an operator says that it is off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fenced: bool,
}

/// What a request brought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Success {
    /// Of `snapshot` and `subscribe`.
    Snapshot(Box<Snapshot>),
    /// Of `config`.
    Config(Box<Running>),
    /// Of `events`.
    Events(Vec<Event>),
    /// Of `record`: the record is in this file of the daemon's machine.
    Recorded {
        /// Its path.
        file: String,
    },
    /// Of an order: it was carried out.
    Done,
    /// Of `order`: what it does to each group.
    Ordered(Vec<order::Change>),
    /// Of `reload`.
    Reloaded(Box<Reloaded>),
    /// Of `upgrade`.
    Upgraded(Box<Upgraded>),
    /// Of `probe`.
    Probed(Box<Answer>),
    /// Of `send`: the receiving client acknowledged the message.
    Delivered,
}

/// Why a request brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The line is no request of this interface.
    BadRequest,
    /// The client's role does not allow it.
    NotPermitted,
    /// It names something that does not exist.
    NotFound,
    /// The daemon does not do it as things stand, and has done nothing of it.
    Refused,
    /// The daemon cannot do it at the moment.
    Unavailable,
}

/// A request that brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For programs.
    pub code: ErrorCode,
    /// For people: what failed, on what, and what to do.
    pub text: String,
}

/// A frame of a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ServerFrame {
    /// The greeting.
    Hello {
        /// Who greets.
        hbd: Hello,
    },
    /// The reply to a request that brought something.
    Ok {
        /// The request's.
        id: u64,
        /// What it brought.
        ok: Success,
    },
    /// The reply to a request that brought nothing. A line that is no JSON object has id 0.
    Error {
        /// The request's.
        id: u64,
        /// Why.
        error: Failure,
    },
    /// Something happened.
    Event {
        /// What.
        event: Box<Event>,
    },
    /// The counters of a second.
    Sample {
        /// All of them.
        sample: Box<Sample>,
    },
    /// A message for this listener.
    Message {
        /// It.
        message: Box<ReceivedMessage>,
    },
    /// A session with this listener began or is over.
    Session {
        /// Which, and why.
        session: SessionChange,
    },
    /// The stream had a gap; this is the state after it.
    Snapshot {
        /// View and counters.
        snapshot: Box<Snapshot>,
    },
}
