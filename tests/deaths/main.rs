//! What the death of each process of hbd leads to, beside a peer that runs hbd and beside a real Heartbeat.
//!
//! `bob` is the node whose processes die. `alice` watches: she must never take him for dead. [`rows`] plays each row of
//! the table in hbd-overview(7) once; in [`sick`] he can do less than a member must; in [`peer`]
//! alice dies with them; in [`resolver`] a name server
//! does not answer meanwhile; [`hammer`] kills core and supervisor again and again, at random moments and at
//! the worst ones, and counts bob's events meanwhile.

mod hammer;
mod pair;
mod peer;
mod resolver;
mod rows;
mod sick;

use std::process::ExitCode;

use hbd_tests::error::Error;
use hbd_tests::precondition::Precondition::{Heartbeat, Namespaces, PacketFilter, Root};
use hbd_tests::precondition::trial;
use hbd_tests::tier::Tier;
use libtest_mimic::{Arguments, Trial};
use pair::Watcher;

/// The tests mostly wait, so all of them go on at once.
const THREADS: usize = 4;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    if Tier::of_this_run() < Tier::Ci {
        eprintln!("deaths: nothing at tier quick; HBD_TIER=ci runs it");
        return libtest_mimic::run(&arguments, Vec::new()).exit_code();
    }
    let mut trials = vec![
        beside(
            Watcher::Hbd,
            "each_death_costs_a_restart_at_most",
            rows::play,
        ),
        beside(
            Watcher::Hbd,
            "killed_again_and_again_it_never_dies",
            hammer::play,
        ),
        beside(
            Watcher::Hbd,
            "a_peer_that_dies_with_core_and_supervisor_is_noticed_in_deadtime",
            peer::play,
        ),
        beside(
            Watcher::Hbd,
            "a_node_that_sends_no_beat_is_sick_until_it_does",
            sick::mute,
        ),
        beside(
            Watcher::Hbd,
            "a_node_whose_managers_fail_is_sick_for_a_while",
            sick::managers,
        ),
        beside(
            Watcher::Heartbeat,
            "each_death_costs_a_restart_at_most",
            rows::play,
        ),
        beside(
            Watcher::Heartbeat,
            "killed_again_and_again_it_never_dies",
            hammer::play,
        ),
    ];
    let alone = trial(
        "deaths",
        "alone::a_name_server_that_does_not_answer_delays_no_supervisor",
        &[Root, Namespaces],
        resolver::play,
    );
    trials.push(alone);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn beside(watcher: Watcher, name: &str, test: fn(Watcher) -> Result<(), Error>) -> Trial {
    let (peer, needs) = match watcher {
        Watcher::Hbd => ("hbd", vec![Root, Namespaces, PacketFilter]),
        Watcher::Heartbeat => ("heartbeat", vec![Root, Namespaces, PacketFilter, Heartbeat]),
    };
    let name = format!("beside_{peer}::{name}");
    trial("deaths", &name, &needs, move || test(watcher))
}
