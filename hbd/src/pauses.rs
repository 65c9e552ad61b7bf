//! Pauses before a process that dies again and again is started again.

use std::time::Duration;

/// A process that lived for so long did not die at once. Far below any `deadtime` in use: what is
/// killed now and then must be back before a peer could take the node for dead.
const SETTLED: Duration = Duration::from_millis(500);
/// The first pause, which doubles.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Counts deaths that followed a start at once.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    deaths_at_once: u32,
}

impl Pauses {
    /// How long to wait after the death of one that lived so long. No pause after the first death;
    /// then from [`PAUSE_MIN`], doubling, up to [`PAUSE_MAX`].
    pub(crate) fn after(&mut self, lived: Duration) -> Duration {
        if lived < SETTLED {
            self.deaths_at_once = self.deaths_at_once.saturating_add(1);
        } else {
            self.deaths_at_once = 0;
        }
        match self.deaths_at_once.checked_sub(2) {
            None => Duration::ZERO,
            Some(doublings) => PAUSE_MIN
                .saturating_mul(2_u32.saturating_pow(doublings))
                .min(PAUSE_MAX),
        }
    }

    /// How many died at once in a row.
    pub(crate) fn count(&self) -> u32 {
        self.deaths_at_once
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dies_again_and_again_is_started_with_growing_pauses() {
        let mut pauses = Pauses::default();
        let mut next = || pauses.after(Duration::ZERO).as_millis();
        let first: Vec<_> = (0..9).map(|_| next()).collect();
        assert_eq!(first, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }

    #[test]
    fn what_lived_for_a_while_is_started_at_once() {
        let mut pauses = Pauses::default();
        for _ in 0..5 {
            pauses.after(Duration::ZERO);
        }
        assert_eq!(pauses.after(SETTLED), Duration::ZERO);
        assert_eq!(pauses.after(Duration::ZERO), Duration::ZERO);
    }
}
