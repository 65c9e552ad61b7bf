//! From the configuration to what the core is told.

use std::collections::BTreeMap;
use std::time::Duration;

use hbd_core::wire::config_digest::{IPFAIL, file_digest, ping_nodes_counted};
use hbd_core::{KeySpec, MediumForm, MediumSettings, Settings};
use shared::config::diff;
use shared::config::{Config, Files, KeyRing, ManagerKind, Medium, MediumKind};
use shared::event::{ConfiguredNode, NodeKind};
use shared::names::{NodeName, Uuid};
use shared::times;

use crate::medium;

/// The settings of `node` under `config`.
pub(crate) fn settings(config: &Config, files: &Files, node: NodeName, uuid: Uuid) -> Settings {
    let timing = &config.timing;
    Settings {
        version: env!("CARGO_PKG_VERSION").into(),
        node,
        uuid,
        nodes: nodes(config),
        media: config.media.iter().map(settings_of).collect(),
        keepalive: timing.keepalive,
        warntime: timing.warntime,
        deadtime: timing.deadtime,
        initdead: timing.initdead,
        deadping: timing.deadping,
        link_up_delay: times::link_up_delay(timing.keepalive),
        link_down_delay: Duration::ZERO,
        max_rexmit_delay: timing.max_rexmit_delay,
        unauth_hold: times::unauth_hold(timing.deadtime),
        hopfudge: config.hopfudge,
        active_key: config.keys.active,
        keys: keys(&config.keys),
        files: told(config, files),
    }
}

/// What the nodes compare: digests of what must be the same on all nodes, by file, and how many ping
/// nodes this one counts.
fn told(config: &Config, files: &Files) -> BTreeMap<String, String> {
    let common = diff::common(files).into_iter();
    let mut told: BTreeMap<_, _> = common
        .map(|(name, text)| (name.to_string(), file_digest(&text)))
        .collect();
    let resources = &config.resources;
    let counts = resources.ipfail.is_some() && resources.manager == ManagerKind::TwoNode;
    let counted = if counts {
        config.ping_nodes().count()
    } else {
        0
    };
    told.insert(IPFAIL.to_owned(), ping_nodes_counted(counted));
    told
}

/// The members, then the ping nodes.
fn nodes(config: &Config) -> Vec<ConfiguredNode> {
    let node = |name: &NodeName, kind| ConfiguredNode {
        name: name.clone(),
        kind,
    };
    let normal = config.nodes.iter().map(|name| node(name, NodeKind::Normal));
    let pinged = config.media.iter().filter_map(|m| m.kind.pings());
    normal
        .chain(pinged.map(|name| node(name, NodeKind::Ping)))
        .collect()
}

fn settings_of(medium: &Medium) -> MediumSettings {
    let (form, rate) = match &medium.kind {
        MediumKind::Serial { baud } => (MediumForm::Stream, Some((*baud).into())),
        MediumKind::Ping { node, .. } | MediumKind::Ping6 { node, .. } => {
            (MediumForm::Ping(node.clone()), None)
        }
        MediumKind::PingGroup { node, .. } => (MediumForm::PingGroup(node.clone()), None),
        _ => (MediumForm::Datagram, None),
    };
    let description = match medium::kind(medium.kind.word()) {
        Some(kind) => (kind.describe)(medium),
        None => medium.kind.word().to_owned(),
    };
    MediumSettings {
        name: medium.name.clone(),
        description,
        form,
        rate,
    }
}

/// The keys as the core takes them.
pub(crate) fn keys(ring: &KeyRing) -> Vec<KeySpec> {
    ring.keys
        .iter()
        .map(|(index, key)| KeySpec {
            index: *index,
            method: key.method.as_str().into(),
            secret: key.secret.bytes().into(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use shared::config::check;
    use shared::config::source::FileName;

    use super::*;

    fn counted(lines: &str) -> String {
        let ha_cf = "node alice bob\nbcast eth0\nauto_failback off\n".to_owned() + lines;
        let files = Files::default()
            .with(FileName::HaCf, &ha_cf)
            .with(FileName::Authkeys, "auth 1\n1 sha1 lab-secret-key\n")
            .with(FileName::Haresources, "alice web\n");
        let config = check::text(&files).config.expect("a configuration");
        told(&config, &files)[IPFAIL].clone()
    }

    #[test]
    fn ping_nodes_are_counted_where_something_is_done_for_them() {
        let pings = "ping 192.0.2.1 192.0.2.2\nping_group gates 192.0.2.3 192.0.2.4\n";
        let ipfail = "respawn hacluster /usr/lib/heartbeat/ipfail\n";
        assert_eq!(counted(pings), "0");
        assert_eq!(counted(&format!("{pings}{ipfail}")), "3");
    }
}
