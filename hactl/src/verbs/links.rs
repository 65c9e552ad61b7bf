//! `hactl links`: every path to every peer with its quality, per direction.

use clap::Command;
use serde_json::json;
use shared::api::Snapshot;
use shared::exit::Exit;
use shared::names::LinkName;
use shared::sample::LinkSample;
use shared::time::Moment;
use shared::verdict::Path;
use shared::view::LinkView;

use crate::cli::{Call, Example, Verb, absolute, formats, table};
use crate::error::Error;
use crate::print::Mood;
use crate::print::clock::{millis, of_counters, tenths};
use crate::print::columns::{Align, Cell, Column};

pub(crate) const VERB: Verb = Verb {
    name: "links",
    about: "Shows every link with its quality, per direction",
    text: "\
A link is one path to one peer. RECV to WORST are about packets from the peer: LATE counts beats
that came later than warntime, LAST, BEST and WORST are times between two beats, JITTER is their
mean deviation from keepalive. SENT to CONFIRMED are about packets to the peer, as far as it tells;
a Heartbeat does not. The former count since the core started, the latter since the peer's life
began.",
    examples: &[
        Example {
            line: "hactl links",
            about: "all of them",
        },
        Example {
            line: "hactl links bob",
            about: "those to bob",
        },
        Example {
            line: "hactl links -o link,status,lost_percent,worst_ms",
            about: "these columns",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    let nodes = super::nodes_argument("Only links to these nodes");
    absolute(table(formats(command.arg(nodes)), COLUMNS))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let snapshot = call.client()?.snapshot()?;
    let mut rows = rows(&snapshot);
    super::keep_named(call, &snapshot.view, &mut rows, |row| &row.name.peer)?;
    super::show_rows(call, COLUMNS, &rows, &call.clock(snapshot.at))
}

/// A link with its counters.
pub(crate) struct Row {
    pub(crate) name: LinkName,
    pub(crate) view: LinkView,
    sample: Option<LinkSample>,
    path: Path,
    peer_lives: bool,
    /// From which the counters' moments are seen.
    at: Moment,
}

/// The links to other nodes, by node and medium.
pub(crate) fn rows(snapshot: &Snapshot) -> Vec<Row> {
    let view = &snapshot.view;
    let others = view
        .nodes
        .iter()
        .filter(|(name, _)| view.own() != Some(name));
    let links = others.flat_map(|(peer, node)| {
        let lives = node.status.is_alive();
        node.links.iter().map(move |link| (peer, lives, link))
    });
    links
        .map(|(peer, peer_lives, (medium, view))| {
            let name = LinkName {
                peer: peer.clone(),
                medium: medium.clone(),
            };
            let samples = snapshot.sample.iter().flat_map(|sample| &sample.links);
            Row {
                sample: samples
                    .into_iter()
                    .find(|sample| sample.link == name)
                    .cloned(),
                path: Path::of(snapshot, peer, medium, view),
                name,
                view: view.clone(),
                peer_lives,
                at: of_counters(snapshot),
            }
        })
        .collect()
}

impl Row {
    fn incoming(&self) -> Option<&shared::sample::Incoming> {
        self.sample.as_ref().map(|sample| &sample.incoming)
    }

    fn outgoing(&self) -> Option<&shared::sample::Outgoing> {
        self.sample.as_ref().map(|sample| &sample.outgoing)
    }

    /// Of what the peer sent over this link, how much did not arrive.
    fn lost_percent(&self) -> Option<f64> {
        let incoming = self.incoming()?;
        percent(incoming.lost, incoming.lost + incoming.received)
    }

    /// How many messages were sent over this link; nothing while its medium is not open.
    fn sent(&self) -> Option<u64> {
        let outgoing = self.outgoing().filter(|_| self.path != Path::NoMedium);
        outgoing.map(|outgoing| outgoing.sent)
    }

    /// Of what was sent over this link up to the last message that the peer confirms, how much did
    /// not arrive. What went out later may still be on its way, and a dead peer confirms nothing.
    fn out_lost_percent(&self) -> Option<f64> {
        let outgoing = self.outgoing().filter(|_| self.peer_lives)?;
        let sent = outgoing.confirmed_count?;
        percent(sent.saturating_sub(outgoing.received?), sent)
    }

    fn status(&self) -> Cell {
        let mood = match self.path {
            Path::Up => Mood::Good,
            Path::Init | Path::Returning => Mood::Warning,
            Path::OneWay | Path::NoMedium | Path::Dead => Mood::Bad,
        };
        Cell::in_mood(self.path, mood)
    }
}

/// Hundredths, in tenths; nothing of nothing.
fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 * 1000.0 / whole as f64).round() / 10.0)
}

