//! What systemd is told of the daemon, and what it keeps for it (`sd_notify(3)`).
//!
//! ```text
//! start     READY=1 when the core runs and beats
//! reload    RELOADING=1 with MONOTONIC_USEC, then READY=1
//! running   STATUS= the verdict, when it changes; WATCHDOG=1 as long as the core gives signs of life
//! stop      FDSTOREREMOVE=1, STOPPING=1
//! ```
//!
//! Without `NOTIFY_SOCKET` nothing of it is said. A service manager that does not read holds
//! nothing up: what it does not take is said again later, and the last word of a sort counts.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use shared::time::Moment;

use crate::{clock, sys};

/// The variable that names the socket. No process of hbd but the supervisor may speak.
pub(crate) const SOCKET: &str = "NOTIFY_SOCKET";
/// The name under which the control socket is kept.
const CONTROL: &str = "control";
/// The first descriptor that a service manager hands over (`sd_listen_fds(3)`).
const FIRST: RawFd = 3;
/// Most descriptors that are looked at.
const KEPT_MAX: RawFd = 64;
/// So many signs of life fit into the time that the watchdog waits.
const SIGNS_OF_LIFE: u32 = 4;

/// The way to the service manager.
pub(crate) struct ServiceManager {
    socket: Option<UnixDatagram>,
    /// Time between two signs of life that are passed on.
    watchdog: Option<Duration>,
    passed_on: Option<Moment>,
    ready: bool,
    reloading: bool,
    status: String,
    /// Said and not taken.
    unsent: Vec<String>,
}

impl ServiceManager {
    /// As the environment says.
    pub(crate) fn from_environment() -> io::Result<Self> {
        let number = |name| env::var(name).ok()?.parse::<u64>().ok();
        let pid = u64::from(std::process::id());
        let micros = number("WATCHDOG_USEC")
            .filter(|_| number("WATCHDOG_PID").is_none_or(|meant| meant == pid));
        Self::new(
            env::var_os(SOCKET).as_deref(),
            micros.map(Duration::from_micros),
        )
    }

    /// Speaks to nobody.
    pub(crate) fn none() -> Self {
        Self {
            socket: None,
            watchdog: None,
            passed_on: None,
            ready: false,
            reloading: false,
            status: String::new(),
            unsent: Vec::new(),
        }
    }

    fn new(name: Option<&OsStr>, watchdog: Option<Duration>) -> io::Result<Self> {
        let Some(name) = name else {
            return Ok(Self::none());
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address(name)?)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: Some(socket),
            watchdog: watchdog.map(|limit| limit / SIGNS_OF_LIFE),
            ..Self::none()
        })
    }

    /// True where somebody listens.
    pub(crate) fn listens(&self) -> bool {
        self.socket.is_some()
    }

    /// Time between two signs of life, where a watchdog waits for them.
    pub(crate) fn interval(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Has this descriptor kept while hbd is being restarted, and no other of its name: a program that
    /// takes over in place listens anew.
    pub(crate) fn keep_control(&mut self, control: BorrowedFd<'_>) {
        self.forget_control();
        let Some(socket) = &self.socket else {
            return;
        };
        let text = format!("FDSTORE=1\nFDNAME={CONTROL}");
        let numbers = [control.as_raw_fd()];
        // One that is not kept is missed during a restart only.
        let _ = sendmsg::<()>(
            socket.as_raw_fd(),
            &[IoSlice::new(text.as_bytes())],
            &[ControlMessage::ScmRights(&numbers)],
            MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT,
            None,
        );
    }

    /// The core gives a sign of life: the daemon is ready, and its watchdog is told, now and then.
    pub(crate) fn core_lives(&mut self, now: Moment) {
        if !self.ready {
            self.ready = true;
            self.say(format!("READY=1\nMAINPID={}", std::process::id()));
        }
        let Some(interval) = self.watchdog else {
            return;
        };
        if self
            .passed_on
            .is_none_or(|last| now.since(last) >= interval)
        {
            self.passed_on = Some(now);
            self.say("WATCHDOG=1".into());
        }
    }

    /// The configuration is about to be read again.
    pub(crate) fn reload_begins(&mut self) {
        self.reloading = true;
        let micros = clock::monotonic().as_micros();
        self.say(format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// It was read, and taken or refused.
    pub(crate) fn reload_ends(&mut self) {
        if std::mem::take(&mut self.reloading) {
            self.say("READY=1".into());
        }
    }

    /// How the cluster is, in one line.
    pub(crate) fn status(&mut self, sentence: &str) {
        if self.status != sentence {
            self.status = sentence.to_owned();
            self.say(format!("STATUS={sentence}"));
        }
        self.flush();
    }

    /// The daemon leaves and ends: nothing is to be kept for it.
    pub(crate) fn stopping(&mut self) {
        self.forget_control();
        self.say("STOPPING=1".into());
    }

    fn forget_control(&mut self) {
        self.say(format!("FDSTOREREMOVE=1\nFDNAME={CONTROL}"));
    }

    fn say(&mut self, text: String) {
        if !self.listens() {
            return;
        }
        let sort = |text: &str| text.split('=').next().map(str::to_owned);
        self.unsent.retain(|unsent| sort(unsent) != sort(&text));
        self.unsent.push(text);
        self.flush();
    }

    /// In order, and no further than the first that is not taken.
    fn flush(&mut self) {
        let Some(socket) = &self.socket else {
            return;
        };
        let taken = self
            .unsent
            .iter()
            .take_while(|text| socket.send(text.as_bytes()).is_ok())
            .count();
        self.unsent.drain(..taken);
    }
}

/// A path, or a name in the abstract namespace behind `@` (`unix(7)`).
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "neither a path nor an abstract name",
        )),
    }
}

