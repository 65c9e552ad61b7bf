//! How a supervisor comes to workers that it did not start.
//!
//! ```text
//! lock free ----------------------------------> nobody: start one
//! lock held -- knock -- Greeting, in time ----> adopt it
//!                   \-- anything else --------> kill it; a new one follows as after a death
//! ```
//!
//! A worker that is adopted tells again what a supervisor must know; one that runs with other
//! settings, or is another build, is replaced afterwards, in order: manager, then core.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::event::{Adopted, Cause, Kind, Role, Span};
use shared::names::Generation;
use tokio::time::{sleep, timeout};

use super::remains::Left;
use super::worker::{Core, Post, Worker};
use super::{Supervisor, silence_limit};
use crate::bond::{CHANNEL_VERSION, Greeting};
use crate::channel::{Channel, FromCore, Runs, ToCore};
use crate::flight::Reason;
use crate::manager_process::{FromManager, ToManager};
use crate::process::Process;
use crate::program;
use crate::pulse::{PulseWatch, Shared};
use crate::run_directory::{RunDirectory, RunError};

/// A worker that was killed is gone after this.
const END_LIMIT: Duration = Duration::from_secs(5);
const END_LOOK: Duration = Duration::from_millis(10);
/// A core that is adopted has told everything after this.
const TOLD_LIMIT: Duration = Duration::from_secs(2);

/// The lock for a worker, or why there is none: one that was killed may not be gone.
pub(super) type Lock = Result<OwnedFd, RunError>;

/// What there is of a worker.
pub(super) enum Found<S, R> {
    /// None, and the lock for one. If one was there that was of no use, why.
    Nobody(Lock, Option<String>),
    /// It lives and can be adopted.
    Alive(Box<Worker<S, R>>, Greeting),
}

impl<S: Serialize, R: DeserializeOwned> Found<S, R> {
    /// True where there was a worker, of use or not.
    pub(super) fn is_trace(&self) -> bool {
        !matches!(self, Self::Nobody(_, None))
    }

    /// The worker's greeting, if one lives.
    pub(super) fn greeting(&self) -> Option<&Greeting> {
        match self {
            Self::Alive(_, greeting) => Some(greeting),
            Self::Nobody(..) => None,
        }
    }
}

