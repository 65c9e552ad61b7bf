//! The table of directives as mdoc(7), for the manual.

use std::fmt::Write as _;

use super::diagnostic::Code;
use super::directives::{CHAPTERS, Directive, Effect, Owner, Reload, Repeat};

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
    if matches!(directive.effect, Effect::Full | Effect::Depends(_)) {
        out.push_str(".Pp\n");
    }
    for fact in facts(directive) {
        out.push_str(&paragraph(&fact));
    }
    out
}

fn facts(directive: &Directive) -> Vec<String> {
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
    if matches!(directive.effect, Effect::Full | Effect::Depends(_)) {
        facts.push(reload(directive.reload));
    }
    facts.extend(effect(directive.effect));
    if matches!(directive.effect, Effect::Full | Effect::Depends(_))
        && !directive.example.is_empty()
    {
        facts.push(format!("Example: `{}`.", directive.example));
    }
    facts
}

fn repeat(repeat: Repeat) -> Option<&'static str> {
    match repeat {
        Repeat::Adds => Some("May stand several times; each line adds."),
        Repeat::Once => Some("May stand once."),
        Repeat::LastCounts => None,
    }
}

fn reload(reload: Reload) -> String {
    match reload {
        Reload::Online => "Reload: online.".into(),
        Reload::QuickRestart => "Reload: quick restart.".into(),
        Reload::NewManager => "Reload: new manager.".into(),
        Reload::AllNodes(order) => format!("Reload: all nodes; {order}."),
        Reload::NextStart => "A change counts from the next start of hbd on.".into(),
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

/// A directive inside parentheses is one macro, so that no blank comes between.
fn marked(sentence: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut in_parentheses = false;
    for (at, piece) in sentence.split('`').enumerate() {
        let is_word = at % 2 == 1;
        let mut text = piece.trim();
        if is_word {
            let parentheses = if in_parentheses { "Pq " } else { "" };
            lines.push(format!(".{parentheses}Ic {}", escaped(text)));
            continue;
        }
        if in_parentheses {
            text = text.strip_prefix(')').unwrap_or(text).trim_start();
        }
        let opened = text.strip_suffix('(');
        in_parentheses = opened.is_some();
        text = opened.unwrap_or(text).trim_end();
        if let (Some(last), true) = (lines.last_mut(), text.starts_with([',', '.', ';', ':'])) {
            let (mark, rest) = text.split_at(1);
            last.push_str(&format!(" {mark}"));
            text = rest.trim_start();
        }
        if !text.is_empty() {
            lines.push(escaped(text));
        }
    }
    lines.join("\n") + "\n"
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_in_a_text_become_macros_with_their_punctuation() {
        assert_eq!(
            paragraph("See `deadtime`, or late beats (`warntime`) first. Then `node`."),
            "See\n.Ic deadtime ,\nor late beats\n.Pq Ic warntime\nfirst.\nThen\n.Ic node .\n"
        );
    }

    #[test]
    fn text_is_never_taken_for_a_request() {
        assert_eq!(escaped(".El"), "\\&.El");
        assert_eq!(escaped("a\\b"), "a\\eb");
    }
}
