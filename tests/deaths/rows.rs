//! The rows of the table, one after another on one pair: each begins where the one before it ended.

use hbd_tests::error::{Error, unexpected};
use hbd_tests::{instance, program, wait};
use nix::sys::signal::Signal::{self, SIGKILL, SIGSTOP};

use crate::pair::{Pair, SOON, Watcher, demand};

/// A row.
struct Row {
    name: &'static str,
    /// What happens to bob.
    act: fn(&mut Pair) -> Result<(), Error>,
    /// Which of his processes are others afterwards.
    replaced: &'static [&'static str],
    /// Whether alice sees him restart.
    restart: bool,
}

const ROLES: [&str; 3] = ["supervisor", "core", "manager"];
const ROWS: [Row; 8] = [
    Row {
        name: "the supervisor is killed",
        act: |pair| signal(pair, &["supervisor"], SIGKILL),
        replaced: &["supervisor"],
        restart: false,
    },
    Row {
        name: "the core is killed",
        act: |pair| signal(pair, &["core"], SIGKILL),
        replaced: &["core"],
        restart: true,
    },
    Row {
        name: "the manager is killed",
        act: |pair| signal(pair, &["manager"], SIGKILL),
        replaced: &["manager"],
        restart: false,
    },
    Row {
        name: "the core hangs",
        act: |pair| signal(pair, &["core"], SIGSTOP),
        replaced: &["core"],
        restart: true,
    },
    Row {
        name: "the manager hangs",
        act: |pair| signal(pair, &["manager"], SIGSTOP),
        replaced: &["manager"],
        restart: false,
    },
    Row {
        name: "supervisor and manager are killed, and hbd is started by hand",
        act: by_hand,
        replaced: &["supervisor", "manager"],
        restart: false,
    },
    Row {
        name: "supervisor and core are killed",
        act: |pair| signal(pair, &["supervisor", "core"], SIGKILL),
        replaced: &["supervisor", "core"],
        restart: true,
    },
    Row {
        name: "another build is installed, and hactl upgrade is called",
        act: upgrade,
        replaced: &["core", "manager"],
        restart: true,
    },
];

/// Plays all of them, and ends what is left in order.
pub(crate) fn play(watcher: Watcher) -> Result<(), Error> {
    let mut pair = Pair::running(watcher)?;
    for row in &ROWS {
        let played = row.play(&mut pair);
        played.map_err(|error| {
            pair.with_logs(&Error::Unexpected(format!("{}: {error}", row.name)))
        })?;
    }
    pair.bob.terminate(SOON)?;
    pair.alice_sees("dead")
}

impl Row {
    fn play(&self, pair: &mut Pair) -> Result<(), Error> {
        let (deaths, restarts) = (pair.deaths()?, pair.restarts()?);
        let before = processes(pair)?;
        (self.act)(pair)?;
        wait::until_true(SOON, "those processes are replaced, and no others", || {
            // Between two of them there is none.
            let Ok(after) = processes(pair) else {
                return Ok(false);
            };
            let mut roles = ROLES.iter().zip(before.iter().zip(&after));
            Ok(roles
                .all(|(role, (before, after))| (before != after) == self.replaced.contains(role)))
        })?;
        pair.both_active()?;
        let seen = restarts + usize::from(self.restart);
        wait::until_true(SOON, "alice saw as many restarts as there were", || {
            Ok(pair.restarts()? >= seen)
        })?;
        demand(pair.restarts()? == seen, "alice saw no other restart")?;
        demand(pair.deaths()? == deaths, "alice saw no death")
    }
}

fn processes(pair: &Pair) -> Result<[i32; 3], Error> {
    Ok([
        pair.bob.supervisor_pid()?,
        pair.bob.core()?.pid,
        pair.bob.manager()?.pid,
    ])
}

fn signal(pair: &Pair, roles: &[&str], signal: Signal) -> Result<(), Error> {
    roles
        .iter()
        .try_for_each(|role| pair.bob.signal(role, signal).map(drop))
}

/// The supervisor is stopped first, so that it does not replace the manager.
fn by_hand(pair: &mut Pair) -> Result<(), Error> {
    pair.bob.signal("supervisor", SIGSTOP)?;
    signal(pair, &["manager", "supervisor"], SIGKILL)?;
    wait::until_true(SOON, "the supervisor has ended", || {
        Ok(!instance::is_held(&pair.bob.run(), "supervisor"))
    })?;
    pair.bob.start_beside()
}

fn upgrade(pair: &mut Pair) -> Result<(), Error> {
    pair.bob.install(1)?;
    let hactl = program::of_workspace("hactl")?;
    let socket = pair.bob.socket();
    let said = program::run(
        &hactl.to_string_lossy(),
        &["--socket", &socket.to_string_lossy(), "upgrade"],
    )?;
    if said.contains("upgraded in") && said.contains("no peer lost this node") {
        return Ok(());
    }
    unexpected(format!("hactl upgrade says:\n{said}"))
}
