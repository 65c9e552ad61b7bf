//! Asking whether another machine has an address, which changes nothing anywhere.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::{Address, Error, Inquiry, Scene};
use crate::network::HardwareAddress;

/// When is asked, since the beginning.
const QUESTIONS: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(200),
    Duration::from_millis(500),
];
/// Whoever has not answered by then does not have it.
const LIMIT: Duration = Duration::from_secs(1);

/// A question that goes round.
#[derive(Debug)]
pub struct Probe {
    /// None where no neighbour could answer.
    line: Option<Line>,
    asked: usize,
}

/// What is known of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probed {
    /// There is none yet. Look again when [`Probe::line`] is readable, at the latest then.
    Waiting {
        /// Since the beginning.
        until: Duration,
    },
    /// Nobody answered in time.
    Nobody,
    /// Another machine has the address.
    Other(HardwareAddress),
}

#[derive(Debug)]
struct Line {
    inquiry: Inquiry,
    ip: IpAddr,
    interface: String,
    /// Those of all interfaces of this machine: another one on the same wire may answer, too.
    here: Vec<HardwareAddress>,
}

impl Probe {
    /// Asks for the first time. It does not matter whether this machine has the address.
    pub fn begin(address: &Address) -> Result<Self, Error> {
        let mut scene = Scene::of(address)?;
        let link = scene.place(address)?.link;
        let Some(own) = link.neighbour_address() else {
            let (line, asked) = (None, 0);
            return Ok(Self { line, asked });
        };
        let inquiry = Inquiry::begin(link.index, own, address.ip).map_err(|error| {
            let doing = format!("listen on {}", link.name);
            Error::refused(doing, error)
        })?;
        let line = Line {
            inquiry,
            ip: address.ip,
            interface: link.name,
            here: scene
                .links
                .iter()
                .filter_map(|link| link.hardware)
                .collect(),
        };
        let mut probe = Self {
            line: Some(line),
            asked: 0,
        };
        probe.ask(Duration::ZERO)?;
        Ok(probe)
    }

    /// Readable when there may be an answer; none where there can be no answer.
    #[must_use]
    pub fn line(&self) -> Option<BorrowedFd<'_>> {
        self.line.as_ref().map(|line| line.inquiry.as_fd())
    }

    /// Looks for an answer, and asks again where that is due, so long after the beginning.
    pub fn poll(&mut self, elapsed: Duration) -> Result<Probed, Error> {
        let Some(line) = &self.line else {
            return Ok(Probed::Nobody);
        };
        if let Some(other) = line.other() {
            return Ok(Probed::Other(other));
        }
        if elapsed >= LIMIT {
            return Ok(Probed::Nobody);
        }
        self.ask(elapsed)?;
        let until = QUESTIONS.get(self.asked).copied().unwrap_or(LIMIT);
        Ok(Probed::Waiting { until })
    }

    /// Those of a moment that was slept through are asked as one.
    fn ask(&mut self, elapsed: Duration) -> Result<(), Error> {
        let due = QUESTIONS.iter().filter(|at| **at <= elapsed).count();
        if let Some(line) = self.line.as_ref().filter(|_| due > self.asked) {
            line.ask()?;
        }
        self.asked = due;
        Ok(())
    }
}

impl Line {
    fn ask(&self) -> Result<(), Error> {
        self.inquiry.ask().map_err(|error| {
            let doing = format!("ask for {} on {}", self.ip, self.interface);
            Error::refused(doing, error)
        })
    }

    fn other(&self) -> Option<HardwareAddress> {
        let mut claimants = self.inquiry.claimants();
        claimants.find(|claimant| !self.here.contains(claimant))
    }
}
