//! What the UDP kinds have in common: one socket to receive, one to send, fixed destinations.
//!
//! Two packets are asked for at once (`recvmmsg(2)`): where one comes, the other one's absence is
//! known without another call.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg};
use socket2::Socket;

use super::{Binding, Medium, PACKET_MAX, Received, SendError};

/// The descriptors in the order that [`attach`] expects.
pub(super) fn descriptors(receiver: Socket, sender: Socket) -> Vec<OwnedFd> {
    vec![receiver.into(), sender.into()]
}

/// Makes the medium.
pub(super) fn attach(descriptors: Vec<OwnedFd>, binding: &Binding) -> io::Result<Box<dyn Medium>> {
    let [receiver, sender] = <[OwnedFd; 2]>::try_from(descriptors)
        .map_err(|_| io::Error::other("a UDP medium has two descriptors"))?;
    Ok(Box::new(Udp {
        receiver: receiver.into(),
        sender: sender.into(),
        destinations: binding.destinations.clone(),
        headers: MultiHeaders::preallocate(PAIR, None),
        second: vec![0; PACKET_MAX].into(),
        waits: None,
    }))
}

/// Packets asked for at once.
const PAIR: usize = 2;

struct Udp {
    receiver: UdpSocket,
    sender: UdpSocket,
    destinations: Vec<SocketAddr>,
    headers: MultiHeaders<()>,
    /// The second packet of a pair, until it is taken.
    second: Box<[u8]>,
    waits: Option<usize>,
}

impl Medium for Udp {
    fn receiver(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), SendError> {
        let mut result = Ok(());
        for destination in &self.destinations {
            if let Err(error) = self.sender.send_to(packet, destination) {
                let to = destination.ip().to_string();
                result = Err(SendError { to, error });
            }
        }
        result
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        if let Some(length) = self.waits.take() {
            let length = length.min(buffer.len());
            buffer[..length].copy_from_slice(&self.second[..length]);
            return Ok(Received {
                length: Some(length),
                last: false,
            });
        }
        let mut pieces = [
            [IoSliceMut::new(buffer)],
            [IoSliceMut::new(&mut self.second)],
        ];
        let mut lengths = recvmmsg(
            self.receiver.as_raw_fd(),
            &mut self.headers,
            pieces.iter_mut(),
            MsgFlags::MSG_DONTWAIT,
            None,
        )?
        .map(|packet| packet.bytes);
        let first = lengths.next();
        self.waits = lengths.next();
        Ok(Received {
            length: first,
            last: self.waits.is_none(),
        })
    }
}
