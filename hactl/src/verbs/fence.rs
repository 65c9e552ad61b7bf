//! `hactl fence`: a node is switched off by its device, or somebody made sure that it is off.

use clap::{Arg, Command};
use shared::event::{Kind, Object};
use shared::exit::Exit;
use shared::names::NodeName;
use shared::order::GroupVerb;

use crate::cli::{Call, Example, Verb};
use crate::completing;
use crate::error::Error;
use crate::verbs::history;
use crate::verbs::order::{self, Danger, Goal, Order, Word};

const OFF: &str = "off";
const CONFIRM: &str = "confirm";
const HISTORY: &str = "history";

pub(crate) const VERB: Verb = Verb {
    name: "fence",
    about: "Has a node switched off, or tells hbd that somebody made sure that it is off",
    text: "\
off: hbd has its fencing device (`fence`, `stonith`, `stonith_host`) switch the node off, be it dead or alive; all
that it holds is interrupted, and taken over when the device says that it is off. hbd does this by itself
before it takes over from a dead node. confirm: hbd holds a takeover back where a node that counts as dead
may still hold groups: while its device fails, with `fence NODE manual`, with `unfenced_takeover no` or
`startup_fence no`. Whoever confirms has seen that it is off: without power, or cut from disks and
network. If it is not, two nodes use what only one may, and data can be destroyed. history: what was
fenced, by what, and what failed. On a terminal off and confirm ask for the name of the node; elsewhere
they want --yes. Both need the role admin. They end with 0 when it is ordered or told, 4 if there is no
such node, and 7 if nobody confirmed it, if there is no device (off), or if the node lives (confirm); off
--wait with 1 if the device fails, and 6 if it did not end in time.",
    examples: &[
        Example {
            line: "hactl fence off bob --wait --reason \"hangs, and its disk is needed\"",
            about: "switch bob off",
        },
        Example {
            line: "hactl fence confirm bob --reason \"pulled both plugs\"",
            about: "bob is off, take over",
        },
        Example {
            line: "hactl fence history bob",
            about: "what was done to bob",
        },
    ],
    arguments,
    run,
};

/// What happens to nodes that are fenced, by the words of events.
const KINDS: [&str; 8] = [
    "takeover-held",
    "takeover-free",
    "fence-confirmed",
    "fence-begun",
    "fenced",
    "fence-failed",
    "fence-device-failed",
    "fence-device-works",
];

fn arguments(command: Command) -> Command {
    let node = |help: &'static str| {
        Arg::new("node")
            .value_name("NODE")
            .add(completing::nodes())
            .help(help)
    };
    let off = Command::new(OFF)
        .about("Has the fencing device of a node switch it off")
        .arg(node("The node that is to be off").required(true));
    let wait = "Wait until the device says that it is off, 5m at most unless TIME says otherwise";
    let confirm = Command::new(CONFIRM)
        .about("Says that a dead node is off, so that it may be succeeded")
        .arg(node("The node that is off").required(true));
    let history = Command::new(HISTORY)
        .about("Shows which nodes were fenced, by what, and what failed, oldest first")
        .arg(node("Only this node"));
    command
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(order::yes(order::wait_for(order::arguments(off), wait)))
        .subcommand(order::yes(order::arguments(confirm)))
        .subcommand(history::selection(history))
}

fn run(call: &Call) -> Result<Exit, Error> {
    match call.part {
        Some(HISTORY) => show_history(call),
        Some(OFF) => give(call, off),
        _ => give(call, confirm),
    }
}

fn give(call: &Call, order: fn(NodeName) -> Order) -> Result<Exit, Error> {
    let mut client = call.client()?;
    let typed = call.words("node").unwrap_or_default();
    let typed = typed.first().copied().unwrap_or_default();
    let node = super::known_node(&client.snapshot()?.view, typed)?;
    order::give(call, client, order(node))
}

fn off(node: NodeName) -> Order {
    let says = format!(
        "this switches {node} off at once: whatever runs there is interrupted, not only what hbd holds"
    );
    let goal = node.clone();
    Order {
        verb: GroupVerb::Fence { node: node.clone() },
        remark: format!("{node} is switched off by its fencing device"),
        danger: Danger::Severe { node, says },
        goal: Goal::Event(Box::new(move |kind| fenced(kind, &goal))),
    }
}

/// What an event says about the node.
fn fenced(kind: &Kind, wanted: &NodeName) -> Option<Word> {
    match kind {
        Kind::Fenced { node, .. } if node == wanted => Some(Word::Done),
        Kind::FenceBegun { node, .. } if node == wanted => Some(Word::GoesOn),
        Kind::FenceFailed {
            node, device, why, ..
        } if node == wanted => Some(Word::Failed(format!(
            "{device} did not switch off {node}: {why}"
        ))),
        _ => None,
    }
}

fn confirm(node: NodeName) -> Order {
    let says = format!(
        "this says that {node} is off: without power, or cut from disks and network\n\
         if it is not, two nodes use what only one may, and data can be destroyed"
    );
    Order {
        verb: GroupVerb::ConfirmFence { node: node.clone() },
        remark: format!("{node} counts as off, and may be succeeded"),
        danger: Danger::Severe { node, says },
        goal: Goal::Changes,
    }
}

fn show_history(call: &Call) -> Result<Exit, Error> {
    let mut client = call.client()?;
    let snapshot = client.snapshot()?;
    let typed = call.words("node").unwrap_or_default();
    let objects = match typed.first() {
        Some(typed) => {
            let node = super::known_node(&snapshot.view, typed)?;
            vec![Object::Node(node).to_string()]
        }
        None => Vec::new(),
    };
    let events = client.find_events(history::query(call, &KINDS, objects))?;
    super::show_rows(call, history::COLUMNS, &events, &call.clock(snapshot.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_of_a_history_are_kinds_of_events() {
        for kind in KINDS {
            assert!(Kind::WORDS.contains(&kind), "{kind}");
        }
    }
}