fn percent_cell(percent: Option<f64>) -> Cell {
    let mood = match percent {
        Some(lost) if lost > 0.0 => Mood::Warning,
        _ => Mood::Plain,
    };
    Cell::in_mood(
        percent.map(|lost| format!("{lost:.1}")).unwrap_or_default(),
        mood,
    )
}

/// The columns.
pub(crate) const COLUMNS: &[Column<Row>] = &[
    Column {
        name: "link",
        heading: "LINK",
        about: "Peer and medium, as in bob/eth0.",
        align: Align::Left,
        usual: true,
        cell: |row, _| Cell::new(&row.name),
        json: |row| json!(row.name.to_string()),
    },
    Column {
        name: "node",
        heading: "NODE",
        about: "The peer.",
        align: Align::Left,
        usual: false,
        cell: |row, _| Cell::new(&row.name.peer),
        json: |row| json!(row.name.peer),
    },
    Column {
        name: "medium",
        heading: "MEDIUM",
        about: "What the link runs over.",
        align: Align::Left,
        usual: false,
        cell: |row, _| Cell::new(&row.name.medium),
        json: |row| json!(row.name.medium),
    },
    Column {
        name: "status",
        heading: "STATUS",
        about: "init (nothing heard yet), up or dead; the table says one-way where it is up and the \
                peer hears nothing over it, no-medium where its medium is not open, and returning \
                where it is dead and packets arrive again.",
        align: Align::Left,
        usual: true,
        cell: |row, _| row.status(),
        json: |row| json!(row.view.status),
    },
    Column {
        name: "one_way",
        heading: "ONE-WAY",
        about: "True while the peer says that nothing arrives over it.",
        align: Align::Left,
        usual: false,
        cell: |row, _| Cell::new(if row.view.one_way { "yes" } else { "no" }),
        json: |row| json!(row.view.one_way),
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
        name: "heard_ms",
        heading: "HEARD",
        about: "How long ago the last packet came in over it. In JSON in milliseconds.",
        align: Align::Right,
        usual: false,
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
        name: "received",
        heading: "RECV",
        about: "Messages of the peer that arrived over it.",
        align: Align::Right,
        usual: true,
        cell: |row, _| Cell::known(row.incoming().map(|i| i.received)),
        json: |row| json!(row.incoming().map(|i| i.received)),
    },
    Column {
        name: "lost",
        heading: "LOST",
        about: "Messages of the peer that never arrived over it.",
        align: Align::Right,
        usual: false,
        cell: |row, _| Cell::known(row.incoming().map(|i| i.lost)),
        json: |row| json!(row.incoming().map(|i| i.lost)),
    },
    Column {
        name: "lost_percent",
        heading: "LOST%",
        about: "How much of what the peer sent over it did not arrive, in percent.",
        align: Align::Right,
        usual: true,
        cell: |row, _| percent_cell(row.lost_percent()),
        json: |row| json!(row.lost_percent()),
    },
    Column {
        name: "duplicate",
        heading: "DUP",
        about: "Messages that arrived over it more than once.",
        align: Align::Right,
        usual: true,
        cell: |row, _| Cell::known(row.incoming().map(|i| i.duplicate)),
        json: |row| json!(row.incoming().map(|i| i.duplicate)),
    },
    Column {
        name: "late",
        heading: "LATE",
        about: "Beats that came later than warntime after the one before.",
        align: Align::Right,
        usual: true,
        cell: |row, _| Cell::known(row.incoming().map(|i| i.late)),
        json: |row| json!(row.incoming().map(|i| i.late)),
    },
    Column {
        name: "jitter_ms",
        heading: "JITTER ms",
        about: "Mean deviation of the time between two beats from keepalive, in milliseconds.",
        align: Align::Right,
        usual: true,
        cell: |row, _| Cell::known(row.incoming().map(|i| format!("{:.1}", tenths(i.jitter)))),
        json: |row| json!(row.incoming().map(|i| tenths(i.jitter))),
    },
    Column {
        name: "last_ms",
        heading: "LAST ms",
        about: "Time between the last two beats, in milliseconds.",
        align: Align::Right,
        usual: true,
        cell: |row, _| Cell::known(row.incoming().and_then(|i| i.last).map(millis)),
        json: |row| json!(row.incoming().and_then(|i| i.last).map(millis)),
    },
    Column {
        name: "best_ms",
        heading: "BEST ms",
        about: "Shortest time between two beats, in milliseconds.",
        align: Align::Right,
        usual: true,
        cell: |row, _| Cell::known(row.incoming().and_then(|i| i.best).map(millis)),
        json: |row| json!(row.incoming().and_then(|i| i.best).map(millis)),
    },
    Column {
        name: "worst_ms",
        heading: "WORST ms",
        about: "Longest time between two beats, in milliseconds. A good deadtime is at least twice \
                the worst that is seen under load.",
        align: Align::Right,
        usual: true,
        cell: |row, _| Cell::known(row.incoming().and_then(|i| i.worst).map(millis)),
        json: |row| json!(row.incoming().and_then(|i| i.worst).map(millis)),
    },
    Column {
        name: "sent",
        heading: "SENT",
        about: "Messages sent over the medium since the peer's life began, without those that came up while \
                it was not open; nothing while it is not.",
        align: Align::Right,
        usual: true,
        cell: |row, _| Cell::known(row.sent()),
        json: |row| json!(row.sent()),
    },
    Column {
        name: "out_received",
        heading: "ARRIVED",
        about: "How many of these the peer says it received; nothing where it does not say.",
        align: Align::Right,
        usual: false,
        cell: |row, _| Cell::known(row.outgoing().and_then(|o| o.received)),
        json: |row| json!(row.outgoing().and_then(|o| o.received)),
    },
    Column {
        name: "out_lost_percent",
        heading: "OUT LOST%",
        about: "How much of what was sent over it did not arrive, in percent, up to the last message \
                that the peer confirms; nothing while the peer is not alive.",
        align: Align::Right,
        usual: true,
        cell: |row, _| percent_cell(row.out_lost_percent()),
        json: |row| json!(row.out_lost_percent()),
    },
    Column {
        name: "confirmed_ms",
        heading: "CONFIRMED",
        about: "How long ago the last message was sent over it that the peer confirms. In JSON in \
                milliseconds.",
        align: Align::Right,
        usual: true,
        cell: |row, clock| {
            let confirmed = row.outgoing().and_then(|o| o.confirmed);
            Cell::known(confirmed.map(|at| clock.moment(at, row.at)))
        },
        json: |row| {
            let confirmed = row.outgoing().and_then(|o| o.confirmed);
            json!(confirmed.map(|at| millis(row.at.since(at))))
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_nothing_nothing_is_lost() {
        assert_eq!(percent(0, 0), None);
        assert_eq!(percent(0, 7), Some(0.0));
        assert_eq!(percent(2, 300), Some(0.7));
        assert_eq!(percent(7, 7), Some(100.0));
    }

    #[test]
    fn any_loss_is_coloured_and_none_is_not() {
        assert_eq!(percent_cell(Some(0.0)), Cell::new("0.0"));
        assert_eq!(percent_cell(Some(0.1)), Cell::in_mood("0.1", Mood::Warning));
        assert_eq!(percent_cell(None), Cell::new(""));
    }

    #[test]
    fn a_column_is_named_once() {
        let mut names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), COLUMNS.len());
    }
}
