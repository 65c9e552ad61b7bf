//! `hactl explain`: what a directive or an error of the configuration means, from the tables that
//! the reader and the manuals are made of.

use std::io::{self, Write};
use std::time::Duration;

use clap::{Arg, Command};
use serde_json::{Value, json};
use shared::client::Client;
use shared::config::directives::{self, CHAPTERS, Directive, Effect, Owner, Reload, Repeat};
use shared::config::{Code, Running, suggest};
use shared::exit::Exit;

use crate::cli::{Call, Example, Verb, flag, wrapped};
use crate::completing;
use crate::error::Error;
use crate::print::{Colour, Mood, clean, json as write_json};

pub(crate) const VERB: Verb = Verb {
    name: "explain",
    about: "Explains a directive of ha.cf or hbd.cf, or an error of hactl check",
    text: "\
Of a directive: what follows the word, its default and bounds, what it does in this release, what a
change asks for, what it should be larger or smaller than, and what hbd runs with, if one answers
at once. Without WORD the directives by chapter. Ends with 4 if there is no such word, and names the nearest.",
    examples: &[
        Example {
            line: "hactl explain deadtime",
            about: "a directive",
        },
        Example {
            line: "hactl explain key-short",
            about: "the word in brackets of an error or warning",
        },
        Example {
            line: "hactl explain",
            about: "which directives there are",
        },
    ],
    arguments,
    run,
};

/// Whoever only wants a text does not wait for a daemon that hangs.
const ANSWER_LIMIT: Duration = Duration::from_millis(500);
/// Lines are this wide at most.
const WIDTH: usize = 79;
const INDENT: usize = 2;

