//! `hactl completion`: a script for the shell that asks hactl itself for every word.
//!
//! The script is short and knows nothing: it calls hactl with [`VARIABLE`] set, which reads the line
//! so far as it would read a call, and writes what may follow. Words come from the table of verbs,
//! names from the running hbd ([`crate::completing`]).

use std::io::Write;

use clap::{Arg, Command};
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};
use shared::exit::Exit;

use crate::cli::{Call, Example, Verb};
use crate::error::Error;

/// Names the shell that asks.
pub(crate) const VARIABLE: &str = "HACTL_COMPLETE";

pub(crate) const VERB: Verb = Verb {
    name: "completion",
    about: "Writes a completion script for bash, zsh or fish",
    text:
        "\
The script asks hactl for verbs, options, columns and kinds of events, and the running hbd for the
names of nodes and links. --socket is completed with sockets. Make it anew when hactl was upgraded.",
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
    let shell: &dyn EnvCompleter = match call.words("shell").as_deref() {
        Some(["zsh"]) => &Zsh,
        Some(["fish"]) => &Fish,
        _ => &Bash,
    };
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "hactl", "hactl", "hactl", &mut script)?;
    let mut out = super::output();
    out.write_all(&script)?;
    out.flush()?;
    Ok(Exit::Done)
}
