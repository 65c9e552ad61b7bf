//! One file per verb.

mod again;
pub(crate) mod check;
pub(crate) mod cleanup;
pub(crate) mod completion;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod fence;
pub(crate) mod freeze;
pub(crate) mod groups;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod is_active;
pub(crate) mod is_member;
pub(crate) mod is_owner;
pub(crate) mod keygen;
pub(crate) mod links;
pub(crate) mod maintenance;
pub(crate) mod message;
pub(crate) mod migrate;
pub(crate) mod move_groups;
pub(crate) mod nodes;
mod order;
pub(crate) mod record;
pub(crate) mod reload;
pub(crate) mod report;
pub(crate) mod resources;
pub(crate) mod standby;
pub(crate) mod status;
pub(crate) mod takeover;
pub(crate) mod timers;
pub(crate) mod unfreeze;
pub(crate) mod unmove;
pub(crate) mod upgrade;
pub(crate) mod wait_for;
pub(crate) mod watch;
pub(crate) mod why;

use std::io::{self, StdoutLock, Write};
use std::os::fd::AsFd;
use std::path::Path;

use clap::{Arg, ArgAction};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;
use shared::api::Snapshot;
use shared::client::Client;
use shared::exit::Exit;
use shared::group::GroupName;
use shared::names::NodeName;
use shared::order::Choice;
use shared::view::ClusterView;

use crate::cli::Call;
use crate::completing;
use crate::error::Error;
use crate::print::clock::Clock;
use crate::print::columns::{self, Column};
use crate::print::table::{self, Look};
use crate::print::{Colour, json};

/// Standard output, written in large pieces.
fn output() -> io::BufWriter<StdoutLock<'static>> {
    io::BufWriter::new(io::stdout().lock())
}

