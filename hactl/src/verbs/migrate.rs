//! `hactl migrate`: what a configuration of Heartbeat becomes under hbd. Asks no daemon.

use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use serde_json::{Value, json};
use shared::config::migration::{self, Bearing, Note};
use shared::exit::Exit;

use crate::cli::{Call, Example, Verb, flag, wrapped};
use crate::error::Error;
use crate::print::{Colour, Mood, json as write_json};
use crate::verbs::check;

pub(crate) const VERB: Verb = Verb {
    name: "migrate",
    about: "Says what a configuration of Heartbeat becomes under hbd",
    text: "\
Reads the directory of a Heartbeat 3.0.6 that runs, and says of each line what becomes of it: what
must change before hbd can take its place, because hbd refuses it or does not do what Heartbeat
does; what is better, or can be; what hbd has no use for; what stays as it is. With --machine it also
looks for scripts, users and programs on this machine. Nothing is changed, and no running hbd is
needed. Ends with 0 if nothing must change, 7 if something must, 4 if there is no such directory, and
1 if it cannot be read. hbd-migration(7) has the steps.",
    examples: &[
        Example {
            line: "hactl migrate --machine",
            about: "on a node that runs Heartbeat",
        },
        Example {
            line: "hactl migrate --json ./etc-ha.d | jq '.notes[] | select(.bearing == \"must-change\")'",
            about: "for programs",
        },
    ],
    arguments,
    run,
};

/// Lines are this wide at most.
const WIDTH: usize = 100;
const INDENT: usize = 2;
/// Below a line of a file.
const DEEPER: usize = 6;

fn arguments(command: Command) -> Command {
    command
        .args(check::what())
        .arg(flag("json", "JSON, with all fields"))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let (directory, report) = check::report(call)?;
    let answer = Answer {
        directory,
        notes: migration::notes(&report.files, &report.diagnostics),
        warnings: report.warnings(),
    };
    let mut out = super::output();
    match call.flag("json") {
        true => write_json(&mut out, &answer.json(), true)?,
        false => answer.write(&mut out, call.colour)?,
    }
    out.flush()?;
    Ok(match answer.count(Bearing::MustChange) {
        0 => Exit::Done,
        _ => Exit::Refused,
    })
}

struct Answer<'a> {
    directory: &'a Path,
    notes: Vec<Note>,
    /// Of the check, whether they matter here or not.
    warnings: usize,
}

impl Answer<'_> {
    fn of(&self, bearing: Bearing) -> impl Iterator<Item = &Note> {
        self.notes
            .iter()
            .filter(move |note| note.bearing == bearing)
    }

    fn count(&self, bearing: Bearing) -> usize {
        self.of(bearing).count()
    }

    fn json(&self) -> Value {
        json!({
            "directory": self.directory.display().to_string(),
            "ready": self.count(Bearing::MustChange) == 0,
            "must_change": self.count(Bearing::MustChange),
            "warnings": self.warnings,
            "notes": self.notes,
        })
    }

    fn write(&self, out: &mut impl Write, colour: Colour) -> io::Result<()> {
        for bearing in Bearing::ALL {
            if self.count(bearing) == 0 {
                continue;
            }
            let (heading, mood) = heading(bearing);
            writeln!(out, "{}", colour.paint(heading, mood))?;
            for note in self.of(bearing) {
                write_note(out, note)?;
            }
            writeln!(out)?;
        }
        writeln!(out, "{}", self.summary())
    }

    fn summary(&self) -> String {
        let directory = self.directory.display();
        let advice = match self.warnings {
            0 => String::new(),
            _ => " hactl check has warnings.".to_owned(),
        };
        match self.count(Bearing::MustChange) {
            0 => {
                format!("{directory}: nothing must change.{advice} hbd-migration(7) has the steps.")
            }
            1 => format!("{directory}: one thing must change before hbd can take over.{advice}"),
            count => {
                format!("{directory}: {count} things must change before hbd can take over.{advice}")
            }
        }
    }
}

fn heading(bearing: Bearing) -> (&'static str, Mood) {
    match bearing {
        Bearing::MustChange => ("Must change first", Mood::Bad),
        Bearing::Better => ("Better, or can be", Mood::Good),
        Bearing::NoUse => ("Of no use to hbd; may stay", Mood::Faint),
        Bearing::Same => ("Stays as it is", Mood::Heading),
    }
}

/// What stays as it is takes one line where that is wide enough.
fn write_note(out: &mut impl Write, note: &Note) -> io::Result<()> {
    let place = match note.line {
        Some(line) => format!("{}:{line}", note.file),
        None => note.file.to_string(),
    };
    let head = format!("{place}  {}", note.stands);
    let short = format!("{head}: {}", note.meaning);
    if note.bearing == Bearing::Same && INDENT + short.chars().count() <= WIDTH {
        return writeln!(out, "{:INDENT$}{short}", "");
    }
    writeln!(out, "{:INDENT$}{}", "", head.trim_end())?;
    let remedy = note.remedy.iter().map(|remedy| format!("-> {remedy}"));
    for text in [note.meaning.clone()].into_iter().chain(remedy) {
        for line in wrapped(&text, WIDTH - DEEPER) {
            writeln!(out, "{:DEEPER$}{line}", "")?;
        }
    }
    Ok(())
}
