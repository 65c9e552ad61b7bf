//! Real hbd daemons on virtual machines: what needs a kernel, a serial driver, a power switch or a watchdog of its own.
//!
//! ```text
//!          alice ---- eth0: lan ---- bob
//!          alice ---- eth1: beat --- bob
//!          alice --- ttyS1: cable -- bob     a null modem cable between two 16550A
//! ```
//!
//! The machines are emulated, so they are slow: beats twice a second, and promises are allowed more time. What a
//! pseudo-terminal can show is shown in `tests/null-modem` and `tests/net`.

mod lab;
mod pair;
mod paths;
mod serial;
mod watchdog;

use std::process::ExitCode;

use hbd_tests::error::Error;
use hbd_tests::precondition::Precondition::{Compiler, Machines};
use hbd_tests::precondition::trial;
use hbd_tests::tier::Tier;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Two machines keep two processors busy.
    arguments.test_threads = Some(1);
    let trials = if Tier::of_this_run() < Tier::Long {
        eprintln!("vm: nothing below tier long; HBD_TIER=long runs it");
        Vec::new()
    } else {
        vec![
            vm("a_cable_alone_carries_beats_and_messages", serial::alone),
            vm("the_modem_lines_of_a_driver_are_told_at_once", serial::told),
            vm("a_cut_cable_holds_nobody_up", serial::unsent),
            vm(
                "nobody_dies_until_the_last_of_three_media_is_cut",
                paths::jeopardy,
            ),
            vm("losses_kill_nobody", paths::lossy),
            vm("the_software_watchdog_resets_the_machine", || {
                watchdog::resets(watchdog::SOFTWARE)
            }),
            vm("a_watchdog_card_resets_the_machine", || {
                watchdog::resets(watchdog::CARD)
            }),
            vm(
                "a_watchdog_card_resets_a_kernel_that_hangs",
                watchdog::panicked,
            ),
        ]
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn vm(name: &str, test: fn() -> Result<(), Error>) -> Trial {
    trial("vm", name, &[Machines, Compiler], test)
}
