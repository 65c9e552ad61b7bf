//! Whether a configuration takes away every medium that leads to a living peer.
//!
//! The two would declare each other dead while both live. What leads to a peer is a link that is up
//! and not one-way; a path that fails already may be replaced. Which of several `ucast` addresses of
//! a device is whose is not known: the medium stays while one of them does.

use shared::config::diff::Change;
use shared::config::{Config, Medium, MediumKind};
use shared::event::LinkStatus;
use shared::names::NodeName;
use shared::view::{ClusterView, NodeView};

/// The words of lines that a medium is made of.
const WORDS: [&str; 10] = [
    "bcast", "mcast", "ucast", "mcast6", "ucast6", "ether", "serial", "udpport", "listen", "baud",
];

/// The living nodes that `view` shows over media of `former` only that `config` lacks, each with what
/// takes them away and what to do about it.
pub(super) fn cut_off(
    view: &ClusterView,
    former: &Config,
    config: &Config,
    changes: &[Change],
) -> Vec<String> {
    let stays = |name: &&str| {
        let mut media = former.media.iter();
        let medium = media.find(|medium| medium.name.as_str() == *name);
        medium.is_none_or(|medium| config.media.iter().any(|other| is_same(medium, other)))
    };
    let named = |node: &NodeName| config.nodes.contains(node);
    let living = view
        .nodes
        .iter()
        .filter(|(name, node)| view.own() != Some(*name) && named(name) && node.status.is_alive());
    living
        .map(|(name, node)| (name, paths(node)))
        .filter(|(_, paths)| !paths.is_empty() && !paths.iter().any(stays))
        .map(|(name, paths)| {
            format!(
                "{name} lives and is heard over {} only, which {} takes away: add another path on \
                 both nodes first",
                paths.join(" and "),
                lines(changes)
            )
        })
        .collect()
}

/// The media over which a node is heard and hears.
fn paths(node: &NodeView) -> Vec<&str> {
    let links = node.links.iter();
    links
        .filter(|(_, link)| link.status == LinkStatus::Up && !link.one_way)
        .map(|(medium, _)| medium.as_str())
        .collect()
}

/// True where packets of the one arrive at the other.
fn is_same(one: &Medium, other: &Medium) -> bool {
    use MediumKind::{Bcast, Ether, Mcast, Mcast6, Serial, Ucast, Ucast6};
    one.device == other.device
        && one.kind.port() == other.kind.port()
        && match (&one.kind, &other.kind) {
            (Bcast { .. }, Bcast { .. }) => true,
            (Mcast { group: one, .. }, Mcast { group: other, .. }) => one == other,
            (Mcast6 { group: one, .. }, Mcast6 { group: other, .. }) => one == other,
            (Ucast { peers: some, .. }, Ucast { peers, .. }) => meet(some, peers),
            (Ucast6 { peers: some, .. }, Ucast6 { peers, .. }) => meet(some, peers),
            (one @ (Ether { .. } | Serial { .. }), other) => one == other,
            _ => false,
        }
}

fn meet<T: PartialEq>(some: &[T], others: &[T]) -> bool {
    some.iter().any(|one| others.contains(one))
}

fn lines(changes: &[Change]) -> String {
    let media = changes.iter().filter(|c| WORDS.contains(&c.what.as_str()));
    let lines: Vec<_> = media.map(|change| format!("`{change}`")).collect();
    match lines.is_empty() {
        true => "the order of lines, or the address of a name,".into(),
        false => lines.join(" with "),
    }
}

#[cfg(test)]
mod tests {
    use shared::config::{FileName, Files, check, diff};
    use shared::event::{
        ConfiguredMedium, ConfiguredNode, EventSource, Kind, NodeKind, NodeStatus, Role, Started,
        StatusReason,
    };
    use shared::names::{Generation, LinkName, MediumName, Uuid};
    use shared::time::Now;
    use std::time::Duration;

    use super::*;

    const BOTH: &str = "bcast eth0\nucast eth1 10.0.0.2\nucast eth1 10.0.0.3\n";

    #[test]
    fn the_last_medium_to_a_living_peer_is_missed() {
        for (up, to, cut) in [
            (&["eth0", "eth1"][..], "bcast eth0\n", false),
            (&["eth1"], "bcast eth0\n", true),
            (&["eth0"], "bcast eth0\n", false),
            (&["eth0"], "udpport 700\nbcast eth0\n", true),
            (
                &["eth0"],
                "bcast eth2\nbcast eth0\nucast eth0 10.0.0.9\n",
                false,
            ),
            (&["eth1"], "ucast eth1 10.0.0.3\n", false),
            (&["eth1"], "ucast eth1 10.0.0.4\n", true),
            (&[], "bcast eth7\n", false),
        ] {
            let reasons = judged(&view(up, false), to);
            assert_eq!(!reasons.is_empty(), cut, "{up:?} {to}: {reasons:?}");
        }
    }

    #[test]
    fn a_peer_and_the_line_are_named_and_a_path_that_fails_may_go() {
        assert_eq!(
            judged(
                &view(&["eth0"], false),
                BOTH.strip_prefix("bcast eth0\n").unwrap()
            ),
            [
                "bob lives and is heard over eth0 only, which `ha.cf:2: removed bcast eth0 (quick \
                 restart)` takes away: add another path on both nodes first"
            ]
        );
        assert!(judged(&view(&["eth0"], true), "bcast eth2\n").is_empty());
    }

    fn judged(view: &ClusterView, to: &str) -> Vec<String> {
        let (former, new) = (files(BOTH), files(to));
        let config = |files: &Files| check::text(files).config.unwrap();
        let changes = diff::changes(&former, &new);
        cut_off(view, &config(&former), &config(&new), &changes)
    }

    fn files(media: &str) -> Files {
        Files::default()
            .with(FileName::HaCf, &format!("node alice bob\n{media}"))
            .with(FileName::Authkeys, "auth 1\n1 sha1 a-secret\n")
    }

    /// bob lives and is heard over these.
    fn view(up: &[&str], one_way: bool) -> ClusterView {
        let name = |text: &str| NodeName::new(text).unwrap();
        let mut source = EventSource::new(name("alice"), Role::Core, Generation(1));
        let mut view = ClusterView::default();
        let mut happen = |kind| view.apply(&source.event(kind, None, Now::default()));
        let node = |text| ConfiguredNode {
            name: name(text),
            kind: NodeKind::Normal,
        };
        let medium = |text: &str| ConfiguredMedium {
            name: MediumName::new(text).unwrap(),
            description: String::new(),
            pings: None,
        };
        happen(Kind::Started(Box::new(Started {
            version: String::new(),
            node: name("alice"),
            uuid: Uuid([1; 16]),
            generation: Generation(1),
            quick_restart: false,
            nodes: vec![node("alice"), node("bob")],
            media: vec![medium("eth0"), medium("eth1")],
            keepalive: Duration::from_secs(1),
            warntime: Duration::from_secs(2),
            deadtime: Duration::from_secs(6),
            initdead: Duration::from_secs(60),
        })));
        happen(Kind::NodeStatus {
            node: name("bob"),
            from: NodeStatus::Init,
            to: NodeStatus::Active,
            reason: StatusReason::Announced,
        });
        for medium in up {
            let link = LinkName {
                peer: name("bob"),
                medium: MediumName::new(medium).unwrap(),
            };
            happen(Kind::LinkStatus {
                link: link.clone(),
                from: LinkStatus::Init,
                to: LinkStatus::Up,
                silent: None,
            });
            if one_way {
                happen(Kind::LinkOneWay { link });
            }
        }
        view
    }
}
