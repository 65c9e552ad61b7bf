//! Which of two nodes reaches more ping nodes, when it is looked at for some time.
//!
//! Another result counts when it has lasted for [`DAMPING`] and no group is on its way from one state to another: a ping
//! node that misses an answer moves nothing.

use core::cmp::Ordering;
use core::time::Duration;

use shared::time::Moment;

/// How long a node reaches fewer before that counts, and how long not any more; as `ipfail` waits for
/// others to stop moving.
pub(crate) const DAMPING: Duration = Duration::from_secs(10);

/// One node against the other.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    /// Damped.
    counts: Ordering,
    /// What it is, if that is something else.
    is: Option<Ordering>,
    /// When that may count.
    due_at: Option<Moment>,
}

impl Comparison {
    /// They are equal.
    pub(crate) const fn new() -> Self {
        Self {
            counts: Ordering::Equal,
            is: None,
            due_at: None,
        }
    }

    /// There is nothing to compare.
    pub(crate) fn forget(&mut self) {
        *self = Self::new();
    }

    /// This is what it is; something else counts from here on only if all is `quiet`.
    pub(crate) fn compare(&mut self, is: Ordering, quiet: bool, now: Moment) {
        if is == self.counts.reverse() {
            // Nothing moves for it.
            self.counts = Ordering::Equal;
        }
        if is == self.counts {
            self.is = None;
            self.due_at = None;
        } else if self.is != Some(is) {
            self.is = Some(is);
            self.due_at = Some(now + DAMPING);
        } else if self.due_at.is_none() && quiet {
            self.counts = is;
            self.is = None;
        }
    }

    /// The moment has come after which something else may count.
    pub(crate) fn expire(&mut self, now: Moment) {
        self.due_at.take_if(|at| *at <= now);
    }

    /// When that is.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.due_at
    }

    /// What it is, if something else counts still.
    pub(crate) fn pending(&self) -> Option<Ordering> {
        self.is
    }

    /// What counts.
    pub(crate) fn counts(&self) -> Ordering {
        self.counts
    }
}
