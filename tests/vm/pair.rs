//! Alice and bob, a virtual machine each, with hbd.

use std::time::Duration;

use hbd_tests::error::{Error, unexpected};
use hbd_tests::wait;
use serde::Deserialize;
use serde_json::Value;
use shared::event::{Event, Kind, LinkStatus, ModemLines, NodeStatus};
use shared::time::Wall;
use shared::view::ClusterView;

use crate::lab::{Lab, number, parsed};

pub(crate) const NODES: [&str; 2] = ["alice", "bob"];
pub(crate) const KEEPALIVE: Duration = Duration::from_millis(500);
pub(crate) const DEADTIME: Duration = Duration::from_secs(3);
/// How late anything may be on an emulated machine.
pub(crate) const BUSY: Duration = Duration::from_secs(1);
/// Longest wait for what no promise bounds.
pub(crate) const SOON: Duration = Duration::from_mins(1);
/// Time between two looks: each takes an emulated machine a quarter of a second.
const LOOK: Duration = Duration::from_millis(500);
const TIMES: &str = "keepalive 500ms\nwarntime 1500ms\ndeadtime 3\ninitdead 15\n";
pub(crate) const CABLE: &str = "baud 19200\nserial /dev/ttyS1\n";
pub(crate) const GROUPS: [&str; 2] = ["Dummy::web", "Dummy::mail"];
const WIRES: [&str; 8] = [
    "--net",
    "lan",
    "--net",
    "beat",
    "--serial-link",
    "alice:bob",
    "--baud",
    "19200",
];
/// Of all roles, in the order in which none sees another die.
pub(crate) const ALL_ROLES: &str = "supervisor manager core";

pub(crate) const NONE: ModemLines = ModemLines {
    cts: false,
    dsr: false,
    dcd: false,
};
pub(crate) const ALL: ModemLines = ModemLines {
    cts: true,
    dsr: true,
    dcd: true,
};

/// Two machines.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) lab: Lab,
}

/// Plays a story on two machines of its own. A failure shows both logs.
pub(crate) fn play(
    options: &[&str],
    story: impl FnOnce(&Pair) -> Result<(), Error>,
) -> Result<(), Error> {
    let lab = Lab::up(&[&NODES, &WIRES[..], options].concat())?;
    let pair = Pair { lab };
    story(&pair).or_else(|error| {
        let logs = NODES.map(|node| pair.log(node));
        unexpected(format!("{error}\n{}", logs.concat()))
    })
}

impl Pair {
    /// Gives a node its configuration: it has forgotten everything when it boots. `lines` are of `ha.cf`.
    pub(crate) fn configure(&self, node: &str, lines: &str) -> Result<(), Error> {
        let [web, mail] = GROUPS;
        let script = format!(
            "mkdir -p /etc/ha.d && cd /etc/ha.d && umask 077 || exit 1
            printf 'logfacility none\\nauto_failback legacy\\n{TIMES}{lines}node alice bob\\n' >ha.cf
            printf 'alice {web}\\nbob {mail}\\n' >haresources
            printf 'auth 1\\n1 sha1 %064d\\n' 7 >authkeys"
        );
        self.lab.run(node, &script).map(drop)
    }

    /// Both have these lines, and run.
    pub(crate) fn begin(&self, lines: &str) -> Result<(), Error> {
        for node in NODES {
            self.configure(node, lines)?;
            self.start(node)?;
        }
        self.both_active()
    }

    /// Starts hbd, and waits until it answers.
    pub(crate) fn start(&self, node: &str) -> Result<(), Error> {
        self.lab
            .run(node, "/mnt/share/hbd >>/var/log/hbd.out 2>&1 &")?;
        until(&format!("hbd {node} answers"), || {
            Ok(self.view(node).is_ok())
        })
    }

