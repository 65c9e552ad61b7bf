//! Who sent a message: names, lasting identities, and those who use what is not theirs.
//!
//! A node is found by its UUID first and its name second, as Heartbeat 3.0.6 does; but where that
//! renames nodes in its table, a UUID under another name is dropped here and reported: two nodes
//! with one `hb_uuid` come from a cloned disk. Our own name from elsewhere is an impostor. A packet
//! that does not verify proves nothing, but one that fits everything known of a silent peer and
//! whose numbers move says that the peer lives with another key, which is not the same as dead.

use alloc::string::{String, ToString};

use shared::event::{Kind, LinkStatus, NodeKind, Unverified};
use shared::names::{Generation, KeyIndex, NodeName, Sequence, Uuid};
use shared::time::Now;

use crate::deadline::{PeerIndex, Timer};
use crate::machine::{Core, Sort};
use crate::mutant::planted;
use crate::peer::Unverifying;
use crate::settings::MediumIndex;
use crate::wire::{self, Message, Refused};

impl Core {
    /// The configured peer that sent a message; `None` where it does not count for anybody.
    pub(crate) fn identify(
        &mut self,
        message: &Message,
        medium: MediumIndex,
        now: Now,
    ) -> Option<PeerIndex> {
        let src = message.src().unwrap_or_default();
        let Ok(name) = NodeName::new(src) else {
            self.refuse_message("its src is no node name", message, medium, now);
            return None;
        };
        let uuid = message.src_uuid();
        if name == self.settings.node {
            self.hear_own_name(message, uuid, medium, now);
            return None;
        }
        let by_name = self.by_name.get(&name).copied();
        let owner = uuid.and_then(|uuid| self.by_uuid.get(&uuid).copied());
        if let (Some(uuid), Some(owner)) = (uuid, owner)
            && by_name != Some(owner)
            && !planted!(self, CloneAccepted)
        {
            self.report_clone(uuid, owner, name, now);
            return None;
        }
        if by_name.is_none() {
            let sort = Sort::Unknown(medium);
            if let Some(unreported) = self.limiter.admit(sort, now.boot) {
                let kind = Kind::UnknownNode {
                    name: name.to_string(),
                    medium: self.medium_name(medium),
                    unreported,
                };
                self.event(kind, None, now);
            }
        }
        by_name
    }

    fn report_clone(&mut self, uuid: Uuid, owner: PeerIndex, claimed_by: NodeName, now: Now) {
        let sort = Sort::Clone(claimed_by.clone());
        if self.limiter.admit(sort, now.boot).is_some() {
            let kind = Kind::ClonedIdentity {
                uuid,
                owner: self.peer(owner).name.clone(),
                claimed_by,
            };
            self.event(kind, None, now);
        }
    }

    /// Our own packets come back over many media. Anything else under our name is an impostor.
    fn hear_own_name(
        &mut self,
        message: &Message,
        uuid: Option<Uuid>,
        medium: MediumIndex,
        now: Now,
    ) {
        let generation = message.generation().unwrap_or_default();
        let sequence = message.sequence().unwrap_or_default();
        let ours = uuid.is_none_or(|uuid| uuid == self.settings.uuid);
        let from_the_past = (generation, sequence) <= (self.own.generation, self.own.sequence);
        if ours && from_the_past {
            return;
        }
        let first = self.impostor.replace(now.boot).is_none();
        if first {
            let kind = Kind::Impostor {
                medium: self.medium_name(medium),
                uuid,
                generation,
            };
            self.event(kind, None, now);
            self.deadlines
                .arm(Timer::ImpostorGone, now.boot + self.settings.deadtime);
        }
    }

    pub(crate) fn check_impostor(&mut self, now: Now) {
        let Some(seen) = self.impostor else {
            return;
        };
        let gone = seen + self.settings.deadtime;
        if gone > now.boot {
            self.deadlines.arm(Timer::ImpostorGone, gone);
            return;
        }
        self.impostor = None;
        self.event(Kind::ImpostorGone, None, now);
    }

    /// A message that verifies and cannot be used.
    pub(crate) fn refuse_message(
        &mut self,
        reason: &'static str,
        message: &Message,
        medium: MediumIndex,
        now: Now,
    ) {
        let claims = message.src().map(String::from);
        self.report_refused(reason, reason.to_string(), claims, medium, now);
    }

    /// A packet that does not verify or cannot be read.
    pub(crate) fn refuse_packet(
        &mut self,
        refused: &Refused,
        packet: &[u8],
        medium: MediumIndex,
        now: Now,
    ) {
        let unverified = match refused {
            Refused::WrongDigest(KeyIndex(key)) => Some(Unverified::Mismatch { key: *key }),
            Refused::UnknownKey(KeyIndex(key)) => Some(Unverified::UnknownKey { key: *key }),
            Refused::InactiveCrc(KeyIndex(key)) => Some(Unverified::InactiveCrc { key: *key }),
            _ => None,
        };
        let claims = wire::decode_unverified(packet).ok();
        if let (Some(reason), Some(claims)) = (unverified, &claims)
            && self.note_unverified(reason, claims, medium, now)
        {
            self.refused += 1;
            return;
        }
        let name = claims.and_then(|claims| claims.claimed_src().map(String::from));
        self.report_refused(sort_of(refused), refused.to_string(), name, medium, now);
    }

