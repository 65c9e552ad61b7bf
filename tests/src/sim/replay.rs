//! Replays a flight record ([`hbd_core::flight`]) through the pure core.
//!
//! A core is made of what the record begins with, gets the inputs in their order, and must make the
//! events that were recorded. Where the ring turned over it must also be in the state that was
//! recorded there. The first thing that is not so is told.

use std::collections::VecDeque;
use std::fmt;

use hbd_core::flight::{self, Digest, Entry, EntryKind};
use hbd_core::wire::resign;
use hbd_core::{Command, Core, Output, Settings, Start};
use shared::event::Event;
use shared::time::{Moment, Now};

/// A state is no longer than a record.
const STATE_MAX: usize = 16 * 1024 * 1024;

/// What a record held.
#[derive(Default)]
pub struct Replayed {
    /// Inputs handled.
    pub inputs: usize,
    /// Events that came as recorded.
    pub events: usize,
    /// States that were as recorded.
    pub states: usize,
    /// The first and the last input, since boot.
    pub span: Option<(Moment, Moment)>,
    /// The core after the last input.
    pub core: Option<Core>,
}

/// The first thing that is not as recorded.
#[derive(Debug, PartialEq)]
pub enum Difference {
    /// The bytes are no record.
    NoRecord,
    /// What a half begins with makes no core: its version differs, or its state was too long.
    NoCore,
    /// An event.
    Event {
        /// After so many inputs.
        inputs: usize,
        /// What was recorded.
        recorded: Option<Box<Event>>,
        /// What came.
        came: Option<Box<Event>>,
    },
    /// The state.
    State {
        /// After so many inputs.
        inputs: usize,
    },
    /// A command cannot be read.
    Command {
        /// After so many inputs.
        inputs: usize,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |event: &Option<Box<Event>>| match event {
            Some(event) => format!("{} at {}: {}", event.id, event.wall, event.text),
            None => "no event".into(),
        };
        match self {
            Self::NoRecord => flight::NoRing.fmt(f),
            Self::NoCore => f.write_str(
                "no core can be made of it: another version of hbd wrote it, or its state was too \
                 long for the ring",
            ),
            Self::Event {
                inputs,
                recorded,
                came,
            } => write!(
                f,
                "after {inputs} inputs\n  recorded  {}\n  came      {}",
                text(recorded),
                text(came)
            ),
            Self::State { inputs } => {
                write!(f, "after {inputs} inputs the state is not the recorded one")
            }
            Self::Command { inputs } => {
                write!(f, "the command after {inputs} inputs cannot be read")
            }
        }
    }
}

impl std::error::Error for Difference {}

/// Replays a record.
pub fn replay(record: &[u8]) -> Result<Replayed, Box<Difference>> {
    let halves = flight::read(record).map_err(|_| Difference::NoRecord)?;
    let mut replay = Replay::default();
    for half in &halves {
        let (opening, rest) = half.split_first().ok_or(Difference::NoRecord)?;
        replay.open(opening)?;
        for entry in rest {
            replay.take(entry)?;
        }
    }
    replay.end()
}

#[derive(Default)]
struct Replay {
    replayed: Replayed,
    /// Events that came and were not compared yet.
    came: VecDeque<Box<Event>>,
    /// Some events had no room in this half: they are not compared.
    events_lack: bool,
}

impl Replay {
    fn open(&mut self, entry: &Entry<'_>) -> Result<(), Box<Difference>> {
        let core = match entry.kind {
            EntryKind::Start => start(entry.payload, entry.now),
            EntryKind::State => {
                self.compare_state(entry.payload)?;
                Core::restore(entry.payload)
            }
            _ => None,
        };
        self.replayed.core = Some(core.ok_or(Difference::NoCore)?);
        self.events_lack = false;
        self.take_events();
        Ok(())
    }

    fn compare_state(&mut self, recorded: &[u8]) -> Result<(), Box<Difference>> {
        let Some(core) = &self.replayed.core else {
            return Ok(());
        };
        let mut room = vec![0; STATE_MAX];
        let length = core.save(&mut room).unwrap_or(0);
        let inputs = self.replayed.inputs;
        if room[..length] != *recorded {
            return Err(Difference::State { inputs }.into());
        }
        self.replayed.states += 1;
        self.all_came()
    }

