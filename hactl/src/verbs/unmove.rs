//! `hactl unmove`: an order that moved groups is withdrawn.

use clap::Command;
use shared::exit::Exit;
use shared::order::GroupVerb;

use crate::cli::{Call, Example, Verb};
use crate::error::Error;
use crate::verbs::order::{self, Danger, Goal, Order};

pub(crate) const VERB: Verb = Verb {
    name: "unmove",
    about: "Withdraws the orders that moved groups",
    text: "\
GROUP may be the word all. What move, standby or takeover said of these groups counts no more, as if
its --for had run out: with auto_failback on a group goes to its preferred node, with off it stays
where it is. Where nothing is wanted nothing is done. It asks as move does, and ends as move does.",
    examples: &[
        Example {
            line: "hactl unmove web --dry-run",
            about: "where would it go?",
        },
        Example {
            line: "hactl unmove all",
            about: "of every group",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    let groups = super::groups_argument("The groups, or all").required(true);
    order::yes(order::wait(order::arguments(command.arg(groups))))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let mut client = call.client()?;
    let groups = super::chosen_groups(call, &mut client)?;
    let order = Order {
        verb: GroupVerb::Unmove { groups },
        danger: Danger::Medium { all: false },
        goal: Goal::Changes,
        remark: "each group is where it would be without an order".into(),
    };
    order::give(call, client, order)
}
