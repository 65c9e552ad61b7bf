//! The interface itself: is it switched on, and does anything pass?

use shared::exit::Health;

use crate::facts::ether::{Ether, Look};
use crate::facts::links::{Interface, Operational, Part, PortState};
use crate::report::Finding;

/// Whether frames can pass, as far as this end knows.
pub(super) fn passes(look: &Look) -> bool {
    let blocked = match look.interface.part {
        Some(Part::Port { state, .. }) => state != PortState::Forwarding,
        Some(Part::Line { dead, .. }) => dead,
        None => false,
    };
    stopped(look).is_none() && !blocked
}

/// Nothing is the matter.
pub(super) fn fine(look: &Look) -> Finding {
    let mut what = "up, with carrier".to_owned();
    if let Some(megabits) = look.speed.megabits {
        what += &format!(", {megabits} Mbit/s");
    }
    if look.speed.full == Some(true) {
        what += " full duplex";
    }
    let why = "whether somebody answers there, --active with --to ADDRESS tells";
    Finding::new(Health::Ok, what, why, "")
}

/// What is the matter, the most telling first.
pub(super) fn findings(ether: &Ether, looks: &[Look; 2]) -> Vec<Finding> {
    let last = &looks[1];
    if let Some(stopped) = stopped(last) {
        return vec![stopped];
    }
    let mut findings = Vec::new();
    findings.extend(dormant(last));
    findings.extend(part(last));
    findings.extend(addresses_of_a_part(ether, last));
    findings.extend(duplex(looks));
    findings.extend(detected(ether));
    findings
}

/// Why nothing passes at all.
fn stopped(look: &Look) -> Option<Finding> {
    let interface = &look.interface;
    let name = &interface.link.name;
    if interface.operational == Operational::NotPresent {
        return Some(Finding::new(
            Health::Critical,
            "the card is not there",
            "its driver knows it and cannot reach it: it was pulled, has no power, or is dead",
            "dmesg tells what became of it",
        ));
    }
    if !interface.link.is_up() {
        return Some(Finding::new(
            Health::Critical,
            "it is switched off",
            "somebody did that, or nobody switched it on",
            format!("ip link set {name} up"),
        ));
    }
    if !interface.link.has_carrier() {
        return Some(no_carrier(look));
    }
    no_ethernet(interface)
}

fn no_ethernet(interface: &Interface) -> Option<Finding> {
    let remedy = "name the interface that leads to the other nodes; ip link lists them";
    if interface.link.is_loopback() {
        let what = "it leads to this machine alone";
        return Some(Finding::new(Health::Warning, what, "", remedy));
    }
    (!interface.link.ethernet).then(|| {
        let what = "up, but this is no Ethernet interface";
        let why = "there are no neighbours to ask, and no cable to judge";
        Finding::new(Health::Unknown, what, why, remedy)
    })
}

fn no_carrier(look: &Look) -> Finding {
    if let Some(below) = &look.below {
        return nothing_below(below);
    }
    let (what, why, remedy) = match &*look.interface.kind {
        "veth" => (
            "no carrier: its other end is switched off",
            "both ends of such a pair have to be up",
            "switch the other end on, in the network where it is",
        ),
        "bridge" | "bond" | "team" => (
            "no carrier: no line of it has any",
            "it has carrier while one of its lines has",
            "hadiag ether of each of its lines tells more",
        ),
        "tun" => (
            "no carrier: no program has it open",
            "what is sent there goes to a program",
            "start that program",
        ),
        _ => (
            "no carrier: the cable, or the switch port or machine at its other end, is dead",
            "the card gets no signal: a plug is loose, the cable is broken, or the other end is switched off or has no \
             power",
            "look at the lamps of both ends; try another cable, then another port",
        ),
    };
    Finding::new(Health::Critical, what, why, remedy)
}

fn nothing_below(below: &Interface) -> Finding {
    let name = &below.link.name;
    let (what, remedy) = match below.link.is_up() {
        false => ("is switched off", format!("ip link set {name} up")),
        true => ("has no carrier", format!("hadiag ether {name} tells more")),
    };
    Finding::new(
        Health::Critical,
        format!("no carrier: {name}, which it stands upon, {what}"),
        "",
        remedy,
    )
}

