//! Replays a flight record of `hbd` (hbd(8), "Flight records") through the pure core.

use std::path::PathBuf;
use std::process::ExitCode;

use hbd_tests::sim::replay::replay;

fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: replay FILE");
        return ExitCode::from(2);
    };
    let record = match std::fs::read(&file) {
        Ok(record) => record,
        Err(error) => {
            eprintln!("replay: {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    };
    match replay(&record) {
        Ok(replayed) => {
            let seconds = replayed
                .span
                .map_or(0, |(first, last)| last.since(first).as_secs());
            println!(
                "as recorded: {} inputs over {seconds} s, {} events, {} states",
                replayed.inputs, replayed.events, replayed.states
            );
            ExitCode::SUCCESS
        }
        Err(difference) => {
            println!("not as recorded: {difference}");
            ExitCode::FAILURE
        }
    }
}
