//! What follows from the configured times: each rule once, for whoever obeys it and whoever shows it.

use std::time::Duration;

/// A dead link must carry packets for so many keepalives before it counts as up: damps flapping.
pub const LINK_UP_KEEPALIVES: u32 = 2;
/// A peer that is alive but not authenticated holds a takeover back for so many dead times.
pub const UNAUTH_HOLD_DEADTIMES: u32 = 10;
/// A peer's announced dead time is at least so many of our keepalives.
pub const DEADTIME_KEEPALIVES_MIN: u32 = 2;
/// A peer's announced dead time is at most so many of our dead times.
pub const DEADTIME_FACTOR_MAX: u32 = 10;
/// Longest extension of its dead time that a starting node announces: 2 s for the start itself, 30 s
/// where it restarts itself, as Heartbeat 3.0.6 does. Allowed for as long, too.
pub const START_EXTENSION: Duration = Duration::from_secs(32);

/// A link that died counts as up when packets have come over it for so long.
#[must_use]
pub fn link_up_delay(keepalive: Duration) -> Duration {
    keepalive * LINK_UP_KEEPALIVES
}

/// How long a peer that is alive but not authenticated may hold a takeover back.
#[must_use]
pub fn unauth_hold(deadtime: Duration) -> Duration {
    deadtime * UNAUTH_HOLD_DEADTIMES
}

/// Whether a node whose beat was so late sent none for its dead time, and peers may have taken it
/// for dead.
#[must_use]
pub fn is_mute(late: Duration, keepalive: Duration, deadtime: Duration) -> bool {
    late + keepalive > deadtime
}

/// A timer that is later than this is a stall of this node: half a keepalive, and never ordinary
/// scheduling.
#[must_use]
pub fn stall(keepalive: Duration) -> Duration {
    (keepalive / 2).max(Duration::from_millis(10))
}

/// Beats go on for so long after the node has said that it leaves, so that whoever missed it asks.
#[must_use]
pub fn leave_linger(keepalive: Duration) -> Duration {
    (keepalive * 2).min(Duration::from_secs(1))
}

/// Silence of a core that the supervisor puts up with: a quarter of deadtime leaves time for the next
/// core to beat before peers give this node up; below three beats one that is merely late would be
/// killed.
#[must_use]
pub fn core_silence(keepalive: Duration, deadtime: Duration) -> Duration {
    (deadtime / 4).max(keepalive * 3)
}

/// Shortest delay before a missing message is asked for, where `max` (`max_rexmit_delay`) is the
/// longest: 50 ms, and nothing where `max` is under 100 ms, as Heartbeat 3.0.6 does.
#[must_use]
pub fn ask_delay_least(max: Duration) -> Duration {
    let least = Duration::from_millis(50);
    match max < 2 * least {
        true => Duration::ZERO,
        false => least,
    }
}
