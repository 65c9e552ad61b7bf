//! The loop of the manager: the only place in its process that waits.

use std::future::{pending, poll_fn};
use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::chief::{Chief, Progress};
use super::external::Failure;
use super::revival::Revival;
use super::{CoreToManager, FromManager, ManagerToCore, ToManager};
use crate::bond::{Bond, Word};
use crate::channel::{Channel, Delivery};
use crate::clock;
use crate::timer::Timer;

/// What waits for the supervisor at the end may take so long.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);

type Core = Channel<ManagerToCore, CoreToManager>;

/// What happened.
enum Wake {
    Core(io::Result<Option<Delivery<CoreToManager>>>),
    Supervisor(Word<ToManager>),
    /// Something that the chief waits for.
    Progress(Progress),
    /// The chief's deadline has come.
    Deadline,
    /// A supervisor that this manager started ended.
    Ended(String),
    /// One that went has ended altogether.
    Gone,
    /// It is time to start one.
    Due,
}

/// The loop's state.
pub(super) struct Reactor {
    bond: Bond<FromManager, ToManager>,
    revival: Revival,
    core: Option<Core>,
    chief: Chief,
    timer: Timer,
    /// The core was answered, and the supervisor knows.
    answered: bool,
    /// The core knows that something is held.
    holds: bool,
    /// The supervisor knows that whoever decides is of no use.
    failed: bool,
}

impl Reactor {
    /// Needs a runtime.
    pub(super) fn new(
        bond: Bond<FromManager, ToManager>,
        revival: Revival,
        chief: Chief,
    ) -> io::Result<Self> {
        Ok(Self {
            bond,
            revival,
            core: None,
            chief,
            timer: Timer::new()?,
            answered: false,
            holds: false,
            failed: false,
        })
    }

    /// Runs until hbd ends.
    pub(super) async fn run(mut self) {
        let supervisor = self.bond.channel().and_then(|channel| channel.peer());
        self.revival.follow(supervisor);
        loop {
            self.post();
            // Fails for an invalid time only.
            let _ = self.timer.set(self.chief.deadline());
            match self.next().await {
                Wake::Core(Ok(Some((message, _)))) => self.hear_core(message),
                Wake::Core(Ok(None) | Err(_)) => self.core = None,
                Wake::Supervisor(Word::Alone) => self.revival.plan(Instant::now()),
                Wake::Supervisor(Word::Said((ToManager::End, _))) => {
                    return self.say_goodbye().await;
                }
                Wake::Supervisor(Word::Said(delivery)) => self.hear_supervisor(delivery),
                Wake::Progress(progress) => self.chief.advance(progress),
                Wake::Deadline => {
                    if self.chief.deadline().is_some_and(|at| at <= clock::boot()) {
                        self.chief.wake();
                    }
                }
                Wake::Ended(how) => self
                    .revival
                    .bury(&how, self.bond.is_alone(), Instant::now()),
                Wake::Gone => self.revival.follow(None),
                Wake::Due => self.revival.start(Instant::now()),
            }
        }
    }

    /// Hands over what waits for the supervisor, if it still reads.
    async fn say_goodbye(&mut self) {
        self.post();
        if let Some(supervisor) = self.bond.channel() {
            let _ = timeout(LAST_WORDS_LIMIT, supervisor.flush()).await;
        }
    }

    /// What waits leaves while the channels are listened to.
    async fn next(&mut self) -> Wake {
        let Self {
            bond,
            revival,
            core,
            chief,
            timer,
            ..
        } = self;
        tokio::select! {
            biased;
            message = next_of(core) => Wake::Core(message),
            word = poll_fn(|context| bond.poll_next(context)) => Wake::Supervisor(word),
            progress = chief.progress() => Wake::Progress(progress),
            _ = poll_fn(|context| timer.poll_expired(context)) => Wake::Deadline,
            how = revival.ended() => Wake::Ended(how),
            () = revival.former_is_gone() => Wake::Gone,
            () = until(revival.due()) => Wake::Due,
        }
    }

    fn hear_core(&mut self, message: CoreToManager) {
        self.chief.core_lives();
        match message {
            CoreToManager::Question => self.answer(),
            CoreToManager::View(view) => self.chief.see(*view),
            CoreToManager::Event(event) => self.chief.note(&event),
            CoreToManager::Heard { from, number, said } => {
                self.chief.hear(&from, number, &said);
            }
        }
    }

    /// A manager whose program is of no use is none.
    fn answer(&mut self) {
        if self.chief.failure().is_some() {
            return;
        }
        if let Some(core) = &mut self.core {
            // A core that is gone is found so when the next question is waited for.
            self.holds = self.chief.holds();
            let holds = self.holds;
            let _ = core.queue(&ManagerToCore::Answer { holds }, Vec::new());
        }
        if !self.answered
            && self.chief.answers()
            && let Some(supervisor) = self.bond.channel()
        {
            self.answered = supervisor.queue(&FromManager::Answers, Vec::new()).is_ok();
        }
    }

    fn hear_supervisor(&mut self, (message, descriptors): Delivery<ToManager>) {
        match message {
            // There is no second start; the end is not handled here.
            ToManager::Start(_) | ToManager::End => {}
            ToManager::Adopt { supervisor, after } => {
                self.bond.adopted();
                let peer = self.bond.channel().and_then(|channel| channel.peer());
                self.revival.follow(peer);
                self.revival
                    .learn(supervisor, descriptors.into_iter().next());
                self.chief.tell_again(after);
                self.failed = false;
            }
            ToManager::Core { generation } => {
                let mut descriptors = descriptors.into_iter();
                self.core = descriptors.next().and_then(|pair| Channel::new(pair).ok());
                self.bond.keep(generation, descriptors.collect());
            }
            ToManager::Sick(sick) => self.chief.feel(sick),
            ToManager::Order { id, order, dry_run } => self.chief.obey(id, order, dry_run),
            ToManager::Leave => self.chief.leave(),
            ToManager::Returns(within) => self.revival.expect_return(within),
        }
    }

    /// Hands over what the chief has for others. A supervisor or core that is gone is found so when
    /// it is listened to.
    fn post(&mut self) {
        match self.bond.channel() {
            Some(supervisor) => {
                while let Some(news) = self.chief.news() {
                    let _ = supervisor.queue(&news, Vec::new());
                }
                if let (false, Some(failure)) = (self.failed, self.chief.failure()) {
                    let Failure { why, counts } = failure.clone();
                    let _ = supervisor.queue(&FromManager::Fails { why, counts }, Vec::new());
                    self.failed = true;
                }
            }
            None => self.chief.hush(),
        }
        if let Some(core) = &mut self.core
            && !self.holds
            && self.chief.holds()
        {
            self.holds = true;
            let _ = core.queue(&ManagerToCore::Answer { holds: true }, Vec::new());
        }
        if let Some(core) = &mut self.core {
            while let Some(said) = self.chief.said() {
                let _ = core.queue(&ManagerToCore::Say(said), Vec::new());
            }
        }
    }
}

async fn next_of(core: &mut Option<Core>) -> io::Result<Option<Delivery<CoreToManager>>> {
    match core {
        Some(core) => core.next().await,
        None => pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
