//! The clock, the queue of what lies ahead, and the shell around each core.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::Duration;

use hbd_core::session::office::{LEAVE_LIMIT, Notice as ClientNotice, Office};
use hbd_core::{Command, Core, Deadline, MediumIndex, Mutant, Output, Said};
use shared::event::{Event, Kind};
use shared::names::NodeName;
use shared::sample::Sample;
use shared::time::Moment;

use super::line::Piece;
use super::machine::{Life, Machine, Packet};
use super::random::Random;
use super::segment::{Copy, Segment};
use super::wakes::Wakes;
use super::{NodeIndex, SegmentIndex};

/// A core that is still due after so many timeouts at one moment does not come to rest.
pub const TIMEOUTS_AT_ONCE_MAX: u32 = 200;

/// Something an onlooker may want to know.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A core begins its life.
    CoreStarted {
        /// Where.
        node: NodeIndex,
        /// Whether the daemon went on in between.
        quick_restart: bool,
    },
    /// A core put a packet on a segment.
    Transmitted {
        /// Whose.
        node: NodeIndex,
        /// Where.
        segment: SegmentIndex,
        /// What.
        bytes: Rc<[u8]>,
    },
    /// A packet reached a machine.
    Arrived {
        /// Which machine.
        node: NodeIndex,
        /// The packet.
        packet: Packet,
        /// False where the socket had no room or no daemon owned it.
        kept: bool,
    },
    /// A core reported an event.
    Event {
        /// Whose.
        node: NodeIndex,
        /// What.
        event: Box<Event>,
        /// When what brought it about reached the machine, on the world's clock: a packet may have
        /// waited in the socket.
        arrived: Moment,
    },
    /// A core passes on to its manager what the manager of another node says.
    Heard {
        /// Whose.
        node: NodeIndex,
        /// Who says it.
        from: NodeName,
        /// What.
        said: Said,
    },
    /// A client is told something about its messages.
    Client {
        /// Whose client.
        node: NodeIndex,
        /// What.
        notice: ClientNotice,
    },
    /// A core reported its counters.
    Sampled {
        /// Whose.
        node: NodeIndex,
        /// What.
        sample: Box<Sample>,
    },
    /// A core has taken its inputs and waits.
    Rests {
        /// Whose.
        node: NodeIndex,
        /// What its boot clock shows.
        now: Moment,
        /// For what.
        deadline: Option<Deadline>,
    },
    /// A core was due again and again at one moment.
    Spins {
        /// Whose.
        node: NodeIndex,
        /// For what.
        deadline: Deadline,
    },
    /// A core left in order and ended.
    Left {
        /// Whose.
        node: NodeIndex,
    },
}

enum Happening {
    Arrival(NodeIndex, Packet),
    CoreStart(NodeIndex),
    Thaw(NodeIndex),
    LeaveAtLast(NodeIndex),
    /// The daemon there looks after what waits for a serial line.
    Look(SegmentIndex, NodeIndex),
    /// Bytes of the one arrive over a serial line.
    Bytes(SegmentIndex, NodeIndex, Piece),
}

