//! `ping HOST`: echo requests to an IPv4 host, which is a ping node.

use std::os::fd::OwnedFd;

use shared::config::{self, MediumKind};
use shared::event::MediumStatus;
use socket2::Domain;

use super::interface::Interfaces;
use super::socket::OpenError;
use super::{Binding, Kind, icmp};

pub(super) const KIND: Kind = Kind {
    word: "ping",
    describe,
    bind,
    open,
    attach: icmp::attach,
};

fn describe(medium: &config::Medium) -> String {
    match &medium.kind {
        MediumKind::Ping { host, .. } => format!("ping {host}"),
        other => other.word().to_owned(),
    }
}

/// Needs no interface: how the host is reached is the kernel's choice.
fn bind(medium: &config::Medium, _: &Interfaces) -> Result<Binding, MediumStatus> {
    let MediumKind::Ping { host, .. } = &medium.kind else {
        return Err(super::not_of_this_kind(medium));
    };
    Ok(Binding {
        destinations: vec![super::resolved(host, 0)?],
        ..Binding::default()
    })
}

fn open(medium: &config::Medium, _: &Binding) -> Result<Vec<OwnedFd>, OpenError> {
    icmp::open(Domain::IPV4, &medium.device)
}
