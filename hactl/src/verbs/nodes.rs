//! `hactl nodes`: every node, one line each.

use clap::Command;
use serde_json::{Value, json};
use shared::api::Snapshot;
use shared::event::{LinkStatus, NodeKind, NodeStatus};
use shared::exit::Exit;
use shared::names::NodeName;
use shared::sample::NodeSample;
use shared::verdict::Path;
use shared::view::NodeView;

use crate::cli::{Call, Example, Verb, absolute, formats, table};
use crate::error::Error;
use crate::print::Mood;
use crate::print::clock::{millis, of_counters};
use crate::print::columns::{Align, Cell, Column};

pub(crate) const VERB: Verb = Verb {
    name: "nodes",
    about: "Shows every node with its status, and how near it is to being declared dead",
    text: "\
Each line is a node as the asked node sees it. Times are ages, and with --plain milliseconds and
dates; --absolute shows dates. The node itself has no links and no dead time, since it hears itself.",
    examples: &[
        Example {
            line: "hactl nodes",
            about: "all of them",
        },
        Example {
            line: "hactl nodes bob -o all",
            about: "everything about bob",
        },
        Example {
            line: "hactl nodes --json",
            about: "for programs",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    let nodes = super::nodes_argument("Only these nodes");
    absolute(table(formats(command.arg(nodes)), COLUMNS))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let snapshot = call.client()?.snapshot()?;
    let mut rows = rows(&snapshot);
    super::keep_named(call, &snapshot.view, &mut rows, |row| &row.name)?;
    super::show_rows(call, COLUMNS, &rows, &call.clock(snapshot.at))
}

/// A node with its counters.
pub(crate) struct Row {
    pub(crate) name: NodeName,
    view: NodeView,
    sample: Option<NodeSample>,
    links_up: usize,
    own: bool,
    /// From which the counters' moments are seen.
    at: shared::time::Moment,
}

/// The nodes, in the order of `ha.cf`.
pub(crate) fn rows(snapshot: &Snapshot) -> Vec<Row> {
    let configured = snapshot.view.started.iter().flat_map(|s| &s.nodes);
    let order: Vec<&NodeName> = configured.map(|node| &node.name).collect();
    let place = |name: &NodeName| order.iter().position(|n| *n == name).unwrap_or(order.len());
    let mut rows: Vec<Row> = snapshot
        .view
        .nodes
        .iter()
        .map(|(name, view)| Row {
            name: name.clone(),
            view: view.clone(),
            sample: snapshot
                .sample
                .iter()
                .flat_map(|sample| &sample.nodes)
                .find(|sample| sample.node == *name)
                .cloned(),
            links_up: view
                .links
                .iter()
                .filter(|(medium, link)| Path::of(snapshot, name, medium, link) == Path::Up)
                .count(),
            own: snapshot.view.own() == Some(name),
            at: of_counters(snapshot),
        })
        .collect();
    rows.sort_by_key(|row| place(&row.name));
    rows
}

impl Row {
    /// Alive and dead links, in words.
    fn links(&self) -> String {
        if self.own || self.view.links.is_empty() {
            return String::new();
        }
        format!("{} of {} up", self.links_up, self.view.links.len())
    }

    fn links_mood(&self) -> Mood {
        match self.links_up == self.view.links.len() {
            true => Mood::Plain,
            false if self.own => Mood::Plain,
            false => Mood::Warning,
        }
    }
}

/// The mood of a node's status.
fn mood(status: NodeStatus) -> Mood {
    match status {
        NodeStatus::Active | NodeStatus::Ping => Mood::Good,
        NodeStatus::Init | NodeStatus::Up => Mood::Warning,
        NodeStatus::Dead => Mood::Bad,
    }
}

fn kind(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Normal => "normal",
        NodeKind::Ping => "ping",
        NodeKind::Witness => "witness",
    }
}

/// What is out of order with a node besides its status.
fn trouble(view: &NodeView) -> Vec<&'static str> {
    let mut words = Vec::new();
    if view.unauthenticated.is_some() {
        words.push("not-authenticated");
    }
    if view.not_heard {
        words.push("not-heard");
    }
    if view.declared_dead.is_some_and(|it| it.over.is_none()) {
        words.push("declared-dead");
    }
    if view.jeopardy.is_some() {
        words.push("jeopardy");
    }
    words
}

