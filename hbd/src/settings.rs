//! From the configuration to what the core is told.

use std::collections::BTreeMap;
use std::time::Duration;

use hbd_core::wire::config_digest::file_digest;
use hbd_core::{KeySpec, MediumForm, MediumSettings, Settings};
use shared::config::diff;
use shared::config::{Config, Files, KeyRing, Medium, MediumKind};
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
        files: digests(files),
    }
}

/// Digests of what must be the same on all nodes, by file.
fn digests(files: &Files) -> BTreeMap<String, String> {
    diff::common(files)
        .into_iter()
        .map(|(name, text)| (name.to_string(), file_digest(&text)))
        .collect()
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
