//! Building the world, once everybody and everything is named; settings, before and after.

use std::time::Duration;

use hbd_core::{Command, KeySpec, MediumForm, MediumSettings, Settings};
use shared::event::{ConfiguredNode, NodeKind};
use shared::names::{Generation, KeyIndex, MediumName, NodeName};

use super::super::order::Setting;
use super::super::puppet::ring;
use super::Stage;
use crate::sim::{Machine, NodeIndex, Quality, Segment, SegmentIndex};

impl Stage {
    pub(super) fn build(&mut self) -> Result<(), String> {
        if self.built {
            return Ok(());
        }
        self.built = true;
        let mut nodes: Vec<ConfiguredNode> = self
            .nodes
            .iter()
            .filter(|cast| cast.configured)
            .map(|cast| ConfiguredNode {
                name: cast.settings.node.clone(),
                kind: NodeKind::Normal,
            })
            .collect();
        nodes.extend(self.pings.iter().map(|(host, _)| ConfiguredNode {
            name: host.clone(),
            kind: NodeKind::Ping,
        }));
        self.build_segments()?;
        for place in 0..self.nodes.len() {
            let node = NodeIndex(place);
            let cast = &mut self.nodes[place];
            let mut media = Vec::new();
            for (place, segment) in self.world.segments().iter().enumerate() {
                if segment.members.contains(&node) {
                    media.push(SegmentIndex(place));
                    cast.settings.media.push(MediumSettings {
                        name: segment.name.clone(),
                        description: segment.name.to_string(),
                        form: segment.form.clone(),
                        rate: segment.baud,
                    });
                }
            }
            cast.settings.nodes.clone_from(&nodes);
            let machine = Machine::new(cast.settings.clone(), Generation(0));
            self.world.add_machine(machine, media);
        }
        Ok(())
    }

    pub(super) fn build_segments(&mut self) -> Result<(), String> {
        for link in std::mem::take(&mut self.links) {
            let members = self.indices(&link.members)?;
            let mut quality = Quality::default();
            link.quality.apply(&mut quality);
            let name = medium(&link.name)?;
            let mut segment = match link.baud {
                Some(baud) => Segment::serial(name, baud, &members, &quality),
                None => Segment::new(name, MediumForm::Datagram, &members, &quality),
            };
            segment.echo = link.echo;
            self.world.add_segment(segment);
        }
        for (host, nodes) in self.pings.clone() {
            let members = self.indices(&nodes)?;
            let form = MediumForm::Ping(host.clone());
            let name = medium(host.as_str())?;
            let segment = Segment::new(name, form, &members, &Quality::default());
            self.world.add_segment(segment);
        }
        Ok(())
    }

    pub(super) fn indices(&self, names: &[NodeName]) -> Result<Vec<NodeIndex>, String> {
        names.iter().map(|name| self.index(name)).collect()
    }

    pub(super) fn set(
        &mut self,
        node: Option<&NodeName>,
        settings: &[(Setting, Duration)],
    ) -> Result<(), String> {
        let only = node.map(|name| self.index(name)).transpose()?;
        for place in 0..self.nodes.len() {
            if only.is_some_and(|only| only.0 != place) {
                continue;
            }
            change_settings(&mut self.nodes[place].settings, settings);
            if self.built {
                let machine = self.world.machine_mut(NodeIndex(place));
                change_settings(&mut machine.settings, settings);
            }
        }
        Ok(())
    }

    /// Takes a node out of the configuration of others, or puts it there.
    pub(super) fn configure(
        &mut self,
        node: &NodeName,
        others: &[NodeName],
        there: bool,
    ) -> Result<(), String> {
        self.build()?;
        self.index(node)?;
        for other in self.indices(others)? {
            let nodes = &mut self.world.machine_mut(other).settings.nodes;
            nodes.retain(|configured| configured.name != *node);
            if there {
                nodes.push(ConfiguredNode {
                    name: node.clone(),
                    kind: NodeKind::Normal,
                });
            }
        }
        Ok(())
    }

    pub(super) fn reload(&mut self, node: Option<&NodeName>) -> Result<(), String> {
        let only = node.map(|name| self.index(name)).transpose()?;
        if !self.built {
            return Err("there is no core yet".into());
        }
        for place in (0..self.nodes.len()).map(NodeIndex) {
            if only.is_none_or(|only| only == place) {
                let times = self.world.machine_mut(place).settings.times();
                self.world.command(place, Command::Times(times));
            }
        }
        Ok(())
    }

    pub(super) fn set_keys(
        &mut self,
        node: Option<&NodeName>,
        active: KeyIndex,
        keys: &[KeySpec],
    ) -> Result<(), String> {
        ring(active, keys)?;
        let only = node.map(|name| self.index(name)).transpose()?;
        if only.is_none() {
            self.active = active;
            self.keys = keys.to_vec();
        }
        for place in 0..self.nodes.len() {
            if only.is_some_and(|only| only.0 != place) {
                continue;
            }
            let settings = &mut self.nodes[place].settings;
            settings.active_key = active;
            settings.keys = keys.to_vec();
            if self.built {
                let settings = &mut self.world.machine_mut(NodeIndex(place)).settings;
                settings.active_key = active;
                settings.keys = keys.to_vec();
                let keys = keys.to_vec();
                let command = Command::Keys { active, keys };
                self.world.command(NodeIndex(place), command);
            }
        }
        Ok(())
    }
}

fn medium(name: &str) -> Result<MediumName, String> {
    MediumName::new(name).map_err(|bad| format!("`{name}` is no name of a link: {bad}"))
}

fn change_settings(settings: &mut Settings, changes: &[(Setting, Duration)]) {
    for &(setting, span) in changes {
        let place = match setting {
            Setting::Keepalive => &mut settings.keepalive,
            Setting::Warntime => &mut settings.warntime,
            Setting::Deadtime => &mut settings.deadtime,
            Setting::Initdead => &mut settings.initdead,
            Setting::Deadping => &mut settings.deadping,
            Setting::LinkUpDelay => &mut settings.link_up_delay,
            Setting::LinkDownDelay => &mut settings.link_down_delay,
            Setting::MaxRexmitDelay => &mut settings.max_rexmit_delay,
            Setting::UnauthHold => &mut settings.unauth_hold,
        };
        *place = span;
    }
}
