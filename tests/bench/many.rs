//! Many nodes on one machine, each in a network namespace of its own: all must agree, and for ten minutes nothing may
//! happen. Longer than by any other measurement the machine is busy with beats: each reaches every other node.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hbd_tests::daemon::Daemon;
use hbd_tests::error::{Error, unexpected};
use hbd_tests::scratch::Scratch;
use hbd_tests::wait;
use shared::event::{Event, Kind, NodeStatus};

use crate::Size;
use crate::cost::{Usage, pss};
use crate::figure::{Figure, judge};
use crate::pair::{DATAGRAMS, Network, configure};
use crate::stalls::boot_time;

const TIMES: &str = "keepalive 1\nwarntime 5\ndeadtime 10\ninitdead 60";
/// Longest time until all agree.
const BOOT: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_secs(1);
/// After agreement a cluster does nothing but beat.
const SETTLING: Duration = Duration::from_secs(10);
/// Daemons that are started at once.
const AT_ONCE: usize = 8;

pub(crate) fn run(size: Size) -> Result<(), Error> {
    let (count, span) = match size {
        Size::Full => (64, Duration::from_secs(600)),
        Size::Small => (6, Duration::from_secs(5)),
    };
    let names: Vec<String> = (1..=count).map(|number| format!("node{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let config = Scratch::new()?;
    configure(config.path(), TIMES, DATAGRAMS, &names)?;
    let network = Network::new(count)?;
    let mut nodes = names
        .iter()
        .zip(&network.machines)
        .map(|(name, machine)| Daemon::new(name, machine, config.path()))
        .collect::<Result<Vec<_>, _>>()?;
    start(&mut nodes)?;
    wait::until_true(BOOT, "all nodes are active to all", || agreed(&nodes))?;
    wait::stays_true_each(LOOK, SETTLING, "the cluster settles", || Ok(true))?;

    let begin = boot_time();
    let pids = pids(&network)?;
    let before = Usage::of(&pids)?;
    wait::stays_true_each(span, span, "nothing happens", || Ok(true))?;
    let used = Usage::of(&pids)? - before;
    let memory = pss(&pids)?;

    let (news, stalls) = news(&nodes, begin)?;
    let agree = agreed(&nodes)?;
    let minutes = span.as_secs_f64() / 60.0;
    let each = count as f64;
    judge(
        &[
            Figure {
                what: format!("{count} nodes, keepalive 1 s, {} s", span.as_secs()),
                promised: "all agree, no false event".into(),
                measured: match (news.first(), agree) {
                    (None, true) => format!("all agree, no event but {stalls} of own stalls"),
                    (None, false) => "they do not agree".into(),
                    (Some(first), _) => format!("{} events, the first: {first}", news.len()),
                },
                held: Some(agree && news.is_empty()),
            },
            Figure::stated(
                format!("each of {count} nodes: processor time in 60 s"),
                format!("{:.2} s", used.processor.as_secs_f64() / minutes / each),
            ),
            Figure::stated(
                format!("each of {count} nodes: memory (PSS)"),
                format!("{:.1} MiB", memory as f64 / 1024.0 / each),
            ),
        ],
        size,
    )
}

/// All of them, some at once.
fn start(nodes: &mut [Daemon]) -> Result<(), Error> {
    for batch in nodes.chunks_mut(AT_ONCE) {
        thread::scope(|scope| {
            let starts: Vec<_> = batch
                .iter_mut()
                .map(|node| scope.spawn(|| node.start()))
                .collect();
            starts.into_iter().try_for_each(|start| {
                start
                    .join()
                    .unwrap_or_else(|_| unexpected("a start ended early"))
            })
        })?;
    }
    Ok(())
}

fn agreed(nodes: &[Daemon]) -> Result<bool, Error> {
    for node in nodes {
        let view = node.view()?;
        let active = view.nodes.iter();
        let active = active.filter(|(_, node)| node.status == NodeStatus::Active);
        if active.count() != nodes.len() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What happened since then: everything but own stalls, which are counted.
fn news(nodes: &[Daemon], begin: Duration) -> Result<(Vec<String>, usize), Error> {
    let mut news = Vec::new();
    let mut stalls = 0;
    for node in nodes {
        let events: Vec<Event> = node.events()?;
        let since = |event: &&Event| Duration::from_nanos(event.boot.0) >= begin;
        for event in events.iter().filter(since) {
            match event.kind {
                Kind::OwnStall { .. } => stalls += 1,
                _ => news.push(format!("{}: {}", event.id.node, event.text)),
            }
        }
    }
    Ok((news, stalls))
}

fn pids(network: &Network) -> Result<Vec<i32>, Error> {
    let machines: &[Arc<_>] = &network.machines;
    let mut all = Vec::new();
    for machine in machines {
        all.extend(machine.pids()?);
    }
    Ok(all)
}