    fn take(&mut self, entry: &Entry<'_>) -> Result<(), Box<Difference>> {
        match entry.kind {
            EntryKind::Event => return self.compare_event(entry.payload),
            EntryKind::NoEvent => {
                self.events_lack = true;
                return Ok(());
            }
            EntryKind::Packet | EntryKind::Command | EntryKind::Timeout => {}
            EntryKind::Start | EntryKind::State | EntryKind::NoState => {
                return Err(Difference::NoCore.into());
            }
        }
        let inputs = self.replayed.inputs;
        let core = self.replayed.core.as_mut().ok_or(Difference::NoCore)?;
        match entry.kind {
            EntryKind::Packet => {
                let wrong = entry.digest == Digest::Wrong;
                let packet = resign(entry.payload, core.keys(), wrong);
                let packet = packet.as_deref().unwrap_or(entry.payload);
                core.handle_packet(entry.medium, packet, entry.now);
            }
            EntryKind::Command => {
                let command: Command = serde_json::from_slice(entry.payload)
                    .map_err(|_| Difference::Command { inputs })?;
                core.handle_command(command, entry.now);
            }
            _ => core.handle_timeout(entry.now),
        }
        self.replayed.inputs += 1;
        let first = self
            .replayed
            .span
            .map_or(entry.now.boot, |(first, _)| first);
        self.replayed.span = Some((first, entry.now.boot));
        self.take_events();
        Ok(())
    }

    fn take_events(&mut self) {
        let Some(core) = &mut self.replayed.core else {
            return;
        };
        while let Some(output) = core.poll_output() {
            if let Output::Event(event) = output {
                self.came.push_back(event);
            }
        }
    }

    fn compare_event(&mut self, recorded: &[u8]) -> Result<(), Box<Difference>> {
        let recorded: Option<Box<Event>> = serde_json::from_slice(recorded).ok();
        let came = self.came.pop_front();
        if recorded != came && !self.events_lack {
            return Err(self.difference(recorded, came));
        }
        self.replayed.events += 1;
        Ok(())
    }

    fn difference(
        &self,
        recorded: Option<Box<Event>>,
        came: Option<Box<Event>>,
    ) -> Box<Difference> {
        Box::new(Difference::Event {
            inputs: self.replayed.inputs,
            recorded,
            came,
        })
    }

    /// An event that came and was not recorded is one too many.
    fn all_came(&mut self) -> Result<(), Box<Difference>> {
        match self.came.pop_front() {
            Some(came) if !self.events_lack => Err(self.difference(None, Some(came))),
            _ => {
                self.came.clear();
                Ok(())
            }
        }
    }

    /// The core may have died before it wrote what came of its last input.
    fn end(self) -> Result<Replayed, Box<Difference>> {
        Ok(self.replayed)
    }
}

