//! `ether DEV [ETHERTYPE [GROUP]]`: to an Ethernet group, in frames of their own.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use hbd_core::wire::ether::{Channel, Joiner, Splitter};
use nix::net::if_::if_indextoname;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, recvfrom, send, socket,
};
use shared::config::{self, MediumKind};
use shared::event::MediumStatus;

use super::interface::Interfaces;
use super::socket::{During, OpenError};
use super::{Binding, Kind, Medium, PACKET_MAX, Received, SendError};
use crate::sys;

pub(super) const KIND: Kind = Kind {
    word: "ether",
    describe,
    bind,
    open,
    attach,
};

/// What needs a right.
pub(super) const OPEN: &str = "open packet socket for";
/// `ARPHRD_ETHER` and `ARPHRD_LOOPBACK` of `linux/if_arp.h`: whose frames have Ethernet's head.
const FRAMED: [u16; 2] = [libc::ARPHRD_ETHER, libc::ARPHRD_LOOPBACK];
/// Longest frame: what the kernel hands over of a packet that it put together.
const FRAME_MAX: usize = PACKET_MAX + 64;

fn describe(medium: &config::Medium) -> String {
    match &medium.kind {
        MediumKind::Ether { ethertype, group } => {
            format!("ether {} type {ethertype:#06x} to {group}", medium.device)
        }
        other => other.word().to_owned(),
    }
}

fn bind(medium: &config::Medium, interfaces: &Interfaces) -> Result<Binding, MediumStatus> {
    let MediumKind::Ether { ethertype, group } = &medium.kind else {
        return Err(super::not_of_this_kind(medium));
    };
    Ok(Binding {
        index: super::device(medium, interfaces)?.index,
        frames: Some((*ethertype, *group)),
        ..Binding::default()
    })
}

fn open(medium: &config::Medium, binding: &Binding) -> Result<Vec<OwnedFd>, OpenError> {
    let MediumKind::Ether { ethertype, group } = medium.kind else {
        return Err(super::not_opened(medium));
    };
    let device = &medium.device;
    // Of no type until it is bound: else frames of all interfaces come first.
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None).during(OPEN, device)?;
    sys::bind_to_frames(&socket, binding.index, ethertype).during("bind to", device)?;
    let (kind, _) = sys::interface_of(&socket).during("ask the type of", device)?;
    if !FRAMED.contains(&kind) {
        let reason = format!("interface {device} is no Ethernet");
        return Err(io::Error::other(reason)).during("open", medium.kind.word());
    }
    sys::join_link_group(&socket, binding.index, group.octets())
        .during("join", format_args!("group {group} on {device}"))?;
    // Before Linux 4.20 what goes out comes back, and is dropped later.
    let _ = sys::ignore_outgoing(&socket);
    Ok(vec![socket])
}

fn attach(descriptors: Vec<OwnedFd>, binding: &Binding) -> io::Result<Box<dyn Medium>> {
    let [socket] = <[OwnedFd; 1]>::try_from(descriptors)
        .map_err(|_| io::Error::other("an Ethernet medium has one descriptor"))?;
    let (ethertype, group) = binding
        .frames
        .ok_or_else(|| io::Error::other("an Ethernet medium has a type and a group"))?;
    let (_, own) = sys::interface_of(&socket)?;
    let channel = Channel {
        own: own.into(),
        group,
        ethertype,
    };
    Ok(Box::new(Ether {
        mtu: mtu(&socket, binding.index)?,
        socket,
        index: binding.index,
        splitter: Splitter::new(channel),
        joiner: Joiner::new(channel),
        frame: vec![0; FRAME_MAX].into(),
    }))
}

/// Of an interface, whatever it is called by now.
fn mtu(socket: &OwnedFd, index: u32) -> io::Result<usize> {
    sys::mtu(socket, &if_indextoname(index)?)
}

struct Ether {
    socket: OwnedFd,
    index: u32,
    mtu: usize,
    splitter: Splitter,
    joiner: Joiner,
    frame: Box<[u8]>,
}

impl Ether {
    fn send_frames(&mut self, packet: &[u8]) -> io::Result<()> {
        let descriptor = self.socket.as_raw_fd();
        self.splitter.split(packet, self.mtu, |frame| {
            send(descriptor, frame, MsgFlags::MSG_DONTWAIT)?;
            Ok(())
        })
    }
}

impl Medium for Ether {
    fn receiver(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), SendError> {
        let mut sent = self.send_frames(packet);
        // The interface may have another MTU by now.
        if sent.as_ref().err().and_then(io::Error::raw_os_error) == Some(libc::EMSGSIZE) {
            sent = mtu(&self.socket, self.index).and_then(|mtu| {
                self.mtu = mtu;
                self.send_frames(packet)
            });
        }
        let group = self.splitter.group();
        sent.map_err(|error| SendError {
            to: group.to_string(),
            error,
        })
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let (length, from) = recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut self.frame)?;
        // Of another VLAN, whose tag the kernel took off; or this node's own.
        let other = [libc::PACKET_OTHERHOST, libc::PACKET_OUTGOING];
        let is_other = from.is_some_and(|from| other.contains(&from.pkttype()));
        let frame = self.frame.get(..length).filter(|_| !is_other);
        Ok(Received {
            length: frame.and_then(|frame| self.joiner.take(frame, buffer)),
            last: false,
        })
    }
}
