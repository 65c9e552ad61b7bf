//! Two nodes, a client that asks for what they serve, and one who looks.
//!
//! ```text
//!  alice 10.9.0.1, fd09::1 --+
//!  bob   10.9.0.2, fd09::2 --+-- switch, whose cables can be cut
//!  client 10.9.0.9, fd09::9 -+
//! ```
//!
//! Alice is the preferred node of the group `web`, an address of IPv4 and one of IPv6; bob that of `base`.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hbd_tests::daemon::{Daemon, HARMLESS};
use hbd_tests::error::{Error, unexpected};
use hbd_tests::namespaces::{Cable, Fault, Namespace, Switch};
use hbd_tests::scratch::{self, Scratch};
use hbd_tests::tier::Tier;
use hbd_tests::wait;
use serde_json::Value;
use shared::api::{Reload, Request};
use shared::client::{Client, REPLY_LIMIT};
use shared::event::{Event, Kind, NodeKind, NodeStatus};
use shared::group::{GroupName, GroupReason, GroupState};
use shared::names::NodeName;
use shared::order::{Choice, GroupOrder, GroupVerb};
use shared::view::GroupView;

use hbd_tests::observer::packets::Hardware;
use hbd_tests::observer::record::{At, Record};
use hbd_tests::observer::{self, Observer};

pub(crate) const ALICE: usize = 0;
pub(crate) const BOB: usize = 1;
pub(crate) const NODES: [&str; 2] = ["alice", "bob"];

/// Alice's group.
pub(crate) const WEB: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 50));
pub(crate) const WEB6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 0x50));
pub(crate) const WEB_GROUP: &str = "10.9.0.50/24/eth0";
/// Bob's.
pub(crate) const BASE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 51));
pub(crate) const BASE_GROUP: &str = "10.9.0.51/24/eth0";
/// All of them.
pub(crate) const SERVICES: [IpAddr; 3] = [WEB, WEB6, BASE];
pub(crate) const HARESOURCES: &str = "alice 10.9.0.50/24/eth0 IPv6addr::fd09::50/64/eth0 Dummy::web\n\
     bob 10.9.0.51/24/eth0 Dummy::base\n";

pub(crate) const KEEPALIVE: Duration = Duration::from_millis(200);
pub(crate) const DEADTIME: Duration = Duration::from_secs(2);
pub(crate) const INITDEAD: Duration = Duration::from_secs(5);
pub(crate) const LEASE: Duration = Duration::from_secs(5);
const TIMES: &str = "keepalive 200ms\nwarntime 1\ndeadtime 2\ninitdead 5\naddrlease 5\n";
const KEY: &str = "auth 1\n1 sha1 takeover-key\n";
/// Longest wait for what no promise bounds.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// What is promised beside deadtime or lease.
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// A move in order, start and stop of addresses included.
pub(crate) const MOVE_GAP: Duration = Duration::from_millis(100);
/// While nothing moves.
pub(crate) const NO_GAP: Duration = Duration::from_millis(20);
/// How much longer what is promised may take on a busy machine.
const BUSY: u32 = 5;
/// Lines of each log shown with a failure.
const TAIL: usize = 60;

/// Fields are dropped in this order: daemons before their networks.
pub(crate) struct Stage {
    pub(crate) daemons: [Daemon; 2],
    observer: Observer,
    pub(crate) machines: [Arc<Namespace>; 2],
    client: Namespace,
    cables: [Cable; 2],
    switch: Switch,
    config: Scratch,
}

/// How much time a promise leaves here.
pub(crate) fn limit(promised: Duration) -> Duration {
    match Tier::of_this_run() {
        Tier::Long => promised,
        _ => promised * BUSY,
    }
}

/// Plays a story on a stage of its own. A failure shows what came and went, and both logs.
pub(crate) fn play(
    settings: &str,
    story: impl FnOnce(&mut Stage) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut stage = Stage::new(settings)?;
    story(&mut stage).map_err(|error| stage.with_logs(&error))
}

/// As [`play`], with both nodes at work and each group where it is preferred.
pub(crate) fn play_running(
    settings: &str,
    story: impl FnOnce(&mut Stage) -> Result<(), Error>,
) -> Result<(), Error> {
    play(settings, |stage| {
        stage.start_both()?;
        story(stage)
    })
}

