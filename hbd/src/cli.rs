//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use shared::names::NodeName;

use crate::{agent, demo, log, manager_process};

/// Where state is kept unless another directory is named.
pub(crate) const STATE: &str = "/var/lib/hbd";
/// What names an instance unless another directory is named.
pub(crate) const RUN: &str = "/run/hbd";

/// High-availability daemon: beats with its peers and knows who lives.
///
/// Runs in the foreground until SIGTERM or SIGINT, which make it leave the cluster in order.
#[derive(Debug, Parser)]
#[command(
    name = "hbd",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        hbd demo                        a pair on this machine, to see what hbd does\n  \
        hbd --check                     say what is wrong with /etc/ha.d\n  \
        hbd                             run as the node that uname -n names\n  \
        hbd --config ./a --state ./a/state --run ./a/run --node a\n                                  \
        a second instance beside another\n\n\
        Manual: hbd(8), ha.cf(5)"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) role: Option<RoleCommand>,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// How the daemon runs.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Directory of ha.cf, authkeys, haresources, hbd.cf and hbd.keys
    #[arg(long, value_name = "DIR", default_value = shared::config::load::DIRECTORY)]
    pub(crate) config: PathBuf,
    /// Directory of what outlives the daemon
    #[arg(long, value_name = "DIR", default_value = STATE)]
    pub(crate) state: PathBuf,
    /// Directory of the control socket and the locks; names the instance
    #[arg(long, value_name = "DIR", default_value = RUN)]
    pub(crate) run: PathBuf,
    /// Name of this node [default: nodeinfo in the config directory, else uname -n]
    #[arg(long, value_name = "NAME", value_parser = NodeName::new)]
    pub(crate) node: Option<NodeName>,
    /// Let administrators inject faults on media, for tests
    #[arg(long)]
    pub(crate) allow_faults: bool,
    /// Socket of syslog, for tests
    #[arg(long, value_name = "PATH", default_value = log::SYSLOG, hide = true)]
    pub(crate) syslog: PathBuf,
    /// Socket of the journal, for tests
    #[arg(long, value_name = "PATH", default_value = log::JOURNAL, hide = true)]
    pub(crate) journal: PathBuf,
    /// Check the configuration and end: 0 valid, 8 invalid
    #[arg(long)]
    pub(crate) check: bool,
}

/// What else the program is.
#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// A pair on this machine that holds a service, and what happens when things break
    Demo(demo::Options),
    /// Stop what this node holds, where hbd died and does not run
    Release(manager_process::release::Options),
    /// The process that keeps the nodes of the demo; only the demo itself starts it
    #[command(hide = true)]
    DemoKeeper(demo::keeper::Options),
    /// The client of the demo's pair; only the demo itself starts it
    #[command(hide = true)]
    DemoClient(demo::client::Options),
    /// The core process; only hbd itself starts it
    #[command(hide = true)]
    Core {
        /// The descriptor it inherits
        #[arg(long)]
        fd: i32,
        /// The instance it belongs to, for whoever looks at a list of processes
        #[arg(long)]
        run: PathBuf,
    },
    /// The manager process; only hbd itself starts it
    #[command(hide = true)]
    Manager {
        /// The descriptor it inherits
        #[arg(long)]
        fd: i32,
        /// The instance it belongs to, for whoever looks at a list of processes
        #[arg(long)]
        run: PathBuf,
    },
    /// A built-in resource agent, called as the scripts of Heartbeat are
    Agent(agent::Options),
    /// The server of the agent Http; only that starts it
    #[command(hide = true)]
    ServeHttp {
        /// Where it listens, for whoever looks at a list of processes
        address: String,
        /// What it answers
        node: String,
    },
    /// Does one thing to one resource, as standard input tells; only hbd itself starts it
    #[command(hide = true)]
    Act {
        /// The instance it belongs to
        #[arg(long)]
        run: PathBuf,
        /// The name of the action
        #[arg(long)]
        id: hbd_agents::actions::Id,
    },
    /// Becomes the program that is the manager; only hbd itself starts it
    #[command(hide = true)]
    Decide {
        /// The program and its arguments
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Tries what a core may do here and writes what it may not; only hbd itself asks that
    #[command(hide = true)]
    TryRights {
        /// What to try, as hbd writes it
        rights: String,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_manual_names_every_option_and_command() {
        let page = include_str!("../../man/hbd.8");
        let command = Cli::command();
        let shown = |command: &&clap::Command| !command.is_hide_set();
        for part in std::iter::once(&command).chain(command.get_subcommands().filter(shown)) {
            let named = |option: &&clap::Arg| !option.is_hide_set() && !option.is_positional();
            for option in part.get_arguments().filter(named) {
                let long = option.get_long().expect("options have long names");
                assert!(page.contains(&format!("Fl -{long}")), "--{long}");
            }
        }
        for command in command.get_subcommands().filter(shown) {
            let name = command.get_name();
            assert!(page.contains(&format!("Cm {name}")), "{name}");
        }
    }
}
