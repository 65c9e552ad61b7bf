//! What goes into a report: files with what each is, what is missing, and the words to mask.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use serde::Serialize;
use shared::time::Wall;

/// What goes into a report.
pub(super) struct Collection {
    name: String,
    time: Wall,
    files: BTreeMap<String, Vec<u8>>,
    /// What each file is.
    meanings: BTreeMap<String, String>,
    missing: Vec<String>,
    hidden: BTreeSet<Vec<u8>>,
}

impl Collection {
    pub(super) fn new(name: &str, time: Wall) -> Self {
        Self {
            name: name.to_owned(),
            time,
            files: BTreeMap::new(),
            meanings: BTreeMap::new(),
            missing: Vec::new(),
            hidden: BTreeSet::new(),
        }
    }

    /// The directory inside the archive.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn time(&self) -> Wall {
        self.time
    }

    pub(super) fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    pub(super) fn missing(&self) -> &[String] {
        &self.missing
    }

    pub(super) fn add(&mut self, name: &str, meaning: &str, bytes: Vec<u8>) {
        self.files.insert(name.to_owned(), bytes);
        self.meanings.insert(name.to_owned(), meaning.to_owned());
    }

    pub(super) fn json(&mut self, name: &str, meaning: &str, value: &impl Serialize) {
        match serde_json::to_vec_pretty(value) {
            Ok(text) => self.add(name, meaning, text),
            Err(error) => self.miss(name, &error),
        }
    }

    /// One value a line.
    pub(super) fn lines(&mut self, name: &str, meaning: &str, values: &[impl Serialize]) {
        let mut text = Vec::new();
        for value in values {
            match serde_json::to_vec(value) {
                Ok(line) => text.extend(line),
                Err(error) => return self.miss(name, &error),
            }
            text.push(b'\n');
        }
        self.add(name, meaning, text);
    }

    /// Notes that something is not there, and why.
    pub(super) fn miss(&mut self, what: &str, why: &dyn Display) {
        self.missing.push(format!("{what}: {why}"));
    }

    /// Words that stand nowhere in the report.
    pub(super) fn hide(&mut self, words: impl IntoIterator<Item = String>) {
        let words = words.into_iter().map(String::into_bytes);
        self.hidden.extend(words.filter(|word| !word.is_empty()));
    }

    /// Writes the README and masks every hidden word. Nothing is added afterwards.
    pub(super) fn finish(&mut self) {
        self.add("README", "this", Vec::new());
        let readme = self.readme();
        self.files.insert("README".into(), readme.into_bytes());
        // The longest first, so that no word leaves a rest of a longer one behind.
        let mut words: Vec<&Vec<u8>> = self.hidden.iter().collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        for bytes in self.files.values_mut() {
            for word in &words {
                mask(bytes, word);
            }
        }
    }

    fn readme(&self) -> String {
        let mut text = format!(
            "A report of hbd, made by hactl {} at {}.\n\nKeys, comments and parameters that may hold \
             a password are left out,\nand masked with * wherever else they occur in clear. What clients sent by message stands in \
             the flight records.\n\n",
            env!("CARGO_PKG_VERSION"),
            self.time
        );
        for (name, meaning) in &self.meanings {
            text += &format!("{name}: {meaning}\n");
        }
        if !self.missing.is_empty() {
            text += "\nMissing:\n";
        }
        for missing in &self.missing {
            text += &format!("{missing}\n");
        }
        text
    }
}

/// Overwrites each occurrence of `word`, so that everything else stays in its place.
fn mask(bytes: &mut [u8], word: &[u8]) {
    let mut from = 0;
    while let Some(at) = find(&bytes[from..], word) {
        let begin = from + at;
        from = begin + word.len();
        bytes[begin..from].fill(b'*');
    }
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_word_stands_nowhere_and_everything_else_in_its_place() {
        let mut all = Collection::new("report", Wall(0));
        all.hide([
            "secret-key".into(),
            "secret-key-longer".into(),
            "tiny".into(),
        ]);
        all.add("a", "", b"x secret-key-longer y secret-key".to_vec());
        all.miss("secret-key", &"gone");
        all.finish();
        assert_eq!(
            String::from_utf8_lossy(&all.files()["a"]),
            "x ***************** y **********"
        );
        let readme = String::from_utf8_lossy(&all.files()["README"]).into_owned();
        assert!(!readme.contains("secret-key"), "{readme}");
        assert!(readme.contains("Missing:\n**********: gone\n"), "{readme}");
    }
}
