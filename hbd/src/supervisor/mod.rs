//! The supervisor: configuration, descriptors, control socket, log; it starts the core and
//! starts it again when it dies.
//!
//! ```text
//! signals ---+
//! core    ---+                    +--> core: media, orders, load average
//! links   ---+--> Supervisor -----+--> Recorder: view, ring, log, subscribers
//! clients ---+                    +--> Writer: generation, peers
//! disk    ---+
//! ```
//!
//! A core that dies is replaced at once under the next generation, with what the last one knew
//! of its peers: they see a restart and no death. One that dies again and again is started with
//! growing pauses.

mod core_child;
mod log;
mod media;
mod reactor;
mod recorder;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::time::Duration;

use hbd_core::{Command, PeerMemory, Settings, Start};
use nix::unistd::{User, geteuid};
use shared::api::{
    API_NEWEST, API_OLDEST, ClientRole, ErrorCode, Failure, Fault, Hello, Request, ServerFrame,
    Success,
};
use shared::config::Diagnostic;
use shared::event::{Cause, EventSource, Kind, Role, Severity};
use shared::exit::Exit;
use shared::names::NodeName;
use shared::time::Moment;
use tokio::sync::mpsc;

pub(crate) use recorder::{Line, line};

use crate::channel::{FromCore, Lack, Orders, Rights, ToCore};
use crate::cli::Options;
use crate::clock;
use crate::control::access::Access;
use crate::control::{self, Answer, Ask, Control, Repeated};
use crate::medium::interface::Interfaces;
use crate::run_directory::RunDirectory;
use crate::startup::{self, Prepared, StartError};
use crate::state::{Generations, Job, Peers, StateError, Writer};
use core_child::CoreChild;
use log::Log;
use media::{Changes, Media};
use recorder::Recorder;
use watch::Watch;

/// The user of the core, and who it is where that one does not exist.
const CORE_USER: &str = "hbd-core";
const CORE_USER_ELSE: &str = "nobody";
/// Realtime priority of the core unless `rtprio` says another: the lowest.
const PRIORITY: u8 = 1;
/// A core that lived for so long did not die at once.
const SETTLED: Duration = Duration::from_secs(10);
/// The pause before a core that died at once again: doubles from the first to the second.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A core may take so long to leave the cluster.
const LEAVE_LIMIT: Duration = Duration::from_secs(15);
/// Silence of a core that is put up with is at least so many keepalives, else a part of deadtime.
const SILENT_KEEPALIVES: u32 = 3;
const SILENT_PART: u32 = 4;
/// Media that failed, and state that was not kept, are tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Load average for peers.
const LOAD: Duration = Duration::from_secs(1);
/// Results of disk jobs that wait.
const DISK_RESULTS: usize = 64;

/// Runs the daemon until it is told to end.
pub(crate) fn run(options: &Options) -> Exit {
    match try_run(options) {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("hbd: {error}");
            error.exit()
        }
    }
}

fn try_run(options: &Options) -> Result<Exit, StartError> {
    let prepared = startup::prepare(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| StartError::System {
            operation: "start the runtime",
            error,
        })?;
    runtime.block_on(async {
        let supervisor = Supervisor::start(options, prepared)?;
        reactor::run(supervisor).await
    })
}

/// The core, or what is between two of them.
enum CoreState {
    Running(Box<CoreChild>),
    /// A new one is started then.
    Waiting(Moment, Option<Cause>),
    /// There will be none.
    Ended,
}

/// Everything the supervisor holds.
struct Supervisor {
    settings: Settings,
    allow_faults: bool,
    rights: Rights,
    run: RunDirectory,
    recorder: Recorder,
    media: Media,
    core: CoreState,
    core_started: bool,
    deaths_at_once: u32,
    memory: BTreeMap<NodeName, PeerMemory>,
    /// The memory on the disk, and whether it is another.
    peers: Peers,
    peers_changed: bool,
    generations: Generations,
    reserving: bool,
    writer: Writer,
    /// What was told to be lacking, so that it is told once.
    lacks: BTreeSet<String>,
    orders: control::Orders,
    /// When the core is to have left at the latest.
    leaving: Option<Moment>,
    exit: Option<Exit>,
    retried: Moment,
    load_told: Moment,
    looked: Moment,
}

