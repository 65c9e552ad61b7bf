//! Who is dead: timers, this node's own lateness, and the judgement itself.
//!
//! A timer only raises a suspicion. First everything that arrived is handed in; then the silence is
//! measured anew, and only then somebody is dead. Time in which this node did not run counts
//! against nobody: a node that slept must not accuse its peers. Deadlines of silence are armed once
//! and measured when they are due, so that a packet costs no timer.

use alloc::boxed::Box;
use core::time::Duration;

use shared::event::{Cause, Kind, LinkStatus, NodeKind, NodeStatus, StatusReason};
use shared::sample::{LinkSample, NodeSample, Sample};
use shared::time::{Moment, Now};
use shared::times;

use crate::beat::next_tick;
use crate::deadline::{PeerIndex, Timer};
use crate::io::Output;
use crate::machine::{Core, SAMPLE_EVERY, Sort, Stage};
use crate::mutant::planted;
use crate::sequence::Tracker;
use crate::settings::MediumIndex;

impl Core {
    pub(crate) fn measure_lateness(&mut self, now: Now) {
        let Some(next) = self.deadlines.next() else {
            return;
        };
        let late = now.boot.since(next.at);
        if next.timer == Timer::Beat {
            self.own.worst_lateness = self.own.worst_lateness.max(late);
        }
        if late > times::stall(self.settings.keepalive) {
            self.forgive(late, now);
        }
    }

    /// This node did not run for `late`.
    fn forgive(&mut self, late: Duration, now: Now) {
        let worse = late > self.own.worst_stall;
        self.own.stalls += 1;
        self.own.worst_stall = self.own.worst_stall.max(late);
        self.own.listening_since = (self.own.listening_since + late).min(now.boot);
        for peer in &mut self.peers {
            peer.heard = peer.heard.map(|heard| (heard + late).min(now.boot));
            for link in &mut peer.links {
                link.forgive(late, now.boot);
            }
        }
        // A machine that stalls all the time says so once a minute, at each new worst, and whenever
        // peers may have taken this node for dead.
        let mute = times::is_mute(late, self.settings.keepalive, self.settings.deadtime);
        if self.limiter.admit(Sort::Stall, now.boot).is_some() || worse || mute {
            self.event(Kind::OwnStall { late }, None, now);
        }
    }

    /// A peer is heard from here on: it and its links are watched.
    pub(crate) fn watch(&mut self, index: PeerIndex, now: Now) {
        self.arm_death(index, now);
        for medium in self.media() {
            self.arm_link_death(index, medium, now);
        }
    }

    pub(crate) fn arm_death(&mut self, index: PeerIndex, now: Now) {
        if self.deadlines.get(Timer::PeerDead(index)).is_none()
            && let Some(due) = self.death_due(index)
        {
            self.deadlines
                .arm(Timer::PeerDead(index), due.max(now.boot));
        }
    }

    /// Arms the link's timer where it is not armed for an earlier moment. A silence that is too long
    /// already is due at once and not in the past, where it would look like lateness of this node.
    pub(crate) fn arm_link_death(&mut self, index: PeerIndex, medium: MediumIndex, now: Now) {
        let timer = Timer::LinkDead(index, medium);
        let due = self.link_death_due(index, medium);
        if let Some(due) = due.map(|due| due.max(now.boot))
            && self.deadlines.get(timer).is_none_or(|armed| armed > due)
        {
            self.deadlines.arm(timer, due);
        }
    }

    pub(crate) fn forget_timers(&mut self, index: PeerIndex) {
        self.deadlines.disarm(Timer::PeerDead(index));
        self.deadlines.disarm(Timer::Missing(index));
        for medium in self.media() {
            self.deadlines.disarm(Timer::LinkDead(index, medium));
        }
    }

    /// The dead time that applies to a peer at this moment.
    fn deadtime_of(&self, index: PeerIndex) -> Duration {
        let deadtime = match planted!(self, DeathTooLate) {
            true => self.peer(index).deadtime * 2,
            false => self.peer(index).deadtime,
        };
        match self.own.stage {
            Stage::Listening => deadtime.max(self.settings.initdead),
            _ => deadtime,
        }
    }

    fn death_due(&self, index: PeerIndex) -> Option<Moment> {
        let peer = self.peer(index);
        let heard = peer.heard.filter(|_| peer.status.is_alive())?;
        Some(heard + self.deadtime_of(index))
    }

    /// A link that was never heard is watched from the moment its peer is.
    fn link_death_due(&self, index: PeerIndex, medium: MediumIndex) -> Option<Moment> {
        let peer = self.peer(index);
        let link = &peer.links[usize::from(medium.0)];
        let pings = self.medium_form(medium).pings().is_some();
        if pings || peer.kind == NodeKind::Ping || !link.is_watched() {
            return None;
        }
        let since = link
            .heard
            .or_else(|| peer.life.as_ref().map(|life| life.since))?;
        Some(since + self.deadtime_of(index) + self.settings.link_down_delay)
    }

    fn due(&self, judgement: Timer) -> Option<Moment> {
        match judgement {
            Timer::PeerDead(peer) => self.death_due(peer),
            Timer::LinkDead(peer, medium) => self.link_death_due(peer, medium),
            Timer::InitDead => Some(self.own.listening_since + self.settings.initdead),
            Timer::UnauthHold(peer) => self.peer(peer).unverified.as_ref().map(|_| Moment(0)),
            _ => None,
        }
    }

