//! The verbs: one table from which parser, help, manual and completion are made.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use shared::client::{Client, REPLY_LIMIT};
use shared::exit::Exit;

use crate::completing;
use crate::error::Error;
use crate::print::clock::Clock;
use crate::print::columns::{ALL, Column};
use crate::print::{Colour, Surroundings};
use crate::verbs;

/// A verb.
pub(crate) struct Verb {
    /// The word.
    pub(crate) name: &'static str,
    /// What it does, in a line without a full stop.
    pub(crate) about: &'static str,
    /// What else is to be known, for its help and the manual.
    pub(crate) text: &'static str,
    /// What people type, and why.
    pub(crate) examples: &'static [Example],
    /// Adds its arguments.
    pub(crate) arguments: fn(Command) -> Command,
    /// Does it.
    pub(crate) run: fn(&Call) -> Result<Exit, Error>,
}

/// A line to type.
pub(crate) struct Example {
    /// The line.
    pub(crate) line: &'static str,
    /// What it is good for.
    pub(crate) about: &'static str,
}

/// Every verb, in the order in which they are shown.
pub(crate) const VERBS: &[Verb] = &[
    verbs::status::VERB,
    verbs::watch::VERB,
    verbs::nodes::VERB,
    verbs::links::VERB,
    verbs::groups::VERB,
    verbs::resources::VERB,
    verbs::why::VERB,
    verbs::history::VERB,
    verbs::events::VERB,
    verbs::timers::VERB,
    verbs::health::VERB,
    verbs::is_member::VERB,
    verbs::is_active::VERB,
    verbs::is_owner::VERB,
    verbs::wait_for::VERB,
    verbs::move_groups::VERB,
    verbs::unmove::VERB,
    verbs::standby::VERB,
    verbs::takeover::VERB,
    verbs::cleanup::VERB,
    verbs::freeze::VERB,
    verbs::unfreeze::VERB,
    verbs::maintenance::VERB,
    verbs::fence::VERB,
    verbs::message::VERB,
    verbs::check::VERB,
    verbs::migrate::VERB,
    verbs::explain::VERB,
    verbs::reload::VERB,
    verbs::upgrade::VERB,
    verbs::record::VERB,
    verbs::keygen::VERB,
    verbs::report::VERB,
    verbs::completion::VERB,
];

/// Where hbd listens unless it is told otherwise.
pub(crate) const SOCKET: &str = "/run/hbd/hbd.sock";
/// The variable that names another socket.
pub(crate) const SOCKET_VARIABLE: &str = "HBD_SOCKET";

const ABOUT: &str = "Asks hbd about the cluster, and gives it orders";
const EXAMPLES: &[Example] = &[
    Example {
        line: "hactl status",
        about: "what is wrong, in one sentence, then the details",
    },
    Example {
        line: "hactl events --follow",
        about: "what happens, as it happens",
    },
    Example {
        line: "hactl check /etc/ha.d",
        about: "is this configuration right?",
    },
];
/// Heads the options that every verb has.
const EVERY_VERB: &str = "Options of every verb";
const AFTER: &str =
    "hactl VERB --help has examples of each; hactl(1) has exit codes and the fields of JSON.";

/// A verb with its arguments.
pub(crate) struct Call<'a> {
    /// The arguments.
    pub(crate) matches: &'a ArgMatches,
    /// Which part of the verb, where it has several.
    pub(crate) part: Option<&'a str>,
    /// Where hbd listens.
    pub(crate) socket: PathBuf,
    /// How long an answer may take.
    pub(crate) limit: Duration,
    /// Whether to colour.
    pub(crate) colour: Colour,
}

impl Call<'_> {
    /// Connects.
    pub(crate) fn client(&self) -> Result<Client, Error> {
        Ok(Client::connect(&self.socket, self.limit)?)
    }

    /// True where a flag is set that this verb has.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.matches.try_get_one::<bool>(name).ok().flatten() == Some(&true)
    }

    /// The values of an option, unless it was left out.
    pub(crate) fn words(&self, name: &str) -> Option<Vec<&str>> {
        let values = self.matches.try_get_many::<String>(name).ok().flatten()?;
        Some(values.map(String::as_str).collect())
    }

    /// Moments as this call wants them, for an answer made `at`.
    pub(crate) fn clock(&self, at: shared::time::Now) -> Clock {
        Clock {
            at,
            absolute: self.flag("absolute"),
        }
    }
}

/// Runs the verb that `matches` holds.
pub(crate) fn run(matches: &ArgMatches) -> Result<Exit, Error> {
    let (name, of_verb) = matches.subcommand().expect("the parser demands a verb");
    let verb = VERBS
        .iter()
        .find(|verb| verb.name == name)
        .expect("the parser was made from the table");
    let (part, of_verb) = match of_verb.subcommand() {
        Some((part, of_part)) => (Some(part), of_part),
        None => (None, of_verb),
    };
    let wish = of_verb.get_one::<String>("color");
    let call = Call {
        matches: of_verb,
        part,
        socket: of_verb
            .get_one::<PathBuf>("socket")
            .cloned()
            .unwrap_or_else(|| SOCKET.into()),
        limit: of_verb
            .get_one::<Duration>("timeout")
            .copied()
            .unwrap_or(REPLY_LIMIT),
        colour: Colour::choose(
            wish.map_or("auto", String::as_str),
            Surroundings::of_this_process(),
        ),
    };
    (verb.run)(&call)
}

