use nix::errno::Errno;
use shared::config::machine::Port;
use shared::exit::Health::{Critical, Ok as Fine, Unknown, Warning};

use super::*;
use crate::facts::serial::trial::{SETTINGS, Tried};
use crate::facts::serial::{Counters, Settings};
use crate::facts::users::Users;

// What is plugged in: the cable matrix, each with the other end's port open and closed.

#[test]
fn each_kind_of_cable_is_named_as_far_as_one_side_can_tell() {
    let dark = "nothing is raised, and one side alone cannot tell why";
    let plug = "a loopback plug";
    let modem = "what is sent comes back: there is no node at the other end";
    let full = "CTS, DSR and DCD are raised by the other end: its port is open";
    let seven = "CTS and DSR are raised by the other end: its port is open";
    let partial = "partial handshake: the plug joins its own RTS 7 to CTS 8; ";
    let own = "loop-back handshake";
    // CTS, DSR, DCD as in hbd's emulator: small letters follow this end, capital ones the other, 1 is always raised.
    let rows = [
        ("RDD", false, (Fine, full), (Unknown, dark)),
        ("RD-", false, (Fine, seven), (Unknown, dark)),
        ("rDR", false, (Warning, partial), (Warning, partial)),
        ("rdd", false, (Warning, own), (Warning, own)),
        ("---", false, (Unknown, dark), (Unknown, dark)),
        ("rdd", true, (Critical, plug), (Critical, plug)),
        ("11-", true, (Critical, modem), (Critical, modem)),
    ];
    for (wires, echoes, open, closed) in rows {
        for (peer, (verdict, sentence)) in [(true, open), (false, closed)] {
            let report = tried(trial(wires, peer, echoes));
            let what = format!("{wires}, peer open: {peer}: {}", report.sentence);
            assert_eq!(report.verdict, verdict, "{what}");
            assert!(report.sentence.starts_with(sentence), "{what}");
        }
    }
}

#[test]
fn a_partial_handshake_says_what_is_seen_of_the_other_end() {
    let of = |peer| tried(trial("rDR", peer, false)).sentence;
    assert!(of(true).ends_with("DSR and DCD tell that the other end has its port open"));
    assert!(of(false).ends_with("nothing is seen of the other end"));
}

#[test]
fn joined_pins_are_drawn_and_the_others_said_to_be_open() {
    let drawn = |wires, peer, echoes| tried(trial(wires, peer, echoes)).drawing;
    let plug = [
        "TxD 3 >--+",
        "RxD 2 <--+",
        "RTS 7 >--+",
        "CTS 8 <--+",
        "DTR 4 >--+",
        "DSR 6 <--+",
        "DCD 1 <--+",
    ];
    assert_eq!(drawn("rdd", false, true), plug);
    let partial = [
        "TxD 3 >--   ?",
        "RTS 7 >--+",
        "CTS 8 <--+",
        "DTR 4 >--   ?",
        "RxD 2 <--   nothing",
        "DSR 6 <--   the other end",
        "DCD 1 <--   the other end",
    ];
    assert_eq!(drawn("rDR", true, false), partial);
}

#[test]
fn two_outputs_that_touch_are_critical() {
    let shorted = |wanted: fn(bool, bool) -> bool| Tried {
        steps: steps(|dtr, rts| Lines {
            cts: wanted(dtr, rts),
            ..Lines::default()
        }),
        ..Tried::default()
    };
    for touching in [
        shorted(|dtr, rts| dtr || rts),
        shorted(|dtr, rts| dtr && rts),
    ] {
        let report = tried(touching);
        assert_eq!(report.verdict, Critical);
        assert!(report.sentence.ends_with("two wires touch"));
    }
}

#[test]
fn an_input_that_differs_between_the_rounds_follows_nobody_here() {
    let mut moving = trial("RDD", true, false);
    moving.steps[6].cts = false;
    let report = tried(moving);
    assert_eq!(
        (report.verdict, &*report.sentence),
        (Warning, "lines change by themselves")
    );
}

