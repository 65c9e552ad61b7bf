//! `hactl check`: is this configuration right? Asks no daemon.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Arg, Command, value_parser};
use diag::check::Report;
use shared::config::load::DIRECTORY;
use shared::exit::Exit;

use crate::cli::{Call, Example, Verb, flag};
use crate::error::Error;
use crate::print::{Colour, json};

pub(crate) const VERB: Verb = Verb {
    name: "check",
    about: "Checks a configuration directory; needs no running hbd",
    text: "\
Everything that is wrong is shown at once, each with file, line, reason and remedy. The files are
ha.cf, authkeys and haresources, and hbd.cf and hbd.keys where they exist. With --machine the
configuration is also held against this machine: its name, interfaces, users and programs. Ends
with 0 if valid, 8 if not, 1 if there are warnings and --strict is given, and 4 if there is no such
directory.",
    examples: &[
        Example {
            line: "hactl check",
            about: "what hbd would read",
        },
        Example {
            line: "hactl check --machine --strict /etc/ha.d",
            about: "does it fit this machine, without a warning?",
        },
        Example {
            line: "hactl check --json /etc/ha.d | jq '.diagnostics[].message'",
            about: "for programs",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    let node = Arg::new("node")
        .long("node")
        .value_name("NODE")
        .value_parser(no_node)
        .hide(true);
    let strict = flag("strict", "End with 1 if there are warnings");
    command
        .args(what())
        .arg(node)
        .arg(strict)
        .arg(flag("json", "JSON, with all fields"))
}

/// Many expect that word. The name stands in a file of the directory.
fn no_node(node: &str) -> Result<String, String> {
    let file = "nodeinfo beside ha.cf";
    Err(format!(
        "the first line of {file} says whose files these are; write {node} there"
    ))
}

/// What is checked: a directory, and whether it is held against this machine too.
pub(super) fn what() -> [Arg; 2] {
    let directory = Arg::new("directory")
        .value_name("DIR")
        .value_parser(value_parser!(PathBuf))
        .value_hint(clap::ValueHint::DirPath)
        .default_value(DIRECTORY)
        .help("The directory");
    [
        directory,
        flag("machine", "Also hold it against this machine"),
    ]
}

/// Checks it; where it is, and what was found.
pub(super) fn report<'a>(call: &'a Call<'_>) -> Result<(&'a Path, Report), Error> {
    let directory = call
        .matches
        .get_one::<PathBuf>("directory")
        .map_or(Path::new(DIRECTORY), PathBuf::as_path);
    readable(directory)?;
    let report = diag::check::directory(directory, call.flag("machine"));
    Ok((directory, report))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let (_, report) = report(call)?;
    let mut out = super::output();
    match call.flag("json") {
        true => json(&mut out, &report, true)?,
        false => write!(out, "{}", report.text(call.colour == Colour::On))?,
    }
    out.flush()?;
    Ok(report.exit(call.flag("strict")))
}

/// A directory that is not there is a slip of whoever typed it, and no faulty configuration.
fn readable(directory: &Path) -> Result<(), Error> {
    match std::fs::read_dir(directory) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::NotFound(format!(
                "the directory {} does not exist; name the one that holds ha.cf",
                directory.display()
            )))
        }
        Err(error) => Err(Error::Read {
            path: directory.to_owned(),
            error,
        }),
    }
}
