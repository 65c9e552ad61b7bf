//! Time in which the supervisor did not come round: it was stopped, starved, or waited for a process
//! that the kernel did not let go. Beats go on without it; who asks it waits.

use std::time::Duration;

use shared::event::Kind;
use shared::time::Moment;

use super::Supervisor;

/// Less is no stall: it has no realtime schedule, and nothing of it is urgent.
const STALL: Duration = Duration::from_secs(1);
/// One that stalls all the time says so once in this time, and whenever it is twice as long.
const APART: Duration = Duration::from_secs(60);

/// What was told of them.
#[derive(Debug, Default)]
pub(super) struct Stalls {
    /// When the last one was told, and how long it was.
    told: Option<(Moment, Duration)>,
}

impl Stalls {
    /// True where it is to be told that the supervisor is so late.
    fn is_news(&mut self, late: Duration, now: Moment) -> bool {
        let known = |(at, worst): (Moment, Duration)| {
            now.since(at) < APART && late < worst.saturating_mul(2)
        };
        let news = late >= STALL && !self.told.is_some_and(known);
        if news {
            self.told = Some((now, late));
        }
        news
    }
}

impl Supervisor {
    /// The loop looks around, so much later than it was to.
    pub(super) fn came_round(&mut self, late: Duration, now: Moment) {
        if self.stalls.is_news(late, now) {
            self.recorder.note(Kind::SupervisorStall { late }, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_told_once_a_minute_and_a_much_longer_one_at_once() {
        let mut stalls = Stalls::default();
        let mut news = |second: u64, late| {
            let now = Moment(second * 1_000_000_000);
            stalls.is_news(Duration::from_millis(late), now)
        };
        assert!(!news(10, 999));
        assert!(news(11, 1_000));
        assert!(!news(20, 1_999));
        assert!(news(21, 2_000));
        assert!(!news(80, 1_000));
        assert!(news(81, 1_000));
    }
}
