//! The lives of the manager: how one begins, and what follows its death.

use std::env;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use shared::event::{Cause, EventId, Kind, Role, Severity};
use shared::names::Generation;
use shared::time::Moment;
use shared::verdict::blocked_remedy;
use tokio::sync::mpsc;

use super::Supervisor;
use super::adoption::{Lock, other_build};
use super::worker::{Manager, Post};
use crate::bond::Greeting;
use crate::channel::{Lack, ToCore};
use crate::manager_process::release::{Released, release_all};
use crate::manager_process::{Duty, FromManager, Launch, Start, ToManager};
use crate::pauses::PAUSE_MAX;
use crate::{clock, service_manager};

/// A manager may take so long to end.
const LAST_LIMIT: Duration = Duration::from_secs(1);
/// What a blocked group keeps the node from.
const LEAVING: &str = "leaving the cluster";

impl Supervisor {
    /// Starts a manager. `cause` is the death of the one before.
    fn launch_manager(&mut self, lock: OwnedFd, cause: Option<Cause>) {
        let generation = self.generation;
        let launched = launch(&self.program).and_then(|supervisor| {
            let door = self.run.make_door(Role::Manager)?;
            let stderr = stderr()?;
            let mut manager = Manager::spawn(Role::Manager, self.run.path(), generation)?;
            let start = Start {
                generation,
                supervisor,
                duty: self.duty(),
                events: self.managed.events(generation),
                groups: self.recorder.view().groups.clone(),
                health: self.recorder.view().health.clone(),
                fresh: self.managed.fresh,
            };
            let start = ToManager::Start(Box::new(start));
            manager.tell(&start, vec![lock, door, stderr])?;
            Ok(manager)
        });
        match launched {
            Ok(manager) => {
                self.managed.fresh = false;
                self.run.name(Role::Manager, manager.pid());
                self.manager = Post::Held(Box::new(manager));
                self.manager_answers = false;
                self.pair_up();
                self.brief_manager();
            }
            Err(error) => self.no_manager(&error.to_string(), cause),
        }
    }

    /// Starts the next manager.
    pub(super) fn relaunch_manager(&mut self, cause: Option<Cause>) {
        let lock = self.run.lock(Role::Manager);
        self.fill_manager(lock, cause);
    }

    /// Starts a manager where there is a lock for it.
    pub(super) fn fill_manager(&mut self, lock: Lock, cause: Option<Cause>) {
        match lock {
            Ok(lock) => self.launch_manager(lock, cause),
            Err(error) => self.no_manager(&error.to_string(), cause),
        }
    }

    fn no_manager(&mut self, why: &str, cause: Option<Cause>) {
        let text = format!("the manager could not be started: {why}");
        self.recorder.say(Severity::Error, &text);
        self.manager = Post::Vacant(clock::boot() + PAUSE_MAX, cause);
    }

    /// Goes on with a manager that lives, or replaces one of another build.
    pub(super) async fn adopt_manager(&mut self, mut worker: Box<Manager>, greeting: &Greeting) {
        if let Some(why) = other_build(greeting) {
            let role = Role::Manager;
            let cause = self.recorder.note(Kind::Replaced { role, why }, None);
            worker.end().await;
            self.relaunch_manager(Some(Cause::Event(cause)));
            return;
        }
        let told = launch(&self.program).and_then(|supervisor| {
            let after = self.managed.events(greeting.generation);
            let adopt = ToManager::Adopt { supervisor, after };
            worker.tell(&adopt, vec![stderr()?])
        });
        if let Err(error) = told {
            let text = format!("the manager does not know how a supervisor is started: {error}");
            self.recorder.say(Severity::Error, &text);
        }
        self.manager = Post::Held(worker);
        self.manager_answers = true;
        self.pair_up();
        self.brief_manager();
    }

    /// Clients are told what is held, and whether a dead node must be off before it is succeeded.
    pub(super) fn name_groups(&mut self) {
        let config = &self.configured.config;
        let resources = &config.resources;
        let fenced = resources.succeed_only_who_is_off(&self.settings.node, &config.nodes);
        self.recorder.name_groups(&resources.groups, fenced);
    }

