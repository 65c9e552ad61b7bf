//! Two nodes at the shortest times that are promised, over datagrams or over frames: a beat every 10 ms, dead after
//! 40 ms. Each run is a minute of an idle machine and a minute with four busy loops. Nobody may be declared dead, beats may not be late, and the core
//! may not wait for a disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hbd_tests::error::Error;
use hbd_tests::wait;
use shared::event::{Event, Kind, LinkStatus, NodeStatus};

use crate::Size;
use crate::cost::Usage;
use crate::figure::{Figure, judge};
use crate::lateness::{Listener, Over, check_arithmetic, quantile};
use crate::pair::{HbdPair, NODES};
use crate::stalls::{Watch, boot_time};

const KEEPALIVE: Duration = Duration::from_millis(10);
const DEADTIME: Duration = Duration::from_millis(40);
const TIMES: &str = "keepalive 10ms\nwarntime 20ms\ndeadtime 40ms\ninitdead 5";
const BUSY_LOOPS: usize = 4;
const LATENESS_MAX: Duration = Duration::from_millis(1);
/// After it a pair does nothing but beat.
const WARM_UP: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_secs(1);

/// What came out of one phase of one run.
#[derive(Default)]
struct Phase {
    /// How late each beat of the first node was, sorted.
    late: Vec<Duration>,
    /// Deaths that either node declared.
    deaths: usize,
    /// Deaths while the whole machine stood still.
    excused: usize,
    /// The longest time for which the whole machine stood still.
    stood_still: Duration,
    major_faults: u64,
}

pub(crate) fn run(size: Size, over: Over) -> Result<(), Error> {
    check_arithmetic()?;
    let (runs, span) = match size {
        Size::Full => (5, Duration::from_secs(60)),
        Size::Small => (1, Duration::from_secs(5)),
    };
    let (mut idle, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let pair = HbdPair::start_over(|_| over.line().to_owned(), TIMES, 1)?;
        wait::stays_true_each(LOOK, WARM_UP, "the pair settles", || Ok(true))?;
        idle.push(phase(&pair, over, span)?);
        let load = Load::start(BUSY_LOOPS);
        let outcome = phase(&pair, over, span);
        drop(load);
        busy.push(outcome?);
    }
    let mut figures = Vec::new();
    for (name, phases) in [("idle", &idle), ("four busy loops", &busy)] {
        let name = format!("{}, {name}", over.line());
        figures.extend(figures_of(&name, phases, span));
    }
    let faults: u64 = idle
        .iter()
        .chain(&busy)
        .map(|phase| phase.major_faults)
        .sum();
    figures.push(Figure {
        what: format!(
            "major page faults of both cores after warm-up, {}, all runs",
            over.line()
        ),
        promised: "0".into(),
        measured: faults.to_string(),
        held: Some(faults == 0),
    });
    judge(&figures, size)
}

fn phase(pair: &HbdPair, over: Over, span: Duration) -> Result<Phase, Error> {
    let cores = [pair.nodes[0].core()?.pid, pair.nodes[1].core()?.pid];
    let before = Usage::of(&cores)?;
    let begin = boot_time();
    let watch = Watch::start();
    let listener = Listener::start(&pair.network.machines[2], over, NODES[0])?;
    wait::stays_true_each(span, span, "two nodes beat", || Ok(true))?;
    let late = listener.finish(KEEPALIVE)?;
    let stalls = watch.finish()?;
    let mut outcome = Phase {
        late,
        stood_still: stalls
            .iter()
            .map(|(from, to)| *to - *from)
            .max()
            .unwrap_or_default(),
        major_faults: (Usage::of(&cores)? - before).major_faults,
        ..Phase::default()
    };
    for node in &pair.nodes {
        let events = node.events()?;
        for at in events.iter().filter(|event| is_death(event)).map(boot) {
            let near = |(from, to): &(Duration, Duration)| *from <= at && at <= *to + DEADTIME;
            match at < begin {
                true => {}
                false if stalls.iter().any(near) => outcome.excused += 1,
                false => outcome.deaths += 1,
            }
        }
    }
    Ok(outcome)
}

fn boot(event: &Event) -> Duration {
    Duration::from_nanos(event.boot.0)
}

/// A node or a link was declared dead. Nothing here ever dies.
fn is_death(event: &Event) -> bool {
    matches!(
        event.kind,
        Kind::NodeStatus {
            to: NodeStatus::Dead,
            ..
        } | Kind::LinkStatus {
            to: LinkStatus::Dead,
            ..
        }
    )
}

fn figures_of(name: &str, phases: &[Phase], span: Duration) -> [Figure; 2] {
    let runs = phases.len();
    let deaths: usize = phases.iter().map(|phase| phase.deaths).sum();
    let excused: usize = phases.iter().map(|phase| phase.excused).sum();
    let still = phases.iter().map(|phase| phase.stood_still).max();
    let each = |per_mille: usize| -> Vec<Duration> {
        let mut all: Vec<_> = phases
            .iter()
            .map(|phase| quantile(&phase.late, per_mille))
            .collect();
        all.sort_unstable();
        all
    };
    let (middle, high) = (each(500), each(990));
    let worst = phases.iter().filter_map(|phase| phase.late.last()).max();
    let beats: usize = phases.iter().map(|phase| phase.late.len()).sum();
    [
        Figure {
            what: format!(
                "false deaths, 10 ms / 40 ms, {name}, {runs} x {} s",
                span.as_secs()
            ),
            promised: "0 in 5 runs".into(),
            measured: format!(
                "{deaths}, and {excused} while the whole machine stood still (for {:.0?} at most)",
                still.unwrap_or_default()
            ),
            held: Some(deaths == 0),
        },
        Figure {
            what: format!("lateness of beats on the wire, 10 ms, {name}, {beats} beats"),
            promised: "p99 below 1 ms".into(),
            measured: format!(
                "p50 {:.0?}; p99 {:.0?} (best run {:.0?}, worst {:.0?}); worst beat {:.1?}",
                quantile(&middle, 500),
                quantile(&high, 500),
                high.first().copied().unwrap_or_default(),
                high.last().copied().unwrap_or_default(),
                worst.copied().unwrap_or_default()
            ),
            held: Some(beats > 0 && quantile(&high, 500) < LATENESS_MAX),
        },
    ]
}

/// Threads that do nothing as fast as they can, until dropped.
struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(count: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..count).map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        });
        Self {
            threads: threads.collect(),
            stop,
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
