//! Packets in Ethernet frames: what is longer than a frame goes in pieces.
//!
//! ```text
//! destination 6 | source 6 | type 2 | "hbd1" | packet 4 | piece 2 | pieces 2 | length 2 | bytes
//! ```
//!
//! Numbers are big-endian. `packet` counts the packets of a sender. `length` is that of the bytes of this
//! piece: short frames are padded on the wire (IEEE 802.3, 3.2.8). A frame may have a tag of priority,
//! which names no VLAN; what belongs to a VLAN is another network's.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use pnet_base::MacAddr;
use pnet_packet::ethernet::{EtherType, EtherTypes, EthernetPacket, MutableEthernetPacket};
use pnet_packet::vlan::VlanPacket;

use super::limits::DATAGRAM_BYTES_MAX;

/// Tells our frames from those of whoever else makes experiments with this type.
const MAGIC: [u8; 4] = *b"hbd1";
/// Bytes before those of a piece.
const HEAD: usize = MAGIC.len() + 4 + 2 + 2 + 2;
/// Destination, source and type.
const ETHERNET_HEAD: usize = EthernetPacket::minimum_packet_size();
/// Smallest MTU that is believed: what every IPv4 link can carry (RFC 791).
const MTU_MIN: usize = 68;
/// Packets that are put together at once: a piece of another one drops the oldest.
const UNFINISHED_MAX: usize = 16;
/// The same, of one sender: its frames hardly overtake each other.
const UNFINISHED_OF_ONE: usize = 2;

/// Whose frames, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// This interface.
    pub own: MacAddr,
    /// Where every frame is sent to.
    pub group: MacAddr,
    /// Their type.
    pub ethertype: u16,
}

/// Frames for packets.
#[derive(Debug)]
pub struct Splitter {
    channel: Channel,
    packet: u32,
    frame: Vec<u8>,
}

impl Splitter {
    /// For a sender of this channel.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self {
            channel,
            packet: 0,
            frame: Vec::new(),
        }
    }

    /// Where every frame goes.
    #[must_use]
    pub fn group(&self) -> MacAddr {
        self.channel.group
    }

    /// Hands each frame of a packet to `send`; `mtu` is the longest payload of a frame in bytes.
    ///
    /// # Errors
    /// The first one of `send`, after which nothing more is handed to it.
    pub fn split<E>(
        &mut self,
        packet: &[u8],
        mtu: usize,
        mut send: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let room = mtu.max(MTU_MIN) - HEAD;
        let pieces = packet.len().div_ceil(room).max(1);
        self.packet = self.packet.wrapping_add(1);
        for piece in 0..pieces {
            let bytes = &packet[piece * room..packet.len().min((piece + 1) * room)];
            send(self.frame(piece, pieces, bytes))?;
        }
        Ok(())
    }

    fn frame(&mut self, piece: usize, pieces: usize, bytes: &[u8]) -> &[u8] {
        let short = |number: usize| u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
        self.frame.clear();
        self.frame.resize(ETHERNET_HEAD, 0);
        if let Some(mut head) = MutableEthernetPacket::new(&mut self.frame) {
            head.set_destination(self.channel.group);
            head.set_source(self.channel.own);
            head.set_ethertype(EtherType(self.channel.ethertype));
        }
        self.frame.extend(MAGIC);
        self.frame.extend(self.packet.to_be_bytes());
        for number in [piece, pieces, bytes.len()] {
            self.frame.extend(short(number));
        }
        self.frame.extend(bytes);
        &self.frame
    }
}

/// A piece of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece<'a> {
    source: MacAddr,
    packet: u32,
    piece: u16,
    pieces: u16,
    bytes: &'a [u8],
}

/// Reads a frame: nothing if it is none of ours.
fn read(frame: &[u8], channel: Channel) -> Option<Piece<'_>> {
    let ethernet = EthernetPacket::new(frame)?;
    let (source, destination) = (ethernet.get_source(), ethernet.get_destination());
    if destination != channel.group && destination != channel.own {
        return None;
    }
    let payload = frame.get(ETHERNET_HEAD..)?;
    let (ethertype, payload) = match ethernet.get_ethertype() {
        EtherTypes::Vlan => {
            let tag = VlanPacket::new(payload)?;
            if tag.get_vlan_identifier() != 0 {
                return None;
            }
            let inner = payload.get(VlanPacket::minimum_packet_size()..)?;
            (tag.get_ethertype(), inner)
        }
        ethertype => (ethertype, payload),
    };
    if ethertype.0 != channel.ethertype {
        return None;
    }
    let payload = payload.strip_prefix(&MAGIC)?;
    let (packet, payload) = payload.split_first_chunk::<4>()?;
    let (piece, payload) = payload.split_first_chunk::<2>()?;
    let (pieces, payload) = payload.split_first_chunk::<2>()?;
    let (length, payload) = payload.split_first_chunk::<2>()?;
    let piece = Piece {
        source,
        packet: u32::from_be_bytes(*packet),
        piece: u16::from_be_bytes(*piece),
        pieces: u16::from_be_bytes(*pieces),
        bytes: payload.get(..usize::from(u16::from_be_bytes(*length)))?,
    };
    (piece.piece < piece.pieces).then_some(piece)
}

