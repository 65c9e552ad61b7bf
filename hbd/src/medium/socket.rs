//! Sockets with the options that media share, and errors that say what to do.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

/// A socket of a medium could not be made.
#[derive(Debug)]
pub(crate) struct OpenError {
    /// What was tried.
    pub(crate) operation: &'static str,
    /// On what.
    pub(crate) object: String,
    /// What the kernel says.
    pub(crate) error: io::Error,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.operation, self.object, self.error)?;
        match (self.operation, self.error.raw_os_error()) {
            ("bind", Some(libc::EACCES)) => f.write_str(
                "; ports below net.ipv4.ip_unprivileged_port_start are for root: start hbd as \
                 root or choose a higher udpport",
            ),
            ("bind", Some(libc::EADDRINUSE)) => f.write_str(
                "; another program uses that port: stop it (a Heartbeat?) or choose another \
                 udpport on all nodes",
            ),
            ("bind", Some(libc::EADDRNOTAVAIL)) => {
                f.write_str("; this machine does not have that address")
            }
            ("bind to device", Some(libc::EPERM)) => {
                f.write_str("; before Linux 5.7 only root may do that: start hbd as root")
            }
            (super::ether::OPEN, Some(libc::EPERM)) => {
                f.write_str("; start hbd as root, or give it CAP_NET_RAW")
            }
            (super::serial::OPEN, Some(libc::EBUSY)) => {
                f.write_str("; another program has it: no getty, console or modem manager may")
            }
            (super::serial::OPEN, _) if self.error.kind() == io::ErrorKind::PermissionDenied => {
                f.write_str("; start hbd as root, or as a member of the port's group (dialout)")
            }
            (super::icmp::OPEN, Some(libc::EACCES | libc::EPERM)) => f.write_str(
                "; start hbd as root, give it CAP_NET_RAW, or have net.ipv4.ping_group_range hold \
                 a group of its user",
            ),
            (_, Some(libc::EMFILE | libc::ENFILE)) => {
                f.write_str("; too many open files: raise the limit")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for OpenError {}

/// Adds to an error what was tried on what.
pub(crate) trait During<T> {
    /// `operation` was tried on `object`.
    fn during(self, operation: &'static str, object: impl fmt::Display) -> Result<T, OpenError>;
}

impl<T, E: Into<io::Error>> During<T> for Result<T, E> {
    fn during(self, operation: &'static str, object: impl fmt::Display) -> Result<T, OpenError> {
        self.map_err(|error| OpenError {
            operation,
            object: object.to_string(),
            error: error.into(),
        })
    }
}

/// A UDP socket that never blocks and sees and uses one interface only.
pub(crate) fn on_device(domain: Domain, device: &str) -> Result<Socket, OpenError> {
    let socket = Socket::new(
        domain,
        Type::DGRAM.nonblocking().cloexec(),
        Some(Protocol::UDP),
    )
    .during("open socket", "UDP")?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(true).during("set IPV6_V6ONLY", device)?;
    }
    socket
        .bind_device(Some(device.as_bytes()))
        .during("bind to device", device)?;
    Ok(socket)
}

/// A receiving socket on `address`. It does not get packets of multicast groups that only other
/// sockets joined, so that a packet counts for the medium it came over.
pub(crate) fn receiver(
    domain: Domain,
    device: &str,
    address: SocketAddr,
) -> Result<Socket, OpenError> {
    let socket = on_device(domain, device)?;
    socket
        .set_reuse_address(true)
        .during("set SO_REUSEADDR", address)?;
    if domain == Domain::IPV6 {
        socket.set_multicast_all_v6(false)
    } else {
        socket.set_multicast_all_v4(false)
    }
    .during("set MULTICAST_ALL", address)?;
    Ok(socket)
}

/// Binds, with the address in the error.
pub(crate) fn bind(socket: &Socket, address: SocketAddr) -> Result<(), OpenError> {
    socket.bind(&address.into()).during("bind", address)
}

/// Packets for the interface's own network only (`SO_DONTROUTE`, `socket(7)`).
pub(crate) fn set_dontroute(socket: &Socket) -> Result<(), OpenError> {
    setsockopt(socket, sockopt::DontRoute, &true).during("set SO_DONTROUTE", "socket")
}
