use std::convert::Infallible;

use hbd_core::wire::ether::Splitter;

use super::*;

const UDP_HI: [u8; 10] = [0, 1, 2, 182, 0, 10, 0, 0, b'h', b'i'];

fn ipv4(fragment: u16) -> Vec<u8> {
    let [high, low] = fragment.to_be_bytes();
    let mut packet = vec![0x45, 0, 0, 30, 0, 0, high, low, 64, UDP, 0, 0];
    packet.extend([10, 0, 0, 1, 10, 0, 0, 255]);
    packet.extend(UDP_HI);
    packet
}

fn ipv6(extensions: &[u8]) -> Vec<u8> {
    let length = u8::try_from(extensions.len() + UDP_HI.len()).unwrap();
    let next = if extensions.is_empty() { UDP } else { 0 };
    let mut packet = vec![0x60, 0, 0, 0, 0, length, next, 64];
    for last in [1, 2] {
        packet.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend(extensions);
    packet.extend(UDP_HI);
    packet
}

fn take(link: Link, frame: &[u8]) -> Option<(Way, Vec<u8>)> {
    Frames::default().take(&link.open(frame)?)
}

#[test]
fn all_kinds_of_link_and_both_versions_of_ip_are_read() {
    let cases = [
        (IPV4, ipv4(0), "10.0.0.1"),
        (IPV6, ipv6(&[]), "fe80::1"),
        (IPV6, ipv6(&[UDP, 0, 1, 4, 0, 0, 0, 0]), "fe80::1"),
    ];
    for (ethertype, ip, from) in cases {
        let [high, low] = ethertype.to_be_bytes();
        let framed = |before: usize, after: usize| {
            [vec![0; before], vec![high, low], vec![0; after], ip.clone()].concat()
        };
        let frames = [
            (1, framed(12, 0)),
            (113, framed(14, 0)),
            (276, framed(0, 18)),
            (101, ip.clone()),
        ];
        for (link, frame) in frames {
            let (way, bytes) = take(Link::of(link).unwrap(), &frame).unwrap();
            let sender = way.sender().unwrap();
            assert_eq!((&*bytes, &*sender), (&b"hi"[..], from), "link type {link}");
        }
    }
    assert_eq!(Link::of(105), None);
}

#[test]
fn the_directive_of_a_medium_is_told_by_its_addresses() {
    let ethernet = |destination: u8| {
        let head = [[destination; 6], [2; 6]].concat();
        [&head[..], &IPV4.to_be_bytes(), &ipv4(0)].concat()
    };
    let word = |frame: &[u8], link| take(link, frame).unwrap().0.to_string();
    assert_eq!(word(&ethernet(0xff), Link::Ethernet), "bcast");
    assert_eq!(word(&ethernet(2), Link::Ethernet), "ucast");
    assert_eq!(word(&ipv4(0), Link::Ip), "udp");
    assert_eq!(word(&ipv6(&[]), Link::Ip), "ucast6");
    let mut group = ipv4(0);
    group[16] = 239;
    assert_eq!(word(&group, Link::Ip), "mcast");
}

#[test]
fn a_tag_is_stepped_over_and_its_vlan_told() {
    let tagged = |tags: &[[u8; 4]]| {
        let addresses = [0xff; 12];
        [
            &addresses[..],
            &tags.concat(),
            &IPV4.to_be_bytes(),
            &ipv4(0),
        ]
        .concat()
    };
    let cases: [(&[[u8; 4]], _); 3] = [
        (&[[0x81, 0, 0xe0, 0]], None),
        (&[[0x81, 0, 0x20, 5]], Some(5)),
        (&[[0x88, 0xa8, 0, 7], [0x81, 0, 0, 5]], Some(7)),
    ];
    for (tags, vlan) in cases {
        let frame = tagged(tags);
        let opened = Link::Ethernet.open(&frame).unwrap();
        assert_eq!(opened.vlan, vlan);
        assert_eq!(Frames::default().take(&opened).unwrap().1, b"hi");
    }
}

#[test]
fn linux_tells_whose_frame_it_was() {
    let of = |kind: u8| {
        let head = [0, kind, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0];
        let frame = [&head[..], &IPV4.to_be_bytes(), &ipv4(0)].concat();
        let opened = Link::Cooked.open(&frame).unwrap();
        (opened.cast, opened.is_own, opened.source.to_string())
    };
    let source = "02:00:00:00:00:09".to_owned();
    assert_eq!(of(1), (Cast::Broadcast, false, source.clone()));
    assert_eq!(of(4), (Cast::Unknown, true, source));
}

#[test]
fn frames_of_hbd_are_put_together_whatever_their_type() {
    let channel = Channel {
        own: MacAddr(2, 0, 0, 0, 0, 1),
        group: MacAddr::broadcast(),
        ethertype: 0x88b6,
    };
    let packet = [b'x'; 3000];
    let mut frames = Frames::default();
    let mut whole = Vec::new();
    let Ok(()) = Splitter::new(channel).split::<Infallible>(&packet, 1500, |frame| {
        whole.extend(frames.take(&Link::Ethernet.open(frame).unwrap()));
        Ok(())
    });
    let way = Way::Ether { from: channel.own };
    assert_eq!(whole, [(way, packet.to_vec())]);
}

#[test]
fn fragments_are_counted() {
    let mut frames = Frames::default();
    for fragment in [0x2000, 0x2003, 0x0003] {
        assert_eq!(frames.take(&Opened::plain(IPV4, &ipv4(fragment))), None);
    }
    let mut packet = ipv6(&[FRAGMENT, 0, 1, 4, 0, 0, 0, 0]);
    assert_eq!(frames.take(&Opened::plain(IPV6, &packet)), None);
    packet[6] = FRAGMENT;
    assert_eq!(frames.take(&Opened::plain(IPV6, &packet)), None);
    assert_eq!(frames.fragments, 5);
    assert_eq!(
        frames.take(&Opened::plain(IPV4, &ipv4(0x4000))).unwrap().1,
        b"hi"
    );
}

/// Whatever comes: cut anywhere, each byte another, and bytes without any order.
#[test]
fn no_bytes_make_it_panic() {
    let mut frames = Frames::default();
    let links = [1, 101, 113, 276].map(|number| Link::of(number).unwrap());
    let mut look = |bytes: &[u8]| {
        for link in links {
            let _ = link.open(bytes).map(|opened| frames.take(&opened));
        }
    };
    let head = |ethertype: u16| [&[1; 12][..], &ethertype.to_be_bytes()].concat();
    let sane = [
        [head(IPV4), ipv4(0)].concat(),
        [head(IPV6), ipv6(&[UDP, 0, 1, 4, 0, 0, 0, 0])].concat(),
        [head(0x8100), vec![0, 5], IPV4.to_be_bytes().into(), ipv4(0)].concat(),
        [head(0x88b5), b"hbd1\0\0\0\x01\0\0\0\x01\0\x04beat".to_vec()].concat(),
    ];
    for frame in sane {
        for end in 0..=frame.len() {
            look(&frame[..end]);
        }
        for at in 0..frame.len() {
            for byte in 0..=255 {
                let mut other = frame.clone();
                other[at] = byte;
                look(&other);
            }
        }
    }
    let mut state = 1_u64;
    for length in 0..2000 {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        })
        .take(length % 200)
        .collect();
        look(&bytes);
    }
}
