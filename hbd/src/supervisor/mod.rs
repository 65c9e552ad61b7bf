//! The supervisor: configuration, descriptors, control socket, log; it starts core and manager
//! and starts them again when they die.
//!
//! ```text
//! signals ---+
//! core    ---+
//! manager ---+                    +--> core: media, orders, load average
//! links   ---+--> Supervisor -----+--> Recorder: view, ring, log, subscribers
//! clients ---+                    +--> Writer: generation, peers
//! disk    ---+
//! ```
//!
//! A core that dies is replaced at once under the next generation, with what the last one knew
//! of its peers: they see a restart and no death. What dies again and again is started with
//! growing pauses. A supervisor that finds workers of a former one goes on with them
//! ([`adoption`]).

mod adoption;
mod beginning;
mod cutting;
mod flight;
mod health;
mod keeping;
mod life;
mod manager;
mod media;
mod messages;
mod modem;
mod ordering;
mod probing;
mod reactor;
mod recorder;
mod reload;
mod remains;
mod removal;
mod requests;
mod rotation;
mod self_fence;
mod stall;
mod upgrade;
mod warnings;
mod watch;
mod watchdog;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hbd_core::session::office;
use hbd_core::{Command, Pace, PeerMemory, Settings};
use nix::sys::stat::{Mode, umask};
use shared::event::{Cause, Event, EventId, Kind, Severity};
use shared::exit::Exit;
use shared::names::{Generation, NodeName};
use shared::time::Moment;
use shared::verdict::Verdict;
use shared::view;
use tokio::sync::{Semaphore, mpsc};

pub(crate) use recorder::{Line, line};

use crate::channel::{FromCore, Lack, Rights, ToCore};
use crate::cli::Options;
use crate::control::{self, Ask, Control};
use crate::journal::Report;
use crate::lock::Held;
use crate::log::News;
use crate::manager_process::release::Released;
use crate::manager_process::{FromManager, ToManager};
use crate::medium::interface::Interfaces;
use crate::pauses::Pauses;
use crate::pulse::PulseWatch;
use crate::run_directory::RunDirectory;
use crate::service_manager::{self, ServiceManager};
use crate::startup::{self, StartError};
use crate::state::{Generations, Job, Peers, StateError, Writer};
use crate::timer::Timer;
use crate::{clock, sys};
use flight::Flights;
use health::{Change, Health, Signs};
use manager::Managed;
use media::{Changes, Media};
use messages::Messages;
use ordering::Ordering;
use probing::Probing;
use recorder::Recorder;
use reload::Configured;
use self_fence::SelfFence;
use stall::Stalls;
use upgrade::{Checked, Handover, Upgrading};
use watch::Watch;
use watchdog::Watchdog;
use worker::Post;

/// A core may take so long to leave the cluster.
const LEAVE_LIMIT: Duration = Duration::from_secs(15);
/// A worker of a former supervisor may take at least so long to greet.
const GREETING_LIMIT_MIN: Duration = Duration::from_millis(500);
/// Media that failed, and state that was not kept, are tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Load average for peers: Linux computes it anew every five seconds.
const LOAD: Duration = Duration::from_secs(5);
/// Time between two looks around; while somebody is missing or has to leave they are closer.
const LOOK_MAX: Duration = Duration::from_secs(1);
const LOOK_MIN: Duration = Duration::from_millis(20);
/// Clients that are gone are noticed after this.
const LOOK_AT_CLIENTS: Duration = Duration::from_millis(250);
/// Results of disk jobs that wait.
const DISK_RESULTS: usize = 64;
/// News of logs that wait.
const LOG_NEWS: usize = 64;
/// Looks at serial ports that wait for the loop; what finds no place is seen again.
const MODEM_NEWS: usize = 64;
/// What is missing while they cannot be listed.
const INTERFACES: &str = "the list of interfaces";

/// Runs the daemon until it is told to end.
pub(crate) fn run(options: &Options) -> Exit {
    match try_run(options) {
        Ok(exit) => exit,
        Err(error) => {
            error.print();
            error.exit()
        }
    }
}

fn try_run(options: &Options) -> Result<Exit, StartError> {
    // Others may read, and connect; what they may ask is decided by who they are.
    umask(Mode::from_bits_truncate(0o022));
    sys::keep_secrets();
    let kept = service_manager::kept_control();
    let prepared = startup::prepare(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| StartError::System {
            operation: "start the runtime",
            error,
        })?;
    runtime.block_on(async {
        let signals = reactor::Signals::new().map_err(|error| StartError::System {
            operation: "handle signals",
            error,
        })?;
        let timer = Timer::new().map_err(|error| StartError::System {
            operation: "make a timer",
            error,
        })?;
        let supervisor = Supervisor::start(options, prepared, kept).await?;
        Ok(reactor::run(signals, timer, supervisor).await)
    })
}

