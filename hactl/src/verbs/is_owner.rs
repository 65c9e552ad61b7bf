//! `hactl is-owner`: does this node hold that group? Answered by the exit code.

use clap::Command;
use shared::exit::Exit;
use shared::group::GroupState;

use crate::cli::{Call, Example, Verb};
use crate::error::Error;
use crate::verbs::cannot_tell;

pub(crate) const VERB: Verb = Verb {
    name: "is-owner",
    about: "Says by its exit code whether a group is started on the asked node",
    text: "\
Ends with 0 if the group is started on the asked node, 1 if it is not, 3 if nobody can tell at the
moment, since hbd does not answer or the group is checked or blocked here, and 4 if there is no such
group. Writes nothing to standard output; why nobody can tell stands on standard error.",
    examples: &[Example {
        line: "hactl is-owner IPaddr::10.0.0.5/24/eth0 && rotate-the-logs",
        about: "only where the service is",
    }],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    command.arg(super::group_argument("The group"))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let (own, snapshot) = match super::ask_for_answer(call) {
        Ok(answer) => answer,
        Err(why) => return Ok(cannot_tell(&why)),
    };
    let typed = call.words("group").unwrap_or_default();
    let group = super::known_group(&snapshot, typed.first().copied().unwrap_or_default())?;
    let view = snapshot.view.groups.get(&group);
    let here = view.and_then(|view| view.nodes.get(&own));
    Ok(match here.map_or(GroupState::Stopped, |on| on.state) {
        GroupState::Started => Exit::Done,
        GroupState::Stopped | GroupState::Starting | GroupState::Stopping => Exit::Failed,
        state @ (GroupState::Checking | GroupState::Blocked) => {
            cannot_tell(&format!("group {group} is {state} here and may run"))
        }
    })
}
