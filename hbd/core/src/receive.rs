//! What a packet means, from its bytes to what it changes.
//!
//! The order is that of Heartbeat 3.0.6 (hbd-protocol(7), "Receiving"): digest, sender, generation,
//! number, addressee, type. Whatever verifies and is not from a former life shows that its link
//! carries packets; only a beat shows that its node lives.

use alloc::vec::Vec;
use core::cmp::Ordering;

use shared::event::{Cause, Kind, LinkStatus, NodeKind, NodeStatus, StatusReason};
use shared::names::{Generation, Sequence};
use shared::session::Ending;
use shared::time::Now;
use shared::times::{DEADTIME_FACTOR_MAX, DEADTIME_KEEPALIVES_MIN, START_EXTENSION};

use crate::deadline::{PeerIndex, Timer};
use crate::machine::{Core, Sort, Stage};
use crate::mutant::planted;
use crate::peer::{Behind, Life};
use crate::sequence::{Arrival, Tracker};
use crate::settings::MediumIndex;
use crate::wire::heard::{self, Told};
use crate::wire::level::Level;
use crate::wire::status::{State, Status};
use crate::wire::{self, Message, Refused, fields, membership, types};

/// Beats that a Heartbeat which begins is sent at once, as it sends three itself. What comes before the first one that
/// arrives it takes for the word of a node that does not run, and asks for nothing of it that was lost.
const FIRST_BEATS: usize = 3;

impl Core {
    pub(crate) fn receive(&mut self, medium: MediumIndex, packet: &[u8], now: Now) {
        let decoded = wire::decode_packet(packet, &self.keys);
        self.digest_was_wrong = decoded.as_ref().is_err_and(Refused::is_for_digest);
        let (message, key) = match decoded {
            Ok(decoded) => (decoded.message, decoded.key),
            Err(refused) => return self.refuse_packet(&refused, packet, medium, now),
        };
        if message.wall_seconds().is_none_or(|seconds| seconds == 0) {
            return self.refuse_message("its ts is missing or 0", &message, medium, now);
        }
        let form = self.medium_form(medium);
        if let Some(node) = form.pings() {
            let index = self.by_name.get(node).copied();
            let is_reply = message.message_type() == types::PING
                && message.src() == Some(node.as_str())
                && message.text(fields::INFO) == form.ping_info()
                && State::of(&message) == Some(State::Ping);
            if let Some(index) = index.filter(|_| is_reply) {
                self.hear_ping(index, now);
            }
            return;
        }
        let Some(index) = self.identify(&message, medium, now) else {
            return;
        };
        if self.peer(index).kind == NodeKind::Ping {
            return;
        }
        if types::is_sequenced(message.message_type()) {
            self.receive_numbered(index, medium, &message, now);
        } else {
            self.receive_unnumbered(index, medium, &message, now);
        }
        let peer = self.peer_mut(index);
        if message.generation() == peer.generation {
            peer.signs_with = Some(key);
        }
    }

    fn hear_ping(&mut self, index: PeerIndex, now: Now) {
        self.peer_mut(index).heard = Some(now.boot);
        self.set_status(index, NodeStatus::Ping, StatusReason::Answers, None, now);
        self.arm_death(index, now);
        self.remember_peer(index);
        self.check_communication(now);
    }

    /// Messages of the protocol itself: they have no number, and count if they are for us.
    fn receive_unnumbered(
        &mut self,
        index: PeerIndex,
        medium: MediumIndex,
        message: &Message,
        now: Now,
    ) {
        let peer = self.peer(index);
        if message.generation() != peer.generation || peer.life.is_none() || peer.left() {
            return;
        }
        self.hear_link(index, medium, now);
        if !self.is_for_us(message) {
            return;
        }
        match message.message_type() {
            types::ACK => self.note_acknowledgement(index, message, now),
            types::REQUEST => self.send_again(index, message, now),
            types::REFUSAL => self.note_refusal(index, message, now),
            types::SESSION => self.receive_session(index, message, now),
            _ => {}
        }
    }