/// Everything the supervisor holds.
struct Supervisor {
    configured: Configured,
    settings: Settings,
    allow_faults: bool,
    rights: Rights,
    service: ServiceManager,
    run: RunDirectory,
    /// The state directory, after everything that writes there.
    _state: Option<Held>,
    recorder: Recorder,
    media: Media,
    messages: Messages,
    probing: Probing,
    core: Post<ToCore, FromCore>,
    /// Of the core that lives.
    pulse: Option<PulseWatch>,
    core_started: bool,
    /// This node was active under one of them.
    active: bool,
    /// What peers go by: the settings, or what they were before times began to change.
    pace: Pace,
    /// The core was told to end in favour of the next one, for this cause.
    retiring: Option<Cause>,
    /// The next core starts from other media.
    reconfigure: bool,
    core_pauses: Pauses,
    manager: Post<ToManager, FromManager>,
    manager_answers: bool,
    manager_pauses: Pauses,
    managed: Managed,
    /// The manager gives up everything before this node leaves, which that signal wants.
    releasing: Option<String>,
    health: Health,
    self_fence: SelfFence,
    watchdog: Watchdog,
    stalls: Stalls,
    memory: BTreeMap<NodeName, PeerMemory>,
    /// The memory on the disk, and whether it is another.
    peers: Peers,
    peers_changed: bool,
    generations: Generations,
    /// The supervisor's own.
    generation: Generation,
    reserving: bool,
    writer: Writer,
    /// What was told to be lacking, so that it is told once.
    lacks: BTreeSet<String>,
    /// What a former supervisor told to be lacking, and this one has not found so yet.
    inherited: Vec<view::Lack>,
    orders: control::Orders,
    ordering: Ordering,
    /// The file it was started by, as it was then.
    program: PathBuf,
    /// What the supervisor left that made room for this one.
    handover: Option<Handover>,
    upgrade: Upgrading,
    /// Turns to read the journal.
    readers: Arc<Semaphore>,
    /// The core is told to leave then at the latest, and why.
    last_messages: Option<(Moment, Cause)>,
    flights: Flights,
    /// When the core is to have left at the latest.
    leaving: Option<Moment>,
    exit: Option<Exit>,
    retried: Moment,
    load_told: Moment,
    status_told: Moment,
    looked: Moment,
}

/// What the supervisor waits for besides the core.
struct Sources {
    control: Control,
    asks: mpsc::Receiver<Ask>,
    disk: mpsc::Receiver<Result<Job, StateError>>,
    journal: mpsc::Receiver<Report>,
    flights: mpsc::Receiver<flight::Kept>,
    reads: mpsc::Receiver<reload::Read>,
    checks: mpsc::Receiver<Checked>,
    log: mpsc::Receiver<News>,
    releases: mpsc::Receiver<std::io::Result<Vec<Released>>>,
    modems: mpsc::Receiver<modem::Seen>,
    looks: mpsc::Receiver<probing::Looked>,
    self_fences: mpsc::Receiver<self_fence::Ended>,
    watch: Option<Watch>,
}

impl Supervisor {
    /// The core says something. Returns how long the manager has been silent, if the core says so.
    fn heard(&mut self, message: FromCore) -> Option<Duration> {
        match message {
            FromCore::Event(event) => self.note_core_event(*event),
            FromCore::Again(event) => self.recorder.restore(*event),
            FromCore::View(view) => self.recorder.take_over(*view),
            FromCore::ManagerSilent(silent) => return Some(silent),
            // Of use while a core is adopted only.
            FromCore::Runs(_)
            | FromCore::Opened { .. }
            | FromCore::Guarded { .. }
            | FromCore::Told => {}
            FromCore::Watchdog(news) => self.hear_watchdog(news),
            FromCore::Sample(sample) => self.recorder.sample(*sample),
            FromCore::Remember(memory) => self.remember(*memory),
            FromCore::Session(news) => {
                self.hear_news(news);
                self.leave_after_messages();
            }
            FromCore::Dropped(count) => {
                self.recorder.note(Kind::EventsDropped { count }, None);
            }
            FromCore::Lacks(lack) => self.lack(lack),
            FromCore::Sending { medium, trouble } => {
                let changes = self.media.sending(medium, trouble);
                self.carry_out(changes);
            }
            FromCore::Unfit(reason) => {
                self.recorder.say(Severity::Critical, &reason);
                self.exit = Some(Exit::ConfigInvalid);
            }
            FromCore::Left => {
                self.exit = Some(match self.managed.failed {
                    true => Exit::Failed,
                    false => Exit::Done,
                });
            }
        }
        None
    }

