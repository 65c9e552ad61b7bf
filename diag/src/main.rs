//! `hadiag`: looks at one thing once, and says what is wrong with it.
//!
//! The checks are one table ([`diag::registry::CHECKS`]); parser, help and manual come from it. What a check says is
//! shown as text, as JSON, or as [Mon](mon) or [Nagios](nagios) want it; verdict and exit code are the same in each,
//! as far as these can say it.

use std::io::{self, Write};
use std::process::ExitCode;

use diag::report::Report;
use shared::exit::Health;

mod cli;
mod looking;
#[cfg(test)]
mod manual;
mod mon;
mod nagios;
mod text;

use cli::{Call, Form};

fn main() -> ExitCode {
    let words = cli::translated(std::env::args_os().collect());
    let call = match cli::command().try_get_matches_from(&words) {
        Ok(matches) => Call::of(&matches),
        Err(said) => return said_by_parser(&said, Form::of_words(&words)),
    };
    if call.explain {
        return ended(write!(io::stdout(), "{}", call.check.explanation), 0);
    }
    let reports = looking::reports(&call);
    let exit = match call.form {
        Form::Mon => mon::exit(&reports, call.strict),
        _ => worst(&reports) as u8,
    };
    ended(show(&call, &reports), exit)
}

fn show(call: &Call, reports: &[Report]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match call.form {
        Form::Text => text::write(&mut out, reports),
        Form::Json => text::write_json(&mut out, call.check.name, reports),
        Form::Mon => mon::write(&mut out, reports, call.strict),
        Form::Nagios => nagios::write(&mut out, call.check.name, reports, call.verbose),
    }?;
    out.flush()
}

/// What could not be said is not known. A reader who has had enough has read what counts.
fn ended(written: io::Result<()>, exit: u8) -> ExitCode {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Health::Unknown as u8,
        _ => exit,
    }
    .into()
}

/// Help, version or a usage error, as the parser words it. A plugin says all on standard output.
fn said_by_parser(said: &clap::Error, form: Form) -> ExitCode {
    if !said.use_stderr() {
        return ended(said.print(), 0);
    }
    let text = said.to_string();
    let first = text.lines().next().unwrap_or_default();
    // Nobody is left to be told where even this cannot be written.
    let _ = match form {
        Form::Nagios => writeln!(io::stdout(), "HADIAG UNKNOWN - {}", nagios::plain(first)),
        Form::Mon => writeln!(io::stdout(), "{first}"),
        Form::Text | Form::Json => said.print(),
    };
    (Health::Unknown as u8).into()
}

/// The verdict of all of them.
fn worst(reports: &[Report]) -> Health {
    diag::report::worst(reports.iter().map(|report| report.verdict))
}
