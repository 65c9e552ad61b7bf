//! The core with its flight recorder: the same verbs, and every input is in the ring before it is
//! handled, so that the one that a core dies of is there too.

use hbd_core::flight::{Digest, Entry, EntryKind, NO_MEDIUM, Ring};
use hbd_core::{
    BadSettings, Command, Core, Deadline, KeySpec, MediumIndex, Output, Settings, Start,
};
use shared::time::Now;

use crate::sys::Mapping;

/// A core and its ring; without one, as where memory lacks, nothing is recorded.
pub(super) struct Recorded {
    core: Core,
    ring: Option<Ring<Mapping>>,
}

impl Recorded {
    /// [`Core::new`].
    pub(super) fn new(
        settings: Settings,
        start: Start,
        mut ring: Option<Ring<Mapping>>,
        now: Now,
    ) -> Result<Self, BadSettings> {
        if let Some(ring) = &mut ring {
            let opening = serde_json::to_vec(&(settings.without_secrets(), &start));
            if !ring.put(
                EntryKind::Start,
                NO_MEDIUM,
                now,
                &opening.unwrap_or_default(),
            ) {
                ring.put(EntryKind::NoState, NO_MEDIUM, now, b"");
            }
        }
        let core = Core::new(settings, start, now)?;
        Ok(Self { core, ring })
    }

    /// [`Core::settings`].
    pub(super) fn settings(&self) -> &Settings {
        self.core.settings()
    }

    /// [`Core::handle_packet`].
    pub(super) fn handle_packet(&mut self, medium: MediumIndex, packet: &[u8], now: Now) {
        self.record(EntryKind::Packet, medium, packet, now);
        self.core.handle_packet(medium, packet, now);
        if let Some(ring) = &mut self.ring {
            ring.judge(match self.core.digest_was_wrong() {
                true => Digest::Wrong,
                false => Digest::Right,
            });
        }
    }

    /// [`Core::handle_command`].
    pub(super) fn handle_command(&mut self, command: Command, now: Now) {
        if self.ring.is_some() {
            self.record(
                EntryKind::Command,
                NO_MEDIUM,
                &without_secrets(&command),
                now,
            );
        }
        self.core.handle_command(command, now);
    }

    /// [`Core::handle_timeout`].
    pub(super) fn handle_timeout(&mut self, now: Now) {
        self.record(EntryKind::Timeout, NO_MEDIUM, b"", now);
        self.core.handle_timeout(now);
    }

    /// [`Core::poll_output`].
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        let output = self.core.poll_output()?;
        if let (Some(ring), Output::Event(event)) = (&mut self.ring, &output) {
            let now = Now {
                boot: event.boot,
                wall: event.wall,
            };
            let put = ring.put_with(EntryKind::Event, NO_MEDIUM, now, |room| {
                let size = room.len();
                let mut rest = room;
                serde_json::to_writer(&mut rest, &**event).ok()?;
                Some(size - rest.len())
            });
            if !put {
                ring.put(EntryKind::NoEvent, NO_MEDIUM, now, b"");
            }
        }
        Some(output)
    }

    /// [`Core::poll_deadline`].
    pub(super) fn poll_deadline(&self) -> Option<Deadline> {
        self.core.poll_deadline()
    }

    fn record(&mut self, kind: EntryKind, medium: MediumIndex, payload: &[u8], now: Now) {
        let Some(ring) = &mut self.ring else {
            return;
        };
        let input = Entry {
            kind,
            digest: Digest::Unknown,
            medium,
            now,
            payload,
        };
        ring.put_input(&input, &self.core);
    }
}

/// A command as JSON, its keys by name only.
fn without_secrets(command: &Command) -> Vec<u8> {
    let written = match command {
        Command::Keys { active, keys } => serde_json::to_vec(&Command::Keys {
            active: *active,
            keys: keys.iter().map(KeySpec::without_secret).collect(),
        }),
        command => serde_json::to_vec(command),
    };
    written.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use hbd_core::Said;
    use shared::names::KeyIndex;

    use super::*;

    #[test]
    fn what_the_manager_says_is_recorded_as_it_is() {
        let command = Command::Say(Said {
            message_type: "resource".into(),
            fields: [("info".into(), "standby".into())].into(),
        });
        let recorded: Command = serde_json::from_slice(&without_secrets(&command)).unwrap();
        assert_eq!(format!("{recorded:?}"), format!("{command:?}"));
    }

    #[test]
    fn a_recorded_command_holds_no_key() {
        let command = Command::Keys {
            active: KeyIndex(1),
            keys: vec![KeySpec {
                index: KeyIndex(1),
                method: "sha1".into(),
                secret: "open sesame".into(),
            }],
        };
        let text = String::from_utf8(without_secrets(&command)).unwrap();
        assert!(!text.contains("111,112,101,110"), "{text}");
        assert!(serde_json::from_str::<Command>(&text).is_ok());
    }
}