/// What the supervisor waits for besides the core.
struct Sources {
    control: Control,
    asks: mpsc::Receiver<Ask>,
    disk: mpsc::Receiver<Result<Job, StateError>>,
    watch: Option<Watch>,
}

impl Supervisor {
    /// Opens what is there, starts the core, listens. Needs a runtime.
    fn start(options: &Options, prepared: Prepared) -> Result<(Self, Sources), StartError> {
        let Prepared {
            config,
            warnings,
            run,
            state,
        } = prepared;
        let startup::State {
            settings,
            mut generations,
            peers,
            peers_problem,
            taken_over,
        } = state;
        let lock = run.core_lock(true)?;
        let own = geteuid().as_raw();
        let (user, user_lack) = core_user(own);
        let hello = Hello {
            api: (API_OLDEST, API_NEWEST),
            version: settings.version.clone(),
            node: settings.node.clone(),
            role: ClientRole::None,
        };
        let access = Access::new(&config.api, own, user.map(|(user, _)| user));
        let (control, asks) = Control::listen(&run.socket(), access, hello)?;
        let (done, disk) = mpsc::channel(DISK_RESULTS);
        let writer = Writer::start(options.state.clone(), move |result| {
            // Too many results that nobody takes: each is found out again.
            let _ = done.try_send(result);
        });
        let generation = generations.take();
        let source = EventSource::new(settings.node.clone(), Role::Supervisor, generation);
        let realtime = &config.realtime;
        let mut supervisor = Self {
            rights: Rights {
                priority: realtime
                    .enabled
                    .then_some(realtime.priority.unwrap_or(PRIORITY)),
                user,
            },
            allow_faults: options.allow_faults,
            media: Media::new(&config.media),
            run,
            recorder: Recorder::new(source, Log::start()),
            core: CoreState::Ended,
            core_started: false,
            deaths_at_once: 0,
            memory: peers
                .peers
                .iter()
                .map(|peer| (peer.node.clone(), peer.clone()))
                .collect(),
            peers,
            peers_changed: false,
            generations,
            reserving: false,
            writer,
            lacks: BTreeSet::new(),
            orders: control::Orders::default(),
            leaving: None,
            exit: None,
            retried: clock::boot(),
            load_told: Moment::default(),
            looked: clock::boot(),
            settings,
        };
        let watch = supervisor.watch();
        supervisor.introduce_itself(&warnings, taken_over, peers_problem);
        supervisor.launch(generation, lock, None);
        supervisor.refresh_media();
        if let Some(lack) = user_lack {
            supervisor.lack(lack);
        }
        let sources = Sources {
            control,
            asks,
            disk,
            watch,
        };
        Ok((supervisor, sources))
    }

    fn watch(&mut self) -> Option<Watch> {
        match Watch::new() {
            Ok(watch) => Some(watch),
            Err(error) => {
                self.lack(Lack {
                    what: "notices of changed interfaces".into(),
                    why: format!("netlink: {error}"),
                    remedy: "allow hbd NETLINK_ROUTE sockets; until then changes are seen within \
                             5 s"
                    .into(),
                });
                None
            }
        }
    }

    fn introduce_itself(
        &mut self,
        warnings: &[Diagnostic],
        taken_over: Vec<&'static str>,
        peers_problem: Option<StateError>,
    ) {
        for name in taken_over {
            let text = format!(
                "{name} was taken over from {}",
                crate::state::HEARTBEAT_STATE
            );
            self.recorder.say(Severity::Notice, &text);
        }
        for warning in warnings {
            let place = match &warning.spot {
                Some(spot) => format!("{}:{}", warning.file, spot.line),
                None => warning.file.to_string(),
            };
            let kind = Kind::ConfigWarning {
                place,
                warning: warning.message.clone(),
            };
            self.recorder.note(kind, None);
        }
        if let Some(problem) = peers_problem {
            self.lack(Lack {
                what: "memory of peers".into(),
                why: problem.to_string(),
                remedy: "none is needed once each peer was heard".into(),
            });
        }
    }

