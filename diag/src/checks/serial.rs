//! `hadiag serial`: is this port fit for beats, and what is plugged in?
//!
//! One side of a line sees its own half. What the two halves together would tell is not guessed: such a verdict is
//! unknown, and says what would tell.

use std::path::Path;

use nix::errno::Errno;
use shared::config::machine::Port;
use shared::config::{Config, MediumKind};
use shared::exit::Health;

use crate::facts::serial::trial::Trial;
use crate::facts::serial::{Lines, Reading, Serial, Settings, Unread, collect, collect_pair};
use crate::facts::users::Process;
use crate::registry::{Check, Choice, Limits, Objects, Order};
use crate::report::{Evidence, Figure, Finding, Report};

mod cable;
mod pair;
#[cfg(test)]
mod tests;

const NAME: &str = "serial";
/// Where hbd listens unless it was told otherwise.
const RUN_DIRECTORY: &str = "/run/hbd";

/// The check.
pub const CHECK: Check = Check {
    name: NAME,
    objects: Objects::Named("TTY"),
    about: "Is this port fit for beats, and what is plugged in",
    text: "\
Looks at who has the port open, its settings, its modem lines, what the driver counted, and what is not sent yet. \
A port that nobody has open is opened for that, which raises its DTR and RTS for a moment; one that somebody has open \
is read through that process, which root may do, and nothing changes for its owner.",
    active: "\
Sets DTR and RTS in turn and looks what follows, then sends a carriage return and a few letters and looks what comes \
back. Takes two seconds at most and puts everything back. Refused where somebody else has the port open",
    measured: "the frame errors that the driver counted",
    options: &[PEER, RUN],
    explanation: include_str!("serial/explanation.txt"),
    configured,
    run,
};

const PEER: Choice = Choice {
    name: "peer",
    value: Some("NODE"),
    many: false,
    about: "Test both ends: the hbd of this node and that of NODE toggle and send in turn, and the broken wire is named \
            by its pins. Refused where the line is the only path between them. NODE:TTY where NODE has several ports",
};
const RUN: Choice = Choice {
    name: "run",
    value: Some("DIR"),
    many: false,
    about: "The directory of the hbd that is asked; /run/hbd unless it is given",
};

/// Processes that let people log in.
const LOGINS: [&str; 4] = ["agetty", "getty", "mgetty", "login"];
/// Fewer errors than these may come of a plug that was moved.
const ERRORS_MIN: u64 = 10;
/// One byte of so many is mangled: noise.
const NOISE_SHARE: u64 = 1000;
/// One byte of so many is mangled: another speed.
const MISMATCH_SHARE: u64 = 4;
/// More changes than these between two looks come of no program.
const CHANGES_MAX: u32 = 2;

fn configured(config: &Config) -> Vec<String> {
    let media = config.media.iter();
    let ports = media.filter(|medium| matches!(medium.kind, MediumKind::Serial { .. }));
    ports.map(|medium| medium.device.clone()).collect()
}

fn run(order: &Order<'_>, tell: &mut dyn FnMut(Report)) {
    if let Some(peer) = order.chosen.value(PEER.name) {
        let run = Path::new(order.chosen.value(RUN.name).unwrap_or(RUN_DIRECTORY));
        return collect_pair(order.object, run, peer, order.deadline, &mut |serial| {
            tell(judge(serial, &order.limits));
        });
    }
    collect(order.object, order.active, order.deadline, &mut |serial| {
        tell(judge(serial, &order.limits));
    });
}

/// What follows from the facts.
#[must_use]
pub fn judge(serial: &Serial, limits: &Limits) -> Report {
    let mut findings = findings(serial, limits);
    for finding in &mut findings {
        finding.object.clone_from(&serial.path);
    }
    let mut report = Report::of(NAME, &serial.path, findings);
    report.evidence = evidence(serial);
    if let Some(Trial::Done(tried)) = &serial.trial {
        report.drawing = cable::drawing(tried);
    }
    if let Some(Ok(pair)) = &serial.pair {
        report.drawing = pair::drawing(pair);
    }
    report.figures = figures(serial, limits);
    report
}

