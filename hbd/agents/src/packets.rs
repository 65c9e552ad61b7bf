//! A packet socket on one interface (`packet(7)`).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, recvfrom, send, socket,
};

use crate::sys;

/// Frames of every kind (`linux/if_ether.h`).
const EVERY_KIND: u16 = libc::ETH_P_ALL as u16;
/// What is kept of a frame: more than the heads that are read.
const FRAME_MAX: usize = 128;

/// Frames of one kind, or of all, on one interface.
#[derive(Debug)]
pub struct Packets {
    socket: OwnedFd,
}

impl Packets {
    /// For frames of a kind, as many as the filter takes. Hears nothing that was sent before.
    pub(crate) fn open(index: u32, kind: u16, filter: &[(u16, u8, u8, u32)]) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        // Without a kind of frames it hears nothing until it is bound.
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
        if !filter.is_empty() {
            sys::filter_packets(socket.as_fd(), filter)?;
        }
        sys::bind_packets(socket.as_fd(), index, kind)?;
        Ok(Self { socket })
    }

    /// For whatever comes to the interface of that number.
    ///
    /// # Errors
    /// `EPERM` without the right to it.
    pub fn of_every_kind(index: u32) -> io::Result<Self> {
        Self::open(index, EVERY_KIND, &[])
    }

    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        send(self.socket.as_raw_fd(), frame, MsgFlags::empty())?;
        Ok(())
    }

    /// The begin of the next frame that came, if there is one. Of those that go out, nothing is left.
    ///
    /// # Errors
    /// Where the interface went down.
    pub fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut frame = vec![0; FRAME_MAX];
        match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut frame) {
            Ok((length, from)) => {
                let goes_out = from.is_some_and(|from| from.pkttype() == libc::PACKET_OUTGOING);
                frame.truncate(if goes_out { 0 } else { length });
                Ok(Some(frame))
            }
            Err(Errno::EAGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Packets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
