//! How late beats are on the wire: a listener on the same switch, and the kernel's own time of each packet's arrival,
//! so that neither the sender's clock nor the listener's turn on a processor counts.
//!
//! A beat belongs to a moment of a grid with one line every keepalive. Where the grid lies is known from the earliest
//! beat alone: lateness is measured against that one, which leaves out what sending always takes.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hbd_core::wire::decode_unverified;
use hbd_core::wire::ether::{Channel, Joiner};
use hbd_tests::error::{Error, file, unexpected};
use hbd_tests::namespaces::Namespace;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;
use pnet_base::MacAddr;
use socket2::{Domain, Protocol, Socket, Type};

use crate::pair::DATAGRAMS;

/// hbd's port.
const PORT: u16 = 694;
/// The listener looks this often whether it should end.
const LOOK_MS: u16 = 100;
const PACKET_MAX: usize = 65_536;

/// What beats are listened for on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Over {
    Datagrams,
    Frames,
}

impl Over {
    /// The line of `ha.cf`.
    pub(crate) fn line(self) -> &'static str {
        match self {
            Self::Datagrams => DATAGRAMS,
            Self::Frames => "ether eth0",
        }
    }

    /// A socket that everything comes to.
    fn listen(self, machine: &Namespace) -> Result<OwnedFd, Error> {
        match self {
            Self::Datagrams => machine.udp_socket(PORT).map(OwnedFd::from),
            Self::Frames => {
                let opened = machine.inside(frames).and_then(|opened| opened);
                file("listen for frames", opened)
            }
        }
    }

    /// The packet in what came.
    fn packet<'a>(self, came: &'a [u8], room: &'a mut [u8]) -> Option<&'a [u8]> {
        match self {
            Self::Datagrams => Some(came),
            // A beat fits into one frame.
            Self::Frames => {
                let length = Joiner::new(CHANNEL).take(came, room)?;
                room.get(..length)
            }
        }
    }
}

/// Of `ether` where nothing else is said (ha.cf(5)), and of nobody's own interface.
const CHANNEL: Channel = Channel {
    own: MacAddr(0, 0, 0, 0, 0, 0),
    group: MacAddr(0x03, 0x00, b'h', b'b', b'd', 0x01),
    ethertype: 0x88b5,
};

fn frames() -> io::Result<OwnedFd> {
    let protocol = Protocol::from(i32::from(CHANNEL.ethertype.to_be()));
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), Some(protocol))?;
    Ok(socket.into())
}

/// A beat: its number, and when it arrived, on the wall clock in nanoseconds.
type Beat = (u64, i64);

/// Listens to the beats of one node.
pub(crate) struct Listener {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Beat>, Errno>>,
}

impl Listener {
    /// Listens on a machine beside the node.
    pub(crate) fn start(
        machine: &Namespace,
        over: Over,
        node: &'static str,
    ) -> Result<Self, Error> {
        let socket = over.listen(machine)?;
        let wanted = setsockopt(&socket, ReceiveTimestampns, &true);
        wanted.map_err(|errno| Error::Unexpected(format!("times of packets: {errno}")))?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || listen(&socket, over, node, &told));
        Ok(Self { stop, thread })
    }

    /// How late each beat was, sorted.
    pub(crate) fn finish(self, keepalive: Duration) -> Result<Vec<Duration>, Error> {
        self.stop.store(true, Ordering::Relaxed);
        let beats = match self.thread.join() {
            Ok(Ok(beats)) => beats,
            Ok(Err(errno)) => return unexpected(format!("listening for beats: {errno}")),
            Err(_) => return unexpected("the listener ended early"),
        };
        let mut late = lateness(&beats, keepalive);
        late.sort_unstable();
        Ok(late)
    }
}

/// The value below which so many of 1,000 lie.
pub(crate) fn quantile(sorted: &[Duration], per_mille: usize) -> Duration {
    let place = (sorted.len() * per_mille / 1000).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().unwrap_or_default()
}

fn listen(socket: &OwnedFd, over: Over, node: &str, stop: &AtomicBool) -> Result<Vec<Beat>, Errno> {
    let mut beats = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let mut ready = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        poll(&mut ready, PollTimeout::from(LOOK_MS))?;
        while let Some(beat) = receive(socket, over, node)? {
            beats.extend(beat);
        }
    }
    Ok(beats)
}

/// The next packet: nothing where there is none, `Some(None)` where it is no beat of the node.
fn receive(socket: &OwnedFd, over: Over, node: &str) -> Result<Option<Option<Beat>>, Errno> {
    let (mut bytes, mut room) = ([0; PACKET_MAX], [0; PACKET_MAX]);
    let mut space = nix::cmsg_space!(TimeSpec);
    let mut pieces = [IoSliceMut::new(&mut bytes)];
    let received = recvmsg::<()>(
        socket.as_raw_fd(),
        &mut pieces,
        Some(&mut space),
        MsgFlags::empty(),
    );
    let message = match received {
        Err(Errno::EAGAIN) => return Ok(None),
        received => received?,
    };
    let time = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(time) => Some(time),
        _ => None,
    });
    let length = message.bytes;
    let packet = over.packet(&bytes[..length], &mut room);
    let beat = packet
        .and_then(|packet| decode_unverified(packet).ok())
        .filter(|packet| packet.claimed_type() == "status" && packet.claimed_src() == Some(node));
    let number = beat.and_then(|beat| beat.claimed_sequence());
    let arrival = time.map(|time| time.tv_sec() * 1_000_000_000 + time.tv_nsec());
    Ok(Some(number.map(|number| number.0).zip(arrival)))
}

/// Each beat against the grid. A beat that is late by more than a keepalive begins a new one, as it does in the core.
fn lateness(beats: &[Beat], keepalive: Duration) -> Vec<Duration> {
    let step = i64::try_from(keepalive.as_nanos()).unwrap_or(i64::MAX);
    let mut late = Vec::new();
    let mut offsets: Vec<i64> = Vec::new();
    let mut begin: Option<Beat> = None;
    for &(number, arrival) in beats {
        let (first, origin) = *begin.get_or_insert((number, arrival));
        let lines = i64::try_from(number.saturating_sub(first)).unwrap_or(i64::MAX);
        let offset = arrival - origin - lines.saturating_mul(step);
        let earliest = offsets.iter().min().copied().unwrap_or(offset);
        if offset - earliest > step {
            late.extend(against_earliest(&offsets));
            late.push(nanos(offset - earliest));
            offsets = vec![0];
            begin = Some((number, arrival));
        } else {
            offsets.push(offset);
        }
    }
    late.extend(against_earliest(&offsets));
    late
}

fn against_earliest(offsets: &[i64]) -> Vec<Duration> {
    let earliest = offsets.iter().min().copied().unwrap_or(0);
    offsets
        .iter()
        .map(|offset| nanos(offset - earliest))
        .collect()
}

fn nanos(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// What [`lateness`] makes of beats whose lateness is known; run with the figures, since this suite has no unit tests.
pub(crate) fn check_arithmetic() -> Result<(), Error> {
    const MS: i64 = 1_000_000;
    let beats = [(5, 103), (6, 110), (7, 121), (9, 140), (10, 165), (11, 176)];
    let beats: Vec<Beat> = beats.iter().map(|&(n, ms)| (n, ms * MS)).collect();
    let found = lateness(&beats, Duration::from_millis(10));
    let known = [3, 0, 1, 0, 15, 0, 1].map(Duration::from_millis);
    if found == known {
        return Ok(());
    }
    unexpected(format!("lateness of known beats: {found:?}, not {known:?}"))
}
