//! `ucast6 DEV ADDR[%SCOPE]`: to IPv6 addresses. All lines of a device are one medium.

use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::OwnedFd;

use shared::config::{self, MediumKind, Peer6};
use shared::event::MediumStatus;
use socket2::Domain;

use super::interface::Interfaces;
use super::socket::{self, During, OpenError};
use super::{Binding, Kind, udp};

pub(super) const KIND: Kind = Kind {
    word: "ucast6",
    describe,
    bind,
    open,
    attach: udp::attach,
};

fn describe(medium: &config::Medium) -> String {
    match &medium.kind {
        MediumKind::Ucast6 { port, peers, .. } => {
            let peers: Vec<_> = peers.iter().map(Peer6::to_string).collect();
            format!(
                "ucast6 {} to {} port {port}",
                medium.device,
                peers.join(", ")
            )
        }
        other => other.word().to_owned(),
    }
}

fn bind(medium: &config::Medium, interfaces: &Interfaces) -> Result<Binding, MediumStatus> {
    let MediumKind::Ucast6 {
        port,
        peers,
        listen,
    } = &medium.kind
    else {
        return Err(super::not_of_this_kind(medium));
    };
    let interface = super::device(medium, interfaces)?;
    super::address6(interface)?;
    let destinations = peers
        .iter()
        .map(|peer| {
            let scope = scope(peer, interfaces)?;
            Ok(SocketAddrV6::new(peer.address, *port, 0, scope).into())
        })
        .collect::<Result<_, _>>()?;
    Ok(Binding {
        index: interface.index,
        address: listen.map(Into::into),
        destinations,
        ..Binding::default()
    })
}

/// The number of the interface that a link-local address belongs to (RFC 4007, 11).
pub(super) fn scope(peer: &Peer6, interfaces: &Interfaces) -> Result<u32, MediumStatus> {
    let Some(name) = &peer.scope else {
        return Ok(0);
    };
    match interfaces.get(name) {
        Some(interface) => Ok(interface.index),
        None => Err(MediumStatus::Missing {
            reason: format!("there is no interface {name}, the scope of {peer}"),
        }),
    }
}

fn open(medium: &config::Medium, binding: &Binding) -> Result<Vec<OwnedFd>, OpenError> {
    let MediumKind::Ucast6 { port, listen, .. } = medium.kind else {
        return Err(super::not_opened(medium));
    };
    let device = &medium.device;
    let address = listen.unwrap_or(Ipv6Addr::UNSPECIFIED);
    let scope = if address.is_unicast_link_local() {
        binding.index
    } else {
        0
    };
    let address = SocketAddrV6::new(address, port, 0, scope).into();
    let receiver = socket::receiver(Domain::IPV6, device, address)?;
    receiver
        .set_reuse_port(true)
        .during("set SO_REUSEPORT", address)?;
    socket::bind(&receiver, address)?;
    let sender = socket::on_device(Domain::IPV6, device)?;
    Ok(udp::descriptors(receiver, sender))
}
