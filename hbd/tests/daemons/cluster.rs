//! Real daemons on the loopback interface of this machine.

use std::fs::{self, File, Permissions};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hbd_tests::instance;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shared::client::{Client, Subscription, Update};
use shared::event::{Event, Kind, NodeStatus};
use shared::names::NodeName;
use shared::view::ClusterView;

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// More events than any test makes.
const ALL: usize = 4096;

/// Makes more in the directory of a node, before that starts.
type Prepare = Box<dyn Fn(&Path)>;

/// The nodes of a test.
pub(crate) struct Cluster {
    directory: PathBuf,
    /// What `haresources` says, if there is one.
    groups: Option<&'static str>,
    /// What else is to be in a node's directory.
    prepare: Prepare,
    pub(crate) nodes: Vec<Daemon>,
}

impl Cluster {
    /// Starts a daemon for each name. `media` is the part of `ha.cf` that names them, by node.
    pub(crate) fn start(names: &[&str], media: impl Fn(&str) -> String) -> Self {
        Self::start_with(names, media, &[])
    }

    /// As [`Cluster::start`], with more words on the command line.
    pub(crate) fn start_with(
        names: &[&str],
        media: impl Fn(&str) -> String,
        words: &[&'static str],
    ) -> Self {
        Self::start_all(names, media, words, (None, Box::new(|_| {})))
    }

    /// As [`Cluster::start`], with groups of resources.
    pub(crate) fn holding(
        names: &[&str],
        media: impl Fn(&str) -> String,
        groups: &'static str,
    ) -> Self {
        Self::holding_prepared(names, media, groups, |_| {})
    }

    /// As [`Cluster::holding`], with more in the directory of each node.
    pub(crate) fn holding_prepared(
        names: &[&str],
        media: impl Fn(&str) -> String,
        groups: &'static str,
        prepare: impl Fn(&Path) + 'static,
    ) -> Self {
        Self::start_all(names, media, &[], (Some(groups), Box::new(prepare)))
    }

    fn start_all(
        names: &[&str],
        media: impl Fn(&str) -> String,
        words: &[&'static str],
        (groups, prepare): (Option<&'static str>, Prepare),
    ) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hbd-daemons-{}-{count}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let mut cluster = Self {
            directory,
            groups,
            prepare,
            nodes: Vec::new(),
        };
        for name in names {
            cluster.add(name, names, &media, words);
        }
        cluster
    }

    /// Starts another node, which knows those.
    pub(crate) fn add(
        &mut self,
        name: &str,
        names: &[&str],
        media: impl Fn(&str) -> String,
        words: &[&'static str],
    ) {
        let home = self.directory.join(name);
        let conf = home.join("conf");
        fs::create_dir_all(&conf).unwrap();
        let ha_cf = format!(
            "node {}\nkeepalive 100ms\nwarntime 1\ndeadtime 3\ninitdead 10\n{}\n",
            names.join(" "),
            media(name)
        );
        fs::write(conf.join("ha.cf"), ha_cf).unwrap();
        if let Some(groups) = self.groups {
            fs::write(conf.join("haresources"), groups).unwrap();
        }
        fs::write(conf.join("authkeys"), "auth 1\n1 sha1 daemons\n").unwrap();
        let mode = Permissions::from_mode(0o600);
        fs::set_permissions(conf.join("authkeys"), mode).unwrap();
        (self.prepare)(&home);
        let mut daemon = Daemon {
            name: NodeName::new(name).unwrap(),
            home,
            words: words.to_vec(),
            program: env!("CARGO_BIN_EXE_hbd").into(),
            child: None,
        };
        daemon.start();
        self.nodes.push(daemon);
    }

    /// Waits until every node says of every node that it is active.
    pub(crate) fn settle(&self) {
        for daemon in &self.nodes {
            daemon.wait_for("everyone to be active", |view| {
                view.nodes.len() == self.nodes.len()
                    && view.nodes.values().all(|n| n.status == NodeStatus::Active)
            });
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for daemon in &self.nodes {
                eprintln!("--- log of {}\n{}", daemon.name, daemon.log());
            }
        }
        self.nodes.clear();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// One daemon.
pub(crate) struct Daemon {
    pub(crate) name: NodeName,
    pub(crate) home: PathBuf,
    words: Vec<&'static str>,
    /// The program, where that is a copy of the one under test.
    pub(crate) program: PathBuf,
    child: Option<Child>,
}

impl Daemon {
    pub(crate) fn command(&self) -> Command {
        self.command_in(&self.home.join("run"))
    }

    /// As [`Daemon::command`], with another run directory.
    pub(crate) fn command_in(&self, run: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(self.home.join("conf"));
        command.arg("--state").arg(self.home.join("state"));
        command.arg("--run").arg(run);
        command.arg("--node").arg(self.name.as_str());
        command.args(&self.words);
        command
    }

    pub(crate) fn start(&mut self) {
        let mut command = self.command();
        command.stdin(Stdio::null());
        self.start_by(command);
    }

    /// As [`Daemon::start`], by a command of the test's own that becomes the daemon.
    pub(crate) fn start_by(&mut self, mut command: Command) {
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.home.join("log"))
            .unwrap();
        self.child = Some(command.stderr(log).spawn().unwrap());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.home.join("log")).unwrap_or_default()
    }

    /// The supervisor, whoever started it.
    pub(crate) fn pid(&self) -> i32 {
        self.process("supervisor")
    }

    /// The process of its core.
    pub(crate) fn core(&self) -> i32 {
        self.process("core")
    }

    /// The process of its manager.
    pub(crate) fn manager(&self) -> i32 {
        self.process("manager")
    }

    fn process(&self, role: &str) -> i32 {
        let run = self.home.join("run");
        until(&format!("a {role}"), || {
            let pid = instance::pid(&run, role)?;
            let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let worker = line.starts_with(format!("hbd: {role}").as_bytes());
            (worker || (role == "supervisor" && !line.is_empty())).then_some(pid)
        })
    }

    /// Whether anything of it runs.
    pub(crate) fn runs(&self) -> bool {
        !instance::pids(&self.home.join("run")).is_empty()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Waits for the end of the supervisor alone.
    pub(crate) fn reap(&mut self) {
        self.child.take().unwrap().wait().unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let status = until("the daemon to end", || child.try_wait().unwrap());
        assert!(Client::connect(&self.socket(), PATIENCE).is_err());
        status
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.home.join("run/hbd.sock")
    }

    pub(crate) fn client(&self) -> Client {
        until("the control socket", || {
            Client::connect(&self.socket(), PATIENCE).ok()
        })
    }

    fn subscribe(&self) -> Subscription {
        self.client().subscribe(0).unwrap()
    }

    /// Waits until the view is as hoped.
    pub(crate) fn wait_for(&self, what: &str, holds: impl Fn(&ClusterView) -> bool) -> ClusterView {
        let mut stream = self.subscribe();
        let mut view = ClusterView::default();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match stream.wait(Some(left)).unwrap() {
                Some(Update::Snapshot(snapshot)) => view = snapshot.view,
                Some(Update::Event(event)) => view.apply(&event),
                Some(Update::Sample(_)) => continue,
                None => panic!("{}: waited in vain for {what}: {view:#?}", self.name),
            }
            if holds(&view) {
                return view;
            }
        }
    }

    /// All events so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.client().events(ALL).unwrap()
    }

    /// How often a node was declared dead, as far as this one knows.
    pub(crate) fn deaths(&self) -> usize {
        let dead = |event: &&Event| {
            matches!(
                event.kind,
                Kind::NodeStatus {
                    to: NodeStatus::Dead,
                    ..
                }
            )
        };
        self.events().iter().filter(dead).count()
    }
}

impl Drop for Daemon {
    /// Kills all of it, whoever started it.
    fn drop(&mut self) {
        instance::kill_all(&self.home.join("run")).unwrap();
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
    }
}

/// Looks until there is something.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A UDP port nobody uses at this moment.
pub(crate) fn free_port() -> u16 {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
    socket.local_addr().unwrap().port()
}
