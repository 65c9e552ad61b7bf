//! `hactl` and real daemons: what it shows is what they believe, at once, and soon enough.

mod groups;

use std::collections::BTreeSet;
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
use hbd_tests::wait;
use libtest_mimic::Arguments;
use nix::sys::signal::Signal;
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
    trials.push(trial(
        "hactl",
        "follow_tells_each_event_once_over_deaths_of_the_supervisor_and_a_start_of_hbd",
        &[Root, Namespaces],
        follow_has_no_gap,
    ));
    trials.push(trial(
        "hactl",
        "listen_goes_on_over_a_death_of_the_supervisor",
        &[Root, Namespaces],
        listen_goes_on,
    ));
    trials.push(trial(
        "hactl",
        "watch_shows_that_hbd_ended_and_goes_on_when_it_is_back",
        &[Root, Namespaces],
        watch_reconnects,
    ));
    trials.push(trial(
        "hactl",
        "a_report_holds_the_journal_of_a_real_daemon_and_not_its_key",
        &[Root, Namespaces],
        report_is_whole,
    ));
    trials.push(trial(
        "hactl",
        "scripts_wait_for_a_cluster_that_starts_and_for_a_death",
        &[Root, Namespaces],
        scripts_wait,
    ));
    trials.push(trial(
        "hactl",
        "groups_are_moved_frozen_and_explained_by_order",
        &[Root, Namespaces],
        groups::orders_are_carried_out,
    ));
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
    demand(link == "bob/lo\tup\n", &link)?;
    // The counters tell what bob announces, once a second.
    wait::until_true(LIMIT, "timers show the deadtime of bob", || {
        let timers = pair.hactl(&["timers"])?;
        Ok(timers.contains("= the deadtime that bob announces = 2 s"))
    })?;
    let keepalive = pair.hactl(&["explain", "keepalive"])?;
    demand(keepalive.contains("runs with  250ms\n"), &keepalive)
}

fn watch_reconnects() -> Result<(), Error> {
    let mut pair = Pair::up()?;
    let watch = Follower::start(pair.command(&["watch"])?)?;
    watch.wait_for("alice: 2 of 2 nodes active")?;
    pair.alice.terminate(LIMIT)?;
    watch.wait_for(" unreachable ")?;
    pair.alice.start()?;
    watch.wait_for("alice: 2 of 2 nodes active")
}

fn follow_is_live() -> Result<(), Error> {
    let pair = Pair::up()?;
    let follower = Follower::start(pair.command(&["events", "-f", "-o", "text"])?)?;
    follower.wait_for("node bob active")?;
    pair.bob.kill_core()?;
    follower.wait_for("node bob restarted")
}

fn follow_has_no_gap() -> Result<(), Error> {
    let mut pair = Pair::up()?;
    let words = ["events", "-f", "-n", "10000", "--plain", "-o", "id,text"];
    let follower = Follower::start(pair.command(&words)?)?;
    let mut shown = follower.read_until("node bob active")?;
    for _ in 0..2 {
        pair.alice.signal("supervisor", Signal::SIGKILL)?;
        shown.extend(follower.read_until("the supervisor died; another goes on")?);
    }
    pair.alice.terminate(LIMIT)?;
    pair.alice.start()?;
    shown.extend(follower.read_until("node bob active")?);
    pair.bob.kill_core()?;
    shown.extend(follower.read_until("node bob restarted")?);

    let id = |line: &String| line.split('\t').next().map(str::to_owned);
    let shown: Vec<String> = shown.iter().filter_map(id).collect();
    let once: BTreeSet<&String> = shown.iter().collect();
    demand(once.len() == shown.len(), "an event that is shown twice")?;
    let kept = pair.alice.events()?;
    let mut kept: Vec<String> = kept.iter().map(|event| event.id.to_string()).collect();
    let last = shown
        .last()
        .and_then(|last| kept.iter().position(|id| id == last));
    kept.truncate(last.map_or(0, |last| last + 1));
    // What a supervisor told and did not write before it was killed is shown and not kept.
    let of_both: Vec<String> = shown.into_iter().filter(|id| kept.contains(id)).collect();
    demand(
        !kept.is_empty() && of_both == kept,
        &format!("{of_both:?} shown of {kept:?}"),
    )
}

fn listen_goes_on() -> Result<(), Error> {
    let pair = Pair::up()?;
    let follower = Follower::start(pair.command(&["message", "listen", "jobs"])?)?;
    let send = |text: &str| {
        wait::until_true(LIMIT, "the message is delivered", || {
            let mut send = Command::new(program::of_workspace("hactl")?);
            send.args(["message", "send", "alice", "jobs", text, "--from=cron"]);
            send.arg("--socket").arg(pair.bob.socket());
            let output = file("run hactl", send.stdin(Stdio::null()).output())?;
            match output.status.code() {
                Some(0) => Ok(true),
                // Nobody listens yet, or not yet again, or the session of before ends.
                Some(4 | 1) => Ok(false),
                _ => unexpected(String::from_utf8_lossy(&output.stderr)),
            }
        })
    };
    send("one")?;
    follower.wait_for("bob/cron one")?;
    let before = pair.alice.signal("supervisor", Signal::SIGKILL)?;
    wait::until_true(LIMIT, "another supervisor answers", || {
        let is_another = pair.alice.supervisor_pid().is_ok_and(|pid| pid != before);
        Ok(is_another && pair.alice.view().is_ok_and(|view| view.started.is_some()))
    })?;
    send("two")?;
    follower.wait_for("bob/cron two")
}

