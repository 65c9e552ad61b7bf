//! The loop of the core: the only place in its process that waits.
//!
//! ```text
//! outputs until there are none
//! deadline passed?        -> timeout
//! wait: timer first, then media (at most PACKETS_AT_ONCE a time) and processes in turn
//! ```
//!
//! The clock is asked before every wait, so that a flood of packets delays a beat by one batch at
//! most, whatever the runtime does.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};
use std::time::Duration;

use hbd_core::{Command, MediumIndex, Output, SessionOrder};
use shared::api::Fault;
use shared::exit::Exit;
use shared::time::Moment;
use shared::times;

use super::line::{Change, Held, Line};
use super::manager::{self, Manager};
use super::outbox::Outbox;
use super::recorded::Recorded;
use super::rest::Rest;
use super::watchdog::Watchdog;
use crate::bond::{Bond, Word};
use crate::channel::{FromCore, Lack, Rights, Runs, ToCore};
use crate::clock;
use crate::medium::fault::{FaultCell, Faulty};
use crate::medium::{self, Binding, PACKET_MAX};
use crate::pulse::Pulse;
use crate::timer::Timer;

/// Packets taken from a medium before the clock is asked again.
const PACKETS_AT_ONCE: usize = 64;
/// Packets taken from a medium after a stall. What is beyond is judged later.
const PACKETS_TO_DRAIN: usize = 4096;
/// Failures in a row after which a socket is not read until something new arrives.
const FAILURES_AT_ONCE: usize = 8;
/// What is queued for the supervisor at the end may take so long.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);

/// What the reactor needs to know of the orders.
pub(super) struct Frame {
    /// How many media are configured.
    pub(super) media: usize,
    /// Seeds the dice of injected loss.
    pub(super) seed: u64,
    /// Rights and limits of the process.
    pub(super) rights: Rights,
    /// Whether faults may be injected.
    pub(super) allow_faults: bool,
}

/// The loop's state.
pub(super) struct Reactor {
    core: Recorded,
    bond: Bond<FromCore, ToCore>,
    manager: Manager,
    pulse: Pulse,
    watchdog: Watchdog,
    /// A deadline was met, and what it asked for is not on its way yet.
    ticked: bool,
    outbox: Outbox,
    timer: Timer,
    lines: Vec<Option<Line>>,
    cells: Vec<FaultCell>,
    /// What the cells are set to, for the next supervisor.
    faults: BTreeMap<MediumIndex, Fault>,
    frame: Frame,
    buffer: Box<[u8]>,
    /// The medium that is looked at first, so that none is always last.
    turn: usize,
    /// Alternates between media and processes.
    processes_first: bool,
    /// When the last sign of life was given.
    beaten: Moment,
    rest: Rest,
    /// When a packet last went out over any medium, and that is not on the slate.
    sent: Option<Moment>,
    drain: bool,
    left: bool,
    retired: bool,
}

/// Why the reactor woke.
enum Wake {
    Timer,
    Medium(usize),
    Supervisor(Word<ToCore>),
    Manager(manager::Word),
}

impl Reactor {
    /// Needs a runtime.
    pub(super) fn new(
        core: Recorded,
        bond: Bond<FromCore, ToCore>,
        pulse: Pulse,
        frame: Frame,
    ) -> io::Result<Self> {
        Ok(Self {
            core,
            bond,
            pulse,
            watchdog: Watchdog::new(clock::boot()),
            ticked: false,
            manager: Manager::default(),
            outbox: Outbox::default(),
            timer: Timer::new()?,
            lines: (0..frame.media).map(|_| None).collect(),
            cells: (0..frame.media).map(|_| FaultCell::default()).collect(),
            faults: BTreeMap::new(),
            frame,
            buffer: vec![0; PACKET_MAX].into(),
            turn: 0,
            processes_first: true,
            beaten: Moment::default(),
            rest: Rest::default(),
            sent: None,
            drain: false,
            left: false,
            retired: false,
        })
    }

    /// Tells the supervisor what cannot be done.
    pub(super) fn report(&mut self, lack: Lack) {
        self.outbox.lack(lack);
    }

