//! Exit codes of every program, promised in the manual pages.
//!
//! `hbd` uses the same words: a start that is refused because of the configuration ends with 8,
//! any other failure with 1.

use std::process::{ExitCode, Termination};

use crate::api::{ErrorCode, Failure};
use crate::client::ClientError;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what it was asked.
    Done = 0,
    /// It tried and failed.
    Failed = 1,
    /// It was called wrongly.
    Usage = 2,
    /// The daemon cannot be reached.
    Unreachable = 3,
    /// What it was asked about does not exist.
    NotFound = 4,
    /// The caller may not do that.
    NotPermitted = 5,
    /// It waited, and what it waited for did not happen in time.
    TimedOut = 6,
    /// It was refused as things stand.
    Refused = 7,
    /// The configuration has errors.
    ConfigInvalid = 8,
}

/// What a monitoring system is told, by the exit codes of Nagios plugins. Their numbers mean other
/// things than those of [`Exit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    /// All is well.
    Ok = 0,
    /// Something is weaker than it should be.
    Warning = 1,
    /// Something failed.
    Critical = 2,
    /// Nobody can tell.
    Unknown = 3,
}

impl Health {
    /// Its word, as a plugin writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl From<Health> for Exit {
    /// The exit code with the same number.
    fn from(health: Health) -> Self {
        match health {
            Health::Ok => Self::Done,
            Health::Warning => Self::Failed,
            Health::Critical => Self::Usage,
            Health::Unknown => Self::Unreachable,
        }
    }
}

/// Whether a service runs, by the exit codes of init scripts (Linux Standard Base). Their numbers
/// mean other things than those of [`Exit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Service {
    /// It runs.
    Runs = 0,
    /// It does not.
    Stopped = 3,
}

impl From<Service> for Exit {
    /// The exit code with the same number.
    fn from(service: Service) -> Self {
        match service {
            Service::Runs => Self::Done,
            Service::Stopped => Self::Unreachable,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.into()
    }
}

impl From<&Failure> for Exit {
    fn from(failure: &Failure) -> Self {
        match failure.code {
            ErrorCode::BadRequest | ErrorCode::Unavailable => Self::Failed,
            ErrorCode::NotPermitted => Self::NotPermitted,
            ErrorCode::NotFound => Self::NotFound,
            ErrorCode::Refused => Self::Refused,
        }
    }
}

impl From<&ClientError> for Exit {
    fn from(error: &ClientError) -> Self {
        match error {
            ClientError::NoSocket { .. }
            | ClientError::Connect { .. }
            | ClientError::Closed { .. }
            | ClientError::Io { .. } => Self::Unreachable,
            ClientError::TimedOut { .. } => Self::TimedOut,
            ClientError::NoHbd { .. }
            | ClientError::Version { .. }
            | ClientError::Unreadable { .. }
            | ClientError::RequestTooLong { .. } => Self::Failed,
            ClientError::Refused { failure, .. } => failure.into(),
        }
    }
}
