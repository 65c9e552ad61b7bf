//! Each machine that is to be there: does it answer, who answers for it, and which packets reach it?

use std::net::IpAddr;

use nix::errno::Errno;
use shared::exit::Health;

use super::alone::{answers, is_heard, named, one_way};
use crate::facts::ether::Ether;
use crate::facts::ether::trial::{Asked, Pings, Reason, SMALL, Trial, Tried};
use crate::facts::neighbours::State;
use crate::report::Finding;

const MORE: &str = "--active asks it";

/// Where nobody was asked: what the kernel knows, and why not.
pub(super) fn looked(ether: &Ether, trial: Option<&Trial>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = trial.and_then(untried).into_iter().collect();
    let wanted = ether.wanted.iter();
    findings.extend(wanted.map(|address| known(ether, *address)));
    findings
}

/// Why it was not tried.
pub(in crate::checks) fn untried(trial: &Trial) -> Option<Finding> {
    let (what, remedy) = match trial {
        Trial::NotYet | Trial::Done(_) => return None,
        Trial::NoTime => (
            "not tried: there was not enough time left".to_owned(),
            "give more with --timeout",
        ),
        Trial::Refused(Errno::EPERM | Errno::EACCES) => (
            "not tried: to ask takes the rights of root".to_owned(),
            "run it as root",
        ),
        Trial::Refused(error) => (format!("not tried: {}", error.desc()), ""),
    };
    Some(Finding::new(Health::Unknown, what, "", remedy))
}

/// It cannot be a neighbour, whoever answers.
fn misplaced(ether: &Ether, address: IpAddr) -> Option<Finding> {
    if ether.has(address) {
        return Some(Finding::new(
            Health::Warning,
            format!("{address} is this interface's own"),
            "",
            "name the address of the other machine",
        ));
    }
    (!ether.reaches(address)).then(|| {
        Finding::new(
            Health::Critical,
            format!("{address} is in no network of {}", ether.name),
            "so nothing is sent there over this interface, or through a gateway",
            format!("ip address show dev {} shows its networks; look at address and bits of both machines", ether.name),
        )
    })
}

fn known(ether: &Ether, address: IpAddr) -> Finding {
    if let Some(misplaced) = misplaced(ether, address) {
        return misplaced;
    }
    let (severity, what, why, remedy) = match ether.neighbour(address).map(|known| known.state) {
        Some(State::Reachable) => (Health::Ok, "answered lately", "", ""),
        Some(State::Failed) => (
            Health::Critical,
            "does not answer",
            "the kernel asked for its hardware address lately, and nobody answered",
            "--active tells whether others answer",
        ),
        Some(State::Incomplete) => (Health::Unknown, "is being asked", "", MORE),
        Some(State::Stale) => (
            Health::Unknown,
            "answered some time ago",
            "since then nobody had to know",
            MORE,
        ),
        Some(State::Permanent) => (
            Health::Unknown,
            "was entered by hand",
            "so the kernel does not ask whether it is there",
            MORE,
        ),
        None => (
            Health::Unknown,
            "was not asked lately",
            "the kernel knows nothing of it",
            MORE,
        ),
    };
    Finding::new(severity, format!("{address} {what}"), why, remedy)
}

/// What each one's answers tell. Where something explains why nobody answers, that is not said of each.
pub(super) fn tried(ether: &Ether, tried: &Tried, explained: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for asked in &tried.asked {
        findings.extend(claimed(ether, asked));
    }
    for asked in tried
        .asked
        .iter()
        .filter(|asked| asked.reason == Reason::Wanted)
    {
        let silent = !answers(asked) && !ether.has(asked.address) && ether.reaches(asked.address);
        if !(explained && silent) {
            findings.push(wanted(ether, tried, asked));
        }
    }
    if ether.wanted.is_empty() {
        findings.extend(known_ones(tried, explained));
    }
    findings
}

/// An address that two have.
fn claimed(ether: &Ether, asked: &Asked) -> Option<Finding> {
    let address = asked.address;
    let others = asked.answers.keys();
    let others: Vec<String> = match asked.reason {
        // Another interface of this machine on the same wire may answer, too.
        Reason::Own => others
            .filter(|other| !ether.here.contains(other))
            .map(ToString::to_string)
            .collect(),
        _ => others.map(ToString::to_string).collect(),
    };
    let what = match (asked.reason, others.as_slice()) {
        (_, []) => return None,
        (Reason::Own, [other, ..]) => format!("another machine has {address} too: {other}"),
        (_, [_]) => return None,
        (_, all) => format!(
            "{} machines answer for {address}: {}",
            all.len(),
            all.join(", ")
        ),
    };
    Some(Finding::new(
        Health::Critical,
        what,
        "who is asked first gets what is sent there; it may also be one machine with two interfaces on this wire that \
         answers on both (arp_ignore)",
        "take the address away from one of them",
    ))
}

