//! What a real node makes known about its peer: lines of its log and answers of its `cl_status`, freed of all that
//! differs between two runs.

use std::collections::BTreeSet;

use hbd_tests::error::Error;
use hbd_tests::heartbeat::HeartbeatNode;
use hbd_tests::heartbeat_log::normal_line;

use crate::scenario::{OBSERVER, PEER};

/// The questions put to `cl_status` after each scenario in which the observer is up.
const QUESTIONS: [&[&str]; 6] = [
    &["hbstatus"],
    &["listnodes"],
    &["nodestatus", PEER],
    &["nodetype", PEER],
    &["listhblinks", PEER],
    &["hblinkstatus", PEER, "eth0"],
];

const ROLES: [(&str, &str); 2] = [(OBSERVER, "OBSERVER"), (PEER, "PEER")];

/// Lines in which Heartbeat speaks of its own scheduling on a busy machine, not of any peer.
const OF_ITSELF: [&str; 4] = ["Gmain_", "G_main_", "G_SIG_", "G_CH_"];

/// The observations of one scenario.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observed {
    /// Normalised log lines.
    pub(crate) lines: BTreeSet<String>,
    /// Normalised questions with their answers.
    pub(crate) answers: BTreeSet<String>,
}

impl Observed {
    /// Takes in a piece of the observer's log.
    pub(crate) fn log(&mut self, text: &str) {
        let lines = text
            .lines()
            .map(|line| normal_line(line, &ROLES))
            .filter(|line| !line.is_empty());
        self.lines
            .extend(lines.filter(|line| !OF_ITSELF.iter().any(|word| line.contains(word))));
    }

    /// Puts the questions.
    pub(crate) fn ask(&mut self, observer: &HeartbeatNode) -> Result<(), Error> {
        for question in QUESTIONS {
            let answer = observer.ask(&[&["cl_status"], question].concat())?;
            let mut words: Vec<_> = answer.split_whitespace().collect();
            words.sort_unstable();
            let line = format!("cl_status {}: {}", question.join(" "), words.join(" "));
            self.answers.insert(normal_line(&line, &ROLES));
        }
        Ok(())
    }
}
