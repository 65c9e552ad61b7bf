//! Packets on a serial line: one after the other, in string form, in a stream that may be mangled.
//!
//! A packet begins with the line `>>>` and ends with the line `<<<`. Whatever is not between the two is noise, and so is
//! a packet in whose middle another one begins: the line was cut, or a speed was wrong. Its digest tells what is mangled
//! and yet complete.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use shared::time::Moment;

use super::limits::DATAGRAM_BYTES_MAX;
use super::string_form::{END, START};

/// A byte on the line: 8 bits, and one each for its start and its end.
pub(crate) const BITS_PER_BYTE: u64 = 10;
/// What is handed to the driver is at most so much of the line's time: the rest can still be overtaken.
const AHEAD: Duration = Duration::from_millis(100);
/// The least that is handed over, however slow the line.
const PIECE_MIN: usize = 32;
/// A packet up to this length overtakes longer ones that wait.
const SHORT: usize = 1024;
/// Most bytes that wait to be sent.
const WAITING_MAX: usize = 2 * DATAGRAM_BYTES_MAX;
/// Nothing was taken by the driver for so long: what waits is worth nothing.
const STUCK: Duration = Duration::from_secs(2);

/// Finds packets in what comes in.
#[derive(Debug, Default)]
pub struct Collector {
    /// Came in and was not looked at.
    waiting: VecDeque<u8>,
    /// Since the start of the line.
    line: usize,
    /// From the start of a packet on, or, outside of one, of the line.
    bytes: Vec<u8>,
    inside: bool,
}

impl Collector {
    /// Takes what came in, in whatever pieces.
    pub fn take(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
    }

    /// The next packet that is complete, with its two lines: its length in `packet`. One that does not fit there is none.
    /// Without any, everything that was taken has been looked at.
    pub fn next(&mut self, packet: &mut [u8]) -> Option<usize> {
        while let Some(byte) = self.waiting.pop_front() {
            if let Some(length) = self.look(byte)
                && let Some(room) = packet.get_mut(..length)
            {
                room.copy_from_slice(&self.bytes[..length]);
                return Some(length);
            }
        }
        None
    }

    fn look(&mut self, byte: u8) -> Option<usize> {
        // The line discipline of a Heartbeat's port drops it, too.
        if byte == b'\r' {
            return None;
        }
        if self.line == 0 && !self.inside {
            self.bytes.clear();
        }
        if self.bytes.len() == DATAGRAM_BYTES_MAX {
            self.bytes.clear();
            self.inside = false;
            self.line = 0;
        }
        self.bytes.push(byte);
        self.line += 1;
        if byte != b'\n' {
            return None;
        }
        let length = self.bytes.len();
        let line = &self.bytes[length - self.line..];
        self.line = 0;
        // Noise before the first packet ends with no line end.
        let begins = line == START || !self.inside && line.ends_with(START);
        if begins {
            self.bytes.clear();
            self.bytes.extend_from_slice(START);
            self.inside = true;
        } else if self.inside && line == END {
            self.inside = false;
            return Some(length);
        }
        None
    }
}

/// Why a packet is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// Too much waits already: the line is too slow for what is to be sent.
    Full,
    /// The driver takes nothing.
    Stuck,
}

/// What goes first, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Beat,
    Short,
    Long,
}

#[derive(Debug)]
struct Waiting {
    rank: Rank,
    packet: Vec<u8>,
}

/// Hands packets to a line no faster than that carries them, so that a beat waits for one packet at most: that which is
/// under way.
#[derive(Debug)]
pub struct Pacer {
    bytes_per_second: u64,
    queue: VecDeque<Waiting>,
    /// Bytes in the queue.
    waiting: usize,
    /// Bytes of the first packet that the driver has.
    handed: usize,
    /// When the line will have sent what the driver has.
    idle_at: Moment,
    /// Since when the driver takes nothing.
    refused: Option<Moment>,
}

