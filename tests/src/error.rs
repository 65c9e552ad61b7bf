//! What can go wrong while a suite sets its stage.

use std::fmt;
use std::time::Duration;

/// A failure of the stage or of a program on it, as one sentence that names the object.
#[derive(Debug, Clone)]
pub enum Error {
    /// A helper program could not be run or did not exit with 0.
    Command {
        /// The words of the command.
        command: String,
        /// What it said, or why it could not be run.
        said: String,
    },
    /// A condition did not hold in time.
    NotWithin {
        /// The condition, as a statement.
        condition: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// A file or directory could not be made or read.
    File {
        /// What was tried on which path.
        attempt: String,
        /// The system's reason.
        reason: String,
    },
    /// Something was found to be other than expected.
    Unexpected(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command { command, said } => write!(f, "{command}: {}", said.trim()),
            Self::NotWithin { condition, limit } => write!(f, "not within {limit:?}: {condition}"),
            Self::File { attempt, reason } => write!(f, "cannot {attempt}: {reason}"),
            Self::Unexpected(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

/// `Err` with a text: for what a suite itself finds wrong.
///
/// # Errors
/// Always.
pub fn unexpected<T>(what: impl Into<String>) -> Result<T, Error> {
    Err(Error::Unexpected(what.into()))
}

/// Names the attempt when a file operation fails.
pub fn file<T>(attempt: impl fmt::Display, result: std::io::Result<T>) -> Result<T, Error> {
    result.map_err(|reason| Error::File {
        attempt: attempt.to_string(),
        reason: reason.to_string(),
    })
}
