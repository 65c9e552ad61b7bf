//! Exploration: a seed chooses a cluster and what goes wrong with it; the cluster must keep the
//! rules after each step, and when everything is healed it must settle in bounded time.
//!
//! A run lasts [`RUN`] of virtual time: faults, then [`Faults::heal`] at [`HEAL`], then the wait for
//! rest. What breaks a rule is found again with the same seed, and `--trace` tells its story.

pub mod cluster;
pub mod faults;
pub mod letters;
pub mod managers;
pub mod peek;
pub mod rules;

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hbd_core::Mutant;
use hbd_core::session::office::Notice as ClientNotice;
use shared::time::Moment;

use cluster::Cluster;
use faults::Faults;
use letters::Letters;
use managers::Managers;
use rules::Rules;

use super::Notice;

/// How long a run lasts.
pub const RUN: Duration = Duration::from_secs(600);
/// When everything heals.
pub const HEAL: Duration = Duration::from_secs(470);
/// How many of the last lines of its story a failure shows.
const STORY_MAX: usize = 60;

/// A seed that broke a rule.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// When, on the world's clock.
    pub at: Moment,
    /// Which rule, in words.
    pub broken: String,
    /// What happened last before it, one line each.
    pub story: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.story {
            writeln!(f, "  {line}")?;
        }
        let (seed, broken) = (self.seed, &self.broken);
        write!(
            f,
            "seed {seed} breaks a rule at {}: {broken}",
            clock(self.at)
        )
    }
}

/// What to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// So many nodes; else as the seed wants.
    pub nodes: Option<usize>,
    /// The bug that all cores have.
    pub mutant: Option<Mutant>,
    /// Print the whole story to standard output.
    pub trace: bool,
    /// And every packet that arrives.
    pub packets: bool,
}

/// Runs one seed.
///
/// # Errors
/// The rule that was broken, with its story.
pub fn run(seed: u64, options: Options) -> Result<(), Box<Failure>> {
    let mut cluster = Cluster::of(seed, options.nodes);
    cluster.world.mutant = options.mutant;
    let count = cluster.world.nodes().count();
    let mut run = Run {
        rules: Rules::new(&cluster),
        faults: Faults::new(seed, count),
        letters: Letters::new(seed, &cluster),
        managers: Managers::new(seed, &cluster),
        story: VecDeque::new(),
        options,
        notices: Vec::new(),
    };
    let end = run.play(&mut cluster);
    end.map_err(|broken| {
        Box::new(Failure {
            seed,
            at: cluster.world.now(),
            broken,
            story: run.story.into(),
        })
    })
}

