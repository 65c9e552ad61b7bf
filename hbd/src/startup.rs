//! From the command line to a daemon that may start, or to every reason why it may not.

use std::fmt;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use hbd_core::{BadSettings, Core, Settings, Start};
use shared::config::{Config, Diagnostic, Files, Host, MediumKind, Timing, UuidSource};
use shared::exit::Exit;
use shared::names::{Generation, NodeName};

use crate::accepted::{self, Addresses};
use crate::cli::Options;
use crate::clock;
use crate::control::ListenError;
use crate::lock::Held;
use crate::run_directory::{RunDirectory, RunError};
use crate::settings::settings;
use crate::state::{self, Generations, Peers, StateError};
use crate::watchdog::Device;

/// Why the daemon does not start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The node has no usable name.
    Name(diag::facts::node::OwnNameError),
    /// The configuration has errors; all of them, rendered.
    Config(Box<diag::check::Report>),
    /// A name in the configuration has no address.
    Unresolved {
        /// The name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The core does not run with these settings.
    Settings(BadSettings),
    /// The run directory.
    Run(RunError),
    /// The control socket.
    Listen(ListenError),
    /// The state directory.
    State(StateError),
    /// The watchdog, without which two nodes might hold the same.
    Watchdog {
        /// Its file.
        path: PathBuf,
        /// Why it cannot be used.
        error: std::io::Error,
    },
    /// A thread that hbd cannot do without.
    Thread {
        /// What it is for.
        what: &'static str,
        /// What the kernel says.
        error: std::io::Error,
    },
    /// A system call at the start.
    System {
        /// What was tried.
        operation: &'static str,
        /// What the kernel says.
        error: std::io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => write!(f, "{error}; name the node with --node"),
            Self::Config(report) => f.write_str(&report.text(false)),
            Self::Unresolved { name, reason } => write!(
                f,
                "ucast {name}: {reason}; write an address, or put the name into /etc/hosts"
            ),
            Self::Settings(error) => error.fmt(f),
            Self::Run(error) => error.fmt(f),
            Self::Listen(error) => error.fmt(f),
            Self::State(error) => error.fmt(f),
            Self::Watchdog { path, error } => write!(
                f,
                "cannot use the watchdog {}: {error}; {}",
                path.display(),
                watchdog_remedy(error)
            ),
            Self::Thread { what, error } => write!(
                f,
                "start a thread for {what}: {error}; raise the limit of processes of the user hbd \
                 runs as (ulimit -u, TasksMax of systemd)"
            ),
            Self::System { operation, error } => write!(f, "{operation}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl StartError {
    /// Tells the user, on standard error, if anybody reads it. Diagnostics stand for themselves.
    pub(crate) fn print(&self) {
        let mut stderr = std::io::stderr();
        let _ = match self {
            Self::Config(report) => write!(stderr, "{}", report.text(false)),
            other => writeln!(stderr, "hbd: {other}"),
        };
    }

    /// The exit code of a daemon that did not start.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Name(_) | Self::Config(_) | Self::Unresolved { .. } | Self::Settings(_) => {
                Exit::ConfigInvalid
            }
            Self::Run(_)
            | Self::Listen(_)
            | Self::State(_)
            | Self::Watchdog { .. }
            | Self::Thread { .. }
            | Self::System { .. } => Exit::Failed,
        }
    }
}

