//! Agents that serve nobody: for trying out what becomes of a group.

use std::thread;
use std::time::Duration;

use shared::group::Operation;

use super::memory::Memory;
use super::{DELAY, DUMMY, Error};

/// Runs when it was started, and not when it was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dummy;

/// As a [`Dummy`] that takes its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delay {
    start: Duration,
    stop: Duration,
}

impl Dummy {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, Error> {
        match arguments.len() {
            0 | 1 => Ok(Self),
            _ => Err(Error::spelling(
                DUMMY,
                arguments,
                "it takes one word at most",
                "Dummy::WORD",
            )),
        }
    }

    pub(super) fn carry_out(&self, operation: Operation, memory: &Memory) -> Result<bool, Error> {
        match operation {
            Operation::Start => memory.write("").map(|()| true),
            Operation::Stop => memory.forget().map(|()| false),
            Operation::Status | Operation::Monitor | Operation::Announce => memory.is_there(),
        }
    }
}

impl Delay {
    /// Without a second time it is the first.
    pub(super) fn parse(arguments: &[String]) -> Result<Self, Error> {
        let wrong = |why| Error::spelling(DELAY, arguments, why, "Delay::SECONDS::SECONDS");
        let times: Option<Vec<Duration>> = arguments.iter().map(|text| seconds(text)).collect();
        match times.ok_or_else(|| wrong("it takes seconds"))?[..] {
            [both] => Ok(Self {
                start: both,
                stop: both,
            }),
            [start, stop] => Ok(Self { start, stop }),
            _ => Err(wrong("it takes one time or two")),
        }
    }

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

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_time_is_for_both() {
        let parse = |words: &[&str]| {
            let words: Vec<String> = words.iter().copied().map(str::to_owned).collect();
            Delay::parse(&words).unwrap()
        };
        let millis = Duration::from_millis;
        let (start, stop) = (millis(1500), millis(1500));
        assert_eq!(parse(&["1.5"]), Delay { start, stop });
        let stop = millis(0);
        assert_eq!(parse(&["1.5", "0"]), Delay { start, stop });
    }
}
