//! Why a verb did not do what it was asked, and the exit code that says so.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use shared::client::ClientError;
use shared::event::Span;
use shared::exit::Exit;

/// A verb that failed.
#[derive(Debug)]
pub(crate) enum Error {
    /// The daemon did not answer as hoped.
    Client(ClientError),
    /// The daemon is older than the question.
    TooOld {
        /// Its version.
        version: String,
    },
    /// What was named does not exist.
    NotFound(String),
    /// The words do not make sense together, which the parser cannot know.
    Usage(String),
    /// What was waited for did not come about.
    NotReached {
        /// What.
        condition: String,
        /// In which time.
        limit: Duration,
        /// How it was instead, as far as that is known.
        missing: Option<String>,
    },
    /// What was ordered did not come about, and will not.
    NotDone(String),
    /// The daemon did not say what came of an order that was on its way to it.
    Undecided {
        /// Why.
        error: ClientError,
        /// What is not known.
        what: &'static str,
    },
    /// It would destroy something.
    Refused(String),
    /// A file cannot be written.
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A directory or file cannot be read.
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// hbd's reply is not one to this request.
    Unexpected(&'static str),
    /// Standard output cannot be written.
    Output(io::Error),
}

impl Error {
    /// For standard error; nothing where whoever read our output has had enough (`head(1)`).
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Client(error) => Some(client_text(error)),
            Self::NotFound(text) | Self::Usage(text) | Self::NotDone(text) => Some(text.clone()),
            Self::TooOld { version } => Some(format!(
                "hbd {version} is older than this hactl and does not know the question; restart hbd \
                 where it was upgraded"
            )),
            Self::NotReached {
                condition,
                limit,
                missing,
            } => {
                let missing = missing.iter().map(|missing| format!(": {missing}"));
                let missing = missing.collect::<String>();
                Some(format!("not {condition} within {}{missing}", Span(*limit)))
            }
            Self::Undecided { error, what } => Some(format!("{}; {what}", client_text(error))),
            Self::Refused(text) => Some(text.clone()),
            Self::Write { path, error } => {
                Some(format!("cannot write {}: {error}", path.display()))
            }
            Self::Read { path, error } => Some(format!("cannot read {}: {error}", path.display())),
            Self::Unexpected(request) => Some(format!(
                "hbd did not answer as hbd-api(7) says to {request}; is it of another version?"
            )),
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
            Self::Output(error) => Some(format!("cannot write to standard output: {error}")),
        }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Client(ClientError::Connect { error, .. })
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                Exit::NotPermitted
            }
            Self::Client(error) | Self::Undecided { error, .. } => error.into(),
            Self::NotFound(_) => Exit::NotFound,
            Self::Usage(_) => Exit::Usage,
            Self::NotReached { .. } => Exit::TimedOut,
            Self::Refused(_) => Exit::Refused,
            Self::NotDone(_)
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::TooOld { .. }
            | Self::Unexpected(_) => Exit::Failed,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Output(_) => Exit::Failed,
        }
    }
}

/// What failed, and what this user can do about it with the means of this program.
fn client_text(error: &ClientError) -> String {
    let ClientError::Connect {
        error: cause,
        socket,
    } = error
    else {
        return error.to_string();
    };
    let remedy = match cause.kind() {
        io::ErrorKind::PermissionDenied => {
            let directory = socket.parent().unwrap_or(socket).display();
            format!(
                "you may not search the directory it is in: be root, or of a group that may, as \
                 `ls -ld {directory}` shows it; `adduser USER GROUP` puts you into one"
            )
        }
        _ => "start hbd, or name the socket of the one you mean: --socket PATH or HBD_SOCKET"
            .to_owned(),
    };
    format!("{error}\n  {remedy}")
}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
