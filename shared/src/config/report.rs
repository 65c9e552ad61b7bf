//! Collects diagnostics while the files are read.

use std::collections::BTreeMap;

use super::diagnostic::{Code, Diagnostic, Related, Spot};
use super::directives;
use super::keys::DigestMethod;
use super::model::is_open_setting;
use super::source::{FileName, LINE_BYTES_MAX, Source, Span};
use super::suggest;

/// Most diagnostics of one check; one more line says that there were others.
pub(super) const DIAGNOSTICS_MAX: usize = 500;

pub(super) type Sources = BTreeMap<FileName, Source>;

pub(super) struct Report<'a> {
    sources: &'a Sources,
    diagnostics: Vec<Diagnostic>,
    /// How many more there are than are kept.
    overflow: usize,
    /// What the notes of those write to.
    scratch: Option<Diagnostic>,
}

impl<'a> Report<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        Self {
            sources,
            diagnostics: Vec::new(),
            overflow: 0,
            scratch: None,
        }
    }

    /// Reports a problem with a file as a whole.
    pub(super) fn about(
        &mut self,
        code: Code,
        file: FileName,
        message: impl Into<String>,
    ) -> Note<'_, 'a> {
        self.push(code, file, None, message.into())
    }

    /// Reports a problem at a place.
    pub(super) fn at(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
    ) -> Note<'_, 'a> {
        let full = self.diagnostics.len() >= DIAGNOSTICS_MAX;
        let spot = if full { None } else { self.spot(span) };
        self.push(code, span.file, spot, message.into())
    }

    /// Whether a line was too long to be read. What seems to be missing may stand in that line.
    pub(super) fn lost_a_line(&self) -> bool {
        self.diagnostics.iter().any(|d| d.code == Code::LineTooLong)
    }

    /// The number of the line that a span begins in.
    pub(super) fn line(&self, span: Span) -> usize {
        self.sources
            .get(&span.file)
            .map_or(0, |source| source.line_at(span.start).0)
    }

    pub(super) fn spot(&self, span: Span) -> Option<Spot> {
        spot(self.sources, span)
    }

    fn push(
        &mut self,
        code: Code,
        file: FileName,
        spot: Option<Spot>,
        message: String,
    ) -> Note<'_, 'a> {
        let diagnostic = Diagnostic {
            code,
            severity: code.severity(),
            message,
            file,
            spot,
            related: None,
            remedy: None,
            replacement: None,
        };
        let at = self.diagnostics.len();
        let diagnostic = if at < DIAGNOSTICS_MAX {
            self.diagnostics.push(diagnostic);
            &mut self.diagnostics[at]
        } else {
            self.overflow += 1;
            self.scratch.insert(diagnostic)
        };
        Note {
            sources: self.sources,
            diagnostic,
        }
    }

    /// The diagnostics by file and line. That some are not shown is itself an error, since one of
    /// them may be one.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics
            .sort_by_key(|d| (d.file, d.spot.as_ref().map_or(usize::MAX, |spot| spot.line)));
        let Some(unshown) = self.scratch.filter(|_| self.overflow > 0) else {
            return self.diagnostics;
        };
        self.diagnostics.push(Diagnostic {
            code: Code::TooManyProblems,
            severity: Code::TooManyProblems.severity(),
            message: format!("{} more problems are not shown", self.overflow),
            remedy: Some("repair those above and check again".to_owned()),
            replacement: None,
            ..unshown
        });
        self.diagnostics
    }
}

/// A diagnostic that can still be added to.
pub(super) struct Note<'r, 'a> {
    sources: &'a Sources,
    diagnostic: &'r mut Diagnostic,
}

impl Note<'_, '_> {
    /// Says what is wrong with what stands there.
    pub(super) fn label(self, label: impl Into<String>) -> Self {
        if let Some(spot) = &mut self.diagnostic.spot {
            spot.label = label.into();
        }
        self
    }

    /// Says what to do.
    pub(super) fn remedy(self, remedy: impl Into<String>) -> Self {
        self.diagnostic.remedy = Some(remedy.into());
        self
    }

    /// Says what could stand there.
    pub(super) fn replacement(self, replacement: impl Into<String>) -> Self {
        self.diagnostic.replacement = Some(replacement.into());
        self
    }

    /// Points at an earlier place.
    pub(super) fn related(self, span: Span, label: &str) -> Self {
        if self.diagnostic.spot.is_none() {
            return self;
        }
        self.diagnostic.related = spot(self.sources, span).map(|spot| Related {
            file: span.file,
            spot: Spot {
                label: label.to_owned(),
                ..spot
            },
        });
        self
    }
}