impl Stage {
    /// Nothing is started. `settings` are lines of `ha.cf`.
    fn new(settings: &str) -> Result<Self, Error> {
        let switch = Switch::new()?;
        let machines = [Arc::new(Namespace::new()?), Arc::new(Namespace::new()?)];
        let client = Namespace::new()?;
        let cables = [
            switch.plug(&machines[ALICE], "eth0", &["10.9.0.1/24", "fd09::1/64"])?,
            switch.plug(&machines[BOB], "eth0", &["10.9.0.2/24", "fd09::2/64"])?,
        ];
        switch.plug(&client, "eth0", &["10.9.0.9/24", "fd09::9/64"])?;
        let config = Scratch::new()?;
        for node in NODES {
            let directory = config.directory(node)?;
            config.directory(&format!("{node}/resource.d"))?;
            let ha_cf = format!(
                "logfacility none\nrealtime off\n{TIMES}{settings}\nbcast eth0\nnode {}\n",
                NODES.join(" ")
            );
            scratch::write(&directory.join("ha.cf"), &ha_cf)?;
            scratch::write(&directory.join("hbd.cf"), HARMLESS)?;
            scratch::write(&directory.join("haresources"), HARESOURCES)?;
            scratch::write_secret(&directory.join("authkeys"), KEY)?;
        }
        let nodes = [&*machines[ALICE], &*machines[BOB]];
        let observer = Observer::new(&client, nodes, &SERVICES)?;
        let daemon = |node: usize| {
            let directory = config.path().join(NODES[node]);
            Daemon::new(NODES[node], &machines[node], &directory)
        };
        Ok(Self {
            daemons: [daemon(ALICE)?, daemon(BOB)?],
            observer,
            machines,
            client,
            cables,
            switch,
            config,
        })
    }

    /// Starts both, and waits until each group is where it is preferred.
    pub(crate) fn start_both(&mut self) -> Result<(), Error> {
        self.daemons.iter_mut().try_for_each(Daemon::start)?;
        self.both_active()?;
        for (ip, node) in [(WEB, ALICE), (WEB6, ALICE), (BASE, BOB)] {
            self.answered(ip, node, Duration::ZERO, SOON)?;
        }
        self.settled([ALICE, BOB])
    }

    /// Another machine on the switch, with these addresses.
    pub(crate) fn host(&self, addresses: &[&str]) -> Result<Namespace, Error> {
        let host = Namespace::new()?;
        self.switch.plug(&host, "eth0", addresses)?;
        Ok(host)
    }

    /// Waits until each node says that both are members.
    pub(crate) fn both_active(&self) -> Result<(), Error> {
        for daemon in &self.daemons {
            let all = format!("both are active for {daemon:?}");
            wait::until_true(SOON, &all, || {
                // A supervisor may be on its way.
                let Ok(view) = daemon.view() else {
                    return Ok(false);
                };
                let nodes = view.nodes.values();
                let members = nodes.filter(|node| node.kind == NodeKind::Normal);
                let active = members.filter(|node| node.status == NodeStatus::Active);
                Ok(active.count() == NODES.len())
            })?;
        }
        Ok(())
    }

    /// Waits until both nodes say that `web` and `base` run on these nodes, and nowhere else.
    pub(crate) fn settled(&self, [web, base]: [usize; 2]) -> Result<(), Error> {
        for (group, holder) in [(WEB_GROUP, web), (BASE_GROUP, base)] {
            for node in [ALICE, BOB] {
                self.group_is(
                    node,
                    group,
                    &format!("runs on {} alone", NODES[holder]),
                    |view| {
                        let holders: Vec<_> = view.nodes.iter().collect();
                        matches!(&holders[..], [(name, on)]
                        if name.as_str() == NODES[holder] && on.state == GroupState::Started)
                    },
                )?;
            }
        }
        Ok(())
    }

    /// Waits until something holds of what a node says of a group.
    pub(crate) fn group_is(
        &self,
        node: usize,
        group: &str,
        condition: &str,
        holds: impl Fn(&GroupView) -> bool,
    ) -> Result<(), Error> {
        let daemon = &self.daemons[node];
        let condition = format!("{} says of {group}: {condition}", NODES[node]);
        wait::until_true(SOON, &condition, || {
            // A supervisor may be on its way.
            let Ok(view) = daemon.view() else {
                return Ok(false);
            };
            let mut groups = view.groups.iter();
            let found = groups.find(|(name, _)| name.as_str() == group);
            Ok(found.is_some_and(|(_, view)| holds(view)))
        })
    }

