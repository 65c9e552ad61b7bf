//! `hactl maintenance`: somebody works on the services themselves.

use clap::{Arg, Command};
use shared::exit::Exit;

use crate::cli::{Call, Example, Verb};
use crate::error::Error;
use crate::verbs::order::lasting::{self, Lasting};
use crate::verbs::{freeze, order, unfreeze};

pub(crate) const VERB: Verb = Verb {
    name: "maintenance",
    about: "Leaves every group alone, or looks after them again",
    text: "\
on: as hactl freeze, and groups are not looked at either, so that services may be stopped and started
by hand. Where hbd itself is stopped meanwhile its groups are stopped, and nobody takes them. off: ends it; with it hbd looks whether what it holds runs, and starts anew what does not.
Ends with 0 when it is ordered, and off with 7 where a freeze lasts that is no maintenance.",
    examples: &[
        Example {
            line: "hactl maintenance on --for 4h --reason \"database upgrade\"",
            about: "hands off",
        },
        Example {
            line: "hactl maintenance off",
            about: "look after them again",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    let switch = Arg::new("switch")
        .value_name("on|off")
        .required(true)
        .value_parser(["on", "off"])
        .help("Whether somebody works on the services");
    order::arguments(lasting::argument(command.arg(switch)))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let mut client = call.client()?;
    if call.words("switch").as_deref() == Some(&["on"]) {
        return order::give(call, client, freeze::order(Lasting::of(call), true));
    }
    if let Some((false, _)) = client.snapshot()?.view.frozen {
        return Err(Error::Refused(
            "this is no maintenance but a freeze; hactl unfreeze ends it".into(),
        ));
    }
    order::give(call, client, unfreeze::order())
}
