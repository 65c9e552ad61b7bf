//! What a manager is there for, as the supervisor reads it from the configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hbd_agents::command::Setting;
use hbd_manager::{Fencing, Group, Life, Monitor, Settings, Startup, StopFailure};
use serde::{Deserialize, Serialize};
use shared::config::{ActionLimits, Config, Logging, ManagerKind, Resource, StartupRule, Timing};
use shared::group::{GroupName, Operation};
use shared::names::{Generation, NodeName};
use shared::time::Moment;

use crate::process::OWN_PROGRAM;

/// How often a failed stop is tried again, as Heartbeat 3.0.6 does.
pub(super) const STOP_RETRIES: u32 = 10;
/// How long a group whose start failed is not tried again on the same node, the first time.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// Where OCF agents are.
const OCF_ROOT: &str = "/usr/lib/ocf";

/// The groups and how they are held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Duty {
    /// This node.
    pub(crate) node: NodeName,
    /// For the policy, if there is one. Life and events are those of the manager which gets it.
    pub(crate) policy: Option<Settings>,
    /// The resources of each group, in the order of the group.
    pub(crate) resources: Resources,
    /// How long the kernel keeps an address that nobody refreshes.
    pub(crate) address_lease: Duration,
    failback: bool,
    configuration: PathBuf,
    timing: Timing,
    logging: Logging,
    limits: ActionLimits,
    /// How long a look at a resource of such a group may take.
    looks: BTreeMap<GroupName, Duration>,
}

/// The resources of groups.
pub(crate) type Resources = BTreeMap<GroupName, Vec<Resource>>;

impl Duty {
    /// That of `node` under this configuration, which is in that directory.
    pub(crate) fn of(config: &Config, node: &NodeName, configuration: &Path) -> Self {
        let resources = &config.resources;
        let groups = resources.groups.iter();
        let looks = groups.clone().filter_map(|group| {
            let monitor = group.monitor?;
            Some((group.name.clone(), monitor.timeout))
        });
        Self {
            node: node.clone(),
            policy: policy(config, node),
            resources: groups
                .map(|group| (group.name.clone(), group.resources.clone()))
                .collect(),
            address_lease: resources.address_lease,
            failback: resources.failback.returns(),
            configuration: configuration.to_owned(),
            timing: config.timing,
            logging: config.logging.clone(),
            limits: resources.action_limits,
            looks: looks.collect(),
        }
    }

    /// The directory of the configuration.
    pub(super) fn configuration(&self) -> &Path {
        &self.configuration
    }

    /// What an agent may want to know of the daemon with that run directory, for something that is
    /// done to a resource of that group.
    pub(super) fn setting<'a>(
        &'a self,
        run: &'a Path,
        group: &GroupName,
        operation: Operation,
    ) -> Setting<'a> {
        let look = self.looks.get(group);
        let limit = match operation {
            Operation::Start => self.limits.start,
            Operation::Stop => self.limits.stop,
            Operation::Monitor => look.copied().unwrap_or(self.limits.status),
            Operation::Status | Operation::Announce => self.limits.status,
        };
        Setting {
            program: Path::new(OWN_PROGRAM),
            run,
            node: &self.node,
            configuration: &self.configuration,
            ocf_root: Path::new(OCF_ROOT),
            timing: &self.timing,
            logging: &self.logging,
            failback: self.failback,
            limit,
        }
    }
}

/// The checks of the configuration made sure that there are two nodes.
fn policy(config: &Config, node: &NodeName) -> Option<Settings> {
    let resources = &config.resources;
    let peer = config.nodes.iter().find(|name| *name != node)?;
    if resources.manager != ManagerKind::TwoNode {
        return None;
    }
    let groups = resources.groups.iter().map(|group| Group {
        name: group.name.clone(),
        preferred: group.node.clone(),
        resources: group.resources.iter().map(|r| r.word.clone()).collect(),
        monitor: group.monitor.map(|monitor| Monitor {
            interval: monitor.interval,
            failures: monitor.failures,
            restarts: monitor.restarts,
        }),
    });
    Some(Settings {
        node: node.clone(),
        peer: peer.clone(),
        groups: groups.collect(),
        failback: resources.failback.returns(),
        startup: match resources.startup {
            StartupRule::Alone => Startup::Alone,
            StartupRule::WaitForPeer => Startup::WaitForPeer,
        },
        unfenced_takeover: resources.unfenced_takeover,
        fencing: Fencing::default(),
        stop_failure: StopFailure::Block,
        doubt: config.timing.deadtime,
        stop_retries: STOP_RETRIES,
        retry_after: RETRY_AFTER,
        life: Life {
            generation: Generation(0),
            began: Moment::default(),
        },
        events: 0,
    })
}