    fn receive_numbered(
        &mut self,
        index: PeerIndex,
        medium: MediumIndex,
        message: &Message,
        now: Now,
    ) {
        let (Some(generation), Some(sequence)) = (message.generation(), message.sequence()) else {
            return self.refuse_message("its hg or seq is no number", message, medium, now);
        };
        if sequence == Sequence(0) {
            return self.refuse_message("its seq is 0", message, medium, now);
        }
        if !self.is_of_this_life(index, generation, medium, message, now) {
            return;
        }
        let peer = self.peer_mut(index);
        if peer.left() {
            return;
        }
        let is_status = message.message_type() == types::STATUS;
        if peer.status == NodeStatus::Dead && !self.returns(index, is_status, sequence, now) {
            if planted!(self, SaidByTheDead) {
                self.hear(index, medium, sequence, message, now);
            }
            return;
        }
        if self.note_over_link(index, medium, sequence, is_status, now)
            && !planted!(self, DuplicateCounts)
        {
            return;
        }
        let arrival = self.note_number(index, sequence, message, now);
        let list = message.text(fields::HEARD).filter(|_| is_status);
        let told = list.map(|list| heard::told(list, self.settings.node.as_str()));
        if let Some(told) = told {
            self.read_heard(index, medium, told, now);
        }
        if is_status {
            self.read_config(index, message, now);
        }
        let again = planted!(self, DuplicateCounts)
            || planted!(self, SaidTwice) && types::is_of_managers(message.message_type());
        let known = arrival == Arrival::Known && !again;
        if !known && self.is_for_us(message) {
            self.hear(index, medium, sequence, message, now);
        }
        // After the event of a life that begins, which what is known of the former one ends with.
        if let Some(told) = told {
            self.read_declared(index, sequence, (message, told), now);
        }
    }

    /// A numbered message for us that was not known.
    fn hear(
        &mut self,
        index: PeerIndex,
        medium: MediumIndex,
        sequence: Sequence,
        message: &Message,
        now: Now,
    ) {
        match message.message_type() {
            types::STATUS => self.hear_status(index, medium, sequence, message, now),
            types::NODES_REQUEST => self.tell_nodes(index, now),
            types::NODES_REPLY => self.admitted(index, now),
            types::SHUTDOWN_DONE => self.hear_leave(index, now),
            types::STONITH => self.hear_stonith(index, message, now),
            managers if types::is_of_managers(managers) => {
                self.hear_manager(index, medium, message, now);
            }
            // Clients' messages, and what a Heartbeat sends for managers that hbd does not have.
            _ => {}
        }
    }

    /// Compares generations. Begins a new life where the message shows one; false if the message
    /// does not count.
    fn is_of_this_life(
        &mut self,
        index: PeerIndex,
        generation: Generation,
        medium: MediumIndex,
        message: &Message,
        now: Now,
    ) -> bool {
        let peer = self.peer(index);
        let known = peer.generation;
        let age = known.map_or(Ordering::Greater, |known| generation.cmp(&known));
        let other_uuid = match (peer.uuid, message.src_uuid()) {
            (Some(known), Some(claimed)) => known != claimed,
            _ => false,
        };
        match age {
            Ordering::Less if !planted!(self, NoGenerationCheck) => {
                self.note_old(index, generation, message, now);
                false
            }
            Ordering::Equal if other_uuid => {
                let reason = "another node's UUID under the same name and generation";
                self.refuse_message(reason, message, medium, now);
                false
            }
            Ordering::Equal if peer.life.is_some() => true,
            // The first message of a generation that counts is a status.
            Ordering::Less | Ordering::Equal | Ordering::Greater => {
                let begins = message.message_type() == types::STATUS;
                if begins {
                    self.begin_life(index, generation, message, now);
                }
                begins
            }
        }
    }

