//! Beats on serial lines: none waits for more than the packet that is under way, and older beats.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use shared::names::{Generation, Sequence};
use shared::time::Moment;

use super::super::peek::{Peek, peek};
use super::{Broken, Rules};
use crate::sim::machine::Packet;
use crate::sim::{NodeIndex, SegmentIndex, World};

/// Bits a byte takes, with its start and stop bit.
const BITS_PER_BYTE: u64 = 10;
/// What the driver has already, and how late a timer may be.
const SLACK: Duration = Duration::from_millis(250);
/// What was sent when something was just changed may meet what it left behind.
const CLEARED_WITHIN: Duration = Duration::from_secs(5);
/// So many beats are followed at once.
const FOLLOWED_MAX: usize = 16;

/// Beats on their way.
#[derive(Default)]
pub(super) struct Lines(BTreeMap<(NodeIndex, SegmentIndex), Beats>);

#[derive(Default)]
struct Beats {
    last: (Generation, Sequence),
    followed: VecDeque<Sent>,
}

struct Sent {
    generation: Generation,
    sequence: Sequence,
    at: Moment,
    /// It was sent again since.
    again: bool,
    /// The bytes of the longest other packet that came meanwhile, and of all beats.
    longest: usize,
    beats: usize,
}

impl Lines {
    pub(super) fn sent(&mut self, from: NodeIndex, on: SegmentIndex, packet: &Peek, now: Moment) {
        if !packet.beat {
            return;
        }
        let Beats { last, followed } = self.0.entry((from, on)).or_default();
        if number(packet) <= *last {
            let mut same = followed.iter_mut();
            let same = same.find(|it| (it.generation, it.sequence) == number(packet));
            same.into_iter().for_each(|it| it.again = true);
            return;
        }
        *last = number(packet);
        if followed.len() == FOLLOWED_MAX {
            followed.pop_front();
        }
        followed.push_back(Sent {
            generation: packet.generation,
            sequence: packet.sequence,
            at: now,
            again: false,
            longest: 0,
            beats: 0,
        });
    }

    /// The beat that this is, if it was followed.
    fn arrived(&mut self, from: NodeIndex, on: SegmentIndex, packet: &Packet) -> Option<Sent> {
        let beats = &mut self.0.get_mut(&(from, on))?.followed;
        let read = peek(&packet.bytes);
        let same = |it: &Sent| read.beat && (it.generation, it.sequence) == number(&read);
        let place = beats.iter().position(same);
        let bytes = packet.bytes.len();
        for beat in beats.iter_mut() {
            match place {
                Some(_) => beat.beats += bytes,
                None => beat.longest = beat.longest.max(bytes),
            }
        }
        beats.remove(place?)
    }
}

impl Rules {
    /// What comes over a serial line, if it is a beat, has not waited for more than one packet and older beats.
    pub(super) fn beats_go_first(
        &mut self,
        world: &World,
        to: NodeIndex,
        packet: &Packet,
    ) -> Result<(), Broken> {
        let segment = world.machine(to).media[usize::from(packet.medium.0)];
        let Some(baud) = world.segments()[segment.0].baud else {
            return Ok(());
        };
        let Some(beat) = self.lines.arrived(packet.from, segment, packet) else {
            return Ok(());
        };
        let undisturbed = beat.at > self.changed + CLEARED_WITHIN
            && beat.at > world.machine(packet.from).thawed
            && self.lossy.is_empty();
        let bytes = (beat.longest + beat.beats) as u64;
        let most = SLACK + Duration::from_nanos(bytes * BITS_PER_BYTE * 1_000_000_000 / baud);
        let took = world.now().since(beat.at);
        if took > most && undisturbed && !beat.again {
            let name = &self.nodes[packet.from.0].name;
            let number = beat.sequence;
            let text = format!("beat {number} of {name} took {took:?} over a serial line");
            return Err(self.of(to, &text));
        }
        Ok(())
    }
}

fn number(packet: &Peek) -> (Generation, Sequence) {
    (packet.generation, packet.sequence)
}
