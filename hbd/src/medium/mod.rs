//! What links run over, and the only place that opens it.
//!
//! ```text
//! supervisor   bind   directive + interfaces of this machine -> Binding, or why not
//!              open   Binding -> descriptors                              (may need rights)
//!                            | SCM_RIGHTS
//! core         attach descriptors + Binding -> Medium: send, receive
//! ```
//!
//! A kind of medium is one entry of [`KINDS`] and one file. `bind` is a pure function: as long as
//! it yields the same [`Binding`], the open sockets stay; another one means that the interface
//! went, came back under another number, or changed its addresses, and they are opened anew. A
//! medium has no opinion about packets. Media can wrap media: [`fault`] does.

mod bcast;
mod ether;
pub(crate) mod fault;
mod icmp;
pub(crate) mod interface;
mod mcast;
mod mcast6;
mod ping;
mod ping6;
mod ping_group;
mod serial;
pub(crate) mod socket;
mod ucast;
mod ucast6;
mod udp;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{BorrowedFd, OwnedFd};

use pnet_base::MacAddr;
use serde::{Deserialize, Serialize};
use shared::config;
use shared::event::MediumStatus;
use shared::time::Moment;

use interface::{Interface, Interfaces};
use socket::OpenError;

/// Longest packet in bytes: what a UDP datagram can hold.
pub(crate) const PACKET_MAX: usize = 65_536;

/// An open medium in the core. Neither sending nor receiving ever blocks.
pub(crate) trait Medium {
    /// Readable when a packet may be there.
    fn receiver(&self) -> BorrowedFd<'_>;
    /// Sends to every destination. A failure of one does not keep it from the others; the last
    /// failure is reported.
    fn send(&mut self, packet: &[u8]) -> Result<(), SendError>;
    /// The same with the beat of this moment, which goes before what waits.
    fn send_beat(&mut self, packet: &[u8]) -> Result<(), SendError> {
        self.send(packet)
    }
    /// Takes one packet. `WouldBlock`: there is none.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received>;
    /// True where others send back what is sent, which proves that they live. No peer hears it.
    fn pings(&self) -> bool {
        false
    }
    /// When [`Medium::work`] is to be called, of media that send later what they were given.
    fn due(&self) -> Option<Moment> {
        None
    }
    /// Sends what is due.
    fn work(&mut self, _now: Moment) -> Result<(), SendError> {
        Ok(())
    }
}

/// A packet did not leave.
#[derive(Debug)]
pub(crate) struct SendError {
    /// Where it should have gone, in words.
    pub(crate) to: String,
    /// What the kernel says.
    pub(crate) error: io::Error,
}

/// What taking a packet brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// Its length. Nothing: it is part of a longer one, or not for this node, or an injected fault
    /// swallowed it.
    pub(crate) length: Option<usize>,
    /// No other one waited behind it.
    pub(crate) last: bool,
}

/// What a medium is bound to. Equal bindings need no new sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Binding {
    /// The interface's number, which changes when it is deleted and made again.
    pub(crate) index: u32,
    /// An address of the interface that the sockets depend on.
    pub(crate) address: Option<IpAddr>,
    /// Where every packet is sent to.
    pub(crate) destinations: Vec<SocketAddr>,
    /// The type of frames and the group that they are sent to, of media without IP.
    #[serde(default)]
    pub(crate) frames: Option<(u16, MacAddr)>,
    /// The path of a serial port, its speed, and the number of the file that stands for it, which changes when an
    /// adapter is plugged in anew.
    #[serde(default)]
    pub(crate) line: Option<(String, u32, u64)>,
}

/// A kind of medium.
pub(crate) struct Kind {
    /// Its directive.
    pub(crate) word: &'static str,
    /// The medium as a person writes it.
    pub(crate) describe: fn(&config::Medium) -> String,
    /// What it is bound to as things are, or the state that says why it cannot be.
    pub(crate) bind: fn(&config::Medium, &Interfaces) -> Result<Binding, MediumStatus>,
    /// Opens its descriptors.
    pub(crate) open: fn(&config::Medium, &Binding) -> Result<Vec<OwnedFd>, OpenError>,
    /// Makes the medium of its descriptors.
    pub(crate) attach: Attach,
}

/// Makes a medium of its descriptors.
type Attach = fn(Vec<OwnedFd>, &Binding) -> io::Result<Box<dyn Medium>>;

/// Every kind.
pub(crate) static KINDS: [Kind; 10] = [
    bcast::KIND,
    ether::KIND,
    mcast::KIND,
    mcast6::KIND,
    ping::KIND,
    ping6::KIND,
    ping_group::KIND,
    serial::KIND,
    ucast::KIND,
    ucast6::KIND,
];

/// The kind of that directive.
pub(crate) fn kind(word: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.word == word)
}

/// The interface `medium` runs over, if it is there and up.
fn device<'a>(
    medium: &config::Medium,
    interfaces: &'a Interfaces,
) -> Result<&'a Interface, MediumStatus> {
    let device = &medium.device;
    let Some(interface) = interfaces.get(device) else {
        return Err(MediumStatus::Missing {
            reason: format!("there is no interface {device}"),
        });
    };
    if !interface.up {
        return Err(MediumStatus::Missing {
            reason: format!("interface {device} is down; ip link set {device} up"),
        });
    }
    Ok(interface)
}

/// An address that packets can be sent from.
fn address6(interface: &Interface) -> Result<Ipv6Addr, MediumStatus> {
    interface
        .v6
        .first()
        .copied()
        .ok_or_else(|| MediumStatus::Missing {
            reason: format!(
                "interface {} has no IPv6 address, or none that duplicate address detection has \
                 passed",
                interface.name
            ),
        })
}

/// Where packets to that host go. Names were resolved long before.
fn resolved(host: &config::Host, port: u16) -> Result<SocketAddr, MediumStatus> {
    match host {
        config::Host::Address(address) => Ok((*address, port).into()),
        config::Host::Name(name) => Err(MediumStatus::Failed {
            reason: format!("{name} was not resolved; write its address"),
        }),
    }
}

/// What `bind` says where the registry was asked for another kind, which is a mistake of ours.
fn not_of_this_kind(medium: &config::Medium) -> MediumStatus {
    MediumStatus::Failed {
        reason: format!("{} is of kind {}", medium.name, medium.kind.word()),
    }
}

/// The same for `open`.
fn not_opened(medium: &config::Medium) -> OpenError {
    OpenError {
        operation: "open",
        object: medium.name.to_string(),
        error: io::ErrorKind::InvalidInput.into(),
    }
}