impl From<RunError> for StartError {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

impl From<ListenError> for StartError {
    fn from(error: ListenError) -> Self {
        Self::Listen(error)
    }
}

impl From<StateError> for StartError {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

/// Everything a supervisor starts from.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The configuration, names resolved.
    pub(crate) config: Config,
    /// What is worth a warning in it.
    pub(crate) warnings: Vec<Diagnostic>,
    /// The files it was read from.
    pub(crate) files: Files,
    /// What the names in it mean.
    pub(crate) addresses: Addresses,
    /// What is wrong with the files on the disk, where others had to do.
    pub(crate) problem: Option<Problem>,
    /// The instance.
    pub(crate) run: RunDirectory,
    /// What the state directory holds.
    pub(crate) state: State,
    /// The watchdog, if one is configured and nobody else may have it.
    pub(crate) watchdog: Option<Device>,
}

/// Why copies of the configuration that runs had to do.
#[derive(Debug)]
pub(crate) enum Problem {
    /// That on the disk has errors.
    Bad(StartError),
    /// It names a host that a name server has to be asked for.
    Unresolved(String),
}

/// What the state directory holds, and the settings that need it.
#[derive(Debug)]
pub(crate) struct State {
    /// Held while the supervisor writes there.
    pub(crate) held: Option<Held>,
    /// For the core.
    pub(crate) settings: Settings,
    /// Generations to come.
    pub(crate) generations: Generations,
    /// Why none of them is reserved on the disk.
    pub(crate) unreserved: Option<StateError>,
    /// Why the directory is not locked.
    pub(crate) unlocked: Option<StateError>,
    /// What is known of peers.
    pub(crate) peers: Peers,
    /// What was lost of it.
    pub(crate) peers_problem: Option<StateError>,
    /// Files taken over from Heartbeat.
    pub(crate) taken_over: Vec<&'static str>,
}

/// Reads the configuration, claims the directories, and reads the state.
pub(crate) fn prepare(options: &Options) -> Result<Prepared, StartError> {
    let node = node_name(options.node.as_ref(), &options.config)?;
    let (accepted, run, problem) = match copies_in_use(options)? {
        Some((copies, run)) => {
            let (accepted, problem) = beside_workers(options, &node, &copies)?;
            (accepted, run, problem)
        }
        None => {
            let accepted = configuration(&options.config, node.clone())?;
            (accepted, RunDirectory::claim(&options.run)?, None)
        }
    };
    let Accepted {
        config,
        warnings,
        files,
        addresses,
    } = accepted;
    let state = State::read(options, &config, &files, node, run.has_workers())?;
    // A core that lives has it.
    let watchdog = match &config.watchdog {
        Some(path) if !run.has_workers() => Some(watchdog(path, &config.timing)?),
        _ => None,
    };
    Ok(Prepared {
        config,
        warnings,
        files,
        addresses,
        problem,
        run,
        state,
        watchdog,
    })
}

/// Last of all that may refuse a start: from here on the machine may be reset.
fn watchdog(path: &Path, timing: &Timing) -> Result<Device, StartError> {
    Device::open(path, timing.deadtime, timing.keepalive, true).map_err(|error| {
        let path = path.to_owned();
        StartError::Watchdog { path, error }
    })
}

fn watchdog_remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::ResourceBusy => {
            "another program has it: systemd does where RuntimeWatchdogSec is set, and then this \
             line is to go; fuser(1) names others"
        }
        ErrorKind::NotFound => {
            "load the driver of the machine's watchdog, or softdog, which does it in software; or \
             remove the line"
        }
        ErrorKind::PermissionDenied => "start hbd as root",
        _ => "see what that file is; or remove the line",
    }
}

/// Where the copies of the configuration are that a worker runs with which lives.
fn copies_in_use(options: &Options) -> Result<Option<(PathBuf, RunDirectory)>, StartError> {
    let Some(copies) = accepted::directory(&options.run) else {
        return Ok(None);
    };
    let run = RunDirectory::claim(&options.run)?;
    let lives = run.has_workers();
    Ok(lives.then_some((copies, run)))
}

/// The configuration for a supervisor that finds workers. A cluster must not be left without one
/// because somebody is editing a file, nor wait for one because a name server is slow: what names
/// mean is known, and a configuration with other names waits for a reload.
fn beside_workers(
    options: &Options,
    node: &NodeName,
    copies: &Path,
) -> Result<(Accepted, Option<Problem>), StartError> {
    let known = accepted::addresses(copies);
    let problem = match known_configuration(&options.config, node, &known) {
        Ok(accepted) => return Ok((accepted, None)),
        Err(error @ StartError::Unresolved { .. }) => Problem::Unresolved(error.to_string()),
        Err(error) => Problem::Bad(error),
    };
    let accepted = known_configuration(copies, node, &known)
        // Copies of another build may lack what names mean.
        .or_else(|_| configuration(copies, node.clone()))?;
    Ok((accepted, Some(problem)))
}

impl State {
    /// Beside workers that live, a disk that takes nothing is no reason to leave them alone: the
    /// lock of the run directory keeps a second supervisor away.
    fn read(
        options: &Options,
        config: &Config,
        files: &Files,
        node: NodeName,
        beside_workers: bool,
    ) -> Result<Self, StartError> {
        if !beside_workers {
            state::refuse_namesake(&node, config)?;
        }
        let (held, unlocked) = match state::claim(&options.state) {
            Ok(held) => (Some(held), None),
            Err(error @ StateError::Io { .. }) if beside_workers => (None, Some(error)),
            Err(error) => return Err(error.into()),
        };
        let heartbeat = state::heartbeat_beside(&options.state);
        let taken_over = match heartbeat {
            Some(theirs) => {
                match state::take_over(theirs, &options.state, diag::facts::heartbeat::process()) {
                    // It was started beside the workers.
                    Err(StateError::HeartbeatRuns { .. }) if beside_workers => Vec::new(),
                    taken => taken?,
                }
            }
            None => Vec::new(),
        };
        let uuid = match config.uuid {
            UuidSource::File => state::own_uuid(&options.state)?,
            UuidSource::Nodename => state::uuid_of(&node),
        };
        let settings = settings(config, files, node, uuid);
        try_core(&settings)?;
        let mut generations =
            Generations::read(&options.state, config.generation, clock::now().wall)?;
        let unreserved = match generations.reserve(&options.state, heartbeat) {
            Err(error) if !beside_workers && generations.short_of().is_some() => {
                return Err(error.into());
            }
            reserved => reserved.err(),
        };
        let (peers, peers_problem) = Peers::load(&options.state);
        Ok(Self {
            held,
            settings,
            generations,
            unreserved,
            unlocked,
            peers,
            peers_problem,
            taken_over,
        })
    }
}

