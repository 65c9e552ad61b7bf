//! What goes out: beats, and every other message.
//!
//! A message goes out once over every medium. A beat tells each peer what was heard of it
//! ([`crate::wire::heard`]), for the very medium it goes over, if every living node can read that;
//! so the copies of one beat differ, and any of them will do. Slow media carry that in few beats:
//! one in [`TOLD_SLOWLY_EVERY`], and each that declares a node dead.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use shared::event::{LinkStatus, NodeKind, NodeStatus};
use shared::names::{NodeName, Sequence};
use shared::time::{Moment, Now};

use crate::deadline::{PeerIndex, Timer};
use crate::history::{WINDOW_MAX, WINDOW_WARNING};
use crate::io::Output;
use crate::machine::{Core, Stage};
use crate::mutant::planted;
use crate::peer::Peer;
use crate::sequence::ack_every;
use crate::settings::{MediumForm, MediumIndex};
use crate::wire::heard::{self, Heard};
use crate::wire::level::Level;
use crate::wire::limits::NODES_MAX;
use crate::wire::stamp::Numbered;
use crate::wire::status::{State, Status};
use crate::wire::{Form, Message, Stamp, encode_packet, fields, types};

/// Slow media carry what a beat says beyond being one so often at most.
pub const TOLD_SLOWLY_EVERY: Duration = Duration::from_secs(2);
/// And no more of it than so many bytes: the list of three peers, about.
pub const TOLD_SLOWLY_BYTES_MAX: usize = 150;

impl Core {
    pub(crate) fn beat_due(&mut self, due: Moment, now: Now) {
        if self.own.stage == Stage::Left {
            return;
        }
        self.settle_pace(now);
        let next = next_tick(due, self.pace.pace.keepalive, now);
        self.deadlines.arm(Timer::Beat, next);
        self.beat(now);
        self.watch_window(now);
    }

    /// Sends a status over every medium.
    pub(crate) fn beat(&mut self, now: Now) {
        self.own.beats += 1;
        let status = Status {
            state: match self.peer(self.own.index).status {
                NodeStatus::Init => State::Init,
                NodeStatus::Active => State::Active,
                NodeStatus::Up | NodeStatus::Ping | NodeStatus::Dead => State::Up,
            },
            dead_time: Some(self.pace.pace.deadtime),
            acknowledges: true,
            level: Some(Level::OURS),
            heard: None,
        };
        let sequence = self.take_number();
        let listed = self
            .everyone_has(Level::FEATURE_HEARD)
            .then(|| self.whom_to_list());
        let declared = self.declared_to_tell();
        let slowly = declared.is_some()
            || now.boot.since(self.own.told_slowly) >= TOLD_SLOWLY_EVERY
            || planted!(self, HeardAnywhere);
        if slowly {
            self.own.told_slowly = now.boot;
        }
        let config = self.config_to_tell(slowly, now);
        let mut plain = status.to_message();
        self.stamp(&mut plain, None, Some(sequence), now);
        let mut signed = Signed::of_a_beat();
        for medium in self.media() {
            let fast = self.slow_rate(medium).is_none();
            let listed = listed.as_ref().filter(|_| fast || slowly);
            let list = listed.map(|listed| self.heard_over(medium, listed));
            let short = |list: &String| {
                let declared = declared.as_ref().map_or(0, String::len);
                list.len() + declared <= TOLD_SLOWLY_BYTES_MAX
            };
            let Some(list) = list.filter(|list| fast || short(list)) else {
                self.put(medium, &plain, &mut signed, now);
                continue;
            };
            let heard = Some(list.as_str());
            let mut message = Status { heard, ..status }.to_message();
            if let Some(declared) = &declared {
                message.set_text(fields::DECLARED, declared);
            }
            let told = if fast { &config.fast } else { &config.slow };
            if let Some(config) = told {
                message.set_text(fields::CONFIG, config);
            }
            self.stamp(&mut message, None, Some(sequence), now);
            self.put(medium, &message, &mut Signed::of_a_beat(), now);
        }
        self.history.push(sequence, plain, now.boot);
    }

    /// Sends a numbered message over every medium, to everybody or to one node.
    pub(crate) fn send(&mut self, mut message: Message, to: Option<PeerIndex>, now: Now) {
        let sequence = self.take_number();
        self.stamp(&mut message, to, Some(sequence), now);
        self.put_everywhere(&message, now);
        self.history.push(sequence, message, now.boot);
    }

