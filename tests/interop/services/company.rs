//! Two nodes with a service each, and who looks at them.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hbd_tests::error::{Error, file};
use hbd_tests::namespaces::{Cable, Fault, Namespace, Switch};
use hbd_tests::null_modem::{Line, NullModem};
use hbd_tests::observer::Observer;
use hbd_tests::observer::record::At;
use hbd_tests::scratch::{self, Scratch};
use hbd_tests::wait;

use super::node::{Node, node};
use super::tour::Act;
use crate::peer::Kind;

/// Which of the two nodes; also which of the two services: that of the node's line.
pub(crate) type Seat = usize;
pub(crate) const ALICE: Seat = 0;
pub(crate) const BOB: Seat = 1;

pub(crate) const NAMES: [&str; 2] = ["alice", "bob"];
pub(crate) const ADDRESSES: [&str; 2] = ["10.9.0.1", "10.9.0.2"];
pub(crate) const SERVICES: [Ipv4Addr; 2] =
    [Ipv4Addr::new(10, 9, 0, 50), Ipv4Addr::new(10, 9, 0, 51)];
/// What is pinged, where a tour asks for that.
const PINGED: [&str; 2] = ["10.9.0.100", "10.9.0.101"];
/// What that is called in the configuration.
const PING_NODES: [&str; 2] = ["10.9.0.100", "hosts"];
pub(crate) const GROUPS: [&str; 2] = ["10.9.0.50/24/eth0", "10.9.0.51/24/eth0"];
/// An address for each node.
pub(crate) const PLAIN: &str = "alice 10.9.0.50/24/eth0\nbob 10.9.0.51/24/eth0\n";
/// And something that can be [spoilt](Act::Spoil).
pub(crate) const BRITTLE: &str =
    "alice 10.9.0.50/24/eth0 Brittle::a\nbob 10.9.0.51/24/eth0 Brittle::b\n";
/// Runs as long as its file is there, and does not do what is written into another one, or stops in its time.
const SCRIPT: &str = "#!/bin/sh
action=$2 runs=/var/log/runs/$1
mkdir -p /var/log/runs
case \"$action $(cat /var/log/spoilt 2>/dev/null)\" in
\"stop slow\") sleep 3 ;;
\"$action $action\") exit 1 ;;
esac
case $action in
start) : >\"$runs\" ;;
stop) rm -f \"$runs\" ;;
status) if [ -e \"$runs\" ]; then echo running; else echo not running; fi ;;
esac
";
const SPOILT: &str = "spoilt";
/// What `hb-node` has in place of `reboot` writes it.
const REBOOTED: &str = "rebooted";
/// Gone when the machine loses power.
const RUNS: &str = "runs";
/// As below.
pub(crate) const KEEPALIVE: Duration = Duration::from_millis(500);
const TIMES: &str = "keepalive 500ms\nwarntime 2\ndeadtime 4\ninitdead 8\n";

/// Longest wait for a quiet point: two Heartbeats that restart themselves take that.
const LIMIT: Duration = Duration::from_secs(60);
/// Many times what a core waits before it asks for what was lost.
const ASKED_AGAIN: Duration = Duration::from_secs(1);
/// A quiet point is where nothing has changed for so long, and all is as it should be.
pub(crate) const QUIET: Duration = Duration::from_secs(3);
/// The same where nobody knows how it should be: a Heartbeat tries some things again after 5 s.
pub(crate) const LONG_QUIET: Duration = Duration::from_secs(8);

/// What a Heartbeat logs of what it cannot read in a stream: its FIFO, a serial line.
pub(crate) const GARBLED: &str = "NV failure (msgfromsteam)";

/// Who holds each service.
pub(crate) type Holders = [Option<Seat>; 2];

/// What is to be seen of a pair. Equal at a quiet point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) holders: Holders,
    /// What each node that is up says that it holds.
    pub(crate) says: [Option<String>; 2],
    /// What it says of the other node: `active`, `dead`.
    pub(crate) other: [Option<String>; 2],
    /// What it says of each ping node, if there are any.
    pub(crate) pinged: [Option<[String; 2]>; 2],
}

impl Sight {
    /// What the nodes that are up say that they hold is what they hold.
    pub(crate) fn is_said(&self) -> bool {
        let held = held(self.holders);
        let mut said = self.says.iter().zip(&held);
        said.all(|(says, held)| says.as_ref().is_none_or(|says| says == held))
    }
}

/// Who holds what, in the words of `cl_status rscstatus` on each node.
fn held(holders: Holders) -> [String; 2] {
    [ALICE, BOB].map(|seat| {
        let holds = |service: Seat| holders[service] == Some(seat);
        let word = match (holds(seat), holds(1 - seat)) {
            (true, true) => "all",
            (true, false) => "local",
            (false, true) => "foreign",
            (false, false) => "none",
        };
        word.to_owned()
    })
}

