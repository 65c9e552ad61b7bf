//! kill -9 of core and supervisor, again and again.
//!
//! Most kills come at random moments, at least a second apart; some when it is worst: while bob joins, while messages
//! are lost and sent again, right after he has declared alice dead. A seed chooses, and a failure names it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use hbd_tests::daemon::Daemon;
use hbd_tests::error::{Error, unexpected};
use hbd_tests::sim::{Random, seed};
use hbd_tests::tier::Tier;
use hbd_tests::wait;
use nix::sys::signal::Signal::SIGKILL;
use shared::client::Client;
use shared::event::{EventId, Incarnation, NodeStatus};

use crate::pair::{ALICE, BOOT, Pair, SOON, Watcher, demand};

/// Kills, by tier.
const KILLS_CI: usize = 20;
const KILLS_LONG: usize = 100;
/// Every so many of them one comes at a worst moment.
const WORST_EVERY: usize = 4;
/// Time between two kills.
const APART: [Duration; 2] = [Duration::from_millis(1000), Duration::from_millis(2500)];
/// hactl is to be answered within this after a supervisor's death; promised of a release build.
const ANSWERED: Duration = Duration::from_millis(200);
/// How much longer that may take at tier ci: another build, and other tests beside it.
const BUSY: u32 = 5;
/// Packets lost while messages are sent again, of 100.
const LOSS_PERCENT: u8 = 20;
/// How long a join may go on before it is disturbed.
const JOIN: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(3)];

#[derive(Debug, Clone, Copy)]
enum Worst {
    Join,
    Loss,
    PeerDied,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Core,
    Supervisor,
    Both,
}

struct Hammer {
    pair: Pair,
    random: Random,
    /// The numbers seen of each life of a process.
    seen: BTreeMap<Incarnation, BTreeSet<u64>>,
    /// Deaths that alice saw because bob left in order.
    deaths: usize,
    /// How long they took.
    answers: Vec<Duration>,
}

pub(crate) fn play(watcher: Watcher) -> Result<(), Error> {
    let seed = seed();
    let tier = Tier::of_this_run();
    let kills = if tier == Tier::Long {
        KILLS_LONG
    } else {
        KILLS_CI
    };
    let pair = Pair::running(watcher)?;
    let mut hammer = Hammer {
        pair,
        random: Random::new(seed),
        seen: BTreeMap::new(),
        deaths: 0,
        answers: Vec::new(),
    };
    let played = hammer.play(kills);
    played.map_err(|error| {
        let error = Error::Unexpected(format!("HBD_SEED={seed}: {error}"));
        hammer.pair.with_logs(&error)
    })?;
    hammer.answers.sort_unstable();
    let answers = &hammer.answers;
    println!(
        "{watcher:?}: {kills} times; answers after a supervisor's death: {}, median {:?}, slowest {:?}",
        answers.len(),
        answers.get(answers.len() / 2),
        answers.last()
    );
    Ok(())
}

/// Waits until hactl is answered by whoever knows the node. It is to be at once, after the death of a supervisor.
pub(crate) fn answered(node: &Daemon) -> Result<Duration, Error> {
    let begin = Instant::now();
    let limit = match Tier::of_this_run() {
        Tier::Long => ANSWERED,
        _ => ANSWERED * BUSY,
    };
    let socket = node.socket();
    let taken = wait::until(SOON, "hactl is answered", || {
        let answer = Client::connect(&socket, SOON).and_then(|mut c| c.snapshot());
        let known = answer.is_ok_and(|snapshot| snapshot.view.started.is_some());
        Ok(known.then(|| begin.elapsed()))
    })?;
    if taken <= limit {
        return Ok(taken);
    }
    unexpected(format!(
        "hactl was answered after {taken:?}, promised within {limit:?}"
    ))
}

