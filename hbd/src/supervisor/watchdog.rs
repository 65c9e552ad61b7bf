//! The supervisor's part in the [watchdog](crate::watchdog): it opens the device, hands it to each core,
//! and closes it in the end.
//!
//! ```text
//! start --> opened, or no start --> core --> next core
//!                                     |
//!                      next supervisor, from the core; else opened anew, running
//! end, nothing held --> 'V', closed
//! end, else ----------> closed: the machine is reset
//! ```

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use shared::config::ManagerKind;
use shared::event::{Severity, Span};

use super::Supervisor;
use crate::channel::{Lack, ToCore, WatchdogNews};
use crate::watchdog::{Card, Device, LACK};

/// What is missing while it takes no writes.
const WRITING: &str = "signs of life to the watchdog";

/// The device, if one is configured.
pub(super) struct Watchdog {
    device: Option<Device>,
    /// The one that is configured: what a reload changes counts from the next start on.
    wanted: Option<PathBuf>,
    /// Nobody feeds it any more.
    starved: bool,
    /// The supervisor stops what is held.
    releasing: bool,
}

impl Watchdog {
    /// That was opened at the start.
    pub(super) fn new(device: Option<Device>, wanted: Option<PathBuf>) -> Self {
        Self {
            device,
            wanted,
            starved: false,
            releasing: false,
        }
    }

    /// It resets the machine unless it is fed, after so long.
    pub(super) fn armed(&self) -> Option<Duration> {
        let card = self.device.as_ref().map(|device| &device.card)?;
        card.armed.then_some(card.timeout)
    }

    /// What a new core is told before it starts.
    pub(super) fn introduction(&self, holds: bool) -> Vec<(ToCore, Vec<OwnedFd>)> {
        let mut messages = Vec::new();
        if let Some(device) = &self.device
            && let Ok(descriptor) = device.descriptor()
        {
            let card = device.card.clone();
            messages.push((ToCore::Watchdog { card, holds }, vec![descriptor]));
        }
        if self.releasing {
            messages.push((ToCore::Releasing, Vec::new()));
        }
        if self.starved {
            messages.push((ToCore::Starve, Vec::new()));
        }
        messages
    }
}

impl Supervisor {
    /// Whether a group may be held here.
    pub(super) fn may_hold(&self) -> bool {
        self.configured.config.resources.manager != ManagerKind::None
    }

    /// The core that is adopted has it.
    pub(super) fn adopt_watchdog(&mut self, card: Card, starved: bool, descriptors: Vec<OwnedFd>) {
        let descriptor = descriptors.into_iter().next();
        let device = descriptor.map(|descriptor| Device::adopt(descriptor, card));
        self.watchdog.device = device;
        self.watchdog.starved = starved;
    }

    /// Has it, if it is configured. Where something of hbd ran, the device runs; nobody knows it who
    /// lives.
    pub(super) fn ensure_watchdog(&mut self) {
        let timing = self.configured.config.timing;
        if let (Some(path), None) = (&self.watchdog.wanted, &self.watchdog.device) {
            match Device::open(path, timing.deadtime, timing.keepalive, false) {
                Ok(device) => {
                    self.watchdog.device = Some(device);
                    if let Some((message, descriptors)) = self
                        .watchdog
                        .introduction(self.may_hold())
                        .into_iter()
                        .next()
                    {
                        self.tell_core(&message, descriptors);
                    }
                }
                Err(error) => {
                    let lack = Lack {
                        what: LACK.into(),
                        why: format!("{} cannot be opened: {error}", path.display()),
                        remedy: "see who else has it; it is tried again every 5 s".into(),
                    };
                    return self.lack(lack);
                }
            }
        }
        let lack = self.watchdog.device.as_ref();
        match lack.and_then(|device| device.lack(timing.deadtime)) {
            Some(lack) => self.lack(lack),
            None => self.lacks_no_more(LACK),
        }
    }

    /// The core says something about it.
    pub(super) fn hear_watchdog(&mut self, news: WatchdogNews) {
        let Some(device) = &mut self.watchdog.device else {
            return;
        };
        let path = device.card.path.display().to_string();
        let fails = |why: String| Lack {
            what: WRITING.into(),
            why: format!("write to {path}: {why}"),
            remedy: "see what that device is; if it does not take them, it resets this machine"
                .into(),
        };
        match news {
            WatchdogNews::Armed { timeout, trouble } => {
                device.card.armed = true;
                device.card.timeout = timeout;
                let text = format!(
                    "{path} is armed: it resets this machine {} after the last sign of life",
                    Span(timeout)
                );
                self.recorder.say(Severity::Notice, &text);
                if let Some(why) = trouble {
                    self.lack(fails(why));
                }
            }
            WatchdogNews::Fails { why } => self.lack(fails(why)),
            WatchdogNews::Works { failures } => {
                let text = format!("{path} takes signs of life again; it missed {failures}");
                self.recorder.say(Severity::Notice, &text);
                self.lacks_no_more(WRITING);
            }
        }
    }

    /// Nobody is to feed it any more.
    pub(super) fn starve_watchdog(&mut self) {
        self.watchdog.starved = true;
        self.tell_core(&ToCore::Starve, Vec::new());
    }

    /// What is held is stopped without a manager.
    pub(super) fn spare_manager(&mut self) {
        self.watchdog.releasing = true;
        self.tell_core(&ToCore::Releasing, Vec::new());
    }

    /// hbd has ended. Only a node that holds nothing may go on without it.
    pub(super) fn close_watchdog(&mut self) {
        let armed = self.watchdog.armed();
        let Some(device) = self.watchdog.device.take() else {
            return;
        };
        let Some(timeout) = armed.filter(|_| !self.holds_nothing()) else {
            return device.disarm();
        };
        let text = format!(
            "hbd ends with something held: {} resets this machine within {}",
            device.card.path.display(),
            Span(timeout)
        );
        self.recorder.say(Severity::Critical, &text);
    }

    fn holds_nothing(&self) -> bool {
        self.managed.all_released || !self.may_hold()
    }
}
