//! The ledger: what really happened, as the world saw it.

use std::time::Duration;

use hbd_core::{MediumForm, SLOW_BITS, TOLD_SLOWLY_BYTES_MAX, TOLD_SLOWLY_EVERY};
use shared::event::{NodeKind, NodeStatus};
use shared::names::{Generation, Sequence};
use shared::time::Moment;
use shared::view::ClusterView;

use super::super::peek::{Peek, peek};
use super::{ASKED_WITHIN, Beat, Broken, PASSED_MAX, Passed, Rules};
use crate::sim::machine::Packet;
use crate::sim::{NodeIndex, SegmentIndex, World};

/// The least and most of a peer's announced dead time that may apply, as hbd-protocol(7) has it.
const DEADTIME_KEEPALIVES_MIN: u32 = 2;
const DEADTIME_FACTOR_MAX: u32 = 10;

/// A core looks for what it gives up when it asks for something, a moment before or after.
const GIVES_UP_EARLIER: Duration = Duration::from_millis(500);

impl Rules {
    pub(super) fn core_started(&mut self, world: &World, index: NodeIndex, quick_restart: bool) {
        let node = &mut self.nodes[index.0];
        node.knew.clear();
        if quick_restart {
            let known = node.view.nodes.iter().filter(|(name, seen)| {
                seen.kind != NodeKind::Ping
                    && **name != node.name
                    && seen.status != NodeStatus::Init
            });
            node.knew.extend(known.map(|(name, _)| name.clone()));
        } else {
            node.view = ClusterView::default();
        }
        node.inherits = quick_restart;
        node.started = world.now();
        node.runs_since = world.now();
        node.events = 0;
        node.sequence = Sequence(0);
        node.asked.clear();
        node.told_slowly.clear();
        node.runs = true;
        self.changed = world.now();
        if !quick_restart {
            self.passed.retain(|(observer, _), _| *observer != index);
        }
        for ((observer, peer), seen) in &mut self.seen {
            if *observer != index {
                continue;
            }
            let memory = world.machine(index).memory.get(&self.nodes[peer.0].name);
            let live = memory.and_then(|memory| memory.live.as_ref());
            seen.remembered = live.map(|live| live.sequence).unwrap_or_default();
            if !quick_restart {
                let known = memory.map(|memory| memory.generation);
                seen.generation = known.unwrap_or_default();
                seen.sequence = Sequence(0);
                seen.died = None;
                seen.beat = None;
            }
            if std::mem::take(&mut seen.waits) {
                seen.found = world.now();
                seen.passed_over |= quick_restart && seen.sequence <= seen.remembered;
            }
        }
    }

    pub(super) fn transmitted(
        &mut self,
        world: &World,
        index: NodeIndex,
        segment: SegmentIndex,
        bytes: &[u8],
    ) -> Result<(), Broken> {
        let node = &mut self.nodes[index.0];
        node.packets_now += 1;
        if matches!(world.segments()[segment.0].form, MediumForm::Ping(_)) {
            return Ok(());
        }
        let packet = peek(bytes);
        if packet.asks {
            let now = world.now();
            node.asked.retain(|at| now.since(*at) < ASKED_WITHIN);
            node.asked.push_back(now);
        }
        if !packet.whole {
            return Err(self.of(index, "sends what nobody can read"));
        }
        let slow = world.segments()[segment.0].baud;
        if slow.is_some() {
            self.lines.sent(index, segment, &packet, world.now());
        }
        let slow = slow.is_some_and(|bits| bits < SLOW_BITS);
        if slow && packet.told_bytes > TOLD_SLOWLY_BYTES_MAX {
            return Err(self.of(index, "lists too much of what it heard on a slow medium"));
        }
        if slow && packet.tells_heard && !packet.declares {
            let last = node.told_slowly.insert(segment, world.now());
            // A packet leaves moments after its core looked at the clock.
            if last.is_some_and(|last| world.now().since(last) < TOLD_SLOWLY_EVERY / 2) {
                return Err(self.of(index, "lists what it heard too often on a slow medium"));
            }
        }
        if packet.generation < node.generation {
            let text = format!("sends as generation {}", packet.generation);
            return Err(self.of(index, &text));
        }
        node.generation = packet.generation;
        if packet.sequence > node.sequence.next() {
            let text = format!("sends {} after {}", packet.sequence, node.sequence);
            return Err(self.of(index, &text));
        }
        node.sequence = node.sequence.max(packet.sequence);
        if !node.right_keys {
            self.wrongly_signed.insert(digest(bytes));
        }
        Ok(())
    }

