//! What hbd runs with, for whoever asks: nothing in it is secret.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::keys::DigestMethod;
use super::model::Timing;
use super::model::{
    Account, ApiRole, Config, FenceDevice, FenceMethod, Fencing, GenerationSource, Group,
    HealthCheck, Host, ManagerKind, Medium, MediumKind, Resources, StonithParameters, UuidSource,
    is_open_setting,
};
use crate::names::KeyIndex;

/// What hbd runs with, without anything secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// All times.
    pub timing: Timing,
    /// By directive what counts, defaults included, as its lines would say it. A directive that
    /// does nothing, or of which nothing counts, is not in it.
    pub values: BTreeMap<String, Vec<String>>,
    /// The keys, by number.
    pub keys: Vec<RunningKey>,
    /// The key that signs.
    pub active_key: KeyIndex,
}

/// A key, without its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningKey {
    /// Its number.
    pub index: KeyIndex,
    /// How it signs.
    pub method: DigestMethod,
}

impl Running {
    /// What `config` says.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let keys = config.keys.keys.iter();
        Self {
            timing: config.timing,
            values: values(config),
            keys: keys
                .map(|(index, key)| RunningKey {
                    index: *index,
                    method: key.method,
                })
                .collect(),
            active_key: config.keys.active,
        }
    }
}

fn values(config: &Config) -> BTreeMap<String, Vec<String>> {
    let mut values = BTreeMap::new();
    let mut say = |word: &str, value: String| {
        let lines: &mut Vec<String> = values.entry(word.to_owned()).or_default();
        if !lines.contains(&value) {
            lines.push(value);
        }
    };
    let nodes: Vec<&str> = config.nodes.iter().map(|node| node.as_str()).collect();
    say("node", nodes.join(" "));
    for (word, time) in times(&config.timing) {
        say(word, time);
    }
    for medium in &config.media {
        for line in lines(medium) {
            say(medium.kind.word(), line);
        }
        if let Some(listen) = listen(&medium.kind) {
            say("listen", listen);
        }
        match (medium.kind.port(), &medium.kind) {
            (_, MediumKind::Mcast { .. } | MediumKind::Mcast6 { .. }) | (None, _) => {}
            (Some(port), _) => say("udpport", port.to_string()),
        }
    }
    for (role, account) in &config.api.users {
        say("apiauth", grant(*role, "uid", account));
    }
    for (role, account) in &config.api.groups {
        say("apiauth", grant(*role, "gid", account));
    }
    say("log_badpack", switch(config.log_badpack));
    say("realtime", switch(config.realtime.enabled));
    if let Some(priority) = config.realtime.priority {
        say("rtprio", priority.to_string());
    }
    if let Some(device) = &config.watchdog {
        say("watchdog", device.display().to_string());
    }
    if !config.self_fence.is_empty() {
        say("selffence", config.self_fence.join(" "));
    }
    say("hopfudge", config.hopfudge.to_string());
    for (word, value) in managed(&config.resources) {
        say(word, value);
    }
    for check in &config.resources.health {
        say("health", health(check));
    }
    for name in config.resources.environment.keys() {
        // A value may be a password.
        say("env", format!("{name}=********"));
    }
    say("hbgenmethod", generation(config.generation).into());
    say("uuidfrom", uuid(config.uuid).into());
    values
}

/// What counts about resources: nothing where there are none.
fn managed(resources: &Resources) -> Vec<(&'static str, String)> {
    if resources.groups.is_empty() {
        return Vec::new();
    }
    let limits = &resources.action_limits;
    let limits = [
        ("start", limits.start),
        ("stop", limits.stop),
        ("status", limits.status),
    ]
    .map(|(operation, limit)| format!("{operation}={}", as_written(limit)));
    let mut values = vec![
        ("manager", manager(resources)),
        ("auto_failback", resources.failback.word().to_owned()),
        ("startup", resources.startup.word().to_owned()),
        ("unfenced_takeover", switch(resources.unfenced_takeover)),
        ("stop_failure", resources.stop_failure.word().to_owned()),
        ("actiontime", limits.join(" ")),
        ("addrlease", resources.address_lease.as_secs().to_string()),
    ];
    values.extend(resources.ipfail.clone().map(|line| ("respawn", line)));
    values.extend(resources.groups.iter().map(|g| ("monitor", monitor(g))));
    values.extend(fenced(&resources.fencing));
    values
}

fn manager(resources: &Resources) -> String {
    match resources.manager {
        ManagerKind::Program => resources.program.join(" "),
        kind => kind.word().to_owned(),
    }
}

