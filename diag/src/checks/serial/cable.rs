//! What is plugged in, by what follows when this end sets its lines and sends.
//!
//! ```text
//!   RTS 7 >--+        an input that follows an own output is joined to it
//!   CTS 8 <--+
//!   DTR 4 >--   ?     where it leads, one side alone cannot tell
//!   DSR 6 <--         raised by the other end
//! ```

use shared::exit::Health;

use super::{arriving, finding, row, unsteady};
use crate::facts::serial::Lines;
use crate::facts::serial::trial::{SETTINGS, Tried};
use crate::report::{Evidence, Finding};

/// The first and the last line of a packet, as a Heartbeat and hbd send it over a serial line (hbd-protocol(7)).
const PACKET_MARKS: [&[u8]; 2] = [b">>>\n", b"<<<\n"];
/// Most characters of an answer that are shown.
const SHOWN_MAX: usize = 60;

/// What an input follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// It was never raised.
    Nothing,
    /// It was raised all the time.
    Outside,
    /// The own RTS.
    Rts,
    /// The own DTR.
    Dtr,
    /// Either of them.
    Both,
    /// None of these.
    Itself,
}

impl Source {
    /// The first of these that explains every step.
    fn of(tried: &Tried, input: fn(&Lines) -> bool) -> Self {
        let is = |wanted: fn(bool, bool) -> bool| {
            let mut steps = tried.steps.iter().zip(SETTINGS.iter().cycle());
            steps.all(|(lines, (dtr, rts))| input(lines) == wanted(*dtr, *rts))
        };
        if is(|_, _| false) {
            Self::Nothing
        } else if is(|_, _| true) {
            Self::Outside
        } else if is(|_, rts| rts) {
            Self::Rts
        } else if is(|dtr, _| dtr) {
            Self::Dtr
        } else if is(|dtr, rts| dtr || rts) || is(|dtr, rts| dtr && rts) {
            Self::Both
        } else {
            Self::Itself
        }
    }

    fn is_own(self) -> bool {
        matches!(self, Self::Rts | Self::Dtr | Self::Both)
    }

    fn words(self) -> &'static str {
        match self {
            Self::Nothing => "low all the time",
            Self::Outside => "raised all the time, not by this end",
            Self::Rts => "follows the own RTS",
            Self::Dtr => "follows the own DTR",
            Self::Both => "follows the own RTS and DTR together",
            Self::Itself => "changes by itself",
        }
    }
}

/// What the inputs follow.
struct Sources {
    cts: Source,
    dsr: Source,
    dcd: Source,
}

impl Sources {
    fn of(tried: &Tried) -> Self {
        Self {
            cts: Source::of(tried, |lines| lines.cts),
            dsr: Source::of(tried, |lines| lines.dsr),
            dcd: Source::of(tried, |lines| lines.dcd),
        }
    }

    fn any(&self, wanted: fn(Source) -> bool) -> bool {
        [self.cts, self.dsr, self.dcd].into_iter().any(wanted)
    }
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Nothing,
    /// What was sent.
    Own,
    /// Of a Heartbeat or hbd at the other end.
    Packets,
    /// As of a program that speaks to people.
    Text,
    Garbage,
}

impl Heard {
    fn of(tried: &Tried) -> Self {
        let holds =
            |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|found| found == part);
        let all = [&*tried.greeting, &*tried.answer].concat();
        let printable = |byte: &u8| byte.is_ascii_graphic();
        let visible = all.iter().filter(|byte| printable(byte)).count();
        let blank = all.iter().filter(|byte| byte.is_ascii_whitespace()).count();
        if !tried.sent.is_empty() && holds(&tried.answer, &tried.sent) {
            Self::Own
        } else if PACKET_MARKS.iter().any(|mark| holds(&all, mark)) {
            Self::Packets
        } else if blank == all.len() {
            Self::Nothing
        } else if 4 * (visible + blank) >= 3 * all.len() {
            Self::Text
        } else {
            Self::Garbage
        }
    }
}

/// What follows: of the lines, and of the bytes.
pub(super) fn findings(tried: &Tried) -> Vec<Finding> {
    let sources = Sources::of(tried);
    let heard = Heard::of(tried);
    let of_bytes = match heard {
        Heard::Own if matches!((sources.cts, sources.dsr), (Source::Rts, Source::Dtr)) => {
            return vec![plug()];
        }
        Heard::Own => Some(repeats()),
        Heard::Text => Some(login(tried)),
        Heard::Garbage => Some(garbage()),
        Heard::Packets => Some(finding(
            Health::Ok,
            "packets of a node arrive",
            "so the wire from TxD 3 of the other end to RxD 2 here is whole, and the speed is the same",
            "",
        )),
        Heard::Nothing => None,
    };
    let of_lines = of_lines(&sources, heard == Heard::Packets);
    of_bytes.into_iter().chain([of_lines]).collect()
}

fn of_lines(sources: &Sources, bytes: bool) -> Finding {
    if sources.any(|source| source == Source::Both) {
        return finding(
            Health::Critical,
            "a line follows both RTS and DTR: two wires touch",
            "RTS 7 and DTR 4 have a short, here or in the cable",
            "take another cable",
        );
    }
    if sources.any(|source| source == Source::Itself) {
        return unsteady();
    }
    match (sources.cts, sources.dsr, sources.dcd) {
        (Source::Rts, Source::Dtr, _) => finding(
            Health::Warning,
            "loop-back handshake: the plug joins its own RTS 7 to CTS 8 and DTR 4 to DSR 6",
            "its lines say what this end raises and nothing of the other end; whether bytes pass, beats tell",
            "take a full null modem cable, as in hbd-serial(7)",
        ),
        (Source::Rts, dsr, dcd) if !dsr.is_own() && !dcd.is_own() => partial(dsr, dcd),
        (cts, dsr, dcd) if cts.is_own() || dsr.is_own() || dcd.is_own() => finding(
            Health::Warning,
            "the plug joins pins of its own in an unusual way",
            format!(
                "CTS {}; DSR {}; DCD {}",
                cts.words(),
                dsr.words(),
                dcd.words()
            ),
            "take a full null modem cable, as in hbd-serial(7)",
        ),
        (cts, dsr, dcd) => {
            let lines = Lines {
                cts: cts == Source::Outside,
                dsr: dsr == Source::Outside,
                dcd: dcd == Source::Outside,
                ..Lines::default()
            };
            arriving(lines, bytes, true)
        }
    }
}

