//! What the core does with sessions: orders, frames that arrive, and the feature gate.
//!
//! Frames have no number of the ordinary kind (`NS_`): what is lost is sent again by its session, so
//! bulk neither fills the history of messages nor holds up anything that is numbered. They are
//! signed and dated as every message, and count only from a living peer in its present generation.

use alloc::vec::Vec;

use shared::event::NodeKind;
use shared::names::NodeName;
use shared::session::{Ending, Payload};
use shared::time::Now;

use super::inbound::Inbound;
use super::outbound::Outbound;
use super::{
    Fragment, LISTENERS_MAX, OUTBOUND_MAX, SessionId, SessionNews, SessionOrder, StreamId,
};
use crate::deadline::{PeerIndex, Timer};
use crate::io::Output;
use crate::machine::{Core, Stage};
use crate::mutant::planted;
use crate::wire::Message;
use crate::wire::level::Level;
use crate::wire::session::{self, Frame};

impl Core {
    pub(crate) fn handle_session(&mut self, order: SessionOrder, now: Now) {
        match order {
            SessionOrder::Listen { name, listener } => {
                if self.sessions.listeners.len() < LISTENERS_MAX {
                    self.sessions.listeners.insert(name, listener);
                }
            }
            SessionOrder::Unlisten { name } => {
                self.sessions.listeners.remove(&name);
                self.drop_inbound(|inbound| inbound.to == name, &Ending::ClientGone, now);
            }
            SessionOrder::Open {
                stream,
                from,
                node,
                to,
            } => match self.may_open(&node) {
                Ok(peer) => {
                    let outbound = Outbound::new(peer, from, to, now.boot);
                    self.sessions.outbound.insert(stream, outbound);
                }
                Err(ending) => self.tell(SessionNews::Closed { stream, ending }),
            },
            SessionOrder::Offer { stream, fragment } => self.offer(stream, fragment, now),
            SessionOrder::Close { stream } => {
                if let Some(outbound) = self.sessions.outbound.get_mut(&stream) {
                    outbound.close();
                }
            }
            SessionOrder::GiveUp { stream } => {
                if let Some(outbound) = self.sessions.outbound.remove(&stream) {
                    let reset = outbound.reset(stream, Ending::GaveUp);
                    self.put_frame(outbound.peer, &reset, now);
                }
            }
            SessionOrder::Taken { session, fragments } => {
                if let Some(inbound) = self.sessions.inbound.get_mut(&session) {
                    inbound.taken(fragments, now.boot);
                }
            }
            SessionOrder::Acknowledge { session, message } => {
                if let Some(inbound) = self.sessions.inbound.get_mut(&session) {
                    inbound.acknowledge(message, now.boot);
                }
            }
            SessionOrder::Release { session } => {
                if let Some(inbound) = self.sessions.inbound.remove(&session)
                    && !inbound.ended
                {
                    let reset = inbound.reset(session, Ending::Broken);
                    self.put_frame(inbound.peer, &reset, now);
                }
            }
            SessionOrder::Forget => {
                self.sessions.listeners.clear();
                self.drop_inbound(|_| true, &Ending::ClientGone, now);
                self.drop_outbound(&Ending::GaveUp, now);
            }
        }
        self.carry_sessions(now);
    }

    fn may_open(&self, node: &NodeName) -> Result<PeerIndex, Ending> {
        let index = self.by_name.get(node).copied();
        let index = index
            .filter(|index| *index != self.own.index && self.peer(*index).kind != NodeKind::Ping);
        let index = index.ok_or(Ending::NoSuchNode)?;
        if matches!(self.own.stage, Stage::Leaving | Stage::Left) {
            return Err(Ending::Left);
        }
        if !self.peer(index).status.is_alive() {
            return Err(Ending::NotAlive);
        }
        if let Some(node) = self.who_bars_sessions() {
            return Err(Ending::NotAnnounced { node });
        }
        match self.sessions.outbound.len() < OUTBOUND_MAX {
            true => Ok(index),
            false => Err(Ending::Busy),
        }
    }

    /// A living node that has not announced sessions in this generation.
    pub(super) fn who_bars_sessions(&self) -> Option<NodeName> {
        let reads = |level: Option<Level>| level.is_some_and(|l| l.has(Level::FEATURE_SESSIONS));
        self.live_others()
            .find(|(_, peer)| !reads(peer.level()))
            .map(|(_, peer)| peer.name.clone())
    }

    fn offer(&mut self, stream: StreamId, fragment: Fragment, now: Now) {
        let Some(outbound) = self.sessions.outbound.get_mut(&stream) else {
            return;
        };
        outbound.expect_answer(now.boot);
        let taken = outbound.offer(fragment);
        assert!(taken, "the office offers what there is room for");
    }

    fn tell(&mut self, news: SessionNews) {
        self.output(Output::Session(news));
    }

    /// A frame of a living peer, for this node.
    pub(crate) fn receive_session(&mut self, index: PeerIndex, message: &Message, now: Now) {
        if !self.peer(index).status.is_alive() || self.own.stage == Stage::Leaving {
            return;
        }
        let Some(frame) = session::read(message) else {
            return;
        };
        if self.who_bars_sessions().is_none() {
            self.obey_frame(index, frame, now);
        }
        self.carry_sessions(now);
    }