/// `--node`, else `nodeinfo`, else `uname -n`.
pub(crate) fn node_name(said: Option<&NodeName>, config: &Path) -> Result<NodeName, StartError> {
    match said {
        Some(node) => Ok(node.clone()),
        None => diag::facts::node::own_name(config).map_err(StartError::Name),
    }
}

/// A configuration without errors.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The configuration, names resolved.
    pub(crate) config: Config,
    /// What is worth a warning in it.
    pub(crate) warnings: Vec<Diagnostic>,
    /// The files it was read from.
    pub(crate) files: Files,
    /// What the names in it mean.
    pub(crate) addresses: Addresses,
}

/// Reads and checks the files of `directory` for `node`. May wait for a name server.
pub(crate) fn configuration(directory: &Path, node: NodeName) -> Result<Accepted, StartError> {
    let report = diag::check::for_node(directory, Some(node), true);
    accept(report, |name, port| {
        let found = (name, port).to_socket_addrs();
        let mut found = found.map_err(|error| error.to_string())?;
        found
            .find_map(|address| match address {
                SocketAddr::V4(address) => Some(*address.ip()),
                SocketAddr::V6(_) => None,
            })
            .ok_or_else(|| "it has no IPv4 address".to_owned())
    })
}

/// The same, where names mean what they meant. Waits for nobody.
fn known_configuration(
    directory: &Path,
    node: &NodeName,
    known: &Addresses,
) -> Result<Accepted, StartError> {
    let report = diag::check::for_node_that_runs(directory, node.clone());
    accept(report, |name, _| {
        let known = known.get(name).copied();
        known.ok_or_else(|| "what it means is not known yet".to_owned())
    })
}

fn accept(
    mut report: diag::check::Report,
    look_up: impl Fn(&str, u16) -> Result<Ipv4Addr, String>,
) -> Result<Accepted, StartError> {
    let Some(mut config) = report.config.take() else {
        return Err(StartError::Config(Box::new(report)));
    };
    let addresses = resolve(&mut config, look_up)?;
    Ok(Accepted {
        config,
        warnings: report.diagnostics,
        files: report.files,
        addresses,
    })
}

/// Names become addresses once, before anything runs: nothing asks a name server afterwards.
fn resolve(
    config: &mut Config,
    look_up: impl Fn(&str, u16) -> Result<Ipv4Addr, String>,
) -> Result<Addresses, StartError> {
    let mut addresses = Addresses::new();
    for medium in &mut config.media {
        // A host to ping may be this one.
        let may_be_own = medium.device == "lo" || medium.kind.pings().is_some();
        let port = medium.kind.port().unwrap_or_default();
        let hosts = match &mut medium.kind {
            MediumKind::Ucast { peers, .. } => peers,
            kind => kind.pinged_hosts(),
        };
        for peer in hosts {
            if let Host::Name(name) = peer {
                let found = look_up(name, port).and_then(|found| fit(found, may_be_own));
                let address = found.map_err(|reason| StartError::Unresolved {
                    name: name.clone(),
                    reason,
                })?;
                addresses.insert(name.clone(), address);
                *peer = Host::Address(address);
            }
        }
    }
    Ok(addresses)
}

fn fit(address: Ipv4Addr, may_be_own: bool) -> Result<Ipv4Addr, String> {
    match address.is_loopback() && !may_be_own {
        true => Err(format!("it means {address}, this machine only")),
        false => Ok(address),
    }
}

/// A core is made and thrown away, so that settings it refuses are refused here.
pub(crate) fn try_core(settings: &Settings) -> Result<(), StartError> {
    let start = Start {
        generation: Generation(1),
        seed: 1,
        quick_restart: false,
        cause: None,
        memory: Vec::new(),
        former_pace: None,
        active: false,
    };
    Core::new(settings.clone(), start, clock::now())
        .map(drop)
        .map_err(StartError::Settings)
}
