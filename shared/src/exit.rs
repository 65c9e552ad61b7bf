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
