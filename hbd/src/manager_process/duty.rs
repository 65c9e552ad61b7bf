//! What a manager is there for, as the supervisor reads it from the configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hbd_agents::command::Setting;
use hbd_manager::{Fencing, Group, Life, Monitor, Settings, Startup};
use serde::{Deserialize, Serialize};
use shared::config::{
    ActionLimits, AutoFailback, Config, FenceMethod, HealthCheck, Logging, ManagerKind, Resource,
    Running, StartupRule, StopFailureRule,
};
use shared::group::{GroupName, Operation};
use shared::names::{Generation, NodeName};
use shared::time::Moment;

use super::external::Errand;
use super::fencing::Devices;
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
    /// The program that decides in its place, if one does.
    pub(crate) program: Option<Errand>,
    /// The resources of each group, in the order of the group.
    pub(crate) resources: Resources,
    /// How long the kernel keeps an address that nobody refreshes.
    pub(crate) address_lease: Duration,
    /// What switches the other node off.
    pub(super) devices: Devices,
    /// What else says how this node and its groups are.
    #[serde(default)]
    pub(super) health: Vec<HealthCheck>,
    /// What scripts are told besides.
    environment: BTreeMap<String, String>,
    configuration: PathBuf,
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
            program: program(config),
            resources: groups
                .map(|group| (group.name.clone(), group.resources.clone()))
                .collect(),
            address_lease: resources.address_lease,
            devices: devices(config, node),
            health: resources.health.clone(),
            environment: environment(config),
            // Agents run elsewhere.
            configuration: std::path::absolute(configuration)
                .unwrap_or_else(|_| configuration.to_owned()),
            logging: config.logging.clone(),
            limits: resources.action_limits,
            looks: looks.collect(),
        }
    }

    /// Somebody decides.
    pub(super) fn is_managed(&self) -> bool {
        self.policy.is_some() || self.program.is_some()
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
        self.common_setting(run, limit)
    }

    /// The same for what may take so long.
    pub(super) fn common_setting<'a>(&'a self, run: &'a Path, limit: Duration) -> Setting<'a> {
        Setting {
            program: Path::new(OWN_PROGRAM),
            run,
            node: &self.node,
            configuration: &self.configuration,
            ocf_root: Path::new(OCF_ROOT),
            logging: &self.logging,
            environment: &self.environment,
            limit,
        }
    }
}

/// Directives that a script is told, as `ha.cf` says them, where they have one value.
const TOLD: [&str; 8] = [
    "hbgenmethod",
    "hopfudge",
    "log_badpack",
    "realtime",
    "rtprio",
    "udpport",
    "uuidfrom",
    "watchdog",
];

/// `env` lines, and what else of `ha.cf` a script could want.
fn environment(config: &Config) -> BTreeMap<String, String> {
    let mut told = config.resources.environment.clone();
    for (word, values) in Running::of(config).values {
        if let (true, [value]) = (TOLD.contains(&word.as_str()), &values[..]) {
            told.insert(word, value.clone());
        }
    }
    let timing = &config.timing;
    for (word, time) in [
        ("deadping", timing.deadping),
        ("deadtime", timing.deadtime),
        ("initdead", timing.initdead),
        ("keepalive", timing.keepalive),
        ("warntime", timing.warntime),
    ] {
        told.insert(word.into(), as_written(time));
    }
    let delay = timing.max_rexmit_delay.as_millis().to_string();
    told.insert("max_rexmit_delay".into(), delay);
    let failback = config.resources.failback;
    told.insert("auto_failback".into(), failback.word().into());
    if failback != AutoFailback::Legacy {
        told.insert("NICEFAILBACK".into(), "yes".into());
    }
    told
}

/// Seconds as scripts count with them, or milliseconds with their unit.
fn as_written(time: Duration) -> String {
    match time.subsec_millis() {
        0 => time.as_secs().to_string(),
        _ => format!("{}ms", time.as_millis()),
    }
}

/// The other node, if there is one and no more.
fn peer<'c>(config: &'c Config, node: &NodeName) -> Option<&'c NodeName> {
    config.nodes.iter().find(|name| *name != node)
}

fn devices(config: &Config, node: &NodeName) -> Devices {
    let fencing = &config.resources.fencing;
    let methods = peer(config, node).map(|peer| fencing.against(peer));
    let programs = methods.into_iter().flatten();
    let programs = programs.filter(|method| **method != FenceMethod::Manual);
    Devices {
        methods: programs.cloned().collect(),
        limit: fencing.call_limit,
    }
}

