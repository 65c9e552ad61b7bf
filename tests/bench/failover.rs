//! How long an address is away when its node dies, also right after the other came back, when it is
//! moved and at the start, beside keepalived; and whether it ever moves though nothing died: the lab in
//! `tests/bench/lab`, both systems at 10 ms beats, their runs in turn.

use std::fs;
use std::path::{Path, PathBuf};
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

/// The start needs no short dead time.
const START_PROFILE: &str = "fast";

pub(crate) fn run(size: Size) -> Result<(), Error> {
    let (systems, runs) = match size {
        // Of five the prober stalls hardly in each.
        Size::Small => ("hbd", "5"),
        Size::Full => ("hbd,keepalived", "20"),
    };
    let lab = Laboratory::new(systems)?;
    let (all, moves) = (["--runs", runs], ["--moves", runs, "--rejoins", runs]);
    lab.measure("failover", PROFILE, &[&all[..], &moves].concat())?;
    lab.measure("start", START_PROFILE, &all)?;
    let ours = Measured::read(&lab, "hbd")?;
    let Size::Full = size else {
        return judge(&ours.stated(), size);
    };
    lab.measure("stability", PROFILE, &["--idle", "60", "--burn", "60"])?;
    let theirs = Measured::read(&lab, "keepalived")?;
    let mut figures = figures(&ours, &theirs);
    figures.push(false_takeovers(&lab)?);
    judge(&figures, size)
}

/// The lab, and where it leaves what it measured.
struct Laboratory {
    results: Scratch,
    programs: PathBuf,
    systems: &'static str,
}

impl Laboratory {
    fn new(systems: &'static str) -> Result<Self, Error> {
        let programs = program::of_workspace("hbd")?;
        Ok(Self {
            results: Scratch::new()?,
            programs: programs.parent().unwrap_or(Path::new("/")).to_owned(),
            systems,
        })
    }

