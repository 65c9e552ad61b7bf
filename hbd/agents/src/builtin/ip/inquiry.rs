//! Asking the neighbours on one interface who has an address, which changes nothing anywhere.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use super::frame;
use crate::network::HardwareAddress;
use crate::packets::Packets;

/// Frames looked at in one go.
const FRAMES_AT_ONCE: usize = 64;

/// A question for an address, and a line for the answers.
#[derive(Debug)]
pub struct Inquiry {
    packets: Packets,
    ip: IpAddr,
    question: Vec<u8>,
}

impl Inquiry {
    /// Listens on the interface of that number, whose hardware address that is, and asks nothing yet.
    ///
    /// # Errors
    /// `EPERM` without the right to it; where there is no such interface.
    pub fn begin(index: u32, own: HardwareAddress, ip: IpAddr) -> io::Result<Self> {
        Ok(Self {
            packets: frame::listen(index, ip)?,
            ip,
            question: frame::question(ip, own),
        })
    }

    /// Asks everyone.
    ///
    /// # Errors
    /// Where the interface is down.
    pub fn ask(&self) -> io::Result<()> {
        self.packets.send(&self.question)
    }

    /// Who said since the last time that he has the address, each as often as he said it. An
    /// interface that goes down meanwhile hears nobody.
    pub fn claimants(&self) -> impl Iterator<Item = HardwareAddress> {
        let frames = std::iter::from_fn(|| self.packets.receive().ok().flatten());
        frames
            .take(FRAMES_AT_ONCE)
            .filter_map(|frame| frame::claimant(&frame, self.ip))
    }
}

impl AsFd for Inquiry {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.packets.as_fd()
    }
}