    /// Runs until the core has left the cluster.
    pub(super) async fn run(&mut self) -> Exit {
        self.beat(clock::boot());
        loop {
            self.settle();
            if std::mem::take(&mut self.ticked) {
                self.feed_watchdog();
            }
            if self.left || self.retired {
                return self.say_goodbye().await;
            }
            let now = clock::now();
            let deadline = self.core.poll_deadline().map(|deadline| deadline.at);
            if deadline.is_some_and(|at| at <= now.boot) {
                self.core.handle_timeout(now);
                self.beat(now.boot);
                self.ask_manager(now.boot);
                self.ticked = true;
                continue;
            }
            if let Some(sent) = self.sent.take() {
                self.pulse.sent(sent);
            }
            if self.take_back() {
                continue;
            }
            let sends = self.work_media(now.boot);
            let deadline = deadline.into_iter().chain(sends).min();
            if self.timer.set(deadline).is_err() || self.post().is_err() {
                return Exit::Failed;
            }
            match poll_fn(|context| self.poll_wake(context)).await {
                Ok(Wake::Timer) => {}
                Ok(Wake::Medium(index)) => {
                    self.take_packets(index, PACKETS_AT_ONCE);
                }
                Ok(Wake::Supervisor(Word::Said((message, descriptors)))) => {
                    self.obey(message, descriptors);
                }
                // The core goes on, and keeps what it would have said; clients are gone.
                Ok(Wake::Supervisor(Word::Alone)) => {
                    let forget = Command::Session(SessionOrder::Forget);
                    self.core.handle_command(forget, now);
                    self.watchdog.release(false);
                }
                Ok(Wake::Manager(word)) => self.listen(word),
                Err(_) => return Exit::Failed,
            }
        }
    }

    /// Timer first; then media and processes, either of which may have the first look.
    fn poll_wake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Wake>> {
        if self.timer.poll_expired(context)?.is_ready() {
            return Poll::Ready(Ok(Wake::Timer));
        }
        self.processes_first = !self.processes_first;
        for processes in [self.processes_first, !self.processes_first] {
            if processes {
                if let Poll::Ready(word) = self.bond.poll_next(context) {
                    return Poll::Ready(Ok(Wake::Supervisor(word)));
                }
                if let Poll::Ready(word) = self.manager.poll_next(context) {
                    return Poll::Ready(Ok(Wake::Manager(word)));
                }
            } else if let Some(index) = self.poll_media(context)? {
                return Poll::Ready(Ok(Wake::Medium(index)));
            }
        }
        Poll::Pending
    }

