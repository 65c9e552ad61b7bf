//! `hactl record`: keeps what the flight recorder of the core holds.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Arg, Command, ValueHint, value_parser};
use shared::api::{Request, Success};
use shared::exit::Exit;

use crate::cli::{Call, Example, Verb, flag};
use crate::error::Error;
use crate::private;

pub(crate) const VERB: Verb = Verb {
    name: "record",
    about: "Keeps what went into the core lately, to be replayed",
    text: "\
The core's flight recorder holds the packets, orders and times of the last minute or so. They are
written into a file of hbd's state directory, which is named, and copied to FILE if one is given, of
mode 0600; a FILE that exists is left alone unless --force is given, and then replaced by a new one.
hbd does the same when the core dies or stalled. The last 8 of each are kept. A record holds what
went over the wire, messages of clients among it, and no key; hbd(8) says how it is replayed.",
    examples: &[
        Example {
            line: "hactl record",
            about: "keep what went in",
        },
        Example {
            line: "hactl record /tmp/odd.flight",
            about: "and a copy here",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    command
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .value_hint(ValueHint::FilePath)
                .value_parser(value_parser!(PathBuf))
                .help("Where to copy the record"),
        )
        .arg(flag("force", "Replace FILE").requires("file"))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let copy = call.matches.get_one::<PathBuf>("file");
    if let Some(copy) = copy
        && !call.flag("force")
        && copy.symlink_metadata().is_ok()
    {
        return Err(super::exists(copy));
    }
    let Success::Recorded { file } = call.client()?.request(Request::Record)? else {
        return Err(Error::Unexpected("record"));
    };
    let mut shown = file.as_str();
    if let Some(copy) = copy {
        if let Err(error) = copied(Path::new(&file), copy, call.flag("force")) {
            crate::complain(&format!(
                "the record is {file}, but cannot be copied to {}: {error}",
                copy.display()
            ));
            return Ok(Exit::Failed);
        }
        shown = copy.to_str().unwrap_or(shown);
    }
    let mut out = super::output();
    writeln!(out, "{shown}")?;
    out.flush()?;
    Ok(Exit::Done)
}

fn copied(record: &Path, copy: &Path, force: bool) -> io::Result<()> {
    let mut record = File::open(record)?;
    private::write(copy, force, |copy| io::copy(&mut record, copy).map(drop))
}
