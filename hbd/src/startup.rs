//! From the command line to a daemon that may start, or to every reason why it may not.

use std::fmt;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;

use hbd_core::{BadSettings, Core, Settings, Start};
use shared::config::{Config, Diagnostic, Files, Host, MediumKind, UuidSource};
use shared::event::Role;
use shared::exit::Exit;
use shared::names::{Generation, NodeName};

use crate::accepted;
use crate::cli::{Options, STATE};
use crate::clock;
use crate::control::ListenError;
use crate::lock::Held;
use crate::run_directory::{RunDirectory, RunError};
use crate::settings::settings;
use crate::state::{self, Generations, HEARTBEAT_STATE, Peers, StateError};

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
            Self::Run(_) | Self::Listen(_) | Self::State(_) | Self::System { .. } => Exit::Failed,
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
    /// What is wrong with the files on the disk, where others had to do.
    pub(crate) problem: Option<String>,
    /// The instance.
    pub(crate) run: RunDirectory,
    /// What the state directory holds.
    pub(crate) state: State,
}

/// What the state directory holds, and the settings that need it.
#[derive(Debug)]
pub(crate) struct State {
    /// Held while the supervisor writes there.
    pub(crate) held: Held,
    /// For the core.
    pub(crate) settings: Settings,
    /// Generations to come.
    pub(crate) generations: Generations,
    /// What is known of peers.
    pub(crate) peers: Peers,
    /// What was lost of it.
    pub(crate) peers_problem: Option<StateError>,
    /// Files taken over from Heartbeat.
    pub(crate) taken_over: Vec<&'static str>,
}

/// Reads the configuration, claims the directories, and reads the state.
pub(crate) fn prepare(options: &Options) -> Result<Prepared, StartError> {
    let node = node_name(options)?;
    let read = configuration(&options.config, node.clone());
    let (accepted, run, problem) = match read {
        Ok(accepted) => (accepted, RunDirectory::claim(&options.run)?, None),
        Err(error) => accepted_before(options, &node, error)?,
    };
    let Accepted {
        config,
        warnings,
        files,
    } = accepted;
    let state = State::read(options, &config, &files, node)?;
    Ok(Prepared {
        config,
        warnings,
        files,
        problem,
        run,
        state,
    })
}

/// The configuration that runs, where that on the disk has an error and workers live: a cluster
/// must not be left without a supervisor because somebody is editing a file.
fn accepted_before(
    options: &Options,
    node: &NodeName,
    error: StartError,
) -> Result<(Accepted, RunDirectory, Option<String>), StartError> {
    if accepted::directory(&options.run).is_none() {
        return Err(error);
    }
    let run = RunDirectory::claim(&options.run)?;
    let copies = accepted::directory(&options.run).filter(|_| run.lives(Role::Core));
    let Some(copies) = copies else {
        return Err(error);
    };
    match configuration(&copies, node.clone()) {
        Ok(accepted) => Ok((accepted, run, Some(error.to_string()))),
        Err(_) => Err(error),
    }
}

impl State {
    fn read(
        options: &Options,
        config: &Config,
        files: &Files,
        node: NodeName,
    ) -> Result<Self, StartError> {
        let held = state::claim(&options.state)?;
        let taken_over = if options.state == Path::new(STATE) {
            state::take_over(
                Path::new(HEARTBEAT_STATE),
                &options.state,
                state::heartbeat(),
            )?
        } else {
            Vec::new()
        };
        let uuid = match config.uuid {
            UuidSource::File => state::own_uuid(&options.state)?,
            UuidSource::Nodename => state::uuid_of(&node),
        };
        let settings = settings(config, files, node, uuid);
        try_core(&settings)?;
        let generations = Generations::open(&options.state, config.generation, clock::now().wall)?;
        let (peers, peers_problem) = Peers::load(&options.state);
        Ok(Self {
            held,
            settings,
            generations,
            peers,
            peers_problem,
            taken_over,
        })
    }
}

/// `--node`, else `nodeinfo`, else `uname -n`.
pub(crate) fn node_name(options: &Options) -> Result<NodeName, StartError> {
    match &options.node {
        Some(node) => Ok(node.clone()),
        None => diag::facts::node::own_name(&options.config).map_err(StartError::Name),
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
}

/// Reads and checks the files of `directory` for `node`. May wait for a name server.
pub(crate) fn configuration(directory: &Path, node: NodeName) -> Result<Accepted, StartError> {
    let mut report = diag::check::for_node(directory, Some(node), true);
    let Some(mut config) = report.config.take() else {
        return Err(StartError::Config(Box::new(report)));
    };
    resolve(&mut config)?;
    Ok(Accepted {
        config,
        warnings: report.diagnostics,
        files: report.files,
    })
}

/// Names become addresses once, before anything runs: nothing asks a name server afterwards.
fn resolve(config: &mut Config) -> Result<(), StartError> {
    for medium in &mut config.media {
        let on_loopback = medium.device == "lo";
        let MediumKind::Ucast { port, peers, .. } = &mut medium.kind else {
            continue;
        };
        for peer in peers {
            if let Host::Name(name) = peer {
                *peer = Host::Address(address(name, *port, on_loopback)?);
            }
        }
    }
    Ok(())
}

fn address(name: &str, port: u16, on_loopback: bool) -> Result<Ipv4Addr, StartError> {
    let unresolved = |reason: String| StartError::Unresolved {
        name: name.to_owned(),
        reason,
    };
    let found = (name, port)
        .to_socket_addrs()
        .map_err(|error| unresolved(error.to_string()))?
        .find_map(|address| match address {
            SocketAddr::V4(address) => Some(*address.ip()),
            SocketAddr::V6(_) => None,
        });
    match found {
        Some(address) if address.is_loopback() && !on_loopback => {
            Err(unresolved(format!("it means {address}, this machine only")))
        }
        Some(address) => Ok(address),
        None => Err(unresolved("it has no IPv4 address".into())),
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
    };
    Core::new(settings.clone(), start, clock::now())
        .map(drop)
        .map_err(StartError::Settings)
}
