//! What happens to a cable, and what programs at its ends see of it.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hbd_tests::daemon::{Daemon, HARMLESS};
use hbd_tests::error::{Error, file, unexpected};
use hbd_tests::modem_cable::{Input, Kind, ModemCable, Output};
use hbd_tests::namespaces::Namespace;
use hbd_tests::scratch::{self, Scratch};
use hbd_tests::wait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shared::event::{MediumStatus, NodeStatus};

use crate::hadiag;
use crate::port::{SOON, Stage, same};

/// What both ends see of the cable of hbd-serial(7) while all is raised.
const ALL: &str = "CTS DSR DCD";
/// Within this a program that waits for a change hears of it.
const AT_ONCE: Duration = Duration::from_millis(200);

fn number(found: usize, expected: usize, what: &str) -> Result<(), Error> {
    same(&found.to_string(), &expected.to_string(), what)
}

pub(crate) fn cut() -> Result<(), Error> {
    let mut stage = Stage::new(Kind::FullHandshake)?;
    stage.cable.cut_to(0, Input::Dcd)?;
    same(&stage.inputs(0)?, "CTS DSR", "DCD has no wire")?;
    stage.cable.replace(Kind::FullHandshake)?;
    stage.cable.cut_from(1, Output::Dtr)?;
    same(&stage.inputs(0)?, "CTS", "DTR leads nowhere")?;
    stage.cable.cut_from(1, Output::Rts)?;
    same(&stage.inputs(0)?, "", "RTS leads nowhere either")?;
    same(&stage.carried(1, "beat")?[0], "beat", "TxD is whole")?;
    stage.cable.cut_from(1, Output::TxD)?;
    same(&stage.carried(1, "beat")?[0], "", "TxD is cut")?;
    same(&stage.inputs(1)?, ALL, "what leads to the other end")?;
    same(&stage.carried(0, "beat")?[1], "beat", "bytes to it")
}

pub(crate) fn stuck() -> Result<(), Error> {
    let mut stage = Stage::new(Kind::FullHandshake)?;
    stage.cable.stick(0, Input::Dcd, true)?;
    stage.cable.stick(0, Input::Cts, false)?;
    stage.ends[1].expect("set ", "0")?;
    same(&stage.inputs(0)?, "DCD", "all lowered at the other end")?;
    stage.ends[1].expect("raise RTS", "0")?;
    same(&stage.inputs(0)?, "DCD", "RTS raised at the other end")
}

pub(crate) fn pulled() -> Result<(), Error> {
    let mut stage = Stage::new(Kind::FullHandshake)?;
    let before = stage.count(0, "dcd")?;
    stage.cable.replace(Kind::Unplugged)?;
    for end in 0..2 {
        same(&stage.inputs(end)?, "", "pulled")?;
        same(&stage.ends[end].ask("lines")?, "DTR RTS", "its own lines")?;
    }
    number(stage.count(0, "dcd")?, before + 1, "changes of DCD")?;
    same(&stage.carried(0, "lost")?[1], "", "bytes")?;
    stage.cable.replace(Kind::FullHandshake)?;
    same(&stage.inputs(0)?, ALL, "plugged in again")?;
    same(&stage.carried(0, "beat")?[1], "beat", "bytes")
}

pub(crate) fn wait() -> Result<(), Error> {
    let mut stage = Stage::new(Kind::FullHandshake)?;
    let [waiting, other] = &mut stage.ends;
    for order in ["lower RTS", "raise RTS"] {
        waiting.order("await CTS")?;
        other.expect("lower DTR", "0")?;
        other.expect("raise DTR", "0")?;
        if let Some(answer) = waiting.answer(AT_ONCE) {
            return unexpected(format!("DTR ends the wait for CTS: {answer}"));
        }
        let begin = Instant::now();
        other.expect(order, "0")?;
        same(&waiting.answer(SOON).unwrap_or_default(), "0", order)?;
        let late = begin.elapsed();
        if late > AT_ONCE {
            return unexpected(format!("heard of {order} after {late:?}"));
        }
    }
    Ok(())
}

