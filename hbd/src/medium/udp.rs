//! What the UDP kinds have in common: one socket to receive, one to send, fixed destinations.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use socket2::Socket;

use super::{Binding, Medium, Received, SendError};

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
    }))
}

struct Udp {
    receiver: UdpSocket,
    sender: UdpSocket,
    destinations: Vec<SocketAddr>,
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
        self.receiver.recv(buffer).map(Received::Packet)
    }
}
