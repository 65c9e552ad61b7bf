//! A configuration as a few lines, without keys.

use std::fmt::Write as _;
use std::time::Duration;

use shared::config::{
    Account, Config, Fencing, HealthCheck, Host, Logging, ManagerKind, MediumKind, Resource,
    Resources,
};

pub(crate) fn describe(config: &Config) -> String {
    let mut out = String::from("valid\n");
    let nodes: Vec<&str> = config.nodes.iter().map(|node| node.as_str()).collect();
    line(&mut out, "nodes", &nodes.join(" "));
    let t = &config.timing;
    let times = [
        t.keepalive,
        t.warntime,
        t.deadtime,
        t.initdead,
        t.deadping,
        t.max_rexmit_delay,
    ]
    .map(ms);
    line(
        &mut out,
        "keepalive warntime deadtime initdead deadping rexmit",
        &times.join(" "),
    );
    for medium in &config.media {
        line(
            &mut out,
            &format!("medium {}", medium.name),
            &format!("{} {}", medium.device, kind(&medium.kind)),
        );
    }
    for (index, key) in &config.keys.keys {
        let active = if *index == config.keys.active {
            ", signs"
        } else {
            ""
        };
        line(
            &mut out,
            &format!("key {index}"),
            &format!(
                "{} of {} bytes{active}",
                key.method,
                key.secret.bytes().len()
            ),
        );
    }
    for (kind, grants) in [("user", &config.api.users), ("group", &config.api.groups)] {
        for (role, account) in grants {
            line(
                &mut out,
                &format!("{kind} {}", name(account)),
                role.client(),
            );
        }
    }
    let realtime = &config.realtime;
    line(
        &mut out,
        "realtime",
        &format!("{} {:?}", realtime.enabled, realtime.priority),
    );
    if let Some(device) = &config.watchdog {
        line(&mut out, "watchdog", &device.display().to_string());
    }
    if !config.self_fence.is_empty() {
        line(&mut out, "selffence", &config.self_fence.join(" "));
    }
    let sources = format!(
        "generation {:?}, uuid {:?}, hopfudge {}, log_badpack {}",
        config.generation, config.uuid, config.hopfudge, config.log_badpack
    );
    line(&mut out, "other", &sources);
    if config.resources.manager != ManagerKind::None {
        managed(&mut out, &config.resources);
    }
    for (name, value) in &config.resources.environment {
        line(&mut out, "env", &format!("{name}={value}"));
    }
    let Logging {
        facility,
        file,
        debug_file,
        syslog_format,
    } = &config.logging;
    let logs = format!(
        "facility {facility:?}, file {file:?}, debug file {debug_file:?}, as syslog {syslog_format}"
    );
    if logs != NO_LOG {
        line(&mut out, "log", &logs);
    }
    health(&mut out, &config.resources.health);
    fencing(&mut out, &config.resources.fencing);
    for idle in &config.ineffective {
        line(
            &mut out,
            "idle",
            &format!("{} ({} line {})", idle.directive, idle.file, idle.line),
        );
    }
    out
}

fn managed(out: &mut String, resources: &Resources) {
    let limits = resources.action_limits;
    let value = format!(
        "manager {}, auto_failback {}, startup {}, unfenced takeover {}, stop failure {}, lease {}, start {}, stop {}, status {}",
        match resources.manager {
            ManagerKind::Program => resources.program.join(" "),
            kind => kind.word().to_owned(),
        },
        resources.failback.word(),
        resources.startup.word(),
        resources.unfenced_takeover,
        resources.stop_failure.word(),
        ms(resources.address_lease),
        ms(limits.start),
        ms(limits.stop),
        ms(limits.status),
    );
    line(out, "resources", &value);
    if let Some(ipfail) = &resources.ipfail {
        line(out, "ipfail", ipfail);
    }
    for group in &resources.groups {
        let resources: Vec<String> = group.resources.iter().map(resource).collect();
        let value = format!("on {}: {}", group.node, resources.join(" "));
        line(out, &format!("group {}", group.name), &value);
        if let Some(watch) = group.monitor {
            let value = format!(
                "every {}, timeout {}, failures {}, restarts {}",
                ms(watch.interval),
                ms(watch.timeout),
                watch.failures,
                watch.restarts
            );
            line(out, "  watched", &value);
        }
    }
}