impl Pacer {
    /// For a line of `baud` bits a second that may be used from `from` on.
    #[must_use]
    pub fn new(baud: u32, from: Moment) -> Self {
        Self {
            bytes_per_second: (u64::from(baud) / BITS_PER_BYTE).max(1),
            queue: VecDeque::new(),
            waiting: 0,
            handed: 0,
            idle_at: from,
            refused: None,
        }
    }

    /// Has a packet wait for its turn. One that waits already does not wait twice: who asks for a message again may do so
    /// because it still waits here.
    ///
    /// # Errors
    /// Where too much waits, or the driver takes nothing any more: then nothing waits any more.
    pub fn push(&mut self, packet: &[u8], now: Moment) -> Result<(), Unsent> {
        self.forget_if_stuck(now)?;
        if self.queue.iter().any(|other| other.packet == packet) {
            return Ok(());
        }
        if self.waiting + packet.len() > WAITING_MAX {
            return Err(Unsent::Full);
        }
        let rank = match packet.len() <= SHORT {
            true => Rank::Short,
            false => Rank::Long,
        };
        self.insert(rank, packet);
        Ok(())
    }

    /// Has the beat of this moment wait for what is under way, and for nothing else. Where too much waits, what would be
    /// last makes room for it.
    ///
    /// # Errors
    /// Where the driver takes nothing any more: then nothing waits any more.
    pub fn push_beat(&mut self, packet: &[u8], now: Moment) -> Result<(), Unsent> {
        self.forget_if_stuck(now)?;
        let begun = usize::from(self.handed > 0);
        while self.waiting + packet.len() > WAITING_MAX && self.queue.len() > begun {
            let last = self.queue.pop_back();
            self.waiting -= last.map_or(0, |last| last.packet.len());
        }
        self.insert(Rank::Beat, packet);
        Ok(())
    }

    fn insert(&mut self, rank: Rank, packet: &[u8]) {
        let begun = usize::from(self.handed > 0);
        let mut behind = self.queue.iter().skip(begun);
        let place = behind.position(|other| other.rank > rank);
        let place = place.map_or(self.queue.len(), |place| begun + place);
        let packet = packet.to_vec();
        self.waiting += packet.len();
        self.queue.insert(place, Waiting { rank, packet });
    }

    fn forget_if_stuck(&mut self, now: Moment) -> Result<(), Unsent> {
        if self.refused.is_some_and(|since| now.since(since) >= STUCK) {
            self.clear(now);
            return Err(Unsent::Stuck);
        }
        Ok(())
    }

    /// When bytes may be handed to the driver.
    #[must_use]
    pub fn due(&self) -> Option<Moment> {
        let ahead = Moment(self.idle_at.0.saturating_sub(nanoseconds(AHEAD)));
        (!self.queue.is_empty()).then_some(ahead)
    }

    /// What may be handed to the driver now.
    #[must_use]
    pub fn piece(&self, now: Moment) -> &[u8] {
        let Some(Waiting { packet, .. }) = self.queue.front().filter(|_| self.due() <= Some(now))
        else {
            return &[];
        };
        let room = AHEAD.saturating_sub(self.idle_at.since(now)).as_millis();
        let room = u64::try_from(room).unwrap_or(u64::MAX) * self.bytes_per_second / 1000;
        let room = usize::try_from(room).unwrap_or(usize::MAX).max(PIECE_MIN);
        let rest = &packet[self.handed..];
        &rest[..rest.len().min(room)]
    }

    /// Most bytes that the driver has while the other end takes them.
    #[must_use]
    pub fn ahead(&self) -> usize {
        let bytes =
            u64::try_from(AHEAD.as_millis()).unwrap_or(u64::MAX) * self.bytes_per_second / 1000;
        usize::try_from(bytes).unwrap_or(usize::MAX).max(PIECE_MIN) * 2
    }