    pub(super) fn packet_arrived(&mut self, world: &World, to: NodeIndex, packet: &Packet) {
        let from = packet.from;
        let read = peek(&packet.bytes);
        let signed_wrongly = self.wrongly_signed.contains(&digest(&packet.bytes));
        if self.nodes[to.0].right_keys == signed_wrongly {
            return;
        }
        let seen = self.seen.entry((to, from)).or_default();
        if read.generation < seen.generation {
            return;
        }
        let machine = world.machine(to);
        let segment = machine.media[usize::from(packet.medium.0)];
        if read.sequence == Sequence(0) {
            return;
        }
        let passed = self.passed.entry((to, from)).or_default();
        if !read.beat && !passed.follows(read.generation) {
            return;
        }
        let passed_at = passed.note(&read, world.now());
        let over = self.arrived.entry((to, from, segment)).or_default();
        if (over.generation, over.sequence) < (read.generation, read.sequence) {
            over.generation = read.generation;
            over.sequence = read.sequence;
            over.beat = read.beat.then(|| world.now()).or(over.beat);
        }
        if !read.beat {
            return;
        }
        seen.waits = !machine.runs();
        if read.generation > seen.generation {
            seen.generation = read.generation;
            seen.sequence = Sequence(0);
            seen.remembered = Sequence(u64::MAX);
        }
        let beat = beat(&read, world, to);
        // One that was missing for a dead time was given up, and does not count when it comes.
        let given_up = passed_at.is_some_and(|at| {
            let known = seen.beat.map_or(beat.deadtime, |before| before.deadtime);
            world.now().since(at) + GIVES_UP_EARLIER >= known.min(beat.deadtime)
        });
        let told_of = seen.remembered != Sequence(u64::MAX) && read.sequence <= seen.remembered;
        if given_up {
            seen.replayed = world.now();
        } else if read.sequence > seen.sequence && !told_of {
            seen.sequence = read.sequence;
            seen.beat = Some(beat);
            seen.passed_over = false;
        } else if read.sequence > seen.remembered {
            seen.replayed = world.now();
        }
    }

    /// Whether one node can verify what another signs, and knows whose it is.
    pub(super) fn trusts(&self, to: NodeIndex, from: NodeIndex) -> bool {
        self.nodes[to.0].right_keys == self.nodes[from.0].right_keys
    }
}

impl Passed {
    /// Whether anything counted in that generation. The first that does is a beat.
    fn follows(&self, generation: Generation) -> bool {
        generation == self.generation && !self.numbers.is_empty()
    }

    /// Notes a number, and tells since when a higher one was there.
    fn note(&mut self, read: &Peek, now: Moment) -> Option<Moment> {
        if read.generation != self.generation {
            self.generation = read.generation;
            self.numbers.clear();
        }
        let numbers = &mut self.numbers;
        let later = numbers.partition_point(|(number, _)| *number <= read.sequence);
        let since = numbers.get(later).map(|(_, at)| *at);
        let known = numbers
            .back()
            .is_some_and(|(last, _)| *last >= read.sequence);
        if !known {
            numbers.push_back((read.sequence, now));
        }
        if numbers.len() > PASSED_MAX {
            numbers.pop_front();
        }
        since
    }
}

/// Tells packets apart by their ends, where their digests stand.
fn digest(bytes: &[u8]) -> u64 {
    const END: usize = 60;
    let end = &bytes[bytes.len().saturating_sub(END)..];
    end.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

fn beat(read: &Peek, world: &World, to: NodeIndex) -> Beat {
    let own = &world.machine(to).settings;
    let least = own.keepalive * DEADTIME_KEEPALIVES_MIN;
    let most = own.deadtime * DEADTIME_FACTOR_MAX;
    let announced = Duration::from_millis(read.deadtime_ms);
    Beat {
        at: world.now(),
        deadtime: announced.clamp(least, most),
    }
}
