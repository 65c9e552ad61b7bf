//! One real Heartbeat and hbd with nothing but a serial line between them.

use std::sync::Arc;
use std::time::Duration;

use hbd_tests::daemon::Daemon;
use hbd_tests::error::Error;
use hbd_tests::heartbeat::HeartbeatNode;
use hbd_tests::namespaces::Namespace;
use hbd_tests::null_modem::{Line, NullModem};
use hbd_tests::scratch::{self, Scratch};
use shared::event::NodeStatus;

use crate::company::{ALICE, BOOT};

const BOB: &str = "bob";
const LIMIT: Duration = Duration::from_secs(30);
const TIMES: &str = "keepalive 500ms\nwarntime 2\ndeadtime 5\ninitdead 10\n";
const KEY: &str = "auth 1\n1 md5 serial-key\n";

/// They see each other come, go, and come again, and both live through a line that was cut.
pub(crate) fn beside_a_heartbeat() -> Result<(), Error> {
    let ports = Scratch::new()?;
    let modem = NullModem::new(ports.path())?;
    let config = Scratch::new()?;
    let networks = [Arc::new(Namespace::new()?), Arc::new(Namespace::new()?)];
    let configure = |name: &str, end: usize| {
        let directory = config.directory(name)?;
        let ha_cf = format!(
            "logfile /var/log/ha-log\nlogfacility none\nrealtime off\n{TIMES}auto_failback off\nbaud \
             115200\nserial {}\nnode {ALICE} {BOB}\n",
            modem.port(end).display()
        );
        scratch::write(&directory.join("ha.cf"), &ha_cf)?;
        scratch::write(&directory.join("haresources"), "")?;
        scratch::write_secret(&directory.join("authkeys"), KEY)?;
        Ok::<_, Error>(directory)
    };
    let alice = HeartbeatNode::new(ALICE, &networks[0], &configure(ALICE, 0)?)?;
    let mut bob = Daemon::new(BOB, &networks[1], &configure(BOB, 1)?)?;
    alice.start()?;
    bob.start()?;
    let see_each_other = |bob: &Daemon| {
        alice.wait_status(BOB, "active", BOOT)?;
        bob.wait_status(ALICE, NodeStatus::Active, BOOT)
    };
    see_each_other(&bob)?;
    bob.crash()?;
    alice.wait_status(BOB, "dead", LIMIT)?;
    bob.start()?;
    see_each_other(&bob)?;
    alice.crash()?;
    bob.wait_status(ALICE, NodeStatus::Dead, LIMIT)?;
    alice.start()?;
    see_each_other(&bob)?;
    modem.set(Line::Cut);
    alice.wait_status(BOB, "dead", LIMIT)?;
    bob.wait_status(ALICE, NodeStatus::Dead, LIMIT)?;
    modem.set(Line::Whole);
    see_each_other(&bob)
}