    /// Sends a message of the protocol itself (`NS_`), which has no number.
    pub(crate) fn send_unnumbered(&mut self, mut message: Message, to: PeerIndex, now: Now) {
        self.stamp(&mut message, Some(to), None, now);
        self.put_everywhere(&message, now);
    }

    pub(crate) fn put_everywhere(&mut self, message: &Message, now: Now) {
        let mut signed = Signed::default();
        for medium in self.media() {
            self.put(medium, message, &mut signed, now);
        }
    }

    pub(crate) fn stamp(
        &self,
        message: &mut Message,
        to: Option<PeerIndex>,
        sequence: Option<Sequence>,
        now: Now,
    ) {
        let nodes = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
        Stamp {
            dest_uuid: to.and_then(|to| self.peer(to).uuid),
            src: &self.settings.node,
            src_uuid: self.settings.uuid,
            numbered: sequence.map(|sequence| Numbered {
                sequence,
                load: &self.own.load,
            }),
            generation: self.own.generation,
            // A time of 0 marks a message as broken.
            wall_seconds: now.wall.seconds().max(1),
            ttl: u32::from(self.settings.hopfudge) + nodes,
        }
        .apply(message);
    }

    /// Puts one message on one medium; `signed` holds what it came to on the media before. Ping
    /// media carry nothing but beats, as echo requests.
    fn put(&mut self, medium: MediumIndex, message: &Message, signed: &mut Signed, now: Now) {
        let form = self.medium_form(medium);
        let packet = match form {
            MediumForm::Datagram => signed
                .datagram
                .get_or_insert_with(|| self.encode(message, Form::Netstring))
                .clone(),
            MediumForm::Stream => signed
                .stream
                .get_or_insert_with(|| self.encode(message, Form::String))
                .clone(),
            MediumForm::Ping(node) | MediumForm::PingGroup(node)
                if message.message_type() == types::STATUS =>
            {
                let mut echo = Message::new(types::PING);
                echo.set_text(fields::STATE, State::Ping.as_str())
                    .set_text(fields::INFO, form.ping_info().unwrap_or_default())
                    .set_text(fields::SRC, node.as_str())
                    .set_hex(fields::WALL, now.wall.seconds().max(1));
                self.encode(&echo, Form::Netstring)
            }
            MediumForm::Ping(_) | MediumForm::PingGroup(_) => return,
        };
        let beat = signed.beat && !planted!(self, BeatsWait);
        self.output(Output::Transmit {
            medium,
            packet,
            beat,
        });
    }

    /// The next number, for a message that goes out over every medium.
    fn take_number(&mut self) -> Sequence {
        self.own.sequence = self.own.sequence.next();
        for peer in &mut self.peers {
            let links = (0..).map(MediumIndex).zip(&mut peer.links);
            for (_, link) in links.filter(|(medium, _)| !self.shut.contains(medium)) {
                link.sent += 1;
            }
        }
        self.own.sequence
    }

    pub(crate) fn encode(&self, message: &Message, form: Form) -> Vec<u8> {
        encode_packet(message, &self.keys, form)
            .expect("messages of the core stay within the limits of the wire")
    }

    /// Fields that Heartbeat does not know go out only when no living node would meet them unasked.
    pub(crate) fn everyone_has(&self, feature: u64) -> bool {
        self.live_others()
            .all(|(_, peer)| peer.level().is_some_and(|level| level.has(feature)))
    }

