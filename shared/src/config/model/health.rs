//! Programs of others that say how a node or a group is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::group::GroupName;
use crate::health::CheckName;

/// A `health` line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// Its name; no other has it.
    pub name: CheckName,
    /// What its program is.
    pub kind: HealthKind,
    /// The group that it is about, which is checked where it is started. Without one it is about the
    /// node.
    pub group: Option<GroupName>,
    /// Time from the end of one run to the next.
    pub interval: Duration,
    /// How long a run may take; shorter than the interval.
    pub timeout: Duration,
    /// So many failures in a row count; at least 1.
    pub failures: u32,
    /// The warning of a Nagios plugin is a failure.
    pub warning_fails: bool,
    /// The program, by its absolute path.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// What a program is called like, and what its exit status and output mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthKind {
    /// A monitor of Mon.
    Mon,
    /// A plugin of Nagios.
    Nagios,
}

impl HealthKind {
    /// The word of the directive.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Nagios => "nagios",
        }
    }
}
