//! What a configuration of Heartbeat 3.0.6 means to hbd, line by line, for whoever is about to go
//! over: what hbd refuses or does not do, what it does better, what it has no use for, and what
//! stays as it is.
//!
//! Nothing is decided here a second time: what is refused or does nothing is what the check of the
//! text says ([`super::check`]), and so what the table of directives says. Of the lines that it
//! accepts this adds what hbd makes of them that Heartbeat does not.

use serde::Serialize;

use super::check;
use super::diagnostic::{Code, Diagnostic};
use super::directives::{self, Owner};
use super::haresources;
use super::keys::DigestMethod;
use super::lex::{self, BLANKS, Word};
use super::model::{AutoFailback, Resource};
use super::report::{Report, Sources};
use super::source::{FileName, Files, Span};
use crate::builtin::BuiltIn;

/// What becomes of something under hbd, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bearing {
    /// hbd refuses it, or does not do what Heartbeat does: somebody has to decide first.
    MustChange,
    /// hbd makes more of it, or could.
    Better,
    /// hbd has no use for it, and nobody will miss it.
    NoUse,
    /// It means what it meant.
    Same,
}

impl Bearing {
    /// All, the most urgent first.
    pub const ALL: [Self; 4] = [Self::MustChange, Self::Better, Self::NoUse, Self::Same];
}

/// Something in the files, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What becomes of it.
    pub bearing: Bearing,
    /// The file.
    pub file: FileName,
    /// Its line, from 1, unless it is about the file as a whole.
    pub line: Option<usize>,
    /// What stands there, keys and passwords masked; empty if it is about the file as a whole.
    pub stands: String,
    /// What it means to hbd, as one sentence without a full stop.
    pub meaning: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// Everything there is to say about `files`, of which a check found `diagnostics`: by urgency, then
/// by file and line.
#[must_use]
pub fn notes(files: &Files, diagnostics: &[Diagnostic]) -> Vec<Note> {
    let sources = check::sources(files);
    let mut notes: Vec<Note> = diagnostics.iter().filter_map(of_diagnostic).collect();
    let mut reading = Reading {
        // What it would report is in `diagnostics`.
        report: Report::new(&sources),
        sources: &sources,
        diagnostics,
        notes: &mut notes,
    };
    reading.directives();
    reading.keys();
    reading.resources();
    notes.sort_by_key(|note| (note.bearing, note.file, note.line));
    notes
}

/// Of what a check found, that which counts for a migration.
fn of_diagnostic(found: &Diagnostic) -> Option<Note> {
    let bearing = match found.code {
        _ if found.is_error() => Bearing::MustChange,
        Code::NotYet | Code::ScriptMissing | Code::AddressForeign => Bearing::MustChange,
        Code::NoEffect => Bearing::NoUse,
        _ => return None,
    };
    let (line, stands, label) = match &found.spot {
        Some(spot) => (Some(spot.line), spot.excerpt.trim(), spot.label.as_str()),
        None => (None, "", ""),
    };
    let meaning = match (found.code, label) {
        (Code::NoEffect | Code::NotYet, label) if !label.is_empty() => label.to_owned(),
        (_, "") => found.message.clone(),
        (_, label) => format!("{}: {label}", found.message),
    };
    let remedy = match (found.code, stands.split_ascii_whitespace().next()) {
        (Code::NotYet | Code::Refused, Some(word)) => Some(remedy_of(word).to_owned()),
        _ => None,
    };
    Some(Note {
        bearing,
        file: found.file,
        line,
        stands: stands.to_owned(),
        meaning,
        remedy: remedy.or(found.remedy.clone()),
    })
}

/// What to do about a line whose directive is not built.
fn remedy_of(word: &str) -> &'static str {
    match word {
        "respawn" | "failfast" => {
            "make a unit of it for systemd, or do without it; then remove the line"
        }
        "apiauth" => {
            "remove it: programs that use the API of Heartbeat find none; hbd-api(7) has that of hbd"
        }
        "compression" | "compression_threshold" | "traditional_compression" => {
            "remove it on both nodes while both run Heartbeat"
        }
        "serial" => {
            "remove it on both nodes, and have another medium in its place, over a network of its own"
        }
        "pacemaker" | "crm" => "stay with what it manages, on corosync",
        _ => "remove it on both nodes",
    }
}