    /// Whom the next beat lists: everybody who is heard; where the list would be too long, the next in
    /// turn by name, from the last one that was listed on.
    fn whom_to_list(&mut self) -> Listed {
        let heard = self.others().filter(|(_, peer)| is_heard(peer));
        let everybody: Vec<PeerIndex> = heard.map(|(index, _)| index).collect();
        let bytes = |index: &PeerIndex| {
            let peer = self.peer(*index);
            let last = peer.life.as_ref().and_then(|life| life.tracker.last());
            let generation = peer.generation.unwrap_or_default();
            heard::entry_bytes_max(peer.name.as_str(), generation, last.unwrap_or_default())
        };
        if everybody.iter().map(bytes).sum::<usize>() <= heard::LIST_BYTES_MAX {
            self.own.listed = None;
            return Listed::Everybody(everybody);
        }
        let begin = self.own.listed.unwrap_or(self.own.index);
        let begin = &self.peer(begin).name;
        let on = self.by_name.range::<NodeName, _>(begin..);
        let round = self.by_name.range::<NodeName, _>(..begin);
        let mut room = heard::LIST_BYTES_MAX;
        let in_turn = on.chain(round).map(|(_, index)| *index);
        let some: Vec<PeerIndex> = in_turn
            .filter(|index| *index != self.own.index && is_heard(self.peer(*index)))
            .map_while(|index| {
                room = room.checked_sub(bytes(&index))?;
                Some(index)
            })
            .take(NODES_MAX)
            .collect();
        self.own.listed = some.last().copied();
        Listed::Some(some)
    }

    fn heard_over(&self, medium: MediumIndex, listed: &Listed) -> String {
        let entry = |index: &PeerIndex| {
            let peer = self.peer(*index);
            let link = &peer.links[usize::from(medium.0)];
            let (here, count) = link.heard_numbers().unwrap_or_default();
            Some(Heard {
                peer: peer.name.as_str(),
                generation: peer.generation?,
                last: peer.life.as_ref()?.tracker.last()?,
                here,
                count,
            })
        };
        match listed {
            Listed::Everybody(peers) => heard::format(peers.iter().filter_map(entry)),
            Listed::Some(peers) => heard::format_some(peers.iter().filter_map(entry)),
        }
    }

    /// Tells once when somebody falls far behind with acknowledging.
    fn watch_window(&mut self, now: Now) {
        let Some((index, waiting)) = self.window() else {
            return;
        };
        // Twice what waits where everybody keeps up.
        let warning = WINDOW_WARNING.max(2 * ack_every(true, self.peers.len()));
        if !self.window_filling && waiting > warning {
            self.window_filling = true;
            let node = self.peer(index).name.clone();
            self.event(
                shared::event::Kind::WindowFilling { node, waiting },
                None,
                now,
            );
        }
        self.window_filling &= waiting > WINDOW_MAX;
    }

    /// Who is furthest behind with acknowledging, and by how many messages.
    pub(crate) fn window(&self) -> Option<(PeerIndex, u64)> {
        self.live_others()
            .filter_map(|(index, peer)| {
                let life = peer.life.as_ref().filter(|life| life.acknowledges)?;
                let waiting = self.own.sequence.0.saturating_sub(life.acknowledged.0);
                Some((index, waiting))
            })
            .max_by_key(|(_, waiting)| *waiting)
    }

    /// The media that links run over: all but those that ping.
    pub(crate) fn link_media(&self) -> impl Iterator<Item = MediumIndex> {
        self.media()
            .filter(|medium| self.medium_form(*medium).pings().is_none())
    }

    /// True if our packets are confirmed per medium over this link.
    pub(crate) fn link_is_up(&self, peer: PeerIndex, medium: MediumIndex) -> bool {
        self.peer(peer).links[usize::from(medium.0)].status == LinkStatus::Up
    }
}

/// Whom a beat lists.
enum Listed {
    Everybody(Vec<PeerIndex>),
    Some(Vec<PeerIndex>),
}

/// Whether a peer is listed as heard.
fn is_heard(peer: &Peer) -> bool {
    let life = peer.life.as_ref().filter(|life| !life.left);
    peer.kind != NodeKind::Ping
        && peer.status.is_alive()
        && peer.generation.is_some()
        && life.is_some_and(|life| life.tracker.last().is_some())
}

/// The bytes of one message in each form that a medium has wanted: signing is what sending costs.
#[derive(Default)]
struct Signed {
    datagram: Option<Vec<u8>>,
    stream: Option<Vec<u8>>,
    /// It is the beat of this moment.
    beat: bool,
}

impl Signed {
    fn of_a_beat() -> Self {
        Self {
            beat: true,
            ..Self::default()
        }
    }
}

/// When something that was due at `due` is due again. A late tick does not make the next one late,
/// and lost ticks are not made up for.
pub(crate) fn next_tick(due: Moment, every: Duration, now: Now) -> Moment {
    let next = due + every;
    if next > now.boot {
        next
    } else {
        now.boot + every
    }
}