fn spot(sources: &Sources, span: Span) -> Option<Spot> {
    let source = sources.get(&span.file)?;
    let (line, start, text) = source.line_at(span.start);
    let excerpt = masked(span.file, &text[..text.floor_char_boundary(LINE_BYTES_MAX)]);
    let from = excerpt.floor_char_boundary(span.start - start);
    let to = excerpt.ceil_char_boundary((span.end - start).min(excerpt.len()));
    Some(Spot {
        line,
        column: excerpt[..from].chars().count() + 1,
        label: String::new(),
        range: from..to.max(from),
        excerpt,
    })
}

/// The line as it may be shown: keys, and whatever else stands where a key might, become `*`.
fn masked(file: FileName, line: &str) -> String {
    let words: Vec<&str> = line.split_ascii_whitespace().take(3).collect();
    if !file.is_secret() && meant(&words) == Some("fence") {
        return masked_settings(line);
    }
    let keep = match (file.is_secret(), words.as_slice()) {
        (true, ["auth", ..]) => return line.to_owned(),
        (true, [first, ..]) if first.starts_with('#') => 0,
        (true, [_, method, ..]) if DigestMethod::is_nearly(method) => 2,
        (true, [first, ..]) if first.bytes().all(|b| b.is_ascii_digit() || b == b'-') => 1,
        (true, _) => 0,
        (false, _) if meant(&words) == Some("stonith_host") => 3,
        (false, _) => return line.to_owned(),
    };
    let mut seen = 0;
    let mut in_word = false;
    line.chars()
        .flat_map(|c| {
            let blank = c.is_ascii_whitespace();
            if !blank && !in_word {
                seen += 1;
            }
            in_word = !blank;
            let hide = !blank && seen > keep;
            let (c, count) = if hide { ('*', c.len_utf8()) } else { (c, 1) };
            std::iter::repeat_n(c, count)
        })
        .collect()
}

/// The directive of a line, or the one that was probably meant.
fn meant(words: &[&str]) -> Option<&'static str> {
    let first = words.first()?;
    match directives::find(first) {
        Some(directive) => Some(directive.word),
        None => suggest::nearest(first, directives::words()),
    }
}

/// A `fence` line: of each setting the key, and the value where that opens no door.
fn masked_settings(line: &str) -> String {
    const KEPT: usize = 3;
    let mut shown = String::new();
    let mut words = 0;
    for piece in line.split_inclusive(|c: char| c.is_ascii_whitespace()) {
        let word = piece.trim_ascii_end();
        words += usize::from(!word.is_empty());
        let kept = match word.split_once('=') {
            _ if words <= KEPT => word.len(),
            Some((key, _)) if is_open_setting(key) => word.len(),
            Some((key, _)) => key.len() + 1,
            None => 0,
        };
        shown.push_str(&word[..kept]);
        shown.extend(std::iter::repeat_n('*', word.len() - kept));
        shown.push_str(&piece[word.len()..]);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_key_file_shows_number_and_method_only() {
        let keys = |line| masked(FileName::Authkeys, line);
        assert_eq!(keys("1 sha1 geheim"), "1 sha1 ******");
        assert_eq!(keys("1 sha1 a b"), "1 sha1 * *");
        assert_eq!(keys("1 sha2 geheim"), "1 sha2 ******");
        assert_eq!(keys("1 geheim"), "1 ******");
        assert_eq!(keys("sha1 geheim"), "**** ******");
        assert_eq!(keys("#1 sha1 old"), "** **** ***");
        assert_eq!(keys("auth 1"), "auth 1");
        assert_eq!(keys("1 sha1 \u{e4}"), "1 sha1 **");
    }

    #[test]
    fn parameters_of_a_fencing_device_are_masked() {
        let line = masked(FileName::HaCf, "stonith_host * baytech 10.0.0.3 me pw");
        assert_eq!(line, "stonith_host * baytech ******** ** **");
        let line = masked(
            FileName::HbdCf,
            "fence bob  fence_x ip=10.0.0.3 passwd=g\u{e4}h x # p=q",
        );
        assert_eq!(line, "fence bob  fence_x ip=10.0.0.3 passwd=**** * * p=*");
        let line = masked(FileName::HbdCf, "fense bob fence_x passwd=pw");
        assert_eq!(line, "fense bob fence_x passwd=**");
    }

    #[test]
    fn too_many_problems_end_with_one_line_that_says_so() {
        let sources = Sources::new();
        let mut report = Report::new(&sources);
        for _ in 0..DIAGNOSTICS_MAX + 7 {
            report.about(Code::NoValue, FileName::HaCf, "x");
        }
        let all = report.finish();
        assert_eq!(all.len(), DIAGNOSTICS_MAX + 1);
        assert_eq!(
            all[DIAGNOSTICS_MAX].message,
            "7 more problems are not shown"
        );
        assert!(all[DIAGNOSTICS_MAX].is_error());
    }
}
