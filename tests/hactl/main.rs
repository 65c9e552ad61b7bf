//! `hactl` and real daemons: what it shows is what they believe, at once, and soon enough.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use hbd_tests::daemon::Daemon;
use hbd_tests::error::{Error, file, unexpected};
use hbd_tests::namespaces::Namespace;
use hbd_tests::precondition::Precondition::{Namespaces, Root};
use hbd_tests::precondition::trial;
use hbd_tests::program;
use hbd_tests::scratch::{self, Scratch};
use hbd_tests::tier::Tier;
use libtest_mimic::Arguments;
use shared::event::NodeStatus;

/// How long two nodes may take to know each other, and an event to be shown.
const LIMIT: Duration = Duration::from_secs(20);
/// Calls whose times are compared.
const CALLS: usize = 200;
/// The slowest but one in a hundred of them may take so long.
const READ_LIMIT: Duration = Duration::from_millis(50);

const HA_CF: &str = "\
keepalive 250ms
warntime 1
deadtime 2
initdead 10
mcast lo 239.1.2.3 694 1 1
node alice bob
";

fn main() -> ExitCode {
    let mut trials = vec![
        trial(
            "hactl",
            "status_says_what_two_daemons_believe",
            &[Root, Namespaces],
            status_is_true,
        ),
        trial(
            "hactl",
            "follow_shows_a_death_of_the_core_as_it_happens",
            &[Root, Namespaces],
            follow_is_live,
        ),
    ];
    if Tier::of_this_run() == Tier::Long && !cfg!(debug_assertions) {
        trials.push(trial(
            "hactl",
            "99_of_100_reads_take_less_than_50_ms",
            &[Root, Namespaces],
            reads_are_quick,
        ));
    } else {
        eprintln!("hactl: times are measured by HBD_TIER=long cargo test --release");
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn status_is_true() -> Result<(), Error> {
    let pair = Pair::up()?;
    let status = pair.hactl(&["status"])?;
    let first = status.lines().next().unwrap_or_default();
    demand(
        first.starts_with("alice: 2 of 2 nodes active, its only link up"),
        &status,
    )?;
    let bob = pair.hactl(&["nodes", "bob", "--plain", "-o", "status"])?;
    demand(bob == "active\n", &bob)?;
    let link = pair.hactl(&["links", "--plain", "-o", "link,status"])?;
    demand(link == "bob/lo\tup\n", &link)
}

fn follow_is_live() -> Result<(), Error> {
    let pair = Pair::up()?;
    let follower = Follower::start(pair.command(&["events", "-f", "-o", "text"])?)?;
    follower.wait_for("node bob active")?;
    pair.bob.kill_core()?;
    follower.wait_for("node bob restarted")
}

fn reads_are_quick() -> Result<(), Error> {
    let pair = Pair::up()?;
    for verb in ["status", "nodes", "links", "events"] {
        let mut times = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let begin = Instant::now();
            pair.hactl(&[verb])?;
            times.push(begin.elapsed());
        }
        times.sort_unstable();
        let (median, slow) = (times[CALLS / 2], times[CALLS * 99 / 100 - 1]);
        println!("hactl {verb}, {CALLS} calls: p50 {median:.1?}, p99 {slow:.1?}");
        demand(slow < READ_LIMIT, &format!("{verb}: p99 {slow:?}"))?;
    }
    Ok(())
}

fn demand(holds: bool, found: &str) -> Result<(), Error> {
    if holds {
        return Ok(());
    }
    unexpected(format!("found {found}"))
}

/// Two daemons on one machine, over its loopback.
struct Pair {
    alice: Daemon,
    bob: Daemon,
    _config: Scratch,
}

impl Pair {
    /// Starts them and waits until each takes the other for active.
    fn up() -> Result<Self, Error> {
        let config = Scratch::new()?;
        scratch::write(&config.path().join("ha.cf"), HA_CF)?;
        scratch::write_secret(
            &config.path().join("authkeys"),
            "auth 1\n1 sha1 a-long-enough-key\n",
        )?;
        let network = Arc::new(Namespace::new()?);
        let mut pair = Self {
            alice: Daemon::new("alice", &network, config.path())?,
            bob: Daemon::new("bob", &network, config.path())?,
            _config: config,
        };
        pair.alice.start()?;
        pair.bob.start()?;
        for node in ["alice", "bob"] {
            pair.alice.wait_status(node, NodeStatus::Active, LIMIT)?;
        }
        pair.bob.wait_status("alice", NodeStatus::Active, LIMIT)?;
        Ok(pair)
    }

    /// `hactl` about alice.
    fn command(&self, arguments: &[&str]) -> Result<Command, Error> {
        let hactl: PathBuf = program::of_workspace("hactl")?;
        let mut command = Command::new(hactl);
        command.args(arguments);
        command.arg("--socket").arg(self.alice.socket());
        command.stdin(Stdio::null());
        Ok(command)
    }

    /// What it writes.
    fn hactl(&self, arguments: &[&str]) -> Result<String, Error> {
        let output = file("run hactl", self.command(arguments)?.output())?;
        let written = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(written);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        unexpected(format!("hactl {arguments:?}: {}: {said}", output.status))
    }
}

/// A program whose lines are read as they come.
struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    fn start(mut command: Command) -> Result<Self, Error> {
        let mut child = file("start hactl", command.stdout(Stdio::piped()).spawn())?;
        let (tell, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if tell.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self { child, lines })
    }

    /// Reads until a line begins so.
    fn wait_for(&self, begin: &str) -> Result<(), Error> {
        let end = Instant::now() + LIMIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.starts_with(begin) => return Ok(()),
                Ok(_) => {}
                Err(_) => {
                    return Err(Error::NotWithin {
                        condition: format!("a line begins with {begin:?}"),
                        limit: LIMIT,
                    });
                }
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