    fn note_core_event(&mut self, event: Event) {
        self.active |= event.is_active(&self.settings.node);
        match event.kind {
            Kind::TimersChanged { .. } => self.pace = self.settings.times().pace(),
            Kind::OwnStall { late } => self.core_stalled(late, &event.id),
            _ => {}
        }
        self.recorder.record(event);
    }

    fn core_stalled(&mut self, late: Duration, stall: &EventId) {
        self.keep_flight_of_stall(late, stall);
        let change = self.health.stood_still(late, clock::boot(), &self.settings);
        if self.leaving.is_none() {
            self.note_health(change, Some(Cause::Event(stall.clone())));
        }
    }

    fn note_health(&mut self, change: Option<Change>, cause: Option<Cause>) {
        let (kind, sick) = match change {
            None => return,
            Some(Change::Sick(reason)) => (
                Kind::Sick {
                    reason: reason.clone(),
                },
                Some(reason),
            ),
            Some(Change::Over) => (Kind::SickOver, None),
        };
        self.recorder.note(kind, cause);
        self.tell_manager(&ToManager::Sick(sick));
    }

    /// Whether what is held is to be stopped without a manager.
    fn is_without_manager(&self, now: Moment) -> bool {
        let closed = matches!(self.manager, Post::Closed);
        self.may_hold() && !closed && self.health.is_sick() && self.health.lacks_manager(now)
    }

    fn lack(&mut self, lack: Lack) {
        if self.lacks.insert(lack.what.clone()) {
            let Lack { what, why, remedy } = lack;
            let told = self.inherited.extract_if(.., |told| told.what == what);
            let same = |told: view::Lack| (told.why, told.remedy) == (why.clone(), remedy.clone());
            if !told.last().is_some_and(same) {
                self.recorder
                    .note(Kind::Degraded { what, why, remedy }, None);
            }
        }
    }

    /// Tells that a lack is over.
    fn lacks_no_more(&mut self, what: &str) {
        let inherited = self.inherited.extract_if(.., |told| told.what == what);
        let was_told = inherited.last().is_some();
        if self.lacks.remove(what) || was_told {
            let what = what.to_owned();
            self.recorder.note(Kind::DegradedOver { what }, None);
        }
    }

    /// What a former supervisor lacked and this one does not find lacking is over.
    fn lacks_no_more_what_is_there(&mut self) {
        for lack in std::mem::take(&mut self.inherited) {
            let what = lack.what;
            self.recorder.note(Kind::DegradedOver { what }, None);
        }
    }

    fn refresh_media(&mut self) {
        // A core that retires may have been started with others; its successor gets them.
        if self.retiring.is_some() {
            return;
        }
        match Interfaces::read() {
            Ok(interfaces) => {
                let changes = self.media.refresh(&interfaces);
                self.carry_out(changes);
                self.lacks_no_more(INTERFACES);
            }
            Err(error) => self.lack(Lack {
                what: INTERFACES.into(),
                why: error.to_string(),
                remedy: "it is tried again every 5 s".into(),
            }),
        }
    }

    fn carry_out(&mut self, changes: Changes) {
        for (message, descriptors) in changes.messages {
            self.tell_core(&message, descriptors);
        }
        for event in changes.events {
            self.recorder.note(event, None);
        }
    }

    /// A core that does not take a message is one that dies, which is noticed elsewhere.
    fn tell_core(&mut self, message: &ToCore, descriptors: Vec<OwnedFd>) {
        if let Some(core) = self.core.holder()
            && let Err(error) = core.tell(message, descriptors)
        {
            let text = format!("a message for the core was lost: {error}");
            self.recorder.say(Severity::Error, &text);
        }
    }

    /// Gives up what is held, then leaves the cluster; told once more, ends at once.
    fn leave(&mut self, signal: &str) {
        if self.leaving.is_some() || self.releasing.is_some() {
            let text = format!("{signal} again: ending without leaving the cluster in order");
            self.recorder.say(Severity::Warning, &text);
            self.exit = Some(Exit::Failed);
            return;
        }
        self.service.stopping();
        if !self.may_hold() {
            self.leave_cluster(signal);
        } else {
            self.releasing = Some(signal.to_owned());
            self.tell_manager(&ToManager::Leave);
        }
    }

    fn leave_cluster(&mut self, signal: &str) {
        self.leaving = Some(clock::boot() + LEAVE_LIMIT);
        match self.core {
            Post::Held(_) => {
                let cause = Cause::Order(signal.to_owned());
                self.last_messages = Some((clock::boot() + office::LEAVE_LIMIT, cause));
                self.messages.office.leave();
                self.carry_messages();
                self.leave_after_messages();
            }
            Post::Vacant(..) | Post::Closed => self.exit = Some(Exit::Failed),
        }
    }

