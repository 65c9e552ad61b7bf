//! The agent `IPaddr`: an address that moves from node to node.
//!
//! Each operation is one short conversation with the kernel (`rtnetlink(7)`) and returns at once;
//! nothing is remembered between two of them. What must be repeated (the refresh of a lease,
//! announcements, the questions of a probe) is driven by the caller.
//!
//! **Lease**: an address may be put there for some seconds only, and refreshed again and again. If
//! nobody does, the kernel takes it away, whatever became of hbd. A refresh never brings back an
//! address that is gone: another node may have it.
//!
//! **Mark**: what hbd puts there bears the number [`PROTOCOL`] (`IFA_PROTO`, Linux 5.18), and only
//! that is ever changed or removed. An older kernel keeps no such number: there a limited lifetime
//! is the mark, and an address without a lease gets one that outlives the machine. An address that
//! someone else has put there is neither taken over at `start` nor left in silence at `stop`: both
//! fail, since nobody could say where else the address may be.
//!
//! **Neighbours**: without `promote_secondaries` the kernel removes all IPv4 addresses of a network
//! with the first of them, also when a lease ends. So it is switched on for the interface before an
//! address is added.
//!
//! **IPv6**: duplicate address detection is left out (`IFA_F_NODAD`): it would keep the address from
//! being used for seconds, and switch it off for good where the former owner answers late. That is
//! what a [`Probe`] is for. Where another address of the same network is there already, the network
//! keeps the route of that one (`IFA_F_NOPREFIXROUTE`): one that a router announced would get the
//! lifetime of the lease, and end with it.

mod announce;
mod frame;
mod inquiry;
mod place;
mod probe;

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use nix::errno::Errno;

use shared::builtin::ServiceAddress;

pub use announce::ANNOUNCEMENTS;
pub(super) use announce::announce_on;
pub use inquiry::Inquiry;
pub use probe::{Probe, Probed};

use self::place::Place;
pub use super::Error;
use crate::netlink::{CREATE, Netlink, REPLACE};
use crate::network::{self, FOREVER, Held, Link, Manner};

/// Who put an address there, as `ip address` shows it: `proto 0x68`.
pub const PROTOCOL: u8 = b'h';

/// Where the release of the kernel stands.
const RELEASE: &str = "/proc/sys/kernel/osrelease";
/// The first kernel that keeps who put an address there.
const KEEPS_PROTOCOL: (u32, u32) = (5, 18);

/// An address as a resource means it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address itself.
    ip: IpAddr,
    /// The bits of its network; without them those of the connected network are taken.
    prefix: Option<u8>,
    /// Its interface; without it the one of the connected network is taken.
    interface: Option<String>,
    /// If another than the last one of its network.
    broadcast: Option<Ipv4Addr>,
}

/// How long an address stays without a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease(u32);

impl Lease {
    /// Until it is removed.
    pub const UNLIMITED: Self = Self(FOREVER);

    /// Whole seconds, rounded up, one at least.
    #[must_use]
    pub fn of(time: Duration) -> Self {
        let begun = u64::from(time.subsec_nanos() > 0);
        let seconds = time.as_secs().saturating_add(begun);
        let longest = FOREVER - 1;
        Self(u32::try_from(seconds).map_or(longest, |seconds| seconds.clamp(1, longest)))
    }
}

impl From<ServiceAddress> for Address {
    fn from(address: ServiceAddress) -> Self {
        let ServiceAddress {
            ip,
            prefix,
            interface,
            broadcast,
        } = address;
        Self {
            ip,
            prefix,
            interface,
            broadcast,
        }
    }
}

impl Address {
    /// Reads what a resource says: the agent's name, and what follows it.
    pub fn parse(agent: &str, arguments: &[String]) -> Result<Self, Error> {
        ServiceAddress::parse(agent, arguments)
            .map(Self::from)
            .map_err(|wrong| Error::spelling(agent, arguments, wrong))
    }

