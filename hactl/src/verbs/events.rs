//! `hactl events`: what happened, and with `--follow` what happens.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, ValueHint, value_parser};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::json;
use shared::client::{Subscription, Update};
use shared::event::{Cause, Event, Kind, Object, Severity};
use shared::exit::Exit;
use shared::names::NodeName;
use shared::time::Now;

use crate::cli::{Call, Example, Verb, flag, formats, table};
use crate::error::Error;
use crate::print::clock::Clock;
use crate::print::columns::{self, Align, Cell, Column};
use crate::print::table::Table;
use crate::print::{Mood, json as write_json};

pub(crate) const VERB: Verb = Verb {
    name: "events",
    about: "Shows what happened, oldest first, and with --follow what happens",
    text: "\
The text of an event is that of the log. --node, --kind and --severity may be combined; an event is
shown if all of them let it through; hactl(1) lists the kinds. --json and --jsonl write events as the daemon does; a kind that
this hactl does not know is shown with its text all the same.",
    examples: &[
        Example {
            line: "hactl events",
            about: "the last ones",
        },
        Example {
            line: "hactl events -f --severity warning",
            about: "whatever is wrong, as it happens",
        },
        Example {
            line: "hactl events --node bob --kind node-status",
            about: "when bob came and went",
        },
        Example {
            line: "hactl events -f --jsonl",
            about: "for programs",
        },
    ],
    arguments,
    run,
};

/// So many events are shown unless `--limit` says otherwise.
const LIMIT: &str = "50";
/// So many events are asked for where only some of them will be shown; more than a daemon keeps.
const ALL_KEPT: usize = 1_000_000;

fn arguments(command: Command) -> Command {
    let severities = Severity::ALL.map(Severity::word);
    let command = command
        .arg(
            flag("follow", "Go on with what happens, until Ctrl-C")
                .short('f')
                .conflicts_with("json"),
        )
        .arg(
            Arg::new("limit")
                .short('n')
                .long("limit")
                .value_name("N")
                .value_parser(value_parser!(u32))
                .default_value(LIMIT)
                .help("At most the last N events; those that --follow adds do not count"),
        )
        .arg(
            Arg::new("node")
                .long("node")
                .value_name("NODE")
                .value_hint(ValueHint::Hostname)
                .action(ArgAction::Append)
                .help("Only what concerns this node or a link to it"),
        )
        .arg(
            Arg::new("kind")
                .long("kind")
                .value_name("KIND")
                .value_delimiter(',')
                .action(ArgAction::Append)
                .value_parser(PossibleValuesParser::new(Kind::WORDS))
                .hide_possible_values(true)
                .help("Only these kinds, with commas between them"),
        )
        .arg(
            Arg::new("severity")
                .long("severity")
                .value_name("LEVEL")
                .value_parser(PossibleValuesParser::new(severities))
                .help("Only what is at least so severe"),
        );
    table(formats(command), COLUMNS)
}

fn run(call: &Call) -> Result<Exit, Error> {
    let mut client = call.client()?;
    let mut filter = Filter::of(call);
    if !filter.nodes.is_empty() {
        let view = client.snapshot()?.view;
        for name in &mut filter.nodes {
            *name = super::known_node(&view, name)?.to_string();
        }
    }
    let limit = call
        .matches
        .get_one::<u32>("limit")
        .map_or(usize::MAX, |limit| *limit as usize);
    let asked = if filter.is_open() { limit } else { ALL_KEPT };
    if call.flag("follow") {
        let stream = client.subscribe(asked)?;
        return follow(call, stream, &filter, limit);
    }
    let mut events = client.events(asked)?;
    events.retain(|event| filter.lets_through(event));
    events.drain(..events.len().saturating_sub(limit));
    if call.flag("json") || call.flag("jsonl") {
        let mut out = super::output();
        super::write_json(call, &mut out, &events)?;
        out.flush()?;
        return Ok(Exit::Done);
    }
    super::show_rows(call, COLUMNS, &events, &call.clock(Now::default()))
}

/// Which events are shown.
struct Filter {
    nodes: Vec<String>,
    kinds: Vec<String>,
    least: Severity,
}

impl Filter {
    fn of(call: &Call) -> Self {
        let words = |name| call.words(name).unwrap_or_default();
        let owned = |name| words(name).into_iter().map(str::to_owned).collect();
        let least = words("severity").first().and_then(|word| {
            Severity::ALL
                .into_iter()
                .find(|severity| severity.word() == *word)
        });
        Self {
            nodes: owned("node"),
            kinds: owned("kind"),
            least: least.unwrap_or(Severity::Info),
        }
    }

    /// True where everything is shown.
    fn is_open(&self) -> bool {
        self.nodes.is_empty() && self.kinds.is_empty() && self.least == Severity::Info
    }

    fn lets_through(&self, event: &Event) -> bool {
        let node_fits = self.nodes.is_empty()
            || concerned(event).is_some_and(|name| self.nodes.iter().any(|n| n == name.as_str()));
        let kind_fits = self.kinds.is_empty() || self.kinds.contains(&event.kind.word());
        node_fits && kind_fits && event.severity >= self.least
    }
}

/// The node that an event is about: itself, or the peer of its link; of what is about the daemon,
/// the node where it happened.
pub(crate) fn concerned(event: &Event) -> Option<&NodeName> {
    match &event.object {
        Object::Daemon => Some(&event.id.node),
        Object::Node(name) => Some(name),
        Object::Link(link) => Some(&link.peer),
        Object::Medium(_) => None,
    }
}