    /// Tells the core to leave, once what clients sent is acknowledged or took too long.
    fn leave_after_messages(&mut self) {
        // A core that retires hears nothing more: its successor is told.
        if self.retiring.is_some() {
            return;
        }
        let now = clock::boot();
        let idle = self.messages.office.is_idle();
        let due = self
            .last_messages
            .take_if(|(until, _)| idle || *until <= now);
        if let Some((_, cause)) = due {
            let cause = Some(cause);
            self.tell_core(&ToCore::Command(Command::Leave { cause }), Vec::new());
        }
    }

    /// What is done from time to time.
    fn look_around(&mut self) {
        let now = clock::boot();
        let limit = silence_limit(&self.settings);
        let late = now.since(self.looked) > LOOK_MAX + limit;
        self.looked = now;
        if self.leaving.is_some_and(|until| until <= now) && self.exit.is_none() {
            let text = "the core did not leave the cluster in time";
            self.recorder.say(Severity::Error, text);
            self.exit = Some(Exit::Failed);
        }
        self.look_after_messages();
        self.look_after_probes();
        self.look_at_departure();
        self.leave_after_messages();
        if now.since(self.retried) >= RETRY {
            self.retried = now;
            self.lacks_no_more_what_is_there();
            self.refresh_media();
            self.ensure_watchdog();
            self.keep_peers();
            self.reserve();
            self.keep_flight_again();
        }
        if now.since(self.load_told) >= LOAD {
            self.load_told = now;
            self.tell_load();
        }
        self.tell_service_manager(now);
        if let Some(cause) = self.core.due(now) {
            self.relaunch(cause);
        }
        if let Some(cause) = self.manager.due(now) {
            self.relaunch_manager(cause);
        }
        // While this process slept the core may have slept too.
        if !late {
            self.look_at_health(now);
        }
    }

    /// When to look around next.
    fn look_pause(&self) -> Duration {
        match self.leaving.is_some() || self.core.is_vacant() || self.manager.is_vacant() {
            true => LOOK_MIN,
            false if self.messages.has_clients() || self.probing.is_busy() => LOOK_AT_CLIENTS,
            false => {
                let sign_of_life = self.service.interval().unwrap_or(LOOK_MAX);
                let pause = self.settings.deadtime.min(sign_of_life);
                pause.clamp(LOOK_MIN, LOOK_MAX)
            }
        }
    }

    fn look_at_health(&mut self, now: Moment) {
        if self.leaving.is_some() {
            return;
        }
        if let Some(sent) = self.pulse.as_ref().and_then(PulseWatch::sent) {
            self.health.sent(sent);
        }
        let pulse = self.pulse.iter().filter(|_| self.health.is_sick());
        let live = pulse.flat_map(PulseWatch::memories).filter_map(|p| p.live);
        let signs = Signs {
            contact: live.filter_map(|live| live.heard).max(),
            manager_answers: self.manager_answers,
        };
        let change = self.health.look(now, signs, &self.settings);
        self.note_health(change, None);
        if self.is_without_manager(now) {
            self.release_without_manager();
        }
        self.look_at_self_fence(now);
    }

    /// Only the core's own signs of life are passed on, each once.
    fn tell_service_manager(&mut self, now: Moment) {
        if !self.service.listens() {
            return;
        }
        let lives = self.pulse.as_mut().is_some_and(PulseWatch::came_round);
        if lives && self.recorder.view().started.is_some() {
            self.service.core_lives(now);
        }
        if now.since(self.status_told) < LOOK_MAX / 2 {
            return;
        }
        self.status_told = now;
        let verdict = Verdict::of(&self.settings.node, &self.recorder.snapshot());
        self.service.status(&verdict.sentence);
    }

    fn tell_load(&mut self) {
        // The core sends what it has where this fails.
        if let Ok(text) = std::fs::read_to_string("/proc/loadavg") {
            let load = text.trim_end().to_owned();
            self.tell_core(&ToCore::Command(Command::LoadAverage(load)), Vec::new());
        }
    }

    /// Ends: state kept, files taken away, log written.
    fn finish(mut self) -> Exit {
        self.close_watchdog();
        self.writer.finish();
        drop(self.run);
        self.recorder.finish();
        self.exit.unwrap_or(Exit::Failed)
    }
}

/// How long a core may be silent.
fn silence_limit(settings: &Settings) -> Duration {
    shared::times::core_silence(settings.keepalive, settings.deadtime)
}
