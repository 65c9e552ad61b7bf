//! The loop of the core: the only place in its process that waits.
//!
//! ```text
//! outputs until there are none
//! deadline passed?        -> timeout
//! wait: timer first, then media (at most PACKETS_AT_ONCE a time) and supervisor in turn
//! ```
//!
//! The clock is asked before every wait, so that a flood of packets delays a beat by one batch at
//! most, whatever the runtime does.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};
use std::time::Duration;

use hbd_core::{Command, Core, MediumIndex, Output};
use shared::event::Cause;
use shared::exit::Exit;
use shared::time::{Moment, Now};

use super::Supervisor;
use super::line::{Change, Line};
use super::outbox::Outbox;
use super::rest::Rest;
use super::timer::Timer;
use crate::channel::{Delivery, FromCore, Lack, ToCore};
use crate::clock;
use crate::medium::fault::{FaultCell, Faulty};
use crate::medium::{self, Binding, PACKET_MAX, Received};

/// Packets taken from a medium before the clock is asked again.
const PACKETS_AT_ONCE: usize = 64;
/// Packets taken from a medium after a stall. What is beyond is judged later.
const PACKETS_TO_DRAIN: usize = 4096;
/// Failures in a row after which a socket is not read until something new arrives.
const FAILURES_AT_ONCE: usize = 8;
/// A core whose supervisor is gone ends after this even if leaving takes longer.
const LEAVE_LIMIT: Duration = Duration::from_secs(10);
/// What is queued for the supervisor at the end may take so long.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);

/// What the reactor needs to know of the orders.
pub(super) struct Frame {
    /// Time between two beats.
    pub(super) keepalive: Duration,
    /// How many media are configured.
    pub(super) media: usize,
    /// Seeds the dice of injected loss.
    pub(super) seed: u64,
    /// Whether faults may be injected.
    pub(super) allow_faults: bool,
}

/// The loop's state.
pub(super) struct Reactor {
    core: Core,
    supervisor: Supervisor,
    outbox: Outbox,
    timer: Timer,
    lines: Vec<Option<Line>>,
    faults: Vec<FaultCell>,
    frame: Frame,
    buffer: Box<[u8]>,
    /// The medium that is looked at first, so that none is always last.
    turn: usize,
    /// Alternates between media and supervisor.
    supervisor_first: bool,
    told_alive: Moment,
    rest: Rest,
    drain: bool,
    /// When a core without a supervisor ends at the latest.
    orphan_until: Option<Moment>,
    left: bool,
    retired: bool,
}

/// Why the reactor woke.
enum Wake {
    Timer,
    Medium(usize),
    Supervisor(Option<Delivery<ToCore>>),
}

impl Reactor {
    /// Needs a runtime.
    pub(super) fn new(core: Core, supervisor: Supervisor, frame: Frame) -> io::Result<Self> {
        Ok(Self {
            core,
            supervisor,
            outbox: Outbox::default(),
            timer: Timer::new()?,
            lines: (0..frame.media).map(|_| None).collect(),
            faults: (0..frame.media).map(|_| FaultCell::default()).collect(),
            frame,
            buffer: vec![0; PACKET_MAX].into(),
            turn: 0,
            supervisor_first: true,
            told_alive: Moment::default(),
            rest: Rest::default(),
            drain: false,
            orphan_until: None,
            left: false,
            retired: false,
        })
    }

    /// Tells the supervisor what cannot be done.
    pub(super) fn report(&mut self, lack: Lack) {
        self.outbox.urgent(FromCore::Lacks(lack));
    }

    /// Runs until the core has left the cluster.
    pub(super) async fn run(&mut self) -> Exit {
        self.outbox.alive();
        loop {
            self.settle();
            if self.left || self.retired {
                return self.say_goodbye().await;
            }
            let now = clock::now();
            if self.orphan_until.is_some_and(|until| until <= now.boot) {
                return Exit::Failed;
            }
            let deadline = self.core.poll_deadline().map(|deadline| deadline.at);
            if deadline.is_some_and(|at| at <= now.boot) {
                self.core.handle_timeout(now);
                self.tell_alive(now.boot);
                continue;
            }
            let next = deadline.into_iter().chain(self.orphan_until).min();
            if self.timer.set(next).is_err() || self.outbox.post(&mut self.supervisor).is_err() {
                return Exit::Failed;
            }
            match poll_fn(|context| self.poll_wake(context)).await {
                Ok(Wake::Timer) => {}
                Ok(Wake::Medium(index)) => {
                    self.take_packets(index, PACKETS_AT_ONCE);
                }
                Ok(Wake::Supervisor(Some((message, descriptors)))) => {
                    self.obey(message, descriptors);
                }
                Ok(Wake::Supervisor(None)) | Err(_) => self.become_orphan(now),
            }
        }
    }