/// What is between the two nodes.
enum Between {
    /// A switch, with the client on it, too.
    Network,
    /// A null modem cable. The client hears both, and neither hears the other.
    SerialLine { modem: NullModem, _ports: Scratch },
}

impl Between {
    /// The line of `ha.cf` for it.
    fn medium(&self, seat: Seat) -> String {
        match self {
            Self::Network => String::from("bcast eth0\n"),
            Self::SerialLine { modem, .. } => {
                format!("baud {BAUD}\nserial {}\n", modem.port(seat).display())
            }
        }
    }
}

const BAUD: &str = "19200";

/// Fields are dropped in this order: nodes before the networks they live in.
pub(crate) struct Pair {
    nodes: [Box<dyn Node>; 2],
    kinds: [Kind; 2],
    is_up: [bool; 2],
    observer: Observer,
    networks: [Arc<Namespace>; 2],
    cables: [Cable; 2],
    client: Namespace,
    /// The configuration names ping nodes.
    pings: bool,
    switch: Switch,
    between: Between,
    _config: Scratch,
}

impl Pair {
    pub(crate) fn new(settings: &str, haresources: &str, kinds: [Kind; 2]) -> Result<Self, Error> {
        Self::with(Between::Network, settings, haresources, kinds)
    }

    /// A pair with nothing but a serial line between its nodes.
    pub(crate) fn on_a_serial_line(
        settings: &str,
        haresources: &str,
        kinds: [Kind; 2],
    ) -> Result<Self, Error> {
        let ports = Scratch::new()?;
        let modem = NullModem::new(ports.path())?;
        let line = Between::SerialLine {
            modem,
            _ports: ports,
        };
        let pair = Self::with(line, settings, haresources, kinds)?;
        pair.cables.iter().try_for_each(Cable::keep_apart)?;
        Ok(pair)
    }

    fn with(
        between: Between,
        settings: &str,
        haresources: &str,
        kinds: [Kind; 2],
    ) -> Result<Self, Error> {
        let (switch, config, client) = (Switch::new()?, Scratch::new()?, Namespace::new()?);
        switch.plug(&client, "eth0", &["10.9.0.9/24"])?;
        let pings = settings.contains("ping ");
        if pings {
            for host in PINGED {
                let address = format!("{host}/24");
                client.ip(&["addr", "add", &address, "dev", "eth0"])?;
            }
        }
        let networks = [Arc::new(Namespace::new()?), Arc::new(Namespace::new()?)];
        let plug = |seat: Seat| {
            switch.plug(
                &networks[seat],
                "eth0",
                &[&format!("{}/24", ADDRESSES[seat])],
            )
        };
        let cables = [plug(ALICE)?, plug(BOB)?];
        for (seat, name) in NAMES.iter().enumerate() {
            let ha_cf = format!(
                "logfile /var/log/ha-log\nlogfacility none\nrealtime off\n{TIMES}{settings}{}node {}\n",
                between.medium(seat),
                NAMES.join(" ")
            );
            let directory = config.directory(name)?;
            scratch::write(&directory.join("ha.cf"), &ha_cf)?;
            scratch::write(&directory.join("haresources"), haresources)?;
            let scripts = config.directory(&format!("{name}/resource.d"))?;
            scratch::write_script(&scripts.join("Brittle"), SCRIPT)?;
            let keys = directory.join("authkeys");
            scratch::write_secret(&keys, "auth 1\n1 sha1 shared-secret-of-two\n")?;
        }
        let services = SERVICES.map(IpAddr::V4);
        let seat = |seat: Seat| {
            let directory = config.path().join(NAMES[seat]);
            node(kinds[seat], seat, &networks[seat], &directory)
        };
        Ok(Self {
            nodes: [seat(ALICE)?, seat(BOB)?],
            kinds,
            is_up: [false; 2],
            observer: Observer::new(&client, [&networks[0], &networks[1]], &services)?,
            networks,
            cables,
            client,
            pings,
            switch,
            between,
            _config: config,
        })
    }

