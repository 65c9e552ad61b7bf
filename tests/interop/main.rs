//! hbd beside real Heartbeat 3.0.6.
//!
//! One node of a pair, `alice`, is always the real thing: `auto_failback legacy`, an empty `haresources`, the mode in
//! which Heartbeat does nothing but membership. The other, `bob`, is hbd. A [`lane`] is such a pair with one medium
//! and one digest; it boots once and plays all [`scenario`]s in a row, and each scenario is a test of its own. After
//! each, what alice logged and what its `cl_status` answers about bob is compared with `allowed.txt`: what she
//! logs and answers when bob is a real Heartbeat too and the very same code plays the same scenario.
//!
//! Tier long plays them over all nine pairs of medium and digest, and adds what takes long: [`endurance`].
//!
//! `UPDATE=1 HBD_TIER=long cargo test -p hbd-tests --test interop` makes `allowed.txt` anew from such pairs.

mod allowed;
mod commands;
mod company;
mod endurance;
mod lane;
mod messages;
mod migration;
mod notices;
mod observed;
mod peer;
mod reload;
mod scenario;
mod serial;
mod services;

use std::env;
use std::process::ExitCode;
use std::sync::Arc;

use allowed::Allowed;
use hbd_tests::error::Error;
use hbd_tests::precondition::Precondition::{self, Heartbeat, Namespaces, PacketFilter, Root};
use hbd_tests::precondition::trial;
use hbd_tests::tier::Tier;
use lane::{LANES, Lane, Link, OTHER_LANES};
use libtest_mimic::{Arguments, Trial};
use peer::Kind;
use scenario::Scenario;
use services::{Expected, NAMES, TOURS, Tour};

