//! Which wire it is, by what both ends of a line saw.
//!
//! Each end set RTS and DTR in turn, so each input either follows one of the four outputs or tells that it does not; and
//! each end sent. Compared with the cable of hbd-serial(7), in which each output leads to the other end:
//!
//! ```text
//!   TxD 3 >----------> RxD 2
//!   RTS 7 >----------> CTS 8
//!   DTR 4 >----------> DSR 6, DCD 1        and the same the other way
//! ```

use shared::exit::Health;
use shared::probe::{Lines, SENT};

use super::{finding, row, settings};
use crate::facts::serial::pair::{Pair, Sent, Side, Step, Unpaired};
use crate::report::{Evidence, Finding};

mod drawing;
mod wires;

pub(super) use drawing::drawing;

/// An output of one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Signal {
    side: Side,
    line: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Rts,
    Dtr,
}

impl Output {
    fn pin(self) -> &'static str {
        match self {
            Self::Rts => "RTS 7",
            Self::Dtr => "DTR 4",
        }
    }
}

/// An input of one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Cts,
    Dsr,
    Dcd,
}

impl Input {
    const ALL: [Self; 3] = [Self::Cts, Self::Dsr, Self::Dcd];

    fn pin(self) -> &'static str {
        match self {
            Self::Cts => "CTS 8",
            Self::Dsr => "DSR 6",
            Self::Dcd => "DCD 1",
        }
    }

    fn is_raised(self, lines: &Lines) -> bool {
        match self {
            Self::Cts => lines.cts,
            Self::Dsr => lines.dsr,
            Self::Dcd => lines.dcd,
        }
    }

    /// The output that leads to it in the cable of hbd-serial(7).
    fn wanted(self, side: Side) -> Signal {
        let line = match self {
            Self::Cts => Output::Rts,
            Self::Dsr | Self::Dcd => Output::Dtr,
        };
        Signal {
            side: side.other(),
            line,
        }
    }
}

/// What an input follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The driver does not tell.
    Untold,
    /// It was never raised.
    Nothing,
    /// It was raised all the time.
    Always,
    /// One output.
    One(Signal),
    /// Both outputs of an end.
    Joined(Side),
    /// None of these.
    Itself,
}

impl Source {
    /// The first of these that explains every step.
    fn of(steps: &[Step], side: Side, input: Input) -> Self {
        let seen: Option<Vec<bool>> = steps
            .iter()
            .map(|step| Some(input.is_raised(&step.seen.of(side).lines?)))
            .collect();
        let Some(seen) = seen else {
            return Self::Untold;
        };
        let is = |wanted: &dyn Fn(&Step) -> bool| {
            steps
                .iter()
                .zip(&seen)
                .all(|(step, seen)| wanted(step) == *seen)
        };
        let signals = [
            input.wanted(side),
            signal(side, Output::Rts),
            signal(side, Output::Dtr),
            signal(side.other(), Output::Rts),
            signal(side.other(), Output::Dtr),
        ];
        if is(&|_| false) {
            return Self::Nothing;
        }
        if is(&|_| true) {
            return Self::Always;
        }
        if let Some(found) = signals
            .into_iter()
            .find(|signal| is(&|step| raises(step, *signal)))
        {
            return Self::One(found);
        }
        let joined = Side::BOTH.into_iter().find(|side| {
            let (rts, dtr) = (signal(*side, Output::Rts), signal(*side, Output::Dtr));
            is(&|step| raises(step, rts) || raises(step, dtr))
                || is(&|step| raises(step, rts) && raises(step, dtr))
        });
        joined.map_or(Self::Itself, Self::Joined)
    }
}

fn signal(side: Side, line: Output) -> Signal {
    Signal { side, line }
}

/// An end that is not under test has both raised.
fn raises(step: &Step, signal: Signal) -> bool {
    step.by != signal.side
        || match signal.line {
            Output::Rts => step.outputs.rts,
            Output::Dtr => step.outputs.dtr,
        }
}

/// What becomes of what an end sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bytes {
    /// A driver does not count.
    Untold,
    /// They arrive at the other end.
    Arrive,
    /// So many are mangled of so many that arrive.
    Mangled(u32, u32),
    /// They come back to whoever sent them.
    Return,
    /// They do not leave the port.
    Stay,
    /// They leave, and nobody receives them.
    Vanish,
}

