//! Speakers without a core: the scenario says each of their words.
//!
//! What a 3.0.6 node, a stranger, an impostor or a broken peer would send is written field by field.
//! The puppet adds only what every message needs: its name and UUID, the next number, its
//! generation, the time, and the digest. A field that the scenario gives replaces the puppet's own;
//! `none` leaves it out.

use hbd_core::KeySpec;
use hbd_core::wire::{Form, KeyRing, Message, Method, encode_packet, fields};
use shared::names::{Generation, KeyIndex, NodeName, Sequence, Uuid};

use super::order::Speech;
use crate::sim::NodeIndex;
use crate::sim::random::Random;

/// A speaker.
#[derive(Clone, Debug)]
pub struct Puppet {
    /// Its name.
    pub name: NodeName,
    /// Where it sits.
    pub node: NodeIndex,
    /// Its life.
    pub generation: Generation,
    /// The number of its last message.
    pub sequence: Sequence,
    /// What it says every keepalive, if anything.
    pub beats: Option<Speech>,
}

/// The UUID of a node of a scenario: always the same for the same name.
#[must_use]
pub fn uuid_of(name: &str) -> Uuid {
    let seed = name.bytes().fold(0, |seed: u64, byte| {
        seed.wrapping_mul(257).wrapping_add(u64::from(byte))
    });
    let mut random = Random::new(seed);
    let (high, low) = (random.number(), random.number());
    Uuid((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
}

/// The keys of a scenario as the wire wants them.
///
/// # Errors
/// What is wrong with them.
pub fn ring(active: KeyIndex, keys: &[KeySpec]) -> Result<KeyRing, String> {
    let mut known = Vec::new();
    for key in keys {
        let method: Method = key
            .method
            .parse()
            .map_err(|_| format!("`{}` is no method of a key", key.method))?;
        known.push((key.index, method, key.secret.clone()));
    }
    KeyRing::new(active, known).map_err(|wrong| wrong.to_string())
}

impl Puppet {
    /// The packet of what it says, and counts its messages.
    ///
    /// # Errors
    /// What cannot be said so.
    pub fn say(
        &mut self,
        speech: &Speech,
        form: Form,
        ring: &KeyRing,
        wall_seconds: u64,
    ) -> Result<Vec<u8>, String> {
        let mut message = Message::new(&speech.message_type);
        let mut say = |name: &str, text: &str| match name {
            _ if text == "none" => {}
            fields::SRC_UUID | fields::DEST_UUID => {
                message.set_uuid(name, uuid_of(text));
            }
            _ => {
                message.set_text(name, text);
            }
        };
        for (name, text) in &speech.fields {
            say(name, text);
        }
        let numbered = !speech.message_type.starts_with("NS_");
        if numbered && !speech.has(fields::SEQUENCE) {
            self.sequence = self.sequence.next();
        }
        let own = [
            (fields::SRC, self.name.to_string()),
            (fields::SRC_UUID, self.name.to_string()),
            (fields::SEQUENCE, format!("{:x}", self.sequence.0)),
            (fields::GENERATION, format!("{:x}", self.generation.0)),
            (fields::WALL, format!("{wall_seconds:x}")),
            (fields::TTL, "3".into()),
        ];
        for (name, text) in &own {
            let counts = *name == fields::SEQUENCE;
            if !speech.has(name) && (numbered || !counts) {
                say(name, text);
            }
        }
        encode_packet(&message, ring, form).map_err(|cannot| cannot.to_string())
    }
}

impl Speech {
    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field == name)
    }
}
