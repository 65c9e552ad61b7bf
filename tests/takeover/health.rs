//! Monitors of Mon and plugins of Nagios say how a node and a group are.
//!
//! What they connect to is a port of a node, which is open while the test has it open there.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};

use hbd_tests::error::{Error, file};
use hbd_tests::precondition::{MONITORS, PLUGINS};
use hbd_tests::program;
use hbd_tests::scratch;
use hbd_tests::wait;
use shared::event::{Kind, Severity};
use shared::health::{CheckName, HealthState};

use crate::stage::{ALICE, BOB, NODES, SOON, Stage, WEB_GROUP, demand, play};

const PORT: u16 = 8080;
/// What a monitor hangs in. Nothing else has this on its command line.
const HANGS: &str = "7753";

/// Each state a program can report is told once, by the node that found it; a run that hangs is ended with all it started.
pub(crate) fn told() -> Result<(), Error> {
    play("auto_failback on", |stage| {
        let hangs = stage.path("hangs.monitor");
        scratch::write_script(&hangs, &format!("#!/bin/sh\nsleep {HANGS} &\nwait\n"))?;
        let lines = format!(
            "health disk nagios node 1 {PLUGINS}/check_disk -w 0% -c 0% -p /\n\
             health warns nagios node 1 {PLUGINS}/check_dummy 1 so-so\n\
             health strict nagios node 1 warning=failure {PLUGINS}/check_dummy 1 so-so\n\
             health lost nagios node 1 {PLUGINS}/check_dummy 3 nobody-knows\n\
             health none nagios node 1 {PLUGINS}/check_nothing\n\
             health hangs mon node 1 timeout=0.2 failures=1 {}\n\
             health nodes mon node 1 {MONITORS}/tcp.monitor -p {PORT} 10.9.0.1 10.9.0.2\n\
             health web nagios group={WEB_GROUP} 1 {PLUGINS}/check_tcp -H 10.9.0.50 -p {PORT}\n",
            hangs.display()
        );
        add_lines(stage, &lines)?;
        let alice = listen(stage, ALICE)?;
        stage.start_both()?;
        is(stage, ALICE, "disk", HealthState::Ok)?;
        is(stage, ALICE, "warns", HealthState::Warning)?;
        is(stage, ALICE, "strict", HealthState::Failed)?;
        is(stage, ALICE, "lost", HealthState::Unknown)?;
        is(stage, ALICE, "none", HealthState::Unknown)?;
        is(stage, ALICE, "hangs", HealthState::Failed)?;
        is(stage, ALICE, "web", HealthState::Ok)?;
        for node in [ALICE, BOB] {
            says(stage, node, "nodes", HealthState::Failed, "10.9.0.2")?;
        }
        drop(alice);
        for node in [ALICE, BOB] {
            let both = "10.9.0.1 10.9.0.2";
            says(stage, node, "nodes", HealthState::Failed, both)?;
        }
        is(stage, ALICE, "web", HealthState::Failed)?;
        shown(stage)?;
        let _alice = listen(stage, ALICE)?;
        let _bob = listen(stage, BOB)?;
        for node in [ALICE, BOB] {
            is(stage, node, "nodes", HealthState::Ok)?;
        }
        is(stage, ALICE, "web", HealthState::Ok)?;
        told_once(stage)?;
        nothing_is_left(stage)
    })
}