impl Hammer {
    fn play(&mut self, kills: usize) -> Result<(), Error> {
        let worst = [Worst::Loss, Worst::Join, Worst::PeerDied];
        for kill in 0..kills {
            let pause = self.random.span(APART[0], APART[1]);
            wait::stays_true(pause, "alice sees no death", || self.no_death())?;
            match kill % WORST_EVERY {
                0 => self.at_worst(worst[kill / WORST_EVERY % worst.len()])?,
                _ => self.kill()?,
            }
        }
        self.pair.lose(0)?;
        self.pair.both_active()?;
        self.look()?;
        demand(self.no_death()?, "alice never took bob for dead")?;
        self.no_gap()?;
        self.pair.bob.terminate(SOON)
    }

    /// Kills somebody, and waits until hbd is as it was.
    fn kill(&mut self) -> Result<(), Error> {
        let victims = [Victim::Core, Victim::Supervisor, Victim::Both];
        let victim = *self.random.pick(&victims);
        self.look()?;
        let supervisor = self.pair.bob.supervisor_pid()?;
        if victim != Victim::Supervisor {
            self.core_is_there()?;
            self.pair.bob.signal("core", SIGKILL)?;
        }
        if victim != Victim::Core {
            self.pair.bob.signal("supervisor", SIGKILL)?;
            self.answered(supervisor)?;
        }
        self.look()
    }

    fn core_is_there(&self) -> Result<(), Error> {
        wait::until_true(SOON, "bob has a core", || Ok(self.pair.bob.core().is_ok()))
    }

    /// Another supervisor answers in time, and knows the node.
    fn answered(&mut self, former: i32) -> Result<(), Error> {
        self.answers.push(answered(&self.pair.bob)?);
        demand(
            self.pair.bob.supervisor_pid()? != former,
            "that is another supervisor",
        )
    }

    fn at_worst(&mut self, moment: Worst) -> Result<(), Error> {
        match moment {
            Worst::Loss => {
                self.pair.lose(LOSS_PERCENT)?;
                self.kill()?;
                let pause = self.random.span(APART[0], APART[1]);
                wait::stays_true(pause, "alice sees no death", || self.no_death())?;
                self.kill()?;
                self.pair.lose(0)
            }
            Worst::Join => {
                self.pair.both_active()?;
                self.look()?;
                self.pair.bob.terminate(SOON)?;
                self.pair.alice_sees("dead")?;
                self.deaths = self.pair.deaths()?;
                self.pair.bob.start_beside()?;
                let pause = self.random.span(JOIN[0], JOIN[1]);
                wait::stays_true(pause, "alice sees no death", || self.no_death())?;
                self.kill()?;
                self.pair.both_active()
            }
            Worst::PeerDied => {
                self.pair.both_active()?;
                self.pair.crash_alice()?;
                wait::until_true(BOOT, "bob says that alice is dead", || {
                    Ok(self.pair.bob.status_of(ALICE)? == Some(NodeStatus::Dead))
                })?;
                self.kill()?;
                self.pair.start_alice()?;
                self.pair.both_active()?;
                self.deaths = self.pair.deaths()?;
                Ok(())
            }
        }
    }

    fn no_death(&self) -> Result<bool, Error> {
        Ok(self.pair.deaths()? <= self.deaths)
    }

    /// Notes the events that bob knows.
    fn look(&mut self) -> Result<(), Error> {
        let mut events = Vec::new();
        wait::until_true(SOON, "bob tells his events", || {
            // A supervisor may be on its way.
            let Ok(told) = self.pair.bob.events() else {
                return Ok(false);
            };
            events = told;
            Ok(true)
        })?;
        for event in events {
            let EventId {
                incarnation,
                counter,
                ..
            } = event.id;
            self.seen.entry(incarnation).or_default().insert(counter);
        }
        Ok(())
    }

    /// Each life counts its events from 1, and none is missing.
    fn no_gap(&self) -> Result<(), Error> {
        for (incarnation, counters) in &self.seen {
            let missing: Vec<u64> = (1..)
                .zip(counters)
                .find(|(expected, counter)| expected != *counter)
                .map(|(expected, _)| expected)
                .into_iter()
                .collect();
            if !missing.is_empty() {
                return unexpected(format!("event {missing:?} of {incarnation:?} is missing"));
            }
        }
        demand(self.seen.len() > 2, "many lives were seen")
    }
}