fn wanted(ether: &Ether, tried: &Tried, asked: &Asked) -> Finding {
    let address = asked.address;
    match misplaced(ether, address) {
        Some(misplaced) if ether.has(address) || !answers(asked) => return misplaced,
        Some(_) => return elsewhere(ether, address),
        None => {}
    }
    if !answers(asked) && is_heard(tried, address) {
        return one_way(address);
    }
    if !answers(asked) {
        return Finding::new(
            Health::Critical,
            format!("{address} does not answer, and others there do"),
            "so this end is sound: that machine, its card, or its cable or switch port is dead, or it has another address",
            "look at that machine, then at its cable and switch port",
        );
    }
    if asked.answers.is_empty() {
        return Finding::new(
            Health::Warning,
            format!("{address} answers pings, but nobody says who has it"),
            "its hardware address is known from former times or entered by hand; something drops the question or the \
             answer, and once it is forgotten nothing goes there any more",
            "look for filters of ARP or neighbour discovery on both machines",
        );
    }
    pings(ether, asked)
}

fn elsewhere(ether: &Ether, address: IpAddr) -> Finding {
    Finding::new(
        Health::Critical,
        format!(
            "{address} is on this wire, but in no network of {}",
            ether.name
        ),
        "it says who has it when it is asked, and yet nothing is sent there over this interface",
        "look at address and bits of both machines",
    )
}

/// It says who has the address. What reaches it?
fn pings(ether: &Ether, asked: &Asked) -> Finding {
    let address = asked.address;
    let of_size = |wanted: fn(&&Pings) -> bool| asked.pings.iter().find(wanted);
    let small = of_size(|pings| pings.size == SMALL)
        .copied()
        .unwrap_or_default();
    if small.answered == 0 {
        return no_ping(ether, asked);
    }
    if let Some(lost) = of_size(|pings| pings.answered == 0) {
        return too_large(asked, lost.size);
    }
    if small.answered < small.sent {
        let lost = small.sent - small.answered;
        return Finding::new(
            Health::Warning,
            format!("{lost} of {} pings to {address} were lost", small.sent),
            "a bad cable, an overloaded switch, or a machine that limits its answers",
            "look whether the error counters of both ends grow",
        );
    }
    Finding::new(Health::Ok, format!("{address} answers"), "", "")
}

fn too_large(asked: &Asked, lost: u32) -> Finding {
    let address = asked.address;
    let passed = asked.pings.iter().filter(|pings| pings.answered > 0);
    let most = passed.map(|pings| pings.size).max().unwrap_or_default();
    Finding::new(
        Health::Critical,
        format!("MTU trouble: packets of {lost} bytes do not reach {address}, those of {most} do"),
        "this interface sends packets as large as that, and the other end or a switch between drops them",
        "set the same MTU on both machines, and at least that on each switch between (ip link set mtu)",
    )
}

fn no_ping(ether: &Ether, asked: &Asked) -> Finding {
    let address = asked.address;
    let what = format!("{address} says who has it, but answers no ping");
    if matches!(asked.unsent, Some(Errno::EPERM | Errno::EACCES)) {
        return Finding::new(
            Health::Critical,
            format!("{what}: this machine drops them"),
            "its own packet filter does not let pings out",
            "nft list ruleset shows the rules of this machine",
        );
    }
    let state = ether.neighbour(address).map(|known| known.state);
    if matches!(state, Some(State::Failed | State::Incomplete)) {
        return Finding::new(
            Health::Critical,
            format!("{address} answers, and the kernel does not get the answer"),
            "questions that go past the packet filter are answered, those of the kernel are not: a filter of ARP or \
             neighbour discovery on this machine drops them",
            "nft list ruleset shows the rules of this machine",
        );
    }
    Finding::new(
        Health::Warning,
        what,
        "it lives and is on this wire; a packet filter, there or here, drops pings, perhaps beats as well",
        "nft list ruleset shows the rules of a machine; let UDP of the port of hbd pass, and ICMP",
    )
}

/// Where nobody is wanted, whoever the kernel knows.
fn known_ones(tried: &Tried, explained: bool) -> Option<Finding> {
    let known = tried
        .asked
        .iter()
        .filter(|asked| asked.reason == Reason::Known);
    let (there, silent): (Vec<&Asked>, Vec<&Asked>) = known.partition(|asked| answers(asked));
    let silent: Vec<IpAddr> = silent.iter().map(|asked| asked.address).collect();
    let found = match (there.len(), silent.len()) {
        (0, 0) => Finding::new(
            Health::Unknown,
            "up, with carrier, and no neighbour is known to ask",
            "",
            "name one: --to ADDRESS",
        ),
        (0, _) if explained => return None,
        (some, 0) => Finding::new(
            Health::Ok,
            match some {
                1 => "the neighbour that is known answers".to_owned(),
                some => format!("all {some} neighbours that are known answer"),
            },
            "",
            "",
        ),
        _ => Finding::new(
            Health::Warning,
            format!(
                "of the neighbours that are known, these do not answer: {}",
                named(&silent)
            ),
            "others do, so this end is sound: those machines, or their cables or switch ports, are dead, or gone for good",
            "look at those machines",
        ),
    };
    Some(found)
}
