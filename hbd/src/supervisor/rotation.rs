//! Whether other keys would cut this node off from a living peer.
//!
//! A key is replaced in three steps: every node gets the new one; then one node after the other
//! signs with it; then every node drops the old one. Each step is safe if the one before is complete
//! everywhere, which peers that run hbd tell: the fingerprints of their keys, and the key their
//! packets are signed with.

use hbd_core::wire::config_digest::ConfigDigest;
use hbd_core::wire::{KeyRing, Method};
use hbd_core::{LiveMemory, PeerMemory};
use shared::config::{Config, DigestMethod, diff};
use shared::names::KeyIndex;

use crate::startup::Accepted;

/// What speaks against other keys.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Dangers {
    /// Why they are refused.
    pub(super) reasons: Vec<String>,
    /// What the administrator should know.
    pub(super) notes: Vec<String>,
}

/// What the keys of `accepted` would do to living peers, for a node that runs under `former`.
pub(super) fn dangers<'m>(
    peers: impl Iterator<Item = &'m PeerMemory>,
    former: &Config,
    accepted: &Accepted,
) -> Dangers {
    let mut dangers = Dangers::default();
    let keys = &accepted.config.keys;
    let switches =
        former.keys.active != keys.active || former.keys.get(keys.active) != keys.get(keys.active);
    let by_hbd_keys = diff::signs_by_hbd_keys(&accepted.files);
    for (peer, live) in peers.filter_map(|peer| Some((&peer.node, peer.live.as_ref()?))) {
        if !live.status.is_alive() || live.left {
            continue;
        }
        let peer = peer.as_str();
        match &live.features {
            Some(_) if switches => check_has(peer, live, &accepted.config, &mut dangers),
            Some(_) => {}
            None if by_hbd_keys => dangers.reasons.push(format!(
                "{peer} runs Heartbeat, which does not read hbd.keys: choose the key that signs in \
                 authkeys while it is a member"
            )),
            None if switches => dangers.notes.push(format!(
                "{peer} runs Heartbeat, which verifies with its own active key only: change auth \
                 there, too, within deadtime"
            )),
            None => {}
        }
        if let Some(index) = live.key
            && keys.get(index) != former.keys.get(index)
        {
            dangers.reasons.push(format!(
                "{peer} still signs with key {index}: let it sign with another one first (auth, \
                 then reload there)"
            ));
        }
    }
    dangers
}

fn check_has(peer: &str, live: &LiveMemory, config: &Config, dangers: &mut Dangers) {
    let index = config.keys.active;
    let Some(theirs) = live.config.as_deref().and_then(ConfigDigest::parse) else {
        dangers.notes.push(format!(
            "{peer} does not tell its keys; see to it that it has key {index}"
        ));
        return;
    };
    match (theirs.key(index.0), fingerprint(config, index)) {
        (Some(theirs), Some(ours)) if *theirs == ours => {}
        (Some(_), _) => dangers.reasons.push(format!(
            "{peer} has another key {index}: give it the same one and reload there first"
        )),
        (None, _) => {
            let file = match config.keys.get(index).map(|key| key.method) {
                Some(DigestMethod::Sha256) => "hbd.keys",
                _ => "authkeys",
            };
            dangers.reasons.push(format!(
                "{peer} lacks key {index}: add it to {file} there and reload there first"
            ));
        }
    }
}

fn fingerprint(config: &Config, index: KeyIndex) -> Option<String> {
    let key = config.keys.get(index)?;
    let method: Method = key.method.as_str().parse().ok()?;
    let ring = KeyRing::new(index, [(index, method, key.secret.bytes())]).ok()?;
    Some(ring.fingerprint(index)?.to_string())
}

#[cfg(test)]
mod tests {
    use shared::config::{FileName, Files, check};
    use shared::event::NodeStatus;
    use shared::names::{Generation, NodeName, Sequence};
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    const OLD: &str = "auth 1\n1 sha1 old-secret\n2 sha1 new-secret\n";
    const SWITCHED: &str = "auth 2\n1 sha1 old-secret\n2 sha1 new-secret\n";
    const DROPPED: &str = "auth 2\n2 sha1 new-secret\n";

