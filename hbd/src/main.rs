//! The daemon: a supervisor, and the processes it starts from the same program.

mod channel;
mod cli;
mod clock;
mod control;
mod core_process;
mod demo;
mod medium;
mod run_directory;
mod settings;
mod startup;
mod state;
mod supervisor;
mod sys;

use std::io::IsTerminal;

use clap::Parser;
use cli::{Cli, Options, RoleCommand};
use shared::exit::Exit;

fn main() -> Exit {
    let cli = Cli::parse();
    match cli.role {
        Some(RoleCommand::Core { fd }) => core_process::run(fd),
        Some(RoleCommand::Demo(options)) => demo::run(&options),
        Some(RoleCommand::DemoKeeper(options)) => demo::keeper::run(&options),
        None if cli.options.check => check(&cli.options),
        None => supervisor::run(&cli.options),
    }
}

/// What is wrong with the configuration on standard output, as `hactl check` shows it.
fn check(options: &Options) -> Exit {
    let node = match startup::node_name(options) {
        Ok(node) => node,
        Err(error) => {
            error.print();
            return error.exit();
        }
    };
    let report = diag::check::for_node(&options.config, Some(node), true);
    print!("{}", report.text(std::io::stdout().is_terminal()));
    report.exit(false)
}
