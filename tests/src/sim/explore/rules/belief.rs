//! Beliefs: what nodes hold for true about each other, once nothing has changed for long enough.

use shared::event::LinkStatus;
use shared::view::NodeView;

use super::super::cluster::Cluster;
use super::{Broken, Rules};
use crate::sim::{NodeIndex, SegmentIndex, World};

impl Rules {
    /// What nodes believe is true, nothing having changed for long enough.
    pub(super) fn agreement(&self, cluster: &Cluster) -> Result<(), Broken> {
        if !self.identities_sound {
            return Ok(());
        }
        for observer in cluster.world.nodes() {
            if !cluster.world.machine(observer).runs() {
                continue;
            }
            for peer in cluster.world.nodes() {
                if peer != observer {
                    self.believes_what_is(cluster, observer, peer)?;
                }
            }
        }
        Ok(())
    }

    /// Each node knows whose files differ from its own.
    pub(super) fn differences(&self, cluster: &Cluster) -> Result<(), Broken> {
        let files = |node| &cluster.world.machine(node).settings.files;
        for observer in cluster.world.nodes() {
            for peer in cluster.world.nodes() {
                let name = &self.nodes[peer.0].name;
                let seen = self.nodes[observer.0].view.nodes.get(name);
                let told = seen.is_some_and(|seen| !seen.config_differs.is_empty());
                if peer != observer && told != (files(observer) != files(peer)) {
                    let text = format!("thinks that {name} differs: {told}");
                    return Err(self.of(observer, &text));
                }
            }
        }
        Ok(())
    }

    fn believes_what_is(
        &self,
        cluster: &Cluster,
        observer: NodeIndex,
        peer: NodeIndex,
    ) -> Result<(), Broken> {
        let (view, name) = (&self.nodes[observer.0].view, &self.nodes[peer.0].name);
        let Some(seen) = view.nodes.get(name) else {
            return Err(self.of(observer, &format!("does not know {name}")));
        };
        let truth = Truth::of(self, cluster, observer, peer);
        let believed = Truth::believed(seen, cluster);
        match truth.differs(&believed, cluster) {
            Some(text) => Err(self.of(observer, &format!("about {name}: {text}"))),
            None => Ok(()),
        }
    }

    fn whole(&self, world: &World, segment: SegmentIndex, from: NodeIndex, to: NodeIndex) -> bool {
        let path = world.segments()[segment.0].path(from, to);
        path.is_some_and(|path| !path.cut) && world.machine(from).runs() && self.trusts(to, from)
    }
}

/// What holds between one node and another, in truth or in a belief.
struct Truth {
    alive: bool,
    /// By segment: packets come, and ours do not arrive.
    links: Vec<(bool, bool)>,
    /// It hears nothing of us.
    deaf: bool,
    jeopardy: bool,
}

impl Truth {
    fn of(rules: &Rules, cluster: &Cluster, observer: NodeIndex, peer: NodeIndex) -> Self {
        let links: Vec<(bool, bool)> = cluster
            .segments_between()
            .map(|segment| {
                let comes = rules.whole(&cluster.world, segment, peer, observer);
                let goes = rules.whole(&cluster.world, segment, observer, peer);
                (comes, comes && !goes)
            })
            .collect();
        let up = links.iter().filter(|(comes, _)| *comes).count();
        let goes = cluster
            .segments_between()
            .any(|segment| rules.whole(&cluster.world, segment, observer, peer));
        Self {
            alive: up > 0,
            jeopardy: up == 1 && links.len() > 1,
            deaf: up > 0 && !goes,
            links,
        }
    }

    fn believed(seen: &NodeView, cluster: &Cluster) -> Self {
        let links = cluster
            .segments_between()
            .map(|segment| {
                let name = &cluster.world.segments()[segment.0].name;
                let link = seen.links.get(name);
                link.map_or((false, false), |link| {
                    (link.status == LinkStatus::Up, link.one_way)
                })
            })
            .collect();
        Self {
            alive: seen.status.is_alive(),
            links,
            deaf: seen.not_heard,
            jeopardy: seen.jeopardy.is_some(),
        }
    }

    fn differs(&self, believed: &Self, cluster: &Cluster) -> Option<String> {
        let pair = |what: &str, truth: bool, belief: bool| {
            (truth != belief).then(|| format!("{what}: {truth} in truth, {belief} in its view"))
        };
        pair("alive", self.alive, believed.alive)
            .or_else(|| pair("jeopardy", self.jeopardy, believed.jeopardy))
            .or_else(|| {
                let both = self.links.iter().zip(&believed.links).enumerate();
                both.map(|(place, (truth, belief))| {
                    let name = &cluster.world.segments()[place].name;
                    pair(&format!("link {name} up"), truth.0, belief.0)
                        .or_else(|| pair(&format!("link {name} one-way"), truth.1, belief.1))
                })
                .find_map(|difference| difference)
            })
            .or_else(|| pair("does not hear us", self.deaf, believed.deaf))
    }
}
