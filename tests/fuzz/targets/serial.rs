//! A serial line: whatever comes, what is found are packets by their first and last line; what follows noise is found.

use hbd_core::wire::limits::DATAGRAM_BYTES_MAX;
use hbd_core::wire::serial::Collector;

const PACKET: &[u8] = b">>>\nt=status\n<<<\n";

pub(crate) fn property(input: &[u8]) {
    let mut collector = Collector::default();
    let mut packet = vec![0; DATAGRAM_BYTES_MAX];
    for piece in input.chunks(7) {
        collector.take(piece);
        while let Some(length) = collector.next(&mut packet) {
            assert!(packet[..length].starts_with(b">>>\n"));
            assert!(packet[..length].ends_with(b"\n<<<\n"));
        }
    }
    // The first may be part of a line that the noise began.
    collector.take(&[PACKET, PACKET].concat());
    let mut last = None;
    while let Some(length) = collector.next(&mut packet) {
        last = Some(packet[..length].to_vec());
    }
    assert_eq!(last.as_deref(), Some(PACKET));
}
