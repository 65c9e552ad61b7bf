//! Scenarios: a text that orders what happens, and the events that must follow.
//!
//! A file of `tests/scenarios/` is orders, a line of dashes, and what is seen while they are played:
//! events as `NODE: TEXT`, what a node believes (`look`), packets (`show packets`). `tests/README.md`
//! tells how to write one. The same text gives the same result for ever: all dice of its world come
//! from one fixed seed.

pub mod order;
pub mod parse;
pub mod puppet;
pub mod stage;

pub use parse::{DASHES, ScenarioError, Script, parse};

/// Plays a scenario and gives what is seen.
///
/// # Errors
/// The line that cannot be played, and why.
pub fn play(script: &Script) -> Result<String, ScenarioError> {
    let mut stage = stage::Stage::default();
    for line in &script.lines {
        stage.play(&line.order).map_err(|text| ScenarioError {
            line: line.number,
            text,
        })?;
    }
    Ok(stage.into_text())
}