/// Looks for a worker, which is to greet within `limit`. What it kept of a core comes along, whether
/// the worker itself is of use or not.
pub(super) async fn find<S: Serialize, R: DeserializeOwned>(
    run: &RunDirectory,
    role: Role,
    limit: Duration,
) -> Result<(Found<S, R>, Option<Left>), RunError> {
    match run.lock(role) {
        Ok(lock) => return Ok((Found::Nobody(Ok(lock), None), None)),
        Err(RunError::Held { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut left = None;
    let why = match timeout(limit, meet(run, role)).await {
        Ok(Ok((channel, greeting, kept))) => {
            left = Left::of(&greeting, kept);
            match worker(channel, &greeting) {
                Ok(worker) => return Ok((Found::Alive(Box::new(worker), greeting), left)),
                Err(why) => why,
            }
        }
        Ok(Err(why)) => why,
        Err(_) => format!("it did not answer within {}", Span(limit)),
    };
    let lock = remove(run, role).await;
    Ok((Found::Nobody(lock, Some(why)), left))
}

async fn meet<S: Serialize, R: DeserializeOwned>(
    run: &RunDirectory,
    role: Role,
) -> Result<(Channel<S, R>, Greeting, Vec<OwnedFd>), String> {
    let socket = run.knock(role).map_err(unmet)?;
    let mut channel = Channel::<S, Greeting>::new(socket).map_err(unmet)?;
    match channel.next().await.map_err(unmet)? {
        Some((greeting, kept)) => Ok((channel.speaking(), greeting, kept)),
        None => Err("it let nobody in".into()),
    }
}

/// The worker that greeted so, if it can be adopted.
fn worker<S: Serialize, R: DeserializeOwned>(
    channel: Channel<S, R>,
    greeting: &Greeting,
) -> Result<Worker<S, R>, String> {
    if greeting.channel != CHANNEL_VERSION {
        return Err(format!("it is another build ({})", greeting.build));
    }
    let process = Process::worker(greeting.pid).map_err(unmet)?;
    Ok(Worker::found(process, channel, greeting))
}

fn unmet(error: io::Error) -> String {
    format!("it could not be asked: {error}")
}

/// Kills a worker that is of no use, and takes its lock.
async fn remove(run: &RunDirectory, role: Role) -> Lock {
    if let Some(process) = run.pid(role).and_then(|pid| Process::worker(pid).ok()) {
        process.kill();
        let _ = timeout(END_LIMIT, process.ended()).await;
    }
    let mut left = END_LIMIT;
    loop {
        match run.lock(role) {
            Err(RunError::Held { .. }) if !left.is_zero() => {
                left = left.saturating_sub(END_LOOK);
                sleep(END_LOOK).await;
            }
            other => return other,
        }
    }
}

/// What there is of a core.
pub(super) type FoundCore = Found<ToCore, FromCore>;
/// What there is of a manager.
pub(super) type FoundManager = Found<ToManager, FromManager>;

impl Supervisor {
    /// Goes on with the workers that were found, and starts those that were not. `after` counts
    /// the events of the core that are on record, `newest` is the last one that is.
    pub(super) async fn take_over(
        &mut self,
        core: FoundCore,
        (manager, left): (FoundManager, Option<Left>),
        after: u64,
        newest: Generation,
    ) {
        let greetings = [core.greeting().cloned(), manager.greeting().cloned()];
        let former = core.is_trace() || manager.is_trace();
        let unfit_core = match core {
            Found::Alive(worker, greeting) => self.adopt_core(worker, &greeting, after).await,
            Found::Nobody(lock, why) => Unfit::Nobody(lock, why),
        };
        self.tell_of(greetings);
        self.ensure_watchdog();
        match manager {
            Found::Alive(worker, greeting) => self.adopt_manager(worker, &greeting).await,
            Found::Nobody(lock, why) => {
                let cause = self.lost(Role::Manager, why, former);
                self.fill_manager(lock, cause);
            }
        }
        self.core_started |= former;
        match unfit_core {
            Unfit::No => self.refresh_media(),
            Unfit::Replace(why) => self.replace_core(why),
            Unfit::Nobody(lock, why) => {
                let cause = self.lost(Role::Core, why, former);
                // Without what the core knew of its peers it begins like the first one.
                self.active &= left.is_some();
                if let Some(Some(flight)) = left.map(|left| self.inherit(left, newest)) {
                    self.keep_flight(flight, Reason::Death, cause.clone(), None);
                }
                let generation = match former {
                    true => self.generations.take(),
                    false => self.generation,
                };
                self.refresh_media();
                match lock {
                    Ok(lock) => self.launch(generation, lock, cause),
                    Err(error) => self.not_launched(error.to_string(), cause),
                }
            }
        }
    }

    /// Adopts a core and hears everything it has to tell again.
    async fn adopt_core(
        &mut self,
        mut worker: Box<Core>,
        greeting: &Greeting,
        after: u64,
    ) -> Unfit {
        let adopt = ToCore::Adopt { after };
        let told = match worker.tell(&adopt, Vec::new()) {
            Ok(()) => timeout(TOLD_LIMIT, self.hear_all(&mut worker, after)).await,
            Err(_) => Ok(None),
        };
        let why = match told {
            Ok(Some(runs)) => {
                self.core = Post::Held(worker);
                self.active = self.recorder.view().is_active(&self.settings.node);
                self.messages.office.core_began();
                return self.fitness(&runs, greeting);
            }
            Ok(None) => "it went while it was adopted".to_owned(),
            Err(_) => format!("it did not tell its state within {TOLD_LIMIT:?}"),
        };
        worker.end().await;
        Unfit::Nobody(self.run.lock(Role::Core), Some(why))
    }

    /// Everything up to the last word of what is told again; nothing if the core goes.
    async fn hear_all(&mut self, worker: &mut Core, after: u64) -> Option<Runs> {
        let mut known = None;
        loop {
            match worker.next().await? {
                (FromCore::Told, _) => return known,
                (FromCore::Runs(runs), pulse) => {
                    let pulse = Shared::try_from(pulse).ok()?;
                    let first = silence_limit(&runs.settings).max(TOLD_LIMIT);
                    self.pulse = Some(PulseWatch::new(pulse, first).ok()?);
                    known = Some(*runs);
                }
                (FromCore::Opened { medium, binding }, descriptors) => {
                    let same = |runs: &Runs| runs.settings.media == self.settings.media;
                    if known.as_ref().is_some_and(same) {
                        self.media.restore(medium, binding, descriptors);
                    }
                }
                (FromCore::Guarded { card, starved }, descriptors) => {
                    self.adopt_watchdog(card, starved, descriptors);
                }
                // On the way when the former supervisor died, so that its log may lack it. Where
                // nothing is on record it is not the last instant that is missing, but all.
                (FromCore::Again(event), _) if after > 0 => self.recorder.record(*event),
                (message, _) => {
                    self.heard(message);
                }
            }
        }
    }

    fn fitness(&mut self, runs: &Runs, greeting: &Greeting) -> Unfit {
        let view = self.recorder.view();
        let events = self.media.restore_faults(&runs.faults, view);
        for event in events {
            self.recorder.note(event, None);
        }
        if runs.settings != self.settings
            || !runs.rights.suit(&self.rights)
            || runs.allow_faults != self.allow_faults
        {
            return Unfit::Replace("it runs with other settings than those on the disk".into());
        }
        match other_build(greeting) {
            Some(why) => Unfit::Replace(why),
            None => Unfit::No,
        }
    }

    /// Puts another core in the place of one that lives: peers see a restart and no death.
    fn replace_core(&mut self, why: String) {
        let role = Role::Core;
        let cause = self.recorder.note(Kind::Replaced { role, why }, None);
        self.retire_core(Cause::Event(cause));
    }

    /// A worker is missing that a former supervisor had: the event, as a cause of the next start.
    fn lost(&mut self, role: Role, why: Option<String>, former: bool) -> Option<Cause> {
        let how = match why {
            Some(why) => format!("{why}; it was killed"),
            None if former => "while there was no supervisor".to_owned(),
            None => return None,
        };
        let kind = match role {
            Role::Manager => Kind::ManagerDied { how },
            Role::Core | Role::Supervisor => Kind::CoreDied { how },
        };
        Some(Cause::Event(self.recorder.note(kind, None)))
    }

    fn tell_of(&mut self, [core, manager]: [Option<Greeting>; 2]) {
        let adopted = |(role, greeting): (Role, Option<Greeting>)| {
            let greeting = greeting?;
            Some(Adopted {
                role,
                pid: greeting.pid,
                generation: greeting.generation,
                build: greeting.build,
            })
        };
        let both = [(Role::Core, core), (Role::Manager, manager)];
        let processes: Vec<_> = both.into_iter().filter_map(adopted).collect();
        if !processes.is_empty() {
            let order = self.handover.as_ref().map(|handover| &handover.order);
            let upgrade = order.is_some();
            let cause = order.cloned().map(Cause::Order);
            let kind = Kind::Adopted { processes, upgrade };
            self.recorder.note(kind, cause);
        }
    }
}

/// Whether a core that was found can stay.
enum Unfit {
    No,
    /// It is to be replaced, and why.
    Replace(String),
    /// There is none, the lock for one, and why one that was there was of no use.
    Nobody(Lock, Option<String>),
}

/// Why a worker of another build than this is to be replaced.
pub(super) fn other_build(greeting: &Greeting) -> Option<String> {
    let own = program::own();
    (greeting.build != own).then(|| format!("it is build {}, and this is {own}", greeting.build))
}
