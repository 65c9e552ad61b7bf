//! `hbd demo`: three real nodes on this machine, and what happens when things break.
//!
//! The nodes are real: each has a supervisor and a core of its own, files of its own, and two links
//! to the others ([`ground`]). Only the faults of links are made, by a medium around the medium,
//! since nobody pulls a cable here; processes are really killed and stopped.
//!
//! ```text
//!  story    what is done, what one should expect        page     what is shown
//!    |                                                  step     which signs, and the judgement
//!  company  orders to the keeper, events of the nodes   heard    every event once
//!    |
//!  hired ===socket=== keeper   processes, namespaces, directory; outlives us to remove them
//! ```
//!
//! The demo has no thread and waits in one place ([`company::Company::listen`]), where it also
//! sees the signals that ask for its end.

mod cast;
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

use cast::{DEADTIME, KEEPALIVE, Node};
use company::Company;
use ground::Ground;
use page::Page;
use verdict::{Row, Verdict};

use crate::clock;

/// While the nodes stay up, how often the demo wakes up without need.
const STAY: Duration = Duration::from_secs(3600);

/// The subcommand's arguments.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// End after the table: 0 if every promise held, else 1
    #[arg(long)]
    script: bool,
    /// Use the loopback interface even where namespaces are allowed
    #[arg(long, hide = true)]
    loopback: bool,
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
    match perform(options) {
        Ok(rows) if rows.iter().all(|row| row.verdict == Verdict::Held) => Exit::Done,
        Ok(_) | Err(Stop::Asked | Stop::Output) => Exit::Failed,
        Err(Stop::NodeEnded(reason) | Stop::Broken(reason)) => {
            complain(&reason);
            Exit::Failed
        }
    }
}

fn perform(options: &Options) -> Result<Vec<Row>, Stop> {
    let mut page = Page::new();
    page.line("hbd demo: three nodes on this machine, and what happens when things break.")?;
    let mut company = Company::assemble(options.loopback)?;
    introduce(&company, &mut page)?;
    let leisure = page.is_terminal() && !options.script;
    let rows = story::play(&mut company, &mut page, leisure)?;
    page.table(&rows)?;
    if !options.script {
        stay(&mut company, &mut page)?;
    }
    Ok(rows)
}

fn introduce(company: &Company, page: &mut Page) -> Result<(), Stop> {
    page.line("")?;
    match company.ground() {
        Ground::Namespaces => page.line(
            "alice, bob and carol each live in a network namespace with two links:\neth0 (broadcast) \
             and eth1 (multicast).",
        )?,
        Ground::Loopback(_) => {
            if let Some(excuse) = company.excuse() {
                page.line(&format!("No namespaces: {excuse}."))?;
            }
            page.line(
                "alice, bob and carol share the loopback interface and have two links on it:\n\
                 bcast:lo and mcast:lo.",
            )?;
        }
    }
    page.line(&format!(
        "Each beats every {} ms, and whoever is silent for {} ms is dead.",
        KEEPALIVE.as_millis(),
        DEADTIME.as_millis()
    ))?;
    Ok(())
}

/// Says what to try, and keeps the nodes up until somebody asks for the end.
fn stay(company: &mut Company, page: &mut Page) -> Result<(), Stop> {
    let core = company.core(Node::Carol)?;
    let (hactl, place) = hactl();
    let ask = |node| {
        let socket = company.files(node).socket();
        format!("  {hactl} --socket {}", quoted(&socket))
    };
    page.line(&format!(
        "\nThe nodes stay up until Ctrl-C. Three things to try in another terminal{place}:\n"
    ))?;
    page.line(&format!("{} status", ask(Node::Alice)))?;
    page.line(&format!("{} events --follow", ask(Node::Bob)))?;
    page.line(&format!(
        "  kill -9 {core}    # the core of carol: watch bob's events"
    ))?;
    company.hang_up();
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

/// How to call hactl, and where: by its path if it lies beside this program, else through cargo,
/// which builds it first.
fn hactl() -> (String, &'static str) {
    let beside = std::env::current_exe().ok().and_then(|own| {
        let path = own.parent()?.join("hactl");
        path.is_file().then_some(path)
    });
    match beside {
        Some(path) => (quoted(&path), ""),
        None => (
            "cargo run -q --release --bin hactl --".to_owned(),
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
