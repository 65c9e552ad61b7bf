//! When the fragments, questions and answers of sessions go out, and over which links.

use alloc::vec::Vec;
use core::time::Duration;

use shared::session::{Class, Ending};
use shared::time::{Moment, Now};

use super::StreamId;
use crate::deadline::{PeerIndex, Timer};
use crate::io::Output;
use crate::machine::Core;
use crate::mutant::planted;
use crate::settings::{MediumForm, MediumIndex, SLOW_BITS};
use crate::wire::session::{self, Frame};
use crate::wire::{Form, Message};

/// What is due at once is looked at so much later, where it cannot be sent at once.
const NEXT_LOOK: Duration = Duration::from_millis(1);
/// On a slow path an answer may take so many times as long as a fragment keeps the path busy.
const SLOW_ANSWERS: u32 = 4;

impl Core {
    /// Sends what is due. Where somebody lives who does not know sessions, they are over, and nobody
    /// is told on the wire.
    pub(crate) fn carry_sessions(&mut self, now: Now) {
        if self.sessions.is_empty() {
            self.deadlines.disarm(Timer::Sessions);
            return;
        }
        if let Some(node) = self.who_bars_sessions() {
            let ending = Ending::NotAnnounced { node };
            for index in (0..).map(PeerIndex).take(self.peers.len()) {
                self.end_sessions_with(index, &ending);
            }
            self.deadlines.disarm(Timer::Sessions);
            return;
        }
        self.ask_receivers(now);
        self.answer_senders(now);
        for class in Class::ALL {
            self.send_fragments(class, now);
        }
        self.arm_sessions(now);
    }

    fn ask_receivers(&mut self, now: Now) {
        for stream in self.sessions.in_turn() {
            let Some(peer) = self.sessions.outbound.get(&stream).map(|it| it.peer) else {
                continue;
            };
            let slowly = self.asks_slowly(peer);
            let Some(outbound) = self.sessions.outbound.get_mut(&stream) else {
                continue;
            };
            outbound.path_wait = outbound.path_wait.max(slowly);
            if let Some(question) = outbound.ask(stream, now.boot) {
                self.put_frame(peer, &question, now);
            }
        }
    }

    fn answer_senders(&mut self, now: Now) {
        let mut answers = Vec::new();
        for (session, inbound) in &mut self.sessions.inbound {
            if let Some(answer) = inbound.answer(*session, now.boot) {
                answers.push((inbound.peer, answer));
            }
        }
        for (peer, answer) in answers {
            self.put_frame(peer, &answer, now);
        }
    }

    /// One fragment of each stream in turn, until nothing is due or the pace is reached.
    fn send_fragments(&mut self, class: Class, now: Now) {
        loop {
            let mut sent = false;
            for stream in self.sessions.in_turn() {
                if !self.sessions.may_send(class, now.boot) {
                    return;
                }
                sent |= self.send_fragment(stream, class, now);
            }
            if !sent {
                return;
            }
        }
    }

    fn send_fragment(&mut self, stream: StreamId, class: Class, now: Now) -> bool {
        let Some(outbound) = self.sessions.outbound.get(&stream) else {
            return false;
        };
        let due = outbound.due(now.boot).filter(|(_, of)| *of == class);
        let (peer, again) = (outbound.peer, outbound.again);
        let Some((number, _)) = due else {
            return false;
        };
        let path = self.path_to(peer);
        if path.busy_until(self, now.boot).is_some() {
            return false;
        }
        let media = match class {
            Class::Control => path.media.clone(),
            Class::Bulk => path.one_of(again),
        };
        let Some(outbound) = self.sessions.outbound.get_mut(&stream) else {
            return false;
        };
        let Some(frame) = outbound.send(stream, number, now.boot) else {
            return false;
        };
        let message = session::to_message(&frame, &self.peers[usize::from(peer.0)].name);
        let wait = self.put_over(peer, message, &media, now);
        self.sessions.count_sent();
        self.sessions.served(stream);
        if let Some(outbound) = self.sessions.outbound.get_mut(&stream) {
            outbound.path_wait = wait * SLOW_ANSWERS;
        }
        true
    }