#[test]
fn pins_that_are_joined_otherwise_are_told_one_by_one() {
    let report = tried(trial("dr-", false, false));
    assert_eq!(report.verdict, Warning);
    let expected = "CTS follows the own DTR; DSR follows the own RTS; DCD low all the time";
    assert_eq!(report.findings[0].why, expected);
}

#[test]
fn a_login_at_the_other_end_is_shown_and_sent_nothing_more() {
    let report = tried(Tried {
        greeting: b"\r\nbob login: \x1b[0m".to_vec(),
        sent: Vec::new(),
        ..trial("RDD", true, false)
    });
    assert_eq!(report.verdict, Critical);
    assert!(
        report
            .sentence
            .starts_with("a program at the other end speaks to people")
    );
    assert_eq!(report.findings[0].why, "it said \"bob login: \\u{1b}[0m\"");
}

#[test]
fn bytes_that_are_no_text_are_of_another_speed() {
    let report = tried(Tried {
        greeting: vec![0xf8, 0x80, 0x1e, 0xfe, 0x00, b'x'],
        ..trial("RDD", true, false)
    });
    assert_eq!(report.verdict, Warning);
    assert!(
        report
            .sentence
            .ends_with("the two ends differ in speed or format")
    );
}

#[test]
fn packets_tell_a_three_wire_cable_from_none() {
    let hears = |wires| Tried {
        greeting: b"t=status\n<<<\n>>>\nt=st".to_vec(),
        ..trial(wires, true, false)
    };
    let report = tried(hears("---"));
    assert_eq!(report.verdict, Critical);
    assert!(report.sentence.contains("three wires"));
    let report = tried(hears("RDD"));
    assert_eq!(report.verdict, Fine);
}

// What is seen without touching anything: the observations.

#[test]
fn raised_lines_say_which_wire_lacks() {
    let rows = [
        ("cts dsr dcd", Fine, "CTS, DSR and DCD are raised"),
        ("cts dsr", Fine, "CTS and DSR are raised"),
        ("cts dcd", Warning, "CTS and DCD are raised, DSR is not"),
        ("cts", Warning, "CTS is raised, DSR and DCD are not"),
        ("dsr dcd", Warning, "CTS is not raised, and DSR or DCD is"),
        ("dcd", Warning, "CTS is not raised, and DSR or DCD is"),
        (
            "",
            Unknown,
            "nothing is raised, and one side alone cannot tell why",
        ),
    ];
    for (raised, verdict, sentence) in rows {
        let report = passive(reading(raised), reading(raised));
        assert_eq!(
            (report.verdict, &*report.sentence),
            (verdict, sentence),
            "{raised}"
        );
    }
}

#[test]
fn bytes_that_arrive_while_nothing_is_raised_come_over_three_wires() {
    let report = passive(
        reading(""),
        counted(reading(""), |counters| counters.rx += 300),
    );
    assert_eq!(report.verdict, Critical);
    assert!(report.sentence.contains("three wires"));
    let mangled = counted(reading(""), |counters| {
        counters.rx += 300;
        counters.frame += 1;
    });
    assert_eq!(passive(reading(""), mangled).verdict, Unknown);
}

#[test]
fn lines_that_drop_together_point_to_the_plug() {
    let report = passive(reading("cts dsr dcd"), reading(""));
    assert_eq!(report.sentence, "CTS, DSR and DCD dropped together");
}

#[test]
fn lines_that_change_between_two_looks_wander() {
    let after = counted(reading("cts dsr dcd"), |counters| counters.cts += 3);
    let report = passive(reading("cts dsr dcd"), after);
    assert_eq!(
        (report.verdict, &*report.sentence),
        (Warning, "lines change by themselves")
    );
    let once = counted(reading("cts dsr dcd"), |counters| counters.cts += 2);
    assert_eq!(passive(reading("cts dsr dcd"), once).verdict, Fine);
}

