//! Real hbd daemons, each on a machine of its own.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shared::client::{Client, REPLY_LIMIT};
use shared::event::{Event, NodeStatus};
use shared::names::NodeName;
use shared::view::ClusterView;

use crate::error::{self, Error, unexpected};
use crate::namespaces::Namespace;
use crate::scratch::Scratch;
use crate::{instance, program, wait};

/// How long a daemon may take until its control socket greets.
const START: Duration = Duration::from_secs(10);
/// More events than any test makes.
const ALL_EVENTS: usize = 100_000;
/// An `hbd.cf` with which a node that fences itself does no harm to the machine that the tests run on.
pub const HARMLESS: &str = "selffence /bin/true\n";
/// What a worker's process calls itself begins so.
const WORKER: &str = "hbd: ";

/// Its processes, the one that watches the others first.
const ROLES: [&str; 3] = ["supervisor", "manager", "core"];

/// A machine on which hbd is installed. Dropping it kills and removes everything of it.
#[derive(Debug)]
pub struct Daemon {
    node: NodeName,
    config: PathBuf,
    network: Arc<Namespace>,
    supervisor: Option<Child>,
    /// The program, where that is not the workspace's own.
    program: Option<PathBuf>,
    /// A directory whose `hosts` and `resolv.conf` it sees in place of the machine's.
    resolver: Option<PathBuf>,
    /// A capability that nobody has on it.
    lacks: Option<&'static str>,
    /// Besides what the test process has.
    environment: Vec<(&'static str, PathBuf)>,
    directories: Scratch,
}

/// The script of a shell that puts a directory in place of `/var/log`, and another one's files in place of those of
/// `/etc` where one is named, where nobody else sees them, and becomes what follows.
const ON_ITS_MACHINE: &str = "mount --bind \"$1\" /var/log || exit 1; [ -z \"$2\" ] || for file in hosts resolv.conf; do \
    mount --bind \"$2/$file\" \"$(readlink -f /etc/$file)\" || exit 1; done; shift 2; exec \"$@\"";

/// A process of a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// The user it runs as.
    pub uid: u32,
}

impl Daemon {
    /// Makes the machine; hbd is not started. It reads its configuration from `config`.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Unexpected`] for a bad name.
    pub fn new(node: &str, network: &Arc<Namespace>, config: &Path) -> Result<Self, Error> {
        let node =
            NodeName::new(node).map_err(|reason| Error::Unexpected(format!("{node}: {reason}")))?;
        let directories = Scratch::new()?;
        directories.directory("state")?;
        directories.directory("var-log")?;
        let network = Arc::clone(network);
        Ok(Self {
            node,
            config: config.to_owned(),
            network,
            supervisor: None,
            program: None,
            resolver: None,
            lacks: None,
            environment: Vec::new(),
            directories,
        })
    }

    /// The same machine with `hosts` and `resolv.conf` of that directory in its `/etc`.
    #[must_use]
    pub fn with_resolver(mut self, etc: &Path) -> Self {
        self.resolver = Some(etc.to_owned());
        self
    }

    /// The same machine, where hbd is started with that in its environment.
    #[must_use]
    pub fn with_environment(mut self, environment: &[(&'static str, PathBuf)]) -> Self {
        self.environment = environment.to_vec();
        self
    }

    /// From its next start on, nobody on the machine has this capability, as `setpriv` calls it.
    pub fn take_right(&mut self, capability: &'static str) {
        self.lacks = Some(capability);
    }

    /// Starts hbd, and waits until its control socket greets.
    ///
    /// # Errors
    /// [`Error::Unexpected`] with its log when it ends instead; [`Error::NotWithin`].
    pub fn start(&mut self) -> Result<(), Error> {
        self.run_directory()?;
        self.start_beside()
    }

    /// As [`Self::start`], beside whatever still runs of it.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_beside(&mut self) -> Result<(), Error> {
        if let Some(mut former) = self.supervisor.take() {
            let _ = former.try_wait();
        }
        let hbd = match &self.program {
            Some(program) => program.clone(),
            None => program::of_workspace("hbd")?,
        };
        let log = self.path("log");
        let file = error::file(
            "open the log",
            File::options().append(true).create(true).open(&log),
        )?;
        let copy = error::file("open the log", file.try_clone())?;
        let mut command = self.command(&hbd.to_string_lossy());
        command.arg("--config").arg(&self.config);
        command.arg("--state").arg(self.path("state"));
        command.arg("--run").arg(self.path("run"));
        command.arg("--node").arg(self.node.as_str());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(file).stderr(copy);
        let child = error::file(format!("start {}", hbd.display()), command.spawn())?;
        self.supervisor = Some(child);
        wait::until_true(START, &format!("hbd {} greets", self.node), || {
            if let Some(status) = self.ended()? {
                return unexpected(format!(
                    "hbd {} ended with {status}:\n{}",
                    self.node,
                    self.log()
                ));
            }
            Ok(Client::connect(&self.socket(), REPLY_LIMIT).is_ok())
        })
    }

    /// Installs a program of its own on this machine: the workspace's, and `more` bytes behind it, which make it
    /// another build that does the same. One that is there is replaced, as a package manager does it.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn install(&mut self, more: usize) -> Result<(), Error> {
        let program = self.path("hbd");
        let beside = self.path("hbd.new");
        let hbd = program::of_workspace("hbd")?;
        program::copy(&hbd, &beside, more)?;
        error::file("rename hbd", fs::rename(&beside, &program))?;
        self.program = Some(program);
        Ok(())
    }

