//! The policy and all that it needs: its record, its actions, its words.
//!
//! ```text
//!  shims of a former manager end, orphans are released --+
//!  the core says what it knows --------------------------+--> the policy begins
//!
//!  events, declarations, orders, outcomes --> policy --> record, actions, declarations, events
//! ```
//!
//! What the policy wants is done in its order: what is to be kept is in the record before the action
//! that follows it begins. While the record cannot be written, nothing else is done.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hbd_core::Said;
use hbd_manager::{HealthChecks, Kept, Life, Order, Output, Refusal};
use shared::event::{Event, EventSource, Kind, Role};
use shared::group::{GroupName, GroupReason, GroupState};
use shared::health::CheckName;
use shared::names::{NodeName, Sequence};
use shared::time::Moment;
use shared::view::{ClusterView, GroupView, HealthView};
use tokio::task::JoinHandle;

use super::FromManager;
use super::addresses::Addresses;
use super::duty::{Duty, Resources};
use super::external::{Failure, Step, Word};
use super::fencing::is_check;
use super::health::is_checkup;
use super::notices::{Notices, is_notice};
use super::policy::Policy;
use super::record::Record;
use super::release::{Released, release};
use super::said;
use super::works::{Ended, Works, name, settle_former};
use crate::channel::Lack;
use crate::clock;

/// Events that are kept for a supervisor which has not seen them.
const EVENTS_MAX: usize = 1024;
/// What waits to be said to a Heartbeat.
const SAID_MAX: usize = 64;
/// Time until a record that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// What is lacking while it cannot be written.
const RECORD: &str = "the record of what is held";

/// The policy with its hands and its memory.
pub(super) struct Chief {
    duty: Duty,
    life: Life,
    record: Record,
    works: Works,
    notices: Notices,
    health: HealthChecks,
    /// Health checks may be made.
    checks: bool,
    preparation: Option<JoinHandle<io::Result<Vec<Released>>>>,
    policy: Option<Policy>,
    /// It could not be started.
    failure: Option<Failure>,
    /// How many events the managers of this generation told.
    events: u64,
    view: Option<ClusterView>,
    /// What former managers told of the groups.
    groups: BTreeMap<GroupName, GroupView>,
    sick: Option<String>,
    /// It is told to give up everything.
    leaves: bool,
    /// Not written yet, and when it is tried again.
    unkept: Option<(Kept, Moment)>,
    /// That was told.
    lacks: bool,
    told: VecDeque<Box<Event>>,
    /// For the supervisor.
    news: VecDeque<FromManager>,
    /// For the managers of other nodes.
    said: VecDeque<Said>,
}

/// How a manager begins.
pub(super) struct Beginning {
    /// What it is there for.
    pub(super) duty: Duty,
    /// Its life.
    pub(super) life: Life,
    /// How many events the managers of this generation told.
    pub(super) events: u64,
    /// What former managers told of the groups.
    pub(super) groups: BTreeMap<GroupName, GroupView>,
    /// What former managers told of health checks.
    pub(super) health: BTreeMap<CheckName, HealthView>,
    /// Nothing of hbd ran: what is held is to be released.
    pub(super) fresh: bool,
}

impl Chief {
    /// Of the instance in `run`. Needs a runtime.
    pub(super) fn new(run: &Path, beginning: Beginning) -> io::Result<Self> {
        let Beginning {
            duty,
            life,
            events,
            groups,
            health,
            fresh,
        } = beginning;
        let mut record = Record::open(run)?;
        if fresh {
            record.unsettle();
        }
        let mut addresses = Addresses::new(duty.address_lease, clock::boot());
        record.addresses().for_each(|(place, address)| {
            addresses.adopt(place, address, clock::boot());
        });
        // What was left running is stopped before anybody is told of it.
        let orphans = match fresh {
            true => record.orphans(&Resources::new()),
            false => record.orphans(&duty.resources),
        };
        let preparation = prepare(run.to_owned(), life, orphans, duty.clone());
        let mut works = Works::new(run, addresses);
        works.settle_health();
        let (health, over) =
            HealthChecks::new(duty.node.clone(), &duty.health, &health, clock::boot());
        let over = over
            .into_iter()
            .map(|kind| FromManager::Note(Box::new(kind)));
        Ok(Self {
            preparation: Some(tokio::spawn(preparation)),
            works,
            notices: Notices::new(duty.node.clone()),
            health,
            checks: false,
            news: over.collect(),
            duty,
            life,
            record,
            policy: None,
            failure: None,
            events,
            view: None,
            groups,
            sick: None,
            leaves: false,
            unkept: None,
            lacks: false,
            told: VecDeque::new(),
            said: VecDeque::new(),
        })
    }