#[test]
fn what_flow_control_holds_back_is_critical() {
    let held = |raised, unsent| Reading {
        settings: Settings {
            hardware_flow: true,
            ..reading("").settings
        },
        unsent: Some(unsent),
        ..reading(raised)
    };
    let report = passive(held("dsr dcd", 12), held("dsr dcd", 12));
    assert_eq!(report.verdict, Critical);
    assert_eq!(
        report.sentence,
        "blocked by flow control: CTS is low, and 12 bytes wait"
    );
    // Nobody waits for it.
    assert_eq!(passive(held("", 0), held("", 0)).verdict, Unknown);
    // It drains.
    assert_eq!(passive(held("dsr", 12), held("cts dsr", 3)).verdict, Fine);
    // Its owner would wait.
    let mut owned = serial(Ok([held("", 0), held("", 0)]));
    owned.users = used_by("hbd-core");
    assert_eq!(judge(&owned, &Limits::default()).verdict, Critical);
}

#[test]
fn the_share_of_mangled_bytes_tells_noise_from_another_speed() {
    let of = |rx, frame, parity, overrun| {
        let count = |counters: &mut Counters| {
            (
                counters.rx,
                counters.frame,
                counters.parity,
                counters.overrun,
            ) = (rx, frame, parity, overrun);
        };
        let look = counted(reading("cts dsr dcd"), count);
        let report = passive(look, look);
        (report.verdict, report.sentence)
    };
    assert_eq!(of(1000, 9, 0, 9).0, Fine);
    assert_eq!(of(1_000_000, 900, 0, 0).0, Fine);
    assert!(
        of(1000, 300, 0, 0)
            .1
            .ends_with("the two ends differ in speed or format")
    );
    assert!(of(1000, 6, 6, 0).1.ends_with("noise"));
    assert!(
        of(1000, 0, 0, 12)
            .1
            .ends_with("this machine took them too slowly")
    );
}

#[test]
fn ranges_take_the_place_of_what_is_usual() {
    let look = counted(reading("cts dsr dcd"), |counters| counters.frame = 12);
    let facts = serial(Ok([look, look]));
    let of = |warning: &str, critical: &str| {
        let limits = Limits {
            warning: warning.parse().ok(),
            critical: critical.parse().ok(),
        };
        judge(&facts, &limits).verdict
    };
    assert_eq!(of("12", "100"), Fine);
    assert_eq!(of("11", "100"), Warning);
    assert_eq!(of("5", "11"), Critical);
    assert_eq!(of("", "@10:20"), Critical);
}

// Whose port it is.

#[test]
fn who_has_it_open_is_judged_by_name() {
    let of = |name: &str| {
        let mut facts = serial(Ok([reading("cts dsr dcd"); 2]));
        facts.users = used_by(name);
        let report = judge(&facts, &Limits::default());
        (report.verdict, report.sentence)
    };
    assert_eq!(of("agetty").1, "a login has it open: agetty (process 7)");
    assert_eq!(of("agetty").0, Critical);
    assert_eq!(of("hbd-core").0, Fine);
    assert_eq!(of("heartbeat").0, Fine);
    assert_eq!(
        of("minicom"),
        (Warning, "minicom (process 7) has it open".to_owned())
    );
    assert_eq!(of("hbdish").0, Warning);
}

#[test]
fn a_port_of_hbd_points_to_hactl_status() {
    let mut facts = serial(Ok([reading("cts dsr dcd"); 2]));
    facts.users = used_by("hbd");
    let report = judge(&facts, &Limits::default());
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.remedy.contains("hactl status"))
    );
    assert!(
        report
            .findings
            .iter()
            .all(|finding| finding.object == facts.path)
    );
}

#[test]
fn the_console_of_the_kernel_is_no_place_for_beats() {
    let facts = Serial {
        is_console: true,
        ..serial(Ok([reading("cts dsr dcd"); 2]))
    };
    let report = judge(&facts, &Limits::default());
    assert_eq!(report.verdict, Critical);
    assert_eq!(
        report.findings[0].remedy,
        "take console=ttyS7 from the command line of the kernel"
    );
}

#[test]
fn a_port_that_somebody_uses_is_not_tried() {
    let mut facts = serial(Ok([reading("cts dsr dcd"); 2]));
    facts.users = used_by("hbd");
    facts.trial = Some(Trial::Used);
    let report = judge(&facts, &Limits::default());
    assert_eq!(
        (report.verdict, &*report.sentence),
        (Unknown, "not tried: somebody else uses the port")
    );
}

