//! The daemon: a supervisor, and the processes it starts from the same program.

mod accepted;
mod agent;
mod bond;
mod channel;
mod cli;
mod clock;
mod control;
mod core_process;
mod demo;
mod directory;
mod flight;
mod journal;
mod lock;
mod log;
mod manager_process;
mod medium;
mod oom;
mod pauses;
mod process;
mod program;
mod pulse;
mod rights;
mod run_directory;
mod service_manager;
mod settings;
mod slate;
mod startup;
mod state;
mod supervisor;
mod sys;
mod thread;
mod timer;
mod watchdog;
mod worker;

use std::io::{IsTerminal, Write};

use clap::Parser;
use cli::{Cli, Options, RoleCommand};
use shared::exit::Exit;

fn main() -> Exit {
    let cli = Cli::parse();
    match cli.role {
        Some(RoleCommand::TryRights { rights }) => rights::try_out(&rights),
        Some(RoleCommand::Act { run, id }) => hbd_agents::shim::run(&run, &id),
        Some(RoleCommand::Decide { command }) => manager_process::external::become_it(&command),
        Some(RoleCommand::Agent(options)) => agent::run(&options),
        Some(RoleCommand::ServeHttp { node, .. }) => hbd_agents::builtin::http::serve(&node),
        Some(RoleCommand::Core { fd, .. }) => core_process::run(fd),
        Some(RoleCommand::Manager { fd, run }) => manager_process::run(fd, &run),
        Some(RoleCommand::Release(options)) => manager_process::release::run(&options),
        Some(RoleCommand::Demo(options)) => demo::run(&options),
        Some(RoleCommand::DemoKeeper(options)) => demo::keeper::run(&options),
        Some(RoleCommand::DemoClient(options)) => demo::client::run(&options),
        None if cli.options.check => check(&cli.options),
        None => supervisor::run(&cli.options),
    }
}

/// What is wrong with the configuration on standard output, as `hactl check` shows it, and what
/// the machine would refuse.
fn check(options: &Options) -> Exit {
    let node = match startup::node_name(options.node.as_ref(), &options.config) {
        Ok(node) => node,
        Err(error) => {
            error.print();
            return error.exit();
        }
    };
    let report = diag::check::for_node(&options.config, Some(node), true);
    let mut stdout = std::io::stdout();
    let mut text = report.text(stdout.is_terminal());
    if let Some(config) = &report.config {
        let mut lacks = log::predict(&config.logging, options);
        match rights::predict(config) {
            Ok(of_rights) => lacks.extend(of_rights),
            Err(error) => {
                text += &format!("which rights hbd would lack is not known: {error}\n");
            }
        }
        text += &rights::text(&lacks);
    }
    // Whoever closed the pipe has read enough; the exit code still says how it went.
    let _ = stdout.write_all(text.as_bytes());
    report.exit(false)
}
