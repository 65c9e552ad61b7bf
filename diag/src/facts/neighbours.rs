//! What the kernel knows of its neighbours (`arp(7)`, `rtnetlink(7)`), and over which interface it reaches an address.

use std::io;
use std::net::IpAddr;

use hbd_agents::netlink::{Message, Netlink, ROUTE, Request, number};
use hbd_agents::network::HardwareAddress;

/// Size of `ndmsg`; the interface's number stands at 4 and the state at 8.
const NEIGHBOUR: usize = 12;
const STATE: usize = 8;

/// An entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The number of the interface.
    pub index: u32,
    /// Its address.
    pub address: IpAddr,
    /// Where frames to it go.
    pub hardware: Option<HardwareAddress>,
    /// How sure that is.
    pub state: State,
}

/// What is known of a neighbour (`NUD_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is being asked for the first time.
    Incomplete,
    /// It answered in the last half minute.
    Reachable,
    /// It answered some time ago.
    Stale,
    /// It did not answer.
    Failed,
    /// Somebody wrote it there.
    Permanent,
}

impl State {
    fn of(bits: u16) -> Option<Self> {
        match bits {
            libc::NUD_INCOMPLETE => Some(Self::Incomplete),
            libc::NUD_REACHABLE => Some(Self::Reachable),
            libc::NUD_STALE | libc::NUD_DELAY | libc::NUD_PROBE => Some(Self::Stale),
            libc::NUD_FAILED => Some(Self::Failed),
            libc::NUD_PERMANENT => Some(Self::Permanent),
            // Groups, and what is not asked for.
            _ => None,
        }
    }
}

impl Neighbour {
    fn parse(message: &Message) -> Option<Self> {
        let bits = message.body.get(STATE..)?.first_chunk()?;
        let (mut address, mut hardware) = (None, None);
        for (kind, value) in message.attributes(NEIGHBOUR) {
            match kind {
                libc::NDA_DST => address = ip(value),
                libc::NDA_LLADDR => hardware = value.try_into().ok().map(HardwareAddress),
                _ => {}
            }
        }
        Some(Self {
            index: message.number(4)?,
            address: address?,
            hardware,
            state: State::of(u16::from_ne_bytes(*bits))?,
        })
    }
}

/// How an address is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// It is this machine's own.
    Own,
    /// It is a neighbour on the interface of that number.
    Direct(u32),
    /// Through a gateway.
    Gateway(IpAddr),
    /// Not at all.
    None,
}

/// The table, of both families and all interfaces.
///
/// # Errors
/// Those of `rtnetlink(7)`.
pub fn table(netlink: &mut Netlink) -> io::Result<Vec<Neighbour>> {
    let mut request = Request::new(libc::RTM_GETNEIGH, 0);
    request.raw(&[0; NEIGHBOUR]);
    let all = netlink.list(&request)?;
    Ok(all.iter().filter_map(Neighbour::parse).collect())
}

/// How the kernel reaches an address.
///
/// # Errors
/// As [`table`].
pub fn route(netlink: &mut Netlink, to: IpAddr) -> io::Result<Route> {
    let mut request = Request::new(libc::RTM_GETROUTE, 0);
    let (family, octets) = match to {
        IpAddr::V4(ip) => (libc::AF_INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (libc::AF_INET6, ip.octets().to_vec()),
    };
    let bits = if to.is_ipv4() { 32 } else { 128 };
    request.raw(&[family.to_le_bytes()[0], bits, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    request.attribute(libc::RTA_DST, &octets);
    match netlink.ask(request) {
        Ok(answer) => Ok(parse_route(&answer)),
        Err(error) => match error.raw_os_error() {
            Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => Ok(Route::None),
            _ => Err(error),
        },
    }
}

fn parse_route(message: &Message) -> Route {
    let kind = message.body.get(7).copied();
    if kind == Some(libc::RTN_LOCAL) {
        return Route::Own;
    }
    let (mut index, mut gateway) = (None, None);
    for (kind, value) in message.attributes(ROUTE) {
        match kind {
            libc::RTA_OIF => index = number(value, 0),
            libc::RTA_GATEWAY => gateway = ip(value),
            _ => {}
        }
    }
    match (kind, gateway, index) {
        (Some(libc::RTN_UNICAST), Some(gateway), _) => Route::Gateway(gateway),
        (Some(libc::RTN_UNICAST), None, Some(index)) => Route::Direct(index),
        _ => Route::None,
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let all = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    all.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_its_own() {
        let mut netlink = Netlink::open().unwrap();
        let route = route(&mut netlink, "127.0.0.1".parse().unwrap());
        assert_eq!(route.unwrap(), Route::Own);
        table(&mut netlink).unwrap();
    }
}
