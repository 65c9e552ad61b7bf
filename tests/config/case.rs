//! One case: a file that holds several.
//!
//! ```text
//! # What is wrong here, in a sentence.
//! ---- ha.cf
//! node alice
//! ---- authkeys mode=640
//! auth 1
//! ---- node alice
//! ---- facts
//! {"interfaces": []}
//! ```
//!
//! Behind the name of a file may stand `mode=NNN`, `unended` (the file lacks its last line end), or what was found in
//! its place: `missing`, `directory`, `too-large`, `unreadable`. A case that does not mention `authkeys` gets a good
//! one, unless `no-directory` says that there is none at all. `node` names the node that will use the configuration;
//! `facts` makes it a check against a machine.

use std::path::{Path, PathBuf};

use hbd_tests::error::{Error, file, unexpected};
use shared::config::machine::Facts;
use shared::config::source::{Content, FileName, Files};
use shared::names::NodeName;

/// A case, read.
#[derive(Clone)]
pub(crate) struct Case {
    /// `ok/NAME` or `bad/NAME`.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) files: Files,
    pub(crate) facts: Option<Facts>,
}

const GOOD_KEYS: &str = "auth 1\n1 sha1 corpus-key-0123456789\n";
const SEPARATOR: &[u8] = b"---- ";

impl Case {
    pub(crate) fn read(name: String, path: PathBuf) -> Result<Self, Error> {
        let bytes = file(format!("read {}", path.display()), std::fs::read(&path))?;
        let mut case = Self {
            name,
            path,
            files: Files::default().with(FileName::Authkeys, GOOD_KEYS),
            facts: None,
        };
        let mut sections = Sections(&bytes);
        if !sections.preamble().starts_with(b"#") {
            return unexpected(format!(
                "{}: the first line must say the point",
                case.path.display()
            ));
        }
        while let Some((header, body)) = sections.next() {
            case.add(&header, body)?;
        }
        Ok(case)
    }

    /// Where the expected output stands.
    pub(crate) fn output(&self) -> PathBuf {
        self.path.with_extension("out")
    }

    fn add(&mut self, header: &str, body: &[u8]) -> Result<(), Error> {
        let words: Vec<&str> = header.split(' ').collect();
        match words.as_slice() {
            ["node", name] => {
                self.files.node = NodeName::new(name).ok();
                Ok(())
            }
            ["no-directory"] => {
                self.files.contents.clear();
                self.files.no_directory = true;
                Ok(())
            }
            ["facts"] => {
                let facts = serde_json::from_slice(body);
                self.facts = Some(facts.or_else(|error| self.bad(&format!("facts: {error}")))?);
                Ok(())
            }
            [name, words @ ..] => {
                let Some(name) = FileName::from_name(name) else {
                    return self.bad(&format!("`{header}` is no section"));
                };
                let content = self.content(words, body)?;
                self.files.contents.insert(name, content);
                Ok(())
            }
            [] => self.bad("a section without a name"),
        }
    }

    fn content(&self, words: &[&str], body: &[u8]) -> Result<Content, Error> {
        let mut bytes = body.to_vec();
        let mut mode = None;
        for word in words {
            match word.split_once('=') {
                None if *word == "missing" => return Ok(Content::Missing),
                None if *word == "directory" => return Ok(Content::NotAFile),
                None if *word == "too-large" => return Ok(Content::TooLarge),
                None if *word == "unreadable" => {
                    return Ok(Content::Unreadable("Permission denied".to_owned()));
                }
                None if *word == "unended" => drop(bytes.pop()),
                Some(("mode", digits)) => mode = u32::from_str_radix(digits, 8).ok(),
                _ => return self.bad(&format!("`{word}` says nothing about a file")),
            }
        }
        Ok(Content::Bytes { bytes, mode })
    }

    fn bad<T>(&self, what: &str) -> Result<T, Error> {
        unexpected(format!("{}: {what}", self.path.display()))
    }
}

/// The rest of a case file.
struct Sections<'b>(&'b [u8]);

impl<'b> Sections<'b> {
    /// What stands above the first section.
    fn preamble(&mut self) -> &'b [u8] {
        self.take_body()
    }

    fn next(&mut self) -> Option<(String, &'b [u8])> {
        let line = self.0.strip_prefix(SEPARATOR)?;
        let end = line.iter().position(|b| *b == b'\n').unwrap_or(line.len());
        let header = String::from_utf8_lossy(&line[..end]).into_owned();
        self.0 = line.get(end + 1..).unwrap_or_default();
        Some((header, self.take_body()))
    }

    fn take_body(&mut self) -> &'b [u8] {
        let mut at = 0;
        while at < self.0.len() && !self.0[at..].starts_with(SEPARATOR) {
            let line = self.0[at..].iter().position(|b| *b == b'\n');
            at = line.map_or(self.0.len(), |end| at + end + 1);
        }
        let (body, rest) = self.0.split_at(at);
        self.0 = rest;
        body
    }
}

/// The directory of this suite.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}