    /// Runs a program on the client's machine to its end, and returns what it printed.
    pub(crate) fn ask(&self, program: &str, arguments: &[&str]) -> Result<String, Error> {
        self.client.run(program, arguments)
    }

    /// The observer's moment.
    pub(crate) fn now(&self) -> At {
        self.observer.now()
    }

    /// Something about all that was seen. The observer waits meanwhile.
    pub(crate) fn seen<T>(&self, of: impl FnOnce(&Record) -> T) -> Result<T, Error> {
        Ok(of(&*self.observer.record()?))
    }

    /// Waits until a node answers for an address, and returns when it first did since that moment.
    pub(crate) fn answered(
        &self,
        ip: IpAddr,
        by: usize,
        since: At,
        within: Duration,
    ) -> Result<At, Error> {
        let condition = format!("{} answers for {ip}", NODES[by]);
        wait::until(within, &condition, || {
            self.seen(|record| record.answered(ip, by, since))
        })
    }

    /// Waits until a node got or lost an address, and returns when it first did since that moment.
    pub(crate) fn changed(
        &self,
        ip: IpAddr,
        (node, there): (usize, bool),
        since: At,
        within: Duration,
    ) -> Result<At, Error> {
        let word = if there { "has got" } else { "has lost" };
        wait::until(within, &format!("{} {word} {ip}", NODES[node]), || {
            self.seen(|record| record.changed(ip, node, there, since))
        })
    }

    /// Demands that no service was without an answer for longer than that since then.
    pub(crate) fn demand_gaps(
        &self,
        services: &[IpAddr],
        since: At,
        limit: Duration,
    ) -> Result<Duration, Error> {
        // Whoever judges keeps the observer waiting, and that stall is not written down before it is over.
        let until = self.seen(|record| record.looked)?.max(since);
        self.longest(services, |record, ip| {
            record.demand_gap(ip, since, until, limit)
        })
    }

    /// Demands that two nodes never had a service's address both for longer than that since then.
    pub(crate) fn demand_overlaps(
        &self,
        services: &[IpAddr],
        since: At,
        limit: Duration,
    ) -> Result<Duration, Error> {
        let now = self.now();
        self.longest(services, |record, ip| {
            record.demand_overlap(ip, since, now, limit)
        })
    }

    /// The longest time of any of the services, each of which may be one too many.
    fn longest(
        &self,
        services: &[IpAddr],
        demand: impl Fn(&Record, IpAddr) -> Result<Duration, Error>,
    ) -> Result<Duration, Error> {
        let mut longest = Duration::ZERO;
        for ip in services {
            longest = longest.max(self.seen(|record| demand(record, *ip))??);
        }
        Ok(longest)
    }

    /// Demands that whoever asks for the addresses now asks that node.
    pub(crate) fn demand_neighbour(&self, services: &[IpAddr], node: usize) -> Result<(), Error> {
        let expected = spelled(&observer::hardware(&self.machines[node])?);
        for ip in services {
            let text = self.client.ip(&["-j", "neigh", "show", &ip.to_string()])?;
            let known: Value = parsed(&text)?;
            demand(
                known[0]["lladdr"] == *expected,
                &format!("the client asks {} for {ip}: {text}", NODES[node]),
            )?;
        }
        Ok(())
    }

    /// A node's cable is pulled out of the switch, or put back.
    pub(crate) fn plug(&self, node: usize, plugged: bool) -> Result<(), Error> {
        match plugged {
            true => self.cables[node].insert(),
            false => self.cables[node].pull(),
        }
    }

    /// The nodes do not hear each other, or do again; the client hears both.
    pub(crate) fn part(&self, parted: bool) -> Result<(), Error> {
        let [alice, bob] = &self.cables;
        match parted {
            true => (self.switch).set_faults(&[Fault::cut(alice, bob), Fault::cut(bob, alice)]),
            false => self.switch.set_faults(&[]),
        }
    }

    /// Of 100 packets between the nodes so many are lost.
    pub(crate) fn lose(&self, percent: u8) -> Result<(), Error> {
        let [alice, bob] = &self.cables;
        match percent {
            0 => self.switch.set_faults(&[]),
            _ => self.switch.set_faults(&[
                Fault::loss(alice, bob, percent),
                Fault::loss(bob, alice, percent),
            ]),
        }
    }