    /// The address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Puts the address there; where it is, renews its lease.
    pub fn start(&self, lease: Lease) -> Result<(), Error> {
        let mut scene = Scene::of(self)?;
        let place = scene.place(self)?;
        match scene.held.iter().find(|held| place.has(self, held)) {
            Some(held) if scene.is_ours(held) => {
                let place = Place {
                    prefix: held.prefix,
                    ..place
                };
                scene.put(self, &place, lease, REPLACE)
            }
            Some(_) => Err(self.foreign(&place.link)),
            None => {
                scene.prepare(self, &place)?;
                scene.put(self, &place, lease, CREATE)
            }
        }
    }

    /// Renews the lease; fails where the address is gone.
    pub fn refresh(&self, lease: Lease) -> Result<(), Error> {
        let mut scene = Scene::of(self)?;
        let there = scene.whereabouts(self);
        let ours: Vec<&(Link, Held)> = there
            .iter()
            .filter(|(_, held)| scene.is_ours(held))
            .collect();
        match (&ours[..], &there[..]) {
            ([], []) => return Err(Error::Gone { ip: self.ip }),
            ([], [(link, _), ..]) => return Err(self.foreign(link)),
            _ => {}
        }
        let places: Vec<Place> = ours.into_iter().map(Place::of).collect();
        places
            .iter()
            .try_for_each(|place| scene.put(self, place, lease, REPLACE))
    }

    /// Takes the address away; success where it is not there.
    pub fn stop(&self) -> Result<(), Error> {
        let mut scene = Scene::of(self)?;
        let mut foreign = Ok(());
        for (link, held) in scene.whereabouts(self) {
            match scene.is_ours(&held) {
                true => scene.remove(&link, &held)?,
                false => foreign = Err(self.foreign(&link)),
            }
        }
        foreign
    }

    /// Whether the address is there, whoever put it there.
    pub fn status(&self) -> Result<bool, Error> {
        Ok(!Scene::of(self)?.whereabouts(self).is_empty())
    }

    /// Where someone else has put the address: interface and bits of the network. There neither
    /// [`Self::start`] nor [`Self::stop`] goes.
    pub fn put_by_others(&self) -> Result<Vec<(String, u8)>, Error> {
        let scene = Scene::of(self)?;
        let there = scene.whereabouts(self).into_iter();
        Ok(there
            .filter(|(_, held)| !scene.is_ours(held))
            .map(|(link, held)| (link.name, held.prefix))
            .collect())
    }

    /// As [`Self::status`]; fails where the address is there and cannot be reached.
    pub fn monitor(&self) -> Result<bool, Error> {
        let there = Scene::of(self)?.whereabouts(self);
        for (link, held) in &there {
            super::check(link)?;
            if held.has(libc::IFA_F_TENTATIVE | libc::IFA_F_DADFAILED) {
                return Err(Error::Duplicate {
                    ip: self.ip,
                    interface: link.name.clone(),
                });
            }
        }
        Ok(!there.is_empty())
    }

    fn foreign(&self, link: &Link) -> Error {
        Error::Foreign {
            ip: self.ip,
            interface: link.name.clone(),
        }
    }

    /// The broadcast address; networks of one or two addresses have none (RFC 3021).
    fn broadcast(&self, prefix: u8) -> Option<Ipv4Addr> {
        let IpAddr::V4(ip) = self.ip else {
            return None;
        };
        let of_network = (prefix < 31).then(|| {
            let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() | hosts)
        });
        self.broadcast.or(of_network.filter(|_| !ip.is_loopback()))
    }
}

/// The network at one moment, and the connection to it.
struct Scene {
    netlink: Netlink,
    links: Vec<Link>,
    held: Vec<Held>,
    /// Whether the kernel says who put an address there.
    keeps_protocol: bool,
}

