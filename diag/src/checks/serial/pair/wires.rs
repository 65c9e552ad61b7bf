//! Wire by wire.

use shared::exit::Health;

use super::super::finding;
use super::{Bytes, Input, Output, Side, Signal, Source, Understood, signal};
use crate::report::Finding;

const FULL: &str = "take a full null modem cable, as in hbd-serial(7)";

/// Of a cable of which some wire leads to the other end.
pub(super) fn findings(understood: &Understood<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Side::BOTH
        .into_iter()
        .flat_map(|to| match is_deaf(understood, to) {
            true => vec![deaf(understood, to)],
            false => arriving(understood, to),
        })
        .collect();
    if findings.is_empty() {
        findings.push(sound(understood));
    }
    findings
}

/// Nothing of the other end arrives there.
fn is_deaf(understood: &Understood<'_>, to: Side) -> bool {
    understood.sources(to) == [Source::Nothing; 3] && understood.bytes(to.other()) == Bytes::Vanish
}

fn deaf(understood: &Understood<'_>, to: Side) -> Finding {
    let (from, to) = (understood.node(to.other()), understood.node(to));
    finding(
        Health::Critical,
        format!(
            "nothing that {from} raises or sends arrives at {to}, and what {to} raises or sends arrives"
        ),
        format!(
            "the port of {from} drives no pin, or its wires TxD 3, RTS 7 and DTR 4 are broken together"
        ),
        format!("take another port of {from}; then another cable"),
    )
}

/// What is wrong with the wires that lead to one end.
fn arriving(understood: &Understood<'_>, to: Side) -> Vec<Finding> {
    let mut findings = handshake(understood, to);
    findings.extend(bytes(understood, to.other()));
    findings
}

fn handshake(understood: &Understood<'_>, to: Side) -> Vec<Finding> {
    let own = |line| Source::One(signal(to, line));
    let peer = |line| Source::One(signal(to.other(), line));
    let (node, other) = (understood.node(to), understood.node(to.other()));
    let sources = understood.sources(to);
    if sources == [Source::Untold; 3] {
        return vec![finding(
            Health::Unknown,
            format!("the port of {node} does not tell its modem lines"),
            "a pseudo-terminal has none, and some adapters do not tell them",
            "",
        )];
    }
    if sources.contains(&Source::Itself) {
        return vec![finding(
            Health::Warning,
            format!("lines of {node} change by themselves"),
            "a contact is loose, an open wire wanders, or GND 5 is not connected",
            "fasten both plugs; then take another cable",
        )];
    }
    match sources {
        [cts, dsr, _] if cts == own(Output::Rts) && dsr == own(Output::Dtr) => vec![finding(
            Health::Warning,
            format!(
                "loop-back handshake at {node}: its plug joins RTS 7 to CTS 8 and DTR 4 to DSR 6"
            ),
            format!("its lines say what {node} raises and nothing of {other}"),
            FULL,
        )],
        [cts, dsr, dcd]
            if cts == own(Output::Rts) && dsr == peer(Output::Dtr) && dcd == peer(Output::Rts) =>
        {
            vec![finding(
                Health::Warning,
                format!("partial handshake at {node}: its plug joins RTS 7 to CTS 8"),
                format!("{node} sends whether {other} takes it or not"),
                FULL,
            )]
        }
        [cts, dsr, dcd] if cts == peer(Output::Dtr) && dsr == peer(Output::Rts) => {
            let besides = if dcd == dsr { " and DCD 1" } else { "" };
            vec![finding(
                Health::Critical,
                format!(
                    "two wires are swapped: RTS 7 of {other} leads to DSR 6{besides} of {node}, and DTR 4 to CTS 8"
                ),
                format!(
                    "{node} sends while {other} has its port open, whether it takes anything or not"
                ),
                FULL,
            )]
        }
        [cts, dsr, dcd] => lines(understood, to, [cts, dsr, dcd]),
    }
}

fn lines(understood: &Understood<'_>, to: Side, [cts, dsr, dcd]: [Source; 3]) -> Vec<Finding> {
    let mut found: Vec<Finding> = line(understood, to, Input::Cts, cts).into_iter().collect();
    if (dsr, dcd) == (Source::Nothing, Source::Nothing) {
        let (node, other) = (understood.node(to), understood.node(to.other()));
        found.push(finding(
            Health::Warning,
            format!("the wire from DTR 4 of {other} to DSR 6 and DCD 1 of {node} is broken"),
            format!("{node} does not see by its lines when {other} closes its port; beats pass"),
            FULL,
        ));
        return found;
    }
    found.extend(line(understood, to, Input::Dsr, dsr));
    // Without that strap nothing is lost.
    if dcd != Source::Nothing {
        found.extend(line(understood, to, Input::Dcd, dcd));
    }
    found
}

