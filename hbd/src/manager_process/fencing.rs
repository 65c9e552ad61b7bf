//! Fencing under way: what switches the other node off, and the checks of it.
//!
//! ```text
//! Fence --> Errand --command--> shim --report--> Errand --> ... --> Outcome
//! ```
//!
//! Shims of agents may be many and slow, and are waited for in a queue. These have turns of their own,
//! one to switch the node off and one to check, so that nothing keeps a takeover waiting but the
//! device itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hbd_agents::command::Command;
use hbd_agents::fence::{Errand, Step, Task};
use hbd_agents::shim::Job;
use hbd_manager::FenceOperation;
use serde::{Deserialize, Serialize};
use shared::config::FenceMethod;
use shared::group::{Operation, Outcome};
use shared::names::NodeName;
use tokio::sync::Semaphore;

use super::works::{failed, report};

/// Ends the names of shims that switch the node off, before the number of the call.
const OFF: &str = "-off";
/// Of those that check a device.
const CHECK: &str = "-check";
/// How long what does not end in time may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);

/// What switches the other node off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Devices {
    /// In the order in which they are tried; none is an operator.
    pub(super) methods: Vec<FenceMethod>,
    /// How long a call may take.
    pub(super) limit: Duration,
}

/// One turn for each operation.
pub(super) struct Turns {
    off: Arc<Semaphore>,
    check: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            off: Arc::new(Semaphore::new(1)),
            check: Arc::new(Semaphore::new(1)),
        }
    }
}

/// All that is needed to have a device do something.
pub(super) struct Call {
    turn: Arc<Semaphore>,
    run: PathBuf,
    name: String,
    limit: Duration,
    errand: Option<Errand>,
}

impl Turns {
    /// Of the device of that number against `node`; `name` is used once.
    pub(super) fn call(
        &self,
        run: &Path,
        name: String,
        (devices, device): (&Devices, usize),
        node: &NodeName,
        operation: FenceOperation,
    ) -> Call {
        let (turn, task, part) = match operation {
            FenceOperation::Off => (&self.off, Task::Off, OFF),
            FenceOperation::Check => (&self.check, Task::Check, CHECK),
        };
        let method = devices.methods.get(device);
        Call {
            turn: Arc::clone(turn),
            run: run.to_owned(),
            name: format!("{name}{part}"),
            limit: devices.limit,
            errand: method.map(|method| Errand::new(method, node, task)),
        }
    }
}

impl Call {
    /// What came of it.
    pub(super) async fn make(self) -> Outcome {
        let Some(mut errand) = self.errand else {
            return failed("there is no such device");
        };
        // It is never closed.
        let _turn = self.turn.acquire().await;
        let mut step = errand.begin();
        let mut calls = 0;
        loop {
            let command = match step {
                Step::Ended(outcome) => return outcome,
                Step::Run(command) => command,
            };
            let name = format!("{}-{calls}", self.name);
            match report(&self.run, &name, &job(command, self.limit)).await {
                Ok(report) => step = errand.after(&report),
                Err(error) => return failed(format!("no shim could do it: {error}")),
            }
            calls += 1;
        }
    }
}

/// It is done even where nobody could read later how it ended, as the stop of a resource is.
fn job(command: Command, limit: Duration) -> Job {
    Job {
        operation: Operation::Stop,
        command,
        limit,
        grace: GRACE,
    }
}

/// Whether a shim of that name checks a device. Nobody has to wait for its end.
pub(super) fn is_check(name: &str) -> bool {
    name.contains(CHECK)
}

/// Whether it does anything with a device. What is given up need not wait for its end.
pub(super) fn is_fencing(name: &str) -> bool {
    name.contains(OFF) || is_check(name)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn a_check_that_hangs_keeps_no_node_from_being_switched_off() {
        let turns = Turns::default();
        let devices = Devices {
            methods: vec![FenceMethod::Manual],
            limit: Duration::from_secs(1),
        };
        let node = NodeName::new("bob").unwrap();
        let call = |operation| {
            let name = "1-2-3".to_owned();
            turns.call(
                Path::new("/nonexistent"),
                name,
                (&devices, 0),
                &node,
                operation,
            )
        };
        let check = call(FenceOperation::Check);
        assert!(is_check(&check.name));
        let _hangs = check.turn.try_acquire().unwrap();
        assert!(call(FenceOperation::Check).turn.try_acquire().is_err());
        let off = call(FenceOperation::Off);
        assert!(!is_check(&off.name) && is_fencing(&off.name));
        let mut made = pin!(off.make());
        let mut context = Context::from_waker(Waker::noop());
        assert!(made.as_mut().poll(&mut context).is_ready());
    }
}
