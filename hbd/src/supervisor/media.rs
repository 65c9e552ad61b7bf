//! The media as the supervisor keeps them: opened when what they run over is there, closed when
//! it goes, and always in a state with a name.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;

use hbd_core::MediumIndex;
use shared::api::{ErrorCode, Failure, Fault};
use shared::config::{self, MediumKind};
use shared::event::{Kind, MediumStatus, ModemLines};
use shared::names::MediumName;
use shared::probe::SerialPort;
use shared::view::ClusterView;
use tokio::sync::mpsc;

use super::modem::{LineWatch, Seen};
use crate::channel::ToCore;
use crate::medium::interface::Interfaces;
use crate::medium::{self, Binding};

/// A message to the core with its descriptors.
pub(super) type Message = (ToCore, Vec<OwnedFd>);

/// All media, in the order of the configuration.
pub(super) struct Media {
    slots: Vec<Slot>,
    faults: BTreeMap<MediumName, Fault>,
    /// Where those who look at serial ports tell what they see.
    seen: mpsc::Sender<Seen>,
}

struct Slot {
    config: config::Medium,
    open: Option<Open>,
    /// Why packets do not leave, as the core says.
    trouble: Option<String>,
    /// The state that was last told.
    told: Option<MediumStatus>,
    /// The modem lines that were last told, of this opening of a serial port.
    lines: Option<ModemLines>,
    /// The number its interface had when it was open last.
    last_index: Option<u32>,
}

struct Open {
    binding: Binding,
    descriptors: Vec<OwnedFd>,
    _watch: Option<LineWatch>,
}

impl Open {
    /// Of a serial port the modem lines are looked at from now on.
    fn new(
        medium: &MediumName,
        binding: Binding,
        descriptors: Vec<OwnedFd>,
        seen: &mpsc::Sender<Seen>,
    ) -> Self {
        let port = descriptors.first().filter(|_| binding.line.is_some());
        let port = port.and_then(|port| port.try_clone().ok());
        let watch = port.and_then(|port| LineWatch::begin(medium.clone(), port, seen.clone()));
        Self {
            binding,
            descriptors,
            _watch: watch,
        }
    }
}

/// What a change brings: events to record, messages to send.
#[derive(Default)]
pub(super) struct Changes {
    /// In order.
    pub(super) events: Vec<Kind>,
    /// In order.
    pub(super) messages: Vec<Message>,
}

impl Media {
    /// Nothing open yet.
    pub(super) fn new(media: &[config::Medium], seen: mpsc::Sender<Seen>) -> Self {
        let slots = media.iter().cloned().map(Slot::new).collect();
        Self {
            slots,
            faults: BTreeMap::new(),
            seen,
        }
    }

    /// Takes other media over. Those that are the same stay as they are; sockets of the others are
    /// closed at once, so that whoever follows may have their ports. For when no core runs.
    pub(super) fn reconfigure(&mut self, media: &[config::Medium]) {
        let mut former = std::mem::take(&mut self.slots);
        self.slots = media
            .iter()
            .map(
                |medium| match former.iter().position(|slot| slot.config == *medium) {
                    Some(place) => former.swap_remove(place),
                    None => Slot::new(medium.clone()),
                },
            )
            .collect();
        let names: BTreeSet<_> = self.names().cloned().collect();
        self.faults.retain(|name, _| names.contains(name));
    }

    /// Opens and closes what the interfaces call for. Media that failed are tried again.
    pub(super) fn refresh(&mut self, interfaces: &Interfaces) -> Changes {
        let mut changes = Changes::default();
        for (place, slot) in self.slots.iter_mut().enumerate() {
            let messages = &mut changes.messages;
            let status = slot.refresh(index(place), interfaces, messages, &self.seen);
            changes.events.extend(slot.tell(status));
        }
        changes
    }

    /// The states that were told last, by a former supervisor.
    pub(super) fn believe(&mut self, view: &ClusterView) {
        for slot in &mut self.slots {
            let told = view.media.get(&slot.config.name);
            slot.told = told.and_then(|medium| medium.status.clone());
            slot.lines = told.and_then(|medium| medium.lines);
        }
    }

