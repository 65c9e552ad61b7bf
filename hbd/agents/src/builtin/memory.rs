//! What an agent remembers between two operations: a file below `RUN/agents`, named after the
//! words of its resource. It goes with the boot, as what it speaks of does.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Error;

/// The file of one resource.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    path: PathBuf,
}

impl Memory {
    pub(super) fn of(run: &Path, words: &[String]) -> Self {
        let path = run.join("agents").join(file_name(words));
        Self { path }
    }

    /// What was remembered, if anything.
    pub(super) fn read(&self) -> Result<Option<String>, Error> {
        match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(|error| self.failed("read", error)),
        }
    }

    pub(super) fn is_there(&self) -> Result<bool, Error> {
        Ok(self.read()?.is_some())
    }

    /// Remembers it: whole, or as before.
    pub(super) fn write(&self, text: &str) -> Result<(), Error> {
        let fresh = self.path.with_added_extension("new");
        self.make_directory()
            .and_then(|()| fs::write(&fresh, text))
            .and_then(|()| fs::rename(&fresh, &self.path))
            .map_err(|error| self.failed("write", error))
    }

    pub(super) fn forget(&self) -> Result<(), Error> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|error| self.failed("remove", error)),
        }
    }

    /// The file itself, made if need be.
    pub(super) fn open(&self) -> Result<File, Error> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        self.make_directory()
            .and_then(|()| options.open(&self.path))
            .map_err(|error| self.failed("open", error))
    }

    /// The file itself, if it is there.
    pub(super) fn open_existing(&self) -> Result<Option<File>, Error> {
        match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some).map_err(|error| self.failed("open", error)),
        }
    }

    pub(super) fn failed(&self, doing: &str, error: io::Error) -> Error {
        Error::refused(format!("{doing} {}", self.path.display()), error)
    }

    /// With the run directory, which is there while hbd runs.
    fn make_directory(&self) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(&self.path);
        let run = directory.parent().unwrap_or(directory);
        for (directory, mode) in [(run, 0o755), (directory, 0o700)] {
            match DirBuilder::new().mode(mode).create(directory) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Different words have different names, and none leaves the directory.
fn file_name(words: &[String]) -> String {
    let mut name = String::new();
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            name.push('+');
        }
        for byte in word.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b':' | b'-' => {
                    name.push(byte.into());
                }
                other => name.push_str(&format!("%{other:02x}")),
            }
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_one_resource() {
        let name = |words: &[&str]| {
            let words: Vec<String> = words.iter().copied().map(str::to_owned).collect();
            file_name(&words)
        };
        assert_eq!(name(&["Dummy"]), "Dummy");
        assert_eq!(name(&["Http", "10.0.0.5:80"]), "Http+10.0.0.5:80");
        assert_eq!(name(&["Dummy", "../x"]), "Dummy+..%2fx");
        assert_ne!(name(&["Delay", "1", "2"]), name(&["Delay", "1+2"]));
    }

    #[test]
    fn what_is_remembered_is_there_until_it_is_forgotten() {
        let run = std::env::temp_dir().join(format!("hbd-memory-{}", std::process::id()));
        let memory = Memory::of(&run, &["Dummy".to_owned()]);
        assert_eq!(memory.read().unwrap(), None);
        memory.write("this").unwrap();
        memory.write("that").unwrap();
        assert_eq!(memory.read().unwrap().as_deref(), Some("that"));
        for _ in 0..2 {
            memory.forget().unwrap();
            assert!(!memory.is_there().unwrap());
        }
        fs::remove_dir_all(&run).unwrap();
    }
}
