//! Requests to the kernel's network and their answers (`rtnetlink(7)`).
//!
//! ```text
//! nlmsghdr (16 bytes)   length, type, flags, sequence, port
//! ifinfomsg, ifaddrmsg or rtmsg
//! rtattr ...            length, type, value, padding to 4 bytes; values may hold attributes
//! ```
//!
//! Each request is answered: an order by an acknowledgement, a question by a message, a list by
//! many. The kernel gives the answer before `send` returns, so nothing here waits. A socket
//! belongs to the network namespace in which it was opened, wherever its owner goes afterwards.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

/// Size of `nlmsghdr`.
const HEADER: usize = 16;
/// Alignment of messages and attributes.
const ALIGN: usize = 4;
/// More than the kernel writes at once.
const ANSWER_MAX: usize = 32 * 1024;
/// How often a list is begun anew because something changed in the middle of it.
const LIST_TRIES: usize = 5;

/// Size of `ifinfomsg`; the interface's number stands at 4 and its flags at 8.
pub const LINK: usize = 16;
/// Size of `ifaddrmsg`.
pub const ADDRESS: usize = 8;
/// Size of `rtmsg`.
pub const ROUTE: usize = 12;

// linux/netlink.h
const ACKNOWLEDGED: u16 = libc::NLMSG_ERROR as u16;
const DONE: u16 = libc::NLMSG_DONE as u16;
const QUESTION: u16 = libc::NLM_F_REQUEST as u16;
const ORDER: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
const LIST: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
const LIST_INTERRUPTED: u16 = libc::NLM_F_DUMP_INTR as u16;
/// Of an attribute: that it holds attributes, and in which order its bytes stand.
const ATTRIBUTE_FLAGS: u16 = 0xc000;

/// Make it, and fail where it is.
pub const CREATE: u16 = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
/// Change the one that is there.
pub const REPLACE: u16 = libc::NLM_F_REPLACE as u16;

/// A connection to the network of the namespace it was opened in.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    /// Opens the network of the namespace this thread is in.
    pub fn open() -> io::Result<Self> {
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

    /// Sends a request whose only answer is whether it succeeded.
    pub fn order(&mut self, request: Request) -> io::Result<()> {
        self.send(request, ORDER)?;
        let answer = self.receive()?.into_iter().next();
        answer.ok_or_else(unreadable)?.acknowledged()
    }

    /// Asks for one message.
    pub fn ask(&mut self, request: Request) -> io::Result<Message> {
        self.send(request, QUESTION)?;
        let answer = self.receive()?.into_iter().next().ok_or_else(unreadable)?;
        match answer.kind {
            ACKNOWLEDGED => Err(answer.acknowledged().err().unwrap_or_else(unreadable)),
            _ => Ok(answer),
        }
    }

    /// Asks for all messages of a kind, as they were at one moment.
    pub fn list(&mut self, request: &Request) -> io::Result<Vec<Message>> {
        for _ in 0..LIST_TRIES {
            if let Some(all) = self.list_once(request.clone())? {
                return Ok(all);
            }
        }
        Err(io::Error::other(
            "the network changes faster than it can be read",
        ))
    }

    /// Nothing where something changed meanwhile.
    fn list_once(&mut self, request: Request) -> io::Result<Option<Vec<Message>>> {
        self.send(request, LIST)?;
        let mut all = Vec::new();
        let mut whole = true;
        loop {
            for message in self.receive()? {
                whole &= message.flags & LIST_INTERRUPTED == 0;
                match message.kind {
                    DONE => return Ok(whole.then_some(all)),
                    ACKNOWLEDGED => message.acknowledged()?,
                    _ => all.push(message),
                }
            }
        }
    }

    fn send(&mut self, request: Request, flags: u16) -> io::Result<()> {
        self.sequence += 1;
        let bytes = request.finish(self.sequence, flags);
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty())?;
        Ok(())
    }

    /// What is there of the answer to the last request.
    fn receive(&mut self) -> io::Result<Vec<Message>> {
        let mut answer = vec![0; ANSWER_MAX];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        let length = recv(self.socket.as_raw_fd(), &mut answer, flags)?;
        let bytes = answer.get(..length).ok_or_else(unreadable)?;
        let mut messages = parse(bytes)?;
        // What is left of a list that was given up answers another request.
        messages.retain(|(sequence, _)| *sequence == self.sequence);
        Ok(messages.into_iter().map(|(_, message)| message).collect())
    }
}

fn unreadable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "unreadable answer of rtnetlink")
}

/// Messages with their sequences.
fn parse(mut bytes: &[u8]) -> io::Result<Vec<(u32, Message)>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let length = number(bytes, 0).ok_or_else(unreadable)? as usize;
        let body = bytes.get(HEADER..length).ok_or_else(unreadable)?;
        let sequence = number(bytes, 8).ok_or_else(unreadable)?;
        let message = Message {
            kind: short(bytes, 4).ok_or_else(unreadable)?,
            flags: short(bytes, 6).ok_or_else(unreadable)?,
            body: body.to_vec(),
        };
        all.push((sequence, message));
        bytes = bytes
            .get(length.next_multiple_of(ALIGN)..)
            .unwrap_or_default();
    }
    Ok(all)
}

/// What the kernel answered.
#[derive(Clone, Debug)]
pub struct Message {
    kind: u16,
    flags: u16,
    /// What follows `nlmsghdr`.
    pub body: Vec<u8>,
}

impl Message {
    /// What kind of message it is (`RTM_NEWLINK`, …).
    #[must_use]
    pub fn kind(&self) -> u16 {
        self.kind
    }

    /// A number of the fixed part.
    #[must_use]
    pub fn number(&self, at: usize) -> Option<u32> {
        number(&self.body, at)
    }