fn findings(serial: &Serial, limits: &Limits) -> Vec<Finding> {
    match serial.port {
        Port::Missing => vec![finding(
            Health::Critical,
            "there is no such port",
            "its adapter is not plugged in, or its driver is not loaded",
            "plug it in; dmesg tells which ports there are",
        )],
        Port::Another => vec![finding(
            Health::Critical,
            "this is no serial port",
            "",
            "name a serial port; dmesg tells which there are",
        )],
        Port::Terminal => {
            let mut findings = match &serial.pair {
                Some(Ok(both)) => pair::findings(both),
                Some(Err(unpaired)) => vec![pair::unpaired(unpaired)],
                None => Vec::new(),
            };
            match &serial.readings {
                Ok(readings) => findings.extend(seen(serial, readings, limits)),
                Err(unread) => findings.extend(unread_because(unread)),
            }
            findings.extend(users(serial));
            findings
        }
    }
}

fn unread_because(unread: &Unread) -> Option<Finding> {
    let found = match unread {
        Unread::NotYet => return None,
        Unread::PerhapsUsed => finding(
            Health::Unknown,
            "who has it open cannot be seen",
            "processes of other users may not be looked at, and to open a port may raise lines that its owner lowered",
            "run it as root",
        ),
        Unread::Refused(Errno::EIO | Errno::ENXIO | Errno::ENODEV) => finding(
            Health::Critical,
            "the port does not answer",
            "its adapter was pulled, its driver is gone, or there is no chip behind that name",
            "plug the adapter in; dmesg tells which ports there are",
        ),
        Unread::Refused(Errno::EACCES | Errno::EPERM) => finding(
            Health::Unknown,
            "the port may not be read",
            "that takes the rights of root",
            "run it as root",
        ),
        Unread::Refused(error) => finding(
            Health::Unknown,
            format!("the port cannot be read: {}", error.desc()),
            "",
            "",
        ),
    };
    Some(found)
}

/// What the line shows, the most telling first.
fn seen(serial: &Serial, readings: &[Reading; 2], limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    match (&serial.trial, readings[1].lines) {
        _ if matches!(serial.pair, Some(Ok(_))) => {}
        (Some(Trial::Done(tried)), _) => findings.extend(cable::findings(tried)),
        (_, None) => findings.push(finding(
            Health::Unknown,
            "the port has no modem lines",
            "a pseudo-terminal has none, and some adapters do not tell them",
            "",
        )),
        (_, Some(lines)) => findings.push(passive(readings, lines)),
    }
    findings.extend(untried(serial));
    // What holds bytes back the test of both ends knows better.
    if !matches!(serial.pair, Some(Ok(_))) {
        findings.extend(blocked(serial, readings));
    }
    findings.extend(errors(&readings[1], limits));
    findings
}

fn passive(readings: &[Reading; 2], lines: Lines) -> Finding {
    let before = readings[0].lines.unwrap_or(lines);
    if raised(before) > 1 && raised(lines) == 0 {
        return finding(
            Health::Warning,
            "CTS, DSR and DCD dropped together",
            "the plug was pulled, or the other end closed its port or died; beats on another medium tell which",
            "look at the plug, and whether the other node lives",
        );
    }
    let changes = match (readings[0].counters, readings[1].counters) {
        (Some(first), Some(last)) => {
            let sum =
                |c: crate::facts::serial::Counters| c.cts.wrapping_add(c.dsr).wrapping_add(c.dcd);
            sum(last).wrapping_sub(sum(first))
        }
        _ => 0,
    };
    if changes > CHANGES_MAX {
        return unsteady();
    }
    arriving(lines, bytes_arrive(readings), false)
}

fn raised(lines: Lines) -> usize {
    [lines.cts, lines.dsr, lines.dcd]
        .into_iter()
        .filter(|line| *line)
        .count()
}

/// Between the two looks, and whole.
fn bytes_arrive(readings: &[Reading; 2]) -> bool {
    let (Some(first), Some(last)) = (readings[0].counters, readings[1].counters) else {
        return false;
    };
    first.rx != last.rx && (first.frame, first.parity) == (last.frame, last.parity)
}