    /// What the core knows, before anything else that it says.
    pub(super) fn see(&mut self, view: ClusterView) {
        self.notices.see(&view);
        match &mut self.policy {
            Some(policy) => policy.handle_view(&view, clock::now()),
            None => self.view = Some(view),
        }
        self.go_on();
    }

    /// Something happened.
    pub(super) fn note(&mut self, event: &Event) {
        match (&mut self.policy, &mut self.view) {
            (Some(policy), _) => policy.handle_event(event, clock::now()),
            (None, Some(view)) => view.apply(event),
            (None, None) => {}
        }
        self.notify(event);
        self.go_on();
    }

    /// Whether this node can do what a member must.
    pub(super) fn feel(&mut self, sick: Option<String>) {
        self.sick.clone_from(&sick);
        let kind = sick.map_or(Kind::SickOver, |reason| Kind::Sick { reason });
        // The supervisor told it; this is for the policy alone.
        let mut source = EventSource::new(
            self.duty.node.clone(),
            Role::Supervisor,
            self.life.generation,
        );
        let event = source.event(kind, None, clock::now());
        if let Some(policy) = &mut self.policy {
            policy.handle_event(&event, clock::now());
        }
        self.go_on();
    }

    /// The manager of another node says something. One that is not understood, or comes too early,
    /// is said again.
    pub(super) fn hear(&mut self, from: &NodeName, number: Sequence, said: &Said) {
        if let Some(policy) = &mut self.policy {
            policy.handle_message(from, number, said, clock::now());
            self.go_on();
        }
    }

    /// An operator wants something, or wants to know what that would do.
    pub(super) fn obey(&mut self, id: u64, order: Order, dry_run: bool) {
        let outcome = match &mut self.policy {
            Some(policy) => policy.obey(id, order, dry_run, clock::now()),
            None => Some(Err(Refusal::TooEarly)),
        };
        let answer = outcome.map(|outcome| FromManager::Ordered { id, outcome });
        self.news.extend(answer);
        self.go_on();
    }

    /// The node leaves: everything is given up.
    pub(super) fn leave(&mut self) {
        self.leaves = true;
        match &mut self.policy {
            Some(policy) => policy.leave(clock::now()),
            None if !self.duty.is_managed() => self.news.push_back(FromManager::Released),
            None => {}
        }
        self.go_on();
    }