    fn obey_frame(&mut self, peer: PeerIndex, frame: Frame<'_>, now: Now) {
        match frame {
            Frame::Open { stream, from, to } => self.admit(peer, stream, from, to, now),
            Frame::Opened {
                stream,
                session,
                listener,
            } => self.note_opened(peer, stream, session, listener, now),
            Frame::Data {
                session,
                stream,
                number,
                message,
                class,
                last,
                bytes,
            } => {
                let fragment = Fragment {
                    message,
                    class,
                    last,
                    bytes: Payload(bytes.to_vec()),
                };
                self.receive_fragment(peer, (session, stream), number, Some(fragment), now);
            }
            Frame::Fin {
                session,
                stream,
                number,
            } => self.receive_fragment(peer, (session, stream), number, None, now),
            Frame::Ask { session, stream } => match self.inbound_of(peer, session, stream, now) {
                Some(inbound) => {
                    inbound.heard(now.boot);
                    inbound.answer_soon(now.boot);
                }
                None => self.refuse(peer, (session, stream), Ending::Broken, now),
            },
            Frame::Ack { .. } => self.receive_ack(peer, &frame, now),
            Frame::Reset {
                stream,
                session,
                reason,
                by_sender,
            } => match by_sender {
                true => self.inbound_reset(peer, stream, session, reason),
                false => self.outbound_reset(peer, stream, session, reason),
            },
        }
    }

    /// A peer's client wants to send to a client here.
    fn admit(
        &mut self,
        peer: PeerIndex,
        stream: StreamId,
        from: shared::names::ClientName,
        to: shared::names::ClientName,
        now: Now,
    ) {
        let none = SessionId(0);
        let Some(&listener) = self.sessions.listeners.get(&to) else {
            return self.refuse(peer, (none, stream), Ending::NobodyListens, now);
        };
        if let Some(session) = self.sessions.find(peer, stream) {
            let opened = Frame::Opened {
                stream,
                session,
                listener: self.sessions.inbound[&session].listener,
            };
            return self.put_frame(peer, &opened, now);
        }
        if !self.sessions.has_room_for(peer) {
            return self.refuse(peer, (none, stream), Ending::Busy, now);
        }
        let session = self.sessions.name_session();
        let inbound = Inbound::new(peer, stream, to.clone(), listener, now.boot);
        self.sessions.inbound.insert(session, inbound);
        self.tell(SessionNews::Arrived {
            session,
            stream,
            node: self.peer(peer).name.clone(),
            from,
            to,
            listener,
        });
        let opened = Frame::Opened {
            stream,
            session,
            listener,
        };
        self.put_frame(peer, &opened, now);
    }

    fn note_opened(
        &mut self,
        peer: PeerIndex,
        stream: StreamId,
        session: SessionId,
        listener: u64,
        now: Now,
    ) {
        match self.sessions.outbound.get_mut(&stream) {
            Some(outbound) if outbound.peer == peer => {
                if outbound.opened(session, now.boot) {
                    self.tell(SessionNews::Opened { stream, listener });
                }
            }
            _ => {
                let reset = Frame::Reset {
                    stream,
                    session,
                    reason: Ending::GaveUp,
                    by_sender: true,
                };
                self.put_frame(peer, &reset, now);
            }
        }
    }

    /// The session that a frame of its sender names.
    fn inbound_of(
        &mut self,
        peer: PeerIndex,
        session: SessionId,
        stream: StreamId,
        _now: Now,
    ) -> Option<&mut Inbound> {
        self.sessions
            .inbound
            .get_mut(&session)
            .filter(|inbound| inbound.peer == peer && inbound.stream == stream)
    }

    fn receive_fragment(
        &mut self,
        peer: PeerIndex,
        (session, stream): (SessionId, StreamId),
        number: u64,
        fragment: Option<Fragment>,
        now: Now,
    ) {
        let twice = planted!(self, FragmentTwice);
        let Some(inbound) = self.inbound_of(peer, session, stream, now) else {
            return self.refuse(peer, (session, stream), Ending::Broken, now);
        };
        let again = fragment.clone().filter(|_| twice);
        let harvest = inbound.receive(number, fragment, now.boot);
        if harvest.finished {
            inbound.ended = true;
        }
        for fragment in harvest.fragments.into_iter().chain(again) {
            self.tell(SessionNews::Fragment { session, fragment });
        }
        if harvest.finished {
            let ending = Ending::Closed;
            self.tell(SessionNews::Ended { session, ending });
        }
    }

