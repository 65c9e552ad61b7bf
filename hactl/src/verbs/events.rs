//! `hactl events`: what happened, and with `--follow` what happens.

mod follow;

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, value_parser};
use serde_json::json;
use shared::client::Client;
use shared::event::{Cause, Event, EventId, Kind, Object, Severity};
use shared::exit::Exit;
use shared::names::{LinkName, MediumName};
use shared::query::{Bound, EventQuery, Related};
use shared::time::{BadTime, Now, Wall};
use shared::view::ClusterView;

use crate::cli::{Call, Example, Verb, flag, formats, table};
use crate::completing;
use crate::error::Error;
use crate::print::Mood;
use crate::print::columns::{Align, Cell, Column};

pub(crate) const VERB: Verb = Verb {
    name: "events",
    about: "Shows what happened, oldest first, and with --follow what happens",
    text: "\
The text of an event is that of the log. The journal keeps events over restarts of hbd; --since and
--until say how far back to look: 10m, 2h or 3d ago, a time as 2026-11-22T11:00 (UTC unless it has an
offset), or the ID of an event. --node, --kind, --object and --severity may be combined; an event is
shown if all of them let it through; hbd-events(7) explains the kinds. --cause answers why: the event, its
cause, the cause of that, and so on; --effects shows what came of an event. --json and --jsonl write events as the daemon does; a kind that
this hactl does not know is shown with its text all the same. --follow goes on when hbd ends or is
upgraded: it says so, connects again as soon as hbd is back, and shows what happened meanwhile, each
event once.",
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
    demand_a_stretch(&query)?;
    if call.words("node").is_some() || !query.objects.is_empty() {
        let view = client.snapshot()?.view;
        for name in call.words("node").unwrap_or_default() {
            query.nodes.push(super::known_node(&view, name)?);
        }
        tell_of_unknown_objects(&view, &mut client, &query)?;
    }
    if call.flag("follow") {
        return follow::follow(call, client, query);
    }
    let events = client.find_events(query)?;
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

/// Bounds the wrong way round let nothing through, which no answer would tell.
fn demand_a_stretch(query: &EventQuery) -> Result<(), Error> {
    let (since, until) = match (&query.since, &query.until) {
        (Some(Bound::Time(since)), Some(Bound::Time(until))) if since > until => {
            (since.to_string(), until.to_string())
        }
        (Some(Bound::Event(since)), Some(Bound::Event(until)))
            if since.incarnation == until.incarnation && since.counter > until.counter =>
        {
            (since.to_string(), until.to_string())
        }
        _ => return Ok(()),
    };
    Err(Error::Usage(format!(
        "--since is {since}, which is later than --until, {until}: nothing lies between"
    )))
}

/// An object that was never heard of is a slip of the fingers more often than one of which there is
/// nothing to tell.
fn tell_of_unknown_objects(
    view: &ClusterView,
    client: &mut Client,
    query: &EventQuery,
) -> Result<(), Error> {
    let known = objects(view);
    for object in &query.objects {
        if known.iter().any(|known| known.is_called(object)) {
            continue;
        }
        let about_it = EventQuery {
            objects: vec![object.clone()],
            ..EventQuery::last(1)
        };
        if client.find_events(about_it)?.is_empty() {
            let is_link = |known: &&Object| matches!(known, Object::Link(_));
            let (links, others): (Vec<_>, Vec<_>) = known.iter().partition(is_link);
            let others: Vec<String> = others.iter().map(ToString::to_string).collect();
            let link = links
                .first()
                .map(|link| format!(", and links such as {link}"));
            crate::complain(&format!(
                "no event is about {object:?}; there are {}{}",
                others.join(", "),
                link.unwrap_or_default()
            ));
        }
    }
    Ok(())
}

/// Whatever events may be about, as far as `view` knows.
fn objects(view: &ClusterView) -> Vec<Object> {
    let nodes = view.nodes.iter();
    let links = nodes.flat_map(|(peer, node)| {
        let link = |medium: &MediumName| {
            Object::Link(LinkName {
                peer: peer.clone(),
                medium: medium.clone(),
            })
        };
        node.links.keys().map(link).collect::<Vec<_>>()
    });
    let nodes = view.nodes.keys().cloned().map(Object::Node);
    let media = view.media.keys().cloned().map(Object::Medium);
    let all = [Object::Daemon].into_iter().chain(nodes).chain(media);
    all.chain(links).collect()
}

/// Reads a span as `10m`, which is so long ago, a time, or an event's name.
pub(crate) fn when(text: &str) -> Result<Bound, String> {
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
pub(crate) fn span(text: &str) -> Option<Duration> {
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

/// When it happened.
pub(super) const TIME: Column<Event> = Column {
    name: "time",
    heading: "TIME",
    about: "When, as the wall clock said.",
    align: Align::Left,
    usual: true,
    cell: |event, _| Cell::in_mood(event.wall, Mood::Faint),
    json: |event| json!(event.wall.to_string()),
};

/// Its word.
pub(super) const KIND: Column<Event> = Column {
    name: "kind",
    heading: "KIND",
    about: "What happened, in a word.",
    align: Align::Left,
    usual: false,
    cell: |event, _| Cell::new(event.kind.word()),
    json: |event| json!(event.kind.word()),
};

/// The columns.
pub(crate) const COLUMNS: &[Column<Event>] = &[
    TIME,
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
    KIND,
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
