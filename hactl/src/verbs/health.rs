//! `hactl health`: the verdict of `hactl status` as a monitoring system wants it.
//!
//! ```text
//! HBD WARNING - alice: 1 of 2 nodes active (bob dead), its only link down | nodes_active=1;;;0;2 ...
//! ```
//!
//! Whatever happens, the end is one of four exit codes, wrong usage included (UNKNOWN).

use std::io::{self, Write};
use std::time::{Duration, Instant};

use clap::Command;
use serde_json::{Value, json};
use shared::api::Snapshot;
use shared::client::ClientError;
use shared::event::{NodeKind, NodeStatus};
use shared::exit::{Exit, Health};
use shared::verdict::{Level, Path, Verdict};

use crate::cli::{Call, Example, Verb, flag};
use crate::error::Error;
use crate::print::clock::{millis, tenths};
use crate::print::{Mood, clean, json as write_json};

pub(crate) const NAME: &str = "health";

pub(crate) const VERB: Verb = Verb {
    name: NAME,
    about: "Says OK, WARNING, CRITICAL or UNKNOWN, also as a Nagios plugin",
    text: "\
OK where the verdict of hactl status is ok or notice, WARNING where it is warning, CRITICAL where it
is error or critical, or where hbd does not run or does not answer in time: then nobody watches over
the cluster here. UNKNOWN where nobody can tell, as without the right to ask. Ends with 0, 1, 2 or 3
in this order, in every form, and with 3 for wrong usage. Takes no longer than --timeout.",
    examples: &[
        Example {
            line: "hactl health",
            about: "in one line",
        },
        Example {
            line: "hactl health --nagios",
            about: "the same, with figures, as a plugin",
        },
        Example {
            line: "hactl health --json",
            about: "for programs",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    command
        .arg(flag("nagios", "As a Nagios plugin: one line with figures"))
        .arg(flag("json", "JSON, with all fields").conflicts_with("nagios"))
        .arg(flag("verbose", "Also what is wrong, one finding a line").short('v'))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let report = match ask(call) {
        Ok((node, snapshot)) => Report::of(&node, &snapshot),
        Err(error) => Report::unanswered(&error),
    };
    match report.show(call) {
        Ok(()) => Ok(report.health.into()),
        Err(error) => {
            crate::complain(&format!("cannot write to standard output: {error}"));
            Ok(Health::Unknown.into())
        }
    }
}

/// Asks within the time limit: greeting and reply together.
fn ask(call: &Call) -> Result<(shared::names::NodeName, Snapshot), Error> {
    let begin = Instant::now();
    let mut client = call.client()?;
    let left = call.limit.saturating_sub(begin.elapsed());
    client.set_limit(left.max(Duration::from_millis(1)));
    let snapshot = client.snapshot()?;
    Ok((client.hello().node.clone(), snapshot))
}

/// The end of a call where the words could not be understood.
pub(crate) fn misused(text: &str) -> Exit {
    let first = text.lines().next().unwrap_or_default();
    let report = Report::without_figures(Health::Unknown, first);
    // Nobody is left to be told where even this cannot be written.
    let _ = report.line(&mut io::stdout(), true);
    Health::Unknown.into()
}

struct Report {
    health: Health,
    text: String,
    figures: Vec<Figure>,
    findings: Vec<String>,
    verdict: Option<Verdict>,
}

/// A number for graphs.
struct Figure {
    label: &'static str,
    value: f64,
    unit: &'static str,
    most: Option<usize>,
}

impl Report {
    fn of(node: &shared::names::NodeName, snapshot: &Snapshot) -> Self {
        let verdict = Verdict::of(node, snapshot);
        let finding = |f: &shared::verdict::Finding| match &f.remedy {
            Some(remedy) => format!("{}: {} -> {remedy}", f.severity, f.what),
            None => format!("{}: {}", f.severity, f.what),
        };
        Self {
            health: health(verdict.level),
            text: verdict.sentence.clone(),
            figures: figures(snapshot, &verdict),
            findings: verdict.findings.iter().map(finding).collect(),
            verdict: Some(verdict),
        }
    }

    fn without_figures(health: Health, text: &str) -> Self {
        Self {
            health,
            text: text.to_owned(),
            figures: Vec::new(),
            findings: Vec::new(),
            verdict: None,
        }
    }

    fn unanswered(error: &Error) -> Self {
        let text = error.text().unwrap_or_default();
        let first = text.lines().next().unwrap_or_default();
        let health = match error {
            Error::Client(error) => unanswered(error),
            _ => Health::Unknown,
        };
        Self::without_figures(health, first)
    }

    fn show(&self, call: &Call) -> io::Result<()> {
        let mut out = super::output();
        if call.flag("json") {
            write_json(&mut out, &self.json(), true)?;
            return out.flush();
        }
        if call.flag("nagios") {
            self.line(&mut out, true)?;
        } else {
            let word = call.colour.paint(self.health.word(), mood(self.health));
            writeln!(out, "{word} - {}", clean(&self.text))?;
        }
        if call.flag("verbose") {
            for finding in &self.findings {
                writeln!(out, "{}", unpiped(&clean(finding)))?;
            }
        }
        out.flush()
    }

    /// The line of a plugin.
    fn line(&self, out: &mut impl Write, figures: bool) -> io::Result<()> {
        let text = clean(&self.text);
        write!(out, "HBD {} - {}", self.health.word(), unpiped(&text))?;
        if figures && !self.figures.is_empty() {
            let figures: Vec<String> = self.figures.iter().map(Figure::text).collect();
            write!(out, " | {}", figures.join(" "))?;
        }
        writeln!(out)
    }

    fn json(&self) -> Value {
        let figures = self.figures.iter();
        let figures = figures.map(|figure| (figure.label.to_owned(), figure.value.into()));
        json!({
            "health": self.health.word(),
            "text": self.text,
            "figures": Value::Object(figures.collect()),
            "verdict": self.verdict,
        })
    }
}

/// A bar separates text and figures.
fn unpiped(text: &str) -> String {
    text.replace('|', "/")
}

fn health(level: Level) -> Health {
    match level {
        Level::Ok | Level::Notice => Health::Ok,
        Level::Warning => Health::Warning,
        Level::Error | Level::Critical => Health::Critical,
    }
}

/// Where hbd does not run or hangs nobody watches over the cluster here; where it may not be asked
/// nobody knows.
fn unanswered(error: &ClientError) -> Health {
    match error {
        ClientError::Connect { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => {
            Health::Unknown
        }
        ClientError::Connect { .. }
        | ClientError::Closed { .. }
        | ClientError::Io { .. }
        | ClientError::TimedOut { .. } => Health::Critical,
        _ => Health::Unknown,
    }
}

fn mood(health: Health) -> Mood {
    match health {
        Health::Ok => Mood::Good,
        Health::Warning | Health::Unknown => Mood::Warning,
        Health::Critical => Mood::Bad,
    }
}

fn figures(snapshot: &Snapshot, verdict: &Verdict) -> Vec<Figure> {
    let view = &snapshot.view;
    let normal = view.nodes.values().filter(|n| n.kind != NodeKind::Ping);
    let (nodes, active) = normal.fold((0, 0), |(all, active), node| {
        let is = node.status == NodeStatus::Active;
        (all + 1, active + usize::from(is))
    });
    let others = view
        .nodes
        .iter()
        .filter(|(name, node)| view.own() != Some(name) && node.kind != NodeKind::Ping);
    let links: Vec<Path> = others
        .flat_map(|(peer, node)| node.links.iter().map(move |link| (peer, link)))
        .map(|(peer, (medium, link))| Path::of(snapshot, peer, medium, link))
        .collect();
    let up = links.iter().filter(|path| **path == Path::Up).count();
    let serious = |f: &&shared::verdict::Finding| Level::from(f.severity) >= Level::Warning;
    let warnings = verdict.findings.iter().filter(serious).count();
    let mut figures = vec![
        Figure::count("nodes_active", active, Some(nodes)),
        Figure::count("links_up", up, Some(links.len())),
        Figure::count("warnings", warnings, None),
    ];
    if let Some(sample) = &snapshot.sample {
        let rhythms = sample.links.iter().filter_map(|link| link.incoming.worst);
        figures.extend(rhythms.max().map(|worst| Figure {
            label: "worst_silence",
            value: millis(worst) as f64,
            unit: "ms",
            most: None,
        }));
        figures.push(Figure {
            label: "worst_lateness",
            value: tenths(sample.worst_lateness),
            unit: "ms",
            most: None,
        });
    }
    figures
}

impl Figure {
    fn count(label: &'static str, value: usize, most: Option<usize>) -> Self {
        Self {
            label,
            value: value as f64,
            unit: "",
            most,
        }
    }

    /// `label=value[unit];warn;crit;min;max`, without what is not known at its end.
    fn text(&self) -> String {
        let most = self.most.map_or(String::new(), |most| format!(";{most}"));
        format!("{}={}{};;;0{most}", self.label, self.value, self.unit)
    }
}
