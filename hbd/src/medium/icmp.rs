//! What the kinds that ping have in common: one socket for echo requests to fixed hosts.
//!
//! A raw socket where that is permitted; else one that the kernel gives to groups in the range of
//! `net.ipv4.ping_group_range`, and which takes and brings echoes alone (`icmp(7)`). A raw socket gets a
//! copy of whatever ICMP comes; a filter in the kernel leaves the replies to this socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use hbd_core::wire::icmp::{Echo, Shape};
use nix::sys::socket::{SockaddrStorage, recvfrom};
use socket2::{Domain, Protocol, SockAddr, SockFilter, Socket, Type};

use super::socket::{During, OpenError};
use super::{Binding, Medium, PACKET_MAX, Received, SendError};

/// What needs a right.
pub(super) const OPEN: &str = "open ICMP socket for";
/// A payload behind the longest heads.
const REPLY_MAX: usize = PACKET_MAX + 64;

/// The socket for hosts that are named as `object`.
pub(super) fn open(domain: Domain, object: &str) -> Result<Vec<OwnedFd>, OpenError> {
    let (protocol, any): (_, IpAddr) = match domain {
        Domain::IPV6 => (Protocol::ICMPV6, Ipv6Addr::UNSPECIFIED.into()),
        _ => (Protocol::ICMPV4, Ipv4Addr::UNSPECIFIED.into()),
    };
    let new = |kind: Type| {
        let kind = kind.nonblocking().cloexec();
        Socket::new(domain, kind, Some(protocol))
    };
    let socket = match new(Type::RAW) {
        Ok(socket) => {
            leave_replies(&socket).during("filter what comes to", object)?;
            socket
        }
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            let socket = new(Type::DGRAM).during(OPEN, object)?;
            // The kernel chooses the id.
            let any = SocketAddr::new(any, 0);
            socket.bind(&any.into()).during("bind", any)?;
            socket
        }
        Err(error) => return Err(error).during(OPEN, object),
    };
    Ok(vec![socket.into()])
}

/// Has the kernel drop whatever is no reply to this raw socket.
fn leave_replies(socket: &Socket) -> io::Result<()> {
    const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_IND) as u16;
    const LOAD_SHORT: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_IND) as u16;
    const LOAD_HEAD_LENGTH: u16 = (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16;
    const LOAD_NO_LENGTH: u16 = (libc::BPF_LDX | libc::BPF_W | libc::BPF_IMM) as u16;
    const UNLESS_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    /// Where the id stands (RFC 792, RFC 4443).
    const ID: u32 = 4;
    let (shape, id) = shape_and_id(socket)?;
    let behind_head = match shape {
        Shape::V4WithHead => LOAD_HEAD_LENGTH,
        Shape::V4 | Shape::V6 => LOAD_NO_LENGTH,
    };
    socket.attach_filter(&[
        SockFilter::new(behind_head, 0, 0, 0),
        SockFilter::new(LOAD_BYTE, 0, 0, 0),
        SockFilter::new(UNLESS_EQUAL, 0, 3, shape.reply_type().into()),
        SockFilter::new(LOAD_SHORT, 0, 0, ID),
        SockFilter::new(UNLESS_EQUAL, 0, 1, id.into()),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ])
}

/// What the socket brings, and the id of its requests. That of a raw socket follows from its cookie,
/// which no other socket of this machine has.
fn shape_and_id(socket: &Socket) -> io::Result<(Shape, u16)> {
    let is_raw = socket.r#type()? == Type::RAW;
    let shape = match socket.domain()? {
        Domain::IPV6 => Shape::V6,
        _ if is_raw => Shape::V4WithHead,
        _ => Shape::V4,
    };
    if is_raw {
        let [.., high, low] = socket.cookie()?.to_be_bytes();
        return Ok((shape, u16::from_be_bytes([high, low])));
    }
    let own = socket.local_addr()?.as_socket();
    let id = own.ok_or(io::ErrorKind::AddrNotAvailable)?.port();
    Ok((shape, id))
}

/// Makes the medium.
pub(super) fn attach(descriptors: Vec<OwnedFd>, binding: &Binding) -> io::Result<Box<dyn Medium>> {
    let [socket] = <[OwnedFd; 1]>::try_from(descriptors)
        .map_err(|_| io::Error::other("a medium that pings has one descriptor"))?;
    let socket = Socket::from(socket);
    let (shape, id) = shape_and_id(&socket)?;
    Ok(Box::new(Icmp {
        socket,
        hosts: binding
            .destinations
            .iter()
            .map(|host| (host.ip(), (*host).into()))
            .collect(),
        echo: Echo::new(shape, id),
        reply: vec![0; REPLY_MAX].into(),
    }))
}

fn address(socket: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = socket.as_sockaddr_in().map(|v4| v4.ip().into());
    v4.or(socket.as_sockaddr_in6().map(|v6| v6.ip().into()))
}

struct Icmp {
    socket: Socket,
    /// Each as what it answers from, and as where requests go.
    hosts: Vec<(IpAddr, SockAddr)>,
    echo: Echo,
    reply: Box<[u8]>,
}

impl Medium for Icmp {
    fn receiver(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), SendError> {
        let request = self.echo.request(packet);
        let mut result = Ok(());
        for (host, address) in &self.hosts {
            if let Err(error) = self.socket.send_to(request, address) {
                let to = host.to_string();
                result = Err(SendError { to, error });
            }
        }
        result
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let (length, from) = recvfrom::<SockaddrStorage>(self.socket.as_raw_fd(), &mut self.reply)?;
        let from = from.as_ref().and_then(address);
        let is_host = self.hosts.iter().any(|(host, _)| Some(*host) == from);
        let reply = self.reply.get(..length).filter(|_| is_host);
        let payload = reply.and_then(|reply| self.echo.reply(reply));
        let room = payload.and_then(|payload| buffer.get_mut(..payload.len()));
        let taken = payload.zip(room);
        Ok(Received {
            length: taken.map(|(payload, room)| {
                room.copy_from_slice(payload);
                payload.len()
            }),
            last: false,
        })
    }

    fn pings(&self) -> bool {
        true
    }
}
