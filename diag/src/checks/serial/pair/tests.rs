use shared::exit::Health::{Critical, Ok as Fine, Unknown, Warning};
use shared::names::{MediumName, NodeName};
use shared::probe::{Counters, Outputs, Reading};

use super::*;
use crate::facts::serial::pair::{Both, End};
use crate::facts::serial::trial::SETTINGS;

/// What CTS, DSR, DCD and RxD of an end follow: small letters its own outputs, capital ones those of the other end; 1 is
/// always raised, ? changes by itself, ! mangles.
type Wires = [&'static str; 4];

const FULL: Wires = ["R", "D", "D", "T"];
const NOTHING: Wires = ["-", "-", "-", "-"];

fn end(name: &str) -> End {
    let medium = MediumName::new("ttyS0").unwrap();
    End::new(NodeName::new(name).unwrap(), "/dev/ttyS0", medium)
}

fn is_raised(wire: &str, own: Outputs, other: Outputs, step: usize) -> bool {
    wire.chars().any(|letter| match letter {
        'r' => own.rts,
        'd' => own.dtr,
        'R' => other.rts,
        'D' => other.dtr,
        '1' => true,
        '?' => step % 3 == 1,
        _ => false,
    })
}

fn look(wires: Wires, own: Outputs, other: Outputs, step: usize) -> Reading {
    let raised = |input: usize| is_raised(wires[input], own, other, step);
    Reading {
        lines: Some(Lines {
            dtr: own.dtr,
            rts: own.rts,
            cts: raised(0),
            dsr: raised(1),
            dcd: raised(2),
            ri: false,
        }),
        counters: Some(Counters::default()),
        ..Reading::default()
    }
}

fn steps(here: Wires, there: Wires) -> Vec<Step> {
    let settings = SETTINGS.repeat(2);
    let all = Side::BOTH
        .into_iter()
        .flat_map(|by| settings.iter().map(move |set| (by, *set)));
    let steps = all.enumerate().map(|(number, (by, (dtr, rts)))| {
        let outputs = Outputs { dtr, rts };
        let (own, other) = match by {
            Side::Here => (outputs, Outputs::RAISED),
            Side::There => (Outputs::RAISED, outputs),
        };
        let seen = Both {
            here: look(here, own, other, number),
            there: look(there, other, own, number),
        };
        Step { by, outputs, seen }
    });
    steps.collect()
}

fn sent(by: Side, own: Wires, other: Wires) -> Sent {
    let count = u32::try_from(SENT.len()).unwrap();
    let with = |tx, rx, frame| Reading {
        counters: Some(Counters {
            tx,
            rx,
            frame,
            ..Counters::default()
        }),
        ..Reading::default()
    };
    let came_back = if own[3].contains('t') { count } else { 0 };
    let (came, mangled) = match other[3] {
        "T" => (count, 0),
        "!" => (count, count / 4),
        _ => (0, 0),
    };
    let (sender, receiver) = (with(count, came_back, 0), with(0, came, mangled));
    let of = |sender, receiver| match by {
        Side::Here => Both {
            here: sender,
            there: receiver,
        },
        Side::There => Both {
            here: receiver,
            there: sender,
        },
    };
    Sent {
        by,
        before: of(with(0, 0, 0), with(0, 0, 0)),
        after: of(sender, receiver),
    }
}

fn pair(here: Wires, there: Wires) -> Pair {
    Pair {
        ends: Both {
            here: end("alice"),
            there: end("bob"),
        },
        steps: steps(here, there),
        sent: vec![
            sent(Side::Here, here, there),
            sent(Side::There, there, here),
        ],
    }
}

/// The first that is said, as it would be shown.
fn first(pair: &Pair) -> (Health, String) {
    let report = crate::report::Report::of("serial", "/dev/ttyS0", findings(pair));
    (report.verdict, report.sentence)
}

#[test]
fn each_kind_of_cable_is_named() {
    let own = ["r", "d", "d", "T"];
    let partial = ["r", "D", "R", "T"];
    let plug = ["r", "d", "d", "t"];
    let modem = ["1", "1", "-", "t"];
    let three = ["-", "-", "-", "T"];
    let rows = [
        (FULL, Fine, "a full null modem cable between alice and bob"),
        (
            ["R", "D", "-", "T"],
            Fine,
            "a null modem cable of seven wires",
        ),
        (partial, Warning, "partial handshake at alice"),
        (own, Warning, "loop-back handshake at alice"),
        (three, Critical, "three wires, too few for hbd"),
        (plug, Critical, "a loopback plug is on the port of alice"),
        (
            NOTHING,
            Critical,
            "no wire connects alice and bob: the cable is unplugged, or it is a straight one",
        ),
        (modem, Critical, "what alice sends comes back to it"),
    ];
    for (wires, verdict, sentence) in rows {
        let (found, said) = first(&pair(wires, wires));
        assert_eq!(found, verdict, "{wires:?}: {said}");
        assert!(said.starts_with(sentence), "{wires:?}: {said}");
    }
}

#[test]
fn each_broken_wire_is_named_by_its_pins() {
    let rows = [
        (
            ["-", "D", "D", "T"],
            Critical,
            "the wire from RTS 7 of bob to CTS 8 of alice is broken",
        ),
        (
            ["R", "-", "-", "T"],
            Warning,
            "the wire from DTR 4 of bob to DSR 6 and DCD 1 of alice is broken",
        ),
        (
            ["R", "-", "D", "T"],
            Warning,
            "the wire from DTR 4 of bob to DSR 6 of alice is broken",
        ),
        (
            ["R", "D", "D", "-"],
            Critical,
            "the wire from TxD 3 of bob to RxD 2 of alice is broken",
        ),
        (
            ["-", "-", "-", "-"],
            Critical,
            "nothing that bob raises or sends arrives at alice",
        ),
        (
            ["D", "R", "R", "T"],
            Critical,
            "two wires are swapped: RTS 7 of bob leads to DSR 6 and DCD 1 of alice",
        ),
        (
            ["RD", "D", "D", "T"],
            Critical,
            "RTS 7 and DTR 4 of bob touch: CTS 8 of alice follows both",
        ),
        (
            ["1", "D", "D", "T"],
            Warning,
            "CTS 8 of alice is raised whatever RTS 7 of bob does",
        ),
        (
            ["R", "D", "R", "T"],
            Warning,
            "DCD 1 of alice follows RTS 7 of bob and not DTR 4 of bob",
        ),
        (
            ["r", "D", "D", "T"],
            Critical,
            "CTS 8 of alice follows RTS 7 of alice and not RTS 7 of bob",
        ),
        (
            ["R", "?", "D", "T"],
            Warning,
            "lines of alice change by themselves",
        ),
        (
            ["R", "D", "D", "!"],
            Warning,
            "what bob sends arrives at alice mangled: noise",
        ),
    ];
    for (wires, verdict, sentence) in rows {
        let (found, said) = first(&pair(wires, FULL));
        let mirrored = first(&pair(FULL, wires)).1;
        assert_eq!(found, verdict, "{wires:?}: {said}");
        assert!(said.starts_with(sentence), "{wires:?}: {said}");
        let swapped = sentence
            .replace("alice", "@")
            .replace("bob", "alice")
            .replace('@', "bob");
        assert!(
            mirrored.starts_with(&swapped),
            "{wires:?} at bob: {mirrored}"
        );
    }
}

#[test]
fn what_comes_back_arrives_nowhere_else() {
    let touching = pair(["R", "D", "D", "t"], ["R", "D", "D", "-"]);
    let mut said = findings(&touching).into_iter();
    assert!(said.any(|finding| finding.what.starts_with("TxD 3 and RxD 2 of alice touch")));
}

#[test]
fn beats_that_pass_meanwhile_mislead_nobody() {
    let mut cut = pair(["R", "D", "D", "-"], FULL);
    for sent in &mut cut.sent {
        // A beat of alice arrives at bob; none of bob's arrives.
        for (before, after, tx, rx) in [
            (sent.before.here, &mut sent.after.here, 150, 0),
            (sent.before.there, &mut sent.after.there, 120, 150),
        ] {
            let old = before.counters.unwrap();
            let counters = after.counters.as_mut().unwrap();
            counters.tx += old.tx + tx;
            counters.rx += old.rx + rx;
        }
    }
    assert_eq!(
        first(&cut).1,
        "the wire from TxD 3 of bob to RxD 2 of alice is broken"
    );
}

#[test]
fn ends_that_differ_in_speed_are_told_before_all_else() {
    let mut differing = pair(FULL, FULL);
    for step in &mut differing.steps {
        step.seen.here.settings.baud = 9600;
        step.seen.there.settings.baud = 19_200;
    }
    let (verdict, said) = first(&differing);
    assert_eq!(
        (verdict, &*said),
        (Critical, "the two ends differ in speed or format")
    );
}

#[test]
fn a_port_without_lines_or_counts_is_not_judged_by_them() {
    let mut dumb = pair(FULL, FULL);
    for step in &mut dumb.steps {
        step.seen.there.lines = None;
    }
    for sent in &mut dumb.sent {
        sent.after.there.counters = None;
    }
    let found = findings(&dumb);
    assert!(
        found.iter().all(|finding| finding.severity == Unknown),
        "{found:?}"
    );
}

#[test]
fn both_connectors_are_drawn() {
    let drawn = drawing(&pair(["-", "D", "D", "T"], ["R", "D", "r", "T"]));
    let expected = [
        "alice /dev/ttyS0                 bob /dev/ttyS0",
        "TxD 3 >--------------------------> RxD 2",
        "RTS 7 >--------------------------> CTS 8",
        "DTR 4 >--------------------------> DSR 6",
        "DTR 4 >------  own RTS 7  -------> DCD 1",
        "RxD 2 <--------------------------< TxD 3",
        "CTS 8 <--------  broken  --------< RTS 7",
        "DSR 6 <--------------------------< DTR 4",
        "DCD 1 <--------------------------< DTR 4",
    ];
    assert_eq!(drawn, expected);
}

#[test]
fn who_cannot_be_asked_is_named_with_what_to_do() {
    let bob = || NodeName::new("bob").unwrap();
    let cases = [
        (Unpaired::NoDaemon("no socket".into()), Unknown, "--run"),
        (
            Unpaired::NotOurs(bob(), vec!["/dev/ttyS1".into()]),
            Unknown,
            "serial DEVICE",
        ),
        (Unpaired::Ourselves(bob()), Unknown, "other end"),
        (
            Unpaired::NoPeer(bob(), "no path".into()),
            Unknown,
            "hactl links",
        ),
        (Unpaired::Which(bob(), Vec::new()), Unknown, "NODE:TTY"),
        (Unpaired::Closed(bob(), "gone".into()), Critical, "adapter"),
        (Unpaired::NoTime, Unknown, "--timeout"),
    ];
    for (why, severity, remedy) in cases {
        let found = unpaired(&why);
        assert_eq!(found.severity, severity, "{why:?}");
        assert!(found.remedy.contains(remedy), "{why:?}: {}", found.remedy);
    }
}