    /// Does it.
    pub(crate) fn act(&mut self, act: Act) -> Result<(), Error> {
        match act {
            Act::Start(seat) => {
                self.is_up[seat] = true;
                self.nodes[seat].start()
            }
            Act::Stop(seat) => {
                self.is_up[seat] = false;
                self.nodes[seat].stop(LIMIT)
            }
            Act::Crash(seat) => {
                self.is_up[seat] = false;
                self.nodes[seat].crash()?;
                let runs = self.nodes[seat].var_log()?.join(RUNS);
                file(
                    format!("empty {}", runs.display()),
                    fs::remove_dir_all(&runs).or_else(|reason| match reason.kind() {
                        ErrorKind::NotFound => Ok(()),
                        _ => Err(reason),
                    }),
                )
            }
            Act::Restart(seat) => self.nodes[seat].restart(),
            Act::Standby(seat, which) => self.nodes[seat].standby(which),
            Act::Takeover(seat, which) => self.nodes[seat].takeover(which),
            Act::StartBoth => {
                self.is_up = [true; 2];
                self.both(|node| node.start())
            }
            Act::StopBoth => {
                self.is_up = [false; 2];
                self.both(|node| node.stop(LIMIT))
            }
            Act::Freeze(seat, span) => {
                self.nodes[seat].freeze()?;
                let frozen = wait::stays_true(span, "the time of a freeze", || Ok(true));
                self.nodes[seat].thaw()?;
                frozen
            }
            Act::Cut => match &self.between {
                Between::Network => self.switch.set_faults(&[
                    Fault::cut(&self.cables[ALICE], &self.cables[BOB]),
                    Fault::cut(&self.cables[BOB], &self.cables[ALICE]),
                ]),
                Between::SerialLine { modem, .. } => {
                    modem.set(Line::Cut);
                    Ok(())
                }
            },
            Act::Reboots(seat) => {
                let mark = self.nodes[seat].var_log()?.join(REBOOTED);
                let what = format!("{} has its machine booted", NAMES[seat]);
                wait::until_true(LIMIT, &what, || Ok(mark.exists()))?;
                self.act(Act::Crash(seat))
            }
            Act::Join => match &self.between {
                Between::Network => self.switch.set_faults(&[]),
                Between::SerialLine { modem, .. } => {
                    modem.set(Line::Whole);
                    Ok(())
                }
            },
            Act::Weather(lost) => self.switch.set_faults(&[
                Fault::loss(&self.cables[ALICE], &self.cables[BOB], lost),
                Fault::loss(&self.cables[BOB], &self.cables[ALICE], lost),
            ]),
            Act::Spoil(seat, what) => {
                scratch::write(&self.nodes[seat].var_log()?.join(SPOILT), what)
            }
            Act::Mend(seat) => {
                let path = self.nodes[seat].var_log()?.join(SPOILT);
                file(format!("remove {}", path.display()), fs::remove_file(&path))?;
                self.nodes[seat].clean_up()
            }
            Act::ReplaceManager(seat) => {
                let other = 1 - seat;
                let what = format!("{} is in a standby", NAMES[other]);
                wait::until_true(LIMIT, &what, || {
                    Ok(self.nodes[seat].says()?[other].as_deref() == Some("transition"))
                })?;
                self.nodes[seat].replace_manager()
            }
            Act::LosesAnswer(seat, which) => {
                let other = 1 - seat;
                let unheard = Fault::cut(&self.cables[other], &self.cables[seat]);
                self.switch.set_faults(&[unheard])?;
                self.act(Act::Standby(seat, which))?;
                let what = format!("{} takes what is offered", NAMES[other]);
                wait::until_true(LIMIT, &what, || {
                    Ok(self.nodes[other].says()?[other].as_deref() == Some("transition"))
                })?;
                self.nodes[seat].deafen_manager()?;
                self.switch.set_faults(&[])?;
                // The core asks for what was lost several times meanwhile.
                wait::stays_true(ASKED_AGAIN, "the time in which it is sent again", || {
                    Ok(true)
                })?;
                self.nodes[seat].replace_manager()
            }
            Act::Tell(seat, words) => self.nodes[seat].tell(words),
            Act::Unanswered(seat) => self.answer(seat, "add"),
            Act::Answered(seat) => self.answer(seat, "del"),
            Act::HostDies => self.host(0, "del"),
            Act::HostReturns => self.host(0, "add"),
        }
    }

    /// From now on the first host that is pinged answers a node, or does not.
    fn answer(&self, seat: Seat, verb: &str) -> Result<(), Error> {
        let path = ["from", PINGED[0], "to", ADDRESSES[seat]];
        let words = [&["rule", verb], &path[..], &["blackhole"]].concat();
        self.client.ip(&words).map(drop)
    }

    /// A host that is pinged comes, or goes.
    fn host(&self, host: usize, verb: &str) -> Result<(), Error> {
        let address = format!("{}/24", PINGED[host]);
        let words = ["addr", verb, &address, "dev", "eth0"];
        self.client.ip(&words).map(drop)
    }

