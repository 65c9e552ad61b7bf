//! Health checks: what programs that others wrote, Mon monitors and Nagios plugins, find out about a
//! node or a group.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::NameError;
use crate::time::Wall;

/// The name of a health check, as its line gives it.
///
/// 1 to 64 bytes, no blank, no control character, no `/`, `:` and `,`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CheckName(std::sync::Arc<str>);

/// Longest name of a health check in bytes.
pub const CHECK_NAME_MAX: usize = 64;

impl CheckName {
    /// Checks `text`.
    pub fn new(text: &str) -> Result<Self, NameError> {
        crate::names::check(text, CHECK_NAME_MAX, &['/', ':', ','])?;
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

crate::names::text_type!(CheckName);

/// What a health check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthState {
    /// All is well.
    Ok,
    /// Not all, and nothing fails.
    Warning,
    /// It fails.
    Failed,
    /// The program could not find out.
    Unknown,
}

impl HealthState {
    /// Its word, as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for HealthState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What a run of a health check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it says.
    pub state: HealthState,
    /// The first line of its output.
    pub summary: String,
    /// The others.
    pub detail: String,
}

/// What the runs before found, as a Mon monitor is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The summary of the last one.
    pub summary: String,
    /// What else it wrote.
    pub detail: String,
    /// When the last one failed that did.
    pub last_failure: Option<Wall>,
    /// When the first one did of those that failed in a row.
    pub first_failure: Option<Wall>,
    /// When the last one ended well that did.
    pub last_success: Option<Wall>,
}
