//! Agents that are part of hbd, each a value with what its resource says; that is read by
//! [`shared::builtin`].
//!
//! | spelled | what it is |
//! |---|---|
//! | `IPaddr::ADDRESS/BITS/INTERFACE/BROADCAST` | [`ip`]; also `IPaddr2`, `IPv6addr`, an address |
//! | `MACaddr::HARDWARE-ADDRESS::INTERFACE` | [`mac`] |
//! | `Http::ADDRESS:PORT` | [`http`] |
//! | `Delay::SECONDS::SECONDS` | takes so long to start and to stop |
//! | `Dummy::WORD` | does nothing, and remembers that it did |
//!
//! The first needs nothing but calls of the kernel and is made for being called by the manager
//! itself. The others keep a file below `RUN/agents`, and run as any other program does: as
//! `hbd agent`, looked after by the shim.

mod error;
pub mod http;
pub mod ip;
mod mac;
mod memory;
mod pretence;

use std::path::Path;

use shared::builtin::BuiltIn;
use shared::group::Operation;

pub use error::Error;

use self::http::Http;
use self::ip::{Address, Lease};
use self::mac::Mac;
use self::memory::Memory;
use self::pretence::{Delay, Dummy};
use crate::network::Link;

/// A resource of a built-in agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agent {
    /// An address that moves from node to node.
    Address(Address),
    /// One that runs as a program.
    Program(Program),
}

/// A built-in agent that runs as a program, `hbd agent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    kind: Kind,
    /// Names its file.
    words: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Mac(Mac),
    Http(Http),
    Delay(Delay),
    Dummy(Dummy),
}

/// Where an agent does something, and how.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The run directory.
    pub run: &'a Path,
    /// The name of this node.
    pub node: &'a str,
    /// For an address.
    pub lease: Lease,
}

impl Agent {
    /// The agent of that name, if there is one, with the arguments of its resource.
    pub fn parse(name: &str, arguments: &[String]) -> Result<Option<Self>, Error> {
        let read = BuiltIn::parse(name, arguments)
            .map_err(|wrong| Error::spelling(name, arguments, wrong))?;
        let kind = match read {
            None => return Ok(None),
            Some(BuiltIn::Address(address)) => return Ok(Some(Self::Address(address.into()))),
            Some(BuiltIn::Mac {
                hardware,
                interface,
            }) => Kind::Mac(Mac {
                hardware,
                interface,
            }),
            Some(BuiltIn::Http(address)) => Kind::Http(Http { address }),
            Some(BuiltIn::Delay { start, stop }) => Kind::Delay(Delay { start, stop }),
            Some(BuiltIn::Dummy) => Kind::Dummy(Dummy),
        };
        let words = [&[name.to_owned()], arguments].concat();
        Ok(Some(Self::Program(Program { kind, words })))
    }

    /// Whether neighbours must be told where it is.
    #[must_use]
    pub fn announces(&self) -> bool {
        match self {
            Self::Address(_) => true,
            Self::Program(program) => matches!(program.kind, Kind::Mac(_)),
        }
    }

    /// Does it, and says whether the resource runs where that is the question.
    pub fn carry_out(&self, operation: Operation, home: &Surroundings<'_>) -> Result<bool, Error> {
        match self {
            Self::Address(address) => of_address(address, operation, home.lease),
            Self::Program(program) => {
                let memory = Memory::of(home.run, &program.words);
                match &program.kind {
                    Kind::Mac(mac) => mac.carry_out(operation, &memory),
                    Kind::Http(http) => http.carry_out(operation, &memory, home.node),
                    Kind::Delay(delay) => delay.carry_out(operation, &memory),
                    Kind::Dummy(dummy) => dummy.carry_out(operation, &memory),
                }
            }
        }
    }
}

/// Whether an interface reaches anybody.
fn check(link: &Link) -> Result<(), Error> {
    let interface = link.name.clone();
    match (link.is_up(), link.has_carrier()) {
        (false, _) => Err(Error::Down { interface }),
        (true, false) => Err(Error::NoCarrier { interface }),
        (true, true) => Ok(()),
    }
}

fn of_address(address: &Address, operation: Operation, lease: Lease) -> Result<bool, Error> {
    match operation {
        Operation::Start => address.start(lease).map(|()| true),
        Operation::Stop => address.stop().map(|()| false),
        Operation::Status => address.status(),
        Operation::Monitor => address.monitor(),
        Operation::Announce => address.announce().map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use shared::builtin::BUILT_IN_AGENTS;

    use super::*;

    #[test]
    fn each_name_is_an_agent_and_no_other_word_is() {
        for (name, arguments) in [
            ("IPaddr", &["10.0.0.5/24"][..]),
            ("IPaddr2", &["10.0.0.5"]),
            ("10.0.0.5/24/eth0", &[]),
            ("IPv6addr", &["fd00", "5/64"]),
            ("MACaddr", &["02:00:5e:00:00:01", "eth0"]),
            ("Http", &["10.0.0.5:80"]),
            ("Delay", &["1", "2"]),
            ("Dummy", &[]),
        ] {
            let agent = parse(name, arguments).unwrap().unwrap();
            let announces = name.contains("addr") || name.contains('.');
            assert_eq!(agent.announces(), announces, "{name}");
            assert!(name.contains('.') || BUILT_IN_AGENTS.contains(&name));
        }
        for name in ["ipaddr", "IPaddr3", "fd00", "10.0.0", "apache", ""] {
            assert_eq!(parse(name, &["x"]).unwrap(), None, "{name}");
        }
    }

    #[test]
    fn wrong_arguments_are_told_with_the_right_ones() {
        for (words, expected) in [
            (
                "MACaddr::02:00:5e:00:00:01",
                "write MACaddr::HARDWARE-ADDRESS::INTERFACE",
            ),
            (
                "MACaddr::01:00:5e:00:00:01::eth0",
                "it is the address of a group",
            ),
            ("Http::10.0.0.5", "write Http::ADDRESS:PORT"),
            ("Http", "write Http::ADDRESS:PORT"),
            ("Delay::soon", "write Delay::SECONDS::SECONDS"),
            ("Delay::-1", "write Delay::SECONDS::SECONDS"),
            ("Delay::1::2::3", "write Delay::SECONDS::SECONDS"),
            ("Dummy::a::b", "write Dummy::WORD"),
            ("IPaddr", "write ADDRESS/BITS/INTERFACE/BROADCAST"),
            ("IPv6addr::fd00::5/129", "the bits must be 1 to 128"),
        ] {
            let mut parts = words.split("::");
            let name = parts.next().unwrap();
            let arguments: Vec<&str> = parts.collect();
            let error = parse(name, &arguments).unwrap_err().to_string();
            assert!(error.contains(&format!("`{words}` is no ")), "{error}");
            assert!(error.contains(expected), "{error}");
        }
    }

    fn parse(name: &str, arguments: &[&str]) -> Result<Option<Agent>, Error> {
        let arguments: Vec<String> = arguments.iter().copied().map(str::to_owned).collect();
        Agent::parse(name, &arguments)
    }
}
