//! One target, and what is done when it fails.

use std::io;
use std::time::Duration;

use shared::time::Moment;

use super::record::Record;

/// A target that failed is tried again after so long, with the last record that it did not get: what
/// can be opened may still take nothing.
pub(crate) const RETRY: Duration = Duration::from_secs(5);

/// Where records can be written.
pub(super) trait Target: Send {
    /// Its name in events: the path of a file, or what it is.
    fn name(&self) -> &str;
    /// Writes a record, waiting for an instant at most.
    fn write(&mut self, record: &Record) -> io::Result<()>;
}

/// How a target changed.
#[derive(Debug)]
pub(crate) enum News {
    /// It fails.
    Fails {
        /// Its name.
        target: String,
        /// Why.
        error: io::Error,
    },
    /// It works again.
    Works {
        /// Its name.
        target: String,
        /// How many lines it did not get.
        lost: u64,
    },
}

/// A target and its health.
pub(super) struct Outlet {
    target: Box<dyn Target>,
    failed: Option<Failed>,
}

struct Failed {
    /// When it was tried last.
    tried: Moment,
    lost: u64,
    /// The last of them.
    last: Record,
}

impl Outlet {
    /// A target that works until it fails.
    pub(super) fn new(target: Box<dyn Target>) -> Self {
        Self {
            target,
            failed: None,
        }
    }

    /// False from a failure to the next success.
    pub(super) fn works(&self) -> bool {
        self.failed.is_none()
    }

    /// Nobody writes there any more: it fails no longer.
    pub(super) fn given_up(self) -> Option<News> {
        let lost = self.failed?.lost;
        let target = self.target.name().to_owned();
        Some(News::Works { target, lost })
    }

    /// Writes a record, and says what that changed. One that fails is left alone for [`RETRY`], so
    /// that it holds nothing up.
    pub(super) fn write(&mut self, record: &Record, now: Moment) -> Option<News> {
        if let Some(failed) = &mut self.failed
            && now.since(failed.tried) < RETRY
        {
            failed.lost += 1;
            failed.last = record.clone();
            return None;
        }
        self.attempt(record, now)
    }

    /// When [`Outlet::retry`] is to be called.
    pub(super) fn due(&self) -> Option<Moment> {
        self.failed.as_ref().map(|failed| failed.tried + RETRY)
    }

    /// Tries one that failed, if it is time.
    pub(super) fn retry(&mut self, now: Moment) -> Option<News> {
        if self.due()? > now {
            return None;
        }
        let failed = self.failed.as_mut()?;
        // It is missing again if it cannot be written.
        failed.lost -= 1;
        let last = failed.last.clone();
        self.attempt(&last, now)
    }

    fn attempt(&mut self, record: &Record, now: Moment) -> Option<News> {
        let written = self.target.write(record);
        let target = self.target.name().to_owned();
        let before = self.failed.take();
        let Err(error) = written else {
            let lost = before?.lost;
            return Some(News::Works { target, lost });
        };
        let lost = before.as_ref().map_or(0, |failed| failed.lost) + 1;
        self.failed = Some(Failed {
            tried: now,
            lost,
            last: record.clone(),
        });
        before.is_none().then_some(News::Fails { target, error })
    }
}
