//! `hactl upgrade`: the program that was installed in the place of the one that runs.

use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use clap::Command;
use serde::Serialize;
use shared::api::{Process, Request, Snapshot, Success, Upgrade, UpgradeOutcome, Upgraded};
use shared::client::ClientError;
use shared::event::{Kind, Role, Span};
use shared::exit::Exit;
use shared::names::NodeName;
use shared::view::ClusterView;

use crate::cli::{Call, Example, Verb, flag};
use crate::error::Error;
use crate::print::json;

pub(crate) const VERB: Verb = Verb {
    name: "upgrade",
    about: "Lets hbd become the program that was installed in its place",
    text: "\
Install the new program over the old one, at the path hbd was started by, then call this on each node
in turn. hbd first lets the new program check the configuration, and refuses the upgrade if that fails. Then the supervisor
becomes the new program under the same process id, goes on with manager and core, and replaces what
is another build: the manager, then the core by a quick restart, which peers see as a restart and no
death. What was done is shown for each process, and whether a peer lost this node meanwhile. Ends
with 0 if every process is the new build, also if nothing was to be done, and under --dry-run if it
would be done; with 7 if it is refused, also for a program that is missing or may not be executed, and
then nothing is changed; with 6 if it is not done within
--timeout.",
    examples: &[
        Example {
            line: "hactl upgrade --dry-run",
            about: "is another build installed, and would it run?",
        },
        Example {
            line: "hactl upgrade",
            about: "let it run",
        },
        Example {
            line: "hactl upgrade --json | jq -r .outcome",
            about: "for programs",
        },
    ],
    arguments,
    run,
};

/// Pause between two looks whether it is done.
const LOOK: Duration = Duration::from_millis(100);
/// Processes of an hbd.
const PROCESSES: usize = 3;
/// More events than an upgrade makes.
const EVENTS: usize = 1000;

fn arguments(command: Command) -> Command {
    command
        .arg(flag("dry-run", "Only show what would be done"))
        .arg(flag("json", "JSON, with all fields"))
        .arg(crate::cli::timeout(
            "1m",
            "How long all of it may take: 30s, 1m",
        ))
}

/// What was done.
#[derive(Serialize)]
struct Report {
    outcome: &'static str,
    program: String,
    build: String,
    reason: String,
    before: Vec<Process>,
    after: Vec<Process>,
    /// Nodes that lived before and are lost, or said that they did not hear this node.
    lost: Vec<NodeName>,
    took_ms: u64,
}

fn run(call: &Call) -> Result<Exit, Error> {
    let begin = Instant::now();
    let mut client = call.client()?;
    let before = client.snapshot()?;
    let wish = Upgrade {
        dry_run: call.flag("dry-run"),
    };
    let Success::Upgraded(reply) = client.order(Request::Upgrade(wish), &key())? else {
        return Err(Error::Unexpected("upgrade"));
    };
    drop(client);
    let (after, lost) = match reply.outcome {
        UpgradeOutcome::Upgrading => finished(call, begin, &before)?,
        _ => (Vec::new(), Vec::new()),
    };
    let report = report(*reply, after, lost, begin);
    let mut out = super::output();
    match call.flag("json") {
        true => json(&mut out, &report, true)?,
        false => write(&mut out, &report)?,
    }
    out.flush()?;
    Ok(match report.outcome {
        "refused" => Exit::Refused,
        _ => Exit::Done,
    })
}

/// A key that no other call has: an upgrade is an order of its own each time.
fn key() -> String {
    let nanos = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    format!("upgrade-{}-{nanos}", std::process::id())
}

