//! `authkeys` and `hbd.keys`: from lines to a [`KeyRing`].
//!
//! A line is `auth NUMBER` or `NUMBER METHOD [KEY]`. `#` begins a comment at the beginning of a
//! line only; the third word is the key, and whatever follows it is ignored. In `authkeys` an `auth` line
//! counts only if the line of its key stands below it, as Heartbeat 3.0.6 reads it. In `hbd.keys`
//! the order is free, and `auth` may also name a key of `authkeys`.

use std::collections::BTreeMap;

use super::diagnostic::Code;
use super::keys::{DigestMethod, KEY_INDEX_MAX, Key, KeyRing, Secret};
use super::lex::{self, BLANKS, Word};
use super::report::Report;
use super::source::{FileName, Source, Span};
use crate::names::KeyIndex;

/// Keys of fewer bytes can be guessed from one captured packet.
pub(super) const KEY_BYTES_SOUND: usize = 8;

/// What one key file says.
#[derive(Default)]
pub(super) struct KeyFile {
    keys: BTreeMap<KeyIndex, (Key, Span)>,
    auth: Vec<(KeyIndex, Span)>,
    /// The `auth` line that counts, and whose key was found.
    chosen: Option<(KeyIndex, Span)>,
    /// Whether a line could not be used, which has been reported.
    broken: bool,
}

/// Reads one file.
pub(super) fn read(source: &Source, report: &mut Report<'_>) -> KeyFile {
    let mut file = KeyFile::default();
    for line in lex::lines(source, report) {
        let words = line.split(&BLANKS);
        let Some(first) = words.first() else {
            continue;
        };
        if first.text.starts_with('#') || !readable(source, &words, report, &mut file) {
            continue;
        }
        if first.text == "auth" {
            file.read_auth(&words, report);
        } else {
            file.read_key(source, &words, report);
        }
    }
    file
}