/// What counts about fencing: nothing where there is none.
fn fenced(fencing: &Fencing) -> Vec<(&'static str, String)> {
    let devices = fencing.devices.iter();
    let mut values: Vec<_> = devices.map(device).collect();
    if !values.is_empty() {
        let delays = fencing.delays.iter();
        let delays = delays.map(|(node, delay)| format!("{node} {}", as_written(*delay)));
        values.extend(delays.map(|value| ("fencedelay", value)));
        values.push(("startup_fence", switch(fencing.startup)));
        values.push(("fencetime", as_written(fencing.call_limit)));
    }
    values
}

/// As its line would say it, but for what may be a password.
fn device(device: &FenceDevice) -> (&'static str, String) {
    let node = device.node.as_ref().map_or("*", |node| node.as_str());
    match &device.method {
        FenceMethod::Manual => ("fence", format!("{node} manual")),
        FenceMethod::Agent { program, settings } => {
            let mut value = format!("{node} {}", program.display());
            for (key, secret) in settings {
                let text = match is_open_setting(key) {
                    true => String::from_utf8_lossy(secret.bytes()),
                    false => "*".into(),
                };
                value.push_str(&format!(" {key}={text}"));
            }
            ("fence", value)
        }
        FenceMethod::Stonith {
            kind,
            parameters: StonithParameters::File(file),
        } => ("stonith", format!("{kind} {}", file.display())),
        FenceMethod::Stonith { kind, .. } => ("stonith_host", format!("* {kind} ...")),
    }
}

fn monitor(group: &Group) -> String {
    let name = &group.name;
    match &group.monitor {
        None => format!("{name} off"),
        Some(watch) => format!(
            "{name} {} timeout={} failures={} restarts={}",
            as_written(watch.interval),
            as_written(watch.timeout),
            watch.failures,
            watch.restarts
        ),
    }
}

fn health(check: &HealthCheck) -> String {
    let about = match &check.group {
        Some(group) => format!("group={group}"),
        None => "node".to_owned(),
    };
    let mut line = format!(
        "{} {} {about} {} timeout={} failures={}",
        check.name,
        check.kind.word(),
        as_written(check.interval),
        as_written(check.timeout),
        check.failures
    );
    if check.warning_fails {
        line.push_str(" warning=failure");
    }
    for word in std::iter::once(&check.program).chain(&check.arguments) {
        line.push(' ');
        line.push_str(word);
    }
    line
}

fn as_written(time: Duration) -> String {
    match time.subsec_millis() {
        0 => time.as_secs().to_string(),
        _ => format!("{}ms", time.as_millis()),
    }
}

fn times(timing: &Timing) -> [(&'static str, String); 6] {
    [
        ("keepalive", time(timing.keepalive)),
        ("warntime", time(timing.warntime)),
        ("deadtime", time(timing.deadtime)),
        ("initdead", time(timing.initdead)),
        ("deadping", time(timing.deadping)),
        ("max_rexmit_delay", time(timing.max_rexmit_delay)),
    ]
}

/// As `ha.cf` takes it: seconds, or milliseconds with their unit.
fn time(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{}s", time.as_secs()),
        _ => format!("{}ms", time.as_millis()),
    }
}

fn lines(medium: &Medium) -> Vec<String> {
    let device = &medium.device;
    let switched = |on: &bool| u8::from(*on);
    match &medium.kind {
        MediumKind::Bcast { .. } => vec![device.clone()],
        MediumKind::Mcast {
            group,
            port,
            ttl,
            loopback,
        } => vec![format!(
            "{device} {group} {port} {ttl} {}",
            switched(loopback)
        )],
        MediumKind::Mcast6 {
            group,
            port,
            ttl,
            loopback,
        } => vec![format!(
            "{device} {group} {port} {ttl} {}",
            switched(loopback)
        )],
        MediumKind::Ucast { peers, .. } => peers
            .iter()
            .map(|peer| format!("{device} {peer}"))
            .collect(),
        MediumKind::Ucast6 { peers, .. } => peers
            .iter()
            .map(|peer| format!("{device} {peer}"))
            .collect(),
        MediumKind::Ether { ethertype, group } => {
            vec![format!("{device} {ethertype:#06x} {group}")]
        }
        MediumKind::Serial { .. } => vec![device.clone()],
        MediumKind::Ping { node, .. } | MediumKind::Ping6 { node, .. } => vec![node.to_string()],
        MediumKind::PingGroup { node, hosts } => {
            let hosts: Vec<String> = hosts.iter().map(Host::to_string).collect();
            vec![format!("{node} {}", hosts.join(" "))]
        }
    }
}