    /// A verified message of a former life. One is a replay; where the numbers of its beats move and
    /// nothing newer is heard, the peer lives with a generation that went back.
    fn note_old(&mut self, index: PeerIndex, generation: Generation, message: &Message, now: Now) {
        self.report_replay(index, generation, now);
        let warntime = self.settings.warntime;
        let peer = self.peer_mut(index);
        let heard = peer
            .heard
            .is_some_and(|heard| now.boot.since(heard) <= warntime);
        let sequence = message.sequence().unwrap_or_default();
        if heard || message.message_type() != types::STATUS {
            return;
        }
        let moves = match &mut peer.behind {
            Some(behind) if behind.generation == generation => {
                let moves = sequence > behind.sequence && !behind.reported;
                behind.sequence = behind.sequence.max(sequence);
                behind.reported |= moves;
                moves
            }
            _ => {
                peer.behind = Some(Behind {
                    generation,
                    sequence,
                    reported: false,
                });
                false
            }
        };
        if moves {
            let kind = Kind::GenerationBehind {
                node: peer.name.clone(),
                generation,
                known: peer.generation.unwrap_or_default(),
            };
            self.event(kind, None, now);
        }
    }

    fn report_replay(&mut self, index: PeerIndex, generation: Generation, now: Now) {
        let Some(unreported) = self.limiter.admit(Sort::Replay(index), now.boot) else {
            return;
        };
        let peer = self.peer(index);
        let kind = Kind::Replay {
            node: peer.name.clone(),
            generation,
            known: peer.generation.unwrap_or_default(),
            unreported,
        };
        self.event(kind, None, now);
    }

    /// The peer's daemon started, or this is the first we hear of it.
    fn begin_life(
        &mut self,
        index: PeerIndex,
        generation: Generation,
        message: &Message,
        now: Now,
    ) {
        self.note_uuid(index, message, now);
        let own = self.own.sequence;
        let sequence_not_reset = planted!(self, SequenceNotReset);
        let peer = self.peer_mut(index);
        let before = peer.generation.replace(generation);
        let alive = peer.status.is_alive() && peer.life.is_some();
        if !alive {
            peer.heard = None;
        }
        let tracker = match peer.life.take().filter(|_| sequence_not_reset) {
            Some(life) => life.tracker,
            None => Tracker::default(),
        };
        peer.life = Some(Life::new(tracker, own, now.boot));
        for link in &mut peer.links {
            link.new_generation(own);
        }
        self.deadlines.disarm(Timer::Missing(index));
        self.end_sessions_with(index, &Ending::Restarted);
        if let Some(from) = before.filter(|_| alive) {
            if let Some((reported, _)) = &mut self.peer_mut(index).reported {
                *reported = generation;
            }
            let kind = Kind::NodeRestarted {
                node: self.peer(index).name.clone(),
                from,
                to: generation,
            };
            self.event(kind, None, now);
        }
        self.watch(index, now);
        self.remember_peer(index);
        self.announce_config();
        if self.own.stage != Stage::Left {
            let beats = match message.has(fields::HBD) {
                true => 1,
                false => FIRST_BEATS,
            };
            (0..beats).for_each(|_| self.beat(now));
        }
    }

    fn note_uuid(&mut self, index: PeerIndex, message: &Message, now: Now) {
        let Some(uuid) = message.src_uuid() else {
            return;
        };
        let peer = self.peer_mut(index);
        let before = peer.uuid.replace(uuid);
        if before == Some(uuid) {
            return;
        }
        let node = peer.name.clone();
        self.by_uuid.insert(uuid, index);
        if let Some(from) = before {
            self.by_uuid.remove(&from);
            let kind = Kind::IdentityChanged {
                node,
                from,
                to: uuid,
            };
            self.event(kind, None, now);
        }
    }

    /// A node that was declared dead speaks again under the generation we know. True if that
    /// counts: it is a beat that was sent after the last one heard.
    fn returns(&mut self, index: PeerIndex, is_status: bool, sequence: Sequence, now: Now) -> bool {
        let own = self.own.sequence;
        let replay_revives = planted!(self, ReplayRevives);
        let heal_unnoticed = planted!(self, HealUnnoticed);
        let peer = self.peer_mut(index);
        let heard = peer.heard;
        let Some(life) = &mut peer.life else {
            return false;
        };
        if !is_status || (sequence <= life.status_sequence && !replay_revives) {
            return false;
        }
        // Never a beat in this life before: it lived unheard, and nothing was known that it denies.
        let Some(heard) = heard else {
            return true;
        };
        // A beat that was sent meanwhile would have taken the number between.
        let stood_still = sequence.0 == life.status_sequence.0 + 1;
        let above = match replay_revives {
            true => Sequence(0),
            false => life.status_sequence,
        };
        *life = Life {
            status_sequence: above,
            denial: core::mem::take(&mut life.denial),
            ..Life::new(Tracker::default(), own, now.boot)
        };
        for link in &mut peer.links {
            link.watch_ours(own);
        }
        if heal_unnoticed {
            return true;
        }
        let kind = Kind::PartitionHealed {
            node: peer.name.clone(),
            silent: now.boot.since(heard),
            stood_still,
        };
        self.event(kind, None, now);
        self.watch(index, now);
        self.beat(now);
        true
    }