pub(crate) fn pulse() -> Result<(), Error> {
    let mut stage = Stage::new(Kind::FullHandshake)?;
    let cts = stage.count(0, "cts")?;
    let dsr = stage.count(0, "dsr")?;
    let own = stage.count(1, "cts")?;
    for _ in 0..100 {
        stage.ends[1].expect("lower RTS", "0")?;
        stage.ends[1].expect("raise RTS", "0")?;
    }
    number(stage.count(0, "cts")?, cts + 200, "changes of CTS")?;
    number(stage.count(0, "dsr")?, dsr, "changes of DSR")?;
    number(
        stage.count(1, "cts")?,
        own,
        "changes at the end that did it",
    )
}

pub(crate) fn speed() -> Result<(), Error> {
    let mut stage = Stage::new(Kind::FullHandshake)?;
    stage.ends[0].expect("speed 19200", "0")?;
    let slower = stage.carried(0, "beatbeat")?;
    same(&slower[1], "q<f9>q<f9>", "half as fast, half of them")?;
    number(stage.count(1, "frame")?, 4, "bytes without a stop bit")?;
    let faster = stage.carried(1, "beat")?;
    same(&faster[0], "IqQ<f9>", "twice as fast")?;
    stage.ends[1].expect("speed 19200", "0")?;
    same(&stage.carried(0, "beat")?[1], "beat", "the same speed")
}

pub(crate) fn noise() -> Result<(), Error> {
    let mut stage = Stage::new(Kind::ThreeWires)?;
    stage.cable.set_noise(4)?;
    let noisy = stage.carried(0, "beatbeat")?;
    same(&noisy[1], "bea<f9>bea<f9>", "every fourth")?;
    number(stage.count(1, "frame")?, 2, "bytes without a stop bit")?;
    stage.cable.set_noise(0)?;
    same(&stage.carried(0, "beat")?[1], "beat", "silence")
}

pub(crate) fn blocked() -> Result<(), Error> {
    let mut stage = Stage::new(Kind::FullHandshake)?;
    stage.ends[0].expect("flow on", "0")?;
    stage.ends[1].expect("lower RTS", "0")?;
    stage.ends[0].expect("write beat", "4")?;
    wait::until_true(SOON, "4 bytes are not sent", || {
        Ok(stage.ends[0].ask("unsent")? == "4")
    })?;
    number(stage.count(0, "tx")?, 0, "bytes sent")?;
    stage.ends[1].expect("read", "")?;
    stage.ends[1].expect("raise RTS", "0")?;
    wait::until_true(SOON, "they arrive", || {
        Ok(stage.ends[1].ask("read")? == "beat")
    })?;
    stage.ends[0].expect("unsent", "0")?;
    stage.ends[1].expect("lower RTS", "0")?;
    stage.ends[0].expect("flow off", "0")?;
    same(&stage.carried(0, "beat")?[1], "beat", "CTS is not heeded")
}

pub(crate) fn unread() -> Result<(), Error> {
    let mut stage = Stage::new(Kind::FullHandshake)?;
    for end in &mut stage.ends {
        end.expect("flow on", "0")?;
    }
    let mut filled = 0;
    wait::until_true(SOON, "CTS is lowered", || {
        filled += stage.ends[0].ask("fill")?.parse().unwrap_or(0);
        Ok(stage.inputs(0)? == "DSR DCD")
    })?;
    same(&stage.ends[1].ask("lines")?, "DTR CTS DSR DCD", "its RTS")?;
    wait::until_true(SOON, "all of it arrives when it is read", || {
        stage.ends[1].ask("read")?;
        Ok(stage.count(1, "rx")? == filled)
    })?;
    number(stage.count(1, "overrun")?, 0, "bytes lost")?;
    stage.wait_inputs(0, ALL)
}

pub(crate) fn closed() -> Result<(), Error> {
    let mut stage = Stage::closed(Kind::FullHandshake)?;
    stage.open(0)?;
    same(&stage.inputs(0)?, "", "nobody is there")?;
    stage.open(1)?;
    stage.wait_inputs(0, ALL)?;
    let copy = stage.ends[1].ask("hand-over")?;
    // The bridge looks at both ends before it carries anything.
    stage.send(0, "beat")?;
    same(&stage.inputs(0)?, ALL, "a child has a copy")?;
    let Ok(copy) = copy.parse() else {
        return unexpected(format!("no child: {copy}"));
    };
    file(
        "kill a child",
        kill(Pid::from_raw(copy), Signal::SIGKILL).map_err(Into::into),
    )?;
    stage.wait_inputs(0, "")?;
    stage.open(1)?;
    stage.wait_inputs(0, ALL)?;
    stage.ends[1].expect("keep-lines", "0")?;
    stage.ends[1].kill();
    stage.send(0, "beat")?;
    same(&stage.inputs(0)?, ALL, "it was not to lower them")
}

