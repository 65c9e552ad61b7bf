//! A pair of nodes with one medium and one digest, and the one run of it that all its tests share.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hbd_tests::error::{Error, unexpected};
use hbd_tests::heartbeat::HeartbeatNode;
use hbd_tests::namespaces::{Cable, Namespace, Switch};
use hbd_tests::scratch::{self, Scratch};
use hbd_tests::wait;

use crate::observed::Observed;
use crate::peer::{Kind, Peer};
use crate::scenario::{OBSERVER, PEER, Scenario};

const OBSERVER_ADDRESS: &str = "10.9.0.1";
const PEER_ADDRESS: &str = "10.9.0.2";

/// A scenario is over when the observer has logged nothing for so long: its scripts have run.
const QUIET: Duration = Duration::from_millis(1500);
/// It never logs for longer than this without being asked.
const QUIET_LIMIT: Duration = Duration::from_secs(20);
/// Lines of each log shown with a failure.
const TAIL: usize = 25;

/// `deadtime` of the lanes: the shortest of whole seconds that a busy machine bears.
const DEADTIME: Duration = Duration::from_secs(5);

/// What connects the pair.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    pub(crate) medium: Medium,
    pub(crate) digest: Digest,
}

/// What the packets of a pair go over.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Medium {
    Bcast,
    Mcast,
    Ucast,
}

/// What signs them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Digest {
    Crc,
    Md5,
    Sha1,
}

/// Each medium and each digest once.
pub(crate) const LANES: [Link; 3] = [
    Link::of(Medium::Bcast, Digest::Sha1),
    Link::of(Medium::Mcast, Digest::Md5),
    Link::of(Medium::Ucast, Digest::Crc),
];

/// The other pairs of medium and digest.
pub(crate) const OTHER_LANES: [Link; 6] = [
    Link::of(Medium::Bcast, Digest::Crc),
    Link::of(Medium::Bcast, Digest::Md5),
    Link::of(Medium::Mcast, Digest::Crc),
    Link::of(Medium::Mcast, Digest::Sha1),
    Link::of(Medium::Ucast, Digest::Md5),
    Link::of(Medium::Ucast, Digest::Sha1),
];

impl Link {
    pub(crate) const fn of(medium: Medium, digest: Digest) -> Self {
        Self { medium, digest }
    }

    fn name(self) -> String {
        format!("{:?}_{:?}", self.medium, self.digest).to_lowercase()
    }

    fn medium(self, to: &str) -> String {
        match self.medium {
            Medium::Bcast => "bcast eth0".to_owned(),
            Medium::Mcast => "mcast eth0 239.192.0.42 694 1 0".to_owned(),
            Medium::Ucast => format!("ucast eth0 {to}"),
        }
    }

    fn authkeys(self) -> &'static str {
        match self.digest {
            Digest::Sha1 => "auth 1\n1 sha1 interop-key\n",
            Digest::Md5 => "auth 2\n2 md5 interop-key\n",
            Digest::Crc => "auth 3\n3 crc\n",
        }
    }

    /// Writes the configuration of one of the nodes; `ucast` goes to the address `to`.
    pub(crate) fn configure(
        self,
        directory: &Path,
        to: &str,
        deadtime: Duration,
        nodes: &[&str],
    ) -> Result<(), Error> {
        let medium = self.medium(to);
        let nodes = nodes.join(" ");
        let (deadtime, initdead) = (deadtime.as_secs(), 2 * deadtime.as_secs());
        let ha_cf = format!(
            "logfile /var/log/ha-log\nlogfacility none\nrealtime off\nkeepalive 500ms\nwarntime 3\n\
             deadtime {deadtime}\ninitdead {initdead}\nauto_failback legacy\n{medium}\nnode {nodes}\n"
        );
        scratch::write(&directory.join("ha.cf"), &ha_cf)?;
        scratch::write(&directory.join("haresources"), "")?;
        scratch::write_secret(&directory.join("authkeys"), self.authkeys())
    }
}

/// The pair on its network. Fields are dropped in this order: nodes before the networks they live in.
pub(crate) struct Stage {
    pub(crate) observer: HeartbeatNode,
    pub(crate) peer: Box<dyn Peer>,
    /// Length of the observer's log at the last [`Self::mark`].
    mark: usize,
    /// The places of observer and peer on the switch.
    pub(crate) cables: [Cable; 2],
    _networks: [Arc<Namespace>; 2],
    pub(crate) switch: Switch,
    _config: Scratch,
}

