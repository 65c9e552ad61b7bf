//! Applies statements to the draft, in the order in which they stand, as Heartbeat 3.0.6 does.
//!
//! A handler in the table of directives gets a [`Reader`] and one word or the whole rest of the
//! line. It reads values with the methods here, which report what is wrong, and puts them into
//! the draft.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::diagnostic::Code;
use super::directives::{self, Directive, Effect, Grammar, Owner, Repeat};
use super::draft::{Draft, Given};
use super::lex::{self, BLANKS, BLANKS_AND_COMMAS, Word};
use super::machine::{Subject, mention};
use super::model::Ineffective;
use super::report::{Note, Report};
use super::source::{FileName, Source, Span};
use super::suggest;
use super::value::{self, Zero};
use crate::names::NodeName;

/// Longest name of a network interface in bytes (`IFNAMSIZ` without the closing NUL).
const DEVICE_BYTES_MAX: usize = 15;

/// What a directive's handler works with.
pub(super) struct Reader<'r, 'a> {
    pub(super) draft: &'r mut Draft,
    pub(super) report: &'r mut Report<'a>,
    /// The directive of the statement at hand.
    pub(super) directive: &'static Directive,
    /// Its word in the file.
    pub(super) at: Span,
}

/// Reads a file of directives.
pub(super) fn read(source: &Source, draft: &mut Draft, report: &mut Report<'_>) {
    for statement in lex::statements(source, report) {
        let word = statement.directive;
        match (directives::find(word.text), statement.rest) {
            (Some(directive), Some(rest)) => Reader {
                draft,
                report,
                directive,
                at: word.span,
            }
            .apply(&rest),
            (None, Some(_)) => unknown(word, draft, report),
            (_, None) => draft
                .doubtful
                .extend(suggest::nearest(word.text, directives::words())),
        }
    }
}

fn unknown(word: Word<'_>, draft: &mut Draft, report: &mut Report<'_>) {
    let note = report.at(
        Code::UnknownDirective,
        word.span,
        format!("`{}` is no directive", word.text),
    );
    if let Some((name, value)) = word.text.split_once('=')
        && let Some(near) = suggest::nearest(name, directives::words())
    {
        draft.doubtful.insert(near);
        note.label("a blank separates a directive from its value")
            .replacement(format!("{near} {value}").trim_end());
        return;
    }
    let note = note.label("not known");
    match suggest::nearest(word.text, directives::words()) {
        Some(near) => {
            draft.doubtful.insert(near);
            note.replacement(near)
        }
        None => note.remedy("see ha.cf(5) for the directives there are"),
    };
}

impl Reader<'_, '_> {
    fn apply(mut self, rest: &Word<'_>) {
        self.check_owner();
        self.check_repetition();
        match self.directive.grammar {
            Grammar::Words(handler) => self.apply_words(handler, rest),
            Grammar::Line(handler) => {
                handler(&mut self, rest);
                self.announce_effect();
            }
        }
    }

