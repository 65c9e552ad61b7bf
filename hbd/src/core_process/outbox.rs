//! What the supervisor is told. It never blocks and has a bound: a supervisor that does not read,
//! or is not there, must not stop a beat.
//!
//! ```text
//!          base          handed over             wait
//!  ... ----view----|------------------------|------------> events
//!                  oldest                   handed
//! ```
//!
//! Events that were handed over are kept too, for a supervisor that follows one which died before
//! it recorded them. What is too old to be kept is folded into a view, so that what a later
//! supervisor believes is right even where it cannot know how that came about.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;

use hbd_core::{MediumIndex, PeerMemory, SessionNews};
use shared::event::Event;
use shared::names::NodeName;
use shared::sample::Sample;
use shared::view::ClusterView;

use super::Supervisor;
use crate::channel::{FromCore, Lack};

/// Events kept, handed over or not. Of older ones those that were not handed over are counted.
const EVENTS_MAX: usize = 1024;
/// Other messages that wait at most.
const URGENT_MAX: usize = 256;
/// Bytes in the channel above which nothing more is handed to it.
const CHANNEL_MAX: usize = 256 * 1024;

/// Sorted by what may be lost: of samples and memories the last one counts, of events each.
#[derive(Default)]
pub(super) struct Outbox {
    urgent: VecDeque<FromCore>,
    events: VecDeque<Box<Event>>,
    /// So many of them were handed over.
    handed: usize,
    /// So many of those were handed to a former supervisor.
    again: usize,
    /// The view before the first of them, and whether it is to be told.
    base: ClusterView,
    tell_base: bool,
    dropped: u64,
    memories: BTreeMap<NodeName, Box<PeerMemory>>,
    /// Those of them that wait.
    remember: BTreeSet<NodeName>,
    /// Bounded by the core: it has no more to tell than the supervisor ordered and released.
    sessions: VecDeque<SessionNews>,
    sample: Option<Box<Sample>>,
    /// What cannot be done, and which media cannot send, for the next supervisor.
    lacks: Vec<Lack>,
    troubles: BTreeMap<MediumIndex, String>,
    told: bool,
}

impl Outbox {
    /// Something of which there are few.
    pub(super) fn urgent(&mut self, message: FromCore) {
        if self.urgent.len() < URGENT_MAX {
            self.urgent.push_back(message);
        }
    }

    /// Something cannot be done.
    pub(super) fn lack(&mut self, lack: Lack) {
        self.lacks.push(lack.clone());
        self.urgent(FromCore::Lacks(lack));
    }

    /// Packets do not leave over a medium, or do again.
    pub(super) fn sending(&mut self, medium: MediumIndex, trouble: Option<String>) {
        match &trouble {
            Some(reason) => self.troubles.insert(medium, reason.clone()),
            None => self.troubles.remove(&medium),
        };
        self.urgent(FromCore::Sending { medium, trouble });
    }

    /// The medium is another one.
    pub(super) fn forget_trouble(&mut self, medium: MediumIndex) {
        self.troubles.remove(&medium);
    }

    /// Something happened.
    pub(super) fn event(&mut self, event: Box<Event>) {
        if self.events.len() == EVENTS_MAX
            && let Some(oldest) = self.events.pop_front()
        {
            self.base.apply(&oldest);
            match self.handed.checked_sub(1) {
                Some(handed) => self.handed = handed,
                None => self.dropped += 1,
            }
            self.again = self.again.saturating_sub(1);
        }
        self.events.push_back(event);
    }

    /// What follows from all events so far.
    pub(super) fn view(&self) -> ClusterView {
        let mut view = self.base.clone();
        for event in &self.events {
            view.apply(event);
        }
        view
    }

    /// Something about sessions.
    pub(super) fn session(&mut self, news: SessionNews) {
        self.sessions.push_back(news);
    }

    /// Replaces what was known of that peer. Where it is `kept` on the slate and no other than
    /// before but for what each beat changes, it is not told.
    pub(super) fn memory(&mut self, memory: Box<PeerMemory>, kept: bool) {
        let Some(former) = self.memories.get_mut(&memory.node) else {
            self.remember.insert(memory.node.clone());
            self.memories.insert(memory.node.clone(), memory);
            return;
        };
        if let (Some(former), Some(live)) = (&mut former.live, &memory.live) {
            former.sequence = live.sequence;
            former.heard = live.heard;
        }
        if !kept || *former != memory {
            self.remember.insert(memory.node.clone());
        }
        *former = memory;
    }

    /// Replaces the sample that waits.
    pub(super) fn sample(&mut self, sample: Box<Sample>) {
        self.sample = Some(sample);
    }

    /// Everything is told again, to a supervisor which knows the events up to that counter.
    pub(super) fn tell_again(&mut self, after: u64) {
        self.again = self.handed;
        self.handed = self
            .events
            .partition_point(|event| event.id.counter <= after);
        if let Some(first) = self.events.front()
            && first.id.counter > after + 1
        {
            self.dropped = first.id.counter - after - 1;
        } else {
            self.dropped = 0;
        }
        self.tell_base = false;
        // Of clients whose supervisor is gone.
        self.sessions.clear();
        self.remember = self.memories.keys().cloned().collect();
        self.urgent.clear();
        let lacks = self.lacks.iter().cloned().map(FromCore::Lacks);
        let troubles = self.troubles.iter().map(|(medium, reason)| {
            let (medium, trouble) = (*medium, Some(reason.clone()));
            FromCore::Sending { medium, trouble }
        });
        self.urgent.extend(lacks.chain(troubles));
        self.told = true;
    }

    /// Hands over as much as the channel should hold.
    pub(super) fn post(&mut self, channel: &mut Supervisor) -> io::Result<()> {
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
        if let Some(node) = self.remember.pop_first() {
            return self.memories.get(&node).cloned().map(FromCore::Remember);
        }
        if self.dropped > 0 {
            self.tell_base = true;
            return Some(FromCore::Dropped(std::mem::take(&mut self.dropped)));
        }
        if std::mem::take(&mut self.tell_base) {
            return Some(FromCore::View(Box::new(self.base.clone())));
        }
        if let Some(event) = self.events.get(self.handed) {
            self.handed += 1;
            let event = event.clone();
            return Some(match self.handed <= self.again {
                true => FromCore::Again(event),
                false => FromCore::Event(event),
            });
        }
        if let Some(message) = self.urgent.pop_front() {
            return Some(message);
        }
        if std::mem::take(&mut self.told) {
            return Some(FromCore::Told);
        }
        if let Some(news) = self.sessions.pop_front() {
            return Some(FromCore::Session(news));
        }
        self.sample.take().map(FromCore::Sample)
    }

    /// True when everything was handed over.
    pub(super) fn is_empty(&self) -> bool {
        self.urgent.is_empty()
            && self.handed == self.events.len()
            && self.dropped == 0
            && !self.tell_base
            && self.remember.is_empty()
            && self.sessions.is_empty()
    }
}

#[cfg(test)]
mod tests;
