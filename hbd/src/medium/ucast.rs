//! `ucast DEV ADDR`: to IPv4 addresses. All lines of a device are one medium.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use shared::config::{self, Host, MediumKind};
use shared::event::MediumStatus;
use socket2::Domain;

use super::interface::Interfaces;
use super::socket::{self, During, OpenError};
use super::{Binding, Kind, udp};

pub(super) const KIND: Kind = Kind {
    word: "ucast",
    describe,
    bind,
    open,
    attach: udp::attach,
};

/// "Low delay" of RFC 1349, as Heartbeat 3.0.6 sets it.
const LOW_DELAY: u32 = 0x10;

fn describe(medium: &config::Medium) -> String {
    match &medium.kind {
        MediumKind::Ucast { port, peers, .. } => {
            let peers: Vec<_> = peers.iter().map(Host::to_string).collect();
            format!(
                "ucast {} to {} port {port}",
                medium.device,
                peers.join(", ")
            )
        }
        other => other.word().to_owned(),
    }
}

/// Needs the interface only: which of its addresses a packet leaves with is the kernel's choice,
/// and one may come at any time.
fn bind(medium: &config::Medium, interfaces: &Interfaces) -> Result<Binding, MediumStatus> {
    let MediumKind::Ucast {
        port,
        peers,
        listen,
    } = &medium.kind
    else {
        return Err(super::not_of_this_kind(medium));
    };
    let interface = super::device(medium, interfaces)?;
    let destinations = peers
        .iter()
        .map(|host| super::resolved(host, *port))
        .collect::<Result<_, _>>()?;
    Ok(Binding {
        index: interface.index,
        address: listen.map(Into::into),
        destinations,
        ..Binding::default()
    })
}

fn open(medium: &config::Medium, binding: &Binding) -> Result<Vec<OwnedFd>, OpenError> {
    let device = &medium.device;
    let address = binding.address.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let address = SocketAddr::new(address, medium.kind.port().unwrap_or_default());
    let receiver = socket::receiver(Domain::IPV4, device, address)?;
    receiver
        .set_reuse_port(true)
        .during("set SO_REUSEPORT", address)?;
    socket::bind(&receiver, address)?;
    let sender = socket::on_device(Domain::IPV4, device)?;
    sender.set_tos_v4(LOW_DELAY).during("set IP_TOS", device)?;
    Ok(udp::descriptors(receiver, sender))
}
