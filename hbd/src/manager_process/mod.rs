//! The manager's process. In this release it has one manager, `none`, which holds nothing: it
//! answers the core, so that the core knows that it lives, and it starts a supervisor again.
//!
//! ```text
//! core  --Question, View, Event, Heard-->          Start, Core, Returns, End
//!       <--Answer, Say-------------------  manager <-------------------------- supervisor
//!                                             |                                    ^
//!                                             +-- starts another, if it dies ------+
//! ```
//!
//! It goes on without a supervisor, and lets the next one in ([`crate::bond`]). Where systemd
//! started hbd that next one comes from systemd, and the manager starts none: never both.

mod reactor;
mod revival;

use std::ffi::OsString;
use std::os::fd::{OwnedFd, RawFd};
use std::path::PathBuf;
use std::time::Duration;

use hbd_core::Said;
use nix::unistd::getuid;
use serde::{Deserialize, Serialize};
use shared::event::Event;
use shared::exit::Exit;
use shared::names::{Generation, NodeName};
use shared::view::ClusterView;
use tokio::runtime::Builder;

use crate::bond::{Bond, Greeting};
use crate::channel::Channel;
use crate::worker;

/// What the core tells its manager.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum CoreToManager {
    /// Does it live?
    Question,
    /// What the core knows, before anything else it says.
    View(Box<ClusterView>),
    /// Something happened that a manager [decides by](crate::core_process::manager::decides).
    Event(Box<Event>),
    /// The manager of another node says something.
    Heard {
        /// Which node.
        from: NodeName,
        /// What it says.
        said: Said,
    },
}

/// What a manager tells the core.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ManagerToCore {
    /// It lives.
    Answer,
    /// To the managers of all other nodes.
    Say(Said),
}

/// What the supervisor tells a manager.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToManager {
    /// The manager begins. With it come the lock that proves that there is one manager, its
    /// [door](crate::bond), and standard error for a supervisor that it starts.
    Start {
        /// The generation of the supervisor.
        generation: Generation,
        /// How a supervisor is started again.
        supervisor: Option<Launch>,
    },
    /// A supervisor that did not start this manager goes on with it. Standard error comes along.
    Adopt {
        /// How a supervisor is started again.
        supervisor: Option<Launch>,
    },
    /// The core is at the other end of the socket that comes along. Behind it come what will
    /// [remain](crate::pulse) of that core, to be kept for the next supervisor.
    Core {
        /// The generation of the core.
        generation: Generation,
    },
    /// The supervisor goes and returns within so long: no other is to be started before.
    Returns(Duration),
    /// hbd ends.
    End,
}

/// What a manager tells the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromManager {
    /// It answered the core for the first time.
    Answers,
}

/// How a supervisor was started: all that another needs to be the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// The program file.
    pub(crate) program: PathBuf,
    /// Its arguments, without the program's name.
    pub(crate) arguments: Vec<OsString>,
    /// Its working directory.
    pub(crate) directory: PathBuf,
    /// Its environment.
    pub(crate) environment: Vec<(OsString, OsString)>,
}

/// Runs a manager whose supervisor is at the other end of the inherited descriptor.
pub(crate) fn run(descriptor: RawFd) -> Exit {
    let mut runtime = Builder::new_current_thread();
    worker::run("manager", descriptor, runtime.enable_all(), begin)
}

/// Waits for the first orders, and follows them.
async fn begin(mut supervisor: Channel<FromManager, ToManager>) -> Exit {
    let Ok(Some((
        ToManager::Start {
            generation,
            supervisor: launch,
        },
        descriptors,
    ))) = supervisor.next().await
    else {
        return Exit::Failed;
    };
    let Ok([lock, listener, stderr]) = <[OwnedFd; 3]>::try_from(descriptors) else {
        return Exit::Failed;
    };
    let mut bond = Bond::new(supervisor, getuid().as_raw());
    if bond.set_door(listener, Greeting::own(generation)).is_err() {
        return Exit::Failed;
    }
    reactor::run(bond, revival::Revival::new(launch, Some(stderr))).await;
    drop(lock);
    Exit::Done
}
