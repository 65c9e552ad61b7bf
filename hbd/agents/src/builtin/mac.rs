//! The agent `MACaddr`: a hardware address that moves with its group, for neighbours that believe
//! no announcement.
//!
//! While the resource runs its interface has that address; the one before is remembered and put
//! back. Some drivers change the address only while the interface is down, which would cost its
//! routes and IPv6 addresses: there the start fails, and nothing was changed.

use nix::errno::Errno;
use shared::group::Operation;

use super::memory::Memory;
use super::{Error, ip};
use crate::netlink::Netlink;
use crate::network::{self, HardwareAddress, Held, Link};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mac {
    pub(super) hardware: HardwareAddress,
    pub(super) interface: String,
}

impl Mac {
    pub(super) fn carry_out(&self, operation: Operation, memory: &Memory) -> Result<bool, Error> {
        match operation {
            Operation::Start => self.start(memory).map(|()| true),
            Operation::Stop => self.stop(memory).map(|()| false),
            Operation::Status => Ok(self.find()?.is_some_and(|(_, link)| self.is_on(&link))),
            Operation::Monitor => self.monitor(),
            Operation::Announce => self.announce().map(|()| true),
        }
    }

    fn start(&self, memory: &Memory) -> Result<(), Error> {
        let (mut netlink, link) = self.find()?.ok_or_else(|| Error::NoInterface {
            what: self.hardware.to_string(),
            interface: self.interface.clone(),
        })?;
        match (self.is_on(&link), memory.read()?) {
            (true, Some(_)) => return Ok(()),
            (true, None) => return Err(self.foreign()),
            (false, _) => {}
        }
        let Some(before) = link.hardware.filter(|_| link.ethernet) else {
            return Err(Error::NoEthernet {
                interface: self.interface.clone(),
            });
        };
        memory.write(&before.to_string())?;
        if let Err(error) = self.set(&mut netlink, &link, self.hardware) {
            memory.forget()?;
            return Err(error);
        }
        self.announce()
    }

    fn stop(&self, memory: &Memory) -> Result<(), Error> {
        let held = self.find()?.filter(|(_, link)| self.is_on(link));
        if let Some((mut netlink, link)) = held {
            let before = memory.read()?.ok_or_else(|| self.foreign())?;
            let before = before.parse().map_err(|why| Error::Memory {
                interface: self.interface.clone(),
                why,
            })?;
            self.set(&mut netlink, &link, before)?;
            self.announce()?;
        }
        memory.forget()
    }

    fn monitor(&self) -> Result<bool, Error> {
        match self.find()?.filter(|(_, link)| self.is_on(link)) {
            None => Ok(false),
            Some((_, link)) => super::check(&link).map(|()| true),
        }
    }

    /// All addresses of the interface, so that switches and neighbours learn of it.
    fn announce(&self) -> Result<(), Error> {
        let Some((mut netlink, link)) = self.find()?.filter(|(_, link)| link.is_up()) else {
            return Ok(());
        };
        for family in [[0; 4].into(), [0; 16].into()] {
            let all = network::addresses(&mut netlink, family)
                .map_err(|error| Error::refused("read the addresses".into(), error))?;
            let of_link = |held: &&Held| held.index == link.index;
            for held in all.iter().filter(of_link) {
                ip::announce_on(&link, held.address)?;
            }
        }
        Ok(())
    }

    fn set(
        &self,
        netlink: &mut Netlink,
        link: &Link,
        hardware: HardwareAddress,
    ) -> Result<(), Error> {
        network::set_hardware(netlink, link, hardware).map_err(|error| {
            match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EBUSY) => Error::MustBeDown {
                    interface: self.interface.clone(),
                },
                _ => Error::refused(format!("give {} to {}", hardware, self.interface), error),
            }
        })
    }

    fn find(&self) -> Result<Option<(Netlink, Link)>, Error> {
        let read = || {
            let mut netlink = Netlink::open()?;
            let mut links = network::links(&mut netlink)?.into_iter();
            let link = links.find(|link| link.name == self.interface);
            Ok(link.map(|link| (netlink, link)))
        };
        read().map_err(|error| Error::refused("read the interfaces".into(), error))
    }

    fn is_on(&self, link: &Link) -> bool {
        link.hardware == Some(self.hardware)
    }

    fn foreign(&self) -> Error {
        Error::ForeignHardware {
            hardware: self.hardware,
            interface: self.interface.clone(),
        }
    }
}
