//! The promised figures, measured.
//!
//! Tier ci shows on small sizes that each measurement still measures; a loaded machine proves nothing about speed, so
//! nothing is judged there but that something came out. `HBD_TIER=long` with a release build takes the figures, judges
//! them, and prints lines for `tests/RESULTS.md`. The machine must be otherwise idle. The short ones take 35
//! minutes together:
//!
//! ```text
//! cargo build --release --workspace
//! HBD_TIER=long cargo test --release -p hbd-tests --test bench -- short
//! ```

mod cost;
mod deadlines;
mod failover;
mod figure;
mod idle;
mod lateness;
mod many;
mod media;
mod pair;
mod simulated;
mod stalls;
mod wire;

use std::process::ExitCode;

use hbd_tests::error::Error;
use hbd_tests::precondition::Precondition::{self, Heartbeat, Keepalived, Lab, Namespaces, Root};
use hbd_tests::precondition::trial;
use hbd_tests::tier::Tier;
use lateness::Over;
use libtest_mimic::{Arguments, Trial};

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    /// Enough to see that it works.
    Small,
    /// What was promised; judged.
    Full,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Measurements would measure each other.
    arguments.test_threads = Some(1);
    let size = match Tier::of_this_run() {
        Tier::Quick => {
            eprintln!("bench: nothing at tier quick; HBD_TIER=ci shows that it runs");
            None
        }
        Tier::Ci => Some(Size::Small),
        Tier::Long if cfg!(debug_assertions) => {
            eprintln!("bench: small sizes, not judged; figures need cargo test --release");
            Some(Size::Small)
        }
        Tier::Long => Some(Size::Full),
    };
    let trials = size.map_or_else(Vec::new, trials);
    if !arguments.list && size == Some(Size::Full) {
        figure::print_heading();
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials(size: Size) -> Vec<Trial> {
    let all_three = [Root, Namespaces, Heartbeat, Keepalived];
    vec![
        bench("short::messages_a_second", &[], move || wire::run(size)),
        bench("short::an_idle_node", &all_three, move || idle::run(size)),
        bench("short::ten_milliseconds", &[Root, Namespaces], move || {
            deadlines::run(size, Over::Datagrams)
        }),
        bench(
            "short::ten_milliseconds_in_frames",
            &[Root, Namespaces],
            move || deadlines::run(size, Over::Frames),
        ),
        bench("short::latency_of_media", &[Root, Namespaces], move || {
            media::latency(size)
        }),
        bench("short::cost_of_media", &[Root, Namespaces], move || {
            media::cost(size)
        }),
        bench(
            "ten_minutes::failover_beside_keepalived",
            &[Root, Namespaces, Keepalived, Lab],
            move || failover::run(size),
        ),
        bench("ten_minutes::a_thousand_simulated_nodes", &[], move || {
            simulated::run(size)
        }),
        bench("ten_minutes::many_nodes", &[Root, Namespaces], move || {
            many::run(size)
        }),
    ]
}

fn bench(
    name: &str,
    needs: &[Precondition],
    measure: impl FnOnce() -> Result<(), Error> + Send + 'static,
) -> Trial {
    trial("bench", name, needs, measure)
}
