//! The table of directives as mdoc(7), for the manual.

use std::fmt::Write as _;

use super::diagnostic::Code;
use super::directives::{CHAPTERS, Directive, Effect, Owner, Repeat};

/// Every directive, by chapter.
#[must_use]
pub fn directives() -> String {
    let mut out = String::new();
    for chapter in CHAPTERS {
        let _ = writeln!(out, ".Ss {}", chapter.title);
        out.push_str(".Bl -tag -width Ds\n");
        for directive in chapter.directives {
            out.push_str(&entry(directive));
        }
        out.push_str(".El\n");
    }
    out
}

/// Every diagnostic, by its stable name.
#[must_use]
pub fn diagnostics() -> String {
    let mut out = String::from(".Bl -tag -width Ds -compact\n");
    for code in Code::ALL {
        let _ = writeln!(out, ".It Sy {code} Pq {}", code.severity());
        out.push_str(&paragraph(code.meaning()));
    }
    out.push_str(".El\n");
    out
}

fn entry(directive: &Directive) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        ".It Ic {} Ar {}",
        directive.word,
        escaped(directive.syntax)
    );
    out.push_str(&paragraph(&format!("{}.", capital(directive.short))));
    out.push_str(&paragraph(directive.long));
    let mut facts = Vec::new();
    if directive.owner == Owner::Hbd {
        facts.push("A word of hbd's own, for hbd.cf.".to_owned());
    }
    if !directive.default.is_empty() {
        facts.push(format!("Default: {}.", directive.default));
    }
    if !directive.bounds.is_empty() {
        facts.push(format!("Bounds: {}.", directive.bounds));
    }
    facts.extend(repeat(directive.repeat).map(str::to_owned));
    facts.extend(effect(directive.effect));
    for fact in facts {
        out.push_str(&paragraph(&fact));
    }
    out
}

fn repeat(repeat: Repeat) -> Option<&'static str> {
    match repeat {
        Repeat::Adds => Some("May stand several times; each line adds."),
        Repeat::Once => Some("May stand once."),
        Repeat::LastCounts => None,
    }
}

fn effect(effect: Effect) -> Option<String> {
    let kind = match effect {
        Effect::Full => return None,
        Effect::Depends(_) => "Note",
        Effect::NotYet(_) => "No effect in this release",
        Effect::None(_) => "No effect in hbd",
        Effect::Refused(_) => "Refused in this release",
    };
    Some(format!("{kind}: {}.", effect.reason()))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// Text as mdoc lines: a new line per sentence, directives in backquotes marked up.
fn paragraph(text: &str) -> String {
    let mut out = String::new();
    for sentence in sentences(text) {
        out.push_str(&marked(&sentence));
    }
    out
}

fn sentences(text: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut rest = text.trim();
    while let Some(at) = rest.find(". ") {
        sentences.push(rest[..=at].to_owned());
        rest = rest[at + 1..].trim_start();
    }
    sentences.push(rest.to_owned());
    sentences
}

fn marked(sentence: &str) -> String {
    let mut out = String::new();
    for (at, piece) in sentence.split('`').enumerate() {
        let piece = piece.trim();
        match (at % 2, piece) {
            (_, "") => {}
            (1, word) => {
                let _ = write!(out, "\n.Ic {}", escaped(word));
            }
            (_, text) if at > 0 && text.starts_with([',', '.', ';', ':', ')']) => {
                let (mark, text) = text.split_at(1);
                let _ = write!(out, " {mark}");
                if !text.trim().is_empty() {
                    let _ = write!(out, "\n{}", escaped(text.trim()));
                }
            }
            (_, text) => {
                let _ = write!(out, "\n{}", escaped(text));
            }
        }
    }
    out.push('\n');
    out.trim_start_matches('\n').to_owned()
}

/// Text that cannot be taken for a request or an escape.
fn escaped(text: &str) -> String {
    let text = text
        .replace('\\', "\\e")
        .replace('|', " | ")
        .replace("...", "\\&...");
    if text.starts_with(['.', '\'']) {
        format!("\\&{text}")
    } else {
        text
    }
}