impl Bytes {
    fn of(sent: &Sent) -> Self {
        let grown = |side: Side, count: fn(&shared::probe::Counters) -> u32| {
            let before = sent.before.of(side).counters.as_ref().map(count)?;
            let after = sent.after.of(side).counters.as_ref().map(count)?;
            Some(after.wrapping_sub(before))
        };
        let (from, to) = (sent.by, sent.by.other());
        let mangled = |side| {
            let frame = grown(side, |counters| counters.frame)?;
            Some(frame.wrapping_add(grown(side, |counters| counters.parity)?))
        };
        let (Some(left), Some(came), Some(came_back), Some(mangled)) = (
            grown(from, |counters| counters.tx),
            grown(to, |counters| counters.rx),
            grown(from, |counters| counters.rx),
            mangled(to),
        ) else {
            return Self::Untold;
        };
        // Beats may pass meanwhile, so what came is compared with all that each end sent.
        let peer_sent = grown(to, |counters| counters.tx).unwrap_or_default();
        let fits = |came: u32, sources: &[u32]| {
            let off = sources.iter().map(|sent| came.abs_diff(*sent));
            off.min().unwrap_or_default()
        };
        let arrived = fits(came, &[left]) + fits(came_back, &[0, peer_sent]);
        let returned = fits(came_back, &[left]) + fits(came, &[0, peer_sent]);
        let vanished = fits(came, &[0, peer_sent]) + fits(came_back, &[0, peer_sent]);
        if mangled > 0 && mangled * MANGLED_SHARE >= came {
            Self::Mangled(mangled, came)
        } else if usize::try_from(left).is_ok_and(|left| left < SENT.len() / 2) {
            Self::Stay
        } else if arrived <= returned.min(vanished) {
            Self::Arrive
        } else if returned <= vanished {
            Self::Return
        } else {
            Self::Vanish
        }
    }
}

/// One byte of so many is mangled: more than one bad moment.
const MANGLED_SHARE: u32 = 16;

/// What both ends saw, understood.
struct Understood<'a> {
    pair: &'a Pair,
}

impl Understood<'_> {
    fn source(&self, side: Side, input: Input) -> Source {
        Source::of(&self.pair.steps, side, input)
    }

    /// Of CTS, DSR and DCD.
    fn sources(&self, side: Side) -> [Source; 3] {
        Input::ALL.map(|input| self.source(side, input))
    }

    /// What becomes of what this end sends.
    fn bytes(&self, from: Side) -> Bytes {
        let mut sent = self.pair.sent.iter();
        let of_it = sent.find(|sent| sent.by == from);
        of_it.map_or(Bytes::Untold, Bytes::of)
    }

    fn node(&self, side: Side) -> &str {
        self.pair.ends.of(side).node.as_str()
    }

    fn all(&self, wanted: Source) -> bool {
        Side::BOTH
            .into_iter()
            .all(|side| self.sources(side) == [wanted; 3])
    }

    fn any_bytes(&self, wanted: Bytes) -> bool {
        Side::BOTH
            .into_iter()
            .any(|side| self.bytes(side) == wanted)
    }
}

/// What follows, the most telling first.
pub(super) fn findings(pair: &Pair) -> Vec<Finding> {
    let understood = Understood { pair };
    let mut findings: Vec<Finding> = differing(pair).into_iter().collect();
    match whole(&understood) {
        Some(found) => findings.push(found),
        None => findings.extend(wires::findings(&understood)),
    }
    findings
}

fn differing(pair: &Pair) -> Option<Finding> {
    let last = pair.steps.last()?.seen;
    let format = |reading: &shared::probe::Reading| {
        let found = reading.settings;
        (found.baud, found.bits, found.parity, found.stop)
    };
    let said = |side: Side| {
        let written = settings(&last.of(side).settings);
        format!("{} has {written}", pair.ends.of(side).node)
    };
    (format(&last.here) != format(&last.there)).then(|| {
        finding(
            Health::Critical,
            "the two ends differ in speed or format",
            format!("{}; {}", said(Side::Here), said(Side::There)),
            "set the same baud in ha.cf of both nodes, and reload both",
        )
    })
}

/// A verdict on the cable as a whole, where no single wire is to blame.
fn whole(understood: &Understood<'_>) -> Option<Finding> {
    let nothing_arrives = !understood.any_bytes(Bytes::Arrive)
        && !Side::BOTH
            .into_iter()
            .any(|side| matches!(understood.bytes(side), Bytes::Mangled(..)));
    if let Some(side) = Side::BOTH
        .into_iter()
        .find(|side| is_plug(understood, *side))
    {
        return Some(plug(understood, side));
    }
    if nothing_arrives && understood.any_bytes(Bytes::Return) && !is_joined(understood) {
        return Some(device(understood));
    }
    if understood.all(Source::Nothing) {
        return Some(match nothing_arrives {
            true => unplugged(understood),
            false => three_wires(understood),
        });
    }
    None
}

/// A line of one end follows the other.
fn is_joined(understood: &Understood<'_>) -> bool {
    Side::BOTH.into_iter().any(|side| {
        let mut sources = understood.sources(side).into_iter();
        sources.any(|source| matches!(source, Source::One(found) if found.side != side))
    })
}

fn is_plug(understood: &Understood<'_>, side: Side) -> bool {
    let own = |line| Source::One(signal(side, line));
    understood.bytes(side) == Bytes::Return
        && understood.source(side, Input::Cts) == own(Output::Rts)
        && understood.source(side, Input::Dsr) == own(Output::Dtr)
}

fn plug(understood: &Understood<'_>, side: Side) -> Finding {
    let node = understood.node(side);
    finding(
        Health::Critical,
        format!("a loopback plug is on the port of {node}"),
        "CTS follows the own RTS, DSR the own DTR, and what was sent came back",
        format!("put the cable in its place, at {node}"),
    )
}

