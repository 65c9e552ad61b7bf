//! What a check says of one object: the verdict, what it rests on, and what to do.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use shared::exit::Health;

use crate::range::Range;

/// Something that is worth saying of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Health,
    /// What it concerns.
    pub object: String,
    /// What is the matter, without a full stop.
    pub what: String,
    /// Why that is so, or what it rests on; may be empty.
    pub why: String,
    /// What to do about it; may be empty.
    pub remedy: String,
}

impl Finding {
    /// Of the object of the report that it comes into.
    #[must_use]
    pub fn new(
        severity: Health,
        what: impl Into<String>,
        why: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            object: String::new(),
            what: what.into(),
            why: why.into(),
            remedy: remedy.into(),
        }
    }
}

/// A line of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// What was looked at.
    pub name: &'static str,
    /// What was seen.
    pub value: String,
}

impl Evidence {
    /// A line.
    #[must_use]
    pub fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            name,
            value: value.into(),
        }
    }
}

/// A measured value.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// Its unit as Nagios plugins write it: `c` for what only grows, `B` for bytes.
    pub unit: &'static str,
    /// Outside of it: a warning.
    pub warning: Option<Range>,
    /// Outside of it: critical.
    pub critical: Option<Range>,
}

impl Figure {
    /// Without limits.
    #[must_use]
    pub fn new(name: &'static str, value: u64, unit: &'static str) -> Self {
        Self {
            name,
            value,
            unit,
            warning: None,
            critical: None,
        }
    }
}

/// What a check says of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The check.
    pub check: &'static str,
    /// The object.
    pub object: String,
    /// How it is: as bad as the worst finding.
    pub verdict: Health,
    /// The same in a sentence, without a full stop: what the worst finding says.
    pub sentence: String,
    /// What was seen.
    pub evidence: Vec<Evidence>,
    /// The same as a drawing, in lines; may be empty.
    pub drawing: Vec<String>,
    /// The worst first.
    pub findings: Vec<Finding>,
    /// What was measured.
    pub figures: Vec<Figure>,
}

impl Report {
    /// Of these findings. One without an object is of this one.
    #[must_use]
    pub fn of(check: &'static str, object: &str, mut findings: Vec<Finding>) -> Self {
        for finding in &mut findings {
            if finding.object.is_empty() {
                object.clone_into(&mut finding.object);
            }
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(rank(finding.severity)));
        let (verdict, sentence) = match findings.first() {
            Some(worst) => (worst.severity, worst.what.clone()),
            None => (Health::Unknown, "nothing is known yet".to_owned()),
        };
        Self {
            check,
            object: object.to_owned(),
            verdict,
            sentence,
            evidence: Vec::new(),
            drawing: Vec::new(),
            findings,
            figures: Vec::new(),
        }
    }

    /// The same, when there was no time for the rest.
    #[must_use]
    pub fn cut_short(mut self, seconds: f64) -> Self {
        let said = match self.verdict {
            Health::Unknown => String::new(),
            verdict => format!("; so far {}: {}", word(verdict), self.sentence),
        };
        self.verdict = Health::Unknown;
        self.sentence = format!("not finished within {seconds} s{said}");
        self
    }
}

/// The worst of several verdicts: critical, then warning, unknown, ok. Unknown without any.
#[must_use]
pub fn worst(verdicts: impl Iterator<Item = Health>) -> Health {
    verdicts
        .max_by_key(|verdict| rank(*verdict))
        .unwrap_or(Health::Unknown)
}

/// The word for people and for JSON.
#[must_use]
pub fn word(verdict: Health) -> &'static str {
    match verdict {
        Health::Ok => "ok",
        Health::Warning => "warning",
        Health::Critical => "critical",
        Health::Unknown => "unknown",
    }
}

fn rank(verdict: Health) -> u8 {
    match verdict {
        Health::Ok => 0,
        Health::Unknown => 1,
        Health::Warning => 2,
        Health::Critical => 3,
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Finding", 5)?;
        fields.serialize_field("severity", word(self.severity))?;
        fields.serialize_field("object", &self.object)?;
        fields.serialize_field("what", &self.what)?;
        fields.serialize_field("why", &self.why)?;
        fields.serialize_field("remedy", &self.remedy)?;
        fields.end()
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Figure", 3)?;
        fields.serialize_field("name", self.name)?;
        fields.serialize_field("value", &self.value)?;
        fields.serialize_field("unit", self.unit)?;
        fields.end()
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Report", 7)?;
        fields.serialize_field("check", self.check)?;
        fields.serialize_field("object", &self.object)?;
        fields.serialize_field("verdict", word(self.verdict))?;
        fields.serialize_field("sentence", &self.sentence)?;
        fields.serialize_field("evidence", &self.evidence)?;
        fields.serialize_field("findings", &self.findings)?;
        fields.serialize_field("figures", &self.figures)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Health, what: &str) -> Finding {
        Finding::new(severity, what, "", "")
    }

    #[test]
    fn the_verdict_is_that_of_the_worst_finding() {
        let findings = vec![
            finding(Health::Ok, "fine"),
            finding(Health::Critical, "broken"),
            finding(Health::Unknown, "dark"),
            finding(Health::Warning, "weak"),
        ];
        let report = Report::of("serial", "ttyS0", findings);
        assert_eq!(
            (report.verdict, &*report.sentence),
            (Health::Critical, "broken")
        );
        let order: Vec<&str> = report.findings.iter().map(|f| f.what.as_str()).collect();
        assert_eq!(order, ["broken", "weak", "dark", "fine"]);
    }

    #[test]
    fn what_was_not_finished_is_unknown_and_says_what_was_learned() {
        let learned = Report::of("serial", "ttyS0", vec![finding(Health::Warning, "weak")]);
        let cut = learned.cut_short(8.0);
        assert_eq!(cut.verdict, Health::Unknown);
        assert_eq!(
            cut.sentence,
            "not finished within 8 s; so far warning: weak"
        );
        let nothing = Report::of("serial", "ttyS0", Vec::new()).cut_short(0.5);
        assert_eq!(nothing.sentence, "not finished within 0.5 s");
    }

    #[test]
    fn of_several_verdicts_the_worst_counts() {
        let of = |verdicts: &[Health]| worst(verdicts.iter().copied());
        assert_eq!(of(&[Health::Ok, Health::Unknown]), Health::Unknown);
        assert_eq!(of(&[Health::Unknown, Health::Warning]), Health::Warning);
        assert_eq!(of(&[Health::Critical, Health::Warning]), Health::Critical);
        assert_eq!(of(&[]), Health::Unknown);
    }
}
