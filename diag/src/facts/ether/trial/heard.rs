//! Who sends frames on a cable, whatever they carry.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hbd_agents::network::HardwareAddress;
use hbd_agents::packets::Packets;

use super::{Asked, Tried};

/// Most machines that are told apart.
const SOURCES_MAX: usize = 64;
/// Most addresses of one of them.
const ADDRESSES_MAX: usize = 4;
/// Frames looked at in one go.
const FRAMES_AT_ONCE: usize = 256;

/// What follows the head of an Ethernet frame.
const IPV4: [u8; 2] = [0x08, 0x00];
const ARP: [u8; 2] = [0x08, 0x06];
const IPV6: [u8; 2] = [0x86, 0xdd];

/// A machine that sends frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its hardware address.
    pub hardware: HardwareAddress,
    /// The addresses from which it speaks to everyone, thus those of this wire.
    pub addresses: Vec<IpAddr>,
}

/// What was heard.
pub(super) struct Heard {
    own: HardwareAddress,
    sources: Vec<Source>,
    frames: u64,
    own_frames: u64,
}

impl Heard {
    /// On the interface with that hardware address.
    pub(super) fn of(own: HardwareAddress) -> Self {
        Self {
            own,
            sources: Vec::new(),
            frames: 0,
            own_frames: 0,
        }
    }

    /// What came since the last time.
    pub(super) fn take(&mut self, packets: &Packets) {
        let frames = std::iter::from_fn(|| packets.receive().ok().flatten());
        for frame in frames.take(FRAMES_AT_ONCE) {
            self.hear(&frame);
        }
    }

    fn hear(&mut self, frame: &[u8]) {
        let Some(hardware) = frame.get(6..).and_then(|rest| rest.first_chunk()) else {
            return;
        };
        let hardware = HardwareAddress(*hardware);
        self.frames += 1;
        if hardware == self.own {
            self.own_frames += 1;
            return;
        }
        let known = self.sources.iter_mut();
        let mut known = known.filter(|source| source.hardware == hardware);
        if let Some(source) = known.next() {
            return add(&mut source.addresses, speaker(frame));
        }
        if self.sources.len() < SOURCES_MAX {
            self.sources.push(Source {
                hardware,
                addresses: speaker(frame).into_iter().collect(),
            });
        }
    }

    /// All of it.
    pub(super) fn tried(self, asked: Vec<Asked>) -> Tried {
        Tried {
            asked,
            sources: self.sources,
            frames: self.frames,
            own_frames: self.own_frames,
        }
    }
}

fn add(addresses: &mut Vec<IpAddr>, speaker: Option<IpAddr>) {
    let new = speaker.filter(|speaker| !addresses.contains(speaker));
    if addresses.len() < ADDRESSES_MAX {
        addresses.extend(new);
    }
}

/// The address from which a frame speaks to everyone, or asks or answers for hardware addresses. Others may be of
/// machines behind a gateway.
fn speaker(frame: &[u8]) -> Option<IpAddr> {
    let to_many = frame.first()? & 1 == 1;
    let kind = frame.get(12..14)?;
    let four = |at: usize| {
        let bytes: [u8; 4] = *frame.get(at..)?.first_chunk()?;
        Some(Ipv4Addr::from(bytes)).filter(|ip| !ip.is_unspecified())
    };
    if kind == ARP {
        return four(28).map(IpAddr::V4);
    }
    if kind == IPV4 && to_many {
        return four(26).map(IpAddr::V4);
    }
    if kind == IPV6 && to_many {
        let bytes: [u8; 16] = *frame.get(22..)?.first_chunk()?;
        let ip = Ipv6Addr::from(bytes);
        return Some(IpAddr::V6(ip)).filter(|_| !ip.is_unspecified());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: HardwareAddress = HardwareAddress([2, 0, 0, 0, 0, 1]);

    fn frame(to: u8, from: u8, kind: [u8; 2], rest: &[u8]) -> Vec<u8> {
        let mut frame = vec![to; 6];
        frame.extend([2, 0, 0, 0, 0, from]);
        frame.extend(kind);
        frame.extend(rest);
        frame
    }

    #[test]
    fn who_speaks_to_everyone_is_known_by_address() {
        let mut heard = Heard::of(OWN);
        let mut arp = vec![0; 14];
        arp.extend([10, 0, 0, 7]);
        heard.hear(&frame(0xff, 7, ARP, &arp));
        let mut packet = vec![0; 12];
        packet.extend([10, 0, 0, 8]);
        heard.hear(&frame(0xff, 7, IPV4, &packet));
        // One of another network, through a gateway, to us.
        packet[12..].copy_from_slice(&[192, 0, 2, 1]);
        heard.hear(&frame(2, 7, IPV4, &packet));
        let tried = heard.tried(Vec::new());
        let expected: Vec<IpAddr> = vec![[10, 0, 0, 7].into(), [10, 0, 0, 8].into()];
        assert_eq!(tried.sources[0].addresses, expected);
        assert_eq!((tried.frames, tried.sources.len()), (3, 1));
    }

    #[test]
    fn own_frames_are_counted_and_nobody_elses() {
        let mut heard = Heard::of(OWN);
        heard.hear(&frame(0xff, 1, ARP, &[]));
        let tried = heard.tried(Vec::new());
        assert_eq!((tried.own_frames, tried.sources.len()), (1, 0));
    }

    #[test]
    fn whatever_comes_is_bounded() {
        let mut heard = Heard::of(OWN);
        for from in 2..=u8::MAX {
            let whole = frame(0xff, from, IPV6, &[from; 40]);
            for end in 0..whole.len() {
                heard.hear(&whole[..end]);
            }
        }
        let tried = heard.tried(Vec::new());
        assert_eq!(tried.sources.len(), SOURCES_MAX);
        assert!(
            tried
                .sources
                .iter()
                .all(|source| source.addresses.len() <= ADDRESSES_MAX)
        );
    }
}