impl Scene {
    fn of(address: &Address) -> Result<Self, Error> {
        Self::read(address).map_err(|error| Error::refused("read the interfaces".into(), error))
    }

    fn read(address: &Address) -> io::Result<Self> {
        let mut netlink = Netlink::open()?;
        Ok(Self {
            links: network::links(&mut netlink)?,
            held: network::addresses(&mut netlink, address.ip)?,
            netlink,
            keeps_protocol: keeps_protocol(&fs::read_to_string(RELEASE).unwrap_or_default()),
        })
    }

    /// Where the address is: on its interface, or wherever neighbours can reach it.
    fn whereabouts(&self, address: &Address) -> Vec<(Link, Held)> {
        let of_address = |held: &&Held| held.address == address.ip;
        let with_link = |held: &Held| {
            let link = self.links.iter().find(|link| link.index == held.index)?;
            let counts = match &address.interface {
                Some(name) => *name == link.name,
                None => !link.is_loopback() || address.ip.is_loopback(),
            };
            counts.then(|| (link.clone(), held.clone()))
        };
        self.held
            .iter()
            .filter(of_address)
            .filter_map(with_link)
            .collect()
    }

    /// Where the address is or belongs.
    fn place(&mut self, address: &Address) -> Result<Place, Error> {
        if let Some(there) = self.whereabouts(address).first() {
            return Ok(Place::of(there));
        }
        if let Some(place) = place::spelled(address, &self.links)? {
            return Ok(place);
        }
        let connected = network::connected(&mut self.netlink, address.ip)
            .map_err(|error| Error::refused("read the routes".into(), error))?;
        place::by_routes(address, &self.links, &connected)
    }

    fn is_ours(&self, held: &Held) -> bool {
        is_ours(held, self.keeps_protocol)
    }

    /// As the OCF agent does, an interface that is down is raised.
    fn prepare(&mut self, address: &Address, place: &Place) -> Result<(), Error> {
        if !place.link.is_up() {
            network::raise(&mut self.netlink, &place.link).map_err(|error| {
                let doing = format!("switch {} on", place.link.name);
                Error::refused(doing, error)
            })?;
        }
        if address.ip.is_ipv4() && place.prefix < 32 {
            self.protect_neighbours(&place.link)?;
        }
        Ok(())
    }

    fn protect_neighbours(&mut self, link: &Link) -> Result<(), Error> {
        if link.promotes {
            return Ok(());
        }
        network::promote(&mut self.netlink, link).map_err(|error| {
            let doing = format!("switch promote_secondaries of {} on", link.name);
            Error::refused(doing, error)
        })
    }

    fn put(
        &mut self,
        address: &Address,
        place: &Place,
        lease: Lease,
        how: u16,
    ) -> Result<(), Error> {
        let valid = match lease {
            Lease::UNLIMITED if !self.keeps_protocol => FOREVER - 1,
            Lease(seconds) => seconds,
        };
        let manner = Manner {
            broadcast: address.broadcast(place.prefix),
            flags: self.flags(address, place),
            protocol: PROTOCOL,
            valid,
        };
        let what = (place.link.index, address.ip, place.prefix);
        network::add(&mut self.netlink, what, manner, how).map_err(|error| {
            let interface = &place.link.name;
            match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EEXIST) => address.foreign(&place.link),
                Some(Errno::EACCES) if address.ip.is_ipv6() => Error::NoIpv6 {
                    interface: interface.clone(),
                },
                _ => Error::refused(format!("put {} on {interface}", address.ip), error),
            }
        })
    }

    fn flags(&self, address: &Address, place: &Place) -> u32 {
        if address.ip.is_ipv4() {
            return 0;
        }
        let of_network = |held: &Held| {
            let network = network::network_of(address.ip, place.prefix);
            held.index == place.link.index
                && held.prefix == place.prefix
                && network::network_of(held.address, held.prefix) == network
        };
        let has_route = |held: &Held| {
            of_network(held) && !self.is_ours(held) && !held.has(libc::IFA_F_NOPREFIXROUTE)
        };
        let needs_none = place.prefix == 128 || self.held.iter().any(has_route);
        match needs_none {
            true => libc::IFA_F_NODAD | libc::IFA_F_NOPREFIXROUTE,
            false => libc::IFA_F_NODAD,
        }
    }

    fn remove(&mut self, link: &Link, held: &Held) -> Result<(), Error> {
        if held.address.is_ipv4() && held.prefix < 32 {
            self.protect_neighbours(link)?;
        }
        match network::remove(&mut self.netlink, held) {
            Err(error) if is_gone(&error) => Ok(()),
            removed => removed.map_err(|error| {
                let doing = format!("take {} from {}", held.address, link.name);
                Error::refused(doing, error)
            }),
        }
    }
}

