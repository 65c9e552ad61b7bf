//! `mcast DEV GROUP PORT TTL LOOP`: to an IPv4 multicast group.

use std::os::fd::OwnedFd;

use shared::config::{self, MediumKind};
use shared::event::MediumStatus;
use socket2::{Domain, InterfaceIndexOrAddress};

use super::interface::Interfaces;
use super::socket::{self, During, OpenError};
use super::{Binding, Kind, udp};

pub(super) const KIND: Kind = Kind {
    word: "mcast",
    describe,
    bind,
    open,
    attach: udp::attach,
};

fn describe(medium: &config::Medium) -> String {
    match &medium.kind {
        MediumKind::Mcast { group, port, .. } => {
            format!("mcast {} group {group} port {port}", medium.device)
        }
        other => other.word().to_owned(),
    }
}

fn bind(medium: &config::Medium, interfaces: &Interfaces) -> Result<Binding, MediumStatus> {
    let MediumKind::Mcast { group, port, .. } = &medium.kind else {
        return Err(super::not_of_this_kind(medium));
    };
    let interface = super::device(medium, interfaces)?;
    let Some(own) = interface.v4.first() else {
        return Err(MediumStatus::Missing {
            reason: format!("interface {} has no IPv4 address", medium.device),
        });
    };
    Ok(Binding {
        index: interface.index,
        address: Some(own.address.into()),
        destinations: vec![(*group, *port).into()],
        ..Binding::default()
    })
}

fn open(medium: &config::Medium, binding: &Binding) -> Result<Vec<OwnedFd>, OpenError> {
    let MediumKind::Mcast {
        group,
        port,
        ttl,
        loopback,
    } = medium.kind
    else {
        return Err(super::not_opened(medium));
    };
    let device = &medium.device;
    let receiver = socket::receiver(Domain::IPV4, device, (group, port).into())?;
    socket::bind(&receiver, (group, port).into())?;
    receiver
        .join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(binding.index))
        .during("join", format_args!("group {group} on {device}"))?;
    let sender = socket::on_device(Domain::IPV4, device)?;
    sender
        .set_multicast_ttl_v4(ttl.into())
        .during("set IP_MULTICAST_TTL", ttl)?;
    sender
        .set_multicast_loop_v4(loopback)
        .during("set IP_MULTICAST_LOOP", loopback)?;
    Ok(udp::descriptors(receiver, sender))
}
