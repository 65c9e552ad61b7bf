//! A promise, what was measured, and whether it held.

use std::fmt;
use std::time::Duration;

/// What hbd promises about a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    /// What will be, in a few words.
    pub(super) what: &'static str,
    /// What is measured.
    pub(super) measure: Measure,
    /// How soon at the latest, or how long at most.
    pub(super) within: Duration,
}

/// What of a step is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// When the last of those who should tell of it did.
    Signs,
    /// The longest time that the client was without an answer.
    Gap,
}

/// A row of the table.
pub(super) struct Row {
    pub(super) step: &'static str,
    pub(super) promise: Promise,
    /// Nothing if one of those who should tell of it did not.
    pub(super) measured: Option<Duration>,
    pub(super) verdict: Verdict,
}

/// Whether a promise held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It did.
    Held,
    /// It did not, and why.
    Broken(String),
}

impl Verdict {
    /// On a promise, given what was measured and what else speaks against it.
    pub(super) fn on(
        promise: Promise,
        measured: Option<Duration>,
        objection: Option<String>,
    ) -> Self {
        match (measured, objection) {
            (_, Some(objection)) => Self::Broken(objection),
            (None, None) => Self::Broken("it did not happen".into()),
            (Some(measured), None) if measured > promise.within => Self::Broken("too late".into()),
            (Some(_), None) => Self::Held,
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.within.as_millis();
        match self.measure {
            Measure::Signs => write!(f, "within {limit} ms: {}", self.what),
            Measure::Gap => write!(f, "gap up to {limit} ms: {}", self.what),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held => f.write_str("held"),
            Self::Broken(why) => write!(f, "BROKEN: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMISE: Promise = Promise {
        what: "dead",
        measure: Measure::Signs,
        within: Duration::from_millis(2000),
    };

    #[test]
    fn a_promise_holds_up_to_its_last_millisecond() {
        let at = |millis| Verdict::on(PROMISE, Some(Duration::from_millis(millis)), None);
        assert_eq!(at(2000), Verdict::Held);
        assert_ne!(at(2001), Verdict::Held);
    }

    #[test]
    fn what_did_not_happen_or_is_objected_to_does_not_hold() {
        assert_ne!(Verdict::on(PROMISE, None, None), Verdict::Held);
        let soon = Some(Duration::ZERO);
        let objection = Some("bob was declared dead".to_owned());
        assert_ne!(Verdict::on(PROMISE, soon, objection), Verdict::Held);
    }
}