fn dormant(look: &Look) -> Option<Finding> {
    let (what, why) = match look.interface.operational {
        Operational::Dormant => (
            "it waits to be let in",
            "the switch wants a proof of who is there (802.1X), and has none",
        ),
        Operational::Testing => ("it is tested, and carries nothing else", ""),
        _ => return None,
    };
    Some(Finding::new(Health::Critical, what, why, ""))
}

fn part(look: &Look) -> Option<Finding> {
    let master = look.master.as_ref();
    let name = master.map_or("another interface", |master| &master.link.name);
    match look.interface.part? {
        Part::Port {
            state: PortState::Forwarding,
            isolated: false,
        } => None,
        Part::Port {
            state: PortState::Forwarding,
            isolated: true,
        } => Some(Finding::new(
            Health::Warning,
            format!("an isolated port of {name}"),
            "nothing passes between it and other isolated ports of that bridge",
            "unless that is meant: bridge link set dev IF isolated off",
        )),
        Part::Port { state, .. } => Some(blocked(name, state)),
        Part::Line { dead: true, .. } => Some(Finding::new(
            Health::Critical,
            format!("{name} found this line dead"),
            "the bond asks the card, or somebody at the other end, and has no answer",
            format!("/proc/net/bonding/{name} tells more"),
        )),
        Part::Line {
            dead: false,
            backup,
        } => Some(Finding::new(
            Health::Ok,
            match backup {
                true => format!("up, with carrier; it stands by in {name}"),
                false => format!("up, with carrier; it carries for {name}"),
            },
            "",
            "",
        )),
    }
}

fn blocked(bridge: &str, state: PortState) -> Finding {
    let (what, remedy) = match state {
        PortState::Disabled => ("is disabled", "switch the bridge on"),
        PortState::Blocking => (
            "is blocked",
            "the spanning tree saw a loop here, or somebody set it: bridge link shows the ports",
        ),
        _ => (
            "does not forward yet",
            "wait for the forward delay, or switch the spanning tree off where there is no loop",
        ),
    };
    Finding::new(
        Health::Critical,
        format!("this port of {bridge} {what}"),
        "a bridge drops what comes to such a port",
        remedy,
    )
}

fn addresses_of_a_part(ether: &Ether, look: &Look) -> Option<Finding> {
    let master = look.master.as_ref()?;
    let held = ether.addresses.iter();
    let mut v4 = held.filter(|held| held.address.is_ipv4());
    let address = v4.next()?.address;
    let name = &master.link.name;
    Some(Finding::new(
        Health::Warning,
        format!("{address} is on a part of {name}, where nobody answers for it"),
        format!("what comes to this interface goes to {name}"),
        format!("give the address to {name}"),
    ))
}

fn duplex(looks: &[Look; 2]) -> Option<Finding> {
    let late = |look: &Look| look.interface.counters.late_collisions;
    if late(&looks[1]) > late(&looks[0]) {
        return Some(Finding::new(
            Health::Critical,
            "late collisions: the two ends differ in duplex",
            "one end sends while it listens, the other takes that for a collision",
            "let both ends negotiate, or set both to the same speed and full duplex",
        ));
    }
    (looks[1].speed.full == Some(false)).then(|| {
        Finding::new(
            Health::Warning,
            "half duplex: mostly the other end does not negotiate and is set to full",
            "who gets no answer to its negotiation has to take half duplex, and loses frames against one that has full",
            "let both ends negotiate, or set both to the same speed and full duplex",
        )
    })
}

/// What the kernel itself found when it got the address (RFC 4862, 5.4).
fn detected(ether: &Ether) -> Option<Finding> {
    let mut failed = ether.addresses.iter();
    let failed = failed.find(|held| held.has(libc::IFA_F_DADFAILED))?;
    Some(Finding::new(
        Health::Critical,
        format!("another machine has {} too", failed.address),
        "it answered when this machine got the address, which is not used therefore",
        "take it away from one of them, then add it again here",
    ))
}