    /// Starts the next core. `cause` is the death of the one before.
    fn relaunch(&mut self, cause: Option<Cause>) {
        match self.run.core_lock(false) {
            Ok(lock) => {
                let generation = self.generations.take();
                self.launch(generation, lock, cause);
            }
            Err(error) => self.not_launched(error.to_string(), cause),
        }
    }

    fn launch(
        &mut self,
        generation: shared::names::Generation,
        lock: std::os::fd::OwnedFd,
        cause: Option<Cause>,
    ) {
        let quick_restart = self.core_started;
        let start = Start {
            generation,
            seed: seed(),
            quick_restart,
            cause: cause.clone(),
            memory: self.memory.values().cloned().collect(),
        };
        let orders = Orders {
            settings: self.settings.clone(),
            start,
            rights: self.rights,
            allow_faults: self.allow_faults,
        };
        // Media first: what the core sends with its first breath is what tells peers of a restart.
        let changes = self.media.introduce();
        let launched = CoreChild::spawn().and_then(|mut core| {
            for (message, descriptors) in changes.messages {
                core.tell(&message, descriptors)?;
            }
            core.tell(&ToCore::Start(Box::new(orders)), vec![lock])?;
            Ok(core)
        });
        match launched {
            Ok(core) => {
                self.core = CoreState::Running(Box::new(core));
                self.core_started = true;
                self.load_told = Moment::default();
            }
            Err(error) => self.not_launched(error.to_string(), cause),
        }
        for event in changes.events {
            self.recorder.note(event, None);
        }
        self.reserve();
    }

    fn not_launched(&mut self, why: String, cause: Option<Cause>) {
        let text = format!("the core could not be started: {why}");
        self.recorder.say(Severity::Error, &text);
        self.deaths_at_once += 1;
        self.core = CoreState::Waiting(clock::boot() + PAUSE_MAX, cause);
    }

    /// The core is gone.
    fn core_died(&mut self, how: String, since: Moment) {
        if self.leaving.is_some() {
            self.core = CoreState::Ended;
            self.exit.get_or_insert(Exit::Failed);
        }
        let id = self.recorder.note(Kind::CoreDied { how }, None);
        if self.leaving.is_some() {
            return;
        }
        let now = clock::boot();
        if now.since(since) < SETTLED {
            self.deaths_at_once += 1;
        } else {
            self.deaths_at_once = 0;
        }
        let cause = Some(Cause::Event(id));
        match pause(self.deaths_at_once) {
            Duration::ZERO => self.relaunch(cause),
            pause => self.core = CoreState::Waiting(now + pause, cause),
        }
    }

    /// How long a core may be silent.
    fn silence_limit(&self) -> Duration {
        (self.settings.deadtime / SILENT_PART).max(self.settings.keepalive * SILENT_KEEPALIVES)
    }

    fn heard(&mut self, message: FromCore) {
        match message {
            FromCore::Alive => {}
            FromCore::Event(event) => self.recorder.record(*event),
            FromCore::Sample(sample) => self.recorder.sample(*sample),
            FromCore::Remember(memory) => self.remember(*memory),
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
            FromCore::Left => self.exit = Some(Exit::Done),
        }
    }

    fn remember(&mut self, memory: PeerMemory) {
        let former = self.memory.get(&memory.node);
        let identity = |memory: &PeerMemory| (memory.uuid, memory.generation);
        if former.map(identity) != Some(identity(&memory)) {
            self.peers_changed = true;
        }
        self.memory.insert(memory.node.clone(), memory);
        self.keep_peers();
    }

    /// Hands the disk what it should know, without what only a quick restart may.
    fn keep_peers(&mut self) {
        if !self.peers_changed {
            return;
        }
        let peers = self
            .memory
            .values()
            .map(|memory| PeerMemory {
                live: None,
                ..memory.clone()
            })
            .collect();
        self.peers = Peers { peers };
        self.peers_changed = !self.writer.submit(Job::Peers(self.peers.clone()));
    }

    /// Reserves generations before they run out.
    fn reserve(&mut self) {
        if let Some(to) = self.generations.short_of()
            && !self.reserving
        {
            self.reserving = self.writer.submit(Job::Generation(to));
        }
    }

