//! `hactl`: asks hbd and shows the answer, one command at a time.
//!
//! The verbs are one table ([`cli::VERBS`]); parser, help, manual and completion come from it. A
//! verb asks through [`shared::client`], and shows what it gets through [`print`]: data on standard
//! output, everything else on standard error. It keeps no state and never decides anything: what
//! is wrong with a cluster is judged by [`shared::verdict`]. Called by the name of a command of
//! [Heartbeat](heartbeat) it is that command.

use std::io::Write;
use std::process::ExitCode;

use shared::exit::Exit;

mod cli;
mod completing;
mod error;
mod heartbeat;
mod live;
#[cfg(test)]
mod manual;
mod print;
mod private;
mod verbs;

fn main() -> ExitCode {
    clap_complete::CompleteEnv::with_factory(cli::command)
        .var(verbs::completion::VARIABLE)
        .complete();
    let line = match heartbeat::translated(std::env::args_os().collect()) {
        Ok(line) => line,
        Err((text, exit)) => return said_in_place(&text, exit),
    };
    let end = match cli::command().try_get_matches_from(line) {
        Ok(matches) => cli::run(&matches),
        Err(usage) => return said_by_parser(&usage),
    };
    match end {
        Ok(exit) => exit.into(),
        Err(error) => {
            if let Some(text) = error.text() {
                complain(&text);
            }
            error.exit().into()
        }
    }
}

/// Help, version or a usage error, as the parser words it.
fn said_by_parser(said: &clap::Error) -> ExitCode {
    // Nobody is left to be told where even this cannot be written.
    let _ = said.print();
    match said.use_stderr() {
        true if cli::is_for(verbs::health::NAME) => verbs::health::misused(&said.to_string()),
        true => Exit::Usage,
        false => Exit::Done,
    }
    .into()
}

/// Says why nothing is asked of hbd: help goes where it is looked for.
fn said_in_place(text: &str, exit: Exit) -> ExitCode {
    // Nobody is left to be told where even this cannot be written.
    let _ = match exit {
        Exit::Done => writeln!(std::io::stdout(), "{text}"),
        _ => writeln!(std::io::stderr(), "{text}"),
    };
    exit.into()
}

/// Writes to standard error. A closed one is no reason to fail otherwise than we do anyway.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}: {text}", heartbeat::name());
}
