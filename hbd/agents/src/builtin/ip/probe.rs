//! Asking whether another machine has an address, which changes nothing anywhere.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::packets::Packets;
use super::{Address, Error, Scene, frame};
use crate::network::HardwareAddress;

/// When is asked, since the beginning.
const QUESTIONS: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(200),
    Duration::from_millis(500),
];
/// Whoever has not answered by then does not have it.
const LIMIT: Duration = Duration::from_secs(1);
/// Frames looked at in one go.
const FRAMES_AT_ONCE: usize = 64;

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
    packets: Packets,
    address: Address,
    interface: String,
    own: HardwareAddress,
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
        let packets = Packets::open(link.index, address.ip).map_err(|error| {
            let doing = format!("listen on {}", link.name);
            Error::refused(doing, error)
        })?;
        let line = Line {
            packets,
            address: address.clone(),
            interface: link.name,
            own,
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
        self.line.as_ref().map(|line| line.packets.as_fd())
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
        let question = frame::question(self.address.ip, self.own);
        self.packets.send(&question).map_err(|error| {
            let doing = format!("ask for {} on {}", self.address.ip, self.interface);
            Error::refused(doing, error)
        })
    }

    /// An interface that goes down meanwhile hears nobody.
    fn other(&self) -> Option<HardwareAddress> {
        let frames = std::iter::from_fn(|| self.packets.receive().ok().flatten());
        frames
            .take(FRAMES_AT_ONCE)
            .filter_map(|frame| frame::claimant(&frame, self.address.ip))
            .find(|claimant| !self.here.contains(claimant))
    }
}
