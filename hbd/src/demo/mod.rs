//! `hbd demo`: a pair of real nodes on this machine that holds a service, or three that hold
//! nothing, and what happens when things break.
//!
//! The nodes are real: each has a supervisor, a core and a manager of its own, files of its own, and
//! links to the others ([`ground`], and a serial line, [`cable`]); so is the [`client`] that asks for the service. Only the
//! faults of links are made, by a medium around the medium, since nobody pulls a cable here;
//! processes are really killed and stopped.
//!
//! ```text
//!  story    what is done, what one should expect        page     what is shown
//!    |                                                  step     which signs, and the judgement
//!  company  orders to the keeper, events of the nodes   heard    every event once
//!    |  |
//!    |  +=====socket=== client   asks the service all the time
//!    |                    |  is started by
//!  hired ===socket=== keeper   processes, namespaces, directory; outlives us to remove them
//! ```
//!
//! The teller has no thread and waits in one place ([`company::Company::listen`]), where it also
//! sees the signals that ask for its end.

mod cable;
mod cast;
pub(crate) mod client;
mod company;
mod dice;
mod ground;
mod heard;
mod hired;
pub(crate) mod keeper;
mod netlink;
mod order;
mod page;
mod processes;
mod step;
mod story;
mod verdict;

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use shared::exit::Exit;

use cast::{Cast, DEADTIME, KEEPALIVE, Node};
use company::Company;
use ground::Ground;
use order::Worker;
use page::Page;
use verdict::{Row, Verdict};

use crate::clock;

/// While the nodes stay up, how often the demo wakes up without need.
const STAY: Duration = Duration::from_secs(3600);

/// The subcommand's arguments.
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    question: Option<Question>,
    /// How many nodes: 2 hold a service, 3 only tell who lives
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=3))]
    nodes: u8,
    /// End after the table: 0 if every promise held, else 1
    #[arg(long)]
    script: bool,
    /// Use the loopback interface even where namespaces are allowed
    #[arg(long, hide = true)]
    loopback: bool,
}

/// What can be asked while a demo runs.
#[derive(clap::Subcommand, Debug)]
enum Question {
    /// Ask the service of a running demo from its client; prints the node that answers
    Curl,
}

/// Why the demo ends before its end.
enum Stop {
    /// A signal asked for it.
    Asked,
    /// Nobody reads what it prints.
    Output,
    /// The hbd of a node ended, which nobody told it to.
    NodeEnded(String),
    /// It cannot go on.
    Broken(String),
}

impl From<io::Error> for Stop {
    /// Everything else names what failed.
    fn from(_: io::Error) -> Self {
        Self::Output
    }
}

/// The demo, from its first line to the end of its last process.
pub(crate) fn run(options: &Options) -> Exit {
    if let Some(Question::Curl) = options.question {
        return curl();
    }
    match perform(options) {
        Ok(rows) if rows.iter().all(|row| row.verdict == Verdict::Held) => Exit::Done,
        Ok(_) | Err(Stop::Asked | Stop::Output) => Exit::Failed,
        Err(Stop::NodeEnded(reason) | Stop::Broken(reason)) => {
            complain(&reason);
            Exit::Failed
        }
    }
}

fn curl() -> Exit {
    let told = client::curl().and_then(|answer| {
        writeln!(io::stdout(), "{answer}").map_err(|error| format!("writing failed: {error}"))
    });
    match told {
        Ok(()) => Exit::Done,
        Err(reason) => {
            complain(&reason);
            Exit::Failed
        }
    }
}

fn perform(options: &Options) -> Result<Vec<Row>, Stop> {
    let mut page = Page::new();
    let cast = Cast::of(options.nodes);
    page.line(match cast {
        Cast::Pair => "hbd demo: two nodes on this machine hold a service, and things break.",
        Cast::Three => "hbd demo: three nodes on this machine, and what happens when things break.",
    })?;
    let mut company = Company::assemble(cast, options.loopback)?;
    introduce(&company, &mut page)?;
    let leisure = page.is_terminal() && !options.script;
    let rows = story::play(&mut company, &mut page, leisure)?;
    page.table(&rows)?;
    if cast == Cast::Pair {
        page.line(&format!(
            "\nA dead machine costs deadtime, {} ms here, and the start of what it held.",
            DEADTIME.as_millis()
        ))?;
    }
    if !options.script {
        stay(&mut company, &mut page)?;
    }
    Ok(rows)
}

