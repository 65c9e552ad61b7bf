//! Actions under way: each a task, which starts a shim and waits for it.
//!
//! ```text
//! Action --> class --> command --> shim --> what it left in RUN/actions --> verdict --> Outcome
//! ```
//!
//! Addresses are handled [here](super::addresses), at once.
//!
//! A script of Heartbeat's kind is asked first whether the resource runs, and started only if it does
//! not, as Heartbeat 3.0.6 does. At most [`SHIMS_MAX`] shims run at a time; others wait their turn.
//! Devices that switch the other node off have [turns of their own](super::fencing).

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hbd_agents::actions::{Actions, Found, Id};
use hbd_agents::builtin::Agent;
use hbd_agents::builtin::ip::{Address, Probe, Probed};
use hbd_agents::class::{self, Class, Places};
use hbd_agents::command::command;
use hbd_agents::report::Report;
use hbd_agents::shim::Job;
use hbd_agents::verdict::judge;
use hbd_manager::{Action, ActionId, Fence, Life};
use shared::config::machine::Program;
use shared::config::{HealthCheck, Resource};
use shared::event::Kind;
use shared::group::{GroupName, Operation, Outcome};
use shared::health::History;
use shared::time::Moment;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::addresses::{Addresses, Place};
use super::duty::Duty;
use super::fencing::Turns;
use super::health::{self, Checkups};
use super::notices::Notice;
use crate::clock;
use crate::process::{self, OWN_PROGRAM};

/// Shims at a time.
const SHIMS_MAX: usize = 32;
/// What an empty pipe takes at once (`pipe(7)`).
const PIPE: usize = 64 * 1024;
/// How long what does not end in time may take to end when it is asked to.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// Time between two looks for the answer of another machine.
const ANSWER_LOOK: Duration = Duration::from_millis(50);
/// Time between two looks at the shims of a former manager.
const LOOK: Duration = Duration::from_millis(20);

/// The actions.
pub(super) struct Works {
    run: PathBuf,
    turns: Arc<Semaphore>,
    fencing: Turns,
    checkups: Checkups,
    tasks: JoinSet<Option<Ended>>,
    pub(super) addresses: Addresses,
}

/// What a task found out.
pub(super) enum Ended {
    /// How an action ended.
    Action(ActionId, Outcome),
    /// Another machine answers for an address that is held there since then, or was.
    Contested(Place, Moment, Box<Kind>),
    /// A notice was given, or this says why not.
    Notified(Option<Box<Kind>>),
    /// No run of a health check is left that a former manager began.
    Settled,
    /// What the run of the health check in that place found.
    Health(usize, shared::health::Found),
}

impl Works {
    /// Of the instance in `run`.
    pub(super) fn new(run: &Path, addresses: Addresses) -> Self {
        Self {
            addresses,
            run: run.to_owned(),
            turns: Arc::new(Semaphore::new(SHIMS_MAX)),
            fencing: Turns::default(),
            checkups: Checkups::default(),
            tasks: JoinSet::new(),
        }
    }

    /// Begins an action. Needs a runtime.
    pub(super) fn begin(&mut self, action: &Action, resource: &Resource, duty: &Duty) {
        let id = action.id;
        if let Some(address) = address(resource) {
            let outcome = self.handle(action, address);
            self.tasks
                .spawn(async move { Some(Ended::Action(id, outcome)) });
            return;
        }
        let name = format!("{}-{}", name(id.life), id.number);
        let errand = Errand::new(
            &self.run,
            name,
            action.operation,
            (&action.group, resource),
            duty,
        );
        let turns = Arc::clone(&self.turns);
        self.tasks.spawn(async move {
            // It is never closed.
            let _turn = turns.acquire().await;
            let outcome = match errand {
                Ok(errand) => errand.run().await,
                Err(error) => Outcome::NotBegun {
                    why: error.to_string(),
                },
            };
            Some(Ended::Action(id, outcome))
        });
    }

