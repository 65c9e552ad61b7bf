//! The directory `RUN/actions`: what is being done, and how it ended, for a manager that was not
//! there when it began.
//!
//! ```text
//!   nothing --shim--> ID.running, locked while the shim lives --shim--> ID, the report
//!      \--manager--> ID.running, locked by nobody: it never begins
//! ```
//!
//! Each step is one link or one rename, so there is no moment at which an action is neither begun
//! nor not begun. An identity is used once.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nix::fcntl::{Flock, FlockArg};

use crate::report::Report;

/// Longest identity.
pub const ID_MAX: usize = 64;
/// Longest report that is read. The shim writes less than half of it.
const REPORT_MAX: u64 = 1 << 20;
/// What is taken at the beginning, so that a short report fits although the disk fills up.
const RESERVED: usize = 4096;

/// Names an action and its files: letters, digits and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(String);

impl FromStr for Id {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        match text.len() {
            1..=ID_MAX if text.bytes().all(letters) => Ok(Self(text.to_owned())),
            _ => Err("an action is named by up to 64 letters, digits and `-`"),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The directory.
#[derive(Clone, Debug)]
pub struct Actions {
    directory: PathBuf,
}

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It ended so.
    Ended(Box<Report>),
    /// Its shim lives.
    Running,
    /// Its shim died: how far it came is not known.
    Lost,
    /// It did not begin, and never will.
    NotBegun,
}

impl Actions {
    /// That of a run directory.
    #[must_use]
    pub fn of(run: &Path) -> Self {
        let directory = run.join("actions");
        Self { directory }
    }

    /// What became of an action. One that has not begun never will.
    pub fn settle(&self, id: &Id) -> io::Result<Found> {
        if let Some(report) = self.report(id)? {
            return Ok(Found::Ended(report));
        }
        self.make()?;
        let forbidden = self.link(id, &self.fresh(id)?);
        match forbidden {
            Ok(()) => return Ok(Found::NotBegun),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let lives = match File::open(self.running(id)) {
            Ok(file) => Flock::lock(file, FlockArg::LockSharedNonblock).is_err(),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if lives {
            return Ok(Found::Running);
        }
        // It may have ended since the first look.
        let ended = self.report(id)?;
        Ok(ended.map_or(Found::Lost, Found::Ended))
    }

    /// The actions of which something is there.
    pub fn known(&self) -> io::Result<BTreeSet<Id>> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries?,
        };
        let mut known = BTreeSet::new();
        for entry in entries {
            let name = entry?.file_name();
            let name = name.to_str().unwrap_or_default();
            let id = name.strip_suffix(".running").unwrap_or(name);
            known.extend(id.parse());
        }
        Ok(known)
    }