/// As the policy sees them. Two of a name are told apart by a number.
fn fencing(config: &Config, peer: &NodeName, devices: &Devices) -> Fencing {
    let fencing = &config.resources.fencing;
    let mut names: Vec<String> = Vec::new();
    for method in &devices.methods {
        let name = method.name();
        let same = devices.methods[..names.len()].iter();
        names.push(match same.filter(|other| other.name() == name).count() {
            0 => name,
            others => format!("{name} ({})", others + 1),
        });
    }
    Fencing {
        devices: names,
        manual: fencing
            .against(peer)
            .any(|method| *method == FenceMethod::Manual),
        delay: fencing.delays.get(peer).copied().unwrap_or_default(),
        startup: fencing.startup,
    }
}

fn program(config: &Config) -> Option<Errand> {
    let resources = &config.resources;
    (resources.manager == ManagerKind::Program).then(|| Errand {
        command: resources.program.clone(),
        nodes: config.nodes.to_vec(),
        groups: groups(config),
    })
}

fn groups(config: &Config) -> Vec<Group> {
    let groups = config.resources.groups.iter().map(|group| Group {
        name: group.name.clone(),
        preferred: group.node.clone(),
        resources: group.resources.iter().map(|r| r.word.clone()).collect(),
        monitor: group.monitor.map(|monitor| Monitor {
            interval: monitor.interval,
            failures: monitor.failures,
            restarts: monitor.restarts,
        }),
    });
    groups.collect()
}

/// The checks of the configuration made sure that there are two nodes.
fn policy(config: &Config, node: &NodeName) -> Option<Settings> {
    let resources = &config.resources;
    let peer = peer(config, node)?;
    if resources.manager != ManagerKind::TwoNode {
        return None;
    }
    Some(Settings {
        node: node.clone(),
        peer: peer.clone(),
        groups: groups(config),
        failback: resources.failback.returns(),
        legacy: resources.failback == AutoFailback::Legacy,
        ping_nodes: match resources.ipfail {
            Some(_) => config.ping_nodes().cloned().collect(),
            None => Vec::new(),
        },
        startup: match resources.startup {
            StartupRule::Alone => Startup::Alone,
            StartupRule::WaitForPeer => Startup::WaitForPeer,
        },
        unfenced_takeover: resources.unfenced_takeover,
        fencing: fencing(config, peer, &devices(config, node)),
        fence_blocked: resources.stop_failure == StopFailureRule::Fence,
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

#[cfg(test)]
mod tests {
    use shared::config::check;
    use shared::config::source::{FileName, Files};

    use super::*;

    fn duty(hbd_cf: &str, node: &str) -> Duty {
        let node = NodeName::new(node).unwrap();
        let mut files = Files::default()
            .with(
                FileName::HaCf,
                "node alice bob\nbcast eth0\nauto_failback off\n",
            )
            .with(FileName::HbdCf, hbd_cf)
            .with(FileName::Authkeys, "auth 1\n1 sha1 lab-secret-key\n")
            .with(FileName::Haresources, "alice web\n");
        files.node = Some(node.clone());
        let checked = check::text(&files);
        let config = checked.config.expect("a configuration");
        Duty::of(&config, &node, Path::new("/etc/ha.d"))
    }

    #[test]
    fn a_node_fences_the_other_one_with_what_is_there_against_it() {
        let lines = "fence alice fence_a\nfence bob fence_b n=1\nfence bob manual\nfence bob fence_b n=2\n\
                     fencedelay alice 5\nstartup_fence no\nfencetime 9\n";
        let alice = duty(lines, "alice");
        assert_eq!(
            alice.policy.unwrap().fencing,
            Fencing {
                devices: vec!["fence_b".into(), "fence_b (2)".into()],
                manual: true,
                delay: Duration::ZERO,
                startup: false,
            }
        );
        assert_eq!(alice.devices.methods.len(), 2);
        assert_eq!(alice.devices.limit, Duration::from_secs(9));
        let bob = duty(lines, "bob").policy.unwrap().fencing;
        assert_eq!(bob.devices, ["fence_a"]);
        assert_eq!((bob.manual, bob.delay), (false, Duration::from_secs(5)));
    }

    #[test]
    fn another_parameter_of_a_device_is_another_duty() {
        let with = |value: &str| duty(&format!("fence bob fence_b password={value}\n"), "alice");
        assert_eq!(with("a"), with("a"));
        assert_ne!(with("a"), with("b"));
    }
}
