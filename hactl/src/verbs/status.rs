//! `hactl status`: one screen, the verdict first.
//!
//! ```text
//! alice: 2 of 3 nodes active (carol dead), 1 of 4 links up; bob in jeopardy (only eth0 left)
//!
//!   NODE   STATUS  TROUBLE   SINCE    LINKS      WHY
//!   alice  active  -         3m ago   -          this node: nobody else lives
//!   bob    active  jeopardy  3m ago   1 of 2 up  it says so
//!   carol  dead    -         12s ago  0 of 2 up  silent for 6.02 s, dead time 6 s
//!
//!   MEDIUM  STATE  SINCE   LINKS      WHAT
//!   eth0    open   3m ago  1 of 2 up  bcast eth0 port 694
//!   eth1    open   3m ago  0 of 2 up  bcast eth1 port 694
//!
//! To look at:
//!   warning   node bob is in jeopardy (only eth0 left), since 3m ago
//!             -> repair eth1 before eth0 fails too
//!
//! hbd 0.1.0, generation 17 since 3m ago, 180 beats sent, 3 ms at worst too late
//! keepalive 1 s, warntime 2 s, deadtime 6 s, initdead 60 s
//! ```

use std::io::{self, Write};

use clap::Command;
use serde::Serialize;
use serde_json::json;
use shared::api::{Hello, Snapshot};
use shared::event::{MediumStatus, Span};
use shared::exit::Exit;
use shared::names::MediumName;
use shared::verdict::{Finding, Level, Path, Verdict};
use shared::view::MediumView;

use crate::cli::{Call, Example, Verb, absolute, formats};
use crate::error::Error;
use crate::print::clock::Clock;
use crate::print::columns::{self, Align, Cell, Column};
use crate::print::table::{self, Look};
use crate::print::{Colour, Mood, clean, json as write_json};
use crate::verbs::{events, groups, nodes};

pub(crate) const VERB: Verb = Verb {
    name: "status",
    about: "Shows what is wrong in one sentence, then nodes, media and what to look at",
    text: "\
The first line is the verdict. The exit code says only whether the daemon answered; programs read
the verdict's level in --json.",
    examples: &[
        Example {
            line: "hactl status",
            about: "one screen",
        },
        Example {
            line: "hactl status --json",
            about: "for programs: verdict, view and counters",
        },
        Example {
            line: "hactl status --plain | grep ^finding",
            about: "what is not as it should be",
        },
    ],
    arguments,
    run,
};

/// The columns of `hactl nodes` that fit on this screen.
const NODE_COLUMNS: [&str; 7] = [
    "node", "status", "trouble", "since", "links", "heard_ms", "reason",
];

/// The columns of `hactl groups` that fit.
const GROUP_COLUMNS: [&str; 6] = ["group", "state", "node", "since", "preferred", "reason"];

fn arguments(command: Command) -> Command {
    absolute(formats(command))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let mut client = call.client()?;
    let snapshot = client.snapshot()?;
    let hello = client.hello();
    let verdict = Verdict::of(&hello.node, &snapshot);
    let mut out = super::output();
    if call.flag("json") {
        write_json(&mut out, &report(hello, &verdict, &snapshot), true)?;
    } else {
        let screen = Screen {
            hello,
            verdict: &verdict,
            snapshot: &snapshot,
            clock: call.clock(snapshot.at),
            colour: call.colour,
        };
        match call.flag("plain") {
            true => screen.plain(&mut out)?,
            false => screen.draw(&mut out)?,
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// What `--json` writes.
#[derive(Serialize)]
struct Report<'a> {
    node: &'a str,
    version: &'a str,
    time: String,
    verdict: &'a Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
    #[serde(flatten)]
    snapshot: &'a Snapshot,
}

fn report<'a>(hello: &'a Hello, verdict: &'a Verdict, snapshot: &'a Snapshot) -> Report<'a> {
    Report {
        node: hello.node.as_str(),
        version: &hello.version,
        time: snapshot.at.wall.to_string(),
        verdict,
        hint: hint(snapshot),
        snapshot,
    }
}

/// All that is shown.
pub(crate) struct Screen<'a> {
    pub(crate) hello: &'a Hello,
    pub(crate) verdict: &'a Verdict,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) clock: Clock,
    pub(crate) colour: Colour,
}

/// A part of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Verdict,
    Nodes,
    Media,
    Groups,
    Findings,
    Daemon,
}

impl Part {
    /// All, in the order in which they are drawn.
    pub(crate) const ALL: [Self; 6] = [
        Self::Verdict,
        Self::Nodes,
        Self::Media,
        Self::Groups,
        Self::Findings,
        Self::Daemon,
    ];
    /// All, where there is no room for all of them: what is wrong goes before how it is.
    pub(crate) const URGENT_FIRST: [Self; 6] = [
        Self::Verdict,
        Self::Findings,
        Self::Groups,
        Self::Nodes,
        Self::Media,
        Self::Daemon,
    ];

