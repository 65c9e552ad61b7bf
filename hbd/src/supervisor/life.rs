//! The lives of the core: how one begins, and what follows its death.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::time::Duration;

use hbd_core::{Command, Start};
use shared::event::{Cause, Kind, Role, Severity};
use shared::exit::Exit;
use shared::names::Generation;
use shared::time::Moment;

use super::Supervisor;
use super::flight::Flight;
use super::worker::{Core, Post};
use crate::channel::{Orders, ToCore};
use crate::clock;
use crate::flight::Reason;
use crate::pauses::PAUSE_MAX;
use crate::pulse::PulseWatch;

/// Until its first beat a core may take so long.
const FIRST_BEAT_LIMIT: Duration = Duration::from_secs(5);

impl Supervisor {
    /// Starts the next core. `cause` is the death of the one before.
    pub(super) fn relaunch(&mut self, cause: Option<Cause>) {
        if std::mem::take(&mut self.reconfigure) {
            self.media.reconfigure(&self.configured.config.media);
            self.refresh_media();
        }
        match self.run.lock(Role::Core) {
            Ok(lock) => {
                let generation = self.generations.take();
                self.launch(generation, lock, cause);
            }
            Err(error) => self.not_launched(error.to_string(), cause),
        }
    }

    pub(super) fn launch(&mut self, generation: Generation, lock: OwnedFd, cause: Option<Cause>) {
        let quick_restart = self.core_started;
        self.active &= quick_restart;
        let start = Start {
            generation,
            seed: seed(),
            quick_restart,
            cause: cause.clone(),
            memory: self.memory.values().cloned().collect(),
            former_pace: Some(self.pace).filter(|_| quick_restart),
            active: self.active,
        };
        let orders = Orders {
            settings: self.settings.clone(),
            start,
            rights: self.rights,
            allow_faults: self.allow_faults,
        };
        // Media first: what the core sends with its first breath is what tells peers of a restart.
        let changes = self.media.introduce();
        // Then clients, so that no peer finds them gone.
        self.messages.office.core_began();
        let clients: Vec<_> = std::iter::from_fn(|| self.messages.office.poll_order()).collect();
        let launched = self.run.make_door(Role::Core).and_then(|door| {
            let memory = &orders.start.memory;
            let (watch, shared) = PulseWatch::of_new_core(FIRST_BEAT_LIMIT, memory)?;
            let mut core = Core::spawn(Role::Core, self.run.path(), generation)?;
            for (message, descriptors) in changes.messages {
                core.tell(&message, descriptors)?;
            }
            for (message, descriptors) in self.watchdog.introduction(self.may_hold()) {
                core.tell(&message, descriptors)?;
            }
            for order in clients {
                core.tell(&ToCore::Command(Command::Session(order)), Vec::new())?;
            }
            let descriptors = [lock, door].into_iter().chain(shared).collect();
            core.tell(&ToCore::Start(Box::new(orders)), descriptors)?;
            Ok((core, watch))
        });
        match launched {
            Ok((core, watch)) => {
                self.pulse = Some(watch);
                self.run.name(Role::Core, core.pid());
                self.core = Post::Held(Box::new(core));
                self.core_started = true;
                self.load_told = Moment::default();
                self.pair_up();
            }
            Err(error) => self.not_launched(error.to_string(), cause),
        }
        self.carry_messages();
        for event in changes.events {
            self.recorder.note(event, None);
        }
        self.reserve();
    }

    pub(super) fn not_launched(&mut self, why: String, cause: Option<Cause>) {
        let text = format!("the core could not be started: {why}");
        self.recorder.say(Severity::Error, &text);
        self.messages.office.core_died();
        self.core = Post::Vacant(clock::boot() + PAUSE_MAX, cause);
    }

    /// The core is gone.
    pub(super) fn core_died(&mut self, how: String, since: Moment, flight: Option<Flight>) {
        self.messages.office.core_died();
        self.carry_messages();
        if self.leaving.is_some() {
            self.exit.get_or_insert(Exit::Failed);
        }
        let id = self.recorder.note(Kind::CoreDied { how }, None);
        if let Some(flight) = flight {
            let cause = Some(Cause::Event(id.clone()));
            self.keep_flight(flight, Reason::Death, cause, None);
        }
        if self.leaving.is_some() {
            return;
        }
        let now = clock::boot();
        let pause = self.core_pauses.after(now.since(since));
        let cause = Some(Cause::Event(id));
        if pause.is_zero() {
            self.relaunch(cause);
        } else {
            self.core = Post::Vacant(now + pause, cause);
        }
    }
}

/// Chance for what must differ between two lives and two nodes.
pub(super) fn seed() -> u64 {
    let mut bytes = [0; 8];
    let read: io::Result<()> =
        std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    match read {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(_) => clock::now().wall.0 ^ u64::from(std::process::id()).rotate_left(32),
    }
}
