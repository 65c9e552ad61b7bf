//! `hadiag ether`: does this interface carry frames, and who answers at the other end of its cable?
//!
//! An interface sees its own half of the wire. What the other end would have to tell is judged where it was asked
//! ([`PeerSees`]), and else named as what it may be.

use std::net::IpAddr;

use shared::config::{Config, MediumKind};
use shared::exit::Health;

use crate::facts::ether::trial::{Trial, Tried};
use crate::facts::ether::{Ether, Unread, collect};
use crate::registry::{Check, Choice, Limits, Objects, Order};
use crate::report::{Finding, Report};

mod alone;
mod counted;
mod link;
mod peers;
mod shown;
#[cfg(test)]
mod tests;

pub(super) use peers::untried;
pub(super) use shown::{answer, neighbour};

const NAME: &str = "ether";
const TO: &str = "to";

/// The check.
pub const CHECK: Check = Check {
    name: NAME,
    objects: Objects::Named("IF"),
    about: "Does this interface carry frames, and who answers at the other end of its cable",
    text: "\
Looks at whether it is there, switched on and has carrier, what it stands upon and is a part of, its speed, what its \
driver counted and whether that grows, and what the kernel knows of its neighbours. No rights are needed for that.",
    active: "\
Asks each neighbour that the kernel knows, and each address of --to, who has it, by ARP or neighbour discovery; pings \
the addresses of --to with small and large packets that may not be cut into pieces; asks whether another machine has \
an address of this interface; and listens meanwhile. Takes a second and the rights of root",
    measured: "the frames in error, of both directions, that the driver counted",
    options: &[Choice {
        name: TO,
        value: Some("ADDRESS"),
        many: true,
        about: "A machine with this address is to answer there",
    }],
    explanation: include_str!("ether/explanation.txt"),
    configured,
    run,
};

fn configured(config: &Config) -> Vec<String> {
    let media = config.media.iter();
    let over = media.filter(|medium| !matches!(medium.kind, MediumKind::Serial { .. }));
    let devices = over.map(|medium| medium.device.clone());
    devices.filter(|device| !device.is_empty()).collect()
}

fn run(order: &Order<'_>, tell: &mut dyn FnMut(Report)) {
    let mut wanted: Vec<IpAddr> = Vec::new();
    for word in order.chosen.values(TO) {
        match word.parse() {
            Ok(address) => wanted.push(address),
            Err(_) => return tell(Report::of(NAME, order.object, vec![no_address(word)])),
        }
    }
    let (active, deadline) = (order.active, order.deadline);
    collect(order.object, &wanted, active, deadline, &mut |ether| {
        tell(judge(ether, &order.limits));
    });
}

pub(super) fn no_address(word: &str) -> Finding {
    Finding::new(
        Health::Unknown,
        format!("{word} is no address of IPv4 or IPv6"),
        "names are not looked up",
        "give it in numbers",
    )
}

/// What follows from the facts.
#[must_use]
pub fn judge(ether: &Ether, limits: &Limits) -> Report {
    let mut report = Report::of(NAME, &ether.name, findings(ether, limits));
    report.evidence = shown::evidence(ether);
    report.figures = shown::figures(ether, limits);
    report
}

fn findings(ether: &Ether, limits: &Limits) -> Vec<Finding> {
    let looks = match &ether.looks {
        Ok(looks) => looks,
        Err(unread) => return unread_because(unread).into_iter().collect(),
    };
    let mut findings = link::findings(ether, looks);
    findings.extend(counted::findings(looks, limits));
    if link::passes(&looks[1]) {
        findings.extend(match &ether.trial {
            Some(Trial::Done(tried)) => tried_findings(ether, looks, tried),
            other => peers::looked(ether, other.as_ref()),
        });
    }
    if findings.is_empty() {
        findings.push(link::fine(&looks[1]));
    }
    findings
}

fn tried_findings(
    ether: &Ether,
    looks: &[crate::facts::ether::Look; 2],
    tried: &Tried,
) -> Vec<Finding> {
    let mut findings = alone::findings(ether, looks, tried);
    findings.extend(peers::tried(ether, tried, !findings.is_empty()));
    findings
}

fn unread_because(unread: &Unread) -> Option<Finding> {
    let found = match unread {
        Unread::NotYet => return None,
        Unread::Missing => Finding::new(
            Health::Critical,
            "there is no such interface",
            "its card is not plugged in, its driver is not loaded, or it has another name",
            "ip link lists those that there are; dmesg tells of cards",
        ),
        Unread::Vanished => Finding::new(
            Health::Critical,
            "the interface vanished while it was looked at",
            "its card was pulled, its driver is gone, or somebody removes it",
            "dmesg tells what became of it",
        ),
        Unread::Refused(error) => Finding::new(
            Health::Unknown,
            format!("the interface cannot be read: {}", error.desc()),
            "",
            "",
        ),
    };
    Some(found)
}