    /// What it shows, in a word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Verdict => "the verdict",
            Self::Nodes => "nodes",
            Self::Media => "media",
            Self::Groups => "groups",
            Self::Findings => "findings",
            Self::Daemon => "times",
        }
    }
}

impl Screen<'_> {
    /// Draws it for people.
    pub(crate) fn draw(&self, out: &mut impl Write) -> io::Result<()> {
        let mut parts = Part::ALL.into_iter();
        parts.try_for_each(|part| self.part(part, out))
    }

    /// Draws one part, with an empty line before it where it is not the first.
    pub(crate) fn part(&self, part: Part, out: &mut impl Write) -> io::Result<()> {
        match part {
            Part::Verdict => {
                let mood = verdict_mood(self.verdict.level);
                let sentence = clean(&self.verdict.sentence);
                writeln!(out, "{}", self.colour.paint(&sentence, mood))
            }
            Part::Nodes => {
                let wanted = columns::select(nodes::COLUMNS, Some(NODE_COLUMNS.to_vec()));
                self.table(out, wanted, &nodes::rows(self.snapshot))
            }
            Part::Media => {
                let wanted = MEDIA_COLUMNS.iter().collect();
                self.table(out, wanted, &media(self.snapshot))
            }
            Part::Groups => {
                let wanted = columns::select(groups::COLUMNS, Some(GROUP_COLUMNS.to_vec()));
                self.table(out, wanted, &groups::rows(self.snapshot))
            }
            Part::Findings => self.findings(out),
            Part::Daemon => self.daemon(out),
        }
    }

    fn table<R>(
        &self,
        out: &mut impl Write,
        wanted: Vec<&Column<R>>,
        rows: &[R],
    ) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let look = Look {
            colour: self.colour,
            plain: false,
            headings: true,
            indent: "  ",
        };
        writeln!(out)?;
        table::write(out, wanted, rows, &self.clock, look)
    }

    fn findings(&self, out: &mut impl Write) -> io::Result<()> {
        if self.verdict.findings.is_empty() {
            return Ok(());
        }
        let heading = self.colour.paint("To look at:", Mood::Heading);
        writeln!(out, "\n{heading}")?;
        for finding in &self.verdict.findings {
            self.finding(out, finding)?;
        }
        Ok(())
    }

    fn finding(&self, out: &mut impl Write, finding: &Finding) -> io::Result<()> {
        let severity = self.colour.paint(
            &format!("{:8}", finding.severity),
            events::mood(finding.severity),
        );
        write!(out, "  {severity}  {}", clean(&finding.what))?;
        if let Some(since) = finding.since {
            write!(out, ", since {}", self.clock.stamp(since))?;
        }
        writeln!(out)?;
        match &finding.remedy {
            Some(remedy) => writeln!(out, "  {:8}  -> {}", "", clean(remedy)),
            None => Ok(()),
        }
    }

    fn daemon(&self, out: &mut impl Write) -> io::Result<()> {
        let view = &self.snapshot.view;
        let mut lines = vec![format!("hbd {}", self.hello.version)];
        if let (Some(started), Some(since)) = (&view.started, view.since) {
            let since = self.clock.stamp(since);
            lines[0] += &format!(", generation {} since {since}", started.generation);
            lines.push(format!(
                "keepalive {}, warntime {}, deadtime {}, initdead {}",
                Span(started.keepalive),
                Span(started.warntime),
                Span(started.deadtime),
                Span(started.initdead)
            ));
        }
        if let Some(sample) = &self.snapshot.sample {
            lines[0] += &format!(
                ", {} beats sent, {} at worst too late",
                sample.beats,
                Span(sample.worst_lateness)
            );
        }
        lines.extend(hint(self.snapshot).map(str::to_owned));
        writeln!(out)?;
        for line in &lines {
            writeln!(out, "{}", self.colour.paint(&clean(line), Mood::Faint))?;
        }
        Ok(())
    }

    /// One record a line, its sort first.
    fn plain(&self, out: &mut impl Write) -> io::Result<()> {
        let Verdict {
            level, sentence, ..
        } = self.verdict;
        record(out, &["verdict", level.word(), sentence])?;
        let nodes = nodes::rows(self.snapshot);
        let wanted = columns::select(nodes::COLUMNS, Some(NODE_COLUMNS.to_vec()));
        for row in &nodes {
            let cells = table::cells(&wanted, row, &self.clock, true);
            sort_and_cells(out, "node", &cells)?;
        }
        let wanted: Vec<_> = MEDIA_COLUMNS.iter().collect();
        for row in &media(self.snapshot) {
            let cells = table::cells(&wanted, row, &self.clock, true);
            sort_and_cells(out, "medium", &cells)?;
        }
        let wanted = columns::select(groups::COLUMNS, Some(GROUP_COLUMNS.to_vec()));
        for row in &groups::rows(self.snapshot) {
            let cells = table::cells(&wanted, row, &self.clock, true);
            sort_and_cells(out, "group", &cells)?;
        }
        for finding in &self.verdict.findings {
            let object = finding.object.to_string();
            let remedy = finding.remedy.as_deref().unwrap_or(table::NOTHING);
            let fields = [
                "finding",
                finding.severity.word(),
                &object,
                &finding.what,
                remedy,
            ];
            record(out, &fields)?;
        }
        hint(self.snapshot).map_or(Ok(()), |hint| record(out, &["hint", hint]))
    }
}