pub(crate) fn vanished() -> Result<(), Error> {
    let mut stage = Stage::new(Kind::FullHandshake)?;
    stage.cable.unplug(0)?;
    for order in ["lines", "await CTS", "write beat"] {
        stage.ends[0].expect(order, "error EIO")?;
    }
    let open = format!("open {}", stage.cable.port(0).display());
    stage.ends[0].expect(&open, "error ENOENT")?;
    same(&stage.inputs(1)?, "", "the other end")?;
    stage.cable.plug(0)?;
    stage.open(0)?;
    stage.wait_inputs(1, ALL)?;
    same(&stage.carried(0, "beat")?[1], "beat", "bytes")
}

/// It drops its rights and starts its workers anew: they too heed CTS, and a daemon that dies lowers its RTS.
pub(crate) fn hbd() -> Result<(), Error> {
    let ports = Scratch::new()?;
    let mut cable = ModemCable::new(ports.path(), Kind::FullHandshake)?;
    let config = Scratch::new()?;
    let daemon = |name: &str, end: usize| {
        let directory = config.directory(name)?;
        let port = cable.port(end).display();
        let ha_cf = format!(
            "keepalive 200ms\nwarntime 1\ndeadtime 2\ninitdead 5\nauto_failback legacy\nbaud 115200\nserial \
             {port}\nnode alice bob\n"
        );
        scratch::write(&directory.join("ha.cf"), &ha_cf)?;
        scratch::write(&directory.join("hbd.cf"), HARMLESS)?;
        scratch::write_secret(&directory.join("authkeys"), "auth 1\n1 sha1 line-key\n")?;
        let machine = Arc::new(Namespace::new()?);
        let daemon = Daemon::new(name, &machine, &directory)?;
        Ok::<_, Error>(daemon.with_environment(&cable.environment()))
    };
    let mut alice = daemon("alice", 0)?;
    let mut bob = daemon("bob", 1)?;
    alice.start()?;
    bob.start()?;
    alice.wait_status("bob", NodeStatus::Active, SOON)?;
    let maps = format!("/proc/{}/maps", alice.core()?.pid);
    let maps = file(format!("read {maps}"), fs::read_to_string(&maps))?;
    let library = ports.path().join("lines").display().to_string();
    if !maps.contains(&library) {
        return unexpected("the core has no modem lines");
    }
    let medium_becomes = |what: &str, is: fn(&MediumStatus) -> bool| {
        wait::until_true(SOON, what, || {
            let view = alice.view()?;
            let status = view
                .media
                .values()
                .find_map(|medium| medium.status.as_ref());
            Ok(status.is_some_and(is))
        })
    };
    let is_stopped = |status: &MediumStatus| matches!(status, MediumStatus::Failed { reason } if reason.contains("nothing leaves"));
    let is_open = |status: &MediumStatus| matches!(status, MediumStatus::Open);
    medium_becomes("the line works", is_open)?;
    hadiag::of_hbd(&cable, "ok")?;
    cable.cut_to(0, Input::Cts)?;
    medium_becomes("CTS is cut: nothing leaves", is_stopped)?;
    hadiag::of_hbd(&cable, "critical")?;
    alice.kill_core()?;
    medium_becomes("the next core has the line", is_open)?;
    medium_becomes("nothing leaves that one either", is_stopped)?;
    let deaths = alice.view()?.core_deaths;
    number(
        deaths.try_into().unwrap_or(usize::MAX),
        1,
        "deaths of cores",
    )?;
    bob.wait_status("alice", NodeStatus::Dead, SOON)?;
    cable.replace(Kind::FullHandshake)?;
    medium_becomes("CTS is whole: it works", is_open)?;
    bob.wait_status("alice", NodeStatus::Active, SOON)?;
    bob.crash()?;
    medium_becomes("bob is dead and its RTS low: nothing leaves", is_stopped)
}
