//! `hactl timers`: how long everything takes, and why; and whether deadtime is well chosen.
//!
//! ```text
//! A node dies
//!   its beat is late                    = warntime = 2 s
//!   it counts as dead, after its death  = deadtime - keepalive, to deadtime = 5 s to 6 s
//!
//! Longest silence, measured since this core started 5m ago
//!   bob/eth0  2.31 s, 38% of deadtime: at least 4.7 s
//!
//! deadtime 6 s is enough for what was seen, which asks for at least 4.7 s
//! ```

mod advice;
mod sums;

use std::io::{self, Write};
use std::time::Duration;

use clap::Command;
use serde_json::{Value, json};
use shared::api::{ErrorCode, Snapshot};
use shared::client::{Client, ClientError};
use shared::config::Running;
use shared::event::Span;
use shared::exit::Exit;

use crate::cli::{Call, Example, Verb, flag};
use crate::error::Error;
use crate::print::clock::{age, millis};
use crate::print::{Colour, Mood, clean, json as write_json};
use advice::Advice;
use sums::Group;

pub(crate) const VERB: Verb = Verb {
    name: "timers",
    about: "Shows how long everything takes and why, and what deadtime should be",
    text: "\
Each line is what happens, the formula in words of ha.cf, and the number with what hbd runs
with. Below stands the longest time between two beats that was seen over each link since the
core started, and what it advises: a deadtime of at least twice that, of at least twice the longest
stall of this node, and of no fewer than three beats. Measure for a day, under the heaviest load.
The exit code does not depend on the advice; programs read warnings in --json.",
    examples: &[
        Example {
            line: "hactl timers",
            about: "why so fast, or so slow?",
        },
        Example {
            line: "hactl timers --json | jq .measured.advised_deadtime_ms",
            about: "for programs",
        },
    ],
    arguments,
    run,
};

fn arguments(command: Command) -> Command {
    command.arg(flag("json", "JSON, with all fields"))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let mut client = call.client()?;
    let running = running(&mut client)?;
    let snapshot = client.snapshot()?;
    let groups = sums::groups(&running, &snapshot.view, snapshot.sample.as_ref());
    let advice = Advice::of(&running, &snapshot);
    let mut out = super::output();
    match call.flag("json") {
        true => write_json(&mut out, &report(&running, &groups, &advice), true)?,
        false => {
            let screen = Screen {
                running: &running,
                advice: &advice,
                colour: call.colour,
            };
            screen.draw(&mut out, &groups, &snapshot)?;
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// What hbd runs with. One that is older than this question says so as of an unknown request.
fn running(client: &mut Client) -> Result<Running, Error> {
    match client.config() {
        Err(ClientError::Refused { failure, .. }) if failure.code == ErrorCode::BadRequest => {
            Err(Error::TooOld {
                version: client.hello().version.clone(),
            })
        }
        other => Ok(other?),
    }
}

fn report(running: &Running, groups: &[Group], advice: &Advice) -> Value {
    let timing = &running.timing;
    let sums = groups.iter().flat_map(|(_, sums)| sums);
    json!({
        "configured": {
            "keepalive_ms": millis(timing.keepalive),
            "warntime_ms": millis(timing.warntime),
            "deadtime_ms": millis(timing.deadtime),
            "initdead_ms": millis(timing.initdead),
            "max_rexmit_delay_ms": millis(timing.max_rexmit_delay),
        },
        "sums": sums.map(sums::Sum::json).collect::<Vec<_>>(),
        "measured": advice.json(timing.keepalive),
    })
}

struct Screen<'a> {
    running: &'a Running,
    advice: &'a Advice,
    colour: Colour,
}

impl Screen<'_> {
    fn draw(&self, out: &mut impl Write, groups: &[Group], snapshot: &Snapshot) -> io::Result<()> {
        let timing = &self.running.timing;
        writeln!(
            out,
            "keepalive {}, warntime {}, deadtime {}, initdead {}, max_rexmit_delay {}",
            Span(timing.keepalive),
            Span(timing.warntime),
            Span(timing.deadtime),
            Span(timing.initdead),
            Span(timing.max_rexmit_delay)
        )?;
        self.sums(out, groups)?;
        self.measured(out, snapshot)?;
        self.advised(out)
    }

    fn sums(&self, out: &mut impl Write, groups: &[Group]) -> io::Result<()> {
        let all = || groups.iter().flat_map(|(_, sums)| sums);
        let what = all().map(|sum| sum.what.chars().count()).max().unwrap_or(0);
        for (heading, sums) in groups {
            writeln!(out, "\n{}", self.colour.paint(heading, Mood::Heading))?;
            for sum in sums {
                let value = sum.value();
                writeln!(
                    out,
                    "  {:what$} = {} = {value}",
                    clean(&sum.what),
                    clean(&sum.formula)
                )?;
            }
        }
        Ok(())
    }

    fn measured(&self, out: &mut impl Write, snapshot: &Snapshot) -> io::Result<()> {
        let heading = format!(
            "Longest silence, measured since this core started {} ago",
            age(self.advice.measured)
        );
        writeln!(out, "\n{}", self.colour.paint(&heading, Mood::Heading))?;
        if self.advice.links.is_empty() {
            writeln!(out, "  no two beats came over any link yet")?;
        }
        let names = self.advice.links.iter().map(|(link, _)| link.to_string());
        let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
        for (link, worst) in &self.advice.links {
            let least = Advice::of_link(*worst, self.running.timing.keepalive);
            let name = link.to_string();
            writeln!(
                out,
                "  {:width$}  {}, {}% of deadtime: at least {}",
                clean(&name),
                Span(*worst),
                percent(*worst, self.advice.deadtime),
                Span(least)
            )?;
        }
        if snapshot.sample.is_some() {
            writeln!(
                out,
                "  this node  stalled for {} at worst; a beat was {} late at worst",
                Span(self.advice.worst_stall),
                Span(self.advice.worst_lateness)
            )?;
        }
        if !self.advice.worst_supervisor_stall.is_zero() {
            writeln!(
                out,
                "  its supervisor  stalled for {} at worst; no beat depends on it",
                Span(self.advice.worst_supervisor_stall)
            )?;
        }
        Ok(())
    }

    fn advised(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out)?;
        for warning in &self.advice.warnings {
            let word = self.colour.paint("warning", Mood::Warning);
            writeln!(out, "{word}: {warning}")?;
        }
        let Some(advised) = self.advice.advised else {
            return Ok(());
        };
        if self.advice.warnings.is_empty() {
            let deadtime = Span(self.advice.deadtime);
            writeln!(
                out,
                "deadtime {deadtime} is enough for what was seen, which asks for at least {}",
                Span(advised)
            )?;
        }
        if self.advice.is_young() {
            writeln!(
                out,
                "measured for {} only: look again after a day under the heaviest load",
                age(self.advice.measured)
            )?;
        }
        Ok(())
    }
}

fn percent(part: Duration, whole: Duration) -> u128 {
    part.as_millis() * 100 / whole.as_millis().max(1)
}