/// Real pairs differ from run to run in what they happen to log; `allowed.txt` is the union of so many.
const RUNS_FOR_ALLOWED: usize = 3;
/// Clusters that a machine of two cores bears at once: they mostly wait.
const AT_ONCE: usize = 6;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let tier = Tier::of_this_run();
    let mut links = LANES.to_vec();
    if tier == Tier::Long {
        links.extend(OTHER_LANES);
    }
    let trials = if tier == Tier::Long && env::var("UPDATE").is_ok_and(|word| word == "1") {
        let mut trials = vec![interop("real_pairs_make_allowed_txt", &[], make_allowed)];
        trials.extend(TOURS.iter().map(|tour| {
            let name = format!("real_pairs_make_expected_{}", tour.name);
            interop(&name, &[], move || make_expected(tour))
        }));
        trials
    } else if tier >= Tier::Ci {
        let mut trials = endurance(tier);
        // The longest first.
        trials.extend(tours(tier));
        trials.extend(stories());
        arguments
            .test_threads
            .get_or_insert(links.len().max(AT_ONCE));
        trials.extend(beside_hbd(&links));
        trials
    } else {
        eprintln!("interop: nothing at tier quick; HBD_TIER=ci runs it");
        Vec::new()
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn interop(
    name: &str,
    also: &[Precondition],
    test: impl FnOnce() -> Result<(), Error> + Send + 'static,
) -> Trial {
    let needs = [&[Root, Namespaces, Heartbeat], also].concat();
    trial("interop", name, &needs, test)
}

/// What has a cluster of its own.
fn stories() -> Vec<Trial> {
    vec![
        interop(
            "messages_are_refused_while_a_heartbeat_lives",
            &[],
            messages::refused_while_a_heartbeat_lives,
        ),
        interop(
            "a_heartbeat_and_hbd_see_each_other_over_a_serial_line",
            &[],
            serial::beside_a_heartbeat,
        ),
        interop(
            "hb_standby_and_hb_takeover_mean_the_same_beside_a_heartbeat",
            &[],
            commands::beside_a_heartbeat,
        ),
        interop(
            "hb_standby_and_hb_takeover_mean_the_same_beside_hbd",
            &[],
            commands::beside_hbd,
        ),
        interop(
            "a_pair_of_heartbeats_becomes_one_of_hbd_and_back_with_services_going_back",
            &[],
            migration::failback_on,
        ),
        interop(
            "a_pair_of_heartbeats_becomes_one_of_hbd_and_back_with_services_staying",
            &[],
            migration::failback_off,
        ),
        interop(
            "a_pair_of_heartbeats_becomes_one_of_hbd_from_auto_failback_legacy",
            &[],
            migration::legacy,
        ),
        interop(
            "a_script_is_told_the_same_as_by_a_heartbeat",
            &[],
            notices::beside_a_heartbeat,
        ),
        interop(
            "a_script_is_told_of_hbd_and_one_that_moves_resources_is_not_run",
            &[],
            notices::beside_hbd,
        ),
        interop(
            "a_key_is_replaced_in_three_steps_and_nobody_dies",
            &[],
            reload::keys,
        ),
        interop(
            "other_times_on_one_node_after_the_other_kill_nobody",
            &[],
            reload::times,
        ),
    ]
}

/// Services beside a Heartbeat.
fn tours(tier: Tier) -> Vec<Trial> {
    let seats = TOURS
        .iter()
        .flat_map(|tour| tour.seats(tier).iter().map(move |&seat| (tour, seat)));
    let trials = seats.map(|(tour, seat)| {
        let name = format!("services_{}_with_hbd_as_{}", tour.name, NAMES[seat]);
        interop(&name, &[], move || tour.play(seat))
    });
    let faults = [
        interop("services_on_survive_faults", &[], services::failback_on),
        interop(
            "services_off_survive_faults",
            &[PacketFilter],
            services::failback_off,
        ),
        interop(
            "services_over_a_serial_line_survive_deaths_moves_and_a_cut",
            &[],
            services::over_a_serial_line,
        ),
    ];
    trials.chain(faults).collect()
}

/// What takes longer than any scenario.
fn endurance(tier: Tier) -> Vec<Trial> {
    if tier < Tier::Long {
        return Vec::new();
    }
    let mut trials = vec![
        interop(
            "a_quarter_of_all_packets_lost_for_two_minutes_kills_nobody",
            &[PacketFilter],
            endurance::loss,
        ),
        interop("an_hour_without_an_event", &[], endurance::hour),
        interop(
            "services_survive_half_an_hour_of_bad_weather",
            &[PacketFilter],
            services::bad_weather,
        ),
    ];
    trials.extend(TOURS.iter().map(|tour| {
        let name = format!("gaps_are_no_longer_than_of_two_heartbeats_{}", tour.name);
        interop(&name, &[], move || services::race(tour))
    }));
    trials
}

/// Scenario by scenario over all lanes, so that as many threads as lanes keep all lanes going at once.
fn beside_hbd(links: &[Link]) -> Vec<Trial> {
    let allowed = Arc::new(Allowed::read());
    let lanes: Vec<_> = links
        .iter()
        .map(|&link| Arc::new(Lane::new(link, Kind::Hbd)))
        .collect();
    let mut trials = Vec::new();
    for scenario in Scenario::ALL {
        for lane in &lanes {
            let (lane, allowed) = (Arc::clone(lane), Arc::clone(&allowed));
            let name = format!("{}::{}", lane.name(), scenario.name());
            trials.push(interop(&name, &[], move || {
                allowed.judge(scenario, &lane.outcome(scenario)?)
            }));
        }
    }
    trials
}

fn make_expected(tour: &Tour) -> Result<(), Error> {
    let mut expected = Expected::default();
    for _ in 0..RUNS_FOR_ALLOWED {
        expected.add(tour.record()?)?;
    }
    expected.write(tour.name)
}

fn make_allowed() -> Result<(), Error> {
    let mut allowed = Allowed::default();
    for _ in 0..RUNS_FOR_ALLOWED {
        let lanes = LANES.map(|link| Lane::new(link, Kind::Heartbeat));
        std::thread::scope(|scope| {
            for lane in &lanes {
                scope.spawn(|| lane.play());
            }
        });
        for lane in &lanes {
            for scenario in Scenario::ALL {
                allowed.add(scenario, lane.outcome(scenario)?);
            }
        }
    }
    allowed.write()
}