    fn kept(&mut self, result: Result<Job, StateError>) {
        match result {
            Ok(Job::Generation(to)) => {
                self.generations.reserved_to(to);
                self.reserving = false;
            }
            Ok(Job::Peers(_)) => {}
            Err(error) => {
                self.reserving = false;
                self.peers_changed = true;
                self.lack(Lack {
                    what: "memory across a restart of hbd".into(),
                    why: error.to_string(),
                    remedy: "hbd goes on and tries again every 5 s".into(),
                });
            }
        }
    }

    fn lack(&mut self, lack: Lack) {
        if self.lacks.insert(lack.what.clone()) {
            let Lack { what, why, remedy } = lack;
            self.recorder
                .note(Kind::Degraded { what, why, remedy }, None);
        }
    }

    fn refresh_media(&mut self) {
        match Interfaces::read() {
            Ok(interfaces) => {
                let changes = self.media.refresh(&interfaces);
                self.carry_out(changes);
            }
            Err(error) => self.lack(Lack {
                what: "the list of interfaces".into(),
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
    fn tell_core(&mut self, message: &ToCore, descriptors: Vec<std::os::fd::OwnedFd>) {
        if let CoreState::Running(core) = &mut self.core
            && let Err(error) = core.tell(message, descriptors)
        {
            let text = format!("a message for the core was lost: {error}");
            self.recorder.say(Severity::Error, &text);
        }
    }

    /// Leaves the cluster; told once more, ends at once.
    fn leave(&mut self, signal: &str) {
        if self.leaving.is_some() {
            let text = format!("{signal} again: ending without leaving the cluster in order");
            self.recorder.say(Severity::Warning, &text);
            self.exit = Some(Exit::Failed);
            return;
        }
        self.leaving = Some(clock::boot() + LEAVE_LIMIT);
        match self.core {
            CoreState::Running(_) => {
                let cause = Some(Cause::Order(signal.to_owned()));
                self.tell_core(&ToCore::Command(Command::Leave { cause }), Vec::new());
            }
            CoreState::Waiting(..) | CoreState::Ended => self.exit = Some(Exit::Failed),
        }
    }

    /// What is done from time to time. Returns how long the core has been silent, if too long.
    fn look_around(&mut self) -> Option<Duration> {
        let now = clock::boot();
        let late = now.since(self.looked) > self.silence_limit();
        self.looked = now;
        if self.leaving.is_some_and(|until| until <= now) && self.exit.is_none() {
            let text = "the core did not leave the cluster in time";
            self.recorder.say(Severity::Error, text);
            self.exit = Some(Exit::Failed);
        }
        if now.since(self.retried) >= RETRY {
            self.retried = now;
            self.refresh_media();
            self.keep_peers();
            self.reserve();
        }
        if now.since(self.load_told) >= LOAD {
            self.load_told = now;
            self.tell_load();
        }
        if let CoreState::Waiting(until, cause) = &self.core
            && *until <= now
        {
            let cause = cause.clone();
            self.relaunch(cause);
        }
        // Whoever slept himself has not heard what was said meanwhile.
        if late {
            return None;
        }
        match &self.core {
            CoreState::Running(core) => core.silent_beyond(self.silence_limit()),
            CoreState::Waiting(..) | CoreState::Ended => None,
        }
    }

    fn tell_load(&mut self) {
        // The core sends what it has where this fails.
        if let Ok(text) = std::fs::read_to_string("/proc/loadavg") {
            let load = text.trim_end().to_owned();
            self.tell_core(&ToCore::Command(Command::LoadAverage(load)), Vec::new());
        }
    }

    fn answer(&mut self, ask: Ask) {
        let id = ask.frame.id;
        let mut stream = None;
        let mut lines = Vec::new();
        let outcome = match ask.frame.request {
            Request::Snapshot => Ok(Success::Snapshot(Box::new(self.recorder.snapshot()))),
            Request::Events { limit } => {
                let events = self.recorder.recent(limit).cloned().collect();
                Ok(Success::Events(events))
            }
            Request::Subscribe { recent } => {
                lines.extend(self.recorder.recent(recent).map(|event| {
                    line(&ServerFrame::Event {
                        event: Box::new(event.clone()),
                    })
                }));
                stream = Some(self.recorder.subscribe());
                Ok(Success::Snapshot(Box::new(self.recorder.snapshot())))
            }
            Request::Fault(fault) => self.order(&fault, ask.frame.key, &ask.who),
        };
        lines.push(line(&match outcome {
            Ok(ok) => ServerFrame::Ok { id, ok },
            Err(error) => ServerFrame::Error { id, error },
        }));
        // The client may have gone meanwhile.
        let _ = ask.answer.send(Answer { lines, stream });
    }

    /// An order is carried out once under one key.
    fn order(&mut self, fault: &Fault, key: Option<String>, who: &str) -> Result<Success, Failure> {
        let Some(key) = key else {
            return self.inject(fault, who);
        };
        let now = clock::boot();
        let request = Request::Fault(fault.clone());
        match self.orders.look_up(&key, &request, now) {
            Repeated::Yes(outcome) => outcome,
            Repeated::No => {
                let outcome = self.inject(fault, who);
                self.orders.remember(key, request, outcome.clone(), now);
                outcome
            }
        }
    }

    fn inject(&mut self, fault: &Fault, who: &str) -> Result<Success, Failure> {
        if !self.allow_faults {
            return Err(Failure {
                code: ErrorCode::Refused,
                text: "hbd runs without --allow-faults; faults are for tests".into(),
            });
        }
        if fault.loss_percent > 100 {
            return Err(Failure {
                code: ErrorCode::BadRequest,
                text: format!("loss_percent is {}, more than 100", fault.loss_percent),
            });
        }
        let Some(changes) = self.media.fault(fault) else {
            let known: Vec<_> = self.media.names().map(ToString::to_string).collect();
            return Err(Failure {
                code: ErrorCode::NotFound,
                text: format!(
                    "no medium {}; there are: {}",
                    fault.medium,
                    known.join(", ")
                ),
            });
        };
        for (message, descriptors) in changes.messages {
            self.tell_core(&message, descriptors);
        }
        for event in changes.events {
            self.recorder
                .note(event, Some(Cause::Order(who.to_owned())));
        }
        Ok(Success::Done)
    }

    /// Ends: state kept, files taken away, log written.
    fn finish(self) -> Exit {
        self.writer.finish();
        let mut recorder = self.recorder;
        if let Err(error) = self.generations.close() {
            recorder.say(Severity::Warning, &error.to_string());
        }
        drop(self.run);
        recorder.finish();
        self.exit.unwrap_or(Exit::Failed)
    }
}

/// No pause after the first death; then from [`PAUSE_MIN`], doubling, up to [`PAUSE_MAX`].
fn pause(deaths_at_once: u32) -> Duration {
    match deaths_at_once.checked_sub(2) {
        None => Duration::ZERO,
        Some(doublings) => PAUSE_MIN
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(PAUSE_MAX),
    }
}

/// Who the core is to run as: only root can choose.
fn core_user(own: u32) -> (Option<(u32, u32)>, Option<Lack>) {
    if own != 0 {
        return (None, None);
    }
    let find = |name| {
        let user = User::from_name(name).ok().flatten()?;
        Some((user.uid.as_raw(), user.gid.as_raw()))
    };
    if let Some(user) = find(CORE_USER) {
        return (Some(user), None);
    }
    let lack = Lack {
        what: "a user of the core's own".into(),
        why: format!("there is no user {CORE_USER}; it runs as {CORE_USER_ELSE}"),
        remedy: format!("adduser --system --group --no-create-home {CORE_USER}"),
    };
    (find(CORE_USER_ELSE), Some(lack))
}

/// Chance for what must differ between two lives and two nodes.
fn seed() -> u64 {
    let mut bytes = [0; 8];
    let read: io::Result<()> =
        std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    match read {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(_) => clock::now().wall.0 ^ u64::from(std::process::id()).rotate_left(32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_dies_again_and_again_is_started_with_growing_pauses() {
        let pauses: Vec<_> = (0..10).map(|deaths| pause(deaths).as_millis()).collect();
        assert_eq!(pauses, [0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(pause(u32::MAX), PAUSE_MAX);
    }
}