/// Shows the last events, then everything that comes, until the daemon ends or nobody reads.
fn follow(
    call: &Call,
    mut stream: Subscription,
    filter: &Filter,
    limit: usize,
) -> Result<Exit, Error> {
    let mut shown = Shown::start(call);
    let mut recent = Vec::new();
    let mut caught_up = false;
    loop {
        let Some(update) = stream.wait(Some(Duration::ZERO))? else {
            match something_new(&stream)? {
                true => continue,
                false => return Ok(Exit::Done),
            }
        };
        match update {
            Update::Event(event) if filter.lets_through(&event) => match caught_up {
                true => shown.write(&[*event])?,
                false => recent.push(*event),
            },
            Update::Snapshot(_) if caught_up => {
                crate::complain("events were lost here: they came faster than they were read");
            }
            Update::Snapshot(_) => {
                caught_up = true;
                recent.drain(..recent.len().saturating_sub(limit));
                shown.write(&recent)?;
                recent = Vec::new();
            }
            Update::Event(_) | Update::Sample(_) => {}
        }
    }
}

/// Waits until the daemon sends something; false if meanwhile nobody reads our output any more.
/// Without this, `hactl events -f | head -n 1` would wait for one event more than it shows.
fn something_new(stream: &Subscription) -> Result<bool, Error> {
    let stdout = std::io::stdout();
    let mut waited = [
        PollFd::new(stream.as_fd(), PollFlags::POLLIN),
        PollFd::new(stdout.as_fd(), PollFlags::empty()),
    ];
    match poll(&mut waited, PollTimeout::NONE) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(error) => return Err(Error::Output(error.into())),
    }
    let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
    let reader = waited[1].revents().unwrap_or(PollFlags::empty());
    Ok(!reader.intersects(gone))
}

/// What `--follow` has shown so far.
struct Shown {
    /// Nothing where lines of JSON are wanted.
    table: Option<Table<'static, Event>>,
    headings: bool,
}

impl Shown {
    fn start(call: &Call) -> Self {
        let look = super::look(call);
        let selected = columns::select(COLUMNS, call.words("columns"));
        Self {
            table: (!call.flag("jsonl")).then(|| Table::start(selected, look)),
            headings: look.headings,
        }
    }

    /// Writes and flushes, since a reader waits for each.
    fn write(&mut self, events: &[Event]) -> Result<(), Error> {
        let mut out = super::output();
        match &mut self.table {
            None => {
                for event in events {
                    write_json(&mut out, event, false)?;
                }
            }
            Some(table) => {
                let clock = Clock {
                    at: Now::default(),
                    absolute: true,
                };
                table.write(&mut out, events, &clock, self.headings)?;
                self.headings = false;
            }
        }
        Ok(out.flush()?)
    }
}

/// The mood of a severity.
pub(crate) fn mood(severity: Severity) -> Mood {
    match severity {
        Severity::Info | Severity::Notice => Mood::Plain,
        Severity::Warning => Mood::Warning,
        Severity::Error | Severity::Critical => Mood::Bad,
    }
}

fn cause(event: &Event) -> Option<String> {
    event.cause.as_ref().map(|cause| match cause {
        Cause::Event(id) => id.to_string(),
        Cause::Order(who) => format!("order of {who}"),
    })
}

/// The columns.
pub(crate) const COLUMNS: &[Column<Event>] = &[
    Column {
        name: "time",
        heading: "TIME",
        about: "When, as the wall clock said.",
        align: Align::Left,
        usual: true,
        cell: |event, _| Cell::in_mood(event.wall, Mood::Faint),
        json: |event| json!(event.wall.to_string()),
    },
    Column {
        name: "severity",
        heading: "SEVERITY",
        about: "info, notice, warning, error or critical.",
        align: Align::Left,
        usual: true,
        cell: |event, _| Cell::in_mood(event.severity, mood(event.severity)),
        json: |event| json!(event.severity),
    },
    Column {
        name: "id",
        heading: "ID",
        about: "Its name for ever: node, generation and number; s before the generation says that the \
                supervisor speaks and not the core.",
        align: Align::Left,
        usual: false,
        cell: |event, _| Cell::new(&event.id),
        json: |event| json!(event.id),
    },
    Column {
        name: "object",
        heading: "OBJECT",
        about: "What it is about: hbd, a node, a link or a medium.",
        align: Align::Left,
        usual: false,
        cell: |event, _| Cell::new(&event.object),
        json: |event| json!(event.object),
    },
    Column {
        name: "kind",
        heading: "KIND",
        about: "What happened, in a word.",
        align: Align::Left,
        usual: false,
        cell: |event, _| Cell::new(event.kind.word()),
        json: |event| json!(event.kind.word()),
    },
    Column {
        name: "cause",
        heading: "CAUSE",
        about: "The event or order that brought it about.",
        align: Align::Left,
        usual: false,
        cell: |event, _| Cell::known(cause(event)),
        json: |event| json!(event.cause),
    },
    Column {
        name: "text",
        heading: "EVENT",
        about: "What happened, in words.",
        align: Align::Left,
        usual: true,
        cell: |event, _| Cell::in_mood(&event.text, mood(event.severity)),
        json: |event| json!(event.text),
    },
];