fn listen(kind: &MediumKind) -> Option<String> {
    match kind {
        MediumKind::Ucast { listen, .. } => listen.map(|address| address.to_string()),
        MediumKind::Ucast6 { listen, .. } => listen.map(|address| address.to_string()),
        _ => None,
    }
}

fn grant(role: ApiRole, by: &str, account: &Account) -> String {
    match account {
        Account::Name(name) => format!("{} {by}={name}", role.client()),
        Account::Id(id) => format!("{} {by}={id}", role.client()),
    }
}

fn switch(on: bool) -> String {
    if on { "on" } else { "off" }.into()
}

fn generation(source: GenerationSource) -> &'static str {
    match source {
        GenerationSource::File => "file",
        GenerationSource::Time => "time",
    }
}

fn uuid(source: UuidSource) -> &'static str {
    match source {
        UuidSource::File => "file",
        UuidSource::Nodename => "nodename",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check;
    use crate::config::source::{FileName, Files};

    const SECRET: &str = "a-secret-that-nobody-sees";

    fn running(ha_cf: &str) -> Running {
        running_with(ha_cf, "")
    }

    fn running_with(ha_cf: &str, haresources: &str) -> Running {
        let keys = format!("auth 1\n1 sha1 {SECRET}\n2 md5 {SECRET}\n");
        let files = Files::default()
            .with(FileName::HaCf, ha_cf)
            .with(FileName::Authkeys, &keys)
            .with(FileName::Haresources, haresources);
        let checked = check::text(&files);
        Running::of(&checked.config.expect("a configuration"))
    }

    #[test]
    fn what_counts_is_said_as_a_line_says_it_defaults_included() {
        let running = running(
            "node alice bob\nkeepalive 500ms\ndeadtime 10\nmcast eth0 239.1.2.3 694 1 0\n\
             ucast eth1 10.0.0.2\nucast eth1 10.0.0.3\n",
        );
        let value = |word: &str| running.values.get(word).cloned().unwrap_or_default();
        assert_eq!(value("node"), ["alice bob"]);
        assert_eq!(value("keepalive"), ["500ms"]);
        assert_eq!(value("warntime"), ["5s"]);
        assert_eq!(value("mcast"), ["eth0 239.1.2.3 694 1 0"]);
        assert_eq!(value("ucast"), ["eth1 10.0.0.2", "eth1 10.0.0.3"]);
        assert_eq!(value("udpport"), ["694"]);
        assert_eq!(value("baud"), [] as [&str; 0]);
    }

    #[test]
    fn keys_have_a_number_and_a_method_and_no_secret() {
        let running = running("node alice\nbcast eth0\n");
        assert_eq!(running.active_key, KeyIndex(1));
        assert_eq!(running.keys[1].index, KeyIndex(2));
        assert_eq!(running.keys[1].method, DigestMethod::Md5);
        let text = serde_json::to_string(&running).unwrap();
        assert!(!text.contains(SECRET), "{text}");
    }

    #[test]
    fn what_counts_of_groups_can_be_written_as_it_is_said() {
        let ha_cf = "node alice bob\nbcast eth0\nauto_failback off\n";
        let own = "monitor apache 2.5 timeout=20\nactiontime stop=1500ms\n";
        let groups = "alice apache\nbob mysql\n";
        let first = running_with(&format!("{ha_cf}{own}"), groups);
        assert_eq!(
            first.values["monitor"],
            [
                "apache 2500ms timeout=20 failures=1 restarts=3",
                "mysql off"
            ]
        );
        let words = [
            "manager",
            "startup",
            "unfenced_takeover",
            "stop_failure",
            "actiontime",
            "addrlease",
            "monitor",
        ];
        let said = words.iter().flat_map(|word| {
            let lines = &first.values[*word];
            lines.iter().map(move |line| format!("{word} {line}\n"))
        });
        let again = running_with(&format!("{ha_cf}{}", said.collect::<String>()), groups);
        assert_eq!(again.values, first.values);
    }

    #[test]
    fn without_groups_nothing_counts_of_what_is_said_about_them() {
        let running = running("node alice bob\nbcast eth0\nauto_failback off\n");
        assert!(!running.values.contains_key("auto_failback"));
    }

    #[test]
    fn every_word_is_a_directive() {
        let running = running_with("node alice bob\nbcast eth0\nrtprio 3\n", "alice apache\n");
        for word in running.values.keys() {
            assert!(crate::config::directives::find(word).is_some(), "{word}");
        }
    }
}