/// What holds as long as the cluster is configured as it is, and is nobody's fault.
fn hint(snapshot: &Snapshot) -> Option<&'static str> {
    let unfenced = !snapshot.groups.is_empty() && !snapshot.fenced;
    unfenced.then_some(
        "no fencing: two owners are possible for a bounded time if every path fails at once; see \
         hbd-splits(7)",
    )
}

fn sort_and_cells(out: &mut impl Write, sort: &str, cells: &[Cell]) -> io::Result<()> {
    let texts = cells.iter().map(|cell| cell.text.as_str());
    let fields: Vec<&str> = std::iter::once(sort).chain(texts).collect();
    record(out, &fields)
}

fn record(out: &mut impl Write, fields: &[&str]) -> io::Result<()> {
    let fields: Vec<_> = fields.iter().map(|field| clean(field)).collect();
    writeln!(out, "{}", fields.join("\t"))
}

fn verdict_mood(level: Level) -> Mood {
    match level {
        Level::Ok | Level::Notice => Mood::Good,
        Level::Warning => Mood::Warning,
        Level::Error | Level::Critical => Mood::Bad,
    }
}

/// A medium and how many of its links are up.
struct MediumRow {
    name: MediumName,
    view: MediumView,
    up: usize,
    links: usize,
}

fn media(snapshot: &Snapshot) -> Vec<MediumRow> {
    let view = &snapshot.view;
    let row = |(name, medium): (&MediumName, &MediumView)| {
        let others = view
            .nodes
            .iter()
            .filter(|(node, _)| view.own() != Some(node));
        let links: Vec<_> = others
            .filter_map(|(peer, node)| Some((peer, node.links.get(name)?)))
            .map(|(peer, link)| Path::of(snapshot, peer, name, link))
            .collect();
        MediumRow {
            name: name.clone(),
            view: medium.clone(),
            up: links.iter().filter(|path| **path == Path::Up).count(),
            links: links.len(),
        }
    };
    view.media.iter().map(row).collect()
}

/// The state of a medium, in a word.
fn state(status: Option<&MediumStatus>) -> Cell {
    match status {
        None => Cell::in_mood("not opened", Mood::Warning),
        Some(MediumStatus::Open) => Cell::in_mood("open", Mood::Good),
        Some(MediumStatus::Missing { .. }) => Cell::in_mood("unavailable", Mood::Warning),
        Some(MediumStatus::Failed { .. }) => Cell::in_mood("failed", Mood::Bad),
    }
}

const MEDIA_COLUMNS: &[Column<MediumRow>] = &[
    Column {
        name: "medium",
        heading: "MEDIUM",
        about: "Name of the medium.",
        align: Align::Left,
        usual: true,
        cell: |row, _| Cell::new(&row.name),
        json: |row| json!(row.name),
    },
    Column {
        name: "state",
        heading: "STATE",
        about: "open, unavailable (in JSON missing) or failed.",
        align: Align::Left,
        usual: true,
        cell: |row, _| state(row.view.status.as_ref()),
        json: |row| json!(row.view.status),
    },
    Column {
        name: "since",
        heading: "SINCE",
        about: "When the state began.",
        align: Align::Left,
        usual: true,
        cell: |row, clock| match row.view.status {
            Some(_) => Cell::new(clock.stamp(row.view.since)),
            None => Cell::new(""),
        },
        json: |row| {
            let since = row
                .view
                .status
                .as_ref()
                .map(|_| row.view.since.wall.to_string());
            json!(since)
        },
    },
    Column {
        name: "links",
        heading: "LINKS",
        about: "How many of the links over it are up.",
        align: Align::Left,
        usual: true,
        cell: |row, _| Cell::new(format!("{} of {} up", row.up, row.links)),
        json: |row| json!(row.up),
    },
    Column {
        name: "description",
        heading: "WHAT",
        about: "What it is; of a serial port the modem lines that the other end raises.",
        align: Align::Left,
        usual: true,
        cell: |row, _| match row.view.lines {
            Some(lines) => Cell::new(format!("{}, raised: {lines}", row.view.description)),
            None => Cell::new(&row.view.description),
        },
        json: |row| json!(row.view.description),
    },
];