/// The address, or its interface, went in between.
fn is_gone(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::EADDRNOTAVAIL | Errno::ENODEV))
}

fn is_ours(held: &Held, keeps_protocol: bool) -> bool {
    match held.protocol {
        Some(protocol) => protocol == PROTOCOL,
        None => !keeps_protocol && held.valid != FOREVER,
    }
}

/// Of a release as "6.1.0-18-amd64"; one that cannot be read is taken for a late one.
fn keeps_protocol(release: &str) -> bool {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|part| part.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => (major, minor) >= KEEPS_PROTOCOL,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_whole_seconds_and_never_shorter_than_asked() {
        let lease = |millis| Lease::of(Duration::from_millis(millis)).0;
        assert_eq!([0, 1, 1000, 1001, 6000].map(lease), [1, 1, 1, 2, 6]);
        assert_eq!(Lease::of(Duration::MAX).0, FOREVER - 1);
    }

    #[test]
    fn the_broadcast_address_is_the_last_of_the_network_or_the_given_one() {
        let of = |text: &str, prefix| {
            let address = Address::parse("IPaddr", &[text.to_owned()]).unwrap();
            address.broadcast(prefix).map(|found| found.to_string())
        };
        assert_eq!(of("10.0.0.5", 24), Some("10.0.0.255".into()));
        assert_eq!(of("10.0.0.5", 1), Some("127.255.255.255".into()));
        assert_eq!(of("10.0.0.5/24/10.0.0.9", 24), Some("10.0.0.9".into()));
        assert_eq!(of("10.0.0.5", 31), None);
        assert_eq!(of("10.0.0.5", 32), None);
        assert_eq!(of("127.0.0.5", 8), None);
        assert_eq!(of("fd00::5", 64), None);
    }

    #[test]
    fn what_bears_our_mark_is_ours() {
        let held = |protocol, valid| Held {
            broadcast: None,
            index: 2,
            address: "10.0.0.5".parse().unwrap(),
            prefix: 24,
            flags: 0,
            protocol,
            valid,
        };
        for (protocol, valid, on_new, on_old) in [
            (Some(PROTOCOL), 5, true, true),
            (Some(PROTOCOL), FOREVER, true, true),
            (Some(2), 5, false, false),
            // As a DHCP client leaves it; an old kernel does not tell it from ours.
            (None, 5, false, true),
            (None, FOREVER, false, false),
        ] {
            let held = held(protocol, valid);
            assert_eq!(is_ours(&held, true), on_new, "{held:?}");
            assert_eq!(is_ours(&held, false), on_old, "{held:?}");
        }
    }

    #[test]
    fn the_kernel_keeps_who_put_an_address_there_since_5_18() {
        let late = ["5.18.0", "6.1.0-18-amd64\n", "10.0", "5.18-rc1", ""];
        assert_eq!(late.map(keeps_protocol), [true; 5]);
        let early = ["5.17.15", "4.19.0-26-amd64", "3.10.0"];
        assert_eq!(early.map(keeps_protocol), [false; 3]);
    }
}