fn device(understood: &Understood<'_>) -> Finding {
    let mut returned = Side::BOTH
        .into_iter()
        .filter(|side| understood.bytes(*side) == Bytes::Return);
    let node = returned.next().map_or("", |side| understood.node(side));
    finding(
        Health::Critical,
        format!("what {node} sends comes back to it: there is no node at the other end"),
        "a modem that waits for orders, a terminal that echoes, or TxD 3 joined to RxD 2",
        format!("look at what the cable of {node} leads to"),
    )
}

fn unplugged(understood: &Understood<'_>) -> Finding {
    let [here, there] = Side::BOTH.map(|side| understood.node(side));
    finding(
        Health::Critical,
        format!(
            "no wire connects {here} and {there}: the cable is unplugged, or it is a straight one"
        ),
        "both ports are open and raised RTS 7 and DTR 4 in turn, both sent, and neither saw anything",
        "look at both plugs; if they are in, take a null modem cable, as in hbd-serial(7)",
    )
}

fn three_wires(understood: &Understood<'_>) -> Finding {
    let silent = Side::BOTH
        .into_iter()
        .find(|side| understood.bytes(*side) == Bytes::Vanish);
    let besides = silent.map_or_else(String::new, |side| {
        let (from, to) = (understood.node(side), understood.node(side.other()));
        format!("; of them the wire from TxD 3 of {from} to RxD 2 of {to} is broken")
    });
    finding(
        Health::Critical,
        format!("three wires, too few for hbd: bytes pass, and no line does{besides}"),
        "hbd sends only while CTS 8 is raised, and here nothing raises it",
        "take a full null modem cable, as in hbd-serial(7), or join RTS 7 and CTS 8 in each plug",
    )
}

/// Why both ends were not looked at.
pub(super) fn unpaired(unpaired: &Unpaired) -> Finding {
    let unknown =
        |what: String, why: &str, remedy: &str| finding(Health::Unknown, what, why, remedy);
    match unpaired {
        Unpaired::NoDaemon(error) => unknown(
            format!("the other end was not asked: {error}"),
            "both ends are tested by the hbd of both nodes",
            "start hbd, or name its directory with --run",
        ),
        Unpaired::NotOurs(node, ports) => unknown(
            format!("the other end was not asked: hbd on {node} does not use this port"),
            &has(ports),
            "name the port as ha.cf does, or add it there: serial DEVICE",
        ),
        Unpaired::Ourselves(node) => unknown(
            format!("the other end was not asked: {node} is this node"),
            "",
            "name the node at the other end",
        ),
        Unpaired::NoPeer(node, error) => unknown(
            format!("{node} cannot be asked, so one side alone tells: {error}"),
            "the question needs another path between the nodes, on which they are members",
            "hactl links tells which paths there are",
        ),
        Unpaired::Which(node, ports) => unknown(
            format!("which port of {node} is the other end is not known"),
            &has(ports),
            "name it: --peer NODE:TTY; without any, add it to ha.cf there: serial DEVICE",
        ),
        Unpaired::Closed(node, why) => finding(
            Health::Critical,
            format!("the end at {node} is dead: its hbd cannot use its port"),
            format!("{why}; of the cable this tells nothing"),
            format!("at {node}: is the adapter plugged in? hactl links tells what hbd sees"),
        ),
        Unpaired::Refused(why) => unknown(format!("not tested: {why}"), "", ""),
        Unpaired::NoTime => unknown(
            "the test of both ends was not finished".to_owned(),
            "the nodes answer too slowly, or time was too short; hbd raises the lines again",
            "give more with --timeout",
        ),
    }
}

fn has(ports: &[String]) -> String {
    match ports {
        [] => "its ha.cf names no serial port".to_owned(),
        ports => format!("it has {}", ports.join(", ")),
    }
}

/// The ends, and what each saw.
pub(super) fn evidence(pair: &Pair) -> Vec<Evidence> {
    let understood = Understood { pair };
    let mut rows = Vec::new();
    for (name, side) in [("this end", Side::Here), ("other end", Side::There)] {
        let end = pair.ends.of(side);
        let last = pair.steps.last().map(|step| *step.seen.of(side));
        let written = last.map_or_else(String::new, |reading| settings(&reading.settings));
        rows.push(row(
            name,
            format!("{} on {}, {written}", end.device, end.node),
        ));
    }
    for from in Side::BOTH {
        let name = match from {
            Side::Here => "sent here",
            Side::There => "sent there",
        };
        rows.push(row(
            name,
            understood.bytes(from).words(understood.node(from.other())),
        ));
    }
    rows
}

impl Bytes {
    fn words(self, to: &str) -> String {
        match self {
            Self::Untold => "the driver does not count bytes".to_owned(),
            Self::Arrive => format!("arrives at {to}"),
            Self::Mangled(count, all) => {
                format!("arrives at {to}, {count} of {all} bytes mangled")
            }
            Self::Return => "comes back".to_owned(),
            Self::Stay => "does not leave the port".to_owned(),
            Self::Vanish => format!("leaves the port and does not arrive at {to}"),
        }
    }
}

#[cfg(test)]
mod tests;