    fn poll_media(&mut self, context: &mut Context<'_>) -> io::Result<Option<usize>> {
        let count = self.lines.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let Some(line) = &self.lines[index] else {
                continue;
            };
            if line.ready.poll_read_ready(context).is_ready() {
                self.turn = (index + 1) % count;
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// Takes outputs until there are none, and after a stall hands in what had arrived.
    fn settle(&mut self) {
        loop {
            while let Some(output) = self.core.poll_output() {
                self.carry_out(output);
            }
            if !std::mem::take(&mut self.drain) {
                return;
            }
            for index in 0..self.lines.len() {
                self.take_packets(index, PACKETS_TO_DRAIN);
            }
            self.core.handle_command(Command::Drained, clock::now());
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Transmit {
                medium,
                packet,
                beat,
            } => self.transmit(medium, &packet, beat),
            Output::Event(event) => {
                let silent = self.manager.happened(&event, clock::boot());
                self.outbox.event(event);
                self.report_silence(silent);
            }
            Output::Heard { from, number, said } => {
                let silent = self.manager.heard(from, (number, said), clock::boot());
                self.report_silence(silent);
            }
            Output::Sample(sample) => self.outbox.sample(sample),
            Output::Remember(memory) => {
                let kept = self.pulse.remember(&memory);
                self.outbox.memory(memory, kept);
            }
            Output::Session(news) => self.outbox.session(news),
            Output::Drain => self.drain = true,
            Output::Left => self.left = true,
        }
    }

    fn transmit(&mut self, medium: MediumIndex, packet: &[u8], beat: bool) {
        let Some(Some(line)) = self.lines.get_mut(usize::from(medium.0)) else {
            return;
        };
        let now = clock::boot();
        let change = line.send(packet, beat, now);
        // A node that reaches nobody but hosts it pings is as good as silent.
        if line.sends() && !line.medium.pings() {
            self.sent = Some(now);
            self.watchdog.packet_left();
        }
        self.tell_change(medium, change);
    }

    fn tell_change(&mut self, medium: MediumIndex, change: Option<Change>) {
        match change {
            None => {}
            Some(Change::Fails(reason)) => self.outbox.sending(medium, Some(reason)),
            Some(Change::Works) => self.outbox.sending(medium, None),
        }
    }

    /// Has media send what is due. Returns when the next one is.
    fn work_media(&mut self, now: Moment) -> Option<Moment> {
        for index in 0..self.lines.len() {
            let line = self.lines[index].as_mut();
            let due = line.filter(|line| line.medium.due().is_some_and(|at| at <= now));
            if let Some(line) = due {
                let change = line.work(now);
                self.tell_change(
                    MediumIndex(u16::try_from(index).unwrap_or(u16::MAX)),
                    change,
                );
            }
        }
        let lines = self.lines.iter().flatten();
        lines.filter_map(|line| line.medium.due()).min()
    }

    /// Hands in at most `limit` packets of a medium, taking the outputs of each.
    fn take_packets(&mut self, index: usize, limit: usize) {
        let medium = MediumIndex(u16::try_from(index).unwrap_or(u16::MAX));
        let mut failures = 0;
        for _ in 0..limit {
            let Some(Some(line)) = self.lines.get_mut(index) else {
                return;
            };
            match line.medium.receive(&mut self.buffer) {
                Ok(received) => {
                    failures = 0;
                    let packet = received.length.map(|length| &self.buffer[..length]);
                    if let Some(packet) = packet.filter(|packet| !line.is_own(packet)) {
                        self.core.handle_packet(medium, packet, clock::now());
                        while let Some(output) = self.core.poll_output() {
                            self.carry_out(output);
                        }
                    }
                    if received.last {
                        self.await_more(index);
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.await_more(index);
                    return;
                }
                // The error of an earlier packet, which reading takes away (`ip(7)`).
                Err(_) if failures < FAILURES_AT_ONCE => failures += 1,
                Err(_) => {
                    self.await_more(index);
                    return;
                }
            }
        }
    }

    /// Takes the copies of what went out from media that bring them, so that none of them wakes
    /// this process. True if there were any.
    fn take_back(&mut self) -> bool {
        let mut any = false;
        for index in 0..self.lines.len() {
            if self.lines[index].as_mut().is_some_and(Line::takes_back) {
                any = true;
                self.take_packets(index, PACKETS_AT_ONCE);
            }
        }
        any
    }

    /// The medium is empty: wake up when something new arrives.
    fn await_more(&mut self, index: usize) {
        let Some(Some(line)) = self.lines.get_mut(index) else {
            return;
        };
        let mut context = Context::from_waker(std::task::Waker::noop());
        if let Poll::Ready(Ok(mut ready)) = line.ready.poll_read_ready(&mut context) {
            ready.clear_ready();
        }
    }

    /// Does what the supervisor says.
    pub(super) fn obey(&mut self, message: ToCore, descriptors: Vec<OwnedFd>) {
        match message {
            // There are no second orders.
            ToCore::Start(_) => {}
            ToCore::Adopt { after } => self.be_adopted(after),
            ToCore::Manager => self.manager.meet(descriptors, self.outbox.view()),
            ToCore::Open {
                medium,
                word,
                binding,
            } => self.open(medium, &word, &binding, descriptors),
            ToCore::Close { medium } => {
                if let Some(line) = self.lines.get_mut(usize::from(medium.0)) {
                    *line = None;
                    self.outbox.forget_trouble(medium);
                    self.tell_whether_it_sends(medium);
                }
            }
            ToCore::Fault { medium, fault } => {
                if let Some(cell) = self.cells.get(usize::from(medium.0)) {
                    cell.set((&fault).into());
                    self.faults.insert(medium, fault);
                }
            }
            ToCore::Watchdog { card, holds } => self.watchdog.equip(card, holds, descriptors),
            ToCore::Starve => self.watchdog.starve(),
            ToCore::Releasing => self.watchdog.release(true),
            ToCore::Command(command) => self.core.handle_command(command, clock::now()),
            ToCore::Retire => self.retired = true,
        }
    }

    fn open(
        &mut self,
        index: MediumIndex,
        word: &str,
        binding: &Binding,
        descriptors: Vec<OwnedFd>,
    ) {
        let place = usize::from(index.0);
        let (Some(kind), Some(cell)) = (medium::kind(word), self.cells.get(place)) else {
            return;
        };
        self.outbox.forget_trouble(index);
        let held = Held {
            binding: binding.clone(),
            descriptors: clones(&descriptors),
        };
        let opened = (kind.attach)(descriptors, binding).and_then(|medium| {
            if !self.frame.allow_faults {
                return Line::new(medium, held);
            }
            let seed = self.frame.seed.rotate_left(u32::from(index.0));
            Line::new(Box::new(Faulty::new(medium, cell.clone(), seed)), held)
        });
        match opened {
            Ok(line) => {
                self.lines[place] = Some(line);
                self.tell_whether_it_sends(index);
            }
            Err(error) => self.outbox.sending(index, Some(format!("attach: {error}"))),
        }
    }

    /// Media that were not opened at the start take nothing.
    pub(super) fn tell_who_sends(&mut self) {
        for place in 0..self.lines.len() {
            if let Ok(place) = u16::try_from(place) {
                self.tell_whether_it_sends(MediumIndex(place));
            }
        }
    }

    fn tell_whether_it_sends(&mut self, medium: MediumIndex) {
        let sends = self.lines[usize::from(medium.0)].is_some();
        let command = Command::Sends { medium, sends };
        self.core.handle_command(command, clock::now());
    }

    /// Tells a supervisor that did not start this core everything that one must know which did.
    fn be_adopted(&mut self, after: u64) {
        self.bond.adopted();
        let Some(supervisor) = self.bond.channel() else {
            return;
        };
        let runs = FromCore::Runs(Box::new(Runs {
            settings: self.core.settings().clone(),
            rights: self.frame.rights,
            allow_faults: self.frame.allow_faults,
            faults: self.faults.values().cloned().collect(),
        }));
        // A supervisor that is gone again is noticed when it is listened to.
        let pulse = self.pulse.descriptors().map(Vec::from).unwrap_or_default();
        let _ = supervisor.queue(&runs, pulse);
        if let Some((card, starved, descriptor)) = self.watchdog.shown() {
            let guarded = FromCore::Guarded { card, starved };
            let _ = supervisor.queue(&guarded, vec![descriptor]);
        }
        for (place, line) in (0..).zip(&self.lines) {
            let Some(Line { held, .. }) = line else {
                continue;
            };
            let opened = FromCore::Opened {
                medium: MediumIndex(place),
                binding: held.binding.clone(),
            };
            let _ = supervisor.queue(&opened, clones(&held.descriptors));
        }
        self.outbox.tell_again(after);
    }

    fn post(&mut self) -> io::Result<()> {
        match self.bond.channel() {
            Some(supervisor) => self.outbox.post(supervisor),
            None => Ok(()),
        }
    }

    fn ask_manager(&mut self, now: Moment) {
        let silent = self.manager.ask(now);
        self.report_silence(silent);
    }

    fn listen(&mut self, word: manager::Word) {
        match word {
            manager::Word::Say(said) => {
                let now = clock::now();
                self.core.handle_command(Command::Say(said), now);
            }
            manager::Word::Nonsense => {
                let silent = self.manager.lose(clock::boot());
                self.report_silence(Some(silent));
            }
            manager::Word::Answer { holds } => self.watchdog.answered(holds, clock::boot()),
            manager::Word::Gone => {}
        }
    }

    fn report_silence(&mut self, silent: Option<Duration>) {
        if let Some(silent) = silent {
            self.outbox.urgent(FromCore::ManagerSilent(silent));
        }
    }

    fn feed_watchdog(&mut self) {
        let deadtime = self.core.settings().deadtime;
        if let Some(news) = self.watchdog.beat(deadtime, clock::boot()) {
            self.outbox.urgent(FromCore::Watchdog(news));
        }
    }

    /// At least three times in any silence that the supervisor puts up with.
    fn beat(&mut self, now: Moment) {
        let settings = self.core.settings();
        let (keepalive, deadtime) = (settings.keepalive, settings.deadtime);
        if now.since(self.beaten) < keepalive / 2 {
            return;
        }
        self.beaten = now;
        self.pulse.beat(times::core_silence(keepalive, deadtime));
        if self.frame.rights.realtime.is_some() {
            self.rest.take();
        }
    }

    /// Hands over what waits for the supervisor, if it still reads.
    async fn say_goodbye(&mut self) -> Exit {
        if self.left {
            self.outbox.urgent(FromCore::Left);
        }
        let until = clock::boot() + LAST_WORDS_LIMIT;
        while let Some(supervisor) = self.bond.channel()
            && (!self.outbox.is_empty() || supervisor.waiting() > 0)
        {
            if self.outbox.post(supervisor).is_err() || self.timer.set(Some(until)).is_err() {
                break;
            }
            let timer = &mut self.timer;
            let sent = poll_fn(|context| {
                if timer.poll_expired(context).is_ready() {
                    return Poll::Ready(false);
                }
                supervisor.poll_flush(context).map(|result| result.is_ok())
            })
            .await;
            if !sent {
                break;
            }
        }
        Exit::Done
    }
}

/// What can be passed on later. A medium without is opened anew by the next supervisor.
fn clones(descriptors: &[OwnedFd]) -> Vec<OwnedFd> {
    descriptors
        .iter()
        .map(OwnedFd::try_clone)
        .collect::<io::Result<_>>()
        .unwrap_or_default()
}
