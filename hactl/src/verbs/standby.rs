//! `hactl standby`: the asked node gives groups to the other.

use clap::{Arg, Command};
use shared::exit::Exit;
use shared::order::{Choice, GroupVerb};

use crate::cli::{Call, Example, Verb};
use crate::error::Error;
use crate::verbs::move_groups::remark;
use crate::verbs::order::lasting::{self, Lasting};
use crate::verbs::order::{self, Danger, Goal, Order};

pub(crate) const VERB: Verb = Verb {
    name: "standby",
    about: "Gives the groups of the asked node to the other, for a time",
    text: "\
WHICH is all; local, those that prefer the asked node; foreign or failback, those that prefer the
other. With --for together as Heartbeat's hb_standby; else it ends by itself when --for is over, and
groups then are where they would be without it. all asks on a terminal if it moves a group, and wants --yes elsewhere. Ends
as move does.",
    examples: &[
        Example {
            line: "hactl standby --for 30m --reason \"kernel update\" --wait",
            about: "before this node is worked on",
        },
        Example {
            line: "hactl standby failback --yes",
            about: "give back what belongs to the other node",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    let which = which("Which groups go").value_parser(["all", "local", "foreign", "failback"]);
    order::yes(order::wait(order::arguments(lasting::of_moves(
        command.arg(which),
    ))))
}

/// `WHICH`.
pub(super) fn which(help: &'static str) -> Arg {
    Arg::new("which")
        .value_name("WHICH")
        .default_value("all")
        .help(help)
}

fn run(call: &Call) -> Result<Exit, Error> {
    let (groups, all) = match call.words("which").as_deref() {
        Some(["local"]) => (Choice::Local, false),
        Some(["foreign" | "failback"]) => (Choice::Foreign, false),
        _ => (Choice::All, true),
    };
    let lasting = Lasting::of(call);
    let order = Order {
        verb: GroupVerb::Move {
            groups,
            to: None,
            lasts: lasting.span,
            together: lasting.together,
        },
        danger: Danger::Medium { all },
        goal: Goal::Changes,
        remark: remark(lasting),
    };
    order::give(call, call.client()?, order)
}
