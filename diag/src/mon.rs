//! As a monitor of Mon.
//!
//! Mon compares the first line with that of the run before, and alerts again where it differs. So it holds the names of
//! what fails, sorted, and no sentence and no number. An exit code other than 0 is a failure: 1 something is broken,
//! 3 something could not be found out. A warning is none, unless it is to be.

use std::io::{self, Write};

use diag::report::Report;
use shared::exit::Health;

use crate::text;

const FAILED: u8 = 1;
const UNKNOWN: u8 = 3;

fn fails(report: &Report, strict: bool) -> bool {
    match report.verdict {
        Health::Ok => false,
        Health::Warning => strict,
        Health::Critical | Health::Unknown => true,
    }
}

/// The exit code. Nothing to look at is no failure.
pub(crate) fn exit(reports: &[Report], strict: bool) -> u8 {
    let failing = reports.iter().filter(|report| fails(report, strict));
    let worst = failing.map(|report| match report.verdict {
        Health::Unknown => UNKNOWN,
        _ => FAILED,
    });
    // Of these two the lower number is the worse.
    worst.min().unwrap_or(0)
}

/// What fails, then all that is known.
pub(crate) fn write(out: &mut impl Write, reports: &[Report], strict: bool) -> io::Result<()> {
    let mut names: Vec<String> = reports
        .iter()
        .filter(|report| fails(report, strict))
        .map(|report| text::clean(&report.object))
        .collect();
    names.sort();
    names.dedup();
    writeln!(out, "{}", names.join(" "))?;
    text::write(out, reports)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(verdicts: &[Health]) -> Vec<Report> {
        let report = |verdict: &Health| Report {
            verdict: *verdict,
            ..Report::of("serial", &format!("tty{}", *verdict as u8), Vec::new())
        };
        verdicts.iter().map(report).collect()
    }

    #[test]
    fn a_warning_is_no_failure_unless_it_is_to_be() {
        use Health::{Critical, Ok, Unknown, Warning};
        let cases: [(&[Health], u8, u8); 6] = [
            (&[], 0, 0),
            (&[Ok], 0, 0),
            (&[Ok, Warning], 0, 1),
            (&[Unknown], 3, 3),
            (&[Unknown, Warning], 3, 1),
            (&[Unknown, Critical], 1, 1),
        ];
        for (verdicts, usual, strict) in cases {
            let reports = of(verdicts);
            assert_eq!(
                (exit(&reports, false), exit(&reports, true)),
                (usual, strict),
                "{verdicts:?}"
            );
        }
    }

    #[test]
    fn the_first_line_names_what_fails_and_is_sorted() {
        let reports = of(&[Health::Unknown, Health::Ok, Health::Critical]);
        let mut out = Vec::new();
        write(&mut out, &reports, false).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().next(), Some("tty2 tty3"));
    }
}