fn report(reply: Upgraded, after: Vec<Process>, lost: Vec<NodeName>, begin: Instant) -> Report {
    let outcome = match reply.outcome {
        UpgradeOutcome::Unchanged => "unchanged",
        UpgradeOutcome::WouldUpgrade => "would-upgrade",
        UpgradeOutcome::Upgrading => "upgraded",
        UpgradeOutcome::Refused => "refused",
    };
    Report {
        outcome,
        program: reply.program,
        build: reply.build,
        reason: reply.reason,
        before: reply.processes,
        after,
        lost,
        took_ms: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

/// Waits until every process is the new build and the node is what it was.
fn finished(call: &Call, begin: Instant, before: &Snapshot) -> Result<Finished, Error> {
    loop {
        match look(call, before) {
            Ok(Some(done)) => return Ok(done),
            Ok(None) => {}
            // The supervisor is on its way.
            Err(
                ClientError::Connect { .. } | ClientError::Io { .. } | ClientError::Closed { .. },
            ) => {}
            Err(other) => return Err(other.into()),
        }
        if begin.elapsed() > call.limit {
            return Err(Error::NotReached {
                condition: "upgraded".into(),
                limit: call.limit,
                missing: None,
            });
        }
        std::thread::sleep(LOOK);
    }
}

/// The processes and the nodes that were lost.
type Finished = (Vec<Process>, Vec<NodeName>);

/// What came of it, if it is done.
fn look(call: &Call, before: &Snapshot) -> Result<Option<Finished>, ClientError> {
    let mut client = shared::client::Client::connect(&call.socket, call.limit)?;
    let wish = Upgrade { dry_run: true };
    let Success::Upgraded(now) = client.request(Request::Upgrade(wish))? else {
        return Ok(None);
    };
    if now.outcome != UpgradeOutcome::Unchanged || now.processes.len() < PROCESSES {
        return Ok(None);
    }
    let view = client.snapshot()?.view;
    if own_status(&view) != own_status(&before.view) {
        return Ok(None);
    }
    let deaf = client.events(EVENTS)?.into_iter().filter_map(|event| {
        let later = event.boot > before.at.boot;
        match event.kind {
            Kind::NotHeard { node, .. } if later => Some(node),
            _ => None,
        }
    });
    let mut lost: Vec<_> = deaf.chain(gone(&before.view, &view)).collect();
    lost.sort();
    lost.dedup();
    Ok(Some((now.processes, lost)))
}

fn own_status(view: &ClusterView) -> Option<shared::event::NodeStatus> {
    Some(view.nodes.get(view.own()?)?.status)
}

/// Nodes that lived and do not any more.
fn gone(before: &ClusterView, now: &ClusterView) -> Vec<NodeName> {
    let lives = |view: &ClusterView, name: &NodeName| {
        view.nodes
            .get(name)
            .is_some_and(|node| node.status.is_alive())
    };
    let lost = |name: &&NodeName| lives(before, name) && !lives(now, name);
    before.nodes.keys().filter(lost).cloned().collect()
}

fn write(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    match report.build.as_str() {
        "" => writeln!(out, "{}: no build to be seen", report.program)?,
        build => writeln!(out, "{}: build {build}", report.program)?,
    }
    for process in &report.before {
        let after = report.after.iter().find(|now| now.role == process.role);
        write_process(out, process, after)?;
    }
    let lost: Vec<&str> = report.lost.iter().map(NodeName::as_str).collect();
    match report.outcome {
        "unchanged" => writeln!(out, "every process is that build; nothing needs to be done"),
        "would-upgrade" => writeln!(
            out,
            "the supervisor would become it, then the manager be replaced, then the core by a \
             quick restart; this was a dry run"
        ),
        "refused" => writeln!(
            out,
            "refused: {}\nwhat ran before goes on",
            report.reason.trim()
        ),
        _ if lost.is_empty() => writeln!(
            out,
            "upgraded in {}; no peer lost this node",
            Span(Duration::from_millis(report.took_ms))
        ),
        _ => writeln!(
            out,
            "upgraded in {}; lost meanwhile: {}; hactl events says how",
            Span(Duration::from_millis(report.took_ms)),
            lost.join(", ")
        ),
    }
}

/// A process before and, if it was replaced, after.
fn write_process(
    out: &mut impl Write,
    before: &Process,
    after: Option<&Process>,
) -> std::io::Result<()> {
    let Process {
        role,
        pid,
        generation,
        build,
    } = before;
    let Some(after) = after else {
        return writeln!(out, "  {role:<10}  pid {pid}, build {build}");
    };
    write!(out, "  {role:<10}  pid {pid}")?;
    if after.pid != *pid {
        write!(out, " -> {}", after.pid)?;
    }
    write!(out, ", build {build} -> {}", after.build)?;
    match role {
        Role::Core => writeln!(out, ", generation {generation} -> {}", after.generation),
        Role::Supervisor | Role::Manager => writeln!(out),
    }
}
