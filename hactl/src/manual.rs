//! The parts of `hactl(1)` that come from the table of verbs, and the test that they are there.
//!
//! ```text
//! .\" BEGIN verbs
//! ...             what this module writes
//! .\" END verbs
//! ```

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use clap::{Arg, ArgAction, Command};
use shared::event::Kind;

use crate::cli::{self, VERBS, Verb};
use crate::print::columns::Column;
use crate::verbs::{events, groups, history, links, nodes, resources};

/// Who rewrites the page keeps others from reading half of it.
static PAGE: Mutex<()> = Mutex::new(());

#[test]
fn the_manual_holds_what_the_tables_say() {
    let _guard = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../man/hactl.1");
    let old = std::fs::read_to_string(&path).unwrap();
    let mut new = old.clone();
    for (name, part) in parts() {
        new = replaced(&new, name, &part);
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &new).unwrap();
        return;
    }
    assert!(
        new == old,
        "man/hactl.1 is older than the tables; UPDATE=1 cargo test -p hactl rewrites it"
    );
}

#[test]
fn the_manual_names_every_verb_and_option() {
    let _guard = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../man/hactl.1");
    let page = std::fs::read_to_string(&path).unwrap();
    let command = cli::command();
    for verb in command.get_subcommands() {
        let name = verb.get_name();
        assert!(page.contains(&format!("\n.It Ic {name}")), "{name}");
        let options = verb.get_arguments().chain(command.get_arguments());
        let of_parts = verb.get_subcommands().flat_map(Command::get_arguments);
        for long in options.chain(of_parts).filter_map(Arg::get_long) {
            assert!(page.contains(&format!("Fl -{long}")), "{name} --{long}");
        }
    }
}

fn parts() -> [(&'static str, String); 10] {
    [
        ("examples", examples()),
        ("verbs", verbs()),
        ("options", options(&cli::command())),
        ("nodes", columns(nodes::COLUMNS)),
        ("links", columns(links::COLUMNS)),
        ("groups", columns(groups::COLUMNS)),
        ("resources", columns(resources::COLUMNS)),
        ("history", columns(history::COLUMNS)),
        ("events", columns(events::COLUMNS)),
        ("kinds", kinds()),
    ]
}

/// `page` with `part` between the markers of `name`.
fn replaced(page: &str, name: &str, part: &str) -> String {
    let begin = format!(".\\\" BEGIN {name}\n");
    let end = format!(".\\\" END {name}\n");
    let from = page.find(&begin).unwrap_or_else(|| panic!("no {begin}")) + begin.len();
    let to = page.find(&end).unwrap_or_else(|| panic!("no {end}"));
    format!("{}{part}{}", &page[..from], &page[to..])
}

fn examples() -> String {
    let mut out = String::from(".Bl -tag -width Ds\n");
    for example in VERBS.iter().flat_map(|verb| verb.examples) {
        out += &format!(
            ".It Li {}\n{}\n",
            escaped(example.line),
            escaped(example.about)
        );
    }
    out + ".El\n"
}

fn verbs() -> String {
    let command = cli::command();
    let mut out = String::from(".Bl -tag -width Ds\n");
    for verb in VERBS {
        let parsed = command.find_subcommand(verb.name).unwrap();
        out += &format!(".It Ic {}{}\n", verb.name, positionals(parsed));
        out += &about(verb);
        out += &options(parsed);
        for part in parsed.get_subcommands() {
            out += &format!(
                ".It Ic {} {}{}\n",
                verb.name,
                part.get_name(),
                positionals(part)
            );
            out += &sentences(&format!("{}.", part.get_about().unwrap()));
            out += &options(part);
        }
    }
    out + ".El\n"
}

fn positionals(command: &Command) -> String {
    let argument = |argument: &Arg| {
        let name = argument.get_value_names().unwrap()[0].as_str();
        match (argument.is_required_set(), argument.get_action()) {
            (true, _) => format!(" Ar {name}"),
            (false, ArgAction::Append) => format!(" Op Ar {name} ..."),
            (false, _) => format!(" Op Ar {name}"),
        }
    };
    command.get_positionals().map(argument).collect()
}

fn about(verb: &Verb) -> String {
    sentences(&format!("{}. {}", verb.about, verb.text.replace('\n', " ")))
}

/// The options of `command` as a list; nothing where it has none.
fn options(command: &Command) -> String {
    let options: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| argument.get_long().is_some() && !argument.is_hide_set())
        .collect();
    if options.is_empty() {
        return String::new();
    }
    let mut out = String::from(".Bl -tag -width Ds -compact\n");
    for option in options {
        out += ".It";
        if let Some(short) = option.get_short() {
            out += &format!(" Fl {short} ,");
        }
        out += &format!(" Fl -{}", option.get_long().unwrap());
        if option.get_action().takes_values() {
            let name = &option.get_value_names().unwrap()[0];
            out += &match option.is_require_equals_set() {
                true => format!(" Ns Op Li = Ns Ar {name}"),
                false => format!(" Ar {name}"),
            };
        }
        out += &format!("\n{}.\n", escaped(&option.get_help().unwrap().to_string()));
        if let [default] = option.get_default_values() {
            out += &format!("Default: {}.\n", escaped(&default.to_string_lossy()));
        }
        let values = option.get_possible_values();
        if !values.is_empty() && !option.is_hide_possible_values_set() {
            let words: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
            out += &format!("One of {}.\n", words.join(", "));
        }
    }
    out + ".El\n"
}

fn columns<R>(columns: &[Column<R>]) -> String {
    let mut out = String::from(".Bl -tag -width \"out_lost_percent\" -compact\n");
    for column in columns {
        let star = if column.usual { " *" } else { "" };
        out += &format!(".It Va {}{star}\n{}", column.name, sentences(column.about));
    }
    out + ".El\n"
}

fn kinds() -> String {
    Kind::WORDS
        .chunks(5)
        .map(|words| words.join(", "))
        .collect::<Vec<_>>()
        .join(",\n")
        + ".\n"
}

/// Each sentence on a line of its own, as mdoc(7) wants it.
fn sentences(text: &str) -> String {
    escaped(text.trim()).replace(". ", ".\n") + "\n"
}

/// Text as mdoc(7) takes it: nothing in it is a request, an escape or a hyphen to break at.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}