    /// Has a device do something. Needs a runtime.
    pub(super) fn fence(&mut self, fence: &Fence, duty: &Duty) {
        let Some(node) = duty.policy.as_ref().map(|policy| &policy.peer) else {
            return;
        };
        let id = fence.id;
        let name = format!("{}-{}", name(id.life), id.number);
        let device = (&duty.devices, fence.device);
        let call = (self.fencing).call(&self.run, name, device, node, fence.operation);
        self.tasks
            .spawn(async move { Some(Ended::Action(id, call.make().await)) });
    }

    /// Has somebody told, in its turn. Needs a runtime.
    pub(super) fn notify(
        &mut self,
        notice: Notice,
        (turn, name): (Arc<Semaphore>, String),
        duty: &Duty,
    ) {
        let (run, duty) = (self.run.clone(), duty.clone());
        self.tasks.spawn(async move {
            // It is never closed.
            let _turn = turn.acquire().await;
            let why = notice.give(&run, &name, duty).await;
            Some(Ended::Notified(why.map(Box::new)))
        });
    }

    /// Waits for the runs of health checks that a former manager began. Needs a runtime.
    pub(super) fn settle_health(&mut self) {
        let run = self.run.clone();
        self.tasks.spawn(async move {
            // Where the directory cannot be read nothing else is run either.
            let _ = health::settle_former(run).await;
            Some(Ended::Settled)
        });
    }

    /// Makes the health check in that place, for the manager that is called so. Needs a runtime.
    pub(super) fn check(
        &mut self,
        place: usize,
        manager: &str,
        check: (&HealthCheck, &History),
        duty: &Duty,
    ) {
        let checkup = (self.checkups).next(self.run.clone(), manager, check, duty);
        self.tasks
            .spawn(async move { Some(Ended::Health(place, checkup.make().await)) });
    }

    fn handle(&mut self, action: &Action, address: Address) -> Outcome {
        let place = (action.group.clone(), action.resource);
        let (asked, of) = (address.clone(), place.clone());
        let outcome = (self.addresses).act(action.operation, place, address, clock::boot());
        if action.operation == Operation::Start
            && let Some(since) = self.addresses.held_since(&of)
            && outcome == Outcome::Done
        {
            self.tasks.spawn(ask_for(of, since, asked));
        }
        outcome
    }