    /// A core that was adopted has this open.
    pub(super) fn restore(
        &mut self,
        medium: MediumIndex,
        binding: Binding,
        descriptors: Vec<OwnedFd>,
    ) {
        // One that is told without its descriptors is opened anew.
        if let Some(slot) = self.slots.get_mut(usize::from(medium.0))
            && !descriptors.is_empty()
        {
            slot.last_index = Some(binding.index);
            let name = &slot.config.name;
            slot.open = Some(Open::new(name, binding, descriptors, &self.seen));
        }
    }

    /// This was seen on a serial port. Returns the event, if it is news.
    pub(super) fn seen(&mut self, seen: Seen) -> Option<Kind> {
        let mut slots = self.slots.iter_mut();
        let slot = slots.find(|slot| slot.config.name == seen.medium && slot.open.is_some())?;
        let from = slot.lines.replace(seen.lines);
        (from != Some(seen.lines) || seen.flickered).then_some(Kind::ModemLines {
            medium: seen.medium,
            from,
            to: seen.lines,
        })
    }

    /// A core that was adopted has these faults injected. Returns the events of those that the
    /// view lacks.
    pub(super) fn restore_faults(&mut self, faults: &[Fault], view: &ClusterView) -> Vec<Kind> {
        let mut events = Vec::new();
        for fault in faults {
            let description = medium::fault::description(fault);
            if description.is_empty() {
                continue;
            }
            self.faults.insert(fault.medium.clone(), fault.clone());
            if view.faults.get(&fault.medium) != Some(&description) {
                let medium = fault.medium.clone();
                events.push(Kind::Fault {
                    medium,
                    description,
                });
            }
        }
        events
    }

    /// The core says that packets do not leave, or do again.
    pub(super) fn sending(&mut self, medium: MediumIndex, trouble: Option<String>) -> Changes {
        let mut changes = Changes::default();
        if let Some(slot) = self.slots.get_mut(usize::from(medium.0))
            && slot.open.is_some()
        {
            slot.trouble = trouble;
            let status = slot.open_status();
            changes.events.extend(slot.tell(status));
        }
        changes
    }

    /// What a new core must know: open media and injected faults. What the former one had trouble
    /// with the new one finds out.
    pub(super) fn introduce(&mut self) -> Changes {
        let mut changes = Changes::default();
        for (place, slot) in self.slots.iter_mut().enumerate() {
            slot.trouble = None;
            if slot.open.is_none() {
                continue;
            }
            changes.messages.extend(slot.message(index(place)).ok());
            let status = slot.open_status();
            changes.events.extend(slot.tell(status));
            if let Some(fault) = self.faults.get(&slot.config.name) {
                let fault = fault.clone();
                let medium = index(place);
                let message = ToCore::Fault { medium, fault };
                changes.messages.push((message, Vec::new()));
            }
        }
        changes
    }

    /// Injects a fault. Nothing if there is no such medium.
    pub(super) fn fault(&mut self, fault: &Fault) -> Option<Changes> {
        let place = self
            .slots
            .iter()
            .position(|slot| slot.config.name == fault.medium)?;
        let description = medium::fault::description(fault);
        let former = if description.is_empty() {
            self.faults.remove(&fault.medium)
        } else {
            self.faults.insert(fault.medium.clone(), fault.clone())
        };
        let mut changes = Changes::default();
        if former
            .as_ref()
            .map(medium::fault::description)
            .unwrap_or_default()
            != description
        {
            changes.events.push(Kind::Fault {
                medium: fault.medium.clone(),
                description,
            });
        }
        let message = ToCore::Fault {
            medium: index(place),
            fault: fault.clone(),
        };
        changes.messages.push((message, Vec::new()));
        Some(changes)
    }

    /// The serial ports, in the order of the configuration.
    pub(super) fn serial_ports(&self) -> Vec<SerialPort> {
        let serial = |slot: &&Slot| matches!(slot.config.kind, MediumKind::Serial { .. });
        let ports = self.slots.iter().filter(serial).map(|slot| SerialPort {
            medium: slot.config.name.clone(),
            device: slot.config.device.clone(),
            open: slot.open.is_some(),
        });
        ports.collect()
    }

