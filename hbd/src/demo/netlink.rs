//! The few requests to the kernel's network that a stage of namespaces needs.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};

use hbd_agents::netlink::{CREATE, LINK, Netlink, Request};

// linux/if_link.h and linux/veth.h
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
// linux/if_addr.h
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;

/// A connection to the network of the namespace it was opened in.
pub(super) struct Network {
    netlink: Netlink,
}

/// An IPv4 address and its network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    pub(super) own: Ipv4Addr,
    pub(super) broadcast: Ipv4Addr,
    pub(super) prefix: u8,
}

impl Network {
    /// Opens the network of the namespace this process is in.
    pub(super) fn open() -> io::Result<Self> {
        let netlink = Netlink::open()?;
        Ok(Self { netlink })
    }

    /// Makes a bridge.
    pub(super) fn add_bridge(&mut self, name: &str) -> io::Result<()> {
        let mut request = Request::link(libc::RTM_NEWLINK, CREATE, 0);
        request.text(IFLA_IFNAME, name);
        request.nest(IFLA_LINKINFO, |info| info.text(IFLA_INFO_KIND, "bridge"));
        self.netlink.order(request)
    }

    /// Makes a pair of interfaces: `name` here, `peer_name` in the namespace `peer_home`.
    pub(super) fn add_pair(
        &mut self,
        name: &str,
        peer_name: &str,
        peer_home: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let mut request = Request::link(libc::RTM_NEWLINK, CREATE, 0);
        request.text(IFLA_IFNAME, name);
        request.nest(IFLA_LINKINFO, |info| {
            info.text(IFLA_INFO_KIND, "veth");
            info.nest(IFLA_INFO_DATA, |data| {
                data.nest(VETH_INFO_PEER, |peer| {
                    peer.raw(&[0; LINK]);
                    peer.text(IFLA_IFNAME, peer_name);
                    peer.attribute(IFLA_NET_NS_FD, &peer_home.as_raw_fd().to_ne_bytes());
                });
            });
        });
        self.netlink.order(request)
    }

    /// Removes an interface, of a pair both ends.
    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        let index = self.index(name)?;
        self.netlink
            .order(Request::link(libc::RTM_DELLINK, 0, index))
    }

    /// Plugs an interface into a bridge.
    pub(super) fn plug(&mut self, name: &str, bridge: &str) -> io::Result<()> {
        let (index, bridge) = (self.index(name)?, self.index(bridge)?);
        let mut request = Request::link(libc::RTM_NEWLINK, 0, index);
        request.attribute(IFLA_MASTER, &bridge.to_ne_bytes());
        self.netlink.order(request)
    }

    /// Switches an interface on.
    pub(super) fn raise(&mut self, name: &str) -> io::Result<()> {
        let index = self.index(name)?;
        let mut request = Request::link(libc::RTM_NEWLINK, 0, index);
        request.set_up(true);
        self.netlink.order(request)
    }

    /// Gives an interface an address.
    pub(super) fn add_address(&mut self, name: &str, address: Address) -> io::Result<()> {
        let index = self.index(name)?.to_ne_bytes();
        let mut request = Request::new(libc::RTM_NEWADDR, CREATE);
        let family = u8::try_from(libc::AF_INET).unwrap_or(0);
        let (flags, scope) = (0, 0);
        request.raw(&[family, address.prefix, flags, scope]);
        request.raw(&index);
        request.attribute(IFA_LOCAL, &address.own.octets());
        request.attribute(IFA_ADDRESS, &address.own.octets());
        request.attribute(IFA_BROADCAST, &address.broadcast.octets());
        self.netlink.order(request)
    }

    fn index(&mut self, name: &str) -> io::Result<u32> {
        let mut request = Request::link(libc::RTM_GETLINK, 0, 0);
        request.text(IFLA_IFNAME, name);
        let answer = self.netlink.ask(request)?;
        let found = answer
            .number(4)
            .filter(|_| answer.kind() == libc::RTM_NEWLINK);
        found.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_not_there_is_an_error_of_the_kernel() {
        let mut network = Network::open().expect("anyone may ask");
        let error = network
            .raise("no-such-device")
            .expect_err("it is not there");
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }
}
