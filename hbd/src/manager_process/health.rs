//! Health checks under way: each run is a shim, in a turn of its own, so that nothing that is done to
//! a resource waits for one.
//!
//! ```text
//! HealthChecks --due--> command --> shim --report--> found --> HealthChecks --> what changed
//! ```
//!
//! A run that a former manager began is waited for before the first one of this manager: there are
//! never two of a check at once. Nothing else waits for it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hbd_agents::actions::Actions;
use hbd_agents::health;
use hbd_agents::shim::Job;
use shared::config::HealthCheck;
use shared::group::Operation;
use shared::health::{Found, HealthState, History};
use tokio::sync::Semaphore;

use super::duty::Duty;
use super::works;

/// Runs at a time; others wait their turn.
const RUNS_MAX: usize = 16;
/// How long a run that does not end in time may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(1);
/// What the names of their shims have in them.
const NAME: &str = "health";

/// A run to be made.
pub(super) struct Checkup {
    turns: Arc<Semaphore>,
    run: PathBuf,
    name: String,
    job: Job,
    check: HealthCheck,
}

/// The turns of runs, and how many were made.
pub(super) struct Checkups {
    turns: Arc<Semaphore>,
    made: u64,
}

impl Default for Checkups {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(RUNS_MAX)),
            made: 0,
        }
    }
}

impl Checkups {
    /// The next run of a check, for the manager that is called so.
    pub(super) fn next(
        &mut self,
        run: PathBuf,
        manager: &str,
        (check, history): (&HealthCheck, &History),
        duty: &Duty,
    ) -> Checkup {
        self.made += 1;
        let job = Job {
            operation: Operation::Monitor,
            command: health::command(check, history, &duty.common_setting(&run, check.timeout)),
            limit: check.timeout,
            grace: GRACE,
        };
        Checkup {
            turns: Arc::clone(&self.turns),
            name: format!("{manager}-{NAME}-{}", self.made),
            run,
            job,
            check: check.clone(),
        }
    }
}

impl Checkup {
    /// What came of it.
    pub(super) async fn make(self) -> Found {
        // It is never closed.
        let _turn = self.turns.acquire().await;
        match works::report(&self.run, &self.name, &self.job).await {
            Ok(report) => health::judge(&self.check, &report),
            Err(error) => Found {
                state: HealthState::Unknown,
                summary: format!("no shim could do it: {error}"),
                detail: String::new(),
            },
        }
    }
}

/// Whether a shim of that name makes a health check. Nobody has to wait for its end.
pub(super) fn is_checkup(name: &str) -> bool {
    name.contains(NAME)
}

/// Waits until no run of a former manager is left. To be called before the first one of this manager.
pub(super) async fn settle_former(run: PathBuf) -> io::Result<()> {
    let known = Actions::of(&run).known()?;
    works::settle(
        &run,
        known.into_iter().filter(|id| is_checkup(&id.to_string())),
    )
    .await
}
