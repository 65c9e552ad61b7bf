use std::collections::BTreeMap;

use hbd_agents::network::{HardwareAddress, Held, Link};
use nix::errno::Errno;
use shared::exit::Health::{self, Critical, Ok as Fine, Unknown, Warning};

use super::*;
use crate::facts::ether::trial::{Asked, Pings, Reason, SMALL, Source};
use crate::facts::ether::{Look, PeerSees, Speed};
use crate::facts::links::{Interface, Operational, Part, PortState};
use crate::facts::neighbours::{Neighbour, State};

const OWN: HardwareAddress = HardwareAddress([2, 0, 0, 0, 0, 1]);
const PEER: &str = "10.0.0.2";
const OTHER: &str = "10.0.0.3";

/// What is seen, the verdict, and words of the sentence.
type Row = (fn(&mut Ether), Health, &'static str);

fn each(rows: &[Row]) {
    for (number, (change, verdict, words)) in rows.iter().enumerate() {
        let mut ether = sound();
        change(&mut ether);
        let report = judge(&ether, &Limits::default());
        let what = format!("row {number}: {}", report.sentence);
        assert_eq!(report.verdict, *verdict, "{what}");
        assert!(report.sentence.contains(words), "{what}");
    }
}

#[test]
fn a_sound_interface_is_ok() {
    let report = judge(&sound(), &Limits::default());
    let expected = "up, with carrier, 1000 Mbit/s full duplex";
    assert_eq!((report.verdict, &*report.sentence), (Fine, expected));
}

#[test]
fn the_interface_itself() {
    each(&[
        (
            |e| e.looks = Err(Unread::Missing),
            Critical,
            "there is no such interface",
        ),
        (|e| e.looks = Err(Unread::Vanished), Critical, "vanished"),
        (
            |e| e.looks = Err(Unread::NotYet),
            Unknown,
            "nothing is known yet",
        ),
        (
            |e| e.looks = Err(Unread::Refused(Errno::EMFILE)),
            Unknown,
            "cannot be read",
        ),
        (
            |e| both(e, |i| i.link.flags = 0),
            Critical,
            "it is switched off",
        ),
        (
            |e| both(e, |i| i.operational = Operational::NotPresent),
            Critical,
            "the card is not there",
        ),
        (
            |e| both(e, |i| i.operational = Operational::Dormant),
            Critical,
            "waits to be let in",
        ),
        (
            |e| both(e, |i| i.operational = Operational::Testing),
            Critical,
            "it is tested",
        ),
        (
            |e| both(e, |i| i.link.ethernet = false),
            Unknown,
            "no Ethernet",
        ),
        (
            |e| both(e, |i| i.link.flags |= bit(libc::IFF_LOOPBACK)),
            Warning,
            "leads to this machine alone",
        ),
    ]);
}

#[test]
fn no_carrier_is_said_of_what_has_none() {
    each(&[
        (
            |e| dark(e, ""),
            Critical,
            "no carrier: the cable, or the switch port or machine",
        ),
        (
            |e| dark(e, "veth"),
            Critical,
            "no carrier: its other end is switched off",
        ),
        (
            |e| dark(e, "bridge"),
            Critical,
            "no carrier: no line of it has any",
        ),
        (
            |e| dark(e, "bond"),
            Critical,
            "no carrier: no line of it has any",
        ),
        (
            |e| dark(e, "tun"),
            Critical,
            "no carrier: no program has it open",
        ),
        (
            |e| {
                dark(e, "vlan");
                below(e, 0);
            },
            Critical,
            "no carrier: eth9, which it stands upon, is switched off",
        ),
        (
            |e| {
                dark(e, "macvlan");
                below(e, libc::IFF_UP);
            },
            Critical,
            "no carrier: eth9, which it stands upon, has no carrier",
        ),
    ]);
}

#[test]
fn a_part_of_another_is_what_that_makes_of_it() {
    fn port(ether: &mut Ether, state: PortState, isolated: bool) {
        part(ether, Part::Port { state, isolated });
    }
    fn line(ether: &mut Ether, backup: bool, dead: bool) {
        part(ether, Part::Line { backup, dead });
    }
    each(&[
        (
            |e| port(e, PortState::Forwarding, false),
            Fine,
            "up, with carrier",
        ),
        (
            |e| port(e, PortState::Forwarding, true),
            Warning,
            "an isolated port of br0",
        ),
        (
            |e| port(e, PortState::Blocking, false),
            Critical,
            "this port of br0 is blocked",
        ),
        (
            |e| port(e, PortState::Disabled, false),
            Critical,
            "this port of br0 is disabled",
        ),
        (
            |e| port(e, PortState::Learning, false),
            Critical,
            "does not forward yet",
        ),
        (|e| line(e, false, false), Fine, "it carries for br0"),
        (|e| line(e, true, false), Fine, "it stands by in br0"),
        (
            |e| line(e, true, true),
            Critical,
            "br0 found this line dead",
        ),
        (
            |e| {
                port(e, PortState::Forwarding, false);
                e.addresses = vec![held("10.0.0.1")];
            },
            Warning,
            "10.0.0.1 is on a part of br0",
        ),
    ]);
}

#[test]
fn counters_are_judged_by_their_growth_and_then_by_their_share() {
    each(&[
        (
            |e| counted(e, |i| i.counters.crc += 1),
            Critical,
            "1 frames came broken",
        ),
        (
            |e| counted(e, |i| i.counters.frame += 3),
            Critical,
            "3 frames came broken",
        ),
        (
            |e| counted(e, |i| i.counters.tx_errors += 1),
            Critical,
            "fails to send",
        ),
        (
            |e| counted(e, |i| i.counters.missed += 1),
            Warning,
            "faster than this machine",
        ),
        (
            |e| counted(e, |i| i.counters.overrun += 1),
            Warning,
            "faster than this machine",
        ),
        (
            |e| counted(e, |i| i.counters.late_collisions += 1),
            Critical,
            "differ in duplex",
        ),
        // A switch floods what nobody here takes.
        (
            |e| counted(e, |i| i.counters.rx_dropped += 9),
            Fine,
            "up, with carrier",
        ),
        (
            |e| both(e, |i| i.counters.rx_errors = 9),
            Fine,
            "up, with carrier",
        ),
        (
            |e| both(e, |i| i.counters.rx_errors = 30),
            Warning,
            "30 of 20000 frames",
        ),
        (
            |e| {
                both(e, |i| {
                    i.counters.rx = 0;
                    i.counters.tx = 20;
                });
            },
            Warning,
            "none ever came in",
        ),
        (
            |e| both(e, |i| i.carrier_lost = Some(9)),
            Fine,
            "up, with carrier",
        ),
        (
            |e| both(e, |i| i.carrier_lost = Some(10)),
            Warning,
            "was lost 10 times",
        ),
        (
            |e| both(e, |i| i.carrier_lost = None),
            Fine,
            "up, with carrier",
        ),
        (
            |e| counted(e, |i| i.carrier_lost = Some(3)),
            Critical,
            "lost while it was looked at",
        ),
        (|e| look(e).speed.full = Some(false), Warning, "half duplex"),
        (
            |e| look(e).speed = Speed::default(),
            Fine,
            "up, with carrier",
        ),
    ]);
}

#[test]
fn limits_of_the_caller_take_the_place_of_the_share() {
    let mut ether = sound();
    both(&mut ether, |i| i.counters.rx_errors = 30);
    let of = |warning: Option<&str>, critical: Option<&str>| {
        let parse = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        let limits = Limits {
            warning: parse(warning),
            critical: parse(critical),
        };
        judge(&ether, &limits).verdict
    };
    assert_eq!(of(Some("30"), None), Fine);
    assert_eq!(of(Some("29"), Some("30")), Warning);
    assert_eq!(of(Some("5"), Some("29")), Critical);
}

#[test]
fn what_the_kernel_knows_of_who_is_wanted() {
    fn known(ether: &mut Ether, state: State) {
        ether.wanted = vec![ip(PEER)];
        ether.neighbours = vec![neighbour(PEER, state)];
    }
    each(&[
        (
            |e| known(e, State::Reachable),
            Fine,
            "10.0.0.2 answered lately",
        ),
        (
            |e| known(e, State::Failed),
            Critical,
            "10.0.0.2 does not answer",
        ),
        (|e| known(e, State::Incomplete), Unknown, "is being asked"),
        (
            |e| known(e, State::Stale),
            Unknown,
            "answered some time ago",
        ),
        (|e| known(e, State::Permanent), Unknown, "entered by hand"),
        (
            |e| e.wanted = vec![ip(PEER)],
            Unknown,
            "was not asked lately",
        ),
        (
            |e| e.wanted = vec![ip("10.9.0.2")],
            Critical,
            "10.9.0.2 is in no network of eth0",
        ),
        (
            |e| e.wanted = vec![ip("10.0.0.1")],
            Warning,
            "is this interface's own",
        ),
        (
            |e| e.wanted = vec![ip("fe80::2")],
            Unknown,
            "was not asked lately",
        ),
    ]);
}

#[test]
fn why_nobody_was_asked_is_said() {
    each(&[
        (
            |e| e.trial = Some(Trial::Refused(Errno::EPERM)),
            Unknown,
            "takes the rights of root",
        ),
        (
            |e| e.trial = Some(Trial::Refused(Errno::ENODEV)),
            Unknown,
            "not tried: No such device",
        ),
        (
            |e| e.trial = Some(Trial::NoTime),
            Unknown,
            "not enough time",
        ),
    ]);
}

#[test]
fn who_is_wanted_answers_or_not() {
    each(&[
        (|e| asked(e, &[answering(PEER)]), Fine, "10.0.0.2 answers"),
        (
            |e| asked(e, &[silent(PEER), known(OTHER)]),
            Critical,
            "10.0.0.2 does not answer, and others there do",
        ),
        (
            |e| asked(e, &[filtered(PEER)]),
            Warning,
            "but answers no ping",
        ),
        (
            |e| {
                asked(
                    e,
                    &[Asked {
                        unsent: Some(Errno::EPERM),
                        ..filtered(PEER)
                    }],
                )
            },
            Critical,
            "this machine drops them",
        ),
        (
            |e| {
                asked(e, &[filtered(PEER)]);
                e.neighbours = vec![neighbour(PEER, State::Failed)];
            },
            Critical,
            "the kernel does not get the answer",
        ),
        (
            |e| {
                asked(
                    e,
                    &[pinged(PEER, &[(SMALL, 3, 3), (1280, 1, 1), (1500, 3, 0)])],
                )
            },
            Critical,
            "MTU trouble: packets of 1500 bytes do not reach 10.0.0.2, those of 1280 do",
        ),
        (
            |e| asked(e, &[pinged(PEER, &[(SMALL, 3, 2), (1500, 1, 1)])]),
            Warning,
            "1 of 3 pings to 10.0.0.2 were lost",
        ),
        (
            |e| {
                asked(
                    e,
                    &[Asked {
                        answers: BTreeMap::new(),
                        ..answering(PEER)
                    }],
                )
            },
            Warning,
            "nobody says who has it",
        ),
        (
            |e| asked(e, &[twice(PEER)]),
            Critical,
            "2 machines answer for 10.0.0.2: 02:00:00:00:00:02, 02:00:00:00:00:09",
        ),
        (
            |e| asked(e, &[answering("10.9.0.2")]),
            Critical,
            "on this wire, but in no network",
        ),
        (
            |e| asked(e, &[silent("10.9.0.2"), known(OTHER)]),
            Critical,
            "10.9.0.2 is in no network of eth0",
        ),
    ]);
}

#[test]
fn where_nobody_answers_the_part_of_the_way_is_named() {
    each(&[
        (
            |e| asked(e, &[silent(PEER)]),
            Critical,
            "nothing at all comes in",
        ),
        (
            |e| asked(e, &[silent(PEER), quiet(OTHER)]),
            Critical,
            "nothing at all comes in",
        ),
        (
            |e| {
                asked(e, &[silent(PEER)]);
                done(e).frames = 3;
            },
            Critical,
            "though frames come in",
        ),
        (
            |e| {
                asked(e, &[silent(PEER)]);
                hears(e, "10.9.9.9");
            },
            Critical,
            "only another network is heard: 10.9.9.9",
        ),
        (
            |e| {
                asked(e, &[silent(PEER)]);
                hears(e, OTHER);
            },
            Critical,
            "though frames come in",
        ),
        (
            |e| {
                asked(e, &[silent(PEER)]);
                hears(e, PEER);
            },
            Critical,
            "one way only: 10.0.0.2 is heard and does not answer",
        ),
        (
            |e| {
                asked(e, &[silent(PEER), known(OTHER)]);
                hears(e, PEER);
            },
            Critical,
            "one way only: 10.0.0.2 is heard",
        ),
        (
            |e| {
                asked(e, &[silent(PEER)]);
                both(e, |i| i.counters.tx = 5);
            },
            Critical,
            "nothing goes out: the card does not send",
        ),
        (
            |e| {
                asked(e, &[answering(PEER)]);
                done(e).own_frames = 1;
            },
            Critical,
            "frames with its own hardware address come in",
        ),
    ]);
}

#[test]
fn what_the_other_end_sees_tells_the_direction() {
    fn sees(ether: &mut Ether, carrier: bool, our_frames: bool) {
        asked(ether, &[silent(PEER)]);
        ether.peer = Some(PeerSees {
            carrier,
            our_frames,
        });
    }
    each(&[
        (
            |e| sees(e, true, true),
            Critical,
            "the other end hears this interface",
        ),
        (
            |e| sees(e, true, false),
            Critical,
            "no frame of this interface comes there",
        ),
        (
            |e| sees(e, false, false),
            Critical,
            "the other end has no carrier",
        ),
    ]);
}

#[test]
fn without_anybody_wanted_those_who_are_known_are_asked() {
    each(&[
        (|e| asked(e, &[]), Unknown, "no neighbour is known"),
        (
            |e| asked(e, &[known(PEER)]),
            Fine,
            "the neighbour that is known answers",
        ),
        (
            |e| asked(e, &[known(PEER), known(OTHER)]),
            Fine,
            "all 2 neighbours",
        ),
        (
            |e| asked(e, &[known(PEER), quiet(OTHER)]),
            Warning,
            "these do not answer: 10.0.0.3",
        ),
        (
            |e| asked(e, &[quiet(OTHER)]),
            Critical,
            "nothing at all comes in",
        ),
    ]);
}

#[test]
fn an_own_address_that_another_machine_has_is_critical() {
    fn own(ether: &mut Ether, by: u8) {
        let of = Asked {
            reason: Reason::Own,
            ..claimed("10.0.0.1", &[by])
        };
        asked(ether, &[of, answering(PEER)]);
    }
    each(&[
        (
            |e| own(e, 7),
            Critical,
            "another machine has 10.0.0.1 too: 02:00:00:00:00:07",
        ),
        // Another interface of this machine, on the same wire.
        (
            |e| {
                own(e, 7);
                e.here.push(hardware(7));
            },
            Fine,
            "10.0.0.2 answers",
        ),
        (
            |e| {
                e.addresses.push(Held {
                    flags: libc::IFA_F_DADFAILED,
                    ..held("10.0.0.4")
                })
            },
            Critical,
            "another machine has 10.0.0.4 too",
        ),
    ]);
}

#[test]
fn a_word_that_is_no_address_is_told() {
    let finding = no_address("bob");
    assert_eq!(finding.what, "bob is no address of IPv4 or IPv6");
}

// What they are made of.

fn sound() -> Ether {
    let flags = bit(libc::IFF_UP) | bit(libc::IFF_LOWER_UP);
    let mut interface = interface("eth0", flags);
    interface.carrier_lost = Some(1);
    interface.counters.rx = 10_000;
    interface.counters.tx = 10_000;
    let look = Look {
        interface,
        below: None,
        master: None,
        speed: Speed {
            megabits: Some(1000),
            full: Some(true),
        },
    };
    Ether {
        name: "eth0".to_owned(),
        looks: Ok([look.clone(), look]),
        addresses: vec![held("10.0.0.1")],
        here: vec![OWN],
        neighbours: Vec::new(),
        wanted: Vec::new(),
        trial: None,
        peer: None,
    }
}

fn interface(name: &str, flags: u32) -> Interface {
    let mut interface = Interface::of(Link {
        index: 2,
        name: name.to_owned(),
        flags,
        ethernet: true,
        hardware: Some(OWN),
        promotes: false,
        routes: false,
    });
    interface.operational = Operational::Up;
    interface.mtu = 1500;
    interface
}

fn bit(flag: libc::c_int) -> u32 {
    flag.cast_unsigned()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn hardware(last: u8) -> HardwareAddress {
    HardwareAddress([2, 0, 0, 0, 0, last])
}

fn held(address: &str) -> Held {
    Held {
        index: 2,
        address: ip(address),
        prefix: 24,
        broadcast: None,
        flags: 0,
        protocol: None,
        valid: u32::MAX,
    }
}

fn neighbour(address: &str, state: State) -> Neighbour {
    Neighbour {
        index: 2,
        address: ip(address),
        hardware: None,
        state,
    }
}

fn look(ether: &mut Ether) -> &mut Look {
    &mut ether.looks.as_mut().unwrap()[1]
}

fn both(ether: &mut Ether, change: fn(&mut Interface)) {
    for look in ether.looks.as_mut().unwrap() {
        change(&mut look.interface);
    }
}

/// Between the two looks.
fn counted(ether: &mut Ether, change: fn(&mut Interface)) {
    change(&mut look(ether).interface);
}

fn dark(ether: &mut Ether, kind: &str) {
    for look in ether.looks.as_mut().unwrap() {
        look.interface.link.flags = bit(libc::IFF_UP);
        look.interface.kind = kind.to_owned();
    }
}

fn below(ether: &mut Ether, flags: libc::c_int) {
    look(ether).below = Some(interface("eth9", bit(flags)));
}

fn part(ether: &mut Ether, part: Part) {
    ether.addresses.clear();
    look(ether).interface.part = Some(part);
    look(ether).master = Some(interface("br0", 0));
}

/// They were asked, and something went out.
fn asked(ether: &mut Ether, asked: &[Asked]) {
    look(ether).interface.counters.tx += 3;
    let wanted = asked.iter().filter(|asked| asked.reason == Reason::Wanted);
    ether.wanted = wanted.map(|asked| asked.address).collect();
    ether.trial = Some(Trial::Done(Tried {
        asked: asked.to_vec(),
        ..Tried::default()
    }));
}

fn done(ether: &mut Ether) -> &mut Tried {
    match &mut ether.trial {
        Some(Trial::Done(tried)) => tried,
        _ => panic!("it was tried"),
    }
}

fn hears(ether: &mut Ether, address: &str) {
    let tried = done(ether);
    tried.frames += 1;
    tried.sources.push(Source {
        hardware: hardware(9),
        addresses: vec![ip(address)],
    });
}

fn claimed(address: &str, by: &[u8]) -> Asked {
    Asked {
        address: ip(address),
        reason: Reason::Wanted,
        answers: by.iter().map(|last| (hardware(*last), 3)).collect(),
        pings: Vec::new(),
        unsent: None,
    }
}

fn pinged(address: &str, sizes: &[(u32, u32, u32)]) -> Asked {
    let pings = sizes.iter();
    let pings = pings.map(|&(size, sent, answered)| Pings {
        size,
        sent,
        answered,
    });
    Asked {
        pings: pings.collect(),
        ..claimed(address, &[2])
    }
}

fn answering(address: &str) -> Asked {
    pinged(address, &[(SMALL, 3, 3), (1280, 1, 1), (1500, 1, 1)])
}

fn twice(address: &str) -> Asked {
    Asked {
        answers: claimed(address, &[2, 9]).answers,
        ..answering(address)
    }
}

fn filtered(address: &str) -> Asked {
    pinged(address, &[(SMALL, 3, 0), (1500, 3, 0)])
}

fn silent(address: &str) -> Asked {
    Asked {
        answers: BTreeMap::new(),
        ..filtered(address)
    }
}

fn known(address: &str) -> Asked {
    Asked {
        reason: Reason::Known,
        ..claimed(address, &[3])
    }
}

fn quiet(address: &str) -> Asked {
    Asked {
        reason: Reason::Known,
        ..claimed(address, &[])
    }
}