    fn apply_words(&mut self, handler: fn(&mut Reader<'_, '_>, &Word<'_>), rest: &Word<'_>) {
        let words = rest.split(&BLANKS_AND_COMMAS);
        let Some(last) = words.last() else {
            let text = format!("`{}` without a value does nothing", self.directive.word);
            let syntax = format!("write `{} {}`", self.directive.word, self.directive.syntax);
            self.report.at(Code::NoValue, self.at, text).remedy(syntax);
            return;
        };
        if words.len() > 1 && self.directive.repeat != Repeat::Adds {
            let text = format!("`{}` takes one value", self.directive.word);
            self.report
                .at(Code::SeveralValues, last.span, text)
                .label("this one counts");
        }
        for word in &words {
            handler(self, word);
        }
        self.announce_effect();
    }

    fn check_owner(&mut self) {
        if self.directive.owner == Owner::Hbd && self.at.file == FileName::HaCf {
            let text = format!("Heartbeat does not know `{}`", self.directive.word);
            self.report
                .at(Code::OwnWord, self.at, text)
                .label("refused by Heartbeat 3.0.6")
                .remedy("move it to hbd.cf, so that a Heartbeat node can share this file");
        }
    }

    fn check_repetition(&mut self) {
        let word = self.directive.word;
        let Some(first) = self.draft.seen.insert(word, self.at) else {
            return;
        };
        match self.directive.repeat {
            Repeat::Adds => {}
            Repeat::Once => {
                self.report
                    .at(
                        Code::Twice,
                        self.at,
                        format!("`{word}` may stand only once"),
                    )
                    .related(first, "first here");
            }
            Repeat::LastCounts if first.file == self.at.file => {
                self.report
                    .at(Code::Repeated, self.at, format!("`{word}` stands twice"))
                    .label("this one counts")
                    .related(first, "this one does not");
            }
            Repeat::LastCounts => {}
        }
    }

    fn announce_effect(&mut self) {
        match self.directive.effect {
            Effect::Full | Effect::Depends(_) => {}
            Effect::NotYet(reason) => self.not_yet(reason),
            Effect::None(reason) => self.no_effect(reason),
            Effect::Refused(reason) => self.refuse(reason),
        }
    }

    /// Reports that the directive is accepted and does nothing in this release.
    pub(super) fn not_yet(&mut self, reason: &str) {
        let text = format!("`{}` has no effect in this release", self.directive.word);
        self.report.at(Code::NotYet, self.at, text).label(reason);
        self.list_ineffective(reason);
    }

    /// Reports that hbd needs no such directive.
    pub(super) fn no_effect(&mut self, reason: &str) {
        let text = format!("`{}` has no effect in hbd", self.directive.word);
        self.report.at(Code::NoEffect, self.at, text).label(reason);
        self.list_ineffective(reason);
    }

    /// Reports that ignoring the directive would be dangerous.
    pub(super) fn refuse(&mut self, reason: &str) {
        let text = format!("`{}` is not built in this release", self.directive.word);
        self.report.at(Code::Refused, self.at, text).label(reason);
    }

    fn list_ineffective(&mut self, reason: &str) {
        self.draft.ineffective.push(Ineffective {
            directive: self.directive.word.to_owned(),
            file: self.at.file,
            line: self.report.line(self.at),
            reason: reason.to_owned(),
        });
    }

    /// Remembers something that only the machine can confirm.
    pub(super) fn mention(&mut self, span: Span, subject: Subject) {
        mention(self.draft, self.report, span, subject);
    }

    fn wrong(&mut self, code: Code, word: &Word<'_>, what: &str) -> Note<'_, '_> {
        let text = format!("`{}` is no {what} for `{}`", word.text, self.directive.word);
        self.report.at(code, word.span, text)
    }

    /// A time.
    pub(super) fn time(&mut self, word: &Word<'_>, zero: Zero) -> Given<Duration> {
        match value::time(word.text, zero) {
            Ok(time) => Given::Set(time, word.span),
            Err(reason) => {
                self.wrong(Code::BadTime, word, "time")
                    .label(reason)
                    .remedy("write seconds (`2`, `1.5`) or milliseconds (`500ms`), without a blank before the unit");
                Given::Bad
            }
        }
    }

    /// A time with an upper bound in whole seconds.
    pub(super) fn time_up_to(
        &mut self,
        word: &Word<'_>,
        zero: Zero,
        max: Duration,
    ) -> Given<Duration> {
        match self.time(word, zero) {
            Given::Set(time, _) if time > max => {
                self.wrong(Code::BadTime, word, "time")
                    .label(format!("longer than {}", value::show(max)));
                Given::Bad
            }
            given => given,
        }
    }

    /// What stands before and behind the `=` of NAME=VALUE.
    pub(super) fn assignment<'s>(&mut self, word: &Word<'s>) -> Option<(Word<'s>, Word<'s>)> {
        match word.text.find('=') {
            Some(at) if at > 0 && at + 1 < word.text.len() => {
                Some((word.part(0, at), word.part(at + 1, word.text.len())))
            }
            _ => {
                let text = format!("`{}` is no assignment", word.text);
                let (word_of, syntax) = (self.directive.word, self.directive.syntax);
                self.report
                    .at(Code::BadAssignment, word.span, text)
                    .label("is not of the form NAME=VALUE")
                    .remedy(format!("write `{word_of} {syntax}`"));
                None
            }
        }
    }

    /// The name of a node.
    pub(super) fn node(&mut self, word: &Word<'_>) -> Option<NodeName> {
        match NodeName::new(word.text) {
            Ok(name) => Some(name),
            Err(reason) => {
                let text = format!("`{}` cannot be the name of a node", word.text);
                self.report
                    .at(Code::BadName, word.span, text)
                    .label(reason.to_string());
                None
            }
        }
    }

    /// Yes or no.
    pub(super) fn boolean(&mut self, word: &Word<'_>) -> Given<bool> {
        match value::boolean(word.text) {
            Some(value) => Given::Set(value, word.span),
            None => {
                let text = format!("`{}` is neither yes nor no", word.text);
                self.report
                    .at(Code::BadBoolean, word.span, text)
                    .remedy("write one of true, on, yes, y, 1 or false, off, no, n, 0");
                Given::Bad
            }
        }
    }

