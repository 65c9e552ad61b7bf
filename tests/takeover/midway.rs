//! What goes wrong while a group is on its way from one node to the other. A seed chooses, and a failure names it.

use std::time::Duration;

use hbd_tests::error::Error;
use hbd_tests::sim::{Random, seed};
use hbd_tests::tier::Tier;
use hbd_tests::wait;
use nix::sys::signal::Signal::SIGKILL;
use shared::group::GroupState;

use crate::stage::{
    ALICE, BASE, BASE_GROUP, BOB, DEADTIME, LEASE, NO_GAP, NODES, SECOND, SERVICES, SOON, Stage,
    WEB, WEB_GROUP, WEB6, demand, limit, play,
};
use hbd_tests::observer::record::At;

/// A start and a stop take so long that there is something to disturb.
const HARESOURCES: &str = "alice 10.9.0.50/24/eth0 Delay::0.2 IPv6addr::fd09::50/64/eth0\n\
     bob 10.9.0.51/24/eth0 Dummy::base\n";
/// How long a move has been going on when it is disturbed.
const BEGUN: [Duration; 2] = [Duration::ZERO, Duration::from_millis(600)];
/// Processes that are killed, by tier.
const KILLS: [usize; 2] = [12, 100];
/// Nodes on which all of hbd is.
const RESTARTS: [usize; 2] = [6, 50];
/// Nodes that die.
const DEATHS: [usize; 2] = [3, 20];
/// Moves over a bad path.
const LOSSES: [usize; 2] = [6, 50];
const LOST_PERCENT: u8 = 30;

/// As the seed wants it, with a group that takes time.
fn play_seeded(
    settings: &str,
    rounds: [usize; 2],
    mut round: impl FnMut(&mut Stage, &mut Random) -> Result<(), Error>,
) -> Result<(), Error> {
    let seed = seed();
    let mut random = Random::new(seed);
    let rounds = rounds[usize::from(Tier::of_this_run() == Tier::Long)];
    let played = play(settings, |stage| {
        stage.write_haresources(HARESOURCES)?;
        stage.start_both()?;
        for _ in 0..rounds {
            round(stage, &mut random)?;
        }
        Ok(())
    });
    played.map_err(|error| Error::Unexpected(format!("HBD_SEED={seed}: {error}")))
}

/// A process of either node is killed.
pub(crate) fn killed() -> Result<(), Error> {
    play_seeded("auto_failback off", KILLS, |stage, random| {
        let begin = stage.now();
        let from = holder(stage)?;
        let (node, role) = (
            *random.pick(&[ALICE, BOB]),
            *random.pick(&["supervisor", "core", "manager", "manager"]),
        );
        let begun = random.span(BEGUN[0], BEGUN[1]);
        println!(
            "{} {role} is killed {begun:?} after a move from {}",
            NODES[node], NODES[from]
        );
        ordered(stage, *random.pick(&[ALICE, BOB]), WEB_GROUP, 1 - from)?;
        pass(stage, begin + begun)?;
        let _ = stage.daemons[node].signal(role, SIGKILL);
        // Nobody was told of another wish.
        one_owner(stage, 1 - from)?;
        stage.demand_overlaps(&SERVICES, begin, Duration::ZERO)?;
        stage.demand_gaps(&[BASE], begin, NO_GAP)?;
        Ok(())
    })
}

/// All of hbd on one node is killed, and started again before deadtime is over.
pub(crate) fn restarted() -> Result<(), Error> {
    play_seeded("auto_failback off", RESTARTS, |stage, random| {
        let begin = stage.now();
        let from = holder(stage)?;
        let node = *random.pick(&[ALICE, BOB]);
        let begun = random.span(BEGUN[0], BEGUN[1]);
        println!(
            "{} is restarted {begun:?} after a move from {}",
            NODES[node], NODES[from]
        );
        ordered(stage, *random.pick(&[ALICE, BOB]), WEB_GROUP, 1 - from)?;
        pass(stage, begin + begun)?;
        stage.daemons[node].crash()?;
        stage.daemons[node].start_beside()?;
        stage.both_active()?;
        // A wish that only the dead one knew is gone.
        ordered(stage, node, WEB_GROUP, from)?;
        one_owner(stage, from)?;
        stage.demand_overlaps(&SERVICES, begin, Duration::ZERO)?;
        Ok(())
    })
}

