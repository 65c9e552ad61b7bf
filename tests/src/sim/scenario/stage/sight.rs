//! What is seen, and written down.

use std::rc::Rc;

use hbd_core::Said;
use hbd_core::wire::{Message, decode_packet};
use shared::event::LinkStatus;
use shared::names::NodeName;
use shared::view::NodeView;

use super::super::order::Shown;
use super::super::puppet::ring;
use super::{LINES_MAX, Stage};
use crate::sim::machine::Life;
use crate::sim::{NodeIndex, Notice, SegmentIndex};

impl Stage {
    pub(super) fn print(&mut self, line: String) -> Result<(), String> {
        if self.lines.len() >= LINES_MAX {
            return Err(format!(
                "prints more than {LINES_MAX} lines; `hide` some kinds of events or run shorter"
            ));
        }
        let time = self.world.now().0;
        let (seconds, millis) = (time / 1_000_000_000, time / 1_000_000 % 1000);
        self.lines.push(match self.times {
            true => format!("{seconds:>4}.{millis:03} {line}"),
            false => line,
        });
        Ok(())
    }

    pub(super) fn show(&mut self, shown: &Shown) {
        match shown {
            Shown::Times => self.times = true,
            Shown::Packets(types) => self.packets.extend(types.iter().cloned()),
            Shown::Kinds(kinds) => kinds.iter().for_each(|kind| {
                self.hidden.remove(kind);
            }),
        }
    }

    pub(super) fn look_around(&mut self) -> Result<(), String> {
        let mut notices = std::mem::take(&mut self.notices);
        self.world.take_notices(&mut notices);
        for notice in &notices {
            self.see(notice)?;
        }
        self.notices = notices;
        Ok(())
    }

    pub(super) fn see(&mut self, notice: &Notice) -> Result<(), String> {
        match notice {
            Notice::Event { node, event, .. } => {
                self.last_event = self.world.now();
                self.views.entry(*node).or_default().apply(event);
                if self.silent || self.hidden.contains(&event.kind.word()) {
                    return Ok(());
                }
                let name = &self.nodes[node.0].settings.node;
                self.print(format!("{name}: {}", event.text))
            }
            Notice::Transmitted {
                node,
                segment,
                bytes,
            } => self.see_packet(*node, *segment, bytes),
            Notice::Spins { node, deadline } => {
                let name = &self.nodes[node.0].settings.node;
                Err(format!("{name} does not come to rest: {deadline:?}"))
            }
            Notice::Client { node, notice } => self.see_client(*node, notice),
            Notice::Heard { node, from, said } => self.see_heard(*node, from, said),
            Notice::CoreStarted { .. }
            | Notice::Arrived { .. }
            | Notice::Sampled { .. }
            | Notice::Rests { .. }
            | Notice::Left { .. } => Ok(()),
        }
    }

    fn see_heard(&mut self, node: NodeIndex, from: &NodeName, said: &Said) -> Result<(), String> {
        self.last_event = self.world.now();
        if self.silent {
            return Ok(());
        }
        let name = &self.nodes[node.0].settings.node;
        let fields = said.fields.iter().map(|(name, text)| field(name, text));
        let fields: String = fields.collect();
        let message_type = &said.message_type;
        self.print(format!("{name} heard {from}: {message_type}{fields}"))
    }

    pub(super) fn see_packet(
        &mut self,
        node: NodeIndex,
        segment: SegmentIndex,
        bytes: &Rc<[u8]>,
    ) -> Result<(), String> {
        let settings = &self.world.machine(node).settings;
        let keys = ring(settings.active_key, &settings.keys)?;
        let decoded = decode_packet(bytes, &keys);
        let message = match decoded {
            Ok(decoded) => decoded.message,
            Err(refused) => return Err(format!("{} sends bad packets: {refused}", settings.node)),
        };
        let message_type = message.message_type().to_owned();
        let shown = self.packets.contains(&message_type);
        let line = shown.then(|| describe(&message));
        self.last_sent
            .insert((node, message_type), Rc::clone(bytes));
        let first = self.world.machine(node).media.first() == Some(&segment);
        match line {
            Some(line) if first && !self.silent => {
                let name = &self.nodes[node.0].settings.node;
                self.print(format!("{name} sends {line}"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn look(&mut self, nodes: &[NodeName]) -> Result<(), String> {
        self.build()?;
        let nodes = match nodes {
            [] => self.world.nodes().collect(),
            nodes => self.indices(nodes)?,
        };
        for node in nodes {
            if self.world.machine(node).life == Life::Off {
                continue;
            }
            let name = self.nodes[node.0].settings.node.clone();
            let view = self.views.get(&node).cloned().unwrap_or_default();
            let seen: Vec<String> = view
                .nodes
                .iter()
                .map(|(name, node)| describe_node(name, node))
                .collect();
            self.print(format!("{name} sees {}", seen.join(", ")))?;
        }
        Ok(())
    }
}

/// The fields that every message has and no scenario is about.
const ORDINARY: [&str; 8] = ["t", "destuuid", "src", "srcuuid", "hg", "ts", "ld", "ttl"];

fn describe(message: &Message) -> String {
    let fields = message
        .fields()
        .filter(|(name, _)| !ORDINARY.contains(name))
        .map(|(name, value)| field(name, &String::from_utf8_lossy(value.as_bytes())));
    format!("{}{}", message.message_type(), fields.collect::<String>())
}

fn field(name: &str, text: &str) -> String {
    match text.contains(' ') {
        true => format!(" {name}={text:?}"),
        false => format!(" {name}={text}"),
    }
}

fn describe_node(name: &NodeName, node: &NodeView) -> String {
    let mut marks: Vec<String> = Vec::new();
    for (medium, link) in &node.links {
        let one_way = if link.one_way { " one-way" } else { "" };
        if link.status != LinkStatus::Init {
            marks.push(format!("{medium} {}{one_way}", link.status));
        }
    }
    if node.jeopardy.is_some() {
        marks.push("in jeopardy".into());
    }
    if node.not_heard {
        marks.push("does not hear us".into());
    }
    if node
        .declared_dead
        .is_some_and(|declared| declared.over.is_none())
    {
        marks.push("counts us as dead".into());
    }
    if node.unauthenticated.is_some() {
        marks.push("not authenticated".into());
    }
    let marks = match marks.is_empty() {
        true => String::new(),
        false => format!(" ({})", marks.join(", ")),
    };
    format!("{name} {}{marks}", node.status)
}
