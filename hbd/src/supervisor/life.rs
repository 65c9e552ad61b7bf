//! The lives of the core: how one begins, and what follows its death.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::time::Duration;

use hbd_core::Start;
use shared::event::{Cause, Kind, Severity};
use shared::exit::Exit;
use shared::names::Generation;
use shared::time::Moment;

use super::core_child::CoreChild;
use super::{CoreState, Supervisor};
use crate::channel::{Orders, ToCore};
use crate::clock;

/// A core that lived for so long did not die at once.
const SETTLED: Duration = Duration::from_secs(10);
/// The pause before a core that died at once again: doubles from the first to the second.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

impl Supervisor {
    /// Starts the next core. `cause` is the death of the one before.
    pub(super) fn relaunch(&mut self, cause: Option<Cause>) {
        if std::mem::take(&mut self.reconfigure) {
            self.media.reconfigure(&self.configured.config.media);
            self.refresh_media();
        }
        match self.run.core_lock(false) {
            Ok(lock) => {
                let generation = self.generations.take();
                self.launch(generation, lock, cause);
            }
            Err(error) => self.not_launched(error.to_string(), cause),
        }
    }

    pub(super) fn launch(&mut self, generation: Generation, lock: OwnedFd, cause: Option<Cause>) {
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
                if let Some(pid) = core.pid() {
                    self.run.name_core(pid);
                }
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

    pub(super) fn not_launched(&mut self, why: String, cause: Option<Cause>) {
        let text = format!("the core could not be started: {why}");
        self.recorder.say(Severity::Error, &text);
        self.deaths_at_once += 1;
        self.core = CoreState::Waiting(clock::boot() + PAUSE_MAX, cause);
    }

    /// The core is gone.
    pub(super) fn core_died(&mut self, how: String, since: Moment) {
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