    /// Orders it to leave (SIGTERM) and waits for its end, which must be a success and leave no process.
    ///
    /// # Errors
    /// [`Error::NotWithin`]; [`Error::Unexpected`] when it ended otherwise.
    pub fn terminate(&mut self, limit: Duration) -> Result<(), Error> {
        let pid = self.supervisor_pid()?;
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        let ended = format!("nothing runs of hbd {} after SIGTERM", self.node);
        wait::until_true(limit, &ended, || {
            // A child that ended is one until it is waited for.
            let own = self.ended()?;
            let ended = own.is_some() || self.is_revived(pid);
            let run = self.run();
            let free = ROLES.iter().all(|role| !instance::is_held(&run, role));
            Ok(ended && free && instance::pids(&run).is_empty())
        })?;
        let status = self.ended()?;
        let revived = self.is_revived(pid);
        self.supervisor = None;
        match status {
            Some(status) if !revived && !status.success() => unexpected(format!(
                "hbd {} ended with {status} after SIGTERM",
                self.node
            )),
            _ => Ok(()),
        }
    }

    /// Whether that supervisor is another than the one the test started.
    fn is_revived(&self, pid: i32) -> bool {
        self.supervisor
            .as_ref()
            .is_none_or(|child| i32::try_from(child.id()) != Ok(pid))
    }

    /// The machine loses power: nothing of it runs, its state directory stays, its run directory does not.
    ///
    /// # Errors
    /// [`Error::NotWithin`], [`Error::Command`].
    pub fn crash(&mut self) -> Result<(), Error> {
        self.network.kill_all()?;
        if let Some(mut child) = self.supervisor.take() {
            let _ = child.wait();
        }
        Ok(())
    }

    /// The core's process.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when there is none.
    pub fn core(&self) -> Result<Process, Error> {
        self.worker("core")
    }

    /// The manager's process.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when there is none.
    pub fn manager(&self) -> Result<Process, Error> {
        self.worker("manager")
    }

    fn worker(&self, role: &str) -> Result<Process, Error> {
        let found = instance::pid(&self.run(), role).and_then(|pid| process(pid, role));
        found.map_or_else(
            || unexpected(format!("hbd {} has no {role}", self.node)),
            Ok,
        )
    }

    /// Sends a signal to the process that has a role: `supervisor`, `core` or `manager`. Returns which that was.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when there is none.
    pub fn signal(&self, role: &str, signal: Signal) -> Result<i32, Error> {
        let pid = match role {
            "supervisor" => self.supervisor_pid()?,
            worker => self.worker(worker)?.pid,
        };
        let _ = kill(Pid::from_raw(pid), signal);
        Ok(pid)
    }

    /// Freezes everything of it until [`Self::resume`], the supervisor first, so that it never sees the others stand
    /// still alone.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when a process is missing.
    pub fn pause(&self) -> Result<(), Error> {
        let mut roles = ROLES.iter();
        roles.try_for_each(|role| self.signal(role, Signal::SIGSTOP).map(drop))
    }

    /// Thaws it.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when a process is missing.
    pub fn resume(&self) -> Result<(), Error> {
        let mut roles = ROLES.iter().rev();
        roles.try_for_each(|role| self.signal(role, Signal::SIGCONT).map(drop))
    }