/// Waits until the daemon sends something; false if meanwhile nobody reads our output any more.
/// Without this, `hactl events -f | head -n 1` would wait for one event more than it shows.
fn something_new(daemon: &impl AsFd) -> Result<bool, Error> {
    let stdout = std::io::stdout();
    let mut waited = [
        PollFd::new(daemon.as_fd(), PollFlags::POLLIN),
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

/// Shows `rows` in the format the call asks for.
fn show_rows<R>(
    call: &Call,
    columns: &[Column<R>],
    rows: &[R],
    clock: &Clock,
) -> Result<Exit, Error> {
    let mut out = output();
    if call.flag("json") || call.flag("jsonl") {
        let objects: Vec<Value> = rows
            .iter()
            .map(|row| columns::object(columns, row))
            .collect();
        write_json(call, &mut out, &objects)?;
    } else {
        let selected = columns::select(columns, call.words("columns"));
        table::write(&mut out, selected, rows, clock, look(call))?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// One array, or one value a line.
fn write_json(
    call: &Call,
    out: &mut impl Write,
    values: &[impl serde::Serialize],
) -> io::Result<()> {
    if call.flag("json") {
        return json(out, &values, true);
    }
    values.iter().try_for_each(|value| json(out, value, false))
}

/// A file that a verb does not replace unless it is told to.
fn exists(file: &Path) -> Error {
    let file = file.display();
    Error::Refused(format!(
        "{file} exists; name another file, or replace it with --force"
    ))
}

/// How this call wants its table.
fn look(call: &Call) -> Look {
    let plain = call.flag("plain");
    Look {
        colour: if plain { Colour::Off } else { call.colour },
        plain,
        headings: !plain && !call.flag("no-headers"),
        indent: "",
    }
}

/// The argument `NODE...` of verbs that show rows of nodes.
fn nodes_argument(help: &'static str) -> Arg {
    Arg::new("node")
        .value_name("NODE")
        .add(completing::nodes())
        .action(ArgAction::Append)
        .help(help)
}

/// The argument `GROUP...` of verbs about groups.
fn groups_argument(help: &'static str) -> Arg {
    Arg::new("group")
        .value_name("GROUP")
        .add(completing::groups())
        .action(ArgAction::Append)
        .help(help)
}

/// Which groups were typed, or all.
fn chosen_groups(call: &Call, client: &mut Client) -> Result<Choice, Error> {
    match call.words("group").as_deref() {
        Some(["all"]) => Ok(Choice::All),
        typed => {
            let snapshot = client.snapshot()?;
            let typed = typed.unwrap_or_default().iter();
            let names = typed.map(|word| known_group(&snapshot, word));
            Ok(Choice::Named(names.collect::<Result<_, _>>()?))
        }
    }
}

/// The argument `GROUP` of verbs about one group.
fn group_argument(help: &'static str) -> Arg {
    Arg::new("group")
        .value_name("GROUP")
        .required(true)
        .add(completing::groups())
        .help(help)
}

/// The groups that are configured, in the order of `haresources`, and those of which only the view
/// knows.
pub(crate) fn group_names(snapshot: &Snapshot) -> Vec<GroupName> {
    let mut names: Vec<GroupName> = snapshot.groups.iter().map(|g| g.name.clone()).collect();
    let others = snapshot.view.groups.keys();
    let others: Vec<_> = others.filter(|name| !names.contains(name)).collect();
    names.extend(others.into_iter().cloned());
    names
}

/// True where a group has that name.
fn is_group(snapshot: &Snapshot, typed: &str) -> bool {
    let names = group_names(snapshot);
    names.iter().any(|name| name.as_str() == typed)
}

/// The name of a group that there is, as a person typed it: the whole, or a part that no other has.
fn known_group(snapshot: &Snapshot, typed: &str) -> Result<GroupName, Error> {
    let names = group_names(snapshot);
    if let Some(name) = names.iter().find(|name| name.as_str() == typed) {
        return Ok(name.clone());
    }
    let fitting: Vec<_> = names.iter().filter(|name| has_part(name, typed)).collect();
    match fitting[..] {
        [] => {}
        [name] => return Ok(name.clone()),
        _ => {
            let fitting: Vec<&str> = fitting.into_iter().map(GroupName::as_str).collect();
            let fitting = fitting.join(", ");
            let text = format!("{typed} may be one of the groups {fitting}; say which");
            return Err(Error::NotFound(text));
        }
    }
    let nodes = snapshot.view.nodes.keys();
    let mut nodes = nodes.filter(|node| !typed.is_empty() && node.as_str().contains(typed));
    if let Some(node) = nodes.next() {
        let text = format!("{typed} is no group; of node {node} tells hactl nodes {node}");
        return Err(Error::NotFound(text));
    }
    let names: Vec<&str> = names.iter().map(GroupName::as_str).collect();
    Err(Error::NotFound(match names.is_empty() {
        true => format!("{typed} is no group: haresources names none"),
        false => format!(
            "{typed} is no group of haresources; there are {}",
            names.join(", ")
        ),
    }))
}

/// True where `typed` is the agent, an argument, an argument up to a slash, or several of these in
/// their order: `IPaddr`, `10.0.0.5` and `10.0.0.5/24/eth0` of `IPaddr::10.0.0.5/24/eth0`.
fn has_part(name: &GroupName, typed: &str) -> bool {
    let name = name.as_str();
    let mut found = name.match_indices(typed);
    !typed.is_empty()
        && found.any(|(at, _)| {
            let (before, after) = (&name[..at], &name[at + typed.len()..]);
            let begins = before.is_empty() || before.ends_with("::");
            let ends = after.is_empty() || after.starts_with("::") || after.starts_with('/');
            begins && ends
        })
}

/// No answer is neither yes nor no.
fn cannot_tell(why: &str) -> Exit {
    crate::complain(why);
    Exit::Unreachable
}

/// The name of the asked node and its snapshot, for a question whose answer is the exit code. Where
/// nobody can tell, why.
fn ask_for_answer(call: &Call) -> Result<(NodeName, Snapshot), String> {
    let asked = call.client().and_then(|mut client| {
        let node = client.hello().node.clone();
        Ok((node, client.snapshot()?))
    });
    let (own, snapshot) = asked.map_err(|error| error.text().unwrap_or_default())?;
    if snapshot.view.started.is_none() {
        return Err("the core has not started yet".into());
    }
    Ok((own, snapshot))
}

/// Keeps the rows of the nodes the call names; all of them if it names none.
fn keep_named<R>(
    call: &Call,
    view: &ClusterView,
    rows: &mut Vec<R>,
    node_of: fn(&R) -> &NodeName,
) -> Result<(), Error> {
    let Some(typed) = call.words("node") else {
        return Ok(());
    };
    let wanted: Vec<NodeName> = typed
        .iter()
        .map(|name| known_node(view, name))
        .collect::<Result<_, _>>()?;
    rows.retain(|row| wanted.contains(node_of(row)));
    Ok(())
}

/// The name of a node that `view` has, as a person typed it.
fn known_node(view: &ClusterView, typed: &str) -> Result<NodeName, Error> {
    let name = NodeName::new(typed).ok();
    match name.filter(|name| view.nodes.contains_key(name)) {
        Some(name) => Ok(name),
        None => {
            let names: Vec<&str> = view.nodes.keys().map(NodeName::as_str).collect();
            Err(Error::NotFound(format!(
                "{typed} is no node of this cluster; its nodes are {}",
                names.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::group::ConfiguredGroup;

    use super::*;

    #[test]
    fn a_group_goes_by_a_part_of_its_name_that_no_other_has() {
        let names = ["IPaddr::10.0.0.5/24/eth0", "IPaddr::10.0.0.50", "apache"];
        let configured = |name: &&str| ConfiguredGroup {
            name: GroupName::new(name).unwrap(),
            node: NodeName::new("alice").unwrap(),
            resources: Vec::new(),
        };
        let snapshot = Snapshot {
            groups: names.iter().map(configured).collect(),
            ..Snapshot::default()
        };
        let known = |typed| known_group(&snapshot, typed).map_err(|error| error.text().unwrap());
        for (typed, place) in [
            ("10.0.0.5", 0),
            ("10.0.0.5/24", 0),
            ("IPaddr::10.0.0.5", 0),
            ("10.0.0.50", 1),
            ("apache", 2),
        ] {
            assert_eq!(known(typed).unwrap().as_str(), names[place], "{typed}");
        }
        assert_eq!(
            known("IPaddr").unwrap_err(),
            "IPaddr may be one of the groups IPaddr::10.0.0.5/24/eth0, IPaddr::10.0.0.50; say which"
        );
        for typed in ["", "10.0.0", "0.0.5", "apach", "24"] {
            assert!(known(typed).is_err(), "{typed}");
        }
    }
}
