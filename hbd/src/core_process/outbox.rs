//! What waits for the supervisor. It never blocks and has a bound: a supervisor that does not
//! read must not stop a beat.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use hbd_core::PeerMemory;
use shared::event::Event;
use shared::names::NodeName;
use shared::sample::Sample;

use crate::channel::{Channel, FromCore, ToCore};

/// Events that wait at most; more are counted and dropped.
const EVENTS_MAX: usize = 1024;
/// Bytes in the channel above which nothing more is handed to it.
const CHANNEL_MAX: usize = 256 * 1024;

/// Sorted by what may be lost: of samples and memories the last one counts, of events each.
#[derive(Default)]
pub(super) struct Outbox {
    urgent: VecDeque<FromCore>,
    events: VecDeque<Box<Event>>,
    dropped: u64,
    memories: BTreeMap<NodeName, Box<PeerMemory>>,
    sample: Option<Box<Sample>>,
    alive: bool,
}

impl Outbox {
    /// Something of which there are few: lacks, states of media, the end.
    pub(super) fn urgent(&mut self, message: FromCore) {
        if self.urgent.len() < EVENTS_MAX {
            self.urgent.push_back(message);
        }
    }

    /// Something happened.
    pub(super) fn event(&mut self, event: Box<Event>) {
        if self.events.len() < EVENTS_MAX {
            self.events.push_back(event);
        } else {
            self.dropped += 1;
        }
    }

    /// Replaces what was known of that peer.
    pub(super) fn memory(&mut self, memory: Box<PeerMemory>) {
        self.memories.insert(memory.node.clone(), memory);
    }

    /// Replaces the sample that waits.
    pub(super) fn sample(&mut self, sample: Box<Sample>) {
        self.sample = Some(sample);
    }

    /// The core lives.
    pub(super) fn alive(&mut self) {
        self.alive = true;
    }

    /// Hands over as much as the channel should hold.
    pub(super) fn post(&mut self, channel: &mut Channel<FromCore, ToCore>) -> io::Result<()> {
        while channel.waiting() < CHANNEL_MAX {
            let Some(message) = self.next() else {
                break;
            };
            channel.queue(&message, Vec::new())?;
        }
        Ok(())
    }

    /// Memories before events: a supervisor that has seen an event knows the peer as it was then.
    fn next(&mut self) -> Option<FromCore> {
        if std::mem::take(&mut self.alive) {
            return Some(FromCore::Alive);
        }
        if let Some((_, memory)) = self.memories.pop_first() {
            return Some(FromCore::Remember(memory));
        }
        if let Some(event) = self.events.pop_front() {
            return Some(FromCore::Event(event));
        }
        if self.dropped > 0 {
            return Some(FromCore::Dropped(std::mem::take(&mut self.dropped)));
        }
        if let Some(message) = self.urgent.pop_front() {
            return Some(message);
        }
        self.sample.take().map(FromCore::Sample)
    }

    /// True when everything was handed over.
    pub(super) fn is_empty(&self) -> bool {
        self.urgent.is_empty()
            && self.events.is_empty()
            && self.dropped == 0
            && self.memories.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use shared::event::{EventSource, Kind, Role};
    use shared::names::Generation;
    use shared::time::Now;

    use super::*;

    #[test]
    fn a_supervisor_that_does_not_read_costs_events_that_are_counted() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let mut channel = Channel::new(ours.into()).unwrap();
            let mut reader = Channel::<ToCore, FromCore>::new(theirs.into()).unwrap();
            let mut outbox = Outbox::default();
            let alice = NodeName::new("alice").unwrap();
            let mut source = EventSource::new(alice, Role::Core, Generation(1));
            const MANY: usize = 3 * EVENTS_MAX;
            for _ in 0..MANY {
                let event = source.event(Kind::CommunicationUp, None, Now::default());
                outbox.event(Box::new(event));
                outbox.post(&mut channel).unwrap();
            }
            assert!(channel.waiting() < 2 * CHANNEL_MAX, "{}", channel.waiting());
            let (mut events, mut dropped) = (0, 0);
            while events + dropped < MANY {
                outbox.post(&mut channel).unwrap();
                let message = tokio::select! {
                    biased;
                    message = reader.next() => message.unwrap().unwrap().0,
                    sent = channel.flush(), if channel.waiting() > 0 => {
                        sent.unwrap();
                        continue;
                    }
                };
                match message {
                    FromCore::Event(_) => events += 1,
                    FromCore::Dropped(count) => dropped += usize::try_from(count).unwrap(),
                    other => panic!("{other:?}"),
                }
            }
            assert!(events >= EVENTS_MAX, "{events}");
            assert!(dropped > 0);
            assert!(outbox.is_empty());
        });
    }
}
