use nix::errno::Errno;
use shared::exit::Health::{self, Critical, Ok as Fine, Unknown, Warning};

use super::*;
use crate::facts::ether::trial::{Reason, Tried};

const OWN: HardwareAddress = HardwareAddress([2, 0, 0, 0, 0, 1]);

/// What is seen, the verdict, and words of the sentence.
type Row = (fn(&mut Arp), Health, &'static str);

fn each(rows: &[Row]) {
    for (number, (change, verdict, words)) in rows.iter().enumerate() {
        let mut arp = Arp {
            address: "10.0.0.2".parse().unwrap(),
            place: Place::Neighbour(link(libc::IFF_UP | libc::IFF_LOWER_UP)),
            known: None,
            here: vec![OWN],
            trial: None,
        };
        change(&mut arp);
        let report = judge(&arp);
        let what = format!("row {number}: {}", report.sentence);
        assert_eq!(report.verdict, *verdict, "{what}");
        assert!(report.sentence.contains(words), "{what}");
    }
}

#[test]
fn where_it_is_to_be_found() {
    each(&[
        (|a| a.place = Place::NotYet, Unknown, "nothing is known yet"),
        (|a| a.place = Place::Missing, Critical, "no such interface"),
        (
            |a| a.place = Place::Nowhere,
            Critical,
            "no network of this machine",
        ),
        (
            |a| a.place = Place::Refused(Errno::EMFILE),
            Unknown,
            "cannot be read",
        ),
        (
            |a| a.place = Place::Behind("10.0.0.254".parse().unwrap()),
            Unknown,
            "behind 10.0.0.254",
        ),
        (
            |a| a.place = Place::Own(link(libc::IFF_UP)),
            Fine,
            "this machine has it, on eth0",
        ),
        (
            |a| a.place = Place::Neighbour(link(0)),
            Critical,
            "is switched off",
        ),
        (
            |a| a.place = Place::Neighbour(link(libc::IFF_UP)),
            Critical,
            "has no carrier",
        ),
    ]);
}

#[test]
fn what_the_kernel_knows() {
    each(&[
        (|_| {}, Unknown, "it was not asked for lately on eth0"),
        (
            |a| known(a, State::Reachable),
            Fine,
            "02:00:00:00:00:02 answered lately on eth0",
        ),
        (
            |a| known(a, State::Stale),
            Unknown,
            "answered some time ago",
        ),
        (|a| known(a, State::Permanent), Unknown, "entered by hand"),
        (
            |a| known(a, State::Incomplete),
            Unknown,
            "it is being asked for",
        ),
        (
            |a| known(a, State::Failed),
            Critical,
            "nobody answered lately",
        ),
    ]);
}

#[test]
fn who_answers() {
    each(&[
        (
            |a| answered(a, &[2]),
            Fine,
            "02:00:00:00:00:02 answers on eth0",
        ),
        (|a| answered(a, &[]), Critical, "nobody answers on eth0"),
        (
            |a| answered(a, &[2, 3]),
            Critical,
            "2 machines answer on eth0",
        ),
        (
            |a| answered(a, &[1]),
            Critical,
            "a hardware address of this machine",
        ),
        (
            |a| {
                known(a, State::Reachable);
                answered(a, &[3]);
            },
            Warning,
            "this machine sent to 02:00:00:00:00:02 until now",
        ),
        (
            |a| {
                known(a, State::Failed);
                answered(a, &[2]);
            },
            Fine,
            "02:00:00:00:00:02 answers",
        ),
        (|a| own(a, &[]), Fine, "nobody else answers"),
        (|a| own(a, &[1]), Fine, "nobody else answers"),
        (
            |a| own(a, &[2]),
            Critical,
            "and 02:00:00:00:00:02 answers for it",
        ),
        (
            |a| a.trial = Some(Trial::Refused(Errno::EPERM)),
            Unknown,
            "the rights of root",
        ),
        (
            |a| a.trial = Some(Trial::NoTime),
            Unknown,
            "not enough time",
        ),
    ]);
}

fn link(flags: libc::c_int) -> Link {
    Link {
        index: 2,
        name: "eth0".to_owned(),
        flags: flags.cast_unsigned(),
        ethernet: true,
        hardware: Some(OWN),
        promotes: false,
        routes: false,
    }
}

fn known(arp: &mut Arp, state: State) {
    arp.known = Some(Neighbour {
        index: 2,
        address: arp.address,
        hardware: Some(HardwareAddress([2, 0, 0, 0, 0, 2])),
        state,
    });
}

fn answered(arp: &mut Arp, by: &[u8]) {
    let by = by
        .iter()
        .map(|last| (HardwareAddress([2, 0, 0, 0, 0, *last]), 3));
    let asked = Asked {
        address: arp.address,
        reason: Reason::Claimed,
        answers: by.collect(),
        pings: Vec::new(),
        unsent: None,
    };
    arp.trial = Some(Trial::Done(Tried {
        asked: vec![asked],
        ..Tried::default()
    }));
}

fn own(arp: &mut Arp, by: &[u8]) {
    arp.place = Place::Own(link(libc::IFF_UP | libc::IFF_LOWER_UP));
    answered(arp, by);
}
