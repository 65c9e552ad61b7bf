//! Watchdogs that reset a machine: the kernel's own one, and an emulated card.

use std::time::Duration;

use hbd_tests::error::Error;
use hbd_tests::wait;
use shared::time::Wall;

use crate::pair::{ALL_ROLES, Pair, adjtimex, dead_in_time, demand, dies, play, until};

const MEDIA: &str = "bcast eth0\nbaud 19200\nserial /dev/ttyS1\n";
const DEVICE: &str = "watchdog /dev/watchdog\n";
/// A deadtime of 3 s and 10 ms, rounded up.
const TIMEOUT: Duration = Duration::from_secs(4);
/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Of a machine that is alive.
const ANSWER: Duration = Duration::from_secs(5);

/// The module of the kernel's own.
pub(crate) const SOFTWARE: &str = "softdog";
/// That of the card.
pub(crate) const CARD: &str = "i6300esb";

/// Alice has it; whoever stands still or is killed is reset, whoever is replaced or leaves is not.
pub(crate) fn resets(module: &str) -> Result<(), Error> {
    play(&["--watchdog"], |pair| {
        equipped(pair, module)?;
        let boot = pair.boot_id("alice")?;
        not_reset(pair, &boot, "it is fed")?;
        pair.signal("alice", "STOP", "core")?;
        pair.wait_view("alice", "a core that hangs is replaced", |view| {
            view.core_deaths == 1
        })?;
        not_reset(pair, &boot, "the next core feeds it")?;
        demand(pair.no_death("bob")?, "nobody died of a core")?;
        pair.stop("alice")?;
        not_reset(pair, &boot, "an orderly stop closes it")?;
        demand(state(pair)? == "inactive", "it is stopped")?;
        pair.start("alice")?;
        pair.both_active()?;
        let stopped = pair.signal("alice", "STOP", ALL_ROLES)?;
        reset(pair, &boot, stopped, "all of hbd stands still")?;
        equip(pair, module)?;
        pair.start("alice")?;
        pair.both_active()?;
        let boot = pair.boot_id("alice")?;
        let killed = pair.signal("alice", "KILL", ALL_ROLES)?;
        reset(pair, &boot, killed, "all of hbd is killed")
    })
}

/// A kernel that panics and stays there feeds nobody; the card needs no kernel.
pub(crate) fn panicked() -> Result<(), Error> {
    play(&["--watchdog", "--kernel-arg", "panic=0"], |pair| {
        equipped(pair, CARD)?;
        let boot = pair.boot_id("alice")?;
        let clock = pair.lab.clock("alice")?;
        let script = "adjtimex; (sleep 1; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &";
        let asked = clock.here(adjtimex(&pair.lab.run("alice", script)?)?);
        let panicked = asked.0 + 1_000_000_000;
        reset(pair, &boot, Wall(panicked), "the kernel panicked")
    })
}

/// Both run, and alice has a watchdog that is armed.
fn equipped(pair: &Pair, module: &str) -> Result<(), Error> {
    equip(pair, module)?;
    pair.configure("bob", MEDIA)?;
    pair.start("alice")?;
    pair.start("bob")?;
    pair.both_active()?;
    until("the watchdog runs", || Ok(state(pair)? == "active"))
}

fn equip(pair: &Pair, module: &str) -> Result<(), Error> {
    pair.lab.run(
        "alice",
        &format!("modprobe {module} && test -c /dev/watchdog"),
    )?;
    pair.configure("alice", &format!("{MEDIA}{DEVICE}"))
}

fn state(pair: &Pair) -> Result<String, Error> {
    let state = pair
        .lab
        .run("alice", "cat /sys/class/watchdog/watchdog0/state")?;
    Ok(state.trim().to_owned())
}

/// Alice lives on for longer than the watchdog waits.
fn not_reset(pair: &Pair, boot: &str, what: &str) -> Result<(), Error> {
    wait::stays_true_each(LOOK, TIMEOUT * 3, what, || {
        Ok(pair.boot_id("alice")? == boot)
    })
}

/// Alice is another boot soon, and bob took her for dead when he should.
fn reset(pair: &Pair, boot: &str, since: Wall, what: &str) -> Result<(), Error> {
    until(&format!("{what}: alice is reset"), || {
        Ok(pair.boot_id("alice").is_ok_and(|now| now != boot))
    })?;
    let uptime = pair.lab.run_within(ANSWER, "alice", "cat /proc/uptime")?;
    println!("{what}: alice is up for {} s", uptime.trim());
    dead_in_time(pair.told("bob", since, what, |kind| dies(kind, "alice"))?)
}
