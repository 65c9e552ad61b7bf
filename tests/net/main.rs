//! Real hbd daemons, each in a network namespace of its own, on switches that the test can break.
//!
//! What the simulator proves of the core in virtual time is asked here of whole programs on real sockets: that media
//! carry beats, that interfaces may go and come, that a process may die, that what must be seen is seen in `hactl`.

mod cluster;
mod ether;
mod identity;
mod interfaces;
mod membership;
mod messages;
mod modem;
mod paths;
mod ping;
mod processes;
mod serial;

use std::process::ExitCode;

use hbd_tests::error::Error;
use hbd_tests::precondition::Precondition::{Compiler, Namespaces, PacketFilter, Root};
use hbd_tests::precondition::trial;
use libtest_mimic::{Arguments, Trial};

/// The tests mostly wait, so more of them go on at once than there are processors.
const THREADS: usize = 4;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let trials = vec![
        net(
            "three_nodes_agree_over_every_kind_of_medium",
            membership::every_medium,
        ),
        net(
            "three_nodes_agree_over_one_interface",
            membership::one_interface,
        ),
        net("a_lossy_path_kills_nobody", membership::lossy_path),
        net(
            "a_cut_in_one_direction_is_a_one_way_link",
            membership::one_way,
        ),
        net("a_node_that_is_not_heard_is_told_so", membership::not_heard),
        net(
            "the_same_link_local_address_on_two_interfaces_is_two_links",
            interfaces::link_local,
        ),
        net(
            "an_interface_that_vanishes_is_a_state_and_returns",
            interfaces::vanish_and_return,
        ),
        net(
            "an_interface_that_is_renamed_is_missing_until_it_has_its_name",
            interfaces::rename,
        ),
        net("an_interface_may_come_after_the_start", interfaces::late),
        net(
            "frames_carry_beats_and_messages_where_no_interface_has_an_address",
            ether::no_address,
        ),
        net(
            "eight_nodes_agree_over_frames_and_see_one_die",
            ether::eight,
        ),
        net(
            "nobody_dies_until_the_last_of_three_media_is_cut",
            paths::one_after_the_other,
        ),
        net(
            "interfaces_and_ports_that_are_made_again_are_used_again",
            paths::made_again,
        ),
        net("media_that_flap_kill_nobody", paths::flap),
        net("losses_on_three_media_kill_nobody", paths::lossy),
        net(
            "a_serial_line_alone_carries_beats_and_messages",
            serial::alone,
        ),
        net(
            "nobody_dies_while_a_serial_line_or_a_network_is_left",
            serial::beside_a_network,
        ),
        net(
            "a_serial_line_with_a_broken_wire_is_a_one_way_link",
            serial::one_way,
        ),
        net("a_noisy_serial_line_kills_nobody", serial::noisy),
        net(
            "a_serial_line_that_takes_nothing_is_a_state_and_recovers",
            serial::blocked,
        ),
        trial(
            "net",
            "what_the_modem_lines_show_is_told_at_once",
            &[Root, Namespaces, Compiler],
            modem::told,
        ),
        trial(
            "net",
            "modem_lines_are_told_once_whatever_is_replaced",
            &[Root, Namespaces, Compiler],
            modem::replaced,
        ),
        net(
            "a_serial_port_that_vanishes_is_a_state_and_returns",
            serial::unplugged,
        ),
        net(
            "frames_of_another_type_or_group_are_not_heard",
            ether::strangers,
        ),
        net(
            "frames_outlive_an_interface_that_goes_down_and_one_that_is_made_again",
            ether::down_and_made_again,
        ),
        net(
            "hosts_that_answer_are_ping_nodes_and_those_that_do_not_are_dead",
            ping::answers,
        ),
        net(
            "without_raw_sockets_the_kernel_lends_one_or_the_remedy_is_told",
            ping::no_right,
        ),
        net("a_flood_of_echo_replies_delays_nobody", ping::flood),
        net(
            "the_core_has_no_rights_but_realtime_and_memory_lock",
            processes::rights,
        ),
        net(
            "a_killed_core_is_a_restart_and_no_death",
            processes::core_killed,
        ),
        net(
            "an_orderly_stop_is_told_to_the_peers",
            processes::orderly_stop,
        ),
        net(
            "what_hactl_sends_hactl_writes_and_then_it_is_delivered",
            messages::hactl_to_hactl,
        ),
        net(
            "a_million_bytes_cross_a_link_that_loses_every_fifth_packet",
            messages::million_bytes,
        ),
        net(
            "messages_outlive_the_cores_that_carry_them",
            messages::cores_killed,
        ),
        net(
            "messages_flow_on_while_both_daemons_are_upgraded",
            messages::upgraded,
        ),
        net("no_beat_is_late_beside_bulk", messages::beats_beside_bulk),
        net(
            "a_message_that_cannot_be_delivered_says_why",
            messages::refused,
        ),
        net(
            "one_key_is_one_message_while_it_waits_too",
            messages::one_key,
        ),
        net("a_cloned_identity_is_shown", identity::clone),
        net("a_wrong_key_is_shown_as_such", identity::wrong_key),
        net(
            "a_wrong_key_of_a_node_never_known_is_shown_too",
            identity::wrong_key_from_the_start,
        ),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn net(name: &str, test: fn() -> Result<(), Error>) -> Trial {
    trial("net", name, &[Root, Namespaces, PacketFilter], test)
}
