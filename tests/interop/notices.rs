//! Scripts of Heartbeat's contract on a node of hbd: the very same script is told the same as by a real Heartbeat, and is
//! told it too beside another hbd.
//!
//! Both nodes have the script as `rc.d/status` and as a resource. It keeps its environment in a file.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hbd_tests::error::{Error, file, unexpected};
use hbd_tests::{scratch, wait};
use shared::event::Kind;

use crate::commands::{ALL_ON_ALICE, ALL_ON_BOB, BOB, EACH_ITS_OWN, LIMIT, Pair, Partner};
use crate::company::{ALICE, hactl};

/// Where a package puts what a Heartbeat runs.
const INSTALLED: &str = "/etc/ha.d";
/// It does on a real Heartbeat what the installed one does, which is `status.own` there.
const NOTICE: &str = "#!/bin/sh\nd=${0%/rc.d/*}/kept\nenv >\"$d/new\" && mv \"$d/new\" \"$d/$1-$HA_st\"\n\
                      [ -x \"$0.own\" ] && exec \"$0.own\" \"$@\"\nexit 0\n";
const RESOURCE: &str = "#!/bin/sh\nd=${0%/resource.d/*}/kept\ncase $2 in\n\
                        start) env >\"$d/new-$1\" && mv \"$d/new-$1\" \"$d/start-$1\"; : >\"$d/up-$1\" ;;\n\
                        stop) rm -f \"$d/up-$1\" ;;\nstatus) [ -e \"$d/up-$1\" ] && echo running || echo stopped ;;\nesac\n";
/// It must never run.
const DANGEROUS: &str = "#!/bin/sh\n: mach_down \"$HA_src\"\n: >\"${0%/rc.d/*}/kept/ran\"\n";

/// What a Heartbeat says of what hbd does not have: its own programs, compression, cores, what is in a beat alone.
const NOT_HERE: [&str; 25] = [
    "HA_COMPRESSION",
    "HA_auth",
    "HA_autojoin",
    "HA_baud",
    "HA_cluster",
    "HA_compression",
    "HA_compression_threshold",
    "HA_conn_logd_time",
    "HA_coredumps",
    "HA_debug",
    "HA_dt",
    "HA_enable_config_writes",
    "HA_hbd",
    "HA_ld",
    "HA_memreserve",
    "HA_msgfmt",
    "HA_pacemaker",
    "HA_protocol",
    "HA_record_config_changes",
    "HA_record_pengine_inputs",
    "HA_syslogmsgfmt",
    "HA_traditional_compression",
    "HA_ttl",
    "HA_BIN",
    "HA_DOCDIR",
];
/// What a resource of a Heartbeat is told only because a notification started it, and what only its own programs use.
const BY_CHANCE: [&str; 12] = [
    "HA_FIFO",
    "HA_OSTATUS",
    "HA_dest",
    "HA_hg",
    "HA_ipaddr",
    "HA_ok",
    "HA_seq",
    "HA_src",
    "HA_st",
    "HA_t",
    "HA_ts",
    "HA_weown",
];
/// What is another on each node, or at each moment; or a default, which Heartbeat writes in another way.
const DIFFERS: [&str; 7] = [
    "HA_CURHOST",
    "HA_deadping",
    "HA_hg",
    "HA_log_badpack",
    "HA_seq",
    "HA_src",
    "HA_ts",
];

type Variables = BTreeMap<String, String>;

/// Where the configuration of each node is.
fn directories(pair: &Pair) -> Result<[PathBuf; 2], Error> {
    let alice = match &pair.alice {
        Partner::Heartbeat(node) => node.directory("etc")?,
        Partner::Hbd(_) => pair.config.path().join(ALICE),
    };
    Ok([alice, pair.config.path().join(BOB)])
}

fn program(path: &Path, text: &str) -> Result<(), Error> {
    scratch::write(path, text)?;
    file(
        "chmod",
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)),
    )
}

