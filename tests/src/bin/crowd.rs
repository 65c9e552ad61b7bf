//! `crowd N`: the story of [`hbd_tests::sim::crowd`] with N nodes, and what it cost, as one line of JSON.
//!
//! A program of its own, so that its memory is that of the story and of nothing else.

use std::process::ExitCode;

use hbd_tests::sim::crowd::play;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

fn main() -> ExitCode {
    let count = std::env::args().nth(1).and_then(|word| word.parse().ok());
    let Some(nodes) = count.filter(|&nodes| nodes >= 2) else {
        eprintln!("usage: crowd N   (N nodes, at least 2)");
        return ExitCode::from(2);
    };
    let story = match play(nodes) {
        Ok(story) => story,
        Err(wrong) => {
            eprintln!("crowd of {nodes}: {wrong}");
            return ExitCode::FAILURE;
        }
    };
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return ExitCode::FAILURE;
    };
    let processor_us =
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    let told = serde_json::json!({
        "nodes": nodes,
        "booted_s": story.booted.as_secs_f64(),
        "lost_s": story.lost.as_secs_f64(),
        "healed_s": story.healed.as_secs_f64(),
        "span_s": story.span.as_secs_f64(),
        "packets": story.packets,
        "processor_s": processor_us as f64 / 1e6,
        "memory_kib": usage.max_rss(),
    });
    println!("{told}");
    ExitCode::SUCCESS
}