    /// What the next task found out; never while there is none. May be given up and called again.
    pub(super) async fn next(&mut self) -> Ended {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(Some(ended))) => return ended,
                // Nothing that matters; or a task that panicked, which would be a fault of hbd: the
                // release build ends there.
                Some(Ok(None) | Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}

/// Asks whether another machine has the address too.
async fn ask_for(place: Place, since: Moment, address: Address) -> Option<Ended> {
    let began = Instant::now();
    // Who cannot ask knows nothing.
    let mut probe = Probe::begin(&address).ok()?;
    loop {
        match probe.poll(began.elapsed()) {
            Ok(Probed::Waiting { until }) => {
                let next = until.saturating_sub(began.elapsed()).min(ANSWER_LOOK);
                sleep(next).await;
            }
            Ok(Probed::Other(hardware)) => {
                let kind = Kind::AddressContested {
                    group: place.0.clone(),
                    address: address.ip(),
                    hardware: hardware.to_string(),
                };
                return Some(Ended::Contested(place, since, Box::new(kind)));
            }
            Ok(Probed::Nobody) | Err(_) => return None,
        }
    }
}

/// The address that a resource is, if it is one. What is wrong with one is told where its class is
/// looked for.
pub(super) fn address(resource: &Resource) -> Option<Address> {
    match Agent::parse(&resource.agent, &resource.arguments) {
        Ok(Some(Agent::Address(address))) => Some(address),
        _ => None,
    }
}

/// What the names of the actions of a manager begin with.
pub(super) fn name(life: Life) -> String {
    format!("{:x}-{:x}", life.generation.0, life.began.0)
}

/// Waits until no shim of a former manager runs but those whose names are `spared`, and forgets what
/// they left.
pub(super) async fn settle_former(run: &Path, spared: fn(&str) -> bool) -> io::Result<()> {
    let known = Actions::of(run).known()?.into_iter();
    let (spared, others): (Vec<_>, Vec<_>) = known.partition(|id| spared(&id.to_string()));
    settle(run, others).await?;
    let actions = Actions::of(run);
    for id in spared {
        if actions.settle(&id)? != Found::Running {
            actions.forget(&id)?;
        }
    }
    Ok(())
}

/// Waits until none of these shims runs, and forgets what they left.
pub(super) async fn settle(run: &Path, ids: impl IntoIterator<Item = Id>) -> io::Result<()> {
    let actions = Actions::of(run);
    for id in ids {
        while actions.settle(&id)? == Found::Running {
            sleep(LOOK).await;
        }
        actions.forget(&id)?;
    }
    Ok(())
}

/// All that is needed to carry out an action.
pub(super) struct Errand {
    run: PathBuf,
    name: String,
    class: Class,
    /// To be asked first, and then to be done.
    question: Option<Job>,
    job: Option<Job>,
}

impl Errand {
    /// To do this to that resource, under a name that is used once.
    pub(super) fn new(
        run: &Path,
        name: String,
        operation: Operation,
        (group, resource): (&GroupName, &Resource),
        duty: &Duty,
    ) -> Result<Self, class::Error> {
        let places = Places::of(duty.configuration());
        let class = class::find(resource, &places, Program::at)?;
        let job = |operation| {
            let setting = duty.setting(run, group, operation);
            command(&class, operation, &setting).map(|command| Job {
                operation,
                command,
                limit: setting.limit,
                grace: GRACE,
            })
        };
        let asks = operation == Operation::Start && matches!(class, Class::Heartbeat { .. });
        Ok(Self {
            run: run.to_owned(),
            name,
            question: asks.then(|| job(Operation::Status)).flatten(),
            job: job(operation),
            class,
        })
    }

    /// Carries it out.
    pub(super) async fn run(self) -> Outcome {
        if let Some(question) = &self.question
            && self.shim("-q", question).await == Outcome::Done
        {
            return Outcome::Done;
        }
        match &self.job {
            Some(job) => self.shim("", job).await,
            None => Outcome::Done,
        }
    }

    async fn shim(&self, part: &str, job: &Job) -> Outcome {
        let name = format!("{}{part}", self.name);
        match report(&self.run, &name, job).await {
            Ok(report) => judge(&self.class, job.operation, &report),
            Err(error) => failed(format!("no shim could do it: {error}")),
        }
    }
}

/// Has a shim do it, under a name that is used once.
pub(super) async fn report(run: &Path, name: &str, job: &Job) -> io::Result<Report> {
    let id: Id = name.parse().map_err(io::Error::other)?;
    let (shim, mut output) = start(run, &id, job)?;
    let how = shim.ended().await;
    let actions = Actions::of(run);
    let report = match actions.settle(&id)? {
        Found::Ended(report) => *report,
        // What could not be kept was said instead.
        _ => serde_json::from_reader(&mut output)
            .map_err(|_| io::Error::other(format!("the shim left no report ({how})")))?,
    };
    actions.forget(&id)?;
    Ok(report)
}

pub(super) fn failed(why: impl ToString) -> Outcome {
    Outcome::Failed {
        why: why.to_string(),
    }
}

/// A shim that does the job, and what it says if it cannot leave its report.
fn start(run: &Path, id: &Id, job: &Job) -> io::Result<(process::Process, impl io::Read)> {
    let mut child = Process::new(OWN_PROGRAM)
        .args(["act", "--run"])
        .arg(run)
        .arg("--id")
        .arg(id.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let shim = process::Process::started(&child)?;
    let job = serde_json::to_vec(job)?;
    if job.len() > PIPE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&job)?;
    }
    let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    Ok((shim, output))
}
