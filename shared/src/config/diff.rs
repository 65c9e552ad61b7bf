//! What changed between two accepted sets of files, and what each change asks for.
//!
//! Lines are compared by what they say, not by where they stand: comments, blank lines, white space
//! and a line that moved from `ha.cf` to `hbd.cf` are no change. What is shown of a key is its number
//! and method.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::directives::{self, Reload, Scope};
use super::fencing;
use super::lex::{self, BLANKS, BLANKS_AND_COMMAS, Word};
use super::model::Config;
use super::report::{Report, Sources};
use super::source::{Content, FileName, Files, Source, Span};

/// What a change asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consequence {
    /// It is taken over while beats go on.
    Online,
    /// The core is replaced by its next generation: peers see a restart and no death, resources stay.
    QuickRestart,
    /// The manager is replaced by the next one: beats go on, what is held stays held.
    NewManager,
    /// As a quick restart or a new manager here, if it has an effect at all; and the same on every
    /// other node.
    AllNodes,
    /// It counts from the next start of hbd on.
    NextStart,
}

impl fmt::Display for Consequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Online => "online",
            Self::QuickRestart => "quick restart",
            Self::NewManager => "new manager",
            Self::AllNodes => "all nodes",
            Self::NextStart => "next start of hbd",
        })
    }
}

/// A line that is in one set of files only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its file.
    pub file: FileName,
    /// Its number, from 1.
    pub line: usize,
    /// What it says, keys masked.
    pub text: String,
}

/// One directive, key or file that says something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The directive; `auth`, `key 1` or `haresources` for the other files.
    pub what: String,
    /// Lines that are gone.
    pub removed: Vec<Line>,
    /// Lines that are new.
    pub added: Vec<Line>,
    /// What it asks for.
    pub consequence: Consequence,
    /// For [`Consequence::AllNodes`]: what to do in which order.
    pub order: Option<String>,
}

impl fmt::Display for Change {
    /// `ha.cf:3: keepalive 1 -> keepalive 2 (online)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = |lines: &[Line]| {
            let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
            texts.join(", ")
        };
        if let Some(line) = self.added.first().or(self.removed.first()) {
            write!(f, "{}:{}: ", line.file, line.line)?;
        }
        match (self.removed.as_slice(), self.added.as_slice()) {
            ([], []) => f.write_str(&self.what)?,
            ([], added) => write!(f, "added {}", texts(added))?,
            (removed, []) => write!(f, "removed {}", texts(removed))?,
            (removed, added) => write!(f, "{} -> {}", texts(removed), texts(added))?,
        }
        write!(f, " ({})", self.consequence)
    }
}

/// The lines of each file that must be the same on all nodes, as [`changes`] compares them. A file that
/// does not exist has none. Key files have no text here: keys are compared in another way.
#[must_use]
pub fn common(files: &Files) -> BTreeMap<FileName, String> {
    let compared = [FileName::HaCf, FileName::HbdCf, FileName::Haresources];
    let mut texts: BTreeMap<_, _> = compared.map(|file| (file, String::new())).into();
    for statement in statements(files).iter().filter(|s| s.common) {
        if let Some(text) = texts.get_mut(&statement.line.file) {
            text.push_str(&statement.line.text);
            text.push('\n');
        }
    }
    texts
}

/// Whether the key that signs is chosen in `hbd.keys`, which Heartbeat does not read.
#[must_use]
pub fn signs_by_hbd_keys(files: &Files) -> bool {
    statements(files)
        .iter()
        .any(|s| s.what == "auth" && s.line.file == FileName::HbdKeys)
}

/// What is new in `new`, in the order of its files; what is gone stands behind.
#[must_use]
pub fn changes(old: &Files, new: &Files) -> Vec<Change> {
    let (old, new) = (statements(old), statements(new));
    let mut order: Vec<&str> = Vec::new();
    for statement in new.iter().chain(&old) {
        if !order.contains(&statement.what.as_str()) {
            order.push(&statement.what);
        }
    }
    order
        .into_iter()
        .filter_map(|what| {
            let of = |all: &[Statement]| -> Vec<Statement> {
                all.iter().filter(|s| s.what == what).cloned().collect()
            };
            change(&of(&old), &of(&new))
        })
        .collect()
}

/// Whether a core that runs under `old` has to be replaced to run under `new`: what this does not
/// look at can be changed while it runs.
#[must_use]
pub fn needs_new_core(old: &Config, new: &Config) -> bool {
    let Config {
        nodes,
        media,
        realtime,
        hopfudge,
        timing: _,
        keys: _,
        api: _,
        log_badpack: _,
        logging: _,
        watchdog: _,
        self_fence: _,
        generation: _,
        uuid: _,
        resources: _,
        ineffective: _,
    } = old;
    *nodes != new.nodes
        || *media != new.media
        || *realtime != new.realtime
        || *hopfudge != new.hopfudge
}

