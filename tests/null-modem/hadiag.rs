//! What `hadiag serial` says of what is plugged in.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use hbd_tests::error::{Error, file, unexpected};
use hbd_tests::modem_cable::{Kind, ModemCable};
use hbd_tests::program;
use hbd_tests::wait;
use nix::fcntl::{OFlag, open};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::Pid;
use serde_json::Value;

use crate::port::{SOON, Stage, same};

/// What is said of one end: the verdict, and the sentence that follows it.
type Said = (&'static str, &'static str);

/// What is said of a cable that nobody else uses at this end.
struct Row {
    kind: Kind,
    /// The other end has its port open: looked at, tried.
    open: [Said; 2],
    /// It has not.
    closed: [Said; 2],
}

const DARK: Said = (
    "unknown",
    "nothing is raised, and one side alone cannot tell why",
);
const ALL: Said = ("ok", "CTS, DSR and DCD are raised");
const ALL_BY_PEER: Said = (
    "ok",
    "CTS, DSR and DCD are raised by the other end: its port is open",
);
const TWO: Said = ("ok", "CTS and DSR are raised");
const TWO_BY_PEER: Said = (
    "ok",
    "CTS and DSR are raised by the other end: its port is open",
);
const ONE: Said = ("warning", "CTS is raised, DSR and DCD are not");
const PARTIAL_OPEN: Said = (
    "warning",
    "partial handshake: the plug joins its own RTS 7 to CTS 8; DSR and DCD tell that the other end has its port open",
);
const PARTIAL_CLOSED: Said = (
    "warning",
    "partial handshake: the plug joins its own RTS 7 to CTS 8; nothing is seen of the other end",
);
const LOOPBACK: Said = (
    "warning",
    "loop-back handshake: the plug joins its own RTS 7 to CTS 8 and DTR 4 to DSR 6",
);
const PLUG: Said = (
    "critical",
    "a loopback plug: all that this end raises and sends comes back to it",
);
const REPEATS: Said = (
    "critical",
    "what is sent comes back: there is no node at the other end",
);

/// Written by hand from how such cables are made.
const ROWS: [Row; 9] = [
    Row {
        kind: Kind::FullHandshake,
        open: [ALL, ALL_BY_PEER],
        closed: [DARK, DARK],
    },
    Row {
        kind: Kind::SevenWires,
        open: [TWO, TWO_BY_PEER],
        closed: [DARK, DARK],
    },
    Row {
        kind: Kind::PartialHandshake,
        open: [ALL, PARTIAL_OPEN],
        closed: [ONE, PARTIAL_CLOSED],
    },
    Row {
        kind: Kind::LoopbackHandshake,
        open: [ALL, LOOPBACK],
        closed: [ALL, LOOPBACK],
    },
    Row {
        kind: Kind::ThreeWires,
        open: [DARK, DARK],
        closed: [DARK, DARK],
    },
    Row {
        kind: Kind::LoopbackPlug,
        open: [ALL, PLUG],
        closed: [ALL, PLUG],
    },
    Row {
        kind: Kind::StraightThrough,
        open: [DARK, DARK],
        closed: [DARK, DARK],
    },
    Row {
        kind: Kind::Unplugged,
        open: [DARK, DARK],
        closed: [DARK, DARK],
    },
    Row {
        kind: Kind::Modem,
        open: [TWO, REPEATS],
        closed: [TWO, REPEATS],
    },
];

pub(crate) fn open_peer() -> Result<(), Error> {
    let mut stage = Stage::closed(Kind::Unplugged)?;
    stage.open(1)?;
    stage.ends[1].ask("lines")?;
    each_kind(&mut stage, |row| row.open)
}

pub(crate) fn closed_peer() -> Result<(), Error> {
    let mut stage = Stage::closed(Kind::Unplugged)?;
    each_kind(&mut stage, |row| row.closed)
}

fn each_kind(stage: &mut Stage, expected: fn(&Row) -> [Said; 2]) -> Result<(), Error> {
    for kind in Kind::ALL {
        let Some(row) = ROWS.iter().find(|row| row.kind == kind) else {
            return unexpected(format!("no row for {kind:?}"));
        };
        let [looked, tried] = expected(row);
        stage.cable.replace(kind)?;
        says(&stage.cable, &[], looked, &format!("{kind:?}"))?;
        says(
            &stage.cable,
            &["--active"],
            tried,
            &format!("{kind:?}, tried"),
        )?;
    }
    Ok(())
}