/// Packets of frames.
#[derive(Debug)]
pub struct Joiner {
    channel: Channel,
    /// The oldest first.
    unfinished: VecDeque<Unfinished>,
}

#[derive(Debug)]
struct Unfinished {
    source: MacAddr,
    packet: u32,
    pieces: u16,
    /// What came so far: memory is taken for bytes that are there, never for what a frame claims.
    came: BTreeMap<u16, Vec<u8>>,
    length: usize,
}

impl Joiner {
    /// For a receiver of this channel.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self {
            channel,
            unfinished: VecDeque::new(),
        }
    }

    /// Takes a frame, whatever it is. Returns the length of the packet that is whole with it, in `packet`: one that
    /// does not fit is dropped.
    pub fn take(&mut self, frame: &[u8], packet: &mut [u8]) -> Option<usize> {
        let piece = read(frame, self.channel)?;
        if piece.pieces == 1 {
            packet
                .get_mut(..piece.bytes.len())?
                .copy_from_slice(piece.bytes);
            return Some(piece.bytes.len());
        }
        let place = self.place(piece);
        let unfinished = self.unfinished.get_mut(place)?;
        let former = unfinished.came.insert(piece.piece, piece.bytes.to_vec());
        unfinished.length += piece.bytes.len();
        unfinished.length -= former.map_or(0, |former| former.len());
        if unfinished.length > DATAGRAM_BYTES_MAX.min(packet.len()) {
            self.unfinished.remove(place);
            return None;
        }
        if unfinished.came.len() < usize::from(unfinished.pieces) {
            return None;
        }
        let whole = self.unfinished.remove(place)?;
        let mut end = 0;
        for bytes in whole.came.values() {
            packet[end..end + bytes.len()].copy_from_slice(bytes);
            end += bytes.len();
        }
        Some(end)
    }

    /// Where the packet of a piece is put together.
    fn place(&mut self, piece: Piece<'_>) -> usize {
        let is = |known: &Unfinished| {
            (known.source, known.packet, known.pieces) == (piece.source, piece.packet, piece.pieces)
        };
        if let Some(place) = self.unfinished.iter().position(is) {
            return place;
        }
        let mut own = self.unfinished.iter().enumerate();
        let first = own.by_ref().find(|(_, known)| known.source == piece.source);
        let more = own
            .filter(|(_, known)| known.source == piece.source)
            .count();
        if let Some((oldest, _)) = first
            && more + 1 >= UNFINISHED_OF_ONE
        {
            self.unfinished.remove(oldest);
        } else if self.unfinished.len() >= UNFINISHED_MAX {
            self.unfinished.pop_front();
        }
        self.unfinished.push_back(Unfinished {
            source: piece.source,
            packet: piece.packet,
            pieces: piece.pieces,
            came: BTreeMap::new(),
            length: 0,
        });
        self.unfinished.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use core::convert::Infallible;

    use super::*;

    const ALICE: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);
    const BOB: MacAddr = MacAddr(2, 0, 0, 0, 0, 2);
    const GROUP: MacAddr = MacAddr(3, 0, 0x68, 0x62, 0x64, 1);

    fn channel(own: MacAddr) -> Channel {
        Channel {
            own,
            group: GROUP,
            ethertype: 0x88b5,
        }
    }

    fn frames(splitter: &mut Splitter, packet: &[u8], mtu: usize) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let Ok(()) = splitter.split::<Infallible>(packet, mtu, |frame| {
            frames.push(frame.to_vec());
            Ok(())
        });
        frames
    }

    fn take(joiner: &mut Joiner, frame: &[u8]) -> Option<Vec<u8>> {
        let mut packet = vec![0; DATAGRAM_BYTES_MAX];
        let length = joiner.take(frame, &mut packet)?;
        packet.truncate(length);
        Some(packet)
    }

    fn long() -> Vec<u8> {
        (0..10_000_u32)
            .flat_map(|number| number.to_be_bytes())
            .collect()
    }

    #[test]
    fn a_frame_is_what_is_written_down() {
        let frames = frames(&mut Splitter::new(channel(ALICE)), b"beat", 1500);
        let expected =
            b"\x03\x00hbd\x01\x02\x00\x00\x00\x00\x01\x88\xb5hbd1\0\0\0\x01\0\0\0\x01\0\x04beat";
        assert_eq!(frames, [expected]);
    }

    #[test]
    fn padding_and_a_tag_of_priority_change_nothing() {
        let mut joiner = Joiner::new(channel(BOB));
        let [frame] = &frames(&mut Splitter::new(channel(ALICE)), b"beat", 1500)[..] else {
            panic!("one frame");
        };
        let padded = [&frame[..], &[0; 20]].concat();
        assert_eq!(take(&mut joiner, &padded).unwrap(), b"beat");
        let tagged = |tag: [u8; 4]| [&frame[..12], &tag, &frame[12..]].concat();
        let priority = tagged([0x81, 0x00, 0xe0, 0x00]);
        assert_eq!(take(&mut joiner, &priority).unwrap(), b"beat");
        assert_eq!(
            take(&mut joiner, &tagged([0x81, 0x00, 0xe0, 0x05])),
            None,
            "VLAN 5"
        );
    }

    #[test]
    fn frames_of_others_are_none() {
        let frame = &frames(&mut Splitter::new(channel(ALICE)), b"beat", 1500)[0];
        let mut joiner = Joiner::new(channel(BOB));
        for (place, what) in [
            (0, "another group"),
            (13, "another type"),
            (14, "another program"),
        ] {
            let mut other = frame.clone();
            other[place] ^= 1;
            assert_eq!(take(&mut joiner, &other), None, "{what}");
        }
        for length in 0..frame.len() {
            assert_eq!(take(&mut joiner, &frame[..length]), None, "cut at {length}");
        }
        let mut own = frame.clone();
        own[..6].copy_from_slice(&[2, 0, 0, 0, 0, 2]);
        assert_eq!(
            take(&mut joiner, &own).unwrap(),
            b"beat",
            "to this node alone"
        );
    }

    #[test]
    fn a_long_packet_goes_in_pieces_that_come_in_any_order_and_twice() {
        let mut splitter = Splitter::new(channel(ALICE));
        for mtu in [68, 576, 1500, 9000] {
            let mut joiner = Joiner::new(channel(BOB));
            let frames = frames(&mut splitter, &long(), mtu);
            assert!(
                frames
                    .iter()
                    .all(|frame| frame.len() <= mtu + ETHERNET_HEAD)
            );
            let (last, others) = frames.split_first().unwrap();
            for frame in others.iter().rev().chain(&others[..1]) {
                assert_eq!(take(&mut joiner, frame), None);
            }
            assert_eq!(take(&mut joiner, last).unwrap(), long(), "mtu {mtu}");
        }
    }

    #[test]
    fn what_never_becomes_whole_is_forgotten() {
        let mut joiner = Joiner::new(channel(BOB));
        for sender in 0..200_u8 {
            let mut splitter = Splitter::new(channel(MacAddr(2, 0, 0, 0, 1, sender)));
            for _ in 0..5 {
                let frames = frames(&mut splitter, &long(), 1500);
                assert_eq!(take(&mut joiner, &frames[0]), None);
            }
        }
        assert_eq!(joiner.unfinished.len(), UNFINISHED_MAX);
        let of_one = |known: &&Unfinished| known.source == MacAddr(2, 0, 0, 0, 1, 199);
        assert_eq!(
            joiner.unfinished.iter().filter(of_one).count(),
            UNFINISHED_OF_ONE
        );
    }

    #[test]
    fn a_packet_that_would_be_too_long_is_dropped() {
        let mut joiner = Joiner::new(channel(BOB));
        let mut splitter = Splitter::new(channel(ALICE));
        for piece in 0..100 {
            let frame = splitter.frame(piece, 200, &[7; 1400]).to_vec();
            assert_eq!(take(&mut joiner, &frame), None);
            let held: usize = joiner.unfinished.iter().map(|known| known.length).sum();
            assert!(held <= DATAGRAM_BYTES_MAX);
        }
    }
}
