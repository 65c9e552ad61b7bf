//! `hactl groups`: every group of resources, one line each, and what was ordered of it or failed.

use std::io::{self, Write};

use clap::Command;
use serde_json::{Value, json};
use shared::api::Snapshot;
use shared::exit::Exit;
use shared::group::{ConfiguredGroup, GroupName, GroupReason, GroupState};
use shared::names::NodeName;
use shared::time::Wall;
use shared::verdict;
use shared::view::{GroupOn, GroupView, Ordered};

use crate::cli::{Call, Example, Verb, absolute, formats, table};
use crate::error::Error;
use crate::print::clock::{Clock, age};
use crate::print::columns::{Align, Cell, Column};
use crate::print::{Mood, clean};

pub(crate) const VERB: Verb = Verb {
    name: "groups",
    about: "Shows every group of resources: where it is, since when and why",
    text: "\
Each line is a group of haresources as the asked node sees it. Below the table stands what an
operator ordered of a group, who, why and for how much longer, what failed with it on which node, until
it is started there or cleaned up, and what to do about it, a freeze, and a takeover that is held back.
Ends with 4 if there is no such group.",
    examples: &[
        Example {
            line: "hactl groups",
            about: "all of them",
        },
        Example {
            line: "hactl groups IPaddr::10.0.0.5/24/eth0 -o all",
            about: "everything about one",
        },
        Example {
            line: "hactl groups --plain -o group,node",
            about: "for scripts: who holds what",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    let groups = super::groups_argument("Only these groups");
    absolute(table(formats(command.arg(groups)), COLUMNS))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let snapshot = call.client()?.snapshot()?;
    let clock = call.clock(snapshot.at);
    let mut rows = rows(&snapshot);
    if let Some(typed) = call.words("group") {
        let names = typed.iter().map(|name| super::known_group(&snapshot, name));
        let names = names.collect::<Result<Vec<GroupName>, Error>>()?;
        rows.retain(|row| names.contains(&row.name));
    }
    let exit = super::show_rows(call, COLUMNS, &rows, &clock)?;
    let for_people = !["plain", "json", "jsonl"]
        .iter()
        .any(|form| call.flag(form));
    if for_people && call.words("columns").is_none() {
        let rows = rows.iter();
        let remarks = rows.flat_map(|row| row.remarks(&clock));
        write_remarks(&remarks.chain(of_all(&snapshot, &clock)).collect::<Vec<_>>())?;
    }
    Ok(exit)
}

/// What concerns every group: a freeze, and a takeover that is held back.
pub(crate) fn of_all(snapshot: &Snapshot, clock: &Clock) -> Vec<String> {
    let view = &snapshot.view;
    let frozen = view.frozen.iter().map(|(maintenance, order)| {
        let word = match maintenance {
            true => "maintenance",
            false => "frozen",
        };
        format!("{word}, {}", ordered(order, clock))
    });
    let held = view.takeover_held.iter();
    let held = held.map(|(node, hold)| {
        let failed = view.fence_failed.iter();
        let failed: String = failed.map(|failed| format!("; {failed}")).collect();
        format!("nothing is taken over from {node}: {hold}{failed}")
    });
    frozen.chain(held).collect()
}

fn write_remarks(remarks: &[String]) -> io::Result<()> {
    let mut out = super::output();
    if !remarks.is_empty() {
        writeln!(out)?;
    }
    for remark in remarks {
        writeln!(out, "{}", clean(remark))?;
    }
    out.flush()
}

/// A group, as it is configured and as it is.
pub(crate) struct Row {
    pub(crate) name: GroupName,
    configured: Option<ConfiguredGroup>,
    view: GroupView,
}

/// The groups, in the order of `haresources`.
pub(crate) fn rows(snapshot: &Snapshot) -> Vec<Row> {
    let row = |name: GroupName| {
        let configured = snapshot.groups.iter().find(|group| group.name == name);
        let view = snapshot.view.groups.get(&name);
        Row {
            configured: configured.cloned(),
            view: view.cloned().unwrap_or_default(),
            name,
        }
    };
    let names = super::group_names(snapshot).into_iter();
    names.map(row).collect()
}

impl Row {
    /// Where it is, the farthest on its way first.
    fn on(&self) -> Vec<(&NodeName, &GroupOn)> {
        let mut on: Vec<_> = self.view.nodes.iter().collect();
        on.sort_by_key(|(_, on)| on.state != GroupState::Started);
        on
    }

    /// Why its state changed last, where that says more than that it is where it was to be.
    fn reason(&self) -> Option<String> {
        let (_, on) = *self.on().first()?;
        (on.reason != GroupReason::Done.to_string()).then(|| on.reason.clone())
    }

    fn states(&self) -> String {
        let on = self.on();
        match on.is_empty() {
            true => GroupState::Stopped.to_string(),
            false => joined(on.iter().map(|(_, on)| on.state.word())),
        }
    }

    fn mood(&self) -> Mood {
        match self.on()[..] {
            [(_, on)] => mood(on.state),
            _ => Mood::Bad,
        }
    }

    /// What an operator ordered, and what failed.
    pub(crate) fn remarks(&self, clock: &Clock) -> Vec<String> {
        let name = &self.name;
        let contested = self.view.contested.iter();
        let contested =
            contested.map(|keeper| format!("{name}: two nodes hold it; {keeper} keeps it"));
        let wanted = self.view.wanted.iter();
        let wanted = wanted
            .map(|(node, order)| format!("{name}: wanted on {node}, {}", ordered(order, clock)));
        let remarks = contested.chain(wanted).chain(self.blocked());
        remarks.chain(self.failed()).collect()
    }

    /// What to do where it is blocked.
    fn blocked(&self) -> impl Iterator<Item = String> {
        let name = &self.name;
        let nodes = self.view.nodes.keys();
        let blocked = nodes.filter(|node| self.view.is_blocked_on(node));
        blocked.map(move |node| {
            let failed = self.view.failure_on(node);
            let what = failed.unwrap_or_else(|| format!("{name}: blocked on {node}"));
            format!("{what}; {}", verdict::blocked_remedy(name, node))
        })
    }

    /// What failed where it is not blocked, and what to do. Each text names the group.
    fn failed(&self) -> impl Iterator<Item = String> {
        let failed = self.view.failures_elsewhere();
        failed.map(|text| format!("{text}; {}", verdict::failed_remedy(&self.name)))
    }
}

/// The mood of a state of a group.
pub(crate) fn mood(state: GroupState) -> Mood {
    match state {
        GroupState::Started => Mood::Good,
        GroupState::Stopped | GroupState::Blocked => Mood::Bad,
        GroupState::Starting | GroupState::Stopping | GroupState::Checking => Mood::Warning,
    }
}

/// Who ordered something that lasts, when, why, and for how much longer it counts.
pub(crate) fn ordered(order: &Ordered, clock: &Clock) -> String {
    let mut text = format!("as {} ordered {}", order.who, clock.stamp(order.since));
    if let Some(lasts) = order.lasts {
        let since = order.since;
        let end = since.boot + lasts;
        text += &match clock.absolute {
            true => format!(", until {}", until(order).unwrap_or(since.wall)),
            false => format!(", for another {}", age(end.since(clock.at.boot))),
        };
    }
    if order.together {
        text += ", while both nodes live";
    }
    if let Some(reason) = &order.reason {
        text += &format!(": {reason}");
    }
    text
}

/// When an order ends, unless it lasts for ever.
fn until(order: &Ordered) -> Option<Wall> {
    let nanos = u64::try_from(order.lasts?.as_nanos()).unwrap_or(u64::MAX);
    Some(Wall(order.since.wall.0.saturating_add(nanos)))
}

/// What programs are told of an order.
fn order_json(order: &Ordered) -> Value {
    json!({
        "who": order.who,
        "since": order.since.wall.to_string(),
        "until": until(order).map(|wall| wall.to_string()),
        "together": order.together,
        "reason": order.reason,
    })
}

fn joined<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

/// The columns.
pub(crate) const COLUMNS: &[Column<Row>] = &[
    Column {
        name: "group",
        heading: "GROUP",
        about: "Its name: its first resource, as haresources spells it.",
        align: Align::Left,
        usual: true,
        cell: |row, _| Cell::new(&row.name),
        json: |row| json!(row.name),
    },
    Column {
        name: "state",
        heading: "STATE",
        about: "started, starting, stopping, checking (a former manager held it; what runs is found out), \
                blocked (a resource did not stop, and nobody else may start it) or stopped; in JSON an \
                object of states by node.",
        align: Align::Left,
        usual: true,
        cell: |row, _| Cell::in_mood(row.states(), row.mood()),
        json: |row| {
            let states = row.view.nodes.iter();
            let states = states.map(|(node, on)| (node.to_string(), json!(on.state)));
            Value::Object(states.collect())
        },
    },
    Column {
        name: "node",
        heading: "NODE",
        about: "Where it is: the node on which it is not stopped. Two of them only where two nodes hold \
                it.",
        align: Align::Left,
        usual: true,
        cell: |row, _| Cell::new(joined(row.on().iter().map(|(node, _)| node.as_str()))),
        json: |row| json!(row.on().first().map(|(node, _)| node)),
    },
    Column {
        name: "since",
        heading: "SINCE",
        about: "When it became that.",
        align: Align::Left,
        usual: true,
        cell: |row, clock| Cell::known(row.on().first().map(|(_, on)| clock.stamp(on.since))),
        json: |row| json!(row.on().first().map(|(_, on)| on.since.wall.to_string())),
    },
    Column {
        name: "preferred",
        heading: "PREFERS",
        about: "The node that haresources names for it.",
        align: Align::Left,
        usual: true,
        cell: |row, _| Cell::known(row.configured.as_ref().map(|group| &group.node)),
        json: |row| json!(row.configured.as_ref().map(|group| &group.node)),
    },
    Column {
        name: "resources",
        heading: "RESOURCES",
        about: "What it consists of, in the order in which it is started.",
        align: Align::Left,
        usual: true,
        cell: |row, _| {
            let words = row.configured.iter().flat_map(|group| &group.resources);
            Cell::new(words.map(String::as_str).collect::<Vec<_>>().join(" "))
        },
        json: |row| json!(row.configured.as_ref().map(|group| &group.resources)),
    },
    Column {
        name: "reason",
        heading: "WHY",
        about: "Why its state changed last. hactl why tells more.",
        align: Align::Left,
        usual: true,
        cell: |row, _| Cell::known(row.reason()),
        json: |row| json!(row.on().first().map(|(_, on)| &on.reason)),
    },
    Column {
        name: "wanted",
        heading: "WANTED",
        about: "Where an operator wants it; in JSON with who, since, until and reason.",
        align: Align::Left,
        usual: false,
        cell: |row, _| Cell::known(row.view.wanted.as_ref().map(|(node, _)| node)),
        json: |row| match &row.view.wanted {
            Some((node, order)) => {
                let mut wanted = order_json(order);
                wanted["node"] = json!(node);
                wanted
            }
            None => Value::Null,
        },
    },
    Column {
        name: "contested",
        heading: "CONTESTED",
        about: "Who keeps it, while two nodes hold it.",
        align: Align::Left,
        usual: false,
        cell: |row, _| Cell::known(row.view.contested.as_ref()),
        json: |row| json!(row.view.contested),
    },
    Column {
        name: "failed",
        heading: "FAILED",
        about: "What went wrong with it last, until it is started there again or cleaned up; in JSON an \
                object by node.",
        align: Align::Left,
        usual: false,
        cell: |row, _| {
            let nodes = row.view.failures.keys();
            let texts = nodes.filter_map(|node| row.view.failure_on(node));
            Cell::new(texts.collect::<Vec<_>>().join("; "))
        },
        json: |row| json!(row.view.failures),
    },
];
