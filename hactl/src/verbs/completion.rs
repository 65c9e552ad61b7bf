//! `hactl completion`: a script for the shell, made from the table of verbs.
//!
//! Verbs and options come from the generator. Names of nodes come from the daemon at the moment
//! they are wanted, by `hactl nodes` with a short limit. An argument that takes one has the hint
//! [`clap::ValueHint::Hostname`]; for zsh and fish the call that completes host names is replaced
//! by ours, and bash, whose generator ignores hints for arguments, gets a function around its own.

use std::io::Write;

use clap::{Arg, Command};
use clap_complete::Shell;
use shared::exit::Exit;

use crate::cli::{self, Call, Example, Verb};
use crate::error::Error;

pub(crate) const VERB: Verb = Verb {
    name: "completion",
    about: "Writes a completion script for bash, zsh or fish",
    text: "\
The script knows every verb, option, column and kind of event of this hactl, and asks the running
hbd for the names of nodes.",
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
    let script = with_names(shell, &String::from_utf8_lossy(&script));
    let mut out = super::output();
    out.write_all(script.as_bytes())?;
    out.flush()?;
    Ok(Exit::Done)
}

/// What the scripts run for the names of nodes.
const NAMES: &str = "hactl nodes --timeout 150ms --plain -o node 2>/dev/null";

/// The generator's script, with names of nodes in place of names of hosts.
fn with_names(shell: Shell, script: &str) -> String {
    match shell {
        Shell::Zsh => script.replace(":_hosts'", ":_hactl_nodes'").replacen(
            "_hactl() {",
            &format!("_hactl_nodes() {{\n    compadd -- ${{(f)\"$({NAMES})\"}}\n}}\n\n_hactl() {{"),
            1,
        ),
        Shell::Fish => {
            script.replace("(__fish_print_hostnames)", &format!("({NAMES})"))
                + &format!(
                    "complete -c hactl -n \"__fish_hactl_using_subcommand nodes; or __fish_hactl_using_subcommand links\" -f -a \"({NAMES})\"\n"
                )
        }
        _ => script.to_owned() + include_str!("completion/names.bash"),
    }
}