impl Stage {
    pub(crate) fn new(link: Link, kind: Kind, deadtime: Duration) -> Result<Self, Error> {
        let switch = Switch::new()?;
        let networks = [Arc::new(Namespace::new()?), Arc::new(Namespace::new()?)];
        let cables = [
            switch.plug(&networks[0], "eth0", &[&format!("{OBSERVER_ADDRESS}/24")])?,
            switch.plug(&networks[1], "eth0", &[&format!("{PEER_ADDRESS}/24")])?,
        ];
        let config = Scratch::new()?;
        let (to_peer, to_observer) = (config.directory(OBSERVER)?, config.directory(PEER)?);
        let nodes = [OBSERVER, PEER];
        link.configure(&to_peer, PEER_ADDRESS, deadtime, &nodes)?;
        link.configure(&to_observer, OBSERVER_ADDRESS, deadtime, &nodes)?;
        let peer = kind.peer(&networks[1], &to_observer)?;
        let observer = HeartbeatNode::new(OBSERVER, &networks[0], &to_peer)?;
        Ok(Self {
            observer,
            peer,
            mark: 0,
            cables,
            _networks: networks,
            switch,
            _config: config,
        })
    }

    /// What the observer has logged since the last [`Self::mark`].
    pub(crate) fn logged(&self) -> Result<String, Error> {
        Ok(self
            .observer
            .log()?
            .get(self.mark..)
            .unwrap_or_default()
            .to_owned())
    }

    /// From here on [`Self::logged`] counts.
    pub(crate) fn mark(&mut self) -> Result<(), Error> {
        self.mark = self.observer.log()?.len();
        Ok(())
    }

    fn play(&mut self, scenario: Scenario) -> Result<Observed, Error> {
        self.mark()?;
        scenario.play(self)?;
        self.quiet()?;
        let mut observed = Observed::default();
        if scenario.ends_with_observer_up() {
            observed.ask(&self.observer)?;
        }
        observed.log(&self.logged()?);
        Ok(observed)
    }

    fn quiet(&self) -> Result<(), Error> {
        let mut length = 0;
        let mut since = std::time::Instant::now();
        wait::until_true(QUIET_LIMIT, "the observer's log is quiet", || {
            let now = self.observer.log()?.len();
            if now != length {
                (length, since) = (now, std::time::Instant::now());
            }
            Ok(since.elapsed() >= QUIET)
        })
    }

    /// The error with the end of both logs.
    pub(crate) fn with_logs(&self, error: &Error) -> String {
        let observer = self.observer.log().unwrap_or_default();
        format!(
            "{error}\n--- {OBSERVER}:\n{}\n--- {PEER}:\n{}",
            tail(&observer),
            tail(&self.peer.log())
        )
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

/// A pair that boots once, when first asked for an outcome.
pub(crate) struct Lane {
    link: Link,
    kind: Kind,
    outcomes: OnceLock<Vec<Result<Observed, String>>>,
}

impl Lane {
    pub(crate) fn new(link: Link, kind: Kind) -> Self {
        Self {
            link,
            kind,
            outcomes: OnceLock::new(),
        }
    }

    pub(crate) fn name(&self) -> String {
        self.link.name()
    }

    /// What was observed in a scenario; waits until the whole lane is over.
    pub(crate) fn outcome(&self, scenario: Scenario) -> Result<Observed, Error> {
        let position = Scenario::ALL.iter().position(|&other| other == scenario);
        match position.and_then(|position| self.play().get(position)) {
            Some(Ok(observed)) => Ok(observed.clone()),
            Some(Err(text)) => unexpected(text.clone()),
            None => unexpected("never played"),
        }
    }

    /// Plays all scenarios, unless they have been played.
    pub(crate) fn play(&self) -> &[Result<Observed, String>] {
        self.outcomes
            .get_or_init(|| match Stage::new(self.link, self.kind, DEADTIME) {
                Ok(mut stage) => play_all(&mut stage),
                Err(error) => vec![Err(error.to_string()); Scenario::ALL.len()],
            })
    }
}

/// A scenario begins where the last one ended, so the first that does not reach its end takes the rest with it.
fn play_all(stage: &mut Stage) -> Vec<Result<Observed, String>> {
    let mut outcomes = Vec::new();
    let mut stuck: Option<Scenario> = None;
    for scenario in Scenario::ALL {
        outcomes.push(match stuck {
            Some(before) => Err(format!("not reached: {} did not end", before.name())),
            None => stage.play(scenario).map_err(|error| {
                stuck = Some(scenario);
                stage.with_logs(&error)
            }),
        });
    }
    outcomes
}