fn partial(dsr: Source, dcd: Source) -> Finding {
    let other = match (dsr, dcd) {
        (Source::Nothing, Source::Nothing) => "nothing is seen of the other end",
        _ => "DSR and DCD tell that the other end has its port open",
    };
    finding(
        Health::Warning,
        format!("partial handshake: the plug joins its own RTS 7 to CTS 8; {other}"),
        "this end sends whether the other one takes it or not",
        "take a full null modem cable, as in hbd-serial(7)",
    )
}

fn plug() -> Finding {
    finding(
        Health::Critical,
        "a loopback plug: all that this end raises and sends comes back to it",
        "CTS follows the own RTS, DSR the own DTR, and what was sent came back",
        "put the cable to the other node in its place",
    )
}

fn repeats() -> Finding {
    finding(
        Health::Critical,
        "what is sent comes back: there is no node at the other end",
        "a modem that waits for orders, a terminal that echoes, or TxD 3 joined to RxD 2",
        "look at what the cable leads to",
    )
}

fn login(tried: &Tried) -> Finding {
    finding(
        Health::Critical,
        "a program at the other end speaks to people: a login, or the console of a device",
        format!("it said {}", shown(tried)),
        "there: systemctl disable --now serial-getty@PORT.service",
    )
}

fn garbage() -> Finding {
    finding(
        Health::Warning,
        "bytes arrive that are neither text nor packets: the two ends differ in speed or format",
        "or the line is very noisy; this end listened at the speed that stands under settings",
        "set the same baud in ha.cf of both nodes",
    )
}

fn shown(tried: &Tried) -> String {
    let all = [&*tried.greeting, &*tried.answer].concat();
    let text = String::from_utf8_lossy(&all);
    let cut: String = text.trim().chars().take(SHOWN_MAX).collect();
    format!("\"{}\"", cut.escape_default())
}

pub(super) fn evidence(tried: &Tried) -> Vec<Evidence> {
    let sources = Sources::of(tried);
    let heard = match Heard::of(tried) {
        Heard::Nothing => "nothing".to_owned(),
        Heard::Own => "what was sent".to_owned(),
        Heard::Packets => "packets of a node".to_owned(),
        Heard::Text | Heard::Garbage => shown(tried),
    };
    vec![
        row("CTS, tried", sources.cts.words().to_owned()),
        row("DSR, tried", sources.dsr.words().to_owned()),
        row("DCD, tried", sources.dcd.words().to_owned()),
        row("came back", heard),
    ]
}

/// An input, and what it is joined to.
struct Input {
    pin: &'static str,
    /// An own output.
    joined_to: Option<&'static str>,
    /// What else raises it.
    else_from: &'static str,
}

impl Input {
    fn line(pin: &'static str, source: Source) -> Self {
        let (joined_to, else_from) = match source {
            Source::Rts => (Some(RTS), ""),
            Source::Dtr => (Some(DTR), ""),
            Source::Both => (None, "RTS 7 and DTR 4"),
            Source::Outside => (None, "the other end"),
            Source::Nothing => (None, "nothing"),
            Source::Itself => (None, "changes by itself"),
        };
        Self {
            pin,
            joined_to,
            else_from,
        }
    }

    fn bytes(heard: Heard) -> Self {
        let (joined_to, else_from) = match heard {
            Heard::Own => (Some(TXD), ""),
            Heard::Nothing => (None, "nothing"),
            Heard::Packets | Heard::Text | Heard::Garbage => (None, "the other end"),
        };
        Self {
            pin: "RxD 2",
            joined_to,
            else_from,
        }
    }
}

const TXD: &str = "TxD 3";
const RTS: &str = "RTS 7";
const DTR: &str = "DTR 4";

/// The plug, as far as it is seen from here.
pub(super) fn drawing(tried: &Tried) -> Vec<String> {
    let sources = Sources::of(tried);
    let inputs = [
        Input::bytes(Heard::of(tried)),
        Input::line("CTS 8", sources.cts),
        Input::line("DSR 6", sources.dsr),
        Input::line("DCD 1", sources.dcd),
    ];
    let outputs = [TXD, RTS, DTR].into_iter();
    let mut lines: Vec<String> = outputs.flat_map(|output| joined(output, &inputs)).collect();
    let rest = inputs.iter().filter(|input| input.joined_to.is_none());
    lines.extend(rest.map(|input| format!("{} <--   {}", input.pin, input.else_from)));
    lines
}

/// An output, and the inputs that follow it.
fn joined(output: &'static str, inputs: &[Input]) -> Vec<String> {
    let following = inputs
        .iter()
        .filter(|input| input.joined_to == Some(output));
    let followers: Vec<String> = following
        .map(|input| format!("{} <--+", input.pin))
        .collect();
    let first = match followers.is_empty() {
        true => format!("{output} >--   ?"),
        false => format!("{output} >--+"),
    };
    [first].into_iter().chain(followers).collect()
}
