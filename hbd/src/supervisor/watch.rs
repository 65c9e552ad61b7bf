//! Wakes up when links or addresses of this machine change (`rtnetlink(7)`). What changed is read
//! from the interfaces afterwards: notices may be lost, and a list cannot be.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys;

/// Groups of notices.
const GROUPS: i32 = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;

/// Notices taken before the interfaces are looked at.
const NOTICES_AT_ONCE: usize = 256;

/// The socket notices come from.
pub(super) struct Watch {
    socket: AsyncFd<OwnedFd>,
}

impl Watch {
    /// Needs a runtime.
    pub(super) fn new() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkRoute,
        )?;
        bind(
            socket.as_raw_fd(),
            &NetlinkAddr::new(0, GROUPS.unsigned_abs()),
        )?;
        Ok(Self {
            socket: sys::watch(socket, Interest::READABLE)?,
        })
    }

    /// Ends after a change, once everything noticed so far was taken.
    pub(super) async fn changed(&self) -> io::Result<()> {
        let mut ready = self.socket.readable().await?;
        let mut buffer = [0; 8192];
        for _ in 0..NOTICES_AT_ONCE {
            match recv(
                ready.get_inner().as_raw_fd(),
                &mut buffer,
                MsgFlags::MSG_DONTWAIT,
            ) {
                Ok(0) | Err(Errno::EAGAIN) => {
                    ready.clear_ready();
                    break;
                }
                // More notices than the socket holds: one is as good as many.
                Ok(_) | Err(Errno::ENOBUFS | Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
