//! `hactl takeover`: the asked node takes groups from the other.

use clap::Command;
use shared::exit::Exit;
use shared::order::{Choice, GroupVerb};

use crate::cli::{Call, Example, Verb};
use crate::error::Error;
use crate::verbs::move_groups::remark;
use crate::verbs::order::lasting::{self, Lasting};
use crate::verbs::order::{self, Danger, Goal, Order};
use crate::verbs::standby::which;

pub(crate) const VERB: Verb = Verb {
    name: "takeover",
    about: "Takes groups to the asked node, for a time",
    text: "\
WHICH is all; local or failback, those that prefer the asked node; foreign, those that prefer the
other. With --for together as Heartbeat's hb_takeover, whose failback took all; else it ends by itself
when --for is over, and groups then are where they would be without it. all asks on a terminal if it
moves a group, and wants --yes elsewhere. Ends as move does.",
    examples: &[
        Example {
            line: "hactl takeover --yes --wait=1m",
            about: "before the other node is worked on",
        },
        Example {
            line: "hactl takeover local",
            about: "fetch what belongs to this node",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    let which = which("Which groups come").value_parser(["all", "local", "foreign", "failback"]);
    order::yes(order::wait(order::arguments(lasting::of_moves(
        command.arg(which),
    ))))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let (groups, all) = match call.words("which").as_deref() {
        Some(["local" | "failback"]) => (Choice::Local, false),
        Some(["foreign"]) => (Choice::Foreign, false),
        _ => (Choice::All, true),
    };
    let client = call.client()?;
    let lasting = Lasting::of(call);
    let order = Order {
        verb: GroupVerb::Move {
            groups,
            to: Some(client.hello().node.clone()),
            lasts: lasting.span,
            together: lasting.together,
        },
        danger: Danger::Medium { all },
        goal: Goal::Changes,
        remark: remark(lasting),
    };
    order::give(call, client, order)
}
