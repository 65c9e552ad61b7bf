//! Whether unicast media lead anywhere but back.
//!
//! That one destination is an own address is usual, since all nodes may share one file. A medium without any other destination reaches nobody.

use std::net::IpAddr;

use super::{Facts, Finding, Mention, Subject};
use crate::config::diagnostic::{Code, Diagnostic};

/// A destination: its interface, whether it is of IPv6, whether it is this machine.
struct Destination<'m> {
    mention: &'m Mention,
    medium: (&'m str, bool),
    own: bool,
}

pub(super) fn check(mentions: &[Mention], facts: &Facts) -> Vec<Diagnostic> {
    let destinations: Vec<Destination<'_>> = mentions
        .iter()
        .filter_map(|mention| destination(mention, facts))
        .collect();
    let Some(first) = destinations.first() else {
        return Vec::new();
    };
    // Each line of a medium mentions its interface, and a unicast line one destination.
    let interfaces = mentions
        .iter()
        .filter(|mention| matches!(mention.subject, Subject::Interface { .. }));
    let all_unicast = interfaces.count() == destinations.len();
    if all_unicast && destinations.iter().all(|d| d.own) {
        return vec![nothing_reached().into_diagnostic(first.mention)];
    }
    let mut findings = Vec::new();
    for (at, destination) in destinations.iter().enumerate() {
        let same = |other: &Destination<'_>| other.medium == destination.medium;
        let is_first = !destinations[..at].iter().any(same);
        if is_first && destinations.iter().filter(|d| same(d)).all(|d| d.own) {
            findings.push(medium_own(destination.medium).into_diagnostic(destination.mention));
        }
    }
    findings
}

fn destination<'m>(mention: &'m Mention, facts: &Facts) -> Option<Destination<'m>> {
    let interfaces = facts.interfaces.as_ref()?;
    let is_own = |address: &IpAddr| interfaces.iter().any(|i| i.addresses.contains(address));
    let (medium, own) = match &mention.subject {
        Subject::Destination { address, device } => {
            ((device.as_str(), address.is_ipv6()), is_own(address))
        }
        Subject::Host {
            name,
            device: Some(device),
        } => {
            let addresses = facts.hosts.get(name).map_or(&[][..], Vec::as_slice);
            let v4: Vec<_> = addresses.iter().filter(|a| a.is_ipv4()).collect();
            let own = !v4.is_empty() && v4.into_iter().all(is_own);
            ((device.as_str(), false), own)
        }
        _ => return None,
    };
    Some(Destination {
        mention,
        medium,
        own,
    })
}

const LABEL: &str = "an address of this machine, as is every other of this medium";

fn medium_own((device, is_v6): (&str, bool)) -> Finding {
    let word = if is_v6 { "ucast6" } else { "ucast" };
    Finding {
        code: Code::UnicastOwn,
        message: format!("no `{word}` line of `{device}` names another machine"),
        label: LABEL,
        remedy: format!("add `{word} {device} ADDRESS` with the address of the peer"),
        replacement: None,
    }
}

fn nothing_reached() -> Finding {
    Finding {
        code: Code::NothingReached,
        message: "no medium leads to another machine, so no peer can hear this node".to_owned(),
        label: "an address of this machine, as is every other destination",
        remedy: "add a line with the address of each peer".to_owned(),
        replacement: None,
    }
}