    /// Something that was under way has ended. Never while nothing is. May be given up and called
    /// again.
    pub(super) async fn progress(&mut self) -> Progress {
        let preparation = async {
            match &mut self.preparation {
                Some(handle) => handle.await,
                None => std::future::pending().await,
            }
        };
        let word = async {
            match &mut self.policy {
                Some(policy) => policy.word().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            word = word => Progress::Word(word),
            ended = self.works.next() => Progress::Ended(ended),
            prepared = preparation => {
                let prepared = prepared.map_err(io::Error::other).flatten();
                Progress::Prepared(prepared)
            }
        }
    }

    /// Goes on after it.
    pub(super) fn advance(&mut self, progress: Progress) {
        match progress {
            Progress::Ended(Ended::Action(action, outcome)) => {
                if let Some(policy) = &mut self.policy {
                    policy.handle_result(action, outcome, clock::now());
                }
            }
            Progress::Ended(Ended::Contested(place, since, kind)) => {
                // It may have gone to that machine meanwhile, and be back.
                if self.works.addresses.held_since(&place) == Some(since) {
                    self.news.push_back(FromManager::Note(kind));
                }
            }
            Progress::Ended(Ended::Notified(why)) => {
                self.notices.leave();
                self.news.extend(why.map(FromManager::Note));
            }
            Progress::Ended(Ended::Settled) => self.checks = true,
            Progress::Ended(Ended::Health(place, found)) => {
                let news = self.health.ended(place, found, clock::now());
                self.news
                    .extend(news.map(|kind| FromManager::Note(Box::new(kind))));
            }
            Progress::Prepared(prepared) => self.prepared(prepared),
            Progress::Word(word) => {
                if let Some(policy) = &mut self.policy {
                    policy.take(word, clock::now());
                }
            }
        }
        self.go_on();
    }

    /// When [`Chief::wake`] is to be called.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let policy = match (&self.unkept, &self.policy) {
            (Some((_, at)), _) => Some(*at),
            (None, Some(policy)) => policy.poll_deadline(),
            (None, None) => None,
        };
        let addresses = self.works.addresses.deadline();
        let health = self.health.deadline().filter(|_| self.makes_checks());
        policy.into_iter().chain(addresses).chain(health).min()
    }

    /// The core said something.
    pub(super) fn core_lives(&mut self) {
        self.works.addresses.core_lives(clock::boot());
    }

    /// The deadline has come.
    pub(super) fn wake(&mut self) {
        let now = clock::now();
        let lost = self.works.addresses.wake(now.boot);
        if let Some(policy) = &mut self.policy {
            for ((group, resource), error) in lost {
                policy.handle_loss(&group, resource, error.to_string(), now);
            }
            if self.unkept.is_none() && policy.poll_deadline().is_some_and(|at| at <= now.boot) {
                policy.handle_timeout(now);
            }
        }
        self.go_on();
    }

    /// Something is held.
    pub(super) fn holds(&self) -> bool {
        let mut groups = self.record.held().kept.groups.values();
        groups.any(|kept| kept.held)
    }

    /// Why the program that decides is of no use, if it is not.
    pub(super) fn failure(&self) -> Option<&Failure> {
        let policy = self.policy.as_ref();
        let of_policy = policy.and_then(Policy::failure);
        of_policy.or(self.failure.as_ref())
    }

    /// Whoever decides is known to work.
    pub(super) fn answers(&self) -> bool {
        match &self.policy {
            Some(policy) => policy.answers(),
            None => self.duty.program.is_none(),
        }
    }

    /// What the supervisor is to know next.
    pub(super) fn news(&mut self) -> Option<FromManager> {
        self.news.pop_front()
    }

    /// What the managers of other nodes are to be told next.
    pub(super) fn said(&mut self) -> Option<Said> {
        self.said.pop_front()
    }

    /// Nobody is there to be told.
    pub(super) fn hush(&mut self) {
        self.news.clear();
    }

    /// A supervisor is there that knows the events up to this one.
    pub(super) fn tell_again(&mut self, after: u64) {
        let told = self.told.iter();
        let unknown = told.filter(|event| event.id.counter > after).cloned();
        self.news = unknown.map(FromManager::Event).collect();
    }

    /// Not while the node leaves.
    fn makes_checks(&self) -> bool {
        self.checks && !self.leaves
    }

    /// Makes the health checks that are due.
    fn check_health(&mut self) {
        while self.makes_checks()
            && let Some(place) = self.health.next_due(clock::boot())
        {
            let check = self.health.at(place);
            self.works.check(place, &name(self.life), check, &self.duty);
        }
    }

    /// Has an operator's script told what happened.
    fn notify(&mut self, event: &Event) {
        let Some(notice) = self.notices.note(event) else {
            return;
        };
        match self.notices.enter(&name(self.life)) {
            Some(place) => self.works.notify(notice, place, &self.duty),
            None => {
                let dropped = Box::new(notice.dropped());
                self.news.push_back(FromManager::Note(dropped));
            }
        }
    }

    fn prepared(&mut self, prepared: io::Result<Vec<Released>>) {
        self.preparation = None;
        let released = match prepared {
            Ok(released) => released,
            Err(error) => {
                self.lack(Some(format!(
                    "what a former manager left cannot be read: {error}"
                )));
                Vec::new()
            }
        };
        for (group, result) in released {
            if let Err(error) = result {
                self.news.push_back(FromManager::Say(format!(
                    "{group}, which was started before, could not be stopped: {error}"
                )));
                continue;
            }
            if let Err(error) = self.record.forget(&group) {
                self.lack(Some(error.to_string()));
            }
            let kind = Kind::GroupState {
                group,
                node: self.duty.node.clone(),
                from: GroupState::Stopping,
                to: GroupState::Stopped,
                reason: GroupReason::LeftBehind,
            };
            self.news.push_back(FromManager::Note(Box::new(kind)));
        }
    }

    /// Begins if everything for it is there, and does what the policy wants.
    fn go_on(&mut self) {
        self.begin();
        if let Some((kept, _)) = self.unkept.take() {
            self.keep(kept);
        }
        while self.unkept.is_none()
            && let Some(step) = self.policy.as_mut().and_then(Policy::poll_step)
        {
            match step {
                Step::Do(output) => self.carry_out(output),
                // What it said before is of no use any more.
                Step::Say(said) => self.said = VecDeque::from([said]),
                Step::Ordered { id, outcome } => {
                    self.news.push_back(FromManager::Ordered { id, outcome });
                }
            }
        }
        self.check_health();
    }

    fn begin(&mut self) {
        let ready = self.policy.is_none() && self.preparation.is_none() && self.failure.is_none();
        if !ready || !self.duty.is_managed() {
            return;
        }
        let Some(mut view) = self.view.take() else {
            return;
        };
        view.sick = self.sick.clone();
        view.groups = std::mem::take(&mut self.groups);
        let now = clock::now();
        let kept = &self.record.held().kept;
        let of = (self.life, self.events);
        match Policy::begin(&self.duty, of, kept, &view, now) {
            Some(Ok(policy)) => self.policy = Some(policy),
            Some(Err(error)) => {
                self.failure = Some(Failure {
                    why: format!("the program that decides cannot be started: {error}"),
                    counts: true,
                });
            }
            None => {}
        }
        if let (Some(policy), true) = (&mut self.policy, self.leaves) {
            policy.leave(now);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Keep(kept) => self.keep(kept),
            Output::Act(action) => {
                let resources = self.duty.resources.get(&action.group);
                // The policy knows no others.
                if let Some(resource) = resources.and_then(|all| all.get(action.resource)) {
                    self.works.begin(&action, resource, &self.duty);
                }
            }
            Output::Fence(fence) => self.works.fence(&fence, &self.duty),
            Output::Send(declaration) => {
                if let Some(policy) = &self.duty.policy {
                    // What it said before is of no use any more.
                    let node = &self.duty.node;
                    let said = said::say(&declaration, &policy.groups, node);
                    self.said = VecDeque::from([said]);
                }
            }
            Output::Speak(word) => {
                if self.said.len() == SAID_MAX {
                    self.said.pop_front();
                }
                self.said.push_back(said::say_word(word));
            }
            Output::Event(event) => {
                self.events = event.id.counter;
                self.health.follow(&event.kind, clock::boot());
                if self.told.len() == EVENTS_MAX {
                    self.told.pop_front();
                }
                self.told.push_back(event.clone());
                self.news.push_back(FromManager::Event(event));
            }
            Output::Released => self.news.push_back(FromManager::Released),
        }
    }

    fn keep(&mut self, kept: Kept) {
        match self.record.keep(kept.clone(), &self.duty.resources) {
            Ok(()) => self.lack(None),
            Err(error) => {
                self.unkept = Some((kept, clock::boot() + RETRY));
                self.lack(Some(error.to_string()));
            }
        }
    }

    /// Tells that nothing can be done, and why, or that it can again.
    fn lack(&mut self, why: Option<String>) {
        if std::mem::replace(&mut self.lacks, why.is_some()) == why.is_some() {
            return;
        }
        self.news.push_back(match why {
            Some(why) => FromManager::Lacks(Lack {
                what: RECORD.into(),
                why,
                remedy: "make room in the run directory: until then no group is started, stopped \
                         or moved; it is tried again every second"
                    .into(),
            }),
            None => FromManager::LacksNoMore(RECORD.into()),
        });
    }
}

/// What was under way and has ended.
pub(super) enum Progress {
    /// A task.
    Ended(Ended),
    /// What comes before the policy.
    Prepared(io::Result<Vec<Released>>),
    /// The program that decides says something.
    Word(Word),
}

async fn prepare(
    run: PathBuf,
    life: Life,
    orphans: Resources,
    duty: Duty,
) -> io::Result<Vec<Released>> {
    let spared = |shim: &str| is_check(shim) || is_notice(shim) || is_checkup(shim);
    settle_former(&run, spared).await?;
    Ok(release(&run, &name(life), orphans, &duty).await)
}
