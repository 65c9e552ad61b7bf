use super::*;
use crate::wire::Method;
use alloc::vec;

/// The first packet of `on-boot-alone.pcap`.
const PACKET: &[u8] =
    b"###\n11:(0)t=status,10:(0)st=init,10:(0)dt=1f40,13:(0)protocol=1,12:(0)src=alice,\
27:(1)srcuuid=\xd9\xbc\xd8;\xe3/B\xff\xbf\xafh\x1f\xfe\x94_\x80,8:(0)seq=1,14:(0)hg=6b029977,\
14:(0)ts=6b029976,30:(0)ld=1.07 0.58 0.30 10/174 59,8:(0)ttl=3,\
50:(0)auth=1 025e92949f41d1eb072f78d4c6558a8d41fb5d33,%%%\n\
42:1 ffef8326ed6771c0b3f1906a0092e6ebabbfad1d,";

#[test]
fn the_worked_example_decodes_and_encodes_to_the_same_bytes() {
    let decoded = decode_packet(PACKET, &ring(1)).unwrap();
    assert_eq!(decoded.key, KeyIndex(1));
    assert_eq!(decoded.form, Form::Netstring);
    assert_eq!(decoded.message.message_type(), "status");
    assert_eq!(decoded.message.src(), Some("alice"));
    assert_eq!(decoded.message.generation(), Some(Generation(0x6b02_9977)));
    assert_eq!(decoded.message.sequence(), Some(Sequence(1)));
    assert_eq!(decoded.message.len(), 11);
    let again = encode_packet(&decoded.message, &ring(1), Form::Netstring).unwrap();
    assert_eq!(again, PACKET);
}

#[test]
fn every_form_and_key_comes_back() {
    let message = status();
    for form in FORMS {
        for active in 1..=4 {
            let packet = encode_packet(&message, &ring(active), form).unwrap();
            let decoded = decode_packet(&packet, &ring(active)).unwrap();
            assert_eq!(decoded.message, message, "{form:?}");
            assert_eq!((decoded.form, decoded.key), (form, KeyIndex(active)));
        }
    }
}

#[test]
fn a_flipped_bit_never_verifies() {
    for form in FORMS {
        for active in 1..=4 {
            let packet = encode_packet(&status(), &ring(active), form).unwrap();
            for bit in 0..packet.len() * 8 {
                let mut bad = packet.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                let decoded = decode_packet(&bad, &ring(active));
                assert!(decoded.is_err(), "{form:?}, bit {bit}: {decoded:?}");
            }
        }
    }
}

#[test]
fn a_packet_cut_anywhere_is_refused() {
    for form in FORMS {
        let packet = encode_packet(&status(), &ring(1), form).unwrap();
        let shortest = if form == Form::StringNul { 1 } else { 0 };
        for length in 0..packet.len() - shortest {
            assert!(decode_packet(&packet[..length], &ring(1)).is_err());
        }
    }
}

#[test]
fn each_refusal_has_its_reason() {
    let refused = |bytes: &[u8]| decode_packet(bytes, &ring(1)).unwrap_err();
    let malformed = |at, kind| Refused::Malformed(Flaw::new(at, kind));
    assert_eq!(refused(b""), Refused::NoForm);
    assert_eq!(refused(b"hello"), Refused::NoForm);
    assert_eq!(refused(b"###"), Refused::NoForm);
    assert_eq!(
        refused(&vec![b'#'; PACKET_BYTES_MAX + 1]),
        Refused::TooLong {
            bytes: PACKET_BYTES_MAX + 1
        }
    );
    assert_eq!(refused(b"###\n3:abc"), malformed(4, FlawKind::Truncated));
    assert_eq!(refused(b"###\n6:(0)t=x,%%%\n"), Refused::NoTrailer);
    assert_eq!(refused(b"###\n6:(0)t=x,%%%\nxyz"), Refused::NoTrailer);
    assert_eq!(
        refused(b"###\n6:(0)t=x,%%%\n6:1 abc"),
        malformed(17, FlawKind::Truncated)
    );
    assert_eq!(
        refused(b"###\n6:(0)t=x,%%%\n5:1 abc,,"),
        malformed(17, FlawKind::TrailingBytes)
    );
    assert_eq!(refused(b"###\n6:(0)t=x,%%%\n3:abc,"), Refused::BadAuth);
    assert_eq!(
        refused(b"###\n6:(0)t=x,%%%\n5:9 abc,"),
        Refused::UnknownKey(KeyIndex(9))
    );
    assert_eq!(
        refused(b"###\n6:(0)t=x,%%%\n5:1 abc,"),
        Refused::WrongDigest(KeyIndex(1))
    );
    assert_eq!(refused(b">>>\nt=x\n"), malformed(8, FlawKind::NoEnd));
    assert_eq!(refused(b">>>\nt=x\n<<<\n"), Refused::NoAuth);
    assert_eq!(
        refused(b">>>\nt=x\nauth=1 abc\n<<<\n"),
        Refused::WrongDigest(KeyIndex(1))
    );
    assert_eq!(refused(b">>>\nt=x\nauth=abc\n<<<\n\0"), Refused::BadAuth);
}

