//! Keeps events that a peer or a stranger can bring about at will from flooding anybody.
//!
//! The first of a sort is reported at once; further ones within [`PAUSE`] are counted, and the
//! next report says how many there were.

use alloc::collections::BTreeMap;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shared::time::Moment;

/// The shortest time between two events of the same sort about the same object.
pub(crate) const PAUSE: Duration = Duration::from_secs(60);

/// How many sorts are told apart. Beyond it a stranger's are counted together.
const SORTS_MAX: usize = 256;

#[derive(Debug, Serialize, Deserialize)]
struct Sort {
    reported: Moment,
    unreported: u64,
}

/// Remembers when which sort of event was last reported.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "Key: Ord + Deserialize<'de>"))]
pub(crate) struct Limiter<Key> {
    sorts: BTreeMap<Key, Sort>,
}

impl<Key: Ord + Clone> Limiter<Key> {
    pub(crate) fn new() -> Self {
        Self {
            sorts: BTreeMap::new(),
        }
    }

    /// Counts one. `Some(n)`: report it, and n went unreported since the last report.
    pub(crate) fn admit(&mut self, key: Key, now: Moment) -> Option<u64> {
        if self.sorts.len() >= SORTS_MAX && !self.sorts.contains_key(&key) {
            self.sorts
                .retain(|_, sort| now.since(sort.reported) < PAUSE || sort.unreported > 0);
            if self.sorts.len() >= SORTS_MAX {
                return None;
            }
        }
        match self.sorts.get_mut(&key) {
            None => {
                let sort = Sort {
                    reported: now,
                    unreported: 0,
                };
                self.sorts.insert(key, sort);
                Some(0)
            }
            Some(sort) if now.since(sort.reported) >= PAUSE => {
                sort.reported = now;
                Some(core::mem::take(&mut sort.unreported))
            }
            Some(sort) => {
                sort.unreported += 1;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_reported_and_the_rest_are_counted() {
        let mut limiter = Limiter::new();
        assert_eq!(limiter.admit("bob", Moment(0)), Some(0));
        assert_eq!(limiter.admit("bob", Moment(1)), None);
        assert_eq!(limiter.admit("bob", Moment(2)), None);
        assert_eq!(limiter.admit("carol", Moment(2)), Some(0));
        assert_eq!(limiter.admit("bob", Moment(0) + PAUSE), Some(2));
    }

    #[test]
    fn a_flood_of_sorts_is_bounded() {
        let mut limiter = Limiter::new();
        let admitted = (0..10 * SORTS_MAX)
            .filter(|n| limiter.admit(*n, Moment(0)).is_some())
            .count();
        assert_eq!(admitted, SORTS_MAX);
        assert!(limiter.sorts.len() <= SORTS_MAX);
    }
}