/// A line, and what counts of it.
#[derive(Clone)]
struct Statement {
    what: String,
    says: Vec<u8>,
    line: Line,
    consequence: Consequence,
    order: Option<&'static str>,
    /// All nodes must say it.
    common: bool,
    /// What is shown of it is not all that counts; this is what else may differ.
    secret: Option<&'static str>,
}

const AUTH_ORDER: &str = "once every node has the key: change `auth` on one node after the other, with \
                          a reload on each";
const GROUPS_ORDER: &str =
    "haresources must be the same everywhere: change it on every node, then reload each";

fn statements(files: &Files) -> Vec<Statement> {
    let sources: Sources = files
        .contents
        .iter()
        .filter_map(|(name, content)| match content {
            Content::Bytes { bytes, .. } => Some((*name, Source::new(*name, bytes.clone()))),
            _ => None,
        })
        .collect();
    // Whatever there is to report was reported when the files were checked.
    let mut report = Report::new(&sources);
    let mut all = Vec::new();
    for (name, source) in &sources {
        match name {
            FileName::HaCf | FileName::HbdCf => directives_of(source, &mut report, &mut all),
            FileName::Authkeys | FileName::HbdKeys => keys_of(source, &mut report, &mut all),
            FileName::Haresources => groups_of(source, &mut report, &mut all),
        }
    }
    all
}

fn directives_of(source: &Source, report: &mut Report<'_>, all: &mut Vec<Statement>) {
    for statement in lex::statements(source, report) {
        let (word, Some(rest)) = (statement.directive, statement.rest) else {
            continue;
        };
        let Some(directive) = directives::find(word.text) else {
            continue;
        };
        let words = rest.split(&BLANKS_AND_COMMAS);
        let words: Vec<&str> = words.iter().map(|part| part.text).collect();
        let text = format!("{} {}", word.text, words.join(" "));
        let secret = fencing::holds_secrets(word.text);
        let shown = match secret {
            true => format!(
                "{} {}",
                word.text,
                fencing::shown(word.text, &words).join(" ")
            ),
            false => text.clone(),
        };
        let (consequence, order) = match directive.reload {
            Reload::Online => (Consequence::Online, None),
            Reload::QuickRestart => (Consequence::QuickRestart, None),
            Reload::NewManager => (Consequence::NewManager, None),
            Reload::AllNodes(order) => (Consequence::AllNodes, Some(order)),
            Reload::NextStart => (Consequence::NextStart, None),
        };
        all.push(Statement {
            what: directive.word.to_owned(),
            says: text.into_bytes(),
            line: line(report, word.span, shown),
            consequence,
            order,
            common: directive.scope == Scope::Cluster,
            secret: secret.then_some("other parameters"),
        });
    }
}

fn keys_of(source: &Source, report: &mut Report<'_>, all: &mut Vec<Statement>) {
    for words in written_lines(source, report) {
        let (auth, first) = (words[0].text == "auth", words[0].text);
        let counted = &words[..words.len().min(3)];
        let mut says: Vec<u8> = counted
            .iter()
            .flat_map(|word| [&source.raw[word.span.start..word.span.end], b" "].concat())
            .collect();
        // Who reads the line depends on the file; who has the key does not.
        if auth {
            says.extend(source.file.as_str().bytes());
        }
        let text = match counted {
            [index, method, ..] => format!("{} {}", index.text, method.text),
            _ => first.to_owned(),
        };
        all.push(Statement {
            what: if auth {
                "auth".into()
            } else {
                format!("key {first}")
            },
            says,
            line: line(report, words[0].span, text),
            consequence: if auth {
                Consequence::AllNodes
            } else {
                Consequence::Online
            },
            order: auth.then_some(AUTH_ORDER),
            common: false,
            secret: (!auth).then_some("another key"),
        });
    }
}

fn groups_of(source: &Source, report: &mut Report<'_>, all: &mut Vec<Statement>) {
    for words in written_lines(source, report) {
        let texts: Vec<&str> = words.iter().map(|word| word.text).collect();
        let text = texts.join(" ");
        all.push(Statement {
            what: FileName::Haresources.as_str().to_owned(),
            says: text.clone().into_bytes(),
            line: line(report, words[0].span, text),
            consequence: Consequence::AllNodes,
            order: Some(GROUPS_ORDER),
            common: true,
            secret: None,
        });
    }
}

/// The words of each line that is neither blank nor a comment.
fn written_lines<'s>(source: &'s Source, report: &mut Report<'_>) -> Vec<Vec<Word<'s>>> {
    let lines = lex::lines(source, report);
    let words = lines.iter().map(|line| line.split(&BLANKS));
    words
        .filter(|words| words.first().is_some_and(|w| !w.text.starts_with('#')))
        .collect()
}

fn line(report: &Report<'_>, span: Span, text: String) -> Line {
    Line {
        file: span.file,
        line: report.line(span),
        text,
    }
}