    /// Notes a numbered message on its link. True if it had come over this very link before: then
    /// it proves nothing, since anybody can repeat it.
    fn note_over_link(
        &mut self,
        index: PeerIndex,
        medium: MediumIndex,
        sequence: Sequence,
        is_status: bool,
        now: Now,
    ) -> bool {
        let (keepalive, warntime) = (self.settings.keepalive, self.settings.warntime);
        let peer = self.peer_mut(index);
        let life = peer.life.as_ref();
        let missing = life.is_some_and(|life| life.tracker.is_missing(sequence));
        let link = &mut peer.links[usize::from(medium.0)];
        if link.count(sequence, missing) {
            return true;
        }
        if is_status {
            link.beat(keepalive, warntime, now.boot);
        }
        self.hear_link(index, medium, now);
        false
    }

    /// A packet came over a link.
    pub(crate) fn hear_link(&mut self, index: PeerIndex, medium: MediumIndex, now: Now) {
        let jeopardy_for_ever = planted!(self, JeopardyForEver);
        let own = self.own.sequence;
        let up_delay = self.settings.link_up_delay;
        let link = &mut self.peer_mut(index).links[usize::from(medium.0)];
        let from = link.status;
        let came_up = link.hear(up_delay, now.boot);
        if from != LinkStatus::Up {
            self.arm_link_death(index, medium, now);
        }
        if !came_up {
            return;
        }
        self.peer_mut(index).links[usize::from(medium.0)].watch_ours(own);
        let kind = Kind::LinkStatus {
            link: self.link_name(index, medium),
            from,
            to: LinkStatus::Up,
            silent: None,
        };
        let cause = self.event(kind, None, now);
        let peer = self.peer_mut(index);
        let links = peer.links_up();
        if peer.jeopardy && links > 1 && !jeopardy_for_ever {
            peer.jeopardy = false;
            let node = peer.name.clone();
            let kind = Kind::JeopardyOver { node, links };
            self.event(kind, Some(Cause::Event(cause)), now);
        }
    }

    /// True if a message names this node or nobody. The identity decides over the name.
    fn is_for_us(&self, message: &Message) -> bool {
        match (message.uuid(fields::DEST_UUID), message.text(fields::DEST)) {
            (Some(uuid), _) => uuid == self.settings.uuid,
            (None, Some(name)) => name.eq_ignore_ascii_case(self.settings.node.as_str()),
            (None, None) => true,
        }
    }

    /// A beat that was not known.
    fn hear_status(
        &mut self,
        index: PeerIndex,
        medium: MediumIndex,
        sequence: Sequence,
        message: &Message,
        now: Now,
    ) {
        let Some(status) = Status::read(message) else {
            return self.refuse_message("its st is no known status", message, medium, now);
        };
        let to = match status.state {
            State::Init | State::Up => NodeStatus::Up,
            State::Active => NodeStatus::Active,
            State::Dead | State::Ping => {
                return self.refuse_message("its st is not for a beat", message, medium, now);
            }
        };
        let duplicate_counts = planted!(self, DuplicateCounts);
        let listening_since = self.own.listening_since;
        let peer = self.peer_mut(index);
        let Some(life) = &mut peer.life else {
            return;
        };
        // One that was overtaken says nothing new.
        if sequence <= life.status_sequence && !duplicate_counts {
            return;
        }
        life.status_sequence = sequence;
        life.acknowledges = status.acknowledges;
        life.level = status.level;
        peer.load = message.text(fields::LOAD).map(Into::into);
        let before = peer.heard.replace(now.boot);
        // What waited for this core in a socket was not late.
        let interval = before.map(|before| now.boot.since(before.max(listening_since)));
        peer.behind = None;
        let was_alive = peer.status.is_alive();
        let first = peer.status == NodeStatus::Init;
        self.trust_again(index, now);
        self.report_program(index, status.level, now);
        self.note_deadtime(index, status.dead_time, now);
        if let Some(interval) = interval.filter(|_| was_alive) {
            self.note_interval(index, interval, now);
        }
        self.set_status(index, to, StatusReason::Announced, None, now);
        self.arm_death(index, now);
        if !planted!(self, MemoryStale) {
            self.remember_peer(index);
        }
        self.check_jeopardy(index, now);
        if first {
            self.check_communication(now);
        }
        self.carry_sessions(now);
    }