    fn report_refused(
        &mut self,
        sort: &'static str,
        reason: String,
        claims: Option<String>,
        medium: MediumIndex,
        now: Now,
    ) {
        self.refused += 1;
        let sort = Sort::Refused(medium, sort.into());
        if let Some(unreported) = self.limiter.admit(sort, now.boot) {
            let kind = Kind::PacketRefused {
                medium: self.medium_name(medium),
                reason,
                claims,
                unreported,
            };
            self.event(kind, None, now);
        }
    }

    /// Takes an unverified packet as a sign of life of a peer whose verified beats are missing. It
    /// must come with the peer's UUID unless none is known, over a link where the peer was heard before
    /// (or from a peer never heard), with a generation not below the known one, and its numbers must move. True if
    /// it counts.
    fn note_unverified(
        &mut self,
        reason: Unverified,
        claims: &wire::Unverified,
        medium: MediumIndex,
        now: Now,
    ) -> bool {
        let Some(index) = claims
            .claimed_src()
            .and_then(|src| NodeName::new(src).ok())
            .and_then(|name| self.by_name.get(&name).copied())
            .filter(|index| *index != self.own.index)
        else {
            return false;
        };
        let warntime = self.settings.warntime;
        let peer = self.peer_mut(index);
        let missed = peer
            .heard
            .is_none_or(|heard| now.boot.since(heard) > warntime);
        let known = peer.uuid.is_none() || claims.claimed_uuid() == peer.uuid;
        let on_its_link = peer.links[usize::from(medium.0)].heard.is_some()
            || peer.links.iter().all(|l| l.status == LinkStatus::Init);
        let (Some(generation), Some(sequence)) =
            (claims.claimed_generation(), claims.claimed_sequence())
        else {
            return false;
        };
        if peer.kind == NodeKind::Ping
            || !(missed && known && on_its_link)
            || Some(generation) < peer.generation
        {
            return false;
        }
        let moves = peer
            .unverified
            .as_mut()
            .map(|u| u.note(generation, sequence, now));
        match moves {
            None => {
                peer.unverified = Some(Unverifying::new(generation, sequence, now.boot));
                let hold = now.boot + self.settings.deadtime;
                self.deadlines.arm(Timer::UnauthHold(index), hold);
            }
            Some(true) => {
                let node = peer.name.clone();
                self.event(Kind::Unauthenticated { node, reason }, None, now);
            }
            Some(false) => {}
        }
        true
    }

    /// A verified beat ends the doubt.
    pub(crate) fn trust_again(&mut self, index: PeerIndex, now: Now) {
        if planted!(self, DoubtForEver) {
            return;
        }
        let peer = self.peer_mut(index);
        let Some(doubt) = peer.unverified.take() else {
            return;
        };
        let node = peer.name.clone();
        self.deadlines.disarm(Timer::UnauthHold(index));
        if doubt.reported {
            self.event(Kind::AuthenticatedAgain { node }, None, now);
        }
    }

    /// The time of doubt about a peer is reviewed every dead time: gone, over, or going on.
    pub(crate) fn review_unverified(&mut self, index: PeerIndex, now: Now) {
        let (deadtime, hold) = (self.settings.deadtime, self.settings.unauth_hold);
        let peer = self.peer_mut(index);
        let Some(doubt) = &mut peer.unverified else {
            return;
        };
        let node = peer.name.clone();
        if now.boot.since(doubt.last) >= deadtime {
            let reported = doubt.reported;
            peer.unverified = None;
            if reported {
                self.event(Kind::UnauthenticatedGone { node }, None, now);
            }
            return;
        }
        let over = doubt.reported && !doubt.over && now.boot.since(doubt.since) >= hold;
        doubt.over |= over;
        let next = doubt.last + deadtime;
        let next = match doubt.over {
            true => next,
            false => next.min(doubt.since + hold),
        };
        if over {
            self.event(Kind::UnauthHoldOver { node, hold }, None, now);
        }
        self.deadlines
            .arm(Timer::UnauthHold(index), next.max(now.boot + REVIEW_MIN));
    }
}

/// Shortest time between two reviews of a peer that does not verify.
const REVIEW_MIN: core::time::Duration = core::time::Duration::from_millis(10);

impl Unverifying {
    fn new(generation: Generation, sequence: Sequence, at: shared::time::Moment) -> Self {
        Self {
            since: at,
            last: at,
            generation,
            sequence,
            reported: false,
            over: false,
        }
    }

    /// True if this is what makes it worth a report: the numbers moved for the first time.
    fn note(&mut self, generation: Generation, sequence: Sequence, now: Now) -> bool {
        if (generation, sequence) <= (self.generation, self.sequence) {
            return false;
        }
        (self.generation, self.sequence) = (generation, sequence);
        self.last = now.boot;
        !core::mem::replace(&mut self.reported, true)
    }
}

/// Sorts of refusals that are reported apart from each other.
fn sort_of(refused: &Refused) -> &'static str {
    match refused {
        Refused::TooLong { .. } => "too long",
        Refused::NoForm => "no form",
        Refused::NoTrailer | Refused::NoAuth | Refused::BadAuth => "no digest",
        Refused::UnknownKey(_) => "unknown key",
        Refused::InactiveCrc(_) => "crc",
        Refused::WrongDigest(_) => "digest",
        Refused::Compressed { .. } => "compressed",
        Refused::Malformed(_) => "malformed",
    }
}
