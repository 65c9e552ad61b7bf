//! `hactl wait-for`: ends when something is so, for scripts.
//!
//! It listens to the stream and looks at each state that follows from it; where the daemon ends or
//! does not answer, it tries again until the time is over. An event counts if it happened after the
//! call began, also while nobody was connected.

mod condition;

use std::io::Write;
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, Command};
use shared::client::{Client, Update};
use shared::event::Event;
use shared::exit::Exit;
use shared::time::Moment;

use crate::cli::{self, Call, Example, Verb};
use crate::completing;
use crate::error::Error;
use crate::live::{self, Live};
use crate::verbs::again;
pub(crate) use condition::words;
use condition::{Condition, Judgement};

pub(crate) const NAME: &str = "wait-for";

pub(crate) const VERB: Verb = Verb {
    name: NAME,
    about: "Waits until something is so, and says by its exit code whether it came about",
    text: "\
CONDITION is one of: up (hbd answers); communication-up (every node was heard or counts as dead);
settled (this node is active, every other node active or dead, no link returning); node NODE STATUS,
with a status of hactl nodes; link NODE/MEDIUM STATUS, with a status of hactl links; group GROUP
started, or group GROUP on NODE (it is started there, and is on no other node); event KIND
[NODE] (an event of that kind happens after the call, of that node if one is given; it is shown).
What is so already is not waited for, but for events. Goes on waiting while hbd does not run or
starts again. Ends with 0 when it is so, 6 if it was not within --timeout, which here is the whole
time, 2 if there is no such condition, and 4 if the cluster has no such node, link or group.",
    examples: &[
        Example {
            line: "systemctl start hbd && hactl wait-for settled --timeout 2m",
            about: "until the cluster is as it will be",
        },
        Example {
            line: "hactl wait-for node bob dead --timeout 30s && echo alone",
            about: "until bob is declared dead",
        },
        Example {
            line: "hactl wait-for link bob/eth1 up",
            about: "until a repaired link carries packets",
        },
        Example {
            line: "hactl wait-for group web started --timeout 3m",
            about: "until somebody holds a group",
        },
        Example {
            line: "hactl wait-for event partition-healed",
            about: "until it happens",
        },
    ],
    arguments,
    run,
};

/// Time between two attempts to reach a daemon that does not answer.
const RETRY: Duration = Duration::from_millis(100);
/// So long may one attempt take: a daemon that is stopped may be replaced meanwhile.
const ATTEMPT: Duration = Duration::from_secs(2);
/// More events than a daemon keeps.
const ALL_KEPT: usize = 1_000_000;

fn arguments(command: Command) -> Command {
    command
        .arg(
            Arg::new("condition")
                .value_name("CONDITION")
                .required(true)
                .action(ArgAction::Append)
                .num_args(1..)
                .add(completing::condition())
                .help("What is to be so, in one to four words"),
        )
        .arg(cli::timeout(
            "60s",
            "How long to wait at most: 500ms, 30s, 5m",
        ))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let condition = Condition::parse(&call.words("condition").unwrap_or_default())?;
    let mut wait = Wait {
        condition,
        began: live::boot(),
        end: Instant::now() + call.limit,
        missing: None,
    };
    loop {
        match wait.attempt(call) {
            Ok(Some(event)) => return reached(event.as_deref()),
            Ok(None) => {}
            Err(Error::Client(error)) if again::passes(&error) => {
                wait.missing = Some(error.to_string());
            }
            Err(error) => return Err(error),
        }
        let left = wait.left();
        if left.is_zero() {
            return Err(wait.over(call.limit));
        }
        std::thread::sleep(left.min(RETRY));
    }
}

fn reached(event: Option<&Event>) -> Result<Exit, Error> {
    if let Some(event) = event {
        let mut out = super::output();
        writeln!(out, "{} {}", event.wall, crate::print::clean(&event.text))?;
        out.flush()?;
    }
    Ok(Exit::Done)
}

struct Wait {
    condition: Condition,
    /// Events from here on count.
    began: Moment,
    end: Instant,
    /// What was in the way last.
    missing: Option<String>,
}

impl Wait {
    fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Listens until it is so (then with the event, where that was waited for), or until the time is
    /// over.
    fn attempt(&mut self, call: &Call) -> Result<Option<Option<Box<Event>>>, Error> {
        let limit = self.left().min(ATTEMPT);
        let client = Client::connect(&call.socket, limit)?;
        if matches!(self.condition, Condition::Up) {
            return Ok(Some(None));
        }
        let mut stream = client.subscribe(ALL_KEPT)?;
        let mut live = Live::default();
        while let Some(update) = stream.wait(Some(self.left()))? {
            if let Update::Event(event) = &update
                && event.boot >= self.began
                && self.condition.is_met_by(event)
            {
                return Ok(Some(Some(event.clone())));
            }
            live.take(update);
            let Some(snapshot) = live.snapshot() else {
                continue;
            };
            match self.condition.judge(snapshot)? {
                Judgement::Holds => return Ok(Some(None)),
                Judgement::Lacks(what) => self.missing = Some(what),
            }
        }
        Ok(None)
    }

    fn over(self, limit: Duration) -> Error {
        Error::NotReached {
            condition: self.condition.to_string(),
            limit,
            missing: self.missing,
        }
    }
}