/// Each change is one event, however often the program ran.
fn told_once(stage: &Stage) -> Result<(), Error> {
    let of = |node: usize, wanted: &str| {
        stage.events(node, |event| match &event.kind {
            Kind::Health { check, to, .. } if check.as_str() == wanted => {
                Some((*to, event.severity, event.text.clone()))
            }
            _ => None,
        })
    };
    for (check, to, severity) in [
        ("disk", HealthState::Ok, Severity::Info),
        ("warns", HealthState::Warning, Severity::Warning),
        ("strict", HealthState::Failed, Severity::Error),
        ("lost", HealthState::Unknown, Severity::Warning),
        ("none", HealthState::Unknown, Severity::Warning),
        ("hangs", HealthState::Failed, Severity::Error),
    ] {
        let events = of(ALICE, check)?;
        let alike = matches!(&events[..], [(state, how, _)] if (*state, *how) == (to, severity));
        demand(alike, &format!("{check} is told once: {events:?}"))?;
    }
    let states = |events: Vec<(HealthState, Severity, String)>| -> Vec<HealthState> {
        events.into_iter().map(|(state, ..)| state).collect()
    };
    let (web, nodes) = (states(of(ALICE, "web")?), states(of(ALICE, "nodes")?));
    let (well, fails) = (HealthState::Ok, HealthState::Failed);
    demand(web == [well, fails, well], &format!("web: {web:?}"))?;
    // What fails is another one in between: both when only one of them listens again.
    let several = nodes.len() >= 3 && nodes.last() == Some(&well);
    demand(several, &format!("nodes: {nodes:?}"))?;
    let elsewhere = of(BOB, "web")?;
    demand(
        elsewhere.is_empty(),
        &format!("bob does not check what alice has: {elsewhere:?}"),
    )
}

/// `hactl` has it as a finding, and a monitoring system of its own is told.
fn shown(stage: &Stage) -> Result<(), Error> {
    let hactl = program::of_workspace("hactl")?;
    let socket = stage.daemons[ALICE].socket();
    let ask = |verb: &str| {
        let words = ["--socket", &*socket.to_string_lossy(), verb].map(str::to_owned);
        program::output(&hactl.to_string_lossy(), &words)
    };
    let status = ask("status")?;
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    let fails = format!("health check web of group {WEB_GROUP} fails: ");
    let lost = "health check lost of node alice cannot find out: UNKNOWN: nobody-knows";
    demand(
        status.contains(&fails) && status.contains(lost),
        &format!("hactl status shows it:\n{status}"),
    )?;
    let health = ask("health")?;
    demand(
        health.status.code() == Some(2),
        &format!("hactl health is critical: {health:?}"),
    )
}

/// A run that hangs is ended, though it started another process.
fn nothing_is_left(stage: &mut Stage) -> Result<(), Error> {
    for daemon in &mut stage.daemons {
        daemon.terminate(SOON)?;
    }
    let none = format!("nobody sleeps {HANGS} s");
    wait::until_true(SOON, &none, || {
        for machine in &stage.machines {
            for pid in machine.pids()? {
                let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
                if line.unwrap_or_default().contains(HANGS) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    })
}

/// A port of a node is open for as long as this is kept.
fn listen(stage: &Stage, node: usize) -> Result<TcpListener, Error> {
    let open = || TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT));
    let opened = stage.machines[node].inside(open).flatten();
    opened.map_err(|reason| Error::Unexpected(format!("{}, port {PORT}: {reason}", NODES[node])))
}

fn add_lines(stage: &Stage, lines: &str) -> Result<(), Error> {
    for node in [ALICE, BOB] {
        let path = stage.config(node, "hbd.cf");
        let opened = OpenOptions::new().append(true).open(&path);
        let written = opened.and_then(|mut opened| opened.write_all(lines.as_bytes()));
        file(path.display(), written)?;
    }
    Ok(())
}

/// Waits until a node's check says that.
fn is(stage: &Stage, node: usize, check: &str, state: HealthState) -> Result<(), Error> {
    wait_for(stage, node, check, (state, None))
}

/// The same in these words.
fn says(
    stage: &Stage,
    node: usize,
    check: &str,
    state: HealthState,
    summary: &str,
) -> Result<(), Error> {
    wait_for(stage, node, check, (state, Some(summary)))
}

fn wait_for(
    stage: &Stage,
    node: usize,
    check: &str,
    (state, summary): (HealthState, Option<&str>),
) -> Result<(), Error> {
    let mut condition = format!("{check} of {} is {state}", NODES[node]);
    if let Some(summary) = summary {
        let _ = write!(condition, ": {summary}");
    }
    let name = CheckName::new(check).map_err(|reason| Error::Unexpected(reason.to_string()))?;
    wait::until_true(SOON, &condition, || {
        let view = stage.daemons[node].view()?;
        let found = view.health.get(&name);
        Ok(found.is_some_and(|found| {
            found.state == state && summary.is_none_or(|summary| found.summary == summary)
        }))
    })
}