    /// Bob does not hear alice; she hears him.
    pub(crate) fn mute_alice(&self) -> Result<(), Error> {
        let [alice, bob] = &self.cables;
        self.switch.set_faults(&[Fault::cut(alice, bob)])
    }

    /// A file that both nodes can use.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.config.path().join(name)
    }

    /// A file in a node's configuration directory.
    pub(crate) fn config(&self, node: usize, name: &str) -> PathBuf {
        self.config.path().join(NODES[node]).join(name)
    }

    /// Both nodes are to read that from then on.
    pub(crate) fn write_haresources(&self, text: &str) -> Result<(), Error> {
        let mut nodes = [ALICE, BOB].into_iter();
        nodes.try_for_each(|node| scratch::write(&self.config(node, "haresources"), text))
    }

    /// Gives a node an order.
    pub(crate) fn order(&self, node: usize, verb: GroupVerb) -> Result<(), Error> {
        let order = GroupOrder {
            verb,
            reason: None,
            dry_run: false,
        };
        self.request(node, Request::Order(Box::new(order)))
    }

    /// Orders a group onto a node, by asking a node.
    pub(crate) fn order_move(&self, asked: usize, group: &str, to: usize) -> Result<(), Error> {
        let groups = Choice::Named(vec![named(group)?]);
        let to = Some(node_name(to)?);
        self.order(
            asked,
            GroupVerb::Move {
                groups,
                to,
                lasts: None,
                together: false,
            },
        )
    }

    /// A node reads its configuration anew.
    pub(crate) fn reload(&self, node: usize) -> Result<(), Error> {
        self.request(node, Request::Reload(Reload::default()))
    }

    fn request(&self, node: usize, request: Request) -> Result<(), Error> {
        let socket = self.daemons[node].socket();
        let answer = Client::connect(&socket, REPLY_LIMIT).and_then(|mut c| c.request(request));
        match answer {
            Ok(_) => Ok(()),
            Err(reason) => unexpected(format!("{}: {reason}", NODES[node])),
        }
    }

    /// The events of a node for which `pick` gives something, oldest first.
    pub(crate) fn events<T>(
        &self,
        node: usize,
        pick: impl Fn(&Event) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let events = self.daemons[node].events()?;
        Ok(events.iter().filter_map(pick).collect())
    }

    /// How often a node took a group because the other was dead.
    pub(crate) fn takeovers(&self, node: usize) -> Result<usize, Error> {
        let taken = self.events(node, |event| match &event.kind {
            Kind::GroupState {
                reason: GroupReason::PeerDead { .. },
                ..
            } => Some(()),
            _ => None,
        })?;
        Ok(taken.len())
    }

    fn with_logs(&self, error: &Error) -> Error {
        let mut text = format!("{error}\n");
        if let Ok(story) = self.seen(|record| record.story(Duration::ZERO)) {
            text.push_str(&story);
        }
        for (name, daemon) in NODES.iter().zip(&self.daemons) {
            let log = daemon.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
            let _ = write!(text, "--- {name}\n{tail}\n");
        }
        Error::Unexpected(text)
    }
}

/// For what a test finds otherwise than promised.
pub(crate) fn demand(holds: bool, statement: &str) -> Result<(), Error> {
    if holds {
        Ok(())
    } else {
        unexpected(format!("not so: {statement}"))
    }
}

/// Demands that something took from one time to another.
pub(crate) fn demand_between(
    what: &str,
    took: Duration,
    shortest: Duration,
    longest: Duration,
) -> Result<(), Error> {
    println!("{what}: {took:.3?} (from {shortest:?} to {longest:?})");
    demand(
        (shortest..=longest).contains(&took),
        &format!("{what} after {took:?}, from {shortest:?} to {longest:?}"),
    )
}

/// A group's name.
pub(crate) fn named(group: &str) -> Result<GroupName, Error> {
    GroupName::new(group).map_err(|reason| Error::Unexpected(format!("{group}: {reason}")))
}

/// A node's name.
pub(crate) fn node_name(node: usize) -> Result<NodeName, Error> {
    let name = NODES[node];
    NodeName::new(name).map_err(|reason| Error::Unexpected(format!("{name}: {reason}")))
}

fn spelled(hardware: &Hardware) -> String {
    let bytes: Vec<_> = hardware.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}

fn parsed(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|reason| Error::Unexpected(format!("{reason}: {text}")))
}
