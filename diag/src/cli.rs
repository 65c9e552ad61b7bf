//! The command line, made from the table of checks.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use diag::range::Range;
use diag::registry::{CHECKS, Check, Choice, Chosen, Limits, Objects};

const ABOUT: &str = "Looks at one thing once, and says what is wrong with it";
const AFTER: &str = "hadiag CHECK --help has the options of each; hadiag(1) has all of it.";
const EXIT: &str =
    "Ends with 0 for ok, 1 for warning, 2 for critical, 3 for unknown or wrong usage.";
/// Longest time limit, in seconds.
const LIMIT_MAX: f64 = 3600.0;
/// How the name of a monitor of Mon ends, and that of a plugin of Nagios begins.
const MONITOR: &str = ".monitor";
const PLUGIN: &str = "check_";

/// How a report is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For Mon.
    Mon,
    /// For Nagios.
    Nagios,
}

impl Form {
    const ALL: [(&'static str, Self); 3] = [
        ("json", Self::Json),
        ("mon", Self::Mon),
        ("nagios", Self::Nagios),
    ];

    /// The form that these words ask for, as far as that can be said of words that do not make sense.
    pub(crate) fn of_words(words: &[OsString]) -> Self {
        let asks = |name: &str| words.iter().any(|word| *word == *format!("--{name}"));
        let found = Self::ALL.into_iter().find(|(name, _)| asks(name));
        found.map_or(Self::Text, |(_, form)| form)
    }

    fn of(matches: &ArgMatches) -> Self {
        let found = Self::ALL
            .into_iter()
            .find(|(name, _)| matches.get_flag(name));
        found.map_or(Self::Text, |(_, form)| form)
    }
}

/// What is asked for.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) check: &'static Check,
    pub(crate) objects: Vec<String>,
    pub(crate) chosen: Chosen,
    pub(crate) active: bool,
    pub(crate) explain: bool,
    pub(crate) strict: bool,
    pub(crate) form: Form,
    pub(crate) limit: Duration,
    pub(crate) limits: Limits,
    pub(crate) verbose: u8,
}

impl Call {
    /// As the parser understood it.
    pub(crate) fn of(matches: &ArgMatches) -> Self {
        let (name, matches) = matches.subcommand().expect("the parser demands a check");
        let check = CHECKS.iter().find(|check| check.name == name);
        let check = check.expect("the parser was made from the table");
        let chosen = chosen(check, matches);
        Self {
            check,
            objects: objects(check, matches, &chosen),
            chosen,
            active: !check.active.is_empty() && matches.get_flag("active"),
            explain: matches.get_flag("explain"),
            strict: matches.get_flag("strict"),
            form: Form::of(matches),
            limit: *matches.get_one("timeout").expect("it has a default"),
            limits: match check.measured {
                "" => Limits::default(),
                _ => Limits {
                    warning: matches.get_one("warning").copied(),
                    critical: matches.get_one("critical").copied(),
                },
            },
            verbose: matches.get_count("verbose"),
        }
    }
}

fn objects(check: &Check, matches: &ArgMatches, chosen: &Chosen) -> Vec<String> {
    match check.objects {
        Objects::One(name) => vec![name.to_owned()],
        Objects::Found(found) => found(chosen),
        Objects::Named(_) => {
            let named = matches.get_many::<String>("object");
            named.into_iter().flatten().cloned().collect()
        }
    }
}

fn chosen(check: &Check, matches: &ArgMatches) -> Chosen {
    let given = check.options.iter().filter_map(|choice| {
        let values = match choice.value {
            Some(_) => matches.get_many(choice.name)?.cloned().collect(),
            None if matches.get_flag(choice.name) => Vec::new(),
            None => return None,
        };
        Some((choice.name, values))
    });
    Chosen(given.collect())
}

/// Called as `NAME.monitor` or `check_NAME` this is a monitor or a plugin: for the check NAME, else for the one that the
/// first word names.
pub(crate) fn translated(words: Vec<OsString>) -> Vec<OsString> {
    let path = words.first().cloned().unwrap_or_default();
    let name = Path::new(&path)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let (stem, form) = match (name.strip_suffix(MONITOR), name.strip_prefix(PLUGIN)) {
        (Some(stem), _) => (stem, "--mon"),
        (None, Some(stem)) => (stem, "--nagios"),
        (None, None) => return words,
    };
    let mut words = words;
    if CHECKS.iter().any(|check| check.name == stem) {
        words.insert(1, stem.into());
    }
    let names_check = |word: &OsString| CHECKS.iter().any(|check| *word == *check.name);
    if words.get(1).is_some_and(names_check) {
        words.insert(2, form.into());
    }
    words
}

