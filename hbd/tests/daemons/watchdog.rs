//! The watchdog, by a stand-in that notes when it was written to: a pipe with a name.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use crate::cluster::{Cluster, Daemon, until};
use crate::frozen::all;
use crate::{TWO, bcast_and_mcast};

const GROUPS: &str = "alice Dummy::web\nbob Dummy::mail\n";
/// A deadtime of 3 s and 10 ms, rounded up.
const TIMEOUT: Duration = Duration::from_secs(4);
/// What a core without a manager is given, as hbd(8) says.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(2);

/// What the stand-in noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Alive,
    Last,
    Closed,
}

type Marks = Arc<Mutex<Vec<(Instant, Mark)>>>;

/// A stand-in.
pub(crate) struct Stand {
    marks: Marks,
    ends: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Stand {
    fn new(path: &Path) -> Self {
        mkfifo(path, Mode::S_IRWXU).unwrap();
        let flags = nix::libc::O_NONBLOCK;
        let pipe = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let (pipe, marks, ends) = (pipe.unwrap(), Marks::default(), Arc::default());
        let (noted, told) = (Arc::clone(&marks), Arc::clone(&ends));
        let reader = std::thread::spawn(move || note(pipe, &noted, &told));
        Self {
            marks,
            ends,
            reader: Some(reader),
        }
    }

    fn marks(&self) -> Vec<(Instant, Mark)> {
        self.marks.lock().unwrap().clone()
    }

    /// Signs of life so far.
    pub(crate) fn count(&self) -> usize {
        let marks = self.marks();
        marks
            .iter()
            .filter(|(_, mark)| *mark == Mark::Alive)
            .count()
    }

    fn wait(&self, more: usize) {
        let before = self.count();
        until("signs of life", || {
            (self.count() >= before + more).then_some(())
        });
    }

    /// The longest time without a sign of life.
    fn gap(&self) -> Duration {
        let alive = self.marks().into_iter();
        let alive: Vec<_> = alive.filter(|(_, mark)| *mark == Mark::Alive).collect();
        let gaps = alive.windows(2).map(|pair| pair[1].0 - pair[0].0);
        gaps.max().unwrap_or_default()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn note(mut pipe: File, marks: &Marks, ends: &AtomicBool) {
    let mut bytes = [0; 64];
    while !ends.load(Ordering::Relaxed) {
        let read = pipe.read(&mut bytes);
        let mut marks = marks.lock().unwrap();
        let now = Instant::now();
        match read {
            Ok(0) => {
                let open = marks.last().is_some_and(|(_, mark)| *mark != Mark::Closed);
                marks.extend(open.then_some((now, Mark::Closed)));
            }
            Ok(count) => marks.extend(bytes[..count].iter().map(|byte| match byte {
                b'V' => (now, Mark::Last),
                _ => (now, Mark::Alive),
            })),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
        drop(marks);
        std::thread::park_timeout(LOOK);
    }
}

/// The stand-ins of a cluster, by node.
#[derive(Clone, Default)]
pub(crate) struct Stands(Arc<Mutex<BTreeMap<String, Arc<Stand>>>>);

impl Stands {
    /// Makes one, and has the node use it.
    pub(crate) fn make(&self, home: &Path) {
        let device = home.join("watchdog");
        let stand = Arc::new(Stand::new(&device));
        let name = home.file_name().unwrap().to_string_lossy().into_owned();
        self.0.lock().unwrap().insert(name, stand);
        let file = home.join("conf/ha.cf");
        let ha_cf = fs::read_to_string(&file).unwrap();
        let line = format!("watchdog {}\n", device.display());
        fs::write(file, ha_cf + &line).unwrap();
    }

    pub(crate) fn of(&self, node: &str) -> Arc<Stand> {
        Arc::clone(&self.0.lock().unwrap()[node])
    }
}

/// Two nodes that are active, and alice's watchdog.
fn pair() -> (Cluster, Arc<Stand>) {
    let stands = Stands::default();
    let made = stands.clone();
    let prepare = move |home: &Path| made.make(home);
    let cluster = Cluster::holding_prepared(&TWO, bcast_and_mcast(), GROUPS, prepare);
    cluster.settle();
    let alice = stands.of("alice");
    alice.wait(2);
    (cluster, alice)
}

fn replaced(node: &Daemon, process: impl Fn(&Daemon) -> i32) {
    let pid = process(node);
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    until("another process", || (process(node) != pid).then_some(()));
}

/// That nothing happens for so long.
fn during(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        std::thread::park_timeout(time - begin.elapsed().min(time));
    }
}

#[test]
fn it_is_fed_whatever_process_dies_and_closed_in_order() {
    let (cluster, fed) = pair();
    let begin = fed.marks()[0].0;
    let alice = &cluster.nodes[0];
    for process in [Daemon::manager, Daemon::core, Daemon::pid] {
        replaced(alice, process);
        fed.wait(3);
    }
    // Both that have it.
    let supervisor = alice.pid();
    kill(Pid::from_raw(supervisor), Signal::SIGSTOP).unwrap();
    kill(Pid::from_raw(alice.core()), Signal::SIGKILL).unwrap();
    replaced(alice, Daemon::pid);
    fed.wait(3);
    kill(Pid::from_raw(alice.manager()), Signal::SIGSTOP).unwrap();
    alice.wait_for("a manager that hung to be replaced", |view| {
        let how = view.last_deaths.get(&shared::event::Role::Manager);
        let how = how.and_then(|death| death.how.as_deref());
        how.is_some_and(|how| how.contains("silent"))
    });
    fed.wait(3);
    assert!(fed.gap() < TIMEOUT, "{:?}", fed.gap());
    let most = begin.elapsed().as_millis() / 250 + 10;
    assert!(fed.count() as u128 <= most, "{} of {most}", fed.count());
    alice.signal(Signal::SIGTERM);
    let marks = until("its end", || {
        let marks = fed.marks();
        let closed = marks.last().is_some_and(|(_, mark)| *mark == Mark::Closed);
        closed.then_some(marks)
    });
    let marks: Vec<_> = marks.into_iter().map(|(_, mark)| mark).collect();
    assert_eq!(marks[marks.len() - 2], Mark::Last);
    let last = marks.iter().filter(|mark| **mark == Mark::Last);
    assert_eq!(last.count(), 1, "at the end and never before");
}

#[test]
fn a_machine_that_stands_still_feeds_nothing() {
    let (cluster, fed) = pair();
    let alice = &cluster.nodes[0];
    all(alice, Signal::SIGSTOP);
    let before = fed.count();
    during(TIMEOUT);
    // One may have been on its way.
    assert!(fed.count() <= before + 1);
    all(alice, Signal::SIGCONT);
    fed.wait(2);
}

#[test]
fn what_nobody_looks_after_is_not_served_for_ever() {
    let (cluster, fed) = pair();
    let alice = &cluster.nodes[0];
    let (supervisor, manager) = (alice.pid(), alice.manager());
    kill(Pid::from_raw(manager), Signal::SIGSTOP).unwrap();
    for pid in [supervisor, manager] {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    let died = Instant::now();
    let fed_for = loop {
        let last = fed.marks().last().unwrap().0;
        if last.elapsed() > TIMEOUT {
            break last - died;
        }
        assert!(died.elapsed() < 2 * PATIENCE, "it is fed all the time");
        during(LOOK);
    };
    let nearly = PATIENCE - Duration::from_secs(2);
    assert!(
        (nearly..PATIENCE + TIMEOUT).contains(&fed_for),
        "{fed_for:?}"
    );
}

#[test]
fn it_is_not_touched_under_a_configuration_with_errors() {
    let stands = Stands::default();
    let made = stands.clone();
    let prepare = move |home: &Path| {
        made.make(home);
        fs::write(home.join("conf/hbd.cf"), "startup never\n").unwrap();
    };
    let mut cluster = Cluster::holding_prepared(&TWO, bcast_and_mcast(), GROUPS, prepare);
    for node in &mut cluster.nodes {
        assert_eq!(node.ended().code(), Some(8));
        assert_eq!(stands.of(node.name.as_str()).marks(), []);
    }
}

#[test]
fn one_that_cannot_be_used_is_a_reason_not_to_start() {
    // Nobody reads it.
    let prepare = |home: &Path| {
        let device = home.join("unread");
        mkfifo(&device, Mode::S_IRWXU).unwrap();
        let line = format!("watchdog {}\n", device.display());
        fs::write(home.join("conf/hbd.cf"), line).unwrap();
    };
    let mut cluster =
        Cluster::holding_prepared(&["alice", "bob"], bcast_and_mcast(), GROUPS, prepare);
    for node in &mut cluster.nodes {
        assert_eq!(node.ended().code(), Some(1));
        let log = node.log();
        assert!(log.contains("cannot use the watchdog"), "{log}");
        assert!(log.contains("unread: No such device or address"), "{log}");
    }
}
