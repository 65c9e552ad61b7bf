//! The way from a pair of real Heartbeats to hbd and back, as hbd-migration(7) has it, on machines with the directories
//! that both use by default.
//!
//! ```text
//!  alice   Heartbeat ------------------ hbd ------------------------
//!  bob     Heartbeat -- hbd ----------------- Heartbeat -- hbd -----
//! ```
//!
//! An observer asks the address of each node's line every millisecond. No step may interrupt them for longer than a
//! planned move between the two Heartbeats did, which is measured first. After each step an address is on one node,
//! and what the node is to its peers goes on: its UUID stays, its generation grows, nobody speaks of a replay.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hbd_tests::error::{self, Error, unexpected};
use hbd_tests::heartbeat::HeartbeatNode;
use hbd_tests::namespaces::{Namespace, Switch};
use hbd_tests::observer::Observer;
use hbd_tests::observer::record::At;
use hbd_tests::scratch::{self, Scratch};
use hbd_tests::tier::Tier;
use hbd_tests::{program, wait};
use serde_json::Value;

const ALICE: usize = 0;
const BOB: usize = 1;
const NODES: [&str; 2] = ["alice", "bob"];
/// The address of each node's line.
const SERVICES: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(10, 9, 0, 50)),
    IpAddr::V4(Ipv4Addr::new(10, 9, 0, 51)),
];
const HARESOURCES: &str = "alice 10.9.0.50/24/eth0\nbob 10.9.0.51/24/eth0\n";
/// What keeps a node that hears nobody from taking everything.
const HBD_CF: &str = "startup wait_for_peer\n";
/// Where Heartbeat has its scripts.
const SCRIPTS: &str = "/usr/share/heartbeat";
/// Longest wait: a Heartbeat that begins waits for initdead and 10 s.
const LIMIT: Duration = Duration::from_secs(60);
/// Nodes rest so long between what they begin.
const REST: Duration = Duration::from_secs(3);
/// While nothing moves.
const NO_GAP: Duration = Duration::from_millis(20);
/// How much longer a step may take on a busy machine.
const BUSY: u32 = 5;
/// What a log says of a node that is not the one it was: a Heartbeat, then hbd.
const STRANGER: [&str; 7] = [
    "replay attack",
    "bad generation",
    "old message of",
    "counts as old",
    "both use UUID",
    "uses our name",
    "another UUID",
];
/// Lines of each log shown with a failure.
const TAIL: usize = 80;

/// Who holds alice's address, and who holds bob's.
type Holders = [usize; 2];

const EACH_ITS_OWN: Holders = [ALICE, BOB];

pub(crate) fn failback_on() -> Result<(), Error> {
    play(Failback::On, Pair::there_and_back)
}

pub(crate) fn failback_off() -> Result<(), Error> {
    play(Failback::Off, Pair::there_and_back)
}

pub(crate) fn legacy() -> Result<(), Error> {
    play(Failback::Legacy, Pair::without_standbys)
}

fn play(failback: Failback, way: fn(&mut Pair) -> Result<(), Error>) -> Result<(), Error> {
    let mut pair = Pair::new(failback)?;
    way(&mut pair).map_err(|error| pair.with_logs(&error))
}

/// Of `auto_failback`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Failback {
    On,
    Off,
    Legacy,
}

/// Which program a node runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runs {
    Heartbeat,
    Hbd,
    Neither,
}

/// What a node is to its peers.
#[derive(Default)]
struct Identity {
    uuid: Vec<u8>,
    generation: u64,
}

/// Fields are dropped in this order: nodes before the networks they live in.
struct Pair {
    nodes: [HeartbeatNode; 2],
    runs: [Runs; 2],
    known: [Identity; 2],
    observer: Observer,
    failback: Failback,
    /// The longest gap of a planned move between two Heartbeats.
    planned: Duration,
    _machines: [Namespace; 2],
    _client: Namespace,
    _switch: Switch,
    _config: Scratch,
}

