//! Who looks: a thread that asks every service address each millisecond from a machine of its own, and hears of every
//! address that comes to a node or goes.
//!
//! ```text
//!  echo requests --> eth0 of the client      addresses of alice --+
//!  echo replies  <-- eth0, with the          addresses of bob ----+--> Record
//!                    hardware address that sent them -------------+
//! ```
//!
//! Kernels answer, so no other thread's delay looks like a gap. One loop does all of it: whatever it hears of is on one
//! clock, and a time in which it did not look is known.

pub mod packets;
pub mod record;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};

use crate::error::{self, Error, unexpected};
use crate::namespaces::Namespace;
use packets::Hardware;
use record::{Answer, At, Change, Record, Stall};

/// Time between two questions.
const PERIOD: Duration = Duration::from_millis(1);
/// Two looks further apart than this are a stall.
const STALL: Duration = Duration::from_millis(3);
/// More than any message that is waited for.
const MESSAGE_MAX: usize = 32 * 1024;
/// `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR`.
const ADDRESS_GROUPS: u32 = 0x10 | 0x100;
/// What waits to be read is to find room while the thread does not run.
const BUFFER: usize = 4 * 1024 * 1024;

/// Looks until it is dropped.
#[derive(Debug)]
pub struct Observer {
    began: Instant,
    record: Arc<Mutex<Record>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Observer {
    /// Asks from `client` for `services`, and watches the addresses of `nodes`, each known by the hardware address of
    /// its `eth0`.
    ///
    /// # Errors
    /// [`Error::File`] when a socket cannot be opened, [`Error::Command`].
    pub fn new(
        client: &Namespace,
        nodes: [&Namespace; 2],
        services: &[IpAddr],
    ) -> Result<Self, Error> {
        let [alice, bob] = nodes;
        let record = Arc::new(Mutex::new(Record {
            answers: services.iter().map(|ip| (*ip, Vec::new())).collect(),
            ..Record::default()
        }));
        let ends = Arc::new(AtomicBool::new(false));
        let began = Instant::now();
        let watch = Watch {
            began,
            questions: inside(client, || {
                let v4 = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
                let v6 = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
                v4.set_nonblocking(true)?;
                v6.set_nonblocking(true)?;
                Ok([v4, v6])
            })?,
            answers: inside(client, || {
                Ok([heard(SockProtocol::EthIp)?, heard(SockProtocol::EthIpv6)?])
            })?,
            addresses: [inside(alice, monitor)?, inside(bob, monitor)?],
            hardware: [hardware(alice)?, hardware(bob)?],
            services: services.to_vec(),
            record: Arc::clone(&record),
            ends: Arc::clone(&ends),
        };
        Ok(Self {
            began,
            record,
            ends,
            thread: Some(thread::spawn(move || watch.look())),
        })
    }

    /// The moment.
    #[must_use]
    pub fn now(&self) -> At {
        self.began.elapsed()
    }

    /// What was seen so far.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when it does not look any more.
    pub fn record(&self) -> Result<MutexGuard<'_, Record>, Error> {
        if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            return unexpected("the observer ended");
        }
        Ok(lock(&self.record))
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(Err(error))) => eprintln!("the observer: {error}"),
            Some(Err(_)) => eprintln!("the observer panicked"),
            _ => {}
        }
    }
}

/// The thread's own.
struct Watch {
    began: Instant,
    questions: [Socket; 2],
    answers: [OwnedFd; 2],
    addresses: [OwnedFd; 2],
    hardware: [Hardware; 2],
    services: Vec<IpAddr>,
    record: Arc<Mutex<Record>>,
    ends: Arc<AtomicBool>,
}

impl Watch {
    fn look(self) -> Result<(), Error> {
        let mut next = Instant::now();
        let mut looked = self.began.elapsed();
        while !self.ends.load(Ordering::Relaxed) {
            if Instant::now() >= next {
                self.ask();
                // Questions that were missed are not made up for.
                next = (next + PERIOD).max(Instant::now());
            }
            self.wait(next.saturating_duration_since(Instant::now()))?;
            let mut record = lock(&self.record);
            let now = self.began.elapsed();
            if now - looked > STALL {
                record.stalls.push(Stall {
                    from: looked,
                    to: now,
                });
            }
            self.hear(&mut record, now)?;
            self.note(&mut record, looked, now)?;
            record.looked = now;
            looked = now;
        }
        Ok(())
    }

