//! `hactl events`: what happened, and with `--follow` what happens.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, value_parser};
use serde_json::json;
use shared::client::{Subscription, Update};
use shared::event::{Cause, Event, EventId, Kind, Severity};
use shared::exit::Exit;
use shared::query::{Bound, EventQuery, Related};
use shared::time::{BadTime, Now, Wall};

use crate::cli::{Call, Example, Verb, flag, formats, table};
use crate::completing;
use crate::error::Error;
use crate::print::clock::Clock;
use crate::print::columns::{self, Align, Cell, Column};
use crate::print::table::Table;
use crate::print::{Mood, json as write_json};

pub(crate) const VERB: Verb = Verb {
    name: "events",
    about: "Shows what happened, oldest first, and with --follow what happens",
    text: "\
The text of an event is that of the log. The journal keeps events over restarts of hbd; --since and
--until say how far back to look: 10m, 2h or 3d ago, a time as 2026-11-22T11:00 (UTC unless it has an
offset), or the ID of an event. --node, --kind, --object and --severity may be combined; an event is
shown if all of them let it through; hbd-events(7) explains the kinds. --cause answers why: the event, its
cause, the cause of that, and so on; --effects shows what came of an event. --json and --jsonl write events as the daemon does; a kind that
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
            line: "hactl events --since 2h --severity error",
            about: "what failed in the last two hours",
        },
        Example {
            line: "hactl events --cause alice:1795350107.17",
            about: "why did this happen?",
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
/// More events than a daemon keeps in memory.
const ALL_RECENT: usize = 1_000_000;

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
            Arg::new("since")
                .long("since")
                .value_name("TIME")
                .value_parser(when)
                .help("Only from TIME on: 10m ago, a date and time, or an event's ID"),
        )
        .arg(
            Arg::new("until")
                .long("until")
                .value_name("TIME")
                .value_parser(when)
                .conflicts_with("follow")
                .help("Only up to TIME"),
        )
        .arg(
            Arg::new("node")
                .long("node")
                .value_name("NODE")
                .add(completing::nodes())
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
            Arg::new("object")
                .long("object")
                .value_name("OBJECT")
                .action(ArgAction::Append)
                .help("Only what is about this: bob, bob/eth0, \"medium eth0\", hbd"),
        )
        .arg(
            Arg::new("severity")
                .long("severity")
                .value_name("LEVEL")
                .value_parser(PossibleValuesParser::new(severities))
                .help("Only what is at least so severe"),
        )
        .arg(
            Arg::new("cause")
                .long("cause")
                .value_name("ID")
                .value_parser(value_parser!(EventId))
                .conflicts_with_all(["follow", "effects"])
                .help("Only this event and what led to it"),
        )
        .arg(
            Arg::new("effects")
                .long("effects")
                .value_name("ID")
                .value_parser(value_parser!(EventId))
                .conflicts_with("follow")
                .help("Only this event and what came of it"),
        );
    table(formats(command), COLUMNS)
}

fn run(call: &Call) -> Result<Exit, Error> {
    let mut client = call.client()?;
    let mut query = query(call);
    if let Some(names) = call.words("node") {
        let view = client.snapshot()?.view;
        for name in names {
            query.nodes.push(super::known_node(&view, name)?.clone());
        }
    }
    let events = client.find_events(query.clone())?;
    if call.flag("follow") {
        return follow(call, client.subscribe(ALL_RECENT)?, &query, &events);
    }
    if call.flag("json") || call.flag("jsonl") {
        let mut out = super::output();
        super::write_json(call, &mut out, &events)?;
        out.flush()?;
        return Ok(Exit::Done);
    }
    super::show_rows(call, COLUMNS, &events, &call.clock(Now::default()))
}

/// What is asked for, but for the nodes.
fn query(call: &Call) -> EventQuery {
    let words = |name| call.words(name).unwrap_or_default();
    let owned = |name| words(name).into_iter().map(str::to_owned).collect();
    let bound = |name| call.matches.get_one::<Bound>(name).cloned();
    let event = |name| call.matches.get_one::<EventId>(name).cloned();
    let causes = event("cause").map(Related::CausesOf);
    let limit = call.matches.get_one::<u32>("limit");
    EventQuery {
        limit: limit.map_or(usize::MAX, |limit| *limit as usize),
        since: bound("since"),
        until: bound("until"),
        before: None,
        nodes: Vec::new(),
        kinds: owned("kind"),
        objects: owned("object"),
        severity: words("severity").first().and_then(|word| {
            Severity::ALL
                .into_iter()
                .find(|severity| severity.word() == *word)
        }),
        related: causes.or_else(|| event("effects").map(Related::EffectsOf)),
    }
}

/// Reads a span as `10m`, which is so long ago, a time, or an event's name.
fn when(text: &str) -> Result<Bound, String> {
    if let Ok(id) = text.parse() {
        return Ok(Bound::Event(id));
    }
    if let Some(span) = span(text) {
        let now = SystemTime::now();
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let nanos = since_1970.saturating_sub(span).as_nanos();
        return Ok(Bound::Time(Wall(u64::try_from(nanos).unwrap_or(u64::MAX))));
    }
    match text.parse() {
        Ok(wall) => Ok(Bound::Time(wall)),
        Err(BadTime) => {
            Err("write 10m, 2h or 3d, a time as 2026-11-22T11:00 (UTC), or an event's ID".into())
        }
    }
}

/// `90s`, `10m`, `2h`, `3d`.
fn span(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

/// Shows past events, then everything that comes, until the daemon ends or nobody reads.
fn follow(
    call: &Call,
    mut stream: Subscription,
    query: &EventQuery,
    past: &[Event],
) -> Result<Exit, Error> {
    let mut shown = Shown::start(call);
    shown.write(past)?;
    let mut recent = Vec::new();
    let mut caught_up = false;
    loop {
        let Some(update) = stream.wait(Some(Duration::ZERO))? else {
            match super::something_new(&stream)? {
                true => continue,
                false => return Ok(Exit::Done),
            }
        };
        match update {
            Update::Event(event) if query.lets_through(&event) => match caught_up {
                true => shown.write(&[*event])?,
                false => recent.push(*event),
            },
            Update::Snapshot(_) if caught_up => {
                crate::complain("events were lost here: they came faster than they were read");
            }
            Update::Snapshot(_) => {
                caught_up = true;
                if query.limit > 0 {
                    shown.write(after(&recent, past.last()))?;
                }
                recent = Vec::new();
            }
            Update::Event(_) | Update::Sample(_) => {}
        }
    }
}

/// What came after the last event of the past: between the question for it and the subscription.
fn after<'a>(recent: &'a [Event], last: Option<&Event>) -> &'a [Event] {
    let known = recent
        .iter()
        .rposition(|event| last.is_some_and(|last| last.id == event.id));
    &recent[known.map_or(0, |place| place + 1)..]
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