impl Pair {
    fn new(failback: Failback) -> Result<Self, Error> {
        let (switch, config) = (Switch::new()?, Scratch::new()?);
        let machines = [Namespace::new()?, Namespace::new()?];
        let client = Namespace::new()?;
        switch.plug(&machines[ALICE], "eth0", &["10.9.0.1/24"])?;
        switch.plug(&machines[BOB], "eth0", &["10.9.0.2/24"])?;
        switch.plug(&client, "eth0", &["10.9.0.9/24"])?;
        let observer = Observer::new(&client, [&machines[ALICE], &machines[BOB]], &SERVICES)?;
        let directory = config.directory("ha.d")?;
        let word = match failback {
            Failback::On => "on",
            Failback::Off => "off",
            Failback::Legacy => "legacy",
        };
        let ha_cf = format!(
            "logfile /var/log/ha-log\nlogfacility none\nrealtime off\nkeepalive 200ms\nwarntime 1\ndeadtime 2\n\
             initdead 6\nauto_failback {word}\nbcast eth0\nnode alice bob\n"
        );
        scratch::write(&directory.join("ha.cf"), &ha_cf)?;
        scratch::write(&directory.join("haresources"), HARESOURCES)?;
        scratch::write(&directory.join("hbd.cf"), HBD_CF)?;
        let keys = "auth 1\n1 sha1 shared-secret-of-two\n";
        scratch::write_secret(&directory.join("authkeys"), keys)?;
        let node = |n: usize| HeartbeatNode::new(NODES[n], &machines[n], &directory);
        Ok(Self {
            nodes: [node(ALICE)?, node(BOB)?],
            runs: [Runs::Heartbeat; 2],
            known: [Identity::default(), Identity::default()],
            observer,
            failback,
            planned: Duration::ZERO,
            _machines: machines,
            _client: client,
            _switch: switch,
            _config: config,
        })
    }

    fn there_and_back(&mut self) -> Result<(), Error> {
        self.ready()?;
        self.begin()?;
        self.measure_planned()?;
        self.replace_by_hbd(BOB, [ALICE, BOB])?;
        self.replace_by_hbd(ALICE, self.after_return([ALICE; 2]))?;
        self.replace_by_heartbeat(BOB, self.after_return([BOB; 2]))?;
        self.replace_by_hbd(BOB, self.after_return([ALICE; 2]))?;
        self.never_both()
    }

    /// Heartbeat knows no standby then: what a planned move costs is measured as the first of them stops.
    fn without_standbys(&mut self) -> Result<(), Error> {
        self.begin()?;
        self.replace_by_hbd(BOB, EACH_ITS_OWN)?;
        self.replace_by_hbd(ALICE, EACH_ITS_OWN)?;
        self.replace_by_heartbeat(BOB, EACH_ITS_OWN)?;
        self.replace_by_hbd(BOB, EACH_ITS_OWN)?;
        self.never_both()
    }

    fn begin(&mut self) -> Result<(), Error> {
        for node in &self.nodes {
            node.start()?;
        }
        self.settles("two Heartbeats", EACH_ITS_OWN)?;
        self.refused_beside_a_heartbeat()?;
        self.go_on("two Heartbeats", &[ALICE, BOB])
    }

    /// No address was on two nodes at any moment.
    fn never_both(&self) -> Result<(), Error> {
        let (record, now) = (self.observer.record()?, self.observer.now());
        SERVICES.iter().try_for_each(|ip| {
            let overlap = record.demand_overlap(*ip, At::ZERO, now, Duration::ZERO);
            overlap.map(drop)
        })
    }

    /// Both machines say that hbd can take over.
    fn ready(&self) -> Result<(), Error> {
        let hactl = program::of_workspace("hactl")?;
        let answer = self.nodes[BOB].ask(&[&hactl.to_string_lossy(), "migrate", "--machine"])?;
        match answer.contains("/etc/ha.d: nothing must change.") {
            true => Ok(()),
            false => unexpected(format!("hactl migrate: {answer}")),
        }
    }

    /// Wherever hbd is to keep its state, it is no second daemon of a node that runs.
    fn refused_beside_a_heartbeat(&self) -> Result<(), Error> {
        let hbd = program::of_workspace("hbd")?;
        for directories in ["", "--state /run/other-state --run /run/other-run"] {
            let line = format!("timeout 20 {} {directories} 2>&1", hbd.display());
            let said = self.nodes[BOB].ask(&["sh", "-c", &format!("{line}; echo ends with $?")])?;
            let refused = said.contains("Heartbeat runs here") && said.ends_with("ends with 1");
            if !refused {
                return unexpected(format!("hbd {directories} beside a Heartbeat: {said}"));
            }
        }
        Ok(())
    }

    /// What a move by order costs with Heartbeat alone, by each order of each node.
    fn measure_planned(&mut self) -> Result<(), Error> {
        for node in [BOB, ALICE] {
            for (script, which, expected) in [
                ("hb_standby", "all", [1 - node; 2]),
                ("hb_takeover", "local", EACH_ITS_OWN),
            ] {
                let what = format!("{script} {which} on {}", NODES[node]);
                let from = self.observer.now();
                self.order(node, script, which)?;
                self.settles(&what, expected)?;
                self.planned = self.planned.max(self.gap(&what, from)?);
            }
        }
        println!(
            "a planned move between two Heartbeats: {:?} at most",
            self.planned
        );
        Ok(())
    }

