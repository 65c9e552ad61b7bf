//! The null modem emulator, as unmodified programs see it: `port.c` does to a port what it is told, hbd does what it
//! does, and `hadiag` says what is plugged in.

mod faults;
mod hadiag;
mod port;
mod stories;
mod table;

use std::process::ExitCode;

use hbd_tests::error::Error;
use hbd_tests::precondition::Precondition::{self, Compiler, Namespaces, Root};
use hbd_tests::precondition::trial;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let trials = vec![
        emulated("each_kind_of_cable_shows_its_lines", table::lines),
        emulated("each_kind_of_cable_carries_its_bytes", table::bytes),
        emulated("a_cut_wire_takes_what_it_leads_to", stories::cut),
        emulated("a_stuck_input_follows_nobody", stories::stuck),
        emulated("a_pulled_plug_lowers_everything", stories::pulled),
        emulated("a_change_ends_the_wait_for_it", stories::wait),
        emulated("a_pulse_is_two_changes", stories::pulse),
        emulated("another_speed_garbles", stories::speed),
        emulated("noise_garbles_some", stories::noise),
        emulated("flow_control_holds_a_sender_back", stories::blocked),
        emulated("who_does_not_read_holds_the_other_back", stories::unread),
        emulated("the_last_copy_closed_lowers_the_lines", stories::closed),
        emulated("an_adapter_vanishes_and_returns", stories::vanished),
        diagnosed(
            "hadiag_names_each_kind_of_cable_to_an_open_port",
            hadiag::open_peer,
        ),
        diagnosed(
            "hadiag_names_each_kind_of_cable_to_a_closed_port",
            hadiag::closed_peer,
        ),
        diagnosed("hadiag_leaves_a_port_alone_that_is_in_use", hadiag::used),
        diagnosed(
            "hadiag_tells_what_flow_control_holds_back",
            hadiag::held_back,
        ),
        diagnosed("hadiag_counts_mangled_bytes", hadiag::mangled),
        diagnosed("hadiag_finds_a_login_at_the_other_end", hadiag::login),
        diagnosed("hadiag_puts_back_what_it_changed", hadiag::restored),
        diagnosed("hadiag_misses_an_adapter", hadiag::gone),
        diagnosed("hadiag_ends_in_time", hadiag::out_of_time),
        with(
            "hadiag_names_the_broken_wire_of_a_line_between_two_nodes",
            &[Compiler, Root, Namespaces],
            faults::each,
        ),
        with(
            "hadiag_silences_nobody_to_test_the_only_path",
            &[Compiler, Root, Namespaces],
            faults::alone,
        ),
        with(
            "lines_that_a_test_lowered_are_raised_again_and_are_no_news",
            &[Compiler, Root, Namespaces],
            faults::forsaken,
        ),
        with(
            "hbd_and_its_workers_see_the_lines",
            &[Compiler, Root, Namespaces],
            stories::hbd,
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn emulated(name: &str, test: fn() -> Result<(), Error>) -> Trial {
    with(name, &[Compiler], test)
}

/// Who has a port open only root can see.
fn diagnosed(name: &str, test: fn() -> Result<(), Error>) -> Trial {
    with(name, &[Compiler, Root], test)
}

fn with(name: &str, needs: &[Precondition], test: fn() -> Result<(), Error>) -> Trial {
    trial("null_modem", name, needs, test)
}
