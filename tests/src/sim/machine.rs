//! A machine of the virtual world: what the daemon's shell, the kernel and the disk are to a core.
//!
//! The daemon of a machine is off, or runs with a core, or runs without one for the moment it takes
//! the supervisor to start the next. Whatever it is, the machine may be frozen: then nothing runs,
//! and packets wait in the socket as far as it has room. The socket belongs to the daemon and not
//! to the core, so that packets survive the death of a core.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use hbd_core::session::office::Office;
use hbd_core::{Core, MediumIndex, Pace, PeerMemory, Settings, Start};
use shared::names::{Generation, NodeName, Uuid};
use shared::time::{Moment, Now, Wall};

use super::{NodeIndex, SegmentIndex};

/// What a socket holds at most, as `net.core.rmem_default` of Linux has it.
pub const SOCKET_BYTES_MAX: usize = 212_992;

/// What the kernel charges a socket for a packet beyond its bytes, about.
const PACKET_OVERHEAD_BYTES: usize = 512;

/// The wall clock of every machine where the world begins: 2026-11-22 11:00 UTC.
const WALL_AT_START: u64 = 1_795_345_200_000_000_000;

/// What survives the end of a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// `hb_uuid`.
    pub uuid: Uuid,
    /// `hb_generation`: the last one used.
    pub generation: Generation,
    /// The identities and generations of peers.
    pub peers: BTreeMap<NodeName, PeerMemory>,
}

/// Whether the daemon of a machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// No process of hbd.
    Off,
    /// A core runs.
    Running,
    /// The core died; the supervisor is about to start another.
    BetweenCores,
}

/// A packet that has arrived.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Over which medium of the receiver.
    pub medium: MediumIndex,
    /// Its bytes.
    pub bytes: Rc<[u8]>,
    /// Who put it on the segment.
    pub from: NodeIndex,
    /// False where a byte of it changed on its way.
    pub intact: bool,
    /// When it arrives, on the world's clock.
    pub at: Moment,
}

/// A machine.
pub struct Machine {
    /// The configuration its next core gets; `uuid` comes from the disk.
    pub settings: Settings,
    /// The segment behind each medium.
    pub media: Vec<SegmentIndex>,
    /// What survives the end of its daemon.
    pub disk: Disk,
    /// Whether its daemon runs.
    pub life: Life,
    /// True while nothing on it runs.
    pub frozen: bool,
    /// Its clocks stand still since this moment of the world's clock.
    pub(super) paused: Option<Moment>,
    /// When it last went on after being frozen, on the world's clock.
    pub thawed: Moment,
    /// What the supervisor knows of each peer.
    pub memory: BTreeMap<NodeName, PeerMemory>,
    /// What peers go by, as the supervisor knows it.
    pub(super) pace: Option<Pace>,
    /// It was active since its daemon started.
    pub(super) active: bool,
    /// Added to the world's clock gives its wall clock beyond [`WALL_AT_START`], in nanoseconds.
    pub wall_offset: i64,
    /// Its boot, on the world's clock, in nanoseconds; may lie before the world's beginning.
    pub booted: i64,
    /// What its clients have to do with.
    pub(super) office: Office,
    pub(super) leaving: bool,
    pub(super) core: Option<Core>,
    pub(super) core_due: bool,
    /// When the packet arrived that its core handles.
    pub(super) reads: Option<Moment>,
    socket: VecDeque<Packet>,
    socket_bytes: usize,
}

