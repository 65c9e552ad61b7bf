//! `hactl completion`: a script for the shell, made from the table of verbs.

use std::io::Write;

use clap::{Arg, Command};
use clap_complete::Shell;
use shared::exit::Exit;

use crate::cli::{self, Call, Example, Verb};
use crate::error::Error;

pub(crate) const VERB: Verb = Verb {
    name: "completion",
    about: "Writes a completion script for bash, zsh or fish",
    text: "The script knows every verb, option, column and kind of event of this hactl.",
    examples: &[
        Example {
            line: "source <(hactl completion bash)",
            about: "in this shell",
        },
        Example {
            line: "hactl completion bash > /etc/bash_completion.d/hactl",
            about: "for everybody",
        },
        Example {
            line: "hactl completion fish > ~/.config/fish/completions/hactl.fish",
            about: "for fish",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    command.arg(
        Arg::new("shell")
            .value_name("SHELL")
            .required(true)
            .value_parser(["bash", "zsh", "fish"])
            .help("Which shell"),
    )
}

fn run(call: &Call) -> Result<Exit, Error> {
    let shell = match call.matches.get_one::<String>("shell").map(String::as_str) {
        Some("zsh") => Shell::Zsh,
        Some("fish") => Shell::Fish,
        _ => Shell::Bash,
    };
    // The generator panics where it cannot write, which it always can to memory.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "hactl", &mut script);
    let mut out = super::output();
    out.write_all(&script)?;
    out.flush()?;
    Ok(Exit::Done)
}
