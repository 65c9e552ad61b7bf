//! The media beside each other: how long a message takes over each, and what each costs a node.

use std::thread;
use std::time::Duration;

use hbd_tests::daemon::Daemon;
use hbd_tests::error::{Error, unexpected};
use hbd_tests::null_modem::NullModem;
use hbd_tests::scratch::Scratch;
use hbd_tests::wait;
use shared::api::SendMessage;
use shared::client::{Client, ClientError, Incoming};
use shared::event::LinkStatus;
use shared::names::{ClientName, NodeName};
use shared::session::Payload;

use crate::Size;
use crate::cost::Usage;
use crate::figure::{Figure, judge};
use crate::lateness::quantile;
use crate::pair::{DATAGRAMS, HbdPair, NODES, Pair};
use crate::stalls::boot_time;

const TIMES: &str = "keepalive 100ms\nwarntime 300ms\ndeadtime 1\ninitdead 10";
const FRAMES: &str = "ether eth0";
const BAUD: u32 = 115_200;
const PATIENCE: Duration = Duration::from_secs(30);
/// After it a pair does nothing but beat.
const SETTLING: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(1);

/// A pair, and the cable between its serial ports, which is made before and outlives it.
struct Subject {
    pair: HbdPair,
    _modem: NullModem,
    _ports: Scratch,
}

impl Subject {
    /// Over `lines`, in which `SERIAL` stands for a serial line.
    fn start(lines: &str) -> Result<Self, Error> {
        let ports = Scratch::new()?;
        let modem = NullModem::new(ports.path())?;
        let media = |place: usize| {
            let serial = format!("baud {BAUD}\nserial {}", modem.port(place).display());
            let peer = format!("ucast eth0 10.9.0.{}", NODES.len() - place);
            lines.replace("SERIAL", &serial).replace("UCAST", &peer)
        };
        let pair = HbdPair::start_over(media, TIMES, 0)?;
        for node in &pair.nodes {
            wait::until_true(PATIENCE, "every medium leads to the peer", || {
                let view = node.view()?;
                let links = view.nodes.values().flat_map(|node| &node.links);
                let up = links.filter(|(_, link)| link.status == LinkStatus::Up);
                Ok(up.count() == lines.lines().count())
            })?;
        }
        Ok(Self {
            pair,
            _modem: modem,
            _ports: ports,
        })
    }
}

/// A message of 64 bytes from a client of one node to a client of the other, one after the other: from the call of the
/// one to its arrival at the other, through both cores.
pub(crate) fn latency(size: Size) -> Result<(), Error> {
    let (runs, messages) = match size {
        Size::Full => (5, 1_000),
        Size::Small => (1, 20),
    };
    let media = [
        ("bcast", DATAGRAMS),
        ("mcast", "mcast eth0 239.0.0.42 694 1 0"),
        ("ucast", "UCAST"),
        ("ether", FRAMES),
        ("serial, 115,200 bits a second", "SERIAL"),
    ];
    let mut figures = Vec::new();
    for (name, lines) in media {
        let subject = Subject::start(lines)?;
        let mut each = Vec::new();
        for _ in 0..runs {
            each.push(took(&subject.pair.nodes, messages)?);
        }
        let of = |per_mille| spread(each.iter().map(|took| quantile(took, per_mille)).collect());
        figures.push(Figure::stated(
            format!("latency of a message over {name}, {runs} x {messages}"),
            format!("p50 {}; p99 {}", of(500), of(990)),
        ));
    }
    judge(&figures, size)
}