#[test]
fn a_crc_is_refused_while_another_key_is_active() {
    let packet = encode_packet(&status(), &ring(3), Form::Netstring).unwrap();
    assert_eq!(
        decode_packet(&packet, &ring(1)),
        Err(Refused::InactiveCrc(KeyIndex(3)))
    );
    assert!(decode_packet(&packet, &ring(3)).is_ok());
}

#[test]
fn the_trailer_alone_decides_in_the_netstring_form() {
    let packet = signed(b"###\n6:(0)t=x,11:(0)auth=zzz,%%%\n");
    let decoded = decode_packet(&packet, &ring(1)).unwrap();
    assert_eq!(decoded.message, Message::new("x"));
}

#[test]
fn a_signed_packet_whose_fields_do_not_parse_is_refused() {
    let packet = signed(b"###\n6:(9)t=x,%%%\n");
    assert_eq!(
        decode_packet(&packet, &ring(1)),
        Err(Refused::Malformed(Flaw::new(6, FlawKind::BadType)))
    );
    let packet = signed(b"###\n6:(0)t=x,%%%\n6:(0)t=x,%%%\n");
    assert_eq!(
        decode_packet(&packet, &ring(1)),
        Err(Refused::Malformed(Flaw::new(17, FlawKind::TrailingBytes)))
    );
}

#[test]
fn a_compressed_message_is_refused_by_the_name_of_its_algorithm() {
    let packet =
        signed(b"###\n28:(1)_compressed_payload=BZh91,29:(0)_compression_algorithm=bz2,%%%\n");
    let refused = decode_packet(&packet, &ring(1)).unwrap_err();
    assert_eq!(
        refused,
        Refused::Compressed {
            algorithm: "bz2".into()
        }
    );
    let mut unsigned = packet.clone();
    unsigned[40] ^= 1;
    assert_eq!(
        decode_packet(&unsigned, &ring(1)),
        Err(Refused::WrongDigest(KeyIndex(1)))
    );
}

#[test]
fn a_packet_with_a_wrong_digest_still_tells_what_it_claims() {
    let packet = encode_packet(&status(), &ring(2), Form::Netstring).unwrap();
    let stranger = KeyRing::new(
        KeyIndex(2),
        [(KeyIndex(2), Method::Md5, b"other".as_slice())],
    );
    assert_eq!(
        decode_packet(&packet, &stranger.unwrap()),
        Err(Refused::WrongDigest(KeyIndex(2)))
    );
    let claim = decode_unverified(&packet).unwrap();
    assert_eq!(claim.claimed_src(), Some("alice"));
    assert_eq!(claim.claimed_key(), Some(KeyIndex(2)));
    assert_eq!(claim.claimed_sequence(), Some(Sequence(7)));
    assert_eq!(claim.claimed_type(), "status");
    assert!(decode_unverified(b"###\n3:abc").is_err());
}

#[test]
fn what_no_receiver_could_decode_is_not_sent() {
    let unsendable =
        |message: &Message| encode_packet(message, &ring(1), Form::Netstring).unwrap_err();
    let field = |name: &str, kind| Unsendable::Field {
        name: name.into(),
        kind,
    };
    let mut message = Message::new("x");
    message.set_text("info", "a\0b");
    assert_eq!(unsendable(&message), field("info", FlawKind::BadText));
    let mut message = Message::new("x");
    message.set_text("a=b", "c");
    assert_eq!(unsendable(&message), field("a=b", FlawKind::BadName));
    let mut message = Message::new("x");
    message.set_text("auth", "1 ab");
    assert_eq!(unsendable(&message), field("auth", FlawKind::BadName));
    assert_eq!(
        unsendable(&Message::default()),
        Unsendable::Message(FlawKind::NoField)
    );
    let mut message = Message::new("x");
    message.set_binary("raw", &vec![0; PACKET_BYTES_MAX]);
    assert!(matches!(unsendable(&message), Unsendable::TooLong { .. }));
}

const FORMS: [Form; 4] = [
    Form::Netstring,
    Form::NetstringBare,
    Form::String,
    Form::StringNul,
];

fn ring(active: u8) -> KeyRing {
    let keys: [(KeyIndex, Method, &[u8]); 4] = [
        (KeyIndex(1), Method::Sha1, b"lab-secret-key"),
        (KeyIndex(2), Method::Md5, b"md5-secret"),
        (KeyIndex(3), Method::Crc, b""),
        (KeyIndex(4), Method::Sha256, b"sha256-secret"),
    ];
    KeyRing::new(KeyIndex(active), keys).unwrap()
}

fn status() -> Message {
    let mut message = Message::new("status");
    message
        .set_text("st", "active")
        .set_text("src", "alice")
        .set_uuid("srcuuid", Uuid([0x25; 16]))
        .set_hex("seq", 7)
        .set_hex("hg", 0x6b02_9977)
        .set_text("info", "two\nlines, 100 %%%\n")
        .set_struct("child", &Message::new("nested"));
    message
}

/// A netstring packet with a right trailer around these bytes.
fn signed(bytes: &[u8]) -> Vec<u8> {
    let mut packet = bytes.to_vec();
    write_trailer(&ring(1), &mut packet);
    packet
}