struct Scheduled {
    at: Moment,
    order: u64,
    what: Happening,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// The virtual world.
pub struct World {
    /// Its dice.
    pub random: Random,
    /// How late a timer may be called at most on a machine that runs.
    pub lateness_max: Duration,
    /// The bug that every core in it has.
    pub mutant: Option<Mutant>,
    now: Moment,
    machines: Vec<Machine>,
    wakes: Wakes,
    segments: Vec<Segment>,
    ahead: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
    notices: Vec<Notice>,
}

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            lateness_max: Duration::ZERO,
            mutant: None,
            now: Moment(0),
            machines: Vec::new(),
            wakes: Wakes::new(),
            segments: Vec::new(),
            ahead: BinaryHeap::new(),
            scheduled: 0,
            notices: Vec::new(),
        }
    }

    /// What its clock shows.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Adds a machine, whose media are the segments given, in that order.
    pub fn add_machine(&mut self, mut machine: Machine, media: Vec<SegmentIndex>) -> NodeIndex {
        machine.media = media;
        self.machines.push(machine);
        self.wakes.add();
        NodeIndex(self.machines.len() - 1)
    }

    /// Adds a segment.
    pub fn add_segment(&mut self, segment: Segment) -> SegmentIndex {
        self.segments.push(segment);
        SegmentIndex(self.segments.len() - 1)
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = NodeIndex> + use<> {
        (0..self.machines.len()).map(NodeIndex)
    }

    /// All segments.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// All segments, to be changed.
    pub fn segments_mut(&mut self) -> &mut [Segment] {
        &mut self.segments
    }

    /// A machine.
    #[must_use]
    pub fn machine(&self, node: NodeIndex) -> &Machine {
        &self.machines[node.0]
    }

    /// A machine, to be changed.
    pub fn machine_mut(&mut self, node: NodeIndex) -> &mut Machine {
        &mut self.machines[node.0]
    }

    /// What was noticed since the last call.
    pub fn take_notices(&mut self, into: &mut Vec<Notice>) {
        into.clear();
        std::mem::swap(into, &mut self.notices);
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next(&self) -> Option<Moment> {
        let ahead = self.ahead.peek().map(|Reverse(scheduled)| scheduled.at);
        let wakes = self.wakes.first().map(|(at, _)| at);
        wakes.into_iter().chain(ahead).min()
    }

    /// Lets the next thing happen, if it lies before `end` or on it; else the clock goes to `end`
    /// and the answer is false.
    pub fn step(&mut self, end: Moment) -> bool {
        let Some(next) = self.next().filter(|next| *next <= end) else {
            self.now = self.now.max(end);
            return false;
        };
        self.now = self.now.max(next);
        let due = |Reverse(scheduled): &Reverse<Scheduled>| scheduled.at <= next;
        if self.ahead.peek().is_some_and(due) {
            if let Some(Reverse(scheduled)) = self.ahead.pop() {
                self.happen(scheduled.what);
            }
            return true;
        }
        if let Some((_, node)) = self.wakes.first() {
            self.serve(node);
        }
        true
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Arrival(node, packet) => self.arrive(node, packet),
            Happening::CoreStart(node) => self.core_start(node),
            Happening::Thaw(node) => self.thaw(node),
            Happening::LeaveAtLast(node) => self.leave_at_last(node),
            Happening::Look(segment, node) => self.look_after(segment, node),
            Happening::Bytes(segment, from, piece) => self.bytes_arrive(segment, from, &piece),
        }
    }

    fn schedule(&mut self, at: Moment, what: Happening) {
        self.scheduled += 1;
        let order = self.scheduled;
        self.ahead.push(Reverse(Scheduled { at, order, what }));
    }

    // What is done to machines.

    /// Starts the daemon of a machine that has none.
    ///
    /// # Errors
    /// The machine is frozen, or the core refuses the settings; the text says why.
    pub fn start(&mut self, node: NodeIndex) -> Result<(), String> {
        let machine = &mut self.machines[node.0];
        if machine.frozen {
            return Err("nothing can be started on a frozen machine".into());
        }
        machine.begin(node);
        self.start_core(node, false)
    }

    /// Kills every process of hbd on a machine.
    pub fn kill(&mut self, node: NodeIndex) {
        self.end(node);
    }

    /// Switches a machine off and on: as a kill, and its boot clock begins anew.
    pub fn reboot(&mut self, node: NodeIndex) {
        self.kill(node);
        let now = i64::try_from(self.now.0).unwrap_or(i64::MAX);
        self.machines[node.0].resume(self.now);
        self.machines[node.0].booted = now;
        self.machines[node.0].frozen = false;
    }

    /// Kills the core of a running daemon; the supervisor starts another after `pause`.
    pub fn restart_core(&mut self, node: NodeIndex, pause: Duration) {
        let machine = &mut self.machines[node.0];
        if machine.life != Life::Running {
            return;
        }
        machine.life = Life::BetweenCores;
        machine.core = None;
        machine.office.core_died();
        self.close_lines(node);
        self.wakes.set(node, None);
        self.tell_clients(node);
        self.schedule(self.now + pause, Happening::CoreStart(node));
    }

    /// Stops everything on a machine, until [`thaw`](Self::thaw).
    pub fn freeze(&mut self, node: NodeIndex) {
        self.machines[node.0].frozen = true;
        self.wakes.set(node, None);
    }

    /// Stops everything on a machine for a span.
    pub fn freeze_for(&mut self, node: NodeIndex, span: Duration) {
        self.freeze(node);
        self.schedule(self.now + span, Happening::Thaw(node));
    }

    /// Stops a virtual machine for a span, its clocks too.
    pub fn pause_for(&mut self, node: NodeIndex, span: Duration) {
        self.machines[node.0].paused = Some(self.now);
        self.freeze_for(node, span);
    }

    /// Lets a frozen machine go on.
    pub fn thaw(&mut self, node: NodeIndex) {
        if !std::mem::take(&mut self.machines[node.0].frozen) {
            return;
        }
        self.machines[node.0].resume(self.now);
        if std::mem::take(&mut self.machines[node.0].core_due) {
            self.core_start(node);
        }
        self.serve(node);
        for segment in 0..self.segments.len() {
            self.work_line(SegmentIndex(segment), node);
        }
    }

    /// Gives a core a command, if one runs and is not frozen.
    pub fn command(&mut self, node: NodeIndex, command: Command) {
        let now = self.machines[node.0].clocks(self.now);
        let machine = &mut self.machines[node.0];
        let Some(core) = machine.core.as_mut().filter(|_| !machine.frozen) else {
            return;
        };
        core.handle_command(command, now);
        self.take_outputs(node);
        self.serve(node);
    }

    /// Lets the clients of a machine do something, if its daemon runs.
    pub fn clients<T>(&mut self, node: NodeIndex, act: impl FnOnce(&mut Office) -> T) -> Option<T> {
        let machine = &mut self.machines[node.0];
        if machine.life == Life::Off || machine.frozen {
            return None;
        }
        let done = act(&mut machine.office);
        self.take_outputs(node);
        self.serve(node);
        Some(done)
    }

    /// Lets a daemon leave in order: first what its clients sent, then the node.
    pub fn leave(&mut self, node: NodeIndex) {
        let machine = &mut self.machines[node.0];
        if !machine.runs() || std::mem::replace(&mut machine.leaving, true) {
            return;
        }
        machine.office.leave();
        self.schedule(self.now + LEAVE_LIMIT, Happening::LeaveAtLast(node));
        self.take_outputs(node);
        self.serve(node);
    }

    /// The time is over that a leaving node gives its clients.
    fn leave_at_last(&mut self, node: NodeIndex) {
        if self.machines[node.0].leaving {
            self.command(node, Command::Leave { cause: None });
        }
    }

    /// Puts bytes on a segment as if `from` had sent them.
    pub fn inject(&mut self, from: NodeIndex, segment: SegmentIndex, bytes: &Rc<[u8]>) {
        self.carry(from, segment, bytes, false);
    }

    fn end(&mut self, node: NodeIndex) {
        self.machines[node.0].end();
        self.close_lines(node);
        self.wakes.set(node, None);
    }

    fn core_start(&mut self, node: NodeIndex) {
        let machine = &mut self.machines[node.0];
        if machine.life != Life::BetweenCores {
            return;
        }
        if machine.frozen {
            machine.core_due = true;
            return;
        }
        if let Err(refused) = self.start_core(node, true) {
            unreachable!("settings that a former core took are refused: {refused}");
        }
    }

    fn start_core(&mut self, node: NodeIndex, quick_restart: bool) -> Result<(), String> {
        let seed = self.random.number();
        let machine = &mut self.machines[node.0];
        let start = machine.next_start(quick_restart, seed);
        let mut settings = machine.settings.clone();
        settings.uuid = machine.disk.uuid;
        let now = machine.clocks(self.now);
        let core = Core::with_mutant(settings, start, self.mutant, now);
        let core = core.map_err(|bad| bad.to_string())?;
        machine.core = Some(core);
        machine.life = Life::Running;
        machine.office.core_began();
        self.notices.push(Notice::CoreStarted {
            node,
            quick_restart,
        });
        self.take_outputs(node);
        self.serve(node);
        Ok(())
    }

    // The shell around a core.

    fn arrive(&mut self, node: NodeIndex, packet: Packet) {
        let kept = self.machines[node.0].arrive(packet.clone());
        self.notices.push(Notice::Arrived { node, packet, kept });
        self.serve(node);
    }

    /// Gives a core everything that is due: the timer first, then what waits in the socket.
    fn serve(&mut self, node: NodeIndex) {
        let mut timeouts = 0;
        loop {
            let machine = &mut self.machines[node.0];
            let now = machine.clocks(self.now);
            if machine.frozen {
                return;
            }
            let Some(core) = machine.core.as_mut() else {
                return;
            };
            let deadline = core.poll_deadline();
            if let Some(due) = deadline.filter(|deadline| deadline.at <= now.boot) {
                timeouts += 1;
                if timeouts > TIMEOUTS_AT_ONCE_MAX {
                    let deadline = due;
                    self.notices.push(Notice::Spins { node, deadline });
                    let again = self.now + Duration::from_millis(1);
                    self.wakes.set(node, Some(again));
                    return;
                }
                core.handle_timeout(now);
            } else if let Some(packet) = machine.take_packet() {
                let Some(core) = machine.core.as_mut() else {
                    return;
                };
                core.handle_packet(packet.medium, &packet.bytes, now);
                machine.reads = Some(packet.at);
            } else {
                self.rest(node, deadline);
                return;
            }
            self.take_outputs(node);
            self.machines[node.0].reads = None;
        }
    }

    fn rest(&mut self, node: NodeIndex, deadline: Option<Deadline>) {
        let now = self.machines[node.0].clocks(self.now).boot;
        self.notices.push(Notice::Rests {
            node,
            now,
            deadline,
        });
        let late = self.random.span(Duration::ZERO, self.lateness_max);
        let machine = &self.machines[node.0];
        let due = deadline.map(|deadline| machine.world_time(deadline.at) + late);
        self.wakes.set(node, due);
    }

    fn take_outputs(&mut self, node: NodeIndex) {
        let mut drain = false;
        while let Some(output) = self.poll_output(node) {
            match output {
                Output::Session(news) => self.machines[node.0].office.handle_news(news),
                Output::Transmit {
                    medium,
                    packet,
                    beat,
                } => self.transmit(node, medium, packet, beat),
                Output::Event(event) => {
                    if let Kind::TimersChanged { .. } = event.kind {
                        let machine = &mut self.machines[node.0];
                        machine.pace = Some(machine.settings.times().pace());
                    }
                    let machine = &mut self.machines[node.0];
                    machine.active |= event.is_active(machine.name());
                    let arrived = self.machines[node.0].reads.unwrap_or(self.now);
                    self.notices.push(Notice::Event {
                        node,
                        event,
                        arrived,
                    });
                }
                Output::Heard { from, said, .. } => {
                    self.notices.push(Notice::Heard { node, from, said });
                }
                Output::Sample(sample) => self.notices.push(Notice::Sampled { node, sample }),
                Output::Remember(memory) => self.machines[node.0].remember(*memory),
                Output::Drain => drain = true,
                Output::Left => {
                    self.notices.push(Notice::Left { node });
                    self.end(node);
                }
            }
        }
        if drain {
            self.drain(node);
        }
    }

    /// The core's next output. Where it has none, the office's next order is carried out first.
    fn poll_output(&mut self, node: NodeIndex) -> Option<Output> {
        loop {
            let machine = &mut self.machines[node.0];
            let now = machine.clocks(self.now);
            let core = machine.core.as_mut().filter(|_| !machine.frozen)?;
            if let Some(output) = core.poll_output() {
                return Some(output);
            }
            let order = match machine.office.poll_order() {
                Some(order) => Command::Session(order),
                None if machine.leaving && machine.office.is_idle() => {
                    machine.leaving = false;
                    Command::Leave { cause: None }
                }
                None => {
                    self.tell_clients(node);
                    return None;
                }
            };
            core.handle_command(order, now);
        }
    }

    fn tell_clients(&mut self, node: NodeIndex) {
        while let Some(notice) = self.machines[node.0].office.poll_notice() {
            self.notices.push(Notice::Client { node, notice });
        }
    }

    fn drain(&mut self, node: NodeIndex) {
        let now = self.machines[node.0].clocks(self.now);
        while let Some(packet) = self.machines[node.0].take_packet() {
            let machine = &mut self.machines[node.0];
            if let Some(core) = machine.core.as_mut() {
                core.handle_packet(packet.medium, &packet.bytes, now);
                machine.reads = Some(packet.at);
            }
            self.take_outputs(node);
        }
        self.machines[node.0].reads = None;
        if let Some(core) = self.machines[node.0].core.as_mut() {
            core.handle_command(Command::Drained, now);
        }
        self.take_outputs(node);
    }

    fn transmit(&mut self, node: NodeIndex, medium: MediumIndex, packet: Vec<u8>, beat: bool) {
        let Some(&segment) = self.machines[node.0].media.get(usize::from(medium.0)) else {
            unreachable!("a core names a medium that it does not have: {medium:?}");
        };
        let bytes: Rc<[u8]> = packet.into();
        self.notices.push(Notice::Transmitted {
            node,
            segment,
            bytes: Rc::clone(&bytes),
        });
        self.carry(node, segment, &bytes, beat);
    }

    /// Takes a packet from its sender to everyone whom it reaches.
    fn carry(&mut self, from: NodeIndex, index: SegmentIndex, bytes: &Rc<[u8]>, beat: bool) {
        let segment = &mut self.segments[index.0];
        if let Some(line) = &mut segment.line {
            line.push(from, bytes, beat, self.now);
            self.work_line(index, from);
            return;
        }
        let pings = segment.form.pings().is_some();
        if pings && !segment.answers {
            return;
        }
        let echo = segment.echo || pings;
        for place in 0..self.segments[index.0].members.len() {
            let to = self.segments[index.0].members[place];
            if (pings && to != from) || (to == from && !echo) {
                continue;
            }
            let segment = &self.segments[index.0];
            let copies = segment.copies(from, to, self.now, &mut self.random);
            for copy in copies.into_iter().flatten() {
                self.send_copy(from, to, index, bytes, copy);
            }
        }
    }

    /// What waits for a line is handed to its driver as far as it is due, if anything runs there.
    fn work_line(&mut self, index: SegmentIndex, from: NodeIndex) {
        if self.machines[from.0].frozen {
            return;
        }
        let machines = &self.machines;
        let segment = &mut self.segments[index.0];
        let ready = segment.is_ready(from, |node| machines[node.0].life != Life::Off);
        for piece in segment.work(from, ready, self.now, &mut self.random) {
            self.schedule(piece.arrives, Happening::Bytes(index, from, piece));
        }
        let line = self.segments[index.0].line.as_mut();
        if let Some(at) = line.and_then(|line| line.next_look(from, self.now)) {
            let late = self.random.span(Duration::ZERO, self.lateness_max);
            self.schedule(at + late, Happening::Look(index, from));
        }
    }

    fn look_after(&mut self, index: SegmentIndex, node: NodeIndex) {
        if let Some(line) = &mut self.segments[index.0].line {
            line.looks(node);
        }
        self.work_line(index, node);
    }

    fn bytes_arrive(&mut self, index: SegmentIndex, from: NodeIndex, piece: &Piece) {
        let medium = self.medium_of(piece.to, index);
        let line = self.segments[index.0].line.as_mut();
        let (Some(medium), Some(line)) = (medium, line) else {
            return;
        };
        for (bytes, intact) in line.arrive(from, piece.to, &piece.bytes) {
            let packet = Packet {
                medium,
                bytes,
                from,
                intact,
                at: self.now,
            };
            self.arrive(piece.to, packet);
        }
    }

    /// The process is gone that had the ends of lines at a node.
    fn close_lines(&mut self, node: NodeIndex) {
        for line in self.segments.iter_mut().filter_map(|it| it.line.as_mut()) {
            line.close(node, self.now);
        }
    }

    fn medium_of(&self, node: NodeIndex, segment: SegmentIndex) -> Option<MediumIndex> {
        let media = &self.machines[node.0].media;
        let place = media.iter().position(|other| *other == segment)?;
        Some(MediumIndex(u16::try_from(place).unwrap_or(u16::MAX)))
    }

    fn send_copy(
        &mut self,
        from: NodeIndex,
        to: NodeIndex,
        segment: SegmentIndex,
        bytes: &Rc<[u8]>,
        copy: Copy,
    ) {
        let Some(medium) = self.medium_of(to, segment) else {
            return;
        };
        let bytes = match copy.corrupted {
            true => self.corrupted(bytes),
            false => Rc::clone(bytes),
        };
        let packet = Packet {
            medium,
            bytes,
            from,
            intact: !copy.corrupted,
            at: copy.arrives,
        };
        self.schedule(copy.arrives, Happening::Arrival(to, packet));
    }

    fn corrupted(&mut self, bytes: &[u8]) -> Rc<[u8]> {
        let mut bytes = bytes.to_vec();
        if !bytes.is_empty() {
            let place = self.random.place(bytes.len());
            let mask = self.random.between(1, 255);
            bytes[place] ^= u8::try_from(mask).unwrap_or(1);
        }
        bytes.into()
    }
}
