//! How it is made sure that a node is off.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::keys::Secret;
use crate::names::NodeName;

/// Where fence agents lie that are called by their name.
pub const FENCE_AGENTS: &str = "/usr/sbin";
/// What drives the devices that `stonith` and `stonith_host` name.
pub const STONITH_PROGRAM: &str = "/usr/sbin/stonith";

/// How long a call of a device may take. Agents wait for a machine to go off, and controllers of
/// machines are slow.
pub(in crate::config) const FENCE_CALL_LIMIT: Duration = Duration::from_secs(60);
/// Longest time that a call of a device can be given.
pub(in crate::config) const FENCE_CALL_LIMIT_MAX: Duration = Duration::from_secs(3600);
/// Longest time that a node waits before it fences another one.
pub(in crate::config) const FENCE_DELAY_MAX: Duration = Duration::from_secs(3600);

/// How it is made sure that a node is off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fencing {
    /// In the order in which they are tried.
    pub devices: Vec<FenceDevice>,
    /// How long others wait before they fence a node; not at all, where it is not in here.
    pub delays: BTreeMap<NodeName, Duration>,
    /// A node that was never heard is fenced too.
    pub startup: bool,
    /// How long a call of a device may take.
    pub call_limit: Duration,
}

impl Fencing {
    /// What switches this node off.
    pub fn against(&self, node: &NodeName) -> impl Iterator<Item = &FenceMethod> {
        let devices = self.devices.iter();
        let fit = devices.filter(move |device| device.node.as_ref().is_none_or(|n| n == node));
        fit.map(|device| &device.method)
    }

    /// Whether there is something against every node but this one.
    #[must_use]
    pub fn is_against_all_but(&self, own: &NodeName, nodes: &[NodeName]) -> bool {
        let mut others = nodes.iter().filter(|node| *node != own);
        others.all(|node| self.against(node).next().is_some())
    }
}

/// What switches a node off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceDevice {
    /// The node; absent: any.
    pub node: Option<NodeName>,
    /// How.
    pub method: FenceMethod,
}

/// How a node is switched off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FenceMethod {
    /// By a program that obeys the Fence Agent API.
    Agent {
        /// The program.
        program: PathBuf,
        /// What it is told besides what it is to do, in the order of the line.
        settings: Vec<(String, Secret)>,
    },
    /// By the program `stonith` of Heartbeat's time.
    Stonith {
        /// The type of the device.
        kind: String,
        /// What the device is told.
        parameters: StonithParameters,
    },
    /// By nobody but an operator.
    Manual,
}

/// What a device of the program `stonith` is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StonithParameters {
    /// What is in a file.
    File(PathBuf),
    /// These words.
    Words(Secret),
}

impl FenceMethod {
    /// What events call it: the name of the program, `stonith` and the type, or `manual`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Agent { program, .. } => program
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            Self::Stonith { kind, .. } => format!("stonith {kind}"),
            Self::Manual => "manual".to_owned(),
        }
    }

    /// The program that is run.
    #[must_use]
    pub fn program(&self) -> Option<PathBuf> {
        match self {
            Self::Agent { program, .. } => Some(program.clone()),
            Self::Stonith { .. } => Some(STONITH_PROGRAM.into()),
            Self::Manual => None,
        }
    }
}

/// Settings of fence agents that tell where and how, and nothing that opens a door.
const OPEN_SETTINGS: [&str; 16] = [
    "delay",
    "ip",
    "ipaddr",
    "ipport",
    "lanplus",
    "method",
    "plug",
    "port",
    "power_timeout",
    "power_wait",
    "shell_timeout",
    "ssh",
    "ssl",
    "ssl_insecure",
    "systems_uri",
    "verbose",
];

/// Whether the value of this setting of a fence agent may be shown.
#[must_use]
pub fn is_open_setting(key: &str) -> bool {
    OPEN_SETTINGS.contains(&key)
}
