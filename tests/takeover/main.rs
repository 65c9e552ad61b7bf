//! Two real nodes take over from each other, and a third machine asks every service address each millisecond.
//!
//! What the managers' rules prove of the policy in virtual time is asked here of whole programs and a real kernel: how
//! long nobody answers, whether an address is ever on two machines, whether the neighbours learn where it went.

mod connectivity;
mod database;
mod deaths;
mod failures;
mod fencing;
mod hangs;
mod health;
mod judgement;
mod midway;
mod moves;
mod orphans;
mod planted;
mod processes;
mod scripts;
mod splits;
mod stage;
mod startup;
mod stops;

use std::process::ExitCode;

use hbd_tests::error::Error;
use hbd_tests::precondition::Precondition::{
    Mon, MonitoringPlugins, Namespaces, PacketFilter, Postgresql, ResourceAgents, Root, Stonith,
};
use hbd_tests::precondition::trial;
use hbd_tests::tier::Tier;
use libtest_mimic::{Arguments, Trial};

/// The tests mostly wait, but who asks each millisecond is to be let.
const THREADS: usize = 2;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let mut trials = judgement::trials();
    trials.extend([
        takeover("what_is_done_by_hand_is_seen", planted::faults),
        takeover(
            "a_dead_node_is_succeeded_and_gets_its_group_back",
            deaths::with_failback,
        ),
        takeover(
            "a_move_by_order_is_a_short_gap_and_no_overlap",
            moves::by_order,
        ),
        takeover("a_node_that_is_stopped_hands_over_at_once", stops::of_one),
        takeover(
            "of_two_that_fence_each_other_one_goes_on_and_nothing_is_served_twice",
            fencing::partition,
        ),
    ]);
    if Tier::of_this_run() >= Tier::Ci {
        trials.extend([
            takeover(
                "a_node_that_reaches_fewer_ping_nodes_hands_its_group_over_and_gets_it_back",
                connectivity::fewer_ping_nodes,
            ),
            takeover(
                "a_dead_node_is_succeeded_and_its_successor_keeps_the_group",
                deaths::without_failback,
            ),
            takeover(
                "processes_that_are_killed_again_and_again_move_nothing",
                processes::killed,
            ),
            takeover(
                "processes_that_are_killed_while_packets_are_lost_move_nothing",
                processes::killed_over_losses,
            ),
            takeover(
                "where_all_of_hbd_is_killed_the_kernel_takes_the_address_away",
                processes::all_killed,
            ),
            takeover(
                "a_manager_that_hangs_is_replaced_and_nothing_moves",
                processes::manager_hangs,
            ),
            takeover(
                "after_a_silence_in_which_both_served_the_first_owner_keeps_its_group",
                splits::partition,
            ),
            takeover(
                "a_node_that_stood_still_serves_beside_the_other_only_for_a_while",
                splits::freeze,
            ),
            takeover(
                "a_restart_within_deadtime_ends_with_one_owner",
                stops::restart,
            ),
            takeover("two_that_start_together_serve_their_own", startup::together),
            takeover(
                "a_node_alone_serves_all_and_the_second_gets_its_group",
                startup::second_gets_its_group,
            ),
            takeover(
                "without_failback_the_second_gets_nothing",
                startup::second_gets_nothing,
            ),
            takeover(
                "a_node_that_waits_for_its_peer_serves_when_that_is_off",
                startup::wait_for_peer,
            ),
            takeover(
                "nobody_is_succeeded_unfenced_where_that_is_set",
                startup::unfenced,
            ),
            takeover(
                "a_group_that_does_not_start_goes_to_the_other_node",
                failures::start_on_one,
            ),
            takeover(
                "a_group_whose_script_cannot_be_run_goes_to_the_other_node",
                failures::cannot_run,
            ),
            takeover(
                "a_group_that_starts_nowhere_is_tried_again_later",
                failures::start_on_both,
            ),
            takeover(
                "a_group_that_does_not_stop_is_started_nowhere",
                failures::stop,
            ),
            takeover(
                "a_start_that_hangs_after_a_death_is_ended_and_tried_again",
                hangs::start_after_death,
            ),
            takeover(
                "a_start_that_hangs_in_a_move_sends_the_group_back",
                hangs::start_in_move,
            ),
            takeover(
                "a_stop_that_hangs_in_a_move_leaves_the_group_where_it_is",
                hangs::stop_in_move,
            ),
            takeover(
                "a_group_taken_out_of_the_configuration_is_stopped_alone",
                orphans::reloaded,
            ),
            takeover(
                "what_is_left_of_a_group_that_is_taken_out_is_removed",
                orphans::left,
            ),
            takeover(
                "a_process_that_dies_in_a_move_makes_no_second_owner",
                midway::killed,
            ),
            takeover(
                "a_restart_in_a_move_makes_no_second_owner",
                midway::restarted,
            ),
            takeover("a_node_that_dies_in_a_move_is_succeeded", midway::dies),
            takeover(
                "a_move_over_a_bad_path_makes_no_second_owner",
                midway::lossy,
            ),
            takeover(
                "a_node_that_the_other_does_not_hear_yields_to_it",
                splits::one_way,
            ),
            takeover("when_both_are_stopped_nothing_is_left", stops::of_both),
            takeover(
                "a_takeover_waits_for_a_device_that_fails",
                fencing::device_fails,
            ),
            takeover(
                "a_device_that_is_corrected_is_used_at_once",
                fencing::reloaded,
            ),
            takeover("a_node_that_leaves_is_not_fenced", fencing::orderly),
            takeover("a_node_that_starts_alone_fences_the_other", fencing::alone),
            takeover(
                "a_node_that_was_never_heard_is_fenced_by_order_where_that_is_set",
                fencing::alone_by_order,
            ),
            takeover(
                "where_nobody_else_can_say_it_an_operator_confirms_that_a_node_is_off",
                fencing::manual,
            ),
        ]);
        trials.push(trial(
            "takeover",
            "agents_of_heartbeat_run_unmodified",
            &[Root, Namespaces, ResourceAgents],
            scripts::of_heartbeat,
        ));
        trials.push(trial(
            "takeover",
            "what_monitors_and_plugins_say_is_told_once",
            &[Root, Namespaces, Mon, MonitoringPlugins],
            health::told,
        ));
        trials.push(trial(
            "takeover",
            "a_database_moves_with_its_address",
            &[Root, Namespaces, ResourceAgents, Postgresql],
            database::moves_with_its_address,
        ));
        trials.push(trial(
            "takeover",
            "a_device_of_the_real_stonith_is_enough",
            &[Root, Namespaces, PacketFilter, Stonith],
            fencing::stonith,
        ));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn takeover(name: &str, test: fn() -> Result<(), Error>) -> Trial {
    trial("takeover", name, &[Root, Namespaces, PacketFilter], test)
}
