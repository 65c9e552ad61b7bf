//! Why a built-in agent could not do something.

use std::error;
use std::fmt;
use std::io;
use std::net::IpAddr;

use nix::errno::Errno;
use shared::builtin::Misspelled;

use crate::network::HardwareAddress;

/// Why a built-in agent could not do something.
#[derive(Debug)]
pub enum Error {
    /// It is no resource of this agent.
    Spelling {
        /// What stands there.
        text: String,
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
        /// How it is spelled.
        expected: &'static str,
    },
    /// There is no such interface.
    NoInterface {
        /// What should be on it.
        what: String,
        /// The interface.
        interface: String,
    },
    /// No connected network contains the address.
    NoRoute {
        /// The address.
        ip: IpAddr,
        /// The interface it should be on, if one was named.
        interface: Option<String>,
    },
    /// The address is there, and hbd did not put it there.
    Foreign {
        /// The address.
        ip: IpAddr,
        /// Where it is.
        interface: String,
    },
    /// The address is not there: its lease ran out, or someone took it away. Another node may have
    /// it.
    Gone {
        /// The address.
        ip: IpAddr,
    },
    /// Its interface is switched off.
    Down {
        /// The interface.
        interface: String,
    },
    /// Its interface is not connected.
    NoCarrier {
        /// The interface.
        interface: String,
    },
    /// The kernel does not use the address, since it may be another's.
    Duplicate {
        /// The address.
        ip: IpAddr,
        /// Where it is.
        interface: String,
    },
    /// IPv6 is switched off on an interface.
    NoIpv6 {
        /// The interface.
        interface: String,
    },
    /// An interface has a hardware address, and hbd did not give it.
    ForeignHardware {
        /// The address.
        hardware: HardwareAddress,
        /// The interface.
        interface: String,
    },
    /// An interface has no hardware address of Ethernet.
    NoEthernet {
        /// The interface.
        interface: String,
    },
    /// An interface changes its hardware address only while it is down.
    MustBeDown {
        /// The interface.
        interface: String,
    },
    /// What an interface had before is not what hbd wrote.
    Memory {
        /// The interface.
        interface: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A process of an agent does what it should not.
    Process {
        /// What is the matter, and what to do.
        trouble: String,
    },
    /// The kernel refused something. Nothing was changed by the step that failed.
    Refused {
        /// What was asked of it.
        doing: String,
        /// What it said.
        error: io::Error,
    },
}

impl Error {
    /// Of what is no resource of `agent`.
    pub(super) fn spelling(agent: &str, arguments: &[String], wrong: Misspelled) -> Self {
        let Misspelled {
            of_address,
            why,
            expected,
            ..
        } = wrong;
        Self::Spelling {
            text: [&[agent.to_owned()], arguments].concat().join("::"),
            what: match of_address {
                true => "service address",
                false => "resource",
            },
            why,
            expected,
        }
    }

    pub(super) fn refused(doing: String, error: io::Error) -> Self {
        Self::Refused { doing, error }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spelling {
                text,
                what,
                why,
                expected,
            } => write!(f, "`{text}` is no {what}: {why}; write {expected}"),
            Self::NoInterface { what, interface } => write!(
                f,
                "there is no interface {interface} for {what}; see `ip link`"
            ),
            Self::NoRoute {
                ip,
                interface: None,
            } => write!(
                f,
                "no connected network contains {ip}: write {ip}/BITS/INTERFACE, or see `ip route`"
            ),
            Self::NoRoute {
                ip,
                interface: Some(interface),
            } => write!(
                f,
                "no connected network of {interface} contains {ip}: write the bits, as \
                 {ip}/24/{interface}, or see `ip route`"
            ),
            Self::Foreign { ip, interface } => write!(
                f,
                "{ip} is on {interface} already, and hbd did not put it there; if nothing else \
                 needs it: ip address del {ip} dev {interface}"
            ),
            Self::Gone { ip } => write!(
                f,
                "{ip} is not there any more: its lease ran out, or someone took it away"
            ),
            Self::Down { interface } => {
                write!(f, "{interface} is down: ip link set {interface} up")
            }
            Self::NoCarrier { interface } => {
                write!(
                    f,
                    "{interface} has no carrier: see its cable and its switch"
                )
            }
            Self::Duplicate { ip, interface } => write!(
                f,
                "the kernel does not use {ip} on {interface}: it found another owner, or still \
                 looks for one"
            ),
            Self::NoIpv6 { interface } => write!(
                f,
                "IPv6 is switched off on {interface}: sysctl net.ipv6.conf.{interface}\
                 .disable_ipv6=0"
            ),
            Self::ForeignHardware {
                hardware,
                interface,
            } => write!(
                f,
                "{interface} has {hardware} already, and hbd did not give it: give it back its \
                 own one, as `ip -d link show {interface}` tells it"
            ),
            Self::NoEthernet { interface } => write!(
                f,
                "{interface} has no hardware address that could be another one"
            ),
            Self::MustBeDown { interface } => write!(
                f,
                "{interface} changes its hardware address only while it is down, and that would \
                 cost its routes: give the service an interface of its own, as a macvlan is"
            ),
            Self::Memory { interface, why } => write!(
                f,
                "the hardware address that {interface} had before is not known: what was \
                 remembered is not {why}"
            ),
            Self::Process { trouble } => f.write_str(trouble),
            Self::Refused { doing, error } => {
                let lacks_right = error.raw_os_error() == Some(Errno::EPERM as i32);
                let remedy = match lacks_right {
                    true => "; it takes root, or the rights CAP_NET_ADMIN and CAP_NET_RAW",
                    false => "",
                };
                write!(f, "cannot {doing}: {error}{remedy}")
            }
        }
    }
}

impl error::Error for Error {}
