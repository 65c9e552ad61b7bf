//! Agents that were written for Heartbeat.

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::symlink;
use std::time::Duration;

use hbd_tests::error::{self, Error};
use hbd_tests::precondition::HEARTBEAT_SCRIPTS;
use shared::order::{Choice, GroupVerb};

use crate::stage::{ALICE, BASE, BOB, NO_GAP, SOON, WEB, demand, play};

/// The agent of the Open Cluster Framework has it.
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 52));
/// An address of hbd itself would be found under the script's own name.
const HARESOURCES: &str = "alice Address::10.9.0.50/24/eth0 \
     ocf:heartbeat:IPaddr2::ip=10.9.0.52::cidr_netmask=24::nic=eth0\n\
     bob 10.9.0.51/24/eth0 Dummy::base\n";

pub(crate) fn of_heartbeat() -> Result<(), Error> {
    play("auto_failback off", |stage| {
        stage.write_haresources(HARESOURCES)?;
        for node in [ALICE, BOB] {
            let script = stage.config(node, "resource.d/Address");
            let original = format!("{HEARTBEAT_SCRIPTS}/IPaddr2");
            error::file("link a script", symlink(original, script))?;
        }
        for daemon in &mut stage.daemons {
            daemon.start()?;
        }
        stage.both_active()?;
        stage.answered(WEB, ALICE, Duration::ZERO, SOON)?;
        stage.changed(OTHER, (ALICE, true), Duration::ZERO, SOON)?;
        stage.answered(BASE, BOB, Duration::ZERO, SOON)?;
        let ordered = stage.now();
        let groups = Choice::Local;
        stage.order(
            ALICE,
            GroupVerb::Move {
                groups,
                to: None,
                lasts: None,
                together: false,
            },
        )?;
        stage.answered(WEB, BOB, ordered, SOON)?;
        stage.changed(OTHER, (BOB, true), ordered, SOON)?;
        for ip in [WEB, OTHER] {
            stage.seen(|record| record.demand_handed_over(ip, (ALICE, BOB), ordered))??;
        }
        let now = stage.now();
        let gap = stage.seen(|record| record.gap(WEB, ordered, now))?;
        println!("scripts moved it with a gap of {:?}", gap.length);
        stage.demand_gaps(&[BASE], ordered, NO_GAP)?;
        for daemon in &mut stage.daemons {
            daemon.terminate(SOON)?;
        }
        for ip in [WEB, OTHER, BASE] {
            for node in [ALICE, BOB] {
                let gone = stage.seen(|record| !record.is_there(ip, node))?;
                demand(gone, &format!("machine {node} has no {ip}"))?;
            }
        }
        Ok(())
    })
}
