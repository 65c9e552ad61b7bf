//! Echo requests of several sizes to several hosts, over one interface.
//!
//! A raw socket where that is permitted; else one that the kernel gives to groups in the range of
//! `net.ipv4.ping_group_range` (`icmp(7)`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use hbd_core::wire::icmp::{Echo, Shape};
use nix::sys::socket::{SockaddrStorage, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};

use crate::sys;

/// Sizes of the heads of IPv4, IPv6 and ICMP.
const HEAD_4: u32 = 20;
const HEAD_6: u32 = 40;
const HEAD_ICMP: u32 = 8;
/// What is kept of a packet: more than its heads.
const PACKET_MAX: usize = 256;
/// Packets taken in one go: a raw socket hears the replies to others, too.
const PACKETS_AT_ONCE: usize = 256;

/// Pings, of one family.
pub(super) struct Pinger {
    socket: Socket,
    echo: Echo,
    is_v4: bool,
    index: u32,
    /// Each request, by its number.
    requests: Vec<Request>,
}

/// A request.
struct Request {
    to: IpAddr,
    size: u32,
    answered: bool,
}

impl Pinger {
    /// Over the interface of that number and name, to addresses like that one.
    pub(super) fn open(index: u32, interface: &str, like: IpAddr) -> io::Result<Self> {
        let is_v4 = like.is_ipv4();
        let (domain, protocol) = match is_v4 {
            true => (Domain::IPV4, Protocol::ICMPV4),
            false => (Domain::IPV6, Protocol::ICMPV6),
        };
        let new = |kind: Type| Socket::new(domain, kind.nonblocking().cloexec(), Some(protocol));
        let (socket, is_raw) = match new(Type::RAW) {
            Ok(socket) => (socket, true),
            Err(_) => (new(Type::DGRAM)?, false),
        };
        socket.bind_device(Some(interface.as_bytes()))?;
        sys::set_unfragmented(&socket, is_v4)?;
        let shape = match (is_v4, is_raw) {
            (true, true) => Shape::V4WithHead,
            (true, false) => Shape::V4,
            (false, _) => Shape::V6,
        };
        let id = id(&socket, is_v4, is_raw)?;
        Ok(Self {
            socket,
            echo: Echo::new(shape, id),
            is_v4,
            index,
            requests: Vec::new(),
        })
    }

    /// Whether it pings addresses of IPv4.
    pub(super) fn is_v4(&self) -> bool {
        self.is_v4
    }

    /// Sends a packet of that size, heads included.
    pub(super) fn send(&mut self, to: IpAddr, size: u32) -> io::Result<()> {
        let (head, address) = match to {
            IpAddr::V4(_) => (HEAD_4, SocketAddr::new(to, 0)),
            IpAddr::V6(v6) => {
                let scope = if v6.is_unicast_link_local() {
                    self.index
                } else {
                    0
                };
                (HEAD_6, SocketAddrV6::new(v6, 0, 0, scope).into())
            }
        };
        let payload = vec![0; size.saturating_sub(head + HEAD_ICMP) as usize];
        let request = self.echo.request(&payload);
        self.requests.push(Request {
            to,
            size,
            answered: false,
        });
        self.socket.send_to(request, &address.into())?;
        Ok(())
    }

    /// The hosts that answered since the last time, with the sizes of what they answered.
    pub(super) fn answers(&mut self) -> Vec<(IpAddr, u32)> {
        let mut answers = Vec::new();
        for _ in 0..PACKETS_AT_ONCE {
            let mut packet = [0; PACKET_MAX];
            let received = recvfrom::<SockaddrStorage>(self.socket.as_raw_fd(), &mut packet);
            let Ok((length, from)) = received else {
                break;
            };
            let packet = packet.get(..length).unwrap_or_default();
            answers.extend(self.answer(packet, from.as_ref().and_then(address)));
        }
        answers
    }

    /// Each request is answered once.
    fn answer(&mut self, packet: &[u8], from: Option<IpAddr>) -> Option<(IpAddr, u32)> {
        let (number, _) = self.echo.reply_to_any(packet)?;
        let request = self.requests.get_mut(usize::from(number))?;
        let counts = !request.answered && from == Some(request.to);
        request.answered |= counts;
        counts.then_some((request.to, request.size))
    }
}

impl AsFd for Pinger {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Tells the replies to this socket from those to others. The kernel gives it; that of a raw socket follows from its
/// cookie, which no other socket of this machine has.
fn id(socket: &Socket, is_v4: bool, is_raw: bool) -> io::Result<u16> {
    if is_raw {
        let [.., high, low] = socket.cookie()?.to_be_bytes();
        return Ok(u16::from_be_bytes([high, low]));
    }
    let any: IpAddr = match is_v4 {
        true => Ipv4Addr::UNSPECIFIED.into(),
        false => Ipv6Addr::UNSPECIFIED.into(),
    };
    socket.bind(&SocketAddr::new(any, 0).into())?;
    let own = socket.local_addr()?.as_socket();
    Ok(own.ok_or(io::ErrorKind::AddrNotAvailable)?.port())
}

fn address(socket: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = socket.as_sockaddr_in().map(|v4| v4.ip().into());
    v4.or(socket.as_sockaddr_in6().map(|v6| v6.ip().into()))
}
