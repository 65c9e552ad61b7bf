//! Living nodes that count as dead: what this node tells of its peers, and what they tell of it.
//!
//! Whoever declares a peer dead for its silence says so in its beats, with the life it means: as long
//! as that lasts, and in [`BEATS_AFTER`] beats after the peer is back, since one that stood still or
//! was cut off could not hear it before. It stands beside `hbdheard` and under the same conditions. A
//! Heartbeat says so once, in a message `stonith`.
//!
//! A node that finds itself named in its present life believes it: others may take over what it holds.
//! Whether its silence was real does not matter, nor whose fault it was. That ends when the peer lists
//! it in `hbdheard` again, or restarts, as a Heartbeat mostly does by itself; one that does not
//! acknowledges what this node has said since: whom it hears it counts as alive.

use alloc::string::String;

use serde::{Deserialize, Serialize};
use shared::event::Kind;
use shared::names::{Generation, Sequence};
use shared::time::Now;

use crate::deadline::PeerIndex;
use crate::machine::{Core, Stage};
use crate::wire::heard::Told;
use crate::wire::{Message, declared, fields};

/// So many beats tell a peer that is back that it was declared dead, since some are lost.
const BEATS_AFTER: u32 = 10;

/// A life of a peer that this node declared dead.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Declared {
    generation: Generation,
    /// Beats that still tell it once the peer is back.
    left: u32,
}

/// What a peer says of this node's life.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Denial {
    /// Its last beat named this node, so that one that still does is no news.
    named: bool,
    /// It declared this node dead, and has not counted it as alive since.
    lasts: bool,
    /// A Heartbeat that acknowledges a later number than this counts this node as alive.
    #[serde(default)]
    told_at: Option<Sequence>,
}

impl Core {
    /// This node declared a peer dead for its silence.
    pub(crate) fn note_declared(&mut self, index: PeerIndex) {
        let peer = self.peer_mut(index);
        peer.declared = peer.generation.map(|generation| Declared {
            generation,
            left: BEATS_AFTER,
        });
    }

    /// The field for the next beat, if there is anything to tell.
    pub(crate) fn declared_to_tell(&mut self) -> Option<String> {
        for peer in &mut self.peers {
            let (alive, left, life) = (peer.status.is_alive(), peer.left(), peer.generation);
            let Some(declared) = &mut peer.declared else {
                continue;
            };
            if declared.left == 0 || left || life != Some(declared.generation) {
                peer.declared = None;
            } else if alive {
                declared.left -= 1;
            }
        }
        declared::format(self.others().filter_map(|(_, peer)| {
            let declared = peer.declared.as_ref()?;
            Some((peer.name.as_str(), declared.generation))
        }))
    }

    /// What a peer's beat says of this node, and its list of whom it hears. Most copies over
    /// slow media have neither.
    pub(crate) fn read_declared(
        &mut self,
        index: PeerIndex,
        sequence: Sequence,
        (message, told): (&Message, Told<'_>),
        now: Now,
    ) {
        let (name, generation) = (self.settings.node.as_str(), self.own.generation);
        let dead = message.text(fields::DECLARED);
        let named = dead.and_then(|list| declared::find(list, name)) == Some(generation);
        let counted = matches!(told, Told::Heard(entry) if entry.generation == generation);
        let unheard = !counted && told != Told::Nothing;
        let peer = self.peer_mut(index);
        let node = peer.name.clone();
        // A beat that was overtaken says nothing new.
        let life = peer.life.as_mut();
        let Some(life) = life.filter(|life| sequence >= life.status_sequence) else {
            return;
        };
        let denial = &mut life.denial;
        let declares = named && !denial.lasts && (unheard || !denial.named);
        let over = counted && (denial.lasts || declares);
        denial.named = named;
        denial.lasts = (denial.lasts || declares) && !over;
        if declares {
            self.event(Kind::DeclaredDead { node: node.clone() }, None, now);
        }
        if over {
            self.event(Kind::DeclaredDeadOver { node }, None, now);
        }
    }

    /// A Heartbeat tells what came of resetting a node that died. Nothing needs to be done about one
    /// that left in order.
    pub(crate) fn hear_stonith(&mut self, index: PeerIndex, message: &Message, now: Now) {
        let names_us = message
            .text(fields::NODE)
            .is_some_and(|node| node.eq_ignore_ascii_case(self.settings.node.as_str()));
        let died = message.text(fields::RESULT) != Some(RESET_UNNEEDED);
        // Before it is a member, it may be about this node's former life.
        if !names_us || !died || self.own.stage != Stage::Member {
            return;
        }
        let told_at = Some(self.own.sequence);
        let peer = self.peer_mut(index);
        let node = peer.name.clone();
        let Some(denial) = peer.life.as_mut().map(|life| &mut life.denial) else {
            return;
        };
        denial.told_at = told_at;
        if core::mem::replace(&mut denial.lasts, true) {
            return;
        }
        self.event(Kind::DeclaredDead { node }, None, now);
    }

    /// A peer acknowledged this number of this node's.
    pub(crate) fn note_heard_again(&mut self, index: PeerIndex, number: Sequence, now: Now) {
        let peer = self.peer_mut(index);
        let node = peer.name.clone();
        let Some(denial) = peer.life.as_mut().map(|life| &mut life.denial) else {
            return;
        };
        if denial.lasts && denial.told_at.is_some_and(|at| number > at) {
            denial.lasts = false;
            denial.told_at = None;
            self.event(Kind::DeclaredDeadOver { node }, None, now);
        }
    }
}

/// The result of a reset that was not tried, because the node left in order.
const RESET_UNNEEDED: &str = "unneeded";