    /// A copy of the descriptor of an open serial port.
    pub(super) fn port(&self, medium: &MediumName) -> Result<OwnedFd, Failure> {
        let mut slots = self.slots.iter();
        let Some(slot) = slots.find(|slot| slot.config.name == *medium) else {
            return Err(Failure {
                code: ErrorCode::NotFound,
                text: format!("no medium {medium}; hactl links lists them"),
            });
        };
        let open = slot.open.iter().filter(|open| open.binding.line.is_some());
        let mut ports = open.filter_map(|open| open.descriptors.first()?.try_clone().ok());
        ports.next().ok_or_else(|| Failure {
            code: ErrorCode::NotFound,
            text: format!("hbd has no serial port open for {medium}"),
        })
    }

    /// The names of all media.
    pub(super) fn names(&self) -> impl Iterator<Item = &MediumName> {
        self.slots.iter().map(|slot| &slot.config.name)
    }
}

fn index(place: usize) -> MediumIndex {
    MediumIndex(u16::try_from(place).unwrap_or(u16::MAX))
}

impl Slot {
    fn new(config: config::Medium) -> Self {
        Self {
            config,
            open: None,
            trouble: None,
            told: None,
            lines: None,
            last_index: None,
        }
    }

    /// Makes the sockets fit the interfaces, and returns the state after that.
    fn refresh(
        &mut self,
        index: MediumIndex,
        interfaces: &Interfaces,
        messages: &mut Vec<Message>,
        seen: &mpsc::Sender<Seen>,
    ) -> MediumStatus {
        let Some(kind) = medium::kind(self.config.kind.word()) else {
            return MediumStatus::Failed {
                reason: format!("{} is no kind of medium", self.config.kind.word()),
            };
        };
        let binding = match (kind.bind)(&self.config, interfaces) {
            Ok(binding) => binding,
            Err(status) => {
                self.close(index, messages);
                return self.explain(status, interfaces);
            }
        };
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.binding == binding)
        {
            return self.open_status();
        }
        // The port of the former sockets must be free before the new ones are bound.
        self.close(index, messages);
        match (kind.open)(&self.config, &binding) {
            Ok(descriptors) => {
                self.last_index = Some(binding.index);
                self.open = Some(Open::new(&self.config.name, binding, descriptors, seen));
                match self.message(index) {
                    Ok(message) => messages.push(message),
                    Err(error) => {
                        self.open = None;
                        return MediumStatus::Failed {
                            reason: format!("pass on: {error}"),
                        };
                    }
                }
                self.open_status()
            }
            Err(error) => MediumStatus::Failed {
                reason: error.to_string(),
            },
        }
    }

    fn close(&mut self, medium: MediumIndex, messages: &mut Vec<Message>) {
        self.trouble = None;
        self.lines = None;
        if self.open.take().is_some() {
            messages.push((ToCore::Close { medium }, Vec::new()));
        }
    }

    fn message(&self, medium: MediumIndex) -> io::Result<Message> {
        let Some(open) = &self.open else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let descriptors = open
            .descriptors
            .iter()
            .map(OwnedFd::try_clone)
            .collect::<io::Result<_>>()?;
        let message = ToCore::Open {
            medium,
            word: self.config.kind.word().to_owned(),
            binding: open.binding.clone(),
        };
        Ok((message, descriptors))
    }

    fn open_status(&self) -> MediumStatus {
        match &self.trouble {
            None => MediumStatus::Open,
            Some(reason) => MediumStatus::Failed {
                reason: reason.clone(),
            },
        }
    }

    /// Where the interface has another name, says which.
    fn explain(&self, status: MediumStatus, interfaces: &Interfaces) -> MediumStatus {
        let device = &self.config.device;
        let renamed = self
            .last_index
            .filter(|_| interfaces.get(device).is_none())
            .and_then(|index| interfaces.numbered(index));
        match renamed {
            Some(interface) => MediumStatus::Missing {
                reason: format!(
                    "interface {device} was renamed to {}; rename it back or change ha.cf",
                    interface.name
                ),
            },
            None => status,
        }
    }

    /// The event, if the state is another one.
    fn tell(&mut self, status: MediumStatus) -> Option<Kind> {
        if self.told.as_ref() == Some(&status) {
            return None;
        }
        self.told = Some(status.clone());
        Some(Kind::MediumStatus {
            medium: self.config.name.clone(),
            to: status,
        })
    }
}

#[cfg(test)]
mod tests;
