//! A daemon that ends, dies or is upgraded comes back: connecting until it does.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use shared::client::{Client, ClientError};

use crate::cli::Call;
use crate::error::Error;

/// Time between two attempts.
pub(super) const RETRY: Duration = Duration::from_millis(500);

/// True where the same attempt may succeed later.
pub(super) fn passes(error: &ClientError) -> bool {
    let refused = std::io::ErrorKind::PermissionDenied;
    match error {
        ClientError::Connect { error, .. } => error.kind() != refused,
        ClientError::Io { .. } | ClientError::Closed { .. } | ClientError::TimedOut { .. } => true,
        _ => false,
    }
}

/// Tries until `attempt` succeeds with a connection. Nothing if meanwhile nobody reads our output.
pub(super) fn connect<T>(
    call: &Call,
    mut attempt: impl FnMut(Client) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    loop {
        match call.client().and_then(&mut attempt) {
            Ok(made) => return Ok(Some(made)),
            Err(Error::Client(error)) if passes(&error) => {}
            Err(error) => return Err(error),
        }
        if !pause()? {
            return Ok(None);
        }
    }
}

/// Waits for the next attempt. False if nobody reads our output any more.
fn pause() -> Result<bool, Error> {
    let stdout = std::io::stdout();
    let mut waited = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    let limit = PollTimeout::try_from(RETRY).unwrap_or(PollTimeout::MAX);
    match poll(&mut waited, limit) {
        Ok(0) | Err(Errno::EINTR) => Ok(true),
        Ok(_) => Ok(false),
        Err(error) => Err(Error::Output(error.into())),
    }
}
