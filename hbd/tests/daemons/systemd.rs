//! What a daemon tells systemd, and what systemd keeps for it; a socket of the test stands in.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, IoSliceMut};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hbd_tests::{instance, wait};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::Pid;

use crate::bcast_and_mcast;
use crate::cluster::{Cluster, Daemon, PATIENCE};

#[test]
fn systemd_is_told_of_start_verdict_life_reload_and_stop() {
    let (mut cluster, systemd) = alice_under_systemd("story", "", 1_000_000);
    let alice = &mut cluster.nodes[0];
    let mut before = Vec::new();
    systemd.until("READY=1", &mut before);
    let store = [
        "FDSTOREREMOVE=1\nFDNAME=control",
        "FDSTORE=1\nFDNAME=control",
    ];
    assert_eq!(before[..2], store);
    let ready = format!("READY=1\nMAINPID={}", alice.pid());
    assert_eq!(before.last(), Some(&ready));
    assert!(
        !before.iter().any(|text| text.starts_with("WATCHDOG")),
        "{before:?}"
    );
    for pid in [alice.core(), alice.manager()] {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        assert!(!environment.contains("NOTIFY_SOCKET"), "{environment}");
    }
    let mut running = Vec::new();
    systemd.until("WATCHDOG=1", &mut running);
    systemd.until("STATUS=alice: ", &mut running);
    alice.signal(Signal::SIGHUP);
    let mut reload = Vec::new();
    systemd.until("RELOADING=1\nMONOTONIC_USEC=", &mut reload);
    systemd.until("READY=1", &mut reload);
    alice.signal(Signal::SIGTERM);
    let mut stop = Vec::new();
    systemd.until("STOPPING=1", &mut stop);
    assert!(
        stop.contains(&"FDSTOREREMOVE=1\nFDNAME=control".to_owned()),
        "{stop:?}"
    );
    assert!(alice.ended().success());
}

#[test]
fn the_watchdog_is_told_of_life_only_while_the_core_gives_signs_of_it() {
    // The supervisor puts up with a silent core for ten seconds.
    let patient = "deadtime 40\ninitdead 40\nwarntime 20";
    let (cluster, systemd) = alice_under_systemd("watchdog", patient, 400_000);
    let alice = &cluster.nodes[0];
    systemd.until("WATCHDOG=1", &mut Vec::new());
    let core = Pid::from_raw(alice.core());
    kill(core, Signal::SIGSTOP).unwrap();
    systemd.take_what_is_there();
    let heard = systemd.listen(Duration::from_secs(1));
    // The core may have come round between the supervisor's last look and the signal: once. A living
    // one is told of ten times a second.
    let told = heard.iter().filter(|text| text.starts_with("WATCHDOG"));
    assert!(told.count() <= 1, "{heard:?}");
    kill(core, Signal::SIGCONT).unwrap();
    systemd.until("WATCHDOG=1", &mut Vec::new());
}

#[test]
fn clients_find_the_socket_while_hbd_is_being_restarted() {
    let (mut cluster, systemd) = alice_under_systemd("store", "", 1_000_000);
    let alice = &mut cluster.nodes[0];
    let kept = systemd.kept();
    systemd.until("READY=1", &mut Vec::new());
    let core = alice.core();
    alice.signal(Signal::SIGKILL);
    alice.reap();
    let early = UnixStream::connect(alice.socket()).unwrap();
    early.set_read_timeout(Some(PATIENCE)).unwrap();
    let daemon = alice.command();
    let mut again = Command::new("sh");
    let script = format!("export LISTEN_PID=$$; exec \"$@\" 3<&{kept} </dev/null");
    again.args(["-c", &script, "sh"]).arg(daemon.get_program());
    again.args(daemon.get_args());
    again
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDNAMES", "control");
    again.env("NOTIFY_SOCKET", &systemd.path);
    alice.start_by(again);
    let mut hello = String::new();
    BufReader::new(early).read_line(&mut hello).unwrap();
    assert!(hello.starts_with("{\"hbd\":"), "{hello}");
    systemd.until("READY=1", &mut Vec::new());
    assert_eq!(alice.core(), core, "the core lived on");
}