/// Both nodes have the scripts, and have begun.
fn prepared(heartbeat: bool) -> Result<(Pair, [PathBuf; 2]), Error> {
    let mut pair = Pair::new(heartbeat)?;
    let directories = directories(&pair)?;
    for directory in &directories {
        for part in ["rc.d", "resource.d", "kept"] {
            file("make a directory", fs::create_dir_all(directory.join(part)))?;
        }
        program(&directory.join("rc.d/status"), NOTICE)?;
        program(&directory.join("resource.d/Keeps"), RESOURCE)?;
        let groups = "alice 10.9.0.50/24/eth0 Keeps::a\nbob 10.9.0.51/24/eth0 Keeps::b\n";
        scratch::write(&directory.join("haresources"), groups)?;
    }
    if heartbeat {
        let own = directories[0].join("rc.d/status.own");
        installed("rc.d/status", &own)?;
        for part in ["harc", "shellfuncs"] {
            installed(part, &directories[1].join(part))?;
        }
    }
    pair.start()?;
    Ok((pair, directories))
}

fn installed(part: &str, to: &Path) -> Result<(), Error> {
    let from = Path::new(INSTALLED).join(part);
    file(part, fs::copy(from, to)).map(drop)
}

/// What was told under that name, once it was: it is told anew next time.
fn told(directory: &Path, name: &str) -> Result<Variables, Error> {
    let path = directory.join("kept").join(name);
    wait::until_true(LIMIT, &format!("{} is there", path.display()), || {
        Ok(path.exists())
    })?;
    let text = file("read what was told", fs::read_to_string(&path))?;
    file("forget it", fs::remove_file(&path))?;
    let place = directory.display().to_string();
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let of_contract =
        |(name, _): &(&str, &str)| name.starts_with("HA_") || name.starts_with("OCF_");
    let plain = |value: &str| value.replace(&place, INSTALLED).replace("//", "/");
    let told = lines.filter(of_contract);
    Ok(told
        .map(|(name, value)| {
            (
                name.to_owned(),
                plain(value).trim_end_matches('/').to_owned(),
            )
        })
        .collect())
}

