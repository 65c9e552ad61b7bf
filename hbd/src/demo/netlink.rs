//! The few requests to the kernel's network that a stage of namespaces needs (`rtnetlink(7)`).
//!
//! ```text
//! nlmsghdr (16 bytes)   length, type, flags, sequence, port
//! ifinfomsg or ifaddrmsg
//! rtattr ...            length, type, value, padding to 4 bytes; values may hold attributes
//! ```
//!
//! Every request asks for an acknowledgement, and the kernel gives it before `send` returns. A
//! socket belongs to the network namespace in which it was opened, wherever its owner goes
//! afterwards.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

const HEADER: usize = 16;
/// Size of `ifinfomsg`; the interface's number stands at 4 and its flags at 8.
const LINK: usize = 16;
/// Alignment of attributes.
const ALIGN: usize = 4;
/// More than the kernel answers about one interface.
const ANSWER_MAX: usize = 32 * 1024;

// linux/if_link.h and linux/veth.h
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
// linux/if_addr.h
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;

/// A connection to the network of the namespace it was opened in.
pub(super) struct Network {
    socket: OwnedFd,
    sequence: u32,
}

/// An IPv4 address and its network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    pub(super) own: Ipv4Addr,
    pub(super) broadcast: Ipv4Addr,
    pub(super) prefix: u8,
}

impl Network {
    /// Opens the network of the namespace this process is in.
    pub(super) fn open() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Makes a bridge.
    pub(super) fn add_bridge(&mut self, name: &str) -> io::Result<()> {
        let mut request = Request::link(libc::RTM_NEWLINK, CREATE, 0);
        request.text(IFLA_IFNAME, name);
        request.nest(IFLA_LINKINFO, |info| info.text(IFLA_INFO_KIND, "bridge"));
        self.order(request)
    }

    /// Makes a pair of interfaces: `name` here, `peer_name` in the namespace `peer_home`.
    pub(super) fn add_pair(
        &mut self,
        name: &str,
        peer_name: &str,
        peer_home: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let mut request = Request::link(libc::RTM_NEWLINK, CREATE, 0);
        request.text(IFLA_IFNAME, name);
        request.nest(IFLA_LINKINFO, |info| {
            info.text(IFLA_INFO_KIND, "veth");
            info.nest(IFLA_INFO_DATA, |data| {
                data.nest(VETH_INFO_PEER, |peer| {
                    peer.bytes.extend_from_slice(&[0; LINK]);
                    peer.text(IFLA_IFNAME, peer_name);
                    peer.attribute(IFLA_NET_NS_FD, &peer_home.as_raw_fd().to_ne_bytes());
                });
            });
        });
        self.order(request)
    }

    /// Plugs an interface into a bridge.
    pub(super) fn plug(&mut self, name: &str, bridge: &str) -> io::Result<()> {
        let (index, bridge) = (self.index(name)?, self.index(bridge)?);
        let mut request = Request::link(libc::RTM_NEWLINK, 0, index);
        request.attribute(IFLA_MASTER, &bridge.to_ne_bytes());
        self.order(request)
    }

    /// Switches an interface on.
    pub(super) fn raise(&mut self, name: &str) -> io::Result<()> {
        let index = self.index(name)?;
        let mut request = Request::link(libc::RTM_NEWLINK, 0, index);
        let up = (libc::IFF_UP as u32).to_ne_bytes();
        request.bytes[HEADER + 8..HEADER + 12].copy_from_slice(&up);
        request.bytes[HEADER + 12..HEADER + 16].copy_from_slice(&up);
        self.order(request)
    }

    /// Gives an interface an address.
    pub(super) fn add_address(&mut self, name: &str, address: Address) -> io::Result<()> {
        let index = self.index(name)?.to_ne_bytes();
        let mut request = Request::new(libc::RTM_NEWADDR, CREATE);
        let family = u8::try_from(libc::AF_INET).unwrap_or(0);
        let (flags, scope) = (0, 0);
        request
            .bytes
            .extend_from_slice(&[family, address.prefix, flags, scope]);
        request.bytes.extend_from_slice(&index);
        request.attribute(IFA_LOCAL, &address.own.octets());
        request.attribute(IFA_ADDRESS, &address.own.octets());
        request.attribute(IFA_BROADCAST, &address.broadcast.octets());
        self.order(request)
    }

