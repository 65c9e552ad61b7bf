//! hbd's configuration changes while its peer is a real Heartbeat, which changes its own as it can.

use std::path::Path;
use std::time::Duration;

use hbd_tests::daemon::Daemon;
use hbd_tests::error::{self, Error, unexpected};
use hbd_tests::{scratch, wait};
use shared::event::{Kind, NodeStatus, StatusReason};

use crate::company::{BOOT, Company, hactl, happened, logged, nothing_of};

const BOB: &str = "bob";
/// As the lanes have it.
const KEEPALIVE: Duration = Duration::from_millis(500);
/// After a step so long nobody may die, and nothing may be refused.
const AFTERWARDS: Duration = Duration::from_secs(7);
/// What no Heartbeat says of a peer with which all is well.
const TROUBLE: [&str; 6] = [
    "is dead",
    "Late heartbeat",
    "partition",
    "lost packet",
    "CRIT",
    "ERROR",
];

/// The steps of authkeys(5): everybody gets the new key; `auth` names it everywhere within deadtime; the old one goes.
pub(crate) fn keys() -> Result<(), Error> {
    const STEPS: [&str; 3] = [
        "auth 1\n1 sha1 interop-key\n2 sha1 newer-key\n",
        "auth 2\n1 sha1 interop-key\n2 sha1 newer-key\n",
        "auth 2\n2 sha1 newer-key\n",
    ];
    let company = Company::running(&[BOB])?;
    let (alice, bob) = (&company.alice, &company.daemons[0]);
    let start = alice.log()?.len();
    for keys in STEPS {
        let theirs = alice.directory("etc")?.join("authkeys");
        scratch::write_secret(&theirs, keys)?;
        scratch::write_secret(&company.configs[0].join("authkeys"), keys)?;
        company.alice_rereads()?;
        reload(bob)?;
        // Between the two a beat may be refused, and no more than that.
        wait::stays_true(KEEPALIVE * 2, "they are members", || Ok(true))?;
        let mark = alice.log()?.len();
        wait::stays_true(AFTERWARDS, "nobody is dead", || {
            Ok(bob.status_of("alice")? == Some(NodeStatus::Active)
                && alice.ask(&["cl_status", "nodestatus", BOB])? == "active")
        })?;
        nothing_of(alice, mark, &["auth", BOB])?;
    }
    // She logs a refused beat as an error.
    let [trouble @ .., _error] = TROUBLE;
    nothing_of(alice, start, &trouble)?;
    no_death(bob)
}

/// Longer times, first here and then there, and back again.
pub(crate) fn times() -> Result<(), Error> {
    const SHORT: &str = "keepalive 500ms\nwarntime 3\ndeadtime 5\ninitdead 10\n";
    const LONG: &str = "keepalive 1\nwarntime 4\ndeadtime 8\ninitdead 16\n";
    let company = Company::running(&[BOB])?;
    let (alice, bob) = (&company.alice, &company.daemons[0]);
    for (from, to, deadtime) in [(SHORT, LONG, 8), (LONG, SHORT, 5)] {
        let mark = alice.log()?.len();
        replace(&company.configs[0].join("ha.cf"), from, to)?;
        reload(bob)?;
        let deadtime = Duration::from_secs(deadtime);
        wait::until_true(BOOT, "bob's times are others", || {
            let view = bob.view()?;
            let used = view.started.map(|started| started.deadtime);
            Ok(used == Some(deadtime) && view.times_changing.is_none())
        })?;
        replace(&alice.directory("etc")?.join("ha.cf"), from, to)?;
        company.alice_rereads()?;
        logged(alice, mark, "Heartbeat generation: ")?;
        company.all_active(&[BOB])?;
        nothing_of(alice, mark, &TROUBLE)?;
    }
    no_death(bob)
}

fn replace(file: &Path, from: &str, to: &str) -> Result<(), Error> {
    let text = error::file("read ha.cf", std::fs::read_to_string(file))?;
    match text.contains(from) {
        true => scratch::write(file, &text.replace(from, to)),
        false => unexpected(format!("{} lacks {from:?}:\n{text}", file.display())),
    }
}

fn reload(daemon: &Daemon) -> Result<(), Error> {
    let said = hactl(daemon, &["reload"])?;
    match said.status.success() {
        true => Ok(()),
        false => unexpected(format!("hactl reload: {said:?}")),
    }
}

fn no_death(bob: &Daemon) -> Result<(), Error> {
    let died = happened(bob, |event| match &event.kind {
        Kind::NodeStatus { to, reason, .. } => {
            *to == NodeStatus::Dead && *reason != StatusReason::Left
        }
        Kind::Unauthenticated { .. } | Kind::OwnStall { .. } => true,
        _ => false,
    })?;
    died.map_or(Ok(()), unexpected)
}
