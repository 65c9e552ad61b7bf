//! Devices of the program `stonith` of cluster-glue.
//!
//! It has no question whether a node is off: one that was switched off is off. A device that cannot
//! do that resets the node, which is what Heartbeat 3.0.6 asks for; it may say so by the status for
//! an invalid request, or, where it is a script of its own, only fail.

use shared::config::StonithParameters;
use shared::names::NodeName;

use super::{Call, Verdict};
use crate::verdict::exited;

/// The device does not know the request.
const INVALID: i32 = 3;
/// It did not work; scripts that do not know the request end like this, too.
const NOT_DONE: i32 = 5;

/// The arguments, and what is read on standard input. The program takes parameters from a file, so
/// they need not stand on a command line for all to see.
pub(super) fn words(
    call: Call,
    node: &NodeName,
    kind: &str,
    parameters: &StonithParameters,
) -> (Vec<String>, Vec<u8>) {
    let (file, input) = match parameters {
        StonithParameters::File(file) => (file.display().to_string(), Vec::new()),
        StonithParameters::Words(words) => {
            ("/dev/stdin".to_owned(), [words.bytes(), b"\n"].concat())
        }
    };
    let mut arguments = vec!["-t".to_owned(), kind.to_owned(), "-F".to_owned(), file];
    match call {
        Call::Check | Call::Status | Call::Abilities => arguments.push("-S".to_owned()),
        Call::Off | Call::Reset => {
            let request = call.word().to_owned();
            arguments.extend(["-T".to_owned(), request, node.as_str().to_owned()]);
        }
    }
    (arguments, input)
}

pub(super) fn verdict(call: Call, status: i32) -> Verdict {
    let meaning = match (call, status) {
        (_, 0) => return Verdict::Done,
        (Call::Off, INVALID | NOT_DONE) => return Verdict::Ask(Call::Reset),
        (_, 1) => "bad parameters",
        (_, 2) => "no access to the device",
        (_, INVALID) => "the device does not know the request",
        (_, 4) => "the device does not know the node",
        (_, NOT_DONE) => "the device did not do it",
        (_, 6) => "the device did not answer in time",
        (_, 7) => "the outlet is off",
        (_, 8) => "something unexpected",
        _ => return Verdict::Failed(exited(status, None)),
    };
    Verdict::Failed(exited(status, Some(meaning)))
}

/// What must not be repeated.
pub(super) fn secrets(parameters: &StonithParameters, node: &NodeName) -> Vec<String> {
    let StonithParameters::Words(words) = parameters else {
        return Vec::new();
    };
    let words = String::from_utf8_lossy(words.bytes()).into_owned();
    let words = words
        .split_whitespace()
        .filter(|word| *word != node.as_str());
    words.map(str::to_owned).collect()
}