    /// Timer first; then media and supervisor, either of which may have the first look.
    fn poll_wake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Wake>> {
        if self.timer.poll_expired(context)?.is_ready() {
            return Poll::Ready(Ok(Wake::Timer));
        }
        self.supervisor_first = !self.supervisor_first;
        for supervisor in [self.supervisor_first, !self.supervisor_first] {
            if supervisor {
                if self.orphan_until.is_none()
                    && let Poll::Ready(message) = self.supervisor.poll_next(context)?
                {
                    return Poll::Ready(Ok(Wake::Supervisor(message)));
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
            Output::Transmit { medium, packet } => self.transmit(medium, &packet),
            Output::Event(event) => self.outbox.event(event),
            Output::Sample(sample) => self.outbox.sample(sample),
            Output::Remember(memory) => self.outbox.memory(memory),
            // Nobody orders anything of sessions in this process, so there is no news of them.
            Output::Session(_) => {}
            Output::Drain => self.drain = true,
            Output::Left => self.left = true,
        }
    }

    fn transmit(&mut self, medium: MediumIndex, packet: &[u8]) {
        let Some(Some(line)) = self.lines.get_mut(usize::from(medium.0)) else {
            return;
        };
        let trouble = match line.send(packet, clock::boot()) {
            None => return,
            Some(Change::Fails(reason)) => Some(reason),
            Some(Change::Works) => None,
        };
        self.outbox.urgent(FromCore::Sending { medium, trouble });
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
                Ok(Received::Packet(length)) => {
                    failures = 0;
                    let packet = &self.buffer[..length];
                    self.core.handle_packet(medium, packet, clock::now());
                    while let Some(output) = self.core.poll_output() {
                        self.carry_out(output);
                    }
                }
                Ok(Received::Lost) => {}
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
            ToCore::Open {
                medium,
                word,
                binding,
            } => self.open(medium, &word, &binding, descriptors),
            ToCore::Close { medium } => {
                if let Some(line) = self.lines.get_mut(usize::from(medium.0)) {
                    *line = None;
                }
            }
            ToCore::Fault { medium, fault } => {
                if let Some(cell) = self.faults.get(usize::from(medium.0)) {
                    cell.set((&fault).into());
                }
            }
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
        let (Some(kind), Some(cell)) = (medium::kind(word), self.faults.get(place)) else {
            return;
        };
        let opened = (kind.attach)(descriptors, binding).and_then(|medium| {
            if !self.frame.allow_faults {
                return Line::new(medium);
            }
            let seed = self.frame.seed.rotate_left(u32::from(index.0));
            Line::new(Box::new(Faulty::new(medium, cell.clone(), seed)))
        });
        match opened {
            Ok(line) => self.lines[place] = Some(line),
            Err(error) => self.outbox.urgent(FromCore::Sending {
                medium: index,
                trouble: Some(format!("attach: {error}")),
            }),
        }
    }

    fn become_orphan(&mut self, now: Now) {
        self.orphan_until = Some(now.boot + LEAVE_LIMIT);
        let cause = Some(Cause::Order("the supervisor is gone".into()));
        self.core.handle_command(Command::Leave { cause }, now);
    }

    /// Often enough that three of them fit into any silence the supervisor puts up with.
    fn tell_alive(&mut self, now: Moment) {
        if now.since(self.told_alive) >= self.frame.keepalive / 2 {
            self.told_alive = now;
            self.outbox.alive();
            self.rest.take();
        }
    }

    /// Hands over what waits for the supervisor, if it still reads.
    async fn say_goodbye(&mut self) -> Exit {
        if self.orphan_until.is_some() {
            return Exit::Done;
        }
        if self.left {
            self.outbox.urgent(FromCore::Left);
        }
        let until = clock::boot() + LAST_WORDS_LIMIT;
        while !self.outbox.is_empty() || self.supervisor.waiting() > 0 {
            if self.outbox.post(&mut self.supervisor).is_err()
                || self.timer.set(Some(until)).is_err()
            {
                break;
            }
            let (timer, supervisor) = (&mut self.timer, &mut self.supervisor);
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
