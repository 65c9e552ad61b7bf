//! The one table of directives.
//!
//! Reader, checker, manual and completion come from it: a new directive is one entry in the
//! chapter it belongs to and one case in the corpus of `tests/config`.

mod access;
mod foreign;
mod identity;
mod logging;
mod media;
mod process;
mod programs;
mod resources;
mod timing;

pub use logging::facility_word;

use super::lex::Word;
use super::reader::Reader;

/// What a configuration file can say in one line.
pub struct Directive {
    /// The first word of the line; case counts.
    pub word: &'static str,
    /// Whose word it is.
    pub owner: Owner,
    /// What follows the word.
    pub syntax: &'static str,
    /// A line as it may stand in a file; empty where no line is of use to hbd.
    pub example: &'static str,
    /// What counts where the directive is absent; empty if nothing does.
    pub default: &'static str,
    /// Which values are accepted; empty if the syntax says it.
    pub bounds: &'static str,
    /// What a second line does.
    pub repeat: Repeat,
    /// What it does in this release.
    pub effect: Effect,
    /// What a change of it asks for.
    pub reload: Reload,
    /// Whether all nodes must say the same.
    pub scope: Scope,
    /// What it is for, in a few words without a full stop.
    pub short: &'static str,
    /// What it means, what it must be larger or smaller than, and the price of both extremes.
    /// Names of directives stand in backquotes.
    pub long: &'static str,
    pub(super) grammar: Grammar,
}

/// Whose word a directive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Heartbeat 3.0.6 knows it too.
    Heartbeat,
    /// Only hbd knows it; its place is `hbd.cf`.
    Hbd,
}

/// What a second line with the same directive does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Its values are added.
    Adds,
    /// It replaces the first.
    LastCounts,
    /// It is an error.
    Once,
}

/// What a directive does in this release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// What its text says.
    Full,
    /// It depends on the value, as the text explains.
    Depends(&'static str),
    /// Accepted with a warning: what it acts on is not built yet.
    NotYet(&'static str),
    /// Accepted with a warning: hbd needs no such directive.
    None(&'static str),
    /// An error: ignoring it would be dangerous.
    Refused(&'static str),
}

impl Effect {
    /// The reason behind it; empty for a directive that does what its text says.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Full => "",
            Self::Depends(reason)
            | Self::NotYet(reason)
            | Self::None(reason)
            | Self::Refused(reason) => reason,
        }
    }
}

/// What a change of a directive asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Nothing: it is taken over while beats go on.
    Online,
    /// A new generation of the node's core; its resources stay where they are.
    QuickRestart,
    /// Another manager; its resources stay where they are.
    NewManager,
    /// The same change on all nodes, in the order that the text says.
    AllNodes(&'static str),
    /// Another start of hbd: it says who this node is.
    NextStart,
}

/// Whether all nodes must say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// They must: the nodes of hbd compare it.
    Cluster,
    /// Each says what is right for its machine.
    Node,
}

/// Where nodes may differ for a while.
const EVERYWHERE: Reload = Reload::AllNodes("change it on every node, then reload each");

/// How the rest of a line is taken.
#[derive(Clone, Copy)]
pub(super) enum Grammar {
    /// Split at blanks and commas; the handler gets each word in turn.
    Words(fn(&mut Reader<'_, '_>, &Word<'_>)),
    /// The handler gets all of it.
    Line(fn(&mut Reader<'_, '_>, &Word<'_>)),
}

/// A group of directives, as the manual shows them.
pub struct Chapter {
    /// Its heading.
    pub title: &'static str,
    /// Its directives, the most needed first.
    pub directives: &'static [Directive],
}

/// All directives.
pub static CHAPTERS: &[Chapter] = &[
    identity::CHAPTER,
    timing::CHAPTER,
    media::CHAPTER,
    process::CHAPTER,
    access::CHAPTER,
    logging::CHAPTER,
    resources::CHAPTER,
    programs::CHAPTER,
    foreign::CHAPTER,
];

/// All directives, in the order of the chapters.
pub fn all() -> impl Iterator<Item = &'static Directive> {
    CHAPTERS.iter().flat_map(|chapter| chapter.directives)
}

/// The words of all directives, for completion and suggestions.
pub fn words() -> impl Iterator<Item = &'static str> {
    all().map(|directive| directive.word)
}

/// The directive with this word.
#[must_use]
pub fn find(word: &str) -> Option<&'static Directive> {
    all().find(|directive| directive.word == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_stands_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for word in words() {
            assert!(seen.insert(word), "{word}");
        }
    }

    #[test]
    fn every_entry_has_texts_that_are_sentences() {
        for directive in all() {
            assert!(!directive.short.ends_with('.'), "{}", directive.word);
            assert!(directive.long.ends_with('.'), "{}", directive.word);
            assert!(!directive.syntax.is_empty(), "{}", directive.word);
        }
    }

    #[test]
    fn every_example_is_a_line_that_is_accepted_unless_its_directive_is_refused() {
        use crate::config::source::{FileName, Files};
        for directive in all().filter(|directive| !directive.example.is_empty()) {
            assert_eq!(
                directive.example.split(' ').next(),
                Some(directive.word),
                "{}",
                directive.example
            );
            let ha_cf = format!("{}\n", directive.example);
            let files = Files::default().with(FileName::HaCf, &ha_cf);
            let checked = crate::config::check::text(&files);
            let refused = checked
                .diagnostics
                .iter()
                .any(|d| d.is_error() && d.spot.is_some());
            let must = matches!(directive.effect, Effect::Refused(_));
            assert_eq!(refused, must, "{}: {checked:?}", directive.example);
        }
    }

    #[test]
    fn texts_quote_only_directives_that_exist() {
        for directive in all() {
            for quoted in directive.long.split('`').skip(1).step_by(2) {
                let word = quoted.split(' ').next().unwrap_or(quoted);
                assert!(find(word).is_some(), "{} quotes {quoted}", directive.word);
            }
        }
    }
}
