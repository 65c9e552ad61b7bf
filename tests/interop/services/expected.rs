//! What two real Heartbeats made of a tour.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use hbd_tests::error::{Error, file, unexpected};
use hbd_tests::scratch;
use serde::{Deserialize, Serialize};

use super::company::Sight;

/// One tour.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Expected {
    /// In their order.
    pub(crate) steps: Vec<Outcome>,
    /// What either node complained of, in any run, freed of what differs between runs.
    pub(crate) complaints: BTreeSet<String>,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// The step.
    pub(crate) step: String,
    /// Who holds the service of alice, and that of bob.
    pub(crate) holders: [Option<usize>; 2],
    /// What `cl_status rscstatus` answers on each node that is up.
    pub(crate) says: [Option<String>; 2],
    /// What it answers to `cl_status nodestatus` for the other.
    pub(crate) other: [Option<String>; 2],
    /// And for what is pinged.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub(crate) pinged: [Option<[String; 2]>; 2],
    /// How long each service did not answer at most, in milliseconds, where it was held before and after.
    pub(crate) gaps: [Option<u64>; 2],
}

impl Expected {
    /// Reads that of a tour.
    pub(crate) fn read(tour: &str) -> Result<Self, Error> {
        let path = path(tour);
        let what = format!("read {}", path.display());
        let text = file(what, fs::read_to_string(&path))?;
        serde_json::from_str(&text)
            .map_err(|reason| Error::Unexpected(format!("{}: {reason}", path.display())))
    }

    /// Writes it.
    pub(crate) fn write(&self, tour: &str) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|reason| Error::Unexpected(reason.to_string()))?;
        scratch::write(&path(tour), &format!("{text}\n"))
    }

    /// Takes in another run of the same tour: its nodes must have ended up alike.
    pub(crate) fn add(&mut self, run: Self) -> Result<(), Error> {
        self.complaints.extend(run.complaints);
        if self.steps.is_empty() {
            self.steps = run.steps;
            return Ok(());
        }
        for (known, new) in self.steps.iter_mut().zip(run.steps) {
            if known.sight() != new.sight() {
                return unexpected(format!("two runs differ: {known:?} and {new:?}"));
            }
            for (known, new) in known.gaps.iter_mut().zip(new.gaps) {
                *known = (*known).max(new);
            }
        }
        Ok(())
    }
}

impl Outcome {
    pub(crate) fn sight(&self) -> Sight {
        Sight {
            holders: self.holders,
            says: self.says.clone(),
            other: self.other.clone(),
            pinged: self.pinged.clone(),
        }
    }
}

fn is_nothing(pinged: &[Option<[String; 2]>; 2]) -> bool {
    pinged.iter().all(Option::is_none)
}

fn path(tour: &str) -> PathBuf {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/expected");
    PathBuf::from(directory).join(format!("{tour}.json"))
}