/// The columns.
pub(crate) const COLUMNS: &[Column<Row>] = &[
    Column {
        name: "node",
        heading: "NODE",
        about: "Name of the node.",
        align: Align::Left,
        usual: true,
        cell: |row, _| Cell::new(&row.name),
        json: |row| json!(row.name),
    },
    Column {
        name: "kind",
        heading: "KIND",
        about: "normal or ping.",
        align: Align::Left,
        usual: false,
        cell: |row, _| Cell::new(kind(row.view.kind)),
        json: |row| json!(kind(row.view.kind)),
    },
    Column {
        name: "own",
        heading: "OWN",
        about: "True for the node that was asked.",
        align: Align::Left,
        usual: false,
        cell: |row, _| Cell::new(if row.own { "yes" } else { "no" }),
        json: |row| json!(row.own),
    },
    Column {
        name: "status",
        heading: "STATUS",
        about: "init (not heard yet), up (joining), active, ping (a ping node that answers) or dead.",
        align: Align::Left,
        usual: true,
        cell: |row, _| Cell::in_mood(row.view.status, mood(row.view.status)),
        json: |row| json!(row.view.status),
    },
    Column {
        name: "trouble",
        heading: "TROUBLE",
        about: "What else is out of order: not-authenticated, not-heard (it does not hear this node), \
                declared-dead (it declared this node dead), \
                jeopardy (one of several links is left). In JSON a list of these words.",
        align: Align::Left,
        usual: true,
        cell: |row, _| Cell::in_mood(trouble(&row.view).join(","), Mood::Bad),
        json: |row| json!(trouble(&row.view)),
    },
    Column {
        name: "since",
        heading: "SINCE",
        about: "When the status began. In JSON a date.",
        align: Align::Left,
        usual: true,
        cell: |row, clock| Cell::new(clock.stamp(row.view.since)),
        json: |row| json!(row.view.since.wall.to_string()),
    },
    Column {
        name: "links",
        heading: "LINKS",
        about: "How many of the links to it are up. In JSON an object with the fields up and configured.",
        align: Align::Left,
        usual: true,
        cell: |row, _| Cell::in_mood(row.links(), row.links_mood()),
        json: |row| match row.own {
            true => Value::Null,
            false => json!({
                "up": row.view.links.values().filter(|l| l.status == LinkStatus::Up).count(),
                "configured": row.view.links.len(),
            }),
        },
    },
    Column {
        name: "heard_ms",
        heading: "HEARD",
        about: "How long ago its last beat came in. In JSON in milliseconds.",
        align: Align::Right,
        usual: true,
        cell: |row, clock| {
            let heard = row.sample.as_ref().and_then(|sample| sample.heard);
            Cell::known(heard.map(|at| clock.moment(at, row.at)))
        },
        json: |row| {
            let heard = row.sample.as_ref().and_then(|sample| sample.heard);
            json!(heard.map(|at| millis(row.at.since(at))))
        },
    },
    Column {
        name: "dead_in_ms",
        heading: "DEAD IN",
        about: "How long until it is declared dead unless a beat comes. In JSON in milliseconds.",
        align: Align::Right,
        usual: true,
        cell: |row, clock| {
            let dead_at = row.sample.as_ref().and_then(|sample| sample.dead_at);
            Cell::known(dead_at.map(|at| clock.ahead(at, row.at)))
        },
        json: |row| {
            let dead_at = row.sample.as_ref().and_then(|sample| sample.dead_at);
            json!(dead_at.map(|at| millis(at.since(row.at))))
        },
    },
    Column {
        name: "deadtime_ms",
        heading: "DEADTIME ms",
        about: "The dead time that applies to it, in milliseconds.",
        align: Align::Right,
        usual: false,
        cell: |row, _| Cell::known(row.sample.as_ref().map(|sample| millis(sample.deadtime))),
        json: |row| json!(row.sample.as_ref().map(|sample| millis(sample.deadtime))),
    },
    Column {
        name: "confirmed_ms",
        heading: "CONFIRMED",
        about: "How long ago the last beat of the asked node was sent that it confirms. In JSON in \
                milliseconds; null where it does not confirm, as a Heartbeat does not.",
        align: Align::Right,
        usual: false,
        cell: |row, clock| {
            let confirmed = row.sample.as_ref().and_then(|sample| sample.confirmed);
            Cell::known(confirmed.map(|at| clock.moment(at, row.at)))
        },
        json: |row| {
            let confirmed = row.sample.as_ref().and_then(|sample| sample.confirmed);
            json!(confirmed.map(|at| millis(row.at.since(at))))
        },
    },
    Column {
        name: "load",
        heading: "LOAD",
        about: "Its load average, as it reports it; the table shows the first of its numbers.",
        align: Align::Right,
        usual: true,
        cell: |row, _| {
            let load = row
                .sample
                .as_ref()
                .and_then(|sample| sample.load.as_deref());
            Cell::known(load.and_then(|load| load.split_whitespace().next()))
        },
        json: |row| {
            json!(
                row.sample
                    .as_ref()
                    .and_then(|sample| sample.load.as_deref())
            )
        },
    },
    Column {
        name: "generation",
        heading: "GENERATION",
        about: "Which of its lives this is; grows with each start of its daemon.",
        align: Align::Right,
        usual: true,
        cell: |row, _| Cell::known(row.view.generation),
        json: |row| json!(row.view.generation),
    },
    Column {
        name: "restarts",
        heading: "RESTARTS",
        about: "Lives that ended and began without a death in between.",
        align: Align::Right,
        usual: false,
        cell: |row, _| Cell::new(row.view.restarts),
        json: |row| json!(row.view.restarts),
    },
    Column {
        name: "program",
        heading: "PROGRAM",
        about: "What it runs: heartbeat, or hbd; of the asked node with its version, of a peer with its \
                level, which says what it understands and not which version it is.",
        align: Align::Left,
        usual: true,
        cell: |row, _| Cell::known(row.view.program.as_deref()),
        json: |row| json!(row.view.program),
    },
    Column {
        name: "uuid",
        heading: "UUID",
        about: "Its lasting identity.",
        align: Align::Left,
        usual: false,
        cell: |row, _| Cell::known(row.view.uuid),
        json: |row| json!(row.view.uuid),
    },
    Column {
        name: "reason",
        heading: "WHY",
        about: "Why it has this status.",
        align: Align::Left,
        usual: true,
        cell: |row, _| match row.own {
            true => Cell::new(format!("this node: {}", row.view.reason)),
            false => Cell::new(&row.view.reason),
        },
        json: |row| json!(row.view.reason),
    },
];