    fn arm_sessions(&mut self, now: Now) {
        let mut next = None::<Moment>;
        let mut earlier = |at: Moment| next = Some(next.map_or(at, |next| next.min(at)));
        for outbound in self.sessions.outbound.values() {
            let due = outbound.deadline();
            if due > now.boot {
                earlier(due);
                continue;
            }
            let path = self.path_to(outbound.peer);
            let free = path.busy_until(self, now.boot);
            earlier(free.unwrap_or(self.sessions.pace_ends()));
        }
        for inbound in self.sessions.inbound.values() {
            if !inbound.ended {
                earlier(inbound.deadline());
            }
        }
        match next {
            Some(at) => self
                .deadlines
                .arm(Timer::Sessions, at.max(now.boot + NEXT_LOOK)),
            None => self.deadlines.disarm(Timer::Sessions),
        }
    }

    /// Sends a frame that is no fragment, over every link that sessions use.
    pub(super) fn put_frame(&mut self, peer: PeerIndex, frame: &Frame<'_>, now: Now) {
        if self.who_bars_sessions().is_some() || !self.peer(peer).status.is_alive() {
            return;
        }
        let media = self.path_to(peer).media;
        let message = session::to_message(frame, &self.peer(peer).name);
        self.put_over(peer, message, &media, now);
    }

    /// How long the path stays busy with it, where it is slow.
    fn put_over(
        &mut self,
        peer: PeerIndex,
        mut message: Message,
        media: &[MediumIndex],
        now: Now,
    ) -> Duration {
        self.stamp(&mut message, Some(peer), None, now);
        let mut wait = Duration::ZERO;
        for &medium in media {
            let form = match self.medium_form(medium) {
                MediumForm::Datagram => Form::Netstring,
                MediumForm::Stream => Form::String,
                MediumForm::Ping(_) | MediumForm::PingGroup(_) => continue,
            };
            let packet = self.encode(&message, form);
            if let Some(rate) = self.slow_rate(medium) {
                let busy = self.sessions.burden(medium, packet.len(), rate, now.boot);
                wait = wait.max(busy);
            }
            self.output(Output::Transmit {
                medium,
                packet,
                beat: false,
            });
        }
        wait
    }

    /// The bits per second of a slow medium.
    pub(crate) fn slow_rate(&self, medium: MediumIndex) -> Option<u64> {
        let rate = self.settings.media[usize::from(medium.0)].rate;
        rate.filter(|rate| *rate < SLOW_BITS)
    }

    /// The rate of the slowest link to a peer, where no fast one is up.
    pub(crate) fn rate_to(&self, peer: PeerIndex) -> Option<u64> {
        // Asked for each message that comes.
        if !self.link_media().any(|it| self.slow_rate(it).is_some()) {
            return None;
        }
        let path = self.path_to(peer);
        let rates = path.media.iter().filter_map(|it| self.slow_rate(*it));
        rates.min().filter(|_| path.slow)
    }

    /// The links to a peer that sessions use: those that are up and fast; else those that are up and
    /// slow; else, while a living peer has no link that counts as up, all fast media, or all.
    fn path_to(&self, peer: PeerIndex) -> Path {
        let fast = |medium: &MediumIndex| {
            self.slow_rate(*medium).is_none() || planted!(self, BulkAnywhere)
        };
        let up: Vec<MediumIndex> = self
            .link_media()
            .filter(|medium| self.link_is_up(peer, *medium))
            .collect();
        let all: Vec<MediumIndex> = self.link_media().collect();
        for (media, slow) in [(&up, false), (&up, true), (&all, false), (&all, true)] {
            let media: Vec<MediumIndex> = media
                .iter()
                .copied()
                .filter(|medium| fast(medium) != slow)
                .collect();
            if !media.is_empty() {
                return Path { media, slow };
            }
        }
        Path {
            media: all,
            slow: false,
        }
    }
}

/// Some links to one peer, all fast or all slow.
struct Path {
    media: Vec<MediumIndex>,
    slow: bool,
}

impl Path {
    /// When the path is free, if it is not: one of its media at least.
    fn busy_until(&self, core: &Core, now: Moment) -> Option<Moment> {
        if !self.slow {
            return None;
        }
        let free = |medium: &MediumIndex| core.sessions.slow_free_at(*medium);
        let first = self.media.iter().map(free).min()?;
        (first > now).then_some(first)
    }

    /// One link, another after each loss.
    fn one_of(&self, again: usize) -> Vec<MediumIndex> {
        let count = self.media.len().max(1);
        self.media.get(again % count).copied().into_iter().collect()
    }
}