/// A core from its beginning. Its keys are empty in the record.
fn start(opening: &[u8], now: Now) -> Option<Core> {
    let (settings, start): (Settings, Start) = serde_json::from_slice(opening).ok()?;
    Core::new(settings, start, now).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use hbd_core::flight::{HALF_MIN, Ring};
    use hbd_core::wire::types;
    use hbd_core::{KeySpec, MediumForm, MediumIndex, MediumSettings, Said};
    use shared::event::{ConfiguredNode, NodeKind};
    use shared::names::{Generation, KeyIndex, MediumName, NodeName, Uuid};
    use shared::time::Wall;

    use super::*;

    const ETH: MediumIndex = MediumIndex(0);
    const TENTH: Duration = Duration::from_millis(100);
    const RING: usize = 2 * HALF_MIN + 64;

    #[test]
    fn a_ring_that_turned_over_replays_through_the_states_in_it() {
        let mut alice = Alice::start();
        for (generation, secret) in [(1, "secret"), (2, "another"), (3, "secret")] {
            let mut bob = core("bob", generation, secret, alice.now);
            alice.hear(&mut bob, Duration::from_secs(60));
        }
        let halves = flight::read(&alice.image).unwrap();
        let first: Vec<_> = halves.iter().map(|half| half[0].kind).collect();
        assert_eq!(first, [EntryKind::State, EntryKind::State]);
        let replayed = replay(&alice.image).unwrap_or_else(|difference| panic!("{difference}"));
        assert_eq!(replayed.states, 1);
        assert!(replayed.inputs > 1_000, "{}", replayed.inputs);
        assert_eq!(saved(&replayed.core.unwrap()), saved(&alice.core));
    }

    #[test]
    fn a_wrong_key_is_wrong_in_the_replay_too() {
        let mut alice = Alice::start();
        for (generation, secret) in [(1, "secret"), (2, "another")] {
            let mut bob = core("bob", generation, secret, alice.now);
            alice.hear(&mut bob, Duration::from_secs(10));
        }
        let replayed = replay(&alice.image).unwrap_or_else(|difference| panic!("{difference}"));
        let words = flight::read(&alice.image).unwrap()[0]
            .iter()
            .filter(|entry| entry.kind == EntryKind::Event)
            .map(|entry| String::from_utf8_lossy(entry.payload).into_owned())
            .collect::<String>();
        assert!(words.contains("\"unauthenticated\""), "{words}");
        assert!(replayed.events > 5);
    }

    #[test]
    fn keys_that_were_left_out_keep_their_names() {
        let mut alice = Alice::start();
        let mut bob = core("bob", 1, "secret", alice.now);
        alice.hear(&mut bob, Duration::from_secs(10));
        let keys = [(1, "secret"), (2, "another")].map(|(index, secret)| KeySpec {
            index: KeyIndex(index),
            method: "sha1".into(),
            secret: secret.into(),
        });
        alice.keys(keys.to_vec());
        alice.hear(&mut bob, Duration::from_secs(120));
        let names: Vec<_> = alice.core.keys().entries().collect();
        let replayed = replay(&alice.image).unwrap_or_else(|difference| panic!("{difference}"));
        let core = replayed.core.unwrap();
        assert_eq!(core.keys().entries().collect::<Vec<_>>(), names);
        assert_eq!(saved(&core), saved(&alice.core));
    }

    #[test]
    fn what_managers_say_is_an_input_as_any_other() {
        let mut alice = Alice::start();
        let mut bob = core("bob", 1, "secret", alice.now);
        alice.hear(&mut bob, Duration::from_secs(10));
        let said = Said {
            message_type: types::RESOURCE.into(),
            fields: [("rsc_hold".into(), "all".into())].into(),
        };
        bob.handle_command(Command::Say(said.clone()), alice.now);
        alice.hear(&mut bob, Duration::from_secs(1));
        assert_eq!(alice.heard, std::slice::from_ref(&said));
        // Nobody answers her: she is no member, so it waits in her state.
        alice.say(said);
        alice.hear(&mut bob, Duration::from_secs(1));
        let replayed = replay(&alice.image).unwrap_or_else(|difference| panic!("{difference}"));
        assert!(replayed.events > 5);
        let entries = &flight::read(&alice.image).unwrap()[0];
        let words = entries
            .iter()
            .map(|entry| String::from_utf8_lossy(entry.payload));
        let words: String = words.collect();
        assert!(words.contains("{\"say\":{"), "{words}");
    }

    #[test]
    fn a_state_that_is_another_is_told() {
        let mut alice = Alice::start();
        let mut bob = core("bob", 1, "secret", alice.now);
        alice.hear(&mut bob, Duration::from_secs(180));
        let halves = flight::read(&alice.image).unwrap();
        let state = halves[1][0].payload;
        let place = state.as_ptr() as usize - alice.image.as_ptr() as usize + state.len() - 1;
        let mut image = alice.image.clone();
        image[place] ^= 1;
        let Err(difference) = replay(&image) else {
            panic!("not found");
        };
        assert!(
            matches!(*difference, Difference::State { .. }),
            "{difference}"
        );
    }

    #[test]
    fn what_is_no_record_is_told() {
        for bytes in [&b""[..], b"hbd", &[0; 4096]] {
            let difference = replay(bytes).map(drop).unwrap_err();
            assert_eq!(*difference, Difference::NoRecord);
        }
    }

    /// Her inputs are recorded as the daemon records them.
    struct Alice {
        core: Core,
        ring: Ring<Vec<u8>>,
        image: Vec<u8>,
        heard: Vec<Said>,
        now: Now,
    }

    impl Alice {
        fn start() -> Self {
            let now = at(Moment(1_000_000_000_000));
            let mut ring = Ring::new(vec![0; RING]).unwrap();
            let opening = (settings("alice", "").without_secrets(), start_of(1));
            let opening = serde_json::to_vec(&opening).unwrap();
            ring.put(EntryKind::Start, ETH, now, &opening);
            let mut alice = Self {
                core: core("alice", 1, "secret", now),
                ring,
                image: Vec::new(),
                heard: Vec::new(),
                now,
            };
            alice.take_outputs();
            alice
        }

        /// Hears what the other sends for so long.
        fn hear(&mut self, other: &mut Core, span: Duration) {
            let end = self.now.boot + span;
            while self.now.boot < end {
                let next = [self.core.poll_deadline(), other.poll_deadline()];
                let next = next.into_iter().flatten().map(|deadline| deadline.at).min();
                self.now = at(next.unwrap().max(self.now.boot));
                other.handle_timeout(self.now);
                while let Some(output) = other.poll_output() {
                    match output {
                        Output::Transmit { packet, .. } => self.packet(&packet),
                        Output::Drain => other.handle_command(Command::Drained, self.now),
                        _ => {}
                    }
                }
                if self.core.poll_deadline().unwrap().at <= self.now.boot {
                    self.record(EntryKind::Timeout, b"");
                    self.core.handle_timeout(self.now);
                    self.take_outputs();
                }
            }
            self.image = self.ring.memory().to_vec();
        }

        fn packet(&mut self, packet: &[u8]) {
            self.record(EntryKind::Packet, packet);
            self.core.handle_packet(ETH, packet, self.now);
            self.ring.judge(match self.core.digest_was_wrong() {
                true => Digest::Wrong,
                false => Digest::Right,
            });
            self.take_outputs();
        }

        fn keys(&mut self, keys: Vec<KeySpec>) {
            let order = |keys| Command::Keys {
                active: KeyIndex(1),
                keys,
            };
            let named = order(keys.iter().map(KeySpec::without_secret).collect());
            let named = serde_json::to_vec(&named).unwrap();
            self.record(EntryKind::Command, &named);
            self.core.handle_command(order(keys), self.now);
            self.take_outputs();
        }

        fn say(&mut self, said: Said) {
            let order = Command::Say(said);
            self.record(EntryKind::Command, &serde_json::to_vec(&order).unwrap());
            self.core.handle_command(order, self.now);
            self.take_outputs();
        }

        fn record(&mut self, kind: EntryKind, payload: &[u8]) {
            let input = Entry {
                kind,
                digest: Digest::Unknown,
                medium: ETH,
                now: self.now,
                payload,
            };
            self.ring.put_input(&input, &self.core);
        }

        fn take_outputs(&mut self) {
            while let Some(output) = self.core.poll_output() {
                match output {
                    Output::Event(event) => {
                        let event = serde_json::to_vec(&event).unwrap();
                        assert!(self.ring.put(EntryKind::Event, ETH, self.now, &event));
                    }
                    Output::Drain => {
                        let drained = serde_json::to_vec(&Command::Drained).unwrap();
                        self.record(EntryKind::Command, &drained);
                        self.core.handle_command(Command::Drained, self.now);
                    }
                    Output::Heard { said, .. } => self.heard.push(said),
                    _ => {}
                }
            }
        }
    }

    fn saved(core: &Core) -> Vec<u8> {
        let mut room = vec![0; HALF_MIN];
        let length = core.save(&mut room).unwrap();
        room.truncate(length);
        room
    }

    fn at(boot: Moment) -> Now {
        Now {
            boot,
            wall: Wall(1_795_350_000_000_000_000 + boot.0),
        }
    }

    fn core(name: &str, generation: u64, secret: &str, now: Now) -> Core {
        Core::new(settings(name, secret), start_of(generation), now).unwrap()
    }

    fn start_of(generation: u64) -> Start {
        Start {
            generation: Generation(generation),
            seed: 7,
            quick_restart: false,
            cause: None,
            memory: Vec::new(),
            former_pace: None,
            active: false,
        }
    }

    fn settings(name: &str, secret: &str) -> Settings {
        let names = ["alice", "bob"].map(|name| NodeName::new(name).unwrap());
        let normal = |name| ConfiguredNode {
            name,
            kind: NodeKind::Normal,
        };
        Settings {
            version: "0.0.0".into(),
            node: NodeName::new(name).unwrap(),
            uuid: Uuid([name.as_bytes()[0]; 16]),
            nodes: names.map(normal).to_vec(),
            media: vec![MediumSettings {
                name: MediumName::new("eth").unwrap(),
                description: "test".into(),
                form: MediumForm::Datagram,
                rate: None,
            }],
            keepalive: TENTH,
            warntime: 10 * TENTH,
            deadtime: 30 * TENTH,
            initdead: 60 * TENTH,
            deadping: 30 * TENTH,
            link_up_delay: 2 * TENTH,
            link_down_delay: Duration::ZERO,
            max_rexmit_delay: Duration::from_millis(250),
            unauth_hold: 300 * TENTH,
            hopfudge: 1,
            files: BTreeMap::new(),
            active_key: KeyIndex(1),
            keys: vec![KeySpec {
                index: KeyIndex(1),
                method: "sha1".into(),
                secret: secret.into(),
            }],
        }
    }
}