fn health(out: &mut String, checks: &[HealthCheck]) {
    for check in checks {
        let about = match &check.group {
            Some(group) => format!("group {group}"),
            None => "the node".to_owned(),
        };
        let value = format!(
            "{} of {about} every {}, timeout {}, failures {}, warning fails {}: {} {}",
            check.kind.word(),
            ms(check.interval),
            ms(check.timeout),
            check.failures,
            check.warning_fails,
            check.program,
            check.arguments.join(" ")
        );
        line(out, &format!("health {}", check.name), &value);
    }
}

fn fencing(out: &mut String, fencing: &Fencing) {
    for device in &fencing.devices {
        let node = device.node.as_ref().map_or("any", |node| node.as_str());
        line(out, &format!("fence {node}"), &device.method.name());
    }
    if !fencing.devices.is_empty() {
        let delays = fencing.delays.iter();
        let delays = delays.map(|(node, delay)| format!("{node} {}", ms(*delay)));
        let value = format!(
            "delays [{}], at start {}, calls {}",
            delays.collect::<Vec<_>>().join(", "),
            fencing.startup,
            ms(fencing.call_limit)
        );
        line(out, "fencing", &value);
    }
}

fn resource(resource: &Resource) -> String {
    format!("{}({})", resource.agent, resource.arguments.join(", "))
}

/// What nobody has to be told.
const NO_LOG: &str = "facility None, file None, debug file None, as syslog true";

fn line(out: &mut String, what: &str, value: &str) {
    let _ = writeln!(out, "{what}: {value}");
}

fn ms(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

fn name(account: &Account) -> String {
    match account {
        Account::Name(name) => name.clone(),
        Account::Id(id) => format!("#{id}"),
    }
}

fn kind(kind: &MediumKind) -> String {
    let word = kind.word();
    let port = kind.port().unwrap_or_default();
    match kind {
        MediumKind::Bcast { .. } => format!("{word} port {port}"),
        MediumKind::Mcast {
            group,
            ttl,
            loopback,
            ..
        } => format!("{word} {group} port {port} ttl {ttl} loop {loopback}"),
        MediumKind::Mcast6 {
            group,
            ttl,
            loopback,
            ..
        } => format!("{word} {group} port {port} ttl {ttl} loop {loopback}"),
        MediumKind::Ucast { peers, listen, .. } => {
            let peers: Vec<String> = peers.iter().map(host).collect();
            format!("{word} {} port {port} listen {listen:?}", peers.join(" "))
        }
        MediumKind::Ucast6 { peers, listen, .. } => {
            let peers: Vec<String> = peers
                .iter()
                .map(|peer| format!("{}%{}", peer.address, peer.scope.as_deref().unwrap_or("-")))
                .collect();
            format!("{word} {} port {port} listen {listen:?}", peers.join(" "))
        }
        MediumKind::Ether { ethertype, group } => format!("{word} {ethertype:#06x} {group}"),
        MediumKind::Serial { baud } => format!("{word} baud {baud}"),
        MediumKind::Ping { node, host: at } => format!("{word} {} as {node}", host(at)),
        MediumKind::Ping6 { node, host } => format!("{word} {host} as {node}"),
        MediumKind::PingGroup { node, hosts } => {
            let hosts: Vec<String> = hosts.iter().map(host).collect();
            format!("{word} {} as {node}", hosts.join(" "))
        }
    }
}

fn host(host: &Host) -> String {
    match host {
        Host::Address(address) => address.to_string(),
        Host::Name(name) => format!("name:{name}"),
    }
}
