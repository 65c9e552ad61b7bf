//! Whether this node can do what a member must: be heard, and decide.
//!
//! It is *sick* when it sent no beat for `deadtime`, whatever the cause: its peers take over, so
//! it must not hold anything. And when its manager hung, or died before it answered, three times
//! in a minute. That is over after a beat, an answering manager, and a beat of a peer or `initdead`
//! without one.

use std::collections::VecDeque;
use std::time::Duration;

use hbd_core::Settings;
use shared::event::Span;
use shared::time::Moment;
use shared::times;

/// So many managers that failed within [`FAILURES_WITHIN`] are too many.
const FAILURES_MAX: usize = 3;
const FAILURES_WITHIN: Duration = Duration::from_secs(60);

/// What is known of it.
#[derive(Debug)]
pub(super) struct Health {
    /// When a packet last went out; the start of the supervisor before the first.
    sent: Moment,
    /// When managers failed last.
    failures: VecDeque<Moment>,
    sick_since: Option<Moment>,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The node is sick, and why.
    Sick(String),
    /// It is not any more.
    Over,
}

/// What else counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    /// When a peer was last heard.
    pub(super) contact: Option<Moment>,
    /// The manager has answered the core.
    pub(super) manager_answers: bool,
}

impl Health {
    /// Of a node that was never heard.
    pub(super) fn new(now: Moment) -> Self {
        Self {
            sent: now,
            failures: VecDeque::new(),
            sick_since: None,
        }
    }

    /// What a former supervisor had told.
    pub(super) fn remember(&mut self, sick: bool, now: Moment) {
        self.sick_since = sick.then_some(now);
    }

    /// A packet went out.
    pub(super) fn sent(&mut self, at: Moment) {
        self.sent = self.sent.max(at);
    }

    /// The core did not run for so long, and this process perhaps neither.
    pub(super) fn stood_still(
        &mut self,
        late: Duration,
        now: Moment,
        settings: &Settings,
    ) -> Option<Change> {
        if !times::is_mute(late, settings.keepalive, settings.deadtime) {
            return None;
        }
        let reason = format!(
            "it stood still and sent no beat for {}, and its deadtime is {}",
            Span(late + settings.keepalive),
            Span(settings.deadtime)
        );
        self.fall_sick(reason, now)
    }

    /// A manager hung, or died before it answered.
    pub(super) fn manager_failed(&mut self, now: Moment) {
        if self.failures.len() == FAILURES_MAX {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
    }

    /// Too many managers failed lately.
    pub(super) fn lacks_manager(&self, now: Moment) -> bool {
        let first = self.failures.front();
        let lately = first.is_some_and(|first| now.since(*first) < FAILURES_WITHIN);
        lately && self.failures.len() == FAILURES_MAX
    }

    /// True where peers are to take over.
    pub(super) fn is_sick(&self) -> bool {
        self.sick_since.is_some()
    }

    /// Looks whether that changed.
    pub(super) fn look(
        &mut self,
        now: Moment,
        signs: Signs,
        settings: &Settings,
    ) -> Option<Change> {
        let Some(since) = self.sick_since else {
            let reason = self.reason(now, settings)?;
            return self.fall_sick(reason, now);
        };
        let contact = signs.contact.is_some_and(|at| at > since);
        let over = self.reason(now, settings).is_none()
            && self.sent > since
            && signs.manager_answers
            && (contact || now.since(since) >= settings.initdead);
        over.then(|| {
            self.sick_since = None;
            Change::Over
        })
    }

    /// Nothing where it is sick already.
    fn fall_sick(&mut self, reason: String, now: Moment) -> Option<Change> {
        if self.is_sick() {
            return None;
        }
        self.sick_since = Some(now);
        Some(Change::Sick(reason))
    }

    fn reason(&self, now: Moment, settings: &Settings) -> Option<String> {
        let silent = now.since(self.sent);
        if silent > settings.deadtime {
            return Some(format!(
                "it sent no beat for {}, and its deadtime is {}",
                Span(silent),
                Span(settings.deadtime)
            ));
        }
        self.lacks_manager(now).then(|| {
            format!(
                "{FAILURES_MAX} managers in {} hung, or died before they answered",
                Span(FAILURES_WITHIN)
            )
        })
    }
}

#[cfg(test)]
mod tests;
