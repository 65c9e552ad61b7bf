//! `hactl move`: groups to a node.

use clap::{Arg, ArgAction, Command};
use shared::api::Snapshot;
use shared::exit::Exit;
use shared::group::GroupName;
use shared::names::NodeName;
use shared::order::{Choice, GroupVerb};

use crate::cli::{Call, Example, Verb};
use crate::completing;
use crate::error::Error;
use crate::verbs::order::lasting::{self, Lasting};
use crate::verbs::order::{self, Danger, Goal, Order};

pub(crate) const VERB: Verb = Verb {
    name: "move",
    about: "Moves groups to a node, for a time",
    text: "\
The last word is the node if one has that name and no group has; without a node each group goes to
the one where it is not. The groups stay there while --for lasts; afterwards each is where it would be
without the order, which with auto_failback on is its preferred node. An order counts less than what
keeps services running: where the node dies or a resource does not start there, the other node has the
group. Moves that would stop a group everywhere ask on a terminal, and want --yes elsewhere. Ends with
0 when it is ordered, with --wait when every group is started there and nowhere else; with 1 if one
failed meanwhile, 4 if there is no such group or node, 6 if it is not done in time, as when a group
stays because its start failed there before or a takeover is held back, and 7 if hbd
refuses, as when the groups are frozen or the node is not alive, or if nobody confirmed it.",
    examples: &[
        Example {
            line: "hactl move web bob --for 2h --reason \"new disk\" --wait",
            about: "and wait until it is so",
        },
        Example {
            line: "hactl move web --dry-run",
            about: "where would it go?",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    let words = Arg::new("words")
        .value_name("GROUP")
        .required(true)
        .action(ArgAction::Append)
        .num_args(1..)
        .add(completing::groups_and_nodes())
        .help("The groups, and the node at the end");
    order::yes(order::wait(order::arguments(lasting::of_moves(
        command.arg(words),
    ))))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let mut client = call.client()?;
    let snapshot = client.snapshot()?;
    let (groups, to) = destination(&snapshot, &call.words("words").unwrap_or_default())?;
    let lasting = Lasting::of(call);
    let order = Order {
        verb: GroupVerb::Move {
            groups: Choice::Named(groups),
            to,
            lasts: lasting.span,
            together: lasting.together,
        },
        danger: Danger::Medium { all: false },
        goal: Goal::Changes,
        remark: remark(lasting),
    };
    order::give(call, client, order)
}

/// What follows from an order that moves groups.
pub(super) fn remark(lasting: Lasting) -> String {
    match lasting.span {
        Some(_) => format!("this counts {lasting}, then each is where it would be without it"),
        None => format!("this counts {lasting}; hactl unmove ends it"),
    }
}

/// Which groups go where: by the words, else where they are not.
fn destination(
    snapshot: &Snapshot,
    words: &[&str],
) -> Result<(Vec<GroupName>, Option<NodeName>), Error> {
    let view = &snapshot.view;
    let is_group = |word: &str| super::is_group(snapshot, word);
    let (words, to) = match words {
        [groups @ .., last] if !groups.is_empty() && !is_group(last) => {
            match super::known_node(view, last) {
                Ok(node) => (groups, Some(node)),
                // It may be a part of a group's name.
                Err(_) if super::known_group(snapshot, last).is_ok() => (words, None),
                Err(_) => return Err(neither(snapshot, last)),
            }
        }
        _ => (words, None),
    };
    let groups = words.iter().map(|word| super::known_group(snapshot, word));
    let groups = groups.collect::<Result<Vec<_>, _>>()?;
    match to {
        Some(to) => Ok((groups, Some(to))),
        None => elsewhere(snapshot, &groups).map(|to| (groups, to)),
    }
}

/// The node on which none of the groups is; nothing where they are nowhere.
fn elsewhere(snapshot: &Snapshot, groups: &[GroupName]) -> Result<Option<NodeName>, Error> {
    let view = &snapshot.view;
    let holder = |group: &GroupName| Some(view.groups.get(group)?.nodes.keys().next()?.clone());
    let mut holders: Vec<NodeName> = groups.iter().filter_map(holder).collect();
    holders.sort();
    holders.dedup();
    let normal = view
        .nodes
        .iter()
        .filter(|(_, node)| node.kind == shared::event::NodeKind::Normal);
    let mut others = normal.filter(|(node, _)| !holders.contains(node));
    match (&holders[..], others.next()) {
        ([], _) => Ok(None),
        ([_], Some((other, _))) => Ok(Some(other.clone())),
        _ => Err(Error::Usage(
            "the groups are not all on one node; name the node they are to go to".into(),
        )),
    }
}

fn neither(snapshot: &Snapshot, typed: &str) -> Error {
    let nodes: Vec<&str> = snapshot.view.nodes.keys().map(NodeName::as_str).collect();
    let groups = super::group_names(snapshot);
    let groups: Vec<&str> = groups.iter().map(GroupName::as_str).collect();
    Error::NotFound(format!(
        "{typed} is no group and no node; there are the groups {} and the nodes {}",
        groups.join(", "),
        nodes.join(", ")
    ))
}