    fn receive_ack(&mut self, peer: PeerIndex, frame: &Frame<'_>, now: Now) {
        let Frame::Ack {
            stream,
            session,
            next,
            seen,
            window,
            acknowledged,
        } = *frame
        else {
            return;
        };
        let early = planted!(self, DeliveredTooEarly);
        let outbound = self.sessions.outbound.get_mut(&stream);
        let Some(outbound) = outbound.filter(|outbound| outbound.peer == peer) else {
            let reset = Frame::Reset {
                stream,
                session,
                reason: Ending::GaveUp,
                by_sender: true,
            };
            return self.put_frame(peer, &reset, now);
        };
        if outbound.session != Some(session) {
            return;
        }
        let progress = outbound.ack(next, seen, window, acknowledged, now.boot);
        let received = outbound.received().filter(|_| early);
        if progress.room > 0 {
            let fragments = progress.room;
            self.tell(SessionNews::Room { stream, fragments });
        }
        if let Some(message) = received.or(progress.acknowledged) {
            self.tell(SessionNews::Acknowledged { stream, message });
        }
        if progress.finished {
            self.sessions.outbound.remove(&stream);
            let ending = Ending::Closed;
            self.tell(SessionNews::Closed { stream, ending });
        }
    }

    /// The sender is done with a session before its end.
    fn inbound_reset(
        &mut self,
        peer: PeerIndex,
        stream: StreamId,
        session: SessionId,
        ending: Ending,
    ) {
        let session = match session {
            SessionId(0) => self.sessions.find(peer, stream),
            named => Some(named),
        };
        let Some(session) = session else {
            return;
        };
        if let Some(inbound) = self.sessions.inbound.get_mut(&session)
            && inbound.peer == peer
            && inbound.stream == stream
            && !inbound.ended
        {
            inbound.ended = true;
            self.tell(SessionNews::Ended { session, ending });
        }
    }

    /// The receiver has no such session. Where all that was missing is its answer to the end of the
    /// stream, that is the answer.
    fn outbound_reset(
        &mut self,
        peer: PeerIndex,
        stream: StreamId,
        session: SessionId,
        reason: Ending,
    ) {
        let Some(outbound) = self.sessions.outbound.get(&stream) else {
            return;
        };
        let ours = outbound.session.unwrap_or_default() == session;
        if outbound.peer != peer || !ours {
            return;
        }
        let ending = match reason {
            Ending::Broken if outbound.only_fin_is_left() => Ending::Closed,
            reason => reason,
        };
        self.sessions.outbound.remove(&stream);
        self.tell(SessionNews::Closed { stream, ending });
    }

    fn refuse(
        &mut self,
        peer: PeerIndex,
        (session, stream): (SessionId, StreamId),
        reason: Ending,
        now: Now,
    ) {
        let reset = Frame::Reset {
            stream,
            session,
            reason,
            by_sender: false,
        };
        self.put_frame(peer, &reset, now);
    }

    /// The peer is gone, or began anew: nothing of its sessions goes on.
    pub(crate) fn end_sessions_with(&mut self, peer: PeerIndex, ending: &Ending) {
        let streams: Vec<StreamId> = self
            .sessions
            .outbound
            .iter()
            .filter(|(_, outbound)| outbound.peer == peer)
            .map(|(stream, _)| *stream)
            .collect();
        for stream in streams {
            self.sessions.outbound.remove(&stream);
            let ending = ending.clone();
            self.tell(SessionNews::Closed { stream, ending });
        }
        self.end_inbound(|inbound| inbound.peer == peer, ending);
    }

    /// Tells the office that sessions are over.
    fn end_inbound(&mut self, which: impl Fn(&Inbound) -> bool, ending: &Ending) {
        let mut over = Vec::new();
        for (session, inbound) in &mut self.sessions.inbound {
            if which(inbound) && !core::mem::replace(&mut inbound.ended, true) {
                over.push(*session);
            }
        }
        for session in over {
            let ending = ending.clone();
            self.tell(SessionNews::Ended { session, ending });
        }
    }

    /// Tells the senders of sessions that they are over, and forgets them.
    fn drop_inbound(&mut self, which: impl Fn(&Inbound) -> bool, reason: &Ending, now: Now) {
        let sessions = core::mem::take(&mut self.sessions.inbound);
        for (session, inbound) in sessions {
            if !which(&inbound) {
                self.sessions.inbound.insert(session, inbound);
            } else if !inbound.ended {
                let reset = inbound.reset(session, reason.clone());
                self.put_frame(inbound.peer, &reset, now);
            }
        }
    }

    fn drop_outbound(&mut self, reason: &Ending, now: Now) {
        for (stream, outbound) in core::mem::take(&mut self.sessions.outbound) {
            let reset = outbound.reset(stream, reason.clone());
            self.put_frame(outbound.peer, &reset, now);
            let ending = reason.clone();
            self.tell(SessionNews::Closed { stream, ending });
        }
    }

    /// This node leaves: whoever has a session with it is told.
    pub(crate) fn leave_sessions(&mut self, now: Now) {
        self.end_inbound(|_| true, &Ending::Left);
        for (session, inbound) in core::mem::take(&mut self.sessions.inbound) {
            let reset = inbound.reset(session, Ending::Left);
            self.put_frame(inbound.peer, &reset, now);
        }
        self.drop_outbound(&Ending::Left, now);
        self.deadlines.disarm(Timer::Sessions);
    }
}
