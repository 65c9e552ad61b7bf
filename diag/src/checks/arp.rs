//! `hadiag arp`: who answers for an address, and is it one machine?

use shared::exit::Health;

use super::ether::{answer, neighbour, no_address, untried};
use crate::facts::arp::{Arp, Place, collect};
use crate::facts::ether::trial::{Asked, Trial};
use crate::facts::neighbours::{Neighbour, State};
use crate::registry::{Check, Choice, Objects, Order};
use crate::report::{Evidence, Finding, Report};
use hbd_agents::network::{HardwareAddress, Link};

#[cfg(test)]
mod tests;

const NAME: &str = "arp";
const INTERFACE: &str = "interface";

/// The check.
pub const CHECK: Check = Check {
    name: NAME,
    objects: Objects::Named("ADDRESS"),
    about: "Who answers for this address, and is it one machine",
    text: "\
Says whether this machine has the address, and else what the kernel knows of the neighbour that has it, on the interface \
to which the routes lead. No rights are needed for that.",
    active: "\
Asks everyone on that interface who has the address, three times, by ARP for IPv4 and neighbour discovery for IPv6, and \
counts the answers of each hardware address; two are critical, and so is one for an address of this machine. The \
question spoils no cache. Takes a second and the rights of root",
    measured: "",
    options: &[Choice {
        name: INTERFACE,
        value: Some("IF"),
        many: false,
        about: "Ask there, wherever the routes lead",
    }],
    explanation: include_str!("arp/explanation.txt"),
    configured: |_| Vec::new(),
    run,
};

fn run(order: &Order<'_>, tell: &mut dyn FnMut(Report)) {
    let Ok(address) = order.object.parse() else {
        return tell(Report::of(
            NAME,
            order.object,
            vec![no_address(order.object)],
        ));
    };
    let interface = order.chosen.value(INTERFACE);
    collect(
        address,
        interface,
        order.active,
        order.deadline,
        &mut |arp| {
            tell(judge(arp));
        },
    );
}

/// What follows from the facts.
#[must_use]
pub fn judge(arp: &Arp) -> Report {
    let findings = finding(arp).into_iter().collect();
    let mut report = Report::of(NAME, &arp.address.to_string(), findings);
    report.evidence = evidence(arp);
    report
}

fn finding(arp: &Arp) -> Option<Finding> {
    let found = match &arp.place {
        Place::NotYet => return None,
        Place::Refused(error) => Finding::new(
            Health::Unknown,
            format!("the network cannot be read: {}", error.desc()),
            "",
            "",
        ),
        Place::Missing => Finding::new(
            Health::Critical,
            "there is no such interface to ask on",
            "",
            "ip link lists those that there are",
        ),
        Place::Nowhere => Finding::new(
            Health::Critical,
            "no network of this machine has it",
            "so nothing can be sent there",
            "ip route shows the networks; --interface asks for it anyway",
        ),
        Place::Behind(gateway) => Finding::new(
            Health::Unknown,
            format!("it is behind {gateway}, which alone can ask for it"),
            "questions for hardware addresses stay in one network",
            format!("hadiag arp {gateway} asks for that one; --interface asks for this one anyway"),
        ),
        Place::Own(link) | Place::Neighbour(link) => there(arp, link),
    };
    Some(found)
}

fn there(arp: &Arp, link: &Link) -> Finding {
    let owns = matches!(arp.place, Place::Own(_));
    match &arp.trial {
        Some(Trial::Done(tried)) => match tried.asked.first() {
            Some(asked) if owns => own(arp, link, asked),
            Some(asked) => others(arp, link, asked),
            None => unasked(arp, link),
        },
        Some(trial) => untried(trial).unwrap_or_else(|| unasked(arp, link)),
        None => unasked(arp, link),
    }
}

/// What is known without a question.
fn unasked(arp: &Arp, link: &Link) -> Finding {
    let name = &link.name;
    if matches!(arp.place, Place::Own(_)) {
        return Finding::new(
            Health::Ok,
            format!("this machine has it, on {name}"),
            "whether another machine has it too, --active asks where that can be",
            "",
        );
    }
    if !link.is_up() || !link.has_carrier() {
        let what = match link.is_up() {
            false => format!("{name}, where it belongs, is switched off"),
            true => format!("{name}, where it belongs, has no carrier"),
        };
        return Finding::new(
            Health::Critical,
            what,
            "",
            format!("hadiag ether {name} tells more"),
        );
    }
    match &arp.known {
        Some(known) => remembered(known, name),
        None => Finding::new(
            Health::Unknown,
            format!("it was not asked for lately on {name}"),
            "",
            "--active asks",
        ),
    }
}

