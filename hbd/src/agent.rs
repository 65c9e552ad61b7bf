//! `hbd agent`: the built-in resource agents as programs, which a person, another program or the
//! shim calls as Heartbeat 3.0.6 calls its scripts.

use std::env;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use hbd_agents::builtin::ip::{ANNOUNCEMENTS, Lease};
use hbd_agents::builtin::{Agent, Error, Surroundings};
use shared::exit::{Exit, Service};
use shared::group::Operation;

use crate::cli::RUN;

/// The operations that can be asked for.
const OPERATIONS: [Operation; 5] = [
    Operation::Start,
    Operation::Stop,
    Operation::Status,
    Operation::Monitor,
    Operation::Announce,
];
/// How long a start goes on announcing an address.
const ANNOUNCING: Duration = Duration::from_secs(1);

/// What is done to which resource.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Directory in which agents remember what they do
    #[arg(long, value_name = "DIR", default_value = RUN)]
    run: PathBuf,
    /// An address is taken away after so long, unless it is started again before
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    lease: Option<u32>,
    /// As in haresources, with blanks for `::`, then what is done
    #[arg(
        value_names = ["NAME", "ARGUMENT... OPERATION"],
        num_args = 2..,
        required = true,
        trailing_var_arg = true
    )]
    words: Vec<String>,
}

/// Does it.
pub(crate) fn run(options: &Options) -> Exit {
    let Some(([name, arguments @ ..], operation)) =
        options.words.split_last().map(|(last, rest)| (rest, last))
    else {
        return usage("write hbd agent NAME ARGUMENT... OPERATION");
    };
    let known = |known: &Operation| known.word() == operation;
    let Some(operation) = OPERATIONS.into_iter().find(known) else {
        let words = OPERATIONS.map(Operation::word).join(", ");
        return usage(&format!("`{operation}` is no operation; there are {words}"));
    };
    match Agent::parse(name, arguments) {
        Ok(Some(agent)) => carry_out(&agent, operation, options),
        Ok(None) => usage(&format!("there is no agent {name}; see hbd-agents(7)")),
        Err(error) => usage(&error.to_string()),
    }
}

fn usage(trouble: &str) -> Exit {
    eprintln!("hbd agent: {trouble}");
    Exit::Usage
}

fn carry_out(agent: &Agent, operation: Operation, options: &Options) -> Exit {
    let node = node();
    let surroundings = Surroundings {
        run: &options.run,
        node: &node,
        lease: options.lease.map_or(Lease::UNLIMITED, |seconds| {
            Lease::of(Duration::from_secs(seconds.into()))
        }),
    };
    let mut done = agent.carry_out(operation, &surroundings);
    if let (Ok(_), Operation::Start, Agent::Address(_)) = (&done, operation, agent) {
        done = announce(agent, &surroundings);
    }
    match (done, operation) {
        (Err(error), _) => {
            eprintln!("hbd agent: {error}");
            Exit::Failed
        }
        (Ok(runs), Operation::Status | Operation::Monitor) => told(runs),
        (Ok(_), _) => Exit::Done,
    }
}

/// A script has nobody who announces for it.
fn announce(agent: &Agent, surroundings: &Surroundings<'_>) -> Result<bool, Error> {
    let begin = Instant::now();
    for at in ANNOUNCEMENTS.into_iter().filter(|at| *at <= ANNOUNCING) {
        thread::sleep(at.saturating_sub(begin.elapsed()));
        agent.carry_out(Operation::Announce, surroundings)?;
    }
    Ok(true)
}

/// In the words that Heartbeat looks for in the output of a script.
fn told(runs: bool) -> Exit {
    let (word, service) = match runs {
        true => ("running", Service::Runs),
        false => ("stopped", Service::Stopped),
    };
    println!("{word}");
    service.into()
}

/// As whoever calls says, else as the machine is called.
fn node() -> String {
    let called = env::var("HA_CURHOST").ok().filter(|name| !name.is_empty());
    called.unwrap_or_else(|| {
        let name = nix::unistd::gethostname().unwrap_or_default();
        name.to_string_lossy().to_lowercase()
    })
}
