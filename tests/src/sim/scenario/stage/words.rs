//! What puppets say, and what is recorded and played again.

use std::rc::Rc;

use hbd_core::MediumForm;
use hbd_core::wire::Form;
use shared::names::NodeName;

use super::super::order::Speech;
use super::super::puppet::ring;
use super::Stage;
use crate::sim::NodeIndex;

impl Stage {
    pub(super) fn say(&mut self, node: NodeIndex, speech: &Speech) -> Result<(), String> {
        let keys = ring(speech.key.unwrap_or(self.active), &self.keys)?;
        let wall = self.world.machine(node).clocks(self.world.now()).wall;
        let over = speech.over.as_deref().map(|link| self.segment(link));
        let over = over.transpose()?;
        let all = self.world.machine(node).media.clone();
        let before = self.puppet(node)?.sequence;
        for segment in all {
            if over.is_some_and(|over| over != segment) {
                continue;
            }
            let form = match self.world.segments()[segment.0].form {
                MediumForm::Stream => Form::String,
                _ => Form::Netstring,
            };
            let puppet = self.puppet(node)?;
            puppet.sequence = before;
            let packet: Rc<[u8]> = puppet.say(speech, form, &keys, wall.seconds())?.into();
            let kind = (node, speech.message_type.clone());
            self.last_sent.insert(kind, Rc::clone(&packet));
            self.world.inject(node, segment, &packet);
        }
        Ok(())
    }

    pub(super) fn beats(&mut self, node: NodeIndex, speech: &Speech) -> Result<(), String> {
        self.puppet(node)?.beats = Some(speech.clone());
        self.nodes[node.0].next_beat = self.world.now();
        self.speak_up()
    }

    /// Lets each puppet send the beat that is due.
    pub(super) fn speak_up(&mut self) -> Result<(), String> {
        for place in 0..self.nodes.len() {
            let cast = &mut self.nodes[place];
            let beats = cast.puppet.as_ref().and_then(|puppet| puppet.beats.clone());
            let Some(speech) = beats.filter(|_| cast.next_beat <= self.world.now()) else {
                continue;
            };
            cast.next_beat = self.world.now() + cast.settings.keepalive;
            self.say(NodeIndex(place), &speech)?;
        }
        Ok(())
    }

    pub(super) fn keep(
        &mut self,
        node: &NodeName,
        kept: &str,
        message_type: Option<&str>,
    ) -> Result<(), String> {
        let message_type = message_type.unwrap_or("status");
        let from = self.index(node)?;
        let sent = self.last_sent.get(&(from, message_type.to_owned()));
        let packet = sent.ok_or_else(|| format!("{node} has sent no {message_type} yet"))?;
        self.kept.insert(kept.to_owned(), (from, Rc::clone(packet)));
        Ok(())
    }

    pub(super) fn replay(&mut self, kept: &str, over: Option<&str>) -> Result<(), String> {
        let packet = self.kept.get(kept);
        let missing = || format!("no packet was kept as `{kept}`; add `keep NODE as {kept}`");
        let (from, bytes) = packet.ok_or_else(missing)?.clone();
        let over = over.map(|link| self.segment(link)).transpose()?;
        for segment in self.world.machine(from).media.clone() {
            if over.is_none_or(|over| over == segment) {
                self.world.inject(from, segment, &bytes);
            }
        }
        Ok(())
    }

    pub(super) fn raw(&mut self, link: &str, bytes: &[u8]) -> Result<(), String> {
        self.build()?;
        let segment = self.segment(link)?;
        let from = self.world.segments()[segment.0].members[0];
        self.world.inject(from, segment, &bytes.into());
        Ok(())
    }
}
