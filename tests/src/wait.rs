//! Waiting for a condition, the only way in which a suite lets time pass.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;

/// Pause between two looks at a condition.
const POLL: Duration = Duration::from_millis(25);

/// Asks `look` until it gives a value, at most for `limit`; the last look is after the limit, so a slow machine
/// gets a full chance. `condition` says what is waited for, as a statement.
///
/// # Errors
/// [`Error::NotWithin`] when the limit is over; any error of `look` at once.
pub fn until<T>(
    limit: Duration,
    condition: &str,
    mut look: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let end = Instant::now() + limit;
    loop {
        let last = Instant::now() >= end;
        if let Some(value) = look()? {
            return Ok(value);
        }
        if last {
            return Err(Error::NotWithin {
                condition: condition.to_owned(),
                limit,
            });
        }
        thread::sleep(POLL);
    }
}

/// As [`until`], for a condition that has no value.
///
/// # Errors
/// As [`until`].
pub fn until_true(
    limit: Duration,
    condition: &str,
    mut look: impl FnMut() -> Result<bool, Error>,
) -> Result<(), Error> {
    until(limit, condition, || Ok(look()?.then_some(())))
}

/// Demands that `look` stays true for the whole of `span`.
///
/// # Errors
/// [`Error::Unexpected`] as soon as it is false; any error of `look` at once.
pub fn stays_true(
    span: Duration,
    condition: &str,
    look: impl FnMut() -> Result<bool, Error>,
) -> Result<(), Error> {
    stays_true_each(POLL, span, condition, look)
}

/// As [`stays_true`], with so much time between two looks: for spans so long, or looks so dear, that looking would
/// disturb what is looked at.
///
/// # Errors
/// As [`stays_true`].
pub fn stays_true_each(
    pause: Duration,
    span: Duration,
    condition: &str,
    mut look: impl FnMut() -> Result<bool, Error>,
) -> Result<(), Error> {
    let begin = Instant::now();
    loop {
        if !look()? {
            return Err(Error::Unexpected(format!(
                "no longer true after {:?}: {condition}",
                begin.elapsed()
            )));
        }
        let left = span.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(pause.min(left));
    }
}