fn arguments(command: Command) -> Command {
    command
        .arg(
            Arg::new("word")
                .value_name("WORD")
                .add(completing::explainable())
                .help("A directive, or an error of hactl check"),
        )
        .arg(flag("json", "JSON, with all fields"))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let mut out = super::output();
    let word = call.words("word").and_then(|words| words.first().copied());
    match (word.map(Subject::find).transpose()?, call.flag("json")) {
        (Some(subject), true) => write_json(&mut out, &subject.json(&Values::ask(call)), true)?,
        (Some(subject), false) => subject.write(&mut out, call.colour, &Values::ask(call))?,
        (None, true) => write_json(&mut out, &chapters_json(), true)?,
        (None, false) => write_chapters(&mut out, call.colour)?,
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// What hbd runs with, by directive; nothing where none answers.
struct Values(Option<Running>);

impl Values {
    fn ask(call: &Call) -> Self {
        let limit = call.limit.min(ANSWER_LIMIT);
        let client = Client::connect(&call.socket, limit);
        Self(client.and_then(|mut client| client.config()).ok())
    }

    fn of(&self, word: &str) -> Option<&[String]> {
        let running = self.0.as_ref()?;
        Some(running.values.get(word).map_or(&[], Vec::as_slice))
    }
}

/// What can be explained.
enum Subject {
    Directive(&'static Directive),
    Code(Code),
}

impl Subject {
    fn find(word: &str) -> Result<Self, Error> {
        if let Some(directive) = directives::find(word) {
            return Ok(Self::Directive(directive));
        }
        if let Some(code) = Code::ALL.iter().find(|code| code.as_str() == word) {
            return Ok(Self::Code(*code));
        }
        let near = suggest::nearest(word, words());
        let hint = near.map_or_else(
            || "hactl explain lists the directives".to_owned(),
            |near| format!("did you mean {near}?"),
        );
        Err(Error::NotFound(format!(
            "{word} is no directive and no error of the configuration; {hint}"
        )))
    }

    fn json(&self, values: &Values) -> Value {
        match self {
            Self::Directive(directive) => directive_json(directive, values.of(directive.word)),
            Self::Code(code) => json!({
                "code": code.as_str(),
                "severity": code.severity().to_string(),
                "meaning": code.meaning(),
            }),
        }
    }

    fn write(&self, out: &mut impl Write, colour: Colour, values: &Values) -> io::Result<()> {
        match self {
            Self::Directive(directive) => {
                write_directive(out, directive, colour, values.of(directive.word))
            }
            Self::Code(code) => {
                let heading = colour.paint(code.as_str(), Mood::Heading);
                writeln!(out, "{heading} ({})\n", code.severity())?;
                write_lines(out, code.meaning())
            }
        }
    }
}

/// Every word that can be explained.
pub(crate) fn words() -> impl Iterator<Item = &'static str> {
    directives::words().chain(Code::ALL.iter().map(|code| code.as_str()))
}

fn write_directive(
    out: &mut impl Write,
    directive: &Directive,
    colour: Colour,
    running: Option<&[String]>,
) -> io::Result<()> {
    let heading = colour.paint(directive.word, Mood::Heading);
    writeln!(out, "{heading} {}\n", directive.syntax)?;
    let long = directive.long.replace('`', "");
    write_lines(out, &format!("{}. {long}", capital(directive.short)))?;
    writeln!(out)?;
    for (name, text) in facts(directive, running) {
        let indent = INDENT + NAME_WIDTH + 1;
        let lines = wrapped(&text, WIDTH - indent).join(&format!("\n{:indent$}", ""));
        writeln!(out, "{:INDENT$}{name:NAME_WIDTH$} {lines}", "")?;
    }
    Ok(())
}

/// Width of the longest name of a fact, and a blank.
const NAME_WIDTH: usize = 10;

/// What there is to say besides what it means.
fn facts(directive: &Directive, running: Option<&[String]>) -> Vec<(&'static str, String)> {
    let running = running.map(|values| match values {
        [] => "nothing".into(),
        values => clean(&values.join("; ")).into_owned(),
    });
    let stands = match directive.owner {
        Owner::Heartbeat => "ha.cf, which Heartbeat reads too, or hbd.cf",
        Owner::Hbd => "hbd.cf; in ha.cf it keeps a Heartbeat from starting",
    };
    let facts = [
        ("default", directive.default.to_owned()),
        ("bounds", directive.bounds.to_owned()),
        ("repeated", repeat(directive.repeat).to_owned()),
        ("effect", effect(directive.effect)),
        ("to change", reload(directive.reload)),
        ("stands in", stands.to_owned()),
        ("example", directive.example.to_owned()),
        ("runs with", running.unwrap_or_default()),
    ];
    let known = |(_, text): &(&str, String)| !text.is_empty();
    facts.into_iter().filter(known).collect()
}

fn repeat(repeat: Repeat) -> &'static str {
    match repeat {
        Repeat::Adds => "each line adds",
        Repeat::LastCounts => "the last line counts",
        Repeat::Once => "a second line is an error",
    }
}

fn effect(effect: Effect) -> String {
    match effect {
        Effect::Full => "full".into(),
        Effect::Depends(reason) => format!("depends on the value: {reason}"),
        Effect::NotYet(reason) => format!("none in this release: {reason}"),
        Effect::None(reason) => format!("none: {reason}"),
        Effect::Refused(reason) => format!("refused: {reason}"),
    }
}

fn reload(reload: Reload) -> String {
    match reload {
        Reload::Online => "online: taken over while beats go on".into(),
        Reload::QuickRestart => {
            "quick restart: a new generation of this node; peers see a restart and no death".into()
        }
        Reload::NewManager => "new manager: beats go on, and what is held stays held".into(),
        Reload::AllNodes(order) => format!("all nodes: {order}"),
        Reload::NextStart => "counts from the next start of hbd on".into(),
    }
}

fn directive_json(directive: &Directive, running: Option<&[String]>) -> Value {
    let effect = match directive.effect {
        Effect::Full => "full",
        Effect::Depends(_) => "depends",
        Effect::NotYet(_) => "not-yet",
        Effect::None(_) => "none",
        Effect::Refused(_) => "refused",
    };
    json!({
        "directive": directive.word,
        "own": directive.owner == Owner::Hbd,
        "syntax": directive.syntax,
        "default": known(directive.default),
        "bounds": known(directive.bounds),
        "repeat": match directive.repeat {
            Repeat::Adds => "adds",
            Repeat::LastCounts => "last-counts",
            Repeat::Once => "once",
        },
        "effect": effect,
        "effect_reason": known(directive.effect.reason()),
        "reload": match directive.reload {
            Reload::Online => "online",
            Reload::QuickRestart => "quick-restart",
            Reload::NewManager => "new-manager",
            Reload::AllNodes(_) => "all-nodes",
            Reload::NextStart => "next-start",
        },
        "short": directive.short,
        "long": directive.long,
        "example": known(directive.example),
        "running": running,
    })
}

fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn chapters_json() -> Value {
    let chapter = |chapter: &directives::Chapter| {
        let directive = |d: &Directive| json!({"directive": d.word, "short": d.short});
        let directives: Vec<Value> = chapter.directives.iter().map(directive).collect();
        json!({"chapter": chapter.title, "directives": directives})
    };
    CHAPTERS.iter().map(chapter).collect()
}

fn write_chapters(out: &mut impl Write, colour: Colour) -> io::Result<()> {
    let widest = directives::words().map(str::len).max().unwrap_or(0);
    for (number, chapter) in CHAPTERS.iter().enumerate() {
        let gap = if number == 0 { "" } else { "\n" };
        writeln!(out, "{gap}{}", colour.paint(chapter.title, Mood::Heading))?;
        for directive in chapter.directives {
            let mood = match directive.effect {
                Effect::Full | Effect::Depends(_) => Mood::Plain,
                Effect::NotYet(_) | Effect::None(_) | Effect::Refused(_) => Mood::Faint,
            };
            let line = format!("{:widest$}  {}", directive.word, directive.short);
            writeln!(out, "  {}", colour.paint(&line, mood))?;
        }
    }
    Ok(())
}

fn write_lines(out: &mut impl Write, text: &str) -> io::Result<()> {
    let lines = wrapped(text, WIDTH - INDENT);
    lines
        .iter()
        .try_for_each(|line| writeln!(out, "{:INDENT$}{line}", ""))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
