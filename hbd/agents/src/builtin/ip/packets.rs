//! A packet socket on one interface (`packet(7)`), for frames about one address.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socket};

use super::frame;
use crate::sys;

/// Longer than any frame that is read.
const FRAME_MAX: usize = 128;

#[derive(Debug)]
pub(super) struct Packets {
    socket: OwnedFd,
}

impl Packets {
    /// Hears nothing that was sent before.
    pub(super) fn open(index: u32, ip: IpAddr) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        // Without a kind of frames it hears nothing until it is bound.
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
        if ip.is_ipv6() {
            sys::filter_packets(socket.as_fd(), &frame::ADVERTISEMENTS_ONLY)?;
        }
        sys::bind_packets(socket.as_fd(), index, frame::kind(ip))?;
        Ok(Self { socket })
    }

    pub(super) fn send(&self, frame: &[u8]) -> io::Result<()> {
        send(self.socket.as_raw_fd(), frame, MsgFlags::empty())?;
        Ok(())
    }

    /// The next frame, if there is one.
    pub(super) fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut frame = vec![0; FRAME_MAX];
        match recv(self.socket.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => {
                frame.truncate(length);
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