    /// Orders hbd to leave, and waits until it has ended. Returns how long that took, by the clock of its machine.
    pub(crate) fn stop(&self, node: &str) -> Result<Duration, Error> {
        let script = "pids=$(cd /run/hbd && cat supervisor.lock core.lock manager.lock)
            begin=$(cut -d' ' -f1 /proc/uptime | tr -d .)
            kill ${pids%%[!0-9]*} || exit 1
            for pid in $pids; do while kill -0 $pid 2>/dev/null; do sleep 0.05; done; done
            echo $(($(cut -d' ' -f1 /proc/uptime | tr -d .) - begin))";
        let hundredths = number(&self.lab.run(node, script)?)?;
        Ok(Duration::from_millis(hundredths * 10))
    }

    /// Sends a signal to the processes of these roles at once. Returns when it was sent, by the clock here.
    pub(crate) fn signal(&self, node: &str, signal: &str, roles: &str) -> Result<Wall, Error> {
        let clock = self.lab.clock(node)?;
        // The time comes first: the machine may be reset before it says more.
        let script = format!(
            "cd /run/hbd && pids=$(for role in {roles}; do cat $role.lock; done) && adjtimex && kill -{signal} $pids"
        );
        Ok(clock.here(adjtimex(&self.lab.run(node, &script)?)?))
    }

    /// What a node believes.
    pub(crate) fn view(&self, node: &str) -> Result<ClusterView, Error> {
        let status = self.lab.run(node, "/mnt/share/hactl status --json")?;
        let mut status: Value = parsed(&status)?;
        ClusterView::deserialize(status["view"].take())
            .map_err(|reason| Error::Unexpected(format!("hactl status of {node}: {reason}")))
    }

    /// What `hactl status` prints on a node.
    pub(crate) fn status(&self, node: &str) -> Result<String, Error> {
        self.lab.run(node, "/mnt/share/hactl status")
    }

    /// What happened to a node, oldest first.
    pub(crate) fn events(&self, node: &str) -> Result<Vec<Event>, Error> {
        let lines = self
            .lab
            .run(node, "/mnt/share/hactl events --jsonl -n 10000")?;
        lines.lines().map(parsed).collect()
    }

    /// Waits until something holds of what a node believes.
    pub(crate) fn wait_view(
        &self,
        node: &str,
        condition: &str,
        holds: impl Fn(&ClusterView) -> bool,
    ) -> Result<(), Error> {
        until(&format!("{node}: {condition}"), || {
            Ok(self.view(node).is_ok_and(|view| holds(&view)))
        })
    }

    /// Waits until each says that both are members.
    pub(crate) fn both_active(&self) -> Result<(), Error> {
        NODES.iter().try_for_each(|node| {
            self.wait_view(node, "both are active", |view| {
                NODES.iter().all(|of| is(view, of, NodeStatus::Active))
            })
        })
    }

    /// Waits until a link of alice to bob is that.
    pub(crate) fn link(&self, medium: &str, status: LinkStatus) -> Result<(), Error> {
        self.wait_view(
            "alice",
            &format!("link bob/{medium} is {status:?}"),
            |view| {
                let bob = view.nodes.iter().find(|(name, _)| name.as_str() == "bob");
                bob.is_some_and(|(_, bob)| {
                    let mut links = bob.links.iter();
                    links.any(|(name, link)| name.as_str() == medium && link.status == status)
                })
            },
        )
    }

    /// Waits until a node tells of such a thing that happened after `since`, which is by the clock here. Returns how
    /// long after that it did, and how much that may be wrong.
    pub(crate) fn told(
        &self,
        node: &str,
        since: Wall,
        condition: &str,
        pick: impl Fn(&Kind) -> bool,
    ) -> Result<Told, Error> {
        let clock = self.lab.clock(node)?;
        let earliest = Wall(since.0.saturating_sub(nanos(clock.within())));
        let told = wait::until(SOON, &format!("{node}: {condition}"), || {
            let events = self.events(node)?;
            let told = events.iter().filter(|event| pick(&event.kind));
            Ok(told
                .map(|event| clock.here(event.wall))
                .find(|at| *at >= earliest))
        })?;
        let after = Duration::from_nanos(told.0.saturating_sub(since.0));
        let within = clock.within();
        println!("{condition}: {after:?}, give or take {within:?}");
        Ok(Told { after, within })
    }

