//! What the driver counted, and whether that grows.

use shared::exit::Health;

use crate::facts::ether::Look;
use crate::facts::links::Counters;
use crate::registry::Limits;
use crate::report::Finding;

/// Fewer losses of carrier than these may come of restarts at the other end.
const LOSSES_MIN: u32 = 10;
/// Fewer errors than these may come of a plug that was moved.
const ERRORS_MIN: u64 = 10;
/// One frame of so many is broken: a good cable has one of many millions.
const ERRORS_SHARE: u64 = 10_000;
/// Who sent so many and heard nothing ever is not merely in a quiet network.
const SENT_MIN: u64 = 20;

/// Errors of both directions.
pub(super) fn errors(counters: &Counters) -> u64 {
    let broken = counters.rx_errors.max(counters.crc + counters.frame);
    broken.saturating_add(counters.tx_errors)
}

/// What is the matter, the most telling first.
pub(super) fn findings(looks: &[Look; 2], limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(flaps(looks));
    findings.extend(grown(looks));
    let last = &looks[1].interface;
    let total = match findings.is_empty() {
        true => share(&last.counters),
        false => None,
    };
    findings.extend(beyond(&last.counters, limits).unwrap_or(total));
    findings.extend(deaf(&last.counters));
    findings
}

fn flaps(looks: &[Look; 2]) -> Option<Finding> {
    let [before, lost] = [
        looks[0].interface.carrier_lost?,
        looks[1].interface.carrier_lost?,
    ];
    let why = "a plug is loose, the cable is bad, or the other end restarts again and again";
    let remedy = "try another cable, then another port";
    if lost > before {
        let what = "the carrier comes and goes: it was lost while it was looked at";
        return Some(Finding::new(Health::Critical, what, why, remedy));
    }
    (lost >= LOSSES_MIN).then(|| {
        Finding::new(
            Health::Warning,
            format!(
                "the carrier comes and goes: it was lost {lost} times since the interface was made"
            ),
            why,
            format!("look whether it grows; {remedy}"),
        )
    })
}

/// What went wrong between the two looks.
fn grown(looks: &[Look; 2]) -> Vec<Finding> {
    let [before, now] = [&looks[0].interface.counters, &looks[1].interface.counters];
    let grew = |count: fn(&Counters) -> u64| count(now).saturating_sub(count(before));
    let mut findings = Vec::new();
    let broken = grew(|counters| counters.crc + counters.frame);
    if broken > 0 {
        findings.push(Finding::new(
            Health::Critical,
            format!("{broken} frames came broken while it was looked at"),
            "their sum or form is wrong: a bad cable or plug, noise, or the two ends differ in duplex",
            "try another cable, then another port; let both ends negotiate",
        ));
    }
    if grew(|counters| counters.tx_errors) > 0 {
        findings.push(Finding::new(
            Health::Critical,
            "the card fails to send",
            match grew(|counters| counters.carrier) {
                0 => "its driver counts errors of what goes out",
                _ => "it loses the carrier while it sends",
            },
            "dmesg tells what its driver says; try another cable, then another card",
        ));
    }
    if grew(|counters| counters.overrun + counters.missed) > 0 {
        findings.push(Finding::new(
            Health::Warning,
            "frames come faster than this machine takes them",
            "the card or the kernel had no room for them",
            "raise the rings of the card (ethtool -G), or look what keeps the processors busy",
        ));
    }
    findings
}

/// What the caller's own limits say, where there are any.
fn beyond(counters: &Counters, limits: &Limits) -> Option<Option<Finding>> {
    if limits.warning.is_none() && limits.critical.is_none() {
        return None;
    }
    let errors = errors(counters);
    let alarms =
        |range: Option<crate::range::Range>| range.is_some_and(|range| range.alarms(errors as f64));
    let severity = match (alarms(limits.critical), alarms(limits.warning)) {
        (true, _) => Health::Critical,
        (false, true) => Health::Warning,
        (false, false) => return Some(None),
    };
    let what = format!("{errors} frames in error since the interface was made");
    Some(Some(Finding::new(severity, what, "", "")))
}

fn share(counters: &Counters) -> Option<Finding> {
    let errors = errors(counters);
    let frames = counters.rx.saturating_add(counters.tx);
    let many = errors >= ERRORS_MIN && errors.saturating_mul(ERRORS_SHARE) > frames;
    many.then(|| {
        Finding::new(
            Health::Warning,
            format!("{errors} of {frames} frames were in error since the interface was made"),
            "none was while it was looked at; a plug that was moved counts some, a bad cable goes on",
            "look whether it grows",
        )
    })
}

/// Since it was made. For a moment of silence there are other reasons.
fn deaf(counters: &Counters) -> Option<Finding> {
    (counters.rx == 0 && counters.tx >= SENT_MIN).then(|| {
        Finding::new(
            Health::Warning,
            format!("{} frames went out, and none ever came in", counters.tx),
            "the wire carries one direction only, the switch port is in a VLAN of its own, or nobody else is there",
            "--active with --to ADDRESS tells more",
        )
    })
}