    /// The driver took that many bytes of the piece; none if it is full.
    pub fn handed(&mut self, count: usize, now: Moment) {
        if count == 0 {
            self.refused.get_or_insert(now);
            self.idle_at = now + AHEAD + AHEAD / 2;
            return;
        }
        self.refused = None;
        let takes = count as u64 * nanoseconds(Duration::from_secs(1)) / self.bytes_per_second;
        self.idle_at = Moment(self.idle_at.max(now).0 + takes);
        self.handed += count;
        if let Some(sent) = self
            .queue
            .pop_front_if(|first| first.packet.len() <= self.handed)
        {
            self.waiting -= sent.packet.len();
            self.handed = 0;
        }
    }

    /// Forgets what waits. The rest of a packet that is begun is noise to the reader.
    fn clear(&mut self, now: Moment) {
        self.queue.clear();
        self.waiting = 0;
        self.handed = 0;
        self.refused = None;
        self.idle_at = now;
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: &[u8] = b">>>\nt=status\nst=up\n<<<\n";
    const BAUD: u32 = 19_200;

    fn at(milliseconds: u64) -> Moment {
        Moment(milliseconds * 1_000_000)
    }

    /// The packets in these bytes.
    fn found(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut collector = Collector::default();
        collector.take(bytes);
        all(&mut collector)
    }

    fn all(collector: &mut Collector) -> Vec<Vec<u8>> {
        let mut packet = [0; DATAGRAM_BYTES_MAX];
        let next = || {
            let length = collector.next(&mut packet)?;
            Some(packet[..length].to_vec())
        };
        core::iter::from_fn(next).collect()
    }

    #[test]
    fn packets_are_found_whatever_pieces_they_come_in() {
        let mut collector = Collector::default();
        let mut packets = Vec::new();
        for byte in [PACKET, PACKET].concat() {
            collector.take(&[byte]);
            packets.extend(all(&mut collector));
        }
        assert_eq!(packets, [PACKET, PACKET]);
    }

    #[test]
    fn noise_before_between_and_behind_packets_costs_none() {
        let noisy = [
            b"\0\xff~t=st",
            PACKET,
            b"login: ",
            PACKET,
            b"<<<\nx\n",
            PACKET,
        ]
        .concat();
        assert_eq!(found(&noisy), [PACKET, PACKET, PACKET]);
    }

    #[test]
    fn a_packet_that_was_cut_off_costs_the_next_one_at_most() {
        for cut in 0..PACKET.len() {
            let with_line_end = [&PACKET[..cut], b"~\n", PACKET].concat();
            assert_eq!(found(&with_line_end), [PACKET], "{cut}");
            let without = [&PACKET[..cut], PACKET, PACKET].concat();
            let found = found(&without);
            assert_eq!(found.last().map(Vec::as_slice), Some(PACKET), "{cut}");
        }
    }

    #[test]
    fn carriage_returns_are_no_bytes_of_packets() {
        let bytes = PACKET.iter().flat_map(|byte| match byte {
            b'\n' => [b'\r', b'\n'].to_vec(),
            byte => [*byte].to_vec(),
        });
        assert_eq!(found(&bytes.collect::<Vec<_>>()), [PACKET]);
    }

    #[test]
    fn a_stream_without_end_is_not_kept() {
        let mut endless = START.to_vec();
        endless.resize(3 * DATAGRAM_BYTES_MAX, b'x');
        let mut collector = Collector::default();
        collector.take(&endless);
        assert!(all(&mut collector).is_empty());
        assert!(collector.bytes.len() <= DATAGRAM_BYTES_MAX);
        collector.take(&[b"\n", PACKET].concat());
        assert_eq!(all(&mut collector), [PACKET]);
    }

    /// Hands over all that is due until then; how many bytes, and when the last ones.
    fn run(pacer: &mut Pacer, from: u64, until: u64) -> (usize, u64) {
        let (mut bytes, mut last) = (0, from);
        for millisecond in from..until {
            loop {
                let count = pacer.piece(at(millisecond)).len();
                if count == 0 {
                    break;
                }
                pacer.handed(count, at(millisecond));
                bytes += count;
                last = millisecond;
            }
        }
        (bytes, last)
    }

    #[test]
    fn bytes_leave_as_fast_as_the_line_carries_them_and_no_faster() {
        for baud in [9_600, 19_200, 115_200, 460_800] {
            let mut pacer = Pacer::new(baud, at(0));
            let long = [b'x'; 20_000];
            pacer.push(&long, at(0)).unwrap();
            let (bytes, last) = run(&mut pacer, 0, 60_000);
            let takes = 20_000 * 10_000 / u64::from(baud);
            assert_eq!(bytes, 20_000);
            assert!(
                takes.abs_diff(last + 100) <= 40,
                "{baud}: {last} of {takes} ms"
            );
            assert_eq!(pacer.due(), None);
        }
    }

    #[test]
    fn a_beat_overtakes_everything_and_what_is_short_what_is_long_unless_it_is_begun() {
        let mut pacer = Pacer::new(BAUD, at(0));
        pacer.push(&[b'x'; 5_000], at(0)).unwrap();
        pacer.push(&[b'y'; 5_000], at(0)).unwrap();
        run(&mut pacer, 0, 10);
        pacer.push(b"short", at(10)).unwrap();
        pacer.push_beat(b"beat", at(10)).unwrap();
        pacer.push(b"shorter", at(10)).unwrap();
        pacer.push_beat(b"beat 2", at(10)).unwrap();
        let order: Vec<_> = pacer.queue.iter().map(|it| it.packet.len()).collect();
        assert_eq!(order, [5_000, 4, 6, 5, 7, 5_000]);
    }

    #[test]
    fn what_waits_does_not_wait_twice() {
        let mut pacer = Pacer::new(BAUD, at(0));
        for packet in [b"one", b"two", b"one", b"two"] {
            pacer.push(packet, at(0)).unwrap();
        }
        let order: Vec<_> = pacer.queue.iter().map(|it| it.packet.as_slice()).collect();
        assert_eq!(order, [b"one", b"two"]);
        assert_eq!(pacer.waiting, 6);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut pacer = Pacer::new(BAUD, at(0));
        for byte in [b'x', b'y'] {
            let long = [byte; DATAGRAM_BYTES_MAX];
            assert_eq!(pacer.push(&long, at(0)), Ok(()));
        }
        assert_eq!(pacer.push(b"more", at(0)), Err(Unsent::Full));
    }

    #[test]
    fn what_is_last_makes_room_for_a_beat() {
        let mut pacer = Pacer::new(BAUD, at(0));
        for byte in [b'x', b'y'] {
            pacer.push(&[byte; DATAGRAM_BYTES_MAX], at(0)).unwrap();
        }
        run(&mut pacer, 0, 10);
        for _ in 0..2 * WAITING_MAX / 1_000 {
            pacer.push_beat(&[b'b'; 1_000], at(10)).unwrap();
            assert!(pacer.waiting <= WAITING_MAX);
        }
        assert_eq!(pacer.queue[0].packet[0], b'x');
        assert_eq!(pacer.queue[1].packet[0], b'b');
    }

    #[test]
    fn a_line_that_takes_nothing_is_told_and_begins_afresh() {
        let mut pacer = Pacer::new(BAUD, at(0));
        pacer.push(PACKET, at(0)).unwrap();
        pacer.handed(0, at(0));
        assert!(
            pacer.piece(at(40)).is_empty(),
            "it is asked from time to time"
        );
        assert_eq!(pacer.due(), Some(at(50)));
        pacer.handed(0, at(50));
        pacer.push(PACKET, at(1_999)).unwrap();
        assert_eq!(pacer.push(PACKET, at(2_000)), Err(Unsent::Stuck));
        assert_eq!(pacer.due(), None);
        assert_eq!(pacer.push(PACKET, at(2_001)), Ok(()));
        assert_eq!(pacer.piece(at(2_001)), PACKET);
    }

    #[test]
    fn nothing_leaves_before_the_line_may_be_used() {
        let mut pacer = Pacer::new(BAUD, at(350));
        pacer.push(PACKET, at(0)).unwrap();
        assert_eq!(pacer.due(), Some(at(250)));
        assert!(pacer.piece(at(249)).is_empty());
        assert!(!pacer.piece(at(250)).is_empty());
    }
}