    fn report_program(&mut self, index: PeerIndex, level: Option<Level>, now: Now) {
        let program = match level {
            Some(level) => alloc::format!("hbd, level {}", level.to_field()),
            None => "heartbeat".into(),
        };
        let peer = self.peer_mut(index);
        let generation = peer.generation.unwrap_or_default();
        let report = Some((generation, program.clone()));
        if peer.reported == report {
            return;
        }
        peer.reported = report;
        let kind = Kind::NodeHeard {
            node: peer.name.clone(),
            uuid: peer.uuid,
            generation,
            program,
        };
        self.event(kind, None, now);
    }

    /// The dead time a peer announces applies to it, within bounds.
    fn note_deadtime(
        &mut self,
        index: PeerIndex,
        announced: Option<core::time::Duration>,
        now: Now,
    ) {
        let Some(announced) = announced.filter(|_| !planted!(self, DeadtimeIgnored)) else {
            return;
        };
        let least = self.settings.keepalive * DEADTIME_KEEPALIVES_MIN;
        let most = self.settings.deadtime * DEADTIME_FACTOR_MAX;
        let peer = self.peer_mut(index);
        let starts = peer
            .life
            .as_ref()
            .is_some_and(|life| now.boot.since(life.since) <= START_EXTENSION);
        let most = if starts { most + START_EXTENSION } else { most };
        let used = announced.clamp(least, most.max(least));
        let shorter = used < peer.deadtime;
        peer.deadtime = used;
        let clamped = (used != announced).then_some(announced);
        let news = clamped.is_some() && peer.clamped != clamped;
        peer.clamped = clamped;
        if news {
            let node = peer.name.clone();
            let kind = Kind::DeadtimeClamped {
                node,
                announced,
                used,
            };
            self.event(kind, None, now);
        }
        if shorter {
            self.deadlines.disarm(Timer::PeerDead(index));
            for medium in self.media() {
                self.arm_link_death(index, medium, now);
            }
        }
    }

    fn note_interval(&mut self, index: PeerIndex, interval: core::time::Duration, now: Now) {
        if interval <= self.settings.warntime {
            return;
        }
        if let Some(unreported) = self.limiter.admit(Sort::Late(index), now.boot) {
            let kind = Kind::LateBeat {
                node: self.peer(index).name.clone(),
                interval,
                unreported,
            };
            self.event(kind, None, now);
        }
    }

    /// A node that is heard over one of several links is in jeopardy. Asked at a beat, so that two
    /// links that die together do not count as one after the other; and not before a node that begins
    /// or returns had the time of a beat to be heard over each.
    fn check_jeopardy(&mut self, index: PeerIndex, now: Now) {
        let peer = self.peer(index);
        let begins = |life: &Life| now.boot.since(life.since) < self.settings.keepalive;
        if peer.life.as_ref().is_some_and(begins) {
            return;
        }
        if peer.jeopardy || self.link_media().count() < 2 || peer.links_up() != 1 {
            return;
        }
        let open = |medium: MediumIndex| {
            let link = &peer.links[usize::from(medium.0)];
            link.status != LinkStatus::Up && link.is_watched()
        };
        // Not heard yet, or about to count as up again.
        if self.link_media().any(open) {
            return;
        }
        let peer = self.peer_mut(index);
        peer.jeopardy = true;
        let node = peer.name.clone();
        let cause = peer.last_link_death.clone().map(Cause::Event);
        let last = self.media().find(|medium| self.link_is_up(index, *medium));
        if let Some(medium) = last.map(|medium| self.medium_name(medium)) {
            self.event(Kind::Jeopardy { node, medium }, cause, now);
        }
    }

