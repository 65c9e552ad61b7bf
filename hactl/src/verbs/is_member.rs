//! `hactl is-member`: one question, answered by the exit code.

use clap::{Arg, Command};
use shared::api::Snapshot;
use shared::event::NodeStatus;
use shared::exit::Exit;
use shared::names::NodeName;

use crate::cli::{Call, Example, Verb};
use crate::completing;
use crate::error::Error;
use crate::print::clock::is_stale;
use crate::verbs::cannot_tell;

pub(crate) const VERB: Verb = Verb {
    name: "is-member",
    about: "Says by its exit code whether a node is an active member of the cluster",
    text: "\
Without NODE the question is about the asked node. Ends with 0 if the node is active, 1 if it is
not, 3 if nobody can tell at the moment, since hbd or its core does not answer, and 4 if the cluster
has no such node. Writes nothing to standard output; why nobody can tell stands on standard error.",
    examples: &[
        Example {
            line: "hactl is-member && run-the-backup",
            about: "only where this node takes part",
        },
        Example {
            line: "hactl is-member bob || echo bob is out",
            about: "about another node",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    command.arg(
        Arg::new("node")
            .value_name("NODE")
            .add(completing::nodes())
            .help("The node; left out, the asked one"),
    )
}

fn run(call: &Call) -> Result<Exit, Error> {
    let (own, snapshot) = match super::ask_for_answer(call) {
        Ok(answer) => answer,
        Err(why) => return Ok(cannot_tell(&why)),
    };
    let node = match call.words("node").as_deref() {
        Some([typed]) => super::known_node(&snapshot.view, typed)?,
        _ => own,
    };
    if is_stale(&snapshot) {
        return Ok(cannot_tell("the core is not heard; hactl events says why"));
    }
    Ok(match is_active(&snapshot, &node) {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

fn is_active(snapshot: &Snapshot, node: &NodeName) -> bool {
    let view = snapshot.view.nodes.get(node);
    view.is_some_and(|node| node.status == NodeStatus::Active)
}
