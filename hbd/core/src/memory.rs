//! What outlives a core: what it tells of each peer, and what the next one makes of it.
//!
//! The next core must know what this one believed, or it would wait for the dead once more and call
//! a link dead that nothing was ever heard over. What it is told is written at each beat, so it is
//! small: of links, two bits each.

use alloc::boxed::Box;

use shared::event::{Cause, EventId, Kind, LinkStatus, NodeKind, NodeStatus, StatusReason};
use shared::names::{Generation, Sequence};
use shared::time::Now;

use crate::deadline::PeerIndex;
use crate::io::Output;
use crate::link::Link;
use crate::machine::Core;
use crate::peer::{Life, Peer};
use crate::sequence::Tracker;
use crate::settings::{LinkMemory, LiveMemory, MediumIndex, PeerMemory, Settings};
use crate::wire::config_digest::ConfigDigest;
use crate::wire::level::Level;

impl Core {
    /// Tells what the next core must know of a peer.
    pub(crate) fn remember_peer(&mut self, index: PeerIndex) {
        let memory = memory(self.peer(index), self.media_hash);
        self.output(Output::Remember(Box::new(memory)));
    }

    /// Takes over what a former core knew of a peer.
    pub(crate) fn remember(&mut self, memory: PeerMemory, cause: &EventId, now: Now) {
        let Some(&index) = self.by_name.get(&memory.node) else {
            return;
        };
        if index == self.own.index {
            return;
        }
        if let Some(uuid) = memory.uuid {
            self.by_uuid.entry(uuid).or_insert(index);
        }
        let own = self.own.sequence;
        let peer = self.peer_mut(index);
        peer.uuid = memory.uuid;
        peer.generation = Some(memory.generation).filter(|known| *known > Generation(0));
        let Some(live) = memory.live else {
            return;
        };
        if live.sequence > Sequence(0) {
            let mut life = Life::new(Tracker::after(live.sequence), own, now.boot);
            life.left = live.left;
            life.level = live.features.as_deref().and_then(Level::parse);
            peer.life = Some(life);
        }
        // Who answers only when asked was asked by nobody meanwhile.
        peer.heard = match peer.kind {
            NodeKind::Ping if live.status.is_alive() => Some(now.boot),
            _ => live.heard,
        };
        peer.deadtime = live.deadtime;
        peer.config = live.config.as_deref().and_then(ConfigDigest::parse);
        peer.signs_with = live.key;
        if live.status == NodeStatus::Init {
            return;
        }
        let cause = Some(Cause::Event(cause.clone()));
        let reason = match (live.left, live.reason) {
            (true, _) => StatusReason::Left,
            (false, Some(reason)) if live.status == NodeStatus::Dead => reason,
            (false, _) => StatusReason::Remembered,
        };
        self.set_status(index, live.status, reason, cause.clone(), now);
        self.remember_links(index, live.links, cause.as_ref(), now);
        if live.status.is_alive() {
            self.watch(index, now);
        }
    }

    /// What was heard of a living peer is expected to be: its silence begins here. A death is told again.
    fn remember_links(
        &mut self,
        index: PeerIndex,
        links: Option<LinkMemory>,
        cause: Option<&Cause>,
        now: Now,
    ) {
        let known = links.filter(|links| links.media == self.media_hash);
        let lives = self.peer(index).status.is_alive();
        for medium in self.media() {
            let bit = bit(medium);
            let known = known.filter(|_| bit != 0);
            let heard = known.is_none_or(|known| known.heard & bit != 0);
            let dead = known.is_some_and(|known| known.dead & bit != 0);
            let link = &mut self.peer_mut(index).links[usize::from(medium.0)];
            if !dead {
                link.heard = (heard && lives).then_some(now.boot);
                continue;
            }
            link.silence();
            let kind = Kind::LinkStatus {
                link: self.link_name(index, medium),
                from: LinkStatus::Init,
                to: LinkStatus::Dead,
                silent: None,
            };
            let event = self.event(kind, cause.cloned(), now);
            self.peer_mut(index).last_link_death = Some(event);
        }
    }
}

/// What the next core must know: also that a node was never heard and counts as dead, or it would
/// wait for it once more.
fn memory(peer: &Peer, media_hash: u32) -> PeerMemory {
    let life = peer.life.as_ref();
    let number = |life: &Life| life.tracker.last().unwrap_or(life.status_sequence);
    let live = LiveMemory {
        status: peer.status,
        sequence: life.map(number).unwrap_or_default(),
        deadtime: peer.deadtime,
        heard: peer.heard,
        left: peer.left(),
        features: peer.level().map(Level::to_field),
        config: peer.config.as_ref().map(ConfigDigest::to_field),
        key: peer.signs_with,
        reason: peer.died_of.clone(),
        links: Some(LinkMemory {
            media: media_hash,
            heard: bits(&peer.links, |link| link.heard.is_some()),
            dead: bits(&peer.links, |link| link.status == LinkStatus::Dead),
        }),
    };
    PeerMemory {
        node: peer.name.clone(),
        uuid: peer.uuid,
        generation: peer.generation.unwrap_or_default(),
        live: Some(live).filter(|live| live.status != NodeStatus::Init),
    }
}

/// The bit of a medium; none where there are too many.
fn bit(medium: MediumIndex) -> u64 {
    1u64.checked_shl(medium.0.into()).unwrap_or(0)
}

fn bits(links: &[Link], is_in: fn(&Link) -> bool) -> u64 {
    let links = (0..).map(MediumIndex).zip(links);
    let chosen = links.filter(|(_, link)| is_in(link));
    chosen.fold(0, |bits, (medium, _)| bits | bit(medium))
}

/// FNV-1a over the names, each with an end: what [`LinkMemory::media`] holds.
pub(crate) fn media_hash(settings: &Settings) -> u32 {
    const BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let names = settings.media.iter().map(|medium| medium.name.as_str());
    names
        .flat_map(|name| name.bytes().chain([0]))
        .fold(BASIS, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(PRIME)
        })
}
