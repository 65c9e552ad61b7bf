//! `hactl cleanup`: what failed with groups is forgotten.

use clap::Command;
use shared::exit::Exit;
use shared::order::GroupVerb;

use crate::cli::{Call, Example, Verb};
use crate::error::Error;
use crate::verbs::order::{self, Danger, Goal, Order};

pub(crate) const VERB: Verb = Verb {
    name: "cleanup",
    about: "Forgets what failed with groups, and tries again",
    text: "\
GROUP may be the word all. On both nodes failures of start are forgotten, so that the group may be
started where it failed; of a blocked group every resource is stopped once more. Nothing that runs well
is touched. With --wait it waits until each group is started. Ends as move does.",
    examples: &[
        Example {
            line: "hactl cleanup web --wait",
            about: "after what was broken is repaired",
        },
        Example {
            line: "hactl cleanup all",
            about: "of every group",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    let groups = super::groups_argument("The groups, or all").required(true);
    order::wait(order::arguments(command.arg(groups)))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let mut client = call.client()?;
    let groups = super::chosen_groups(call, &mut client)?;
    let order = Order {
        verb: GroupVerb::Cleanup { groups },
        danger: Danger::Mild,
        goal: Goal::Changes,
        remark: "what failed is forgotten, and tried again".into(),
    };
    order::give(call, client, order)
}
