//! As a plugin of Nagios.
//!
//! ```text
//! SERIAL WARNING - /dev/ttyS0: what is the matter | frame=12c;10;100 parity=0c rx=4711c tx=815c unsent=0B
//! more
//! ```

use std::fmt::Write as _;
use std::io::{self, Write};

use diag::report::{Figure, Report};
use shared::exit::Health;

use crate::{text, worst};

/// All reports in a line, then what stands behind it: twice as much with each `-v`.
pub(crate) fn write(
    out: &mut impl Write,
    check: &str,
    reports: &[Report],
    verbose: u8,
) -> io::Result<()> {
    let verdict = worst(reports);
    let mut line = format!(
        "{} {} - {}",
        check.to_uppercase(),
        verdict.word(),
        summary(reports, verdict)
    );
    let figures = performance(reports);
    if !figures.is_empty() {
        let _ = write!(line, " | {figures}");
    }
    writeln!(out, "{line}")?;
    let mut long = Vec::new();
    for report in reports {
        if reports.len() > 1 {
            writeln!(long, "{}", text::headline(report))?;
        }
        text::findings(&mut long, report)?;
        if verbose > 0 {
            text::evidence(&mut long, &report.evidence)?;
        }
        if verbose > 1 {
            text::drawing(&mut long, &report.drawing)?;
        }
    }
    out.write_all(plain(&String::from_utf8_lossy(&long)).as_bytes())
}

fn summary(reports: &[Report], verdict: Health) -> String {
    let worst = reports.iter().find(|report| report.verdict == verdict);
    let first = worst.map(|report| {
        format!(
            "{}: {}",
            text::clean(&report.object),
            text::clean(&report.sentence)
        )
    });
    let more = match reports.len() {
        0 | 1 => String::new(),
        _ => format!(" ({})", text::counted(reports)),
    };
    plain(&(first.unwrap_or_default() + &more))
}

/// A bar would begin figures.
pub(crate) fn plain(text: &str) -> String {
    text.replace('|', "/")
}

/// Of several objects the label says of which: the end of its path.
fn performance(reports: &[Report]) -> String {
    let mut all = Vec::new();
    for report in reports {
        let of = match reports.len() {
            1 => String::new(),
            _ => format!("_{}", report.object.rsplit('/').next().unwrap_or_default()),
        };
        all.extend(report.figures.iter().map(|figure| one(figure, &of)));
    }
    all.join(" ")
}

fn one(figure: &Figure, of: &str) -> String {
    let kept = |c: char| {
        if c.is_alphanumeric() || "_.:-".contains(c) {
            c
        } else {
            '_'
        }
    };
    let label: String = format!("{}{of}", figure.name).chars().map(kept).collect();
    let limit = |range: Option<diag::range::Range>| {
        range.map(|range| range.to_string()).unwrap_or_default()
    };
    let (warning, critical) = (limit(figure.warning), limit(figure.critical));
    let text = format!(
        "{label}={}{};{warning};{critical}",
        figure.value, figure.unit
    );
    text.trim_end_matches(';').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(object: &str, warning: Option<&str>) -> Report {
        Report {
            figures: vec![
                Figure {
                    warning: warning.map(|range| range.parse().unwrap()),
                    ..Figure::new("frame", 12, "c")
                },
                Figure::new("unsent", 0, "B"),
            ],
            ..Report::of("serial", object, Vec::new())
        }
    }

    #[test]
    fn figures_have_units_and_limits() {
        assert_eq!(
            performance(&[report("/dev/ttyS0", Some("10:"))]),
            "frame=12c;10: unsent=0B"
        );
        let two = [report("/dev/ttyS0", None), report("/dev/a='b", None)];
        let labels = "frame_ttyS0=12c unsent_ttyS0=0B frame_a__b=12c unsent_a__b=0B";
        assert_eq!(performance(&two), labels);
    }

    #[test]
    fn no_bar_stands_in_a_text() {
        let odd = Report {
            sentence: "it said | and \u{1b}[2J".to_owned(),
            ..report("/dev/ttyS0", None)
        };
        let mut out = Vec::new();
        write(&mut out, "serial", &[odd], 2).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches('|').count(), 1);
        assert!(
            text.starts_with("SERIAL UNKNOWN - /dev/ttyS0: it said / and \\u{1b}[2J | frame="),
            "{text}"
        );
    }
}