    /// What a peer heard of us. Every copy of a beat is read, since each tells about its own medium.
    fn read_heard(&mut self, index: PeerIndex, medium: MediumIndex, told: Told<'_>, now: Now) {
        let entry = match told {
            _ if planted!(self, OneWayUnseen) => return,
            Told::Heard(entry) => Some(entry).filter(|e| e.generation == self.own.generation),
            Told::Unheard => None,
            Told::Nothing => return,
        };
        let place = usize::from(medium.0);
        let limit = self.settings.deadtime;
        let peer = &mut self.peers[usize::from(index.0)];
        let Some(life) = &mut peer.life else {
            return;
        };
        let up = peer.links[place].status == LinkStatus::Up;
        if let Some(entry) = entry {
            peer.links[place].received(entry.count, entry.here, self.own.sequence);
        }
        let link = &mut peer.links[place].theirs;
        if let Some(entry) = entry {
            if entry.last > life.confirmed && entry.last <= self.own.sequence {
                life.confirmed = entry.last;
                life.confirmed_at = self.history.sent_at(entry.last);
            }
            if entry.here > link.confirmed && entry.here <= self.own.sequence {
                link.confirmed = entry.here;
                link.confirmed_at = self.history.sent_at(entry.here);
            }
        }
        // How long the first of our messages is on its way that is not confirmed.
        let waiting = |confirmed: Sequence| {
            let sent = self.history.sent_at(confirmed.next());
            sent.map(|sent| now.boot.since(sent)).unwrap_or_default()
        };
        let one_way = up && waiting(link.confirmed) > limit;
        let unheard = waiting(life.confirmed);
        let not_heard = unheard > limit;
        let link_changed = core::mem::replace(&mut link.one_way, one_way) != one_way;
        let node_changed = core::mem::replace(&mut life.not_heard, not_heard) != not_heard;
        let node = peer.name.clone();
        if link_changed {
            let link = self.link_name(index, medium);
            let kind = match one_way {
                true => Kind::LinkOneWay { link },
                false => Kind::LinkBothWays { link },
            };
            self.event(kind, None, now);
        }
        if node_changed {
            let kind = match not_heard {
                true => Kind::NotHeard {
                    node,
                    silent: unheard,
                },
                false => Kind::HeardAgain { node },
            };
            self.event(kind, None, now);
        }
    }

    fn tell_nodes(&mut self, index: PeerIndex, now: Now) {
        let nodes = self
            .settings
            .nodes
            .iter()
            .filter(|node| node.kind != NodeKind::Ping)
            .map(|node| &node.name);
        let reply = membership::nodes_reply(&self.peer(index).name, nodes);
        self.send(reply, Some(index), now);
    }

    /// `shutdone`: the peer released everything and goes. What it sends until then does not count.
    fn hear_leave(&mut self, index: PeerIndex, now: Now) {
        let peer = self.peer_mut(index);
        if let Some(life) = &mut peer.life {
            life.left = true;
        }
        peer.jeopardy = false;
        self.forget_timers(index);
        self.trust_again(index, now);
        let node = self.set_status(index, NodeStatus::Dead, StatusReason::Left, None, now);
        let cause = node.map(Cause::Event);
        let links: Vec<MediumIndex> = self.link_media().collect();
        for medium in links {
            let link = &mut self.peer_mut(index).links[usize::from(medium.0)];
            let from = link.status;
            link.silence();
            if from != LinkStatus::Dead {
                let kind = Kind::LinkStatus {
                    link: self.link_name(index, medium),
                    from,
                    to: LinkStatus::Dead,
                    silent: None,
                };
                self.event(kind, cause.clone(), now);
            }
        }
        self.remember_peer(index);
        self.check_communication(now);
    }
}
