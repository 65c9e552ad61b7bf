//! A serial line: hbd's own [`Pacer`] at the end that sends, its own [`Collector`] at the other, and
//! a driver and a wire between them that carry so many bits a second.
//!
//! ```text
//! packets -> Pacer --pieces--> driver --baud, delay, cuts, noise--> Collector -> packets
//! ```
//!
//! What is lost or changed on the wire are bytes in the midst of packets: a lost piece is a gap, and
//! what the packet behind it suffers is the collector's affair. The driver takes nothing while
//! nobody at the other end holds it ready (CTS). A line repeats nothing, and keeps the order.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use hbd_core::wire::limits::DATAGRAM_BYTES_MAX;
use hbd_core::wire::serial::{Collector, Pacer, Unsent};
use shared::time::Moment;

use super::NodeIndex;
use super::random::Random;
use super::segment::Quality;

/// Bits a byte takes, with its start and stop bit.
const BITS_PER_BYTE: u64 = 10;
/// What goes wrong with a packet does so within so many of its first bytes, or with the last ones.
const STRUCK_WITHIN: usize = 400;
/// So many packets may be on their way at once, the longest delay of a path included.
const ON_THEIR_WAY_MAX: usize = 500;
/// The last bytes of a packet, and of nothing else.
const END: &[u8] = b"\n<<<\n";

/// A line, with an end at each member.
#[derive(Debug)]
pub(super) struct Line {
    baud: u32,
    ends: BTreeMap<NodeIndex, End>,
    wires: BTreeMap<(NodeIndex, NodeIndex), Wire>,
    room: Vec<u8>,
}

/// Where one member sends.
#[derive(Debug)]
struct End {
    pacer: Pacer,
    /// When the driver has sent what it has.
    idle_at: Moment,
    /// What the driver got of the packet under way.
    begun: Vec<u8>,
    /// Packets that the driver got whole, the latest last.
    given: VecDeque<Vec<u8>>,
    /// When somebody looks after it next.
    looked_after: Option<Moment>,
}

/// From one member to another.
#[derive(Debug, Default)]
struct Wire {
    collector: Collector,
    /// When the last bytes arrive.
    latest: Moment,
    strike: Option<Strike>,
}

/// What goes wrong with the packet under way, at that place in it.
#[derive(Debug)]
struct Strike {
    place: usize,
    lost: bool,
}

/// Bytes on their way.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) to: NodeIndex,
    pub(super) arrives: Moment,
    pub(super) bytes: Vec<u8>,
}

impl Line {
    pub(super) fn new(baud: u32) -> Self {
        Self {
            baud,
            ends: BTreeMap::new(),
            wires: BTreeMap::new(),
            room: vec![0; DATAGRAM_BYTES_MAX],
        }
    }

    /// A packet is to be sent. Where too much waits, or nothing leaves, it is lost.
    pub(super) fn push(&mut self, from: NodeIndex, packet: &[u8], beat: bool, now: Moment) {
        let end = self.end(from, now);
        let pushed = match beat {
            true => end.pacer.push_beat(packet, now),
            false => end.pacer.push(packet, now),
        };
        if pushed == Err(Unsent::Stuck) {
            end.begun.clear();
        }
    }

    /// Hands over to the driver what is due, if it takes anything: what arrives where over these paths.
    pub(super) fn work(
        &mut self,
        from: NodeIndex,
        takes: bool,
        paths: &[(NodeIndex, Quality)],
        now: Moment,
        random: &mut Random,
    ) -> Vec<Piece> {
        let baud = self.baud;
        let mut pieces = Vec::new();
        loop {
            let end = self.end(from, now);
            let bytes = end.pacer.piece(now).to_vec();
            if bytes.is_empty() {
                return pieces;
            }
            if !takes {
                end.pacer.handed(0, now);
                return pieces;
            }
            end.pacer.handed(bytes.len(), now);
            let begins = end.begun.len();
            let left = end.take(&bytes, baud, now);
            let ends = end.begun.is_empty();
            for (to, path) in paths {
                let wire = self.wires.entry((from, *to)).or_default();
                let part = (begins, ends);
                pieces.extend(wire.carry(*to, bytes.clone(), part, left, path, random));
            }
        }
    }

