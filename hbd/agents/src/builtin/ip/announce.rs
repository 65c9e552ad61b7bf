//! Telling the neighbours and switches where an address is.

use std::net::IpAddr;
use std::time::Duration;

use super::{Address, Error, Scene, frame};
use crate::network::Link;

/// When an address is announced, after it was started or a path was healed: often at first, since
/// a neighbour that does not hear of it goes on sending to the former owner; later for switches
/// that have only just begun to forward.
pub const ANNOUNCEMENTS: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

impl Address {
    /// Announces the address once, on its interface. Nothing is to be done where no neighbour asks
    /// for hardware addresses; an address that is not there is not announced.
    pub fn announce(&self) -> Result<(), Error> {
        let there = Scene::of(self)?.whereabouts(self);
        if there.is_empty() {
            return Err(Error::Gone { ip: self.ip });
        }
        let mut links = there.iter().map(|(link, _)| link);
        links.try_for_each(|link| announce_on(link, self.ip))
    }
}

/// Announces an address that is on that interface.
pub(in crate::builtin) fn announce_on(link: &Link, ip: IpAddr) -> Result<(), Error> {
    let Some(own) = link.neighbour_address() else {
        return Ok(());
    };
    let frames = frame::announcements(ip, own, link.routes);
    frame::listen(link.index, ip)
        .and_then(|packets| frames.iter().try_for_each(|frame| packets.send(frame)))
        .map_err(|error| Error::refused(format!("announce {ip} on {}", link.name), error))
}
