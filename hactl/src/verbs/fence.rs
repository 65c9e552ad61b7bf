//! `hactl fence`: somebody made sure that a node is off.

use clap::{Arg, Command};
use shared::exit::Exit;
use shared::order::GroupVerb;

use crate::cli::{Call, Example, Verb};
use crate::completing;
use crate::error::Error;
use crate::verbs::order::{self, Danger, Order};

/// The only part.
const CONFIRM: &str = "confirm";

pub(crate) const VERB: Verb = Verb {
    name: "fence",
    about: "Tells hbd that somebody made sure that a dead node is off",
    text: "\
hbd holds a takeover back where a node that counts as dead may still hold groups, as `unfenced_takeover
no` demands. Whoever confirms has seen that it is off: without power, or cut from disks and network.
If it is not, two nodes use what only one may, and data can be destroyed. On a terminal it asks for
the name of the node; elsewhere it wants --yes. Needs the role admin. Ends with 0 when it is told, 4
if there is no such node, and 7 if the node lives or nobody confirmed it.",
    examples: &[Example {
        line: "hactl fence confirm bob --reason \"pulled both plugs\"",
        about: "bob is off, take over",
    }],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    let node = Arg::new("node")
        .value_name("NODE")
        .required(true)
        .add(completing::nodes())
        .help("The node that is off");
    let confirm = Command::new(CONFIRM)
        .about("Says that a dead node is off, so that it may be succeeded")
        .arg(node);
    command
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(order::yes(order::arguments(confirm)))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let mut client = call.client()?;
    let typed = call.words("node").unwrap_or_default();
    let typed = typed.first().copied().unwrap_or_default();
    let node = super::known_node(&client.snapshot()?.view, typed)?;
    let says = format!(
        "this says that {node} is off: without power, or cut from disks and network\n\
         if it is not, two nodes use what only one may, and data can be destroyed"
    );
    let order = Order {
        verb: GroupVerb::ConfirmFence { node: node.clone() },
        remark: format!("{node} counts as off, and may be succeeded"),
        danger: Danger::Severe { node, says },
    };
    order::give(call, client, order)
}