/// The parser of the whole command line.
pub(crate) fn command() -> Command {
    let command = Command::new("hadiag")
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .about(ABOUT)
        .after_help(format!("{EXIT}\n{AFTER}"))
        .subcommand_required(true)
        .arg_required_else_help(false)
        .disable_help_subcommand(true)
        .subcommand_value_name("CHECK")
        .subcommand_help_heading("Checks");
    CHECKS.iter().fold(command, |command, check| {
        let sub = Command::new(check.name)
            .about(check.about)
            .after_help(EXIT)
            .after_long_help(format!("{}\n\n{EXIT}", check.text));
        command.subcommand(arguments(sub, check))
    })
}

fn arguments(mut command: Command, check: &Check) -> Command {
    if let Objects::Named(word) = check.objects {
        command = command.arg(
            Arg::new("object")
                .value_name(word)
                .action(ArgAction::Append)
                .required_unless_present_any(["explain", "mon"])
                .help("What to look at, one or more"),
        );
    }
    if !check.active.is_empty() {
        let active = flag("active", &format!("{}.", check.active));
        command = command.arg(active.conflicts_with("explain"));
    }
    command = command.args(check.options.iter().map(own));
    command = forms(command);
    match check.measured {
        "" => command,
        _ => command
            .arg(range("warning", 'w', check))
            .arg(range("critical", 'c', check)),
    }
}

/// An option of one check.
fn own(choice: &Choice) -> Arg {
    let arg = Arg::new(choice.name).long(choice.name).help(choice.about);
    match choice.value {
        None => arg.action(ArgAction::SetTrue),
        Some(word) if choice.many => arg.value_name(word).action(ArgAction::Append),
        Some(word) => arg.value_name(word),
    }
}

/// What all checks have.
fn forms(command: Command) -> Command {
    command
        .arg(flag(
            "explain",
            "Tell why what is seen means what is said, and look at nothing",
        ))
        .arg(flag("json", "JSON, with all fields"))
        .arg(
            flag(
                "mon",
                "As a monitor of Mon: the first line names what fails",
            )
            .conflicts_with("json"),
        )
        .arg(flag("strict", "For Mon, a warning is a failure").requires("mon"))
        .arg(
            flag("nagios", "As a plugin of Nagios: one line with figures")
                .conflicts_with_all(["json", "mon"]),
        )
        .arg(
            Arg::new("timeout")
                .short('t')
                .long("timeout")
                .value_name("SECONDS")
                .value_parser(seconds)
                .default_value("8")
                .help("Longest time; what is not known by then is unknown"),
        )
        .arg(
            Arg::new("verbose")
                .short('v')
                .long("verbose")
                .action(ArgAction::Count)
                .help("For Nagios: also what was seen; twice: also the drawing"),
        )
}

fn flag(name: &'static str, help: &str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help.trim_end_matches('.').to_owned())
}

fn range(name: &'static str, short: char, check: &Check) -> Arg {
    let says = match name {
        "warning" => "Warn",
        _ => "Critical",
    };
    Arg::new(name)
        .short(short)
        .long(name)
        .value_name("RANGE")
        .allow_hyphen_values(true)
        .value_parser(str::parse::<Range>)
        .help(format!(
            "{says} where this is outside of RANGE: {}",
            check.measured
        ))
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= LIMIT_MAX => {
            Ok(Duration::from_secs_f64(seconds))
        }
        _ => Err(format!(
            "{text} is no time; write seconds, at most {LIMIT_MAX}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(Into::into).collect()
    }

    #[test]
    fn the_table_makes_a_parser() {
        command().debug_assert();
    }

    #[test]
    fn the_name_of_the_program_says_which_form_and_which_check() {
        let cases = [
            ("hadiag serial /dev/x", "hadiag serial /dev/x"),
            (
                "/usr/lib/mon/mon.d/serial.monitor /dev/x",
                "/usr/lib/mon/mon.d/serial.monitor serial --mon /dev/x",
            ),
            (
                "hadiag.monitor serial -t 3 /dev/x",
                "hadiag.monitor serial --mon -t 3 /dev/x",
            ),
            (
                "./check_serial -w 10 /dev/x",
                "./check_serial serial --nagios -w 10 /dev/x",
            ),
            (
                "check_hadiag serial /dev/x",
                "check_hadiag serial --nagios /dev/x",
            ),
            ("check_hadiag --help", "check_hadiag --help"),
        ];
        for (line, expected) in cases {
            assert_eq!(translated(words(line)), words(expected), "{line}");
        }
    }

    #[test]
    fn a_time_limit_has_bounds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "3601", "nan", "inf", "8s", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
