//! The virtual machine lab in `tests/vm/lab`, and the machines of one story in it.

use std::fmt;
use std::path::Path;
use std::process::{self, Command, Output, Stdio};
use std::time::Duration;

use hbd_tests::error::{self, Error};
use hbd_tests::program;
use hbd_tests::scratch::Scratch;
use serde::Deserialize;
use shared::time::Wall;

const VMLAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vm/lab/vmlab");
/// The image that the machines boot from stays here.
const CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/vmlab");
/// Longer than any story; a lab that is forgotten ends by then.
const LIFETIME: Duration = Duration::from_mins(20);

/// Machines that run. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Lab {
    state: Scratch,
}

/// How far the wall clock of a machine is ahead of the one here.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Clock {
    ahead_ns: i64,
    within_ns: u64,
}

impl Clock {
    /// What is the time here when it is that there.
    pub(crate) fn here(self, there: Wall) -> Wall {
        Wall(there.0.saturating_add_signed(-self.ahead_ns))
    }

    /// So much may it be wrong.
    pub(crate) fn within(self) -> Duration {
        Duration::from_nanos(self.within_ns)
    }
}

impl Lab {
    /// Starts machines with the workspace's programs in `/mnt/share`. `words` are those of `vmlab up`.
    pub(crate) fn up(words: &[&str]) -> Result<Self, Error> {
        let state = Scratch::new()?;
        let lab = Self { state };
        let hbd = program::of_workspace("hbd")?;
        let programs = hbd.parent().unwrap_or(Path::new("/")).to_string_lossy();
        let (owner, lifetime) = (process::id().to_string(), LIFETIME.as_secs().to_string());
        let ours = [
            "--share",
            &programs,
            "--owner",
            &owner,
            "--lifetime",
            &lifetime,
        ];
        lab.vmlab(&[&["up"], words, &ours].concat())?;
        Ok(lab)
    }

    /// Runs a shell script on a machine to its end, which must be a success. Returns what it printed.
    pub(crate) fn run(&self, machine: &str, script: &str) -> Result<String, Error> {
        self.vmlab(&["exec", machine, script])
    }

    /// The same with a limit of its own, for a machine that may be about to die.
    pub(crate) fn run_within(
        &self,
        limit: Duration,
        machine: &str,
        script: &str,
    ) -> Result<String, Error> {
        let seconds = limit.as_secs().to_string();
        self.vmlab(&["exec", "--timeout", &seconds, machine, script])
    }

    /// Does something to cables, nets or machines. Returns when it was done.
    pub(crate) fn order(&self, words: &[&str]) -> Result<Wall, Error> {
        number(&self.vmlab(words)?).map(Wall)
    }

    /// Puts a machine under power again, and waits until it answers.
    pub(crate) fn start(&self, machine: &str) -> Result<(), Error> {
        self.vmlab(&["start", machine]).map(drop)
    }

    /// Compares the wall clock of a machine with the one here.
    pub(crate) fn clock(&self, machine: &str) -> Result<Clock, Error> {
        parsed(&self.vmlab(&["clock", machine])?)
    }

    /// The end of what its console shows.
    pub(crate) fn console(&self, machine: &str) -> Result<String, Error> {
        self.vmlab(&["log", machine])
    }

    fn vmlab(&self, words: &[&str]) -> Result<String, Error> {
        let output = error::file(format!("run {VMLAB}"), self.called(words))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        let (said, why) = (text(&output.stdout), text(&output.stderr));
        Err(Error::Command {
            command: format!("vmlab {}", words.join(" ")),
            said: format!("{} {said}{why}", output.status),
        })
    }

    fn called(&self, words: &[&str]) -> std::io::Result<Output> {
        let mut command = Command::new(VMLAB);
        command.args(words).stdin(Stdio::null());
        command.env("VMLAB_CACHE", CACHE);
        command.env("VMLAB_STATE", self.state.path());
        command.env_remove("VMLAB_NAME");
        command.output()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Err(error) = self.vmlab(&["down"]) {
            eprintln!("ending the lab: {error}");
        }
    }
}

/// A number that a program printed.
pub(crate) fn number(text: &str) -> Result<u64, Error> {
    let parsed = text.trim().parse();
    parsed.map_err(|reason| unread(&reason, text))
}

/// JSON that a program printed.
pub(crate) fn parsed<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|reason| unread(&reason, text))
}

fn unread(reason: &dyn fmt::Display, text: &str) -> Error {
    Error::Unexpected(format!("{reason}: {text}"))
}