    /// Removes what is there of an action that is not running.
    pub fn forget(&self, id: &Id) -> io::Result<()> {
        for path in [self.ended(id), self.running(id)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Begins an action that was never begun; if `must_fit`, only where there will be room for a
    /// short report at least.
    pub(crate) fn begin(&self, id: &Id, must_fit: bool) -> io::Result<Begun> {
        self.make()?;
        if fs::exists(self.ended(id))? {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let fresh = self.fresh(id)?;
        let mut file = fresh.file.try_clone()?;
        match file.write_all(&[b' '; RESERVED]) {
            Err(error) if must_fit => return Err(error),
            _ => {}
        }
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock);
        let lock = lock.map_err(|(_, error)| error)?;
        self.link(id, &fresh)?;
        Ok(Begun {
            lock,
            running: self.running(id),
            ended: self.ended(id),
        })
    }

    fn report(&self, id: &Id) -> io::Result<Option<Box<Report>>> {
        let file = match File::open(self.ended(id)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut bytes = Vec::new();
        file.take(REPORT_MAX).read_to_end(&mut bytes)?;
        Ok(Some(serde_json::from_slice(&bytes)?))
    }

    /// Others may not read what agents say.
    fn make(&self) -> io::Result<()> {
        match fs::DirBuilder::new().mode(0o700).create(&self.directory) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    /// A file under a name that only this process uses.
    fn fresh(&self, id: &Id) -> io::Result<Fresh> {
        let path = self.directory.join(format!("{id}.{}", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(&path)?;
        Ok(Fresh { path, file })
    }

    fn link(&self, id: &Id, fresh: &Fresh) -> io::Result<()> {
        fs::hard_link(&fresh.path, self.running(id))
    }

    fn running(&self, id: &Id) -> PathBuf {
        self.directory.join(format!("{id}.running"))
    }

    fn ended(&self, id: &Id) -> PathBuf {
        self.directory.join(&id.0)
    }
}

/// Its name goes; what was linked stays.
struct Fresh {
    path: PathBuf,
    file: File,
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// An action that this process does.
#[derive(Debug)]
pub(crate) struct Begun {
    lock: Flock<File>,
    running: PathBuf,
    ended: PathBuf,
}

impl Begun {
    /// Keeps the report, without most of its text where there is no room.
    pub(crate) fn end(mut self, report: &Report) -> io::Result<()> {
        let written = self.write(report);
        written.or_else(|_| self.write(&report.shortened()))?;
        fs::rename(&self.running, &self.ended)
    }

    fn write(&mut self, report: &Report) -> io::Result<()> {
        let bytes = serde_json::to_vec(report)?;
        self.lock.rewind()?;
        // Not shortened before: what was reserved would be lost.
        self.lock.write_all(&bytes)?;
        self.lock.set_len(bytes.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::{Ended, Text};

    #[test]
    fn an_action_is_running_and_then_has_ended() {
        let place = Place::new("ended");
        let begun = place.actions.begin(&id("a"), true).unwrap();
        assert_eq!(place.settled("a"), Found::Running);
        begun.end(&report()).unwrap();
        assert_eq!(place.settled("a"), Found::Ended(Box::new(report())));
        assert_eq!(place.names(), ["a"]);
        place.actions.forget(&id("a")).unwrap();
        assert!(place.names().is_empty());
    }

    #[test]
    fn an_action_whose_shim_died_is_lost() {
        let place = Place::new("lost");
        drop(place.actions.begin(&id("a"), true).unwrap());
        assert_eq!(place.settled("a"), Found::Lost);
        place.actions.forget(&id("a")).unwrap();
        assert!(place.names().is_empty());
    }

    #[test]
    fn an_action_that_a_manager_gave_up_never_begins() {
        let place = Place::new("given-up");
        assert_eq!(place.settled("a"), Found::NotBegun);
        let refused = place.actions.begin(&id("a"), true).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        assert_eq!(place.names(), ["a.running"]);
    }

    #[test]
    fn an_identity_is_used_once() {
        let place = Place::new("once");
        let begun = place.actions.begin(&id("a"), true).unwrap();
        let again = place.actions.begin(&id("a"), true).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        assert_eq!(place.settled("a"), Found::Running);
        begun.end(&report()).unwrap();
        let again = place.actions.begin(&id("a"), true).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    }

    #[test]
    fn without_a_run_directory_nothing_begins() {
        let actions = Actions::of(Path::new("/nonexistent"));
        let error = actions.begin(&id("a"), true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(actions.settle(&id("a")).is_err());
    }

    #[test]
    fn an_identity_names_no_other_directory() {
        for text in ["", ".", "a/b", "a.running", "a b", &"x".repeat(ID_MAX + 1)] {
            assert!(Id::from_str(text).is_err(), "{text}");
        }
        assert_eq!(id("7-12-3").to_string(), "7-12-3");
    }

    #[test]
    fn a_short_report_fits_into_what_is_reserved() {
        let mut long = report();
        for text in [&mut long.stdout, &mut long.stderr] {
            text.head = "\u{1}".repeat(100_000);
        }
        let short = serde_json::to_vec(&long.shortened()).unwrap();
        assert!(short.len() <= RESERVED, "{}", short.len());
        let whole = serde_json::to_vec(&long).unwrap();
        assert!(whole.len() > 1_000_000, "{}", whole.len());
    }

    struct Place {
        run: PathBuf,
        actions: Actions,
    }

    impl Place {
        fn new(test: &str) -> Self {
            let name = format!("hbd-actions-{}-{test}", std::process::id());
            let run = std::env::temp_dir().join(name);
            fs::create_dir(&run).unwrap();
            let actions = Actions::of(&run);
            Self { run, actions }
        }

        fn settled(&self, text: &str) -> Found {
            self.actions.settle(&id(text)).unwrap()
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.run.join("actions")).unwrap();
            let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
            let mut names: Vec<String> = entries
                .map(|entry| name(entry).into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.run);
        }
    }

    fn id(text: &str) -> Id {
        text.parse().unwrap()
    }

    fn report() -> Report {
        Report {
            ended: Ended::Exited { status: 0 },
            took: Duration::from_millis(5),
            stdout: Text::default(),
            stderr: Text::default(),
        }
    }
}