fn unsteady() -> Finding {
    finding(
        Health::Warning,
        "lines change by themselves",
        "an open wire wanders, a contact is loose, or a program at the other end opens and closes its port",
        "fasten both plugs; see whether it stops while nothing runs at the other end",
    )
}

/// What raised lines tell: `tried` if it is known that they do not follow this end.
fn arriving(lines: Lines, bytes: bool, tried: bool) -> Finding {
    let (who, why) = match tried {
        true => (
            "raised by the other end: its port is open",
            "none of them follows this end; a modem would raise them too",
        ),
        false => (
            "raised",
            "so the other end has its port open, unless the plug joins pins of its own, which --active tells of a port \
             that nobody uses",
        ),
    };
    match (lines.cts, lines.dsr, lines.dcd) {
        (true, true, true) => finding(Health::Ok, format!("CTS, DSR and DCD are {who}"), why, ""),
        (true, true, false) => finding(
            Health::Ok,
            format!("CTS and DSR are {who}"),
            format!("{why}; that DCD has no wire does no harm"),
            "",
        ),
        (true, false, true) => finding(
            Health::Warning,
            "CTS and DCD are raised, DSR is not",
            "the wire from DTR 4 of the other end to DSR 6 here is broken, or the cable is of another kind",
            "take a full null modem cable, as in hbd-serial(7)",
        ),
        (true, false, false) => finding(
            Health::Warning,
            "CTS is raised, DSR and DCD are not",
            "the wire from DTR 4 of the other end to DSR 6 and DCD 1 here is broken, or the plug joins its own RTS 7 and \
             CTS 8",
            "test that wire; --active tells whether CTS follows this end",
        ),
        (false, false, false) if bytes => finding(
            Health::Critical,
            "bytes arrive and no line is raised: three wires, too few for hbd",
            "hbd sends only while CTS is raised",
            "take a full null modem cable, as in hbd-serial(7), or join RTS 7 and CTS 8 in each plug",
        ),
        (false, false, false) => finding(
            Health::Unknown,
            "nothing is raised, and one side alone cannot tell why",
            "the other end has its port closed or no power, or the cable has three wires, is a straight one, or is \
             unplugged",
            "start hbd at the other end and look again: a full cable then shows CTS, DSR and DCD",
        ),
        (false, _, _) => finding(
            Health::Warning,
            "CTS is not raised, and DSR or DCD is",
            "the wire from RTS 7 of the other end to CTS 8 here is broken, or the other end takes nothing at the moment",
            "look again; where it stays, test that wire",
        ),
    }
}

/// Why it was not tried, where that was asked for.
fn untried(serial: &Serial) -> Option<Finding> {
    let found = match serial.trial.as_ref()? {
        Trial::Done(_) | Trial::NotYet => return None,
        Trial::Used => finding(
            Health::Unknown,
            "not tried: somebody else uses the port",
            "to lower its lines or to send would disturb who has it open",
            "stop that first; of a port that hbd has open hactl status tells what hbd sees",
        ),
        Trial::NoTime => finding(
            Health::Unknown,
            "not tried: there was not enough time left",
            "what is begun must also be put back",
            "give more with --timeout",
        ),
        // A port without lines says so already.
        Trial::Failed(_) if matches!(&serial.readings, Ok([_, last]) if last.lines.is_none()) => {
            return None;
        }
        Trial::Failed(error) => finding(
            Health::Critical,
            format!("the port failed while it was tried: {error}"),
            "its adapter was pulled, or its driver is gone",
            "",
        ),
    };
    Some(found)
}

/// Nothing leaves, or nothing would.
fn blocked(serial: &Serial, readings: &[Reading; 2]) -> Option<Finding> {
    let holds = |reading: &Reading| {
        let waits = reading.unsent.is_some_and(|bytes| bytes > 0);
        let low = reading.lines.is_some_and(|lines| !lines.cts);
        low && reading.settings.hardware_flow && (waits || !serial.users.processes.is_empty())
    };
    readings.iter().all(holds).then(|| {
        finding(
            Health::Critical,
            format!(
                "blocked by flow control: CTS is low, and {} bytes wait",
                readings[1].unsent.unwrap_or_default()
            ),
            "with hardware flow control nothing leaves until the other end raises its RTS: its port is closed, the cable \
             is unplugged, or it has too few wires",
            "start hbd at the other end; else look at plug and cable",
        )
    })
}

