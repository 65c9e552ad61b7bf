//! `hactl unfreeze`: groups are looked after again.

use shared::exit::Exit;
use shared::order::GroupVerb;

use crate::cli::{Call, Example, Verb};
use crate::error::Error;
use crate::verbs::order::{self, Danger, Goal, Order};

pub(crate) const VERB: Verb = Verb {
    name: "unfreeze",
    about: "Ends a freeze or a maintenance",
    text: "\
hbd looks after the groups again on both nodes, and does at once what it did not do meanwhile: see it
before with --dry-run. Where nothing is frozen nothing is done. Ends with 0 when it is ordered.",
    examples: &[
        Example {
            line: "hactl unfreeze --dry-run",
            about: "what will it do?",
        },
        Example {
            line: "hactl unfreeze",
            about: "go on",
        },
    ],
    arguments: order::arguments,
    run,
};

fn run(call: &Call) -> Result<Exit, Error> {
    order::give(call, call.client()?, order())
}

/// The order that ends a freeze.
pub(super) fn order() -> Order {
    Order {
        verb: GroupVerb::Unfreeze,
        danger: Danger::Mild,
        goal: Goal::Changes,
        remark: "groups are looked after".into(),
    }
}