/// In all forms; where it is tried, which takes longer, in one of them.
fn says(
    cable: &ModemCable,
    options: &[&str],
    (verdict, sentence): Said,
    what: &str,
) -> Result<(), Error> {
    let port = cable.port(0).display().to_string();
    let all = ["ok", "warning", "critical", "unknown"];
    let code = all.iter().position(|word| *word == verdict);
    let code = code.and_then(|code| i32::try_from(code).ok());

    let output = run(cable, &[options, &["--json"]].concat())?;
    let json = json(&output)?;
    same(&word(&json["verdict"]), verdict, what)?;
    same(&word(&json["reports"][0]["sentence"]), sentence, what)?;
    same(
        &format!("{:?}", output.status.code()),
        &format!("{code:?}"),
        what,
    )?;
    if !options.is_empty() {
        return Ok(());
    }

    let output = run(cable, &[])?;
    same(
        &line(&output),
        &format!("{port}: {verdict}: {sentence}"),
        what,
    )?;
    same(
        &format!("{:?}", output.status.code()),
        &format!("{code:?}"),
        what,
    )?;

    let output = run(cable, &["--nagios"])?;
    let begin = format!(
        "SERIAL {} - {port}: {sentence} | frame=",
        verdict.to_uppercase()
    );
    if !line(&output).starts_with(&begin) {
        return unexpected(format!("{what}: {}", line(&output)));
    }
    same(
        &format!("{:?}", output.status.code()),
        &format!("{code:?}"),
        what,
    )?;

    for (strict, counts) in [
        (&[][..], ["critical", "unknown", ""]),
        (&["--strict"][..], ["critical", "unknown", "warning"]),
    ] {
        let output = run(cable, &[&["--mon"], strict].concat())?;
        let fails = counts.contains(&verdict);
        same(&line(&output), if fails { &port } else { "" }, what)?;
        let code = match (fails, verdict) {
            (false, _) => 0,
            (true, "unknown") => 3,
            (true, _) => 1,
        };
        same(
            &format!("{:?}", output.status.code()),
            &format!("{:?}", Some(code)),
            what,
        )?;
    }
    Ok(())
}

/// A port that somebody has open is read through that process, and nothing changes for it.
pub(crate) fn used() -> Result<(), Error> {
    let mut stage = Stage::new(Kind::FullHandshake)?;
    stage.ends[0].expect("lower RTS", "0")?;
    let before = stage.ends[1].ask("counts")?;
    let json = json(&run(&stage.cable, &["--json"])?)?;
    same(&word(&json["verdict"]), "warning", "looked at")?;
    let sentence = word(&json["reports"][0]["sentence"]);
    if !sentence.starts_with("port (process ") || !sentence.ends_with(" has it open") {
        return unexpected(sentence);
    }
    same(&evidence(&json, "RTS 7 out"), "low", "as its owner has it")?;
    same(&evidence(&json, "CTS 8 in"), "raised", "by the other end")?;
    let output = run(&stage.cable, &["--active"])?;
    same(&format!("{:?}", output.status.code()), "Some(1)", "tried")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !text.contains("unknown: not tried: somebody else uses the port") {
        return unexpected(text);
    }
    same(&stage.ends[1].ask("counts")?, &before, "the other end")?;
    same(&stage.ends[0].ask("lines")?, "DTR CTS DSR DCD", "the owner")
}

pub(crate) fn held_back() -> Result<(), Error> {
    let mut stage = Stage::new(Kind::FullHandshake)?;
    stage.ends[0].expect("flow on", "0")?;
    stage.ends[1].expect("lower RTS", "0")?;
    stage.ends[0].expect("write beats", "5")?;
    wait::until_true(SOON, "it is held back", || {
        Ok(stage.ends[0].ask("unsent")? == "5")
    })?;
    let output = run(&stage.cable, &["--nagios", "-v"])?;
    let expected = "blocked by flow control: CTS is low, and 5 bytes wait";
    match (output.status.code(), line(&output)) {
        (Some(2), line) if line.contains(expected) && line.ends_with(" unsent=5B") => Ok(()),
        (code, line) => unexpected(format!("{code:?}: {line}")),
    }
}

pub(crate) fn mangled() -> Result<(), Error> {
    let mut stage = Stage::new(Kind::FullHandshake)?;
    stage.cable.set_noise(2)?;
    stage.send(1, "beatbeatbeatbeatbeatbeatbeat")?;
    let output = run(&stage.cable, &["--json"])?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !text.contains("14 of 28 bytes came mangled: the two ends differ in speed or format") {
        return unexpected(text);
    }
    let output = run(&stage.cable, &["--nagios", "-w", "20", "-c", "13"])?;
    same(&format!("{:?}", output.status.code()), "Some(2)", "a range")?;
    match line(&output) {
        line if line.contains("| frame=14c;20;13 parity=0c ") => Ok(()),
        line => unexpected(line),
    }
}

