//! A group is taken out of the configuration while it runs.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hbd_tests::error::Error;

use crate::stage::{ALICE, BASE, BOB, LEASE, NO_GAP, SOON, Stage, WEB, WEB6, demand, play_running};

const WITHOUT_WEB: &str = "bob 10.9.0.51/24/eth0 Dummy::base\n";
/// Somebody else's.
const FOREIGN: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 77));

pub(crate) fn reloaded() -> Result<(), Error> {
    play_running("auto_failback on", |stage| {
        foreign(stage)?;
        let begin = stage.now();
        stage.write_haresources(WITHOUT_WEB)?;
        stage.reload(BOB)?;
        stage.reload(ALICE)?;
        web_goes(stage, begin, SOON)?;
        stage.demand_gaps(&[BASE], begin, NO_GAP)?;
        nothing_else(stage, begin)
    })
}

/// All of hbd on alice is killed, and what it finds in the configuration when it starts again knows no such group.
pub(crate) fn left() -> Result<(), Error> {
    play_running("auto_failback on", |stage| {
        foreign(stage)?;
        stage.write_haresources(WITHOUT_WEB)?;
        stage.reload(BOB)?;
        let begin = stage.now();
        stage.daemons[ALICE].crash()?;
        stage.daemons[ALICE].start_beside()?;
        // A lease would end later.
        web_goes(stage, begin, LEASE.saturating_sub(Duration::from_secs(2)))?;
        stage.both_active()?;
        stage.demand_gaps(&[BASE], begin, NO_GAP)?;
        nothing_else(stage, begin)
    })
}

fn foreign(stage: &Stage) -> Result<(), Error> {
    let since = stage.now();
    stage.machines[ALICE].ip(&["addr", "add", "10.9.0.77/24", "dev", "eth0"])?;
    stage.changed(FOREIGN, (ALICE, true), since, SOON).map(drop)
}

fn web_goes(stage: &Stage, since: Duration, within: Duration) -> Result<(), Error> {
    for ip in [WEB, WEB6] {
        stage.changed(ip, (ALICE, false), since, within)?;
    }
    Ok(())
}

fn nothing_else(stage: &Stage, since: Duration) -> Result<(), Error> {
    let story = stage.seen(|record| record.story(since))?;
    demand(
        story.lines().count() == 2,
        &format!("nothing but that went:\n{story}"),
    )
}
