//! Reports for people, and for programs.
//!
//! ```text
//! /dev/ttyS0: warning: the verdict in a sentence
//!   used by   what was seen
//!   settings  ...
//!
//!     RTS 7 >--+
//!     CTS 8 <--+
//!
//!     why that is so
//!     -> what to do
//!   unknown: what else is the matter
//!     -> what to do
//! ```

use std::io::{self, Write};

use diag::report::{Evidence, Report, word};
use serde_json::json;
use shared::exit::Health;

use crate::worst;

/// For people.
pub(crate) fn write(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    if reports.len() > 1 {
        writeln!(out, "{}: {}\n", word(worst(reports)), counted(reports))?;
    }
    for (number, report) in reports.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        write_one(out, report)?;
    }
    Ok(())
}

fn write_one(out: &mut impl Write, report: &Report) -> io::Result<()> {
    writeln!(out, "{}", headline(report))?;
    evidence(out, &report.evidence)?;
    drawing(out, &report.drawing)?;
    if !report.evidence.is_empty() && !report.findings.is_empty() {
        writeln!(out)?;
    }
    findings(out, report)
}

/// The verdict of a report in a line.
pub(crate) fn headline(report: &Report) -> String {
    let object = clean(&report.object);
    format!(
        "{object}: {}: {}",
        word(report.verdict),
        clean(&report.sentence)
    )
}

/// How many are how.
pub(crate) fn counted(reports: &[Report]) -> String {
    let all = [
        Health::Critical,
        Health::Warning,
        Health::Unknown,
        Health::Ok,
    ];
    let parts = all.into_iter().filter_map(|verdict| {
        let count = reports
            .iter()
            .filter(|report| report.verdict == verdict)
            .count();
        (count > 0).then(|| format!("{count} {}", word(verdict)))
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// What was seen, in two columns.
pub(crate) fn evidence(out: &mut impl Write, rows: &[Evidence]) -> io::Result<()> {
    let widest = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    rows.iter()
        .try_for_each(|row| writeln!(out, "  {:widest$}  {}", row.name, clean(&row.value)))
}

/// The drawing, with an empty line before it.
pub(crate) fn drawing(out: &mut impl Write, lines: &[String]) -> io::Result<()> {
    if !lines.is_empty() {
        writeln!(out)?;
    }
    lines
        .iter()
        .try_for_each(|line| writeln!(out, "    {line}"))
}

/// What is the matter, why, and what to do. What the headline says is not said again.
pub(crate) fn findings(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for (number, finding) in report.findings.iter().enumerate() {
        if number > 0 || finding.what != report.sentence {
            writeln!(
                out,
                "  {}: {}",
                word(finding.severity),
                clean(&finding.what)
            )?;
        }
        if !finding.why.is_empty() {
            writeln!(out, "    {}", clean(&finding.why))?;
        }
        if !finding.remedy.is_empty() {
            writeln!(out, "    -> {}", clean(&finding.remedy))?;
        }
    }
    Ok(())
}

/// For programs: `{"check", "verdict", "reports"}`.
pub(crate) fn write_json(out: &mut impl Write, check: &str, reports: &[Report]) -> io::Result<()> {
    let all = json!({ "check": check, "verdict": word(worst(reports)), "reports": reports });
    writeln!(out, "{}", serde_json::to_string_pretty(&all)?)
}

/// Nothing that a terminal obeys.
pub(crate) fn clean(text: &str) -> String {
    let shown = |c: char| match c.is_control() {
        true => c.escape_default().collect(),
        false => String::from(c),
    };
    text.chars().map(shown).collect()
}