fn introduce(company: &Company, page: &mut Page) -> Result<(), Stop> {
    page.line("")?;
    let ground = company.ground();
    if let (Ground::Loopback(_), Some(excuse)) = (ground, company.excuse()) {
        page.line(&format!("No namespaces: {excuse}."))?;
    }
    page.line(&match company.cast() {
        Cast::Pair => introduction_of_pair(ground),
        Cast::Three => introduction_of_three(ground).to_owned(),
    })?;
    page.line(&format!(
        "Each beats every {} ms, and whoever is silent for {} ms is dead.",
        KEEPALIVE.as_millis(),
        DEADTIME.as_millis()
    ))?;
    Ok(())
}

fn introduction_of_pair(ground: Ground) -> String {
    let service = ground.service();
    match ground {
        Ground::Namespaces => format!(
            "  client       alice        bob      Each is a network namespace. The nodes\n\
             \x20   |          |   |       |   |     hold the address {} and a server\n\
             \x20   +-- eth0 --+---|-------+   |     on port {} that answers with the name\n\
             \x20                  +-- eth1 ---+     of its node; the client asks it each ms.\n\
             \x20                  +== tty ====+\n\
             \n\
             They beat over eth0 (broadcast), over eth1 (multicast, and in Ethernet frames of their\n\
             own), and over a serial line.",
            service.ip(),
            service.port()
        ),
        Ground::Loopback(_) => format!(
            "alice, bob and a client share the loopback interface. The pair holds a server at\n\
             {service} that answers with the name of its node; no address moves, which\n\
             takes a network for each of them. The client asks it each millisecond.\n\
             The nodes beat by broadcast, by multicast and over a serial line."
        ),
    }
}

fn introduction_of_three(ground: Ground) -> &'static str {
    match ground {
        Ground::Namespaces => {
            "alice, bob and carol each live in a network namespace with two links:\neth0 (broadcast) \
             and eth1 (multicast)."
        }
        Ground::Loopback(_) => {
            "alice, bob and carol share the loopback interface and have two links on it:\n\
             bcast:lo and mcast:lo."
        }
    }
}

/// Says what to try, and keeps the nodes up until somebody asks for the end.
fn stay(company: &mut Company, page: &mut Page) -> Result<(), Stop> {
    let core = company.worker(Node::Bob, Worker::Core)?;
    let socket = quoted(&company.files(Node::Alice).socket());
    let (hactl, place) = program("hactl");
    page.line(&format!(
        "\nThe nodes stay up until Ctrl-C. To try in another terminal{place}:\n"
    ))?;
    page.line(&format!("  export HBD_SOCKET={socket}"))?;
    if company.cast() == Cast::Pair {
        let (hbd, _) = program("hbd");
        page.line(&format!("  {hactl} groups"))?;
        page.line(&format!("  {hactl} move {} bob", company.ground().group()))?;
        page.line(&format!("  {hbd} demo curl"))?;
    }
    page.line(&format!("  {hactl} status"))?;
    page.line(&format!("  {hactl} events --follow"))?;
    page.line(&format!(
        "  kill -9 {core}    # the core of bob: watch the events"
    ))?;
    company.hang_up()?;
    loop {
        match company.listen(clock::boot() + STAY) {
            Ok(()) => {}
            Err(Stop::Asked) => return Ok(page.line("\nEnding the nodes.")?),
            // Whoever tries things may also end a node.
            Err(Stop::NodeEnded(reason)) => page.line(&reason)?,
            Err(stop) => return Err(stop),
        }
    }
}

/// How to call a program of hbd, and where: by its path if it lies beside this one, else through
/// cargo, which builds it first.
fn program(name: &str) -> (String, &'static str) {
    let beside = std::env::current_exe().ok().and_then(|own| {
        let path = own.parent()?.join(name);
        path.is_file().then_some(path)
    });
    match beside {
        Some(path) => (quoted(&path), ""),
        None => (
            format!("cargo run -q --release --bin {name} --"),
            ", in this directory",
        ),
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The signals that ask for an end.
fn ending_signals() -> SigSet {
    [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ]
    .into_iter()
    .collect()
}

fn complain(reason: &str) {
    // Nobody is left to tell that there is nobody to tell.
    let _ = writeln!(io::stderr(), "hbd demo: {reason}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_quoted_path_as_one_word() {
        assert_eq!(quoted(Path::new("/tmp/a-1/b.sock")), "/tmp/a-1/b.sock");
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