    fn both(
        &mut self,
        what: impl Fn(&mut Box<dyn Node>) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        thread::scope(|scope| {
            let threads = self.nodes.each_mut().map(|node| scope.spawn(|| what(node)));
            let done = threads.map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
            });
            done.into_iter().collect()
        })
    }

    pub(crate) fn now(&self) -> At {
        self.observer.now()
    }

    /// Who has each service: of two who have it both neither.
    fn holders(&self) -> Result<Holders, Error> {
        let mut had = [[false; 2]; 2];
        for (seat, network) in self.networks.iter().enumerate() {
            let addresses = network.ip(&["-o", "-4", "addr", "show", "dev", "eth0"])?;
            for service in [ALICE, BOB] {
                had[service][seat] = addresses.contains(&format!(" {}/", SERVICES[service]));
            }
        }
        Ok(had.map(|had| match had {
            [true, false] => Some(ALICE),
            [false, true] => Some(BOB),
            _ => None,
        }))
    }

    /// What is to be seen now.
    pub(crate) fn look(&self) -> Result<Sight, Error> {
        let holders = self.holders()?;
        let (mut says, mut other) = ([None, None], [None, None]);
        let mut pinged = [None, None];
        for seat in [ALICE, BOB] {
            if self.is_up[seat] {
                says[seat].clone_from(&self.nodes[seat].says()?[seat]);
                other[seat] = Some(self.nodes[seat].status(NAMES[1 - seat])?);
                if self.pings {
                    let status = |host: &str| self.nodes[seat].status(host);
                    pinged[seat] = Some([status(PING_NODES[0])?, status(PING_NODES[1])?]);
                }
            }
        }
        Ok(Sight {
            holders,
            says,
            other,
            pinged,
        })
    }

    /// What an hbd node says of both nodes is as it says: in the words of who holds what.
    pub(crate) fn agrees(&self, holders: Holders) -> Result<bool, Error> {
        let held = held(holders).map(Some);
        for seat in [ALICE, BOB] {
            if self.is_up[seat] && matches!(self.kinds[seat], Kind::Hbd) {
                let says = self.nodes[seat].says()?;
                if says != held {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Waits until all is as wanted and has not changed for a while.
    pub(crate) fn quiet(
        &self,
        what: &str,
        span: Duration,
        is_wanted: impl Fn(&Sight) -> Result<bool, Error>,
    ) -> Result<Sight, Error> {
        let mut last = (self.look()?, Instant::now());
        wait::until(LIMIT, &format!("{what}: a quiet point"), || {
            let sight = self.look()?;
            if sight != last.0 || !is_wanted(&sight)? {
                last = (sight, Instant::now());
            }
            Ok((last.1.elapsed() >= span).then(|| last.0.clone()))
        })
        .map_err(|error| Error::Unexpected(format!("{error}\nlast: {:?}\n{}", last.0, self.logs())))
    }

    /// The longest gap in the answers of a service from one moment to another.
    pub(crate) fn gap(&self, service: Seat, from: At, to: At) -> Result<Duration, Error> {
        let record = self.observer.record()?;
        Ok(record.gap(IpAddr::V4(SERVICES[service]), from, to).length)
    }

    /// Demands that no service was on both nodes for longer than that.
    pub(crate) fn two_for(&self, limit: Duration, from: At, to: At) -> Result<(), Error> {
        let record = self.observer.record()?;
        for service in SERVICES {
            let demanded = record.demand_overlap(IpAddr::V4(service), from, to, limit);
            demanded.map_err(|error| Error::Unexpected(format!("{error}\n{}", self.logs())))?;
        }
        Ok(())
    }

    /// How often each Heartbeat has lost what its own scripts wrote into its FIFO: on a busy machine two of them write
    /// at once now and then, and it takes neither.
    pub(crate) fn garbled(&self) -> Result<[usize; 2], Error> {
        let count = |seat: Seat| {
            let lost = |log: String| log.matches(GARBLED).count();
            self.nodes[seat].log().map(lost)
        };
        Ok([count(ALICE)?, count(BOB)?])
    }

    /// A Heartbeat that is up alone has lost such a thing since: it may not take what it should, and no hbd has
    /// anything to do with that.
    pub(crate) fn begins_in_vain(&self, before: [usize; 2]) -> Result<Option<Seat>, Error> {
        let seat = match self.is_up {
            [true, false] => ALICE,
            [false, true] => BOB,
            _ => return Ok(None),
        };
        let lost = self.garbled()?[seat] > before[seat];
        Ok((lost && matches!(self.kinds[seat], Kind::Heartbeat)).then_some(seat))
    }

    pub(crate) fn kind(&self, seat: Seat) -> Kind {
        self.kinds[seat]
    }

    pub(crate) fn log(&self, seat: Seat) -> Result<String, Error> {
        self.nodes[seat].log()
    }

    fn logs(&self) -> String {
        let log = |seat: Seat| {
            let log = self.nodes[seat].log().unwrap_or_default();
            let lines: Vec<&str> = log.lines().rev().take(60).collect();
            let lines: Vec<&str> = lines.into_iter().rev().collect();
            format!("--- {}\n{}\n", NAMES[seat], lines.join("\n"))
        };
        log(ALICE) + &log(BOB)
    }
}
