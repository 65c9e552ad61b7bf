//! The start of a supervisor: what it opens, what it finds, and what it says of itself.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;

use nix::unistd::geteuid;
use shared::api::{API_NEWEST, API_OLDEST, ClientRole, Hello};
use shared::config::Diagnostic;
use shared::event::{EventSource, Incarnation, Role, Severity};
use shared::time::Moment;
use tokio::sync::mpsc;

use super::adoption::{self, FoundCore, FoundManager};
use super::flight::Flights;
use super::health::Health;
use super::manager::Managed;
use super::media::Media;
use super::messages::Messages;
use super::ordering::Ordering;
use super::probing::Probing;
use super::recorder::{self, Past, Recorder};
use super::reload::Configured;
use super::self_fence::SelfFence;
use super::stall::Stalls;
use super::upgrade::{Handover, Upgrading};
use super::warnings::warning_texts;
use super::watch::Watch;
use super::watchdog::Watchdog;
use super::worker::Post;
use super::{
    DISK_RESULTS, GREETING_LIMIT_MIN, LOG_NEWS, MODEM_NEWS, Sources, Supervisor, keeping, life,
    requests, silence_limit,
};
use crate::channel::Lack;
use crate::cli::Options;
use crate::control::access::Access;
use crate::control::{self, Control};
use crate::journal::Journal;
use crate::log::{self, Log};
use crate::pauses::Pauses;
use crate::service_manager::{self, ServiceManager};
use crate::startup::{self, Prepared, Problem, StartError};
use crate::state::{StateError, Writer, heartbeat_beside};
use crate::{clock, oom, program, rights};

impl Supervisor {
    /// Opens what is there, goes on with workers that live or starts them, listens. Needs a
    /// runtime.
    pub(super) async fn start(
        options: &Options,
        prepared: Prepared,
        kept: Option<OwnedFd>,
    ) -> Result<(Self, Sources), StartError> {
        let Prepared {
            config,
            warnings,
            files,
            addresses,
            problem,
            run,
            state,
            watchdog,
        } = prepared;
        let startup::State {
            held,
            settings,
            mut generations,
            unreserved,
            unlocked,
            peers,
            peers_problem,
            taken_over,
        } = state;
        let greet = silence_limit(&settings).max(GREETING_LIMIT_MIN);
        let (core, _): (FoundCore, _) = adoption::find(&run, Role::Core, greet).await?;
        let (manager, left): (FoundManager, _) = adoption::find(&run, Role::Manager, greet).await?;
        for greeting in core.greeting().into_iter().chain(manager.greeting()) {
            generations.skip_to(greeting.generation);
        }
        if let Some(left) = &left {
            generations.skip_to(left.generation());
        }
        let own = geteuid().as_raw();
        let (rights, user_lack) = rights::of_core(&config.realtime, &config.timing, own);
        let protection = config
            .realtime
            .enabled
            .then(|| oom::protect(oom::SUPERVISOR))
            .flatten();
        let hello = Hello {
            api: (API_OLDEST, API_NEWEST),
            version: settings.version.clone(),
            node: settings.node.clone(),
            role: ClientRole::None,
        };
        let access = Access::new(&config.api, own, rights.user.map(|(user, _)| user));
        let (control, asks) = Control::listen(&run.socket(), kept, access, hello)?;
        let (mut service, mute) = match ServiceManager::from_environment() {
            Ok(service) => (service, None),
            Err(error) => (ServiceManager::none(), Some(mute(&error))),
        };
        service.keep_control(control.descriptor());
        let (done, disk) = mpsc::channel(DISK_RESULTS);
        let heartbeat = heartbeat_beside(&options.state);
        let writer = Writer::start(options.state.clone(), heartbeat, move |result| {
            // Too many results that nobody takes: each is found out again.
            let _ = done.try_send(result);
        })
        .map_err(no_thread("the state"))?;
        let (kept, flights) = mpsc::channel(DISK_RESULTS);
        let (tell, reports) = mpsc::channel(DISK_RESULTS);
        let (journal, restored) =
            Journal::open(&options.state, recorder::RECENT_MAX, move |report| {
                // The disk fails and works in turn, seconds apart.
                let _ = tell.try_send(report);
            })
            .map_err(no_thread("the journal"))?;
        let after = core.greeting().map(|greeting| {
            restored.lives.last(Incarnation {
                role: Role::Core,
                generation: greeting.generation,
            })
        });
        let told = warning_texts(&warnings);
        let past = match after {
            Some(after) if after > 0 => Past::Lives(&told),
            _ if core.is_trace() || manager.is_trace() => Past::CoreGone,
            _ => Past::Gone,
        };
        // One release at most is under way.
        let (released, releases) = mpsc::channel(1);
        let managed = Managed {
            released,
            failed: false,
            all_released: false,
            told: restored.lives.last_of(Role::Manager).cloned(),
            retiring: None,
            fresh: matches!(past, Past::Gone),
        };
        let unfinished = match past {
            Past::Gone => restored.unfinished(clock::boot()),
            Past::Lives(_) | Past::CoreGone => None,
        };
        let was_active = restored.view.is_active(&settings.node);
        let log_plan = log::Plan {
            logging: config.logging.clone(),
            bad_packets: config.log_badpack,
            node: settings.node.clone(),
            in_journal: log::stderr_is_journal(),
            syslog: options.syslog.clone(),
            journal: options.journal.clone(),
        };
        let (news, log) = mpsc::channel(LOG_NEWS);
        // One that comes from the clock may have been used in this very second.
        generations.skip_to(restored.lives.newest());
        let newest = restored.lives.newest_core();
        let generation = generations.take();
        let source = EventSource::new(settings.node.clone(), Role::Supervisor, generation);
        let (sees, modems) = mpsc::channel(MODEM_NEWS);
        let media = Media::new(&config.media, sees);
        let watchdog = Watchdog::new(watchdog, config.watchdog.clone());
        let copies = files.clone();
        let (configured, reads) =
            Configured::new(options.config.clone(), settings.node.clone(), config, files);
        let (upgrade, checks) = Upgrading::new(options);
        let (probing, looks) = Probing::new();
        let (self_fence, self_fences) = SelfFence::new();
        let handover = Handover::take(run.path());
        let mut supervisor = Self {
            configured,
            rights,
            service,
            allow_faults: options.allow_faults,
            media,
            messages: Messages::new(life::seed()),
            probing,
            run,
            _state: held,
            recorder: Recorder::new(
                source,
                Log::start(&log_plan, news).map_err(no_thread("the log"))?,
                journal,
                restored,
                past,
            ),
            core: Post::Closed,
            pulse: None,
            core_started: false,
            active: was_active,
            pace: settings.times().pace(),
            retiring: None,
            reconfigure: false,
            core_pauses: Pauses::default(),
            manager: Post::Closed,
            manager_answers: false,
            manager_pauses: Pauses::default(),
            managed,
            releasing: None,
            health: Health::new(clock::boot()),
            self_fence,
            watchdog,
            stalls: Stalls::default(),
            memory: peers
                .peers
                .iter()
                .map(|peer| (peer.node.clone(), peer.clone()))
                .collect(),
            peers,
            peers_changed: false,
            generations,
            generation,
            reserving: false,
            writer,
            lacks: BTreeSet::new(),
            inherited: Vec::new(),
            orders: control::Orders::default(),
            ordering: Ordering::default(),
            program: program::path().map_err(|error| StartError::System {
                operation: "find the program file",
                error,
            })?,
            handover,
            upgrade,
            readers: requests::readers(),
            last_messages: None,
            flights: Flights::new(options.state.clone(), kept),
            leaving: None,
            exit: None,
            retried: clock::boot(),
            load_told: Moment::default(),
            status_told: Moment::default(),
            looked: clock::boot(),
            settings,
        };
        supervisor.recorder.name_config(&options.config);
        supervisor.name_groups();
        if let Some(ended) = unfinished {
            supervisor.recorder.note(ended, None);
        }
        let watch = supervisor.watch();
        if matches!(past, Past::Lives(_)) {
            supervisor.remember_view();
        }
        supervisor.remember_self_fence();
        supervisor.take_handover();
        supervisor
            .take_over(core, (manager, left), after.unwrap_or(0), newest)
            .await;
        if problem.is_none() {
            supervisor.end_refusal();
        }
        supervisor.introduce_itself(&warnings, taken_over, peers_problem);
        match problem {
            None => supervisor.keep_accepted(&copies, &addresses),
            Some(Problem::Bad(error)) => supervisor.tell_of_bad_files(&error),
            Some(Problem::Unresolved(why)) => supervisor.reload_later(&why),
        }
        if let Some(error) = unreserved {
            supervisor.kept(Err(error));
        }
        let unlocked = unlocked.as_ref().map(unlocked_state);
        for lack in user_lack
            .into_iter()
            .chain(protection)
            .chain(mute)
            .chain(unlocked)
        {
            supervisor.lack(lack);
        }
        let sources = Sources {
            control,
            asks,
            disk,
            journal: reports,
            flights,
            reads,
            checks,
            log,
            releases,
            modems,
            looks,
            self_fences,
            watch,
        };
        Ok((supervisor, sources))
    }

