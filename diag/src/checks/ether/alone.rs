//! Nobody who was asked answers, or this interface's own frames come back: which part of the way that is.

use std::net::IpAddr;

use shared::exit::Health;

use crate::facts::ether::trial::{Asked, Reason, Tried};
use crate::facts::ether::{Ether, Look, PeerSees};
use crate::report::Finding;

/// Addresses that are named in one sentence.
const NAMED_MAX: usize = 3;

/// What all of them together tell; nothing where somebody answers.
pub(super) fn findings(ether: &Ether, looks: &[Look; 2], tried: &Tried) -> Vec<Finding> {
    let mut findings: Vec<Finding> = own_frames(tried).into_iter().collect();
    let others = tried.asked.iter();
    let mut others = others
        .filter(|asked| asked.reason != Reason::Own)
        .peekable();
    let is_asked = others.peek().is_some();
    if is_asked && others.all(|asked| !answers(asked)) {
        findings.push(nobody(ether, looks, tried));
    }
    findings
}

/// It answered something.
pub(super) fn answers(asked: &Asked) -> bool {
    !asked.answers.is_empty() || asked.pings.iter().any(|pings| pings.answered > 0)
}

fn own_frames(tried: &Tried) -> Option<Finding> {
    (tried.own_frames > 0).then(|| {
        Finding::new(
            Health::Critical,
            "frames with its own hardware address come in",
            "what it sends comes back, since the network has a loop or a plug that joins its own wires; or another \
             machine, perhaps a copy of this one, has the same hardware address",
            "look for a loop at the switch; compare ip link of the machines there",
        )
    })
}

/// Nobody at all answers.
fn nobody(ether: &Ether, looks: &[Look; 2], tried: &Tried) -> Finding {
    if let Some(peer) = ether.peer {
        return nobody_but(peer);
    }
    let [before, now] = [&looks[0].interface.counters, &looks[1].interface.counters];
    if now.tx == before.tx {
        return Finding::new(
            Health::Critical,
            "nothing goes out: the card does not send",
            "its driver took what was to be sent and counted nothing that went",
            "dmesg tells what its driver says; switch it off and on again, then try another card",
        );
    }
    let heard = tried.asked.iter();
    let mut heard =
        heard.filter(|asked| asked.reason == Reason::Wanted && is_heard(tried, asked.address));
    if let Some(asked) = heard.next() {
        return one_way(asked.address);
    }
    let strangers = strangers(ether, tried);
    if !strangers.is_empty() {
        return another_network(&strangers);
    }
    match tried.frames {
        0 => Finding::new(
            Health::Critical,
            "nobody answers, and nothing at all comes in",
            "carrier reaches no further than the next device: the wire carries one direction only, the switch port is \
             blocked or in another VLAN, or whoever was asked is off",
            "look at VLAN and state of the switch port; then at the machine at the other end, and try another cable",
        ),
        frames => Finding::new(
            Health::Critical,
            "nobody answers, though frames come in",
            format!(
                "{frames} came meanwhile, so it hears: what it sends does not arrive, the switch port is in another \
                 VLAN, or whoever was asked is off"
            ),
            "look at VLAN and state of the switch port; then at the machine at the other end, and try another cable",
        ),
    }
}

/// It speaks, and does not answer.
pub(super) fn one_way(address: IpAddr) -> Finding {
    Finding::new(
        Health::Critical,
        format!("one way only: {address} is heard and does not answer"),
        "its frames come, and what is sent from here does not reach it: one direction of the cable is broken, or \
         something drops what this interface sends",
        "try another cable, then another port; look for filters on the way and at that machine",
    )
}

/// Frames came that say they are from there.
pub(super) fn is_heard(tried: &Tried, address: IpAddr) -> bool {
    let mut sources = tried.sources.iter();
    sources.any(|source| source.addresses.contains(&address))
}

/// Those who speak to everyone, where all of them are of other networks.
fn strangers(ether: &Ether, tried: &Tried) -> Vec<IpAddr> {
    let heard = tried.sources.iter().flat_map(|source| &source.addresses);
    let heard: Vec<IpAddr> = heard.copied().filter(IpAddr::is_ipv4).collect();
    match heard.iter().any(|address| ether.reaches(*address)) {
        true => Vec::new(),
        false => heard,
    }
}

fn another_network(strangers: &[IpAddr]) -> Finding {
    Finding::new(
        Health::Critical,
        format!(
            "nobody answers, and only another network is heard: {}",
            named(strangers)
        ),
        "the switch port is in another VLAN than it should be, the cable is in another port, or the address here is wrong",
        "look at the VLAN of the switch port, then at the addresses",
    )
}

/// The other end tells which direction it is.
fn nobody_but(peer: PeerSees) -> Finding {
    let (what, why, remedy) = match (peer.carrier, peer.our_frames) {
        (false, _) => (
            "the other end has no carrier, and this one has",
            "its card hears nothing: the cable carries one direction only, or there is a switch between and its line \
             to there is dead",
            "try another cable between switch and other end",
        ),
        (true, true) => (
            "one way only: the other end hears this interface, and is not heard here",
            "what it sends is lost: the direction from there to here is broken, or something drops it",
            "try another cable, then another port; look for filters here",
        ),
        (true, false) => (
            "the other end has carrier, and no frame of this interface comes there",
            "the two are not on one wire: their switch ports are in different VLANs, or not joined, or the direction \
             from here to there is broken",
            "look at the VLANs of both switch ports; try another cable",
        ),
    };
    Finding::new(Health::Critical, what, why, remedy)
}

/// Some of them, by name.
pub(super) fn named(addresses: &[IpAddr]) -> String {
    let shown: Vec<String> = addresses
        .iter()
        .take(NAMED_MAX)
        .map(IpAddr::to_string)
        .collect();
    match addresses.len().checked_sub(NAMED_MAX) {
        None | Some(0) => shown.join(", "),
        Some(more) => format!("{} and {more} more", shown.join(", ")),
    }
}
