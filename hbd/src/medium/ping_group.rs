//! `ping_group NAME HOST...`: echo requests to IPv4 hosts that together are one ping node.

use std::os::fd::OwnedFd;

use shared::config::{self, Host, MediumKind};
use shared::event::MediumStatus;
use socket2::Domain;

use super::interface::Interfaces;
use super::socket::OpenError;
use super::{Binding, Kind, icmp};

pub(super) const KIND: Kind = Kind {
    word: "ping_group",
    describe,
    bind,
    open,
    attach: icmp::attach,
};

fn describe(medium: &config::Medium) -> String {
    match &medium.kind {
        MediumKind::PingGroup { hosts, .. } => {
            let hosts: Vec<_> = hosts.iter().map(Host::to_string).collect();
            format!("ping_group of {}", hosts.join(", "))
        }
        other => other.word().to_owned(),
    }
}

/// As for a single host.
fn bind(medium: &config::Medium, _: &Interfaces) -> Result<Binding, MediumStatus> {
    let MediumKind::PingGroup { hosts, .. } = &medium.kind else {
        return Err(super::not_of_this_kind(medium));
    };
    let hosts = hosts.iter().map(|host| super::resolved(host, 0));
    Ok(Binding {
        destinations: hosts.collect::<Result<_, _>>()?,
        ..Binding::default()
    })
}

fn open(medium: &config::Medium, _: &Binding) -> Result<Vec<OwnedFd>, OpenError> {
    icmp::open(Domain::IPV4, &medium.device)
}