    fn index(&mut self, name: &str) -> io::Result<u32> {
        let mut request = Request::link(libc::RTM_GETLINK, 0, 0);
        request.text(IFLA_IFNAME, name);
        let answer = self.ask(request)?;
        match number(&answer, HEADER + 4) {
            Some(index) if kind(&answer) == Some(libc::RTM_NEWLINK) => Ok(index),
            _ => Err(unreadable()),
        }
    }

    /// Sends a request whose only answer is whether it succeeded.
    fn order(&mut self, request: Request) -> io::Result<()> {
        let answer = self.ask(request)?;
        match kind(&answer) {
            Some(ACKNOWLEDGED) => Ok(()),
            _ => Err(unreadable()),
        }
    }

    fn ask(&mut self, request: Request) -> io::Result<Vec<u8>> {
        self.sequence += 1;
        let bytes = request.finish(self.sequence);
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut answer = vec![0; ANSWER_MAX];
        let length = recv(self.socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        answer.truncate(length);
        if kind(&answer) == Some(ACKNOWLEDGED) {
            let code = number(&answer, HEADER).ok_or_else(unreadable)?;
            let code = i32::from_ne_bytes(code.to_ne_bytes());
            if code != 0 {
                return Err(io::Error::from_raw_os_error(-code));
            }
        }
        Ok(answer)
    }
}

/// `NLMSG_ERROR`, which with code 0 is the acknowledgement.
const ACKNOWLEDGED: u16 = 2;
const CREATE: u16 = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;

fn kind(answer: &[u8]) -> Option<u16> {
    let bytes = answer.get(4..6)?;
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

fn number(answer: &[u8], at: usize) -> Option<u32> {
    let bytes = answer.get(at..at + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn unreadable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "unreadable answer of rtnetlink")
}

/// A request, or the inside of an attribute.
struct Request {
    bytes: Vec<u8>,
}

impl Request {
    fn new(kind: u16, flags: u16) -> Self {
        let question = kind == libc::RTM_GETLINK;
        let acknowledge = if question { 0 } else { libc::NLM_F_ACK };
        let flags = flags | (libc::NLM_F_REQUEST | acknowledge) as u16;
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        Self { bytes }
    }

    /// A request about an interface; number 0: the one its attributes name.
    fn link(kind: u16, flags: u16, index: u32) -> Self {
        let mut request = Self::new(kind, flags);
        request.bytes.extend_from_slice(&[0; LINK]);
        request.bytes[HEADER + 4..HEADER + 8].copy_from_slice(&index.to_ne_bytes());
        request
    }

    fn text(&mut self, kind: u16, text: &str) {
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        self.attribute(kind, &value);
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.nest(kind, |inside| inside.bytes.extend_from_slice(value));
    }

    fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(&[0; ALIGN]);
        fill(self);
        let length = self.bytes.len() - begin;
        let length = u16::try_from(length).expect("our attributes are short");
        self.bytes[begin..begin + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes[begin + 2..begin + 4].copy_from_slice(&kind.to_ne_bytes());
        self.bytes
            .resize(self.bytes.len().next_multiple_of(ALIGN), 0);
    }

    fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).expect("our requests are short");
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_count_what_they_hold() {
        let mut request = Request::link(libc::RTM_NEWLINK, CREATE, 0);
        request.nest(IFLA_LINKINFO, |info| info.text(IFLA_INFO_KIND, "veth"));
        let bytes = request.finish(1);
        assert_eq!(bytes.len(), HEADER + LINK + 4 + 12);
        let attributes = &bytes[HEADER + LINK..];
        assert_eq!(attributes[..2], 16_u16.to_ne_bytes());
        assert_eq!(attributes[2..4], IFLA_LINKINFO.to_ne_bytes());
        assert_eq!(&attributes[8..13], b"veth\0");
        assert_eq!(bytes[..4], 48_u32.to_ne_bytes());
    }

    #[test]
    fn an_interface_that_is_not_there_is_an_error_of_the_kernel() {
        let mut network = Network::open().expect("anyone may ask");
        let error = network
            .raise("no-such-device")
            .expect_err("it is not there");
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }
}
