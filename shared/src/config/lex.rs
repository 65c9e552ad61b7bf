//! Lines and words, with their places.
//!
//! `ha.cf` is read line by line. `#` begins a comment wherever it stands, there is no quoting and
//! no continuation, and carriage returns are blanks. A first word, then a rest that each directive
//! splits in its own way: at blanks and commas, or at blanks only.

use super::diagnostic::Code;
use super::report::Report;
use super::source::{LINE_BYTES_MAX, Source, Span};

/// Some text and its place.
#[derive(Clone, Copy)]
pub(super) struct Word<'s> {
    pub(super) text: &'s str,
    pub(super) span: Span,
}

impl<'s> Word<'s> {
    /// A part of the word.
    pub(super) fn part(&self, from: usize, to: usize) -> Word<'s> {
        Word {
            text: &self.text[from..to],
            span: Span {
                start: self.span.start + from,
                end: self.span.start + to,
                ..self.span
            },
        }
    }

    /// The pieces between `separators`, without empty ones.
    pub(super) fn split(&self, separators: &[char]) -> Vec<Word<'s>> {
        let mut words = Vec::new();
        let mut start = None;
        for (at, c) in self.text.char_indices() {
            match (separators.contains(&c), start) {
                (true, Some(from)) => {
                    words.push(self.part(from, at));
                    start = None;
                }
                (false, None) => start = Some(at),
                _ => {}
            }
        }
        words.extend(start.map(|from| self.part(from, self.text.len())));
        words
    }
}

/// What separates words.
pub(super) const BLANKS: [char; 3] = [' ', '\t', '\r'];
/// What separates the values of a word list.
pub(super) const BLANKS_AND_COMMAS: [char; 4] = [' ', '\t', '\r', ','];

/// A directive and what follows it on its line.
pub(super) struct Statement<'s> {
    pub(super) directive: Word<'s>,
    /// Absent if the line holds what is no text, which has been reported.
    pub(super) rest: Option<Word<'s>>,
}

/// The lines of a file, without line ends. Lines that are too long are reported and left out.
pub(super) fn lines<'s>(source: &'s Source, report: &mut Report<'_>) -> Vec<Word<'s>> {
    let mut lines = Vec::new();
    let mut start = 0;
    for text in source.text.split_inclusive('\n') {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let span = Span {
            file: source.file,
            start,
            end: start + text.len(),
        };
        start += text.len() + 1;
        if text.len() > LINE_BYTES_MAX {
            too_long(report, span, text.len());
        } else {
            lines.push(Word { text, span });
        }
    }
    lines
}

fn too_long(report: &mut Report<'_>, span: Span, bytes: usize) {
    let end = span.start + 1;
    report
        .at(
            Code::LineTooLong,
            Span { end, ..span },
            format!("a line of {bytes} bytes is too long"),
        )
        .label(format!("at most {LINE_BYTES_MAX} bytes are read"))
        .remedy("write it as several lines");
}

/// The statements of a file of directives.
pub(super) fn statements<'s>(source: &'s Source, report: &mut Report<'_>) -> Vec<Statement<'s>> {
    lines(source, report)
        .into_iter()
        .filter_map(|line| {
            let end = line.text.find('#').unwrap_or(line.text.len());
            statement(source, line.part(0, end), report)
        })
        .collect()
}

fn statement<'s>(
    source: &Source,
    line: Word<'s>,
    report: &mut Report<'_>,
) -> Option<Statement<'s>> {
    let directive = *line.split(&BLANKS).first()?;
    let rest = is_text(source, line.span, report)
        .then(|| line.part(directive.span.end - line.span.start, line.text.len()));
    Some(Statement { directive, rest })
}

/// Whether there is only printable text from `start` to `end`; reports the first byte that is not.
pub(super) fn is_text(source: &Source, span: Span, report: &mut Report<'_>) -> bool {
    let Some(at) = source.bad_in(span.start, span.end) else {
        return true;
    };
    let byte = source.raw[at];
    let here = Span {
        start: at,
        end: at + 1,
        ..span
    };
    report
        .at(
            Code::NotText,
            here,
            format!("the byte 0x{byte:02x} cannot stand in a configuration"),
        )
        .label("no printable UTF-8")
        .remedy("retype the line; only comments may hold other bytes");
    false
}
