//! A medium around a medium that loses packets on order. Exists under `--allow-faults` only.

use std::cell::Cell;
use std::io;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use shared::api::Fault;
use shared::time::Moment;

use super::{Medium, Received, SendError};

/// What is wrong with a medium; shared by whoever changes it and the medium itself.
pub(crate) type FaultCell = Rc<Cell<Defect>>;

/// Which packets are lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Defect {
    cut_in: bool,
    cut_out: bool,
    loss_percent: u8,
}

impl From<&Fault> for Defect {
    fn from(fault: &Fault) -> Self {
        Self {
            cut_in: fault.cut_in,
            cut_out: fault.cut_out,
            loss_percent: fault.loss_percent.min(100),
        }
    }
}

/// The fault in words; empty if there is none.
pub(crate) fn description(fault: &Fault) -> String {
    let cut = match (fault.cut_in, fault.cut_out) {
        (true, true) => Some("cut in both directions".to_owned()),
        (true, false) => Some("cut inwards".to_owned()),
        (false, true) => Some("cut outwards".to_owned()),
        (false, false) => None,
    };
    let loss = (fault.loss_percent > 0).then(|| format!("{} % loss", fault.loss_percent));
    cut.into_iter().chain(loss).collect::<Vec<_>>().join(", ")
}

/// The medium.
pub(crate) struct Faulty {
    inner: Box<dyn Medium>,
    defect: FaultCell,
    dice: u64,
}

impl Faulty {
    /// `seed` chooses which packets a loss in percent takes; not zero.
    pub(crate) fn new(inner: Box<dyn Medium>, defect: FaultCell, seed: u64) -> Self {
        Self {
            inner,
            defect,
            dice: seed | 1,
        }
    }

    fn loses(&mut self, cut: bool, percent: u8) -> bool {
        cut || (percent > 0 && self.roll() < u64::from(percent))
    }

    /// 0 to 99, by xorshift64 (Marsaglia 2003): chance is all it is for.
    fn roll(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 32) % 100
    }
}

impl Medium for Faulty {
    fn receiver(&self) -> BorrowedFd<'_> {
        self.inner.receiver()
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), SendError> {
        let defect = self.defect.get();
        if self.loses(defect.cut_out, defect.loss_percent) {
            return Ok(());
        }
        self.inner.send(packet)
    }

    fn send_beat(&mut self, packet: &[u8]) -> Result<(), SendError> {
        let defect = self.defect.get();
        if self.loses(defect.cut_out, defect.loss_percent) {
            return Ok(());
        }
        self.inner.send_beat(packet)
    }

    fn due(&self) -> Option<Moment> {
        self.inner.due()
    }

    fn work(&mut self, now: Moment) -> Result<(), SendError> {
        self.inner.work(now)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let received = self.inner.receive(buffer)?;
        let defect = self.defect.get();
        if self.loses(defect.cut_in, defect.loss_percent) {
            return Ok(Received {
                length: None,
                ..received
            });
        }
        Ok(received)
    }

    fn pings(&self) -> bool {
        self.inner.pings()
    }
}