    /// What a former supervisor told is told.
    fn remember_view(&mut self) {
        let view = self.recorder.view();
        self.media.believe(view);
        self.inherited.clone_from(&view.lacks);
        self.health.remember(view.sick.is_some(), clock::boot());
        self.configured.refused = !view.config_refused.is_empty();
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

    /// The configuration on the disk has errors, and the copies of the one that runs were read.
    fn tell_of_bad_files(&mut self, error: &StartError) {
        self.recorder.say(Severity::Critical, &error.to_string());
        self.begin_refusal(error);
        self.lack(Lack {
            what: keeping::BAD_FILES.into(),
            why: "it has errors, and hbd goes on with a copy of the one it ran with".into(),
            remedy: "hactl check names the errors; a start of all of hbd would be refused".into(),
        });
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
        self.note_warnings(warnings);
        if let Some(problem) = peers_problem {
            self.lack(Lack {
                what: keeping::PEERS.into(),
                why: problem.to_string(),
                remedy: "none is needed once each peer was heard".into(),
            });
        }
    }
}

fn no_thread(what: &'static str) -> impl Fn(std::io::Error) -> StartError {
    move |error| StartError::Thread { what, error }
}

/// A state directory whose disk took no lock.
fn unlocked_state(error: &StateError) -> Lack {
    Lack {
        what: "the lock of the state directory".into(),
        why: error.to_string(),
        remedy: "start no other hbd on that directory; the next start of hbd takes it".into(),
    }
}

/// Word to the service manager that cannot be sent.
fn mute(error: &std::io::Error) -> Lack {
    Lack {
        what: "word to the service manager".into(),
        why: format!("the socket in {}: {error}", service_manager::SOCKET),
        remedy: "see who set that variable; systemd, if it waits for word, counts hbd as not \
                 started"
            .into(),
    }
}