struct Reading<'r, 'a> {
    report: Report<'a>,
    sources: &'a Sources,
    diagnostics: &'r [Diagnostic],
    notes: &'r mut Vec<Note>,
}

impl<'a> Reading<'_, 'a> {
    fn directives(&mut self) {
        for file in [FileName::HaCf, FileName::HbdCf] {
            let Some(source) = self.sources.get(&file) else {
                continue;
            };
            for statement in lex::statements(source, &mut self.report) {
                let (word, Some(rest)) = (statement.directive, statement.rest) else {
                    continue;
                };
                self.directive(&word, &rest);
            }
        }
        self.failback_absent();
    }

    fn directive(&mut self, word: &Word<'_>, rest: &Word<'_>) {
        let whole = Span {
            end: rest.span.end,
            ..word.span
        };
        let Some(directive) = directives::find(word.text) else {
            return;
        };
        if self.is_judged(whole) {
            return;
        }
        if directive.owner == Owner::Hbd {
            match word.span.file {
                FileName::HaCf => self.say(
                    Bearing::MustChange,
                    whole,
                    "a Heartbeat refuses this word, so that it does not start with this file",
                    Some("move the line to hbd.cf"),
                ),
                _ => self.say(Bearing::Same, whole, "read by hbd only", None),
            }
            return;
        }
        match (word.text, rest.text.trim()) {
            ("auto_failback", text) if text.eq_ignore_ascii_case(AutoFailback::Legacy.word()) => {
                if self.has_groups() {
                    self.say(Bearing::Better, whole, LEGACY, Some(LEGACY_REMEDY));
                } else {
                    self.say(Bearing::Same, whole, directive.short, None);
                }
            }
            ("respawn" | "failfast", _) => self.say(Bearing::Same, whole, RESPAWN_IPFAIL, None),
            ("stonith" | "stonith_host", _) => {
                self.say(Bearing::Better, whole, STONITH, Some(STONITH_REMEDY));
            }
            _ => self.say(Bearing::Same, whole, directive.short, None),
        }
    }

    /// The line is missing, and legacy counts.
    fn failback_absent(&mut self) {
        let absent = |d: &Diagnostic| d.code == Code::AutoFailbackMissing;
        if self.diagnostics.iter().any(absent) {
            self.notes.push(Note {
                bearing: Bearing::Better,
                file: FileName::HaCf,
                line: None,
                stands: String::new(),
                meaning: format!("auto_failback is missing, and legacy counts: {LEGACY}"),
                remedy: Some(LEGACY_REMEDY.to_owned()),
            });
        }
    }

    fn keys(&mut self) {
        for file in [FileName::Authkeys, FileName::HbdKeys] {
            let Some(source) = self.sources.get(&file) else {
                continue;
            };
            for line in lex::lines(source, &mut self.report) {
                let words = line.split(&BLANKS);
                let (Some(first), Some(second)) = (words.first(), words.get(1)) else {
                    continue;
                };
                if first.text.starts_with('#') || self.is_judged(line.span) {
                    continue;
                }
                self.key(first, second, line.span);
            }
        }
    }

    fn key(&mut self, first: &Word<'_>, second: &Word<'_>, line: Span) {
        let weak = [DigestMethod::Crc, DigestMethod::Md5]
            .into_iter()
            .find(|method| method.as_str() == second.text);
        match (first.text, weak) {
            ("auth", _) => self.say(Bearing::Same, line, "the key that signs", None),
            (_, Some(DigestMethod::Crc)) => self.say(
                Bearing::Better,
                line,
                "crc keeps nobody from sending packets in the name of a node",
                Some(SHA256),
            ),
            (_, Some(_)) => self.say(
                Bearing::Better,
                line,
                "md5 is the weaker of the two digests that Heartbeat has",
                Some(SHA256),
            ),
            (_, None) => self.say(Bearing::Same, line, "a key that signs or verifies", None),
        }
    }

    fn has_groups(&mut self) -> bool {
        let lines = self.lines_of_groups();
        lines.iter().any(|words| words.len() > 1)
    }

    fn lines_of_groups(&mut self) -> Vec<Vec<Word<'a>>> {
        let source = self.sources.get(&FileName::Haresources);
        source.map_or_else(Vec::new, |source| {
            haresources::logical_lines(source, &mut self.report)
        })
    }

    fn resources(&mut self) {
        for words in self.lines_of_groups() {
            let Some((node, resources)) = words.split_first() else {
                continue;
            };
            let Some(first) = resources.first() else {
                continue;
            };
            let line = Span {
                end: first.span.end.max(node.span.end),
                ..node.span
            };
            if !self.is_judged(node.span) && line.start < line.end {
                self.say(Bearing::Better, line, GROUP, Some(GROUP_REMEDY));
            }
            for word in resources.iter().filter(|word| !word.text.is_empty()) {
                if !self.is_judged(word.span) {
                    self.resource(word);
                }
            }
        }
    }

    fn resource(&mut self, word: &Word<'_>) {
        let resource = Resource::new(word.text);
        match BuiltIn::parse(&resource.agent, &resource.arguments) {
            Ok(Some(BuiltIn::Address(_))) => self.say(Bearing::Better, word.span, ADDRESS, None),
            Ok(Some(_)) => self.say(
                Bearing::Same,
                word.span,
                "an agent that is part of hbd",
                None,
            ),
            Ok(None) => self.say(Bearing::Same, word.span, SCRIPT, None),
            // The check has said it.
            Err(_) => {}
        }
    }

    /// Whether the check said something about this place that counts here.
    fn is_judged(&self, span: Span) -> bool {
        let Some(place) = self.report.spot(span) else {
            return true;
        };
        let columns = place.column..=place.column + place.excerpt[place.range].chars().count();
        let counts = |found: &&Diagnostic| of_diagnostic(found).is_some();
        self.diagnostics.iter().filter(counts).any(|found| {
            let spot = found.spot.as_ref();
            found.file == span.file
                && spot.is_some_and(|s| s.line == place.line && columns.contains(&s.column))
        })
    }

    fn say(&mut self, bearing: Bearing, span: Span, meaning: &str, remedy: Option<&str>) {
        let Some(spot) = self.report.spot(span) else {
            return;
        };
        self.notes.push(Note {
            bearing,
            file: span.file,
            line: Some(spot.line),
            stands: spot.excerpt[spot.range].trim().to_owned(),
            meaning: meaning.to_owned(),
            remedy: remedy.map(str::to_owned),
        });
    }
}

const RESPAWN_IPFAIL: &str = "what ipfail does is part of hbd; it counts where both nodes run hbd";
const LEGACY: &str =
    "groups go back to their node, one by one; hbd can be told to move them all the same";
const LEGACY_REMEDY: &str = "once both nodes run hbd: `auto_failback on`, which means the same, or `off`; never while Heartbeat runs, which hangs on such a reload";
const STONITH: &str =
    "the same device, asked by the program stonith of cluster-glue, which has to stay installed";
const STONITH_REMEDY: &str = "once both nodes run hbd: a `fence` line in hbd.cf for each node, by the agents of fence-agents";
const SHA256: &str = "once both nodes run hbd: a sha256 key in hbd.keys, as authkeys(5) says";
const GROUP: &str = "a group: once both nodes run hbd it moves alone, and goes to the other node when it does not start";
const GROUP_REMEDY: &str = "a `monitor` line in hbd.cf has it watched while it runs";
const ADDRESS: &str = "a built-in agent: the kernel takes the address away when all of hbd dies, and one that vanishes comes back";
const SCRIPT: &str = "a script, asked as Heartbeat asks it";

#[cfg(test)]
mod tests;
