//! What happens to nodes and links.

use hbd_core::MediumForm;
use shared::names::NodeName;
use shared::view::ClusterView;

use super::super::order::{Paths, Start, Until};
use super::super::puppet::uuid_of;
use super::Stage;
use crate::sim::machine::Life;
use crate::sim::{NodeIndex, Quality, Segment, SegmentIndex};

impl Stage {
    pub(super) fn boot(&mut self) -> Result<(), String> {
        self.build()?;
        self.silent = true;
        for node in self.world.nodes() {
            let cast = &self.nodes[node.0];
            if cast.puppet.is_none() && self.world.machine(node).life == Life::Off {
                self.start(node, Start::default())?;
            }
        }
        self.run(Until::Quiet)?;
        self.look_around()?;
        self.silent = false;
        Ok(())
    }

    pub(super) fn start(&mut self, node: NodeIndex, how: Start) -> Result<(), String> {
        let name = &self.nodes[node.0].settings.node;
        if self.nodes[node.0].puppet.is_some() {
            return Err(format!("{name} is a puppet and has no daemon"));
        }
        if how.after_reboot {
            self.world.reboot(node);
        }
        if self.world.machine(node).life != Life::Off {
            return Err(format!("hbd runs on {name} already; `kill` it first"));
        }
        if how.without_disk {
            let at = self.world.now();
            let uuid = uuid_of(&format!("{name} {}", at.0));
            self.world.machine_mut(node).lose_disk(uuid, at);
        }
        self.views.insert(node, ClusterView::default());
        self.world.start(node)
    }

    pub(super) fn change(
        &mut self,
        paths: &Paths,
        change: impl Fn(&mut Quality) + std::marker::Copy,
    ) -> Result<(), String> {
        self.build()?;
        let mut paths = paths.clone();
        let known = |stage: &Self, word: &str| {
            let segments = stage.world.segments();
            segments.iter().any(|s| s.name.as_str() == word)
        };
        if let Some(word) = paths.link.clone().filter(|word| !known(self, word)) {
            let node = NodeName::new(&word).map_err(|bad| bad.to_string())?;
            self.index(&node)
                .map_err(|_| format!("`{word}` is neither a link nor a node"))?;
            paths.link = None;
            paths.either = Some(node);
        }
        let end = |name: &Option<NodeName>| name.as_ref().map(|name| self.index(name)).transpose();
        let (from, to, either) = (end(&paths.from)?, end(&paths.to)?, end(&paths.either)?);
        for segment in self.world.segments_mut() {
            let pings = segment.form.pings().is_some();
            if paths
                .link
                .as_deref()
                .is_some_and(|link| link != segment.name.as_str())
            {
                continue;
            }
            let which = |sender, receiver| {
                (pings || sender != receiver)
                    && from.is_none_or(|from| from == sender)
                    && to.is_none_or(|to| to == receiver)
                    && either.is_none_or(|either| either == sender || either == receiver)
            };
            segment.change(which, change);
        }
        Ok(())
    }

    pub(super) fn answer(&mut self, host: &NodeName, answers: bool) -> Result<(), String> {
        self.build()?;
        let mut segments = self.world.segments_mut().iter_mut();
        let of_host = |segment: &&mut Segment| segment.form == MediumForm::Ping(host.clone());
        let segment = segments.find(of_host).ok_or_else(|| {
            format!("nobody pings `{host}`; add `ping {host} NODE...` further up")
        })?;
        segment.answers = answers;
        Ok(())
    }

    pub(super) fn segment(&self, link: &str) -> Result<SegmentIndex, String> {
        let mut segments = self.world.segments().iter();
        let place = segments.position(|segment| segment.name.as_str() == link);
        place
            .map(SegmentIndex)
            .ok_or_else(|| format!("there is no link `{link}`; name it in `link` further up"))
    }
}