impl Machine {
    /// A machine whose daemon was never started.
    #[must_use]
    pub fn new(settings: Settings, generation: Generation) -> Self {
        Self {
            disk: Disk {
                uuid: settings.uuid,
                generation,
                peers: BTreeMap::new(),
            },
            settings,
            media: Vec::new(),
            life: Life::Off,
            frozen: false,
            paused: None,
            thawed: Moment(0),
            memory: BTreeMap::new(),
            pace: None,
            active: false,
            wall_offset: 0,
            booted: 0,
            office: Office::new(0),
            leaving: false,
            core: None,
            core_due: false,
            reads: None,
            socket: VecDeque::new(),
            socket_bytes: 0,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &NodeName {
        &self.settings.node
    }

    /// True where a core runs and gets processor time.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.life == Life::Running && !self.frozen
    }

    /// Both clocks of this machine where the world's clock shows `at`.
    #[must_use]
    pub fn clocks(&self, at: Moment) -> Now {
        let nanos = i64::try_from(at.0).unwrap_or(i64::MAX);
        let boot = u64::try_from(nanos - self.booted).unwrap_or(0);
        let wall = WALL_AT_START
            .saturating_add(at.0)
            .saturating_add_signed(self.wall_offset);
        Now {
            boot: Moment(boot),
            wall: Wall(wall),
        }
    }

    /// It goes on; where its clocks stood still, they show what they showed.
    pub(super) fn resume(&mut self, now: Moment) {
        self.thawed = now;
        if let Some(since) = self.paused.take() {
            let stood = i64::try_from((now.0).saturating_sub(since.0)).unwrap_or(0);
            self.booted += stood;
            self.wall_offset -= stood;
        }
    }

    /// What the world's clock shows where this machine's boot clock shows `boot`.
    #[must_use]
    pub fn world_time(&self, boot: Moment) -> Moment {
        Moment(boot.0.saturating_add_signed(self.booted))
    }

    /// What the next core starts from. Counts the generation up, on disk first.
    pub(super) fn next_start(&mut self, quick_restart: bool, seed: u64) -> Start {
        self.disk.generation = self.disk.generation.next();
        let former_pace = self.pace.filter(|_| quick_restart);
        self.active &= quick_restart;
        if former_pace.is_none() {
            self.pace = Some(self.settings.times().pace());
        }
        let memory = if quick_restart {
            &self.memory
        } else {
            &self.disk.peers
        };
        Start {
            generation: self.disk.generation,
            seed,
            quick_restart,
            cause: None,
            memory: memory.values().cloned().collect(),
            former_pace,
            active: self.active,
        }
    }

    /// Keeps what the core wants the next one to know.
    pub(super) fn remember(&mut self, memory: PeerMemory) {
        let durable = PeerMemory {
            node: memory.node.clone(),
            uuid: memory.uuid,
            generation: memory.generation,
            live: None,
        };
        self.disk.peers.insert(memory.node.clone(), durable);
        self.memory.insert(memory.node.clone(), memory);
    }

    /// The disk is lost: another identity, the generation from the clock as Heartbeat 3.0.6 does
    /// without its file, and nothing known of peers.
    pub fn lose_disk(&mut self, uuid: Uuid, at: Moment) {
        self.disk = Disk {
            uuid,
            generation: Generation(self.clocks(at).wall.seconds()),
            peers: BTreeMap::new(),
        };
    }

    /// A packet reaches the socket. False where it is dropped: no daemon, or no room.
    pub(super) fn arrive(&mut self, packet: Packet) -> bool {
        let bytes = packet.bytes.len() + PACKET_OVERHEAD_BYTES;
        if self.life == Life::Off || self.socket_bytes + bytes > SOCKET_BYTES_MAX {
            return false;
        }
        self.socket_bytes += bytes;
        self.socket.push_back(packet);
        true
    }

    pub(super) fn take_packet(&mut self) -> Option<Packet> {
        let packet = self.socket.pop_front()?;
        self.socket_bytes -= packet.bytes.len() + PACKET_OVERHEAD_BYTES;
        Some(packet)
    }

    /// A supervisor begins, and no client is connected to it.
    pub(super) fn begin(&mut self, node: NodeIndex) {
        self.life = Life::BetweenCores;
        self.memory.clone_from(&self.disk.peers);
        // No two lives of any supervisor share it.
        let life = self.disk.generation.0 << 8 | node.0 as u64;
        self.office = Office::new(life);
        self.leaving = false;
    }

    /// Every process of hbd ends.
    pub(super) fn end(&mut self) {
        self.life = Life::Off;
        self.core = None;
        self.core_due = false;
        self.memory.clear();
        self.socket.clear();
        self.socket_bytes = 0;
    }
}