/// What is wrong with one input.
fn line(understood: &Understood<'_>, to: Side, input: Input, source: Source) -> Option<Finding> {
    let wanted = input.wanted(to);
    if source == Source::One(wanted) {
        return None;
    }
    let at = format!("{} of {}", input.pin(), understood.node(to));
    let wire = format!("the wire from {} to {at}", of(understood, wanted));
    let severity = match input {
        Input::Cts => Health::Critical,
        Input::Dsr | Input::Dcd => Health::Warning,
    };
    let found = match source {
        Source::Nothing => finding(
            severity,
            format!("{wire} is broken"),
            harm(understood, to, input),
            FULL,
        ),
        Source::Always => finding(
            Health::Warning,
            format!("{at} is raised whatever {} does", of(understood, wanted)),
            format!("{wire} touches one that is raised, or the adapter raises it itself"),
            "take another cable; if it stays, another adapter",
        ),
        Source::Joined(side) => finding(
            Health::Critical,
            format!(
                "RTS 7 and DTR 4 of {} touch: {at} follows both",
                understood.node(side)
            ),
            "two wires have a short in a plug or in the cable",
            "take another cable",
        ),
        Source::One(other) => finding(
            severity,
            format!(
                "{at} follows {} and not {}",
                of(understood, other),
                of(understood, wanted)
            ),
            format!("{wire} is broken or swapped, or touches another"),
            FULL,
        ),
        Source::Untold => finding(
            Health::Unknown,
            format!("{at} is not told by the driver"),
            "",
            "",
        ),
        Source::Itself => return None,
    };
    Some(found)
}

fn of(understood: &Understood<'_>, signal: Signal) -> String {
    format!("{} of {}", signal.line.pin(), understood.node(signal.side))
}

fn harm(understood: &Understood<'_>, to: Side, input: Input) -> String {
    let (node, other) = (understood.node(to), understood.node(to.other()));
    match input {
        Input::Cts => {
            format!("{node} sends only while CTS 8 is raised: its beats stay in the port")
        }
        Input::Dsr | Input::Dcd => {
            format!("{node} sees less of {other} by its lines; beats pass")
        }
    }
}

/// What is wrong with what one end sends.
fn bytes(understood: &Understood<'_>, from: Side) -> Option<Finding> {
    let (node, other) = (understood.node(from), understood.node(from.other()));
    let wire = format!("the wire from TxD 3 of {node} to RxD 2 of {other}");
    let found = match understood.bytes(from) {
        Bytes::Arrive => return None,
        Bytes::Untold => finding(
            Health::Unknown,
            format!("whether bytes of {node} arrive at {other} is not known"),
            "a driver does not count them",
            "beats tell: hactl links",
        ),
        Bytes::Vanish => finding(
            Health::Critical,
            format!("{wire} is broken"),
            format!("{node} sends, and {other} receives nothing"),
            FULL,
        ),
        Bytes::Return => finding(
            Health::Critical,
            format!("TxD 3 and RxD 2 of {node} touch: what it sends comes back"),
            format!("and nothing of it arrives at {other}"),
            "take another cable",
        ),
        Bytes::Stay => finding(
            Health::Critical,
            format!("the port of {node} does not send"),
            "its driver took bytes and counted none as sent, without flow control",
            format!("take another port or adapter at {node}"),
        ),
        Bytes::Mangled(count, all) => finding(
            Health::Warning,
            format!("what {node} sends arrives at {other} mangled: noise"),
            format!(
                "{count} of {all} bytes: GND 5 is badly connected, the cable is too long for the speed, or the ends \
                 differ in speed"
            ),
            "fasten both plugs; take a lower speed or a shorter cable",
        ),
    };
    Some(found)
}

fn sound(understood: &Understood<'_>) -> Finding {
    let has_dcd = Side::BOTH
        .into_iter()
        .all(|side| understood.source(side, Input::Dcd) == Source::One(Input::Dcd.wanted(side)));
    let (kind, why) = match has_dcd {
        true => (
            "a full null modem cable",
            "RTS 7 leads to CTS 8, DTR 4 to DSR 6 and DCD 1, TxD 3 to RxD 2, both ways",
        ),
        false => (
            "a null modem cable of seven wires",
            "RTS 7 leads to CTS 8, DTR 4 to DSR 6, TxD 3 to RxD 2, both ways; that DCD 1 has no wire does no harm",
        ),
    };
    let [here, there] = Side::BOTH.map(|side| understood.node(side));
    finding(
        Health::Ok,
        format!("{kind} between {here} and {there}, and every wire of it works"),
        why,
        "",
    )
}