    fn files(authkeys: &str) -> Files {
        Files::default()
            .with(FileName::HaCf, "node alice bob\nbcast lo\n")
            .with(FileName::Authkeys, authkeys)
    }

    fn accepted(files: Files) -> Accepted {
        Accepted {
            addresses: crate::accepted::Addresses::new(),
            config: check::text(&files).config.unwrap(),
            warnings: Vec::new(),
            files,
        }
    }

    /// Bob, who runs hbd with these keys and signs with that one.
    fn bob(authkeys: &str, signs: u8) -> PeerMemory {
        let config = accepted(files(authkeys)).config;
        let mut entries = BTreeMap::new();
        for index in config.keys.keys.keys() {
            entries.insert(format!("key{index}"), fingerprint(&config, *index).unwrap());
        }
        let field: Vec<_> = entries.iter().map(|(k, v)| format!("{k}:{v}")).collect();
        PeerMemory {
            node: NodeName::new("bob").unwrap(),
            uuid: None,
            generation: Generation(1),
            live: Some(LiveMemory {
                status: NodeStatus::Active,
                sequence: Sequence(9),
                deadtime: Duration::from_secs(10),
                heard: None,
                left: false,
                features: Some("1.7".into()),
                config: Some(field.join(",")),
                key: Some(KeyIndex(signs)),
                reason: None,
                links: None,
            }),
        }
    }

    fn heartbeat(signs: u8) -> PeerMemory {
        let mut peer = bob(OLD, signs);
        if let Some(live) = &mut peer.live {
            (live.features, live.config) = (None, None);
        }
        peer
    }

    fn judged(peer: &PeerMemory, from: &str, to: Files) -> Dangers {
        let former = accepted(files(from)).config;
        dangers([peer].into_iter(), &former, &accepted(to))
    }

    #[test]
    fn each_of_the_three_steps_is_safe_once_the_one_before_is_complete() {
        let first = "auth 1\n1 sha1 old-secret\n";
        let steps = [
            (bob(first, 1), first, OLD),
            (bob(OLD, 1), OLD, SWITCHED),
            (bob(OLD, 2), SWITCHED, DROPPED),
        ];
        for (peer, from, to) in steps {
            assert_eq!(judged(&peer, from, files(to)), Dangers::default());
        }
    }

    #[test]
    fn a_key_that_a_peer_lacks_or_has_otherwise_is_not_signed_with() {
        let lacks = judged(&bob("auth 1\n1 sha1 old-secret\n", 1), OLD, files(SWITCHED));
        assert!(
            lacks.reasons[0].starts_with("bob lacks key 2: add it to authkeys there"),
            "{lacks:?}"
        );
        let other = bob("auth 1\n1 sha1 old-secret\n2 sha1 otherwise\n", 1);
        let other = judged(&other, OLD, files(SWITCHED));
        assert!(
            other.reasons[0].starts_with("bob has another key 2"),
            "{other:?}"
        );
        let in_place = judged(&bob(OLD, 1), OLD, files("auth 1\n1 sha1 changed-secret\n"));
        assert_eq!(in_place.reasons.len(), 2, "{in_place:?}");
    }

    #[test]
    fn a_key_that_a_peer_still_signs_with_is_not_dropped() {
        let dangers = judged(&bob(OLD, 1), SWITCHED, files(DROPPED));
        assert!(dangers.reasons[0].starts_with("bob still signs with key 1"));
    }

    #[test]
    fn a_heartbeat_follows_authkeys_only_and_within_deadtime() {
        let switched = judged(&heartbeat(1), OLD, files(SWITCHED));
        assert_eq!(switched.reasons.len(), 0);
        assert!(switched.notes[0].contains("within deadtime"));
        let ours =
            files("1 sha1 old-secret\n").with(FileName::HbdKeys, "auth 3\n3 sha256 new-secret\n");
        let refused = judged(&heartbeat(1), OLD, ours);
        assert!(refused.reasons[0].starts_with("bob runs Heartbeat"));
    }

    #[test]
    fn a_dead_peer_hinders_nobody() {
        let mut peer = bob("auth 1\n1 sha1 old-secret\n", 1);
        if let Some(live) = &mut peer.live {
            live.status = NodeStatus::Dead;
        }
        assert_eq!(judged(&peer, OLD, files(DROPPED)), Dangers::default());
    }
}
