//! What a node costs that has nothing to do, beside keepalived and Heartbeat, all at the same time.
//!
//! One link, a beat every 100 ms, sha1 (keepalived signs nothing). Memory is measured after each second node is gone:
//! two nodes of one program on one machine share its code, and so each would seem smaller than it is alone.

use std::time::Duration;

use hbd_tests::error::{Error, unexpected};
use hbd_tests::wait;

use crate::Size;
use crate::cost::{Usage, pss};
use crate::figure::{Figure, judge};
use crate::pair::{HbdPair, HeartbeatPair, KeepalivedPair, Pair};

const TIMES: &str = "keepalive 100ms\nwarntime 300ms\ndeadtime 500ms\ninitdead 10";
/// After it a pair does nothing but beat.
const SETTLING: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(1);

const MINUTE: f64 = 60.0;
const PROCESSOR_SECONDS: f64 = 0.10;
const MEMORY_KIB: u64 = 9 * 1024;
const MEMORY_AIM_KIB: u64 = 6 * 1024;

pub(crate) fn run(size: Size) -> Result<(), Error> {
    let span = Duration::from_secs(match size {
        Size::Full => 60,
        Size::Small => 5,
    });
    let mut pairs: Vec<(&str, Box<dyn Pair>)> = vec![
        ("hbd", Box::new(HbdPair::start(TIMES, 0)?)),
        ("Heartbeat", Box::new(HeartbeatPair::start(TIMES)?)),
        ("keepalived", Box::new(KeepalivedPair::start()?)),
    ];
    wait::stays_true_each(LOOK, SETTLING, "the pairs settle", || Ok(true))?;
    let pids = pids(&pairs)?;
    let before = usages(&pids)?;
    wait::stays_true_each(span, span, "the nodes idle", || Ok(true))?;
    let after = usages(&pids)?;
    for (_, pair) in &mut pairs {
        pair.lose_second()?;
    }
    let mut figures = Vec::new();
    for (place, (name, _)) in pairs.iter().enumerate() {
        let used = after[place] - before[place];
        let memory = pss(&pids[place])?;
        figures.extend(described(name, &pids[place], used, memory, span));
    }
    judge(&figures, size)
}

fn described(name: &str, pids: &[i32], used: Usage, memory: u64, span: Duration) -> [Figure; 3] {
    let minutes = span.as_secs_f64() / MINUTE;
    let seconds = used.processor.as_secs_f64() / minutes;
    let wakeups = used.wakeups as f64 / span.as_secs_f64();
    let promised = |promise: String, holds: bool| match name {
        "hbd" => (promise, Some(holds)),
        _ => ("-".to_owned(), None),
    };
    let idle = format!("idle {name}, {} processes", pids.len());
    let (cost, cost_held) = promised(
        format!("at most {PROCESSOR_SECONDS:.2} s"),
        seconds <= PROCESSOR_SECONDS,
    );
    let (room, room_held) = promised(
        format!(
            "at most {} MiB, aim {}",
            MEMORY_KIB / 1024,
            MEMORY_AIM_KIB / 1024
        ),
        memory <= MEMORY_KIB,
    );
    [
        Figure {
            what: format!("{idle}: processor time in 60 s"),
            promised: cost,
            measured: format!("{seconds:.3} s"),
            held: cost_held,
        },
        Figure {
            what: format!("{idle}: memory (PSS)"),
            promised: room,
            measured: format!("{:.1} MiB", memory as f64 / 1024.0),
            held: room_held,
        },
        Figure::stated(
            format!("{idle}: wake-ups"),
            format!("{wakeups:.1} a second"),
        ),
    ]
}

fn pids(pairs: &[(&str, Box<dyn Pair>)]) -> Result<Vec<Vec<i32>>, Error> {
    let mut all = Vec::new();
    for (name, pair) in pairs {
        let pids = pair.pids()?;
        if pids.is_empty() {
            return unexpected(format!("no process of {name} runs"));
        }
        all.push(pids);
    }
    Ok(all)
}

fn usages(pids: &[Vec<i32>]) -> Result<Vec<Usage>, Error> {
    pids.iter().map(|pids| Usage::of(pids)).collect()
}