    /// A number within bounds.
    pub(super) fn number(&mut self, word: &Word<'_>, min: u32, max: u32) -> Given<u32> {
        match value::number(word.text, min, max) {
            Ok(value) => Given::Set(value, word.span),
            Err(reason) => {
                let text = format!("`{}` is no value for `{}`", word.text, self.directive.word);
                self.report
                    .at(Code::BadNumber, word.span, text)
                    .label(reason);
                Given::Bad
            }
        }
    }

    /// A number of one byte within bounds.
    pub(super) fn byte(&mut self, word: &Word<'_>, min: u8, max: u8) -> Given<u8> {
        match self.number(word, min.into(), max.into()) {
            Given::Set(value, span) => {
                u8::try_from(value).map_or(Given::Bad, |v| Given::Set(v, span))
            }
            Given::Absent | Given::Bad => Given::Bad,
        }
    }

    /// A UDP port.
    pub(super) fn port(&mut self, word: &Word<'_>) -> Given<u16> {
        match self.number(word, 1, u16::MAX.into()) {
            Given::Set(value, span) => {
                u16::try_from(value).map_or(Given::Bad, |v| Given::Set(v, span))
            }
            Given::Absent | Given::Bad => Given::Bad,
        }
    }

    /// One of a list of words.
    pub(super) fn choice<T: Copy>(&mut self, word: &Word<'_>, choices: &[(&str, T)]) -> Given<T> {
        if let Some((_, value)) = choices.iter().find(|(text, _)| *text == word.text) {
            return Given::Set(*value, word.span);
        }
        let mut list = String::new();
        for (text, _) in choices {
            let separator = if list.is_empty() { "" } else { ", " };
            let _ = write!(list, "{separator}{text}");
        }
        let near = suggest::nearest(word.text, choices.iter().map(|(text, _)| *text));
        let note = self
            .wrong(Code::BadWord, word, "value")
            .remedy(format!("write one of {list}"));
        if let Some(near) = near {
            note.replacement(near);
        }
        Given::Bad
    }

    /// An absolute path.
    pub(super) fn path(&mut self, word: &Word<'_>) -> Given<()> {
        if word.text.starts_with('/') {
            return Given::Set((), word.span);
        }
        self.wrong(Code::BadPath, word, "path")
            .label("must begin with `/`");
        Given::Bad
    }

    /// An absolute path, for whoever opens it.
    pub(super) fn file(&mut self, word: &Word<'_>) -> Option<PathBuf> {
        self.path(word).set().map(|()| PathBuf::from(word.text))
    }

    /// The name of a network interface.
    pub(super) fn device(&mut self, word: &Word<'_>) -> Option<String> {
        let reason = match word.text {
            "." | ".." => "reserved by the kernel",
            text if text.contains('/') => "a slash cannot stand in the name of an interface",
            text if text.contains(':') => "an alias is an address of an interface, no interface",
            text if text.len() > DEVICE_BYTES_MAX => "longer than 15 bytes",
            text => return Some(text.to_owned()),
        };
        self.wrong(Code::BadDevice, word, "network interface")
            .label(reason)
            .remedy("`ip link` lists the interfaces of this machine");
        None
    }

    /// An address that is not of the kind needed.
    pub(super) fn bad_address(&mut self, word: &Word<'_>, reason: &str) -> Note<'_, '_> {
        let text = format!(
            "`{}` is no address for `{}`",
            word.text, self.directive.word
        );
        self.report
            .at(Code::BadAddress, word.span, text)
            .label(reason)
    }

    /// The words of a whole-line directive: exactly `N`, or nothing and a report.
    pub(super) fn exactly<'s, const N: usize>(&mut self, rest: &Word<'s>) -> Option<[Word<'s>; N]> {
        let words = rest.split(&BLANKS);
        if let Some(extra) = words.get(N) {
            let text = format!("`{}` takes {N} values", self.directive.word);
            let span = Span {
                end: words[words.len() - 1].span.end,
                ..extra.span
            };
            self.report
                .at(Code::ExtraWords, span, text)
                .label("ignored");
        }
        match words.first_chunk::<N>() {
            Some(words) => Some(*words),
            None => {
                self.missing(words.len());
                None
            }
        }
    }

    /// Reports that a whole-line directive has too few words.
    pub(super) fn missing(&mut self, have: usize) {
        let names: Vec<&str> = self.directive.syntax.split(' ').collect();
        let missing = names.get(have).copied().unwrap_or("value");
        let text = format!("`{}` lacks {missing}", self.directive.word);
        let syntax = format!("write `{} {}`", self.directive.word, self.directive.syntax);
        self.report
            .at(Code::ArgumentMissing, self.at, text)
            .remedy(syntax);
    }
}