/// Who presses return is asked for a name, and gives none: each would be noted as an attempt to log in.
pub(crate) fn login() -> Result<(), Error> {
    let mut stage = Stage::closed(Kind::FullHandshake)?;
    stage.open(1)?;
    let child = start(&stage.cable, &["--active"])?;
    wait::until_true(SOON, "return is pressed", || {
        Ok(stage.ends[1].ask("read")? == "<0d>")
    })?;
    stage.ends[1].expect("write bob login:", "10")?;
    let output = file("wait for hadiag", child.wait_with_output())?;
    same(&stage.ends[1].ask("read")?, "", "what else it sent")?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.contains("it said \"bob login:\"") && output.status.code() == Some(2) {
        true => Ok(()),
        false => unexpected(text),
    }
}

/// Whatever is tried, settings are then what they were, also if it is ended in the middle.
pub(crate) fn restored() -> Result<(), Error> {
    let mut stage = Stage::closed(Kind::FullHandshake)?;
    stage.open(0)?;
    stage.ends[0].expect("flow on", "0")?;
    stage.ends[0].expect("speed 19200", "0")?;
    stage.ends[0].expect("close", "0")?;
    stage.open(1)?;
    let before = settings(stage.cable.port(0))?;
    run(&stage.cable, &["--active"])?;
    same(&settings(stage.cable.port(0))?, &before, "after a trial")?;

    let rested = stage.ends[1].ask("counts")?;
    let mut child = start(&stage.cable, &["--active"])?;
    // Once opened and three times toggled: far from the end.
    wait::until_true(SOON, "it toggles", || {
        let counts = stage.ends[1].ask("counts")?;
        Ok(count_of(&counts, "cts") >= count_of(&rested, "cts") + 3)
    })?;
    let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
    if let Err(error) = kill(Pid::from_raw(pid), Signal::SIGTERM) {
        return unexpected(error.to_string());
    }
    let status = file("wait for hadiag", child.wait())?;
    same(
        &format!("{:?}", status.signal()),
        "Some(15)",
        "ended by the signal",
    )?;
    same(&settings(stage.cable.port(0))?, &before, "after a signal")
}

pub(crate) fn gone() -> Result<(), Error> {
    let mut stage = Stage::closed(Kind::FullHandshake)?;
    stage.cable.unplug(0)?;
    let output = run(&stage.cable, &[])?;
    let port = stage.cable.port(0).display();
    same(
        &line(&output),
        &format!("{port}: critical: there is no such port"),
        "unplugged",
    )
}

/// There is no time for a second look; what the first steps told is there.
pub(crate) fn out_of_time() -> Result<(), Error> {
    let stage = Stage::closed(Kind::FullHandshake)?;
    let output = run(&stage.cable, &["--json", "--timeout", "0.15"])?;
    same(&format!("{:?}", output.status.code()), "Some(3)", "its end")?;
    let json = json(&output)?;
    let sentence = "not finished within 0.15 s";
    same(
        &word(&json["reports"][0]["sentence"]),
        sentence,
        "cut short",
    )?;
    let output = run(&stage.cable, &["--active", "-t", "0.5"])?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.contains("not tried: there was not enough time left") {
        true => Ok(()),
        false => unexpected(text),
    }
}

/// What is said of a port that hbd has open.
pub(crate) fn of_hbd(cable: &ModemCable, verdict: &str) -> Result<(), Error> {
    let json = json(&run(cable, &["--json"])?)?;
    same(&word(&json["verdict"]), verdict, "a port of hbd")?;
    let findings = json["reports"][0]["findings"].to_string();
    match findings.contains("hactl status tells what hbd sees there") {
        true => Ok(()),
        false => unexpected(findings),
    }
}

fn run(cable: &ModemCable, options: &[&str]) -> Result<Output, Error> {
    file("run hadiag", start(cable, options)?.wait_with_output())
}

fn start(cable: &ModemCable, options: &[&str]) -> Result<Child, Error> {
    let mut command = Command::new(program::of_workspace("hadiag")?);
    command.arg("serial").args(options).arg(cable.port(0));
    command.envs(cable.environment());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    file("start hadiag", command.spawn())
}

fn line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().unwrap_or_default().to_owned()
}

fn json(output: &Output) -> Result<Value, Error> {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).or_else(|error| unexpected(format!("{error}: {text}")))
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn evidence(json: &Value, name: &str) -> String {
    let rows = json["reports"][0]["evidence"].as_array();
    let row = rows.and_then(|rows| rows.iter().find(|row| row["name"] == name));
    row.map(|row| word(&row["value"])).unwrap_or_default()
}

fn count_of(counts: &str, name: &str) -> usize {
    let found = counts
        .split(' ')
        .find_map(|count| count.strip_prefix(name)?.strip_prefix('='));
    found.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn settings(port: &Path) -> Result<String, Error> {
    let how = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let found: Result<Termios, nix::Error> = open(port, how, Mode::empty()).and_then(tcgetattr);
    match found {
        Ok(found) => Ok(format!("{found:?}")),
        Err(error) => unexpected(format!("{}: {error}", port.display())),
    }
}