    fn measure(&self, what: &str, profile: &str, arguments: &[&str]) -> Result<(), Error> {
        let mut lab = Command::new("python3");
        lab.args([LAB, what, "--profile", profile, "--systems", self.systems]);
        lab.args(arguments);
        lab.env("LAB_RESULTS", self.results.path());
        lab.env("HBD_PROGRAMS", &self.programs);
        let output = error::file("run the lab", lab.output())?;
        match output.status.success() {
            true => Ok(()),
            false => unexpected(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    fn read(&self, kind: &str, profile: &str, system: &str) -> Result<Value, Error> {
        let path = self.results.path();
        let path = path.join(format!("{kind}-{profile}-{system}.json"));
        let text = error::file(format!("read {}", path.display()), fs::read(&path))?;
        serde_json::from_slice(&text)
            .map_err(|error| Error::Unexpected(format!("{}: {error}", path.display())))
    }

    fn runs(&self, kind: &str, profile: &str, system: &str) -> Result<Vec<Value>, Error> {
        let document = self.read(kind, profile, system)?;
        let runs = document["runs"].as_array().cloned().unwrap_or_default();
        match runs.iter().find(|run| !run["failed"].is_null()) {
            Some(failed) => unexpected(format!("{system}, {kind}: {}", failed["failed"])),
            None => Ok(runs),
        }
    }
}

/// How often an address moved though nothing died.
fn false_takeovers(lab: &Laboratory) -> Result<Figure, Error> {
    let mut said = Vec::new();
    let mut held = true;
    for system in ["hbd", "keepalived"] {
        let seen = lab.read("stability", PROFILE, system)?;
        // An address under a lease is set anew all the time: what counts is who answers.
        let changes = |when: &str| seen[when]["node_changes"].as_u64();
        let removed = |when: &str| seen[when]["vip_removed"].as_u64();
        let taken = |when: &str| Some(changes(when)? + removed(when)?);
        let (Some(idle), Some(burned)) = (taken("idle"), taken("burn")) else {
            return unexpected(format!("{system}, stability: {}", seen["failed"]));
        };
        held &= system != "hbd" || idle + burned == 0;
        said.push(format!("{system} {idle} and {burned}"));
    }
    Ok(Figure {
        what: "false takeovers, 60 s idle and 60 s with the processors burned".into(),
        promised: "none".into(),
        measured: said.join("; "),
        held: Some(held),
    })
}

/// The runs of one system, those left out in which the prober itself did not run.
struct Measured {
    gaps: Spread,
    overheads: Spread,
    /// Overheads of kills right after the other node came back.
    rejoins: Spread,
    moves: Spread,
    starts: Spread,
    /// Runs that were left out.
    stalled: usize,
    /// Runs in which the address had moved by itself before its node died.
    moved: usize,
}

impl Measured {
    fn read(lab: &Laboratory, system: &str) -> Result<Self, Error> {
        let failovers = lab.runs("failover", PROFILE, system)?;
        let rejoins = lab.runs("rejoin", PROFILE, system)?;
        let moves = lab.runs("move", PROFILE, system)?;
        let starts = lab.runs("start", START_PROFILE, system)?;
        // A start has no prober that could stall.
        let quiet = |run: &&Value| run["prober_stalls"].as_u64().unwrap_or_default() == 0;
        let moved = |run: &&Value| run["moved_before"] == true;
        let spread = |runs: &[Value], key: &str| {
            let quiet = runs.iter().filter(quiet);
            Spread::of(quiet.filter_map(|run| run[key].as_f64()))
        };
        let stalled = |runs: &[Value]| runs.len() - runs.iter().filter(quiet).count();
        Ok(Self {
            gaps: spread(&failovers, "gap_ms")?,
            overheads: spread(&failovers, "overhead_ms")?,
            rejoins: spread(&rejoins, "overhead_ms")?,
            moves: spread(&moves, "gap_ms")?,
            starts: spread(&starts, "start_ms")?,
            stalled: stalled(&failovers) + stalled(&rejoins) + stalled(&moves),
            moved: [failovers, rejoins].iter().flatten().filter(moved).count(),
        })
    }

    /// What it is, beside nothing.
    fn stated(&self) -> Vec<Figure> {
        vec![
            Figure::stated("failover at 10 ms / 30 ms", self.gaps.text()),
            Figure::stated("overhead right after a rejoin", self.rejoins.text()),
            Figure::stated("planned move", self.moves.text()),
            Figure::stated("start of a pair", self.starts.text()),
        ]
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

fn figures(ours: &Measured, theirs: &Measured) -> Vec<Figure> {
    let beside =
        |own: &Spread, other: &Spread| format!("{}; keepalived {}", own.text(), other.text());
    vec![
        Figure {
            what: "failover at 10 ms / 30 ms, beside keepalived at 10 ms".into(),
            promised: "median not above keepalived's".into(),
            measured: beside(&ours.gaps, &theirs.gaps),
            held: Some(ours.gaps.tenth(5) <= theirs.gaps.tenth(5)),
        },
        Figure {
            what: "its overhead beyond the dead time".into(),
            promised: "median at most 5 ms, p90 at most 15".into(),
            measured: ours.overheads.text(),
            held: Some(ours.overheads.tenth(5) <= 5.0 && ours.overheads.tenth(9) <= 15.0),
        },
        Figure {
            what: "the same right after the other node came back".into(),
            promised: "as without that".into(),
            measured: beside(&ours.rejoins, &theirs.rejoins),
            held: Some(ours.rejoins.tenth(5) <= 5.0 && ours.rejoins.tenth(9) <= 15.0),
        },
        Figure {
            what: "planned move, beside keepalived".into(),
            promised: "median at most half of keepalived's".into(),
            measured: beside(&ours.moves, &theirs.moves),
            held: Some(ours.moves.tenth(5) <= theirs.moves.tenth(5) / 2.0),
        },
        Figure {
            what: "start of a pair to the first answer, at 20 ms / 60 ms".into(),
            promised: "median not above keepalived's".into(),
            measured: beside(&ours.starts, &theirs.starts),
            held: Some(ours.starts.tenth(5) <= theirs.starts.tenth(5)),
        },
        Figure::stated(
            "runs in which the prober stalled, left out",
            format!("hbd {}, keepalived {}", ours.stalled, theirs.stalled),
        ),
        Figure::stated(
            "runs in which the address had moved by itself before its node died, left out",
            format!("hbd {}, keepalived {}", ours.moved, theirs.moved),
        ),
    ]
}