#[test]
fn a_supervisor_that_systemd_started_is_not_started_by_the_manager() {
    let (mut cluster, systemd) = alice_under_systemd("revival", "", 1_000_000);
    let alice = &mut cluster.nodes[0];
    systemd.until("READY=1", &mut Vec::new());
    let workers = BTreeSet::from([alice.core(), alice.manager()]);
    alice.signal(Signal::SIGKILL);
    alice.reap();
    // Where nobody else starts one, the manager does at once.
    let run = alice.home.join("run");
    wait::stays_true(Duration::from_secs(1), "the workers are alone", || {
        Ok(instance::pids(&run).into_iter().collect::<BTreeSet<_>>() == workers)
    })
    .unwrap();
    let mut again = alice.command();
    again.stdin(Stdio::null());
    again.env("NOTIFY_SOCKET", &systemd.path);
    alice.start_by(again);
    systemd.until("READY=1", &mut Vec::new());
    assert_eq!(BTreeSet::from([alice.core(), alice.manager()]), workers);
}

/// A daemon with `more` in its `ha.cf`, and who stands in for systemd.
fn alice_under_systemd(test: &str, more: &str, watchdog_usec: u32) -> (Cluster, Systemd) {
    let media = bcast_and_mcast();
    let mut cluster = Cluster::start(&["alice"], |name| format!("{}\n{more}", media(name)));
    let alice = &mut cluster.nodes[0];
    alice.wait_for("a core", |view| view.started.is_some());
    alice.signal(Signal::SIGTERM);
    alice.ended();
    let systemd = Systemd::listen_for(alice, test);
    let mut command = alice.command();
    command.stdin(Stdio::null());
    command.env("NOTIFY_SOCKET", &systemd.path);
    command.env("WATCHDOG_USEC", watchdog_usec.to_string());
    alice.start_by(command);
    (cluster, systemd)
}

struct Systemd {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Systemd {
    fn listen_for(daemon: &Daemon, test: &str) -> Self {
        let path = daemon.home.join(test);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { path, socket }
    }

    fn next(&self) -> Option<String> {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// Collects what is said, up to a text that begins so.
    fn until(&self, beginning: &str, said: &mut Vec<String>) {
        loop {
            let Some(text) = self.next() else {
                panic!("waited in vain for {beginning}: {said:#?}");
            };
            said.push(text);
            if said.last().is_some_and(|text| text.starts_with(beginning)) {
                return;
            }
        }
    }

    fn take_what_is_there(&self) {
        self.socket.set_nonblocking(true).unwrap();
        while self.next().is_some() {}
        self.socket.set_nonblocking(false).unwrap();
    }

    /// What is said in a time.
    fn listen(&self, time: Duration) -> Vec<String> {
        let end = Instant::now() + time;
        let mut said = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.socket.set_read_timeout(Some(left)).unwrap();
            said.extend(self.next());
        }
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        said
    }

    /// The descriptor that comes with the second message, for processes that this one starts.
    fn kept(&self) -> RawFd {
        self.until("FDSTOREREMOVE=1", &mut Vec::new());
        let mut buffer = [0; 4096];
        let mut pieces = [IoSliceMut::new(&mut buffer)];
        let mut space = nix::cmsg_space!([RawFd; 1]);
        let descriptor = self.socket.as_raw_fd();
        let flags = MsgFlags::empty();
        let message = recvmsg::<()>(descriptor, &mut pieces, Some(&mut space), flags).unwrap();
        let Some(ControlMessageOwned::ScmRights(numbers)) = message.cmsgs().unwrap().next() else {
            panic!("no descriptor");
        };
        numbers[0]
    }
}