#[test]
fn a_port_that_cannot_be_read_says_why() {
    let of = |unread| judge(&serial(Err(unread)), &Limits::default());
    assert_eq!(of(Unread::Refused(Errno::EIO)).verdict, Critical);
    assert_eq!(of(Unread::Refused(Errno::ENXIO)).verdict, Critical);
    assert_eq!(
        of(Unread::Refused(Errno::EACCES)).findings[0].remedy,
        "run it as root"
    );
    assert_eq!(of(Unread::Refused(Errno::EBUSY)).verdict, Unknown);
    assert_eq!(
        of(Unread::PerhapsUsed).sentence,
        "who has it open cannot be seen"
    );
    // Nothing is known yet.
    assert_eq!(of(Unread::NotYet).findings, []);
}

#[test]
fn what_is_no_port_is_critical_and_what_has_no_lines_is_unknown() {
    let at = |port| {
        let facts = Serial {
            port,
            ..serial(Err(Unread::NotYet))
        };
        judge(&facts, &Limits::default()).verdict
    };
    assert_eq!(at(Port::Missing), Critical);
    assert_eq!(at(Port::Another), Critical);
    let pty = Reading {
        lines: None,
        counters: None,
        ..reading("")
    };
    let report = passive(pty, pty);
    assert_eq!(
        (report.verdict, &*report.sentence),
        (Unknown, "the port has no modem lines")
    );
    let mut tried = serial(Ok([pty; 2]));
    tried.trial = Some(Trial::Failed("Inappropriate ioctl for device".to_owned()));
    assert_eq!(judge(&tried, &Limits::default()).findings.len(), 1);
}

fn passive(before: Reading, after: Reading) -> Report {
    judge(&serial(Ok([before, after])), &Limits::default())
}

fn tried(tried: Tried) -> Report {
    let facts = Serial {
        trial: Some(Trial::Done(tried)),
        ..serial(Ok([reading(""); 2]))
    };
    judge(&facts, &Limits::default())
}

fn serial(readings: Result<[Reading; 2], Unread>) -> Serial {
    Serial {
        path: "/dev/ttyS7".to_owned(),
        port: Port::Terminal,
        is_console: false,
        users: Users::default(),
        readings,
        trial: None,
        pair: None,
    }
}

fn used_by(name: &str) -> Users {
    let process = Process {
        pid: 7,
        name: name.to_owned(),
        descriptor: 3,
    };
    Users {
        processes: vec![process],
        some_unseen: false,
    }
}

fn reading(raised: &str) -> Reading {
    let is = |name| raised.split(' ').any(|line| line == name);
    Reading {
        lines: Some(Lines {
            dtr: true,
            rts: true,
            cts: is("cts"),
            dsr: is("dsr"),
            dcd: is("dcd"),
            ri: false,
        }),
        counters: Some(Counters::default()),
        unsent: Some(0),
        ..Reading::default()
    }
}

fn counted(reading: Reading, count: impl Fn(&mut Counters)) -> Reading {
    let mut counters = reading.counters.unwrap();
    count(&mut counters);
    Reading {
        counters: Some(counters),
        ..reading
    }
}

fn steps(lines: impl Fn(bool, bool) -> Lines) -> Vec<Lines> {
    let twice = SETTINGS.into_iter().chain(SETTINGS);
    twice.map(|(dtr, rts)| lines(dtr, rts)).collect()
}

fn trial(wires: &str, peer: bool, echoes: bool) -> Tried {
    let letters: Vec<char> = wires.chars().collect();
    let raised = |letter: char, dtr: bool, rts: bool| match letter {
        'r' => rts,
        'd' => dtr,
        'R' | 'D' => peer,
        other => other == '1',
    };
    let sent = b"hadiag-1-2".to_vec();
    Tried {
        steps: steps(|dtr, rts| Lines {
            dtr,
            rts,
            cts: raised(letters[0], dtr, rts),
            dsr: raised(letters[1], dtr, rts),
            dcd: raised(letters[2], dtr, rts),
            ri: false,
        }),
        greeting: if echoes { b"\r".to_vec() } else { Vec::new() },
        answer: if echoes { sent.clone() } else { Vec::new() },
        sent,
    }
}
