//! `bcast DEV`: to the broadcast address of an interface.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use shared::config;
use shared::event::MediumStatus;
use socket2::Domain;

use super::interface::Interfaces;
use super::socket::{self, During, OpenError};
use super::{Binding, Kind, udp};

pub(super) const KIND: Kind = Kind {
    word: "bcast",
    describe,
    bind,
    open,
    attach: udp::attach,
};

fn describe(medium: &config::Medium) -> String {
    format!("bcast {} port {}", medium.device, port(medium))
}

fn port(medium: &config::Medium) -> u16 {
    medium.kind.port().unwrap_or_default()
}

fn bind(medium: &config::Medium, interfaces: &Interfaces) -> Result<Binding, MediumStatus> {
    let device = &medium.device;
    let interface = super::device(medium, interfaces)?;
    if interface.v4.is_empty() {
        return Err(MediumStatus::Missing {
            reason: format!("interface {device} has no IPv4 address"),
        });
    }
    let Some(broadcast) = interface.v4.iter().find_map(|a| a.broadcast()) else {
        return Err(MediumStatus::Failed {
            reason: format!(
                "interface {device} has no broadcast address (point-to-point, /31 or /32); use \
                 ucast {device} PEER"
            ),
        });
    };
    Ok(Binding {
        index: interface.index,
        address: None,
        destinations: vec![(broadcast, port(medium)).into()],
        ..Binding::default()
    })
}

fn open(medium: &config::Medium, _binding: &Binding) -> Result<Vec<OwnedFd>, OpenError> {
    let device = &medium.device;
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port(medium)));
    let receiver = socket::receiver(Domain::IPV4, device, address)?;
    socket::bind(&receiver, address)?;
    let sender = socket::on_device(Domain::IPV4, device)?;
    sender
        .set_broadcast(true)
        .during("set SO_BROADCAST", device)?;
    socket::set_dontroute(&sender)?;
    Ok(udp::descriptors(receiver, sender))
}
