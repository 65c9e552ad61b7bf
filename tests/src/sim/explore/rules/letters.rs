//! Letters: what clients send arrives in order and once, and what is told of it is true.

use std::collections::BTreeMap;
use std::time::Duration;

use hbd_core::session::StreamId;
use hbd_core::session::office::{Delivery, Notice as ClientNotice, Sender};

use super::super::cluster::Cluster;
use super::{Broken, Rules};
use crate::sim::{NodeIndex, World};

/// Bits a byte takes on a line, and of so many parts of its rate letters get one at least.
const BITS_PER_BYTE: u64 = 10;
const SLOW_PART: u64 = 10;

/// What is known of all letters.
#[derive(Default)]
pub struct Letters {
    streams: BTreeMap<(NodeIndex, StreamId), Stream>,
    /// What the present life of each node's listener was handed, by sender.
    handed: BTreeMap<NodeIndex, Handed>,
}

#[derive(Default)]
struct Stream {
    letters: Vec<Vec<u8>>,
    /// Acknowledged by the client that has it.
    acknowledged: u64,
    /// Told to be delivered.
    delivered: u64,
    over: bool,
}

#[derive(Default)]
struct Handed {
    life: u32,
    last: BTreeMap<Sender, u64>,
    deliveries: BTreeMap<Delivery, (Sender, u64)>,
}

impl Letters {
    /// A client sends a letter, the `number`th of its stream.
    pub fn sent(&mut self, node: NodeIndex, stream: StreamId, number: u64, bytes: Vec<u8>) {
        let stream = self.streams.entry((node, stream)).or_default();
        stream.letters.push(bytes);
        assert_eq!(stream.letters.len() as u64, number, "letters are counted");
    }

    /// A sender does not want to hear of a stream any more.
    pub fn given_up(&mut self, node: NodeIndex, stream: StreamId) {
        if let Some(stream) = self.streams.get_mut(&(node, stream)) {
            stream.over = true;
        }
    }

    /// A listener has a letter and those before it.
    pub fn acknowledge(&mut self, node: NodeIndex, life: u32, delivery: Delivery) {
        let Some(handed) = self.handed.get(&node).filter(|handed| handed.life == life) else {
            return;
        };
        let Some((sender, number)) = handed.deliveries.get(&delivery).cloned() else {
            return;
        };
        // Streams have names that no two nodes share.
        for ((_, stream), known) in &mut self.streams {
            if *stream == sender.stream {
                known.acknowledged = known.acknowledged.max(number);
            }
        }
    }

    /// A listener begins another life, or its node does.
    pub fn listens_anew(&mut self, node: NodeIndex, life: u32) {
        self.handed.insert(
            node,
            Handed {
                life,
                ..Handed::default()
            },
        );
    }

    /// The daemon of a node begins anew: its streams are over, and nobody is told.
    pub fn daemon_began(&mut self, node: NodeIndex) {
        for ((from, _), stream) in &mut self.streams {
            stream.over |= *from == node;
        }
    }

    /// How much waits, of all streams.
    fn bytes_wait(&self) -> u64 {
        let streams = self.streams.values().filter(|stream| !stream.over);
        let waits = |stream: &Stream| {
            let delivered = usize::try_from(stream.delivered).unwrap_or(usize::MAX);
            let letters = stream.letters.iter().skip(delivered);
            letters.map(|letter| letter.len() as u64).sum::<u64>()
        };
        streams.map(waits).sum()
    }

    /// A stream of which something waits although nothing is in its way.
    fn waits(&self) -> Option<(NodeIndex, StreamId, &Stream)> {
        self.streams
            .iter()
            .find(|(_, stream)| !stream.over && stream.delivered < stream.letters.len() as u64)
            .map(|((node, id), stream)| (*node, *id, stream))
    }
}

impl Rules {
    pub(super) fn client(
        &mut self,
        world: &World,
        node: NodeIndex,
        notice: &ClientNotice,
    ) -> Result<(), Broken> {
        let wrong = match notice {
            ClientNotice::Message {
                sender,
                delivery,
                message,
                bytes,
                ..
            } => self.handed(world, node, sender, *delivery, (*message, bytes)),
            ClientNotice::Delivered { stream, message } => {
                let stream = self.letters.streams.entry((node, *stream)).or_default();
                stream.delivered += 1;
                match () {
                    () if stream.delivered != *message => Some("told out of order".into()),
                    () if stream.acknowledged < *message => {
                        Some(format!("{message} is told delivered and was not"))
                    }
                    () => None,
                }
            }
            ClientNotice::Closed {
                stream,
                unacknowledged,
                ..
            } => {
                let stream = self.letters.streams.entry((node, *stream)).or_default();
                stream.over = true;
                let open = stream.letters.len() as u64 - stream.delivered;
                (open != *unacknowledged as u64)
                    .then(|| format!("{unacknowledged} are told unacknowledged, not {open}"))
            }
            _ => None,
        };
        match wrong {
            Some(wrong) => Err(self.of(node, &format!("letters: {wrong}"))),
            None => Ok(()),
        }
    }

    fn handed(
        &mut self,
        world: &World,
        node: NodeIndex,
        sender: &Sender,
        delivery: Delivery,
        (number, bytes): (u64, &[u8]),
    ) -> Option<String> {
        let from = self.index(&sender.node)?;
        if world.machine(from).name() != &sender.node {
            return Some("a sender that there is not".into());
        }
        let Some(stream) = self.letters.streams.get(&(from, sender.stream)) else {
            return Some("a stream that nobody sends in".into());
        };
        let place = usize::try_from(number).unwrap_or(0).checked_sub(1);
        let sent = place.and_then(|place| stream.letters.get(place));
        if sent.map(Vec::as_slice) != Some(bytes) {
            return Some("not what was sent".into());
        }
        let handed = self.letters.handed.entry(node).or_default();
        handed.deliveries.insert(delivery, (sender.clone(), number));
        let last = handed.last.insert(sender.clone(), number).unwrap_or(0);
        (number != last + 1).then(|| format!("{number} of {sender:?} follows {last}"))
    }

    /// Once nothing is in its way, every letter was delivered or its stream is over; over a slow line
    /// alone, so much later as that takes for them.
    pub(super) fn letters_arrived(&self, cluster: &Cluster) -> Result<(), Broken> {
        if let Some(rate) = cluster.slow_rate() {
            let bits = self.letters.bytes_wait() * BITS_PER_BYTE * SLOW_PART;
            let late = Duration::from_nanos(bits * 1_000_000_000 / rate);
            if cluster.world.now() < self.changed + self.settles + late {
                return Ok(());
            }
        }
        match self.letters.waits() {
            Some((node, id, stream)) => {
                let (sent, delivered) = (stream.letters.len(), stream.delivered);
                let text = format!("{id:?}: {delivered} of {sent} letters are delivered");
                Err(self.of(node, &text))
            }
            None => Ok(()),
        }
    }
}