/// Everything that the real one says is said here too, and is the same, but for what cannot be.
fn agree(what: &str, real: &Variables, ours: &Variables, but: &[&str]) -> Result<(), Error> {
    let excepted =
        |name: &&String| NOT_HERE.contains(&name.as_str()) || but.contains(&name.as_str());
    let mut wrong = Vec::new();
    for name in real.keys().filter(|name| !excepted(name)) {
        let (there, here) = (&real[name], ours.get(name));
        match here {
            Some(_) if DIFFERS.contains(&name.as_str()) => {}
            here if here == Some(there) => {}
            here => wrong.push(format!("{name}: {there:?} there, {here:?} here")),
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => unexpected(format!("{what}: {}", wrong.join("; "))),
    }
}

pub(crate) fn beside_a_heartbeat() -> Result<(), Error> {
    let (mut pair, [alice, bob]) = prepared(true)?;
    compare(&mut pair, &alice, &bob).map_err(|error| pair.with_logs(&error))
}

fn compare(pair: &mut Pair, alice: &Path, bob: &Path) -> Result<(), Error> {
    let active = (told(alice, "status-active")?, told(bob, "status-active")?);
    agree("active", &active.0, &active.1, &["HA_OSTATUS", "HA_seq"])?;
    let start = (told(alice, "start-a")?, told(bob, "start-b")?);
    agree("start", &start.0, &start.1, &BY_CHANCE)?;

    pair.bob.terminate(LIMIT)?;
    let left = told(alice, "status-dead")?;
    pair.settles("bob leaves", ALL_ON_ALICE)?;
    pair.bob.start()?;
    pair.settles("bob returns", EACH_ITS_OWN)?;
    let returned = told(alice, "status-active")?;
    told(bob, "status-active")?;
    pair.alice.stop()?;
    agree("left", &left, &told(bob, "status-dead")?, &[])?;
    pair.settles("alice leaves", ALL_ON_BOB)?;
    pair.alice.start()?;
    pair.settles("alice returns", EACH_ITS_OWN)?;
    agree(
        "returned",
        &returned,
        &told(bob, "status-active")?,
        &["HA_seq"],
    )?;
    told(alice, "status-active")?;

    pair.bob_dies()?;
    let died = told(alice, "status-dead")?;
    pair.settles("bob dies", ALL_ON_ALICE)?;
    pair.bob.start()?;
    pair.settles("bob is back", EACH_ITS_OWN)?;
    pair.alice_dies()?;
    agree("died", &died, &told(bob, "status-dead")?, &[])?;
    pair.settles("alice dies", ALL_ON_BOB)?;
    installed_are_left_alone(pair, bob)
}

/// What Heartbeat installs is not run by hbd, and nobody is told of it.
fn installed_are_left_alone(pair: &mut Pair, bob: &Path) -> Result<(), Error> {
    for script in [
        "ask_resources",
        "hb_takeover",
        "ip-request",
        "ip-request-resp",
        "status",
    ] {
        let script = format!("rc.d/{script}");
        installed(&script, &bob.join(&script))?;
    }
    pair.alice.start()?;
    pair.settles("alice is back", EACH_ITS_OWN)?;
    pair.alice.stop()?;
    pair.settles("alice is gone", ALL_ON_BOB)?;
    complaints(pair, &[])?;
    let check = hactl(&pair.bob, &["check", &bob.to_string_lossy()])?;
    match String::from_utf8_lossy(&check.stdout) {
        said if !said.contains("rc.d") => Ok(()),
        said => unexpected(format!("{said}")),
    }
}

/// What bob said of scripts that were not run.
fn complaints(pair: &Pair, expected: &[&str]) -> Result<(), Error> {
    let events = pair.bob.events()?;
    let failed = |kind: &Kind| matches!(kind, Kind::NotificationFailed { .. });
    let events = events.iter().filter(|event| failed(&event.kind));
    let said: Vec<&str> = events.map(|event| event.text.as_str()).collect();
    match said == expected {
        true => Ok(()),
        false => unexpected(format!("{said:?} was said")),
    }
}

pub(crate) fn beside_hbd() -> Result<(), Error> {
    let (mut pair, [_, bob]) = prepared(false)?;
    tell(&mut pair, &bob).map_err(|error| pair.with_logs(&error))
}

fn tell(pair: &mut Pair, bob: &Path) -> Result<(), Error> {
    told(bob, "status-active")?;
    pair.alice.stop()?;
    let left = told(bob, "status-dead")?;
    let said = |name: &str| left.get(name).map(String::as_str);
    let about = [
        said("HA_t"),
        said("HA_src"),
        said("HA_CURHOST"),
        said("HA_OSTATUS"),
    ];
    if about != [Some("status"), Some(ALICE), Some(BOB), Some("active")] {
        return unexpected(format!("{left:?}"));
    }
    pair.alice.start()?;
    told(bob, "status-active")?;
    pair.settles("alice returns", EACH_ITS_OWN)?;
    pair.alice_dies()?;
    told(bob, "status-dead")?;
    complaints(pair, &[])?;

    let script = bob.join("rc.d/status");
    program(&script, DANGEROUS)?;
    pair.alice.start()?;
    pair.settles("alice is back", EACH_ITS_OWN)?;
    let check = hactl(&pair.bob, &["check", &bob.to_string_lossy()])?;
    let check = String::from_utf8_lossy(&check.stdout).into_owned();
    if !check.contains("`rc.d/status` is never run: line 2 names mach_down") {
        return unexpected(check);
    }
    let why = format!(
        "{} is never run: line 2 names mach_down, and hbd alone moves resources",
        script.display()
    );
    let of = |status: &str| format!("rc.d/status did not tell that node alice is {status}: {why}");
    complaints(pair, &[&of("up"), &of("active")])?;
    match bob.join("kept/ran").exists() {
        true => unexpected("what may start resources was run"),
        false => Ok(()),
    }
}