/// Runs `count` seeds from `first` on, on so many threads; the failures found, at most `enough`,
/// and how many seeds were run.
#[must_use]
pub fn run_many(
    first: u64,
    count: u64,
    threads: usize,
    enough: usize,
    options: Options,
) -> (Vec<Failure>, u64) {
    let next = AtomicU64::new(first);
    let last = first.saturating_add(count);
    let failures = std::sync::Mutex::new(Vec::new());
    let ran = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= last {
                        return;
                    }
                    ran.fetch_add(1, Ordering::Relaxed);
                    if let Err(failure) = run(seed, options) {
                        let mut failures = failures.lock().unwrap_or_else(|e| e.into_inner());
                        failures.push(*failure);
                        if failures.len() >= enough {
                            next.store(last, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap_or_else(|e| e.into_inner());
    failures.sort_by_key(|failure| failure.seed);
    (failures, ran.into_inner())
}

/// Looks for a planted bug; the failure that shows it and how many seeds were run until then.
#[must_use]
pub fn hunt(mutant: Mutant, first: u64, seeds: u64, threads: usize) -> Option<(u64, Failure)> {
    let options = Options {
        mutant: Some(mutant),
        ..Options::default()
    };
    let (failures, tried) = run_many(first, seeds, threads, 1, options);
    Some((tried, failures.into_iter().next()?))
}

struct Run {
    rules: Rules,
    faults: Faults,
    letters: Letters,
    managers: Managers,
    story: VecDeque<String>,
    options: Options,
    notices: Vec<Notice>,
}

impl Run {
    fn play(&mut self, cluster: &mut Cluster) -> Result<(), String> {
        self.faults.begin(cluster, &mut self.rules);
        self.play_until(cluster, Moment(0) + HEAL)?;
        self.faults.thaw(cluster);
        self.look(cluster)?;
        self.faults.heal(cluster, &mut self.rules);
        self.letters.rest();
        self.look(cluster)?;
        let rest = Moment(0) + HEAL + self.rules.settles();
        self.play_until(cluster, rest)?;
        self.rules.settled(cluster)?;
        self.play_until(cluster, (Moment(0) + RUN).max(rest))?;
        self.rules.settled(cluster)
    }

    fn play_until(&mut self, cluster: &mut Cluster, end: Moment) -> Result<(), String> {
        loop {
            // Asked anew for each step: what a step shows clients they plan from.
            let clients = self.letters.next().min(self.managers.next());
            let stop = self.faults.next().min(clients).min(end);
            if cluster.world.step(stop) {
                self.look(cluster)?;
                continue;
            }
            if cluster.world.now() >= end {
                return Ok(());
            }
            if self.faults.next() <= cluster.world.now() {
                self.faults.due(cluster, &mut self.rules);
                self.look(cluster)?;
            }
            self.letters.due(cluster, &mut self.rules);
            self.look(cluster)?;
            self.managers.due(cluster, &mut self.rules);
            self.look(cluster)?;
        }
    }

    fn look(&mut self, cluster: &mut Cluster) -> Result<(), String> {
        let mut notices = std::mem::take(&mut self.notices);
        cluster.world.take_notices(&mut notices);
        let mut log = std::mem::take(&mut self.faults.log);
        log.append(&mut self.letters.log);
        for text in log {
            self.tell(cluster, || format!("* {text}"));
        }
        for notice in &notices {
            match notice {
                Notice::Event { node, event, .. } => {
                    let name = cluster.world.machine(*node).name().clone();
                    self.tell(cluster, || format!("{name}: {}", event.text));
                }
                Notice::Client { node, notice } => {
                    let name = cluster.world.machine(*node).name().clone();
                    self.tell(cluster, || format!("{name}: {}", brief(notice)));
                }
                Notice::Heard { node, from, said } => {
                    let name = cluster.world.machine(*node).name().clone();
                    self.tell(cluster, || {
                        format!("{name} heard {from}: {:?}", said.fields)
                    });
                }
                Notice::Transmitted {
                    node,
                    segment,
                    bytes,
                } => self.faults.keep(*node, *segment, bytes),
                Notice::Arrived { node, packet, kept } if self.options.packets => {
                    let name = |node| cluster.world.machine(node).name().clone();
                    let (to, from) = (name(*node), name(packet.from));
                    let read = peek::peek(&packet.bytes);
                    self.tell(cluster, || {
                        format!(
                            "  {from} -> {to}, medium {}, kept {kept}: {read}",
                            packet.medium.0
                        )
                    });
                }
                _ => {}
            }
            self.letters.see(cluster.world.now(), notice);
            self.rules.see(&cluster.world, notice)?;
        }
        self.notices = notices;
        self.rules.each_second(cluster)
    }

    fn tell(&mut self, cluster: &Cluster, line: impl FnOnce() -> String) {
        let line = format!("{} {}", clock(cluster.world.now()), line());
        if self.options.trace {
            println!("{line}");
        }
        if self.story.len() == STORY_MAX {
            self.story.pop_front();
        }
        self.story.push_back(line);
    }
}

/// A notice without the bytes of messages.
fn brief(notice: &ClientNotice) -> String {
    match notice {
        ClientNotice::Message {
            sender,
            delivery,
            message,
            bytes,
            ..
        } => format!(
            "letter {message} of {sender:?}, {delivery:?}, {} bytes",
            bytes.len()
        ),
        other => format!("{other:?}"),
    }
}

pub(crate) fn clock(at: Moment) -> String {
    format!("{:>4}.{:03}", at.0 / 1_000_000_000, at.0 / 1_000_000 % 1000)
}
