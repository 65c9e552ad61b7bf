//! The scenarios, in the order in which a lane plays them: each begins where the one before it ended.

use std::time::Duration;

use hbd_tests::error::Error;
use hbd_tests::wait;

use crate::lane::Stage;

/// The real node whose log is read.
pub(crate) const OBSERVER: &str = "alice";
/// The other node.
pub(crate) const PEER: &str = "bob";

/// Longest boot: `initdead` 10 s alone, plus start-up on a busy machine.
const BOOT: Duration = Duration::from_secs(30);
/// Longest wait for a death: `deadtime` 5 s, plus the peer's goodbye of 3 s.
const DEATH: Duration = Duration::from_secs(20);
/// Longest orderly stop.
const STOP: Duration = Duration::from_secs(30);

/// What a real node logs when it starts.
const RESTART: &str = "Heartbeat generation: ";

/// One story of two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// The observer is up alone and has given the peer up; the peer comes.
    SecondJoins,
    /// The peer loses power and is back within `deadtime`: a restart, no death.
    FastRestart,
    /// The peer's protocol process is killed; whatever the peer has for that brings it back: a restart, no death.
    CoreKilled,
    /// The peer loses power for good.
    PeerCrashes,
    /// It is repaired.
    PeerReturns,
    /// The peer is stopped in good order.
    PeerStops,
    /// It is started again.
    PeerStartsAgain,
    /// The observer loses power; the peer must notice.
    ObserverCrashes,
    /// The observer boots and finds the peer running.
    ObserverReturns,
    /// The observer loses power and is back within `deadtime`.
    ObserverFastRestart,
    /// The observer is stopped in good order.
    ObserverStops,
    /// After a stop of both: both start together.
    BothAtOnce,
    /// The peer stands still for longer than `deadtime` and goes on: the observer had given it up, and restarts itself.
    PeerFrozen,
}

impl Scenario {
    /// In playing order.
    pub(crate) const ALL: [Self; 13] = [
        Self::SecondJoins,
        Self::FastRestart,
        Self::CoreKilled,
        Self::PeerCrashes,
        Self::PeerReturns,
        Self::PeerStops,
        Self::PeerStartsAgain,
        Self::ObserverCrashes,
        Self::ObserverReturns,
        Self::ObserverFastRestart,
        Self::ObserverStops,
        Self::BothAtOnce,
        Self::PeerFrozen,
    ];

    /// Its name in test names and in `allowed.txt`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SecondJoins => "second_joins",
            Self::FastRestart => "fast_restart",
            Self::CoreKilled => "core_killed",
            Self::PeerCrashes => "peer_crashes",
            Self::PeerReturns => "peer_returns",
            Self::PeerStops => "peer_stops",
            Self::PeerStartsAgain => "peer_starts_again",
            Self::ObserverCrashes => "observer_crashes",
            Self::ObserverReturns => "observer_returns",
            Self::ObserverFastRestart => "observer_fast_restart",
            Self::ObserverStops => "observer_stops",
            Self::BothAtOnce => "both_at_once",
            Self::PeerFrozen => "peer_frozen",
        }
    }

    /// Whether the observer is up at its end, and so can be asked.
    pub(crate) fn ends_with_observer_up(self) -> bool {
        !matches!(self, Self::ObserverCrashes | Self::ObserverStops)
    }

    /// Plays it to its end: both sides see what they ought to.
    pub(crate) fn play(self, stage: &mut Stage) -> Result<(), Error> {
        match self {
            Self::SecondJoins => {
                stage.observer.start()?;
                stage.observer.wait_status(PEER, "dead", BOOT)?;
                stage.peer.start()?;
                both_active(stage)
            }
            Self::FastRestart => {
                stage.peer.crash()?;
                stage.peer.start()?;
                restart_seen(stage)
            }
            Self::CoreKilled => {
                stage.peer.kill_core()?;
                restart_seen(stage)
            }
            Self::PeerCrashes => {
                stage.peer.crash()?;
                stage.observer.wait_status(PEER, "dead", DEATH)
            }
            Self::PeerStops => {
                stage.peer.stop(STOP)?;
                stage.observer.wait_status(PEER, "dead", DEATH)
            }
            Self::PeerReturns | Self::PeerStartsAgain => {
                stage.peer.start()?;
                both_active(stage)
            }
            Self::ObserverCrashes => {
                stage.observer.crash()?;
                stage.peer.wait_sees("dead", DEATH)
            }
            Self::ObserverReturns => {
                stage.observer.start()?;
                both_active(stage)
            }
            Self::ObserverFastRestart => {
                let deaths = stage.peer.deaths_seen()?;
                stage.observer.crash()?;
                stage.observer.start()?;
                both_active(stage)?;
                no_new_death(stage, deaths)
            }
            Self::ObserverStops => {
                stage.observer.stop(STOP)?;
                stage.peer.wait_sees("dead", DEATH)
            }
            Self::BothAtOnce => {
                stage.peer.stop(STOP)?;
                stage.peer.start()?;
                stage.observer.start()?;
                both_active(stage)
            }
            Self::PeerFrozen => {
                let deaths = stage.peer.deaths_seen()?;
                stage.peer.freeze()?;
                stage.observer.wait_status(PEER, "dead", DEATH)?;
                stage.peer.thaw()?;
                observer_restarts_itself(stage)?;
                both_active(stage)?;
                match stage.peer.is_heartbeat() {
                    true => Ok(()),
                    false => no_new_death(stage, deaths),
                }
            }
        }
    }
}

/// What 3.0.6 does about a node that returns in the same life after it was declared dead.
fn observer_restarts_itself(stage: &Stage) -> Result<(), Error> {
    wait::until_true(BOOT, "the observer restarts itself", || {
        Ok(stage.logged()?.contains(RESTART))
    })
}

/// Waits until each holds the other for active.
pub(crate) fn both_active(stage: &Stage) -> Result<(), Error> {
    stage.observer.wait_status(PEER, "active", BOOT)?;
    stage.peer.wait_sees("active", BOOT)
}

fn restart_seen(stage: &Stage) -> Result<(), Error> {
    let line = format!("Heartbeat restart on node {PEER}");
    wait::until_true(BOOT, "the observer logs a restart of the peer", || {
        Ok(stage.logged()?.contains(&line))
    })?;
    both_active(stage)
}

fn no_new_death(stage: &Stage, before: usize) -> Result<(), Error> {
    let after = stage.peer.deaths_seen()?;
    if after == before {
        return Ok(());
    }
    Err(Error::Unexpected(format!(
        "the peer saw {} deaths of the observer",
        after.saturating_sub(before)
    )))
}