/// Whether number and method are text and no word holds a NUL.
fn readable(
    source: &Source,
    words: &[Word<'_>],
    report: &mut Report<'_>,
    file: &mut KeyFile,
) -> bool {
    let text_words = words.iter().take(2).map(|word| word.span);
    let nul = words
        .iter()
        .skip(2)
        .map(|word| word.span)
        .filter(|span| source.raw[span.start..span.end].contains(&0));
    let good = text_words
        .chain(nul)
        .all(|span| lex::is_text(source, span, report));
    file.broken |= !good;
    good
}

impl KeyFile {
    fn read_auth(&mut self, words: &[Word<'_>], report: &mut Report<'_>) {
        let Some(index) = words.get(1).and_then(|word| self.index(word, report)) else {
            if words.len() < 2 {
                self.bad_line(&words[0], "lacks the number of a key", report);
            }
            return;
        };
        self.auth.push((index, words[1].span));
    }

    fn read_key(&mut self, source: &Source, words: &[Word<'_>], report: &mut Report<'_>) {
        let digits = words[0].text.strip_prefix('-').unwrap_or(words[0].text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return self.bad_line(&words[0], "neither `auth` nor the number of a key", report);
        }
        let Some(index) = self.index(&words[0], report) else {
            return;
        };
        let Some(word) = words.get(1) else {
            return self.bad_line(&words[0], "lacks a method", report);
        };
        let key =
            method(word, source.file, report).and_then(|method| key(source, method, words, report));
        let Some(key) = key else {
            self.broken = true;
            return;
        };
        if let Some((_, earlier)) = self.keys.insert(index, (key, words[0].span)) {
            report
                .at(
                    Code::KeyTwice,
                    words[0].span,
                    format!("the key {index} is defined twice"),
                )
                .label("this one counts")
                .related(earlier, "this one does not");
        }
        if let Some(auth) = self.auth.last().filter(|(named, _)| *named == index) {
            self.chosen = Some(*auth);
        }
    }

    fn index(&mut self, word: &Word<'_>, report: &mut Report<'_>) -> Option<KeyIndex> {
        match word.text.parse::<u8>() {
            Ok(index) if index <= KEY_INDEX_MAX => Some(KeyIndex(index)),
            _ => {
                self.broken = true;
                report
                    .at(Code::KeyIndex, word.span, "this is no number of a key")
                    .label(format!("must be 0 to {KEY_INDEX_MAX}"));
                None
            }
        }
    }

    fn bad_line(&mut self, word: &Word<'_>, label: &str, report: &mut Report<'_>) {
        self.broken = true;
        report
            .at(
                Code::KeyLine,
                word.span,
                "this line is neither an `auth` line nor a key",
            )
            .label(label)
            .remedy("write `auth NUMBER` or `NUMBER METHOD KEY`");
    }
}

fn method(word: &Word<'_>, file: FileName, report: &mut Report<'_>) -> Option<DigestMethod> {
    match DigestMethod::from_word(word.text) {
        Some(DigestMethod::Sha256) if file == FileName::Authkeys => {
            report
                .at(
                    Code::KeyMethod,
                    word.span,
                    "Heartbeat does not know the method `sha256`",
                )
                .label("refused by Heartbeat 3.0.6")
                .remedy("move the line to hbd.keys");
            None
        }
        Some(method) => Some(method),
        None => {
            let note = report
                .at(Code::KeyMethod, word.span, "this is no method of signing")
                .label("not known");
            match (DigestMethod::suggestion(word.text), file) {
                (Some(near), _) => note.replacement(near),
                (None, FileName::Authkeys) => note.remedy("write one of crc, md5, sha1"),
                (None, _) => note.remedy("write one of crc, md5, sha1, sha256"),
            };
            None
        }
    }
}

fn key(
    source: &Source,
    method: DigestMethod,
    words: &[Word<'_>],
    report: &mut Report<'_>,
) -> Option<Key> {
    match (method, words.get(2)) {
        (DigestMethod::Crc, Some(word)) => {
            report
                .at(Code::KeyTextUnwanted, word.span, "`crc` uses no key")
                .label("remove it")
                .remedy("a comment cannot stand behind a key; put it on a line of its own");
            None
        }
        (DigestMethod::Crc, None) => Some(Key {
            method,
            secret: Secret::default(),
        }),
        (_, None) => {
            report
                .at(
                    Code::KeyTextMissing,
                    words[1].span,
                    format!("`{method}` needs a key"),
                )
                .label("the line ends here");
            None
        }
        (_, Some(word)) => Some(Key {
            method,
            secret: secret(source, word, words.get(3), report),
        }),
    }
}

fn secret(
    source: &Source,
    word: &Word<'_>,
    extra: Option<&Word<'_>>,
    report: &mut Report<'_>,
) -> Secret {
    if let Some(extra) = extra {
        report
            .at(
                Code::KeyExtraWords,
                extra.span,
                "the key ends at the first blank",
            )
            .label("ignored, as is what follows")
            .remedy("remove it, or write the key without blanks");
    }
    let bytes = source.raw[word.span.start..word.span.end].to_vec();
    if bytes.len() < KEY_BYTES_SOUND {
        report
            .at(
                Code::KeyShort,
                word.span,
                "this key is short enough to be guessed",
            )
            .label(format!("fewer than {KEY_BYTES_SOUND} bytes"))
            .remedy("take a random one, as `openssl rand -hex 20` prints");
    }
    Secret::new(bytes)
}

/// Every key of both files, whichever signs.
pub(super) fn all(files: impl IntoIterator<Item = KeyFile>) -> BTreeMap<KeyIndex, Key> {
    let keys = files.into_iter().flat_map(|file| file.keys);
    keys.map(|(index, (key, _))| (index, key)).collect()
}

/// Joins both files and finds the key that signs.
pub(super) fn join(
    old: Option<KeyFile>,
    new: Option<KeyFile>,
    report: &mut Report<'_>,
) -> Option<KeyRing> {
    if old.is_none() && new.is_none() {
        return None;
    }
    let old_given = old.is_some();
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    check_disjoint(&old, &new, report);
    let broken = old.broken || new.broken;
    let active = match choose_new(&old, &new, old_given, report) {
        Some(index) => index,
        None => choose_old(&old, broken, report),
    };
    let keys = all([old, new]);
    let active = active.filter(|index| keys.contains_key(index))?;
    Some(KeyRing { active, keys })
}

fn check_disjoint(old: &KeyFile, new: &KeyFile, report: &mut Report<'_>) {
    for (index, (_, span)) in &new.keys {
        if let Some((_, earlier)) = old.keys.get(index) {
            report
                .at(
                    Code::KeyIndexInBoth,
                    *span,
                    format!("authkeys and hbd.keys both define the key {index}"),
                )
                .related(*earlier, "and here")
                .remedy("give it a number that authkeys does not use");
        }
    }
}

/// What `hbd.keys` chooses: nothing if it has no `auth` line.
fn choose_new(
    old: &KeyFile,
    new: &KeyFile,
    old_given: bool,
    report: &mut Report<'_>,
) -> Option<Option<KeyIndex>> {
    let (last, earlier) = new.auth.split_last()?;
    for (_, span) in earlier {
        ignored(*span, last.1, report);
    }
    let (index, span) = *last;
    let key = new.keys.get(&index).or(old.keys.get(&index));
    match key {
        None if old.broken || new.broken => return Some(None),
        None => {
            report
                .at(
                    Code::AuthKeyMissing,
                    span,
                    format!("the key {index} is defined in neither key file"),
                )
                .label("no such key");
            return Some(None);
        }
        Some((key, key_span)) => check_strength(key, *key_span, report),
    }
    if old_given {
        let note = report
            .at(
                Code::AuthOverridden,
                span,
                "hbd.keys chooses the key that signs",
            )
            .label("no Heartbeat 3.0.6 node can be a member");
        if let Some((_, auth)) = old.chosen {
            note.related(auth, "without effect here");
        }
    }
    Some(Some(index))
}

fn choose_old(old: &KeyFile, broken: bool, report: &mut Report<'_>) -> Option<KeyIndex> {
    let Some((index, span)) = old.chosen else {
        if !broken {
            no_choice(old, report);
        }
        return None;
    };
    for (_, other) in old.auth.iter().filter(|(_, other)| *other != span) {
        ignored(*other, span, report);
    }
    if let Some((key, key_span)) = old.keys.get(&index) {
        check_strength(key, *key_span, report);
    }
    Some(index)
}

fn no_choice(old: &KeyFile, report: &mut Report<'_>) {
    let Some((index, span)) = old.auth.last() else {
        report
            .about(
                Code::AuthMissing,
                FileName::Authkeys,
                "no `auth` line says which key signs",
            )
            .remedy("begin the file with `auth NUMBER`");
        return;
    };
    match old.keys.get(index) {
        Some((_, key)) => report
            .at(
                Code::AuthKeyMissing,
                *span,
                format!("the key {index} is not defined below this line"),
            )
            .related(*key, "Heartbeat 3.0.6 does not find it here, above")
            .remedy("move the `auth` line to the beginning of the file"),
        None => report
            .at(
                Code::AuthKeyMissing,
                *span,
                format!("the key {index} is not defined"),
            )
            .label("no such key")
            .remedy(format!("add a line `{index} METHOD KEY` below")),
    };
}

fn ignored(span: Span, winner: Span, report: &mut Report<'_>) {
    report
        .at(Code::AuthIgnored, span, "this `auth` line has no effect")
        .related(winner, "this one counts");
}

fn check_strength(key: &Key, span: Span, report: &mut Report<'_>) {
    if key.method == DigestMethod::Crc {
        report
            .at(Code::KeyCrc, span, "packets are signed with `crc`")
            .label("whoever reaches the network can send what passes for a node")
            .remedy("use it on wires of the cluster's own only, else `sha1`");
    }
}
