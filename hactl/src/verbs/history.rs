//! `hactl history`: what happened to groups, as a list to read.

use clap::{Arg, Command, value_parser};
use serde_json::json;
use shared::api::Snapshot;
use shared::event::{Cause, Event, Object};
use shared::exit::Exit;
use shared::group::GroupName;
use shared::query::{Bound, EventQuery};

use crate::cli::{Call, Example, Verb, formats, table};
use crate::completing;
use crate::error::Error;
use crate::print::columns::{Align, Cell, Column};
use crate::verbs::events;

pub(crate) const VERB: Verb = Verb {
    name: "history",
    about: "Shows what happened to groups, oldest first, and who ordered it",
    text: "\
States of groups, failures, what was ordered, freezes, takeovers that were held back, and fencing, as
the journal of the asked node has them: what happened on another node it knows as far as that told it.
hactl events has everything else, hactl why the causes. Ends with 4 if there is no such group.",
    examples: &[
        Example {
            line: "hactl history",
            about: "of all groups",
        },
        Example {
            line: "hactl history web --since 2d",
            about: "of one group, two days back",
        },
    ],
    arguments,
    run,
};

/// So many events are shown unless `--limit` says otherwise.
const LIMIT: &str = "50";

/// What happens to groups, by the words of events.
pub(super) const KINDS: [&str; 18] = [
    "group-state",
    "action-failed",
    "group-contested",
    "address-contested",
    "takeover-held",
    "takeover-free",
    "handover-stalled",
    "group-wanted",
    "group-wanted-over",
    "group-cleaned",
    "frozen",
    "unfrozen",
    "fence-confirmed",
    "fence-begun",
    "fenced",
    "fence-failed",
    "fence-device-failed",
    "fence-device-works",
];

fn arguments(command: Command) -> Command {
    let command = command.arg(
        Arg::new("group")
            .value_name("GROUP")
            .add(completing::groups())
            .help("Only this group, and what concerned all"),
    );
    selection(command)
}

/// Which of the events are shown, and how.
pub(super) fn selection(command: Command) -> Command {
    let command = command
        .arg(
            Arg::new("limit")
                .short('n')
                .long("limit")
                .value_name("N")
                .value_parser(value_parser!(u32))
                .default_value(LIMIT)
                .help("At most the last N events"),
        )
        .arg(
            Arg::new("since")
                .long("since")
                .value_name("TIME")
                .value_parser(events::when)
                .help("Only from TIME on: 10m ago, a date and time, or an event's ID"),
        );
    table(formats(command), COLUMNS)
}

fn run(call: &Call) -> Result<Exit, Error> {
    let mut client = call.client()?;
    let snapshot = client.snapshot()?;
    let typed = call.words("group").unwrap_or_default();
    let group = match typed.first() {
        Some(typed) => Some(super::known_group(&snapshot, typed)?),
        None => None,
    };
    let objects = group
        .map(|group| objects(&snapshot, &group))
        .unwrap_or_default();
    let events = client.find_events(query(call, &KINDS, objects))?;
    super::show_rows(call, COLUMNS, &events, &call.clock(snapshot.at))
}

/// What the call selects of events of these kinds, about these objects; about all, if there are none.
pub(super) fn query(call: &Call, kinds: &[&str], objects: Vec<String>) -> EventQuery {
    let limit = call.matches.get_one::<u32>("limit");
    EventQuery {
        limit: limit.map_or(usize::MAX, |limit| *limit as usize),
        since: call.matches.get_one::<Bound>("since").cloned(),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        objects,
        ..EventQuery::default()
    }
}

/// The group, and what concerns every group: this node's hbd, and nodes.
fn objects(snapshot: &Snapshot, group: &GroupName) -> Vec<String> {
    let nodes = snapshot.view.nodes.keys().cloned().map(Object::Node);
    let all = [Object::Group(group.clone()), Object::Daemon].into_iter();
    all.chain(nodes).map(|object| object.to_string()).collect()
}

/// The columns.
pub(crate) const COLUMNS: &[Column<Event>] = &[
    events::TIME,
    Column {
        name: "id",
        heading: "ID",
        about: "The name of the event, for hactl events.",
        align: Align::Left,
        usual: false,
        cell: |event, _| Cell::new(&event.id),
        json: |event| json!(event.id),
    },
    Column {
        name: "group",
        heading: "GROUP",
        about: "The group; none where it concerned all.",
        align: Align::Left,
        usual: false,
        cell: |event, _| Cell::known(group(event)),
        json: |event| json!(group(event)),
    },
    events::KIND,
    Column {
        name: "text",
        heading: "WHAT",
        about: "What happened, in words.",
        align: Align::Left,
        usual: true,
        cell: |event, _| Cell::in_mood(&event.text, events::mood(event.severity)),
        json: |event| json!(event.text),
    },
    Column {
        name: "by",
        heading: "BY ORDER OF",
        about: "Who ordered it, where somebody did.",
        align: Align::Left,
        usual: true,
        cell: |event, _| Cell::known(ordered_by(event)),
        json: |event| json!(ordered_by(event)),
    },
];

fn group(event: &Event) -> Option<&GroupName> {
    match &event.object {
        Object::Group(group) => Some(group),
        _ => None,
    }
}

/// Who ordered it.
pub(super) fn ordered_by(event: &Event) -> Option<&str> {
    match &event.cause {
        Some(Cause::Order(who)) => Some(who),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use shared::event::Kind;

    use super::*;

    #[test]
    fn the_kinds_of_a_history_are_kinds_of_events() {
        for kind in KINDS {
            assert!(Kind::WORDS.contains(&kind), "{kind}");
        }
    }
}