fn report_is_whole() -> Result<(), Error> {
    let pair = Pair::up()?;
    let directory = Scratch::new()?;
    let archive = directory.path().join("report.tar.gz");
    let mut report = pair.command(&["report"])?;
    report.arg(&archive);
    report.arg("--config").arg(pair.config.path());
    report.arg("--state").arg(pair.alice.state());
    let output = file("run hactl", report.output())?;
    demand(
        output.status.success(),
        &String::from_utf8_lossy(&output.stderr),
    )?;
    let mut tar = Command::new("tar");
    let unpacked = file("run tar", tar.arg("xzOf").arg(&archive).output())?;
    let all = String::from_utf8_lossy(&unpacked.stdout);
    for part in [
        "alice: 2 of 2 nodes active",
        "events on the disk",
        "hbd flight",
        "1 sha1 (a key of 17 bytes)",
        "\"keepalive\"",
    ] {
        demand(all.contains(part), part)?;
    }
    demand(!all.contains("what hbd says:"), "that hbd did not answer")?;
    demand(!all.contains("a-long-enough-key"), "the key")
}

fn scripts_wait() -> Result<(), Error> {
    let mut pair = Pair::down()?;
    let mut settled = Waiter::start(pair.command(&["wait-for", "settled", "--timeout", "60s"])?)?;
    pair.start()?;
    settled.demand_end(0)?;
    pair.ends(&["wait-for", "link", "bob/lo", "up"], 0)?;
    pair.ends(&["is-member"], 0)?;
    pair.ends(&["is-member", "bob"], 0)?;
    // What this machine lacks is a warning.
    let health = file("run hactl", pair.command(&["health", "--nagios"])?.output())?;
    let line = String::from_utf8_lossy(&health.stdout);
    let word = match health.status.code() {
        Some(0) => "OK",
        _ => "WARNING",
    };
    let begin = format!("HBD {word} - alice: 2 of 2 nodes active, its only link up");
    demand(line.starts_with(&begin), &line)?;

    let mut dead = Waiter::start(pair.command(&["wait-for", "node", "bob", "dead"])?)?;
    pair.bob.terminate(LIMIT)?;
    dead.demand_end(0)?;
    pair.ends(&["is-member", "bob"], 1)?;
    pair.alice.crash()?;
    pair.ends(&["is-member"], 3)?;
    pair.ends(&["health"], 2)
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
    config: Scratch,
}

impl Pair {
    /// Starts them and waits until each takes the other for active.
    fn up() -> Result<Self, Error> {
        Self::up_with("")
    }

    /// The same with these groups.
    fn up_with(haresources: &str) -> Result<Self, Error> {
        let mut pair = Self::down()?;
        if !haresources.is_empty() {
            let config = pair.config.path();
            scratch::write(&config.join("haresources"), haresources)?;
            let ha_cf = format!("{HA_CF}auto_failback off\n");
            scratch::write(&config.join("ha.cf"), &ha_cf)?;
        }
        pair.start()?;
        for node in ["alice", "bob"] {
            pair.alice.wait_status(node, NodeStatus::Active, LIMIT)?;
        }
        pair.bob.wait_status("alice", NodeStatus::Active, LIMIT)?;
        Ok(pair)
    }

    fn start(&mut self) -> Result<(), Error> {
        self.alice.start()?;
        self.bob.start()
    }

    /// Two machines on which nothing runs yet.
    fn down() -> Result<Self, Error> {
        let config = Scratch::new()?;
        scratch::write(&config.path().join("ha.cf"), HA_CF)?;
        scratch::write_secret(
            &config.path().join("authkeys"),
            "auth 1\n1 sha1 a-long-enough-key\n",
        )?;
        let network = Arc::new(Namespace::new()?);
        Ok(Self {
            alice: Daemon::new("alice", &network, config.path())?,
            bob: Daemon::new("bob", &network, config.path())?,
            config,
        })
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

    /// Demands its exit code.
    fn ends(&self, arguments: &[&str], code: i32) -> Result<(), Error> {
        let output = file("run hactl", self.command(arguments)?.output())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = said + &String::from_utf8_lossy(&output.stderr);
        demand(
            output.status.code() == Some(code),
            &format!("{arguments:?}: {}: {said}", output.status),
        )
    }
}

/// A call that ends when something is so.
struct Waiter(Child);

impl Waiter {
    fn start(mut command: Command) -> Result<Self, Error> {
        file("start hactl", command.spawn()).map(Self)
    }

    fn demand_end(&mut self, code: i32) -> Result<(), Error> {
        let status = wait::until(LIMIT, "hactl ends", || {
            file("wait for hactl", self.0.try_wait())
        })?;
        demand(status.code() == Some(code), &status.to_string())
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
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

    /// Reads until a line has this in it.
    fn wait_for(&self, part: &str) -> Result<(), Error> {
        self.read_until(part).map(drop)
    }

    /// The lines up to one that has this in it.
    fn read_until(&self, part: &str) -> Result<Vec<String>, Error> {
        let end = Instant::now() + LIMIT;
        let mut read = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    read.push(line);
                    if read.last().is_some_and(|line| line.contains(part)) {
                        return Ok(read);
                    }
                }
                Err(_) => {
                    return Err(Error::NotWithin {
                        condition: format!("a line has {part:?}"),
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
