//! `hactl is-active`: does this node hold something? Answered by the exit code.

use clap::Command;
use shared::api::Snapshot;
use shared::exit::Exit;
use shared::group::GroupState;
use shared::names::NodeName;

use crate::cli::{Call, Example, Verb};
use crate::error::Error;
use crate::verbs::cannot_tell;

pub(crate) const VERB: Verb = Verb {
    name: "is-active",
    about: "Says by its exit code whether the asked node holds a started group",
    text: "\
Ends with 0 if at least one group is started on the asked node, 1 if none is, and 3 if nobody can tell
at the moment, since hbd does not answer, or since no group is started here and one may run: it is
checked or blocked. Writes nothing to standard output; why nobody can tell stands on standard error.",
    examples: &[Example {
        line: "hactl is-active && run-the-reports",
        about: "only where the services are",
    }],
    arguments: |command: Command| command,
    run,
};

fn run(call: &Call) -> Result<Exit, Error> {
    Ok(match super::ask_for_answer(call) {
        Ok((own, snapshot)) => answer(&own, &snapshot),
        Err(why) => cannot_tell(&why),
    })
}

fn answer(own: &NodeName, snapshot: &Snapshot) -> Exit {
    let groups = snapshot.view.groups.iter();
    let here = groups.filter_map(|(group, view)| Some((group, view.nodes.get(own)?.state)));
    let mut doubt = None;
    for (group, state) in here {
        match state {
            GroupState::Started => return Exit::Done,
            GroupState::Checking | GroupState::Blocked => doubt = Some((group, state)),
            GroupState::Stopped | GroupState::Starting | GroupState::Stopping => {}
        }
    }
    match doubt {
        Some((group, state)) => cannot_tell(&format!("group {group} is {state} here and may run")),
        None => Exit::Failed,
    }
}