    /// A timer of silence is due. If the silence is real, it is judged after the drain.
    pub(crate) fn suspect(&mut self, judgement: Timer, now: Now) {
        match self.due(judgement) {
            None => {}
            Some(due) if due > now.boot => self.deadlines.arm(judgement, due),
            Some(_) => {
                if planted!(self, NoDrain) {
                    return self.judge(judgement, now);
                }
                if self.judgements.is_empty() {
                    self.output(Output::Drain);
                }
                self.judgements.push(judgement);
            }
        }
    }

    /// Everything that had arrived was handed in.
    pub(crate) fn judge_all(&mut self, now: Now) {
        let mut judgements = core::mem::take(&mut self.judgements);
        // Links before nodes, so that a node's death can name the link's as its cause.
        judgements.sort_unstable();
        for judgement in judgements {
            match self.due(judgement) {
                Some(due) if due > now.boot => self.deadlines.arm(judgement, due),
                Some(_) => self.judge(judgement, now),
                None => {}
            }
        }
    }

    fn judge(&mut self, judgement: Timer, now: Now) {
        match judgement {
            Timer::LinkDead(peer, medium) => self.declare_link_dead(peer, medium, now),
            Timer::PeerDead(peer) => self.declare_dead(peer, now),
            Timer::InitDead => self.end_initdead(now),
            Timer::UnauthHold(peer) => self.review_unverified(peer, now),
            _ => {}
        }
    }

    fn declare_link_dead(&mut self, index: PeerIndex, medium: MediumIndex, now: Now) {
        if planted!(self, LinkNeverDies) {
            return;
        }
        let peer = self.peer_mut(index);
        let link = &mut peer.links[usize::from(medium.0)];
        let from = link.status;
        let since = link.heard.or(peer.life.as_ref().map(|life| life.since));
        link.silence();
        if from == LinkStatus::Dead {
            return;
        }
        let kind = Kind::LinkStatus {
            link: self.link_name(index, medium),
            from,
            to: LinkStatus::Dead,
            silent: since.map(|since| now.boot.since(since)),
        };
        let event = self.event(kind, None, now);
        self.peer_mut(index).last_link_death = Some(event);
    }

    fn declare_dead(&mut self, index: PeerIndex, now: Now) {
        let deadtime = self.deadtime_of(index);
        let peer = self.peer_mut(index);
        let silent = peer
            .heard
            .map(|heard| now.boot.since(heard))
            .unwrap_or_default();
        if let Some(life) = &mut peer.life {
            // What was sent before the last message that came shows no return, whenever it comes.
            life.status_sequence = life
                .status_sequence
                .max(life.tracker.last().unwrap_or_default());
            life.tracker = Tracker::default();
        }
        peer.jeopardy = false;
        let cause = peer.last_link_death.clone().map(Cause::Event);
        self.deadlines.disarm(Timer::Missing(index));
        let reason = StatusReason::Silent { silent, deadtime };
        self.set_status(index, NodeStatus::Dead, reason, cause, now);
        self.note_declared(index);
        self.remember_peer(index);
        self.check_communication(now);
    }

    /// `initdead` is over: who was not heard is dead.
    fn end_initdead(&mut self, now: Now) {
        let unheard: alloc::vec::Vec<PeerIndex> = self
            .others()
            .filter(|(_, peer)| peer.status == NodeStatus::Init)
            .map(|(index, _)| index)
            .collect();
        for index in unheard {
            let reason = StatusReason::NeverHeard {
                initdead: self.settings.initdead,
            };
            self.set_status(index, NodeStatus::Dead, reason, None, now);
            self.remember_peer(index);
        }
        self.check_communication(now);
    }

    pub(crate) fn sample_due(&mut self, due: Moment, now: Now) {
        self.deadlines
            .arm(Timer::Sample, next_tick(due, SAMPLE_EVERY, now));
        let sample = self.sample(now);
        self.output(Output::Sample(Box::new(sample)));
    }

    fn sample(&self, now: Now) -> Sample {
        let nodes = self.others().map(|(index, peer)| NodeSample {
            node: peer.name.clone(),
            heard: peer.heard,
            dead_at: self.death_due(index),
            deadtime: peer.deadtime,
            confirmed: peer.life.as_ref().and_then(|life| life.confirmed_at),
            load: peer.load.clone(),
        });
        let links = self
            .others()
            .filter(|(_, peer)| peer.kind != NodeKind::Ping)
            .flat_map(|(index, peer)| {
                self.media().map(move |medium| {
                    let link = &peer.links[usize::from(medium.0)];
                    LinkSample {
                        link: self.link_name(index, medium),
                        heard: link.heard,
                        incoming: link.incoming(),
                        outgoing: link.outgoing(),
                    }
                })
            });
        Sample {
            at: now.boot,
            beats: self.own.beats,
            worst_lateness: self.own.worst_lateness,
            stalls: self.own.stalls,
            worst_stall: self.own.worst_stall,
            window: self.window().map_or(0, |(_, waiting)| waiting),
            refused: self.refused,
            nodes: nodes.collect(),
            links: links.collect(),
        }
    }

    /// Reports that messages are lost for good, one for a burst.
    pub(crate) fn report_lost(
        &mut self,
        index: PeerIndex,
        sequence: shared::names::Sequence,
        reason: &str,
        now: Now,
    ) {
        if self.limiter.admit(Sort::Lost(index), now.boot).is_some() {
            let kind = Kind::MessageLost {
                node: self.peer(index).name.clone(),
                sequence,
                reason: reason.into(),
            };
            self.event(kind, None, now);
        }
    }
}