fn errors(reading: &Reading, limits: &Limits) -> Option<Finding> {
    let counters = reading.counters?;
    if limits.warning.is_some() || limits.critical.is_some() {
        return outside(counters.frame, limits);
    }
    let mangled = u64::from(counters.frame) + u64::from(counters.parity);
    let overrun = u64::from(counters.overrun);
    let bytes = u64::from(counters.rx).max(1);
    let is_share = |errors: u64, of: u64| errors >= ERRORS_MIN && errors * of >= bytes;
    if is_share(mangled, MISMATCH_SHARE) {
        return Some(finding(
            Health::Warning,
            format!(
                "{mangled} of {bytes} bytes came mangled: the two ends differ in speed or format"
            ),
            "counted since the driver knows the port",
            "set the same baud in ha.cf of both nodes",
        ));
    }
    if is_share(mangled, NOISE_SHARE) {
        return Some(finding(
            Health::Warning,
            format!("{mangled} of {bytes} bytes came mangled: noise"),
            "a bad ground, or a cable too long for the speed; counted since the driver knows the port",
            "take a lower speed or a shorter cable",
        ));
    }
    is_share(overrun, NOISE_SHARE).then(|| {
        finding(
            Health::Warning,
            format!("{overrun} of {bytes} bytes were lost: this machine took them too slowly"),
            "the chip has no FIFO, or interrupts come late; counted since the driver knows the port",
            "take a lower speed",
        )
    })
}

fn outside(frame: u32, limits: &Limits) -> Option<Finding> {
    let alarm =
        |range: Option<crate::range::Range>| range.filter(|range| range.alarms(f64::from(frame)));
    let (severity, range) = match (alarm(limits.critical), alarm(limits.warning)) {
        (Some(range), _) => (Health::Critical, range),
        (None, Some(range)) => (Health::Warning, range),
        (None, None) => return None,
    };
    Some(finding(
        severity,
        format!("frame errors: {frame}, where {range} is asked for"),
        "counted since the driver knows the port",
        "",
    ))
}

/// Who else has the port.
fn users(serial: &Serial) -> Vec<Finding> {
    let mut findings = Vec::new();
    let device = Path::new(&serial.path).file_name().unwrap_or_default();
    let device = device.to_string_lossy();
    if serial.is_console {
        findings.push(finding(
            Health::Critical,
            "the kernel writes its messages to it",
            "they come between the beats, and the other end takes them for noise",
            format!("take console={device} from the command line of the kernel"),
        ));
    }
    let (ours, others): (Vec<&Process>, Vec<&Process>) = serial
        .users
        .processes
        .iter()
        .partition(|process| is_hbd(process));
    if !ours.is_empty() {
        let names: Vec<String> = ours.into_iter().map(named).collect();
        findings.push(finding(
            Health::Ok,
            format!("hbd has it open: {}", names.join(", ")),
            "",
            "hactl status tells what hbd sees there",
        ));
    }
    findings.extend(others.into_iter().map(|process| stranger(process, &device)));
    findings
}

fn stranger(process: &Process, device: &str) -> Finding {
    match &*process.name {
        login if LOGINS.contains(&login) => finding(
            Health::Critical,
            format!("a login has it open: {}", named(process)),
            "it takes beats for names of users, and answers",
            format!("systemctl disable --now serial-getty@{device}.service"),
        ),
        "heartbeat" => finding(
            Health::Ok,
            format!("{} has it open", named(process)),
            "",
            "",
        ),
        _ => finding(
            Health::Warning,
            format!("{} has it open", named(process)),
            "who reads first takes the bytes from the other",
            "end it before hbd uses the port",
        ),
    }
}