/// True where the command line of this process is for this verb, as far as that can be said of one
/// that does not make sense.
pub(crate) fn is_for(verb: &str) -> bool {
    let is_verb = |word: &std::ffi::OsString| VERBS.iter().any(|verb| *word == *verb.name);
    let first = std::env::args_os().skip(1).find(is_verb);
    first.is_some_and(|word| *word == *verb)
}

/// The parser of the whole command line.
pub(crate) fn command() -> Command {
    let command = Command::new("hactl")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .help_template(template(EXAMPLES))
        .after_help(AFTER)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand_value_name("VERB")
        .subcommand_help_heading("Verbs")
        .arg(
            Arg::new("socket")
                .long("socket")
                .value_name("PATH")
                .env(SOCKET_VARIABLE)
                .hide_env_values(true)
                .add(completing::sockets())
                .value_parser(value_parser!(PathBuf))
                .default_value(SOCKET)
                .global(true)
                .help_heading(EVERY_VERB)
                .help("Control socket of the hbd to ask"),
        )
        .arg(
            timeout("5s", "How long hbd may take to answer: 500ms, 5s, 1m")
                .global(true)
                .help_heading(EVERY_VERB),
        )
        .arg(
            Arg::new("color")
                .long("color")
                .value_name("WHEN")
                .value_parser(["auto", "always", "never"])
                .default_value("auto")
                .hide_default_value(true)
                .global(true)
                .help_heading(EVERY_VERB)
                .help(
                    "Whether to colour; auto: on terminals, and as NO_COLOR and CLICOLOR_FORCE say",
                ),
        );
    VERBS.iter().fold(command, |command, verb| {
        let sub = Command::new(verb.name)
            .about(verb.about)
            .help_template(template(verb.examples))
            .after_long_help(verb.text.replace('\n', " "));
        command.subcommand((verb.arguments)(sub))
    })
}

/// `--timeout`. A verb that gives it another meaning has one of its own.
pub(crate) fn timeout(default: &'static str, help: &'static str) -> Arg {
    Arg::new("timeout")
        .long("timeout")
        .value_name("TIME")
        .value_parser(limit)
        .default_value(default)
        .help(help)
}

/// Help with the examples before the options.
fn template(examples: &[Example]) -> String {
    let widest = examples.iter().map(|e| e.line.len()).max().unwrap_or(0);
    let mut text = String::from("{about}\n\nExamples:\n");
    for Example { line, about } in examples {
        text.push_str(&format!("  {line:widest$}   {about}\n"));
    }
    text.push_str("\n{usage-heading} {usage}\n\n{all-args}{after-help}");
    text
}

/// Reads a time as `ha.cf` writes it: a bare number is seconds.
pub(crate) fn limit(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text} is no time; write for example 500ms, 5s or 1m");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let millis_each = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        _ => return Err(wrong()),
    };
    match number.checked_mul(millis_each) {
        Some(millis @ 1..=LIMIT_MAX_MS) => Ok(Duration::from_millis(millis)),
        _ => Err(format!("{text} is out of bounds; 1ms to 60m")),
    }
}

/// Longest time that may be waited for an answer, in milliseconds.
const LIMIT_MAX_MS: u64 = 3_600_000;

/// A flag.
pub(crate) fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

/// `--plain` and `--json`.
pub(crate) fn formats(command: Command) -> Command {
    command
        .arg(flag(
            "plain",
            "One record a line, a tab between fields, no headings, no colour",
        ))
        .arg(flag("json", "JSON, with all fields").conflicts_with("plain"))
}

/// `--absolute`.
pub(crate) fn absolute(command: Command) -> Command {
    command.arg(flag("absolute", "Dates in place of ages, RFC 3339 in UTC"))
}

/// `--jsonl`, `-o` and `--no-headers`.
pub(crate) fn table<R>(command: Command, columns: &'static [Column<R>]) -> Command {
    let words = columns.iter().map(|column| column.name).chain([ALL]);
    let before = command.get_after_long_help().map(ToString::to_string);
    let text = before.unwrap_or_default() + "\n\n" + &meanings(columns);
    command
        .after_long_help(text)
        .arg(flag("jsonl", "JSON, one record a line").conflicts_with_all(["plain", "json"]))
        .arg(
            Arg::new("columns")
                .short('o')
                .long("columns")
                .value_name("COLUMN")
                .value_delimiter(',')
                .action(ArgAction::Append)
                .hide_possible_values(true)
                .value_parser(clap::builder::PossibleValuesParser::new(words))
                .conflicts_with_all(["json", "jsonl"])
                .help("These columns in this order, with commas between them; all: every one"),
        )
        .arg(flag("no-headers", "Leave out the line of headings"))
}

/// The columns with what they mean, for help. Those that are shown without `-o` have a star.
fn meanings<R>(columns: &[Column<R>]) -> String {
    let widest = columns.iter().map(|c| c.name.len()).max().unwrap_or(0);
    let indent = widest + 5;
    let mut text = String::from("Columns (*: shown unless -o says otherwise):");
    for column in columns {
        let star = if column.usual { '*' } else { ' ' };
        let about = wrapped(column.about, HELP_WIDTH - indent);
        let about = about.join(&format!("\n{:indent$}", ""));
        text.push_str(&format!("\n {star} {:widest$}  {about}", column.name));
    }
    text
}

/// Fits on the narrowest usual terminal, so that clap leaves it as it is.
const HELP_WIDTH: usize = 79;

/// `text` in lines of at most `width` characters, if no word is longer.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