    /// Whether nobody died at a node since it was started.
    pub(crate) fn no_death(&self, node: &str) -> Result<bool, Error> {
        let is_death = |event: &Event| {
            matches!(
                event.kind,
                Kind::NodeStatus {
                    to: NodeStatus::Dead,
                    ..
                }
            )
        };
        Ok(!self.events(node)?.iter().any(is_death))
    }

    /// Demands that for that span nobody dies at any node, by what they tell.
    pub(crate) fn nobody_dies(&self, span: Duration, what: &str) -> Result<(), Error> {
        wait::stays_true_each(LOOK, span, what, || {
            Ok(self.no_death("alice")? && self.no_death("bob")?)
        })
    }

    /// Changes with each boot.
    pub(crate) fn boot_id(&self, node: &str) -> Result<String, Error> {
        self.lab.run_within(
            Duration::from_secs(5),
            node,
            "cat /proc/sys/kernel/random/boot_id",
        )
    }

    /// What hbd printed, and the end of the console.
    fn log(&self, node: &str) -> String {
        let script = "tail -n 60 /var/log/hbd.out; dmesg | tail -n 20";
        let log = self.lab.run_within(Duration::from_secs(10), node, script);
        let console = self.lab.console(node);
        let [log, console] =
            [log, console].map(|said| said.unwrap_or_else(|error| error.to_string()));
        format!("--- {node}\n{log}\n{console}\n")
    }
}

/// When something was told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    after: Duration,
    within: Duration,
}

impl Told {
    /// Demands that it was no earlier and no later.
    pub(crate) fn between(
        self,
        earliest: Duration,
        latest: Duration,
        what: &str,
    ) -> Result<(), Error> {
        let after = self.after;
        let held = after + self.within >= earliest && after <= latest + self.within;
        demand(
            held,
            &format!("{what} after {after:?}, must be {earliest:?} to {latest:?}"),
        )
    }
}

/// A death by silence: beats were heard until `since` at the latest, and a keepalive before at the earliest.
pub(crate) fn dead_in_time(told: Told) -> Result<(), Error> {
    let earliest = DEADTIME - KEEPALIVE - BUSY / 2;
    told.between(earliest, DEADTIME + BUSY, "told that it is dead")
}

/// Whether a node is given that status.
pub(crate) fn is(view: &ClusterView, node: &str, status: NodeStatus) -> bool {
    let mut nodes = view.nodes.iter();
    nodes.any(|(name, node_view)| name.as_str() == node && node_view.status == status)
}

/// Whether that says that the node died.
pub(crate) fn dies(kind: &Kind, of: &str) -> bool {
    matches!(kind, Kind::NodeStatus { node, to: NodeStatus::Dead, .. } if node.as_str() == of)
}

pub(crate) fn until(
    condition: &str,
    look: impl FnMut() -> Result<bool, Error>,
) -> Result<(), Error> {
    wait::until_true(SOON, condition, look)
}

pub(crate) fn demand(condition: bool, what: &str) -> Result<(), Error> {
    match condition {
        true => Ok(()),
        false => unexpected(format!("not so: {what}")),
    }
}

/// The time that the program of that name printed.
pub(crate) fn adjtimex(said: &str) -> Result<Wall, Error> {
    let part = |name: &str| {
        let found = said.lines().find_map(|line| line.trim().strip_prefix(name));
        number(found.unwrap_or(said))
    };
    let nanos = part("time.tv_sec:")? * 1_000_000_000 + part("time.tv_usec:")? * 1_000;
    Ok(Wall(nanos))
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
