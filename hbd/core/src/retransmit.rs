//! Lost messages: asking for them, sending ours again, and acknowledging what is complete.
//!
//! The receiver asks: each missing number a random while after it was missed, and again until it
//! comes, is refused, or was missing for a dead time. The sender keeps its last 500 messages and
//! sends one again over all media, unchanged but signed with the key that signs at that moment.

use core::time::Duration;

use shared::event::Kind;
use shared::names::Sequence;
use shared::time::Now;
use shared::times;

use crate::deadline::{PeerIndex, Timer};
use crate::history::Found;
use crate::machine::{Core, Sort};
use crate::mutant::planted;
use crate::sequence::{Arrival, REQUEST_MAX, ack_every};
use crate::wire::serial::BITS_PER_BYTE;
use crate::wire::{Message, fields, retransmission, types};

/// A message is sent again at most once in `max_rexmit_delay` less this, whoever asks.
const AGAIN_SLACK: Duration = Duration::from_millis(10);
/// Over a slow path so many messages are asked for at once, in one question, each time when it could
/// have carried so many packets of about so many bytes. What is missing there mostly waits at the other
/// end for its turn, and more questions would keep it there.
const ASKED_SLOWLY: u64 = 5;
const PACKETS_MEANWHILE: u64 = 8;
const BYTES_USUAL: u64 = 300;

impl Core {
    /// Notes that a numbered message of a peer has come, and what that brings about.
    pub(crate) fn note_number(
        &mut self,
        index: PeerIndex,
        sequence: Sequence,
        message: &Message,
        now: Now,
    ) -> Arrival {
        let nodes = self.peers.len();
        let most = self.settings.max_rexmit_delay;
        let slowly = self.asks_slowly(index);
        let delay = (slowly.max(times::ask_delay_least(most)), most);
        let trigger = self.own.ack_trigger;
        let peer = &mut self.peers[usize::from(index.0)];
        let Some(life) = &mut peer.life else {
            return Arrival::Known;
        };
        let arrival = life
            .tracker
            .note(sequence, delay, &mut self.random, now.boot);
        // The first message of a life is the one that says what runs there.
        let runs_hbd = life.level.is_some() || message.has(fields::HBD);
        let every = ack_every(runs_hbd, nodes);
        let acknowledge = match arrival {
            Arrival::Known => None,
            _ => life.tracker.acknowledge(sequence, every, trigger),
        };
        let ask_at = life.tracker.ask_at();
        let acknowledge = acknowledge.filter(|_| life.acknowledges);
        if let Some(number) = acknowledge.filter(|_| !planted!(self, NoAcknowledgement)) {
            let ack = retransmission::ack(&self.peer(index).name, number);
            self.send_unnumbered(ack, index, now);
        }
        if let Arrival::GapTooBig { missing } = arrival
            && self.limiter.admit(Sort::Gap(index), now.boot).is_some()
        {
            let node = self.peer(index).name.clone();
            self.event(Kind::GapTooBig { node, missing }, None, now);
        }
        self.arm_missing(index, ask_at);
        arrival
    }

    fn arm_missing(&mut self, index: PeerIndex, ask_at: Option<shared::time::Moment>) {
        match ask_at {
            Some(at) => self.deadlines.arm(Timer::Missing(index), at),
            None => self.deadlines.disarm(Timer::Missing(index)),
        }
    }

    /// Asks a peer for what is missing, and gives up what was missing for too long.
    pub(crate) fn ask_missing(&mut self, index: PeerIndex, now: Now) {
        // Below a millisecond a request would follow the next before it could be answered.
        let again = self.settings.max_rexmit_delay.max(Duration::from_millis(1));
        let slowly = self.asks_slowly(index);
        let peer = &mut self.peers[usize::from(index.0)];
        let patience = peer.deadtime;
        let Some(life) = &mut peer.life else {
            return;
        };
        let lost = life.tracker.give_up(patience, now.boot);
        let runs = match slowly.is_zero() {
            true => life.tracker.ask(again, now.boot),
            false => {
                let again = again.max(slowly);
                let run = life.tracker.ask_slowly(ASKED_SLOWLY, again, now.boot);
                run.into_iter().collect()
            }
        };
        let ask_at = life.tracker.ask_at();
        for (first, last) in runs {
            let request = retransmission::request(&self.peer(index).name, first..=last);
            self.send_unnumbered(request, index, now);
        }
        if let Some(sequence) = lost.first() {
            self.report_lost(index, *sequence, "no answer within the dead time", now);
        }
        self.arm_missing(index, ask_at);
    }

    /// How long to wait between questions to a peer over a slow path; nothing where it is fast.
    pub(crate) fn asks_slowly(&self, index: PeerIndex) -> Duration {
        let rate = self.rate_to(index).filter(|_| !planted!(self, AsksTooMuch));
        let bits = PACKETS_MEANWHILE * BYTES_USUAL * BITS_PER_BYTE;
        let takes = |rate: u64| Duration::from_nanos(bits * 1_000_000_000 / rate.max(1));
        rate.map_or(Duration::ZERO, takes)
    }

    /// A peer asks for messages of ours.
    pub(crate) fn send_again(&mut self, index: PeerIndex, message: &Message, now: Now) {
        let Some(numbers) = retransmission::read_request(message) else {
            return;
        };
        let pause = self.settings.max_rexmit_delay.saturating_sub(AGAIN_SLACK);
        let first = numbers.start().0;
        let last = numbers.end().0.min(first.saturating_add(REQUEST_MAX - 1));
        for number in (first..=last).map(Sequence) {
            match self.history.again(number, pause, now.boot) {
                Found::Message(message)
                    if planted!(self, SaidLost)
                        && types::is_of_managers(message.message_type()) => {}
                Found::Message(message) => {
                    let message = message.clone();
                    self.put_everywhere(&message, now);
                }
                Found::Gone => {
                    let refusal = retransmission::refusal(&self.peer(index).name, number);
                    self.send_unnumbered(refusal, index, now);
                }
                Found::JustSent => {}
                // Nothing above it was sent either.
                Found::Unsent => return,
            }
        }
    }

    /// A peer cannot send a message again.
    pub(crate) fn note_refusal(&mut self, index: PeerIndex, message: &Message, now: Now) {
        let Some(number) = retransmission::read_refusal(message) else {
            return;
        };
        let peer = &mut self.peers[usize::from(index.0)];
        let Some(life) = &mut peer.life else {
            return;
        };
        if life.tracker.strike(number) {
            let ask_at = life.tracker.ask_at();
            self.arm_missing(index, ask_at);
            self.report_lost(index, number, "the sender does not keep it any more", now);
        }
    }

    /// A peer has everything up to a number. One that was never sent acknowledges nothing.
    pub(crate) fn note_acknowledgement(&mut self, index: PeerIndex, message: &Message, now: Now) {
        let own = self.own.sequence;
        let number = retransmission::read_ack(message).filter(|number| *number <= own);
        if let (Some(number), Some(life)) = (number, &mut self.peer_mut(index).life) {
            life.acknowledged = life.acknowledged.max(number);
            self.note_heard_again(index, number, now);
        }
    }
}
