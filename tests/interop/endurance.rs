//! A pair for a long time: what no scenario is long enough to show.

use std::time::Duration;

use hbd_tests::error::{Error, unexpected};
use hbd_tests::namespaces::Fault;
use hbd_tests::wait;

use crate::lane::{Digest, Link, Medium, Stage};
use crate::peer::Kind;
use crate::scenario::{PEER, both_active};

const LINK: Link = Link {
    medium: Medium::Bcast,
    digest: Digest::Sha1,
};
const DEADTIME: Duration = Duration::from_secs(6);

/// Of 100 packets so many are lost, in each direction.
const LOSS_PERCENT: u8 = 25;
const LOSS_TIME: Duration = Duration::from_secs(120);
/// Time between two looks at a lossy pair, and at a quiet one.
const LOSS_LOOK: Duration = Duration::from_secs(1);
const HOUR_LOOK: Duration = Duration::from_secs(10);

const HOUR: Duration = Duration::from_secs(3600);
/// What either says of its own machine and not of its peer: late timers, long functions, rotating counters.
const OF_ITSELF: [&str; 5] = [
    "Gmain_",
    "G_main_",
    "G_SIG_",
    "G_CH_",
    "this node did not run",
];

/// With keepalive 500 ms and deadtime 6 s a death takes twelve lost beats in a row.
pub(crate) fn loss() -> Result<(), Error> {
    let mut stage = running()?;
    stage.mark()?;
    let [observer, peer] = &stage.cables;
    let lossy = [
        Fault::loss(observer, peer, LOSS_PERCENT),
        Fault::loss(peer, observer, LOSS_PERCENT),
    ];
    stage.switch.set_faults(&lossy)?;
    let survived = wait::stays_true_each(LOSS_LOOK, LOSS_TIME, "neither is dead", || {
        Ok(stage.peer.deaths_seen()? == 0 && !stage.logged()?.contains("is dead"))
    });
    survived.or_else(|error| unexpected(stage.with_logs(&error)))?;
    stage.switch.set_faults(&[])?;
    both_active(&stage)?;
    for (what, log) in [("hbd", stage.peer.log()), ("Heartbeat", stage.logged()?)] {
        if let Some(line) = log.lines().find(|line| gave_up(line)) {
            return unexpected(format!("{what} says: {line}"));
        }
    }
    let requests = stage.logged()?.matches("lost packet(s)").count();
    println!("loss: Heartbeat missed packets {requests} times and got all of them");
    Ok(())
}

/// A message that was lost for ever.
fn gave_up(line: &str) -> bool {
    line.contains("ERROR") || line.contains(" is lost: ") || line.contains("Cannot rexmit")
}

/// Nothing happens to a pair to which nothing is done.
pub(crate) fn hour() -> Result<(), Error> {
    let mut stage = running()?;
    wait::stays_true_each(HOUR_LOOK, DEADTIME * 2, "the pair settles", || Ok(true))?;
    stage.mark()?;
    let peer_mark = stage.peer.log().len();
    wait::stays_true_each(HOUR_LOOK, HOUR, "neither has said anything", || {
        let said = stage.logged()? + stage.peer.log().get(peer_mark..).unwrap_or_default();
        let news = said.lines().find(|line| is_news(line));
        news.map_or(Ok(true), |line| unexpected(line.to_owned()))
    })?;
    both_active(&stage)
}

fn is_news(line: &str) -> bool {
    !OF_ITSELF.iter().any(|word| line.contains(word))
}

fn running() -> Result<Stage, Error> {
    let mut stage = Stage::new(LINK, Kind::Hbd, DEADTIME)?;
    stage.observer.start()?;
    stage.peer.start()?;
    both_active(&stage)?;
    stage.observer.wait_status(PEER, "active", DEADTIME)?;
    Ok(stage)
}