/// The lines that only one side has; nothing if each says what the other does, as often.
fn change(old: &[Statement], new: &[Statement]) -> Option<Change> {
    let removed = without(old, new);
    let added = without(new, old);
    let one = added.first().or(removed.first())?;
    let shown = |s: &&Statement| Line {
        text: match s.secret {
            Some(other) if removed.iter().any(|old| old.line.text == s.line.text) => {
                format!("{} ({other})", s.line.text)
            }
            _ => s.line.text.clone(),
        },
        ..s.line.clone()
    };
    Some(Change {
        what: one.what.clone(),
        consequence: one.consequence,
        order: one.order.map(str::to_owned),
        added: added.iter().map(shown).collect(),
        removed: removed.into_iter().map(|s| s.line.clone()).collect(),
    })
}

fn without<'s>(all: &'s [Statement], others: &[Statement]) -> Vec<&'s Statement> {
    let mut counts: BTreeMap<&[u8], usize> = BTreeMap::new();
    for other in others {
        *counts.entry(&other.says).or_default() += 1;
    }
    all.iter()
        .filter(
            |statement| match counts.get_mut(statement.says.as_slice()) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    false
                }
                _ => true,
            },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(ha_cf: &str, keys: &str) -> Files {
        Files::default()
            .with(FileName::HaCf, ha_cf)
            .with(FileName::Authkeys, keys)
    }

    fn ha_cf(old: &str, new: &str) -> Vec<String> {
        shown(changes(&files(old, ""), &files(new, "")))
    }

    fn shown(changes: Vec<Change>) -> Vec<String> {
        changes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_value_that_changed_is_one_change_with_both_lines() {
        assert_eq!(
            ha_cf(
                "node a b\nkeepalive 1\n",
                "node a b\n\nkeepalive 2 # slower\n"
            ),
            ["ha.cf:3: keepalive 1 -> keepalive 2 (online)"]
        );
    }

    #[test]
    fn comments_blanks_and_places_are_no_change() {
        assert!(ha_cf("node a b\nbcast eth0\n", "# x\n\tbcast  eth0\nnode a,b\n").is_empty());
        let old = files("node a\nwarntime 5\n", "");
        let new = files("node a\n", "").with(FileName::HbdCf, "warntime 5\n");
        assert_eq!(changes(&old, &new), []);
    }

    #[test]
    fn one_of_several_lines_that_is_new_or_gone_stands_alone() {
        assert_eq!(
            ha_cf("bcast eth0\nbcast eth1\n", "bcast eth1\nnode a\n"),
            [
                "ha.cf:1: removed bcast eth0 (quick restart)",
                "ha.cf:2: added node a (all nodes)"
            ]
        );
    }

    #[test]
    fn what_belongs_on_all_nodes_says_in_which_order() {
        let change = &changes(&files("node a\n", ""), &files("node a b\n", ""))[0];
        assert_eq!(change.consequence, Consequence::AllNodes);
        assert!(change.order.as_ref().unwrap().contains("every node"));
    }

    #[test]
    fn a_key_is_shown_by_number_and_method_and_compared_by_all_of_it() {
        let old = "auth 1\n1 sha1 geheim\n";
        let new = "auth 2\n1 sha1 anders\n2 md5 \u{e4}\n";
        let changes = shown(changes(&files("", old), &files("", new)));
        assert_eq!(
            changes,
            [
                "authkeys:1: auth 1 -> auth 2 (all nodes)",
                "authkeys:2: 1 sha1 -> 1 sha1 (another key) (online)",
                "authkeys:3: added 2 md5 (online)",
            ]
        );
    }

    #[test]
    fn what_a_fencing_device_is_told_is_compared_and_not_shown() {
        let line = |secret| {
            format!("fence bob fence_x ip=10.0.0.3 passwd={secret}\nstonith_host * null {secret}\n")
        };
        let changes = ha_cf(&line("geheim"), &line("anders"));
        assert_eq!(
            changes,
            [
                "ha.cf:1: fence bob fence_x ip=10.0.0.3 passwd=* -> fence bob fence_x ip=10.0.0.3 passwd=* (other parameters) (new manager)",
                "ha.cf:2: stonith_host * null * -> stonith_host * null * (other parameters) (new manager)",
            ]
        );
    }

    #[test]
    fn lines_that_belong_to_one_machine_are_no_part_of_what_is_common() {
        let text = |ha_cf| common(&files(ha_cf, "")).remove(&FileName::HaCf).unwrap();
        let alice = text("node a b\nucast eth0 10.0.0.2 # bob\nlogfile /a\nkeepalive 1\n");
        let bob = text("# bob's\nucast eth1 10.0.0.1\nnode a  b\nkeepalive 1\n");
        assert_eq!(alice, "node a b\nkeepalive 1\n");
        assert_eq!(alice, bob);
        assert_ne!(alice, text("node a b\nkeepalive 2\n"));
    }

    #[test]
    fn an_auth_line_that_moves_to_the_other_file_is_a_change() {
        let old = files("", "auth 1\n1 sha1 x\n");
        let new = files("", "1 sha1 x\n").with(FileName::HbdKeys, "auth 1\n");
        assert_eq!(
            shown(changes(&old, &new)),
            ["hbd.keys:1: auth 1 -> auth 1 (all nodes)"]
        );
    }
}
