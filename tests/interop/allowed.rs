//! `allowed.txt`: per scenario, what a real node logs and answers about a real peer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use hbd_tests::error::{Error, unexpected};
use hbd_tests::scratch;

use crate::observed::Observed;
use crate::scenario::Scenario;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/allowed.txt");
const TEXT: &str = include_str!("allowed.txt");
const HEADER: &str = "\
# What a real Heartbeat 3.0.6 node (OBSERVER) logs, and what its cl_status answers (=), in each scenario with a real
# Heartbeat 3.0.6 as PEER; union of several runs over bcast/sha1, mcast/md5 and ucast/crc, each number written as N.
# Made by `UPDATE=1 HBD_TIER=long cargo test -p hbd-tests --test interop`; do not edit.
";

/// Observations of real pairs by scenario.
#[derive(Debug, Default)]
pub(crate) struct Allowed {
    scenarios: BTreeMap<String, Observed>,
}

impl Allowed {
    /// The file in the source tree.
    pub(crate) fn read() -> Self {
        let mut allowed = Self::default();
        let mut name = "";
        for line in TEXT.lines().filter(|line| !line.starts_with('#')) {
            if let Some(section) = line
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                name = section;
                continue;
            }
            let observed = allowed.scenarios.entry(name.to_owned()).or_default();
            if let Some(answer) = line.strip_prefix("= ") {
                observed.answers.insert(answer.to_owned());
            } else if let Some(logged) = line.strip_prefix("  ") {
                observed.lines.insert(logged.to_owned());
            }
        }
        allowed
    }

    /// Adds what one more run of a real pair showed.
    pub(crate) fn add(&mut self, scenario: Scenario, observed: Observed) {
        let known = self
            .scenarios
            .entry(scenario.name().to_owned())
            .or_default();
        known.lines.extend(observed.lines);
        known.answers.extend(observed.answers);
    }

    /// Every line must be one that a real pair's log has in this scenario, and every answer must be the same.
    pub(crate) fn judge(&self, scenario: Scenario, observed: &Observed) -> Result<(), Error> {
        let Some(known) = self.scenarios.get(scenario.name()) else {
            return unexpected(format!("allowed.txt has no section [{}]", scenario.name()));
        };
        let mut text = String::new();
        let strange = observed.lines.difference(&known.lines);
        for line in strange.filter(|line| !self.is_of_itself(line)) {
            let _ = write!(text, "\n  a real pair does not log: {line}");
        }
        for answer in observed.answers.difference(&known.answers) {
            let _ = write!(text, "\n  a real pair does not answer: {answer}");
        }
        for answer in known.answers.difference(&observed.answers) {
            let _ = write!(text, "\n  a real pair would answer: {answer}");
        }
        if text.is_empty() {
            Ok(())
        } else {
            unexpected(text)
        }
    }

    /// A real pair's log has that line in some scenario.
    pub(crate) fn has(&self, line: &str) -> bool {
        let mut scenarios = self.scenarios.values();
        scenarios.any(|observed| observed.lines.contains(line))
    }

    /// A node's news of itself are no line about its peer, and when they come depends on the node alone; so it is
    /// enough that a real pair's node says so in any scenario.
    fn is_of_itself(&self, line: &str) -> bool {
        let about_itself = line.starts_with("info: ") && !line.contains("PEER");
        about_itself && self.has(line)
    }

    /// Writes the file.
    pub(crate) fn write(&self) -> Result<(), Error> {
        let mut text = HEADER.to_owned();
        for scenario in Scenario::ALL {
            let Some(observed) = self.scenarios.get(scenario.name()) else {
                continue;
            };
            let _ = write!(text, "\n[{}]\n", scenario.name());
            for answer in &observed.answers {
                let _ = writeln!(text, "= {answer}");
            }
            for line in &observed.lines {
                let _ = writeln!(text, "  {line}");
            }
        }
        scratch::write(Path::new(FILE), &text)
    }
}
