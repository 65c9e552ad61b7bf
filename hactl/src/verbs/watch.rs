//! `hactl watch`: the screen of `hactl status`, drawn again whenever something happens.
//!
//! ```text
//! hbd --stream--> Feed (connects again) --state--> terminal: drawn anew, a few times a second
//!                                             +--> else: one line for each change of the verdict
//! ```
//!
//! What is shown stays when the daemon does not answer, with its age above it.

mod feed;
mod lines;
mod terminal;

use std::io::IsTerminal;

use clap::Command;
use shared::exit::Exit;

use crate::cli::{Call, Example, Verb, absolute, flag};
use crate::error::Error;
use feed::Feed;

pub(crate) const VERB: Verb = Verb {
    name: "watch",
    about: "Shows hactl status and keeps it up to date, until Ctrl-C",
    text: "\
On a terminal the screen of hactl status is drawn again when something happens, at most four times a
second and at least once. Where the terminal is too low for it, what is wrong stands first, and the last
line says what is left out. Elsewhere, and with --jsonl, there is one line for each change of the
verdict: date, level, sentence. While hbd does not answer, the last state stays with its age, and
hactl connects again as soon as hbd is back. It must answer at the start.",
    examples: &[
        Example {
            line: "hactl watch",
            about: "what is wrong, as it changes",
        },
        Example {
            line: "hactl watch >> verdicts.log",
            about: "a line for each change",
        },
        Example {
            line: "hactl watch --jsonl",
            about: "for programs",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    absolute(command.arg(flag("jsonl", "JSON, one change a line")))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let feed = Feed::start(call)?;
    match std::io::stdout().is_terminal() && !call.flag("jsonl") {
        true => terminal::show(call, feed),
        false => lines::show(call, feed),
    }
}
