//! What was seen, in lines and in numbers.

use super::counted::errors;
use crate::facts::ether::trial::{Asked, Reason, Trial};
use crate::facts::ether::{Ether, Look};
use crate::facts::links::{Counters, Operational, Part};
use crate::facts::neighbours::{Neighbour, State};
use crate::registry::Limits;
use crate::report::{Evidence, Figure};

/// Neighbours that are shown.
const SHOWN_MAX: usize = 16;

/// In the order in which a frame meets it.
pub(super) fn evidence(ether: &Ether) -> Vec<Evidence> {
    let Ok([first, last]) = &ether.looks else {
        return Vec::new();
    };
    let mut rows = vec![
        Evidence::new("state", state(last)),
        Evidence::new("card", card(last)),
    ];
    rows.extend(stands(last));
    rows.extend(carrier(last));
    rows.extend(counted(&first.interface.counters, &last.interface.counters));
    let addresses = ether.addresses.iter();
    let addresses = addresses.map(|held| format!("{}/{}", held.address, held.prefix));
    rows.push(Evidence::new("addresses", listed(addresses.collect())));
    let neighbours = ether.neighbours.iter().take(SHOWN_MAX);
    rows.extend(neighbours.map(|known| Evidence::new("neighbour", neighbour(known))));
    if let Some(Trial::Done(tried)) = &ether.trial {
        let asked = tried
            .asked
            .iter()
            .filter(|asked| asked.reason != Reason::Own);
        rows.extend(asked.map(|asked| Evidence::new("asked", answer(asked))));
        let heard = format!(
            "{} frames of {} machines",
            tried.frames,
            tried.sources.len()
        );
        rows.push(Evidence::new("heard", heard));
    }
    rows
}

fn listed(words: Vec<String>) -> String {
    match words.is_empty() {
        true => "none".to_owned(),
        false => words.join(", "),
    }
}

fn state(look: &Look) -> String {
    let link = &look.interface.link;
    let switched = if link.is_up() { "on" } else { "off" };
    let carrier = if link.has_carrier() {
        "carrier"
    } else {
        "no carrier"
    };
    let operational = match look.interface.operational {
        Operational::Unknown => "not told",
        Operational::NotPresent => "not present",
        Operational::Down => "down",
        Operational::LowerLayerDown => "down, as what it stands upon",
        Operational::Testing => "testing",
        Operational::Dormant => "dormant",
        Operational::Up => "up",
    };
    format!("switched {switched}, {carrier}, operational state {operational}")
}

fn card(look: &Look) -> String {
    let kind = match &*look.interface.kind {
        "" => "card",
        kind => kind,
    };
    let speed = match look.speed.megabits {
        Some(megabits) => format!("{megabits} Mbit/s"),
        None => "speed not told".to_owned(),
    };
    let duplex = match look.speed.full {
        Some(true) => "full duplex",
        Some(false) => "half duplex",
        None => "duplex not told",
    };
    format!("{kind}, {speed}, {duplex}, MTU {}", look.interface.mtu)
}

fn stands(look: &Look) -> Vec<Evidence> {
    let mut rows = Vec::new();
    if let Some(below) = &look.below {
        let vlan = match look.interface.vlan {
            Some(vlan) => format!("VLAN {vlan} of "),
            None => String::new(),
        };
        rows.push(Evidence::new(
            "stands upon",
            format!("{vlan}{}", below.link.name),
        ));
    }
    if let Some(master) = &look.master {
        let what = match look.interface.part {
            Some(Part::Port { state, isolated }) => {
                let isolated = if isolated { ", isolated" } else { "" };
                format!(", {state:?}{isolated}").to_lowercase()
            }
            Some(Part::Line { backup: true, .. }) => ", stands by".to_owned(),
            Some(Part::Line { .. }) | None => String::new(),
        };
        rows.push(Evidence::new(
            "part of",
            format!("{}{what}", master.link.name),
        ));
    }
    rows
}

fn carrier(look: &Look) -> Option<Evidence> {
    let lost = look.interface.carrier_lost?;
    Some(Evidence::new("carrier lost", format!("{lost} times")))
}

fn counted(before: &Counters, now: &Counters) -> Vec<Evidence> {
    let grew = |count: fn(&Counters) -> u64| count(now).saturating_sub(count(before));
    let frames = format!(
        "{} in (+{}), {} out (+{})",
        now.rx,
        grew(|counters| counters.rx),
        now.tx,
        grew(|counters| counters.tx)
    );
    let mistakes = format!(
        "{} in (+{}), {} out (+{}); {} crc, {} frame, {} overrun, {} missed, {} collisions, {} late",
        now.rx_errors,
        grew(|counters| counters.rx_errors),
        now.tx_errors,
        grew(|counters| counters.tx_errors),
        now.crc,
        now.frame,
        now.overrun,
        now.missed,
        now.collisions,
        now.late_collisions
    );
    let dropped = format!("{} in, {} out", now.rx_dropped, now.tx_dropped);
    vec![
        Evidence::new("frames", frames),
        Evidence::new("errors", mistakes),
        Evidence::new("dropped", dropped),
    ]
}

pub(in crate::checks) fn neighbour(known: &Neighbour) -> String {
    let state = match known.state {
        State::Incomplete => "being asked",
        State::Reachable => "answered lately",
        State::Stale => "answered some time ago",
        State::Failed => "did not answer",
        State::Permanent => "entered by hand",
    };
    match known.hardware {
        Some(hardware) => format!("{} at {hardware}, {state}", known.address),
        None => format!("{}, {state}", known.address),
    }
}

pub(in crate::checks) fn answer(asked: &Asked) -> String {
    let answers = asked.answers.iter();
    let answers = answers.map(|(hardware, times)| format!("{hardware} answered {times} times"));
    let mut said = format!(
        "{}: {}",
        asked.address,
        match asked.answers.is_empty() {
            true => "nobody answered".to_owned(),
            false => answers.collect::<Vec<_>>().join(", "),
        }
    );
    if let Some(small) = asked.pings.first() {
        said += &format!("; {} of {} pings", small.answered, small.sent);
    }
    let passed = asked.pings.iter().filter(|pings| pings.answered > 0);
    if let Some(most) = passed.map(|pings| pings.size).max() {
        said += &format!("; packets of up to {most} bytes");
    }
    said
}

/// What grows, and what was answered.
pub(super) fn figures(ether: &Ether, limits: &Limits) -> Vec<Figure> {
    let Ok([_, last]) = &ether.looks else {
        return Vec::new();
    };
    let counters = &last.interface.counters;
    let mut figures = vec![
        Figure {
            warning: limits.warning,
            critical: limits.critical,
            ..Figure::new("errors", errors(counters), "c")
        },
        Figure::new("rx", counters.rx, "c"),
        Figure::new("tx", counters.tx, "c"),
    ];
    let lost = last.interface.carrier_lost;
    figures.extend(lost.map(|lost| Figure::new("carrier_lost", lost.into(), "c")));
    figures
}
