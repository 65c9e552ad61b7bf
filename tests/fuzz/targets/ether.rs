//! Ethernet frames: whatever comes, at most a packet comes of it; what was split is joined again.

use std::convert::Infallible;

use hbd_core::wire::ether::{Channel, Joiner, Splitter};
use hbd_core::wire::limits::DATAGRAM_BYTES_MAX;
use pnet_base::MacAddr;

use crate::edits::edited;

/// That of most networks.
const MTU_MAX: usize = 1500;

fn channel() -> Channel {
    Channel {
        own: MacAddr(2, 0, 0, 0, 0, 1),
        group: MacAddr(3, 0, 0x68, 0x62, 0x64, 1),
        ethertype: 0x88b5,
    }
}

pub(crate) fn property(input: &[u8]) {
    let [mtu, input @ ..] = input else {
        return;
    };
    let mtu = usize::from(*mtu) * MTU_MAX / usize::from(u8::MAX);
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    let frames = split(input, mtu);
    let mut joiner = Joiner::new(channel());
    let whole: Vec<_> = frames
        .iter()
        .filter_map(|frame| joiner.take(frame, &mut buffer))
        .collect();
    assert_eq!(whole, [input.len()]);
    assert_eq!(&buffer[..input.len()], input);
    // The frames of one packet edited, as by somebody who means harm, or cannot count.
    let mut joiner = Joiner::new(channel());
    for edit in input.chunks(16) {
        if let Some(length) = joiner.take(&edited(&frames, edit), &mut buffer) {
            assert!(length <= DATAGRAM_BYTES_MAX);
        }
        // No frame at all.
        let _ = joiner.take(edit, &mut buffer);
    }
}

fn split(packet: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let Ok(()) = Splitter::new(channel()).split::<Infallible>(packet, mtu, |frame| {
        frames.push(frame.to_vec());
        Ok(())
    });
    frames
}