    /// A node that ran Heartbeat runs hbd, and gave away before what it held.
    fn replace_by_hbd(&mut self, node: usize, before: Holders) -> Result<(), Error> {
        let name = NODES[node];
        let away = [1 - node; 2];
        self.settles("before", before)?;
        let mut held = before;
        if self.failback != Failback::Legacy {
            let from = self.observer.now();
            self.order(node, "hb_standby", "all")?;
            self.settled_in(
                &format!("hb_standby all on {name}"),
                self.runs,
                (held, away),
                from,
            )?;
            held = away;
        }
        let from = self.observer.now();
        let both = self.runs;
        self.nodes[node].stop(LIMIT)?;
        self.runs[node] = Runs::Neither;
        self.settled_in(
            &format!("Heartbeat stops on {name}"),
            both,
            (held, away),
            from,
        )?;

        let from = self.observer.now();
        self.start_hbd(node)?;
        let after = self.after_return(away);
        self.settled_in(
            &format!("hbd starts on {name}"),
            self.runs,
            (away, after),
            from,
        )?;
        self.go_on(&format!("hbd on {name}"), &[node])
    }

    /// The other way.
    fn replace_by_heartbeat(&mut self, node: usize, before: Holders) -> Result<(), Error> {
        let name = NODES[node];
        let away = [1 - node; 2];
        self.settles("before", before)?;
        let from = self.observer.now();
        self.stop_hbd(node)?;
        self.runs[node] = Runs::Neither;
        self.settled_in(
            &format!("hbd stops on {name}"),
            self.runs,
            (before, away),
            from,
        )?;

        let from = self.observer.now();
        self.nodes[node].start()?;
        self.runs[node] = Runs::Heartbeat;
        self.nodes[node].wait_status(name, "active", LIMIT)?;
        self.nodes[node].wait_status(NODES[1 - node], "active", LIMIT)?;
        let after = self.after_return(away);
        self.settled_in(
            &format!("Heartbeat starts on {name}"),
            self.runs,
            (away, after),
            from,
        )?;
        self.go_on(&format!("Heartbeat on {name} again"), &[node])
    }

    /// Where everything is when the node that held nothing has come back.
    fn after_return(&self, away: Holders) -> Holders {
        match self.failback {
            Failback::On | Failback::Legacy => EACH_ITS_OWN,
            Failback::Off => away,
        }
    }

    /// A Heartbeat gives or takes.
    fn order(&self, node: usize, script: &str, what: &str) -> Result<(), Error> {
        self.nodes[node]
            .ask(&[&format!("{SCRIPTS}/{script}"), what])
            .map(drop)
    }

    fn start_hbd(&mut self, node: usize) -> Result<(), Error> {
        let hbd = program::of_workspace("hbd")?;
        let line = format!("setsid {} >/var/log/hbd 2>&1 </dev/null &", hbd.display());
        self.nodes[node].ask(&["sh", "-c", &line])?;
        self.runs[node] = Runs::Hbd;
        let peer = NODES[1 - node];
        wait::until_true(
            LIMIT,
            &format!("hbd on {} hears {peer}", NODES[node]),
            || {
                let answer = self.hactl(node, &["nodes", peer, "--json"]).ok();
                Ok(answer.is_some_and(|answer| first(&answer)["status"] == "active"))
            },
        )
    }

    /// As `systemctl stop` does.
    fn stop_hbd(&self, node: usize) -> Result<(), Error> {
        let end = "pid=$(cat /run/hbd/supervisor.lock); kill -TERM $pid";
        self.nodes[node].ask(&["sh", "-c", end])?;
        let lives = "grep -qsx hbd /proc/[0-9]*/comm && echo lives";
        wait::until_true(LIMIT, &format!("hbd on {} ends", NODES[node]), || {
            Ok(self.nodes[node].ask(&["sh", "-c", lives])?.is_empty())
        })
    }

    fn hactl(&self, node: usize, words: &[&str]) -> Result<Value, Error> {
        let hactl = program::of_workspace("hactl")?;
        let answer = self.nodes[node].ask(&[&[&*hactl.to_string_lossy()], words].concat())?;
        serde_json::from_str(&answer)
            .map_err(|reason| Error::Unexpected(format!("{words:?}: {reason}: {answer}")))
    }

    /// Waits until each address is where it should be and nowhere else, and both nodes say so, and stays so.
    fn settles(&self, what: &str, expected: Holders) -> Result<(), Error> {
        let condition = format!("{what}: {:?}", expected.map(|node| NODES[node]));
        let so = || {
            let record = self.observer.record()?;
            Ok(SERVICES
                .iter()
                .zip(expected)
                .all(|(ip, node)| record.is_there(*ip, node) && !record.is_there(*ip, 1 - node)))
        };
        wait::until_true(LIMIT, &condition, || Ok(so()? && self.are_at_rest()?))?;
        wait::stays_true(REST, &condition, so)
    }