    /// One question for each address. What cannot be sent is not answered.
    fn ask(&self) {
        for ip in &self.services {
            let [v4, v6] = &self.questions;
            let questions = if ip.is_ipv4() { v4 } else { v6 };
            let _ = questions.send_to(&packets::question(*ip), &SocketAddr::new(*ip, 0).into());
        }
    }

    fn wait(&self, span: Duration) -> Result<(), Error> {
        let sources = self.answers.iter().chain(&self.addresses);
        let mut sources: Vec<PollFd> = sources
            .map(|source| PollFd::new(source.as_fd(), PollFlags::POLLIN))
            .collect();
        match ppoll(&mut sources, Some(TimeSpec::from_duration(span)), None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(reason) => unexpected(format!("the observer cannot wait: {reason}")),
        }
    }

    fn hear(&self, record: &mut Record, at: At) -> Result<(), Error> {
        for source in &self.answers {
            for_each(source, |frame| {
                if let Some((sender, ip)) = packets::answer(frame)
                    && let Some(by) = self.hardware.iter().position(|node| *node == sender)
                    && let Some((_, answers)) = record.answers.iter_mut().find(|(of, _)| *of == ip)
                {
                    answers.push(Answer { at, by });
                }
            })?;
        }
        Ok(())
    }

    fn note(&self, record: &mut Record, after: At, before: At) -> Result<(), Error> {
        for (node, source) in self.addresses.iter().enumerate() {
            for_each(source, |message| {
                for (ip, there) in packets::address_changes(message) {
                    // What is there may be told again: it was renewed.
                    if record.last_change(ip, node) != Some(there) && !is_link_local(ip) {
                        record.changes.push(Change {
                            after,
                            before,
                            node,
                            ip,
                            there,
                        });
                    }
                }
            })?;
        }
        Ok(())
    }
}

/// The kernel makes such addresses itself.
fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// Everything that waits there.
fn for_each(source: &OwnedFd, mut each: impl FnMut(&[u8])) -> Result<(), Error> {
    let mut buffer = [0; MESSAGE_MAX];
    loop {
        match recv(source.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => each(&buffer[..length]),
            Err(Errno::EAGAIN) => return Ok(()),
            Err(reason) => return unexpected(format!("the observer lost something: {reason}")),
        }
    }
}

/// Frames of that kind on every interface.
fn heard(kind: SockProtocol) -> io::Result<OwnedFd> {
    Ok(socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        kind,
    )?)
}

/// Addresses that come and go.
fn monitor() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        flags,
        SockProtocol::NetlinkRoute,
    )?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, ADDRESS_GROUPS))?;
    let socket = Socket::from(socket);
    socket.set_recv_buffer_size(BUFFER)?;
    Ok(socket.into())
}

fn inside<T: Send>(
    machine: &Namespace,
    open: impl FnOnce() -> io::Result<T> + Send,
) -> Result<T, Error> {
    let opened = machine.inside(open).and_then(|opened| opened);
    error::file(format!("observe {}", machine.name()), opened)
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The hardware address of a machine's `eth0`.
///
/// # Errors
/// [`Error::Command`], [`Error::Unexpected`] when there is none.
pub fn hardware(machine: &Namespace) -> Result<Hardware, Error> {
    let list = machine.ip(&["-o", "link", "show", "eth0"])?;
    let mut words = list.split_whitespace();
    words.find(|word| *word == "link/ether");
    let text = words.next().unwrap_or_default();
    let bytes = text.split(':').map(|byte| u8::from_str_radix(byte, 16));
    let bytes: Result<Vec<u8>, _> = bytes.collect();
    let hardware = bytes.ok().and_then(|bytes| bytes.try_into().ok());
    hardware.map_or_else(
        || unexpected(format!("{text:?} is no hardware address")),
        Ok,
    )
}
