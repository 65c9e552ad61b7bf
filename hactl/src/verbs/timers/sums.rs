//! The sums: what follows from the configured times, with the formula and the number.

use std::time::Duration;

use serde_json::{Value, json};
use shared::config::Running;
use shared::event::{NodeKind, Span};
use shared::sample::Sample;
use shared::times;
use shared::view::ClusterView;

use crate::print::clock::millis;

/// One sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    /// Its name in JSON.
    pub(super) name: &'static str,
    /// What it is the time of.
    pub(super) what: String,
    /// From what it follows, in words of `ha.cf`.
    pub(super) formula: String,
    /// The shortest and the longest that follows; mostly the same.
    pub(super) least: Duration,
    pub(super) most: Duration,
}

impl Sum {
    fn new(
        name: &'static str,
        what: impl Into<String>,
        formula: impl Into<String>,
        value: Duration,
    ) -> Self {
        Self::between(name, what, formula, value, value)
    }

    fn between(
        name: &'static str,
        what: impl Into<String>,
        formula: impl Into<String>,
        least: Duration,
        most: Duration,
    ) -> Self {
        Self {
            name,
            what: what.into(),
            formula: formula.into(),
            least,
            most,
        }
    }

    /// The number, with its unit.
    pub(super) fn value(&self) -> String {
        match self.least == self.most {
            true => Span(self.most).to_string(),
            false => format!("{} to {}", Span(self.least), Span(self.most)),
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "name": self.name,
            "what": self.what,
            "formula": self.formula,
            "least_ms": millis(self.least),
            "most_ms": millis(self.most),
        })
    }
}

/// A heading and its sums.
pub(super) type Group = (&'static str, Vec<Sum>);

/// All sums.
pub(super) fn groups(running: &Running, view: &ClusterView, sample: Option<&Sample>) -> Vec<Group> {
    vec![
        ("A node dies", death(running, view, sample)),
        ("A node starts or leaves", start(running)),
        ("A link", link(running)),
        ("A message is lost", message(running)),
        ("This node itself", own(running)),
    ]
}

fn death(running: &Running, view: &ClusterView, sample: Option<&Sample>) -> Vec<Sum> {
    let timing = &running.timing;
    let (keepalive, deadtime) = (timing.keepalive, timing.deadtime);
    let mut sums = vec![
        Sum::new("late", "its beat is late", "warntime", timing.warntime),
        Sum::between(
            "detection",
            "it counts as dead, after its death",
            "deadtime - keepalive, to deadtime",
            deadtime.saturating_sub(keepalive),
            deadtime,
        ),
    ];
    let samples = sample.into_iter().flat_map(|sample| &sample.nodes);
    let normal = |name| {
        view.nodes
            .get(name)
            .is_some_and(|n| n.kind != NodeKind::Ping)
    };
    sums.extend(samples.filter(|node| normal(&node.node)).map(|node| {
        Sum::new(
            "peer-deadtime",
            format!("{} does, after its last beat", node.node),
            format!("the deadtime that {} announces", node.node),
            node.deadtime,
        )
    }));
    sums.push(Sum::between(
        "announced-bounds",
        "bounds of what a peer announces",
        format!(
            "{} x keepalive, to {} x deadtime",
            times::DEADTIME_KEEPALIVES_MIN,
            times::DEADTIME_FACTOR_MAX
        ),
        keepalive * times::DEADTIME_KEEPALIVES_MIN,
        deadtime * times::DEADTIME_FACTOR_MAX,
    ));
    sums.push(Sum::new(
        "unauthenticated",
        "unverified packets put it off",
        format!("{} x deadtime", times::UNAUTH_HOLD_DEADTIMES),
        times::unauth_hold(deadtime),
    ));
    sums
}

fn start(running: &Running) -> Vec<Sum> {
    let timing = &running.timing;
    vec![
        Sum::new(
            "alone",
            "others count as dead at boot",
            "initdead",
            timing.initdead,
        ),
        Sum::new(
            "leave",
            "it beats on after its goodbye",
            "2 x keepalive, at most 1 s",
            times::leave_linger(timing.keepalive),
        ),
    ]
}

fn link(running: &Running) -> Vec<Sum> {
    let timing = &running.timing;
    vec![
        Sum::new(
            "link-down",
            "is dead, after its last packet",
            "the deadtime of its peer",
            timing.deadtime,
        ),
        Sum::new(
            "link-up",
            "is up again, after packets return",
            format!("{} x keepalive", times::LINK_UP_KEEPALIVES),
            times::link_up_delay(timing.keepalive),
        ),
    ]
}

fn message(running: &Running) -> Vec<Sum> {
    let timing = &running.timing;
    let most = timing.max_rexmit_delay;
    let least = times::ask_delay_least(most);
    vec![
        Sum::between(
            "ask",
            "it is asked for, once missed",
            format!("{}, to max_rexmit_delay", Span(least)),
            least,
            most,
        ),
        Sum::new(
            "ask-again",
            "it is asked for again",
            "max_rexmit_delay",
            most,
        ),
        Sum::new(
            "give-up",
            "it is given up",
            "the deadtime of its sender",
            timing.deadtime,
        ),
    ]
}

fn own(running: &Running) -> Vec<Sum> {
    let timing = &running.timing;
    vec![
        Sum::new(
            "stall",
            "lateness that is a stall",
            "keepalive / 2, at least 10 ms",
            times::stall(timing.keepalive),
        ),
        Sum::new(
            "core-silence",
            "a core that hangs is replaced",
            "deadtime / 4, at least 3 x keepalive",
            times::core_silence(timing.keepalive, timing.deadtime),
        ),
    ]
}