fn remembered(known: &Neighbour, name: &str) -> Finding {
    let who = known
        .hardware
        .map_or("somebody".to_owned(), |who| who.to_string());
    let (severity, what) = match known.state {
        State::Reachable => (Health::Ok, format!("{who} answered lately on {name}")),
        State::Stale => (
            Health::Unknown,
            format!("{who} answered some time ago on {name}"),
        ),
        State::Permanent => (
            Health::Unknown,
            format!("{who} was entered by hand on {name}"),
        ),
        State::Incomplete => (Health::Unknown, format!("it is being asked for on {name}")),
        State::Failed => (
            Health::Critical,
            format!("nobody answered lately on {name}"),
        ),
    };
    Finding::new(severity, what, "", "--active asks everyone")
}

/// The address is this machine's, which does not hear its own question.
fn own(arp: &Arp, link: &Link, asked: &Asked) -> Finding {
    let name = &link.name;
    // Another interface of this machine on the same wire may answer, too.
    let mut others = asked
        .answers
        .keys()
        .filter(|other| !arp.here.contains(other));
    match others.next() {
        None => Finding::new(
            Health::Ok,
            format!("this machine has it, on {name}, and nobody else answers"),
            "",
            "",
        ),
        Some(other) => Finding::new(
            Health::Critical,
            format!("this machine has it, on {name}, and {other} answers for it"),
            "two machines have it: who is asked first gets what is sent there",
            "take it away from one of them; if hbd is to move it, nobody else may put it anywhere",
        ),
    }
}

fn others(arp: &Arp, link: &Link, asked: &Asked) -> Finding {
    let name = &link.name;
    let who: Vec<HardwareAddress> = asked.answers.keys().copied().collect();
    match who.as_slice() {
        [] => Finding::new(
            Health::Critical,
            format!("nobody answers on {name}"),
            "no machine there has it, or its questions or answers are lost",
            format!(
                "hadiag ether --active --to {} {name} tells which",
                arp.address
            ),
        ),
        [one] if arp.here.contains(one) => Finding::new(
            Health::Critical,
            format!("{one} answers, a hardware address of this machine"),
            "another machine, perhaps a copy of this one, has the same hardware address",
            "compare ip link of the machines there",
        ),
        [one] => one_machine(arp, name, *one),
        all => {
            let all: Vec<String> = all.iter().map(ToString::to_string).collect();
            Finding::new(
                Health::Critical,
                format!(
                    "{} machines answer on {name}: {}",
                    all.len(),
                    all.join(", ")
                ),
                "who is asked first gets what is sent there; it may also be one machine with two interfaces on this \
                 wire that answers on both (arp_ignore)",
                "take the address away from one of them",
            )
        }
    }
}

fn one_machine(arp: &Arp, name: &str, one: HardwareAddress) -> Finding {
    let believed = arp.known.and_then(|known| known.hardware);
    match believed.filter(|believed| *believed != one) {
        None => Finding::new(Health::Ok, format!("{one} answers on {name}"), "", ""),
        Some(believed) => Finding::new(
            Health::Warning,
            format!("{one} answers on {name}, and this machine sent to {believed} until now"),
            "the address moved and this machine was not told: what it sent went to the former owner",
            "look again; hbd announces an address that it takes over, so see who else moves it",
        ),
    }
}

fn evidence(arp: &Arp) -> Vec<Evidence> {
    let mut rows = Vec::new();
    if let Place::Own(link) | Place::Neighbour(link) = &arp.place {
        rows.push(Evidence::new("interface", &*link.name));
    }
    rows.extend(
        arp.known
            .as_ref()
            .map(|known| Evidence::new("known", neighbour(known))),
    );
    if let Some(Trial::Done(tried)) = &arp.trial {
        let asked = tried.asked.iter();
        rows.extend(asked.map(|asked| Evidence::new("asked", answer(asked))));
    }
    rows
}
