//! What can be seen of an Ethernet interface: two looks a moment apart, its addresses, and its neighbours.
//!
//! To look, no rights are needed. Nothing is sent; that is what [`trial`] does.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use hbd_agents::netlink::Netlink;
use hbd_agents::network::{HardwareAddress, Held};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::links::{self, Interface};
use super::neighbours::{self, Neighbour};
use crate::sys;

mod echo;
pub mod trial;

use self::trial::{Question, Reason, Trial};

/// Time between the two looks: what grows shows, and nobody waits.
const BETWEEN: Duration = Duration::from_millis(500);
/// Most neighbours that are asked because the kernel knows them.
const KNOWN_MAX: usize = 16;

/// What a card agreed upon with the other end of its cable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Speed {
    /// Millions of bits a second.
    pub megabits: Option<u32>,
    /// It sends and receives at the same time.
    pub full: Option<bool>,
}

/// One look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The interface.
    pub interface: Interface,
    /// What it stands upon.
    pub below: Option<Interface>,
    /// The bridge or bond that it is a part of.
    pub master: Option<Interface>,
    /// Nothing where the driver does not tell.
    pub speed: Speed,
}

/// Why there are no two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It was not its turn yet.
    NotYet,
    /// There is no interface of that name.
    Missing,
    /// There was one at the first look.
    Vanished,
    /// The kernel does not list them.
    Refused(Errno),
}

/// What `hbd` at the other end of the cable saw meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerSees {
    /// Its interface has carrier.
    pub carrier: bool,
    /// Frames of this interface came.
    pub our_frames: bool,
}

/// What was found of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ether {
    /// Its name, as it was given.
    pub name: String,
    /// Two looks, a moment apart.
    pub looks: Result<[Look; 2], Unread>,
    /// Its addresses.
    pub addresses: Vec<Held>,
    /// The hardware addresses of all interfaces of this machine.
    pub here: Vec<HardwareAddress>,
    /// Who the kernel knows there, after whatever was tried.
    pub neighbours: Vec<Neighbour>,
    /// Who is to be there.
    pub wanted: Vec<IpAddr>,
    /// What became of asking them, where that was asked for and frames pass.
    pub trial: Option<Trial>,
    /// Nothing where nobody asked it.
    pub peer: Option<PeerSees>,
}

impl Ether {
    fn of(name: &str, wanted: &[IpAddr]) -> Self {
        Self {
            name: name.to_owned(),
            looks: Err(Unread::NotYet),
            addresses: Vec::new(),
            here: Vec::new(),
            neighbours: Vec::new(),
            wanted: wanted.to_vec(),
            trial: None,
            peer: None,
        }
    }

    /// Whether a machine with that address can be a neighbour there.
    #[must_use]
    pub fn reaches(&self, address: IpAddr) -> bool {
        let is_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        is_local || self.addresses.iter().any(|held| held.reaches(address))
    }

    /// Whether it has that address.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|held| held.address == address)
    }

    /// What the kernel knows of a neighbour.
    #[must_use]
    pub fn neighbour(&self, address: IpAddr) -> Option<&Neighbour> {
        let mut all = self.neighbours.iter();
        all.find(|neighbour| neighbour.address == address)
    }
}

/// Looks at an interface, and asks its neighbours where that is asked for. What is known is told after each step.
pub fn collect(
    name: &str,
    wanted: &[IpAddr],
    active: bool,
    deadline: Instant,
    tell: &mut dyn FnMut(&Ether),
) {
    let mut found = Ether::of(name, wanted);
    tell(&found);
    if let Err(unread) = read(&mut found, active, deadline, tell) {
        found.looks = Err(unread);
    }
    tell(&found);
}

fn read(
    found: &mut Ether,
    active: bool,
    deadline: Instant,
    tell: &mut dyn FnMut(&Ether),
) -> Result<(), Unread> {
    let mut netlink = Netlink::open().map_err(refused)?;
    let first = look(&mut netlink, found)?.ok_or(Unread::Missing)?;
    let link = &first.interface.link;
    surroundings(&mut netlink, link.index, found).map_err(refused)?;
    if active && link.is_up() && link.has_carrier() && link.neighbour_address().is_some() {
        found.trial = Some(Trial::NotYet);
        tell(found);
        found.trial = Some(trial::run(
            link,
            first.interface.mtu,
            &questions(found),
            deadline,
        ));
    } else {
        sleep(BETWEEN);
    }
    let last = look(&mut netlink, found)?.ok_or(Unread::Vanished)?;
    let same = last.interface.link.index == first.interface.link.index;
    surroundings(&mut netlink, last.interface.link.index, found).map_err(refused)?;
    match same {
        true => found.looks = Ok([first, last]),
        false => return Err(Unread::Vanished),
    }
    Ok(())
}

/// Nothing where there is no such interface.
fn look(netlink: &mut Netlink, found: &mut Ether) -> Result<Option<Look>, Unread> {
    let all = links::all(netlink).map_err(refused)?;
    let numbered = |number: Option<u32>| {
        let number = number?;
        let found = all.iter().find(|other| other.link.index == number);
        found.cloned()
    };
    let hardware = all.iter().filter_map(|other| other.link.hardware);
    found.here = hardware.collect();
    let own = all.iter().find(|other| other.link.name == found.name);
    Ok(own.map(|own| Look {
        below: numbered(own.below),
        master: numbered(own.master),
        speed: speed(&found.name),
        interface: own.clone(),
    }))
}

fn speed(name: &str) -> Speed {
    let any: Result<OwnedFd, Errno> = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    );
    let told = any.ok().and_then(|any| sys::speed(any, name).ok());
    told.unwrap_or_default()
}

fn surroundings(netlink: &mut Netlink, index: u32, found: &mut Ether) -> io::Result<()> {
    found.addresses = links::addresses(netlink)?;
    found.addresses.retain(|held| held.index == index);
    found.neighbours = neighbours::table(netlink)?;
    found
        .neighbours
        .retain(|neighbour| neighbour.index == index);
    Ok(())
}

/// Its own addresses, in case somebody else has them; who is wanted; and who is known, to compare with.
fn questions(found: &Ether) -> Vec<Question> {
    let own = found.addresses.iter().map(|held| held.address);
    let own = own.map(|address| (address, Reason::Own));
    let wanted = found
        .wanted
        .iter()
        .map(|address| (*address, Reason::Wanted));
    let known = found.neighbours.iter().map(|neighbour| neighbour.address);
    let known = known
        .map(|address| (address, Reason::Known))
        .take(KNOWN_MAX);
    let mut all: Vec<Question> = Vec::new();
    for (address, reason) in own.chain(wanted).chain(known) {
        if all.iter().all(|question| question.address != address) {
            all.push(Question { address, reason });
        }
    }
    all
}

fn refused(error: io::Error) -> Unread {
    Unread::Refused(errno(&error))
}

pub(super) fn errno(error: &io::Error) -> Errno {
    let number = error.raw_os_error();
    number.map_or(Errno::UnknownErrno, Errno::from_raw)
}
