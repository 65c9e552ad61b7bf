//! Agents that serve nobody: for trying out what becomes of a group.

use std::thread;
use std::time::Duration;

use shared::group::Operation;

use super::Error;
use super::memory::Memory;

/// Runs when it was started, and not when it was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dummy;

/// As a [`Dummy`] that takes its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delay {
    pub(super) start: Duration,
    pub(super) stop: Duration,
}

impl Dummy {
    pub(super) fn carry_out(&self, operation: Operation, memory: &Memory) -> Result<bool, Error> {
        match operation {
            Operation::Start => memory.write("").map(|()| true),
            Operation::Stop => memory.forget().map(|()| false),
            Operation::Status | Operation::Monitor | Operation::Announce => memory.is_there(),
        }
    }
}

impl Delay {
    /// What is done already takes no time.
    pub(super) fn carry_out(&self, operation: Operation, memory: &Memory) -> Result<bool, Error> {
        let runs = memory.is_there()?;
        match operation {
            Operation::Start if !runs => thread::sleep(self.start),
            Operation::Stop if runs => thread::sleep(self.stop),
            _ => {}
        }
        Dummy.carry_out(operation, memory)
    }
}
