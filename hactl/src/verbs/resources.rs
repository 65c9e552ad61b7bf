//! `hactl resources`: every resource, one line each, with what its group is here and elsewhere.

use clap::Command;
use serde_json::{Value, json};
use shared::api::Snapshot;
use shared::exit::Exit;
use shared::group::{GroupName, GroupState};
use shared::names::NodeName;

use crate::cli::{Call, Example, Verb, absolute, formats, table};
use crate::error::Error;
use crate::print::columns::{Align, Cell, Column};
use crate::verbs::groups;

pub(crate) const VERB: Verb = Verb {
    name: "resources",
    about: "Shows every resource, its group, and what that is here and elsewhere",
    text: "\
Resources stand in the order in which haresources names them; those of a group are started in that
order and stopped in reverse. A resource runs where its group is started; while a group is starting,
stopping, checking or blocked some of its resources may run. With GROUP only the resources of these
groups. Ends with 4 if there is no such group.",
    examples: &[
        Example {
            line: "hactl resources",
            about: "all of them",
        },
        Example {
            line: "hactl resources --plain -o resource,here | grep started",
            about: "what runs on this node",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    let groups = super::groups_argument("Only resources of these groups");
    absolute(table(formats(command.arg(groups)), COLUMNS))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let mut client = call.client()?;
    let own = client.hello().node.clone();
    let snapshot = client.snapshot()?;
    let mut rows = rows(&own, &snapshot);
    if let Some(typed) = call.words("group") {
        let names = typed.iter().map(|name| super::known_group(&snapshot, name));
        let names = names.collect::<Result<Vec<GroupName>, Error>>()?;
        rows.retain(|row| names.contains(&row.group));
    }
    super::show_rows(call, COLUMNS, &rows, &call.clock(snapshot.at))
}

/// A resource.
pub(crate) struct Row {
    resource: String,
    group: GroupName,
    preferred: NodeName,
    here: GroupState,
    elsewhere: Vec<(NodeName, GroupState)>,
}

fn rows(own: &NodeName, snapshot: &Snapshot) -> Vec<Row> {
    let mut rows = Vec::new();
    for group in &snapshot.groups {
        let view = snapshot.view.groups.get(&group.name);
        let on = view.into_iter().flat_map(|view| &view.nodes);
        let states: Vec<_> = on.map(|(node, on)| (node.clone(), on.state)).collect();
        let here = states.iter().find(|(node, _)| node == own);
        let elsewhere = states.iter().filter(|(node, _)| node != own);
        let row = |resource: &String| Row {
            resource: resource.clone(),
            group: group.name.clone(),
            preferred: group.node.clone(),
            here: here.map_or(GroupState::Stopped, |(_, state)| *state),
            elsewhere: elsewhere.clone().cloned().collect(),
        };
        rows.extend(group.resources.iter().map(row));
    }
    rows
}

/// The columns.
pub(crate) const COLUMNS: &[Column<Row>] = &[
    Column {
        name: "resource",
        heading: "RESOURCE",
        about: "As haresources spells it.",
        align: Align::Left,
        usual: true,
        cell: |row, _| Cell::new(&row.resource),
        json: |row| json!(row.resource),
    },
    Column {
        name: "group",
        heading: "GROUP",
        about: "Its group.",
        align: Align::Left,
        usual: true,
        cell: |row, _| Cell::new(&row.group),
        json: |row| json!(row.group),
    },
    Column {
        name: "preferred",
        heading: "PREFERS",
        about: "The node that haresources names for it.",
        align: Align::Left,
        usual: false,
        cell: |row, _| Cell::new(&row.preferred),
        json: |row| json!(row.preferred),
    },
    Column {
        name: "here",
        heading: "HERE",
        about: "What its group is on the asked node.",
        align: Align::Left,
        usual: true,
        cell: |row, _| match row.here {
            GroupState::Stopped => Cell::new(row.here),
            state => Cell::in_mood(state, groups::mood(state)),
        },
        json: |row| json!(row.here),
    },
    Column {
        name: "elsewhere",
        heading: "ELSEWHERE",
        about: "What its group is on other nodes, where it is not stopped there; in JSON an object of \
                states by node.",
        align: Align::Left,
        usual: true,
        cell: |row, _| {
            let on = row.elsewhere.iter();
            let on = on.map(|(node, state)| format!("{state} on {node}"));
            Cell::new(on.collect::<Vec<_>>().join(", "))
        },
        json: |row| {
            let on = row.elsewhere.iter();
            let on = on.map(|(node, state)| (node.to_string(), json!(state)));
            Value::Object(on.collect())
        },
    },
];