    /// What the manual says to look at after each step.
    fn are_at_rest(&self) -> Result<bool, Error> {
        for (node, runs) in self.nodes.iter().zip(self.runs) {
            let rests = match runs {
                Runs::Heartbeat => {
                    let status = node.ask(&["cl_status", "rscstatus"])?;
                    ["local", "foreign", "all", "none"].contains(&status.as_str())
                }
                Runs::Hbd | Runs::Neither => true,
            };
            if !rests {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits as [`Self::settles`]; then how long nobody answered is judged; where two Heartbeats
    /// ran when the step began, it is what the others are judged by.
    fn settled_in(
        &mut self,
        what: &str,
        ran: [Runs; 2],
        (before, after): (Holders, Holders),
        from: At,
    ) -> Result<(), Error> {
        self.settles(what, after)?;
        let gap = self.gap(what, from)?;
        let moves = before != after;
        if !moves {
            self.observer.record()?.demand_unchanged(from)?;
        }
        if moves && ran == [Runs::Heartbeat; 2] {
            self.planned = self.planned.max(gap);
        }
        let limit = match (moves, Tier::of_this_run()) {
            (false, Tier::Long) => NO_GAP,
            (false, _) => NO_GAP * BUSY,
            (true, Tier::Long) => self.planned,
            (true, _) => self.planned * BUSY,
        };
        match gap <= limit {
            true => Ok(()),
            false => unexpected(format!(
                "{what}: nobody answered for {gap:?}; allowed are {limit:?}"
            )),
        }
    }

    /// The longest since then.
    fn gap(&self, what: &str, from: At) -> Result<Duration, Error> {
        let (record, now) = (self.observer.record()?, self.observer.now());
        let gaps = SERVICES.map(|ip| record.gap(ip, from, now).length);
        println!("{what}: {:.1?}, {:.1?}", gaps[ALICE], gaps[BOB]);
        Ok(gaps[ALICE].max(gaps[BOB]))
    }

    /// Both nodes are to their peers what they were; those that were started have a higher generation.
    fn go_on(&mut self, what: &str, started: &[usize]) -> Result<(), Error> {
        for node in [ALICE, BOB] {
            let directory = match self.runs[node] {
                Runs::Hbd => "hbd",
                Runs::Heartbeat | Runs::Neither => "lib",
            };
            let uuid = self.kept(node, directory, "hb_uuid")?;
            let generation = self.generation(node)?;
            let known = &mut self.known[node];
            if !known.uuid.is_empty() && known.uuid != uuid {
                return unexpected(format!("{what}: {} has another UUID", NODES[node]));
            }
            let is_next = match started.contains(&node) {
                true => generation > known.generation,
                false => generation == known.generation,
            };
            if !is_next {
                return unexpected(format!(
                    "{what}: {} has generation {generation} after {}",
                    NODES[node], known.generation
                ));
            }
            *known = Identity { uuid, generation };
        }
        self.nobody_is_a_stranger(what)
    }

    fn generation(&self, node: usize) -> Result<u64, Error> {
        if self.runs[node] == Runs::Hbd {
            let answer = self.hactl(node, &["nodes", NODES[node], "--json"])?;
            let generation = first(&answer)["generation"].as_u64();
            return generation.map_or_else(|| unexpected(format!("no generation: {answer}")), Ok);
        }
        let text = self.kept(node, "lib", "hb_generation")?;
        let number = String::from_utf8_lossy(&text).trim().parse();
        number.map_err(|reason| Error::Unexpected(format!("{text:?}: {reason}")))
    }

    fn kept(&self, node: usize, directory: &str, name: &str) -> Result<Vec<u8>, Error> {
        let path = self.nodes[node].directory(directory)?.join(name);
        error::file(format!("read {}", path.display()), fs::read(&path))
    }

    fn nobody_is_a_stranger(&self, what: &str) -> Result<(), Error> {
        for node in &self.nodes {
            let log = node.log()?;
            let bad = |line: &&str| STRANGER.iter().any(|word| line.contains(word));
            if let Some(line) = log.lines().find(bad) {
                return unexpected(format!("{what}: {} logs: {line}", node.name()));
            }
        }
        Ok(())
    }

    fn with_logs(&self, error: &Error) -> Error {
        let mut text = format!("{error}\n");
        if let Ok(record) = self.observer.record() {
            text.push_str(&record.story(At::ZERO));
        }
        for node in &self.nodes {
            let log = node.log().unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
            let _ = write!(text, "--- {}\n{tail}\n", node.name());
        }
        Error::Unexpected(text)
    }
}

/// `hactl` answers with an array, or with an object that holds one.
fn first(answer: &Value) -> &Value {
    let array = answer.get("nodes").unwrap_or(answer);
    &array[0]
}