    /// What the manager is there for.
    pub(super) fn duty(&self) -> Duty {
        let configured = &self.configured;
        Duty::of(
            &configured.config,
            &self.settings.node,
            configured.directory(),
        )
    }

    /// Tells a manager what it missed.
    fn brief_manager(&mut self) {
        if let Some(reason) = self.recorder.view().sick.clone() {
            self.tell_manager(&ToManager::Sick(Some(reason)));
        }
        if self.releasing.is_some() {
            self.tell_manager(&ToManager::Leave);
        }
    }

    /// An orderly end waits for each group that is held: what keeps it is told, with the remedy.
    pub(super) fn look_at_departure(&mut self) {
        let node = &self.settings.node;
        let kept = self.releasing.as_ref().and_then(|signal| {
            let mut groups = self.recorder.view().groups.iter();
            let (name, _) = groups.find(|(_, group)| group.is_blocked_on(node))?;
            Some(Lack {
                what: LEAVING.into(),
                why: format!("{signal} asks for it, and group {name} is blocked here"),
                remedy: format!(
                    "{}; a second {signal} ends hbd at once, and what is held runs on",
                    blocked_remedy(name, node)
                ),
            })
        });
        match kept {
            Some(lack) => self.lack(lack),
            None => self.lacks_no_more(LEAVING),
        }
    }

    /// A manager that does not take a message is one that dies, which is noticed elsewhere.
    pub(super) fn tell_manager(&mut self, message: &ToManager) {
        if let Some(manager) = self.manager.holder()
            && let Err(error) = manager.tell(message, Vec::new())
        {
            let text = format!("a message for the manager was lost: {error}");
            self.recorder.say(Severity::Error, &text);
        }
    }

    /// The manager says something.
    pub(super) fn heard_manager(&mut self, message: FromManager) {
        match message {
            FromManager::Answers => self.manager_answers = true,
            FromManager::Event(event) => {
                self.managed.told = Some(event.id.clone());
                self.recorder.record((*event).clone());
                self.follow_group(&event);
            }
            FromManager::Note(kind) => {
                self.recorder.note(*kind, None);
            }
            FromManager::Ordered { id, outcome } => self.ordered(id, outcome),
            FromManager::Released => {
                if let Some(signal) = self.releasing.take() {
                    self.managed.all_released = true;
                    self.leave_cluster(&signal);
                }
            }
            FromManager::Lacks(lack) => self.lack(lack),
            FromManager::LacksNoMore(what) => self.lacks_no_more(&what),
            // The reactor waits for its end.
            FromManager::Fails { .. } => {}
            FromManager::Say(text) => self.recorder.say(Severity::Error, &text),
        }
    }

    /// No manager can be had: what is held is stopped without one.
    pub(super) fn release_without_manager(&mut self) {
        let text = "no manager can be had: what is held is stopped, and this node leaves";
        self.recorder.say(Severity::Critical, text);
        self.spare_manager();
        let manager = self.manager.take();
        self.manager = Post::Closed;
        self.orders_are_lost();
        let (run, duty) = (self.run.path().to_owned(), self.duty());
        let released = self.managed.released.clone();
        tokio::spawn(async move {
            if let Some(manager) = manager {
                manager.end().await;
            }
            // There is room for the one result there will be.
            let _ = released.try_send(release_all(&run, &duty).await);
        });
    }

    /// What is held was stopped without a manager, or was not.
    pub(super) fn released_without_manager(&mut self, released: io::Result<Vec<Released>>) {
        let left = match released {
            Ok(released) => {
                let left = released.into_iter().filter_map(|(group, result)| {
                    let why = result.err()?;
                    Some(format!("{group} could not be stopped: {why}"))
                });
                left.collect()
            }
            Err(error) => vec![format!("what is held is not known: {error}")],
        };
        if left.is_empty() {
            self.managed.failed = true;
            self.managed.all_released = true;
            return self.leave_cluster("no manager can be had");
        }
        for text in &left {
            let text = format!("{text}; stop it by hand, then end hbd with hbd release");
            self.recorder.say(Severity::Critical, &text);
        }
        self.self_fence.stuck = true;
        let why = format!("no manager can be had, and {}", left.join("; "));
        self.fence_itself(why, None);
    }

