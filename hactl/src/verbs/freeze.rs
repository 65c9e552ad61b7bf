//! `hactl freeze`: nothing moves.

use clap::Command;
use shared::exit::Exit;
use shared::order::GroupVerb;

use crate::cli::{Call, Example, Verb};
use crate::error::Error;
use crate::verbs::order::lasting::{self, Lasting};
use crate::verbs::order::{self, Danger, Goal, Order};

pub(crate) const VERB: Verb = Verb {
    name: "freeze",
    about: "Keeps every group as it is: none is started, stopped or moved, for a time",
    text: "\
While it lasts nobody takes over from a node that dies, and what stops is not started again: status
and health warn of it. A node that leaves in order, as when hbd is stopped there, or that is sick gives
up its groups all the same, and nobody takes them meanwhile. Groups are still looked at, and what is found is told; hactl maintenance does
not even look. It counts on both nodes, and ends when --for is over or with hactl unfreeze. Ends with
0 when it is ordered.",
    examples: &[Example {
        line: "hactl freeze --for 20m --reason \"switch is replaced\"",
        about: "no takeover while the network is worked on",
    }],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    order::arguments(lasting::argument(command))
}

fn run(call: &Call) -> Result<Exit, Error> {
    order::give(call, call.client()?, order(Lasting::of(call), false))
}

/// The order for a freeze.
pub(super) fn order(lasting: Lasting, maintenance: bool) -> Order {
    let (what, end) = match maintenance {
        true => (
            "started, stopped, moved or looked at",
            "hactl maintenance off",
        ),
        false => ("started, stopped or moved", "hactl unfreeze"),
    };
    Order {
        verb: GroupVerb::Freeze {
            lasts: lasting.span,
            maintenance,
        },
        danger: Danger::Mild,
        goal: Goal::Changes,
        remark: format!("no group is {what} {lasting}; {end} ends it"),
    }
}