/// How long each of so many messages took, sorted.
fn took(nodes: &[Daemon], messages: usize) -> Result<Vec<Duration>, Error> {
    let said = |error: ClientError| Error::Unexpected(error.to_string());
    let name = || ClientName::new("clock").expect("a name");
    let client = Client::connect(&nodes[1].socket(), PATIENCE).map_err(said)?;
    let mut listener = client.listen(name()).map_err(said)?;
    let mut sender = Client::connect(&nodes[0].socket(), PATIENCE).map_err(said)?;
    let listening = thread::spawn(move || {
        let mut took = Vec::new();
        while took.len() < messages {
            if let Some(Incoming::Message(message)) = listener.wait(None)? {
                let now = boot_time();
                let sent: Option<[u8; 16]> =
                    message.data.0.get(..16).and_then(|b| b.try_into().ok());
                let sent = u128::from_be_bytes(sent.unwrap_or_default());
                took.push(now.as_nanos().saturating_sub(sent));
                listener.acknowledge(message.delivery)?;
            }
        }
        Ok::<_, ClientError>(took)
    });
    let send = |sender: &mut Client| {
        let mut data = boot_time().as_nanos().to_be_bytes().to_vec();
        data.resize(64, 0);
        let message = SendMessage {
            node: NodeName::new(NODES[1]).expect("a name"),
            to: name(),
            from: None,
            class: None,
            data: Payload(data),
        };
        sender.send(message, None)
    };
    // Until the other core knows the listener there is nobody to take it.
    wait::until_true(PATIENCE, "a message is taken", || {
        Ok(send(&mut sender).is_ok())
    })?;
    for _ in 1..messages {
        send(&mut sender).map_err(said)?;
    }
    match listening.join() {
        Ok(took) => {
            let took = took.map_err(said)?.into_iter();
            let nanos = took.map(|nanos| u64::try_from(nanos).unwrap_or(u64::MAX));
            let mut took: Vec<_> = nanos.map(Duration::from_nanos).collect();
            took.sort_unstable();
            Ok(took)
        }
        Err(_) => unexpected("the listener panicked"),
    }
}

/// What a node costs that has nothing to do, a beat every 100 ms, sha1, by its media; all pairs at the same time.
pub(crate) fn cost(size: Size) -> Result<(), Error> {
    let (runs, span) = match size {
        Size::Full => (5, Duration::from_secs(60)),
        Size::Small => (1, Duration::from_secs(3)),
    };
    let one = Subject::start(DATAGRAMS)?;
    let others = [
        ("ether", FRAMES.to_owned()),
        ("serial", "SERIAL".to_owned()),
        ("bcast and ether", format!("{DATAGRAMS}\n{FRAMES}")),
        ("bcast and serial", format!("{DATAGRAMS}\nSERIAL")),
    ];
    let others: Vec<_> = others
        .iter()
        .map(|(name, lines)| Ok((*name, Subject::start(lines)?)))
        .collect::<Result<_, Error>>()?;
    let all = Subject::start(&format!("{DATAGRAMS}\n{FRAMES}\nSERIAL"))?;
    let named = others.iter().map(|(name, subject)| (*name, subject));
    let subjects: Vec<_> = [("bcast", &one)]
        .into_iter()
        .chain(named)
        .chain([("bcast, ether and serial", &all)])
        .collect();
    wait::stays_true_each(LOOK, SETTLING, "the pairs settle", || Ok(true))?;
    let mut each = vec![Vec::new(); subjects.len()];
    for _ in 0..runs {
        let before = usages(&subjects)?;
        wait::stays_true_each(span, span, "the nodes idle", || Ok(true))?;
        let after = usages(&subjects)?;
        for (used, (after, before)) in each.iter_mut().zip(after.into_iter().zip(before)) {
            let used_now = after.processor.saturating_sub(before.processor);
            used.push(used_now.mul_f64(MINUTE / span.as_secs_f64()));
        }
    }
    let medians: Vec<_> = each.iter().map(|used| median(used.clone())).collect();
    let (first, last) = (medians[0], medians[medians.len() - 1]);
    let mut figures: Vec<_> = subjects
        .iter()
        .zip(&each)
        .map(|((name, _), used)| {
            Figure::stated(
                format!(
                    "idle over {name}: processor time in 60 s, {runs} x {} s",
                    span.as_secs()
                ),
                spread(used.clone()),
            )
        })
        .collect();
    figures.push(Figure {
        what: "three media against bcast alone".into(),
        promised: "at most 3 times".into(),
        measured: format!(
            "{:.2} times: {:.0?} more in 60 s",
            last.as_secs_f64() / first.as_secs_f64(),
            last.saturating_sub(first)
        ),
        held: Some(last <= first * 3),
    });
    judge(&figures, size)
}

const MINUTE: f64 = 60.0;

fn usages(subjects: &[(&str, &Subject)]) -> Result<Vec<Usage>, Error> {
    subjects
        .iter()
        .map(|(_, subject)| Usage::of(&subject.pair.pids()?))
        .collect()
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    quantile(&values, 500)
}

/// The median, and from the least to the most.
fn spread(mut values: Vec<Duration>) -> String {
    values.sort_unstable();
    match &values[..] {
        [] => "nothing".to_owned(),
        [only] => format!("{only:.1?}"),
        [least, .., most] => format!("{:.1?} ({least:.1?} - {most:.1?})", quantile(&values, 500)),
    }
}
