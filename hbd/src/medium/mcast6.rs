//! `mcast6 DEV GROUP PORT TTL LOOP`: to an IPv6 multicast group.

use std::net::SocketAddrV6;
use std::os::fd::OwnedFd;

use shared::config::{self, MediumKind};
use shared::event::MediumStatus;
use socket2::Domain;

use super::interface::Interfaces;
use super::socket::{self, During, OpenError};
use super::{Binding, Kind, udp};

pub(super) const KIND: Kind = Kind {
    word: "mcast6",
    describe,
    bind,
    open,
    attach: udp::attach,
};

fn describe(medium: &config::Medium) -> String {
    match &medium.kind {
        MediumKind::Mcast6 { group, port, .. } => {
            format!("mcast6 {} group {group} port {port}", medium.device)
        }
        other => other.word().to_owned(),
    }
}

/// The group's scope is the interface: the same link-local group exists on every one
/// (RFC 4007, 6).
fn bind(medium: &config::Medium, interfaces: &Interfaces) -> Result<Binding, MediumStatus> {
    let MediumKind::Mcast6 { group, port, .. } = &medium.kind else {
        return Err(super::not_of_this_kind(medium));
    };
    let interface = super::device(medium, interfaces)?;
    let own = super::address6(interface)?;
    Ok(Binding {
        index: interface.index,
        address: Some(own.into()),
        destinations: vec![SocketAddrV6::new(*group, *port, 0, interface.index).into()],
        ..Binding::default()
    })
}

fn open(medium: &config::Medium, binding: &Binding) -> Result<Vec<OwnedFd>, OpenError> {
    let MediumKind::Mcast6 {
        group,
        port,
        ttl,
        loopback,
    } = medium.kind
    else {
        return Err(super::not_opened(medium));
    };
    let device = &medium.device;
    let address = SocketAddrV6::new(group, port, 0, binding.index).into();
    let receiver = socket::receiver(Domain::IPV6, device, address)?;
    socket::bind(&receiver, address)?;
    receiver
        .join_multicast_v6(&group, binding.index)
        .during("join", format_args!("group {group} on {device}"))?;
    let sender = socket::on_device(Domain::IPV6, device)?;
    sender
        .set_multicast_if_v6(binding.index)
        .during("set IPV6_MULTICAST_IF", device)?;
    sender
        .set_multicast_hops_v6(ttl.into())
        .during("set IPV6_MULTICAST_HOPS", ttl)?;
    sender
        .set_multicast_loop_v6(loopback)
        .during("set IPV6_MULTICAST_LOOP", loopback)?;
    Ok(udp::descriptors(receiver, sender))
}
