//! Whether a configuration leaves out a node that lives.
//!
//! Such a node would go on as a member of a cluster that drops its packets: it would declare the others
//! dead, and they would not know of it. It leaves first; then the others forget it. A ping node is no
//! member and knows of nothing.

use hbd_core::{LiveMemory, PeerMemory};
use shared::config::Config;
use shared::event::NodeStatus;

/// The living nodes that `config` does not name, each with what to do about it.
pub(super) fn removed<'m>(
    peers: impl Iterator<Item = &'m PeerMemory>,
    config: &Config,
) -> Vec<String> {
    peers
        .filter(|peer| !config.nodes.contains(&peer.node))
        .filter(|peer| {
            let live = peer.live.as_ref();
            let is_member = |live: &&LiveMemory| live.status != NodeStatus::Ping && !live.left;
            live.filter(is_member)
                .is_some_and(|live| live.status.is_alive())
        })
        .map(|peer| {
            let node = &peer.node;
            format!(
                "{node} lives and would be no node any more: stop hbd or heartbeat on {node} first"
            )
        })
        .collect()
}