/// `hbd` and `hbd-core`: as it names its processes.
fn is_hbd(process: &Process) -> bool {
    process.name == "hbd" || process.name.starts_with("hbd-")
}

fn named(process: &Process) -> String {
    format!("{} (process {})", process.name, process.pid)
}

fn finding(
    severity: Health,
    what: impl Into<String>,
    why: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    Finding {
        severity,
        object: String::new(),
        what: what.into(),
        why: why.into(),
        remedy: remedy.into(),
    }
}

fn evidence(serial: &Serial) -> Vec<Evidence> {
    if serial.port != Port::Terminal {
        return Vec::new();
    }
    let mut rows = match &serial.pair {
        Some(Ok(both)) => pair::evidence(both),
        _ => vec![row("used by", used_by(serial))],
    };
    let Ok([first, last]) = &serial.readings else {
        return rows;
    };
    rows.push(row("settings", settings(&last.settings)));
    if let Some(lines) = last.lines {
        rows.extend(pins(lines));
    }
    if let Some(counters) = last.counters {
        rows.push(row(
            "bytes",
            format!("{} in, {} out", counters.rx, counters.tx),
        ));
        rows.push(row(
            "errors",
            format!(
                "{} frame, {} parity, {} overrun; {} breaks",
                counters.frame, counters.parity, counters.overrun, counters.breaks
            ),
        ));
        rows.push(row(
            "changes",
            format!(
                "{} CTS, {} DSR, {} DCD, {} RI",
                counters.cts, counters.dsr, counters.dcd, counters.ri
            ),
        ));
    }
    if let (Some(before), Some(now)) = (first.unsent, last.unsent) {
        rows.push(row("not sent", format!("{before} bytes, then {now}")));
    }
    if let Some(Trial::Done(tried)) = &serial.trial {
        rows.extend(cable::evidence(tried));
    }
    rows
}

fn row(name: &'static str, value: String) -> Evidence {
    Evidence { name, value }
}

fn used_by(serial: &Serial) -> String {
    let mut names: Vec<String> = serial.users.processes.iter().map(named).collect();
    if serial.is_console {
        names.push("the console of the kernel".to_owned());
    }
    if serial.users.some_unseen {
        names.push("perhaps others: not all processes may be looked at".to_owned());
    }
    match names.is_empty() {
        true => "nobody".to_owned(),
        false => names.join(", "),
    }
}

fn settings(settings: &Settings) -> String {
    let Settings {
        baud,
        bits,
        parity,
        stop,
        ..
    } = settings;
    let flow = match (settings.hardware_flow, settings.software_flow) {
        (false, false) => "no flow control",
        (true, false) => "hardware flow control",
        (false, true) => "software flow control",
        (true, true) => "hardware and software flow control",
    };
    format!("{baud} baud, {bits}{parity}{stop}, {flow}")
}

fn pins(lines: Lines) -> [Evidence; 6] {
    let pin = |name, raised| row(name, if raised { "raised" } else { "low" }.to_owned());
    [
        pin("DTR 4 out", lines.dtr),
        pin("RTS 7 out", lines.rts),
        pin("CTS 8 in", lines.cts),
        pin("DSR 6 in", lines.dsr),
        pin("DCD 1 in", lines.dcd),
        pin("RI  9 in", lines.ri),
    ]
}

fn figures(serial: &Serial, limits: &Limits) -> Vec<Figure> {
    let Ok([_, last]) = &serial.readings else {
        return Vec::new();
    };
    let mut figures = Vec::new();
    if let Some(counters) = last.counters {
        let count = |name, value: u32| Figure::new(name, u64::from(value), "c");
        figures.push(Figure {
            warning: limits.warning,
            critical: limits.critical,
            ..count("frame", counters.frame)
        });
        figures.extend([
            count("parity", counters.parity),
            count("overrun", counters.overrun),
            count("rx", counters.rx),
            count("tx", counters.tx),
        ]);
    }
    let unsent = last.unsent.and_then(|bytes| u64::try_from(bytes).ok());
    figures.extend(unsent.map(|bytes| Figure::new("unsent", bytes, "B")));
    figures
}
