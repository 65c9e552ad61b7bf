//! `hactl reload`: the files anew, applied whole or refused whole.

use std::io::Write;
use std::time::SystemTime;

use clap::Command;
use shared::api::{Reload, ReloadOutcome, Reloaded, Request, Success};
use shared::config::diff::{Change, Line};
use shared::exit::Exit;

use crate::cli::{Call, Example, Verb, flag};
use crate::error::Error;
use crate::print::json;

pub(crate) const VERB: Verb = Verb {
    name: "reload",
    about: "Lets hbd read its configuration anew",
    text: "\
hbd reads the files that it was started from, checks them as at the start, and takes them over whole
or not at all. Each change is shown with what it asks for. online: it is taken over while beats go
on. quick restart: the core is replaced by its next generation; peers see a restart and no death.
new manager: the manager is replaced; beats go on, and what is held stays held. all nodes: the other
nodes need the same, in the order that is shown. next start of hbd: it counts from then on. SIGHUP
does the same. Ends with 0 if the configuration is in use or has not changed,
and under --dry-run if it would be; with 8 if it has errors; with 7 if hbd refuses it because it
endangers the cluster. Where it does not end with 0, what ran before goes on.",
    examples: &[
        Example {
            line: "hactl reload --dry-run",
            about: "what would change, and at what price?",
        },
        Example {
            line: "hactl reload",
            about: "take the files over",
        },
        Example {
            line: "hactl reload --json | jq -r .outcome",
            about: "for programs",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    command
        .arg(flag("dry-run", "Only show what would change"))
        .arg(flag(
            "force",
            "Also where hbd refuses because the cluster is in danger; errors are refused all the same",
        ))
        .arg(flag("json", "JSON, with all fields"))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let wish = Reload {
        dry_run: call.flag("dry-run"),
        force: call.flag("force"),
    };
    let reply = call.client()?.order(Request::Reload(wish), &key())?;
    let Success::Reloaded(reloaded) = reply else {
        return Err(Error::Unexpected("reload"));
    };
    let mut out = super::output();
    match call.flag("json") {
        true => json(&mut out, &reloaded, true)?,
        false => write(&mut out, &reloaded)?,
    }
    out.flush()?;
    Ok(match reloaded.outcome {
        ReloadOutcome::Unchanged | ReloadOutcome::Applied | ReloadOutcome::WouldApply => Exit::Done,
        ReloadOutcome::Refused => Exit::Refused,
        ReloadOutcome::Invalid => Exit::ConfigInvalid,
    })
}

/// A key that no other call has: a reload is an order of its own each time.
fn key() -> String {
    let nanos = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    format!("reload-{}-{nanos}", std::process::id())
}

fn write(out: &mut impl Write, reloaded: &Reloaded) -> std::io::Result<()> {
    for change in &reloaded.changes {
        write_change(out, change)?;
    }
    for note in &reloaded.notes {
        writeln!(out, "note: {note}")?;
    }
    write!(out, "{}", reloaded.diagnostics)?;
    let end = match reloaded.outcome {
        ReloadOutcome::Unchanged => "the configuration has not changed",
        ReloadOutcome::Applied => "reloaded",
        ReloadOutcome::WouldApply => "it would be reloaded; this was a dry run",
        ReloadOutcome::Invalid => "refused: it has errors; what ran before goes on",
        ReloadOutcome::Refused => {
            for reason in &reloaded.reasons {
                writeln!(out, "refused: {reason}")?;
            }
            "what ran before goes on"
        }
    };
    writeln!(out, "{end}")
}

fn write_change(out: &mut impl Write, change: &Change) -> std::io::Result<()> {
    writeln!(out, "{}: {}", change.what, change.consequence)?;
    let mut lines = |mark: char, lines: &[Line]| {
        lines.iter().try_for_each(|line| {
            let Line { file, line, text } = line;
            writeln!(out, "  {mark} {file}:{line}: {text}")
        })
    };
    lines('-', &change.removed)?;
    lines('+', &change.added)?;
    match &change.order {
        Some(order) => writeln!(out, "    {order}"),
        None => Ok(()),
    }
}
