//! Who has an address, as far as this machine knows, and who says so when everyone is asked.

use std::io;
use std::net::IpAddr;
use std::time::Instant;

use hbd_agents::netlink::Netlink;
use hbd_agents::network::{HardwareAddress, Link};
use nix::errno::Errno;

use super::ether::errno;
use super::ether::trial::{self, Question, Reason, Trial};
use super::links;
use super::neighbours::{self, Neighbour, Route};

/// Where an address is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It was not its turn yet.
    NotYet,
    /// This machine has it.
    Own(Link),
    /// A neighbour there, if anybody.
    Neighbour(Link),
    /// Behind that machine, which alone can ask for it.
    Behind(IpAddr),
    /// No network of this machine has it.
    Nowhere,
    /// There is no interface of the name that was given.
    Missing,
    /// The kernel does not tell.
    Refused(Errno),
}

/// What was found of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arp {
    /// The address.
    pub address: IpAddr,
    /// Where it is to be found.
    pub place: Place,
    /// What the kernel knew before anybody was asked.
    pub known: Option<Neighbour>,
    /// The hardware addresses of all interfaces of this machine.
    pub here: Vec<HardwareAddress>,
    /// What became of asking, where that was asked for and frames pass.
    pub trial: Option<Trial>,
}

/// Looks an address up, on the interface of that name or where the routes lead, and asks who has it.
pub fn collect(
    address: IpAddr,
    interface: Option<&str>,
    active: bool,
    deadline: Instant,
    tell: &mut dyn FnMut(&Arp),
) {
    let mut found = Arp {
        address,
        place: Place::NotYet,
        known: None,
        here: Vec::new(),
        trial: None,
    };
    if let Err(error) = look(&mut found, interface) {
        found.place = Place::Refused(errno(&error));
    }
    tell(&found);
    let (link, reason) = match &found.place {
        Place::Own(link) => (link, Reason::Own),
        Place::Neighbour(link) => (link, Reason::Claimed),
        _ => return,
    };
    if active && link.is_up() && link.has_carrier() && link.neighbour_address().is_some() {
        let question = Question { address, reason };
        found.trial = Some(trial::run(link, 0, &[question], deadline));
        tell(&found);
    }
}

fn look(found: &mut Arp, interface: Option<&str>) -> io::Result<()> {
    let mut netlink = Netlink::open()?;
    let all = links::all(&mut netlink)?;
    let all: Vec<Link> = all.into_iter().map(|interface| interface.link).collect();
    found.here = all.iter().filter_map(|link| link.hardware).collect();
    let numbered = |number: u32| all.iter().find(|link| link.index == number).cloned();
    let named = |name: &str| all.iter().find(|link| link.name == name).cloned();

    let held = links::addresses(&mut netlink)?;
    let mut own = held.iter().filter(|held| held.address == found.address);
    let own = own.find_map(|held| numbered(held.index));
    found.place = match (own, interface) {
        (own, Some(name)) => match (own, named(name)) {
            (_, None) => Place::Missing,
            (Some(own), Some(link)) if own == link => Place::Own(link),
            (_, Some(link)) => Place::Neighbour(link),
        },
        (Some(own), None) => Place::Own(own),
        (None, None) => match neighbours::route(&mut netlink, found.address)? {
            Route::Direct(number) => numbered(number).map_or(Place::Nowhere, Place::Neighbour),
            Route::Gateway(gateway) => Place::Behind(gateway),
            Route::Own | Route::None => Place::Nowhere,
        },
    };
    if let Place::Neighbour(link) = &found.place {
        let mut table = neighbours::table(&mut netlink)?.into_iter();
        found.known =
            table.find(|known| known.index == link.index && known.address == found.address);
    }
    Ok(())
}