/// One of the nodes loses power.
pub(crate) fn dies() -> Result<(), Error> {
    play_seeded("auto_failback off", DEATHS, |stage, random| {
        let begin = stage.now();
        let from = holder(stage)?;
        let node = *random.pick(&[ALICE, BOB]);
        let begun = random.span(BEGUN[0], BEGUN[1]);
        println!(
            "{} dies {begun:?} after a move from {}",
            NODES[node], NODES[from]
        );
        ordered(stage, *random.pick(&[ALICE, BOB]), WEB_GROUP, 1 - from)?;
        pass(stage, begin + begun)?;
        stage.plug(node, false)?;
        let cut = stage.now();
        stage.daemons[node].crash()?;
        let survivor = 1 - node;
        for ip in SERVICES {
            let end = DEADTIME + limit(SECOND);
            wait::until_true(end, &format!("{} has {ip}", NODES[survivor]), || {
                stage.seen(|record| record.is_there(ip, survivor))
            })?;
            stage.seen(|record| record.demand_overlap(ip, begin, cut, Duration::ZERO))??;
            wait::until_true(LEASE + limit(SECOND), "the dead node has nothing", || {
                stage.seen(|record| !record.is_there(ip, node))
            })?;
        }
        let returned = stage.now();
        stage.plug(node, true)?;
        stage.daemons[node].start()?;
        stage.both_active()?;
        ordered(stage, node, WEB_GROUP, from)?;
        ordered(stage, node, BASE_GROUP, BOB)?;
        one_owner(stage, from)?;
        stage.settled([from, BOB])?;
        stage.demand_overlaps(&SERVICES, returned, Duration::ZERO)?;
        Ok(())
    })
}

/// Packets between the nodes are lost.
pub(crate) fn lossy() -> Result<(), Error> {
    play_seeded("auto_failback off", LOSSES, |stage, random| {
        let begin = stage.now();
        stage.lose(LOST_PERCENT)?;
        let from = holder(stage)?;
        ordered(stage, *random.pick(&[ALICE, BOB]), WEB_GROUP, 1 - from)?;
        one_owner(stage, 1 - from)?;
        stage.lose(0)?;
        stage.demand_overlaps(&SERVICES, begin, Duration::ZERO)?;
        stage.demand_gaps(&[BASE], begin, NO_GAP)?;
        for node in [ALICE, BOB] {
            let takeovers = stage.takeovers(node)?;
            demand(
                takeovers == 0,
                &format!("{} took nothing over", NODES[node]),
            )?;
        }
        Ok(())
    })
}

fn pass(stage: &Stage, until: At) -> Result<(), Error> {
    wait::until_true(SOON, "time passes", || Ok(stage.now() >= until))
}

/// Who has the group, when somebody has.
fn holder(stage: &Stage) -> Result<usize, Error> {
    wait::until(SOON, "one node has the group", || {
        stage.seen(|record| {
            let has = |node| [WEB, WEB6].iter().all(|ip| record.is_there(*ip, node));
            [ALICE, BOB]
                .into_iter()
                .find(|node| has(*node) && !has(1 - *node))
        })
    })
}

/// Orders a group onto a node as soon as the node that is asked knows of the other one.
fn ordered(stage: &Stage, asked: usize, group: &str, to: usize) -> Result<(), Error> {
    let accepted = format!("{} accepts an order", NODES[asked]);
    wait::until_true(SOON, &accepted, || {
        Ok(stage.order_move(asked, group, to).is_ok())
    })
}

/// Waits until both nodes say that the group runs there and nowhere else, and whoever asks is answered from there.
fn one_owner(stage: &Stage, owner: usize) -> Result<(), Error> {
    let condition = format!("both say that {} has the group", NODES[owner]);
    wait::until_true(SOON, &condition, || {
        let said = [said_owner(stage, ALICE), said_owner(stage, BOB)];
        Ok(said == [Some(owner); 2])
    })?;
    let since = stage.now();
    for ip in [WEB, WEB6] {
        stage.answered(ip, owner, since, SOON)?;
    }
    stage.demand_neighbour(&[WEB, WEB6], owner)
}

/// Where the group runs, and nowhere else, by what a node says.
fn said_owner(stage: &Stage, node: usize) -> Option<usize> {
    // A supervisor may be on its way.
    let view = stage.daemons[node].view().ok()?;
    let mut groups = view.groups.iter();
    let (_, group) = groups.find(|(name, _)| name.as_str() == WEB_GROUP)?;
    let holders: Vec<_> = group.nodes.iter().collect();
    match holders[..] {
        [(name, on)] if on.state == GroupState::Started => {
            NODES.iter().position(|node| *node == name.as_str())
        }
        _ => None,
    }
}