/// The control socket that was kept while hbd was being restarted. To be called once, before
/// anything is opened. Other descriptors that were handed over are closed.
pub(crate) fn kept_control() -> Option<OwnedFd> {
    let number = |name| env::var(name).ok()?.parse::<RawFd>().ok();
    if u32::try_from(number("LISTEN_PID")?) != Ok(std::process::id()) {
        return None;
    }
    let count = number("LISTEN_FDS")?.clamp(0, KEPT_MAX);
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let kept = (FIRST..FIRST + count).zip(names.split(':'));
    let mut control = None;
    for (number, name) in kept {
        let descriptor = sys::inherited(number).and_then(for_us_alone).ok();
        if name == CONTROL {
            control = descriptor;
        }
    }
    control
}

/// No process that is started from here on gets it.
fn for_us_alone(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    fcntl(&descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(descriptor)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Manager(UnixDatagram);

    impl Manager {
        /// Listens under an abstract name that nobody else uses.
        fn listen(test: &str) -> (Self, String) {
            let name = format!("hbd-service-manager-{}-{test}", std::process::id());
            let address = SocketAddr::from_abstract_name(&name).expect("a short name");
            let socket = UnixDatagram::bind_addr(&address).expect("a free name");
            socket.set_nonblocking(true).expect("a socket");
            (Self(socket), format!("@{name}"))
        }

        fn said(&self) -> Vec<String> {
            let mut buffer = [0; 4096];
            let mut said = Vec::new();
            while let Ok(length) = self.0.recv(&mut buffer) {
                said.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            }
            said
        }
    }

    fn at(millis: u64) -> Moment {
        Moment(millis * 1_000_000)
    }

    #[test]
    fn signs_of_life_are_passed_on_four_times_per_limit_and_never_invented() {
        let (manager, name) = Manager::listen("watchdog");
        let limit = Some(Duration::from_secs(2));
        let mut told = ServiceManager::new(Some(OsStr::new(&name)), limit).expect("it listens");
        for millis in (0..1000).step_by(50) {
            told.core_lives(at(millis));
        }
        let ready = format!("READY=1\nMAINPID={}", std::process::id());
        assert_eq!(manager.said(), [&ready, "WATCHDOG=1", "WATCHDOG=1"]);
        told.status("alice: all is well");
        told.status("alice: all is well");
        assert_eq!(manager.said(), ["STATUS=alice: all is well"], "no watchdog");
    }

    #[test]
    fn a_reload_and_a_stop_are_told_in_their_order() {
        let (manager, name) = Manager::listen("reload");
        let mut told = ServiceManager::new(Some(OsStr::new(&name)), None).expect("it listens");
        let before = clock::monotonic();
        told.reload_begins();
        told.reload_ends();
        told.stopping();
        let said = manager.said();
        let micros = said[0].strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        let micros: u64 = micros.and_then(|text| text.parse().ok()).expect("a number");
        assert!(micros >= u64::try_from(before.as_micros()).expect("it fits"));
        let rest = ["READY=1", "FDSTOREREMOVE=1\nFDNAME=control", "STOPPING=1"];
        assert_eq!(said[1..], rest);
    }

    #[test]
    fn what_is_not_taken_is_said_later_and_once() {
        let (manager, name) = Manager::listen("full");
        let mut told = ServiceManager::new(Some(OsStr::new(&name)), None).expect("it listens");
        let mut filled = 0;
        while told.unsent.is_empty() {
            filled += 1;
            told.status(&format!("status {filled}"));
        }
        told.reload_begins();
        told.status("the last");
        assert_eq!(told.unsent.len(), 2, "{:?}", told.unsent);
        assert_eq!(manager.said().len(), filled - 1);
        told.status("the last");
        let said = manager.said();
        assert!(said[0].starts_with("RELOADING=1"), "{said:?}");
        assert_eq!(said[1..], ["STATUS=the last"]);
    }

    #[test]
    fn a_name_that_is_no_address_is_refused() {
        assert!(ServiceManager::new(Some(OsStr::new("vsock:2:1")), None).is_err());
        assert!(!ServiceManager::new(None, None).expect("nobody").listens());
    }
}