    /// The attributes after a fixed part of that size.
    pub fn attributes(&self, fixed: usize) -> impl Iterator<Item = (u16, &[u8])> {
        attributes(self.body.get(fixed..).unwrap_or_default())
    }

    /// `NLMSG_ERROR`, which with code 0 is the acknowledgement.
    fn acknowledged(&self) -> io::Result<()> {
        let code = number(&self.body, 0).filter(|_| self.kind == ACKNOWLEDGED);
        match code.ok_or_else(unreadable)?.cast_signed() {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(-code)),
        }
    }
}

/// The attributes that stand there, by type.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(short(bytes, 0)?);
        let kind = short(bytes, 2)? & !ATTRIBUTE_FLAGS;
        let value = bytes.get(ALIGN..length)?;
        bytes = bytes
            .get(length.next_multiple_of(ALIGN)..)
            .unwrap_or_default();
        Some((kind, value))
    })
}

/// Four bytes as a number.
#[must_use]
pub fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

/// A request, or the inside of an attribute.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// A request of a kind (`RTM_NEWADDR`, …), with flags besides those that ask for an answer.
    #[must_use]
    pub fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        Self { bytes }
    }

    /// A request about an interface; number 0: the one its attributes name.
    #[must_use]
    pub fn link(kind: u16, flags: u16, index: u32) -> Self {
        let mut request = Self::new(kind, flags);
        request.raw(&[0; LINK]);
        request.bytes[HEADER + 4..HEADER + 8].copy_from_slice(&index.to_ne_bytes());
        request
    }

    /// Of a request about an interface: it is to be up, or down.
    pub fn set_up(&mut self, up: bool) {
        let bit = libc::IFF_UP.cast_unsigned();
        let flags = if up { bit } else { 0 };
        self.bytes[HEADER + 8..HEADER + 12].copy_from_slice(&flags.to_ne_bytes());
        self.bytes[HEADER + 12..HEADER + 16].copy_from_slice(&bit.to_ne_bytes());
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// An attribute that is a text.
    pub fn text(&mut self, kind: u16, text: &str) {
        self.nest(kind, |inside| {
            inside.raw(text.as_bytes());
            inside.raw(&[0]);
        });
    }

    /// An attribute.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.nest(kind, |inside| inside.raw(value));
    }

    /// An attribute that holds attributes.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let begin = self.bytes.len();
        self.raw(&[0; ALIGN]);
        fill(self);
        let length = self.bytes.len() - begin;
        let length = u16::try_from(length).expect("our attributes are short");
        self.bytes[begin..begin + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes[begin + 2..begin + 4].copy_from_slice(&kind.to_ne_bytes());
        self.bytes
            .resize(self.bytes.len().next_multiple_of(ALIGN), 0);
    }

    fn finish(mut self, sequence: u32, flags: u16) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).expect("our requests are short");
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        let flags = flags | u16::from_ne_bytes([self.bytes[6], self.bytes[7]]);
        self.bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
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
        request.nest(libc::IFLA_LINKINFO, |info| info.text(1, "veth"));
        let bytes = request.finish(1, ORDER);
        assert_eq!(bytes.len(), HEADER + LINK + 4 + 12);
        let attributes = &bytes[HEADER + LINK..];
        assert_eq!(attributes[..2], 16_u16.to_ne_bytes());
        assert_eq!(attributes[2..4], libc::IFLA_LINKINFO.to_ne_bytes());
        assert_eq!(&attributes[8..13], b"veth\0");
        assert_eq!(bytes[..4], 48_u32.to_ne_bytes());
    }

    #[test]
    fn what_was_written_is_read_again() {
        let mut request = Request::new(libc::RTM_NEWADDR, CREATE);
        request.raw(&[7; ADDRESS]);
        request.attribute(1, &[1, 2, 3]);
        request.attribute(2 | ATTRIBUTE_FLAGS, &[4]);
        let bytes = request.finish(5, ORDER);
        let twice = [&bytes[..], &bytes[..]].concat();
        let messages = parse(&twice).unwrap();
        assert_eq!(messages.len(), 2);
        let (sequence, message) = &messages[1];
        assert_eq!((*sequence, message.kind()), (5, libc::RTM_NEWADDR));
        let found: Vec<_> = message.attributes(ADDRESS).collect();
        assert_eq!(found, [(1, &[1_u8, 2, 3][..]), (2, &[4])]);
    }

    #[test]
    fn a_torn_answer_is_an_error_and_a_torn_attribute_the_end() {
        let bytes = Request::link(libc::RTM_NEWLINK, 0, 3).finish(1, QUESTION);
        for end in 1..bytes.len() {
            assert!(parse(&bytes[..end]).is_err(), "{end}");
        }
        for torn in [&[0, 0, 0, 0][..], &[9, 0, 1, 0, 5], &[4, 0, 1]] {
            assert_eq!(attributes(torn).count(), 0, "{torn:?}");
        }
    }

    #[test]
    fn an_interface_that_is_not_there_is_an_error_of_the_kernel() {
        let mut netlink = Netlink::open().expect("anyone may ask");
        let mut request = Request::link(libc::RTM_GETLINK, 0, 0);
        request.text(libc::IFLA_IFNAME, "no-such-device");
        let error = netlink.ask(request).expect_err("it is not there");
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn each_network_has_an_interface() {
        let mut netlink = Netlink::open().expect("anyone may ask");
        let request = Request::link(libc::RTM_GETLINK, 0, 0);
        let links = netlink.list(&request).expect("anyone may ask");
        assert!(links.iter().any(|link| link.number(4) == Some(1)));
    }
}