    /// Kills the core (SIGKILL).
    ///
    /// # Errors
    /// [`Error::Unexpected`] when there is none.
    pub fn kill_core(&self) -> Result<Process, Error> {
        let core = self.core()?;
        let _ = kill(Pid::from_raw(core.pid), Signal::SIGKILL);
        Ok(core)
    }

    /// Kills the manager (SIGKILL).
    ///
    /// # Errors
    /// [`Error::Unexpected`] when there is none.
    pub fn kill_manager(&self) -> Result<Process, Error> {
        let manager = self.manager()?;
        let _ = kill(Pid::from_raw(manager.pid), Signal::SIGKILL);
        Ok(manager)
    }

    /// The supervisor's process id, whoever started it.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when hbd is not running.
    pub fn supervisor_pid(&self) -> Result<i32, Error> {
        let run = self.run();
        let pid =
            instance::pid(&run, "supervisor").filter(|pid| instance::pids(&run).contains(pid));
        pid.map_or_else(
            || unexpected(format!("hbd {} has no supervisor", self.node)),
            Ok,
        )
    }

    /// How the supervisor ended that the test started, if it has.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when it was not started.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        let Some(child) = &mut self.supervisor else {
            return unexpected(format!("hbd {} is not started", self.node));
        };
        child
            .try_wait()
            .map_err(|reason| Error::Unexpected(format!("waiting for hbd {}: {reason}", self.node)))
    }

    /// What it believes.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when it does not answer.
    pub fn view(&self) -> Result<ClusterView, Error> {
        let snapshot = self.client()?.snapshot();
        snapshot
            .map(|snapshot| snapshot.view)
            .map_err(|reason| Error::Unexpected(reason.to_string()))
    }

    /// What has happened, oldest first.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when it does not answer.
    pub fn events(&self) -> Result<Vec<Event>, Error> {
        self.client()?
            .events(ALL_EVENTS)
            .map_err(|reason| Error::Unexpected(reason.to_string()))
    }

    /// What it gives a node as status.
    ///
    /// # Errors
    /// As [`Self::view`].
    pub fn status_of(&self, node: &str) -> Result<Option<NodeStatus>, Error> {
        let view = self.view()?;
        Ok(view
            .nodes
            .iter()
            .find(|(name, _)| name.as_str() == node)
            .map(|(_, node)| node.status))
    }

    /// Waits until it gives a node that status.
    ///
    /// # Errors
    /// [`Error::NotWithin`]; as [`Self::view`].
    pub fn wait_status(
        &self,
        node: &str,
        status: NodeStatus,
        limit: Duration,
    ) -> Result<(), Error> {
        let condition = format!("hbd {} says that {node} is {status}", self.node);
        wait::until_true(limit, &condition, || {
            Ok(self.status_of(node)? == Some(status))
        })
    }

    /// Everything it has written to standard output and error.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("log")).unwrap_or_default()).into_owned()
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.run().join("hbd.sock")
    }

    /// The directory of its state: `hb_uuid`, `hb_generation`.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// The run directory.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.path("run")
    }

    fn command(&self, hbd: &str) -> Command {
        let mut command = self.network.command("unshare");
        command.args(["--mount", "--", "sh", "-c", ON_ITS_MACHINE, "sh"]);
        command.arg(self.path("var-log"));
        command.arg(self.resolver.as_deref().unwrap_or(Path::new("")));
        if let Some(capability) = self.lacks {
            command.args(["setpriv", "--bounding-set", &format!("-{capability}"), "--"]);
        }
        command.arg(hbd);
        command
    }

    fn client(&self) -> Result<Client, Error> {
        Client::connect(&self.socket(), REPLY_LIMIT)
            .map_err(|reason| Error::Unexpected(reason.to_string()))
    }

    /// A booting machine finds its run directory empty.
    fn run_directory(&self) -> Result<(), Error> {
        let path = self.path("run");
        if path.exists() {
            error::file(
                format!("remove {}", path.display()),
                fs::remove_dir_all(&path),
            )?;
        }
        self.directories.directory("run").map(drop)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directories.path().join(name)
    }
}

/// The process, if it is a worker of that role.
fn process(pid: i32, role: &str) -> Option<Process> {
    let directory = PathBuf::from(format!("/proc/{pid}"));
    let line = fs::read(directory.join("cmdline")).ok()?;
    let uid = fs::metadata(&directory).ok()?.uid();
    let is_worker = line.starts_with(format!("{WORKER}{role}").as_bytes());
    is_worker.then_some(Process { pid, uid })
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(error) = self.crash() {
            eprintln!("ending hbd {}: {error}", self.node);
        }
    }
}