    /// Ends the manager in favour of one with another duty. One that is dead has its successor on
    /// its way.
    pub(super) fn retire_manager(&mut self, cause: Cause) {
        if let Post::Held(_) = self.manager {
            self.managed.retiring = Some(cause);
            self.tell_manager(&ToManager::End);
        }
    }

    /// The manager is gone. `hung`: because it had to be killed.
    pub(super) fn manager_died(&mut self, how: String, since: Moment, hung: bool) {
        let now = clock::boot();
        let id = self.recorder.note(Kind::ManagerDied { how }, None);
        self.orders_are_lost();
        if self.leaving.is_some() {
            return;
        }
        if hung || !self.manager_answers {
            self.health.manager_failed(now);
        }
        let pause = self.manager_pauses.after(now.since(since));
        let cause = Some(Cause::Event(id));
        if pause.is_zero() {
            self.relaunch_manager(cause);
        } else {
            self.manager = Post::Vacant(now + pause, cause);
        }
    }

    /// Gives core and manager a way to each other, if both are there, and the manager what will
    /// remain of the core.
    pub(super) fn pair_up(&mut self) {
        let (Some(core), Some(manager)) = (self.core.holder(), self.manager.holder()) else {
            return;
        };
        let generation = core.generation;
        let paired = UnixStream::pair().and_then(|(ours, theirs)| {
            let mut for_manager = vec![OwnedFd::from(theirs)];
            if let Some(pulse) = &self.pulse {
                for_manager.extend(pulse.remains().descriptors()?);
            }
            core.tell(&ToCore::Manager, vec![ours.into()])?;
            manager.tell(&ToManager::Core { generation }, for_manager)
        });
        if let Err(error) = paired {
            let text = format!("core and manager have no way to each other: {error}");
            self.recorder.say(Severity::Error, &text);
        }
    }

    /// Ends the manager with hbd.
    pub(super) async fn end_manager(&mut self) {
        if let Some(mut manager) = self.manager.take() {
            // One that does not hear it is killed, before it can miss its supervisor.
            let _ = manager.tell(&ToManager::End, Vec::new());
            manager.flush(LAST_LIMIT).await;
            manager.ended(LAST_LIMIT).await;
            manager.end().await;
        }
    }
}

/// What is known of the manager's past.
#[derive(Debug)]
pub(super) struct Managed {
    /// The last event that a manager told.
    pub(super) told: Option<EventId>,
    /// The manager was told to end in favour of the next one, for this cause.
    pub(super) retiring: Option<Cause>,
    /// Nothing of hbd ran: what is held is to be released.
    pub(super) fresh: bool,
    /// Takes what became of a release without a manager.
    pub(super) released: mpsc::Sender<io::Result<Vec<Released>>>,
    /// This node leaves because no manager can be had.
    pub(super) failed: bool,
    /// What was held is not any more, for good.
    pub(super) all_released: bool,
}

impl Managed {
    /// How many events the managers of that generation told.
    fn events(&self, generation: Generation) -> u64 {
        let told = self.told.as_ref();
        let same = told.filter(|id| id.incarnation.generation == generation);
        same.map_or(0, |id| id.counter)
    }
}

/// How this supervisor was started, by which program; nothing where systemd starts the next one.
fn launch(program: &Path) -> io::Result<Option<Launch>> {
    if env::var_os(service_manager::SOCKET).is_some() {
        return Ok(None);
    }
    Ok(Some(Launch {
        program: program.to_owned(),
        arguments: env::args_os().skip(1).collect(),
        directory: env::current_dir()?,
        environment: env::vars_os().collect(),
    }))
}

fn stderr() -> io::Result<OwnedFd> {
    io::stderr().as_fd().try_clone_to_owned()
}
