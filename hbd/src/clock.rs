//! The only reader of time.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use shared::time::{Moment, Now, Wall};

/// Both clocks.
pub(crate) fn now() -> Now {
    Now {
        boot: Moment(read(ClockId::CLOCK_BOOTTIME)),
        wall: Wall(read(ClockId::CLOCK_REALTIME)),
    }
}

/// The clock that decides.
pub(crate) fn boot() -> Moment {
    Moment(read(ClockId::CLOCK_BOOTTIME))
}

/// The clock of `sd_notify(3)`, since some moment in the past.
pub(crate) fn monotonic() -> Duration {
    Duration::from_nanos(read(ClockId::CLOCK_MONOTONIC))
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock).expect("Linux has these clocks");
    // Before 1970 counts as 1970.
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_that_decides_does_not_go_back() {
        let earlier = boot();
        assert!(boot() >= earlier);
        assert!(now().wall.seconds() > 1_700_000_000);
    }
}
