//! What the measured silence says about the configured times.
//!
//! The old rule of thumb: run under the heaviest load, look for the longest silence, and take twice
//! that as deadtime.

use std::time::Duration;

use serde_json::{Value, json};
use shared::api::Snapshot;
use shared::config::Running;
use shared::event::Span;
use shared::names::LinkName;

use crate::print::clock::millis;

/// A good deadtime is at least so many times the longest silence.
const MARGIN: u32 = 2;
/// Fewer beats than these in a deadtime make two lost ones a death.
const BEATS_MIN: u32 = 3;
/// An advice is rounded up to this.
const STEP: Duration = Duration::from_millis(100);
/// What was measured for less than this has not seen a busy hour.
const MEASURED_MIN: Duration = Duration::from_secs(24 * 3600);

/// What was measured, and what follows.
#[derive(Debug)]
pub(super) struct Advice {
    /// Since when this core measures.
    pub(super) measured: Duration,
    /// The longest time between two beats, by link.
    pub(super) links: Vec<(LinkName, Duration)>,
    /// The longest stall of this node, and the latest beat of it.
    pub(super) worst_stall: Duration,
    pub(super) worst_lateness: Duration,
    /// The longest stall of the supervisor, on which no beat depends.
    pub(super) worst_supervisor_stall: Duration,
    /// The configured deadtime.
    pub(super) deadtime: Duration,
    /// The least that what was measured asks for; nothing while nothing was measured.
    pub(super) advised: Option<Duration>,
    /// Where the configured times leave too little.
    pub(super) warnings: Vec<String>,
}

impl Advice {
    pub(super) fn of(running: &Running, snapshot: &Snapshot) -> Self {
        let timing = &running.timing;
        let since = snapshot.view.since;
        let measured = since.map_or(Duration::ZERO, |since| snapshot.at.boot.since(since.boot));
        let sample = snapshot.sample.as_ref();
        let links: Vec<_> = sample
            .into_iter()
            .flat_map(|sample| &sample.links)
            .filter_map(|link| Some((link.link.clone(), link.incoming.worst?)))
            .collect();
        let worst_stall = sample.map_or(Duration::ZERO, |sample| sample.worst_stall);
        let silence = links.iter().map(|(_, worst)| *worst).max();
        let advised = silence.map(|silence| advised(silence.max(worst_stall), timing.keepalive));
        let mut advice = Self {
            measured,
            links,
            worst_stall,
            worst_lateness: sample.map_or(Duration::ZERO, |sample| sample.worst_lateness),
            worst_supervisor_stall: snapshot.view.worst_supervisor_stall,
            deadtime: timing.deadtime,
            advised,
            warnings: Vec::new(),
        };
        advice.warn(timing.keepalive, timing.warntime, silence);
        advice
    }

    fn warn(&mut self, keepalive: Duration, warntime: Duration, silence: Option<Duration>) {
        let deadtime = self.deadtime;
        if let Some(advised) = self.advised.filter(|advised| *advised > deadtime) {
            self.warnings.push(format!(
                "deadtime {} is too near to what was measured; take at least {}",
                Span(deadtime),
                Span(advised)
            ));
        }
        if deadtime < keepalive * BEATS_MIN {
            self.warnings.push(format!(
                "deadtime {} holds fewer than {BEATS_MIN} beats of keepalive {}: two lost beats are a \
                 death",
                Span(deadtime),
                Span(keepalive)
            ));
        }
        if silence.is_some_and(|silence| silence > warntime) {
            self.warnings.push(format!(
                "beats were later than warntime {}; hactl events --kind late-beat says when",
                Span(warntime)
            ));
        }
    }

    /// True where what was measured may still be far from the worst.
    pub(super) fn is_young(&self) -> bool {
        self.measured < MEASURED_MIN
    }

    /// What is advised for a link alone.
    pub(super) fn of_link(worst: Duration, keepalive: Duration) -> Duration {
        advised(worst, keepalive)
    }

    pub(super) fn json(&self, keepalive: Duration) -> Value {
        let link = |(link, worst): &(LinkName, Duration)| {
            json!({
                "link": link.to_string(),
                "worst_silence_ms": millis(*worst),
                "advised_deadtime_ms": millis(advised(*worst, keepalive)),
            })
        };
        json!({
            "measured_ms": millis(self.measured),
            "links": self.links.iter().map(link).collect::<Vec<_>>(),
            "worst_stall_ms": millis(self.worst_stall),
            "worst_lateness_ms": millis(self.worst_lateness),
            "worst_supervisor_stall_ms": millis(self.worst_supervisor_stall),
            "deadtime_ms": millis(self.deadtime),
            "advised_deadtime_ms": self.advised.map(millis),
            "warnings": self.warnings,
        })
    }
}

/// The least deadtime for a silence that was seen: twice that, and never fewer beats than make sense.
fn advised(silence: Duration, keepalive: Duration) -> Duration {
    let least = (silence * MARGIN).max(keepalive * BEATS_MIN);
    let steps = least.as_nanos().div_ceil(STEP.as_nanos());
    STEP * u32::try_from(steps).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_worst_silence_is_advised_and_never_fewer_than_three_beats() {
        let second = Duration::from_secs(1);
        let of = |millis| advised(Duration::from_millis(millis), second);
        assert_eq!(of(2310), Duration::from_millis(4700));
        assert_eq!(of(1010), Duration::from_secs(3));
        assert_eq!(of(1550), Duration::from_millis(3100));
    }
}
