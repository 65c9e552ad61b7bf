//! What is run to switch another node off, or to see whether the device that can do it works, and
//! what came of it.
//!
//! ```text
//! FenceMethod, node, Task --> Errand --Command--> shim --Report--> Errand --Command--> ... --> Outcome
//! ```
//!
//! A wrong "it is off" makes two owners, so a node is off only if its device says so in a way that
//! cannot be taken for anything else; whatever else happens is a failure, and is tried again by
//! whoever asked. It is switched off and not restarted: of a node that boots nobody can say whether
//! it was off before.

mod agent;
mod stonith;

use shared::config::{FenceMethod, Secret};
use shared::group::Outcome;
use shared::names::NodeName;

use crate::command::{Command, PATH, variables};
use crate::report::Report;
use crate::verdict::{exit_status, with_last_line};

/// What is wanted of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// That it switches the node off.
    Off,
    /// That it says whether it works.
    Check,
}

/// A task under way: which command comes next follows from how the last one ended.
#[derive(Clone, Debug)]
pub struct Errand {
    method: FenceMethod,
    node: NodeName,
    call: Call,
}

/// A command, or what all came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To be run, and its report handed to [`Errand::after`].
    Run(Command),
    /// That is all.
    Ended(Outcome),
}

/// What a device is asked. Which of these it knows depends on its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// Switch it off.
    Off,
    /// Switch it off and on: for what cannot leave it off.
    Reset,
    /// Is it off?
    Status,
    /// What can you do?
    Abilities,
    /// Do you work?
    Check,
}

/// What the end of a call leads to.
enum Verdict {
    Done,
    Ask(Call),
    Failed(String),
}

impl Errand {
    /// For this device and node.
    #[must_use]
    pub fn new(method: &FenceMethod, node: &NodeName, task: Task) -> Self {
        Self {
            method: method.clone(),
            node: node.clone(),
            call: match task {
                Task::Off => Call::Off,
                Task::Check => Call::Check,
            },
        }
    }

    /// What comes first.
    #[must_use]
    pub fn begin(&self) -> Step {
        let (arguments, input) = match &self.method {
            FenceMethod::Agent { settings, .. } => {
                (Vec::new(), agent::input(self.call, &self.node, settings))
            }
            FenceMethod::Stonith { kind, parameters } => {
                stonith::words(self.call, &self.node, kind, parameters)
            }
            FenceMethod::Manual => return only_an_operator(),
        };
        let Some(program) = self.method.program() else {
            return only_an_operator();
        };
        Step::Run(Command {
            program,
            arguments,
            environment: variables([("PATH", PATH.into()), ("HOME", "/".into())]),
            input: Some(Secret::new(input)),
        })
    }

    /// What comes after a command that ended so.
    #[must_use]
    pub fn after(&mut self, report: &Report) -> Step {
        let verdict = match (exit_status(report), &self.method) {
            (Err(why), _) => Verdict::Failed(why),
            (Ok(status), FenceMethod::Agent { .. }) => agent::verdict(self.call, status, report),
            (Ok(status), _) => stonith::verdict(self.call, status),
        };
        match verdict {
            Verdict::Done => Step::Ended(Outcome::Done),
            Verdict::Ask(call) => {
                self.call = call;
                self.begin()
            }
            Verdict::Failed(why) => {
                let why = with_last_line(format!("{}: {why}", self.call.word()), report);
                let why = self.without_secrets(why);
                Step::Ended(Outcome::Failed { why })
            }
        }
    }

    /// A device may say what it was told.
    fn without_secrets(&self, mut text: String) -> String {
        let secrets = match &self.method {
            FenceMethod::Agent { settings, .. } => agent::secrets(settings),
            FenceMethod::Stonith { parameters, .. } => stonith::secrets(parameters, &self.node),
            FenceMethod::Manual => Vec::new(),
        };
        for secret in secrets.iter().filter(|secret| secret.len() >= SECRET_MIN) {
            text = text.replace(secret, "***");
        }
        text
    }
}

fn only_an_operator() -> Step {
    let why = "only an operator can say that it is off".to_owned();
    Step::Ended(Outcome::Failed { why })
}

/// Shorter ones are found everywhere, and hide nothing.
const SECRET_MIN: usize = 3;

impl Call {
    fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Reset => "reset",
            Self::Status => "status",
            Self::Abilities => "metadata",
            Self::Check => "check",
        }
    }
}

#[cfg(test)]
mod tests;
