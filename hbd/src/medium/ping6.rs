//! `ping6 HOST`: echo requests to an IPv6 host, which is a ping node.

use std::net::SocketAddrV6;
use std::os::fd::OwnedFd;

use shared::config::{self, MediumKind};
use shared::event::MediumStatus;
use socket2::Domain;

use super::interface::Interfaces;
use super::socket::OpenError;
use super::{Binding, Kind, icmp, ucast6};

pub(super) const KIND: Kind = Kind {
    word: "ping6",
    describe,
    bind,
    open,
    attach: icmp::attach,
};

fn describe(medium: &config::Medium) -> String {
    match &medium.kind {
        MediumKind::Ping6 { host, .. } => format!("ping6 {host}"),
        other => other.word().to_owned(),
    }
}

/// Needs no interface but that of a link-local address.
fn bind(medium: &config::Medium, interfaces: &Interfaces) -> Result<Binding, MediumStatus> {
    let MediumKind::Ping6 { host, .. } = &medium.kind else {
        return Err(super::not_of_this_kind(medium));
    };
    let scope = ucast6::scope(host, interfaces)?;
    Ok(Binding {
        index: scope,
        destinations: vec![SocketAddrV6::new(host.address, 0, 0, scope).into()],
        ..Binding::default()
    })
}

fn open(medium: &config::Medium, _: &Binding) -> Result<Vec<OwnedFd>, OpenError> {
    icmp::open(Domain::IPV6, &medium.device)
}