    /// When to look after what waits there next: none where nothing does, or a look is planned.
    pub(super) fn next_look(&mut self, from: NodeIndex, now: Moment) -> Option<Moment> {
        let end = self.ends.get_mut(&from)?;
        let due = end.pacer.due()?.max(now);
        if end.looked_after.is_some_and(|at| at <= due) {
            return None;
        }
        end.looked_after = Some(due);
        Some(due)
    }

    /// Somebody looks after what waits there.
    pub(super) fn looks(&mut self, from: NodeIndex) {
        if let Some(end) = self.ends.get_mut(&from) {
            end.looked_after = None;
        }
    }

    /// Bytes arrive. The packets that are whole with them, and whether each is one that was sent.
    pub(super) fn arrive(
        &mut self,
        from: NodeIndex,
        to: NodeIndex,
        bytes: &[u8],
    ) -> Vec<(Rc<[u8]>, bool)> {
        let wire = self.wires.entry((from, to)).or_default();
        wire.collector.take(bytes);
        let mut packets = Vec::new();
        while let Some(length) = wire.collector.next(&mut self.room) {
            let packet = &self.room[..length];
            let end = self.ends.get(&from);
            let intact = end.is_some_and(|end| end.given.iter().any(|given| given == packet));
            packets.push((packet.into(), intact));
        }
        packets
    }

    /// The process that had one end is gone: what waits there, and what it read of a packet.
    pub(super) fn close(&mut self, node: NodeIndex, now: Moment) {
        if let Some(end) = self.ends.get_mut(&node) {
            end.pacer = Pacer::new(self.baud, now);
            end.begun.clear();
        }
        for ((_, to), wire) in &mut self.wires {
            if *to == node {
                wire.collector = Collector::default();
            }
        }
    }

    fn end(&mut self, node: NodeIndex, now: Moment) -> &mut End {
        let baud = self.baud;
        self.ends.entry(node).or_insert_with(|| End {
            pacer: Pacer::new(baud, now),
            idle_at: now,
            begun: Vec::new(),
            given: VecDeque::new(),
            looked_after: None,
        })
    }
}

impl End {
    /// The driver takes a piece, and has sent it at that moment.
    fn take(&mut self, bytes: &[u8], baud: u32, now: Moment) -> Moment {
        self.begun.extend_from_slice(bytes);
        if self.begun.ends_with(END) {
            if self.given.len() == ON_THEIR_WAY_MAX {
                self.given.pop_front();
            }
            self.given.push_back(std::mem::take(&mut self.begun));
        }
        let takes = bytes.len() as u64 * BITS_PER_BYTE * 1_000_000_000 / u64::from(baud);
        self.idle_at = self.idle_at.max(now) + Duration::from_nanos(takes);
        self.idle_at
    }
}

impl Wire {
    /// What reaches the other end of a piece, which begins at that place of its packet, and ends it.
    fn carry(
        &mut self,
        to: NodeIndex,
        mut bytes: Vec<u8>,
        (begins, ends): (usize, bool),
        left: Moment,
        path: &Quality,
        random: &mut Random,
    ) -> Option<Piece> {
        if begins == 0 {
            let lost = random.happens(path.loss);
            let struck = lost || random.happens(path.corrupt);
            let place = random.place(STRUCK_WITHIN);
            self.strike = struck.then_some(Strike { place, lost });
        }
        let delay = path.latency + random.span(Duration::ZERO, path.jitter);
        let reached = begins + bytes.len();
        let strike = self.strike.take_if(|it| ends || it.place < reached);
        match strike {
            Some(Strike { lost: true, .. }) => return None,
            Some(Strike { place, .. }) => {
                let place = place.saturating_sub(begins).min(bytes.len() - 1);
                bytes[place] ^= u8::try_from(random.between(1, 255)).unwrap_or(1);
            }
            None => {}
        }
        if path.cut {
            return None;
        }
        self.latest = self.latest.max(left + delay);
        Some(Piece {
            to,
            arrives: self.latest,
            bytes,
        })
    }
}
