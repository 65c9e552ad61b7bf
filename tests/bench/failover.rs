//! How long an address is away when its node dies, and when it is moved, beside keepalived: the lab in
//! `tests/bench/lab`, both systems at 10 ms beats, their runs in turn.

use std::fs;
use std::path::Path;
use std::process::Command;

use hbd_tests::error::{self, Error, unexpected};
use hbd_tests::program;
use hbd_tests::scratch::Scratch;
use serde_json::Value;

use crate::Size;
use crate::figure::{Figure, judge};

const LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/lab/run.py");
/// Both have settings for it: 10 ms beats, dead after 30 ms, and after 34 to 36.
const PROFILE: &str = "min";

pub(crate) fn run(size: Size) -> Result<(), Error> {
    let (systems, runs) = match size {
        Size::Small => ("hbd", "1"),
        Size::Full => ("hbd,keepalived", "20"),
    };
    let results = Scratch::new()?;
    let programs = program::of_workspace("hbd")?;
    let programs = programs.parent().unwrap_or(Path::new("/"));
    let mut lab = Command::new("python3");
    lab.args([LAB, "failover", "--profile", PROFILE, "--systems", systems]);
    lab.args(["--runs", runs, "--moves", runs]);
    lab.env("LAB_RESULTS", results.path());
    lab.env("HBD_PROGRAMS", programs);
    let output = error::file("run the lab", lab.output())?;
    if !output.status.success() {
        return unexpected(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let ours = Measured::read(results.path(), "hbd")?;
    let theirs = match size {
        Size::Small => None,
        Size::Full => Some(Measured::read(results.path(), "keepalived")?),
    };
    judge(&figures(&ours, theirs.as_ref()), size)
}

/// The runs of one system, those left out in which the prober itself did not run.
struct Measured {
    gaps: Spread,
    overheads: Spread,
    moves: Spread,
    /// Runs that were left out.
    stalled: usize,
}

impl Measured {
    fn read(results: &Path, system: &str) -> Result<Self, Error> {
        let failovers = runs(results, "failover", system)?;
        let moves = runs(results, "move", system)?;
        let quiet = |run: &&Value| run["prober_stalls"] == 0;
        let spread = |runs: &[Value], key: &str| {
            Spread::of(
                runs.iter()
                    .filter(quiet)
                    .filter_map(|run| run[key].as_f64()),
            )
        };
        let stalled = |runs: &[Value]| runs.len() - runs.iter().filter(quiet).count();
        Ok(Self {
            gaps: spread(&failovers, "gap_ms")?,
            overheads: spread(&failovers, "overhead_ms")?,
            moves: spread(&moves, "gap_ms")?,
            stalled: stalled(&failovers) + stalled(&moves),
        })
    }
}

fn runs(results: &Path, kind: &str, system: &str) -> Result<Vec<Value>, Error> {
    let path = results.join(format!("{kind}-{PROFILE}-{system}.json"));
    let text = error::file(format!("read {}", path.display()), fs::read(&path))?;
    let document: Value = serde_json::from_slice(&text)
        .map_err(|error| Error::Unexpected(format!("{}: {error}", path.display())))?;
    let runs = document["runs"].as_array().cloned().unwrap_or_default();
    match runs.iter().find(|run| !run["failed"].is_null()) {
        Some(failed) => unexpected(format!("{system}, {kind}: {}", failed["failed"])),
        None => Ok(runs),
    }
}

/// Sorted, in milliseconds; at least one.
struct Spread(Vec<f64>);

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Result<Self, Error> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        match values.is_empty() {
            true => unexpected("the prober stalled in every run".to_owned()),
            false => Ok(Self(values)),
        }
    }

    /// The value below which so many tenths of them lie.
    fn tenth(&self, tenths: usize) -> f64 {
        self.0[(self.0.len() - 1) * tenths / 10]
    }

    fn text(&self) -> String {
        let (first, last) = (self.0[0], self.0[self.0.len() - 1]);
        let (median, ninth) = (self.tenth(5), self.tenth(9));
        let count = self.0.len();
        format!("median {median:.1} ms, p90 {ninth:.1} ({first:.1} to {last:.1}, {count} runs)")
    }
}

fn figures(ours: &Measured, theirs: Option<&Measured>) -> Vec<Figure> {
    let Some(theirs) = theirs else {
        return vec![
            Figure::stated("failover at 10 ms / 30 ms", ours.gaps.text()),
            Figure::stated("planned move", ours.moves.text()),
        ];
    };
    let left_out = Figure::stated(
        "runs in which the prober stalled, left out",
        format!("hbd {}, keepalived {}", ours.stalled, theirs.stalled),
    );
    vec![
        Figure {
            what: "failover at 10 ms / 30 ms, beside keepalived at 10 ms".into(),
            promised: "median not above keepalived's".into(),
            measured: format!("{}; keepalived {}", ours.gaps.text(), theirs.gaps.text()),
            held: Some(ours.gaps.tenth(5) <= theirs.gaps.tenth(5)),
        },
        Figure {
            what: "its overhead beyond the dead time".into(),
            promised: "median at most 5 ms, p90 at most 15".into(),
            measured: ours.overheads.text(),
            held: Some(ours.overheads.tenth(5) <= 5.0 && ours.overheads.tenth(9) <= 15.0),
        },
        Figure {
            what: "planned move, beside keepalived".into(),
            promised: "median at most half of keepalived's".into(),
            measured: format!("{}; keepalived {}", ours.moves.text(), theirs.moves.text()),
            held: Some(ours.moves.tenth(5) <= theirs.moves.tenth(5) / 2.0),
        },
        left_out,
    ]
}
